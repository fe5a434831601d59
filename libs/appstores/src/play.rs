//! Google Play's Developer API: what Google says of a purchase when it is asked, and the acknowledgement that Google wants of
//! each, or it gives the money back after three days.
//!
//! A service account signs an assertion (RFC 7523), which Google's token endpoint answers with an access token.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use domain::{
    pos::{
        billing::Purchase,
        subscription::{Change, Platform},
    },
    time::to_millis,
};
use http::{HeaderValue, Method, Request, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey};
use net::Limits;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, IgnoredAny},
};

use crate::{
    google,
    proof::{PRODUCT, Proof, ProofError},
};

const API: &str = "https://androidpublisher.googleapis.com";
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
const SCOPE: &str = "https://www.googleapis.com/auth/androidpublisher";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// The longest that an assertion may be good for, in seconds.
const ASSERTION: i64 = 3600;
/// A token is replaced that long before its end.
const SPARE: SignedDuration = SignedDuration::from_secs(120);

const EXCHANGE: Limits =
    Limits { connect: Duration::from_secs(2), total: Duration::from_secs(3), answer_bytes: 256 * 1024 };
/// All that one question takes: token, attempts and pause. Somebody waits behind it.
const PATIENCE: Duration = Duration::from_secs(6);
/// The same of an acknowledgement, which can be made up for.
const SHORT_PATIENCE: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(200);

/// The longest purchase token that Google is asked about; its own have a few hundred characters.
const LONGEST_TOKEN: usize = 4096;

/// Why Google did not answer a question. No variant carries a key or a token. The text is for logs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlayError {
    /// No such purchase of this app, or one that ended so long ago that Google has forgotten it (400, 404, 410).
    #[error("Google Play does not know this purchase")]
    Unknown,
    /// Google refuses the service account, or it may not look at this app's orders.
    #[error("Google refused the service account: {0}")]
    Unauthorized(StatusCode),
    /// Nothing settled: a timeout, a broken connection, 429 or 5xx.
    #[error("Google is unavailable: {0}")]
    Unavailable(String),
    /// An answer that is not what Google documents.
    #[error("Google's answer was not understood: {0}")]
    Unexpected(String),
    /// The service account's key cannot be read.
    #[error("the service account's key cannot be read: {0}")]
    BadKey(String),
}

/// Asks Google about the purchases of one app, in the name of a service account.
pub struct Play {
    account: Result<Account, PlayError>,
    /// `…/androidpublisher/v3/applications/{package}`.
    app: String,
    net: net::Client,
    token: Mutex<Option<AccessToken>>,
}

/// The key of a service account, as Google's console gives it out (JSON).
#[derive(Deserialize)]
struct KeyFile {
    client_email: String,
    private_key: String,
    private_key_id: Option<String>,
    token_uri: Option<String>,
}

struct Account {
    email: String,
    key: EncodingKey,
    key_id: Option<String>,
    token_uri: String,
}

#[derive(Clone)]
struct AccessToken {
    authorization: HeaderValue,
    good_until: Timestamp,
}

#[derive(Serialize)]
struct Assertion<'a> {
    iss: &'a str,
    scope: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    /// Seconds.
    expires_in: i64,
}

impl Play {
    /// `service_account` is the key file's JSON. Nothing is sent yet; a key that cannot be read fails each question.
    pub fn new(service_account: &str, package: &str, api_base: Option<&str>, net: net::Client) -> Self {
        let base = api_base.unwrap_or(API).trim_end_matches('/');
        let app = format!("{base}/androidpublisher/v3/applications/{}", encoded(package));
        Self { account: Account::read(service_account), app, net, token: Mutex::new(None) }
    }

    /// What Google says of a purchase now; `now` is when it is asked.
    pub async fn prove(&self, purchase_token: &str, now: Timestamp) -> Result<Proof, ProofError> {
        if purchase_token.is_empty() || purchase_token.len() > LONGEST_TOKEN {
            return Err(PlayError::Unknown.into());
        }
        let path = format!("purchases/subscriptionsv2/tokens/{}", encoded(purchase_token));
        let said: Subscription = understood(&self.ask(Method::GET, &path, now, PATIENCE).await?)?;
        said.read(google::reference(purchase_token), now)
    }

    /// Tells Google that the buyer has what was bought. As often as one likes.
    pub async fn acknowledge(&self, purchase_token: &str, now: Timestamp) -> Result<(), PlayError> {
        let path = format!("purchases/subscriptions/{PRODUCT}/tokens/{}:acknowledge", encoded(purchase_token));
        self.ask(Method::POST, &path, now, SHORT_PATIENCE).await.map(drop)
    }

