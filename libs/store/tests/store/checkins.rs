//! The gate: one entry per ticket.

use std::sync::Arc;

use domain::{
    ids::UserId,
    stock::Stripe,
    tickets::{
        checkin::{Verdict, judge},
        order::{Order, OrderStatus},
        secret::SecretHash,
    },
};
use store::{CheckIn, Entry};

use crate::world::*;

fn entry(order: &Order) -> Entry<'static> {
    Entry { number: order.number, secret: None, org: None, by: None, key: None }
}

#[tokio::test]
async fn a_secret_leads_to_its_order() {
    let world = World::new().await;
    let event = world.on_sale(&[10]).await;
    let order = world.place(&event, 0, 1).await.unwrap();
    world.place(&event, 0, 1).await.unwrap();
    assert_eq!(world.store.find_secret(&secret(&order)).await.unwrap(), Some(order.number));
    assert_eq!(world.store.find_secret(&SecretHash("0".repeat(64))).await.unwrap(), None);
}

#[tokio::test]
async fn a_paid_ticket_lets_in_once() {
    let world = World::new().await;
    let event = world.on_sale(&[10]).await;
    let order = world.paid(&event, 0, 2).await;
    let by = UserId::from_random([4; 16]);
    let hash = secret(&order);
    let scan = Entry { secret: Some(&hash), org: Some(org()), by: Some(by), key: Some("k1"), ..entry(&order) };
    world.wire.take_calls();
    let CheckIn::Admitted(admitted) = world.store.check_in(&scan, later(100)).await.unwrap() else { panic!() };
    assert_eq!(world.wire.take_calls(), ["UpdateItem"]);
    assert_eq!((admitted.checked_in_at, admitted.checked_in_by), (Some(later(100)), Some(by)));
    assert_eq!(*admitted, world.load(&order).await);

    let CheckIn::Refused(refused) = world.store.check_in(&scan, later(200)).await.unwrap() else { panic!() };
    assert_eq!(refused, admitted);
    assert_eq!(judge(&refused, Some("k1")), Verdict::Replay);
    let CheckIn::Refused(refused) = world.store.check_in(&entry(&order), later(300)).await.unwrap() else { panic!() };
    assert_eq!(judge(&refused, None), Verdict::AlreadyCheckedIn(later(100)));
    assert_eq!(world.load(&order).await, *admitted);
}

#[tokio::test]
async fn what_is_not_paid_is_refused() {
    let world = World::new().await;
    let event = world.on_sale(&[10]).await;
    let pending = world.place(&event, 0, 1).await.unwrap();
    let cancelled = world.place(&event, 0, 1).await.unwrap();
    world.store.release_order(&cancelled, OrderStatus::Cancelled, None).await.unwrap();
    let refunded = world.paid(&event, 0, 1).await;
    world.store.refund_order(&refunded, None).await.unwrap();
    for order in [pending, cancelled, refunded] {
        let CheckIn::Refused(refused) = world.store.check_in(&entry(&order), now()).await.unwrap() else { panic!() };
        assert_eq!(judge(&refused, None), Verdict::NotPaid);
        assert_eq!(world.load(&order).await.checked_in_at, None);
    }
}

#[tokio::test]
async fn anothers_ticket_and_a_wrong_secret_are_unknown() {
    let world = World::new().await;
    let event = world.on_sale(&[10]).await;
    let order = world.paid(&event, 0, 1).await;
    let wrong = SecretHash("0".repeat(64));
    let foreign = Entry { org: Some(other_org()), ..entry(&order) };
    let forged = Entry { secret: Some(&wrong), ..entry(&order) };
    let never_sold = entry(&crate::world::order(&event, 0, 1));
    for scan in [&foreign, &forged, &never_sold] {
        assert_eq!(world.store.check_in(scan, now()).await.unwrap(), CheckIn::Unknown);
    }
    assert_eq!(world.load(&order).await.checked_in_at, None);
    assert_eq!(world.store.load_order(never_sold.number).await.unwrap(), None, "a scan makes no order");

    assert!(matches!(world.store.check_in(&entry(&order), now()).await.unwrap(), CheckIn::Admitted(_)));
    for scan in [&foreign, &forged] {
        assert_eq!(world.store.check_in(scan, now()).await.unwrap(), CheckIn::Unknown, "even once it is used");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixty_four_scanners_one_lets_in() {
    let world = Arc::new(World::new().await);
    let event = world.on_sale(&[10]).await;
    let order = world.paid(&event, 0, 1).await;
    let scans: Vec<_> = (0..64)
        .map(|i| {
            let (store, order) = (world.store.clone(), order.clone());
            tokio::spawn(async move {
                let key = format!("scanner-{i}");
                let scan = Entry { key: (i % 2 == 0).then_some(key.as_str()), ..entry(&order) };
                matches!(store.check_in(&scan, later(i)).await.unwrap(), CheckIn::Admitted(_))
            })
        })
        .collect();
    let mut admitted = 0;
    for scan in scans {
        admitted += u32::from(scan.await.unwrap());
    }
    assert_eq!(admitted, 1);
}

/// The SDK repeats the write, which then finds its own effect: the holder must not be turned away for that.
#[tokio::test]
async fn an_entry_whose_answer_was_lost_is_still_an_entry() {
    let world = World::new().await;
    let event = world.on_sale(&[10]).await;
    let order = world.paid(&event, 0, 1).await;
    world.wire.lose("UpdateItem", 2, "InternalServerError");
    assert!(matches!(world.store.check_in(&entry(&order), now()).await.unwrap(), CheckIn::Admitted(_)));
    assert!(matches!(world.store.check_in(&entry(&order), now()).await.unwrap(), CheckIn::Refused(_)));
}

#[tokio::test]
async fn an_entry_is_counted_and_logged_once() {
    let world = World::new().await;
    let event = world.on_sale(&[8]).await;
    let order = world.paid(&event, 0, 3).await;
    let CheckIn::Admitted(admitted) = world.store.check_in(&entry(&order), later(5)).await.unwrap() else { panic!() };
    for _ in 0..3 {
        world.store.count_check_in(&admitted, later(5)).await.unwrap();
    }
    assert_eq!(world.stock(&event, 0).await.checked_in, 1);
    let id = format!("checkin-{}", order.number);
    let pk = format!("ORG#{}#AUDIT#{}", org(), shard(&id));
    let sk = format!("{}#{id}", later(5).as_millisecond());
    let logged = world.item(&pk, &sk).await.unwrap();
    assert_eq!((text(&logged, "action"), text(&logged, "entity_id")), ("CHECKIN", order.number.to_string().as_str()));
}

/// A stream record may come after order and tier are gone: the entry is logged, and the figures come out even.
#[tokio::test]
async fn an_entry_on_stock_that_is_gone_is_counted_and_taken_back() {
    let world = World::new().await;
    let event = world.on_sale(&[8, 8]).await;
    let order = world.paid(&event, 1, 1).await;
    let CheckIn::Admitted(admitted) = world.store.check_in(&entry(&order), later(5)).await.unwrap() else { panic!() };
    world.store.refund_order(&admitted, None).await.unwrap();
    let mut wish = event.clone();
    wish.tiers.truncate(1);
    world.store.edit_event(&event, &wish, &audit("tier deleted")).await.unwrap();
    world.store.count_check_in(&admitted, later(5)).await.unwrap();
    assert_eq!(world.all("stripe").await.len(), 16, "a tier that had orders keeps its figures");
    assert_eq!(world.stock(&event, 1).await, Stripe { refunded: 1, ..Stripe::default() });
}
