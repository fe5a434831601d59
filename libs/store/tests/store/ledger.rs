//! The ledger: each transfer once, no balance below zero that may not be, and balances that are the sum of their entries.

use std::collections::HashMap;

use domain::{
    ids::{CatalogId, PoolId, SplitId, UserId},
    ledger::{Cause, Leg, Owner, Transfer},
    money::Cents,
};
use futures_util::future::join_all;
use store::ledger::{PostError, Posted};

use crate::world::*;

fn member(n: u8) -> Owner {
    Owner::Member(UserId::from_random([n; 16]))
}

fn cause(n: u8) -> Cause {
    Cause::TipShare { pool: PoolId::from_random([n; 16]), user: UserId::from_random([1; 16]) }
}

fn pay(id: u8, from: Owner, to: Owner, amount: i64) -> Transfer {
    Transfer::pay(org(), cause(id), (from, to), Cents(amount), now()).unwrap()
}

impl World {
    async fn balance(&self, owner: Owner) -> i64 {
        self.store.load_balance(org(), owner).await.unwrap().0
    }

    /// Invariant 4, reckoned again from the entries.
    async fn check_ledger(&self) {
        let amount = |item: &Item| item["amount"].as_n().unwrap().parse::<i64>().unwrap();
        let (mut by_account, mut by_transfer) = (HashMap::<String, i64>::new(), HashMap::<String, i64>::new());
        for entry in self.all("ledger_entry").await {
            *by_account.entry(text(&entry, "pk").into()).or_default() += amount(&entry);
            *by_transfer.entry(text(&entry, "transfer").into()).or_default() += amount(&entry);
        }
        assert!(by_transfer.values().all(|net| *net == 0), "{by_transfer:?}");
        let balances = self.all("ledger_balance").await;
        let balances: HashMap<_, _> = balances.iter().map(|item| (text(item, "pk").to_owned(), amount(item))).collect();
        assert_eq!(balances, by_account);
    }
}

#[tokio::test]
async fn a_transfer_is_entries_and_balances() {
    let world = World::new().await;
    let (catalog, split) = (CatalogId::from_random([3; 16]), SplitId::from_random([4; 16]));
    let day = jiff::civil::date(2027, 1, 14);
    let cause = Cause::SplitShare { catalog, day, split };
    let way = (Owner::Sales(catalog), Owner::Recipient(split));
    let transfer = Transfer::pay(org(), cause, way, Cents(700), now()).unwrap();
    world.wire.take_calls();
    assert_eq!(world.store.post(&transfer).await.unwrap(), Posted::Now);
    assert_eq!(world.wire.take_calls(), ["TransactWriteItems"]);
    let sk = format!("ENTRY#SPLIT#{catalog}#2027-01-14#{split}");
    for (owner, amount) in [(format!("SALES#{catalog}"), -700), (format!("RECIPIENT#{split}"), 700)] {
        let pk = format!("ORG#{}#LEDGER#{owner}", org());
        let entry = world.item(&pk, &sk).await.unwrap();
        assert_keys(&entry, &[("pk", pk.clone()), ("sk", sk.clone()), ("entity", "ledger_entry".into())]);
        assert_eq!((&entry["amount"], text(&entry, "owner")), (&n(amount), owner.as_str()));
        assert_eq!(entry["at"], n(now().as_millisecond()));
        let balance = world.item(&pk, "BALANCE").await.unwrap();
        assert_keys(&balance, &[("pk", pk), ("sk", "BALANCE".into()), ("entity", "ledger_balance".into())]);
        assert_eq!(balance["amount"], n(amount));
    }
    assert_eq!(world.everything().await.len(), 4);
    world.check_ledger().await;
}

#[tokio::test]
async fn a_transfer_is_posted_once() {
    let world = World::new().await;
    let transfer = pay(1, Owner::Tips, member(1), 500);
    let answers = join_all((0..10).map(|_| world.store.post(&transfer))).await;
    let now = answers.iter().filter(|answer| matches!(answer, Ok(Posted::Now))).count();
    assert_eq!(now, 1, "{answers:?}");
    assert!(answers.iter().all(|answer| answer.is_ok()), "{answers:?}");
    assert_eq!((world.balance(Owner::Tips).await, world.balance(member(1)).await), (-500, 500));
    world.check_ledger().await;
}

