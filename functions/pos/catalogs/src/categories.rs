//! Categories of a catalog (contract §5).

use axum::extract::State;
use domain::{
    ids::{CatalogId, CategoryId},
    pos::menu::{Category, Menu, MenuFull},
};
use http::StatusCode;
use runtime::{
    ApiError, Ctx, Json,
    extract::Id,
    openapi::{PosError, PosSessionErrors},
    session::{self, Manager, User},
};

use crate::{
    access::{Ids, decide, open_menu},
    wire::{CatalogIn, CategoryIn, CategoryOrderIn, CategoryOut, Success},
};

fn not_found() -> ApiError {
    ApiError::not_found("CATEGORY_NOT_FOUND", "Category not found")
}

fn find(menu: &Menu, id: Option<CategoryId>) -> Result<&Category, ApiError> {
    id.and_then(|id| menu.category(id)).ok_or_else(not_found)
}

/// 400: the menu can have no more.
pub(crate) fn menu_full(full: MenuFull) -> ApiError {
    let code = match full {
        MenuFull::Categories => "CATEGORY_LIMIT_REACHED",
        MenuFull::Products => "CATALOG_FULL",
    };
    ApiError::bad_request(code, full.to_string())
}

/// Categories in order.
#[utoipa::path(get, path = "/pos/catalogs/{catalogId}/categories", tag = "pos catalogs", security(("bearer" = [])),
    extensions(("x-role" = json!(session::USER))),
    params(("catalogId" = String, Path, description = "UUID of the catalog")),
    responses(
        (status = 200, body = Vec<CategoryOut>),
        (status = 403, body = PosError, description = "`FORBIDDEN`, `CATALOG_LOCKED`"),
        (status = 404, body = PosError, description = "`CATALOG_NOT_FOUND`"),
        PosSessionErrors,
    ))]
pub(crate) async fn list_categories(
    State(ctx): State<Ctx>,
    user: User,
    Id(catalog): Id<CatalogId>,
) -> Result<Json<Vec<CategoryOut>>, ApiError> {
    let (ctx, user) = (&ctx, &user);
    let menu = decide(|| open_menu(ctx, user, catalog)).await?.menu;
    Ok(Json(menu.categories.iter().map(|category| CategoryOut::of(&menu, category)).collect()))
}

/// Makes a category behind the others. `name` is required.
#[utoipa::path(post, path = "/pos/catalogs/{catalogId}/categories", tag = "pos catalogs", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))), request_body = CategoryIn,
    params(("catalogId" = String, Path, description = "UUID of the catalog")),
    responses(
        (status = 201, body = CategoryOut),
        (status = 400, body = PosError, description = "`VALIDATION_ERROR`, `CATEGORY_LIMIT_REACHED`"),
        (status = 403, body = PosError, description = "`FORBIDDEN`, `CATALOG_LOCKED`"),
        (status = 404, body = PosError, description = "`CATALOG_NOT_FOUND`"),
        PosSessionErrors,
    ))]
pub(crate) async fn create_category(
    State(ctx): State<Ctx>,
    Manager(user): Manager,
    Id(catalog): Id<CatalogId>,
    Json(input): Json<CategoryIn>,
) -> Result<(StatusCode, Json<CategoryOut>), ApiError> {
    let name = CatalogIn::required_name(input.name.as_deref())?;
    let (id, now) = (CategoryId::from_random(rand::random()), ctx.now());
    let (ctx, user, input, name) = (&ctx, &user, &input, &name);
    let created = decide(|| async move {
        let open = open_menu(ctx, user, catalog).await?;
        let mut category = Category {
            id,
            org: user.org,
            catalog: open.catalog.id,
            name: name.clone(),
            description: None,
            icon: None,
            is_active: true,
            version: 0,
            created_at: now,
            updated_at: now,
        };
        input.apply(&mut category);
        let layout = open.menu.layout.add_category(id).map_err(menu_full)?;
        ctx.store().pos().create_category(&category, &layout).await?;
        Ok(CategoryOut::new(&category, layout.categories.get(id), 0))
    });
    Ok((StatusCode::CREATED, Json(created.await?)))
}

/// A category.
#[utoipa::path(get, path = "/pos/catalogs/{catalogId}/categories/{id}", tag = "pos catalogs", security(("bearer" = [])),
    extensions(("x-role" = json!(session::USER))),
    params(
        ("catalogId" = String, Path, description = "UUID of the catalog"),
        ("id" = String, Path, description = "UUID of the category"),
    ),
    responses(
        (status = 200, body = CategoryOut),
        (status = 403, body = PosError, description = "`FORBIDDEN`, `CATALOG_LOCKED`"),
        (status = 404, body = PosError, description = "`CATALOG_NOT_FOUND`, `CATEGORY_NOT_FOUND`"),
        PosSessionErrors,
    ))]
