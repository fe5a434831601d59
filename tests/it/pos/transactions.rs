//! `/pos/stripe/connect/transactions` (contract `pos.md` §10): orders as their money is told of.

use serde_json::{Value, json};

use super::till::*;
use crate::app::{App, assert_exact_members};

const LIST: &str = "/stripe/connect/transactions";
const TRANSACTION: &str = "id orderNumber amount amountRefunded currency status description customerName customerEmail \
    paymentMethod created receiptUrl sourceType catalogName itemCount metadata fees";
const DETAIL: &str =
    "refunds cashTendered cashChange orderPayments orderItems isQuickCharge tipAmount taxAmount billingAddress";

async fn list(person: &Person<'_>, query: &str) -> Value {
    person.get(&format!("{LIST}?{query}")).await.expect(200)
}

fn ids(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(id).collect()
}

#[tokio::test]
async fn a_card_and_cash_as_transactions() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let catalog = owner.post("/catalogs", json!({"name": "Bar"})).await.expect(201);
    owner.post("/customers", json!({"email": "bo@example.com", "name": "Bo"})).await.expect(200);
    let more = json!({"catalogId": catalog["id"], "subtotal": 3000, "taxAmount": 248, "tipAmount": 540,
        "items": [{"name": "Mule", "quantity": 2, "unitPrice": 1500, "notes": "ice"}]});
    let card = owner.order("tap_to_pay", 3788, more).await;
    let intent = pay_by_card(&app, &owner.token, &card).await;
    let told = owner.transaction(&card).await;
    assert_exact_members(&told, &format!("{TRANSACTION} {DETAIL}"));
    assert_eq!((&told["id"], &told["orderNumber"]), (&card["id"], &card["orderNumber"]));
    assert_eq!((&told["amount"], &told["amountRefunded"], &told["currency"]), (&json!(3788), &json!(0), &json!("usd")));
    assert_eq!((&told["status"], &told["sourceType"]), (&json!("succeeded"), &json!("order")));
    assert_eq!(told["paymentMethod"], json!({"type": "tap_to_pay", "brand": "visa", "last4": "4242"}));
    assert!((int(&told, "/created") - app.cloud.now().as_second()).abs() < 60, "unix seconds");
    assert!(told["receiptUrl"].as_str().is_some_and(|url| url.contains("/receipts/")));
    assert_eq!((&told["catalogName"], &told["itemCount"]), (&json!("Bar"), &json!(1)));
    // 2.7 % + 15¢ of a card that was there, and our 0.1 % + 1¢: 102 + 15 + 4 + 1 (contract §19).
    assert_eq!(told["fees"], json!({"processingFee": 122, "netAmount": 3666}));
    let metadata = json!({"orderId": card["id"], "orderNumber": card["orderNumber"], "catalogId": catalog["id"],
        "isQuickCharge": "false", "subtotal": "3000", "taxAmount": "248", "tipAmount": "540"});
    assert_eq!(told["metadata"], metadata);
    assert_eq!(
        (&told["tipAmount"], &told["taxAmount"], &told["isQuickCharge"]),
        (&json!(540), &json!(248), &json!(false))
    );
    for name in ["description", "customerName", "customerEmail", "cashTendered", "cashChange", "billingAddress"] {
        assert_eq!(told[name], Value::Null, "{name}");
    }
    assert_eq!(told["refunds"], json!([]));
    let row = "id paymentMethod amount tipAmount status cashTendered cashChange stripePaymentIntentId created";
    assert_exact_members(&told["orderPayments"][0], row);
    assert_eq!(
        (&told["orderPayments"][0]["stripePaymentIntentId"], &told["orderPayments"][0]["tipAmount"]),
        (&json!(intent), &json!(540))
    );
    assert_exact_members(&told["orderItems"][0], "id productId categoryId name quantity unitPrice notes");
    assert_eq!((&told["orderItems"][0]["name"], &told["orderItems"][0]["unitPrice"]), (&json!("Mule"), &json!(1500)));

    let typed = owner.order("card", 10_000, json!({})).await;
    let made = owner.intent(10_000, json!({"paymentMethodType": "card", "metadata": {"orderId": typed["id"]}})).await;
    owner.link(&typed, id(&made), json!({"paymentMethod": "card"})).await;
    owner.post(&format!("/stripe/terminal/payment-intent/{}/simulate", id(&made)), json!({})).await.expect(200);
    // 2.9 % + 30¢ of a number, and 0.1 % + 1¢.
    let told = owner.transaction(&typed).await;
    assert_eq!(
        (&told["fees"], &told["paymentMethod"]["type"]),
        (&json!({"processingFee": 331, "netAmount": 9669}), &json!("card"))
    );

    let cash = owner.order("cash", 500, json!({"customerEmail": "bo@example.com", "description": "Tip jar"})).await;
    pay_cash(&app, &owner.token, &cash, 1000).await;
    let told = owner.transaction(&cash).await;
    assert_eq!((&told["customerName"], &told["customerEmail"]), (&json!("Bo"), &json!("bo@example.com")));
    assert_eq!((&told["cashTendered"], &told["cashChange"]), (&json!(1000), &json!(500)));
    assert_eq!((&told["fees"], &told["receiptUrl"]), (&json!({"processingFee": 0, "netAmount": 500}), &Value::Null));
    let all = list(&owner, "").await;
    assert_exact_members(&all, "data hasMore total");
    assert_eq!(ids(&all), [id(&cash), id(&typed), id(&card)]);
    all["data"].as_array().unwrap().iter().for_each(|row| assert_exact_members(row, TRANSACTION));
    for name in TRANSACTION.split_whitespace() {
        assert_eq!(all["data"][0][name], told[name], "{name}: the list says what the transaction says");
    }
    app.verify().await;
}

