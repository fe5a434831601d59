//! Payouts: money of an organization's account on its way to its bank, in major units (contract `pos.md` §10).

use axum::extract::State;
use domain::{
    money::Cents,
    pos::connect::{largest_payout, payout_fee},
};
use garde::Validate;
use http::StatusCode;
use payments::{
    StripeError,
    connect::{ExternalAccount, NewPayout, Payout},
};
use runtime::{
    ApiError, Ctx, IdempotencyKey, Json, Query,
    extract::fingerprint,
    openapi::{PosError, PosSessionErrors},
    session::{self, Manager},
};
use serde::{Deserialize, Serialize};
use store::pos::org::PayoutRequest;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::balance::Purse;

/// How fast it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Speed {
    /// Some days.
    #[default]
    Standard,
    /// Some minutes, for 1 %.
    Instant,
}

/// What is to be paid out.
#[derive(Deserialize, Serialize, Validate, ToSchema)]
pub(crate) struct PayoutIn {
    /// Major units; all that is available where nothing is said.
    #[garde(custom(check_amount))]
    #[schema(exclusive_minimum = 0.0, maximum = 10_000_000)]
    amount: Option<f64>,
    /// `standard` where nothing is said.
    #[garde(skip)]
    method: Option<Speed>,
    /// A note.
    #[garde(inner(length(chars, max = 255)))]
    #[schema(max_length = 255)]
    description: Option<String>,
}

fn check_amount(amount: &Option<f64>, _: &()) -> garde::Result {
    match amount.map(Cents::from_major) {
        None => Ok(()),
        Some(Ok(cents)) if cents > Cents::ZERO => Ok(()),
        Some(Ok(_)) => Err(garde::Error::new("must be above zero")),
        Some(Err(error)) => Err(garde::Error::new(error.to_string())),
    }
}

/// A payout that was made.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MadeOut {
    /// `po_…`.
    id: String,
    /// Major units.
    amount: f64,
    /// Lower case, `usd`.
    currency: String,
    /// Stripe's word: `pending`, `in_transit`, `paid`, `failed`, `canceled`.
    status: String,
    /// `standard` or `instant`.
    method: String,
    /// Unix seconds.
    arrival_date: i64,
    /// Unix seconds.
    created: i64,
    /// Major units; what an instant one costs besides.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    fee: Option<f64>,
}

/// A payout.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PayoutOut {
    #[serde(flatten)]
    made: MadeOut,
    description: Option<String>,
    /// Stripe's code.
    failure_code: Option<String>,
    failure_message: Option<String>,
    /// Stripe made it on its own.
    automatic: bool,
    destination: Option<DestinationOut>,
}

/// Where a payout goes.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct DestinationOut {
    last4: Option<String>,
    bank_name: Option<String>,
    /// `bank_account` or `card`.
    #[serde(rename = "type")]
    kind: String,
}

/// Payouts, newest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PayoutsOut {
    data: Vec<PayoutOut>,
    has_more: bool,
}

/// Which payouts.
#[derive(Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PayoutsQuery {
    /// 1 to 100; 25 where nothing is said.
    #[garde(inner(range(min = 1, max = 100)))]
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u8>,
    /// The last one that was seen.
    #[garde(inner(length(max = 255)))]
    #[param(max_length = 255)]
    starting_after: Option<String>,
}

impl From<&Payout> for MadeOut {
    fn from(payout: &Payout) -> Self {
        let fee = payout_fee(payout.amount, payout.method == "instant");
        MadeOut {
            id: payout.id.clone(),
            amount: payout.amount.to_major(),
            currency: payout.currency.code().to_ascii_lowercase(),
            status: payout.status.clone(),
            method: payout.method.clone(),
            arrival_date: payout.arrival_date,
            created: payout.created,
            fee: (!fee.is_zero()).then(|| fee.to_major()),
        }
    }
}

impl From<Payout> for PayoutOut {
    fn from(payout: Payout) -> Self {
        let destination =
            |to: ExternalAccount| DestinationOut { last4: to.last4, bank_name: to.bank_name, kind: to.object };
        PayoutOut {
            made: (&payout).into(),
            description: payout.description,
            failure_code: payout.failure_code,
            failure_message: payout.failure_message,
            automatic: payout.automatic,
            destination: payout.destination.map(destination),
        }
    }
}

