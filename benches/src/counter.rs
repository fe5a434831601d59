//! What the database is asked, and what it charges, per step at the counter; and a list's first page among ten orders and
//! among a hundred thousand.

use std::time::{Duration, Instant};

use domain::{
    ids::{OrgId, UserId},
    member::{Member, Org, Role},
    money::Cents,
    pos::order::{Method, Order, OrderId, Status},
};
use jiff::{SignedDuration, Timestamp};
use local::seed::Demo;
use runtime::{Ctx, Function, Invoker};
use serde_json::{Value, json};

use crate::{
    meter::Cost,
    shop::{Purpose, Shop, send},
};

/// Pages that are read for a median.
const READ: usize = 101;

/// Orders of the organizations. A page has as many as the smallest of them.
const SIZES: [u64; 3] = [10, 1_000, 100_000];

/// Prints the table of steps.
pub async fn run() -> anyhow::Result<()> {
    let shop = Shop::open(Purpose::Count).await?;
    let demo = shop.cloud.demo().ok_or_else(|| anyhow::anyhow!("no demo data"))?;
    println!(
        "| step at the counter | database calls | one after the other | write units | read units |\n|---|---|---|---|---|"
    );
    identity(&shop, demo).await?;
    sales(&shop, demo).await?;
    println!();
    Ok(())
}

fn bind(shop: &Shop, function: Function) -> Invoker {
    function.into_invoker(shop.ctx.clone())
}

fn row(step: &str, cost: Cost) {
    println!("| {step} | {} | {} | {} | {} |", cost.calls, cost.rounds, cost.writes, cost.reads);
}

async fn identity(shop: &Shop, demo: &Demo) -> anyhow::Result<()> {
    let auth = bind(shop, pos_auth::function());
    let owner = demo.user(Role::Superadmin).ok_or_else(|| anyhow::anyhow!("no owner"))?;
    let body = json!({"email": owner.email, "password": owner.password, "source": "app"});
    shop.meter.take();
    send(&auth, "POST", "/pos/auth/login", None, Some(&body)).await?;
    row("login", shop.meter.take());
    send(&auth, "GET", "/pos/auth/me", Some(&owner.user_id.to_string()), None).await?;
    row("me", shop.meter.take());
    Ok(())
}

async fn sales(shop: &Shop, demo: &Demo) -> anyhow::Result<()> {
    let (orders, payments) = (bind(shop, pos_orders::function()), bind(shop, pos_payments::function()));
    let worker = bind(shop, workers_payments::function());
    let owner = demo.user(Role::Superadmin).ok_or_else(|| anyhow::anyhow!("no owner"))?.user_id.to_string();
    let owner = Some(owner.as_str());
    let mut order = json!({"subtotal": 1500, "tipAmount": 225, "totalAmount": 1725, "isQuickCharge": true});
    shop.meter.take();
    let cash = send(&orders, "POST", "/pos/orders", owner, Some(&order)).await?;
    row("order (a quick charge)", shop.meter.take());
    let line = |name: &str| json!({"name": name, "quantity": 1, "unitPrice": 500});
    order["items"] = ["Lemonade", "Pretzel", "Ice cream"].map(line).to_vec().into();
    order["isQuickCharge"] = false.into();
    let card = send(&orders, "POST", "/pos/orders", owner, Some(&order)).await?;
    row("order (three items)", shop.meter.take());
    order["customerEmail"] = "ana.maria@example.com".into();
    send(&orders, "POST", "/pos/orders", owner, Some(&order)).await?;
    row("order (three items, a customer)", shop.meter.take());

    let path = format!("/pos/orders/{}/complete-cash", text(&cash["id"]));
    send(&orders, "POST", &path, owner, Some(&json!({"cashTendered": 2000}))).await?;
    row("cash", shop.meter.take());

    let wanted = json!({"amount": 17.25, "metadata": {"orderId": card["id"]}});
    let intent = send(&payments, "POST", "/pos/stripe/terminal/payment-intent", owner, Some(&wanted)).await?;
    row("card payment begun", shop.meter.take());
    let linked = json!({"stripePaymentIntentId": intent["id"]});
    let path = format!("/pos/orders/{}/payment-intent", text(&card["id"]));
    send(&orders, "PATCH", &path, owner, Some(&linked)).await?;
    row("card payment linked", shop.meter.take());
    shop.cloud.stripe().tap(text(&intent["id"]), "4242424242424242");
    let event = succeeded(shop, text(&intent["id"]))?;
    worker.invoke(event.clone(), Default::default()).await.map_err(|error| anyhow::anyhow!(error))?;
    row("tap to pay, settled by its webhook", shop.meter.take());
    worker.invoke(event, Default::default()).await.map_err(|error| anyhow::anyhow!(error))?;
    row("the same webhook again", shop.meter.take());

    send(&orders, "GET", "/pos/orders", owner, None).await?;
    row("first page of the orders", shop.meter.take());
    Ok(())
}

