//! Orders made and shown.

use super::*;

const ITEM: &str = "id productId catalogProductId categoryId name quantity unitPrice notes";

#[tokio::test]
async fn an_order_has_every_member_and_says_null() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let made = owner.post("/orders", json!({"subtotal": 0, "totalAmount": 0})).await.expect(201);
    assert_exact_members(&made, &format!("{ORDER} items"));
    for name in
        "stripePaymentIntentId customerEmail customerId catalogId deviceId notes holdName heldAt heldBy description"
            .split_whitespace()
    {
        assert_eq!(made[name], Value::Null, "{name}");
    }
    assert_eq!((&made["status"], &made["paymentMethod"]), (&json!("pending"), &json!("tap_to_pay")));
    assert_eq!((&made["taxAmount"], &made["tipAmount"], &made["items"]), (&json!(0), &json!(0), &json!([])));
    assert_eq!((&made["userId"], &made["organizationId"]), (&owner.login["user"]["id"], &app.demo["org_id"]));
    assert_eq!(made["isQuickCharge"], false);
    assert_time(&made["createdAt"]);
    assert_time(&made["updatedAt"]);
    assert_eq!(owner.show(&made).await, made);
}

/// Totals are kept as they are sent, names as they were sold; what is empty is none.
#[tokio::test]
async fn an_order_is_kept_as_it_was_sent() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let catalog = owner.post("/catalogs", json!({"name": "Bar"})).await.expect(201);
    let product = owner.post("/products", json!({"name": "Mule"})).await.expect(201);
    let items = json!([
        {"productId": product["id"], "catalogProductId": NOWHERE, "categoryId": NOWHERE, "name": "Mule", "quantity": 2,
            "unitPrice": 1200, "notes": "no lime"},
        {"name": "Tap water", "quantity": 1, "unitPrice": 0, "productId": null, "notes": ""},
    ]);
    let body = json!({"catalogId": catalog["id"], "items": items, "subtotal": 2400, "taxAmount": 199, "tipAmount": 432,
        "totalAmount": 3031, "paymentMethod": "split", "customerEmail": " Bo@Example.COM ", "deviceId": "phone-7",
        "notes": " by the door ", "holdName": "Table 4", "isQuickCharge": false, "description": ""});
    let made = owner.post("/orders", body).await.expect(201);
    for (name, expected) in
        [("subtotal", 2400), ("taxAmount", 199), ("tipAmount", 432), ("totalAmount", 3031), ("itemCount", 2)]
    {
        assert_eq!(made[name], expected, "{name}");
    }
    for (name, expected) in [
        ("paymentMethod", "split"),
        ("status", "pending"),
        ("customerEmail", "bo@example.com"),
        ("deviceId", "phone-7"),
        ("notes", "by the door"),
        ("holdName", "Table 4"),
    ] {
        assert_eq!(made[name], expected, "{name}");
    }
    assert_eq!((&made["catalogId"], &made["description"]), (&catalog["id"], &Value::Null));
    assert!(made["customerId"].is_string());
    let items = made["items"].as_array().unwrap();
    items.iter().for_each(|item| assert_exact_members(item, ITEM));
    assert_eq!(
        (&items[0]["name"], &items[0]["quantity"], &items[0]["unitPrice"]),
        (&json!("Mule"), &json!(2), &json!(1200))
    );
    assert_eq!((&items[0]["productId"], &items[0]["notes"]), (&product["id"], &json!("no lime")));
    assert_eq!((&items[1]["productId"], &items[1]["notes"]), (&Value::Null, &Value::Null));
    assert_eq!(owner.show(&made).await, made);
    let empty =
        json!({"subtotal": 100, "totalAmount": 100, "customerEmail": "", "catalogId": "", "stripePaymentIntentId": ""});
    let made = owner.post("/orders", empty).await.expect(201);
    assert_eq!(
        (&made["customerEmail"], &made["catalogId"], &made["customerId"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
}

/// A product leaves the library: what was sold of it keeps its name and price, and names no product any more (contract §6).
#[tokio::test]
async fn a_product_that_is_gone_leaves_its_name_behind() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let gone = owner.post("/products", json!({"name": "Mule"})).await.expect(201);
    let kept = owner.post("/products", json!({"name": "Ale"})).await.expect(201);
    let items = json!([{"productId": gone["id"], "name": "Mule", "quantity": 1, "unitPrice": 60},
        {"productId": kept["id"], "name": "Ale", "quantity": 1, "unitPrice": 40}]);
    let order = owner.order("cash", 100, json!({"items": items})).await;
    owner.post(&format!("/orders/{}/hold", id(&order)), json!({})).await.expect(200);
    assert_eq!(owner.delete(&format!("/products/{}", id(&gone))).await.status, 204);
    let resumed = owner.post(&format!("/orders/{}/resume", id(&order)), json!({})).await.expect(200);
    let told = owner.transaction(&order).await;
    for items in [&owner.show(&order).await["items"], &resumed["items"], &told["orderItems"]] {
        assert_eq!(
            (&items[0]["productId"], &items[0]["name"], &items[0]["unitPrice"]),
            (&Value::Null, &json!("Mule"), &json!(60))
        );
        assert_eq!(items[1]["productId"], kept["id"]);
    }
}

#[tokio::test]
async fn bad_orders_are_refused_by_field() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let item = |more: Value| {
        let mut item = json!({"name": "Mule", "quantity": 1, "unitPrice": 100});
        item.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"items": [item]})
    };
    let long = |n: usize| "é".repeat(n);
    let many: Vec<Value> = (0..201).map(|_| json!({"name": "M", "quantity": 1, "unitPrice": 1})).collect();
    for (more, field) in [
        (json!({"totalAmount": 101}), "totalAmount"),
        (json!({"subtotal": -1, "totalAmount": -1}), "subtotal"),
        (json!({"taxAmount": -1}), "taxAmount"),
        (json!({"tipAmount": -1}), "tipAmount"),
        (json!({"tipAmount": 1}), "totalAmount"),
        (json!({"subtotal": 1_000_000_001_i64}), "subtotal"),
        (json!({"customerEmail": "bo"}), "customerEmail"),
        (json!({"customerEmail": format!("{}@example.com", "a".repeat(250))}), "customerEmail"),
        (json!({"catalogId": "bar"}), "catalogId"),
        (json!({"notes": long(1001)}), "notes"),
        (json!({"holdName": long(101)}), "holdName"),
        (json!({"deviceId": long(201)}), "deviceId"),
        (json!({"description": long(1001)}), "description"),
        (json!({"items": many}), "items"),
        (item(json!({"name": ""})), "items[0].name"),
        (item(json!({"name": long(201)})), "items[0].name"),
        (item(json!({"quantity": 0})), "items[0].quantity"),
        (item(json!({"unitPrice": -1})), "items[0].unitPrice"),
        (item(json!({"notes": long(501)})), "items[0].notes"),
        (item(json!({"productId": "x"})), "items[0].productId"),
        (item(json!({"categoryId": "x"})), "items[0].categoryId"),
    ] {
        let body = order_body("cash", 100, more.clone());
        let answer = owner.post("/orders", body).await;
        assert_eq!(answer.status, 400, "{more}: {}", answer.body);
        invalid(answer, field);
    }
    for broken in [
        json!({"subtotal": 1.5, "totalAmount": 1}),
        json!({"totalAmount": 1}),
        json!([]),
        json!({"subtotal": 1, "totalAmount": 1, "paymentMethod": "check"}),
    ] {
        assert_eq!(refused(owner.post("/orders", broken).await, 400, "VALIDATION_ERROR")["error"], "VALIDATION_ERROR");
    }
    // The limits themselves are allowed.
    let most = json!({"notes": long(1000), "holdName": long(100), "description": long(1000)});
    owner.post("/orders", order_body("cash", 100, most)).await.expect(201);
    assert_eq!(owner.get("/orders").await.expect(200)["total"], 1, "nothing of what was refused was kept");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let item = json!({"name": "é".repeat(200), "quantity": 1, "unitPrice": 1, "notes": "𝄞".repeat(500)});
    let items: Vec<Value> = (0..200).map(|_| item.clone()).collect();
    let body = order_body("cash", 200, json!({"items": items}));
    let answer = owner.post("/orders", body).await;
    assert!([400, 413].contains(&answer.status.as_u16()), "{} {}", answer.status, answer.body);
    assert!(answer.body["error"].is_string());
}

