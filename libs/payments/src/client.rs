//! The Stripe client: what Fairground asks of Stripe, and the few fields of the answers that it acts on.
//!
//! Requests are `async-stripe`'s typed ones. The answers are read into small types of our own: Stripe adds fields and
//! enum values at will, and a paid order must not wait because one that nobody reads was not recognized.

use std::collections::HashMap;

use domain::money::{Cents, Currency};
use serde::{Deserialize, Deserializer};
use stripe_checkout::checkout_session::{
    CreateCheckoutSession, CreateCheckoutSessionLineItems, CreateCheckoutSessionLineItemsPriceData,
    CreateCheckoutSessionPaymentIntentData, ExpireCheckoutSession, ProductData, RetrieveCheckoutSession,
};
use stripe_client_core::StripeRequest;
use stripe_core::{payment_intent::RetrievePaymentIntent, refund::CreateRefund};
use stripe_shared::CheckoutSessionMode;

use crate::transport::{StripeError, Transport};

/// Stripe keeps a session open at least 30 minutes; five more leave room for retries, which must send the same value.
const SHORTEST_SESSION: i64 = 35 * 60;
/// And at most 24 hours.
const LONGEST_SESSION: i64 = 24 * 3600 - 5 * 60;

/// A client for one Stripe account. Cheap to make and to clone: nothing is opened or parsed before the first request.
///
/// Each call makes at most three attempts within eight seconds, all with one idempotency key.
#[derive(Clone, Debug)]
pub struct Stripe {
    pub(crate) transport: Transport,
}

/// An order to be paid on Stripe's page.
#[derive(Clone, Debug)]
pub struct Checkout {
    /// The order's number; also the session's idempotency key and reference.
    pub order_number: String,
    /// The organization that sells.
    pub org: String,
    /// What is bought, as the buyer reads it.
    pub item: String,
    /// A second line under it.
    pub description: Option<String>,
    /// The price of one, above zero.
    pub unit_amount: Cents,
    /// How many, above zero.
    pub quantity: u32,
    /// The order's currency.
    pub currency: Currency,
    /// Where Stripe's receipt goes; prefilled on the page.
    pub customer_email: String,
    /// Where a buyer returns after paying; `{CHECKOUT_SESSION_ID}` in it is replaced by Stripe.
    pub success_url: String,
    /// Where a buyer returns who turns back.
    pub cancel_url: String,
    /// When the order was placed, unix seconds.
    pub placed_at: i64,
    /// When the order expires, unix seconds. Stripe keeps a session open for at least 30 minutes and at most 24 hours,
    /// so the session may outlive the order: expire it with [`Stripe::expire_checkout`].
    pub expires_at: i64,
}

impl Checkout {
    /// The session's own end. Computed from the order alone, because a repeated request must be the same request.
    fn session_ends_at(&self) -> i64 {
        self.expires_at.clamp(self.placed_at + SHORTEST_SESSION, self.placed_at + LONGEST_SESSION)
    }

    fn metadata(&self) -> HashMap<String, String> {
        HashMap::from([("order_number".to_owned(), self.order_number.clone()), ("org".to_owned(), self.org.clone())])
    }

    fn request(&self) -> CreateCheckoutSession {
        let mut product = ProductData::new(self.item.clone());
        product.description = self.description.clone().filter(|text| !text.is_empty());
        let mut price = CreateCheckoutSessionLineItemsPriceData::new(stripe_currency(self.currency));
        price.unit_amount = Some(self.unit_amount.0);
        price.product_data = Some(product);
        let mut line = CreateCheckoutSessionLineItems::new();
        line.price_data = Some(price);
        line.quantity = Some(u64::from(self.quantity));
        let mut intent = CreateCheckoutSessionPaymentIntentData::new();
        intent.metadata = Some(self.metadata());
        intent.description = Some(format!("{} ({})", self.item, self.order_number));
        CreateCheckoutSession::new()
            .mode(CheckoutSessionMode::Payment)
            .line_items(vec![line])
            .client_reference_id(self.order_number.clone())
            .metadata(self.metadata())
            .payment_intent_data(intent)
            .customer_email(self.customer_email.clone())
            .success_url(self.success_url.clone())
            .cancel_url(self.cancel_url.clone())
            .expires_at(self.session_ends_at())
    }
}

/// Whether a checkout session can still be paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionStatus {
    /// The buyer may still pay.
    Open,
    /// The buyer finished; see [`PaymentState`] for the money.
    Complete,
    /// Nobody paid in time, or it was expired by us.
    Expired,
}

/// Whether a session's money has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentState {
    /// Not, or not yet (bank debits take days).
    Unpaid,
    /// All of it.
    Paid,
    /// There was nothing to pay.
    NoPaymentRequired,
}

