//! Catalogs, categories, products and their prices (contract `pos.md` §4-§7).

use runtime::{Function, Surface};
use utoipa_axum::router::OpenApiRouter;

/// The function.
pub fn function() -> Function {
    Function::http(Surface::Pos, OpenApiRouter::new())
}
