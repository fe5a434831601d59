//! Orders that staff make to try things out: paid at once, with everything that a paid order has.

use axum::extract::State;
use domain::{
    audit::{Action, AuditEntry},
    ids::{EventId, TierId},
    mail::MailPolicy,
    tickets::{
        event::{Event, EventStatus, Tier},
        number::OrderNumber,
        order::{Buyer, NewOrder, Order, OrderStatus, Origin},
        payment::Provider,
    },
};
use http::StatusCode;
use jiff::Timestamp;
use runtime::{
    ApiError, Ctx, IdempotencyKey, Json, Staff,
    extract::fingerprint,
    openapi::{CommonErrors, ErrorBody},
    validate,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use store::PlaceError;
use utoipa::ToSchema;

use super::await_ticket;
use crate::wire::{Spelled, filled, flag, text, whole};

/// A test order. Every name may be spelled in snake case too.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TestOrderIn {
    /// UUID of the event, in whatever state but deleted.
    #[schema(required)]
    event_id: Option<String>,
    /// UUID of one of its tiers, on sale or not.
    #[schema(required)]
    tier_id: Option<String>,
    #[serde(default, deserialize_with = "text::<0, 200, _>")]
    #[schema(required, max_length = 200)]
    buyer_name: Option<String>,
    /// Of the shape `x@y.z`: the ticket goes there.
    #[schema(required)]
    buyer_email: Option<String>,
    #[serde(default, deserialize_with = "text::<0, 40, _>")]
    #[schema(max_length = 40)]
    buyer_phone: Option<String>,
    /// Tickets; absent or 0 means 1.
    #[serde(default, deserialize_with = "whole::<0, 1000, _>")]
    #[schema(value_type = Option<u32>, maximum = 1000)]
    quantity: Option<u32>,
    /// False holds the ticket back. True when left out.
    #[serde(default, deserialize_with = "flag")]
    send_email: Option<bool>,
}

/// The answer to a test order.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TestOrderPlaced {
    success: bool,
    message: &'static str,
    order: TestOrderOut,
    email_sent: bool,
}

/// A test order.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TestOrderOut {
    id: String,
    /// `TEST-YYMMDD-XXXXXX`.
    order_number: String,
    event_name: String,
    tier_name: String,
    buyer_name: String,
    buyer_email: String,
    quantity: u32,
    /// Major units.
    total_price: f64,
    status: &'static str,
    /// The ticket's secret, 32 upper-case hex characters: here, and nowhere else.
    qr_code: String,
}

impl TestOrderIn {
    /// 400 unless everything required is there and the address can be one.
    fn check(&self) -> Result<(), ApiError> {
        validate::require(&[
            ("eventId", validate::present(&self.event_id)),
            ("tierId", validate::present(&self.tier_id)),
            ("buyerName", validate::present(&self.buyer_name)),
            ("buyerEmail", validate::present(&self.buyer_email)),
        ])?;
        if !validate::is_email(self.buyer_email.as_deref().unwrap_or_default().trim()) {
            return Err(ApiError::invalid("buyerEmail", "must be an e-mail address"));
        }
        Ok(())
    }

    fn order(&self, ctx: &Ctx, staff: &Staff, key: &IdempotencyKey, event: &Event, tier: &Tier) -> Order {
        let now = ctx.now();
        let order = Order::new(NewOrder {
            number: number(staff, key, now),
            event,
            tier,
            quantity: self.quantity.unwrap_or(1).max(1),
            buyer: Buyer {
                name: filled(self.buyer_name.clone()).unwrap_or_default(),
                email: filled(self.buyer_email.clone()).unwrap_or_default(),
                phone: filled(self.buyer_phone.clone()),
                country: None,
                nationality: None,
            },
            payment_method: None,
            origin: Origin { ip: staff.client.ip.clone(), user_agent: staff.client.user_agent.clone(), referral: None },
            fingerprint: key.0.as_ref().map(|_| fingerprint(self)),
            key_id: ctx.settings().qr_keys.current().to_owned(),
            now,
        });
        let (provider, by) = (Some(Provider::Admin), Some(staff.user));
        Order { status: OrderStatus::Paid, paid_at: Some(now), provider, confirmed_by: by, ..order }
    }
}

/// A random number, or the one that an idempotency key stands for: the same key, the same order.
fn number(staff: &Staff, key: &IdempotencyKey, now: Timestamp) -> OrderNumber {
    let random = match key.hash() {
        None => rand::random(),
        Some(key) => {
            let hash = Sha256::digest(format!("test order\0{}\0{key}", staff.org));
            hash.iter().take(8).fold(0u64, |n, byte| n << 8 | u64::from(*byte))
        }
    };
    OrderNumber::new_test(now, random)
}

fn tier_not_found() -> ApiError {
    ApiError::not_found("TIER_NOT_FOUND", "Ticket tier not found")
}

