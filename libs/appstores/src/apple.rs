//! App Store Server Notifications V2, and StoreKit's signed transactions.
//!
//! Both are JWS with the certificate chain of their key in the header. The chain is verified by the app store library
//! (signatures, validity when it was signed, Apple's policy extensions) up to the root that comes with it, and that root
//! must be one of those whose SHA-256 is pinned here.

use app_store_server_library::{
    models::{
        app_store_environment::Environment, auto_renew_status::AutoRenewStatus,
        jws_transaction_decoded_payload::JWSTransactionDecodedPayload,
        notification_type_v2::NotificationTypeV2 as Kind, offer_discount_type::OfferDiscountType,
        response_body_v2_decoded_payload::ResponseBodyV2DecodedPayload, subtype::Subtype,
    },
    signed_data_verifier::SignedDataVerifier,
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use domain::pos::subscription::{Change, StoreNotice};
use jiff::Timestamp;
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// SHA-256 of "Apple Root CA - G3", as Apple publishes it (apple.com/certificateauthority).
const APPLE_ROOT_G3: &str = "63343abfb89a6a03ebb57e9b3f5fa7be7c4f5c756f3017b3a8c488c3653e9179";

/// The longest signed text that is looked at: a notice with both of its parts has less than a tenth.
const LONGEST: usize = 200_000;

/// Why something that should come from Apple was refused. The text is for logs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppleError {
    /// No app is configured.
    #[error("no app is configured")]
    NotConfigured,
    /// Not a JWS with a chain of three certificates, or too long.
    #[error("not a signed text of the App Store")]
    Malformed,
    /// The chain ends in a root that is not pinned.
    #[error("signed under another root than Apple's")]
    WrongRoot,
    /// The chain, the signature, the app or the environment is not as it must be.
    #[error("refused: {0}")]
    Refused(String),
}

/// Verifies what comes from Apple for one app.
#[derive(Clone, Debug)]
pub struct Apple {
    /// The app, `co.lumapos.app`.
    pub bundle_id: String,
    /// Its number in the App Store, which production notices carry.
    pub app_id: Option<i64>,
    /// Whether it is the sandbox that is believed.
    pub sandbox: bool,
    /// SHA-256 of the roots that are believed, lower-case hex; empty is Apple's own.
    pub roots: Vec<String>,
}

/// A subscription that somebody bought in the App Store, as a signed transaction tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purchase {
    /// Its original transaction: the same through all renewals.
    pub reference: String,
    /// `lumaproplan`.
    pub product: String,
    /// Until when it is paid.
    pub expires_at: Option<Timestamp>,
    /// Is it a trial?
    pub is_trial: bool,
    /// Was its money given back?
    pub revoked: bool,
    /// When Apple signed this.
    pub signed_at: Timestamp,
}

#[derive(Deserialize)]
struct Header {
    #[serde(default)]
    x5c: Vec<String>,
}

impl Apple {
    /// What a notice (`signedPayload`) says of a subscription; `None` for kinds that change none, and for what tells of a period
    /// that is over.
    pub fn verify_notice(&self, signed: &str) -> Result<Option<StoreNotice>, AppleError> {
        let verifier = self.verifier(signed)?;
        let notice = verifier.verify_and_decode_notification(signed).map_err(refused)?;
        let Some(at) = notice.signed_date.and_then(timestamp) else { return Err(AppleError::Malformed) };
        let data = notice.data.as_ref();
        let Some(transaction) = data.and_then(|data| data.signed_transaction_info.as_deref()) else { return Ok(None) };
        let transaction =
            self.verifier(transaction)?.verify_and_decode_signed_transaction(transaction).map_err(refused)?;
        let will_renew = match data.and_then(|data| data.signed_renewal_info.as_deref()) {
            Some(renewal) => {
                let renewal = self.verifier(renewal)?.verify_and_decode_renewal_info(renewal).map_err(refused)?;
                renewal.auto_renew_status.map(|status| status == AutoRenewStatus::On)
            }
            None => None,
        };
        let Some(reference) = transaction.original_transaction_id.clone() else { return Ok(None) };
        let change = change(&notice, &transaction, will_renew);
        Ok(change.map(|change| StoreNotice { reference, change, at }).filter(|notice| !notice.says_nothing()))
    }