#[tokio::test]
async fn a_list_is_paged_by_the_last_one_seen() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let mut sold = Vec::new();
    for n in 0..30 {
        sold.insert(0, id(&sell(&app, &owner.token, CASH, 100 + n).await).to_owned());
        owner.order("cash", 5, json!({})).await;
        app.advance(1).await;
    }
    let first = list(&owner, "").await;
    assert_eq!(
        (ids(&first), &first["hasMore"], &first["total"]),
        (sold[..25].iter().map(String::as_str).collect(), &json!(true), &json!(30))
    );
    let rest = list(&owner, &format!("starting_after={}", sold[24])).await;
    assert_eq!((ids(&rest), &rest["hasMore"]), (sold[25..].iter().map(String::as_str).collect(), &json!(false)));
    let mut seen = Vec::new();
    let mut page = list(&owner, "limit=7").await;
    loop {
        seen.extend(ids(&page).into_iter().map(str::to_owned));
        if page["hasMore"] == false {
            break;
        }
        page = list(&owner, &format!("limit=7&starting_after={}", seen.last().unwrap())).await;
    }
    assert_eq!(seen, sold, "each once");
    let by_amount = list(&owner, "limit=2&sort_by=amount&sort_order=asc").await;
    assert_eq!(ids(&by_amount), [&*sold[29], &*sold[28]]);
    let next = list(&owner, &format!("limit=2&sort_by=amount&sort_order=asc&starting_after={}", sold[28])).await;
    assert_eq!(ids(&next), [&*sold[27], &*sold[26]]);
    assert_eq!(ids(&list(&owner, "limit=1&sort_order=asc").await), [&*sold[29]]);
    let none = list(&owner, &format!("starting_after={}", sold[29])).await;
    assert_eq!((ids(&none).len(), &none["hasMore"]), (0, &json!(false)));
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        (&format!("starting_after={NOWHERE}"), "starting_after"),
        ("status=paid", "status"),
        ("customer_email=bo", "customer_email"),
        ("amount_min=-1", "amount_min"),
        ("catalog_id=x", "catalog_id"),
    ] {
        let told = refused(owner.get(&format!("{LIST}?{query}")).await, 400, "VALIDATION_ERROR");
        assert_eq!(told["details"][0]["path"], field, "{query}: {told}");
    }
    let stranger = Person::new(&app, "other").await;
    refused(stranger.get(&format!("{LIST}?starting_after={}", sold[0])).await, 400, "VALIDATION_ERROR");
    assert_eq!(ids(&list(&stranger, "").await).len(), 0);
    refused(stranger.get(&format!("{LIST}/{}", sold[0])).await, 404, "TRANSACTION_NOT_FOUND");
    for nowhere in [NOWHERE, "x"] {
        refused(owner.get(&format!("{LIST}/{nowhere}")).await, 404, "TRANSACTION_NOT_FOUND");
    }
}

