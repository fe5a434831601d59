//! What people at the counter do: sell, take money in every way, change their minds, give money back; and ask again.

use domain::pos::order::Status;
use serde_json::{Value, json};

use super::{Asked, Card, Reply};
use crate::chaos::{faults::Dice, world::World};

/// Something that is sold. Whoever has a key asks for it again when no answer came, or when one did.
#[derive(Clone, Debug)]
pub(in crate::chaos) struct Sale {
    /// Names it: the phone it is sold with, and the client's key where there is one.
    name: String,
    shop: usize,
    keyed: bool,
    total: i64,
    tip: i64,
    customer: Option<u8>,
    lines: usize,
    /// Its card payment is begun, and perhaps paid, before there is an order.
    ahead: bool,
    /// That one, once it is begun.
    card: Option<String>,
}

/// What is sold in a world.
pub(in crate::chaos) struct Plan {
    fresh: Vec<Sale>,
    begun: Vec<Sale>,
}

/// What is done next.
#[derive(Clone, Debug)]
pub(in crate::chaos) enum Step {
    Serve(Sale),
    SellAgain(Sale),
    Tap,
    Simulate,
    Poll,
    Confirm,
    GiveUp,
    Steal,
    Cash,
    Hold,
    Edit,
    Refund,
    RefundAtStripe,
    Receipt,
    Pool,
    Notice,
    Snoop,
}

impl Sale {
    fn new(dice: &Dice) -> Self {
        let tip = [0, 0, 150, 333][dice.below(4)];
        Sale {
            name: format!("sale-{:016x}", dice.random()),
            shop: dice.below(2),
            keyed: dice.happens(0.8),
            total: 100 + dice.below(60) as i64 * 37 + tip,
            tip,
            customer: dice.happens(0.4).then(|| dice.below(3) as u8),
            lines: dice.below(3),
            ahead: dice.happens(0.15),
            card: None,
        }
    }
}

impl Plan {
    /// Where nothing but the counter is open, more is sold.
    pub(in crate::chaos) fn new(dice: &Dice, alone: bool) -> Self {
        let sales = if alone { 6 + dice.below(5) } else { 2 + dice.below(4) };
        Plan { fresh: (0..sales).map(|_| Sale::new(dice)).collect(), begun: vec![] }
    }

    /// Steps of the whole storm.
    pub(in crate::chaos) fn steps(&self) -> usize {
        self.fresh.len() * 5
    }

    pub(in crate::chaos) fn next(&mut self, dice: &Dice) -> Step {
        match dice.below(100) {
            0..28 => match self.fresh.pop() {
                Some(sale) => {
                    self.begun.push(sale.clone());
                    Step::Serve(sale)
                }
                None => Step::Tap,
            },
            28..34 => match dice.pick(&self.begun).filter(|sale| sale.keyed && !sale.ahead) {
                Some(sale) => Step::SellAgain(sale),
                None => Step::Poll,
            },
            34..42 => Step::Tap,
            42..47 => Step::Simulate,
            47..51 => Step::Poll,
            51..54 => Step::Confirm,
            54..56 => Step::GiveUp,
            56..60 => Step::Steal,
            60..65 => Step::Cash,
            65..68 => Step::Hold,
            68..70 => Step::Edit,
            70..80 => Step::Refund,
            80..84 => Step::RefundAtStripe,
            84..87 => Step::Receipt,
            87..93 => Step::Pool,
            93..97 => Step::Notice,
            _ => Step::Snoop,
        }
    }
}

pub(in crate::chaos) async fn take(world: &World, step: Step) {
    match step {
        Step::Serve(sale) => serve(world, &sale).await,
        Step::SellAgain(sale) => drop(sell(world, &sale).await),
        Step::Tap => tap(world),
        Step::Simulate => on_card(world, "POST", "simulate").await,
        Step::Poll => on_card(world, "GET", "status").await,
        Step::Confirm => confirm(world).await,
        Step::GiveUp => on_card(world, "POST", "cancel").await,
        Step::Steal => steal(world).await,
        Step::Cash => cash(world).await,
        Step::Hold => hold(world).await,
        Step::Edit => edit(world).await,
        Step::Refund => world.refund().await,
        Step::RefundAtStripe => world.refund_at_counters_stripe().await,
        Step::Receipt => world.receipt().await,
        Step::Pool => world.share_tips().await,
        Step::Notice => world.tell_of_subscription().await,
        Step::Snoop => snoop(world).await,
    }
}

