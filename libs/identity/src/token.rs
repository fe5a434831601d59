//! What every kind of JWT here shares: the claims of a signed-in person, and the reasons to refuse a token.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::ids::UserId;
use jiff::Timestamp;
use serde::Deserialize;

/// Longer than any token issued to us (Cognito's stay below 2 KiB); longer ones are refused before they are parsed.
const MAX_LENGTH: usize = 8 * 1024;

/// Why a token was refused. The text is for logs; what a client is told is its surface's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// No token was sent.
    #[error("no token")]
    Missing,
    /// Not a JWT, or one that lacks a claim this kind must carry.
    #[error("malformed token")]
    Malformed,
    /// Signed by another algorithm than the one this kind is signed by (`none` included).
    #[error("wrong signature algorithm")]
    WrongAlgorithm,
    /// The signature does not fit the content and the key named.
    #[error("bad signature")]
    BadSignature,
    /// `exp` has passed.
    #[error("expired token")]
    Expired,
    /// Issued by somebody else.
    #[error("wrong issuer")]
    WrongIssuer,
    /// Issued to another app client.
    #[error("wrong client")]
    WrongClient,
    /// Not an access token, but an ID token for instance.
    #[error("wrong token use")]
    WrongUse,
    /// Meant for another audience.
    #[error("wrong audience")]
    WrongAudience,
    /// Genuine, but without the scope that is needed.
    #[error("missing scope")]
    MissingScope,
    /// Signed by a key that the issuer does not publish.
    #[error("unknown signing key")]
    UnknownKey,
    /// The issuer's keys could not be fetched: our trouble, not the caller's, and worth another try.
    #[error("signing keys unavailable")]
    KeysUnavailable,
}

/// The verified claims of a person's access token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The user's id: Cognito's `sub`, a UUID that never changes and is never given to another.
    pub sub: UserId,
    /// Cognito's user name; in a pool that signs in by e-mail it equals `sub`.
    pub username: String,
    /// Groups of the user pool: the platform roles.
    pub groups: Vec<String>,
    /// Expiry, in seconds since 1970.
    pub exp: i64,
    /// Time of issue, in seconds since 1970.
    pub iat: i64,
    /// The app client that the token was issued to.
    pub client_id: String,
}

impl Claims {
    /// Takes the claims that API Gateway's JWT authorizer has verified, from `requestContext.authorizer.jwt.claims`,
    /// where every value is a string and a list is written `[a b]`.
    ///
    /// The authorizer has checked signature, issuer, expiry and client, but it lets ID tokens pass as well; those are
    /// refused here with [`TokenError::WrongUse`]. A claim that is missing is [`TokenError::Malformed`].
    pub fn from_authorizer(claims: &HashMap<String, String>) -> Result<Self, TokenError> {
        let text = |name: &str| claims.get(name).map(String::as_str);
        if text("token_use") != Some("access") {
            return Err(TokenError::WrongUse);
        }
        let sub = text("sub").ok_or(TokenError::Malformed)?;
        Ok(Self {
            sub: sub.parse().map_err(|_| TokenError::Malformed)?,
            username: text("username").unwrap_or(sub).to_owned(),
            groups: text("cognito:groups").map(list).unwrap_or_default(),
            exp: text("exp").and_then(seconds).ok_or(TokenError::Malformed)?,
            iat: text("iat").and_then(seconds).ok_or(TokenError::Malformed)?,
            client_id: text("client_id").ok_or(TokenError::Malformed)?.to_owned(),
        })
    }
}

/// Reads API Gateway's rendering of a list claim: `[a b]`.
fn list(text: &str) -> Vec<String> {
    text.trim_matches(['[', ']']).split([' ', ',']).filter(|group| !group.is_empty()).map(str::to_owned).collect()
}

/// Reads a time claim. API Gateway renders large numbers as `1.7E9` at times.
fn seconds(text: &str) -> Option<i64> {
    text.parse().ok().or_else(|| text.parse::<f64>().ok().map(|seconds| seconds as i64))
}

/// Takes the token out of an `Authorization` header's value. As at API Gateway, the word `Bearer` may be left out.
///
/// Nothing sent is [`TokenError::Missing`]; another scheme, or more than a token could be, [`TokenError::Malformed`].
pub fn bearer(header: &str) -> Result<&str, TokenError> {
    let header = header.trim();
    let token = match header.split_at_checked(6) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer") => match rest.chars().next() {
            None => "",
            Some(next) if next.is_whitespace() => rest.trim_start(),
            Some(_) => header,
        },
        _ => header,
    };
    if token.is_empty() {
        Err(TokenError::Missing)
    } else if token.len() > MAX_LENGTH || token.contains(char::is_whitespace) {
        Err(TokenError::Malformed)
    } else {
        Ok(token)
    }
}

