//! The JWT authorizer of HTTP APIs: RS256 against the issuer's published keys, `iss`, `aud` or `client_id`, `exp`, `nbf`,
//! scopes. Claims reach the function as strings, as API Gateway writes them.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use http::header::WWW_AUTHENTICATE;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, errors::ErrorKind, jwk::JwkSet};
use runtime::clock::Clock;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;

use super::{
    authorize::Decision,
    event::Incoming,
    response::{forbidden, unauthorized},
};

/// An unknown key id makes the keys be fetched again, but no oftener than this.
const REFETCH_AFTER: Duration = Duration::from_secs(5);

/// Verifies tokens of one issuer.
#[derive(Debug)]
pub struct JwtAuthorizer {
    identity_source: String,
    issuer: String,
    audience: Vec<String>,
    scopes: Vec<String>,
    jwks_url: String,
    clock: Clock,
    keys: Mutex<Keys>,
}

#[derive(Default)]
struct Keys {
    by_id: HashMap<String, DecodingKey>,
    fetched: Option<Instant>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_list().entries(self.by_id.keys()).finish()
    }
}

impl JwtAuthorizer {
    /// An authorizer of `issuer`'s tokens, whose keys are at `jwks_url`.
    pub fn new(
        identity_source: String,
        issuer: String,
        audience: Vec<String>,
        scopes: Vec<String>,
        jwks_url: String,
        clock: Clock,
    ) -> Self {
        Self { identity_source, issuer, audience, scopes, jwks_url, clock, keys: Mutex::default() }
    }

    /// Decides about a request to a route that wants one of `route_scopes`.
    pub async fn decide(&self, request: &Incoming, route_scopes: &[String]) -> Decision {
        let Some(token) = self.token(request) else { return Err(Box::new(unauthorized("Bearer"))) };
        let claims = self.verify(&token).await.map_err(|reason| {
            let challenge = format!("Bearer scope=\"\" error=\"invalid_token\" error_description=\"{reason}\"");
            Box::new(unauthorized(&challenge))
        })?;
        let wanted = if route_scopes.is_empty() { &self.scopes } else { route_scopes };
        let scopes = granted(&claims);
        if !wanted.is_empty() && !wanted.iter().any(|scope| scopes.contains(scope)) {
            let mut answer = forbidden();
            let challenge = format!("Bearer scope=\"{}\" error=\"insufficient_scope\"", wanted.join(" "));
            if let Ok(value) = challenge.parse() {
                answer.headers_mut().insert(WWW_AUTHENTICATE, value);
            }
            return Err(Box::new(answer));
        }
        // A route that asks for no scope is told of none.
        let scopes = if wanted.is_empty() { Value::Null } else { json!(scopes) };
        Ok(Some(json!({ "jwt": { "claims": stringified(&claims), "scopes": scopes } })))
    }

    fn token(&self, request: &Incoming) -> Option<String> {
        let value = if let Some(name) = self.identity_source.strip_prefix("$request.header.") {
            request.header(&name.to_ascii_lowercase())
        } else {
            request.query_parameter(self.identity_source.strip_prefix("$request.querystring.")?)
        }?;
        let token = match value.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim().to_owned(),
            _ => value,
        };
        (!token.is_empty()).then_some(token)
    }

    async fn verify(&self, token: &str) -> Result<Map<String, Value>, &'static str> {
        let header = decode_header(token).map_err(|_| "the token is malformed")?;
        if header.alg != Algorithm::RS256 {
            return Err("the token's signing method is not supported");
        }
        let key_id = header.kid.ok_or("the token does not name its key")?;
        let key = self.key(&key_id).await?;
        let mut validation = Validation::new(Algorithm::RS256);
        // Times are compared below, by a clock that tests can set forward.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let claims = decode::<Map<String, Value>>(token, &key, &validation).map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature => "the token's signature is invalid",
            _ => "the token is malformed",
        })?;
        self.check_times(&claims.claims)?;
        self.check_origin(claims.claims)
    }

    fn check_times(&self, claims: &Map<String, Value>) -> Result<(), &'static str> {
        let now = self.clock.now().as_second() as f64;
        let time = |name: &str| claims.get(name).and_then(Value::as_f64);
        if time("exp").ok_or("the token has no expiry")? <= now {
            return Err("the token has expired");
        }
        if time("nbf").is_some_and(|from| from > now) {
            return Err("the token is not valid yet");
        }
        Ok(())
    }

    fn check_origin(&self, claims: Map<String, Value>) -> Result<Map<String, Value>, &'static str> {
        if claims.get("iss").and_then(Value::as_str) != Some(&self.issuer) {
            return Err("the token has an invalid issuer");
        }
        // Cognito's access tokens have no `aud`; then `client_id` counts.
        let audience: Vec<&str> = match claims.get("aud").or(claims.get("client_id")) {
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(one)) => vec![one],
            _ => Vec::new(),
        };
        if !self.audience.iter().any(|accepted| audience.contains(&accepted.as_str())) {
            return Err("the token has an invalid audience");
        }
        Ok(claims)
    }

    async fn key(&self, key_id: &str) -> Result<DecodingKey, &'static str> {
        let mut keys = self.keys.lock().await;
        if let Some(key) = keys.by_id.get(key_id) {
            return Ok(key.clone());
        }
        if keys.fetched.is_none_or(|at| at.elapsed() > REFETCH_AFTER) {
            keys.fetched = Some(Instant::now());
            match fetch(&self.jwks_url).await {
                Ok(set) => keys.by_id = usable(&set),
                Err(error) => {
                    tracing::warn!(url = self.jwks_url, %error, "the issuer's keys could not be fetched");
                    keys.fetched = None;
                    return Err("the issuer's keys could not be fetched");
                }
            }
        }
        keys.by_id.get(key_id).cloned().ok_or("the token's key is unknown")
    }
}

