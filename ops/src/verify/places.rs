//! Invariant 7, as the limit of an organization's staff needs it: its figure of places is how many members have one.

use std::collections::HashMap;

use domain::member::Member;

use super::{Item, Report, read, text};

pub(super) fn check(items: &[Item], report: &mut Report) {
    let mut placed: HashMap<String, usize> = HashMap::new();
    for item in items.iter().filter(|item| text(item, "entity") == "member") {
        let Some(member) = read::<Member>(item, report).filter(store::has_place) else { continue };
        *placed.entry(format!("ORG#{}", member.org)).or_default() += 1;
    }
    // One that was never needed is not there, and is counted when it is.
    for item in items.iter().filter(|item| text(item, "entity") == "places") {
        let partition = text(item, "pk");
        let taken = item.get("taken").and_then(|taken| taken.as_n().ok()).map_or("none", String::as_str);
        let there = placed.get(partition).copied().unwrap_or_default();
        if taken != there.to_string() {
            report.violation(
                7,
                format!("{partition} STAFF"),
                format!("says {taken} places are taken, and {there} are"),
            );
        }
    }
}
