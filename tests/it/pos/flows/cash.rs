//! Cash, parts, orders put aside, amounts without items.

use super::*;

#[tokio::test]
async fn cash_with_change() {
    let app = App::start().await;
    let staff = Person::phone(&app, "staff").await;
    let order = staff.order("cash", 3788, json!({"deviceId": DEVICE})).await;
    let path = format!("/orders/{}/complete-cash", id(&order));
    let told = refused(staff.post(&path, json!({"cashTendered": 3787})).await, 400, "INSUFFICIENT_CASH");
    assert_eq!(told["error"], "The cash tendered is less than the amount due");
    let done = staff.post(&path, json!({"cashTendered": 5000})).await.expect(200);
    assert_exact_members(&done, "order changeAmount");
    assert_eq!((&done["changeAmount"], &done["order"]["status"]), (&json!(1212), &json!("completed")));
    assert_eq!(done["order"]["paymentMethod"], "cash");
    refused(staff.post(&path, json!({"cashTendered": 5000})).await, 400, "INVALID_STATUS");
    let shown = staff.transaction(&order).await;
    assert_eq!((&shown["cashTendered"], &shown["cashChange"]), (&json!(5000), &json!(1212)));
    assert_eq!((&shown["paymentMethod"]["type"], &shown["fees"]["processingFee"]), (&json!("cash"), &json!(0)));
    app.verify().await;
}

#[tokio::test]
async fn cash_is_refunded_in_the_books_only() {
    let app = App::start().await;
    let owner = Person::phone(&app, "superadmin").await;
    let order = sell(&app, &owner.token, CASH, 1200).await;
    let done = owner.refund(&order, json!({})).await.expect(200);
    assert_eq!(done["id"], format!("cash_refund_{}", id(&order)));
    assert_eq!((&done["amount"], &done["status"]), (&json!(1200), &json!("succeeded")));
    assert_eq!(owner.transaction(&order).await["status"], "refunded");
    assert!(app.cloud.stripe().objects("refund").is_empty());
    app.verify().await;
}

/// A cash part and two card parts; each card part is a payment of its own, without the order in its metadata.
#[tokio::test]
async fn a_bill_is_split_between_cash_and_cards() {
    let app = App::start().await;
    let owner = Person::phone(&app, "superadmin").await;
    let menu = open_menu(&owner).await;
    let order = owner.post("/orders", checkout(&menu, "split", json!({}))).await.expect(201);
    let path = format!("/orders/{}/payments", id(&order));
    let empty = owner.get(&path).await.expect(200);
    assert_eq!(empty, json!({"payments": [], "totalPaid": 0, "orderTotal": 3788, "remainingBalance": 3788}));

    let cash = json!({"paymentMethod": "cash", "amount": 1000, "tipAmount": 140, "cashTendered": 2000});
    let paid = owner.post(&path, cash).await.expect(200);
    assert_exact_members(&paid, "payment orderStatus totalPaid remainingBalance");
    assert_eq!((&paid["payment"]["cashTendered"], &paid["payment"]["cashChange"]), (&json!(2000), &json!(1000)));
    assert_eq!((&paid["orderStatus"], &paid["remainingBalance"]), (&json!("pending"), &json!(2788)));

    for (part, method, left) in [(1394, "tap_to_pay", 1394), (1394, "card", 0)] {
        let kind = if method == "card" { "card" } else { "card_present" };
        let more = json!({"orderId": id(&order), "isQuickCharge": false, "paymentMethodType": kind,
            "metadata": {"orderNumber": order["orderNumber"], "isSplitPayment": "true"}});
        let intent = owner.intent(part, more).await;
        let body =
            json!({"paymentMethod": method, "amount": part, "tipAmount": 200, "stripePaymentIntentId": id(&intent)});
        refused(owner.post(&path, body.clone()).await, 400, "PAYMENT_NOT_SUCCEEDED");
        owner.post(&format!("/stripe/terminal/payment-intent/{}/simulate", id(&intent)), json!({})).await.expect(200);
        let paid = owner.post(&path, body.clone()).await.expect(200);
        assert_eq!((int(&paid, "/remainingBalance"), &paid["payment"]["stripePaymentIntentId"]), (left, &intent["id"]));
        // The app retries when its connection broke: the same payment, not another.
        let again = owner.post(&path, body).await.expect(200);
        assert_eq!(again["payment"]["id"], paid["payment"]["id"]);
        // Each part pays the fee of a payment (contract §19).
        let at_stripe = app.cloud.stripe().objects("payment_intent").pop().unwrap();
        assert_eq!(at_stripe["application_fee_amount"], 2);
    }
    let all = owner.get(&path).await.expect(200);
    assert_eq!((int(&all, "/totalPaid"), int(&all, "/remainingBalance")), (3788, 0));
    let row = "id paymentMethod amount tipAmount status cashTendered cashChange stripePaymentIntentId createdAt";
    for payment in all["payments"].as_array().unwrap() {
        assert_exact_members(payment, row);
        assert_eq!(payment["status"], "completed");
        assert_time(&payment["createdAt"]);
    }
    let shown = owner.show(&order).await;
    assert_eq!((&shown["status"], &shown["paymentMethod"]), (&json!("completed"), &json!("split")));
    let transaction = owner.transaction(&order).await;
    assert_eq!(transaction["paymentMethod"], json!({"type": "split", "brand": null, "last4": null}));
    assert_eq!(transaction["orderPayments"].as_array().unwrap().len(), 3);
    let cash = json!({"paymentMethod": "cash", "amount": 1});
    refused(owner.post(&path, cash).await, 400, "INVALID_STATUS");
    app.verify().await;
}

