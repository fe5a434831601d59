//! Sales of an organization: its orders over time, as lists, figures and reports read them.
//!
//! An order is found by when it was made. All of these read an index, which may lag behind the table by a moment.

use std::{collections::HashMap, ops::ControlFlow};

use domain::{
    ids::{CatalogId, OrgId},
    money::Cents,
    pos::order::{FullOrder, Line, Order, OrderId, Payment, Status, payment_id},
};
use futures_util::future::try_join_all;
use jiff::Timestamp;

use super::{Pos, keys, list::is_order, order::Lines};
use crate::{
    error::StoreError,
    item::{Item, from_item, text},
    keys::{Key, SHARDS, moment},
    list::Range,
    merge::Merge,
};

/// Which orders are wanted. Everything absent means: any.
#[derive(Clone, Debug, Default)]
pub struct SaleFilter {
    /// In one of these; empty is any.
    pub statuses: Vec<Status>,
    /// Sold from this catalog.
    pub catalog: Option<CatalogId>,
    /// Sold with this phone.
    pub device: Option<String>,
    /// With this address, lower case.
    pub customer_email: Option<String>,
    /// Made at this time or later.
    pub from: Option<Timestamp>,
    /// Made before this time.
    pub to: Option<Timestamp>,
    /// Of this total or more.
    pub min: Option<Cents>,
    /// Of this total or less.
    pub max: Option<Cents>,
    /// True: only those of which something was given back; false: only others.
    pub refunded: Option<bool>,
}

/// The index of keys by catalog, and its sort key.
const BY_CATALOG: (&str, &str) = ("gsi2", "gsi2sk");

/// Items that are looked at in one go when few of those before were wanted.
const MOST_AT_ONCE: usize = 400;

impl SaleFilter {
    /// What the database looks for itself. A phone's or a customer's orders are few among many, and are sought where orders
    /// lie whole.
    fn equal(&self) -> Vec<(&'static str, String)> {
        let equal = [("device", self.device.clone()), ("customer_email", self.customer_email.clone())];
        let mut equal: Vec<_> = equal.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        if let Some(catalog) = self.catalog.filter(|_| !equal.is_empty()) {
            equal.push(("catalog", catalog.to_string()));
        }
        equal
    }

    /// Where they are found: a catalog's orders have an index of their own, of keys only.
    fn index(&self) -> (&'static str, &'static str) {
        let by_catalog = self.catalog.is_some() && self.equal().is_empty();
        if by_catalog { BY_CATALOG } else { ("gsi1", "gsi1sk") }
    }

    fn keeps(&self, order: &Order) -> bool {
        (self.statuses.is_empty() || self.statuses.contains(&order.status))
            && self.catalog.is_none_or(|catalog| order.catalog == Some(catalog))
            && self.device.as_ref().is_none_or(|device| order.device.as_ref() == Some(device))
            && self.customer_email.as_ref().is_none_or(|email| order.customer_email.as_ref() == Some(email))
            && self.min.is_none_or(|min| order.total >= min)
            && self.max.is_none_or(|max| order.total <= max)
            && self.refunded.is_none_or(|refunded| refunded != order.refunded.is_zero())
    }
}

/// In which order sales are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// As a list is usually read.
    #[default]
    NewestFirst,
    /// As they were made.
    OldestFirst,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct SalePage {
    /// The orders.
    pub orders: Vec<Order>,
    /// True when more follow.
    pub has_more: bool,
}

/// Orders that are being read, some at a time.
pub(super) struct SaleReader<'a> {
    pos: Pos<'a>,
    filter: SaleFilter,
    sales: Merge<'a>,
}

