//! Refunds: giving a charge's money back, in part or whole, never more than was taken.

use serde_json::{Value, json};

use super::{
    call::{Answer, Call, Verb},
    error::ApiError,
    money,
    payment_methods::REFUND_FAILS,
    store::new_id,
};

/// `/v1/refunds…`
pub fn route(call: &mut Call<'_>, verb: Verb, path: &[&str]) -> Option<Answer> {
    Some(match (verb, path) {
        (Verb::Post, []) => create(call),
        (Verb::Get, [id]) => call.load("refund", id),
        (Verb::Post, [id]) => update(call, id),
        (Verb::Get, []) => {
            let (intent, charge) = (call.params.stored("payment_intent"), call.params.stored("charge"));
            call.list("refund", "/v1/refunds", |row| {
                (intent.is_null() || row["payment_intent"] == intent) && (charge.is_null() || row["charge"] == charge)
            })
        }
        _ => return None,
    })
}

fn create(call: &mut Call<'_>) -> Answer {
    call.params.only(&[
        "amount",
        "charge",
        "currency",
        "instructions_email",
        "metadata",
        "payment_intent",
        "reason",
        "refund_application_fee",
        "reverse_transfer",
    ])?;
    let asked = call.params.integer("amount")?;
    if asked.is_some_and(|amount| amount < 1) {
        return Err(ApiError::invalid("Invalid positive integer").code("parameter_invalid_integer").param("amount"));
    }
    call.params.choice("reason", &["duplicate", "fraudulent", "requested_by_customer"])?;
    let mut charge = charge_to_refund(call)?;
    if call.params.flag("refund_application_fee")? && charge["application_fee_amount"].is_null() {
        return Err(ApiError::invalid("The charge has no application fee to refund.").param("refund_application_fee"));
    }
    let amount = refundable(&charge, asked)?;
    let refunded = charge["amount_refunded"].as_i64().unwrap_or_default() + amount;
    charge["amount_refunded"] = json!(refunded);
    charge["refunded"] = json!(charge["amount_captured"] == refunded);
    let refund = json!({
        "id": new_id("re_3"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": null,
        "charge": charge["id"],
        "created": call.now,
        "currency": charge["currency"],
        "destination_details": { "card": { "reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund" }, "type": "card" },
        "metadata": call.params.metadata("metadata", &Value::Null),
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "reason": call.params.stored("reason"),
        "receipt_number": null,
        "source_transfer_reversal": null,
        "status": "succeeded",
        "transfer_reversal": null,
    });
    call.put(&charge);
    call.put(&refund);
    call.emit("refund.created", &refund);
    call.emit("charge.refunded", &charge);
    if is_sent_back(call, &refund) {
        fail(call, refund.clone(), charge);
    }
    Ok(refund)
}

/// True for the test card whose bank takes no money back.
fn is_sent_back(call: &mut Call<'_>, refund: &Value) -> bool {
    let method = call.load("payment_method", refund["payment_method"].as_str().unwrap_or_default());
    method.is_ok_and(|method| method["_number"] == REFUND_FAILS)
}

/// The bank sends the money back: the charge is as if nothing had been refunded. At Stripe that takes days.
fn fail(call: &mut Call<'_>, mut refund: Value, mut charge: Value) {
    refund["status"] = json!("failed");
    refund["failure_reason"] = json!("expired_or_canceled_card");
    let amount = refund["amount"].as_i64().unwrap_or_default();
    charge["amount_refunded"] = json!(charge["amount_refunded"].as_i64().unwrap_or_default() - amount);
    charge["refunded"] = json!(false);
    call.put(&refund);
    call.put(&charge);
    call.emit("refund.failed", &refund);
}

fn update(call: &mut Call<'_>, id: &str) -> Answer {
    call.params.only(&["metadata"])?;
    let mut refund = call.load("refund", id)?;
    refund["metadata"] = call.params.metadata("metadata", &refund["metadata"]);
    call.put(&refund);
    call.emit("refund.updated", &refund);
    Ok(refund)
}

fn charge_to_refund(call: &mut Call<'_>) -> Answer {
    if let Some(charge) = call.params.text("charge")?.map(str::to_owned) {
        return call.load("charge", &charge);
    }
    let Some(intent) = call.params.text("payment_intent")?.map(str::to_owned) else {
        return Err(ApiError::invalid(
            "One of the following params should be provided for this request: payment_intent or charge.",
        )
        .code("parameter_missing"));
    };
    let intent = call.load("payment_intent", &intent)?;
    if intent["status"] != "succeeded" {
        let id = intent["id"].as_str().unwrap_or_default();
        return Err(ApiError::invalid(format!(
            "This PaymentIntent ({id}) does not have a successful charge to refund."
        )));
    }
    call.load("charge", intent["latest_charge"].as_str().unwrap_or_default())
}

/// What is to be given back: `asked`, or all that is left.
fn refundable(charge: &Value, asked: Option<i64>) -> Result<i64, ApiError> {
    let id = charge["id"].as_str().unwrap_or_default();
    if charge["paid"] != true || charge["captured"] != true {
        return Err(ApiError::invalid(format!("Charge {id} cannot be refunded: its money was not taken."))
            .code("charge_not_refundable"));
    }
    let left =
        charge["amount_captured"].as_i64().unwrap_or_default() - charge["amount_refunded"].as_i64().unwrap_or_default();
    if left == 0 {
        return Err(
            ApiError::invalid(format!("Charge {id} has already been refunded.")).code("charge_already_refunded")
        );
    }
    match asked {
        Some(amount) if amount > left => {
            let currency = charge["currency"].as_str().unwrap_or_default();
            let message = format!(
                "Refund amount ({}) is greater than unrefunded amount on charge ({})",
                money::shown(amount, currency),
                money::shown(left, currency)
            );
            Err(ApiError::invalid(message).param("amount"))
        }
        Some(amount) => Ok(amount),
        None => Ok(left),
    }
}
