//! Customers: one item each, whose totals move with the orders that name it, in their transactions.
//!
//! Those of an organization are in order of their address (gsi2) and, where they have one, of their name (gsi1), so that a
//! search is the beginning of either. An order never gives a name: those without one are not paid for in gsi1.

use std::collections::BTreeSet;

use domain::{
    ids::{CatalogId, CustomerId, OrgId},
    money::Cents,
    pos::{
        customer::{Customer, Tally, customer_id, tally},
        order::Order,
    },
};
use futures_util::future::try_join_all;
use jiff::Timestamp;

use super::{Pos, keys};
use crate::{
    error::StoreError,
    item::{Item, from_item, n, s, text},
    keys::{Key, SHARDS, shard_of},
    list::Range,
    tx::{Change, Tx, TxError},
};

/// What was entered of somebody.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contact {
    /// Lower case.
    pub email: String,
    /// Absent leaves what is known.
    pub name: Option<String>,
    /// Absent leaves what is known.
    pub phone: Option<String>,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct CustomerPage {
    /// By e-mail; those that were found by their name alone come last.
    pub customers: Vec<Customer>,
    /// How many there are in all.
    pub total: u64,
}

/// Who somebody is; written again whenever they come, and the same each time.
fn identify(id: CustomerId, org: OrgId, catalog: Option<CatalogId>, email: &str, at: Timestamp) -> Change {
    let name = id.to_string();
    Change::default()
        .set("entity", s("customer"))
        .set("id", s(&name))
        .set("org", s(org.to_string()))
        .set_some("catalog", catalog.map(|catalog| s(catalog.to_string())))
        .set("email", s(email))
        .set_if_absent("created_at", n(at.as_millisecond()))
        .set("gsi2pk", s(keys::customers_of(org, shard_of(&name))))
        .set("gsi2sk", s(format!("{email}#{name}")))
}

/// What is entered of somebody, whatever they are known by.
fn enter(id: CustomerId, org: OrgId, contact: &Contact, now: Timestamp) -> Change {
    let change = identify(id, org, None, &contact.email, now).set_some("phone", contact.phone.as_ref().map(s));
    let Some(name) = &contact.name else { return change };
    let partition = keys::named_customers_of(org, shard_of(&id.to_string()));
    change.set("name", s(name)).set("gsi1pk", s(partition)).set("gsi1sk", s(name_key(name, id)))
}

impl Tx<'_> {
    /// Moves the totals of the customers whom an order names, named or will not name any more.
    pub(super) fn tally_customers(self, before: Option<&Order>, after: Option<&Order>) -> Result<Self, StoreError> {
        tally(before, after).into_iter().try_fold(self, |tx, tally| {
            let Tally { id, org, catalog, email, orders, spent, at } = tally;
            let mut change = identify(id, org, catalog, &email, at);
            change = change.add("total_orders", n(orders)).add("total_spent", n(spent.0));
            change = match (before, orders) {
                (None, 1) => change.set("last_order_at", n(at.as_millisecond())),
                // Named only now: they may have bought since.
                (Some(_), 1) => change.set_if_absent("last_order_at", n(at.as_millisecond())),
                _ => change,
            };
            tx.update(&Key::customer(org, id), change)
        })
    }
}

