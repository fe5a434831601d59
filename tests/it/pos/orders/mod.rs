//! `/pos/orders` (contract `pos.md` §8): each route, what it answers, and what it refuses.

mod changes;
mod lists;
mod payments;
mod places;

use std::collections::HashSet;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::till::*;
use crate::app::{App, assert_exact_members};