/// Makes an order that is paid at once, without money. It takes stock and counts as any other; so that an event can be
/// tried out before it is on sale, neither its state nor the tier's sale window matters.
#[utoipa::path(post, path = "/tickets/api/admin/orders/test", tag = "tickets admin", security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable characters")),
    request_body = TestOrderIn,
    responses(
        (status = 201, description = "Made", body = TestOrderPlaced),
        (status = 400, description = "`MISSING_REQUIRED_FIELDS`, `VALIDATION_ERROR`, `SOLD_OUT`", body = ErrorBody),
        (status = 401, description = "`NO_TOKEN`, `INVALID_TOKEN`", body = ErrorBody),
        (status = 403, description = "`FORBIDDEN`", body = ErrorBody),
        (status = 404, description = "`TIER_NOT_FOUND`", body = ErrorBody),
        (status = 413, description = "`PAYLOAD_TOO_LARGE`", body = ErrorBody),
        (status = 422, description = "`IDEMPOTENCY_KEY_REUSED`", body = ErrorBody),
        CommonErrors,
    ))]
pub(crate) async fn create_test_order(
    State(ctx): State<Ctx>,
    staff: Staff,
    key: IdempotencyKey,
    Json(Spelled(input)): Json<Spelled<TestOrderIn>>,
) -> Result<(StatusCode, Json<TestOrderPlaced>), ApiError> {
    input.check()?;
    let event: EventId = parse(&input.event_id)?;
    let tier: TierId = parse(&input.tier_id)?;
    let offer = ctx.store().load_offer(event, tier, &[]).await?;
    let own = |event: &Event| event.org == staff.org && event.status != EventStatus::Deleted;
    let event = offer.event.filter(own).ok_or_else(tier_not_found)?;
    let tier = event.tier(tier).ok_or_else(tier_not_found)?;
    let order = input.order(&ctx, &staff, &key, &event, tier);
    let secret = secret_of(&ctx, &order)?;
    let mail = if input.send_email.unwrap_or(true) { MailPolicy::Send } else { MailPolicy::Hold };
    let (start, fingerprint) = (rand::random_range(0..offer.stripes.len()), order.fingerprint.clone());
    match ctx.store().place_order(order, &secret.hash(), offer.stripes, start, mail).await {
        Ok(order) => answer(&ctx, &staff, order, mail).await,
        Err(PlaceError::Exists(order)) if order.fingerprint != fingerprint => Err(reused()),
        Err(PlaceError::Exists(order)) if fingerprint.is_some() => answer(&ctx, &staff, *order, mail).await,
        Err(PlaceError::Exists(_)) => Err(ApiError::unavailable()),
        Err(PlaceError::SoldOut(_)) => Err(ApiError::bad_request("SOLD_OUT", "Not enough tickets available")),
        Err(PlaceError::Store(error)) => Err(error.into()),
    }
}

fn parse<T: std::str::FromStr>(id: &Option<String>) -> Result<T, ApiError> {
    id.as_deref().unwrap_or_default().trim().parse().map_err(|_| tier_not_found())
}

fn secret_of(ctx: &Ctx, order: &Order) -> Result<domain::tickets::secret::TicketSecret, ApiError> {
    ctx.ticket_secret(&order.key_id, order.number, order.revision)
        .ok_or_else(|| ApiError::internal("the key of the ticket's secret is not configured"))
}

fn reused() -> ApiError {
    let text = "This Idempotency-Key was used for another request";
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "IDEMPOTENCY_KEY_REUSED", text)
}

/// Logs the order, under its own number so that a repeat logs the same entry, and sends its ticket.
async fn answer(
    ctx: &Ctx,
    staff: &Staff,
    order: Order,
    mail: MailPolicy,
) -> Result<(StatusCode, Json<TestOrderPlaced>), ApiError> {
    let number = order.number.to_string();
    let new = json!({"test": true, "quantity": order.quantity, "totalPrice": order.total.to_major()}).to_string();
    let entry = staff.audit(format!("create-{number}"), Action::Create, ("order", number.clone()), order.created_at);
    ctx.store().write_audit(&AuditEntry { new: Some(new), ..entry }).await?;
    let email_sent = mail == MailPolicy::Send && await_ticket(ctx, order.number).await;
    let shown = TestOrderOut {
        id: order.number.id().to_string(),
        order_number: number,
        qr_code: secret_of(ctx, &order)?.reveal().to_owned(),
        event_name: order.event_name,
        tier_name: order.tier_name,
        buyer_name: order.buyer.name,
        buyer_email: order.buyer.email,
        quantity: order.quantity,
        total_price: order.total.to_major(),
        status: order.status.wire(),
    };
    let message = "Test order created successfully";
    Ok((StatusCode::CREATED, Json(TestOrderPlaced { success: true, message, order: shown, email_sent })))
}
