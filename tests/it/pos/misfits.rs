//! Card payments that an order cannot take, or that come when nobody expects them: refused before the buyer pays, or given
//! back for certain; and what an order that is gone leaves behind.

use std::collections::BTreeMap;

use domain::{ids::OrgId, money::Cents};
use jiff::SignedDuration;
use local::stripe::Fault;
use payments::terminal::{Capture, CardKind, NewIntent};
use serde_json::{Value, json};

use super::till::{Person, VISA, id, order_body, refused};
use crate::app::App;

fn org(app: &App) -> OrgId {
    app.demo["org_id"].as_str().unwrap().parse().unwrap()
}

fn refunds(app: &App) -> usize {
    app.cloud.stripe().objects("refund").len()
}

/// A card payment of 10.00 that names no order and has succeeded; told of or not.
async fn taken(owner: &Person<'_>, told: bool) -> String {
    let made = owner.intent(1000, json!({})).await;
    owner.app.cloud.stripe().tap(id(&made), VISA);
    if told {
        owner.app.cloud.drain().await;
    }
    id(&made).to_owned()
}

fn link(intent: &str) -> Value {
    json!({"stripePaymentIntentId": intent})
}

/// Another shop's sale on the same account, which has nothing of us on it.
async fn elsewhere(owner: &Person<'_>, currency: &str) -> String {
    let app = owner.app;
    let wanted = NewIntent {
        amount: Cents(8000),
        currency: currency.into(),
        payment_method_types: [CardKind::CardPresent],
        capture_method: Capture::Automatic,
        application_fee_amount: None,
        description: None,
        receipt_email: None,
        metadata: BTreeMap::new(),
    };
    let ours = owner.intent(1000, json!({})).await;
    let ctx = app.cloud.ctx("pos-payments");
    let stripe = ctx.stripe().unwrap().on_account(ours["stripeAccountId"].as_str().unwrap());
    let made = stripe.create_intent(&wanted, None).await.unwrap().id;
    app.cloud.stripe().tap(&made, VISA);
    app.cloud.drain().await;
    made
}

#[tokio::test]
async fn a_card_payment_of_more_than_is_left_is_not_linked() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let order = owner.order("tap_to_pay", 1000, json!({})).await;
    let begun = owner.intent(1000, json!({"metadata": {"orderId": order["id"]}})).await;
    let path = format!("/orders/{}", id(&order));
    owner.patch(&path, json!({"subtotal": 900, "totalAmount": 900})).await.expect(200);
    let linked = owner.patch(&format!("{path}/payment-intent"), link(id(&begun))).await;
    refused(linked, 400, "AMOUNT_TOO_LARGE");
    refused(owner.patch(&path, link(id(&begun))).await, 400, "AMOUNT_TOO_LARGE");
    assert_eq!(owner.status(&order).await, "pending");
    let dear = owner.intent(1001, json!({})).await;
    refused(owner.post("/orders", order_body("tap_to_pay", 1000, link(id(&dear)))).await, 400, "AMOUNT_TOO_LARGE");
    assert_eq!(owner.get("/orders").await.expect(200)["total"], 1);
}

#[tokio::test]
async fn a_cancelled_card_payment_is_not_linked() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let order = owner.order("tap_to_pay", 1000, json!({})).await;
    let begun = owner.intent(1000, json!({})).await;
    owner.post(&format!("/stripe/terminal/payment-intent/{}/cancel", id(&begun)), json!({})).await.expect(200);
    let path = format!("/orders/{}", id(&order));
    refused(owner.patch(&format!("{path}/payment-intent"), link(id(&begun))).await, 400, "PAYMENT_NOT_SUCCEEDED");
    refused(
        owner.post("/orders", order_body("tap_to_pay", 1000, link(id(&begun)))).await,
        400,
        "PAYMENT_NOT_SUCCEEDED",
    );
    assert_eq!(owner.status(&order).await, "pending");
}

#[tokio::test]
async fn an_order_does_not_wait_for_a_card_payment_that_was_given_back() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let order = owner.order("tap_to_pay", 1000, json!({})).await;
    let begun = owner.begin_tap(&order).await;
    let part = json!({"paymentMethod": "cash", "amount": 400});
    owner.post(&format!("/orders/{}/payments", id(&order)), part).await.expect(200);
    app.cloud.stripe().tap(id(&begun), VISA);
    app.cloud.drain().await;
    assert_eq!(refunds(&app), 1);
    assert_eq!(owner.status(&order).await, "failed");
    let rest = owner.intent(600, json!({})).await;
    owner.link(&order, id(&rest), json!({})).await;
    app.cloud.stripe().tap(id(&rest), VISA);
    app.cloud.drain().await;
    assert_eq!(owner.status(&order).await, "completed");
    assert_eq!(refunds(&app), 1);
    app.verify().await;
}

/// Two phones take the last 10.00 of an order at once: one of them gives it back, though Stripe fails at first.
#[tokio::test]
async fn what_is_to_be_given_back_is_although_stripe_fails() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let order = owner.order("split", 1000, json!({})).await;
    let path = format!("/orders/{}/payments", id(&order));
    let part = |intent: &str| json!({"paymentMethod": "tap_to_pay", "amount": 1000, "stripePaymentIntentId": intent});
    let (first, second) = (taken(&owner, true).await, taken(&owner, true).await);
    owner.post(&path, part(&first)).await.expect(200);
    app.cloud.stripe().fail_next_on("/v1/refunds", 50, Fault::Http500);
    owner.post(&path, part(&second)).await.expect(503);
    app.cloud.stripe().clear_faults();
    assert_eq!(refunds(&app), 0);

    app.cloud.clock().advance(SignedDuration::from_mins(1));
    let ctx = app.cloud.ctx("workers-payments");
    assert_eq!(ctx.register().resume_refunds().await.unwrap(), 0);
    assert_eq!(refunds(&app), 1);
    assert_eq!(ctx.store().pos().list_pending_refunds(ctx.now(), 10).await.unwrap(), Default::default());
    refused(owner.post(&path, part(&second)).await, 409, "PAYMENT_RETURNED");
    assert_eq!(refunds(&app), 1);
    app.verify().await;
}

