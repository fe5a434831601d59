//! Terminal: locations, the tokens that phones and readers connect with, readers, and the card that a test holds to one.

use serde_json::{Value, json};

use super::{
    call::{Answer, Call, Verb},
    error::ApiError,
    payment_intents,
    payment_methods::{Card, Outcome},
    store::{new_id, random},
};

/// The card that is held to a simulated reader unless a test names another.
const DEFAULT_CARD: &str = "4242424242424242";

/// What simulated readers show, and the readers that they are.
const SIMULATED: &[(&str, &str)] =
    &[("simulated-wpe", "simulated_wisepos_e"), ("simulated-s700", "simulated_stripe_s700")];

/// `/v1/terminal…`
pub fn route(call: &mut Call<'_>, verb: Verb, path: &[&str]) -> Option<Answer> {
    Some(match (verb, path) {
        (Verb::Post, ["connection_tokens"]) => create_token(call),
        (Verb::Post, ["locations"]) => create_location(call),
        (Verb::Get, ["locations"]) => call.list("terminal.location", "/v1/terminal/locations", |_| true),
        (Verb::Get, ["locations", id]) => call.load("terminal.location", id),
        (Verb::Post, ["readers"]) => register(call),
        (Verb::Get, ["readers"]) => {
            call.list("terminal.reader", "/v1/terminal/readers", |reader| reader["_deleted"].is_null())
        }
        (Verb::Get, ["readers", id]) => reader(call, id),
        (Verb::Delete, ["readers", id]) => delete(call, id),
        (Verb::Post, ["readers", id, "process_payment_intent"]) => process(call, id),
        (Verb::Post, ["readers", id, "cancel_action"]) => cancel(call, id),
        _ => return None,
    })
}

/// `/v1/test_helpers/terminal…`
pub fn test_helpers(call: &mut Call<'_>, verb: Verb, path: &[&str]) -> Option<Answer> {
    match (verb, path) {
        (Verb::Post, ["readers", id, "present_payment_method"]) => Some(present(call, id)),
        _ => None,
    }
}

fn create_token(call: &mut Call<'_>) -> Answer {
    call.params.only(&["location"])?;
    let location = call.params.text("location")?.map(str::to_owned);
    if let Some(location) = &location {
        call.load("terminal.location", location)?;
    }
    Ok(json!({ "object": "terminal.connection_token", "location": location, "secret": random("pst_test_", 40) }))
}

fn create_location(call: &mut Call<'_>) -> Answer {
    call.params.only(&["display_name", "address", "configuration_overrides", "metadata", "phone"])?;
    let name = call.params.required("display_name")?.to_owned();
    let country = call.params.required("address.country")?;
    let wanted: &[&str] = match country {
        "US" => &["address.line1", "address.city", "address.state", "address.postal_code"],
        _ => &["address.line1"],
    };
    for member in wanted {
        call.params.required(member)?;
    }
    let mut address = json!({ "city": null, "line1": null, "line2": null, "postal_code": null, "state": null });
    if let (Some(address), Some(given)) = (address.as_object_mut(), call.params.stored("address").as_object()) {
        address.extend(given.clone());
    }
    let location = json!({
        "id": new_id("tml_"),
        "object": "terminal.location",
        "address": address,
        "display_name": name,
        "livemode": false,
        "metadata": call.params.metadata("metadata", &Value::Null),
    });
    call.put(&location);
    Ok(location)
}

