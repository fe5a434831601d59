//! Orders at the counter: exact keys, and every condition that keeps their money and their numbers right.

use std::{collections::HashSet, slice};

use domain::{
    ids::{CatalogId, OrgId, UserId},
    money::Cents,
    pos::{
        customer::customer_id,
        order::{Edit, FullOrder, Line, Method, Order, OrderId, Payment, Refund, RefundStatus, Status},
    },
};
use futures_util::future::join_all;
use store::{
    StoreError,
    pos::order::{Created, NewOrder, Request, Return, paid_by_rows},
};
use uuid::Uuid;

use crate::world::*;

/// A pending order of ten dollars, whose number `random` decides.
pub fn pos_order(org: OrgId, random: u64) -> Order {
    Order {
        id: OrderId::new(org, now(), random, 0),
        org,
        version: 0,
        status: Status::Pending,
        method: Some(Method::Cash),
        subtotal: Cents(1000),
        tax: Cents::ZERO,
        tip: Cents::ZERO,
        total: Cents(1000),
        paid: Cents::ZERO,
        refunded: Cents::ZERO,
        payments: 0,
        intent: None,
        account: None,
        customer_email: None,
        customer: None,
        catalog: None,
        user: UserId::from_random([5; 16]),
        device: None,
        notes: None,
        hold_name: None,
        held_at: None,
        held_by: None,
        quick_charge: false,
        description: None,
        item_count: 0,
        created_at: now(),
        updated_at: now(),
        completed_at: None,
    }
}

pub fn catalog() -> CatalogId {
    CatalogId::from_random([6; 16])
}

fn line() -> Line {
    Line {
        id: Uuid::from_u128(1),
        product: None,
        catalog_product: None,
        category: None,
        name: "Lemonade".into(),
        quantity: 2,
        unit_price: Cents(500),
        notes: None,
    }
}

fn request(fingerprint: &str) -> Request {
    Request { key: "k".repeat(32), fingerprint: fingerprint.into() }
}

impl World {
    /// Makes an order as it is.
    pub async fn make(&self, order: Order) -> Order {
        match self.store.pos().create_order(|_| order.clone(), &[], None).await.unwrap() {
            Created::New(order) => *order,
            other => panic!("{other:?}"),
        }
    }

    pub async fn full(&self, order: &Order) -> FullOrder {
        self.store.pos().load_order(order.org, order.id).await.unwrap().unwrap()
    }

    /// An order that a card has paid.
    async fn paid_by_card(&self, random: u64, intent: &str) -> Order {
        let order = self.make(pos_order(org(), random)).await;
        let payment = Payment::card(Method::TapToPay, intent, order.total, now());
        let after = order.pay(&payment, now()).unwrap();
        assert!(self.store.pos().add_payment(&order, &after, &payment, None).await.unwrap());
        after
    }

    /// Orders in each status by the figures, and by the orders themselves: they must agree.
    pub async fn check_figures(&self, org: OrgId) {
        let orders: Vec<Order> =
            self.all("pos_order").await.into_iter().map(|item| serde_dynamo::from_item(item).unwrap()).collect();
        for (status, figure) in self.store.pos().load_figures(org).await.unwrap() {
            let count = orders.iter().filter(|order| order.org == org && order.status == status).count();
            assert_eq!(figure, count as i64, "{status:?}");
        }
    }
}

fn cash(order: &Order, id: u128, amount: i64) -> (Order, Payment) {
    let payment = Payment::cash(Uuid::from_u128(id), Cents(amount), Cents::ZERO, Cents(amount), now());
    (order.pay(&payment, now()).unwrap(), payment)
}

fn refund(order: &Order, id: u128, amount: i64) -> (Order, Refund) {
    let refund = Refund {
        id: Uuid::from_u128(id),
        payment: Uuid::from_u128(1),
        intent: Some("pi_1".into()),
        amount: Cents(amount),
        reason: None,
        status: RefundStatus::Pending,
        reference: None,
        by: None,
        created_at: now(),
    };
    (order.refund(Cents(amount), now()).unwrap(), refund)
}

#[track_caller]
fn is_stale<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::Stale)), "{result:?}");
}

