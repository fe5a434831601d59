//! Buyers whom the organization knows by e-mail (contract §14).

use axum::extract::State;
use domain::{ids::CustomerId, money::Cents, pos::customer::Customer, time::iso};
use garde::Validate;
use runtime::{
    ApiError, Ctx, Json, Query,
    extract::Id,
    openapi::{PosError, PosSessionErrors},
    session::{self, User},
};
use serde::{Deserialize, Serialize};
use store::pos::customer::Contact;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::wire::{email, filled};

/// Customers on a page at most.
const MOST: usize = 100;

/// A customer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct CustomerOut {
    pub id: Uuid,
    /// The catalog they bought from: who buys from two is a customer of each.
    pub catalog_id: Option<Uuid>,
    pub email: String,
    pub name: Option<String>,
    pub phone: Option<String>,
    pub total_orders: u32,
    /// Cents.
    pub total_spent: i64,
    pub last_order_at: Option<String>,
    pub created_at: String,
}

impl From<Customer> for CustomerOut {
    fn from(customer: Customer) -> Self {
        CustomerOut {
            id: customer.id.0,
            catalog_id: customer.catalog.map(|id| id.0),
            email: customer.email,
            name: customer.name,
            phone: customer.phone,
            total_orders: customer.total_orders,
            total_spent: customer.total_spent.0,
            last_order_at: customer.last_order_at.map(iso),
            created_at: iso(customer.created_at),
        }
    }
}

/// Which customers.
#[derive(Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct CustomersQuery {
    /// How their e-mail or their name begins, in any case.
    #[garde(inner(length(chars, max = 254)))]
    search: Option<String>,
    /// Customers on a page, 50 where nothing is said; above 100 it is 100.
    #[garde(inner(range(min = 1)))]
    #[param(minimum = 1)]
    limit: Option<u32>,
    /// Customers before the page.
    #[garde(inner(range(max = 10_000)))]
    #[param(maximum = 10_000)]
    offset: Option<u32>,
}

/// A page of customers.
#[derive(Serialize, ToSchema)]
#[allow(missing_docs)]
pub struct CustomerList {
    pub customers: Vec<CustomerOut>,
    /// How many there are in all.
    pub total: u64,
}

/// Customers of the organization by e-mail; those found by their name alone come last.
#[utoipa::path(get, path = "/pos/customers", tag = "pos customers", params(CustomersQuery), security(("bearer" = [])),
    responses((status = 200, body = CustomerList), PosSessionErrors),
    extensions(("x-role" = json!(session::USER))))]
pub(crate) async fn list_customers(
    State(ctx): State<Ctx>,
    user: User,
    Query(query): Query<CustomersQuery>,
) -> Result<Json<CustomerList>, ApiError> {
    let limit = query.limit.map_or(50, |limit| limit as usize).min(MOST);
    let offset = query.offset.unwrap_or_default() as usize;
    let page = ctx.store().pos().list_customers(user.org, &beginning(&query.search), offset, limit).await?;
    let customers = page.customers.into_iter().map(CustomerOut::from).collect();
    Ok(Json(CustomerList { customers, total: page.total }))
}

fn beginning(search: &Option<String>) -> String {
    search.as_deref().unwrap_or_default().trim().to_lowercase()
}

/// What is typed while looking for somebody.
#[derive(Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchQuery {
    /// How their e-mail or their name begins, in any case.
    #[garde(inner(length(chars, max = 254)))]
    q: Option<String>,
    /// 10 where nothing is said; above 100 it is 100.
    #[garde(inner(range(min = 1)))]
    #[param(minimum = 1)]
    limit: Option<u32>,
}

/// A customer in few words.
#[derive(Serialize, ToSchema)]
#[allow(missing_docs)]
pub struct FoundCustomer {
    pub id: Uuid,
    pub email: String,
    pub name: Option<String>,
}

/// Customers that were found.
#[derive(Serialize, ToSchema)]
#[allow(missing_docs)]
pub struct FoundCustomers {
    pub customers: Vec<FoundCustomer>,
}

