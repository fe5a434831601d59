//! Payments of an order: cash, parts, linked cards; never more than is due.

use super::*;

async fn pay(person: &Person<'_>, order: &Value, body: Value) -> crate::app::Answer {
    person.post(&format!("/orders/{}/payments", id(order)), body).await
}

async fn paid_intent(person: &Person<'_>, cents: i64, more: Value) -> String {
    let intent = person.intent(cents, more).await;
    person.post(&format!("/stripe/terminal/payment-intent/{}/simulate", id(&intent)), json!({})).await.expect(200);
    id(&intent).to_owned()
}

#[tokio::test]
async fn bad_payments_are_refused() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let order = owner.order("split", 1000, json!({})).await;
    for (body, field) in [
        (json!({"paymentMethod": "cash", "amount": 0}), "amount"),
        (json!({"paymentMethod": "cash", "amount": -5}), "amount"),
        (json!({"paymentMethod": "cash", "amount": 5, "tipAmount": -1}), "tipAmount"),
        (json!({"paymentMethod": "cash", "amount": 5, "cashTendered": -1}), "cashTendered"),
        (json!({"paymentMethod": "card", "amount": 5}), "stripePaymentIntentId"),
        (json!({"paymentMethod": "tap_to_pay", "amount": 5, "stripePaymentIntentId": " "}), "stripePaymentIntentId"),
    ] {
        invalid(pay(&owner, &order, body).await, field);
    }
    for broken in [
        json!({"paymentMethod": "split", "amount": 5}),
        json!({"amount": 5}),
        json!({"paymentMethod": "cash", "amount": "5"}),
    ] {
        refused(pay(&owner, &order, broken).await, 400, "VALIDATION_ERROR");
    }
    refused(
        pay(&owner, &order, json!({"paymentMethod": "cash", "amount": 500, "cashTendered": 499})).await,
        400,
        "INSUFFICIENT_CASH",
    );
    refused(pay(&owner, &order, json!({"paymentMethod": "cash", "amount": 1001})).await, 400, "AMOUNT_TOO_LARGE");
    for (body, field) in
        [(json!({"cashTendered": -1}), "cashTendered"), (json!({"cashTendered": 1_000_000_001_i64}), "cashTendered")]
    {
        invalid(owner.post(&format!("/orders/{}/complete-cash", id(&order)), body).await, field);
    }
    refused(owner.post(&format!("/orders/{}/complete-cash", id(&order)), json!({})).await, 400, "VALIDATION_ERROR");
    let none = owner.get(&format!("/orders/{}/payments", id(&order))).await.expect(200);
    assert_eq!(none["payments"], json!([]));
    assert_eq!(owner.show(&order).await, order);
}

