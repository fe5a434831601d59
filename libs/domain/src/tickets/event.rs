//! Events and ticket tiers, and when a tier may be bought.

use jiff::{SignedDuration, Timestamp, civil};
use serde::{Deserialize, Serialize};

use crate::{
    ids::{EventId, OrgId, TierId},
    money::{Cents, Currency},
    time::millis,
};

/// Tiers of one event at most: a capacity change of all of them is one transaction of at most 100 items.
pub const MAX_TIERS: usize = 12;

/// How long an unpaid order keeps its stock when the event does not say (DECISIONS, Tickets).
pub const DEFAULT_HOLD_MINUTES: u32 = 15;

/// The longest an event may let unpaid orders keep their stock: one day.
pub const MAX_HOLD_MINUTES: u32 = 24 * 60;

/// What kind of event it is (contract §4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum EventKind {
    #[default]
    Party,
    Festival,
    Gathering,
    Concert,
    Workshop,
}

/// Where an event is in its life (contract §4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventStatus {
    /// Seen by staff only.
    #[default]
    Draft,
    /// On sale.
    Active,
    /// Will not take place.
    Cancelled,
    /// Has taken place.
    Completed,
    /// Removed; kept for its orders.
    Deleted,
}

impl EventStatus {
    /// True when the public may see the event by its id (DECISIONS, D2).
    pub fn is_public(self) -> bool {
        matches!(self, Self::Active | Self::Cancelled | Self::Completed)
    }

    /// The wire spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Active => "active",
            Self::Cancelled => "cancelled",
            Self::Completed => "completed",
            Self::Deleted => "deleted",
        }
    }
}

/// A ticket tier. Its stock is kept in stripes under its id; `quantity` is the capacity those sum up to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tier {
    /// Also the id of the stock keeper.
    pub id: TierId,
    /// Shown to buyers.
    pub name: String,
    /// Shown to buyers; may be empty.
    pub description: String,
    /// Price of one ticket.
    pub price: Cents,
    /// Currency of the price.
    pub currency: Currency,
    /// Capacity.
    pub quantity: u32,
    /// Tickets one order may hold at most.
    pub max_per_order: u32,
    /// A payment page of the organizer's own, used instead of a checkout session.
    pub payment_link: Option<String>,
    /// False takes the tier off sale.
    pub is_active: bool,
    /// Sales begin; open from the start when absent.
    #[serde(with = "millis::option", default, skip_serializing_if = "Option::is_none")]
    pub sale_starts_at: Option<Timestamp>,
    /// Sales end; open to the end when absent.
    #[serde(with = "millis::option", default, skip_serializing_if = "Option::is_none")]
    pub sale_ends_at: Option<Timestamp>,
}

/// An event with its tiers in their order of display: one item in the database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its id.
    pub id: EventId,
    /// Whose it is.
    pub org: OrgId,
    /// Shown to buyers.
    pub name: String,
    /// The name as a part of a URL.
    pub slug: String,
    /// City or address.
    pub location: String,
    /// The house.
    pub venue: Option<String>,
    /// The day, local to the venue.
    pub date: civil::Date,
    /// The hour, local to the venue.
    pub time: civil::Time,
    /// Long text.
    pub description: Option<String>,
    /// Kind of event.
    pub kind: EventKind,
    /// Top of the bill.
    pub main_artist: Option<String>,
    /// The bill.
    pub artists: Vec<String>,
    /// URL of the poster.
    pub image: Option<String>,
    /// Youngest age let in.
    pub min_age: u32,
    /// Where it is in its life.
    pub status: EventStatus,
    /// Shown first by storefronts.
    pub is_featured: bool,
    /// Minutes an unpaid order keeps its stock.
    pub hold_minutes: u32,
    /// In order of display.
    pub tiers: Vec<Tier>,
    /// Tiers that are gone and have had orders, all of them given up or refunded: their empty stock still counts those.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retired: Vec<TierId>,
    /// Rises with each write; an edit names the one it read.
    pub version: u64,
    /// When it was made.
    #[serde(with = "millis")]
    pub created_at: Timestamp,
}

/// Why a tier cannot be bought now. The names are the contract's codes (§1, §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The tier is not one of the event's.
    #[error("Ticket tier not found")]
    TierNotFound,
    /// The event is not on sale.
    #[error("Event is not active")]
    EventNotActive,
    /// The tier is not on sale.
    #[error("Ticket tier is not active")]
    TierNotActive,
    /// The sale has not begun.
    #[error("Ticket sales have not started")]
    SaleNotStarted,
    /// The sale is over.
    #[error("Ticket sales have ended")]
    SaleEnded,
    /// More than one order may hold.
    #[error("At most {0} tickets per order")]
    TooMany(u32),
}

