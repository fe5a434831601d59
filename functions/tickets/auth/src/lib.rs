//! Signing in and out of the tickets' back office (contract §3).
//!
//! Cognito keeps passwords and tokens; the member item says who the person is here, and whether they still may.

use axum::extract::State;
use domain::audit::{Action, AuditEntry};
use domain::ids::UserId;
use domain::member::Member;
use garde::Validate;
use http::StatusCode;
use identity::{IdentityError, Tokens};
use jiff::Timestamp;
use runtime::extract::Client;
use runtime::openapi::{CommonErrors, ErrorBody};
use runtime::principal::{SignedIn, Verified};
use runtime::{ApiError, Ctx, Function, Json, Routes, Surface, routes, validate};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The shortest password that may be chosen (contract §3). The user pool may ask for more.
const MIN_PASSWORD_CHARS: usize = 8;

/// The function.
pub fn function() -> Function {
    Function::http(
        Surface::Tickets,
        Routes::new()
            .routes(routes!(login))
            .routes(routes!(refresh))
            .routes(routes!(logout))
            .routes(routes!(change_password))
            .routes(routes!(me)),
    )
}

/// Who signs in, and with what.
#[derive(Deserialize, Validate, ToSchema)]
#[garde(allow_unvalidated)]
struct LoginIn {
    /// In any case, with or without space around it.
    #[schema(required, nullable = false)]
    email: Option<String>,
    #[schema(required, nullable = false)]
    password: Option<String>,
}

/// A refresh token, good for this one use.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
struct RefreshIn {
    #[schema(required, nullable = false)]
    refresh_token: Option<String>,
    /// Whose it is. Need not be sent; when it is, it must be true (contract §3, D1).
    #[schema(nullable = false)]
    user_id: Option<String>,
}

/// The password that is, and the one that shall be.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
struct ChangePasswordIn {
    #[schema(required, nullable = false)]
    current_password: Option<String>,
    /// At least 8 characters.
    #[schema(required, nullable = false, min_length = 8)]
    new_password: Option<String>,
}

/// A session: the client keeps both tokens, and sends the first as `Authorization: Bearer …`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SessionOut {
    success: bool,
    /// RS256 JWT, 15 minutes.
    access_token: String,
    /// Seven days, one use.
    refresh_token: String,
    user: UserOut,
}

/// A person, as a session shows them.
#[derive(Serialize, ToSchema)]
struct UserOut {
    id: String,
    email: String,
    name: String,
    /// `superadmin`, `admin` or `staff`; null for people without a place in the back office.
    #[schema(required)]
    role: Option<&'static str>,
}

/// A person, as they see themselves. The times are in snake case, as the contract has them.
#[derive(Serialize, ToSchema)]
struct ProfileOut {
    id: String,
    email: String,
    name: String,
    /// `superadmin`, `admin` or `staff`; null for people without a place in the back office.
    #[schema(required)]
    role: Option<&'static str>,
    /// ISO 8601, UTC.
    #[schema(required)]
    last_login_at: Option<String>,
    /// ISO 8601, UTC.
    created_at: String,
}

/// The answer to `me`.
#[derive(Serialize, ToSchema)]
struct MeOut {
    success: bool,
    user: ProfileOut,
}

/// Done.
#[derive(Serialize, ToSchema)]
struct MessageOut {
    success: bool,
    message: &'static str,
}

/// Signs in.
///
/// Unknown, inactive and wrong password are one answer.
#[utoipa::path(
    post, path = "/tickets/api/auth/login", tag = "auth", request_body = LoginIn,
    responses(
        (status = 200, description = "Signed in", body = SessionOut),
        (status = 400, description = "`MISSING_REQUIRED_FIELDS`, `VALIDATION_ERROR`", body = ErrorBody),
        (status = 401, description = "`INVALID_CREDENTIALS`", body = ErrorBody),
        (status = 413, description = "`PAYLOAD_TOO_LARGE`", body = ErrorBody),
        CommonErrors,
    )
)]
async fn login(
    State(ctx): State<Ctx>,
    client: Client,
    Json(input): Json<LoginIn>,
) -> Result<Json<SessionOut>, ApiError> {
    let email = text(input.email).trim().to_lowercase();
    let password = text(input.password);
    validate::require(&[("email", !email.is_empty()), ("password", !password.is_empty())])?;

    let tokens = ctx.identity().sign_in(&email, &password).await.map_err(|error| match error {
        IdentityError::InvalidCredentials | IdentityError::StepNeeded { .. } => invalid_credentials(),
        other => identity_error(other),
    })?;
    let Some(member) = active_member(&ctx, holder(&ctx, &tokens).await?).await? else {
        revoke(&ctx, &tokens).await;
        return Err(invalid_credentials());
    };
    let now = ctx.now();
    let entry = audit(&member, Action::Login, client, now);
    tokio::try_join!(ctx.store().touch_login(member.user, now), ctx.store().write_audit(&entry))?;
    Ok(Json(session(tokens, &member)))
}

