//! How a subscription is paid, and where it is bought and managed.

use axum::extract::State;
use domain::{
    ids::OrgId,
    pos::subscription::{Platform, Subscription},
};
use jiff::SignedDuration;
use payments::{
    StripeError,
    billing::{Card, Named},
};
use runtime::{
    ApiError, Ctx, Json,
    openapi::PosSessionErrors,
    session::{self, Manager},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::wire::{PlanOut, Standing, manage_url, portal, time};

/// How long after a period's end its renewal, or its failure, is waited for: Stripe takes an hour to finalize an invoice.
const SILENCE: SignedDuration = SignedDuration::from_hours(2);

/// What is charged.
#[derive(Serialize, ToSchema)]
pub(crate) struct PaymentMethodOut {
    /// `card`.
    #[serde(rename = "type")]
    kind: String,
    last4: String,
    /// `visa`.
    brand: String,
    exp_month: i64,
    exp_year: i64,
}

impl From<Card> for PaymentMethodOut {
    fn from(card: Card) -> Self {
        let Card { kind, brand, last4, exp_month, exp_year } = card;
        PaymentMethodOut { kind, last4, brand, exp_month, exp_year }
    }
}

/// How a subscription is paid.
#[derive(Serialize, ToSchema)]
pub(crate) struct PaymentInfoOut {
    payment_method: Option<PaymentMethodOut>,
    /// A page of Stripe's on which the card is changed; good for minutes.
    manage_payment_url: Option<String>,
    /// ISO 8601, UTC, as all times here.
    next_billing_date: Option<String>,
    /// `active`, `past_due`, `canceled`, `trialing`, `none`.
    subscription_status: &'static str,
    current_plan: Option<PlanOut>,
    /// A page of Stripe's on which it is cancelled and resumed, or the store's.
    manage_subscription_url: Option<String>,
    cancel_at: Option<String>,
    canceled_at: Option<String>,
    /// `stripe`, `apple`, `google`.
    platform: &'static str,
}

/// A page.
#[derive(Serialize, ToSchema)]
pub(crate) struct UrlOut {
    /// Its address.
    url: String,
}

/// The organization's card at Stripe, and Stripe's page for it. Nothing for who is not Stripe's customer (any more).
async fn at_stripe(ctx: &Ctx, subscription: Option<&Subscription>) -> Result<(Option<Card>, Option<String>), ApiError> {
    let Some((subscription, customer)) = subscription
        .filter(|known| known.platform == Platform::Stripe)
        .and_then(|known| Some((known, known.stripe_customer.as_ref()?)))
    else {
        return Ok((None, None));
    };
    let stripe = ctx.stripe().ok_or_else(ApiError::unavailable)?;
    let card = async {
        match subscription.stripe_subscription.as_ref().filter(|_| subscription.is_subscribed()) {
            Some(id) => stripe.subscription_card(id).await,
            None => stripe.customer_card(customer).await,
        }
    };
    let return_url = portal(ctx.settings());
    let (card, page) = tokio::join!(card, stripe.open_portal(customer, &return_url));
    Ok((known(card)?.flatten(), known(page)?))
}

/// What was deleted at Stripe is not there, which is no failure.
fn known<T>(answer: Result<T, StripeError>) -> Result<Option<T>, StripeError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(StripeError::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The subscription; where its period is over and nothing was heard since, as Stripe has it now. Stripe tells of each change for
/// days, so this is for the notice that was lost all the same.
async fn current(ctx: &Ctx, org: OrgId) -> Result<Option<Subscription>, ApiError> {
    let known = ctx.store().pos().load_terms(org).await?.subscription;
    let silent = known.as_ref().filter(|known| known.platform == Platform::Stripe && known.is_subscribed());
    let silent = silent.filter(|known| known.period_end.is_some_and(|end| end + SILENCE < ctx.now()));
    let Some(id) = silent.and_then(|known| known.stripe_subscription.clone()) else { return Ok(known) };
    ctx.billing().follow_subscription(&Named { subscription: id, org: Some(org) }).await?;
    Ok(ctx.store().pos().load_terms(org).await?.subscription)
}

/// How the subscription is paid, and Stripe's page on which the card is changed and the subscription cancelled and resumed.
#[utoipa::path(get, path = "/pos/billing/payment-info", tag = "pos billing", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))),
    responses((status = 200, body = PaymentInfoOut), PosSessionErrors))]
pub(crate) async fn get_payment_info(
    State(ctx): State<Ctx>,
    manager: Manager,
) -> Result<Json<PaymentInfoOut>, ApiError> {
    let subscription = current(&ctx, manager.org).await?;
    let subscription = subscription.as_ref();
    let (card, page) = at_stripe(&ctx, subscription).await?;
    let Standing { status, platform, plan, .. } = Standing::of(subscription);
    let renews = subscription.filter(|known| known.is_subscribed() && known.cancel_at.is_none());
    Ok(Json(PaymentInfoOut {
        payment_method: card.map(PaymentMethodOut::from),
        manage_payment_url: page.clone(),
        next_billing_date: time(renews.and_then(|known| known.period_end)),
        subscription_status: status,
        current_plan: plan,
        manage_subscription_url: page.or_else(|| {
            let in_store = subscription.filter(|known| known.platform != Platform::Stripe)?;
            manage_url(ctx.settings(), in_store)
        }),
        cancel_at: time(subscription.and_then(|known| known.cancel_at)),
        canceled_at: time(subscription.and_then(|known| known.canceled_at)),
        platform,
    }))
}

/// A page of Stripe's on which the pro tier is bought: with a trial and a cheaper first month for who never had it.
/// 400 `ALREADY_SUBSCRIBED` for who has it, on whichever platform.
#[utoipa::path(post, path = "/pos/billing/create-upgrade-session", tag = "pos billing", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))),
    responses((status = 200, body = UrlOut), PosSessionErrors))]
pub(crate) async fn create_upgrade_session(State(ctx): State<Ctx>, manager: Manager) -> Result<Json<UrlOut>, ApiError> {
    let org = ctx.store().load_org(manager.org).await?;
    let org = org.ok_or_else(|| ApiError::internal("a member's organization is not there"))?;
    let url = ctx.billing().open_upgrade(&org, &manager.member, &portal(ctx.settings())).await?;
    Ok(Json(UrlOut { url }))
}
