//! What people write to us, and who wants our news (contract §21).

use axum::extract::State;
use garde::Validate;
use runtime::{
    ApiError, Ctx, Json,
    openapi::{PosError, PosErrors},
};
use serde::{Deserialize, Serialize};
use store::pos::contact::Contact;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::wire::{trimmed, valid_email};

/// A message to us.
#[derive(Deserialize, Validate, ToSchema)]
pub(crate) struct ContactIn {
    #[garde(length(max = 254))]
    email: String,
    #[garde(length(chars, min = 1, max = 5000))]
    #[schema(min_length = 1, max_length = 5000)]
    message: String,
    #[garde(length(chars, max = 200))]
    name: Option<String>,
    #[garde(length(chars, max = 200))]
    company: Option<String>,
    #[garde(length(chars, max = 200))]
    subject: Option<String>,
}

/// Who wants our news.
#[derive(Deserialize, Validate, ToSchema)]
pub(crate) struct SubscribeIn {
    #[garde(length(max = 254))]
    email: String,
    /// Where they said so.
    #[garde(length(chars, max = 100))]
    source: Option<String>,
}

/// Done.
#[derive(Serialize, ToSchema)]
pub(crate) struct DoneOut {
    success: bool,
    message: &'static str,
}

/// Takes a message to us.
#[utoipa::path(post, path = "/pos/contact", tag = "pos auth", request_body = ContactIn,
    responses(
        (status = 200, description = "Taken", body = DoneOut),
        (status = 400, description = "`VALIDATION_ERROR`", body = PosError),
        (status = 413, description = "`PAYLOAD_TOO_LARGE`", body = PosError),
        PosErrors,
    )
)]
pub(crate) async fn contact(State(ctx): State<Ctx>, Json(input): Json<ContactIn>) -> Result<Json<DoneOut>, ApiError> {
    let message = trimmed(Some(&input.message)).ok_or_else(|| ApiError::invalid("message", "must not be empty"))?;
    let contact = Contact {
        id: Uuid::new_v4(),
        email: valid_email(&input.email)?,
        name: trimmed(input.name.as_ref()),
        company: trimmed(input.company.as_ref()),
        subject: trimmed(input.subject.as_ref()),
        message,
        org: None,
        created_at: ctx.now(),
    };
    ctx.store().pos().create_contact(&contact).await?;
    Ok(Json(DoneOut { success: true, message: "Thank you for your message. We will get back to you soon" }))
}

/// Subscribes to our news. Whether the address had done so before is not told.
#[utoipa::path(post, path = "/pos/marketing/subscribe", tag = "pos auth", request_body = SubscribeIn,
    responses(
        (status = 200, description = "Subscribed", body = DoneOut),
        (status = 400, description = "`VALIDATION_ERROR`", body = PosError),
        (status = 413, description = "`PAYLOAD_TOO_LARGE`", body = PosError),
        PosErrors,
    )
)]
pub(crate) async fn subscribe(
    State(ctx): State<Ctx>,
    Json(input): Json<SubscribeIn>,
) -> Result<Json<DoneOut>, ApiError> {
    let source = trimmed(input.source.as_ref()).unwrap_or_else(|| "website".to_owned());
    ctx.store().pos().subscribe_news(&valid_email(&input.email)?, &source, ctx.now()).await?;
    Ok(Json(DoneOut { success: true, message: "Successfully subscribed" }))
}
