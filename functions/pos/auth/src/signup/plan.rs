//! What an organization begins with (contract §2.1): the free tier, the paid one by way of an app store or of Stripe, or a
//! plan by agreement.

use std::time::Duration;

use domain::{
    member::{Member, Org},
    pos::{
        subscription::{Platform, Subscription, SubscriptionStatus},
        tier::Tier,
    },
};
use jiff::Timestamp;
use runtime::Ctx;
use serde::Deserialize;
use store::pos::contact::Contact;
use utoipa::ToSchema;
use uuid::Uuid;

use super::SignupIn;
use crate::wire::trimmed;

/// How long a sign-up waits for Stripe: less than the function may take in all, since the organization is there by then.
const PATIENCE: Duration = Duration::from_secs(7);

/// Where somebody signs up.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum SignupPlatform {
    Ios,
    Android,
    #[default]
    Web,
}

/// What somebody new wants.
pub(super) enum Wish {
    /// The free tier.
    Starter,
    /// The paid one, bought in an app.
    Bought { platform: Platform, proof: Option<String> },
    /// The paid one, to be paid on the web.
    Pro,
    /// A plan by agreement, and what they say about it.
    Enterprise { words: String },
}

/// A subscription that has begun.
pub(super) struct Begun {
    pub(super) subscription: Subscription,
    /// By which its first payment is made.
    pub(super) client_secret: Option<String>,
}

impl SignupIn {
    /// What they want, by what they said.
    pub(super) fn wish(&self) -> Wish {
        match (self.subscription_tier.unwrap_or_default(), self.signup_platform.unwrap_or_default()) {
            (Tier::Starter, _) => Wish::Starter,
            (Tier::Enterprise, _) => Wish::Enterprise { words: self.words() },
            (Tier::Pro, SignupPlatform::Web) => Wish::Pro,
            (Tier::Pro, SignupPlatform::Ios) => self.bought(Platform::Apple),
            (Tier::Pro, SignupPlatform::Android) => self.bought(Platform::Google),
        }
    }

    fn bought(&self, platform: Platform) -> Wish {
        Wish::Bought { platform, proof: trimmed(self.iap_receipt.as_ref()) }
    }

    fn words(&self) -> String {
        let said = [
            ("Business", &self.business_description),
            ("Expected volume", &self.expected_volume),
            ("Use case", &self.use_case),
            ("Additional requirements", &self.additional_requirements),
        ];
        let line = |(name, text): (&str, &Option<String>)| trimmed(text.as_ref()).map(|text| format!("{name}: {text}"));
        said.into_iter().filter_map(line).collect::<Vec<_>>().join("\n")
    }
}

impl Wish {
    /// The subscription that the organization begins with.
    pub(super) fn subscription(&self, org: &Org, owner: &Member, now: Timestamp) -> Subscription {
        let starter = Subscription::starter(Uuid::new_v4(), org.id, owner.user, now);
        match self {
            Wish::Starter => starter,
            Wish::Bought { .. } | Wish::Pro => {
                let platform = if let Wish::Bought { platform, .. } = self { *platform } else { Platform::Stripe };
                let status = SubscriptionStatus::PendingPayment;
                Subscription { tier: Tier::Pro, status, platform, price: Tier::Pro.price(), ..starter }
            }
            Wish::Enterprise { .. } => {
                Subscription { tier: Tier::Enterprise, status: SubscriptionStatus::PendingApproval, ..starter }
            }
        }
    }

    /// What we are to read before we agree to a plan.
    pub(super) fn words(&self, org: &Org, owner: &Member, now: Timestamp) -> Option<Contact> {
        let Wish::Enterprise { words } = self else { return None };
        Some(Contact {
            id: Uuid::new_v4(),
            email: owner.email.clone(),
            name: Some(owner.name.clone()),
            company: Some(org.name.clone()),
            subject: Some("Enterprise plan".to_owned()),
            message: words.clone(),
            org: Some(org.id),
            created_at: now,
        })
    }

    /// Begins what is paid: at Stripe with a trial, or by a purchase that the store has signed. The organization is there
    /// already, and what fails here does not fail its sign-up: it stays `pending_payment`, and is begun from the portal or
    /// linked by the app.
    pub(super) async fn begin(&self, ctx: &Ctx, subscription: Subscription, org: &Org, owner: &Member) -> Begun {
        let begun = match self {
            Wish::Pro => begin_trial(ctx, &subscription, org, owner).await,
            Wish::Bought { platform, proof: Some(proof) } => link(ctx, &subscription, *platform, proof).await,
            _ => None,
        };
        begun.unwrap_or(Begun { subscription, client_secret: None })
    }
}

async fn begin_trial(ctx: &Ctx, subscription: &Subscription, org: &Org, owner: &Member) -> Option<Begun> {
    let billing = ctx.billing();
    match tokio::time::timeout(PATIENCE, billing.begin_trial(subscription, org, owner)).await {
        Ok(Ok(started)) => Some(Begun { subscription: started.subscription, client_secret: started.client_secret }),
        Ok(Err(error)) => {
            tracing::error!(org = %org.id, %error, "a trial did not begin");
            None
        }
        Err(_) => {
            tracing::error!(org = %org.id, "a trial took too long to begin");
            None
        }
    }
}

/// A client's word is not believed: what the store signed, answered or told us of, is.
async fn link(ctx: &Ctx, subscription: &Subscription, platform: Platform, proof: &str) -> Option<Begun> {
    let (org, now) = (subscription.org, ctx.now());
    let proven = ctx.stores().prove(platform, proof, now).await;
    let proven = proven.inspect_err(|error| tracing::warn!(%org, %error, "a purchase was not proven")).ok()?;
    match ctx.store().pos().link_purchase(org, subscription.user, &proven.purchase, now).await {
        Ok(subscription) => {
            ctx.stores().acknowledge(&proven, proof, now).await;
            Some(Begun { subscription, client_secret: None })
        }
        Err(error) => {
            tracing::warn!(%org, %error, "a purchase was not linked");
            None
        }
    }
}
