//! Who may pass a route: the API's authorizers, and where they find the identity to judge.

use http::Method;
use runtime::clock::Clock;
use serde_json::Value;

use super::{
    event::{AuthorizerContext, Incoming},
    jwt::JwtAuthorizer,
    lambda_authorizer::LambdaAuthorizer,
    response::Answer,
    route::RouteMatch,
};
use crate::{functions::Functions, template::model::AuthorizerSpec};

/// An authorizer of the API.
#[derive(Debug)]
pub enum Authorizer {
    /// Verifies a JWT.
    Jwt(JwtAuthorizer),
    /// Asks a function.
    Lambda(LambdaAuthorizer),
}

/// What an authorizer decided. `Ok` is what the function learns of the caller; `Err` is the gateway's answer.
pub type Decision = Result<AuthorizerContext, Box<Answer>>;

impl Authorizer {
    /// An authorizer as the template describes it. `jwks_url` is where the issuer's keys are found locally.
    pub fn new(spec: AuthorizerSpec, jwks_url: &str, clock: Clock) -> Self {
        match spec {
            AuthorizerSpec::Jwt { identity_source, issuer, audience, scopes } => {
                Self::Jwt(JwtAuthorizer::new(identity_source, issuer, audience, scopes, jwks_url.to_owned(), clock))
            }
            AuthorizerSpec::Lambda { function, identity_sources, ttl, simple_responses } => {
                Self::Lambda(LambdaAuthorizer::new(function, identity_sources, ttl, simple_responses))
            }
        }
    }

    /// Decides about a request to a route.
    pub async fn decide(&self, request: &Incoming, route: &RouteMatch, functions: &Functions) -> Decision {
        match self {
            Self::Jwt(authorizer) => authorizer.decide(request, &route.spec.scopes).await,
            Self::Lambda(authorizer) => {
                let ask = async |event: Value| functions.invoke(authorizer.function(), event).await;
                authorizer.decide(request, route, ask).await
            }
        }
    }
}

/// The value of an identity source such as `$request.header.Authorization`; `None` where it is absent or empty.
pub fn identity(source: &str, request: &Incoming, route: &RouteMatch) -> Option<String> {
    let value = if let Some(name) = source.strip_prefix("$request.header.") {
        request.header(&name.to_ascii_lowercase())
    } else if let Some(name) = source.strip_prefix("$request.querystring.") {
        request.query_parameter(name)
    } else {
        match source.strip_prefix("$context.") {
            Some("routeKey") => Some(route.route_key()),
            Some("httpMethod") => Some(Method::as_str(&request.method).to_owned()),
            Some("path") => Some(request.uri.path().to_owned()),
            Some("identity.sourceIp") => Some(request.source_ip.to_string()),
            Some("stage") => Some("$default".to_owned()),
            _ => None,
        }
    };
    value.filter(|value| !value.is_empty())
}