async fn fetch(url: &str) -> Result<JwkSet, reqwest::Error> {
    reqwest::get(url).await?.error_for_status()?.json().await
}

fn usable(set: &JwkSet) -> HashMap<String, DecodingKey> {
    let keyed = set.keys.iter().filter_map(|jwk| {
        let key = DecodingKey::from_jwk(jwk).ok()?;
        Some((jwk.common.key_id.clone()?, key))
    });
    keyed.collect()
}

fn granted(claims: &Map<String, Value>) -> Vec<String> {
    let scope = claims.get("scope").or(claims.get("scp"));
    match scope {
        Some(Value::String(all)) => all.split_whitespace().map(str::to_owned).collect(),
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn stringified(claims: &Map<String, Value>) -> Value {
    claims.iter().map(|(name, value)| (name.clone(), Value::String(as_text(value)))).collect::<Map<_, _>>().into()
}

/// API Gateway writes lists as `[a b]` and objects as `map[k:v]`.
fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(as_text).collect::<Vec<_>>().join(" ")),
        Value::Object(entries) => {
            let entries = entries.iter().map(|(key, value)| format!("{key}:{}", as_text(value)));
            format!("map[{}]", entries.collect::<Vec<_>>().join(" "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn claims_are_written_as_api_gateway_writes_them() {
        let claims = json!({"exp": 1_600_000_000, "cognito:groups": ["admin", "staff"], "ok": true, "sub": "u"});
        assert_eq!(
            stringified(claims.as_object().unwrap()),
            json!({"exp": "1600000000", "cognito:groups": "[admin staff]", "ok": "true", "sub": "u"})
        );
    }

    fn authorizer() -> JwtAuthorizer {
        JwtAuthorizer::new(
            "$request.header.Authorization".to_owned(),
            "https://issuer".to_owned(),
            vec!["client".to_owned()],
            Vec::new(),
            "http://127.0.0.1:1/jwks.json".to_owned(),
            Clock::default(),
        )
    }

    #[test]
    fn audience_or_client_id_must_match() {
        let check = |claims: Value| authorizer().check_origin(claims.as_object().unwrap().clone()).map(|_| ());
        assert_eq!(check(json!({"iss": "https://issuer", "client_id": "client"})), Ok(()));
        assert_eq!(check(json!({"iss": "https://issuer", "aud": ["x", "client"]})), Ok(()));
        let invalid = Err("the token has an invalid audience");
        assert_eq!(check(json!({"iss": "https://issuer", "aud": "x", "client_id": "client"})), invalid);
        assert_eq!(check(json!({"iss": "https://issuer"})), invalid);
        let invalid = Err("the token has an invalid issuer");
        assert_eq!(check(json!({"iss": "https://other", "client_id": "client"})), invalid);
    }

    #[test]
    fn times_must_be_right() {
        let check = |claims: Value| authorizer().check_times(claims.as_object().unwrap());
        assert_eq!(check(json!({"exp": 9_999_999_999_u64, "nbf": 1})), Ok(()));
        assert_eq!(check(json!({"exp": 1})), Err("the token has expired"));
        assert_eq!(check(json!({})), Err("the token has no expiry"));
        assert_eq!(
            check(json!({"exp": 9_999_999_999_u64, "nbf": 9_999_999_999_u64})),
            Err("the token is not valid yet")
        );
    }

    async fn challenge(authorization: Option<&str>) -> String {
        let mut headers = http::HeaderMap::new();
        if let Some(value) = authorization {
            headers.insert("authorization", value.parse().unwrap());
        }
        let uri = "/".parse().unwrap();
        let request = Incoming::new(
            http::Method::GET,
            uri,
            headers,
            Default::default(),
            [127, 0, 0, 1].into(),
            Timestamp::UNIX_EPOCH,
        );
        let answer = authorizer().decide(&request, &[]).await.unwrap_err();
        assert_eq!(answer.status(), 401);
        assert_eq!(answer.body().as_ref(), b"{\"message\":\"Unauthorized\"}");
        answer.headers()[WWW_AUTHENTICATE].to_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn a_401_carries_its_challenge() {
        assert_eq!(challenge(None).await, "Bearer");
        let malformed = "Bearer scope=\"\" error=\"invalid_token\" error_description=\"the token is malformed\"";
        assert_eq!(challenge(Some("Bearer nonsense")).await, malformed);
        let symmetric = jsonwebtoken::encode(
            &jsonwebtoken::Header::default(),
            &json!({"exp": 9_999_999_999_u64}),
            &jsonwebtoken::EncodingKey::from_secret(b"x"),
        );
        assert!(challenge(Some(&format!("Bearer {}", symmetric.unwrap()))).await.contains("not supported"));
    }
}
