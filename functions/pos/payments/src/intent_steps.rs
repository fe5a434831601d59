//! What becomes of a card payment that has begun: looked at, captured, given up, simulated (contract §9).

use axum::extract::State;
use payments::{
    PaymentIntentStatus, Stripe, StripeError,
    terminal::{CardIntent, CardKind},
};
use runtime::{
    ApiError, Ctx, Json,
    extract::Id,
    openapi::{PosError, PosSessionErrors},
    session::{self, User},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    intent::settle,
    terminal::{Cards, location_name},
};

/// The card that a simulation pays with.
const TEST_CARD: &str = "pm_card_visa";
/// What Stripe's simulated reader shows.
const SIMULATED_READER: &str = "simulated-wpe";

/// A card payment as it stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IntentStatusOut {
    /// `pi_…`.
    id: String,
    /// What the phone takes the card with.
    client_secret: Option<String>,
    /// Cents.
    amount: i64,
    /// `usd`.
    currency: String,
    /// Stripe's word: `requires_payment_method`, `succeeded`, `canceled`, …
    status: String,
    /// Stripe's page with the receipt.
    receipt_url: Option<String>,
}

/// A card payment that was given up.
#[derive(Serialize, ToSchema)]
pub(crate) struct CanceledOut {
    /// Always true.
    success: bool,
    /// `pi_…`.
    id: String,
    /// `canceled`.
    status: String,
}

/// A card payment whose money was taken.
#[derive(Serialize, ToSchema)]
pub(crate) struct CapturedOut {
    /// `pi_…`.
    id: String,
    /// `succeeded`.
    status: String,
    /// Cents.
    amount: i64,
}

/// A card payment that was simulated.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SimulatedOut {
    /// `pi_…`: go on with this one.
    id: String,
    /// `succeeded`.
    status: String,
    /// Cents.
    amount: i64,
    /// Stripe's page with the receipt.
    receipt_url: Option<String>,
}

pub(crate) fn unknown_intent() -> ApiError {
    ApiError::not_found("PAYMENT_INTENT_NOT_FOUND", "Payment intent not found")
}

/// The payment, with its charge; 404 when it is not on the organization's account.
pub(crate) async fn retrieve(cards: &Cards, Id(id): Id<String>) -> Result<CardIntent, ApiError> {
    let id = id.ok_or_else(unknown_intent)?;
    cards.stripe.retrieve_intent(&id).await.map_err(or_unknown)
}

fn or_unknown(error: StripeError) -> ApiError {
    if error == StripeError::NotFound { unknown_intent() } else { error.into() }
}

pub(crate) fn receipt_url(intent: &CardIntent) -> Option<String> {
    intent.charge()?.receipt_url.clone()
}

/// Looks at a card payment. One that has succeeded is settled, should nobody have said so yet.
#[utoipa::path(get, path = "/pos/stripe/terminal/payment-intent/{id}/status", tag = "pos terminal",
    security(("bearer" = [])), extensions(("x-role" = json!(session::USER))),
    params(("id" = String, Path, description = "`pi_…`")),
    responses(
        (status = 200, body = IntentStatusOut),
        (status = 404, body = PosError, description = "NO_CONNECTED_ACCOUNT, PAYMENT_INTENT_NOT_FOUND"),
        PosSessionErrors,
    ))]
pub(crate) async fn get_intent_status(
    State(ctx): State<Ctx>,
    user: User,
    id: Id<String>,
) -> Result<Json<IntentStatusOut>, ApiError> {
    let cards = Cards::of(&ctx, &user).await?;
    let intent = retrieve(&cards, id).await?;
    settle(&ctx, &cards, &intent).await?;
    Ok(Json(IntentStatusOut {
        receipt_url: receipt_url(&intent),
        id: intent.id,
        client_secret: intent.client_secret,
        amount: intent.amount.0,
        currency: intent.currency.code().to_ascii_lowercase(),
        status: intent.status.as_str().to_owned(),
    }))
}

/// The same under the shorter name.
#[utoipa::path(get, path = "/pos/stripe/terminal/payment-intent/{id}", tag = "pos terminal",
    security(("bearer" = [])), extensions(("x-role" = json!(session::USER))),
    params(("id" = String, Path, description = "`pi_…`")),
    responses(
        (status = 200, body = IntentStatusOut),
        (status = 404, body = PosError, description = "NO_CONNECTED_ACCOUNT, PAYMENT_INTENT_NOT_FOUND"),
        PosSessionErrors,
    ))]
pub(crate) async fn get_intent(
    state: State<Ctx>,
    user: User,
    id: Id<String>,
) -> Result<Json<IntentStatusOut>, ApiError> {
    get_intent_status(state, user, id).await
}

/// Gives a card payment up, or says that it was given up before. 400 when its money has come.
#[utoipa::path(post, path = "/pos/stripe/terminal/payment-intent/{id}/cancel", tag = "pos terminal",
    security(("bearer" = [])), extensions(("x-role" = json!(session::USER))),
    params(("id" = String, Path, description = "`pi_…`")),
    responses(
        (status = 200, body = CanceledOut),
        (status = 404, body = PosError, description = "NO_CONNECTED_ACCOUNT, PAYMENT_INTENT_NOT_FOUND"),
        PosSessionErrors,
    ))]
