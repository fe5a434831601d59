//! Invariant 4: transfers net to zero, balances are the sums of their entries, no balance is below zero that may not be, and
//! what was decided to be paid out is paid out, by nothing but its own transfers.

use std::collections::{BTreeMap, HashMap};

use domain::{
    ids::OrgId,
    ledger::{Balance, Entry, Owner, Transfer, TransferError},
    money::Cents,
    pos::{
        split::Settlement,
        tip::{Pool, PoolStatus},
    },
};
use jiff::Timestamp;

use super::{Item, Options, Report, read, text};

/// Something that was decided to be paid out.
struct Decided {
    entity: String,
    transfers: Vec<Transfer>,
    at: Timestamp,
    is_paid: bool,
    is_listed: bool,
}

/// The ledger, and what it is to pay out.
#[derive(Default)]
struct Books {
    /// By account's partition.
    entries: HashMap<String, Vec<Entry>>,
    /// By account's partition.
    balances: HashMap<String, Balance>,
    /// What each transfer did to each account.
    posted: BTreeMap<(OrgId, String), BTreeMap<Owner, Cents>>,
    decided: Vec<Decided>,
}

pub(super) fn check(items: &[Item], options: &Options, report: &mut Report) {
    let mut books = sort(items, report);
    check_transfers(&books, report);
    check_balances(&books, report);
    for decided in std::mem::take(&mut books.decided) {
        check_payout(&decided, &mut books, options, report);
    }
    for (org, transfer) in books.posted.into_keys() {
        report.violation(4, format!("ORG#{org}#LEDGER"), format!("{transfer} pays for nothing that was decided"));
    }
}

fn sort(items: &[Item], report: &mut Report) -> Books {
    let mut books = Books::default();
    for item in items {
        let partition = text(item, "pk").to_owned();
        match text(item, "entity") {
            "ledger_entry" => {
                let Some(entry) = read::<Entry>(item, report) else { continue };
                check_place(item, &format!("ENTRY#{}", entry.transfer), (entry.org, entry.owner), report);
                let transfer = books.posted.entry((entry.org, entry.transfer.clone())).or_default();
                transfer.insert(entry.owner, entry.amount);
                books.entries.entry(partition).or_default().push(entry);
            }
            "ledger_balance" => {
                let Some(balance) = read::<Balance>(item, report) else { continue };
                check_place(item, "BALANCE", (balance.org, balance.owner), report);
                books.balances.insert(partition, balance);
            }
            "tip_pool" => {
                let Some(pool) = read::<Pool>(item, report) else { continue };
                check_pool(item, &pool, report);
                let Some(at) = pool.finalized_at else { continue };
                books.decided.extend(decide(item, pool.transfers(), at, pool.paid_at.is_some(), report));
            }
            "settlement" => {
                let Some(day) = read::<Settlement>(item, report) else { continue };
                books.decided.extend(decide(item, day.transfers(), day.created_at, day.paid_at.is_some(), report));
            }
            _ => {}
        }
    }
    books
}

fn name(item: &Item) -> String {
    format!("{} {}", text(item, "pk"), text(item, "sk"))
}

/// Does it lie where its account is?
fn check_place(item: &Item, sk: &str, (org, owner): (OrgId, Owner), report: &mut Report) {
    if text(item, "pk") != format!("ORG#{org}#LEDGER#{owner}") || text(item, "sk") != sk {
        report.violation(4, name(item), format!("is of the account {owner} of {org}"));
    }
}

fn check_pool(item: &Item, pool: &Pool, report: &mut Report) {
    let mut wrong = |detail: String| report.violation(4, name(item), detail);
    let shared: Cents = pool.members.iter().map(|member| member.share).sum();
    if shared != pool.total || (pool.status == PoolStatus::Draft && !pool.total.is_zero()) {
        wrong(format!("is {}, and shares {shared} of {}", pool.status.as_str(), pool.total));
    }
    if pool.members.iter().any(|member| member.share < Cents::ZERO) {
        wrong("a share is below zero".into());
    }
    if (pool.status == PoolStatus::Finalized) != pool.finalized_at.is_some() {
        wrong(format!("is {}, finalized at {:?}", pool.status.as_str(), pool.finalized_at));
    }
}

fn decide(
    item: &Item,
    transfers: Result<Vec<Transfer>, TransferError>,
    at: Timestamp,
    is_paid: bool,
    report: &mut Report,
) -> Option<Decided> {
    let is_listed = text(item, "gsi2pk").starts_with("PAYOUTS#");
    match transfers {
        Ok(transfers) => Some(Decided { entity: name(item), transfers, at, is_paid, is_listed }),
        Err(error) => {
            report.violation(4, name(item), format!("cannot be paid out: {error}"));
            None
        }
    }
}

fn check_transfers(books: &Books, report: &mut Report) {
    for ((org, transfer), legs) in &books.posted {
        let net: Cents = legs.values().copied().sum();
        if !net.is_zero() {
            report.violation(4, format!("ORG#{org}#LEDGER"), format!("{transfer} nets to {net}"));
        }
    }
}

fn check_balances(books: &Books, report: &mut Report) {
    for (partition, entries) in &books.entries {
        let sum: Cents = entries.iter().map(|entry| entry.amount).sum();
        match books.balances.get(partition) {
            None => report.violation(4, partition, "the balance is missing"),
            Some(balance) if balance.amount != sum => {
                report.violation(4, partition, format!("the balance is {}, the entries sum to {sum}", balance.amount));
            }
            Some(_) => {}
        }
    }
    for (partition, balance) in &books.balances {
        if !books.entries.contains_key(partition) {
            report.violation(4, partition, format!("the balance is {}, without an entry", balance.amount));
        }
        if balance.amount < Cents::ZERO && !balance.owner.may_go_negative() {
            report.violation(4, partition, format!("the balance is {}, and may not be below zero", balance.amount));
        }
    }
}

fn check_payout(decided: &Decided, books: &mut Books, options: &Options, report: &mut Report) {
    let mut wrong = |detail: String| report.violation(4, &decided.entity, detail);
    let mut missing = 0;
    for transfer in &decided.transfers {
        let id = transfer.cause().to_string();
        let legs: BTreeMap<Owner, Cents> = transfer.legs().iter().map(|leg| (leg.owner, leg.amount)).collect();
        match books.posted.remove(&(transfer.org(), id.clone())) {
            None => missing += 1,
            Some(posted) if posted != legs => wrong(format!("{id} was posted otherwise than it was decided")),
            Some(_) => {}
        }
    }
    if decided.is_paid && missing > 0 {
        wrong(format!("is paid out, without {missing} of its transfers"));
    }
    if decided.is_paid && decided.is_listed {
        wrong("is paid out, and listed as unpaid".into());
    }
    if !decided.is_paid && !decided.is_listed {
        wrong("is not paid out, and not listed: no sweeper finds it".into());
    }
    if options.stuck.is_some_and(|(now, age)| !decided.is_paid && decided.at + age < now) {
        wrong(format!("was to be paid out since {}, and {missing} of its transfers are missing", decided.at));
    }
}

#[cfg(test)]
mod tests;
