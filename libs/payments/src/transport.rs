//! How a request reaches Stripe: bounded attempts, one idempotency key for all of them.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use net::Limits;
use serde::{Deserialize, de::DeserializeOwned};
use stripe_client_core::{RequestBuilder, StripeMethod};
use tokio::time::Instant;

const STRIPE: &str = "https://api.stripe.com";
const ATTEMPTS: u32 = 3;
/// One attempt. Checkout answers in well under a second; this is for the bad day.
const ATTEMPT: Limits =
    Limits { connect: Duration::from_secs(2), total: Duration::from_secs(4), answer_bytes: 4 * 1024 * 1024 };
/// All attempts and pauses together: a buyer waits behind this call.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(8);
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Why a request to Stripe came to nothing. No variant carries the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StripeError {
    /// The card was refused (402). `message` may be shown to the buyer.
    #[error("declined: {message}")]
    Declined {
        /// `card_declined`, `expired_card`, …
        code: String,
        /// The bank's reason, `insufficient_funds`, …
        decline_code: Option<String>,
        /// Stripe's words for the buyer.
        message: String,
    },
    /// No such object, or not ours.
    #[error("no such object at Stripe")]
    NotFound,
    /// The charge has been refunded in full before.
    #[error("the payment is already refunded in full")]
    AlreadyRefunded,
    /// The idempotency key was used with other parameters before.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// Stripe refuses the request as it stands (400); repeating it is of no use.
    #[error("Stripe refused the request: {message}")]
    Invalid {
        /// Stripe's explanation.
        message: String,
        /// Stripe's code, as `amount_too_small`, when it gives one.
        code: Option<String>,
    },
    /// Stripe refuses our key (401, 403).
    #[error("Stripe refused the API key")]
    Unauthorized,
    /// Our key is good, and this one account is closed to it: it was closed, or its owner has left us (403
    /// `account_invalid`). Repeating it is of no use.
    #[error("Stripe has closed the connected account to us")]
    AccountRefused,
    /// Nothing settled: a timeout, a broken connection, 409, 429 or 5xx after all attempts. Worth repeating later with
    /// the same key; the request may have had its effect.
    #[error("Stripe is unavailable: {message}")]
    Unavailable {
        /// What happened at the last attempt.
        message: String,
    },
    /// An answer that is not what Stripe documents.
    #[error("Stripe's answer was not understood: {message}")]
    Unexpected {
        /// What was wrong with it.
        message: String,
    },
    /// The client cannot send: no key, or one that no header can carry.
    #[error("Stripe is not configured: {message}")]
    NotConfigured {
        /// What is missing.
        message: &'static str,
    },
}

impl StripeError {
    /// True when the same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

/// Sends requests to one Stripe account with one key.
#[derive(Clone)]
pub(crate) struct Transport {
    authorization: Result<HeaderValue, StripeError>,
    /// The connected account in whose name requests are made; our own when absent.
    account: Option<HeaderValue>,
    /// True for live money, false for test mode, where the key tells.
    livemode: Option<bool>,
    base: Arc<str>,
    net: net::Client,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("base", &self.base).finish_non_exhaustive()
    }
}

impl Transport {
    /// Costs nothing: connections come with the first request.
    pub(crate) fn new(secret_key: &str, api_base: Option<&str>) -> Self {
        let base = api_base.filter(|base| !base.is_empty()).unwrap_or(STRIPE);
        let base = base.trim_end_matches('/').into();
        let (authorization, livemode) = (authorization(secret_key), livemode(secret_key));
        Self { authorization, account: None, livemode, base, net: net::Client::default() }
    }

    /// The same transport, over a client that is shared with others.
    pub(crate) fn over(self, net: net::Client) -> Self {
        Self { net, ..self }
    }

    /// The same transport, over the same connections, in the name of a connected account (`acct_…`).
    pub(crate) fn on_account(&self, account: &str) -> Self {
        let mut on_account = self.clone();
        match HeaderValue::from_str(account) {
            Ok(account) if !account.is_empty() => on_account.account = Some(account),
            // Without it the money would move in our own name.
            _ => on_account.authorization = Err(StripeError::NotConfigured { message: "no id of an account" }),
        }
        on_account
    }

    /// True when the key moves real money, false when it is of test mode; unknown for a key of neither kind.
    pub(crate) fn livemode(&self) -> Option<bool> {
        self.livemode
    }

