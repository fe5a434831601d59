//! The outbox of e-mails (tickets contract §13; the POS seed's "E-mails"): one row each, written with the change that
//! causes it.

use std::fmt;

use jiff::{SignedDuration, Timestamp, civil};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    ids::{OrgId, UserId},
    pos,
    tickets::number::OrderNumber,
    time::millis,
};

/// How long a worker may be silent before its e-mail is taken over: this is what mends v4's stranded `processing` rows.
pub const LEASE: SignedDuration = SignedDuration::from_secs(120);

/// How long an e-mail waits after its first failed try; after each further one twice as long as before it. So a ticket is tried
/// for an hour and a quarter, and any other for a quarter of an hour: SES may be gone for a while.
const BACKOFF: SignedDuration = SignedDuration::from_mins(5);

/// The same for one whose link is good for ten minutes only.
const SHORT_BACKOFF: SignedDuration = SignedDuration::from_mins(1);

/// How long an e-mail waits for which SES had no room. Such a try is none.
pub const THROTTLED: SignedDuration = SignedDuration::from_mins(1);

/// Names an e-mail: what it says, and about what. The message of the queue; by this a worker finds the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum MailKey {
    /// A paid order's ticket.
    Ticket {
        /// The order.
        number: OrderNumber,
    },
    /// To somebody who has signed up.
    Welcome {
        /// Who.
        user: UserId,
    },
    /// The link by which a forgotten password is replaced.
    PasswordReset {
        /// Whose password.
        user: UserId,
        /// The link.
        id: Uuid,
    },
    /// The link by which somebody joins an organization.
    Invitation {
        /// Who is invited.
        user: UserId,
        /// The link.
        id: Uuid,
    },
    /// The receipt of a sale at the counter.
    Receipt {
        /// Whose sale. Its name in a row and in a message is not `org`, which is taken there by the row's own.
        #[serde(rename = "seller")]
        org: OrgId,
        /// The sale.
        order: pos::order::OrderId,
        /// One for each request to send it.
        id: Uuid,
    },
    /// What was sold in a week.
    WeeklyReport {
        /// Who reads it.
        user: UserId,
        /// The Monday that the week begins with.
        week: civil::Date,
    },
}

impl MailKey {
    /// What it says, as it is spelled in keys and messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Ticket { .. } => "ticket",
            Self::Welcome { .. } => "welcome",
            Self::PasswordReset { .. } => "password_reset",
            Self::Invitation { .. } => "invitation",
            Self::Receipt { .. } => "receipt",
            Self::WeeklyReport { .. } => "weekly_report",
        }
    }

    /// Tries before it stays failed: 5 for tickets (tickets contract §13), 3 for others (the POS seed's e-mail queue).
    pub fn max_attempts(&self) -> u32 {
        match self {
            Self::Ticket { .. } => 5,
            _ => 3,
        }
    }
}

/// For logs: ids only.
impl fmt::Display for MailKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind();
        match self {
            Self::Ticket { number } => write!(f, "{kind} {number}"),
            Self::Welcome { user } => write!(f, "{kind} {user}"),
            Self::PasswordReset { user, id } | Self::Invitation { user, id } => write!(f, "{kind} {user} {id}"),
            Self::Receipt { org, order, id } => write!(f, "{kind} {org} {order} {id}"),
            Self::WeeklyReport { user, week } => write!(f, "{kind} {user} {week}"),
        }
    }
}

/// Where an e-mail is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailStatus {
    /// Waiting for a worker.
    Pending,
    /// A worker has it until its lease runs out.
    Processing,
    /// Handed to SES.
    Sent,
    /// The last try failed; final after [`MailKey::max_attempts`] or when there is nothing left to send.
    Failed,
}

impl MailStatus {
    /// The wire spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::Sent => "sent",
            Self::Failed => "failed",
        }
    }
}

/// What is to become of an e-mail that a change causes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MailPolicy {
    /// A worker sends it.
    #[default]
    Send,
    /// It is written and not sent, since staff asked for that; a resend still sends it.
    Hold,
}

