//! The counter's main flow, which CI also runs on others' stand-ins for AWS (`AWS_ENDPOINT_URL` set): sign-in, a menu, cash, a
//! card, the receipt, a refund. On the embedded cloud it runs like any other test.

use serde_json::json;
use uuid::Uuid;

use super::till::{CASH, Person, id, pay_by_card, pay_cash};
use crate::app::App;

#[tokio::test]
async fn a_counter_sells_mails_and_gives_back() {
    let app = App::start().await;
    let owner = Person::phone(&app, "superadmin").await;
    let catalog = owner.post("/catalogs", json!({"name": "Stand"})).await.expect(201);
    let product = owner.post("/products", json!({"name": "Lemonade"})).await.expect(201);
    let menu = format!("/catalogs/{}/products", id(&catalog));
    owner.post(&menu, json!({"productId": product["id"], "price": 450})).await.expect(201);
    assert_eq!(owner.get(&menu).await.expect(200)[0]["product"]["name"], "Lemonade");
    // Sold for cash, twice under one key: one order.
    let key = Uuid::new_v4().to_string();
    let body = json!({"catalogId": catalog["id"], "subtotal": 450, "totalAmount": 450, "paymentMethod": CASH,
        "items": [{"productId": product["id"], "name": "Lemonade", "quantity": 1, "unitPrice": 450}]});
    let order = owner.post_once("/orders", &key, &body).await.expect(201);
    assert_eq!(id(&owner.post_once("/orders", &key, &body).await.expect(201)), id(&order));
    assert_eq!(pay_cash(&app, &owner.token, &order, 500).await["changeAmount"], 50);
    // Sold by card, mailed, and given back.
    let sold = owner.order("tap_to_pay", 1999, json!({"catalogId": catalog["id"]})).await;
    pay_by_card(&app, &owner.token, &sold).await;
    app.until("the card's order is completed", async || owner.status(&sold).await == "completed").await;
    let receipt = format!("/stripe/connect/transactions/{}/send-receipt", id(&sold));
    owner.post(&receipt, json!({"email": "referee@buyer.example"})).await.expect(200);
    owner.refund(&sold, json!({"amount": 999})).await.expect(200);
    assert_eq!(owner.transaction(&sold).await["status"], "partially_refunded");
    let list = owner.get(&format!("/orders?catalogId={}", id(&catalog))).await.expect(200);
    assert_eq!((&list["total"], list["orders"].as_array().unwrap().len()), (&json!(2), 2));
    app.verify().await;
}
