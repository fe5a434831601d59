//! Products as a catalog sells them, each with its price there (contract §7: "catalog products").

use axum::extract::State;
use domain::{
    ids::{CatalogId, CatalogProductId},
    pos::menu::{AddError, Entry, Menu, NewEntry, entry_id},
};
use http::StatusCode;
use runtime::{
    ApiError, Ctx, Json,
    extract::Id,
    openapi::{PosError, PosSessionErrors},
    session::{self, Manager, User},
};
use store::pos::product::Library;

use crate::{
    access::{Failure, Ids, decide, open_menu, open_shop},
    categories::menu_full,
    products::not_found as product_not_found,
    wire::{AddedOut, BulkIn, EntryEdit, EntryIn, EntryOrderIn, EntryOut, EntryPlace, Success},
};

fn not_found() -> ApiError {
    ApiError::not_found("CATALOG_PRODUCT_NOT_FOUND", "Product not found in this catalog")
}

fn find(menu: &Menu, id: Option<CatalogProductId>) -> Result<&Entry, ApiError> {
    id.and_then(|id| menu.entry(id)).ok_or_else(not_found)
}

fn show(ctx: &Ctx, entry: &Entry, menu: &Menu, library: &Library) -> Result<EntryOut, ApiError> {
    EntryOut::new(entry, menu, &library.products, &ctx.files()).ok_or_else(not_found)
}

/// `path` is where the products of the request stand, `products[0].`.
fn refuse(error: AddError, path: impl Fn(usize) -> String) -> ApiError {
    let text = error.to_string();
    match error {
        AddError::UnknownProduct(_) => product_not_found(),
        AddError::UnknownCategory(place) => ApiError::invalid(format!("{}categoryId", path(place)), text),
        AddError::Twice(_) => ApiError::new(StatusCode::CONFLICT, "ALREADY_IN_CATALOG", text),
        AddError::Full(full) => menu_full(full),
    }
}

/// What a catalog sells, in order; what is not on sale, too.
#[utoipa::path(get, path = "/pos/catalogs/{catalogId}/products", tag = "pos catalogs", security(("bearer" = [])),
    extensions(("x-role" = json!(session::USER))),
    params(("catalogId" = String, Path, description = "UUID of the catalog")),
    responses(
        (status = 200, body = Vec<EntryOut>),
        (status = 403, body = PosError, description = "`FORBIDDEN`, `CATALOG_LOCKED`"),
        (status = 404, body = PosError, description = "`CATALOG_NOT_FOUND`"),
        PosSessionErrors,
    ))]
pub(crate) async fn list_entries(
    State(ctx): State<Ctx>,
    user: User,
    Id(catalog): Id<CatalogId>,
) -> Result<Json<Vec<EntryOut>>, ApiError> {
    let (ctx, user) = (&ctx, &user);
    let (open, library) = decide(|| open_shop(ctx, user, catalog)).await?;
    let entries = open.menu.entries.iter();
    let shown = entries.filter_map(|entry| EntryOut::new(entry, &open.menu, &library.products, &ctx.files()));
    Ok(Json(shown.collect()))
}

/// Takes a product of the library into a catalog.
#[utoipa::path(post, path = "/pos/catalogs/{catalogId}/products", tag = "pos catalogs", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))), request_body = EntryIn,
    params(("catalogId" = String, Path, description = "UUID of the catalog")),
    responses(
        (status = 201, body = EntryOut),
        (status = 400, body = PosError, description = "`VALIDATION_ERROR`, `CATALOG_FULL`"),
        (status = 403, body = PosError, description = "`FORBIDDEN`, `CATALOG_LOCKED`"),
        (status = 404, body = PosError, description = "`CATALOG_NOT_FOUND`, `PRODUCT_NOT_FOUND`"),
        (status = 409, body = PosError, description = "`ALREADY_IN_CATALOG`"),
        PosSessionErrors,
    ))]
pub(crate) async fn add_entry(
    State(ctx): State<Ctx>,
    Manager(user): Manager,
    Id(catalog): Id<CatalogId>,
    Json(input): Json<EntryIn>,
) -> Result<(StatusCode, Json<EntryOut>), ApiError> {
    let (ctx, user, new) = (&ctx, &user, &[input.read()]);
    let added = decide(|| async move {
        let (open, library) = open_shop(ctx, user, catalog).await?;
        let change = open.menu.adding((&open.catalog, &open.list), &library.products, new, ctx.now());
        let change = change.map_err(|error| refuse(error, |_| String::new()))?;
        ctx.store().pos().add_entries(&change).await?;
        let menu = Menu::new(change.layout, open.menu.categories, change.entries);
        Ok(show(ctx, find(&menu, menu.entries.first().map(|entry| entry.id))?, &menu, &library)?)
    });
    Ok((StatusCode::CREATED, Json(added.await?)))
}

