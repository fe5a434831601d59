//! Checkout sessions: an order on its way through the payment page.

use serde_json::{Value, json};

use super::{
    call::{Answer, Call, Verb, add_nulls},
    error::ApiError,
    form::Params,
    money, payment_intents,
    payment_methods::{self, Card},
    store::{new_id, random},
    subscriptions::{self, Wish},
};

const CREATE: &[&str] = &[
    "allow_promotion_codes",
    "billing_address_collection",
    "cancel_url",
    "client_reference_id",
    "currency",
    "customer",
    "customer_creation",
    "customer_email",
    "discounts",
    "expires_at",
    "invoice_creation",
    "line_items",
    "locale",
    "metadata",
    "mode",
    "payment_intent_data",
    "payment_method_collection",
    "payment_method_types",
    "phone_number_collection",
    "submit_type",
    "subscription_data",
    "success_url",
    "ui_mode",
];

/// Members that a session has from the start, without a value.
const NULL: &[&str] = &[
    "after_expiration",
    "allow_promotion_codes",
    "billing_address_collection",
    "client_secret",
    "collected_information",
    "consent",
    "consent_collection",
    "currency_conversion",
    "invoice",
    "invoice_creation",
    "locale",
    "origin_context",
    "payment_intent",
    "payment_link",
    "payment_method_configuration_details",
    "permissions",
    "recovered_from",
    "saved_payment_method_options",
    "setup_intent",
    "shipping_address_collection",
    "shipping_cost",
    "submit_type",
    "subscription",
    "wallet_options",
];

const SHORTEST: i64 = 30 * 60;
const LONGEST: i64 = 24 * 3600;

/// `/v1/checkout/sessions…`
pub fn route(call: &mut Call<'_>, verb: Verb, path: &[&str]) -> Option<Answer> {
    Some(match (verb, path) {
        (Verb::Post, ["sessions"]) => create(call),
        (Verb::Get, ["sessions"]) => list(call),
        (Verb::Get, ["sessions", id]) => call.load("checkout.session", id),
        (Verb::Get, ["sessions", id, "line_items"]) => {
            call.load("checkout.session", id).map(|session| session["_expandable"]["line_items"].clone())
        }
        (Verb::Post, ["sessions", id]) => update(call, id),
        (Verb::Post, ["sessions", id, "expire"]) => expire(call, id),
        _ => return None,
    })
}

fn create(call: &mut Call<'_>) -> Answer {
    call.params.only(CREATE)?;
    let mode =
        call.params.choice("mode", &["payment", "setup", "subscription"])?.ok_or_else(|| ApiError::missing("mode"))?;
    let subscribes = mode == "subscription";
    if mode == "setup" {
        return Err(ApiError::invalid("This stand-in opens no sessions of mode setup.").param("mode"));
    }
    call.params.required("success_url")?;
    let expires_at = call.params.integer("expires_at")?.unwrap_or(call.now + LONGEST);
    if !(call.now + SHORTEST..=call.now + LONGEST).contains(&expires_at) {
        let message =
            "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation.";
        return Err(ApiError::invalid(message).param("expires_at"));
    }
    if let Some(customer) = call.params.text("customer")?.map(str::to_owned) {
        call.load("customer", &customer)?;
    }
    let wish = if subscribes { Some(Wish::read(call, "subscription_data.", &call.params.clone())?) } else { None };
    let (items, currency, total) = match &wish {
        Some(wish) => (vec![wish.line()], "usd".to_owned(), wish.first_amount()),
        None => line_items(call)?,
    };
    let id = random("cs_test_a1", 58);
    let mut session = blank(call, &id, expires_at, &currency, total, items)?;
    if let Some(wish) = wish {
        session["mode"] = json!("subscription");
        session["payment_method_collection"] = json!("always");
        session["_subscribes"] = wish.noted();
    }
    call.data().ending.insert((expires_at, id));
    call.put(&session);
    Ok(session)
}

/// The items, their one currency and their sum.
fn line_items(call: &mut Call<'_>) -> Result<(Vec<Value>, String, i64), ApiError> {
    let lines = call.params.list("line_items");
    if lines.is_empty() {
        return Err(ApiError::missing("line_items"));
    }
    let mut items = Vec::new();
    let mut currency: Option<String> = None;
    let mut total = 0;
    for line in &lines {
        let item = line_item(line, call.now)?;
        let code = item["currency"].as_str().unwrap_or_default();
        if currency.get_or_insert_with(|| code.to_owned()) != code {
            return Err(ApiError::invalid("All line items must have the same currency.").param("line_items"));
        }
        total += item["amount_total"].as_i64().unwrap_or_default();
        items.push(item);
    }
    let currency = currency.unwrap_or_default();
    if (1..50).contains(&total) && !money::has_no_minor_unit(&currency) {
        let message =
            format!("The Checkout Session's total amount must convert to at least {}.", money::shown(50, &currency));
        return Err(ApiError::invalid(message).code("amount_too_small"));
    }
    Ok((items, currency, total))
}

