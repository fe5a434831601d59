//! Subscriptions at Stripe: what we ask for, and the few fields of the answers that we act on (contract `pos.md` §15).
//!
//! The organization's id stands in the metadata of everything that is made here. The objects are our own account's, so that
//! nobody but us has written it.

mod desk;
mod payment;

use std::collections::HashMap;

use domain::{
    ids::OrgId,
    money::Cents,
    pos::{billing::StripeSubscription, subscription::SubscriptionStatus as Status, tier::Tier},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use stripe_client_core::{RequestBuilder, StripeMethod};

pub use self::desk::{Billing, BillingError, Plan, Started};
use crate::{
    client::{Stripe, checked, null_is_default, null_is_empty, optional_id},
    connect::Page,
    event::StripeEvent,
    transport::StripeError,
};

/// The name under which the organization's id stands in metadata.
const ORG: &str = "organization_id";

/// A subscription, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "SubscriptionWire")]
pub struct BilledSubscription {
    /// Whose; `None` for one that was not made here.
    pub org: Option<OrgId>,
    /// What Stripe says of it.
    pub said: StripeSubscription,
    /// By which its first payment or its card is confirmed, when that was asked for and is still to be done.
    pub client_secret: Option<String>,
    /// The card that it is paid by, when that was asked for.
    pub card: Option<Card>,
}

#[derive(Deserialize)]
struct SubscriptionWire {
    id: String,
    customer: Expandable<CustomerWire>,
    status: String,
    #[serde(default, deserialize_with = "null_is_default")]
    items: Page<ItemWire>,
    /// In API versions before 2025 it stands here, later on the items.
    current_period_end: Option<i64>,
    cancel_at: Option<i64>,
    #[serde(default, deserialize_with = "null_is_default")]
    cancel_at_period_end: bool,
    canceled_at: Option<i64>,
    ended_at: Option<i64>,
    trial_end: Option<i64>,
    #[serde(default, deserialize_with = "null_is_empty")]
    metadata: HashMap<String, String>,
    default_payment_method: Option<Expandable<MethodWire>>,
    latest_invoice: Option<Expandable<InvoiceSecret>>,
    pending_setup_intent: Option<Expandable<Secret>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct ItemWire {
    #[serde(default)]
    price: PriceWire,
    current_period_end: Option<i64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
struct PriceWire {
    unit_amount: Option<Cents>,
}

/// An id, or the object where it was expanded.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Expandable<T> {
    Id(String),
    Object(T),
}

impl<T> Expandable<T> {
    fn object(self) -> Option<T> {
        match self {
            Self::Id(_) => None,
            Self::Object(object) => Some(object),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
struct CustomerWire {
    id: String,
    #[serde(default, deserialize_with = "null_is_default")]
    invoice_settings: InvoiceSettings,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct InvoiceSettings {
    default_payment_method: Option<Expandable<MethodWire>>,
}

#[derive(Clone, Debug, Deserialize)]
struct MethodWire {
    #[serde(rename = "type", default)]
    kind: String,
    card: Option<CardWire>,
}

#[derive(Clone, Debug, Deserialize)]
struct CardWire {
    brand: String,
    last4: String,
    exp_month: i64,
    exp_year: i64,
}

#[derive(Clone, Debug, Deserialize)]
struct Secret {
    client_secret: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct InvoiceSecret {
    confirmation_secret: Option<Secret>,
}

/// What a subscription is paid by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// `card`, or Stripe's name of another kind.
    pub kind: String,
    /// `visa`.
    pub brand: String,
    /// Its last digits.
    pub last4: String,
    /// 1 to 12.
    pub exp_month: i64,
    /// Four digits.
    pub exp_year: i64,
}

impl MethodWire {
    fn card(self) -> Option<Card> {
        let CardWire { brand, last4, exp_month, exp_year } = self.card?;
        Some(Card { kind: self.kind, brand, last4, exp_month, exp_year })
    }
}

impl InvoiceSettings {
    fn card(self) -> Option<Card> {
        self.default_payment_method.and_then(Expandable::object).and_then(MethodWire::card)
    }
}

/// Stripe's words in ours. A word of a later year than this code counts as unpaid, which gives nothing away and ends nothing.
fn status(word: &str) -> Status {
    match word {
        "active" => Status::Active,
        "trialing" => Status::Trialing,
        "canceled" => Status::Canceled,
        "incomplete" => Status::Incomplete,
        "incomplete_expired" => Status::IncompleteExpired,
        "paused" => Status::Paused,
        _ => Status::PastDue,
    }
}

fn second(second: i64) -> Option<Timestamp> {
    Timestamp::from_second(second).ok()
}

impl From<SubscriptionWire> for BilledSubscription {
    fn from(wire: SubscriptionWire) -> Self {
        let item = wire.items.data.into_iter().next();
        let period_end = item.as_ref().and_then(|item| item.current_period_end).or(wire.current_period_end);
        let period_end = period_end.and_then(second);
        let (customer, of_customer) = match wire.customer {
            Expandable::Id(id) => (id, None),
            Expandable::Object(customer) => (customer.id, customer.invoice_settings.card()),
        };
        let method = wire.default_payment_method.and_then(Expandable::object);
        let to_confirm = wire.pending_setup_intent.and_then(Expandable::object);
        let to_pay = wire.latest_invoice.and_then(Expandable::object).and_then(|invoice| invoice.confirmation_secret);
        BilledSubscription {
            org: wire.metadata.get(ORG).and_then(|org| org.parse().ok()),
            said: StripeSubscription {
                id: wire.id,
                customer,
                status: status(&wire.status),
                tier: match wire.metadata.get("tier").map(String::as_str) {
                    Some("enterprise") => Tier::Enterprise,
                    _ => Tier::Pro,
                },
                price: item.and_then(|item| item.price.unit_amount).unwrap_or_default(),
                period_end,
                cancel_at: wire.cancel_at.and_then(second).or(period_end.filter(|_| wire.cancel_at_period_end)),
                canceled_at: wire.canceled_at.and_then(second),
                ended_at: wire.ended_at.and_then(second),
                trial_end: wire.trial_end.and_then(second),
            },
            client_secret: to_confirm.or(to_pay).and_then(|secret| secret.client_secret),
            card: method.and_then(MethodWire::card).or(of_customer),
        }
    }
}

/// A customer: only its id is of use.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Customer {
    /// `cus_…`.
    pub id: String,
}

/// Somebody who will pay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCustomer {
    /// The organization.
    pub org: OrgId,
    /// Its name.
    pub name: String,
    /// Where Stripe's invoices go.
    pub email: String,
}

/// A subscription to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSubscription {
    /// Whose.
    pub org: OrgId,
    /// `cus_…`.
    pub customer: String,
    /// `price_…`.
    pub price: String,
    /// What makes its first month cheaper.
    pub coupon: Option<String>,
    /// How long it is free; nothing is charged before.
    pub trial_days: Option<u32>,
}

/// A page on which a subscription is bought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewUpgrade {
    /// What is bought.
    pub subscription: NewSubscription,
    /// Where Stripe leads who has bought.
    pub success_url: String,
    /// Where Stripe leads who turns back.
    pub cancel_url: String,
    /// When the page closes, unix seconds: 30 minutes to 24 hours from now.
    pub expires_at: i64,
}

/// A page on which a subscription is bought, while it is open.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct UpgradeSession {
    /// `cs_…`.
    pub id: String,
    /// Its address.
    pub url: Option<String>,
    /// `subscription` for ours.
    pub mode: Option<String>,
}

/// What was or is to be paid.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Invoice {
    /// `in_…`.
    pub id: String,
    /// When it was written, unix seconds.
    pub created: i64,
    /// All of it.
    pub total: Cents,
    /// Lower case, `usd`.
    pub currency: String,
    /// `draft`, `open`, `paid`, `uncollectible`, `void`; absent while Stripe works on it.
    pub status: Option<String>,
    /// What it is for, where somebody said so.
    pub description: Option<String>,
    /// Its lines.
    #[serde(default, deserialize_with = "null_is_default")]
    pub lines: Page<InvoiceLine>,
    /// Its page.
    pub hosted_invoice_url: Option<String>,
    /// As a PDF.
    pub invoice_pdf: Option<String>,
}