impl SaleReader<'_> {
    /// The next orders, about `count` of them; none once all were read.
    pub(super) async fn next(&mut self, count: usize) -> Result<Vec<Order>, StoreError> {
        let mut orders = Vec::new();
        while orders.is_empty() {
            let mut items = Vec::with_capacity(count);
            while items.len() < count {
                let Some(item) = self.sales.next().await? else { break };
                items.push(item);
            }
            if items.is_empty() {
                break;
            }
            let items = if self.filter.index() == BY_CATALOG { self.pos.load_whole(items).await? } else { items };
            let read = items.into_iter().map(from_item).collect::<Result<Vec<Order>, _>>()?;
            orders.extend(read.into_iter().filter(|order| self.filter.keeps(order)));
        }
        Ok(orders)
    }
}

impl<'a> Pos<'a> {
    /// Orders made from `from` to before `to` in one of these statuses (none named: any), newest first, `limit` at most.
    /// As many as the limit means that there may be more: use [`Pos::each_sale`] for sums.
    pub async fn list_sales(
        &self,
        org: OrgId,
        from: Timestamp,
        to: Timestamp,
        statuses: &[Status],
        limit: usize,
    ) -> Result<Vec<Order>, StoreError> {
        let filter = SaleFilter { statuses: statuses.to_vec(), from: Some(from), to: Some(to), ..Default::default() };
        Ok(self.page_sales(org, &filter, Direction::NewestFirst, None, limit).await?.orders)
    }

    /// Gives `each` every order made from `from` to before `to` in one of these statuses (none named: any), newest first,
    /// until it breaks. However many there are, only a few pages of them are in memory at a time.
    pub async fn each_sale(
        &self,
        org: OrgId,
        from: Timestamp,
        to: Timestamp,
        statuses: &[Status],
        mut each: impl FnMut(Order) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let filter = SaleFilter { statuses: statuses.to_vec(), from: Some(from), to: Some(to), ..Default::default() };
        let mut sales = self.merge_sales(org, &filter, Direction::NewestFirst, None, usize::from(u16::MAX));
        while let Some(item) = sales.next().await? {
            let order: Order = from_item(item)?;
            if filter.keeps(&order) && each(order).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Begins to read all orders that are wanted, newest first. Read by [`SaleReader::next`].
    pub(super) fn read_sales(self, org: OrgId, filter: SaleFilter) -> SaleReader<'a> {
        let sales = self.merge_sales(org, &filter, Direction::NewestFirst, None, usize::from(u16::MAX));
        SaleReader { pos: self, filter, sales }
    }

    /// A part of a list, beginning behind the order `after`. A catalog's orders are found by the catalog's own index, so
    /// that one which sold little among many is as quick to list as one which sold all. The fewer of them are wanted, the more
    /// are looked at in one go.
    pub async fn page_sales(
        &self,
        org: OrgId,
        filter: &SaleFilter,
        direction: Direction,
        after: Option<&Order>,
        limit: usize,
    ) -> Result<SalePage, StoreError> {
        let behind = after.map(|after| moment(after.created_at, &after.id.to_string()));
        let mut sales = self.merge_sales(org, filter, direction, behind.as_deref(), limit + 1);
        let mut orders = Vec::new();
        let mut wanted = (limit + 1).clamp(25, 100);
        while orders.len() <= limit {
            let mut items = Vec::with_capacity(wanted);
            while items.len() < wanted {
                let Some(item) = sales.next().await? else { break };
                if behind.as_deref() != text(&item, sales.sort_key) {
                    items.push(item);
                }
            }
            if items.is_empty() {
                break;
            }
            let read = if filter.index() == BY_CATALOG { self.load_whole(items).await? } else { items };
            let read = read.into_iter().map(from_item).collect::<Result<Vec<Order>, _>>()?;
            let before = orders.len();
            orders.extend(read.into_iter().filter(|order| filter.keeps(order)));
            if (orders.len() - before) * 2 < wanted {
                wanted = (wanted * 4).min(MOST_AT_ONCE);
            }
        }
        let has_more = orders.len() > limit;
        orders.truncate(limit);
        Ok(SalePage { orders, has_more })
    }

    /// Orders by time, beginning at the sort key `behind`.
    fn merge_sales(
        &self,
        org: OrgId,
        filter: &SaleFilter,
        direction: Direction,
        behind: Option<&str>,
        limit: usize,
    ) -> Merge<'a> {
        let descending = direction == Direction::NewestFirst;
        let mut from = filter.from.map(|from| moment(from, ""));
        // No order has the bare moment for a sort key: "up to it" is "before it".
        let mut to = filter.to.map(|to| moment(to, ""));
        if let Some(behind) = behind.map(str::to_owned) {
            if descending {
                to = Some(to.map_or(behind.clone(), |to| to.min(behind)));
            } else {
                from = Some(from.map_or(behind.clone(), |from| from.max(behind)));
            }
        }
        let nothing = matches!((&from, &to), (Some(from), Some(to)) if from > to);
        let shards = 0..if nothing { 0 } else { SHARDS };
        let (index, sort_key) = filter.index();
        let equal = filter.equal();
        // Of what is looked at some is not wanted.
        let limit = if equal.is_empty() { limit } else { limit.saturating_mul(4) };
        let range = Range { index: Some(index), from, to, descending, equal, limit, ..Range::default() };
        let partition = |shard| match filter.catalog.filter(|_| filter.index() == BY_CATALOG) {
            Some(catalog) => keys::orders_of_catalog(org, catalog, shard),
            None => keys::pos_orders_of(org, shard),
        };
        self.0.merge(shards.map(partition), range, sort_key)
    }

