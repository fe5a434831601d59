//! `/pos/stripe/terminal` (contract `pos.md` §9): what is asked of Stripe for a card, and what is refused before it.

use domain::pos::tier::Tier;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::till::*;
use crate::app::{App, assert_exact_members};

const INTENT: &str = "/stripe/terminal/payment-intent";

fn path(intent: &str, step: &str) -> String {
    format!("{INTENT}/{intent}{step}")
}

/// The newest card payment as it is at Stripe.
fn newest(app: &App) -> Value {
    app.cloud.stripe().objects("payment_intent").pop().unwrap()
}

/// Dollars become cents by half up, never by cutting off (contract §1.1).
#[tokio::test]
async fn dollars_become_cents() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    for (dollars, cents) in [
        (json!(19.99), 1999),
        (json!(37.51), 3751),
        (json!(0.5), 50),
        (json!(1), 100),
        (json!(4.35), 435),
        (json!(1.005), 100),
        (json!(0.57), 57),
        (json!(1.15), 115),
        (json!(999_999.99), 99_999_999),
    ] {
        let made = owner.post(INTENT, json!({"amount": dollars})).await.expect(200);
        assert_eq!(int(&made, "/amount"), cents, "{dollars}");
        assert_eq!(newest(&app)["amount"], cents);
    }
    for bad in [json!(0.49), json!(0), json!(-1), json!(1_000_000), json!(0.494)] {
        invalid(owner.post(INTENT, json!({"amount": bad})).await, "amount");
    }
    for bad in [json!("37.51"), Value::Null] {
        refused(owner.post(INTENT, json!({"amount": bad})).await, 400, "VALIDATION_ERROR");
    }
}

/// Our fee by tier, per payment, omitted when it is nothing (contract §19).
#[tokio::test]
async fn the_platforms_fee() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    for (tier, cases) in [
        (Tier::Starter, vec![(3751, 11), (250, 4), (50, 3)]),
        (Tier::Pro, vec![(3751, 5), (1500, 3), (50, 1)]),
        (Tier::Enterprise, vec![(3751, 0), (99_999_999, 0)]),
    ] {
        subscribe(&app, tier).await;
        for (cents, fee) in cases {
            owner.intent(cents, json!({})).await;
            let made = newest(&app);
            assert_eq!(
                made["application_fee_amount"],
                if fee == 0 { Value::Null } else { json!(fee) },
                "{tier:?} {cents}"
            );
            assert_eq!(made["metadata"]["platform_fee_cents"], fee.to_string());
            assert_eq!(made["metadata"]["subscription_tier"], tier.as_str());
        }
    }
}

#[tokio::test]
async fn what_is_written_on_a_card_payment() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let catalog = owner.post("/catalogs", json!({"name": "Bar"})).await.expect(201);
    let order = owner.order("tap_to_pay", 3751, json!({"catalogId": catalog["id"]})).await;
    let metadata = json!({"orderId": order["id"], "orderNumber": order["orderNumber"], "catalogId": "",
        "isQuickCharge": "false", "subtotal": "3751", "taxAmount": "0", "tipAmount": "0",
        "organization_id": NOWHERE, "source": "somebody else"});
    let more = json!({"metadata": metadata, "receiptEmail": "bo@example.com", "description": " Two drinks ",
        "currency": "USD", "captureMethod": "manual", "paymentMethodType": "card", "orderId": "x", "isQuickCharge": false});
    let made = owner.intent(3751, more).await;
    assert_exact_members(&made, "id clientSecret amount currency status stripeAccountId");
    assert!(made["clientSecret"].as_str().is_some_and(|secret| secret.starts_with(id(&made))));
    let at_stripe = newest(&app);
    let expected = json!({"orderId": order["id"], "orderNumber": order["orderNumber"], "catalogId": catalog["id"],
        "isQuickCharge": "false", "subtotal": "3751", "taxAmount": "0", "tipAmount": "0",
        "organization_id": app.demo["org_id"], "user_id": owner.login["user"]["id"], "source": "mobile_app",
        "subscription_tier": "pro", "platform_fee_cents": "5", "payment_method_type": "card"});
    assert_eq!(at_stripe["metadata"], expected, "ours cannot be written over");
    assert_eq!(
        (&at_stripe["capture_method"], &at_stripe["payment_method_types"]),
        (&json!("manual"), &json!(["card"]))
    );
    assert_eq!(
        (&at_stripe["receipt_email"], &at_stripe["description"]),
        (&json!("bo@example.com"), &json!("Two drinks"))
    );
    owner.intent(100, json!({"receiptEmail": "", "description": ""})).await;
    let plain = newest(&app);
    assert_eq!((&plain["receipt_email"], &plain["payment_method_types"]), (&Value::Null, &json!(["card_present"])));

    let big: serde_json::Map<String, Value> = (0..41).map(|n| (format!("k{n}"), json!("v"))).collect();
    for (more, field) in [
        (json!({"currency": "eur"}), "currency"),
        (json!({"receiptEmail": "bo"}), "receiptEmail"),
        (json!({"description": "é".repeat(501)}), "description"),
        (json!({"metadata": big}), "metadata"),
        (json!({"metadata": {"a key": "v"}}), "metadata"),
        (json!({"metadata": {"k": "é".repeat(501)}}), "metadata"),
        (json!({"metadata": {"k".repeat(41): "v"}}), "metadata"),
    ] {
        let mut body = json!({"amount": 5});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        invalid(owner.post(INTENT, body).await, field);
    }
    for more in [json!({"captureMethod": "later"}), json!({"paymentMethodType": "bank"}), json!({"metadata": {"k": 1}})]
    {
        let mut body = json!({"amount": 5});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        refused(owner.post(INTENT, body).await, 400, "VALIDATION_ERROR");
    }
}

