//! Orders and their lifecycle (contract §5): `pending → paid → refunded`, `pending → cancelled | expired`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    event::{Event, Tier},
    number::OrderNumber,
    payment::{Payment, Provider},
};
use crate::{
    ids::{EventId, OrgId, TierId, UserId},
    mail::{Mail, MailKey, MailPolicy},
    money::{Cents, Currency},
    stock::{Draw, Movement},
    time::millis,
};

/// Where an order is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrderStatus {
    /// Holds stock and waits for payment.
    Pending,
    /// Paid in full; its ticket is valid.
    Paid,
    /// Given up by staff before it was paid.
    Cancelled,
    /// Given up because nobody paid in time. The client knows only `cancelled`.
    Expired,
    /// Paid, and the money given back.
    Refunded,
}

impl OrderStatus {
    /// The four spellings that clients know (contract §5).
    pub fn wire(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Paid => "paid",
            Self::Cancelled | Self::Expired => "cancelled",
            Self::Refunded => "refunded",
        }
    }

    /// The spelling in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            other => other.wire(),
        }
    }
}

/// Who buys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buyer {
    /// Full name.
    #[serde(rename = "buyer_name")]
    pub name: String,
    /// Where the ticket goes, as the buyer wrote it.
    #[serde(rename = "buyer_email")]
    pub email: String,
    /// Telephone.
    #[serde(rename = "buyer_phone", default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Country.
    #[serde(rename = "buyer_country", default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// Nationality.
    #[serde(rename = "buyer_nationality", default, skip_serializing_if = "Option::is_none")]
    pub nationality: Option<String>,
}

/// Where an order came from; kept for disputes, never shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Address of the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// `User-Agent`, cut to 120 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// Where the buyer heard of it; absent means `direct`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referral: Option<String>,
}

/// An order: one item in the database, kept below 1 KB so that each write costs one unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// Its number, which also gives its id.
    pub number: OrderNumber,
    /// Whose event it is.
    pub org: OrgId,
    /// The event.
    pub event_id: EventId,
    /// The event's name at purchase.
    pub event_name: String,
    /// The tier.
    pub tier_id: TierId,
    /// The tier's name at purchase.
    pub tier_name: String,
    /// Who buys.
    #[serde(flatten)]
    pub buyer: Buyer,
    /// Tickets.
    pub quantity: u32,
    /// Price of one at purchase.
    pub unit_price: Cents,
    /// Price of all: `unit_price × quantity`, no tax, no fee.
    pub total: Cents,
    /// Currency of both.
    pub currency: Currency,
    /// Where it is in its life.
    pub status: OrderStatus,
    /// What the client said it would pay with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_method: Option<String>,
    /// The stock it holds; empty once released.
    pub draws: Vec<Draw>,
    /// Which key its ticket's secret is derived with.
    pub key_id: String,
    /// Revision of its ticket's secret; a reissued ticket has the next one.
    pub revision: u32,
    /// The Stripe Checkout session in which it is to be paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkout: Option<String>,
    /// SHA-256 prefix of the request, when the client named an idempotency key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Where it came from.
    #[serde(flatten)]
    pub origin: Origin,
    /// When it was made.
    #[serde(with = "millis")]
    pub created_at: Timestamp,
    /// Until when it keeps its stock unpaid.
    #[serde(with = "millis")]
    pub expires_at: Timestamp,
    /// When it was paid.
    #[serde(with = "millis::option", default, skip_serializing_if = "Option::is_none")]
    pub paid_at: Option<Timestamp>,
    /// Who took the money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<Provider>,
    /// The provider's name for the payment: by it a repeated notice is told from a second payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_ref: Option<String>,
    /// The member of staff who confirmed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_by: Option<UserId>,
    /// What was given back, minor units; never above `total`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refunded: Option<Cents>,
    /// Payments that came when the order could not be honoured, and were given back or must be. None of them pays it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub returned_refs: Vec<String>,
    /// When its holder was let in: the one entry of contract §7.
    #[serde(with = "millis::option", default, skip_serializing_if = "Option::is_none")]
    pub checked_in_at: Option<Timestamp>,
    /// Who let them in, when a member of staff was signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_in_by: Option<UserId>,
    /// Hash of the idempotency key of the scan that let them in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkin_key: Option<String>,
}

/// Everything a new order is made of besides its stock.
pub struct NewOrder<'a> {
    /// Its number.
    pub number: OrderNumber,
    /// The event as loaded.
    pub event: &'a Event,
    /// The tier as loaded.
    pub tier: &'a Tier,
    /// Tickets, at least 1.
    pub quantity: u32,
    /// Who buys.
    pub buyer: Buyer,
    /// What the client said it would pay with.
    pub payment_method: Option<String>,
    /// Where it came from.
    pub origin: Origin,
    /// Of the request, when the client named an idempotency key.
    pub fingerprint: Option<String>,
    /// The key that signs new tickets.
    pub key_id: String,
    /// Now.
    pub now: Timestamp,
}