    async fn ask(&self, method: Method, path: &str, now: Timestamp, patience: Duration) -> Result<Bytes, PlayError> {
        let answer = tokio::time::timeout(patience, async {
            match self.attempt(&method, path, now).await {
                Err(error @ (PlayError::Unavailable(_) | PlayError::Unauthorized(_))) => {
                    tracing::warn!(%error, "Google will be asked again");
                    // A token may have been withdrawn before its time.
                    *self.lock() = None;
                    tokio::time::sleep(PAUSE).await;
                    self.attempt(&method, path, now).await
                }
                answer => answer,
            }
        });
        answer.await.unwrap_or_else(|_| Err(PlayError::Unavailable("too late".to_owned())))
    }

    async fn attempt(&self, method: &Method, path: &str, now: Timestamp) -> Result<Bytes, PlayError> {
        let authorization = self.authorization(now).await?;
        let request = Request::builder()
            .method(method)
            .uri(format!("{}/{path}", self.app))
            .header(header::AUTHORIZATION, authorization)
            .header(header::CONTENT_TYPE, "application/json");
        let body = if method == Method::POST { Bytes::from_static(b"{}") } else { Bytes::new() };
        let (status, body) = self.send(request, body).await?;
        match status.as_u16() {
            200..300 => Ok(body),
            400 | 404 | 410 => Err(PlayError::Unknown),
            _ => Err(failure(status)),
        }
    }

    /// `Bearer …`, from the last time or anew.
    async fn authorization(&self, now: Timestamp) -> Result<HeaderValue, PlayError> {
        let known = self.lock().clone().filter(|token| now < token.good_until);
        if let Some(token) = known {
            return Ok(token.authorization);
        }
        let account = self.account.as_ref().map_err(Clone::clone)?;
        let form = format!("grant_type={}&assertion={}", encoded(GRANT), account.assertion(now)?);
        let request =
            Request::post(&account.token_uri).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let (status, body) = self.send(request, form.into()).await?;
        if !status.is_success() {
            // 400 `invalid_grant` is a key that was withdrawn.
            return Err(if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS {
                PlayError::Unauthorized(status)
            } else {
                failure(status)
            });
        }
        let granted: Granted = understood(&body)?;
        let mut authorization =
            HeaderValue::try_from(format!("Bearer {}", granted.access_token)).map_err(unexpected)?;
        authorization.set_sensitive(true);
        let lasts = SignedDuration::from_secs(granted.expires_in.clamp(0, ASSERTION)) - SPARE;
        *self.lock() = Some(AccessToken { authorization: authorization.clone(), good_until: now + lasts });
        Ok(authorization)
    }

    async fn send(&self, request: http::request::Builder, body: Bytes) -> Result<(StatusCode, Bytes), PlayError> {
        let request = request.body(body).map_err(unexpected)?;
        let answer = self.net.send(request, EXCHANGE).await;
        let answer = answer.map_err(|error| PlayError::Unavailable(error.to_string()))?;
        Ok((answer.status(), answer.into_body()))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<AccessToken>> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Play {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Play").field("app", &self.app).finish_non_exhaustive()
    }
}

impl Account {
    fn read(key_file: &str) -> Result<Self, PlayError> {
        let file: KeyFile = serde_json::from_str(key_file).map_err(|error| PlayError::BadKey(place(&error)))?;
        Ok(Self {
            email: file.client_email,
            key: EncodingKey::from_rsa_pem(file.private_key.as_bytes())
                .map_err(|error| PlayError::BadKey(error.to_string()))?,
            key_id: file.private_key_id,
            token_uri: file.token_uri.unwrap_or_else(|| TOKEN_URI.to_owned()),
        })
    }

    fn assertion(&self, now: Timestamp) -> Result<String, PlayError> {
        let iat = now.as_second();
        let claims = Assertion { iss: &self.email, scope: SCOPE, aud: &self.token_uri, iat, exp: iat + ASSERTION };
        let mut header = jsonwebtoken::Header::new(Algorithm::RS256);
        header.kid.clone_from(&self.key_id);
        jsonwebtoken::encode(&header, &claims, &self.key).map_err(|error| PlayError::BadKey(error.to_string()))
    }
}

/// Each character but letters and digits, so that no token is anything but a segment of its path.
fn encoded(segment: &str) -> percent_encoding::PercentEncode<'_> {
    utf8_percent_encode(segment, NON_ALPHANUMERIC)
}

