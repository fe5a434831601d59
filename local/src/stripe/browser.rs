//! What a buyer's browser asks for: the payment page, the bank's second step; and the same for scripts, as JSON.

use std::sync::Arc;

use axum::{
    Form, Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Payment, Shared,
    checkout_sessions::{self, Step},
    error::ApiError,
    form::Params,
    lock, owner, page, payment_intents, server, terminal,
};

/// The pages' and scripts' routes.
pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/", get(overview))
        .route("/c/pay/{session}", get(show_session).post(pay_session))
        .route("/c/authenticate/{payment}", get(show_second_step).post(take_second_step))
        .route("/receipts/{charge}", get(show_receipt))
        .route("/_local/pay/{session}", post(pay_by_script))
        .route("/_local/tap/{payment}", post(tap_by_script))
        .route("/_local/events", get(events))
        .route("/_local/deliveries", get(deliveries))
}

#[derive(Deserialize)]
struct Prefill {
    card: Option<String>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct CardForm {
    number: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct SecondStep {
    outcome: String,
}

#[derive(Deserialize)]
struct ScriptedCard {
    #[serde(default = "visa")]
    card: String,
    /// Passes (true) or fails (false) the second step, if there is one; without it the payment waits there.
    authenticate: Option<bool>,
}

fn visa() -> String {
    "4242424242424242".to_owned()
}

async fn overview(State(shared): State<Arc<Shared>>) -> Html<String> {
    let store = lock(&shared.store);
    let newest = |object: &str| -> Vec<Value> {
        let mut rows: Vec<Value> = store.all(object).cloned().collect();
        rows.reverse();
        rows.truncate(25);
        rows
    };
    Html(page::overview(&newest("checkout.session"), &newest("event")))
}

async fn events(State(shared): State<Arc<Shared>>) -> Json<Vec<Value>> {
    Json(lock(&shared.store).all("event").cloned().map(super::rendered).collect())
}

async fn deliveries(State(shared): State<Arc<Shared>>) -> Response {
    Json(shared.mailman.journal()).into_response()
}

fn session(shared: &Arc<Shared>, id: &str) -> Option<Value> {
    let account = owner(shared, "checkout.session", id);
    shared.call(account, Params::default(), |call| call.load("checkout.session", id).ok())
}

async fn show_session(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Query(prefill): Query<Prefill>,
) -> Response {
    match session(&shared, &id) {
        Some(session) => {
            let card = prefill.card.unwrap_or_else(visa);
            Html(page::session(&session, &card, prefill.error.as_deref())).into_response()
        }
        None => not_found(),
    }
}

async fn pay_session(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Form(card): Form<CardForm>,
) -> Response {
    let name = Some(card.name.trim()).filter(|name| !name.is_empty());
    match present_card(&shared, &id, &card.number, name) {
        Ok(Step::Paid(session)) => after_payment(&session),
        Ok(Step::Authenticate(intent)) => Redirect::to(&second_step_path(&intent)).into_response(),
        Err(error) => match session(&shared, &id) {
            Some(session) => {
                let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
                (status, Html(page::session(&session, &card.number, Some(error.message())))).into_response()
            }
            None => not_found(),
        },
    }
}

fn present_card(shared: &Arc<Shared>, id: &str, number: &str, name: Option<&str>) -> Result<Step, ApiError> {
    let account = owner(shared, "checkout.session", id);
    shared.call(account, Params::default(), |call| checkout_sessions::pay(call, id, number, name))
}

/// To the shop, or to a page that says "paid" when the shop named none.
fn after_payment(session: &Value) -> Response {
    match return_to(session) {
        Some(url) => Redirect::to(&url).into_response(),
        None => Html(page::session(session, "", None)).into_response(),
    }
}

fn return_to(session: &Value) -> Option<String> {
    let id = session["id"].as_str().unwrap_or_default();
    Some(session["success_url"].as_str()?.replace("{CHECKOUT_SESSION_ID}", id))
}

fn second_step_path(intent: &Value) -> String {
    format!("/c/authenticate/{}", intent["id"].as_str().unwrap_or_default())
}

fn intent(shared: &Arc<Shared>, id: &str) -> Option<Value> {
    let account = owner(shared, "payment_intent", id);
    shared.call(account, Params::default(), |call| call.load("payment_intent", id).ok())
}

async fn show_second_step(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Response {
    match intent(&shared, &id) {
        Some(intent) => Html(page::second_step(&intent)).into_response(),
        None => not_found(),
    }
}

async fn take_second_step(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Form(step): Form<SecondStep>,
) -> Response {
    let Some(before) = intent(&shared, &id) else { return not_found() };
    let outcome = second_step(&shared, &before, step.outcome == "complete");
    match (before["_session"].as_str(), outcome) {
        (Some(_), Ok(session)) => after_payment(&session),
        (Some(session), Err(error)) => {
            let text = page::url_encoded(error.message());
            Redirect::to(&format!("/c/pay/{session}?error={text}")).into_response()
        }
        (None, outcome) => match before["next_action"]["redirect_to_url"]["return_url"].as_str() {
            Some(url) => {
                let joint = if url.contains('?') { '&' } else { '?' };
                let state = if outcome.is_ok() { "succeeded" } else { "failed" };
                Redirect::to(&format!("{url}{joint}payment_intent={id}&redirect_status={state}")).into_response()
            }
            None => Html(page::second_step(&intent(&shared, &id).unwrap_or(before))).into_response(),
        },
    }
}

/// Answers the session for a session's payment, else the payment.
fn second_step(shared: &Arc<Shared>, intent: &Value, passed: bool) -> Result<Value, ApiError> {
    let id = intent["id"].as_str().unwrap_or_default();
    let account = owner(shared, "payment_intent", id);
    shared.call(account, Params::default(), |call| match intent["_session"].as_str() {
        Some(session) => checkout_sessions::authenticate(call, session, id, passed),
        None => payment_intents::authenticate(call, id, passed),
    })
}

/// Pays a session with a card; `second_step` says how to take it, or to leave it.
pub(super) fn pay(shared: &Arc<Shared>, id: &str, card: &str, second_step_passes: Option<bool>) -> Payment {
    match try_to_pay(shared, id, card, second_step_passes) {
        Ok(payment) => payment,
        Err(error) if error.status == 402 => {
            Payment::Declined(error.details()["code"].as_str().unwrap_or_default().to_owned())
        }
        Err(_) => Payment::Closed,
    }
}

fn try_to_pay(shared: &Arc<Shared>, id: &str, card: &str, passes: Option<bool>) -> Result<Payment, ApiError> {
    let paid = |session: &Value| Payment::Succeeded(session["payment_intent"].as_str().unwrap_or_default().to_owned());
    match (present_card(shared, id, card, None)?, passes) {
        (Step::Paid(session), _) => Ok(paid(&session)),
        (Step::Authenticate(intent), Some(passed)) => Ok(paid(&second_step(shared, &intent, passed)?)),
        (Step::Authenticate(intent), None) => {
            Ok(Payment::RequiresAction(intent["id"].as_str().unwrap_or_default().to_owned()))
        }
    }
}

async fn pay_by_script(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Json(card): Json<ScriptedCard>,
) -> Response {
    match try_to_pay(&shared, &id, &card.card, card.authenticate) {
        Ok(Payment::RequiresAction(intent)) => {
            let url = format!("{}/c/authenticate/{intent}", shared.base_url);
            Json(json!({ "status": "requires_action", "paymentIntent": intent, "authenticateUrl": url }))
                .into_response()
        }
        Ok(payment) => {
            let intent = match payment {
                Payment::Succeeded(intent) => Some(intent).filter(|intent| !intent.is_empty()),
                _ => None,
            };
            let redirect = session(&shared, &id).as_ref().and_then(return_to);
            Json(json!({ "status": "succeeded", "paymentIntent": intent, "redirectUrl": redirect })).into_response()
        }
        Err(error) => match error.status {
            402 => server::refusal(StatusCode::PAYMENT_REQUIRED, "declined", &error),
            404 => server::refusal(StatusCode::NOT_FOUND, "not_found", &error),
            _ => server::refusal(StatusCode::CONFLICT, "closed", &error),
        },
    }
}

/// Holds a card to the phone: what a person does where this cloud has neither.
async fn tap_by_script(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Json(card): Json<ScriptedCard>,
) -> Response {
    let account = owner(&shared, "payment_intent", &id);
    match shared.call(account, Params::default(), |call| terminal::tap(call, &id, &card.card)) {
        Ok(intent) => Json(json!({ "status": "succeeded", "paymentIntent": intent["id"] })).into_response(),
        Err(error) => match error.status {
            402 => server::refusal(StatusCode::PAYMENT_REQUIRED, "declined", &error),
            404 => server::refusal(StatusCode::NOT_FOUND, "not_found", &error),
            _ => server::refusal(StatusCode::CONFLICT, "closed", &error),
        },
    }
}

async fn show_receipt(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Response {
    let account = owner(&shared, "charge", &id);
    let Ok(charge) = shared.call(account, Params::default(), |call| call.load("charge", &id)) else {
        return not_found();
    };
    let currency = charge["currency"].as_str().unwrap_or_default();
    let amount = super::money::shown(charge["amount"].as_i64().unwrap_or_default(), currency);
    Html(page::notice("Receipt", &format!("{amount} was paid."), None)).into_response()
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, Html(page::notice("Not found", "There is no such payment page.", None))).into_response()
}