/// A card is not asked for money that its order could not take, nor for another tenant's order.
#[tokio::test]
async fn an_order_that_is_named_must_be_able_to_take_it() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let order = owner.order("tap_to_pay", 1000, json!({})).await;
    let body = |cents: i64, order: &str| json!({"amount": cents as f64 / 100.0, "metadata": {"orderId": order}});
    refused(owner.post(INTENT, body(1001, id(&order))).await, 400, "AMOUNT_TOO_LARGE");
    for nowhere in [NOWHERE, "x"] {
        refused(owner.post(INTENT, body(1000, nowhere)).await, 404, "ORDER_NOT_FOUND");
    }
    pay_cash(&app, &owner.token, &order, 1000).await;
    refused(owner.post(INTENT, body(1000, id(&order))).await, 400, "INVALID_STATUS");
    assert!(app.cloud.stripe().objects("payment_intent").is_empty(), "Stripe was not asked");
}

/// One of a key, however often its answer was lost.
#[tokio::test]
async fn a_card_payment_with_a_key_is_begun_once() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let body = json!({"amount": 10});
    let mut ids = Vec::new();
    for answer in join_all((0..5).map(|_| owner.post_once("/stripe/terminal/payment-intent", "one", &body))).await {
        ids.push(answer.expect(200)["id"].clone());
    }
    ids.dedup();
    assert_eq!((ids.len(), app.cloud.stripe().objects("payment_intent").len()), (1, 1));
    refused(owner.post_once(INTENT, "one", &json!({"amount": 11})).await, 422, "IDEMPOTENCY_KEY_REUSED");
}

#[tokio::test]
async fn a_card_payment_is_looked_at_captured_and_given_up() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let order = owner.order("card", 1000, json!({})).await;
    let more = json!({"captureMethod": "manual", "metadata": {"orderId": order["id"]}});
    let made = owner.intent(1000, more).await;
    let intent = id(&made);
    owner.link(&order, intent, json!({})).await;
    let status = owner.get(&path(intent, "/status")).await.expect(200);
    assert_exact_members(&status, "id clientSecret amount currency status receiptUrl");
    assert_eq!((&status["status"], &status["receiptUrl"]), (&json!("requires_payment_method"), &Value::Null));
    assert_eq!(owner.get(&path(intent, "")).await.expect(200), status, "under both names (register 5)");
    refused(owner.post(&path(intent, "/capture"), json!({})).await, 400, "STRIPE_REFUSED");
    refused(
        owner.post(&path(intent, "/send-receipt"), json!({"email": "bo@example.com"})).await,
        400,
        "PAYMENT_NOT_SUCCEEDED",
    );
    app.cloud.stripe().tap(intent, VISA);
    assert_eq!(owner.get(&path(intent, "/status")).await.expect(200)["status"], "requires_capture");
    assert_eq!(owner.status(&order).await, "processing", "authorized is not paid");
    let captured = owner.post(&path(intent, "/capture"), json!({})).await.expect(200);
    assert_eq!(captured, json!({"id": intent, "status": "succeeded", "amount": 1000}));
    assert_eq!(owner.status(&order).await, "completed");
    assert_eq!(owner.post(&path(intent, "/capture"), json!({})).await.expect(200), captured);
    let status = owner.get(&path(intent, "/status")).await.expect(200);
    assert!(status["receiptUrl"].as_str().is_some_and(|url| url.contains("/receipts/")), "{status}");

    let stranger = Person::new(&app, "other").await;
    for nowhere in ["pi_nobody", "x", "pi_.."] {
        for step in ["/status", ""] {
            refused(owner.get(&path(nowhere, step)).await, 404, "PAYMENT_INTENT_NOT_FOUND");
        }
        for (step, body) in [
            ("/cancel", json!({})),
            ("/capture", json!({})),
            ("/simulate", json!({})),
            ("/send-receipt", json!({"email": "bo@example.com"})),
        ] {
            refused(owner.post(&path(nowhere, step), body).await, 404, "PAYMENT_INTENT_NOT_FOUND");
        }
    }
    refused(stranger.get(&path(intent, "/status")).await, 404, "NO_CONNECTED_ACCOUNT");
    for bad in ["bo", ""] {
        invalid(owner.post(&path(intent, "/send-receipt"), json!({"email": bad})).await, "email");
    }
    app.verify().await;
}

