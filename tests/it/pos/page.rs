//! A first page costs the same, however much an organization has sold. Counted, not timed: `cargo bench-table pages` times it
//! among a hundred thousand.

#[path = "../../../benches/src/meter.rs"]
mod meter;

use std::collections::HashMap;

use aws_smithy_runtime_api::client::interceptors::SharedInterceptor;
use domain::{
    ids::{OrgId, UserId},
    money::Cents,
    pos::order::{Order, OrderId, Status},
};
use jiff::{SignedDuration, Timestamp};
use runtime::{Aws, Ctx};
use store::pos::list::OrderFilter;

use self::meter::{Cost, Meter};
use crate::app::App;

/// Orders of a page.
const PAGE: usize = 10;

fn org() -> OrgId {
    OrgId::from_random([77; 16])
}

/// One order a second, all of them completed.
fn sold(number: u64, now: Timestamp) -> Order {
    let at = now - SignedDuration::from_secs(number as i64);
    // Far apart, so that they spread over the shards as random ones do.
    let id = OrderId::new(org(), at, number.wrapping_mul(0x9e37_79b9_7f4a_7c15), 8);
    serde_json::from_value(serde_json::json!({
        "id": id, "org": org(), "version": 1, "status": "completed", "subtotal": 1000, "tax": 0, "tip": 0, "total": 1000,
        "paid": 1000, "refunded": 0, "payments": 1, "user": UserId::from_random([78; 16]), "item_count": 0,
        "created_at": at.as_millisecond(), "updated_at": at.as_millisecond(), "completed_at": at.as_millisecond(),
    }))
    .unwrap()
}

/// The cost of the first page, and of the first page of completed orders.
async fn first_pages(ctx: &Ctx, meter: &Meter, total: u64) -> [Cost; 2] {
    let completed = OrderFilter { status: Some(Status::Completed), ..OrderFilter::default() };
    let mut costs = [Cost::default(); 2];
    for (cost, filter) in costs.iter_mut().zip([OrderFilter::default(), completed]) {
        meter.take();
        let page = ctx.store().pos().list_orders(org(), &filter, 0, PAGE).await.unwrap();
        *cost = meter.take();
        assert_eq!((page.orders.len(), page.total), (PAGE, total));
        assert!(page.orders.is_sorted_by_key(|order| std::cmp::Reverse(order.created_at)));
        assert_eq!(page.orders[0].total, Cents(1000));
    }
    costs
}

#[tokio::test]
async fn a_first_page_costs_the_same_among_ten_orders_and_among_thousands() {
    let app = App::start().await;
    let env = HashMap::from([
        ("AWS_ENDPOINT_URL".to_owned(), app.cloud.aws_url().to_owned()),
        ("AWS_ACCESS_KEY_ID".to_owned(), "local".to_owned()),
        ("AWS_SECRET_ACCESS_KEY".to_owned(), "local".to_owned()),
    ]);
    let meter = Meter::default();
    let base = app.cloud.ctx("pos-orders");
    let aws = Aws::from_map(&env).with_interceptor(SharedInterceptor::new(meter.clone()));
    let ctx = Ctx::new(base.settings().clone(), aws, base.clock().clone()).unwrap();
    let orders: Vec<Order> = (0..2000).map(|number| sold(number, ctx.now())).collect();

    ctx.store().pos().import_orders(org(), &orders[..PAGE]).await.unwrap();
    let few = first_pages(&ctx, &meter, PAGE as u64).await;
    ctx.store().pos().import_orders(org(), &orders[PAGE..]).await.unwrap();
    let many = first_pages(&ctx, &meter, orders.len() as u64).await;
    assert_eq!(few, many);
    assert!(few.iter().all(|cost| cost.rounds == 1), "the figures are read beside the page: {few:?}");
}
