//! Onboarding: the page on which a business introduces itself, what Stripe then lets it do, and the same for scripts.

use std::sync::Arc;

use axum::{
    Form, Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Shared, account_links, accounts,
    call::{Call, rendered},
    error::ApiError,
    external_accounts,
    form::Params,
    page, server,
};

/// The page's and scripts' routes.
pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/setup/{account}/{link}", get(show).post(submit))
        .route("/_local/onboard/{account}", post(onboard_by_script))
        .route("/_local/accounts/{account}", post(change_by_script))
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Introduction {
    /// Stripe knows all that it wants to.
    #[default]
    Complete,
    /// Cards may be taken; there is no bank account to pay out to yet.
    WithoutBank,
    /// All is said, and Stripe still looks at it.
    InReview,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Answers {
    business_name: String,
    bank_last4: String,
    outcome: Introduction,
}

impl Default for Answers {
    fn default() -> Self {
        Answers { business_name: String::new(), bank_last4: "6789".into(), outcome: Introduction::default() }
    }
}

/// What an account is once Stripe knows all that it wants to.
pub fn complete(account: &mut Value, bank_last4: &str, now: i64) {
    external_accounts::attach(account, bank_last4);
    for switch in ["charges_enabled", "payouts_enabled", "details_submitted"] {
        account[switch] = json!(true);
    }
    account["capabilities"] = json!({ "card_payments": "active", "transfers": "active" });
    account["requirements"] = accounts::requirements(&[]);
    account["tos_acceptance"] = json!({ "date": now, "ip": "127.0.0.1", "user_agent": null });
    if account["business_type"].is_null() {
        account["business_type"] = json!("company");
    }
}

fn introduce(call: &mut Call<'_>, answers: &Answers) -> Result<Value, ApiError> {
    let mut account = accounts::own_object(call)?;
    let name = answers.business_name.trim();
    if !name.is_empty() {
        account["business_profile"]["name"] = json!(name);
    }
    complete(&mut account, &answers.bank_last4, call.now);
    match answers.outcome {
        Introduction::Complete => {}
        Introduction::WithoutBank => {
            account["payouts_enabled"] = json!(false);
            account["external_accounts"]["data"] = json!([]);
            account["external_accounts"]["total_count"] = json!(0);
            for list in ["currently_due", "eventually_due"] {
                account["requirements"][list] = json!(["external_account"]);
            }
        }
        Introduction::InReview => {
            account["charges_enabled"] = json!(false);
            account["payouts_enabled"] = json!(false);
            account["capabilities"] = json!({ "card_payments": "pending", "transfers": "pending" });
            account["requirements"]["pending_verification"] = json!(["representative.verification.document"]);
        }
    }
    accounts::save(call, &account);
    Ok(account)
}

fn in_account<T>(
    shared: &Arc<Shared>,
    account: &str,
    step: impl FnOnce(&mut Call<'_>) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    shared.call(super::store::PLATFORM.to_owned(), Params::default(), |call| {
        call.within(account, step).unwrap_or_else(|| Err(ApiError::account_invalid(account)))
    })
}

async fn show(State(shared): State<Arc<Shared>>, Path((account, id)): Path<(String, String)>) -> Response {
    let found = in_account(&shared, &account, |call| {
        Ok((call.load(account_links::LINK, &id)?, accounts::own_object(call)?, call.now))
    });
    match found {
        Ok((link, account, now)) if account_links::is_good(&link, now) => {
            Html(page::onboarding(&account, &id)).into_response()
        }
        Ok((link, ..)) => Redirect::to(link["refresh_url"].as_str().unwrap_or("/")).into_response(),
        Err(_) => not_found(),
    }
}

/// Stripe sends the browser back at once. Here it is shown the way, since there may be no portal to go back to.
async fn submit(
    State(shared): State<Arc<Shared>>,
    Path((account, id)): Path<(String, String)>,
    Form(answers): Form<Answers>,
) -> Response {
    let done = in_account(&shared, &account, |call| {
        let mut link = call.load(account_links::LINK, &id)?;
        if !account_links::is_good(&link, call.now) {
            return Ok(Err(link));
        }
        link["used"] = json!(true);
        call.put(&link);
        introduce(call, &answers)?;
        Ok(Ok(link))
    });
    match done {
        Ok(Ok(link)) => Html(page::notice("Thank you", "Stripe knows your business now.", link["return_url"].as_str()))
            .into_response(),
        Ok(Err(link)) => Redirect::to(link["refresh_url"].as_str().unwrap_or("/")).into_response(),
        Err(_) => not_found(),
    }
}

/// `POST /_local/onboard/{account}`: introduces it, as the page would.
async fn onboard_by_script(
    State(shared): State<Arc<Shared>>,
    Path(account): Path<String>,
    answers: Option<Json<Answers>>,
) -> Response {
    let answers = answers.map(|Json(answers)| answers).unwrap_or_default();
    reply(in_account(&shared, &account, |call| introduce(call, &answers)))
}

/// `POST /_local/accounts/{account}`: changes members of it, deeply, as Stripe might on its own: for states that no page
/// leads to.
async fn change_by_script(
    State(shared): State<Arc<Shared>>,
    Path(account): Path<String>,
    Json(changes): Json<Value>,
) -> Response {
    reply(in_account(&shared, &account, |call| {
        let mut account = accounts::own_object(call)?;
        merge(&mut account, &changes);
        accounts::save(call, &account);
        Ok(account)
    }))
}

fn merge(value: &mut Value, changes: &Value) {
    match (value, changes) {
        (Value::Object(members), Value::Object(changes)) => {
            for (name, change) in changes {
                merge(members.entry(name.clone()).or_insert(Value::Null), change);
            }
        }
        (value, changes) => *value = changes.clone(),
    }
}

fn reply(done: Result<Value, ApiError>) -> Response {
    match done {
        Ok(account) => Json(rendered(account)).into_response(),
        Err(error) => server::refusal(StatusCode::NOT_FOUND, "not_found", &error),
    }
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, Html(page::notice("Not found", "There is no such page.", None))).into_response()
}
