//! What goes over the wire (contract §4-§7).

use axum::{
    body::{Bytes, to_bytes},
    extract::{FromRequest, Request},
};
use domain::{
    ids::{CatalogProductId, CategoryId, ProductId},
    money::{Cents, MAX_AMOUNT},
    pos::{
        catalog::{Catalog, MAX_TIP_PERCENTAGES, TaxRate, View, is_date},
        menu::{Category, Entry, MAX_BULK, MAX_CATEGORIES, MAX_ENTRIES, MAX_RANK, Menu, NewEntry},
        product::Product,
    },
    time::iso,
};
use garde::Validate;
use http::StatusCode;
use runtime::{ApiError, Ctx, Files, Json};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use utoipa::ToSchema;

/// Characters of a name at most.
pub(crate) const MAX_NAME: usize = 100;
/// Characters of a description at most.
const MAX_TEXT: usize = 1000;
/// Bytes of a product's description at most, as [`weight`] counts them: the whole library is one answer, and Lambda's may
/// have 6 MB.
const MAX_DESCRIPTION: usize = 2000;
/// Characters of anything shorter.
const MAX_SHORT: usize = 200;

/// Left out is `None`, null is `Some(None)`.
fn clearable<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

pub(crate) fn is_name(name: &str, (): &()) -> garde::Result {
    match name.trim().chars().count() {
        0 => Err(garde::Error::new("must not be empty")),
        count if count > MAX_NAME => Err(garde::Error::new(format!("must have at most {MAX_NAME} characters"))),
        _ => is_readable(name),
    }
}

/// Bytes of a character in Lambda's answer, which is JSON in JSON.
fn weight(character: char) -> usize {
    match character {
        '"' | '\\' => 4,
        '\n' | '\r' | '\t' => 3,
        character => character.len_utf8(),
    }
}

/// Other control characters cannot be seen, and are the longest in JSON.
fn is_readable(text: &str) -> garde::Result {
    let unreadable = text.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t'));
    let refusal = || garde::Error::new("must have no control characters but line breaks and tabs");
    (!unreadable).then_some(()).ok_or_else(refusal)
}

fn is_description(text: &str, (): &()) -> garde::Result {
    is_readable(text)?;
    let fits = text.chars().map(weight).sum::<usize>() <= MAX_DESCRIPTION;
    fits.then_some(()).ok_or_else(|| {
        garde::Error::new(format!(
            "must have at most {MAX_DESCRIPTION} bytes; a quotation mark or backslash counts as 4, a line break or tab as 3"
        ))
    })
}

fn is_day(date: &str, (): &()) -> garde::Result {
    let fits = date.trim().is_empty() || is_date(date);
    fits.then_some(()).ok_or_else(|| garde::Error::new("must be a date, YYYY-MM-DD"))
}

fn is_tax_rate(percent: &f64, (): &()) -> garde::Result {
    TaxRate::from_percent(*percent).map(drop).map_err(|error| garde::Error::new(error.to_string()))
}

fn fits_bulk<T>(list: &Option<Vec<T>>, (): &()) -> garde::Result {
    let fits = list.as_ref().is_none_or(|list| list.len() <= MAX_BULK);
    fits.then_some(()).ok_or_else(|| garde::Error::new(format!("must have at most {MAX_BULK} products")))
}

