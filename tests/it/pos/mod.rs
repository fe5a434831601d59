//! The counter, laid out like its URLs.

mod auth;
mod billing;
mod catalogs;
mod connect;
mod customers;
mod endpoints;
mod flows;
mod guard;
mod orders;
mod terminal;
mod till;
mod transactions;
