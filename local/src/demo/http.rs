//! HTTP as the demo needs it: JSON both ways, and errors that say what was asked and what was answered.

use std::{future::Future, time::Duration};

use anyhow::{Context as _, bail};
use reqwest::{Method, StatusCode};
use serde_json::Value;

/// How long an effect may take that happens behind an answer: a webhook, an e-mail, a count.
const PATIENCE: Duration = Duration::from_secs(15);

/// Between two looks. Looks count against the API's limit of 100 requests, and so are not closer.
const PAUSE: Duration = Duration::from_millis(250);

/// The API at one base URL, and whoever is signed in.
pub(super) struct Api {
    client: reqwest::Client,
    base: String,
    /// Sent as the bearer once there is one.
    pub(super) token: Option<String>,
}

impl Api {
    /// `base` has no slash at the end.
    pub(super) fn new(base: &str) -> anyhow::Result<Self> {
        // A buyer's browser follows the way to the shop; here the shop is not there to be followed to.
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let client = client.timeout(Duration::from_secs(30)).build()?;
        Ok(Self { client, base: base.trim_end_matches('/').to_owned(), token: None })
    }

    /// Asks without a token, and wants 2xx.
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.ok(Method::GET, path, None, false).await
    }

    /// Posts without a token, and wants 2xx.
    pub(super) async fn post(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        self.ok(Method::POST, path, Some(body), false).await
    }

    /// Asks as the one who is signed in, and wants 2xx.
    pub(super) async fn get_as_staff(&self, path: &str) -> anyhow::Result<Value> {
        self.ok(Method::GET, path, None, true).await
    }

    /// Sends as the one who is signed in, and wants 2xx.
    pub(super) async fn send_as_staff(&self, method: Method, path: &str, body: Value) -> anyhow::Result<Value> {
        self.ok(method, path, Some(body), true).await
    }

    /// Posts as the one who is signed in, under a key that makes a repeat the same request, and wants 2xx.
    pub(super) async fn send_once(&self, path: &str, body: Value, key: &str) -> anyhow::Result<Value> {
        let request = self.client.post(format!("{}{path}", self.base)).header("idempotency-key", key);
        let (status, answer) = self.read(request, Some(body), true).await?;
        if !status.is_success() {
            bail!("POST {path} was answered {status}: {answer}");
        }
        Ok(answer)
    }

    /// Posts without a token, and wants this refusal.
    pub(super) async fn refused(&self, path: &str, body: Value, code: &str) -> anyhow::Result<()> {
        let (status, answer) = self.call(Method::POST, path, Some(body), false).await?;
        if status != StatusCode::BAD_REQUEST || answer["code"] != code {
            bail!("POST {path} must be refused with 400 {code}, and was answered {status}: {answer}");
        }
        Ok(())
    }

    async fn ok(&self, method: Method, path: &str, body: Option<Value>, as_staff: bool) -> anyhow::Result<Value> {
        let (status, answer) = self.call(method.clone(), path, body, as_staff).await?;
        if status == StatusCode::TOO_MANY_REQUESTS {
            bail!("{method} {path}: too many requests from here in 15 minutes; start the cloud with --no-rate-limit");
        }
        if !status.is_success() {
            bail!("{method} {path} was answered {status}: {answer}");
        }
        Ok(answer)
    }

    /// `path` may also be a whole URL elsewhere: the payment page's.
    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        as_staff: bool,
    ) -> anyhow::Result<(StatusCode, Value)> {
        let url = if path.starts_with('/') { format!("{}{path}", self.base) } else { path.to_owned() };
        self.read(self.client.request(method, &url), body, as_staff).await
    }

    async fn read(
        &self,
        mut request: reqwest::RequestBuilder,
        body: Option<Value>,
        as_staff: bool,
    ) -> anyhow::Result<(StatusCode, Value)> {
        if let Some(token) = self.token.as_ref().filter(|_| as_staff) {
            request = request.bearer_auth(token);
        }
        if let Some(body) = &body {
            request = request.json(body);
        }
        let response = request.send().await.context("the cloud cannot be reached")?;
        let (status, text) = (response.status(), response.text().await?);
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }
}

/// Looks until there is something to see, and fails with `what` when there is nothing in time.
pub(super) async fn wait_for<T, F, Fut>(what: &str, look: F) -> anyhow::Result<T>
where
    F: Fn() -> Fut,
    Fut: Future<Output = anyhow::Result<Option<T>>>,
{
    let seen = async {
        loop {
            if let Some(seen) = look().await? {
                return Ok(seen);
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    match tokio::time::timeout(PATIENCE, seen).await {
        Ok(seen) => seen,
        Err(_) => bail!("{what}: not within {} s", PATIENCE.as_secs()),
    }
}

/// A text that must be there.
pub(super) fn text(value: &Value, pointer: &str) -> anyhow::Result<String> {
    let found = value.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
    found.map(str::to_owned).with_context(|| format!("no text at {pointer} of {value}"))
}

/// A value that must be this one.
pub(super) fn must_be(what: &str, value: &Value, pointer: &str, wanted: impl Into<Value>) -> anyhow::Result<()> {
    let (found, wanted) = (value.pointer(pointer).unwrap_or(&Value::Null), wanted.into());
    // 75 and 75.0 are one number on the wire.
    let same = *found == wanted || found.as_f64().is_some_and(|number| Some(number) == wanted.as_f64());
    if !same {
        bail!("{what}: {pointer} must be {wanted}, and is {found}, in {value}");
    }
    Ok(())
}
