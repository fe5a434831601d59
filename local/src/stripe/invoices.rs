//! Invoices of subscriptions: written, paid by the card, read.

use serde_json::{Value, json};

use super::{
    call::{Answer, Call, Verb, add_nulls},
    payment_intents,
    store::new_id,
};

/// Members that an invoice has and the stand-in never fills.
const NULL: &[&str] = &[
    "account_name",
    "application",
    "custom_fields",
    "customer_address",
    "customer_name",
    "description",
    "due_date",
    "ending_balance",
    "footer",
    "from_invoice",
    "last_finalization_error",
    "latest_revision",
    "next_payment_attempt",
    "on_behalf_of",
    "statement_descriptor",
];

/// `/v1/invoices…` (invoices come of subscriptions, so they are only read)
pub fn route(call: &mut Call<'_>, verb: Verb, path: &[&str]) -> Option<Answer> {
    Some(match (verb, path) {
        (Verb::Get, [id]) => call.load("invoice", id),
        (Verb::Get, []) => list(call),
        _ => return None,
    })
}

fn list(call: &mut Call<'_>) -> Answer {
    call.params.only(&["customer", "subscription", "status", "limit", "starting_after", "ending_before", "created"])?;
    if let Some(customer) = call.params.text("customer")?.map(str::to_owned) {
        call.load("customer", &customer)?;
    }
    let (customer, subscription, status) =
        (call.params.stored("customer"), call.params.stored("subscription"), call.params.stored("status"));
    call.list("invoice", "/v1/invoices", |row| {
        (customer.is_null() || row["customer"] == customer)
            && (subscription.is_null() || row["parent"]["subscription_details"]["subscription"] == subscription)
            && (status.is_null() || row["status"] == status)
    })
}

/// Writes an invoice over `amount` for a subscription's current period. It is open, and says what it is for.
pub fn write(call: &mut Call<'_>, subscription: &Value, amount: i64, reason: &str, words: &str) -> Value {
    let id = new_id("in_1");
    let item = &subscription["items"]["data"][0];
    let (from, to) = (&item["current_period_start"], &item["current_period_end"]);
    let currency = &subscription["currency"];
    let number = call.data().rows("invoice").len() + 1;
    let lines = json!({ "object": "list", "has_more": false, "total_count": 1, "url": format!("/v1/invoices/{id}/lines"), "data": [{
            "id": new_id("il_1"), "object": "line_item", "amount": amount, "currency": currency, "description": words,
            "discountable": true, "discounts": [], "parent": null, "subtotal": amount,
            "invoice": id, "livemode": false, "metadata": {}, "period": { "start": from, "end": to }, "quantity": 1,
        }] });
    let mut invoice = json!({
        "id": id,
        "object": "invoice",
        "account_country": "US",
        "amount_due": amount,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_remaining": amount,
        "amount_shipping": 0,
        "attempt_count": 0,
        "attempted": false,
        "auto_advance": true,
        "automatic_tax": { "disabled_reason": null, "enabled": false, "liability": null, "provider": null, "status": null },
        "billing_reason": reason,
        "collection_method": "charge_automatically",
        "created": call.now,
        "currency": currency,
        "customer": subscription["customer"],
        "default_payment_method": null,
        "default_tax_rates": [],
        "discounts": [],
        "hosted_invoice_url": format!("{}/invoices/{id}", call.base_url),
        "invoice_pdf": format!("{}/invoices/{id}/pdf", call.base_url),
        "issuer": { "type": "self" },
        "lines": lines,
        "livemode": false,
        "metadata": {},
        "number": format!("FAIR-{number:04}"),
        "parent": {
            "type": "subscription_details",
            "quote_details": null,
            "subscription_details": { "subscription": subscription["id"], "metadata": subscription["metadata"] },
        },
        "payment_settings": { "default_mandate": null, "payment_method_options": null, "payment_method_types": null },
        "period_end": call.now,
        "period_start": call.now,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "starting_balance": 0,
        "status": "open",
        "status_transitions": { "finalized_at": call.now, "marked_uncollectible_at": null, "paid_at": null, "voided_at": null },
        "subtotal": amount,
        "total": amount,
    });
    add_nulls(&mut invoice, NULL);
    call.put(&invoice);
    call.emit("invoice.created", &invoice);
    call.emit("invoice.finalized", &invoice);
    invoice
}

/// Marks an invoice as paid, by a payment intent where something was to be paid.
pub fn settle(call: &mut Call<'_>, mut invoice: Value, intent: &Value) -> Value {
    invoice["_expandable"] = json!({ "payments": payments(call.now, &invoice, intent) });
    invoice["status"] = json!("paid");
    invoice["status_transitions"]["paid_at"] = json!(call.now);
    invoice["amount_paid"] = invoice["amount_due"].clone();
    invoice["amount_remaining"] = json!(0);
    invoice["attempted"] = json!(true);
    invoice["auto_advance"] = json!(false);
    call.put(&invoice);
    call.emit("invoice.paid", &invoice);
    call.emit("invoice.payment_succeeded", &invoice);
    invoice
}

/// What an invoice was paid by, which is shown to who asks for it.
fn payments(now: i64, invoice: &Value, intent: &Value) -> Value {
    let payment = json!({
        "id": new_id("inpay_1"),
        "object": "invoice_payment",
        "amount_paid": invoice["amount_due"],
        "amount_requested": invoice["amount_due"],
        "created": now,
        "currency": invoice["currency"],
        "invoice": invoice["id"],
        "is_default": true,
        "livemode": false,
        "payment": { "type": "payment_intent", "payment_intent": intent["id"] },
        "status": "paid",
        "status_transitions": { "canceled_at": null, "paid_at": now },
    });
    let data: Vec<Value> = intent["id"].is_string().then_some(payment).into_iter().collect();
    json!({ "object": "list", "has_more": false, "url": "/v1/invoice_payments", "data": data })
}

/// Tries to take an open invoice's money by a payment method, if there is one. True when it is paid.
pub fn collect(call: &mut Call<'_>, mut invoice: Value, method: Option<&str>) -> bool {
    let amount = invoice["amount_due"].as_i64().unwrap_or_default();
    if amount == 0 {
        settle(call, invoice, &Value::Null);
        return true;
    }
    let currency = invoice["currency"].as_str().unwrap_or_default().to_owned();
    let mut intent = payment_intents::blank(call.now, amount, &currency, "automatic");
    intent["customer"] = invoice["customer"].clone();
    intent["payment_method"] = json!(method);
    let charged = payment_intents::charge(call, intent, Value::Null);
    invoice["attempt_count"] = json!(invoice["attempt_count"].as_i64().unwrap_or_default() + 1);
    invoice["attempted"] = json!(true);
    // Nobody is there to take the bank's second step.
    if let Some(intent) = charged.ok().filter(|intent| intent["status"] == "succeeded") {
        settle(call, invoice, &intent);
        return true;
    }
    call.put(&invoice);
    call.emit("invoice.payment_failed", &invoice);
    false
}