/// A card payment counts as what Stripe says of it, for the order that it is of, on the organization's own account.
#[tokio::test]
async fn a_card_part_is_asked_for_at_stripe() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let order = owner.order("split", 2000, json!({})).await;
    let card =
        |amount: i64, intent: &str| json!({"paymentMethod": "card", "amount": amount, "stripePaymentIntentId": intent});
    refused(pay(&owner, &order, card(500, "pi_nobody")).await, 404, "PAYMENT_INTENT_NOT_FOUND");
    let paid = paid_intent(&owner, 500, json!({})).await;
    refused(pay(&owner, &order, card(501, &paid)).await, 400, "AMOUNT_MISMATCH");
    let done = pay(&owner, &order, card(500, &paid)).await.expect(200);
    assert_exact_members(
        &done["payment"],
        "id paymentMethod amount tipAmount status cashTendered cashChange stripePaymentIntentId createdAt",
    );
    assert_eq!((&done["payment"]["cashTendered"], &done["payment"]["tipAmount"]), (&Value::Null, &json!(0)));
    // It has paid this order, and pays no other.
    let other = owner.order("split", 2000, json!({})).await;
    refused(pay(&owner, &other, card(500, &paid)).await, 409, "PAYMENT_INTENT_TAKEN");
    let link = json!({"stripePaymentIntentId": paid});
    refused(owner.patch(&format!("/orders/{}/payment-intent", id(&other)), link).await, 409, "PAYMENT_INTENT_TAKEN");
    // Given back at Stripe before it is counted, it counts nothing.
    let gone = paid_intent(&owner, 600, json!({})).await;
    let form = format!("payment_intent={gone}");
    app.post(&format!("{}/v1/refunds", app.cloud.stripe_url()))
        .token(local::stripe::SECRET_KEY)
        .header("stripe-account", local::seed::counter::ACCOUNT_ID)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form)
        .send()
        .await
        .expect(200);
    refused(pay(&owner, &order, card(600, &gone)).await, 400, "AMOUNT_MISMATCH");
    // More than is left goes back to the buyer.
    let much = paid_intent(&owner, 1600, json!({})).await;
    refused(pay(&owner, &order, card(1500, &much)).await, 409, "PAYMENT_RETURNED");
    let refunds = app.cloud.stripe().objects("refund");
    assert_eq!(refunds.iter().filter(|refund| refund["payment_intent"] == much.as_str()).count(), 1);
    refused(pay(&owner, &order, card(1500, &much)).await, 409, "PAYMENT_RETURNED");
    let all = owner.get(&format!("/orders/{}/payments", id(&order))).await.expect(200);
    assert_eq!((int(&all, "/totalPaid"), int(&all, "/remainingBalance")), (500, 1500));
    // A tenant without an account has no card payments.
    let stranger = Person::new(&app, "other").await;
    let theirs = stranger.order("split", 500, json!({})).await;
    refused(pay(&stranger, &theirs, card(500, &paid)).await, 404, "NO_CONNECTED_ACCOUNT");
    app.verify().await;
}

#[tokio::test]
async fn a_card_payment_is_linked_to_one_order() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let (first, second) =
        (owner.order("tap_to_pay", 1000, json!({})).await, owner.order("tap_to_pay", 1000, json!({})).await);
    let intent = owner.intent(1000, json!({})).await;
    let linked = owner.link(&first, id(&intent), json!({})).await;
    assert_exact_members(&linked, &format!("{ORDER} items"));
    assert_eq!((&linked["stripePaymentIntentId"], &linked["paymentMethod"]), (&intent["id"], &json!("tap_to_pay")));
    // `[R]`'s readers' members are ignored.
    let again =
        owner.link(&first, id(&intent), json!({"readerId": "tmr_1", "readerLabel": "Bar", "readerType": "x"})).await;
    assert_eq!(again, linked, "linking again changes nothing");
    let path = |order: &Value| format!("/orders/{}/payment-intent", id(order));
    let body = json!({"stripePaymentIntentId": intent["id"]});
    refused(owner.patch(&path(&second), body.clone()).await, 409, "PAYMENT_INTENT_TAKEN");
    for (body, field) in [
        (json!({"stripePaymentIntentId": ""}), "stripePaymentIntentId"),
        (json!({"stripePaymentIntentId": "p".repeat(256)}), "stripePaymentIntentId"),
    ] {
        invalid(owner.patch(&path(&second), body).await, field);
    }
    for strange in ["pi_nobody", "pi_../../x", "ch_1"] {
        let body = json!({"stripePaymentIntentId": strange});
        refused(owner.patch(&path(&second), body).await, 404, "PAYMENT_INTENT_NOT_FOUND");
    }
    refused(owner.patch(&path(&json!({"id": NOWHERE})), body).await, 404, "ORDER_NOT_FOUND");
    // Ten phones link one payment to ten orders: one has it.
    let free = owner.intent(1000, json!({})).await;
    let orders = join_all((0..10).map(|_| owner.order("tap_to_pay", 1000, json!({})))).await;
    let body = json!({"stripePaymentIntentId": free["id"]});
    let paths: Vec<String> = orders.iter().map(path).collect();
    let answers = join_all(paths.iter().map(|path| owner.patch(path, body.clone()))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    app.verify().await;
}

