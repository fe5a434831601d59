//! Keys of the counter's entities: the second column of the table in the crate's documentation.

use domain::{
    ids::{
        CatalogId, CatalogProductId, CategoryId, CustomerId, EndpointId, OrgId, PoolId, ProductId, ReportId, SplitId,
        UserId,
    },
    ledger::Owner,
    pos::order::OrderId,
};
use jiff::{Timestamp, civil};
use uuid::Uuid;

use crate::keys::{Key, moment};

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

    /// What was bought in an app store, and whose it is.
    pub(crate) fn purchase(reference: &str) -> Self {
        Self::new(format!("PURCHASE#{reference}"), "PURCHASE")
    }

    /// The account at Stripe.
    pub(crate) fn account(org: OrgId) -> Self {
        Self::new(format!("ORG#{org}"), "ACCOUNT")
    }

    /// A link that somebody was sent by e-mail.
    pub(crate) fn link(hash: &str) -> Self {
        Self::new(format!("LINK#{hash}"), "LINK")
    }

    /// When a user last had their password reset: links of before are dead.
    pub(crate) fn resets(user: UserId) -> Self {
        Self::new(format!("USER#{user}"), "RESETS")
    }

    /// A message to us.
    pub(crate) fn contact(id: Uuid) -> Self {
        Self::new(format!("CONTACT#{id}"), "CONTACT")
    }

    /// Somebody who wants our news.
    pub(crate) fn news_subscriber(email: &str) -> Self {
        Self::new(format!("NEWS#{email}"), "SUBSCRIBER")
    }

    /// Which catalogs an organization has.
    pub(crate) fn catalog_list(org: OrgId) -> Self {
        Self::new(catalogs_of(org), "LIST")
    }

    /// A catalog by itself: its layout, categories, products and splits are in a partition of its own.
    pub(crate) fn catalog(org: OrgId, catalog: CatalogId) -> Self {
        Self::new(catalogs_of(org), format!("CATALOG#{catalog}"))
    }

    /// Which categories and products a catalog has, and in which order.
    pub(crate) fn layout(org: OrgId, catalog: CatalogId) -> Self {
        Self::new(self::catalog(org, catalog), "LAYOUT")
    }

    pub(crate) fn category(org: OrgId, catalog: CatalogId, category: CategoryId) -> Self {
        Self::new(self::catalog(org, catalog), format!("CATEGORY#{category}"))
    }

    /// A product in a catalog.
    pub(crate) fn entry(org: OrgId, catalog: CatalogId, entry: CatalogProductId) -> Self {
        Self::new(self::catalog(org, catalog), format!("ENTRY#{entry}"))
    }

    pub(crate) fn product(org: OrgId, product: ProductId) -> Self {
        Self::new(library_of(org), format!("PRODUCT#{product}"))
    }

    /// How many products an organization has.
    pub(crate) fn shelf(org: OrgId) -> Self {
        Self::new(library_of(org), "SHELF")
    }

    /// What a client's idempotency key made.
    pub(crate) fn request(org: OrgId, scope: &str, key_hash: &str) -> Self {
        Self::new(format!("ORG#{org}#REQUEST#{scope}#{key_hash}"), "REQUEST")
    }

    pub(crate) fn weekly_report(org: OrgId, week: civil::Date) -> Self {
        Self::new(format!("ORG#{org}"), format!("WEEK#{week}"))
    }

    /// A report that somebody asked for.
    pub(crate) fn report(org: OrgId, report: ReportId) -> Self {
        Self::new(reports_of(org), format!("REPORT#{report}"))
    }

    /// Up to which week organizations were asked for their weekly reports.
    pub(crate) fn weeks_asked() -> Self {
        Self::new("WEEKS".to_owned(), "WEEKS")
    }

    /// An order that is put aside, in the list of all that are.
    pub(crate) fn held(org: OrgId, at: Timestamp, order: OrderId) -> Self {
        Self::new(held_orders_of(org), moment(at, &order.to_string()))
    }

    pub(crate) fn customer(org: OrgId, customer: CustomerId) -> Self {
        Self::new(format!("ORG#{org}#CUSTOMER#{customer}"), "CUSTOMER")
    }

    /// How many orders an organization has in each status: one of [`SHARDS`](crate::keys::SHARDS) parts.
    pub(crate) fn pos_figures(org: OrgId, shard: u8) -> Self {
        Self::new(format!("ORG#{org}#FIGURES#{shard}"), "FIGURES")
    }

    pub(crate) fn split(org: OrgId, catalog: CatalogId, split: SplitId) -> Self {
        Self::new(self::catalog(org, catalog), format!("SPLIT#{split}"))
    }

    /// Who adds a split to a catalog moves this, so that only one at a time does.
    pub(crate) fn split_list(org: OrgId, catalog: CatalogId) -> Self {
        Self::new(self::catalog(org, catalog), "SPLITS")
    }

    /// A sale that was completed on another day than it was begun.
    pub(crate) fn late_sale(org: OrgId, at: Timestamp, order: OrderId) -> Self {
        Self::new(late_sales_of(org), moment(at, &order.to_string()))
    }

    /// What the splits of a catalog get of a day.
    pub(crate) fn settlement(org: OrgId, catalog: CatalogId, day: civil::Date) -> Self {
        Self::new(format!("ORG#{org}#SETTLEMENTS"), format!("{day}#{catalog}"))
    }

    /// Up to which day an organization's splits are settled.
    pub(crate) fn settled(org: OrgId) -> Self {
        Self::new(format!("ORG#{org}"), "SETTLED")
    }

    /// Which organization was settled last.
    pub(crate) fn settling() -> Self {
        Self::new("SETTLING".to_owned(), "SETTLING")
    }

    pub(crate) fn pool(org: OrgId, pool: PoolId) -> Self {
        Self::new(pools_of(org), format!("POOL#{pool}"))
    }

    /// All endpoints of an organization.
    pub(crate) fn endpoints(org: OrgId) -> Self {
        Self::new(format!("ORG#{org}"), "ENDPOINTS")
    }

    /// What became of an event on its way to an endpoint.
    pub(crate) fn delivery(org: OrgId, endpoint: EndpointId, at: Timestamp, event: &str) -> Self {
        Self::new(deliveries_of(org, endpoint), moment(at, event))
    }

    pub(crate) fn ledger_balance(org: OrgId, owner: Owner) -> Self {
        Self::new(account_of(org, owner), "BALANCE")
    }

    /// One per account and transfer.
    pub(crate) fn ledger_entry(org: OrgId, owner: Owner, transfer: &str) -> Self {
        Self::new(account_of(org, owner), format!("ENTRY#{transfer}"))
    }
}

