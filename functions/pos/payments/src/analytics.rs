//! Figures of a period, in major units (contract `pos.md` §10).

use std::ops::ControlFlow;

use axum::extract::State;
use domain::{
    ids::{CatalogId, OrgId},
    pos::{
        analytics::{self, FARTHEST, Figures, Period, Sold, Span},
        order::{Line, Order, OrderId, Status},
    },
};
use garde::Validate;
use runtime::{
    ApiError, Ctx, Json, Query,
    openapi::PosSessionErrors,
    session::{self, Manager},
};
use serde::{Deserialize, Serialize};
use store::pos::names::{Names, Unnamed};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{connect::load_org, dashboard::zone};

/// Orders whose lines are looked at: the newest of the period.
const LOOKED_INTO: usize = 2000;

/// Which period.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Range {
    Today,
    /// From its Monday.
    #[default]
    Week,
    Month,
    All,
}

impl From<Range> for Span {
    fn from(range: Range) -> Self {
        match range {
            Range::Today => Span::Today,
            Range::Week => Span::Week,
            Range::Month => Span::Month,
            Range::All => Span::All,
        }
    }
}

/// Which period.
#[derive(Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AnalyticsQuery {
    /// `week` where nothing is said.
    #[garde(skip)]
    #[param(inline)]
    range: Option<Range>,
    /// How many periods away, zero or less; `all` has no other.
    #[garde(inner(range(min = -FARTHEST, max = 0)))]
    #[param(minimum = -520, maximum = 0)]
    offset: Option<i32>,
}

/// The main figures. Amounts are major units.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct MetricsOut {
    /// What completed orders brought, refunds taken off.
    revenue: f64,
    transactions: i64,
    average_transaction: f64,
    /// Of the period before; `all` has none.
    previous_revenue: f64,
    previous_transactions: i64,
}

/// What an hour, a day or a month brought.
#[derive(Serialize, ToSchema)]
struct RevenueOut {
    /// `9 AM`, `Mon`, `31`, `Mar 2026`.
    label: String,
    /// Major units.
    revenue: f64,
}

/// How orders were paid. Percentages are of all, whole numbers, and add up to 100.
#[derive(Serialize, ToSchema)]
struct MethodOut {
    /// `card`, `cash`, `tap_to_pay`, `split`.
    method: &'static str,
    percentage: u32,
    count: i64,
}

/// When orders were made.
#[derive(Serialize, ToSchema)]
struct HourOut {
    /// 0 to 23.
    hour: u8,
    count: i64,
    percentage: u32,
}

/// What a product brought, without tax and tips.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ProductOut {
    product_id: Option<Uuid>,
    name: String,
    quantity: u64,
    /// Major units.
    revenue: f64,
}

/// What a catalog brought.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CatalogOut {
    catalog_id: Option<Uuid>,
    /// Null for what was sold without one, or from one that is gone.
    catalog_name: Option<String>,
    orders: i64,
    /// Major units.
    revenue: f64,
    percentage: u32,
}

/// What a category brought, without tax and tips.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CategoryOut {
    category_id: Option<Uuid>,
    /// Null for what has none, or one that is gone.
    category_name: Option<String>,
    quantity: u64,
    /// Major units.
    revenue: f64,
    percentage: u32,
}

/// What came without items.
#[derive(Serialize, ToSchema)]
struct QuickChargeOut {
    orders: i64,
    /// Major units.
    revenue: f64,
    percentage: u32,
}

/// Figures of a period.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AnalyticsOut {
    metrics: MetricsOut,
    /// In order of time.
    revenue_data: Vec<RevenueOut>,
    /// The most frequent first.
    payment_methods: Vec<MethodOut>,
    /// The busiest first; those without orders are left out.
    peak_hours: Vec<HourOut>,
    /// The best first, 10 at most; of the newest 2000 orders of the period.
    top_products: Vec<ProductOut>,
    /// The best first.
    catalog_breakdown: Vec<CatalogOut>,
    /// The best first; of the newest 2000 orders of the period.
    category_breakdown: Vec<CategoryOut>,
    quick_charge: QuickChargeOut,
}

/// Figures of a period. Days and weeks are the organization's own, where its settings name a time zone.
#[utoipa::path(get, path = "/pos/stripe/connect/analytics", tag = "pos connect", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))), params(AnalyticsQuery),
    responses((status = 200, body = AnalyticsOut), PosSessionErrors))]