/// Twelve tills take cash for one order at once, and never more than is due.
#[tokio::test]
async fn cash_at_once_never_overpays() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let order = owner.order("cash", 1000, json!({})).await;
    let path = format!("/orders/{}/complete-cash", id(&order));
    let answers = join_all((0..12).map(|_| owner.post(&path, json!({"cashTendered": 1500})))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert!(answers.iter().all(|answer| [200, 400].contains(&answer.status.as_u16())));
    let all = owner.get(&format!("/orders/{}/payments", id(&order))).await.expect(200);
    assert_eq!((all["payments"].as_array().unwrap().len(), int(&all, "/totalPaid")), (1, 1000));

    let split = owner.order("split", 1000, json!({})).await;
    let part = json!({"paymentMethod": "cash", "amount": 300});
    let answers = join_all((0..12).map(|_| pay(&owner, &split, part.clone()))).await;
    let done = answers.iter().filter(|answer| answer.status == 200).count();
    assert!(done <= 3, "{done}");
    for answer in answers.into_iter().filter(|answer| answer.status != 200) {
        assert!([400, 409].contains(&answer.status.as_u16()), "{}", answer.body);
    }
    let all = owner.get(&format!("/orders/{}/payments", id(&split))).await.expect(200);
    assert_eq!(
        (int(&all, "/totalPaid"), int(&all, "/remainingBalance")),
        (300 * done as i64, 1000 - 300 * done as i64)
    );
    app.verify().await;
}

/// Cash over the counter while the card is paying: one of the two pays, the other goes back or is not taken.
#[tokio::test]
async fn cash_and_a_card_at_once_pay_once() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    for _ in 0..4 {
        let order = owner.order("tap_to_pay", 1000, json!({})).await;
        let intent = owner.begin_tap(&order).await;
        let cash = json!({"paymentMethod": "cash", "amount": 1000});
        let simulate = format!("/stripe/terminal/payment-intent/{}/simulate", id(&intent));
        let (cash, _) = tokio::join!(pay(&owner, &order, cash), owner.post(&simulate, json!({})));
        app.cloud.drain().await;
        let all = owner.get(&format!("/orders/{}/payments", id(&order))).await.expect(200);
        assert_eq!((all["payments"].as_array().unwrap().len(), int(&all, "/totalPaid")), (1, 1000));
        let returned =
            app.cloud.stripe().objects("refund").iter().any(|refund| refund["payment_intent"] == intent["id"]);
        assert_eq!(returned, cash.status == 200, "the card's money is here or back: {}", cash.body);
    }
    app.verify().await;
}

/// The same act under the order's own name; owners only, as with transactions.
#[tokio::test]
async fn an_order_is_refunded_under_its_own_name() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let order = sell_by_card(&app, &owner.token, 2000).await;
    let path = format!("/orders/{}/refund", id(&order));
    for role in ["admin", "staff"] {
        refused(Person::new(&app, role).await.post(&path, json!({})).await, 403, "FORBIDDEN");
    }
    for (body, field) in [(json!({"amount": 0}), "amount"), (json!({"amount": -1}), "amount")] {
        invalid(owner.post(&path, body).await, field);
    }
    refused(owner.post(&path, json!({"reason": "because"})).await, 400, "VALIDATION_ERROR");
    refused(owner.post(&path, json!({"amount": 2001})).await, 400, "NOTHING_TO_REFUND");
    let done = owner.post(&path, json!({"amount": 500, "reason": "duplicate"})).await.expect(200);
    assert_exact_members(&done, "success id amount status reason created");
    assert_eq!((&done["success"], &done["amount"], &done["reason"]), (&json!(true), &json!(500), &json!("duplicate")));
    assert!((int(&done, "/created") - app.cloud.now().as_second()).abs() < 60);
    assert_eq!(owner.post(&path, json!({})).await.expect(200)["amount"], 1500);
    assert_eq!(owner.status(&order).await, "refunded");
    refused(owner.post(&path, json!({})).await, 400, "INVALID_STATUS");
    refused(owner.post(&format!("/orders/{NOWHERE}/refund"), json!({})).await, 404, "ORDER_NOT_FOUND");
    app.verify().await;
}
