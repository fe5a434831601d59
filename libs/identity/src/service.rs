//! Service tokens: HS256 JWTs by which a program proves who it is and what it may do.
//!
//! They are signed by keys of our own (`SERVICE_TOKEN_KEYS`), carry the audience `fairground` and a list of scopes
//! (`status:read`), and live for a day at most, so that there is nothing to withdraw.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use serde::{Deserialize, Serialize};

use crate::token::{self, Header, TokenError};

/// Whom service tokens are for.
const AUDIENCE: &str = "fairground";
/// The longest life of a service token.
const MAX_TTL: SignedDuration = SignedDuration::from_hours(24);
/// HS256 is as strong as its secret: no less than the hash's own 256 bits, even when written as plain text.
const MIN_SECRET_CHARS: usize = 32;

/// The claims of a service token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceClaims {
    /// The program's name.
    pub sub: String,
    aud: String,
    /// What it may do, as one text with spaces between (RFC 8693 §4.2).
    scope: String,
    /// Expiry, in seconds since 1970.
    pub exp: i64,
    /// Time of issue, in seconds since 1970.
    pub iat: i64,
}

impl ServiceClaims {
    /// What the program may do, one by one.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scope.split(' ').filter(|scope| !scope.is_empty())
    }

    /// Whether the program may do what `scope` names.
    pub fn allows(&self, scope: &str) -> bool {
        self.scopes().any(|held| held == scope)
    }
}

/// Why a set of keys cannot be used. It names no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceKeysError {
    /// Not `kid:secret`, or no key at all.
    #[error("service token keys must be written as kid:secret,kid:secret")]
    Malformed,
    /// A secret that could be guessed.
    #[error("the secret of service token key {0:?} is shorter than {MIN_SECRET_CHARS} characters")]
    ShortSecret(String),
    /// Two keys by one name.
    #[error("service token key {0:?} is there twice")]
    Duplicate(String),
}

struct Key {
    kid: String,
    signing: EncodingKey,
    checking: DecodingKey,
}

/// The keys of service tokens: the first signs, all of them check, so that a key can be replaced without a break.
pub struct ServiceKeys(Vec<Key>);

impl ServiceKeys {
    /// Reads `kid:secret,kid2:secret2`.
    ///
    /// Refuses an empty list, an entry without name or secret, a secret below 32 characters, and a name given twice.
    pub fn parse(text: &str) -> Result<Self, ServiceKeysError> {
        let mut keys: Vec<Key> = Vec::new();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let (kid, secret) = entry.split_once(':').ok_or(ServiceKeysError::Malformed)?;
            if kid.is_empty() {
                return Err(ServiceKeysError::Malformed);
            }
            if secret.chars().count() < MIN_SECRET_CHARS {
                return Err(ServiceKeysError::ShortSecret(kid.to_owned()));
            }
            if keys.iter().any(|key| key.kid == kid) {
                return Err(ServiceKeysError::Duplicate(kid.to_owned()));
            }
            keys.push(Key {
                kid: kid.to_owned(),
                signing: EncodingKey::from_secret(secret.as_bytes()),
                checking: DecodingKey::from_secret(secret.as_bytes()),
            });
        }
        if keys.is_empty() {
            return Err(ServiceKeysError::Malformed);
        }
        Ok(Self(keys))
    }

    /// Issues a token to the program `subject`, for `ttl` (a day at most; more is cut off) from `now`.
    ///
    /// Fails with [`TokenError::Malformed`] when a scope is empty or holds a space.
    pub fn issue(
        &self,
        subject: &str,
        scopes: &[&str],
        ttl: SignedDuration,
        now: Timestamp,
    ) -> Result<String, TokenError> {
        if scopes.iter().any(|scope| scope.is_empty() || scope.contains(char::is_whitespace)) {
            return Err(TokenError::Malformed);
        }
        let key = self.0.first().ok_or(TokenError::UnknownKey)?;
        let claims = ServiceClaims {
            sub: subject.to_owned(),
            aud: AUDIENCE.to_owned(),
            scope: scopes.join(" "),
            exp: now.as_second() + ttl.min(MAX_TTL).as_secs(),
            iat: now.as_second(),
        };
        let mut header = jsonwebtoken::Header::new(Algorithm::HS256);
        header.kid = Some(key.kid.clone());
        jsonwebtoken::encode(&header, &claims, &key.signing).map_err(|error| token::decode_error(&error))
    }

    /// Checks a token (with or without `Bearer`): HS256, a key of ours, the audience, the expiry, a life of a day at
    /// most, and, where one is named, the scope that the caller needs.
    pub fn verify(
        &self,
        bearer: &str,
        now: Timestamp,
        required_scope: Option<&str>,
    ) -> Result<ServiceClaims, TokenError> {
        let token = token::bearer(bearer)?;
        let kid = Header::key_id(token, "HS256")?;
        let key = self.0.iter().find(|key| key.kid == kid).ok_or(TokenError::UnknownKey)?;
        let claims =
            jsonwebtoken::decode::<ServiceClaims>(token, &key.checking, &token::signature_only(Algorithm::HS256))
                .map_err(|error| token::decode_error(&error))?
                .claims;
        if claims.aud != AUDIENCE {
            return Err(TokenError::WrongAudience);
        }
        token::check_expiry(claims.exp, now, 0)?;
        if claims.exp.saturating_sub(claims.iat) > MAX_TTL.as_secs() {
            return Err(TokenError::Malformed);
        }
        if required_scope.is_some_and(|scope| !claims.allows(scope)) {
            return Err(TokenError::MissingScope);
        }
        Ok(claims)
    }
}

