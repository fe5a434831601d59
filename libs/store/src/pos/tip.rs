//! Tip pools. All of an organization are one partition: a list of them says how many there are, so it reads them all.

use domain::{
    ids::{OrgId, PoolId},
    pos::tip::{Pool, PoolStatus},
};

use super::{Pos, keys, payout::index_unpaid};
use crate::{
    error::StoreError,
    item::{Item, from_item, n, s, to_item},
    keys::Key,
    list::Range,
    tx::{Change, TxError},
};

fn pool_item(pool: &Pool) -> Result<Item, StoreError> {
    let mut item = to_item("tip_pool", &Key::pool(pool.org, pool.id), pool)?;
    if let (Some(at), None) = (pool.finalized_at, pool.paid_at) {
        index_unpaid(&mut item, &pool.payout(), at)?;
    }
    Ok(item)
}

/// It is still the version that was read.
fn unchanged(pool: &Pool) -> Change {
    Change::default().when("version", "=", n(pool.version))
}

impl Pos<'_> {
    /// Writes a new pool.
    pub async fn create_pool(&self, pool: &Pool) -> Result<(), StoreError> {
        self.0.tx().create(pool_item(pool)?)?.commit().await.map_err(TxError::stale)
    }

    /// A pool, with its members.
    pub async fn load_pool(&self, org: OrgId, pool: PoolId) -> Result<Option<Pool>, StoreError> {
        self.0.get(&Key::pool(org, pool)).await?.map(from_item).transpose()
    }

    /// All pools of an organization, newest first.
    pub async fn list_pools(&self, org: OrgId) -> Result<Vec<Pool>, StoreError> {
        let range = Range { pk: keys::pools_of(org), consistent: true, limit: usize::MAX, ..Range::default() };
        let mut pools = self.0.query(range).await?.into_iter().map(from_item).collect::<Result<Vec<Pool>, _>>()?;
        pools.sort_by_key(|pool| std::cmp::Reverse((pool.created_at, pool.id)));
        Ok(pools)
    }

    /// Writes the next version of a pool over the one that was read; `Stale` when it changed.
    pub async fn save_pool(&self, before: &Pool, after: &Pool) -> Result<(), StoreError> {
        self.0.tx().put(pool_item(after)?, unchanged(before))?.commit().await.map_err(TxError::stale)
    }

    /// Deletes a pool that is a draft; `Stale` when it changed.
    pub async fn delete_pool(&self, pool: &Pool) -> Result<(), StoreError> {
        let condition = unchanged(pool).when("status", "=", s(PoolStatus::Draft.as_str()));
        self.0.tx().delete(&Key::pool(pool.org, pool.id), condition)?.commit().await.map_err(TxError::stale)
    }
}
