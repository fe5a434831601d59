//! A world of one seed: a table, a Stripe, the workers, an event on sale; and what must be true of it in the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, OnceLock, atomic::Ordering},
    time::Duration,
};

use domain::{
    audit::{Action, AuditEntry},
    ids::{EventId, OrgId, TierId, UserId},
    mail::{MailKey, MailStatus},
    member::Org,
    money::{Cents, Currency},
    tickets::{
        event::{Event, EventKind, EventStatus, Tier},
        number::OrderNumber,
        order::{Order, OrderStatus},
        payment::Provider,
    },
};
use jiff::{SignedDuration, Timestamp, civil};
use local::{
    apple::{Apple, BUNDLE_ID},
    stripe::{Config, SECRET_KEY, Stripe},
};
use ops::verify;
use runtime::{Aws, Ctx, Function, Invoker, Settings, clock::Clock};
use serde_json::{Value, json};
use store::schema;

use super::{
    counter::Counter,
    faults::{Dice, NoTime, Wire, mortal},
    planted::Planted,
};

pub(super) const TABLE: &str = "chaos";
pub(super) const EMAIL: &str = "https://sqs/email";
pub(super) const EXPIRY: &str = "https://sqs/expiry";
pub(super) const PAYMENTS: &str = "https://sqs/payments";
pub(super) const PAYOUTS: &str = "https://sqs/payouts";
const WEBHOOKS: &str = "https://sqs/webhooks";

/// What is open in a world: the gate with its tickets, the counter, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Open {
    pub(super) gate: bool,
    pub(super) counter: bool,
}

impl Open {
    pub(super) const ALL: Open = Open { gate: true, counter: true };
    pub(super) const GATE: Open = Open { gate: true, counter: false };
    pub(super) const COUNTER: Open = Open { gate: false, counter: true };
}

/// Rounds of settling after which a world should be quiet.
const ROUNDS: usize = 60;

pub(super) struct World {
    pub(super) ctx: Ctx,
    pub(super) dice: Arc<Dice>,
    pub(super) wire: Arc<Wire>,
    pub(super) stripe: Stripe,
    /// Absent where it is closed.
    pub(super) counter: Option<Counter>,
    pub(super) event: EventId,
    /// The tiers that buyers know of.
    pub(super) tiers: Vec<TierId>,
    /// Numbers that buyers have asked for.
    pub(super) numbers: Mutex<Vec<OrderNumber>>,
    /// The pages on which buyers may pay.
    pub(super) pages: Mutex<BTreeMap<OrderNumber, String>>,
    /// Numbers that were asked for again, before or after an answer.
    pub(super) repeated: Mutex<BTreeSet<OrderNumber>>,
    /// Scans that were answered with an entry, by ticket.
    pub(super) entries: Mutex<BTreeMap<OrderNumber, BTreeSet<String>>>,
    /// Answers that contradict what is in the table.
    pub(super) broken: Mutex<Vec<String>>,
    /// Stripe's events that were put on the queue, or put off.
    heard: Mutex<BTreeSet<String>>,
    late: Mutex<Vec<Value>>,
    /// True once the day of the storm is over.
    settled: Mutex<bool>,
    /// The last record of the stream that was handled.
    checkpoint: Mutex<Option<String>>,
    shard: tokio::sync::Mutex<()>,
    /// The table's stream and its shard, once they were looked up.
    stream: OnceLock<(Value, Value)>,
    outbox: Invoker,
    email: Invoker,
    expiry: Invoker,
    payments: Invoker,
    payouts: Invoker,
    webhooks: Invoker,
}

pub(super) fn org() -> OrgId {
    OrgId::from_random([7; 16])
}