/// A row of the outbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mail {
    /// Names it.
    #[serde(flatten)]
    pub key: MailKey,
    /// The organization in whose name it is sent.
    pub org: OrgId,
    /// The address that was asked for (a receipt's); absent for those that go to the buyer or user they are about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The key that the secret of its link is derived with ([`crate::link`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_key: Option<String>,
    /// Where it is on its way.
    pub status: MailStatus,
    /// Tries so far, at most [`MailKey::max_attempts`].
    pub attempts: u32,
    /// Until when the worker that has it may be silent.
    #[serde(with = "millis::option", default, skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<Timestamp>,
    /// Nobody tries again before this, after a try that failed.
    #[serde(with = "millis::option", default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// True once it could not be delivered: its message is a dead letter, and who redrives that has it tried anew.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dead: bool,
    /// Why the last try failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it was handed to SES.
    #[serde(with = "millis::option", default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Timestamp>,
    /// When it was written.
    #[serde(with = "millis")]
    pub created_at: Timestamp,
}

impl Mail {
    /// A new row: waiting, or held back for good.
    pub fn new(key: MailKey, org: OrgId, policy: MailPolicy, now: Timestamp) -> Self {
        let waiting = Mail {
            key,
            org,
            to: None,
            link_key: None,
            status: MailStatus::Pending,
            attempts: 0,
            lease_until: None,
            not_before: None,
            dead: false,
            error: None,
            sent_at: None,
            created_at: now,
        };
        match policy {
            MailPolicy::Send => waiting,
            MailPolicy::Hold => Mail {
                status: MailStatus::Failed,
                attempts: key.max_attempts(),
                error: Some("held back by staff".to_owned()),
                ..waiting
            },
        }
    }

    /// The same to this address.
    pub fn to(self, address: String) -> Self {
        Mail { to: Some(address), ..self }
    }

    /// The same with a link whose secret is derived with this key.
    pub fn with_link(self, key_id: &str) -> Self {
        Mail { link_key: Some(key_id.to_owned()), ..self }
    }

    /// May a worker take it now? The store's claim has the same condition.
    pub fn is_due(&self, now: Timestamp) -> bool {
        let free = match self.status {
            MailStatus::Pending => true,
            MailStatus::Failed => self.not_before.is_none_or(|at| at <= now),
            MailStatus::Processing => self.lease_until.is_none_or(|until| until < now),
            MailStatus::Sent => false,
        };
        free && !self.is_last_try()
    }

    /// Did its worker die at the last try? Nobody may take it any more, and it has not ended.
    pub fn is_stranded(&self, now: Timestamp) -> bool {
        self.status == MailStatus::Processing && self.is_last_try() && self.lease_until.is_none_or(|until| until < now)
    }

    /// True when nothing will change it any more, but for a resend.
    pub fn is_final(&self) -> bool {
        self.status == MailStatus::Sent || (self.status == MailStatus::Failed && self.is_last_try())
    }

    /// When it may be tried again, if the try that was made has failed.
    pub fn next_try(&self, now: Timestamp) -> Timestamp {
        let first = if matches!(self.key, MailKey::PasswordReset { .. }) { SHORT_BACKOFF } else { BACKOFF };
        now + first * (1 << (self.attempts.clamp(1, 16) - 1))
    }

