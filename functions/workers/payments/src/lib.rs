//! Applies webhook events that their own call could not.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use payments::{
    StripeEvent,
    webhook::{apply_stripe_event, apply_ticket_payment},
};
use runtime::{BoxError, Ctx, Function, queue::consume};
use serde::Deserialize;

/// Consumes the payments queue: `{"source": "stripe" | "tickets", "body": "<the webhook's verified body>"}`.
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
}

async fn handle(ctx: Ctx, event: SqsEvent) -> Result<SqsBatchResponse, BoxError> {
    Ok(consume(event, |webhook| apply_webhook(&ctx, webhook)).await)
}

/// Fails when a repeat may succeed. A body that cannot be read is logged and dropped.
async fn apply_webhook(ctx: &Ctx, webhook: Webhook) -> Result<(), BoxError> {
    let Webhook { source, body } = webhook;
    let applied = match source {
        Source::Stripe => match StripeEvent::parse(body.as_bytes()) {
            Ok(event) => apply_stripe_event(&ctx.till(), &event).await.map(|()| Ok(())),
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
