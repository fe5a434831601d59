//! Organizations, and how one begins.

use domain::{
    ids::OrgId,
    mail::Mail,
    member::{Member, Org},
    pos::subscription::Subscription,
};

use super::edit::difference;
use crate::{
    Store,
    error::StoreError,
    item::{Item, from_item, index, to_item},
    keys::{Key, ORGS},
    list::Range,
    pos::contact::Contact,
    tx::TxError,
};

fn org_item(org: &Org) -> Result<Item, StoreError> {
    let mut item = to_item("org", &Key::org(org.id), org)?;
    index(&mut item, "gsi1", ORGS.to_owned(), format!("{}#{}", org.name, org.id));
    Ok(item)
}

impl Store {
    /// Begins an organization: itself, its owner, its subscription, the owner's welcome, and what they wrote to us, all or
    /// nothing. False when the owner is a member already, of whichever organization.
    pub async fn found_org(
        &self,
        org: &Org,
        owner: &Member,
        subscription: &Subscription,
        welcome: &Mail,
        words: Option<&Contact>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.tx().create_member(owner)?.create(org_item(org)?)?.create_subscription(subscription)?;
        tx = tx.queue_mail(welcome)?;
        if let Some(words) = words {
            tx = tx.create_contact(words)?;
        }
        match tx.commit().await {
            Ok(()) => Ok(true),
            Err(TxError::Refused(refused)) if refused.iter().any(|(action, _)| *action == 0) => Ok(false),
            Err(error) => Err(error.stale()),
        }
    }

    /// Writes an organization whole, whatever was there: for who makes them. Requests edit.
    pub async fn save_org(&self, org: &Org) -> Result<(), StoreError> {
        let item = org_item(org)?;
        self.client.put_item().table_name(&self.table).set_item(Some(item)).send().await?;
        Ok(())
    }

    /// Writes what changed between two versions of an organization, if that is still as it was read; else
    /// [`StoreError::Stale`]: read again, decide again.
    pub async fn edit_org(&self, before: &Org, after: &Org) -> Result<(), StoreError> {
        let Some(change) = difference(org_item(before)?, org_item(after)?, &[]) else { return Ok(()) };
        self.change(&Key::org(before.id), change).await?.map(drop).map_err(|_| StoreError::Stale)
    }

    /// An organization.
    pub async fn load_org(&self, org: OrgId) -> Result<Option<Org>, StoreError> {
        self.get(&Key::org(org)).await?.map(from_item).transpose()
    }

    /// All organizations, for the sweeper and the operator.
    pub async fn list_orgs(&self) -> Result<Vec<Org>, StoreError> {
        let range = Range { index: Some("gsi1"), pk: ORGS.to_owned(), limit: usize::MAX, ..Range::default() };
        self.query(range).await?.into_iter().map(from_item).collect()
    }
}
