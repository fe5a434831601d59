//! The sweeper's view of money that goes back at the counter: what waits for Stripe.

use domain::{ids::OrgId, pos::order::OrderId};
use jiff::Timestamp;

use super::{Pos, keys, order::Return};
use crate::{
    error::StoreError,
    item::{from_item, text},
    keys::{Key, SHARDS, moment},
    list::Range,
};

/// What waits for Stripe.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pending {
    /// Orders with refunds that have not ended, or with a card payment of which something may have gone back unheard; each
    /// once.
    pub orders: Vec<(OrgId, OrderId)>,
    /// Card payments that no order could take.
    pub returns: Vec<Return>,
}

impl Pos<'_> {
    /// What was pending at `until` and has not ended yet, oldest first.
    pub async fn list_pending_refunds(&self, until: Timestamp, limit: usize) -> Result<Pending, StoreError> {
        let range = Range { index: Some("gsi2"), to: Some(moment(until, "~")), limit, ..Range::default() };
        let items = self.0.query_shards((0..SHARDS).map(keys::pending_refunds), range, "gsi2sk").await?;
        let mut pending = Pending::default();
        let mut intents = Vec::new();
        for item in items {
            let Some(pk) = text(&item, "pk") else { continue };
            match keys::parse_pos_order(pk) {
                Some(order) if pending.orders.contains(&order) => {}
                Some(order) => pending.orders.push(order),
                None => intents.push(Key::new(pk.to_owned(), text(&item, "sk").unwrap_or_default().to_owned()).item()),
            }
        }
        // The index has the keys only.
        let returns = self.0.batch_get(intents, true).await?;
        pending.returns = returns.into_iter().map(from_item).collect::<Result<_, _>>()?;
        Ok(pending)
    }
}
