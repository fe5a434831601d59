//! Payouts: money of an organization's account on its way to its bank, in major units (contract `pos.md` §10).

use axum::extract::State;
use domain::{
    ids::OrgId,
    money::Cents,
    pos::connect::{largest_payout, payout_fee},
};
use garde::Validate;
use http::StatusCode;
use jiff::SignedDuration;
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

/// Stripe knows an idempotency key for 24 hours; an hour less, for what is on its way.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(23);

/// How far Stripe's clock may be behind ours.
const CLOCKS: SignedDuration = SignedDuration::from_hours(1);

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
    // A payout that failed may be why there are no more: its reason is told all the same.
    let purse = Purse::of(&ctx, &manager).await?;
    let after = query.starting_after.as_deref().filter(|after| !after.is_empty());
    let page = purse.stripe.list_payouts(query.limit.unwrap_or(25), after).await.map_err(|error| match error {
        StripeError::NotFound => ApiError::invalid("starting_after", "is no payout of this account"),
        error => error.into(),
    })?;
    Ok(Json(PayoutsOut { data: page.data.into_iter().map(PayoutOut::from).collect(), has_more: page.has_more }))
}

/// Pays out. An `Idempotency-Key` pays out once, for ever: a repeat is answered with the same payout as it is by then, whatever
/// the balance is.
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
    let request = match &key {
        Some(key) => find_request(&ctx, manager.org, key, &input).await?,
        None => None,
    };
    if let (Some(key), Some(request)) = (&key, &request)
        && let Some(made) = find_made(&ctx, &purse, key, request).await?
    {
        return Ok(Json((&made).into()));
    }
    purse.expect_payouts()?;
    let amount = match request {
        Some(request) => request.amount,
        None => decide_amount(&ctx, &purse, key.as_deref(), &input).await?,
    };
    let made = pay_out(&purse, key.clone(), amount, input).await?;
    if let Some(key) = &key {
        note(&ctx, manager.org, key, &made).await;
    }
    Ok(Json((&made).into()))
}

/// Has Stripe pay out: once for each key, as long as Stripe remembers it.
async fn pay_out(purse: &Purse, key: Option<String>, amount: Cents, input: PayoutIn) -> Result<Payout, ApiError> {
    let org = purse.account.org;
    let name = key.clone().unwrap_or_else(|| Uuid::new_v4().to_string());
    let payout = NewPayout {
        amount,
        currency: purse.account.currency,
        instant: input.method.unwrap_or_default() == Speed::Instant,
        description: input.description.filter(|text| !text.is_empty()),
        request: key,
    };
    let made = purse.stripe.create_payout(&payout, &format!("payout:{org}:{name}")).await;
    let made = made.map_err(|error| match error {
        StripeError::Invalid { code, .. } if code.as_deref() == Some("balance_insufficient") => insufficient(),
        error => error.into(),
    })?;
    tracing::info!(%org, payout = made.id, amount = %made.amount, "paid out");
    Ok(made)
}

/// What was asked for under this key before. 422 when that was something else.
async fn find_request(ctx: &Ctx, org: OrgId, key: &str, input: &PayoutIn) -> Result<Option<PayoutRequest>, ApiError> {
    let request = ctx.store().pos().find_payout_request(org, key).await?;
    request.map(|request| expect_same(request, &fingerprint(input))).transpose()
}

fn expect_same(request: PayoutRequest, fingerprint: &str) -> Result<PayoutRequest, ApiError> {
    if request.fingerprint == fingerprint {
        return Ok(request);
    }
    let text = "This Idempotency-Key was used for another request";
    Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "IDEMPOTENCY_KEY_REUSED", text))
}

/// The payout that came of a request, where Stripe's own memory of the key does not tell: it is on the row, or, where whoever
/// made it died before they noted it, among the account's payouts. Nothing when it is to be made, as if for the first time.
async fn find_made(ctx: &Ctx, purse: &Purse, key: &str, request: &PayoutRequest) -> Result<Option<Payout>, ApiError> {
    if let Some(payout) = &request.payout {
        return Ok(Some(purse.stripe.retrieve_payout(payout).await?));
    }
    if ctx.now().duration_since(request.asked_at) < REMEMBERED {
        return Ok(None);
    }
    let made = purse.stripe.find_payout(key, request.asked_at - CLOCKS).await?;
    if let Some(made) = &made {
        note(ctx, purse.account.org, key, made).await;
    }
    Ok(made)
}

/// Where this fails, the payout is found by [`find_made`] all the same.
async fn note(ctx: &Ctx, org: OrgId, key: &str, made: &Payout) {
    if let Err(error) = ctx.store().pos().note_payout(org, key, &made.id).await {
        tracing::warn!(%org, payout = made.id, %error, "a payout is not noted on its request");
    }
}

/// What is paid out: what is asked for, or all, if the balance bears it; what was decided under this key meanwhile comes first.
async fn decide_amount(ctx: &Ctx, purse: &Purse, key: Option<&str>, input: &PayoutIn) -> Result<Cents, ApiError> {
    let instant = input.method.unwrap_or_default() == Speed::Instant;
    let available = purse.stripe.retrieve_balance().await?.available_in(purse.account.currency, instant);
    let largest = largest_payout(available, instant);
    let amount = input.amount.map_or(Ok(largest), Cents::from_major);
    let amount = amount.map_err(|error| ApiError::invalid("amount", error.to_string()))?;
    if amount > largest || amount.is_zero() {
        return Err(insufficient());
    }
    let Some(key) = key else { return Ok(amount) };
    let fingerprint = fingerprint(input);
    let request = PayoutRequest { fingerprint: fingerprint.clone(), amount, asked_at: ctx.now(), payout: None };
    let decided = ctx.store().pos().save_payout_request(purse.account.org, key, &request).await?;
    Ok(expect_same(decided, &fingerprint)?.amount)
}

fn insufficient() -> ApiError {
    ApiError::bad_request("INSUFFICIENT_BALANCE", "The available balance is not sufficient")
}
