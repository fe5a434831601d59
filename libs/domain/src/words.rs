//! Amounts and days as people read them, in e-mails and reports.

use jiff::civil;

use crate::money::{Cents, Currency};

/// An amount as it is written where it is paid: `$1,234.50`, `-$5.00`, `EUR 12.00`.
pub fn money(amount: Cents, currency: Currency) -> String {
    let (major, minor) = (number(amount.0.unsigned_abs() / 100), amount.0.unsigned_abs() % 100);
    let sign = if amount < Cents::ZERO { "-" } else { "" };
    let symbol = if currency == Currency::USD { "$".to_owned() } else { format!("{currency} ") };
    format!("{sign}{symbol}{major}.{minor:02}")
}

/// How many: `1,234`.
pub fn number(n: u64) -> String {
    let digits = n.to_string();
    let first = digits.len() % 3;
    let groups = [&digits[..first]].into_iter().filter(|group| !group.is_empty());
    let groups = groups.chain((first..digits.len()).step_by(3).map(|start| &digits[start..start + 3]));
    groups.collect::<Vec<_>>().join(",")
}

/// `11 January 2027`.
pub fn day(date: civil::Date) -> String {
    date.strftime("%-d %B %Y").to_string()
}

/// `11–17 January 2027`, `28 December 2026 – 3 January 2027`; a single day as [`day`].
pub fn period(from: civil::Date, to: civil::Date) -> String {
    if from == to {
        day(to)
    } else if (from.year(), from.month()) == (to.year(), to.month()) {
        format!("{}–{}", from.day(), day(to))
    } else if from.year() == to.year() {
        format!("{} – {}", from.strftime("%-d %B"), day(to))
    } else {
        format!("{} – {}", day(from), day(to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts() {
        let shown = |cents| money(Cents(cents), Currency::USD);
        let all = [0, 5, 3751, 99_999, 100_000, 123_456_789, -500, -100_000].map(shown);
        let expected = ["$0.00", "$0.05", "$37.51", "$999.99", "$1,000.00", "$1,234,567.89", "-$5.00", "-$1,000.00"];
        assert_eq!(all, expected);
        assert_eq!(money(Cents(120_000), "eur".parse().unwrap()), "EUR 1,200.00");
    }

    #[test]
    fn periods() {
        let period = |from: &str, to: &str| super::period(from.parse().unwrap(), to.parse().unwrap());
        assert_eq!(period("2027-01-11", "2027-01-17"), "11–17 January 2027");
        assert_eq!(period("2027-03-29", "2027-04-04"), "29 March – 4 April 2027");
        assert_eq!(period("2027-01-11", "2027-01-11"), "11 January 2027");
        assert_eq!(period("2026-12-28", "2027-01-03"), "28 December 2026 – 3 January 2027");
    }
}