/// Exchanges a refresh token for a new pair of tokens.
#[utoipa::path(
    post, path = "/tickets/api/auth/refresh", tag = "auth", request_body = RefreshIn,
    responses(
        (status = 200, description = "A new pair of tokens", body = SessionOut),
        (status = 400, description = "`MISSING_REQUIRED_FIELDS`, `VALIDATION_ERROR`", body = ErrorBody),
        (status = 401, description = "`INVALID_REFRESH_TOKEN`", body = ErrorBody),
        (status = 413, description = "`PAYLOAD_TOO_LARGE`", body = ErrorBody),
        CommonErrors,
    )
)]
async fn refresh(State(ctx): State<Ctx>, Json(input): Json<RefreshIn>) -> Result<Json<SessionOut>, ApiError> {
    let refresh_token = text(input.refresh_token);
    validate::require(&[("refreshToken", !refresh_token.trim().is_empty())])?;
    // One that is no user's id is refused before the token is used up.
    let claimed = input.user_id.map(|id| id.parse::<UserId>()).transpose().map_err(|_| invalid_refresh_token())?;

    let tokens = ctx.identity().refresh(refresh_token.trim()).await.map_err(|error| match error {
        IdentityError::InvalidRefreshToken => invalid_refresh_token(),
        other => identity_error(other),
    })?;
    let user = holder(&ctx, &tokens).await?;
    let member = match claimed {
        Some(claimed) if claimed != user => None,
        _ => active_member(&ctx, user).await?,
    };
    let Some(member) = member else {
        revoke(&ctx, &tokens).await;
        return Err(invalid_refresh_token());
    };
    Ok(Json(session(tokens, &member)))
}

/// Signs out everywhere: every refresh token of the person is revoked.
#[utoipa::path(
    post, path = "/tickets/api/auth/logout", tag = "auth", security(("bearer" = [])),
    responses(
        (status = 200, description = "Signed out", body = MessageOut),
        (status = 401, description = "`NO_TOKEN`, `INVALID_TOKEN`", body = ErrorBody),
        CommonErrors,
    )
)]
async fn logout(
    State(ctx): State<Ctx>,
    SignedIn { member, token }: SignedIn,
    client: Client,
) -> Result<Json<MessageOut>, ApiError> {
    ctx.identity().sign_out_everywhere(&token).await.map_err(identity_error)?;
    ctx.store().write_audit(&audit(&member, Action::Logout, client, ctx.now())).await?;
    Ok(message("Logged out successfully"))
}

/// Changes the password, and signs out everywhere.
#[utoipa::path(
    post, path = "/tickets/api/auth/change-password", tag = "auth", security(("bearer" = [])),
    request_body = ChangePasswordIn,
    responses(
        (status = 200, description = "Changed", body = MessageOut),
        (status = 400, description = "`MISSING_REQUIRED_FIELDS`, `VALIDATION_ERROR`, `INVALID_PASSWORD`", body = ErrorBody),
        (status = 401, description = "`NO_TOKEN`, `INVALID_TOKEN`", body = ErrorBody),
        (status = 413, description = "`PAYLOAD_TOO_LARGE`", body = ErrorBody),
        CommonErrors,
    )
)]
async fn change_password(
    State(ctx): State<Ctx>,
    SignedIn { member, token }: SignedIn,
    client: Client,
    Json(input): Json<ChangePasswordIn>,
) -> Result<Json<MessageOut>, ApiError> {
    let (current, new) = (text(input.current_password), text(input.new_password));
    validate::require(&[("currentPassword", !current.is_empty()), ("newPassword", !new.is_empty())])?;
    if new.chars().count() < MIN_PASSWORD_CHARS {
        return Err(ApiError::invalid("newPassword", "must have at least 8 characters"));
    }
    ctx.identity().change_password(&token, &current, &new).await.map_err(|error| match error {
        IdentityError::InvalidCredentials => ApiError::bad_request("INVALID_PASSWORD", "Current password is incorrect"),
        IdentityError::WeakPassword { message } => ApiError::invalid("newPassword", message),
        other => identity_error(other),
    })?;
    // Only now: Cognito would not take the new password from a token that has been signed out.
    ctx.identity().sign_out_everywhere(&token).await.map_err(identity_error)?;
    ctx.store().write_audit(&audit(&member, Action::Update, client, ctx.now())).await?;
    Ok(message("Password changed successfully"))
}