/// A checkout session, of mode `payment`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "SessionWire")]
pub struct CheckoutSession {
    /// `cs_…`.
    pub id: String,
    /// The page to send the buyer to; gone once complete or expired.
    pub url: Option<String>,
    /// Open, complete or expired.
    pub status: SessionStatus,
    /// Whether the money has come.
    pub payment: PaymentState,
    /// The payment behind it, `pi_…`, once there is one.
    pub payment_intent: Option<String>,
    /// What the buyer pays.
    pub amount_total: Cents,
    /// In this currency.
    pub currency: Currency,
    /// The order it was opened for.
    pub order_number: Option<String>,
    /// The organization that sells.
    pub org: Option<String>,
    /// When it ends by itself, unix seconds.
    pub expires_at: i64,
}

impl CheckoutSession {
    /// True when the money has come: the order may be settled.
    pub fn is_paid(&self) -> bool {
        self.payment == PaymentState::Paid
    }
}

#[derive(Deserialize)]
struct SessionWire {
    id: String,
    url: Option<String>,
    status: SessionStatus,
    payment_status: PaymentState,
    payment_intent: Option<Id>,
    amount_total: Option<Cents>,
    currency: Currency,
    client_reference_id: Option<String>,
    #[serde(default, deserialize_with = "null_is_empty")]
    metadata: HashMap<String, String>,
    #[serde(default)]
    expires_at: i64,
}

impl From<SessionWire> for CheckoutSession {
    fn from(mut wire: SessionWire) -> Self {
        Self {
            id: wire.id,
            url: wire.url,
            status: wire.status,
            payment: wire.payment_status,
            payment_intent: wire.payment_intent.map(Id::into_inner),
            amount_total: wire.amount_total.unwrap_or_default(),
            currency: wire.currency,
            order_number: wire.metadata.remove("order_number").or(wire.client_reference_id),
            org: wire.metadata.remove("org"),
            expires_at: wire.expires_at,
        }
    }
}

/// What came of asking Stripe to close a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// It was open, and is expired now: nobody can pay it any more.
    Expired,
    /// It had expired before.
    AlreadyExpired,
    /// The buyer was faster: look at its payment.
    AlreadyComplete,
}

/// The name of a payment at Stripe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaymentRef {
    /// `pi_…`.
    PaymentIntent(String),
    /// `ch_…` or `py_…`.
    Charge(String),
}

impl PaymentRef {
    /// Reads a stored reference. `None` for what is not Stripe's (cash, an admin's note, another provider).
    pub fn parse(reference: &str) -> Option<Self> {
        match reference.split_once('_')?.0 {
            "pi" => Some(Self::PaymentIntent(reference.to_owned())),
            "ch" | "py" => Some(Self::Charge(reference.to_owned())),
            _ => None,
        }
    }
}

/// How far a refund is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundStatus {
    /// On its way.
    Pending,
    /// Given back.
    Succeeded,
    /// The bank refused it: the money is still ours.
    Failed,
    /// Cancelled before it left.
    Canceled,
    /// Waits for something the customer must do, or for a state newer than this code.
    #[serde(other)]
    RequiresAction,
}

/// Money given back.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Refund {
    /// `re_…`.
    pub id: String,
    /// How much.
    pub amount: Cents,
    /// In this currency.
    pub currency: Currency,
    /// How far it is.
    pub status: RefundStatus,
    /// The payment it is of.
    #[serde(default, deserialize_with = "optional_id")]
    pub payment_intent: Option<String>,
}

/// How far a payment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentIntentStatus {
    /// No card yet, or the last one was declined.
    RequiresPaymentMethod,
    /// A card is chosen, nothing is charged.
    RequiresConfirmation,
    /// The buyer has a second step to take.
    RequiresAction,
    /// The bank works on it.
    Processing,
    /// Authorized, not captured.
    RequiresCapture,
    /// Given up.
    Canceled,
    /// Paid.
    Succeeded,
}

/// A payment.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "IntentWire")]
pub struct PaymentIntent {
    /// `pi_…`.
    pub id: String,
    /// How far it is.
    pub status: PaymentIntentStatus,
    /// What is to be paid.
    pub amount: Cents,
    /// What was paid.
    pub amount_received: Cents,
    /// What of it was given back. Known only from [`Stripe::retrieve_payment_intent`], which asks for the charge too.
    pub amount_refunded: Cents,
    /// In this currency.
    pub currency: Currency,
    /// The order it pays.
    pub order_number: Option<String>,
    /// The organization that sells.
    pub org: Option<String>,
    /// Why the last attempt was declined, in words for the buyer.
    pub last_error: Option<String>,
}

