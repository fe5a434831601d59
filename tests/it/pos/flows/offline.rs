//! Phones that were offline send what they sold again, and again: one order for each key.

use super::*;

#[tokio::test]
async fn an_order_that_is_sent_again_is_the_same_order() {
    let app = App::start().await;
    let owner = Person::phone(&app, "superadmin").await;
    let body = order_body("cash", 1500, json!({"customerEmail": "bo@example.com", "deviceId": DEVICE}));
    let first = owner.post_once("/orders", "offline-1", &body).await.expect(201);
    let again = owner.post_once("/orders", "offline-1", &body).await.expect(201);
    assert_eq!(again, first);
    // As it is by now, paid meanwhile.
    pay_cash(&app, &owner.token, &first, 1500).await;
    assert_eq!(owner.post_once("/orders", "offline-1", &body).await.expect(201)["status"], "completed");
    let other = order_body("cash", 1600, json!({"customerEmail": "bo@example.com", "deviceId": DEVICE}));
    refused(owner.post_once("/orders", "offline-1", &other).await, 422, "IDEMPOTENCY_KEY_REUSED");
    // Another tenant's key is another key.
    let stranger = Person::phone(&app, "other").await;
    let theirs = stranger.post_once("/orders", "offline-1", &other).await.expect(201);
    assert_ne!(theirs["id"], first["id"]);
    let another = owner.post_once("/orders", "offline-2", &body).await.expect(201);
    assert_ne!(another["id"], first["id"]);
    assert_eq!(owner.get("/orders").await.expect(200)["total"], 2);
    for bad in ["", &"k".repeat(256)] {
        invalid(owner.post_once("/orders", bad, &body).await, "Idempotency-Key");
    }
    app.verify().await;
}

#[tokio::test]
async fn twenty_of_one_key_at_once_are_one_order() {
    let app = App::start().await;
    let owner = Person::phone(&app, "superadmin").await;
    for round in 0..3 {
        let body = order_body("cash", 1500, json!({"customerEmail": "bo@example.com"}));
        let key = format!("offline-{round}");
        let answers = join_all((0..20).map(|_| owner.post_once("/orders", &key, &body))).await;
        let mut ids: Vec<String> = answers.into_iter().map(|answer| id(&answer.expect(201)).to_owned()).collect();
        ids.dedup();
        assert_eq!(ids.len(), 1, "{ids:?}");
    }
    assert_eq!(owner.get("/orders").await.expect(200)["total"], 3);
    let customers = owner.get("/customers").await.expect(200);
    assert_eq!((int(&customers, "/customers/0/totalOrders"), int(&customers, "/customers/0/totalSpent")), (3, 4500));
    app.verify().await;
}

/// The same body from two phones with other keys is two sales; other bodies at once under one key: one wins.
#[tokio::test]
async fn other_bodies_at_once_under_one_key() {
    let app = App::start().await;
    let owner = Person::phone(&app, "superadmin").await;
    let bodies: Vec<Value> = (0..10).map(|i| order_body("cash", 1000 + i, json!({}))).collect();
    let answers = join_all(bodies.iter().map(|body| owner.post_once("/orders", "one", body))).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(made, 1);
    for answer in answers.into_iter().filter(|answer| answer.status != 201) {
        refused(answer, 422, "IDEMPOTENCY_KEY_REUSED");
    }
    assert_eq!(owner.get("/orders").await.expect(200)["total"], 1);
}

/// Cash that was taken offline is counted once for its key, also when it is sent by ten at once.
#[tokio::test]
async fn cash_that_is_sent_again_is_counted_once() {
    let app = App::start().await;
    let owner = Person::phone(&app, "superadmin").await;
    let order = owner.order("cash", 1500, json!({})).await;
    let path = format!("/orders/{}/complete-cash", id(&order));
    let answers =
        join_all((0..10).map(|_| async { owner.post_once(&path, "cash-1", &json!({"cashTendered": 2000})).await }))
            .await;
    for answer in answers {
        assert_eq!(answer.expect(200)["changeAmount"], 500);
    }
    refused(owner.post_once(&path, "cash-1", &json!({"cashTendered": 2500})).await, 422, "IDEMPOTENCY_KEY_REUSED");
    let payments = owner.get(&format!("/orders/{}/payments", id(&order))).await.expect(200);
    assert_eq!((payments["payments"].as_array().unwrap().len(), int(&payments, "/totalPaid")), (1, 1500));

    let split = owner.order("split", 1500, json!({})).await;
    let path = format!("/orders/{}/payments", id(&split));
    let part = json!({"paymentMethod": "cash", "amount": 500});
    let answers = join_all((0..10).map(|_| owner.post_once(&path, "part-1", &part))).await;
    for answer in answers {
        assert_eq!(answer.expect(200)["totalPaid"], 500);
    }
    app.verify().await;
}

/// A refund with a key goes back once, however often the connection broke.
#[tokio::test]
async fn a_refund_that_is_sent_again_goes_back_once() {
    let app = App::start().await;
    let owner = Person::phone(&app, "superadmin").await;
    let order = sell_by_card(&app, &owner.token, 1000).await;
    let path = format!("/stripe/connect/transactions/{}/refund", id(&order));
    let answers =
        join_all((0..6).map(|_| async { owner.post_once(&path, "refund-1", &json!({"amount": 400})).await })).await;
    let mut names: Vec<Value> = answers.into_iter().map(|answer| answer.expect(200)["id"].clone()).collect();
    names.retain(|name| name.as_str().unwrap().starts_with("re_"));
    names.dedup();
    assert_eq!(names.len(), 1, "{names:?}");
    refused(owner.post_once(&path, "refund-1", &json!({"amount": 500})).await, 422, "IDEMPOTENCY_KEY_REUSED");
    app.cloud.drain().await;
    assert_eq!(owner.transaction(&order).await["amountRefunded"], 400);
    assert_eq!(app.cloud.stripe().objects("refund").len(), 1);
    app.verify().await;
}
