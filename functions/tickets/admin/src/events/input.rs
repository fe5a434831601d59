//! An event as staff write it, and what that makes of the event as it is.

use std::collections::HashSet;

use domain::{
    ids::{EventId, OrgId, TierId},
    money::{Cents, Currency},
    tickets::event::{DEFAULT_HOLD_MINUTES, Event, EventKind, EventStatus, MAX_TIERS, Tier, slug},
};
use jiff::{Timestamp, civil};
use runtime::{ApiError, error::FieldError};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::wire;

/// Tickets of a tier, where nothing is said (contract §9).
const DEFAULT_QUANTITY: u32 = 100;
/// Tickets of one order at most, where nothing is said (contract §5).
const DEFAULT_MAX_PER_ORDER: u32 = 10;
/// Youngest age let in, where nothing is said (contract §9).
const DEFAULT_MIN_AGE: u32 = 18;
/// Hour of an event, where nothing is said (contract §9).
const DEFAULT_TIME: civil::Time = civil::time(21, 0, 0, 0);

/// An event to be made or changed. Every name may be spelled in snake case too: `main_artist`, `max_per_order`.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventIn {
    /// 1 to 200 characters. Required of a new event.
    #[serde(default, deserialize_with = "wire::text::<1, 200, _>")]
    #[schema(max_length = 200)]
    name: Option<String>,
    /// City or address, 1 to 200 characters. Required of a new event.
    #[serde(default, deserialize_with = "wire::text::<1, 200, _>")]
    #[schema(max_length = 200)]
    location: Option<String>,
    /// `YYYY-MM-DD`, local to the venue. Required of a new event, here or in `eventDate`.
    #[serde(default, deserialize_with = "wire::date")]
    #[schema(value_type = Option<String>, example = "2026-12-24")]
    date: Option<civil::Date>,
    /// Another name of `date`.
    #[serde(default, deserialize_with = "wire::date")]
    #[schema(value_type = Option<String>)]
    event_date: Option<civil::Date>,
    /// `HH:MM` or `HH:MM:SS`, local to the venue; 21:00 when a new event does not say.
    #[serde(default, deserialize_with = "wire::time")]
    #[schema(value_type = Option<String>, example = "21:00")]
    time: Option<civil::Time>,
    /// Another name of `time`.
    #[serde(default, deserialize_with = "wire::time")]
    #[schema(value_type = Option<String>)]
    event_time: Option<civil::Time>,
    /// The house.
    #[serde(default, deserialize_with = "wire::text::<0, 200, _>")]
    #[schema(max_length = 200)]
    venue: Option<String>,
    /// At most 10,000 characters.
    #[serde(default, deserialize_with = "wire::text::<0, 10_000, _>")]
    #[schema(max_length = 10_000)]
    description: Option<String>,
    /// `party` (of a new event), `festival`, `gathering`, `concert` or `workshop`.
    #[serde(rename = "type")]
    #[schema(value_type = Option<String>, example = "party")]
    kind: Option<EventKind>,
    /// Another name of `type`.
    #[schema(value_type = Option<String>)]
    event_type: Option<EventKind>,
    /// Top of the bill.
    #[serde(default, deserialize_with = "wire::text::<0, 200, _>")]
    #[schema(max_length = 200)]
    main_artist: Option<String>,
    /// The bill: at most 50 names of 200 characters.
    #[schema(max_items = 50)]
    artists: Option<Vec<Artist>>,
    /// URL of the poster.
    #[serde(default, deserialize_with = "wire::link")]
    #[schema(max_length = 2000)]
    image: Option<String>,
    /// Another name of `image`.
    #[serde(default, deserialize_with = "wire::link")]
    #[schema(max_length = 2000)]
    image_url: Option<String>,
    /// `draft` (of a new event), `active`, `cancelled` or `completed`; an event that exists may become `deleted`.
    #[schema(value_type = Option<String>, example = "active")]
    status: Option<EventStatus>,
    /// Youngest age let in, 0 to 120; 18 when a new event does not say.
    #[serde(default, deserialize_with = "wire::whole::<0, 120, _>")]
    #[schema(value_type = Option<u32>, maximum = 120)]
    min_age: Option<u32>,
    /// Shown first by storefronts.
    #[serde(default, deserialize_with = "wire::flag")]
    is_featured: Option<bool>,
    /// Minutes an unpaid order keeps its tickets, 1 to 1440; 15 when a new event does not say.
    #[serde(default, deserialize_with = "wire::whole::<1, 1440, _>")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 1440)]
    hold_minutes: Option<u32>,
    /// All tiers in order of display, at most 12. Of an event that exists, those left out are deleted unless tickets of
    /// theirs are sold or held; leaving out `tiers` touches none.
    #[schema(max_items = 12)]
    tiers: Option<Vec<TierIn>>,
}

