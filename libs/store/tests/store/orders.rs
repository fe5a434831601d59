//! Placing orders.

use domain::{
    ids::TierId,
    mail::{MailPolicy, MailStatus},
    money::Cents,
    stock::{Draw, Stripe},
    tickets::order::{Order, OrderStatus},
};
use store::PlaceError;

use crate::world::*;

#[tokio::test]
async fn an_order_is_written_with_its_keys_and_its_stock() {
    let world = World::new().await;
    let event = world.on_sale(&[80]).await;
    let order = world.place(&event, 0, 3).await.unwrap();

    let number = order.number.to_string();
    let item = world.item(&format!("ORDER#{number}"), "ORDER").await.unwrap();
    let millis = now().as_millisecond();
    assert_keys(
        &item,
        &[
            ("pk", format!("ORDER#{number}")),
            ("sk", "ORDER".into()),
            ("gsi1pk", format!("ORG#{}#ORDERS#{}", org(), shard(&number))),
            ("gsi1sk", format!("{millis}#{number}")),
            ("gsi2pk", format!("QR#{}", secret(&order).0)),
            ("gsi2sk", number.clone()),
            ("entity", "order".into()),
        ],
    );
    assert_eq!(item["total"], n(7500));
    assert_eq!(item["expires_at"], n(later(15 * 60).as_millisecond()));
    assert_eq!(world.load(&order).await, order);
    assert_eq!(order.draws.len(), 1, "one stripe has enough");

    let stripe = world.item(&format!("STOCK#{}#{}", order.tier_id, order.draws[0].stripe), "STRIPE").await.unwrap();
    let expected = [("available", 7), ("held", 3), ("sold", 0), ("pending", 1), ("revenue", 0)];
    expected.iter().for_each(|(name, figure)| assert_eq!(stripe[*name], n(figure), "{name}"));
    assert!(world.all("mail").await.is_empty(), "an e-mail comes with the payment");
    world.check_stock(event.id).await;
}

#[tokio::test]
async fn reading_an_offer_and_placing_are_two_calls() {
    let world = World::new().await;
    let event = world.on_sale(&[80]).await;
    let known = world.place(&event, 0, 1).await.unwrap();
    let new = order(&event, 0, 1);
    world.wire.take_calls();
    let offer = world.store.load_offer(event.id, event.tiers[0].id, &[known.number, new.number]).await.unwrap();
    assert_eq!(offer.event.as_ref(), Some(&event));
    assert_eq!(offer.orders, [known]);
    assert_eq!(offer.stripes.len(), 8);
    assert_eq!(Stripe::total(&offer.stripes).available, 79);
    world.store.place_order(new.clone(), &secret(&new), offer.stripes, 3, MailPolicy::Send).await.unwrap();
    assert_eq!(world.wire.take_calls(), ["BatchGetItem", "TransactWriteItems"]);

    let nothing = world.store.load_offer(event.id, TierId::from_random([1; 16]), &[]).await.unwrap();
    assert_eq!(Stripe::total(&nothing.stripes), Stripe::default());
    assert!(nothing.orders.is_empty());
}

#[tokio::test]
async fn an_order_larger_than_a_stripe_draws_from_several() {
    let world = World::new().await;
    let event = world.on_sale(&[20]).await;
    let order = world.place(&event, 0, 7).await.unwrap();
    assert_eq!(order.draws.len(), 3, "stripes have three or two: {:?}", order.draws);
    assert_eq!(order.draws.iter().map(|draw| draw.quantity).sum::<u32>(), 7);
    assert_eq!(world.load(&order).await.draws, order.draws);
    world.check_stock(event.id).await;
    let rest = world.place(&event, 0, 13).await.unwrap();
    assert_eq!(world.stock(&event, 0).await, Stripe { held: 20, pending: 2, ..Stripe::default() });
    assert!(rest.draws.len() >= 5);
    world.check_stock(event.id).await;
}

#[tokio::test]
async fn sold_out_is_refused_without_a_write() {
    let world = World::new().await;
    let event = world.on_sale(&[4]).await;
    world.place(&event, 0, 3).await.unwrap();
    let before = world.everything().await.len();
    world.wire.take_calls();
    match world.place(&event, 0, 2).await {
        Err(PlaceError::SoldOut(sold_out)) => assert_eq!(sold_out.left, 1),
        other => panic!("{other:?}"),
    }
    assert_eq!(world.wire.take_calls(), ["BatchGetItem"]);
    world.place(&event, 0, 1).await.unwrap();
    world.wire.take_calls();
    assert!(matches!(world.place(&event, 0, 1).await, Err(PlaceError::SoldOut(_))));
    assert_eq!(world.wire.take_calls(), ["BatchGetItem"]);
    assert_eq!(world.everything().await.len(), before + 1);
    world.check_stock(event.id).await;
}

