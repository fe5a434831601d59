//! The product library and its pictures (contract §6).

use domain::pos::product::MAX_LIBRARY;
use reqwest::multipart::{Form, Part};

use super::*;
use crate::app::assert_exact_members;

/// A whole GIF of 3 × 2 pixels, as far as its head tells.
pub(super) const GIF: &[u8] = b"GIF89a\x03\x00\x02\x00\x00\x00\x00;";

pub(super) fn form(field: &'static str, file: &[u8]) -> Form {
    Form::new().part(field, Part::bytes(file.to_vec()).file_name("picture.jpg").mime_str("image/jpeg").unwrap())
}

#[tokio::test]
async fn the_library_is_listed_by_name() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    for name in ["wine", "Beer", "cider", "Apple juice"] {
        owner.product(name).await;
    }
    let list = owner.get("/products").await.expect(200);
    assert_eq!(names(&list, "/name"), ["Apple juice", "Beer", "cider", "wine"]);
    assert_exact_members(&list[0], "id name description imageId imageUrl createdAt updatedAt");
    assert_eq!((&list[0]["description"], &list[0]["imageUrl"]), (&json!(null), &json!(null)));
    let path = format!("/products/{}", id(&list[1]));
    assert_eq!(owner.get(&path).await.expect(200), list[1]);
    let edited = owner.patch(&path, json!({"name": " Ale ", "description": "brown"})).await.expect(200);
    assert_eq!((&edited["name"], &edited["description"]), (&json!("Ale"), &json!("brown")));
    assert_eq!(owner.patch(&path, json!({})).await.expect(200)["description"], "brown");
    assert_eq!(owner.patch(&path, json!({"description": null})).await.expect(200)["description"], json!(null));
    invalid(owner.post("/products", json!({"description": "no name"})).await, "name");
    for (field, value) in
        [("name", json!("")), ("name", json!("x".repeat(101))), ("description", json!("x".repeat(1001)))]
    {
        invalid(owner.patch(&path, json!({field: value})).await, field);
    }

    let copy = owner.post(&format!("{path}/duplicate"), json!({"name": "Porter"})).await.expect(201);
    assert_eq!(copy["name"], "Porter");
    // The body may be left out.
    let copy = owner.call(Method::POST, &format!("{path}/duplicate")).send().await.expect(201);
    assert_eq!(copy["name"], "Ale (Copy)");
    assert_ne!(copy["id"], edited["id"]);
    invalid(owner.post(&format!("{path}/duplicate"), json!({"name": ""})).await, "name");
}

#[tokio::test]
async fn a_product_that_is_deleted_is_sold_nowhere() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let (bar, kitchen) = (owner.catalog("Bar").await, owner.catalog("Kitchen").await);
    let water = owner.sell(&bar, "Water", 200).await;
    let product = water["productId"].as_str().unwrap();
    owner.sell(&bar, "Beer", 500).await;
    owner.post(&format!("{kitchen}/products"), json!({"productId": product, "price": 100})).await.expect(201);
    let gone = owner.delete(&format!("/products/{product}")).await;
    assert_eq!((gone.status.as_u16(), gone.body), (204, json!("")));
    assert_eq!((owner.menu(&bar).await, owner.menu(&kitchen).await), (vec!["Beer".to_owned()], vec![]));
    assert_eq!((owner.product_count(&bar).await, owner.product_count(&kitchen).await), (1, 0));
    let list = owner.get("/catalogs").await.expect(200);
    assert_eq!((&list[0]["productCount"], &list[1]["productCount"]), (&json!(0), &json!(1)));
    refused(owner.delete(&format!("/products/{product}")).await, 404, "PRODUCT_NOT_FOUND");
    refused(owner.get(&format!("{bar}/products/{}", id(&water))).await, 404, "CATALOG_PRODUCT_NOT_FOUND");
    assert_eq!(names(&owner.get("/products").await.expect(200), "/name"), ["Beer"]);
    // What a deleted catalog sold can be deleted too.
    let soup = owner.sell(&kitchen, "Soup", 700).await;
    owner.delete(&kitchen).await.expect(200);
    let soup = format!("/products/{}", soup["productId"].as_str().unwrap());
    assert_eq!(owner.delete(&soup).await.status, 204);
}

