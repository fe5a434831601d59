//! Replacing a forgotten password by a link that is good once, for ten minutes (contract §2).

use axum::extract::State;
use domain::link::{LinkPurpose, LinkSecret};
use garde::Validate;
use runtime::{
    ApiError, Ctx, Json,
    invitation::{check_password, identity_failed},
    openapi::{PosError, PosErrors},
    rate::WINDOW_SECONDS,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::wire::{MessageOut, email, message};

/// Links that one person is sent in a window of the rate limit at most: nobody fills another's mailbox.
const MAX_LINKS: u32 = 5;

/// Whose password was forgotten.
#[derive(Deserialize, Validate, ToSchema)]
pub(crate) struct ForgotPasswordIn {
    #[garde(length(max = 1000))]
    email: String,
}

/// A link's secret.
#[derive(Deserialize, Validate, ToSchema)]
pub(crate) struct TokenIn {
    #[garde(length(max = 1000))]
    token: String,
}

/// Whether a link is good.
#[derive(Serialize, ToSchema)]
pub(crate) struct ValidOut {
    valid: bool,
    /// Whose password it resets, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    email: Option<String>,
}

/// A link's secret, and the password that shall be.
#[derive(Deserialize, Validate, ToSchema)]
pub(crate) struct ResetPasswordIn {
    #[garde(length(max = 1000))]
    token: String,
    #[garde(length(max = 2000))]
    password: String,
}

/// Sends a link to reset a password, if the address is somebody's. The answer does not tell whether it is.
#[utoipa::path(post, path = "/pos/auth/forgot-password", tag = "pos auth", request_body = ForgotPasswordIn,
    responses(
        (status = 200, description = "Sent, if the address is known", body = MessageOut),
        (status = 400, description = "`VALIDATION_ERROR`", body = PosError),
        (status = 413, description = "`PAYLOAD_TOO_LARGE`", body = PosError),
        PosErrors,
    )
)]
pub(crate) async fn forgot_password(
    State(ctx): State<Ctx>,
    Json(input): Json<ForgotPasswordIn>,
) -> Result<Json<MessageOut>, ApiError> {
    if let Some(email) = email(&input.email) {
        send_link(&ctx, &email).await?;
    }
    Ok(message("If an account exists with this email, a password reset link has been sent"))
}

async fn send_link(ctx: &Ctx, email: &str) -> Result<(), ApiError> {
    let Some(person) = ctx.identity().find_user(email).await.map_err(identity_failed)? else { return Ok(()) };
    let member = ctx.store().load_member(person.id).await?;
    let Some(member) = member.filter(|member| member.may_sign_in()) else { return Ok(()) };
    if ctx.settings().rate_limit {
        let window = ctx.now().as_second() / WINDOW_SECONDS;
        let name = member.user.to_string();
        if ctx.store().count_requests("reset", &name, window, WINDOW_SECONDS, 1).await? > MAX_LINKS {
            tracing::info!(user = %member.user, "no further link to reset a password");
            return Ok(());
        }
    }
    let (link, mail) = ctx.new_link(LinkPurpose::PasswordReset, member.user, member.org)?;
    Ok(ctx.store().create_reset(&link, &mail).await?)
}

/// Says whether a link is good.
#[utoipa::path(post, path = "/pos/auth/validate-reset-token", tag = "pos auth", request_body = TokenIn,
    responses(
        (status = 200, description = "Whether it is", body = ValidOut),
        (status = 400, description = "`VALIDATION_ERROR`", body = PosError),
        (status = 413, description = "`PAYLOAD_TOO_LARGE`", body = PosError),
        PosErrors,
    )
)]
pub(crate) async fn validate_reset_token(
    State(ctx): State<Ctx>,
    Json(input): Json<TokenIn>,
) -> Result<Json<ValidOut>, ApiError> {
    let found = match LinkSecret::parse(&input.token) {
        Some(secret) => ctx.store().load_reset(&secret.hash(), ctx.now()).await?,
        None => None,
    };
    Ok(Json(ValidOut { valid: found.is_some(), email: found.map(|(_, member)| member.email) }))
}

/// Replaces a password, and ends all sessions.
///
/// The link is used up before the user pool has the password: so it is used once, whatever happens. The sessions end before
/// the password is replaced, so that none outlives it. If the pool fails at either, another link is to be asked for.
#[utoipa::path(post, path = "/pos/auth/reset-password", tag = "pos auth", request_body = ResetPasswordIn,
    responses(
        (status = 200, description = "Replaced", body = MessageOut),
        (status = 400, description = "`INVALID_TOKEN`: bad, expired or used; `VALIDATION_ERROR`", body = PosError),
        (status = 413, description = "`PAYLOAD_TOO_LARGE`", body = PosError),
        PosErrors,
    )
)]
pub(crate) async fn reset_password(
    State(ctx): State<Ctx>,
    Json(input): Json<ResetPasswordIn>,
) -> Result<Json<MessageOut>, ApiError> {
    check_password("password", &input.password)?;
    let invalid = || ApiError::bad_request("INVALID_TOKEN", "Invalid or expired reset token");
    let secret = LinkSecret::parse(&input.token).ok_or_else(invalid)?;
    let (link, member) = ctx.store().load_reset(&secret.hash(), ctx.now()).await?.ok_or_else(invalid)?;
    if !ctx.store().use_reset(&link, ctx.now()).await? {
        return Err(invalid());
    }
    ctx.identity().sign_out_user(&member.email).await.map_err(identity_failed)?;
    ctx.replace_password(&member, &input.password).await?;
    Ok(message("Password reset successfully"))
}
