//! Organizations, their phones, and what people write to us.

use reqwest::Method;
use serde_json::{Value, json};

use super::*;
use crate::app::assert_exact_members;

async fn change(app: &App, session: &Value, method: Method, org: &str, body: Value) -> Answer {
    app.call(method, &format!("/pos/organizations/{org}")).token(bearer(session)).json(&body).send().await
}

#[tokio::test]
async fn an_organization_is_its_members_alone() {
    let app = App::start().await;
    let own = app.demo["org_id"].as_str().unwrap();
    for role in ["superadmin", "admin", "staff"] {
        let session = session(&app, role).await;
        let org = get_as(&app, &session, &format!("/organizations/{own}")).send().await.expect(200);
        assert_exact_members(
            &org,
            "id name stripeAccountId stripeOnboardingCompleted settings currency brandingLogoUrl createdAt updatedAt",
        );
        assert_eq!((&org["id"], &org["name"]), (&json!(own), &json!("Home Productions")));
        assert!(org["settings"].is_object() && org["stripeOnboardingCompleted"].is_boolean());
    }
    let (owner, other) = (session(&app, "superadmin").await, session(&app, "other").await);
    refused(get_as(&app, &other, &format!("/organizations/{own}")).send().await, 403, "FORBIDDEN");
    refused(get_as(&app, &owner, "/organizations/nothing").send().await, 403, "FORBIDDEN");
    for method in [Method::PATCH, Method::PUT] {
        refused(change(&app, &other, method.clone(), own, json!({"name": "Mine now"})).await, 403, "FORBIDDEN");
        let staff = session(&app, "staff").await;
        refused(change(&app, &staff, method, own, json!({"name": "Mine now"})).await, 403, "FORBIDDEN");
    }
    let org = get_as(&app, &owner, &format!("/organizations/{own}")).send().await.expect(200);
    assert_eq!(org["name"], "Home Productions");
}

#[tokio::test]
async fn settings_are_merged_by_both_spellings() {
    let app = App::start().await;
    let org = app.demo["org_id"].as_str().unwrap();
    let admin = session(&app, "admin").await;
    let patch = |body: Value| change(&app, &admin, Method::PATCH, org, body);
    let before = get_as(&app, &admin, &format!("/organizations/{org}")).send().await.expect(200);
    app.advance(2).await;
    let first =
        patch(json!({"name": " Home & Co ", "settings": {"a": 1, "": 1e300, "b": {"c": [true]}}})).await.expect(200);
    assert_eq!((&first["name"], &first["settings"]["b"]), (&json!("Home & Co"), &json!({"c": [true]})));
    assert_eq!(first["createdAt"], before["createdAt"]);
    assert!(first["updatedAt"].as_str() > before["updatedAt"].as_str());
    let second = change(&app, &admin, Method::PUT, org, json!({"settings": {"b": null, "d": "x"}})).await.expect(200);
    assert_eq!(second["settings"], json!({"a": 1, "": 1e300, "b": null, "d": "x"}));
    assert_eq!(second["name"], "Home & Co");
    assert_eq!(get_as(&app, &admin, &format!("/organizations/{org}")).send().await.expect(200), second);
    assert_eq!(patch(json!({})).await.expect(200), second, "nothing to change, nothing changed");
    assert_eq!(
        log_in(&app, &app.user("staff").0, &app.user("staff").1).await.expect(200)["organization"]["name"],
        "Home & Co"
    );

    for name in ["", "H", " H ", &"h".repeat(201)] {
        invalid(patch(json!({"name": name})).await, "name");
    }
    for body in [json!({"settings": []}), json!({"settings": "x"}), json!({"name": 5})] {
        refused(patch(body).await, 400, "VALIDATION_ERROR");
    }
    patch(json!({"settings": {"large": "x".repeat(30_000)}})).await.expect(200);
    invalid(patch(json!({"settings": {"more": "x".repeat(5_000)}})).await, "settings");
    let kept = get_as(&app, &admin, &format!("/organizations/{org}")).send().await.expect(200);
    assert_eq!((&kept["settings"]["d"], kept["settings"].get("more")), (&json!("x"), None));
}

