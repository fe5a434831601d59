//! Stripe Terminal and Connect (contract `pos.md` §9, §10).

mod intent;
mod intent_receipt;
mod intent_steps;
mod reader;
mod terminal;

use runtime::{Function, Surface};
use utoipa_axum::{router::OpenApiRouter, routes};

/// The function.
pub fn function() -> Function {
    Function::http(
        Surface::Pos,
        OpenApiRouter::new()
            .routes(routes!(terminal::get_config))
            .routes(routes!(terminal::get_location))
            .routes(routes!(terminal::create_connection_token))
            .routes(routes!(intent::create_intent))
            .routes(routes!(intent_steps::get_intent))
            .routes(routes!(intent_steps::get_intent_status))
            .routes(routes!(intent_steps::cancel_intent))
            .routes(routes!(intent_steps::capture_intent))
            .routes(routes!(intent_steps::simulate_payment))
            .routes(routes!(intent_receipt::send_intent_receipt))
            .routes(routes!(reader::list_readers, reader::register_reader))
            .routes(routes!(reader::delete_reader))
            .routes(routes!(reader::process_on_reader))
            .routes(routes!(reader::cancel_reader_action)),
    )
}
