//! Reports that somebody asked for.

use std::collections::BTreeSet;

use domain::{
    ids::{CatalogId, OrgId, ReportId},
    member::Org,
    pos::report::{Report, SalesReport, Scope},
};
use report::Heading;
use runtime::{BoxError, Ctx};
use store::pos::names::Unnamed;

/// Draws a report, unless it is drawn. Fails when another try may succeed, and at the last one, so that its message is kept.
pub(crate) async fn draw_report(ctx: &Ctx, org: OrgId, id: ReportId) -> Result<(), BoxError> {
    let pos = ctx.store().pos();
    let Some(report) = pos.begin_report(org, id).await? else { return Ok(()) };
    if report.is_stranded() {
        tracing::error!(%org, report = %id, "report given up: its worker died at the last try");
        pos.mark_report_failed(&report).await?;
        return Ok(());
    }
    if let Err(error) = draw(ctx, &report).await {
        if report.is_last_try() && pos.mark_report_failed(&report).await? {
            tracing::error!(%org, report = %id, "report given up");
        }
        return Err(error);
    }
    if pos.mark_report_ready(&report, ctx.now()).await? {
        tracing::info!(%org, report = %id, attempt = report.attempts, "report drawn");
    }
    Ok(())
}

async fn draw(ctx: &Ctx, report: &Report) -> Result<(), BoxError> {
    let (org, sales) = reckon(ctx, report.org, &report.scope).await?;
    let catalog = match report.scope.catalog {
        Some(catalog) => Some(load_catalog_name(ctx, report.org, catalog).await?),
        None => None,
    };
    save_pdf(ctx, &report.file_key(), &org, catalog.as_deref(), &sales).await
}

/// The organization, and what it sold.
pub(crate) async fn reckon(ctx: &Ctx, org: OrgId, scope: &Scope) -> Result<(Org, SalesReport), BoxError> {
    let (org, terms) = ctx.store().pos().load_org(org).await?.ok_or("the organization is gone")?;
    let currency = terms.account.map(|account| account.currency).unwrap_or_default();
    let tier = terms.subscription.map(|subscription| subscription.effective_tier()).unwrap_or_default();
    let nothing = SalesReport::new(scope.days, currency, tier);
    let sales = ctx.store().pos().reckon_sales(org.id, scope, nothing).await?;
    Ok((org, sales))
}

/// Draws sales into a file, over one that was drawn before.
pub(crate) async fn save_pdf(
    ctx: &Ctx,
    key: &str,
    org: &Org,
    catalog: Option<&str>,
    sales: &SalesReport,
) -> Result<(), BoxError> {
    let pdf = report::draw(&Heading { organization: &org.name, catalog, made_at: ctx.now() }, sales);
    Ok(ctx.files().put(key, pdf, "application/pdf", Some("private")).await?)
}

/// The catalog's name; what can be said of one that was deleted since.
async fn load_catalog_name(ctx: &Ctx, org: OrgId, catalog: CatalogId) -> Result<String, BoxError> {
    let unnamed = Unnamed { catalogs: BTreeSet::from([catalog]), ..Unnamed::default() };
    let name = ctx.store().pos().load_names(org, &unnamed).await?.catalogs.remove(&catalog);
    Ok(name.unwrap_or_else(|| "a catalog that is gone".to_owned()))
}
