//! The register: the one place where the card money of an order at the counter is taken, given back or given up.
//!
//! Stripe's notices, the polls of the app, the simulation and the parts of a split all come here. Each step loads the order,
//! asks `domain` what to do, and does it by one conditional transaction; when the order changed in between, it begins
//! again. A card payment counts once, by the item of its intent; what an order cannot take goes back to the buyer, under
//! an idempotency key made of the payment, so that a step repeated after a crash is done once.

use domain::{
    ids::OrgId,
    money::{Cents, Currency},
    pos::order::{FullOrder, Method, Order, OrderId, Payment, Settlement, StepError},
};
use jiff::Timestamp;
use store::{
    Store, StoreError,
    pos::order::{Intent, Return},
};

use crate::{
    client::{PaymentIntentStatus, Stripe},
    terminal::{CardIntent, CardKind, NewRefund},
    transport::StripeError,
};

mod receipt;
mod refund;
#[cfg(test)]
mod tests;

pub use refund::Refunded;

/// How often a step begins again because the order changed under it.
const ROUNDS: usize = 10;

/// Why a step was not done.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// No such order of this organization.
    #[error("Order not found")]
    NotFound,
    /// The order's state does not allow it.
    #[error(transparent)]
    Step(#[from] StepError),
    /// The organization has no account at Stripe.
    #[error("No connected account found")]
    NoAccount,
    /// No such card payment on the organization's account.
    #[error("Payment intent not found")]
    UnknownIntent,
    /// The card payment has not succeeded.
    #[error("The card payment has not succeeded: it is {}", .0.as_str())]
    NotPaid(PaymentIntentStatus),
    /// It is in another currency than everything at the counter (contract §1.1).
    #[error("The card payment is not in US dollars")]
    Currency,
    /// Less money than was claimed has come, or some of it went back.
    #[error("The card payment brought less than the amount")]
    TooLittle,
    /// The card payment is another order's.
    #[error("The card payment belongs to another order")]
    Taken,
    /// The order cannot take the card payment; the money goes back to the buyer.
    #[error("The order cannot take this card payment; it was refunded")]
    Returned,
    /// The key was used for another amount.
    #[error("This Idempotency-Key was used for another request")]
    KeyReused,
    /// Stripe refuses the refund, in its words.
    #[error("{0}")]
    Refused(String),
    /// The database failed; worth repeating.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Stripe failed; worth repeating.
    #[error(transparent)]
    Stripe(#[from] StripeError),
}

/// A card payment that succeeded at Stripe, whoever says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntentNotice {
    /// Whose account it is on: known from the account, never from what stands in the notice.
    pub org: OrgId,
    /// That account, `acct_…`.
    pub account: String,
    /// `pi_…`.
    pub intent: String,
    /// Did we begin it? An account may sell elsewhere too.
    pub ours: bool,
    /// The order that we wrote on it; one may also be linked, or claim it.
    pub order: Option<OrderId>,
    /// What came.
    pub amount: Cents,
    /// Tip within it, where that is known.
    pub tip: Option<Cents>,
    /// Card or tap to pay.
    pub method: Method,
    /// Has it a share of ours?
    pub has_fee: bool,
    /// The charge, `ch_…`.
    pub charge: Option<String>,
    /// `visa`.
    pub brand: Option<String>,
    /// The card's last four digits.
    pub last4: Option<String>,
    /// Stripe's page with the receipt.
    pub receipt_url: Option<String>,
}

impl IntentNotice {
    /// Reads a card payment on `account`, which is `org`'s. `None` when its money has not come, or is in another currency: we
    /// begin none in any but US dollars.
    pub fn of(org: OrgId, account: &str, intent: &CardIntent) -> Option<Self> {
        let charge = intent.charge();
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let came = intent.status == PaymentIntentStatus::Succeeded && intent.currency == Currency::USD;
        came.then(|| IntentNotice {
            org,
            account: account.to_owned(),
            intent: intent.id.clone(),
            ours: is_ours(org, intent),
            order: order_on(org, intent),
            amount: intent.amount_received,
            tip: None,
            method: method_of(intent.kind()),
            has_fee: intent.application_fee_amount.is_some_and(|fee| fee > Cents::ZERO),
            charge: owned(intent.charge_id()),
            brand: charge.and_then(|charge| owned(charge.brand())),
            last4: charge.and_then(|charge| owned(charge.last4())),
            receipt_url: charge.and_then(|charge| charge.receipt_url.clone()),
        })
    }

    /// The payment that it is to this order. Its tip is the order's when it pays all of it.
    pub fn payment(&self, order: &Order, now: Timestamp) -> Payment {
        let pays_all = order.payments == 0 && self.amount == order.total;
        Payment {
            tip: self.tip.unwrap_or(if pays_all { order.tip } else { Cents::ZERO }),
            charge: self.charge.clone(),
            brand: self.brand.clone(),
            last4: self.last4.clone(),
            receipt_url: self.receipt_url.clone(),
            ..Payment::card(self.method, &self.intent, self.amount, now)
        }
    }
}