/// A number is unique in its organization however many are made at once, and tells the day (UTC).
#[tokio::test]
async fn order_numbers_are_unique() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let mut numbers = HashSet::new();
    for _ in 0..5 {
        for made in join_all((0..40).map(|_| owner.order("cash", 100, json!({})))).await {
            let number = made["orderNumber"].as_str().unwrap().to_owned();
            let day = app.cloud.now().strftime("%Y%m%d").to_string();
            assert!(number.starts_with(&format!("ORD-{day}-")) && number.len() <= 50, "{number}");
            assert!(number.rsplit('-').next().unwrap().bytes().all(|byte| byte.is_ascii_digit()), "{number}");
            assert!(numbers.insert(number), "twice: {}", made["orderNumber"]);
        }
    }
    assert_eq!(owner.get("/orders?limit=1").await.expect(200)["total"], 200);
    app.verify().await;
}

/// An intent can be named from the start: it must be the organization's own, and nobody else's.
#[tokio::test]
async fn an_order_may_name_its_card_payment_at_once() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let intent = owner.intent(1000, json!({})).await;
    let made = owner.order("tap_to_pay", 1000, json!({"stripePaymentIntentId": intent["id"]})).await;
    assert_eq!((&made["stripePaymentIntentId"], &made["status"]), (&intent["id"], &json!("pending")));
    let again = order_body("tap_to_pay", 1000, json!({"stripePaymentIntentId": intent["id"]}));
    refused(owner.post("/orders", again).await, 409, "PAYMENT_INTENT_TAKEN");
    let unknown = order_body("tap_to_pay", 1000, json!({"stripePaymentIntentId": "pi_nobody"}));
    refused(owner.post("/orders", unknown).await, 404, "PAYMENT_INTENT_NOT_FOUND");
    app.cloud.stripe().tap(id(&intent), VISA);
    app.until("it is paid", async || owner.status(&made).await == "completed").await;
    app.verify().await;
}

