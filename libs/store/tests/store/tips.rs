//! Tip pools and what is to be paid out: versions, the index of the unpaid, and once paid for ever.

use std::collections::HashMap;

use domain::{
    ids::{CatalogId, PoolId, SplitId, UserId},
    money::Cents,
    pos::{
        days::Days,
        payout::Payout,
        split::{Percentage, Settlement, SplitShare},
        tip::{Hours, Pool},
    },
};
use futures_util::future::join_all;
use jiff::civil::date;
use store::StoreError;

use crate::world::*;

fn user(n: u8) -> UserId {
    UserId::from_random([n; 16])
}

fn pool_at(n: u8, at: i64) -> Pool {
    let days = Days::new(date(2027, 1, 1), date(2027, 1, 7)).unwrap();
    Pool::new(PoolId::from_random([n; 16]), org(), format!("Week {n}"), days, user(9), later(at))
}

fn calculated(pool: &Pool) -> Pool {
    let hours = [(user(1), Hours::from_number(7.5).unwrap()), (user(2), Hours::from_number(2.5).unwrap())];
    let pool = pool.save_members(&hours, later(1)).unwrap();
    pool.calculate(Cents(1000), &HashMap::from([(user(1), Cents(600))]), later(2)).unwrap()
}

fn finalized(pool: &Pool) -> Pool {
    calculated(pool).finalize(later(3)).unwrap().unwrap()
}

async fn finalize(world: &World, n: u8) -> Pool {
    let pool = pool_at(n, 0);
    world.store.pos().create_pool(&pool).await.unwrap();
    let done = finalized(&pool);
    world.store.pos().save_pool(&pool, &done).await.unwrap();
    done
}

fn settlement() -> Settlement {
    Settlement {
        org: org(),
        catalog: CatalogId::from_random([5; 16]),
        day: date(2027, 1, 14),
        gross: Cents(1000),
        shares: vec![SplitShare {
            split: SplitId::from_random([6; 16]),
            percentage: Percentage::from_number(60.0).unwrap(),
            amount: Cents(600),
        }],
        created_at: now(),
        paid_at: None,
    }
}

