//! Delivery against an embedded database, and a mail server and a bucket that answer as they are told.
#![allow(clippy::unwrap_used)]

mod counter;
mod tickets;
mod world;
