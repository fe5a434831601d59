//! Every protected route × every token that must not pass. The routes come from the API's own description, so that a
//! new one cannot be forgotten.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{Answer, App, number_of};

/// Method and path of each route that needs a person's token.
async fn protected_routes(app: &App) -> Vec<(Method, String)> {
    let api = app.get("/openapi.json").send().await.expect(200);
    let mut routes = Vec::new();
    for (path, methods) in api["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let security = operation["security"].as_array().cloned().unwrap_or_default();
            if !security.is_empty() && !security.contains(&json!({})) {
                routes.push((method.to_uppercase().parse().unwrap(), path.clone()));
            }
        }
    }
    assert!(routes.len() >= 20, "the description lists the protected routes: {routes:?}");
    routes
}

/// Replaces `{…}` by what belongs to the demo's own organization.
fn fill(path: &str, event: &str, order: &str, gallery: &str) -> String {
    let id = if path.contains("/orders/") {
        order
    } else if path.contains("/gallery/") {
        gallery
    } else {
        event
    };
    path.split('/').map(|part| if part.starts_with('{') { id } else { part }).collect::<Vec<_>>().join("/")
}

#[track_caller]
fn refused(answer: Answer, path: &str, code: &str, case: &str) {
    assert_eq!(answer.status, 401, "{case} on {path}: {}", answer.body);
    // Where the gateway itself refuses, the body is API Gateway's.
    if !path.starts_with("/platform/") {
        assert_eq!(answer.body["code"], code, "{case} on {path}: {}", answer.body);
        assert!(answer.body["error"].is_string(), "{case} on {path}: {}", answer.body);
    }
}

fn decode(token: &str) -> Value {
    let claims = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

/// A token signed by something else than the pool's key.
fn forged(header: Value, claims: &Value, secret: &[u8]) -> String {
    use hmac::{Hmac, KeyInit, Mac};
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&header), part(claims));
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret).unwrap();
    mac.update(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

/// Each token that must not pass, by name.
async fn bad_tokens(app: &App) -> Vec<(&'static str, String)> {
    let good = app.sign_in("superadmin").await;
    let claims = decode(&good);
    let kid = {
        let header = good.split('.').next().unwrap();
        let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
        header["kid"].clone()
    };
    let with = |name: &str, value: Value| {
        let mut changed = claims.clone();
        changed[name] = value;
        app.cloud.sign_token(&changed)
    };
    let mut id_token = claims.clone();
    id_token["token_use"] = json!("id");
    id_token["aud"] = claims["client_id"].clone();
    id_token.as_object_mut().unwrap().remove("client_id");
    let (body, signature) = good.rsplit_once('.').unwrap();
    let flipped: String = signature.chars().rev().collect();
    vec![
        ("malformed", "not-a-token".into()),
        ("three parts of nothing", "a.b.c".into()),
        ("another signature", format!("{body}.{flipped}")),
        ("alg none", format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), good.split('.').nth(1).unwrap())),
        ("HS256", forged(json!({"alg": "HS256", "typ": "JWT", "kid": kid}), &claims, b"secret")),
        ("unknown key", forged(json!({"alg": "RS256", "typ": "JWT", "kid": "other"}), &claims, b"secret")),
        ("expired", with("exp", json!(app.cloud.now().as_second() - 60))),
        ("wrong issuer", with("iss", json!("https://cognito-idp.eu-central-1.amazonaws.com/other"))),
        ("wrong client", with("client_id", json!("other"))),
        ("ID token", app.cloud.sign_token(&id_token)),
        ("nobody we know", with("sub", json!("6a1f5c1e-3a53-4c62-b1cb-4a3f3f9d0c11"))),
    ]
}

#[tokio::test]
async fn no_protected_route_lets_a_bad_token_in() {
    let app = App::start().await;
    let routes = protected_routes(&app).await;
    let tokens = bad_tokens(&app).await;
    for (method, path) in &routes {
        let url = fill(
            path,
            "8f5f6f0e-6f43-4d4e-9a4e-0c6f4b1b7a01",
            "HP260125-AAAAAAAA",
            "8f5f6f0e-6f43-4d4e-9a4e-0c6f4b1b7a01",
        );
        refused(app.call(method.clone(), &url).json(&json!({})).send().await, path, "NO_TOKEN", "no token");
        if path == "/platform/status" {
            continue;
        }
        for (case, token) in &tokens {
            let answer = app.call(method.clone(), &url).token(token).json(&json!({})).send().await;
            // The one place where the contract wants to hear of it (§3).
            if path == "/tickets/api/auth/me" && *case == "nobody we know" {
                answer.refused(404, "USER_NOT_FOUND");
                continue;
            }
            refused(answer, path, "INVALID_TOKEN", case);
        }
    }
}

#[tokio::test]
async fn another_tenants_ids_are_not_found() {
    let app = App::start().await;
    let (admin, other) = (app.sign_in("admin").await, app.sign_in("other").await);
    let sale = app.open_sale(&admin, 10, 0.0).await;
    let placed = app.place_order(&sale, 1).await;
    let gallery =
        app.post("/tickets/api/admin/gallery").token(&admin).json(&json!({"title": "G"})).send().await.expect(201);
    let gallery = gallery["gallery"]["id"].as_str().unwrap();
    let routes = protected_routes(&app).await.into_iter();
    // The counter's are tried in `pos::guard`, with things of their own.
    for (method, path) in routes.filter(|(_, path)| path.contains('{') && path.starts_with("/tickets/")) {
        let url = fill(&path, &sale.event, number_of(&placed), gallery);
        let body =
            if path.ends_with("/status") { json!({"status": "refunded"}) } else { json!({"title": "X", "name": "X"}) };
        let answer = app.call(method.clone(), &url).token(&other).json(&body).send().await;
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.body);
    }
    let events = app.get("/tickets/api/admin/events").token(&other).send().await.expect(200).to_string();
    assert!(!events.contains(&sale.event));
    let orders = app.get("/tickets/api/admin/orders").token(&other).send().await.expect(200).to_string();
    assert!(!orders.contains(number_of(&placed)));
    let mine = json!({"event_id": sale.event, "tier_id": sale.tier, "buyer_name": "X", "buyer_email": "x@example.com"});
    let test = app.post("/tickets/api/admin/orders/test").token(&other).json(&mine).send().await;
    assert_eq!(test.status, 404, "{}", test.body);
    assert_eq!(app.order_of(&placed).await["status"], "paid");
}

#[tokio::test]
async fn a_service_needs_its_scope() {
    let app = App::start().await;
    let keys = app.cloud.ctx("platform-authorizer");
    let keys = keys.service_keys().unwrap();
    let token =
        |scopes: &[&str]| keys.issue("monitor", scopes, jiff::SignedDuration::from_mins(5), app.cloud.now()).unwrap();
    let status = app.get("/platform/status").token(&token(&["status:read"])).send().await.expect(200);
    assert_eq!(status["database"], true);
    for token in [token(&["other:read"]), app.sign_in("superadmin").await, "junk".into()] {
        assert_eq!(app.get("/platform/status").token(&token).send().await.status, 403);
    }
    let who = app.get("/platform/whoami").token(&app.sign_in("staff").await).send().await.expect(200);
    assert_eq!(who["role"], "staff");
}
