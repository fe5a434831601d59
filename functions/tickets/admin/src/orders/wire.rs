//! What goes over the wire (contract §10).

use domain::{
    mail::Mail,
    tickets::{
        event::Event,
        order::{Order, OrderStatus},
    },
    time::iso,
};
use runtime::{ApiError, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::query::Page;
use crate::wire;

/// An order as staff see it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AdminOrder)]
pub(crate) struct OrderOut {
    id: String,
    order_number: String,
    event_id: String,
    event_name: String,
    /// `YYYY-MM-DD`.
    event_date: Option<String>,
    tier_id: String,
    tier_name: String,
    buyer_name: String,
    buyer_email: String,
    buyer_phone: Option<String>,
    buyer_country: Option<String>,
    quantity: u32,
    /// Major units.
    unit_price: f64,
    /// Major units.
    total_price: f64,
    currency: String,
    /// `pending`, `paid`, `cancelled` (also when its time to pay ran out) or `refunded`.
    status: &'static str,
    payment_method: Option<String>,
    /// Who took the money: `stripe`, `webhook`, `admin` or `free`.
    payment_provider: Option<&'static str>,
    payment_reference: Option<String>,
    /// Of the ticket: `pending`, `processing`, `sent` or `failed`; null before it is paid.
    email_status: Option<&'static str>,
    /// ISO 8601.
    email_sent_at: Option<String>,
    /// ISO 8601.
    paid_at: Option<String>,
    /// ISO 8601.
    checked_in_at: Option<String>,
    /// ISO 8601.
    created_at: String,
    #[serde(flatten)]
    snake: OrderSnake,
}

/// The same fields in the other spelling.
#[derive(Serialize, ToSchema)]
pub(crate) struct OrderSnake {
    order_number: String,
    event_id: String,
    event_name: String,
    event_date: Option<String>,
    tier_name: String,
    buyer_name: String,
    buyer_email: String,
    buyer_phone: Option<String>,
    buyer_country: Option<String>,
    unit_price: f64,
    total_price: f64,
    payment_method: Option<String>,
    payment_reference: Option<String>,
    email_status: Option<&'static str>,
    email_sent_at: Option<String>,
    created_at: String,
}

impl OrderOut {
    pub(crate) fn new(order: &Order, event: Option<&Event>, mail: Option<&Mail>) -> Self {
        let snake = OrderSnake {
            order_number: order.number.to_string(),
            event_id: order.event_id.to_string(),
            event_name: order.event_name.clone(),
            event_date: event.map(|event| event.date.to_string()),
            tier_name: order.tier_name.clone(),
            buyer_name: order.buyer.name.clone(),
            buyer_email: order.buyer.email.clone(),
            buyer_phone: order.buyer.phone.clone(),
            buyer_country: order.buyer.country.clone(),
            unit_price: order.unit_price.to_major(),
            total_price: order.total.to_major(),
            payment_method: order.payment_method.clone(),
            payment_reference: order.payment_ref.clone(),
            email_status: mail.map(|mail| mail.status.as_str()),
            email_sent_at: mail.and_then(|mail| mail.sent_at).map(iso),
            created_at: iso(order.created_at),
        };
        OrderOut {
            id: order.number.id().to_string(),
            order_number: snake.order_number.clone(),
            event_id: snake.event_id.clone(),
            event_name: snake.event_name.clone(),
            event_date: snake.event_date.clone(),
            tier_id: order.tier_id.to_string(),
            tier_name: snake.tier_name.clone(),
            buyer_name: snake.buyer_name.clone(),
            buyer_email: snake.buyer_email.clone(),
            buyer_phone: snake.buyer_phone.clone(),
            buyer_country: snake.buyer_country.clone(),
            quantity: order.quantity,
            unit_price: snake.unit_price,
            total_price: snake.total_price,
            currency: order.currency.to_string(),
            status: order.status.wire(),
            payment_method: snake.payment_method.clone(),
            payment_provider: order.provider.map(|provider| provider.as_str()),
            payment_reference: snake.payment_reference.clone(),
            email_status: snake.email_status,
            email_sent_at: snake.email_sent_at.clone(),
            paid_at: order.paid_at.map(iso),
            checked_in_at: order.checked_in_at.map(iso),
            created_at: snake.created_at.clone(),
            snake,
        }
    }
}

/// A page of orders.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AdminOrderList)]
pub(crate) struct OrderList {
    success: bool,
    orders: Vec<OrderOut>,
    /// Orders on this page.
    count: usize,
    /// Orders that match in all.
    total: usize,
    total_pages: usize,
    limit: usize,
    offset: usize,
}

impl OrderList {
    pub(crate) fn new(orders: Vec<OrderOut>, page: &Page, total: usize) -> Self {
        let Page { limit, offset } = *page;
        OrderList {
            success: true,
            count: orders.len(),
            orders,
            total,
            total_pages: total.div_ceil(limit),
            limit,
            offset,
        }
    }
}

/// One order.
#[derive(Serialize, ToSchema)]
#[schema(as = AdminShownOrder)]
pub(crate) struct ShownOrder {
    pub(crate) success: bool,
    pub(crate) order: OrderOut,
}

/// Done, and whether the ticket was sent with it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EmailSent {
    success: bool,
    message: &'static str,
    email_sent: bool,
}

impl EmailSent {
    pub(crate) fn new(message: &'static str, email_sent: bool) -> Json<Self> {
        Json(EmailSent { success: true, message, email_sent })
    }
}

/// What an order shall be. Every name may be spelled in snake case too.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatusIn {
    /// `paid`, `cancelled` or `refunded`.
    #[schema(required, example = "paid")]
    status: Option<String>,
    /// What the payment is known by, at most 200 characters.
    #[serde(default, deserialize_with = "wire::text::<0, 200, _>")]
    #[schema(max_length = 200)]
    pub(crate) payment_reference: Option<String>,
    /// With `paid`: false holds the ticket back. True when left out.
    #[serde(default, deserialize_with = "wire::flag")]
    send_email: Option<bool>,
}

/// What staff may make of an order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Step {
    Paid,
    Cancelled,
    Refunded,
}

impl Step {
    pub(crate) fn status(self) -> OrderStatus {
        match self {
            Step::Paid => OrderStatus::Paid,
            Step::Cancelled => OrderStatus::Cancelled,
            Step::Refunded => OrderStatus::Refunded,
        }
    }

    pub(crate) fn message(self) -> &'static str {
        match self {
            Step::Paid => "Order marked as paid",
            Step::Cancelled => "Order cancelled",
            Step::Refunded => "Order refunded",
        }
    }
}

impl StatusIn {
    /// 400 for what is no status, and for the one that no order can be brought to.
    pub(crate) fn step(&self) -> Result<Step, ApiError> {
        match self.status.as_deref().unwrap_or_default() {
            "paid" => Ok(Step::Paid),
            "cancelled" => Ok(Step::Cancelled),
            "refunded" => Ok(Step::Refunded),
            "pending" => Err(ApiError::bad_request("VALIDATION_ERROR", "Invalid status transition")),
            _ => Err(ApiError::bad_request("VALIDATION_ERROR", "Invalid status")
                .with("validStatuses", vec!["pending", "paid", "cancelled", "refunded"])),
        }
    }

    pub(crate) fn wants_email(&self) -> bool {
        self.send_email.unwrap_or(true)
    }
}
