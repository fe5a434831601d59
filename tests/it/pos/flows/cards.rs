//! Cards: held to the phone, typed in, declined, given up, given back.

use local::stripe::Payment;

use super::*;

const METADATA: &str = "orderId orderNumber catalogId isQuickCharge subtotal taxAmount tipAmount organization_id user_id \
    source subscription_tier platform_fee_cents payment_method_type";

/// Steps 1 to 3: the order, its card payment, and the link between them.
async fn tap_to_pay(person: &Person<'_>, menu: &Menu, more: Value) -> (Value, Value) {
    let order = person.post("/orders", checkout(menu, "tap_to_pay", more)).await.expect(201);
    let intent = person.begin_tap(&order).await;
    (order, intent)
}

fn cancel_path(intent: &Value) -> String {
    format!("/stripe/terminal/payment-intent/{}/cancel", id(intent))
}

fn simulate_path(intent: &Value) -> String {
    format!("/stripe/terminal/payment-intent/{}/simulate", id(intent))
}

async fn until_completed(person: &Person<'_>, order: &Value) {
    person.app.until("the order is completed", async || person.status(order).await == "completed").await;
}

#[tokio::test]
async fn tap_to_pay_is_confirmed_by_the_webhook() {
    let app = App::start().await;
    let owner = Person::phone(&app, "superadmin").await;
    let menu = open_menu(&owner).await;
    let (order, intent) = tap_to_pay(&owner, &menu, json!({"customerEmail": " Ana@Example.com "})).await;
    assert_exact_members(&order, &format!("{ORDER} items"));
    assert_exact_members(&intent, "id clientSecret amount currency status stripeAccountId");
    assert_eq!((&intent["amount"], &intent["currency"]), (&json!(3788), &json!("usd")));
    assert_eq!(intent["status"], "requires_payment_method");
    assert_eq!(intent["stripeAccountId"], local::seed::counter::ACCOUNT_ID);
    let at_stripe = app.cloud.stripe().objects("payment_intent").pop().unwrap();
    assert_exact_members(&at_stripe["metadata"], METADATA);
    assert_eq!(at_stripe["metadata"]["catalogId"], menu.catalog.as_str());
    // Pro: 0.1 % of the whole payment and a cent (contract §19).
    assert_eq!(
        (&at_stripe["application_fee_amount"], &at_stripe["metadata"]["platform_fee_cents"]),
        (&json!(5), &json!("5"))
    );

    assert!(matches!(app.cloud.stripe().tap(id(&intent), VISA), Payment::Succeeded(_)));
    until_completed(&owner, &order).await;
    let receipt = format!("/stripe/terminal/payment-intent/{}/send-receipt", id(&intent));
    let sent = owner.post(&receipt, json!({"email": "ana@example.com"})).await.expect(200);
    assert_exact_members(&sent, "success receiptUrl");
    assert_eq!(sent["success"], true);
    app.until("the receipt is there", async || app.mails("ana@example.com").await.len() == 1).await;
    let customers = owner.get("/customers?search=ana@").await.expect(200);
    let figures = |customers: &Value| {
        (
            int(customers, "/total"),
            int(customers, "/customers/0/totalOrders"),
            int(customers, "/customers/0/totalSpent"),
        )
    };
    assert_eq!(figures(&customers), (1, 1, 3788), "the receipt counts nothing twice");
    let shown = owner.show(&order).await;
    assert_eq!((&shown["paymentMethod"], &shown["customerEmail"]), (&json!("tap_to_pay"), &json!("ana@example.com")));
    app.verify().await;
}

/// The simulation, the poll, Stripe's webhook (twice) and the receipt, all at the same moment: one payment.
#[tokio::test]
async fn a_payment_reported_by_everybody_at_once_is_applied_once() {
    let app = App::start().await;
    let owner = Person::phone(&app, "superadmin").await;
    let menu = open_menu(&owner).await;
    for _ in 0..3 {
        let (order, intent) = tap_to_pay(&owner, &menu, json!({})).await;
        let stripe = app.cloud.stripe();
        stripe.pause_webhooks();
        stripe.tap(id(&intent), VISA);
        stripe.discard_webhooks();
        let told = stripe.events().into_iter().rfind(|event| {
            event["type"] == "payment_intent.succeeded" && event["data"]["object"]["id"] == intent["id"]
        });
        let event = id(&told.unwrap()).to_owned();
        let status = format!("/stripe/terminal/payment-intent/{}/status", id(&intent));
        let simulate = simulate_path(&intent);
        let receipt = format!("/stripe/terminal/payment-intent/{}/send-receipt", id(&intent));
        let (delivered, polls, simulated, sent) = tokio::join!(
            stripe.deliver(&event, 2),
            join_all((0..4).map(|_| owner.get(&status))),
            join_all((0..4).map(|_| owner.post(&simulate, json!({})))),
            owner.post(&receipt, json!({"email": "ana@example.com"})),
        );
        assert_eq!(delivered.unwrap(), [200, 200]);
        polls.into_iter().for_each(|poll| assert_eq!(poll.expect(200)["status"], "succeeded"));
        for answer in simulated {
            let answer = answer.expect(200);
            assert_eq!((&answer["id"], &answer["status"]), (&intent["id"], &json!("succeeded")));
        }
        sent.expect(200);
        app.cloud.drain().await;
        let payments = owner.get(&format!("/orders/{}/payments", id(&order))).await.expect(200);
        assert_eq!((payments["payments"].as_array().unwrap().len(), int(&payments, "/totalPaid")), (1, 3788));
        assert_eq!(owner.status(&order).await, "completed");
        stripe.resume_webhooks();
    }
    assert!(app.cloud.stripe().objects("refund").is_empty(), "nothing went back");
    app.verify().await;
}

