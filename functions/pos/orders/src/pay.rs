//! Orders paid: in cash, by a card that is linked, by several payments.

use axum::extract::State;
use domain::{
    ids::OrgId,
    money::Cents,
    pos::order::{FullOrder, Method, Order, OrderId, Payment, payment_id},
};
use garde::Validate;
use runtime::{
    ApiError, Ctx, IdempotencyKey, Json,
    extract::Id,
    openapi::{PosError, PosSessionErrors},
    session::{self, User},
};
use serde::{Deserialize, Serialize};
use store::StoreError;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    card::check_intent,
    load::{ROUNDS, busy, key_reused, load, not_found},
    wire::{OrderMethod, OrderOut, PaymentOut},
};

/// The card payment to link.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LinkIn {
    /// `pi_…`, of the organization's own account.
    #[garde(length(min = 1, max = 255))]
    stripe_payment_intent_id: String,
    #[garde(skip)]
    payment_method: Option<OrderMethod>,
}

/// Links a card payment: the order waits for it from now on. Another one takes its place (contract §18, fallback to manual
/// card); one that is another order's is refused.
#[utoipa::path(patch, path = "/pos/orders/{id}/payment-intent", tag = "pos orders", request_body = LinkIn,
    security(("bearer" = [])), params(("id" = Uuid, Path, description = "The order")),
    responses(
        (status = 200, body = OrderOut),
        (status = 404, body = PosError, description = "`ORDER_NOT_FOUND`, `PAYMENT_INTENT_NOT_FOUND`, `NO_CONNECTED_ACCOUNT`"),
        PosSessionErrors,
    ),
    extensions(("x-role" = json!(session::USER))))]
pub(crate) async fn link_payment_intent(
    State(ctx): State<Ctx>,
    user: User,
    id: Id<OrderId>,
    Json(input): Json<LinkIn>,
) -> Result<Json<OrderOut>, ApiError> {
    let order = id.0.ok_or_else(not_found)?;
    let (intent, method) = (input.stripe_payment_intent_id.trim(), input.payment_method.map(Method::from));
    // Both at once, and whatever is wrong with the order is told first.
    let (full, card) = tokio::join!(load(&ctx, user.org, id), check_intent(&ctx, user.org, Some(order), intent));
    let (full, card) = (full?, card?);
    Ok(Json(OrderOut::from(&card.link(&ctx, full, intent, method).await?)))
}

/// What was handed over.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CashIn {
    /// Cents.
    #[garde(range(min = 0, max = 1_000_000_000))]
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    cash_tendered: i64,
}

/// An order that was paid in cash.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct CashOut {
    pub order: OrderOut,
    /// Cents to give back over the counter.
    pub change_amount: i64,
}

/// All that is left of an order in cash. An `Idempotency-Key` makes a repeat answer as the first time.
#[utoipa::path(post, path = "/pos/orders/{id}/complete-cash", tag = "pos orders", request_body = CashIn,
    security(("bearer" = [])),
    params(
        ("id" = Uuid, Path, description = "The order"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable characters"),
    ),
    responses(
        (status = 200, body = CashOut),
        (status = 404, body = PosError, description = "`ORDER_NOT_FOUND`"),
        (status = 409, body = PosError, description = "`ORDER_BUSY`"),
        (status = 422, body = PosError, description = "`IDEMPOTENCY_KEY_REUSED`"),
        PosSessionErrors,
    ),
    extensions(("x-role" = json!(session::USER))))]
pub(crate) async fn complete_cash(
    State(ctx): State<Ctx>,
    user: User,
    id: Id<OrderId>,
    key: IdempotencyKey,
    Json(input): Json<CashIn>,
) -> Result<Json<CashOut>, ApiError> {
    let tendered = Cents(input.cash_tendered);
    let payment = new_payment_id(&key);
    let decide = |order: &Order| Ok(order.pay_cash(payment, tendered, ctx.now())?);
    let same = |before: &Payment| before.cash_tendered == Some(tendered);
    let (full, payment) = pay(&ctx, user.org, id, payment, same, decide).await?;
    let change = payment.cash_change.unwrap_or_default();
    Ok(Json(CashOut { order: OrderOut::from(&full), change_amount: change.0 }))
}

/// How one payment is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum PartMethod {
    Card,
    Cash,
    TapToPay,
}

/// A payment of (a part of) an order.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PartIn {
    #[garde(skip)]
    payment_method: PartMethod,
    /// Cents.
    #[garde(range(min = 1, max = 1_000_000_000))]
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    amount: i64,
    /// Cents of it that are tip.
    #[garde(inner(range(min = 0, max = 1_000_000_000)))]
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    tip_amount: Option<i64>,
    /// The card payment, `pi_…`, which must have succeeded. Not for cash.
    #[garde(inner(length(max = 255)))]
    stripe_payment_intent_id: Option<String>,
    /// Cents handed over; the amount where nothing is said. For cash.
    #[garde(inner(range(min = 0, max = 1_000_000_000)))]
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    cash_tendered: Option<i64>,
}

/// A payment, and what is left.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct PartOut {
    pub payment: PaymentOut,
    /// `completed` once all of it is paid.
    pub order_status: &'static str,
    /// Cents.
    pub total_paid: i64,
    /// Cents.
    pub remaining_balance: i64,
}

