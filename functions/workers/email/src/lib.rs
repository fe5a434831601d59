//! Sends what the outbox holds: each e-mail when its message comes. Every minute the sweep puts on the queue again what is due
//! and was not sent: a failure's next try, and what a lost message or a dead worker left behind.
//!
//! Every try is a message's, so that one whose last try failed dies into the dead-letter queue, under its alarm.

use aws_lambda_events::sqs::SqsBatchResponse;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use domain::mail::MailKey;
use jiff::SignedDuration;
use mail::Delivery;
use runtime::{
    BoxError, Ctx, Function,
    queue::{Wake, consume},
};

/// How long an e-mail is due before the sweeper takes it: younger ones have a message on its way.
const AGE: SignedDuration = SignedDuration::from_secs(60);

/// E-mails that one sweep puts on the queue: about as many as are sent in a minute.
const SWEPT: usize = 500;

/// Messages in one call of SQS, at most.
const BATCH: usize = 10;

/// Consumes the e-mail queue (each message a [`MailKey`]) and the sweeper's schedule.
pub fn function() -> Function {
    Function::event(handle)
}

async fn handle(ctx: Ctx, wake: Wake) -> Result<SqsBatchResponse, BoxError> {
    match wake {
        Wake::Messages(event) => Ok(consume(event, |key| deliver_mail(&ctx, key)).await),
        Wake::Schedule { .. } => sweep(&ctx).await.map(|()| SqsBatchResponse::default()),
    }
}

/// Fails when the e-mail is dead, so that its message dies too. What is tried later is the sweep's.
async fn deliver_mail(ctx: &Ctx, key: MailKey) -> Result<(), BoxError> {
    match mail::attempt(ctx, key).await? {
        Delivery::Dead => Err("the e-mail could not be delivered".into()),
        Delivery::Failed | Delivery::Moot | Delivery::Sent | Delivery::NotDue | Delivery::NotConfigured => Ok(()),
    }
}

/// Puts everything that is due on the queue. One whose message is still there is given two: the first of them has it.
async fn sweep(ctx: &Ctx) -> Result<(), BoxError> {
    if ctx.settings().mail_from.is_none() {
        return Ok(());
    }
    let keys = ctx.store().list_unsent_mails(ctx.now() - AGE, SWEPT).await?;
    for batch in keys.chunks(BATCH) {
        let entry = |(n, key): (usize, &MailKey)| {
            let body = serde_json::to_string(key)?;
            Ok(SendMessageBatchRequestEntry::builder().id(n.to_string()).message_body(body).build()?)
        };
        let entries = batch.iter().enumerate().map(entry).collect::<Result<Vec<_>, BoxError>>()?;
        let queue = &ctx.settings().email_queue_url;
        let answer = ctx.sqs().send_message_batch().queue_url(queue).set_entries(Some(entries)).send().await?;
        if !answer.failed().is_empty() {
            tracing::warn!(refused = answer.failed().len(), "e-mails will be swept again");
        }
    }
    Ok(())
}
