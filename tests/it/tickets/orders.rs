//! `/tickets/api/orders`: contract §5.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::{App, number_of};

#[tokio::test]
async fn a_new_order_answers_as_the_contract_says() {
    let app = App::start().await;
    let sale = app.open_sale(&app.sign_in("admin").await, 10, 19.99).await;
    let placed = app.place_order(&sale, 3).await;
    let order = &placed["order"];
    assert_eq!(placed["success"], true);
    assert_eq!((&order["unitPrice"], &order["totalPrice"]), (&json!(19.99), &json!(59.97)));
    assert_eq!(
        (&order["status"], &order["currency"], &order["quantity"]),
        (&json!("pending"), &json!("USD"), &json!(3))
    );
    assert_eq!((&order["eventName"], &order["tierName"]), (&json!("Test Night"), &json!("General")));
    assert!(order.get("eventDate").is_none(), "absent right after purchase");
    assert!(order["buyerPhone"].is_null());
    let secret = placed["qrCode"].as_str().unwrap();
    assert!(secret.len() == 32 && secret.bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b)));
    assert!(placed["paymentUrl"].as_str().unwrap().starts_with(app.cloud.stripe_url()));
    assert_eq!(app.stock(&sale).await, (10, 3, 7), "taken when the order is made");

    let number = number_of(&placed).to_lowercase();
    let shown = app.get(&format!("/tickets/api/orders/{number}")).send().await.expect(200);
    assert_eq!(shown["order"]["eventDate"], "2027-05-01");
    assert_eq!(shown["order"]["eventTime"], "21:00:00");
    assert!(!shown.to_string().contains(secret), "the secret is shown once");
    app.get("/tickets/api/orders/HP260125-AAAAAAAA").send().await.refused(404, "ORDER_NOT_FOUND");
    app.get("/tickets/api/orders/nonsense").send().await.refused(404, "ORDER_NOT_FOUND");
}

#[tokio::test]
async fn bad_input_names_its_field_and_writes_nothing() {
    let app = App::start().await;
    let sale = app.open_sale(&app.sign_in("admin").await, 10, 5.0).await;
    let good = json!({"eventId": sale.event, "tierId": sale.tier, "buyerName": "Ana", "buyerEmail": "ana@example.com"});
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    let cases = [
        (json!({}), "MISSING_REQUIRED_FIELDS", "eventId"),
        (with("buyerName", json!("  ")), "MISSING_REQUIRED_FIELDS", "buyerName"),
        (with("buyerEmail", Value::Null), "MISSING_REQUIRED_FIELDS", "buyerEmail"),
        (with("buyerEmail", json!("no address")), "VALIDATION_ERROR", "buyerEmail"),
        (with("buyerEmail", json!("a@b.c\r\nBcc: x@y.zz")), "VALIDATION_ERROR", "buyerEmail"),
        (with("quantity", json!(-1)), "VALIDATION_ERROR", "quantity"),
        (with("quantity", json!(1.5)), "VALIDATION_ERROR", "quantity"),
        (with("quantity", json!(11)), "VALIDATION_ERROR", "quantity"),
        (with("quantity", json!("many")), "VALIDATION_ERROR", "quantity"),
        (with("buyerName", json!("x".repeat(201))), "VALIDATION_ERROR", "buyerName"),
    ];
    for (body, code, field) in cases {
        let refused = app.post("/tickets/api/orders").json(&body).send().await.refused(400, code);
        assert_eq!(refused["details"][0]["field"], field, "{refused}");
    }
    app.post("/tickets/api/orders").body("{").send().await.refused(400, "VALIDATION_ERROR");
    for (name, value) in [("tierId", json!(sale.event)), ("eventId", json!(sale.tier)), ("tierId", json!("x"))] {
        let answer = app.post("/tickets/api/orders").json(&with(name, value)).send().await;
        answer.refused(404, "TIER_NOT_FOUND");
    }
    assert_eq!(app.stock(&sale).await, (10, 0, 10));
    let zero = app.post("/tickets/api/orders").json(&with("quantity", json!(0))).send().await.expect(201);
    assert_eq!(zero["order"]["quantity"], 1, "zero counts as one");
}

