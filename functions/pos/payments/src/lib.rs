//! Stripe Terminal and Connect (contract `pos.md` §9, §10), and reports of sales.

mod analytics;
mod balance;
mod connect;
mod dashboard;
mod intent;
mod intent_receipt;
mod intent_steps;
mod payout;
mod reader;
mod report;
mod terminal;
mod transaction;
mod transaction_detail;
mod transaction_refund;

use runtime::{Function, Routes, Surface, routes};

/// The function.
pub fn function() -> Function {
    Function::http(
        Surface::Pos,
        Routes::new()
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
            .routes(routes!(reader::cancel_reader_action))
            .routes(routes!(connect::get_status))
            .routes(routes!(connect::create_account))
            .routes(routes!(connect::create_onboarding_link))
            .routes(routes!(connect::refresh_status))
            .routes(routes!(transaction::list_transactions))
            .routes(routes!(transaction_detail::get_transaction))
            .routes(routes!(transaction_refund::refund_transaction))
            .routes(routes!(transaction_detail::send_receipt))
            .routes(routes!(balance::get_balance))
            .routes(routes!(payout::list_payouts, payout::create_payout))
            .routes(routes!(dashboard::get_dashboard))
            .routes(routes!(analytics::get_analytics))
            .routes(routes!(report::list_reports, report::create_report))
            .routes(routes!(report::get_report))
            .routes(routes!(report::get_report_file)),
    )
}
