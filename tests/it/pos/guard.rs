//! Every protected route of the counter × everybody who must not pass. The routes come from the API's own description, so
//! that a new one cannot be forgotten: it is tried as soon as it is described, and one that is open must be named here.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::{Method, multipart};
use runtime::session::{MANAGER, OWNER, SESSION_HEADER, USER};
use serde_json::{Value, json};

use crate::app::{Answer, App};

/// Routes that anybody may call: signing in, what a link's secret opens, and what a signature guards.
const OPEN: &[&str] = &[
    "GET /pos/auth/validate-invite",
    "GET /pos/stripe/config",
    "POST /pos/apple-webhooks",
    "POST /pos/apple/webhook",
    "POST /pos/auth/accept-invite",
    "POST /pos/auth/check-email",
    "POST /pos/auth/check-password",
    "POST /pos/auth/forgot-password",
    "POST /pos/auth/login",
    "POST /pos/auth/logout",
    "POST /pos/auth/refresh",
    "POST /pos/auth/reset-password",
    "POST /pos/auth/signup",
    "POST /pos/auth/validate-reset-token",
    "POST /pos/contact",
    "POST /pos/google-webhooks",
    "POST /pos/google/webhook",
    "POST /pos/marketing/subscribe",
    "POST /pos/staff/{id}/accept",
    "POST /pos/stripe/connect-webhooks",
    "POST /pos/stripe/webhook",
    "POST /pos/stripe/webhook-connect",
];

/// A protected route.
#[derive(Clone, Debug)]
struct Route {
    method: Method,
    path: String,
    /// The least role it wants.
    role: String,
}

async fn routes(app: &App) -> Vec<Route> {
    let api = app.get("/openapi.json").send().await.expect(200);
    let (mut guarded, mut open) = (Vec::new(), BTreeSet::new());
    for (path, methods) in api["paths"].as_object().unwrap().iter().filter(|(path, _)| path.starts_with("/pos/")) {
        for (method, operation) in methods.as_object().unwrap() {
            let method = method.to_uppercase();
            if operation["security"].as_array().is_none_or(Vec::is_empty) {
                open.insert(format!("{method} {path}"));
                continue;
            }
            let role = operation["x-role"].as_str().unwrap_or_else(|| panic!("{method} {path} says no x-role"));
            assert!([USER, MANAGER, OWNER].contains(&role), "{method} {path}: {role}?");
            guarded.push(Route { method: method.parse().unwrap(), path: path.clone(), role: role.to_owned() });
        }
    }
    assert_eq!(open, OPEN.iter().map(|route| (*route).to_owned()).collect(), "routes that are open");
    assert!(guarded.len() > 80, "the description lists the protected routes: {}", guarded.len());
    guarded
}

