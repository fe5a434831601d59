//! What everybody sees: contract §2, §4.

use serde_json::{Value, json};

use crate::app::{App, assert_exact_members, assert_members};

const EVENT: &str = "id name slug location venue date time description type mainArtist artists image minAge status \
    isFeatured tiers";
const TIER: &str = "id name description price quantity sold available paymentLink isActive";

async fn shown(app: &App, event: &str) -> Value {
    app.get(&format!("/tickets/api/events/{event}")).send().await.expect(200)["event"].clone()
}

#[tokio::test]
async fn health_is_200_and_says_what_works() {
    let app = App::start().await;
    let health = app.get("/tickets/health").send().await.expect(200);
    assert_eq!((&health["status"], &health["version"]), (&json!("healthy"), &json!("4.0.0")));
    assert_eq!(health["database"]["connected"], true);
    assert_eq!(health["database"]["status"], "healthy");
    assert_eq!((&health["email"], &health["cloudinary"]), (&json!("configured"), &json!("configured")));
    health["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
}

#[tokio::test]
async fn the_list_has_active_events_and_tiers_by_date() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let tiers = json!([{"name": "First", "price": 30, "quantity": 3}, {"name": "Hidden", "price": 1, "isActive": false},
        {"name": "Last", "price": 19.5, "paymentLink": "https://pay.example.com/x", "description": "Late entry"}]);
    let create = async |name: &str, date: &str, status: &str| {
        let body = json!({"name": name, "location": "Oslo", "date": date, "status": status, "tiers": tiers});
        app.create_event(&admin, &body).await
    };
    let later = create("Later", "2031-02-02", "active").await;
    let same_day_old = create("Old", "2031-01-01", "active").await;
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let same_day_new = create("New", "2031-01-01", "active").await;
    let mut hidden = vec![app.demo["other_event_id"].as_str().unwrap().to_owned()];
    for status in ["draft", "cancelled", "completed"] {
        hidden.push(create(status, "2031-01-01", status).await);
    }
    let list = app.get("/tickets/api/events").send().await.expect(200);
    assert_exact_members(&list, "success events count");
    let events = list["events"].as_array().unwrap();
    assert_eq!(list["count"], events.len());
    let ids: Vec<&str> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(ids[ids.len() - 3..], [&same_day_new, &same_day_old, &later]);
    assert!(hidden.iter().all(|id| !ids.contains(&id.as_str())));
    let dates: Vec<&str> = events.iter().map(|event| event["date"].as_str().unwrap()).collect();
    assert!(dates.is_sorted(), "{dates:?}");
    assert!(events.iter().all(|event| event["status"] == "active"));

    let event = events.last().unwrap();
    assert_members(event, EVENT);
    assert_eq!((&event["venue"], &event["mainArtist"], &event["image"]), (&Value::Null, &Value::Null, &Value::Null));
    assert_eq!((&event["artists"], &event["slug"]), (&json!([]), &json!("later")));
    let names: Vec<&Value> = event["tiers"].as_array().unwrap().iter().map(|tier| &tier["name"]).collect();
    assert_eq!(names, ["First", "Last"], "active ones, in their order");
    let tier = &event["tiers"][1];
    assert_members(tier, TIER);
    assert_eq!((&tier["price"], &tier["quantity"], &tier["sold"]), (&json!(19.5), &json!(100), &json!(0)));
    assert_eq!((&tier["available"], &tier["isActive"]), (&json!(100), &json!(true)));
    assert_eq!(
        (&tier["paymentLink"], &tier["description"]),
        (&json!("https://pay.example.com/x"), &json!("Late entry"))
    );
}

#[tokio::test]
async fn one_event_with_all_tiers_and_what_is_left() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let tiers =
        json!([{"name": "General", "price": 5, "quantity": 10}, {"name": "Off", "price": 1, "is_active": false}]);
    let body = json!({"name": "Night", "location": "Oslo", "date": "2031-01-01", "status": "active", "tiers": tiers});
    let id = app.create_event(&admin, &body).await;
    let event = shown(&app, &id).await;
    assert_members(&event, EVENT);
    assert_eq!((&event["tiers"][1]["isActive"], &event["tiers"][1]["name"]), (&json!(false), &json!("Off")));
    let sale = crate::app::Sale { tier: event["tiers"][0]["id"].as_str().unwrap().to_owned(), event: id };
    app.place_order(&sale, 3).await;
    assert_eq!(app.stock(&sale).await, (10, 3, 7), "available is quantity less sold, and pending counts as sold");
    for unknown in ["8f5f6f0e-6f43-4d4e-9a4e-0c6f4b1b7a01", "nonsense", "a%20b", "%C3%A9", "100%25"] {
        let answer = app.get(&format!("/tickets/api/events/{unknown}")).send().await;
        answer.refused(404, "EVENT_NOT_FOUND");
    }
}

