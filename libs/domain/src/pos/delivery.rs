//! What became of an event on its way to an endpoint: the delivery log's row, one per event and endpoint.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{endpoint::Notice, event::EventKind};
use crate::{
    ids::{EndpointId, OrgId},
    time::millis,
};

/// How long a worker has an event for itself: longer than its function may run, so that whoever comes later knows it dead.
pub const LEASE: SignedDuration = SignedDuration::from_secs(90);

/// How long a row is kept after its last try: longer than the queue and its dead letters keep a message.
pub const MEMORY: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Tries that a row tells of, the newest; five, and those after a redrive.
pub const MAX_TRIES: usize = 20;

/// Bytes of an answer that are kept.
pub const MAX_ANSWER: usize = 1024;

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// A worker is at it, or died over it.
    Sending,
    /// The last try failed; another may follow.
    Failed,
    /// The receiver took it. Final.
    Delivered,
    /// The receiver is there no more (410). Final.
    Gone,
}

impl Outcome {
    /// The spelling in the database and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sending => "sending",
            Self::Failed => "failed",
            Self::Delivered => "delivered",
            Self::Gone => "gone",
        }
    }

    /// What an answer's status means. A redirection is not followed: nobody vouches for where it leads.
    pub fn of_status(status: u16) -> Self {
        match status {
            200..=299 => Self::Delivered,
            410 => Self::Gone,
            _ => Self::Failed,
        }
    }
}

/// One try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Try {
    /// When it began.
    #[serde(with = "millis")]
    pub at: Timestamp,
    /// The answer's status; none when there was no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why there was no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    pub duration: u32,
}

/// An event and an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Whose.
    pub org: OrgId,
    /// Where it goes.
    pub endpoint: EndpointId,
    /// The event's id.
    pub event: String,
    /// What it is.
    pub kind: EventKind,
    /// When it happened.
    #[serde(with = "millis")]
    pub at: Timestamp,
    /// How it stands.
    pub outcome: Outcome,
    /// How many tries were begun.
    pub attempts: u32,
    /// The tries that ended, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tries: Vec<Try>,
    /// The beginning of the last answer's body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// The name of the try that is under way; only its worker knows it.
    #[serde(default)]
    pub claim: String,
}

impl Delivery {
    /// A row before its first try ends.
    pub fn new(notice: &Notice, claim: String) -> Self {
        Delivery {
            org: notice.org,
            endpoint: notice.endpoint,
            event: notice.event.id.clone(),
            kind: notice.event.kind,
            at: notice.event.at,
            outcome: Outcome::Sending,
            attempts: 1,
            tries: vec![],
            answer: None,
            claim,
        }
    }

    /// The row after a try, with the beginning of what was answered.
    pub fn ended(&self, tried: Try, answer: Option<&[u8]>) -> Self {
        let mut ended = self.clone();
        ended.outcome = tried.status.map_or(Outcome::Failed, Outcome::of_status);
        ended.answer = answer.filter(|answer| !answer.is_empty()).map(beginning);
        ended.tries.push(tried);
        let old = ended.tries.len().saturating_sub(MAX_TRIES);
        ended.tries.drain(..old);
        ended
    }
}

/// The first [`MAX_ANSWER`] bytes as text, without what no text has.
fn beginning(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(&answer[..answer.len().min(MAX_ANSWER)]);
    let mut text: String = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
    // A character that was cut has become a longer one that says so.
    while text.len() > MAX_ANSWER {
        text.pop();
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::pos::event::Event;

    fn row() -> Delivery {
        let org = OrgId::from_random([1; 16]);
        let event = Event::ping(org, Uuid::from_u128(1), Timestamp::UNIX_EPOCH);
        Delivery::new(&Notice { org, endpoint: EndpointId::from_random([2; 16]), event }, "me".into())
    }

    fn tried(status: Option<u16>) -> Try {
        Try { at: Timestamp::UNIX_EPOCH, status, error: status.is_none().then(|| "late".into()), duration: 5 }
    }

    #[test]
    fn what_an_answer_means() {
        for (status, outcome) in [
            (None, Outcome::Failed),
            (Some(100), Outcome::Failed),
            (Some(200), Outcome::Delivered),
            (Some(204), Outcome::Delivered),
            (Some(299), Outcome::Delivered),
            (Some(301), Outcome::Failed),
            (Some(404), Outcome::Failed),
            (Some(410), Outcome::Gone),
            (Some(500), Outcome::Failed),
        ] {
            assert_eq!(row().ended(tried(status), None).outcome, outcome, "{status:?}");
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.as_str());
        }
    }

    #[test]
    fn the_newest_tries_are_told() {
        let end = |row: Delivery, n: u16| row.ended(tried(Some(n)), Some(b"sorry"));
        let row = (500..550).fold(row(), end);
        assert_eq!(row.tries.len(), MAX_TRIES);
        assert_eq!(row.tries.last().unwrap().status, Some(549));
        assert_eq!(row.answer.as_deref(), Some("sorry"));
        assert_eq!(row.ended(tried(None), None).answer, None, "of the last try");
    }

    proptest! {
        #[test]
        fn an_answer_is_cut(answer: Vec<u8>, long in 0..3000usize) {
            for answer in [answer, "\u{1F600}".repeat(long).into_bytes(), vec![0xff; long]] {
                let kept = row().ended(tried(Some(200)), Some(&answer)).answer.unwrap_or_default();
                prop_assert!(kept.len() <= MAX_ANSWER);
                prop_assert!(!kept.contains('\0'));
            }
        }
    }
}
