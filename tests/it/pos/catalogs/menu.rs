//! Categories and products of a catalog (contract §5, §7, §18).

use super::*;
use crate::app::assert_exact_members;

#[tokio::test]
async fn categories_have_an_order() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let path = owner.catalog("Bar").await;
    let list = format!("{path}/categories");
    let body = json!({"name": "Beer", "description": "cold", "icon": "beer", "isActive": false, "sortOrder": 9});
    let beer = owner.post(&list, body).await.expect(201);
    let members = "id catalogId name description icon sortOrder isActive productCount createdAt updatedAt";
    assert_exact_members(&beer, members);
    let catalog = path.rsplit('/').next().unwrap();
    let expected = json!({"catalogId": catalog, "name": "Beer", "description": "cold", "icon": "beer", "sortOrder": 0,
        "isActive": false, "productCount": 0});
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&beer[name], value, "{name}");
    }
    let wine = owner.post(&list, json!({"name": "Wine"})).await.expect(201);
    assert_eq!((&wine["sortOrder"], &wine["icon"], &wine["isActive"]), (&json!(1), &json!(null), &json!(true)));
    let food = owner.category(&path, "Food").await;
    let (beer, wine) = (id(&beer).to_owned(), id(&wine).to_owned());
    let order = async || -> Vec<(String, i64)> {
        let list = owner.get(&list).await.expect(200);
        let row = |row: &Value| (row["name"].as_str().unwrap().to_owned(), row["sortOrder"].as_i64().unwrap());
        list.as_array().unwrap().iter().map(row).collect()
    };
    let expect = |rows: &[(&str, i64)]| rows.iter().map(|(n, s)| ((*n).to_owned(), *s)).collect::<Vec<_>>();
    assert_eq!(order().await, expect(&[("Beer", 0), ("Wine", 1), ("Food", 2)]));

    // The literal wins over an id.
    let reorder = format!("{list}/reorder");
    let done = owner.post(&reorder, json!({"categoryIds": [food, beer, wine]})).await.expect(200);
    assert_eq!(done, json!({"success": true}));
    assert_eq!(order().await, expect(&[("Food", 0), ("Beer", 1), ("Wine", 2)]));
    owner.post(&reorder, json!({"categoryIds": [wine]})).await.expect(200);
    assert_eq!(order().await, expect(&[("Wine", 0), ("Food", 1), ("Beer", 2)]), "the others follow");
    invalid(owner.post(&reorder, json!({"categoryIds": [beer, NOWHERE]})).await, "categoryIds[1]");
    invalid(owner.post(&reorder, json!({"categoryIds": [beer, wine, beer]})).await, "categoryIds[2]");
    invalid(owner.post(&reorder, json!({"categoryIds": ["beer"]})).await, "categoryIds[0]");
    refused(owner.post(&reorder, json!({})).await, 400, "VALIDATION_ERROR");
    assert_eq!(order().await, expect(&[("Wine", 0), ("Food", 1), ("Beer", 2)]), "half of it did not happen");

    let one = format!("{list}/{wine}");
    let patched = owner.patch(&one, json!({"sortOrder": 7, "icon": "glass"})).await.expect(200);
    assert_eq!(
        (&patched["sortOrder"], &patched["icon"], &patched["name"]),
        (&json!(7), &json!("glass"), &json!("Wine"))
    );
    assert_eq!(owner.get(&one).await.expect(200), patched);
    let patched = owner.patch(&one, json!({"icon": null, "isActive": false, "name": "Wines"})).await.expect(200);
    assert_eq!(
        (&patched["sortOrder"], &patched["icon"], &patched["isActive"]),
        (&json!(7), &json!(null), &json!(false))
    );
    assert_eq!(owner.patch(&one, json!({})).await.expect(200)["name"], "Wines");
    let next = owner.post(&list, json!({"name": "Last"})).await.expect(201);
    assert_eq!(next["sortOrder"], 8, "one more than the highest");
    invalid(owner.post(&list, json!({})).await, "name");
    for (field, value) in
        [("name", json!(" ")), ("sortOrder", json!(-1)), ("sortOrder", json!(1.5)), ("isActive", json!(1))]
    {
        invalid(owner.patch(&one, json!({field: value})).await, field);
    }
}