fn line_item(line: &Params, now: i64) -> Answer {
    line.only(&["adjustable_quantity", "price_data", "quantity", "metadata", "tax_rates"])?;
    let currency = line.required("price_data.currency")?.to_ascii_lowercase();
    let name = line.required("price_data.product_data.name")?;
    let unit = line
        .integer("price_data.unit_amount")?
        .ok_or_else(|| ApiError::missing("line_items[0][price_data][unit_amount]"))?;
    let quantity = line.integer("quantity")?.ok_or_else(|| ApiError::missing("line_items[0][quantity]"))?;
    if unit < 0 || quantity < 1 {
        return Err(ApiError::invalid("Invalid non-negative integer")
            .code("parameter_invalid_integer")
            .param("line_items[0]"));
    }
    let amount = unit.saturating_mul(quantity);
    Ok(json!({
        "id": new_id("li_1"),
        "object": "item",
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": currency,
        "description": name,
        "metadata": {},
        "price": {
            "id": new_id("price_1"),
            "object": "price",
            "active": false,
            "billing_scheme": "per_unit",
            "created": now,
            "currency": currency,
            "custom_unit_amount": null,
            "livemode": false,
            "lookup_key": null,
            "metadata": {},
            "nickname": null,
            "product": new_id("prod_"),
            "recurring": null,
            "tax_behavior": "unspecified",
            "tiers_mode": null,
            "transform_quantity": null,
            "type": "one_time",
            "unit_amount": unit,
            "unit_amount_decimal": unit.to_string(),
        },
        "quantity": quantity,
        "_detail": line.stored("price_data.product_data.description"),
    }))
}

fn blank(call: &Call<'_>, id: &str, expires_at: i64, currency: &str, total: i64, items: Vec<Value>) -> Answer {
    let params = &call.params;
    let email = params.text("customer_email")?;
    let mut session = json!({
        "id": id,
        "object": "checkout.session",
        "adaptive_pricing": { "enabled": false },
        "amount_subtotal": total,
        "amount_total": total,
        "automatic_tax": { "enabled": false, "liability": null, "provider": null, "status": null },
        "cancel_url": params.text("cancel_url")?,
        "client_reference_id": params.text("client_reference_id")?,
        "created": call.now,
        "currency": currency,
        "custom_fields": [],
        "custom_text": { "after_submit": null, "shipping_address": null, "submit": null, "terms_of_service_acceptance": null },
        "customer": params.text("customer")?,
        "customer_creation": "if_required",
        "customer_details": { "address": null, "email": email, "name": null, "phone": null, "tax_exempt": "none", "tax_ids": null },
        "customer_email": email,
        "discounts": [],
        "expires_at": expires_at,
        "livemode": false,
        "metadata": params.metadata("metadata", &Value::Null),
        "mode": "payment",
        "payment_method_collection": "if_required",
        "payment_method_options": { "card": { "request_three_d_secure": "automatic" } },
        "payment_method_types": ["card"],
        "payment_status": "unpaid",
        "phone_number_collection": { "enabled": false },
        "shipping_options": [],
        "status": "open",
        "success_url": params.text("success_url")?,
        "total_details": { "amount_discount": 0, "amount_shipping": 0, "amount_tax": 0 },
        "ui_mode": "hosted",
        "url": format!("{}/c/pay/{id}", call.base_url),
        "_expandable": { "line_items": {
            "object": "list", "data": items, "has_more": false, "url": format!("/v1/checkout/sessions/{id}/line_items"),
        } },
        "_intent": params.stored("payment_intent_data"),
        "_intent_metadata": params.metadata("payment_intent_data.metadata", &Value::Null),
    });
    add_nulls(&mut session, NULL);
    Ok(session)
}

fn list(call: &mut Call<'_>) -> Answer {
    let (intent, status, customer) =
        (call.params.stored("payment_intent"), call.params.stored("status"), call.params.stored("customer"));
    call.list("checkout.session", "/v1/checkout/sessions", |row| {
        (intent.is_null() || row["payment_intent"] == intent)
            && (status.is_null() || row["status"] == status)
            && (customer.is_null() || row["customer"] == customer)
    })
}

fn update(call: &mut Call<'_>, id: &str) -> Answer {
    call.params.only(&["metadata"])?;
    let mut session = call.load("checkout.session", id)?;
    session["metadata"] = call.params.metadata("metadata", &session["metadata"]);
    call.put(&session);
    Ok(session)
}

fn expire(call: &mut Call<'_>, id: &str) -> Answer {
    let session = call.load("checkout.session", id)?;
    let status = session["status"].as_str().unwrap_or_default();
    if status != "open" {
        return Err(ApiError::invalid(format!(
            "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a status of `{status}`."
        ))
        .param("session"));
    }
    Ok(close(call, session))
}

/// Ends every session whose time has come.
pub fn expire_due(call: &mut Call<'_>) {
    while let Some((at, id)) = call.data().ending.first().cloned() {
        if at > call.now {
            return;
        }
        match call.load("checkout.session", &id) {
            Ok(session) if session["status"] == "open" => {
                close(call, session);
            }
            _ => {
                call.data().ending.remove(&(at, id));
            }
        }
    }
}

