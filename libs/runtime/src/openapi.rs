//! What the descriptions of all routes share: the body of an error, and the errors that any route can answer.

use utoipa::{IntoResponses, ToSchema};

use crate::error::FieldError;

/// An error of the tickets surface and the platform's own routes (contract §1).
#[derive(ToSchema)]
pub struct ErrorBody {
    /// Always false.
    pub success: bool,
    /// Text for a person.
    pub error: String,
    /// The code that programs go by.
    pub code: String,
    /// Fields at fault, where there are any.
    #[schema(nullable = false)]
    pub details: Option<Vec<FieldError>>,
}

/// What any route can answer besides its own: name it at the end of a route's `responses(…)`.
#[derive(IntoResponses)]
pub enum CommonErrors {
    /// `RATE_LIMITED`, with `RateLimit-*` and `Retry-After` headers.
    #[response(status = 429)]
    RateLimited(ErrorBody),
    /// `SERVER_ERROR`.
    #[response(status = 500)]
    Internal(ErrorBody),
    /// `SERVICE_UNAVAILABLE`: something behind the function does not answer; try again.
    #[response(status = 503)]
    Unavailable(ErrorBody),
}

/// An error of the counter (contract `pos.md` §1.3).
#[derive(ToSchema)]
pub struct PosError {
    /// What clients show; `VALIDATION_ERROR` where `message` and `details` say more.
    pub error: String,
    /// Text for a person.
    pub message: String,
    /// The code that programs go by.
    pub code: String,
    /// Fields at fault, where there are any.
    #[schema(nullable = false)]
    pub details: Option<Vec<PosFieldError>>,
}

/// What is wrong with one field of a request.
#[derive(ToSchema)]
pub struct PosFieldError {
    /// Its name as the client wrote it, `items[0].quantity`.
    pub path: String,
    /// What is wrong, for a person.
    pub message: String,
}

/// What any open route of the counter can answer besides its own.
#[derive(IntoResponses)]
pub enum PosErrors {
    /// `RATE_LIMITED`, with `RateLimit-*` and `Retry-After` headers.
    #[response(status = 429)]
    RateLimited(PosError),
    /// `SERVER_ERROR`.
    #[response(status = 500)]
    Internal(PosError),
    /// `SERVICE_UNAVAILABLE`: something behind the function does not answer; try again.
    #[response(status = 503)]
    Unavailable(PosError),
}

/// What any route of the counter that wants a session can answer besides its own. 400 is among them, since a header can be
/// as wrong as a body.
#[derive(IntoResponses)]
pub enum PosSessionErrors {
    /// `VALIDATION_ERROR`.
    #[response(status = 400)]
    Invalid(PosError),
    /// `NO_TOKEN`, `INVALID_TOKEN`, or `SESSION_KICKED` when another phone has taken the session over.
    #[response(status = 401)]
    Unauthorized(PosError),
    /// `FORBIDDEN`: the role is too low.
    #[response(status = 403)]
    Forbidden(PosError),
    /// `PAYLOAD_TOO_LARGE`.
    #[response(status = 413)]
    TooLarge(PosError),
    /// `SERVER_ERROR`.
    #[response(status = 500)]
    Internal(PosError),
    /// `SERVICE_UNAVAILABLE`: something behind the function does not answer; try again.
    #[response(status = 503)]
    Unavailable(PosError),
}
