//! Stripe Terminal and Connect (contract `pos.md` §9, §10).

use runtime::{Function, Surface};
use utoipa_axum::router::OpenApiRouter;

/// The function.
pub fn function() -> Function {
    Function::http(Surface::Pos, OpenApiRouter::new())
}
