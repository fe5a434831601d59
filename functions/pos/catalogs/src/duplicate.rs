//! Copying a catalog with its settings, categories, products, prices and splits (contract §4).

use axum::extract::State;
use domain::{
    ids::{CatalogId, SplitId},
    pos::{
        catalog::{Catalog, copy_name},
        menu::CatalogCopy,
        product::Arrival,
        split::Split,
    },
};
use http::StatusCode;
use jiff::Timestamp;
use runtime::{
    ApiError, Ctx, Json,
    extract::Id,
    openapi::{PosError, PosSessionErrors},
    session::{self, Manager, User},
};

use crate::{
    access::{catalog_limit, decide, open_shop},
    products::library_full,
    sweep::{abandon, clear},
    wire::{CatalogOut, CopyIn, MAX_NAME, OptionalJson, filled},
};

/// Makes another catalog that sells the same: copies of the products too. All of it is there at once, or nothing.
#[utoipa::path(post, path = "/pos/catalogs/{catalogId}/duplicate", tag = "pos catalogs", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))), request_body = Option<CopyIn>,
    params(("catalogId" = String, Path, description = "UUID of the catalog")),
    responses(
        (status = 201, body = CatalogOut),
        (status = 403, body = PosError,
            description = "`FORBIDDEN`, `CATALOG_LOCKED`, `CATALOG_LIMIT_REACHED`, `PRODUCT_LIMIT_REACHED`"),
        (status = 404, body = PosError, description = "`CATALOG_NOT_FOUND`"),
        PosSessionErrors,
    ))]
pub(crate) async fn duplicate_catalog(
    State(ctx): State<Ctx>,
    Manager(user): Manager,
    Id(id): Id<CatalogId>,
    OptionalJson(input): OptionalJson<CopyIn>,
) -> Result<(StatusCode, Json<CatalogOut>), ApiError> {
    let (ctx, pos) = (&ctx, ctx.store().pos());
    let (copy, splits) = plan(ctx, &user, id, input.name.as_deref().and_then(filled)).await?;
    let (org, id) = (user.org, copy.catalog.id);
    announce(ctx, &copy).await?;
    let published = match pos.write_copy(&copy, &splits).await {
        Ok(()) => publish(ctx, &copy).await,
        Err(error) => Err(error.into()),
    };
    if let Err(error) = published {
        abandon(ctx, org, id).await;
        return Err(error);
    }
    tracing::info!(catalog = %id, %org, products = copy.products.len(), "catalog duplicated");
    Ok((StatusCode::CREATED, Json(CatalogOut::new(&copy.catalog, false))))
}

/// The copy as it will be. Sweeps up first, so that what others gave up does not fill the library.
async fn plan(
    ctx: &Ctx,
    user: &User,
    id: Option<CatalogId>,
    name: Option<String>,
) -> Result<(CatalogCopy, Vec<Split>), ApiError> {
    let pos = ctx.store().pos();
    let (open, library) = decide(|| open_shop(ctx, user, id)).await?;
    let now = ctx.now();
    clear(ctx, user.org, &open.list).await;
    let name = name.unwrap_or_else(|| copy_name(&open.catalog.name, MAX_NAME));
    let new = open.catalog.copied(CatalogId::from_random(rand::random()), name, now);
    let tier = pos.load_standing(user.org, None).await?.tier;
    open.list.with(new.id, tier).map_err(catalog_limit)?;
    let splits = pos.list_splits(user.org, open.catalog.id).await?;
    let splits = splits.into_iter().map(|split| copied_split(&split, &new, now)).collect();
    Ok((open.menu.copied(new, &library.products, rand::random, now), splits))
}

fn copied_split(split: &Split, catalog: &Catalog, now: Timestamp) -> Split {
    let copy = Split { id: SplitId::from_random(rand::random()), catalog: catalog.id, version: 0, ..split.clone() };
    Split { created_at: now, updated_at: now, ..copy }
}

async fn announce(ctx: &Ctx, copy: &CatalogCopy) -> Result<(), ApiError> {
    let (org, pos) = (copy.catalog.org, ctx.store().pos());
    let products = u32::try_from(copy.products.len()).unwrap_or(u32::MAX);
    decide(|| async move {
        let shelf = pos.load_products(org, &[]).await?.shelf;
        let arrival = Arrival { catalog: copy.catalog.id, products, at: ctx.now() };
        Ok(pos.save_shelf(org, &shelf.announcing(arrival).map_err(library_full)?).await?)
    })
    .await
}

async fn publish(ctx: &Ctx, copy: &CatalogCopy) -> Result<(), ApiError> {
    let (org, id, pos) = (copy.catalog.org, copy.catalog.id, ctx.store().pos());
    decide(|| async move {
        let (standing, library) = tokio::try_join!(pos.load_standing(org, None), pos.load_products(org, &[]))?;
        let list = standing.list.with(id, standing.tier).map_err(catalog_limit)?;
        let shelf = library.shelf.welcoming(id).ok_or_else(ApiError::unavailable)?;
        Ok(pos.publish_copy(copy, &list, &shelf).await?)
    })
    .await
}
