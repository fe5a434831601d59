//! The one error that handlers return. The surface gives it its shape on the wire.

use std::{borrow::Cow, sync::Arc};

use axum::response::{IntoResponse, Response};
use domain::pos::order::StepError;
use http::StatusCode;
use payments::{RegisterError, StripeError, billing::BillingError};
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

/// What the counter's order does not allow; the text is for the person behind it.
impl From<StepError> for ApiError {
    fn from(error: StepError) -> Self {
        let code = match error {
            StepError::Status(_) => "INVALID_STATUS",
            StepError::TooLittleCash => "INSUFFICIENT_CASH",
            StepError::TooMuch => "AMOUNT_TOO_LARGE",
            StepError::NothingLeft => "NOTHING_TO_REFUND",
            StepError::TooMany => "TOO_MANY_PAYMENTS",
            StepError::Total => return Self::invalid("totalAmount", error.to_string()),
            StepError::Paid => "ALREADY_PAID",
        };
        Self::bad_request(code, error.to_string())
    }
}

/// Stripe's refusals in its own words, and its failures as ours.
impl From<StripeError> for ApiError {
    fn from(error: StripeError) -> Self {
        match error {
            StripeError::Declined { message, .. } => Self::bad_request("CARD_DECLINED", message),
            StripeError::Invalid { message, .. } => Self::bad_request("STRIPE_REFUSED", message),
            StripeError::AlreadyRefunded => Self::bad_request("NOTHING_TO_REFUND", error.to_string()),
            StripeError::NotFound => Self::not_found("NOT_FOUND", "No such object at Stripe"),
            StripeError::AccountRefused => {
                tracing::warn!(%error, "a connected account cannot be used");
                Self::new(StatusCode::FORBIDDEN, "PAYMENTS_NOT_ENABLED", "Payments are not enabled for this account")
            }
            StripeError::KeyReused => key_reused(error.to_string()),
            StripeError::Unavailable { .. } => {
                tracing::warn!(%error, "Stripe unavailable");
                Self::unavailable()
            }
            StripeError::Unauthorized | StripeError::NotConfigured { .. } => {
                tracing::error!(%error, "Stripe cannot be used");
                Self::unavailable()
            }
            StripeError::Unexpected { .. } => Self::internal(error),
        }
    }
}

/// Card money at the counter (contract `pos.md` §8, §9).
impl From<RegisterError> for ApiError {
    fn from(error: RegisterError) -> Self {
        let text = error.to_string();
        match error {
            RegisterError::NotFound => Self::not_found("ORDER_NOT_FOUND", text),
            RegisterError::UnknownIntent => Self::not_found("PAYMENT_INTENT_NOT_FOUND", text),
            RegisterError::NoAccount => Self::not_found("NO_CONNECTED_ACCOUNT", text),
            RegisterError::NotPaid(_) => Self::bad_request("PAYMENT_NOT_SUCCEEDED", text),
            RegisterError::Currency => Self::bad_request("PAYMENT_CURRENCY", text),
            RegisterError::TooLittle => Self::bad_request("AMOUNT_MISMATCH", text),
            RegisterError::Taken => Self::new(StatusCode::CONFLICT, "PAYMENT_INTENT_TAKEN", text),
            RegisterError::Returned => Self::new(StatusCode::CONFLICT, "PAYMENT_RETURNED", text),
            RegisterError::Refused(words) => Self::bad_request("REFUND_REFUSED", words),
            RegisterError::KeyReused => key_reused(text),
            RegisterError::Step(error) => error.into(),
            RegisterError::Store(error) => error.into(),
            RegisterError::Stripe(error) => error.into(),
        }
    }
}

/// Subscriptions (contract `pos.md` §15).
impl From<BillingError> for ApiError {
    fn from(error: BillingError) -> Self {
        match error {
            BillingError::AlreadySubscribed => Self::bad_request("ALREADY_SUBSCRIBED", error.to_string()),
            BillingError::Stripe(error) => error.into(),
            BillingError::Store(error) => error.into(),
        }
    }
}

fn key_reused(text: String) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "IDEMPOTENCY_KEY_REUSED", text)
}

/// An answer without a body that carries the error to the surface's layer, which writes the body.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}
