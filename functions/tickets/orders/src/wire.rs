//! What goes over the wire (contract §5).

use domain::{
    tickets::{event::Event, order::Order},
    time::iso,
};
use garde::Validate;
use runtime::{ApiError, validate};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A new order as the client sends it.
#[derive(Debug, Deserialize, Serialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderIn {
    /// UUID of the event. Required.
    #[garde(skip)]
    pub(crate) event_id: Option<String>,
    /// UUID of the tier. Required.
    #[garde(skip)]
    pub(crate) tier_id: Option<String>,
    /// Required.
    #[garde(inner(length(chars, max = 200)))]
    pub(crate) buyer_name: Option<String>,
    /// Of the shape `x@y.z`. Required.
    #[garde(inner(length(max = 254)))]
    pub(crate) buyer_email: Option<String>,
    #[garde(inner(length(chars, max = 40)))]
    pub(crate) buyer_phone: Option<String>,
    #[garde(inner(length(chars, max = 80)))]
    pub(crate) buyer_country: Option<String>,
    #[garde(inner(length(chars, max = 80)))]
    pub(crate) buyer_nationality: Option<String>,
    /// Tickets; absent or 0 means 1.
    #[garde(inner(range(min = 0, max = 1000)))]
    #[serde(default, deserialize_with = "whole_number")]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 1000)]
    pub(crate) quantity: Option<i64>,
    #[garde(inner(length(chars, max = 40)))]
    pub(crate) payment_method: Option<String>,
    #[garde(inner(length(chars, max = 80)))]
    pub(crate) referral_source: Option<String>,
}

/// Forms send numbers as text, and JSON clients now and then do too; a fraction is refused by name.
fn whole_number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    use serde::de::Error;
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Number {
        Whole(i64),
        Fraction(f64),
        Text(String),
    }
    let not_whole = || D::Error::custom("quantity: must be a whole number");
    match Option::<Number>::deserialize(deserializer).map_err(|_| not_whole())? {
        None => Ok(None),
        Some(Number::Whole(number)) => Ok(Some(number)),
        Some(Number::Fraction(number)) if number.fract() == 0.0 && number.abs() < 1e9 => Ok(Some(number as i64)),
        Some(Number::Fraction(_)) => Err(not_whole()),
        Some(Number::Text(text)) => text.trim().parse().map(Some).map_err(|_| not_whole()),
    }
}

impl OrderIn {
    /// 400 unless everything required is there and the address can be one.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
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
}

/// An order as clients see it. Event date, time and place are as they are now, and absent right after purchase.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct OrderOut {
    pub id: String,
    pub order_number: String,
    pub event_id: String,
    pub event_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_location: Option<String>,
    pub tier_id: String,
    pub tier_name: String,
    pub buyer_name: String,
    pub buyer_email: String,
    pub buyer_phone: Option<String>,
    pub buyer_country: Option<String>,
    pub quantity: u32,
    /// Major units.
    pub unit_price: f64,
    /// Major units.
    pub total_price: f64,
    pub currency: String,
    /// `pending`, `paid`, `cancelled` or `refunded`.
    pub status: String,
    pub payment_method: Option<String>,
    pub created_at: String,
    /// Until when an unpaid order keeps its tickets; absent once it is settled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

impl OrderOut {
    pub(crate) fn new(order: &Order, event: Option<&Event>) -> Self {
        let pending = order.status == domain::tickets::order::OrderStatus::Pending;
        OrderOut {
            id: order.number.id().to_string(),
            order_number: order.number.to_string(),
            event_id: order.event_id.to_string(),
            event_name: order.event_name.clone(),
            event_date: event.map(|event| event.date.to_string()),
            event_time: event.map(|event| event.time.strftime("%H:%M:%S").to_string()),
            event_location: event.map(|event| event.location.clone()),
            tier_id: order.tier_id.to_string(),
            tier_name: order.tier_name.clone(),
            buyer_name: order.buyer.name.clone(),
            buyer_email: order.buyer.email.clone(),
            buyer_phone: order.buyer.phone.clone(),
            buyer_country: order.buyer.country.clone(),
            quantity: order.quantity,
            unit_price: order.unit_price.to_major(),
            total_price: order.total.to_major(),
            currency: order.currency.to_string(),
            status: order.status.wire().to_owned(),
            payment_method: order.payment_method.clone(),
            created_at: iso(order.created_at),
            expires_at: pending.then(|| iso(order.expires_at)),
        }
    }
}

/// The answer to a new order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct PlacedOrder {
    pub success: bool,
    pub order: OrderOut,
    /// The ticket's secret, 32 upper-case hex characters: here, and nowhere else.
    pub qr_code: String,
    /// Where to pay; absent when there is nothing to pay or payments are not configured.
    pub payment_url: Option<String>,
    pub message: String,
}

/// The answer to a look-up.
#[derive(Debug, Serialize, ToSchema)]
#[allow(missing_docs)]
pub struct ShownOrder {
    pub success: bool,
    pub order: OrderOut,
}
