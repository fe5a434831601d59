//! Sales at the counter, made as the app makes them (contract §18).

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::App;

pub const CASH: &str = "cash";

/// A new order of one line over `total` cents; fields of `more` replace or add to it.
pub async fn order(app: &App, token: &str, method: &str, total: i64, more: Value) -> Value {
    let mut body = json!({"items": [{"name": "Lemonade", "quantity": 1, "unitPrice": total}], "subtotal": total,
        "totalAmount": total, "paymentMethod": method});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    app.post("/pos/orders").token(token).json(&body).send().await.expect(201)
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

/// An order's id.
pub fn id(order: &Value) -> &str {
    order["id"].as_str().unwrap()
}
