//! Tip pools: made, shared among their members by hours, fixed for ever (contract §12). What is fixed is paid out by
//! `workers-payouts`.

pub(crate) mod members;
mod wire;

use axum::extract::State;
use domain::{
    ids::{OrgId, PoolId},
    pos::tip::{Pool, PoolError, PoolStatus, TipSums},
};
use http::StatusCode;
use runtime::{
    ApiError, Ctx, Json, Query,
    extract::Id,
    openapi::{PosError, PosSessionErrors},
    session::{self, Manager},
};
use store::StoreError;

use self::wire::{PoolEditIn, PoolIn, PoolList, PoolOut, PoolsQuery};
use crate::read::{People, ROUNDS, days, each_completed};

fn not_found() -> ApiError {
    ApiError::not_found("POOL_NOT_FOUND", "Tip pool not found")
}

fn refuse(error: PoolError) -> ApiError {
    let text = error.to_string();
    match error {
        PoolError::Finalized => ApiError::bad_request("POOL_FINALIZED", text),
        PoolError::NoHours => ApiError::bad_request("NO_HOURS", text),
        PoolError::NotCalculated => ApiError::bad_request("POOL_NOT_CALCULATED", text),
        PoolError::TooMany => ApiError::invalid("members", text),
        PoolError::NoMember => ApiError::not_found("MEMBER_NOT_FOUND", text),
    }
}

async fn load_pool(ctx: &Ctx, org: OrgId, id: Option<PoolId>) -> Result<Pool, ApiError> {
    ctx.store().pos().load_pool(org, id.ok_or_else(not_found)?).await?.ok_or_else(not_found)
}

/// Takes a step with a pool, and again with what it has become when somebody was faster. A step that leads nowhere
/// (`None`) leaves it as it is.
async fn step_pool(
    ctx: &Ctx,
    mut pool: Pool,
    step: impl Fn(&Pool) -> Result<Option<Pool>, PoolError>,
) -> Result<Pool, ApiError> {
    for _ in 0..ROUNDS {
        let Some(after) = step(&pool).map_err(refuse)? else { return Ok(pool) };
        match ctx.store().pos().save_pool(&pool, &after).await {
            Err(StoreError::Stale) => pool = load_pool(ctx, pool.org, Some(pool.id)).await?,
            saved => return Ok(saved.map(|()| after)?),
        }
    }
    Err(ApiError::unavailable())
}

/// Tip pools, newest first.
#[utoipa::path(get, path = "/pos/tips/pools", tag = "pos tips", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))), params(PoolsQuery),
    responses((status = 200, description = "A page of pools", body = PoolList), PosSessionErrors))]
pub(crate) async fn list_pools(
    State(ctx): State<Ctx>,
    manager: Manager,
    Query(query): Query<PoolsQuery>,
) -> Result<Json<PoolList>, ApiError> {
    let pos = ctx.store().pos();
    let (pools, people) =
        tokio::try_join!(async { Ok(pos.list_pools(manager.org).await?) }, People::load(&ctx, manager.org))?;
    let found: Vec<&Pool> = pools.iter().filter(|pool| query.status.is_none_or(|status| status.is(pool))).collect();
    let page = found.iter().skip(query.offset()).take(query.limit());
    Ok(Json(PoolList { pools: page.map(|pool| PoolOut::new(pool, &people)).collect(), total: found.len() }))
}

/// Makes a pool: a draft without members.
#[utoipa::path(post, path = "/pos/tips/pools", tag = "pos tips", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))), request_body = PoolIn,
    responses((status = 201, description = "The pool", body = PoolOut), PosSessionErrors))]
pub(crate) async fn create_pool(
    State(ctx): State<Ctx>,
    manager: Manager,
    Json(input): Json<PoolIn>,
) -> Result<(StatusCode, Json<PoolOut>), ApiError> {
    let days = days(input.start_date.as_deref(), input.end_date.as_deref())?;
    let (id, name) = (PoolId::from_random(rand::random()), input.name.unwrap_or_default());
    let mut pool = Pool::new(id, manager.org, name, days, manager.user, ctx.now());
    pool.notes = input.notes;
    ctx.store().pos().create_pool(&pool).await?;
    let people = People::load(&ctx, manager.org).await?;
    Ok((StatusCode::CREATED, Json(PoolOut::new(&pool, &people))))
}

/// A pool with its members, the largest share first.
#[utoipa::path(get, path = "/pos/tips/pools/{id}", tag = "pos tips", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))), params(("id" = String, Path, description = "UUID of the pool")),
    responses(
        (status = 200, description = "The pool", body = PoolOut),
        (status = 404, description = "`POOL_NOT_FOUND`", body = PosError),
        PosSessionErrors,
    ))]
