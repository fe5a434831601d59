//! Check-in: one conditional write decides who is let in (invariant 2).

use domain::{
    audit::{Action, AuditEntry},
    ids::{OrgId, UserId},
    stock::Stripe,
    tickets::{
        number::OrderNumber,
        order::{Order, OrderStatus},
        secret::SecretHash,
    },
};
use jiff::Timestamp;

use crate::{
    Store,
    audit::AuditFilter,
    error::StoreError,
    item::{from_item, n, s, text},
    keys::{self, Key},
    list::Range,
    stock::stripe_change,
    tx::{Change, TxError, random_token},
};

/// What the conditional write said.
#[derive(Clone, Debug, PartialEq)]
pub enum CheckIn {
    /// Let in now; the order after it.
    Admitted(Box<Order>),
    /// Refused; the order as it stands tells why.
    Refused(Box<Order>),
    /// No such ticket.
    Unknown,
}

/// A scan, resolved to an order.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Whose ticket.
    pub number: OrderNumber,
    /// The secret presented must be this order's.
    pub secret: Option<&'a SecretHash>,
    /// The order must be this organization's (a signed-in scanner's own).
    pub org: Option<OrgId>,
    /// Who scans, when signed in.
    pub by: Option<UserId>,
    /// Hash of the scan's idempotency key.
    pub key: Option<&'a str>,
}

impl Store {
    /// The order that a secret belongs to. A lookup in an index, which may lag by milliseconds behind a new order.
    pub async fn find_secret(&self, hash: &SecretHash) -> Result<Option<OrderNumber>, StoreError> {
        let range = Range { index: Some("gsi2"), pk: keys::secret(&hash.0), limit: 1, ..Range::default() };
        let items = self.query(range).await?;
        Ok(items.first().and_then(|item| text(item, "gsi2sk")?.parse().ok()))
    }

    /// Lets a ticket's holder in, once: of any number of scans, however close, one is `Admitted`.
    ///
    /// A scan without a key of its own gets one for this call, so that its own effect, found again after a lost answer,
    /// is not taken for an earlier scan's.
    pub async fn check_in(&self, entry: &Entry<'_>, now: Timestamp) -> Result<CheckIn, StoreError> {
        let own = random_token();
        let mut change = Change::default()
            .set("checked_in_at", n(now.as_millisecond()))
            .set_some("checked_in_by", entry.by.map(|user| s(user.to_string())))
            .set("checkin_key", s(entry.key.unwrap_or(&own)))
            .when("status", "=", s(OrderStatus::Paid.as_str()))
            .when_absent("checked_in_at");
        if let Some(org) = entry.org {
            change = change.when("org", "=", s(org.to_string()));
        }
        if let Some(secret) = entry.secret {
            change = change.when("gsi2pk", "=", s(keys::secret(&secret.0)));
        }
        let item = match self.change(&Key::order(entry.number), change).await? {
            Ok(item) => return Ok(CheckIn::Admitted(Box::new(from_item(item)?))),
            Err(None) => return Ok(CheckIn::Unknown),
            Err(Some(item)) => item,
        };
        let stored = SecretHash(text(&item, "gsi2pk").unwrap_or_default().trim_start_matches("QR#").to_owned());
        let order: Order = from_item(item)?;
        let foreign = entry.org.is_some_and(|org| org != order.org);
        if foreign || entry.secret.is_some_and(|secret| !secret.matches(&stored)) {
            return Ok(CheckIn::Unknown);
        }
        if order.checkin_key.as_ref() == Some(&own) {
            return Ok(CheckIn::Admitted(Box::new(order)));
        }
        Ok(CheckIn::Refused(Box::new(order)))
    }

    /// The orders that were let in last, newest first; those whose entry the stream's consumer has logged.
    pub async fn list_check_ins(&self, org: OrgId, limit: usize) -> Result<Vec<Order>, StoreError> {
        let filter = AuditFilter { action: Some(Action::CheckIn), entity_type: None };
        let entries = self.list_audit(org, &filter, 0, limit).await?;
        let numbers: Vec<OrderNumber> = entries.iter().filter_map(|entry| entry.entity_id.parse().ok()).collect();
        let mut orders = self.load_orders(&numbers).await?;
        orders.sort_by_key(|order| std::cmp::Reverse(order.checked_in_at));
        Ok(orders)
    }

    /// Counts and logs an entry that has happened; the stream's consumer calls it. The log entry's id is the order's
    /// number, so that a repeated stream record counts nothing twice. `home` is the stripe that carries the order.
    pub async fn count_check_in(&self, order: &Order, at: Timestamp) -> Result<(), StoreError> {
        let entry = AuditEntry {
            id: format!("checkin-{}", order.number),
            org: order.org,
            action: Action::CheckIn,
            entity_type: "order".into(),
            entity_id: order.number.to_string(),
            user: order.checked_in_by,
            user_name: None,
            user_email: None,
            old: None,
            new: None,
            ip: None,
            user_agent: None,
            at,
        };
        let mut tx = self.tx().audit(&entry)?;
        if let Some(home) = order.draws.first() {
            let one = Stripe { checked_in: 1, ..Stripe::default() };
            tx = tx.update(&Key::stripe(order.tier_id, home.stripe), stripe_change(&one))?;
        }
        match tx.commit().await {
            Ok(()) | Err(TxError::Refused(_)) => Ok(()),
            Err(TxError::Store(error)) => Err(error),
        }
    }
}