/// Somebody sells something, and takes money for it in some way.
async fn serve(world: &World, sale: &Sale) {
    let sale = &Sale { card: begin_ahead(world, sale).await, ..sale.clone() };
    let Some(order) = sell(world, sale).await else { return };
    match world.dice.below(9) {
        0..4 => take_card(world, sale, &order).await,
        4..6 => pay_cash(world, sale.shop, &order, sale.total + 500).await,
        6..8 => split(world, sale, &order).await,
        _ => {}
    }
}

async fn begin_ahead(world: &World, sale: &Sale) -> Option<String> {
    if !sale.ahead {
        return None;
    }
    let card = begin(world, sale.shop, sale.total, None).await?;
    if world.dice.happens(0.7) {
        hold_card(world, &card);
    }
    if world.dice.happens(0.5) {
        world.hear_stripe();
        world.work(super::super::world::PAYMENTS).await;
    }
    Some(card.intent)
}

/// Makes the order; the one that was made before, for a key that was heard before. Now and then two phones, or two tries of
/// one phone, ask at once.
async fn sell(world: &World, sale: &Sale) -> Option<String> {
    let mut body = json!({"subtotal": sale.total - sale.tip, "tipAmount": sale.tip, "totalAmount": sale.total,
        "deviceId": sale.name, "catalogId": world.shop(sale.shop).catalog.to_string(),
        "items": (0..sale.lines).map(|i| json!({"name": format!("Drink {i}"), "quantity": 1, "unitPrice": 100})).collect::<Vec<_>>()});
    if let Some(customer) = sale.customer {
        body["customerEmail"] = format!("buyer{customer}@example.com").into();
    }
    if let Some(card) = &sale.card {
        body["stripePaymentIntentId"] = card.as_str().into();
    }
    let asked = Asked { key: sale.keyed.then_some(sale.name.as_str()), body: Some(&body) };
    let mut made = None;
    for _ in 0..if sale.keyed { 3 } else { 1 } {
        if sale.keyed && world.dice.happens(0.2) {
            let post = || world.ask_orders(sale.shop, "POST", "/pos/orders", asked);
            let (one, other) = tokio::join!(post(), post());
            made = heard(world, sale, &one).or(heard(world, sale, &other));
        } else {
            made = heard(world, sale, &world.ask_orders(sale.shop, "POST", "/pos/orders", asked).await);
        }
        if made.is_some() && !(sale.keyed && world.dice.happens(0.1)) {
            break;
        }
    }
    made
}

fn heard(world: &World, sale: &Sale, reply: &Reply) -> Option<String> {
    let gone = reply.is(404)
        && world.told(|told| told.sales.get(&sale.name).is_some_and(|made| made.is_subset(&told.deleted)));
    if !reply.is(201) {
        // Somebody has given its card payment up, or had another order take it.
        let lost = sale.card.is_some()
            && ["PAYMENT_NOT_SUCCEEDED", "PAYMENT_INTENT_TAKEN"].iter().any(|code| reply.body["code"] == **code);
        if reply.status < 500 && !gone && !lost {
            world.breaks(format!("{} was refused: {} {}", sale.name, reply.status, reply.body));
        }
        return None;
    }
    let order = reply.text("id");
    world.told(|told| {
        let first = told.sales.entry(sale.name.clone()).or_default().insert(order.clone());
        if first {
            told.orders.push((sale.shop, order.clone()));
        }
    });
    Some(order)
}

/// Contract §18, tap to pay: an intent, its link, the card, and perhaps another card.
async fn take_card(world: &World, sale: &Sale, order: &str) {
    // The order's own mark on the intent is what the app writes; without it, the link alone says whose it is.
    let named = world.dice.happens(0.8);
    let Some(card) = begin(world, sale.shop, sale.total, named.then_some(order)).await else { return };
    let linked_first = world.dice.happens(0.85);
    if linked_first {
        link(world, sale.shop, order, &card.intent).await;
    }
    if world.dice.happens(0.8) {
        hold_card(world, &card);
    }
    if !linked_first {
        link(world, sale.shop, order, &card.intent).await;
    }
    if world.dice.happens(0.25) {
        // The fallback to a card that is typed in: another intent takes the first one's place.
        let Some(other) = begin(world, sale.shop, sale.total, Some(order)).await else { return };
        link(world, sale.shop, order, &other.intent).await;
        hold_card(world, &other);
    }
}

