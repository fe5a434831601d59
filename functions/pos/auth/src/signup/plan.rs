//! What an organization begins with (contract §2.1): the free tier, the paid one by way of an app store or of Stripe, or a
//! plan by agreement.

use domain::{
    member::{Member, Org},
    money::Cents,
    pos::{
        subscription::{Platform, Subscription, SubscriptionStatus},
        tier::Tier,
    },
};
use jiff::Timestamp;
use runtime::Ctx;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use store::pos::contact::Contact;
use utoipa::ToSchema;
use uuid::Uuid;

use super::SignupIn;
use crate::wire::trimmed;

/// The pro tier's price per month (contract §15).
const PRO_PRICE: Cents = Cents(2999);

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
    Bought { platform: Platform, reference: Option<String>, product: Option<String> },
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
            (Tier::Pro, SignupPlatform::Ios) => self.bought(Platform::Apple, trimmed(self.iap_transaction_id.as_ref())),
            (Tier::Pro, SignupPlatform::Android) => {
                let token = trimmed(self.iap_receipt.as_ref());
                self.bought(Platform::Google, token.map(|token| hex::encode(Sha256::digest(token))))
            }
        }
    }

    fn bought(&self, platform: Platform, reference: Option<String>) -> Wish {
        Wish::Bought { platform, reference, product: trimmed(self.iap_product_id.as_ref()) }
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
            Wish::Bought { platform, reference, product } => Subscription {
                tier: Tier::Pro,
                platform: *platform,
                price: PRO_PRICE,
                store_reference: reference.clone(),
                store_product: product.clone(),
                ..starter
            },
            Wish::Pro => Subscription {
                tier: Tier::Pro,
                status: SubscriptionStatus::PendingPayment,
                price: PRO_PRICE,
                ..starter
            },
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

    /// Begins what is paid on the web. The organization is there already: what fails here is begun later, from the portal.
    pub(super) async fn begin(&self, _: &Ctx, subscription: Subscription, _: &Member) -> Begun {
        Begun { subscription, client_secret: None }
    }
}
