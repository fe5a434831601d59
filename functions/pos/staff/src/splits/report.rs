//! What the splits of a catalog get of its sales (contract §13, §19).

use axum::extract::State;
use domain::{ids::CatalogId, money::Cents, pos::split::Split};
use runtime::{
    ApiError, Ctx, Json, Query,
    extract::Id,
    openapi::{PosError, PosSessionErrors},
    session::{self, Manager},
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::catalog_with_splits;
use crate::read::{DaysQuery, each_completed};

/// What each split gets of some days. Amounts are cents.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SplitReportOut {
    catalog_id: Uuid,
    catalog_name: String,
    period: PeriodOut,
    summary: SplitSummaryOut,
    splits: Vec<SplitAmountOut>,
}

/// From which day to which, both included.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PeriodOut {
    start_date: String,
    end_date: String,
}

/// The sums.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SplitSummaryOut {
    /// What was sold, without tax and tip.
    gross_sales: i64,
    total_split_amount: i64,
    /// What is left; below zero when the parts are more than the whole.
    your_share: i64,
    order_count: u32,
}

/// What one split gets.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SplitAmountOut {
    id: Uuid,
    recipient_name: String,
    /// `venue`, `promoter`, `partner` or `other`.
    recipient_type: &'static str,
    percentage: f64,
    amount: i64,
}

fn amount_of(split: &Split, gross: Cents) -> Option<SplitAmountOut> {
    Some(SplitAmountOut {
        id: split.id.0,
        recipient_name: split.recipient_name.clone(),
        recipient_type: split.recipient_type.as_str(),
        percentage: split.percentage.to_number(),
        amount: split.share(gross)?.0,
    })
}

/// What the active splits of a catalog get of what it sold in some days (UTC).
#[utoipa::path(get, path = "/pos/catalogs/{catalogId}/splits/report", tag = "pos splits", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))),
    params(("catalogId" = String, Path, description = "UUID of the catalog"), DaysQuery),
    responses(
        (status = 200, description = "The report. 403 `PRO_REQUIRED` on the free tier", body = SplitReportOut),
        (status = 404, description = "`CATALOG_NOT_FOUND`", body = PosError),
        PosSessionErrors,
    ))]
pub(crate) async fn show_split_report(
    State(ctx): State<Ctx>,
    manager: Manager,
    Id(catalog): Id<CatalogId>,
    Query(query): Query<DaysQuery>,
) -> Result<Json<SplitReportOut>, ApiError> {
    let catalog = catalog_with_splits(&ctx, manager.org, catalog).await?;
    let days = query.days()?;
    let (mut gross, mut order_count) = (Cents::ZERO, 0);
    let each = each_completed(&ctx, manager.org, days, |order| {
        if order.catalog == Some(catalog.id) {
            gross = gross + order.subtotal;
            order_count += 1;
        }
    });
    let pos = ctx.store().pos();
    let (_, splits) = tokio::try_join!(each, async { Ok(pos.list_splits(manager.org, catalog.id).await?) })?;
    let splits: Vec<_> = splits.iter().filter_map(|split| amount_of(split, gross)).collect();
    let total_split_amount = splits.iter().map(|split| split.amount).sum();
    Ok(Json(SplitReportOut {
        catalog_id: catalog.id.0,
        catalog_name: catalog.name,
        period: PeriodOut { start_date: days.first.to_string(), end_date: days.last.to_string() },
        summary: SplitSummaryOut {
            gross_sales: gross.0,
            total_split_amount,
            your_share: gross.0 - total_split_amount,
            order_count,
        },
        splits,
    }))
}