/// The account's payouts.
#[utoipa::path(get, path = "/pos/stripe/connect/payouts", tag = "pos connect", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))), params(PayoutsQuery),
    responses(
        (status = 200, body = PayoutsOut),
        (status = 404, body = PosError, description = "`NO_CONNECTED_ACCOUNT`"),
        PosSessionErrors,
    ))]
pub(crate) async fn list_payouts(
    State(ctx): State<Ctx>,
    manager: Manager,
    Query(query): Query<PayoutsQuery>,
) -> Result<Json<PayoutsOut>, ApiError> {
    let purse = Purse::of(&ctx, &manager).await?;
    let after = query.starting_after.as_deref().filter(|after| !after.is_empty());
    let page = purse.stripe.list_payouts(query.limit.unwrap_or(25), after).await.map_err(|error| match error {
        StripeError::NotFound => ApiError::invalid("starting_after", "is no payout of this account"),
        error => error.into(),
    })?;
    Ok(Json(PayoutsOut { data: page.data.into_iter().map(PayoutOut::from).collect(), has_more: page.has_more }))
}

/// Pays out. An `Idempotency-Key` pays out once: a repeat is answered with the same payout, whatever the balance is by then.
#[utoipa::path(post, path = "/pos/stripe/connect/payouts", tag = "pos connect", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))), request_body = PayoutIn,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable characters")),
    responses(
        (status = 200, body = MadeOut),
        (status = 404, body = PosError, description = "`NO_CONNECTED_ACCOUNT`"),
        (status = 422, body = PosError, description = "`IDEMPOTENCY_KEY_REUSED`"),
        PosSessionErrors,
    ))]
pub(crate) async fn create_payout(
    State(ctx): State<Ctx>,
    manager: Manager,
    key: IdempotencyKey,
    Json(input): Json<PayoutIn>,
) -> Result<Json<MadeOut>, ApiError> {
    let purse = Purse::of(&ctx, &manager).await?;
    let key = key.hash();
    let amount = decide_amount(&ctx, &purse, key.as_deref(), &input).await?;
    let payout = NewPayout {
        amount,
        currency: purse.account.currency,
        instant: input.method.unwrap_or_default() == Speed::Instant,
        description: input.description.filter(|text| !text.is_empty()),
    };
    let key = key.unwrap_or_else(|| Uuid::new_v4().to_string());
    let made = purse.stripe.create_payout(&payout, &format!("payout:{}:{key}", manager.org)).await;
    let made = made.map_err(|error| match error {
        StripeError::Invalid { code, .. } if code.as_deref() == Some("balance_insufficient") => insufficient(),
        error => error.into(),
    })?;
    tracing::info!(org = %manager.org, payout = made.id, amount = %made.amount, "paid out");
    Ok(Json((&made).into()))
}

/// What is paid out: what was decided under this key before; else what is asked for, or all, if the balance bears it.
async fn decide_amount(ctx: &Ctx, purse: &Purse, key: Option<&str>, input: &PayoutIn) -> Result<Cents, ApiError> {
    let (pos, org) = (ctx.store().pos(), purse.account.org);
    let fingerprint = fingerprint(input);
    let mut decided = match key {
        Some(key) => pos.find_payout_request(org, key).await?,
        None => None,
    };
    if decided.is_none() {
        let instant = input.method.unwrap_or_default() == Speed::Instant;
        let available = purse.stripe.retrieve_balance().await?.available_in(purse.account.currency, instant);
        let largest = largest_payout(available, instant);
        let amount = input.amount.map_or(Ok(largest), Cents::from_major);
        let amount = amount.map_err(|error| ApiError::invalid("amount", error.to_string()))?;
        if amount > largest || amount.is_zero() {
            return Err(insufficient());
        }
        let Some(key) = key else { return Ok(amount) };
        let request = PayoutRequest { fingerprint: fingerprint.clone(), amount };
        decided = Some(pos.save_payout_request(org, key, &request).await?);
    }
    match decided {
        Some(request) if request.fingerprint == fingerprint => Ok(request.amount),
        _ => {
            let text = "This Idempotency-Key was used for another request";
            Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "IDEMPOTENCY_KEY_REUSED", text))
        }
    }
}

fn insufficient() -> ApiError {
    ApiError::bad_request("INSUFFICIENT_BALANCE", "The available balance is not sufficient")
}