#[tokio::test]
async fn lists_are_filtered() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let catalog = owner.post("/catalogs", json!({"name": "Bar"})).await.expect(201);
    let sell_with = async |total: i64, more: Value| {
        let order = owner.order("cash", total, more).await;
        pay_cash(&app, &owner.token, &order, total).await;
        app.advance(1).await;
        order
    };
    let plain = sell_with(1000, json!({"catalogId": catalog["id"], "deviceId": "a"})).await;
    let part =
        sell_with(2000, json!({"catalogId": catalog["id"], "deviceId": "b", "customerEmail": "bo@example.com"})).await;
    let whole = sell_with(3000, json!({"deviceId": "a"})).await;
    owner.refund(&part, json!({"amount": 1})).await.expect(200);
    owner.refund(&whole, json!({})).await.expect(200);
    let failed = owner.order("tap_to_pay", 4000, json!({})).await;
    owner.patch(&format!("/orders/{}", id(&failed)), json!({"status": "failed"})).await.expect(200);
    let pending = owner.order("cash", 5000, json!({})).await;
    let (a, b, c) = (id(&plain), id(&part), id(&whole));
    let at = |order: &Value| int(&list_row(order), "/created");
    let created = [at(&owner.transaction(&plain).await), at(&owner.transaction(&part).await)];
    for (query, expected) in [
        ("status=all".to_owned(), vec![c, b, a]),
        ("status=succeeded".to_owned(), vec![a]),
        ("status=refunded".to_owned(), vec![c, b]),
        ("status=partially_refunded".to_owned(), vec![b]),
        ("status=failed".to_owned(), vec![id(&failed)]),
        ("status=pending".to_owned(), vec![id(&pending)]),
        ("status=cancelled".to_owned(), vec![]),
        (format!("catalog_id={}", id(&catalog)), vec![b, a]),
        ("device_id=a".to_owned(), vec![c, a]),
        (format!("catalog_id={}&device_id=a&status=all&limit=25", id(&catalog)), vec![a]),
        ("customer_email=BO@example.com".to_owned(), vec![b]),
        ("amount_min=2000&amount_max=2999".to_owned(), vec![b]),
        (format!("date_from={}", created[1]), vec![c, b]),
        (format!("date_to={}", created[0]), vec![a]),
        (format!("date_from={0}&date_to={0}", created[1]), vec![b]),
        ("catalog_id=&device_id=&status=all".to_owned(), vec![c, b, a]),
    ] {
        assert_eq!(ids(&list(&owner, &query).await), expected, "{query}");
    }
    let row = list(&owner, "status=refunded").await;
    assert_eq!((&row["data"][0]["status"], &row["data"][0]["amountRefunded"]), (&json!("refunded"), &json!(3000)));
    assert_eq!(
        (&row["data"][1]["status"], &row["data"][1]["amountRefunded"]),
        (&json!("partially_refunded"), &json!(1))
    );
    assert!(row.get("total").is_none(), "it is not known for a part");
}

fn list_row(transaction: &Value) -> Value {
    json!({"created": transaction["created"]})
}

/// Only owners give money back; too much, twice, of nothing and of another's is refused.
#[tokio::test]
async fn refunds_are_the_owners() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let order = sell(&app, &owner.token, CASH, 1000).await;
    for role in ["admin", "staff"] {
        refused(Person::new(&app, role).await.refund(&order, json!({})).await, 403, "FORBIDDEN");
    }
    for (body, field) in [(json!({"amount": 0}), "amount"), (json!({"amount": 1_000_000_001_i64}), "amount")] {
        invalid(owner.refund(&order, body).await, field);
    }
    refused(owner.refund(&order, json!({"amount": 1.5})).await, 400, "VALIDATION_ERROR");
    refused(owner.refund(&order, json!({"reason": "because"})).await, 400, "VALIDATION_ERROR");
    refused(owner.refund(&order, json!({"amount": 1001})).await, 400, "NOTHING_TO_REFUND");
    let open = owner.order("cash", 500, json!({})).await;
    refused(owner.refund(&open, json!({})).await, 400, "INVALID_STATUS");
    app.change_member("other", |member| member.role = Some(domain::member::Role::Superadmin)).await;
    let stranger = Person::new(&app, "other").await;
    refused(stranger.refund(&order, json!({})).await, 404, "ORDER_NOT_FOUND");
    refused(owner.refund(&json!({"id": "x"}), json!({})).await, 404, "TRANSACTION_NOT_FOUND");
    assert_eq!(owner.refund(&order, json!({"reason": "fraudulent"})).await.expect(200)["reason"], "fraudulent");
    refused(owner.refund(&order, json!({})).await, 400, "INVALID_STATUS");
    let told = owner.transaction(&order).await;
    assert_eq!(told["refunds"].as_array().unwrap().len(), 1);
    assert_eq!(told["refunds"][0]["status"], "succeeded");
    app.verify().await;
}

