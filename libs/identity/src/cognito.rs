//! People, as Amazon Cognito knows them: signing in and out, passwords, and the operator's side of the user pool.
//!
//! The app client must have a secret, allow `USER_PASSWORD_AUTH`, rotate refresh tokens, and prevent user existence
//! errors; people sign in by e-mail.

use std::error::Error;
use std::fmt;

use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_cognitoidentityprovider::primitives::DateTime;
use aws_sdk_cognitoidentityprovider::types::{
    AttributeType, AuthFlowType, AuthenticationResultType, MessageActionType, UserType,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::ids::UserId;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use sha2::Sha256;

/// What a person gets when signing in.
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens {
    /// The access token: an RS256 JWT, 15 minutes.
    pub access: String,
    /// The refresh token: opaque, seven days, good for one use.
    pub refresh: String,
    /// The ID token, where Cognito gives one.
    pub id: Option<String>,
    /// Life of the access token, in seconds.
    pub expires_in: i32,
}

/// Never shows a token, so that none reaches a log.
impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

/// A person in the user pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Cognito's `sub`.
    pub id: UserId,
    /// The e-mail they sign in with.
    pub email: String,
    /// Whether they may sign in.
    pub enabled: bool,
    /// When they were put into the pool, in whole seconds.
    pub created_at: Timestamp,
}

/// What went wrong, by what the caller can do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Unknown, disabled, or the wrong password: Cognito does not say which, and neither do we.
    #[error("invalid credentials")]
    InvalidCredentials,
    /// The access token is not valid, was revoked, or has expired.
    #[error("invalid access token")]
    InvalidAccessToken,
    /// The refresh token is not valid, was revoked or used before, or has expired.
    #[error("invalid refresh token")]
    InvalidRefreshToken,
    /// The new password breaks the pool's policy; the message says how, and may be shown.
    #[error("{message}")]
    WeakPassword {
        /// Cognito's words.
        message: String,
    },
    /// Somebody has that e-mail already.
    #[error("the e-mail is taken")]
    EmailExists,
    /// The operator named somebody who is not in the pool.
    #[error("user not found")]
    UserNotFound,
    /// The person must do something elsewhere first: confirm the account, or choose a new password.
    #[error("another step is needed first: {step}")]
    StepNeeded {
        /// Cognito's name of the step, such as `NEW_PASSWORD_REQUIRED`.
        step: String,
    },
    /// Too many calls: worth another try, later.
    #[error("too many requests to the user pool")]
    Throttled,
    /// Cognito could not be reached or did not answer: worth another try.
    #[error("the user pool is unavailable")]
    Unavailable,
    /// Cognito refused the call itself: pool, client, secret or rights are not set up as they must be.
    #[error("the user pool refused the call: {code}: {message}")]
    Rejected {
        /// The exception's name.
        code: String,
        /// Cognito's words.
        message: String,
    },
}

/// One user pool, through one app client.
#[derive(Clone)]
pub struct Cognito {
    client: Client,
    pool_id: String,
    client_id: String,
    client_secret: String,
}

impl fmt::Debug for Cognito {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cognito").field("pool_id", &self.pool_id).finish_non_exhaustive()
    }
}

impl Cognito {
    /// Speaks to the pool `pool_id` through the app client `client_id`, whose secret is `client_secret`.
    pub fn new(
        client: Client,
        pool_id: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: impl Into<String>,
    ) -> Self {
        Self { client, pool_id: pool_id.into(), client_id: client_id.into(), client_secret: client_secret.into() }
    }

    /// Signs a person in by e-mail and password.
    ///
    /// [`IdentityError::InvalidCredentials`] for whatever is wrong with either; [`IdentityError::StepNeeded`] when the
    /// password is right but not enough.
    pub async fn sign_in(&self, email: &str, password: &str) -> Result<Tokens, IdentityError> {
        if !is_user_name(email) || !is_password(password) {
            return Err(IdentityError::InvalidCredentials);
        }
        let answer = self
            .client
            .initiate_auth()
            .auth_flow(AuthFlowType::UserPasswordAuth)
            .client_id(&self.client_id)
            .auth_parameters("USERNAME", email)
            .auth_parameters("PASSWORD", password)
            .auth_parameters("SECRET_HASH", secret_hash(&self.client_secret, &self.client_id, email))
            .send()
            .await
            .map_err(|error| match identity_error(&error) {
                IdentityError::UserNotFound => IdentityError::InvalidCredentials,
                other => other,
            })?;
        if let Some(challenge) = answer.challenge_name() {
            return Err(IdentityError::StepNeeded { step: challenge.as_str().to_owned() });
        }
        tokens(answer.authentication_result, None)
    }