/// Other tenants' orders, catalogs and payments do not exist, whatever is done with them.
#[tokio::test]
async fn anothers_orders_are_not_found() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let stranger = Person::new(&app, "other").await;
    let order = owner.order("cash", 1000, json!({})).await;
    let catalog = owner.post("/catalogs", json!({"name": "Bar"})).await.expect(201);
    for known in [id(&order).to_owned(), NOWHERE.to_owned(), "not-an-id".to_owned()] {
        let path = |step: &str| format!("/orders/{known}{step}");
        let person = if known == id(&order) { &stranger } else { &owner };
        refused(person.get(&path("")).await, 404, "ORDER_NOT_FOUND");
        refused(person.patch(&path(""), json!({"notes": "x"})).await, 404, "ORDER_NOT_FOUND");
        refused(person.delete(&path("")).await, 404, "ORDER_NOT_FOUND");
        refused(person.get(&path("/payments")).await, 404, "ORDER_NOT_FOUND");
        for step in ["/hold", "/resume"] {
            refused(person.post(&path(step), json!({})).await, 404, "ORDER_NOT_FOUND");
        }
        refused(person.post(&path("/complete-cash"), json!({"cashTendered": 1000})).await, 404, "ORDER_NOT_FOUND");
        let part = json!({"paymentMethod": "cash", "amount": 10});
        refused(person.post(&path("/payments"), part).await, 404, "ORDER_NOT_FOUND");
    }
    let theirs = order_body("cash", 100, json!({"catalogId": catalog["id"]}));
    refused(stranger.post("/orders", theirs.clone()).await, 404, "CATALOG_NOT_FOUND");
    refused(
        owner.post("/orders", order_body("cash", 100, json!({"catalogId": NOWHERE}))).await,
        404,
        "CATALOG_NOT_FOUND",
    );
    // Staff who are not assigned to the catalog do not sell from it.
    let staff = Person::new(&app, "staff").await;
    refused(staff.post("/orders", theirs).await, 404, "CATALOG_NOT_FOUND");
    assert_eq!(owner.show(&order).await, order, "untouched");
    assert_eq!(stranger.get("/orders").await.expect(200), json!({"orders": [], "total": 0}));
}
