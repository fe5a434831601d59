//! Google's proof that a push of Pub/Sub comes from one's own subscription: an OIDC token, RS256 by Google's keys, for an
//! audience of one's own, in the name of the service account that the subscription was given (contract `pos.md` §16).

use std::fmt;

use jiff::Timestamp;
use jsonwebtoken::Algorithm;
use serde::Deserialize;

use crate::jwks::Jwks;
use crate::token::{self, Header, TokenError};

/// Google signs under either name.
const ISSUERS: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];

/// How far our clock may be ahead of Google's, in seconds.
const LEEWAY: i64 = 30;

/// Checks the tokens of one push subscription.
pub struct PushVerifier {
    audience: String,
    account: String,
    keys: Jwks,
}

impl PushVerifier {
    /// `audience` and `account` are what the subscription was made with. Nothing is fetched yet.
    pub fn new(audience: impl Into<String>, account: impl Into<String>, keys: Jwks) -> Self {
        Self { audience: audience.into(), account: account.into(), keys }
    }

    /// Verifies an `Authorization` header's value: signature, issuer, audience, service account and expiry.
    pub async fn verify(&self, bearer: &str, now: Timestamp) -> Result<(), TokenError> {
        let token = token::bearer(bearer)?;
        let kid = Header::key_id(token, "RS256")?;
        let key = self.keys.key(&kid, now).await?;
        let claims: PushToken = jsonwebtoken::decode(token, &key, &token::signature_only(Algorithm::RS256))
            .map_err(|error| token::decode_error(&error))?
            .claims;
        claims.check(&self.audience, &self.account, now)
    }
}

impl fmt::Debug for PushVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushVerifier")
            .field("audience", &self.audience)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

/// Everything is optional, so that each thing that is wrong has its own answer.
#[derive(Deserialize)]
struct PushToken {
    iss: Option<String>,
    aud: Option<String>,
    email: Option<String>,
    #[serde(default)]
    email_verified: bool,
    exp: Option<i64>,
}

impl PushToken {
    fn check(self, audience: &str, account: &str, now: Timestamp) -> Result<(), TokenError> {
        if !self.iss.is_some_and(|issuer| ISSUERS.contains(&issuer.as_str())) {
            return Err(TokenError::WrongIssuer);
        }
        if self.aud.as_deref() != Some(audience) {
            return Err(TokenError::WrongAudience);
        }
        if !self.email_verified || self.email.as_deref() != Some(account) {
            return Err(TokenError::WrongClient);
        }
        token::check_expiry(self.exp.ok_or(TokenError::Malformed)?, now, LEEWAY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const NOW: i64 = 1_790_000_000;

    fn token() -> Value {
        json!({"iss": ISSUERS[0], "aud": "audience", "email": "push@project.example", "email_verified": true,
            "exp": NOW + 60})
    }

    fn check(token: Value) -> Result<(), TokenError> {
        let now = Timestamp::from_second(NOW).unwrap();
        serde_json::from_value::<PushToken>(token).unwrap().check("audience", "push@project.example", now)
    }

    #[test]
    fn each_claim_counts() {
        assert_eq!(check(token()), Ok(()));
        let cases = [
            ("iss", json!("https://accounts.example"), TokenError::WrongIssuer),
            ("iss", Value::Null, TokenError::WrongIssuer),
            ("aud", json!("other"), TokenError::WrongAudience),
            ("email", json!("other@project.example"), TokenError::WrongClient),
            ("email_verified", json!(false), TokenError::WrongClient),
            ("exp", json!(NOW - 31), TokenError::Expired),
            ("exp", Value::Null, TokenError::Malformed),
        ];
        for (name, value, error) in cases {
            let mut wrong = token();
            wrong[name] = value;
            assert_eq!(check(wrong), Err(error), "{name}");
        }
    }
}
