//! The billing portal: a page on which a customer changes the card, cancels and resumes; and the same for scripts.

use std::sync::Arc;

use axum::{
    Form, Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Shared,
    call::{Answer, Call, Verb, rendered},
    error::ApiError,
    form::Params,
    owner, page, server,
    store::new_id,
    subscriptions,
};

/// How long a page may be opened after it was asked for, seconds.
const LIFETIME: i64 = 300;

/// The object's type.
const SESSION: &str = "billing_portal.session";

/// The page's and scripts' routes.
pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/p/session/{id}", get(show).post(submit))
        .route("/invoices/{id}", get(show_invoice))
        .route("/invoices/{id}/pdf", get(show_invoice))
        .route("/_local/subscriptions/{id}", post(change_by_script))
}

/// `/v1/billing_portal/sessions`
pub fn route(call: &mut Call<'_>, verb: Verb, path: &[&str]) -> Option<Answer> {
    match (verb, path) {
        (Verb::Post, ["sessions"]) => Some(create(call)),
        _ => None,
    }
}

fn create(call: &mut Call<'_>) -> Answer {
    call.params.only(&["configuration", "customer", "flow_data", "locale", "on_behalf_of", "return_url"])?;
    let customer = call.params.required("customer")?.to_owned();
    call.load("customer", &customer)?;
    let id = new_id("bps_1");
    let session = json!({
        "id": id,
        "object": SESSION,
        "configuration": "bpc_1Fairground",
        "created": call.now,
        "customer": customer,
        "flow": null,
        "livemode": false,
        "locale": null,
        "on_behalf_of": null,
        "return_url": call.params.text("return_url")?,
        "url": format!("{}/p/session/{id}", call.base_url),
    });
    call.put(&session);
    Ok(session)
}

/// What is done on the page.
#[derive(Deserialize)]
struct Deed {
    action: Action,
    #[serde(default)]
    number: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    /// To the end of the period.
    Cancel,
    /// After all.
    Resume,
    /// Another card.
    Card,
}

/// A page that may still be opened, and its customer's newest subscription that runs.
fn opened(call: &mut Call<'_>, id: &str) -> Result<(Value, Option<Value>), ApiError> {
    let session = call.load(SESSION, id)?;
    if session["created"].as_i64().unwrap_or_default() + LIFETIME < call.now {
        return Err(ApiError::invalid("This page has expired."));
    }
    let running = |row: &&Value| row["customer"] == session["customer"] && row["status"] != "canceled";
    let subscription = call.data().rows("subscription").iter().rev().find(running).cloned();
    Ok((session, subscription))
}

fn in_portal<T>(
    shared: &Arc<Shared>,
    id: &str,
    step: impl FnOnce(&mut Call<'_>) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    shared.call(owner(shared, SESSION, id), Params::default(), step)
}

async fn show(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Response {
    render(&shared, &id, None)
}

fn render(shared: &Arc<Shared>, id: &str, error: Option<&str>) -> Response {
    let shown = in_portal(shared, id, |call| {
        let (session, subscription) = opened(call, id)?;
        let method = subscription.as_ref().and_then(|known| known["default_payment_method"].as_str());
        let card = method.map(str::to_owned).and_then(|method| call.load("payment_method", &method).ok());
        Ok(page::portal(&session, subscription.as_ref(), card.as_ref(), error))
    });
    match shown {
        Ok(html) => Html(html).into_response(),
        Err(error) => (StatusCode::NOT_FOUND, Html(page::notice("Not found", error.message(), None))).into_response(),
    }
}

async fn submit(State(shared): State<Arc<Shared>>, Path(id): Path<String>, Form(deed): Form<Deed>) -> Response {
    let done = in_portal(&shared, &id, |call| {
        let (_, subscription) = opened(call, &id)?;
        let subscription = subscription.ok_or_else(|| ApiError::invalid("There is no subscription."))?;
        let subscription = subscription["id"].as_str().unwrap_or_default().to_owned();
        match deed.action {
            Action::Card => subscriptions::set_card(call, &subscription, &deed.number),
            action => subscriptions::set_ending(call, &subscription, action == Action::Cancel),
        }
    });
    render(&shared, &id, done.err().as_ref().map(ApiError::message))
}

async fn show_invoice(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Response {
    let account = owner(&shared, "invoice", &id);
    match shared.call(account, Params::default(), |call| call.load("invoice", &id)) {
        Ok(invoice) => Html(page::invoice(&invoice)).into_response(),
        Err(_) => {
            (StatusCode::NOT_FOUND, Html(page::notice("Not found", "There is no such invoice.", None))).into_response()
        }
    }
}

/// What a script does to a subscription.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Change {
    /// Gives it this card, whatever that does when it is charged.
    card: Option<String>,
    /// Ends the current period, or trial, now: it is renewed, or not paid, or ended.
    end_period: bool,
}

/// `POST /_local/subscriptions/{id}`: what time would do, and a card that will be declined then.
async fn change_by_script(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Json(change): Json<Change>,
) -> Response {
    let account = owner(&shared, "subscription", &id);
    let done = shared.call(account, Params::default(), |call| {
        if let Some(number) = &change.card {
            subscriptions::set_card(call, &id, number)?;
        }
        if change.end_period {
            subscriptions::end_period(call, &id)?;
        }
        call.load("subscription", &id)
    });
    match done {
        Ok(subscription) => Json(rendered(subscription)).into_response(),
        Err(error) => server::refusal(StatusCode::NOT_FOUND, "not_found", &error),
    }
}
