//! Payouts: an account's money on its way to its bank. A standard one arrives after two days, an instant one after half
//! an hour and for 1 % of it; none fails, and none is made but on request.

use serde_json::{Value, json};

use super::{
    accounts, balance,
    call::{Answer, Call, Verb, add_nulls},
    error::ApiError,
    external_accounts,
    store::new_id,
};

const STANDARD: i64 = 2 * 24 * 3600;
const INSTANT: i64 = 30 * 60;

/// `/v1/payouts…`
pub fn route(call: &mut Call<'_>, verb: Verb, path: &[&str]) -> Option<Answer> {
    arrive(call);
    Some(match (verb, path) {
        (Verb::Post, []) => create(call),
        (Verb::Get, [id]) => call.load("payout", id),
        (Verb::Get, []) => {
            let status = call.params.stored("status");
            call.list("payout", "/v1/payouts", |row| status.is_null() || row["status"] == status)
        }
        _ => return None,
    })
}

/// What an instant payout costs.
fn fee(amount: i64) -> i64 {
    (amount + 50) / 100
}

fn create(call: &mut Call<'_>) -> Answer {
    call.params.only(&[
        "amount",
        "currency",
        "description",
        "destination",
        "metadata",
        "method",
        "source_type",
        "statement_descriptor",
    ])?;
    let amount = call.params.integer("amount")?.ok_or_else(|| ApiError::missing("amount"))?;
    let currency = call.params.required("currency")?.to_ascii_lowercase();
    let method = call.params.choice("method", &["instant", "standard"])?.unwrap_or("standard").to_owned();
    if amount < 1 {
        return Err(ApiError::invalid("Invalid positive integer").code("parameter_invalid_integer").param("amount"));
    }
    let account = accounts::own_object(call)?;
    let Some(bank) = external_accounts::default_of(&account).filter(|_| account["payouts_enabled"] == true) else {
        return Err(ApiError::invalid("Payouts are not enabled for this account.").code("payouts_not_allowed"));
    };
    let fee = if method == "instant" { fee(amount) } else { 0 };
    if amount + fee > balance::available(call, &currency) {
        return Err(ApiError::invalid("You have insufficient funds in your Stripe account for this transfer.")
            .code("balance_insufficient"));
    }
    let mut payout = json!({
        "id": new_id("po_1"),
        "object": "payout",
        "amount": amount,
        "arrival_date": call.now + if method == "instant" { INSTANT } else { STANDARD },
        "automatic": false,
        "created": call.now,
        "currency": currency,
        "description": call.params.stored("description"),
        "destination": bank["id"],
        "livemode": false,
        "metadata": call.params.metadata("metadata", &Value::Null),
        "method": method,
        "reconciliation_status": "not_applicable",
        "source_type": "card",
        "status": "pending",
        "type": "bank_account",
        "_fee": fee,
        "_expandable": { "destination": bank },
    });
    add_nulls(
        &mut payout,
        &[
            "application_fee",
            "application_fee_amount",
            "balance_transaction",
            "failure_balance_transaction",
            "failure_code",
            "failure_message",
            "original_payout",
            "payout_method",
            "reversed_by",
            "statement_descriptor",
            "trace_id",
        ],
    );
    call.put(&payout);
    call.emit("payout.created", &payout);
    Ok(payout)
}

/// Marks the payouts whose time has come as paid; looked at whenever somebody asks about payouts.
fn arrive(call: &mut Call<'_>) {
    let now = call.now;
    let rows = call.data().rows("payout").iter();
    let due = rows.filter(|payout| payout["status"] == "pending" && payout["arrival_date"].as_i64() <= Some(now));
    for mut payout in due.cloned().collect::<Vec<_>>() {
        payout["status"] = json!("paid");
        call.put(&payout);
        call.emit("payout.paid", &payout);
    }
}
