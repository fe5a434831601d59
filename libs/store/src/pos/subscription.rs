//! An organization's subscription: what Stripe says of it, what was bought in an app store, and whose a purchase is.

use domain::{
    ids::{OrgId, UserId},
    pos::{
        billing::{LinkError, Purchase},
        subscription::{self, Platform, StoreNotice, Subscription},
    },
};
use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use super::{Pos, org::subscription_item};
use crate::{
    error::StoreError,
    item::{attr, from_item, n, s},
    keys::Key,
    tx::{Change, TxError},
};

/// How often a change is decided again because the subscription changed under it.
const ROUNDS: usize = 10;

/// What became of a notice.
#[derive(Clone, Debug, PartialEq)]
pub enum Noticed {
    /// The subscription is this now.
    Applied(Box<Subscription>),
    /// It says nothing, or is older than what was applied before, or that very notice again, or of a purchase that was replaced.
    Known,
    /// Nobody here has that subscription yet. It is remembered for who links it.
    Stranger,
}

/// Why a purchase was not linked.
#[derive(Debug, thiserror::Error)]
pub enum LinkPurchaseError {
    /// It is another organization's, for ever.
    #[error("This purchase belongs to another organization")]
    Taken,
    /// No store has told us of it, and the proof alone does not say until when it is paid.
    #[error("The store has not confirmed this purchase yet")]
    Unconfirmed,
    /// It cannot be this organization's subscription.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is known of a purchase: whose it is, and what the store said last of where it stands and of whether it will be renewed.
#[derive(Clone, Debug, Default, Deserialize)]
struct Known {
    org: Option<OrgId>,
    notice: Option<StoreNotice>,
    renewal: Option<StoreNotice>,
}

impl Known {
    /// What the store said, in the order in which it was said.
    fn heard(&self) -> Vec<&StoreNotice> {
        let mut heard: Vec<_> = self.notice.iter().chain(&self.renewal).collect();
        heard.sort_by_key(|notice| notice.at);
        heard
    }
}

/// Where a notice is kept with its purchase, and its time. One place for each kind, so that neither hides the other.
fn place_of(change: subscription::Change) -> (&'static str, &'static str) {
    if change.is_standing() { ("notice", "notice_at") } else { ("renewal", "renewal_at") }
}

impl Pos<'_> {
    /// Applies a verified notice once, however often and in whatever order notices come (invariant 6). The newest of its kind is
    /// also kept with the purchase, so that linking it later, or again, starts from what the store said last.
    pub async fn apply_notice(&self, notice: &StoreNotice) -> Result<Noticed, StoreError> {
        if notice.says_nothing() {
            return Ok(Noticed::Known);
        }
        let Some(org) = self.note(notice).await?.org else { return Ok(Noticed::Stranger) };
        self.follow(org, |before| {
            let replaced = before.platform == Platform::Stripe
                || before.store_reference.as_deref() != Some(notice.reference.as_str());
            before.apply(notice).filter(|_| !replaced)
        })
        .await
    }

    /// Takes in what a store says now of a purchase, good news or bad, where it is an organization's subscription.
    pub async fn refresh_purchase(&self, purchase: &Purchase, now: Timestamp) -> Result<Noticed, StoreError> {
        match self.load_known(purchase).await?.org {
            Some(org) => self.follow(org, |before| before.refresh(purchase, now)).await,
            None => Ok(Noticed::Stranger),
        }
    }

