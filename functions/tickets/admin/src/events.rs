//! Events and their tiers (contract §9, DECISIONS D6).

mod input;
mod output;

use std::cmp::Reverse;

use axum::extract::State;
use domain::{
    audit::{Action, AuditEntry},
    ids::{EventId, TierId},
    tickets::event::{Event, EventStatus},
};
use garde::Validate;
use http::StatusCode;
use runtime::{
    ApiError, Ctx, Json, Query, Staff,
    extract::Id,
    openapi::{CommonErrors, ErrorBody},
};
use serde::{Deserialize, Serialize};
use store::EditEventError;
use utoipa::{IntoParams, ToSchema};

use self::{input::EventIn, output::EventOut};
use crate::wire::{MessageOut, Spelled, conflict, filled, is_true};

/// How often an edit is applied anew when somebody else has changed the event in between.
const EDITS: usize = 10;

/// Which events.
#[derive(Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
#[garde(allow_unvalidated)]
pub(crate) struct EventsQuery {
    /// `draft`, `active`, `cancelled`, `completed` or `deleted`; `all` or nothing for every one that is not deleted.
    status: Option<String>,
    /// Text in the name, the venue or the place, in any case.
    search: Option<String>,
    /// `true` shows deleted ones too.
    include_deleted: Option<String>,
}

impl EventsQuery {
    fn matcher(self) -> Result<impl Fn(&Event) -> bool, ApiError> {
        let status = match filled(self.status).filter(|status| status != "all") {
            Some(status) => Some(parse_status(&status)?),
            None => None,
        };
        let deleted = self.include_deleted.is_some_and(|text| is_true(&text));
        let search = filled(self.search).map(|text| text.to_lowercase());
        Ok(move |event: &Event| {
            let shown = status.map_or(deleted || event.status != EventStatus::Deleted, |status| event.status == status);
            let texts = [Some(&event.name), event.venue.as_ref(), Some(&event.location)];
            let found = |needle: &str| texts.iter().flatten().any(|text| text.to_lowercase().contains(needle));
            shown && search.as_deref().is_none_or(found)
        })
    }
}

fn parse_status(text: &str) -> Result<EventStatus, ApiError> {
    serde_json::from_value(text.into())
        .map_err(|_| ApiError::invalid("status", "must be all, draft, active, cancelled, completed or deleted"))
}

/// Events of the organization.
#[derive(Serialize, ToSchema)]
#[schema(as = AdminEventList)]
pub(crate) struct EventList {
    success: bool,
    events: Vec<EventOut>,
    count: usize,
}

/// One event.
#[derive(Serialize, ToSchema)]
#[schema(as = AdminShownEvent)]
pub(crate) struct ShownEvent {
    success: bool,
    event: EventOut,
}

/// A new event.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreatedEvent {
    success: bool,
    event: EventName,
    message: &'static str,
}

/// An event by its name.
#[derive(Serialize, ToSchema)]
pub(crate) struct EventName {
    id: String,
    name: String,
}

pub(crate) fn not_found() -> ApiError {
    ApiError::not_found("EVENT_NOT_FOUND", "Event not found")
}

/// An event of the organization that is not deleted.
pub(crate) async fn own_event(ctx: &Ctx, staff: &Staff, id: Option<EventId>) -> Result<Event, ApiError> {
    let event = ctx.store().load_event(id.ok_or_else(not_found)?).await?;
    event.filter(|event| event.org == staff.org && event.status != EventStatus::Deleted).ok_or_else(not_found)
}

async fn show(ctx: &Ctx, events: Vec<Event>) -> Result<Vec<EventOut>, ApiError> {
    let tiers: Vec<TierId> = events.iter().flat_map(|event| &event.tiers).map(|tier| tier.id).collect();
    let stock = ctx.store().load_stock(&tiers).await?;
    Ok(events.into_iter().map(|event| EventOut::new(event, &stock)).collect())
}

/// Events of the organization, the latest date first.
#[utoipa::path(get, path = "/tickets/api/admin/events", tag = "tickets admin", security(("bearer" = [])),
    params(EventsQuery),
    responses(
        (status = 200, description = "The events", body = EventList),
        (status = 400, description = "`VALIDATION_ERROR`", body = ErrorBody),
        (status = 401, description = "`NO_TOKEN`, `INVALID_TOKEN`", body = ErrorBody),
        (status = 403, description = "`FORBIDDEN`", body = ErrorBody),
        CommonErrors,
    ))]
pub(crate) async fn list_events(
    State(ctx): State<Ctx>,
    staff: Staff,
    Query(query): Query<EventsQuery>,
) -> Result<Json<EventList>, ApiError> {
    let matches = query.matcher()?;
    let mut events = ctx.store().list_events(staff.org).await?;
    events.retain(matches);
    events.sort_by_key(|event| Reverse((event.date, event.created_at)));
    let events = show(&ctx, events).await?;
    Ok(Json(EventList { success: true, count: events.len(), events }))
}

/// An event with its tiers.
#[utoipa::path(get, path = "/tickets/api/admin/events/{id}", tag = "tickets admin", security(("bearer" = [])),
    params(("id" = String, Path, description = "UUID of the event")),
    responses(
        (status = 200, description = "The event", body = ShownEvent),
        (status = 401, description = "`NO_TOKEN`, `INVALID_TOKEN`", body = ErrorBody),
        (status = 403, description = "`FORBIDDEN`", body = ErrorBody),
        (status = 404, description = "`EVENT_NOT_FOUND`", body = ErrorBody),
        CommonErrors,
    ))]
