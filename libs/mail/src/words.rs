//! Words and numbers as the e-mails show them.

use domain::{
    member::Member,
    money::{Cents, Currency},
};
use jiff::{Timestamp, civil};

/// Longest name that is shown whole.
const LINE_LENGTH: usize = 200;

/// Longest name in a subject that names others too.
const SUBJECT_LENGTH: usize = 60;

/// A text from outside as one line: no breaks, which would add headers to a subject, and no other control characters.
pub(crate) fn line(text: &str) -> String {
    cut(text, LINE_LENGTH)
}

/// The same, as short as a subject wants it.
pub(crate) fn short(text: &str) -> String {
    cut(text, SUBJECT_LENGTH)
}

fn cut(text: &str, length: usize) -> String {
    let spaced: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(length) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}

/// What somebody is called to their face; empty when their name is not known.
pub(crate) fn first_name(member: &Member) -> String {
    line(member.first_name.as_deref().unwrap_or(&member.name))
}

/// An amount as it is written where it is paid: `$1,234.50`, `-$5.00`, `EUR 12.00`.
pub(crate) fn money(amount: Cents, currency: Currency) -> String {
    let digits = (amount.0.unsigned_abs() / 100).to_string();
    let first = digits.len() % 3;
    let groups = [&digits[..first]].into_iter().filter(|group| !group.is_empty());
    let groups = groups.chain((first..digits.len()).step_by(3).map(|start| &digits[start..start + 3]));
    let major = groups.collect::<Vec<_>>().join(",");
    let sign = if amount < Cents::ZERO { "-" } else { "" };
    let symbol = if currency == Currency::USD { "$".to_owned() } else { format!("{currency} ") };
    format!("{sign}{symbol}{major}.{:02}", amount.0.unsigned_abs() % 100)
}

/// `11 January 2027`.
pub(crate) fn day(date: civil::Date) -> String {
    date.strftime("%-d %B %Y").to_string()
}

/// `11 January 2027, 18:30 UTC`: an organization has no time zone of its own.
pub(crate) fn moment(at: Timestamp) -> String {
    at.strftime("%-d %B %Y, %H:%M UTC").to_string()
}

/// `11–17 January 2027`, `28 December 2026 – 3 January 2027`.
pub(crate) fn period(from: civil::Date, to: civil::Date) -> String {
    if (from.year(), from.month()) == (to.year(), to.month()) {
        format!("{}–{}", from.day(), day(to))
    } else if from.year() == to.year() {
        format!("{} – {}", from.strftime("%-d %B"), day(to))
    } else {
        format!("{} – {}", day(from), day(to))
    }
}

/// `1 order`, `2 orders`.
pub(crate) fn count(n: u32, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
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
        assert_eq!(period("2026-12-28", "2027-01-03"), "28 December 2026 – 3 January 2027");
    }

    #[test]
    fn names_are_one_line() {
        assert_eq!(line(" a\r\nBcc: b\u{0}\tc "), "a Bcc: b c");
        assert_eq!(short(&"語".repeat(100)).chars().count(), 61);
    }
}
