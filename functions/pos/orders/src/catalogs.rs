//! Which catalogs there are, as a warm function remembers it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use domain::ids::{CatalogId, OrgId};
use jiff::{SignedDuration, Timestamp};
use runtime::{ApiError, Ctx, session::User};

/// How long a catalog that was there is believed to be: an order may name one that was deleted a moment ago, as it may keep
/// one that is deleted later. Whose it is never changes.
const BELIEVED: SignedDuration = SignedDuration::from_mins(1);

/// Catalogs remembered at most.
const MOST: usize = 1000;

/// Catalogs that were there a moment ago, and whose: a sale need not ask again.
#[derive(Clone, Default)]
pub(crate) struct Known(Arc<Mutex<HashMap<(OrgId, CatalogId), Timestamp>>>);

impl Known {
    fn has(&self, catalog: (OrgId, CatalogId), now: Timestamp) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&catalog).is_some_and(|seen| now.duration_since(*seen).abs() < BELIEVED)
    }

    fn note(&self, catalog: (OrgId, CatalogId), now: Timestamp) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(catalog, now);
    }

    /// 404 unless the organization has this catalog, and the user sees it (contract §4).
    pub(crate) async fn check(&self, ctx: &Ctx, user: &User, catalog: CatalogId) -> Result<(), ApiError> {
        let not_found = || ApiError::not_found("CATALOG_NOT_FOUND", "Catalog not found");
        if !user.member.sees_catalog(catalog) {
            return Err(not_found());
        }
        if self.has((user.org, catalog), ctx.now()) {
            return Ok(());
        }
        let standing = ctx.store().pos().load_standing(user.org, None).await?;
        if !standing.list.has(catalog) {
            return Err(not_found());
        }
        self.note((user.org, catalog), ctx.now());
        Ok(())
    }
}
