//! What an organization has subscribed to, on whichever platform it pays (contract §15).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::tier::Tier;
use crate::{
    ids::{OrgId, UserId},
    money::Cents,
    time::millis,
};

/// Who takes the subscription's money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    /// Stripe, on the web.
    #[default]
    Stripe,
    /// The App Store.
    Apple,
    /// Google Play.
    Google,
}

impl Platform {
    /// The wire spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stripe => "stripe",
            Self::Apple => "apple",
            Self::Google => "google",
        }
    }
}

/// Where a subscription stands; Stripe's words, and two of our own for what is not begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum SubscriptionStatus {
    #[default]
    Active,
    Trialing,
    PastDue,
    Canceled,
    Paused,
    Incomplete,
    IncompleteExpired,
    /// The first payment is awaited.
    PendingPayment,
    /// We must agree first (enterprise).
    PendingApproval,
}

impl SubscriptionStatus {
    /// The wire spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Trialing => "trialing",
            Self::PastDue => "past_due",
            Self::Canceled => "canceled",
            Self::Paused => "paused",
            Self::Incomplete => "incomplete",
            Self::IncompleteExpired => "incomplete_expired",
            Self::PendingPayment => "pending_payment",
            Self::PendingApproval => "pending_approval",
        }
    }
}

/// The one subscription of an organization.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subscription {
    /// Its id.
    pub id: Uuid,
    /// Whose.
    pub org: OrgId,
    /// Who took it.
    pub user: UserId,
    /// To what.
    pub tier: Tier,
    /// Where it stands.
    pub status: SubscriptionStatus,
    /// Who takes its money.
    pub platform: Platform,
    /// Per month.
    pub price: Cents,
    /// Stripe's customer, `cus_…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stripe_customer: Option<String>,
    /// Stripe's subscription, `sub_…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stripe_subscription: Option<String>,
    /// Apple's original transaction, or Google's purchase token's SHA-256: by which the stores' notices find it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_reference: Option<String>,
    /// The store's product, `lumaproplan`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_product: Option<String>,
    /// Until when it is paid.
    #[serde(with = "millis::option", default, skip_serializing_if = "Option::is_none")]
    pub period_end: Option<Timestamp>,
    /// When it will end, if it was cancelled to the end of its period.
    #[serde(with = "millis::option", default, skip_serializing_if = "Option::is_none")]
    pub cancel_at: Option<Timestamp>,
    /// When it was cancelled.
    #[serde(with = "millis::option", default, skip_serializing_if = "Option::is_none")]
    pub canceled_at: Option<Timestamp>,
    /// When its trial ends.
    #[serde(with = "millis::option", default, skip_serializing_if = "Option::is_none")]
    pub trial_end: Option<Timestamp>,
    /// Of the last notice that was applied, on the sender's clock: an older one changes nothing (invariant 6).
    #[serde(with = "millis::option", default, skip_serializing_if = "Option::is_none")]
    pub notice_at: Option<Timestamp>,
    /// Rises with every change.
    pub version: u32,
    /// When it was taken.
    #[serde(with = "millis")]
    pub created_at: Timestamp,
}

impl Subscription {
    /// The free one, which each organization begins with.
    pub fn starter(id: Uuid, org: OrgId, user: UserId, now: Timestamp) -> Self {
        Subscription {
            id,
            org,
            user,
            tier: Tier::Starter,
            status: SubscriptionStatus::Active,
            platform: Platform::Stripe,
            price: Cents::ZERO,
            stripe_customer: None,
            stripe_subscription: None,
            store_reference: None,
            store_product: None,
            period_end: None,
            cancel_at: None,
            canceled_at: None,
            trial_end: None,
            notice_at: None,
            version: 0,
            created_at: now,
        }
    }

    /// Is it good now (contract §15)? Active, on trial, or cancelled and paid for longer.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        match self.status {
            SubscriptionStatus::Active | SubscriptionStatus::Trialing => true,
            SubscriptionStatus::Canceled => self.period_end.is_some_and(|end| now < end),
            _ => false,
        }
    }

    /// The tier that fees and limits go by: what is not active or on trial is starter (contract §15).
    pub fn effective_tier(&self) -> Tier {
        match self.status {
            SubscriptionStatus::Active | SubscriptionStatus::Trialing => self.tier,
            _ => Tier::Starter,
        }
    }
}
