//! Orders and customers at the counter (contract `pos.md` §8, §14).

mod card;
mod catalogs;
mod change;
mod create;
mod customers;
mod list;
mod load;
mod pay;
mod refund;
mod wire;

use runtime::{Function, Routes, Surface, routes};

/// The function.
pub fn function() -> Function {
    Function::http(Surface::Pos, routes())
}

fn routes() -> Routes {
    Routes::new()
        .routes(routes!(create::create_order, list::list_orders))
        .routes(routes!(list::list_held_orders))
        .routes(routes!(list::show_order, change::update_order, change::delete_order))
        .routes(routes!(change::hold_order))
        .routes(routes!(change::resume_order))
        .routes(routes!(pay::link_payment_intent))
        .routes(routes!(pay::complete_cash))
        .routes(routes!(pay::add_payment, pay::list_payments))
        .routes(routes!(refund::refund_order))
        .routes(routes!(customers::list_customers, customers::save_customer))
        .routes(routes!(customers::search_customers))
        .routes(routes!(customers::record_order))
}