/// A line of an invoice.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct InvoiceLine {
    /// What it is for.
    pub description: Option<String>,
}

#[derive(Serialize)]
struct Owned {
    organization_id: String,
}

impl Owned {
    fn by(org: OrgId) -> Self {
        Owned { organization_id: org.to_string() }
    }
}

#[derive(Serialize)]
struct CreateCustomer<'a> {
    name: &'a str,
    email: &'a str,
    metadata: Owned,
}

#[derive(Serialize)]
struct PriceOf<'a> {
    price: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    quantity: Option<u8>,
}

#[derive(Serialize)]
struct CouponOf<'a> {
    coupon: &'a str,
}

/// Without a card by the trial's end, it ends too: nobody is in debt for having tried.
#[derive(Serialize)]
struct TrialSettings {
    end_behavior: EndBehavior,
}

#[derive(Serialize)]
struct EndBehavior {
    missing_payment_method: &'static str,
}

fn trial_settings(trial_days: Option<u32>) -> Option<TrialSettings> {
    trial_days.map(|_| TrialSettings { end_behavior: EndBehavior { missing_payment_method: "cancel" } })
}

#[derive(Serialize)]
struct PaymentSettings {
    save_default_payment_method: &'static str,
}

#[derive(Serialize)]
struct CreateSubscription<'a> {
    customer: &'a str,
    items: [PriceOf<'a>; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    discounts: Vec<CouponOf<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trial_period_days: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trial_settings: Option<TrialSettings>,
    payment_behavior: &'static str,
    payment_settings: PaymentSettings,
    metadata: Owned,
    expand: [&'static str; 2],
}

#[derive(Serialize)]
struct CreateUpgrade<'a> {
    mode: &'static str,
    customer: &'a str,
    client_reference_id: String,
    line_items: [PriceOf<'a>; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    discounts: Vec<CouponOf<'a>>,
    payment_method_collection: &'static str,
    subscription_data: SubscriptionData,
    metadata: Owned,
    success_url: &'a str,
    cancel_url: &'a str,
    expires_at: i64,
}

#[derive(Serialize)]
struct SubscriptionData {
    metadata: Owned,
    #[serde(skip_serializing_if = "Option::is_none")]
    trial_period_days: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trial_settings: Option<TrialSettings>,
}

#[derive(Serialize)]
struct OfCustomer<'a> {
    customer: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    limit: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    starting_after: Option<&'a str>,
}