pub(crate) async fn show_pool(
    State(ctx): State<Ctx>,
    manager: Manager,
    Id(id): Id<PoolId>,
) -> Result<Json<PoolOut>, ApiError> {
    let (pool, people) = tokio::try_join!(load_pool(&ctx, manager.org, id), People::load(&ctx, manager.org))?;
    Ok(Json(PoolOut::with_members(&ctx, &pool, &people)))
}

/// Names a pool anew, or changes its notes.
#[utoipa::path(patch, path = "/pos/tips/pools/{id}", tag = "pos tips", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))), params(("id" = String, Path, description = "UUID of the pool")),
    request_body = PoolEditIn,
    responses(
        (status = 200, description = "The pool. 400 `POOL_FINALIZED` for one that is final", body = PoolOut),
        (status = 404, description = "`POOL_NOT_FOUND`", body = PosError),
        PosSessionErrors,
    ))]
pub(crate) async fn update_pool(
    State(ctx): State<Ctx>,
    manager: Manager,
    Id(id): Id<PoolId>,
    Json(input): Json<PoolEditIn>,
) -> Result<Json<PoolOut>, ApiError> {
    let (pool, people) = tokio::try_join!(load_pool(&ctx, manager.org, id), People::load(&ctx, manager.org))?;
    let now = ctx.now();
    let pool = step_pool(&ctx, pool, |pool| pool.edit(|pool| input.apply(pool), now).map(Some)).await?;
    Ok(Json(PoolOut::new(&pool, &people)))
}

/// Deletes a draft. What is calculated or final is not found as one.
#[utoipa::path(delete, path = "/pos/tips/pools/{id}", tag = "pos tips", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))), params(("id" = String, Path, description = "UUID of the pool")),
    responses(
        (status = 204, description = "Deleted"),
        (status = 404, description = "`POOL_NOT_FOUND`: there is no such draft", body = PosError),
        PosSessionErrors,
    ))]
pub(crate) async fn delete_pool(
    State(ctx): State<Ctx>,
    manager: Manager,
    Id(id): Id<PoolId>,
) -> Result<StatusCode, ApiError> {
    for _ in 0..ROUNDS {
        let pool = load_pool(&ctx, manager.org, id).await?;
        if pool.status != PoolStatus::Draft {
            return Err(not_found());
        }
        match ctx.store().pos().delete_pool(&pool).await {
            Err(StoreError::Stale) => {}
            deleted => return Ok(deleted.map(|()| StatusCode::NO_CONTENT)?),
        }
    }
    Err(ApiError::unavailable())
}

/// Shares the tips of the pool's days among its members, by hours.
///
/// The tips are those of all completed orders of the organization, whoever sold them. May be done again until the pool is
/// final.
#[utoipa::path(post, path = "/pos/tips/pools/{id}/calculate", tag = "pos tips", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))), params(("id" = String, Path, description = "UUID of the pool")),
    responses(
        (status = 200, description = "The pool. 400 `POOL_FINALIZED`, `NO_HOURS`", body = PoolOut),
        (status = 404, description = "`POOL_NOT_FOUND`", body = PosError),
        PosSessionErrors,
    ))]
pub(crate) async fn calculate_pool(
    State(ctx): State<Ctx>,
    manager: Manager,
    Id(id): Id<PoolId>,
) -> Result<Json<PoolOut>, ApiError> {
    let (pool, people) = tokio::try_join!(load_pool(&ctx, manager.org, id), People::load(&ctx, manager.org))?;
    let mut sums = TipSums::default();
    each_completed(&ctx, manager.org, pool.days, |order| sums.add(order)).await?;
    let (earned, now) = (sums.earned(), ctx.now());
    let pool = step_pool(&ctx, pool, |pool| pool.calculate(sums.all.tips, &earned, now).map(Some)).await?;
    Ok(Json(PoolOut::with_members(&ctx, &pool, &people)))
}

/// Fixes the shares of a calculated pool for ever, and has them paid out. Doing so again changes nothing.
#[utoipa::path(post, path = "/pos/tips/pools/{id}/finalize", tag = "pos tips", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))), params(("id" = String, Path, description = "UUID of the pool")),
    responses(
        (status = 200, description = "The pool. 400 `POOL_NOT_CALCULATED` for a draft", body = PoolOut),
        (status = 404, description = "`POOL_NOT_FOUND`", body = PosError),
        PosSessionErrors,
    ))]
pub(crate) async fn finalize_pool(
    State(ctx): State<Ctx>,
    manager: Manager,
    Id(id): Id<PoolId>,
) -> Result<Json<PoolOut>, ApiError> {
    let (pool, people) = tokio::try_join!(load_pool(&ctx, manager.org, id), People::load(&ctx, manager.org))?;
    let now = ctx.now();
    let pool = step_pool(&ctx, pool, |pool| pool.finalize(now)).await?;
    Ok(Json(PoolOut::new(&pool, &people)))
}
