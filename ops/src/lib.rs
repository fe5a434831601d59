//! The operator's tool: verifies a live table, creates the first admin, sends dead letters on their way again.

pub mod admin;
pub mod redrive;
pub mod verify;
