//! Money given back: reserved on the order first, then sent by Stripe, then confirmed.
//!
//! A crash in between leaves a pending row, which `resume_refunds` carries on. What happens at Stripe's own dashboard is
//! mirrored: a notice is only the reason to ask Stripe what was given back, so that notices may come twice, late and in
//! any order.

use std::{
    collections::BTreeMap,
    future::ready,
    time::{Duration, Instant},
};

use domain::{
    ids::{OrgId, UserId},
    money::Cents,
    pos::order::{
        FullOrder, Order, OrderId, Payment, Refund, RefundStatus as RowStatus, StepError, payment_id, share_refund,
    },
};
use futures_util::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use store::{StoreError, pos::order::Return};
use uuid::Uuid;

use super::{IntentNotice, ROUNDS, Register, RegisterError, Settled};
use crate::{
    client::RefundStatus,
    terminal::{CardRefund, NewRefund},
    transport::StripeError,
};

/// A pending refund younger than this is still being sent by the request that made it.
const PATIENCE: SignedDuration = SignedDuration::from_secs(30);

/// Pending refunds that one sweep carries on.
const SWEPT: usize = 200;

/// Of which so many at once.
const AT_ONCE: usize = 8;

/// No more is begun after this long.
const TIME: Duration = Duration::from_secs(15);

/// On a refund at Stripe: the row that it is of.
const ROW: &str = "refund_id";

/// What the sweeper carries on with.
#[derive(Debug)]
enum Waiting {
    Order((OrgId, OrderId)),
    Return(Return),
}

/// What was given back.
#[derive(Clone, Debug, PartialEq)]
pub struct Refunded {
    /// The order as it is now.
    pub order: Order,
    /// Its new refunds: one for each payment that was given back of. Pending ones are sent again until they are through.
    pub refunds: Vec<Refund>,
}

impl Refunded {
    /// What was given back in all.
    pub fn amount(&self) -> Cents {
        self.refunds.iter().map(|refund| refund.amount).sum()
    }

    /// `succeeded` once all of it is through, else `pending`.
    pub fn status(&self) -> &'static str {
        let through = self.refunds.iter().all(|refund| refund.status == RowStatus::Succeeded);
        if through { "succeeded" } else { "pending" }
    }

    /// What it is called: the name of its first refund, Stripe's where it has one.
    pub fn name(&self) -> String {
        let name = |refund: &Refund| refund.reference.clone().unwrap_or_else(|| refund.id.to_string());
        self.refunds.first().map(name).unwrap_or_default()
    }
}

