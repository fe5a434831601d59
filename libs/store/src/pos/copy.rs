//! Copying a catalog with all that it sells: more items than a transaction holds, and yet whole or not at all.
//!
//! The copy is announced on the organization's shelf, then its items are written, in transactions of a hundred. Nobody
//! sees them: the catalog is on no list, and products of an announced copy are passed over. At last one transaction puts
//! the catalog on the list and takes the announcement off the shelf: with it, everything is there at once.
//!
//! A copy that fails is marked on the shelf as given up before it is swept away, and the mark stays until its maker must be
//! dead: a write that comes late, after the sweep, is not seen either. What a crash has left behind is swept away by whoever
//! makes, copies or deletes a catalog later, or finds the library full.

use domain::{
    ids::{CatalogId, OrgId},
    pos::{catalog::CatalogList, menu::CatalogCopy, product::Shelf, split::Split},
};
use futures_util::future::join_all;
use jiff::Timestamp;

use super::{Pos, catalog::TRANSACTION};
use crate::{
    error::StoreError,
    item::{Item, to_item},
    keys::Key,
    tx::{Change, TxError},
};

impl Pos<'_> {
    /// Announces a copy, gives one up, or forgets it. `Stale` when the shelf changed.
    pub async fn save_shelf(&self, org: OrgId, after: &Shelf) -> Result<(), StoreError> {
        self.0.tx().save_shelf(org, after)?.commit().await.map_err(TxError::stale)
    }

    /// Writes what an announced copy has. Repeated, it writes the same again.
    pub async fn write_copy(&self, copy: &CatalogCopy, splits: &[Split]) -> Result<(), StoreError> {
        let (org, catalog) = (copy.catalog.org, copy.catalog.id);
        let mut items: Vec<Item> = Vec::new();
        for product in &copy.products {
            items.push(to_item("product", &Key::product(org, product.id), product)?);
        }
        for category in &copy.categories {
            items.push(to_item("category", &Key::category(org, catalog, category.id), category)?);
        }
        for entry in &copy.entries {
            items.push(to_item("entry", &Key::entry(org, catalog, entry.id), entry)?);
        }
        for split in splits {
            items.push(super::split::split_item(split)?);
        }
        let writes = items.chunks(TRANSACTION).map(|chunk| async move {
            let mut tx = self.0.tx();
            for item in chunk {
                tx = tx.put(item.clone(), Change::default())?;
            }
            tx.commit().await.map_err(TxError::stale)
        });
        // Not one is let go when another fails: it might be written after what was written is swept away.
        join_all(writes).await.into_iter().collect()
    }

    /// Makes a written copy a catalog. `Stale` when the list or the shelf changed.
    pub async fn publish_copy(&self, copy: &CatalogCopy, list: &CatalogList, shelf: &Shelf) -> Result<(), StoreError> {
        let org = copy.catalog.org;
        let tx = self.0.tx().create_catalog(&copy.catalog, &copy.layout)?;
        tx.save_list(org, list)?.save_shelf(org, shelf)?.commit().await.map_err(TxError::stale)
    }

    /// Gives a copy up, if it is not whole, and sweeps away what was written of it; forgets it as soon as nothing can come any
    /// more. Begun again after a crash, it goes on where it was.
    pub async fn abandon_copy(&self, org: OrgId, catalog: CatalogId, now: Timestamp) -> Result<(), StoreError> {
        if let Some(given_up) = self.load_products(org, &[]).await?.shelf.giving_up(catalog) {
            self.save_shelf(org, &given_up).await?;
        }
        let library = self.load_library(org).await?;
        if !library.shelf.is_leaving(catalog) {
            return Ok(());
        }
        self.delete_rows(org, catalog).await?;
        let mut keys = Vec::new();
        for split in self.list_splits(org, catalog).await? {
            keys.push(Key::split(org, catalog, split.id));
        }
        let copied = library.unseen.iter().filter(|product| product.copied_for == Some(catalog));
        keys.extend(copied.map(|product| Key::product(org, product.id)));
        for keys in keys.chunks(TRANSACTION) {
            let mut tx = self.0.tx();
            for key in keys {
                tx = tx.delete(key, Change::default())?;
            }
            tx.commit().await.map_err(TxError::stale)?;
        }
        match library.shelf.forgetting(catalog, now) {
            Some(after) => self.save_shelf(org, &after).await,
            None => Ok(()),
        }
    }
}
