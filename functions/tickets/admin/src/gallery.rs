//! Galleries of pictures (contract §11, DECISIONS D8).

mod wire;

use std::collections::HashMap;

use axum::extract::State;
use domain::{
    audit::{Action, AuditEntry},
    ids::{EventId, GalleryId},
    tickets::{event::Event, gallery::Gallery},
};
use garde::Validate;
use http::StatusCode;
use runtime::{
    ApiError, Ctx, Json, Query, Staff,
    extract::Id,
    openapi::{CommonErrors, ErrorBody},
};
use serde::Deserialize;
use serde_json::json;
use store::StoreError;
use utoipa::IntoParams;

use self::wire::{
    CreatedGallery, GalleryIn, GalleryList, GalleryOut, ListedGallery, Photo, ShownGallery, WholeGallery,
};
use crate::{
    upload,
    wire::{MessageOut, Spelled, conflict, filled},
};

/// How often an edit is applied anew when somebody else has changed the gallery in between.
const EDITS: usize = 10;

/// Which galleries.
#[derive(Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
#[garde(allow_unvalidated)]
pub(crate) struct GalleriesQuery {
    /// UUID of an event.
    event_id: Option<String>,
    /// The same.
    #[serde(rename = "eventId")]
    camel_event_id: Option<String>,
    /// Text in title, description or photographer, in any case.
    search: Option<String>,
}

impl GalleriesQuery {
    fn matcher(self) -> impl Fn(&Gallery) -> bool {
        let event = filled(self.event_id).or(filled(self.camel_event_id)).map(|id| id.parse::<EventId>().ok());
        let search = filled(self.search).map(|text| text.to_lowercase());
        move |gallery: &Gallery| {
            let texts = [Some(&gallery.title), gallery.description.as_ref(), gallery.photographer.as_ref()];
            let found = |needle: &str| texts.iter().flatten().any(|text| text.to_lowercase().contains(needle));
            event.is_none_or(|event| event.is_some() && event == gallery.event_id)
                && search.as_deref().is_none_or(found)
        }
    }
}

fn not_found() -> ApiError {
    ApiError::not_found("GALLERY_NOT_FOUND", "Gallery not found")
}

async fn own_gallery(ctx: &Ctx, staff: &Staff, id: Option<GalleryId>) -> Result<Gallery, ApiError> {
    let gallery = ctx.store().load_gallery(id.ok_or_else(not_found)?).await?;
    gallery.filter(|gallery| gallery.org == staff.org).ok_or_else(not_found)
}

/// 400 unless the event that a gallery shall show is one of the organization's.
async fn check_event(ctx: &Ctx, staff: &Staff, event: Option<EventId>) -> Result<(), ApiError> {
    let Some(id) = event else { return Ok(()) };
    let event = ctx.store().load_event(id).await?.filter(|event| event.org == staff.org);
    event.map(drop).ok_or_else(|| ApiError::bad_request("REFERENCE_ERROR", "eventId: there is no such event"))
}

fn audit(ctx: &Ctx, staff: &Staff, action: Action, gallery: &Gallery) -> AuditEntry {
    staff.audit(uuid::Uuid::new_v4().to_string(), action, ("gallery", gallery.id.to_string()), ctx.now())
}

/// What the log keeps of a gallery.
fn facts(gallery: &Gallery) -> Option<String> {
    let facts = json!({"title": gallery.title, "isPublished": gallery.is_published, "images": gallery.images.len()});
    Some(facts.to_string())
}

/// URLs of everything that a gallery shows.
fn pictures(gallery: &Gallery) -> Vec<&str> {
    let images = gallery.images.iter().flat_map(|image| [Some(&image.url), image.thumbnail.as_ref()]);
    images.chain([gallery.cover.as_ref()]).flatten().map(String::as_str).collect()
}

/// Galleries of the organization, newest first. `items` are the same as a flat list of photographs.
#[utoipa::path(get, path = "/tickets/api/admin/gallery", tag = "tickets admin", security(("bearer" = [])),
    params(GalleriesQuery),
    responses(
        (status = 200, description = "The galleries", body = GalleryList),
        (status = 401, description = "`NO_TOKEN`, `INVALID_TOKEN`", body = ErrorBody),
        (status = 403, description = "`FORBIDDEN`", body = ErrorBody),
        CommonErrors,
    ))]
pub(crate) async fn list_galleries(
    State(ctx): State<Ctx>,
    staff: Staff,
    Query(query): Query<GalleriesQuery>,
) -> Result<Json<GalleryList>, ApiError> {
    let (mut galleries, events) =
        tokio::try_join!(ctx.store().list_galleries(staff.org), ctx.store().list_events(staff.org))?;
    galleries.retain(query.matcher());
    let events: HashMap<EventId, Event> = events.into_iter().map(|event| (event.id, event)).collect();
    let items = galleries.iter().enumerate().map(|(i, gallery)| Photo::new(i, gallery)).collect();
    let show = |gallery: &Gallery| ListedGallery::new(gallery, gallery.event_id.and_then(|id| events.get(&id)));
    let galleries: Vec<ListedGallery> = galleries.iter().map(show).collect();
    Ok(Json(GalleryList { success: true, count: galleries.len(), galleries, items }))
}

/// A gallery with its pictures, published or not.
#[utoipa::path(get, path = "/tickets/api/admin/gallery/{id}", tag = "tickets admin", security(("bearer" = [])),
    params(("id" = String, Path, description = "UUID of the gallery")),
    responses(
        (status = 200, description = "The gallery", body = ShownGallery),
        (status = 401, description = "`NO_TOKEN`, `INVALID_TOKEN`", body = ErrorBody),
        (status = 403, description = "`FORBIDDEN`", body = ErrorBody),
        (status = 404, description = "`GALLERY_NOT_FOUND`", body = ErrorBody),
        CommonErrors,
    ))]
