//! Staff as clients send and read them (contract §11).

use std::collections::BTreeSet;

use domain::{
    ids::{CatalogId, OrgId, UserId},
    member::{Member, Role},
    pos::catalog::{CatalogList, MAX_CATALOGS},
    time::iso,
};
use garde::Validate;
use jiff::Timestamp;
use runtime::{ApiError, Ctx, validate};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::read::{names, nullable};

/// What a member of staff may do.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StaffRoleIn {
    User,
    Admin,
}

impl From<StaffRoleIn> for Role {
    fn from(input: StaffRoleIn) -> Self {
        match input {
            StaffRoleIn::User => Role::Staff,
            StaffRoleIn::Admin => Role::Admin,
        }
    }
}

/// Who is invited.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub(crate) struct StaffIn {
    #[garde(required, length(max = 254))]
    #[schema(required, nullable = false, max_length = 128)]
    email: Option<String>,
    #[garde(required, length(chars, min = 1, max = 100))]
    #[schema(required, nullable = false, min_length = 1, max_length = 100)]
    first_name: Option<String>,
    #[garde(required, length(chars, min = 1, max = 100))]
    #[schema(required, nullable = false, min_length = 1, max_length = 100)]
    last_name: Option<String>,
    #[garde(required)]
    #[schema(required, nullable = false)]
    role: Option<StaffRoleIn>,
    /// Which a `user` sells from: one at least.
    #[garde(length(max = MAX_CATALOGS))]
    #[schema(max_items = 200)]
    catalog_ids: Option<Vec<Uuid>>,
}

/// Somebody new, as they are kept.
pub(crate) struct NewStaff {
    pub(crate) email: String,
    first_name: String,
    last_name: String,
    role: Role,
    catalogs: BTreeSet<CatalogId>,
}

impl StaffIn {
    pub(crate) fn check(self, list: &CatalogList) -> Result<NewStaff, ApiError> {
        let email = self.email.unwrap_or_default().trim().to_lowercase();
        if !validate::is_email(&email) || email.chars().count() > 128 {
            return Err(ApiError::invalid("email", "must be an email address"));
        }
        let role = self.role.map_or(Role::Staff, Role::from);
        Ok(NewStaff {
            email,
            first_name: name("firstName", &self.first_name.unwrap_or_default())?,
            last_name: name("lastName", &self.last_name.unwrap_or_default())?,
            role,
            catalogs: match role {
                Role::Staff => assigned(&self.catalog_ids.unwrap_or_default(), list)?,
                _ => BTreeSet::new(),
            },
        })
    }
}

impl NewStaff {
    pub(crate) fn into_member(self, user: UserId, org: OrgId, now: Timestamp) -> Member {
        let member = Member::new(user, org, self.email, String::new(), Some(self.role), now);
        let mut member = Member { catalogs: self.catalogs, ..member };
        member.rename(&self.first_name, &self.last_name);
        member
    }
}

fn name(field: &str, text: &str) -> Result<String, ApiError> {
    let name = text.trim();
    if name.is_empty() { Err(ApiError::invalid(field, "is required")) } else { Ok(name.to_owned()) }
}

/// Catalogs of the organization, one at least.
fn assigned(ids: &[Uuid], list: &CatalogList) -> Result<BTreeSet<CatalogId>, ApiError> {
    if ids.is_empty() {
        return Err(ApiError::invalid("catalogIds", "must name at least one catalog for the role user"));
    }
    let known = |(i, id): (usize, &Uuid)| match list.has(CatalogId(*id)) {
        true => Ok(CatalogId(*id)),
        false => Err(ApiError::invalid(format!("catalogIds[{i}]"), "is not a catalog of the organization")),
    };
    ids.iter().enumerate().map(known).collect()
}

