//! The newsletter's subscribers.

use axum::extract::State;
use garde::Validate;
use http::StatusCode;
use runtime::{
    ApiError, Ctx, Json,
    openapi::{CommonErrors, ErrorBody},
    validate,
};
use serde::{Deserialize, Serialize};
use store::Subscription;
use utoipa::ToSchema;

/// An address.
#[derive(Deserialize, Validate, ToSchema)]
#[garde(allow_unvalidated)]
pub(crate) struct AddressIn {
    /// Of the shape `x@y.z`, in any case.
    #[schema(required)]
    email: Option<String>,
}

impl AddressIn {
    /// The address as it is stored: without space around it, in lower case.
    fn address(&self) -> Result<String, ApiError> {
        let email = self.email.as_deref().unwrap_or_default().trim().to_lowercase();
        if email.is_empty() {
            return Err(ApiError::invalid("email", "is required"));
        }
        validate::is_email(&email)
            .then_some(email)
            .ok_or_else(|| ApiError::invalid("email", "must be an e-mail address"))
    }
}

/// Done.
#[derive(Serialize, ToSchema)]
pub(crate) struct MessageOut {
    success: bool,
    message: &'static str,
}

fn answer(status: StatusCode, message: &'static str) -> (StatusCode, Json<MessageOut>) {
    (status, Json(MessageOut { success: true, message }))
}

/// Subscribes an address.
#[utoipa::path(post, path = "/tickets/api/newsletter/subscribe", tag = "tickets storefront", request_body = AddressIn,
    responses(
        (status = 200, description = "It was known: already subscribed, or subscribed anew", body = MessageOut),
        (status = 201, description = "Subscribed", body = MessageOut),
        (status = 400, description = "`VALIDATION_ERROR`", body = ErrorBody),
        (status = 413, description = "`PAYLOAD_TOO_LARGE`", body = ErrorBody),
        CommonErrors,
    ))]
pub(crate) async fn subscribe(
    State(ctx): State<Ctx>,
    Json(input): Json<AddressIn>,
) -> Result<(StatusCode, Json<MessageOut>), ApiError> {
    let before = ctx.store().subscribe(ctx.settings().tickets_org, &input.address()?, ctx.now()).await?;
    Ok(match before {
        Subscription::New => answer(StatusCode::CREATED, "Subscribed successfully"),
        Subscription::Active => answer(StatusCode::OK, "Already subscribed"),
        Subscription::Inactive => answer(StatusCode::OK, "Resubscribed successfully"),
    })
}

/// Unsubscribes an address. One that was never subscribed gets the same answer.
#[utoipa::path(post, path = "/tickets/api/newsletter/unsubscribe", tag = "tickets storefront", request_body = AddressIn,
    responses(
        (status = 200, description = "Unsubscribed", body = MessageOut),
        (status = 400, description = "`VALIDATION_ERROR`", body = ErrorBody),
        (status = 413, description = "`PAYLOAD_TOO_LARGE`", body = ErrorBody),
        CommonErrors,
    ))]
pub(crate) async fn unsubscribe(
    State(ctx): State<Ctx>,
    Json(input): Json<AddressIn>,
) -> Result<(StatusCode, Json<MessageOut>), ApiError> {
    ctx.store().unsubscribe(ctx.settings().tickets_org, &input.address()?, ctx.now()).await?;
    Ok(answer(StatusCode::OK, "Unsubscribed successfully"))
}
