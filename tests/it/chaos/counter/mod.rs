//! The counter of a world: two organizations that sell side by side through the real handlers, and what was promised to
//! whom, so that in the end it can be held against the table and against Stripe's books.

mod judge;
mod money;
mod plan;
mod pools;
mod stores;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

use domain::{
    ids::{CatalogId, OrgId, SplitId, UserId},
    member::{Member, Org, Role},
    pos::{
        billing::Purchase,
        catalog::{Catalog, CatalogList},
        connect::ConnectedAccount,
        order::Status,
        split::{Percentage, RecipientType, Split},
        subscription::Platform,
        tier::Tier,
    },
};
use jiff::SignedDuration;
use local::stripe::Stripe;
use runtime::{Ctx, Function, Invoker};
use serde_json::{Value, json};
use store::pos::split::SplitMade;

use super::world::{TABLE, World};
pub(super) use plan::{Plan, Step, take};

/// An organization that sells.
pub(super) struct Shop {
    org: OrgId,
    account: String,
    owner: UserId,
    seller: UserId,
    catalog: CatalogId,
    /// Its subscription at the App Store.
    purchase: Purchase,
}

/// A card payment that was begun.
#[derive(Clone, Debug)]
struct Card {
    shop: usize,
    intent: String,
}

/// What a client was told, and must find again.
#[derive(Default)]
struct Told {
    /// Orders that were made, with their shop.
    orders: Vec<(usize, String)>,
    /// The orders that each sale was answered with.
    sales: BTreeMap<String, BTreeSet<String>>,
    /// Orders that somebody asked to delete.
    deleted: BTreeSet<String>,
    cards: Vec<Card>,
    /// Change by the client's key: order, cents handed over, cents given back.
    change: BTreeMap<String, (String, i64, i64)>,
    /// What was given back by the client's key: order, cents.
    refunds: BTreeMap<String, (String, i64)>,
    /// Addresses that a receipt was asked for, and whether that was answered.
    receipts: BTreeMap<String, bool>,
    /// Pools, with their shop and whether somebody was told that they are final.
    pools: BTreeMap<String, (usize, bool)>,
    /// The stores' notices, oldest first.
    notices: Vec<stores::Notice>,
}

pub(super) struct Counter {
    shops: Vec<Shop>,
    told: Mutex<Told>,
    orders: Invoker,
    payments: Invoker,
    staff: Invoker,
    stores: Invoker,
}

/// A handler's answer.
struct Reply {
    status: u16,
    body: Value,
}

impl Reply {
    fn is(&self, status: u16) -> bool {
        self.status == status
    }

    fn text(&self, name: &str) -> String {
        self.body[name].as_str().unwrap_or_default().to_owned()
    }
}

/// What a request carries besides its path.
#[derive(Clone, Copy, Default)]
struct Asked<'a> {
    /// `Idempotency-Key`.
    key: Option<&'a str>,
    body: Option<&'a Value>,
}

impl Counter {
    /// Opens both shops: their people, accounts, catalogs, splits and subscriptions.
    pub(super) async fn open(ctx: &Ctx, stripe: &Stripe) -> Self {
        let shops = vec![open_shop(ctx, stripe, 1).await, open_shop(ctx, stripe, 2).await];
        let bind = |function: Function| function.into_invoker(ctx.clone());
        Counter {
            shops,
            told: Mutex::default(),
            orders: bind(pos_orders::function()),
            payments: bind(pos_payments::function()),
            staff: bind(pos_staff::function()),
            stores: bind(webhooks_stores::function()),
        }
    }
}

