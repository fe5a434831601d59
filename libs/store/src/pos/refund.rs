//! The sweeper's view of refunds at the counter: those that wait for Stripe.

use domain::{ids::OrgId, pos::order::OrderId};
use jiff::Timestamp;

use super::{Pos, keys};
use crate::{
    error::StoreError,
    item::text,
    keys::{SHARDS, moment},
    list::Range,
};

impl Pos<'_> {
    /// Orders with refunds that were pending at `until` and have not ended yet, oldest first, each once.
    pub async fn list_pending_refunds(
        &self,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(OrgId, OrderId)>, StoreError> {
        let range = Range { index: Some("gsi2"), to: Some(moment(until, "~")), limit, ..Range::default() };
        let items = self.0.query_shards((0..SHARDS).map(keys::pending_refunds), range, "gsi2sk").await?;
        let mut orders = Vec::new();
        for order in items.iter().filter_map(|item| keys::parse_pos_order(text(item, "pk")?)) {
            if !orders.contains(&order) {
                orders.push(order);
            }
        }
        Ok(orders)
    }
}
