//! What a phone needs before it takes a card: the key, a location, a token (contract `pos.md` §9).

use axum::extract::State;
use domain::pos::{connect::ConnectedAccount, tier::Tier};
use garde::Validate;
use http::StatusCode;
use payments::{Stripe, StripeError, terminal::Address};
use runtime::{
    ApiError, Ctx, Json,
    extract::fingerprint,
    openapi::{PosError, PosErrors, PosSessionErrors},
    session::{self, User},
};
use serde::{Deserialize, Serialize};
use store::pos::org::Terms;
use utoipa::ToSchema;

/// The account that an organization takes cards with, and what that costs it.
pub(crate) struct Cards {
    pub(crate) account: ConnectedAccount,
    pub(crate) tier: Tier,
    /// Stripe, in the account's name.
    pub(crate) stripe: Stripe,
}

impl Cards {
    /// 404 when the organization has no account, 403 when it may not take payments (yet).
    pub(crate) async fn of(ctx: &Ctx, user: &User) -> Result<Self, ApiError> {
        Self::new(ctx, ctx.store().pos().load_terms(user.org).await?)
    }

    pub(crate) fn new(ctx: &Ctx, terms: Terms) -> Result<Self, ApiError> {
        let account =
            terms.account.ok_or_else(|| ApiError::not_found("NO_CONNECTED_ACCOUNT", "No connected account found"))?;
        if !account.charges_enabled {
            let text = "Payments are not enabled for this account";
            return Err(ApiError::new(StatusCode::FORBIDDEN, "PAYMENTS_NOT_ENABLED", text));
        }
        let stripe = ctx.stripe().ok_or(StripeError::NotConfigured { message: "no key" })?;
        let stripe = stripe.on_account(&account.account);
        let tier = terms.subscription.map(|subscription| subscription.effective_tier()).unwrap_or_default();
        Ok(Cards { account, tier, stripe })
    }

    /// The account's one location: made with the first call, the same ever after. Stripe makes one of requests that come
    /// together, by their key, and the account keeps the first.
    pub(crate) async fn location(&self, ctx: &Ctx, name: &str) -> Result<String, ApiError> {
        if let Some(location) = &self.account.location {
            return Ok(location.clone());
        }
        let ConnectedAccount { org, account, country, .. } = &self.account;
        let key = format!("location:{account}:{}", fingerprint(&name));
        let made = self.stripe.create_location(name, &address(country), &key).await?;
        Ok(ctx.store().pos().save_location(*org, account, &made.id).await?)
    }
}

/// Stripe wants an address, which nobody is asked for: a fairground is nowhere in particular. It is shown to nobody.
fn address(country: &str) -> Address {
    let (state, postal_code) = match country {
        "US" => (Some("CA"), Some("94103")),
        "CA" => (Some("ON"), Some("M5V 2T6")),
        "AU" => (Some("NSW"), Some("2000")),
        _ => (None, None),
    };
    Address {
        line1: "Fairground".to_owned(),
        city: "Fairground".to_owned(),
        state: state.map(str::to_owned),
        postal_code: postal_code.map(str::to_owned),
        country: country.to_owned(),
    }
}

/// What a location is called.
pub(crate) async fn location_name(ctx: &Ctx, user: &User) -> Result<(String, Terms), ApiError> {
    let found = ctx.store().pos().load_org(user.org).await?;
    let (org, terms) = found.ok_or_else(|| ApiError::internal("a member's organization is not there"))?;
    Ok((format!("{} - Tap to Pay", org.name), terms))
}

/// What every client may know.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConfigOut {
    /// `pk_…`; null where payments are not configured.
    publishable_key: Option<String>,
}

/// Where cards are taken.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LocationOut {
    /// `tml_…`.
    location_id: String,
    /// As a reader shows it.
    display_name: String,
}

/// For which readers a token is.
#[derive(Deserialize, Validate, ToSchema)]
pub(crate) struct TokenIn {
    /// `tml_…`; all readers when absent.
    #[garde(length(max = 100))]
    #[schema(max_length = 100)]
    location: Option<String>,
}

/// A token by which a phone or a reader connects.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenOut {
    /// Good once, for a short time.
    secret: String,
}

/// Stripe's publishable key.
#[utoipa::path(get, path = "/pos/stripe/config", tag = "pos terminal",
    responses((status = 200, body = ConfigOut), PosErrors))]
pub(crate) async fn get_config(State(ctx): State<Ctx>) -> Json<ConfigOut> {
    Json(ConfigOut { publishable_key: ctx.settings().stripe_publishable_key.clone() })
}

/// The organization's location, made with the first call.
#[utoipa::path(get, path = "/pos/stripe/terminal/location", tag = "pos terminal", security(("bearer" = [])),
    extensions(("x-role" = json!(session::USER))),
    responses(
        (status = 200, body = LocationOut),
        (status = 404, body = PosError, description = "NO_CONNECTED_ACCOUNT"),
        PosSessionErrors,
    ))]
pub(crate) async fn get_location(State(ctx): State<Ctx>, user: User) -> Result<Json<LocationOut>, ApiError> {
    let (display_name, terms) = location_name(&ctx, &user).await?;
    let location_id = Cards::new(&ctx, terms)?.location(&ctx, &display_name).await?;
    Ok(Json(LocationOut { location_id, display_name }))
}

/// A token by which a phone or a reader connects.
#[utoipa::path(post, path = "/pos/stripe/terminal/connection-token", tag = "pos terminal", security(("bearer" = [])),
    extensions(("x-role" = json!(session::USER))), request_body = TokenIn,
    responses(
        (status = 200, body = TokenOut),
        (status = 404, body = PosError, description = "NO_CONNECTED_ACCOUNT, or no such location"),
        PosSessionErrors,
    ))]
pub(crate) async fn create_connection_token(
    State(ctx): State<Ctx>,
    user: User,
    Json(input): Json<TokenIn>,
) -> Result<Json<TokenOut>, ApiError> {
    let cards = Cards::of(&ctx, &user).await?;
    let location = input.location.as_deref().filter(|location| !location.is_empty());
    let token = cards.stripe.create_connection_token(location).await?;
    Ok(Json(TokenOut { secret: token.secret }))
}
