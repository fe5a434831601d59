//! What several routes say of a subscription.

use domain::{
    pos::{
        subscription::{Platform, Subscription, SubscriptionStatus as Status},
        tier::Tier,
    },
    time::iso,
};
use jiff::Timestamp;
use runtime::settings::Settings;
use serde::Serialize;
use utoipa::ToSchema;

/// Where subscriptions of the App Store are managed, by the phone's own settings.
const APPLE: &str = "https://apps.apple.com/account/subscriptions";

/// The same for Google Play.
const GOOGLE: &str = "https://play.google.com/store/account/subscriptions";

/// A plan that is paid.
#[derive(Serialize, ToSchema)]
pub(crate) struct PlanOut {
    name: &'static str,
    /// Cents per interval.
    price: i64,
    /// `usd`.
    currency: &'static str,
    /// `month`.
    interval: &'static str,
}

/// A subscription in the contract's words.
pub(crate) struct Standing {
    pub(crate) tier: &'static str,
    pub(crate) status: &'static str,
    pub(crate) platform: &'static str,
    pub(crate) plan: Option<PlanOut>,
}

impl Standing {
    /// The contract knows fewer states than there are: what is not begun is none, on the free tier; what is paused is not paid.
    pub(crate) fn of(subscription: Option<&Subscription>) -> Self {
        let (tier, status) = match subscription.map(|known| (known.tier, known.status)) {
            Some((tier, Status::Active)) => (tier, "active"),
            Some((tier, Status::Trialing)) => (tier, "trialing"),
            Some((tier, Status::PastDue | Status::Paused)) => (tier, "past_due"),
            Some((tier, Status::Canceled | Status::IncompleteExpired)) => (tier, "canceled"),
            None | Some((_, Status::Incomplete | Status::PendingPayment | Status::PendingApproval)) => {
                (Tier::Starter, "none")
            }
        };
        let name = match tier {
            Tier::Starter => None,
            Tier::Pro => Some("Pro"),
            Tier::Enterprise => Some("Enterprise"),
        };
        let price = subscription.map_or(0, |known| known.price.0);
        Standing {
            tier: tier.as_str(),
            status,
            platform: subscription.map(|known| known.platform).unwrap_or_default().as_str(),
            plan: name.map(|name| PlanOut { name, price, currency: "usd", interval: "month" }),
        }
    }
}

/// The portal's page about subscriptions.
pub(crate) fn portal(settings: &Settings) -> String {
    format!("{}/billing", settings.dashboard_url)
}

/// Where a subscription is managed, without asking anybody: the store's own page, or the portal's.
pub(crate) fn manage_url(settings: &Settings, subscription: &Subscription) -> Option<String> {
    match subscription.platform {
        Platform::Apple => Some(APPLE.to_owned()),
        Platform::Google => Some(match (&subscription.store_product, &settings.stores.google_package) {
            (Some(product), Some(package)) => format!("{GOOGLE}?sku={product}&package={package}"),
            _ => GOOGLE.to_owned(),
        }),
        Platform::Stripe => subscription.stripe_customer.is_some().then(|| portal(settings)),
    }
}

/// ISO 8601, UTC.
pub(crate) fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(iso)
}