/// What to change of a member of staff.
#[derive(Default, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub(crate) struct StaffEditIn {
    #[garde(length(chars, min = 1, max = 100))]
    #[schema(nullable = false, min_length = 1, max_length = 100)]
    first_name: Option<String>,
    #[garde(length(chars, min = 1, max = 100))]
    #[schema(nullable = false, min_length = 1, max_length = 100)]
    last_name: Option<String>,
    /// Null takes it away.
    #[serde(default, deserialize_with = "nullable")]
    #[garde(length(chars, max = 32))]
    #[schema(value_type = Option<String>, max_length = 32)]
    phone: Option<Option<String>>,
    /// False shuts them out.
    #[schema(nullable = false)]
    is_active: Option<bool>,
    /// `admin` sees every catalog; `user` those that are named here, or were before.
    #[schema(nullable = false)]
    role: Option<StaffRoleIn>,
    /// Which a `user` sells from: one at least.
    #[garde(length(max = MAX_CATALOGS))]
    #[schema(nullable = false, max_items = 200)]
    catalog_ids: Option<Vec<Uuid>>,
}

impl StaffEditIn {
    /// What shuts somebody out.
    pub(crate) fn disabled() -> Self {
        StaffEditIn { is_active: Some(false), ..Self::default() }
    }

    pub(crate) fn is_active(&self) -> Option<bool> {
        self.is_active
    }

    /// The member as they will be. Nobody shuts themselves out, or changes their own role.
    pub(crate) fn apply(&self, member: &Member, by: UserId, list: &CatalogList) -> Result<Member, ApiError> {
        let mut after = member.clone();
        after.role = self.role.map(Role::from).or(after.role);
        after.is_active = self.is_active.unwrap_or(after.is_active);
        if member.user == by && (after.role, after.is_active) != (member.role, member.is_active) {
            return Err(ApiError::bad_request("OWN_ACCOUNT", "You cannot disable your own account or change its role"));
        }
        if member.is_active && !after.is_active {
            after.session_version += 1;
        }
        self.apply_name(&mut after)?;
        if let Some(phone) = &self.phone {
            after.phone = phone.as_ref().map(|phone| phone.trim().to_owned()).filter(|phone| !phone.is_empty());
        }
        match (after.role, &self.catalog_ids) {
            (Some(Role::Staff), Some(ids)) => after.catalogs = assigned(ids, list)?,
            (Some(Role::Staff), None) if member.role != after.role => _ = assigned(&[], list)?,
            (Some(Role::Staff), None) => {}
            _ => after.catalogs = BTreeSet::new(),
        }
        Ok(after)
    }

    fn apply_name(&self, member: &mut Member) -> Result<(), ApiError> {
        if self.first_name.is_none() && self.last_name.is_none() {
            return Ok(());
        }
        let (first, last) = member.first_and_last_name();
        let first = self.first_name.as_ref().map_or(Ok(first.to_owned()), |text| name("firstName", text))?;
        let last = self.last_name.as_ref().map_or(Ok(last.to_owned()), |text| name("lastName", text))?;
        member.rename(&first, &last);
        Ok(())
    }
}

/// Staff, and how many there may be.
#[derive(Serialize, ToSchema)]
pub(crate) struct StaffList {
    /// Newest first, those who are disabled among them.
    pub(crate) staff: Vec<StaffOut>,
    pub(crate) limits: StaffLimits,
}

/// How many there may be.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StaffLimits {
    /// Those who are not disabled.
    current_count: usize,
    /// -1 is any number.
    max_allowed: i64,
    can_create_more: bool,
}

impl StaffLimits {
    pub(crate) fn new(taken: usize, limit: Option<usize>) -> Self {
        StaffLimits {
            current_count: taken,
            max_allowed: limit.map_or(-1, |limit| limit as i64),
            can_create_more: limit.is_none_or(|limit| taken < limit),
        }
    }
}

/// A member of staff.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StaffOut {
    id: Uuid,
    email: String,
    #[schema(required)]
    first_name: Option<String>,
    #[schema(required)]
    last_name: Option<String>,
    #[schema(required)]
    phone: Option<String>,
    /// `admin` or `user`.
    role: &'static str,
    /// `pending` until the invitation is accepted, `active`, or `disabled`.
    status: &'static str,
    invited_at: String,
    #[schema(required)]
    invite_accepted_at: Option<String>,
    #[schema(required)]
    last_login: Option<String>,
    #[schema(required)]
    avatar_url: Option<String>,
    /// Which a `user` sells from.
    catalog_ids: Vec<Uuid>,
}

