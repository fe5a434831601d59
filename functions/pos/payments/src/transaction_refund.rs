//! Money of a transaction given back (contract `pos.md` §10); the same act as an order's refund.

use axum::extract::State;
use domain::{money::Cents, pos::order::OrderId};
use garde::Validate;
use runtime::{
    ApiError, Ctx, IdempotencyKey, Json,
    extract::Id,
    openapi::{PosError, PosSessionErrors},
    session::{self, Owner},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::transaction_detail::not_found;

/// Why, in Stripe's words.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = TransactionRefundReason)]
enum Reason {
    Duplicate,
    Fraudulent,
    RequestedByCustomer,
}

impl Reason {
    fn as_str(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Fraudulent => "fraudulent",
            Self::RequestedByCustomer => "requested_by_customer",
        }
    }
}

/// What is to be given back.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(as = TransactionRefundIn)]
pub(crate) struct RefundIn {
    /// Cents; all that is left where nothing is said.
    #[garde(inner(range(min = 1, max = 1_000_000_000)))]
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    amount: Option<i64>,
    #[garde(skip)]
    reason: Option<Reason>,
}

/// What was given back.
#[derive(Serialize, ToSchema)]
#[schema(as = TransactionRefundOut)]
pub(crate) struct RefundOut {
    /// `re_…`, or `cash_refund_…`.
    id: String,
    /// Cents.
    amount: i64,
    /// `succeeded`, or `pending` while Stripe has not answered: it is sent again until it has.
    status: &'static str,
    reason: Option<&'static str>,
    /// Unix seconds.
    created: i64,
}

/// Gives back money of a paid order, newest payments first, cards before cash. An `Idempotency-Key` gives back once.
#[utoipa::path(post, path = "/pos/stripe/connect/transactions/{id}/refund", tag = "pos connect",
    security(("bearer" = [])), extensions(("x-role" = json!(session::OWNER))), request_body = RefundIn,
    params(
        ("id" = Uuid, Path, description = "The order"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable characters"),
    ),
    responses(
        (status = 200, body = RefundOut),
        (status = 404, body = PosError, description = "`ORDER_NOT_FOUND`, `NO_CONNECTED_ACCOUNT`"),
        (status = 422, body = PosError, description = "`IDEMPOTENCY_KEY_REUSED`"),
        PosSessionErrors,
    ))]
pub(crate) async fn refund_transaction(
    State(ctx): State<Ctx>,
    owner: Owner,
    id: Id<OrderId>,
    key: IdempotencyKey,
    Json(input): Json<RefundIn>,
) -> Result<Json<RefundOut>, ApiError> {
    let order = id.0.ok_or_else(not_found)?;
    let key = key.hash().unwrap_or_else(|| Uuid::new_v4().to_string());
    let reason = input.reason.map(Reason::as_str);
    let amount = input.amount.map(Cents);
    let refunded = ctx.register().refund_order(owner.org, order, amount, reason, owner.user, &key).await?;
    let created = refunded.refunds.first().map_or_else(|| ctx.now(), |refund| refund.created_at);
    Ok(Json(RefundOut {
        id: refunded.name(),
        amount: refunded.amount().0,
        status: refunded.status(),
        reason,
        created: created.as_second(),
    }))
}
