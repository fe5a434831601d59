//! What stands before every function: routes, CORS, bodies, limits, failures.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::interceptors::{Intercept, SharedInterceptor, context::BeforeSerializationInterceptorContextRef},
};
use aws_smithy_types::config_bag::ConfigBag;
use futures_util::future::join_all;
use local::Options;
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{Answer, App, number_of};

const ORIGIN: &str = "https://tickets.example.com";

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn what_the_template_does_not_name_is_not_there() {
    let app = App::start().await;
    for (method, path) in [
        (Method::GET, "/tickets/api/nothing"),
        (Method::GET, "/tickets/api/events/a/b"),
        (Method::GET, "/tickets/api/events/"),
        (Method::PUT, "/tickets/api/orders"),
        (Method::GET, "/api/events"),
        (Method::GET, "/TICKETS/api/events"),
    ] {
        let answer = app.call(method.clone(), path).send().await;
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.body);
    }
    let elsewhere = async |path: &str| app.get(path).send().await.body;
    assert_eq!(elsewhere("/api/events").await, json!({"message": "Not Found"}), "API Gateway's own");
    app.get("/tickets/api/events?unknown=1&a[]=2").send().await.expect(200);
}

/// Contract `tickets.md` §1, `pos.md` §1.3: also where no function has the route, and whatever the method.
#[tokio::test]
async fn unknown_paths_of_a_surface_are_refused_in_its_shape() {
    let app = App::start().await;
    for (method, path) in [
        (Method::GET, "/tickets/api/nothing"),
        (Method::PATCH, "/tickets/api/events"),
        (Method::POST, "/tickets/api/events/a/b/c?x=1"),
        (Method::DELETE, "/tickets/nothing"),
    ] {
        let answer = app.call(method.clone(), path).json(&json!({})).send().await;
        assert_eq!(answer.status, 404, "{method} {path}");
        assert_eq!(answer.body, json!({"success": false, "error": "Not found", "code": "NOT_FOUND"}));
    }
    for (method, path) in
        [(Method::GET, "/pos/nothing"), (Method::PUT, "/pos/auth/login"), (Method::PATCH, "/pos/a/b/c/d/e/f/g")]
    {
        let answer = app.call(method.clone(), path).send().await;
        assert_eq!(answer.status, 404, "{method} {path}");
        assert_eq!(answer.body, json!({"error": "Not found", "message": "Not found", "code": "NOT_FOUND"}));
    }
    let preflight = app
        .call(Method::OPTIONS, "/pos/nothing")
        .header("origin", ORIGIN)
        .header("access-control-request-method", "PATCH")
        .send()
        .await;
    assert_eq!((preflight.status.as_u16(), header(&preflight, "access-control-allow-origin")), (204, ORIGIN));
    assert!(header(&preflight, "access-control-allow-methods").contains("PATCH"));
}

#[tokio::test]
async fn a_page_of_any_origin_may_call_and_is_told_what_it_may() {
    let app = App::start().await;
    let preflight = app
        .call(Method::OPTIONS, "/tickets/api/admin/events/8f5f6f0e-6f43-4d4e-9a4e-0c6f4b1b7a01")
        .header("origin", ORIGIN)
        .header("access-control-request-method", "PUT")
        .header("access-control-request-headers", "authorization,content-type")
        .send()
        .await;
    assert_eq!(preflight.status, 204, "{}", preflight.body);
    assert_eq!(header(&preflight, "access-control-allow-origin"), ORIGIN);
    assert_eq!(header(&preflight, "access-control-allow-credentials"), "true");
    for method in ["GET", "POST", "PUT", "DELETE", "OPTIONS"] {
        assert!(header(&preflight, "access-control-allow-methods").contains(method), "{method}");
    }
    let allowed = header(&preflight, "access-control-allow-headers").to_lowercase();
    for name in ["content-type", "authorization", "idempotency-key", "x-session-version"] {
        assert!(allowed.contains(name), "{name}");
    }
    // Errors too: a page that may not read them shows nothing.
    for path in ["/tickets/api/events", "/tickets/api/admin/events", "/tickets/api/nothing"] {
        let answer = app.get(path).header("origin", ORIGIN).send().await;
        assert_eq!(header(&answer, "access-control-allow-origin"), ORIGIN, "{path}");
        assert!(header(&answer, "access-control-expose-headers").contains("ratelimit-limit"));
        let answer = app.get(path).send().await;
        assert_eq!(header(&answer, "access-control-allow-origin"), "", "{path} without an origin");
    }
}