impl StaffOut {
    pub(crate) fn new(ctx: &Ctx, member: &Member) -> Self {
        let (first_name, last_name) = names(member);
        let invitation = member.invitation.as_ref();
        StaffOut {
            id: member.user.0,
            email: member.email.clone(),
            first_name,
            last_name,
            phone: member.phone.clone(),
            role: member.role.map_or("user", Role::pos_name),
            status: match (member.is_active, member.is_pending()) {
                (false, _) => "disabled",
                (true, true) => "pending",
                (true, false) => "active",
            },
            invited_at: iso(invitation.map_or(member.created_at, |invitation| invitation.at)),
            invite_accepted_at: invitation.and_then(|invitation| invitation.accepted_at).map(iso),
            last_login: member.last_login_at.map(iso),
            avatar_url: ctx.avatar_url(member),
            catalog_ids: member.catalogs.iter().map(|catalog| catalog.0).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> CatalogId {
        CatalogId::from_random([n; 16])
    }

    fn member(n: u8, role: Role) -> Member {
        let (user, org) = (UserId::from_random([n; 16]), OrgId::from_random([9; 16]));
        let catalogs = if role == Role::Staff { BTreeSet::from([id(1)]) } else { BTreeSet::new() };
        let member =
            Member::new(user, org, "eva@example.com".into(), "Eva Ek".into(), Some(role), Timestamp::UNIX_EPOCH);
        Member { catalogs, session_version: 4, ..member }
    }

    fn apply(json: serde_json::Value, member: &Member, by: u8) -> Result<Member, String> {
        let input: StaffEditIn = serde_json::from_value(json).unwrap();
        let list = CatalogList { ids: vec![id(1), id(2)], ..CatalogList::default() };
        let refused =
            |error: ApiError| error.fields.first().map_or(error.code.to_string(), |field| field.field.clone());
        input.apply(member, UserId::from_random([by; 16]), &list).map_err(refused)
    }

    #[test]
    fn shutting_out_ends_the_session_once() {
        let active = member(1, Role::Admin);
        let out = apply(serde_json::json!({"isActive": false}), &active, 2).unwrap();
        assert_eq!((out.is_active, out.session_version), (false, 5));
        assert_eq!(apply(serde_json::json!({"isActive": false}), &out, 2).unwrap().session_version, 5);
        let back = apply(serde_json::json!({"isActive": true}), &out, 2).unwrap();
        assert_eq!((back.is_active, back.session_version), (true, 5));
    }

    #[test]
    fn a_user_has_catalogs_and_an_admin_none() {
        let (user, admin) = (member(1, Role::Staff), member(1, Role::Admin));
        assert!(apply(serde_json::json!({"role": "admin"}), &user, 2).unwrap().catalogs.is_empty());
        assert_eq!(apply(serde_json::json!({"role": "user"}), &admin, 2), Err("catalogIds".into()));
        let both = serde_json::json!({"role": "user", "catalogIds": [id(2), id(1)]});
        assert_eq!(apply(both, &admin, 2).unwrap().catalogs, BTreeSet::from([id(1), id(2)]));
        assert_eq!(apply(serde_json::json!({"catalogIds": []}), &user, 2), Err("catalogIds".into()));
        assert_eq!(apply(serde_json::json!({"catalogIds": [id(1), id(7)]}), &user, 2), Err("catalogIds[1]".into()));
        assert!(apply(serde_json::json!({"catalogIds": [id(7)]}), &admin, 2).unwrap().catalogs.is_empty(), "sees all");
        assert_eq!(apply(serde_json::json!({"role": "user"}), &user, 2), Ok(user));
    }

    #[test]
    fn nobody_shuts_themselves_out() {
        let admin = member(1, Role::Admin);
        for edit in [serde_json::json!({"isActive": false}), serde_json::json!({"role": "user", "catalogIds": [id(1)]})]
        {
            assert_eq!(apply(edit, &admin, 1), Err("OWN_ACCOUNT".into()));
        }
        let same = serde_json::json!({"isActive": true, "role": "admin", "lastName": "Eklund", "phone": null});
        assert_eq!(apply(same, &admin, 1).unwrap().name, "Eva Eklund");
    }
}