/// A name on the bill.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, max_length = 200)]
struct Artist(#[serde(deserialize_with = "wire::text::<0, 200, _>")] Option<String>);

/// A tier to be made or changed.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TierIn {
    /// UUID of a tier of this event; absent for a new one.
    id: Option<String>,
    /// 1 to 200 characters. Required of a new tier.
    #[serde(default, deserialize_with = "wire::text::<1, 200, _>")]
    #[schema(max_length = 200)]
    name: Option<String>,
    /// At most 2,000 characters.
    #[serde(default, deserialize_with = "wire::text::<0, 2000, _>")]
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// Major units, 0 to 10 million, as a number or as text. Required of a new tier.
    #[serde(default, deserialize_with = "wire::price")]
    #[schema(value_type = Option<f64>, minimum = 0, maximum = 10_000_000)]
    price: Option<Cents>,
    /// Three letters; `USD` when a new tier does not say.
    #[schema(value_type = Option<String>, example = "USD")]
    currency: Option<Currency>,
    /// Capacity, 0 to 1,000,000; 100 when a new tier does not say. Never falls below what is sold and held.
    #[serde(default, deserialize_with = "wire::whole::<0, 1_000_000, _>")]
    #[schema(value_type = Option<u32>, maximum = 1_000_000)]
    quantity: Option<u32>,
    /// Tickets one order may hold, 1 to 1,000; 10 when a new tier does not say.
    #[serde(default, deserialize_with = "wire::whole::<1, 1000, _>")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    max_per_order: Option<u32>,
    /// URL of a payment page of the organizer's own.
    #[serde(default, deserialize_with = "wire::link")]
    #[schema(max_length = 2000)]
    payment_link: Option<String>,
    /// False takes the tier off sale.
    #[serde(default, deserialize_with = "wire::flag")]
    is_active: Option<bool>,
    /// ISO 8601; empty text opens the sale from the start.
    #[serde(default, deserialize_with = "wire::moment")]
    #[schema(value_type = Option<String>)]
    sale_starts_at: Option<Option<Timestamp>>,
    /// ISO 8601; empty text opens the sale to the end.
    #[serde(default, deserialize_with = "wire::moment")]
    #[schema(value_type = Option<String>)]
    sale_ends_at: Option<Option<Timestamp>>,
}

/// Puts `value` in its place, where there is one.
fn set<T: Clone>(place: &mut T, value: &Option<T>) {
    if let Some(value) = value {
        *place = value.clone();
    }
}

/// The same for an optional text, which empty text takes away.
fn set_text(place: &mut Option<String>, value: &Option<String>) {
    if let Some(value) = value {
        *place = Some(value.clone()).filter(|text| !text.is_empty());
    }
}

impl EventIn {
    /// The event that this makes; 400 naming each field that is required and missing.
    pub(crate) fn create(mut self, org: OrgId, now: Timestamp) -> Result<Event, ApiError> {
        let date = self.date.or(self.event_date);
        let (Some(name), Some(location), Some(date)) = (self.name.clone(), self.location.clone(), date) else {
            return Err(missing([
                ("name", self.name.is_none()),
                ("location", self.location.is_none()),
                ("date", date.is_none()),
            ]));
        };
        if self.status == Some(EventStatus::Deleted) {
            return Err(ApiError::invalid("status", "must be draft, active, cancelled or completed"));
        }
        // Ids of tiers mean something only to an event that exists; a copy of another event's tiers is new.
        self.tiers.iter_mut().flatten().for_each(|tier| tier.id = None);
        let id = EventId(Uuid::new_v4());
        let blank = Event {
            id,
            org,
            slug: Some(slug(&name)).filter(|slug| !slug.is_empty()).unwrap_or_else(|| id.to_string()),
            name,
            location,
            venue: None,
            date,
            time: DEFAULT_TIME,
            description: None,
            kind: EventKind::default(),
            main_artist: None,
            artists: vec![],
            image: None,
            min_age: DEFAULT_MIN_AGE,
            status: EventStatus::default(),
            is_featured: false,
            hold_minutes: DEFAULT_HOLD_MINUTES,
            tiers: vec![],
            retired: vec![],
            version: 1,
            created_at: now,
        };
        self.apply(&blank)
    }

