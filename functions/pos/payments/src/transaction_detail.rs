//! One transaction with everything that belongs to it, and its receipt (contract `pos.md` §10).

use axum::extract::State;
use domain::{
    ids::OrgId,
    money::Cents,
    pos::order::{FullOrder, Line, Method, OrderId, Payment, Refund, RefundStatus},
};
use garde::Validate;
use http::StatusCode;
use runtime::{
    ApiError, Ctx, Json,
    extract::Id,
    openapi::{PosError, PosSessionErrors},
    session::{self, User},
    validate::is_email,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::transaction::{Telling, TransactionOut};

/// Money given back.
#[derive(Serialize, ToSchema)]
struct RefundRow {
    /// `re_…`, or `cash_refund_…`.
    id: String,
    /// Cents.
    amount: i64,
    /// `pending`, `succeeded` or `failed`.
    status: &'static str,
    reason: Option<String>,
    /// Unix seconds.
    created: i64,
}

impl From<&Refund> for RefundRow {
    fn from(refund: &Refund) -> Self {
        RefundRow {
            id: refund.reference.clone().unwrap_or_else(|| refund.id.to_string()),
            amount: refund.amount.0,
            status: match refund.status {
                RefundStatus::Pending => "pending",
                RefundStatus::Succeeded => "succeeded",
                RefundStatus::Failed => "failed",
            },
            reason: refund.reason.clone(),
            created: refund.created_at.as_second(),
        }
    }
}

/// A payment of the order. Amounts are cents.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PaymentRow {
    #[schema(format = Uuid)]
    id: String,
    /// `card`, `cash` or `tap_to_pay`.
    payment_method: &'static str,
    amount: i64,
    tip_amount: i64,
    /// `completed`.
    status: &'static str,
    cash_tendered: Option<i64>,
    cash_change: Option<i64>,
    stripe_payment_intent_id: Option<String>,
    /// Unix seconds.
    created: i64,
}

impl From<&Payment> for PaymentRow {
    fn from(payment: &Payment) -> Self {
        PaymentRow {
            id: payment.id.to_string(),
            payment_method: payment.method.as_str(),
            amount: payment.amount.0,
            tip_amount: payment.tip.0,
            status: "completed",
            cash_tendered: payment.cash_tendered.map(|cents| cents.0),
            cash_change: payment.cash_change.map(|cents| cents.0),
            stripe_payment_intent_id: payment.intent.clone(),
            created: payment.created_at.as_second(),
        }
    }
}

/// What was sold.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ItemRow {
    #[schema(format = Uuid)]
    id: String,
    product_id: Option<Uuid>,
    category_id: Option<Uuid>,
    /// As it was then.
    name: String,
    quantity: u32,
    /// Cents.
    unit_price: i64,
    notes: Option<String>,
}

impl From<&Line> for ItemRow {
    fn from(line: &Line) -> Self {
        ItemRow {
            id: line.id.to_string(),
            product_id: line.product.map(|product| product.0),
            category_id: line.category.map(|category| category.0),
            name: line.name.clone(),
            quantity: line.quantity,
            unit_price: line.unit_price.0,
            notes: line.notes.clone(),
        }
    }
}

/// A transaction with everything that belongs to it. Amounts are cents.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DetailOut {
    #[serde(flatten)]
    transaction: TransactionOut,
    refunds: Vec<RefundRow>,
    /// Handed over in cash.
    cash_tendered: Option<i64>,
    /// Given back of it at once.
    cash_change: Option<i64>,
    order_payments: Vec<PaymentRow>,
    order_items: Vec<ItemRow>,
    is_quick_charge: bool,
    tip_amount: i64,
    tax_amount: i64,
    /// Nobody asks for one.
    billing_address: Option<String>,
}

