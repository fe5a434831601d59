//! Revenue splits, in the partition of their catalog, and the days that were settled by them.
//!
//! A sale belongs to the day on which it was completed. Orders are found by when they were begun; one that was completed on
//! another day is listed in the transaction that completes it, so that no settlement misses it, and none has it twice.

use domain::{
    ids::{CatalogId, OrgId, SplitId},
    pos::{
        days::{Days, day_of},
        order::{Order, Status},
        split::{Settlement, Split},
    },
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

/// What became of a split that was to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitMade {
    /// It is there.
    Yes,
    /// Its catalog has as many as it may have.
    TooMany,
    /// Its catalog does not exist.
    NoCatalog,
}

impl Tx<'_> {
    /// Lists a sale that is completed by this step, if that is on another day than the one on which it was begun.
    pub(super) fn note_late_sale(self, before: Option<&Order>, after: Option<&Order>) -> Result<Self, StoreError> {
        let was = before.and_then(|order| order.completed_at);
        let Some((order, at)) = after.and_then(|order| Some((order, order.completed_at?))) else { return Ok(self) };
        if was.is_some() || order.catalog.is_none() || day_of(at) == day_of(order.created_at) {
            return Ok(self);
        }
        let mut item = Key::late_sale(order.org, at, order.id).item();
        item.insert("entity".into(), s("late_sale"));
        item.insert("order".into(), s(order.id.to_string()));
        self.put(item, Change::default())
    }

    /// Adds a split to its catalog.
    pub(crate) fn create_split(self, split: &Split) -> Result<Self, StoreError> {
        self.create(split_item(split)?)
    }
}

impl Pos<'_> {
    /// Writes a new split, of which a catalog has `limit` at most. They are counted as of a version of their list, and the
    /// split is written only over that version: of those made at the same moment all but one count again.
    pub async fn create_split(&self, split: &Split, limit: usize) -> Result<SplitMade, StoreError> {
        let list = Key::split_list(split.org, split.catalog);
        let mut tries = self.0.tries();
        loop {
            let version = self.0.get(&list).await?.and_then(|item| item.get("version").cloned());
            if self.list_splits(split.org, split.catalog).await?.len() >= limit {
                return Ok(SplitMade::TooMany);
            }
            let next = Change::default().set("entity", s("split_list")).add("version", n(1));
            let next = match version {
                Some(version) => next.when("version", "=", version),
                None => next.when_absent("pk"),
            };
            let catalog = Change::default().when_present("pk");
            let tx = self.0.tx().check(&Key::catalog(split.org, split.catalog), catalog)?.update(&list, next)?;
            let refused = match tx.create_split(split)?.commit().await {
                Ok(()) => return Ok(SplitMade::Yes),
                Err(TxError::Refused(refused)) => refused,
                Err(TxError::Store(error)) => return Err(error),
            };
            let is_refused = |wanted: usize| refused.iter().any(|(action, _)| *action == wanted);
            if is_refused(0) {
                return Ok(SplitMade::NoCatalog);
            }
            if is_refused(2) {
                return Err(StoreError::Stale);
            }
            if !tries.again().await {
                return Err(StoreError::Busy);
            }
        }
    }

    /// Sales that were completed on these days, on another than they were begun, and are not refunded since.
    pub async fn list_late_sales(&self, org: OrgId, days: Days) -> Result<Vec<Order>, StoreError> {
        // No sale has the bare moment for a sort key: "up to it" is "before it".
        let range = Range {
            pk: keys::late_sales_of(org),
            from: Some(moment(days.begin(), "")),
            to: Some(moment(days.end(), "")),
            consistent: true,
            limit: usize::MAX,
            ..Range::default()
        };
        let late = self.0.query(range).await?;
        let key = |item: &Item| Some(Key::pos_order(org, text(item, "order")?.parse().ok()?).item());
        let orders = self.0.batch_get(late.iter().filter_map(key).collect(), true).await?;
        let mut orders = orders.into_iter().map(from_item).collect::<Result<Vec<Order>, _>>()?;
        orders.retain(|order| order.status == Status::Completed);
        Ok(orders)
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

    /// The organization that was settled last, of all, if any was.
    pub async fn load_settling(&self) -> Result<Option<OrgId>, StoreError> {
        let item = self.0.get(&Key::settling()).await?.unwrap_or_default();
        Ok(text(&item, "last").and_then(|org| org.parse().ok()))
    }

    /// Notes which organization is settled, so that the next run goes on with the one after it.
    pub async fn save_settling(&self, org: OrgId) -> Result<(), StoreError> {
        let change = Change::default().set("entity", s("settling")).set("last", s(org.to_string()));
        self.0.change(&Key::settling(), change).await.map(drop)
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