/// Takes many products of the library into a catalog, all or none. Those that are there already are passed over.
#[utoipa::path(post, path = "/pos/catalogs/{catalogId}/products/bulk", tag = "pos catalogs", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))), request_body = BulkIn,
    params(("catalogId" = String, Path, description = "UUID of the catalog")),
    responses(
        (status = 200, body = AddedOut),
        (status = 400, body = PosError, description = "`VALIDATION_ERROR`, `CATALOG_FULL`"),
        (status = 403, body = PosError, description = "`FORBIDDEN`, `CATALOG_LOCKED`"),
        (status = 404, body = PosError, description = "`CATALOG_NOT_FOUND`, `PRODUCT_NOT_FOUND`"),
        PosSessionErrors,
    ))]
pub(crate) async fn add_entries(
    State(ctx): State<Ctx>,
    Manager(user): Manager,
    Id(catalog): Id<CatalogId>,
    Json(input): Json<BulkIn>,
) -> Result<Json<AddedOut>, ApiError> {
    let (list, wanted) = input.read()?;
    let (ctx, user, wanted) = (&ctx, &user, &wanted);
    let added = decide(|| async move {
        let (open, library) = open_shop(ctx, user, catalog).await?;
        let (places, new) = not_there(&open.menu, open.catalog.id, wanted);
        if new.is_empty() {
            return Ok(0);
        }
        let change = open.menu.adding((&open.catalog, &open.list), &library.products, &new, ctx.now());
        let change = change.map_err(|error| refuse(error, |place| format!("{list}[{}].", places[place])))?;
        ctx.store().pos().add_entries(&change).await?;
        Ok::<_, Failure>(change.entries.len())
    });
    Ok(Json(AddedOut { added: added.await? }))
}

/// Those that a catalog does not sell yet, each once, with their places in the request.
fn not_there(menu: &Menu, catalog: CatalogId, wanted: &[NewEntry]) -> (Vec<usize>, Vec<NewEntry>) {
    let is_new = |place: usize, new: &NewEntry| {
        let before = wanted[..place].iter().any(|other| other.product == new.product);
        !before && menu.layout.entries.get(entry_id(catalog, new.product)).is_none()
    };
    wanted.iter().cloned().enumerate().filter(|(place, new)| is_new(*place, new)).unzip()
}

/// A product as a catalog sells it.
#[utoipa::path(get, path = "/pos/catalogs/{catalogId}/products/{id}", tag = "pos catalogs", security(("bearer" = [])),
    extensions(("x-role" = json!(session::USER))),
    params(
        ("catalogId" = String, Path, description = "UUID of the catalog"),
        ("id" = String, Path, description = "UUID of the product in this catalog"),
    ),
    responses(
        (status = 200, body = EntryOut),
        (status = 403, body = PosError, description = "`FORBIDDEN`, `CATALOG_LOCKED`"),
        (status = 404, body = PosError, description = "`CATALOG_NOT_FOUND`, `CATALOG_PRODUCT_NOT_FOUND`"),
        PosSessionErrors,
    ))]
pub(crate) async fn get_entry(
    State(ctx): State<Ctx>,
    user: User,
    Ids(ids): Ids<CatalogProductId>,
) -> Result<Json<EntryOut>, ApiError> {
    let (catalog, id) = ids.unzip();
    let (ctx, user) = (&ctx, &user);
    let (open, library) = decide(|| open_shop(ctx, user, catalog)).await?;
    Ok(Json(show(ctx, find(&open.menu, id)?, &open.menu, &library)?))
}

/// Changes what is sent, and nothing else.
#[utoipa::path(patch, path = "/pos/catalogs/{catalogId}/products/{id}", tag = "pos catalogs",
    security(("bearer" = [])), extensions(("x-role" = json!(session::MANAGER))), request_body = EntryEdit,
    params(
        ("catalogId" = String, Path, description = "UUID of the catalog"),
        ("id" = String, Path, description = "UUID of the product in this catalog"),
    ),
    responses(
        (status = 200, body = EntryOut),
        (status = 403, body = PosError, description = "`FORBIDDEN`, `CATALOG_LOCKED`"),
        (status = 404, body = PosError, description = "`CATALOG_NOT_FOUND`, `CATALOG_PRODUCT_NOT_FOUND`"),
        PosSessionErrors,
    ))]