    /// The event as wanted: `before` with every field that is given.
    pub(crate) fn apply(&self, before: &Event) -> Result<Event, ApiError> {
        let mut event = before.clone();
        set(&mut event.name, &self.name);
        set(&mut event.location, &self.location);
        set(&mut event.date, &self.date.or(self.event_date));
        set(&mut event.time, &self.time.or(self.event_time));
        set_text(&mut event.venue, &self.venue);
        set_text(&mut event.description, &self.description);
        set(&mut event.kind, &self.kind.or(self.event_type));
        set_text(&mut event.main_artist, &self.main_artist);
        set_text(&mut event.image, &self.image.clone().or(self.image_url.clone()));
        set(&mut event.status, &self.status);
        set(&mut event.min_age, &self.min_age);
        set(&mut event.is_featured, &self.is_featured);
        set(&mut event.hold_minutes, &self.hold_minutes);
        if let Some(artists) = &self.artists {
            if artists.len() > 50 {
                return Err(ApiError::invalid("artists", "must be at most 50"));
            }
            event.artists = artists.iter().filter_map(|Artist(name)| wire::filled(name.clone())).collect();
        }
        if let Some(tiers) = &self.tiers {
            event.tiers = apply_tiers(tiers, &before.tiers)?;
        }
        Ok(event)
    }
}

fn missing<const N: usize>(fields: [(&str, bool); N]) -> ApiError {
    let missing = fields.iter().filter(|(_, missing)| *missing);
    let error = |(field, _): &(&str, bool)| FieldError { field: (*field).to_owned(), reason: "is required".to_owned() };
    ApiError::invalid_fields(missing.map(error).collect())
}

/// The tiers as wanted. Those left out count too, since the sold ones among them stay, and all must fit one transaction.
fn apply_tiers(tiers: &[TierIn], before: &[Tier]) -> Result<Vec<Tier>, ApiError> {
    let mut listed = HashSet::new();
    let mut wanted = Vec::new();
    for (i, input) in tiers.iter().enumerate() {
        let wrong = |reason: &str| ApiError::invalid(format!("tiers[{i}].id"), reason);
        let known = match wire::filled(input.id.clone()) {
            None => None,
            Some(id) => {
                let id: Option<TierId> = id.parse().ok();
                let tier = before.iter().find(|tier| Some(tier.id) == id);
                Some(tier.ok_or_else(|| wrong("is not a tier of this event"))?)
            }
        };
        if known.is_some_and(|tier| !listed.insert(tier.id)) {
            return Err(wrong("is listed twice"));
        }
        wanted.push(input.apply(known, i)?);
    }
    let left_out = before.iter().filter(|tier| !listed.contains(&tier.id)).count();
    if wanted.len() + left_out > MAX_TIERS {
        let reason = format!("must be at most {MAX_TIERS}, with those that the event has and the list leaves out");
        return Err(ApiError::invalid("tiers", reason));
    }
    Ok(wanted)
}

