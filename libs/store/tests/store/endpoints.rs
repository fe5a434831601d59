//! Endpoints of an organization and their delivery log: one item under a version, one delivery per event and endpoint.

use std::collections::BTreeSet;

use domain::{
    ids::EndpointId,
    pos::{
        delivery::{Delivery, LEASE, MEMORY, Outcome, Try},
        endpoint::{Edit, Endpoint, EndpointError, Endpoints, MAX_ENDPOINTS, Notice},
        event::{Event, EventKind},
    },
};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use store::{StoreError, pos::endpoint::Claimed};
use uuid::Uuid;

use crate::world::*;

fn id(n: u8) -> EndpointId {
    EndpointId::from_random([n; 16])
}

fn endpoint(n: u8) -> Endpoint {
    let events = BTreeSet::from([EventKind::Completed, EventKind::Deleted]);
    Endpoint::new(id(n), format!("https://example.com/{n}"), events, "k1", now())
}

fn notice(endpoint: u8, event: u128, second: i64) -> Notice {
    Notice { org: org(), endpoint: id(endpoint), event: Event::ping(org(), Uuid::from_u128(event), later(second)) }
}

fn tried(status: Option<u16>, at: Timestamp) -> Try {
    Try { at, status, error: status.is_none().then(|| "timed out connecting".into()), duration: 12 }
}

async fn take(world: &World, notice: &Notice, at: Timestamp) -> Delivery {
    match world.store.pos().claim_delivery(notice, at).await.unwrap() {
        Claimed::Taken(row) => row,
        other => panic!("{other:?}"),
    }
}

/// Adds an endpoint as the handler does: read, decide, write, and again when somebody was faster.
async fn add(world: &World, n: u8) -> Result<(), EndpointError> {
    loop {
        let before = world.store.pos().load_endpoints(org()).await.unwrap();
        let after = before.add(endpoint(n))?;
        match world.store.pos().save_endpoints(&before, &after).await {
            Err(StoreError::Stale) => {}
            done => {
                done.unwrap();
                return Ok(());
            }
        }
    }
}

#[tokio::test]
async fn an_organizations_endpoints_are_one_item() {
    let world = World::new().await;
    let pos = world.store.pos();
    let none = pos.load_endpoints(org()).await.unwrap();
    assert_eq!(none, Endpoints::none(org()));
    let one = none.add(endpoint(1)).unwrap();
    pos.save_endpoints(&none, &one).await.unwrap();
    let two = one.add(endpoint(2)).unwrap().rotate(id(2), "k2", later(5)).unwrap();
    pos.save_endpoints(&one, &two).await.unwrap();
    let pk = format!("ORG#{}", org());
    let item = world.item(&pk, "ENDPOINTS").await.unwrap();
    assert_keys(&item, &[("pk", pk), ("sk", "ENDPOINTS".into()), ("entity", "endpoints".into())]);
    assert_eq!(pos.load_endpoints(org()).await.unwrap(), two);
    assert!(!format!("{item:?}").contains("whsec_"), "no secret is stored");

    world.wire.take_calls();
    let found = pos.load_endpoints_of([other_org(), org()].into_iter()).await.unwrap();
    assert_eq!(found, [two], "who never had any is left out");
    assert_eq!(world.wire.take_calls(), ["BatchGetItem"]);
    assert_eq!(pos.load_endpoints(other_org()).await.unwrap(), Endpoints::none(other_org()));
}

#[tokio::test]
async fn an_edit_is_written_over_the_version_it_was_decided_on() {
    let world = World::new().await;
    let pos = world.store.pos();
    let none = Endpoints::none(org());
    let first = none.add(endpoint(1)).unwrap();
    pos.save_endpoints(&none, &first).await.unwrap();
    assert!(matches!(pos.save_endpoints(&none, &none.add(endpoint(2)).unwrap()).await, Err(StoreError::Stale)));
    let edit = Edit { enabled: Some(false), ..Edit::default() };
    let off = first.edit(id(1), edit, later(1)).unwrap();
    pos.save_endpoints(&first, &off).await.unwrap();
    let rotated = first.rotate(id(1), "k1", later(2)).unwrap();
    assert!(matches!(pos.save_endpoints(&first, &rotated).await, Err(StoreError::Stale)));
    assert_eq!(pos.load_endpoints(org()).await.unwrap(), off);
    let empty = off.remove(id(1)).unwrap();
    pos.save_endpoints(&off, &empty).await.unwrap();
    // An empty list keeps its version: what was read of before is stale for ever.
    assert!(matches!(pos.save_endpoints(&none, &first).await, Err(StoreError::Stale)));
}

#[tokio::test]
async fn ten_endpoints_however_many_are_added_at_once() {
    let world = World::new().await;
    let added = join_all((1..=16).map(|n| add(&world, n))).await;
    assert_eq!(added.iter().filter(|added| added.is_ok()).count(), MAX_ENDPOINTS);
    let all = world.store.pos().load_endpoints(org()).await.unwrap();
    assert_eq!(all.endpoints.iter().map(|one| one.id).collect::<BTreeSet<_>>().len(), MAX_ENDPOINTS);
}

