//! What each tier may use (contract §4, §15).

use super::*;

#[tokio::test]
async fn the_free_tier_makes_one_catalog() {
    let app = App::start().await;
    let other = Person::new(&app, "other").await;
    let path = other.catalog("Only").await;
    refused(other.post("/catalogs", json!({"name": "Second"})).await, 403, "CATALOG_LIMIT_REACHED");
    refused(other.post(&format!("{path}/duplicate"), json!({})).await, 403, "CATALOG_LIMIT_REACHED");
    assert_eq!(names(&other.get("/catalogs").await.expect(200), "/name"), ["Only"]);
    let (list, products) = (other.get("/catalogs").await.expect(200), other.get("/products").await.expect(200));
    assert_eq!((&list[0]["isLocked"], products), (&json!(false), json!([])));
}

#[tokio::test]
async fn two_first_catalogs_at_once_are_one() {
    let app = App::start().await;
    let other = Person::new(&app, "other").await;
    let make = |name: &'static str| other.post("/catalogs", json!({"name": name}));
    let (a, b, c) = tokio::join!(make("A"), make("B"), make("C"));
    let mut statuses = [a.status.as_u16(), b.status.as_u16(), c.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 403, 403]);
    assert_eq!(other.get("/catalogs").await.expect(200).as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_lapsed_plan_locks_all_but_the_oldest() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let [first, second, third] =
        [owner.catalog("First").await, owner.catalog("Second").await, owner.catalog("Third").await];
    let entry = owner.sell(&second, "Beer", 500).await;
    subscribe(&app, Tier::Starter).await;
    let locked = async || -> Vec<(String, bool)> {
        let list = owner.get("/catalogs").await.expect(200);
        let row = |catalog: &Value| (catalog["name"].as_str().unwrap().into(), catalog["isLocked"].as_bool().unwrap());
        list.as_array().unwrap().iter().map(row).collect()
    };
    let state = |states: &[(&str, bool)]| states.iter().map(|(n, l)| ((*n).to_owned(), *l)).collect::<Vec<_>>();
    assert_eq!(locked().await, state(&[("Third", true), ("Second", true), ("First", false)]));
    refused(owner.get(&second).await, 403, "CATALOG_LOCKED");
    refused(owner.put(&second, json!({"name": "x"})).await, 403, "CATALOG_LOCKED");
    refused(owner.post(&format!("{second}/duplicate"), json!({})).await, 403, "CATALOG_LOCKED");
    refused(owner.get(&format!("{second}/products")).await, 403, "CATALOG_LOCKED");
    refused(owner.get(&format!("{second}/categories")).await, 403, "CATALOG_LOCKED");
    let path = format!("{second}/products/{}", id(&entry));
    refused(owner.patch(&path, json!({"price": 1})).await, 403, "CATALOG_LOCKED");
    owner.put(&first, json!({"name": "First"})).await.expect(200);
    refused(owner.post("/catalogs", json!({"name": "Fourth"})).await, 403, "CATALOG_LIMIT_REACHED");

    // A locked one can be deleted; when the oldest goes, the next oldest is usable.
    owner.delete(&third).await.expect(200);
    owner.delete(&first).await.expect(200);
    assert_eq!(locked().await, state(&[("Second", false)]));
    assert_eq!(owner.menu(&second).await, ["Beer"]);
    subscribe(&app, Tier::Enterprise).await;
    owner.catalog("Fourth").await;
    assert_eq!(locked().await, state(&[("Fourth", false), ("Second", false)]));
}

#[tokio::test]
async fn there_is_a_most_of_everything() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let path = owner.catalog("Full").await;
    for n in 0..domain::pos::menu::MAX_CATEGORIES {
        owner.category(&path, &format!("Category {n}")).await;
    }
    let body = json!({"name": "One more"});
    refused(owner.post(&format!("{path}/categories"), body).await, 400, "CATEGORY_LIMIT_REACHED");

    let mut products = Vec::new();
    for n in 0..=domain::pos::menu::MAX_ENTRIES {
        products.push(owner.product(&format!("Product {n:03}")).await);
    }
    let (last, most) = products.split_last().unwrap();
    for chunk in most.chunks(domain::pos::menu::MAX_BULK) {
        let body = json!({"productIds": chunk, "defaultPrice": 100});
        let added = owner.post(&format!("{path}/products/bulk"), body).await.expect(200);
        assert_eq!(added, json!({"added": chunk.len()}));
    }
    let body = json!({"productId": last, "price": 1});
    refused(owner.post(&format!("{path}/products"), body).await, 400, "CATALOG_FULL");
    let body = json!({"productIds": most[..49], "defaultPrice": 1});
    invalid(owner.post(&format!("{path}/products/bulk"), body).await, "productIds");

    // All of them change places at once.
    let menu = owner.get(&format!("{path}/products")).await.expect(200);
    let orders: Vec<Value> = (menu.as_array().unwrap().iter().rev().enumerate())
        .map(|(place, entry)| json!({"catalogProductId": id(entry), "sortOrder": place}))
        .collect();
    owner.post(&format!("{path}/products/reorder"), json!({"productOrders": orders})).await.expect(200);
    let mut before = names(&menu, "/product/name");
    before.reverse();
    assert_eq!(owner.menu(&path).await, before);
    // And the whole of it is copied, or deleted.
    let copy = owner.post(&format!("{path}/duplicate"), json!({})).await.expect(201);
    assert_eq!(copy["productCount"], 500);
    assert_eq!(owner.menu(&format!("/catalogs/{}", id(&copy))).await, before);
    owner.delete(&path).await.expect(200);
    assert_eq!(owner.get("/products").await.expect(200).as_array().unwrap().len(), 1001, "products stay");
}