/// Without space around it; `None` when nothing is left.
pub(crate) fn filled(text: &str) -> Option<String> {
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn set_text(field: &mut Option<String>, wish: &Option<Option<String>>) {
    if let Some(wish) = wish {
        *field = wish.as_deref().and_then(filled);
    }
}

fn set<T: Clone>(field: &mut T, wish: &Option<T>) {
    if let Some(wish) = wish {
        *field = wish.clone();
    }
}

/// Settings of a catalog. What is left out, or null where null means nothing, keeps its value, or has the default.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CatalogIn {
    /// Required of a new catalog. Not only space.
    #[garde(inner(custom(is_name)))]
    #[schema(min_length = 1, max_length = 100)]
    pub(crate) name: Option<String>,
    /// Null clears it.
    #[serde(default, deserialize_with = "clearable")]
    #[garde(inner(inner(length(chars, max = MAX_TEXT))))]
    #[schema(value_type = Option<String>, max_length = 1000)]
    description: Option<Option<String>>,
    /// Null clears it.
    #[serde(default, deserialize_with = "clearable")]
    #[garde(inner(inner(length(chars, max = MAX_SHORT))))]
    #[schema(value_type = Option<String>, max_length = 200)]
    location: Option<Option<String>>,
    /// `YYYY-MM-DD`. Null clears it.
    #[serde(default, deserialize_with = "clearable")]
    #[garde(inner(inner(length(max = 40), custom(is_day))))]
    #[schema(value_type = Option<String>, max_length = 40, example = "2026-05-01")]
    date: Option<Option<String>>,
    #[garde(skip)]
    is_active: Option<bool>,
    #[garde(skip)]
    show_tip_screen: Option<bool>,
    #[garde(skip)]
    prompt_for_email: Option<bool>,
    #[garde(inner(length(max = MAX_TIP_PERCENTAGES), inner(range(max = 100))))]
    #[schema(max_items = 10)]
    tip_percentages: Option<Vec<u32>>,
    #[garde(skip)]
    allow_custom_tip: Option<bool>,
    /// Percent, rounded to three decimals.
    #[garde(inner(custom(is_tax_rate)))]
    #[schema(minimum = 0, maximum = 100)]
    tax_rate: Option<f64>,
    #[garde(skip)]
    #[schema(value_type = Option<String>, pattern = "^(grid|list|large-grid|compact)$")]
    layout_type: Option<View>,
}

impl CatalogIn {
    /// The name of something new.
    pub(crate) fn required_name(name: Option<&str>) -> Result<String, ApiError> {
        name.and_then(filled).ok_or_else(|| ApiError::invalid("name", "is required"))
    }

    /// Changes what was sent.
    pub(crate) fn apply(&self, catalog: &mut Catalog) {
        set(&mut catalog.name, &self.name.as_deref().and_then(filled));
        set_text(&mut catalog.description, &self.description);
        set_text(&mut catalog.location, &self.location);
        set_text(&mut catalog.date, &self.date);
        set(&mut catalog.is_active, &self.is_active);
        set(&mut catalog.show_tip_screen, &self.show_tip_screen);
        set(&mut catalog.prompt_for_email, &self.prompt_for_email);
        set(&mut catalog.tip_percentages, &self.tip_percentages);
        set(&mut catalog.allow_custom_tip, &self.allow_custom_tip);
        set(&mut catalog.tax_rate, &self.tax_rate.and_then(|percent| TaxRate::from_percent(percent).ok()));
        set(&mut catalog.view, &self.layout_type);
    }
}

/// A catalog.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CatalogOut {
    id: String,
    name: String,
    description: Option<String>,
    location: Option<String>,
    /// As it was sent.
    date: Option<String>,
    product_count: usize,
    is_active: bool,
    show_tip_screen: bool,
    prompt_for_email: bool,
    tip_percentages: Vec<u32>,
    allow_custom_tip: bool,
    /// Percent.
    tax_rate: f64,
    #[schema(value_type = String)]
    layout_type: View,
    /// The plan does not include it: it can be listed and deleted, and nothing else.
    is_locked: bool,
    created_at: String,
    updated_at: String,
}

impl CatalogOut {
    pub(crate) fn new(catalog: &Catalog, is_locked: bool) -> Self {
        CatalogOut {
            id: catalog.id.to_string(),
            name: catalog.name.clone(),
            description: catalog.description.clone(),
            location: catalog.location.clone(),
            date: catalog.date.clone(),
            product_count: catalog.products,
            is_active: catalog.is_active,
            show_tip_screen: catalog.show_tip_screen,
            prompt_for_email: catalog.prompt_for_email,
            tip_percentages: catalog.tip_percentages.clone(),
            allow_custom_tip: catalog.allow_custom_tip,
            tax_rate: catalog.tax_rate.to_percent(),
            layout_type: catalog.view,
            is_locked,
            created_at: iso(catalog.created_at),
            updated_at: iso(catalog.updated_at),
        }
    }
}

