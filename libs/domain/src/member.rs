//! Members: people who sign in, with their organization and role.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    ids::{OrgId, UserId},
    time::millis,
};

/// What a member may do (contract §3: all three may use the admin routes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Runs the organization.
    Superadmin,
    /// Manages it.
    Admin,
    /// Works for it.
    Staff,
}

impl Role {
    /// The wire spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Superadmin => "superadmin",
            Self::Admin => "admin",
            Self::Staff => "staff",
        }
    }
}

/// A person of an organization.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// The Cognito `sub`.
    pub user: UserId,
    /// Whose member.
    pub org: OrgId,
    /// Lower case.
    pub email: String,
    /// Full name.
    pub name: String,
    /// What they may do; absent for people without a place in any admin surface.
    pub role: Option<Role>,
    /// False shuts them out at once.
    pub is_active: bool,
    /// When they last signed in.
    #[serde(with = "millis::option", default, skip_serializing_if = "Option::is_none")]
    pub last_login_at: Option<Timestamp>,
    /// When they joined.
    #[serde(with = "millis")]
    pub created_at: Timestamp,
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Org {
    /// Its id.
    pub id: OrgId,
    /// Its name.
    pub name: String,
    /// When it joined.
    #[serde(with = "millis")]
    pub created_at: Timestamp,
}
