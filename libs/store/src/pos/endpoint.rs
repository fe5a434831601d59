//! An organization's endpoints, all of them one item, and the log of what was delivered to each.
//!
//! A delivery's row is what makes an event × endpoint one delivery: a worker claims it before it sends, and one that was
//! delivered is claimed by nobody. Its key is the event's own time and id, so that a second message meets the first's row.

use domain::{
    ids::{EndpointId, OrgId},
    pos::{
        delivery::{Delivery, LEASE, MEMORY, Outcome},
        endpoint::{Endpoints, Notice},
    },
};
use jiff::Timestamp;

use super::{Pos, keys};
use crate::{
    error::StoreError,
    item::{attr, from_item, n, s, text, to_item},
    keys::{Key, moment},
    list::Range,
    tx::{Change, TxError, random_token},
};

/// What a worker that asked for a delivery is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Claimed {
    /// It is yours until its lease runs out.
    Taken(Delivery),
    /// Nobody is to deliver it any more.
    Final,
    /// Another worker is at it, or has died over it a moment ago.
    Busy,
}

/// A page of the delivery log, newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct DeliveryPage {
    /// The rows.
    pub deliveries: Vec<Delivery>,
    /// Are there older ones?
    pub has_more: bool,
}

impl Pos<'_> {
    /// The endpoints of an organization, as they are now.
    pub async fn load_endpoints(&self, org: OrgId) -> Result<Endpoints, StoreError> {
        let item = self.0.get(&Key::endpoints(org)).await?;
        item.map_or_else(|| Ok(Endpoints::none(org)), from_item)
    }

    /// The endpoints of several organizations, by one call; those that never had any are left out.
    pub async fn load_endpoints_of(&self, orgs: impl Iterator<Item = OrgId>) -> Result<Vec<Endpoints>, StoreError> {
        let keys = orgs.map(|org| Key::endpoints(org).item()).collect();
        self.0.batch_get(keys, true).await?.into_iter().map(from_item).collect()
    }

    /// Writes the next version of an organization's endpoints over the one that was read; `Stale` when they changed. Since
    /// all are one item, this condition also holds their number ([`Endpoints::add`]).
    pub async fn save_endpoints(&self, before: &Endpoints, after: &Endpoints) -> Result<(), StoreError> {
        let unchanged = match before.version {
            0 => Change::default().when_absent("pk"),
            version => Change::default().when("version", "=", n(version)),
        };
        let item = to_item("endpoints", &Key::endpoints(after.org), after)?;
        self.0.tx().put(item, unchanged)?.commit().await.map_err(TxError::stale)
    }

    /// Takes an event for delivery to an endpoint. Of two workers one is refused; and both, when it was delivered before.
    ///
    /// A claim whose answer got lost is recognized when it is repeated, by a name that only this call knows.
    pub async fn claim_delivery(&self, notice: &Notice, now: Timestamp) -> Result<Claimed, StoreError> {
        let row = Delivery::new(notice, random_token());
        let is = |outcome: Outcome| move |change: Change| change.when("outcome", "=", s(outcome.as_str()));
        let lease_over = |change: Change| change.when("lease_until", "<", n(now.as_millisecond()));
        let change = Change::default()
            .set("entity", s("delivery"))
            .set_if_absent("org", s(row.org.to_string()))
            .set_if_absent("endpoint", s(row.endpoint.to_string()))
            .set_if_absent("event", s(&row.event))
            .set_if_absent("kind", s(row.kind.as_str()))
            .set_if_absent("at", n(row.at.as_millisecond()))
            .set("outcome", s(Outcome::Sending.as_str()))
            .set("claim", s(&row.claim))
            .set("lease_until", n((now + LEASE).as_millisecond()))
            .set("ttl", n((now + MEMORY).as_second()))
            .add("attempts", n(1))
            .when_either(&[&|change| change.when_absent("pk"), &is(Outcome::Failed), &|change| {
                lease_over(is(Outcome::Sending)(change))
            }]);
        let item = match self.0.change(&key_of(&row), change).await? {
            Ok(item) => return Ok(Claimed::Taken(from_item(item)?)),
            Err(item) => item.unwrap_or_default(),
        };
        match text(&item, "outcome") {
            Some("sending") if text(&item, "claim") == Some(&row.claim) => Ok(Claimed::Taken(from_item(item)?)),
            Some("delivered" | "gone") => Ok(Claimed::Final),
            _ => Ok(Claimed::Busy),
        }
    }

    /// Writes what became of a claimed delivery. False when another worker has taken it over meanwhile.
    pub async fn end_delivery(&self, ended: &Delivery) -> Result<bool, StoreError> {
        let mut change = Change::default()
            .set("outcome", s(ended.outcome.as_str()))
            .set("tries", attr(&ended.tries)?)
            .remove("lease_until")
            .when("claim", "=", s(&ended.claim))
            .when("outcome", "=", s(Outcome::Sending.as_str()));
        change = match &ended.answer {
            Some(answer) => change.set("answer", s(answer)),
            None => change.remove("answer"),
        };
        match self.0.change(&key_of(ended), change).await? {
            Ok(_) => Ok(true),
            // A repeat after a lost answer finds its own effect.
            Err(item) => Ok(item.is_some_and(|item| {
                text(&item, "claim") == Some(&ended.claim) && text(&item, "outcome") == Some(ended.outcome.as_str())
            })),
        }
    }

    /// What was delivered to an endpoint, newest event first; what is older than `before`, a row's time and event, if named.
    pub async fn list_deliveries(
        &self,
        org: OrgId,
        endpoint: EndpointId,
        before: Option<(Timestamp, &str)>,
        limit: usize,
    ) -> Result<DeliveryPage, StoreError> {
        let before = before.map(|(at, event)| moment(at, event));
        let range = Range {
            pk: keys::deliveries_of(org, endpoint),
            to: before.clone(),
            descending: true,
            consistent: true,
            // One more tells whether there is more, another is the row that was named itself.
            limit: limit + 2,
            ..Range::default()
        };
        let mut items = self.0.query(range).await?;
        items.retain(|item| before.is_none() || text(item, "sk") != before.as_deref());
        let has_more = items.len() > limit;
        items.truncate(limit);
        let deliveries = items.into_iter().map(from_item).collect::<Result<_, _>>()?;
        Ok(DeliveryPage { deliveries, has_more })
    }
}

fn key_of(row: &Delivery) -> Key {
    Key::delivery(row.org, row.endpoint, row.at, &row.event)
}
