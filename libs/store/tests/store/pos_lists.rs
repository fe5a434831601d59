//! Orders and customers found: newest first, by every filter, counted exactly, and at a cost that does not grow.

use domain::{
    ids::{CatalogId, CustomerId, UserId},
    money::Cents,
    pos::{
        customer::{Customer, customer_id},
        order::{Edit, Order, OrderId, Status},
    },
};
use futures_util::future::join_all;
use store::pos::{customer::Contact, list::OrderFilter};

use crate::{
    pos_orders::{catalog, pos_order},
    world::*,
};

/// Orders a minute apart, of all kinds; newest first.
async fn shop(world: &World, count: u64) -> Vec<Order> {
    let orders = (0..count).map(|i| {
        let at = later(60 * (i as i64 / 2));
        let mut order = Order { id: OrderId::new(org(), at, i, 9), created_at: at, ..pos_order(org(), 0) };
        order.catalog = (i % 3 == 0).then(catalog);
        order.device = (i % 4 == 0).then(|| "phone-1".to_owned());
        order.user = UserId::from_random([(i % 2) as u8; 16]);
        order.status = if i % 5 == 0 { Status::Failed } else { Status::Pending };
        order.set_customer((i % 7 == 0).then(|| "ana@example.com".to_owned()));
        order
    });
    let mut orders: Vec<Order> = orders.collect();
    for batch in orders.chunks(50) {
        join_all(batch.iter().map(|order| world.make(order.clone()))).await;
    }
    orders.sort_by_key(|order| std::cmp::Reverse((order.created_at, order.id.to_string())));
    orders
}

async fn list(world: &World, filter: &OrderFilter, offset: usize, limit: usize) -> (Vec<OrderId>, u64) {
    let page = world.store.pos().list_orders(org(), filter, offset, limit).await.unwrap();
    (page.orders.iter().map(|order| order.id).collect(), page.total)
}

#[tokio::test]
async fn every_filter_finds_its_orders_and_counts_them() {
    let world = World::new().await;
    let orders = shop(&world, 80).await;
    world.make(pos_order(other_org(), 1)).await;
    let customer: Option<CustomerId> = Some(customer_id(org(), None, "ana@example.com"));
    let phone = || Some("phone-1".to_owned());
    let filters = [
        OrderFilter::default(),
        OrderFilter { status: Some(Status::Failed), ..Default::default() },
        OrderFilter { status: Some(Status::Completed), ..Default::default() },
        OrderFilter { catalog: Some(catalog()), ..Default::default() },
        OrderFilter { catalog: Some(CatalogId::from_random([9; 16])), ..Default::default() },
        OrderFilter { customer, ..Default::default() },
        OrderFilter { user: Some(UserId::from_random([1; 16])), ..Default::default() },
        OrderFilter { device: phone(), ..Default::default() },
        OrderFilter { catalog: Some(catalog()), status: Some(Status::Failed), ..Default::default() },
        OrderFilter { device: phone(), user: Some(UserId::from_random([0; 16])), customer, ..Default::default() },
    ];
    for filter in filters {
        let keeps = |order: &&Order| {
            filter.status.is_none_or(|status| order.status == status)
                && filter.catalog.is_none_or(|catalog| order.catalog == Some(catalog))
                && filter.customer.is_none_or(|customer| order.customer == Some(customer))
                && filter.user.is_none_or(|user| order.user == user)
                && filter.device.as_ref().is_none_or(|device| order.device.as_ref() == Some(device))
        };
        let expected: Vec<OrderId> = orders.iter().filter(keeps).map(|order| order.id).collect();
        for (offset, limit) in [(0, 25), (0, 100), (3, 5), (25, 25), (79, 25), (200, 25)] {
            let page: Vec<OrderId> = expected.iter().skip(offset).take(limit).copied().collect();
            assert_eq!(
                list(&world, &filter, offset, limit).await,
                (page, expected.len() as u64),
                "{filter:?} {offset}"
            );
        }
    }
}

