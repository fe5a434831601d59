//! The keys that an issuer publishes, kept by key id: fetched when the first token comes, and not more often than callers
//! could make us.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::DecodingKey;
use net::Limits;
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::token::TokenError;

/// A key that is not known is looked for at the issuer, but not more often than this, whatever callers send.
const REFETCH_AFTER: SignedDuration = SignedDuration::from_secs(30);
/// A fetch that failed is repeated sooner than one that merely lacked the key.
const RETRY_AFTER: SignedDuration = SignedDuration::from_secs(1);
/// Keys are fetched anew when they are this old, so that one the issuer has withdrawn stops being accepted.
const MAX_AGE: SignedDuration = SignedDuration::from_hours(1);
/// Cognito's key set has two keys and about 1 KiB.
pub(crate) const FETCH: Limits =
    Limits { connect: Duration::from_secs(2), total: Duration::from_secs(5), answer_bytes: 64 * 1024 };

/// One issuer's signing keys (RS256). Share one per process.
pub struct Jwks {
    url: String,
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

impl Jwks {
    /// The keys published at `url` (`http` for the local cloud), over `net`. Nothing is fetched yet.
    pub fn new(url: impl Into<String>, net: net::Client) -> Self {
        Self { url: url.into(), keys: RwLock::default(), last_fetch: Mutex::default(), net }
    }

    /// The same keys over other connections.
    pub(crate) fn over(self, net: net::Client) -> Self {
        Self { net, ..self }
    }

    /// The key by that id: from the cache, or else from the issuer, if it was not asked just now.
    pub async fn key(&self, kid: &str, now: Timestamp) -> Result<Arc<DecodingKey>, TokenError> {
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
                tracing::warn!(%error, url = self.url, "signing keys could not be fetched");
                false
            }
        }
    }

    async fn get_key_set(&self) -> Result<HashMap<String, Arc<DecodingKey>>, BoxError> {
        let answer = self.net.send(http::Request::get(&self.url).body(Bytes::new())?, FETCH).await?;
        if answer.status() != http::StatusCode::OK {
            return Err(format!("status {}", answer.status()).into());
        }
        let keys: JsonWebKeySet = serde_json::from_slice(answer.body())?;
        Ok(keys.signing_keys())
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl fmt::Debug for Jwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwks").field("url", &self.url).finish_non_exhaustive()
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