/// How the copy of something shall be called. The body may be left out.
#[derive(Clone, Debug, Default, Deserialize, Validate, ToSchema)]
pub(crate) struct CopyIn {
    /// Left out, it is the name of the original and " (Copy)".
    #[garde(inner(custom(is_name)))]
    #[schema(min_length = 1, max_length = 100)]
    pub(crate) name: Option<String>,
}

/// A category. What is left out keeps its value, or has the default.
#[derive(Clone, Debug, Default, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CategoryIn {
    /// Required of a new category. Not only space.
    #[garde(inner(custom(is_name)))]
    #[schema(min_length = 1, max_length = 100)]
    pub(crate) name: Option<String>,
    /// Null clears it.
    #[serde(default, deserialize_with = "clearable")]
    #[garde(inner(inner(length(chars, max = MAX_TEXT))))]
    #[schema(value_type = Option<String>, max_length = 1000)]
    description: Option<Option<String>>,
    /// The app's name for a picture. Null clears it.
    #[serde(default, deserialize_with = "clearable")]
    #[garde(inner(inner(length(chars, max = MAX_SHORT))))]
    #[schema(value_type = Option<String>, max_length = 200)]
    icon: Option<Option<String>>,
    /// A new category comes last whatever is sent.
    #[garde(inner(range(max = MAX_RANK)))]
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub(crate) sort_order: Option<u32>,
    #[garde(skip)]
    is_active: Option<bool>,
}

impl CategoryIn {
    /// Changes what was sent, but for the order.
    pub(crate) fn apply(&self, category: &mut Category) {
        set(&mut category.name, &self.name.as_deref().and_then(filled));
        set_text(&mut category.description, &self.description);
        set_text(&mut category.icon, &self.icon);
        set(&mut category.is_active, &self.is_active);
    }
}

/// A category of a catalog.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CategoryOut {
    id: String,
    catalog_id: String,
    name: String,
    description: Option<String>,
    icon: Option<String>,
    sort_order: u32,
    is_active: bool,
    product_count: usize,
    created_at: String,
    updated_at: String,
}

impl CategoryOut {
    pub(crate) fn new(category: &Category, sort_order: Option<u32>, product_count: usize) -> Self {
        CategoryOut {
            id: category.id.to_string(),
            catalog_id: category.catalog.to_string(),
            name: category.name.clone(),
            description: category.description.clone(),
            icon: category.icon.clone(),
            sort_order: sort_order.unwrap_or_default(),
            is_active: category.is_active,
            product_count,
            created_at: iso(category.created_at),
            updated_at: iso(category.updated_at),
        }
    }

    pub(crate) fn of(menu: &Menu, category: &Category) -> Self {
        Self::new(category, menu.layout.categories.get(category.id), menu.count(category.id))
    }
}

/// The categories in their new order.
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CategoryOrderIn {
    /// Those that are not named follow, in the order that they had.
    #[garde(length(max = MAX_CATEGORIES))]
    #[schema(value_type = Vec<Uuid>, max_items = 100)]
    pub(crate) category_ids: Vec<CategoryId>,
}

/// A product of the library. What is left out keeps its value.
#[derive(Clone, Debug, Default, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProductIn {
    /// Required of a new product. Not only space.
    #[garde(inner(custom(is_name)))]
    #[schema(min_length = 1, max_length = 100)]
    pub(crate) name: Option<String>,
    /// Null clears it. At most 2000 bytes, of which a quotation mark or backslash counts as 4, a line break or tab as 3; no
    /// other control characters.
    #[serde(default, deserialize_with = "clearable")]
    #[garde(inner(inner(length(chars, max = MAX_TEXT), custom(is_description))))]
    #[schema(value_type = Option<String>, max_length = 1000)]
    pub(crate) description: Option<Option<String>>,
    /// True takes the picture away.
    #[garde(skip)]
    pub(crate) remove_image: Option<bool>,
}

