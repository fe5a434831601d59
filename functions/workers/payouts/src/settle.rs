//! Settles days that are over: decides, once for each catalog and day, what its splits get of the sales that were completed on
//! that day. The stream sends what was decided on its way to be paid out.

use std::{collections::BTreeMap, ops::ControlFlow, time::Duration};

use domain::{
    ids::{CatalogId, OrgId},
    money::Cents,
    pos::{
        days::{Days, day_of},
        order::{Order, Status},
        split::Settlement,
    },
};
use jiff::{SignedDuration, Timestamp, ToSpan, civil};
use runtime::{BoxError, Ctx};
use tokio::time::Instant;

/// How long after midnight a day is settled: what was completed on it can be read by then.
const GRACE: SignedDuration = SignedDuration::from_hours(6);

/// Days of one organization that one run settles.
const DAYS_AT_ONCE: i32 = 7;

/// Settles what is due, organization by organization, until the time is up. The next run goes on with the one after the last,
/// so that none waits for ever behind those before it.
///
/// # Errors
/// When the database does not say whose turn it is.
pub async fn settle_days(ctx: &Ctx, time: Duration) -> Result<(), BoxError> {
    let (started, pos) = (Instant::now(), ctx.store().pos());
    let mut orgs: Vec<OrgId> = ctx.store().list_orgs().await?.into_iter().map(|org| org.id).collect();
    let last = pos.load_settling().await?;
    let next = orgs.iter().position(|org| Some(*org) == last).map_or(0, |at| at + 1);
    orgs.rotate_left(next);
    for (i, org) in orgs.iter().enumerate() {
        // One organization's trouble does not keep the others waiting; the mark it did not move brings it back.
        if let Err(error) = settle_org(ctx, *org).await {
            tracing::warn!(%org, %error, "days will be settled later");
        }
        if started.elapsed() >= time || i + 1 == orgs.len() {
            return Ok(pos.save_settling(*org).await?);
        }
    }
    Ok(())
}

async fn settle_org(ctx: &Ctx, org: OrgId) -> Result<(), BoxError> {
    let pos = ctx.store().pos();
    let splits = pos.list_all_splits(org).await?;
    let Some(oldest) = splits.first() else { return Ok(()) };
    let Some(due) = due_days(pos.load_settled_until(org).await?, day_of(oldest.created_at), ctx.now()) else {
        return Ok(());
    };
    // Before the work: one whose sales are too many for a run does not keep the others from theirs.
    pos.save_settling(org).await?;
    for (day, gross) in sales_by_day(ctx, org, due).await? {
        for (catalog, gross) in gross {
            if let Some(settlement) = Settlement::new((org, catalog, day), gross, &splits, ctx.now()) {
                pos.create_settlement(&settlement).await?;
            }
        }
    }
    Ok(pos.save_settled_until(org, due.last).await?)
}

/// The days that are over and not settled, from the first on which there was a split; only the oldest when they are many.
fn due_days(until: Option<civil::Date>, first_split: civil::Date, now: Timestamp) -> Option<Days> {
    let first = until.and_then(|until| until.tomorrow().ok()).map_or(first_split, |next| next.max(first_split));
    let over = day_of(now - GRACE).yesterday().ok()?;
    let last = first.checked_add((DAYS_AT_ONCE - 1).days()).ok()?.min(over);
    Days::new(first, last).ok()
}

/// What each catalog sold on each day, without tax and tip: by when the sales were completed.
async fn sales_by_day(
    ctx: &Ctx,
    org: OrgId,
    days: Days,
) -> Result<BTreeMap<civil::Date, BTreeMap<CatalogId, Cents>>, BoxError> {
    let mut sales: BTreeMap<civil::Date, BTreeMap<CatalogId, Cents>> = BTreeMap::new();
    let mut add = |order: &Order| {
        if let Some(catalog) = order.catalog {
            let gross = sales.entry(completed_on(order)).or_default().entry(catalog).or_default();
            *gross = *gross + order.subtotal;
        }
    };
    let pos = ctx.store().pos();
    let on_time = |order: Order| {
        if completed_on(&order) == day_of(order.created_at) {
            add(&order);
        }
        ControlFlow::Continue(())
    };
    pos.each_sale(org, days.begin(), days.end(), &[Status::Completed], on_time).await?;
    pos.list_late_sales(org, days).await?.iter().for_each(add);
    Ok(sales)
}

fn completed_on(order: &Order) -> civil::Date {
    day_of(order.completed_at.unwrap_or(order.created_at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn a_day_is_due_some_hours_after_it_is_over() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let due = |until: Option<u8>, first: i8, now: &str| {
            let until = until.map(|day| date(2026, 3, day as i8));
            due_days(until, date(2026, 3, first), at(now)).map(|days| (days.first.day(), days.last.day()))
        };
        assert_eq!(due(None, 5, "2026-03-06T05:59:59Z"), None);
        assert_eq!(due(None, 5, "2026-03-06T06:00:00Z"), Some((5, 5)));
        assert_eq!(due(Some(5), 5, "2026-03-06T23:00:00Z"), None, "settled");
        assert_eq!(due(Some(5), 5, "2026-03-07T06:00:00Z"), Some((6, 6)));
        assert_eq!(due(Some(5), 5, "2026-03-10T05:00:00Z"), Some((6, 8)), "what was missed");
        assert_eq!(due(Some(5), 9, "2026-03-10T07:00:00Z"), Some((9, 9)), "nothing before there was a split");
        assert_eq!(due(None, 1, "2026-03-20T07:00:00Z"), Some((1, 7)), "a week at once");
        assert_eq!(due(Some(7), 1, "2026-03-20T07:00:00Z"), Some((8, 14)));
    }
}