    /// Exchanges a refresh token for a new pair. The old one is used up: rotation is on (contract §3).
    pub async fn refresh(&self, refresh_token: &str) -> Result<Tokens, IdentityError> {
        if !is_token(refresh_token) {
            return Err(IdentityError::InvalidRefreshToken);
        }
        let answer = self
            .client
            .get_tokens_from_refresh_token()
            .client_id(&self.client_id)
            .client_secret(&self.client_secret)
            .refresh_token(refresh_token)
            .send()
            .await
            .map_err(|error| match identity_error(&error) {
                IdentityError::InvalidCredentials | IdentityError::InvalidAccessToken | IdentityError::UserNotFound => {
                    IdentityError::InvalidRefreshToken
                }
                other => other,
            })?;
        tokens(answer.authentication_result, Some(refresh_token))
    }

    /// Revokes every refresh token of the person whom the access token belongs to. Access tokens already given remain
    /// good where only their signature is checked, until they expire.
    pub async fn sign_out_everywhere(&self, access_token: &str) -> Result<(), IdentityError> {
        if !is_token(access_token) {
            return Err(IdentityError::InvalidAccessToken);
        }
        self.client.global_sign_out().access_token(access_token).send().await.map_err(|error| match identity_error(
            &error,
        ) {
            // There is nothing in this call but the token.
            IdentityError::InvalidCredentials | IdentityError::UserNotFound => IdentityError::InvalidAccessToken,
            other => other,
        })?;
        Ok(())
    }

    /// Asks Cognito itself whether an access token is good: a signature does not tell that it was revoked.
    ///
    /// [`IdentityError::InvalidAccessToken`] when it is not.
    pub async fn check_access(&self, access_token: &str) -> Result<(), IdentityError> {
        if !is_token(access_token) {
            return Err(IdentityError::InvalidAccessToken);
        }
        self.client.get_user().access_token(access_token).send().await.map_err(|error| {
            match identity_error(&error) {
                // There is nothing in this call but the token.
                IdentityError::InvalidCredentials | IdentityError::UserNotFound => IdentityError::InvalidAccessToken,
                other => other,
            }
        })?;
        Ok(())
    }

    /// Changes the password of the person whom the access token belongs to. Signs nobody out.
    ///
    /// [`IdentityError::InvalidCredentials`] when `old` is wrong, [`IdentityError::WeakPassword`] when `new` breaks the
    /// policy, [`IdentityError::Throttled`] after too many wrong ones.
    pub async fn change_password(&self, access_token: &str, old: &str, new: &str) -> Result<(), IdentityError> {
        if !is_token(access_token) {
            return Err(IdentityError::InvalidAccessToken);
        }
        if !is_password(old) {
            return Err(IdentityError::InvalidCredentials);
        }
        check_password(new)?;
        self.client
            .change_password()
            .access_token(access_token)
            .previous_password(old)
            .proposed_password(new)
            .send()
            .await
            .map_err(|error| match identity_error(&error) {
                IdentityError::UserNotFound => IdentityError::InvalidAccessToken,
                other => other,
            })?;
        Ok(())
    }

    /// Revokes one refresh token, with the access tokens it brought forth.
    pub async fn revoke(&self, refresh_token: &str) -> Result<(), IdentityError> {
        if !is_token(refresh_token) {
            return Err(IdentityError::InvalidRefreshToken);
        }
        self.client
            .revoke_token()
            .client_id(&self.client_id)
            .client_secret(&self.client_secret)
            .token(refresh_token)
            .send()
            .await
            .map_err(|error| identity_error(&error))?;
        Ok(())
    }