async fn begin(world: &World, shop: usize, amount: i64, order: Option<&str>) -> Option<Card> {
    let mut body = json!({"amount": amount as f64 / 100.0});
    if let Some(order) = order {
        body["metadata"] = json!({"orderId": order});
    }
    let key = world.name("begin");
    for _ in 0..2 {
        let asked = Asked { key: Some(&key), body: Some(&body) };
        let reply = world.ask_payments(shop, "POST", "/pos/stripe/terminal/payment-intent", asked).await;
        if reply.is(200) {
            let card = Card { shop, intent: reply.text("id") };
            world.told(|told| told.cards.push(card.clone()));
            return Some(card);
        }
    }
    None
}

async fn link(world: &World, shop: usize, order: &str, intent: &str) -> bool {
    let body = json!({"stripePaymentIntentId": intent});
    let path = format!("/pos/orders/{order}/payment-intent");
    for _ in 0..2 {
        let reply = world.ask_orders(shop, "PATCH", &path, Asked { body: Some(&body), ..Asked::default() }).await;
        if reply.status < 500 {
            return reply.is(200);
        }
    }
    false
}

/// A card is held to the phone: good, declined, or one to which no money can be given back.
fn hold_card(world: &World, card: &Card) {
    let number = match world.dice.below(20) {
        0..6 => "4000000000000002",
        6 => "4000000000005126",
        _ => "4242424242424242",
    };
    world.stripe.tap(&card.intent, number);
}

fn any_card(world: &World) -> Option<Card> {
    let cards = world.told(|told| told.cards.clone());
    world.dice.pick(&cards)
}

pub(super) fn any_order(world: &World) -> Option<(usize, String)> {
    let orders = world.told(|told| told.orders.clone());
    world.dice.pick(&orders)
}

/// An order in one of these statuses, or now and then any.
pub(super) fn any_in(world: &World, statuses: &[Status]) -> Option<(usize, String)> {
    let orders = world.told(|told| told.orders.clone());
    let fits =
        |(shop, order): &(usize, String)| world.peek(*shop, order).is_some_and(|status| statuses.contains(&status));
    let likely: Vec<_> = orders.iter().filter(|order| fits(order)).cloned().collect();
    if world.dice.happens(0.15) { world.dice.pick(&orders) } else { world.dice.pick(&likely) }
}

fn tap(world: &World) {
    if let Some(card) = any_card(world) {
        hold_card(world, &card);
    }
}

async fn on_card(world: &World, method: &str, deed: &str) {
    let Some(Card { shop, intent }) = any_card(world) else { return };
    let path = format!("/pos/stripe/terminal/payment-intent/{intent}/{deed}");
    world.ask_payments(shop, method, &path, Asked::default()).await;
}

/// Webhook, simulation and poll at the same moment.
async fn confirm(world: &World) {
    let Some(card) = any_card(world) else { return };
    world.stripe.tap(&card.intent, "4242424242424242");
    world.hear_stripe();
    let path = |deed: &str| format!("/pos/stripe/terminal/payment-intent/{}/{deed}", card.intent);
    let (simulate, poll) = (path("simulate"), path("status"));
    tokio::join!(
        world.work(super::super::world::PAYMENTS),
        world.ask_payments(card.shop, "POST", &simulate, Asked::default()),
        world.ask_payments(card.shop, "GET", &poll, Asked::default()),
    );
}

/// One card payment for two orders, one after the other or at once.
async fn steal(world: &World) {
    let open = [Status::Pending, Status::Processing, Status::Failed];
    let Some((shop, order)) = any_in(world, &open) else { return };
    if world.dice.happens(0.5) {
        let Some(other) = sell(world, &Sale { shop, ..Sale::new(&world.dice) }).await else { return };
        let Some(card) = begin(world, shop, 50 + world.dice.below(300) as i64, None).await else { return };
        tokio::join!(link(world, shop, &order, &card.intent), link(world, shop, &other, &card.intent));
        return hold_card(world, &card);
    }
    let Some(card) = any_card(world).filter(|card| card.shop == shop) else { return };
    let body = json!({"paymentMethod": "card", "amount": 50, "stripePaymentIntentId": card.intent});
    let (link, add) = (link(world, shop, &order, &card.intent), add_part(world, shop, &order, None, &body));
    match world.dice.below(3) {
        0 => drop(link.await),
        1 => drop(add.await),
        _ => drop(tokio::join!(link, add)),
    }
}

async fn cash(world: &World) {
    if let Some((shop, order)) = any_in(world, &[Status::Pending, Status::Held]) {
        pay_cash(world, shop, &order, 3000 + world.dice.below(500) as i64).await;
    }
}

