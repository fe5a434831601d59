//! Orders at the counter: what may happen to one, and what it then looks like (contract §8, §18, §19).
//!
//! Every step is a pure function from the order as it stands to the order as it will be. The store writes the new one
//! only over the very version that the step was decided on, so a step that raced with another is decided again.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::customer::customer_id;
pub use super::number::OrderId;
use crate::{
    ids::{CatalogId, CatalogProductId, CategoryId, CustomerId, OrgId, ProductId, UserId},
    money::Cents,
    time::millis,
};

/// Lines of an order at most: all of them are one item.
pub const MAX_LINES: usize = 200;

/// Payments of an order at most.
pub const MAX_PAYMENTS: u32 = 50;

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Made, not paid.
    Pending,
    /// A card payment is on its way.
    Processing,
    /// Paid in whole.
    Completed,
    /// The last card was declined; another may still pay it.
    Failed,
    /// Paid, and all of it given back.
    Refunded,
    /// Put aside.
    Held,
}

impl Status {
    /// The wire spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Refunded => "refunded",
            Self::Held => "held",
        }
    }

    /// Every status.
    pub const ALL: [Status; 6] =
        [Self::Pending, Self::Processing, Self::Completed, Self::Failed, Self::Refunded, Self::Held];
}

/// How an order is, or will be, paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A card's number.
    Card,
    /// Notes and coins.
    Cash,
    /// A card held to the phone.
    TapToPay,
    /// Several payments.
    Split,
}

impl Method {
    /// The wire spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::Cash => "cash",
            Self::TapToPay => "tap_to_pay",
            Self::Split => "split",
        }
    }
}

/// One line: what was sold, as it was then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Unique within the order.
    pub id: Uuid,
    /// The product of the library, while it exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<ProductId>,
    /// As the catalog sells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalog_product: Option<CatalogProductId>,
    /// Its category then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<CategoryId>,
    /// Its name then.
    pub name: String,
    /// How many, at least one.
    pub quantity: u32,
    /// The price of one.
    pub unit_price: Cents,
    /// What the buyer asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
}

/// An order, without its lines, payments and refunds, which are rows of their own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// Its id, and by it its number.
    pub id: OrderId,
    /// Who sells.
    pub org: OrgId,
    /// Rises with every change: what a step was decided on.
    pub version: u32,
    /// Where it stands.
    pub status: Status,
    /// How it is, or will be, paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// Price of all lines, as the client reckoned it.
    pub subtotal: Cents,
    /// Tax on it.
    pub tax: Cents,
    /// Tip.
    pub tip: Cents,
    /// What is to be paid.
    pub total: Cents,
    /// Sum of its payments; the total, once completed.
    pub paid: Cents,
    /// Sum of its refunds, those on their way included; never above `paid`.
    pub refunded: Cents,
    /// How many payments it has.
    pub payments: u32,
    /// The card payment that is linked to it now, `pi_…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<String>,
    /// The connected account that its card payments belong to, `acct_…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Where a receipt goes; lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_email: Option<String>,
    /// Whose order, when an address was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<CustomerId>,
    /// The catalog it was sold from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalog: Option<CatalogId>,
    /// Who sold it.
    pub user: UserId,
    /// The phone it was sold with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// For the kitchen, or for oneself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// Under which name it was put aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_name: Option<String>,
    /// When it was put aside.
    #[serde(with = "millis::option", default, skip_serializing_if = "Option::is_none")]
    pub held_at: Option<Timestamp>,
    /// By whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_by: Option<UserId>,
    /// An amount without lines.
    #[serde(default)]
    pub quick_charge: bool,
    /// What the amount is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How many lines it has.
    pub item_count: u32,
    /// When it was made.
    #[serde(with = "millis")]
    pub created_at: Timestamp,
    /// When it last changed.
    #[serde(with = "millis")]
    pub updated_at: Timestamp,
    /// When it was paid in whole.
    #[serde(with = "millis::option", default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
}

