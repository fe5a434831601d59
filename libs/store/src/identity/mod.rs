//! Organizations, members, opaque tokens.

pub(crate) mod member;
pub(crate) mod token;
