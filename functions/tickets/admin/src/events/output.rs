//! An event as staff see it, and what the audit log keeps of a change.

use std::collections::HashMap;

use domain::{
    ids::TierId,
    stock::Stripe,
    tickets::event::{Event, EventKind, Tier},
    time::iso,
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// An event as staff see it. The client reads some fields in camel case and some in snake case (contract §9).
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AdminEvent)]
pub(crate) struct EventOut {
    id: String,
    name: String,
    slug: String,
    location: String,
    venue: Option<String>,
    /// `YYYY-MM-DD`, local to the venue.
    date: String,
    /// `HH:MM:SS`, local to the venue.
    time: String,
    description: Option<String>,
    /// `party`, `festival`, `gathering`, `concert` or `workshop`.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: EventKind,
    main_artist: Option<String>,
    artists: Vec<String>,
    /// URL of the poster.
    image: Option<String>,
    min_age: u32,
    /// `draft`, `active`, `cancelled`, `completed` or `deleted`.
    status: &'static str,
    is_featured: bool,
    /// Minutes an unpaid order keeps its tickets.
    hold_minutes: u32,
    /// In order of display.
    tiers: Vec<TierOut>,
    /// ISO 8601.
    created_at: String,
    #[serde(flatten)]
    snake: EventSnake,
}

/// The same fields by their other names.
#[derive(Serialize, ToSchema)]
pub(crate) struct EventSnake {
    event_date: String,
    event_time: String,
    #[schema(value_type = String)]
    event_type: EventKind,
    main_artist: Option<String>,
    image_url: Option<String>,
    min_age: u32,
    is_featured: bool,
    hold_minutes: u32,
    created_at: String,
}

/// A tier as staff see it.
#[derive(Serialize, ToSchema)]
#[schema(as = AdminTier)]
pub(crate) struct TierOut {
    id: String,
    name: String,
    description: String,
    /// Major units.
    price: f64,
    currency: String,
    quantity: i64,
    /// Sold, or held by an order that waits for payment.
    sold: i64,
    available: i64,
    max_per_order: u32,
    payment_link: Option<String>,
    is_active: bool,
    sale_starts_at: Option<String>,
    sale_ends_at: Option<String>,
    #[serde(flatten)]
    camel: TierCamel,
}

/// The same fields in the other spelling.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TierCamel {
    max_per_order: u32,
    payment_link: Option<String>,
    is_active: bool,
    sale_starts_at: Option<String>,
    sale_ends_at: Option<String>,
}

impl EventOut {
    pub(crate) fn new(event: Event, stock: &HashMap<TierId, Stripe>) -> Self {
        let (date, time) = (event.date.to_string(), event.time.strftime("%H:%M:%S").to_string());
        let created_at = iso(event.created_at);
        let tier = |tier: Tier| TierOut::new(stock.get(&tier.id).cloned().unwrap_or_default(), tier);
        EventOut {
            id: event.id.to_string(),
            name: event.name,
            slug: event.slug,
            location: event.location,
            venue: event.venue,
            description: event.description,
            kind: event.kind,
            artists: event.artists,
            status: event.status.as_str(),
            tiers: event.tiers.into_iter().map(tier).collect(),
            snake: EventSnake {
                event_date: date.clone(),
                event_time: time.clone(),
                event_type: event.kind,
                main_artist: event.main_artist.clone(),
                image_url: event.image.clone(),
                min_age: event.min_age,
                is_featured: event.is_featured,
                hold_minutes: event.hold_minutes,
                created_at: created_at.clone(),
            },
            date,
            time,
            main_artist: event.main_artist,
            image: event.image,
            min_age: event.min_age,
            is_featured: event.is_featured,
            hold_minutes: event.hold_minutes,
            created_at,
        }
    }
}

impl TierOut {
    /// The figures are the stripes' own, so that they agree with one another while the capacity changes.
    fn new(stock: Stripe, tier: Tier) -> Self {
        let (sale_starts_at, sale_ends_at) = (tier.sale_starts_at.map(iso), tier.sale_ends_at.map(iso));
        TierOut {
            id: tier.id.to_string(),
            name: tier.name,
            description: tier.description,
            price: tier.price.to_major(),
            currency: tier.currency.to_string(),
            quantity: stock.capacity(),
            sold: stock.capacity() - stock.available,
            available: stock.available,
            camel: TierCamel {
                max_per_order: tier.max_per_order,
                payment_link: tier.payment_link.clone(),
                is_active: tier.is_active,
                sale_starts_at: sale_starts_at.clone(),
                sale_ends_at: sale_ends_at.clone(),
            },
            max_per_order: tier.max_per_order,
            payment_link: tier.payment_link,
            is_active: tier.is_active,
            sale_starts_at,
            sale_ends_at,
        }
    }
}

/// What the log keeps of a change: the fields that differ, before and after, as JSON; of a long text its beginning.
pub(crate) fn changes(before: Option<&Event>, after: &Event) -> (Option<String>, Option<String>) {
    let (mut old, mut new) = (before.map(facts).unwrap_or_default(), facts(after));
    new.retain(|field, value| old.get(field) != Some(value));
    old.retain(|field, _| new.contains_key(field));
    let text = |facts: Map<String, Value>| begin(Value::Object(facts)).to_string();
    (before.map(|_| text(old)), Some(text(new)))
}

fn begin(value: Value) -> Value {
    match value {
        Value::String(text) => text.chars().take(100).collect::<String>().into(),
        Value::Array(values) => values.into_iter().map(begin).collect(),
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, begin(value))).collect(),
        value => value,
    }
}

fn facts(event: &Event) -> Map<String, Value> {
    let tier = |tier: &Tier| {
        json!({
            "id": tier.id, "name": tier.name, "description": tier.description, "price": tier.price.to_major(),
            "currency": tier.currency, "quantity": tier.quantity, "maxPerOrder": tier.max_per_order,
            "paymentLink": tier.payment_link, "isActive": tier.is_active,
            "saleStartsAt": tier.sale_starts_at.map(iso), "saleEndsAt": tier.sale_ends_at.map(iso),
        })
    };
    let facts = json!({
        "name": event.name, "location": event.location, "venue": event.venue, "date": event.date, "time": event.time,
        "description": event.description, "type": event.kind, "mainArtist": event.main_artist,
        "artists": event.artists, "image": event.image, "status": event.status, "minAge": event.min_age,
        "isFeatured": event.is_featured, "holdMinutes": event.hold_minutes,
        "tiers": event.tiers.iter().map(tier).collect::<Vec<_>>(),
    });
    match facts {
        Value::Object(facts) => facts,
        _ => Map::new(),
    }
}