#[tokio::test]
async fn every_answer_names_its_request() {
    let app = App::start().await;
    let answers = join_all((0..4).map(|_| app.get("/tickets/api/events").send())).await;
    for name in ["x-request-id", "apigw-requestid"] {
        let mut ids: Vec<&str> = answers.iter().map(|answer| header(answer, name)).collect();
        ids.sort_unstable();
        ids.dedup();
        assert!(ids.len() == 4 && !ids.contains(&""), "{name}: {ids:?}");
    }
    let refused = app.get("/tickets/api/events/nonsense").send().await;
    assert!(!header(&refused, "x-request-id").is_empty());
    // The client's own name for it comes back (contract `pos.md` §1), unless it is nothing to put into a log.
    for (sent, echoed) in [("phone-7:42", true), ("a b", false), ("{\"x\":1}", false), (&"9".repeat(129), false)] {
        let answer = app.get("/pos/auth/me").header("x-request-id", sent).send().await;
        assert_eq!(header(&answer, "x-request-id") == sent, echoed, "{sent}");
    }
}

/// HTTP APIs hand over forms, and whatever has no type, in base64.
#[tokio::test]
async fn bodies_come_as_json_as_forms_and_without_a_type() {
    let app = App::start().await;
    let sale = app.open_sale(&app.sign_in("admin").await, 10, 5.0).await;
    let json = json!({"eventId": sale.event, "tierId": sale.tier, "buyerName": "José & Co", "buyerEmail": "a@example.com",
        "quantity": 2});
    let form = format!(
        "eventId={}&tierId={}&buyerName=Jos%C3%A9+%26+Co&buyerEmail=a%40example.com&quantity=2",
        sale.event, sale.tier
    );
    let path = "/tickets/api/orders";
    for call in [
        app.post(path).json(&json),
        app.post(path).header("content-type", "application/x-www-form-urlencoded").body(form),
        app.post(path).body(json.to_string()),
        app.post(path).header("content-type", "application/octet-stream").body(json.to_string()),
    ] {
        let placed = call.send().await.expect(201);
        assert_eq!((&placed["order"]["buyerName"], &placed["order"]["quantity"]), (&json!("José & Co"), &json!(2)));
    }
    assert_eq!(app.stock(&sale).await, (10, 8, 2));
}

#[tokio::test]
async fn what_is_too_large_is_413_and_harms_nobody() {
    let app = App::start().await;
    let order = |bytes: usize| json!({"buyerName": "x".repeat(bytes)}).to_string();
    for bytes in [7 * 1024 * 1024, 11 * 1024 * 1024] {
        let answer = app.post("/tickets/api/orders").header("content-type", "application/json").body(order(bytes));
        assert_eq!(answer.send().await.status, 413, "{bytes} bytes");
    }
    let large = app.post("/tickets/api/orders").header("content-type", "application/json").body(order(1024 * 1024));
    large.send().await.refused(400, "VALIDATION_ERROR");
    app.get("/tickets/api/events").send().await.expect(200);
}

/// A cloud with limits, at the beginning of a window, so that none ends in the middle of a test.
async fn limited() -> App {
    let app = App::with(Options { rate_limit: true, ..App::options() }).await;
    let first = app.get("/tickets/api/events").send().await;
    app.advance(header(&first, "ratelimit-reset").parse::<i64>().unwrap() + 1).await;
    app
}

