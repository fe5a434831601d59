//! Keys that secrets are derived with: by HMAC-SHA256, again whenever they are needed, and never stored.
//!
//! Tickets and links use the same keys; what a secret is for is part of what it is derived from, so that none is another's.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Keys by id: the first derives new secrets, the others are kept for old ones.
#[derive(Clone)]
pub struct KeyRing(Vec<(String, Vec<u8>)>);

/// A setting that names no usable key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("keys must read `id:hex,id:hex`, each at least 16 bytes")]
pub struct KeyRingError;

impl KeyRing {
    /// Reads `id:hex,id:hex`.
    pub fn parse(text: &str) -> Result<Self, KeyRingError> {
        let keys = text
            .split(',')
            .map(|part| {
                let (id, key) = part.trim().split_once(':').ok_or(KeyRingError)?;
                let key = hex::decode(key).map_err(|_| KeyRingError)?;
                if id.is_empty() || key.len() < 16 {
                    return Err(KeyRingError);
                }
                Ok((id.to_owned(), key))
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self(keys))
    }

    /// The id of the key that derives new secrets; it is stored with what has the secret.
    pub fn current(&self) -> &str {
        self.0.first().map_or("", |(id, _)| id)
    }

    /// Derives 32 bytes from `parts`, of which the first says what they are for; nothing when the key is no longer known.
    pub(crate) fn derive(&self, key_id: &str, parts: &[&str]) -> Option<[u8; 32]> {
        let (_, key) = self.0.iter().find(|(id, _)| id == key_id)?;
        let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
        mac.update(parts.join("\0").as_bytes());
        Some(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({} keys)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_none() {
        for bad in ["", "k1", "k1:", "k1:zz", ":abababababababababababababababab", "k1:abab"] {
            assert!(KeyRing::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn keys_are_not_shown() {
        let keys = KeyRing::parse(&format!("k2:{},k1:{}", "ab".repeat(32), "cd".repeat(16))).unwrap();
        assert_eq!((keys.current(), format!("{keys:?}").as_str()), ("k2", "KeyRing(2 keys)"));
    }
}