pub(crate) async fn get_category(
    State(ctx): State<Ctx>,
    user: User,
    Ids(ids): Ids<CategoryId>,
) -> Result<Json<CategoryOut>, ApiError> {
    let (catalog, id) = ids.unzip();
    let (ctx, user) = (&ctx, &user);
    let menu = decide(|| open_menu(ctx, user, catalog)).await?.menu;
    Ok(Json(CategoryOut::of(&menu, find(&menu, id)?)))
}

/// Changes what is sent, and nothing else.
#[utoipa::path(patch, path = "/pos/catalogs/{catalogId}/categories/{id}", tag = "pos catalogs",
    security(("bearer" = [])), extensions(("x-role" = json!(session::MANAGER))), request_body = CategoryIn,
    params(
        ("catalogId" = String, Path, description = "UUID of the catalog"),
        ("id" = String, Path, description = "UUID of the category"),
    ),
    responses(
        (status = 200, body = CategoryOut),
        (status = 403, body = PosError, description = "`FORBIDDEN`, `CATALOG_LOCKED`"),
        (status = 404, body = PosError, description = "`CATALOG_NOT_FOUND`, `CATEGORY_NOT_FOUND`"),
        PosSessionErrors,
    ))]
pub(crate) async fn update_category(
    State(ctx): State<Ctx>,
    Manager(user): Manager,
    Ids(ids): Ids<CategoryId>,
    Json(input): Json<CategoryIn>,
) -> Result<Json<CategoryOut>, ApiError> {
    let (catalog, id) = ids.unzip();
    let (ctx, user, input) = (&ctx, &user, &input);
    let updated = decide(|| async move {
        let menu = open_menu(ctx, user, catalog).await?.menu;
        let after = find(&menu, id)?.edited(|category| input.apply(category), ctx.now());
        let moved = input.sort_order.map(|rank| menu.layout.move_category(after.id, rank));
        ctx.store().pos().save_category(&after, moved.as_ref()).await?;
        let rank = moved.as_ref().unwrap_or(&menu.layout).categories.get(after.id);
        Ok(CategoryOut::new(&after, rank, menu.count(after.id)))
    });
    Ok(Json(updated.await?))
}

/// Deletes a category. Its products stay, without a category.
#[utoipa::path(delete, path = "/pos/catalogs/{catalogId}/categories/{id}", tag = "pos catalogs",
    security(("bearer" = [])), extensions(("x-role" = json!(session::MANAGER))),
    params(
        ("catalogId" = String, Path, description = "UUID of the catalog"),
        ("id" = String, Path, description = "UUID of the category"),
    ),
    responses(
        (status = 204),
        (status = 403, body = PosError, description = "`FORBIDDEN`, `CATALOG_LOCKED`"),
        (status = 404, body = PosError, description = "`CATALOG_NOT_FOUND`, `CATEGORY_NOT_FOUND`"),
        PosSessionErrors,
    ))]
pub(crate) async fn delete_category(
    State(ctx): State<Ctx>,
    Manager(user): Manager,
    Ids(ids): Ids<CategoryId>,
) -> Result<StatusCode, ApiError> {
    let (catalog, id) = ids.unzip();
    let (ctx, user) = (&ctx, &user);
    let deleted = decide(|| async move {
        let menu = open_menu(ctx, user, catalog).await?.menu;
        let category = find(&menu, id)?;
        ctx.store().pos().delete_category(category, &menu.layout.remove_category(category.id)).await?;
        Ok(StatusCode::NO_CONTENT)
    });
    deleted.await
}

/// Puts the categories into another order.
#[utoipa::path(post, path = "/pos/catalogs/{catalogId}/categories/reorder", tag = "pos catalogs",
    security(("bearer" = [])), extensions(("x-role" = json!(session::MANAGER))), request_body = CategoryOrderIn,
    params(("catalogId" = String, Path, description = "UUID of the catalog")),
    responses(
        (status = 200, body = Success),
        (status = 403, body = PosError, description = "`FORBIDDEN`, `CATALOG_LOCKED`"),
        (status = 404, body = PosError, description = "`CATALOG_NOT_FOUND`"),
        PosSessionErrors,
    ))]
pub(crate) async fn reorder_categories(
    State(ctx): State<Ctx>,
    Manager(user): Manager,
    Id(catalog): Id<CatalogId>,
    Json(input): Json<CategoryOrderIn>,
) -> Result<Json<Success>, ApiError> {
    let (ctx, user, wanted) = (&ctx, &user, &input.category_ids);
    let ordered = decide(|| async move {
        let layout = open_menu(ctx, user, catalog).await?.menu.layout;
        let after = layout.reorder_categories(wanted);
        let after =
            after.map_err(|error| ApiError::invalid(format!("categoryIds[{}]", error.place()), error.to_string()))?;
        Ok(ctx.store().pos().save_layout(&after).await?)
    });
    ordered.await?;
    Ok(Success::json())
}
