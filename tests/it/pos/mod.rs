//! The counter, laid out like its URLs.

mod auth;
mod catalogs;
mod connect;
mod guard;
mod till;
