//! Opaque tokens: randomness that means nothing by itself, for guests, stores and employees.
//!
//! Only the SHA-256 is stored. 256 bits of randomness cannot be guessed, so that a fast hash without salt is enough,
//! and a leaked table opens no session.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A new token, in the clear: shown to its holder once, and then forgotten.
#[derive(Clone, PartialEq, Eq)]
pub struct OpaqueToken(String);

impl OpaqueToken {
    /// Draws 32 random bytes, written as 64 lower-case hex digits.
    pub fn generate() -> Self {
        Self(hex::encode(rand::random::<[u8; 32]>()))
    }

    /// The token as its holder sends it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is stored of it: see [`hash`].
    pub fn hash(&self) -> String {
        hash(&self.0)
    }
}

/// Never shows the token, so that none reaches a log.
impl fmt::Debug for OpaqueToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpaqueToken(…)")
    }
}

/// The SHA-256 of a token's text, as 64 lower-case hex digits: the form that is stored and looked up.
pub fn hash(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

/// Whether `token` is the one whose hash was stored, compared in constant time.
pub fn matches(token: &str, stored_hash: &str) -> bool {
    hash(token).as_bytes().ct_eq(stored_hash.as_bytes()).into()
}

/// Whether a text has the form of an opaque token. Anything else need not be looked up.
pub fn is_opaque(token: &str) -> bool {
    token.len() == 64 && token.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_random_and_of_their_form() {
        let (one, other) = (OpaqueToken::generate(), OpaqueToken::generate());
        assert_ne!(one, other);
        assert!(is_opaque(one.as_str()));
        assert!(!is_opaque("a.b.c"));
        assert!(!is_opaque(&one.as_str().to_uppercase().replace(|c: char| c.is_ascii_digit(), "A")));
        assert!(!format!("{one:?}").contains(one.as_str()));
    }

    #[test]
    fn the_hash_is_sha_256() {
        assert_eq!(hash("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn only_the_token_itself_matches() {
        let token = OpaqueToken::generate();
        assert!(matches(token.as_str(), &token.hash()));
        assert!(!matches(OpaqueToken::generate().as_str(), &token.hash()));
        assert!(!matches(token.as_str(), ""));
    }
}
