//! What surrounds a handler: the Lambda runtime, the context, validation, principals, errors and their shapes.
//!
//! A function crate has `pub fn function() -> Function` and a `main` that calls [`serve`]. The same [`Function`] is what
//! the local cloud invokes, with the same events.

pub mod clock;
pub mod ctx;
pub mod edit;
pub mod error;
pub mod extract;
pub mod files;
pub mod function;
pub mod invitation;
pub mod openapi;
mod parameters;
pub mod picture;
pub mod principal;
pub mod queue;
pub mod rate;
pub mod routes;
pub mod session;
pub mod settings;
pub mod signature;
#[cfg(test)]
mod stand_in;
pub mod surface;
pub mod telemetry;
pub mod upload;
pub mod validate;

pub use ctx::{Aws, Ctx};
pub use error::ApiError;
pub use extract::{Client, IdempotencyKey, Json, Query};
pub use files::{Files, FilesError};
pub use function::{BoxError, Function, Invoker, serve};
pub use principal::{MaybeStaff, Staff};
pub use routes::Routes;
pub use settings::Settings;
pub use surface::Surface;
