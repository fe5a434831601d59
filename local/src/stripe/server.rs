//! The wire: authentication, idempotency, faults, and the way to each resource.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::Engine;
use serde_json::{Value, json};

use super::{
    Fault, Shared, account_links, accounts, balance, browser,
    call::{API_VERSION, Answer, Call, Verb, expand, rendered},
    charges, checkout_sessions, customers,
    error::ApiError,
    events,
    form::Params,
    invoices, lock, onboarding, payment_intents, payment_methods, payouts, portal, prices, refunds, setup_intents,
    store::{Account, PLATFORM, SavedAnswer, Store, new_id},
    subscriptions, terminal,
};

const LARGEST_BODY: usize = 1 << 20;

/// Everything that the listener serves.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    browser::routes().merge(onboarding::routes()).merge(portal::routes()).fallback(api).with_state(shared)
}

async fn api(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let id = new_id("req_");
    let request = ApiRequest {
        id: id.clone(),
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body,
    };
    let fault = shared.next_fault(&format!("{} {}", request.method, request.path));
    let reply = match fault {
        Some(Fault::Http500) => Reply::of(&Err(ApiError::broken())),
        Some(Fault::RateLimited) => Reply::of(&Err(ApiError::rate_limited())),
        Some(Fault::TimeoutAfterCommit) | None => answer(&shared, &request),
    };
    tracing::debug!(method = %request.method, path = request.path, status = reply.status, ?fault, "stripe");
    if fault == Some(Fault::TimeoutAfterCommit) {
        return lost();
    }
    reply.into_response(&request)
}

/// An answer that breaks off before its end: whoever waits for it sees a closed connection.
fn lost() -> Response {
    let broken = futures_util::stream::once(async { Err::<Bytes, _>(std::io::Error::other("lost on purpose")) });
    Body::from_stream(broken).into_response()
}

struct ApiRequest {
    id: String,
    method: Method,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Bytes,
}

impl ApiRequest {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok().filter(|value| !value.is_empty())
    }

    fn verb(&self) -> Option<Verb> {
        match self.method {
            Method::GET => Some(Verb::Get),
            Method::POST => Some(Verb::Post),
            Method::DELETE => Some(Verb::Delete),
            _ => None,
        }
    }

    fn params(&self) -> Params {
        match self.method {
            Method::POST => Params::parse(&String::from_utf8_lossy(&self.body)),
            _ => Params::parse(&self.query),
        }
    }
}

struct Reply {
    status: u16,
    body: Value,
    replayed: bool,
}

impl Reply {
    fn of(answer: &Answer) -> Self {
        match answer {
            Ok(value) => Self { status: 200, body: value.clone(), replayed: false },
            Err(error) => Self { status: error.status, body: error.body(), replayed: false },
        }
    }

    fn into_response(self, request: &ApiRequest) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self.body)).into_response();
        let headers = response.headers_mut();
        let version = request.header("stripe-version").unwrap_or(API_VERSION);
        let named = [
            ("request-id", Some(request.id.as_str())),
            ("stripe-version", Some(version)),
            ("idempotency-key", request.header("idempotency-key")),
        ];
        for (name, value) in named {
            if let Some(Ok(value)) = value.map(HeaderValue::from_str) {
                headers.insert(name, value);
            }
        }
        if self.replayed {
            headers.insert("idempotent-replayed", HeaderValue::from_static("true"));
        }
        response
    }
}

fn answer(shared: &Arc<Shared>, request: &ApiRequest) -> Reply {
    let Some(verb) = request.verb() else {
        return Reply::of(&Err(ApiError::no_such_path(request.method.as_str(), &request.path)));
    };
    if let Err(error) = authenticate(shared, request) {
        return Reply::of(&Err(error));
    }
    let account = request.header("stripe-account").unwrap_or(PLATFORM).to_owned();
    if !is_open(&mut lock(&shared.store), &account) {
        return Reply::of(&Err(ApiError::account_invalid(&account)));
    }
    let key = request.header("idempotency-key").filter(|_| verb == Verb::Post).map(str::to_owned);
    shared.call(account, request.params(), |call| {
        call.request_id = Some(request.id.clone());
        call.idempotency_key = key.clone();
        match key {
            Some(key) => once(call, request, key),
            None => Reply::of(&run(call, verb, request)),
        }
    })
}

/// An account that was given up is closed to everybody.
fn is_open(store: &mut Store, account: &str) -> bool {
    let own = |data: &mut Account| data.get("account", account).is_some_and(|own| own["_deleted"] == true);
    store.account(account).is_some_and(|data| !own(data))
}