    /// A transaction that the app hands over as proof of a purchase.
    pub fn verify_purchase(&self, signed: &str) -> Result<Purchase, AppleError> {
        let transaction = self.verifier(signed)?.verify_and_decode_signed_transaction(signed).map_err(refused)?;
        Ok(Purchase {
            reference: transaction.original_transaction_id.clone().ok_or(AppleError::Malformed)?,
            product: transaction.product_id.clone().ok_or(AppleError::Malformed)?,
            expires_at: transaction.expires_date.and_then(timestamp),
            // An introductory offer may also be a cheaper month.
            is_trial: transaction.offer_discount_type == Some(OfferDiscountType::FreeTrial),
            revoked: transaction.revocation_date.is_some(),
            signed_at: transaction.signed_date.and_then(timestamp).ok_or(AppleError::Malformed)?,
        })
    }

    /// A verifier that trusts the root that `signed` brings along, if that root is pinned.
    fn verifier(&self, signed: &str) -> Result<SignedDataVerifier, AppleError> {
        let root = root_of(signed).ok_or(AppleError::Malformed)?;
        let fingerprint = hex::encode(Sha256::digest(&root));
        let pinned = match self.roots.is_empty() {
            true => fingerprint == APPLE_ROOT_G3,
            false => self.roots.contains(&fingerprint),
        };
        if !pinned {
            return Err(AppleError::WrongRoot);
        }
        let environment = if self.sandbox { Environment::Sandbox } else { Environment::Production };
        SignedDataVerifier::new(vec![root], environment, self.bundle_id.clone(), self.app_id, false)
            .map_err(|_| AppleError::NotConfigured)
    }
}

/// The last certificate of the chain.
fn root_of(signed: &str) -> Option<Vec<u8>> {
    if signed.len() > LONGEST {
        return None;
    }
    let header = URL_SAFE_NO_PAD.decode(signed.split('.').next()?).ok()?;
    let header: Header = serde_json::from_slice(&header).ok()?;
    STANDARD.decode(header.x5c.get(2)?).ok()
}

fn change(
    notice: &ResponseBodyV2DecodedPayload,
    transaction: &JWSTransactionDecodedPayload,
    will_renew: Option<bool>,
) -> Option<Change> {
    let end = transaction.expires_date.and_then(timestamp);
    match notice.notification_type.as_ref()? {
        Kind::Subscribed | Kind::DidRenew | Kind::OfferRedeemed | Kind::RenewalExtended | Kind::RefundReversed => {
            Some(Change::Renewed { until: end })
        }
        Kind::DidFailToRenew => Some(Change::PastDue),
        Kind::DidChangeRenewalStatus => match (&notice.subtype, will_renew) {
            (Some(Subtype::AutoRenewEnabled), _) | (None, Some(true)) => Some(Change::WillRenew),
            _ => Some(Change::WillEnd { at: end }),
        },
        // The library's name for Apple's REFUND.
        Kind::Expired | Kind::AdvancedCommerceRefund | Kind::Revoke | Kind::GracePeriodExpired => Some(Change::Ended),
        _ => None,
    }
}

/// The library's times are chrono's; ours are jiff's.
fn timestamp(time: impl Into<std::time::SystemTime>) -> Option<Timestamp> {
    Timestamp::try_from(time.into()).ok().map(domain::time::to_millis)
}

fn refused(error: impl std::fmt::Display) -> AppleError {
    AppleError::Refused(error.to_string())
}

#[cfg(test)]
mod tests;
