//! What lives on after the sign-in: refreshing, signing out, and what an access token allows at Cognito itself.
//!
//! A refresh token names its pool, user and session, so that it is found without a search; what makes it one is the random
//! part, of which only a hash is kept.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::UserPools;
use super::input::{MIXED, check_secret, random_text};
use super::people::shown;
use super::state::{AppClient, Pool, Session, State, User, not_authorized};
use crate::aws::wire::{Fault, Input};

/// How many rotated tokens of a session are remembered, to tell a reused one from an invented one.
const REMEMBERED: usize = 50;

impl UserPools {
    /// Begins a session and answers its tokens.
    pub(super) fn sign_in(&self, pool: &mut Pool, client: &AppClient, username: &str) -> Result<Value, Fault> {
        let pool_id = pool.id.clone();
        let user = pool.user(username)?;
        let (id, now) = (Uuid::new_v4().to_string(), self.now());
        let refresh_token = refresh_token(&pool_id, username, &id);
        let session = Session {
            client_id: client.id.clone(),
            signed_in_at: now,
            expires_at: now + client.refresh_seconds,
            refresh_hash: hash(&refresh_token),
            rotated: Vec::new(),
        };
        user.sessions.retain(|_, session| session.expires_at > now);
        let mut result = self.tokens(&pool_id, client, user, &id, &session)?;
        user.sessions.insert(id, session);
        result["RefreshToken"] = json!(refresh_token);
        Ok(json!({"AuthenticationResult": result, "ChallengeParameters": {}}))
    }

    pub(super) fn get_tokens_from_refresh_token(&self, input: &Input) -> Result<Value, Fault> {
        let mut state = self.lock();
        let (_, client) = state.client(input.text("ClientId")?)?;
        check_secret(&client, input.maybe("ClientSecret"))?;
        self.refresh(&mut state, &client, input.text("RefreshToken")?)
    }

    /// Gives new tokens for a refresh token. With rotation the token is used up, once its grace is over.
    pub(super) fn refresh(&self, state: &mut State, client: &AppClient, token: &str) -> Result<Value, Fault> {
        let now = self.now();
        let (pool_id, username, session_id) = parts(token).ok_or_else(invalid_token)?;
        let user =
            state.pools.get_mut(&pool_id).and_then(|pool| pool.users.get_mut(&username)).ok_or_else(invalid_token)?;
        if !user.enabled {
            return Err(not_authorized("User is disabled."));
        }
        let mut session =
            user.sessions.get(&session_id).cloned().ok_or_else(|| not_authorized("Refresh Token has been revoked"))?;
        if session.client_id != client.id {
            return Err(invalid_token());
        }
        if session.expires_at <= now {
            return Err(not_authorized("Refresh Token has expired"));
        }
        session.check(&hash(token), now)?;
        let mut fresh = None;
        if let Some(grace) = client.rotation {
            let token = refresh_token(&pool_id, &username, &session_id);
            session.rotate(hash(&token), now + grace);
            session.expires_at = now + client.refresh_seconds;
            fresh = Some(token);
        }
        let mut result = self.tokens(&pool_id, client, user, &session_id, &session)?;
        if let Some(token) = fresh {
            result["RefreshToken"] = json!(token);
        }
        user.sessions.insert(session_id, session);
        Ok(json!({"AuthenticationResult": result}))
    }

    /// Ends the session of a refresh token. One that is not known is no error.
    pub(super) fn revoke_token(&self, input: &Input) -> Result<Value, Fault> {
        let mut state = self.lock();
        let (_, client) = state.client(input.text("ClientId")?)?;
        check_secret(&client, input.maybe("ClientSecret"))?;
        let token = input.text("Token")?;
        if token.starts_with("eyJ") {
            return Err(Fault::new("UnsupportedTokenTypeException", "Unsupported token type"));
        }
        if let Some((pool_id, username, session_id)) = parts(token)
            && let Some(user) = state.pools.get_mut(&pool_id).and_then(|pool| pool.users.get_mut(&username))
        {
            let hash = hash(token);
            let is_its = |session: &Session| session.client_id == client.id && session.check(&hash, self.now()).is_ok();
            if user.sessions.get(&session_id).is_some_and(is_its) {
                user.sessions.remove(&session_id);
            }
        }
        Ok(json!({}))
    }

