//! Events, their tiers, and capacity while selling.

use domain::{
    ids::TierId,
    stock::Stripe,
    tickets::event::{Event, EventStatus},
};
use jiff::civil;
use store::{EditEventError, StoreError};

use crate::world::*;

impl World {
    async fn edit(&self, before: &Event, change: impl FnOnce(&mut Event)) -> Result<Event, EditEventError> {
        let mut wish = before.clone();
        change(&mut wish);
        self.store.edit_event(before, &wish, &audit(&format!("{:x}", rand::random::<u64>()))).await
    }
}

#[tokio::test]
async fn an_event_is_written_with_its_stock_and_its_log() {
    let world = World::new().await;
    let event = world.on_sale(&[11, 0]).await;
    let item = world.item(&format!("EVENT#{}", event.id), "EVENT").await.unwrap();
    let millis = now().as_millisecond();
    assert_keys(
        &item,
        &[
            ("pk", format!("EVENT#{}", event.id)),
            ("sk", "EVENT".into()),
            ("gsi1pk", format!("ORG#{}#EVENTS", org())),
            ("gsi1sk", format!("2027-06-01#{millis}#{}", event.id)),
            ("entity", "event".into()),
        ],
    );
    assert_eq!(world.store.load_event(event.id).await.unwrap(), Some(event.clone()));
    let pieces = [2, 2, 2, 1, 1, 1, 1, 1];
    for (i, pieces) in pieces.iter().enumerate() {
        for (tier, pieces) in [(0, *pieces), (1, 0)] {
            let pk = format!("STOCK#{}#{i}", event.tiers[tier].id);
            let stripe = world.item(&pk, "STRIPE").await.unwrap();
            assert_keys(&stripe, &[("pk", pk), ("sk", "STRIPE".into()), ("entity", "stripe".into())]);
            assert_eq!(stripe["available"], n(pieces));
        }
    }
    assert_eq!(world.all("audit").await.len(), 1);
    world.check_stock(event.id).await;

    let again = world.store.create_event(&event, &audit("again")).await;
    assert!(matches!(again, Err(StoreError::Stale)));
    assert_eq!(world.all("audit").await.len(), 1);
}

#[tokio::test]
async fn events_are_listed_by_date_then_age() {
    let world = World::new().await;
    let made = |date, minutes: i64| Event { date, created_at: later(minutes * 60), ..event(&[1]) };
    let (june, july) = (civil::date(2027, 6, 1), civil::date(2027, 7, 1));
    let mut events = vec![made(july, 0), made(june, 2), made(june, 1)];
    events[0].status = EventStatus::Deleted;
    for event in &events {
        world.store.create_event(event, &audit(&event.id.to_string())).await.unwrap();
    }
    let foreign = Event { org: other_org(), ..made(june, 0) };
    world.store.create_event(&foreign, &audit("foreign")).await.unwrap();
    let listed = world.store.list_events(org()).await.unwrap();
    assert_eq!(listed, [events[2].clone(), events[1].clone(), events[0].clone()]);
    assert_eq!(world.store.list_events(other_org()).await.unwrap(), [foreign]);
}

#[tokio::test]
async fn capacity_is_raised_and_lowered_never_below_what_is_taken() {
    let world = World::new().await;
    let mut event = world.on_sale(&[10]).await;
    world.place(&event, 0, 4).await.unwrap();
    world.paid(&event, 0, 3).await;
    for (wished, saved) in [(25, 25), (9, 9), (2, 7), (7, 7), (0, 7), (8, 8), (100, 100)] {
        event = world.edit(&event, |wish| wish.tiers[0].quantity = wished).await.unwrap();
        assert_eq!(event.tiers[0].quantity, saved, "wished {wished}");
        let stock = world.stock(&event, 0).await;
        assert_eq!((stock.capacity(), stock.held, stock.sold), (i64::from(saved), 4, 3));
        assert_eq!(world.store.load_event(event.id).await.unwrap().as_ref(), Some(&event));
        world.check_stock(event.id).await;
    }
    assert_eq!(event.version, 8);
}

#[tokio::test]
async fn an_edit_that_leaves_capacity_alone_does_not_read_the_stock() {
    let world = World::new().await;
    let event = world.on_sale(&[10, 10]).await;
    world.wire.take_calls();
    let edited = world.edit(&event, |wish| wish.name = "Winter Night".into()).await.unwrap();
    assert_eq!(world.wire.take_calls(), ["TransactWriteItems"]);
    assert_eq!((edited.name.as_str(), edited.version), ("Winter Night", 2));
    let moved = world.edit(&edited, |wish| wish.date = civil::date(2028, 1, 2)).await.unwrap();
    let item = world.item(&format!("EVENT#{}", event.id), "EVENT").await.unwrap();
    assert!(text(&item, "gsi1sk").starts_with("2028-01-02#"));
    assert_eq!(world.store.list_events(org()).await.unwrap(), [moved]);
}

