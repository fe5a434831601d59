//! The balance: what was taken less what was given back, by currency. The stand-in takes no fee and pays nothing out.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::call::{Answer, Call, Verb};

/// `/v1/balance`
pub fn route(call: &mut Call<'_>, verb: Verb, path: &[&str]) -> Option<Answer> {
    match (verb, path) {
        (Verb::Get, []) => Some(Ok(retrieve(call))),
        _ => None,
    }
}

fn retrieve(call: &mut Call<'_>) -> Value {
    let mut sums: BTreeMap<&str, i64> = BTreeMap::from([("usd", 0)]);
    for charge in call.data().rows("charge").iter().filter(|charge| charge["paid"] == true) {
        let left = charge["amount_captured"].as_i64().unwrap_or_default()
            - charge["amount_refunded"].as_i64().unwrap_or_default();
        *sums.entry(charge["currency"].as_str().unwrap_or_default()).or_default() += left;
    }
    let amounts = |pick: fn(i64) -> i64| -> Vec<Value> {
        sums.iter()
            .map(|(currency, sum)| json!({ "amount": pick(*sum), "currency": currency, "source_types": { "card": pick(*sum) } }))
            .collect()
    };
    json!({ "object": "balance", "available": amounts(|sum| sum), "livemode": false, "pending": amounts(|_| 0) })
}
