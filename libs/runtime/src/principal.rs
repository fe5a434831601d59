//! Who calls. A principal is made of verified claims and the member item as it is now; there is no cache to go stale.

use axum::extract::FromRequestParts;
use domain::{
    audit::{Action, AuditEntry},
    ids::{OrgId, UserId},
    member::{Member, Role},
};
use http::{header, request::Parts};
use identity::{Claims, TokenError};
use jiff::Timestamp;
use lambda_http::request::RequestContext;

use crate::{ctx::Ctx, error::ApiError, extract::Client};

/// The verified claims of the request's token, whether or not anybody here has that id; for routes that must tell a
/// person who is gone from a token that is bad.
#[derive(Clone, Debug)]
pub struct Verified(pub Claims);

/// A signed-in person, active, of whichever organization and role.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The member as stored now.
    pub member: Member,
    /// The access token, for calls to Cognito in the person's name.
    pub token: String,
}

/// A member of staff: any role of contract §3.
#[derive(Clone, Debug)]
pub struct Staff {
    /// The Cognito `sub`.
    pub user: UserId,
    /// The tenant whose data this request may see.
    pub org: OrgId,
    /// What they may do.
    pub role: Role,
    /// Full name.
    pub name: String,
    /// Lower case.
    pub email: String,
    /// Where the request came from.
    pub client: Client,
}

impl Staff {
    /// An entry of the audit log for something this person did. `id` is unique.
    pub fn audit(&self, id: String, action: Action, entity: (&str, String), at: Timestamp) -> AuditEntry {
        AuditEntry {
            id,
            org: self.org,
            action,
            entity_type: entity.0.to_owned(),
            entity_id: entity.1,
            user: Some(self.user),
            user_name: Some(self.name.clone()),
            user_email: Some(self.email.clone()),
            old: None,
            new: None,
            ip: self.client.ip.clone(),
            user_agent: self.client.user_agent.clone(),
            at,
        }
    }
}

/// A member of staff, if the request carries a token; a bad token is refused all the same.
#[derive(Clone, Debug)]
pub struct MaybeStaff(pub Option<Staff>);

fn refuse(error: &TokenError) -> ApiError {
    match error {
        TokenError::Missing => ApiError::unauthorized("NO_TOKEN", "Access token required"),
        TokenError::KeysUnavailable => ApiError::unavailable(),
        error => {
            tracing::info!(%error, "token refused");
            ApiError::unauthorized("INVALID_TOKEN", "Invalid or expired token")
        }
    }
}

/// The claims of the request: those that API Gateway verified, or the bearer token's, verified here.
///
/// No path trusts a claim that nobody verified: the authorizer's context is part of the event, which only API Gateway writes.
async fn claims(parts: &Parts, ctx: &Ctx) -> Result<(Claims, String), ApiError> {
    let header = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = match header.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ if header.is_empty() => return Err(refuse(&TokenError::Missing)),
        _ => return Err(refuse(&TokenError::Malformed)),
    };
    if let Some(RequestContext::ApiGatewayV2(context)) = parts.extensions.get::<RequestContext>()
        && let Some(jwt) = context.authorizer.as_ref().and_then(|authorizer| authorizer.jwt.as_ref())
    {
        let claims = Claims::from_authorizer(&jwt.claims).map_err(|error| refuse(&error))?;
        return Ok((claims, token.to_owned()));
    }
    let claims = ctx.verifier().verify(token, ctx.now()).await.map_err(|error| refuse(&error))?;
    Ok((claims, token.to_owned()))
}

impl FromRequestParts<Ctx> for Verified {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, ctx: &Ctx) -> Result<Self, ApiError> {
        Ok(Verified(claims(parts, ctx).await?.0))
    }
}

impl FromRequestParts<Ctx> for SignedIn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, ctx: &Ctx) -> Result<Self, ApiError> {
        let (claims, token) = claims(parts, ctx).await?;
        let gone = || ApiError::unauthorized("INVALID_TOKEN", "Invalid or expired token");
        let user = claims.sub;
        let member = ctx.store().load_member(user).await?.filter(Member::may_sign_in).ok_or_else(gone)?;
        Ok(SignedIn { member, token })
    }
}

impl FromRequestParts<Ctx> for Staff {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, ctx: &Ctx) -> Result<Self, ApiError> {
        let member = SignedIn::from_request_parts(parts, ctx).await?.member;
        let client = Client::from_request_parts(parts, ctx).await?;
        let role = member.role.ok_or_else(ApiError::forbidden)?;
        Ok(Staff { user: member.user, org: member.org, role, name: member.name, email: member.email, client })
    }
}

impl FromRequestParts<Ctx> for MaybeStaff {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, ctx: &Ctx) -> Result<Self, ApiError> {
        if parts.headers.contains_key(header::AUTHORIZATION) {
            return Ok(MaybeStaff(Some(Staff::from_request_parts(parts, ctx).await?)));
        }
        Ok(MaybeStaff(None))
    }
}
