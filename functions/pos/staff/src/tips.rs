//! What was tipped: by whom it was earned, and when (contract §12).

use std::cmp::Reverse;

use axum::extract::State;
use domain::{
    ids::UserId,
    money::Cents,
    pos::tip::{TipSums, Tipped, average},
};
use runtime::{
    ApiError, Ctx, Json, Query,
    openapi::PosSessionErrors,
    session::{self, Manager},
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::read::{DaysQuery, People, each_completed};

/// Tips of some days. Amounts are cents.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TipReportOut {
    summary: TipSummaryOut,
    /// The most first.
    by_staff: Vec<StaffTipsOut>,
    /// Days on which something was sold, in order.
    daily: Vec<DayTipsOut>,
}

/// Tips in all.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TipSummaryOut {
    total_tips: i64,
    /// Completed orders, with a tip or without.
    order_count: u32,
    avg_tip_amount: i64,
    /// Of what was sold, without tax and tip; two decimals.
    avg_tip_percent: f64,
}

/// Tips of somebody who sold.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct StaffTipsOut {
    user_id: Uuid,
    #[schema(required)]
    first_name: Option<String>,
    #[schema(required)]
    last_name: Option<String>,
    #[schema(required)]
    avatar_url: Option<String>,
    /// Orders with a tip.
    tip_count: u32,
    total_tips: i64,
    /// Per order with a tip.
    avg_tip: i64,
}

/// Tips of a day.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct DayTipsOut {
    /// `YYYY-MM-DD`, UTC.
    date: String,
    total_tips: i64,
    /// Completed orders, with a tip or without.
    order_count: u32,
}

/// What a member was tipped. Cents.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EarnedOut {
    user_id: Uuid,
    #[schema(required)]
    first_name: Option<String>,
    #[schema(required)]
    last_name: Option<String>,
    #[schema(required)]
    avatar_url: Option<String>,
    total_tips: i64,
}

fn staff_tips(ctx: &Ctx, people: &People, (user, tipped): (&UserId, &Tipped)) -> StaffTipsOut {
    let (first_name, last_name) = people.names(*user);
    StaffTipsOut {
        user_id: user.0,
        first_name,
        last_name,
        avatar_url: people.avatar_url(ctx, *user),
        tip_count: tipped.tipped,
        total_tips: tipped.tips.0,
        avg_tip: average(tipped.tips, tipped.tipped).0,
    }
}

async fn load(ctx: &Ctx, manager: &Manager, query: &DaysQuery) -> Result<(TipSums, People), ApiError> {
    let (days, mut sums) = (query.days()?, TipSums::default());
    let each = each_completed(ctx, manager.org, days, |order| sums.add(order));
    let (_, people) = tokio::try_join!(each, People::load(ctx, manager.org))?;
    Ok((sums, people))
}

/// Tips of all completed orders of some days (UTC), by who sold and by day.
#[utoipa::path(get, path = "/pos/tips/report", tag = "pos tips", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))), params(DaysQuery),
    responses((status = 200, description = "The report", body = TipReportOut), PosSessionErrors))]
pub(crate) async fn show_tip_report(
    State(ctx): State<Ctx>,
    manager: Manager,
    Query(query): Query<DaysQuery>,
) -> Result<Json<TipReportOut>, ApiError> {
    let (sums, people) = load(&ctx, &manager, &query).await?;
    let mut by_user: Vec<_> = sums.by_user.iter().collect();
    by_user.sort_by_key(|(user, tipped)| (Reverse(tipped.tips), **user));
    let day = |(date, tipped): (&jiff::civil::Date, &Tipped)| DayTipsOut {
        date: date.to_string(),
        total_tips: tipped.tips.0,
        order_count: tipped.orders,
    };
    Ok(Json(TipReportOut {
        summary: TipSummaryOut {
            total_tips: sums.all.tips.0,
            order_count: sums.all.orders,
            avg_tip_amount: average(sums.all.tips, sums.all.orders).0,
            avg_tip_percent: sums.percent(),
        },
        by_staff: by_user.into_iter().map(|tips| staff_tips(&ctx, &people, tips)).collect(),
        daily: sums.by_day.iter().map(day).collect(),
    }))
}

/// Everybody who may share a pool, with what they were tipped in some days (UTC), the most first.
#[utoipa::path(get, path = "/pos/tips/staff", tag = "pos tips", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))), params(DaysQuery),
    responses((status = 200, description = "The members", body = [EarnedOut]), PosSessionErrors))]
pub(crate) async fn list_staff_tips(
    State(ctx): State<Ctx>,
    manager: Manager,
    Query(query): Query<DaysQuery>,
) -> Result<Json<Vec<EarnedOut>>, ApiError> {
    let (sums, people) = load(&ctx, &manager, &query).await?;
    let earned = sums.earned();
    let tips = |user: UserId| earned.get(&user).copied().unwrap_or_default();
    let listed = people.iter().filter(|member| member.may_sign_in() || tips(member.user) > Cents::ZERO);
    let mut users: Vec<UserId> = listed.map(|member| member.user).collect();
    users.sort_by_key(|user| (Reverse(tips(*user)), *user));
    let show = |user: UserId| {
        let (first_name, last_name) = people.names(user);
        let avatar_url = people.avatar_url(&ctx, user);
        EarnedOut { user_id: user.0, first_name, last_name, avatar_url, total_tips: tips(user).0 }
    };
    Ok(Json(users.into_iter().map(show).collect()))
}
