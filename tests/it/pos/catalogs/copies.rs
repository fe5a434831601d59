//! Copies of catalogs (contract §4).

use domain::{
    ids::{OrgId, SplitId},
    pos::{
        product::{Arrival, MAX_LIBRARY},
        split::{Percentage, RecipientType, Split},
    },
};

use super::*;

#[tokio::test]
async fn a_copy_sells_the_same_and_is_another() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let settings = json!({"name": "Bar", "description": "d", "location": "Pier", "taxRate": 8.25, "layoutType": "compact",
        "tipPercentages": [5], "showTipScreen": false});
    let source = owner.post("/catalogs", settings).await.expect(201);
    let path = format!("/catalogs/{}", id(&source));
    let (beer, wine) = (owner.category(&path, "Beer").await, owner.category(&path, "Wine").await);
    owner.post(&format!("{path}/categories/reorder"), json!({"categoryIds": [wine, beer]})).await.expect(200);
    for (name, price, category, place) in [("Ale", 500, &beer, 2), ("Red", 700, &wine, 0), ("Stout", 600, &beer, 1)] {
        let body = json!({"productId": owner.product(name).await, "price": price, "categoryId": category,
            "sortOrder": place, "isActive": name != "Stout"});
        owner.post(&format!("{path}/products"), body).await.expect(201);
    }
    let ctx = app.cloud.ctx("pos-catalogs");
    let org: OrgId = app.demo["org_id"].as_str().unwrap().parse().unwrap();
    let split = Split {
        id: SplitId::from_random([9; 16]),
        org,
        catalog: id(&source).parse().unwrap(),
        version: 3,
        recipient_name: "Venue".into(),
        recipient_type: RecipientType::Venue,
        percentage: Percentage::from_number(12.5).unwrap(),
        notes: None,
        is_active: true,
        created_at: ctx.now(),
        updated_at: ctx.now(),
    };
    assert_eq!(ctx.store().pos().create_split(&split, 100).await.unwrap(), store::pos::split::SplitMade::Yes);

    let copy = owner.call(Method::POST, &format!("{path}/duplicate")).send().await.expect(201);
    assert_eq!((&copy["name"], &copy["productCount"]), (&json!("Bar (Copy)"), &json!(3)));
    for name in ["description", "location", "taxRate", "layoutType", "tipPercentages", "showTipScreen", "isActive"] {
        assert_eq!(copy[name], source[name], "{name}");
    }
    let copied = format!("/catalogs/{}", id(&copy));
    assert_eq!(owner.get(&copied).await.expect(200), copy);
    assert_eq!(names(&owner.get("/catalogs").await.expect(200), "/name"), ["Bar (Copy)", "Bar"]);
    assert_eq!(names(&owner.get(&format!("{copied}/categories")).await.expect(200), "/name"), ["Wine", "Beer"]);
    let rows = async |path: &str| owner.get(&format!("{path}/products")).await.expect(200);
    let (before, after) = (rows(&path).await, rows(&copied).await);
    for (before, after) in before.as_array().unwrap().iter().zip(after.as_array().unwrap()) {
        for same in ["/price", "/sortOrder", "/isActive", "/product/name", "/category/name"] {
            assert_eq!(before.pointer(same), after.pointer(same), "{same}");
        }
        for other in ["/id", "/productId", "/categoryId", "/catalogId"] {
            assert_ne!(before.pointer(other), after.pointer(other), "{other}");
        }
    }
    assert_eq!(names(&after, "/product/name"), ["Red", "Stout", "Ale"]);
    let library = owner.get("/products").await.expect(200);
    assert_eq!(names(&library, "/name"), ["Ale", "Ale", "Red", "Red", "Stout", "Stout"], "new products");
    let splits = ctx.store().pos().list_splits(org, id(&copy).parse().unwrap()).await.unwrap();
    assert_eq!((splits.len(), splits[0].recipient_name.as_str(), splits[0].percentage), (1, "Venue", split.percentage));
    assert_ne!(splits[0].id, split.id);

    // Neither knows of the other.
    let product = after[0]["productId"].as_str().unwrap();
    owner.patch(&format!("/products/{product}"), json!({"name": "White"})).await.expect(200);
    owner.delete(&format!("/products/{}", after[1]["productId"].as_str().unwrap())).await;
    assert_eq!(owner.menu(&path).await, ["Red", "Stout", "Ale"]);
    assert_eq!(owner.menu(&copied).await, ["White", "Ale"]);
    assert_eq!((owner.product_count(&path).await, owner.product_count(&copied).await), (3, 2));
    let named = owner.post(&format!("{path}/duplicate"), json!({"name": "Autumn"})).await.expect(201);
    assert_eq!(named["name"], "Autumn");
    invalid(owner.post(&format!("{path}/duplicate"), json!({"name": ""})).await, "name");
}