/// What to do with a payment that a provider reports for an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// Waiting: it is paid now.
    Confirm,
    /// This very payment (or any, when told by staff) has already been applied: nothing to do.
    AlreadyPaid,
    /// Staff had confirmed it without naming a payment, and this is the one: note it, so that a refund finds it.
    Adopt,
    /// It had expired: honour it if stock remains, else give the money back.
    Reclaim,
    /// It cannot be honoured, or is paid already by another payment: give this one back.
    Return,
    /// It was decided before that this payment is given back: see that it was.
    AlreadyReturned,
    /// Staff may only confirm what is pending (contract `ORDER_NOT_PENDING`).
    NotPending,
    /// Another amount or currency than the order's: a person must look.
    WrongAmount,
}

/// A step that the order's state does not allow. The names are the contract's codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// `CANNOT_CANCEL_NON_PENDING`
    #[error("Only pending orders can be cancelled")]
    CancelNonPending,
    /// `CANNOT_REFUND_NON_PAID`
    #[error("Only paid orders can be refunded")]
    RefundNonPaid,
}

impl Order {
    /// A new order: pending, or paid at once when there is nothing to pay. Its stock is drawn by the store.
    pub fn new(new: NewOrder<'_>) -> Self {
        let total = new.tier.price.times(new.quantity);
        let free = total.is_zero();
        Order {
            number: new.number,
            org: new.event.org,
            event_id: new.event.id,
            event_name: new.event.name.clone(),
            tier_id: new.tier.id,
            tier_name: new.tier.name.clone(),
            buyer: new.buyer,
            quantity: new.quantity,
            unit_price: new.tier.price,
            total,
            currency: new.tier.currency,
            status: if free { OrderStatus::Paid } else { OrderStatus::Pending },
            payment_method: new.payment_method,
            draws: vec![],
            key_id: new.key_id,
            revision: 0,
            checkout: None,
            fingerprint: new.fingerprint,
            origin: new.origin,
            created_at: new.now,
            expires_at: new.event.hold_until(new.now),
            paid_at: free.then_some(new.now),
            provider: free.then_some(Provider::Free),
            payment_ref: None,
            confirmed_by: None,
            refunded: None,
            returned_refs: vec![],
            checked_in_at: None,
            checked_in_by: None,
            checkin_key: None,
        }
    }

    /// The stock movement that making this order is.
    pub fn first_movement(&self) -> Movement {
        if self.status == OrderStatus::Paid { Movement::Sell } else { Movement::Hold }
    }

    /// The e-mail that brings its ticket.
    pub fn ticket_mail(&self, policy: MailPolicy, now: Timestamp) -> Mail {
        Mail::new(MailKey::Ticket { number: self.number }, self.org, policy, now)
    }

    /// Decides what a reported payment does (invariant 3, DECISIONS "Unpaid orders expire").
    pub fn settle(&self, payment: &Payment) -> Settlement {
        if payment.amount.is_some_and(|amount| amount != self.total)
            || payment.currency.is_some_and(|currency| currency != self.currency)
        {
            return Settlement::WrongAmount;
        }
        let same = |known: &Option<String>| known.is_some() && *known == payment.reference;
        if payment.reference.as_ref().is_some_and(|reference| self.returned_refs.contains(reference)) {
            return Settlement::AlreadyReturned;
        }
        let staff = payment.provider == Provider::Admin;
        match self.status {
            OrderStatus::Pending => Settlement::Confirm,
            OrderStatus::Paid
                if payment.provider == Provider::Stripe
                    && self.payment_ref.is_none()
                    && payment.reference.is_some() =>
            {
                Settlement::Adopt
            }
            OrderStatus::Paid if staff || payment.reference.is_none() || same(&self.payment_ref) => {
                Settlement::AlreadyPaid
            }
            OrderStatus::Refunded if !staff && (payment.reference.is_none() || same(&self.payment_ref)) => {
                Settlement::AlreadyPaid
            }
            // The legacy webhook cannot tell one payment from another for certain (contract §8): only a payment
            // of our own checkout is known to be a second one.
            OrderStatus::Paid if payment.provider != Provider::Stripe => Settlement::AlreadyPaid,
            _ if staff => Settlement::NotPending,
            OrderStatus::Expired => Settlement::Reclaim,
            _ => Settlement::Return,
        }
    }