#[derive(Serialize)]
struct CancelNow {
    prorate: bool,
    invoice_now: bool,
}

#[derive(Serialize)]
struct CreatePortal<'a> {
    customer: &'a str,
    return_url: &'a str,
}

#[derive(Deserialize)]
struct Portal {
    url: String,
}

#[derive(Serialize)]
struct Expanded {
    expand: &'static [&'static str],
}

fn coupons(coupon: Option<&String>) -> Vec<CouponOf<'_>> {
    coupon.map(|coupon| CouponOf { coupon }).into_iter().collect()
}

impl Stripe {
    /// Makes a customer. `key` makes it one, however often it is asked for (within the 24 hours that Stripe remembers).
    pub async fn create_customer(&self, new: &NewCustomer, key: &str) -> Result<Customer, StripeError> {
        let form = CreateCustomer { name: &new.name, email: &new.email, metadata: Owned::by(new.org) };
        self.transport.send(RequestBuilder::new(StripeMethod::Post, "/customers").form(&form), Some(key)).await
    }

    /// Begins a subscription whose card is still to come: the answer's secret is what the client confirms it by.
    pub async fn create_subscription(
        &self,
        new: &NewSubscription,
        key: &str,
    ) -> Result<BilledSubscription, StripeError> {
        let form = CreateSubscription {
            customer: checked("cus_", &new.customer)?,
            items: [PriceOf { price: &new.price, quantity: None }],
            discounts: coupons(new.coupon.as_ref()),
            trial_period_days: new.trial_days,
            trial_settings: trial_settings(new.trial_days),
            payment_behavior: "default_incomplete",
            payment_settings: PaymentSettings { save_default_payment_method: "on_subscription" },
            metadata: Owned::by(new.org),
            expand: ["pending_setup_intent", "latest_invoice.confirmation_secret"],
        };
        self.transport.send(RequestBuilder::new(StripeMethod::Post, "/subscriptions").form(&form), Some(key)).await
    }

    /// A subscription as it is now.
    pub async fn retrieve_subscription(&self, id: &str) -> Result<BilledSubscription, StripeError> {
        let path = format!("/subscriptions/{}", checked("sub_", id)?);
        self.transport.send(RequestBuilder::new(StripeMethod::Get, path), None).await
    }

    /// A customer's subscriptions that are not over, newest first; ten at most, where one is too many.
    pub async fn list_subscriptions(&self, customer: &str) -> Result<Vec<BilledSubscription>, StripeError> {
        let query = OfCustomer { customer: checked("cus_", customer)?, status: None, limit: 10, starting_after: None };
        let request = RequestBuilder::new(StripeMethod::Get, "/subscriptions").query(&query);
        Ok(self.transport.send::<Page<BilledSubscription>>(request, None).await?.data)
    }

    /// Ends a subscription at once. Nothing is credited to the customer: what is to be given back goes where it came from.
    pub async fn cancel_subscription(&self, id: &str) -> Result<BilledSubscription, StripeError> {
        let path = format!("/subscriptions/{}", checked("sub_", id)?);
        let form = CancelNow { prorate: false, invoice_now: false };
        self.transport.send(RequestBuilder::new(StripeMethod::Delete, path).query(&form), None).await
    }

