//! Setup intents: a card that is confirmed now and charged later.

use serde_json::{Value, json};

use super::{
    call::{Answer, Call, Verb, add_nulls},
    error::ApiError,
    payment_methods::{self, Card},
    store::{new_id, random},
    subscriptions,
};

const NULL: &[&str] = &[
    "application",
    "automatic_payment_methods",
    "cancellation_reason",
    "description",
    "last_setup_error",
    "latest_attempt",
    "mandate",
    "next_action",
    "on_behalf_of",
    "payment_method",
    "single_use_mandate",
];

/// `/v1/setup_intents…` (they come of subscriptions)
pub fn route(call: &mut Call<'_>, verb: Verb, path: &[&str]) -> Option<Answer> {
    Some(match (verb, path) {
        (Verb::Get, [id]) => call.load("setup_intent", id),
        (Verb::Post, [id, "confirm"]) => confirm(call, id),
        _ => return None,
    })
}

/// For a subscription that has no card yet.
pub fn create(call: &mut Call<'_>, subscription: &Value) -> Value {
    let id = new_id("seti_1");
    let mut intent = json!({
        "id": id,
        "object": "setup_intent",
        "client_secret": random(&format!("{id}_secret_"), 25),
        "created": call.now,
        "customer": subscription["customer"],
        "livemode": false,
        "metadata": {},
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "status": "requires_payment_method",
        "usage": "off_session",
        "_subscription": subscription["id"],
    });
    add_nulls(&mut intent, NULL);
    call.put(&intent);
    call.emit("setup_intent.created", &intent);
    intent
}

/// As the browser does with the client's secret.
fn confirm(call: &mut Call<'_>, id: &str) -> Answer {
    call.params.only(&["client_secret", "payment_method", "return_url"])?;
    let mut intent = call.load("setup_intent", id)?;
    if intent["status"] == "succeeded" {
        return Err(ApiError::invalid("This SetupIntent has already succeeded.").code("setup_intent_unexpected_state"));
    }
    let reference = call.params.required("payment_method")?.to_owned();
    let method = payment_methods::resolve(call, &reference)?;
    if let Some(refusal) = Card::of(&method)?.decline() {
        intent["last_setup_error"] = refusal.details();
        call.put(&intent);
        call.emit("setup_intent.setup_failed", &intent);
        return Err(refusal);
    }
    intent["status"] = json!("succeeded");
    intent["payment_method"] = method["id"].clone();
    call.put(&intent);
    call.emit("setup_intent.succeeded", &intent);
    if let Some(subscription) = intent["_subscription"].as_str() {
        let number = method["_number"].as_str().unwrap_or_default().to_owned();
        subscriptions::set_card(call, subscription, &number)?;
    }
    Ok(intent)
}