impl DetailOut {
    fn new(telling: &Telling, full: &FullOrder) -> Self {
        let FullOrder { order, lines, payments, refunds } = full;
        let cash = |pick: fn(&Payment) -> Option<Cents>| -> Option<i64> {
            let of_cash = payments.iter().filter(|payment| payment.method == Method::Cash);
            of_cash.filter_map(pick).reduce(|a, b| a + b).map(|cents| cents.0)
        };
        DetailOut {
            transaction: telling.transaction(order, payments),
            refunds: refunds.iter().map(RefundRow::from).collect(),
            cash_tendered: cash(|payment| payment.cash_tendered),
            cash_change: cash(|payment| payment.cash_change),
            order_payments: payments.iter().map(PaymentRow::from).collect(),
            order_items: lines.iter().map(ItemRow::from).collect(),
            is_quick_charge: order.quick_charge,
            tip_amount: order.tip.0,
            tax_amount: order.tax.0,
            billing_address: None,
        }
    }
}

pub(crate) fn not_found() -> ApiError {
    ApiError::not_found("TRANSACTION_NOT_FOUND", "Transaction not found")
}

async fn load(ctx: &Ctx, org: OrgId, id: OrderId) -> Result<FullOrder, ApiError> {
    ctx.store().pos().load_order(org, id).await?.ok_or_else(not_found)
}

/// A transaction with everything that belongs to it.
#[utoipa::path(get, path = "/pos/stripe/connect/transactions/{id}", tag = "pos connect", security(("bearer" = [])),
    extensions(("x-role" = json!(session::USER))), params(("id" = Uuid, Path, description = "The order")),
    responses(
        (status = 200, body = DetailOut),
        (status = 404, body = PosError, description = "`TRANSACTION_NOT_FOUND`"),
        PosSessionErrors,
    ))]
pub(crate) async fn get_transaction(
    State(ctx): State<Ctx>,
    user: User,
    id: Id<OrderId>,
) -> Result<Json<DetailOut>, ApiError> {
    let id = id.0.ok_or_else(not_found)?;
    let pos = ctx.store().pos();
    let (full, terms) = tokio::join!(load(&ctx, user.org, id), pos.load_terms(user.org));
    let (mut full, terms) = (full?, terms?);
    let telling = Telling::load(&ctx, &user, &terms, std::slice::from_ref(&full.order));
    let (telling, cleared) = tokio::join!(telling, pos.clear_gone_products(user.org, &mut full.lines));
    let (telling, ()) = (telling?, cleared?);
    Ok(Json(DetailOut::new(&telling, &full)))
}

/// Where a receipt goes.
#[derive(Deserialize, Validate, ToSchema)]
pub(crate) struct SendIn {
    /// An e-mail address.
    #[garde(custom(check_email))]
    #[schema(format = "email", max_length = 254)]
    email: String,
}

fn check_email(email: &str, _: &()) -> garde::Result {
    if is_email(email.trim()) { Ok(()) } else { Err(garde::Error::new("must be an e-mail address")) }
}

/// A receipt that is on its way.
#[derive(Serialize, ToSchema)]
pub(crate) struct SentOut {
    /// Always true.
    success: bool,
    /// For a person.
    message: &'static str,
}

pub(crate) fn too_many_receipts() -> ApiError {
    let text = "The receipt of this order was sent too often";
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_RECEIPTS", text)
}

/// Sends the receipt of a paid order, however it was paid; the order is the address's from now on.
#[utoipa::path(post, path = "/pos/stripe/connect/transactions/{id}/send-receipt", tag = "pos connect",
    security(("bearer" = [])), extensions(("x-role" = json!(session::USER))), request_body = SendIn,
    params(("id" = Uuid, Path, description = "The order")),
    responses(
        (status = 200, body = SentOut),
        (status = 404, body = PosError, description = "`ORDER_NOT_FOUND`"),
        (status = 429, body = PosError, description = "`TOO_MANY_RECEIPTS`: 20 were sent of this order"),
        PosSessionErrors,
    ))]
pub(crate) async fn send_receipt(
    State(ctx): State<Ctx>,
    user: User,
    id: Id<OrderId>,
    Json(input): Json<SendIn>,
) -> Result<Json<SentOut>, ApiError> {
    let id = id.0.ok_or_else(not_found)?;
    let email = input.email.trim().to_lowercase();
    ctx.register().send_receipt(user.org, id, &email).await?.ok_or_else(too_many_receipts)?;
    Ok(Json(SentOut { success: true, message: "Receipt sent" }))
}
