//! What is to be paid out through the ledger.

use jiff::civil;
use serde::{Deserialize, Serialize};

use crate::ids::{CatalogId, OrgId, PoolId};

/// Names what is to be paid out. The message of the queue; by this a worker finds the amounts, which were decided before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Payout {
    /// A finalized tip pool.
    Pool {
        /// Whose.
        org: OrgId,
        /// The pool.
        pool: PoolId,
    },
    /// The splits of what a catalog sold on a day.
    Settlement {
        /// Whose.
        org: OrgId,
        /// The catalog.
        catalog: CatalogId,
        /// The day (UTC).
        day: civil::Date,
    },
}
