//! Money given back: the same act as of a transaction (contract §8, §10).

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

use crate::load::not_found;

/// Why, in Stripe's words.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum RefundReason {
    Duplicate,
    Fraudulent,
    RequestedByCustomer,
}

impl RefundReason {
    fn as_str(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Fraudulent => "fraudulent",
            Self::RequestedByCustomer => "requested_by_customer",
        }
    }
}

/// What is to be given back.
#[derive(Debug, Deserialize, Validate, ToSchema)]
pub(crate) struct RefundIn {
    /// Cents; all that is left where nothing is said.
    #[garde(inner(range(min = 1, max = 1_000_000_000)))]
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    amount: Option<i64>,
    #[garde(skip)]
    reason: Option<RefundReason>,
}

/// What was given back.
#[derive(Serialize, ToSchema)]
#[allow(missing_docs)]
pub struct RefundOut {
    pub success: bool,
    /// `re_…`, or `cash_refund_…`.
    pub id: String,
    /// Cents.
    pub amount: i64,
    /// `succeeded`, or `pending` while Stripe has not answered: it is sent again until it has.
    pub status: &'static str,
    pub reason: Option<&'static str>,
    /// Unix seconds.
    pub created: i64,
}

/// Gives back money of a paid order, newest payments first, cards before cash. An `Idempotency-Key` gives back once.
#[utoipa::path(post, path = "/pos/orders/{id}/refund", tag = "pos orders", request_body = RefundIn,
    security(("bearer" = [])),
    params(
        ("id" = Uuid, Path, description = "The order"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable characters"),
    ),
    responses(
        (status = 200, body = RefundOut),
        (status = 404, body = PosError, description = "`ORDER_NOT_FOUND`, `NO_CONNECTED_ACCOUNT`, `PAYMENT_INTENT_NOT_FOUND`"),
        (status = 422, body = PosError, description = "`IDEMPOTENCY_KEY_REUSED`"),
        PosSessionErrors,
    ),
    extensions(("x-role" = json!(session::OWNER))))]
pub(crate) async fn refund_order(
    State(ctx): State<Ctx>,
    owner: Owner,
    id: Id<OrderId>,
    key: IdempotencyKey,
    Json(input): Json<RefundIn>,
) -> Result<Json<RefundOut>, ApiError> {
    let order = id.0.ok_or_else(not_found)?;
    let key = key.hash().unwrap_or_else(|| Uuid::new_v4().to_string());
    let reason = input.reason.map(RefundReason::as_str);
    let amount = input.amount.map(Cents);
    let refunded = ctx.register().refund_order(owner.org, order, amount, reason, owner.user, &key).await?;
    let created = refunded.refunds.first().map_or_else(|| ctx.now(), |refund| refund.created_at);
    Ok(Json(RefundOut {
        success: true,
        id: refunded.name(),
        amount: refunded.amount().0,
        status: refunded.status(),
        reason,
        created: created.as_second(),
    }))
}
