//! Extractors: what a handler takes from a request, refused with a precise 400 when it cannot be read.

use axum::{
    extract::{FromRequest, FromRequestParts, Request, rejection::JsonRejection},
    response::{IntoResponse, Response},
};
use garde::Validate;
use http::{StatusCode, header, request::Parts};
use lambda_http::{RequestExt, request::RequestContext};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::{ctx::Ctx, error::ApiError, validate};

/// A JSON (or urlencoded, contract §1) body that has been validated; as an answer, JSON.
pub struct Json<T>(pub T);

impl<T> FromRequest<Ctx> for Json<T>
where
    T: DeserializeOwned + Validate<Context = ()>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &Ctx) -> Result<Self, ApiError> {
        let form = request
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.to_str().is_ok_and(|kind| kind.starts_with("application/x-www-form-urlencoded")));
        let value: T = if form {
            let form = axum::Form::<T>::from_request(request, state).await;
            form.map_err(|rejection| unreadable(rejection.status(), rejection.body_text()))?.0
        } else {
            read_json(request, state).await?
        };
        value.validate().map_err(|report| validate::report(&report))?;
        Ok(Json(value))
    }
}

async fn read_json<T: DeserializeOwned>(mut request: Request, state: &Ctx) -> Result<T, ApiError> {
    // The shipped clients send JSON under whatever type their HTTP library picks.
    request.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    match axum::Json::<T>::from_request(request, state).await {
        Ok(axum::Json(value)) => Ok(value),
        Err(JsonRejection::JsonDataError(error)) => Err(unreadable(StatusCode::BAD_REQUEST, error.body_text())),
        Err(JsonRejection::JsonSyntaxError(_)) => Err(ApiError::invalid("", "The body is not valid JSON")),
        Err(rejection) => Err(unreadable(rejection.status(), rejection.body_text())),
    }
}

fn unreadable(status: StatusCode, text: String) -> ApiError {
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        return ApiError::new(status, "PAYLOAD_TOO_LARGE", "The body may have 10 MB at most");
    }
    let (field, reason) = field_and_reason(&text);
    ApiError::invalid(field, reason)
}

/// axum says "Failed to deserialize the JSON body into the target type: items[0].price: invalid type …", "Failed to
/// deserialize query string: limit: …": which member it is, and what is wrong with it.
fn field_and_reason(text: &str) -> (String, String) {
    let said = text.split_once(": ").filter(|(head, _)| head.starts_with("Failed to deserialize"));
    let text = said.map_or(text, |(_, tail)| tail);
    let text = text.split_once(" at line ").map_or(text, |(text, _)| text);
    let (field, reason) = match text.split_once(": ") {
        Some((field, reason)) if !field.contains(' ') => (field, reason),
        _ => ("", text),
    };
    // Of a member that is not there serde tells the object's path, and its name in words.
    match reason.strip_prefix("missing field `").and_then(|name| name.strip_suffix('`')) {
        Some(name) if field.is_empty() => (name.to_owned(), "is required".to_owned()),
        Some(name) => (format!("{field}.{name}"), "is required".to_owned()),
        None => (field.to_owned(), reason.to_owned()),
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// Query parameters that have been validated.
pub struct Query<T>(pub T);

impl<T, S> FromRequestParts<S> for Query<T>
where
    T: DeserializeOwned + Validate<Context = ()>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let axum::extract::Query(value) = axum::extract::Query::<T>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| unreadable(StatusCode::BAD_REQUEST, rejection.body_text()))?;
        let query = parts.uri.query().unwrap_or_default();
        value.validate().map_err(|report| validate::report_query(&report, query))?;
        Ok(Query(value))
    }
}

/// The one parameter of the path; `None` when it is not of its type, and so names nothing.
#[derive(Clone, Copy, Debug)]
pub struct Id<T>(pub Option<T>);

impl<T, S> FromRequestParts<S> for Id<T>
where
    T: std::str::FromStr,
    S: Send + Sync,
{
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let text = axum::extract::Path::<String>::from_request_parts(parts, state).await.ok();
        Ok(Id(text.and_then(|text| text.parse().ok())))
    }
}

/// Who is on the other end, as API Gateway saw it.
#[derive(Clone, Debug, Default)]
pub struct Client {
    /// Address, never taken from a header that a client could write.
    pub ip: Option<String>,
    /// `User-Agent`, cut to 120 characters.
    pub user_agent: Option<String>,
}

impl Client {
    pub(crate) fn of<B>(request: &http::Request<B>) -> Self
    where
        http::Request<B>: RequestExt,
    {
        Self::read(request.request_context_ref(), request.headers())
    }

    fn read(context: Option<&RequestContext>, headers: &http::HeaderMap) -> Self {
        let ip = match context {
            Some(RequestContext::ApiGatewayV2(context)) => context.http.source_ip.clone(),
            _ => None,
        };
        let user_agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        Client { ip, user_agent: user_agent.map(|agent| agent.chars().take(120).collect()) }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Client {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Ok(Self::read(parts.extensions.get(), &parts.headers))
    }
}

/// What is stored of a request that named an idempotency key: 16 hex characters of its SHA-256, by which a repeat is
/// told from another request under the same key.
pub fn fingerprint(body: &impl Serialize) -> String {
    let bytes = serde_json::to_vec(body).unwrap_or_default();
    hex::encode(&Sha256::digest(bytes)[..8])
}

/// The `Idempotency-Key` header, when the client sent one: 1 to 255 printable characters.
#[derive(Clone, Debug)]
pub struct IdempotencyKey(pub Option<String>);

impl IdempotencyKey {
    /// What is stored of the key: 32 hex characters of its SHA-256.
    pub fn hash(&self) -> Option<String> {
        self.0.as_deref().map(|key| hex::encode(&Sha256::digest(key)[..16]))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let Some(value) = parts.headers.get("idempotency-key") else { return Ok(Self(None)) };
        match value.to_str() {
            Ok(key) if (1..=255).contains(&key.len()) => Ok(Self(Some(key.to_owned()))),
            _ => Err(ApiError::invalid("Idempotency-Key", "must be 1 to 255 printable characters")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_member() {
        let json = "Failed to deserialize the JSON body into the target type: ";
        let read = |text: &str| field_and_reason(text);
        for (text, field, reason) in [
            (
                format!("{json}items[0].price: invalid type: string \"x\", expected i64 at line 1 column 9"),
                "items[0].price",
                "invalid type: string \"x\", expected i64",
            ),
            (format!("{json}missing field `email` at line 1 column 2"), "email", "is required"),
            (format!("{json}items[2]: missing field `name` at line 1 column 70"), "items[2].name", "is required"),
            (
                format!("{json}invalid type: sequence, expected struct In at line 1 column 0"),
                "",
                "invalid type: sequence, expected struct In",
            ),
            (
                "Failed to deserialize query string: limit: invalid digit found in string".to_owned(),
                "limit",
                "invalid digit found in string",
            ),
            ("Failed to deserialize form body: missing field `phone`".to_owned(), "phone", "is required"),
        ] {
            assert_eq!(read(&text), (field.to_owned(), reason.to_owned()), "{text}");
        }
    }
}
