//! What everybody may see: events, galleries, and the newsletter (contract `tickets.md` §4).

mod events;
mod gallery;
mod newsletter;

use runtime::{Function, Routes, Surface, routes};

/// The function.
pub fn function() -> Function {
    Function::http(Surface::Tickets, routes())
}

fn routes() -> Routes {
    Routes::new()
        .routes(routes!(events::list_events))
        .routes(routes!(events::show_event))
        .routes(routes!(gallery::list_galleries))
        .routes(routes!(gallery::show_gallery))
        .routes(routes!(newsletter::subscribe))
        .routes(routes!(newsletter::unsubscribe))
}
