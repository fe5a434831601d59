//! What an organization has besides itself: its subscription, and its account at Stripe.

use domain::{
    ids::OrgId,
    member::Org,
    money::Cents,
    pos::{
        connect::{AccountFacts, ConnectedAccount},
        subscription::Subscription,
    },
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Pos;
use crate::{
    error::StoreError,
    item::{Item, attr, from_item, index, n, s, text, to_item},
    keys::Key,
    list::Range,
    tx::{Change, Tx, TxError},
};

/// What decides whether, and on which terms, an organization takes cards. One call reads it.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// Its subscription; absent counts as the free one.
    pub subscription: Option<Subscription>,
    /// Its account at Stripe.
    pub account: Option<ConnectedAccount>,
}

/// A payout that was asked for under a client's key: written before Stripe is asked, so that a repeat asks for the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayoutRequest {
    /// Of the request, to tell a repeat from another one under the same key.
    pub fingerprint: String,
    /// What is paid out.
    pub amount: Cents,
    /// When it was first asked for.
    #[serde(with = "domain::time::millis")]
    pub asked_at: Timestamp,
    /// The payout that came of it, `po_…`, once that is known: a repeat is answered by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payout: Option<String>,
}

pub(super) fn subscription_item(subscription: &Subscription) -> Result<Item, StoreError> {
    to_item("subscription", &Key::subscription(subscription.org), subscription)
}

impl Tx<'_> {
    /// An organization's first subscription, in the transaction that makes the organization.
    pub(crate) fn create_subscription(self, subscription: &Subscription) -> Result<Self, StoreError> {
        self.create(subscription_item(subscription)?)
    }
}