pub(crate) async fn cancel_intent(
    State(ctx): State<Ctx>,
    user: User,
    Id(id): Id<String>,
) -> Result<Json<CanceledOut>, ApiError> {
    let cards = Cards::of(&ctx, &user).await?;
    let id = id.ok_or_else(unknown_intent)?;
    let canceled = match cards.stripe.cancel_intent(&id).await {
        Err(refused @ StripeError::Invalid { .. }) => {
            let intent = cards.stripe.retrieve_intent(&id).await?;
            if intent.status == PaymentIntentStatus::Canceled { Ok(intent) } else { Err(refused) }
        }
        canceled => canceled,
    };
    let intent = canceled.map_err(or_unknown)?;
    ctx.register().decline_intent(user.org, &intent.id).await?;
    Ok(Json(CanceledOut { success: true, id: intent.id, status: intent.status.as_str().to_owned() }))
}

/// Takes the money of an authorized card, or says that it was taken before. 400 when nothing is authorized.
#[utoipa::path(post, path = "/pos/stripe/terminal/payment-intent/{id}/capture", tag = "pos terminal",
    security(("bearer" = [])), extensions(("x-role" = json!(session::USER))),
    params(("id" = String, Path, description = "`pi_…`")),
    responses(
        (status = 200, body = CapturedOut),
        (status = 404, body = PosError, description = "NO_CONNECTED_ACCOUNT, PAYMENT_INTENT_NOT_FOUND"),
        PosSessionErrors,
    ))]
pub(crate) async fn capture_intent(
    State(ctx): State<Ctx>,
    user: User,
    Id(id): Id<String>,
) -> Result<Json<CapturedOut>, ApiError> {
    let cards = Cards::of(&ctx, &user).await?;
    let id = id.ok_or_else(unknown_intent)?;
    let captured = cards.stripe.capture_intent(&id).await;
    let intent = unless_succeeded(&cards, &id, captured).await.map_err(or_unknown)?;
    settle(&ctx, &cards, &intent).await?;
    let amount = intent.amount_received.0;
    Ok(Json(CapturedOut { id: intent.id, status: intent.status.as_str().to_owned(), amount }))
}

/// Pays as if a card had been held to the phone; in test mode only. A payment that has succeeded is answered the same.
#[utoipa::path(post, path = "/pos/stripe/terminal/payment-intent/{id}/simulate", tag = "pos terminal",
    security(("bearer" = [])), extensions(("x-role" = json!(session::USER))),
    params(("id" = String, Path, description = "`pi_…`")),
    responses(
        (status = 200, body = SimulatedOut),
        (status = 404, body = PosError, description = "NO_CONNECTED_ACCOUNT, PAYMENT_INTENT_NOT_FOUND"),
        PosSessionErrors,
    ))]
pub(crate) async fn simulate_payment(
    State(ctx): State<Ctx>,
    user: User,
    id: Id<String>,
) -> Result<Json<SimulatedOut>, ApiError> {
    if ctx.stripe().and_then(Stripe::livemode) != Some(false) {
        return Err(ApiError::bad_request("TEST_MODE_ONLY", "Payments can be simulated in test mode only"));
    }
    let (name, terms) = location_name(&ctx, &user).await?;
    let cards = Cards::new(&ctx, terms)?;
    let intent = retrieve(&cards, id).await?;
    let id = intent.id.clone();
    let paid = match intent.status {
        PaymentIntentStatus::Succeeded => Ok(intent),
        PaymentIntentStatus::RequiresCapture => cards.stripe.capture_intent(&id).await,
        _ if intent.kind() == CardKind::Card => cards.stripe.confirm_intent(&id, TEST_CARD).await,
        _ => {
            let location = cards.location(&ctx, &name).await?;
            present_card(&cards, &id, &location).await
        }
    };
    let mut intent = unless_succeeded(&cards, &id, paid).await?;
    if intent.status == PaymentIntentStatus::RequiresCapture {
        intent = cards.stripe.capture_intent(&id).await?;
    }
    if intent.status != PaymentIntentStatus::Succeeded {
        return Err(ApiError::bad_request("NOT_SIMULATED", format!("The payment is {}", intent.status.as_str())));
    }
    settle(&ctx, &cards, &intent).await?;
    let (receipt_url, amount) = (receipt_url(&intent), intent.amount_received.0);
    Ok(Json(SimulatedOut { id, status: intent.status.as_str().to_owned(), amount, receipt_url }))
}

/// Has a simulated reader, made for this attempt, take a test card. Under a key of the payment, a later attempt would be given
/// the reader that an earlier one has deleted.
async fn present_card(cards: &Cards, intent: &str, location: &str) -> Result<CardIntent, StripeError> {
    let stripe = &cards.stripe;
    let reader = stripe.register_reader(SIMULATED_READER, location, None).await?;
    let presented = async {
        stripe.process_on_reader(&reader.id, intent).await?;
        stripe.present_test_card(&reader.id).await?;
        stripe.retrieve_intent(intent).await
    };
    let presented = presented.await;
    if let Err(error) = stripe.delete_reader(&reader.id).await {
        tracing::warn!(%error, "simulated reader not deleted");
    }
    presented
}

/// What is refused because somebody else was faster is no error.
async fn unless_succeeded(
    cards: &Cards,
    intent: &str,
    done: Result<CardIntent, StripeError>,
) -> Result<CardIntent, StripeError> {
    let refused = match done {
        Err(refused @ (StripeError::Invalid { .. } | StripeError::NotFound)) => refused,
        done => return done,
    };
    let intent = cards.stripe.retrieve_intent(intent).await?;
    if intent.status == PaymentIntentStatus::Succeeded { Ok(intent) } else { Err(refused) }
}
