//! Galleries.

use domain::{
    audit::AuditEntry,
    ids::{GalleryId, OrgId},
    tickets::gallery::Gallery,
};

use crate::{
    Store,
    error::StoreError,
    item::{Item, from_item, index, n, s, to_item},
    keys::{Key, galleries_of, moment},
    list::Range,
    tx::{Change, TxError},
};

fn gallery_item(gallery: &Gallery) -> Result<Item, StoreError> {
    let mut item = to_item("gallery", &Key::gallery(gallery.id), gallery)?;
    index(&mut item, "gsi1", galleries_of(gallery.org), moment(gallery.created_at, &gallery.id.to_string()));
    Ok(item)
}

impl Store {
    /// Writes a new gallery.
    pub async fn create_gallery(&self, gallery: &Gallery, audit: &AuditEntry) -> Result<(), StoreError> {
        self.tx().create(gallery_item(gallery)?)?.audit(audit)?.commit().await.map_err(TxError::stale)
    }

    /// A gallery as it is now, published or not.
    pub async fn load_gallery(&self, gallery: GalleryId) -> Result<Option<Gallery>, StoreError> {
        self.get(&Key::gallery(gallery)).await?.map(from_item).transpose()
    }

    /// Galleries of an organization, newest first.
    pub async fn list_galleries(&self, org: OrgId) -> Result<Vec<Gallery>, StoreError> {
        let range =
            Range { index: Some("gsi1"), pk: galleries_of(org), descending: true, limit: 1000, ..Range::default() };
        self.query(range).await?.into_iter().map(from_item).collect()
    }

    /// Saves an edit; `Stale` when somebody else has saved one since `gallery.version` was read.
    pub async fn edit_gallery(&self, gallery: &Gallery, audit: &AuditEntry) -> Result<(), StoreError> {
        let unchanged = Change::default().when("version", "=", n(gallery.version));
        let next = Gallery { version: gallery.version + 1, ..gallery.clone() };
        self.tx().put(gallery_item(&next)?, unchanged)?.audit(audit)?.commit().await.map_err(TxError::stale)
    }

    /// Deletes a gallery of an organization; `Stale` when it is gone already.
    pub async fn delete_gallery(&self, gallery: &Gallery, audit: &AuditEntry) -> Result<(), StoreError> {
        let own = Change::default().when("org", "=", s(gallery.org.to_string()));
        self.tx().delete(&Key::gallery(gallery.id), own)?.audit(audit)?.commit().await.map_err(TxError::stale)
    }
}
