//! Buyers whom an organization knows by e-mail (contract §14): one for each catalog they bought from.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::order::Order;
use crate::{
    ids::{CatalogId, CustomerId, OrgId},
    money::Cents,
    time::millis,
};

/// A buyer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Customer {
    /// Follows from organization, catalog and address.
    pub id: CustomerId,
    /// Whose customer.
    pub org: OrgId,
    /// What they bought from; absent for those who were entered by hand, and for sales without a catalog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalog: Option<CatalogId>,
    /// Lower case.
    pub email: String,
    /// As it was entered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// As it was entered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// How many orders they made, paid or not.
    #[serde(default)]
    pub total_orders: u32,
    /// Sum of their totals.
    #[serde(default)]
    pub total_spent: Cents,
    /// When they made the last one.
    #[serde(with = "millis::option", default, skip_serializing_if = "Option::is_none")]
    pub last_order_at: Option<Timestamp>,
    /// When they became known.
    #[serde(with = "millis")]
    pub created_at: Timestamp,
}

/// The id of the customer with this lower-case address: the same, however often they come.
pub fn customer_id(org: OrgId, catalog: Option<CatalogId>, email: &str) -> CustomerId {
    let catalog = catalog.map(|catalog| catalog.0).unwrap_or_default();
    let hash =
        Sha256::digest([b"pos customer\0".as_slice(), org.0.as_bytes(), catalog.as_bytes(), email.as_bytes()].concat());
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&hash[..16]);
    CustomerId::from_random(bytes)
}

/// What a change of an order does to one customer's figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// The customer.
    pub id: CustomerId,
    /// Whose customer.
    pub org: OrgId,
    /// The catalog they are known in.
    pub catalog: Option<CatalogId>,
    /// The address they are known by.
    pub email: String,
    /// How many orders more, or fewer.
    pub orders: i64,
    /// How much more was spent, or less.
    pub spent: Cents,
    /// When the order was made.
    pub at: Timestamp,
}

impl Tally {
    fn of(order: &Order, orders: i64, spent: Cents) -> Option<Self> {
        let (id, email) = (order.customer?, order.customer_email.clone()?);
        Some(Tally { id, org: order.org, catalog: order.catalog, email, orders, spent, at: order.created_at })
    }
}

/// What it does to customers that `before` becomes `after`; `None` is: there is no order. Each customer at most once.
///
/// An order counts when it is made, paid or not (contract §14), and moves with its address and its total: so a receipt
/// that is sent to an address which the order has already counts nothing.
pub fn tally(before: Option<&Order>, after: Option<&Order>) -> Vec<Tally> {
    let customer = |order: Option<&Order>| order.and_then(|order| order.customer);
    let tallies = match (before, after) {
        (Some(before), Some(after)) if customer(Some(before)) == customer(Some(after)) => {
            vec![Tally::of(after, 0, after.total - before.total).filter(|tally| !tally.spent.is_zero())]
        }
        (before, after) => vec![
            before.and_then(|order| Tally::of(order, -1, -order.total)),
            after.and_then(|order| Tally::of(order, 1, order.total)),
        ],
    };
    tallies.into_iter().flatten().collect()
}

/// An address as customers are known by: without white space around, lower case; nothing when it is empty (contract §8).
pub fn normal_email(email: &str) -> Option<String> {
    let email = email.trim().to_lowercase();
    (!email.is_empty()).then_some(email)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::pos::order::{Edit, tests::order};

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    proptest! {
        /// However often an order changes hands and price, its customers' figures are those of what it is now.
        #[test]
        fn figures_follow_the_order(edits in prop::collection::vec((prop::option::of(0..3u8), 0..500i64), 0..12), deleted: bool) {
            let mut figures: HashMap<CustomerId, (i64, i64)> = HashMap::new();
            let mut count = |before: Option<&Order>, after: Option<&Order>| {
                let tallies = tally(before, after);
                prop_assert!(tallies.len() < 2 || tallies[0].id != tallies[1].id);
                for tally in tallies {
                    prop_assert_eq!(tally.id, customer_id(tally.org, tally.catalog, &tally.email));
                    let (orders, spent) = figures.entry(tally.id).or_default();
                    (*orders, *spent) = (*orders + tally.orders, *spent + tally.spent.0);
                }
                Ok(())
            };
            let mut current = order(100);
            count(None, Some(&current))?;
            for (who, total) in edits {
                let email = Some(who.map(|who| format!("{who}@example.com")));
                let edit = Edit { subtotal: Some(Cents(total)), customer_email: email, ..Edit::default() };
                let next = current.edit(edit, now()).unwrap();
                count(Some(&current), Some(&next))?;
                current = next;
            }
            if deleted {
                count(Some(&current), None)?;
            }
            figures.retain(|_, figures| *figures != (0, 0));
            let expected = current.customer.filter(|_| !deleted).map(|id| (id, (1, current.total.0)));
            prop_assert_eq!(figures, expected.into_iter().collect());
        }
    }

    #[test]
    fn who_is_who() {
        let (org, other) = (OrgId::from_random([1; 16]), OrgId::from_random([2; 16]));
        let catalog = Some(CatalogId::from_random([3; 16]));
        let ids = [
            customer_id(org, None, "a@b.co"),
            customer_id(other, None, "a@b.co"),
            customer_id(org, catalog, "a@b.co"),
            customer_id(org, None, "a@b.com"),
        ];
        for (i, id) in ids.iter().enumerate() {
            assert!(!ids[..i].contains(id), "{i}");
        }
        assert_eq!(customer_id(org, catalog, "a@b.co"), ids[2], "the same for ever");
        assert_eq!(ids[0].to_string(), "9b813be6-3c32-4e34-9eca-6f941e661b28");
        assert_eq!(normal_email("  Ana@Example.COM "), Some("ana@example.com".into()));
        assert_eq!((normal_email(""), normal_email("  ")), (None, None));
    }
}
