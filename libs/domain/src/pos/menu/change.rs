//! What changes together when products come into a catalog, or leave it, or a catalog is copied.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Category, Entry, Layout, Menu, MenuFull, entry_id};
use crate::{
    ids::{CategoryId, ProductId},
    money::Cents,
    pos::{
        catalog::{Catalog, CatalogList},
        product::Product,
    },
};

/// A product that shall come into a catalog.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEntry {
    /// The product of the library.
    pub product: ProductId,
    /// What it will cost.
    pub price: Cents,
    /// Its category.
    pub category: Option<CategoryId>,
    /// Its rank; behind all others when there is none.
    pub rank: Option<u32>,
    /// Is it on sale?
    pub is_active: bool,
}

/// Why products cannot come into a catalog: the place in the request, and what is wrong there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddError {
    /// The library does not have it.
    #[error("Product not found")]
    UnknownProduct(usize),
    /// The catalog has no such category.
    #[error("is not a category of this catalog")]
    UnknownCategory(usize),
    /// The catalog sells it already.
    #[error("Product is already in this catalog")]
    Twice(usize),
    /// The catalog can have no more.
    #[error(transparent)]
    Full(#[from] MenuFull),
}

/// What changes when products come into a catalog, or leave it: each the next version.
#[derive(Clone, Debug, PartialEq)]
pub struct MenuChange {
    /// The catalog, with another number of products.
    pub catalog: Catalog,
    /// The layout, with them or without them.
    pub layout: Layout,
    /// The products, in or out.
    pub entries: Vec<Entry>,
    /// The same products in the library, where they are there.
    pub products: Vec<Product>,
}

/// A catalog with all that belongs to it, none of which is written yet.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct CatalogCopy {
    pub catalog: Catalog,
    pub layout: Layout,
    pub categories: Vec<Category>,
    pub entries: Vec<Entry>,
    pub products: Vec<Product>,
}

impl Menu {
    /// Takes products of the library into the catalog (contract §7). What the products know of catalogs that are on the list no
    /// more is forgotten on the way.
    pub fn adding(
        &self,
        (catalog, list): (&Catalog, &CatalogList),
        library: &[Product],
        new: &[NewEntry],
        now: Timestamp,
    ) -> Result<MenuChange, AddError> {
        let (mut ranks, mut entries, mut products) = (Vec::new(), Vec::<Entry>::new(), Vec::new());
        for (place, new) in new.iter().enumerate() {
            let known = library.iter().find(|product| product.id == new.product);
            let product = known.ok_or(AddError::UnknownProduct(place))?;
            let id = entry_id(catalog.id, product.id);
            if self.layout.entries.get(id).is_some() || entries.iter().any(|entry| entry.id == id) {
                return Err(AddError::Twice(place));
            }
            if new.category.is_some_and(|category| self.category(category).is_none()) {
                return Err(AddError::UnknownCategory(place));
            }
            ranks.push((id, new.rank));
            entries.push(Entry {
                id,
                org: catalog.org,
                catalog: catalog.id,
                product: product.id,
                category: new.category,
                price: new.price,
                is_active: new.is_active,
                version: 0,
                created_at: now,
                updated_at: now,
            });
            products.push(product.sold_by(|catalogs| {
                catalogs.retain(|catalog| list.has(*catalog));
                catalogs.insert(catalog.id);
            }));
        }
        let layout = self.layout.add_entries(&ranks)?;
        Ok(MenuChange { catalog: catalog.selling(layout.entries.len()), layout, entries, products })
    }

    /// Takes a product out of the catalog.
    pub fn removing(&self, catalog: &Catalog, entry: &Entry, library: &[Product]) -> MenuChange {
        let layout = self.layout.remove_entry(entry.id);
        let product = library.iter().find(|product| product.id == entry.product);
        let leave = |product: &Product| product.sold_by(|catalogs| catalogs.retain(|id| *id != catalog.id));
        MenuChange {
            catalog: catalog.selling(layout.entries.len()),
            layout,
            entries: vec![entry.clone()],
            products: product.map(leave).into_iter().collect(),
        }
    }

    /// The whole of a new catalog that sells the same as this one: copies of everything, products of the library too
    /// (contract §4). `random` gives the new ids.
    pub fn copied(
        &self,
        catalog: Catalog,
        library: &[Product],
        mut random: impl FnMut() -> [u8; 16],
        now: Timestamp,
    ) -> CatalogCopy {
        let (org, id) = (catalog.org, catalog.id);
        let mut layout = Layout::new(org, id);
        let (mut renamed, mut categories) = (BTreeMap::new(), Vec::new());
        for before in &self.categories {
            let category = CategoryId::from_random(random());
            renamed.insert(before.id, category);
            let rank = self.layout.categories.get(before.id).unwrap_or_default();
            layout.categories = layout.categories.with(category, rank);
            let copy = Category { id: category, catalog: id, version: 0, ..before.clone() };
            categories.push(Category { created_at: now, updated_at: now, ..copy });
        }
        let (mut entries, mut products) = (Vec::new(), Vec::new());
        for before in &self.entries {
            let Some(original) = library.iter().find(|product| product.id == before.product) else { continue };
            let copy = original.copied(ProductId::from_random(random()), original.name.clone(), now);
            let product = Product { catalogs: BTreeSet::from([id]), copied_for: Some(id), ..copy };
            let entry = Entry { id: entry_id(id, product.id), catalog: id, product: product.id, ..before.clone() };
            let rank = self.layout.entries.get(before.id).unwrap_or_default();
            layout.entries = layout.entries.with(entry.id, rank);
            let category = before.category.and_then(|category| renamed.get(&category).copied());
            // `created_at` stays: products of one rank are shown by it.
            entries.push(Entry { category, version: 0, updated_at: now, ..entry });
            products.push(product);
        }
        CatalogCopy { catalog: Catalog { products: entries.len(), ..catalog }, layout, categories, entries, products }
    }
}