/// Customers whose e-mail or name begins so.
#[utoipa::path(get, path = "/pos/customers/search", tag = "pos customers", params(SearchQuery), security(("bearer" = [])),
    responses((status = 200, body = FoundCustomers), PosSessionErrors),
    extensions(("x-role" = json!(session::USER))))]
pub(crate) async fn search_customers(
    State(ctx): State<Ctx>,
    user: User,
    Query(query): Query<SearchQuery>,
) -> Result<Json<FoundCustomers>, ApiError> {
    let limit = query.limit.map_or(10, |limit| limit as usize).min(MOST);
    let found = ctx.store().pos().search_customers(user.org, &beginning(&query.q), limit).await?;
    let few = |Customer { id, email, name, .. }| FoundCustomer { id: id.0, email, name };
    Ok(Json(FoundCustomers { customers: found.into_iter().map(few).collect() }))
}

/// Somebody, entered by hand.
#[derive(Deserialize, Validate, ToSchema)]
pub(crate) struct CustomerIn {
    #[garde(length(max = 254))]
    email: String,
    /// Absent leaves what is known.
    #[garde(inner(length(chars, max = 200)))]
    name: Option<String>,
    /// Absent leaves what is known.
    #[garde(inner(length(chars, max = 40)))]
    phone: Option<String>,
}

/// A customer, and whether they were not known before.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct SavedCustomer {
    #[serde(flatten)]
    pub customer: CustomerOut,
    pub is_new: bool,
}

/// Enters somebody, or what is new of them: name and phone are those of every customer with this address, whatever catalog
/// they bought from. Of several the answer is the one without a catalog, or else who bought last.
#[utoipa::path(post, path = "/pos/customers", tag = "pos customers", request_body = CustomerIn, security(("bearer" = [])),
    responses((status = 200, body = SavedCustomer), PosSessionErrors),
    extensions(("x-role" = json!(session::USER))))]
pub(crate) async fn save_customer(
    State(ctx): State<Ctx>,
    user: User,
    Json(input): Json<CustomerIn>,
) -> Result<Json<SavedCustomer>, ApiError> {
    let email = email("email", &input.email)?.ok_or_else(|| ApiError::invalid("email", "is required"))?;
    let contact = Contact { email, name: filled(&input.name), phone: filled(&input.phone) };
    let (customer, is_new) = ctx.store().pos().save_customer(user.org, &contact, ctx.now()).await?;
    Ok(Json(SavedCustomer { customer: customer.into(), is_new }))
}

/// An order that was made elsewhere.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RecordIn {
    /// Cents.
    #[garde(range(min = 0, max = 1_000_000_000))]
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    order_total: i64,
}

/// That it was done.
#[derive(Serialize, ToSchema)]
#[allow(missing_docs)]
pub struct Recorded {
    pub success: bool,
}

/// Counts an order that was not made here.
#[utoipa::path(post, path = "/pos/customers/{id}/record-order", tag = "pos customers", request_body = RecordIn,
    security(("bearer" = [])), params(("id" = Uuid, Path, description = "The customer")),
    responses(
        (status = 200, body = Recorded),
        (status = 404, body = PosError, description = "`CUSTOMER_NOT_FOUND`"),
        PosSessionErrors,
    ),
    extensions(("x-role" = json!(session::USER))))]
pub(crate) async fn record_order(
    State(ctx): State<Ctx>,
    user: User,
    id: Id<CustomerId>,
    Json(input): Json<RecordIn>,
) -> Result<Json<Recorded>, ApiError> {
    let not_found = || ApiError::not_found("CUSTOMER_NOT_FOUND", "Customer not found");
    let id = id.0.ok_or_else(not_found)?;
    let recorded = ctx.store().pos().record_order(user.org, id, Cents(input.order_total), ctx.now()).await?;
    if recorded { Ok(Json(Recorded { success: true })) } else { Err(not_found()) }
}