/// A payment of an order. Its id is derived from what it was paid by, so that it is counted once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Payment {
    /// Unique within the order: the intent's, the client key's, or random.
    pub id: Uuid,
    /// `Card`, `Cash` or `TapToPay`.
    pub method: Method,
    /// What it paid.
    pub amount: Cents,
    /// Tip within it, as the client says.
    pub tip: Cents,
    /// Handed over in cash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cash_tendered: Option<Cents>,
    /// Given back of it at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cash_change: Option<Cents>,
    /// The card payment, `pi_…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<String>,
    /// The charge that brought the money, `ch_…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge: Option<String>,
    /// `visa`, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
    /// The card's last four digits, where they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last4: Option<String>,
    /// Stripe's page with the receipt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt_url: Option<String>,
    /// When it came.
    #[serde(with = "millis")]
    pub created_at: Timestamp,
}

/// How far a refund is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RefundStatus {
    /// Reserved on the order; the money is not on its way yet.
    Pending,
    /// Given back.
    Succeeded,
    /// Stripe refused it; the order's reservation is undone.
    Failed,
}

/// Money of one payment given back. Written as pending before Stripe is asked, so that a crash in between loses nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refund {
    /// Unique within the order; also Stripe's idempotency key.
    pub id: Uuid,
    /// The payment it is of.
    pub payment: Uuid,
    /// That payment's intent; absent for cash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<String>,
    /// How much.
    pub amount: Cents,
    /// Why, in Stripe's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How far it is.
    pub status: RefundStatus,
    /// Stripe's name for it, `re_…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// By whom; absent when it was done at Stripe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<UserId>,
    /// When it was asked for.
    #[serde(with = "millis")]
    pub created_at: Timestamp,
}

/// An order with all its rows.
#[derive(Clone, Debug, PartialEq)]
pub struct FullOrder {
    /// The order.
    pub order: Order,
    /// Its lines, as they were entered.
    pub lines: Vec<Line>,
    /// Its payments, oldest first.
    pub payments: Vec<Payment>,
    /// Its refunds, oldest first.
    pub refunds: Vec<Refund>,
}

/// Why a step is not possible. The text is for the person at the counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// The status does not allow it.
    #[error("The order is {}", .0.as_str())]
    Status(Status),
    /// Less cash than is due.
    #[error("The cash tendered is less than the amount due")]
    TooLittleCash,
    /// More than is left to pay.
    #[error("The amount is more than the remaining balance")]
    TooMuch,
    /// More than is left to give back.
    #[error("The amount is more than what is left to refund")]
    NothingLeft,
    /// Too many payments.
    #[error("The order has too many payments")]
    TooMany,
    /// Subtotal, tax and tip do not make the total (contract §19), or an amount is negative.
    #[error("The total must be subtotal plus tax plus tip")]
    Total,
    /// Somebody has paid a part of it.
    #[error("A part of the order is paid already")]
    Paid,
}

/// What a client changes about an order. Absent is unchanged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Edit {
    /// Price of all lines.
    pub subtotal: Option<Cents>,
    /// Tax on it.
    pub tax: Option<Cents>,
    /// Tip.
    pub tip: Option<Cents>,
    /// What is to be paid; follows from the other three where it is absent.
    pub total: Option<Cents>,
    /// How it will be paid.
    pub method: Option<Method>,
    /// Under which name it is put aside.
    pub hold_name: Option<String>,
    /// `Some(None)` takes them away.
    pub notes: Option<Option<String>>,
    /// Lower case; `Some(None)` takes it away.
    pub customer_email: Option<Option<String>>,
}

/// What a card payment that succeeded means for its order.
#[derive(Clone, Debug, PartialEq)]
pub enum Settlement {
    /// It pays the order, in part or whole: the order as it will be.
    Pays(Box<Order>),
    /// It cannot be honoured (the order is paid, or it is more than what is left) and must be given back.
    Return,
}

