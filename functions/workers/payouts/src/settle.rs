//! Settles days that are over: decides, once for each catalog and day, what its splits get. The stream sends what was
//! decided on its way to be paid out.

use std::{collections::BTreeMap, ops::ControlFlow};

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

use crate::TIME;

/// How long after midnight a day is settled: its last payments have come in by then.
const GRACE: SignedDuration = SignedDuration::from_hours(6);

/// Days of one organization that one run settles.
const DAYS_AT_ONCE: i32 = 7;

/// Settles what is due, organization by organization, until the time is up: the next run goes on.
pub(crate) async fn settle_days(ctx: &Ctx, started: Instant) -> Result<(), BoxError> {
    for org in ctx.store().list_orgs().await? {
        if started.elapsed() > TIME {
            break;
        }
        // One organization's trouble does not keep the others waiting; the mark it did not move brings it back.
        if let Err(error) = settle_org(ctx, org.id).await {
            tracing::warn!(org = %org.id, %error, "days will be settled later");
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

/// What each catalog sold on each day, without tax and tip.
async fn sales_by_day(
    ctx: &Ctx,
    org: OrgId,
    days: Days,
) -> Result<BTreeMap<civil::Date, BTreeMap<CatalogId, Cents>>, BoxError> {
    let mut sales: BTreeMap<civil::Date, BTreeMap<CatalogId, Cents>> = BTreeMap::new();
    let add = |order: Order| {
        if let Some(catalog) = order.catalog {
            let gross = sales.entry(day_of(order.created_at)).or_default().entry(catalog).or_default();
            *gross = *gross + order.subtotal;
        }
        ControlFlow::Continue(())
    };
    ctx.store().pos().each_sale(org, days.begin(), days.end(), &[Status::Completed], add).await?;
    Ok(sales)
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
