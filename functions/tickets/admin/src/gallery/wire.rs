//! Galleries as staff write and see them; and the flat photographs that the client models (DECISIONS D8).

use domain::{
    ids::{EventId, GalleryId, ImageId, OrgId},
    tickets::{
        event::Event,
        gallery::{Gallery, Image, MAX_IMAGES},
    },
    time::iso,
};
use jiff::Timestamp;
use runtime::ApiError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::wire::{filled, flag, link, text, whole};

/// Bytes of all texts of a gallery, which is one item of at most 400 KB in the database.
const MAX_BYTES: usize = 300_000;

/// What a photograph without title or caption is called.
const UNTITLED: &str = "Photo";

/// A gallery to be made or changed, or a single photograph. Every name may be spelled in snake case too.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GalleryIn {
    /// 1 to 200 characters. Required of a new gallery; a single photograph has its caption for one.
    #[serde(default, deserialize_with = "text::<1, 200, _>")]
    #[schema(max_length = 200)]
    title: Option<String>,
    #[serde(default, deserialize_with = "text::<0, 10_000, _>")]
    #[schema(max_length = 10_000)]
    description: Option<String>,
    /// UUID of the event it shows; empty text for none.
    event_id: Option<String>,
    #[serde(default, deserialize_with = "text::<0, 200, _>")]
    #[schema(max_length = 200)]
    photographer: Option<String>,
    /// Seen by the public. False of a new gallery, true of a single photograph, when left out.
    #[serde(default, deserialize_with = "flag")]
    is_published: Option<bool>,
    /// A cover for a gallery without pictures.
    #[serde(default, deserialize_with = "link")]
    #[schema(max_length = 2000)]
    cover_url: Option<String>,
    /// All pictures in order of display, at most 300.
    #[schema(max_items = 300)]
    images: Option<Vec<ImageIn>>,
    /// URL of a single photograph, in place of `images`.
    #[serde(default, deserialize_with = "link")]
    #[schema(max_length = 2000)]
    image_url: Option<String>,
    /// Of the single photograph.
    #[serde(default, deserialize_with = "text::<0, 500, _>")]
    #[schema(max_length = 500)]
    caption: Option<String>,
    /// Of a single photograph. Accepted and not kept: galleries are ordered by age.
    #[serde(default, deserialize_with = "flag")]
    #[allow(dead_code)]
    is_featured: Option<bool>,
    /// Of a single photograph. Accepted and not kept: galleries are ordered by age.
    #[serde(default, deserialize_with = "whole::<0, 1_000_000, _>")]
    #[schema(value_type = Option<u32>, maximum = 1_000_000)]
    #[allow(dead_code)]
    sort_order: Option<u32>,
}

/// A picture.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ImageIn {
    /// Required, here or in `imageUrl`.
    #[serde(default, deserialize_with = "link")]
    #[schema(max_length = 2000)]
    url: Option<String>,
    /// Another name of `url`.
    #[serde(default, deserialize_with = "link")]
    #[schema(max_length = 2000)]
    image_url: Option<String>,
    /// A smaller one.
    #[serde(default, deserialize_with = "link")]
    #[schema(max_length = 2000)]
    thumbnail: Option<String>,
    #[serde(default, deserialize_with = "text::<0, 500, _>")]
    #[schema(max_length = 500)]
    caption: Option<String>,
}

impl ImageIn {
    /// The picture; one that the gallery had before under the same URL keeps its id.
    fn image(&self, i: usize, before: &[Image]) -> Result<Image, ApiError> {
        let url = filled(self.url.clone()).or(filled(self.image_url.clone()));
        let url = url.ok_or_else(|| ApiError::invalid(format!("images[{i}].url"), "is required"))?;
        let known = before.iter().find(|image| image.url == url);
        Ok(Image {
            id: known.map_or_else(|| ImageId(Uuid::new_v4()), |image| image.id),
            url,
            thumbnail: filled(self.thumbnail.clone()),
            caption: filled(self.caption.clone()),
        })
    }
}

impl GalleryIn {
    /// The gallery that this makes.
    pub(crate) fn create(&self, org: OrgId, now: Timestamp) -> Result<Gallery, ApiError> {
        let single = self.images.is_none() && filled(self.image_url.clone()).is_some();
        let caption = || filled(self.caption.clone()).unwrap_or_else(|| UNTITLED.to_owned());
        let title = self.title.clone().or_else(|| single.then(|| caption().chars().take(200).collect()));
        let blank = Gallery {
            id: GalleryId(Uuid::new_v4()),
            org,
            title: title.ok_or_else(|| ApiError::invalid("title", "is required"))?,
            description: None,
            event_id: None,
            photographer: None,
            cover: None,
            is_published: single,
            images: vec![],
            version: 1,
            created_at: now,
        };
        self.apply(&blank)
    }