/// The part of a JWT's header that chooses the key. Read before anything is verified, and trusted for nothing else.
#[derive(Deserialize)]
pub(crate) struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<serde_json::Value>,
}

impl Header {
    /// Reads the header of `token`, and answers the id of the key it must be checked with.
    pub(crate) fn key_id(token: &str, algorithm: &str) -> Result<String, TokenError> {
        let (header, _) = token.split_once('.').ok_or(TokenError::Malformed)?;
        let json = URL_SAFE_NO_PAD.decode(header).map_err(|_| TokenError::Malformed)?;
        let header: Self = serde_json::from_slice(&json).map_err(|_| TokenError::Malformed)?;
        if header.alg != algorithm {
            return Err(TokenError::WrongAlgorithm);
        }
        // RFC 7515 §4.1.11: an extension that is marked critical and not understood makes the token invalid.
        if header.crit.is_some() {
            return Err(TokenError::Malformed);
        }
        header.kid.ok_or(TokenError::Malformed)
    }
}

/// Refuses a token whose `exp` has passed. A clock may be behind by `leeway` seconds.
pub(crate) fn check_expiry(exp: i64, now: Timestamp, leeway: i64) -> Result<(), TokenError> {
    if now.as_second() >= exp.saturating_add(leeway) {
        return Err(TokenError::Expired);
    }
    Ok(())
}

/// A `jsonwebtoken` validation that checks the signature by `algorithm` and nothing else: the claims are checked by
/// their own rules, against the time that was passed in.
pub(crate) fn signature_only(algorithm: jsonwebtoken::Algorithm) -> jsonwebtoken::Validation {
    let mut validation = jsonwebtoken::Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation
}

/// Tells a bad signature from content that is not what this kind of token holds.
pub(crate) fn decode_error(error: &jsonwebtoken::errors::Error) -> TokenError {
    match error.kind() {
        jsonwebtoken::errors::ErrorKind::InvalidSignature => TokenError::BadSignature,
        jsonwebtoken::errors::ErrorKind::InvalidAlgorithm => TokenError::WrongAlgorithm,
        _ => TokenError::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authorizer_claims() -> HashMap<String, String> {
        [
            ("sub", "8c2a9b52-2f0a-4a43-a1d6-0f7be5f3a111"),
            ("username", "8c2a9b52-2f0a-4a43-a1d6-0f7be5f3a111"),
            ("cognito:groups", "[admin staff]"),
            ("token_use", "access"),
            ("client_id", "client"),
            ("exp", "1700000900"),
            ("iat", "1.7E9"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    #[test]
    fn claims_of_the_authorizer_are_read() {
        let claims = Claims::from_authorizer(&authorizer_claims()).unwrap();
        assert_eq!(claims.sub.to_string(), "8c2a9b52-2f0a-4a43-a1d6-0f7be5f3a111");
        assert_eq!(claims.groups, ["admin", "staff"]);
        assert_eq!((claims.exp, claims.iat), (1_700_000_900, 1_700_000_000));
        assert_eq!(claims.client_id, "client");
    }

    #[test]
    fn the_authorizer_lets_id_tokens_pass_and_we_do_not() {
        let mut claims = authorizer_claims();
        claims.insert("token_use".to_owned(), "id".to_owned());
        assert_eq!(Claims::from_authorizer(&claims), Err(TokenError::WrongUse));
        claims.remove("token_use");
        assert_eq!(Claims::from_authorizer(&claims), Err(TokenError::WrongUse));
    }

    #[test]
    fn a_missing_claim_is_malformed_and_missing_groups_are_none() {
        for name in ["sub", "exp", "iat", "client_id"] {
            let mut claims = authorizer_claims();
            claims.remove(name);
            assert_eq!(Claims::from_authorizer(&claims), Err(TokenError::Malformed), "{name}");
        }
        let mut claims = authorizer_claims();
        claims.remove("cognito:groups");
        assert!(Claims::from_authorizer(&claims).unwrap().groups.is_empty());
    }

    #[test]
    fn a_bearer_header_is_read_as_api_gateway_reads_it() {
        assert_eq!(bearer("Bearer abc"), Ok("abc"));
        assert_eq!(bearer("bearer   abc "), Ok("abc"));
        assert_eq!(bearer("abc"), Ok("abc"));
        assert_eq!(bearer("bearerabc"), Ok("bearerabc"));
        assert_eq!(bearer(""), Err(TokenError::Missing));
        assert_eq!(bearer("Bearer"), Err(TokenError::Missing));
        assert_eq!(bearer("Bearer  "), Err(TokenError::Missing));
        assert_eq!(bearer("Basic abc"), Err(TokenError::Malformed));
        assert_eq!(bearer("Bearer a b"), Err(TokenError::Malformed));
        assert_eq!(bearer("ééé"), Ok("ééé"));
        assert_eq!(bearer(&"a".repeat(9000)), Err(TokenError::Malformed));
    }
}
