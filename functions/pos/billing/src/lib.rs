//! Subscriptions of an organization (contract `pos.md` §15).

use runtime::{Function, Surface};
use utoipa_axum::router::OpenApiRouter;

/// The function.
pub fn function() -> Function {
    Function::http(Surface::Pos, OpenApiRouter::new())
}
