//! `--via-lambda`: the same events, sent to a running `cargo lambda watch`, and so through the real binaries and the
//! real Runtime API.

use anyhow::{Context as _, bail};
use serde_json::Value;

/// A running `cargo lambda watch`.
#[derive(Debug, Clone)]
pub struct LambdaWatch {
    url: String,
    http: reqwest::Client,
}

impl LambdaWatch {
    /// The one that listens at `url`, such as `http://127.0.0.1:9000`.
    pub fn new(url: &str) -> Self {
        Self { url: url.trim_end_matches('/').to_owned(), http: reqwest::Client::new() }
    }

    /// Invokes a function and returns its answer.
    ///
    /// # Errors
    /// When nobody listens, or the function ended in an error.
    pub async fn invoke(&self, name: &str, event: &Value) -> anyhow::Result<Value> {
        let url = format!("{}/2015-03-31/functions/{name}/invocations", self.url);
        let answer = self.http.post(&url).json(event).send().await.with_context(|| format!("calling {url}"))?;
        let status = answer.status();
        let failed = answer.headers().contains_key("x-amz-function-error");
        let text = answer.text().await?;
        if failed || !status.is_success() {
            bail!("{status}: {text}");
        }
        serde_json::from_str(&text).with_context(|| format!("{name} answered no JSON: {text}"))
    }
}