/// All of it in cash. Under one key, however often it is asked, the change is given once.
async fn pay_cash(world: &World, shop: usize, order: &str, tendered: i64) {
    let (key, body) = (world.name("cash"), json!({"cashTendered": tendered}));
    let path = format!("/pos/orders/{order}/complete-cash");
    let asked = Asked { key: Some(&key), body: Some(&body) };
    for _ in 0..1 + world.dice.below(3) {
        let reply = world.ask_orders(shop, "POST", &path, asked).await;
        if reply.is(200) {
            let given = (order.to_owned(), tendered, reply.body["changeAmount"].as_i64().unwrap());
            let before = world.told(|told| told.change.insert(key.clone(), given.clone()));
            if before.is_some_and(|before| before != given) {
                world.breaks(format!("{key} got other change the second time"));
            }
        }
    }
}

/// A part in cash, the rest by card (contract §18, split payment).
async fn split(world: &World, sale: &Sale, order: &str) {
    let (key, amount) = (world.name("part"), sale.total / 2);
    let body = json!({"paymentMethod": "cash", "amount": amount, "cashTendered": amount + 20});
    for _ in 0..1 + world.dice.below(2) {
        add_part(world, sale.shop, order, Some(&key), &body).await;
    }
    let rest = sale.total - amount;
    let Some(card) = begin(world, sale.shop, rest, None).await else { return };
    hold_card(world, &card);
    let body = json!({"paymentMethod": "tap_to_pay", "amount": rest, "stripePaymentIntentId": card.intent});
    let add = || add_part(world, sale.shop, order, None, &body);
    if world.dice.happens(0.3) {
        tokio::join!(add(), add());
    } else {
        add().await;
    }
}

async fn add_part(world: &World, shop: usize, order: &str, key: Option<&str>, body: &Value) -> Reply {
    let path = format!("/pos/orders/{order}/payments");
    world.ask_orders(shop, "POST", &path, Asked { key, body: Some(body) }).await
}

/// Put aside, and then taken up again, changed, deleted or forgotten.
async fn hold(world: &World) {
    let Some((shop, order)) = any_in(world, &[Status::Pending]) else { return };
    let path = format!("/pos/orders/{order}");
    let name = json!({"holdName": "Table 4"});
    let held = Asked { body: Some(&name), ..Asked::default() };
    world.ask_orders(shop, "POST", &format!("{path}/hold"), held).await;
    match world.dice.below(3) {
        0 => drop(world.ask_orders(shop, "POST", &format!("{path}/resume"), Asked::default()).await),
        1 => {
            world.told(|told| told.deleted.insert(order));
            world.ask_orders(shop, "DELETE", &path, Asked::default()).await;
        }
        _ => {}
    }
}

/// Another price, another buyer.
async fn edit(world: &World) {
    let Some((shop, order)) = any_in(world, &[Status::Pending, Status::Held]) else { return };
    let (subtotal, tip) = (100 + world.dice.below(900) as i64, world.dice.below(3) as i64 * 50);
    let mut body = json!({"subtotal": subtotal, "tipAmount": tip, "taxAmount": 0, "totalAmount": subtotal + tip});
    if world.dice.happens(0.5) {
        body["customerEmail"] = format!("buyer{}@example.com", world.dice.below(3)).into();
    }
    let asked = Asked { body: Some(&body), ..Asked::default() };
    world.ask_orders(shop, "PATCH", &format!("/pos/orders/{order}"), asked).await;
}

/// The other shop's seller tries what is not theirs.
async fn snoop(world: &World) {
    let Some((shop, order)) = any_order(world) else { return };
    let (cash, nothing) = (json!({"cashTendered": 9000}), json!({}));
    let (method, path, body) = match world.dice.below(4) {
        0 => ("GET", format!("/pos/orders/{order}"), None),
        1 => ("POST", format!("/pos/orders/{order}/complete-cash"), Some(&cash)),
        2 => ("DELETE", format!("/pos/orders/{order}"), None),
        _ => ("POST", format!("/pos/orders/{order}/hold"), Some(&nothing)),
    };
    let reply = world.ask_orders(1 - shop, method, &path, Asked { key: None, body }).await;
    if reply.status < 500 && !reply.is(404) {
        world.breaks(format!("invariant 7: {method} {path} of another shop: {}", reply.status));
    }
    let Some(card) = any_card(world) else { return };
    let path = format!("/pos/stripe/terminal/payment-intent/{}/status", card.intent);
    let reply = world.ask_payments(1 - card.shop, "GET", &path, Asked::default()).await;
    if reply.status < 500 && !reply.is(404) {
        world.breaks(format!("invariant 7: GET {path} of another shop: {}", reply.status));
    }
}