/// How an order is paid by a card that is taken so.
pub fn method_of(kind: CardKind) -> Method {
    match kind {
        CardKind::CardPresent => Method::TapToPay,
        CardKind::Card => Method::Card,
    }
}

/// Does a card payment carry our own mark? An account may sell elsewhere too.
fn is_ours(org: OrgId, intent: &CardIntent) -> bool {
    intent.metadata.get("organization_id").is_some_and(|mark| mark.parse() == Ok(org))
}

/// The order that we wrote on a card payment. Only what carries our own mark counts.
pub fn order_on(org: OrgId, intent: &CardIntent) -> Option<OrderId> {
    if is_ours(org, intent) { intent.metadata.get("orderId")?.parse().ok() } else { None }
}

/// What became of a card payment.
#[derive(Clone, Debug, PartialEq)]
pub enum Settled {
    /// It has paid (a part of) its order now: the order as it is.
    Paid(Box<Order>),
    /// It had been counted before, to this order.
    AlreadyPaid(OrderId),
    /// The order could not take it; it was given back.
    Returned,
    /// No order of ours has it yet.
    Unclaimed,
}

/// What the database knows of a card payment.
#[derive(Clone, Debug, Default)]
pub struct Known {
    intent: Option<Intent>,
    /// The order that the payment names.
    named: Option<FullOrder>,
}

/// Everything that a step needs.
#[derive(Clone, Copy)]
pub struct Register<'a> {
    /// The database.
    pub store: &'a Store,
    /// Stripe; absent when payments are not configured.
    pub stripe: Option<&'a Stripe>,
    /// Now.
    pub now: Timestamp,
}

