//! Subscriptions of an organization (contract `pos.md` §15).

use runtime::{Function, Routes, Surface};

/// The function.
pub fn function() -> Function {
    Function::http(Surface::Pos, Routes::new())
}