impl TierIn {
    fn apply(&self, before: Option<&Tier>, i: usize) -> Result<Tier, ApiError> {
        let wrong = |field: &str, reason: &str| ApiError::invalid(format!("tiers[{i}].{field}"), reason);
        let mut tier = match before {
            Some(before) => before.clone(),
            None => Tier {
                id: TierId(Uuid::new_v4()),
                name: self.name.clone().ok_or_else(|| wrong("name", "is required"))?,
                description: String::new(),
                price: self.price.ok_or_else(|| wrong("price", "is required"))?,
                currency: Currency::default(),
                quantity: DEFAULT_QUANTITY,
                max_per_order: DEFAULT_MAX_PER_ORDER,
                payment_link: None,
                is_active: true,
                sale_starts_at: None,
                sale_ends_at: None,
            },
        };
        set(&mut tier.name, &self.name);
        set(&mut tier.description, &self.description);
        set(&mut tier.price, &self.price);
        set(&mut tier.currency, &self.currency);
        set(&mut tier.quantity, &self.quantity);
        set(&mut tier.max_per_order, &self.max_per_order);
        set_text(&mut tier.payment_link, &self.payment_link);
        set(&mut tier.is_active, &self.is_active);
        set(&mut tier.sale_starts_at, &self.sale_starts_at);
        set(&mut tier.sale_ends_at, &self.sale_ends_at);
        match (tier.sale_starts_at, tier.sale_ends_at) {
            (Some(start), Some(end)) if end <= start => Err(wrong("saleEndsAt", "must be after saleStartsAt")),
            _ => Ok(tier),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Spelled;
    use serde_json::{Value, json};

    fn read(value: Value) -> EventIn {
        serde_json::from_value::<Spelled<EventIn>>(value).unwrap().0
    }

    fn event() -> Event {
        let org = OrgId::from_random([1; 16]);
        let input = json!({
            "name": " Summer Night ", "location": "Guatemala", "event_date": "2026-12-24", "date": "2026-12-24",
            "event_time": "20:30", "event_type": "concert", "main_artist": "Ana", "artists": ["Ana", " "],
            "image_url": "https://example.com/a.png", "min_age": "21", "is_featured": true, "hold_minutes": 30,
            "tiers": [{"id": Uuid::new_v4(), "name": "General", "price": "19.99", "max_per_order": 4,
                "payment_link": "https://pay.example.com/x", "is_active": false, "sale_ends_at": "2026-12-24T20:00"}],
        });
        read(input).create(org, Timestamp::UNIX_EPOCH).unwrap()
    }

    #[test]
    fn the_client_s_own_spelling_makes_an_event() {
        let event = event();
        assert_eq!((event.name.as_str(), event.slug.as_str()), ("Summer Night", "summer-night"));
        assert_eq!((event.date, event.time), (civil::date(2026, 12, 24), civil::time(20, 30, 0, 0)));
        assert_eq!((event.kind, event.status), (EventKind::Concert, EventStatus::Draft));
        assert_eq!((event.min_age, event.is_featured, event.hold_minutes), (21, true, 30));
        assert_eq!(event.artists, ["Ana"]);
        assert_eq!(event.image.as_deref(), Some("https://example.com/a.png"));
        let tier = &event.tiers[0];
        assert_eq!((tier.price, tier.quantity, tier.max_per_order, tier.is_active), (Cents(1999), 100, 4, false));
        assert!(tier.payment_link.is_some() && tier.sale_ends_at.is_some());
    }

    #[test]
    fn a_new_event_lacks_what_is_named() {
        let error = read(json!({"location": "x"})).create(OrgId::from_random([1; 16]), Timestamp::UNIX_EPOCH);
        let fields: Vec<String> = error.unwrap_err().fields.into_iter().map(|error| error.field).collect();
        assert_eq!(fields, ["name", "date"]);
    }

    #[test]
    fn what_is_left_out_or_null_is_kept_and_empty_text_takes_away() {
        let before = event();
        let null =
            json!({"name": null, "date": null, "type": null, "tiers": null, "image": null, "hold_minutes": null});
        assert_eq!(read(null).apply(&before).unwrap(), before);
        let tier = before.tiers[0].id.to_string();
        let after = json!({"main_artist": "", "tiers": [{"id": tier, "price": 0, "sale_ends_at": ""}]});
        let after = read(after).apply(&before).unwrap();
        assert_eq!(after.main_artist, None);
        let wanted = Tier { price: Cents::ZERO, sale_ends_at: None, ..before.tiers[0].clone() };
        assert_eq!(after.tiers, [wanted]);
    }

    #[test]
    fn tiers_that_are_refused() {
        let before = event();
        let id = before.tiers[0].id.to_string();
        let field = |tiers: Value| read(json!({"tiers": tiers})).apply(&before).unwrap_err().fields[0].field.clone();
        assert_eq!(field(json!([{"id": Uuid::new_v4()}])), "tiers[0].id");
        assert_eq!(field(json!([{"id": "x"}])), "tiers[0].id");
        assert_eq!(field(json!([{"id": id}, {"id": id}])), "tiers[1].id");
        assert_eq!(field(json!([{"id": id}, {"name": "New"}])), "tiers[1].price");
        assert_eq!(field(json!([{"price": 5}])), "tiers[0].name");
        assert_eq!(field(json!([{"id": id, "sale_starts_at": "2027-01-01T00:00:00Z"}])), "tiers[0].saleEndsAt");
        let twelve = vec![json!({"name": "New", "price": 1}); 12];
        assert_eq!(field(json!(twelve)), "tiers");
        let eleven = vec![json!({"name": "New", "price": 1}); 11];
        assert_eq!(read(json!({"tiers": eleven})).apply(&before).unwrap().tiers.len(), 11);
    }
}