    /// Creates a person and answers their id. No message is sent. The e-mail counts as verified, since
    /// an operator vouches for it. Without a password Cognito makes up one that nobody knows, and a reset is needed.
    ///
    /// [`IdentityError::EmailExists`] when the e-mail is taken, [`IdentityError::WeakPassword`] before anything is created.
    pub async fn create_user(
        &self,
        email: &str,
        password: Option<&str>,
        groups: &[&str],
    ) -> Result<UserId, IdentityError> {
        if let Some(password) = password {
            check_password(password)?;
        }
        let answer = self
            .client
            .admin_create_user()
            .user_pool_id(&self.pool_id)
            .username(email)
            .user_attributes(attribute("email", email)?)
            .user_attributes(attribute("email_verified", "true")?)
            .message_action(MessageActionType::Suppress)
            // Given here already, so that the policy refuses it before there is a user.
            .set_temporary_password(password.map(str::to_owned))
            .send()
            .await
            .map_err(|error| identity_error(&error))?;
        if let Some(password) = password {
            self.set_password(email, password).await?;
        }
        for group in groups {
            self.add_to_group(email, group).await?;
        }
        user_id(answer.user().map(UserType::attributes).unwrap_or_default())
    }

    /// Gives a person a password for good, and ends a pending `NEW_PASSWORD_REQUIRED`.
    pub async fn set_password(&self, email: &str, password: &str) -> Result<(), IdentityError> {
        check_password(password)?;
        self.client
            .admin_set_user_password()
            .user_pool_id(&self.pool_id)
            .username(email)
            .password(password)
            .permanent(true)
            .send()
            .await
            .map_err(|error| identity_error(&error))?;
        Ok(())
    }

    /// Keeps a person from signing in and from refreshing. Takes an e-mail or an id.
    pub async fn disable_user(&self, email: &str) -> Result<(), IdentityError> {
        self.client
            .admin_disable_user()
            .user_pool_id(&self.pool_id)
            .username(email)
            .send()
            .await
            .map_err(|error| identity_error(&error))?;
        Ok(())
    }

    /// Undoes [`disable_user`](Self::disable_user). Takes an e-mail or an id.
    pub async fn enable_user(&self, email: &str) -> Result<(), IdentityError> {
        self.client
            .admin_enable_user()
            .user_pool_id(&self.pool_id)
            .username(email)
            .send()
            .await
            .map_err(|error| identity_error(&error))?;
        Ok(())
    }

    /// Revokes every refresh token of a person. Takes an e-mail or an id. Access tokens already given remain good where only
    /// their signature is checked, until they expire.
    pub async fn sign_out_user(&self, email: &str) -> Result<(), IdentityError> {
        self.client
            .admin_user_global_sign_out()
            .user_pool_id(&self.pool_id)
            .username(email)
            .send()
            .await
            .map_err(|error| identity_error(&error))?;
        Ok(())
    }

    /// Looks a person up by e-mail or id; nobody is `None`.
    pub async fn find_user(&self, email: &str) -> Result<Option<User>, IdentityError> {
        let found = self.client.admin_get_user().user_pool_id(&self.pool_id).username(email).send().await;
        match found {
            Ok(user) => {
                let attributes = user.user_attributes();
                Ok(Some(User {
                    id: user_id(attributes)?,
                    email: value(attributes, "email").unwrap_or_default(),
                    enabled: user.enabled(),
                    created_at: user.user_create_date().and_then(timestamp).ok_or(IdentityError::Unavailable)?,
                }))
            }
            Err(error) => match identity_error(&error) {
                IdentityError::UserNotFound => Ok(None),
                other => Err(other),
            },
        }
    }

    /// Puts a person, by e-mail or id, into a group of the pool. Doing so again changes nothing.
    pub async fn add_to_group(&self, email: &str, group: &str) -> Result<(), IdentityError> {
        self.client
            .admin_add_user_to_group()
            .user_pool_id(&self.pool_id)
            .username(email)
            .group_name(group)
            .send()
            .await
            .map_err(|error| identity_error(&error))?;
        Ok(())
    }
}

