//! Applies webhook events that their own call could not, and carries on with refunds that Stripe has not decided.

use appstores::{ProofError, Told};
use aws_lambda_events::sqs::SqsBatchResponse;
use domain::pos::subscription::StoreNotice;
use payments::{
    EventKind, StripeEvent,
    billing::Named,
    webhook::{apply_connect_event, apply_stripe_event, apply_ticket_payment},
};
use runtime::{
    BoxError, Ctx, Function,
    queue::{Wake, consume},
};
use serde::Deserialize;
use store::pos::subscription::Noticed;

/// Consumes the payments queue, `{"source": "stripe" | "tickets" | "store", "body": "<the webhook's verified body>"}`, and the
/// schedule of pending refunds.
pub fn function() -> Function {
    Function::event(handle)
}

/// A message of the queue.
#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Webhook {
    source: Source,
    body: String,
}

/// Who sent it, which tells how its body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Source {
    /// Stripe, for our own account or a connected one.
    Stripe,
    /// The tickets' generic payment webhook (contract §8).
    Tickets,
    /// An app store's notice of a subscription, in our own words.
    Store,
}

async fn handle(ctx: Ctx, wake: Wake) -> Result<SqsBatchResponse, BoxError> {
    match wake {
        Wake::Messages(event) => Ok(consume(event, |webhook| apply_webhook(&ctx, webhook)).await),
        Wake::Schedule { .. } => {
            ctx.register().resume_refunds().await?;
            Ok(SqsBatchResponse::default())
        }
    }
}

/// Fails when a repeat may succeed. A body that cannot be read is logged and dropped.
async fn apply_webhook(ctx: &Ctx, webhook: Webhook) -> Result<(), BoxError> {
    let Webhook { source, body } = webhook;
    let applied = match source {
        Source::Stripe => match StripeEvent::parse(body.as_bytes()) {
            Ok(event) => return apply_event(ctx, &event).await,
            Err(error) => return drop_unreadable(source, &error),
        },
        Source::Store => match serde_json::from_str::<Told>(&body) {
            Ok(told) => return apply_told(ctx, &told).await,
            Err(error) => return drop_unreadable(source, &error),
        },
        Source::Tickets => match serde_json::from_str(&body) {
            Ok(body) => apply_ticket_payment(&ctx.till(), &body).await,
            Err(error) => return drop_unreadable(source, &error),
        },
    };
    if let Err(reason) = applied? {
        tracing::warn!(?source, reason, "webhook changed nothing");
    }
    Ok(())
}

/// Events of connected accounts are the counter's, of our own account subscriptions' and tickets'. Those of the other mode,
/// live or test, are nobody's.
async fn apply_event(ctx: &Ctx, event: &StripeEvent) -> Result<(), BoxError> {
    if !event.is_of_our_mode(ctx.stripe()) {
        return Ok(());
    }
    match (&event.account, &event.kind) {
        (Some(account), _) => apply_connect_event(&ctx.register(), account, event).await?,
        (None, EventKind::Subscription(_)) => match Named::by(event) {
            Some(named) => ctx.billing().follow_subscription(&named).await?,
            None => tracing::debug!(event = event.id, "an event of no subscription"),
        },
        (None, _) => apply_stripe_event(&ctx.till(), event).await?,
    }
    Ok(())
}

/// Google's notice that a subscription is renewed is the reason to ask Google until when. What Google says then is newer than the
/// notice. Where Google does not answer, the notice counts as it is, and the message comes again to ask.
async fn apply_told(ctx: &Ctx, told: &Told) -> Result<(), BoxError> {
    let asked = match &told.token {
        Some(token) => ask_google(ctx, token).await,
        None => Ok(()),
    };
    apply_notice(ctx, &told.notice).await?;
    asked
}

/// Takes in what Google says of a purchase, and acknowledges it where that failed when it was linked.
async fn ask_google(ctx: &Ctx, token: &str) -> Result<(), BoxError> {
    // Not by `Stores::prove`, which would link all that verifies Apple's certificates.
    let (Some(play), now) = (&ctx.stores().play, ctx.now()) else { return Ok(()) };
    let proof = match play.prove(token, now).await {
        Ok(proof) => proof,
        Err(ProofError::Unanswered(error)) => return Err(error.into()),
        Err(error) => {
            tracing::warn!(%error, "Google tells of a purchase, and when it is asked says nothing of it");
            return Ok(());
        }
    };
    match ctx.store().pos().refresh_purchase(&proof.purchase, now).await? {
        Noticed::Stranger => {}
        Noticed::Applied(_) | Noticed::Known => ctx.stores().acknowledge(&proof, token, now).await,
    }
    Ok(())
}

async fn apply_notice(ctx: &Ctx, notice: &StoreNotice) -> Result<(), BoxError> {
    match ctx.store().pos().apply_notice(notice).await? {
        Noticed::Applied(subscription) => {
            let (org, status) = (subscription.org, subscription.status.as_str());
            tracing::info!(%org, status, "a store's notice was applied");
        }
        Noticed::Known => tracing::info!("a store's notice had been applied before"),
        Noticed::Stranger => tracing::warn!("a store's notice of a subscription that nobody has"),
    }
    Ok(())
}

fn drop_unreadable(source: Source, error: &serde_json::Error) -> Result<(), BoxError> {
    tracing::error!(?source, reason = ?error.classify(), "webhook dropped: its body cannot be read");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_its_source() {
        let read = |text: &str| serde_json::from_str::<Webhook>(text).ok();
        let webhook = |source| Some(Webhook { source, body: "{}".into() });
        assert_eq!(read(r#"{"source":"stripe","body":"{}"}"#), webhook(Source::Stripe));
        assert_eq!(read(r#"{"source":"tickets","body":"{}"}"#), webhook(Source::Tickets));
        assert_eq!(read(r#"{"source":"other","body":"{}"}"#), None);
        assert_eq!(read(r#"{"source":"stripe","body":{}}"#), None);
    }
}
