//! `/tickets/api/admin`: contract §9-12, §14.

mod audit;
mod events;
mod gallery;
mod orders;
mod stats;
mod upload;
