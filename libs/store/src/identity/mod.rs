//! Organizations, members, links, opaque tokens.

mod edit;
pub(crate) mod link;
pub(crate) mod member;
pub(crate) mod org;
pub(crate) mod place;
pub(crate) mod token;
