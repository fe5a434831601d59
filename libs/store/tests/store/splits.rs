//! Revenue splits: rows of their catalog; and days, settled once.

use domain::{
    ids::{CatalogId, SplitId},
    money::Cents,
    pos::split::{Percentage, RecipientType, Settlement, Split},
};
use futures_util::future::join_all;
use jiff::civil::date;
use store::{StoreError, pos::split::SplitMade};

use crate::world::*;

fn catalog() -> CatalogId {
    CatalogId::from_random([5; 16])
}

fn split(n: u8, at: i64) -> Split {
    Split {
        id: SplitId::from_random([n; 16]),
        org: org(),
        catalog: catalog(),
        version: 0,
        recipient_name: format!("Hall {n}"),
        recipient_type: RecipientType::Venue,
        percentage: Percentage::from_number(12.5).unwrap(),
        notes: None,
        is_active: true,
        created_at: later(at),
        updated_at: later(at),
    }
}

/// A catalog's partition, with neighbours of the splits on either side.
async fn with_catalog() -> World {
    let world = World::new().await;
    world
        .put(Item::from([
            ("pk".into(), s(format!("ORG#{}#CATALOGS", org()))),
            ("sk".into(), s(format!("CATALOG#{}", catalog()))),
        ]))
        .await;
    for sk in ["ENTRY#1", "LAYOUT", "SPLIS", "SPLITT"] {
        let pk = format!("ORG#{}#CATALOG#{}", org(), catalog());
        world.put(Item::from([("pk".into(), s(pk)), ("sk".into(), s(sk))])).await;
    }
    world
}

#[tokio::test]
async fn a_split_is_a_row_of_its_catalog() {
    let world = with_catalog().await;
    let pos = world.store.pos();
    for (n, at) in [(1, 10), (2, 0), (3, 5)] {
        assert_eq!(pos.create_split(&split(n, at), 100).await.unwrap(), SplitMade::Yes);
    }
    let first = split(1, 10);
    let (pk, sk) = (format!("ORG#{}#CATALOG#{}", org(), catalog()), format!("SPLIT#{}", first.id));
    let item = world.item(&pk, &sk).await.unwrap();
    assert_keys(
        &item,
        &[
            ("pk", pk),
            ("sk", sk),
            ("gsi1pk", format!("ORG#{}#SPLITS", org())),
            ("gsi1sk", format!("{}#{}", later(10).as_millisecond(), first.id)),
            ("entity", "split".into()),
        ],
    );
    let expected = [split(2, 0), split(3, 5), split(1, 10)];
    assert_eq!(pos.list_splits(org(), catalog()).await.unwrap(), expected, "oldest first");
    assert_eq!(pos.list_all_splits(org()).await.unwrap(), expected);
    assert_eq!(pos.load_split(org(), catalog(), first.id).await.unwrap(), Some(first.clone()));

    let elsewhere = CatalogId::from_random([6; 16]);
    assert!(pos.list_splits(org(), elsewhere).await.unwrap().is_empty());
    assert!(pos.list_splits(other_org(), catalog()).await.unwrap().is_empty());
    assert!(pos.list_all_splits(other_org()).await.unwrap().is_empty());
    assert_eq!(pos.load_split(other_org(), catalog(), first.id).await.unwrap(), None);
    assert!(!pos.delete_split(other_org(), catalog(), first.id).await.unwrap());
    assert!(!pos.delete_split(org(), elsewhere, first.id).await.unwrap());
}

#[tokio::test]
async fn a_split_needs_its_catalog() {
    let world = World::new().await;
    assert_eq!(world.store.pos().create_split(&split(1, 0), 100).await.unwrap(), SplitMade::NoCatalog);
    assert!(world.everything().await.is_empty());
    let world = with_catalog().await;
    let foreign = Split { org: other_org(), ..split(1, 0) };
    assert_eq!(world.store.pos().create_split(&foreign, 100).await.unwrap(), SplitMade::NoCatalog, "another's catalog");
    assert_eq!(world.store.pos().create_split(&split(1, 0), 100).await.unwrap(), SplitMade::Yes);
    assert!(matches!(world.store.pos().create_split(&split(1, 0), 100).await, Err(StoreError::Stale)), "once");
}

