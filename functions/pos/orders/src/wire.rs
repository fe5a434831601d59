//! What goes over the wire (contract §8). Amounts are whole cents; what can be absent is sent as null.

use std::str::FromStr;

use domain::{
    ids::{CatalogProductId, CategoryId, OrgId, ProductId},
    money::Cents,
    pos::{
        customer::normal_email,
        order::{Edit, FullOrder, Line, Method, Order, Payment, Status},
    },
    time::iso,
};
use garde::Validate;
use runtime::{ApiError, validate};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Text of all lines together at most, in bytes: they are one item of the database, which may have 400 KB.
const MOST_TEXT: usize = 256 * 1024;

/// How an order will be paid.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum OrderMethod {
    Card,
    Cash,
    TapToPay,
    Split,
}

impl From<OrderMethod> for Method {
    fn from(method: OrderMethod) -> Self {
        match method {
            OrderMethod::Card => Self::Card,
            OrderMethod::Cash => Self::Cash,
            OrderMethod::TapToPay => Self::TapToPay,
            OrderMethod::Split => Self::Split,
        }
    }
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum OrderStatus {
    Pending,
    Processing,
    Completed,
    Failed,
    Refunded,
    Held,
}

impl From<OrderStatus> for Status {
    fn from(status: OrderStatus) -> Self {
        match status {
            OrderStatus::Pending => Self::Pending,
            OrderStatus::Processing => Self::Processing,
            OrderStatus::Completed => Self::Completed,
            OrderStatus::Failed => Self::Failed,
            OrderStatus::Refunded => Self::Refunded,
            OrderStatus::Held => Self::Held,
        }
    }
}

/// A new order as the client sends it.
#[derive(Debug, Deserialize, Serialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderIn {
    /// The catalog it is sold from.
    #[garde(skip)]
    #[schema(format = Uuid)]
    pub(crate) catalog_id: Option<String>,
    /// What is sold; a quick charge has none.
    #[garde(length(max = 200), dive)]
    #[schema(max_items = 200)]
    pub(crate) items: Option<Vec<LineIn>>,
    #[garde(range(min = 0, max = 1_000_000_000))]
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub(crate) subtotal: i64,
    #[garde(inner(range(min = 0, max = 1_000_000_000)))]
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub(crate) tax_amount: Option<i64>,
    #[garde(inner(range(min = 0, max = 1_000_000_000)))]
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub(crate) tip_amount: Option<i64>,
    /// Subtotal plus tax plus tip.
    #[garde(range(min = 0, max = 1_000_000_000))]
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub(crate) total_amount: i64,
    /// `tap_to_pay` where nothing is said.
    #[garde(skip)]
    pub(crate) payment_method: Option<OrderMethod>,
    /// Where the receipt goes; an empty text is none.
    #[garde(inner(length(max = 254)))]
    pub(crate) customer_email: Option<String>,
    /// A card payment of the organization's own account, `pi_…`.
    #[garde(inner(length(max = 255)))]
    pub(crate) stripe_payment_intent_id: Option<String>,
    /// An amount without items.
    #[garde(skip)]
    pub(crate) is_quick_charge: Option<bool>,
    /// What the amount is for.
    #[garde(inner(length(chars, max = 1000)))]
    pub(crate) description: Option<String>,
    /// The phone it is sold with.
    #[garde(inner(length(chars, max = 200)))]
    pub(crate) device_id: Option<String>,
    #[garde(inner(length(chars, max = 1000)))]
    pub(crate) notes: Option<String>,
    #[garde(inner(length(chars, max = 100)))]
    pub(crate) hold_name: Option<String>,
}

/// One line of a new order.
#[derive(Debug, Deserialize, Serialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LineIn {
    #[garde(skip)]
    #[schema(format = Uuid)]
    pub(crate) product_id: Option<String>,
    #[garde(skip)]
    #[schema(format = Uuid)]
    pub(crate) catalog_product_id: Option<String>,
    #[garde(skip)]
    #[schema(format = Uuid)]
    pub(crate) category_id: Option<String>,
    #[garde(length(chars, min = 1, max = 200))]
    pub(crate) name: String,
    #[garde(range(min = 1, max = 100_000))]
    #[schema(minimum = 1, maximum = 100_000)]
    pub(crate) quantity: u32,
    #[garde(range(min = 0, max = 1_000_000_000))]
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub(crate) unit_price: i64,
    #[garde(inner(length(chars, max = 500)))]
    pub(crate) notes: Option<String>,
}

impl OrderIn {
    /// The lines of the order, as they will be kept.
    pub(crate) fn lines(&self) -> Result<Vec<Line>, ApiError> {
        let lines = self.items.iter().flatten().enumerate().map(|(i, line)| line.read(i));
        let lines = lines.collect::<Result<Vec<Line>, ApiError>>()?;
        let text = |line: &Line| line.name.len() + line.notes.as_deref().map_or(0, str::len);
        if lines.iter().map(text).sum::<usize>() > MOST_TEXT {
            return Err(ApiError::invalid("items", "names and notes may have 256 KB together"));
        }
        Ok(lines)
    }
}

