//! Steps of an order after it was placed: each is taken exactly once, whoever repeats it.

use domain::{
    mail::{MailPolicy, MailStatus},
    money::Cents,
    stock::Stripe,
    tickets::order::{Order, OrderStatus},
};
use store::{CheckIn, Entry, PlaceError, StoreError};

use crate::world::*;

async fn confirm(world: &World, order: &Order, reference: &str) -> Result<(), StoreError> {
    world.store.confirm_order(order, &payment(reference), MailPolicy::Send, None, later(60)).await
}

async fn expire(world: &World, order: &Order) -> Result<(), StoreError> {
    world.store.release_order(order, OrderStatus::Expired, None).await
}

#[tokio::test]
async fn paying_moves_stock_and_queues_the_mail_in_one_transaction() {
    let world = World::new().await;
    let event = world.on_sale(&[20]).await;
    let order = world.place(&event, 0, 7).await.unwrap();
    world.wire.take_calls();
    let entry = audit("confirmed");
    world.store.confirm_order(&order, &payment("pi_1"), MailPolicy::Send, Some(&entry), later(60)).await.unwrap();
    assert_eq!(world.wire.take_calls(), ["TransactWriteItems"]);

    let paid = world.load(&order).await;
    assert_eq!(
        (paid.status, paid.payment_ref.as_deref(), paid.paid_at),
        (OrderStatus::Paid, Some("pi_1"), Some(later(60)))
    );
    assert_eq!(paid.draws, order.draws);
    let expected = Stripe { available: 13, sold: 7, paid: 1, revenue: 17_500, ..Stripe::default() };
    assert_eq!(world.stock(&event, 0).await, expected);

    let number = order.number.to_string();
    let name = format!(r#"{{"kind":"ticket","number":"{number}"}}"#);
    let mail = world.item(&format!("ORDER#{number}"), "MAIL#ticket").await.unwrap();
    assert_keys(
        &mail,
        &[
            ("pk", format!("ORDER#{number}")),
            ("sk", "MAIL#ticket".into()),
            ("gsi2pk", format!("MAILS#{}", shard(&name))),
            ("gsi2sk", format!("{}#{name}", later(60).as_millisecond())),
            ("entity", "mail".into()),
        ],
    );
    assert_eq!(world.all("audit").await.len(), 2, "the event's and the order's");
    world.check_stock(event.id).await;
}

#[tokio::test]
async fn a_second_payment_finds_the_order_paid() {
    let world = World::new().await;
    let event = world.on_sale(&[20]).await;
    let order = world.place(&event, 0, 2).await.unwrap();
    confirm(&world, &order, "pi_1").await.unwrap();
    assert!(matches!(confirm(&world, &order, "pi_2").await, Err(StoreError::Stale)));
    assert_eq!(world.load(&order).await.payment_ref.as_deref(), Some("pi_1"));
    world.check_stock(event.id).await;
}

/// The status alone does not prove that the ticket's e-mail is new: nothing may set a mail that is on its way back.
#[tokio::test]
async fn a_mail_that_is_there_is_not_written_over() {
    let world = World::new().await;
    let event = world.on_sale(&[20]).await;
    let order = world.place(&event, 0, 2).await.unwrap();
    let paid = world.paid(&event, 0, 1).await;
    let mut mail = world.item(&format!("ORDER#{}", paid.number), "MAIL#ticket").await.unwrap();
    mail.insert("pk".into(), s(format!("ORDER#{}", order.number)));
    mail.insert("status".into(), s("sent"));
    world.put(mail.clone()).await;
    assert!(matches!(confirm(&world, &order, "pi_1").await, Err(StoreError::Stale)));
    assert_eq!(world.item(&format!("ORDER#{}", order.number), "MAIL#ticket").await, Some(mail));
    world.check_stock(event.id).await;
}

#[tokio::test]
async fn giving_up_frees_the_stock_once() {
    let world = World::new().await;
    let event = world.on_sale(&[20]).await;
    for to in [OrderStatus::Cancelled, OrderStatus::Expired] {
        let order = world.place(&event, 0, 7).await.unwrap();
        world.store.release_order(&order, to, Some(&audit(to.as_str()))).await.unwrap();
        let released = world.load(&order).await;
        assert_eq!((released.status, released.draws.len()), (to, 0));
        assert!(matches!(world.store.release_order(&order, to, None).await, Err(StoreError::Stale)));
        assert!(matches!(confirm(&world, &order, "pi_1").await, Err(StoreError::Stale)));
        world.check_stock(event.id).await;
    }
    assert_eq!(world.stock(&event, 0).await, Stripe { available: 20, cancelled: 2, ..Stripe::default() });
    assert!(world.all("mail").await.is_empty());
}

#[tokio::test]
async fn a_paid_order_is_not_given_up() {
    let world = World::new().await;
    let event = world.on_sale(&[20]).await;
    let order = world.place(&event, 0, 2).await.unwrap();
    confirm(&world, &order, "pi_1").await.unwrap();
    assert!(matches!(expire(&world, &order).await, Err(StoreError::Stale)));
    assert_eq!(world.load(&order).await.status, OrderStatus::Paid);
    world.check_stock(event.id).await;
}

#[tokio::test]
async fn a_refund_gives_the_stock_back_once() {
    let world = World::new().await;
    let event = world.on_sale(&[20]).await;
    let order = world.paid(&event, 0, 7).await;
    world.store.refund_order(&order, Some(&audit("refund"))).await.unwrap();
    let refunded = world.load(&order).await;
    assert_eq!((refunded.status, refunded.refunded), (OrderStatus::Refunded, Some(Cents(17_500))));
    assert!(refunded.draws.is_empty());
    assert!(matches!(world.store.refund_order(&order, None).await, Err(StoreError::Stale)));
    assert_eq!(world.stock(&event, 0).await, Stripe { available: 20, refunded: 1, ..Stripe::default() });
    world.check_stock(event.id).await;
}

#[tokio::test]
async fn a_pending_order_is_not_refunded() {
    let world = World::new().await;
    let event = world.on_sale(&[20]).await;
    let order = world.place(&event, 0, 2).await.unwrap();
    assert!(matches!(world.store.refund_order(&order, None).await, Err(StoreError::Stale)));
    world.check_stock(event.id).await;
}

/// What was read before the gate let the holder in would take the wrong figures back.
#[tokio::test]
async fn a_refund_knows_whether_its_holder_was_let_in() {
    let world = World::new().await;
    let event = world.on_sale(&[20]).await;
    let read_before = world.paid(&event, 0, 1).await;
    let entry = Entry { number: read_before.number, secret: None, org: None, by: None, key: None };
    let CheckIn::Admitted(admitted) = world.store.check_in(&entry, later(90)).await.unwrap() else { panic!() };
    world.store.count_check_in(&admitted, later(90)).await.unwrap();
    assert_eq!(world.stock(&event, 0).await.checked_in, 1);
    assert!(matches!(world.store.refund_order(&read_before, None).await, Err(StoreError::Stale)));
    world.store.refund_order(&admitted, None).await.unwrap();
    assert_eq!(world.stock(&event, 0).await, Stripe { available: 20, refunded: 1, ..Stripe::default() });

    let never_in = world.paid(&event, 0, 1).await;
    let wrongly = Order { checked_in_at: Some(now()), ..never_in.clone() };
    assert!(matches!(world.store.refund_order(&wrongly, None).await, Err(StoreError::Stale)));
    world.store.refund_order(&never_in, None).await.unwrap();
    assert_eq!(world.stock(&event, 0).await.checked_in, 0);
}

/// Otherwise money that came between reading and refunding would be kept.
#[tokio::test]
async fn a_refund_is_of_the_payment_that_was_read() {
    let world = World::new().await;
    let event = world.on_sale(&[20]).await;
    let order = world.place(&event, 0, 1).await.unwrap();
    let by_staff = domain::tickets::payment::Payment { reference: None, ..payment("") };
    world.store.confirm_order(&order, &by_staff, MailPolicy::Send, None, later(60)).await.unwrap();
    let read_before = world.load(&order).await;
    world.store.adopt_payment(order.number, "pi_1").await.unwrap();
    assert!(matches!(world.store.refund_order(&read_before, None).await, Err(StoreError::Stale)));
    let adopted = world.load(&order).await;
    assert_eq!(adopted.payment_ref.as_deref(), Some("pi_1"));
    let other = Order { payment_ref: Some("pi_2".into()), ..adopted.clone() };
    assert!(matches!(world.store.refund_order(&other, None).await, Err(StoreError::Stale)));
    world.store.refund_order(&adopted, None).await.unwrap();
    world.check_stock(event.id).await;
}

#[tokio::test]
async fn a_payment_is_adopted_only_by_a_paid_order_without_one() {
    let world = World::new().await;
    let event = world.on_sale(&[20]).await;
    let pending = world.place(&event, 0, 1).await.unwrap();
    assert!(matches!(world.store.adopt_payment(pending.number, "pi_9").await, Err(StoreError::Stale)));
    let paid = world.paid(&event, 0, 1).await;
    assert!(matches!(world.store.adopt_payment(paid.number, "pi_9").await, Err(StoreError::Stale)));
    assert_eq!(world.load(&pending).await, pending);
    assert_eq!(world.load(&paid).await, paid);
}

#[tokio::test]
async fn a_late_payment_draws_stock_anew() {
    let world = World::new().await;
    let event = world.on_sale(&[8]).await;
    let order = world.place(&event, 0, 3).await.unwrap();
    assert!(matches!(
        world.store.reclaim_order(&order, &payment("pi_1"), later(60)).await,
        Err(PlaceError::Store(StoreError::Stale))
    ));
    world.check_stock(event.id).await;
    expire(&world, &order).await.unwrap();
    world.place(&event, 0, 4).await.unwrap();
    world.store.reclaim_order(&order, &payment("pi_1"), later(60)).await.unwrap();
    let paid = world.load(&order).await;
    assert_eq!((paid.status, paid.payment_ref.as_deref()), (OrderStatus::Paid, Some("pi_1")));
    assert_eq!(paid.draws.iter().map(|draw| draw.quantity).sum::<u32>(), 3);
    world.check_stock(event.id).await;
    assert!(matches!(
        world.store.reclaim_order(&order, &payment("pi_2"), later(60)).await,
        Err(PlaceError::Store(StoreError::Stale))
    ));
    world.check_stock(event.id).await;
    let mail = world.store.load_mail(ticket_mail(&order)).await.unwrap().unwrap();
    assert_eq!(mail.status, MailStatus::Pending);
}

#[tokio::test]
async fn a_late_payment_of_what_is_gone_takes_nothing() {
    let world = World::new().await;
    let event = world.on_sale(&[8]).await;
    let order = world.place(&event, 0, 3).await.unwrap();
    expire(&world, &order).await.unwrap();
    world.place(&event, 0, 6).await.unwrap();
    world.wire.take_calls();
    let refused = world.store.reclaim_order(&order, &payment("pi_1"), later(60)).await;
    assert!(matches!(refused, Err(PlaceError::SoldOut(sold_out)) if sold_out.left == 2));
    assert_eq!(world.wire.take_calls(), ["BatchGetItem", "GetItem"], "no write");
    assert_eq!(world.load(&order).await.status, OrderStatus::Expired);
    world.check_stock(event.id).await;
}

/// Once money is on its way back, no repeated notice of it pays the order, even if stock is there again.
#[tokio::test]
async fn a_payment_that_was_given_back_pays_nothing() {
    let world = World::new().await;
    let event = world.on_sale(&[8]).await;
    let pending = world.place(&event, 0, 3).await.unwrap();
    expire(&world, &pending).await.unwrap();
    let expired = world.load(&pending).await;
    world.store.note_returned(&expired, "pi_1").await.unwrap();
    world.store.note_returned(&expired, "pi_2").await.unwrap();
    world.store.note_returned(&expired, "pi_1").await.unwrap();
    let mut noted = world.load(&pending).await.returned_refs;
    noted.sort();
    assert_eq!(noted, ["pi_1", "pi_2"]);
    for reference in ["pi_1", "pi_2"] {
        let reclaimed = world.store.reclaim_order(&expired, &payment(reference), later(60)).await;
        assert!(matches!(reclaimed, Err(PlaceError::Store(StoreError::Stale))));
    }
    world.store.reclaim_order(&expired, &payment("pi_3"), later(60)).await.unwrap();
    world.check_stock(event.id).await;

    let stale = |noted| assert!(matches!(noted, Err(StoreError::Stale)));
    stale(world.store.note_returned(&expired, "pi_3").await);
    assert_eq!(world.load(&pending).await.returned_refs.len(), 2, "the order is paid by it");
    let by_another = Order { payment_ref: None, ..world.load(&pending).await };
    stale(world.store.note_returned(&by_another, "pi_4").await);
    let unknown = crate::world::order(&event, 0, 1);
    stale(world.store.note_returned(&unknown, "pi_1").await);
    assert_eq!(world.store.load_order(unknown.number).await.unwrap(), None, "a note makes no order");
}

/// Its refund may be heard of before the payment itself.
#[tokio::test]
async fn a_payment_that_was_given_back_before_it_was_heard_of() {
    let world = World::new().await;
    let event = world.on_sale(&[8]).await;
    let order = world.place(&event, 0, 3).await.unwrap();
    world.store.note_returned(&order, "pi_1").await.unwrap();
    assert!(matches!(confirm(&world, &order, "pi_1").await, Err(StoreError::Stale)));
    let by_staff = domain::tickets::payment::Payment { reference: None, ..payment("") };
    world.store.confirm_order(&order, &by_staff, MailPolicy::Send, None, later(60)).await.unwrap();
    assert!(matches!(world.store.adopt_payment(order.number, "pi_1").await, Err(StoreError::Stale)));
    world.check_stock(event.id).await;
}

/// Two notices of one late payment: the second finds nothing left because the first took it. That is no reason to
/// give the money back.
#[tokio::test]
async fn the_last_ticket_taken_by_this_very_order_is_not_sold_out() {
    let world = World::new().await;
    let event = world.on_sale(&[3]).await;
    let order = world.place(&event, 0, 3).await.unwrap();
    expire(&world, &order).await.unwrap();
    world.store.reclaim_order(&order, &payment("pi_1"), later(60)).await.unwrap();
    let again = world.store.reclaim_order(&order, &payment("pi_1"), later(60)).await;
    assert!(matches!(again, Err(PlaceError::Store(StoreError::Stale))), "{again:?}");
    world.check_stock(event.id).await;
}

/// Answers are lost until the SDK gives up and the store's own loop repeats the transaction under the same token.
#[tokio::test]
async fn a_step_whose_answer_was_lost_is_taken_once_and_known_to_be() {
    for (times, error) in [(1, "InternalServerError"), (5, "ThrottlingException")] {
        let world = World::new().await;
        let event = world.on_sale(&[20]).await;
        let order = world.place(&event, 0, 2).await.unwrap();
        world.wire.lose("TransactWriteItems", times, error);
        confirm(&world, &order, "pi_1").await.unwrap();
        let paid = world.load(&order).await;
        world.check_stock(event.id).await;
        world.wire.lose("TransactWriteItems", times, error);
        world.store.refund_order(&paid, None).await.unwrap();
        world.check_stock(event.id).await;
        let order = world.place(&event, 0, 2).await.unwrap();
        world.wire.lose("TransactWriteItems", times, error);
        expire(&world, &order).await.unwrap();
        world.check_stock(event.id).await;
        world.wire.lose("TransactWriteItems", times, error);
        world.store.reclaim_order(&order, &payment("pi_2"), later(60)).await.unwrap();
        world.check_stock(event.id).await;
    }
}

#[tokio::test]
async fn a_log_entry_is_part_of_its_step() {
    let world = World::new().await;
    let event = world.on_sale(&[20]).await;
    let order = world.place(&event, 0, 2).await.unwrap();
    let entry = audit("once");
    world.store.release_order(&order, OrderStatus::Cancelled, Some(&entry)).await.unwrap();
    let other = world.place(&event, 0, 2).await.unwrap();
    let again = world.store.release_order(&other, OrderStatus::Cancelled, Some(&entry)).await;
    assert!(matches!(again, Err(StoreError::Stale)), "an entry is not written over");
    assert_eq!(world.load(&other).await.status, OrderStatus::Pending);
    world.check_stock(event.id).await;
}