    /// Writes the next version of an organization's subscription over the very one that it was decided on.
    async fn follow(
        &self,
        org: OrgId,
        next: impl Fn(&Subscription) -> Option<Subscription>,
    ) -> Result<Noticed, StoreError> {
        for _ in 0..ROUNDS {
            let before = self.load_terms(org).await?.subscription;
            let Some((before, after)) = before.and_then(|before| next(&before).map(|after| (before, after))) else {
                return Ok(Noticed::Known);
            };
            match self.save_subscription(Some(&before), &after).await {
                Ok(()) => return Ok(Noticed::Applied(Box::new(after))),
                Err(StoreError::Stale) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Busy)
    }

    async fn load_known(&self, purchase: &Purchase) -> Result<Known, StoreError> {
        match self.0.get(&Key::purchase(&purchase.reference)).await? {
            Some(item) => from_item(item),
            None => Ok(Known::default()),
        }
    }

    /// Keeps a notice with its purchase, unless a newer one of its kind is there. Answers what is known after it.
    async fn note(&self, notice: &StoreNotice) -> Result<Known, StoreError> {
        let (place, time) = place_of(notice.change);
        let at = n(notice.at.as_millisecond());
        let change =
            Change::default().set("entity", s("purchase")).set(place, attr(notice)?).set(time, at.clone()).when_either(
                &[&|side: Change| side.when_absent(time), &|side: Change| side.when(time, "<", at.clone())],
            );
        match self.0.change(&Key::purchase(&notice.reference), change).await? {
            Ok(item) | Err(Some(item)) => from_item(item),
            Err(None) => Ok(Known::default()),
        }
    }

    /// Makes a proven purchase the organization's subscription. A purchase belongs to one organization for ever, whoever else
    /// proves it: whose it is, is written in one transaction with the subscription, on the condition that it is nobody
    /// else's and that no notice came meanwhile.
    pub async fn link_purchase(
        &self,
        org: OrgId,
        user: UserId,
        purchase: &Purchase,
        now: Timestamp,
    ) -> Result<Subscription, LinkPurchaseError> {
        for _ in 0..ROUNDS {
            let known = self.load_known(purchase).await?;
            if known.org.is_some_and(|owner| owner != org) {
                return Err(LinkPurchaseError::Taken);
            }
            let heard = known.heard();
            if purchase.expires_at.is_none() && heard.is_empty() {
                return Err(LinkPurchaseError::Unconfirmed);
            }
            let before = self.load_terms(org).await?.subscription;
            let base = before.clone().unwrap_or_else(|| Subscription::starter(Uuid::new_v4(), org, user, now));
            let after = base.link(purchase, &heard, now)?;
            if known.org.is_some() && before.as_ref() == Some(&after) {
                return Ok(after);
            }
            self.end_replaced(purchase, &base).await?;
            match self.claim(&known, purchase, before.as_ref(), &after).await {
                Ok(()) => return Ok(after),
                Err(StoreError::Stale) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Busy.into())
    }

    /// What the store put a purchase in the place of has ended, whoever had it. That the organization itself had it ends with
    /// the claim. Before the claim, since afterwards nobody would come back to it.
    async fn end_replaced(&self, purchase: &Purchase, base: &Subscription) -> Result<(), StoreError> {
        let replaced = purchase.replaces.as_ref().filter(|replaced| base.store_reference.as_ref() != Some(*replaced));
        if let Some(reference) = replaced {
            let ended = subscription::Change::Ended;
            self.apply_notice(&StoreNotice { reference: reference.clone(), change: ended, at: purchase.at }).await?;
        }
        Ok(())
    }

    async fn claim(
        &self,
        known: &Known,
        purchase: &Purchase,
        before: Option<&Subscription>,
        after: &Subscription,
    ) -> Result<(), StoreError> {
        let owner = s(after.org.to_string());
        let mut claim = Change::default().set("entity", s("purchase")).set("org", owner.clone());
        claim = match known.org {
            Some(_) => claim.when("org", "=", owner),
            None => claim.when_absent("org"),
        };
        for (time, heard) in [("notice_at", &known.notice), ("renewal_at", &known.renewal)] {
            claim = match heard {
                Some(notice) => claim.when(time, "=", n(notice.at.as_millisecond())),
                None => claim.when_absent(time),
            };
        }
        let tx = self.0.tx().update(&Key::purchase(&purchase.reference), claim)?;
        let tx = match before {
            // Nothing of it changes, and yet it must not change meanwhile.
            Some(before) if before == after => {
                tx.check(&Key::subscription(after.org), Change::default().when("version", "=", n(before.version)))?
            }
            before => tx.put(subscription_item(after)?, unchanged(before))?,
        };
        tx.commit().await.map_err(TxError::stale)
    }

    /// Writes the next version of a subscription over the one that was read; `Stale` when it changed. `None`: the first one.
    pub async fn save_subscription(
        &self,
        before: Option<&Subscription>,
        after: &Subscription,
    ) -> Result<(), StoreError> {
        self.0.tx().put(subscription_item(after)?, unchanged(before))?.commit().await.map_err(TxError::stale)
    }
}

fn unchanged(before: Option<&Subscription>) -> Change {
    match before {
        Some(before) => Change::default().when("version", "=", n(before.version)),
        None => Change::default().when_absent("pk"),
    }
}
