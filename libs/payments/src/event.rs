//! Stripe's webhook events, read as loosely as possible: an account's API version decides their fields, and an event
//! that we do not understand must be acknowledged, not refused.

use domain::money::{Cents, Currency};
use serde::Deserialize;
use serde_json::Value;

use crate::client::{CheckoutSession, PaymentIntent, Refund, Stripe};

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// `checkout.session.completed`: the buyer finished; paid unless the method is a slow one.
    CheckoutCompleted,
    /// `checkout.session.async_payment_succeeded`: a slow method's money came.
    CheckoutAsyncSucceeded,
    /// `checkout.session.async_payment_failed`: a slow method's money will not come.
    CheckoutAsyncFailed,
    /// `checkout.session.expired`.
    CheckoutExpired,
    /// `payment_intent.succeeded`.
    PaymentSucceeded,
    /// `payment_intent.payment_failed`: one attempt; the buyer may try another card.
    PaymentFailed,
    /// `payment_intent.canceled`: given up, by us or by time.
    PaymentCanceled,
    /// `charge.refunded`: in part or whole; the object is the charge.
    ChargeRefunded,
    /// `refund.created`, `refund.updated`, `refund.failed` (or `charge.refund.updated`): the object is the refund.
    Refund,
    /// `account.updated`: the object is the connected account.
    AccountUpdated,
    /// `customer.subscription.*`, `invoice.*`, and the checkout of a subscription, by its name.
    Subscription(String),
    /// Anything else, by its name.
    Other(String),
}

impl From<String> for EventKind {
    fn from(name: String) -> Self {
        match name.as_str() {
            "checkout.session.completed" => Self::CheckoutCompleted,
            "checkout.session.async_payment_succeeded" => Self::CheckoutAsyncSucceeded,
            "checkout.session.async_payment_failed" => Self::CheckoutAsyncFailed,
            "checkout.session.expired" => Self::CheckoutExpired,
            "payment_intent.succeeded" => Self::PaymentSucceeded,
            "payment_intent.payment_failed" => Self::PaymentFailed,
            "payment_intent.canceled" => Self::PaymentCanceled,
            "account.updated" => Self::AccountUpdated,
            "charge.refunded" => Self::ChargeRefunded,
            "refund.created" | "refund.updated" | "refund.failed" | "charge.refund.updated" => Self::Refund,
            _ if name.starts_with("customer.subscription.") || name.starts_with("invoice.") => Self::Subscription(name),
            _ => Self::Other(name),
        }
    }
}

/// A webhook event. Verify its signature first ([`crate::signature::verify`]), then [`StripeEvent::parse`] the same bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct StripeEvent {
    /// `evt_…`: the key under which its effects are recorded once.
    pub id: String,
    /// What happened.
    pub kind: EventKind,
    /// When, unix seconds. Says nothing about the order of delivery.
    pub created: i64,
    /// False for test mode.
    pub livemode: bool,
    /// The connected account it happened in, `acct_…`; `None` for our own.
    pub account: Option<String>,
    /// The object as it was at that moment.
    pub object: Value,
}

#[derive(Deserialize)]
struct EventWire {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    created: i64,
    #[serde(default)]
    livemode: bool,
    account: Option<String>,
    data: DataWire,
}

#[derive(Deserialize)]
struct DataWire {
    object: Value,
}

impl StripeEvent {
    /// Reads a webhook's body.
    pub fn parse(body: &[u8]) -> Result<Self, serde_json::Error> {
        let wire: EventWire = serde_json::from_slice(body)?;
        let subscribes = wire.kind.starts_with("checkout.session.") && wire.data.object["mode"] == "subscription";
        Ok(Self {
            id: wire.id,
            kind: if subscribes { EventKind::Subscription(wire.kind) } else { wire.kind.into() },
            created: wire.created,
            livemode: wire.livemode,
            account: wire.account,
            object: wire.data.object,
        })
    }

    /// True when it tells of the kind of money, real or test, that our key moves. A live endpoint hears of what connected
    /// accounts do in test mode too. Without a key, or with one that tells no mode, nothing is compared.
    pub fn is_of_our_mode(&self, stripe: Option<&Stripe>) -> bool {
        let ours = stripe.and_then(Stripe::livemode);
        let is_ours = ours.is_none_or(|ours| ours == self.livemode);
        if !is_ours {
            tracing::warn!(event = self.id, livemode = self.livemode, "event of the other mode, dropped");
        }
        is_ours
    }

    /// The order it concerns: `metadata.order_number`, else a session's `client_reference_id`.
    pub fn order_number(&self) -> Option<&str> {
        self.text("/metadata/order_number").or_else(|| self.text("/client_reference_id"))
    }

    /// The organization that sells, from `metadata.org`.
    pub fn org(&self) -> Option<&str> {
        self.text("/metadata/org")
    }

