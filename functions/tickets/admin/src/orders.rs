//! Orders: found, confirmed, cancelled, refunded, their tickets sent again (contract §10, DECISIONS D7).

mod query;
pub(crate) mod test;
mod wire;

use std::{collections::HashMap, time::Duration};

use axum::extract::State;
use domain::{
    audit::{Action, AuditEntry},
    ids::EventId,
    mail::{Mail, MailKey, MailPolicy, MailStatus},
    tickets::{
        event::Event,
        number::{OrderNumber, parse_reference},
        order::{Order, OrderStatus},
        payment::{Payment, Provider},
    },
};
use payments::{Outcome, StripeError, TillError};
use runtime::{
    ApiError, Ctx, Json, Query, Staff,
    extract::Id,
    openapi::{CommonErrors, ErrorBody},
};
use serde_json::json;

use self::{
    query::OrdersQuery,
    wire::{EmailSent, OrderList, OrderOut, ShownOrder, StatusIn, Step},
};
use crate::wire::Spelled;

/// A ticket is sent within a second, as a rule; somebody at a desk waits four for the word of it.
const LOOKS: u32 = 16;
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

fn not_found() -> ApiError {
    ApiError::not_found("ORDER_NOT_FOUND", "Order not found")
}

/// An order of the organization, by its number or its UUID.
async fn own_order(ctx: &Ctx, staff: &Staff, reference: Option<String>) -> Result<Order, ApiError> {
    let number = parse_reference(&reference.unwrap_or_default()).map_err(|_| not_found())?;
    let order = ctx.store().load_order(number).await?;
    order.filter(|order| order.org == staff.org).ok_or_else(not_found)
}

/// Orders of the organization, newest first.
///
/// Pages are asked for by `page` and `limit`, or by `offset` and `limit`; the total is counted with the sales, and for a
/// search it is what was found.
#[utoipa::path(get, path = "/tickets/api/admin/orders", tag = "tickets admin", security(("bearer" = [])),
    params(OrdersQuery),
    responses(
        (status = 200, description = "A page of orders", body = OrderList),
        (status = 400, description = "`VALIDATION_ERROR`", body = ErrorBody),
        (status = 401, description = "`NO_TOKEN`, `INVALID_TOKEN`", body = ErrorBody),
        (status = 403, description = "`FORBIDDEN`", body = ErrorBody),
        CommonErrors,
    ))]
pub(crate) async fn list_orders(
    State(ctx): State<Ctx>,
    staff: Staff,
    Query(query): Query<OrdersQuery>,
) -> Result<Json<OrderList>, ApiError> {
    let page = query.page()?;
    let Some(filter) = query.filter()? else { return Ok(Json(OrderList::new(vec![], &page, 0))) };
    let store = ctx.store();
    let (events, found) =
        tokio::try_join!(store.list_events(staff.org), store.list_orders(staff.org, &filter, page.offset, page.limit))?;
    let numbers: Vec<OrderNumber> = found.orders.iter().map(|order| order.number).collect();
    let (mails, counted) =
        tokio::try_join!(store.load_ticket_mails(&numbers), query::count(store, &events, &filter, found.found))?;
    let mails: HashMap<MailKey, Mail> = mails.into_iter().map(|mail| (mail.key, mail)).collect();
    let events: HashMap<EventId, Event> = events.into_iter().map(|event| (event.id, event)).collect();
    let mail_of = |order: &Order| mails.get(&MailKey::Ticket { number: order.number });
    let show = |order: &Order| OrderOut::new(order, events.get(&order.event_id), mail_of(order));
    let total = page.total(counted, found.orders.len());
    Ok(Json(OrderList::new(found.orders.iter().map(show).collect(), &page, total)))
}

/// An order by its UUID or its number.
#[utoipa::path(get, path = "/tickets/api/admin/orders/{id}", tag = "tickets admin", security(("bearer" = [])),
    params(("id" = String, Path, description = "UUID or number of the order")),
    responses(
        (status = 200, description = "The order", body = ShownOrder),
        (status = 401, description = "`NO_TOKEN`, `INVALID_TOKEN`", body = ErrorBody),
        (status = 403, description = "`FORBIDDEN`", body = ErrorBody),
        (status = 404, description = "`ORDER_NOT_FOUND`", body = ErrorBody),
        CommonErrors,
    ))]