impl World {
    pub(super) async fn new(seed: u64, open: Open, planted: Option<Planted>) -> Arc<Self> {
        let dice = Arc::new(Dice::new(seed));
        let wire = Wire::new(dice.clone(), planted);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stripe = Stripe::start(listener, Config::default()).await.unwrap();
        let ctx = context(&wire, &stripe);
        schema::create_table(ctx.store().client(), TABLE).await.unwrap();
        ctx.store().save_org(&Org::new(org(), "Home".into(), ctx.now())).await.unwrap();
        let event = event(&dice, &ctx);
        ctx.store().create_event(&event, &audit(&ctx, "created")).await.unwrap();
        let counter = if open.counter { Some(Counter::open(&ctx, &stripe).await) } else { None };
        let bind = |function: Function| function.into_invoker(ctx.clone());
        let world = World {
            counter,
            outbox: bind(workers_outbox::function()),
            email: bind(workers_email::function()),
            expiry: bind(workers_expiry::function()),
            payments: bind(workers_payments::function()),
            payouts: bind(workers_payouts::function()),
            webhooks: bind(workers_webhooks::function()),
            event: event.id,
            tiers: event.tiers.iter().map(|tier| tier.id).collect(),
            numbers: Mutex::default(),
            pages: Mutex::default(),
            repeated: Mutex::default(),
            entries: Mutex::default(),
            broken: Mutex::default(),
            heard: Mutex::default(),
            late: Mutex::default(),
            settled: Mutex::default(),
            checkpoint: Mutex::default(),
            shard: tokio::sync::Mutex::default(),
            stream: OnceLock::new(),
            ctx,
            dice,
            wire,
            stripe,
        };
        world.pass_time(SignedDuration::ZERO);
        Arc::new(world)
    }

    /// Time passes for everybody.
    pub(super) fn pass_time(&self, by: SignedDuration) {
        self.ctx.clock().advance(by);
        self.stripe.advance(Duration::try_from(by).unwrap());
        self.wire.queues.set_clock(self.ctx.now().as_second());
    }

    pub(super) fn breaks(&self, promise: impl Into<String>) {
        self.broken.lock().unwrap().push(promise.into());
    }

    /// A buyer asks for an order under this number, perhaps again.
    pub(super) fn asks_for(&self, number: OrderNumber) {
        let mut numbers = self.numbers.lock().unwrap();
        if !numbers.contains(&number) {
            numbers.push(number);
        }
    }

    pub(super) fn audit(&self) -> AuditEntry {
        audit(&self.ctx, &format!("{:016x}", self.dice.random()))
    }

    /// Puts Stripe's events on the queue: later, several times, out of order, or after everything else, when the sweepers
    /// have had to do without.
    pub(super) fn hear_stripe(&self) {
        let mut heard = self.heard.lock().unwrap();
        let id = |event: &Value| event["id"].as_str().unwrap().to_owned();
        let unheard = self.stripe.objects_where("event", |event| !heard.contains(&id(event)));
        for event in &unheard {
            heard.insert(id(event));
            if self.dice.happens(self.storm(0.15)) {
                self.late.lock().unwrap().push(event.clone());
                continue;
            }
            for _ in 0..1 + self.dice.below(2) {
                let delay = if self.dice.happens(0.3) { 600 } else { 0 };
                self.notify("stripe", event, delay);
            }
        }
    }

    /// Puts a webhook on the queue.
    pub(super) fn notify(&self, source: &str, body: &Value, delay: i64) {
        let message = json!({"source": source, "body": body.to_string()});
        self.wire.queues.send(PAYMENTS, message.to_string(), delay);
    }

    /// Lets a worker take some messages. True when there were any.
    pub(super) async fn work(&self, queue: &str) -> bool {
        let worker = match queue {
            EMAIL => &self.email,
            EXPIRY => &self.expiry,
            PAYOUTS => &self.payouts,
            WEBHOOKS => &self.webhooks,
            _ => &self.payments,
        };
        let mut received = self.wire.queues.receive(queue, &self.dice);
        if received.messages.is_empty() {
            return false;
        }
        let death = self.dice.death(self.storm(0.2));
        let answer = mortal(worker.invoke(received.event(), lambda_runtime::Context::default()), death).await;
        if let Some(Ok(answer)) = answer {
            received.acknowledge(&answer, || self.dice.happens(self.storm(0.15)));
        }
        true
    }

    /// Lets the outbox take some records of the stream. True when there were any.
    pub(super) async fn consume_stream(&self) -> bool {
        // One at a time, as of a shard; freed also when whoever holds it dies.
        let Ok(_shard) = self.shard.try_lock() else { return false };
        let death = self.dice.death(self.storm(0.2));
        mortal(self.take_records(), death).await.unwrap_or(true)
    }