/// The catalogs of an organization, without what they sell.
pub(crate) fn catalogs_of(org: OrgId) -> String {
    format!("ORG#{org}#CATALOGS")
}

/// The products of an organization.
pub(crate) fn library_of(org: OrgId) -> String {
    format!("ORG#{org}#PRODUCTS")
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

/// Orders of an organization that are put aside: few, and not by the second, so one partition will do.
pub(crate) fn held_orders_of(org: OrgId) -> String {
    format!("ORG#{org}#HELD")
}

/// Customers of an organization by e-mail.
pub(crate) fn customers_of(org: OrgId, shard: u8) -> String {
    format!("ORG#{org}#CUSTOMERS#{shard}")
}

/// Customers of an organization by name, those who have one.
pub(crate) fn named_customers_of(org: OrgId, shard: u8) -> String {
    format!("ORG#{org}#NAMES#{shard}")
}

/// Splits of an organization by time.
pub(crate) fn splits_of(org: OrgId) -> String {
    format!("ORG#{org}#SPLITS")
}

/// Sales of an organization that were completed on another day than they were begun, by when they were completed.
pub(crate) fn late_sales_of(org: OrgId) -> String {
    format!("ORG#{org}#LATE")
}

/// Reports of an organization.
pub(crate) fn reports_of(org: OrgId) -> String {
    format!("ORG#{org}#REPORTS")
}

/// Reports that are not drawn yet, by time.
pub(crate) fn waiting_reports(shard: u8) -> String {
    format!("REPORTS#{shard}")
}

/// Tip pools of an organization.
pub(crate) fn pools_of(org: OrgId) -> String {
    format!("ORG#{org}#POOLS")
}

/// What was delivered to an endpoint, by the time of the events.
pub(crate) fn deliveries_of(org: OrgId, endpoint: EndpointId) -> String {
    format!("ORG#{org}#ENDPOINT#{endpoint}")
}

/// An account of the ledger: its balance and its entries.
fn account_of(org: OrgId, owner: Owner) -> String {
    format!("ORG#{org}#LEDGER#{owner}")
}

/// A catalog and what is in it.
pub(crate) fn catalog(org: OrgId, catalog: CatalogId) -> String {
    format!("ORG#{org}#CATALOG#{catalog}")
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
