//! The counter, laid out like its URLs.

mod auth;
mod billing;
mod catalogs;
mod connect;
mod customers;
mod endpoints;
mod figures;
mod flows;
mod guard;
mod misfits;
mod orders;
mod page;
mod referee;
mod register;
mod reports;
mod splits;
mod staff;
mod terminal;
pub mod till;
mod tips;
mod transactions;
mod unclaimed;
