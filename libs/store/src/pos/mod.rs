//! The counter's entities. Everything is read and written under the organization of the caller: its id is in the key, so
//! another's is not found.

pub mod catalog;
pub mod category;
pub mod contact;
mod copy;
pub mod customer;
pub mod endpoint;
mod import;
pub(crate) mod keys;
pub mod list;
pub mod names;
pub mod order;
pub mod org;
mod payout;
pub mod product;
mod receipt;
mod refund;
pub mod report;
pub mod sales;
pub mod split;
pub mod subscription;
mod tip;

use crate::Store;

/// The counter's access patterns, `store.pos()`.
#[derive(Clone, Copy, Debug)]
pub struct Pos<'a>(pub(crate) &'a Store);

impl Store {
    /// The counter's part of the table.
    pub fn pos(&self) -> Pos<'_> {
        Pos(self)
    }
}