impl LineIn {
    fn read(&self, i: usize) -> Result<Line, ApiError> {
        let field = |name: &str| format!("items[{i}].{name}");
        Ok(Line {
            id: Uuid::new_v4(),
            product: id::<ProductId>(field("productId"), &self.product_id)?,
            catalog_product: id::<CatalogProductId>(field("catalogProductId"), &self.catalog_product_id)?,
            category: id::<CategoryId>(field("categoryId"), &self.category_id)?,
            name: self.name.clone(),
            quantity: self.quantity,
            unit_price: Cents(self.unit_price),
            notes: filled(&self.notes),
        })
    }
}

/// What changes about an order while it is put aside. What is absent is unchanged.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EditIn {
    #[garde(inner(length(chars, max = 100)))]
    pub(crate) hold_name: Option<String>,
    #[garde(inner(range(min = 0, max = 1_000_000_000)))]
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub(crate) subtotal: Option<i64>,
    #[garde(inner(range(min = 0, max = 1_000_000_000)))]
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub(crate) tax_amount: Option<i64>,
    #[garde(inner(range(min = 0, max = 1_000_000_000)))]
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub(crate) tip_amount: Option<i64>,
    /// Subtotal plus tax plus tip, and that where it is absent.
    #[garde(inner(range(min = 0, max = 1_000_000_000)))]
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub(crate) total_amount: Option<i64>,
    #[garde(skip)]
    pub(crate) payment_method: Option<OrderMethod>,
    /// An empty text takes it away.
    #[garde(inner(length(max = 254)))]
    pub(crate) customer_email: Option<String>,
    /// Null, or an empty text, takes them away.
    #[garde(inner(inner(length(chars, max = 1000))))]
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub(crate) notes: Option<Option<String>>,
}

/// What changes about an order. What is absent is unchanged.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UpdateIn {
    #[garde(inner(length(chars, max = 100)))]
    pub(crate) hold_name: Option<String>,
    #[garde(inner(range(min = 0, max = 1_000_000_000)))]
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub(crate) subtotal: Option<i64>,
    #[garde(inner(range(min = 0, max = 1_000_000_000)))]
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub(crate) tax_amount: Option<i64>,
    #[garde(inner(range(min = 0, max = 1_000_000_000)))]
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub(crate) tip_amount: Option<i64>,
    /// Subtotal plus tax plus tip, and that where it is absent.
    #[garde(inner(range(min = 0, max = 1_000_000_000)))]
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub(crate) total_amount: Option<i64>,
    #[garde(skip)]
    pub(crate) payment_method: Option<OrderMethod>,
    /// An empty text takes it away.
    #[garde(inner(length(max = 254)))]
    pub(crate) customer_email: Option<String>,
    /// Null, or an empty text, takes them away.
    #[garde(inner(inner(length(chars, max = 1000))))]
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub(crate) notes: Option<Option<String>>,
    /// `held`, `pending` or `failed`; payments and refunds make the others.
    #[garde(skip)]
    pub(crate) status: Option<OrderStatus>,
    /// Links a card payment, `pi_…`.
    #[garde(inner(length(max = 255)))]
    pub(crate) stripe_payment_intent_id: Option<String>,
}

impl From<UpdateIn> for EditIn {
    fn from(input: UpdateIn) -> Self {
        EditIn {
            hold_name: input.hold_name,
            subtotal: input.subtotal,
            tax_amount: input.tax_amount,
            tip_amount: input.tip_amount,
            total_amount: input.total_amount,
            payment_method: input.payment_method,
            customer_email: input.customer_email,
            notes: input.notes,
        }
    }
}

impl EditIn {
    /// The same for `domain`.
    pub(crate) fn read(self) -> Result<Edit, ApiError> {
        let customer_email = match &self.customer_email {
            Some(text) => Some(email("customerEmail", text)?),
            None => None,
        };
        Ok(Edit {
            subtotal: self.subtotal.map(Cents),
            tax: self.tax_amount.map(Cents),
            tip: self.tip_amount.map(Cents),
            total: self.total_amount.map(Cents),
            method: self.payment_method.map(Method::from),
            hold_name: filled(&self.hold_name),
            notes: self.notes.map(|notes| filled(&notes)),
            customer_email,
        })
    }
}

