//! Webhooks: Stripe's own events, and the tickets' generic payment webhook (contract `tickets.md` §8, DECISIONS).
//!
//! Each verifies the signature over the raw body first. Stripe's events are put on a queue and acknowledged; the
//! tickets' webhook, whose answer tells the effect, is applied in the call and put on the queue when that fails.

use axum::extract::State;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use payments::{signature, webhook};
use runtime::{
    ApiError, Ctx, Function, Routes, Surface,
    openapi::{CommonErrors, ErrorBody, PosError, PosErrors},
    queue, routes,
};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// The function.
pub fn function() -> Function {
    let tickets = Routes::new().routes(routes!(receive_ticket_payment));
    let counter = Routes::new()
        .routes(routes!(receive_stripe_event))
        .routes(routes!(receive_connect_event))
        .routes(routes!(receive_connect_event_elsewhere));
    Function::http(Surface::Tickets, tickets).and_http(Surface::Pos, counter)
}

/// What a provider is told.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(examples(json!({"received": true, "processed": true})))]
pub struct Receipt {
    /// Always true.
    pub received: bool,
    /// Whether the notice had its effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processed: Option<bool>,
    /// Why it had none: `no_order_id`, `order_not_found`, `order_not_pending`, `ignored`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What stood in the way; the notice is applied later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

type Answer = axum::Json<Receipt>;

/// A payment notice of any provider: `{event, data}` or `{status, order_id, payment_id}`. Signed as Stripe signs.
#[utoipa::path(post, path = "/tickets/api/webhook/payment", tag = "tickets webhook",
    request_body(content = Value, description = "Either shape of contract §8"),
    params(("stripe-signature" = String, Header, description = "t=…,v1=… over {t}.{raw body}")),
    responses(
        (status = 200, body = Receipt),
        (status = 400, body = ErrorBody, description = "INVALID_SIGNATURE"),
        (status = 413, body = ErrorBody, description = "PAYLOAD_TOO_LARGE"),
        CommonErrors,
    ))]
async fn receive_ticket_payment(State(ctx): State<Ctx>, headers: HeaderMap, body: Bytes) -> Result<Answer, ApiError> {
    verify(&ctx, &ctx.settings().tickets_webhook_secrets, &headers, &body)?;
    let processed = |done, reason: Option<&str>, error: Option<&str>| {
        let text = |text: Option<&str>| text.map(str::to_owned);
        Ok(axum::Json(Receipt { received: true, processed: Some(done), reason: text(reason), error: text(error) }))
    };
    let Ok(notice) = serde_json::from_slice::<Value>(&body) else {
        return processed(false, None, Some("The body is not valid JSON"));
    };
    match webhook::apply_ticket_payment(&ctx.till(), &notice).await {
        Ok(Ok(())) => processed(true, None, None),
        Ok(Err(reason)) => processed(false, Some(reason), None),
        Err(error) => {
            tracing::warn!(%error, "payment notice not applied, queued");
            enqueue(&ctx, "tickets", &body).await?;
            processed(false, None, Some("The payment will be applied in a moment"))
        }
    }
}

/// Stripe's events of our own account.
#[utoipa::path(post, path = "/pos/stripe/webhook", tag = "stripe webhooks",
    request_body(content = Value, description = "A Stripe event"),
    params(("stripe-signature" = String, Header, description = "t=…,v1=… over {t}.{raw body}")),
    responses(
        (status = 200, body = Receipt),
        (status = 400, body = PosError, description = "INVALID_SIGNATURE"),
        (status = 413, body = PosError, description = "PAYLOAD_TOO_LARGE"),
        PosErrors,
    ))]
async fn receive_stripe_event(State(ctx): State<Ctx>, headers: HeaderMap, body: Bytes) -> Result<Answer, ApiError> {
    receive(&ctx, &ctx.settings().stripe_webhook_secrets, &headers, &body).await
}

/// Stripe's events of connected accounts.
#[utoipa::path(post, path = "/pos/stripe/connect-webhooks", tag = "stripe webhooks",
    request_body(content = Value, description = "A Stripe event with `account`"),
    params(("stripe-signature" = String, Header, description = "t=…,v1=… over {t}.{raw body}")),
    responses(
        (status = 200, body = Receipt),
        (status = 400, body = PosError, description = "INVALID_SIGNATURE"),
        (status = 413, body = PosError, description = "PAYLOAD_TOO_LARGE"),
        PosErrors,
    ))]
async fn receive_connect_event(State(ctx): State<Ctx>, headers: HeaderMap, body: Bytes) -> Result<Answer, ApiError> {
    receive(&ctx, &ctx.settings().stripe_connect_webhook_secrets, &headers, &body).await
}

/// The same under its other name (DECISIONS, #8).
#[utoipa::path(post, path = "/pos/stripe/webhook-connect", tag = "stripe webhooks",
    request_body(content = Value, description = "A Stripe event with `account`"),
    params(("stripe-signature" = String, Header, description = "t=…,v1=… over {t}.{raw body}")),
    responses(
        (status = 200, body = Receipt),
        (status = 400, body = PosError, description = "INVALID_SIGNATURE"),
        (status = 413, body = PosError, description = "PAYLOAD_TOO_LARGE"),
        PosErrors,
    ))]
async fn receive_connect_event_elsewhere(
    state: State<Ctx>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Answer, ApiError> {
    receive_connect_event(state, headers, body).await
}

/// Verifies an event, queues it, and acknowledges it. What it means is `workers-payments`' business.
async fn receive(ctx: &Ctx, secrets: &[String], headers: &HeaderMap, body: &[u8]) -> Result<Answer, ApiError> {
    verify(ctx, secrets, headers, body)?;
    enqueue(ctx, "stripe", body).await?;
    Ok(axum::Json(Receipt { received: true, ..Receipt::default() }))
}

/// 400 unless one of the secrets signed the body. Only a setting of that name lets unsigned ones through.
fn verify(ctx: &Ctx, secrets: &[String], headers: &HeaderMap, body: &[u8]) -> Result<(), ApiError> {
    let header = headers.get(signature::HEADER).and_then(|header| header.to_str().ok());
    if header.is_none() && ctx.settings().accept_unsigned_webhooks {
        return Ok(());
    }
    signature::verify(secrets, header.unwrap_or_default(), body, ctx.now().as_second()).map_err(|error| {
        tracing::warn!(%error, "webhook refused");
        ApiError::new(StatusCode::BAD_REQUEST, "INVALID_SIGNATURE", "The webhook's signature is not valid")
    })
}

/// Leaves a verified body to `workers-payments`. 503 when that fails, so that the provider sends it again.
async fn enqueue(ctx: &Ctx, source: &str, body: &[u8]) -> Result<(), ApiError> {
    let message = json!({"source": source, "body": String::from_utf8_lossy(body)});
    let message = queue::message(&message).map_err(ApiError::internal)?;
    let send = ctx.sqs().send_message().queue_url(&ctx.settings().payments_queue_url).message_body(message);
    send.send().await.map(drop).map_err(|error| {
        tracing::error!(?error, "webhook not queued");
        ApiError::unavailable()
    })
}
