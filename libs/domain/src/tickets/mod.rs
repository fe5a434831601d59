//! The gate: events and their tiers, orders, the ticket's secret, check-in (contract `tickets.md`).

pub mod checkin;
pub mod event;
pub mod gallery;
pub mod number;
pub mod order;
pub mod payment;
pub mod secret;
