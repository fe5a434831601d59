//! Orders found: all of them, those put aside, one.

use axum::extract::State;
use domain::pos::order::{Order, OrderId, Status};
use garde::Validate;
use runtime::{
    ApiError, Ctx, Json, Query,
    extract::Id,
    openapi::{PosError, PosSessionErrors},
    session::{self, User},
};
use serde::{Deserialize, Serialize};
use store::pos::list::OrderFilter;
use utoipa::{IntoParams, ToSchema};

use crate::{
    load::load,
    wire::{OrderOut, OrderStatus, filled, id},
};

/// Orders on a page at most.
const MOST: usize = 100;

/// Which orders.
#[derive(Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrdersQuery {
    /// Orders on a page, 25 where nothing is said; above 100 it is 100.
    #[garde(inner(range(min = 1)))]
    #[param(minimum = 1)]
    limit: Option<u32>,
    /// Orders before the page.
    #[garde(inner(range(max = 10_000)))]
    #[param(maximum = 10_000)]
    offset: Option<u32>,
    #[garde(skip)]
    #[param(inline)]
    status: Option<OrderStatus>,
    #[garde(skip)]
    #[param(format = Uuid)]
    catalog_id: Option<String>,
    #[garde(skip)]
    #[param(format = Uuid)]
    customer_id: Option<String>,
    /// Who sold them.
    #[garde(skip)]
    #[param(format = Uuid)]
    user_id: Option<String>,
    #[garde(inner(length(chars, max = 200)))]
    device_id: Option<String>,
}

/// A page of orders.
#[derive(Serialize, ToSchema)]
#[allow(missing_docs)]
pub struct OrderList {
    pub orders: Vec<OrderOut>,
    /// How many there are in all.
    pub total: u64,
}

/// Orders of the organization, newest first.
#[utoipa::path(get, path = "/pos/orders", tag = "pos orders", params(OrdersQuery), security(("bearer" = [])),
    responses((status = 200, body = OrderList), PosSessionErrors),
    extensions(("x-role" = json!(session::USER))))]
pub(crate) async fn list_orders(
    State(ctx): State<Ctx>,
    user: User,
    Query(query): Query<OrdersQuery>,
) -> Result<Json<OrderList>, ApiError> {
    let filter = OrderFilter {
        status: query.status.map(Status::from),
        catalog: id("catalogId", &query.catalog_id)?,
        customer: id("customerId", &query.customer_id)?,
        user: id("userId", &query.user_id)?,
        device: filled(&query.device_id),
    };
    let limit = query.limit.map_or(25, |limit| limit as usize).min(MOST);
    let offset = query.offset.unwrap_or_default() as usize;
    let page = ctx.store().pos().list_orders(user.org, &filter, offset, limit).await?;
    Ok(Json(OrderList { orders: page.orders.iter().map(OrderOut::from).collect(), total: page.total }))
}

/// Which orders of those put aside.
#[derive(Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HeldQuery {
    /// Those of one phone.
    #[garde(inner(length(chars, max = 200)))]
    device_id: Option<String>,
}

/// Orders that are put aside.
#[derive(Serialize, ToSchema)]
#[allow(missing_docs)]
pub struct HeldList {
    pub orders: Vec<OrderOut>,
}

/// Orders that are put aside, the last one first; 500 at most.
#[utoipa::path(get, path = "/pos/orders/held", tag = "pos orders", params(HeldQuery), security(("bearer" = [])),
    responses((status = 200, body = HeldList), PosSessionErrors),
    extensions(("x-role" = json!(session::USER))))]
pub(crate) async fn list_held_orders(
    State(ctx): State<Ctx>,
    user: User,
    Query(query): Query<HeldQuery>,
) -> Result<Json<HeldList>, ApiError> {
    let held: Vec<Order> = ctx.store().pos().list_held_orders(user.org, filled(&query.device_id).as_deref()).await?;
    Ok(Json(HeldList { orders: held.iter().map(OrderOut::from).collect() }))
}

/// One order, with its items; the product of one is null once it has left the library.
#[utoipa::path(get, path = "/pos/orders/{id}", tag = "pos orders", security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The order")),
    responses(
        (status = 200, body = OrderOut),
        (status = 404, body = PosError, description = "`ORDER_NOT_FOUND`"),
        PosSessionErrors,
    ),
    extensions(("x-role" = json!(session::USER))))]
pub(crate) async fn show_order(
    State(ctx): State<Ctx>,
    user: User,
    id: Id<OrderId>,
) -> Result<Json<OrderOut>, ApiError> {
    let mut full = load(&ctx, user.org, id).await?;
    ctx.store().pos().clear_gone_products(user.org, &mut full.lines).await?;
    Ok(Json(OrderOut::from(&full)))
}
