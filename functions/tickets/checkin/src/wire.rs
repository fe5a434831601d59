//! What goes over the wire (contract §7, D4, D5).

use domain::{
    tickets::{event::Event, order::Order},
    time::iso,
};
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A scan. One of the three names is enough; each may carry the secret, the order number, or the QR code's whole JSON.
#[derive(Debug, Deserialize, Serialize, Validate, ToSchema)]
pub(crate) struct ScanIn {
    #[garde(inner(length(max = 2000)))]
    #[serde(alias = "qrCode")]
    pub(crate) qr_code: Option<String>,
    #[garde(inner(length(max = 2000)))]
    #[serde(alias = "orderId")]
    pub(crate) order_id: Option<String>,
    #[garde(inner(length(max = 2000)))]
    #[serde(alias = "orderNumber")]
    pub(crate) order_number: Option<String>,
}

impl ScanIn {
    /// What was presented, if anything.
    pub(crate) fn presented(&self) -> Option<&str> {
        let given = |text: &&String| !text.trim().is_empty();
        let first = self.qr_code.as_ref().filter(given).or(self.order_id.as_ref().filter(given));
        first.or(self.order_number.as_ref().filter(given)).map(String::as_str)
    }
}

/// How many check-ins to list.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListIn {
    /// 1 to 100, 10 when absent.
    #[garde(inner(range(min = 1, max = 100)))]
    #[param(minimum = 1, maximum = 100)]
    pub(crate) limit: Option<usize>,
}

/// The ticket of an entry.
#[derive(Debug, Serialize, ToSchema)]
#[allow(missing_docs)]
pub struct TicketOut {
    /// The order number.
    pub id: String,
    pub name: String,
    pub tier: String,
    pub event: String,
    /// People this one scan lets in.
    pub quantity: u32,
}

/// The answer to a scan that lets in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct Admission {
    pub success: bool,
    pub message: String,
    pub ticket: TicketOut,
    pub checked_in_at: String,
}

/// An order as the gate's client reads it: every spelling that it tries.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct VerifiedOrder {
    pub id: String,
    pub order_number: String,
    #[serde(rename = "order_number")]
    pub order_number_snake: String,
    pub buyer_name: String,
    #[serde(rename = "buyer_name")]
    pub buyer_name_snake: String,
    pub buyer_email: String,
    #[serde(rename = "buyer_email")]
    pub buyer_email_snake: String,
    pub quantity: u32,
    pub event: String,
    pub event_name: String,
    #[serde(rename = "event_name")]
    pub event_name_snake: String,
    pub event_date: Option<String>,
    pub tier: String,
    pub tier_name: String,
    #[serde(rename = "tier_name")]
    pub tier_name_snake: String,
    pub status: String,
    pub checked_in: bool,
    #[serde(rename = "checked_in")]
    pub checked_in_snake: bool,
    pub checked_in_at: Option<String>,
    #[serde(rename = "checked_in_at")]
    pub checked_in_at_snake: Option<String>,
}

impl VerifiedOrder {
    pub(crate) fn new(order: &Order, event: Option<&Event>) -> Self {
        let number = order.number.to_string();
        let at = order.checked_in_at.map(iso);
        VerifiedOrder {
            id: order.number.id().to_string(),
            order_number: number.clone(),
            order_number_snake: number,
            buyer_name: order.buyer.name.clone(),
            buyer_name_snake: order.buyer.name.clone(),
            buyer_email: order.buyer.email.clone(),
            buyer_email_snake: order.buyer.email.clone(),
            quantity: order.quantity,
            event: order.event_name.clone(),
            event_name: order.event_name.clone(),
            event_name_snake: order.event_name.clone(),
            event_date: event.map(|event| event.date.to_string()),
            tier: order.tier_name.clone(),
            tier_name: order.tier_name.clone(),
            tier_name_snake: order.tier_name.clone(),
            status: order.status.wire().to_owned(),
            checked_in: at.is_some(),
            checked_in_snake: at.is_some(),
            checked_in_at: at.clone(),
            checked_in_at_snake: at,
        }
    }
}

/// The answer to a look-up; `order` and `ticket` are the same (D5).
#[derive(Debug, Serialize, ToSchema)]
#[allow(missing_docs)]
pub struct Verification {
    pub success: bool,
    pub order: VerifiedOrder,
    pub ticket: VerifiedOrder,
}

/// One entry.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct CheckInOut {
    pub id: String,
    pub order_number: String,
    pub buyer_name: String,
    pub buyer_email: String,
    pub quantity: u32,
    pub event_name: String,
    pub tier_name: String,
    pub checked_in_at: String,
}

impl CheckInOut {
    /// Nothing for an order that nobody came with.
    pub(crate) fn new(order: &Order) -> Option<Self> {
        Some(CheckInOut {
            id: order.number.id().to_string(),
            order_number: order.number.to_string(),
            buyer_name: order.buyer.name.clone(),
            buyer_email: order.buyer.email.clone(),
            quantity: order.quantity,
            event_name: order.event_name.clone(),
            tier_name: order.tier_name.clone(),
            checked_in_at: iso(order.checked_in_at?),
        })
    }
}

/// The latest entries.
#[derive(Debug, Serialize, ToSchema)]
#[allow(missing_docs)]
pub struct CheckInList {
    pub success: bool,
    pub checkins: Vec<CheckInOut>,
}
