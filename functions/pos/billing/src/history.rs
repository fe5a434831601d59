//! What was billed.

use axum::extract::State;
use domain::time::iso;
use garde::Validate;
use jiff::Timestamp;
use payments::{Stripe, StripeError, billing::Invoice};
use runtime::{
    ApiError, Ctx, Json, Query,
    openapi::PosSessionErrors,
    session::{self, Manager},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Requests to Stripe at most, a hundred invoices each: by the month, that is longer than anybody subscribes.
const CALLS: usize = 5;

/// Pages at most.
const LAST_PAGE: u32 = 1000;

/// Invoices on a page at most.
const LARGEST_PAGE: u32 = 100;

/// Which page.
#[derive(Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct HistoryQuery {
    /// The first one where nothing is said.
    #[garde(skip)]
    #[param(minimum = 1, maximum = 1000)]
    page: Option<u32>,
    /// 10 where nothing is said.
    #[garde(skip)]
    #[param(minimum = 1, maximum = 100)]
    per_page: Option<u32>,
}

/// A page of invoices.
#[derive(Serialize, ToSchema)]
pub(crate) struct HistoryOut {
    /// Newest first.
    data: Vec<InvoiceOut>,
    pagination: PaginationOut,
}

/// What was or is to be paid.
#[derive(Serialize, ToSchema)]
pub(crate) struct InvoiceOut {
    id: String,
    /// ISO 8601, UTC.
    date: String,
    /// Cents.
    amount: i64,
    /// `usd`.
    currency: String,
    /// `paid`, `open`, `draft`, `void`.
    status: &'static str,
    description: Option<String>,
    /// Its page.
    invoice_url: Option<String>,
    pdf_url: Option<String>,
}

/// Where a page stands among all.
#[derive(Serialize, ToSchema)]
pub(crate) struct PaginationOut {
    page: u32,
    per_page: u32,
    total_pages: u32,
    total_count: u32,
    has_next: bool,
    has_previous: bool,
}

impl From<Invoice> for InvoiceOut {
    fn from(invoice: Invoice) -> Self {
        let line = invoice.lines.data.into_iter().find_map(|line| line.description);
        InvoiceOut {
            id: invoice.id,
            date: iso(Timestamp::from_second(invoice.created).unwrap_or_default()),
            amount: invoice.total.0,
            currency: invoice.currency,
            status: match invoice.status.as_deref() {
                Some("paid") => "paid",
                // Given up as a debt, and yet to be paid.
                Some("open" | "uncollectible") => "open",
                Some("void") => "void",
                _ => "draft",
            },
            description: invoice.description.or(line),
            invoice_url: invoice.hosted_invoice_url,
            pdf_url: invoice.invoice_pdf,
        }
    }
}

/// Stripe lists behind a cursor and counts nothing; the portal wants pages and their number. All are read: they are few.
async fn all_invoices(stripe: &Stripe, customer: &str) -> Result<Vec<Invoice>, StripeError> {
    let mut all: Vec<Invoice> = Vec::new();
    for _ in 0..CALLS {
        let after = all.last().map(|invoice| invoice.id.clone());
        let page = match stripe.list_invoices(customer, after.as_deref()).await {
            // The customer was deleted at Stripe.
            Err(StripeError::NotFound) => break,
            page => page?,
        };
        all.extend(page.data);
        if !page.has_more {
            break;
        }
    }
    Ok(all)
}

fn bounded(name: &str, value: Option<u32>, default: u32, largest: u32) -> Result<u32, ApiError> {
    let value = value.unwrap_or(default);
    let outside = || ApiError::invalid(name, format!("must be between 1 and {largest}"));
    (1..=largest).contains(&value).then_some(value).ok_or_else(outside)
}

/// What Stripe has billed the organization, newest first. An empty page for who is not Stripe's customer.
#[utoipa::path(get, path = "/pos/billing/history", tag = "pos billing", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))), params(HistoryQuery),
    responses((status = 200, body = HistoryOut), PosSessionErrors))]
pub(crate) async fn list_invoices(
    State(ctx): State<Ctx>,
    manager: Manager,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<HistoryOut>, ApiError> {
    let page = bounded("page", query.page, 1, LAST_PAGE)?;
    let per_page = bounded("per_page", query.per_page, 10, LARGEST_PAGE)?;
    let subscription = ctx.store().pos().load_terms(manager.org).await?.subscription;
    let invoices = match subscription.and_then(|known| known.stripe_customer) {
        Some(customer) => all_invoices(ctx.stripe().ok_or_else(ApiError::unavailable)?, &customer).await?,
        None => vec![],
    };
    let total_count = u32::try_from(invoices.len()).unwrap_or(u32::MAX);
    let total_pages = total_count.div_ceil(per_page);
    let before = (page - 1) as usize * per_page as usize;
    Ok(Json(HistoryOut {
        data: invoices.into_iter().skip(before).take(per_page as usize).map(InvoiceOut::from).collect(),
        pagination: PaginationOut {
            page,
            per_page,
            total_pages,
            total_count,
            has_next: page < total_pages,
            has_previous: page > 1,
        },
    }))
}
