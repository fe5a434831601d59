//! Subscriptions of an organization (contract `pos.md` §15), and purchases in the app stores (§2.2). Fields are written with
//! underscores here, as the contract has them.

mod history;
mod info;
mod payment;
mod purchase;
mod wire;

use runtime::{Function, Routes, Surface, routes};

/// The function.
pub fn function() -> Function {
    Function::http(
        Surface::Pos,
        Routes::new()
            .routes(routes!(info::get_subscription_info))
            .routes(routes!(payment::get_payment_info))
            .routes(routes!(payment::create_upgrade_session))
            .routes(routes!(history::list_invoices))
            .routes(routes!(purchase::validate_receipt))
            .routes(routes!(purchase::link_iap_purchase)),
    )
}