#[tokio::test]
async fn keys_of_an_order_and_its_rows() {
    let world = World::new().await;
    let pos = world.store.pos();
    let mut order =
        Order { catalog: Some(catalog()), intent: Some("pi_1".into()), item_count: 1, ..pos_order(org(), 42) };
    order.set_customer(Some("ana@example.com".into()));
    let created = pos.create_order(|_| order.clone(), &[line()], Some(&request("f"))).await.unwrap();
    assert_eq!(created, Created::New(Box::new(order.clone())));
    assert_eq!(world.wire.take_calls().last().map(String::as_str), Some("TransactWriteItems"), "one call");

    let (id, customer) = (order.id.to_string(), order.customer.unwrap().to_string());
    let at = now().as_millisecond();
    let pk = format!("ORG#{}#ORDER#{id}", org());
    let sk = |sk: &str| ("sk", sk.to_owned());
    let entity = |entity: &str| ("entity", entity.to_owned());
    assert_keys(
        &world.item(&pk, "ORDER").await.unwrap(),
        &[
            ("pk", pk.clone()),
            sk("ORDER"),
            ("gsi1pk", format!("ORG#{}#POS#{}", org(), shard(&id))),
            ("gsi1sk", format!("{at}#{id}")),
            ("gsi2pk", format!("ORG#{}#CATALOG#{}#{}", org(), catalog(), shard(&id))),
            ("gsi2sk", format!("{at}#{id}")),
            entity("pos_order"),
        ],
    );
    assert_keys(&world.item(&pk, "LINES").await.unwrap(), &[("pk", pk.clone()), sk("LINES"), entity("pos_lines")]);
    let intent = format!("ORG#{}#INTENT#pi_1", org());
    assert_keys(
        &world.item(&intent, "INTENT").await.unwrap(),
        &[("pk", intent.clone()), sk("INTENT"), entity("intent")],
    );
    let key = format!("ORG#{}#REQUEST#order#{}", org(), "k".repeat(32));
    let item = world.item(&key, "REQUEST").await.unwrap();
    assert_keys(&item, &[("pk", key.clone()), sk("REQUEST"), entity("request")]);
    assert_eq!(item["ttl"], n(now().as_second() + 30 * 86_400), "forgotten after 30 days");
    let figures = format!("ORG#{}#FIGURES#{}", org(), shard(&id));
    let item = world.item(&figures, "FIGURES").await.unwrap();
    assert_keys(&item, &[("pk", figures.clone()), sk("FIGURES"), entity("pos_figures")]);
    assert_eq!(item["pending"], n(1));
    let buyer = format!("ORG#{}#CUSTOMER#{customer}", org());
    assert_keys(
        &world.item(&buyer, "CUSTOMER").await.unwrap(),
        &[
            ("pk", buyer.clone()),
            sk("CUSTOMER"),
            ("gsi2pk", format!("ORG#{}#CUSTOMERS#{}", org(), shard(&customer))),
            ("gsi2sk", format!("ana@example.com#{customer}")),
            entity("customer"),
        ],
    );

    let held = order.hold(order.user, Edit::default(), later(60)).unwrap();
    pos.save_order(&order, &held).await.unwrap();
    let (list, place) = (format!("ORG#{}#HELD", org()), format!("{}#{id}", later(60).as_millisecond()));
    assert_keys(
        &world.item(&list, &place).await.unwrap(),
        &[("pk", list.clone()), ("sk", place.clone()), entity("held")],
    );

    let (paid, payment) = cash(&held, 7, 1000);
    assert!(pos.add_payment(&held, &paid, &payment, None).await.unwrap());
    assert!(world.item(&list, &place).await.is_none(), "it is not put aside any more");
    let row = format!("PAYMENT#{}", payment.id);
    assert_keys(
        &world.item(&pk, &row).await.unwrap(),
        &[("pk", pk.clone()), ("sk", row.clone()), entity("pos_payment")],
    );

    let (after, refund) = refund(&paid, 9, 400);
    pos.reserve_refunds(&paid, &after, std::slice::from_ref(&refund)).await.unwrap();
    let row = format!("REFUND#{}", refund.id);
    let item = world.item(&pk, &row).await.unwrap();
    assert_eq!((text(&item, "pk"), text(&item, "entity")), (pk.as_str(), "pos_refund"));

    world.wire.take_calls();
    let full = world.full(&after).await;
    assert_eq!(world.wire.take_calls(), ["Query"], "all of it by one call");
    assert_eq!(full, FullOrder { order: after, lines: vec![line()], payments: vec![payment], refunds: vec![refund] });
    assert_eq!(paid_by_rows(&full), full.order.paid);
    assert!(pos.load_order(other_org(), order.id).await.unwrap().is_none(), "another's is not found");
    world.check_figures(org()).await;
}

