//! The counter (contract `pos.md`): catalogs, orders, their payments, tips, splits, subscriptions.

pub mod analytics;
pub mod billing;
pub mod catalog;
pub mod connect;
pub mod customer;
pub mod days;
pub mod delivery;
pub mod endpoint;
pub mod event;
pub mod menu;
pub mod number;
pub mod order;
pub mod password;
pub mod payout;
pub mod product;
pub mod report;
pub mod split;
pub mod subscription;
pub mod tier;
pub mod tip;
pub mod transaction;
