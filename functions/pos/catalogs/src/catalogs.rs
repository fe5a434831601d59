//! Catalogs (contract §4).

use axum::extract::State;
use domain::{ids::CatalogId, pos::catalog::Catalog};
use http::StatusCode;
use runtime::{
    ApiError, Ctx, Json,
    extract::Id,
    openapi::{PosError, PosSessionErrors},
    session::{self, Manager, Owner, User},
};

use crate::{
    access::{catalog_limit, catalog_not_found, decide, open_catalog},
    sweep::clear,
    wire::{CatalogIn, CatalogOut, Success},
};

/// Catalogs that the caller sees, newest first; those that the plan does not include are locked.
#[utoipa::path(get, path = "/pos/catalogs", tag = "pos catalogs", security(("bearer" = [])),
    extensions(("x-role" = json!(session::USER))),
    responses((status = 200, body = Vec<CatalogOut>), PosSessionErrors))]
pub(crate) async fn list_catalogs(State(ctx): State<Ctx>, user: User) -> Result<Json<Vec<CatalogOut>>, ApiError> {
    let pos = ctx.store().pos();
    let ((list, catalogs), terms) = tokio::try_join!(pos.load_catalogs(user.org), pos.load_terms(user.org))?;
    let tier = terms.subscription.map(|subscription| subscription.effective_tier()).unwrap_or_default();
    let seen = catalogs.iter().filter(|catalog| user.member.sees_catalog(catalog.id));
    Ok(Json(seen.map(|catalog| CatalogOut::new(catalog, list.is_locked(catalog.id, tier))).collect()))
}

/// Makes a catalog. `name` is required.
#[utoipa::path(post, path = "/pos/catalogs", tag = "pos catalogs", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))), request_body = CatalogIn,
    responses(
        (status = 201, body = CatalogOut),
        (status = 403, body = PosError, description = "`FORBIDDEN`, `CATALOG_LIMIT_REACHED`"),
        PosSessionErrors,
    ))]
pub(crate) async fn create_catalog(
    State(ctx): State<Ctx>,
    Manager(user): Manager,
    Json(input): Json<CatalogIn>,
) -> Result<(StatusCode, Json<CatalogOut>), ApiError> {
    let name = CatalogIn::required_name(input.name.as_deref())?;
    let mut catalog = Catalog::new(CatalogId::from_random(rand::random()), user.org, name, ctx.now());
    input.apply(&mut catalog);
    let (ctx, pos, catalog) = (&ctx, ctx.store().pos(), &catalog);
    let list = decide(|| async move {
        let standing = pos.load_standing(catalog.org, None).await?;
        let list = standing.list.with(catalog.id, standing.tier).map_err(catalog_limit)?;
        pos.create_catalog(catalog, &list).await?;
        Ok(list)
    });
    let list = list.await?;
    tracing::info!(catalog = %catalog.id, org = %catalog.org, "catalog created");
    clear(ctx, catalog.org, &list).await;
    Ok((StatusCode::CREATED, Json(CatalogOut::new(catalog, false))))
}

/// A catalog.
#[utoipa::path(get, path = "/pos/catalogs/{catalogId}", tag = "pos catalogs", security(("bearer" = [])),
    extensions(("x-role" = json!(session::USER))),
    params(("catalogId" = String, Path, description = "UUID of the catalog")),
    responses(
        (status = 200, body = CatalogOut),
        (status = 403, body = PosError, description = "`FORBIDDEN`, `CATALOG_LOCKED`"),
        (status = 404, body = PosError, description = "`CATALOG_NOT_FOUND`"),
        PosSessionErrors,
    ))]
pub(crate) async fn get_catalog(
    State(ctx): State<Ctx>,
    user: User,
    Id(id): Id<CatalogId>,
) -> Result<Json<CatalogOut>, ApiError> {
    let (ctx, user) = (&ctx, &user);
    let catalog = decide(|| open_catalog(ctx, user, id)).await?;
    Ok(Json(CatalogOut::new(&catalog, false)))
}

/// Changes what is sent, and nothing else.
#[utoipa::path(put, path = "/pos/catalogs/{catalogId}", tag = "pos catalogs", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))), request_body = CatalogIn,
    params(("catalogId" = String, Path, description = "UUID of the catalog")),
    responses(
        (status = 200, body = CatalogOut),
        (status = 403, body = PosError, description = "`FORBIDDEN`, `CATALOG_LOCKED`"),
        (status = 404, body = PosError, description = "`CATALOG_NOT_FOUND`"),
        PosSessionErrors,
    ))]
pub(crate) async fn update_catalog(
    State(ctx): State<Ctx>,
    Manager(user): Manager,
    Id(id): Id<CatalogId>,
    Json(input): Json<CatalogIn>,
) -> Result<Json<CatalogOut>, ApiError> {
    if input == CatalogIn::default() {
        return Err(ApiError::invalid("", "Nothing to change was sent"));
    }
    let (ctx, user, input) = (&ctx, &user, &input);
    let catalog = decide(|| async move {
        let before = open_catalog(ctx, user, id).await?;
        let after = before.edited(|catalog| input.apply(catalog), ctx.now());
        ctx.store().pos().save_catalog(&after).await?;
        Ok(after)
    });
    Ok(Json(CatalogOut::new(&catalog.await?, false)))
}

/// Deletes a catalog, locked or not, with its categories and prices. Products stay in the library, orders keep what they
/// say.
#[utoipa::path(delete, path = "/pos/catalogs/{catalogId}", tag = "pos catalogs", security(("bearer" = [])),
    extensions(("x-role" = json!(session::OWNER))),
    params(("catalogId" = String, Path, description = "UUID of the catalog")),
    responses(
        (status = 200, body = Success),
        (status = 404, body = PosError, description = "`CATALOG_NOT_FOUND`"),
        PosSessionErrors,
    ))]
pub(crate) async fn delete_catalog(
    State(ctx): State<Ctx>,
    Owner(user): Owner,
    Id(id): Id<CatalogId>,
) -> Result<Json<Success>, ApiError> {
    let id = id.ok_or_else(catalog_not_found)?;
    let pos = ctx.store().pos();
    let list = decide(|| async move {
        let standing = pos.load_standing(user.org, Some(id)).await?;
        let catalog = standing.catalog.ok_or_else(catalog_not_found)?;
        let list = standing.list.without(id).ok_or_else(catalog_not_found)?;
        pos.delete_catalog(&catalog, &list).await?;
        Ok(list)
    });
    let list = list.await?;
    tracing::info!(catalog = %id, org = %user.org, "catalog deleted");
    clear(&ctx, user.org, &list).await;
    Ok(Success::json())
}
