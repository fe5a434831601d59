//! Who is signed in, and what they say of themselves.

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use super::{faults::Faults, *};
use crate::app::assert_exact_members;

/// A PNG of one pixel.
const PNG: &[u8] =
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89\
    \x00\x00\x00\rIDATx\x9cc\x00\x01\x00\x00\x05\x00\x01\r\n-\xb4\x00\x00\x00\x00IEND\xaeB`\x82";

#[tokio::test]
async fn who_one_is() {
    let app = App::start().await;
    let session = session(&app, "staff").await;
    let me = get_as(&app, &session, "/auth/me").send().await.expect(200);
    assert_exact_members(
        &me,
        "id email firstName lastName organizationId role emailAlerts marketingEmails weeklyReports avatarUrl \
         onboardingCompleted createdAt subscription tapToPayDeviceIds currency",
    );
    for (name, value) in session["user"].as_object().unwrap() {
        assert_eq!(&me[name], value, "{name}");
    }
    assert_exact_members(&me["subscription"], "tier status");
    assert_eq!((&me["tapToPayDeviceIds"], &me["currency"]), (&json!([]), &json!("usd")));
    assert!(me["createdAt"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    app.change_member("staff", |member| member.is_active = false).await;
    refused(get_as(&app, &session, "/auth/me").send().await, 401, "INVALID_TOKEN");
    refused(app.get("/pos/auth/me").send().await, 401, "NO_TOKEN");
}

#[tokio::test]
async fn a_profile_is_changed_by_its_fields() {
    let app = App::start().await;
    let session = session(&app, "staff").await;
    let change = |body: Value| patch_as(&app, &session, "/auth/profile", body);
    let user = change(json!({"firstName": " Stine Maria "})).await.expect(200);
    assert_eq!((&user["firstName"], &user["lastName"]), (&json!("Stine Maria"), &json!("Holm")));
    assert!(user.get("phone").is_none(), "left out when it is empty: {user}");
    let user = change(json!({"phone": "5551234567"})).await.expect(200);
    assert_eq!((&user["phone"], &user["firstName"]), (&json!("5551234567"), &json!("Stine Maria")));
    let user = change(json!({"firstName": "", "lastName": "Berg"})).await.expect(200);
    assert_eq!((user.get("firstName"), &user["lastName"]), (None, &json!("Berg")));
    // The back office knows them by the same name.
    let office = app.get("/tickets/api/auth/me").token(bearer(&session)).send().await.expect(200);
    assert_eq!(office["user"]["name"], "Berg");
    assert!(change(json!({"phone": null})).await.expect(200).get("phone").is_none());
    let me = get_as(&app, &session, "/auth/me").send().await.expect(200);
    assert_eq!((me.get("phone"), &me["lastName"]), (None, &json!("Berg")));

    for phone in ["", "555123456", "55512345678", "555-123-45", "５５５１２３４５６７", "+155512345"] {
        invalid(change(json!({"phone": phone})).await, "phone");
    }
    invalid(change(json!({"firstName": "x".repeat(101)})).await, "firstName");
    for body in [json!({}), json!({"email": "else@home.example"}), json!({"firstName": null}), json!({"phone": 5})] {
        refused(change(body).await, 400, "VALIDATION_ERROR");
    }
    assert_eq!(member(&app, "staff").await.email, app.user("staff").0);
}

#[tokio::test]
async fn edits_at_once_lose_nothing() {
    let app = App::start().await;
    let session = session(&app, "staff").await;
    let (name, phone, told, shown) = tokio::join!(
        patch_as(&app, &session, "/auth/profile", json!({"firstName": "Ada", "lastName": "Lund"})),
        patch_as(&app, &session, "/auth/profile", json!({"phone": "5551234567"})),
        patch_as(&app, &session, "/auth/notification-preferences", json!({"weeklyReports": false})),
        post_as(&app, &session, "/auth/complete-onboarding", json!({})),
    );
    for answer in [name, phone, told, shown] {
        answer.expect(200);
    }
    super::phone(&app, "staff").await;
    let member = member(&app, "staff").await;
    assert_eq!((member.name.as_str(), member.phone.as_deref()), ("Ada Lund", Some("5551234567")));
    assert!(!member.preferences.weekly_reports && member.onboarded && member.session_version > 0);
}

#[tokio::test]
async fn preferences_one_at_a_time() {
    let app = App::start().await;
    let session = session(&app, "staff").await;
    let change = |body: Value| patch_as(&app, &session, "/auth/notification-preferences", body);
    let all = |alerts, marketing, weekly| json!({"emailAlerts": alerts, "marketingEmails": marketing, "weeklyReports": weekly});
    assert_eq!(change(json!({"marketingEmails": false})).await.expect(200), all(true, false, true));
    assert_eq!(change(json!({"weeklyReports": false})).await.expect(200), all(true, false, false));
    assert_eq!(change(all(false, true, false)).await.expect(200), all(false, true, false));
    let me = get_as(&app, &session, "/auth/me").send().await.expect(200);
    assert_eq!((&me["emailAlerts"], &me["marketingEmails"]), (&json!(false), &json!(true)));
    for body in [json!({}), json!({"emailAlerts": "yes"}), json!({"emailAlerts": null})] {
        refused(change(body).await, 400, "VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn onboarding_is_completed_once_and_for_all() {
    let app = App::start().await;
    let session = session(&app, "staff").await;
    assert_eq!(session["user"]["onboardingCompleted"], false);
    for _ in 0..2 {
        let answer = post_as(&app, &session, "/auth/complete-onboarding", json!({})).await.expect(200);
        assert_eq!(answer, json!({"onboardingCompleted": true}));
    }
    app.post("/pos/auth/complete-onboarding").token(bearer(&session)).send().await.expect(200);
    assert_eq!(get_as(&app, &session, "/auth/me").send().await.expect(200)["onboardingCompleted"], true);
}

async fn upload(app: &App, session: &Value, field: &str, file: Vec<u8>) -> Answer {
    let part = Part::bytes(file).file_name("me.png").mime_str("image/png").unwrap();
    let form = Form::new().text("note", "x").part(field.to_owned(), part);
    app.post("/pos/auth/avatar").token(bearer(session)).form(form).send().await
}

async fn fetch(url: &Value) -> (u16, Vec<u8>) {
    let answer = reqwest::get(url.as_str().unwrap()).await.unwrap();
    (answer.status().as_u16(), answer.bytes().await.unwrap().to_vec())
}

#[tokio::test]
async fn an_avatar_is_another_with_each_upload() {
    let app = App::start().await;
    let session = session(&app, "staff").await;
    let first = upload(&app, &session, "file", PNG.to_vec()).await.expect(200);
    assert_exact_members(&first, "avatarUrl avatarImageId");
    assert_eq!(fetch(&first["avatarUrl"]).await, (200, PNG.to_vec()));
    let gif = b"GIF89a\x01\x00\x01\x00\x00\x00\x00;".to_vec();
    let second = upload(&app, &session, "file", gif.clone()).await.expect(200);
    assert_ne!(first["avatarUrl"], second["avatarUrl"]);
    assert!(second["avatarUrl"].as_str().unwrap().ends_with(".gif"), "{second}");
    assert_eq!(fetch(&second["avatarUrl"]).await, (200, gif));
    assert_ne!(fetch(&first["avatarUrl"]).await.0, 200, "the one before is gone");
    let me = get_as(&app, &session, "/auth/me").send().await.expect(200);
    assert_eq!(me["avatarUrl"], second["avatarUrl"]);

    let remove = || app.delete("/pos/auth/avatar").token(bearer(&session)).send();
    assert_exact_members(&remove().await.expect(200), "message");
    assert_ne!(fetch(&second["avatarUrl"]).await.0, 200);
    refused(remove().await, 404, "AVATAR_NOT_FOUND");
    assert_eq!(get_as(&app, &session, "/auth/me").send().await.expect(200)["avatarUrl"], Value::Null);
}

/// The edit is asked for again, and finds itself done: the picture that was just stored is the one that is named.
#[tokio::test]
async fn an_avatar_survives_a_lost_answer() {
    let (app, faults) = Faults::start().await;
    let session = session(&app, "staff").await;
    let mut before = Value::Null;
    for _ in 0..2 {
        faults.lose("UpdateItem");
        let stored = upload(&app, &session, "file", PNG.to_vec()).await.expect(200);
        assert!(!faults.is_pending());
        assert_eq!(fetch(&stored["avatarUrl"]).await, (200, PNG.to_vec()));
        if before.is_string() {
            assert_ne!(fetch(&before).await.0, 200, "the one before is gone");
        }
        before = stored["avatarUrl"].clone();
    }
    faults.lose("UpdateItem");
    app.delete("/pos/auth/avatar").token(bearer(&session)).send().await.expect(200);
    assert!(!faults.is_pending());
    assert_ne!(fetch(&before).await.0, 200);
    assert_eq!(get_as(&app, &session, "/auth/me").send().await.expect(200)["avatarUrl"], Value::Null);
}

#[tokio::test]
async fn an_avatar_is_a_picture_of_four_mebibytes_at_most() {
    let app = App::start().await;
    let session = session(&app, "staff").await;
    let limit = 4 * 1024 * 1024;
    let mut file = PNG.to_vec();
    file.resize(limit, 0);
    upload(&app, &session, "file", file.clone()).await.expect(200);
    file.push(0);
    let large = refused(upload(&app, &session, "file", file).await, 413, "PAYLOAD_TOO_LARGE");
    assert!(large["message"].as_str().unwrap().contains("4 MiB"), "it names the limit: {large}");
    invalid(upload(&app, &session, "file", b"<svg/>".to_vec()).await, "file");
    invalid(upload(&app, &session, "picture", PNG.to_vec()).await, "file");
    refused(post_as(&app, &session, "/auth/avatar", json!({})).await, 400, "VALIDATION_ERROR");
}
