//! Books that are right, and every way to make them wrong.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    ids::{CatalogId, PoolId, SplitId, UserId},
    pos::{
        days::Days,
        split::{Percentage, SplitShare},
        tip::Hours,
    },
};
use jiff::{SignedDuration, civil::date};
use serde::Serialize;

use super::*;
use crate::verify::check as check_all;

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn org() -> OrgId {
    OrgId::from_random([7; 16])
}

fn user(n: u8) -> UserId {
    UserId::from_random([n; 16])
}

fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

fn n(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn item(entity: &str, pk: String, sk: String, value: &impl Serialize) -> Item {
    let mut item: Item = serde_dynamo::to_item(value).unwrap();
    item.extend([("pk".into(), s(pk)), ("sk".into(), s(sk)), ("entity".into(), s(entity))]);
    item
}

fn pool(id: u8, finalized: bool, paid: bool) -> Pool {
    let days = Days::new(date(2027, 1, 1), date(2027, 1, 7)).unwrap();
    let pool = Pool::new(PoolId::from_random([id; 16]), org(), "Week".into(), days, user(9), now());
    let hours = |number: f64| Hours::from_number(number).unwrap();
    let pool = pool.save_members(&[(user(1), hours(3.0)), (user(2), hours(1.0))], now()).unwrap();
    let pool = pool.calculate(Cents(1000), &HashMap::new(), now()).unwrap();
    let pool = if finalized { pool.finalize(now()).unwrap().unwrap() } else { pool };
    Pool { paid_at: paid.then(now), ..pool }
}

fn settlement() -> Settlement {
    let share = |n: u8, amount: i64| SplitShare {
        split: SplitId::from_random([n; 16]),
        percentage: Percentage::default(),
        amount: Cents(amount),
    };
    Settlement {
        org: org(),
        catalog: CatalogId::from_random([5; 16]),
        day: date(2027, 1, 14),
        gross: Cents(1000),
        shares: vec![share(1, 600), share(2, 550)],
        created_at: now(),
        paid_at: Some(now()),
    }
}

fn pool_item(pool: &Pool) -> Item {
    let mut item = item("tip_pool", format!("ORG#{}#POOLS", org()), format!("POOL#{}", pool.id), pool);
    if pool.finalized_at.is_some() && pool.paid_at.is_none() {
        item.insert("gsi2pk".into(), s("PAYOUTS#3"));
    }
    item
}

fn post(items: &mut Vec<Item>, transfers: &[Transfer]) {
    let mut balances: HashMap<Owner, Cents> = HashMap::new();
    for entry in transfers.iter().flat_map(Transfer::entries) {
        let sum = balances.entry(entry.owner).or_default();
        *sum = *sum + entry.amount;
        let account = format!("ORG#{}#LEDGER#{}", org(), entry.owner);
        items.push(item("ledger_entry", account, format!("ENTRY#{}", entry.transfer), &entry));
    }
    for (owner, amount) in balances {
        let balance = Balance { org: org(), owner, amount };
        items.push(item("ledger_balance", format!("ORG#{}#LEDGER#{owner}", org()), "BALANCE".into(), &balance));
    }
}

/// A pool that is paid, one of which the first of two shares is, one that is not final, and a settled day.
fn right() -> Vec<Item> {
    let (paid, halfway, settlement) = (pool(1, true, true), pool(2, true, false), settlement());
    let mut items = vec![pool_item(&paid), pool_item(&halfway), pool_item(&pool(3, false, false))];
    let (pk, sk) = (format!("ORG#{}#SETTLEMENTS", org()), format!("2027-01-14#{}", settlement.catalog));
    items.push(item("settlement", pk, sk, &settlement));
    let mut transfers = paid.transfers().unwrap();
    transfers.extend(halfway.transfers().unwrap().into_iter().take(1));
    transfers.extend(settlement.transfers().unwrap());
    post(&mut items, &transfers);
    items
}

fn options(after: i64) -> Options {
    Options { stuck: Some((now() + SignedDuration::from_mins(after), SignedDuration::from_mins(10))), keys: None }
}

#[test]
fn what_is_right_is_left_alone() {
    assert_eq!(check_all(&right(), &Options::default()).violations, []);
    assert_eq!(check_all(&right(), &options(10)).violations, [], "within the grace");
}

/// Plants one thing, and expects to be told of it in these words.
#[track_caller]
fn planted(words: &str, plant: impl FnOnce(&mut Vec<Item>)) {
    let mut items = right();
    plant(&mut items);
    let violations = check_all(&items, &Options::default()).violations;
    let told = violations.iter().any(|v| v.invariant == 4 && v.detail.contains(words));
    assert!(told, "{words}: {violations:#?}");
}

/// The item of an entity, of whose names one ends so.
fn find<'a>(items: &'a mut [Item], entity: &str, end: &str) -> &'a mut Item {
    let is = |item: &&mut Item| {
        text(item, "entity") == entity && (text(item, "pk").ends_with(end) || text(item, "sk").ends_with(end))
    };
    items.iter_mut().find(is).unwrap()
}

