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
