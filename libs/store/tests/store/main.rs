//! Every access pattern, exact keys included, and every condition that keeps money and stock right.
//!
//! Each test has a table of its own: in an embedded database, or at `FAIRGROUND_DYNAMODB_URL` when that is set.
// A test may panic, and reads its own switches from the environment.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod catalogs;
mod checkins;
mod endpoints;
mod events;
mod ledger;
mod links;
mod lists;
mod mails;
mod orders;
mod people;
mod places;
mod pos_lists;
mod pos_orders;
mod purchases;
mod races;
mod reports;
mod sales;
mod splits;
mod steps;
mod tips;
mod world;
