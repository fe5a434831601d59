//! Catalogs by themselves (contract §4).

use super::*;
use crate::app::assert_exact_members;

const CATALOG: &str = "id name description location date productCount isActive showTipScreen promptForEmail \
    tipPercentages allowCustomTip taxRate layoutType isLocked createdAt updatedAt";

#[tokio::test]
async fn a_catalog_begins_with_the_contracts_defaults() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let made =
        owner.post("/catalogs", json!({"name": "  Summer  ", "description": null, "date": null})).await.expect(201);
    assert_exact_members(&made, CATALOG);
    let expected = json!({"name": "Summer", "description": null, "location": null, "date": null, "productCount": 0,
        "isActive": true, "showTipScreen": true, "promptForEmail": true, "tipPercentages": [15, 18, 20, 25],
        "allowCustomTip": true, "taxRate": 0.0, "layoutType": "grid", "isLocked": false});
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&made[name], value, "{name}");
    }
    let whole = json!({"name": "Winter", "description": "d", "location": "Pier 4", "date": "2026-12-24", "isActive": false,
        "showTipScreen": false, "promptForEmail": false, "tipPercentages": [5, 10], "allowCustomTip": false, "taxRate": 8.25,
        "layoutType": "large-grid"});
    let winter = owner.post("/catalogs", whole.clone()).await.expect(201);
    for (name, value) in whole.as_object().unwrap() {
        assert_eq!(&winter[name], value, "{name}");
    }
    assert!(winter["taxRate"].is_number(), "a number, not text");
    let list = owner.get("/catalogs").await.expect(200);
    assert_eq!(names(&list, "/name"), ["Winter", "Summer"], "a bare array, newest first");
    assert_eq!(list[1], made);
    assert_eq!(owner.get(&format!("/catalogs/{}", id(&made))).await.expect(200), made);
}

#[tokio::test]
async fn put_changes_what_is_sent_and_nothing_else() {
    let app = App::start().await;
    let (owner, admin) = (Person::new(&app, "superadmin").await, Person::new(&app, "admin").await);
    let made =
        admin.post("/catalogs", json!({"name": "Bar", "location": "Pier", "date": "2026-05-01"})).await.expect(201);
    let path = format!("/catalogs/{}", id(&made));
    let after = admin.put(&path, json!({"taxRate": 12.3456})).await.expect(200);
    let expected = json!({"taxRate": 12.346, "updatedAt": after["updatedAt"]});
    let mut whole = made.clone();
    whole.as_object_mut().unwrap().extend(expected.as_object().unwrap().clone());
    assert_eq!(after, whole);
    let cleared =
        admin.put(&path, json!({"location": null, "date": "", "name": "Bar 2", "isActive": null})).await.expect(200);
    assert_eq!(
        (&cleared["location"], &cleared["date"], &cleared["name"]),
        (&json!(null), &json!(null), &json!("Bar 2"))
    );
    assert_eq!((&cleared["taxRate"], &cleared["isActive"]), (&json!(12.346), &json!(true)));
    refused(admin.put(&path, json!({})).await, 400, "VALIDATION_ERROR");
    refused(admin.put(&path, json!({"unheardOf": 1})).await, 400, "VALIDATION_ERROR");

    refused(admin.delete(&path).await, 403, "FORBIDDEN");
    let gone = owner.delete(&path).await;
    assert_eq!(gone.expect(200), json!({"success": true}), "200, not 204");
    refused(owner.delete(&path).await, 404, "CATALOG_NOT_FOUND");
    refused(owner.get(&path).await, 404, "CATALOG_NOT_FOUND");
    refused(owner.put(&path, json!({"name": "x"})).await, 404, "CATALOG_NOT_FOUND");
    assert_eq!(owner.get("/catalogs").await.expect(200), json!([]));
}

#[tokio::test]
async fn what_cannot_be_is_refused_by_name() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let path = owner.catalog("Bar").await;
    let long = |count: usize| "é".repeat(count);
    for (field, value) in [
        ("name", json!("")),
        ("name", json!("   ")),
        ("name", json!(long(101))),
        ("name", json!(5)),
        ("description", json!(long(1001))),
        ("location", json!(long(201))),
        ("date", json!("1st of May")),
        ("date", json!("2026-02-30")),
        ("taxRate", json!(-0.001)),
        ("taxRate", json!(100.001)),
        ("taxRate", json!("8.25")),
        ("tipPercentages[1]", json!([5, 101])),
        ("tipPercentages[0]", json!([-1])),
        ("tipPercentages", json!([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])),
        ("layoutType", json!("mosaic")),
        ("isActive", json!("yes")),
    ] {
        let name = field.split('[').next().unwrap();
        let mut body = json!({"name": "x"});
        body[name] = value.clone();
        invalid(owner.post("/catalogs", body).await, field);
        let mut body = json!({});
        body[name] = value;
        invalid(owner.put(&path, body).await, field);
    }
    invalid(owner.post("/catalogs", json!({"description": "no name"})).await, "name");
    invalid(owner.post("/catalogs", json!({"name": null})).await, "name");
    refused(owner.call(Method::POST, "/catalogs").body("{").send().await, 400, "VALIDATION_ERROR");
    assert_eq!(owner.get("/catalogs").await.expect(200).as_array().unwrap().len(), 1, "nothing was written");
    let longest = json!({"name": long(100), "description": long(1000), "location": long(200), "taxRate": 100});
    owner.post("/catalogs", longest).await.expect(201);
}