    /// Sends a request and reads the answer, trying up to three times within eight seconds. A POST without a key of its
    /// caller gets a random one, so that its own attempts count once.
    pub(crate) async fn send<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        idempotency_key: Option<&str>,
    ) -> Result<T, StripeError> {
        let request = self.build(request, idempotency_key)?;
        let deadline = Instant::now() + TOTAL_TIMEOUT;
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            let answer = self.attempt(&request, deadline).await;
            let outcome = answer.and_then(|(status, body)| read(status, &body));
            let Err(error) = &outcome else { return outcome };
            if !error.is_retryable() || attempt == ATTEMPTS || Instant::now() + pause >= deadline {
                return outcome;
            }
            tracing::warn!(path = request.uri().path(), attempt, %error, "Stripe will be asked again");
            tokio::time::sleep(pause + jitter(pause)).await;
            pause *= 2;
        }
        Err(unavailable("no attempt was made"))
    }

    async fn attempt(&self, request: &Request<Bytes>, deadline: Instant) -> Result<(StatusCode, Bytes), StripeError> {
        let total = ATTEMPT.total.min(deadline.saturating_duration_since(Instant::now()));
        let answer = self.net.send(request.clone(), Limits { total, ..ATTEMPT }).await.map_err(unavailable)?;
        Ok((answer.status(), answer.into_body()))
    }

    fn build(&self, request: RequestBuilder, key: Option<&str>) -> Result<Request<Bytes>, StripeError> {
        let query =
            request.query.filter(|query| !query.is_empty()).map(|query| format!("?{query}")).unwrap_or_default();
        let mut builder = Request::builder()
            .uri(format!("{}/v1{}{query}", self.base, request.path))
            .header(header::AUTHORIZATION, self.authorization.clone()?)
            .header(header::USER_AGENT, concat!("Fairground/", env!("CARGO_PKG_VERSION")))
            .header("stripe-version", stripe_shared::version::VERSION.as_str());
        if let Some(account) = &self.account {
            builder = builder.header("stripe-account", account);
        }
        builder = match request.method {
            StripeMethod::Get => builder.method(Method::GET),
            StripeMethod::Delete => builder.method(Method::DELETE),
            StripeMethod::Post => {
                let key = key.map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned);
                builder
                    .method(Method::POST)
                    .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .header("idempotency-key", key)
            }
        };
        let body = Bytes::from(request.body.unwrap_or_default());
        builder.body(body).map_err(|error| StripeError::Invalid { message: error.to_string(), code: None })
    }
}

fn livemode(secret_key: &str) -> Option<bool> {
    let begins = |prefixes: [&str; 2]| prefixes.iter().any(|prefix| secret_key.starts_with(prefix));
    let live = begins(["sk_live_", "rk_live_"]);
    (live || begins(["sk_test_", "rk_test_"])).then_some(live)
}

