//! SQS, standard queues: delays, visibility, long polling, redrive to dead-letter queues and back. Kept in memory.
//!
//! Our own, because those at hand wake a long poll only every 100 ms, name queues by amazonaws.com URLs and never
//! finish a message move task.

mod actions;
mod queue;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode};
use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::{Notify, watch};

use self::queue::{Message, Messages};
use super::clock::millis as now;
use super::wire::{Fault, Input, json_response};

/// The queues of the endpoint. Cheap to clone; clones share them.
#[derive(Clone)]
pub struct Queues(Arc<Shared>);

struct Shared {
    base_url: String,
    region: String,
    account: String,
    queues: Mutex<BTreeMap<String, Queue>>,
    stopping: watch::Receiver<bool>,
}

struct Queue {
    name: String,
    /// As set by Create or SetQueueAttributes.
    attributes: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
    created_at: u64,
    messages: Messages,
    arrived: Arc<Notify>,
}

impl Queue {
    /// A number among the attributes: seconds, bytes.
    fn number(&self, name: &str, default: u64) -> u64 {
        self.attributes.get(name).and_then(|value| value.parse().ok()).unwrap_or(default)
    }

    /// Where messages go that were received too often: (queue name, receives allowed).
    fn redrive(&self) -> Option<(String, u32)> {
        let policy: Value = serde_json::from_str(self.attributes.get("RedrivePolicy")?).ok()?;
        let target = policy["deadLetterTargetArn"].as_str()?.rsplit(':').next()?.to_owned();
        let receives = &policy["maxReceiveCount"];
        let receives = receives.as_u64().or_else(|| receives.as_str()?.parse().ok())?;
        Some((target, u32::try_from(receives).ok()?))
    }
}

/// What the control page shows of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueStats {
    /// The queue's name.
    pub name: String,
    /// Messages that a consumer would receive now.
    pub depth: usize,
    /// Messages received and not yet deleted.
    pub in_flight: usize,
    /// Messages sent with a delay that has not passed.
    pub delayed: usize,
    /// Its dead-letter queue, by name.
    pub dead_letter_queue: Option<String>,
    /// All messages in that queue; zero when there is none.
    pub dead: usize,
}

/// A message as the control page shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QueuedMessage {
    /// The message id.
    pub id: String,
    /// The body, as sent.
    pub body: String,
    /// How often it was received.
    pub receives: u32,
    /// When it was sent, milliseconds since 1970.
    pub sent_at: u64,
}

impl Queues {
    pub(super) fn new(base_url: &str, region: &str, account: &str, stopping: watch::Receiver<bool>) -> Self {
        Self(Arc::new(Shared {
            base_url: base_url.to_owned(),
            region: region.to_owned(),
            account: account.to_owned(),
            queues: Mutex::default(),
            stopping,
        }))
    }

    /// Every queue with its counts, by name.
    pub fn stats(&self) -> Vec<QueueStats> {
        let now = now();
        let queues = self.lock();
        let stats = queues.values().map(|queue| {
            let counts = queue.messages.counts(now);
            let dead_letter_queue = queue.redrive().map(|(name, _)| name);
            let dead = dead_letter_queue.as_ref().and_then(|name| queues.get(name));
            QueueStats {
                name: queue.name.clone(),
                depth: counts.visible,
                in_flight: counts.in_flight,
                delayed: counts.delayed,
                dead: dead.map_or(0, |queue| queue.messages.iter().count()),
                dead_letter_queue,
            }
        });
        stats.collect()
    }

    /// Whether a consumer of this queue would receive something now; `None` when there is no such queue.
    pub fn has_visible(&self, queue: &str) -> Option<bool> {
        let queues = self.lock();
        Some(queues.get(queue)?.messages.next_due().is_some_and(|due| due <= now()))
    }

    /// The messages of a queue, without receiving them; empty when there is no such queue.
    pub fn messages(&self, queue: &str) -> Vec<QueuedMessage> {
        let queues = self.lock();
        let messages = queues.get(queue).into_iter().flat_map(|queue| queue.messages.iter());
        messages
            .map(|message| QueuedMessage {
                id: message.id.clone(),
                body: message.body.clone(),
                receives: message.receives,
                sent_at: message.sent_at,
            })
            .collect()
    }

