//! Which catalogs there are, as a warm function remembers it.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, PoisonError},
};

use domain::ids::{CatalogId, OrgId};
use jiff::{SignedDuration, Timestamp};
use runtime::{ApiError, Ctx, session::User};

/// How long a catalog that was there is believed to be: an order may name one that was deleted a moment ago, as it may keep
/// one that is deleted later. Whose it is never changes.
const BELIEVED: SignedDuration = SignedDuration::from_mins(1);

/// Catalogs remembered at most.
const MOST: usize = 1000;

/// When catalogs were last seen, and whose they are.
static SEEN: LazyLock<Mutex<HashMap<(OrgId, CatalogId), Timestamp>>> = LazyLock::new(Mutex::default);

/// 404 unless the organization has this catalog, and the user sees it (contract §4).
pub(crate) async fn check_catalog(ctx: &Ctx, user: &User, catalog: CatalogId) -> Result<(), ApiError> {
    let not_found = || ApiError::not_found("CATALOG_NOT_FOUND", "Catalog not found");
    if !user.member.sees_catalog(catalog) {
        return Err(not_found());
    }
    if was_seen((user.org, catalog), ctx.now()) {
        return Ok(());
    }
    let standing = ctx.store().pos().load_standing(user.org, None).await?;
    if !standing.list.has(catalog) {
        return Err(not_found());
    }
    note_seen((user.org, catalog), ctx.now());
    Ok(())
}

fn was_seen(catalog: (OrgId, CatalogId), now: Timestamp) -> bool {
    let seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    seen.get(&catalog).is_some_and(|at| now.duration_since(*at).abs() < BELIEVED)
}

fn note_seen(catalog: (OrgId, CatalogId), now: Timestamp) {
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    if seen.len() >= MOST {
        seen.clear();
    }
    seen.insert(catalog, now);
}