pub(crate) async fn show_gallery(
    State(ctx): State<Ctx>,
    staff: Staff,
    Id(id): Id<GalleryId>,
) -> Result<Json<ShownGallery>, ApiError> {
    let gallery = own_gallery(&ctx, &staff, id).await?;
    let event = match gallery.event_id {
        Some(event) => ctx.store().load_event(event).await?,
        None => None,
    };
    let shown = GalleryOut::new(&gallery, event.as_ref());
    Ok(Json(ShownGallery { success: true, gallery: WholeGallery::new(shown, gallery.images) }))
}

/// Makes a gallery. `title` is required, but for a single photograph (`imageUrl` in place of `images`).
#[utoipa::path(post, path = "/tickets/api/admin/gallery", tag = "tickets admin", security(("bearer" = [])),
    request_body = GalleryIn,
    responses(
        (status = 201, description = "Made", body = CreatedGallery),
        (status = 400, description = "`VALIDATION_ERROR`, `REFERENCE_ERROR`", body = ErrorBody),
        (status = 401, description = "`NO_TOKEN`, `INVALID_TOKEN`", body = ErrorBody),
        (status = 403, description = "`FORBIDDEN`", body = ErrorBody),
        (status = 413, description = "`PAYLOAD_TOO_LARGE`", body = ErrorBody),
        CommonErrors,
    ))]
pub(crate) async fn create_gallery(
    State(ctx): State<Ctx>,
    staff: Staff,
    Json(Spelled(input)): Json<Spelled<GalleryIn>>,
) -> Result<(StatusCode, Json<CreatedGallery>), ApiError> {
    let gallery = input.create(staff.org, ctx.now())?;
    check_event(&ctx, &staff, gallery.event_id).await?;
    let audit = AuditEntry { new: facts(&gallery), ..audit(&ctx, &staff, Action::Create, &gallery) };
    ctx.store().create_gallery(&gallery, &audit).await?;
    Ok((StatusCode::CREATED, Json(CreatedGallery::new(&gallery))))
}

/// Changes a gallery. What is left out, or null, keeps its value; `images` replaces all pictures.
#[utoipa::path(put, path = "/tickets/api/admin/gallery/{id}", tag = "tickets admin", security(("bearer" = [])),
    params(("id" = String, Path, description = "UUID of the gallery")), request_body = GalleryIn,
    responses(
        (status = 200, description = "Changed", body = MessageOut),
        (status = 400, description = "`VALIDATION_ERROR`, `REFERENCE_ERROR`", body = ErrorBody),
        (status = 401, description = "`NO_TOKEN`, `INVALID_TOKEN`", body = ErrorBody),
        (status = 403, description = "`FORBIDDEN`", body = ErrorBody),
        (status = 404, description = "`GALLERY_NOT_FOUND`", body = ErrorBody),
        (status = 409, description = "`CONFLICT`: others keep changing it", body = ErrorBody),
        (status = 413, description = "`PAYLOAD_TOO_LARGE`", body = ErrorBody),
        CommonErrors,
    ))]
pub(crate) async fn update_gallery(
    State(ctx): State<Ctx>,
    staff: Staff,
    Id(id): Id<GalleryId>,
    Json(Spelled(input)): Json<Spelled<GalleryIn>>,
) -> Result<Json<MessageOut>, ApiError> {
    for _ in 0..EDITS {
        let before = own_gallery(&ctx, &staff, id).await?;
        let wish = input.apply(&before)?;
        if wish.event_id != before.event_id {
            check_event(&ctx, &staff, wish.event_id).await?;
        }
        let entry = audit(&ctx, &staff, Action::Update, &before);
        let entry = AuditEntry { old: facts(&before), new: facts(&wish), ..entry };
        match ctx.store().edit_gallery(&wish, &entry).await {
            Ok(()) => return Ok(MessageOut::new("Gallery updated successfully")),
            Err(StoreError::Stale) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(conflict())
}

/// Deletes a gallery and, as well as can be, its pictures that were uploaded here.
#[utoipa::path(delete, path = "/tickets/api/admin/gallery/{id}", tag = "tickets admin", security(("bearer" = [])),
    params(("id" = String, Path, description = "UUID of the gallery")),
    responses(
        (status = 200, description = "Deleted", body = MessageOut),
        (status = 401, description = "`NO_TOKEN`, `INVALID_TOKEN`", body = ErrorBody),
        (status = 403, description = "`FORBIDDEN`", body = ErrorBody),
        (status = 404, description = "`GALLERY_NOT_FOUND`", body = ErrorBody),
        CommonErrors,
    ))]
pub(crate) async fn delete_gallery(
    State(ctx): State<Ctx>,
    staff: Staff,
    Id(id): Id<GalleryId>,
) -> Result<Json<MessageOut>, ApiError> {
    let gallery = own_gallery(&ctx, &staff, id).await?;
    let audit = AuditEntry { old: facts(&gallery), ..audit(&ctx, &staff, Action::Delete, &gallery) };
    match ctx.store().delete_gallery(&gallery, &audit).await {
        Ok(()) => {}
        Err(StoreError::Stale) => return Err(not_found()),
        Err(error) => return Err(error.into()),
    }
    upload::delete_pictures(&ctx, staff.org, &pictures(&gallery)).await;
    Ok(MessageOut::new("Gallery deleted successfully"))
}