impl Register<'_> {
    /// Gives back `amount` of an order, or all that is left when absent: newest payments first, cards before cash. The same
    /// `key` gives back once; [`RegisterError::KeyReused`] when it did so with another amount. Cash is written only.
    ///
    /// [`RegisterError::Refused`] when Stripe gives nothing back: then nothing is counted as given back either.
    pub async fn refund_order(
        &self,
        org: OrgId,
        order: OrderId,
        amount: Option<Cents>,
        reason: Option<&str>,
        by: UserId,
        key: &str,
    ) -> Result<Refunded, RegisterError> {
        let pos = self.store.pos();
        for _ in 0..ROUNDS {
            let full = pos.load_order(org, order).await?.ok_or(RegisterError::NotFound)?;
            let before: Vec<Refund> = rows_of(&full, key).cloned().collect();
            if !before.is_empty() {
                let sum: Cents = before.iter().map(|refund| refund.amount).sum();
                if amount.is_some_and(|amount| amount != sum) {
                    return Err(RegisterError::KeyReused);
                }
                return self.carry_on(&full.order, &before).await;
            }
            let whole = full.order.refundable();
            let amount = amount.unwrap_or(whole);
            let after = full.order.refund(amount, self.now)?;
            let shares = share_refund(&full.payments, &full.refunds, amount)?;
            let rows: Vec<Refund> =
                shares.into_iter().filter_map(|share| self.row(&full, share, reason, by, key)).collect();
            match pos.reserve_refunds(&full.order, &after, &rows).await {
                Ok(()) => {
                    tracing::info!(%org, %order, %amount, "refund reserved");
                    return self.carry_on(&after, &rows).await;
                }
                Err(StoreError::Stale) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Busy.into())
    }

    fn row(
        &self,
        full: &FullOrder,
        (payment, amount): (Uuid, Cents),
        reason: Option<&str>,
        by: UserId,
        key: &str,
    ) -> Option<Refund> {
        let of = full.payments.iter().find(|known| known.id == payment)?;
        let cash = of.intent.is_none();
        Some(Refund {
            id: row_id(key, payment),
            payment,
            intent: of.intent.clone(),
            amount,
            reason: reason.map(str::to_owned),
            status: if cash { RowStatus::Succeeded } else { RowStatus::Pending },
            reference: cash.then(|| format!("cash_refund_{}", full.order.id)),
            by: Some(by),
            created_at: self.now,
        })
    }

    /// Sends what is pending of an order's rows, and answers with all of them that count.
    async fn carry_on(&self, order: &Order, rows: &[Refund]) -> Result<Refunded, RegisterError> {
        let mut refused = None;
        for row in rows.iter().filter(|row| row.status == RowStatus::Pending) {
            match self.send_refund(order, row).await {
                Ok(()) => {}
                Err(RegisterError::Refused(words)) => refused = Some(words),
                // It counts as given back, and will be: `resume_refunds` goes on with it.
                Err(error) => tracing::warn!(order = %order.id, refund = %row.id, %error, "refund will be sent again"),
            }
        }
        let full = self.store.pos().load_order(order.org, order.id).await?.ok_or(RegisterError::NotFound)?;
        let ours = |refund: &&Refund| rows.iter().any(|row| row.id == refund.id);
        let live = |refund: &&Refund| refund.status != RowStatus::Failed;
        let refunds: Vec<Refund> = full.refunds.iter().filter(ours).filter(live).cloned().collect();
        match refused {
            Some(words) if refunds.is_empty() => Err(RegisterError::Refused(words)),
            None if refunds.is_empty() => Err(StepError::NothingLeft.into()),
            _ => Ok(Refunded { order: full.order, refunds }),
        }
    }

    /// Sends one pending refund and confirms it, or undoes it when Stripe refuses.
    async fn send_refund(&self, order: &Order, row: &Refund) -> Result<(), RegisterError> {
        let intent = row.intent.as_deref().ok_or(RegisterError::UnknownIntent)?;
        let account = order.account.as_deref().map(str::to_owned);
        let account = match account {
            Some(account) => account,
            None => self.account_of(order.org).await?,
        };
        let refund = NewRefund {
            payment_intent: intent.to_owned(),
            amount: Some(row.amount),
            reason: row.reason.clone(),
            refund_application_fee: None,
            metadata: BTreeMap::from([(ROW.to_owned(), row.id.to_string())]),
        };
        let words = match self.on(&account)?.refund_intent(&refund, &row.id.to_string()).await {
            Ok(done) if !is_dead(done.status) => {
                self.store.pos().confirm_refund(order, row.id, &done.id).await?;
                return Ok(());
            }
            Ok(_) => "The bank refused the refund".to_owned(),
            Err(StripeError::Invalid { message, .. } | StripeError::Declined { message, .. }) => message,
            Err(error @ (StripeError::AlreadyRefunded | StripeError::NotFound | StripeError::AccountRefused)) => {
                error.to_string()
            }
            Err(error) => return Err(error.into()),
        };
        tracing::warn!(order = %order.id, refund = %row.id, "Stripe refused a refund");
        self.undo_refund(order.org, order.id, row.id).await?;
        // What stood in its way is a refund that we have not heard of, most often.
        match self.follow_refund(order.org, &account, intent).await {
            Err(RegisterError::Stripe(StripeError::AccountRefused)) => {}
            followed => followed?,
        }
        Err(RegisterError::Refused(words))
    }

    async fn account_of(&self, org: OrgId) -> Result<String, RegisterError> {
        let terms = self.store.pos().load_terms(org).await?;
        Ok(terms.account.ok_or(RegisterError::NoAccount)?.account)
    }

    /// Takes a refund back off the order's account, unless that was done before.
    async fn undo_refund(&self, org: OrgId, order: OrderId, refund: Uuid) -> Result<(), RegisterError> {
        let pos = self.store.pos();
        for _ in 0..ROUNDS {
            let full = pos.load_order(org, order).await?.ok_or(RegisterError::NotFound)?;
            let live = full.refunds.iter().find(|row| row.id == refund && row.status != RowStatus::Failed);
            let Some(row) = live else { return Ok(()) };
            let after = full.order.undo_refund(row.amount, self.now);
            match pos.fail_refund(&full.order, &after, row).await {
                Err(StoreError::Stale) => {}
                done => return Ok(done?),
            }
        }
        Err(StoreError::Busy.into())
    }

    /// Makes an order's refunds of a card payment those that Stripe knows: for notices of refunds, whoever made them. A payment
    /// whose refund is heard of before itself is settled first.
    pub async fn follow_refund(&self, org: OrgId, account: &str, intent: &str) -> Result<(), RegisterError> {
        let stripe = self.on(account)?;
        let pos = self.store.pos();
        let order = match pos.load_intent(org, intent).await? {
            Some(known) if known.returned => return Ok(()),
            Some(known) if known.paid => known.order,
            _ => {
                let card = match stripe.retrieve_intent(intent).await {
                    Err(StripeError::NotFound) => return Ok(()),
                    card => card?,
                };
                let Some(notice) = IntentNotice::of(org, account, &card) else { return Ok(()) };
                match self.settle_intent(&notice).await? {
                    Settled::Paid(order) => order.id,
                    Settled::AlreadyPaid(order) => order,
                    Settled::Returned | Settled::Unclaimed => return Ok(()),
                }
            }
        };
        self.mirror_refunds(org, account, intent, order).await
    }

    /// The same for a card payment that has paid this order, and that none had before.
    pub(super) async fn mirror_unheard(
        &self,
        org: OrgId,
        account: &str,
        intent: &str,
        order: OrderId,
    ) -> Result<(), RegisterError> {
        self.mirror_refunds(org, account, intent, order).await?;
        Ok(self.store.pos().mark_mirrored(org, order, payment_id(intent)).await?)
    }

    async fn mirror_refunds(
        &self,
        org: OrgId,
        account: &str,
        intent: &str,
        order: OrderId,
    ) -> Result<(), RegisterError> {
        let (pos, stripe) = (self.store.pos(), self.on(account)?);
        let at_stripe = stripe.list_refunds(intent).await?;
        // Each round corrects one row, so there may be as many as Stripe has refunds, and some that began again.
        for _ in 0..ROUNDS + at_stripe.len() {
            let full = pos.load_order(org, order).await?.ok_or(RegisterError::NotFound)?;
            let Some(correction) = correct(&full, intent, &at_stripe, self.now) else { return Ok(()) };
            match self.apply(&full.order, correction).await {
                Ok(()) | Err(RegisterError::Store(StoreError::Stale)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Busy.into())
    }

    async fn apply(&self, order: &Order, correction: Correction) -> Result<(), RegisterError> {
        let pos = self.store.pos();
        match correction {
            Correction::Confirm(row, reference) => {
                pos.confirm_refund(order, row, &reference).await?;
            }
            Correction::Undo(row) => self.undo_refund(order.org, order.id, row).await?,
            Correction::Add(after, row) => {
                tracing::info!(order = %order.id, amount = %row.amount, "refund at Stripe followed");
                pos.reserve_refunds(order, &after, &[*row]).await?;
            }
        }
        Ok(())
    }

    /// Carries on with refunds that a crash, or Stripe's silence, left pending, or that were heard of before an order had the
    /// payment, or that no order could take. Answers how many still wait.
    pub async fn resume_refunds(&self) -> Result<usize, RegisterError> {
        let waiting = self.store.pos().list_pending_refunds(self.now - PATIENCE, SWEPT).await?;
        let began = Instant::now();
        let orders = waiting.orders.into_iter().map(Waiting::Order);
        let left = stream::iter(orders.chain(waiting.returns.into_iter().map(Waiting::Return)))
            .map(async |waiting| {
                // One order's trouble does not keep the others waiting; it comes again with the next sweep.
                if began.elapsed() > TIME {
                    return true;
                }
                let resumed = match &waiting {
                    Waiting::Order((org, order)) => self.resume_order(*org, *order).await,
                    Waiting::Return(wanted) => self.send_return(wanted).await,
                };
                resumed.inspect_err(|error| tracing::warn!(?waiting, %error, "refund is still pending")).is_err()
            })
            .buffer_unordered(AT_ONCE)
            .filter(|left| ready(*left))
            .count()
            .await;
        Ok(left)
    }

    async fn resume_order(&self, org: OrgId, order: OrderId) -> Result<(), RegisterError> {
        let pos = self.store.pos();
        let full = pos.load_order(org, order).await?.ok_or(RegisterError::NotFound)?;
        let account = match &full.order.account {
            Some(account) => account.clone(),
            None => self.account_of(org).await?,
        };
        // Stripe forgets an idempotency key after a day: what it has done is asked for before it is sent again. And whoever took
        // a card payment may have died before they asked what had gone back of it.
        for intent in full.payments.iter().filter_map(|payment| payment.intent.as_deref()) {
            match self.mirror_unheard(org, &account, intent, order).await {
                // An account that is closed to us tells nothing any more: what is pending there is refused below.
                Err(RegisterError::Stripe(StripeError::AccountRefused)) => {}
                mirrored => mirrored?,
            }
        }
        let full = pos.load_order(org, order).await?.ok_or(RegisterError::NotFound)?;
        for row in full.refunds.iter().filter(|row| row.status == RowStatus::Pending) {
            match self.send_refund(&full.order, row).await {
                Ok(()) | Err(RegisterError::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// A row's id: by the request's key and the payment, so that a repeated request meets its rows.
fn row_id(key: &str, payment: Uuid) -> Uuid {
    payment_id(&format!("refund\0{key}\0{payment}"))
}

fn rows_of<'a>(full: &'a FullOrder, key: &'a str) -> impl Iterator<Item = &'a Refund> {
    full.refunds.iter().filter(move |row| row.id == row_id(key, row.payment))
}

/// True when the money stays where it is.
fn is_dead(status: RefundStatus) -> bool {
    matches!(status, RefundStatus::Failed | RefundStatus::Canceled)
}

/// What an order's rows lack of what Stripe says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Correction {
    /// This row is through, under this name.
    Confirm(Uuid, String),
    /// This row's money came back.
    Undo(Uuid),
    /// A refund that we did not make: the order as it will be, and its row.
    Add(Box<Order>, Box<Refund>),
}

/// The next correction, one at a time.
pub(super) fn correct(full: &FullOrder, intent: &str, at_stripe: &[CardRefund], now: Timestamp) -> Option<Correction> {
    let payment = full.payments.iter().find(|payment| payment.intent.as_deref() == Some(intent))?;
    at_stripe.iter().find_map(|refund| match row_at_stripe(full, refund) {
        Some(row) if is_dead(refund.status) => (row.status != RowStatus::Failed).then_some(Correction::Undo(row.id)),
        Some(row) => (row.status == RowStatus::Pending).then(|| Correction::Confirm(row.id, refund.id.clone())),
        None if is_dead(refund.status) => None,
        None => adopt(full, payment, intent, refund, now),
    })
}

/// The row that a refund at Stripe is of.
fn row_at_stripe<'a>(full: &'a FullOrder, refund: &CardRefund) -> Option<&'a Refund> {
    let named = refund.metadata.get(ROW).and_then(|row| row.parse::<Uuid>().ok());
    let by_name = |row: &&Refund| Some(row.id) == named || row.id == payment_id(&refund.id);
    full.refunds.iter().find(by_name)
}

/// A row for a refund that was made by hand. None while rows of ours that Stripe has not decided stand in its way: each of
/// them asks again when it ends.
fn adopt(full: &FullOrder, payment: &Payment, intent: &str, refund: &CardRefund, now: Timestamp) -> Option<Correction> {
    let of_it = full.refunds.iter().filter(|row| row.payment == payment.id && row.status != RowStatus::Failed);
    let given_back: Cents = of_it.map(|row| row.amount).sum();
    if refund.amount > payment.amount - given_back {
        tracing::warn!(order = %full.order.id, refund = refund.id, "more was refunded at Stripe than is left");
        return None;
    }
    let after = full.order.mirror_refund(refund.amount, now).ok()?;
    let row = Refund {
        id: payment_id(&refund.id),
        payment: payment.id,
        intent: Some(intent.to_owned()),
        amount: refund.amount,
        reason: refund.reason.clone(),
        status: RowStatus::Succeeded,
        reference: Some(refund.id.clone()),
        by: None,
        created_at: now,
    };
    Some(Correction::Add(Box::new(after), Box::new(row)))
}