impl Order {
    /// What is left to pay; never negative.
    pub fn remaining(&self) -> Cents {
        (self.total - self.paid).max(Cents::ZERO)
    }

    /// What can still be given back.
    pub fn refundable(&self) -> Cents {
        (self.paid - self.refunded).max(Cents::ZERO)
    }

    /// Does the total hold together (contract §19)?
    pub fn check_total(&self) -> Result<(), StepError> {
        let parts = [self.subtotal, self.tax, self.tip, self.total];
        let whole = self.subtotal + self.tax + self.tip == self.total;
        if whole && parts.iter().all(|part| *part >= Cents::ZERO) { Ok(()) } else { Err(StepError::Total) }
    }

    fn changed(&self, now: Timestamp) -> Order {
        Order { version: self.version + 1, updated_at: now, ..self.clone() }
    }

    fn in_any(&self, allowed: &[Status]) -> Result<(), StepError> {
        if allowed.contains(&self.status) { Ok(()) } else { Err(StepError::Status(self.status)) }
    }

    /// Links a card payment; a second one takes the place of the first (contract §18, fallback to manual card).
    pub fn link(
        &self,
        intent: &str,
        account: Option<&str>,
        method: Option<Method>,
        now: Timestamp,
    ) -> Result<Order, StepError> {
        self.in_any(&[Status::Pending, Status::Processing, Status::Failed])?;
        Ok(Order {
            status: Status::Processing,
            intent: Some(intent.to_owned()),
            account: account.map(str::to_owned).or_else(|| self.account.clone()),
            method: method.or(self.method),
            ..self.changed(now)
        })
    }

    /// Adds a payment: the order is completed once all of it is paid.
    fn with_payment(&self, payment: &Payment, now: Timestamp) -> Result<Order, StepError> {
        if payment.amount > self.remaining() || (payment.amount.is_zero() && !self.total.is_zero()) {
            return Err(StepError::TooMuch);
        }
        if self.payments >= MAX_PAYMENTS {
            return Err(StepError::TooMany);
        }
        let mut paid = Order { paid: self.paid + payment.amount, payments: self.payments + 1, ..self.changed(now) };
        if paid.payments == 1 && payment.intent.is_some() {
            // Whichever card was linked: this one has paid.
            paid.intent = payment.intent.clone();
        }
        if paid.paid == paid.total {
            paid.status = Status::Completed;
            paid.completed_at = Some(now);
            paid.held_at = None;
            paid.held_by = None;
            paid.method = Some(if paid.payments > 1 { Method::Split } else { payment.method });
        }
        Ok(paid)
    }

    /// May a card payment of `amount` be asked for, or be made this order's? Refused before the buyer's money moves, since what
    /// an order cannot take goes back.
    pub fn may_take(&self, amount: Cents) -> Result<(), StepError> {
        if matches!(self.status, Status::Completed | Status::Refunded) {
            return Err(StepError::Status(self.status));
        }
        if amount > self.remaining() { Err(StepError::TooMuch) } else { Ok(()) }
    }

    /// A payment that the person at the counter takes: cash, or a part of a split (contract §8).
    pub fn pay(&self, payment: &Payment, now: Timestamp) -> Result<Order, StepError> {
        self.in_any(&[Status::Pending, Status::Held, Status::Processing])?;
        if payment.cash_tendered.is_some_and(|tendered| tendered < payment.amount) {
            return Err(StepError::TooLittleCash);
        }
        self.with_payment(payment, now)
    }

