//! What is left of deleted catalogs and of copies that were given up, swept away by whoever comes next.
//!
//! Nobody sees any of it. What stays is logged, and tried again with the next catalog that is made, copied or deleted.

use domain::{
    ids::{CatalogId, OrgId},
    pos::{catalog::CatalogList, product::Shelf},
};
use runtime::Ctx;

use crate::access::decide;

/// Sweeps up after deleted catalogs, and after copies that nobody will end.
pub(crate) async fn clear(ctx: &Ctx, org: OrgId, list: &CatalogList) {
    let pos = ctx.store().pos();
    if let Err(error) = pos.clear_catalogs(org, list).await {
        tracing::warn!(%error, %org, "rows of deleted catalogs are left");
    }
    match pos.load_products(org, &[]).await {
        Ok(library) => drop(sweep_copies(ctx, org, &library.shelf).await),
        Err(error) => tracing::warn!(%error, %org, "rows of copies that were given up may be left"),
    }
}

/// Sweeps away copies that nobody will end. True: there were some.
pub(crate) async fn sweep_copies(ctx: &Ctx, org: OrgId, shelf: &Shelf) -> bool {
    let stranded = shelf.stranded(ctx.now());
    for catalog in &stranded {
        abandon(ctx, org, *catalog).await;
    }
    !stranded.is_empty()
}

/// Sweeps away a copy that will not be published.
pub(crate) async fn abandon(ctx: &Ctx, org: OrgId, catalog: CatalogId) {
    let swept = decide(|| async move { Ok(ctx.store().pos().abandon_copy(org, catalog, ctx.now()).await?) });
    if swept.await.is_err() {
        tracing::warn!(%org, %catalog, "rows of a copy that was given up are left");
    }
}