impl ProductIn {
    /// Changes what was sent.
    pub(crate) fn apply(&self, product: &mut Product) {
        set(&mut product.name, &self.name.as_deref().and_then(filled));
        set_text(&mut product.description, &self.description);
        if self.remove_image == Some(true) {
            product.picture = None;
        }
    }
}

/// A product of the library.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProductOut {
    #[serde(flatten)]
    product: SoldProduct,
    created_at: String,
    updated_at: String,
}

impl ProductOut {
    pub(crate) fn new(product: &Product, files: &Files<'_>) -> Self {
        ProductOut {
            product: SoldProduct::new(product, files),
            created_at: iso(product.created_at),
            updated_at: iso(product.updated_at),
        }
    }
}

/// What a menu shows of a product.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SoldProduct {
    id: String,
    name: String,
    description: Option<String>,
    image_id: Option<String>,
    /// Public.
    image_url: Option<String>,
}

impl SoldProduct {
    fn new(product: &Product, files: &Files<'_>) -> Self {
        let picture = product.picture.as_ref();
        SoldProduct {
            id: product.id.to_string(),
            name: product.name.clone(),
            description: product.description.clone(),
            image_id: picture.map(|picture| picture.id.to_string()),
            image_url: picture.map(|picture| files.public_url(&picture.key)),
        }
    }
}

/// A product that shall be sold by a catalog.
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EntryIn {
    /// UUID of a product of the library.
    #[garde(skip)]
    #[schema(value_type = Uuid)]
    product_id: ProductId,
    /// Cents.
    #[garde(range(min = 0, max = MAX_AMOUNT.0))]
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    price: i64,
    /// UUID of a category of the catalog, or null.
    #[garde(skip)]
    #[schema(value_type = Option<Uuid>)]
    category_id: Option<CategoryId>,
    /// Left out, it comes last.
    #[garde(inner(range(max = MAX_RANK)))]
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    sort_order: Option<u32>,
    #[garde(skip)]
    is_active: Option<bool>,
}

impl EntryIn {
    pub(crate) fn read(&self) -> NewEntry {
        NewEntry {
            product: self.product_id,
            price: Cents(self.price),
            category: self.category_id,
            rank: self.sort_order,
            is_active: self.is_active.unwrap_or(true),
        }
    }
}

/// Many products at once, in either of two shapes.
#[derive(Clone, Debug, Default, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BulkIn {
    /// UUIDs of products, all at `defaultPrice`.
    #[garde(inner(length(max = MAX_BULK)))]
    #[schema(value_type = Option<Vec<Uuid>>, max_items = 48)]
    product_ids: Option<Vec<ProductId>>,
    /// Cents. Required with `productIds`.
    #[garde(inner(range(min = 0, max = MAX_AMOUNT.0)))]
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    default_price: Option<i64>,
    /// Each with its own price.
    #[garde(custom(fits_bulk), dive)]
    #[schema(max_items = 48)]
    products: Option<Vec<EntryIn>>,
}

impl BulkIn {
    /// The name of the list that was sent, and what stands in it.
    pub(crate) fn read(&self) -> Result<(&'static str, Vec<NewEntry>), ApiError> {
        if let Some(products) = &self.products {
            return Ok(("products", products.iter().map(EntryIn::read).collect()));
        }
        let required = |field: &str| ApiError::invalid(field, "is required");
        let ids = self.product_ids.as_ref().ok_or_else(|| required("productIds"))?;
        let price = Cents(self.default_price.ok_or_else(|| required("defaultPrice"))?);
        let entry =
            |product: &ProductId| NewEntry { product: *product, price, category: None, rank: None, is_active: true };
        Ok(("productIds", ids.iter().map(entry).collect()))
    }
}