#[tokio::test]
async fn a_simulated_payment_completes_the_order() {
    let app = App::start().await;
    let staff = Person::phone(&app, "staff").await;
    let order = staff.order("tap_to_pay", 1999, json!({})).await;
    let intent = staff.begin_tap(&order).await;
    assert_eq!(intent["amount"], 1999, "19.99 dollars, which no binary fraction is");
    let done = staff.post(&simulate_path(&intent), json!({})).await.expect(200);
    assert_exact_members(&done, "id status amount receiptUrl");
    assert_eq!((&done["status"], &done["amount"]), (&json!("succeeded"), &json!(1999)));
    // Whoever goes on, goes on with the id that is answered.
    let shown = staff.show(&order).await;
    assert_eq!((&shown["status"], &shown["stripePaymentIntentId"]), (&json!("completed"), &done["id"]));
    let again = staff.post(&simulate_path(&done), json!({})).await.expect(200);
    assert_eq!(again, done);
    app.verify().await;
}

/// The reader does not work: the card's number is typed in, by a second payment for the same order.
#[tokio::test]
async fn the_fallback_to_a_typed_card_takes_the_place_of_the_tap() {
    let app = App::start().await;
    let owner = Person::phone(&app, "superadmin").await;
    let menu = open_menu(&owner).await;
    let (order, first) = tap_to_pay(&owner, &menu, json!({})).await;
    // The app ignores what this answers; here it is not even sent, so that the first payment stays alive.
    let metadata = json!({"orderId": order["id"], "orderNumber": order["orderNumber"]});
    let more = json!({"paymentMethodType": "card", "captureMethod": "automatic", "metadata": metadata});
    let second = owner.intent(3788, more).await;
    let linked = owner.link(&order, id(&second), json!({"paymentMethod": "card"})).await;
    assert_eq!((&linked["paymentMethod"], &linked["stripePaymentIntentId"]), (&json!("card"), &second["id"]));
    owner.post(&simulate_path(&second), json!({})).await.expect(200);
    assert_eq!(owner.show(&order).await["paymentMethod"], "card");

    // A buyer who holds the card to the phone after all does not pay twice.
    app.cloud.stripe().tap(id(&first), VISA);
    app.until("the second payment is given back", async || app.cloud.stripe().objects("refund").len() == 1).await;
    app.cloud.drain().await;
    let refund = app.cloud.stripe().objects("refund").pop().unwrap();
    assert_eq!((&refund["payment_intent"], &refund["amount"]), (&first["id"], &json!(3788)));
    let payments = owner.get(&format!("/orders/{}/payments", id(&order))).await.expect(200);
    assert_eq!(
        (int(&payments, "/totalPaid"), &payments["payments"][0]["stripePaymentIntentId"]),
        (3788, &second["id"])
    );
    app.verify().await;
}

/// Declined, then another card for the very payment: paid once.
#[tokio::test]
async fn a_declined_card_is_tried_again_and_pays_once() {
    let app = App::start().await;
    let owner = Person::phone(&app, "superadmin").await;
    let menu = open_menu(&owner).await;
    let (order, intent) = tap_to_pay(&owner, &menu, json!({})).await;
    for _ in 0..2 {
        assert!(matches!(app.cloud.stripe().tap(id(&intent), DECLINED), Payment::Declined(_)));
    }
    app.until("the order failed", async || owner.status(&order).await == "failed").await;
    let failed = owner.get("/stripe/connect/transactions?status=failed").await.expect(200);
    assert_eq!(failed["data"][0]["id"], order["id"]);
    // The phone takes the same payment to another card.
    owner.link(&order, id(&intent), json!({})).await;
    assert!(matches!(app.cloud.stripe().tap(id(&intent), VISA), Payment::Succeeded(_)));
    until_completed(&owner, &order).await;
    // Late notices of the declines change nothing.
    let stripe = app.cloud.stripe();
    for event in stripe.events().iter().filter(|event| event["type"] == "payment_intent.payment_failed") {
        stripe.deliver(id(event), 1).await.unwrap();
    }
    app.cloud.drain().await;
    assert_eq!(owner.status(&order).await, "completed");
    assert_eq!(int(&owner.get(&format!("/orders/{}/payments", id(&order))).await.expect(200), "/totalPaid"), 3788);
    assert!(stripe.objects("refund").is_empty());
    app.verify().await;
}

