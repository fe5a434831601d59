//! `/pos/customers` (contract `pos.md` §14): entered by hand, known by their orders, searched.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::till::*;
use crate::app::{App, assert_exact_members};

const CUSTOMER: &str = "id catalogId email name phone totalOrders totalSpent lastOrderAt createdAt";

async fn emails(person: &Person<'_>, query: &str) -> Vec<String> {
    let list = person.get(&format!("/customers?{query}")).await.expect(200);
    list["customers"].as_array().unwrap().iter().map(|one| one["email"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_customer_is_entered_and_entered_again() {
    let app = App::start().await;
    let staff = Person::new(&app, "staff").await;
    let made = staff.post("/customers", json!({"email": " Bo@Example.COM "})).await.expect(200);
    assert_exact_members(&made, &format!("{CUSTOMER} isNew"));
    assert_eq!((&made["email"], &made["isNew"]), (&json!("bo@example.com"), &json!(true)));
    for name in ["catalogId", "name", "phone", "lastOrderAt"] {
        assert_eq!(made[name], Value::Null, "{name}");
    }
    assert_eq!((&made["totalOrders"], &made["totalSpent"]), (&json!(0), &json!(0)));
    assert_time(&made["createdAt"]);
    app.advance(10).await;
    let body = json!({"email": "bo@example.com", "name": "Bo Berg", "phone": "+45 1234"});
    let again = staff.post("/customers", body).await.expect(200);
    assert_eq!((&again["isNew"], &again["id"], &again["createdAt"]), (&json!(false), &made["id"], &made["createdAt"]));
    let kept = staff.post("/customers", json!({"email": "BO@example.com", "phone": ""})).await.expect(200);
    assert_eq!((&kept["name"], &kept["phone"]), (&json!("Bo Berg"), &json!("+45 1234")), "absent leaves what is known");
    let list = staff.get("/customers").await.expect(200);
    assert_exact_members(&list, "customers total");
    assert_exact_members(&list["customers"][0], CUSTOMER);
    assert_eq!(int(&list, "/total"), 1);
    for (body, field) in [
        (json!({"email": "bo"}), "email"),
        (json!({"email": ""}), "email"),
        (json!({"email": "a@example.com", "name": "é".repeat(201)}), "name"),
        (json!({"email": "a@example.com", "phone": "1".repeat(41)}), "phone"),
        (json!({"email": format!("{}@example.com", "a".repeat(250))}), "email"),
    ] {
        invalid(staff.post("/customers", body).await, field);
    }
    refused(staff.post("/customers", json!({"name": "Bo"})).await, 400, "VALIDATION_ERROR");
    let at_once = join_all((0..10).map(|_| staff.post("/customers", json!({"email": "kim@example.com"})))).await;
    let new = at_once.into_iter().filter(|_| true).map(|answer| answer.expect(200)).filter(|one| one["isNew"] == true);
    assert_eq!(new.count(), 1);
    app.verify().await;
}

/// A customer is who they are in one catalog; an order counts once, whoever sends receipts afterwards.
#[tokio::test]
async fn orders_make_customers_and_count_once() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let catalog = owner.post("/catalogs", json!({"name": "Bar"})).await.expect(201);
    let of = |catalog: &Value| json!({"customerEmail": "Bo@Example.com", "catalogId": catalog["id"]});
    let first = owner.order("cash", 1000, of(&catalog)).await;
    app.advance(60).await;
    let second = owner.order("cash", 500, of(&catalog)).await;
    let elsewhere = owner.order("cash", 250, json!({"customerEmail": "bo@example.com"})).await;
    assert_eq!(first["customerId"], second["customerId"]);
    assert_ne!(first["customerId"], elsewhere["customerId"]);
    let list = owner.get("/customers?search=bo@").await.expect(200);
    let of_bar = list["customers"].as_array().unwrap().iter().find(|one| one["catalogId"] == catalog["id"]).unwrap();
    assert_eq!((int(&list, "/total"), int(of_bar, "/totalOrders"), int(of_bar, "/totalSpent")), (2, 2, 1500));
    assert_eq!(of_bar["lastOrderAt"], second["createdAt"]);

    // A receipt to the address that it has, to another, and back again.
    pay_cash(&app, &owner.token, &first, 1000).await;
    let send = async |email: &str| {
        let path = format!("/stripe/connect/transactions/{}/send-receipt", id(&first));
        assert_eq!(owner.post(&path, json!({"email": email})).await.expect(200)["success"], true);
    };
    let figures = async || -> Vec<(i64, i64)> {
        let list = owner.get("/customers").await.expect(200);
        let of_catalog = list["customers"].as_array().unwrap().iter().filter(|one| one["catalogId"] == catalog["id"]);
        of_catalog.map(|one| (int(one, "/totalOrders"), int(one, "/totalSpent"))).collect()
    };
    send("bo@example.com").await;
    send("BO@example.com").await;
    assert_eq!(figures().await, [(2, 1500)]);
    send("kim@example.com").await;
    assert_eq!(figures().await, [(1, 500), (1, 1000)]);
    send("bo@example.com").await;
    assert_eq!(figures().await, [(2, 1500), (0, 0)]);
    let path = format!("/customers/{}/record-order", of_bar["id"].as_str().unwrap());
    assert_eq!(owner.post(&path, json!({"orderTotal": 700})).await.expect(200), json!({"success": true}));
    assert_eq!(figures().await[0], (3, 2200));
    for bad in [json!({"orderTotal": -1}), json!({"orderTotal": 1_000_000_001_i64})] {
        invalid(owner.post(&path, bad).await, "orderTotal");
    }
    let stranger = Person::new(&app, "other").await;
    refused(stranger.post(&path, json!({"orderTotal": 1})).await, 404, "CUSTOMER_NOT_FOUND");
    for nowhere in [NOWHERE, "x"] {
        let path = format!("/customers/{nowhere}/record-order");
        refused(owner.post(&path, json!({"orderTotal": 1})).await, 404, "CUSTOMER_NOT_FOUND");
    }
    assert_eq!(stranger.get("/customers").await.expect(200), json!({"customers": [], "total": 0}));
    let answers = join_all((0..10).map(|_| owner.order("cash", 10, of(&catalog)))).await;
    assert_eq!(answers.len(), 10);
    assert_eq!(figures().await[0], (13, 2300), "ten at once are ten");
}

/// Who is entered by hand has the name wherever they bought.
#[tokio::test]
async fn a_name_is_that_of_every_catalog() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let bar = owner.post("/catalogs", json!({"name": "Bar"})).await.expect(201);
    let kitchen = owner.post("/catalogs", json!({"name": "Kitchen"})).await.expect(201);
    for catalog in [&kitchen, &bar] {
        app.advance(10).await;
        owner.order("cash", 1000, json!({"customerEmail": "Bo@example.com", "catalogId": catalog["id"]})).await;
    }
    owner.order("cash", 1000, json!({"customerEmail": "bo@example.com.au", "catalogId": bar["id"]})).await;
    let named = async || -> Vec<(Value, Value, Value)> {
        let list = owner.get("/customers?search=bo@example.com").await.expect(200);
        let mut rows: Vec<_> = list["customers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| (one["email"].clone(), one["name"].clone(), one["phone"].clone()))
            .collect();
        rows.sort_by_key(|row| row.0.as_str().unwrap().len());
        rows
    };
    let body = json!({"email": "bo@example.com", "name": "Bo Berg", "phone": "123"});
    let saved = owner.post("/customers", body).await.expect(200);
    assert_eq!((&saved["isNew"], &saved["catalogId"], &saved["name"]), (&json!(false), &bar["id"], &json!("Bo Berg")));
    assert_eq!((int(&saved, "/totalOrders"), int(&saved, "/totalSpent")), (1, 1000), "who bought last");
    let bo = |name: &str| (json!("bo@example.com"), json!(name), json!("123"));
    let other = (json!("bo@example.com.au"), Value::Null, Value::Null);
    assert_eq!(named().await, [bo("Bo Berg"), bo("Bo Berg"), other.clone()]);
    let found = owner.get("/customers/search?q=bo%20b").await.expect(200);
    assert_eq!(found["customers"].as_array().unwrap().len(), 2);

    owner.order("cash", 1000, json!({"customerEmail": "bo@example.com"})).await;
    let saved = owner.post("/customers", json!({"email": "bo@example.com", "name": "Bo B.", "phone": "123"})).await;
    let saved = saved.expect(200);
    assert_eq!((&saved["isNew"], &saved["catalogId"]), (&json!(false), &Value::Null));
    assert_eq!(named().await, [bo("Bo B."), bo("Bo B."), bo("Bo B."), other]);
    let stranger = Person::new(&app, "other").await;
    let theirs = stranger.post("/customers", json!({"email": "bo@example.com"})).await.expect(200);
    assert_eq!((&theirs["isNew"], &theirs["name"]), (&json!(true), &Value::Null));
    app.verify().await;
}

#[tokio::test]
async fn customers_are_listed_by_pages_and_searched() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let entered = (0..60).map(|n| {
        let name = if n % 20 == 0 { json!(format!("Zoë {n}")) } else { Value::Null };
        owner.post("/customers", json!({"email": format!("guest{n:02}@example.com"), "name": name}))
    });
    join_all(entered).await.into_iter().for_each(|answer| drop(answer.expect(200)));
    let all: Vec<String> = (0..60).map(|n| format!("guest{n:02}@example.com")).collect();
    assert_eq!(emails(&owner, "").await, all[..50], "50 by e-mail where nothing is said");
    assert_eq!(emails(&owner, "limit=100").await, all);
    assert_eq!(emails(&owner, "limit=1000").await, all, "above 100 it is 100");
    assert_eq!(emails(&owner, "offset=50").await, all[50..]);
    assert_eq!(emails(&owner, "limit=3&offset=7").await, all[7..10]);
    assert!(emails(&owner, "offset=60").await.is_empty());
    assert_eq!(owner.get("/customers?offset=60").await.expect(200)["total"], 60);
    assert_eq!(emails(&owner, "search=GUEST0").await, all[..10]);
    assert_eq!(emails(&owner, "search=guest0&limit=4&offset=8").await, all[8..10]);
    assert_eq!(owner.get("/customers?search=guest0&limit=4").await.expect(200)["total"], 10);
    assert_eq!(emails(&owner, "search=zo%C3%AB").await, [&*all[0], &*all[20], &*all[40]]);
    assert!(emails(&owner, "search=nobody").await.is_empty());
    for (query, field) in [("limit=0", "limit"), ("offset=10001", "offset"), ("limit=x", "limit")] {
        let told = refused(owner.get(&format!("/customers?{query}")).await, 400, "VALIDATION_ERROR");
        assert_eq!(told["details"][0]["path"], field);
    }

    let found = owner.get("/customers/search?q=guest").await.expect(200);
    assert_exact_members(&found, "customers");
    assert_eq!(found["customers"].as_array().unwrap().len(), 10);
    assert_exact_members(&found["customers"][0], "id email name");
    let found = owner.get("/customers/search?q=zo%C3%AB%2020&limit=1").await.expect(200);
    assert_eq!(found["customers"][0]["name"], "Zoë 20");
    assert_eq!(owner.get("/customers/search?q=nobody").await.expect(200), json!({"customers": []}));
    let stranger = Person::new(&app, "other").await;
    assert_eq!(stranger.get("/customers/search?q=guest").await.expect(200), json!({"customers": []}));
}