fn member(n: u8) -> String {
    format!("MEMBER#{}", user(n))
}

#[test]
fn transfers_that_do_not_net_to_zero() {
    planted("nets to 0.01", |items| {
        let entry = find(items, "ledger_entry", &member(2));
        entry.insert("amount".into(), n(251));
    });
    planted("nets to -2.50", |items| {
        items.retain(|item| text(item, "entity") != "ledger_entry" || !text(item, "pk").ends_with(&member(2)));
    });
}

#[test]
fn balances_that_are_not_their_entries() {
    planted("the balance is 15.01, the entries sum to 15.00", |items| {
        find(items, "ledger_balance", &member(1)).insert("amount".into(), n(1501));
    });
    planted("the balance is missing", |items| {
        items.retain(|item| text(item, "entity") != "ledger_balance" || !text(item, "pk").ends_with("TIPS"));
    });
    planted("without an entry", |items| {
        let mut balance = find(items, "ledger_balance", &member(1)).clone();
        balance.insert("pk".into(), s(format!("ORG#{}#LEDGER#{}", org(), member(8))));
        balance.insert("owner".into(), s(member(8)));
        items.push(balance);
    });
    planted("may not be below zero", |items| {
        find(items, "ledger_balance", &member(1)).insert("amount".into(), n(-1));
    });
    for entity in ["ledger_balance", "ledger_entry"] {
        planted("is of the account MEMBER", |items| {
            let pk = format!("ORG#{}#LEDGER#{}", OrgId::from_random([8; 16]), member(1));
            find(items, entity, &member(1)).insert("pk".into(), s(pk));
        });
    }
}

#[test]
fn payouts_that_are_not_what_was_decided() {
    let paid = pool(1, true, true);
    let first = paid.transfers().unwrap()[0].cause().to_string();
    planted("is paid out, without 2 of its transfers", |items| {
        items.retain(|item| !text(item, "transfer").starts_with(&format!("POOL#{}", paid.id)));
    });
    planted("is paid out, without 1 of its transfers", |items| {
        items.retain(|item| text(item, "transfer") != settlement().transfers().unwrap()[1].cause().to_string());
    });
    planted("was posted otherwise", |items| {
        for item in items.iter_mut().filter(|item| text(item, "transfer") == first) {
            let amount: i64 = item["amount"].as_n().unwrap().parse().unwrap();
            item.insert("amount".into(), n(amount * 2));
        }
    });
    planted("pays for nothing that was decided", |items| {
        post(items, &Pool { id: PoolId::from_random([4; 16]), ..pool(1, true, true) }.transfers().unwrap());
    });
    planted("pays for nothing that was decided", |items| {
        post(items, &Pool { finalized_at: Some(now()), ..pool(3, false, false) }.transfers().unwrap());
    });
    planted("listed as unpaid", |items| {
        find(items, "tip_pool", &paid.id.to_string()).insert("gsi2pk".into(), s("PAYOUTS#1"));
    });
    planted("no sweeper finds it", |items| {
        find(items, "tip_pool", &pool(2, true, false).id.to_string()).remove("gsi2pk");
    });
}

#[test]
fn what_is_not_paid_out_in_time() {
    let violations = check_all(&right(), &options(11)).violations;
    assert_eq!(violations.len(), 1, "{violations:#?}");
    assert!(violations[0].entity.ends_with(&pool(2, true, false).id.to_string()));
    assert!(violations[0].detail.contains("1 of its transfers are missing"), "{}", violations[0]);
    let mut items = right();
    find(&mut items, "settlement", "").extend([("gsi2pk".to_owned(), s("PAYOUTS#1"))]);
    find(&mut items, "settlement", "").remove("paid_at");
    assert_eq!(check_all(&items, &options(11)).violations.len(), 2, "not noted as paid");
}

#[test]
fn pools_that_do_not_add_up() {
    let calculated = pool(3, false, false).id.to_string();
    planted("is calculated, and shares 10.00 of 9.99", |items| {
        find(items, "tip_pool", &calculated).insert("total".into(), n(999));
    });
    planted("is draft, and shares", |items| {
        find(items, "tip_pool", &calculated).insert("status".into(), s("draft"));
    });
    planted("is finalized, finalized at None", |items| {
        find(items, "tip_pool", &calculated).insert("status".into(), s("finalized"));
    });
    planted("a share is below zero", |items| {
        let mut wrong = pool(3, false, false);
        (wrong.members[0].share, wrong.members[1].share) = (Cents(1001), Cents(-1));
        *find(items, "tip_pool", &calculated) = pool_item(&wrong);
    });
    planted("cannot be paid out", |items| {
        let mut twice = settlement();
        twice.shares[0].amount = Cents::ZERO;
        let old = find(items, "settlement", "");
        old.extend(serde_dynamo::to_item::<_, Item>(&twice).unwrap());
    });
}