impl Event {
    /// A tier by its id.
    pub fn tier(&self, id: TierId) -> Option<&Tier> {
        self.tiers.iter().find(|tier| tier.id == id)
    }

    /// Every tier whose figures are the event's, gone ones too.
    pub fn counted_tiers(&self) -> impl Iterator<Item = TierId> {
        self.tiers.iter().map(|tier| tier.id).chain(self.retired.iter().copied())
    }

    /// The tier, if `quantity` of it may be bought at `now`; says nothing of stock.
    pub fn offer(&self, tier: TierId, quantity: u32, now: Timestamp) -> Result<&Tier, Refusal> {
        let tier = self.tier(tier).filter(|_| self.status != EventStatus::Deleted).ok_or(Refusal::TierNotFound)?;
        if self.status != EventStatus::Active {
            return Err(Refusal::EventNotActive);
        }
        if !tier.is_active {
            return Err(Refusal::TierNotActive);
        }
        if tier.sale_starts_at.is_some_and(|start| now < start) {
            return Err(Refusal::SaleNotStarted);
        }
        if tier.sale_ends_at.is_some_and(|end| now >= end) {
            return Err(Refusal::SaleEnded);
        }
        if quantity > tier.max_per_order {
            return Err(Refusal::TooMany(tier.max_per_order));
        }
        Ok(tier)
    }

    /// Until when an order made at `now` keeps its stock unpaid.
    pub fn hold_until(&self, now: Timestamp) -> Timestamp {
        now + SignedDuration::from_mins(i64::from(self.hold_minutes))
    }
}

/// A name as a part of a URL: lower-case letters and digits, joined by single hyphens, at most 80 characters.
pub fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars().flat_map(char::to_lowercase) {
        match c {
            c if c.is_alphanumeric() => slug.push(c),
            _ if !slug.is_empty() && !slug.ends_with('-') => slug.push('-'),
            _ => {}
        }
        if slug.chars().count() == 80 {
            break;
        }
    }
    slug.trim_end_matches('-').to_owned()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use jiff::civil::{date, time};

    pub(crate) fn event() -> Event {
        let tier = Tier {
            id: TierId::from_random([2; 16]),
            name: "General".into(),
            description: String::new(),
            price: Cents(2500),
            currency: Currency::USD,
            quantity: 50,
            max_per_order: 10,
            payment_link: None,
            is_active: true,
            sale_starts_at: None,
            sale_ends_at: None,
        };
        Event {
            id: EventId::from_random([1; 16]),
            org: OrgId::from_random([3; 16]),
            name: "Summer Night".into(),
            slug: "summer-night".into(),
            location: "Guatemala".into(),
            venue: None,
            date: date(2026, 12, 24),
            time: time(21, 0, 0, 0),
            description: None,
            kind: EventKind::Party,
            main_artist: None,
            artists: vec![],
            image: None,
            min_age: 18,
            status: EventStatus::Active,
            is_featured: false,
            hold_minutes: DEFAULT_HOLD_MINUTES,
            tiers: vec![tier],
            retired: vec![],
            version: 1,
            created_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn an_offer_names_what_stands_against_it() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let base = event();
        let id = base.tiers[0].id;
        assert!(base.offer(id, 10, now).is_ok());
        assert_eq!(base.offer(id, 11, now), Err(Refusal::TooMany(10)));
        assert_eq!(base.offer(TierId::from_random([9; 16]), 1, now), Err(Refusal::TierNotFound));
        let with = |change: fn(&mut Event)| {
            let mut event = event();
            change(&mut event);
            event.offer(id, 1, now).map(|_| ())
        };
        assert_eq!(with(|e| e.status = EventStatus::Draft), Err(Refusal::EventNotActive));
        assert_eq!(with(|e| e.status = EventStatus::Deleted), Err(Refusal::TierNotFound));
        assert_eq!(with(|e| e.tiers[0].is_active = false), Err(Refusal::TierNotActive));
        assert_eq!(with(|e| e.tiers[0].sale_starts_at = Some(Timestamp::MAX)), Err(Refusal::SaleNotStarted));
        assert_eq!(with(|e| e.tiers[0].sale_ends_at = Some(Timestamp::UNIX_EPOCH)), Err(Refusal::SaleEnded));
    }

    #[test]
    fn slugs() {
        assert_eq!(slug("  Summer Night — 2026! "), "summer-night-2026");
        assert_eq!(slug("***"), "");
    }
}
