//! The balance, by currency: what was taken, less what was given back, paid out and charged for. Money is available at
//! once; Stripe makes it wait two days or more.
//!
//! The platform's own account pays no fees here. A connected one pays what Stripe asks of a business in the United
//! States, 2.9 % and 30 cents of a card, 2.7 % and 5 cents of one that was held to a phone or reader, and the platform's
//! share. Refunds give no fees back.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    call::{Answer, Call, Verb},
    store::PLATFORM,
};

/// `/v1/balance`
pub fn route(call: &mut Call<'_>, verb: Verb, path: &[&str]) -> Option<Answer> {
    match (verb, path) {
        (Verb::Get, []) => Some(Ok(retrieve(call))),
        _ => None,
    }
}

fn retrieve(call: &mut Call<'_>) -> Value {
    let sums = sums(call);
    let amount =
        |currency: &str, sum: i64| json!({ "amount": sum, "currency": currency, "source_types": { "card": sum } });
    let all: Vec<Value> = sums.iter().map(|(currency, sum)| amount(currency, *sum)).collect();
    let none: Vec<Value> = sums.keys().map(|currency| amount(currency, 0)).collect();
    let mut balance = json!({ "object": "balance", "available": all, "livemode": false, "pending": none });
    if call.account != PLATFORM {
        balance["instant_available"] = balance["available"].clone();
    }
    balance
}

/// What can be paid out now.
pub fn available(call: &mut Call<'_>, currency: &str) -> i64 {
    sums(call).get(currency).copied().unwrap_or_default()
}

fn sums(call: &mut Call<'_>) -> BTreeMap<String, i64> {
    let is_connected = call.account != PLATFORM;
    let currency_of = |row: &Value| row["currency"].as_str().unwrap_or_default().to_owned();
    let number = |row: &Value, member: &str| row[member].as_i64().unwrap_or_default();
    let mut sums = BTreeMap::from([("usd".to_owned(), 0)]);
    let data = call.data();
    for charge in data.rows("charge").iter().filter(|charge| charge["paid"] == true) {
        let taken = number(charge, "amount_captured");
        let fees =
            if is_connected { processing_fee(charge, taken) + number(charge, "application_fee_amount") } else { 0 };
        *sums.entry(currency_of(charge)).or_default() += taken - number(charge, "amount_refunded") - fees;
    }
    for payout in data.rows("payout").iter().filter(|payout| payout["status"] != "failed") {
        *sums.entry(currency_of(payout)).or_default() -= number(payout, "amount") + number(payout, "_fee");
    }
    sums
}

/// What Stripe keeps of a charge.
fn processing_fee(charge: &Value, taken: i64) -> i64 {
    match (taken, charge["payment_method_details"]["type"].as_str()) {
        (0, _) => 0,
        (_, Some("card_present")) => (taken * 27 + 500) / 1000 + 5,
        _ => (taken * 29 + 500) / 1000 + 30,
    }
}
