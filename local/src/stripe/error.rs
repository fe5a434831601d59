//! Stripe's error bodies: `{"error": {"type", "code", "message", "param", …}}`.

use serde_json::{Map, Value, json};

/// A refusal, as Stripe words it.
#[derive(Clone, Debug)]
pub struct ApiError {
    /// The HTTP status.
    pub status: u16,
    /// The members of `error`.
    body: Map<String, Value>,
}

impl ApiError {
    fn new(status: u16, kind: &str, message: impl Into<String>) -> Self {
        let mut body = Map::new();
        body.insert("type".into(), kind.into());
        body.insert("message".into(), Value::String(message.into()));
        Self { status, body }
    }

    /// 400 `invalid_request_error`.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    /// 400 for a parameter that is not there.
    pub fn missing(param: &str) -> Self {
        Self::invalid(format!("Missing required param: {param}.")).code("parameter_missing").param(param)
    }

    /// 400 for a parameter that the endpoint does not know.
    pub fn unknown(param: &str) -> Self {
        Self::invalid(format!("Received unknown parameter: {param}")).code("parameter_unknown").param(param)
    }

    /// 404 for an object that is not there, or in another account.
    pub fn no_such(object: &str, id: &str) -> Self {
        let mut error = Self::invalid(format!("No such {object}: '{id}'")).code("resource_missing").param("id");
        error.status = 404;
        error
    }

    /// 404 for a path that Stripe does not have (or this stand-in not yet).
    pub fn no_such_path(method: &str, path: &str) -> Self {
        let mut error = Self::invalid(format!("Unrecognized request URL ({method}: {path})."));
        error.status = 404;
        error
    }

    /// 401.
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(401, "invalid_request_error", message)
    }

    /// 403 for a `Stripe-Account` that the key may not act for.
    pub fn account_invalid(account: &str) -> Self {
        Self::new(
            403,
            "invalid_request_error",
            format!("The provided key does not have access to account '{account}' (or that account does not exist)."),
        )
        .code("account_invalid")
    }

    /// 402 `card_error`.
    pub fn card(code: &str, decline_code: Option<&str>, message: &str) -> Self {
        let error = Self::new(402, "card_error", message).code(code).with("doc_url", json!(doc_url(code)));
        match decline_code {
            Some(reason) => error.with("decline_code", json!(reason)),
            None => error,
        }
    }

    /// 400 for a key that came with other parameters before.
    pub fn key_reused(key: &str) -> Self {
        let message = format!(
            "Keys for idempotent requests can only be used with the same parameters they were first used with. \
             Try using a key other than '{key}' if you meant to execute a different request."
        );
        Self::new(400, "idempotency_error", message)
    }

    /// 429.
    pub fn rate_limited() -> Self {
        Self::new(429, "invalid_request_error", "Request rate limit exceeded.").code("rate_limit")
    }

    /// 500.
    pub fn broken() -> Self {
        Self::new(500, "api_error", "An unknown error occurred.")
    }

    /// Adds the machine-readable code.
    pub fn code(self, code: &str) -> Self {
        self.with("code", json!(code))
    }

    /// Names the parameter at fault.
    pub fn param(self, param: &str) -> Self {
        self.with("param", json!(param))
    }

    /// Adds any other member.
    pub fn with(mut self, member: &str, value: Value) -> Self {
        self.body.insert(member.into(), value);
        self
    }

    /// What `last_payment_error` of a payment shows of it.
    pub fn details(&self) -> Value {
        Value::Object(self.body.clone())
    }

    /// Stripe's words.
    pub fn message(&self) -> &str {
        self.body.get("message").and_then(Value::as_str).unwrap_or_default()
    }

    /// True when the request was refused before it was carried out. Stripe keeps no answer for its idempotency key then.
    pub fn is_before_execution(&self) -> bool {
        let code = self.body.get("code").and_then(Value::as_str).unwrap_or_default();
        code.starts_with("parameter_") || matches!(self.status, 401 | 403 | 404 | 429)
    }

    /// The body of the answer.
    pub fn body(&self) -> Value {
        json!({ "error": self.body })
    }
}

fn doc_url(code: &str) -> String {
    format!("https://stripe.com/docs/error-codes/{}", code.replace('_', "-"))
}