fn failure(status: StatusCode) -> PlayError {
    match status.as_u16() {
        401 | 403 => PlayError::Unauthorized(status),
        408 | 429 | 500.. => PlayError::Unavailable(status.to_string()),
        _ => PlayError::Unexpected(status.to_string()),
    }
}

fn unexpected(reason: impl fmt::Display) -> PlayError {
    PlayError::Unexpected(reason.to_string())
}

fn understood<T: DeserializeOwned>(body: &[u8]) -> Result<T, PlayError> {
    serde_json::from_slice(body).map_err(|error| unexpected(place(&error)))
}

/// Where a text cannot be read, and nothing of what stands there: the error's own words may quote a key or a token.
fn place(error: &serde_json::Error) -> String {
    format!("{:?} at {}:{}", error.classify(), error.line(), error.column())
}

/// Google's `SubscriptionPurchaseV2`: what is needed of it. What has its default value is left out by Google.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subscription {
    #[serde(default)]
    subscription_state: State,
    #[serde(default)]
    line_items: Vec<LineItem>,
    linked_purchase_token: Option<String>,
    #[serde(default)]
    acknowledgement_state: Acknowledgement,
}

/// Where it stands, in Google's words.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
enum State {
    #[serde(rename = "SUBSCRIPTION_STATE_PENDING")]
    Pending,
    #[serde(rename = "SUBSCRIPTION_STATE_ACTIVE")]
    Active,
    #[serde(rename = "SUBSCRIPTION_STATE_PAUSED")]
    Paused,
    #[serde(rename = "SUBSCRIPTION_STATE_IN_GRACE_PERIOD")]
    InGracePeriod,
    #[serde(rename = "SUBSCRIPTION_STATE_ON_HOLD")]
    OnHold,
    #[serde(rename = "SUBSCRIPTION_STATE_CANCELED")]
    Canceled,
    #[serde(rename = "SUBSCRIPTION_STATE_EXPIRED")]
    Expired,
    #[serde(rename = "SUBSCRIPTION_STATE_PENDING_PURCHASE_CANCELED")]
    NeverPaid,
    #[default]
    #[serde(other)]
    Unknown,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
enum Acknowledgement {
    #[serde(rename = "ACKNOWLEDGEMENT_STATE_PENDING")]
    Pending,
    #[default]
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LineItem {
    #[serde(default)]
    product_id: String,
    expiry_time: Option<Timestamp>,
    /// Absent where it is prepaid, which is not renewed.
    auto_renewing_plan: Option<AutoRenewingPlan>,
    offer_phase: Option<OfferPhase>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AutoRenewingPlan {
    #[serde(default)]
    auto_renew_enabled: bool,
}

/// What is paid for now: one of several, each an object of its own.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfferPhase {
    free_trial: Option<IgnoredAny>,
}

impl Subscription {
    fn read(self, reference: String, at: Timestamp) -> Result<Proof, ProofError> {
        let ours = self.line_items.into_iter().filter(|item| item.product_id == PRODUCT);
        let item = ours.max_by_key(|item| item.expiry_time).ok_or(ProofError::OtherProduct)?;
        let expires_at = item.expiry_time.map(to_millis);
        let will_renew = item.auto_renewing_plan.is_some_and(|plan| plan.auto_renew_enabled);
        let ends = match expires_at {
            Some(end) if end <= at => Change::Ended,
            end => Change::WillEnd { at: end },
        };
        let standing = match self.subscription_state {
            State::Pending => return Err(ProofError::Pending),
            State::Active if will_renew => Some(Change::WillRenew),
            State::Active | State::Canceled => Some(ends),
            // Contract §16 counts its days of grace as past due.
            State::InGracePeriod | State::OnHold => Some(Change::PastDue),
            State::Paused => Some(Change::Paused),
            State::Expired | State::NeverPaid => Some(Change::Ended),
            State::Unknown => return Err(unexpected("a state that is not known").into()),
        };
        let purchase = Purchase {
            platform: Platform::Google,
            reference,
            product: Some(item.product_id),
            expires_at,
            is_trial: item.offer_phase.is_some_and(|phase| phase.free_trial.is_some()),
            revoked: false,
            standing,
            replaces: self.linked_purchase_token.map(|token| google::reference(&token)),
            at,
        };
        let unacknowledged = self.acknowledgement_state == Acknowledgement::Pending && !purchase.is_over();
        Ok(Proof { purchase, unacknowledged })
    }
}

#[cfg(test)]
mod tests;