    /// The gallery as wanted: `before` with every field that is given.
    pub(crate) fn apply(&self, before: &Gallery) -> Result<Gallery, ApiError> {
        let mut gallery = before.clone();
        let set = |place: &mut Option<String>, value: &Option<String>| {
            if value.is_some() {
                *place = filled(value.clone());
            }
        };
        set(&mut gallery.description, &self.description);
        set(&mut gallery.photographer, &self.photographer);
        set(&mut gallery.cover, &self.cover_url);
        gallery.title = self.title.clone().unwrap_or(gallery.title);
        gallery.is_published = self.is_published.unwrap_or(gallery.is_published);
        if let Some(event) = &self.event_id {
            let event = filled(Some(event.clone())).map(|id| id.parse::<EventId>()).transpose();
            gallery.event_id = event.map_err(|_| ApiError::invalid("eventId", "must be the UUID of an event"))?;
        }
        match &self.images {
            Some(images) if images.len() > MAX_IMAGES => {
                return Err(ApiError::invalid("images", format!("must be at most {MAX_IMAGES}")));
            }
            Some(images) => {
                let images = images.iter().enumerate().map(|(i, image)| image.image(i, &before.images));
                gallery.images = images.collect::<Result<_, _>>()?;
            }
            None => self.apply_single(&mut gallery.images),
        }
        let bytes = |image: &Image| {
            let texts = [Some(&image.url), image.thumbnail.as_ref(), image.caption.as_ref()];
            texts.into_iter().flatten().map(String::len).sum::<usize>() + 80
        };
        if gallery.images.iter().map(bytes).sum::<usize>() > MAX_BYTES {
            return Err(ApiError::invalid("images", "are too many for one gallery with URLs and captions this long"));
        }
        Ok(gallery)
    }

    /// The single photograph is the first picture.
    fn apply_single(&self, images: &mut Vec<Image>) {
        let url = filled(self.image_url.clone());
        match (images.first_mut(), url) {
            (Some(first), url) => {
                first.url = url.unwrap_or(std::mem::take(&mut first.url));
                if self.caption.is_some() {
                    first.caption = filled(self.caption.clone());
                }
            }
            (None, Some(url)) => {
                let caption = filled(self.caption.clone());
                images.push(Image { id: ImageId(Uuid::new_v4()), url, thumbnail: None, caption });
            }
            (None, None) => {}
        }
    }
}

/// A gallery, without its pictures.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AdminGallery)]
pub(crate) struct GalleryOut {
    id: String,
    title: String,
    description: Option<String>,
    /// The first picture, else the stored cover.
    cover_url: Option<String>,
    event_id: Option<String>,
    event_name: Option<String>,
    photographer: Option<String>,
    is_published: bool,
    /// ISO 8601.
    created_at: String,
}

impl GalleryOut {
    pub(crate) fn new(gallery: &Gallery, event: Option<&Event>) -> Self {
        GalleryOut {
            id: gallery.id.to_string(),
            title: gallery.title.clone(),
            description: gallery.description.clone(),
            cover_url: gallery.cover_url().map(str::to_owned),
            event_id: gallery.event_id.map(|id| id.to_string()),
            event_name: event.map(|event| event.name.clone()),
            photographer: gallery.photographer.clone(),
            is_published: gallery.is_published,
            created_at: iso(gallery.created_at),
        }
    }
}

/// A gallery in the list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AdminListedGallery)]
pub(crate) struct ListedGallery {
    #[serde(flatten)]
    gallery: GalleryOut,
    image_count: usize,
}

impl ListedGallery {
    pub(crate) fn new(gallery: &Gallery, event: Option<&Event>) -> Self {
        ListedGallery { gallery: GalleryOut::new(gallery, event), image_count: gallery.images.len() }
    }
}

/// A gallery with its pictures.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AdminWholeGallery)]
pub(crate) struct WholeGallery {
    #[serde(flatten)]
    gallery: GalleryOut,
    image_count: usize,
    /// In order of display.
    images: Vec<ImageOut>,
}

impl WholeGallery {
    pub(crate) fn new(gallery: GalleryOut, images: Vec<Image>) -> Self {
        let show = |image: Image| ImageOut {
            id: image.id.to_string(),
            url: image.url,
            thumbnail: image.thumbnail,
            caption: image.caption,
        };
        WholeGallery { gallery, image_count: images.len(), images: images.into_iter().map(show).collect() }
    }
}

/// One picture.
#[derive(Serialize, ToSchema)]
#[schema(as = AdminImage)]
struct ImageOut {
    id: String,
    url: String,
    thumbnail: Option<String>,
    caption: Option<String>,
}

