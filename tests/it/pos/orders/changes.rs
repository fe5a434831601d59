//! Orders changed, put aside and deleted.

use super::*;

fn path(order: &Value, step: &str) -> String {
    format!("/orders/{}{step}", id(order))
}

#[tokio::test]
async fn what_is_sent_changes_and_the_rest_stays() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let order = owner.order("tap_to_pay", 1000, json!({"notes": "hot", "holdName": "Bo"})).await;
    app.advance(5).await;
    let changed = owner.patch(&path(&order, ""), json!({"tipAmount": 150})).await.expect(200);
    assert_exact_members(&changed, &format!("{ORDER} items"));
    assert_eq!((int(&changed, "/tipAmount"), int(&changed, "/totalAmount")), (150, 1150), "the total follows");
    assert_eq!(
        (&changed["notes"], &changed["holdName"], &changed["status"]),
        (&json!("hot"), &json!("Bo"), &json!("pending"))
    );
    assert!(changed["updatedAt"].as_str() > order["updatedAt"].as_str());
    assert_eq!(changed["createdAt"], order["createdAt"]);
    let body = json!({"subtotal": 900, "taxAmount": 90, "tipAmount": 10, "totalAmount": 1000, "paymentMethod": "cash",
        "customerEmail": "Bo@Example.com", "notes": null});
    let changed = owner.patch(&path(&order, ""), body).await.expect(200);
    assert_eq!((&changed["notes"], &changed["paymentMethod"]), (&Value::Null, &json!("cash")));
    assert_eq!(changed["customerEmail"], "bo@example.com");
    let cleared = owner.patch(&path(&order, ""), json!({"customerEmail": ""})).await.expect(200);
    assert_eq!((&cleared["customerEmail"], &cleared["customerId"]), (&Value::Null, &Value::Null));
    let none = owner.get("/customers").await.expect(200);
    assert_eq!(
        (int(&none, "/customers/0/totalOrders"), int(&none, "/customers/0/totalSpent")),
        (0, 0),
        "it was theirs no more"
    );

    for (body, field) in [
        (json!({"totalAmount": 999}), "totalAmount"),
        (json!({"tipAmount": -1}), "tipAmount"),
        (json!({"customerEmail": "bo"}), "customerEmail"),
        (json!({"notes": "é".repeat(1001)}), "notes"),
        (json!({"status": "completed"}), "status"),
        (json!({"status": "refunded"}), "status"),
    ] {
        invalid(owner.patch(&path(&order, ""), body).await, field);
    }
    refused(
        owner.patch(&path(&order, ""), json!({"stripePaymentIntentId": "pi_nobody"})).await,
        404,
        "PAYMENT_INTENT_NOT_FOUND",
    );
    let intent = owner.intent(1000, json!({})).await;
    let linked =
        owner.patch(&path(&order, ""), json!({"stripePaymentIntentId": intent["id"], "notes": "x"})).await.expect(200);
    assert_eq!((&linked["status"], &linked["notes"]), (&json!("processing"), &json!("x")));
    refused(owner.patch(&path(&order, ""), json!({"tipAmount": 20})).await, 400, "INVALID_STATUS");
    app.verify().await;
}

/// What somebody has begun to pay keeps its price, and is not deleted.
#[tokio::test]
async fn what_is_paid_in_part_keeps_its_price() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let order = owner.order("split", 1000, json!({})).await;
    owner.post(&path(&order, "/payments"), json!({"paymentMethod": "cash", "amount": 400})).await.expect(200);
    refused(owner.patch(&path(&order, ""), json!({"tipAmount": 100})).await, 400, "ALREADY_PAID");
    refused(owner.delete(&path(&order, "")).await, 400, "ALREADY_PAID");
    owner.patch(&path(&order, ""), json!({"notes": "later"})).await.expect(200);
    refused(owner.post(&path(&order, "/hold"), json!({"tipAmount": 100})).await, 400, "ALREADY_PAID");
    let held = owner.post(&path(&order, "/hold"), json!({})).await.expect(200);
    assert_eq!(held["status"], "held");
    let done = owner.post(&path(&order, "/complete-cash"), json!({"cashTendered": 700})).await.expect(200);
    assert_eq!((&done["changeAmount"], &done["order"]["paymentMethod"]), (&json!(100), &json!("split")));
    app.verify().await;
}

