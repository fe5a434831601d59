//! Catalogs, categories, products and their prices (contract `pos.md` §4-§7).
//!
//! Who may: everybody reads the catalogs they see; owners and admins change them; the owner alone deletes one.
//!
//! Every change is load, decide, save: the decision is a pure function of `domain`, and the store refuses what was decided on
//! something that has changed since. The wire has no version, so the server decides again ([`access::decide`]).

mod access;
mod catalogs;
mod categories;
mod duplicate;
mod entries;
mod form;
mod products;
mod sweep;
mod wire;

use runtime::{Function, Routes, Surface, routes};

/// The function.
pub fn function() -> Function {
    Function::http(Surface::Pos, routes())
}

fn routes() -> Routes {
    Routes::new()
        .routes(routes!(catalogs::list_catalogs, catalogs::create_catalog))
        .routes(routes!(catalogs::get_catalog, catalogs::update_catalog, catalogs::delete_catalog))
        .routes(routes!(duplicate::duplicate_catalog))
        .routes(routes!(categories::list_categories, categories::create_category))
        .routes(routes!(categories::reorder_categories))
        .routes(routes!(categories::get_category, categories::update_category, categories::delete_category))
        .routes(routes!(products::list_products, products::create_product))
        .routes(routes!(products::get_product, products::update_product, products::delete_product))
        .routes(routes!(products::upload_product_image))
        .routes(routes!(products::duplicate_product))
        .routes(routes!(entries::list_entries, entries::add_entry))
        .routes(routes!(entries::reorder_entries))
        .routes(routes!(entries::add_entries))
        .routes(routes!(entries::get_entry, entries::update_entry, entries::remove_entry))
}
