//! What a password must have, and choosing another (contract §1.4, §2.2).

use axum::extract::State;
use domain::pos::password;
use garde::Validate;
use identity::IdentityError;
use runtime::{
    ApiError, Ctx, Json, invitation,
    invitation::identity_failed,
    openapi::{PosError, PosErrors, PosSessionErrors},
    session::{self, User},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::wire::{MessageOut, message};

/// A password to look at.
#[derive(Deserialize, Validate, ToSchema)]
pub(crate) struct CheckPasswordIn {
    #[garde(length(max = 2000))]
    #[schema(max_length = 500)]
    password: String,
}

/// What it lacks.
#[derive(Serialize, ToSchema)]
pub(crate) struct CheckPasswordOut {
    valid: bool,
    /// Texts for a person.
    errors: Vec<&'static str>,
}

/// The password that shall be, and the one that is.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChangePasswordIn {
    #[garde(length(max = 2000))]
    new_password: String,
    /// Compared when it is sent.
    #[garde(length(max = 2000))]
    #[schema(nullable = false)]
    current_password: Option<String>,
}

/// Says what a password lacks.
#[utoipa::path(post, path = "/pos/auth/check-password", tag = "pos auth", request_body = CheckPasswordIn,
    responses(
        (status = 200, description = "What it lacks", body = CheckPasswordOut),
        (status = 400, description = "`VALIDATION_ERROR`", body = PosError),
        (status = 413, description = "`PAYLOAD_TOO_LARGE`", body = PosError),
        PosErrors,
    )
)]
pub(crate) async fn check_password(Json(input): Json<CheckPasswordIn>) -> Json<CheckPasswordOut> {
    let errors: Vec<_> = password::faults(&input.password).into_iter().map(password::Fault::text).collect();
    Json(CheckPasswordOut { valid: errors.is_empty(), errors })
}

/// Changes one's password. Links to reset the old one are dead; whoever is signed in stays so.
///
/// The user pool is asked in the person's name, so that a session it has ended changes nothing although its token still looks
/// good. The links die first: nobody is left with a new password and a link that undoes it.
#[utoipa::path(post, path = "/pos/auth/change-password", tag = "pos auth", security(("bearer" = [])),
    extensions(("x-role" = json!(session::USER))), request_body = ChangePasswordIn,
    responses((status = 200, description = "Changed", body = MessageOut), PosSessionErrors)
)]
pub(crate) async fn change_password(
    State(ctx): State<Ctx>,
    user: User,
    Json(input): Json<ChangePasswordIn>,
) -> Result<Json<MessageOut>, ApiError> {
    invitation::check_password("newPassword", &input.new_password)?;
    ctx.identity().check_access(&user.token).await.map_err(identity_failed)?;
    ctx.store().void_resets(user.user, ctx.now()).await?;
    match input.current_password.as_deref().filter(|current| !current.is_empty()) {
        Some(current) => ctx.identity().change_password(&user.token, current, &input.new_password).await,
        None => ctx.identity().set_password(&user.member.email, &input.new_password).await,
    }
    .map_err(|error| match error {
        IdentityError::InvalidCredentials => ApiError::bad_request("INVALID_PASSWORD", "Current password is incorrect"),
        IdentityError::WeakPassword { message } => ApiError::invalid("newPassword", message),
        error => identity_failed(error),
    })?;
    Ok(message("Password changed successfully"))
}
