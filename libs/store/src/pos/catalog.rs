//! Catalogs, and what surrounds each of them.
//!
//! A catalog by itself (name, settings, how much it sells) lies with its siblings in `ORG#{org}#CATALOGS`, together with the
//! [`CatalogList`]: so the app's first list is one query, as exact as the table, and whether a catalog is there and usable
//! is one `BatchGetItem` with the subscription. What a catalog *has* lies in `ORG#{org}#CATALOG#{catalog}`: its layout,
//! categories, products, splits; so a menu is one query. The library is `ORG#{org}#PRODUCTS`, one query too.
//!
//! Every item carries a version, and is written only over the version before it. So whatever was decided on things
//! that have changed is refused whole, as [`StoreError::Stale`], and decided again. A catalog that is deleted loses its
//! layout in the same transaction: whoever changes its menu meanwhile finds no version to write over.

use domain::{
    ids::{CatalogId, OrgId},
    pos::{
        catalog::{Catalog, CatalogList},
        menu::Layout,
        subscription::Subscription,
        tier::Tier,
    },
};
use serde::Serialize;

use super::{Pos, keys};
use crate::{
    error::StoreError,
    item::{Item, from_item, n, text, to_item},
    keys::Key,
    list::Range,
    tx::{Change, Tx, TxError},
};

/// Actions of one transaction at most.
pub(crate) const TRANSACTION: usize = 100;

/// What decides whether somebody may use a catalog.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// The organization's catalogs by name.
    pub list: CatalogList,
    /// What the organization has subscribed to; without a subscription, the free tier.
    pub tier: Tier,
    /// The catalog that was asked for, if it is there.
    pub catalog: Option<Catalog>,
}

impl Tx<'_> {
    /// Puts an item over the version before it.
    pub(crate) fn put_next(
        self,
        entity: &str,
        key: &Key,
        value: &impl Serialize,
        version: u32,
    ) -> Result<Self, StoreError> {
        let before = Change::default().when("version", "=", n(version.saturating_sub(1)));
        self.put(to_item(entity, key, value)?, before)
    }

    /// The same for an item that begins to be with its first version.
    pub(crate) fn put_first_or_next(
        self,
        entity: &str,
        key: &Key,
        value: &impl Serialize,
        version: u32,
    ) -> Result<Self, StoreError> {
        match version {
            1 => self.create(to_item(entity, key, value)?),
            version => self.put_next(entity, key, value, version),
        }
    }

    pub(crate) fn save_catalog(self, after: &Catalog) -> Result<Self, StoreError> {
        self.put_next("catalog", &Key::catalog(after.org, after.id), after, after.version)
    }

    pub(crate) fn save_list(self, org: OrgId, after: &CatalogList) -> Result<Self, StoreError> {
        self.put_first_or_next("catalog_list", &Key::catalog_list(org), after, after.version)
    }

    pub(crate) fn create_catalog(self, catalog: &Catalog, layout: &Layout) -> Result<Self, StoreError> {
        let tx = self.create(to_item("catalog", &Key::catalog(catalog.org, catalog.id), catalog)?)?;
        tx.create(to_item("layout", &Key::layout(catalog.org, catalog.id), layout)?)
    }
}