    /// Answers one `AmazonSQS` action.
    pub(super) async fn handle(&self, action: &str, body: &Bytes) -> Response<Body> {
        let answer = match Input::parse(body) {
            Ok(input) => self.dispatch(action, input).await,
            Err(fault) => Err(fault),
        };
        answer.map_or_else(in_query_names, |value| json_response(StatusCode::OK, "application/x-amz-json-1.0", &value))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Queue>> {
        self.0.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works on the queue that the input's `QueueUrl` names.
    fn with_queue<T>(&self, input: &Input, work: impl FnOnce(&mut Queue) -> Result<T, Fault>) -> Result<T, Fault> {
        let name = name_of(input.text("QueueUrl")?);
        work(self.lock().get_mut(name).ok_or_else(no_such_queue)?)
    }

    fn url(&self, name: &str) -> String {
        format!("{}/{}/{name}", self.0.base_url, self.0.account)
    }

    fn arn(&self, name: &str) -> String {
        format!("arn:aws:sqs:{}:{}:{name}", self.0.region, self.0.account)
    }

    /// Receives up to `most` messages, waiting up to `wait` for the first.
    async fn receive(
        &self,
        name: &str,
        most: usize,
        hidden: Option<u64>,
        wait: Option<u64>,
    ) -> Result<Vec<Message>, Fault> {
        let mut stopping = self.0.stopping.clone();
        let started = now();
        loop {
            let (arrived, wait) = {
                let queues = self.lock();
                let queue = queues.get(name).ok_or_else(no_such_queue)?;
                let wait = wait.unwrap_or_else(|| queue.number("ReceiveMessageWaitTimeSeconds", 0));
                (queue.arrived.clone(), wait.min(20) * 1000)
            };
            // Enabled before looking, so that a message sent between looking and waiting wakes this poll too.
            let mut notified = std::pin::pin!(arrived.notified());
            notified.as_mut().enable();
            let (messages, next_due) = self.take(name, most, hidden)?;
            let now = now();
            let deadline = started + wait;
            if !messages.is_empty() || now >= deadline || *stopping.borrow() {
                return Ok(messages);
            }
            let pause = next_due.map_or(deadline, |due| due.min(deadline)).saturating_sub(now).max(1);
            tokio::select! {
                () = notified => {}
                () = tokio::time::sleep(Duration::from_millis(pause)) => {}
                _ = stopping.changed() => {}
            }
        }
    }

    /// Receives what is visible now, and says when to look again.
    fn take(&self, name: &str, most: usize, hidden: Option<u64>) -> Result<(Vec<Message>, Option<u64>), Fault> {
        let now = now();
        let mut queues = self.lock();
        let queue = queues.get_mut(name).ok_or_else(no_such_queue)?;
        let hidden = hidden.unwrap_or_else(|| queue.number("VisibilityTimeout", 30));
        let redrive = queue.redrive();
        let max_receives = redrive.as_ref().map(|(_, receives)| *receives);
        let (received, dead) = queue.messages.receive(most, now, now + hidden * 1000, max_receives);
        let next_due = queue.messages.next_due();
        if let Some(target) = redrive.and_then(|(name, _)| queues.get_mut(&name)) {
            move_to(target, dead, now);
        }
        Ok((received, next_due))
    }
}

/// Puts messages into another queue, visible at once, to be received as if new.
fn move_to(target: &mut Queue, messages: Vec<Message>, now: u64) {
    for message in messages {
        target.messages.add(Message { receives: 0, first_received_at: None, ..message }, now);
    }
    target.arrived.notify_waiters();
}

/// A queue's name from its URL or ARN.
fn name_of(url: &str) -> &str {
    url.rsplit(['/', ':']).next().unwrap_or(url)
}

fn no_such_queue() -> Fault {
    Fault::new("QueueDoesNotExist", "The specified queue does not exist.")
}

/// SQS spoke the query protocol before JSON, and SDKs still go by the names of that time, sent in a header.
fn in_query_names(fault: Fault) -> Response<Body> {
    let query_name = match fault.code {
        "QueueDoesNotExist" => "AWS.SimpleQueueService.NonExistentQueue;Sender",
        "QueueNameExists" => "QueueAlreadyExists;Sender",
        "MessageNotInflight" => "AWS.SimpleQueueService.MessageNotInflight;Sender",
        "ReceiptHandleIsInvalid" => "ReceiptHandleIsInvalid;Sender",
        "TooManyEntriesInBatchRequest" => "AWS.SimpleQueueService.TooManyEntriesInBatchRequest;Sender",
        "EmptyBatchRequest" => "AWS.SimpleQueueService.EmptyBatchRequest;Sender",
        "BatchEntryIdsNotDistinct" => "AWS.SimpleQueueService.BatchEntryIdsNotDistinct;Sender",
        "BatchRequestTooLong" => "AWS.SimpleQueueService.BatchRequestTooLong;Sender",
        "ResourceNotFoundException" => "ResourceNotFoundException;Sender",
        "InvalidMessageContents" => "InvalidMessageContents;Sender",
        _ => "InvalidParameterValue;Sender",
    };
    let mut response = fault.into_json();
    response.headers_mut().insert("x-amzn-query-error", HeaderValue::from_static(query_name));
    response
}