/// The money comes, and is told of, between the look at Stripe and the link.
#[tokio::test]
async fn a_link_that_comes_after_the_notice_does_not_wait_for_it() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let order = owner.order("tap_to_pay", 1000, json!({})).await;
    let intent = taken(&owner, true).await;
    let ctx = app.cloud.ctx("pos-orders");
    let read = async || {
        let number = id(&order).parse().unwrap();
        ctx.store().pos().load_order(org(&app), number).await.unwrap().unwrap()
    };
    assert_eq!(ctx.register().link_intent(read().await, &intent, None, None).await.unwrap(), None);
    assert_eq!(owner.status(&order).await, "pending", "nothing is written");
    let linked = owner.patch(&format!("/orders/{}/payment-intent", id(&order)), link(&intent)).await.expect(200);
    assert_eq!((&linked["status"], &linked["stripePaymentIntentId"]), (&json!("completed"), &json!(intent)));
    let again = owner.patch(&format!("/orders/{}", id(&order)), link(&intent)).await.expect(200);
    assert_eq!(again["status"], "completed");
    assert_eq!(ctx.register().link_intent(read().await, &intent, None, None).await.unwrap(), Some(read().await));
    app.verify().await;
}

#[tokio::test]
async fn an_order_made_with_money_that_came_shows_its_card() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    for told in [true, false] {
        let intent = taken(&owner, told).await;
        let made = owner.post("/orders", order_body("tap_to_pay", 1000, link(&intent))).await.expect(201);
        assert_eq!((&made["status"], &made["stripePaymentIntentId"]), (&json!("completed"), &json!(intent)));
        app.cloud.drain().await;
    }
    let sold = owner.get("/stripe/connect/transactions?status=all").await.expect(200);
    for sale in sold["data"].as_array().unwrap() {
        assert_eq!(sale["paymentMethod"]["last4"], "4242", "{sale}");
    }
    assert_eq!(refunds(&app), 0);
    app.verify().await;
}

#[tokio::test]
async fn a_sale_made_elsewhere_on_the_account_is_not_given_back() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let order = owner.order("split", 1, json!({})).await;
    let intent = elsewhere(&owner, "usd").await;
    let part = json!({"paymentMethod": "card", "amount": 1, "stripePaymentIntentId": intent});
    refused(owner.post(&format!("/orders/{}/payments", id(&order)), part).await, 400, "AMOUNT_TOO_LARGE");
    assert_eq!(refunds(&app), 0);
}

#[tokio::test]
async fn other_currencies_pay_nothing() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let order = owner.order("tap_to_pay", 8000, json!({})).await;
    let intent = elsewhere(&owner, "jpy").await;
    let path = format!("/orders/{}", id(&order));
    refused(owner.patch(&format!("{path}/payment-intent"), link(&intent)).await, 400, "PAYMENT_CURRENCY");
    let part = json!({"paymentMethod": "card", "amount": 8000, "stripePaymentIntentId": intent});
    refused(owner.post(&format!("{path}/payments"), part).await, 400, "PAYMENT_CURRENCY");
    assert_eq!((owner.status(&order).await.as_str(), refunds(&app)), ("pending", 0));
}

#[tokio::test]
async fn a_part_of_an_order_that_is_deleted_goes_back() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let order = owner.order("split", 2000, json!({})).await;
    let intent = taken(&owner, true).await;
    owner.delete(&format!("/orders/{}", id(&order))).await.expect(200);
    let part = json!({"paymentMethod": "tap_to_pay", "amount": 1000, "stripePaymentIntentId": intent});
    let path = |order: &str| format!("/orders/{order}/payments");
    let unknown = "00000000-0000-4000-8000-000000000000";
    refused(owner.post(&path(unknown), part.clone()).await, 404, "ORDER_NOT_FOUND");
    assert_eq!(refunds(&app), 0, "a slip of the hand gives nothing back");
    for _ in 0..2 {
        refused(owner.post(&path(id(&order)), part.clone()).await, 409, "PAYMENT_RETURNED");
        assert_eq!(refunds(&app), 1);
    }
    app.verify().await;
}

#[tokio::test]
async fn a_repeat_is_answered_whatever_became_of_what_it_names() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let catalog = owner.post("/catalogs", json!({"name": "Weekend"})).await.expect(201);
    let begun = owner.intent(1000, json!({})).await;
    let body = order_body("cash", 1000, json!({"catalogId": catalog["id"], "stripePaymentIntentId": begun["id"]}));
    let made = owner.post_once("/orders", "offline", &body).await.expect(201);
    let cash = json!({"cashTendered": 1000});
    owner.post(&format!("/orders/{}/complete-cash", id(&made)), cash).await.expect(200);
    owner.delete(&format!("/catalogs/{}", id(&catalog))).await.expect(200);
    app.cloud.stripe().tap(id(&begun), VISA);
    app.cloud.drain().await;
    assert_eq!(refunds(&app), 1, "it was paid in cash");
    let again = owner.post_once("/orders", "offline", &body).await.expect(201);
    assert_eq!((&again["id"], &again["status"]), (&made["id"], &json!("completed")));
    let other = order_body("cash", 1001, json!({"catalogId": catalog["id"]}));
    refused(owner.post_once("/orders", "offline", &other).await, 422, "IDEMPOTENCY_KEY_REUSED");
    app.verify().await;
}
