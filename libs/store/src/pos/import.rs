//! Orders from elsewhere, many at once.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use domain::{
    ids::OrgId,
    pos::order::{Order, Status},
};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Pos, order::order_item};
use crate::{
    error::StoreError,
    item::{n, s},
    keys::{Key, shard_of},
    tx::Change,
};

/// Items of one `BatchWriteItem`.
const BATCH: usize = 25;

/// Batches that are on their way at once.
const AT_ONCE: usize = 4;

impl Pos<'_> {
    /// Writes orders of an organization as they are, and then counts them in its figures. Under no condition, and not at once:
    /// for orders that are not there yet, and that nobody sells meanwhile. They must be without lines, payments and
    /// customers, and not put aside.
    pub async fn import_orders(&self, org: OrgId, orders: &[Order]) -> Result<(), StoreError> {
        stream::iter(orders.chunks(BATCH))
            .map(|batch| self.put_orders(batch))
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        let mut figures: BTreeMap<(u8, &str), i64> = BTreeMap::new();
        for order in orders {
            *figures.entry((shard_of(&order.id.to_string()), Status::as_str(order.status))).or_default() += 1;
        }
        for ((shard, status), count) in figures {
            let change = Change::default().set("entity", s("pos_figures")).add(status, n(count));
            self.0.tx().update(&Key::pos_figures(org, shard), change)?.commit().await.map_err(|error| error.stale())?;
        }
        Ok(())
    }

    async fn put_orders(&self, orders: &[Order]) -> Result<(), StoreError> {
        let put = |order: &Order| {
            let put = PutRequest::builder().set_item(Some(order_item(order)?)).build()?;
            Ok(WriteRequest::builder().put_request(put).build())
        };
        let mut left = orders.iter().map(put).collect::<Result<Vec<_>, StoreError>>()?;
        let mut tries = self.0.tries();
        loop {
            // An order that is written again after an answer was lost is the same.
            let request = self.0.client.batch_write_item().request_items(&self.0.table, left.clone());
            match request.send().await {
                Ok(answer) => {
                    left = answer.unprocessed_items.and_then(|mut all| all.remove(&self.0.table)).unwrap_or_default();
                }
                Err(error) => match StoreError::from(error) {
                    StoreError::Busy | StoreError::Unavailable(_) => {}
                    error => return Err(error),
                },
            }
            if left.is_empty() {
                return Ok(());
            }
            if !tries.again().await {
                return Err(StoreError::Busy);
            }
        }
    }
}
