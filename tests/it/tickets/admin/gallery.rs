//! `/tickets/api/admin/gallery`: contract §11, D8.

use serde_json::{Value, json};

use crate::app::{Answer, App, assert_exact_members, assert_members};

const PATH: &str = "/tickets/api/admin/gallery";

async fn create(app: &App, token: &str, body: Value) -> String {
    let made = app.post(PATH).token(token).json(&body).send().await.expect(201);
    // Newest first is by the millisecond.
    tokio::time::sleep(std::time::Duration::from_millis(3)).await;
    made["gallery"]["id"].as_str().unwrap().to_owned()
}

async fn put(app: &App, token: &str, id: &str, change: Value) -> Answer {
    app.put(&format!("{PATH}/{id}")).token(token).json(&change).send().await
}

async fn shown(app: &App, token: &str, id: &str) -> Value {
    app.get(&format!("{PATH}/{id}")).token(token).send().await.expect(200)["gallery"].clone()
}

fn images(n: std::ops::Range<u32>) -> Value {
    n.map(|i| json!({"url": format!("https://img.example.com/{i}.jpg"), "caption": format!("No {i}")})).collect()
}

fn urls(gallery: &Value) -> Vec<&str> {
    gallery["images"].as_array().unwrap().iter().map(|image| image["url"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_gallery_needs_a_title_and_is_hidden_at_first() {
    let app = App::start().await;
    let staff = app.sign_in("staff").await;
    for body in [json!({}), json!({"title": " "}), json!({"title": null, "images": images(0..1)})] {
        app.post(PATH).token(&staff).json(&body).send().await.refused(400, "VALIDATION_ERROR");
    }
    let body = json!({"title": "Night", "images": images(0..3), "cloudinaryId": "x"});
    let made = app.post(PATH).token(&staff).json(&body).send().await.expect(201);
    assert_exact_members(&made, "success gallery message");
    assert_exact_members(&made["gallery"], "id title");
    let gallery = shown(&app, &staff, made["gallery"]["id"].as_str().unwrap()).await;
    assert_eq!((&gallery["isPublished"], &gallery["description"]), (&json!(false), &Value::Null));
    assert_eq!(urls(&gallery), [0, 1, 2].map(|i| format!("https://img.example.com/{i}.jpg")));
}

#[tokio::test]
async fn the_list_is_newest_first_filtered_and_searched() {
    let app = App::start().await;
    let (admin, other) = (app.sign_in("admin").await, app.sign_in("other").await);
    let event = app.open_sale(&admin, 1, 0.0).await.event;
    let body = json!({"title": "Zebra", "eventId": event, "photographer": "Noor", "isPublished": true, "coverUrl":
        "https://img.example.com/cover.jpg", "images": images(0..2)});
    let first = create(&app, &admin, body).await;
    let second = create(&app, &admin, json!({"title": "Second zebra"})).await;
    let list = app.get(PATH).token(&admin).send().await.expect(200);
    assert_members(&list, "success galleries count");
    let galleries = list["galleries"].as_array().unwrap();
    assert_eq!(list["count"], galleries.len());
    assert_eq!((&galleries[0]["id"], &galleries[1]["id"]), (&json!(second), &json!(first)));
    let fields = "id title description coverUrl eventId eventName photographer isPublished imageCount createdAt";
    galleries.iter().for_each(|gallery| assert_members(gallery, fields));
    assert_eq!((&galleries[1]["eventName"], &galleries[1]["imageCount"]), (&json!("Test Night"), &json!(2)));
    assert_eq!(galleries[1]["coverUrl"], "https://img.example.com/0.jpg");

    let found = async |query: &str| {
        let list = app.get(&format!("{PATH}?{query}")).token(&admin).send().await.expect(200);
        let galleries = list["galleries"].as_array().unwrap();
        galleries.iter().map(|gallery| gallery["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found("search=ZEBRA").await, [second.clone(), first.clone()]);
    assert_eq!(found("search=second").await, [second]);
    assert_eq!(found(&format!("event_id={event}")).await, std::slice::from_ref(&first));
    let foreign = app.get(PATH).token(&other).send().await.expect(200);
    assert!(!foreign.to_string().contains(&first));
}

#[tokio::test]
async fn what_an_edit_leaves_out_stays_and_images_are_replaced_whole() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let event = app.open_sale(&admin, 1, 0.0).await.event;
    let body = json!({"title": "Night", "description": "Long", "eventId": event, "photographer": "Noor",
        "coverUrl": "https://img.example.com/cover.jpg", "images": images(0..3)});
    let id = create(&app, &admin, body.clone()).await;
    let before = shown(&app, &admin, &id).await;
    let nulls: Value = body.as_object().unwrap().keys().map(|name| (name.clone(), Value::Null)).collect();
    for change in [json!({}), nulls] {
        assert_exact_members(&put(&app, &admin, &id, change).await.expect(200), "success message");
        assert_eq!(shown(&app, &admin, &id).await, before);
    }
    put(&app, &admin, &id, json!({"title": "Later", "isPublished": true})).await.expect(200);
    let after = shown(&app, &admin, &id).await;
    assert_eq!((&after["title"], &after["isPublished"]), (&json!("Later"), &json!(true)));
    assert_eq!((&after["images"], &after["photographer"]), (&before["images"], &json!("Noor")));
    app.get(&format!("/tickets/api/gallery/{id}")).send().await.expect(200);

    put(&app, &admin, &id, json!({"images": images(2..5)})).await.expect(200);
    let after = shown(&app, &admin, &id).await;
    assert_eq!(urls(&after), [2, 3, 4].map(|i| format!("https://img.example.com/{i}.jpg")), "in the order of the list");
    put(&app, &admin, &id, json!({"images": []})).await.expect(200);
    let after = shown(&app, &admin, &id).await;
    assert_eq!((&after["images"], &after["coverUrl"]), (&json!([]), &json!("https://img.example.com/cover.jpg")));
}

#[tokio::test]
async fn a_deleted_gallery_is_gone_for_everybody() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let id = create(&app, &admin, json!({"title": "Night", "isPublished": true, "images": images(0..2)})).await;
    let path = format!("{PATH}/{id}");
    assert_exact_members(&app.delete(&path).token(&admin).send().await.expect(200), "success message");
    app.delete(&path).token(&admin).send().await.refused(404, "GALLERY_NOT_FOUND");
    app.get(&path).token(&admin).send().await.refused(404, "GALLERY_NOT_FOUND");
    put(&app, &admin, &id, json!({"title": "Back"})).await.refused(404, "GALLERY_NOT_FOUND");
    app.get(&format!("/tickets/api/gallery/{id}")).send().await.refused(404, "GALLERY_NOT_FOUND");
    assert!(!app.get("/tickets/api/gallery").send().await.expect(200).to_string().contains(&id));
}

#[tokio::test]
async fn another_tenant_neither_sees_nor_changes_nor_shows_what_is_ours() {
    let app = App::start().await;
    let (admin, other) = (app.sign_in("admin").await, app.sign_in("other").await);
    let event = app.open_sale(&admin, 1, 0.0).await.event;
    let id = create(&app, &admin, json!({"title": "Night"})).await;
    for id in [id.as_str(), "8f5f6f0e-6f43-4d4e-9a4e-0c6f4b1b7a01", "nonsense"] {
        let path = format!("{PATH}/{id}");
        app.get(&path).token(&other).send().await.refused(404, "GALLERY_NOT_FOUND");
        put(&app, &other, id, json!({"title": "Taken"})).await.refused(404, "GALLERY_NOT_FOUND");
        app.delete(&path).token(&other).send().await.refused(404, "GALLERY_NOT_FOUND");
    }
    assert_eq!(shown(&app, &admin, &id).await["title"], "Night");
    let body = json!({"title": "Of their event", "eventId": event});
    app.post(PATH).token(&other).json(&body).send().await.refused(400, "REFERENCE_ERROR");
}

#[tokio::test]
async fn bad_values_name_their_field() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let id = create(&app, &admin, json!({"title": "Night", "images": images(0..1)})).await;
    let before = shown(&app, &admin, &id).await;
    for (change, field) in [
        (json!({"title": "x".repeat(201)}), "title"),
        (json!({"title": ""}), "title"),
        (json!({"coverUrl": "javascript:alert(1)"}), "coverUrl"),
        (json!({"images": [{"caption": "no picture"}]}), "images[0].url"),
        (json!({"images": [{"url": "file:///etc/passwd"}]}), "images[0].url"),
        (json!({"images": vec![json!({"url": "https://img.example.com/x.jpg"}); 301]}), "images"),
        (json!({"isPublished": "maybe"}), "isPublished"),
        (json!({"eventId": "nonsense"}), "eventId"),
    ] {
        let refused = put(&app, &admin, &id, change).await.refused(400, "VALIDATION_ERROR");
        assert_eq!(refused["details"][0]["field"], field, "{refused}");
    }
    assert_eq!(shown(&app, &admin, &id).await, before);
}

/// The shipped client knows no galleries, only photographs, and reads `items` (D8).
#[tokio::test]
async fn the_clients_flat_photographs_are_galleries_of_one() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let event = app.open_sale(&admin, 1, 0.0).await.event;
    let photo = json!({"image_url": "https://img.example.com/1.jpg", "caption": "The crowd", "event_id": event,
        "is_featured": true, "sort_order": 3});
    let id = create(&app, &admin, photo).await;
    let items = async || {
        let list = app.get(&format!("{PATH}?event_id={event}")).token(&admin).send().await.expect(200);
        list["items"].as_array().unwrap().clone()
    };
    let listed = items().await;
    assert_eq!(listed.len(), 1);
    assert_members(&listed[0], "id image_url caption event_id is_featured sort_order");
    assert_eq!((&listed[0]["id"], &listed[0]["caption"]), (&json!(id), &json!("The crowd")));
    assert_eq!(
        (&listed[0]["image_url"], &listed[0]["event_id"]),
        (&json!("https://img.example.com/1.jpg"), &json!(event))
    );
    let public = app.get(&format!("/tickets/api/gallery/{id}")).send().await.expect(200);
    assert_eq!(public["gallery"]["images"][0]["url"], "https://img.example.com/1.jpg", "seen by visitors");

    put(&app, &admin, &id, json!({"caption": "The stage"})).await.expect(200);
    assert_eq!(items().await[0]["caption"], "The stage");
    app.delete(&format!("{PATH}/{id}")).token(&admin).send().await.expect(200);
    assert!(items().await.is_empty());
}
