//! Many at once: nothing is lost, nothing half done, nothing twice.

use futures_util::future::join_all;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn edits_of_the_same_thing_are_all_kept() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let path = owner.catalog("Bar").await;
    let wishes = [
        json!({"description": "d"}),
        json!({"location": "l"}),
        json!({"date": "2026-05-01"}),
        json!({"isActive": false}),
        json!({"showTipScreen": false}),
        json!({"promptForEmail": false}),
        json!({"tipPercentages": [1, 2]}),
        json!({"allowCustomTip": false}),
        json!({"taxRate": 7.5}),
        json!({"layoutType": "list"}),
    ];
    // While products come in, which the catalog counts.
    let edits = join_all(wishes.iter().map(|wish| owner.put(&path, wish.clone())));
    let sales = join_all(["A", "B", "C", "D", "E", "F"].map(|name| owner.sell(&path, name, 100)));
    let (edits, _) = tokio::join!(edits, sales);
    for edit in edits {
        edit.expect(200);
    }
    let catalog = owner.get(&path).await.expect(200);
    for wish in &wishes {
        let (name, value) = wish.as_object().unwrap().iter().next().unwrap();
        assert_eq!(&catalog[name], value, "{name}");
    }
    assert_eq!(catalog["productCount"], 6);
    let menu = owner.get(&format!("{path}/products")).await.expect(200);
    let places: Vec<i64> = menu.as_array().unwrap().iter().map(|row| row["sortOrder"].as_i64().unwrap()).collect();
    assert_eq!(places, [0, 1, 2, 3, 4, 5], "each came last in its turn");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_orders_one_is_the_last_and_whole() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let path = owner.catalog("Bar").await;
    let mut ids = Vec::new();
    for n in 0..8 {
        ids.push(owner.category(&path, &format!("Category {n}")).await);
    }
    let orders: Vec<Vec<String>> = (0..8).map(|by| (0..8).map(|n| ids[(n * 3 + by) % 8].clone()).collect()).collect();
    let reorder = format!("{path}/categories/reorder");
    let answers = join_all(orders.iter().map(|order| owner.post(&reorder, json!({"categoryIds": order})))).await;
    for answer in answers {
        answer.expect(200);
    }
    let list = owner.get(&format!("{path}/categories")).await.expect(200);
    assert!(orders.contains(&names(&list, "/id")), "one of the orders, not a mixture");
    let ranks: Vec<i64> = list.as_array().unwrap().iter().map(|row| row["sortOrder"].as_i64().unwrap()).collect();
    assert_eq!(ranks, (0..8).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_pair_is_added_once_whoever_is_first() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let path = owner.catalog("Bar").await;
    let product = owner.product("Beer").await;
    let list = format!("{path}/products");
    let answers = join_all((0..6).map(|n| owner.post(&list, json!({"productId": product, "price": n})))).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409]);
    assert_eq!(owner.product_count(&path).await, 1);
    // Out, in, and gone, all at once: whatever came last, the count is that of the menu.
    let entry = format!("{list}/{}", id(&owner.get(&list).await.expect(200)[0]));
    let more = owner.product("Wine").await;
    let deletion = format!("/products/{product}");
    let (out, into, gone) = tokio::join!(
        owner.delete(&entry),
        owner.post(&list, json!({"productId": more, "price": 1})),
        owner.delete(&deletion)
    );
    assert!([204, 404].contains(&out.status.as_u16()), "{}", out.status);
    assert_eq!((into.status.as_u16(), gone.status.as_u16()), (201, 204));
    assert_eq!(owner.menu(&path).await, ["Wine"]);
    assert_eq!(owner.product_count(&path).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_catalog_that_is_deleted_meanwhile_is_not_found() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let path = owner.catalog("Bar").await;
    let products = join_all(["A", "B", "C", "D"].map(|name| owner.product(name))).await;
    let list = format!("{path}/products");
    let additions = join_all(products.iter().map(|id| owner.post(&list, json!({"productId": id, "price": 1}))));
    let duplicate = format!("{path}/duplicate");
    let (deleted, additions, copy) = tokio::join!(owner.delete(&path), additions, owner.post(&duplicate, json!({})));
    deleted.expect(200);
    for answer in additions {
        assert!([201, 404].contains(&answer.status.as_u16()), "{}", answer.body);
    }
    assert!([201, 404].contains(&copy.status.as_u16()), "{}", copy.body);
    refused(owner.get(&list).await, 404, "CATALOG_NOT_FOUND");
    for product in products {
        assert_eq!(owner.delete(&format!("/products/{product}")).await.status, 204);
    }
}
