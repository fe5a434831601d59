//! Card payments that orders are made or linked with.

use domain::{
    ids::OrgId,
    money::Currency,
    pos::order::{FullOrder, Method, Order, OrderId, Settlement},
};
use jiff::Timestamp;
use payments::{IntentNotice, PaymentIntentStatus, RegisterError, StripeError, terminal::CardIntent};
use runtime::{ApiError, Ctx, extract::Id};
use store::pos::order::NewOrder;

use crate::load::{ROUNDS, busy, load};

/// A card payment that an order may have.
#[derive(Debug, Default)]
pub(crate) struct Card {
    /// The account that it is on.
    pub(crate) account: Option<String>,
    /// What Stripe says of it; nothing where payments are not configured.
    said: Option<CardIntent>,
    /// What there is to count, when its money has come already.
    pub(crate) notice: Option<IntentNotice>,
    /// It has paid this order before.
    counted: bool,
}

impl Card {
    /// Makes it the order's, which waits for it from now on, or is paid by it.
    pub(crate) async fn link(
        self,
        ctx: &Ctx,
        mut full: FullOrder,
        intent: &str,
        method: Option<Method>,
    ) -> Result<FullOrder, ApiError> {
        let mut card = self;
        for _ in 0..ROUNDS {
            let counted = full.payments.iter().any(|payment| payment.intent.as_deref() == Some(intent));
            if counted {
                return Ok(full);
            }
            card.check(&full.order, intent, ctx.now())?;
            if let Some(notice) = &card.notice {
                ctx.register().claim_intent(full.order.id, notice).await?;
                return load(ctx, full.order.org, Id(Some(full.order.id))).await;
            }
            let (org, order) = (full.order.org, full.order.id);
            if let Some(linked) = ctx.register().link_intent(full, intent, card.account.as_deref(), method).await? {
                return Ok(linked);
            }
            // Its money has come since Stripe was asked.
            (full, card) =
                tokio::try_join!(load(ctx, org, Id(Some(order))), check_intent(ctx, org, Some(order), intent))?;
        }
        Err(busy())
    }

    /// Whether an order as it stands may have it: refused before the buyer's money moves, and rather than given back when it
    /// has come, since it may be another order's.
    pub(crate) fn check(&self, order: &Order, intent: &str, now: Timestamp) -> Result<(), RegisterError> {
        if self.counted {
            return Ok(());
        }
        order.link(intent, None, None, now)?;
        let Some(said) = &self.said else { return Ok(()) };
        match said.status {
            _ if said.currency != Currency::USD => Err(RegisterError::Currency),
            PaymentIntentStatus::Canceled => Err(RegisterError::NotPaid(said.status)),
            _ => Ok(order.may_take(self.notice.as_ref().map_or(said.amount, |notice| notice.amount))?),
        }
    }

    /// An order that is being made, as the money that has come pays it.
    pub(crate) fn pay(&self, order: Order, now: Timestamp) -> NewOrder {
        let Some(notice) = &self.notice else { return order.into() };
        let payment = notice.payment(&order, now);
        match order.settle(&payment, now) {
            Settlement::Pays(paid) => NewOrder { order: *paid, payment: Some(payment) },
            Settlement::Return => order.into(),
        }
    }

    /// Counts what went back of it before the order that it made had it; if that fails, the sweeper does.
    pub(crate) async fn follow(&self, ctx: &Ctx, order: OrderId) {
        let Some(notice) = &self.notice else { return };
        if let Err(error) = ctx.register().follow_unheard(order, notice).await {
            tracing::warn!(%order, %error, "what went back of a card payment is asked for later");
        }
    }
}

/// A card payment for `order` (`None`: for one that is being made), which must be on the organization's own account and not
/// another order's. Asks Stripe, where payments are configured.
pub(crate) async fn check_intent(
    ctx: &Ctx,
    org: OrgId,
    order: Option<OrderId>,
    intent: &str,
) -> Result<Card, ApiError> {
    let pos = ctx.store().pos();
    let (terms, known) = tokio::try_join!(pos.load_terms(org), pos.load_intent(org, intent))?;
    // One that is being made may be there already, by the same key: that its intent is nobody else's is a condition of its write.
    if known.as_ref().zip(order).is_some_and(|(known, order)| known.order != order) {
        return Err(RegisterError::Taken.into());
    }
    let counted = known.is_some_and(|known| known.paid && Some(known.order) == order);
    let account = terms.account.map(|account| account.account);
    let Some(stripe) = ctx.stripe() else { return Ok(Card { account, counted, ..Card::default() }) };
    let account = account.ok_or(RegisterError::NoAccount)?;
    let card = stripe.on_account(&account).retrieve_intent(intent).await.map_err(|error| match error {
        StripeError::NotFound => RegisterError::UnknownIntent.into(),
        error => ApiError::from(error),
    })?;
    Ok(Card { notice: IntentNotice::of(org, &account, &card), account: Some(account), said: Some(card), counted })
}