/// The queue's message of a card payment that has succeeded.
fn succeeded(shop: &Shop, intent: &str) -> anyhow::Result<Value> {
    let is = |event: &&Value| event["type"] == "payment_intent.succeeded" && event["data"]["object"]["id"] == intent;
    let events = shop.cloud.stripe().events();
    let event = events.iter().find(is).ok_or_else(|| anyhow::anyhow!("Stripe says nothing of {intent}"))?;
    let body = json!({"source": "stripe", "body": event.to_string()}).to_string();
    Ok(json!({"Records": [{"messageId": "1", "receiptHandle": "r", "body": body, "attributes": {},
        "messageAttributes": {}, "eventSource": "aws:sqs", "awsRegion": "eu-central-1"}]}))
}

/// Prints what a first page of ten costs, and how long it takes, in organizations of any size; read in turns, so that
/// whatever else the machine does meets all alike.
pub async fn pages() -> anyhow::Result<()> {
    let shop = Shop::open(Purpose::Time).await?;
    let orders = bind(&shop, pos_orders::function());
    let path = format!("/pos/orders?limit={}", SIZES[0]);
    let read = async |owner: &String| send(&orders, "GET", &path, Some(owner), None).await;
    let (mut owners, mut costs) = (Vec::new(), Vec::new());
    for (number, size) in (1..).zip(SIZES) {
        let owner = organization(&shop.ctx, number, size).await?;
        read(&owner).await?;
        shop.meter.take();
        let page = read(&owner).await?;
        costs.push(shop.meter.take());
        let listed = page["orders"].as_array().map_or(0, Vec::len);
        anyhow::ensure!(page["total"] == size && listed as u64 == SIZES[0], "{} of {}", listed, page["total"]);
        owners.push(owner);
    }
    let mut times = SIZES.map(|_| Vec::with_capacity(READ));
    for _ in 0..READ {
        for (owner, times) in owners.iter().zip(&mut times) {
            let began = Instant::now();
            read(owner).await?;
            times.push(began.elapsed());
        }
    }
    println!("| orders | first page: database calls | read units | median time |\n|---|---|---|---|");
    for ((size, cost), times) in SIZES.iter().zip(costs).zip(times) {
        println!("| {size} | {} | {} | {:.2} ms |", cost.calls, cost.reads, millis(median(times)));
    }
    println!();
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// An organization that has sold so much, one order a second; its owner.
async fn organization(ctx: &Ctx, number: u8, orders: u64) -> anyhow::Result<String> {
    let (org, owner) = (OrgId::from_random([200 + number; 16]), UserId::from_random([210 + number; 16]));
    let store = ctx.store();
    store.save_org(&Org::new(org, format!("Stall {number}"), ctx.now())).await?;
    let email = format!("owner{number}@example.com");
    store.save_member(&Member::new(owner, org, email, "Ana Stall".into(), Some(Role::Superadmin), ctx.now())).await?;
    let sold: Vec<Order> =
        (0..orders).map(|i| sold(org, owner, i, ctx.now() - SignedDuration::from_secs(i as i64))).collect();
    store.pos().import_orders(org, &sold).await?;
    Ok(owner.to_string())
}

/// An order that was paid in cash.
fn sold(org: OrgId, owner: UserId, number: u64, at: Timestamp) -> Order {
    Order {
        id: OrderId::new(org, at, number, 8),
        org,
        version: 1,
        status: Status::Completed,
        method: Some(Method::Cash),
        subtotal: Cents(1500),
        tax: Cents::ZERO,
        tip: Cents(225),
        total: Cents(1725),
        paid: Cents(1725),
        refunded: Cents::ZERO,
        payments: 1,
        intent: None,
        account: None,
        customer_email: None,
        customer: None,
        catalog: None,
        user: owner,
        device: Some("3F2504E0-4F89-11D3-9A0C-0305E82C3301".into()),
        notes: None,
        hold_name: None,
        held_at: None,
        held_by: None,
        quick_charge: true,
        description: Some("Lemonade".into()),
        item_count: 0,
        created_at: at,
        updated_at: at,
        completed_at: Some(at),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
