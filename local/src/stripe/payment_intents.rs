//! Payment intents: a payment from the wish to the money.

use serde_json::{Value, json};

use super::{
    call::{Answer, Call, Verb, add_nulls},
    charges,
    error::ApiError,
    payment_methods::{self, Card, Outcome},
    store::{new_id, random},
};

const CREATE: &[&str] = &[
    "amount",
    "currency",
    "application_fee_amount",
    "automatic_payment_methods",
    "capture_method",
    "confirm",
    "confirmation_method",
    "customer",
    "description",
    "error_on_requires_action",
    "metadata",
    "off_session",
    "on_behalf_of",
    "payment_method",
    "payment_method_options",
    "payment_method_types",
    "receipt_email",
    "return_url",
    "setup_future_usage",
    "shipping",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_data",
    "transfer_group",
    "use_stripe_sdk",
];

/// Members that are stored as the request gives them.
const PLAIN: &[&str] = &[
    "description",
    "on_behalf_of",
    "receipt_email",
    "setup_future_usage",
    "shipping",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_data",
    "transfer_group",
];

/// Members that a payment has from the start, without a value.
const NULL: &[&str] = &[
    "application",
    "application_fee_amount",
    "canceled_at",
    "cancellation_reason",
    "customer",
    "description",
    "last_payment_error",
    "latest_charge",
    "next_action",
    "on_behalf_of",
    "payment_method",
    "payment_method_configuration_details",
    "processing",
    "receipt_email",
    "review",
    "setup_future_usage",
    "shipping",
    "source",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_data",
    "transfer_group",
];

/// `/v1/payment_intents…`
pub fn route(call: &mut Call<'_>, verb: Verb, path: &[&str]) -> Option<Answer> {
    Some(match (verb, path) {
        (Verb::Post, []) => create(call),
        (Verb::Get, []) => {
            let customer = call.params.stored("customer");
            call.list("payment_intent", "/v1/payment_intents", |row| customer.is_null() || row["customer"] == customer)
        }
        (Verb::Get, [id]) => call.load("payment_intent", id),
        (Verb::Post, [id]) => update(call, id),
        (Verb::Post, [id, "confirm"]) => confirm(call, id),
        (Verb::Post, [id, "capture"]) => capture(call, id),
        (Verb::Post, [id, "cancel"]) => cancel(call, id),
        _ => return None,
    })
}

fn create(call: &mut Call<'_>) -> Answer {
    call.params.only(CREATE)?;
    let amount = call.params.integer("amount")?.ok_or_else(|| ApiError::missing("amount"))?;
    let currency = call.params.required("currency")?.to_ascii_lowercase();
    check_amount(amount, &currency)?;
    let capture =
        call.params.choice("capture_method", &["automatic", "automatic_async", "manual"])?.unwrap_or("automatic");
    let mut intent = blank(call.now, amount, &currency, capture);
    intent["metadata"] = call.params.metadata("metadata", &Value::Null);
    for name in PLAIN {
        intent[*name] = call.params.stored(name);
    }
    intent["application_fee_amount"] = json!(call.params.integer("application_fee_amount")?);
    if let Some(customer) = call.params.text("customer")?.map(str::to_owned) {
        call.load("customer", &customer)?;
        intent["customer"] = json!(customer);
    }
    let types = call.params.texts("payment_method_types");
    if !types.is_empty() {
        intent["payment_method_types"] = json!(types);
        intent["automatic_payment_methods"] = Value::Null;
    }
    choose_method(call, &mut intent)?;
    call.put(&intent);
    call.emit("payment_intent.created", &intent);
    if call.params.flag("confirm")? {
        let return_url = call.params.stored("return_url");
        return charge(call, intent, return_url);
    }
    Ok(intent)
}

/// A payment without a payer.
pub fn blank(now: i64, amount: i64, currency: &str, capture_method: &str) -> Value {
    let id = new_id("pi_3");
    let mut intent = json!({
        "id": id,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": { "tip": {} },
        "amount_received": 0,
        "automatic_payment_methods": { "allow_redirects": "always", "enabled": true },
        "capture_method": capture_method,
        "client_secret": random(&format!("{id}_secret_"), 25),
        "confirmation_method": "automatic",
        "created": now,
        "currency": currency,
        "livemode": false,
        "metadata": {},
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "status": "requires_payment_method",
    });
    add_nulls(&mut intent, NULL);
    intent
}

