//! The counter (contract `pos.md`): catalogs, orders, their payments, tips, splits, subscriptions.

pub mod connect;
pub mod number;
pub mod order;
pub mod report;
pub mod subscription;
pub mod tier;