pub(crate) async fn update_entry(
    State(ctx): State<Ctx>,
    Manager(user): Manager,
    Ids(ids): Ids<CatalogProductId>,
    Json(input): Json<EntryEdit>,
) -> Result<Json<EntryOut>, ApiError> {
    let (catalog, id) = ids.unzip();
    let (ctx, user, input) = (&ctx, &user, &input);
    let updated = decide(|| async move {
        let (open, library) = open_shop(ctx, user, catalog).await?;
        let mut menu = open.menu;
        let after = find(&menu, id)?.edited(|entry| input.apply(entry), ctx.now());
        if input.category_id.flatten().is_some_and(|category| menu.category(category).is_none()) {
            return Err(ApiError::invalid("categoryId", "is not a category of this catalog").into());
        }
        let moved = input.sort_order.map(|rank| menu.layout.move_entry(after.id, rank));
        ctx.store().pos().save_entry(&after, moved.as_ref()).await?;
        menu.layout = moved.unwrap_or(menu.layout);
        Ok(show(ctx, &after, &menu, &library)?)
    });
    Ok(Json(updated.await?))
}

/// Takes a product out of a catalog. It stays in the library.
#[utoipa::path(delete, path = "/pos/catalogs/{catalogId}/products/{id}", tag = "pos catalogs",
    security(("bearer" = [])), extensions(("x-role" = json!(session::MANAGER))),
    params(
        ("catalogId" = String, Path, description = "UUID of the catalog"),
        ("id" = String, Path, description = "UUID of the product in this catalog"),
    ),
    responses(
        (status = 204),
        (status = 403, body = PosError, description = "`FORBIDDEN`, `CATALOG_LOCKED`"),
        (status = 404, body = PosError, description = "`CATALOG_NOT_FOUND`, `CATALOG_PRODUCT_NOT_FOUND`"),
        PosSessionErrors,
    ))]
pub(crate) async fn remove_entry(
    State(ctx): State<Ctx>,
    Manager(user): Manager,
    Ids(ids): Ids<CatalogProductId>,
) -> Result<StatusCode, ApiError> {
    let (catalog, id) = ids.unzip();
    let (ctx, user) = (&ctx, &user);
    let removed = decide(|| async move {
        let (open, library) = open_shop(ctx, user, catalog).await?;
        let change = open.menu.removing(&open.catalog, find(&open.menu, id)?, &library.products);
        ctx.store().pos().remove_entries(&change).await?;
        Ok(StatusCode::NO_CONTENT)
    });
    removed.await
}

/// Puts products of a catalog into other places.
#[utoipa::path(post, path = "/pos/catalogs/{catalogId}/products/reorder", tag = "pos catalogs",
    security(("bearer" = [])), extensions(("x-role" = json!(session::MANAGER))), request_body = EntryOrderIn,
    params(("catalogId" = String, Path, description = "UUID of the catalog")),
    responses(
        (status = 200, body = Success),
        (status = 403, body = PosError, description = "`FORBIDDEN`, `CATALOG_LOCKED`"),
        (status = 404, body = PosError, description = "`CATALOG_NOT_FOUND`"),
        PosSessionErrors,
    ))]
pub(crate) async fn reorder_entries(
    State(ctx): State<Ctx>,
    Manager(user): Manager,
    Id(catalog): Id<CatalogId>,
    Json(input): Json<EntryOrderIn>,
) -> Result<Json<Success>, ApiError> {
    let place = |place: &EntryPlace| (place.catalog_product_id, place.sort_order);
    let wanted: Vec<(CatalogProductId, u32)> = input.product_orders.iter().map(place).collect();
    let (ctx, user, wanted) = (&ctx, &user, &wanted);
    let ordered = decide(|| async move {
        let layout = open_menu(ctx, user, catalog).await?.menu.layout;
        let after = layout.reorder_entries(wanted).map_err(|error| {
            ApiError::invalid(format!("productOrders[{}].catalogProductId", error.place()), error.to_string())
        })?;
        Ok(ctx.store().pos().save_layout(&after).await?)
    });
    ordered.await?;
    Ok(Success::json())
}
