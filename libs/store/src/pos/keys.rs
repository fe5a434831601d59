//! Keys of the counter's entities: the second column of the table in the crate's documentation.

use domain::{
    ids::{CatalogId, OrgId},
    pos::order::OrderId,
};
use jiff::civil;
use uuid::Uuid;

use crate::keys::Key;

impl Key {
    pub(crate) fn pos_order(org: OrgId, order: OrderId) -> Self {
        Self::new(pos_order(org, order), "ORDER")
    }

    pub(crate) fn lines(org: OrgId, order: OrderId) -> Self {
        Self::new(pos_order(org, order), "LINES")
    }

    pub(crate) fn payment(org: OrgId, order: OrderId, payment: Uuid) -> Self {
        Self::new(pos_order(org, order), format!("PAYMENT#{payment}"))
    }

    pub(crate) fn refund(org: OrgId, order: OrderId, refund: Uuid) -> Self {
        Self::new(pos_order(org, order), format!("REFUND#{refund}"))
    }

    /// Which order a card payment belongs to; an intent belongs to one order for ever. The organization is in the key, so that
    /// nobody can claim another's.
    pub(crate) fn intent(org: OrgId, intent: &str) -> Self {
        Self::new(format!("ORG#{org}#INTENT#{intent}"), "INTENT")
    }

    pub(crate) fn subscription(org: OrgId) -> Self {
        Self::new(format!("ORG#{org}"), "SUBSCRIPTION")
    }

    /// The account at Stripe.
    pub(crate) fn account(org: OrgId) -> Self {
        Self::new(format!("ORG#{org}"), "ACCOUNT")
    }

    /// What a client's idempotency key made.
    pub(crate) fn request(org: OrgId, scope: &str, key_hash: &str) -> Self {
        Self::new(format!("ORG#{org}#REQUEST#{scope}#{key_hash}"), "REQUEST")
    }

    pub(crate) fn weekly_report(org: OrgId, week: civil::Date) -> Self {
        Self::new(format!("ORG#{org}"), format!("WEEK#{week}"))
    }

    /// How many orders an organization has in each status: one of [`SHARDS`](crate::keys::SHARDS) parts.
    pub(crate) fn pos_figures(org: OrgId, shard: u8) -> Self {
        Self::new(format!("ORG#{org}#FIGURES#{shard}"), "FIGURES")
    }
}

/// The partition of an order and all its rows, its receipts' e-mails among them.
pub(crate) fn pos_order(org: OrgId, order: OrderId) -> String {
    format!("ORG#{org}#ORDER#{order}")
}

/// Orders of an organization by time.
pub(crate) fn pos_orders_of(org: OrgId, shard: u8) -> String {
    format!("ORG#{org}#POS#{shard}")
}

/// Orders of a catalog by time.
pub(crate) fn orders_of_catalog(org: OrgId, catalog: CatalogId, shard: u8) -> String {
    format!("ORG#{org}#CATALOG#{catalog}#{shard}")
}

/// Refunds that Stripe has not carried out yet, by time.
pub(crate) fn pending_refunds(shard: u8) -> String {
    format!("REFUNDS#{shard}")
}

/// The organization and order that a partition of an order belongs to.
pub(crate) fn parse_pos_order(pk: &str) -> Option<(OrgId, OrderId)> {
    let (org, order) = pk.strip_prefix("ORG#")?.split_once("#ORDER#")?;
    Some((org.parse().ok()?, order.parse().ok()?))
}
