//! The counter, laid out like its URLs.

mod guard;
