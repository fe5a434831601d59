//! Card payments at the counter: begun here, made by the phone or a reader, settled by the register (contract §9).

use std::collections::{BTreeMap, HashMap};

use axum::extract::State;
use domain::{
    ids::OrgId,
    money::Cents,
    pos::order::{Order, OrderId},
};
use garde::Validate;
use payments::{
    IntentNotice,
    terminal::{Capture, CardIntent, CardKind, NewIntent},
};
use runtime::{
    ApiError, Ctx, IdempotencyKey, Json,
    openapi::{PosError, PosSessionErrors},
    session::{self, User},
    validate::is_email,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{terminal::Cards, transaction::SOLD_IN};

/// Stripe takes no less.
const LEAST: Cents = Cents(50);
/// Stripe takes no more.
const MOST: f64 = 999_999.99;
/// Stripe keeps fifty members; ours are among them.
const MAX_METADATA: usize = 40;

/// When the money is taken.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CaptureMethod {
    /// At once.
    #[default]
    Automatic,
    /// By a call of its own.
    Manual,
}

/// How the card is taken.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PaymentMethodType {
    /// Held to a phone or a reader.
    #[default]
    CardPresent,
    /// Its number is typed in.
    Card,
}

/// A card payment to be begun.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IntentIn {
    /// Dollars: `37.51`. Everywhere else amounts are cents.
    #[garde(range(min = 0.0, max = MOST))]
    #[schema(minimum = 0.5, maximum = 999999.99)]
    amount: f64,
    /// `usd`.
    #[garde(custom(is_dollars))]
    #[schema(pattern = "^(usd|USD)$")]
    currency: Option<String>,
    /// What it is for.
    #[garde(length(chars, max = 500))]
    #[schema(max_length = 500)]
    description: Option<String>,
    /// What the app wants to find on it: `orderId`, `orderNumber`, `catalogId`, …
    #[serde(default)]
    #[garde(custom(fits_stripe))]
    metadata: Option<HashMap<String, String>>,
    /// Where Stripe sends its own receipt; empty is nowhere.
    #[garde(custom(email_or_nothing))]
    #[schema(max_length = 254)]
    receipt_email: Option<String>,
    /// `automatic` unless named.
    #[garde(skip)]
    capture_method: Option<CaptureMethod>,
    /// `card_present` unless named.
    #[garde(skip)]
    payment_method_type: Option<PaymentMethodType>,
}

fn is_dollars(currency: &Option<String>, _: &()) -> garde::Result {
    match currency {
        Some(currency) if !currency.eq_ignore_ascii_case("usd") => Err(garde::Error::new("must be usd")),
        _ => Ok(()),
    }
}

fn email_or_nothing(email: &Option<String>, _: &()) -> garde::Result {
    match email.as_deref().map(str::trim) {
        None | Some("") => Ok(()),
        Some(email) if is_email(email) => Ok(()),
        Some(_) => Err(garde::Error::new("must be an e-mail address")),
    }
}

/// What Stripe takes, and what a form can carry.
fn fits_stripe(metadata: &Option<HashMap<String, String>>, _: &()) -> garde::Result {
    let Some(metadata) = metadata else { return Ok(()) };
    let plain = |key: &str| key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    if metadata.len() > MAX_METADATA {
        return Err(garde::Error::new("may have 40 members at most"));
    }
    if metadata.keys().any(|key| !(1..=40).contains(&key.len()) || !plain(key)) {
        return Err(garde::Error::new("names may have 1 to 40 letters, digits, dots, dashes and underscores"));
    }
    if metadata.values().any(|value| value.chars().count() > 500) {
        return Err(garde::Error::new("values may have 500 characters at most"));
    }
    Ok(())
}

/// A card payment that has begun.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IntentOut {
    /// `pi_…`.
    id: String,
    /// What the phone takes the card with.
    client_secret: Option<String>,
    /// Cents.
    amount: i64,
    /// `usd`.
    currency: String,
    /// Stripe's word: `requires_payment_method`, …
    status: String,
    /// The account that the phone must name to Stripe: the payment is on it.
    stripe_account_id: String,
}

/// Begins a card payment on the organization's account.
///
/// With `Idempotency-Key`, the same one however often it is asked for.
#[utoipa::path(post, path = "/pos/stripe/terminal/payment-intent", tag = "pos terminal", security(("bearer" = [])),
    extensions(("x-role" = json!(session::USER))), request_body = IntentIn,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable characters")),
    responses(
        (status = 200, body = IntentOut),
        (status = 404, body = PosError, description = "NO_CONNECTED_ACCOUNT, ORDER_NOT_FOUND"),
        (status = 422, body = PosError, description = "IDEMPOTENCY_KEY_REUSED"),
        PosSessionErrors,
    ))]
