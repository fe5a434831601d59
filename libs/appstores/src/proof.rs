//! Proofs of a purchase that an app hands over. A client's word proves nothing: Apple's is a transaction that Apple signed,
//! Google's is the purchase token, which only the buyer's phone and Google know, and which Google is asked about.

use domain::pos::{billing::Purchase, subscription::Platform};
use jiff::Timestamp;

use crate::{Apple, AppleError, Play, PlayError, google};

/// What is sold in the stores (contract §15).
pub const PRODUCT: &str = "lumaproplan";

/// The apps whose purchases count.
#[derive(Debug, Default)]
pub struct Stores {
    /// The iOS app.
    pub apple: Option<Apple>,
    /// The Android app.
    pub google_package: Option<String>,
    /// By whom Google is asked about the Android app's purchases; without it, they are known by Google's notices alone.
    pub play: Option<Play>,
}

/// What was proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The purchase.
    pub purchase: Purchase,
    /// Does Google wait for its acknowledgement?
    pub unacknowledged: bool,
}

/// Why a proof proves nothing. The text is for a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// There is no app of this store.
    #[error("No app of this store is configured")]
    NotConfigured,
    /// The App Store did not sign it, or not for this app.
    #[error("The App Store did not sign this receipt for this app")]
    Refused(AppleError),
    /// Google Play knows of no such purchase of this app, or it ended long ago.
    #[error("Google Play does not know this purchase")]
    Unknown,
    /// It is of something else, or of no subscription.
    #[error("This receipt is not of a subscription of this app")]
    OtherProduct,
    /// It was not paid yet.
    #[error("The store has not confirmed this purchase yet")]
    Pending,
    /// Google could not be asked, for now or for want of a right.
    #[error("The store does not answer, please try again in a moment")]
    Unanswered(PlayError),
}

impl From<PlayError> for ProofError {
    fn from(error: PlayError) -> Self {
        match error {
            PlayError::Unknown => Self::Unknown,
            error => Self::Unanswered(error),
        }
    }
}

impl Stores {
    /// The purchase that `token` proves: a signed transaction of the App Store's, a purchase token of Google Play's. Google is
    /// asked what the latter bought and how that stands, where it can be asked; else it is only known which purchase it is, and
    /// the rest by Google's notices.
    pub async fn prove(&self, platform: Platform, token: &str, now: Timestamp) -> Result<Proof, ProofError> {
        let purchase = match (platform, &self.google_package, &self.play) {
            (Platform::Apple, ..) => self.prove_apple(token)?,
            (Platform::Google, Some(_), Some(play)) => return play.prove(token, now).await,
            (Platform::Google, Some(_), None) => Purchase {
                platform,
                reference: google::reference(token),
                product: Some(PRODUCT.to_owned()),
                expires_at: None,
                is_trial: false,
                revoked: false,
                standing: None,
                replaces: None,
                at: Timestamp::UNIX_EPOCH,
            },
            (Platform::Google | Platform::Stripe, ..) => return Err(ProofError::NotConfigured),
        };
        Ok(Proof { purchase, unacknowledged: false })
    }

    /// Acknowledges a purchase that is an organization's subscription now, where Google waits for it. What fails is logged, and
    /// made up for when Google is asked about it next: by the app's next look at its receipt, or Google's next notice.
    pub async fn acknowledge(&self, proof: &Proof, token: &str, now: Timestamp) {
        let Some(play) = self.play.as_ref().filter(|_| proof.unacknowledged) else { return };
        match play.acknowledge(token, now).await {
            Ok(()) => tracing::info!("a purchase was acknowledged"),
            Err(error) => tracing::error!(%error, "a purchase was not acknowledged"),
        }
    }

    fn prove_apple(&self, transaction: &str) -> Result<Purchase, ProofError> {
        let apple = self.apple.as_ref().ok_or(ProofError::NotConfigured)?;
        let signed = apple.verify_purchase(transaction).map_err(|error| match error {
            AppleError::NotConfigured => ProofError::NotConfigured,
            error => ProofError::Refused(error),
        })?;
        if signed.product != PRODUCT || signed.expires_at.is_none() {
            return Err(ProofError::OtherProduct);
        }
        Ok(Purchase {
            platform: Platform::Apple,
            reference: signed.reference,
            product: Some(signed.product),
            expires_at: signed.expires_at,
            is_trial: signed.is_trial,
            revoked: signed.revoked,
            // A transaction does not say whether it will be renewed.
            standing: None,
            replaces: None,
            at: signed.signed_at,
        })
    }
}
