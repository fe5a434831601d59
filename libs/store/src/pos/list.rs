//! Lists of orders, newest first, with how many there are.
//!
//! A first page costs the same whether there are ten orders or a hundred thousand: it reads as much of each shard as a page
//! needs, and the figures that were counted with the sales. Only what has no figure is counted by reading all of it.

use domain::{
    ids::{CatalogId, CustomerId, OrgId, UserId},
    pos::order::{Order, OrderId, Status},
};
use futures_util::future::{try_join, try_join_all};

use super::{Pos, keys};
use crate::{
    error::StoreError,
    item::{Item, from_item, text},
    keys::{Key, SHARDS},
    list::Range,
};

/// Orders that are put aside at most, of which a list is given.
const MOST_HELD: usize = 500;

/// Which orders are wanted. Everything absent means: any.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OrderFilter {
    /// Where they stand.
    pub status: Option<Status>,
    /// Sold from this catalog.
    pub catalog: Option<CatalogId>,
    /// This customer's.
    pub customer: Option<CustomerId>,
    /// Sold by them.
    pub user: Option<UserId>,
    /// Sold with this phone.
    pub device: Option<String>,
}

impl OrderFilter {
    fn equal(&self) -> Vec<(&'static str, String)> {
        let equal = [
            ("status", self.status.map(|status| status.as_str().to_owned())),
            ("catalog", self.catalog.map(|catalog| catalog.to_string())),
            ("customer", self.customer.map(|customer| customer.to_string())),
            ("user", self.user.map(|user| user.to_string())),
            ("device", self.device.clone()),
        ];
        equal.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    fn keeps(&self, order: &Order) -> bool {
        self.status.is_none_or(|status| order.status == status)
            && self.catalog.is_none_or(|catalog| order.catalog == Some(catalog))
            && self.customer.is_none_or(|customer| order.customer == Some(customer))
            && self.user.is_none_or(|user| order.user == user)
            && self.device.as_ref().is_none_or(|device| order.device.as_ref() == Some(device))
    }
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderPage {
    /// Newest first.
    pub orders: Vec<Order>,
    /// How many there are in all.
    pub total: u64,
}

impl Pos<'_> {
    /// Orders of an organization from `offset`, newest first, `limit` at most.
    pub async fn list_orders(
        &self,
        org: OrgId,
        filter: &OrderFilter,
        offset: usize,
        limit: usize,
    ) -> Result<OrderPage, StoreError> {
        if filter.status == Some(Status::Held) {
            return self.list_held_by_age(org, filter, offset, limit).await;
        }
        if offset == 0 {
            // The first page, which is asked for most, does not wait for the figures.
            let (total, orders) =
                try_join(self.count_orders(org, filter), self.read_orders(org, filter, 0, limit)).await?;
            return Ok(OrderPage { orders, total });
        }
        let total = self.count_orders(org, filter).await?;
        let wanted = limit.min(usize::try_from(total).unwrap_or(usize::MAX).saturating_sub(offset));
        let orders = self.read_orders(org, filter, offset, wanted).await?;
        Ok(OrderPage { orders, total })
    }

    /// Orders that are put aside, the last one first; with `device`, those of one phone.
    pub async fn list_held_orders(&self, org: OrgId, device: Option<&str>) -> Result<Vec<Order>, StoreError> {
        let equal = device.map(|device| ("device", device.to_owned())).into_iter().collect();
        let pk = keys::held_orders_of(org);
        let range = Range { pk, equal, descending: true, consistent: true, limit: MOST_HELD, ..Range::default() };
        let held = self.0.query(range).await?;
        let order = |item| Some(Key::pos_order(org, text(item, "order")?.parse::<OrderId>().ok()?).item());
        let items = self.0.batch_get(held.iter().filter_map(order).collect(), true).await?;
        let mut orders = items.into_iter().filter(is_order).map(from_item).collect::<Result<Vec<Order>, _>>()?;
        // One that was resumed between the two reads is none any more.
        orders.retain(|order| order.status == Status::Held);
        orders.sort_by_key(|order| std::cmp::Reverse((order.held_at, order.id.to_string())));
        Ok(orders)
    }

    async fn list_held_by_age(
        &self,
        org: OrgId,
        filter: &OrderFilter,
        offset: usize,
        limit: usize,
    ) -> Result<OrderPage, StoreError> {
        let mut orders = self.list_held_orders(org, filter.device.as_deref()).await?;
        orders.retain(|order| filter.keeps(order));
        orders.sort_by_key(|order| std::cmp::Reverse((order.created_at, order.id.to_string())));
        let total = orders.len() as u64;
        Ok(OrderPage { orders: orders.into_iter().skip(offset).take(limit).collect(), total })
    }

    async fn count_orders(&self, org: OrgId, filter: &OrderFilter) -> Result<u64, StoreError> {
        if filter == &(OrderFilter { status: filter.status, ..OrderFilter::default() }) {
            let figures = self.load_figures(org).await?;
            let counted =
                figures.into_iter().filter(|(status, _)| filter.status.is_none_or(|wanted| wanted == *status));
            return Ok(counted.map(|(_, count)| u64::try_from(count).unwrap_or_default()).sum());
        }
        let counts = (0..SHARDS).map(|shard| async move { self.0.count(&order_range(org, filter, shard)).await });
        Ok(try_join_all(counts).await?.into_iter().sum())
    }

    async fn read_orders(
        &self,
        org: OrgId,
        filter: &OrderFilter,
        offset: usize,
        wanted: usize,
    ) -> Result<Vec<Order>, StoreError> {
        let shards = (0..if wanted > 0 { SHARDS } else { 0 }).map(|shard| order_range(org, filter, shard).pk);
        let range = Range { limit: offset + wanted, descending: true, ..order_range(org, filter, 0) };
        let keys_only = range.index == Some("gsi2");
        let mut list = self.0.merge(shards, range, if keys_only { "gsi2sk" } else { "gsi1sk" });
        let mut items = Vec::with_capacity(wanted);
        for position in 0..offset + wanted {
            let Some(item) = list.next().await? else { break };
            if position >= offset {
                items.push(item);
            }
        }
        let items = if keys_only { self.load_whole(items).await? } else { items };
        items.into_iter().map(from_item).collect()
    }
}

/// Not one that was deleted since the index was read.
pub(super) fn is_order(item: &Item) -> bool {
    text(item, "entity") == Some("pos_order")
}

/// Where one shard of such a list is. A catalog's orders have an index of their own, of keys only; everything else is sought
/// among all orders.
fn order_range(org: OrgId, filter: &OrderFilter, shard: u8) -> Range {
    let catalog = OrderFilter { catalog: filter.catalog, ..OrderFilter::default() };
    match filter.catalog.filter(|_| filter == &catalog) {
        Some(catalog) => {
            Range { index: Some("gsi2"), pk: keys::orders_of_catalog(org, catalog, shard), ..Range::default() }
        }
        None => {
            let (pk, equal) = (keys::pos_orders_of(org, shard), filter.equal());
            Range { index: Some("gsi1"), pk, equal, ..Range::default() }
        }
    }
}
