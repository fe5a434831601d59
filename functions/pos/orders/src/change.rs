//! Orders changed, put aside, taken up again, deleted.

use axum::extract::State;
use domain::{
    ids::UserId,
    pos::order::{Edit, Order, OrderId, Status},
};
use jiff::Timestamp;
use runtime::{
    ApiError, Ctx, Json,
    extract::Id,
    openapi::{PosError, PosSessionErrors},
    session::{self, User},
};
use serde::Serialize;
use store::StoreError;
use utoipa::ToSchema;

use crate::{
    card::{Card, check_intent},
    load::{ROUNDS, busy, load, step},
    wire::{EditIn, OrderOut, UpdateIn, filled},
};

/// Changes an order. What somebody has begun to pay keeps its price.
#[utoipa::path(patch, path = "/pos/orders/{id}", tag = "pos orders", request_body = UpdateIn, security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The order")),
    responses(
        (status = 200, body = OrderOut),
        (status = 404, body = PosError, description = "`ORDER_NOT_FOUND`, `PAYMENT_INTENT_NOT_FOUND`, `NO_CONNECTED_ACCOUNT`"),
        (status = 409, body = PosError, description = "`ORDER_BUSY`"),
        PosSessionErrors,
    ),
    extensions(("x-role" = json!(session::USER))))]
pub(crate) async fn update_order(
    State(ctx): State<Ctx>,
    user: User,
    id: Id<OrderId>,
    Json(input): Json<UpdateIn>,
) -> Result<Json<OrderOut>, ApiError> {
    let intent = filled(&input.stripe_payment_intent_id);
    // Linking makes it `processing`.
    let status = input.status.map(Status::from).filter(|status| intent.is_none() || *status != Status::Processing);
    let edit = EditIn::from(input).read()?;
    let card = match &intent {
        Some(intent) => check_intent(&ctx, user.org, id.0, intent).await?,
        None => Card::default(),
    };
    let decide = |order: &Order| {
        let edited = update(order, status, edit.clone(), user.user, ctx.now())?;
        // An intent that cannot be linked afterwards must not leave half of the change behind.
        if let Some(intent) = &intent {
            card.check(&edited, intent, ctx.now())?;
        }
        Ok(edited)
    };
    let mut full = step(&ctx, user.org, id, decide).await?;
    if let Some(intent) = &intent {
        full = card.link(&ctx, full, intent, None).await?;
    }
    Ok(Json(OrderOut::from(&full)))
}

/// The order after a client's edits and its wish for another status.
fn update(order: &Order, status: Option<Status>, edit: Edit, by: UserId, now: Timestamp) -> Result<Order, ApiError> {
    let edited = match status.filter(|status| *status != order.status) {
        None => order.edit(edit, now),
        Some(Status::Held) => order.hold(by, edit, now),
        Some(Status::Pending) => order.resume(now).and_then(|order| order.edit(edit, now)),
        Some(Status::Failed) => order.edit(edit, now).and_then(|order| order.fail(now)),
        Some(_) => return Err(ApiError::invalid("status", "is changed by payments and refunds")),
    };
    Ok(edited?)
}

/// Puts a pending order aside, with what changed meanwhile.
#[utoipa::path(post, path = "/pos/orders/{id}/hold", tag = "pos orders", request_body = EditIn, security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The order")),
    responses(
        (status = 200, body = OrderOut),
        (status = 404, body = PosError, description = "`ORDER_NOT_FOUND`"),
        (status = 409, body = PosError, description = "`ORDER_BUSY`"),
        PosSessionErrors,
    ),
    extensions(("x-role" = json!(session::USER))))]
pub(crate) async fn hold_order(
    State(ctx): State<Ctx>,
    user: User,
    id: Id<OrderId>,
    Json(input): Json<EditIn>,
) -> Result<Json<OrderOut>, ApiError> {
    let edit = input.read()?;
    let decide = |order: &Order| Ok(order.hold(user.user, edit.clone(), ctx.now())?);
    Ok(Json(OrderOut::from(&step(&ctx, user.org, id, decide).await?)))
}

/// Takes an order up again that was put aside.
#[utoipa::path(post, path = "/pos/orders/{id}/resume", tag = "pos orders", security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The order")),
    responses(
        (status = 200, body = OrderOut),
        (status = 404, body = PosError, description = "`ORDER_NOT_FOUND`"),
        (status = 409, body = PosError, description = "`ORDER_BUSY`"),
        PosSessionErrors,
    ),
    extensions(("x-role" = json!(session::USER))))]
pub(crate) async fn resume_order(
    State(ctx): State<Ctx>,
    user: User,
    id: Id<OrderId>,
) -> Result<Json<OrderOut>, ApiError> {
    let mut full = step(&ctx, user.org, id, |order| Ok(order.resume(ctx.now())?)).await?;
    ctx.store().pos().clear_gone_products(user.org, &mut full.lines).await?;
    Ok(Json(OrderOut::from(&full)))
}

/// That it was done.
#[derive(Serialize, ToSchema)]
#[allow(missing_docs)]
pub struct Deleted {
    pub success: bool,
    pub message: String,
}

/// Deletes an order that nobody has paid anything for, whoever made it: the phones that show what was put aside are handed on.
#[utoipa::path(delete, path = "/pos/orders/{id}", tag = "pos orders", security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The order")),
    responses(
        (status = 200, body = Deleted),
        (status = 404, body = PosError, description = "`ORDER_NOT_FOUND`"),
        (status = 409, body = PosError, description = "`ORDER_BUSY`"),
        PosSessionErrors,
    ),
    extensions(("x-role" = json!(session::USER))))]
pub(crate) async fn delete_order(
    State(ctx): State<Ctx>,
    user: User,
    id: Id<OrderId>,
) -> Result<Json<Deleted>, ApiError> {
    for _ in 0..ROUNDS {
        let order = load(&ctx, user.org, id).await?.order;
        order.delete()?;
        match ctx.store().pos().delete_order(&order).await {
            Ok(()) => {
                tracing::info!(order = %order.id, org = %order.org, by = %user.user, "order deleted");
                return Ok(Json(Deleted { success: true, message: "Order deleted".to_owned() }));
            }
            Err(StoreError::Stale) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(busy())
}