pub(crate) async fn show_order(
    State(ctx): State<Ctx>,
    staff: Staff,
    Id(id): Id<String>,
) -> Result<Json<ShownOrder>, ApiError> {
    let order = own_order(&ctx, &staff, id).await?;
    let ticket = MailKey::Ticket { number: order.number };
    let (event, mail) = tokio::try_join!(ctx.store().load_event(order.event_id), ctx.store().load_mail(ticket))?;
    Ok(Json(ShownOrder { success: true, order: OrderOut::new(&order, event.as_ref(), mail.as_ref()) }))
}

/// Confirms, cancels or refunds an order. Saying again what is already so succeeds and changes nothing.
///
/// `paid` sends the ticket, unless `sendEmail` is false: then it waits to be sent by hand. `refunded` gives the money
/// back at Stripe first, when it was paid there.
#[utoipa::path(put, path = "/tickets/api/admin/orders/{id}/status", tag = "tickets admin", security(("bearer" = [])),
    params(("id" = String, Path, description = "UUID or number of the order")), request_body = StatusIn,
    responses(
        (status = 200, description = "Done", body = EmailSent),
        (status = 400, description = "`VALIDATION_ERROR` (with `validStatuses`), `ORDER_NOT_PENDING`, \
            `CANNOT_CANCEL_NON_PENDING`, `CANNOT_REFUND_NON_PAID`, `REFUND_REFUSED`", body = ErrorBody),
        (status = 401, description = "`NO_TOKEN`, `INVALID_TOKEN`", body = ErrorBody),
        (status = 403, description = "`FORBIDDEN`", body = ErrorBody),
        (status = 404, description = "`ORDER_NOT_FOUND`", body = ErrorBody),
        (status = 413, description = "`PAYLOAD_TOO_LARGE`", body = ErrorBody),
        CommonErrors,
    ))]
pub(crate) async fn set_order_status(
    State(ctx): State<Ctx>,
    staff: Staff,
    Id(id): Id<String>,
    Json(Spelled(input)): Json<Spelled<StatusIn>>,
) -> Result<Json<EmailSent>, ApiError> {
    let step = input.step()?;
    let order = own_order(&ctx, &staff, id).await?;
    let (number, till) = (order.number, ctx.till());
    let audit = step_audit(&ctx, &staff, &order, step);
    let changed = match step {
        Step::Paid => confirm_order(&ctx, &staff, number, &input, &audit).await?,
        Step::Cancelled => till.cancel_order(number, Some(&audit)).await.map_err(refuse)?,
        Step::Refunded => till.refund_order(number, Some(&audit)).await.map_err(refuse)?,
    };
    let has_mail = changed && step == Step::Paid && input.wants_email();
    Ok(EmailSent::new(step.message(), has_mail && await_ticket(&ctx, number).await))
}

/// False: it was paid already.
async fn confirm_order(
    ctx: &Ctx,
    staff: &Staff,
    number: OrderNumber,
    input: &StatusIn,
    audit: &AuditEntry,
) -> Result<bool, ApiError> {
    let reference = input.payment_reference.clone().filter(|reference| !reference.is_empty());
    let by = Some(staff.user);
    let payment = Payment { provider: Provider::Admin, reference, amount: None, currency: None, by };
    let mail = if input.wants_email() { MailPolicy::Send } else { MailPolicy::Hold };
    match ctx.till().settle_payment(number, &payment, mail, Some(audit)).await.map_err(refuse)? {
        Outcome::Paid => Ok(true),
        Outcome::AlreadyPaid => Ok(false),
        _ => Err(ApiError::bad_request("ORDER_NOT_PENDING", "Only pending orders can be marked as paid")),
    }
}

