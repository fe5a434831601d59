//! The log of what staff did (contract §14).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    ids::{OrgId, UserId},
    time::millis,
};

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs)]
pub enum Action {
    Login,
    Logout,
    Create,
    Update,
    Delete,
    StatusChange,
    #[serde(rename = "CHECKIN")]
    CheckIn,
}

impl Action {
    /// The wire spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Login => "LOGIN",
            Self::Logout => "LOGOUT",
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::StatusChange => "STATUS_CHANGE",
            Self::CheckIn => "CHECKIN",
        }
    }
}

/// One entry. `old` and `new` are JSON text, as small as tells the change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Unique; for entries derived from another record, derived too, so that a repeat writes the same item.
    pub id: String,
    /// Whose log.
    pub org: OrgId,
    /// What was done.
    pub action: Action,
    /// To what: `event`, `order`, `gallery`, `user`.
    pub entity_type: String,
    /// Which one.
    pub entity_id: String,
    /// By whom; absent for a scanner without a login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// Their name then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// Their e-mail then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_email: Option<String>,
    /// Before, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// After, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
    /// Address of the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// `User-Agent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// When.
    #[serde(with = "millis")]
    pub at: Timestamp,
}
