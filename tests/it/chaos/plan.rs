//! What people do while everything goes wrong: buyers, payers, staff, scanners; and the workers in between.

use std::sync::Arc;

use domain::{
    ids::{OrgId, UserId},
    mail::MailPolicy,
    tickets::{
        checkin::{Verdict, judge},
        number::OrderNumber,
        order::{Buyer, NewOrder, Order, OrderStatus, Origin},
        payment::{Payment, Provider},
    },
};
use jiff::SignedDuration;
use local::stripe::Fault;
use payments::{Checkout, PaymentRef};
use serde_json::{Value, json};
use store::{CheckIn, EditEventError, Entry, PlaceError};
use tokio::task::JoinSet;

use super::{
    counter,
    faults::mortal,
    world::{EMAIL, EXPIRY, Open, PAYMENTS, PAYOUTS, World, is_gates, org, tier},
};

/// What is under way at once.
const AT_ONCE: usize = 5;

/// Somebody who wants tickets, and asks again under the same number when no answer came.
#[derive(Clone, Debug)]
struct Customer {
    number: OrderNumber,
    tier: usize,
    quantity: u32,
    /// Stripe to begin with.
    start: usize,
}

/// What is done next.
#[derive(Clone, Debug)]
enum Step {
    Buy { customer: Customer, first: bool },
    Pay,
    PayElsewhere,
    PayWrongly,
    RefundAtStripe,
    Work(&'static str),
    Stream,
    Sweep,
    Cancel,
    Refund,
    Confirm,
    Resend,
    Edit,
    Scan,
    Counter(counter::Step),
}

/// Plays the whole storm.
pub(super) async fn storm(world: &Arc<World>, open: Open) {
    let dice = &world.dice;
    let now = world.ctx.now();
    let customers: Vec<Customer> = (0..if open.gate { 6 + dice.below(10) } else { 0 })
        .map(|_| Customer {
            number: OrderNumber::new(now, dice.random()),
            tier: dice.below(world.tiers.len()),
            quantity: 1 + dice.below(3) as u32,
            start: dice.below(8),
        })
        .collect();
    let faulty_stripe = dice.happens(0.2);
    let mut fresh = customers.clone();
    let mut sales = open.counter.then(|| counter::Plan::new(dice, !open.gate));
    let (mut at_gate, mut at_counter) = (customers.len() * 8, sales.as_ref().map_or(0, counter::Plan::steps));
    let mut under_way = JoinSet::new();
    while at_gate + at_counter > 0 {
        if dice.happens(0.12) {
            world.pass_time(SignedDuration::from_mins(1 + dice.below(6) as i64));
        }
        if faulty_stripe && dice.happens(0.03) {
            let faults = [Fault::Http500, Fault::TimeoutAfterCommit, Fault::RateLimited];
            world.stripe.fail_next(1, dice.pick(&faults).unwrap());
        }
        world.hear_stripe();
        let step = match &mut sales {
            Some(sales) if dice.below(at_gate + at_counter) >= at_gate => {
                at_counter -= 1;
                next_at_counter(world, sales)
            }
            _ => {
                at_gate -= 1;
                next(world, &customers, &mut fresh)
            }
        };
        let (world, death) = (world.clone(), dice.death(0.12));
        under_way.spawn(async move { mortal(take(&world, step), death).await });
        while under_way.len() >= AT_ONCE {
            under_way.join_next().await.unwrap().unwrap();
        }
    }
    while let Some(ended) = under_way.join_next().await {
        ended.unwrap();
    }
}

fn next(world: &World, customers: &[Customer], fresh: &mut Vec<Customer>) -> Step {
    match world.dice.below(100) {
        0..25 => match fresh.pop() {
            Some(customer) => Step::Buy { customer, first: true },
            None => Step::Pay,
        },
        25..30 => {
            let started = &customers[fresh.len()..];
            match world.dice.pick(started) {
                Some(customer) => Step::Buy { customer, first: false },
                None => Step::Stream,
            }
        }
        30..42 => Step::Pay,
        42..45 => Step::PayElsewhere,
        45..47 => Step::PayWrongly,
        47..49 => Step::RefundAtStripe,
        49..59 => Step::Work(PAYMENTS),
        59..63 => Step::Work(EXPIRY),
        63..71 => Step::Work(EMAIL),
        71..80 => Step::Stream,
        80..84 => Step::Sweep,
        84..86 => Step::Cancel,
        86..88 => Step::Refund,
        88..90 => Step::Confirm,
        90..91 => Step::Resend,
        91..94 => Step::Edit,
        _ => Step::Scan,
    }
}

/// Two steps of three are people's, the others' work goes on in between.
fn next_at_counter(world: &World, sales: &mut counter::Plan) -> Step {
    match world.dice.below(100) {
        0..14 => Step::Work(PAYMENTS),
        14..20 => Step::Stream,
        20..25 => Step::Work(PAYOUTS),
        25..28 => Step::Work(EMAIL),
        28..32 => Step::Sweep,
        _ => Step::Counter(sales.next(&world.dice)),
    }
}

async fn take(world: &World, step: Step) {
    // Errors are the callers' to repeat, and they do: what matters is what is left behind.
    match step {
        Step::Buy { customer, first } => buy(world, &customer, first).await,
        Step::Pay => pay(world),
        Step::PayElsewhere => pay_elsewhere(world),
        Step::PayWrongly => pay_wrongly(world),
        Step::RefundAtStripe => refund_at_stripe(world).await,
        Step::Work(queue) => drop(world.work(queue).await),
        Step::Stream => drop(world.consume_stream().await),
        Step::Sweep => world.sweep().await,
        Step::Cancel => {
            if let Some(number) = any_number(world) {
                drop(world.ctx.till().cancel_order(number, Some(&world.audit())).await);
            }
        }
        Step::Refund => {
            if let Some(number) = any_number(world) {
                drop(world.ctx.till().refund_order(number, Some(&world.audit())).await);
            }
        }
        Step::Confirm => confirm(world).await,
        Step::Resend => resend(world).await,
        Step::Edit => edit(world).await,
        Step::Scan => scan(world).await,
        Step::Counter(step) => counter::take(world, step).await,
    }
}

fn any_number(world: &World) -> Option<OrderNumber> {
    world.dice.pick(&world.numbers.lock().unwrap())
}

/// As the handler does; a client that got no answer asks again under the same number.
async fn buy(world: &World, customer: &Customer, first: bool) {
    if !first {
        world.repeated.lock().unwrap().insert(customer.number);
    }
    world.asks_for(customer.number);
    for _ in 0..3 {
        match place(world, customer).await {
            Err(PlaceError::Exists(order)) => {
                if !world.repeated.lock().unwrap().contains(&order.number) {
                    world.breaks(format!("{} was told that its own order is another's", order.number));
                }
                return found(world, &order);
            }
            Err(PlaceError::Store(_)) => drop(world.repeated.lock().unwrap().insert(customer.number)),
            Ok(()) | Err(PlaceError::SoldOut(_)) => return,
        }
    }
}

/// The buyer is told where to pay.
fn found(world: &World, order: &Order) {
    if let Some(session) = &order.checkout {
        world.pages.lock().unwrap().insert(order.number, session.clone());
    }
}

async fn place(world: &World, customer: &Customer) -> Result<(), PlaceError> {
    let (ctx, store) = (&world.ctx, world.ctx.store());
    let tier = world.tiers[customer.tier];
    let offer = store.load_offer(world.event, tier, &[customer.number]).await?;
    if let Some(order) = offer.orders.first() {
        found(world, order);
        return Ok(());
    }
    let Some(event) = offer.event else { return Ok(()) };
    let Ok(tier) = event.offer(tier, customer.quantity, ctx.now()) else { return Ok(()) };
    let buyer = Buyer {
        name: "Ana".into(),
        email: format!("{}@example.com", customer.number),
        phone: None,
        country: None,
        nationality: None,
    };
    let mut order = Order::new(NewOrder {
        number: customer.number,
        event: &event,
        tier,
        quantity: customer.quantity,
        buyer,
        payment_method: None,
        origin: Origin::default(),
        fingerprint: None,
        key_id: ctx.settings().qr_keys.current().to_owned(),
        now: ctx.now(),
    });
    let secret = ctx.ticket_secret(&order.key_id, order.number, order.revision).unwrap();
    if order.status == OrderStatus::Pending {
        match ctx.stripe().unwrap().open_checkout(&checkout(&order)).await {
            Ok(session) => order.checkout = Some(session.id),
            Err(_) => return Ok(()),
        }
    }
    let session = order.checkout.clone();
    let placed = store.place_order(order, &secret.hash(), offer.stripes, customer.start, MailPolicy::Send).await;
    if let (Err(PlaceError::SoldOut(_)), Some(session)) = (&placed, session) {
        drop(ctx.stripe().unwrap().expire_checkout(&session).await);
    }
    placed.map(|order| found(world, &order))
}

fn checkout(order: &Order) -> Checkout {
    Checkout {
        order_number: order.number.to_string(),
        org: order.org.to_string(),
        item: "Ticket".into(),
        description: None,
        unit_amount: order.unit_price,
        quantity: order.quantity,
        currency: order.currency,
        customer_email: order.buyer.email.clone(),
        success_url: "https://storefront/paid".into(),
        cancel_url: "https://storefront/not-paid".into(),
        placed_at: order.created_at.as_second(),
        expires_at: order.expires_at.as_second(),
    }
}

/// Somebody pays on the page that they were told, or tries to.
fn pay(world: &World) {
    let pages: Vec<String> = world.pages.lock().unwrap().values().cloned().collect();
    if let Some(session) = world.dice.pick(&pages) {
        let card = if world.dice.happens(0.1) { "4000000000000002" } else { "4242424242424242" };
        world.stripe.pay(&session, card);
    }
}

/// Another provider took the money, and says so once or twice, perhaps long after.
fn pay_elsewhere(world: &World) {
    let Some(number) = any_number(world) else { return };
    let notice = json!({"status": "paid", "order_id": number, "payment_id": format!("ext_{:x}", world.dice.random())});
    for _ in 0..1 + world.dice.below(2) {
        world.notify("tickets", &notice, if world.dice.happens(0.5) { 900 } else { 0 });
    }
}

/// Stripe reports another amount than the order's.
fn pay_wrongly(world: &World) {
    let completed = world.stripe.objects_where("event", |event| event["type"] == "checkout.session.completed");
    let Some(mut event) = world.dice.pick(&completed) else { return };
    let session = &mut event["data"]["object"];
    session["amount_total"] = json!(session["amount_total"].as_i64().unwrap() + 1);
    session["payment_intent"] = json!(format!("pi_wrong{:x}", world.dice.random()));
    world.notify("stripe", &event, 0);
}

/// Somebody gives a payment back at Stripe's dashboard.
async fn refund_at_stripe(world: &World) {
    let is_paid = |intent: &Value| intent["status"] == "succeeded" && is_gates(intent);
    let paid: Vec<String> = world
        .stripe
        .objects_where("payment_intent", is_paid)
        .iter()
        .map(|intent| intent["id"].as_str().unwrap().to_owned())
        .collect();
    if let Some(reference) = world.dice.pick(&paid).and_then(|id| PaymentRef::parse(&id)) {
        let key = format!("dashboard:{:x}", world.dice.random());
        drop(world.ctx.stripe().unwrap().refund_payment(&reference, None, &key).await);
    }
}

async fn confirm(world: &World) {
    let Some(number) = any_number(world) else { return };
    let payment = Payment {
        provider: Provider::Admin,
        reference: None,
        amount: None,
        currency: None,
        by: Some(UserId::from_random([4; 16])),
    };
    let mail = if world.dice.happens(0.3) { MailPolicy::Hold } else { MailPolicy::Send };
    drop(world.ctx.till().settle_payment(number, &payment, mail, Some(&world.audit())).await);
}

async fn resend(world: &World) {
    let Some(number) = any_number(world) else { return };
    if let Ok(Some(order)) = world.ctx.store().load_order(number).await {
        drop(world.ctx.store().resend_ticket(&order, world.ctx.now()).await);
    }
}

/// Capacity goes up or down, a tier comes or goes.
async fn edit(world: &World) {
    let (dice, store) = (&world.dice, world.ctx.store());
    let Ok(Some(before)) = store.load_event(world.event).await else { return };
    let mut wish = before.clone();
    let mine = format!("edit {:x}", dice.random());
    wish.description = Some(mine.clone());
    match dice.below(6) {
        0 if wish.tiers.len() < 4 => wish.tiers.push(tier(dice, 2500)),
        1 if wish.tiers.len() > 1 => drop(wish.tiers.remove(dice.below(wish.tiers.len()))),
        _ => {
            let i = dice.below(wish.tiers.len());
            wish.tiers[i].quantity = dice.below(18) as u32;
        }
    }
    if let Err(EditEventError::Conflict) = store.edit_event(&before, &wish, &world.audit()).await
        && let Ok(Some(event)) = store.load_event(world.event).await
        && event.description == Some(mine)
    {
        world.breaks("an edit was refused because of itself");
    }
}

/// A scanner presents a secret, some with a key by which they may ask again.
async fn scan(world: &World) {
    let Some(number) = any_number(world) else { return };
    let (ctx, scan) = (&world.ctx, format!("{:016x}", world.dice.random()));
    let secret = ctx.ticket_secret(ctx.settings().qr_keys.current(), number, 0).unwrap().hash();
    let key = world.dice.happens(0.5).then_some(scan.as_str());
    let Ok(Some(found)) = ctx.store().find_secret(&secret).await else { return };
    let whose: Option<OrgId> = world.dice.happens(0.5).then(org);
    let entry = Entry { number: found, secret: Some(&secret), org: whose, by: None, key };
    for _ in 0..1 + world.dice.below(2) {
        let admitted = match ctx.store().check_in(&entry, ctx.now()).await {
            Ok(CheckIn::Admitted(_)) => true,
            Ok(CheckIn::Refused(order)) => judge(&order, key) == Verdict::Replay,
            Ok(CheckIn::Unknown) | Err(_) => false,
        };
        if admitted {
            world.entries.lock().unwrap().entry(number).or_default().insert(scan.clone());
        }
        if key.is_none() {
            return;
        }
    }
}
