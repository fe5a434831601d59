//! Verifies a person's access token, where API Gateway's authorizer has not done it before us: routes with an optional
//! token, function URLs, `cargo lambda watch`, and the gateway of the local cloud.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use domain::ids::UserId;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey};
use net::Limits;
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::token::{self, Claims, Header, TokenError};

/// How far our clock may be ahead of the issuer's, in seconds.
const LEEWAY: i64 = 5;
/// A key that is not known is looked for at the issuer, but not more often than this, whatever callers send.
const REFETCH_AFTER: SignedDuration = SignedDuration::from_secs(30);
/// A fetch that failed is repeated sooner than one that merely lacked the key.
const RETRY_AFTER: SignedDuration = SignedDuration::from_secs(1);
/// Keys are fetched anew when they are this old, so that one the issuer has withdrawn stops being accepted.
const MAX_AGE: SignedDuration = SignedDuration::from_hours(1);
/// Cognito's key set has two keys and about 1 KiB.
const FETCH: Limits =
    Limits { connect: Duration::from_secs(2), total: Duration::from_secs(5), answer_bytes: 64 * 1024 };

/// Checks access tokens of one issuer and one app client.
///
/// Keys are fetched when the first token comes, and kept by key id. Share one verifier per process.
pub struct TokenVerifier {
    issuer: String,
    client_id: String,
    jwks_url: String,
    keys: RwLock<Arc<KeySet>>,
    last_fetch: Mutex<Option<Fetch>>,
    net: net::Client,
}

#[derive(Default)]
struct KeySet {
    by_id: HashMap<String, Arc<DecodingKey>>,
    fetched: Timestamp,
}

/// The last attempt to fetch the keys. Its lock is held while fetching, which makes one fetch of many at once.
#[derive(Clone, Copy)]
struct Fetch {
    at: Timestamp,
    succeeded: bool,
}

impl Fetch {
    fn is_recent(&self, now: Timestamp) -> bool {
        let wait = if self.succeeded { REFETCH_AFTER } else { RETRY_AFTER };
        now.duration_since(self.at) < wait
    }
}

impl TokenVerifier {
    /// Makes a verifier. `issuer` is what `iss` must be (`https://cognito-idp.<region>.amazonaws.com/<pool>`),
    /// `client_id` the app client that tokens must have been issued to, `jwks_url` where the issuer publishes its keys
    /// (`http` for the local cloud). Nothing is fetched yet.
    pub fn new(issuer: impl Into<String>, client_id: impl Into<String>, jwks_url: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            client_id: client_id.into(),
            jwks_url: jwks_url.into(),
            keys: RwLock::default(),
            last_fetch: Mutex::default(),
            net: net::Client::default(),
        }
    }

    /// The same verifier over connections that are shared with others.
    pub fn over(self, net: net::Client) -> Self {
        Self { net, ..self }
    }

    /// Verifies an `Authorization` header's value (with or without `Bearer`): RS256 by a published key, issuer, use,
    /// client and expiry, in this order.
    pub async fn verify(&self, bearer: &str, now: Timestamp) -> Result<Claims, TokenError> {
        let token = token::bearer(bearer)?;
        let kid = Header::key_id(token, "RS256")?;
        let key = self.key(&kid, now).await?;
        let claims: AccessToken = jsonwebtoken::decode(token, &key, &token::signature_only(Algorithm::RS256))
            .map_err(|error| token::decode_error(&error))?
            .claims;
        claims.check(&self.issuer, &self.client_id, now)
    }

    /// The key by that id: from the cache, or else from the issuer, if it was not asked just now.
    async fn key(&self, kid: &str, now: Timestamp) -> Result<Arc<DecodingKey>, TokenError> {
        if let Some(key) = self.fresh_key(kid, now) {
            return Ok(key);
        }
        let mut last_fetch = self.last_fetch.lock().await;
        // Whoever held the lock before us may have fetched it.
        if let Some(key) = self.fresh_key(kid, now) {
            return Ok(key);
        }
        let succeeded = match *last_fetch {
            Some(fetch) if fetch.is_recent(now) => fetch.succeeded,
            _ => {
                // Noted before the call: a caller that goes away while waiting must not open the way for the next.
                *last_fetch = Some(Fetch { at: now, succeeded: false });
                let succeeded = self.fetch(now).await;
                *last_fetch = Some(Fetch { at: now, succeeded });
                succeeded
            }
        };
        let missing = if succeeded { TokenError::UnknownKey } else { TokenError::KeysUnavailable };
        // When the issuer cannot be reached, the keys it served an hour ago are still the best there are.
        self.key_set().by_id.get(kid).cloned().ok_or(missing)
    }

    fn key_set(&self) -> Arc<KeySet> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fresh_key(&self, kid: &str, now: Timestamp) -> Option<Arc<DecodingKey>> {
        let keys = self.key_set();
        if now.duration_since(keys.fetched) > MAX_AGE {
            return None;
        }
        keys.by_id.get(kid).cloned()
    }

    /// Replaces the keys by what the issuer publishes now, and tells whether that worked.
    async fn fetch(&self, now: Timestamp) -> bool {
        match self.get_key_set().await {
            Ok(by_id) => {
                let keys = Arc::new(KeySet { by_id, fetched: now });
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
                true
            }
            Err(error) => {
                tracing::warn!(%error, url = self.jwks_url, "signing keys could not be fetched");
                false
            }
        }
    }

    async fn get_key_set(&self) -> Result<HashMap<String, Arc<DecodingKey>>, BoxError> {
        let answer = self.net.send(http::Request::get(&self.jwks_url).body(Bytes::new())?, FETCH).await?;
        if answer.status() != http::StatusCode::OK {
            return Err(format!("status {}", answer.status()).into());
        }
        let keys: JsonWebKeySet = serde_json::from_slice(answer.body())?;
        Ok(keys.signing_keys())
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl fmt::Debug for TokenVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenVerifier")
            .field("issuer", &self.issuer)
            .field("jwks_url", &self.jwks_url)
            .finish_non_exhaustive()
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

/// RFC 7517. Keys of kinds and for uses that are not ours are passed over.
#[derive(Deserialize)]
struct JsonWebKeySet {
    keys: Vec<JsonWebKey>,
}

#[derive(Deserialize)]
struct JsonWebKey {
    kid: Option<String>,
    kty: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl JsonWebKeySet {
    fn signing_keys(self) -> HashMap<String, Arc<DecodingKey>> {
        self.keys.into_iter().filter_map(JsonWebKey::signing_key).collect()
    }
}

impl JsonWebKey {
    fn signing_key(self) -> Option<(String, Arc<DecodingKey>)> {
        if self.kty.as_deref() != Some("RSA") || self.purpose.is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let key = DecodingKey::from_rsa_components(&self.n?, &self.e?).ok()?;
        Some((self.kid?, Arc::new(key)))
    }
}

#[cfg(test)]
mod tests;