#[tokio::test]
async fn an_event_that_does_not_sell_says_why() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let sale = app.open_sale(&admin, 10, 5.0).await;
    let path = format!("/tickets/api/admin/events/{}", sale.event);
    let tier = |extra: Value| {
        let mut tier = json!({"id": sale.tier, "name": "General", "price": 5, "quantity": 10});
        tier.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        json!({"tiers": [tier]})
    };
    for (change, code) in [
        (json!({"status": "draft"}), "EVENT_NOT_ACTIVE"),
        (json!({"status": "active", "tiers": tier(json!({"isActive": false}))["tiers"]}), "TIER_NOT_ACTIVE"),
        (tier(json!({"is_active": true, "sale_starts_at": "2099-01-01T00:00:00Z"})), "SALE_NOT_STARTED"),
        (tier(json!({"saleStartsAt": "2020-01-01T00:00:00Z", "saleEndsAt": "2020-01-02T00:00:00Z"})), "SALE_ENDED"),
    ] {
        app.put(&path).token(&admin).json(&change).send().await.expect(200);
        app.order(&sale, 1).send().await.refused(400, code);
    }
}

#[tokio::test]
async fn a_free_order_is_paid_at_once() {
    let app = App::start().await;
    let sale = app.open_sale(&app.sign_in("admin").await, 10, 0.0).await;
    let placed = app.place_order(&sale, 2).await;
    assert_eq!(placed["order"]["status"], "paid");
    assert!(placed["paymentUrl"].is_null());
    app.until("the ticket comes", async || !app.mails("ana@example.com").await.is_empty()).await;
    app.verify().await;
}

#[tokio::test]
async fn the_same_key_is_the_same_order() {
    let app = App::start().await;
    let sale = app.open_sale(&app.sign_in("admin").await, 10, 5.0).await;
    let first = app.order(&sale, 2).header("Idempotency-Key", "k-1").send().await.expect(201);
    let again = app.order(&sale, 2).header("Idempotency-Key", "k-1").send().await.expect(201);
    assert_eq!(first, again);
    app.order(&sale, 3).header("Idempotency-Key", "k-1").send().await.refused(422, "IDEMPOTENCY_KEY_REUSED");
    let other = app.order(&sale, 2).header("Idempotency-Key", "k-2").send().await.expect(201);
    assert_ne!(number_of(&first), number_of(&other));
    assert_eq!(app.stock(&sale).await, (10, 4, 6));

    let app = Arc::new(app);
    let racers = (0..16).map(|_| {
        let (app, sale) = (app.clone(), sale.clone());
        tokio::spawn(async move { app.order(&sale, 1).header("Idempotency-Key", "k-3").send().await })
    });
    let mut numbers = Vec::new();
    for racer in racers.collect::<Vec<_>>() {
        let answer = racer.await.unwrap();
        match answer.status.as_u16() {
            201 => numbers.push(number_of(&answer.body).to_owned()),
            _ => drop(answer.refused(409, "IDEMPOTENCY_IN_FLIGHT")),
        }
    }
    numbers.dedup();
    assert_eq!(numbers.len(), 1);
    assert_eq!(app.stock(&sale).await, (10, 5, 5));
    app.verify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_buyers_and_fifty_tickets() {
    let app = Arc::new(App::start().await);
    let sale = app.open_sale(&app.sign_in("admin").await, 50, 25.0).await;
    let buyers = (0..300u32).map(|i| {
        let (app, sale) = (app.clone(), sale.clone());
        tokio::spawn(async move { (1 + i % 3, app.order(&sale, 1 + i % 3).send().await) })
    });
    let (mut sold, mut refused) = (0, 0);
    for buyer in buyers.collect::<Vec<_>>() {
        let (quantity, answer) = buyer.await.unwrap();
        if answer.status == 201 {
            sold += quantity;
        } else {
            refused += 1;
            let body = answer.refused(400, "SOLD_OUT");
            assert_eq!(body["error"], "Not enough tickets available");
        }
    }
    assert_eq!(sold, 50, "none over, and none left while {refused} were refused");
    assert_eq!(app.stock(&sale).await, (50, 50, 0));
    app.verify().await;
}

#[tokio::test]
async fn an_unpaid_order_gives_its_tickets_back_and_a_late_payment_is_honoured_or_returned() {
    let app = App::start().await;
    let sale = app.open_sale(&app.sign_in("admin").await, 2, 5.0).await;
    let (first, second) = (app.place_order(&sale, 1).await, app.place_order(&sale, 1).await);
    app.order(&sale, 1).send().await.refused(400, "SOLD_OUT");
    app.advance(16 * 60).await;
    app.run_schedule("workers-expiry").await;
    app.until("the stock is back", async || app.stock(&sale).await == (2, 0, 2)).await;
    assert_eq!(app.order_of(&first).await["status"], "cancelled", "the client knows no `expired`");

    let late = json!({"status": "paid", "order_id": number_of(&first), "payment_id": "late-1"});
    assert_eq!(app.notify(&late).await.expect(200), json!({"received": true, "processed": true}));
    assert_eq!(app.order_of(&first).await["status"], "paid");
    let taken = app.place_order(&sale, 1).await;
    let late = json!({"status": "paid", "order_id": number_of(&second), "payment_id": "late-2"});
    assert_eq!(app.notify(&late).await.expect(200)["processed"], false);
    assert_eq!(app.order_of(&second).await["status"], "cancelled");
    assert_eq!(app.order_of(&taken).await["status"], "pending");
    app.verify().await;
}

#[tokio::test]
async fn paying_at_stripe_pays_the_order_once_and_sends_its_ticket() {
    let app = App::start().await;
    let sale = app.open_sale(&app.sign_in("admin").await, 5, 25.0).await;
    let placed = app.place_order(&sale, 2).await;
    assert_eq!(app.pay_at_stripe(&placed, "4000000000000002").await.status, 402, "declined");
    assert_eq!(app.order_of(&placed).await["status"], "pending");
    app.pay(&placed).await;
    app.until("the ticket comes", async || !app.mails("ana@example.com").await.is_empty()).await;
    let mails = app.mails("ana@example.com").await;
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0]["subject"], "🎫 Your Ticket: Test Night");
    let picture = &mails[0]["attachments"][0];
    assert_eq!((&picture["name"], &picture["type"]), (&json!("ticket-qr.png"), &json!("image/png")));
    app.verify().await;
}

