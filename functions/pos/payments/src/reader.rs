//! Readers: machines on the counter that take a card for a phone (contract §9).

use axum::extract::State;
use garde::Validate;
use payments::{StripeError, terminal::Reader};
use runtime::{
    ApiError, Ctx, Json,
    extract::Id,
    openapi::{PosError, PosSessionErrors},
    session::{self, User},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::terminal::{Cards, location_name};

/// A reader to be registered.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReaderIn {
    /// What the reader shows: three words, or `simulated-wpe` in test mode.
    #[garde(length(chars, min = 1, max = 100))]
    #[schema(min_length = 1, max_length = 100)]
    registration_code: String,
    /// What it shall be called.
    #[garde(length(chars, max = 100))]
    #[schema(max_length = 100)]
    label: Option<String>,
}

/// Which payment a reader shall take a card for.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProcessIn {
    /// `pi_…`.
    #[garde(length(chars, min = 1, max = 255))]
    #[schema(min_length = 1, max_length = 255)]
    payment_intent_id: String,
}

/// A reader.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReaderOut {
    /// `tmr_…`.
    id: String,
    label: Option<String>,
    /// `bbpos_wisepos_e`, …
    device_type: String,
    /// `online` or `offline`.
    status: Option<String>,
    ip_address: Option<String>,
    /// `tml_…`.
    location_id: Option<String>,
    serial_number: Option<String>,
}

/// All readers.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReadersOut {
    readers: Vec<ReaderOut>,
}

/// A reader that is forgotten.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReaderDeletedOut {
    /// Always true.
    deleted: bool,
    /// `tmr_…`.
    id: String,
}

/// What a reader does for a payment.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProcessOut {
    /// `pi_…`.
    payment_intent_id: String,
    /// `tmr_…`.
    reader_id: String,
    reader_label: Option<String>,
    /// `in_progress`, `succeeded` or `failed`.
    action_status: Option<String>,
}

/// What a reader does now.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ActionOut {
    /// Always true.
    success: bool,
    /// `tmr_…`.
    reader_id: String,
    /// Null: nothing.
    action_status: Option<String>,
}

impl From<Reader> for ReaderOut {
    fn from(reader: Reader) -> Self {
        let Reader { id, label, device_type, status, ip_address, location, serial_number, .. } = reader;
        ReaderOut { id, label, device_type, status, ip_address, location_id: location, serial_number }
    }
}

fn or_unknown(error: StripeError) -> ApiError {
    match error {
        StripeError::NotFound => ApiError::not_found("NOT_FOUND", "Reader or payment intent not found"),
        error => error.into(),
    }
}

fn named(Id(id): Id<String>) -> Result<String, ApiError> {
    id.ok_or_else(|| or_unknown(StripeError::NotFound))
}

/// The account's readers, a hundred at most.
#[utoipa::path(get, path = "/pos/stripe/terminal/readers", tag = "pos terminal", security(("bearer" = [])),
    extensions(("x-role" = json!(session::USER))),
    responses(
        (status = 200, body = ReadersOut),
        (status = 404, body = PosError, description = "NO_CONNECTED_ACCOUNT"),
        PosSessionErrors,
    ))]
pub(crate) async fn list_readers(State(ctx): State<Ctx>, user: User) -> Result<Json<ReadersOut>, ApiError> {
    let cards = Cards::of(&ctx, &user).await?;
    let readers = cards.stripe.list_readers().await?;
    Ok(Json(ReadersOut { readers: readers.into_iter().map(ReaderOut::from).collect() }))
}

/// Registers a reader at the organization's location.
#[utoipa::path(post, path = "/pos/stripe/terminal/readers", tag = "pos terminal", security(("bearer" = [])),
    extensions(("x-role" = json!(session::USER))), request_body = ReaderIn,
    responses(
        (status = 200, body = ReaderOut),
        (status = 404, body = PosError, description = "NO_CONNECTED_ACCOUNT"),
        PosSessionErrors,
    ))]
pub(crate) async fn register_reader(
    State(ctx): State<Ctx>,
    user: User,
    Json(input): Json<ReaderIn>,
) -> Result<Json<ReaderOut>, ApiError> {
    let (name, terms) = location_name(&ctx, &user).await?;
    let cards = Cards::new(&ctx, terms)?;
    let location = cards.location(&ctx, &name).await?;
    let label = input.label.as_deref().map(str::trim).filter(|label| !label.is_empty());
    let reader = cards.stripe.register_reader(input.registration_code.trim(), &location, label).await?;
    Ok(Json(reader.into()))
}

/// Forgets a reader.
#[utoipa::path(delete, path = "/pos/stripe/terminal/readers/{id}", tag = "pos terminal", security(("bearer" = [])),
    extensions(("x-role" = json!(session::USER))), params(("id" = String, Path, description = "`tmr_…`")),
    responses(
        (status = 200, body = ReaderDeletedOut),
        (status = 404, body = PosError, description = "NO_CONNECTED_ACCOUNT, NOT_FOUND"),
        PosSessionErrors,
    ))]
pub(crate) async fn delete_reader(
    State(ctx): State<Ctx>,
    user: User,
    id: Id<String>,
) -> Result<Json<ReaderDeletedOut>, ApiError> {
    let cards = Cards::of(&ctx, &user).await?;
    let id = named(id)?;
    cards.stripe.delete_reader(&id).await.map_err(or_unknown)?;
    Ok(Json(ReaderDeletedOut { deleted: true, id }))
}

/// Has a reader take a card for a payment.
#[utoipa::path(post, path = "/pos/stripe/terminal/readers/{id}/process-payment", tag = "pos terminal",
    security(("bearer" = [])), extensions(("x-role" = json!(session::USER))), request_body = ProcessIn,
    params(("id" = String, Path, description = "`tmr_…`")),
    responses(
        (status = 200, body = ProcessOut),
        (status = 404, body = PosError, description = "NO_CONNECTED_ACCOUNT, NOT_FOUND"),
        PosSessionErrors,
    ))]
pub(crate) async fn process_on_reader(
    State(ctx): State<Ctx>,
    user: User,
    id: Id<String>,
    Json(input): Json<ProcessIn>,
) -> Result<Json<ProcessOut>, ApiError> {
    let cards = Cards::of(&ctx, &user).await?;
    let intent = input.payment_intent_id;
    let reader = cards.stripe.process_on_reader(&named(id)?, &intent).await.map_err(or_unknown)?;
    Ok(Json(ProcessOut {
        payment_intent_id: intent,
        reader_id: reader.id,
        reader_label: reader.label,
        action_status: reader.action.map(|action| action.status),
    }))
}

/// Has a reader stop what it does.
#[utoipa::path(post, path = "/pos/stripe/terminal/readers/{id}/cancel-action", tag = "pos terminal",
    security(("bearer" = [])), extensions(("x-role" = json!(session::USER))),
    params(("id" = String, Path, description = "`tmr_…`")),
    responses(
        (status = 200, body = ActionOut),
        (status = 404, body = PosError, description = "NO_CONNECTED_ACCOUNT, NOT_FOUND"),
        PosSessionErrors,
    ))]
pub(crate) async fn cancel_reader_action(
    State(ctx): State<Ctx>,
    user: User,
    id: Id<String>,
) -> Result<Json<ActionOut>, ApiError> {
    let cards = Cards::of(&ctx, &user).await?;
    let reader = cards.stripe.cancel_reader_action(&named(id)?).await.map_err(or_unknown)?;
    Ok(Json(ActionOut {
        success: true,
        reader_id: reader.id,
        action_status: reader.action.map(|action| action.status),
    }))
}
