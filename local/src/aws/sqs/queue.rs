//! One standard queue: what is waiting, hidden or delayed, and how a message moves between these.
//!
//! Time is passed in as milliseconds since 1970, so that the rules are plain functions.

use std::collections::{BTreeMap, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use md5::{Digest as _, Md5};
use serde_json::Value;
use uuid::Uuid;

use crate::aws::wire::Fault;

/// A message, wherever it is in its life.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub id: String,
    pub body: String,
    /// `MessageAttributes` as sent.
    pub attributes: Value,
    pub sent_at: u64,
    pub first_received_at: Option<u64>,
    /// How often it was handed out. A receipt names the delivery it belongs to.
    pub receives: u32,
}

impl Message {
    pub fn new(body: String, attributes: Value, now: u64) -> Self {
        Self { id: Uuid::new_v4().to_string(), body, attributes, sent_at: now, first_received_at: None, receives: 0 }
    }

    /// The receipt of the latest delivery.
    pub fn receipt(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}#{}", self.id, self.receives))
    }
}

/// MD5 of a body in lower hex, by which SDKs check that it came through whole.
pub(super) fn body_md5(body: &str) -> String {
    hex::encode(Md5::digest(body.as_bytes()))
}

/// When a message is to be seen again, and a number that keeps the order of sending.
type Due = (u64, u64);

/// A queue's messages, ordered by the time from which they may be received.
#[derive(Debug, Default)]
pub(super) struct Messages {
    due: BTreeMap<Due, Message>,
    by_id: HashMap<String, Due>,
    sequence: u64,
}

/// How many messages are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub visible: usize,
    pub in_flight: usize,
    pub delayed: usize,
}

impl Messages {
    /// Adds a message that may be received from `visible_at` on.
    pub fn add(&mut self, message: Message, visible_at: u64) {
        self.sequence += 1;
        let due = (visible_at, self.sequence);
        self.by_id.insert(message.id.clone(), due);
        self.due.insert(due, message);
    }

    /// Takes up to `most` visible messages and hides them until `hidden_until`. Those handed out `max_receives` times
    /// before are not handed out again but returned second, for the dead-letter queue.
    pub fn receive(
        &mut self,
        most: usize,
        now: u64,
        hidden_until: u64,
        max_receives: Option<u32>,
    ) -> (Vec<Message>, Vec<Message>) {
        let (mut received, mut dead) = (Vec::new(), Vec::new());
        while received.len() < most {
            let Some(entry) = self.due.first_entry().filter(|entry| entry.key().0 <= now) else {
                break;
            };
            let mut message = entry.remove();
            self.by_id.remove(&message.id);
            if max_receives.is_some_and(|max| message.receives >= max) {
                dead.push(message);
                continue;
            }
            message.receives += 1;
            message.first_received_at.get_or_insert(now);
            received.push(message);
        }
        for message in &received {
            self.add(message.clone(), hidden_until);
        }
        (received, dead)
    }

    /// Deletes by receipt. A message deleted before is no error; the receipt of an earlier delivery deletes nothing,
    /// as AWS warns it may not.
    pub fn delete(&mut self, receipt: &str) -> Result<(), Fault> {
        if let Some(due) = self.find(receipt)?
            && let Some(message) = self.due.remove(&due)
        {
            self.by_id.remove(&message.id);
        }
        Ok(())
    }

    /// Hides the message of a receipt until `visible_at`.
    pub fn hide(&mut self, receipt: &str, now: u64, visible_at: u64) -> Result<(), Fault> {
        let message = self.find(receipt)?.filter(|due| due.0 > now).and_then(|due| self.due.remove(&due));
        let message =
            message.ok_or_else(|| Fault::new("MessageNotInflight", "The specified message isn't in flight."))?;
        self.add(message, visible_at);
        Ok(())
    }

    fn find(&self, receipt: &str) -> Result<Option<Due>, Fault> {
        let invalid = || {
            Fault::new(
                "ReceiptHandleIsInvalid",
                format!("The input receipt handle \"{receipt}\" is not a valid receipt handle."),
            )
        };
        let decoded = URL_SAFE_NO_PAD.decode(receipt).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let decoded = decoded.ok_or_else(invalid)?;
        let (id, receives) = decoded.split_once('#').ok_or_else(invalid)?;
        let latest = |due: &Due| self.due.get(due).is_some_and(|message| message.receives.to_string() == receives);
        Ok(self.by_id.get(id).copied().filter(latest))
    }

    /// Removes all messages and returns them in order, for purging and moving.
    pub fn drain(&mut self) -> Vec<Message> {
        self.by_id.clear();
        std::mem::take(&mut self.due).into_values().collect()
    }

    /// Counts by state.
    pub fn counts(&self, now: u64) -> Counts {
        self.due.iter().fold(Counts::default(), |mut counts, ((visible_at, _), message)| {
            match (*visible_at <= now, message.receives) {
                (true, _) => counts.visible += 1,
                (false, 0) => counts.delayed += 1,
                (false, _) => counts.in_flight += 1,
            }
            counts
        })
    }

    /// When the next message may be received; None when there is none.
    pub fn next_due(&self) -> Option<u64> {
        self.due.keys().next().map(|due| due.0)
    }

    /// All messages in order of their due time.
    pub fn iter(&self) -> impl Iterator<Item = &Message> {
        self.due.values()
    }
}