#[tokio::test]
async fn a_catalog_of_nobody_or_of_somebody_else_is_not_found() {
    let app = App::start().await;
    let (owner, other) = (Person::new(&app, "superadmin").await, Person::new(&app, "other").await);
    app.change_member("other", |member| member.role = Some(domain::member::Role::Superadmin)).await;
    let path = owner.catalog("Bar").await;
    let category = owner.category(&path, "Drinks").await;
    let entry = owner.sell(&path, "Beer", 500).await;
    let own = other.catalog("Other").await;
    let product = id(&entry["product"]).to_owned();
    let before = owner.get(&format!("{path}/products")).await.expect(200);
    for (person, catalog, category, entry, product) in [
        (&other, path.clone(), category.clone(), id(&entry).to_owned(), product.clone()),
        (&owner, format!("/catalogs/{NOWHERE}"), NOWHERE.into(), NOWHERE.into(), NOWHERE.into()),
        (&owner, "/catalogs/17".into(), "drinks".into(), "beer".into(), "beer".into()),
    ] {
        for (method, suffix, body) in [
            (Method::GET, "".to_owned(), json!(null)),
            (Method::PUT, "".into(), json!({"name": "x"})),
            (Method::DELETE, "".into(), json!(null)),
            (Method::POST, "/duplicate".into(), json!({})),
            (Method::GET, "/categories".into(), json!(null)),
            (Method::POST, "/categories".into(), json!({"name": "x"})),
            (Method::POST, "/categories/reorder".into(), json!({"categoryIds": []})),
            (Method::GET, format!("/categories/{category}"), json!(null)),
            (Method::PATCH, format!("/categories/{category}"), json!({"name": "x"})),
            (Method::DELETE, format!("/categories/{category}"), json!(null)),
            (Method::GET, "/products".into(), json!(null)),
            (Method::POST, "/products".into(), json!({"productId": NOWHERE, "price": 1})),
            (Method::POST, "/products/reorder".into(), json!({"productOrders": []})),
            (Method::POST, "/products/bulk".into(), json!({"productIds": [], "defaultPrice": 1})),
            (Method::GET, format!("/products/{entry}"), json!(null)),
            (Method::PATCH, format!("/products/{entry}"), json!({"price": 1})),
            (Method::DELETE, format!("/products/{entry}"), json!(null)),
        ] {
            let answer = person.call(method.clone(), &format!("{catalog}{suffix}")).json(&body).send().await;
            let body = answer.expect(404);
            let is_what = if entry == "beer" && suffix.len() > 12 { "_NOT_FOUND" } else { "CATALOG_NOT_FOUND" };
            assert!(body["code"].as_str().unwrap().ends_with(is_what), "{method} {catalog}{suffix}: {body}");
        }
        refused(person.get(&format!("/products/{product}")).await, 404, "PRODUCT_NOT_FOUND");
        refused(person.patch(&format!("/products/{product}"), json!({"name": "x"})).await, 404, "PRODUCT_NOT_FOUND");
        refused(person.delete(&format!("/products/{product}")).await, 404, "PRODUCT_NOT_FOUND");
        refused(person.post(&format!("/products/{product}/duplicate"), json!({})).await, 404, "PRODUCT_NOT_FOUND");
    }
    // Nor can the other sell what is not theirs, by way of their own catalog.
    let body = json!({"productId": product, "price": 1});
    refused(other.post(&format!("{own}/products"), body).await, 404, "PRODUCT_NOT_FOUND");
    assert_eq!(owner.get(&format!("{path}/products")).await.expect(200), before, "nothing has changed");
    assert_eq!(other.get("/products").await.expect(200), json!([]));
}

#[tokio::test]
async fn staff_see_the_catalogs_that_they_are_assigned_to() {
    let app = App::start().await;
    let (owner, staff) = (Person::new(&app, "superadmin").await, Person::new(&app, "staff").await);
    let (bar, kitchen) = (owner.catalog("Bar").await, owner.catalog("Kitchen").await);
    owner.sell(&bar, "Beer", 500).await;
    assert_eq!(staff.get("/catalogs").await.expect(200), json!([]));
    let assigned: domain::ids::CatalogId = bar.rsplit('/').next().unwrap().parse().unwrap();
    app.change_member("staff", |member| member.catalogs.extend([assigned])).await;
    assert_eq!(names(&staff.get("/catalogs").await.expect(200), "/name"), ["Bar"]);
    assert_eq!(staff.get(&bar).await.expect(200)["productCount"], 1);
    assert_eq!(staff.menu(&bar).await, ["Beer"]);
    staff.get(&format!("{bar}/categories")).await.expect(200);
    for path in [kitchen.clone(), format!("{kitchen}/products"), format!("{kitchen}/categories")] {
        refused(staff.get(&path).await, 404, "CATALOG_NOT_FOUND");
    }
    // They sell from it, and change nothing.
    refused(staff.put(&bar, json!({"name": "x"})).await, 403, "FORBIDDEN");
    refused(staff.post("/products", json!({"name": "x"})).await, 403, "FORBIDDEN");
    refused(staff.post(&format!("{bar}/categories"), json!({"name": "x"})).await, 403, "FORBIDDEN");
}
