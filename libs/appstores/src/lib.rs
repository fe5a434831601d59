//! What the app stores say of subscriptions: Apple's signed notices and transactions, Google's pushes (contract `pos.md` §16).
//!
//! Everything is verified or refused here, and comes out as one kind of [`StoreNotice`]. A notice that says nothing about a
//! subscription of ours is no error: it is acknowledged, and changes nothing.

pub mod apple;
pub mod google;
pub mod proof;

pub use apple::{Apple, AppleError, Purchase};
pub use domain::pos::subscription::StoreNotice;
pub use proof::{ProofError, Stores};
