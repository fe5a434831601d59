//! Menus: the categories and products of a catalog, and their order (contract §5, §7).
//!
//! The order is one value, the [`Layout`], however many products there are: so a reorder is one write, whole or not at all.
//! It is also what decides which rows there are. A row that it does not rank is not there; and a product of a category that
//! it does not rank has none, so that a category is deleted without a write to its products.

mod change;

use std::collections::{BTreeMap, BTreeSet};

pub use change::{AddError, CatalogCopy, MenuChange, NewEntry};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    ids::{CatalogId, CatalogProductId, CategoryId, OrgId, ProductId},
    money::Cents,
    time::millis,
};

/// Categories of a catalog at most.
pub const MAX_CATEGORIES: usize = 100;

/// Products of a catalog at most. Their order is one item of some 25 kB then.
pub const MAX_ENTRIES: usize = 500;

/// Products that are added at once at most: with what they change they are one transaction of a hundred items.
pub const MAX_BULK: usize = 48;

/// The largest `sortOrder`.
pub const MAX_RANK: u32 = 1_000_000_000;

/// A category of a catalog.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Category {
    /// Its id.
    pub id: CategoryId,
    /// Whose.
    pub org: OrgId,
    /// Of which catalog.
    pub catalog: CatalogId,
    /// 1 to 100 characters.
    pub name: String,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What it is shown by; the app's own name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon: Option<String>,
    /// Is it in use?
    pub is_active: bool,
    /// Rises with every change.
    pub version: u32,
    /// When it was made.
    #[serde(with = "millis")]
    pub created_at: Timestamp,
    /// When it last changed.
    #[serde(with = "millis")]
    pub updated_at: Timestamp,
}

impl Category {
    /// The next version.
    pub fn edited(&self, edit: impl FnOnce(&mut Category), now: Timestamp) -> Self {
        let mut category = self.clone();
        edit(&mut category);
        Category { version: self.version + 1, updated_at: now, ..category }
    }
}

/// A product as a catalog sells it: a "catalog product".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// See [`entry_id`].
    pub id: CatalogProductId,
    /// Whose.
    pub org: OrgId,
    /// Of which catalog.
    pub catalog: CatalogId,
    /// The product of the library.
    pub product: ProductId,
    /// Its category, as long as that is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<CategoryId>,
    /// What it costs here.
    pub price: Cents,
    /// Is it on sale?
    pub is_active: bool,
    /// Rises with every change.
    pub version: u32,
    /// When it was added.
    #[serde(with = "millis")]
    pub created_at: Timestamp,
    /// When it last changed.
    #[serde(with = "millis")]
    pub updated_at: Timestamp,
}

impl Entry {
    /// The next version.
    pub fn edited(&self, edit: impl FnOnce(&mut Entry), now: Timestamp) -> Self {
        let mut entry = self.clone();
        edit(&mut entry);
        Entry { version: self.version + 1, updated_at: now, ..entry }
    }
}

/// The id of a product in a catalog: derived from both, so that the pair has one key, and is there once (contract §7).
pub fn entry_id(catalog: CatalogId, product: ProductId) -> CatalogProductId {
    let hash = Sha256::digest(format!("catalog product\0{catalog}\0{product}"));
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&hash[..16]);
    CatalogProductId::from_random(bytes)
}

/// `sortOrder` of each of some things.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ranks<Id: Ord>(BTreeMap<Id, u32>);

impl<Id: Ord> Default for Ranks<Id> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

/// Why things cannot be put into an order: the place, and what is wrong there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// It is not among them.
    #[error("is not in this catalog")]
    Unknown(usize),
    /// It was named before.
    #[error("is named twice")]
    Twice(usize),
}

impl OrderError {
    /// The place, from 0.
    pub fn place(self) -> usize {
        match self {
            Self::Unknown(place) | Self::Twice(place) => place,
        }
    }
}

impl<Id: Ord + Copy> Ranks<Id> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True for none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Its rank, if it is among them.
    pub fn get(&self, id: Id) -> Option<u32> {
        self.0.get(&id).copied()
    }

    /// The rank behind all: one more than the highest, 0 for the first (contract §5).
    pub fn last(&self) -> u32 {
        self.0.values().max().map_or(0, |rank| (rank + 1).min(MAX_RANK))
    }

    fn with(&self, id: Id, rank: u32) -> Self {
        let mut ranks = self.clone();
        ranks.0.insert(id, rank);
        ranks
    }

    fn without(&self, id: Id) -> Self {
        let mut ranks = self.clone();
        ranks.0.remove(&id);
        ranks
    }

    /// Gives those that are named these ranks; the others keep theirs.
    fn ranked(&self, wanted: &[(Id, u32)]) -> Result<Self, OrderError> {
        let (mut ranks, mut named) = (self.clone(), BTreeSet::new());
        for (place, (id, rank)) in wanted.iter().enumerate() {
            if !named.insert(*id) {
                return Err(OrderError::Twice(place));
            }
            *ranks.0.get_mut(id).ok_or(OrderError::Unknown(place))? = *rank;
        }
        Ok(ranks)
    }

    /// Ranks by place in a list. Those that a client did not know of follow, in the order that they had.
    fn ordered(&self, wanted: &[Id]) -> Result<Self, OrderError> {
        let named: BTreeSet<Id> = wanted.iter().copied().collect();
        let mut others: Vec<(u32, Id)> =
            self.0.iter().filter(|(id, _)| !named.contains(id)).map(|(id, rank)| (*rank, *id)).collect();
        others.sort_unstable();
        let ranked: Vec<(Id, u32)> = wanted.iter().copied().zip(0..).collect();
        let mut ranks = self.ranked(&ranked)?;
        for ((_, id), rank) in others.into_iter().zip(ranked.len() as u32..) {
            ranks.0.insert(id, rank);
        }
        Ok(ranks)
    }
}