/// A key's first request is carried out and its answer kept; the next gets the same answer.
fn once(call: &mut Call<'_>, request: &ApiRequest, key: String) -> Reply {
    let endpoint = format!("{} {}", request.method, request.path);
    let params = call.params.tree().clone();
    let now = call.now;
    if let Some(saved) = call.data().saved(&key, now) {
        if saved.endpoint != endpoint || saved.params != params {
            return Reply::of(&Err(ApiError::key_reused(&key)));
        }
        return Reply { status: saved.status, body: saved.body.clone(), replayed: true };
    }
    let answer = run(call, Verb::Post, request);
    let reply = Reply::of(&answer);
    if !answer.is_err_and(|error| error.is_before_execution()) {
        let saved = SavedAnswer { endpoint, params, status: reply.status, body: reply.body.clone(), created: now };
        call.data().save_answer(key, saved);
    }
    reply
}

fn run(call: &mut Call<'_>, verb: Verb, request: &ApiRequest) -> Answer {
    let path: Vec<&str> = request.path.trim_matches('/').split('/').collect();
    let answered = match path.as_slice() {
        ["v1", "account"] => accounts::own(call, verb),
        ["v1", "account_links", rest @ ..] => account_links::route(call, verb, rest),
        ["v1", "accounts", rest @ ..] => accounts::route(call, verb, rest),
        ["v1", "balance", rest @ ..] => balance::route(call, verb, rest),
        ["v1", "billing_portal", rest @ ..] => portal::route(call, verb, rest),
        ["v1", "charges", rest @ ..] => charges::route(call, verb, rest),
        ["v1", "checkout", rest @ ..] => checkout_sessions::route(call, verb, rest),
        ["v1", "coupons", rest @ ..] => prices::coupons(call, verb, rest),
        ["v1", "customers", rest @ ..] => customers::route(call, verb, rest),
        ["v1", "events", rest @ ..] => events::route(call, verb, rest),
        ["v1", "invoices", rest @ ..] => invoices::route(call, verb, rest),
        ["v1", "payment_intents", rest @ ..] => payment_intents::route(call, verb, rest),
        ["v1", "payment_methods", rest @ ..] => payment_methods::route(call, verb, rest),
        ["v1", "payouts", rest @ ..] => payouts::route(call, verb, rest),
        ["v1", "prices", rest @ ..] => prices::route(call, verb, rest),
        ["v1", "refunds", rest @ ..] => refunds::route(call, verb, rest),
        ["v1", "setup_intents", rest @ ..] => setup_intents::route(call, verb, rest),
        ["v1", "subscriptions", rest @ ..] => subscriptions::route(call, verb, rest),
        ["v1", "terminal", rest @ ..] => terminal::route(call, verb, rest),
        ["v1", "test_helpers", "terminal", rest @ ..] => terminal::test_helpers(call, verb, rest),
        _ => None,
    };
    let mut value = answered.unwrap_or_else(|| Err(ApiError::no_such_path(request.method.as_str(), &request.path)))?;
    for wanted in call.params.texts("expand") {
        let path: Vec<&str> = wanted.split('.').collect();
        expand(call.data(), &mut value, &path);
    }
    Ok(rendered(value))
}

/// `Bearer sk_test_…`, or basic authentication with the key as the user's name.
fn authenticate(shared: &Shared, request: &ApiRequest) -> Result<(), ApiError> {
    let given = request.header(header::AUTHORIZATION.as_str()).unwrap_or_default();
    let key = match given.split_once(' ') {
        Some(("Bearer", key)) => key.trim().to_owned(),
        Some(("Basic", encoded)) => basic_user(encoded),
        _ => String::new(),
    };
    if key.is_empty() {
        return Err(ApiError::unauthorized(
            "You did not provide an API key. You need to provide your API key in the Authorization header, \
             using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
        ));
    }
    let accepted = match &shared.secret_key {
        Some(expected) => key == *expected,
        None => key.starts_with("sk_test_") || key.starts_with("rk_test_"),
    };
    if accepted {
        return Ok(());
    }
    let shown: String = key.chars().take(8).collect();
    Err(ApiError::unauthorized(format!("Invalid API Key provided: {shown}****")))
}

fn basic_user(encoded: &str) -> String {
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).unwrap_or_default();
    let text = String::from_utf8(decoded).unwrap_or_default();
    text.split_once(':').map(|(user, _)| user.to_owned()).unwrap_or(text)
}

/// A refusal outside of Stripe's own API, for scripts: `{"status", "error"}`.
pub(super) fn refusal(status: StatusCode, state: &str, error: &ApiError) -> Response {
    (status, Json(json!({ "status": state, "error": error.body()["error"] }))).into_response()
}
