//! Galleries of photographs (contract §4, §11).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    ids::{EventId, GalleryId, ImageId, OrgId},
    time::millis,
};

/// Pictures of one gallery at most, so that it stays one item.
pub const MAX_IMAGES: usize = 300;

/// One picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Its id.
    pub id: ImageId,
    /// Where it is.
    pub url: String,
    /// A smaller one.
    pub thumbnail: Option<String>,
    /// Shown below it.
    pub caption: Option<String>,
}

/// A gallery with its pictures in their order of display.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gallery {
    /// Its id.
    pub id: GalleryId,
    /// Whose it is.
    pub org: OrgId,
    /// Shown to visitors.
    pub title: String,
    /// Shown to visitors.
    pub description: Option<String>,
    /// The event it shows.
    pub event_id: Option<EventId>,
    /// Who took the pictures.
    pub photographer: Option<String>,
    /// A cover for a gallery without pictures.
    pub cover: Option<String>,
    /// Seen by the public.
    pub is_published: bool,
    /// In order of display.
    pub images: Vec<Image>,
    /// Rises with each write; an edit names the one it read.
    pub version: u64,
    /// When it was made.
    #[serde(with = "millis")]
    pub created_at: Timestamp,
}

impl Gallery {
    /// The first picture, else the stored cover (contract §4).
    pub fn cover_url(&self) -> Option<&str> {
        self.images.first().map(|image| image.url.as_str()).or(self.cover.as_deref())
    }
}
