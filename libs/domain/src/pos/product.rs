//! Products: an organization's library, without prices, which are each catalog's own (contract §6).

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    ids::{CatalogId, OrgId, ProductId},
    time::millis,
};

/// Products of an organization at most, copies among them.
pub const MAX_LIBRARY: u32 = 2000;

/// A copy of a catalog that takes longer was given up: a function that made it cannot be alive any more.
pub const COPY_TAKES: SignedDuration = SignedDuration::from_mins(15);

/// A product's picture. The file never changes and is never deleted: copies of the product, and lines of old orders, show it too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// Another with each upload.
    pub id: Uuid,
    /// Key of the object, `media/…`.
    pub key: String,
}

/// A product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Product {
    /// Its id.
    pub id: ProductId,
    /// Whose.
    pub org: OrgId,
    /// 1 to 100 characters.
    pub name: String,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<Picture>,
    /// The catalogs that sell it, written with their entries; deleted catalogs may be among them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub catalogs: BTreeSet<CatalogId>,
    /// The catalog with which it was copied; it is seen only when that is whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copied_for: Option<CatalogId>,
    /// Rises with every change.
    pub version: u32,
    /// When it was made.
    #[serde(with = "millis")]
    pub created_at: Timestamp,
    /// When name, description or picture last changed.
    #[serde(with = "millis")]
    pub updated_at: Timestamp,
}

impl Product {
    /// A product that no catalog sells yet.
    pub fn new(id: ProductId, org: OrgId, name: String, now: Timestamp) -> Self {
        Product {
            id,
            org,
            name,
            description: None,
            picture: None,
            catalogs: BTreeSet::new(),
            copied_for: None,
            version: 0,
            created_at: now,
            updated_at: now,
        }
    }

    /// The next version, with another name, description or picture.
    pub fn edited(&self, edit: impl FnOnce(&mut Product), now: Timestamp) -> Self {
        let mut product = self.clone();
        edit(&mut product);
        Product { version: self.version + 1, updated_at: now, ..product }
    }

    /// The next version, sold by other catalogs than before.
    pub fn sold_by(&self, change: impl FnOnce(&mut BTreeSet<CatalogId>)) -> Self {
        let mut catalogs = self.catalogs.clone();
        change(&mut catalogs);
        Product { catalogs, version: self.version + 1, ..self.clone() }
    }

    /// Another product with the same description and picture, that no catalog sells yet.
    pub fn copied(&self, id: ProductId, name: String, now: Timestamp) -> Self {
        let (description, picture) = (self.description.clone(), self.picture.clone());
        Product { description, picture, ..Product::new(id, self.org, name, now) }
    }
}

/// The order of a list of products: by name as people read it, whatever the case (contract §6).
pub fn sort_by_name(products: &mut [Product]) {
    products.sort_by_cached_key(|product| (product.name.to_lowercase(), product.name.clone(), product.id));
}

/// A catalog that is being copied, with so many products.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// The copy.
    pub catalog: CatalogId,
    /// Products of it, which are counted in the library from the beginning.
    pub products: u32,
    /// Since when.
    #[serde(with = "millis")]
    pub at: Timestamp,
}

impl Arrival {
    /// Is whoever made it dead by now?
    fn is_over(&self, now: Timestamp) -> bool {
        now.duration_since(self.at) > COPY_TAKES
    }
}

/// What an organization's library is besides its products.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shelf {
    /// How many products there are, or are about to be.
    #[serde(default)]
    pub products: u32,
    /// Copies of catalogs that are not whole yet: their products are not seen.
    #[serde(default)]
    pub arriving: Vec<Arrival>,
    /// Copies that were given up: what is left of them, or still comes, is neither seen nor counted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaving: Vec<Arrival>,
    /// Rises with every change; 0 before the first.
    #[serde(default)]
    pub version: u32,
}

/// There are [`MAX_LIBRARY`] products.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("An organization can have {MAX_LIBRARY} products at most")]
pub struct LibraryFull;

impl Shelf {
    /// Is the product seen?
    pub fn shows(&self, product: &Product) -> bool {
        product.copied_for.is_none_or(|catalog| self.copies().all(|copy| copy.catalog != catalog))
    }

    /// The next version, with so many products more.
    pub fn with(&self, products: u32) -> Result<Self, LibraryFull> {
        let products = self.products.saturating_add(products);
        let next = || Shelf { products, version: self.version + 1, ..self.clone() };
        if products > MAX_LIBRARY { Err(LibraryFull) } else { Ok(next()) }
    }

    /// The next version, with one product less.
    pub fn without_one(&self) -> Self {
        Shelf { products: self.products.saturating_sub(1), version: self.version + 1, ..self.clone() }
    }

    /// The next version, with the products of a copy that begins counted in.
    pub fn announcing(&self, arrival: Arrival) -> Result<Self, LibraryFull> {
        let mut next = self.with(arrival.products)?;
        next.arriving.push(arrival);
        Ok(next)
    }

    /// The next version, when a copy is whole. `None` when it is not on its way: it was given up.
    pub fn welcoming(&self, catalog: CatalogId) -> Option<Self> {
        self.arriving.iter().any(|arrival| arrival.catalog == catalog).then(|| self.settled(catalog))
    }

