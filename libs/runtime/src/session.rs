//! Who stands at the counter: a member with a session, of at least the role that a route wants (contract `pos.md` §1.4).
//!
//! A route names its least role by its extractor ([`User`], [`Manager`], [`Owner`]) and says the same in its description by
//! [`USER`], [`MANAGER`], [`OWNER`]; a test goes through the description and tries each route without it.

use std::ops::Deref;

use axum::extract::FromRequestParts;
use domain::{
    ids::{OrgId, UserId},
    member::{Member, Role},
};
use http::request::Parts;

use crate::{ctx::Ctx, error::ApiError, principal::SignedIn};

/// The header in which the app names its session's version.
pub const SESSION_HEADER: &str = "x-session-version";

/// `extensions(("x-role" = json!(session::USER)))`: any member.
pub const USER: &str = "user";
/// `x-role`: an owner or an admin.
pub const MANAGER: &str = "manager";
/// `x-role`: the owner.
pub const OWNER: &str = "owner";

/// A member of whichever role, whose session was not taken over by another phone.
#[derive(Clone, Debug)]
pub struct User {
    /// The Cognito `sub`.
    pub user: UserId,
    /// The tenant whose data this request may see.
    pub org: OrgId,
    /// What they may do.
    pub role: Role,
    /// The member as stored now.
    pub member: Member,
    /// The access token, for calls to Cognito in the person's name.
    pub token: String,
}

/// An owner or an admin.
#[derive(Clone, Debug)]
pub struct Manager(pub User);

/// The owner.
#[derive(Clone, Debug)]
pub struct Owner(pub User);

impl Deref for Manager {
    type Target = User;
    fn deref(&self) -> &User {
        &self.0
    }
}

impl Deref for Owner {
    type Target = User;
    fn deref(&self) -> &User {
        &self.0
    }
}

/// 401 `SESSION_KICKED`: the one code that the shipped app branches on.
fn kicked() -> ApiError {
    ApiError::unauthorized("SESSION_KICKED", "You have been signed out because you signed in on another device")
}

impl FromRequestParts<Ctx> for User {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, ctx: &Ctx) -> Result<Self, ApiError> {
        let SignedIn { member, token } = SignedIn::from_request_parts(parts, ctx).await?;
        // Absent means that the client keeps no version (the portal); anything but the current one was taken over.
        if let Some(named) = parts.headers.get(SESSION_HEADER)
            && named.to_str().ok().and_then(|text| text.trim().parse().ok()) != Some(member.session_version)
        {
            return Err(kicked());
        }
        let role = member.role.ok_or_else(ApiError::forbidden)?;
        Ok(User { user: member.user, org: member.org, role, member, token })
    }
}

impl FromRequestParts<Ctx> for Manager {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, ctx: &Ctx) -> Result<Self, ApiError> {
        let user = User::from_request_parts(parts, ctx).await?;
        if user.role >= Role::Admin { Ok(Manager(user)) } else { Err(ApiError::forbidden()) }
    }
}

impl FromRequestParts<Ctx> for Owner {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, ctx: &Ctx) -> Result<Self, ApiError> {
        let user = User::from_request_parts(parts, ctx).await?;
        if user.role == Role::Superadmin { Ok(Owner(user)) } else { Err(ApiError::forbidden()) }
    }
}