/// A receipt for cash too; only of what is paid, only to an address.
#[tokio::test]
async fn receipts_are_sent() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let order = owner.order("cash", 1000, json!({})).await;
    let path = format!("{LIST}/{}/send-receipt", id(&order));
    refused(owner.post(&path, json!({"email": "bo@example.com"})).await, 400, "INVALID_STATUS");
    pay_cash(&app, &owner.token, &order, 1000).await;
    for bad in ["bo", "", "bo@"] {
        invalid(owner.post(&path, json!({"email": bad})).await, "email");
    }
    let sent = owner.post(&path, json!({"email": " Bo@Example.com "})).await.expect(200);
    assert_exact_members(&sent, "success message");
    app.until("it is there", async || app.mails("bo@example.com").await.len() == 1).await;
    let mail = app.mails("bo@example.com").await.remove(0);
    let number = order["orderNumber"].as_str().unwrap();
    assert!(mail.to_string().contains(number), "{mail}");
    // Once more is once more: somebody asked for it.
    owner.post(&path, json!({"email": "bo@example.com"})).await.expect(200);
    app.until("both are there", async || app.mails("bo@example.com").await.len() == 2).await;
    assert_eq!(owner.show(&order).await["customerEmail"], "bo@example.com");
    let stranger = Person::new(&app, "other").await;
    refused(stranger.post(&path, json!({"email": "bo@example.com"})).await, 404, "ORDER_NOT_FOUND");
    refused(
        owner.post(&format!("{LIST}/x/send-receipt"), json!({"email": "bo@example.com"})).await,
        404,
        "TRANSACTION_NOT_FOUND",
    );
    app.verify().await;
}

/// Each is a row beside the order's own: there are not more than twenty, and no more for being asked for at once.
#[tokio::test]
async fn a_receipt_is_not_sent_for_ever() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let order = sell(&app, &owner.token, CASH, 1000).await;
    let path = format!("{LIST}/{}/send-receipt", id(&order));
    let send = async || owner.post(&path, json!({"email": "bo@example.com"})).await;
    for _ in 0..19 {
        send().await.expect(200);
    }
    let answers = futures_util::future::join_all((0..4).map(|_| send())).await;
    assert_eq!(answers.iter().filter(|answer| answer.status.as_u16() == 200).count(), 1);
    refused(send().await, 429, "TOO_MANY_RECEIPTS");
    app.cloud.drain().await;
    assert_eq!(app.mails("bo@example.com").await.len(), 20);
    // Another order's is another matter.
    let order = sell(&app, &owner.token, CASH, 1000).await;
    let path = format!("{LIST}/{}/send-receipt", id(&order));
    owner.post(&path, json!({"email": "bo@example.com"})).await.expect(200);
    app.verify().await;
}

/// Given back by hand at Stripe's dashboard: the transaction follows.
#[tokio::test]
async fn a_refund_at_stripes_dashboard_is_followed() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let order = owner.order("tap_to_pay", 1000, json!({})).await;
    let intent = pay_by_card(&app, &owner.token, &order).await;
    let refund = async |amount: i64| {
        let call = app.post(&format!("{}/v1/refunds", app.cloud.stripe_url())).token(local::stripe::SECRET_KEY);
        let call = call.header("stripe-account", local::seed::counter::ACCOUNT_ID);
        let call = call.header("content-type", "application/x-www-form-urlencoded");
        call.body(format!("payment_intent={intent}&amount={amount}")).send().await.expect(200);
    };
    refund(300).await;
    app.until("the part is known", async || owner.transaction(&order).await["amountRefunded"] == 300).await;
    assert_eq!(owner.transaction(&order).await["status"], "partially_refunded");
    refused(owner.refund(&order, json!({"amount": 701})).await, 400, "NOTHING_TO_REFUND");
    refund(700).await;
    app.until("all of it is", async || owner.status(&order).await == "refunded").await;
    app.verify().await;
}
