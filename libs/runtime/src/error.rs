//! The one error that handlers return. The surface gives it its shape on the wire.

use std::{borrow::Cow, sync::Arc};

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value};
use store::StoreError;

/// What is wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// Its name as the client wrote it, `tiers[0].price`.
    pub field: String,
    /// What is wrong, for a person.
    pub reason: String,
}

/// An answer that is not a success: status, code, text, and the fields at fault.
///
/// Internal detail is logged where it becomes one of these, and is not part of it.
#[derive(Clone, Debug)]
pub struct ApiError {
    /// HTTP status.
    pub status: StatusCode,
    /// The surface's code, `SOLD_OUT`.
    pub code: Cow<'static, str>,
    /// Text for a person.
    pub message: Cow<'static, str>,
    /// Fields at fault.
    pub fields: Vec<FieldError>,
    /// Further members of the body (`checkedInAt`, `validStatuses`).
    pub extra: Map<String, Value>,
}

impl ApiError {
    /// Any status and code.
    pub fn new(status: StatusCode, code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code: code.into(), message: message.into(), fields: vec![], extra: Map::new() }
    }

    /// 400 with a code of the contract.
    pub fn bad_request(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// 401 with a code of the contract.
    pub fn unauthorized(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, message)
    }

    /// 403 `FORBIDDEN`.
    pub fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "FORBIDDEN", "You are not allowed to do this")
    }

    /// 404 with a code of the contract.
    pub fn not_found(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// 400 `VALIDATION_ERROR` for one field.
    pub fn invalid(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::invalid_fields(vec![FieldError { field: field.into(), reason: reason.into() }])
    }

    /// 400 `VALIDATION_ERROR` for several fields.
    pub fn invalid_fields(fields: Vec<FieldError>) -> Self {
        let message = match fields.first() {
            Some(FieldError { field, reason }) if !field.is_empty() => format!("{field}: {reason}"),
            Some(FieldError { reason, .. }) => reason.clone(),
            None => "Invalid request".to_owned(),
        };
        Self { fields, ..Self::bad_request("VALIDATION_ERROR", message) }
    }

    /// 503: something behind us does not answer; the client may try again.
    pub fn unavailable() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "SERVICE_UNAVAILABLE", "Please try again in a moment")
    }

    /// 500, after logging what happened.
    pub fn internal(error: impl std::fmt::Display) -> Self {
        tracing::error!(%error, "internal error");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "SERVER_ERROR", "Something went wrong")
    }

    /// Adds a member to the body.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extra.insert(name.to_owned(), value.into());
        self
    }
}

/// Store errors that a handler does not translate itself: never the client's fault.
impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy | StoreError::Unavailable(_) => {
                tracing::warn!(%error, "store unavailable");
                Self::unavailable()
            }
            error => Self::internal(error),
        }
    }
}

/// An answer without a body that carries the error to the surface's layer, which writes the body.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}
