//! The rules of the fairground: types and pure functions.
//!
//! Nothing here is asynchronous, reads a clock, draws a random number, or knows of AWS or HTTP:
//! the time, the randomness and the loaded state are passed in, and a decision comes out.
//! `store` saves these types, `functions` speak them to the outside.

pub mod audit;
pub mod ids;
pub mod json_text;
pub mod keyring;
pub mod ledger;
pub mod link;
pub mod mail;
pub mod member;
pub mod money;
pub mod pos;
pub mod stock;
pub mod tickets;
pub mod time;
pub mod words;