#[tokio::test]
async fn a_draft_is_for_its_own_staff_only() {
    let app = App::start().await;
    let (staff, other) = (app.sign_in("staff").await, app.sign_in("other").await);
    let draft = json!({"name": "Secret", "location": "Oslo", "date": "2031-01-01"});
    let id = app.create_event(&staff, &draft).await;
    let path = format!("/tickets/api/events/{id}");
    app.get(&path).send().await.refused(404, "EVENT_NOT_FOUND");
    app.get(&path).token(&other).send().await.refused(404, "EVENT_NOT_FOUND");
    app.get(&path).token("junk").send().await.refused(401, "INVALID_TOKEN");
    assert_eq!(app.get(&path).token(&staff).send().await.expect(200)["event"]["status"], "draft");
    for status in ["cancelled", "completed", "active"] {
        let change = json!({"status": status});
        app.put(&format!("/tickets/api/admin/events/{id}")).token(&staff).json(&change).send().await.expect(200);
        assert_eq!(shown(&app, &id).await["status"], status);
    }
    app.delete(&format!("/tickets/api/admin/events/{id}")).token(&staff).send().await.expect(200);
    app.get(&path).send().await.refused(404, "EVENT_NOT_FOUND");
    app.get(&path).token(&staff).send().await.refused(404, "EVENT_NOT_FOUND");
}

#[tokio::test]
async fn galleries_that_are_published_newest_first() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let event = json!({"name": "Night", "location": "Oslo", "date": "2031-01-01", "status": "active"});
    let event = app.create_event(&admin, &event).await;
    let create = async |body: Value| {
        let made = app.post("/tickets/api/admin/gallery").token(&admin).json(&body).send().await.expect(201);
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        made["gallery"]["id"].as_str().unwrap().to_owned()
    };
    let images = json!([{"url": "https://img.example.com/1.jpg", "thumbnail": "https://img.example.com/1s.jpg"},
        {"url": "https://img.example.com/2.jpg", "caption": "Two"}]);
    let cover = "https://img.example.com/cover.jpg";
    let full = json!({"title": "Full", "description": "All of it", "eventId": event, "photographer": "Noor",
        "isPublished": true, "coverUrl": cover, "images": images});
    let full = create(full).await;
    let bare = create(json!({"title": "Bare", "isPublished": true, "coverUrl": cover})).await;
    let hidden = create(json!({"title": "Hidden"})).await;

    let list = app.get("/tickets/api/gallery").send().await.expect(200);
    assert_exact_members(&list, "success galleries count");
    let galleries = list["galleries"].as_array().unwrap();
    assert_eq!(list["count"], galleries.len());
    assert_eq!((&galleries[0]["id"], &galleries[1]["id"]), (&json!(bare), &json!(full)));
    assert!(galleries.iter().all(|gallery| gallery["id"] != hidden.as_str()));
    let fields = "id title description coverUrl eventId eventName eventDate photographer imageCount createdAt";
    galleries.iter().for_each(|gallery| assert_exact_members(gallery, fields));
    assert_eq!((&galleries[0]["coverUrl"], &galleries[0]["imageCount"]), (&json!(cover), &json!(0)));
    assert_eq!(galleries[1]["coverUrl"], images[0]["url"], "the first picture, else the stored cover");
    assert_eq!((&galleries[1]["eventName"], &galleries[1]["eventDate"]), (&json!("Night"), &json!("2031-01-01")));
    assert_eq!(galleries[1]["imageCount"], 2);
    assert_eq!((&galleries[0]["eventId"], &galleries[0]["eventName"]), (&Value::Null, &Value::Null));

    let answer = app.get(&format!("/tickets/api/gallery/{full}")).send().await.expect(200);
    let gallery = &answer["gallery"];
    assert_exact_members(gallery, &fields.replace("imageCount", "images"));
    assert_eq!(gallery["images"].as_array().unwrap().len(), 2);
    for (image, written) in gallery["images"].as_array().unwrap().iter().zip(images.as_array().unwrap()) {
        assert_exact_members(image, "id url thumbnail caption");
        for name in ["url", "thumbnail", "caption"] {
            assert_eq!(image[name], written[name]);
        }
    }
    for missing in [hidden.as_str(), "8f5f6f0e-6f43-4d4e-9a4e-0c6f4b1b7a01", "nonsense"] {
        let answer = app.get(&format!("/tickets/api/gallery/{missing}")).send().await;
        answer.refused(404, "GALLERY_NOT_FOUND");
    }
}

#[tokio::test]
async fn the_newsletter_tells_new_from_known_and_from_gone() {
    let app = App::start().await;
    let send = async |verb: &str, body: Value| {
        let answer = app.post(&format!("/tickets/api/newsletter/{verb}")).json(&body).send().await;
        (answer.status.as_u16(), answer.body["message"].as_str().unwrap_or_default().to_owned(), answer.body)
    };
    let done = async |verb: &str, email: &str| {
        let (status, message, body) = send(verb, json!({"email": email})).await;
        assert_eq!(body["success"], true, "{body}");
        (status, message)
    };
    assert_eq!(done("subscribe", "Ana@Example.com").await, (201, "Subscribed successfully".into()));
    assert_eq!(done("subscribe", " ana@example.COM ").await, (200, "Already subscribed".into()), "kept in lower case");
    assert_eq!(done("unsubscribe", "ANA@example.com").await.0, 200);
    assert_eq!(done("subscribe", "ana@example.com").await, (200, "Resubscribed successfully".into()));
    assert_eq!(done("subscribe", "ana@example.com").await, (200, "Already subscribed".into()));
    assert_eq!(done("unsubscribe", "stranger@example.com").await.0, 200, "tells nobody who is subscribed");
    for bad in [json!({}), json!({"email": ""}), json!({"email": "ana"}), json!({"email": "a@b"}), json!({"email": 5})]
    {
        for verb in ["subscribe", "unsubscribe"] {
            let answer = app.post(&format!("/tickets/api/newsletter/{verb}")).json(&bad).send().await;
            answer.refused(400, "VALIDATION_ERROR");
        }
    }
}