    async fn take_records(&self) -> bool {
        let records = self.records(1 + self.dice.below(20));
        let Some(last) = records.last().map(sequence_number) else { return false };
        // Records are lost with an outage, or given up; entries are not, since nobody counts them again.
        let kept: Vec<&Value> = records
            .iter()
            .filter(|record| record["eventName"] == "MODIFY" || !self.dice.happens(self.storm(0.05)))
            .collect();
        let Ok(answer) = self.outbox.invoke(json!({"Records": kept}), lambda_runtime::Context::default()).await else {
            return true;
        };
        let failed = answer["batchItemFailures"][0]["itemIdentifier"].as_str();
        let done = match failed {
            None => Some(last),
            Some(failed) => {
                let before = records.iter().take_while(|record| sequence_number(record) != failed);
                before.last().map(sequence_number)
            }
        };
        if let Some(done) = done.filter(|_| !self.dice.happens(self.storm(0.1))) {
            *self.checkpoint.lock().unwrap() = Some(done);
        }
        true
    }

    /// The next records of the stream.
    fn records(&self, limit: usize) -> Vec<Value> {
        let ask = |action: &str, body: Value| {
            let (status, answer) = self.wire.database(action, body.to_string().as_bytes(), false);
            assert_eq!(status, 200, "{action}: {answer}");
            serde_json::from_str::<Value>(&answer).unwrap()
        };
        let (stream, shard) = self.stream.get_or_init(|| {
            let stream = ask("DescribeTable", json!({"TableName": TABLE}))["Table"]["LatestStreamArn"].clone();
            let described = ask("DescribeStream", json!({"StreamArn": stream}));
            (stream, described["StreamDescription"]["Shards"][0]["ShardId"].clone())
        });
        let checkpoint = self.checkpoint.lock().unwrap().clone();
        let mut from = json!({"StreamArn": stream, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
        if let Some(checkpoint) = checkpoint {
            from["ShardIteratorType"] = "AFTER_SEQUENCE_NUMBER".into();
            from["SequenceNumber"] = checkpoint.into();
        }
        let iterator = ask("GetShardIterator", from)["ShardIterator"].clone();
        let records = ask("GetRecords", json!({"ShardIterator": iterator, "Limit": limit}));
        records["Records"].as_array().cloned().unwrap_or_default()
    }

    /// The schedules come round: all in fair weather, one or the other in a storm.
    pub(super) async fn sweep(&self) {
        let schedule = || json!({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}});
        let counters: &[&Invoker] = if self.counter.is_some() { &[&self.payments, &self.payouts] } else { &[] };
        for worker in [&self.expiry, &self.email].into_iter().chain(counters.iter().copied()) {
            if self.dice.happens(self.storm(0.4)) {
                continue;
            }
            let death = self.dice.death(self.storm(0.2));
            let swept = mortal(worker.invoke(schedule(), lambda_runtime::Context::default()), death).await;
            assert!(self.wire.is_stormy() || matches!(swept, Some(Ok(_))), "{swept:?}");
        }
    }

    /// A probability that is none in fair weather.
    pub(super) fn storm(&self, likely: f64) -> f64 {
        if self.wire.is_stormy() { likely } else { 0.0 }
    }

    /// The storm is over: everything that is still on its way arrives, and all time that is waited for passes.
    pub(super) async fn settle(&self) {
        self.wire.stormy.store(false, Ordering::Relaxed);
        self.stripe.clear_faults();
        for _ in 0..ROUNDS {
            self.drain().await;
            if self.wire.queues.len() == 0 && self.is_at_rest().await {
                let late = std::mem::take(&mut *self.late.lock().unwrap());
                late.iter().for_each(|event| self.notify("stripe", event, 0));
                if !late.is_empty() {
                    continue;
                }
                if self.is_settled() {
                    return;
                }
                // The day is over: what its splits get is decided, and paid out.
                self.pass_time(SignedDuration::from_hours(31));
            }
            self.sweep().await;
            self.pass_time(SignedDuration::from_mins(16));
        }
        let waiting = self.wire.queues.len();
        self.breaks(format!(
            "the world does not come to rest: {waiting} messages, at rest: {}",
            self.is_at_rest().await
        ));
    }

    /// Everything that can be done without waiting is done.
    async fn drain(&self) {
        loop {
            self.hear_stripe();
            let mut busy = self.counter.is_some() && self.send_late_notices().await;
            while self.consume_stream().await {
                busy = true;
            }
            for queue in [PAYMENTS, EXPIRY, EMAIL, PAYOUTS, WEBHOOKS] {
                for _ in 0..self.wire.queues.len() {
                    busy |= self.work(queue).await;
                }
            }
            if !busy {
                return;
            }
        }
    }

    /// Was this asked before?
    fn is_settled(&self) -> bool {
        std::mem::replace(&mut *self.settled.lock().unwrap(), true)
    }

    /// Nothing waits for payment, and no e-mail for being sent.
    async fn is_at_rest(&self) -> bool {
        let store = self.ctx.store();
        let unsent = store.list_unsent_mails(self.ctx.now(), 1).await.unwrap();
        let pending = store.list_pending_orders(org(), Timestamp::UNIX_EPOCH, self.ctx.now(), 1).await.unwrap();
        unsent.is_empty() && pending.is_empty()
    }

    /// Everything that is wrong with it.
    pub(super) async fn judge(&self) -> Vec<String> {
        let items = verify::scan(self.ctx.store()).await.unwrap();
        let options = verify::Options {
            stuck: Some((self.ctx.now(), SignedDuration::from_mins(1))),
            keys: Some(self.ctx.settings().qr_keys.clone()),
        };
        let mut wrong: Vec<String> = self.broken.lock().unwrap().clone();
        wrong.extend(verify::check(&items, &options).violations.iter().map(ToString::to_string));
        for (number, scans) in self.entries.lock().unwrap().iter().filter(|(_, scans)| scans.len() > 1) {
            wrong.push(format!("invariant 2: {number} let in {scans:?}"));
        }
        let numbers = self.numbers.lock().unwrap().clone();
        let orders = self.ctx.store().load_orders(&numbers).await.unwrap();
        wrong.extend(self.judge_money(&orders));
        wrong.extend(self.judge_mails(&orders).await);
        if self.counter.is_some() {
            wrong.extend(self.judge_counter(&items));
        }
        wrong
    }

    /// Invariant 3 and 6, as Stripe's books tell them: money is kept for paid orders only, once each, and exactly theirs.
    fn judge_money(&self, orders: &[Order]) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut kept: BTreeMap<String, i64> = BTreeMap::new();
        for charge in self.stripe.objects("charge").iter().filter(|charge| is_gates(charge)) {
            let (paid, back) =
                (charge["amount_captured"].as_i64().unwrap(), charge["amount_refunded"].as_i64().unwrap());
            if charge["paid"] != true {
                continue;
            }
            if back != 0 && back != paid {
                wrong.push(format!("invariant 3: {back} of {paid} refunded: {charge}"));
            }
            if back == 0 {
                kept.insert(charge["payment_intent"].as_str().unwrap().to_owned(), paid);
            }
        }
        for order in orders.iter().filter(|order| order.status == OrderStatus::Paid) {
            let reference = order.payment_ref.clone().unwrap_or_default();
            match kept.remove(&reference) {
                Some(amount) if amount == order.total.0 => {}
                None if order.provider != Some(Provider::Stripe) && !reference.starts_with("pi_") => {}
                money => wrong.push(format!("invariant 3: {} costs {}, paid {money:?}", order.number, order.total)),
            }
        }
        wrong.extend(
            kept.iter().map(|(payment, amount)| format!("invariant 3: {amount} of {payment} kept for nothing")),
        );
        wrong
    }

