//! The database: one table, and every access pattern to it by name. The only place that knows keys and expressions.
//!
//! | entity | pk | sk | gsi1pk / gsi1sk | gsi2pk / gsi2sk | read by |
//! |---|---|---|---|---|---|
//! | org | `ORG#{org}` | `ORG` | `ORGS` / name | | id; all (sweeper, operator) |
//! | member | `USER#{user}` | `MEMBER` | `ORG#{org}#MEMBERS` / e-mail | | each request of a signed-in person; members of an org |
//! | token | `TOKEN#{sha256}` | `TOKEN` | | | the Lambda authorizer |
//! | event | `EVENT#{event}` | `EVENT` | `ORG#{org}#EVENTS` / date#created#id | | id; events of an org by date |
//! | stripe | `STOCK#{tier}#{n}` | `STRIPE` | | | all stripes of a tier, together with its event |
//! | order | `ORDER#{number}` | `ORDER` | `ORG#{org}#ORDERS#{shard}` / created#number | `QR#{sha256}` / number | number or id; orders of an org, newest first; a scanned secret |
//! | mail (ticket) | `ORDER#{number}` | `MAIL#ticket` | | while not final: `MAILS#{shard}` / due#name | its order; the outbox sweeper |
//! | mail (to a user) | `USER#{user}` | `MAIL#welcome`, `MAIL#{kind}#{link}`, `MAIL#weekly_report#{monday}` | | the same | its name; the outbox sweeper |
//! | mail (receipt) | `ORG#{org}#ORDER#{order}` | `MAIL#receipt#{id}` | | the same | its name; the outbox sweeper |
//! | gallery | `GALLERY#{gallery}` | `GALLERY` | `ORG#{org}#GALLERIES` / created#id | | id; galleries of an org, newest first |
//! | subscriber | `ORG#{org}#SUBSCRIBER#{e-mail}` | `SUBSCRIBER` | | | e-mail |
//! | audit | `ORG#{org}#AUDIT#{shard}` | millis#id | | | the log of an org, newest first |
//! | pos_order | `ORG#{org}#ORDER#{order}` | `ORDER` | `ORG#{org}#POS#{shard}` / created#id | `ORG#{org}#CATALOG#{catalog}#{shard}` / created#id | id, with all its rows; orders of an org, or of a catalog, newest first |
//! | gone_order | `ORG#{org}#ORDER#{order}` | `ORDER` | | | nobody: an order that was deleted, so that its number does not come again |
//! | pos_lines | `ORG#{org}#ORDER#{order}` | `LINES` | | | its order |
//! | pos_payment | `ORG#{org}#ORDER#{order}` | `PAYMENT#{id}` | | while its refunds are unheard: `REFUNDS#{shard}` / created#id | its order |
//! | pos_refund | `ORG#{org}#ORDER#{order}` | `REFUND#{id}` | | while pending: `REFUNDS#{shard}` / created#id | its order; the sweeper |
//! | held | `ORG#{org}#HELD` | held#id | | | orders of an org that are put aside, newest first |
//! | customer | `ORG#{org}#CUSTOMER#{customer}` | `CUSTOMER` | with a name: `ORG#{org}#NAMES#{shard}` / name#id | `ORG#{org}#CUSTOMERS#{shard}` / e-mail#id | id; customers of an org by the beginning of e-mail or name |
//! | intent | `ORG#{org}#INTENT#{pi}` | `INTENT` | | while it is to be given back: `REFUNDS#{shard}` / noted#pi | Stripe's notices: whose payment it is; the sweeper |
//! | heard_intent | `ORG#{org}#INTENT#{pi}` | `INTENT` | | | whoever links it: its money has come, and no order had it; TTL |
//! | subscription | `ORG#{org}` | `SUBSCRIPTION` | | | its org |
//! | purchase | `PURCHASE#{reference}` | `PURCHASE` | | | notices of the app stores, and who links it: whose it is, and what was said of it last |
//! | account | `ORG#{org}` | `ACCOUNT` | `ACCOUNT#{acct}` / org | | its org; notices of Stripe |
//! | link | `LINK#{sha256}` | `LINK` | | | whoever presents its secret; TTL |
//! | places | `ORG#{org}` | `STAFF` | | | how many places of staff are taken |
//! | resets | `USER#{user}` | `RESETS` | | | up to when a user's links to reset a password are dead |
//! | contact | `CONTACT#{id}` | `CONTACT` | | `CONTACTS` / created#id | the operator; TTL |
//! | news_subscriber | `NEWS#{e-mail}` | `SUBSCRIBER` | | | e-mail |
//! | request | `ORG#{org}#REQUEST#{scope}#{sha256}` | `REQUEST` | | | a repeated request |
//! | pos_figures | `ORG#{org}#FIGURES#{shard}` | `FIGURES` | | | how many orders an org has in each status |
//! | report | `ORG#{org}#REPORTS` | `REPORT#{id}` | `ORG#{org}#REPORTS` / created#id | while not drawn: `REPORTS#{shard}` / created#name | id; reports of an org, newest first; the sweeper; TTL |
//! | weekly_report | `ORG#{org}` | `WEEK#{monday}` | | | who is sent it; TTL |
//! | weeks_asked | `WEEKS` | `WEEKS` | | | up to which week all orgs were asked for their weekly reports |
//! | tip_pool | `ORG#{org}#POOLS` | `POOL#{id}` | | while final and not paid: `PAYOUTS#{shard}` / finalized#name | id; all pools of an org |
//! | catalog | `ORG#{org}#CATALOGS` | `CATALOG#{id}` | | | its id; all catalogs of an org |
//! | catalog_list | `ORG#{org}#CATALOGS` | `LIST` | | | with every catalog: which there are, oldest first |
//! | layout | `ORG#{org}#CATALOG#{catalog}` | `LAYOUT` | | | its catalog: which categories and products it has, in which order |
//! | category | `ORG#{org}#CATALOG#{catalog}` | `CATEGORY#{id}` | | | its catalog |
//! | entry | `ORG#{org}#CATALOG#{catalog}` | `ENTRY#{id of the pair}` | | | its catalog; the catalogs of a product that is deleted |
//! | product | `ORG#{org}#PRODUCTS` | `PRODUCT#{id}` | | | id; all products of an org |
//! | shelf | `ORG#{org}#PRODUCTS` | `SHELF` | | | with every product: how many there are, and which are not seen yet |
//! | split | `ORG#{org}#CATALOG#{catalog}` | `SPLIT#{id}` | `ORG#{org}#SPLITS` / created#id | | its catalog; all splits of an org |
//! | split_list | `ORG#{org}#CATALOG#{catalog}` | `SPLITS` | | | who adds a split to the catalog |
//! | late_sale | `ORG#{org}#LATE` | completed#id | | | the settlement of the day on which it was completed |
//! | settlement | `ORG#{org}#SETTLEMENTS` | `{day}#{catalog}` | | while not paid: `PAYOUTS#{shard}` / created#name | day and catalog |
//! | settled | `ORG#{org}` | `SETTLED` | | | up to which day an org's splits are settled |
//! | settling | `SETTLING` | `SETTLING` | | | which org was settled last, of all |
//! | ledger_balance | `ORG#{org}#LEDGER#{owner}` | `BALANCE` | | | its account |
//! | ledger_entry | `ORG#{org}#LEDGER#{owner}` | `ENTRY#{transfer}` | | | its account, with its balance |
//! | endpoints | `ORG#{org}` | `ENDPOINTS` | | | its org: where it hears of its events; with each batch of changed orders |
//! | delivery | `ORG#{org}#ENDPOINT#{endpoint}` | event's millis#id | | | the log of an endpoint, newest first; TTL |
//! | rate | `RATE#{class}#{address}` | window | | | the limiter; TTL |
//! | sweep | `ORG#{org}` | `SWEEP` | | | up to when all orders of an org are settled |
//!
//! An e-mail's name is its [`MailKey`](domain::mail::MailKey) as JSON, from which its key is known whatever its kind.
//!
//! gsi1 projects everything, gsi2 keys only: a change of an order's status is not paid for there.
//! Keys that take writes with a sale carry a shard; lists over shards are read in parallel and merged.
//!
//! Writes that must happen together are one transaction, and every one is idempotent by its conditions: repeated after
//! a lost answer it fails its condition and finds the state it wanted.

mod audit;
mod error;
mod identity;
mod item;
mod keys;
pub mod ledger;
mod list;
mod merge;
mod outbox;
pub mod pos;
mod rate;
pub mod schema;
mod stock;
mod sweep;
pub mod tickets;
mod tx;

use aws_sdk_dynamodb::Client;

pub use audit::AuditFilter;
pub use error::StoreError;
pub use identity::{
    link::Link,
    place::{Placed, has_place},
    token::{Token, TokenKind},
};
pub use outbox::{Claim, Failure};
pub use tickets::{
    checkin::CheckIn,
    checkin::Entry,
    event::EditEventError,
    newsletter::Subscription,
    order::{Offer, OrderFilter, OrderPage, PlaceError},
};

/// The table, with its access patterns as methods. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    client: Client,
    table: String,
}

impl Store {
    /// A store over `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// The client below, for tools that read the table whole.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The table's name.
    pub fn table(&self) -> &str {
        &self.table
    }
}
