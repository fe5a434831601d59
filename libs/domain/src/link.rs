//! Links that somebody is sent by e-mail, and whose secret is what they may do something by (POS §2, §11).
//!
//! The secret is derived, never stored: 32 bytes of HMAC-SHA256 over what the link is for and its id. The database keeps
//! its SHA-256, by which a presented secret finds the link, and the id of the key, by which the e-mail's worker derives
//! it again.

use std::fmt;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::keyring::KeyRing;

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkPurpose {
    /// To replace a forgotten password.
    PasswordReset,
    /// To join an organization.
    Invitation,
}

impl LinkPurpose {
    /// The spelling in the database; it goes into the secret too.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PasswordReset => "password_reset",
            Self::Invitation => "invitation",
        }
    }

    /// How long such a link is good for: ten minutes (POS §2), seven days (POS §11).
    pub fn lifetime(self) -> SignedDuration {
        match self {
            Self::PasswordReset => SignedDuration::from_mins(10),
            Self::Invitation => SignedDuration::from_hours(7 * 24),
        }
    }
}

/// A link's secret in clear, 64 lower-case hex characters. Its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkSecret(String);

impl LinkSecret {
    /// The secret of the link with this id, or nothing when its key is no longer known.
    pub fn derive(keys: &KeyRing, key_id: &str, purpose: LinkPurpose, id: Uuid) -> Option<Self> {
        let bytes = keys.derive(key_id, &["link", purpose.as_str(), &id.to_string()])?;
        Some(Self(hex::encode(bytes)))
    }

    /// Reads 64 hex characters in any case.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        (text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())).then(|| Self(text.to_ascii_lowercase()))
    }

    /// The text that the link carries.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is stored of it: SHA-256 of the text, 64 lower-case hex characters.
    pub fn hash(&self) -> String {
        hex::encode(Sha256::digest(self.0.as_bytes()))
    }
}

impl fmt::Debug for LinkSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Uuid = Uuid::from_u128(42);

    fn keys() -> KeyRing {
        KeyRing::parse(&format!("k2:{},k1:{}", "ab".repeat(32), "cd".repeat(16))).unwrap()
    }

    fn derive(key_id: &str, purpose: LinkPurpose, id: Uuid) -> Option<LinkSecret> {
        LinkSecret::derive(&keys(), key_id, purpose, id)
    }

    #[test]
    fn a_secret_is_derived_again_and_is_no_other_links() {
        let secret = derive("k2", LinkPurpose::PasswordReset, ID).unwrap();
        assert_eq!(derive("k2", LinkPurpose::PasswordReset, ID), Some(secret.clone()));
        for other in [
            derive("k2", LinkPurpose::Invitation, ID),
            derive("k2", LinkPurpose::PasswordReset, Uuid::from_u128(43)),
            derive("k1", LinkPurpose::PasswordReset, ID),
        ] {
            assert_ne!(other.unwrap(), secret);
        }
        assert_eq!(derive("k3", LinkPurpose::PasswordReset, ID), None);
    }

    #[test]
    fn a_secret_is_shown_read_and_kept() {
        let secret = derive("k2", LinkPurpose::Invitation, ID).unwrap();
        assert_eq!(secret.reveal().len(), 64);
        assert_eq!(secret.reveal(), secret.reveal().to_lowercase());
        assert_eq!(LinkSecret::parse(&format!(" {} ", secret.reveal().to_uppercase())), Some(secret.clone()));
        for bad in ["", "abc", &"g".repeat(64), &"a".repeat(63), &"é".repeat(32)] {
            assert_eq!(LinkSecret::parse(bad), None, "{bad}");
        }
        assert_eq!(secret.hash().len(), 64);
        assert_ne!(secret.hash(), secret.reveal());
        assert_eq!(format!("{secret:?}"), "LinkSecret(…)");
    }
}