/// One of each thing that Home has, by the pattern of the paths that name it.
async fn things_of_home(app: &App, owner: &str) -> BTreeMap<&'static str, String> {
    let make = async |path: &str, body: Value| -> String {
        let made = app.post(path).token(owner).json(&body).send().await;
        assert!(made.status.is_success(), "{path}: {} {}", made.status, made.body);
        let id = made.body["id"].as_str().or(made.body["accountId"].as_str()).or(made.body["secret"].as_str());
        id.unwrap_or_else(|| panic!("{path}: {}", made.body)).to_owned()
    };
    let catalog = make("/pos/catalogs", json!({"name": "Guard"})).await;
    let category = make(&format!("/pos/catalogs/{catalog}/categories"), json!({"name": "Drinks"})).await;
    let product = make("/pos/products", json!({"name": "Lemonade"})).await;
    let entry = make(&format!("/pos/catalogs/{catalog}/products"), json!({"productId": product, "price": 500})).await;
    let order = json!({"subtotal": 500, "taxAmount": 0, "tipAmount": 0, "totalAmount": 500, "paymentMethod": "cash"});
    let order = make("/pos/orders", order).await;
    let customer = make("/pos/customers", json!({"email": "guard@example.com"})).await;
    let intent = make("/pos/stripe/terminal/payment-intent", json!({"amount": 5.0})).await;
    let reader = json!({"registrationCode": "simulated-wpe", "label": "Guard"});
    let reader = make("/pos/stripe/terminal/readers", reader).await;
    let staff = json!({"email": "guard.staff@home.example", "firstName": "Gus", "lastName": "Guard", "role": "admin"});
    let staff = make("/pos/staff", staff).await;
    let pool = json!({"name": "Guard", "startDate": "2026-01-01", "endDate": "2026-01-02"});
    let pool = make("/pos/tips/pools", pool).await;
    let split = json!({"recipientName": "Venue", "recipientType": "venue", "percentage": 10});
    let split = make(&format!("/pos/catalogs/{catalog}/splits"), split).await;
    let report = make("/pos/reports", json!({"startDate": "2026-01-01", "endDate": "2026-01-02"})).await;
    let org = app.demo["org_id"].as_str().unwrap().to_owned();
    // Nobody listens there, and nothing that it hears of happens here.
    let webhook = json!({"url": "http://127.0.0.1:9/", "events": ["order.deleted"]});
    let webhook = make(&format!("/pos/organizations/{org}/webhooks"), webhook).await;
    BTreeMap::from([
        ("/catalogs/{catalogId}", catalog),
        ("/categories/{id}", category),
        ("/pos/products/{id}", product),
        ("}/products/{id}", entry),
        ("/splits/{splitId}", split),
        ("/pos/orders/{id}", order.clone()),
        ("/transactions/{id}", order),
        ("/pos/customers/{id}", customer),
        ("/payment-intent/{id}", intent),
        ("/readers/{id}", reader),
        ("/pos/staff/{id}", staff.clone()),
        ("/members/{userId}", staff),
        ("/pools/{id}", pool),
        ("/pos/organizations/{id}", org),
        ("/webhooks/{webhookId}", webhook),
        ("{reportId}", report),
    ])
}

/// The path with Home's own ids in it; `None` when it names nothing. A parameter is what the longest pattern says that the
/// path up to it ends with.
fn fill(path: &str, things: &BTreeMap<&'static str, String>) -> Option<String> {
    let (mut filled, mut rest) = (String::new(), path);
    while let Some((before, after)) = rest.split_once('{') {
        let (parameter, after) = after.split_once('}').unwrap();
        let so_far = &path[..path.len() - after.len()];
        let known =
            things.iter().filter(|(pattern, _)| so_far.ends_with(**pattern)).max_by_key(|(pattern, _)| pattern.len());
        let (_, id) = known.unwrap_or_else(|| panic!("{path}: no example of a {parameter} is known here"));
        filled.push_str(before);
        filled.push_str(id);
        rest = after;
    }
    (rest != path).then(|| filled + rest)
}

const NOWHERE: &str = "00fa14fa-0000-4000-8000-00000000ffff";

/// A body that every route can read, so that nobody is refused for what they say instead of for who they are.
fn body() -> Value {
    json!({
        "name": "Guard", "description": "d", "price": 100, "sortOrder": 0, "isActive": true, "categoryIds": [],
        "productId": NOWHERE, "productOrders": [], "productIds": [NOWHERE], "defaultPrice": 100, "notes": "n",
        "amount": 5, "reason": "duplicate", "email": "guard@example.com", "firstName": "G", "lastName": "U",
        "phone": "5555550100", "cashTendered": 100_000, "paymentMethod": "cash", "stripePaymentIntentId": "pi_guard",
        "holdName": "h", "role": "admin", "catalogIds": [], "members": [{"userId": NOWHERE, "hoursWorked": 1}],
        "startDate": "2026-01-01", "endDate": "2026-01-02", "recipientName": "V", "recipientType": "venue",
        "percentage": 1, "orderTotal": 100, "subtotal": 100, "taxAmount": 0, "tipAmount": 0, "totalAmount": 100,
        "label": "l", "registrationCode": "simulated-wpe", "paymentIntentId": "pi_guard", "settings": {"a": 1},
        "deviceId": "d", "newPassword": "Guard-Guard-1!", "emailAlerts": true, "platform": "ios", "receipt": "r",
        "productId2": "p", "transactionId": "t", "purchaseToken": "p", "url": "https://example.com/hook", "events": [],
    })
}