/// Tells null, which takes something away, from absence.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// A text without white space around it; an empty one is none.
pub(crate) fn filled(text: &Option<String>) -> Option<String> {
    text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// An id; an empty text is none, as the app has it in some places.
pub(crate) fn id<T: FromStr>(field: impl Into<String>, text: &Option<String>) -> Result<Option<T>, ApiError> {
    let parse = |text: &str| text.parse().map_err(|_| ApiError::invalid(field, "must be a UUID"));
    text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(parse).transpose()
}

/// An address as customers are known by; an empty text is none.
pub(crate) fn email(field: &str, text: &str) -> Result<Option<String>, ApiError> {
    match normal_email(text) {
        Some(email) if !validate::is_email(&email) => Err(ApiError::invalid(field, "must be an e-mail address")),
        email => Ok(email),
    }
}

/// An order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct OrderOut {
    pub id: Uuid,
    #[schema(value_type = Uuid)]
    pub organization_id: OrgId,
    /// `ORD-20260301-0042`.
    pub order_number: String,
    /// `pending`, `processing`, `completed`, `failed`, `refunded` or `held`.
    pub status: &'static str,
    /// `card`, `cash`, `tap_to_pay` or `split`.
    pub payment_method: Option<&'static str>,
    /// Cents.
    pub subtotal: i64,
    /// Cents.
    pub tax_amount: i64,
    /// Cents.
    pub tip_amount: i64,
    /// Cents.
    pub total_amount: i64,
    pub stripe_payment_intent_id: Option<String>,
    pub customer_email: Option<String>,
    pub customer_id: Option<Uuid>,
    pub catalog_id: Option<Uuid>,
    pub user_id: Option<Uuid>,
    pub device_id: Option<String>,
    pub notes: Option<String>,
    pub hold_name: Option<String>,
    pub held_at: Option<String>,
    pub held_by: Option<Uuid>,
    pub is_quick_charge: bool,
    pub description: Option<String>,
    pub item_count: u32,
    /// Absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub items: Option<Vec<LineOut>>,
    pub created_at: String,
    pub updated_at: String,
}

/// A line of an order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct LineOut {
    pub id: Uuid,
    pub product_id: Option<Uuid>,
    pub catalog_product_id: Option<Uuid>,
    pub category_id: Option<Uuid>,
    pub name: String,
    pub quantity: u32,
    /// Cents.
    pub unit_price: i64,
    pub notes: Option<String>,
}

impl From<&Line> for LineOut {
    fn from(line: &Line) -> Self {
        LineOut {
            id: line.id,
            product_id: line.product.map(|id| id.0),
            catalog_product_id: line.catalog_product.map(|id| id.0),
            category_id: line.category.map(|id| id.0),
            name: line.name.clone(),
            quantity: line.quantity,
            unit_price: line.unit_price.0,
            notes: line.notes.clone(),
        }
    }
}

impl From<&Order> for OrderOut {
    fn from(order: &Order) -> Self {
        OrderOut {
            id: order.id.0,
            organization_id: order.org,
            order_number: order.id.number(),
            status: order.status.as_str(),
            payment_method: order.method.map(Method::as_str),
            subtotal: order.subtotal.0,
            tax_amount: order.tax.0,
            tip_amount: order.tip.0,
            total_amount: order.total.0,
            stripe_payment_intent_id: order.intent.clone(),
            customer_email: order.customer_email.clone(),
            customer_id: order.customer.map(|id| id.0),
            catalog_id: order.catalog.map(|id| id.0),
            user_id: Some(order.user.0),
            device_id: order.device.clone(),
            notes: order.notes.clone(),
            hold_name: order.hold_name.clone(),
            held_at: order.held_at.map(iso),
            held_by: order.held_by.map(|id| id.0),
            is_quick_charge: order.quick_charge,
            description: order.description.clone(),
            item_count: order.item_count,
            items: None,
            created_at: iso(order.created_at),
            updated_at: iso(order.updated_at),
        }
    }
}

impl From<&FullOrder> for OrderOut {
    fn from(full: &FullOrder) -> Self {
        let items = full.lines.iter().map(LineOut::from).collect();
        OrderOut { items: Some(items), ..OrderOut::from(&full.order) }
    }
}

/// A payment of an order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct PaymentOut {
    pub id: Uuid,
    /// `card`, `cash` or `tap_to_pay`.
    pub payment_method: &'static str,
    /// Cents.
    pub amount: i64,
    /// Cents.
    pub tip_amount: i64,
    /// Always `completed`.
    pub status: &'static str,
    /// Cents.
    pub cash_tendered: Option<i64>,
    /// Cents.
    pub cash_change: Option<i64>,
    pub stripe_payment_intent_id: Option<String>,
    pub created_at: String,
}

impl From<&Payment> for PaymentOut {
    fn from(payment: &Payment) -> Self {
        PaymentOut {
            id: payment.id,
            payment_method: payment.method.as_str(),
            amount: payment.amount.0,
            tip_amount: payment.tip.0,
            status: "completed",
            cash_tendered: payment.cash_tendered.map(|cents| cents.0),
            cash_change: payment.cash_change.map(|cents| cents.0),
            stripe_payment_intent_id: payment.intent.clone(),
            created_at: iso(payment.created_at),
        }
    }
}