    /// True when no other try follows the one that was made.
    pub fn is_last_try(&self) -> bool {
        self.attempts >= self.key.max_attempts()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ID: Uuid = Uuid::from_u128(0x8f5f_6f0e_6f43_4d4e_9a4e_0c6f_4b1b_7a01);
    const USER: UserId = UserId(ID);

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    fn keys() -> [MailKey; 6] {
        [
            MailKey::Ticket { number: OrderNumber::new(now(), 1) },
            MailKey::Welcome { user: USER },
            MailKey::PasswordReset { user: USER, id: ID },
            MailKey::Invitation { user: USER, id: ID },
            MailKey::Receipt { org: OrgId::from_random([1; 16]), order: pos::order::OrderId(ID), id: Uuid::nil() },
            MailKey::WeeklyReport { user: USER, week: civil::date(2027, 1, 11) },
        ]
    }

    #[test]
    fn a_dead_workers_mail_is_taken_over_and_a_sent_one_never() {
        let now = now();
        for key in keys() {
            let org = OrgId::from_random([1; 16]);
            let mut mail = Mail::new(key, org, MailPolicy::Send, now);
            assert!(mail.is_due(now));
            mail.status = MailStatus::Processing;
            mail.attempts = 1;
            mail.lease_until = Some(now + LEASE);
            assert!(!mail.is_due(now));
            assert!(mail.is_due(now + LEASE + SignedDuration::from_millis(1)));
            mail.status = MailStatus::Failed;
            assert!(mail.is_due(now) && !mail.is_final());
            mail.not_before = Some(now + BACKOFF);
            assert!(!mail.is_due(now) && mail.is_due(now + BACKOFF) && !mail.is_final(), "it waits");
            mail.not_before = None;
            mail.attempts = key.max_attempts() - 1;
            assert!(mail.is_due(now) && !mail.is_final());
            mail.attempts = key.max_attempts();
            assert!(!mail.is_due(now) && mail.is_final());
            mail.status = MailStatus::Processing;
            assert!(!mail.is_stranded(now) && mail.is_stranded(now + LEASE + SignedDuration::from_millis(1)));
            let held = Mail::new(key, org, MailPolicy::Hold, now);
            assert!(!held.is_due(now) && held.is_final());
            mail.status = MailStatus::Sent;
            mail.attempts = 1;
            assert!(!mail.is_due(now) && mail.is_final());
        }
    }

    #[test]
    fn each_wait_is_twice_the_last() {
        let wait = |key: MailKey, attempts: u32| {
            let mail = Mail::new(key, OrgId::from_random([1; 16]), MailPolicy::Send, now());
            Mail { attempts, ..mail }.next_try(now()).duration_since(now()).as_mins()
        };
        assert_eq!([1, 2, 3, 4].map(|attempts| wait(keys()[0], attempts)), [5, 10, 20, 40]);
        assert_eq!([1, 2].map(|attempts| wait(keys()[2], attempts)), [1, 2], "its link does not live for long");
    }

    #[test]
    fn tickets_are_tried_five_times_and_others_three() {
        assert_eq!(keys().map(|key| key.max_attempts()), [5, 3, 3, 3, 3, 3]);
    }

    #[test]
    fn a_key_is_spelled_as_its_messages_always_were() {
        let [ticket, .., receipt, weekly] = keys();
        assert_eq!(serde_json::to_value(ticket).unwrap(), json!({"kind": "ticket", "number": "HP270115-00000001"}));
        let before: MailKey = serde_json::from_str(r#"{"number":"HP270115-00000001","kind":"ticket"}"#).unwrap();
        assert_eq!(before, ticket);
        let expected =
            json!({"kind": "receipt", "seller": OrgId::from_random([1; 16]), "order": ID, "id": Uuid::nil()});
        assert_eq!(serde_json::to_value(receipt).unwrap(), expected);
        assert_eq!(serde_json::to_value(weekly).unwrap()["week"], "2027-01-11");
        for key in keys() {
            assert_eq!(serde_json::to_value(key).unwrap()["kind"], key.kind());
            assert!(key.to_string().starts_with(key.kind()));
        }
    }

    #[test]
    fn a_row_of_every_kind_is_read_back() {
        for key in keys() {
            let mail = Mail::new(key, OrgId::from_random([9; 16]), MailPolicy::Send, now());
            let mail = mail.to("ana@example.com".into()).with_link("k1");
            let item = serde_json::to_value(&mail).unwrap();
            assert_eq!(item["org"], json!(OrgId::from_random([9; 16])), "the row's own, whatever its key names");
            assert_eq!(serde_json::from_value::<Mail>(item).unwrap(), mail);
        }
    }
}
