//! An organization's account at Stripe: from its opening to its first payment (contract `pos.md` §10).

use axum::extract::State;
use domain::{
    member::{Org, Role},
    pos::connect::{ConnectedAccount, OnboardingState},
};
use garde::Validate;
use payments::{
    StripeError,
    connect::{Connect, ConnectError, LinkUrls, NewAccount},
};
use runtime::{
    ApiError, Ctx, Json,
    openapi::{PosError, PosSessionErrors},
    session::{self, Manager, Owner, User},
};
use serde::{Deserialize, Serialize};
use store::pos::org::Terms;
use utoipa::ToSchema;

/// What the owner is.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum BusinessType {
    Individual,
    Company,
}

/// For whom an account is opened.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountIn {
    /// Two letters; `US` where nothing is said. An account stays in its country.
    #[garde(custom(check_country))]
    #[schema(pattern = "^[A-Za-z]{2}$")]
    country: Option<String>,
    /// Stripe asks, where nothing is said.
    #[garde(skip)]
    business_type: Option<BusinessType>,
}

fn check_country(country: &Option<String>, _: &()) -> garde::Result {
    let two_letters = |text: &String| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    if country.as_ref().is_none_or(two_letters) { Ok(()) } else { Err(garde::Error::new("must be two letters")) }
}

/// How far an organization is on its way to taking cards. Without an account all is false and `not_started`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatusOut {
    has_connected_account: bool,
    /// The state is `active`.
    onboarding_complete: bool,
    /// `not_started`, `incomplete`, `pending_verification`, `active`, `restricted`, `disabled`.
    onboarding_state: &'static str,
    /// Cards may be taken.
    charges_enabled: bool,
    /// Money may be paid out.
    payouts_enabled: bool,
    details_submitted: bool,
    /// What Stripe wants to know, in Stripe's words.
    requirements_currently_due: Vec<String>,
    /// What it wanted to know before.
    requirements_past_due: Vec<String>,
    disabled_reason: Option<String>,
    business_name: Option<String>,
    external_account_last4: Option<String>,
    external_account_bank_name: Option<String>,
    /// Lower case, `usd`.
    default_currency: Option<String>,
    /// Upper case, `US`.
    country: Option<String>,
}

impl From<Option<ConnectedAccount>> for StatusOut {
    fn from(account: Option<ConnectedAccount>) -> Self {
        let state = account.as_ref().map_or(OnboardingState::NotStarted, ConnectedAccount::onboarding_state);
        let is = |switch: fn(&ConnectedAccount) -> bool| account.as_ref().is_some_and(switch);
        StatusOut {
            has_connected_account: account.is_some(),
            onboarding_complete: state == OnboardingState::Active,
            onboarding_state: state.as_str(),
            charges_enabled: is(|account| account.charges_enabled),
            payouts_enabled: is(|account| account.payouts_enabled),
            details_submitted: is(|account| account.details_submitted),
            default_currency: account.as_ref().map(|account| account.currency.code().to_ascii_lowercase()),
            country: account.as_ref().map(|account| account.country.clone()),
            requirements_currently_due: account.as_ref().map(|a| a.currently_due.clone()).unwrap_or_default(),
            requirements_past_due: account.as_ref().map(|a| a.past_due.clone()).unwrap_or_default(),
            disabled_reason: account.as_ref().and_then(|a| a.disabled_reason.clone()),
            business_name: account.as_ref().and_then(|a| a.business_name.clone()),
            external_account_last4: account.as_ref().and_then(|a| a.bank_last4.clone()),
            external_account_bank_name: account.and_then(|a| a.bank_name),
        }
    }
}

/// An account, and where its owner introduces the business.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountOut {
    /// `acct_…`.
    account_id: String,
    /// A page of Stripe's; good once, for some minutes.
    onboarding_url: String,
}

/// Where the owner introduces the business.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LinkOut {
    /// A page of Stripe's; good once, for some minutes.
    onboarding_url: String,
}

/// What Stripe says now.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RefreshOut {
    /// As in the status.
    onboarding_state: &'static str,
    charges_enabled: bool,
    payouts_enabled: bool,
}

pub(crate) fn connect(ctx: &Ctx) -> Connect<'_> {
    Connect { store: ctx.store(), stripe: ctx.stripe(), now: ctx.now() }
}

pub(crate) fn no_account() -> ApiError {
    ApiError::not_found("NO_CONNECTED_ACCOUNT", "No connected account found")
}

pub(crate) fn refuse(error: ConnectError) -> ApiError {
    match error {
        ConnectError::Stripe(StripeError::Invalid { message, code })
            if code.as_deref() == Some("country_unsupported") =>
        {
            ApiError::invalid("country", message)
        }
        ConnectError::Stripe(error) => error.into(),
        ConnectError::Store(error) => error.into(),
    }
}

