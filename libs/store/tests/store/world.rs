//! A table, a store over it, a view of what goes over the wire, and things to put in.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Config, Region, retry::RetryConfig},
    types::AttributeValue,
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextRef},
            dyn_dispatch_hint,
        },
        orchestrator::Metadata,
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{body::SdkBody, config_bag::ConfigBag};
use domain::{
    audit::{Action, AuditEntry},
    ids::{EventId, OrgId, TierId, UserId},
    keyring::KeyRing,
    mail::{MailKey, MailPolicy},
    money::{Cents, Currency},
    stock::Stripe,
    tickets::{
        event::{Event, EventKind, EventStatus, Tier},
        number::OrderNumber,
        order::{Buyer, NewOrder, Order, OrderStatus, Origin},
        payment::{Payment, Provider},
        secret::{SecretHash, TicketSecret},
    },
};
use jiff::{SignedDuration, Timestamp, civil};
use store::{PlaceError, Store, schema};

pub type Item = HashMap<String, AttributeValue>;

/// Counts calls, and takes answers away that the database has given.
#[derive(Clone, Debug, Default)]
pub struct Wire(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    calls: Vec<String>,
    lost: Vec<(String, u32, &'static str)>,
}

impl Wire {
    /// Operations called since this was last asked.
    pub fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().calls)
    }

    /// The next `times` answers to `operation` become this error, although the database has done its work.
    pub fn lose(&self, operation: &str, times: u32, error: &'static str) {
        self.0.lock().unwrap().lost.push((operation.to_owned(), times, error));
    }
}

#[dyn_dispatch_hint]
impl Intercept for Wire {
    fn name(&self) -> &'static str {
        "wire"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = cfg.load::<Metadata>().unwrap().name().to_owned();
        self.0.lock().unwrap().calls.push(operation);
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = cfg.load::<Metadata>().unwrap().name();
        let mut state = self.0.lock().unwrap();
        if let Some((_, times, error)) = state.lost.iter_mut().find(|(name, times, _)| name == operation && *times > 0)
        {
            *times -= 1;
            let status: u16 = if *error == "InternalServerError" { 500 } else { 400 };
            let response = context.response_mut();
            *response.status_mut() = status.try_into().unwrap();
            *response.body_mut() = SdkBody::from(format!("{{\"__type\":\"{error}\",\"message\":\"lost\"}}"));
        }
        Ok(())
    }
}

/// A table of one's own.
pub struct World {
    pub store: Store,
    pub wire: Wire,
    external: Option<String>,
}

fn client(url: &str, wire: Option<Wire>) -> Client {
    let mut config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .retry_config(RetryConfig::standard().with_max_attempts(4).with_initial_backoff(Duration::from_millis(2)))
        .http_client(net::Client::default())
        .endpoint_url(url);
    if let Some(wire) = wire {
        config = config.interceptor(wire);
    }
    Client::from_conf(config.build())
}

impl World {
    #[expect(clippy::disallowed_methods, reason = "not a function, a test: it has no settings")]
    pub async fn new() -> World {
        let external = std::env::var("FAIRGROUND_DYNAMODB_URL").ok().filter(|url| !url.is_empty());
        let url = match &external {
            Some(url) => url.clone(),
            None => {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                let url = format!("http://{}", listener.local_addr().unwrap());
                tokio::spawn(dynoxide::server::serve_on(listener, dynoxide::Database::memory().unwrap()));
                url
            }
        };
        let wire = Wire::default();
        let store = Store::new(client(&url, Some(wire.clone())), format!("test-{:016x}", rand::random::<u64>()));
        schema::create_table(store.client(), store.table()).await.unwrap();
        World { store, wire, external }
    }

    /// One item as it lies in the table.
    pub async fn item(&self, pk: &str, sk: &str) -> Option<Item> {
        let get = self.store.client().get_item().table_name(self.store.table()).consistent_read(true);
        get.key("pk", s(pk)).key("sk", s(sk)).send().await.unwrap().item
    }

    /// Puts an item as it is.
    pub async fn put(&self, item: Item) {
        let put = self.store.client().put_item().table_name(self.store.table());
        put.set_item(Some(item)).send().await.unwrap();
    }