/// Given up, and sold anew: a new order each time, and nothing of the old one is paid.
#[tokio::test]
async fn a_sale_that_is_given_up_and_tried_again() {
    let app = App::start().await;
    let owner = Person::phone(&app, "superadmin").await;
    let menu = open_menu(&owner).await;
    let (stale, first) = tap_to_pay(&owner, &menu, json!({})).await;
    let canceled = owner.post(&cancel_path(&first), json!({})).await.expect(200);
    assert_eq!(canceled, json!({"success": true, "id": first["id"], "status": "canceled"}));
    owner.post(&cancel_path(&first), json!({})).await.expect(200);
    assert!(matches!(app.cloud.stripe().tap(id(&first), VISA), Payment::Closed));
    let (order, second) = tap_to_pay(&owner, &menu, json!({})).await;
    assert_ne!(order["orderNumber"], stale["orderNumber"]);
    app.cloud.stripe().tap(id(&second), VISA);
    until_completed(&owner, &order).await;
    assert_eq!(owner.status(&stale).await, "failed");
    // Too late to give it up.
    refused(owner.post(&cancel_path(&second), json!({})).await, 400, "STRIPE_REFUSED");
    let listed = owner.get("/stripe/connect/transactions?status=all").await.expect(200);
    assert_eq!((int(&listed, "/total"), &listed["data"][0]["id"]), (1, &order["id"]));
    app.verify().await;
}

/// GET the transaction, refund it, look again: as the app does; a part first, then the rest, then nothing.
#[tokio::test]
async fn a_card_is_refunded_in_part_and_in_whole() {
    let app = App::start().await;
    let owner = Person::phone(&app, "superadmin").await;
    let menu = open_menu(&owner).await;
    let (order, intent) = tap_to_pay(&owner, &menu, json!({})).await;
    app.cloud.stripe().tap(id(&intent), VISA);
    until_completed(&owner, &order).await;
    let before = owner.transaction(&order).await;
    assert_eq!((&before["status"], &before["amountRefunded"]), (&json!("succeeded"), &json!(0)));

    let part = owner.refund(&order, json!({"amount": 1000, "reason": "requested_by_customer"})).await.expect(200);
    assert_exact_members(&part, "id amount status reason created");
    assert_eq!(
        (&part["amount"], &part["status"], &part["reason"]),
        (&json!(1000), &json!("succeeded"), &json!("requested_by_customer"))
    );
    assert!(part["id"].as_str().unwrap().starts_with("re_"));
    let after = owner.transaction(&order).await;
    assert_eq!((&after["status"], &after["amountRefunded"]), (&json!("partially_refunded"), &json!(1000)));
    assert_eq!(owner.status(&order).await, "completed", "an order has no such status");
    refused(owner.refund(&order, json!({"amount": 2789})).await, 400, "NOTHING_TO_REFUND");
    let rest = owner.refund(&order, json!({})).await.expect(200);
    assert_eq!((&rest["amount"], &rest["reason"]), (&json!(2788), &Value::Null));
    let after = owner.transaction(&order).await;
    assert_eq!((&after["status"], &after["amountRefunded"]), (&json!("refunded"), &json!(3788)));
    let amounts: Vec<i64> = after["refunds"].as_array().unwrap().iter().map(|row| int(row, "/amount")).collect();
    assert_eq!(amounts, [1000, 2788]);
    assert_exact_members(&after["refunds"][0], "id amount status reason created");
    for body in [json!({}), json!({"amount": 1})] {
        refused(owner.refund(&order, body).await, 400, "INVALID_STATUS");
    }
    app.cloud.drain().await;
    let at_stripe: i64 = app.cloud.stripe().objects("refund").iter().map(|refund| int(refund, "/amount")).sum();
    assert_eq!(at_stripe, 3788, "Stripe's own notices of these refunds are not counted again");
    assert_eq!(owner.status(&order).await, "refunded");
    app.verify().await;
}

/// Ten clerks refund at once: no more goes back than was paid.
#[tokio::test]
async fn refunds_at_once_give_back_no_more_than_was_paid() {
    let app = App::start().await;
    let owner = Person::phone(&app, "superadmin").await;
    let order = owner.order("tap_to_pay", 1000, json!({})).await;
    pay_by_card(&app, &owner.token, &order).await;
    let answers = join_all((0..10).map(|_| owner.refund(&order, json!({"amount": 300})))).await;
    let done = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(done, 3, "{answers:?}");
    app.cloud.drain().await;
    assert_eq!(owner.transaction(&order).await["amountRefunded"], 900);
    let at_stripe: i64 = app.cloud.stripe().objects("refund").iter().map(|refund| int(refund, "/amount")).sum();
    assert_eq!(at_stripe, 900);
    app.verify().await;
}