#[tokio::test]
async fn a_payment_that_no_webhook_told_of_is_found_by_the_sweeper() {
    let app = App::start().await;
    let sale = app.open_sale(&app.sign_in("admin").await, 5, 25.0).await;
    let placed = app.place_order(&sale, 1).await;
    app.cloud.stripe().pause_webhooks();
    app.pay_at_stripe(&placed, "4242424242424242").await.expect(200);
    app.cloud.stripe().discard_webhooks();
    assert_eq!(app.order_of(&placed).await["status"], "pending");
    app.advance(5 * 60).await;
    app.run_schedule("workers-expiry").await;
    app.until("the order is paid", async || app.order_of(&placed).await["status"] == "paid").await;
    app.verify().await;
}

#[tokio::test]
async fn money_that_comes_for_what_is_gone_goes_back() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let sale = app.open_sale(&admin, 5, 25.0).await;
    let placed = app.place_order(&sale, 1).await;
    app.cloud.stripe().pause_webhooks();
    app.pay_at_stripe(&placed, "4242424242424242").await.expect(200);
    let path = format!("/tickets/api/admin/orders/{}/status", number_of(&placed));
    app.put(&path).token(&admin).json(&json!({"status": "cancelled"})).send().await.expect(200);
    app.cloud.stripe().resume_webhooks();
    app.until("the money is given back", async || app.cloud.stripe().objects("refund").len() == 1).await;
    assert_eq!(app.order_of(&placed).await["status"], "cancelled");
    assert_eq!(app.stock(&sale).await, (5, 0, 5));
    app.verify().await;
}

#[tokio::test]
async fn stripe_out_of_order_leaves_nothing_behind() {
    let app = App::start().await;
    let sale = app.open_sale(&app.sign_in("admin").await, 5, 25.0).await;
    app.cloud.stripe().fail_next(20, local::stripe::Fault::Http500);
    app.order(&sale, 1).send().await.refused(503, "PAYMENT_UNAVAILABLE");
    assert_eq!(app.stock(&sale).await, (5, 0, 5));
    app.cloud.stripe().clear_faults();
    app.place_order(&sale, 1).await;
}
