//! People at the counter, and sales as the app makes them (contract §18).

use domain::pos::{subscription::Subscription, tier::Tier};
use reqwest::Method;
use runtime::session::SESSION_HEADER;
use serde_json::{Value, json};

use crate::app::{Answer, App, Call};

pub const CASH: &str = "cash";

/// A UUID that nothing has.
pub const NOWHERE: &str = "00fa14fa-0000-4000-8000-00000000ffff";

/// Members of an order in a list; one by itself has `items` too.
pub const ORDER: &str = "id organizationId orderNumber status paymentMethod subtotal taxAmount tipAmount totalAmount \
    stripePaymentIntentId customerEmail customerId catalogId userId deviceId notes holdName heldAt heldBy isQuickCharge \
    description itemCount createdAt updatedAt";

/// Somebody at the counter.
pub struct Person<'a> {
    pub app: &'a App,
    pub token: String,
    /// What the phone sends with every call.
    pub session: Option<String>,
    /// What they were told when they logged in.
    pub login: Value,
}

impl<'a> Person<'a> {
    /// At the portal; `role` as in [`App::user`].
    pub async fn new(app: &'a App, role: &str) -> Self {
        let (email, password) = app.user(role);
        Self::log_in(app, &json!({"email": email, "password": password})).await
    }

    /// With the app on a phone, which names its session in every call.
    pub async fn phone(app: &'a App, role: &str) -> Self {
        let (email, password) = app.user(role);
        let device =
            json!({"name": "Phone", "model": "iPhone 16", "os": "ios", "osVersion": "18", "appVersion": "2.1"});
        let body =
            json!({"email": email, "password": password, "source": "app", "deviceId": DEVICE, "deviceInfo": device});
        let person = Self::log_in(app, &body).await;
        Person { session: Some(person.login["sessionVersion"].to_string()), ..person }
    }

    pub async fn log_in(app: &'a App, body: &Value) -> Self {
        let login = app.post("/pos/auth/login").json(body).send().await.expect(200);
        Person { app, token: login["tokens"]["accessToken"].as_str().unwrap().to_owned(), session: None, login }
    }

    pub fn call(&self, method: Method, path: &str) -> Call<'a> {
        let call = self.app.call(method, &format!("/pos{path}")).token(&self.token);
        if let Some(session) = &self.session { call.header(SESSION_HEADER, session) } else { call }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path).send().await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path).json(&body).send().await
    }

    /// With an idempotency key.
    pub async fn post_once(&self, path: &str, key: &str, body: &Value) -> Answer {
        self.call(Method::POST, path).header("idempotency-key", key).json(body).send().await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path).json(&body).send().await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path).send().await
    }

    /// A new order of one line over `total` cents; fields of `more` replace or add to it.
    pub async fn order(&self, method: &str, total: i64, more: Value) -> Value {
        order(self.app, &self.token, method, total, more).await
    }

    /// An order as it is now.
    pub async fn show(&self, order: &Value) -> Value {
        self.get(&format!("/orders/{}", id(order))).await.expect(200)
    }

    /// The status of an order as it is now.
    pub async fn status(&self, order: &Value) -> String {
        self.show(order).await["status"].as_str().unwrap().to_owned()
    }

    /// A card payment over `cents`, begun; fields of `more` replace or add to what the app sends.
    pub async fn intent(&self, cents: i64, more: Value) -> Value {
        let mut body = json!({"amount": cents as f64 / 100.0});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.post("/stripe/terminal/payment-intent", body).await.expect(200)
    }

    /// A card payment for an order, begun and linked to it, as the app does (contract §18, tap to pay, 2 and 3).
    pub async fn begin_tap(&self, order: &Value) -> Value {
        let text = |name: &str| order[name].to_string();
        let metadata = json!({"orderId": order["id"], "orderNumber": order["orderNumber"],
            "catalogId": order["catalogId"].as_str().unwrap_or_default(), "isQuickCharge": text("isQuickCharge"),
            "subtotal": text("subtotal"), "taxAmount": text("taxAmount"), "tipAmount": text("tipAmount")});
        let more = json!({"currency": "usd", "metadata": metadata, "receiptEmail": "", "description": "Lemonade"});
        let made = self.intent(order["totalAmount"].as_i64().unwrap(), more).await;
        self.link(order, id(&made), json!({})).await;
        made
    }

    /// Links a card payment to an order; the order, which waits for it now.
    pub async fn link(&self, order: &Value, intent: &str, more: Value) -> Value {
        let mut body = json!({"stripePaymentIntentId": intent});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let linked = self.patch(&format!("/orders/{}/payment-intent", id(order)), body).await.expect(200);
        assert_eq!(linked["status"], "processing");
        linked
    }

    /// A transaction with everything that belongs to it.
    pub async fn transaction(&self, order: &Value) -> Value {
        self.get(&format!("/stripe/connect/transactions/{}", id(order))).await.expect(200)
    }

    pub async fn refund(&self, order: &Value, body: Value) -> Answer {
        self.post(&format!("/stripe/connect/transactions/{}/refund", id(order)), body).await
    }
}

