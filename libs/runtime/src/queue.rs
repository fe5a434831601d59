//! What workers share: what wakes them, how a batch is answered message by message; and for who sends to a queue, how a message
//! is written and how long it may be delayed.

use std::{fmt::Display, future::Future};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The longest that SQS delays a message.
const MAX_DELAY: SignedDuration = SignedDuration::from_mins(15);

/// What wakes a worker that has both a queue and a schedule.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Wake {
    /// Messages of its queue.
    Messages(SqsEvent),
    /// Its schedule has come round: EventBridge's event.
    Schedule {
        /// `aws.events`, or `aws.scheduler`.
        source: String,
    },
}

/// Handles all messages of a batch at once, and answers with those that are to be delivered again.
///
/// A message that cannot be read as `M` is logged and dropped: it would never become readable, and only stand in the way.
pub async fn consume<M, F, Fut, E>(event: SqsEvent, handle: F) -> SqsBatchResponse
where
    M: DeserializeOwned,
    F: Fn(M) -> Fut,
    Fut: Future<Output = Result<(), E>>,
    E: Display,
{
    let answers = event.records.into_iter().map(|record| consume_one(record, &handle));
    let mut response = SqsBatchResponse::default();
    response.set_failures(join_all(answers).await.into_iter().flatten());
    response
}

/// The message's id when it is to be delivered again.
async fn consume_one<M, F, Fut, E>(record: SqsMessage, handle: &F) -> Option<String>
where
    M: DeserializeOwned,
    F: Fn(M) -> Fut,
    Fut: Future<Output = Result<(), E>>,
    E: Display,
{
    let message_id = record.message_id.unwrap_or_default();
    let message = match serde_json::from_str(&record.body.unwrap_or_default()) {
        Ok(message) => message,
        Err(error) => {
            // The error's text may quote the body, which may name people.
            tracing::error!(message_id, reason = ?error.classify(), "message dropped: it cannot be read");
            return None;
        }
    };
    let error = handle(message).await.err()?;
    tracing::warn!(message_id, %error, "message will be delivered again");
    Some(message_id)
}

/// A message as its queue takes it: JSON in ASCII. SQS refuses what XML has no place for (U+FFFF, say), and what people type may
/// have it; a message that is refused for ever holds up all that come after it.
pub fn message(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let text = serde_json::to_string(value)?;
    if text.is_ascii() {
        return Ok(text);
    }
    let mut ascii = String::with_capacity(2 * text.len());
    for c in text.chars() {
        if c.is_ascii() {
            ascii.push(c);
            continue;
        }
        // Only strings have such characters, and there this is the same character.
        for unit in c.encode_utf16(&mut [0; 2]) {
            ascii += &format!("\\u{unit:04x}");
        }
    }
    Ok(ascii)
}

/// Seconds to delay a message so that it arrives at `until`, not earlier; the longest delay when that is too far off.
pub fn delay_seconds(now: Timestamp, until: Timestamp) -> i32 {
    let left = until.duration_since(now).clamp(SignedDuration::ZERO, MAX_DELAY);
    // At most 900.
    (left + SignedDuration::from_nanos(999_999_999)).as_secs() as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn event(bodies: &[&str]) -> Value {
        let record = |(i, body): (usize, &&str)| {
            json!({"messageId": format!("m{i}"), "receiptHandle": "r", "body": body,
            "attributes": {}, "messageAttributes": {}, "eventSource": "aws:sqs"})
        };
        json!({"Records": bodies.iter().enumerate().map(record).collect::<Vec<_>>()})
    }

    #[test]
    fn a_worker_knows_what_woke_it() {
        let wake = |event: Value| serde_json::from_value::<Wake>(event);
        assert!(matches!(wake(event(&["1"])), Ok(Wake::Messages(_))));
        let schedule = json!({"version": "0", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}});
        assert!(matches!(wake(schedule), Ok(Wake::Schedule { .. })));
        assert!(wake(json!({})).is_err());
    }

    #[tokio::test]
    async fn failures_come_again_and_junk_does_not() {
        let batch = serde_json::from_value(event(&["1", "junk", "2", "\"text\"", ""])).unwrap();
        let even = |n: u32| async move { if n.is_multiple_of(2) { Err("even") } else { Ok(()) } };
        let answer = serde_json::to_value(consume(batch, even).await).unwrap();
        assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": "m2"}]}));
    }

    #[test]
    fn a_message_is_ascii_and_says_the_same() {
        let value = json!({"name": "Zoë \u{ffff}\u{fffe} \u{1f3aa} \"\\\u{7}", "ü": 1});
        let message = message(&value).unwrap();
        assert!(message.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{message}");
        assert_eq!(serde_json::from_str::<Value>(&message).unwrap(), value);
        assert_eq!(super::message(&"plain").unwrap(), "\"plain\"");
    }

    #[test]
    fn a_delayed_message_is_never_early() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let after = |millis| delay_seconds(now, now + SignedDuration::from_millis(millis));
        assert_eq!([-5_000, 0, 1, 1000, 1001, 900_000, 86_400_000].map(after), [0, 0, 1, 1, 2, 900, 900]);
    }
}