/// Refunding a split gives back cards first, each to its own payment.
#[tokio::test]
async fn a_split_bill_is_refunded_to_those_who_paid() {
    let app = App::start().await;
    let owner = Person::phone(&app, "superadmin").await;
    let order = owner.order("split", 2000, json!({})).await;
    let path = format!("/orders/{}/payments", id(&order));
    owner.post(&path, json!({"paymentMethod": "cash", "amount": 800})).await.expect(200);
    let intent = owner.intent(1200, json!({})).await;
    owner.post(&format!("/stripe/terminal/payment-intent/{}/simulate", id(&intent)), json!({})).await.expect(200);
    let card = json!({"paymentMethod": "tap_to_pay", "amount": 1200, "stripePaymentIntentId": id(&intent)});
    owner.post(&path, card).await.expect(200);
    let done = owner.refund(&order, json!({"amount": 1500})).await.expect(200);
    assert_eq!(done["amount"], 1500);
    let at_stripe: Vec<i64> =
        app.cloud.stripe().objects("refund").iter().map(|refund| int(refund, "/amount")).collect();
    assert_eq!(at_stripe, [1200], "the other 300 are cash");
    owner.refund(&order, json!({})).await.expect(200);
    assert_eq!(owner.status(&order).await, "refunded");
    app.verify().await;
}

