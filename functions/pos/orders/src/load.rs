//! What most handlers do first: find the order, and take a step from it.

use domain::{
    ids::OrgId,
    pos::order::{FullOrder, Order, OrderId},
};
use http::StatusCode;
use payments::RegisterError;
use runtime::{ApiError, Ctx, extract::Id};
use store::StoreError;

/// How often a step is decided again because the order changed under it.
pub(crate) const ROUNDS: usize = 10;

pub(crate) fn not_found() -> ApiError {
    ApiError::not_found("ORDER_NOT_FOUND", "Order not found")
}

/// An order of the organization, with all its rows.
pub(crate) async fn load(ctx: &Ctx, org: OrgId, id: Id<OrderId>) -> Result<FullOrder, ApiError> {
    let id = id.0.ok_or_else(not_found)?;
    ctx.store().pos().load_order(org, id).await?.ok_or_else(not_found)
}

/// Takes a step: loads the order, lets `decide` say what it becomes, and saves that over the very version that was read. When
/// somebody else was faster it is decided again.
pub(crate) async fn step(
    ctx: &Ctx,
    org: OrgId,
    id: Id<OrderId>,
    decide: impl Fn(&Order) -> Result<Order, ApiError>,
) -> Result<FullOrder, ApiError> {
    for _ in 0..ROUNDS {
        let full = load(ctx, org, id).await?;
        let after = decide(&full.order)?;
        match ctx.store().pos().save_order(&full.order, &after).await {
            Ok(()) => return Ok(FullOrder { order: after, ..full }),
            Err(StoreError::Stale) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(busy())
}

/// 409: in every round somebody else was faster.
pub(crate) fn busy() -> ApiError {
    ApiError::new(StatusCode::CONFLICT, "ORDER_BUSY", "The order is being changed by others. Please try again")
}

/// 422: the key stands for another request.
pub(crate) fn key_reused() -> ApiError {
    RegisterError::KeyReused.into()
}