/// Cognito's proof that a call comes from the app client: HMAC-SHA256 of user name and client id by the client's
/// secret, in base64.
pub fn secret_hash(client_secret: &str, client_id: &str, user_name: &str) -> String {
    // A key of any length is good for HMAC; the empty answer of the branch that cannot be would be refused by Cognito.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(client_secret.as_bytes()) else {
        return String::new();
    };
    mac.update(user_name.as_bytes());
    mac.update(client_id.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

// What Cognito's model allows. It answers anything else as it answers a wrong configuration (InvalidParameterException),
// so that these must be told apart before the call.

fn is_user_name(name: &str) -> bool {
    (1..=128).contains(&name.chars().count()) && !name.contains(|c: char| c.is_whitespace() || c.is_control())
}

fn is_password(password: &str) -> bool {
    (1..=256).contains(&password.chars().count()) && password.trim() == password && !password.contains(char::is_control)
}

fn is_token(token: &str) -> bool {
    !token.is_empty()
        && token.len() <= 8 * 1024
        && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_=.".contains(&byte))
}

fn check_password(password: &str) -> Result<(), IdentityError> {
    if is_password(password) {
        return Ok(());
    }
    Err(IdentityError::WeakPassword {
        message: "Password must have 1 to 256 characters, no control characters, and no space at either end".to_owned(),
    })
}

fn attribute(name: &str, value: &str) -> Result<AttributeType, IdentityError> {
    AttributeType::builder()
        .name(name)
        .value(value)
        .build()
        .map_err(|error| IdentityError::Rejected { code: "InvalidAttribute".to_owned(), message: error.to_string() })
}

fn value(attributes: &[AttributeType], name: &str) -> Option<String> {
    attributes.iter().find(|attribute| attribute.name() == name)?.value().map(str::to_owned)
}

fn user_id(attributes: &[AttributeType]) -> Result<UserId, IdentityError> {
    value(attributes, "sub").and_then(|sub| sub.parse().ok()).ok_or(IdentityError::Unavailable)
}

fn timestamp(date: &DateTime) -> Option<Timestamp> {
    Timestamp::from_second(date.secs()).ok()
}

fn tokens(result: Option<AuthenticationResultType>, old_refresh: Option<&str>) -> Result<Tokens, IdentityError> {
    let result = result.ok_or(IdentityError::Unavailable)?;
    Ok(Tokens {
        expires_in: result.expires_in(),
        access: result.access_token.ok_or(IdentityError::Unavailable)?,
        // Without rotation Cognito gives no new one, and the old one stays good.
        refresh: result.refresh_token.or_else(|| old_refresh.map(str::to_owned)).ok_or(IdentityError::Unavailable)?,
        id: result.id_token,
    })
}

/// Reads Cognito's modelled exceptions. What a caller must not be able to tell apart is one error already.
fn identity_error<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> IdentityError
where
    SdkError<E, R>: Error + 'static,
{
    let (code, message) = (error.code().unwrap_or_default(), error.message().unwrap_or_default());
    let lower = message.to_lowercase();
    match code {
        // One exception for three things, told apart by Cognito's words alone.
        "NotAuthorizedException" if lower.contains("secret") => rejected(code, message),
        "NotAuthorizedException" if lower.contains("access token") => IdentityError::InvalidAccessToken,
        "NotAuthorizedException" => IdentityError::InvalidCredentials,
        "UserNotFoundException" => IdentityError::UserNotFound,
        "UserNotConfirmedException" | "PasswordResetRequiredException" => {
            IdentityError::StepNeeded { step: code.to_owned() }
        }
        "InvalidPasswordException" | "PasswordHistoryPolicyViolationException" => {
            IdentityError::WeakPassword { message: message.to_owned() }
        }
        "UsernameExistsException" | "AliasExistsException" => IdentityError::EmailExists,
        "RefreshTokenReuseException" | "UnsupportedTokenTypeException" | "UnauthorizedException" => {
            IdentityError::InvalidRefreshToken
        }
        "TooManyRequestsException" | "LimitExceededException" | "ThrottlingException" => IdentityError::Throttled,
        "InternalErrorException" | "ServiceUnavailable" | "" => {
            tracing::warn!(code, message, cause = %root_cause(error), "the user pool did not answer");
            IdentityError::Unavailable
        }
        _ => rejected(code, message),
    }
}

/// What is at the bottom of an error: a refused connection, say, beneath a dispatch failure.
fn root_cause<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause
}

fn rejected(code: &str, message: &str) -> IdentityError {
    tracing::error!(code, message, "the user pool refused the call");
    IdentityError::Rejected { code: code.to_owned(), message: message.to_owned() }
}

#[cfg(test)]
mod tests;