/// A catalog can have no more of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MenuFull {
    /// There are [`MAX_CATEGORIES`].
    #[error("A catalog can have {MAX_CATEGORIES} categories at most")]
    Categories,
    /// There are [`MAX_ENTRIES`].
    #[error("A catalog can have {MAX_ENTRIES} products at most")]
    Products,
}

/// Which categories and products a catalog has, and in which order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// Whose.
    pub org: OrgId,
    /// Of which catalog.
    pub catalog: CatalogId,
    /// Its categories.
    pub categories: Ranks<CategoryId>,
    /// Its products.
    pub entries: Ranks<CatalogProductId>,
    /// Rises with every change.
    pub version: u32,
}

impl Layout {
    /// Of a catalog that sells nothing yet.
    pub fn new(org: OrgId, catalog: CatalogId) -> Self {
        Layout { org, catalog, categories: Ranks::default(), entries: Ranks::default(), version: 0 }
    }

    fn with_categories(&self, categories: Ranks<CategoryId>) -> Self {
        Layout { categories, version: self.version + 1, ..self.clone() }
    }

    fn with_entries(&self, entries: Ranks<CatalogProductId>) -> Self {
        Layout { entries, version: self.version + 1, ..self.clone() }
    }

    /// The next version, with a new category behind the others.
    pub fn add_category(&self, id: CategoryId) -> Result<Self, MenuFull> {
        if self.categories.len() >= MAX_CATEGORIES {
            return Err(MenuFull::Categories);
        }
        Ok(self.with_categories(self.categories.with(id, self.categories.last())))
    }

    /// The next version, with a category elsewhere.
    pub fn move_category(&self, id: CategoryId, rank: u32) -> Self {
        self.with_categories(self.categories.with(id, rank))
    }

    /// The next version, without a category.
    pub fn remove_category(&self, id: CategoryId) -> Self {
        self.with_categories(self.categories.without(id))
    }

    /// The next version, with the categories in this order; those that are not named follow.
    pub fn reorder_categories(&self, wanted: &[CategoryId]) -> Result<Self, OrderError> {
        Ok(self.with_categories(self.categories.ordered(wanted)?))
    }

    /// The next version, with new products: each at its rank, or behind all others.
    pub fn add_entries(&self, new: &[(CatalogProductId, Option<u32>)]) -> Result<Self, MenuFull> {
        let ranks = new.iter().fold(self.entries.clone(), |ranks, (id, rank)| {
            let rank = rank.unwrap_or_else(|| ranks.last());
            ranks.with(*id, rank)
        });
        if ranks.len() > MAX_ENTRIES { Err(MenuFull::Products) } else { Ok(self.with_entries(ranks)) }
    }

    /// The next version, with a product elsewhere.
    pub fn move_entry(&self, id: CatalogProductId, rank: u32) -> Self {
        self.with_entries(self.entries.with(id, rank))
    }

    /// The next version, without a product.
    pub fn remove_entry(&self, id: CatalogProductId) -> Self {
        self.with_entries(self.entries.without(id))
    }

    /// The next version, with these products at these ranks.
    pub fn reorder_entries(&self, wanted: &[(CatalogProductId, u32)]) -> Result<Self, OrderError> {
        Ok(self.with_entries(self.entries.ranked(wanted)?))
    }
}

/// What a catalog sells, as one query reads it.
#[derive(Clone, Debug, PartialEq)]
pub struct Menu {
    /// What there is, and in which order.
    pub layout: Layout,
    /// Its categories, in order.
    pub categories: Vec<Category>,
    /// Its products, in order.
    pub entries: Vec<Entry>,
}

impl Menu {
    /// Puts rows in order, and lets go of those that the layout does not rank.
    pub fn new(layout: Layout, mut categories: Vec<Category>, mut entries: Vec<Entry>) -> Self {
        categories.retain(|category| layout.categories.get(category.id).is_some());
        categories.sort_by_key(|category| (layout.categories.get(category.id), category.created_at, category.id));
        entries.retain(|entry| layout.entries.get(entry.id).is_some());
        // By rank, then newest (contract §7).
        let newest = |entry: &Entry| std::cmp::Reverse((entry.created_at, entry.id));
        entries.sort_by_key(|entry| (layout.entries.get(entry.id), newest(entry)));
        Menu { layout, categories, entries }
    }

    /// A category.
    pub fn category(&self, id: CategoryId) -> Option<&Category> {
        self.categories.iter().find(|category| category.id == id)
    }

    /// A product of the catalog.
    pub fn entry(&self, id: CatalogProductId) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id == id)
    }

    /// The category of a product, if that is still there.
    pub fn category_of(&self, entry: &Entry) -> Option<&Category> {
        self.category(entry.category?)
    }

    /// How many products a category has.
    pub fn count(&self, category: CategoryId) -> usize {
        self.entries.iter().filter(|entry| entry.category == Some(category)).count()
    }
}

#[cfg(test)]
mod tests;
