//! The product library: one partition per organization, read by one query.

use std::collections::{BTreeSet, HashSet};

use domain::{
    ids::{CatalogId, OrgId, ProductId},
    pos::{
        catalog::Catalog,
        menu::{Entry, Layout, entry_id},
        order::Line,
        product::{Product, Shelf, sort_by_name},
    },
};

use super::{Pos, keys};
use crate::{
    error::StoreError,
    item::{Item, from_item, n, text, to_item},
    keys::Key,
    list::Range,
    tx::{Change, Tx, TxError},
};

/// Catalogs that a product is taken out of by one transaction: three actions each, and two for the product itself.
const CATALOGS_AT_ONCE: usize = 32;

/// An organization's products.
#[derive(Clone, Debug, Default)]
pub struct Library {
    /// How many there are, and which are not seen yet.
    pub shelf: Shelf,
    /// Those that are seen, by name.
    pub products: Vec<Product>,
    /// Those that belong to a copy of a catalog which is not whole yet.
    pub unseen: Vec<Product>,
}

/// A catalog that sells a product, as far as taking it out touches it.
struct Sale {
    catalog: Catalog,
    layout: Layout,
    entry: Entry,
}

impl Tx<'_> {
    pub(crate) fn save_shelf(self, org: OrgId, after: &Shelf) -> Result<Self, StoreError> {
        self.put_first_or_next("shelf", &Key::shelf(org), after, after.version)
    }

    fn withdraw(self, sale: &Sale) -> Result<Self, StoreError> {
        let layout = sale.layout.remove_entry(sale.entry.id);
        let catalog = sale.catalog.selling(layout.entries.len());
        self.save_catalog(&catalog)?.save_layout(&layout)?.delete_entry(&sale.entry)
    }
}

impl Pos<'_> {
    /// All products of an organization, by name: one query.
    pub async fn load_library(&self, org: OrgId) -> Result<Library, StoreError> {
        let range =
            Range { pk: keys::library_of(org), consistent: true, limit: usize::from(u16::MAX), ..Range::default() };
        read_library(self.0.query(range).await?)
    }

    /// Products by id, as far as they are there, and how many there are in all: one call.
    pub async fn load_products(&self, org: OrgId, products: &[ProductId]) -> Result<Library, StoreError> {
        let mut wanted: Vec<ProductId> = products.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        let mut wanted: Vec<Item> = wanted.into_iter().map(|product| Key::product(org, product).item()).collect();
        wanted.push(Key::shelf(org).item());
        read_library(self.0.batch_get(wanted, true).await?)
    }

    /// A product.
    pub async fn load_product(&self, org: OrgId, product: ProductId) -> Result<Option<Product>, StoreError> {
        Ok(self.load_products(org, &[product]).await?.products.pop())
    }

    /// Takes the product out of each line whose product has left the library: the line keeps the name and price that it was
    /// sold at (contract §6). One call, and none for lines without products.
    pub async fn clear_gone_products(&self, org: OrgId, lines: &mut [Line]) -> Result<(), StoreError> {
        let sold: BTreeSet<ProductId> = lines.iter().filter_map(|line| line.product).collect();
        if sold.is_empty() {
            return Ok(());
        }
        let keys = sold.into_iter().map(|product| Key::product(org, product).item()).collect();
        let found = self.0.batch_get(keys, false).await?;
        let there: HashSet<ProductId> = found.iter().filter_map(|item| text(item, "id")?.parse().ok()).collect();
        for line in lines {
            line.product = line.product.filter(|product| there.contains(product));
        }
        Ok(())
    }

    /// Writes a new product, and how many there are with it. `Stale` when that changed.
    pub async fn create_product(&self, product: &Product, shelf: &Shelf) -> Result<(), StoreError> {
        let tx = self.0.tx().create(to_item("product", &Key::product(product.org, product.id), product)?)?;
        tx.save_shelf(product.org, shelf)?.commit().await.map_err(TxError::stale)
    }

    /// Writes the next version of a product; `Stale` when it changed.
    pub async fn save_product(&self, after: &Product) -> Result<(), StoreError> {
        self.0.tx().save_product(after)?.commit().await.map_err(TxError::stale)
    }

    /// Deletes a product and takes it out of every catalog: one transaction, or, when very many catalogs sell it, some before
    /// that take it out of a part of them each. After every one of them all counts are right and no catalog sells what is
    /// gone, so a crash between two leaves a product that can be deleted again. False when it is not there.
    pub async fn delete_product(&self, org: OrgId, product: ProductId) -> Result<bool, StoreError> {
        loop {
            let library = self.load_products(org, &[product]).await?;
            let Some(product) = library.products.into_iter().next() else { return Ok(false) };
            let catalogs: Vec<CatalogId> = product.catalogs.iter().copied().take(CATALOGS_AT_ONCE).collect();
            let mut tx = self.0.tx();
            for sale in self.load_sales(&product, &catalogs).await? {
                tx = tx.withdraw(&sale)?;
            }
            if catalogs.len() < product.catalogs.len() {
                let rest = product.sold_by(|sold_by| sold_by.retain(|catalog| !catalogs.contains(catalog)));
                tx.save_product(&rest)?.commit().await.map_err(TxError::stale)?;
                continue;
            }
            let unchanged = Change::default().when("version", "=", n(product.version));
            let tx = tx.delete(&Key::product(org, product.id), unchanged)?;
            let tx = tx.save_shelf(org, &library.shelf.without_one())?;
            return tx.commit().await.map(|()| true).map_err(TxError::stale);
        }
    }

    /// How these catalogs sell a product. Those that are gone are passed over.
    async fn load_sales(&self, product: &Product, catalogs: &[CatalogId]) -> Result<Vec<Sale>, StoreError> {
        let org = product.org;
        let keys = catalogs.iter().flat_map(|catalog| {
            let entry = Key::entry(org, *catalog, entry_id(*catalog, product.id));
            [Key::catalog(org, *catalog), Key::layout(org, *catalog), entry].map(|key| key.item())
        });
        let (mut heads, mut layouts, mut entries) = (vec![], vec![], vec![]);
        for item in self.0.batch_get(keys.collect(), true).await? {
            match text(&item, "entity") {
                Some("catalog") => heads.push(from_item::<Catalog>(item)?),
                Some("layout") => layouts.push(from_item::<Layout>(item)?),
                Some("entry") => entries.push(from_item::<Entry>(item)?),
                _ => {}
            }
        }
        let sale = |entry: Entry| {
            let catalog = heads.iter().find(|catalog| catalog.id == entry.catalog)?.clone();
            let layout = layouts.iter().find(|layout| layout.catalog == entry.catalog)?.clone();
            Some(Sale { catalog, layout, entry })
        };
        Ok(entries.into_iter().filter_map(sale).collect())
    }
}

fn read_library(items: Vec<Item>) -> Result<Library, StoreError> {
    let (mut shelf, mut products) = (Shelf::default(), Vec::<Product>::new());
    for item in items {
        match text(&item, "entity") {
            Some("shelf") => shelf = from_item(item)?,
            Some("product") => products.push(from_item(item)?),
            _ => {}
        }
    }
    sort_by_name(&mut products);
    let (products, unseen) = products.into_iter().partition(|product| shelf.shows(product));
    Ok(Library { shelf, products, unseen })
}
