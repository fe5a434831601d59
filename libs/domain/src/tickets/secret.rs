//! The ticket's secret: what its QR code carries, and how a scan is read (contract §6, DECISIONS D3).
//!
//! The secret is derived, never stored: 16 bytes of HMAC-SHA256, keyed from the parameter store, over the order's id and
//! its revision. The database keeps the SHA-256 of the secret's text, by which a scan finds the order.

use std::fmt;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::number::{OrderNumber, parse_reference};
use crate::keyring::KeyRing;

/// The secret in clear, 32 upper-case hex characters. Its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct TicketSecret(String);

impl TicketSecret {
    /// The secret of a ticket, or nothing when its key is no longer known.
    pub fn derive(keys: &KeyRing, key_id: &str, number: OrderNumber, revision: u32) -> Option<Self> {
        let bytes = keys.derive(key_id, &["ticket", &number.id().to_string(), &revision.to_string()])?;
        Some(Self(hex::encode_upper(&bytes[..16])))
    }

    /// The text that the QR code carries.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is stored of it.
    pub fn hash(&self) -> SecretHash {
        SecretHash(hex::encode(Sha256::digest(self.0.as_bytes())))
    }

    /// Reads 32 hex characters in any case.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        (text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit())).then(|| Self(text.to_ascii_uppercase()))
    }
}

impl fmt::Debug for TicketSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketSecret(…)")
    }
}

/// SHA-256 of a secret's text, 64 lower-case hex characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretHash(pub String);

impl SecretHash {
    /// Compares in constant time.
    pub fn matches(&self, other: &SecretHash) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

/// What a scanner presented (contract §6, D3: the secret, the order number, or the whole JSON of the QR code).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scan {
    /// The secret, and the order number when the scan carried it too.
    Secret(TicketSecret, Option<OrderNumber>),
    /// A bare order number, which is no secret.
    Number(OrderNumber),
    /// None of these: no such ticket.
    Unknown,
}

impl Scan {
    /// Reads what was presented.
    pub fn parse(text: &str) -> Self {
        #[derive(Deserialize)]
        struct Payload {
            id: Option<String>,
            qr: Option<String>,
        }
        let text = text.trim();
        if let Some(secret) = TicketSecret::parse(text) {
            return Self::Secret(secret, None);
        }
        if let Ok(number) = parse_reference(text) {
            return Self::Number(number);
        }
        let Ok(payload) = serde_json::from_str::<Payload>(text) else { return Self::Unknown };
        let number = payload.id.as_deref().and_then(|id| parse_reference(id).ok());
        let presented = payload.qr.as_deref().unwrap_or_default();
        match (TicketSecret::parse(presented), number.or_else(|| parse_reference(presented).ok())) {
            (Some(secret), number) => Self::Secret(secret, number),
            (None, Some(number)) => Self::Number(number),
            (None, None) => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use proptest::prelude::*;

    fn derive(key_id: &str, revision: u32) -> Option<TicketSecret> {
        let keys = KeyRing::parse(&format!("k2:{},k1:{}", "ab".repeat(32), "cd".repeat(16))).unwrap();
        TicketSecret::derive(&keys, key_id, number(), revision)
    }

    fn number() -> OrderNumber {
        OrderNumber::new(Timestamp::from_second(1_800_000_000).unwrap(), 42)
    }

    #[test]
    fn a_secret_is_derived_again_and_again_the_same() {
        let secret = derive("k2", 0).unwrap();
        assert_eq!(secret, derive("k2", 0).unwrap());
        assert_ne!(secret, derive("k2", 1).unwrap());
        assert_ne!(secret, derive("k1", 0).unwrap());
        assert_eq!(derive("k3", 0), None);
        assert_eq!(secret.reveal().len(), 32);
        assert_eq!(secret.reveal(), secret.reveal().to_uppercase());
        assert_eq!(secret.hash().0.len(), 64);
        assert_eq!(format!("{secret:?}"), "TicketSecret(…)");
    }

    #[test]
    fn a_scan_is_read_in_every_form() {
        let secret = derive("k2", 0).unwrap();
        let json = |qr: &str| serde_json::json!({"id": number(), "qr": qr, "event": "E", "tier": "T"}).to_string();
        assert_eq!(Scan::parse(&secret.reveal().to_lowercase()), Scan::Secret(secret.clone(), None));
        assert_eq!(Scan::parse(&json(secret.reveal())), Scan::Secret(secret, Some(number())));
        assert_eq!(Scan::parse(&json(&number().to_string())), Scan::Number(number()));
        assert_eq!(Scan::parse(&format!(" {} ", number().to_string().to_lowercase())), Scan::Number(number()));
        assert_eq!(Scan::parse(&number().id().to_string()), Scan::Number(number()));
        for unknown in ["", "x", "{}", "[1]", "{\"qr\":5}", "null"] {
            assert_eq!(Scan::parse(unknown), Scan::Unknown, "{unknown}");
        }
    }

    proptest! {
        #[test]
        fn any_scan_is_read_without_panic(text in "\\PC{0,80}") {
            Scan::parse(&text);
        }
    }
}