#[tokio::test]
async fn a_category_leaves_its_products_behind() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let path = owner.catalog("Bar").await;
    let (beer, wine) = (owner.category(&path, "Beer").await, owner.category(&path, "Wine").await);
    for (name, category) in [("Ale", &beer), ("Lager", &beer), ("Red", &wine)] {
        let body = json!({"productId": owner.product(name).await, "price": 100, "categoryId": category});
        let entry = owner.post(&format!("{path}/products"), body).await.expect(201);
        assert_eq!(entry["category"]["id"], category.as_str());
    }
    let counts = async || -> Vec<i64> {
        let list = owner.get(&format!("{path}/categories")).await.expect(200);
        list.as_array().unwrap().iter().map(|row| row["productCount"].as_i64().unwrap()).collect()
    };
    assert_eq!(counts().await, [2, 1]);
    let gone = owner.delete(&format!("{path}/categories/{beer}")).await;
    assert_eq!((gone.status.as_u16(), gone.body), (204, json!("")));
    assert_eq!(counts().await, [1]);
    let menu = owner.get(&format!("{path}/products")).await.expect(200);
    for entry in menu.as_array().unwrap() {
        let is_red = entry["product"]["name"] == "Red";
        assert_eq!(entry["categoryId"].as_str(), is_red.then_some(wine.as_str()));
        assert_eq!(entry["category"]["name"].as_str(), is_red.then_some("Wine"));
        assert!(entry.get("category").is_some(), "null, not absent");
    }
    refused(owner.get(&format!("{path}/categories/{beer}")).await, 404, "CATEGORY_NOT_FOUND");
    refused(owner.delete(&format!("{path}/categories/{beer}")).await, 404, "CATEGORY_NOT_FOUND");
    refused(owner.patch(&format!("{path}/categories/{beer}"), json!({"name": "x"})).await, 404, "CATEGORY_NOT_FOUND");
    let ale = format!("{path}/products/{}", id(&menu[0]));
    invalid(owner.patch(&ale, json!({"categoryId": beer})).await, "categoryId");
    assert_eq!(owner.patch(&ale, json!({"categoryId": wine})).await.expect(200)["category"]["name"], "Wine");
    assert_eq!(owner.patch(&ale, json!({"categoryId": null})).await.expect(200)["category"], json!(null));
    assert_eq!(counts().await, [1]);
}

/// Contract §18, "Add menu item" and "Edit", as the app performs them.
#[tokio::test]
async fn an_item_is_added_and_edited_as_the_app_does_it() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let path = owner.catalog("Bar").await;
    let drinks = owner.category(&path, "Drinks").await;
    let product = owner.post("/products", json!({"name": "Mojito", "description": "Mint"})).await.expect(201);
    let product = id(&product).to_owned();
    let form = library::form("image", library::GIF);
    let with_image =
        owner.call(Method::POST, &format!("/products/{product}/image")).form(form).send().await.expect(200);
    let body = json!({"productId": product, "price": 1250, "categoryId": drinks, "isActive": true});
    let entry = owner.post(&format!("{path}/products"), body).await.expect(201);
    let members = "id catalogId productId categoryId price sortOrder isActive createdAt updatedAt product category";
    assert_exact_members(&entry, members);
    let sold = json!({"id": product, "name": "Mojito", "description": "Mint", "imageId": with_image["imageId"],
        "imageUrl": with_image["imageUrl"]});
    assert_eq!(entry["product"], sold);
    assert_eq!(entry["category"], json!({"id": drinks, "name": "Drinks"}));
    assert_eq!((&entry["price"], &entry["sortOrder"]), (&json!(1250), &json!(0)));
    assert_ne!(entry["id"], entry["productId"]);

    owner.patch(&format!("/products/{product}"), json!({"name": "Virgin Mojito"})).await.expect(200);
    let edit = json!({"price": 900, "categoryId": null, "isActive": false});
    let path_of_entry = format!("{path}/products/{}", id(&entry));
    let edited = owner.patch(&path_of_entry, edit).await.expect(200);
    assert_eq!(
        (&edited["price"], &edited["isActive"], &edited["category"]),
        (&json!(900), &json!(false), &json!(null))
    );
    assert_eq!(edited["product"]["name"], "Virgin Mojito");
    assert_eq!(owner.get(&format!("{path}/products")).await.expect(200), json!([edited]), "also what is not on sale");
    assert_eq!(owner.get(&path_of_entry).await.expect(200), edited);
    assert_eq!(owner.product_count(&path).await, 1);

    let gone = owner.delete(&path_of_entry).await;
    assert_eq!(gone.status, 204);
    assert_eq!(owner.product_count(&path).await, 0);
    refused(owner.get(&path_of_entry).await, 404, "CATALOG_PRODUCT_NOT_FOUND");
    refused(owner.delete(&path_of_entry).await, 404, "CATALOG_PRODUCT_NOT_FOUND");
    owner.get(&format!("/products/{product}")).await.expect(200);
    let body = json!({"productId": product, "price": 1});
    owner.post(&format!("{path}/products"), body).await.expect(201);
    assert_eq!(owner.product_count(&path).await, 1, "and it may come back");
}

