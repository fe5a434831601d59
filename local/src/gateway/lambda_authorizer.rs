//! A Lambda authorizer, payload format 2.0: identity sources, simple and policy answers, and the cache.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    authorize::{Decision, identity},
    event::{Incoming, authorizer_event, route_arn},
    response::{forbidden, internal_server_error, unauthorized},
    route::RouteMatch,
};

/// Answers kept before expired ones are thrown out.
const CACHE_SIZE: usize = 1024;

/// Asks a function whether a request may pass, and remembers the answer by the request's identity.
#[derive(Debug)]
pub struct LambdaAuthorizer {
    function: String,
    identity_sources: Vec<String>,
    ttl: Duration,
    simple_responses: bool,
    cache: Mutex<HashMap<Vec<String>, (Instant, Value)>>,
}

impl LambdaAuthorizer {
    /// An authorizer that asks `function`.
    pub fn new(function: String, identity_sources: Vec<String>, ttl: Duration, simple_responses: bool) -> Self {
        Self { function, identity_sources, ttl, simple_responses, cache: Mutex::default() }
    }

    /// The function that decides.
    pub fn function(&self) -> &str {
        &self.function
    }

    /// Decides about a request. `ask` invokes the function, and is not called where an identity source is missing (401)
    /// or the answer is still known.
    pub async fn decide<E>(
        &self,
        request: &Incoming,
        route: &RouteMatch,
        ask: impl AsyncFnOnce(Value) -> Result<Value, E>,
    ) -> Decision {
        let found: Option<Vec<String>> =
            self.identity_sources.iter().map(|source| identity(source, request, route)).collect();
        let Some(key) = found else { return Err(Box::new(unauthorized("Bearer"))) };
        let answer = match self.known(&key) {
            Some(answer) => answer,
            None => {
                let event = authorizer_event(request, route, &key);
                let answer = ask(event).await.map_err(|_| Box::new(internal_server_error()))?;
                self.remember(key, &answer);
                answer
            }
        };
        self.judge(&answer, &route_arn(request, route))
    }

    fn is_cached(&self) -> bool {
        !self.ttl.is_zero() && !self.identity_sources.is_empty()
    }

    fn known(&self, key: &[String]) -> Option<Value> {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, answer) = cache.get(key)?;
        (at.elapsed() < self.ttl).then(|| answer.clone())
    }

    fn remember(&self, key: Vec<String>, answer: &Value) {
        if !self.is_cached() {
            return;
        }
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= CACHE_SIZE {
            cache.retain(|_, (at, _)| at.elapsed() < self.ttl);
        }
        cache.insert(key, (Instant::now(), answer.clone()));
    }

    /// An answer of another shape than configured is the gateway's 500, as on AWS.
    fn judge(&self, answer: &Value, route_arn: &str) -> Decision {
        let allowed = match self.simple_responses {
            true => answer["isAuthorized"].as_bool(),
            false => policy_allows(&answer["policyDocument"], route_arn),
        };
        match allowed {
            None => Err(Box::new(internal_server_error())),
            Some(false) => Err(Box::new(forbidden())),
            Some(true) => {
                let mut context = match &answer["context"] {
                    Value::Object(context) => json!(context),
                    _ => json!({}),
                };
                if let Some(principal) = answer["principalId"].as_str() {
                    context["principalId"] = principal.into();
                }
                Ok(Some(json!({ "lambda": context })))
            }
        }
    }
}

/// An explicit `Deny` wins over any `Allow`; what no statement speaks of is denied. `None` is not a policy at all.
fn policy_allows(policy: &Value, route_arn: &str) -> Option<bool> {
    let statements = policy["Statement"].as_array()?;
    let speaks = |statement: &&Value, effect: &str| {
        let resources = match &statement["Resource"] {
            Value::Array(resources) => resources.clone(),
            one => vec![one.clone()],
        };
        statement["Effect"] == effect
            && resources.iter().filter_map(Value::as_str).any(|pattern| glob(pattern.as_bytes(), route_arn.as_bytes()))
    };
    let any = |effect: &str| statements.iter().any(|statement| speaks(&statement, effect));
    Some(any("Allow") && !any("Deny"))
}