async fn call(app: &App, route: &Route, path: &str, token: Option<&str>, session: Option<&str>) -> Answer {
    let mut call = app.call(route.method.clone(), path);
    if let Some(token) = token {
        call = call.token(token);
    }
    if let Some(session) = session {
        call = call.header(SESSION_HEADER, session);
    }
    let is_upload = path.ends_with("/avatar") || path.ends_with("/image");
    if is_upload && route.method == Method::POST {
        let name = if path.ends_with("/image") { "image" } else { "file" };
        let picture = multipart::Part::bytes(PNG.to_vec()).file_name("a.png").mime_str("image/png").unwrap();
        return call.form(multipart::Form::new().part(name, picture)).send().await;
    }
    if path.contains("/report?") || route.method == Method::GET || route.method == Method::DELETE {
        return call.send().await;
    }
    call.json(&body()).send().await
}

/// One black pixel.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0:~\x9bU\0\0\0\nIDATx\x9cc`\0\0\0\x02\0\x01H\xaf\xa4q\0\0\0\0IEND\xaeB`\x82";

#[track_caller]
fn refused(answer: &Answer, statuses: &[u16], case: &str, route: &Route) {
    let Route { method, path, .. } = route;
    assert!(statuses.contains(&answer.status.as_u16()), "{case}: {method} {path}: {} {}", answer.status, answer.body);
    assert!(answer.body["error"].is_string(), "{case}: {method} {path}: {}", answer.body);
}

#[tokio::test]
async fn nobody_passes_who_must_not() {
    let app = App::start().await;
    let [owner, admin, staff, other] = [
        app.sign_in("superadmin").await,
        app.sign_in("admin").await,
        app.sign_in("staff").await,
        app.sign_in("other").await,
    ];
    // The other tenant's admin as its owner, so that nothing is refused for the role alone.
    app.change_member("other", |member| member.role = Some(domain::member::Role::Superadmin)).await;
    let things = things_of_home(&app, &owner).await;
    for route in routes(&app).await {
        let named = fill(&route.path, &things);
        let path = match named.clone().unwrap_or_else(|| route.path.clone()) {
            path if path.ends_with("/report") || path.ends_with("/tips/staff") => {
                format!("{path}?startDate=2026-01-01&endDate=2026-01-02")
            }
            path => path,
        };
        let answer = call(&app, &route, &path, None, None).await;
        refused(&answer, &[401], "no token", &route);
        let answer = call(&app, &route, &path, Some(&owner), Some("4711")).await;
        refused(&answer, &[401], "a kicked session", &route);
        assert_eq!(answer.body["code"], "SESSION_KICKED", "{route:?}");
        if route.role != USER {
            refused(&call(&app, &route, &path, Some(&staff), None).await, &[403], "too low a role", &route);
        }
        if route.role == OWNER {
            refused(&call(&app, &route, &path, Some(&admin), None).await, &[403], "too low a role", &route);
        }
        if named.is_some() {
            refused(&call(&app, &route, &path, Some(&other), None).await, &[403, 404], "another tenant", &route);
        }
    }
    // What another tenant tried has changed nothing: Home's things are where they were.
    for (pattern, path) in [
        ("/catalogs/{catalogId}", "/pos/catalogs/"),
        ("/pos/products/{id}", "/pos/products/"),
        ("/pos/orders/{id}", "/pos/orders/"),
        ("/pools/{id}", "/pos/tips/pools/"),
        ("/pos/staff/{id}", "/pos/staff/"),
    ] {
        app.get(&format!("{path}{}", things[pattern])).token(&owner).send().await.expect(200);
    }
    app.verify().await;
}
