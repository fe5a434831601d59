//! Verifies a person's access token, where API Gateway's authorizer has not done it before us: routes with an optional
//! token, function URLs, `cargo lambda watch`, and the gateway of the local cloud.

use std::fmt;

use domain::ids::UserId;
use jiff::Timestamp;
use jsonwebtoken::Algorithm;
use serde::Deserialize;

use crate::jwks::Jwks;
use crate::token::{self, Claims, Header, TokenError};

/// How far our clock may be ahead of the issuer's, in seconds.
const LEEWAY: i64 = 5;

/// Checks access tokens of one issuer and one app client.
///
/// Keys are fetched when the first token comes, and kept by key id. Share one verifier per process.
pub struct TokenVerifier {
    issuer: String,
    client_id: String,
    keys: Jwks,
}

impl TokenVerifier {
    /// Makes a verifier. `issuer` is what `iss` must be (`https://cognito-idp.<region>.amazonaws.com/<pool>`),
    /// `client_id` the app client that tokens must have been issued to, `jwks_url` where the issuer publishes its keys
    /// (`http` for the local cloud). Nothing is fetched yet.
    pub fn new(issuer: impl Into<String>, client_id: impl Into<String>, jwks_url: impl Into<String>) -> Self {
        let keys = Jwks::new(jwks_url, net::Client::default());
        Self { issuer: issuer.into(), client_id: client_id.into(), keys }
    }

    /// The same verifier over connections that are shared with others.
    pub fn over(self, net: net::Client) -> Self {
        Self { keys: self.keys.over(net), ..self }
    }

    /// Verifies an `Authorization` header's value (with or without `Bearer`): RS256 by a published key, issuer, use,
    /// client and expiry, in this order.
    pub async fn verify(&self, bearer: &str, now: Timestamp) -> Result<Claims, TokenError> {
        let token = token::bearer(bearer)?;
        let kid = Header::key_id(token, "RS256")?;
        let key = self.keys.key(&kid, now).await?;
        let claims: AccessToken = jsonwebtoken::decode(token, &key, &token::signature_only(Algorithm::RS256))
            .map_err(|error| token::decode_error(&error))?
            .claims;
        claims.check(&self.issuer, &self.client_id, now)
    }
}

impl fmt::Debug for TokenVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenVerifier").field("issuer", &self.issuer).field("keys", &self.keys).finish_non_exhaustive()
    }
}

/// What is signed in an access token. Everything is optional, so that each thing that is wrong has its own answer.
#[derive(Deserialize)]
struct AccessToken {
    iss: Option<String>,
    token_use: Option<String>,
    client_id: Option<String>,
    sub: Option<String>,
    username: Option<String>,
    #[serde(rename = "cognito:groups", default)]
    groups: Vec<String>,
    exp: Option<i64>,
    #[serde(default)]
    iat: i64,
}

impl AccessToken {
    fn check(self, issuer: &str, client_id: &str, now: Timestamp) -> Result<Claims, TokenError> {
        if self.iss.as_deref() != Some(issuer) {
            return Err(TokenError::WrongIssuer);
        }
        if self.token_use.as_deref() != Some("access") {
            return Err(TokenError::WrongUse);
        }
        let token_client = self.client_id.filter(|id| id == client_id).ok_or(TokenError::WrongClient)?;
        let exp = self.exp.ok_or(TokenError::Malformed)?;
        token::check_expiry(exp, now, LEEWAY)?;
        let sub = self.sub.and_then(|sub| sub.parse::<UserId>().ok()).ok_or(TokenError::Malformed)?;
        Ok(Claims {
            sub,
            username: self.username.unwrap_or_else(|| sub.to_string()),
            groups: self.groups,
            exp,
            iat: self.iat,
            client_id: token_client,
        })
    }
}

#[cfg(test)]
mod tests;