fn authorization(secret_key: &str) -> Result<HeaderValue, StripeError> {
    if secret_key.is_empty() {
        return Err(StripeError::NotConfigured { message: "the secret key is empty" });
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {secret_key}"))
        .map_err(|_| StripeError::NotConfigured { message: "the secret key has characters that no key has" })?;
    value.set_sensitive(true);
    Ok(value)
}

fn unavailable(reason: impl fmt::Display) -> StripeError {
    StripeError::Unavailable { message: reason.to_string() }
}

/// Up to half of the pause, so that clients that failed together do not return together.
fn jitter(pause: Duration) -> Duration {
    let random = u32::from(uuid::Uuid::new_v4().as_bytes()[0]);
    pause * random / 512
}

#[derive(Deserialize)]
struct Failure {
    error: FailureDetail,
}

#[derive(Default, Deserialize)]
struct FailureDetail {
    #[serde(rename = "type")]
    kind: Option<String>,
    code: Option<String>,
    decline_code: Option<String>,
    message: Option<String>,
}

fn read<T: DeserializeOwned>(status: StatusCode, body: &[u8]) -> Result<T, StripeError> {
    if status.is_success() {
        return serde_json::from_slice(body).map_err(|error| StripeError::Unexpected { message: error.to_string() });
    }
    let detail = serde_json::from_slice::<Failure>(body).map(|failure| failure.error).unwrap_or_default();
    Err(failure(status, detail))
}

fn failure(status: StatusCode, detail: FailureDetail) -> StripeError {
    let message = detail.message.unwrap_or_else(|| status.to_string());
    let kind = detail.kind.as_deref().unwrap_or_default();
    match (status.as_u16(), detail.code.as_deref()) {
        (403, Some("account_invalid")) => StripeError::AccountRefused,
        (401 | 403, _) => StripeError::Unauthorized,
        (402, _) => StripeError::Declined {
            code: detail.code.unwrap_or_else(|| "card_declined".to_owned()),
            decline_code: detail.decline_code,
            message,
        },
        (404, _) | (_, Some("resource_missing")) => StripeError::NotFound,
        (409 | 424 | 429, _) => StripeError::Unavailable { message },
        (_, Some("charge_already_refunded")) => StripeError::AlreadyRefunded,
        (400, _) if kind == "idempotency_error" => StripeError::KeyReused,
        (500.., _) => StripeError::Unavailable { message },
        _ => StripeError::Invalid { message, code: detail.code },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, body: &str) -> StripeError {
        read::<serde_json::Value>(StatusCode::from_u16(status).unwrap(), body.as_bytes()).unwrap_err()
    }

    #[test]
    fn answers_become_errors() {
        let declined = r#"{"error":{"type":"card_error","code":"card_declined","decline_code":"insufficient_funds","message":"No."}}"#;
        assert_eq!(
            refused(402, declined),
            StripeError::Declined {
                code: "card_declined".into(),
                decline_code: Some("insufficient_funds".into()),
                message: "No.".into()
            }
        );
        assert_eq!(refused(404, "{}"), StripeError::NotFound);
        assert_eq!(refused(400, r#"{"error":{"code":"resource_missing"}}"#), StripeError::NotFound);
        assert_eq!(refused(400, r#"{"error":{"code":"charge_already_refunded"}}"#), StripeError::AlreadyRefunded);
        assert_eq!(refused(400, r#"{"error":{"type":"idempotency_error"}}"#), StripeError::KeyReused);
        assert_eq!(refused(401, "{}"), StripeError::Unauthorized);
        assert_eq!(refused(403, r#"{"error":{"code":"account_invalid"}}"#), StripeError::AccountRefused);
        assert_eq!(refused(403, r#"{"error":{"code":"other"}}"#), StripeError::Unauthorized);
        assert!(matches!(refused(400, r#"{"error":{"message":"m"}}"#), StripeError::Invalid { .. }));
        for status in [409, 429, 500, 502, 503, 504] {
            assert!(refused(status, "<html>").is_retryable(), "{status}");
        }
        assert!(matches!(refused(200, "not json"), StripeError::Unexpected { .. }));
    }

    #[test]
    fn a_client_without_a_key_says_so_and_none_shows_it() {
        let request = || RequestBuilder::new(StripeMethod::Get, "/balance");
        let missing = Transport::new("", None).build(request(), None).unwrap_err();
        assert!(matches!(missing, StripeError::NotConfigured { .. }));
        let transport = Transport::new("sk_test_hidden", Some("http://127.0.0.1:1/"));
        let built = transport.build(request(), None).unwrap();
        assert_eq!(built.uri(), "http://127.0.0.1:1/v1/balance");
        assert!(!format!("{transport:?} {built:?}").contains("hidden"));
    }

    #[test]
    fn a_key_tells_its_mode_where_it_has_one() {
        for (key, mode) in [
            ("sk_test_x", Some(false)),
            ("rk_test_x", Some(false)),
            ("sk_live_x", Some(true)),
            ("rk_live_x", Some(true)),
            ("sk_x", None),
            ("", None),
        ] {
            assert_eq!(Transport::new(key, None).on_account("acct_1").livemode(), mode, "{key}");
        }
    }

    #[test]
    fn an_account_that_no_header_can_carry_is_not_our_own() {
        let transport = Transport::new("sk_test_x", None);
        let request = |account: &str| {
            transport.on_account(account).build(RequestBuilder::new(StripeMethod::Get, "/balance"), None)
        };
        assert_eq!(request("acct_1").unwrap().headers()["stripe-account"], "acct_1");
        for account in ["", "acct\n1"] {
            assert!(matches!(request(account), Err(StripeError::NotConfigured { .. })), "{account:?}");
        }
    }

    #[tokio::test]
    async fn a_closed_port_is_unavailable_after_bounded_attempts() {
        let transport = Transport::new("sk_test_x", Some("http://127.0.0.1:1"));
        let started = Instant::now();
        let answer =
            transport.send::<serde_json::Value>(RequestBuilder::new(StripeMethod::Get, "/balance"), None).await;
        assert!(answer.unwrap_err().is_retryable());
        assert!(started.elapsed() <= TOTAL_TIMEOUT);
    }
}
