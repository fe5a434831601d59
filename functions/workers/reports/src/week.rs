//! The weekly report: each Monday an organization's last week, reckoned once, for those of its owner and admins who want it.
//! Others may not see these figures in the app either.

use domain::{
    ids::OrgId,
    mail::{Mail, MailKey, MailPolicy},
    member::{Member, Role},
    pos::report::{ReportTask, Scope, WeeklyFigures, WeeklyReport, last_due_week, week_days},
};
use jiff::civil;
use runtime::{BoxError, Ctx};
use store::pos::sales::{Direction, SaleFilter};

use crate::{
    draw::{reckon, save_pdf},
    send,
};

/// Once a week is over, has each organization's report made by a message of its own. When that fails halfway, all are asked
/// again: whoever was asked before has nothing more to do.
pub(crate) async fn ask_for_week(ctx: &Ctx) -> Result<(), BoxError> {
    let pos = ctx.store().pos();
    let week = last_due_week(ctx.now());
    if pos.load_weeks_asked().await?.is_some_and(|asked| asked >= week) {
        return Ok(());
    }
    let over = week_days(week).end();
    let orgs = ctx.store().list_orgs().await?;
    let orgs = orgs.into_iter().filter(|org| org.created_at < over);
    let tasks: Vec<ReportTask> = orgs.map(|org| ReportTask::Week { org: org.id, week }).collect();
    send(ctx, &tasks).await?;
    tracing::info!(%week, organizations = tasks.len(), "weekly reports asked for");
    Ok(pos.save_weeks_asked(week).await?)
}

/// Reckons and draws the week, if nobody has, and queues the e-mails. Each is queued once, however often this is done.
pub(crate) async fn report_week(ctx: &Ctx, org: OrgId, week: civil::Date) -> Result<(), BoxError> {
    let members = ctx.store().list_members(org).await?;
    let readers: Vec<&Member> = members.iter().filter(|member| is_reader(member)).collect();
    if readers.is_empty() || !make_report(ctx, org, week).await? {
        return Ok(());
    }
    for reader in readers {
        let key = MailKey::WeeklyReport { user: reader.user, week };
        ctx.store().queue_mail(&Mail::new(key, org, MailPolicy::Send, ctx.now())).await?;
    }
    Ok(())
}

fn is_reader(member: &Member) -> bool {
    member.may_sign_in() && member.preferences.weekly_reports && member.role >= Some(Role::Admin)
}

/// The week's report, reckoned and drawn unless there is one. False for an organization that has never sold at the counter:
/// it is not told so each week.
async fn make_report(ctx: &Ctx, org: OrgId, week: civil::Date) -> Result<bool, BoxError> {
    let pos = ctx.store().pos();
    if pos.load_weekly_report(org, week).await?.is_some() {
        return Ok(true);
    }
    let (org, sales) = reckon(ctx, org, &Scope { days: week_days(week), catalog: None }).await?;
    if sales.total.orders == 0 && !has_ever_sold(ctx, org.id).await? {
        return Ok(false);
    }
    let key = WeeklyReport::file_key(org.id, week);
    save_pdf(ctx, &key, &org, None, &sales).await?;
    let figures = WeeklyFigures::from(&sales);
    pos.save_weekly_report(&WeeklyReport { org: org.id, figures, pdf: Some(key), created_at: ctx.now() }).await?;
    Ok(true)
}

async fn has_ever_sold(ctx: &Ctx, org: OrgId) -> Result<bool, BoxError> {
    let any = SaleFilter::default();
    let page = ctx.store().pos().page_sales(org, &any, Direction::NewestFirst, None, 1).await?;
    Ok(!page.orders.is_empty())
}
