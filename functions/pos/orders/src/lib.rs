//! Orders and customers at the counter (contract `pos.md` §8, §14).

use runtime::{Function, Surface};
use utoipa_axum::router::OpenApiRouter;

/// The function.
pub fn function() -> Function {
    Function::http(Surface::Pos, OpenApiRouter::new())
}
