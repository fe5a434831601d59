//! Signing up, and getting back in after a forgotten password. Codes go into the mailbox.

use serde_json::{Value, json};

use super::UserPools;
use super::input::{DIGITS, attributes, check_secret_hash, random_text};
use super::state::{User, UserStatus, invalid_parameter, not_authorized};
use crate::aws::mailbox::Mail;
use crate::aws::wire::{Fault, Input};

/// How long a code is good, in seconds.
const CODE_LIFETIME: u64 = 3600;

impl UserPools {
    pub(super) fn sign_up(&self, input: &Input) -> Result<Value, Fault> {
        let (name, password) = (input.text("Username")?, input.text("Password")?);
        let mut state = self.lock();
        let (pool, client) = state.client(input.text("ClientId")?)?;
        check_secret_hash(&client, name, input.maybe("SecretHash"))?;
        if pool.admin_only {
            return Err(not_authorized("SignUp is not permitted for this user pool"));
        }
        pool.policy.check(password)?;
        let user = pool.add(name, attributes(input, "UserAttributes"), UserStatus::Unconfirmed, self.now())?;
        user.set_password(password);
        let (code, sub) = (user.expect_code(self.now()), user.sub().to_owned());
        let address = user.attributes.get("email").cloned();
        drop(state);
        let delivery = delivery(address.as_deref());
        self.send(address, "Your verification code", &format!("Your confirmation code is {code}"));
        Ok(json!({"UserConfirmed": false, "UserSub": sub, "CodeDeliveryDetails": delivery}))
    }

    pub(super) fn confirm_sign_up(&self, input: &Input) -> Result<Value, Fault> {
        let name = input.text("Username")?;
        let mut state = self.lock();
        let (pool, client) = state.client(input.text("ClientId")?)?;
        check_secret_hash(&client, name, input.maybe("SecretHash"))?;
        let user = pool.user(name).map_err(|fault| if client.hides_unknown_users { expired_code() } else { fault })?;
        check_unconfirmed(user)?;
        user.check_code(input.text("ConfirmationCode")?, self.now())?;
        user.status = UserStatus::Confirmed;
        user.attributes.insert("email_verified".to_owned(), "true".to_owned());
        Ok(json!({}))
    }

    pub(super) fn admin_confirm_sign_up(&self, input: &Input) -> Result<Value, Fault> {
        self.with_user(input, |user| {
            check_unconfirmed(user)?;
            user.status = UserStatus::Confirmed;
            Ok(json!({}))
        })
    }

    pub(super) fn forgot_password(&self, input: &Input) -> Result<Value, Fault> {
        let name = input.text("Username")?;
        let mut state = self.lock();
        let (pool, client) = state.client(input.text("ClientId")?)?;
        check_secret_hash(&client, name, input.maybe("SecretHash"))?;
        let user = match pool.user(name) {
            // As if a code had been sent.
            Err(_) if client.hides_unknown_users => return Ok(json!({"CodeDeliveryDetails": delivery(Some(name))})),
            found => found?,
        };
        if !user.enabled {
            return Err(not_authorized("User is disabled."));
        }
        if user.status == UserStatus::ForceChangePassword {
            return Err(not_authorized("User password cannot be reset in the current state."));
        }
        if !user.is_verified() {
            let text = "Cannot reset password for the user as there is no registered/verified email or phone_number";
            return Err(invalid_parameter(text));
        }
        let (code, address) = (user.expect_code(self.now()), user.attributes.get("email").cloned());
        drop(state);
        let delivery = delivery(address.as_deref());
        self.send(address, "Your verification code", &format!("Your password reset code is {code}"));
        Ok(json!({"CodeDeliveryDetails": delivery}))
    }

    pub(super) fn confirm_forgot_password(&self, input: &Input) -> Result<Value, Fault> {
        let (name, password) = (input.text("Username")?, input.text("Password")?);
        let mut state = self.lock();
        let (pool, client) = state.client(input.text("ClientId")?)?;
        check_secret_hash(&client, name, input.maybe("SecretHash"))?;
        pool.policy.check(password)?;
        let user = pool.user(name).map_err(|fault| if client.hides_unknown_users { expired_code() } else { fault })?;
        user.check_code(input.text("ConfirmationCode")?, self.now())?;
        user.set_password(password);
        user.status = UserStatus::Confirmed;
        Ok(json!({}))
    }

    /// Puts a message of the pool into the mailbox. A user without an e-mail gets none.
    pub(super) fn send(&self, to: Option<String>, subject: &str, text: &str) {
        let Some(to) = to else { return };
        let mail = Mail {
            to,
            from: "no-reply@verificationemail.com".to_owned(),
            subject: subject.to_owned(),
            text: text.to_owned(),
            ..Mail::default()
        };
        if let Err(error) = self.0.mailbox.deliver(mail) {
            tracing::error!(%error, "a message of the user pool could not be kept");
        }
    }
}

impl User {
    /// Makes a code that is to be given back.
    fn expect_code(&mut self, now: u64) -> String {
        let code = random_text(6, DIGITS);
        self.pending = Some((code.clone(), now + CODE_LIFETIME));
        code
    }

    /// Uses up the code, when it is the right one in time.
    fn check_code(&mut self, given: &str, now: u64) -> Result<(), Fault> {
        match &self.pending {
            Some((code, until)) if *until > now && code == given => {
                self.pending = None;
                Ok(())
            }
            Some((_, until)) if *until > now => {
                Err(Fault::new("CodeMismatchException", "Invalid verification code provided, please try again."))
            }
            _ => Err(expired_code()),
        }
    }
}

fn check_unconfirmed(user: &User) -> Result<(), Fault> {
    if user.status == UserStatus::Unconfirmed {
        return Ok(());
    }
    Err(not_authorized(format!("User cannot be confirmed. Current status is {}", user.status.name())))
}

fn expired_code() -> Fault {
    Fault::new("ExpiredCodeException", "Invalid code provided, please request a code again.")
}

/// Where a code went, with the address hidden but for two letters.
fn delivery(address: Option<&str>) -> Value {
    let first = |text: &str| text.chars().next().map_or_else(String::new, String::from);
    let (name, domain) = address.and_then(|address| address.split_once('@')).unwrap_or_default();
    let destination = format!("{}***@{}***", first(name), first(domain));
    json!({"AttributeName": "email", "DeliveryMedium": "EMAIL", "Destination": destination})
}
