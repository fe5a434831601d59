//! Which catalog a request may use, and how often it is decided anew.

use std::time::Duration;

use axum::extract::{FromRequestParts, Path};
use domain::{
    ids::CatalogId,
    pos::{
        catalog::{Catalog, CatalogLimit, CatalogList},
        menu::Menu,
    },
};
use http::{StatusCode, request::Parts};
use runtime::{ApiError, Ctx, session::User};
use store::{
    StoreError,
    pos::{catalog::Standing, product::Library},
};

/// How often a change is decided anew when somebody else has changed the same thing in between. Of any number who try
/// at once, one gets through each time.
const ROUNDS: u32 = 24;

/// The longest pause before it is decided anew.
const LONGEST_PAUSE: Duration = Duration::from_millis(80);

/// Why a change did not come about.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What it was decided on has changed: decide again.
    Stale,
    /// It may not, or cannot.
    Final(ApiError),
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Failure::Final(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Stale => Failure::Stale,
            error => Failure::Final(error.into()),
        }
    }
}

/// Loads, decides and saves, until nobody has changed anything in between. 503 when they never stop.
pub(crate) async fn decide<T, F>(step: impl Fn() -> F) -> Result<T, ApiError>
where
    F: Future<Output = Result<T, Failure>>,
{
    for round in 0..ROUNDS {
        match step().await {
            Ok(done) => return Ok(done),
            Err(Failure::Final(error)) => return Err(error),
            Err(Failure::Stale) => {
                let pause = Duration::from_millis(2 << round.min(6)).min(LONGEST_PAUSE);
                tokio::time::sleep(pause.mul_f64(rand::random())).await;
            }
        }
    }
    Err(ApiError::unavailable())
}

pub(crate) fn catalog_not_found() -> ApiError {
    ApiError::not_found("CATALOG_NOT_FOUND", "Catalog not found")
}

/// 403: there can be no more catalogs.
pub(crate) fn catalog_limit(limit: CatalogLimit) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "CATALOG_LIMIT_REACHED", limit.to_string())
}

/// The catalog, if this person sees it and the organization's tier may use it (contract §4).
pub(crate) fn admit(user: &User, standing: Standing) -> Result<(Catalog, CatalogList), ApiError> {
    let Standing { list, tier, catalog } = standing;
    let catalog = catalog.filter(|catalog| user.member.sees_catalog(catalog.id)).ok_or_else(catalog_not_found)?;
    if list.is_locked(catalog.id, tier) {
        let text = "Your plan includes one catalog. Upgrade to use this one";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "CATALOG_LOCKED", text));
    }
    Ok((catalog, list))
}

/// A catalog that may be used.
pub(crate) async fn open_catalog(ctx: &Ctx, user: &User, id: Option<CatalogId>) -> Result<Catalog, Failure> {
    let id = id.ok_or_else(catalog_not_found)?;
    let standing = ctx.store().pos().load_standing(user.org, Some(id)).await?;
    Ok(admit(user, standing)?.0)
}

/// A catalog that may be used, with its categories and products.
pub(crate) struct Open {
    pub(crate) catalog: Catalog,
    pub(crate) list: CatalogList,
    pub(crate) menu: Menu,
}

/// A catalog and its menu: two calls at once.
pub(crate) async fn open_menu(ctx: &Ctx, user: &User, id: Option<CatalogId>) -> Result<Open, Failure> {
    let id = id.ok_or_else(catalog_not_found)?;
    let pos = ctx.store().pos();
    let (standing, menu) = tokio::try_join!(pos.load_standing(user.org, Some(id)), pos.load_menu(user.org, id))?;
    let (catalog, list) = admit(user, standing)?;
    Ok(Open { catalog, list, menu: menu.ok_or_else(catalog_not_found)? })
}

/// A catalog, its menu, and the products of the library: three calls at once.
pub(crate) async fn open_shop(ctx: &Ctx, user: &User, id: Option<CatalogId>) -> Result<(Open, Library), Failure> {
    let library = async { Ok(ctx.store().pos().load_library(user.org).await?) };
    tokio::try_join!(open_menu(ctx, user, id), library)
}

/// A catalog and something in it, as the path names them; `None` when either name can be none.
pub(crate) struct Ids<T>(pub(crate) Option<(CatalogId, T)>);

impl<T: std::str::FromStr, S: Send + Sync> FromRequestParts<S> for Ids<T> {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let named = Path::<(String, String)>::from_request_parts(parts, state).await.ok();
        Ok(Ids(named.and_then(|Path((catalog, id))| Some((catalog.parse().ok()?, id.parse().ok()?)))))
    }
}
