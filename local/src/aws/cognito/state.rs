//! What the pools hold: clients, groups, users and their sessions. This is what is written to disk.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::password::{Policy, Secret};
use crate::aws::wire::Fault;

/// All pools by id.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct State {
    pub pools: BTreeMap<String, Pool>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Pool {
    pub id: String,
    pub policy: Policy,
    /// Whether people are known by their e-mail, and users are named by an id.
    pub email_is_username: bool,
    /// Whether only an administrator adds users.
    pub admin_only: bool,
    /// What CreateUserPool was given, for Describe.
    pub definition: Value,
    pub created_at: f64,
    pub clients: BTreeMap<String, AppClient>,
    pub groups: BTreeMap<String, Value>,
    /// By username, which is the `sub` where the e-mail is what people type.
    pub users: BTreeMap<String, User>,
}

/// An app client. Times are seconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct AppClient {
    pub id: String,
    pub secret: Option<String>,
    pub flows: Vec<String>,
    pub access_seconds: u64,
    pub id_seconds: u64,
    pub refresh_seconds: u64,
    /// Rotation of refresh tokens, with its grace period in seconds; None when off.
    pub rotation: Option<u64>,
    pub hides_unknown_users: bool,
    /// What Create or UpdateUserPoolClient was given, for Describe.
    pub definition: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum UserStatus {
    Unconfirmed,
    Confirmed,
    ForceChangePassword,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct User {
    pub username: String,
    /// `sub` among them.
    pub attributes: BTreeMap<String, String>,
    pub status: UserStatus,
    pub enabled: bool,
    pub password: Option<Secret>,
    pub groups: BTreeSet<String>,
    /// By `origin_jti`. A token is good as long as its session is here.
    pub sessions: BTreeMap<String, Session>,
    /// A code or challenge that waits for its answer: (value, good until, seconds since 1970).
    pub pending: Option<(String, u64)>,
    /// Wrong passwords in a row, and the time (seconds since 1970) before which no other is tried.
    pub failures: u32,
    pub locked_until: u64,
    pub created_at: f64,
    pub modified_at: f64,
}

/// What began with one sign-in, and lives on through the refreshes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Session {
    pub client_id: String,
    /// Seconds since 1970.
    pub signed_in_at: u64,
    /// When the refresh token expires, seconds since 1970.
    pub expires_at: u64,
    /// SHA-256 of the refresh token, lower hex.
    pub refresh_hash: String,
    /// Hashes of rotated ones, with the end of their grace, seconds since 1970.
    pub rotated: Vec<(String, u64)>,
}

impl State {
    pub fn pool(&mut self, id: &str) -> Result<&mut Pool, Fault> {
        self.pools.get_mut(id).ok_or_else(|| not_found(format!("User pool {id} does not exist.")))
    }

    /// The pool of a client, and the client.
    pub fn client(&mut self, id: &str) -> Result<(&mut Pool, AppClient), Fault> {
        let pool = self.pools.values_mut().find(|pool| pool.clients.contains_key(id));
        let found = pool.and_then(|pool| pool.clients.get(id).cloned().map(|client| (pool, client)));
        found.ok_or_else(|| not_found(format!("User pool client {id} does not exist.")))
    }
}

impl Pool {
    /// A user by what an administrator or the person types: the username, the `sub`, or the e-mail.
    pub fn find(&self, name: &str) -> Option<&User> {
        self.users.get(&self.username_of(name)?)
    }

    /// As [`Pool::find`]; `UserNotFoundException` when there is none.
    pub fn user(&mut self, name: &str) -> Result<&mut User, Fault> {
        let username = self.username_of(name);
        let user = username.and_then(|username| self.users.get_mut(&username));
        user.ok_or_else(|| Fault::new("UserNotFoundException", "User does not exist."))
    }

    fn username_of(&self, name: &str) -> Option<String> {
        // Pools are case-insensitive unless created otherwise, and none of ours is.
        let name = name.to_lowercase();
        if self.users.contains_key(&name) {
            return Some(name);
        }
        let has_email = |user: &&User| user.attributes.get("email") == Some(&name);
        self.users.values().find(|user| self.email_is_username && has_email(user)).map(|user| user.username.clone())
    }

    /// Refuses a group that does not exist.
    pub fn check_group(&self, name: &str) -> Result<(), Fault> {
        self.groups.get(name).map(|_| ()).ok_or_else(|| not_found("Group not found.".to_owned()))
    }
}

impl User {
    pub fn sub(&self) -> &str {
        self.attributes.get("sub").map_or("", String::as_str)
    }

    pub fn is_verified(&self) -> bool {
        self.attributes.get("email_verified").is_some_and(|verified| verified == "true")
    }
}

fn not_found(text: String) -> Fault {
    Fault::new("ResourceNotFoundException", text)
}

/// Cognito's answer to whatever is wrong with a sign-in.
pub(super) fn not_authorized(text: impl Into<String>) -> Fault {
    Fault::new("NotAuthorizedException", text)
}

pub(super) fn invalid_parameter(text: impl Into<String>) -> Fault {
    Fault::new("InvalidParameterException", text)
}