/// How many products are new in the catalog.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AddedOut {
    pub(crate) added: usize,
}

/// What changes of a product in a catalog. What is left out keeps its value.
#[derive(Clone, Debug, Default, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EntryEdit {
    /// Cents.
    #[garde(inner(range(min = 0, max = MAX_AMOUNT.0)))]
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    price: Option<i64>,
    /// UUID of a category of the catalog. Null clears it.
    #[serde(default, deserialize_with = "clearable")]
    #[garde(skip)]
    #[schema(value_type = Option<Uuid>)]
    pub(crate) category_id: Option<Option<CategoryId>>,
    #[garde(inner(range(max = MAX_RANK)))]
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub(crate) sort_order: Option<u32>,
    #[garde(skip)]
    is_active: Option<bool>,
}

impl EntryEdit {
    /// Changes what was sent, but for the order.
    pub(crate) fn apply(&self, entry: &mut Entry) {
        set(&mut entry.price, &self.price.map(Cents));
        set(&mut entry.category, &self.category_id);
        set(&mut entry.is_active, &self.is_active);
    }
}

/// A product as a catalog sells it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EntryOut {
    /// The id of the product in this catalog, not that of the product.
    id: String,
    catalog_id: String,
    product_id: String,
    category_id: Option<String>,
    /// Cents.
    price: i64,
    sort_order: u32,
    is_active: bool,
    created_at: String,
    updated_at: String,
    product: SoldProduct,
    category: Option<CategoryName>,
}

/// A category by its name.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CategoryName {
    id: String,
    name: String,
}

impl EntryOut {
    /// `None` for a product that the library does not have any more, which is not sold any more.
    pub(crate) fn new(entry: &Entry, menu: &Menu, library: &[Product], files: &Files<'_>) -> Option<Self> {
        let product = library.iter().find(|product| product.id == entry.product)?;
        let category = menu.category_of(entry);
        Some(EntryOut {
            id: entry.id.to_string(),
            catalog_id: entry.catalog.to_string(),
            product_id: entry.product.to_string(),
            category_id: category.map(|category| category.id.to_string()),
            price: entry.price.0,
            sort_order: menu.layout.entries.get(entry.id).unwrap_or_default(),
            is_active: entry.is_active,
            created_at: iso(entry.created_at),
            updated_at: iso(entry.updated_at),
            product: SoldProduct::new(product, files),
            category: category
                .map(|category| CategoryName { id: category.id.to_string(), name: category.name.clone() }),
        })
    }
}

/// Products of a catalog with their new places.
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EntryOrderIn {
    #[garde(length(max = MAX_ENTRIES), dive)]
    #[schema(max_items = 500)]
    pub(crate) product_orders: Vec<EntryPlace>,
}

/// The new place of one.
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EntryPlace {
    /// UUID of the product in this catalog.
    #[garde(skip)]
    #[schema(value_type = Uuid)]
    pub(crate) catalog_product_id: CatalogProductId,
    #[garde(range(max = MAX_RANK))]
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub(crate) sort_order: u32,
}

/// Done.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Success {
    success: bool,
}

impl Success {
    pub(crate) fn json() -> Json<Self> {
        Json(Success { success: true })
    }
}

/// A JSON body that may be left out.
pub(crate) struct OptionalJson<T>(pub(crate) T);

impl<T> FromRequest<Ctx> for OptionalJson<T>
where
    T: Default + DeserializeOwned + Validate<Context = ()>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, ctx: &Ctx) -> Result<Self, ApiError> {
        const LIMIT: usize = 64 * 1024;
        let (parts, body) = request.into_parts();
        let too_large = |_| ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", "The body is too large");
        let body: Bytes = to_bytes(body, LIMIT).await.map_err(too_large)?;
        if body.is_empty() {
            return Ok(OptionalJson(T::default()));
        }
        let Json(read) = Json::<T>::from_request(Request::from_parts(parts, body.into()), ctx).await?;
        Ok(OptionalJson(read))
    }
}
