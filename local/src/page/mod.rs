//! The control page at `/`, and what it shows as JSON under `/_local`, for tests and scripts.
//!
//! | route | answers |
//! |---|---|
//! | `GET /` | the page |
//! | `GET /orders/{number}` | where a buyer returns after paying, in place of a storefront |
//! | `GET /_local/health` | `status`, `now`, `aheadSeconds` |
//! | `GET /_local/demo` | [`Demo`]: sign-ins, webhook secrets, ids, URLs |
//! | `GET /_local/mailbox?to=` | mails, newest first: `to, subject, text, html, attachments[{name,type,base64}]` |
//! | `GET /_local/mailbox/{id}/html`, `…/text`, `…/attachments/{n}` | one mail as its reader sees it |
//! | `GET /_local/queues` | each queue's `depth, in_flight, delayed, dead` and dead messages |
//! | `GET /_local/requests` | requests and invocations, newest first |
//! | `POST /_local/clock {"advanceSeconds": n}` | sets the clock forward that functions, Stripe and sign-in tokens go by |
//! | `POST /_local/schedules/{function}` | invokes a scheduled function now |
//! | `PUT /_local/play/purchases/{token}` | makes Google Play know a purchase (`crate::play`) |
//!
//! Plain HTML with its style and script inside: it works without any network.

mod mail;
mod view;

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use domain::time::iso;
use futures_util::future::BoxFuture;
use jiff::SignedDuration;
use runtime::clock::Clock;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    aws::{Mailbox, QueuedMessage, Queues},
    requests::Requests,
    seed::{Demo, Urls},
    stripe::Stripe,
    template::model::{ApiSpec, FunctionSpec, SourceSpec},
};

/// Dead messages of a queue that are shown.
const DEAD_SHOWN: usize = 20;

/// The furthest the clock is set forward in one step: ten years.
const LONGEST_ADVANCE: u64 = 10 * 366 * 24 * 3600;

/// Invokes a scheduled function by its name, and answers what it answered; `None` when nothing of that name is scheduled.
pub type FireSchedule =
    Arc<dyn Fn(String) -> BoxFuture<'static, Option<anyhow::Result<serde_json::Value>>> + Send + Sync>;

/// Sets a clock forward that is not the functions' own.
pub type Advance = Arc<dyn Fn(Duration) + Send + Sync>;

/// What the page shows and does.
#[derive(Clone)]
pub struct PageState {
    /// Where everything is.
    pub urls: Urls,
    /// The demo data; `None` when the cloud was started without.
    pub demo: Option<Arc<Demo>>,
    /// Mails that were sent; `None` when the AWS endpoint is not ours.
    pub mailbox: Option<Mailbox>,
    /// The queues; `None` when the AWS endpoint is not ours.
    pub queues: Option<Queues>,
    /// Recent requests and invocations.
    pub requests: Arc<Requests>,
    /// The functions, with what invokes them.
    pub functions: Arc<Vec<FunctionSpec>>,
    /// The routes.
    pub api: Arc<ApiSpec>,
    /// The clock that all functions share.
    pub clock: Clock,
    /// What stands in for Stripe, whose clock goes with it.
    pub stripe: Option<Stripe>,
    /// Other clocks that go with it.
    pub other_clocks: Vec<Advance>,
    /// Invokes a scheduled function.
    pub fire_schedule: FireSchedule,
}

/// The page's routes.
pub fn routes(state: PageState) -> Router {
    Router::new()
        .route("/", get(control_page))
        // Browsers ask for it on every page that names no icon.
        .route("/favicon.ico", get(|| async { StatusCode::NO_CONTENT }))
        .route("/orders/{number}", get(order_page))
        .route("/_local/health", get(health))
        .route("/_local/demo", get(demo))
        .route("/_local/mailbox", get(mailbox))
        .route("/_local/mailbox/{id}/html", get(mail::html))
        .route("/_local/mailbox/{id}/text", get(mail::text))
        .route("/_local/mailbox/{id}/attachments/{n}", get(mail::attachment))
        .route("/_local/queues", get(queues))
        .route("/_local/requests", get(requests))
        .route("/_local/clock", post(advance_clock))
        .route("/_local/schedules/{function}", post(fire_schedule))
        .with_state(state)
}

impl PageState {
    /// How far the clock is ahead.
    fn ahead(&self) -> SignedDuration {
        let ahead = self.clock.now().duration_since(Clock::default().now());
        SignedDuration::from_secs((ahead.as_millis() as f64 / 1000.0).round() as i64)
    }