    /// All that is left of the order in cash. Answers the payment, whose change is what goes back over the counter.
    pub fn pay_cash(&self, id: Uuid, tendered: Cents, now: Timestamp) -> Result<(Order, Payment), StepError> {
        self.in_any(&[Status::Pending, Status::Held])?;
        let due = self.remaining();
        if tendered < due {
            return Err(StepError::TooLittleCash);
        }
        // Which of several payments has the tip in it, only the client could say.
        let tip = if self.paid.is_zero() { self.tip } else { Cents::ZERO };
        let payment = Payment::cash(id, due, tip, tendered, now);
        Ok((self.with_payment(&payment, now)?, payment))
    }

    /// A card payment that succeeded at Stripe. Whoever reports it, and however the order stands, it pays what it can or
    /// is given back: money that came is never ignored (invariant 3).
    pub fn settle(&self, payment: &Payment, now: Timestamp) -> Settlement {
        let open = [Status::Pending, Status::Processing, Status::Held, Status::Failed];
        match self.in_any(&open).and_then(|()| self.with_payment(payment, now)) {
            Ok(order) => Settlement::Pays(Box::new(order)),
            Err(_) => Settlement::Return,
        }
    }

    /// The linked card was declined. Nothing for an intent that is no longer linked, or an order that does not wait for it.
    pub fn decline(&self, intent: &str, now: Timestamp) -> Option<Order> {
        let waits = self.status == Status::Processing && self.intent.as_deref() == Some(intent);
        waits.then(|| Order { status: Status::Failed, ..self.changed(now) })
    }

    /// Reserves a refund: it counts as given back from now on, so that two at once cannot give back more than was paid.
    pub fn refund(&self, amount: Cents, now: Timestamp) -> Result<Order, StepError> {
        self.in_any(&[Status::Completed])?;
        self.mirror_refund(amount, now)
    }

    /// Money of one of its payments that somebody gave back at Stripe, however the order stands: one that is paid in part has
    /// been paid that part all the same, and still wants the rest.
    pub fn mirror_refund(&self, amount: Cents, now: Timestamp) -> Result<Order, StepError> {
        if amount <= Cents::ZERO || amount > self.refundable() {
            return Err(StepError::NothingLeft);
        }
        let refunded = self.refunded + amount;
        let whole = refunded == self.paid && self.status == Status::Completed;
        let status = if whole { Status::Refunded } else { self.status };
        Ok(Order { refunded, status, ..self.changed(now) })
    }

    /// Undoes the reservation of a refund that Stripe refused.
    pub fn undo_refund(&self, amount: Cents, now: Timestamp) -> Order {
        let status = if self.status == Status::Refunded { Status::Completed } else { self.status };
        Order { refunded: (self.refunded - amount).max(Cents::ZERO), status, ..self.changed(now) }
    }

    /// Puts the order aside with what changed meanwhile (contract §8: only from `pending`).
    pub fn hold(&self, by: UserId, edit: Edit, now: Timestamp) -> Result<Order, StepError> {
        self.in_any(&[Status::Pending])?;
        Ok(Order { status: Status::Held, held_at: Some(now), held_by: Some(by), ..self.edit(edit, now)? })
    }

    /// Takes it up again; its name is kept.
    pub fn resume(&self, now: Timestamp) -> Result<Order, StepError> {
        self.in_any(&[Status::Held])?;
        Ok(Order { status: Status::Pending, held_at: None, held_by: None, ..self.changed(now) })
    }

    /// Gives up a payment that was on its way or not begun. A card that pays all the same is honoured, see [`Order::settle`].
    pub fn fail(&self, now: Timestamp) -> Result<Order, StepError> {
        self.in_any(&[Status::Pending, Status::Processing])?;
        Ok(Order { status: Status::Failed, ..self.changed(now) })
    }

    /// May it be deleted? Only what nobody has paid anything for.
    pub fn delete(&self) -> Result<(), StepError> {
        self.in_any(&[Status::Pending, Status::Held])?;
        if self.paid.is_zero() { Ok(()) } else { Err(StepError::Paid) }
    }

