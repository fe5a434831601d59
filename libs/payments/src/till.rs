//! The till: the one place where an order's money is taken, given up or given back.
//!
//! Webhooks, staff, the expiry worker and the sweeper all come here. Each step loads the order, asks `domain` what to
//! do, and does it by one conditional transaction; when the order changed in between, it begins again. What is done at
//! Stripe carries an idempotency key made of the order or payment, so that a step repeated after a crash is done once.

use domain::{
    audit::AuditEntry,
    mail::MailPolicy,
    tickets::{
        number::OrderNumber,
        order::{Order, OrderStatus, Settlement, StepError},
        payment::{Payment, Provider},
    },
};
use jiff::Timestamp;
use store::{PlaceError, Store, StoreError};

use crate::{
    client::{CheckoutSession, Expiry, PaymentRef, Stripe},
    transport::StripeError,
};

/// How often a step begins again because the order changed under it.
const ROUNDS: usize = 10;

/// Why a step was not done. All of them are worth repeating, but for `Step`.
#[derive(Debug, thiserror::Error)]
pub enum TillError {
    /// The order's state does not allow it.
    #[error(transparent)]
    Step(#[from] StepError),
    /// No such order.
    #[error("no such order")]
    NotFound,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Stripe failed.
    #[error(transparent)]
    Stripe(#[from] StripeError),
}

/// What became of a reported payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The order is paid now, by this payment.
    Paid,
    /// This notice had been applied before.
    AlreadyPaid,
    /// It could not be honoured and was given back.
    Returned,
    /// It could not be honoured, and is not ours to give back: a person must.
    ReturnDue,
    /// Staff may only confirm what is pending.
    NotPending,
    /// Another amount or currency than the order's: a person must look.
    WrongAmount,
}

/// What became of an order whose time may have run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expired {
    /// Its stock is for sale again.
    Released,
    /// It was paid after all.
    Paid,
    /// It is not pending (any more).
    Settled,
    /// Its time has not come; look again then.
    NotDue(Timestamp),
}

/// Everything that a step needs.
#[derive(Clone, Copy)]
pub struct Till<'a> {
    /// The database.
    pub store: &'a Store,
    /// Stripe; absent when payments are not configured.
    pub stripe: Option<&'a Stripe>,
    /// Now.
    pub now: Timestamp,
}