/// Adds a payment: cash, or a card payment that succeeded at Stripe. The order is completed once all of it is paid.
///
/// The same card payment, or the same `Idempotency-Key`, adds one payment, and answers as the first time.
#[utoipa::path(post, path = "/pos/orders/{id}/payments", tag = "pos orders", request_body = PartIn,
    security(("bearer" = [])),
    params(
        ("id" = Uuid, Path, description = "The order"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable characters"),
    ),
    responses(
        (status = 200, body = PartOut),
        (status = 404, body = PosError, description = "`ORDER_NOT_FOUND`, `PAYMENT_INTENT_NOT_FOUND`, `NO_CONNECTED_ACCOUNT`"),
        (status = 409, body = PosError, description = "`ORDER_BUSY`"),
        (status = 422, body = PosError, description = "`IDEMPOTENCY_KEY_REUSED`"),
        PosSessionErrors,
    ),
    extensions(("x-role" = json!(session::USER))))]
pub(crate) async fn add_payment(
    State(ctx): State<Ctx>,
    user: User,
    id: Id<OrderId>,
    key: IdempotencyKey,
    Json(input): Json<PartIn>,
) -> Result<Json<PartOut>, ApiError> {
    let (order, payment) = match input.payment_method {
        PartMethod::Cash => add_cash(&ctx, user.org, id, &key, &input).await?,
        PartMethod::Card => add_card(&ctx, user.org, id, Method::Card, &input).await?,
        PartMethod::TapToPay => add_card(&ctx, user.org, id, Method::TapToPay, &input).await?,
    };
    Ok(Json(PartOut {
        payment: PaymentOut::from(&payment),
        order_status: order.status.as_str(),
        total_paid: order.paid.0,
        remaining_balance: order.remaining().0,
    }))
}

async fn add_cash(
    ctx: &Ctx,
    org: OrgId,
    id: Id<OrderId>,
    key: &IdempotencyKey,
    input: &PartIn,
) -> Result<(Order, Payment), ApiError> {
    let (amount, tip) = (Cents(input.amount), Cents(input.tip_amount.unwrap_or_default()));
    let tendered = input.cash_tendered.map_or(amount, Cents);
    let payment = Payment::cash(new_payment_id(key), amount, tip, tendered, ctx.now());
    let decide = |order: &Order| {
        let after = order.pay(&payment, ctx.now())?;
        Ok((after, payment.clone()))
    };
    let same = |before: &Payment| {
        (before.amount, before.tip, before.cash_tendered) == (payment.amount, payment.tip, payment.cash_tendered)
    };
    let (full, payment) = pay(ctx, org, id, payment.id, same, decide).await?;
    Ok((full.order, payment))
}

async fn add_card(
    ctx: &Ctx,
    org: OrgId,
    id: Id<OrderId>,
    method: Method,
    input: &PartIn,
) -> Result<(Order, Payment), ApiError> {
    let order = id.0.ok_or_else(not_found)?;
    let intent = input.stripe_payment_intent_id.as_deref().map(str::trim).filter(|intent| !intent.is_empty());
    let intent = intent.ok_or_else(|| ApiError::invalid("stripePaymentIntentId", "is required for a card"))?;
    let (amount, tip) = (Cents(input.amount), Cents(input.tip_amount.unwrap_or_default()));
    Ok(ctx.register().add_card_payment(org, order, method, intent, amount, tip).await?)
}

/// The id of a payment: by the client's key, so that a repeat meets the first, or a new one.
fn new_payment_id(key: &IdempotencyKey) -> Uuid {
    key.hash().map_or_else(Uuid::new_v4, |key| payment_id(&format!("key\0{key}")))
}

/// Adds the payment `id` to an order as `decide` says, once: when it is there already, that one is the answer, if it is the
/// `same`.
async fn pay(
    ctx: &Ctx,
    org: OrgId,
    order: Id<OrderId>,
    id: Uuid,
    same: impl Fn(&Payment) -> bool,
    decide: impl Fn(&Order) -> Result<(Order, Payment), ApiError>,
) -> Result<(FullOrder, Payment), ApiError> {
    for _ in 0..ROUNDS {
        let full = load(ctx, org, order).await?;
        if let Some(before) = full.payments.iter().find(|payment| payment.id == id).cloned() {
            return if same(&before) { Ok((full, before)) } else { Err(key_reused()) };
        }
        let (after, payment) = decide(&full.order)?;
        match ctx.store().pos().add_payment(&full.order, &after, &payment, None).await {
            Ok(true) => {
                tracing::info!(order = %after.id, amount = %payment.amount, status = after.status.as_str(), "cash taken");
                return Ok((FullOrder { order: after, ..full }, payment));
            }
            Ok(false) | Err(StoreError::Stale) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(busy())
}

/// The payments of an order.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct PaymentList {
    pub payments: Vec<PaymentOut>,
    /// Cents.
    pub total_paid: i64,
    /// Cents.
    pub order_total: i64,
    /// Cents; never negative.
    pub remaining_balance: i64,
}

/// The payments of an order, oldest first.
#[utoipa::path(get, path = "/pos/orders/{id}/payments", tag = "pos orders", security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The order")),
    responses(
        (status = 200, body = PaymentList),
        (status = 404, body = PosError, description = "`ORDER_NOT_FOUND`"),
        PosSessionErrors,
    ),
    extensions(("x-role" = json!(session::USER))))]
pub(crate) async fn list_payments(
    State(ctx): State<Ctx>,
    user: User,
    id: Id<OrderId>,
) -> Result<Json<PaymentList>, ApiError> {
    let full = load(&ctx, user.org, id).await?;
    Ok(Json(PaymentList {
        payments: full.payments.iter().map(PaymentOut::from).collect(),
        total_paid: full.order.paid.0,
        order_total: full.order.total.0,
        remaining_balance: full.order.remaining().0,
    }))
}
