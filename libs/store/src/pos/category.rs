//! Menus: a catalog's categories and products, and their order, read by one query.

use domain::{
    ids::{CatalogId, OrgId},
    pos::{
        menu::{Category, Entry, Layout, Menu, MenuChange},
        product::Product,
    },
};

use super::{Pos, keys};
use crate::{
    error::StoreError,
    item::{from_item, n, text, to_item},
    keys::Key,
    list::Range,
    tx::{Change, Tx, TxError},
};

impl Tx<'_> {
    pub(crate) fn save_layout(self, after: &Layout) -> Result<Self, StoreError> {
        self.put_next("layout", &Key::layout(after.org, after.catalog), after, after.version)
    }

    pub(crate) fn save_product(self, after: &Product) -> Result<Self, StoreError> {
        self.put_next("product", &Key::product(after.org, after.id), after, after.version)
    }

    pub(crate) fn delete_entry(self, entry: &Entry) -> Result<Self, StoreError> {
        let unchanged = Change::default().when("version", "=", n(entry.version));
        self.delete(&Key::entry(entry.org, entry.catalog, entry.id), unchanged)
    }

    fn save_surroundings(self, change: &MenuChange) -> Result<Self, StoreError> {
        let tx = self.save_catalog(&change.catalog)?.save_layout(&change.layout)?;
        change.products.iter().try_fold(tx, Tx::save_product)
    }
}

impl Pos<'_> {
    /// What a catalog sells; `None` when there is no such catalog.
    pub async fn load_menu(&self, org: OrgId, catalog: CatalogId) -> Result<Option<Menu>, StoreError> {
        let range = Range {
            pk: keys::catalog(org, catalog),
            to: Some("LAYOUT".into()),
            consistent: true,
            limit: usize::from(u16::MAX),
            ..Range::default()
        };
        let (mut layout, mut categories, mut entries) = (None, vec![], vec![]);
        for item in self.0.query(range).await? {
            match text(&item, "entity") {
                Some("layout") => layout = Some(from_item::<Layout>(item)?),
                Some("category") => categories.push(from_item::<Category>(item)?),
                Some("entry") => entries.push(from_item::<Entry>(item)?),
                _ => {}
            }
        }
        Ok(layout.map(|layout| Menu::new(layout, categories, entries)))
    }

    /// Writes another order: one item, so whole or not at all. `Stale` when the menu changed.
    pub async fn save_layout(&self, after: &Layout) -> Result<(), StoreError> {
        self.0.tx().save_layout(after)?.commit().await.map_err(TxError::stale)
    }

    /// Writes a new category, and the order with it. `Stale` when the menu changed.
    pub async fn create_category(&self, category: &Category, layout: &Layout) -> Result<(), StoreError> {
        let key = Key::category(category.org, category.catalog, category.id);
        let tx = self.0.tx().create(to_item("category", &key, category)?)?;
        tx.save_layout(layout)?.commit().await.map_err(TxError::stale)
    }

    /// Writes the next version of a category, and of the order when it moves. `Stale` when either changed.
    pub async fn save_category(&self, after: &Category, layout: Option<&Layout>) -> Result<(), StoreError> {
        let key = Key::category(after.org, after.catalog, after.id);
        let mut tx = self.0.tx().put_next("category", &key, after, after.version)?;
        if let Some(layout) = layout {
            tx = tx.save_layout(layout)?;
        }
        tx.commit().await.map_err(TxError::stale)
    }

    /// Deletes a category. Its products have none from then on, without a write to them: the order says what there is.
    pub async fn delete_category(&self, category: &Category, layout: &Layout) -> Result<(), StoreError> {
        let tx = self.0.tx().delete(&Key::category(category.org, category.catalog, category.id), Change::default())?;
        tx.save_layout(layout)?.commit().await.map_err(TxError::stale)
    }

    /// Adds products to a catalog: all or none. An entry's key is its pair of catalog and product, so each pair is there once;
    /// `Stale` when one is there already, or anything changed.
    pub async fn add_entries(&self, change: &MenuChange) -> Result<(), StoreError> {
        let mut tx = self.0.tx().save_surroundings(change)?;
        for entry in &change.entries {
            tx = tx.create(to_item("entry", &Key::entry(entry.org, entry.catalog, entry.id), entry)?)?;
        }
        tx.commit().await.map_err(TxError::stale)
    }

    /// Writes the next version of a catalog's product, and of the order when it moves. `Stale` when either changed.
    pub async fn save_entry(&self, after: &Entry, layout: Option<&Layout>) -> Result<(), StoreError> {
        let key = Key::entry(after.org, after.catalog, after.id);
        let mut tx = self.0.tx().put_next("entry", &key, after, after.version)?;
        if let Some(layout) = layout {
            tx = tx.save_layout(layout)?;
        }
        tx.commit().await.map_err(TxError::stale)
    }

    /// Takes products out of a catalog; they stay in the library. `Stale` when anything changed.
    pub async fn remove_entries(&self, change: &MenuChange) -> Result<(), StoreError> {
        let tx = self.0.tx().save_surroundings(change)?;
        let tx = change.entries.iter().try_fold(tx, Tx::delete_entry)?;
        tx.commit().await.map_err(TxError::stale)
    }
}
