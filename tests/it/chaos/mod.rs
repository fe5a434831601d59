//! What goes wrong on purpose, and what holds all the same.