impl Till<'_> {
    /// Applies a payment that a provider, or staff, reports: pays the order and queues its ticket, or honours it late,
    /// or gives it back. However often and in whatever order notices come, each payment has one effect (invariants 3, 6).
    pub async fn settle_payment(
        &self,
        number: OrderNumber,
        payment: &Payment,
        mail: MailPolicy,
        audit: Option<&AuditEntry>,
    ) -> Result<Outcome, TillError> {
        for _ in 0..ROUNDS {
            let order = self.store.load_order(number).await?.ok_or(TillError::NotFound)?;
            let step: Result<Outcome, TillError> = match order.settle(payment) {
                Settlement::Confirm => {
                    let done = self.store.confirm_order(&order, payment, mail, audit, self.now).await;
                    done.map(|()| Outcome::Paid).map_err(TillError::from)
                }
                Settlement::Reclaim => match self.store.reclaim_order(&order, payment, self.now).await {
                    Ok(()) => Ok(Outcome::Paid),
                    Err(PlaceError::SoldOut(_)) => self.give_back(&order, payment).await,
                    Err(PlaceError::Store(error)) => Err(error.into()),
                    Err(PlaceError::Exists(_)) => Err(StoreError::Stale.into()),
                },
                Settlement::Adopt => {
                    let reference = payment.reference.as_deref().unwrap_or_default();
                    let done = self.store.adopt_payment(number, reference).await;
                    done.map(|()| Outcome::AlreadyPaid).map_err(TillError::from)
                }
                Settlement::Return | Settlement::AlreadyReturned => self.give_back(&order, payment).await,
                Settlement::AlreadyPaid => Ok(Outcome::AlreadyPaid),
                Settlement::NotPending => Ok(Outcome::NotPending),
                Settlement::WrongAmount => {
                    tracing::error!(%number, "a payment of another amount than the order's was reported");
                    Ok(Outcome::WrongAmount)
                }
            };
            match step {
                Err(TillError::Store(StoreError::Stale)) => {}
                step => return step.inspect(|outcome| tracing::info!(%number, ?outcome, "payment settled")),
            }
        }
        Err(StoreError::Busy.into())
    }

    /// Gives back a payment that cannot be honoured. First it is noted, so that no repeated notice pays the order with
    /// money that is on its way back; a notice that finds the note sends the money again, which Stripe does once.
    async fn give_back(&self, order: &Order, payment: &Payment) -> Result<Outcome, TillError> {
        let number = order.number;
        if let Some(reference) = &payment.reference
            && !order.returned_refs.contains(reference)
        {
            self.store.note_returned(order, reference).await?;
        }
        let reference = payment.reference.as_deref().unwrap_or_default();
        let (Some(stripe), Some(at_stripe)) = (self.stripe, PaymentRef::parse(reference)) else {
            tracing::error!(%number, "a payment that cannot be honoured must be given back by hand");
            return Ok(Outcome::ReturnDue);
        };
        match stripe.refund_payment(&at_stripe, None, &format!("return:{reference}")).await {
            Ok(_) | Err(StripeError::AlreadyRefunded) => {}
            Err(StripeError::NotFound) => {
                tracing::error!(%number, "a payment that cannot be honoured is unknown to Stripe");
                return Ok(Outcome::ReturnDue);
            }
            Err(error) => return Err(error.into()),
        }
        tracing::warn!(%number, "a payment that could not be honoured was given back");
        Ok(Outcome::Returned)
    }

    /// Refunds a paid order in whole: the money at Stripe, if it was taken there, then order and stock.
    /// `Ok(false)`: it had been refunded before.
    pub async fn refund_order(&self, number: OrderNumber, audit: Option<&AuditEntry>) -> Result<bool, TillError> {
        for _ in 0..ROUNDS {
            let order = self.store.load_order(number).await?.ok_or(TillError::NotFound)?;
            if !order.refund()? {
                return Ok(false);
            }
            let at_stripe = order.payment_ref.as_deref().and_then(PaymentRef::parse);
            if let (Some(stripe), Some(payment)) = (self.stripe, at_stripe) {
                match stripe.refund_payment(&payment, Some(order.total), &format!("refund:{number}")).await {
                    Ok(_) | Err(StripeError::AlreadyRefunded) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            match self.store.refund_order(&order, audit).await {
                Ok(()) => return Ok(true),
                Err(StoreError::Stale) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Busy.into())
    }

    /// Applies a refund that happened at Stripe (its dashboard, a dispute): the order follows the money. A payment whose
    /// refund is heard of before itself is noted, and pays nothing when its own notice comes.
    pub async fn follow_refund(&self, number: OrderNumber, payment_ref: &str) -> Result<bool, TillError> {
        for _ in 0..ROUNDS {
            let order = self.store.load_order(number).await?.ok_or(TillError::NotFound)?;
            let step = if order.payment_ref.as_deref() != Some(payment_ref) {
                if order.returned_refs.iter().any(|known| known == payment_ref) {
                    return Ok(false);
                }
                self.store.note_returned(&order, payment_ref).await.map(|()| false)
            } else if order.status == OrderStatus::Paid {
                self.store.refund_order(&order, None).await.map(|()| true)
            } else {
                return Ok(false);
            };
            match step {
                Err(StoreError::Stale) => {}
                step => return Ok(step?),
            }
        }
        Err(StoreError::Busy.into())
    }

    /// Cancels a pending order for staff. `Ok(false)`: it had been given up before.
    pub async fn cancel_order(&self, number: OrderNumber, audit: Option<&AuditEntry>) -> Result<bool, TillError> {
        for _ in 0..ROUNDS {
            let order = self.store.load_order(number).await?.ok_or(TillError::NotFound)?;
            if !order.cancel()? {
                return Ok(false);
            }
            match self.store.release_order(&order, OrderStatus::Cancelled, audit).await {
                Ok(()) => {
                    self.close_checkout(&order).await;
                    return Ok(true);
                }
                Err(StoreError::Stale) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Busy.into())
    }

    /// Gives up an order whose time to pay has run out, unless Stripe says that it was paid.
    pub async fn expire_order(&self, number: OrderNumber) -> Result<Expired, TillError> {
        let order = self.store.load_order(number).await?.ok_or(TillError::NotFound)?;
        if order.status != OrderStatus::Pending {
            return Ok(Expired::Settled);
        }
        if !order.is_overdue(self.now) {
            return Ok(Expired::NotDue(order.expires_at));
        }
        // The session is closed before the stock is freed: after that nobody can pay for what is gone.
        if let (Some(stripe), Some(checkout)) = (self.stripe, &order.checkout) {
            match stripe.expire_checkout(checkout).await {
                Ok(Expiry::AlreadyComplete) if self.reconcile(&order, stripe, checkout).await? => {
                    return Ok(Expired::Paid);
                }
                Ok(_) | Err(StripeError::NotFound) => {}
                Err(error) => return Err(error.into()),
            }
        }
        match self.store.release_order(&order, OrderStatus::Expired, None).await {
            Ok(()) => Ok(Expired::Released),
            Err(StoreError::Stale) => Ok(Expired::Settled),
            Err(error) => Err(error.into()),
        }
    }

    /// Asks Stripe whether a pending order was paid without our being told. True when it is paid now.
    pub async fn reconcile_order(&self, number: OrderNumber) -> Result<bool, TillError> {
        let order = self.store.load_order(number).await?.ok_or(TillError::NotFound)?;
        match (self.stripe, &order.checkout) {
            (Some(stripe), Some(checkout)) if order.status == OrderStatus::Pending => {
                self.reconcile(&order, stripe, checkout).await
            }
            _ => Ok(false),
        }
    }

    async fn reconcile(&self, order: &Order, stripe: &Stripe, checkout: &str) -> Result<bool, TillError> {
        let session = match stripe.retrieve_checkout(checkout).await {
            Err(StripeError::NotFound) => return Ok(false),
            session => session?,
        };
        let Some(payment) = payment_of(&session) else { return Ok(false) };
        let outcome = self.settle_payment(order.number, &payment, MailPolicy::Send, None).await?;
        Ok(matches!(outcome, Outcome::Paid | Outcome::AlreadyPaid))
    }

    /// Closes an order's checkout session so that nobody pays for it any more. A failure is no harm: a payment that
    /// comes all the same is given back.
    async fn close_checkout(&self, order: &Order) {
        if let (Some(stripe), Some(checkout)) = (self.stripe, &order.checkout)
            && let Err(error) = stripe.expire_checkout(checkout).await
        {
            tracing::warn!(number = %order.number, %error, "checkout session not closed");
        }
    }
}

/// The payment in a checkout session, once all of the money has come.
pub fn payment_of(session: &CheckoutSession) -> Option<Payment> {
    session.is_paid().then(|| Payment {
        provider: Provider::Stripe,
        reference: session.payment_intent.clone().or_else(|| Some(session.id.clone())),
        amount: Some(session.amount_total),
        currency: Some(session.currency),
        by: None,
    })
}