/// A function that dies while it copies has done nothing that anybody sees, and what it left is swept away.
#[tokio::test]
async fn a_copy_that_was_left_half_made_is_swept_away() {
    let app = App::start().await;
    let mut owner = Person::new(&app, "superadmin").await;
    let path = owner.catalog("Bar").await;
    owner.sell(&path, "Beer", 500).await;
    let ctx = app.cloud.ctx("pos-catalogs");
    let pos = ctx.store().pos();
    let org: OrgId = app.demo["org_id"].as_str().unwrap().parse().unwrap();
    let source = path.rsplit('/').next().unwrap().parse().unwrap();
    let head = pos.load_standing(org, Some(source)).await.unwrap().catalog.unwrap();
    let (menu, library) = (pos.load_menu(org, source).await.unwrap().unwrap(), pos.load_library(org).await.unwrap());
    let new = head.copied(domain::ids::CatalogId::from_random([9; 16]), "Dead".into(), ctx.now());
    let copy = menu.copied(new, &library.products, rand::random, ctx.now());
    let arrival = Arrival { catalog: copy.catalog.id, products: 1, at: ctx.now() };
    pos.save_shelf(org, &library.shelf.announcing(arrival).unwrap()).await.unwrap();
    pos.write_copy(&copy, &[]).await.unwrap();

    assert_eq!(names(&owner.get("/products").await.expect(200), "/name"), ["Beer"]);
    assert_eq!(names(&owner.get("/catalogs").await.expect(200), "/name"), ["Bar"]);
    refused(owner.get(&format!("/catalogs/{}", copy.catalog.id)).await, 404, "CATALOG_NOT_FOUND");
    refused(owner.get(&format!("/products/{}", copy.products[0].id)).await, 404, "PRODUCT_NOT_FOUND");
    let dead = async || pos.load_library(org).await.unwrap().unseen.len();
    owner.post(&format!("{path}/duplicate"), json!({"name": "Soon"})).await.expect(201);
    assert_eq!(dead().await, 1, "it might still be at work");
    app.advance(16 * 60).await;
    owner.token = app.sign_in("superadmin").await;
    owner.post(&format!("{path}/duplicate"), json!({"name": "Later"})).await.expect(201);
    assert_eq!(dead().await, 0);
    let library = pos.load_library(org).await.unwrap();
    assert_eq!((library.products.len(), library.shelf.products, library.shelf.arriving.len()), (3, 3, 0));
}

/// Announces a copy, as a function does that dies then.
async fn strand(app: &App, products: u32) {
    let ctx = app.cloud.ctx("pos-catalogs");
    let shelf = load_shelf(app).await;
    let catalog = domain::ids::CatalogId::from_random(rand::random());
    let announced = shelf.announcing(Arrival { catalog, products, at: ctx.now() }).unwrap();
    ctx.store().pos().save_shelf(org(app), &announced).await.unwrap();
}

#[tokio::test]
async fn a_copy_that_was_left_half_made_does_not_fill_the_library() {
    let app = App::start().await;
    let mut owner = Person::new(&app, "superadmin").await;
    let path = owner.catalog("Bar").await;
    let beer = owner.sell(&path, "Beer", 500).await;
    let beer = format!("/products/{}/duplicate", beer["productId"].as_str().unwrap());
    let copies = async || load_shelf(&app).await.arriving.len();
    strand(&app, MAX_LIBRARY - 1).await;
    refused(owner.post("/products", json!({"name": "Wine"})).await, 403, "PRODUCT_LIMIT_REACHED");
    assert_eq!(copies().await, 1, "it might still be at work");
    app.advance(16 * 60).await;
    owner.token = app.sign_in("superadmin").await;
    owner.product("Wine").await;
    assert_eq!((copies().await, load_shelf(&app).await.products), (0, 2));

    // Who copies a product or a catalog, and who makes or deletes a catalog, sweeps too.
    for request in [&*beer, &format!("{path}/duplicate"), "/catalogs"] {
        let room = MAX_LIBRARY - load_shelf(&app).await.products;
        strand(&app, room).await;
        app.advance(16 * 60).await;
        owner.token = app.sign_in("superadmin").await;
        owner.post(request, json!({"name": "Another"})).await.expect(201);
        assert_eq!(copies().await, 0, "{request}");
    }
    strand(&app, 1).await;
    app.advance(16 * 60).await;
    owner.token = app.sign_in("superadmin").await;
    owner.delete(&path).await.expect(200);
    assert_eq!((copies().await, load_shelf(&app).await.products), (0, 4));
}
