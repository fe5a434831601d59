//! The counter, laid out like its URLs.

mod auth;
mod guard;
