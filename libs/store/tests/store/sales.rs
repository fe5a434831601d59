//! Sales over time: shards merged into one list, read in parts, filtered, and summed.

use std::ops::ControlFlow;

use domain::{
    ids::{CatalogId, OrgId, ProductId, UserId},
    money::Cents,
    pos::order::{Line, Method, Order, OrderId, Payment, Status},
};
use jiff::Timestamp;
use proptest::prelude::*;
use store::pos::sales::{Direction, SaleFilter};
use uuid::Uuid;

use crate::world::*;

pub(crate) fn sale(org: OrgId, random: u64, at: Timestamp) -> Order {
    Order {
        id: OrderId::new(org, at, random, 9),
        org,
        version: 0,
        status: Status::Completed,
        method: Some(Method::Cash),
        subtotal: Cents(1000),
        tax: Cents::ZERO,
        tip: Cents::ZERO,
        total: Cents(1000),
        paid: Cents(1000),
        refunded: Cents::ZERO,
        payments: 1,
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
        created_at: at,
        updated_at: at,
        completed_at: Some(at),
    }
}

fn catalog() -> CatalogId {
    CatalogId::from_random([6; 16])
}

pub(crate) async fn save(world: &World, order: &Order, lines: &[Line]) {
    world.store.pos().create_order(|_| order.clone(), lines, None).await.unwrap();
}

/// Sixty sales, pairs of them in the same millisecond, newest first; every third from a catalog, every fourth failed, every
/// fifth with the phone, every sixth Ana's.
async fn sixty(world: &World) -> Vec<Order> {
    let mut orders = Vec::new();
    for i in 0..60i64 {
        let mut order = sale(org(), 7 * i as u64 + 1, later(i / 2 * 60));
        order.catalog = (i % 3 == 0).then(catalog);
        order.status = if i % 4 == 0 { Status::Failed } else { Status::Completed };
        order.device = (i % 5 == 0).then(|| "phone-1".to_owned());
        order.customer_email = (i % 6 == 0).then(|| "ana@example.com".to_owned());
        order.total = Cents(100 * i);
        order.refunded = Cents(i % 2);
        save(world, &order, &[]).await;
        orders.push(order);
    }
    save(world, &sale(other_org(), 1, now()), &[]).await;
    orders.sort_by_key(|order| std::cmp::Reverse((order.created_at, order.id.to_string())));
    orders
}

/// All of a list in parts of `limit`.
async fn in_parts(world: &World, filter: &SaleFilter, direction: Direction, limit: usize) -> Vec<Order> {
    let mut all: Vec<Order> = Vec::new();
    loop {
        let after = all.last().cloned();
        let page = world.store.pos().page_sales(org(), filter, direction, after.as_ref(), limit).await.unwrap();
        assert!(page.orders.len() == limit || !page.has_more, "a part is full while there is more");
        all.extend(page.orders);
        if !page.has_more {
            return all;
        }
    }
}

#[tokio::test]
async fn parts_of_a_list_are_the_list() {
    let world = World::new().await;
    let orders = sixty(&world).await;
    let mut oldest_first = orders.clone();
    oldest_first.reverse();
    for limit in [1, 7, 20, 59, 60, 61] {
        assert_eq!(in_parts(&world, &SaleFilter::default(), Direction::NewestFirst, limit).await, orders, "{limit}");
        assert_eq!(in_parts(&world, &SaleFilter::default(), Direction::OldestFirst, limit).await, oldest_first);
    }
    let pos = world.store.pos();
    let page = pos.page_sales(other_org(), &SaleFilter::default(), Direction::NewestFirst, None, 60).await.unwrap();
    assert_eq!(page.orders.len(), 1, "another organization's own");
}

/// What the app asks for at every start: the newest sales of this phone from its catalog.
#[tokio::test]
async fn a_phones_few_sales_are_found_without_reading_all_of_its_catalog() {
    let world = World::new().await;
    let mut expected = Vec::new();
    for i in 0..200 {
        let mut order = sale(org(), i + 1, later(i as i64));
        order.catalog = Some(catalog());
        order.device = Some(if i % 20 == 0 { "phone-1" } else { "phone-2" }.to_owned());
        save(&world, &order, &[]).await;
        if i % 20 == 0 {
            expected.insert(0, order);
        }
    }
    let filter = SaleFilter { catalog: Some(catalog()), device: Some("phone-1".to_owned()), ..Default::default() };
    world.wire.take_calls();
    let page = world.store.pos().page_sales(org(), &filter, Direction::NewestFirst, None, 25).await.unwrap();
    assert_eq!((page.orders, page.has_more), (expected, false));
    let calls = world.wire.take_calls();
    assert!(calls.iter().all(|call| call == "Query"), "{calls:?}");
    assert!(calls.len() <= 4 * 8, "a few pages of each shard: {calls:?}");
}