#[tokio::test]
async fn a_delivery_is_a_row_of_its_endpoints_log() {
    let world = World::new().await;
    let pos = world.store.pos();
    let notice = notice(1, 7, 3);
    let row = take(&world, &notice, later(4)).await;
    assert_eq!(row, Delivery::new(&notice, row.claim.clone()));
    let pk = format!("ORG#{}#ENDPOINT#{}", org(), id(1));
    let sk = format!("{:013}#{}", later(3).as_millisecond(), notice.event.id);
    let keys = [("pk", pk.clone()), ("sk", sk.clone()), ("entity", "delivery".into())];
    let item = world.item(&pk, &sk).await.unwrap();
    assert_keys(&item, &keys);
    assert_eq!(item["ttl"].as_n().unwrap(), &(later(4) + MEMORY).as_second().to_string());
    let failed = row.ended(tried(Some(500), later(4)), Some(b"sorry"));
    assert!(pos.end_delivery(&failed).await.unwrap());
    let item = world.item(&pk, &sk).await.unwrap();
    assert_keys(&item, &keys);
    assert!(!item.contains_key("lease_until"));

    let again = take(&world, &notice, later(400)).await;
    assert_eq!((again.attempts, again.tries.len(), again.outcome), (2, 1, Outcome::Sending));
    let done = again.ended(tried(Some(204), later(400)), None);
    assert!(pos.end_delivery(&done).await.unwrap());
    let page = pos.list_deliveries(org(), id(1), None, 10).await.unwrap();
    assert_eq!((page.deliveries, page.has_more), (vec![done], false));
    assert!(pos.list_deliveries(other_org(), id(1), None, 10).await.unwrap().deliveries.is_empty());
    assert!(pos.list_deliveries(org(), id(2), None, 10).await.unwrap().deliveries.is_empty());
}

#[tokio::test]
async fn of_many_workers_one_delivers_and_after_it_nobody() {
    let world = World::new().await;
    let pos = world.store.pos();
    let notice = notice(1, 1, 0);
    let claims = join_all((0..8).map(|_| pos.claim_delivery(&notice, now()))).await;
    let (taken, others): (Vec<_>, Vec<_>) =
        claims.into_iter().map(Result::unwrap).partition(|claim| matches!(claim, Claimed::Taken(_)));
    assert!(taken.len() == 1 && others.iter().all(|claim| *claim == Claimed::Busy), "{taken:?} {others:?}");
    let Claimed::Taken(row) = &taken[0] else { unreachable!() };
    assert!(pos.end_delivery(&row.ended(tried(Some(200), now()), None)).await.unwrap());
    for after in [later(1), now() + LEASE + LEASE, later(86_400)] {
        assert_eq!(pos.claim_delivery(&notice, after).await.unwrap(), Claimed::Final);
    }
    // To another endpoint it is another delivery.
    take(&world, &Notice { endpoint: id(2), ..notice }, now()).await;
}

#[tokio::test]
async fn a_worker_that_died_is_succeeded_after_its_lease_and_says_nothing_any_more() {
    let world = World::new().await;
    let pos = world.store.pos();
    let notice = notice(1, 1, 0);
    let dead = take(&world, &notice, now()).await;
    let last = now() + LEASE;
    assert_eq!(pos.claim_delivery(&notice, last).await.unwrap(), Claimed::Busy);
    let heir = take(&world, &notice, last + SignedDuration::from_millis(1)).await;
    assert_eq!(heir.attempts, 2);
    assert!(!pos.end_delivery(&dead.ended(tried(Some(500), now()), None)).await.unwrap());
    assert!(pos.end_delivery(&heir.ended(tried(Some(200), now()), None)).await.unwrap());
    assert!(!pos.end_delivery(&dead.ended(tried(Some(500), now()), None)).await.unwrap());
    assert_eq!(pos.claim_delivery(&notice, later(86_400)).await.unwrap(), Claimed::Final);
}

#[tokio::test]
async fn what_is_gone_is_final_too() {
    let world = World::new().await;
    let notice = notice(1, 1, 0);
    let row = take(&world, &notice, now()).await;
    assert!(world.store.pos().end_delivery(&row.ended(tried(Some(410), now()), None)).await.unwrap());
    assert_eq!(world.store.pos().claim_delivery(&notice, later(86_400)).await.unwrap(), Claimed::Final);
}

#[tokio::test]
async fn an_answer_that_was_lost_is_known_again() {
    let world = World::new().await;
    let notice = notice(1, 1, 0);
    world.wire.lose("UpdateItem", 1, "InternalServerError");
    let row = take(&world, &notice, now()).await;
    assert_eq!(row.attempts, 1);
    world.wire.lose("UpdateItem", 1, "InternalServerError");
    assert!(world.store.pos().end_delivery(&row.ended(tried(Some(200), now()), None)).await.unwrap());
}

#[tokio::test]
async fn the_log_is_paged_from_the_newest_event() {
    let world = World::new().await;
    let pos = world.store.pos();
    for n in 0..7 {
        let notice = notice(1, n, n as i64);
        let row = take(&world, &notice, later(100 - n as i64)).await;
        pos.end_delivery(&row.ended(tried(Some(200), now()), None)).await.unwrap();
    }
    let (mut seen, mut before, mut pages) = (vec![], None::<Delivery>, 0);
    loop {
        let from = before.as_ref().map(|row| (row.at, row.event.as_str()));
        let page = pos.list_deliveries(org(), id(1), from, 3).await.unwrap();
        seen.extend(page.deliveries.iter().map(|row| row.at));
        pages += 1;
        if !page.has_more {
            break;
        }
        before = page.deliveries.last().cloned();
    }
    assert_eq!(seen, (0..7).rev().map(later).collect::<Vec<_>>());
    assert_eq!(pages, 3);
    // A row that is not there any more is as good as any.
    let page = pos.list_deliveries(org(), id(1), Some((later(3), "zzz")), 10).await.unwrap();
    assert_eq!(page.deliveries.len(), 4);
}
