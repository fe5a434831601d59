//! Reports of sales, drawn as PDF by `workers-reports`: asked for, followed until they are ready, fetched.
//!
//! The file comes through the function, not from the bucket by a presigned address: so each time it is asked who fetches it
//! and whether they still may, and there is no address that opens it for whoever has it. A report is some ten kilobytes, far
//! below what a function may answer.

use std::collections::BTreeSet;

use axum::{extract::State, response::IntoResponse};
use domain::{
    ids::{CatalogId, OrgId, ReportId},
    pos::{
        days::{Days, parse_day},
        report::{MAX_WAITING, Report, ReportStatus, Scope, report_id},
    },
    time::iso,
};
use garde::Validate;
use http::{StatusCode, header};
use runtime::{
    ApiError, Ctx, IdempotencyKey, Json, Query,
    extract::Id,
    openapi::{PosError, PosSessionErrors},
    session::{self, Manager},
};
use serde::{Deserialize, Serialize};
use store::pos::names::Unnamed;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Newest reports among which those that wait are counted.
const COUNTED: usize = 50;

/// What a report is to be of.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReportIn {
    /// `YYYY-MM-DD`, UTC.
    #[garde(skip)]
    #[schema(format = Date)]
    start_date: String,
    /// `YYYY-MM-DD`, UTC, included; at most 366 days in all.
    #[garde(skip)]
    #[schema(format = Date)]
    end_date: String,
    /// Only what was sold from this catalog.
    #[garde(skip)]
    catalog_id: Option<Uuid>,
}

impl ReportIn {
    fn scope(&self) -> Result<Scope, ApiError> {
        let day = |field: &str, text: &str| {
            let refused = || ApiError::invalid(field, "must be a date YYYY-MM-DD of the years 2000 to 2199");
            parse_day(text).ok_or_else(refused)
        };
        let (first, last) = (day("startDate", &self.start_date)?, day("endDate", &self.end_date)?);
        let days = Days::new(first, last).map_err(|error| ApiError::invalid("endDate", error.to_string()))?;
        Ok(Scope { days, catalog: self.catalog_id.map(CatalogId) })
    }
}

/// How far a report is.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum StatusOut {
    /// Waiting to be drawn.
    Pending,
    /// It can be fetched.
    Ready,
    /// It could not be drawn.
    Failed,
}

/// A report.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReportOut {
    id: Uuid,
    #[schema(inline)]
    status: StatusOut,
    /// `YYYY-MM-DD`.
    #[schema(format = Date)]
    start_date: String,
    /// `YYYY-MM-DD`, included.
    #[schema(format = Date)]
    end_date: String,
    /// The one catalog that it is of.
    catalog_id: Option<Uuid>,
    /// ISO-8601.
    created_at: String,
    /// When it was drawn.
    ready_at: Option<String>,
    /// Until when it can be had.
    expires_at: String,
    /// Where its PDF is, for those who may ask for reports; null until it is ready.
    url: Option<String>,
}

impl ReportOut {
    fn new(ctx: &Ctx, report: &Report) -> Self {
        let url = format!("{}/pos/reports/{}/file", ctx.settings().public_url, report.id);
        let status = match report.status {
            ReportStatus::Pending => StatusOut::Pending,
            ReportStatus::Ready => StatusOut::Ready,
            ReportStatus::Failed => StatusOut::Failed,
        };
        ReportOut {
            id: report.id.0,
            status,
            start_date: report.scope.days.first.to_string(),
            end_date: report.scope.days.last.to_string(),
            catalog_id: report.scope.catalog.map(|catalog| catalog.0),
            created_at: iso(report.created_at),
            ready_at: report.ready_at.map(iso),
            expires_at: iso(report.expires_at()),
            url: (report.status == ReportStatus::Ready).then_some(url),
        }
    }
}

/// Which reports.
#[derive(Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReportsQuery {
    /// 1 to 100; 20 where nothing is said.
    #[garde(inner(range(min = 1, max = 100)))]
    #[param(nullable = false, minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// Reports before the page, 1000 at most.
    #[garde(inner(range(max = 1000)))]
    #[param(nullable = false, maximum = 1000)]
    offset: Option<u32>,
}

/// A page of reports, newest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReportList {
    reports: Vec<ReportOut>,
    has_more: bool,
}

fn not_found() -> ApiError {
    ApiError::not_found("REPORT_NOT_FOUND", "Report not found")
}

/// A report of the caller's organization that can still be had: the table forgets them some days late.
async fn load_report(ctx: &Ctx, org: OrgId, id: Option<ReportId>) -> Result<Report, ApiError> {
    let report = ctx.store().pos().load_report(org, id.ok_or_else(not_found)?).await?;
    report.filter(|report| ctx.now() < report.expires_at()).ok_or_else(not_found)
}

/// Asks for a report of the sales of some days. An `Idempotency-Key` asks once: a repeat is answered with the same report,
/// however far it is by then.
#[utoipa::path(post, path = "/pos/reports", tag = "pos reports", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))), request_body = ReportIn,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable characters")),
    responses(
        (status = 202, description = "The report, which is being drawn", body = ReportOut),
        (status = 404, description = "`CATALOG_NOT_FOUND`", body = PosError),
        (status = 422, description = "`IDEMPOTENCY_KEY_REUSED`", body = PosError),
        (status = 429, description = "`TOO_MANY_REPORTS`: 10 of the organization are waiting", body = PosError),
        PosSessionErrors,
    ))]