impl Pos<'_> {
    /// All catalogs of an organization, newest first, and their list: one query.
    pub async fn load_catalogs(&self, org: OrgId) -> Result<(CatalogList, Vec<Catalog>), StoreError> {
        let range =
            Range { pk: keys::catalogs_of(org), consistent: true, limit: usize::from(u16::MAX), ..Range::default() };
        let (mut list, mut catalogs) = (CatalogList::default(), Vec::<Catalog>::new());
        for item in self.0.query(range).await? {
            match text(&item, "entity") {
                Some("catalog_list") => list = from_item(item)?,
                Some("catalog") => catalogs.push(from_item(item)?),
                _ => {}
            }
        }
        let age = |catalog: &Catalog| list.ids.iter().position(|id| *id == catalog.id);
        catalogs.sort_by_key(|catalog| std::cmp::Reverse(age(catalog)));
        Ok((list, catalogs))
    }

    /// A catalog and what decides whether it may be used: one call.
    pub async fn load_standing(&self, org: OrgId, catalog: Option<CatalogId>) -> Result<Standing, StoreError> {
        let mut wanted = vec![Key::catalog_list(org).item(), Key::subscription(org).item()];
        wanted.extend(catalog.map(|catalog| Key::catalog(org, catalog).item()));
        let mut standing = Standing::default();
        for item in self.0.batch_get(wanted, true).await? {
            match text(&item, "entity") {
                Some("catalog_list") => standing.list = from_item(item)?,
                Some("catalog") => standing.catalog = Some(from_item(item)?),
                Some("subscription") => standing.tier = from_item::<Subscription>(item)?.effective_tier(),
                _ => {}
            }
        }
        Ok(standing)
    }

    /// Writes a new catalog, that sells nothing yet, and the list with it. `Stale` when the list changed.
    pub async fn create_catalog(&self, catalog: &Catalog, list: &CatalogList) -> Result<(), StoreError> {
        let layout = Layout::new(catalog.org, catalog.id);
        let tx = self.0.tx().create_catalog(catalog, &layout)?.save_list(catalog.org, list)?;
        tx.commit().await.map_err(TxError::stale)
    }

    /// Writes the next version of a catalog; `Stale` when it changed.
    pub async fn save_catalog(&self, after: &Catalog) -> Result<(), StoreError> {
        self.0.tx().save_catalog(after)?.commit().await.map_err(TxError::stale)
    }

    /// Deletes a catalog: from then on it is not found, and its menu cannot change. What it had is still to be deleted
    /// ([`clear_catalogs`](Self::clear_catalogs)). `Stale` when it or the list changed.
    pub async fn delete_catalog(&self, catalog: &Catalog, list: &CatalogList) -> Result<(), StoreError> {
        let unchanged = Change::default().when("version", "=", n(catalog.version));
        let tx = self.0.tx().delete(&Key::catalog(catalog.org, catalog.id), unchanged)?;
        let tx = tx.delete(&Key::layout(catalog.org, catalog.id), Change::default())?;
        tx.save_list(catalog.org, list)?.commit().await.map_err(TxError::stale)
    }

    /// Deletes what is left of deleted catalogs, and takes them off the list. Begun again after a crash, it goes on where
    /// it was. Splits stay: the sales of the last days are still shared out by them.
    pub async fn clear_catalogs(&self, org: OrgId, list: &CatalogList) -> Result<(), StoreError> {
        if list.leaving.is_empty() {
            return Ok(());
        }
        for catalog in &list.leaving {
            self.delete_rows(org, *catalog).await?;
        }
        let after = list.cleared(&list.leaving);
        self.0.tx().save_list(org, &after)?.commit().await.map_err(TxError::stale)
    }

    /// Deletes the categories and products of a catalog that nobody can see.
    pub(crate) async fn delete_rows(&self, org: OrgId, catalog: CatalogId) -> Result<(), StoreError> {
        let rows = self.0.query(Range {
            pk: keys::catalog(org, catalog),
            to: Some("LAYOUT".into()),
            consistent: true,
            limit: usize::from(u16::MAX),
            ..Range::default()
        });
        let keys: Vec<Key> = rows.await?.iter().filter_map(key_of).collect();
        for keys in keys.chunks(TRANSACTION) {
            let mut tx = self.0.tx();
            for key in keys {
                tx = tx.delete(key, Change::default())?;
            }
            tx.commit().await.map_err(TxError::stale)?;
        }
        Ok(())
    }
}

fn key_of(item: &Item) -> Option<Key> {
    Some(Key::new(text(item, "pk")?.to_owned(), text(item, "sk")?))
}
