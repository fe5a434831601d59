//! Notices of Apple's and Google's stores (contract `pos.md` §16).

use runtime::{Function, Surface};
use utoipa_axum::router::OpenApiRouter;

/// The function.
pub fn function() -> Function {
    Function::http(Surface::Pos, OpenApiRouter::new())
}
