//! How staff come: invited, reminded, joined (contract §11).

use axum::extract::State;
use domain::{
    ids::{OrgId, UserId},
    member::Member,
};
use garde::Validate;
use http::StatusCode;
use identity::IdentityError;
use runtime::{
    ApiError, Ctx, Json,
    extract::Id,
    invitation::{email_exists, identity_failed, staff_limit},
    openapi::{PosError, PosErrors, PosSessionErrors},
    session::{self, Manager},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    has_place, load_staff,
    wire::{StaffIn, StaffOut},
};

/// The password that shall be.
#[derive(Deserialize, Validate, ToSchema)]
pub(crate) struct StaffAcceptIn {
    #[garde(required, length(max = 2000))]
    #[schema(required, nullable = false)]
    password: Option<String>,
}

/// Who has joined.
#[derive(Serialize, ToSchema)]
pub(crate) struct StaffAcceptedOut {
    message: &'static str,
    email: String,
}

/// Done.
#[derive(Serialize, ToSchema)]
pub(crate) struct StaffMessageOut {
    /// Text for a person.
    message: &'static str,
}

/// Invites somebody: a link is on its way to their address, good for seven days.
#[utoipa::path(post, path = "/pos/staff", tag = "pos staff", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))), request_body = StaffIn,
    responses(
        (status = 201, description = "The member, pending. 400 `STAFF_LIMIT_REACHED`", body = StaffOut),
        (status = 409, description = "`EMAIL_EXISTS`", body = PosError),
        PosSessionErrors,
    ))]
pub(crate) async fn invite_staff(
    State(ctx): State<Ctx>,
    manager: Manager,
    Json(input): Json<StaffIn>,
) -> Result<(StatusCode, Json<StaffOut>), ApiError> {
    let standing = ctx.store().pos().load_standing(manager.org, None).await?;
    let limit = standing.tier.staff_limit();
    let new = input.check(&standing.list)?;
    look_for_room(&ctx, manager.org, limit).await?;
    let user = claim_person(&ctx, &new.email).await?;
    let invited = ctx.invite_member(new.into_member(user, manager.org, ctx.now()), manager.user, limit).await;
    if invited.is_err() {
        release_person(&ctx, user).await;
    }
    Ok((StatusCode::CREATED, Json(StaffOut::new(&ctx, &invited?))))
}

/// Refuses what cannot be before anybody is put into the user pool. What decides is the transaction that follows.
async fn look_for_room(ctx: &Ctx, org: OrgId, limit: Option<usize>) -> Result<(), ApiError> {
    let Some(limit) = limit else { return Ok(()) };
    let members = ctx.store().list_members(org).await?;
    let taken = members.iter().filter(|member| has_place(member)).count();
    if taken < limit { Ok(()) } else { Err(staff_limit()) }
}

/// Somebody of the user pool who is nobody's member: new, or left there by what died halfway. Nobody knows their password.
/// 409 `EMAIL_EXISTS` for a member of whichever organization.
async fn claim_person(ctx: &Ctx, email: &str) -> Result<UserId, ApiError> {
    match ctx.identity().create_user(email, None, &[]).await {
        Err(IdentityError::EmailExists) => {}
        created => return created.map_err(identity_failed),
    }
    let left = ctx.identity().find_user(email).await.map_err(identity_failed)?.ok_or_else(email_exists)?;
    if ctx.store().load_member(left.id).await?.is_some() {
        return Err(email_exists());
    }
    let unknown = format!("Aa1!{}", Uuid::new_v4());
    ctx.identity().set_password(email, &unknown).await.map_err(identity_failed)?;
    ctx.identity().sign_out_user(email).await.map_err(identity_failed)?;
    Ok(left.id)
}

/// Takes somebody out of the user pool who did not become a member, so that their address is free. If that fails, they are
/// claimed by whoever invites them next.
async fn release_person(ctx: &Ctx, user: UserId) {
    if let Ok(None) = ctx.store().load_member(user).await
        && let Err(error) = ctx.identity().delete_user(&user.to_string()).await
    {
        tracing::warn!(%user, %error, "a person who is nobody's member stays in the user pool");
    }
}

/// Joins by an invitation: the id is its secret. Signing in follows in the app.
#[utoipa::path(post, path = "/pos/staff/{id}/accept", tag = "pos staff", request_body = StaffAcceptIn,
    params(("id" = String, Path, description = "The secret of the invitation's link")),
    responses(
        (status = 200, description = "Joined", body = StaffAcceptedOut),
        (status = 400, description = "`INVALID_INVITATION`: bad, expired or used; `VALIDATION_ERROR`", body = PosError),
        (status = 413, description = "`PAYLOAD_TOO_LARGE`", body = PosError),
        PosErrors,
    ))]
pub(crate) async fn accept_invitation(
    State(ctx): State<Ctx>,
    Id(token): Id<String>,
    Json(input): Json<StaffAcceptIn>,
) -> Result<Json<StaffAcceptedOut>, ApiError> {
    let (token, password) = (token.unwrap_or_default(), input.password.unwrap_or_default());
    let member = ctx.accept_invitation(&token, &password).await?;
    Ok(Json(StaffAcceptedOut { message: "Invitation accepted successfully", email: member.email }))
}

/// Sends an invitation anew: another link, good for seven days from now. The one before it is dead.
#[utoipa::path(post, path = "/pos/staff/{id}/resend-invite", tag = "pos staff", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))), params(("id" = String, Path, description = "UUID of the member")),
    responses(
        (status = 200, description = "Sent. 400 `ALREADY_ACCEPTED`, `STAFF_DISABLED`", body = StaffMessageOut),
        (status = 404, description = "`STAFF_NOT_FOUND`", body = PosError),
        PosSessionErrors,
    ))]
pub(crate) async fn resend_invitation(
    State(ctx): State<Ctx>,
    manager: Manager,
    Id(id): Id<UserId>,
) -> Result<Json<StaffMessageOut>, ApiError> {
    let member: Member = load_staff(&ctx, manager.org, id).await?;
    if !member.is_active {
        return Err(ApiError::bad_request("STAFF_DISABLED", "The staff member is disabled"));
    }
    ctx.renew_invitation(&member).await?;
    Ok(Json(StaffMessageOut { message: "Invitation sent" }))
}
