//! Revenue splits, in the partition of their catalog, and the days that were settled by them.

use domain::{
    ids::{CatalogId, OrgId, SplitId},
    pos::split::{Settlement, Split},
};
use jiff::civil;

use super::{Pos, keys, payout::index_unpaid};
use crate::{
    error::StoreError,
    item::{Item, from_item, index, n, s, text, to_item},
    keys::{Key, moment},
    list::Range,
    tx::{Change, Tx, TxError},
};

pub(super) fn split_item(split: &Split) -> Result<Item, StoreError> {
    let mut item = to_item("split", &Key::split(split.org, split.catalog, split.id), split)?;
    index(&mut item, "gsi1", keys::splits_of(split.org), moment(split.created_at, &split.id.to_string()));
    Ok(item)
}

fn in_order(items: Vec<Item>) -> Result<Vec<Split>, StoreError> {
    let mut splits = items.into_iter().map(from_item).collect::<Result<Vec<Split>, _>>()?;
    splits.sort_by_key(|split| (split.created_at, split.id));
    Ok(splits)
}

impl Tx<'_> {
    /// Adds a split to its catalog.
    pub(crate) fn create_split(self, split: &Split) -> Result<Self, StoreError> {
        self.create(split_item(split)?)
    }
}

impl Pos<'_> {
    /// Writes a new split. False when its catalog does not exist.
    pub async fn create_split(&self, split: &Split) -> Result<bool, StoreError> {
        let catalog = Change::default().when_present("pk");
        let tx = self.0.tx().check(&Key::catalog(split.org, split.catalog), catalog)?.create_split(split)?;
        match tx.commit().await {
            Ok(()) => Ok(true),
            Err(TxError::Refused(refused)) if refused.iter().any(|(action, _)| *action == 0) => Ok(false),
            Err(error) => Err(error.stale()),
        }
    }

    /// A split.
    pub async fn load_split(
        &self,
        org: OrgId,
        catalog: CatalogId,
        split: SplitId,
    ) -> Result<Option<Split>, StoreError> {
        self.0.get(&Key::split(org, catalog, split)).await?.map(from_item).transpose()
    }

    /// The splits of a catalog, oldest first.
    pub async fn list_splits(&self, org: OrgId, catalog: CatalogId) -> Result<Vec<Split>, StoreError> {
        let range = Range {
            pk: keys::catalog(org, catalog),
            from: Some("SPLIT#".into()),
            to: Some("SPLIT#~".into()),
            consistent: true,
            limit: 1000,
            ..Range::default()
        };
        in_order(self.0.query(range).await?)
    }

    /// The splits of all catalogs of an organization, oldest first.
    pub async fn list_all_splits(&self, org: OrgId) -> Result<Vec<Split>, StoreError> {
        let range = Range { index: Some("gsi1"), pk: keys::splits_of(org), limit: usize::MAX, ..Range::default() };
        in_order(self.0.query(range).await?)
    }

    /// Writes the next version of a split over the one that was read; `Stale` when it changed.
    pub async fn save_split(&self, before: &Split, after: &Split) -> Result<(), StoreError> {
        let unchanged = Change::default().when("version", "=", n(before.version));
        self.0.tx().put(split_item(after)?, unchanged)?.commit().await.map_err(TxError::stale)
    }

    /// Deletes a split. False when it is not there.
    pub async fn delete_split(&self, org: OrgId, catalog: CatalogId, split: SplitId) -> Result<bool, StoreError> {
        let there = Change::default().when_present("pk");
        match self.0.tx().delete(&Key::split(org, catalog, split), there)?.commit().await {
            Ok(()) => Ok(true),
            Err(TxError::Refused(_)) => Ok(false),
            Err(TxError::Store(error)) => Err(error),
        }
    }

    /// Writes what the splits of a catalog get of a day, once. False when that was decided before.
    pub async fn create_settlement(&self, settlement: &Settlement) -> Result<bool, StoreError> {
        let key = Key::settlement(settlement.org, settlement.catalog, settlement.day);
        let mut item = to_item("settlement", &key, settlement)?;
        index_unpaid(&mut item, &settlement.payout(), settlement.created_at)?;
        match self.0.tx().create(item)?.commit().await {
            Ok(()) => Ok(true),
            Err(TxError::Refused(_)) => Ok(false),
            Err(TxError::Store(error)) => Err(error),
        }
    }

    /// What the splits of a catalog get of a day.
    pub async fn load_settlement(
        &self,
        org: OrgId,
        catalog: CatalogId,
        day: civil::Date,
    ) -> Result<Option<Settlement>, StoreError> {
        self.0.get(&Key::settlement(org, catalog, day)).await?.map(from_item).transpose()
    }

    /// The last day that is settled in all catalogs, if any is.
    pub async fn load_settled_until(&self, org: OrgId) -> Result<Option<civil::Date>, StoreError> {
        let item = self.0.get(&Key::settled(org)).await?.unwrap_or_default();
        Ok(text(&item, "until").and_then(|day| day.parse().ok()))
    }

    /// Moves that day forward; a slower worker never moves it back.
    pub async fn save_settled_until(&self, org: OrgId, until: civil::Date) -> Result<(), StoreError> {
        let day = until.to_string();
        let older = |change: Change| change.when("until", "<", s(&day));
        let change = Change::default()
            .set("until", s(&day))
            .set("entity", s("settled"))
            .when_either(&[&|change| change.when_absent("until"), &older]);
        self.0.change(&Key::settled(org), change).await?.map(drop).or(Ok(()))
    }
}
