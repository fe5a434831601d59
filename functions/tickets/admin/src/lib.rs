//! The back office of an organizer: events, orders, galleries, uploads, statistics, audit (contract `tickets.md` §9-12, §14).
//!
//! Everything a route loads belongs to the organization of the member of staff who asks, or is not found.

mod audit;
mod events;
mod gallery;
mod orders;
mod stats;
mod upload;
mod wire;

use runtime::{Function, Routes, Surface, routes};

/// The function.
pub fn function() -> Function {
    Function::http(Surface::Tickets, routes())
}

fn routes() -> Routes {
    Routes::new()
        .routes(routes!(events::list_events, events::create_event))
        .routes(routes!(events::show_event, events::update_event, events::delete_event))
        .routes(routes!(orders::list_orders))
        .routes(routes!(orders::show_order))
        .routes(routes!(orders::set_order_status))
        .routes(routes!(orders::resend_email))
        .routes(routes!(orders::test::create_test_order))
        .routes(routes!(gallery::list_galleries, gallery::create_gallery))
        .routes(routes!(gallery::show_gallery, gallery::update_gallery, gallery::delete_gallery))
        .routes(routes!(upload::sign_upload))
        .routes(routes!(upload::upload))
        .routes(routes!(stats::show_stats))
        .routes(routes!(audit::list_audit))
}