#[tokio::test]
async fn held_orders_are_a_list_of_their_own() {
    let world = World::new().await;
    let pos = world.store.pos();
    let orders = shop(&world, 12).await;
    let hold = async |order: &Order, seconds: i64| {
        let held = order.hold(order.user, Edit::default(), later(seconds)).unwrap();
        pos.save_order(order, &held).await.unwrap();
        held
    };
    let pending: Vec<&Order> = orders.iter().filter(|order| order.status == Status::Pending).collect();
    let (first, second, third) = (hold(pending[0], 10).await, hold(pending[5], 30).await, hold(pending[2], 20).await);
    assert_eq!(pos.list_held_orders(org(), None).await.unwrap(), [second.clone(), third.clone(), first.clone()]);
    let phone = |order: &&&Order| order.device.as_deref() == Some("phone-1");
    let expected: Vec<Order> = [&second, &third, &first].iter().filter(phone).map(|order| (**order).clone()).collect();
    assert!(!expected.is_empty() && expected.len() < 3, "some are the phone's");
    assert_eq!(pos.list_held_orders(org(), Some("phone-1")).await.unwrap(), expected);
    assert!(pos.list_held_orders(other_org(), None).await.unwrap().is_empty());

    let held = OrderFilter { status: Some(Status::Held), ..Default::default() };
    let mut by_age = [first.clone(), second.clone(), third.clone()];
    by_age.sort_by_key(|order| std::cmp::Reverse((order.created_at, order.id.to_string())));
    let ids: Vec<OrderId> = by_age.iter().map(|order| order.id).collect();
    assert_eq!(list(&world, &held, 0, 25).await, (ids.clone(), 3), "among all orders, by when they were made");
    assert_eq!(list(&world, &held, 1, 1).await, (vec![ids[1]], 3));

    let renamed = second.edit(Edit { hold_name: Some("Ana".into()), ..Edit::default() }, now()).unwrap();
    pos.save_order(&second, &renamed).await.unwrap();
    pos.save_order(&third, &third.resume(now()).unwrap()).await.unwrap();
    assert_eq!(pos.list_held_orders(org(), None).await.unwrap(), [renamed, first]);
    world.check_figures(org()).await;
}

/// Calls of a first page, by their names.
async fn calls_of(world: &World, filter: &OrderFilter) -> Vec<String> {
    world.wire.take_calls();
    let page = world.store.pos().list_orders(org(), filter, 0, 25).await.unwrap();
    assert!(!page.orders.is_empty());
    world.wire.take_calls()
}

#[tokio::test]
async fn a_first_page_costs_the_same_however_many_orders_follow() {
    let world = World::new().await;
    shop(&world, 10).await;
    let few = calls_of(&world, &OrderFilter::default()).await;
    assert_eq!(few.iter().filter(|call| *call == "Query").count(), 8, "one for each shard: {few:?}");
    let more = World::new().await;
    shop(&more, 1500).await;
    let many = calls_of(&more, &OrderFilter::default()).await;
    // A shard that has by chance more than its share of the newest is read once more: its pages are of eight orders and
    // then of sixteen, whatever lies behind.
    assert!(many.iter().filter(|call| *call == "Query").count() <= 16, "{many:?}");
    assert_eq!(many.iter().filter(|call| *call == "BatchGetItem").count(), 1, "the figures: {many:?}");
}

fn contact(email: &str, name: Option<&str>) -> Contact {
    Contact { email: email.into(), name: name.map(str::to_owned), phone: None }
}

#[tokio::test]
async fn customers_follow_their_orders() {
    let world = World::new().await;
    let pos = world.store.pos();
    let ordered = |random: u64, email: &str, at: i64| {
        let mut order = Order { created_at: later(at), catalog: Some(catalog()), ..pos_order(org(), random) };
        order.set_customer(Some(email.into()));
        order
    };
    let load = async |email: &str| -> Customer {
        let id = customer_id(org(), Some(catalog()), email);
        pos.load_customer(org(), id).await.unwrap().unwrap()
    };
    let first = world.make(ordered(1, "ana@example.com", 0)).await;
    let known = load("ana@example.com").await;
    assert_eq!((known.total_orders, known.total_spent, known.catalog), (1, Cents(1000), Some(catalog())));
    assert_eq!((known.created_at, known.last_order_at), (now(), Some(now())));
    world.make(ordered(2, "ana@example.com", 60)).await;
    let known = load("ana@example.com").await;
    assert_eq!((known.total_orders, known.total_spent), (2, Cents(2000)));
    assert_eq!((known.created_at, known.last_order_at), (now(), Some(later(60))), "known since the first");

    let dearer = first.edit(Edit { tip: Some(Cents(200)), ..Edit::default() }, now()).unwrap();
    pos.save_order(&first, &dearer).await.unwrap();
    assert_eq!(load("ana@example.com").await.total_spent, Cents(2200));
    let moved =
        dearer.edit(Edit { customer_email: Some(Some("bob@example.com".into())), ..Edit::default() }, now()).unwrap();
    pos.save_order(&dearer, &moved).await.unwrap();
    let (ana, bob) = (load("ana@example.com").await, load("bob@example.com").await);
    assert_eq!((ana.total_orders, ana.total_spent), (1, Cents(1000)));
    assert_eq!((bob.total_orders, bob.total_spent, bob.last_order_at), (1, Cents(1200), Some(now())));
    let same =
        moved.edit(Edit { customer_email: Some(Some("bob@example.com".into())), ..Edit::default() }, now()).unwrap();
    pos.save_order(&moved, &same).await.unwrap();
    assert_eq!(load("bob@example.com").await, bob, "a receipt sent again counts nothing");
    pos.delete_order(&same).await.unwrap();
    assert_eq!(
        (load("bob@example.com").await.total_orders, load("bob@example.com").await.total_spent),
        (0, Cents::ZERO)
    );

    assert!(pos.record_order(org(), ana.id, Cents(500), later(120)).await.unwrap());
    let ana = load("ana@example.com").await;
    assert_eq!((ana.total_orders, ana.total_spent, ana.last_order_at), (2, Cents(1500), Some(later(120))));
    assert!(!pos.record_order(other_org(), ana.id, Cents(500), now()).await.unwrap(), "another's is not found");
    assert!(world.all("customer").await.len() == 2, "and not made");
}