#[derive(Deserialize)]
struct IntentWire {
    id: String,
    status: PaymentIntentStatus,
    amount: Cents,
    #[serde(default)]
    amount_received: Cents,
    latest_charge: Option<Id>,
    currency: Currency,
    #[serde(default, deserialize_with = "null_is_empty")]
    metadata: HashMap<String, String>,
    last_payment_error: Option<LastError>,
}

#[derive(Deserialize)]
struct LastError {
    message: Option<String>,
}

impl From<IntentWire> for PaymentIntent {
    fn from(mut wire: IntentWire) -> Self {
        let amount_refunded = match wire.latest_charge {
            Some(Id::Expanded { amount_refunded, .. }) => amount_refunded,
            _ => Cents::ZERO,
        };
        Self {
            id: wire.id,
            status: wire.status,
            amount: wire.amount,
            amount_received: wire.amount_received,
            amount_refunded,
            currency: wire.currency,
            order_number: wire.metadata.remove("order_number"),
            org: wire.metadata.remove("org"),
            last_error: wire.last_payment_error.and_then(|error| error.message),
        }
    }
}

impl Stripe {
    /// A client with `secret_key` (`sk_…` or `rk_…`), for Stripe itself or for what answers at `api_base`
    /// (`http://127.0.0.1:3302`). A missing key is reported by the first call, as [`StripeError::NotConfigured`].
    pub fn new(secret_key: &str, api_base: Option<&str>) -> Self {
        Self { transport: Transport::new(secret_key, api_base) }
    }

    /// The same client over connections that are shared with others.
    pub fn over(self, net: net::Client) -> Self {
        Self { transport: self.transport.over(net) }
    }

    /// The same client in the name of a connected account (`acct_…`): what it makes belongs to that account.
    /// Costs nothing; the connections are shared.
    pub fn on_account(&self, account: &str) -> Self {
        Self { transport: self.transport.on_account(account) }
    }

    /// True when the key moves real money, false when it is of test mode; unknown for a key of neither kind.
    pub fn livemode(&self) -> Option<bool> {
        self.transport.livemode()
    }

    /// Opens the page on which an order is paid. The same order gets the same session, however often it is asked for
    /// (within the 24 hours that Stripe remembers a key).
    pub async fn open_checkout(&self, checkout: &Checkout) -> Result<CheckoutSession, StripeError> {
        let key = format!("checkout:{}", checkout.order_number);
        self.transport.send(checkout.request().build(), Some(&key)).await
    }

    /// What Stripe knows of a session.
    pub async fn retrieve_checkout(&self, session_id: &str) -> Result<CheckoutSession, StripeError> {
        let request = RetrieveCheckoutSession::new(checked("cs_", session_id)?);
        self.transport.send(request.build(), None).await
    }

    /// Closes a session, so that it can no longer be paid. When the buyer or the clock was faster, that is no error.
    pub async fn expire_checkout(&self, session_id: &str) -> Result<Expiry, StripeError> {
        let request = ExpireCheckoutSession::new(checked("cs_", session_id)?);
        match self.transport.send::<CheckoutSession>(request.build(), None).await {
            Ok(_) => Ok(Expiry::Expired),
            Err(refused @ StripeError::Invalid { .. }) => match self.retrieve_checkout(session_id).await?.status {
                SessionStatus::Complete => Ok(Expiry::AlreadyComplete),
                SessionStatus::Expired => Ok(Expiry::AlreadyExpired),
                SessionStatus::Open => Err(refused),
            },
            Err(error) => Err(error),
        }
    }

    /// Gives back `amount`, or all that is left when `None`. [`StripeError::AlreadyRefunded`] when nothing is left.
    pub async fn refund_payment(
        &self,
        payment: &PaymentRef,
        amount: Option<Cents>,
        idempotency_key: &str,
    ) -> Result<Refund, StripeError> {
        let mut request = match payment {
            PaymentRef::PaymentIntent(id) => CreateRefund::new().payment_intent(id),
            PaymentRef::Charge(id) => CreateRefund::new().charge(id),
        };
        if let Some(amount) = amount {
            request = request.amount(amount.0);
        }
        self.transport.send(request.build(), Some(idempotency_key)).await
    }

    /// What Stripe knows of a payment, with what was refunded of it.
    pub async fn retrieve_payment_intent(&self, id: &str) -> Result<PaymentIntent, StripeError> {
        let request = RetrievePaymentIntent::new(checked("pi_", id)?).expand(vec!["latest_charge".to_owned()]);
        self.transport.send(request.build(), None).await
    }
}

/// Ids stand in a path: what is not one names nothing.
pub(crate) fn checked<'a>(prefix: &str, id: &'a str) -> Result<&'a str, StripeError> {
    let well_formed = id.starts_with(prefix) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    well_formed.then_some(id).ok_or(StripeError::NotFound)
}

