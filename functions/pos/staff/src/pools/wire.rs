//! Pools and their members as clients send and read them (contract §12).

use std::cmp::Reverse;

use domain::{
    ids::{PoolId, UserId},
    pos::tip::{Pool, PoolStatus},
    time::iso,
};
use garde::Validate;
use runtime::Ctx;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::read::{People, nullable};

/// How far a pool is.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PoolStatusIn {
    Draft,
    Calculated,
    Finalized,
}

impl PoolStatusIn {
    pub(crate) fn is(self, pool: &Pool) -> bool {
        let status = match self {
            Self::Draft => PoolStatus::Draft,
            Self::Calculated => PoolStatus::Calculated,
            Self::Finalized => PoolStatus::Finalized,
        };
        pool.status == status
    }
}

/// Which pools.
#[derive(Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
#[garde(allow_unvalidated)]
pub(crate) struct PoolsQuery {
    /// Only these.
    #[param(nullable = false, inline)]
    pub(crate) status: Option<PoolStatusIn>,
    /// Pools on a page; 20 where nothing is said.
    #[garde(range(min = 1, max = 100))]
    #[param(nullable = false, minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// Pools before the page.
    #[param(nullable = false)]
    offset: Option<u32>,
}

impl PoolsQuery {
    pub(crate) fn limit(&self) -> usize {
        self.limit.unwrap_or(20) as usize
    }

    pub(crate) fn offset(&self) -> usize {
        self.offset.unwrap_or(0) as usize
    }
}

/// A new pool.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub(crate) struct PoolIn {
    #[garde(required, length(chars, min = 1, max = 255))]
    #[schema(required, nullable = false, min_length = 1, max_length = 255)]
    pub(crate) name: Option<String>,
    /// `YYYY-MM-DD`.
    #[schema(required, nullable = false, format = Date)]
    pub(crate) start_date: Option<String>,
    /// `YYYY-MM-DD`; at most 366 days in all.
    #[schema(required, nullable = false, format = Date)]
    pub(crate) end_date: Option<String>,
    #[garde(length(chars, max = 2000))]
    #[schema(max_length = 2000)]
    pub(crate) notes: Option<String>,
}

/// What to change of a pool.
#[derive(Deserialize, Validate, ToSchema)]
pub(crate) struct PoolEditIn {
    #[garde(length(chars, min = 1, max = 255))]
    #[schema(nullable = false, min_length = 1, max_length = 255)]
    name: Option<String>,
    /// Null takes them away.
    #[serde(default, deserialize_with = "nullable")]
    #[garde(length(chars, max = 2000))]
    #[schema(value_type = Option<String>, max_length = 2000)]
    notes: Option<Option<String>>,
}

impl PoolEditIn {
    pub(crate) fn apply(&self, pool: &mut Pool) {
        if let Some(name) = &self.name {
            pool.name.clone_from(name);
        }
        if let Some(notes) = &self.notes {
            pool.notes.clone_from(notes);
        }
    }
}

/// Members and their hours.
#[derive(Deserialize, Validate, ToSchema)]
pub(crate) struct MembersIn {
    #[garde(required, length(min = 1, max = 200), dive)]
    #[schema(required, nullable = false, min_items = 1, max_items = 200)]
    pub(crate) members: Option<Vec<MemberIn>>,
}

/// A member and their hours.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MemberIn {
    #[garde(required)]
    #[schema(required, nullable = false)]
    pub(crate) user_id: Option<Uuid>,
    /// Rounded to thousandths.
    #[garde(required, range(min = 0.0, max = 10_000.0))]
    #[schema(required, nullable = false, minimum = 0, maximum = 10000)]
    pub(crate) hours_worked: Option<f64>,
}

/// A page of pools.
#[derive(Serialize, ToSchema)]
pub(crate) struct PoolList {
    pub(crate) pools: Vec<PoolOut>,
    /// How many there are on all pages.
    pub(crate) total: usize,
}

/// A pool. Amounts are cents.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PoolOut {
    id: Uuid,
    organization_id: Uuid,
    name: String,
    start_date: String,
    end_date: String,
    total_tips: i64,
    /// `draft`, `calculated` or `finalized`.
    status: &'static str,
    #[schema(required)]
    notes: Option<String>,
    created_by: Uuid,
    #[schema(required)]
    creator_first_name: Option<String>,
    #[schema(required)]
    creator_last_name: Option<String>,
    created_at: String,
    updated_at: String,
    /// The largest share first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    members: Option<Vec<PoolMemberOut>>,
}

impl PoolOut {
    pub(crate) fn new(pool: &Pool, people: &People) -> Self {
        let (creator_first_name, creator_last_name) = people.names(pool.created_by);
        PoolOut {
            id: pool.id.0,
            organization_id: pool.org.0,
            name: pool.name.clone(),
            start_date: pool.days.first.to_string(),
            end_date: pool.days.last.to_string(),
            total_tips: pool.total.0,
            status: pool.status.as_str(),
            notes: pool.notes.clone(),
            created_by: pool.created_by.0,
            creator_first_name,
            creator_last_name,
            created_at: iso(pool.created_at),
            updated_at: iso(pool.updated_at),
            members: None,
        }
    }

    pub(crate) fn with_members(ctx: &Ctx, pool: &Pool, people: &People) -> Self {
        PoolOut { members: Some(pool_members(ctx, pool, people)), ..Self::new(pool, people) }
    }
}

/// A member of a pool. Amounts are cents.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PoolMemberOut {
    id: Uuid,
    tip_pool_id: Uuid,
    user_id: Uuid,
    #[schema(required)]
    first_name: Option<String>,
    #[schema(required)]
    last_name: Option<String>,
    #[schema(required)]
    avatar_url: Option<String>,
    hours_worked: f64,
    /// What they were tipped themselves; tells, and decides nothing.
    tips_earned: i64,
    pool_share: i64,
    final_amount: i64,
    created_at: String,
    updated_at: String,
}

/// The members of a pool, the largest share first.
pub(crate) fn pool_members(ctx: &Ctx, pool: &Pool, people: &People) -> Vec<PoolMemberOut> {
    let mut members: Vec<_> = pool.members.iter().collect();
    members.sort_by_key(|member| Reverse(member.share));
    let show = |member: &domain::pos::tip::PoolMember| {
        let (first_name, last_name) = people.names(member.user);
        PoolMemberOut {
            id: member_id(pool.id, member.user),
            tip_pool_id: pool.id.0,
            user_id: member.user.0,
            first_name,
            last_name,
            avatar_url: people.avatar_url(ctx, member.user),
            hours_worked: member.hours.to_number(),
            tips_earned: member.earned.0,
            pool_share: member.share.0,
            final_amount: member.share.0,
            created_at: iso(member.created_at),
            updated_at: iso(member.updated_at),
        }
    };
    members.into_iter().map(show).collect()
}

/// A membership's own id: made of both ids, so that it need not be stored.
fn member_id(pool: PoolId, user: UserId) -> Uuid {
    let bytes = (pool.0.as_u128() ^ user.0.as_u128()).to_be_bytes();
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}
