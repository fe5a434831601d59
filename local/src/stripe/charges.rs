//! Charges: each attempt to take a payment's money, and what was given back of it.

use serde_json::{Value, json};

use super::{
    call::{Answer, Call, Verb, add_nulls},
    error::ApiError,
    payment_methods::Card,
    store::new_id,
};

/// Members that a charge has from its payment.
const COPIED: &[&str] = &[
    "application_fee_amount",
    "currency",
    "customer",
    "description",
    "metadata",
    "on_behalf_of",
    "receipt_email",
    "shipping",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_data",
    "transfer_group",
];

/// Members that Stripe has and the stand-in never fills.
const NULL: &[&str] = &[
    "application",
    "application_fee",
    "balance_transaction",
    "failure_balance_transaction",
    "presentment_details",
    "receipt_number",
    "review",
    "source_transfer",
];

/// `/v1/charges…` (charges come of payments, so they are only read).
pub fn route(call: &mut Call<'_>, verb: Verb, path: &[&str]) -> Option<Answer> {
    Some(match (verb, path) {
        (Verb::Get, [id]) => call.load("charge", id),
        (Verb::Get, []) => {
            let (intent, customer) = (call.params.stored("payment_intent"), call.params.stored("customer"));
            call.list("charge", "/v1/charges", |row| {
                (intent.is_null() || row["payment_intent"] == intent)
                    && (customer.is_null() || row["customer"] == customer)
            })
        }
        _ => return None,
    })
}

/// Records an attempt: taken (`captured` or only authorized) or, with a `refusal`, declined.
pub fn record(
    call: &mut Call<'_>,
    intent: &Value,
    method: &Value,
    card: Card,
    captured: bool,
    refusal: Option<&ApiError>,
) -> Value {
    let id = new_id("ch_3");
    let amount = intent["amount"].as_i64().unwrap_or_default();
    let details = refusal.map(ApiError::details);
    let present = method["type"] == "card_present";
    let mut charge = json!({
        "id": id,
        "object": "charge",
        "amount": amount,
        "amount_captured": if captured { amount } else { 0 },
        "amount_refunded": 0,
        "billing_details": method["billing_details"],
        "calculated_statement_descriptor": "FAIRGROUND",
        "captured": captured,
        "created": call.now,
        "disputed": false,
        "failure_code": details.as_ref().map(|error| error["code"].clone()),
        "failure_message": details.as_ref().map(|error| error["message"].clone()),
        "fraud_details": {},
        "livemode": false,
        "outcome": outcome(details.as_ref()),
        "paid": refusal.is_none(),
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": if present { card.present_details(amount) } else { card.charge_details(amount) },
        "receipt_url": refusal.is_none().then(|| format!("{}/receipts/{id}", call.base_url)),
        "refunded": false,
        "status": if refusal.is_none() { "succeeded" } else { "failed" },
    });
    for name in COPIED {
        charge[*name] = intent[*name].clone();
    }
    add_nulls(&mut charge, NULL);
    call.put(&charge);
    call.emit(if refusal.is_none() { "charge.succeeded" } else { "charge.failed" }, &charge);
    charge
}

fn outcome(refusal: Option<&Value>) -> Value {
    match refusal {
        None => json!({
            "network_status": "approved_by_network", "reason": null, "risk_level": "normal", "risk_score": 10,
            "seller_message": "Payment complete.", "type": "authorized",
        }),
        Some(error) => json!({
            "network_status": "declined_by_network",
            "reason": error.get("decline_code").unwrap_or(&error["code"]),
            "risk_level": "normal", "risk_score": 10,
            "seller_message": "The bank did not return any further details with this decline.",
            "type": "issuer_declined",
        }),
    }
}