    /// May staff cancel it? `Ok(false)`: it is cancelled already, nothing to do.
    pub fn cancel(&self) -> Result<bool, StepError> {
        match self.status {
            OrderStatus::Pending => Ok(true),
            OrderStatus::Cancelled | OrderStatus::Expired => Ok(false),
            _ => Err(StepError::CancelNonPending),
        }
    }

    /// May it be refunded? `Ok(false)`: it is refunded already, nothing to do.
    pub fn refund(&self) -> Result<bool, StepError> {
        match self.status {
            OrderStatus::Paid => Ok(true),
            OrderStatus::Refunded => Ok(false),
            _ => Err(StepError::RefundNonPaid),
        }
    }

    /// Has its time to pay run out?
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.status == OrderStatus::Pending && now >= self.expires_at
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::tests::event;
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn order(status: OrderStatus) -> Order {
        let event = event();
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let buyer = Buyer {
            name: "Ana".into(),
            email: "ana@example.com".into(),
            phone: None,
            country: None,
            nationality: None,
        };
        let mut order = Order::new(NewOrder {
            number: OrderNumber::new(now, 7),
            event: &event,
            tier: &event.tiers[0],
            quantity: 2,
            buyer,
            payment_method: None,
            origin: Origin::default(),
            fingerprint: None,
            key_id: "k1".into(),
            now,
        });
        order.status = status;
        order
    }

    fn payment(provider: Provider, reference: &str) -> Payment {
        Payment { provider, reference: Some(reference.into()), amount: None, currency: None, by: None }
    }

    #[test]
    fn the_total_is_price_times_quantity() {
        let order = order(OrderStatus::Pending);
        assert_eq!((order.unit_price, order.total), (Cents(2500), Cents(5000)));
        assert!(!order.is_overdue(order.created_at));
        assert!(order.is_overdue(order.expires_at));
    }

    #[test]
    fn settling() {
        use OrderStatus as S;
        use Settlement as D;
        let mut paid = order(S::Paid);
        paid.payment_ref = Some("pi_1".into());
        let mut refunded = paid.clone();
        refunded.status = S::Refunded;
        let mut returned = order(S::Expired);
        returned.returned_refs = vec!["pi_0".into(), "pi_1".into()];
        let cases = [
            (order(S::Pending), Provider::Stripe, "pi_1", D::Confirm),
            (order(S::Pending), Provider::Admin, "pi_1", D::Confirm),
            (paid.clone(), Provider::Stripe, "pi_1", D::AlreadyPaid),
            (paid.clone(), Provider::Stripe, "pi_2", D::Return),
            (paid.clone(), Provider::Webhook, "other", D::AlreadyPaid),
            (paid, Provider::Admin, "x", D::AlreadyPaid),
            (order(S::Paid), Provider::Stripe, "pi_1", D::Adopt),
            (refunded.clone(), Provider::Stripe, "pi_1", D::AlreadyPaid),
            (refunded.clone(), Provider::Stripe, "pi_2", D::Return),
            (refunded, Provider::Admin, "pi_1", D::NotPending),
            (order(S::Expired), Provider::Stripe, "pi_1", D::Reclaim),
            (order(S::Expired), Provider::Admin, "pi_1", D::NotPending),
            (order(S::Cancelled), Provider::Stripe, "pi_1", D::Return),
            (returned.clone(), Provider::Stripe, "pi_1", D::AlreadyReturned),
            (returned, Provider::Stripe, "pi_2", D::Reclaim),
        ];
        for (order, provider, reference, expected) in cases {
            assert_eq!(order.settle(&payment(provider, reference)), expected, "{:?} {provider:?}", order.status);
        }
    }

    proptest! {
        #[test]
        fn only_the_exact_amount_confirms(amount in 0..10_000i64) {
            let payment = Payment { amount: Some(Cents(amount)), ..payment(Provider::Stripe, "pi_1") };
            let expected = if amount == 5000 { Settlement::Confirm } else { Settlement::WrongAmount };
            prop_assert_eq!(order(OrderStatus::Pending).settle(&payment), expected);
        }
    }

    #[test]
    fn steps_that_staff_may_take() {
        use OrderStatus as S;
        assert_eq!(order(S::Pending).cancel(), Ok(true));
        assert_eq!(order(S::Cancelled).cancel(), Ok(false));
        assert_eq!(order(S::Paid).cancel(), Err(StepError::CancelNonPending));
        assert_eq!(order(S::Paid).refund(), Ok(true));
        assert_eq!(order(S::Refunded).refund(), Ok(false));
        assert_eq!(order(S::Pending).refund(), Err(StepError::RefundNonPaid));
    }
}