fn register(call: &mut Call<'_>) -> Answer {
    call.params.only(&["registration_code", "location", "label", "metadata"])?;
    let code = call.params.required("registration_code")?.to_owned();
    let location = call.params.required("location")?.to_owned();
    call.load("terminal.location", &location)?;
    let Some((_, kind)) = SIMULATED.iter().find(|(shown, _)| *shown == code) else {
        let message = "We could not find a reader with that registration code. It may have expired.";
        return Err(ApiError::invalid(message).param("registration_code"));
    };
    let serial = random("", 12);
    let label = call.params.text("label")?.map_or_else(|| format!("Simulated {serial}"), str::to_owned);
    let reader = json!({
        "id": new_id("tmr_"),
        "object": "terminal.reader",
        "action": null,
        "device_sw_version": "",
        "device_type": kind,
        "ip_address": "0.0.0.0",
        "label": label,
        "last_seen_at": call.now * 1000,
        "livemode": false,
        "location": location,
        "metadata": call.params.metadata("metadata", &Value::Null),
        "serial_number": serial,
        "status": "online",
    });
    call.put(&reader);
    Ok(reader)
}

fn reader(call: &mut Call<'_>, id: &str) -> Answer {
    let reader = call.load("terminal.reader", id)?;
    if reader["_deleted"].is_null() { Ok(reader) } else { Err(ApiError::no_such("terminal reader", id)) }
}

fn delete(call: &mut Call<'_>, id: &str) -> Answer {
    let mut gone = reader(call, id)?;
    gone["_deleted"] = json!(true);
    call.put(&gone);
    Ok(
        json!({ "id": id, "object": "terminal.reader", "deleted": true, "device_type": gone["device_type"], "serial_number": gone["serial_number"] }),
    )
}

fn process(call: &mut Call<'_>, id: &str) -> Answer {
    call.params.only(&["payment_intent", "process_config"])?;
    let mut reader = reader(call, id)?;
    let intent = call.params.required("payment_intent")?.to_owned();
    let intent = call.load("payment_intent", &intent)?;
    payment_intents::expect_payable(&intent)?;
    if !payment_intents::takes(&intent, "card_present") {
        return Err(ApiError::invalid("The PaymentIntent must allow card_present.").param("payment_intent"));
    }
    if reader["action"]["status"] == "in_progress" {
        return Err(ApiError::invalid("Reader is currently processing another request.").code("terminal_reader_busy"));
    }
    reader["action"] = json!({
        "type": "process_payment_intent",
        "status": "in_progress",
        "failure_code": null,
        "failure_message": null,
        "process_payment_intent": { "payment_intent": intent["id"] },
    });
    call.put(&reader);
    Ok(reader)
}

fn cancel(call: &mut Call<'_>, id: &str) -> Answer {
    let mut reader = reader(call, id)?;
    reader["action"] = Value::Null;
    call.put(&reader);
    Ok(reader)
}

fn present(call: &mut Call<'_>, id: &str) -> Answer {
    call.params.only(&["amount_tip", "card_present", "interac_present", "type"])?;
    let number = call.params.text("card_present.number")?.unwrap_or(DEFAULT_CARD).to_owned();
    let mut reader = reader(call, id)?;
    if reader["action"]["status"] != "in_progress" {
        return Err(ApiError::invalid("The reader has nothing to do.").code("terminal_reader_no_action"));
    }
    let intent = reader["action"]["process_payment_intent"]["payment_intent"].as_str().unwrap_or_default().to_owned();
    match tap(call, &intent, &number) {
        Ok(_) => {
            reader["action"]["status"] = json!("succeeded");
            call.put(&reader);
            call.emit("terminal.reader.action_succeeded", &reader);
        }
        Err(refused) => {
            reader["action"]["status"] = json!("failed");
            reader["action"]["failure_code"] = refused.details()["code"].clone();
            reader["action"]["failure_message"] = json!(refused.message());
            call.put(&reader);
            call.emit("terminal.reader.action_failed", &reader);
        }
    }
    Ok(reader)
}

/// A card held to a phone or a reader: charged at once. Nobody is asked for a second step there.
pub fn tap(call: &mut Call<'_>, intent: &str, number: &str) -> Answer {
    let intent = call.load("payment_intent", intent)?;
    payment_intents::expect_payable(&intent)?;
    let card = Card::by_number(number)?;
    let card = if card.outcome == Outcome::Authenticates { Card::by_number(DEFAULT_CARD)? } else { card };
    payment_intents::charge_present(call, intent, card)
}