    /// The next version, when a copy is given up: it is not counted, and nobody can make it whole any more. `None` when it is
    /// not on its way.
    pub fn giving_up(&self, catalog: CatalogId) -> Option<Self> {
        let copy = self.arriving.iter().find(|arrival| arrival.catalog == catalog)?.clone();
        let mut next = self.settled(catalog);
        next.products = next.products.saturating_sub(copy.products);
        next.leaving.push(copy);
        Some(next)
    }

    /// Was the copy given up, and may something of it be left?
    pub fn is_leaving(&self, catalog: CatalogId) -> bool {
        self.leaving.iter().any(|copy| copy.catalog == catalog)
    }

    /// The next version, when nothing is left of a copy that was given up. `None` as long as something of it may still be on
    /// its way to the table.
    pub fn forgetting(&self, catalog: CatalogId, now: Timestamp) -> Option<Self> {
        let gone = |copy: &Arrival| copy.catalog == catalog && copy.is_over(now);
        self.leaving.iter().any(gone).then(|| self.settled(catalog))
    }

    /// Copies that nobody will end, or of which nothing can come any more.
    pub fn stranded(&self, now: Timestamp) -> Vec<CatalogId> {
        self.copies().filter(|copy| copy.is_over(now)).map(|copy| copy.catalog).collect()
    }

    fn copies(&self) -> impl Iterator<Item = &Arrival> {
        self.arriving.iter().chain(&self.leaving)
    }

    fn settled(&self, catalog: CatalogId) -> Self {
        let mut next = Shelf { version: self.version + 1, ..self.clone() };
        next.arriving.retain(|copy| copy.catalog != catalog);
        next.leaving.retain(|copy| copy.catalog != catalog);
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog(n: u8) -> CatalogId {
        CatalogId::from_random([n; 16])
    }

    fn product(name: &str) -> Product {
        let id = ProductId::from_random([name.len() as u8; 16]);
        Product::new(id, OrgId::from_random([7; 16]), name.to_owned(), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn names_are_sorted_as_people_read_them() {
        let mut products = ["banana", "Apple", "apple", "Éclair", "Cider"].map(product);
        sort_by_name(&mut products);
        assert_eq!(products.map(|product| product.name), ["Apple", "apple", "banana", "Cider", "Éclair"]);
    }

    #[test]
    fn a_copy_is_counted_from_its_beginning_and_seen_at_its_end() {
        let copied = Product { copied_for: Some(catalog(1)), ..product("a") };
        let arrival = |products| Arrival { catalog: catalog(1), products, at: Timestamp::UNIX_EPOCH };
        let empty = Shelf { products: MAX_LIBRARY - 3, ..Shelf::default() };
        assert_eq!(empty.announcing(arrival(4)), Err(LibraryFull));
        let announced = empty.announcing(arrival(3)).unwrap();
        assert_eq!((announced.products, announced.version), (MAX_LIBRARY, 1));
        assert!(!announced.shows(&copied) && announced.shows(&product("b")));

        let whole = announced.welcoming(catalog(1)).unwrap();
        assert_eq!((whole.products, whole.shows(&copied)), (MAX_LIBRARY, true));
        assert_eq!(whole.welcoming(catalog(1)), None);

        let given_up = announced.giving_up(catalog(1)).unwrap();
        assert_eq!((given_up.products, given_up.shows(&copied)), (MAX_LIBRARY - 3, false), "not even what comes late");
        assert_eq!((given_up.giving_up(catalog(1)), given_up.welcoming(catalog(1))), (None, None));
        let over = Timestamp::UNIX_EPOCH + COPY_TAKES + SignedDuration::from_millis(1);
        assert_eq!(given_up.forgetting(catalog(1), Timestamp::UNIX_EPOCH + COPY_TAKES), None);
        assert_eq!(announced.forgetting(catalog(1), over), None, "it must be given up before");
        let forgotten = given_up.forgetting(catalog(1), over).unwrap();
        assert_eq!(forgotten, Shelf { products: MAX_LIBRARY - 3, version: 3, ..Shelf::default() });
    }

    #[test]
    fn a_copy_that_takes_too_long_is_stranded() {
        let arrival = Arrival { catalog: catalog(1), products: 1, at: Timestamp::UNIX_EPOCH };
        let shelf = Shelf::default().announcing(arrival).unwrap();
        assert_eq!(shelf.stranded(Timestamp::UNIX_EPOCH + COPY_TAKES), []);
        let later = Timestamp::UNIX_EPOCH + COPY_TAKES + SignedDuration::from_millis(1);
        assert_eq!(shelf.stranded(later), [catalog(1)]);
        assert_eq!(shelf.giving_up(catalog(1)).unwrap().stranded(later), [catalog(1)]);
    }

    #[test]
    fn what_sells_a_product_is_no_edit_of_it() {
        let before = product("a");
        let after = before.sold_by(|catalogs| catalogs.extend([catalog(1)]));
        assert_eq!((after.version, after.updated_at), (1, before.updated_at));
        let copy = after.copied(ProductId::from_random([9; 16]), "b".into(), Timestamp::UNIX_EPOCH);
        assert!(copy.catalogs.is_empty() && copy.version == 0);
    }
}