#[tokio::test]
async fn a_number_that_is_taken_is_tried_again() {
    let world = World::new().await;
    let pos = world.store.pos();
    let first = world.make(pos_order(org(), 1)).await;
    let second = |attempt: u8| Order { notes: Some("second".into()), ..pos_order(org(), 1 + u64::from(attempt / 3)) };
    let Created::New(made) = pos.create_order(second, &[], None).await.unwrap() else { panic!() };
    assert_eq!(made.id, OrderId::new(org(), now(), 2, 0));
    assert_eq!(world.full(&first).await.order, first, "the first one has kept its number, and all else");
    let endless = pos.create_order(|_| pos_order(org(), 1), &[], None).await;
    assert!(matches!(endless, Err(StoreError::Busy)), "{endless:?}");
    world.make(pos_order(other_org(), 1)).await;
    world.check_figures(org()).await;
}

#[tokio::test]
async fn numbers_are_unique_even_when_most_of_them_meet() {
    let world = World::new().await;
    // So few that most of them meet: what keeps them apart is the condition alone.
    let make = |i: u64| {
        let world = &world;
        async move {
            let order = |attempt: u8| Order {
                id: OrderId::new(org(), now(), rand::random::<u64>() % 40 + u64::from(attempt) * 40, attempt),
                notes: Some(i.to_string()),
                ..pos_order(org(), 0)
            };
            match world.store.pos().create_order(order, &[], None).await.unwrap() {
                Created::New(order) => order.id.number(),
                other => panic!("{other:?}"),
            }
        }
    };
    let mut numbers = HashSet::new();
    for batch in 0..5 {
        numbers.extend(join_all((0..60).map(|i| make(batch * 60 + i))).await);
    }
    assert_eq!((numbers.len(), world.all("pos_order").await.len()), (300, 300));
    world.check_figures(org()).await;
}

#[tokio::test]
async fn one_key_makes_one_order() {
    let world = World::new().await;
    let pos = world.store.pos();
    let make = |_| Order { id: OrderId::new(org(), now(), rand::random(), 3), ..pos_order(org(), 0) };
    let request = request("f");
    let all = join_all((0..20).map(|_| pos.create_order(make, &[], Some(&request)))).await;
    let new: Vec<Order> = all
        .iter()
        .filter_map(|made| if let Ok(Created::New(order)) = made { Some(Order::clone(order)) } else { None })
        .collect();
    let [first] = &new[..] else { panic!("{} orders", new.len()) };
    let before = all.iter().filter(|made| matches!(made, Ok(Created::Before(order)) if *order == first.id)).count();
    assert_eq!(before, 19, "the others are told which one it is");
    let other = Request { fingerprint: "g".into(), ..request.clone() };
    assert_eq!(pos.create_order(make, &[], Some(&other)).await.unwrap(), Created::KeyReused);
    assert_eq!(world.all("pos_order").await.len(), 1);
    let elsewhere = |_| pos_order(other_org(), 1);
    let made = pos.create_order(elsewhere, &[], Some(&request)).await.unwrap();
    assert!(matches!(made, Created::New(_)), "another organization's key is another key");
    world.check_figures(org()).await;
}

#[tokio::test]
async fn nothing_is_written_over_another_version() {
    let world = World::new().await;
    let pos = world.store.pos();
    let order = world.make(pos_order(org(), 1)).await;
    let mine = order.hold(order.user, Edit::default(), now()).unwrap();
    let theirs = order.edit(Edit { notes: Some(Some("theirs".into())), ..Edit::default() }, now()).unwrap();
    pos.save_order(&order, &theirs).await.unwrap();

    is_stale(pos.save_order(&order, &mine).await);
    is_stale(pos.delete_order(&order).await);
    let linked = order.link("pi_1", None, None, now()).unwrap();
    is_stale(pos.link_intent(&order, &linked, "pi_1").await);
    let (paid, payment) = cash(&order, 1, 1000);
    is_stale(pos.add_payment(&order, &paid, &payment, None).await);
    let card = Payment::card(Method::TapToPay, "pi_2", order.total, now());
    is_stale(pos.add_payment(&order, &order.pay(&card, now()).unwrap(), &card, None).await);

    let full = world.full(&order).await;
    assert_eq!((&full.order, full.payments.len()), (&theirs, 0), "nothing of it");
    assert_eq!(
        (pos.load_intent(org(), "pi_1").await.unwrap(), pos.load_intent(org(), "pi_2").await.unwrap()),
        (None, None)
    );
    assert!(pos.list_held_orders(org(), None).await.unwrap().is_empty());
    world.check_figures(org()).await;
}

