//! Cognito user pools: people, groups, passwords, sessions, and RS256 tokens that verifiers accept as Cognito's.
//!
//! Our own, because none of the permissively licensed emulators in Rust signs real tokens. Names and texts of errors are
//! Cognito's, since that is what callers tell failures apart by.

mod auth;
mod input;
mod keys;
mod password;
mod people;
mod pools;
mod recovery;
mod sessions;
mod state;
mod tokens;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use axum::body::Body;
use axum::http::{HeaderValue, Method, Response, StatusCode, header};
use bytes::Bytes;
use serde_json::{Value, json};

use self::keys::Keys;
use self::state::State;
use super::disk::{self, Data};
use super::mailbox::Mailbox;
use super::wire::{Call, Fault, Input, json_response};

/// All user pools of the endpoint. Cheap to clone; clones share them.
#[derive(Clone)]
pub struct UserPools(Arc<Shared>);

struct Shared {
    region: String,
    account: String,
    /// What stands before the pool's id in the issuer, without a slash at the end.
    issuer_base: String,
    keys: Arc<Keys>,
    mailbox: Mailbox,
    file: Option<PathBuf>,
    state: Mutex<State>,
    changed: AtomicBool,
    /// Seconds that the clock of tokens and sessions is ahead.
    ahead: AtomicU64,
}

impl UserPools {
    pub(super) fn open(
        data: &Data,
        region: &str,
        account: &str,
        issuer_base: &str,
        mailbox: Mailbox,
    ) -> anyhow::Result<Self> {
        let file = data.path("cognito.json");
        let state = file.as_deref().map(disk::read_json).transpose()?.flatten().unwrap_or_default();
        Ok(Self(Arc::new(Shared {
            region: region.to_owned(),
            account: account.to_owned(),
            issuer_base: issuer_base.trim_end_matches('/').to_owned(),
            keys: Keys::start(data),
            mailbox,
            file,
            state: Mutex::new(state),
            changed: AtomicBool::new(false),
            ahead: AtomicU64::new(0),
        })))
    }

    /// Signs any claims with the pools' key, as a JWT. For tests of what must be refused although it is signed: an ID token,
    /// an expired one, one of another client or issuer. Pools share one key.
    ///
    /// # Errors
    /// When there is no key: it could not be made or written.
    pub fn sign(&self, claims: &Value) -> anyhow::Result<String> {
        self.0.keys.sign(claims).context("signing a token")
    }

    /// Sets the clock of tokens, sessions and codes forward, by whole seconds.
    pub fn advance(&self, by: Duration) {
        self.0.ahead.fetch_add(by.as_secs(), Ordering::Relaxed);
    }

    /// Seconds since 1970, by that clock.
    pub(super) fn now(&self) -> u64 {
        super::clock::seconds() + self.0.ahead.load(Ordering::Relaxed)
    }

    /// The `iss` of a pool's tokens.
    pub fn issuer(&self, pool_id: &str) -> String {
        format!("{}/{pool_id}", self.0.issuer_base)
    }

    /// The key set that verifies all tokens, as served at `/{pool_id}/.well-known/jwks.json`.
    ///
    /// # Errors
    /// When there is no key: it could not be made or written.
    pub fn jwks(&self) -> anyhow::Result<Value> {
        self.0.keys.jwks().context("reading the public key")
    }

    /// The ids of all pools.
    pub fn pool_ids(&self) -> Vec<String> {
        self.lock().pools.keys().cloned().collect()
    }

    /// Answers one `AWSCognitoIdentityProviderService` action.
    pub(super) fn handle(&self, action: &str, body: &Bytes) -> Response<Body> {
        let answer = Input::parse(body).and_then(|input| self.dispatch(action, input));
        answer
            .map_or_else(Fault::into_json, |value| json_response(StatusCode::OK, "application/x-amz-json-1.1", &value))
    }

