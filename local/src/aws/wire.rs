//! What the stand-ins share of AWS's wire protocols: the request as it came, JSON input by member name, and errors.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{HeaderMap, Method, Response, StatusCode, header};
use bytes::Bytes;
use serde_json::{Value, json};

/// One HTTP request, read whole.
pub(super) struct Call {
    pub method: Method,
    /// The path as sent, still percent-encoded.
    pub path: String,
    pub query: Option<String>,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Call {
    /// A header's text; None when absent or not text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// A query parameter, decoded; empty for one without a value (`?delete`).
    pub fn parameter(&self, name: &str) -> Option<String> {
        parse_query(self.query.as_deref()?).remove(name)
    }
}

/// Decodes a query string. The last of several equal names wins: no operation here has repeated ones.
pub(super) fn parse_query(query: &str) -> BTreeMap<String, String> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (percent_decode(&name.replace('+', " ")), percent_decode(&value.replace('+', " ")))
        })
        .collect()
}

/// Decodes `%XX`; bytes that are no UTF-8 are replaced.
pub(super) fn percent_decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// What stays readable in a key that is sent percent-encoded.
const KEPT: percent_encoding::AsciiSet =
    percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// Encodes a key as S3 does where `encoding-type=url` is asked for.
pub(super) fn percent_encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, &KEPT).to_string()
}

/// An error as AWS names it. Each protocol renders it in its own way.
#[derive(Debug, thiserror::Error)]
#[error("{code}: {message}")]
pub(super) struct Fault {
    pub status: StatusCode,
    pub code: &'static str,
    pub message: String,
}

impl Fault {
    /// A 400 with AWS's name for it.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self::with_status(StatusCode::BAD_REQUEST, code, message)
    }

    pub fn with_status(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// The stand-in itself failed (disk, key): a 500, which SDKs retry.
    pub fn internal(error: impl std::fmt::Display) -> Self {
        Self::with_status(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", error.to_string())
    }

    /// An action that this stand-in does not know. Logged, so that a missing one is noticed where it is missing.
    pub fn unknown_operation(service: &str, action: &str) -> Self {
        tracing::warn!(service, action, "the AWS stand-in does not know this operation");
        Self::new("UnknownOperationException", format!("{service} stand-in: unknown operation {action}"))
    }

    /// AWS JSON 1.0/1.1: the name in `__type`.
    pub fn into_json(self) -> Response<Body> {
        json_response(self.status, "application/x-amz-json-1.1", &json!({"__type": self.code, "message": self.message}))
    }

    /// REST JSON (SES v2): the name in a header.
    pub fn into_rest_json(self) -> Response<Body> {
        let mut response = json_response(self.status, "application/json", &json!({"message": self.message}));
        response.headers_mut().insert("x-amzn-errortype", header::HeaderValue::from_static(self.code));
        response
    }
}

/// A JSON answer of the given media type.
pub(super) fn json_response(status: StatusCode, media_type: &'static str, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(media_type));
    response
}

/// The JSON input of an operation, read member by member: most operations look at two or three of them.
pub(super) struct Input(Value);

impl Input {
    pub fn parse(body: &[u8]) -> Result<Self, Fault> {
        match serde_json::from_slice(if body.is_empty() { b"{}" } else { body }) {
            Ok(value @ Value::Object(_)) => Ok(Self(value)),
            _ => Err(Fault::new("SerializationException", "the body is not a JSON object")),
        }
    }

    /// Any member; `Null` when absent.
    pub fn get(&self, name: &str) -> &Value {
        &self.0[name]
    }

    /// A member that the operation requires.
    pub fn text(&self, name: &str) -> Result<&str, Fault> {
        self.maybe(name).ok_or_else(|| {
            Fault::new(
                "InvalidParameterException",
                format!("1 validation error detected: Value at '{name}' failed to satisfy constraint: Member must not be null"),
            )
        })
    }

    pub fn maybe(&self, name: &str) -> Option<&str> {
        self.0[name].as_str()
    }

    pub fn number(&self, name: &str) -> Option<u64> {
        self.0[name].as_u64()
    }

    /// False when absent.
    pub fn flag(&self, name: &str) -> bool {
        self.0[name].as_bool().unwrap_or(false)
    }

    /// Empty when absent.
    pub fn list(&self, name: &str) -> &[Value] {
        self.0[name].as_array().map_or(&[], Vec::as_slice)
    }

    /// The texts of a list; empty when absent.
    pub fn texts(&self, name: &str) -> Vec<String> {
        self.list(name).iter().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// A map of texts; empty when absent.
    pub fn map(&self, name: &str) -> BTreeMap<String, String> {
        let members = self.0[name].as_object().into_iter().flatten();
        members.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
    }

    /// The whole input, to be kept and echoed by a later Describe.
    pub fn into_value(self) -> Value {
        self.0
    }
}

/// A page size asked for by the client: at least one, at most the service's limit.
pub(super) fn page_size(asked: Option<u64>, limit: usize) -> usize {
    asked.and_then(|asked| usize::try_from(asked).ok()).unwrap_or(limit).clamp(1, limit)
}
