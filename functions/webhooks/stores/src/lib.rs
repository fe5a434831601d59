//! Notices of Apple's and Google's stores (contract `pos.md` §16): verified, put on the payments queue in our own words, and
//! acknowledged. `workers-payments` applies them.
//!
//! What is not the store's is refused; what is the store's and says nothing to us is acknowledged, or it would come again
//! for days.

use appstores::{Apple, AppleError, Told, google};
use axum::extract::State;
use domain::pos::subscription::Change;
use garde::Validate;
use http::{HeaderMap, StatusCode, header};
use identity::TokenError;
use runtime::{
    ApiError, Ctx, Function, Json, Routes, Surface,
    openapi::{PosError, PosErrors},
    queue, routes,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// The function.
pub fn function() -> Function {
    Function::http(
        Surface::Pos,
        Routes::new()
            .routes(routes!(receive_apple_notice))
            .routes(routes!(receive_apple_notice_alias))
            .routes(routes!(receive_google_notice))
            .routes(routes!(receive_google_notice_alias)),
    )
}

/// An App Store Server Notification, version 2.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AppleIn {
    /// JWS with its chain of certificates.
    #[garde(length(min = 1, max = 200_000))]
    signed_payload: String,
}

/// A push of Pub/Sub.
#[derive(Deserialize, Validate, ToSchema)]
struct GoogleIn {
    #[garde(dive)]
    message: GoogleMessage,
    /// The subscription that pushes.
    #[serde(default)]
    #[garde(inner(length(max = 500)))]
    #[schema(nullable = false)]
    subscription: Option<String>,
}

/// A message of Pub/Sub.
#[derive(Deserialize, Validate, ToSchema)]
struct GoogleMessage {
    /// Base64 of a developer notification.
    #[garde(length(min = 1, max = 200_000))]
    data: String,
}

/// What a store is told.
#[derive(Debug, Serialize, ToSchema)]
struct Receipt {
    /// Always true.
    received: bool,
}

type Answer = Result<axum::Json<Receipt>, ApiError>;

/// Apple's notices.
#[utoipa::path(post, path = "/pos/apple-webhooks", tag = "app stores", request_body = AppleIn,
    responses(
        (status = 200, body = Receipt),
        (status = 400, body = PosError, description = "`VALIDATION_ERROR`, `INVALID_SIGNATURE`"),
        (status = 413, body = PosError, description = "`PAYLOAD_TOO_LARGE`"),
        PosErrors,
    ))]
async fn receive_apple_notice(State(ctx): State<Ctx>, Json(input): Json<AppleIn>) -> Answer {
    let notice = apple(&ctx)?.verify_notice(&input.signed_payload).map_err(refuse_apple)?;
    acknowledge(&ctx, notice.map(|notice| Told { notice, token: None })).await
}

/// Apple's notices, by the path that an older configuration names.
#[utoipa::path(post, path = "/pos/apple/webhook", tag = "app stores", request_body = AppleIn,
    responses(
        (status = 200, body = Receipt),
        (status = 400, body = PosError, description = "`VALIDATION_ERROR`, `INVALID_SIGNATURE`"),
        (status = 413, body = PosError, description = "`PAYLOAD_TOO_LARGE`"),
        PosErrors,
    ))]
async fn receive_apple_notice_alias(state: State<Ctx>, input: Json<AppleIn>) -> Answer {
    receive_apple_notice(state, input).await
}

/// Google's notices, pushed with a token of the subscription's service account.
#[utoipa::path(post, path = "/pos/google-webhooks", tag = "app stores", request_body = GoogleIn,
    params(("authorization" = String, Header, description = "Bearer, an OIDC token of Google's")),
    responses(
        (status = 200, body = Receipt),
        (status = 400, body = PosError, description = "`VALIDATION_ERROR`"),
        (status = 401, body = PosError, description = "`INVALID_TOKEN`"),
        (status = 413, body = PosError, description = "`PAYLOAD_TOO_LARGE`"),
        PosErrors,
    ))]
async fn receive_google_notice(State(ctx): State<Ctx>, headers: HeaderMap, Json(input): Json<GoogleIn>) -> Answer {
    verify_push(&ctx, &headers).await?;
    let stores = &ctx.settings().stores;
    let package = stores.google_package.as_deref().ok_or_else(not_configured)?;
    tracing::debug!(subscription = input.subscription, "a push of Pub/Sub");
    let message = google::Message { data: input.message.data };
    let told = google::read_notice(&message, package).map(|google::GoogleNotice { notice, token }| {
        // Until when it is renewed, the notice does not say. The token goes no further than it must.
        let to_ask = stores.google_service_account.is_some() && matches!(notice.change, Change::Renewed { .. });
        Told { notice, token: to_ask.then_some(token) }
    });
    acknowledge(&ctx, told).await
}

/// Google's notices, by the path that an older configuration names.
#[utoipa::path(post, path = "/pos/google/webhook", tag = "app stores", request_body = GoogleIn,
    params(("authorization" = String, Header, description = "Bearer, an OIDC token of Google's")),
    responses(
        (status = 200, body = Receipt),
        (status = 400, body = PosError, description = "`VALIDATION_ERROR`"),
        (status = 401, body = PosError, description = "`INVALID_TOKEN`"),
        (status = 413, body = PosError, description = "`PAYLOAD_TOO_LARGE`"),
        PosErrors,
    ))]
async fn receive_google_notice_alias(state: State<Ctx>, headers: HeaderMap, input: Json<GoogleIn>) -> Answer {
    receive_google_notice(state, headers, input).await
}

fn apple(ctx: &Ctx) -> Result<Apple, ApiError> {
    let stores = &ctx.settings().stores;
    Ok(Apple {
        bundle_id: stores.apple_bundle_id.clone().ok_or_else(not_configured)?,
        app_id: stores.apple_app_id,
        sandbox: stores.apple_sandbox,
        roots: stores.apple_roots.clone(),
    })
}

fn refuse_apple(error: AppleError) -> ApiError {
    tracing::warn!(%error, "a notice of the App Store was refused");
    match error {
        AppleError::NotConfigured => not_configured(),
        _ => ApiError::bad_request("INVALID_SIGNATURE", "The notice's signature is not valid"),
    }
}

async fn verify_push(ctx: &Ctx, headers: &HeaderMap) -> Result<(), ApiError> {
    let verifier = ctx.push_verifier().ok_or_else(not_configured)?;
    let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    verifier.verify(token, ctx.now()).await.map_err(|error| match error {
        TokenError::KeysUnavailable => ApiError::unavailable(),
        error => {
            tracing::warn!(%error, "a push of Pub/Sub was refused");
            ApiError::unauthorized("INVALID_TOKEN", "Invalid or expired token")
        }
    })
}

/// The store is refused, not told to come again: it would for days.
fn not_configured() -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "NOT_CONFIGURED", "No app of this store is configured")
}

/// Leaves a notice to `workers-payments`. 503 when that fails, so that the store sends it again.
async fn acknowledge(ctx: &Ctx, told: Option<Told>) -> Answer {
    if let Some(told) = told {
        let body = serde_json::to_string(&told).map_err(ApiError::internal)?;
        let message = queue::message(&json!({"source": "store", "body": body})).map_err(ApiError::internal)?;
        let send = ctx.sqs().send_message().queue_url(&ctx.settings().payments_queue_url).message_body(message);
        send.send().await.map_err(|error| {
            tracing::error!(?error, "a store's notice was not queued");
            ApiError::unavailable()
        })?;
    }
    Ok(axum::Json(Receipt { received: true }))
}