/// Names the keys, and never shows a secret.
impl fmt::Debug for ServiceKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.kid)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "2025:an-old-secret-of-more-than-32-characters";
    const NEW: &str = "2026:a-new-secret-of-more-than-32-characters!";

    fn now() -> Timestamp {
        Timestamp::from_second(1_790_000_000).unwrap()
    }

    fn hours(hours: i64) -> SignedDuration {
        SignedDuration::from_hours(hours)
    }

    fn keys(text: &str) -> ServiceKeys {
        ServiceKeys::parse(text).unwrap()
    }

    #[test]
    fn an_issued_token_is_verified_with_its_scopes() {
        let keys = keys(NEW);
        let token = keys.issue("monitor", &["status:read", "orders:read"], hours(1), now()).unwrap();
        let claims = keys.verify(&token, now(), Some("status:read")).unwrap();
        assert_eq!(claims.sub, "monitor");
        assert_eq!(claims.scopes().collect::<Vec<_>>(), ["status:read", "orders:read"]);
        assert_eq!(claims.exp - claims.iat, 3600);
        assert!(keys.verify(&format!("Bearer {token}"), now(), None).is_ok());
        assert_eq!(keys.verify(&token, now(), Some("status")), Err(TokenError::MissingScope));
    }

    #[test]
    fn it_expires_and_never_lives_longer_than_a_day() {
        let keys = keys(NEW);
        let token = keys.issue("monitor", &[], hours(1000), now()).unwrap();
        assert!(keys.verify(&token, now() + hours(24) - SignedDuration::from_secs(1), None).is_ok());
        assert_eq!(keys.verify(&token, now() + hours(24), None), Err(TokenError::Expired));
    }

    #[test]
    fn keys_rotate() {
        let token = keys(OLD).issue("monitor", &[], hours(1), now()).unwrap();
        let rotating = keys(&format!("{NEW}, {OLD}"));
        assert!(rotating.verify(&token, now(), None).is_ok());
        let newer = rotating.issue("monitor", &[], hours(1), now()).unwrap();
        assert!(keys(NEW).verify(&newer, now(), None).is_ok());
        assert_eq!(keys(NEW).verify(&token, now(), None), Err(TokenError::UnknownKey));
    }

    #[test]
    fn forgeries_are_refused() {
        let ours = keys(NEW);
        let forged = keys("2026:another-secret-of-more-than-32-characters")
            .issue("monitor", &["status:read"], hours(1), now())
            .unwrap();
        assert_eq!(ours.verify(&forged, now(), None), Err(TokenError::BadSignature));
        assert_eq!(ours.verify("", now(), None), Err(TokenError::Missing));
        assert_eq!(ours.verify("a.b.c", now(), None), Err(TokenError::Malformed));

        let sign = |algorithm, claims: serde_json::Value| {
            let mut header = jsonwebtoken::Header::new(algorithm);
            header.kid = Some("2026".to_owned());
            jsonwebtoken::encode(&header, &claims, &ours.0[0].signing).unwrap()
        };
        let claims = |aud: &str, life: i64| serde_json::json!({ "sub": "x", "aud": aud, "scope": "", "iat": now().as_second(), "exp": now().as_second() + life });
        let verify = |token: String| ours.verify(&token, now(), None);
        assert!(verify(sign(Algorithm::HS256, claims("fairground", 60))).is_ok());
        assert_eq!(verify(sign(Algorithm::HS512, claims("fairground", 60))), Err(TokenError::WrongAlgorithm));
        assert_eq!(verify(sign(Algorithm::HS256, claims("elsewhere", 60))), Err(TokenError::WrongAudience));
        assert_eq!(verify(sign(Algorithm::HS256, claims("fairground", 86_401))), Err(TokenError::Malformed));
    }

    #[test]
    fn weak_or_unclear_keys_are_refused() {
        let refused = |text: &str| ServiceKeys::parse(text).unwrap_err();
        assert_eq!(refused(""), ServiceKeysError::Malformed);
        assert_eq!(refused("only-a-secret-of-more-than-32-characters"), ServiceKeysError::Malformed);
        assert_eq!(refused(":a-secret-of-more-than-32-characters!!"), ServiceKeysError::Malformed);
        assert_eq!(refused("a:short"), ServiceKeysError::ShortSecret("a".to_owned()));
        assert_eq!(refused(&format!("{NEW},{NEW}")), ServiceKeysError::Duplicate("2026".to_owned()));
        assert_eq!(format!("{:?}", keys(NEW)), r#"["2026"]"#);
    }

    #[test]
    fn a_scope_is_one_word() {
        assert_eq!(keys(NEW).issue("x", &["a b"], hours(1), now()), Err(TokenError::Malformed));
    }
}