pub(crate) async fn get_analytics(
    State(ctx): State<Ctx>,
    manager: Manager,
    Query(query): Query<AnalyticsQuery>,
) -> Result<Json<AnalyticsOut>, ApiError> {
    let (org, _) = load_org(&ctx, &manager).await?;
    let span = query.range.unwrap_or_default().into();
    let period = Period::new(span, query.offset.unwrap_or_default(), ctx.now(), zone(&org));
    let (figures, orders) = count(&ctx, manager.org, period).await?;
    let lines = load_lines(&ctx, manager.org, &orders).await?;
    let names = ctx.store().pos().load_names(manager.org, &unnamed(&figures, &lines)).await?;
    let lines: Vec<Line> = lines.into_iter().map(|(_, line)| line).collect();
    Ok(Json(AnalyticsOut::new(&figures, &lines, &names)))
}

/// The period's figures, and its newest orders that have lines, with their catalogs.
async fn count(
    ctx: &Ctx,
    org: OrgId,
    period: Period,
) -> Result<(Figures, Vec<(OrderId, Option<CatalogId>)>), ApiError> {
    let (since, to) = (period.since(), period.to());
    let (mut figures, mut orders) = (Figures::new(period), Vec::new());
    let add = |order: Order| {
        if figures.add(&order) && order.item_count > 0 && orders.len() < LOOKED_INTO {
            orders.push((order.id, order.catalog));
        }
        ControlFlow::Continue(())
    };
    ctx.store().pos().each_sale(org, since, to, &[Status::Completed], add).await?;
    Ok((figures, orders))
}

/// The orders' lines, each with its catalog, in the orders' order.
async fn load_lines(
    ctx: &Ctx,
    org: OrgId,
    orders: &[(OrderId, Option<CatalogId>)],
) -> Result<Vec<(Option<CatalogId>, Line)>, ApiError> {
    let ids: Vec<OrderId> = orders.iter().map(|(id, _)| *id).collect();
    let mut lines = ctx.store().pos().load_lines(org, &ids).await?;
    let of = |(id, catalog): &(OrderId, Option<CatalogId>)| {
        let catalog = *catalog;
        lines.remove(id).unwrap_or_default().into_iter().map(move |line| (catalog, line))
    };
    Ok(orders.iter().flat_map(of).collect())
}

fn unnamed(figures: &Figures, lines: &[(Option<CatalogId>, Line)]) -> Unnamed {
    Unnamed {
        categories: lines.iter().filter_map(|(catalog, line)| Some(((*catalog)?, line.category?))).collect(),
        catalogs: figures.catalogs().iter().filter_map(|(catalog, ..)| *catalog).collect(),
        ..Unnamed::default()
    }
}

impl AnalyticsOut {
    fn new(figures: &Figures, lines: &[Line], names: &Names) -> Self {
        let catalog_name = |id: Option<CatalogId>| names.catalogs.get(&id?).cloned();
        AnalyticsOut {
            metrics: MetricsOut {
                revenue: figures.total.revenue.to_major(),
                transactions: figures.total.orders,
                average_transaction: figures.total.average().to_major(),
                previous_revenue: figures.previous.revenue.to_major(),
                previous_transactions: figures.previous.orders,
            },
            revenue_data: figures
                .revenue()
                .into_iter()
                .map(|(label, revenue)| RevenueOut { label, revenue: revenue.to_major() })
                .collect(),
            payment_methods: figures
                .methods()
                .into_iter()
                .map(|(method, count, percentage)| MethodOut { method, percentage, count })
                .collect(),
            peak_hours: figures
                .hours()
                .into_iter()
                .map(|(hour, count, percentage)| HourOut { hour, count, percentage })
                .collect(),
            top_products: analytics::top_products(lines.iter()).into_iter().map(ProductOut::from).collect(),
            catalog_breakdown: figures
                .catalogs()
                .into_iter()
                .map(|(id, sum, percentage)| CatalogOut {
                    catalog_id: id.map(|id| id.0),
                    catalog_name: catalog_name(id),
                    orders: sum.orders,
                    revenue: sum.revenue.to_major(),
                    percentage,
                })
                .collect(),
            category_breakdown: analytics::categories(lines.iter())
                .into_iter()
                .map(|(sold, percentage)| CategoryOut {
                    category_id: sold.id.map(|id| id.0),
                    category_name: sold.id.and_then(|id| names.categories.get(&id).cloned()),
                    quantity: sold.quantity,
                    revenue: sold.revenue.to_major(),
                    percentage,
                })
                .collect(),
            quick_charge: QuickChargeOut {
                orders: figures.quick_charges.orders,
                revenue: figures.quick_charges.revenue.to_major(),
                percentage: figures.quick_charge_share(),
            },
        }
    }
}

impl From<Sold<domain::ids::ProductId>> for ProductOut {
    fn from(sold: Sold<domain::ids::ProductId>) -> Self {
        ProductOut {
            product_id: sold.id.map(|id| id.0),
            name: sold.name,
            quantity: sold.quantity,
            revenue: sold.revenue.to_major(),
        }
    }
}