/// The phone that [`Person::phone`] is.
pub const DEVICE: &str = "device-1";

/// A card that pays, and one that is declined.
pub const VISA: &str = "4242424242424242";
pub const DECLINED: &str = "4000000000000002";

/// A new order of one line over `total` cents; fields of `more` replace or add to it.
pub async fn order(app: &App, token: &str, method: &str, total: i64, more: Value) -> Value {
    let body = order_body(method, total, more);
    app.post("/pos/orders").token(token).json(&body).send().await.expect(201)
}

/// The same, to be sent.
pub fn order_body(method: &str, total: i64, more: Value) -> Value {
    let mut body = json!({"items": [{"name": "Lemonade", "quantity": 1, "unitPrice": total}], "subtotal": total,
        "totalAmount": total, "paymentMethod": method});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// Takes cash for it.
pub async fn pay_cash(app: &App, token: &str, order: &Value, tendered: i64) -> Value {
    let path = format!("/pos/orders/{}/complete-cash", id(order));
    app.post(&path).token(token).json(&json!({"cashTendered": tendered})).send().await.expect(200)
}

/// Sells for cash.
pub async fn sell(app: &App, token: &str, method: &str, total: i64) -> Value {
    let order = order(app, token, method, total, json!({})).await;
    pay_cash(app, token, &order, total).await;
    order
}

/// Taps a card for it; the order is completed when this returns.
pub async fn pay_by_card(app: &App, token: &str, order: &Value) -> String {
    let total = order["totalAmount"].as_i64().unwrap();
    let wanted = json!({"amount": total as f64 / 100.0, "metadata": {"orderId": id(order)}});
    let made = app.post("/pos/stripe/terminal/payment-intent").token(token).json(&wanted).send().await.expect(200);
    let intent = made["id"].as_str().unwrap();
    let linked = json!({"stripePaymentIntentId": intent});
    let path = format!("/pos/orders/{}/payment-intent", id(order));
    app.call(Method::PATCH, &path).token(token).json(&linked).send().await.expect(200);
    let path = format!("/pos/stripe/terminal/payment-intent/{intent}/simulate");
    app.post(&path).token(token).json(&json!({})).send().await.expect(200)["id"].as_str().unwrap().to_owned()
}

/// Sells by card.
pub async fn sell_by_card(app: &App, token: &str, total: i64) -> Value {
    let order = order(app, token, "tap_to_pay", total, json!({})).await;
    pay_by_card(app, token, &order).await;
    order
}

/// An order's id, or another thing's.
pub fn id(thing: &Value) -> &str {
    thing["id"].as_str().unwrap()
}

/// An error of the counter's shape (contract §1.3).
#[track_caller]
pub fn refused(answer: Answer, status: u16, code: &str) -> Value {
    let body = answer.expect(status);
    assert_eq!(body["code"], code, "{body}");
    for name in ["error", "message"] {
        assert!(body[name].as_str().is_some_and(|text| !text.is_empty()), "{body}");
    }
    assert!(body.get("success").is_none(), "{body}");
    body
}

/// A refusal that names this field.
#[track_caller]
pub fn invalid(answer: Answer, field: &str) {
    let body = refused(answer, 400, "VALIDATION_ERROR");
    assert_eq!(body["error"], "VALIDATION_ERROR", "{body}");
    assert_eq!(body["details"][0]["path"], field, "{body}");
    assert!(body["details"][0]["message"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
}

/// ISO-8601 with milliseconds and `Z` (contract §1).
#[track_caller]
pub fn assert_time(time: &Value) {
    let text = time.as_str().unwrap_or_else(|| panic!("{time} is no time"));
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000Z", "{text}");
}

/// Gives "Home Productions" another tier.
pub async fn subscribe(app: &App, tier: Tier) {
    let ctx = app.cloud.ctx("pos-payments");
    let org = app.demo["org_id"].as_str().unwrap().parse().unwrap();
    let before = ctx.store().pos().load_terms(org).await.unwrap().subscription.unwrap();
    let after = Subscription { tier, version: before.version + 1, ..before.clone() };
    ctx.store().pos().save_subscription(Some(&before), &after).await.unwrap();
}

/// The number of something, as a whole one.
#[track_caller]
pub fn int(object: &Value, pointer: &str) -> i64 {
    let found = object.pointer(pointer).and_then(Value::as_i64);
    found.unwrap_or_else(|| panic!("{pointer} is no integer in {object}"))
}
