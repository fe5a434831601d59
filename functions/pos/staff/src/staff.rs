//! Staff: invited, changed, shut out (contract §11). The owner is not staff.

pub(crate) mod avatar;
pub(crate) mod invitation;
mod wire;

use std::cmp::Reverse;

use axum::extract::State;
use domain::{
    ids::{OrgId, UserId},
    member::{Member, Role},
};
use http::StatusCode;
use identity::IdentityError;
use runtime::{
    ApiError, Ctx, Json,
    extract::Id,
    invitation::{identity_failed, staff_limit},
    openapi::{PosError, PosSessionErrors},
    session::{self, Manager},
};
use store::Placed;

use self::wire::{StaffEditIn, StaffLimits, StaffList, StaffOut};
use crate::read::ROUNDS;

fn not_found() -> ApiError {
    ApiError::not_found("STAFF_NOT_FOUND", "Staff member not found")
}

/// A member of staff of the organization. Its owner is none.
async fn load_staff(ctx: &Ctx, org: OrgId, id: Option<UserId>) -> Result<Member, ApiError> {
    let member = ctx.store().load_member(id.ok_or_else(not_found)?).await?;
    member.filter(|member| member.org == org && is_staff(member)).ok_or_else(not_found)
}

fn is_staff(member: &Member) -> bool {
    matches!(member.role, Some(Role::Staff | Role::Admin))
}

/// Does this member take a place of those that a tier has?
fn has_place(member: &Member) -> bool {
    is_staff(member) && member.is_active
}

/// Staff, newest first, with those who are shut out; and how many there may be.
#[utoipa::path(get, path = "/pos/staff", tag = "pos staff", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))),
    responses((status = 200, description = "Staff", body = StaffList), PosSessionErrors))]
pub(crate) async fn list_staff(State(ctx): State<Ctx>, manager: Manager) -> Result<Json<StaffList>, ApiError> {
    let (store, pos) = (ctx.store(), ctx.store().pos());
    let (mut members, standing) =
        tokio::try_join!(store.list_members(manager.org), pos.load_standing(manager.org, None))?;
    members.retain(is_staff);
    members.sort_by_key(|member| (Reverse(member.created_at), member.user));
    let taken = members.iter().filter(|member| has_place(member)).count();
    Ok(Json(StaffList {
        staff: members.iter().map(|member| StaffOut::new(&ctx, member)).collect(),
        limits: StaffLimits::new(taken, standing.tier.staff_limit()),
    }))
}

/// A member of staff.
#[utoipa::path(get, path = "/pos/staff/{id}", tag = "pos staff", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))), params(("id" = String, Path, description = "UUID of the member")),
    responses(
        (status = 200, description = "The member", body = StaffOut),
        (status = 404, description = "`STAFF_NOT_FOUND`", body = PosError),
        PosSessionErrors,
    ))]
pub(crate) async fn show_staff(
    State(ctx): State<Ctx>,
    manager: Manager,
    Id(id): Id<UserId>,
) -> Result<Json<StaffOut>, ApiError> {
    let member = load_staff(&ctx, manager.org, id).await?;
    Ok(Json(StaffOut::new(&ctx, &member)))
}

/// Changes a member of staff. `isActive` false shuts them out at once, everywhere, and frees their place; true lets them
/// in again, if there is a place.
#[utoipa::path(patch, path = "/pos/staff/{id}", tag = "pos staff", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))), params(("id" = String, Path, description = "UUID of the member")),
    request_body = StaffEditIn,
    responses(
        (status = 200, description = "The member. 400 `OWN_ACCOUNT`, `STAFF_LIMIT_REACHED`", body = StaffOut),
        (status = 404, description = "`STAFF_NOT_FOUND`", body = PosError),
        PosSessionErrors,
    ))]
pub(crate) async fn update_staff(
    State(ctx): State<Ctx>,
    manager: Manager,
    Id(id): Id<UserId>,
    Json(input): Json<StaffEditIn>,
) -> Result<Json<StaffOut>, ApiError> {
    let member = edit_staff(&ctx, &manager, id, &input).await?;
    Ok(Json(StaffOut::new(&ctx, &member)))
}

/// Shuts a member of staff out. They stay on the list, and can be let in again.
#[utoipa::path(delete, path = "/pos/staff/{id}", tag = "pos staff", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))), params(("id" = String, Path, description = "UUID of the member")),
    responses(
        (status = 204, description = "Shut out. 400 `OWN_ACCOUNT` for oneself"),
        (status = 404, description = "`STAFF_NOT_FOUND`", body = PosError),
        PosSessionErrors,
    ))]
pub(crate) async fn disable_staff(
    State(ctx): State<Ctx>,
    manager: Manager,
    Id(id): Id<UserId>,
) -> Result<StatusCode, ApiError> {
    edit_staff(&ctx, &manager, id, &StaffEditIn::disabled()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Decides an edit on the member as they are, and again when somebody was faster; then tells the user pool who may sign in.
async fn edit_staff(ctx: &Ctx, manager: &Manager, id: Option<UserId>, input: &StaffEditIn) -> Result<Member, ApiError> {
    for _ in 0..ROUNDS {
        let member = load_staff(ctx, manager.org, id).await?;
        let standing = ctx.store().pos().load_standing(manager.org, None).await?;
        let after = input.apply(&member, manager.user, &standing.list)?;
        match ctx.store().edit_staff(&member, &after, standing.tier.staff_limit()).await? {
            Placed::Yes => {
                sync_person(ctx, &after, input.is_active()).await?;
                return Ok(after);
            }
            Placed::Full => return Err(staff_limit()),
            Placed::No => {}
        }
    }
    Err(ApiError::unavailable())
}

/// Lets somebody sign in, or keeps them from it, when the request says which: also when nothing changed here, so that a
/// request that failed halfway is mended by sending it again.
async fn sync_person(ctx: &Ctx, member: &Member, is_active: Option<bool>) -> Result<(), ApiError> {
    let done = match is_active {
        None => return Ok(()),
        Some(true) => ctx.identity().enable_user(&member.email).await,
        Some(false) => ctx.identity().disable_user(&member.email).await,
    };
    match done {
        Err(IdentityError::UserNotFound) => {
            tracing::warn!(user = %member.user, "a member is not in the user pool");
            Ok(())
        }
        done => done.map_err(identity_failed),
    }
}
