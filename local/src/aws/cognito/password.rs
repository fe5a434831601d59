//! Passwords: what a pool asks of them, and how they are kept.

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::aws::wire::Fault;

/// A real user pool would take hundreds of thousands. This is a stand-in with made-up people, and every test signs in: what
/// counts is that no password stands readable in the data directory.
const ROUNDS: NonZeroU32 = NonZeroU32::MIN.saturating_add(999);

/// A pool's password policy.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Policy {
    least: usize,
    uppercase: bool,
    lowercase: bool,
    numbers: bool,
    symbols: bool,
}

impl Policy {
    /// Reads `Policies.PasswordPolicy`. Without one AWS asks for all four kinds; in one, what is not named is not asked for.
    pub fn read(policy: &Value) -> Self {
        let asked = |name: &str| policy.is_null() || policy[name].as_bool().unwrap_or(false);
        Self {
            least: policy["MinimumLength"].as_u64().and_then(|least| usize::try_from(least).ok()).unwrap_or(8),
            uppercase: asked("RequireUppercase"),
            lowercase: asked("RequireLowercase"),
            numbers: asked("RequireNumbers"),
            symbols: asked("RequireSymbols"),
        }
    }

    /// As `Policies.PasswordPolicy` describes it.
    pub fn describe(&self) -> Value {
        serde_json::json!({
            "MinimumLength": self.least,
            "RequireUppercase": self.uppercase,
            "RequireLowercase": self.lowercase,
            "RequireNumbers": self.numbers,
            "RequireSymbols": self.symbols,
            "TemporaryPasswordValidityDays": 7,
        })
    }

    /// `InvalidPasswordException`, in Cognito's words, for the first rule that is broken.
    pub fn check(&self, password: &str) -> Result<(), Fault> {
        let symbol = |c: char| c.is_ascii_punctuation() || c == ' ';
        let lacks = |asked: bool, kind: fn(char) -> bool| asked && !password.chars().any(kind);
        let broken = if password.chars().count() < self.least {
            "Password not long enough"
        } else if lacks(self.uppercase, |c| c.is_ascii_uppercase()) {
            "Password must have uppercase characters"
        } else if lacks(self.lowercase, |c| c.is_ascii_lowercase()) {
            "Password must have lowercase characters"
        } else if lacks(self.numbers, |c| c.is_ascii_digit()) {
            "Password must have numeric characters"
        } else if self.symbols && !password.chars().any(symbol) {
            "Password must have symbol characters"
        } else {
            return Ok(());
        };
        Err(Fault::new("InvalidPasswordException", format!("Password did not conform with policy: {broken}")))
    }
}

/// A password as it is kept: PBKDF2-HMAC-SHA256 with a salt of its own, lower hex.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Secret {
    salt: String,
    hash: String,
}

impl Secret {
    pub fn of(password: &str) -> Self {
        let salt = hex::encode(rand::random::<[u8; 16]>());
        let mut hash = [0; 32];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, salt.as_bytes(), password.as_bytes(), &mut hash);
        Self { salt, hash: hex::encode(hash) }
    }

    pub fn matches(&self, password: &str) -> bool {
        let hash = hex::decode(&self.hash).unwrap_or_default();
        pbkdf2::verify(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, self.salt.as_bytes(), password.as_bytes(), &hash).is_ok()
    }
}
