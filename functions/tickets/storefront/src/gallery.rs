//! Published galleries.

use std::collections::HashMap;

use axum::extract::State;
use domain::{
    ids::GalleryId,
    tickets::{
        event::Event,
        gallery::{Gallery, Image},
    },
    time::iso,
};
use runtime::{
    ApiError, Ctx, Json,
    extract::Id,
    openapi::{CommonErrors, ErrorBody},
};
use serde::Serialize;
use utoipa::ToSchema;

/// A gallery, without its pictures.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GalleryOut {
    id: String,
    title: String,
    description: Option<String>,
    /// The first picture, else the stored cover.
    cover_url: Option<String>,
    event_id: Option<String>,
    event_name: Option<String>,
    /// `YYYY-MM-DD`.
    event_date: Option<String>,
    photographer: Option<String>,
    /// ISO 8601.
    created_at: String,
}

impl GalleryOut {
    fn new(gallery: &Gallery, event: Option<&Event>) -> Self {
        GalleryOut {
            id: gallery.id.to_string(),
            title: gallery.title.clone(),
            description: gallery.description.clone(),
            cover_url: gallery.cover_url().map(str::to_owned),
            event_id: gallery.event_id.map(|id| id.to_string()),
            event_name: event.map(|event| event.name.clone()),
            event_date: event.map(|event| event.date.to_string()),
            photographer: gallery.photographer.clone(),
            created_at: iso(gallery.created_at),
        }
    }
}

/// A gallery in the list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListedGallery {
    #[serde(flatten)]
    gallery: GalleryOut,
    image_count: usize,
}

/// A gallery with its pictures.
#[derive(Serialize, ToSchema)]
pub(crate) struct WholeGallery {
    #[serde(flatten)]
    gallery: GalleryOut,
    /// In order of display.
    images: Vec<ImageOut>,
}

/// One picture.
#[derive(Serialize, ToSchema)]
pub(crate) struct ImageOut {
    id: String,
    url: String,
    thumbnail: Option<String>,
    caption: Option<String>,
}

impl From<Image> for ImageOut {
    fn from(image: Image) -> Self {
        ImageOut { id: image.id.to_string(), url: image.url, thumbnail: image.thumbnail, caption: image.caption }
    }
}

/// Published galleries.
#[derive(Serialize, ToSchema)]
pub(crate) struct GalleryList {
    success: bool,
    galleries: Vec<ListedGallery>,
    count: usize,
}

/// One gallery.
#[derive(Serialize, ToSchema)]
pub(crate) struct ShownGallery {
    success: bool,
    gallery: WholeGallery,
}

/// Published galleries, newest first.
#[utoipa::path(get, path = "/tickets/api/gallery", tag = "tickets storefront",
    responses((status = 200, description = "The galleries", body = GalleryList), CommonErrors))]
pub(crate) async fn list_galleries(State(ctx): State<Ctx>) -> Result<Json<GalleryList>, ApiError> {
    let org = ctx.settings().tickets_org;
    let (galleries, events) = tokio::try_join!(ctx.store().list_galleries(org), ctx.store().list_events(org))?;
    let events: HashMap<_, Event> = events.into_iter().map(|event| (event.id, event)).collect();
    let galleries: Vec<ListedGallery> = galleries
        .iter()
        .filter(|gallery| gallery.is_published)
        .map(|gallery| ListedGallery {
            gallery: GalleryOut::new(gallery, gallery.event_id.and_then(|id| events.get(&id))),
            image_count: gallery.images.len(),
        })
        .collect();
    Ok(Json(GalleryList { success: true, count: galleries.len(), galleries }))
}

/// A published gallery with its pictures.
#[utoipa::path(get, path = "/tickets/api/gallery/{id}", tag = "tickets storefront",
    params(("id" = String, Path, description = "UUID of the gallery")),
    responses(
        (status = 200, description = "The gallery", body = ShownGallery),
        (status = 404, description = "`GALLERY_NOT_FOUND`, also for one that is not published", body = ErrorBody),
        CommonErrors,
    ))]
pub(crate) async fn show_gallery(
    State(ctx): State<Ctx>,
    Id(id): Id<GalleryId>,
) -> Result<Json<ShownGallery>, ApiError> {
    let not_found = || ApiError::not_found("GALLERY_NOT_FOUND", "Gallery not found");
    let gallery = ctx.store().load_gallery(id.ok_or_else(not_found)?).await?;
    let gallery = gallery.filter(|gallery| gallery.is_published).ok_or_else(not_found)?;
    let event = match gallery.event_id {
        Some(event) => ctx.store().load_event(event).await?,
        None => None,
    };
    let shown = GalleryOut::new(&gallery, event.as_ref());
    let images = gallery.images.into_iter().map(ImageOut::from).collect();
    Ok(Json(ShownGallery { success: true, gallery: WholeGallery { gallery: shown, images } }))
}