    /// The payment it concerns, `pi_…`, whether the object is the payment, refers to it, or holds it.
    pub fn payment_intent(&self) -> Option<&str> {
        if self.text("/object") == Some("payment_intent") {
            return self.text("/id");
        }
        self.text("/payment_intent").or_else(|| self.text("/payment_intent/id"))
    }

    /// The object, if it is a checkout session of mode `payment`.
    pub fn checkout_session(&self) -> Option<CheckoutSession> {
        self.read("checkout.session")
    }

    /// The object, if it is a payment.
    pub fn payment(&self) -> Option<PaymentIntent> {
        self.read("payment_intent")
    }

    /// The object, if it is a refund.
    pub fn refund(&self) -> Option<Refund> {
        self.read("refund")
    }

    /// All that was given back of a charge so far, if the object is a charge.
    pub fn amount_refunded(&self) -> Option<Cents> {
        self.object.get("amount_refunded")?.as_i64().map(Cents)
    }

    /// The object's currency.
    pub fn currency(&self) -> Option<Currency> {
        self.text("/currency")?.parse().ok()
    }

    fn text(&self, pointer: &str) -> Option<&str> {
        self.object.pointer(pointer)?.as_str().filter(|text| !text.is_empty())
    }

    fn read<T: serde::de::DeserializeOwned>(&self, object: &str) -> Option<T> {
        (self.text("/object") == Some(object)).then(|| T::deserialize(&self.object).ok()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(kind: &str, object: Value) -> StripeEvent {
        let body = json!({"id": "evt_1", "object": "event", "type": kind, "created": 7, "livemode": false,
            "api_version": "2019-01-01", "data": {"object": object}, "pending_webhooks": 1, "request": "req_1"});
        StripeEvent::parse(body.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn the_other_modes_events_are_not_ours() {
        let test = event("payment_intent.succeeded", json!({}));
        let live = StripeEvent { livemode: true, ..test.clone() };
        for (key, tests, lives) in [("sk_test_1", true, false), ("rk_live_1", false, true), ("sk_local", true, true)] {
            let stripe = Stripe::new(key, None);
            assert_eq!(
                (test.is_of_our_mode(Some(&stripe)), live.is_of_our_mode(Some(&stripe))),
                (tests, lives),
                "{key}"
            );
        }
        assert!(test.is_of_our_mode(None) && live.is_of_our_mode(None));
    }

    #[test]
    fn a_completed_session() {
        let event = event(
            "checkout.session.completed",
            json!({"id": "cs_1", "object": "checkout.session", "status": "complete", "payment_status": "paid",
                "payment_intent": "pi_1", "amount_total": 2500, "currency": "eur",
                "client_reference_id": "HP2", "metadata": {"order_number": "HP1", "org": "o"}}),
        );
        assert_eq!(event.kind, EventKind::CheckoutCompleted);
        assert_eq!((event.order_number(), event.org()), (Some("HP1"), Some("o")));
        assert_eq!(event.payment_intent(), Some("pi_1"));
        let session = event.checkout_session().unwrap();
        assert_eq!((session.amount_total, session.currency.code()), (Cents(2500), "EUR"));
        assert_eq!(event.refund(), None);
    }

    #[test]
    fn payments_refunds_and_strangers() {
        let paid = event(
            "payment_intent.succeeded",
            json!({"id": "pi_1", "object": "payment_intent", "status": "succeeded", "amount": 5, "amount_received": 5,
                "currency": "usd", "metadata": {"order_number": "HP1"}, "latest_charge": "ch_1"}),
        );
        assert_eq!(paid.payment_intent(), Some("pi_1"));
        assert_eq!(paid.payment().unwrap().amount_received, Cents(5));
        let refunded = event(
            "charge.refunded",
            json!({"id": "ch_1", "object": "charge", "amount_refunded": 3, "payment_intent": {"id": "pi_1"}, "currency": "usd"}),
        );
        assert_eq!((refunded.amount_refunded(), refunded.payment_intent()), (Some(Cents(3)), Some("pi_1")));
        let refund = event(
            "refund.failed",
            json!({"id": "re_1", "object": "refund", "amount": 3, "currency": "usd", "status": "failed", "payment_intent": "pi_1"}),
        );
        assert_eq!(refund.kind, EventKind::Refund);
        assert_eq!(refund.refund().unwrap().payment_intent.as_deref(), Some("pi_1"));
        assert_eq!(event("payout.paid", json!({})).kind, EventKind::Other("payout.paid".into()));
        for name in ["customer.subscription.deleted", "invoice.paid"] {
            assert_eq!(event(name, json!({})).kind, EventKind::Subscription(name.into()));
        }
        let checkout = |mode| event("checkout.session.completed", json!({"mode": mode})).kind;
        assert_eq!(checkout("payment"), EventKind::CheckoutCompleted);
        assert_eq!(checkout("subscription"), EventKind::Subscription("checkout.session.completed".into()));
        assert!(StripeEvent::parse(b"{\"id\":\"evt_1\"}").is_err());
    }
}