/// IAM's wildcards: `*` is any run of characters, `?` is any one.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => glob(rest, text) || (!text.is_empty() && glob(pattern, &text[1..])),
        (Some((b'?', rest)), Some((_, text))) => glob(rest, text),
        (Some((a, rest)), Some((b, text))) if a == b => glob(rest, text),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, collections::BTreeMap, sync::Arc};

    use http::{HeaderMap, Method, StatusCode};

    use super::*;
    use crate::template::model::RouteSpec;

    fn request(token: Option<&str>) -> Incoming {
        let mut headers = HeaderMap::new();
        if let Some(token) = token {
            headers.insert("authorization", token.parse().unwrap());
        }
        {
            let uri = "/status".parse().unwrap();
            let body = Default::default();
            Incoming::new(Method::GET, uri, headers, body, [127, 0, 0, 1].into(), jiff::Timestamp::UNIX_EPOCH)
        }
    }

    fn route() -> RouteMatch {
        let spec = RouteSpec {
            method: "GET".to_owned(),
            path: "/status".to_owned(),
            function: "f".to_owned(),
            authorizer: Some("Tokens".to_owned()),
            scopes: Vec::new(),
        };
        RouteMatch { spec: Arc::new(spec), parameters: BTreeMap::new() }
    }

    fn authorizer(ttl: u64, simple: bool) -> LambdaAuthorizer {
        let sources = vec!["$request.header.Authorization".to_owned()];
        LambdaAuthorizer::new("f".to_owned(), sources, Duration::from_secs(ttl), simple)
    }

    async fn decide(authorizer: &LambdaAuthorizer, token: Option<&str>, answer: Value, asked: &Cell<u32>) -> Decision {
        let ask = async |event: Value| {
            assert_eq!(event["type"], "REQUEST");
            asked.set(asked.get() + 1);
            if answer.is_null() { Err(()) } else { Ok(answer) }
        };
        authorizer.decide(&request(token), &route(), ask).await
    }

    fn status(decision: Decision) -> StatusCode {
        decision.unwrap_err().status()
    }

    #[tokio::test]
    async fn an_answer_is_kept_by_identity() {
        let (authorizer, asked) = (authorizer(60, true), Cell::new(0));
        let yes = json!({"isAuthorized": true, "context": {"sub": "s"}});
        let context = decide(&authorizer, Some("a"), yes.clone(), &asked).await.unwrap();
        assert_eq!(context, Some(json!({"lambda": {"sub": "s"}})));
        decide(&authorizer, Some("a"), json!({"isAuthorized": false}), &asked).await.unwrap();
        assert_eq!(asked.get(), 1);
        assert_eq!(status(decide(&authorizer, Some("b"), json!({"isAuthorized": false}), &asked).await), 403);
        assert_eq!(status(decide(&authorizer, Some("b"), yes, &asked).await), 403);
        assert_eq!(asked.get(), 2);
    }

    #[tokio::test]
    async fn without_an_identity_nobody_is_asked() {
        let (authorizer, asked) = (authorizer(60, true), Cell::new(0));
        assert_eq!(status(decide(&authorizer, None, json!({"isAuthorized": true}), &asked).await), 401);
        assert_eq!(asked.get(), 0);
    }

    #[tokio::test]
    async fn a_ttl_of_zero_keeps_nothing_and_a_crash_is_not_kept() {
        let (authorizer, asked) = (authorizer(0, true), Cell::new(0));
        for _ in 0..2 {
            decide(&authorizer, Some("a"), json!({"isAuthorized": true}), &asked).await.unwrap();
        }
        assert_eq!(asked.get(), 2);
        let authorizer = super::tests::authorizer(60, true);
        assert_eq!(status(decide(&authorizer, Some("a"), Value::Null, &asked).await), 500);
        assert_eq!(status(decide(&authorizer, Some("a"), json!({"what": 1}), &Cell::new(0)).await), 500);
    }

    #[tokio::test]
    async fn policies_are_judged_for_the_route() {
        let policy = |effect: &str, resource: &str| {
            json!({"principalId": "p", "policyDocument": {"Statement": [
                {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}]}})
        };
        let asked = Cell::new(0);
        let allowed = decide(&authorizer(0, false), Some("a"), policy("Allow", "arn:*/GET/stat?s"), &asked).await;
        assert_eq!(allowed.unwrap(), Some(json!({"lambda": {"principalId": "p"}})));
        let other = decide(&authorizer(0, false), Some("a"), policy("Allow", "arn:*/GET/other"), &asked).await;
        assert_eq!(status(other), 403);
        let denied = decide(&authorizer(0, false), Some("a"), policy("Deny", "*"), &asked).await;
        assert_eq!(status(denied), 403);
    }
}
