//! Sends what the outbox holds: each e-mail when its message comes, and every minute those that were left behind.

use std::time::Duration;

use aws_lambda_events::sqs::SqsBatchResponse;
use domain::mail::MailKey;
use futures_util::future::join_all;
use jiff::SignedDuration;
use mail::Delivery;
use runtime::{
    BoxError, Ctx, Function,
    queue::{Wake, consume},
};
use tokio::time::Instant;

/// How old an e-mail is before the sweeper takes it: younger ones have a message on its way.
const AGE: SignedDuration = SignedDuration::from_secs(60);

/// E-mails that one sweep looks at.
const SWEPT: usize = 100;

/// E-mails sent at once by a sweep; a new SES account may send 14 a second.
const AT_ONCE: usize = 8;

/// After this a sweep begins no more, well within the function's 30 seconds: the next one goes on.
const TIME: Duration = Duration::from_secs(10);

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

/// Fails when another try may succeed, so that the queue brings the message again.
async fn deliver_mail(ctx: &Ctx, key: MailKey) -> Result<(), BoxError> {
    match mail::attempt(ctx, key).await? {
        Delivery::Failed { again: true } => Err("the e-mail was not sent".into()),
        Delivery::Failed { again: false } | Delivery::Sent | Delivery::NotDue | Delivery::NotConfigured => Ok(()),
    }
}

/// Tries everything that is not final: what a lost message, a dead worker or a failure left behind.
async fn sweep(ctx: &Ctx) -> Result<(), BoxError> {
    if ctx.settings().mail_from.is_none() {
        return Ok(());
    }
    let keys = ctx.store().list_unsent_mails(ctx.now() - AGE, SWEPT).await?;
    let started = Instant::now();
    for chunk in keys.chunks(AT_ONCE) {
        if started.elapsed() > TIME {
            break;
        }
        for (key, done) in chunk.iter().zip(join_all(chunk.iter().map(|key| deliver_mail(ctx, *key))).await) {
            if let Err(error) = done {
                tracing::warn!(mail = %key, %error, "e-mail will be swept again");
            }
        }
    }
    Ok(())
}
