//! Card payments at the counter, and the readers that take them: Stripe Terminal, in a connected account's name.
//!
//! Call these on [`Stripe::on_account`]: what they make, the payment and its charge, belongs to that account. The requests
//! are written out here, since those that `async-stripe` generates for Terminal would cost more than they say.

use std::collections::{BTreeMap, HashMap};

use domain::money::{Cents, Currency};
use serde::{Deserialize, Serialize};
use stripe_client_core::{RequestBuilder, StripeMethod};

use crate::{
    client::{PaymentIntentStatus, RefundStatus, Stripe, checked, null_is_empty},
    transport::StripeError,
};

/// How a card is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CardKind {
    /// Held to a phone or a reader.
    #[default]
    CardPresent,
    /// Its number is typed in.
    Card,
}

impl CardKind {
    /// Stripe's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CardPresent => "card_present",
            Self::Card => "card",
        }
    }
}

/// When an authorized card's money is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capture {
    /// At once.
    #[default]
    Automatic,
    /// When [`Stripe::capture_intent`] says so.
    Manual,
}

/// A card payment to be made.
#[derive(Clone, Debug, Serialize)]
pub struct NewIntent {
    /// What is to be paid, 50 cents at least.
    pub amount: Cents,
    /// In this currency, lower case.
    pub currency: String,
    /// Card or card present.
    pub payment_method_types: [CardKind; 1],
    /// When the money is taken.
    pub capture_method: Capture,
    /// Our share of it; none is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application_fee_amount: Option<Cents>,
    /// What it is for, on the account's statements.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where Stripe sends its own receipt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt_email: Option<String>,
    /// What its notices say of it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

/// A card payment, as Stripe knows it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct CardIntent {
    /// `pi_…`.
    pub id: String,
    /// What a phone needs to take the card.
    pub client_secret: Option<String>,
    /// How far it is.
    pub status: PaymentIntentStatus,
    /// What is to be paid.
    pub amount: Cents,
    /// What was paid.
    #[serde(default)]
    pub amount_received: Cents,
    /// In this currency.
    pub currency: Currency,
    /// Our share of it.
    #[serde(default)]
    pub application_fee_amount: Option<Cents>,
    /// What we, and the app, wrote on it.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub metadata: HashMap<String, String>,
    /// The attempt that took the money, or the last that did not.
    #[serde(default)]
    latest_charge: Option<ChargeOrId>,
}

/// An attempt to take a card's money.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Charge {
    /// `ch_…`.
    pub id: String,
    /// Given back of it so far.
    #[serde(default)]
    pub amount_refunded: Cents,
    /// Stripe's page with the receipt.
    #[serde(default)]
    pub receipt_url: Option<String>,
    #[serde(default)]
    payment_method_details: Option<MethodDetails>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum ChargeOrId {
    Id(String),
    Charge(Box<Charge>),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
struct MethodDetails {
    card: Option<CardDetails>,
    card_present: Option<CardDetails>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
struct CardDetails {
    brand: Option<String>,
    last4: Option<String>,
}

impl Charge {
    fn card(&self) -> Option<&CardDetails> {
        let details = self.payment_method_details.as_ref()?;
        details.card_present.as_ref().or(details.card.as_ref())
    }

    /// `visa`.
    pub fn brand(&self) -> Option<&str> {
        self.card()?.brand.as_deref()
    }

    /// The card's last four digits.
    pub fn last4(&self) -> Option<&str> {
        self.card()?.last4.as_deref()
    }
}

impl CardIntent {
    /// The name of its last charge.
    pub fn charge_id(&self) -> Option<&str> {
        match self.latest_charge.as_ref()? {
            ChargeOrId::Id(id) => Some(id),
            ChargeOrId::Charge(charge) => Some(&charge.id),
        }
    }

    /// Its last charge, where Stripe was asked for it too.
    pub fn charge(&self) -> Option<&Charge> {
        match self.latest_charge.as_ref()? {
            ChargeOrId::Id(_) => None,
            ChargeOrId::Charge(charge) => Some(charge),
        }
    }

    /// How its card is taken, as we wrote on it.
    pub fn kind(&self) -> CardKind {
        let typed_in = self.metadata.get("payment_method_type").is_some_and(|kind| kind == CardKind::Card.as_str());
        if typed_in { CardKind::Card } else { CardKind::CardPresent }
    }
}

impl PaymentIntentStatus {
    /// Stripe's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RequiresPaymentMethod => "requires_payment_method",
            Self::RequiresConfirmation => "requires_confirmation",
            Self::RequiresAction => "requires_action",
            Self::Processing => "processing",
            Self::RequiresCapture => "requires_capture",
            Self::Canceled => "canceled",
            Self::Succeeded => "succeeded",
        }
    }
}

/// Money of a card payment to be given back.
#[derive(Clone, Debug, Default, Serialize)]
pub struct NewRefund {
    /// Of which payment, `pi_…`.
    pub payment_intent: String,
    /// How much; all that is left when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<Cents>,
    /// `duplicate`, `fraudulent` or `requested_by_customer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Our share goes back too. Only where the payment had one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refund_application_fee: Option<bool>,
    /// What its notices say of it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

/// Money given back at Stripe, by us or by hand.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct CardRefund {
    /// `re_…`.
    pub id: String,
    /// How much.
    pub amount: Cents,
    /// How far it is.
    pub status: RefundStatus,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
    /// What we wrote on it.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub metadata: HashMap<String, String>,
}