#[tokio::test]
async fn customers_by_hand() {
    let world = World::new().await;
    let pos = world.store.pos();
    let (saved, is_new) =
        pos.save_customer(org(), &contact("eva@example.com", Some("Eva Ärger")), now()).await.unwrap();
    assert!(is_new && saved.total_orders == 0 && saved.last_order_at.is_none());
    let id = saved.id.to_string();
    let pk = format!("ORG#{}#CUSTOMER#{id}", org());
    assert_keys(
        &world.item(&pk, "CUSTOMER").await.unwrap(),
        &[
            ("pk", pk.clone()),
            ("sk", "CUSTOMER".into()),
            ("gsi1pk", format!("ORG#{}#NAMES#{}", org(), shard(&id))),
            ("gsi1sk", format!("eva ärger#{id}")),
            ("gsi2pk", format!("ORG#{}#CUSTOMERS#{}", org(), shard(&id))),
            ("gsi2sk", format!("eva@example.com#{id}")),
            ("entity", "customer".into()),
        ],
    );
    let phone = Contact { email: "eva@example.com".into(), name: None, phone: Some("555".into()) };
    let (again, is_new) = pos.save_customer(org(), &phone, later(60)).await.unwrap();
    assert_eq!((is_new, again), (false, Customer { phone: Some("555".into()), ..saved }), "the name stays");
    let (_, is_new) = pos.save_customer(other_org(), &contact("eva@example.com", None), now()).await.unwrap();
    assert!(is_new, "another organization's own");
    let all =
        join_all((0..10).map(|_| async { pos.save_customer(org(), &contact("race@example.com", None), now()).await }))
            .await;
    assert_eq!(all.into_iter().filter(|saved| saved.as_ref().unwrap().1).count(), 1, "new once");
}

#[tokio::test]
async fn customers_are_found_by_how_they_begin() {
    let world = World::new().await;
    let pos = world.store.pos();
    let named = [("zoe@example.com", "Anna Zoe"), ("ann@example.com", "Annabel"), ("yan@example.com", "Yan Ann")];
    for (email, name) in named {
        pos.save_customer(org(), &contact(email, Some(name)), now()).await.unwrap();
    }
    for i in 0..30 {
        pos.save_customer(org(), &contact(&format!("c{i:02}@example.com"), None), now()).await.unwrap();
    }
    pos.save_customer(other_org(), &contact("ann@example.com", Some("Ann")), now()).await.unwrap();
    let list = async |search: &str, offset: usize, limit: usize| {
        let page = pos.list_customers(org(), search, offset, limit).await.unwrap();
        (page.customers.into_iter().map(|customer| customer.email).collect::<Vec<_>>(), page.total)
    };
    let emails = |emails: &[&str]| emails.iter().map(|email| (*email).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        list("ann", 0, 50).await,
        (emails(&["ann@example.com", "zoe@example.com"]), 2),
        "e-mail first, then name"
    );
    assert_eq!(list("ann", 1, 50).await, (emails(&["zoe@example.com"]), 2));
    assert_eq!(list("ann", 0, 1).await, (emails(&["ann@example.com"]), 2));
    assert_eq!(list("ann", 2, 1).await, (vec![], 2));
    assert_eq!(list("example", 0, 50).await, (vec![], 0), "the beginning, not the middle");
    let (all, total) = list("", 0, 100).await;
    assert_eq!((all.len(), total, all.is_sorted()), (33, 33, true));
    let (part, total) = list("c", 10, 5).await;
    assert_eq!((part, total), ((10..15).map(|i| format!("c{i}@example.com")).collect(), 30));
    let found = pos.search_customers(org(), "an", 10).await.unwrap();
    assert_eq!(
        found.iter().map(|customer| customer.email.as_str()).collect::<Vec<_>>(),
        ["ann@example.com", "zoe@example.com"]
    );
    assert_eq!(pos.search_customers(org(), "c", 3).await.unwrap().len(), 3);
}
