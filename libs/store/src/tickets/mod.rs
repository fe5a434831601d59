//! The gate's entities.

pub(crate) mod checkin;
pub(crate) mod event;
pub(crate) mod gallery;
pub(crate) mod newsletter;
pub(crate) mod order;