/// A gallery as a single photograph: its first picture.
#[derive(Serialize, ToSchema)]
pub(crate) struct Photo {
    /// Of the gallery: by it the photograph is changed and deleted.
    id: String,
    title: String,
    image_url: Option<String>,
    caption: Option<String>,
    event_id: Option<String>,
    /// Always false: galleries are ordered by age.
    is_featured: bool,
    /// Place in this list.
    sort_order: usize,
    is_published: bool,
    /// ISO 8601.
    created_at: String,
}

impl Photo {
    pub(crate) fn new(place: usize, gallery: &Gallery) -> Self {
        Photo {
            id: gallery.id.to_string(),
            title: gallery.title.clone(),
            image_url: gallery.cover_url().map(str::to_owned),
            caption: gallery.images.first().and_then(|image| image.caption.clone()),
            event_id: gallery.event_id.map(|id| id.to_string()),
            is_featured: false,
            sort_order: place,
            is_published: gallery.is_published,
            created_at: iso(gallery.created_at),
        }
    }
}

/// Galleries of the organization.
#[derive(Serialize, ToSchema)]
#[schema(as = AdminGalleryList)]
pub(crate) struct GalleryList {
    pub(crate) success: bool,
    pub(crate) galleries: Vec<ListedGallery>,
    /// The same as a flat list of photographs.
    pub(crate) items: Vec<Photo>,
    pub(crate) count: usize,
}

/// One gallery.
#[derive(Serialize, ToSchema)]
#[schema(as = AdminShownGallery)]
pub(crate) struct ShownGallery {
    pub(crate) success: bool,
    pub(crate) gallery: WholeGallery,
}

/// A new gallery.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreatedGallery {
    success: bool,
    gallery: GalleryTitle,
    message: &'static str,
}

/// A gallery by its title.
#[derive(Serialize, ToSchema)]
pub(crate) struct GalleryTitle {
    id: String,
    title: String,
}

impl CreatedGallery {
    pub(crate) fn new(gallery: &Gallery) -> Self {
        let gallery = GalleryTitle { id: gallery.id.to_string(), title: gallery.title.clone() };
        CreatedGallery { success: true, gallery, message: "Gallery created successfully" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Spelled;
    use serde_json::{Value, json};

    fn read(value: Value) -> GalleryIn {
        serde_json::from_value::<Spelled<GalleryIn>>(value).unwrap().0
    }

    fn create(value: Value) -> Result<Gallery, String> {
        let gallery = read(value).create(OrgId::from_random([1; 16]), Timestamp::UNIX_EPOCH);
        gallery.map_err(|error| error.fields[0].field.clone())
    }

    #[test]
    fn a_gallery_of_pictures() {
        let images =
            json!([{"url": "https://a.example/1.jpg", "caption": " one "}, {"image_url": "https://a.example/2.jpg"}]);
        let gallery = create(json!({"title": "Night", "images": images, "event_id": ""})).unwrap();
        assert_eq!((gallery.is_published, gallery.images.len(), gallery.event_id), (false, 2, None));
        assert_eq!(gallery.images[0].caption.as_deref(), Some("one"));
        let swapped = json!({"images": [{"url": "https://a.example/2.jpg"}], "isPublished": true});
        let after = read(swapped).apply(&gallery).unwrap();
        assert_eq!((after.title.as_str(), after.is_published), ("Night", true));
        assert_eq!(after.images[0].id, gallery.images[1].id);
        assert_eq!(read(json!({})).apply(&gallery).unwrap(), gallery);
    }

    #[test]
    fn a_flat_photograph_is_a_gallery_of_one() {
        let flat =
            json!({"image_url": "https://a.example/1.jpg", "caption": "Crowd", "is_featured": true, "sort_order": 3});
        let gallery = create(flat).unwrap();
        assert_eq!((gallery.title.as_str(), gallery.is_published, gallery.images.len()), ("Crowd", true, 1));
        let after = read(json!({"caption": "Stage"})).apply(&gallery).unwrap();
        assert_eq!(after.images[0].caption.as_deref(), Some("Stage"));
        assert_eq!(after.images[0].url, "https://a.example/1.jpg");
    }

    #[test]
    fn galleries_that_are_refused() {
        let field = |value| create(value).unwrap_err();
        assert_eq!(field(json!({})), "title");
        assert_eq!(field(json!({"title": "x", "images": [{}]})), "images[0].url");
        assert_eq!(field(json!({"title": "x", "event_id": "y"})), "eventId");
        let image = json!({"url": "https://a.example/1.jpg"});
        assert_eq!(field(json!({"title": "x", "images": vec![image; 301]})), "images");
        let long = json!({"url": format!("https://a.example/{}", "x".repeat(1900))});
        assert_eq!(field(json!({"title": "x", "images": vec![long; 200]})), "images");
    }
}