pub(crate) async fn create_report(
    State(ctx): State<Ctx>,
    manager: Manager,
    key: IdempotencyKey,
    Json(input): Json<ReportIn>,
) -> Result<(StatusCode, Json<ReportOut>), ApiError> {
    let (pos, org, scope) = (ctx.store().pos(), manager.org, input.scope()?);
    let named = key.hash().map(|key| report_id(org, &key));
    let before = match named {
        Some(id) => pos.load_report(org, id).await?,
        None => None,
    };
    let report = match before {
        Some(report) => report,
        None => {
            check_catalog(&ctx, org, scope.catalog).await?;
            check_waiting(&ctx, org).await?;
            let id = named.unwrap_or_else(|| ReportId(Uuid::new_v4()));
            pos.create_report(&Report::new(id, org, scope, manager.user, ctx.now())).await?
        }
    };
    if report.scope != scope {
        let text = "This Idempotency-Key was used for another request";
        return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "IDEMPOTENCY_KEY_REUSED", text));
    }
    Ok((StatusCode::ACCEPTED, Json(ReportOut::new(&ctx, &report))))
}

async fn check_catalog(ctx: &Ctx, org: OrgId, catalog: Option<CatalogId>) -> Result<(), ApiError> {
    let Some(catalog) = catalog else { return Ok(()) };
    let unnamed = Unnamed { catalogs: BTreeSet::from([catalog]), ..Unnamed::default() };
    let known = ctx.store().pos().load_names(org, &unnamed).await?.catalogs.contains_key(&catalog);
    if known { Ok(()) } else { Err(ApiError::not_found("CATALOG_NOT_FOUND", "Catalog not found")) }
}

/// Keeps an organization from filling the queue that all share. A few at the same moment may get past it.
async fn check_waiting(ctx: &Ctx, org: OrgId) -> Result<(), ApiError> {
    let newest = ctx.store().pos().list_reports(org, COUNTED, 0).await?;
    let waiting = newest.iter().filter(|report| report.status == ReportStatus::Pending).count();
    if waiting < MAX_WAITING {
        return Ok(());
    }
    let text = "Too many reports are waiting, try again when one is ready";
    Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_REPORTS", text))
}

/// Reports, newest first.
#[utoipa::path(get, path = "/pos/reports", tag = "pos reports", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))), params(ReportsQuery),
    responses((status = 200, description = "A page of reports", body = ReportList), PosSessionErrors))]
pub(crate) async fn list_reports(
    State(ctx): State<Ctx>,
    manager: Manager,
    Query(query): Query<ReportsQuery>,
) -> Result<Json<ReportList>, ApiError> {
    let (limit, offset) = (query.limit.unwrap_or(20) as usize, query.offset.unwrap_or(0) as usize);
    let mut reports = ctx.store().pos().list_reports(manager.org, limit + 1, offset).await?;
    let has_more = reports.len() > limit;
    reports.truncate(limit);
    let current = reports.iter().filter(|report| ctx.now() < report.expires_at());
    Ok(Json(ReportList { reports: current.map(|report| ReportOut::new(&ctx, report)).collect(), has_more }))
}

/// How far a report is, and where its PDF is.
#[utoipa::path(get, path = "/pos/reports/{reportId}", tag = "pos reports", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))),
    params(("reportId" = String, Path, description = "UUID of the report")),
    responses(
        (status = 200, description = "The report", body = ReportOut),
        (status = 404, description = "`REPORT_NOT_FOUND`", body = PosError),
        PosSessionErrors,
    ))]
pub(crate) async fn get_report(
    State(ctx): State<Ctx>,
    manager: Manager,
    Id(id): Id<ReportId>,
) -> Result<Json<ReportOut>, ApiError> {
    Ok(Json(ReportOut::new(&ctx, &load_report(&ctx, manager.org, id).await?)))
}

/// A report's PDF.
#[utoipa::path(get, path = "/pos/reports/{reportId}/file", tag = "pos reports", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))),
    params(("reportId" = String, Path, description = "UUID of the report")),
    responses(
        (status = 200, description = "The PDF", content_type = "application/pdf", body = Vec<u8>),
        (status = 404, description = "`REPORT_NOT_FOUND`", body = PosError),
        (status = 409, description = "`REPORT_NOT_READY`", body = PosError),
        PosSessionErrors,
    ))]
pub(crate) async fn get_report_file(
    State(ctx): State<Ctx>,
    manager: Manager,
    Id(id): Id<ReportId>,
) -> Result<impl IntoResponse, ApiError> {
    let report = load_report(&ctx, manager.org, id).await?;
    if report.status != ReportStatus::Ready {
        return Err(ApiError::new(StatusCode::CONFLICT, "REPORT_NOT_READY", "The report is not ready"));
    }
    let pdf = ctx.files().get(&report.file_key()).await?.ok_or_else(not_found)?;
    let headers = [
        (header::CONTENT_TYPE, "application/pdf".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", report.file_name())),
        (header::CACHE_CONTROL, "private, no-store".to_owned()),
    ];
    Ok((headers, pdf))
}
