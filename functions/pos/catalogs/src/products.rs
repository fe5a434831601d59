//! The product library (contract §6).

use axum::extract::State;
use domain::{
    ids::{OrgId, ProductId},
    pos::{
        catalog::copy_name,
        product::{LibraryFull, Picture as StoredPicture, Product, Shelf},
    },
};
use http::StatusCode;
use runtime::{
    ApiError, Ctx, Json,
    extract::Id,
    openapi::{PosError, PosSessionErrors},
    picture::Picture,
    session::{self, Manager, User},
};
use uuid::Uuid;

use crate::{
    access::{Failure, decide},
    form::{ImageForm, ProductForm, ProductUpload},
    sweep::sweep_copies,
    wire::{CatalogIn, CopyIn, MAX_NAME, OptionalJson, ProductIn, ProductOut, filled},
};

/// A picture's URL is another with each upload, so it may be kept for ever.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

pub(crate) fn not_found() -> ApiError {
    ApiError::not_found("PRODUCT_NOT_FOUND", "Product not found")
}

/// 403: there can be no more products.
pub(crate) fn library_full(full: LibraryFull) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "PRODUCT_LIMIT_REACHED", full.to_string())
}

async fn find(ctx: &Ctx, org: OrgId, id: Option<ProductId>) -> Result<Product, Failure> {
    let product = ctx.store().pos().load_product(org, id.ok_or_else(not_found)?).await?;
    Ok(product.ok_or_else(not_found)?)
}

/// Loads, changes and saves.
async fn edit(
    ctx: &Ctx,
    org: OrgId,
    id: Option<ProductId>,
    change: impl Fn(&mut Product),
) -> Result<Json<ProductOut>, ApiError> {
    let change = &change;
    let product = decide(|| async move {
        let after = find(ctx, org, id).await?.edited(change, ctx.now());
        ctx.store().pos().save_product(&after).await?;
        Ok(after)
    });
    Ok(Json(ProductOut::new(&product.await?, &ctx.files())))
}

async fn create(ctx: &Ctx, product: &Product) -> Result<(StatusCode, Json<ProductOut>), ApiError> {
    let pos = ctx.store().pos();
    decide(|| async move {
        let shelf = make_room(ctx, product.org).await?;
        Ok(pos.create_product(product, &shelf).await?)
    })
    .await?;
    Ok((StatusCode::CREATED, Json(ProductOut::new(product, &ctx.files()))))
}

/// The shelf with one product more. Where it is full, it is swept first.
async fn make_room(ctx: &Ctx, org: OrgId) -> Result<Shelf, Failure> {
    let pos = ctx.store().pos();
    let mut shelf = pos.load_products(org, &[]).await?.shelf;
    if shelf.with(1).is_err() && sweep_copies(ctx, org, &shelf).await {
        shelf = pos.load_products(org, &[]).await?.shelf;
    }
    Ok(shelf.with(1).map_err(library_full)?)
}

/// Stores a picture that was sent along. Where the product's own write then fails, a file is left that nothing shows.
async fn keep(ctx: &Ctx, org: OrgId, picture: Option<Picture>) -> Result<Option<StoredPicture>, ApiError> {
    let Some(picture) = picture else { return Ok(None) };
    let id = Uuid::new_v4();
    let key = format!("media/{org}/products/{id}.{}", picture.format);
    ctx.files().put(&key, picture.bytes, picture.mime, Some(FOR_EVER)).await?;
    Ok(Some(StoredPicture { id, key }))
}

/// The library, by name.
#[utoipa::path(get, path = "/pos/products", tag = "pos products", security(("bearer" = [])),
    extensions(("x-role" = json!(session::USER))),
    responses((status = 200, body = Vec<ProductOut>), PosSessionErrors))]
pub(crate) async fn list_products(State(ctx): State<Ctx>, user: User) -> Result<Json<Vec<ProductOut>>, ApiError> {
    let library = ctx.store().pos().load_library(user.org).await?;
    Ok(Json(library.products.iter().map(|product| ProductOut::new(product, &ctx.files())).collect()))
}

/// A product.
#[utoipa::path(get, path = "/pos/products/{id}", tag = "pos products", security(("bearer" = [])),
    extensions(("x-role" = json!(session::USER))),
    params(("id" = String, Path, description = "UUID of the product")),
    responses(
        (status = 200, body = ProductOut),
        (status = 404, body = PosError, description = "`PRODUCT_NOT_FOUND`"),
        PosSessionErrors,
    ))]
pub(crate) async fn get_product(
    State(ctx): State<Ctx>,
    user: User,
    Id(id): Id<ProductId>,
) -> Result<Json<ProductOut>, ApiError> {
    let (ctx, org) = (&ctx, user.org);
    let product = decide(|| find(ctx, org, id)).await?;
    Ok(Json(ProductOut::new(&product, &ctx.files())))
}

