//! Lists over shards: orders, what waits for payment, the log.

use domain::{
    audit::{Action, AuditEntry},
    tickets::order::{Order, OrderStatus},
};
use jiff::{SignedDuration, Timestamp};
use store::{AuditFilter, OrderFilter};

use crate::world::*;

/// Twenty orders of two events, a minute apart, oldest first; every fourth is cancelled, every fifth is Bob's.
async fn twenty(world: &World) -> Vec<Order> {
    let events = [world.on_sale(&[100]).await, world.on_sale(&[100]).await];
    let mut orders = Vec::new();
    for i in 0..20 {
        let mut order = order_at(&events[i % 2], 0, 1, later(i as i64 * 60));
        if i % 5 == 0 {
            order.buyer.name = "Bob Smith".into();
            order.buyer.email = "bob@EXAMPLE.org".into();
        }
        let order = world.place_this(order).await.unwrap();
        if i % 4 == 0 {
            world.store.release_order(&order, OrderStatus::Cancelled, None).await.unwrap();
        }
        orders.push(world.load(&order).await);
    }
    orders
}

async fn list(world: &World, filter: OrderFilter, offset: usize, limit: usize) -> (Vec<Order>, Option<usize>) {
    let page = world.store.list_orders(org(), &filter, offset, limit).await.unwrap();
    (page.orders, page.found)
}

#[tokio::test]
async fn orders_are_listed_newest_first_over_all_shards() {
    let world = World::new().await;
    let mut orders = twenty(&world).await;
    orders.reverse();
    let shards: std::collections::BTreeSet<_> =
        world.all("order").await.iter().map(|item| text(item, "gsi1pk").to_owned()).collect();
    assert!(shards.len() > 2, "twenty orders lie in several shards");
    assert_eq!(list(&world, OrderFilter::default(), 0, 100).await, (orders.clone(), None));
    assert_eq!(list(&world, OrderFilter::default(), 5, 4).await.0, orders[5..9]);
    assert!(list(&world, OrderFilter::default(), 20, 4).await.0.is_empty());
    let foreign = world.store.list_orders(other_org(), &OrderFilter::default(), 0, 100).await.unwrap();
    assert!(foreign.orders.is_empty());
}

#[tokio::test]
async fn orders_by_event_state_time_and_text() {
    let world = World::new().await;
    let mut orders = twenty(&world).await;
    orders.reverse();
    let matching = |test: &dyn Fn(&Order) -> bool| orders.iter().filter(|o| test(o)).cloned().collect::<Vec<_>>();

    let event = orders[0].event_id;
    let of_event = matching(&|order| order.event_id == event);
    let filter = OrderFilter { event: Some(event), ..OrderFilter::default() };
    assert_eq!(list(&world, filter.clone(), 0, 100).await, (of_event.clone(), None));
    assert_eq!(list(&world, filter, 3, 2).await.0, of_event[3..5]);

    let cancelled = matching(&|order| order.status == OrderStatus::Cancelled);
    let filter = OrderFilter { status: vec![OrderStatus::Cancelled], ..OrderFilter::default() };
    assert_eq!(list(&world, filter, 0, 100).await, (cancelled.clone(), None));
    let filter = OrderFilter { status: vec![OrderStatus::Cancelled, OrderStatus::Expired], ..OrderFilter::default() };
    assert_eq!(list(&world, filter.clone(), 1, 2).await, (cancelled[1..3].to_vec(), Some(5)));

    let since = later(15 * 60);
    let filter = OrderFilter { since: Some(since), ..OrderFilter::default() };
    assert_eq!(list(&world, filter, 0, 100).await.0, matching(&|order| order.created_at >= since));

    let bobs = matching(&|order| order.buyer.name == "Bob Smith");
    for search in ["bob sm", "BOB@example", "SMITH"] {
        let filter = OrderFilter { search: Some(search.into()), ..OrderFilter::default() };
        assert_eq!(list(&world, filter, 0, 3).await, (bobs[..3].to_vec(), Some(4)), "{search}");
    }
    let one = &orders[7];
    let search = Some(one.number.to_string().to_lowercase());
    let filter = OrderFilter { search, ..OrderFilter::default() };
    assert_eq!(list(&world, filter, 0, 10).await, (vec![one.clone()], Some(1)));
    let filter = OrderFilter { search: Some("nobody".into()), event: Some(event), ..OrderFilter::default() };
    assert_eq!(list(&world, filter, 0, 10).await, (vec![], Some(0)));
}