impl Register<'_> {
    /// Links a card payment, on this account, to an order as it was read; the order waits for it from now on. Linking again
    /// changes nothing; another payment takes the place of the first (contract §18, fallback to manual card). Nothing is
    /// linked when its money was heard of meanwhile: `None`, and the caller asks Stripe again.
    /// [`RegisterError::Taken`] when it is another order's, or was given back.
    pub async fn link_intent(
        &self,
        mut full: FullOrder,
        intent: &str,
        account: Option<&str>,
        method: Option<Method>,
    ) -> Result<Option<FullOrder>, RegisterError> {
        crate::client::checked("pi_", intent).map_err(|_| RegisterError::UnknownIntent)?;
        let pos = self.store.pos();
        for _ in 0..ROUNDS {
            let before = &full.order;
            let after = before.link(intent, account, method, self.now);
            let linked = before.intent.as_deref() == Some(intent);
            let unchanged = after.as_ref().is_ok_and(|after| {
                linked
                    && (after.status, after.method, &after.account) == (before.status, before.method, &before.account)
            });
            if unchanged || full.payments.iter().any(|payment| payment.intent.as_deref() == Some(intent)) {
                return Ok(Some(full));
            }
            let after = after?;
            match pos.link_intent(before, &after, intent).await {
                Ok(true) => return Ok(Some(FullOrder { order: after, ..full })),
                Ok(false) => match pos.load_intent(before.org, intent).await? {
                    None => return Ok(None),
                    // It has paid this very order meanwhile.
                    Some(known) if known.paid && known.order == before.id => {}
                    Some(_) => return Err(RegisterError::Taken),
                },
                Err(StoreError::Stale) => {}
                Err(error) => return Err(error.into()),
            }
            full = pos.load_order(before.org, before.id).await?.ok_or(RegisterError::NotFound)?;
        }
        Err(StoreError::Busy.into())
    }

    /// Applies a card payment that succeeded: it pays its order, or is given back. However often, by whomever, and in whatever
    /// order it is reported, it has one effect (invariants 3, 6).
    pub async fn settle_intent(&self, notice: &IntentNotice) -> Result<Settled, RegisterError> {
        self.settle_known_intent(notice, self.read_intent(notice.org, &notice.intent, notice.order).await?).await
    }

    /// The same where what the database knows of it has been read already. It may have changed since: every step is
    /// conditional on what it was decided on.
    pub async fn settle_known_intent(&self, notice: &IntentNotice, known: Known) -> Result<Settled, RegisterError> {
        let settled = self.settle(notice, known, false).await?;
        let outcome = match settled {
            Settled::Paid(_) => "paid",
            Settled::AlreadyPaid(_) => "already paid",
            Settled::Returned => "returned",
            Settled::Unclaimed => "unclaimed",
        };
        tracing::info!(org = %notice.org, intent = notice.intent, outcome, "card payment settled");
        // What was given back while no order had it was heard of in vain. A worker that dies here leaves it to the sweeper.
        let paid = match &settled {
            Settled::Paid(order) => Some(order.id),
            Settled::AlreadyPaid(order) => Some(*order),
            Settled::Returned | Settled::Unclaimed => None,
        };
        if let Some(order) = paid.filter(|_| notice.order.is_none()) {
            self.mirror_unheard(notice.org, &notice.account, &notice.intent, order).await?;
        }
        Ok(settled)
    }

    /// What the database knows of a card payment of `org`, and of the order that it names.
    pub async fn read_intent(&self, org: OrgId, intent: &str, order: Option<OrderId>) -> Result<Known, RegisterError> {
        let pos = self.store.pos();
        let named = async {
            match order {
                Some(order) => pos.load_order(org, order).await,
                None => Ok(None),
            }
        };
        let (intent, named) = tokio::try_join!(pos.load_intent(org, intent), named)?;
        Ok(Known { intent, named })
    }

    /// `claimed`: the notice's order is the only one that may have it.
    async fn settle(&self, notice: &IntentNotice, known: Known, claimed: bool) -> Result<Settled, RegisterError> {
        let pos = self.store.pos();
        let mut read = Some(known);
        for _ in 0..ROUNDS {
            let Known { intent: known, mut named } = match read.take() {
                Some(known) => known,
                None => self.read_intent(notice.org, &notice.intent, notice.order).await?,
            };
            let order = known.as_ref().map(|known| known.order).or(notice.order);
            let Some(order) = order else {
                // Whoever links it from now on knows that its money has come.
                if pos.hear_intent(notice.org, &notice.intent, self.now).await? {
                    return Ok(Settled::Unclaimed);
                }
                continue;
            };
            if claimed && notice.order != Some(order) {
                return Err(RegisterError::Taken);
            }
            match known {
                Some(known) if known.paid => return Ok(Settled::AlreadyPaid(order)),
                Some(known) if known.returned => named = None,
                _ if notice.order != Some(order) => named = pos.load_order(notice.org, order).await?,
                _ => {}
            }
            // An order that is gone, or may not have it any more, cannot take it.
            let Some(FullOrder { order: before, .. }) = named else {
                if self.give_back(order, notice).await? {
                    return Ok(Settled::Returned);
                }
                continue;
            };
            let payment = notice.payment(&before, self.now);
            let account = before.account.clone().or_else(|| Some(notice.account.clone()));
            let add = async |after: &Order| match claimed || notice.order.is_none() {
                true => pos.add_unheard_payment(&before, after, &payment).await,
                false => pos.add_payment(&before, after, &payment, None).await,
            };
            match before.settle(&payment, self.now) {
                Settlement::Pays(after) => {
                    let after = Order { account, ..*after };
                    match add(&after).await {
                        Ok(true) => return Ok(Settled::Paid(Box::new(after))),
                        Ok(false) | Err(StoreError::Stale) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                Settlement::Return if self.give_back(order, notice).await? => return Ok(Settled::Returned),
                Settlement::Return => {}
            }
        }
        Err(StoreError::Busy.into())
    }

    /// Gives back a card payment that its order cannot take. First it is noted, so that no repeated notice pays an order with
    /// money that is on its way back; a notice that finds the note, or the sweeper, sends the money again, which Stripe does
    /// once. An order that waits for it does so no longer. False when it has paid its order meanwhile.
    async fn give_back(&self, order: OrderId, notice: &IntentNotice) -> Result<bool, RegisterError> {
        let IntentNotice { org, account, intent, has_fee, .. } = notice.clone();
        let wanted = Return { org, order, intent, account, has_fee };
        if !self.store.pos().return_intent(&wanted, self.now).await? {
            return Ok(false);
        }
        self.send_return(&wanted).await?;
        Ok(true)
    }

    async fn send_return(&self, wanted: &Return) -> Result<(), RegisterError> {
        let Return { org, order, intent, account, has_fee } = wanted;
        self.decline_intent(*org, intent).await?;
        let refund = NewRefund {
            payment_intent: intent.clone(),
            refund_application_fee: has_fee.then_some(true),
            ..NewRefund::default()
        };
        match self.on(account)?.refund_intent(&refund, &format!("return:{intent}")).await {
            Ok(_) | Err(StripeError::AlreadyRefunded) => {}
            Err(error) => return Err(error.into()),
        }
        self.store.pos().mark_returned(*org, intent).await?;
        tracing::warn!(%org, %order, intent, "a card payment that could not be honoured was given back");
        Ok(())
    }

    /// A card was declined, or its payment given up or given back: the order that waits for it fails, until another card pays it.
    /// True when that changed the order.
    pub async fn decline_intent(&self, org: OrgId, intent: &str) -> Result<bool, RegisterError> {
        let pos = self.store.pos();
        for _ in 0..ROUNDS {
            let Some(known) = pos.load_intent(org, intent).await? else { return Ok(false) };
            if known.paid {
                return Ok(false);
            }
            let Some(FullOrder { order: before, .. }) = pos.load_order(org, known.order).await? else {
                return Ok(false);
            };
            let Some(after) = before.decline(intent, self.now) else { return Ok(false) };
            match pos.save_order(&before, &after).await {
                Ok(()) => return Ok(true),
                Err(StoreError::Stale) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Busy.into())
    }

    /// Counts a card payment as a part of an order (contract §8, split): verified at Stripe to have brought at least `amount`
    /// on the organization's own account. It counts as what it brought. Repeated, it answers as the first time.
    /// [`RegisterError::Returned`] when it is more than what is left to pay: then it goes back to the buyer.
    pub async fn add_card_payment(
        &self,
        org: OrgId,
        order: OrderId,
        method: Method,
        intent: &str,
        amount: Cents,
        tip: Cents,
    ) -> Result<(Order, Payment), RegisterError> {
        let pos = self.store.pos();
        let terms = async { Ok(pos.load_terms(org).await?) };
        let (known, terms) = tokio::try_join!(self.read_intent(org, intent, Some(order)), terms)?;
        let full = known.named.as_ref();
        if let Some(counted) = full.and_then(|full| counted(full, intent)) {
            return Ok(counted);
        }
        if full.is_none() && !pos.is_deleted_order(org, order).await? {
            return Err(RegisterError::NotFound);
        }
        let account = terms.account.ok_or(RegisterError::NoAccount)?.account;
        let card = match self.on(&account)?.retrieve_intent(intent).await {
            Err(StripeError::NotFound) => return Err(RegisterError::UnknownIntent),
            card => card?,
        };
        if card.currency != Currency::USD {
            return Err(RegisterError::Currency);
        }
        let notice = IntentNotice::of(org, &account, &card).ok_or(RegisterError::NotPaid(card.status))?;
        if notice.order.is_some_and(|named| named != order) {
            return Err(RegisterError::Taken);
        }
        if !notice.ours {
            // Somebody else's sale on the account is not given back because an order here has no use for it.
            full.ok_or(RegisterError::NotFound)?.order.may_take(notice.amount)?;
        }
        let returned = known.intent.as_ref().is_some_and(|known| known.returned);
        let less = card.charge().is_some_and(|charge| charge.amount_refunded > Cents::ZERO) && !returned;
        if amount > notice.amount || less {
            return Err(RegisterError::TooLittle);
        }
        let notice = IntentNotice { order: Some(order), tip: Some(tip), method, ..notice };
        self.claim(order, &notice, known).await?;
        let full = pos.load_order(org, order).await?.ok_or(RegisterError::NotFound)?;
        counted(&full, intent).ok_or(RegisterError::NotFound)
    }

    /// Counts what went back of a card payment before its order had it, and notes that it is known.
    pub async fn follow_unheard(&self, order: OrderId, notice: &IntentNotice) -> Result<(), RegisterError> {
        self.mirror_unheard(notice.org, &notice.account, &notice.intent, order).await
    }

    /// Counts a card payment whose money has come to this order, whatever stands on it: one step, so that nobody who dies
    /// leaves it linked and never counted. [`RegisterError::Taken`] when it is another order's;
    /// [`RegisterError::Returned`] when the order cannot take it: then it goes back to the buyer.
    pub async fn claim_intent(&self, order: OrderId, notice: &IntentNotice) -> Result<(), RegisterError> {
        let known = self.read_intent(notice.org, &notice.intent, Some(order)).await?;
        self.claim(order, &IntentNotice { order: Some(order), ..notice.clone() }, known).await
    }

    async fn claim(&self, order: OrderId, notice: &IntentNotice, known: Known) -> Result<(), RegisterError> {
        match self.settle(notice, known, true).await? {
            Settled::Returned | Settled::Unclaimed => Err(RegisterError::Returned),
            Settled::Paid(_) | Settled::AlreadyPaid(_) => self.follow_unheard(order, notice).await,
        }
    }

    /// Stripe, in the name of an account.
    fn on(&self, account: &str) -> Result<Stripe, RegisterError> {
        let stripe = self.stripe.ok_or(StripeError::NotConfigured { message: "no key" })?;
        Ok(stripe.on_account(account))
    }
}

/// The order, and the payment that a card payment is to it.
fn counted(full: &FullOrder, intent: &str) -> Option<(Order, Payment)> {
    let payment = full.payments.iter().find(|payment| payment.intent.as_deref() == Some(intent))?;
    Some((full.order.clone(), payment.clone()))
}