impl Pos<'_> {
    /// Enters somebody by hand, or what is new of them, in every catalog that knows them: the customer without a catalog, or
    /// else who bought last. True: they were not known before.
    pub async fn save_customer(
        &self,
        org: OrgId,
        contact: &Contact,
        now: Timestamp,
    ) -> Result<(Customer, bool), StoreError> {
        let id = customer_id(org, None, &contact.email);
        let mut known = self.find_by_address(org, &contact.email).await?;
        known.insert(id);
        loop {
            let present = |id: &CustomerId| {
                let change = enter(*id, org, contact, now).when_present("pk");
                let key = Key::customer(org, *id);
                async move { self.0.change(&key, change).await }
            };
            let saved = try_join_all(known.iter().map(present)).await?.into_iter().filter_map(Result::ok);
            let saved = saved.map(from_item).collect::<Result<Vec<Customer>, _>>()?;
            let first = |customer: &Customer| (customer.catalog.is_none(), customer.last_order_at);
            if let Some(customer) = saved.into_iter().max_by_key(first) {
                return Ok((customer, false));
            }
            let change = enter(id, org, contact, now).when_absent("pk");
            if let Ok(item) = self.0.change(&Key::customer(org, id), change).await? {
                return Ok((from_item(item)?, true));
            }
        }
    }

    /// Who has this address: one for each catalog that knows it.
    async fn find_by_address(&self, org: OrgId, email: &str) -> Result<BTreeSet<CustomerId>, StoreError> {
        let partitions = (0..SHARDS).map(|shard| keys::customers_of(org, shard));
        let items = self.0.query_shards(partitions, beginning_with("gsi2", &format!("{email}#")), "gsi2sk").await?;
        let id = |item: &Item| text(item, "gsi2sk")?.rsplit('#').next()?.parse().ok();
        Ok(items.iter().filter_map(id).collect())
    }

    /// One customer.
    pub async fn load_customer(&self, org: OrgId, customer: CustomerId) -> Result<Option<Customer>, StoreError> {
        self.0.get(&Key::customer(org, customer)).await?.map(from_item).transpose()
    }

    /// Counts an order that was made elsewhere. False when there is no such customer.
    pub async fn record_order(
        &self,
        org: OrgId,
        customer: CustomerId,
        total: Cents,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let change = Change::default()
            .add("total_orders", n(1))
            .add("total_spent", n(total.0))
            .set("last_order_at", n(now.as_millisecond()))
            .when_present("pk");
        match self.0.tx().update(&Key::customer(org, customer), change)?.commit().await {
            Ok(()) => Ok(true),
            Err(TxError::Refused(_)) => Ok(false),
            Err(TxError::Store(error)) => Err(error),
        }
    }

    /// Customers whose e-mail or name begins with `search` (lower case; empty: all of them), from `offset`.
    pub async fn list_customers(
        &self,
        org: OrgId,
        search: &str,
        offset: usize,
        limit: usize,
    ) -> Result<CustomerPage, StoreError> {
        let end = offset.saturating_add(limit);
        let (found, count, named) = tokio::try_join!(
            self.find_by_email(org, search, offset, limit),
            self.count_by_email(org, search),
            self.find_by_name(org, search)
        )?;
        let mut customers = found;
        let by_email = usize::try_from(count).unwrap_or(usize::MAX);
        let total = count + named.len() as u64;
        if end > by_email {
            customers.extend(named.into_iter().skip(offset.saturating_sub(by_email)).take(limit - customers.len()));
        }
        Ok(CustomerPage { customers, total })
    }

    /// The first customers of such a list, without how many there are.
    pub async fn search_customers(&self, org: OrgId, search: &str, limit: usize) -> Result<Vec<Customer>, StoreError> {
        let (mut customers, named) =
            tokio::try_join!(self.find_by_email(org, search, 0, limit), self.find_by_name(org, search))?;
        customers.extend(named);
        customers.truncate(limit);
        Ok(customers)
    }

    async fn find_by_email(
        &self,
        org: OrgId,
        search: &str,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<Customer>, StoreError> {
        let range = Range { limit: offset + limit, ..beginning_with("gsi2", search) };
        let partitions = (0..SHARDS).map(|shard| keys::customers_of(org, shard));
        let mut list = self.0.merge(partitions, range, "gsi2sk");
        let mut found = Vec::new();
        for position in 0..offset + limit {
            let Some(item) = list.next().await? else { break };
            if position >= offset {
                found.push(item);
            }
        }
        self.load_customers(found).await
    }

    async fn count_by_email(&self, org: OrgId, search: &str) -> Result<u64, StoreError> {
        let range = |shard| Range { pk: keys::customers_of(org, shard), ..beginning_with("gsi2", search) };
        let counts = (0..SHARDS).map(|shard| async move { self.0.count(&range(shard)).await });
        Ok(try_join_all(counts).await?.into_iter().sum())
    }

    /// Those whose name begins so, and whose e-mail does not: they are few, since names are entered by hand.
    async fn find_by_name(&self, org: OrgId, search: &str) -> Result<Vec<Customer>, StoreError> {
        if search.is_empty() {
            return Ok(vec![]);
        }
        let partitions = (0..SHARDS).map(|shard| keys::named_customers_of(org, shard));
        let range = Range { limit: MOST_NAMED, ..beginning_with("gsi1", search) };
        let items = self.0.query_shards(partitions, range, "gsi1sk").await?;
        let customers = items.into_iter().map(from_item).collect::<Result<Vec<Customer>, _>>()?;
        Ok(customers.into_iter().filter(|customer| !customer.email.starts_with(search)).collect())
    }

    /// Whole customers of those of which an index gave the keys only, in the same order.
    async fn load_customers(&self, items: Vec<Item>) -> Result<Vec<Customer>, StoreError> {
        let sort_key = |item: &Item| text(item, "gsi2sk").unwrap_or_default().to_owned();
        let key = |item: &Item| {
            Some(Item::from([("pk".into(), item.get("pk")?.clone()), ("sk".into(), item.get("sk")?.clone())]))
        };
        let mut read = self.0.batch_get(items.iter().filter_map(key).collect(), false).await?;
        read.sort_by_key(sort_key);
        read.into_iter().map(from_item).collect()
    }
}

/// Names of a search at most: beyond, one types a letter more.
const MOST_NAMED: usize = 1000;

fn name_key(name: &str, id: CustomerId) -> String {
    format!("{}#{id}", name.to_lowercase())
}

/// All sort keys that begin so.
fn beginning_with(index: &'static str, search: &str) -> Range {
    let (from, to) =
        if search.is_empty() { (None, None) } else { (Some(search.to_owned()), Some(format!("{search}\u{10ffff}"))) };
    Range { index: Some(index), from, to, limit: usize::MAX, ..Range::default() }
}