#[tokio::test]
async fn orders_that_wait_for_payment_oldest_first() {
    let world = World::new().await;
    let orders = twenty(&world).await;
    let pending: Vec<Order> = orders.into_iter().filter(|order| order.status == OrderStatus::Pending).collect();
    let (from, to) = (pending[2].created_at, pending[9].created_at);
    assert_eq!(world.store.list_pending_orders(org(), from, to, 100).await.unwrap(), pending[2..10]);
    assert_eq!(world.store.list_pending_orders(org(), from, to, 3).await.unwrap(), pending[2..5]);
    let everything = world.store.list_pending_orders(org(), Timestamp::UNIX_EPOCH, later(10_000), 100).await.unwrap();
    assert_eq!(everything, pending);
    let until = to - SignedDuration::from_millis(1);
    assert_eq!(world.store.list_pending_orders(org(), from, until, 100).await.unwrap(), pending[2..9]);
    assert!(world.store.list_pending_orders(other_org(), from, to, 100).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_sweepers_mark_goes_forward_only() {
    let world = World::new().await;
    assert_eq!(world.store.load_swept_until(org()).await.unwrap(), Timestamp::UNIX_EPOCH);
    for (saved, expected) in [(10, 10), (30, 30), (20, 30), (30, 30), (31, 31)] {
        world.store.save_swept_until(org(), later(saved)).await.unwrap();
        assert_eq!(world.store.load_swept_until(org()).await.unwrap(), later(expected));
    }
    let item = world.item(&format!("ORG#{}", org()), "SWEEP").await.unwrap();
    assert_keys(&item, &[("pk", format!("ORG#{}", org())), ("sk", "SWEEP".into()), ("entity", "sweep".into())]);
    assert_eq!(world.store.load_swept_until(other_org()).await.unwrap(), Timestamp::UNIX_EPOCH);
}

#[tokio::test]
async fn the_log_is_read_newest_first_over_all_shards() {
    let world = World::new().await;
    let mut entries = Vec::new();
    for i in 0..20 {
        let entry = AuditEntry {
            at: later(i),
            action: if i % 3 == 0 { Action::CheckIn } else { Action::StatusChange },
            entity_type: if i % 2 == 0 { "order".into() } else { "event".into() },
            ..audit(&format!("entry-{i}"))
        };
        world.store.write_audit(&entry).await.unwrap();
        world.store.write_audit(&entry).await.unwrap();
        entries.insert(0, entry);
    }
    world.store.write_audit(&AuditEntry { org: other_org(), ..audit("foreign") }).await.unwrap();
    let oldest = &entries[19];
    let pk = format!("ORG#{}#AUDIT#{}", org(), shard("entry-0"));
    let item = world.item(&pk, &format!("{}#entry-0", now().as_millisecond())).await.unwrap();
    let sk = format!("{}#entry-0", now().as_millisecond());
    assert_keys(&item, &[("pk", pk), ("sk", sk), ("entity", "audit".into())]);
    assert_eq!(serde_dynamo::from_item::<_, AuditEntry>(item).unwrap(), *oldest);

    let list =
        async |filter: AuditFilter, offset, limit| world.store.list_audit(org(), &filter, offset, limit).await.unwrap();
    assert_eq!(list(AuditFilter::default(), 0, 100).await, entries);
    assert_eq!(list(AuditFilter::default(), 3, 5).await, entries[3..8]);
    assert!(list(AuditFilter::default(), 20, 5).await.is_empty());
    let pick = |test: &dyn Fn(&AuditEntry) -> bool| entries.iter().filter(|e| test(e)).cloned().collect::<Vec<_>>();
    let filter = AuditFilter { action: Some(Action::CheckIn), ..AuditFilter::default() };
    assert_eq!(list(filter, 0, 100).await, pick(&|entry| entry.action == Action::CheckIn));
    let filter = AuditFilter { action: Some(Action::CheckIn), entity_type: Some("order".into()) };
    let both = pick(&|entry| entry.action == Action::CheckIn && entry.entity_type == "order");
    assert_eq!(list(filter, 1, 2).await, both[1..3]);
}
