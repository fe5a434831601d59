//! What is to be paid out: finalized tip pools and settled days. While one is not paid it stands in an index of keys only,
//! where the sort key names it whole, so that a sweeper finds what no message brought.

use domain::{ledger::Transfer, pos::payout::Payout};
use jiff::Timestamp;

use super::Pos;
use crate::{
    error::StoreError,
    item::{Item, index, n, text},
    keys::{Key, SHARDS, moment, shard_of},
    list::Range,
    tx::Change,
};

fn unpaid(shard: u8) -> String {
    format!("PAYOUTS#{shard}")
}

/// Puts what is to be paid out into the index of the unpaid.
pub(super) fn index_unpaid(item: &mut Item, payout: &Payout, at: Timestamp) -> Result<(), StoreError> {
    let name = serde_json::to_string(payout).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    index(item, "gsi2", unpaid(shard_of(&name)), moment(at, &name));
    Ok(())
}

fn key_of(payout: Payout) -> Key {
    match payout {
        Payout::Pool { org, pool } => Key::pool(org, pool),
        Payout::Settlement { org, catalog, day } => Key::settlement(org, catalog, day),
    }
}

fn corrupt(error: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(error.to_string())
}

impl Pos<'_> {
    /// The transfers that pay something out, however many of them were posted before. `None` when there is nothing to do:
    /// it does not exist, is not final, or is paid.
    pub async fn load_payout(&self, payout: Payout) -> Result<Option<Vec<Transfer>>, StoreError> {
        match payout {
            Payout::Pool { org, pool } => {
                let pool = self.load_pool(org, pool).await?.filter(|pool| pool.paid_at.is_none());
                let pool = pool.filter(|pool| pool.finalized_at.is_some());
                pool.map(|pool| pool.transfers().map_err(corrupt)).transpose()
            }
            Payout::Settlement { org, catalog, day } => {
                let settlement = self.load_settlement(org, catalog, day).await?;
                let settlement = settlement.filter(|settlement| settlement.paid_at.is_none());
                settlement.map(|settlement| settlement.transfers().map_err(corrupt)).transpose()
            }
        }
    }

    /// Notes that all of its transfers are posted. False when that was noted before.
    pub async fn mark_paid(&self, payout: Payout, now: Timestamp) -> Result<bool, StoreError> {
        let change = Change::default()
            .set("paid_at", n(now.as_millisecond()))
            .remove("gsi2pk")
            .remove("gsi2sk")
            .when_present("gsi2pk")
            .when_absent("paid_at");
        Ok(self.0.change(&key_of(payout), change).await?.is_ok())
    }

    /// What was decided before `before` and is not paid, oldest first. A row whose name cannot be read is logged and passed
    /// over: it must not keep the others waiting.
    pub async fn list_unpaid(&self, before: Timestamp, limit: usize) -> Result<Vec<Payout>, StoreError> {
        let range = Range { index: Some("gsi2"), to: Some(moment(before, "")), limit, ..Range::default() };
        let items = self.0.query_shards((0..SHARDS).map(unpaid), range, "gsi2sk").await?;
        let readable = |item: &Item| {
            let name = text(item, "gsi2sk").and_then(|key| key.split_once('#')).map(|(_, name)| name);
            let payout = name.and_then(|name| serde_json::from_str(name).ok());
            if payout.is_none() {
                tracing::error!(pk = text(item, "pk"), sk = text(item, "sk"), "a payout's name is corrupt");
            }
            payout
        };
        Ok(items.iter().filter_map(readable).collect())
    }
}
