//! Queues that repeat and reorder.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use serde_json::{Value, json};

use super::faults::Dice;

#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) id: u64,
    pub(super) body: String,
    /// Unix seconds before which nobody receives it.
    visible_at: i64,
    /// How often a worker said that it failed.
    failures: u32,
}

/// A message that failed so often is a dead letter. More often than on AWS: a storm is worse.
const DEADLY: u32 = 50;

/// By queue URL.
#[derive(Default)]
pub(super) struct Queues {
    messages: Mutex<BTreeMap<String, Vec<Message>>>,
    next: AtomicU64,
    now: AtomicI64,
}

impl Queues {
    pub(super) fn set_clock(&self, unix_seconds: i64) {
        self.now.store(unix_seconds, Ordering::Relaxed);
    }

    pub(super) fn send(&self, queue: &str, body: String, delay: i64) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let message = Message { id, body, visible_at: self.now.load(Ordering::Relaxed) + delay, failures: 0 };
        self.messages.lock().unwrap().entry(queue.to_owned()).or_default().push(message);
    }

    pub(super) fn len(&self) -> usize {
        self.messages.lock().unwrap().values().map(Vec::len).sum()
    }

    /// Takes up to four visible messages, in any order. Those that are not acknowledged come back.
    pub(super) fn receive<'a>(&'a self, queue: &str, dice: &Dice) -> Received<'a> {
        let now = self.now.load(Ordering::Relaxed);
        let mut all = self.messages.lock().unwrap();
        let waiting = all.entry(queue.to_owned()).or_default();
        let mut messages = Vec::new();
        for _ in 0..=dice.below(4) {
            let visible: Vec<usize> = (0..waiting.len()).filter(|i| waiting[*i].visible_at <= now).collect();
            let Some(i) = dice.pick(&visible) else { break };
            messages.push(waiting.swap_remove(i));
        }
        Received { queues: self, queue: queue.to_owned(), messages }
    }

    /// Answers `SendMessage` and `SendMessageBatch`.
    pub(super) fn handle(&self, action: &str, body: &Value) -> Value {
        let queue = body["QueueUrl"].as_str().unwrap();
        let take = |message: &Value| {
            let delay = message["DelaySeconds"].as_i64().unwrap_or(0);
            self.send(queue, message["MessageBody"].as_str().unwrap().to_owned(), delay);
            json!({"Id": message["Id"], "MessageId": "m", "MD5OfMessageBody": "m"})
        };
        match action {
            "SendMessage" => take(body),
            "SendMessageBatch" => {
                let taken: Vec<Value> = body["Entries"].as_array().unwrap().iter().map(take).collect();
                json!({"Successful": taken, "Failed": []})
            }
            other => panic!("{other} has no part in this"),
        }
    }
}

/// Messages in a worker's hands; they go back when it dies.
pub(super) struct Received<'a> {
    queues: &'a Queues,
    queue: String,
    pub(super) messages: Vec<Message>,
}

impl Received<'_> {
    /// Lambda's event.
    pub(super) fn event(&self) -> Value {
        let record = |message: &Message| {
            json!({
                "messageId": message.id.to_string(), "receiptHandle": "r", "body": message.body, "attributes": {},
                "messageAttributes": {}, "eventSource": "aws:sqs", "awsRegion": "eu-central-1",
            })
        };
        json!({"Records": self.messages.iter().map(record).collect::<Vec<_>>()})
    }

    /// Forgets what was handled, but for what comes a second time all the same.
    pub(super) fn acknowledge(&mut self, answer: &Value, again: impl Fn() -> bool) {
        let failures = answer["batchItemFailures"].as_array().cloned().unwrap_or_default();
        let failed =
            |message: &Message| failures.iter().any(|f| f["itemIdentifier"] == message.id.to_string().as_str());
        self.messages.iter_mut().filter(|message| failed(message)).for_each(|message| message.failures += 1);
        self.messages.retain(|message| if failed(message) { message.failures < DEADLY } else { again() });
    }
}

impl Drop for Received<'_> {
    fn drop(&mut self) {
        let mut all = self.queues.messages.lock().unwrap();
        all.entry(std::mem::take(&mut self.queue)).or_default().append(&mut self.messages);
    }
}
