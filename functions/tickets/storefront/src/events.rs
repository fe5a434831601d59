//! Events and what is left of their tickets.

use std::{cmp::Reverse, collections::HashMap};

use axum::extract::State;
use domain::{
    ids::{EventId, TierId},
    stock::Stripe,
    tickets::event::{Event, EventKind, EventStatus, Tier},
    time::iso,
};
use runtime::{
    ApiError, Ctx, Json, MaybeStaff,
    extract::Id,
    openapi::{CommonErrors, ErrorBody},
};
use serde::Serialize;
use utoipa::ToSchema;

/// An event as buyers see it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventOut {
    id: String,
    name: String,
    /// The name as a part of a URL.
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
    image: Option<String>,
    min_age: u32,
    /// `draft`, `active`, `cancelled` or `completed`.
    status: &'static str,
    is_featured: bool,
    /// In order of display.
    tiers: Vec<TierOut>,
}

/// A ticket tier as buyers see it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
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
    /// Tickets one order may hold at most.
    max_per_order: u32,
    payment_link: Option<String>,
    is_active: bool,
    /// ISO 8601; null when open from the start.
    sale_starts_at: Option<String>,
    /// ISO 8601; null when open to the end.
    sale_ends_at: Option<String>,
}

impl EventOut {
    fn new(event: Event, stock: &HashMap<TierId, Stripe>) -> Self {
        let tier = |tier: Tier| TierOut::new(stock.get(&tier.id).cloned().unwrap_or_default(), tier);
        EventOut {
            id: event.id.to_string(),
            name: event.name,
            slug: event.slug,
            location: event.location,
            venue: event.venue,
            date: event.date.to_string(),
            time: event.time.strftime("%H:%M:%S").to_string(),
            description: event.description,
            kind: event.kind,
            main_artist: event.main_artist,
            artists: event.artists,
            image: event.image,
            min_age: event.min_age,
            status: event.status.as_str(),
            is_featured: event.is_featured,
            tiers: event.tiers.into_iter().map(tier).collect(),
        }
    }
}

impl TierOut {
    /// The figures are the stripes' own, so that they agree with one another while the capacity changes.
    fn new(stock: Stripe, tier: Tier) -> Self {
        TierOut {
            id: tier.id.to_string(),
            name: tier.name,
            description: tier.description,
            price: tier.price.to_major(),
            currency: tier.currency.to_string(),
            quantity: stock.capacity(),
            sold: stock.capacity() - stock.available,
            available: stock.available,
            max_per_order: tier.max_per_order,
            payment_link: tier.payment_link,
            is_active: tier.is_active,
            sale_starts_at: tier.sale_starts_at.map(iso),
            sale_ends_at: tier.sale_ends_at.map(iso),
        }
    }
}

/// Events on sale.
#[derive(Serialize, ToSchema)]
pub(crate) struct EventList {
    success: bool,
    events: Vec<EventOut>,
    count: usize,
}

/// One event.
#[derive(Serialize, ToSchema)]
pub(crate) struct ShownEvent {
    success: bool,
    event: EventOut,
}

/// Active events with their active tiers, by date, the newest of a day first.
#[utoipa::path(get, path = "/tickets/api/events", tag = "tickets storefront",
    responses((status = 200, description = "The events", body = EventList), CommonErrors))]
pub(crate) async fn list_events(State(ctx): State<Ctx>) -> Result<Json<EventList>, ApiError> {
    let mut events = ctx.store().list_events(ctx.settings().tickets_org).await?;
    events.retain(|event| event.status == EventStatus::Active);
    events.iter_mut().for_each(|event| event.tiers.retain(|tier| tier.is_active));
    events.sort_by_key(|event| (event.date, Reverse(event.created_at)));
    let tiers: Vec<TierId> = events.iter().flat_map(|event| &event.tiers).map(|tier| tier.id).collect();
    let stock = ctx.store().load_stock(&tiers).await?;
    let events: Vec<EventOut> = events.into_iter().map(|event| EventOut::new(event, &stock)).collect();
    Ok(Json(EventList { success: true, count: events.len(), events }))
}

/// An event with all of its tiers. A draft is seen by staff of its organization only, when they send their token.
#[utoipa::path(get, path = "/tickets/api/events/{id}", tag = "tickets storefront", security((), ("bearer" = [])),
    params(("id" = String, Path, description = "UUID of the event")),
    responses(
        (status = 200, description = "The event", body = ShownEvent),
        (status = 401, description = "`INVALID_TOKEN`: a token was sent that is not valid", body = ErrorBody),
        (status = 403, description = "`FORBIDDEN`: a token was sent by somebody without a role", body = ErrorBody),
        (status = 404, description = "`EVENT_NOT_FOUND`", body = ErrorBody),
        CommonErrors,
    ))]
pub(crate) async fn show_event(
    State(ctx): State<Ctx>,
    MaybeStaff(staff): MaybeStaff,
    Id(id): Id<EventId>,
) -> Result<Json<ShownEvent>, ApiError> {
    let not_found = || ApiError::not_found("EVENT_NOT_FOUND", "Event not found");
    let event = ctx.store().load_event(id.ok_or_else(not_found)?).await?.ok_or_else(not_found)?;
    let own_draft = event.status == EventStatus::Draft && staff.is_some_and(|staff| staff.org == event.org);
    if !event.status.is_public() && !own_draft {
        return Err(not_found());
    }
    let tiers: Vec<TierId> = event.tiers.iter().map(|tier| tier.id).collect();
    let stock = ctx.store().load_stock(&tiers).await?;
    Ok(Json(ShownEvent { success: true, event: EventOut::new(event, &stock) }))
}