fn close(call: &mut Call<'_>, mut session: Value) -> Value {
    forget_end(call, &session);
    session["status"] = json!("expired");
    session["url"] = Value::Null;
    call.put(&session);
    call.emit("checkout.session.expired", &session);
    session
}

fn forget_end(call: &mut Call<'_>, session: &Value) {
    let id = session["id"].as_str().unwrap_or_default().to_owned();
    let end = session["expires_at"].as_i64().unwrap_or_default();
    call.data().ending.remove(&(end, id));
}

/// Where a buyer stands after a step on the payment page.
#[derive(Debug)]
pub enum Step {
    /// Paid: the session, complete.
    Paid(Value),
    /// The bank wants a second step: the payment, whose `next_action` says where.
    Authenticate(Value),
}

/// The buyer presses "Pay" with a card. Declined is an error, and the session stays open for another try.
pub fn pay(call: &mut Call<'_>, id: &str, number: &str, name: Option<&str>) -> Result<Step, ApiError> {
    let mut session = call.load("checkout.session", id)?;
    expect_open(&session)?;
    let subscribes = session["mode"] == "subscription";
    if session["amount_total"] == 0 && !subscribes {
        return Ok(Step::Paid(complete(call, session, &Value::Null, name)));
    }
    let card = Card::by_number(number)?;
    let email = session["customer_email"].as_str().map(str::to_owned);
    let method = payment_methods::attach(call, card, email.as_deref(), name);
    session["_method"] = method["id"].clone();
    call.put(&session);
    if session["amount_total"] == 0 {
        // Nothing is charged yet, but the bank is asked whether it could be.
        return match card.decline() {
            Some(refusal) => Err(refusal),
            None => Ok(Step::Paid(complete(call, session, &Value::Null, name))),
        };
    }
    let mut intent = intent_of(call, &mut session)?;
    intent["payment_method"] = method["id"].clone();
    let intent = payment_intents::charge(call, intent, session["success_url"].clone())?;
    Ok(if intent["status"] == "requires_action" {
        Step::Authenticate(intent)
    } else {
        Step::Paid(complete(call, session, &intent, name))
    })
}

/// The second step of a payment that belongs to a session.
pub fn authenticate(call: &mut Call<'_>, id: &str, intent: &str, passed: bool) -> Answer {
    let session = call.load("checkout.session", id)?;
    expect_open(&session)?;
    let intent = payment_intents::authenticate(call, intent, passed)?;
    Ok(complete(call, session, &intent, None))
}

fn expect_open(session: &Value) -> Result<(), ApiError> {
    match session["status"].as_str() {
        Some("open") => Ok(()),
        Some("complete") => {
            Err(ApiError::invalid("This Checkout Session is already complete.").code("session_complete"))
        }
        _ => Err(ApiError::invalid("This Checkout Session has expired.").code("session_expired")),
    }
}

/// The payment behind a session, made at the first try and kept for the next.
fn intent_of(call: &mut Call<'_>, session: &mut Value) -> Answer {
    if let Some(id) = session["_payment_intent"].as_str().map(str::to_owned) {
        return call.load("payment_intent", &id);
    }
    let data = session["_intent"].clone();
    let amount = session["amount_total"].as_i64().unwrap_or_default();
    let currency = session["currency"].as_str().unwrap_or_default().to_owned();
    let capture = data["capture_method"].as_str().unwrap_or("automatic_async");
    let mut intent = payment_intents::blank(call.now, amount, &currency, capture);
    for name in
        ["description", "receipt_email", "statement_descriptor", "on_behalf_of", "transfer_group", "transfer_data"]
    {
        intent[name] = data[name].clone();
    }
    intent["application_fee_amount"] =
        json!(data["application_fee_amount"].as_str().and_then(|fee| fee.parse::<i64>().ok()));
    intent["metadata"] = session["_intent_metadata"].clone();
    intent["customer"] = session["customer"].clone();
    intent["_session"] = session["id"].clone();
    session["_payment_intent"] = intent["id"].clone();
    call.put(&intent);
    call.put(session);
    call.emit("payment_intent.created", &intent);
    Ok(intent)
}

fn complete(call: &mut Call<'_>, mut session: Value, intent: &Value, name: Option<&str>) -> Value {
    forget_end(call, &session);
    session["status"] = json!("complete");
    session["payment_status"] = json!(match intent["status"].as_str() {
        Some("succeeded") => "paid",
        Some(_) => "unpaid",
        None => "no_payment_required",
    });
    if session["mode"] == "subscription" {
        let subscription =
            subscriptions::begin_bought(call, &session["_subscribes"], session["_method"].clone(), intent);
        session["subscription"] = subscription["id"].clone();
        session["invoice"] = subscription["latest_invoice"].clone();
    } else {
        session["payment_intent"] = intent["id"].clone();
    }
    session["url"] = Value::Null;
    session["customer_details"]["name"] = json!(name);
    call.put(&session);
    call.emit("checkout.session.completed", &session);
    session
}