    fn queue_rows(&self) -> Vec<QueueRow> {
        let Some(queues) = &self.queues else { return vec![] };
        let stats = queues.stats();
        let follows_queue = |name: &str| stats.iter().any(|one| one.dead_letter_queue.as_deref() == Some(name));
        let own = stats.iter().filter(|one| !follows_queue(&one.name));
        own.map(|one| {
            // What a stream's consumer gave up stands in a queue of its own, which follows no other.
            let is_dead = self.keeps_failures(&one.name);
            let dead_letter_queue = if is_dead { Some(&one.name) } else { one.dead_letter_queue.as_ref() };
            let mut messages = dead_letter_queue.map(|name| queues.messages(name)).unwrap_or_default();
            let dead = messages.len();
            messages.sort_by_key(|message| std::cmp::Reverse(message.sent_at));
            messages.truncate(DEAD_SHOWN);
            QueueRow {
                name: one.name.clone(),
                depth: one.depth,
                in_flight: one.in_flight,
                delayed: one.delayed,
                dead,
                dead_letter_queue: dead_letter_queue.cloned(),
                dead_messages: messages,
            }
        })
        .collect()
    }

    fn keeps_failures(&self, queue: &str) -> bool {
        self.functions.iter().flat_map(|function| &function.sources).any(|source| match source {
            SourceSpec::Stream(stream) => {
                let failures = stream.destination_config.on_failure.as_ref();
                failures.is_some_and(|to| to.destination.rsplit(':').next() == Some(queue))
            }
            _ => false,
        })
    }
}

/// A queue as the page and its JSON show it.
#[derive(Debug, Serialize)]
struct QueueRow {
    name: String,
    /// Messages that a consumer would receive now.
    depth: usize,
    in_flight: usize,
    delayed: usize,
    /// All messages in its dead-letter queue.
    dead: usize,
    dead_letter_queue: Option<String>,
    /// The latest of them.
    dead_messages: Vec<QueuedMessage>,
}

async fn control_page(State(state): State<PageState>) -> Response {
    page(view::control_page(&state))
}

async fn order_page(Path(number): Path<String>) -> Response {
    page(view::order_page(&number))
}

fn page(rendered: askama::Result<String>) -> Response {
    match rendered {
        Ok(page) => ([(header::CACHE_CONTROL, "no-store")], Html(page)).into_response(),
        Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

async fn health(State(state): State<PageState>) -> Response {
    let now = iso(state.clock.now());
    Json(json!({ "status": "ok", "now": now, "aheadSeconds": state.ahead().as_secs() })).into_response()
}

async fn demo(State(state): State<PageState>) -> Response {
    match &state.demo {
        Some(demo) => Json(demo.as_ref()).into_response(),
        None => problem(StatusCode::NOT_FOUND, "started without demo data"),
    }
}

#[derive(Deserialize)]
struct Recipient {
    to: Option<String>,
}

async fn mailbox(State(state): State<PageState>, Query(wanted): Query<Recipient>) -> Response {
    match (&state.mailbox, wanted.to.filter(|to| !to.is_empty())) {
        (None, _) => not_ours(),
        (Some(mailbox), None) => Json(mailbox.list()).into_response(),
        (Some(mailbox), Some(to)) => Json(mailbox.to(&to)).into_response(),
    }
}

async fn queues(State(state): State<PageState>) -> Response {
    if state.queues.is_none() {
        return not_ours();
    }
    Json(state.queue_rows()).into_response()
}

async fn requests(State(state): State<PageState>) -> Response {
    Json(state.requests.recent()).into_response()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClockStep {
    advance_seconds: u64,
}

/// JSON is demanded, so that no foreign page can do this to a browser's own machine without being let to.
async fn advance_clock(State(state): State<PageState>, Json(step): Json<ClockStep>) -> Response {
    if step.advance_seconds > LONGEST_ADVANCE {
        return problem(StatusCode::BAD_REQUEST, "advanceSeconds: at most ten years");
    }
    let step = Duration::from_secs(step.advance_seconds);
    state.clock.advance(SignedDuration::try_from(step).unwrap_or_default());
    if let Some(stripe) = &state.stripe {
        stripe.advance(step);
    }
    for advance in &state.other_clocks {
        advance(step);
    }
    health(State(state)).await
}

async fn fire_schedule(State(state): State<PageState>, Path(function): Path<String>) -> Response {
    match (state.fire_schedule)(function).await {
        Some(Ok(answer)) => Json(json!({ "invoked": true, "answer": answer })).into_response(),
        Some(Err(error)) => problem(StatusCode::BAD_GATEWAY, &format!("{error:#}")),
        None => problem(StatusCode::NOT_FOUND, "no scheduled function of this name"),
    }
}

fn not_ours() -> Response {
    problem(StatusCode::NOT_FOUND, "the AWS endpoint is not the local cloud's own")
}

fn problem(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({ "error": error }))).into_response()
}

#[cfg(test)]
mod tests;