/// Makes a product, as JSON or as a form with its picture. `name` is required.
#[utoipa::path(post, path = "/pos/products", tag = "pos products", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))),
    request_body(content((ProductIn = "application/json"), (ProductUpload = "multipart/form-data"))),
    responses(
        (status = 201, body = ProductOut),
        (status = 403, body = PosError, description = "`FORBIDDEN`, `PRODUCT_LIMIT_REACHED`"),
        PosSessionErrors,
    ))]
pub(crate) async fn create_product(
    State(ctx): State<Ctx>,
    Manager(user): Manager,
    form: ProductForm,
) -> Result<(StatusCode, Json<ProductOut>), ApiError> {
    let name = CatalogIn::required_name(form.input.name.as_deref())?;
    let mut product = Product::new(ProductId::from_random(rand::random()), user.org, name, ctx.now());
    form.input.apply(&mut product);
    product.picture = keep(&ctx, user.org, form.picture).await?;
    create(&ctx, &product).await
}

/// Changes what is sent, and nothing else.
#[utoipa::path(patch, path = "/pos/products/{id}", tag = "pos products", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))),
    request_body(content((ProductIn = "application/json"), (ProductUpload = "multipart/form-data"))),
    params(("id" = String, Path, description = "UUID of the product")),
    responses(
        (status = 200, body = ProductOut),
        (status = 404, body = PosError, description = "`PRODUCT_NOT_FOUND`"),
        PosSessionErrors,
    ))]
pub(crate) async fn update_product(
    State(ctx): State<Ctx>,
    Manager(user): Manager,
    Id(id): Id<ProductId>,
    form: ProductForm,
) -> Result<Json<ProductOut>, ApiError> {
    if form.picture.is_some() {
        decide(|| find(&ctx, user.org, id)).await?;
    }
    let (input, picture) = (form.input, keep(&ctx, user.org, form.picture).await?);
    let change = |product: &mut Product| {
        input.apply(product);
        product.picture = picture.clone().or(product.picture.take());
    };
    edit(&ctx, user.org, id, change).await
}

/// Gives a product a picture: JPEG, PNG, WebP or GIF of at most 4 MiB.
#[utoipa::path(post, path = "/pos/products/{id}/image", tag = "pos products", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))),
    request_body(content = ImageForm, content_type = "multipart/form-data"),
    params(("id" = String, Path, description = "UUID of the product")),
    responses(
        (status = 200, body = ProductOut),
        (status = 404, body = PosError, description = "`PRODUCT_NOT_FOUND`"),
        PosSessionErrors,
    ))]
pub(crate) async fn upload_product_image(
    State(ctx): State<Ctx>,
    Manager(user): Manager,
    Id(id): Id<ProductId>,
    form: ProductForm,
) -> Result<Json<ProductOut>, ApiError> {
    let picture = form.picture.ok_or_else(|| ApiError::invalid("image", "is required"))?;
    decide(|| find(&ctx, user.org, id)).await?;
    let picture = keep(&ctx, user.org, Some(picture)).await?;
    edit(&ctx, user.org, id, |product| product.picture = picture.clone()).await
}

/// Deletes a product, from every catalog too. Orders keep what they say.
#[utoipa::path(delete, path = "/pos/products/{id}", tag = "pos products", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))),
    params(("id" = String, Path, description = "UUID of the product")),
    responses(
        (status = 204),
        (status = 404, body = PosError, description = "`PRODUCT_NOT_FOUND`"),
        PosSessionErrors,
    ))]
pub(crate) async fn delete_product(
    State(ctx): State<Ctx>,
    Manager(user): Manager,
    Id(id): Id<ProductId>,
) -> Result<StatusCode, ApiError> {
    let id = id.ok_or_else(not_found)?;
    let pos = ctx.store().pos();
    let deleted = decide(|| async move { Ok(pos.delete_product(user.org, id).await?) }).await?;
    if deleted { Ok(StatusCode::NO_CONTENT) } else { Err(not_found()) }
}

/// Makes another product with the same description and picture.
#[utoipa::path(post, path = "/pos/products/{id}/duplicate", tag = "pos products", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))), request_body = Option<CopyIn>,
    params(("id" = String, Path, description = "UUID of the product")),
    responses(
        (status = 201, body = ProductOut),
        (status = 403, body = PosError, description = "`FORBIDDEN`, `PRODUCT_LIMIT_REACHED`"),
        (status = 404, body = PosError, description = "`PRODUCT_NOT_FOUND`"),
        PosSessionErrors,
    ))]
pub(crate) async fn duplicate_product(
    State(ctx): State<Ctx>,
    Manager(user): Manager,
    Id(id): Id<ProductId>,
    OptionalJson(input): OptionalJson<CopyIn>,
) -> Result<(StatusCode, Json<ProductOut>), ApiError> {
    let original = decide(|| find(&ctx, user.org, id)).await?;
    let name = input.name.as_deref().and_then(filled).unwrap_or_else(|| copy_name(&original.name, MAX_NAME));
    create(&ctx, &original.copied(ProductId::from_random(rand::random()), name, ctx.now())).await
}