fn refused(answer: Answer, limit: &str) {
    let seconds: i64 = header(&answer, "ratelimit-reset").parse().unwrap();
    assert!((1..=900).contains(&seconds), "{seconds}");
    assert_eq!((header(&answer, "ratelimit-limit"), header(&answer, "ratelimit-remaining")), (limit, "0"));
    assert_eq!(header(&answer, "retry-after"), seconds.to_string());
    answer.refused(429, "RATE_LIMITED");
}

#[tokio::test]
async fn ten_requests_to_auth_in_a_quarter_of_an_hour() {
    let app = limited().await;
    let me = || app.get("/tickets/api/auth/me").send();
    for used in 1..=10 {
        let answer = me().await;
        assert_eq!(header(&answer, "ratelimit-remaining"), (10 - used).to_string(), "all auth routes count");
        assert_eq!(header(&answer, "ratelimit-limit"), "10");
        answer.refused(401, "NO_TOKEN");
    }
    refused(me().await, "10");
    let (email, password) = app.user("admin");
    let body = json!({"email": email, "password": password});
    let log_in = || app.post("/tickets/api/auth/login").json(&body);
    refused(log_in().send().await, "10");
    refused(log_in().header("x-forwarded-for", "203.0.113.9").header("x-real-ip", "203.0.113.9").send().await, "10");
    app.get("/tickets/api/events").send().await.expect(200);
    app.get("/tickets/health").send().await.expect(200);
    app.advance(15 * 60).await;
    log_in().send().await.expect(200);
}

#[tokio::test]
async fn a_hundred_requests_to_the_rest_in_a_quarter_of_an_hour() {
    let app = limited().await;
    let get = || app.get("/tickets/api/events").send();
    for answer in join_all((0..100).map(|_| get())).await {
        assert_eq!(header(&answer, "ratelimit-limit"), "100");
        answer.expect(200);
    }
    refused(get().await, "100");
    // Functions count in portions of a tenth, and then know what the others have counted.
    let answers: Vec<Answer> = {
        let mut answers = Vec::new();
        for _ in 0..12 {
            answers.push(app.get("/tickets/api/orders/HP260125-AAAAAAAA").send().await);
        }
        answers
    };
    assert_eq!(answers.last().unwrap().status, 429);
    let unknown = json!({"status": "paid", "order_id": "HP260125-AAAAAAAA"});
    for _ in 0..12 {
        app.notify(&unknown).await.expect(200);
    }
    app.advance(15 * 60).await;
    get().await.expect(200);
}

/// The counter's own shape (contract `pos.md` §1.3), with the header that says when to come again.
#[tokio::test]
async fn a_hundred_requests_to_what_is_open_at_the_counter() {
    let app = limited().await;
    let log_in = || app.post("/pos/auth/login").json(&json!({})).send();
    for answer in join_all((0..100).map(|_| log_in())).await {
        assert_eq!(header(&answer, "ratelimit-limit"), "100");
        answer.expect(400);
    }
    let answer = log_in().await;
    let seconds = header(&answer, "ratelimit-reset").to_owned();
    assert!((1..=900).contains(&seconds.parse::<i64>().unwrap()), "{seconds}");
    assert_eq!((header(&answer, "retry-after"), header(&answer, "ratelimit-remaining")), (seconds.as_str(), "0"));
    let text = "Too many requests, please try again later";
    assert_eq!(answer.expect(429), json!({"error": text, "message": text, "code": "RATE_LIMITED"}));
    // A session that goes on is another matter, and so is who is signed in.
    app.post("/pos/auth/refresh").json(&json!({})).send().await.expect(400);
    app.get("/pos/auth/me").send().await.expect(401);
    app.advance(15 * 60).await;
    log_in().await.expect(400);
}