fn step_audit(ctx: &Ctx, staff: &Staff, order: &Order, step: Step) -> AuditEntry {
    let id = uuid::Uuid::new_v4().to_string();
    AuditEntry {
        old: Some(json!({"status": order.status.wire()}).to_string()),
        new: Some(json!({"status": step.status().wire()}).to_string()),
        ..staff.audit(id, Action::StatusChange, ("order", order.number.to_string()), ctx.now())
    }
}

/// The step that was refused, by the contract's code.
fn refuse(error: TillError) -> ApiError {
    use domain::tickets::order::StepError;
    match error {
        TillError::Step(error @ StepError::CancelNonPending) => {
            ApiError::bad_request("CANNOT_CANCEL_NON_PENDING", error.to_string())
        }
        TillError::Step(error @ StepError::RefundNonPaid) => {
            ApiError::bad_request("CANNOT_REFUND_NON_PAID", error.to_string())
        }
        TillError::NotFound => not_found(),
        TillError::Store(error) => error.into(),
        TillError::Stripe(StripeError::Invalid { message, .. } | StripeError::Declined { message, .. }) => {
            ApiError::bad_request("REFUND_REFUSED", format!("Stripe refused the refund: {message}"))
        }
        TillError::Stripe(StripeError::NotFound) => {
            ApiError::bad_request("REFUND_REFUSED", "Stripe does not know this payment")
        }
        TillError::Stripe(StripeError::Unavailable { message }) => {
            tracing::warn!(message, "Stripe unavailable");
            ApiError::unavailable()
        }
        TillError::Stripe(error) => ApiError::internal(error),
    }
}

/// Waits for the worker to send a ticket that was just queued. False when it failed, or takes longer than somebody at a desk
/// should wait: it is sent all the same.
async fn await_ticket(ctx: &Ctx, number: OrderNumber) -> bool {
    let looks = if ctx.settings().mail_from.is_some() { LOOKS } else { 0 };
    for _ in 0..looks {
        match ctx.store().load_mail(MailKey::Ticket { number }).await.map(|mail| mail.map(|mail| mail.status)) {
            Ok(Some(MailStatus::Sent)) => return true,
            Ok(Some(MailStatus::Pending | MailStatus::Processing)) => tokio::time::sleep(BETWEEN_LOOKS).await,
            Ok(_) => return false,
            Err(error) => {
                tracing::warn!(%number, %error, "whether the ticket is sent is not known");
                return false;
            }
        }
    }
    false
}

/// Sends the ticket of a paid order again, whatever became of it before.
#[utoipa::path(post, path = "/tickets/api/admin/orders/{id}/resend-email", tag = "tickets admin",
    security(("bearer" = [])), params(("id" = String, Path, description = "UUID or number of the order")),
    responses(
        (status = 200, description = "Sent, or queued when it could not be sent at once", body = EmailSent),
        (status = 400, description = "`NOT_PAID`", body = ErrorBody),
        (status = 401, description = "`NO_TOKEN`, `INVALID_TOKEN`", body = ErrorBody),
        (status = 403, description = "`FORBIDDEN`", body = ErrorBody),
        (status = 404, description = "`ORDER_NOT_FOUND`", body = ErrorBody),
        CommonErrors,
    ))]
pub(crate) async fn resend_email(
    State(ctx): State<Ctx>,
    staff: Staff,
    Id(id): Id<String>,
) -> Result<Json<EmailSent>, ApiError> {
    let order = own_order(&ctx, &staff, id).await?;
    let not_paid = || ApiError::bad_request("NOT_PAID", "Only paid orders have a ticket to send");
    if order.status != OrderStatus::Paid || !ctx.store().resend_ticket(&order, ctx.now()).await? {
        return Err(not_paid());
    }
    let audit = AuditEntry {
        new: Some(json!({"email": "resent"}).to_string()),
        ..staff.audit(uuid::Uuid::new_v4().to_string(), Action::Update, ("order", order.number.to_string()), ctx.now())
    };
    ctx.store().write_audit(&audit).await?;
    let sent = await_ticket(&ctx, order.number).await;
    Ok(EmailSent::new(if sent { "Email sent" } else { "Email queued" }, sent))
}