impl Pos<'_> {
    /// Subscription and account of an organization, as they are now.
    pub async fn load_terms(&self, org: OrgId) -> Result<Terms, StoreError> {
        let keys = vec![Key::subscription(org).item(), Key::account(org).item()];
        let mut terms = Terms::default();
        for item in self.0.batch_get(keys, true).await? {
            match text(&item, "entity") {
                Some("subscription") => terms.subscription = Some(from_item(item)?),
                Some("account") => terms.account = Some(from_item(item)?),
                _ => {}
            }
        }
        Ok(terms)
    }

    /// An organization with its subscription and account, by one call.
    pub async fn load_org(&self, org: OrgId) -> Result<Option<(Org, Terms)>, StoreError> {
        let keys = vec![Key::org(org).item(), Key::subscription(org).item(), Key::account(org).item()];
        let (mut found, mut terms) = (None, Terms::default());
        for item in self.0.batch_get(keys, true).await? {
            match text(&item, "entity") {
                Some("org") => found = Some(from_item(item)?),
                Some("subscription") => terms.subscription = Some(from_item(item)?),
                Some("account") => terms.account = Some(from_item(item)?),
                _ => {}
            }
        }
        Ok(found.map(|org| (org, terms)))
    }

    /// Writes an account for the first time. An organization has one for ever, whoever else tries: that one is answered.
    pub async fn open_account(&self, account: &ConnectedAccount) -> Result<ConnectedAccount, StoreError> {
        let mut item = to_item("account", &Key::account(account.org), account)?;
        index(&mut item, "gsi1", format!("ACCOUNT#{}", account.account), account.org.to_string());
        match self.0.tx().create(item)?.commit().await {
            Ok(()) => Ok(account.clone()),
            Err(TxError::Refused(_)) => self.load_terms(account.org).await?.account.ok_or(StoreError::Stale),
            Err(TxError::Store(error)) => Err(error),
        }
    }

    /// Writes what Stripe, asked after `known` was read, says of the account, and nothing else of it. With `link_used` a link
    /// that had been given out by then counts as used. Answers the account after it; nothing when something was written since
    /// `known` was read, which may be newer: read and ask again.
    pub async fn sync_account(
        &self,
        known: &ConnectedAccount,
        facts: &AccountFacts,
        link_used: bool,
        now: Timestamp,
    ) -> Result<Option<ConnectedAccount>, StoreError> {
        // Never the same moment twice, whatever the clocks of two functions say.
        let at = now.max(known.synced_at + SignedDuration::from_millis(1));
        let mut change = Change::default()
            .set("charges_enabled", attr(&facts.charges_enabled)?)
            .set("payouts_enabled", attr(&facts.payouts_enabled)?)
            .set("details_submitted", attr(&facts.details_submitted)?)
            .set("currently_due", attr(&facts.currently_due)?)
            .set("past_due", attr(&facts.past_due)?)
            .set("country", s(&facts.country))
            .set("currency", attr(&facts.currency)?)
            .set("synced_at", n(at.as_millisecond()))
            .when("synced_at", "=", n(known.synced_at.as_millisecond()));
        // A link that was given out after `known` was read stays.
        if link_used && known.link_given {
            change = change.set("link_given", attr(&false)?);
        }
        for (name, text) in [
            ("disabled_reason", &facts.disabled_reason),
            ("business_name", &facts.business_name),
            ("bank_last4", &facts.bank_last4),
            ("bank_name", &facts.bank_name),
        ] {
            change = match text {
                Some(text) => change.set(name, s(text)),
                None => change.remove(name),
            };
        }
        self.change_account(known.org, &known.account, change).await
    }

    /// Notes that an onboarding link was given out: what Stripe says may change any moment.
    pub async fn note_link_given(&self, org: OrgId, account: &str) -> Result<(), StoreError> {
        self.change_account(org, account, Change::default().set("link_given", attr(&true)?)).await.map(drop)
    }

    /// Notes the account's Terminal location, unless it has one. Answers the one that it has.
    pub async fn save_location(&self, org: OrgId, account: &str, location: &str) -> Result<String, StoreError> {
        let change = Change::default().set("location", s(location)).when_absent("location");
        if self.change_account(org, account, change).await?.is_some() {
            return Ok(location.to_owned());
        }
        let account = self.load_terms(org).await?.account;
        account.and_then(|account| account.location).ok_or(StoreError::Stale)
    }

    /// Changes the organization's account if it is this one; nothing when that or the change's condition does not hold.
    async fn change_account(
        &self,
        org: OrgId,
        account: &str,
        change: Change,
    ) -> Result<Option<ConnectedAccount>, StoreError> {
        let change = change.when("account", "=", s(account));
        self.0.change(&Key::account(org), change).await?.ok().map(from_item).transpose()
    }

    /// What was asked for under a key (its SHA-256) before.
    pub async fn find_payout_request(&self, org: OrgId, key: &str) -> Result<Option<PayoutRequest>, StoreError> {
        self.0.get(&Key::request(org, "payout", key)).await?.map(from_item).transpose()
    }

    /// Writes what is asked for under a key, unless something was before: that is answered then.
    pub async fn save_payout_request(
        &self,
        org: OrgId,
        key: &str,
        request: &PayoutRequest,
    ) -> Result<PayoutRequest, StoreError> {
        let item = to_item("request", &Key::request(org, "payout", key), request)?;
        match self.0.tx().create(item)?.commit().await {
            Ok(()) => Ok(request.clone()),
            Err(TxError::Refused(_)) => self.find_payout_request(org, key).await?.ok_or(StoreError::Stale),
            Err(TxError::Store(error)) => Err(error),
        }
    }

    /// Notes which payout came of what was asked for under a key.
    pub async fn note_payout(&self, org: OrgId, key: &str, payout: &str) -> Result<(), StoreError> {
        let change = Change::default().set("payout", s(payout)).when_present("fingerprint");
        self.0.change(&Key::request(org, "payout", key), change).await.map(drop)
    }

    /// Whose an account at Stripe is.
    pub async fn find_account(&self, account: &str) -> Result<Option<ConnectedAccount>, StoreError> {
        let pk = format!("ACCOUNT#{account}");
        let found = self.0.query(Range { index: Some("gsi1"), pk, limit: 1, ..Range::default() }).await?;
        found.into_iter().next().map(from_item).transpose()
    }
}