    /// Answers `/{pool_id}/.well-known/…`; None when the path is another, or names no pool.
    pub(super) fn well_known(&self, call: &Call) -> Option<Response<Body>> {
        let (pool_id, document) = call.path.trim_start_matches('/').split_once("/.well-known/")?;
        if call.method != Method::GET || !self.lock().pools.contains_key(pool_id) {
            return None;
        }
        let answer = match document {
            "jwks.json" => self.0.keys.jwks(),
            "openid-configuration" => Ok(self.openid_configuration(pool_id)),
            _ => return None,
        };
        let mut response =
            answer.map_or_else(Fault::into_json, |value| json_response(StatusCode::OK, "application/json", &value));
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        Some(response)
    }

    fn openid_configuration(&self, pool_id: &str) -> Value {
        let issuer = self.issuer(pool_id);
        json!({
            "issuer": issuer,
            "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code", "token"],
            "subject_types_supported": ["public"],
        })
    }

    fn dispatch(&self, action: &str, input: Input) -> Result<Value, Fault> {
        input::check_username(&input)?;
        let answer = match action {
            "CreateUserPool" => self.create_user_pool(input),
            "DescribeUserPool" => self.describe_user_pool(&input),
            "ListUserPools" => Ok(self.list_user_pools(&input)),
            "DeleteUserPool" => self.delete_user_pool(&input),
            "CreateUserPoolClient" => self.create_user_pool_client(input),
            "UpdateUserPoolClient" => self.update_user_pool_client(input),
            "DescribeUserPoolClient" => self.describe_user_pool_client(&input),
            "ListUserPoolClients" => self.list_user_pool_clients(&input),
            "CreateGroup" => self.create_group(input),
            "GetGroup" => self.get_group(&input),
            "ListGroups" => self.list_groups(&input),
            "AdminAddUserToGroup" => self.admin_add_user_to_group(&input),
            "AdminRemoveUserFromGroup" => self.admin_remove_user_from_group(&input),
            "AdminListGroupsForUser" => self.admin_list_groups_for_user(&input),
            "ListUsersInGroup" => self.list_users_in_group(&input),
            "AdminCreateUser" => self.admin_create_user(&input),
            "AdminGetUser" => self.admin_get_user(&input),
            "AdminSetUserPassword" => self.admin_set_user_password(&input),
            "AdminUpdateUserAttributes" => self.admin_update_user_attributes(&input),
            "AdminEnableUser" => self.admin_enable_user(&input),
            "AdminDisableUser" => self.admin_disable_user(&input),
            "AdminDeleteUser" => self.admin_delete_user(&input),
            "AdminUserGlobalSignOut" => self.admin_user_global_sign_out(&input),
            "ListUsers" => self.list_users(&input),
            "SignUp" => self.sign_up(&input),
            "ConfirmSignUp" => self.confirm_sign_up(&input),
            "AdminConfirmSignUp" => self.admin_confirm_sign_up(&input),
            "ForgotPassword" => self.forgot_password(&input),
            "ConfirmForgotPassword" => self.confirm_forgot_password(&input),
            "InitiateAuth" => self.initiate_auth(&input, false),
            "AdminInitiateAuth" => self.initiate_auth(&input, true),
            "RespondToAuthChallenge" | "AdminRespondToAuthChallenge" => self.respond_to_auth_challenge(&input),
            "GetTokensFromRefreshToken" => self.get_tokens_from_refresh_token(&input),
            "RevokeToken" => self.revoke_token(&input),
            "GlobalSignOut" => self.global_sign_out(&input),
            "GetUser" => self.get_user(&input),
            "ChangePassword" => self.change_password(&input),
            _ => Err(Fault::unknown_operation("Cognito", action)),
        };
        // A failed action may have changed something, too: wrong passwords are counted.
        self.0.changed.store(true, Ordering::Release);
        answer
    }

    /// Writes what changed since the last time to the data directory.
    pub(super) fn save(&self) {
        let Some(file) = &self.0.file else { return };
        if !self.0.changed.swap(false, Ordering::AcqRel) {
            return;
        }
        let written = serde_json::to_vec(&*self.lock()).map_err(std::io::Error::from);
        if let Err(error) = written.and_then(|state| disk::replace(file, &state)) {
            tracing::error!(%error, file = %file.display(), "the users could not be written");
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
