//! What an organization has besides itself: its subscription, and its account at Stripe.

use domain::{
    ids::OrgId,
    pos::{connect::ConnectedAccount, subscription::Subscription},
};

use super::Pos;
use crate::{
    error::StoreError,
    item::{Item, from_item, index, n, text, to_item},
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

fn subscription_item(subscription: &Subscription) -> Result<Item, StoreError> {
    let mut item = to_item("subscription", &Key::subscription(subscription.org), subscription)?;
    let reference = subscription.store_reference.as_ref().or(subscription.stripe_subscription.as_ref());
    if let Some(reference) = reference {
        index(&mut item, "gsi1", format!("SUBSCRIPTION#{reference}"), subscription.org.to_string());
    }
    Ok(item)
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

    /// Writes the next version of a subscription over the one that was read; `Stale` when it changed. `None`: the first one.
    pub async fn save_subscription(
        &self,
        before: Option<&Subscription>,
        after: &Subscription,
    ) -> Result<(), StoreError> {
        let condition = match before {
            Some(before) => Change::default().when("version", "=", n(before.version)),
            None => Change::default().when_absent("pk"),
        };
        self.0.tx().put(subscription_item(after)?, condition)?.commit().await.map_err(TxError::stale)
    }

    /// The subscription that a platform's reference names: Stripe's `sub_…`, Apple's original transaction, the SHA-256 of
    /// Google's purchase token.
    pub async fn find_subscription(&self, reference: &str) -> Result<Option<Subscription>, StoreError> {
        let pk = format!("SUBSCRIPTION#{reference}");
        let found = self.0.query(Range { index: Some("gsi1"), pk, limit: 1, ..Range::default() }).await?;
        let Some(org) = found.first().and_then(|item| text(item, "gsi1sk")?.parse::<OrgId>().ok()) else {
            return Ok(None);
        };
        Ok(self.load_terms(org).await?.subscription)
    }

    /// Writes an account as Stripe describes it now. An organization has one account for ever, and an account one
    /// organization: false when it has another.
    pub async fn save_account(&self, account: &ConnectedAccount) -> Result<bool, StoreError> {
        let mut item = to_item("account", &Key::account(account.org), account)?;
        index(&mut item, "gsi1", format!("ACCOUNT#{}", account.account), account.org.to_string());
        let same = |change: Change| change.when("account", "=", crate::item::s(&account.account));
        let condition = Change::default().when_either(&[&|change: Change| change.when_absent("pk"), &same]);
        match self.0.tx().put(item, condition)?.commit().await {
            Ok(()) => Ok(true),
            Err(TxError::Refused(_)) => Ok(false),
            Err(TxError::Store(error)) => Err(error),
        }
    }

    /// Whose an account at Stripe is.
    pub async fn find_account(&self, account: &str) -> Result<Option<ConnectedAccount>, StoreError> {
        let pk = format!("ACCOUNT#{account}");
        let found = self.0.query(Range { index: Some("gsi1"), pk, limit: 1, ..Range::default() }).await?;
        found.into_iter().next().map(from_item).transpose()
    }
}
