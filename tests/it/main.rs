//! Everything over HTTP, as the clients do it; laid out like the URLs. One binary, so that it is linked once.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]
#![recursion_limit = "256"] // of `json!`, where a body has many members

mod app;
mod auth;
mod chaos;
mod events;
mod gateway;
mod infra;
mod openapi;
mod pos;
mod referee;
mod tickets;
mod webhooks;
mod workers;