#[tokio::test]
async fn every_filter_and_all_of_them() {
    let world = World::new().await;
    let orders = sixty(&world).await;
    let phone = || Some("phone-1".to_owned());
    let filters = [
        SaleFilter { statuses: vec![Status::Completed], ..Default::default() },
        SaleFilter { statuses: vec![Status::Failed, Status::Refunded], ..Default::default() },
        SaleFilter { catalog: Some(catalog()), ..Default::default() },
        SaleFilter { device: phone(), ..Default::default() },
        SaleFilter { customer_email: Some("ana@example.com".into()), ..Default::default() },
        SaleFilter { from: Some(later(300)), to: Some(later(600)), ..Default::default() },
        SaleFilter { refunded: Some(true), ..Default::default() },
        SaleFilter { refunded: Some(false), ..Default::default() },
        SaleFilter { min: Some(Cents(500)), max: Some(Cents(900)), ..Default::default() },
        SaleFilter {
            catalog: Some(catalog()),
            device: phone(),
            statuses: vec![Status::Completed],
            ..Default::default()
        },
    ];
    let expected = |filter: &SaleFilter| -> Vec<Order> {
        let keeps = |order: &&Order| {
            (filter.statuses.is_empty() || filter.statuses.contains(&order.status))
                && (filter.catalog.is_none() || order.catalog == filter.catalog)
                && (filter.device.is_none() || order.device == filter.device)
                && (filter.customer_email.is_none() || order.customer_email == filter.customer_email)
                && filter.from.is_none_or(|from| order.created_at >= from)
                && filter.to.is_none_or(|to| order.created_at < to)
                && filter.min.is_none_or(|min| order.total >= min)
                && filter.max.is_none_or(|max| order.total <= max)
                && filter.refunded.is_none_or(|refunded| refunded != order.refunded.is_zero())
        };
        orders.iter().filter(keeps).cloned().collect()
    };
    for filter in filters {
        let expected = expected(&filter);
        assert!(!expected.is_empty() && expected.len() < 60, "{filter:?}");
        for limit in [1, 4, 100] {
            assert_eq!(in_parts(&world, &filter, Direction::NewestFirst, limit).await, expected, "{limit} {filter:?}");
        }
    }
    let backwards = SaleFilter { from: Some(later(600)), to: Some(later(300)), ..Default::default() };
    assert!(in_parts(&world, &backwards, Direction::NewestFirst, 5).await.is_empty());
}

#[tokio::test]
async fn sums_see_each_sale_of_the_period_once() {
    let world = World::new().await;
    let orders = sixty(&world).await;
    let pos = world.store.pos();
    let (from, to) = (later(120), later(900));
    let expected: Vec<Order> = orders
        .iter()
        .filter(|order| order.status == Status::Completed && order.created_at >= from && order.created_at < to)
        .cloned()
        .collect();
    let mut seen = Vec::new();
    let mut see = |order| {
        seen.push(order);
        ControlFlow::Continue(())
    };
    pos.each_sale(org(), from, to, &[Status::Completed], &mut see).await.unwrap();
    assert_eq!(seen, expected);
    assert_eq!(pos.list_sales(org(), from, to, &[Status::Completed], 100).await.unwrap(), expected);
    assert_eq!(pos.list_sales(org(), from, to, &[Status::Completed], 3).await.unwrap(), expected[..3]);
    let mut first = None;
    let take_one = |order| {
        first = Some(order);
        ControlFlow::Break(())
    };
    pos.each_sale(org(), from, to, &[], take_one).await.unwrap();
    assert_eq!(first.unwrap().created_at, later(840));
}

#[tokio::test]
async fn lines_and_card_payments_come_by_one_call() {
    let world = World::new().await;
    let pos = world.store.pos();
    let line = Line {
        id: Uuid::from_u128(1),
        product: Some(ProductId::from_random([1; 16])),
        catalog_product: None,
        category: None,
        name: "Lemonade".into(),
        quantity: 2,
        unit_price: Cents(500),
        notes: None,
    };
    let unpaid =
        |random| Order { status: Status::Pending, paid: Cents::ZERO, payments: 0, ..sale(org(), random, now()) };
    let (with_line, bare) = (unpaid(1), unpaid(2));
    save(&world, &with_line, std::slice::from_ref(&line)).await;
    save(&world, &bare, &[]).await;
    let linked = with_line.link("pi_1", Some("acct_1"), None, now()).unwrap();
    assert!(pos.link_intent(&with_line, &linked, "pi_1").await.unwrap());
    let payment = Payment { last4: Some("4242".into()), ..Payment::card(Method::TapToPay, "pi_1", Cents(1000), now()) };
    let paid = linked.pay(&payment, now()).unwrap();
    assert!(pos.add_payment(&linked, &paid, &payment, None).await.unwrap());

    world.wire.take_calls();
    let lines = pos.load_lines(org(), &[with_line.id, bare.id]).await.unwrap();
    assert_eq!((lines.len(), &lines[&with_line.id]), (1, &vec![line]));
    let payments = pos.load_card_payments(&[paid.clone(), bare.clone()]).await.unwrap();
    assert_eq!((payments.len(), &payments[&paid.id]), (1, &payment));
    assert_eq!(world.wire.take_calls(), ["BatchGetItem", "BatchGetItem"]);
    assert!(pos.load_lines(other_org(), &[with_line.id]).await.unwrap().is_empty(), "another organization's");
}

/// A first page asks each shard once, for little, however many sales there are.
#[tokio::test]
async fn a_first_page_costs_one_query_of_each_shard() {
    let world = World::new().await;
    sixty(&world).await;
    world.wire.take_calls();
    let page =
        world.store.pos().page_sales(org(), &SaleFilter::default(), Direction::NewestFirst, None, 10).await.unwrap();
    assert!(page.has_more);
    let calls = world.wire.take_calls();
    assert!(calls.iter().all(|call| call == "Query") && (8..=12).contains(&calls.len()), "{calls:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// However many orders share a moment, none is lost or told twice where one part ends and the next begins.
    #[test]
    fn a_cursor_neither_loses_nor_repeats(moments in prop::collection::vec(0..4i64, 1..25), limit in 1..6usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            let mut orders = Vec::new();
            for (i, at) in moments.iter().enumerate() {
                let order = sale(org(), i as u64, later(*at));
                save(&world, &order, &[]).await;
                orders.push(order);
            }
            orders.sort_by_key(|order| std::cmp::Reverse((order.created_at, order.id.to_string())));
            assert_eq!(in_parts(&world, &SaleFilter::default(), Direction::NewestFirst, limit).await, orders);
        });
    }
}