/// Who is signed in.
#[utoipa::path(
    get, path = "/tickets/api/auth/me", tag = "auth", security(("bearer" = [])),
    responses(
        (status = 200, description = "The person", body = MeOut),
        (status = 401, description = "`NO_TOKEN`, `INVALID_TOKEN`", body = ErrorBody),
        (status = 404, description = "`USER_NOT_FOUND`", body = ErrorBody),
        CommonErrors,
    )
)]
async fn me(State(ctx): State<Ctx>, Verified(claims): Verified) -> Result<Json<MeOut>, ApiError> {
    let member = ctx
        .store()
        .load_member(claims.sub)
        .await?
        .ok_or_else(|| ApiError::not_found("USER_NOT_FOUND", "User not found"))?;
    if !member.is_active {
        return Err(invalid_token());
    }
    Ok(Json(MeOut {
        success: true,
        user: ProfileOut {
            id: member.user.to_string(),
            email: member.email,
            name: member.name,
            role: member.role.map(|role| role.as_str()),
            last_login_at: member.last_login_at.map(domain::time::iso),
            created_at: domain::time::iso(member.created_at),
        },
    }))
}

fn text(field: Option<String>) -> String {
    field.unwrap_or_default()
}

fn message(message: &'static str) -> Json<MessageOut> {
    Json(MessageOut { success: true, message })
}

fn session(tokens: Tokens, member: &Member) -> SessionOut {
    SessionOut {
        success: true,
        access_token: tokens.access,
        refresh_token: tokens.refresh,
        user: UserOut {
            id: member.user.to_string(),
            email: member.email.clone(),
            name: member.name.clone(),
            role: member.role.map(|role| role.as_str()),
        },
    }
}

/// Whose the tokens are. They come from Cognito directly, and are verified all the same: no path trusts an unverified claim.
async fn holder(ctx: &Ctx, tokens: &Tokens) -> Result<UserId, ApiError> {
    match ctx.verifier().verify(&tokens.access, ctx.now()).await {
        Ok(claims) => Ok(claims.sub),
        Err(identity::TokenError::KeysUnavailable) => Err(ApiError::unavailable()),
        Err(error) => Err(ApiError::internal(error)),
    }
}

async fn active_member(ctx: &Ctx, user: UserId) -> Result<Option<Member>, ApiError> {
    Ok(ctx.store().load_member(user).await?.filter(|member| member.is_active))
}

/// Withdraws tokens that were made for somebody who may not have them. Cognito's answer changes nothing for the caller,
/// who is refused either way, and every request looks at the member again.
async fn revoke(ctx: &Ctx, tokens: &Tokens) {
    if let Err(error) = ctx.identity().revoke(&tokens.refresh).await {
        tracing::warn!(%error, "refresh token not revoked");
    }
}

fn audit(member: &Member, action: Action, client: Client, at: Timestamp) -> AuditEntry {
    AuditEntry {
        id: uuid::Uuid::new_v4().to_string(),
        org: member.org,
        action,
        entity_type: "user".to_owned(),
        entity_id: member.user.to_string(),
        user: Some(member.user),
        user_name: Some(member.name.clone()),
        user_email: Some(member.email.clone()),
        old: None,
        new: None,
        ip: client.ip,
        user_agent: client.user_agent,
        at,
    }
}

fn invalid_credentials() -> ApiError {
    ApiError::unauthorized("INVALID_CREDENTIALS", "Invalid email or password")
}

fn invalid_token() -> ApiError {
    ApiError::unauthorized("INVALID_TOKEN", "Invalid or expired token")
}

fn invalid_refresh_token() -> ApiError {
    ApiError::unauthorized("INVALID_REFRESH_TOKEN", "Invalid or expired refresh token")
}

/// What no handler has its own answer for.
fn identity_error(error: IdentityError) -> ApiError {
    match error {
        IdentityError::InvalidAccessToken => invalid_token(),
        IdentityError::Throttled => {
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", "Too many requests, please try again later")
        }
        IdentityError::Unavailable => ApiError::unavailable(),
        other => ApiError::internal(other),
    }
}