/// Whatever wants no token has a limit, unless it wants a signature.
#[tokio::test]
async fn every_open_route_of_the_counter_is_limited() {
    let app = limited().await;
    let api = app.get("/openapi.json").send().await.expect(200);
    let mut open = 0;
    for (path, methods) in api["paths"].as_object().unwrap().iter().filter(|(path, _)| path.starts_with("/pos/")) {
        for (method, operation) in methods.as_object().unwrap() {
            if operation["security"].as_array().is_some_and(|security| !security.is_empty()) {
                continue;
            }
            let method: Method = method.to_uppercase().parse().unwrap();
            let answer = app.call(method, &path.replace("{id}", "x")).json(&json!({})).send().await;
            let often = ["/pos/auth/refresh", "/pos/auth/logout", "/pos/auth/check-password", "/pos/stripe/config"];
            let limit = match path.as_str() {
                path if path.contains("webhook") => "",
                path if often.contains(&path) => "2000",
                _ => "100",
            };
            assert_eq!(header(&answer, "ratelimit-limit"), limit, "{path}");
            open += 1;
        }
    }
    assert!(open > 15, "{open}");
}

#[tokio::test]
async fn without_limits_nobody_is_told_of_any() {
    let app = App::start().await;
    for answer in join_all((0..30).map(|_| app.get("/tickets/api/auth/me").send())).await {
        assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("ratelimit")));
        answer.refused(401, "NO_TOKEN");
    }
}

/// The requests that came are listed for whoever looks for one.
#[tokio::test]
async fn requests_are_listed() {
    let app = App::start().await;
    let sale = app.open_sale(&app.sign_in("admin").await, 10, 0.0).await;
    let placed = app.place_order(&sale, 1).await;
    let path = format!("/tickets/api/orders/{}", number_of(&placed));
    app.get(&path).send().await.expect(200);
    let requests = app.get("/_local/requests").send().await.expect(200);
    let mine = requests.as_array().unwrap().iter().find(|request| request["path"] == path.as_str()).unwrap();
    let told = (&mine["method"], &mine["status"], &mine["function"]);
    assert_eq!(told, (&json!("GET"), &json!(200), &Value::from("tickets-orders")));
}

/// Stands in every call of a function to AWS.
#[derive(Clone, Debug, Default)]
struct Trap(Arc<AtomicU8>);

impl Trap {
    const OPEN: u8 = 0;
    const CRASH: u8 = 1;
    const HANG: u8 = 2;

    fn set(&self, what: u8) {
        self.0.store(what, Ordering::SeqCst);
    }
}

impl Intercept for Trap {
    fn name(&self) -> &'static str {
        "Trap"
    }

    #[allow(clippy::disallowed_methods, reason = "what hangs does not await")]
    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        match self.0.load(Ordering::SeqCst) {
            Trap::CRASH => panic!("asked for by a test"),
            Trap::HANG => std::thread::sleep(Duration::from_secs(4)),
            _ => {}
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crash_is_500_and_a_timeout_504_and_the_next_request_is_served() {
    let trap = Trap::default();
    let template = local::template::TEMPLATE.replace("    Timeout: 15\n", "    Timeout: 2\n");
    let interceptors = vec![SharedInterceptor::new(trap.clone())];
    let app = App::with(Options { rate_limit: false, template, interceptors, ..App::options() }).await;
    let get = || app.get("/tickets/api/events").send();
    get().await.expect(200);
    for (what, status) in [(Trap::CRASH, 500), (Trap::HANG, 504)] {
        trap.set(what);
        let answer = app.get("/tickets/api/events").header("origin", ORIGIN).send().await;
        trap.set(Trap::OPEN);
        assert_eq!(answer.status, status, "{}", answer.body);
        assert_eq!(header(&answer, "access-control-allow-origin"), ORIGIN, "a page may read that, too");
        get().await.expect(200);
    }
}