    /// Invariant 5: what is marked as sent was sent.
    async fn judge_mails(&self, orders: &[Order]) -> Vec<String> {
        let numbers: Vec<OrderNumber> = orders.iter().map(|order| order.number).collect();
        let mails = self.ctx.store().load_ticket_mails(&numbers).await.unwrap();
        let accepted = self.wire.accepted.lock().unwrap();
        let mut wrong = Vec::new();
        for mail in mails.iter().filter(|mail| mail.status == MailStatus::Sent) {
            let order = orders.iter().find(|order| mail.key == MailKey::Ticket { number: order.number }).unwrap();
            if !accepted.contains(&order.buyer.email) {
                wrong.push(format!("invariant 5: {} is marked as sent, and was not", order.number));
            }
        }
        wrong
    }
}

/// Is this payment or charge of a ticket?
pub(super) fn is_gates(object: &Value) -> bool {
    object["metadata"]["organization_id"].is_null()
}

fn sequence_number(record: &Value) -> String {
    record["dynamodb"]["SequenceNumber"].as_str().unwrap().to_owned()
}

fn context(wire: &Arc<Wire>, stripe: &Stripe) -> Ctx {
    let settings = [
        ("TABLE_NAME", TABLE),
        ("EMAIL_QUEUE_URL", EMAIL),
        ("EXPIRY_QUEUE_URL", EXPIRY),
        ("PAYMENTS_QUEUE_URL", PAYMENTS),
        ("PAYOUTS_QUEUE_URL", PAYOUTS),
        ("REPORTS_QUEUE_URL", "http://chaos.invalid/reports"),
        ("WEBHOOKS_QUEUE_URL", WEBHOOKS),
        ("BUCKET_NAME", "bucket"),
        ("MEDIA_URL", "https://media"),
        ("PUBLIC_URL", "https://public"),
        ("STOREFRONT_URL", "https://storefront"),
        ("USER_POOL_ID", "pool"),
        ("USER_POOL_CLIENT_ID", "client"),
        ("USER_POOL_CLIENT_SECRET", "secret"),
        ("TOKEN_ISSUER", "https://issuer"),
        ("MAIL_FROM", "tickets@example.com"),
        ("TICKETS_ORG_ID", &org().to_string()),
        ("STRIPE_SECRET_KEY", SECRET_KEY),
        ("STRIPE_API_BASE", stripe.url()),
        ("QR_KEYS", "k1:abababababababababababababababab"),
        ("UPLOAD_SECRET", "secret"),
        ("RATE_LIMIT", "off"),
        ("APPLE_BUNDLE_ID", BUNDLE_ID),
        ("APPLE_ENVIRONMENT", "Sandbox"),
        ("APPLE_ROOTS", Apple::shared().unwrap().root()),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_ENDPOINT_URL", "http://chaos.invalid"),
    ];
    let settings = settings.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let aws = Aws::from_map(&settings).with_sdk(|sdk| sdk.http_client(wire.http_client()).sleep_impl(NoTime));
    // Begins with Stripe's clock, which is the real one.
    let now = Timestamp::from_second(Clock::default().now().as_second()).unwrap();
    Ctx::new(Settings::from_map(&settings).unwrap(), aws, Clock::stopped_at(now)).unwrap()
}