/// Every step × every status: what is not in the status machine (contract §8) is a 400 with a text to show, and changes
/// nothing.
#[tokio::test]
async fn the_status_machine() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let in_status = async |status: &str| -> Value {
        let order = owner.order("cash", 1000, json!({})).await;
        match status {
            "held" => drop(owner.post(&path(&order, "/hold"), json!({})).await.expect(200)),
            "processing" | "failed" => {
                owner.begin_tap(&order).await;
                if status == "failed" {
                    owner.patch(&path(&order, ""), json!({"status": "failed"})).await.expect(200);
                }
            }
            "completed" | "refunded" => {
                pay_cash(&app, &owner.token, &order, 1000).await;
                if status == "refunded" {
                    owner.refund(&order, json!({})).await.expect(200);
                }
            }
            _ => {}
        }
        let order = owner.show(&order).await;
        assert_eq!(order["status"], status);
        order
    };
    let part = json!({"paymentMethod": "cash", "amount": 100});
    let steps = [
        ("/hold", json!({}), "pending"),
        ("/resume", json!({}), "held"),
        ("/complete-cash", json!({"cashTendered": 1000}), "pending held"),
        ("/payments", part, "pending held processing"),
        ("/refund", json!({"amount": 100}), "completed"),
        ("", Value::Null, "pending held"),
    ];
    for status in ["pending", "held", "processing", "failed", "completed", "refunded"] {
        for (step, body, allowed) in &steps {
            let order = in_status(status).await;
            let answer = match body {
                Value::Null => owner.delete(&path(&order, step)).await,
                body => owner.post(&path(&order, step), body.clone()).await,
            };
            if allowed.split_whitespace().any(|allowed| allowed == status) {
                answer.expect(200);
                continue;
            }
            let told = refused(answer, 400, "INVALID_STATUS");
            assert_eq!(told["error"], format!("The order is {status}"), "{step}");
            assert_eq!(owner.show(&order).await, order, "{status} {step}");
        }
    }
    // The same by PATCH, where the status is a member.
    for (from, to, allowed) in [
        ("pending", "held", true),
        ("held", "pending", true),
        ("pending", "failed", true),
        ("processing", "failed", true),
        ("processing", "held", false),
        ("completed", "pending", false),
        ("completed", "failed", false),
        ("refunded", "pending", false),
        ("failed", "held", false),
    ] {
        let order = in_status(from).await;
        let answer = owner.patch(&path(&order, ""), json!({"status": to})).await;
        if allowed {
            assert_eq!(answer.expect(200)["status"], to);
        } else {
            refused(answer, 400, "INVALID_STATUS");
        }
    }
    app.verify().await;
}

/// The next shift has the phone that shows it.
#[tokio::test]
async fn whoever_has_the_phone_deletes_what_was_put_aside() {
    let app = App::start().await;
    let (owner, staff) = (Person::new(&app, "superadmin").await, Person::new(&app, "staff").await);
    let owners = owner.order("cash", 100, json!({})).await;
    owner.post(&path(&owners, "/hold"), json!({"holdName": "Bo"})).await.expect(200);
    let own = staff.order("cash", 100, json!({"customerEmail": "bo@example.com"})).await;
    for order in [owners, own] {
        let done = staff.delete(&path(&order, "")).await.expect(200);
        assert_eq!(done["success"], true);
    }
    assert_eq!(owner.get("/orders").await.expect(200), json!({"orders": [], "total": 0}));
    let customers = owner.get("/customers").await.expect(200);
    assert_eq!(int(&customers, "/customers/0/totalOrders"), 0, "an order that is gone does not count");
    app.verify().await;
}

/// Many hands on one order: each edit that is answered 200 is kept, and none is half done.
#[tokio::test]
async fn edits_at_once_are_all_kept() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let order = owner.order("cash", 1000, json!({})).await;
    let address = path(&order, "");
    let edits = [
        json!({"notes": "hot"}),
        json!({"tipAmount": 100}),
        json!({"customerEmail": "bo@example.com"}),
        json!({"paymentMethod": "split"}),
        json!({"holdName": "Bo"}),
    ];
    for answer in join_all(edits.map(|edit| owner.patch(&address, edit))).await {
        answer.expect(200);
    }
    let shown = owner.show(&order).await;
    assert_eq!((&shown["notes"], &shown["paymentMethod"]), (&json!("hot"), &json!("split")));
    assert_eq!((int(&shown, "/totalAmount"), &shown["customerEmail"]), (1100, &json!("bo@example.com")));
    assert_eq!(shown["holdName"], "Bo");
    // Taken up and put aside by two at once: one does each.
    let hold = format!("{address}/hold");
    let answers = join_all((0..6).map(|_| owner.post(&hold, json!({})))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_eq!(owner.get("/orders/held").await.expect(200)["orders"].as_array().unwrap().len(), 1);
    app.verify().await;
}
