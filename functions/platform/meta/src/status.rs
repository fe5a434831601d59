//! For programs that watch the platform, and for people who wonder who they are.

use axum::extract::{FromRequestParts, State};
use domain::time::iso;
use http::{header, request::Parts};
use lambda_http::request::RequestContext;
use runtime::{
    ApiError, Ctx, Json,
    openapi::{CommonErrors, ErrorBody},
    principal::SignedIn,
};
use serde::Serialize;
use utoipa::ToSchema;

/// The scope that a service token needs here.
const SCOPE: &str = "status:read";

/// What is configured and what answers.
#[derive(Debug, Serialize, ToSchema)]
pub struct Status {
    /// ISO-8601.
    pub time: String,
    /// The table answers.
    pub database: bool,
    /// E-mail has a sender.
    pub email: bool,
    /// Payments have a key.
    pub payments: bool,
    /// Webhooks are accepted unsigned; false everywhere but in experiments.
    pub unsigned_webhooks: bool,
}

/// The caller.
#[derive(Debug, Serialize, ToSchema)]
pub struct Caller {
    /// The Cognito `sub`.
    pub id: String,
    /// Lower case.
    pub email: String,
    /// Full name.
    pub name: String,
    /// The organization.
    pub org: String,
    /// `superadmin`, `admin`, `staff`, or nothing.
    pub role: Option<&'static str>,
}

/// A program with a service token of the scope `status:read`.
pub struct Service;

impl FromRequestParts<Ctx> for Service {
    type Rejection = ApiError;

    /// From the Lambda authorizer's context, or, where there is none, from the token itself.
    async fn from_request_parts(parts: &mut Parts, ctx: &Ctx) -> Result<Self, ApiError> {
        let allowed = match parts.extensions.get::<RequestContext>().and_then(RequestContext::authorizer) {
            Some(authorizer) => {
                let scopes = authorizer.fields.get("scopes").and_then(|scopes| scopes.as_str()).unwrap_or_default();
                scopes.split(' ').any(|scope| scope == SCOPE)
            }
            None => {
                let header = parts.headers.get(header::AUTHORIZATION).and_then(|header| header.to_str().ok());
                let token = header.ok_or_else(|| ApiError::unauthorized("NO_TOKEN", "Service token required"))?;
                let verified = ctx.service_keys().map(|keys| keys.verify(token, ctx.now(), Some(SCOPE)));
                verified.is_some_and(|claims| claims.is_ok())
            }
        };
        if allowed { Ok(Service) } else { Err(ApiError::forbidden()) }
    }
}

/// For monitoring: what is configured and what answers.
#[utoipa::path(get, path = "/platform/status", tag = "platform", security(("bearer" = [])),
    responses(
        (status = 200, body = Status),
        (status = 401, body = ErrorBody, description = "No token"),
        (status = 403, body = ErrorBody, description = "Not a service token of the scope status:read"),
        CommonErrors,
    ))]
pub(crate) async fn show_status(State(ctx): State<Ctx>, _: Service) -> Json<Status> {
    Json(Status {
        time: iso(ctx.now()),
        database: ctx.store().load_org(ctx.settings().tickets_org).await.is_ok(),
        email: ctx.settings().mail_from.is_some(),
        payments: ctx.settings().stripe_secret_key.is_some(),
        unsigned_webhooks: ctx.settings().accept_unsigned_webhooks,
    })
}

/// Who one is signed in as, on whichever surface.
#[utoipa::path(get, path = "/platform/whoami", tag = "platform", security(("bearer" = [])),
    responses(
        (status = 200, body = Caller),
        (status = 401, body = ErrorBody, description = "No token, or not a valid one"),
        CommonErrors,
    ))]
pub(crate) async fn show_caller(SignedIn { member, .. }: SignedIn) -> Json<Caller> {
    Json(Caller {
        id: member.user.to_string(),
        email: member.email,
        name: member.name,
        org: member.org.to_string(),
        role: member.role.map(|role| role.as_str()),
    })
}
