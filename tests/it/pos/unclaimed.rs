//! Card payments of which money is given back before an order has them, or before their order is paid, as the storms
//! (`chaos`) found them; and one that names another's order.

use std::collections::BTreeMap;

use domain::{
    ids::OrgId,
    money::Cents,
    pos::{
        connect::ConnectedAccount,
        order::{Method as Paid, Payment, Settlement},
    },
};
use jiff::SignedDuration;
use payments::terminal::{Capture, CardKind, NewIntent, NewRefund};
use reqwest::Method;
use serde_json::{Value, json};

use super::till::{Person, id, order, order_body, refused};
use crate::app::App;

/// A card payment of 10.00 that names no order, of which 4.00 went back at Stripe's dashboard; all of it heard in vain.
async fn given_back_unclaimed(owner: &Person<'_>) -> String {
    let cloud = &owner.app.cloud;
    let wanted = json!({"amount": 10.0});
    let made = owner.call(Method::POST, "/stripe/terminal/payment-intent").json(&wanted).send().await.expect(200);
    let (intent, account) = (made["id"].as_str().unwrap(), made["stripeAccountId"].as_str().unwrap());
    cloud.stripe().tap(intent, "4242424242424242");
    let ctx = cloud.ctx("workers-payments");
    let part = NewRefund { payment_intent: intent.to_owned(), amount: Some(Cents(400)), ..NewRefund::default() };
    ctx.stripe().unwrap().on_account(account).refund_intent(&part, "dashboard").await.unwrap();
    cloud.drain().await;
    intent.to_owned()
}

async fn refunded(owner: &Person<'_>, order: &Value) -> i64 {
    let shown = owner.get(&format!("/stripe/connect/transactions/{}", id(order))).await.expect(200);
    shown["amountRefunded"].as_i64().unwrap()
}

/// The card was held before the order had the payment, and Stripe told of it in vain: nobody has to ask again.
#[tokio::test]
async fn a_card_payment_that_came_before_its_link_pays_with_it() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let taken = async || {
        let wanted = json!({"amount": 10.0});
        let made = owner.call(Method::POST, "/stripe/terminal/payment-intent").json(&wanted).send().await.expect(200);
        let intent = made["id"].as_str().unwrap().to_owned();
        app.cloud.stripe().tap(&intent, "4242424242424242");
        app.cloud.drain().await;
        json!({"stripePaymentIntentId": intent})
    };
    let linked = order(&app, &owner.token, "tap_to_pay", 1000, json!({})).await;
    let (path, first) = (format!("/orders/{}/payment-intent", id(&linked)), taken().await);
    for _ in 0..2 {
        let shown = owner.call(Method::PATCH, &path).json(&first).send().await.expect(200);
        assert_eq!(shown["status"], "completed");
    }
    let another = owner.call(Method::PATCH, &path).json(&taken().await).send().await.expect(400);
    assert_eq!(another["code"], "INVALID_STATUS", "an order that is paid takes no other, which stays where it is");
    assert!(app.cloud.stripe().objects("refund").is_empty());

    let updated = order(&app, &owner.token, "tap_to_pay", 1000, json!({})).await;
    let path = format!("/orders/{}", id(&updated));
    let shown = owner.call(Method::PATCH, &path).json(&taken().await).send().await.expect(200);
    assert_eq!(shown["status"], "completed");

    let body = order_body("tap_to_pay", 1000, taken().await);
    let made = owner.post_once("/orders", "offline", &body).await.expect(201);
    assert_eq!(made["status"], "completed");
    assert_eq!(owner.post_once("/orders", "offline", &body).await.expect(201)["id"], made["id"]);
    refused(owner.post("/orders", body).await, 409, "PAYMENT_INTENT_TAKEN");

    // More than the order wants is refused before anything is written, and before any money goes back.
    let small = order(&app, &owner.token, "tap_to_pay", 500, json!({})).await;
    let (link, mut edit) = (taken().await, json!({"notes": "two straws"}));
    edit["stripePaymentIntentId"] = link["stripePaymentIntentId"].clone();
    let path = format!("/orders/{}", id(&small));
    let linking = owner.call(Method::PATCH, &format!("{path}/payment-intent")).json(&link).send().await;
    refused(linking, 400, "AMOUNT_TOO_LARGE");
    refused(owner.call(Method::PATCH, &path).json(&edit).send().await, 400, "AMOUNT_TOO_LARGE");
    assert_eq!(owner.get(&path).await.expect(200)["notes"], Value::Null);
    refused(owner.post("/orders", order_body("tap_to_pay", 500, link)).await, 400, "AMOUNT_TOO_LARGE");
    assert_eq!(owner.get("/orders").await.expect(200)["total"], 4);
    assert!(app.cloud.stripe().objects("refund").is_empty());
    app.verify().await;
}

#[tokio::test]
async fn what_went_back_before_an_order_had_the_card_payment_is_known_once_it_pays() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let intent = given_back_unclaimed(&owner).await;
    let order = order(&app, &owner.token, "tap_to_pay", 1000, json!({})).await;
    let link = json!({"stripePaymentIntentId": intent});
    owner.call(Method::PATCH, &format!("/orders/{}/payment-intent", id(&order))).json(&link).send().await.expect(200);
    for _ in 0..2 {
        owner.get(&format!("/stripe/terminal/payment-intent/{intent}/status")).await.expect(200);
        assert_eq!(refunded(&owner, &order).await, 400);
    }
}