/// Stripe takes no card payment below half a dollar (or its like).
pub fn check_amount(amount: i64, currency: &str) -> Result<(), ApiError> {
    if amount < 1 {
        return Err(ApiError::invalid("This value must be greater than or equal to 1.")
            .code("parameter_invalid_integer")
            .param("amount"));
    }
    if amount < 50 && !super::money::has_no_minor_unit(currency) {
        let message = format!("Amount must be at least {}.", super::money::shown(50, currency));
        return Err(ApiError::invalid(message).code("amount_too_small").param("amount"));
    }
    if amount > 99_999_999 {
        let message = format!("Amount must be no more than {}.", super::money::shown(99_999_999, currency));
        return Err(ApiError::invalid(message).code("amount_too_large").param("amount"));
    }
    Ok(())
}

/// May it be paid so?
pub fn takes(intent: &Value, kind: &str) -> bool {
    intent["payment_method_types"].as_array().is_some_and(|types| types.iter().any(|known| known == kind))
}

/// Refuses unless a card may pay it now.
pub fn expect_payable(intent: &Value) -> Result<(), ApiError> {
    expect_status(intent, "process", &["requires_payment_method", "requires_confirmation", "requires_action"])
}

/// Tries to take the money of a card that is held to a phone or a reader.
pub fn charge_present(call: &mut Call<'_>, mut intent: Value, card: Card) -> Answer {
    let method = payment_methods::attach_present(call, card);
    intent["payment_method"] = method["id"].clone();
    charge(call, intent, Value::Null)
}

fn choose_method(call: &mut Call<'_>, intent: &mut Value) -> Result<(), ApiError> {
    if let Some(reference) = call.params.text("payment_method")?.map(str::to_owned) {
        if !takes(intent, "card") {
            let message = "The PaymentMethod provided (card) is not allowed for this PaymentIntent. Please attach one of \
                           the allowed types.";
            return Err(ApiError::invalid(message).param("payment_method"));
        }
        intent["payment_method"] = payment_methods::resolve(call, &reference)?["id"].clone();
        intent["status"] = json!("requires_confirmation");
    }
    Ok(())
}

fn update(call: &mut Call<'_>, id: &str) -> Answer {
    call.params.only(CREATE)?;
    let mut intent = call.load("payment_intent", id)?;
    expect_status(&intent, "update", &["requires_payment_method", "requires_confirmation", "requires_action"])?;
    if let Some(amount) = call.params.integer("amount")? {
        check_amount(amount, intent["currency"].as_str().unwrap_or_default())?;
        intent["amount"] = json!(amount);
    }
    for name in PLAIN.iter().filter(|name| call.params.node(name).is_some()) {
        intent[*name] = call.params.stored(name);
    }
    intent["metadata"] = call.params.metadata("metadata", &intent["metadata"]);
    choose_method(call, &mut intent)?;
    call.put(&intent);
    Ok(intent)
}

fn confirm(call: &mut Call<'_>, id: &str) -> Answer {
    call.params.only(CREATE)?;
    let mut intent = call.load("payment_intent", id)?;
    expect_status(&intent, "confirm", &["requires_payment_method", "requires_confirmation", "requires_action"])?;
    choose_method(call, &mut intent)?;
    let return_url = call.params.stored("return_url");
    charge(call, intent, return_url)
}

/// Tries to take the money with the chosen payment method. A refusal is stored with the payment and answered as 402.
pub fn charge(call: &mut Call<'_>, mut intent: Value, return_url: Value) -> Answer {
    let Some(method) = intent["payment_method"].as_str().map(str::to_owned) else {
        return Err(unexpected_state(
            &intent,
            "You cannot confirm this PaymentIntent because it's missing a payment method. \
             You can either update the PaymentIntent with a payment method and then confirm it again, \
             or confirm it again directly with a payment method."
                .to_owned(),
        ));
    };
    let method = call.load("payment_method", &method)?;
    let card = Card::of(&method)?;
    match card.outcome {
        Outcome::Succeeds => Ok(take(call, intent, &method, card)),
        Outcome::Declines(..) => Err(refuse(call, intent, &method, card.decline())),
        Outcome::Authenticates => {
            let page = format!("{}/c/authenticate/{}", call.base_url, intent["id"].as_str().unwrap_or_default());
            intent["status"] = json!("requires_action");
            intent["last_payment_error"] = Value::Null;
            intent["next_action"] = json!({
                "type": "redirect_to_url",
                "redirect_to_url": { "return_url": return_url, "url": page },
            });
            call.put(&intent);
            call.emit("payment_intent.requires_action", &intent);
            Ok(intent)
        }
    }
}

/// The buyer's second step, passed or failed, on the bank's page.
pub fn authenticate(call: &mut Call<'_>, id: &str, passed: bool) -> Answer {
    let intent = call.load("payment_intent", id)?;
    expect_status(&intent, "authenticate", &["requires_action"])?;
    let method = call.load("payment_method", intent["payment_method"].as_str().unwrap_or_default())?;
    let card = Card::of(&method)?;
    if passed {
        return Ok(take(call, intent, &method, card));
    }
    let refusal = ApiError::card(
        "payment_intent_authentication_failure",
        None,
        "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
    );
    Err(refuse(call, intent, &method, Some(refusal)))
}