/// Each attempt has a reader of its own, which is gone when it ends: neither one at the same time nor one before it is in the way.
#[tokio::test]
async fn a_simulation_is_tried_again() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let order = owner.order("tap_to_pay", 1000, json!({})).await;
    let intent = owner.begin_tap(&order).await;
    let simulate = path(id(&intent), "/simulate");
    app.cloud.stripe().fail_next_on("present_payment_method", 3, local::stripe::Fault::Http500);
    refused(owner.post(&simulate, json!({})).await, 503, "SERVICE_UNAVAILABLE");
    assert_eq!(owner.status(&order).await, "processing");
    for answer in join_all((0..2).map(|_| owner.post(&simulate, json!({})))).await {
        assert_eq!(answer.expect(200)["status"], "succeeded");
    }
    assert_eq!(owner.status(&order).await, "completed");
    assert_eq!(owner.get("/stripe/terminal/readers").await.expect(200), json!({"readers": []}));
    app.verify().await;
}

/// The poll settles what the webhook has not told yet.
#[tokio::test]
async fn a_poll_settles_what_no_webhook_has_told() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    app.cloud.stripe().pause_webhooks();
    let order = owner.order("tap_to_pay", 1000, json!({})).await;
    let intent = owner.begin_tap(&order).await;
    app.cloud.stripe().tap(id(&intent), VISA);
    assert_eq!(owner.status(&order).await, "processing");
    assert_eq!(owner.get(&path(id(&intent), "/status")).await.expect(200)["status"], "succeeded");
    assert_eq!(owner.status(&order).await, "completed");
    app.cloud.stripe().resume_webhooks();
    app.verify().await;
}

/// Without an account 404, with one that may not take money 403: for each route that needs one.
#[tokio::test]
async fn every_route_wants_an_account_that_takes_payments() {
    let app = App::start().await;
    let (owner, stranger) = (Person::new(&app, "superadmin").await, Person::new(&app, "other").await);
    let hook = format!("{}/_local/accounts/{}", app.cloud.stripe_url(), local::seed::counter::ACCOUNT_ID);
    app.post(&hook).json(&json!({"charges_enabled": false})).send().await.expect(200);
    owner.post("/stripe/connect/refresh-status", json!({})).await.expect(200);
    let posts = [
        "/stripe/terminal/connection-token",
        INTENT,
        &path("pi_1", "/cancel"),
        &path("pi_1", "/capture"),
        &path("pi_1", "/simulate"),
        &path("pi_1", "/send-receipt"),
        "/stripe/terminal/readers",
        "/stripe/terminal/readers/tmr_1/process-payment",
        "/stripe/terminal/readers/tmr_1/cancel-action",
    ]
    .map(str::to_owned);
    let gets = ["/stripe/terminal/location", "/stripe/terminal/readers", &path("pi_1", "/status"), &path("pi_1", "")]
        .map(str::to_owned);
    let body =
        json!({"amount": 5, "email": "bo@example.com", "registrationCode": "simulated-wpe", "paymentIntentId": "pi_1"});
    for (person, status, code, text) in [
        (&owner, 403, "PAYMENTS_NOT_ENABLED", "Payments are not enabled for this account"),
        (&stranger, 404, "NO_CONNECTED_ACCOUNT", "No connected account found"),
    ] {
        for path in &posts {
            assert_eq!(refused(person.post(path, body.clone()).await, status, code)["error"], text, "{path}");
        }
        for path in &gets {
            assert_eq!(refused(person.get(path).await, status, code)["error"], text, "{path}");
        }
        refused(person.delete("/stripe/terminal/readers/tmr_1").await, status, code);
    }
}

