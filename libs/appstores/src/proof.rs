//! Proofs of a purchase that an app hands over. A client's word proves nothing: Apple's is a transaction that Apple signed,
//! Google's is the purchase token, which only the buyer's phone and Google know.

use domain::pos::{billing::Purchase, subscription::Platform};
use jiff::Timestamp;

use crate::{Apple, AppleError, google};

/// What is sold in the stores (contract §15).
pub const PRODUCT: &str = "lumaproplan";

/// The apps whose purchases count.
#[derive(Clone, Debug, Default)]
pub struct Stores {
    /// The iOS app.
    pub apple: Option<Apple>,
    /// The Android app.
    pub google_package: Option<String>,
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
    /// It is of something else, or of no subscription.
    #[error("This receipt is not of a subscription of this app")]
    OtherProduct,
}

impl Stores {
    /// The purchase that `token` proves: a signed transaction of the App Store's, a purchase token of Google Play's. Of the
    /// latter it is only known which purchase it is: what was bought, and whether it is paid, is known by Google's notices.
    pub fn prove(&self, platform: Platform, token: &str) -> Result<Purchase, ProofError> {
        match platform {
            Platform::Apple => self.prove_apple(token),
            Platform::Google if self.google_package.is_some() => Ok(Purchase {
                platform,
                reference: google::reference(token),
                product: Some(PRODUCT.to_owned()),
                expires_at: None,
                is_trial: false,
                revoked: false,
                at: Timestamp::UNIX_EPOCH,
            }),
            Platform::Google | Platform::Stripe => Err(ProofError::NotConfigured),
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
            at: signed.signed_at,
        })
    }
}