#[tokio::test]
async fn stock_that_was_read_too_early_does_not_oversell() {
    let world = World::new().await;
    let event = world.on_sale(&[2]).await;
    let early = world.store.load_stripes(event.tiers[0].id).await.unwrap();
    world.place(&event, 0, 1).await.unwrap();
    for expected in [true, false] {
        let order = order(&event, 0, 1);
        let placed = world.store.place_order(order.clone(), &secret(&order), early.clone(), 0, MailPolicy::Send).await;
        assert_eq!(placed.is_ok(), expected, "{placed:?}");
        world.check_stock(event.id).await;
    }
    assert_eq!(world.all("order").await.len(), 2);
}

#[tokio::test]
async fn the_same_number_is_placed_once() {
    let world = World::new().await;
    let event = world.on_sale(&[80]).await;
    let first = world.place(&event, 0, 2).await.unwrap();
    let second = Order { draws: vec![], quantity: 5, ..first.clone() };
    match world.place_this(second).await {
        Err(PlaceError::Exists(order)) => assert_eq!(*order, first),
        other => panic!("{other:?}"),
    }
    assert_eq!(world.load(&first).await, first);
    world.check_stock(event.id).await;
}

#[tokio::test]
async fn a_free_order_is_paid_at_once_with_its_mail() {
    let world = World::new().await;
    let mut free = event(&[8]);
    free.tiers[0].price = Cents::ZERO;
    world.store.create_event(&free, &audit("created")).await.unwrap();
    let order = world.place(&free, 0, 1).await.unwrap();
    assert_eq!(order.status, OrderStatus::Paid);
    let stock = world.stock(&free, 0).await;
    assert_eq!(stock, Stripe { available: 7, sold: 1, paid: 1, ..Stripe::default() });
    let mail = world.store.load_mail(ticket_mail(&order)).await.unwrap().unwrap();
    assert_eq!((mail.status, mail.attempts, mail.org), (MailStatus::Pending, 0, org()));

    let quiet = crate::world::order(&free, 0, 1);
    let stripes = world.store.load_stripes(free.tiers[0].id).await.unwrap();
    let quiet = world.store.place_order(quiet.clone(), &secret(&quiet), stripes, 0, MailPolicy::Hold).await.unwrap();
    let mail = world.store.load_mail(ticket_mail(&quiet)).await.unwrap().unwrap();
    assert!(mail.is_final() && mail.status == MailStatus::Failed);
    world.check_stock(free.id).await;
}

/// The answer is lost often enough that the SDK gives up and the store's own loop sends the transaction again.
#[tokio::test]
async fn an_order_whose_answer_was_lost_is_placed_once() {
    for (times, error) in [(1, "InternalServerError"), (5, "ThrottlingException")] {
        let world = World::new().await;
        let event = world.on_sale(&[80]).await;
        world.wire.lose("TransactWriteItems", times, error);
        let order = world.place(&event, 0, 2).await.unwrap();
        assert_eq!(world.load(&order).await, order);
        assert_eq!(world.all("order").await.len(), 1);
        world.check_stock(event.id).await;
    }
}

#[tokio::test]
async fn orders_are_loaded_by_number() {
    let world = World::new().await;
    let event = world.on_sale(&[80]).await;
    let mut numbers = Vec::new();
    for _ in 0..3 {
        numbers.push(world.place(&event, 0, 1).await.unwrap().number);
    }
    numbers.push(order(&event, 0, 1).number);
    let mut loaded: Vec<_> = world.store.load_orders(&numbers).await.unwrap().iter().map(|o| o.number).collect();
    loaded.sort();
    let unknown = numbers.pop().unwrap();
    numbers.sort();
    assert_eq!(loaded, numbers);
    assert_eq!(world.store.load_order(unknown).await.unwrap(), None);
    assert!(world.store.load_orders(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn stock_of_several_tiers_in_one_call() {
    let world = World::new().await;
    let event = world.on_sale(&[10, 20]).await;
    world.place(&event, 1, 4).await.unwrap();
    world.wire.take_calls();
    let tiers: Vec<TierId> = event.tiers.iter().map(|tier| tier.id).collect();
    let stock = world.store.load_stock(&tiers).await.unwrap();
    assert_eq!(world.wire.take_calls(), ["BatchGetItem"]);
    assert_eq!(stock[&tiers[0]].available, 10);
    assert_eq!((stock[&tiers[1]].available, stock[&tiers[1]].held), (16, 4));
    assert!(world.store.load_stock(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn draws_are_kept_as_they_were_made() {
    let world = World::new().await;
    let event = world.on_sale(&[8]).await;
    let order = world.place(&event, 0, 2).await.unwrap();
    let item = world.item(&format!("ORDER#{}", order.number), "ORDER").await.unwrap();
    let draws: Vec<Draw> = serde_dynamo::from_attribute_value(item["draws"].clone()).unwrap();
    assert_eq!(draws, order.draws);
    assert!(item["draws"].as_l().unwrap()[0].as_m().unwrap().contains_key("s"));
}