async fn open_shop(ctx: &Ctx, stripe: &Stripe, number: u8) -> Shop {
    let (store, now) = (ctx.store(), ctx.now());
    let org = OrgId::from_random([100 + number; 16]);
    let (owner, seller) = (UserId::from_random([110 + number; 16]), UserId::from_random([120 + number; 16]));
    store.save_org(&Org::new(org, format!("Stall {number}"), now)).await.unwrap();
    // Functions remember catalogs for a minute, and all worlds are in one process.
    let catalog = CatalogId::from_random(rand::random());
    for (user, role) in [(owner, Role::Superadmin), (seller, Role::Staff)] {
        let email = format!("{user}@example.com");
        let mut member = Member::new(user, org, email, "Ana Stall".into(), Some(role), now);
        member.catalogs.insert(catalog);
        store.save_member(&member).await.unwrap();
    }
    let list = CatalogList::default().with(catalog, Tier::Pro).unwrap();
    store.pos().create_catalog(&Catalog::new(catalog, org, "Drinks".into(), now), &list).await.unwrap();
    let split = Split {
        id: SplitId::from_random([130 + number; 16]),
        org,
        catalog,
        version: 0,
        recipient_name: "The venue".into(),
        recipient_type: RecipientType::Venue,
        percentage: Percentage::from_number(12.5).unwrap(),
        notes: None,
        is_active: true,
        created_at: now,
        updated_at: now,
    };
    assert_eq!(store.pos().create_split(&split, 100).await.unwrap(), SplitMade::Yes);
    let (account, reference) = (format!("acct_stall{number}"), format!("20000000000000{number}"));
    stripe.plant_account(&account, "Stall");
    let known = ctx.stripe().unwrap().retrieve_account(&account).await.unwrap();
    store.pos().open_account(&ConnectedAccount::opened(org, known.id, known.facts, now)).await.unwrap();
    let purchase = Purchase {
        platform: Platform::Apple,
        reference,
        product: None,
        expires_at: Some(now + SignedDuration::from_hours(24)),
        is_trial: false,
        revoked: false,
        standing: None,
        replaces: None,
        at: now - SignedDuration::from_hours(1),
    };
    store.pos().link_purchase(org, owner, &purchase, now).await.unwrap();
    Shop { org, account, owner, seller, catalog, purchase }
}

impl World {
    pub(super) fn counter(&self) -> &Counter {
        self.counter.as_ref().unwrap()
    }

    fn shop(&self, shop: usize) -> &Shop {
        &self.counter().shops[shop]
    }

    fn told<T>(&self, change: impl FnOnce(&mut Told) -> T) -> T {
        change(&mut self.counter().told.lock().unwrap())
    }

    /// Where an order stands, looked up where no weather is.
    fn peek(&self, shop: usize, order: &str) -> Option<Status> {
        let pk = format!("ORG#{}#ORDER#{order}", self.shop(shop).org);
        let key = json!({"TableName": TABLE, "Key": {"pk": {"S": pk}, "sk": {"S": "ORDER"}}});
        let (_, answer) = self.wire.database("GetItem", key.to_string().as_bytes(), false);
        let answer: Value = serde_json::from_str(&answer).unwrap();
        serde_json::from_value(answer["Item"]["status"]["S"].clone()).ok()
    }

    /// A name that nothing else in this world has.
    fn name(&self, kind: &str) -> String {
        format!("{kind}-{:016x}", self.dice.random())
    }

    /// Asks a handler in a member's name. What breaks inside it, whatever the weather, is a promise broken.
    async fn ask(&self, function: &Invoker, who: Option<UserId>, method: &str, path: &str, asked: Asked<'_>) -> Reply {
        let mut headers =
            json!({"content-type": "application/json", "authorization": "Bearer verified-by-the-gateway"});
        if let Some(key) = asked.key {
            headers["idempotency-key"] = key.into();
        }
        let mut event = json!({"version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
            "headers": headers, "isBase64Encoded": false, "body": asked.body.map(Value::to_string),
            "requestContext": {"accountId": "0", "apiId": "local", "domainName": "localhost", "domainPrefix": "localhost",
                "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7", "userAgent": "x"},
                "requestId": "1", "routeKey": "$default", "stage": "$default", "time": "01/Jan/2026:00:00:00 +0000",
                "timeEpoch": 0}});
        if let Some(who) = who {
            let claims = json!({"sub": who.to_string(), "token_use": "access", "client_id": "client", "username": "x",
                "exp": "4000000000", "iat": "1"});
            event["requestContext"]["authorizer"] = json!({"jwt": {"claims": claims, "scopes": null}});
        }
        let answer = function.invoke(event, lambda_runtime::Context::default()).await.unwrap();
        let status = answer["statusCode"].as_u64().unwrap() as u16;
        let body = answer["body"].as_str().and_then(|body| serde_json::from_str(body).ok()).unwrap_or_default();
        if status == 500 {
            self.breaks(format!("{method} {path} broke"));
        }
        Reply { status, body }
    }

    /// Asks `pos-orders` in the name of a shop's seller.
    async fn ask_orders(&self, shop: usize, method: &str, path: &str, asked: Asked<'_>) -> Reply {
        self.ask(&self.counter().orders, Some(self.shop(shop).seller), method, path, asked).await
    }

    /// Asks `pos-payments` in the name of a shop's seller.
    async fn ask_payments(&self, shop: usize, method: &str, path: &str, asked: Asked<'_>) -> Reply {
        self.ask(&self.counter().payments, Some(self.shop(shop).seller), method, path, asked).await
    }
}
