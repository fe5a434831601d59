//! Lists of orders, and of those put aside.

use super::*;

async fn ids(person: &Person<'_>, query: &str) -> Vec<String> {
    let list = person.get(&format!("/orders?{query}")).await.expect(200);
    list["orders"].as_array().unwrap().iter().map(|order| id(order).to_owned()).collect()
}

#[tokio::test]
async fn orders_are_listed_newest_first_by_pages() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let mut made = Vec::new();
    for n in 0..30 {
        made.insert(0, id(&owner.order("cash", 100 + n, json!({})).await).to_owned());
        app.advance(1).await;
    }
    let first = owner.get("/orders").await.expect(200);
    assert_exact_members(&first, "orders total");
    assert_eq!((first["orders"].as_array().unwrap().len(), int(&first, "/total")), (25, 30));
    assert_exact_members(&first["orders"][0], ORDER);
    assert_eq!(first["orders"][0]["itemCount"], 1);
    assert_eq!(ids(&owner, "").await, made[..25]);
    assert_eq!(ids(&owner, "offset=25").await, made[25..]);
    assert_eq!(ids(&owner, "limit=7&offset=9").await, made[9..16]);
    assert_eq!(ids(&owner, "limit=1&offset=29").await, made[29..]);
    assert!(ids(&owner, "offset=30").await.is_empty());
    assert_eq!(owner.get("/orders?offset=9999").await.expect(200), json!({"orders": [], "total": 30}));
    assert_eq!(ids(&owner, "limit=500").await, made, "above 100 it is 100");
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=x", "limit"),
        ("offset=-1", "offset"),
        ("offset=10001", "offset"),
        ("catalogId=x", "catalogId"),
        ("customerId=x", "customerId"),
        ("userId=x", "userId"),
        ("status=paid", "status"),
    ] {
        let told = refused(owner.get(&format!("/orders?{query}")).await, 400, "VALIDATION_ERROR");
        assert_eq!(told["details"][0]["path"], field, "{query}: {told}");
    }
}

/// Filters by each member and by several at once; the total is of what they keep.
#[tokio::test]
async fn lists_are_filtered_and_counted() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let catalog = owner.post("/catalogs", json!({"name": "Bar"})).await.expect(201);
    let catalog = id(&catalog).to_owned();
    let admin = Person::new(&app, "admin").await;
    let of_catalog = json!({"catalogId": catalog, "deviceId": "a"});
    let cash = owner.order("cash", 100, of_catalog.clone()).await;
    pay_cash(&app, &owner.token, &cash, 100).await;
    let open = owner.order("cash", 200, of_catalog).await;
    let known = admin.order("cash", 300, json!({"customerEmail": "bo@example.com", "deviceId": "a"})).await;
    let held = admin.order("cash", 400, json!({"deviceId": "b"})).await;
    admin.post(&format!("/orders/{}/hold", id(&held)), json!({})).await.expect(200);
    let waiting = owner.order("tap_to_pay", 500, json!({})).await;
    owner.begin_tap(&waiting).await;
    let failed = owner.order("tap_to_pay", 600, json!({})).await;
    owner.patch(&format!("/orders/{}", id(&failed)), json!({"status": "failed"})).await.expect(200);
    let refunded = sell(&app, &owner.token, CASH, 700).await;
    owner.refund(&refunded, json!({})).await.expect(200);

    let me = owner.login["user"]["id"].as_str().unwrap();
    let admin_id = admin.login["user"]["id"].as_str().unwrap();
    let customer = known["customerId"].as_str().unwrap();
    let cases: Vec<(String, Vec<&Value>)> = vec![
        ("status=completed".into(), vec![&cash]),
        ("status=pending".into(), vec![&known, &open]),
        ("status=held".into(), vec![&held]),
        ("status=processing".into(), vec![&waiting]),
        ("status=failed".into(), vec![&failed]),
        ("status=refunded".into(), vec![&refunded]),
        (format!("catalogId={catalog}"), vec![&open, &cash]),
        (format!("catalogId={NOWHERE}"), vec![]),
        (format!("customerId={customer}"), vec![&known]),
        (format!("userId={me}"), vec![&refunded, &failed, &waiting, &open, &cash]),
        (format!("userId={admin_id}"), vec![&held, &known]),
        ("deviceId=a".into(), vec![&known, &open, &cash]),
        (format!("deviceId=a&userId={me}&status=pending&catalogId={catalog}"), vec![&open]),
        (format!("deviceId=b&userId={me}"), vec![]),
        // What the app leaves empty is not asked for.
        ("deviceId=&catalogId=&customerId=".into(), vec![&refunded, &failed, &waiting, &held, &known, &open, &cash]),
    ];
    for (query, expected) in cases {
        let list = owner.get(&format!("/orders?{query}")).await.expect(200);
        let mut found: Vec<&str> = list["orders"].as_array().unwrap().iter().map(id).collect();
        let mut wanted: Vec<&str> = expected.iter().map(|order| id(order)).collect();
        // Within one millisecond the order of two is by their ids.
        found.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(found, wanted, "{query}");
        assert_eq!(int(&list, "/total"), wanted.len() as i64, "{query}");
        let page = owner.get(&format!("/orders?{query}&limit=1&offset=1")).await.expect(200);
        assert_eq!(int(&page, "/total"), wanted.len() as i64, "{query}, a page of it");
        assert_eq!(page["orders"].as_array().unwrap().len(), usize::from(wanted.len() > 1), "{query}");
    }
    app.verify().await;
}

#[tokio::test]
async fn held_orders_come_last_held_first() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let mut orders = Vec::new();
    for n in 0..4 {
        orders.push(owner.order("cash", 100, json!({"deviceId": format!("phone-{}", n % 2)})).await);
    }
    for n in [2, 0, 3, 1] {
        owner.post(&format!("/orders/{}/hold", id(&orders[n])), json!({"holdName": format!("T{n}")})).await.expect(200);
        app.advance(1).await;
    }
    let names = async |query: &str| -> Vec<String> {
        let list = owner.get(&format!("/orders/held{query}")).await.expect(200);
        assert_exact_members(&list, "orders");
        list["orders"].as_array().unwrap().iter().map(|order| order["holdName"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("").await, ["T1", "T3", "T0", "T2"]);
    assert_eq!(names("?deviceId=phone-0").await, ["T0", "T2"]);
    assert_eq!(names("?deviceId=phone-1").await, ["T1", "T3"]);
    // Edited while it is put aside, it stays where it is; taken up and put aside again, it is the newest.
    owner.patch(&format!("/orders/{}", id(&orders[2])), json!({"notes": "hot"})).await.expect(200);
    assert_eq!(names("").await, ["T1", "T3", "T0", "T2"]);
    owner.post(&format!("/orders/{}/resume", id(&orders[2])), json!({})).await.expect(200);
    assert_eq!(names("").await, ["T1", "T3", "T0"]);
    app.advance(1).await;
    owner.post(&format!("/orders/{}/hold", id(&orders[2])), json!({})).await.expect(200);
    assert_eq!(names("").await, ["T2", "T1", "T3", "T0"]);
    let stranger = Person::new(&app, "other").await;
    assert_eq!(stranger.get("/orders/held").await.expect(200), json!({"orders": []}));
    app.verify().await;
}