pub(crate) async fn show_event(
    State(ctx): State<Ctx>,
    staff: Staff,
    Id(id): Id<EventId>,
) -> Result<Json<ShownEvent>, ApiError> {
    let event = own_event(&ctx, &staff, id).await?;
    let event = show(&ctx, vec![event]).await?.pop().ok_or_else(not_found)?;
    Ok(Json(ShownEvent { success: true, event }))
}

/// Makes an event with its tiers and their stock. `name`, `location` and `date` are required.
#[utoipa::path(post, path = "/tickets/api/admin/events", tag = "tickets admin", security(("bearer" = [])),
    request_body = EventIn,
    responses(
        (status = 201, description = "Made", body = CreatedEvent),
        (status = 400, description = "`VALIDATION_ERROR`", body = ErrorBody),
        (status = 401, description = "`NO_TOKEN`, `INVALID_TOKEN`", body = ErrorBody),
        (status = 403, description = "`FORBIDDEN`", body = ErrorBody),
        (status = 413, description = "`PAYLOAD_TOO_LARGE`", body = ErrorBody),
        CommonErrors,
    ))]
pub(crate) async fn create_event(
    State(ctx): State<Ctx>,
    staff: Staff,
    Json(Spelled(input)): Json<Spelled<EventIn>>,
) -> Result<(StatusCode, Json<CreatedEvent>), ApiError> {
    let event = input.create(staff.org, ctx.now())?;
    let (_, new) = output::changes(None, &event);
    let audit = AuditEntry { new, ..audit(&ctx, &staff, Action::Create, event.id) };
    ctx.store().create_event(&event, &audit).await?;
    tracing::info!(event = %event.id, org = %event.org, "event created");
    let event = EventName { id: event.id.to_string(), name: event.name };
    Ok((StatusCode::CREATED, Json(CreatedEvent { success: true, event, message: "Event created successfully" })))
}

/// Changes an event, also while it sells. What is left out, or null, keeps its value; text that is empty takes an
/// optional value away. Orders keep the price they were made at.
#[utoipa::path(put, path = "/tickets/api/admin/events/{id}", tag = "tickets admin", security(("bearer" = [])),
    params(("id" = String, Path, description = "UUID of the event")), request_body = EventIn,
    responses(
        (status = 200, description = "Changed", body = MessageOut),
        (status = 400, description = "`VALIDATION_ERROR`", body = ErrorBody),
        (status = 401, description = "`NO_TOKEN`, `INVALID_TOKEN`", body = ErrorBody),
        (status = 403, description = "`FORBIDDEN`", body = ErrorBody),
        (status = 404, description = "`EVENT_NOT_FOUND`", body = ErrorBody),
        (status = 409, description = "`CONFLICT`: others keep changing it", body = ErrorBody),
        (status = 413, description = "`PAYLOAD_TOO_LARGE`", body = ErrorBody),
        CommonErrors,
    ))]
pub(crate) async fn update_event(
    State(ctx): State<Ctx>,
    staff: Staff,
    Id(id): Id<EventId>,
    Json(Spelled(input)): Json<Spelled<EventIn>>,
) -> Result<Json<MessageOut>, ApiError> {
    edit_event(&ctx, &staff, id, Action::Update, |before| input.apply(before)).await?;
    Ok(MessageOut::new("Event updated successfully"))
}

/// Removes an event from sale and from sight; it is kept for its orders.
#[utoipa::path(delete, path = "/tickets/api/admin/events/{id}", tag = "tickets admin", security(("bearer" = [])),
    params(("id" = String, Path, description = "UUID of the event")),
    responses(
        (status = 200, description = "Deleted", body = MessageOut),
        (status = 401, description = "`NO_TOKEN`, `INVALID_TOKEN`", body = ErrorBody),
        (status = 403, description = "`FORBIDDEN`", body = ErrorBody),
        (status = 404, description = "`EVENT_NOT_FOUND`", body = ErrorBody),
        (status = 409, description = "`CONFLICT`: others keep changing it", body = ErrorBody),
        CommonErrors,
    ))]
pub(crate) async fn delete_event(
    State(ctx): State<Ctx>,
    staff: Staff,
    Id(id): Id<EventId>,
) -> Result<Json<MessageOut>, ApiError> {
    let delete = |before: &Event| Ok(Event { status: EventStatus::Deleted, ..before.clone() });
    edit_event(&ctx, &staff, id, Action::Delete, delete).await?;
    Ok(MessageOut::new("Event deleted successfully"))
}

/// Loads, changes and saves; begins again when somebody else saved in between, so that of two edits each field gets the
/// later one's value and no edit is lost whole.
async fn edit_event(
    ctx: &Ctx,
    staff: &Staff,
    id: Option<EventId>,
    action: Action,
    change: impl Fn(&Event) -> Result<Event, ApiError>,
) -> Result<(), ApiError> {
    for _ in 0..EDITS {
        let before = own_event(ctx, staff, id).await?;
        let wish = change(&before)?;
        let (old, new) = output::changes(Some(&before), &wish);
        let audit = AuditEntry { old, new, ..audit(ctx, staff, action, before.id) };
        match ctx.store().edit_event(&before, &wish, &audit).await {
            Ok(_) => return Ok(()),
            Err(EditEventError::Conflict) => {}
            Err(EditEventError::TooManyTiers) => {
                return Err(ApiError::invalid("tiers", "too many are changed at once"));
            }
            Err(EditEventError::Store(error)) => return Err(error.into()),
        }
    }
    Err(conflict())
}

fn audit(ctx: &Ctx, staff: &Staff, action: Action, event: EventId) -> AuditEntry {
    staff.audit(uuid::Uuid::new_v4().to_string(), action, ("event", event.to_string()), ctx.now())
}
