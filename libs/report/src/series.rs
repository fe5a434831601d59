//! A report's sales over time, as bars.

use domain::{
    money::Cents,
    pos::{analytics::Sum, report::SalesReport},
};
use jiff::{ToSpan, civil};

use crate::chart::Bar;

/// As many days as are shown one by one.
const DAILY: i32 = 45;
/// As many as are shown by weeks; more are by months.
const WEEKLY: i32 = 200;

/// By the hour of the day.
pub(crate) fn hours(report: &SalesReport) -> Vec<Bar> {
    let bar = |(hour, sum): (usize, &Sum)| Bar { label: format!("{hour:02}"), amount: sum.revenue };
    report.hours.iter().enumerate().map(bar).collect()
}

/// By day, week or month, whichever gives a readable number of bars, and what to call it.
pub(crate) fn days(report: &SalesReport) -> (&'static str, Vec<Bar>) {
    let first = report.days.first;
    let count = (report.days.last - first).get_days() + 1;
    let days = (0..count).map(|i| first.saturating_add(i.days()));
    let paid = |day| report.by_day.get(&day).map_or(Cents::ZERO, |sum| sum.revenue);
    let (title, begin): (_, fn(civil::Date, civil::Date) -> civil::Date) = match count {
        count if count <= DAILY => ("Sales by day", |_, day| day),
        count if count <= WEEKLY => {
            ("Sales by week", |first, day| day.saturating_sub(((day - first).get_days() % 7).days()))
        }
        _ => ("Sales by month", |first, day| day.first_of_month().max(first)),
    };
    let mut bars: Vec<(civil::Date, Cents)> = Vec::new();
    for day in days {
        let begin = begin(first, day);
        match bars.last_mut() {
            Some((last, amount)) if *last == begin => *amount = *amount + paid(day),
            _ => bars.push((begin, paid(day))),
        }
    }
    let format = match count {
        count if count <= 7 => "%a %-d",
        count if count <= WEEKLY => "%-d %b",
        _ => "%b %Y",
    };
    (title, bars.into_iter().map(|(day, amount)| Bar { label: day.strftime(format).to_string(), amount }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{
        money::Currency,
        pos::{days::Days, tier::Tier},
    };
    use jiff::civil::date;

    fn report(first: civil::Date, last: civil::Date) -> SalesReport {
        let mut report = SalesReport::new(Days::new(first, last).unwrap(), Currency::USD, Tier::Starter);
        for day in [first, date(2027, 2, 1), last] {
            report.by_day.insert(day, Sum { orders: 1, revenue: Cents(100) });
        }
        report
    }

    #[test]
    fn bars_are_few_and_hold_every_day() {
        for (last, title, bars, label) in [
            (date(2027, 2, 4), "Sales by day", 6, "Sat 30"),
            (date(2027, 3, 1), "Sales by day", 31, "30 Jan"),
            (date(2027, 7, 1), "Sales by week", 22, "30 Jan"),
            (date(2028, 1, 29), "Sales by month", 13, "Jan 2027"),
        ] {
            let report = report(date(2027, 1, 30), last);
            let (called, drawn) = days(&report);
            assert_eq!((called, drawn.len(), drawn[0].label.as_str()), (title, bars, label));
            assert_eq!(drawn.iter().map(|bar| bar.amount).sum::<Cents>(), Cents(300));
        }
    }
}