    pub(super) fn global_sign_out(&self, input: &Input) -> Result<Value, Fault> {
        self.with_token(input, |_, user| {
            user.sessions.clear();
            Ok(json!({}))
        })
    }

    pub(super) fn get_user(&self, input: &Input) -> Result<Value, Fault> {
        self.with_token(input, |_, user| {
            let all = shown(user, "UserAttributes");
            Ok(json!({"Username": all["Username"], "UserAttributes": all["UserAttributes"]}))
        })
    }

    pub(super) fn change_password(&self, input: &Input) -> Result<Value, Fault> {
        let proposed = input.text("ProposedPassword")?;
        let previous = input.text("PreviousPassword")?;
        self.with_token(input, |pool_policy, user| {
            let too_many = Fault::new("LimitExceededException", "Attempt limit exceeded, please try after some time.");
            user.try_password(previous, self.now(), too_many)?;
            pool_policy.check(proposed)?;
            user.set_password(proposed);
            Ok(json!({}))
        })
    }

    /// Works on the user of an access token that is ours, unexpired, and of a session that has not ended.
    fn with_token<T>(
        &self,
        input: &Input,
        work: impl FnOnce(&super::password::Policy, &mut User) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let claims =
            self.0.keys.verify(input.text("AccessToken")?).ok_or_else(|| not_authorized("Invalid Access Token"))?;
        let claim = |name: &str| claims[name].as_str().unwrap_or_default();
        let mut state = self.lock();
        let pool = state.pools.values_mut().find(|pool| self.issuer(&pool.id) == claim("iss"));
        let pool =
            pool.filter(|_| claim("token_use") == "access").ok_or_else(|| not_authorized("Invalid Access Token"))?;
        if claims["exp"].as_u64().is_none_or(|expires| expires <= self.now()) {
            return Err(not_authorized("Access Token has expired"));
        }
        let policy = pool.policy.clone();
        let user = pool.user(claim("username"))?;
        if !user.enabled {
            return Err(not_authorized("User is disabled."));
        }
        if !user.sessions.contains_key(claim("origin_jti")) {
            return Err(not_authorized("Access Token has been revoked"));
        }
        work(&policy, user)
    }
}

impl Session {
    /// Whether a refresh token of this session is still good.
    fn check(&self, hash: &str, now: u64) -> Result<(), Fault> {
        if self.refresh_hash == hash {
            return Ok(());
        }
        match self.rotated.iter().find(|(rotated, _)| rotated == hash) {
            Some((_, until)) if now < *until => Ok(()),
            Some(_) => Err(Fault::new("RefreshTokenReuseException", "Refresh token has been invalidated by rotation")),
            None => Err(invalid_token()),
        }
    }

    fn rotate(&mut self, fresh: String, old_until: u64) {
        self.rotated.push((std::mem::replace(&mut self.refresh_hash, fresh), old_until));
        let surplus = self.rotated.len().saturating_sub(REMEMBERED);
        self.rotated.drain(..surplus);
    }
}

fn refresh_token(pool_id: &str, username: &str, session_id: &str) -> String {
    let names = URL_SAFE_NO_PAD.encode(json!([pool_id, username, session_id]).to_string());
    format!("{names}.{}", random_text(64, MIXED))
}

/// Pool, user and session of a refresh token.
fn parts(token: &str) -> Option<(String, String, String)> {
    let (names, _) = token.split_once('.')?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(names).ok()?).ok()
}

/// The username of a refresh token.
pub(super) fn username_in(token: &str) -> Option<String> {
    parts(token).map(|(_, username, _)| username)
}

fn hash(token: &str) -> String {
    hex::encode(Sha256::digest(token))
}

fn invalid_token() -> Fault {
    not_authorized("Invalid Refresh Token")
}
