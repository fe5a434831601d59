//! Members: people who sign in, with their organization, role and preferences. All surfaces share them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    ids::{CatalogId, OrgId, UserId},
    time::millis,
};

/// What a member may do. Each surface spells it its own way: tickets §3, POS §1.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Works for it.
    Staff,
    /// Manages it.
    Admin,
    /// Runs the organization.
    Superadmin,
}

impl Role {
    /// The tickets' spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Superadmin => "superadmin",
            Self::Admin => "admin",
            Self::Staff => "staff",
        }
    }

    /// The counter's spelling.
    pub fn pos_name(self) -> &'static str {
        match self {
            Self::Superadmin => "owner",
            Self::Admin => "admin",
            Self::Staff => "user",
        }
    }
}

/// What a member wants to be told (POS §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preferences {
    /// Of what happens to their account.
    pub email_alerts: bool,
    /// Of what we sell.
    pub marketing_emails: bool,
    /// Of their week, every Monday.
    pub weekly_reports: bool,
}

impl Default for Preferences {
    fn default() -> Self {
        Self { email_alerts: true, marketing_emails: true, weekly_reports: true }
    }
}

/// A member's picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Avatar {
    /// Its id; another with each upload.
    pub image_id: String,
    /// Key of the object, `media/…`.
    pub key: String,
}

/// How a member of staff was invited (POS §11).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// By whom.
    pub by: UserId,
    /// When.
    #[serde(with = "millis")]
    pub at: Timestamp,
    /// SHA-256 of the link's secret that is good now; gone once accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_hash: Option<String>,
    /// When it was accepted.
    #[serde(with = "millis::option", default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<Timestamp>,
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
    /// First name, where it is known apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// Last name, where it is known apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// As the person wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// What they may do; absent for people without a place in any admin surface.
    pub role: Option<Role>,
    /// False shuts them out at once.
    pub is_active: bool,
    /// Rises when another phone signs in; a request that names another version is kicked (POS §1.4).
    #[serde(default)]
    pub session_version: u32,
    /// What they want to be told.
    #[serde(default)]
    pub preferences: Preferences,
    /// Their picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar: Option<Avatar>,
    /// True once they were shown around.
    #[serde(default)]
    pub onboarded: bool,
    /// How they came, if they did not found the organization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invitation: Option<Invitation>,
    /// Catalogs that a member of role `Staff` sells from.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub catalogs: BTreeSet<CatalogId>,
    /// When they last signed in.
    #[serde(with = "millis::option", default, skip_serializing_if = "Option::is_none")]
    pub last_login_at: Option<Timestamp>,
    /// When they joined.
    #[serde(with = "millis")]
    pub created_at: Timestamp,
}

impl Member {
    /// An active member without anything that can be absent.
    pub fn new(user: UserId, org: OrgId, email: String, name: String, role: Option<Role>, now: Timestamp) -> Self {
        Member {
            user,
            org,
            email,
            name,
            first_name: None,
            last_name: None,
            phone: None,
            role,
            is_active: true,
            session_version: 0,
            preferences: Preferences::default(),
            avatar: None,
            onboarded: false,
            invitation: None,
            catalogs: BTreeSet::new(),
            last_login_at: None,
            created_at: now,
        }
    }

    /// May they see this catalog? Staff see those they are assigned to (POS §4).
    pub fn sees_catalog(&self, catalog: CatalogId) -> bool {
        self.role != Some(Role::Staff) || self.catalogs.contains(&catalog)
    }
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Org {
    /// Its id.
    pub id: OrgId,
    /// Its name.
    pub name: String,
    /// What its clients keep here; never read by us (POS §3).
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub settings: Map<String, Value>,
    /// Phones that take payments by tap (POS §2.2).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tap_to_pay_devices: BTreeSet<String>,
    /// When it joined.
    #[serde(with = "millis")]
    pub created_at: Timestamp,
    /// When it last changed; absent means never.
    #[serde(with = "millis::option", default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
}

impl Org {
    /// An organization without settings.
    pub fn new(id: OrgId, name: String, now: Timestamp) -> Self {
        Org { id, name, settings: Map::new(), tap_to_pay_devices: BTreeSet::new(), created_at: now, updated_at: None }
    }
}
