//! The sweeper's memory: up to when all orders of an organization are settled, so that each is looked at about once.

use domain::{
    ids::OrgId,
    tickets::order::{Order, OrderStatus},
};
use jiff::Timestamp;

use crate::{
    Store,
    error::StoreError,
    item::{from_item, n, s},
    keys::{Key, SHARDS, moment, orders_of},
    list::Range,
    tx::Change,
};

impl Store {
    /// Orders of an organization made in `from..=to` that still wait for payment, oldest first.
    pub async fn list_pending_orders(
        &self,
        org: OrgId,
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Result<Vec<Order>, StoreError> {
        let range = Range {
            index: Some("gsi1"),
            from: Some(moment(from, "")),
            to: Some(moment(to, "~")),
            equal: vec![("status", OrderStatus::Pending.as_str().to_owned())],
            limit,
            ..Range::default()
        };
        let partitions = (0..SHARDS).map(|shard| orders_of(org, shard));
        let items = self.query_shards(partitions, range, "gsi1sk").await?;
        items.into_iter().map(from_item).collect()
    }

    /// Everything made before this time is settled. 1970 when nothing was swept yet.
    pub async fn load_swept_until(&self, org: OrgId) -> Result<Timestamp, StoreError> {
        let item = self.get(&Key::sweep(org)).await?.unwrap_or_default();
        let millis = item.get("until").and_then(|until| until.as_n().ok()?.parse().ok()).unwrap_or(0);
        Ok(Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH))
    }

    /// Moves the mark forward; a slower sweeper never moves it back.
    pub async fn save_swept_until(&self, org: OrgId, until: Timestamp) -> Result<(), StoreError> {
        let millis = until.as_millisecond();
        let older = |change: Change| change.when("until", "<", n(millis));
        let change = Change::default()
            .set("until", n(millis))
            .set("entity", s("sweep"))
            .when_either(&[&|change| change.when_absent("until"), &older]);
        self.change(&Key::sweep(org), change).await?.map(drop).or(Ok(()))
    }
}
