//! Public orders: place one, look one up (contract `tickets.md` §5).

mod checkout;
mod place;
mod wire;

use axum::extract::{Path, State};
use domain::tickets::number::OrderNumber;
use runtime::{
    ApiError, Ctx, Function, Json, Routes, Surface,
    openapi::{CommonErrors, ErrorBody},
    routes,
};
use wire::{OrderOut, ShownOrder};

/// The function.
pub fn function() -> Function {
    Function::http(Surface::Tickets, routes())
}

fn routes() -> Routes {
    Routes::new().routes(routes!(place::place_order)).routes(routes!(show_order))
}

/// An order by its number, in any case. Never carries the ticket's secret.
#[utoipa::path(get, path = "/tickets/api/orders/{number}", tag = "tickets orders",
    params(("number" = String, Path, description = "Order number, in any case", example = "HP260125-7K2M9QXA")),
    responses(
        (status = 200, body = ShownOrder),
        (status = 404, body = ErrorBody, description = "ORDER_NOT_FOUND"),
        CommonErrors,
    ))]
async fn show_order(State(ctx): State<Ctx>, Path(number): Path<String>) -> Result<Json<ShownOrder>, ApiError> {
    let not_found = || ApiError::not_found("ORDER_NOT_FOUND", "Order not found");
    let number: OrderNumber = number.parse().map_err(|_| not_found())?;
    let order = ctx.store().load_order(number).await?.ok_or_else(not_found)?;
    let event = ctx.store().load_event(order.event_id).await?;
    Ok(Json(ShownOrder { success: true, order: OrderOut::new(&order, event.as_ref()) }))
}