fn take(call: &mut Call<'_>, mut intent: Value, method: &Value, card: Card) -> Value {
    let captured = intent["capture_method"] != "manual";
    intent["next_action"] = Value::Null;
    intent["last_payment_error"] = Value::Null;
    let charge = charges::record(call, &intent, method, card, captured, None);
    intent["latest_charge"] = charge["id"].clone();
    if captured {
        intent["status"] = json!("succeeded");
        intent["amount_received"] = intent["amount"].clone();
    } else {
        intent["status"] = json!("requires_capture");
        intent["amount_capturable"] = intent["amount"].clone();
    }
    call.put(&intent);
    call.emit(if captured { "payment_intent.succeeded" } else { "payment_intent.amount_capturable_updated" }, &intent);
    intent
}

fn refuse(call: &mut Call<'_>, mut intent: Value, method: &Value, refusal: Option<ApiError>) -> ApiError {
    let refusal = refusal.unwrap_or_else(|| ApiError::card("card_declined", None, "Your card was declined."));
    let card = Card::of(method);
    intent["next_action"] = Value::Null;
    if let Ok(card) = card {
        let charge = charges::record(call, &intent, method, card, false, Some(&refusal));
        intent["latest_charge"] = charge["id"].clone();
    }
    let refusal = refusal.with("charge", intent["latest_charge"].clone());
    intent["last_payment_error"] = refusal.details();
    intent["last_payment_error"]["payment_method"] = super::call::rendered(method.clone());
    intent["payment_method"] = Value::Null;
    intent["status"] = json!("requires_payment_method");
    call.put(&intent);
    call.emit("payment_intent.payment_failed", &intent);
    refusal
        .with("payment_intent", super::call::rendered(intent))
        .with("payment_method", super::call::rendered(method.clone()))
}

fn capture(call: &mut Call<'_>, id: &str) -> Answer {
    call.params.only(&[
        "amount_to_capture",
        "application_fee_amount",
        "final_capture",
        "metadata",
        "statement_descriptor",
    ])?;
    let mut intent = call.load("payment_intent", id)?;
    expect_status(&intent, "capture", &["requires_capture"])?;
    let capturable = intent["amount_capturable"].as_i64().unwrap_or_default();
    let amount = call.params.integer("amount_to_capture")?.unwrap_or(capturable);
    if !(1..=capturable).contains(&amount) {
        let message = format!("The remaining amount that can be captured for this charge is {capturable}.");
        return Err(ApiError::invalid(message).code("amount_too_large").param("amount_to_capture"));
    }
    let mut charge = call.load("charge", intent["latest_charge"].as_str().unwrap_or_default())?;
    charge["captured"] = json!(true);
    charge["amount_captured"] = json!(amount);
    intent["status"] = json!("succeeded");
    intent["amount_received"] = json!(amount);
    intent["amount_capturable"] = json!(0);
    call.put(&charge);
    call.put(&intent);
    call.emit("charge.captured", &charge);
    call.emit("payment_intent.succeeded", &intent);
    Ok(intent)
}

fn cancel(call: &mut Call<'_>, id: &str) -> Answer {
    call.params.only(&["cancellation_reason"])?;
    let mut intent = call.load("payment_intent", id)?;
    expect_status(
        &intent,
        "cancel",
        &["requires_payment_method", "requires_confirmation", "requires_action", "requires_capture", "processing"],
    )?;
    if let Some(session) = intent["_session"].as_str() {
        return Err(unexpected_state(
            &intent,
            format!(
                "You cannot cancel this PaymentIntent because it belongs to the Checkout Session {session}. Expire it instead."
            ),
        ));
    }
    intent["status"] = json!("canceled");
    intent["canceled_at"] = json!(call.now);
    intent["cancellation_reason"] = call.params.stored("cancellation_reason");
    intent["amount_capturable"] = json!(0);
    intent["next_action"] = Value::Null;
    call.put(&intent);
    call.emit("payment_intent.canceled", &intent);
    Ok(intent)
}

fn expect_status(intent: &Value, deed: &str, statuses: &[&str]) -> Result<(), ApiError> {
    let status = intent["status"].as_str().unwrap_or_default();
    if statuses.contains(&status) {
        return Ok(());
    }
    let message = format!(
        "You cannot {deed} this PaymentIntent because it has a status of {status}. \
         Only a PaymentIntent with one of the following statuses may be used: {}.",
        statuses.join(", ")
    );
    Err(unexpected_state(intent, message))
}

fn unexpected_state(intent: &Value, message: String) -> ApiError {
    ApiError::invalid(message)
        .code("payment_intent_unexpected_state")
        .with("payment_intent", super::call::rendered(intent.clone()))
}