#[tokio::test]
async fn an_order_is_put_aside_taken_up_put_aside_again_and_deleted() {
    let app = App::start().await;
    let staff = Person::phone(&app, "staff").await;
    let order = staff.order("tap_to_pay", 1000, json!({"deviceId": DEVICE, "holdName": "Table 4"})).await;
    assert_eq!((&order["status"], &order["holdName"]), (&json!("pending"), &json!("Table 4")));
    let path = |step: &str| format!("/orders/{}/{step}", id(&order));
    let body = json!({"holdName": "Table 5", "tipAmount": 200, "taxAmount": 80, "subtotal": 1000, "totalAmount": 1280,
        "paymentMethod": "cash", "customerEmail": "", "notes": null});
    let held = staff.post(&path("hold"), body).await.expect(200);
    assert_eq!(
        (&held["status"], &held["holdName"], &held["totalAmount"]),
        (&json!("held"), &json!("Table 5"), &json!(1280))
    );
    assert_time(&held["heldAt"]);
    assert_eq!(held["heldBy"], staff.login["user"]["id"]);
    let list = staff.get(&format!("/orders/held?deviceId={DEVICE}")).await.expect(200);
    assert_eq!((&list["orders"][0]["id"], &list["orders"][0]["itemCount"]), (&order["id"], &json!(1)));
    assert_eq!(staff.get("/orders/held?deviceId=another").await.expect(200), json!({"orders": []}));
    refused(staff.post(&path("hold"), json!({})).await, 400, "INVALID_STATUS");

    let resumed = staff.post(&path("resume"), json!({})).await.expect(200);
    assert_eq!(
        (&resumed["status"], &resumed["heldAt"], &resumed["heldBy"]),
        (&json!("pending"), &Value::Null, &Value::Null)
    );
    assert_eq!((&resumed["holdName"], &resumed["tipAmount"]), (&json!("Table 5"), &json!(200)), "as they were stored");
    assert_eq!(resumed["items"].as_array().unwrap().len(), 1);
    refused(staff.post(&path("resume"), json!({})).await, 400, "INVALID_STATUS");
    let again = staff.post(&path("hold"), json!({"tipAmount": 300, "totalAmount": 1380})).await.expect(200);
    assert_eq!((&again["tipAmount"], &again["totalAmount"]), (&json!(300), &json!(1380)));
    assert_eq!(staff.get("/orders/held").await.expect(200)["orders"].as_array().unwrap().len(), 1);

    let gone = staff.delete(&format!("/orders/{}", id(&order))).await.expect(200);
    assert_exact_members(&gone, "success message");
    refused(staff.get(&format!("/orders/{}", id(&order))).await, 404, "ORDER_NOT_FOUND");
    assert_eq!(staff.get("/orders/held").await.expect(200), json!({"orders": []}));
    app.verify().await;
}

/// A held order is paid from where it is, too.
#[tokio::test]
async fn a_held_order_is_resumed_and_paid() {
    let app = App::start().await;
    let staff = Person::phone(&app, "staff").await;
    let order = staff.order("tap_to_pay", 1000, json!({"deviceId": DEVICE})).await;
    staff.post(&format!("/orders/{}/hold", id(&order)), json!({"holdName": "Bo"})).await.expect(200);
    staff.post(&format!("/orders/{}/resume", id(&order)), json!({})).await.expect(200);
    let intent = staff.begin_tap(&order).await;
    app.cloud.stripe().tap(id(&intent), VISA);
    app.until("paid", async || staff.status(&order).await == "completed").await;
    let direct = staff.order("cash", 500, json!({})).await;
    staff.post(&format!("/orders/{}/hold", id(&direct)), json!({})).await.expect(200);
    let done = pay_cash(&app, &staff.token, &direct, 500).await;
    assert_eq!((&done["order"]["status"], &done["order"]["heldAt"]), (&json!("completed"), &Value::Null));
    assert_eq!(staff.get("/orders/held").await.expect(200), json!({"orders": []}));
    app.verify().await;
}

#[tokio::test]
async fn a_quick_charge() {
    let app = App::start().await;
    let owner = Person::phone(&app, "superadmin").await;
    let menu = open_menu(&owner).await;
    let body = json!({"catalogId": menu.catalog, "subtotal": 2500, "taxAmount": 0, "tipAmount": 0, "totalAmount": 2500,
        "paymentMethod": "tap_to_pay", "isQuickCharge": true, "description": "Corkage", "deviceId": DEVICE});
    let order = owner.post("/orders", body).await.expect(201);
    assert_eq!((&order["items"], &order["itemCount"], &order["isQuickCharge"]), (&json!([]), &json!(0), &json!(true)));
    let intent = owner.begin_tap(&order).await;
    app.cloud.stripe().tap(id(&intent), VISA);
    app.until("paid", async || owner.status(&order).await == "completed").await;
    let shown = owner.transaction(&order).await;
    assert_eq!((&shown["isQuickCharge"], &shown["description"]), (&json!(true), &json!("Corkage")));
    assert_eq!((&shown["catalogName"], &shown["orderItems"]), (&json!("Night Bar"), &json!([])));
    app.verify().await;
}
