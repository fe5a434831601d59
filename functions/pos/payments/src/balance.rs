//! The money of an organization's account at Stripe, in major units (contract `pos.md` §10).

use axum::extract::State;
use domain::pos::connect::ConnectedAccount;
use http::StatusCode;
use payments::{
    Stripe, StripeError,
    connect::{Amount, Balance},
};
use runtime::{
    ApiError, Ctx, Json,
    openapi::{PosError, PosSessionErrors},
    session::{self, Manager, User},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::connect::no_account;

/// An amount in one currency.
#[derive(Serialize, ToSchema)]
pub(crate) struct AmountOut {
    /// Major units.
    pub(crate) amount: f64,
    /// Lower case, `usd`.
    pub(crate) currency: String,
}

impl From<&Amount> for AmountOut {
    fn from(amount: &Amount) -> Self {
        AmountOut { amount: amount.amount.to_major(), currency: amount.currency.code().to_ascii_lowercase() }
    }
}

/// The money of an account, by currency.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BalanceOut {
    /// What can be paid out.
    available: Vec<AmountOut>,
    /// What comes later.
    pending: Vec<AmountOut>,
    /// What can be paid out within minutes.
    instant_available: Vec<AmountOut>,
}

impl From<Balance> for BalanceOut {
    fn from(balance: Balance) -> Self {
        let amounts = |amounts: &[Amount]| amounts.iter().map(AmountOut::from).collect();
        BalanceOut {
            available: amounts(&balance.available),
            pending: amounts(&balance.pending),
            instant_available: amounts(&balance.instant_available.unwrap_or_default()),
        }
    }
}

/// An account, and Stripe in its name.
pub(crate) struct Purse {
    pub(crate) account: ConnectedAccount,
    pub(crate) stripe: Stripe,
}

impl Purse {
    /// 404 when the organization has no account.
    pub(crate) async fn of(ctx: &Ctx, user: &User) -> Result<Self, ApiError> {
        let account = ctx.store().pos().load_terms(user.org).await?.account.ok_or_else(no_account)?;
        let stripe = ctx.stripe().ok_or(StripeError::NotConfigured { message: "no key" })?;
        Ok(Purse { stripe: stripe.on_account(&account.account), account })
    }

    /// 403 when it may not be paid out (yet).
    pub(crate) fn expect_payouts(&self) -> Result<(), ApiError> {
        if self.account.payouts_enabled {
            return Ok(());
        }
        let text = "Payouts are not enabled for this account";
        Err(ApiError::new(StatusCode::FORBIDDEN, "PAYOUTS_NOT_ENABLED", text))
    }
}

/// The account's balance.
#[utoipa::path(get, path = "/pos/stripe/connect/balance", tag = "pos connect", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))),
    responses(
        (status = 200, body = BalanceOut),
        (status = 404, body = PosError, description = "`NO_CONNECTED_ACCOUNT`"),
        PosSessionErrors,
    ))]
pub(crate) async fn get_balance(State(ctx): State<Ctx>, manager: Manager) -> Result<Json<BalanceOut>, ApiError> {
    let purse = Purse::of(&ctx, &manager).await?;
    purse.expect_payouts()?;
    Ok(Json(purse.stripe.retrieve_balance().await?.into()))
}
