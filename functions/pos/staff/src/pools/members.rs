//! Who shares a pool, and how long they worked.

use axum::extract::State;
use domain::{
    ids::{PoolId, UserId},
    pos::tip::Hours,
};
use http::StatusCode;
use runtime::{
    ApiError, Ctx, Json,
    extract::Id,
    openapi::{PosError, PosSessionErrors},
    session::{self, Manager},
};

use super::{
    load_pool, not_found, step_pool,
    wire::{MembersIn, PoolMemberOut, pool_members},
};
use crate::read::{Ids, People};

/// The hours of members of the organization.
fn read_hours(input: &MembersIn, people: &People) -> Result<Vec<(UserId, Hours)>, ApiError> {
    let read = |(i, member): (usize, &super::wire::MemberIn)| {
        let field = |name: &str| format!("members[{i}].{name}");
        let user = UserId(member.user_id.unwrap_or_default());
        people.get(user).ok_or_else(|| ApiError::invalid(field("userId"), "is not a member of the organization"))?;
        let hours = Hours::from_number(member.hours_worked.unwrap_or_default());
        Ok((user, hours.map_err(|error| ApiError::invalid(field("hoursWorked"), error.to_string()))?))
    };
    input.members.iter().flatten().enumerate().map(read).collect()
}

/// Adds members to a pool, or changes their hours. A calculated pool is a draft again.
#[utoipa::path(post, path = "/pos/tips/pools/{id}/members", tag = "pos tips", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))), params(("id" = String, Path, description = "UUID of the pool")),
    request_body = MembersIn,
    responses(
        (status = 200, description = "All members. 400 `POOL_FINALIZED` for one that is final", body = [PoolMemberOut]),
        (status = 404, description = "`POOL_NOT_FOUND`", body = PosError),
        PosSessionErrors,
    ))]
pub(crate) async fn save_pool_members(
    State(ctx): State<Ctx>,
    manager: Manager,
    Id(id): Id<PoolId>,
    Json(input): Json<MembersIn>,
) -> Result<Json<Vec<PoolMemberOut>>, ApiError> {
    let (pool, people) = tokio::try_join!(load_pool(&ctx, manager.org, id), People::load(&ctx, manager.org))?;
    let (hours, now) = (read_hours(&input, &people)?, ctx.now());
    let pool = step_pool(&ctx, pool, |pool| pool.save_members(&hours, now).map(Some)).await?;
    Ok(Json(pool_members(&ctx, &pool, &people)))
}

/// Takes a member out of a pool. A calculated pool is a draft again.
#[utoipa::path(delete, path = "/pos/tips/pools/{id}/members/{userId}", tag = "pos tips", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))),
    params(
        ("id" = String, Path, description = "UUID of the pool"),
        ("userId" = String, Path, description = "UUID of the member"),
    ),
    responses(
        (status = 204, description = "Taken out"),
        (status = 404, description = "`POOL_NOT_FOUND`, `MEMBER_NOT_FOUND`", body = PosError),
        PosSessionErrors,
    ))]
pub(crate) async fn remove_pool_member(
    State(ctx): State<Ctx>,
    manager: Manager,
    Ids(ids): Ids<PoolId, UserId>,
) -> Result<StatusCode, ApiError> {
    let (id, user) = ids.ok_or_else(not_found)?;
    let (pool, now) = (load_pool(&ctx, manager.org, Some(id)).await?, ctx.now());
    step_pool(&ctx, pool, |pool| pool.remove_member(user, now).map(Some)).await?;
    Ok(StatusCode::NO_CONTENT)
}
