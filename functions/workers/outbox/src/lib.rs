//! Reads the table's changes, and sends on its way what they cause: e-mails, the end of unpaid orders, payouts, reports,
//! events for organizations' endpoints, counted entries.
//!
//! A batch that fails comes again from its first failure on, so a change may be routed twice: a second message finds its
//! work done, and a second count finds the first.

mod route;
mod tell;

use aws_lambda_events::{
    dynamodb::Event,
    streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse},
};
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use domain::tickets::order::Order;
use futures_util::{StreamExt, future::join_all, join, stream};
use jiff::Timestamp;
use runtime::{
    BoxError, Ctx, Function,
    queue::{self, delay_seconds},
};
use serde_json::json;

use crate::{
    route::{Effect, route},
    tell::{Told, tell_all},
};

/// Messages in one call of SQS, at most.
const BATCH: usize = 10;

/// Entries counted at once. Few: those of one tier meet in the same stripes.
const AT_ONCE: usize = 4;

/// Consumes the table's stream.
pub fn function() -> Function {
    Function::event(handle)
}

/// A message, and which record of the batch caused it.
struct Outgoing {
    record: usize,
    body: String,
    delay: i32,
}

async fn handle(ctx: Ctx, event: Event) -> Result<DynamoDbEventResponse, BoxError> {
    let now = ctx.now();
    let (mut mails, mut expiries, mut payouts, mut entries) = (vec![], vec![], vec![], vec![]);
    let (mut reports, mut told) = (vec![], vec![]);
    for (record, change) in event.records.iter().enumerate() {
        match route(change) {
            Some(Effect::Mail(key)) => mails.push(Outgoing { record, body: queue::message(&key)?, delay: 0 }),
            Some(Effect::Expire { number, at }) => {
                let body = queue::message(&json!({"number": number}))?;
                expiries.push(Outgoing { record, body, delay: delay_seconds(now, at) });
            }
            Some(Effect::Payout(payout)) => {
                payouts.push(Outgoing { record, body: queue::message(&payout)?, delay: 0 });
            }
            Some(Effect::Draw(task)) => reports.push(Outgoing { record, body: queue::message(&task)?, delay: 0 }),
            Some(Effect::Tell { org, event }) => told.push(Told { record, org, event: *event }),
            Some(Effect::Count { order, at }) => entries.push((record, order, at)),
            None => {}
        }
    }
    let (mails, expiries, payouts, reports, told, entries) = join!(
        send_all(&ctx, &ctx.settings().email_queue_url, mails),
        send_all(&ctx, &ctx.settings().expiry_queue_url, expiries),
        send_all(&ctx, &ctx.settings().payouts_queue_url, payouts),
        send_all(&ctx, &ctx.settings().reports_queue_url, reports),
        tell_all(&ctx, told),
        count_all(&ctx, entries),
    );
    let first = [mails, expiries, payouts, reports, told, entries].into_iter().flatten().min();
    respond(&event, first)
}

/// Tells Lambda from which record on the batch is to come again.
fn respond(event: &Event, first_failure: Option<usize>) -> Result<DynamoDbEventResponse, BoxError> {
    let mut response = DynamoDbEventResponse::default();
    if let Some(record) = first_failure.and_then(|first| event.records.get(first)) {
        let number = record.change.sequence_number.clone();
        let mut failure = DynamoDbBatchItemFailure::default();
        failure.item_identifier = Some(number.ok_or("a stream record without a sequence number failed")?);
        response.batch_item_failures.push(failure);
    }
    Ok(response)
}

/// Sends messages; the first record whose message was not taken.
async fn send_all(ctx: &Ctx, queue: &str, messages: Vec<Outgoing>) -> Option<usize> {
    let batches = messages.chunks(BATCH).map(|batch| send_batch(ctx, queue, batch));
    join_all(batches).await.into_iter().flatten().min()
}

async fn send_batch(ctx: &Ctx, queue: &str, batch: &[Outgoing]) -> Option<usize> {
    let entry = |(i, message): (usize, &Outgoing)| {
        let entry = SendMessageBatchRequestEntry::builder().id(i.to_string()).message_body(&message.body);
        entry.delay_seconds(message.delay).build()
    };
    let entries = batch.iter().enumerate().map(entry).collect::<Result<Vec<_>, _>>();
    let first = batch.first().map(|message| message.record);
    let entries = entries.inspect_err(|error| tracing::error!(%error, "message not built")).ok();
    match ctx.sqs().send_message_batch().queue_url(queue).set_entries(entries).send().await {
        Ok(answer) => {
            let refused = answer.failed().iter().map(|failed| {
                tracing::warn!(code = failed.code(), queue, "message not taken");
                let message = failed.id().parse::<usize>().ok().and_then(|i| batch.get(i));
                message.map(|message| message.record).or(first)
            });
            refused.flatten().min()
        }
        Err(error) => {
            tracing::warn!(?error, queue, "messages not sent");
            first
        }
    }
}

/// Counts entries; the first record whose entry was not counted.
async fn count_all(ctx: &Ctx, entries: Vec<(usize, Box<Order>, Timestamp)>) -> Option<usize> {
    let counts = stream::iter(entries).map(|(record, order, at)| {
        let store = ctx.store().clone();
        async move {
            let error = store.count_check_in(&order, at).await.err()?;
            tracing::warn!(number = %order.number, %error, "entry not counted");
            Some(record)
        }
    });
    counts.buffer_unordered(AT_ONCE).collect::<Vec<_>>().await.into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_batch_comes_again_from_its_first_failure() {
        let record = |number: &str| {
            json!({"eventID": "1", "eventName": "INSERT", "awsRegion": "eu-central-1",
            "dynamodb": {"SequenceNumber": number, "SizeBytes": 1}})
        };
        let event: Event = serde_json::from_value(json!({"Records": [record("100"), record("200")]})).unwrap();
        let answer = |first| serde_json::to_value(respond(&event, first).unwrap()).unwrap();
        assert_eq!(answer(None), json!({"batchItemFailures": []}));
        assert_eq!(answer(Some(1)), json!({"batchItemFailures": [{"itemIdentifier": "200"}]}));
    }
}