    /// Opens the page on which a subscription is bought. `key` makes it one.
    pub async fn open_upgrade(&self, new: &NewUpgrade, key: &str) -> Result<UpgradeSession, StripeError> {
        let NewSubscription { org, customer, price, coupon, trial_days } = &new.subscription;
        let form = CreateUpgrade {
            mode: "subscription",
            customer: checked("cus_", customer)?,
            client_reference_id: org.to_string(),
            line_items: [PriceOf { price, quantity: Some(1) }],
            discounts: coupons(coupon.as_ref()),
            payment_method_collection: "always",
            subscription_data: SubscriptionData {
                metadata: Owned::by(*org),
                trial_period_days: *trial_days,
                trial_settings: trial_settings(*trial_days),
            },
            metadata: Owned::by(*org),
            success_url: &new.success_url,
            cancel_url: &new.cancel_url,
            expires_at: new.expires_at,
        };
        let request = RequestBuilder::new(StripeMethod::Post, "/checkout/sessions").form(&form);
        self.transport.send(request, Some(key)).await
    }

    /// A customer's pages that are still open, newest first.
    pub async fn list_open_upgrades(&self, customer: &str) -> Result<Vec<UpgradeSession>, StripeError> {
        let customer = checked("cus_", customer)?;
        let query = OfCustomer { customer, status: Some("open"), limit: 10, starting_after: None };
        let request = RequestBuilder::new(StripeMethod::Get, "/checkout/sessions").query(&query);
        Ok(self.transport.send::<Page<UpgradeSession>>(request, None).await?.data)
    }

    /// The address of a page on which a customer changes the card, cancels or resumes, and reads invoices; good for minutes.
    pub async fn open_portal(&self, customer: &str, return_url: &str) -> Result<String, StripeError> {
        let form = CreatePortal { customer: checked("cus_", customer)?, return_url };
        let request = RequestBuilder::new(StripeMethod::Post, "/billing_portal/sessions").form(&form);
        Ok(self.transport.send::<Portal>(request, None).await?.url)
    }

    /// A customer's invoices, newest first, a hundred at a time.
    pub async fn list_invoices(&self, customer: &str, after: Option<&str>) -> Result<Page<Invoice>, StripeError> {
        let starting_after = after.map(|id| checked("in_", id)).transpose()?;
        let query = OfCustomer { customer: checked("cus_", customer)?, status: None, limit: 100, starting_after };
        self.transport.send(RequestBuilder::new(StripeMethod::Get, "/invoices").query(&query), None).await
    }

    /// The card that a subscription is paid by: its own, or else its customer's.
    pub async fn subscription_card(&self, id: &str) -> Result<Option<Card>, StripeError> {
        let path = format!("/subscriptions/{}", checked("sub_", id)?);
        let expand = &["default_payment_method", "customer.invoice_settings.default_payment_method"];
        let request = RequestBuilder::new(StripeMethod::Get, path).query(&Expanded { expand });
        Ok(self.transport.send::<BilledSubscription>(request, None).await?.card)
    }

    /// The card that a customer pays by.
    pub async fn customer_card(&self, customer: &str) -> Result<Option<Card>, StripeError> {
        let path = format!("/customers/{}", checked("cus_", customer)?);
        let expand = &["invoice_settings.default_payment_method"];
        let request = RequestBuilder::new(StripeMethod::Get, path).query(&Expanded { expand });
        Ok(self.transport.send::<CustomerWire>(request, None).await?.invoice_settings.card())
    }
}

/// What an event says of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// `sub_…`.
    pub subscription: String,
    /// Whose, where the event says so.
    pub org: Option<OrgId>,
}

impl Named {
    /// The subscription that an event is about: it is the object, or an invoice or a checkout session names it.
    pub fn by(event: &StripeEvent) -> Option<Self> {
        #[derive(Deserialize)]
        struct Object {
            id: Option<String>,
            object: Option<String>,
            #[serde(default, deserialize_with = "optional_id")]
            subscription: Option<String>,
            #[serde(default, deserialize_with = "null_is_default")]
            parent: Parent,
            #[serde(default, deserialize_with = "null_is_empty")]
            metadata: HashMap<String, String>,
        }
        #[derive(Default, Deserialize)]
        struct Parent {
            #[serde(default, deserialize_with = "null_is_default")]
            subscription_details: Details,
        }
        #[derive(Default, Deserialize)]
        struct Details {
            #[serde(default, deserialize_with = "optional_id")]
            subscription: Option<String>,
            #[serde(default, deserialize_with = "null_is_empty")]
            metadata: HashMap<String, String>,
        }
        let object = Object::deserialize(&event.object).ok()?;
        let Details { subscription, mut metadata } = object.parent.subscription_details;
        let subscription = match object.object.as_deref() {
            Some("subscription") => object.id,
            _ => subscription.or(object.subscription),
        };
        let org = metadata.remove(ORG).or_else(|| object.metadata.get(ORG).cloned());
        Some(Named { subscription: subscription?, org: org.and_then(|org| org.parse().ok()) })
    }
}

#[cfg(test)]
mod tests;