#[tokio::test]
async fn a_menu_is_sorted_by_place_and_then_newest() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let path = owner.catalog("Bar").await;
    let mut ids = Vec::new();
    for name in ["A", "B", "C", "D"] {
        ids.push(id(&owner.sell(&path, name, 100).await).to_owned());
        app.advance(1).await;
    }
    assert_eq!(owner.menu(&path).await, ["A", "B", "C", "D"], "what is new comes last");
    let reorder = format!("{path}/products/reorder");
    let place = |id: &str, place: i64| json!({"catalogProductId": id, "sortOrder": place});
    let orders = json!({"productOrders": [place(&ids[3], 0), place(&ids[0], 5), place(&ids[1], 5)]});
    assert_eq!(owner.post(&reorder, orders).await.expect(200), json!({"success": true}));
    assert_eq!(owner.menu(&path).await, ["D", "C", "B", "A"]);
    let menu = owner.get(&format!("{path}/products")).await.expect(200);
    let places: Vec<i64> = menu.as_array().unwrap().iter().map(|row| row["sortOrder"].as_i64().unwrap()).collect();
    assert_eq!(places, [0, 2, 5, 5]);
    let field = |n: usize| format!("productOrders[{n}].catalogProductId");
    for (orders, at) in [
        (json!([place(&ids[2], 9), place(NOWHERE, 1)]), field(1)),
        (json!([place(&ids[2], 9), place(&ids[2], 1)]), field(1)),
        (json!([place(&ids[2], -1)]), "productOrders[0].sortOrder".to_owned()),
        (json!([place("x", 1)]), field(0)),
    ] {
        invalid(owner.post(&reorder, json!({"productOrders": orders})).await, &at);
    }
    assert_eq!(owner.menu(&path).await, ["D", "C", "B", "A"], "half of it did not happen");
    owner.patch(&format!("{path}/products/{}", ids[2]), json!({"sortOrder": 6})).await.expect(200);
    assert_eq!(owner.menu(&path).await, ["D", "B", "A", "C"]);
    let body = json!({"productId": owner.product("E").await, "price": 1, "sortOrder": 1, "isActive": false});
    let entry = owner.post(&format!("{path}/products"), body).await.expect(201);
    assert_eq!((&entry["sortOrder"], &entry["isActive"]), (&json!(1), &json!(false)));
    assert_eq!(owner.menu(&path).await, ["D", "E", "B", "A", "C"]);
}

