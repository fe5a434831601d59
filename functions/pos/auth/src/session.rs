//! Signing in and out (contract §1.4, §2).

use axum::{body::Bytes, extract::State};
use domain::{ids::UserId, member::Member, pos::tier::Tier};
use garde::Validate;
use http::StatusCode;
use identity::{IdentityError, Tokens};
use runtime::{
    ApiError, Ctx, Json,
    invitation::identity_failed,
    openapi::{PosError, PosErrors},
};
use serde::{Deserialize, Serialize};
use store::pos::org::Terms;
use utoipa::ToSchema;

use crate::wire::{MessageOut, OrgNameOut, TierOut, TokensOut, UserOut, email, message};

/// Where somebody signs in.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Source {
    /// The app: takes the session over from another phone.
    App,
    /// The portal: a second session beside the app's.
    #[default]
    Web,
}

/// Who signs in, and with what. What else the app tells of its phone is let go.
#[derive(Deserialize, Validate, ToSchema)]
pub(crate) struct LoginIn {
    /// In any case, with or without space around it.
    #[garde(length(max = 1000))]
    email: String,
    #[garde(length(max = 2000))]
    password: String,
    #[serde(default)]
    #[garde(skip)]
    #[schema(nullable = false)]
    source: Option<Source>,
}

/// A session.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LoginOut {
    user: UserOut,
    organization: OrgNameOut,
    tokens: TokensOut,
    /// What the app sends as `X-Session-Version` from now on.
    session_version: u32,
    subscription: TierOut,
}

/// A refresh token, good for this one use. Whose it is says the token: a `username` is let go.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RefreshIn {
    #[garde(length(min = 1, max = 8192))]
    refresh_token: String,
}

/// The session to end.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct LogoutIn {
    refresh_token: Option<String>,
}

/// Signs in.
///
/// Unknown, wrong and inactive are one answer. From the app, `source: "app"`, the session's version rises: an older phone is
/// refused from then on.
#[utoipa::path(post, path = "/pos/auth/login", tag = "pos auth", request_body = LoginIn,
    responses(
        (status = 200, description = "Signed in", body = LoginOut),
        (status = 400, description = "`VALIDATION_ERROR`", body = PosError),
        (status = 401, description = "`INVALID_CREDENTIALS`", body = PosError),
        (status = 403, description = "`SUBSCRIPTION_INACTIVE`, `TIER_STAFF_NOT_ALLOWED`", body = PosError),
        (status = 413, description = "`PAYLOAD_TOO_LARGE`", body = PosError),
        PosErrors,
    )
)]
pub(crate) async fn login(State(ctx): State<Ctx>, Json(input): Json<LoginIn>) -> Result<Json<LoginOut>, ApiError> {
    let email = email(&input.email).ok_or_else(invalid_credentials)?;
    let tokens = ctx.identity().sign_in(&email, &input.password).await.map_err(|error| match error {
        IdentityError::InvalidCredentials | IdentityError::StepNeeded { .. } => invalid_credentials(),
        error => identity_failed(error),
    })?;
    match open_session(&ctx, &tokens, input.source.unwrap_or_default()).await {
        Ok((user, organization, session_version, subscription)) => {
            Ok(Json(LoginOut { user, organization, tokens: tokens.into(), session_version, subscription }))
        }
        Err(refused) => {
            revoke(&ctx, &tokens.refresh).await;
            Err(refused)
        }
    }
}

/// Decides whether the holder of these tokens may come in, and lets them.
async fn open_session(
    ctx: &Ctx,
    tokens: &Tokens,
    source: Source,
) -> Result<(UserOut, OrgNameOut, u32, TierOut), ApiError> {
    let user = holder(ctx, tokens).await?;
    let member = ctx.store().load_member(user).await?;
    let member =
        member.filter(|member| member.may_sign_in() && member.role.is_some()).ok_or_else(invalid_credentials)?;
    let org = ctx.store().pos().load_org(member.org).await?;
    let (org, terms) = org.ok_or_else(|| ApiError::internal("a member's organization is not there"))?;
    check_staff(ctx, &member, &terms)?;
    let member = ctx.store().sign_in_member(user, source == Source::App, ctx.now()).await?;
    let member = member.ok_or_else(invalid_credentials)?;
    let tier = TierOut::from(terms.subscription.as_ref());
    Ok((UserOut::new(ctx, &member), OrgNameOut::from(&org), member.session_version, tier))
}

