use std::collections::BTreeMap;

use axum::{body::Body, http::Request};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use super::*;
use crate::{
    aws::{self, Endpoint},
    requests::Entry,
    template::{
        Template,
        model::{RouteSpec, ScheduleSource, SourceSpec},
    },
};

async fn endpoint() -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Endpoint::start(listener, aws::Config::default()).await.unwrap()
}

fn state(endpoint: Option<&Endpoint>) -> PageState {
    let schedule = ScheduleSource {
        name: "sweep".into(),
        expression: "rate(1 minute)".into(),
        time_zone: None,
        input: None,
        is_scheduler: false,
        enabled: true,
    };
    let function = FunctionSpec {
        logical_id: "WorkersExpiryFunction".into(),
        name: "workers-expiry".into(),
        timeout: Duration::from_secs(3),
        memory_mb: 128,
        environment: BTreeMap::new(),
        has_url: false,
        sources: vec![SourceSpec::Schedule(schedule)],
    };
    let route = RouteSpec {
        method: "GET".into(),
        path: "/tickets/api/events".into(),
        function: "workers-expiry".into(),
        authorizer: None,
        scopes: vec![],
    };
    PageState {
        urls: Urls { api: "http://127.0.0.1:3300".into(), ..Urls::default() },
        demo: None,
        mailbox: endpoint.map(|endpoint| endpoint.mailbox().clone()),
        queues: endpoint.map(|endpoint| endpoint.queues().clone()),
        requests: Arc::default(),
        functions: Arc::new(vec![function]),
        api: Arc::new(ApiSpec { routes: vec![route], ..ApiSpec::default() }),
        clock: Clock::default(),
        stripe: None,
        other_clocks: vec![],
        fire_schedule: Arc::new(|name| {
            Box::pin(async move { (name == "workers-expiry").then(|| Ok(json!({ "released": 2 }))) })
        }),
    }
}

async fn ask(state: &PageState, request: Request<Body>) -> (StatusCode, String) {
    let response = routes(state.clone()).oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn get(state: &PageState, path: &str) -> (StatusCode, String) {
    ask(state, Request::get(path).body(Body::empty()).unwrap()).await
}

async fn post(state: &PageState, path: &str, body: &str) -> (StatusCode, String) {
    let request = Request::post(path).header("content-type", "application/json");
    ask(state, request.body(Body::from(body.to_owned())).unwrap()).await
}

#[tokio::test]
async fn what_strangers_sent_is_text_on_the_page() {
    let endpoint = endpoint().await;
    let state = state(Some(&endpoint));
    let send = json!({
        "FromEmailAddress": "a@b.example", "Destination": { "ToAddresses": ["<i>x</i>@c.example"] },
        "Content": { "Simple": { "Subject": { "Data": "<script>1</script>" }, "Body": { "Text": { "Data": "hello" } } } },
    });
    let client = reqwest::Client::new();
    let url = format!("{}/v2/email/outbound-emails", endpoint.url());
    assert!(client.post(url).json(&send).send().await.unwrap().status().is_success());
    state.requests.record(Entry::new("GET", "/<b>", Some(404), 1.0, None, "r1"));

    let (status, page) = get(&state, "/").await;
    assert_eq!(status, StatusCode::OK);
    assert!(!page.contains("<script>1") && !page.contains("<i>x") && !page.contains("/<b>"), "{page}");
    assert!(page.contains("/tickets/api/events") && page.contains("rate(1 minute)"));

    let mails: Value = serde_json::from_str(&get(&state, "/_local/mailbox").await.1).unwrap();
    assert_eq!(mails[0]["subject"], "<script>1</script>");
    let id = mails[0]["id"].as_str().unwrap();
    assert_eq!(get(&state, &format!("/_local/mailbox/{id}/text")).await, (StatusCode::OK, "hello".into()));
    assert_eq!(get(&state, "/_local/mailbox?to=nobody@c.example").await.1, "[]");
}

#[tokio::test]
async fn what_is_not_here_is_not_found() {
    let state = state(None);
    for path in ["/_local/demo", "/_local/mailbox", "/_local/queues", "/_local/mailbox/1/html"] {
        assert_eq!(get(&state, path).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(get(&state, "/").await.0, StatusCode::OK);
    let (status, page) = get(&state, "/orders/%22%3E%3Cb%3E").await;
    assert!(status == StatusCode::OK && !page.contains("\"><b>"), "{page}");
}

#[tokio::test]
async fn the_clock_goes_forward_and_schedules_fire() {
    let state = state(None);
    let (status, answer) = post(&state, "/_local/clock", r#"{"advanceSeconds":960}"#).await;
    assert_eq!(status, StatusCode::OK);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["aheadSeconds"], 960);
    assert!(get(&state, "/").await.1.contains("<b>16m</b>"));
    assert!(post(&state, "/_local/clock", r#"{"advanceSeconds":-1}"#).await.0.is_client_error());
    assert!(
        post(&state, "/_local/clock", &json!({ "advanceSeconds": u64::MAX }).to_string()).await.0.is_client_error()
    );

    let (status, answer) = post(&state, "/_local/schedules/workers-expiry", "{}").await;
    assert_eq!((status, answer.as_str()), (StatusCode::OK, r#"{"answer":{"released":2},"invoked":true}"#));
    assert_eq!(post(&state, "/_local/schedules/tickets-orders", "{}").await.0, StatusCode::NOT_FOUND);
}

#[test]
fn the_real_template_fits_the_page() {
    let parameters = [("StorefrontUrl", "http://s"), ("TicketsOrgId", "00fa14fa-0000-4000-8000-000000000001")];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let template = Template::parse(crate::template::TEMPLATE, &BTreeMap::from(parameters)).unwrap();
    let state = PageState { api: Arc::new(template.api().unwrap_or_default()), ..state(None) };
    assert!(view::control_page(&state).unwrap().contains("workers-expiry"));
}