#[tokio::test]
async fn a_product_has_a_picture() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let path = format!("/products/{}", owner.product("Beer").await);
    let image = format!("{path}/image");
    let upload = async |form: Form| owner.call(Method::POST, &image).form(form).send().await;
    let first = upload(form("image", GIF)).await.expect(200);
    let url = first["imageUrl"].as_str().unwrap();
    assert!(url.contains(first["imageId"].as_str().unwrap()), "{url}");
    let file = reqwest::get(url).await.unwrap();
    assert_eq!((file.status().as_u16(), file.headers()["content-type"].to_str().unwrap()), (200, "image/gif"));
    assert_eq!(file.bytes().await.unwrap(), GIF);

    let second = upload(form("image", GIF)).await.expect(200);
    assert_ne!(second["imageUrl"], first["imageUrl"], "another with each upload");
    let copy = owner.post(&format!("{path}/duplicate"), json!({})).await.expect(201);
    assert_eq!(copy["imageUrl"], second["imageUrl"]);
    let removed = owner.patch(&path, json!({"removeImage": true})).await.expect(200);
    assert_eq!((&removed["imageId"], &removed["imageUrl"]), (&json!(null), &json!(null)));
    assert_eq!(reqwest::get(copy["imageUrl"].as_str().unwrap()).await.unwrap().status(), 200, "the copy shows it");

    invalid(upload(form("image", b"<svg xmlns='http://www.w3.org/2000/svg'/>")).await, "image");
    invalid(upload(form("photo", GIF)).await, "image");
    invalid(owner.post(&image, json!({"image": "x"})).await, "image");
    let large = [GIF, &vec![0; 4 * 1024 * 1024]].concat();
    let refusal = refused(upload(form("image", &large)).await, 413, "PAYLOAD_TOO_LARGE");
    assert!(refusal["message"].as_str().unwrap().contains("4 MiB"), "{refusal}");
    assert_eq!(owner.get(&path).await.expect(200)["imageUrl"], json!(null), "none of them was kept");
    let nowhere = owner.call(Method::POST, &format!("/products/{NOWHERE}/image")).form(form("image", GIF)).send().await;
    refused(nowhere, 404, "PRODUCT_NOT_FOUND");
}

#[tokio::test]
async fn a_product_may_come_as_a_form() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let create = async |form: Form| owner.call(Method::POST, "/products").form(form).send().await;
    let whole = form("image", GIF).text("name", "Beer").text("description", "cold");
    let made = create(whole).await.expect(201);
    assert_eq!((&made["name"], &made["description"]), (&json!("Beer"), &json!("cold")));
    assert_eq!(reqwest::get(made["imageUrl"].as_str().unwrap()).await.unwrap().status(), 200);
    let without = create(Form::new().text("name", "Wine").part("image", Part::bytes(vec![]))).await.expect(201);
    assert_eq!(without["imageUrl"], json!(null));
    invalid(create(form("image", GIF)).await, "name");
    invalid(create(form("image", GIF).text("name", "x".repeat(101))).await, "name");
    invalid(create(form("image", b"hello").text("name", "Ale")).await, "image");
    let path = format!("/products/{}", id(&made));
    let patch = Form::new().text("removeImage", "true").text("name", "Ale");
    let patched = owner.call(Method::PATCH, &path).form(patch).send().await.expect(200);
    assert_eq!((&patched["name"], &patched["imageUrl"]), (&json!("Ale"), &json!(null)));
    assert_eq!(names(&owner.get("/products").await.expect(200), "/name"), ["Ale", "Wine"]);
}

#[tokio::test]
async fn a_library_has_a_most() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let path = owner.catalog("Bar").await;
    let beer = owner.sell(&path, "Beer", 500).await;
    let product = format!("/products/{}", beer["productId"].as_str().unwrap());
    let shelf = load_shelf(&app).await;
    let full = Shelf { products: MAX_LIBRARY, version: shelf.version + 1, ..shelf };
    app.cloud.ctx("pos-catalogs").store().pos().save_shelf(org(&app), &full).await.unwrap();
    for route in ["/products", &format!("{product}/duplicate"), &format!("{path}/duplicate")] {
        refused(owner.post(route, json!({"name": "One more"})).await, 403, "PRODUCT_LIMIT_REACHED");
    }
    assert_eq!(names(&owner.get("/products").await.expect(200), "/name"), ["Beer"]);
    assert_eq!(names(&owner.get("/catalogs").await.expect(200), "/name"), ["Bar"]);
    assert_eq!(load_shelf(&app).await, full);
    assert_eq!(owner.delete(&product).await.status, 204);
    owner.product("Wine").await;
}

/// The whole library is one answer, which a function gives as JSON in JSON, of 6 MB at most.
#[tokio::test]
async fn the_largest_library_fits_into_an_answer() {
    /// Of the address of pictures, where it is longer than here.
    const LONGER: usize = 200;
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let made = owner.post("/products", json!({"name": "\"".repeat(100)})).await.expect(201);
    let path = format!("/products/{}", id(&made));
    owner.call(Method::POST, &format!("{path}/image")).form(form("image", GIF)).send().await.expect(200);
    let breaks = format!("x{}x", "\r\n\t".repeat(222));
    for most in ["x".repeat(1000), "é".repeat(1000), "🍺".repeat(500), "\"\\".repeat(250), breaks] {
        let product = owner.patch(&path, json!({"description": most})).await.expect(200);
        assert_eq!(product["description"], most);
        let answer = serde_json::to_string(&product.to_string()).unwrap();
        let library = (answer.len() + LONGER) * MAX_LIBRARY as usize;
        assert!(library < 6 * 1024 * 1024, "{library}");
    }
    let breaks = format!("x{}x", "\n".repeat(667));
    for bad in ["x".repeat(1001), "🍺".repeat(501), "\"".repeat(501), breaks, "a\0b".into(), "a\u{1b}b".into()] {
        invalid(owner.patch(&path, json!({"description": bad})).await, "description");
        let form = Form::new().text("name", "Beer").text("description", bad);
        invalid(owner.call(Method::POST, "/products").form(form).send().await, "description");
    }
    invalid(owner.patch(&path, json!({"name": "a\u{1}b"})).await, "name");
}