    /// All items of an entity.
    pub async fn all(&self, entity: &str) -> Vec<Item> {
        self.everything().await.into_iter().filter(|item| text(item, "entity") == entity).collect()
    }

    /// All items.
    pub async fn everything(&self) -> Vec<Item> {
        let mut pages = self
            .store
            .client()
            .scan()
            .table_name(self.store.table())
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let mut items = Vec::new();
        while let Some(item) = pages.next().await {
            items.push(item.unwrap());
        }
        items
    }

    /// Saves an event on sale whose tiers have these capacities.
    pub async fn on_sale(&self, capacities: &[u32]) -> Event {
        let event = event(capacities);
        self.store.create_event(&event, &audit(&format!("created-{}", event.id))).await.unwrap();
        event
    }

    /// Places an order as the handler does.
    pub async fn place(&self, event: &Event, tier: usize, quantity: u32) -> Result<Order, PlaceError> {
        self.place_this(order(event, tier, quantity)).await
    }

    pub async fn place_this(&self, order: Order) -> Result<Order, PlaceError> {
        let offer = self.store.load_offer(order.event_id, order.tier_id, &[]).await?;
        let secret = secret(&order);
        self.store.place_order(order, &secret, offer.stripes, rand::random::<u8>().into(), MailPolicy::Send).await
    }

    /// Places and pays.
    pub async fn paid(&self, event: &Event, tier: usize, quantity: u32) -> Order {
        let order = self.place(event, tier, quantity).await.unwrap();
        self.store.confirm_order(&order, &payment("pi_1"), MailPolicy::Send, None, now()).await.unwrap();
        self.load(&order).await
    }

    pub async fn load(&self, order: &Order) -> Order {
        self.store.load_order(order.number).await.unwrap().unwrap()
    }

    pub async fn stock(&self, event: &Event, tier: usize) -> Stripe {
        Stripe::total(&self.store.load_stripes(event.tiers[tier].id).await.unwrap())
    }

    /// Invariant 1, and every figure of every stripe, reckoned again from the orders.
    pub async fn check_stock(&self, event: EventId) {
        let event = self.store.load_event(event).await.unwrap().unwrap();
        let orders = self.all("order").await.into_iter().map(|item| serde_dynamo::from_item(item).unwrap());
        let orders: Vec<Order> = orders.collect();
        for tier in &event.tiers {
            let stripes = self.store.load_stripes(tier.id).await.unwrap();
            let orders: Vec<&Order> = orders.iter().filter(|order| order.tier_id == tier.id).collect();
            for (i, stripe) in (0u8..).zip(&stripes) {
                assert!(stripe.available >= 0 && stripe.held >= 0 && stripe.sold >= 0, "{stripe:?}");
                let drawn: u32 = orders
                    .iter()
                    .flat_map(|order| &order.draws)
                    .filter(|draw| draw.stripe == i)
                    .map(|draw| draw.quantity)
                    .sum();
                assert_eq!(stripe.held + stripe.sold, i64::from(drawn), "draws of stripe {i}");
            }
            let in_state = |states: &[OrderStatus]| {
                let orders = orders.iter().filter(|order| states.contains(&order.status)).copied();
                orders.collect::<Vec<&Order>>()
            };
            let tickets = |orders: &[&Order]| orders.iter().map(|order| i64::from(order.quantity)).sum::<i64>();
            let (pending, paid) = (in_state(&[OrderStatus::Pending]), in_state(&[OrderStatus::Paid]));
            let given_up = in_state(&[OrderStatus::Cancelled, OrderStatus::Expired]);
            let expected = Stripe {
                available: i64::from(tier.quantity) - tickets(&pending) - tickets(&paid),
                held: tickets(&pending),
                sold: tickets(&paid),
                pending: pending.len() as i64,
                paid: paid.len() as i64,
                cancelled: given_up.len() as i64,
                refunded: in_state(&[OrderStatus::Refunded]).len() as i64,
                revenue: paid.iter().map(|order| order.total.0).sum(),
                checked_in: Stripe::total(&stripes).checked_in,
            };
            assert_eq!(Stripe::total(&stripes), expected, "tier {}", tier.name);
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let Some(url) = self.external.take() else { return };
        let table = self.store.table().to_owned();
        let delete = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let deleted = runtime.block_on(client(&url, None).delete_table().table_name(table).send());
            deleted.map(drop).map_err(|error| format!("{error:?}"))
        });
        if let Ok(Err(error)) = delete.join() {
            tracing::warn!(error, "table not deleted");
        }
    }
}

