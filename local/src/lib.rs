//! The whole cloud in one process, for `cargo run`, tests and benchmarks.
//!
//! [`Cloud::start`] reads `infra/template.yaml`, makes what it names on an AWS endpoint of its own, binds every function, and
//! serves. From outside to inside: [`gateway`] (HTTP to Lambda events), [`functions`] (who is invoked), [`sources`] (queues,
//! stream, schedules), [`aws`], [`stripe`] and [`play`] (what functions talk to). [`template`] and [`provision`] say what there is;
//! [`seed`], [`page`], [`demo`] are for the person who looks.

pub mod apple;
pub mod aws;
pub mod chaos;
pub mod cli;
pub mod cloud;
pub mod demo;
pub mod functions;
pub mod gateway;
pub mod lambda_watch;
mod openapi;
pub mod page;
pub mod play;
pub mod provision;
pub mod requests;
pub mod secrets;
pub mod seed;
pub mod sources;
pub mod stripe;
pub mod template;
mod wiring;

pub use aws::Data;
pub use chaos::Chaos;
pub use cloud::{Cloud, Options};
pub use openapi::openapi;