#[tokio::test]
async fn a_payment_counts_once() {
    let world = World::new().await;
    let pos = world.store.pos();
    let order = world.make(pos_order(org(), 1)).await;
    let (after, payment) = cash(&order, 1, 400);
    assert!(pos.add_payment(&order, &after, &payment, None).await.unwrap());
    // On the order as it is now, so that only the payment's own row stands in the way.
    let (again, payment) = cash(&after, 1, 400);
    assert!(!pos.add_payment(&after, &again, &payment, None).await.unwrap());
    let full = world.full(&order).await;
    assert_eq!((full.order, full.payments), (after, vec![payment]));
}

#[tokio::test]
async fn a_card_payment_belongs_to_one_order() {
    let world = World::new().await;
    let pos = world.store.pos();
    let (first, second) = (world.make(pos_order(org(), 1)).await, world.make(pos_order(org(), 2)).await);
    let link = |order: &Order, intent: &str| order.link(intent, Some("acct_1"), None, now()).unwrap();
    let linked = link(&first, "pi_1");
    assert!(pos.link_intent(&first, &linked, "pi_1").await.unwrap());
    assert!(!pos.link_intent(&second, &link(&second, "pi_1"), "pi_1").await.unwrap(), "it is the first one's");
    let claim = Payment::card(Method::Card, "pi_1", Cents(1000), now());
    let claimed = second.pay(&claim, now()).unwrap();
    assert!(!pos.add_payment(&second, &claimed, &claim, None).await.unwrap(), "nor can it pay the second");
    let taking = |_| Order { intent: Some("pi_1".into()), ..pos_order(org(), 3) };
    assert_eq!(pos.create_order(taking, &[], None).await.unwrap(), Created::IntentTaken);
    assert_eq!(
        world.full(&second).await,
        FullOrder { order: second.clone(), lines: vec![], payments: vec![], refunds: vec![] }
    );
    assert_eq!(world.all("pos_order").await.len(), 2);

    let again = link(&linked, "pi_1");
    assert!(pos.link_intent(&linked, &again, "pi_1").await.unwrap(), "its own may be linked again");
    let relinked = link(&again, "pi_2");
    assert!(pos.link_intent(&again, &relinked, "pi_2").await.unwrap(), "and another in its place");
    let payment = Payment::card(Method::Card, "pi_1", Cents(400), now());
    let part = relinked.pay(&payment, now()).unwrap();
    assert!(pos.add_payment(&relinked, &part, &payment, None).await.unwrap(), "the first still pays");
    let intent = pos.load_intent(org(), "pi_1").await.unwrap().unwrap();
    assert!((intent.order, intent.paid, intent.returned) == (first.id, true, false));
    assert!(!pos.link_intent(&part, &link(&part, "pi_1"), "pi_1").await.unwrap(), "what has paid is not awaited again");
    assert!(pos.load_intent(other_org(), "pi_1").await.unwrap().is_none(), "another organization knows nothing of it");
    world.check_figures(org()).await;
}

