//! Signing in, and the new password that a first sign-in may ask for.

use serde_json::{Value, json};

use super::UserPools;
use super::input::{MIXED, check_secret_hash, random_text};
use super::state::{AppClient, Pool, State, User, UserStatus, invalid_parameter, not_authorized};
use crate::aws::wire::{Fault, Input};

/// Wrong passwords in a row that are answered at once. From then on Cognito makes people wait a second, then two, four and
/// so on, up to a quarter of an hour.
const FREE_TRIES: u32 = 5;
const LONGEST_WAIT: u64 = 900;

/// How long the answer to a challenge may take, in seconds.
const CHALLENGE_LIFETIME: u64 = 180;

impl UserPools {
    pub(super) fn initiate_auth(&self, input: &Input, by_admin: bool) -> Result<Value, Fault> {
        let mut state = self.lock();
        let (pool, client) = state.client(input.text("ClientId")?)?;
        if by_admin && pool.id != input.text("UserPoolId")? {
            return Err(Fault::new(
                "ResourceNotFoundException",
                format!("User pool client {} does not exist.", client.id),
            ));
        }
        let flow = input.text("AuthFlow")?;
        let parameters = input.map("AuthParameters");
        let parameter = |name: &str| parameters.get(name).map(String::as_str);
        match (flow, by_admin) {
            ("USER_PASSWORD_AUTH", false) => {
                check_flow(&client, &["ALLOW_USER_PASSWORD_AUTH", "USER_PASSWORD_AUTH"], flow)?
            }
            ("ADMIN_USER_PASSWORD_AUTH" | "ADMIN_NO_SRP_AUTH", true) => {
                check_flow(&client, &["ALLOW_ADMIN_USER_PASSWORD_AUTH", "ADMIN_NO_SRP_AUTH"], flow)?;
            }
            ("REFRESH_TOKEN_AUTH" | "REFRESH_TOKEN", _) => {
                check_flow(&client, &["ALLOW_REFRESH_TOKEN_AUTH"], flow)?;
                let token = parameter("REFRESH_TOKEN").ok_or_else(|| missing("REFRESH_TOKEN"))?;
                return self.refresh_by_hash(&mut state, &client, token, parameter("SECRET_HASH"));
            }
            _ => return Err(invalid_parameter("Initiate Auth method not supported.")),
        }
        let name = parameter("USERNAME").ok_or_else(|| missing("USERNAME"))?;
        let password = parameter("PASSWORD").ok_or_else(|| missing("PASSWORD"))?;
        check_secret_hash(&client, name, parameter("SECRET_HASH"))?;
        let user = check_password(pool, &client, name, password, self.now())?;
        match user.status {
            UserStatus::Unconfirmed => Err(Fault::new("UserNotConfirmedException", "User is not confirmed.")),
            UserStatus::ForceChangePassword => Ok(challenge(user, self.now())),
            UserStatus::Confirmed => {
                let username = user.username.clone();
                self.sign_in(pool, &client, &username)
            }
        }
    }

    pub(super) fn respond_to_auth_challenge(&self, input: &Input) -> Result<Value, Fault> {
        let responses = input.map("ChallengeResponses");
        let response = |name: &str| responses.get(name).map(String::as_str).ok_or_else(|| missing(name));
        if input.text("ChallengeName")? != "NEW_PASSWORD_REQUIRED" {
            return Err(invalid_parameter("Challenge not supported."));
        }
        let (name, password, session) = (response("USERNAME")?, response("NEW_PASSWORD")?, input.text("Session")?);
        let mut state = self.lock();
        let (pool, client) = state.client(input.text("ClientId")?)?;
        check_secret_hash(&client, name, responses.get("SECRET_HASH").map(String::as_str))?;
        pool.policy.check(password)?;
        let user = pool.user(name)?;
        let answers = user.pending.as_ref().is_some_and(|(expected, until)| expected == session && *until > self.now());
        if !answers || user.status != UserStatus::ForceChangePassword {
            return Err(not_authorized("Invalid session for the user."));
        }
        user.pending = None;
        user.status = UserStatus::Confirmed;
        user.set_password(password);
        let username = user.username.clone();
        self.sign_in(pool, &client, &username)
    }

    fn refresh_by_hash(
        &self,
        state: &mut State,
        client: &AppClient,
        token: &str,
        hash: Option<&str>,
    ) -> Result<Value, Fault> {
        // The hash is over the username, whatever was typed at sign-in.
        let username = super::sessions::username_in(token).unwrap_or_default();
        check_secret_hash(client, &username, hash)?;
        self.refresh(state, client, token)
    }
}

/// The user of a name and password. Who is unknown, and who is wrong, look alike where the client asks for that.
fn check_password<'a>(
    pool: &'a mut Pool,
    client: &AppClient,
    name: &str,
    password: &str,
    now: u64,
) -> Result<&'a mut User, Fault> {
    let user = match pool.user(name) {
        Err(_) if client.hides_unknown_users => return Err(incorrect()),
        found => found?,
    };
    user.try_password(password, now, not_authorized("Password attempts exceeded"))?;
    if user.enabled { Ok(user) } else { Err(not_authorized("User is disabled.")) }
}

impl User {
    /// Compares a password, and counts the wrong ones; `too_many` is answered while others are not even looked at.
    pub(super) fn try_password(&mut self, password: &str, now: u64, too_many: Fault) -> Result<(), Fault> {
        // Times are whole seconds, cut off: only the next one is surely later.
        if now <= self.locked_until {
            return Err(too_many);
        }
        if self.password.as_ref().is_some_and(|secret| secret.matches(password)) {
            self.failures = 0;
            return Ok(());
        }
        self.failures += 1;
        if self.failures >= FREE_TRIES {
            let wait = 1_u64.checked_shl(self.failures - FREE_TRIES).unwrap_or(LONGEST_WAIT);
            self.locked_until = now + wait.min(LONGEST_WAIT);
        }
        Err(incorrect())
    }
}

fn incorrect() -> Fault {
    not_authorized("Incorrect username or password.")
}

fn challenge(user: &mut User, now: u64) -> Value {
    let session = random_text(64, MIXED);
    user.pending = Some((session.clone(), now + CHALLENGE_LIFETIME));
    json!({
        "ChallengeName": "NEW_PASSWORD_REQUIRED",
        "Session": session,
        "ChallengeParameters": {
            "USER_ID_FOR_SRP": user.username,
            "requiredAttributes": "[]",
            "userAttributes": json!(user.attributes).to_string(),
        },
    })
}

fn check_flow(client: &AppClient, allowed_by: &[&str], flow: &str) -> Result<(), Fault> {
    if client.flows.iter().any(|flow| allowed_by.contains(&flow.as_str())) {
        return Ok(());
    }
    Err(invalid_parameter(format!("{flow} flow not enabled for this client")))
}

fn missing(parameter: &str) -> Fault {
    invalid_parameter(format!("Missing required parameter {parameter}"))
}
