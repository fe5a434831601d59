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

#[cfg(test)]
mod tests {
    use axum::{Json, Router, extract::Path, response::IntoResponse, routing::post};
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn an_event_goes_to_its_function_and_its_error_comes_back() {
        let answer = async |Path(name): Path<String>, Json(event): Json<Value>| match name.as_str() {
            "tickets-orders" => Json(json!({ "statusCode": 200, "body": event["a"] })).into_response(),
            _ => ([("x-amz-function-error", "Unhandled")], Json(json!({ "errorMessage": "no" }))).into_response(),
        };
        let router = Router::new().route("/2015-03-31/functions/{name}/invocations", post(answer));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let watch = LambdaWatch::new(&format!("http://{}/", listener.local_addr().unwrap()));
        tokio::spawn(async move { axum::serve(listener, router).await });
        assert_eq!(watch.invoke("tickets-orders", &json!({"a": "b"})).await.unwrap()["body"], "b");
        let error = watch.invoke("other", &json!({})).await.unwrap_err();
        assert!(error.to_string().contains("errorMessage"), "{error}");
    }
}
