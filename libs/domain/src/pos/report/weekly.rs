//! The weekly report: what was sold at the counter from a Monday to the Sunday after it.

use jiff::{SignedDuration, Timestamp, ToSpan, civil};
use serde::{Deserialize, Serialize};

use super::sales::{ProductSales, SalesReport};
use crate::{
    ids::OrgId,
    money::{Cents, Currency},
    pos::days::{Days, day_of},
    time::millis,
};

/// Products that the e-mail names at most; the drawn report has them all.
pub const TOP_PRODUCTS: usize = 10;

/// How long after its last midnight a week is reported: its last payments have come in by then.
const GRACE: SignedDuration = SignedDuration::from_hours(6);

/// The Monday of the last week that is over, and may be reported.
pub fn last_due_week(now: Timestamp) -> civil::Date {
    let day = day_of(now - GRACE);
    let monday = day.saturating_sub(i64::from(day.weekday().to_monday_zero_offset()).days());
    monday.saturating_sub(7.days())
}

/// The days of the week that begins with this Monday.
pub fn week_days(week: civil::Date) -> Days {
    Days { first: week, last: week.saturating_add(6.days()) }
}

/// Totals of a week's sales, as the e-mail names them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeeklyFigures {
    /// The Monday it begins with.
    pub week: civil::Date,
    /// Currency of all amounts.
    pub currency: Currency,
    /// What was paid, tax and tips included.
    pub gross: Cents,
    /// Tax in it.
    pub tax: Cents,
    /// Tips in it.
    pub tips: Cents,
    /// What its payments are thought to have cost: Stripe's share and ours (contract §19).
    pub fees: Cents,
    /// What was given back of it.
    pub refunds: Cents,
    /// Orders.
    pub orders: u32,
    /// Those that brought most, most first; [`TOP_PRODUCTS`] at most.
    pub top_products: Vec<ProductSales>,
    /// Orders by the hour of the day (UTC) in which they were made.
    pub by_hour: [u32; 24],
}

impl WeeklyFigures {
    /// A week in which nothing was sold.
    pub fn empty(week: civil::Date, currency: Currency) -> Self {
        WeeklyFigures {
            week,
            currency,
            gross: Cents::ZERO,
            tax: Cents::ZERO,
            tips: Cents::ZERO,
            fees: Cents::ZERO,
            refunds: Cents::ZERO,
            orders: 0,
            top_products: vec![],
            by_hour: [0; 24],
        }
    }

    /// Its Sunday.
    pub fn last_day(&self) -> civil::Date {
        week_days(self.week).last
    }

    /// What an order brought on average, rounded half up; nothing when there was none.
    pub fn average(&self) -> Cents {
        match i64::from(self.orders) {
            0 => Cents::ZERO,
            orders => Cents((2 * self.gross.0 + orders).div_euclid(2 * orders)),
        }
    }

    /// What is left of the gross after refunds and fees.
    pub fn net(&self) -> Cents {
        self.gross - self.refunds - self.fees
    }

    /// The hour with most orders, the earliest of several, and how many; none without orders.
    pub fn busiest_hour(&self) -> Option<(usize, u32)> {
        let hours = self.by_hour.iter().copied().enumerate().filter(|(_, orders)| *orders > 0);
        hours.max_by_key(|(hour, orders)| (*orders, std::cmp::Reverse(*hour)))
    }
}

impl From<&SalesReport> for WeeklyFigures {
    /// The report of a week, in short.
    fn from(report: &SalesReport) -> Self {
        let orders = |orders: i64| u32::try_from(orders).unwrap_or(u32::MAX);
        WeeklyFigures {
            week: report.days.first,
            currency: report.currency,
            gross: report.total.revenue,
            tax: report.tax,
            tips: report.tips,
            fees: report.fees(),
            refunds: report.refunds,
            orders: orders(report.total.orders),
            top_products: report.products(TOP_PRODUCTS).0,
            by_hour: report.hours.map(|hour| orders(hour.orders)),
        }
    }
}

/// A report that is ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeeklyReport {
    /// Whose.
    pub org: OrgId,
    /// What it says.
    pub figures: WeeklyFigures,
    /// Key of the PDF in the bucket, `reports/…`; absent when none was drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pdf: Option<String>,
    /// When it was drawn.
    #[serde(with = "millis")]
    pub created_at: Timestamp,
}

impl WeeklyReport {
    /// Key of the file that a week's report is drawn into, the same however often it is.
    pub fn file_key(org: OrgId, week: civil::Date) -> String {
        format!("reports/{org}/week-{week}.pdf")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(gross: i64, orders: u32) -> WeeklyFigures {
        let week = civil::date(2026, 12, 28);
        WeeklyFigures { gross: Cents(gross), orders, ..WeeklyFigures::empty(week, Currency::USD) }
    }

    #[test]
    fn a_week_ends_on_a_sunday_also_in_another_year() {
        let sunday = figures(0, 0).last_day();
        assert_eq!((sunday, sunday.weekday()), (civil::date(2027, 1, 3), civil::Weekday::Sunday));
    }

    #[test]
    fn a_week_is_due_some_hours_after_it_is_over() {
        let due = |now: &str| last_due_week(now.parse().unwrap()).to_string();
        assert_eq!(due("2026-12-28T05:59:59Z"), "2026-12-14");
        assert_eq!(due("2026-12-28T06:00:00Z"), "2026-12-21");
        assert_eq!(due("2027-01-03T23:59:59Z"), "2026-12-21");
        assert_eq!(due("2027-01-04T06:00:00Z"), "2026-12-28");
    }

    #[test]
    fn an_average_is_rounded_half_up() {
        let averages =
            [(0, 0), (1000, 3), (1001, 2), (1000, 4)].map(|(gross, orders)| figures(gross, orders).average());
        assert_eq!(averages, [0, 333, 501, 250].map(Cents));
    }

    #[test]
    fn the_net_is_what_is_kept() {
        let figures = WeeklyFigures { refunds: Cents(250), fees: Cents(11), ..figures(3751, 1) };
        assert_eq!(figures.net(), Cents(3490));
    }

    #[test]
    fn the_earliest_of_the_busiest_hours() {
        let mut figures = figures(0, 0);
        assert_eq!(figures.busiest_hour(), None);
        (figures.by_hour[9], figures.by_hour[18], figures.by_hour[22]) = (3, 7, 7);
        assert_eq!(figures.busiest_hour(), Some((18, 7)));
    }
}