fn stripe_currency(currency: Currency) -> stripe_types::Currency {
    let code = currency.code().to_ascii_lowercase();
    code.parse().unwrap_or(stripe_types::Currency::Unknown(code))
}

/// An object's id, or the object itself where it was expanded.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Id {
    Bare(String),
    Expanded {
        id: String,
        #[serde(default)]
        amount_refunded: Cents,
    },
}

impl Id {
    fn into_inner(self) -> String {
        match self {
            Self::Bare(id) | Self::Expanded { id, .. } => id,
        }
    }
}

pub(crate) fn optional_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<Id>::deserialize(deserializer)?.map(Id::into_inner))
}

/// Reads null as what is there by default.
pub(crate) fn null_is_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

pub(crate) fn null_is_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HashMap<String, String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn checkout() -> Checkout {
        Checkout {
            order_number: "HP260125-7K2M9QXA".into(),
            org: "org".into(),
            item: "Fair & Square".into(),
            description: None,
            unit_amount: Cents(1250),
            quantity: 2,
            currency: Currency::USD,
            customer_email: "ann@example.com".into(),
            success_url: "http://localhost/ok?s={CHECKOUT_SESSION_ID}".into(),
            cancel_url: "http://localhost/no".into(),
            placed_at: 1_000_000,
            expires_at: 1_000_900,
        }
    }

    #[test]
    fn a_session_is_open_as_long_as_stripe_demands() {
        let mut checkout = checkout();
        assert_eq!(checkout.session_ends_at(), 1_000_000 + SHORTEST_SESSION);
        checkout.expires_at = 1_000_000 + 7200;
        assert_eq!(checkout.session_ends_at(), 1_000_000 + 7200);
        checkout.expires_at = i64::MAX;
        assert_eq!(checkout.session_ends_at(), 1_000_000 + LONGEST_SESSION);
    }

    #[test]
    fn the_request_says_what_is_sold() {
        let request = checkout().request().build();
        assert_eq!(request.path, "/checkout/sessions");
        let body = request.body.unwrap();
        for part in [
            "mode=payment",
            "line_items[0][price_data][unit_amount]=1250",
            "line_items[0][price_data][currency]=usd",
            "line_items[0][price_data][product_data][name]=Fair+%26+Square",
            "line_items[0][quantity]=2",
            "client_reference_id=HP260125-7K2M9QXA",
            "metadata[order_number]=HP260125-7K2M9QXA",
            "payment_intent_data[metadata][org]=org",
            "customer_email=ann@example.com",
            "expires_at=1002100",
        ] {
            assert!(body.contains(part), "{part} in {body}");
        }
    }

    #[test]
    fn answers_are_read_whether_expanded_or_not() {
        let mut session = json!({
            "id": "cs_1", "object": "checkout.session", "url": null, "status": "complete", "payment_status": "paid",
            "payment_intent": "pi_1", "amount_total": 2500, "currency": "usd", "client_reference_id": "HP1",
            "metadata": {"org": "o"}, "expires_at": 5, "a_field_of_next_year": {"x": 1}
        });
        let read: CheckoutSession = serde_json::from_value(session.clone()).unwrap();
        assert!(read.is_paid());
        assert_eq!(read.order_number.as_deref(), Some("HP1"));
        session["payment_intent"] = json!({"id": "pi_1", "object": "payment_intent"});
        session["metadata"] = json!(null);
        let expanded: CheckoutSession = serde_json::from_value(session).unwrap();
        assert_eq!(expanded.payment_intent.as_deref(), Some("pi_1"));

        let intent: PaymentIntent = serde_json::from_value(json!({
            "id": "pi_1", "status": "succeeded", "amount": 10, "amount_received": 10, "currency": "usd",
            "latest_charge": {"id": "ch_1", "amount_refunded": 4}, "metadata": {}
        }))
        .unwrap();
        assert_eq!(intent.amount_refunded, Cents(4));
        let refund: Refund =
            serde_json::from_value(json!({"id": "re_1", "amount": 4, "currency": "usd", "status": "newly_invented"}))
                .unwrap();
        assert_eq!(refund.status, RefundStatus::RequiresAction);
    }

    #[test]
    fn references_and_ids() {
        assert_eq!(PaymentRef::parse("pi_1"), Some(PaymentRef::PaymentIntent("pi_1".into())));
        assert_eq!(PaymentRef::parse("ch_1"), Some(PaymentRef::Charge("ch_1".into())));
        assert_eq!(PaymentRef::parse("manual-7"), None);
        assert_eq!(PaymentRef::parse("cash_7"), None);
        assert_eq!(checked("cs_", "cs_test_a1"), Ok("cs_test_a1"));
        assert_eq!(checked("cs_", "cs_../refunds?x"), Err(StripeError::NotFound));
    }
}