/// Who was invited works on the organization's subscription (contract §11).
///
/// "Lapse disables all staff; reactivation re-enables those who had accepted" is not written to the members: it is asked of the
/// subscription, here and whenever tokens are renewed. So a lapse stops everybody within the quarter of an hour that an
/// access token lives, a reactivation lets exactly those in again whom nobody has disabled, and no list of members can be
/// left half done.
fn check_staff(ctx: &Ctx, member: &Member, terms: &Terms) -> Result<(), ApiError> {
    if member.invitation.is_none() {
        return Ok(());
    }
    let refused = |code, text| Err(ApiError::new(StatusCode::FORBIDDEN, code, text));
    let subscription = terms.subscription.as_ref();
    if subscription.is_some_and(|subscription| !subscription.is_valid(ctx.now())) {
        return refused("SUBSCRIPTION_INACTIVE", "Your organization's subscription is not active");
    }
    if subscription.is_none_or(|subscription| subscription.tier == Tier::Starter) {
        return refused("TIER_STAFF_NOT_ALLOWED", "Your organization's plan does not include staff accounts");
    }
    Ok(())
}

/// Exchanges a refresh token for a new pair of tokens.
///
/// The old token is used up as soon as the user pool has answered: when it then cannot be told whether the session may go on,
/// it goes on, rather than to sign a till out in the middle of a day. Every request looks at the member again.
#[utoipa::path(post, path = "/pos/auth/refresh", tag = "pos auth", request_body = RefreshIn,
    responses(
        (status = 200, description = "A new pair of tokens", body = TokensOut),
        (status = 400, description = "`VALIDATION_ERROR`", body = PosError),
        (status = 401, description = "`INVALID_REFRESH_TOKEN`", body = PosError),
        (status = 413, description = "`PAYLOAD_TOO_LARGE`", body = PosError),
        PosErrors,
    )
)]
pub(crate) async fn refresh(State(ctx): State<Ctx>, Json(input): Json<RefreshIn>) -> Result<Json<TokensOut>, ApiError> {
    let tokens = ctx.identity().refresh(input.refresh_token.trim()).await.map_err(|error| match error {
        IdentityError::InvalidRefreshToken => invalid_refresh_token(),
        error => identity_failed(error),
    })?;
    match may_go_on(&ctx, &tokens).await {
        Ok(true) => {}
        Ok(false) => {
            revoke(&ctx, &tokens.refresh).await;
            return Err(invalid_refresh_token());
        }
        Err(error) => tracing::warn!(code = &*error.code, "whether a session may go on is not known"),
    }
    Ok(Json(tokens.into()))
}

/// Is a session still one that could be begun? Only who was invited depends on the subscription.
async fn may_go_on(ctx: &Ctx, tokens: &Tokens) -> Result<bool, ApiError> {
    let user = holder(ctx, tokens).await?;
    let member = ctx.store().load_member(user).await?.filter(Member::may_sign_in);
    let Some(member) = member else { return Ok(false) };
    if member.invitation.is_none() {
        return Ok(true);
    }
    let terms = ctx.store().pos().load_terms(member.org).await?;
    Ok(check_staff(ctx, &member, &terms).is_ok())
}

/// Signs out: revokes the refresh token.
///
/// Done is the answer to anything, since a client that was kicked has forgotten what it would sign out with.
#[utoipa::path(post, path = "/pos/auth/logout", tag = "pos auth", request_body = LogoutIn,
    responses(
        (status = 200, description = "Signed out", body = MessageOut),
        (status = 413, description = "`PAYLOAD_TOO_LARGE`", body = PosError),
        PosErrors,
    )
)]
pub(crate) async fn logout(State(ctx): State<Ctx>, body: Bytes) -> Json<MessageOut> {
    let input: LogoutIn = serde_json::from_slice(&body).unwrap_or_default();
    if let Some(token) = input.refresh_token {
        revoke(&ctx, token.trim()).await;
    }
    message("Logged out successfully")
}

/// Whose the tokens are. They come from Cognito directly, and are verified all the same: no path trusts an unverified claim.
pub(crate) async fn holder(ctx: &Ctx, tokens: &Tokens) -> Result<UserId, ApiError> {
    match ctx.verifier().verify(&tokens.access, ctx.now()).await {
        Ok(claims) => Ok(claims.sub),
        Err(identity::TokenError::KeysUnavailable) => Err(ApiError::unavailable()),
        Err(error) => Err(ApiError::internal(error)),
    }
}

/// Withdraws a refresh token, as well as can be: whoever may not come in is refused either way, and every request looks at
/// the member again.
async fn revoke(ctx: &Ctx, refresh_token: &str) {
    match ctx.identity().revoke(refresh_token).await {
        Ok(()) | Err(IdentityError::InvalidRefreshToken) => {}
        Err(error) => tracing::warn!(%error, "refresh token not revoked"),
    }
}

fn invalid_credentials() -> ApiError {
    ApiError::unauthorized("INVALID_CREDENTIALS", "Invalid credentials")
}

fn invalid_refresh_token() -> ApiError {
    ApiError::unauthorized("INVALID_REFRESH_TOKEN", "Invalid or expired refresh token")
}
