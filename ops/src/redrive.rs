//! Dead letters, sent on their way again.

use anyhow::{Context, bail};
use aws_sdk_sqs::{Client, types::MessageSystemAttributeName};
use domain::mail::MailKey;
use jiff::Timestamp;
use store::Store;

/// Messages taken at once.
const BATCH: i32 = 10;

/// Moves every message of a dead letter queue to `to`, or to the one queue whose dead letters it takes.
///
/// A message is sent before it is deleted: a crash in between delivers it twice, which every worker bears, and loses none.
/// Ends when the queue is empty, or gives up after a quarter of an hour in which the letters kept dying.
pub async fn redrive(sqs: &Client, queue: &str, to: Option<&str>) -> anyhow::Result<usize> {
    redrive_after(sqs, queue, to, async |_| Ok(())).await
}

/// The same; an e-mail that could not be delivered is given its tries anew before its message goes.
pub async fn redrive_all(
    sqs: &Client,
    store: &Store,
    queue: &str,
    to: Option<&str>,
    now: Timestamp,
) -> anyhow::Result<usize> {
    let revive = async |body: &str| {
        // Of the letters only an e-mail's reads as one.
        if let Ok(key) = serde_json::from_str::<MailKey>(body) {
            store.revive_mail(key, now).await.with_context(|| format!("the e-mail {key}"))?;
        }
        Ok(())
    };
    redrive_after(sqs, queue, to, revive).await
}

async fn redrive_after(
    sqs: &Client,
    queue: &str,
    to: Option<&str>,
    prepare: impl AsyncFn(&str) -> anyhow::Result<()>,
) -> anyhow::Result<usize> {
    let from = url(sqs, queue).await?;
    let to = match to {
        Some(to) => url(sqs, to).await?,
        None => source_of(sqs, &from).await?,
    };
    let started = std::time::Instant::now();
    let mut moved = 0;
    loop {
        let answer = sqs
            .receive_message()
            .queue_url(&from)
            .max_number_of_messages(BATCH)
            .visibility_timeout(60)
            .wait_time_seconds(1)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .message_attribute_names("All")
            .send()
            .await
            .with_context(|| format!("receiving from {from}"))?;
        let messages = answer.messages();
        if messages.is_empty() {
            break;
        }
        for message in messages {
            let (Some(body), Some(receipt)) = (message.body(), message.receipt_handle()) else { continue };
            prepare(body).await?;
            sqs.send_message()
                .queue_url(&to)
                .message_body(body)
                .set_message_attributes(message.message_attributes().cloned())
                .send()
                .await
                .with_context(|| format!("sending to {to}"))?;
            sqs.delete_message().queue_url(&from).receipt_handle(receipt).send().await.context("deleting")?;
            moved += 1;
        }
        if started.elapsed().as_secs() > 15 * 60 {
            bail!("{moved} moved in a quarter of an hour, and more keep coming: mend what kills them first");
        }
    }
    Ok(moved)
}

/// A queue's URL, from itself or from its name.
async fn url(sqs: &Client, queue: &str) -> anyhow::Result<String> {
    if queue.starts_with("http") {
        return Ok(queue.to_owned());
    }
    let answer = sqs.get_queue_url().queue_name(queue).send().await;
    let answer = answer.with_context(|| format!("no queue {queue:?}"))?;
    answer.queue_url.with_context(|| format!("no URL of queue {queue:?}"))
}

async fn source_of(sqs: &Client, dead_letters: &str) -> anyhow::Result<String> {
    let answer = sqs.list_dead_letter_source_queues().queue_url(dead_letters).send().await;
    match answer.context("asking whose dead letters these are")?.queue_urls() {
        [one] => Ok(one.clone()),
        [] => bail!("{dead_letters} takes no queue's dead letters; name the queue to send to: --to"),
        several => bail!("{} queues send their dead letters there; name one: --to", several.len()),
    }
}
