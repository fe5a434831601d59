//! The claims of access and ID tokens, as Cognito writes them.

use serde_json::{Value, json};
use uuid::Uuid;

use super::UserPools;
use super::state::{AppClient, Session, User};
use crate::aws::wire::Fault;

impl UserPools {
    /// An `AuthenticationResult` without a refresh token.
    pub(super) fn tokens(
        &self,
        pool_id: &str,
        client: &AppClient,
        user: &User,
        session_id: &str,
        session: &Session,
    ) -> Result<Value, Fault> {
        let now = self.now();
        let mut shared = json!({
            "sub": user.sub(),
            "iss": self.issuer(pool_id),
            "origin_jti": session_id,
            "event_id": Uuid::new_v4().to_string(),
            "auth_time": session.signed_in_at,
            "iat": now,
        });
        if !user.groups.is_empty() {
            shared["cognito:groups"] = json!(user.groups);
        }
        Ok(json!({
            "AccessToken": self.0.keys.sign(&access_claims(shared.clone(), client, user, now))?,
            "IdToken": self.0.keys.sign(&id_claims(shared, client, user, now))?,
            "ExpiresIn": client.access_seconds,
            "TokenType": "Bearer",
        }))
    }
}

fn access_claims(mut claims: Value, client: &AppClient, user: &User, now: u64) -> Value {
    claims["token_use"] = json!("access");
    claims["scope"] = json!("aws.cognito.signin.user.admin");
    claims["client_id"] = json!(client.id);
    claims["username"] = json!(user.username);
    claims["jti"] = json!(Uuid::new_v4().to_string());
    claims["exp"] = json!(now + client.access_seconds);
    claims
}

fn id_claims(mut claims: Value, client: &AppClient, user: &User, now: u64) -> Value {
    for (name, value) in &user.attributes {
        claims[name] = match name.as_str() {
            // The only attributes that are no texts.
            "email_verified" | "phone_number_verified" => json!(value == "true"),
            _ => json!(value),
        };
    }
    claims["token_use"] = json!("id");
    claims["aud"] = json!(client.id);
    claims["cognito:username"] = json!(user.username);
    claims["jti"] = json!(Uuid::new_v4().to_string());
    claims["exp"] = json!(now + client.id_seconds);
    claims
}
