//! Words and numbers as the e-mails show them.

use domain::member::Member;
pub(crate) use domain::words::{money, period};
use jiff::Timestamp;

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

/// `11 January 2027, 18:30 UTC`: an organization has no time zone of its own.
pub(crate) fn moment(at: Timestamp) -> String {
    at.strftime("%-d %B %Y, %H:%M UTC").to_string()
}

/// `1 order`, `2 orders`.
pub(crate) fn count(n: u32, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_line() {
        assert_eq!(line(" a\r\nBcc: b\u{0}\tc "), "a Bcc: b c");
        assert_eq!(short(&"語".repeat(100)).chars().count(), 61);
    }
}
