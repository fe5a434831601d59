//! API Gateway's Lambda authorizer for callers who are not Cognito users: services by HS256 JWT; guests, stores and
//! employees by an opaque token (payload format 2.0, simple responses).
//!
//! It says who calls and what scopes they have. The answer is cached by token, so it must not depend on the route: what
//! a route needs, its function checks. A bad token is `isAuthorized: false`, never an error. A database that does not
//! answer is an error, since a refusal would be cached.

use std::collections::HashMap;

use identity::{TokenError, opaque, token};
use runtime::{BoxError, Ctx, Function};
use serde::{Deserialize, Serialize};
use store::TokenKind;

/// The function.
pub fn function() -> Function {
    Function::event(authorize)
}

/// The part of API Gateway's event that decides.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// The values of the identity sources; ours is the `Authorization` header alone.
    #[serde(default)]
    identity_source: Option<Vec<String>>,
    /// All headers, for when the authorizer is called without identity source.
    #[serde(default)]
    headers: Option<HashMap<String, String>>,
}

impl Request {
    fn authorization(&self) -> &str {
        let header = || {
            let headers = self.headers.iter().flatten();
            headers.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("authorization")).map(|(_, value)| value)
        };
        self.identity_source.iter().flatten().next().or_else(header).map(String::as_str).unwrap_or_default()
    }
}

/// API Gateway's simple response.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    is_authorized: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<Context>,
}

/// What the function behind the route finds in `requestContext.authorizer.lambda`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Context {
    /// `service`, `guest`, `store` or `employee`.
    kind: &'static str,
    /// The service's name, or the id of the guest, store or employee.
    sub: String,
    /// The tenant; empty for a service, which belongs to none.
    org: String,
    /// What the caller may do, with spaces between.
    scopes: String,
}

async fn authorize(ctx: Ctx, request: Request) -> Result<Response, BoxError> {
    let context = match token::bearer(request.authorization()) {
        Ok(token) if opaque::is_opaque(token) => holder(&ctx, token).await?,
        Ok(token) => service(&ctx, token),
        Err(_) => None,
    };
    Ok(Response { is_authorized: context.is_some(), context })
}

fn service(ctx: &Ctx, token: &str) -> Option<Context> {
    let verified =
        ctx.service_keys().ok_or(TokenError::UnknownKey).and_then(|keys| keys.verify(token, ctx.now(), None));
    match verified {
        Ok(claims) => Some(Context {
            kind: "service",
            scopes: claims.scopes().collect::<Vec<_>>().join(" "),
            sub: claims.sub,
            org: String::new(),
        }),
        Err(error) => {
            tracing::info!(%error, "service token refused");
            None
        }
    }
}

/// The guest, store or employee whose token it is.
async fn holder(ctx: &Ctx, token: &str) -> Result<Option<Context>, BoxError> {
    let found = ctx.store().load_token(&opaque::hash(token), ctx.now()).await?;
    Ok(found.map(|token| Context {
        kind: kind(token.kind),
        sub: token.subject,
        org: token.org.to_string(),
        scopes: token.scopes.join(" "),
    }))
}

fn kind(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::Guest => "guest",
        TokenKind::Store => "store",
        TokenKind::Employee => "employee",
    }
}