/// One location for ever, however many phones ask at once.
#[tokio::test]
async fn the_location_is_made_once() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let mut told = Vec::new();
    for answer in join_all((0..6).map(|_| owner.get("/stripe/terminal/location"))).await {
        told.push(answer.expect(200));
    }
    told.dedup();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["displayName"], "Home Productions - Tap to Pay");
    assert_eq!(app.cloud.stripe().objects("terminal.location").len(), 1);
    let token = json!({"location": told[0]["locationId"]});
    assert_exact_members(&owner.post("/stripe/terminal/connection-token", token).await.expect(200), "secret");
    refused(owner.post("/stripe/terminal/connection-token", json!({"location": "tml_nobody"})).await, 404, "NOT_FOUND");
    let config = app.get("/pos/stripe/config").send().await.expect(200);
    assert!(config["publishableKey"].as_str().is_some_and(|key| key.starts_with("pk_test_")), "{config}");
}

#[tokio::test]
async fn readers_are_registered_used_and_forgotten() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    const READERS: &str = "/stripe/terminal/readers";
    assert_eq!(owner.get(READERS).await.expect(200), json!({"readers": []}));
    let reader = owner.post(READERS, json!({"registrationCode": "simulated-wpe", "label": "Bar"})).await.expect(200);
    let members = "id label deviceType status ipAddress locationId serialNumber";
    assert_exact_members(&reader, members);
    assert_eq!((&reader["label"], &reader["status"]), (&json!("Bar"), &json!("online")));
    let listed = owner.get(READERS).await.expect(200);
    assert_eq!(listed["readers"], json!([reader]));
    invalid(owner.post(READERS, json!({"registrationCode": ""})).await, "registrationCode");
    refused(owner.post(READERS, json!({"registrationCode": "three-wrong-words"})).await, 400, "STRIPE_REFUSED");

    let order = owner.order("tap_to_pay", 1000, json!({})).await;
    let intent = owner.begin_tap(&order).await;
    let at = |step: &str| format!("{READERS}/{}{step}", id(&reader));
    let work = json!({"paymentIntentId": intent["id"]});
    let begun = owner.post(&at("/process-payment"), work.clone()).await.expect(200);
    let expected = json!({"paymentIntentId": intent["id"], "readerId": reader["id"], "readerLabel": "Bar", "actionStatus": "in_progress"});
    assert_eq!(begun, expected);
    refused(owner.post(&at("/process-payment"), work).await, 400, "STRIPE_REFUSED");
    owner.post(&at("/cancel-action"), json!({})).await.expect(200);
    for nobody in ["tmr_nobody", "x"] {
        let path = format!("{READERS}/{nobody}");
        refused(owner.delete(&path).await, 404, "NOT_FOUND");
        refused(owner.post(&format!("{path}/cancel-action"), json!({})).await, 404, "NOT_FOUND");
        let body = json!({"paymentIntentId": "pi_nobody"});
        refused(owner.post(&format!("{path}/process-payment"), body).await, 404, "NOT_FOUND");
    }
    assert_eq!(owner.delete(&at("")).await.expect(200), json!({"deleted": true, "id": reader["id"]}));
    assert_eq!(owner.get(READERS).await.expect(200), json!({"readers": []}));
}

/// Stripe does not answer: 503, and nothing is half done; the next try goes through.
#[tokio::test]
async fn a_silent_stripe_is_no_500() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let order = owner.order("tap_to_pay", 1000, json!({})).await;
    app.cloud.stripe().fail_next(20, local::stripe::Fault::Http500);
    refused(owner.post(INTENT, json!({"amount": 10})).await, 503, "SERVICE_UNAVAILABLE");
    refused(owner.get(&path("pi_1", "/status")).await, 503, "SERVICE_UNAVAILABLE");
    let link = json!({"stripePaymentIntentId": "pi_1"});
    refused(owner.patch(&format!("/orders/{}/payment-intent", id(&order)), link).await, 503, "SERVICE_UNAVAILABLE");
    app.cloud.stripe().clear_faults();
    assert_eq!(owner.show(&order).await, order);
    pay_by_card(&app, &owner.token, &order).await;
    app.verify().await;
}