#[tokio::test]
async fn tiers_come_and_go_and_stay_when_something_of_them_is_taken() {
    let world = World::new().await;
    let event = world.on_sale(&[10, 10, 10, 10]).await;
    world.place(&event, 1, 1).await.unwrap();
    world.paid(&event, 2, 1).await;
    let given_back = world.paid(&event, 3, 1).await;
    world.store.refund_order(&given_back, None).await.unwrap();
    let new = tier("New", 5);
    let edited = world.edit(&event, |wish| wish.tiers = vec![new.clone()]).await.unwrap();
    let ids: Vec<TierId> = edited.tiers.iter().map(|tier| tier.id).collect();
    assert_eq!(ids, [new.id, event.tiers[1].id, event.tiers[2].id]);
    assert_eq!(edited.tiers[1].quantity, 10, "kept as it was");
    assert_eq!(world.all("stripe").await.len(), 4 * 8, "nothing of the untouched one is left");
    assert_eq!(edited.retired, [event.tiers[3].id], "the one that had orders counts them still");
    assert_eq!(world.stock(&event, 3).await, Stripe { refunded: 1, ..Stripe::default() });
    assert_eq!(world.stock(&edited, 0).await, Stripe { available: 5, ..Stripe::default() });
    world.check_stock(event.id).await;
}

#[tokio::test]
async fn of_two_editors_the_second_is_told() {
    let world = World::new().await;
    let event = world.on_sale(&[10]).await;
    world.edit(&event, |wish| wish.tiers[0].quantity = 12).await.unwrap();
    let entries = world.all("audit").await.len();
    let second = world.edit(&event, |wish| wish.tiers[0].quantity = 20).await;
    assert!(matches!(second, Err(EditEventError::Conflict)), "{second:?}");
    let renamed = world.edit(&event, |wish| wish.name = "Mine".into()).await;
    assert!(matches!(renamed, Err(EditEventError::Conflict)), "{renamed:?}");
    assert_eq!(world.store.load_event(event.id).await.unwrap().unwrap().tiers[0].quantity, 12);
    assert_eq!(world.all("audit").await.len(), entries);
    world.check_stock(event.id).await;
}

#[tokio::test]
async fn more_tiers_than_a_transaction_holds() {
    let world = World::new().await;
    let event = world.on_sale(&[10; 12]).await;
    let all = world.edit(&event, |wish| wish.tiers.iter_mut().for_each(|tier| tier.quantity = 50)).await.unwrap();
    world.check_stock(event.id).await;
    let replaced = world.edit(&all, |wish| wish.tiers = (0..12).map(|_| tier("New", 1)).collect()).await;
    assert!(matches!(replaced, Err(EditEventError::TooManyTiers)), "{replaced:?}");
    assert_eq!(world.store.load_event(event.id).await.unwrap(), Some(all));
    world.check_stock(event.id).await;
}

/// The plan for the capacity was made before somebody bought: it is made anew, not written as it is.
#[tokio::test]
async fn an_edit_planned_on_old_stock_takes_nothing_that_was_sold_since() {
    let world = World::new().await;
    let event = world.on_sale(&[8]).await;
    let buying = async {
        // Buys as soon as the editor has read the stock.
        while !world.wire.take_calls().contains(&"BatchGetItem".to_owned()) {
            tokio::time::sleep(std::time::Duration::from_micros(50)).await;
        }
        world.place(&event, 0, 8).await
    };
    world.wire.take_calls();
    let (edited, placed) = tokio::join!(world.edit(&event, |wish| wish.tiers[0].quantity = 1), buying);
    let expected = if placed.is_ok() { 8 } else { 1 };
    assert_eq!(edited.unwrap().tiers[0].quantity, expected);
    world.check_stock(event.id).await;
}

#[tokio::test]
async fn an_edit_whose_answer_was_lost_is_saved_once() {
    for (times, error) in [(1, "InternalServerError"), (5, "ThrottlingException")] {
        let world = World::new().await;
        let event = world.on_sale(&[10]).await;
        world.wire.lose("TransactWriteItems", times, error);
        let edited = world.edit(&event, |wish| wish.tiers[0].quantity = 30).await.unwrap();
        assert_eq!((edited.version, edited.tiers[0].quantity), (2, 30));
        assert_eq!(world.stock(&event, 0).await.available, 30);
        world.check_stock(event.id).await;
    }
}