#[tokio::test]
async fn a_change_is_of_the_version_that_was_read() {
    let world = with_catalog().await;
    let pos = world.store.pos();
    let before = split(1, 0);
    pos.create_split(&before, 100).await.unwrap();
    let after = Split { version: 1, is_active: false, ..before.clone() };
    let answers = join_all((0..5).map(|_| pos.save_split(&before, &after))).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert_eq!(pos.load_split(org(), catalog(), before.id).await.unwrap(), Some(after.clone()));
    assert!(pos.delete_split(org(), catalog(), before.id).await.unwrap());
    assert!(!pos.delete_split(org(), catalog(), before.id).await.unwrap());
    let again = Split { version: 2, ..after.clone() };
    assert!(matches!(pos.save_split(&after, &again).await, Err(StoreError::Stale)), "a change makes no split");
    assert!(pos.list_all_splits(org()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_day_is_settled_once() {
    let world = World::new().await;
    let pos = world.store.pos();
    let (day, splits) = (date(2027, 1, 14), [split(1, -172_800), split(2, -172_800)]);
    let of = (org(), catalog(), day);
    let first = Settlement::new(of, Cents(1000), &splits, now()).unwrap();
    let second = Settlement::new(of, Cents(9000), &splits, later(60)).unwrap();
    assert!(pos.create_settlement(&first).await.unwrap());
    assert!(!pos.create_settlement(&second).await.unwrap());
    assert_eq!(pos.load_settlement(org(), catalog(), day).await.unwrap(), Some(first.clone()));
    assert_eq!(pos.load_settlement(other_org(), catalog(), day).await.unwrap(), None);
    let name = format!(r#"{{"kind":"settlement","org":"{}","catalog":"{}","day":"2027-01-14"}}"#, org(), catalog());
    let (pk, sk) = (format!("ORG#{}#SETTLEMENTS", org()), format!("2027-01-14#{}", catalog()));
    assert_keys(
        &world.item(&pk, &sk).await.unwrap(),
        &[
            ("pk", pk),
            ("sk", sk),
            ("gsi2pk", format!("PAYOUTS#{}", shard(&name))),
            ("gsi2sk", format!("{}#{name}", now().as_millisecond())),
            ("entity", "settlement".into()),
        ],
    );
    assert!(pos.mark_paid(first.payout(), later(9)).await.unwrap());
    assert!(!pos.create_settlement(&second).await.unwrap(), "paid is decided too");
}

#[tokio::test]
async fn the_settled_day_never_goes_back() {
    let world = World::new().await;
    let pos = world.store.pos();
    assert_eq!(pos.load_settled_until(org()).await.unwrap(), None);
    for (saved, expected) in [(9, 9), (14, 14), (10, 14), (14, 14)] {
        pos.save_settled_until(org(), date(2027, 1, saved)).await.unwrap();
        assert_eq!(pos.load_settled_until(org()).await.unwrap(), Some(date(2027, 1, expected)));
    }
    let keys = [("pk", format!("ORG#{}", org())), ("sk", "SETTLED".into()), ("entity", "settled".into())];
    assert_keys(&world.item(&format!("ORG#{}", org()), "SETTLED").await.unwrap(), &keys);
    assert_eq!(pos.load_settled_until(other_org()).await.unwrap(), None);
}

/// The limit holds however many are made at the same moment.
#[tokio::test]
async fn a_catalog_has_so_many_splits_and_no_more() {
    let world = with_catalog().await;
    let pos = world.store.pos();
    for n in 1..=3 {
        assert_eq!(pos.create_split(&split(n, 0), 5).await.unwrap(), SplitMade::Yes);
    }
    let raced = (4..12).map(|n| async move { pos.create_split(&split(n, 0), 5).await.unwrap() });
    let made = join_all(raced).await.into_iter().filter(|made| *made == SplitMade::Yes).count();
    assert_eq!((made, pos.list_splits(org(), catalog()).await.unwrap().len()), (2, 5));
    assert_eq!(pos.create_split(&split(20, 0), 5).await.unwrap(), SplitMade::TooMany);
    assert!(pos.delete_split(org(), catalog(), split(1, 0).id).await.unwrap());
    assert_eq!(pos.create_split(&split(20, 0), 5).await.unwrap(), SplitMade::Yes, "there is room again");
}

#[tokio::test]
async fn whose_turn_it_is_is_remembered() {
    let world = World::new().await;
    assert_eq!(world.store.pos().load_settling().await.unwrap(), None);
    for n in [1, 2] {
        let org = domain::ids::OrgId::from_random([n; 16]);
        world.store.pos().save_settling(org).await.unwrap();
        assert_eq!(world.store.pos().load_settling().await.unwrap(), Some(org));
    }
}
