//! What an organization has subscribed to: asked at every start of the app.

use axum::extract::State;
use domain::pos::subscription::Subscription;
use runtime::{
    ApiError, Ctx, Json,
    openapi::PosSessionErrors,
    session::{self, User},
    settings::Settings,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::wire::{PlanOut, Standing, manage_url, time};

/// A subscription. Without one: `starter`, `none`, `stripe`, and nulls.
#[derive(Serialize, ToSchema)]
pub(crate) struct SubscriptionInfoOut {
    /// `starter`, `pro`, `enterprise`.
    tier: &'static str,
    /// `active`, `past_due`, `canceled`, `trialing`, `none`.
    status: &'static str,
    /// Who takes the money: `stripe`, `apple`, `google`.
    platform: &'static str,
    current_plan: Option<PlanOut>,
    /// Until when it is paid; ISO 8601, UTC, as all times here.
    current_period_end: Option<String>,
    /// When it will end.
    cancel_at: Option<String>,
    /// When it was cancelled.
    canceled_at: Option<String>,
    /// When its trial ends.
    trial_end: Option<String>,
    manage_subscription_url: Option<String>,
}

impl SubscriptionInfoOut {
    fn new(settings: &Settings, subscription: Option<&Subscription>) -> Self {
        let Standing { tier, status, platform, plan } = Standing::of(subscription);
        SubscriptionInfoOut {
            tier,
            status,
            platform,
            current_plan: plan,
            current_period_end: time(subscription.and_then(|known| known.period_end)),
            cancel_at: time(subscription.and_then(|known| known.cancel_at)),
            canceled_at: time(subscription.and_then(|known| known.canceled_at)),
            trial_end: time(subscription.and_then(|known| known.trial_end)),
            manage_subscription_url: subscription.and_then(|known| manage_url(settings, known)),
        }
    }
}

/// What the organization has subscribed to, as Stripe or the store last told.
#[utoipa::path(get, path = "/pos/billing/subscription-info", tag = "pos billing", security(("bearer" = [])),
    extensions(("x-role" = json!(session::USER))),
    responses((status = 200, body = SubscriptionInfoOut), PosSessionErrors))]
pub(crate) async fn get_subscription_info(
    State(ctx): State<Ctx>,
    user: User,
) -> Result<Json<SubscriptionInfoOut>, ApiError> {
    let subscription = ctx.store().pos().load_terms(user.org).await?.subscription;
    Ok(Json(SubscriptionInfoOut::new(ctx.settings(), subscription.as_ref())))
}