/// One or two tiers of 3 to 12 tickets; now and then the second is free.
fn event(dice: &Dice, ctx: &Ctx) -> Event {
    let free = dice.happens(0.3);
    let tiers = (0..1 + dice.below(2)).map(|i| tier(dice, if i == 1 && free { 0 } else { 2500 })).collect();
    Event {
        id: EventId::from_random([1; 16]),
        org: org(),
        name: "Summer Night".into(),
        slug: "summer-night".into(),
        location: "Guatemala".into(),
        venue: None,
        date: civil::date(2030, 6, 1),
        time: civil::time(21, 0, 0, 0),
        description: None,
        kind: EventKind::Party,
        main_artist: None,
        artists: vec![],
        image: None,
        min_age: 18,
        status: EventStatus::Active,
        is_featured: false,
        hold_minutes: 15,
        tiers,
        retired: vec![],
        version: 1,
        created_at: ctx.now(),
    }
}

pub(super) fn tier(dice: &Dice, price: i64) -> Tier {
    Tier {
        id: TierId::from_random(u128::from(dice.random()).to_be_bytes()),
        name: "General".into(),
        description: String::new(),
        price: Cents(price),
        currency: Currency::USD,
        quantity: 3 + dice.below(10) as u32,
        max_per_order: 10,
        payment_link: None,
        is_active: true,
        sale_starts_at: None,
        sale_ends_at: None,
    }
}

fn audit(ctx: &Ctx, id: &str) -> AuditEntry {
    AuditEntry {
        id: id.to_owned(),
        org: org(),
        action: Action::StatusChange,
        entity_type: "order".into(),
        entity_id: "x".into(),
        user: Some(UserId::from_random([4; 16])),
        user_name: None,
        user_email: None,
        old: None,
        new: None,
        ip: None,
        user_agent: None,
        at: ctx.now(),
    }
}