    /// Whole items of those of which an index gave the keys only, in the same order.
    pub(super) async fn load_whole(&self, items: Vec<Item>) -> Result<Vec<Item>, StoreError> {
        let key = |item: &Item| text(item, "pk").unwrap_or_default().to_owned();
        let wanted: Vec<String> = items.iter().map(key).collect();
        let keys = wanted.iter().map(|pk| Key::new(pk.clone(), "ORDER").item()).collect();
        let read = self.0.batch_get(keys, false).await?;
        let whole = read.into_iter().filter(is_order);
        let mut read: HashMap<String, Item> = whole.map(|item| (key(&item), item)).collect();
        Ok(wanted.iter().filter_map(|pk| read.remove(pk)).collect())
    }

    /// Orders with all their rows, in no particular order; one query each.
    pub async fn load_orders(&self, org: OrgId, orders: &[OrderId]) -> Result<Vec<FullOrder>, StoreError> {
        let loaded = try_join_all(orders.iter().map(|order| self.load_order(org, *order))).await?;
        Ok(loaded.into_iter().flatten().collect())
    }

    /// The lines of orders; those that have none are left out.
    pub async fn load_lines(&self, org: OrgId, orders: &[OrderId]) -> Result<HashMap<OrderId, Vec<Line>>, StoreError> {
        let keys = orders.iter().map(|order| Key::lines(org, *order).item()).collect();
        let items = self.0.batch_get(keys, false).await?;
        items.into_iter().filter_map(|item| Some((order_of(&item)?, item))).map(read_lines).collect()
    }

    /// The card payments that are linked to orders; those that have none, or were not paid by it, are left out.
    pub async fn load_card_payments(&self, orders: &[Order]) -> Result<HashMap<OrderId, Payment>, StoreError> {
        let key = |order: &Order| Some(Key::payment(order.org, order.id, payment_id(order.intent.as_ref()?)).item());
        let items = self.0.batch_get(orders.iter().filter_map(key).collect(), false).await?;
        let payment = |item: Item| Some((order_of(&item)?, item));
        items.into_iter().filter_map(payment).map(|(order, item)| Ok((order, from_item(item)?))).collect()
    }
}

fn read_lines((order, item): (OrderId, Item)) -> Result<(OrderId, Vec<Line>), StoreError> {
    Ok((order, from_item::<Lines>(item)?.lines))
}

/// The order whose row this is.
fn order_of(item: &Item) -> Option<OrderId> {
    text(item, "pk")?.rsplit('#').next()?.parse().ok()
}
