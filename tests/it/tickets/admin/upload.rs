//! `/tickets/api/admin/upload/sign` and where it points: contract §11, DECISIONS "Everywhere".

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::app::{Answer, App, assert_members};

/// The least PNG there is: one transparent pixel.
const PNG: &[u8] =
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89\
    \x00\x00\x00\rIDATx\x9cc\x00\x01\x00\x00\x05\x00\x01\r\n-\xb4\x00\x00\x00\x00IEND\xaeB`\x82";

async fn sign(app: &App, token: &str, body: Value) -> Value {
    app.post("/tickets/api/admin/upload/sign").token(token).json(&body).send().await.expect(200)
}

/// Posts as Cloudinary's clients do: what was signed, and the file.
async fn upload(app: &App, signed: &Value, file: Vec<u8>, named: &str) -> Answer {
    let text = |name: &str| match &signed[name] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let form = Form::new()
        .text("api_key", text("apiKey"))
        .text("timestamp", text("timestamp"))
        .text("signature", text("signature"))
        .text("folder", text("folder"))
        .part("file", Part::bytes(file).file_name(named.to_owned()).mime_str("image/png").unwrap());
    app.post(signed["uploadUrl"].as_str().unwrap()).form(form).send().await
}

async fn fetch(url: &str) -> (u16, String, Vec<u8>) {
    let answer = reqwest::get(url).await.unwrap();
    let kind = answer.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
    (answer.status().as_u16(), kind.unwrap_or_default(), answer.bytes().await.unwrap().to_vec())
}

#[tokio::test]
async fn the_signature_names_folder_and_place() {
    let app = App::start().await;
    let staff = app.sign_in("staff").await;
    let event = "8f5f6f0e-6f43-4d4e-9a4e-0c6f4b1b7a01";
    for (body, folder) in [
        (json!({}), "home-productions/uploads".to_owned()),
        (json!({"folder": "home-productions/gallery"}), "home-productions/gallery".to_owned()),
        (json!({"eventId": event}), format!("home-productions/events/{event}")),
        (json!({"eventId": event, "folder": "other"}), format!("home-productions/events/{event}")),
    ] {
        let signed = sign(&app, &staff, body).await;
        assert_members(&signed, "success signature timestamp folder cloudName apiKey uploadUrl");
        assert_eq!(signed["folder"], folder);
        let seconds = signed["timestamp"].as_i64().unwrap();
        assert!(seconds.abs_diff(app.cloud.now().as_second()) <= 5, "Unix seconds: {seconds}");
        assert!(signed["uploadUrl"].as_str().unwrap().starts_with(app.cloud.url()));
    }
    let answer = app.post("/tickets/api/admin/upload/sign").token(&staff).json(&json!({"folder": "../x"})).send().await;
    answer.refused(400, "VALIDATION_ERROR");
    app.post("/tickets/api/admin/upload/sign").token(&staff).send().await.expect(200);
    app.post("/tickets/api/admin/upload/sign").json(&json!({})).send().await.refused(401, "NO_TOKEN");
}

#[tokio::test]
async fn a_signed_picture_is_stored_and_public() {
    let app = App::start().await;
    let staff = app.sign_in("staff").await;
    let signed = sign(&app, &staff, json!({})).await;
    let stored = upload(&app, &signed, PNG.to_vec(), "pixel.png").await.expect(200);
    assert_members(&stored, "public_id secure_url url format width height bytes");
    assert_eq!((&stored["format"], &stored["width"], &stored["bytes"]), (&json!("png"), &json!(1), &json!(PNG.len())));
    assert!(stored["public_id"].as_str().unwrap().starts_with("home-productions/uploads/"));
    let url = stored["secure_url"].as_str().unwrap();
    assert_eq!(fetch(url).await, (200, "image/png".to_owned(), PNG.to_vec()));

    let again = upload(&app, &signed, PNG.to_vec(), "pixel.png").await.expect(200);
    assert_ne!(again["url"], stored["url"], "no upload replaces another");

    let gallery = json!({"title": "Night", "images": [{"url": url}]});
    let made = app.post("/tickets/api/admin/gallery").token(&staff).json(&gallery).send().await.expect(201);
    let path = format!("/tickets/api/admin/gallery/{}", made["gallery"]["id"].as_str().unwrap());
    app.delete(&path).token(&staff).send().await.expect(200);
    assert_eq!(fetch(url).await.0, 404, "deleted with its gallery");
    assert_eq!(fetch(again["url"].as_str().unwrap()).await.0, 200);
}

#[tokio::test]
async fn what_was_not_signed_is_refused() {
    let app = App::start().await;
    let (staff, other) = (app.sign_in("staff").await, app.sign_in("other").await);
    let signed = sign(&app, &staff, json!({})).await;
    let foreign = sign(&app, &other, json!({})).await;
    let with = |name: &str, value: Value| {
        let mut changed = signed.clone();
        changed[name] = value;
        changed
    };
    for changed in [
        with("signature", json!("0".repeat(40))),
        with("signature", foreign["signature"].clone()),
        with("apiKey", foreign["apiKey"].clone()),
        with("folder", json!("home-productions/elsewhere")),
        with("timestamp", json!(signed["timestamp"].as_i64().unwrap() + 1)),
        with("timestamp", json!("now")),
    ] {
        upload(&app, &changed, PNG.to_vec(), "pixel.png").await.refused(401, "INVALID_SIGNATURE");
    }
    let bare = Form::new().part("file", Part::bytes(PNG.to_vec()).file_name("pixel.png"));
    app.post("/tickets/api/upload").form(bare).send().await.refused(400, "MISSING_REQUIRED_FIELDS");
    app.post("/tickets/api/upload").json(&json!({})).send().await.refused(400, "VALIDATION_ERROR");
    app.advance(2 * 3600).await;
    upload(&app, &signed, PNG.to_vec(), "pixel.png").await.refused(401, "INVALID_SIGNATURE");
}

#[tokio::test]
async fn the_type_is_read_from_the_bytes() {
    let app = App::start().await;
    let staff = app.sign_in("staff").await;
    let signed = sign(&app, &staff, json!({})).await;
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>";
    for not_a_picture in [&b"hello, I am a picture"[..], svg, b"%PDF-1.7", &PNG[..12]] {
        let answer = upload(&app, &signed, not_a_picture.to_vec(), "pixel.png").await;
        let refused = answer.refused(400, "VALIDATION_ERROR");
        assert_eq!(refused["details"][0]["field"], "file");
    }
    let gif = b"GIF89a\x01\x00\x01\x00\x00\x00\x00;".to_vec();
    let stored = upload(&app, &signed, gif, "called.png").await.expect(200);
    assert_eq!(stored["format"], "gif");
    assert_eq!(fetch(stored["url"].as_str().unwrap()).await.1, "image/gif");
}

#[tokio::test]
async fn a_picture_has_four_mebibytes_at_most() {
    let app = App::start().await;
    let staff = app.sign_in("staff").await;
    let signed = sign(&app, &staff, json!({})).await;
    let sized = |bytes: usize| {
        let mut file = PNG.to_vec();
        file.resize(bytes, 0);
        file
    };
    let limit = 4 * 1024 * 1024;
    let stored = upload(&app, &signed, sized(limit), "large.png").await.expect(200);
    assert_eq!(fetch(stored["url"].as_str().unwrap()).await.2.len(), limit);
    let refused = upload(&app, &signed, sized(limit + 1), "larger.png").await.refused(413, "PAYLOAD_TOO_LARGE");
    assert!(refused["error"].as_str().unwrap().contains("4 MiB"), "{refused}");
    // Above what Lambda takes the gateway itself refuses, and the function never hears of it.
    assert_eq!(upload(&app, &signed, sized(7 * 1024 * 1024), "huge.png").await.status, 413);
}