#[tokio::test]
async fn settings_changed_at_once_are_all_there() {
    let app = App::start().await;
    let org = app.demo["org_id"].as_str().unwrap();
    let admin = session(&app, "admin").await;
    let names = ["a", "b", "c"];
    let changes = names.map(|name| change(&app, &admin, Method::PATCH, org, json!({"settings": {name: 1}})));
    for answer in futures_util::future::join_all(changes).await {
        answer.expect(200);
    }
    let org = get_as(&app, &admin, &format!("/organizations/{org}")).send().await.expect(200);
    assert_eq!(org["settings"], json!({"a": 1, "b": 1, "c": 1}));
}

#[tokio::test]
async fn a_phone_is_noted_once_for_all_of_its_organization() {
    let app = App::start().await;
    let (staff, owner) = (session(&app, "staff").await, session(&app, "superadmin").await);
    let add = |session: &Value, id: &str| {
        let session = session.clone();
        let body = json!({"deviceId": id});
        let app = &app;
        async move { post_as(app, &session, "/auth/tap-to-pay-device", body).await }
    };
    assert_eq!(add(&staff, "phone-b").await.expect(200), json!({"tapToPayDeviceIds": ["phone-b"]}));
    let both = json!({"tapToPayDeviceIds": ["phone-a", "phone-b"]});
    for _ in 0..2 {
        assert_eq!(add(&owner, "phone-a").await.expect(200), both);
    }
    let me = get_as(&app, &staff, "/auth/me").send().await.expect(200);
    assert_eq!(me["tapToPayDeviceIds"], both["tapToPayDeviceIds"]);
    let other = session(&app, "other").await;
    assert_eq!(get_as(&app, &other, "/auth/me").send().await.expect(200)["tapToPayDeviceIds"], json!([]));
    for id in ["", &"x".repeat(129)] {
        invalid(add(&staff, id).await, "deviceId");
    }
    refused(post_as(&app, &staff, "/auth/tap-to-pay-device", json!({})).await, 400, "VALIDATION_ERROR");

    let ctx = app.cloud.ctx("pos-auth");
    let org = member(&app, "staff").await.org;
    let before = ctx.store().load_org(org).await.unwrap().unwrap();
    let mut full = before.clone();
    full.tap_to_pay_devices.extend((0..198).map(|n| format!("n{n:03}")));
    ctx.store().edit_org(&before, &full).await.unwrap();
    refused(add(&staff, "one-too-many").await, 400, "DEVICE_LIMIT_REACHED");
    assert_eq!(add(&staff, "phone-a").await.expect(200)["tapToPayDeviceIds"].as_array().unwrap().len(), 200);
}

#[tokio::test]
async fn what_people_write_to_us_is_kept() {
    let app = App::start().await;
    let ask = json!({"email": " Ana@Example.com", "message": " What does it cost? ", "name": "Ana", "company": ""});
    let done = post(&app, "/contact", ask).await.expect(200);
    assert_exact_members(&done, "success message");
    assert_eq!(done["success"], true);
    let kept = app.cloud.ctx("pos-auth").store().pos().list_contacts(9).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!((kept[0].email.as_str(), kept[0].message.as_str()), ("ana@example.com", "What does it cost?"));
    assert_eq!((kept[0].name.as_deref(), &kept[0].company, &kept[0].org), (Some("Ana"), &None, &None));
    for (body, path) in [
        (json!({"email": "ana", "message": "x"}), "email"),
        (json!({"email": "ana@example.com", "message": ""}), "message"),
        (json!({"email": "ana@example.com", "message": "  "}), "message"),
        (json!({"email": "ana@example.com", "message": "x".repeat(5001)}), "message"),
        (json!({"email": "ana@example.com", "message": "x", "name": "x".repeat(201)}), "name"),
    ] {
        invalid(post(&app, "/contact", body).await, path);
    }
    refused(post(&app, "/contact", json!({"message": "x"})).await, 400, "VALIDATION_ERROR");
    assert_eq!(items(&app, "contact").await.len(), 1);

    for body in [json!({"email": "ANA@example.com", "source": "footer"}), json!({"email": "ana@example.com"})] {
        let done = post(&app, "/marketing/subscribe", body).await.expect(200);
        assert_exact_members(&done, "success message");
    }
    let subscribers = items(&app, "news_subscriber").await;
    assert_eq!(subscribers.len(), 1);
    assert_eq!((text(&subscribers[0], "email"), text(&subscribers[0], "source")), ("ana@example.com", "footer"));
    invalid(post(&app, "/marketing/subscribe", json!({"email": "ana"})).await, "email");
}
