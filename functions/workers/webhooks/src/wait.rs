//! How long a delivery that failed waits: longer each time, so that a receiver that is down for an hour misses nothing.

use std::collections::HashMap;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use aws_sdk_sqs::types::ChangeMessageVisibilityBatchRequestEntry;
use runtime::Ctx;

/// Seconds that a message is hidden after its first failure, its second, and so on; after the last it becomes a dead letter at
/// once. The first is longer than a worker's lease, so that a dead one's message finds it over.
const WAITS: [i32; 5] = [2 * 60, 10 * 60, 3600, 4 * 3600, 0];

/// The receipts of a batch's messages by their ids, and for how long each is hidden should it fail.
pub(crate) struct Waits(HashMap<String, (String, i32)>);

impl Waits {
    pub(crate) fn of(event: &SqsEvent) -> Self {
        let wait = event.records.iter().filter_map(|record| {
            let receives = record.attributes.get("ApproximateReceiveCount").and_then(|count| count.parse().ok());
            let receipt = record.receipt_handle.clone().filter(|receipt| !receipt.is_empty())?;
            Some((record.message_id.clone()?, (receipt, after(receives.unwrap_or(1)))))
        });
        Waits(wait.collect())
    }

    /// Hides what has failed. Where that fails too, the queue's own timeout brings the messages again.
    pub(crate) async fn hide(&self, ctx: &Ctx, response: &SqsBatchResponse) {
        let failed = response.batch_item_failures.iter().filter_map(|failure| self.0.get(&failure.item_identifier));
        let entry = |(n, (receipt, wait)): (usize, &(String, i32))| {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(n.to_string()).receipt_handle(receipt);
            entry.visibility_timeout(*wait).build().ok()
        };
        // A batch is ten messages at most, as many as the call takes.
        let entries: Vec<_> = failed.enumerate().filter_map(entry).collect();
        if entries.is_empty() {
            return;
        }
        let queue = &ctx.settings().webhooks_queue_url;
        let hidden = ctx.sqs().change_message_visibility_batch().queue_url(queue).set_entries(Some(entries)).send();
        if let Err(error) = hidden.await {
            tracing::warn!(?error, "failed messages come again by the queue's own timeout");
        }
    }
}

/// The wait after so many tries.
fn after(receives: usize) -> i32 {
    WAITS[receives.clamp(1, WAITS.len()) - 1]
}

#[cfg(test)]
mod tests {
    use domain::pos::delivery::LEASE;

    use super::*;

    #[test]
    fn each_wait_is_longer_and_the_last_is_none() {
        let waits = [0, 1, 2, 3, 4, 5, 6].map(after);
        assert_eq!(waits, [120, 120, 600, 3600, 14_400, 0, 0]);
        assert!(i64::from(after(1)) > LEASE.as_secs());
        assert!(waits.iter().all(|wait| (0..=43_200).contains(wait)), "SQS hides a message for 12 hours at most");
    }
}