#[tokio::test]
async fn a_pair_is_there_once_and_only_what_belongs() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let (bar, kitchen) = (owner.catalog("Bar").await, owner.catalog("Kitchen").await);
    let entry = owner.sell(&bar, "Water", 200).await;
    let product = entry["productId"].as_str().unwrap();
    let list = format!("{bar}/products");
    let again = json!({"productId": product, "price": 300});
    refused(owner.post(&list, again.clone()).await, 409, "ALREADY_IN_CATALOG");
    let elsewhere = owner.post(&format!("{kitchen}/products"), again).await.expect(201);
    assert_ne!(elsewhere["id"], entry["id"], "each catalog has its own price");
    refused(owner.get(&format!("{kitchen}/products/{}", id(&entry))).await, 404, "CATALOG_PRODUCT_NOT_FOUND");
    let foreign = owner.category(&kitchen, "Food").await;
    let free = owner.product("Bread").await;
    let body = |category: &str| json!({"productId": free, "price": 1, "categoryId": category});
    invalid(owner.post(&list, body(&foreign)).await, "categoryId");
    invalid(owner.post(&list, body("food")).await, "categoryId");
    refused(owner.post(&list, json!({"productId": NOWHERE, "price": 1})).await, 404, "PRODUCT_NOT_FOUND");
    for (field, value) in [
        ("price", json!(-1)),
        ("price", json!(1.5)),
        ("price", json!("100")),
        ("price", json!(1_000_000_001)),
        ("productId", json!("x")),
        ("sortOrder", json!(-1)),
        ("sortOrder", json!(1_000_000_001)),
    ] {
        let mut body = json!({"productId": free, "price": 1});
        body[field] = value;
        invalid(owner.post(&list, body).await, field);
    }
    refused(owner.post(&list, json!({"productId": free})).await, 400, "VALIDATION_ERROR");
    assert_eq!(owner.menu(&bar).await, ["Water"]);
    owner.post(&list, json!({"productId": free, "price": 0, "categoryId": null})).await.expect(201);
}

#[tokio::test]
async fn many_come_in_at_once_in_either_shape() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let path = owner.catalog("Bar").await;
    let bulk = format!("{path}/products/bulk");
    let drinks = owner.category(&path, "Drinks").await;
    let mut ids = Vec::new();
    for name in ["A", "B", "C", "D"] {
        ids.push(owner.product(name).await);
    }
    let added =
        owner.post(&bulk, json!({"productIds": [ids[0], ids[1], ids[0]], "defaultPrice": 700})).await.expect(200);
    assert_eq!(added, json!({"added": 2}));
    let products = json!([{"productId": ids[1], "price": 1}, {"productId": ids[2], "price": 300, "categoryId": drinks},
        {"productId": ids[3], "price": 400, "sortOrder": 0, "isActive": false}]);
    assert_eq!(owner.post(&bulk, json!({"products": products})).await.expect(200), json!({"added": 2}));
    let menu = owner.get(&format!("{path}/products")).await.expect(200);
    let prices: Vec<(String, i64)> = (menu.as_array().unwrap().iter())
        .map(|row| (row["product"]["name"].as_str().unwrap().to_owned(), row["price"].as_i64().unwrap()))
        .collect();
    let mut sorted = prices.clone();
    sorted.sort();
    assert_eq!(sorted, [("A", 700), ("B", 700), ("C", 300), ("D", 400)].map(|(name, price)| (name.to_owned(), price)));
    assert_eq!(owner.product_count(&path).await, 4);
    assert_eq!(owner.post(&bulk, json!({"productIds": ids, "defaultPrice": 1})).await.expect(200), json!({"added": 0}));

    let more = [owner.product("E").await, owner.product("F").await];
    refused(
        owner.post(&bulk, json!({"productIds": [more[0], NOWHERE], "defaultPrice": 1})).await,
        404,
        "PRODUCT_NOT_FOUND",
    );
    let wrong = json!([{"productId": ids[0], "price": 1}, {"productId": more[1], "price": 1, "categoryId": NOWHERE}]);
    invalid(owner.post(&bulk, json!({"products": wrong})).await, "products[1].categoryId");
    let wrong = json!([{"productId": more[0], "price": 1}, {"productId": more[1], "price": -1}]);
    invalid(owner.post(&bulk, json!({"products": wrong})).await, "products[1].price");
    invalid(owner.post(&bulk, json!({"productIds": more})).await, "defaultPrice");
    invalid(owner.post(&bulk, json!({})).await, "productIds");
    assert_eq!(owner.product_count(&path).await, 4, "all or none");
}
