//! What staff did (contract §14).

use std::collections::{HashMap, HashSet};

use axum::extract::State;
use domain::{
    audit::{Action, AuditEntry},
    ids::UserId,
    member::Member,
    time::iso,
};
use futures_util::future::try_join_all;
use garde::Validate;
use runtime::{
    ApiError, Ctx, Json, Query, Staff,
    openapi::{CommonErrors, ErrorBody},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::AuditFilter;
use utoipa::{IntoParams, ToSchema};

use crate::wire::{count, filled};

/// Entries on one page at most.
const MAX_LIMIT: usize = 100;
/// Entries on one page, where nothing is said.
const DEFAULT_LIMIT: usize = 50;

/// Which entries.
#[derive(Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
#[garde(allow_unvalidated)]
pub(crate) struct AuditQuery {
    /// Entries on a page, from 1; above 100 it is 100.
    #[param(value_type = Option<u32>, minimum = 1)]
    limit: Option<String>,
    /// Entries before the page.
    #[param(value_type = Option<u32>, minimum = 0)]
    offset: Option<String>,
    /// `LOGIN`, `LOGOUT`, `CREATE`, `UPDATE`, `DELETE`, `STATUS_CHANGE` or `CHECKIN`.
    action: Option<String>,
    /// `event`, `order`, `gallery` or `user`.
    entity_type: Option<String>,
}

impl AuditQuery {
    fn filter(self) -> Result<AuditFilter, ApiError> {
        let action = filled(self.action).map(|action| serde_json::from_value::<Action>(action.into())).transpose();
        let names = "must be LOGIN, LOGOUT, CREATE, UPDATE, DELETE, STATUS_CHANGE or CHECKIN";
        let action = action.map_err(|_| ApiError::invalid("action", names))?;
        Ok(AuditFilter { action, entity_type: filled(self.entity_type) })
    }
}

/// A page of the log.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditLog {
    success: bool,
    logs: Vec<EntryOut>,
    /// Entries on this page.
    count: usize,
}

/// An entry of the log.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EntryOut {
    id: String,
    action: &'static str,
    entity_type: String,
    entity_id: String,
    /// Null for a scanner without a login.
    user_name: Option<String>,
    user_email: Option<String>,
    /// Before; only what tells the change.
    old_value: Option<Value>,
    /// After; only what tells the change.
    new_value: Option<Value>,
    /// ISO 8601.
    created_at: String,
}

impl EntryOut {
    fn new(entry: AuditEntry, members: &HashMap<UserId, Member>) -> Self {
        let member = entry.user.and_then(|user| members.get(&user));
        let read = |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok());
        EntryOut {
            id: entry.id,
            action: entry.action.as_str(),
            entity_type: entry.entity_type,
            entity_id: entry.entity_id,
            user_name: entry.user_name.or_else(|| member.map(|member| member.name.clone())),
            user_email: entry.user_email.or_else(|| member.map(|member| member.email.clone())),
            old_value: read(entry.old),
            new_value: read(entry.new),
            created_at: iso(entry.at),
        }
    }
}

/// What staff of the organization did, newest first.
#[utoipa::path(get, path = "/tickets/api/admin/stats/audit", tag = "tickets admin", security(("bearer" = [])),
    params(AuditQuery),
    responses(
        (status = 200, description = "A page of the log", body = AuditLog),
        (status = 400, description = "`VALIDATION_ERROR`", body = ErrorBody),
        (status = 401, description = "`NO_TOKEN`, `INVALID_TOKEN`", body = ErrorBody),
        (status = 403, description = "`FORBIDDEN`", body = ErrorBody),
        CommonErrors,
    ))]
pub(crate) async fn list_audit(
    State(ctx): State<Ctx>,
    staff: Staff,
    Query(query): Query<AuditQuery>,
) -> Result<Json<AuditLog>, ApiError> {
    let limit = count("limit", query.limit.as_deref(), 1, DEFAULT_LIMIT)?.min(MAX_LIMIT);
    let offset = count("offset", query.offset.as_deref(), 0, 0)?;
    let entries = ctx.store().list_audit(staff.org, &query.filter()?, offset, limit).await?;
    let members = load_unnamed(&ctx, &entries).await?;
    let logs: Vec<EntryOut> = entries.into_iter().map(|entry| EntryOut::new(entry, &members)).collect();
    Ok(Json(AuditLog { success: true, count: logs.len(), logs }))
}

/// The members behind entries that name a user by id only, as those of the gate do.
async fn load_unnamed(ctx: &Ctx, entries: &[AuditEntry]) -> Result<HashMap<UserId, Member>, ApiError> {
    let unnamed = entries.iter().filter(|entry| entry.user_name.is_none()).filter_map(|entry| entry.user);
    let users: HashSet<UserId> = unnamed.collect();
    let members = try_join_all(users.into_iter().map(|user| ctx.store().load_member(user))).await?;
    Ok(members.into_iter().flatten().map(|member| (member.user, member)).collect())
}
