//! Checks the invariants (ARCHITECTURE.md) over a whole table: what the conditions of `store` promise, reckoned again
//! from the items as they lie there.
//!
//! [`check`] is a pure function of the items. A table that is in use changes while it is read, page by page, so what
//! it finds there may be a moment between two pages: [`settle`] reports only what is found again.

mod counter;
mod ledger;
mod mails;
mod orders;
mod places;
mod secrets;
mod stock;

#[cfg(test)]
mod tests;

use std::{collections::HashMap, fmt};

use anyhow::Context;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    keyring::KeyRing,
    mail::{Mail, MailKey},
    stock::Stripe,
    tickets::{event::Event, number::OrderNumber, order::Order},
};
use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, de::DeserializeOwned};
use store::Store;

/// An item as it lies in the table.
pub type Item = HashMap<String, AttributeValue>;

/// Segments that the table is read in at once.
const SEGMENTS: i32 = 4;

/// What else to check than what must hold at every moment.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// E-mails that are not final this long after they were written, or whose worker has been silent for this long
    /// beyond its lease, are stuck; so is what was to be paid out that long ago. `now` is when that is asked.
    pub stuck: Option<(Timestamp, SignedDuration)>,
    /// The keys of the tickets' secrets: with them each ticket's hash is derived again, and its plain text looked for.
    pub keys: Option<KeyRing>,
}

/// One thing that must not be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Violation {
    /// Number of the invariant (ARCHITECTURE.md); 0 for an item that cannot be read at all.
    pub invariant: u8,
    /// Which item: its partition key, with its sort key where that tells more.
    pub entity: String,
    /// What is wrong with it.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invariant {}: {}: {}", self.invariant, self.entity, self.detail)
    }
}

/// What was read, and what is wrong with it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Items of the table.
    pub items: usize,
    /// Of these, events.
    pub events: usize,
    /// Of these, orders.
    pub orders: usize,
    /// Of these, e-mails.
    pub mails: usize,
    /// What must not be, in order.
    pub violations: Vec<Violation>,
}

impl Report {
    fn violation(&mut self, invariant: u8, entity: impl Into<String>, detail: impl Into<String>) {
        self.violations.push(Violation { invariant, entity: entity.into(), detail: detail.into() });
    }
}

/// An order with what its item says besides.
struct OrderItem<'a> {
    order: Order,
    item: &'a Item,
}

/// An e-mail with what its item says besides.
struct MailItem<'a> {
    mail: Mail,
    item: &'a Item,
}

/// The table, sorted by what it is about.
#[derive(Default)]
struct Table<'a> {
    events: Vec<Event>,
    orders: HashMap<OrderNumber, OrderItem<'a>>,
    mails: HashMap<MailKey, MailItem<'a>>,
    /// By partition key.
    stripes: HashMap<&'a str, Stripe>,
}

/// Checks everything over all items of a table.
pub fn check(items: &[Item], options: &Options) -> Report {
    let mut report = Report { items: items.len(), ..Report::default() };
    let table = sort(items, &mut report);
    (report.events, report.orders, report.mails) = (table.events.len(), table.orders.len(), table.mails.len());
    stock::check(&table, &mut report);
    orders::check(&table, &mut report);
    report.orders += counter::check(items, options, &mut report);
    ledger::check(items, options, &mut report);
    mails::check(&table, options, &mut report);
    places::check(items, &mut report);
    secrets::check(items, &table, options, &mut report);
    report.violations.sort();
    report
}

fn sort<'a>(items: &'a [Item], report: &mut Report) -> Table<'a> {
    let mut table = Table::default();
    for item in items {
        match text(item, "entity") {
            "event" => table.events.extend(read::<Event>(item, report)),
            "stripe" => {
                if let Some(stripe) = read(item, report) {
                    table.stripes.insert(text(item, "pk"), stripe);
                }
            }
            "order" => {
                if let Some(order) = read::<Order>(item, report) {
                    table.orders.insert(order.number, OrderItem { order, item });
                }
            }
            "mail" => {
                if let Some(mail) = read::<Mail>(item, report) {
                    table.mails.insert(mail.key, MailItem { mail, item });
                }
            }
            _ => {}
        }
    }
    table
}

fn read<T: DeserializeOwned>(item: &Item, report: &mut Report) -> Option<T> {
    match serde_dynamo::from_item(item.clone()) {
        Ok(value) => Some(value),
        Err(error) => {
            report.violation(0, format!("{} {}", text(item, "pk"), text(item, "sk")), error.to_string());
            None
        }
    }
}

fn text<'a>(item: &'a Item, name: &str) -> &'a str {
    item.get(name).and_then(|value| value.as_s().ok()).map_or("", String::as_str)
}

/// Reads every item, several segments at once, as it is now.
pub async fn scan(store: &Store) -> anyhow::Result<Vec<Item>> {
    let segments = (0..SEGMENTS).map(|segment| async move {
        let request = store.client().scan().table_name(store.table()).consistent_read(true);
        let mut pages = request.segment(segment).total_segments(SEGMENTS).into_paginator().items().send();
        let mut items = Vec::new();
        while let Some(item) = pages.next().await {
            items.push(item?);
        }
        anyhow::Ok(items)
    });
    let segments = futures_util::future::try_join_all(segments).await;
    Ok(segments.with_context(|| format!("reading table {}", store.table()))?.concat())
}

/// Reads a table that nobody writes to meanwhile, and checks it.
pub async fn load(store: &Store) -> anyhow::Result<Report> {
    Ok(check(&scan(store).await?, &Options::default()))
}

/// Reads a table that may be in use: what is found is looked for again twice, `pause` apart, and reported if it is
/// still there.
pub async fn settle(store: &Store, options: &Options, pause: std::time::Duration) -> anyhow::Result<Report> {
    let mut report = check(&scan(store).await?, options);
    for _ in 0..2 {
        if report.violations.is_empty() {
            break;
        }
        tokio::time::sleep(pause).await;
        let again = check(&scan(store).await?, options);
        let suspects: Vec<(u8, String)> = report.violations.drain(..).map(|v| (v.invariant, v.entity)).collect();
        report = again;
        report.violations.retain(|v| suspects.iter().any(|(invariant, e)| *invariant == v.invariant && *e == v.entity));
    }
    Ok(report)
}