#[tokio::test]
async fn one_id_is_one_transfer() {
    let world = World::new().await;
    world.store.post(&pay(1, Owner::Tips, member(1), 500)).await.unwrap();
    let other = world.store.post(&pay(1, Owner::Tips, member(1), 501)).await;
    assert!(matches!(&other, Err(PostError::Other(id)) if *id == cause(1).to_string()), "{other:?}");
    assert_eq!(world.balance(member(1)).await, 500);
    world.check_ledger().await;
}

#[tokio::test]
async fn who_is_paid_never_has_less_than_nothing() {
    let world = World::new().await;
    let refused = async |transfer: Transfer, owner: Owner| {
        let before = world.everything().await.len();
        let answer = world.store.post(&transfer).await;
        assert!(matches!(&answer, Err(PostError::Overdrawn(who)) if *who == owner), "{answer:?}");
        assert_eq!(world.everything().await.len(), before, "and nothing was written");
    };
    refused(pay(1, member(1), Owner::Tips, 1), member(1)).await;
    world.store.post(&pay(2, Owner::Tips, member(1), 100)).await.unwrap();
    refused(pay(3, member(1), member(2), 101), member(1)).await;
    world.store.post(&pay(4, member(1), member(2), 100)).await.unwrap();
    let legs = [(Owner::Tips, -300), (member(2), -101), (member(1), 401)];
    let legs = legs.map(|(owner, amount)| Leg { owner, amount: Cents(amount) }).to_vec();
    refused(Transfer::new(org(), cause(5), legs, now()).unwrap(), member(2)).await;
    assert_eq!((world.balance(member(1)).await, world.balance(member(2)).await), (0, 100));
    world.check_ledger().await;
}

#[tokio::test]
async fn transfers_at_the_same_time_all_count() {
    let world = World::new().await;
    let transfers: Vec<Transfer> = (1..=20).map(|i| pay(i, Owner::Tips, member(i % 3), 10)).collect();
    let answers = join_all(transfers.iter().map(|transfer| world.store.post(transfer))).await;
    assert!(answers.iter().all(|answer| matches!(answer, Ok(Posted::Now))), "{answers:?}");
    assert_eq!(world.balance(Owner::Tips).await, -200);
    // Ten go after the sixty or seventy that one has: no more than are there.
    let back: Vec<Transfer> = (101..=110).map(|i| pay(i, member(1), Owner::Tips, 10)).collect();
    let answers = join_all(back.iter().map(|transfer| world.store.post(transfer))).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 7);
    assert_eq!(world.balance(member(1)).await, 0);
    world.check_ledger().await;
}

#[tokio::test]
async fn a_transfer_whose_answer_was_lost_is_posted_once() {
    for (times, error) in [(1, "InternalServerError"), (5, "ThrottlingException")] {
        let world = World::new().await;
        world.wire.lose("TransactWriteItems", times, error);
        world.store.post(&pay(1, Owner::Tips, member(1), 500)).await.unwrap();
        assert_eq!(world.balance(member(1)).await, 500);
        world.check_ledger().await;
    }
}

#[tokio::test]
async fn organizations_have_ledgers_of_their_own() {
    let world = World::new().await;
    world.store.post(&pay(1, Owner::Tips, member(1), 500)).await.unwrap();
    assert_eq!(world.store.load_balance(other_org(), member(1)).await.unwrap(), Cents::ZERO);
    let elsewhere = Transfer::pay(other_org(), cause(1), (Owner::Tips, member(1)), Cents(9), now()).unwrap();
    assert_eq!(world.store.post(&elsewhere).await.unwrap(), Posted::Now, "the same id is another's");
    assert_eq!(world.balance(member(1)).await, 500);
}
