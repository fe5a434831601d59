//! Revenue splits of a catalog (contract §13). Each day they are settled, and paid out, by `workers-payouts`.

pub(crate) mod report;
mod wire;

use axum::extract::State;
use domain::{
    ids::{CatalogId, OrgId, SplitId},
    pos::{
        catalog::Catalog,
        split::{MAX_SPLITS, Percentage, Split},
        tier::Tier,
    },
};
use http::StatusCode;
use runtime::{
    ApiError, Ctx, Json,
    extract::Id,
    openapi::{PosError, PosSessionErrors},
    session::{self, Manager},
};
use store::{StoreError, pos::split::SplitMade};

use self::wire::{SplitEditIn, SplitIn, SplitList, SplitOut};
use crate::read::{Ids, ROUNDS};

fn catalog_not_found() -> ApiError {
    ApiError::not_found("CATALOG_NOT_FOUND", "Catalog not found")
}

fn split_not_found() -> ApiError {
    ApiError::not_found("SPLIT_NOT_FOUND", "Split not found")
}

/// The catalog, for an organization whose tier has splits.
async fn catalog_with_splits(ctx: &Ctx, org: OrgId, catalog: Option<CatalogId>) -> Result<Catalog, ApiError> {
    let standing = ctx.store().pos().load_standing(org, catalog).await?;
    if standing.tier == Tier::Starter {
        return Err(ApiError::new(StatusCode::FORBIDDEN, "PRO_REQUIRED", "Pro subscription required"));
    }
    standing.catalog.ok_or_else(catalog_not_found)
}

/// The splits of a catalog, oldest first, those that are not active among them.
#[utoipa::path(get, path = "/pos/catalogs/{catalogId}/splits", tag = "pos splits", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))),
    params(("catalogId" = String, Path, description = "UUID of the catalog")),
    responses(
        (status = 200, description = "The splits. 403 `PRO_REQUIRED` on the free tier", body = SplitList),
        (status = 404, description = "`CATALOG_NOT_FOUND`", body = PosError),
        PosSessionErrors,
    ))]
pub(crate) async fn list_splits(
    State(ctx): State<Ctx>,
    manager: Manager,
    Id(catalog): Id<CatalogId>,
) -> Result<Json<SplitList>, ApiError> {
    let catalog = catalog_with_splits(&ctx, manager.org, catalog).await?;
    let splits = ctx.store().pos().list_splits(manager.org, catalog.id).await?;
    let active = splits.iter().filter(|split| split.is_active).map(|split| split.percentage);
    Ok(Json(SplitList {
        total_percentage: Percentage::total(active),
        splits: splits.iter().map(SplitOut::new).collect(),
    }))
}

/// Gives somebody a part of what a catalog sells, which has 100 splits at most. The parts may sum to more than 100 %.
#[utoipa::path(post, path = "/pos/catalogs/{catalogId}/splits", tag = "pos splits", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))),
    params(("catalogId" = String, Path, description = "UUID of the catalog")), request_body = SplitIn,
    responses(
        (status = 201, description = "The split. 400 `TOO_MANY_SPLITS`; 403 `PRO_REQUIRED` on the free tier", body = SplitOut),
        (status = 404, description = "`CATALOG_NOT_FOUND`", body = PosError),
        PosSessionErrors,
    ))]
pub(crate) async fn create_split(
    State(ctx): State<Ctx>,
    manager: Manager,
    Id(catalog): Id<CatalogId>,
    Json(input): Json<SplitIn>,
) -> Result<(StatusCode, Json<SplitOut>), ApiError> {
    let catalog = catalog_with_splits(&ctx, manager.org, catalog).await?;
    let id = SplitId::from_random(rand::random());
    let split = input.into_split(id, manager.org, catalog.id, ctx.now())?;
    match ctx.store().pos().create_split(&split, MAX_SPLITS).await? {
        SplitMade::Yes => Ok((StatusCode::CREATED, Json(SplitOut::new(&split)))),
        SplitMade::NoCatalog => Err(catalog_not_found()),
        SplitMade::TooMany => {
            Err(ApiError::bad_request("TOO_MANY_SPLITS", format!("A catalog has {MAX_SPLITS} splits at most")))
        }
    }
}

/// Changes a split. It counts for the days that are not settled yet.
#[utoipa::path(patch, path = "/pos/catalogs/{catalogId}/splits/{splitId}", tag = "pos splits", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))),
    params(
        ("catalogId" = String, Path, description = "UUID of the catalog"),
        ("splitId" = String, Path, description = "UUID of the split"),
    ),
    request_body = SplitEditIn,
    responses(
        (status = 200, description = "The split. 403 `PRO_REQUIRED` on the free tier", body = SplitOut),
        (status = 404, description = "`CATALOG_NOT_FOUND`, `SPLIT_NOT_FOUND`", body = PosError),
        PosSessionErrors,
    ))]
pub(crate) async fn update_split(
    State(ctx): State<Ctx>,
    manager: Manager,
    Ids(ids): Ids<CatalogId, SplitId>,
    Json(input): Json<SplitEditIn>,
) -> Result<Json<SplitOut>, ApiError> {
    let (catalog, id) = ids.unzip();
    let catalog = catalog_with_splits(&ctx, manager.org, catalog).await?.id;
    let (id, pos) = (id.ok_or_else(split_not_found)?, ctx.store().pos());
    for _ in 0..ROUNDS {
        let split: Split = pos.load_split(manager.org, catalog, id).await?.ok_or_else(split_not_found)?;
        let after = input.apply(&split, ctx.now())?;
        match pos.save_split(&split, &after).await {
            Err(StoreError::Stale) => {}
            saved => return Ok(saved.map(|()| Json(SplitOut::new(&after)))?),
        }
    }
    Err(ApiError::unavailable())
}

/// Takes a split away. It gets nothing of the days that are not settled yet.
#[utoipa::path(delete, path = "/pos/catalogs/{catalogId}/splits/{splitId}", tag = "pos splits", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))),
    params(
        ("catalogId" = String, Path, description = "UUID of the catalog"),
        ("splitId" = String, Path, description = "UUID of the split"),
    ),
    responses(
        (status = 204, description = "Deleted. 403 `PRO_REQUIRED` on the free tier"),
        (status = 404, description = "`CATALOG_NOT_FOUND`, `SPLIT_NOT_FOUND`", body = PosError),
        PosSessionErrors,
    ))]
pub(crate) async fn delete_split(
    State(ctx): State<Ctx>,
    manager: Manager,
    Ids(ids): Ids<CatalogId, SplitId>,
) -> Result<StatusCode, ApiError> {
    let (catalog, id) = ids.unzip();
    let catalog = catalog_with_splits(&ctx, manager.org, catalog).await?.id;
    match ctx.store().pos().delete_split(manager.org, catalog, id.ok_or_else(split_not_found)?).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(split_not_found()),
    }
}
