//! The counter (contract `pos.md`): catalogs, orders, their payments, tips, splits, subscriptions.

pub mod number;
pub mod order;
pub mod tier;