#[derive(Deserialize)]
struct Page<T> {
    data: Vec<T>,
    #[serde(default)]
    has_more: bool,
}

#[derive(Serialize)]
struct RefundsOf<'a> {
    payment_intent: &'a str,
    limit: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    starting_after: Option<String>,
}

#[derive(Serialize)]
struct Expand<'a> {
    expand: [&'a str; 1],
}

/// With the charge itself in place of its name.
const WITH_CHARGE: Expand<'static> = Expand { expand: ["latest_charge"] };

pub(crate) fn post(path: impl Into<String>) -> RequestBuilder {
    RequestBuilder::new(StripeMethod::Post, path)
}

pub(crate) fn get(path: impl Into<String>) -> RequestBuilder {
    RequestBuilder::new(StripeMethod::Get, path)
}

impl Stripe {
    /// Begins a card payment. With a key, the same one however often it is asked for.
    pub async fn create_intent(&self, intent: &NewIntent, key: Option<&str>) -> Result<CardIntent, StripeError> {
        self.transport.send(post("/payment_intents").form(intent), key).await
    }

    /// What Stripe knows of a card payment, with its charge.
    pub async fn retrieve_intent(&self, intent: &str) -> Result<CardIntent, StripeError> {
        let path = format!("/payment_intents/{}", checked("pi_", intent)?);
        self.transport.send(get(path).query(&WITH_CHARGE), None).await
    }

    /// Gives a card payment up. [`StripeError::Invalid`] when it has succeeded, or was given up before.
    pub async fn cancel_intent(&self, intent: &str) -> Result<CardIntent, StripeError> {
        self.transport.send(post(format!("/payment_intents/{}/cancel", checked("pi_", intent)?)), None).await
    }

    /// Takes the money of an authorized card. [`StripeError::Invalid`] when nothing is authorized.
    pub async fn capture_intent(&self, intent: &str) -> Result<CardIntent, StripeError> {
        let path = format!("/payment_intents/{}/capture", checked("pi_", intent)?);
        self.transport.send(post(path).form(&WITH_CHARGE), None).await
    }

    /// Pays with one of Stripe's test cards (`pm_card_visa`).
    pub async fn confirm_intent(&self, intent: &str, method: &str) -> Result<CardIntent, StripeError> {
        #[derive(Serialize)]
        struct Confirm<'a> {
            payment_method: &'a str,
            expand: [&'a str; 1],
        }
        let path = format!("/payment_intents/{}/confirm", checked("pi_", intent)?);
        let form = Confirm { payment_method: method, expand: ["latest_charge"] };
        self.transport.send(post(path).form(&form), None).await
    }

    /// Gives money back; once for each key.
    pub async fn refund_intent(&self, refund: &NewRefund, key: &str) -> Result<CardRefund, StripeError> {
        self.transport.send(post("/refunds").form(refund), Some(key)).await
    }

    /// All that was given back of a card payment, or tried to be.
    pub async fn list_refunds(&self, intent: &str) -> Result<Vec<CardRefund>, StripeError> {
        let mut range = RefundsOf { payment_intent: checked("pi_", intent)?, limit: 100, starting_after: None };
        let mut refunds: Vec<CardRefund> = Vec::new();
        loop {
            let page: Page<CardRefund> = self.transport.send(get("/refunds").query(&range), None).await?;
            refunds.extend(page.data);
            range.starting_after = refunds.last().map(|refund| refund.id.clone());
            if !page.has_more || range.starting_after.is_none() {
                return Ok(refunds);
            }
        }
    }
}

mod reader;

pub use reader::{Address, ConnectionToken, Location, Reader, ReaderAction};

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_request_says_what_is_to_be_paid_and_leaves_out_what_is_not_there() {
        let mut intent = NewIntent {
            amount: Cents(1999),
            currency: "usd".into(),
            payment_method_types: [CardKind::CardPresent],
            capture_method: Capture::Automatic,
            application_fee_amount: Some(Cents(7)),
            description: None,
            receipt_email: None,
            metadata: BTreeMap::from([("orderId".into(), "a&b".into())]),
        };
        let body = post("/payment_intents").form(&intent).body.unwrap();
        assert_eq!(
            body,
            "amount=1999&currency=usd&payment_method_types[0]=card_present&capture_method=automatic\
             &application_fee_amount=7&metadata[orderId]=a%26b"
        );
        intent.application_fee_amount = None;
        assert!(!post("/").form(&intent).body.unwrap().contains("application_fee"));
    }

    #[test]
    fn a_charge_is_read_whether_expanded_or_not() {
        let intent = |charge| {
            let json = json!({"id": "pi_1", "status": "succeeded", "amount": 10, "currency": "usd",
                "latest_charge": charge, "metadata": {"payment_method_type": "card"}});
            serde_json::from_value::<CardIntent>(json).unwrap()
        };
        assert_eq!(intent(json!("ch_1")).charge_id(), Some("ch_1"));
        assert_eq!(intent(json!(null)).charge_id(), None);
        let whole = intent(json!({"id": "ch_1", "receipt_url": null,
            "payment_method_details": {"type": "card_present", "card_present": {"brand": "visa", "last4": "4242"}}}));
        assert_eq!(whole.kind(), CardKind::Card);
        let charge = whole.charge().unwrap();
        assert_eq!((charge.brand(), charge.last4(), whole.charge_id()), (Some("visa"), Some("4242"), Some("ch_1")));
    }
}