pub fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub fn n(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// A string attribute, or nothing.
pub fn text<'a>(item: &'a Item, name: &str) -> &'a str {
    item.get(name).and_then(|value| value.as_s().ok()).map_or("", String::as_str)
}

/// Asserts attributes of an item, exactly; an empty text means that it is not there.
#[track_caller]
pub fn assert_keys(item: &Item, expected: &[(&str, String)]) {
    for name in ["pk", "sk", "gsi1pk", "gsi1sk", "gsi2pk", "gsi2sk", "entity"] {
        let expected = expected.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value.as_str());
        assert_eq!(text(item, name), expected, "{name}");
    }
}

/// The shard that `store` puts a name into; written down here anew, since the keys must never change.
pub fn shard(name: &str) -> u64 {
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    (name.bytes().fold(0xcbf2_9ce4_8422_2325, fnv) >> 32) % 8
}

pub fn now() -> Timestamp {
    "2027-01-15T08:00:00.123Z".parse().unwrap()
}

pub fn later(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

pub fn org() -> OrgId {
    OrgId::from_random([7; 16])
}

pub fn other_org() -> OrgId {
    OrgId::from_random([8; 16])
}

pub fn tier(name: &str, quantity: u32) -> Tier {
    Tier {
        id: TierId::from_random(rand::random()),
        name: name.to_owned(),
        description: String::new(),
        price: Cents(2500),
        currency: Currency::USD,
        quantity,
        max_per_order: 100,
        payment_link: None,
        is_active: true,
        sale_starts_at: None,
        sale_ends_at: None,
    }
}

pub fn event(capacities: &[u32]) -> Event {
    Event {
        id: EventId::from_random(rand::random()),
        org: org(),
        name: "Summer Night".into(),
        slug: "summer-night".into(),
        location: "Guatemala".into(),
        venue: None,
        date: civil::date(2027, 6, 1),
        time: civil::time(21, 0, 0, 0),
        description: None,
        kind: EventKind::Party,
        main_artist: None,
        artists: vec!["A".into()],
        image: None,
        min_age: 18,
        status: EventStatus::Active,
        is_featured: false,
        hold_minutes: 15,
        tiers: (0..).zip(capacities).map(|(i, quantity)| tier(&format!("Tier {i}"), *quantity)).collect(),
        retired: vec![],
        version: 1,
        created_at: now(),
    }
}

pub fn order(event: &Event, tier: usize, quantity: u32) -> Order {
    order_at(event, tier, quantity, now())
}

pub fn order_at(event: &Event, tier: usize, quantity: u32, now: Timestamp) -> Order {
    Order::new(NewOrder {
        number: OrderNumber::new(now, rand::random()),
        event,
        tier: &event.tiers[tier],
        quantity,
        buyer: Buyer {
            name: "Ana López".into(),
            email: "Ana@example.com".into(),
            phone: None,
            country: None,
            nationality: None,
        },
        payment_method: None,
        origin: Origin::default(),
        fingerprint: None,
        key_id: "k1".into(),
        now,
    })
}

pub fn secret(order: &Order) -> SecretHash {
    let keys = KeyRing::parse(&format!("k1:{}", "ab".repeat(16))).unwrap();
    TicketSecret::derive(&keys, "k1", order.number, 0).unwrap().hash()
}

pub fn payment(reference: &str) -> Payment {
    Payment { provider: Provider::Stripe, reference: Some(reference.into()), amount: None, currency: None, by: None }
}

pub fn ticket_mail(order: &Order) -> MailKey {
    MailKey::Ticket { number: order.number }
}

pub fn audit(id: &str) -> AuditEntry {
    AuditEntry {
        id: id.to_owned(),
        org: org(),
        action: Action::Update,
        entity_type: "event".into(),
        entity_id: "e".into(),
        user: Some(UserId::from_random([4; 16])),
        user_name: Some("Eva".into()),
        user_email: Some("eva@example.com".into()),
        old: None,
        new: Some("{}".into()),
        ip: None,
        user_agent: None,
        at: now(),
    }
}
