//! Edits of items that several hands change at once: what was changed is written, and nothing else.

use std::collections::BTreeMap;

use crate::{item::Item, tx::Change};

/// Writes the attributes in which two versions of an item differ, on the condition that each still is as it was read;
/// nothing when there is no difference. So an edit undoes none that it has not seen, and leaves what it does not touch to
/// others: a session's version may rise meanwhile.
///
/// `defaulted` are attributes that older items lack, and that no edit removes: absent, they are what they were read as.
pub(crate) fn difference(before: Item, after: Item, defaulted: &[&str]) -> Option<Change> {
    let (before, mut after) = (BTreeMap::from_iter(before), BTreeMap::from_iter(after));
    let mut change = Change::default().when_present("pk");
    let mut differs = false;
    for (name, old) in before {
        let new = after.remove(&name);
        if new.as_ref() == Some(&old) {
            continue;
        }
        differs = true;
        change = match new {
            Some(new) => change.set(&name, new),
            None => change.remove(&name),
        };
        let same = |change: Change| change.when(&name, "=", old.clone());
        change = match defaulted.contains(&name.as_str()) {
            true => change.when_either(&[&same, &|change: Change| change.when_absent(&name)]),
            false => same(change),
        };
    }
    for (name, new) in after {
        differs = true;
        change = change.set(&name, new).when_absent(&name);
    }
    differs.then_some(change)
}