#[tokio::test]
async fn whoever_dies_before_asking_what_went_back_leaves_it_to_the_sweeper() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let intent = given_back_unclaimed(&owner).await;
    let order = order(&app, &owner.token, "tap_to_pay", 1000, json!({})).await;
    let ctx = app.cloud.ctx("workers-payments");
    let (pos, org) = (ctx.store().pos(), app.demo["org_id"].as_str().unwrap().parse().unwrap());
    let before = pos.load_order(org, id(&order).parse().unwrap()).await.unwrap().unwrap().order;
    let payment = Payment::card(Paid::TapToPay, &intent, Cents(1000), ctx.now());
    let Settlement::Pays(after) = before.settle(&payment, ctx.now()) else { panic!("an order that waits") };
    assert!(pos.add_unheard_payment(&before, &after, &payment).await.unwrap());
    assert_eq!(refunded(&owner, &order).await, 0, "nobody has asked");

    app.cloud.clock().advance(SignedDuration::from_mins(1));
    assert_eq!(ctx.register().resume_refunds().await.unwrap(), 0);
    assert_eq!(refunded(&owner, &order).await, 400);
    let left = pos.list_pending_refunds(ctx.now(), 100).await.unwrap();
    assert_eq!(left, Default::default(), "asked for good");
}

#[tokio::test]
async fn what_went_back_of_a_part_is_known_though_the_order_is_not_paid_yet() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let order = order(&app, &owner.token, "split", 1500, json!({})).await;
    let wanted = json!({"amount": 10.0});
    let made = owner.call(Method::POST, "/stripe/terminal/payment-intent").json(&wanted).send().await.expect(200);
    let (intent, account) = (made["id"].as_str().unwrap(), made["stripeAccountId"].as_str().unwrap());
    app.cloud.stripe().tap(intent, "4242424242424242");
    let path = format!("/orders/{}/payments", id(&order));
    let part = json!({"paymentMethod": "tap_to_pay", "amount": 1000, "stripePaymentIntentId": intent});
    owner.call(Method::POST, &path).json(&part).send().await.expect(200);
    let ctx = app.cloud.ctx("workers-payments");
    let all = NewRefund { payment_intent: intent.to_owned(), ..NewRefund::default() };
    ctx.stripe().unwrap().on_account(account).refund_intent(&all, "dashboard").await.unwrap();
    app.cloud.drain().await;

    let rest = json!({"paymentMethod": "cash", "amount": 500});
    let paid = owner.call(Method::POST, &path).json(&rest).send().await.expect(200);
    assert_eq!((paid["orderStatus"].as_str(), paid["remainingBalance"].as_i64()), (Some("completed"), Some(0)));
    assert_eq!(refunded(&owner, &order).await, 1000);
}

/// An owner may write what they like on their own account's payments: whose an order is does not follow from it, not even
/// where the order waits for a payment of that name.
#[tokio::test]
async fn money_on_another_account_pays_nothing_here() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let order = order(&app, &owner.token, "tap_to_pay", 1000, json!({})).await;
    let ctx = app.cloud.ctx("workers-payments");
    let stripe = ctx.stripe().unwrap();
    app.cloud.stripe().plant_account("acct_elsewhere", "Elsewhere");
    let account = stripe.retrieve_account("acct_elsewhere").await.unwrap();
    let elsewhere = ConnectedAccount::opened(OrgId::from_random([9; 16]), account.id, account.facts, ctx.now());
    ctx.store().pos().open_account(&elsewhere).await.unwrap();
    let claims = [("organization_id", &app.demo["org_id"]), ("orderId", &order["id"])];
    let wanted = NewIntent {
        amount: Cents(1000),
        currency: "usd".into(),
        payment_method_types: [CardKind::CardPresent],
        capture_method: Capture::Automatic,
        application_fee_amount: None,
        description: None,
        receipt_email: None,
        metadata: BTreeMap::from(claims.map(|(name, value)| (name.to_owned(), value.as_str().unwrap().to_owned()))),
    };
    let made = stripe.on_account("acct_elsewhere").create_intent(&wanted, None).await.unwrap();
    let (pos, org) = (ctx.store().pos(), app.demo["org_id"].as_str().unwrap().parse().unwrap());
    let before = pos.load_order(org, id(&order).parse().unwrap()).await.unwrap().unwrap().order;
    let waiting = before.link(&made.id, None, None, ctx.now()).unwrap();
    assert!(pos.link_intent(&before, &waiting, &made.id).await.unwrap());
    app.cloud.stripe().tap(&made.id, "4242424242424242");
    app.cloud.drain().await;
    let told = app.cloud.stripe().deliveries();
    let told = told.iter().filter(|told| told.kind == "payment_intent.succeeded" && told.status == Some(200)).count();
    assert_eq!(told, 1, "Stripe told of it");
    let path = format!("/orders/{}", id(&order));
    let shown = owner.get(&path).await.expect(200);
    assert_eq!(shown["status"], "processing");
    assert!(owner.get(&format!("{path}/payments")).await.expect(200)["payments"].as_array().unwrap().is_empty());
    assert!(app.cloud.stripe().objects("refund").is_empty(), "and it is not ours to give back");
}