/// The caller's organization, and on which terms it takes cards.
pub(crate) async fn load_org(ctx: &Ctx, user: &User) -> Result<(Org, Terms), ApiError> {
    let found = ctx.store().pos().load_org(user.org).await?;
    found.ok_or_else(|| ApiError::internal("a member's organization is not there"))
}

/// The organization's account, opened if there is none.
async fn open_account(ctx: &Ctx, user: &User, input: &AccountIn) -> Result<ConnectedAccount, ApiError> {
    let (org, terms) = load_org(ctx, user).await?;
    if let Some(account) = terms.account {
        return Ok(account);
    }
    let new = NewAccount {
        org: user.org,
        name: org.name,
        email: user.member.email.clone(),
        country: input.country.as_deref().unwrap_or("US").to_ascii_uppercase(),
        business_type: input.business_type.map(|kind| match kind {
            BusinessType::Individual => "individual",
            BusinessType::Company => "company",
        }),
    };
    connect(ctx).open_account(&new).await.map_err(refuse)
}

async fn create_link(ctx: &Ctx, account: &ConnectedAccount) -> Result<String, ApiError> {
    let urls = LinkUrls::of(&ctx.settings().dashboard_url);
    connect(ctx).create_onboarding_link(account, &urls).await.map_err(refuse)
}

/// How far the organization is on its way to taking cards. Stripe is asked when a link was given out since, or five minutes
/// after it was last asked.
#[utoipa::path(get, path = "/pos/stripe/connect/status", tag = "pos connect", security(("bearer" = [])),
    extensions(("x-role" = json!(session::USER))),
    responses((status = 200, body = StatusOut), PosSessionErrors))]
pub(crate) async fn get_status(State(ctx): State<Ctx>, user: User) -> Result<Json<StatusOut>, ApiError> {
    let account = match ctx.store().pos().load_terms(user.org).await?.account {
        Some(account) => Some(connect(&ctx).current_account(account).await),
        None => None,
    };
    Ok(Json(account.into()))
}

/// Opens the organization's account, or finds it: one for ever. The link is a new one each time.
#[utoipa::path(post, path = "/pos/stripe/connect/create-account", tag = "pos connect", security(("bearer" = [])),
    extensions(("x-role" = json!(session::OWNER))), request_body = AccountIn,
    responses((status = 200, body = AccountOut), PosSessionErrors))]
pub(crate) async fn create_account(
    State(ctx): State<Ctx>,
    owner: Owner,
    Json(input): Json<AccountIn>,
) -> Result<Json<AccountOut>, ApiError> {
    let account = open_account(&ctx, &owner, &input).await?;
    let onboarding_url = create_link(&ctx, &account).await?;
    Ok(Json(AccountOut { account_id: account.account, onboarding_url }))
}

/// A new link to the page on which the business is introduced. The owner's first one opens the account too.
#[utoipa::path(post, path = "/pos/stripe/connect/onboarding-link", tag = "pos connect", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))),
    responses(
        (status = 200, body = LinkOut),
        (status = 404, body = PosError, description = "`NO_CONNECTED_ACCOUNT`, and only the owner opens one"),
        PosSessionErrors,
    ))]
pub(crate) async fn create_onboarding_link(
    State(ctx): State<Ctx>,
    manager: Manager,
) -> Result<Json<LinkOut>, ApiError> {
    let account = if manager.role == Role::Superadmin {
        open_account(&ctx, &manager, &AccountIn { country: None, business_type: None }).await?
    } else {
        ctx.store().pos().load_terms(manager.org).await?.account.ok_or_else(no_account)?
    };
    Ok(Json(LinkOut { onboarding_url: create_link(&ctx, &account).await? }))
}

/// Asks Stripe how the account stands.
#[utoipa::path(post, path = "/pos/stripe/connect/refresh-status", tag = "pos connect", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))),
    responses(
        (status = 200, body = RefreshOut),
        (status = 404, body = PosError, description = "`NO_CONNECTED_ACCOUNT`"),
        PosSessionErrors,
    ))]
pub(crate) async fn refresh_status(State(ctx): State<Ctx>, manager: Manager) -> Result<Json<RefreshOut>, ApiError> {
    let account = ctx.store().pos().load_terms(manager.org).await?.account.ok_or_else(no_account)?;
    let account = connect(&ctx).refresh_account(&account).await.map_err(refuse)?;
    Ok(Json(RefreshOut {
        onboarding_state: account.onboarding_state().as_str(),
        charges_enabled: account.charges_enabled,
        payouts_enabled: account.payouts_enabled,
    }))
}