#[tokio::test]
async fn what_is_given_back_never_pays_and_what_paid_is_not_given_back() {
    let world = World::new().await;
    let pos = world.store.pos();
    let order = world.make(pos_order(org(), 1)).await;
    let back = |order: &Order, intent: &str| Return {
        org: org(),
        order: order.id,
        intent: intent.into(),
        account: "acct_1".into(),
        has_fee: true,
    };
    let wanted = back(&order, "pi_1");
    assert!(pos.return_intent(&wanted, now()).await.unwrap());
    assert!(pos.return_intent(&wanted, now()).await.unwrap(), "again, since a crash may come in between");
    let pending = pos.list_pending_refunds(now(), 10).await.unwrap();
    assert_eq!(pending.returns, slice::from_ref(&wanted), "until it is sent");
    pos.mark_returned(org(), "pi_1").await.unwrap();
    assert_eq!(pos.list_pending_refunds(now(), 10).await.unwrap(), Default::default());
    assert!(pos.load_intent(org(), "pi_1").await.unwrap().unwrap().returned);
    let payment = Payment::card(Method::Card, "pi_1", Cents(1000), now());
    let paid = order.pay(&payment, now()).unwrap();
    assert!(!pos.add_payment(&order, &paid, &payment, None).await.unwrap());
    assert!(!pos.link_intent(&order, &order.link("pi_1", None, None, now()).unwrap(), "pi_1").await.unwrap());
    assert_eq!(world.full(&order).await.order, order);

    let paid = world.paid_by_card(2, "pi_2").await;
    assert!(!pos.return_intent(&back(&paid, "pi_2"), now()).await.unwrap());
    assert!(pos.load_intent(org(), "pi_2").await.unwrap().unwrap().paid);

    let linked = order.link("pi_3", None, None, now()).unwrap();
    assert!(pos.link_intent(&order, &linked, "pi_3").await.unwrap());
    assert!(!pos.return_intent(&back(&paid, "pi_3"), now()).await.unwrap(), "it is another order's");
    assert!(!pos.load_intent(org(), "pi_3").await.unwrap().unwrap().returned);
}

#[tokio::test]
async fn what_was_heard_of_before_it_was_linked_is_not_waited_for() {
    let world = World::new().await;
    let pos = world.store.pos();
    let order = world.make(pos_order(org(), 1)).await;
    assert!(pos.hear_intent(org(), "pi_1", now()).await.unwrap());
    assert!(pos.hear_intent(org(), "pi_1", now()).await.unwrap(), "as often as it is told");
    assert_eq!(pos.load_intent(org(), "pi_1").await.unwrap(), None, "nobody's");
    assert!(!pos.link_intent(&order, &order.link("pi_1", None, None, now()).unwrap(), "pi_1").await.unwrap());
    let waiting = |_| Order { intent: Some("pi_1".into()), ..pos_order(org(), 2) };
    assert_eq!(pos.create_order(waiting, &[], None).await.unwrap(), Created::IntentTaken);
    let payment = Payment::card(Method::Card, "pi_1", Cents(1000), now());
    let paid = order.pay(&payment, now()).unwrap();
    assert!(pos.add_payment(&order, &paid, &payment, None).await.unwrap(), "but it pays");
    assert!(!pos.hear_intent(org(), "pi_1", now()).await.unwrap(), "an order has it");
    assert!(pos.load_intent(org(), "pi_1").await.unwrap().unwrap().paid);
}

#[tokio::test]
async fn an_order_is_made_with_the_money_that_has_come() {
    let world = World::new().await;
    let pos = world.store.pos();
    assert!(pos.hear_intent(org(), "pi_1", now()).await.unwrap());
    let payment = Payment::card(Method::Card, "pi_1", Cents(1000), now());
    let make = |random| {
        let order = Order { intent: Some("pi_1".into()), ..pos_order(org(), random) };
        NewOrder { order: order.pay(&payment, now()).unwrap(), payment: Some(payment.clone()) }
    };
    let Created::New(made) = pos.create_order(|_| make(1), &[], None).await.unwrap() else { panic!() };
    assert_eq!(world.full(&made).await.payments, slice::from_ref(&payment));
    assert!(pos.load_intent(org(), "pi_1").await.unwrap().unwrap().paid);
    assert_eq!(
        pos.list_pending_refunds(now(), 10).await.unwrap().orders,
        [(org(), made.id)],
        "what went back is asked for"
    );
    assert_eq!(pos.create_order(|_| make(2), &[], None).await.unwrap(), Created::IntentTaken, "it pays one order");
    world.check_figures(org()).await;
}

