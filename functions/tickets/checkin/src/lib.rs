//! The gate: scan a ticket, look one up, see who came (contract `tickets.md` §7).

mod scan;
mod wire;

use axum::extract::{Path, State};
use domain::tickets::number::OrderNumber;
use runtime::{
    ApiError, Ctx, Function, Json, Query, Routes, Staff, Surface,
    openapi::{CommonErrors, ErrorBody},
    routes,
};
use wire::{CheckInList, CheckInOut, ListIn, Verification, VerifiedOrder};

/// The function.
pub fn function() -> Function {
    Function::http(Surface::Tickets, routes())
}

fn routes() -> Routes {
    Routes::new().routes(routes!(scan::check_in)).routes(routes!(verify_ticket)).routes(routes!(list_check_ins))
}

fn not_found() -> ApiError {
    ApiError::not_found("ORDER_NOT_FOUND", "Ticket not found")
}

/// What the client asks before each check-in: the order's state, without letting anybody in.
#[utoipa::path(get, path = "/tickets/api/checkin/verify/{orderNumber}", tag = "tickets check-in",
    params(("orderNumber" = String, Path, description = "Order number, in any case")),
    responses(
        (status = 200, body = Verification),
        (status = 404, body = ErrorBody, description = "ORDER_NOT_FOUND"),
        CommonErrors,
    ))]
async fn verify_ticket(State(ctx): State<Ctx>, Path(number): Path<String>) -> Result<Json<Verification>, ApiError> {
    let number: OrderNumber = number.parse().map_err(|_| not_found())?;
    let order = ctx.store().load_order(number).await?.ok_or_else(not_found)?;
    let event = ctx.store().load_event(order.event_id).await?;
    let ticket = VerifiedOrder::new(&order, event.as_ref());
    Ok(Json(Verification { success: true, order: ticket.clone(), ticket }))
}

/// The latest check-ins of the caller's organization, newest first.
#[utoipa::path(get, path = "/tickets/api/admin/checkins", tag = "tickets check-in", params(ListIn),
    security(("bearer" = [])),
    responses(
        (status = 200, body = CheckInList),
        (status = 400, body = ErrorBody, description = "VALIDATION_ERROR"),
        (status = 401, body = ErrorBody, description = "NO_TOKEN, INVALID_TOKEN"),
        (status = 403, body = ErrorBody, description = "FORBIDDEN"),
        CommonErrors,
    ))]
async fn list_check_ins(
    State(ctx): State<Ctx>,
    staff: Staff,
    Query(input): Query<ListIn>,
) -> Result<Json<CheckInList>, ApiError> {
    let orders = ctx.store().list_check_ins(staff.org, input.limit.unwrap_or(10)).await?;
    let checkins = orders.iter().filter_map(CheckInOut::new).collect();
    Ok(Json(CheckInList { success: true, checkins }))
}
