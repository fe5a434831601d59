//! Where a new order is paid: a Stripe Checkout session, unless the tier has a payment page of its own.
//!
//! The session is opened before the order is written and named in it, so that one write makes the order whole, and an
//! order without its session cannot be. A session whose order was refused is closed; nobody was told its address.

use domain::tickets::{
    event::{Event, Tier},
    order::{Order, OrderStatus},
    secret::TicketSecret,
};
use http::StatusCode;
use payments::{Checkout, CheckoutSession, StripeError};
use runtime::{ApiError, Ctx};

use crate::place::in_flight;

/// The secret of an order's ticket.
pub(crate) fn secret_of(ctx: &Ctx, order: &Order) -> Result<TicketSecret, ApiError> {
    let secret = ctx.ticket_secret(&order.key_id, order.number, order.revision);
    secret.ok_or_else(|| ApiError::internal("the key of a ticket's secret is not configured"))
}

/// Opens the session in which `order` is to be paid, when one is needed.
pub(crate) async fn open(
    ctx: &Ctx,
    order: &Order,
    event: &Event,
    tier: &Tier,
) -> Result<Option<CheckoutSession>, ApiError> {
    let Some(stripe) = ctx.stripe().filter(|_| order.status == OrderStatus::Pending && tier.payment_link.is_none())
    else {
        return Ok(None);
    };
    let back = &ctx.settings().storefront_url;
    let checkout = Checkout {
        order_number: order.number.to_string(),
        org: order.org.to_string(),
        item: format!("{} – {}", event.name, tier.name),
        description: Some(format!("{} {}", event.date, event.location)),
        unit_amount: order.unit_price,
        quantity: order.quantity,
        currency: order.currency,
        customer_email: order.buyer.email.clone(),
        success_url: format!("{back}/orders/{}?paid=1", order.number),
        cancel_url: format!("{back}/orders/{}", order.number),
        placed_at: order.created_at.as_second(),
        expires_at: order.expires_at.as_second(),
    };
    match stripe.open_checkout(&checkout).await {
        Ok(session) => Ok(Some(session)),
        // The same idempotency key is at work, with another second on its clock.
        Err(StripeError::KeyReused) => Err(in_flight()),
        // Below half a unit of most currencies no card can be charged.
        Err(StripeError::Invalid { code: Some(code), .. }) if code.starts_with("amount_too_") => {
            Err(ApiError::invalid("quantity", "the total cannot be paid by card"))
        }
        Err(error) => Err(unavailable(error)),
    }
}

/// Closes a session whose order was not written. A failure is no harm: nobody knows its address.
pub(crate) async fn abandon(ctx: &Ctx, session: Option<CheckoutSession>) {
    if let (Some(stripe), Some(session)) = (ctx.stripe(), session)
        && let Err(error) = stripe.expire_checkout(&session.id).await
    {
        tracing::warn!(%error, session = session.id, "checkout session not closed");
    }
}

/// Where an order placed before is to be paid, while it still waits for that.
pub(crate) async fn url_of(ctx: &Ctx, order: &Order) -> Result<Option<String>, ApiError> {
    match (ctx.stripe(), &order.checkout) {
        (Some(stripe), Some(session)) => Ok(stripe.retrieve_checkout(session).await.map_err(unavailable)?.url),
        _ => {
            let event = ctx.store().load_event(order.event_id).await?;
            Ok(event.and_then(|event| event.tier(order.tier_id)?.payment_link.clone()))
        }
    }
}

fn unavailable(error: StripeError) -> ApiError {
    tracing::error!(%error, "no checkout session");
    ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "PAYMENT_UNAVAILABLE",
        "Payments are not available at the moment, please try again",
    )
}