#[tokio::test]
async fn refunds_are_reserved_confirmed_and_undone_once() {
    let world = World::new().await;
    let pos = world.store.pos();
    let order = world.paid_by_card(1, "pi_1").await;
    let (first, row) = refund(&order, 1, 600);
    pos.reserve_refunds(&order, &first, std::slice::from_ref(&row)).await.unwrap();
    let (other, other_row) = refund(&order, 2, 600);
    is_stale(pos.reserve_refunds(&order, &other, &[other_row]).await);
    let (again, _) = refund(&first, 1, 100);
    is_stale(pos.reserve_refunds(&first, &again, std::slice::from_ref(&row)).await);
    assert_eq!(world.full(&order).await.order, first, "two at once cannot give back more than was paid");

    assert!(pos.confirm_refund(&first, row.id, "re_1").await.unwrap());
    assert!(!pos.confirm_refund(&first, row.id, "re_2").await.unwrap(), "it is through");
    is_stale(pos.fail_refund(&first, &first.undo_refund(row.amount, now()), &row).await);
    assert_eq!(world.full(&order).await.order, first);

    let (whole, last) = refund(&first, 3, 400);
    pos.reserve_refunds(&first, &whole, std::slice::from_ref(&last)).await.unwrap();
    assert_eq!(whole.status, Status::Refunded);
    world.check_figures(org()).await;
    let undone = whole.undo_refund(last.amount, now());
    pos.fail_refund(&whole, &undone, &last).await.unwrap();
    is_stale(pos.fail_refund(&undone, &undone.undo_refund(last.amount, now()), &last).await);
    let full = world.full(&order).await;
    assert_eq!((full.order.status, full.order.refunded), (Status::Completed, Cents(600)));
    let statuses: Vec<RefundStatus> = full.refunds.iter().map(|refund| refund.status).collect();
    assert_eq!(statuses, [RefundStatus::Succeeded, RefundStatus::Failed]);
    world.check_figures(org()).await;
}

#[tokio::test]
async fn twenty_tills_take_cash_for_one_order() {
    let world = World::new().await;
    let pos = world.store.pos();
    let order = world.make(pos_order(org(), 1)).await;
    let take = |id: u128| {
        let (world, order) = (&world, &order);
        async move {
            loop {
                let order = world.full(order).await.order;
                let Ok((after, payment)) = order.pay_cash(Uuid::from_u128(id), Cents(2000), now()) else {
                    return false;
                };
                match pos.add_payment(&order, &after, &payment, None).await {
                    Ok(paid) => return paid,
                    Err(StoreError::Stale) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
    };
    let taken = join_all((1..=20).map(take)).await.into_iter().filter(|taken| *taken).count();
    let full = world.full(&order).await;
    assert_eq!((taken, full.payments.len(), full.order.status), (1, 1, Status::Completed));
    world.check_figures(org()).await;
}

#[tokio::test]
async fn a_deleted_order_leaves_nothing_behind() {
    let world = World::new().await;
    let pos = world.store.pos();
    let mut order = Order { item_count: 1, device: Some("phone-1".into()), ..pos_order(org(), 1) };
    order.set_customer(Some("ana@example.com".into()));
    pos.create_order(|_| order.clone(), &[line()], None).await.unwrap();
    let held = order.hold(order.user, Edit::default(), now()).unwrap();
    pos.save_order(&order, &held).await.unwrap();
    pos.delete_order(&held).await.unwrap();
    assert!(pos.load_order(org(), order.id).await.unwrap().is_none());
    is_stale(pos.delete_order(&held).await);
    is_stale(pos.save_order(&held, &held.resume(now()).unwrap()).await);
    let left: Vec<String> = world.everything().await.iter().map(|item| text(item, "entity").to_owned()).collect();
    assert_eq!(left.len(), 3, "its number, the figures, and a customer who has bought nothing: {left:?}");
    assert!(pos.is_deleted_order(org(), order.id).await.unwrap());
    let again = |attempt: u8| pos_order(org(), 1 + u64::from(attempt));
    let Created::New(next) = pos.create_order(again, &[], None).await.unwrap() else { panic!() };
    assert_ne!(next.id, order.id, "its number does not come again");
    let customer = pos.load_customer(org(), customer_id(org(), None, "ana@example.com")).await.unwrap().unwrap();
    assert_eq!((customer.total_orders, customer.total_spent), (0, Cents::ZERO));
    world.check_figures(org()).await;
}

#[tokio::test]
async fn an_answer_that_was_lost_changes_nothing() {
    let world = World::new().await;
    let pos = world.store.pos();
    world.wire.lose("TransactWriteItems", 1, "InternalServerError");
    let order = world.make(pos_order(org(), 1)).await;
    let (after, payment) = cash(&order, 1, 1000);
    world.wire.lose("TransactWriteItems", 1, "InternalServerError");
    assert!(pos.add_payment(&order, &after, &payment, None).await.unwrap(), "it was this very one");
    assert_eq!(world.full(&order).await.payments, [payment]);
    assert_eq!(world.all("pos_order").await.len(), 1);
    world.check_figures(org()).await;
}