#[tokio::test]
async fn a_pool_is_one_item_under_its_organization() {
    let world = World::new().await;
    let pos = world.store.pos();
    let pool = pool_at(1, 0);
    pos.create_pool(&pool).await.unwrap();
    assert!(matches!(pos.create_pool(&pool).await, Err(StoreError::Stale)), "once");
    let (pk, sk) = (format!("ORG#{}#POOLS", org()), format!("POOL#{}", pool.id));
    let keys = [("pk", pk.clone()), ("sk", sk.clone()), ("entity", "tip_pool".into())];
    assert_keys(&world.item(&pk, &sk).await.unwrap(), &keys);
    let shared = calculated(&pool);
    pos.save_pool(&pool, &shared).await.unwrap();
    assert_keys(&world.item(&pk, &sk).await.unwrap(), &keys);
    assert_eq!(pos.load_pool(org(), pool.id).await.unwrap(), Some(shared));
    assert_eq!(pos.load_pool(other_org(), pool.id).await.unwrap(), None);
    assert!(pos.list_pools(other_org()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_step_is_taken_on_the_version_that_was_read() {
    let world = World::new().await;
    let pos = world.store.pos();
    let pool = pool_at(1, 0);
    pos.create_pool(&pool).await.unwrap();
    let renamed: Vec<Pool> = (0..10).map(|i| pool.edit(|pool| pool.name = i.to_string(), now()).unwrap()).collect();
    let answers = join_all(renamed.iter().map(|after| pos.save_pool(&pool, after))).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert!(answers.iter().all(|answer| matches!(answer, Ok(()) | Err(StoreError::Stale))));
    assert!(matches!(pos.delete_pool(&pool).await, Err(StoreError::Stale)), "it has changed");
    let current = pos.load_pool(org(), pool.id).await.unwrap().unwrap();
    pos.delete_pool(&current).await.unwrap();
    assert!(world.everything().await.is_empty());
    assert!(
        matches!(pos.save_pool(&current, &calculated(&current)).await, Err(StoreError::Stale)),
        "and is not made anew"
    );
}

#[tokio::test]
async fn only_a_draft_is_deleted() {
    let world = World::new().await;
    let pos = world.store.pos();
    let pool = pool_at(1, 0);
    pos.create_pool(&pool).await.unwrap();
    let shared = calculated(&pool);
    pos.save_pool(&pool, &shared).await.unwrap();
    assert!(matches!(pos.delete_pool(&shared).await, Err(StoreError::Stale)));
    assert!(pos.load_pool(org(), pool.id).await.unwrap().is_some());
}

#[tokio::test]
async fn pools_are_listed_newest_first() {
    let world = World::new().await;
    let pos = world.store.pos();
    for (n, at) in [(1, 20), (2, 0), (3, 10)] {
        pos.create_pool(&pool_at(n, at)).await.unwrap();
    }
    let names: Vec<_> = pos.list_pools(org()).await.unwrap().into_iter().map(|pool| pool.name).collect();
    assert_eq!(names, ["Week 1", "Week 3", "Week 2"]);
}

#[tokio::test]
async fn what_is_final_is_listed_until_it_is_paid() {
    let world = World::new().await;
    let pos = world.store.pos();
    let pool = finalize(&world, 1).await;
    let settlement = settlement();
    assert!(pos.create_settlement(&settlement).await.unwrap());
    pos.create_pool(&pool_at(2, 0)).await.unwrap();

    let name = format!(r#"{{"kind":"pool","org":"{}","pool":"{}"}}"#, org(), pool.id);
    let (pk, sk) = (format!("ORG#{}#POOLS", org()), format!("POOL#{}", pool.id));
    let listed = [
        ("pk", pk.clone()),
        ("sk", sk.clone()),
        ("gsi2pk", format!("PAYOUTS#{}", shard(&name))),
        ("gsi2sk", format!("{}#{name}", later(3).as_millisecond())),
        ("entity", "tip_pool".into()),
    ];
    assert_keys(&world.item(&pk, &sk).await.unwrap(), &listed);
    assert_eq!(pos.list_unpaid(later(60), 10).await.unwrap(), [settlement.payout(), pool.payout()], "oldest first");
    assert_eq!(pos.list_unpaid(later(60), 1).await.unwrap(), [settlement.payout()]);
    assert_eq!(pos.list_unpaid(later(3), 10).await.unwrap(), [settlement.payout()], "the other is too young");

    let transfers = pos.load_payout(pool.payout()).await.unwrap().unwrap();
    assert_eq!(transfers.iter().map(|transfer| transfer.legs()[1].amount.0).collect::<Vec<_>>(), [750, 250]);
    assert_eq!(pos.load_payout(settlement.payout()).await.unwrap().unwrap().len(), 1);

    for payout in [pool.payout(), settlement.payout()] {
        assert!(pos.mark_paid(payout, later(90)).await.unwrap());
        assert!(!pos.mark_paid(payout, later(91)).await.unwrap(), "once");
        assert_eq!(pos.load_payout(payout).await.unwrap(), None, "nothing left to pay");
    }
    assert!(pos.list_unpaid(later(600), 10).await.unwrap().is_empty());
    assert_keys(
        &world.item(&pk, &sk).await.unwrap(),
        &listed.map(|(key, value)| (key, if key.starts_with("gsi2") { String::new() } else { value })),
    );
    let paid = pos.load_pool(org(), pool.id).await.unwrap().unwrap();
    assert_eq!(paid, Pool { paid_at: Some(later(90)), ..pool });
}

#[tokio::test]
async fn what_is_not_final_is_not_paid() {
    let world = World::new().await;
    let pos = world.store.pos();
    let pool = pool_at(1, 0);
    let unknown = Payout::Settlement { org: org(), catalog: CatalogId::from_random([5; 16]), day: date(2027, 1, 1) };
    for payout in [pool.payout(), unknown] {
        assert_eq!(pos.load_payout(payout).await.unwrap(), None);
        assert!(!pos.mark_paid(payout, now()).await.unwrap());
    }
    assert!(world.everything().await.is_empty(), "a mark makes no pool");
    pos.create_pool(&pool).await.unwrap();
    let shared = calculated(&pool);
    pos.save_pool(&pool, &shared).await.unwrap();
    assert_eq!(pos.load_payout(pool.payout()).await.unwrap(), None);
    assert!(!pos.mark_paid(pool.payout(), now()).await.unwrap());
    assert_eq!(pos.load_pool(org(), pool.id).await.unwrap(), Some(shared));
}

#[tokio::test]
async fn a_name_that_cannot_be_read_keeps_nobody_waiting() {
    let world = World::new().await;
    let pool = finalize(&world, 1).await;
    let mut broken = world.item(&format!("ORG#{}#POOLS", org()), &format!("POOL#{}", pool.id)).await.unwrap();
    broken.insert("sk".into(), s("POOL#broken"));
    broken.insert("gsi2sk".into(), s("0000000000000#{\"kind\":\"no\"}"));
    world.put(broken).await;
    assert_eq!(world.store.pos().list_unpaid(later(60), 10).await.unwrap(), [pool.payout()]);
}
