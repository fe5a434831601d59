//! `/tickets/api/admin/stats/audit`: contract §14.

use serde_json::{Value, json};

use crate::app::{App, assert_exact_members, number_of};

async fn log(app: &App, token: &str, query: &str) -> Vec<Value> {
    app.cloud.drain().await;
    let log = app.get(&format!("/tickets/api/admin/stats/audit?{query}")).token(token).send().await.expect(200);
    assert_exact_members(&log, "success logs count");
    let entries = log["logs"].as_array().unwrap();
    assert_eq!(log["count"], entries.len());
    entries.clone()
}

/// Everything about one thing, newest first.
async fn about(app: &App, token: &str, entity: &str) -> Vec<Value> {
    let entries = log(app, token, "limit=100").await;
    entries.into_iter().filter(|entry| entry["entityId"] == entity).collect()
}

fn actions(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|entry| entry["action"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_is_done_to_an_event_is_told_with_before_and_after() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let sale = app.open_sale(&admin, 10, 5.0).await;
    let path = format!("/tickets/api/admin/events/{}", sale.event);
    app.put(&path).token(&admin).json(&json!({"venue": "Garden", "name": "Test Night"})).send().await.expect(200);
    app.delete(&path).token(&admin).send().await.expect(200);
    let entries = about(&app, &admin, &sale.event).await;
    assert_eq!(actions(&entries), ["DELETE", "UPDATE", "CREATE"]);
    let fields = "id action entityType entityId userName userEmail oldValue newValue createdAt";
    for entry in &entries {
        assert_exact_members(entry, fields);
        assert_eq!((&entry["entityType"], &entry["userEmail"]), (&json!("event"), &json!(app.user("admin").0)));
        assert!(entry["userName"].as_str().is_some_and(|name| !name.is_empty()));
        entry["createdAt"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    }
    assert_eq!((&entries[2]["oldValue"], &entries[2]["newValue"]["name"]), (&Value::Null, &json!("Test Night")));
    assert_eq!(
        (&entries[1]["oldValue"], &entries[1]["newValue"]),
        (&json!({"venue": null}), &json!({"venue": "Garden"}))
    );
    assert_eq!(entries[0]["oldValue"]["status"], "active");
    assert_eq!(entries[0]["newValue"]["status"], "deleted");
}

#[tokio::test]
async fn what_is_done_to_an_order_is_told_once() {
    let app = App::start().await;
    let (admin, staff) = (app.sign_in("admin").await, app.sign_in("staff").await);
    let sale = app.open_sale(&admin, 10, 5.0).await;
    let placed = app.place_order(&sale, 1).await;
    for status in ["paid", "paid", "cancelled", "refunded", "refunded"] {
        app.set_status(&staff, &placed, &json!({"status": status})).send().await;
    }
    let entries = about(&app, &admin, number_of(&placed)).await;
    assert_eq!(actions(&entries), ["STATUS_CHANGE", "STATUS_CHANGE"], "neither repeats nor refusals are changes");
    assert_eq!(
        (&entries[1]["oldValue"], &entries[1]["newValue"]),
        (&json!({"status": "pending"}), &json!({"status": "paid"}))
    );
    assert_eq!(
        (&entries[0]["oldValue"], &entries[0]["newValue"]),
        (&json!({"status": "paid"}), &json!({"status": "refunded"}))
    );
    assert_eq!(entries[0]["userEmail"], app.user("staff").0);
}

#[tokio::test]
async fn an_entry_at_the_gate_names_who_let_in() {
    let app = App::start().await;
    let (admin, staff) = (app.sign_in("admin").await, app.sign_in("staff").await);
    let sale = app.open_sale(&admin, 10, 0.0).await;
    let (open, manned) = (app.place_order(&sale, 1).await, app.place_order(&sale, 1).await);
    let scan = |placed: &Value| app.post("/tickets/api/checkin").json(&json!({"qr_code": placed["qrCode"]}));
    scan(&open).send().await.expect(200);
    scan(&open).send().await.refused(400, "ALREADY_CHECKED_IN");
    scan(&manned).token(&staff).send().await.expect(200);
    let entries = log(&app, &admin, "action=CHECKIN").await;
    assert_eq!(entries.len(), 2, "{entries:?}");
    let of = |placed: &Value| entries.iter().find(|entry| entry["entityId"] == number_of(placed)).unwrap();
    assert_eq!((&of(&open)["userEmail"], &of(&open)["entityType"]), (&Value::Null, &json!("order")));
    assert_eq!(of(&manned)["userEmail"], app.user("staff").0);
}

#[tokio::test]
async fn signing_in_and_out_and_galleries_are_told() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let staff = app.sign_in("staff").await;
    app.post("/tickets/api/auth/logout").token(&staff).send().await.expect(200);
    let body = json!({"title": "Night"});
    let made = app.post("/tickets/api/admin/gallery").token(&admin).json(&body).send().await.expect(201);
    let id = made["gallery"]["id"].as_str().unwrap();
    let path = format!("/tickets/api/admin/gallery/{id}");
    app.put(&path).token(&admin).json(&json!({"title": "Later"})).send().await.expect(200);
    app.delete(&path).token(&admin).send().await.expect(200);
    let entries = about(&app, &admin, id).await;
    assert_eq!(actions(&entries), ["DELETE", "UPDATE", "CREATE"]);
    assert_eq!(entries[1]["oldValue"]["title"], "Night");
    assert_eq!(entries[1]["newValue"]["title"], "Later");
    assert_eq!((&entries[0]["entityType"], &entries[0]["oldValue"]["title"]), (&json!("gallery"), &json!("Later")));

    for (action, email) in [("LOGIN", app.user("staff").0), ("LOGOUT", app.user("staff").0)] {
        let entries = log(&app, &admin, &format!("action={action}&entityType=user")).await;
        assert!(entries.iter().all(|entry| entry["action"] == action && entry["entityType"] == "user"));
        assert_eq!(entries[0]["userEmail"], email, "newest first");
    }
}

#[tokio::test]
async fn the_log_is_paged_filtered_and_each_tenants_own() {
    let app = App::start().await;
    let (admin, other) = (app.sign_in("admin").await, app.sign_in("other").await);
    let sale = app.open_sale(&admin, 10, 5.0).await;
    for venue in ["A", "B", "C"] {
        let path = format!("/tickets/api/admin/events/{}", sale.event);
        app.put(&path).token(&admin).json(&json!({"venue": venue})).send().await.expect(200);
        tokio::time::sleep(std::time::Duration::from_millis(3)).await;
    }
    let venues = |entries: &[Value]| entries.iter().map(|entry| entry["newValue"]["venue"].clone()).collect::<Vec<_>>();
    let updates = log(&app, &admin, "action=UPDATE&entityType=event").await;
    assert_eq!(venues(&updates), ["C", "B", "A"]);
    assert_eq!(venues(&log(&app, &admin, "action=UPDATE&entityType=event&limit=1&offset=1").await), ["B"]);
    assert!(log(&app, &admin, "action=UPDATE&entityType=gallery").await.is_empty());
    assert!(log(&app, &other, "action=UPDATE").await.is_empty());
    let bad = app.get("/tickets/api/admin/stats/audit?action=EXPLODE").token(&admin).send().await;
    bad.refused(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn no_secret_is_in_the_log() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let sale = app.open_sale(&admin, 10, 0.0).await;
    let body =
        json!({"event_id": sale.event, "tier_id": sale.tier, "buyer_name": "Tess", "buyer_email": "t@example.com"});
    let placed = app.post("/tickets/api/admin/orders/test").token(&admin).json(&body).send().await;
    let secret = placed.body["order"]["qrCode"].as_str().unwrap();
    let (email, password) = app.user("admin");
    let change = json!({"currentPassword": password, "newPassword": "A-new-password-1"});
    app.post("/tickets/api/auth/change-password").token(&admin).json(&change).send().await.expect(200);
    let again = app.post("/tickets/api/auth/login").json(&json!({"email": email, "password": "A-new-password-1"}));
    let token = again.send().await.expect(200)["accessToken"].as_str().unwrap().to_owned();
    let log = json!(log(&app, &token, "limit=100").await).to_string();
    for secret in [secret, &password, "A-new-password-1", &admin, &token] {
        assert!(!log.contains(secret));
    }
}
