//! A queue that invokes a function: batches, partial failures, visibility. What fails stays in the queue, becomes visible
//! again after its timeout, and ends in the dead-letter queue by the queue's own redrive policy.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use aws_sdk_sqs::{
    Client,
    types::{
        ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName,
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::future::try_join_all;
use serde_json::{Map, Value, json};

use super::{Hub, Step, filter::Filter, reported_failures};
use crate::{
    aws::Queues,
    template::{REGION, model::QueueSource},
};

/// Lambda begins with so many pollers of a queue.
const POLLERS: usize = 5;

/// SQS gives and takes no more at once.
const MOST_AT_ONCE: i32 = 10;

/// One queue and the function that takes its messages.
pub struct QueueSourceTask {
    hub: Arc<Hub>,
    client: Client,
    /// The queues of this process, where SQS is ours.
    own: Option<Queues>,
    url: String,
    function: String,
    spec: QueueSource,
    filter: Filter,
    pollers: AtomicUsize,
}

impl QueueSourceTask {
    /// The queue at `url`, whose messages go to `function`; one of `own`, where SQS is ours.
    pub fn new(
        hub: Arc<Hub>,
        client: Client,
        own: Option<Queues>,
        url: String,
        function: String,
        spec: QueueSource,
    ) -> anyhow::Result<Self> {
        let filter = Filter::new(&spec.filter_criteria)?;
        Ok(Self { hub, client, own, url, function, spec, filter, pollers: AtomicUsize::new(1) })
    }

    /// Name of the queue.
    pub fn name(&self) -> &str {
        self.spec.queue.rsplit(':').next().unwrap_or_default()
    }

    /// Takes what is there and hands it over, with several pollers while batches are full. In a hurry, it does not wait
    /// for a batch to fill.
    pub async fn step(&self, in_a_hurry: bool) -> anyhow::Result<Step> {
        if self.is_empty() {
            return Ok(Step::Idle);
        }
        // One batch after the other while chaos rules, so that a seed means the same each time.
        let calm = self.hub.functions.dice().chaos() == Default::default();
        let most = self.spec.scaling_config.maximum_concurrency.unwrap_or(POLLERS).min(POLLERS);
        let pollers = if calm { self.pollers.load(Ordering::Relaxed).min(most) } else { 1 };
        let taken = try_join_all((0..pollers).map(|_| self.poll_once(in_a_hurry))).await?;
        let is_full = |count: &usize| i32::try_from(*count).is_ok_and(|count| count >= self.spec.batch_size);
        self.pollers.store(if taken.iter().all(is_full) { most.max(1) } else { 1 }, Ordering::Relaxed);
        Ok(match taken.iter().sum() {
            0 => Step::Idle,
            count => Step::Handled(count),
        })
    }

    /// True when there is nothing to receive, for certain: each request of a cloud makes every queue be looked at, and a
    /// look over HTTP costs about as much as the request.
    fn is_empty(&self) -> bool {
        self.own.as_ref().and_then(|own| own.has_visible(self.name())) == Some(false)
    }

    async fn poll_once(&self, in_a_hurry: bool) -> anyhow::Result<usize> {
        let mut messages = self.receive(in_a_hurry).await?;
        let count = messages.len();
        if count == 0 {
            return Ok(0);
        }
        let (wanted, unwanted): (Vec<_>, Vec<_>) =
            messages.drain(..).partition(|message| self.filter.passes(&filterable(message)));
        self.delete(unwanted.iter()).await?;
        if !wanted.is_empty() {
            self.hand_over(wanted).await?;
        }
        Ok(count)
    }

    async fn receive(&self, in_a_hurry: bool) -> anyhow::Result<Vec<Message>> {
        let window = Duration::from_secs(self.spec.maximum_batching_window_in_seconds);
        let (mut messages, mut began) = (Vec::new(), None);
        loop {
            let room = self.spec.batch_size - i32::try_from(messages.len()).unwrap_or(i32::MAX);
            let received = self
                .client
                .receive_message()
                .queue_url(&self.url)
                .max_number_of_messages(room.min(MOST_AT_ONCE))
                .wait_time_seconds(0)
                .message_system_attribute_names(MessageSystemAttributeName::All)
                .message_attribute_names("All")
                .send()
                .await
                .with_context(|| format!("receiving from {}", self.name()))?;
            let received = received.messages.unwrap_or_default();
            let came_empty = received.is_empty();
            messages.extend(received);
            let is_full = i32::try_from(messages.len()).is_ok_and(|count| count >= self.spec.batch_size);
            if is_full || messages.is_empty() {
                return Ok(messages);
            }
            let waited = began.get_or_insert_with(Instant::now).elapsed();
            if came_empty && (in_a_hurry || waited >= window) {
                return Ok(messages);
            }
            // A message that came alone goes at once where no window is set.
            if window.is_zero() && self.spec.batch_size <= MOST_AT_ONCE {
                return Ok(messages);
            }
            if came_empty {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    async fn hand_over(&self, mut messages: Vec<Message>) -> anyhow::Result<()> {
        let dice = self.hub.functions.dice();
        dice.shuffle(&mut messages);
        let mut failed = self.invoke(&messages).await;
        if dice.happens(|chaos| chaos.repeat) {
            // As after a deletion that was lost: the same messages once more, in another order.
            dice.shuffle(&mut messages);
            failed.extend(self.invoke(&messages).await);
        }
        let is_failed = |message: &&Message| message.message_id.as_ref().is_some_and(|id| failed.contains(id));
        let (failures, handled): (Vec<_>, Vec<_>) = messages.iter().partition(is_failed);
        self.delete(handled.into_iter()).await?;
        if dice.chaos().retry_at_once {
            self.show_at_once(&failures).await?;
        }
        Ok(())
    }

    /// Ids of the messages that failed: all of them where the function did.
    async fn invoke(&self, messages: &[Message]) -> HashSet<String> {
        let records: Vec<Value> = messages.iter().map(|message| record(message, &self.spec.queue)).collect();
        let answer = self.hub.invoke("SQS", self.name(), &self.function, json!({ "Records": records })).await;
        let reports = self.spec.function_response_types.iter().any(|kind| kind == "ReportBatchItemFailures");
        failed_messages(
            answer.ok().as_ref(),
            reports,
            messages.iter().filter_map(|message| message.message_id.as_deref()),
        )
    }

    async fn delete(&self, messages: impl Iterator<Item = &Message>) -> anyhow::Result<()> {
        let handles: Vec<&str> = messages.filter_map(|message| message.receipt_handle.as_deref()).collect();
        for some in handles.chunks(MOST_AT_ONCE as usize) {
            let mut request = self.client.delete_message_batch().queue_url(&self.url);
            for (index, handle) in some.iter().enumerate() {
                let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string()).receipt_handle(*handle);
                request = request.entries(entry.build()?);
            }
            request.send().await.with_context(|| format!("deleting from {}", self.name()))?;
        }
        Ok(())
    }

    async fn show_at_once(&self, messages: &[&Message]) -> anyhow::Result<()> {
        for some in messages.chunks(MOST_AT_ONCE as usize) {
            let mut request = self.client.change_message_visibility_batch().queue_url(&self.url);
            for (index, message) in some.iter().enumerate() {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(index.to_string())
                    .set_receipt_handle(message.receipt_handle.clone())
                    .visibility_timeout(0);
                request = request.entries(entry.build()?);
            }
            request.send().await.with_context(|| format!("showing messages of {}", self.name()))?;
        }
        Ok(())
    }
}

/// Which messages stay in the queue: none, those the function reported, or all of them where it failed, reported in
/// another shape, or named a message that it was not given.
fn failed_messages<'a>(answer: Option<&Value>, reports: bool, all: impl Iterator<Item = &'a str>) -> HashSet<String> {
    let all: HashSet<String> = all.map(str::to_owned).collect();
    match answer {
        None => all,
        Some(_) if !reports => HashSet::new(),
        Some(answer) => match reported_failures(answer) {
            Some(failures) if failures.iter().all(|id| all.contains(id)) => failures.into_iter().collect(),
            _ => all,
        },
    }
}

/// A filter sees the body as JSON, where it is JSON.
fn filterable(message: &Message) -> Value {
    let body = message.body.as_deref().unwrap_or_default();
    json!({ "body": serde_json::from_str(body).unwrap_or_else(|_| Value::from(body)) })
}

/// A message as Lambda's event has it.
fn record(message: &Message, arn: &str) -> Value {
    let mut attributes = BTreeMap::new();
    for (name, value) in message.attributes.iter().flatten() {
        attributes.insert(name.as_str().to_owned(), value.clone());
    }
    let mut message_attributes = Map::new();
    for (name, value) in message.message_attributes.iter().flatten() {
        let mut attribute = json!({ "dataType": value.data_type, "stringListValues": [], "binaryListValues": [] });
        if let Some(text) = &value.string_value {
            attribute["stringValue"] = text.as_str().into();
        }
        if let Some(bytes) = &value.binary_value {
            attribute["binaryValue"] = STANDARD.encode(bytes).into();
        }
        message_attributes.insert(name.clone(), attribute);
    }
    json!({
        "messageId": message.message_id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": attributes,
        "messageAttributes": message_attributes,
        "md5OfBody": message.md5_of_body,
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": REGION,
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::types::MessageAttributeValue;

    use super::*;

    #[test]
    fn a_record_is_as_lambda_sends_it() {
        let attribute = MessageAttributeValue::builder().data_type("String").string_value("x").build().unwrap();
        let message = Message::builder()
            .message_id("m1")
            .receipt_handle("r1")
            .body("{\"a\":1}")
            .md5_of_body("md5")
            .attributes(MessageSystemAttributeName::ApproximateReceiveCount, "2")
            .message_attributes("kind", attribute)
            .build();
        assert_eq!(
            record(&message, "arn:aws:sqs:eu-central-1:000000000000:jobs"),
            json!({
                "messageId": "m1",
                "receiptHandle": "r1",
                "body": "{\"a\":1}",
                "attributes": {"ApproximateReceiveCount": "2"},
                "messageAttributes": {"kind": {
                    "dataType": "String", "stringValue": "x", "stringListValues": [], "binaryListValues": []}},
                "md5OfBody": "md5",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-central-1:000000000000:jobs",
                "awsRegion": "eu-central-1",
            })
        );
        let event: aws_lambda_events::sqs::SqsEvent =
            serde_json::from_value(json!({"Records": [record(&message, "arn")]})).unwrap();
        assert_eq!(event.records[0].message_id.as_deref(), Some("m1"));
    }

    #[test]
    fn what_failed_stays() {
        let failed = |answer: Option<Value>, reports| {
            let mut failed: Vec<_> =
                failed_messages(answer.as_ref(), reports, ["a", "b"].into_iter()).into_iter().collect();
            failed.sort();
            failed.join(",")
        };
        let report = |id: &str| Some(json!({"batchItemFailures": [{"itemIdentifier": id}]}));
        assert_eq!(failed(Some(Value::Null), true), "");
        assert_eq!(failed(report("b"), true), "b");
        assert_eq!(failed(report("b"), false), "");
        assert_eq!(failed(report("unknown"), true), "a,b");
        assert_eq!(failed(report(""), true), "a,b");
        assert_eq!(failed(None, true), "a,b");
        assert_eq!(failed(None, false), "a,b");
    }
}
