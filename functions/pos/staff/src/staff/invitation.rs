//! How staff come: invited, reminded, joined (contract §11).

use axum::extract::State;
use domain::{
    ids::{OrgId, UserId},
    member::Member,
};
use garde::Validate;
use http::StatusCode;
use runtime::{
    ApiError, Ctx, Json,
    extract::Id,
    invitation::staff_limit,
    openapi::{PosError, PosErrors, PosSessionErrors},
    session::{self, Manager},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
    let user = ctx.new_person(&new.email).await?;
    let invited = ctx.invite_member(new.into_member(user, manager.org, ctx.now()), manager.user, limit).await?;
    Ok((StatusCode::CREATED, Json(StaffOut::new(&ctx, &invited))))
}

/// Refuses what cannot be before anybody is put into the user pool. What decides is the transaction that follows.
async fn look_for_room(ctx: &Ctx, org: OrgId, limit: Option<usize>) -> Result<(), ApiError> {
    let Some(limit) = limit else { return Ok(()) };
    let members = ctx.store().list_members(org).await?;
    let taken = members.iter().filter(|member| has_place(member)).count();
    if taken < limit { Ok(()) } else { Err(staff_limit()) }
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
