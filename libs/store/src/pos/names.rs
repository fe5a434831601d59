//! Names of what orders only know by id, many at once.

use std::collections::{BTreeSet, HashMap};

use domain::ids::{CatalogId, CategoryId, CustomerId, OrgId};

use super::Pos;
use crate::{error::StoreError, item::text, keys::Key};

/// What is to be named; each once, however often it is asked for.
#[derive(Clone, Debug, Default)]
pub struct Unnamed {
    /// Catalogs.
    pub catalogs: BTreeSet<CatalogId>,
    /// Categories, each of its catalog.
    pub categories: BTreeSet<(CatalogId, CategoryId)>,
    /// Customers.
    pub customers: BTreeSet<CustomerId>,
}

/// Names. What is gone, or never had a name, is not among them.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Of catalogs.
    pub catalogs: HashMap<CatalogId, String>,
    /// Of categories.
    pub categories: HashMap<CategoryId, String>,
    /// Of customers.
    pub customers: HashMap<CustomerId, String>,
}

impl Pos<'_> {
    /// Names of an organization's things, in calls of 100 that run at once.
    pub async fn load_names(&self, org: OrgId, unnamed: &Unnamed) -> Result<Names, StoreError> {
        let catalogs = unnamed.catalogs.iter().map(|catalog| Key::catalog(org, *catalog));
        let categories = unnamed.categories.iter().map(|(catalog, category)| Key::category(org, *catalog, *category));
        let customers = unnamed.customers.iter().map(|customer| Key::customer(org, *customer));
        let keys = catalogs.chain(categories).chain(customers).map(|key| key.item()).collect();
        let mut names = Names::default();
        for item in self.0.batch_get(keys, false).await? {
            let (Some(entity), Some(id), Some(name)) = (text(&item, "entity"), text(&item, "id"), text(&item, "name"))
            else {
                continue;
            };
            let name = name.to_owned();
            match entity {
                "catalog" => names.catalogs.extend(id.parse().map(|id| (id, name))),
                "category" => names.categories.extend(id.parse().map(|id| (id, name))),
                "customer" => names.customers.extend(id.parse().map(|id| (id, name))),
                _ => {}
            }
        }
        Ok(names)
    }
}