    /// Edits by the client: a price that somebody has begun to pay stays, and the total must hold together.
    pub fn edit(&self, edit: Edit, now: Timestamp) -> Result<Order, StepError> {
        let mut edited = self.changed(now);
        edited.hold_name = edit.hold_name.or(edited.hold_name);
        edited.notes = edit.notes.unwrap_or(edited.notes);
        if let Some(method) = edit.method.filter(|method| Some(*method) != self.method) {
            self.in_any(&[Status::Pending, Status::Held, Status::Processing, Status::Failed])?;
            edited.method = Some(method);
        }
        if let Some(email) = edit.customer_email {
            edited.set_customer(email);
        }
        edited.subtotal = edit.subtotal.unwrap_or(self.subtotal);
        edited.tax = edit.tax.unwrap_or(self.tax);
        edited.tip = edit.tip.unwrap_or(self.tip);
        edited.total = edit.total.unwrap_or(edited.subtotal + edited.tax + edited.tip);
        edited.check_total()?;
        let price = |order: &Order| (order.subtotal, order.tax, order.tip, order.total);
        if price(&edited) != price(self) {
            self.in_any(&[Status::Pending, Status::Held])?;
            if !self.paid.is_zero() {
                return Err(StepError::Paid);
            }
        }
        Ok(edited)
    }

    /// Whose order it is, by a lower-case address: a receipt goes there, and a customer of its catalog is known by it.
    pub fn set_customer(&mut self, email: Option<String>) {
        self.customer = email.as_deref().map(|email| customer_id(self.org, self.catalog, email));
        self.customer_email = email;
    }
}

impl Payment {
    /// Cash for `amount`.
    pub fn cash(id: Uuid, amount: Cents, tip: Cents, tendered: Cents, now: Timestamp) -> Self {
        Payment {
            id,
            method: Method::Cash,
            amount,
            tip,
            cash_tendered: Some(tendered),
            cash_change: Some(tendered - amount),
            intent: None,
            charge: None,
            brand: None,
            last4: None,
            receipt_url: None,
            created_at: now,
        }
    }

    /// A card payment of `amount` by the intent `pi_…`.
    pub fn card(method: Method, intent: &str, amount: Cents, now: Timestamp) -> Self {
        Payment {
            id: payment_id(intent),
            method,
            amount,
            tip: Cents::ZERO,
            cash_tendered: None,
            cash_change: None,
            intent: Some(intent.to_owned()),
            charge: None,
            brand: None,
            last4: None,
            receipt_url: None,
            created_at: now,
        }
    }
}

/// The id that a payment has by what it was paid by (an intent, a client's key): the same, however often it is reported.
pub fn payment_id(reference: &str) -> Uuid {
    use sha2::{Digest, Sha256};
    let hash = Sha256::digest(format!("pos payment\0{reference}"));
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

/// How a refund is shared among an order's payments: newest first, cards before cash, none above what is left of it.
///
/// The sum is exactly `amount`, unless the payments have less left: then it is refused.
pub fn share_refund(payments: &[Payment], refunds: &[Refund], amount: Cents) -> Result<Vec<(Uuid, Cents)>, StepError> {
    let given_back = |payment: &Payment| -> Cents {
        let of_it =
            refunds.iter().filter(|refund| refund.payment == payment.id && refund.status != RefundStatus::Failed);
        of_it.map(|refund| refund.amount).sum()
    };
    let mut by_age: Vec<&Payment> = payments.iter().rev().collect();
    by_age.sort_by_key(|payment| payment.method == Method::Cash);
    let mut left = amount;
    let mut shares = vec![];
    for payment in by_age {
        let share = left.min(payment.amount - given_back(payment));
        if share > Cents::ZERO {
            shares.push((payment.id, share));
            left = left - share;
        }
    }
    if left.is_zero() && amount > Cents::ZERO { Ok(shares) } else { Err(StepError::NothingLeft) }
}

#[cfg(test)]
pub(in crate::pos) mod tests;