pub(crate) async fn create_intent(
    State(ctx): State<Ctx>,
    user: User,
    key: IdempotencyKey,
    Json(input): Json<IntentIn>,
) -> Result<Json<IntentOut>, ApiError> {
    let amount = Cents::from_major(input.amount).map_err(|error| ApiError::invalid("amount", error.to_string()))?;
    if amount < LEAST {
        return Err(ApiError::invalid("amount", "must be at least 0.50"));
    }
    let (terms, order) = {
        let named = order_named(&input)?;
        let (pos, store) = (ctx.store().pos(), ctx.store());
        let order = async { find_order(store, user.org, named).await };
        tokio::try_join!(async { pos.load_terms(user.org).await.map_err(ApiError::from) }, order)?
    };
    let cards = Cards::new(&ctx, terms)?;
    if let Some(order) = &order {
        order.may_take(amount)?;
    }
    let intent = new_intent(input, amount, &user, &cards, order.as_ref());
    let key = key.hash().map(|key| format!("intent:{key}"));
    let made = cards.stripe.create_intent(&intent, key.as_deref()).await?;
    tracing::info!(org = %user.org, intent = made.id, %amount, "card payment begun");
    Ok(Json(IntentOut {
        id: made.id,
        client_secret: made.client_secret,
        amount: made.amount.0,
        currency: made.currency.code().to_ascii_lowercase(),
        status: made.status.as_str().to_owned(),
        stripe_account_id: cards.account.account,
    }))
}

/// The order that the app names; the part of a split names none.
fn order_named(input: &IntentIn) -> Result<Option<OrderId>, ApiError> {
    let named = input.metadata.as_ref().and_then(|metadata| metadata.get("orderId")).filter(|id| !id.is_empty());
    named.map(|id| id.parse().map_err(|_| no_order())).transpose()
}

fn no_order() -> ApiError {
    ApiError::not_found("ORDER_NOT_FOUND", "Order not found")
}

async fn find_order(store: &store::Store, org: OrgId, order: Option<OrderId>) -> Result<Option<Order>, ApiError> {
    let Some(order) = order else { return Ok(None) };
    let full = store.pos().load_order(org, order).await?;
    full.map(|full| Some(full.order)).ok_or_else(no_order)
}

fn new_intent(input: IntentIn, amount: Cents, user: &User, cards: &Cards, order: Option<&Order>) -> NewIntent {
    let kind = match input.payment_method_type.unwrap_or_default() {
        PaymentMethodType::CardPresent => CardKind::CardPresent,
        PaymentMethodType::Card => CardKind::Card,
    };
    let fee = cards.tier.platform_fee(amount);
    let ours = [
        ("organization_id", user.org.to_string()),
        ("user_id", user.user.to_string()),
        ("source", "mobile_app".to_owned()),
        ("subscription_tier", cards.tier.as_str().to_owned()),
        ("platform_fee_cents", fee.0.to_string()),
        ("payment_method_type", kind.as_str().to_owned()),
    ];
    let clean = |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let mut metadata: BTreeMap<String, String> = input.metadata.unwrap_or_default().into_iter().collect();
    metadata.extend(ours.map(|(name, value)| (name.to_owned(), value)));
    if let Some(catalog) = order.and_then(|order| order.catalog) {
        metadata.insert("catalogId".to_owned(), catalog.to_string());
    }
    // Stripe unsets what is empty.
    metadata.retain(|_, value| !value.is_empty());
    NewIntent {
        amount,
        currency: SOLD_IN.to_owned(),
        payment_method_types: [kind],
        capture_method: match input.capture_method.unwrap_or_default() {
            CaptureMethod::Automatic => Capture::Automatic,
            CaptureMethod::Manual => Capture::Manual,
        },
        application_fee_amount: (!fee.is_zero()).then_some(fee),
        description: clean(input.description),
        receipt_email: clean(input.receipt_email),
        metadata,
    }
}

/// Lets the register know of a card payment that Stripe says has succeeded.
pub(crate) async fn settle(ctx: &Ctx, cards: &Cards, intent: &CardIntent) -> Result<(), ApiError> {
    if let Some(notice) = IntentNotice::of(cards.account.org, &cards.account.account, intent) {
        ctx.register().settle_intent(&notice).await?;
    }
    Ok(())
}
