//! Subscriptions: begun, renewed by the month when their time comes, ended.

use jiff::{Timestamp, ToSpan, tz::TimeZone};
use serde_json::{Value, json};

use super::{
    call::{Answer, Call, Verb, add_nulls},
    error::ApiError,
    form::Params,
    invoices,
    payment_methods::{self, Card},
    prices, setup_intents,
    store::new_id,
};

const CREATE: &[&str] = &[
    "cancel_at_period_end",
    "customer",
    "default_payment_method",
    "description",
    "discounts",
    "items",
    "metadata",
    "off_session",
    "payment_behavior",
    "payment_settings",
    "trial_period_days",
    "trial_settings",
];

/// Members that a subscription has from the start, without a value.
const NULL: &[&str] = &[
    "application",
    "application_fee_percent",
    "billing_cycle_anchor_config",
    "billing_thresholds",
    "cancel_at",
    "canceled_at",
    "days_until_due",
    "default_source",
    "ended_at",
    "latest_invoice",
    "next_pending_invoice_item_invoice",
    "on_behalf_of",
    "pause_collection",
    "pending_invoice_item_interval",
    "pending_setup_intent",
    "pending_update",
    "presentment_details",
    "schedule",
    "test_clock",
    "transfer_data",
    "trial_end",
    "trial_start",
];

const DAY: i64 = 24 * 3600;
/// When an invoice that was not paid is tried again.
const RETRY: i64 = 3 * DAY;
/// How often it is tried in all; then the subscription ends.
const ATTEMPTS: i64 = 4;

/// `/v1/subscriptions…`
pub fn route(call: &mut Call<'_>, verb: Verb, path: &[&str]) -> Option<Answer> {
    Some(match (verb, path) {
        (Verb::Post, []) => create(call),
        (Verb::Get, []) => list(call),
        (Verb::Get, [id]) => call.load("subscription", id),
        (Verb::Post, [id]) => update(call, id),
        (Verb::Delete, [id]) => cancel(call, id),
        _ => return None,
    })
}

fn list(call: &mut Call<'_>) -> Answer {
    call.params.only(&["customer", "status", "price", "limit", "starting_after", "ending_before", "created"])?;
    let customer = call.params.stored("customer");
    let status = call.params.text("status")?.map(str::to_owned);
    call.list("subscription", "/v1/subscriptions", |row| {
        let wanted = match status.as_deref() {
            Some("all") => true,
            Some(status) => row["status"] == status,
            None => !is_over(row),
        };
        wanted && (customer.is_null() || row["customer"] == customer)
    })
}

fn create(call: &mut Call<'_>) -> Answer {
    call.params.only(CREATE)?;
    let wish = Wish::read(call, "", &call.params.clone())?;
    let method = match call.params.text("default_payment_method")?.map(str::to_owned) {
        Some(reference) => Some(payment_methods::resolve(call, &reference)?["id"].clone()),
        None => None,
    };
    if wish.trial_days.is_none() && method.is_none() {
        let message = "This customer has no attached payment source or default payment method. This stand-in begins \
                       subscriptions without one only with a trial.";
        return Err(ApiError::invalid(message).code("resource_missing_payment_method"));
    }
    let mut subscription = begin(call, &wish, method);
    if subscription["default_payment_method"].is_null() {
        let intent = setup_intents::create(call, &subscription);
        subscription["pending_setup_intent"] = intent["id"].clone();
        call.put(&subscription);
    }
    call.emit("customer.subscription.created", &subscription);
    if wish.trial_days.is_none() {
        let (amount, words) = due_amount(call, &subscription);
        let invoice = invoices::write(call, &subscription, amount, "subscription_create", &words);
        let card = subscription["default_payment_method"].as_str().map(str::to_owned);
        note_invoice(call, &mut subscription, &invoice);
        let paid = invoices::collect(call, invoice, card.as_deref());
        subscription["status"] = json!(if paid { "active" } else { "incomplete" });
        call.put(&subscription);
    } else {
        let words = words(&subscription);
        let invoice = invoices::write(call, &subscription, 0, "subscription_create", &words);
        note_invoice(call, &mut subscription, &invoice);
        invoices::settle(call, invoice, &Value::Null);
    }
    Ok(subscription)
}

/// What somebody wants to subscribe to, by the API or on the payment page.
pub struct Wish {
    customer: String,
    price: Value,
    coupon: Option<Value>,
    trial_days: Option<i64>,
    missing_method: Value,
    metadata: Value,
}

impl Wish {
    /// Reads it: the trial and the metadata stand under `at`, `subscription_data.` for a session of the payment page.
    pub fn read(call: &mut Call<'_>, at: &str, params: &Params) -> Result<Self, ApiError> {
        let customer = params.required("customer")?.to_owned();
        call.load("customer", &customer)?;
        let lines = if at.is_empty() { params.list("items") } else { params.list("line_items") };
        let [line] = lines.as_slice() else {
            return Err(ApiError::invalid("This stand-in sells one price at a time.").param("items"));
        };
        let price = call.load("price", line.required("price")?)?;
        let coupon = match params.list("discounts").first() {
            Some(discount) => Some(call.load("coupon", discount.required("coupon")?)?),
            None => None,
        };
        let trial_days = params.integer(&format!("{at}trial_period_days"))?;
        if trial_days.is_some_and(|days| !(1..=730).contains(&days)) {
            return Err(ApiError::invalid("The trial must be between 1 and 730 days.").param("trial_period_days"));
        }
        let missing = format!("{at}trial_settings.end_behavior.missing_payment_method");
        params.choice(&missing, &["cancel", "create_invoice", "pause"])?;
        Ok(Wish {
            customer,
            price,
            coupon,
            trial_days,
            missing_method: params.stored(&missing),
            metadata: params.metadata(&format!("{at}metadata"), &Value::Null),
        })
    }

    /// What is to be paid at once.
    pub fn first_amount(&self) -> i64 {
        let price = self.price["unit_amount"].as_i64().unwrap_or_default();
        match (self.trial_days, &self.coupon) {
            (Some(_), _) => 0,
            (None, Some(coupon)) => prices::reduced(coupon, price),
            (None, None) => price,
        }
    }

    /// For the payment page.
    pub fn line(&self) -> Value {
        let name = self.price["_name"].as_str().unwrap_or("Plan");
        let monthly = super::money::shown(self.price["unit_amount"].as_i64().unwrap_or_default(), "usd");
        let detail = match self.trial_days {
            Some(days) => format!("{days} days free, then {monthly} a month"),
            None => format!("{monthly} a month"),
        };
        json!({
            "id": new_id("li_1"), "object": "item", "amount_discount": 0, "amount_subtotal": self.first_amount(),
            "amount_tax": 0, "amount_total": self.first_amount(), "currency": self.price["currency"],
            "description": name, "metadata": {}, "price": self.price, "quantity": 1, "_detail": detail,
        })
    }

    /// As a note of the stand-in's own.
    pub fn noted(&self) -> Value {
        json!({ "customer": self.customer, "price": self.price, "coupon": self.coupon, "trial_days": self.trial_days,
            "missing_method": self.missing_method, "metadata": self.metadata })
    }

    fn from_note(note: &Value) -> Self {
        Wish {
            customer: note["customer"].as_str().unwrap_or_default().to_owned(),
            price: note["price"].clone(),
            coupon: Some(note["coupon"].clone()).filter(|coupon| !coupon.is_null()),
            trial_days: note["trial_days"].as_i64(),
            missing_method: note["missing_method"].clone(),
            metadata: note["metadata"].clone(),
        }
    }
}

/// Begins what was paid, or begun for free, on the payment page.
pub fn begin_bought(call: &mut Call<'_>, note: &Value, method: Value, intent: &Value) -> Value {
    let wish = Wish::from_note(note);
    let mut subscription = begin(call, &wish, Some(method));
    call.emit("customer.subscription.created", &subscription);
    let words = words(&subscription);
    let invoice = invoices::write(call, &subscription, wish.first_amount(), "subscription_create", &words);
    note_invoice(call, &mut subscription, &invoice);
    invoices::settle(call, invoice, intent);
    subscription
}

fn begin(call: &mut Call<'_>, wish: &Wish, method: Option<Value>) -> Value {
    let id = new_id("sub_1");
    let end = match wish.trial_days {
        Some(days) => call.now + days * DAY,
        None => month_after(call.now),
    };
    let months = wish.coupon.as_ref().and_then(|coupon| coupon["duration_in_months"].as_i64());
    let mut subscription = json!({
        "id": id,
        "object": "subscription",
        "automatic_tax": { "disabled_reason": null, "enabled": false, "liability": null },
        "billing_cycle_anchor": end,
        "billing_mode": { "type": "classic" },
        "billing_schedules": [],
        "cancel_at_period_end": false,
        "cancellation_details": { "comment": null, "feedback": null, "reason": null },
        "collection_method": "charge_automatically",
        "created": call.now,
        "currency": wish.price["currency"],
        "customer": wish.customer,
        "default_payment_method": method,
        "default_tax_rates": [],
        "description": null,
        "discounts": wish.coupon.iter().map(|_| new_id("di_1")).collect::<Vec<_>>(),
        "invoice_settings": { "account_tax_ids": null, "issuer": { "type": "self" } },
        "items": { "object": "list", "has_more": false, "total_count": 1, "url": format!("/v1/subscription_items?subscription={id}"), "data": [{
            "id": new_id("si_"), "object": "subscription_item", "billing_thresholds": null, "created": call.now,
            "current_period_start": call.now, "current_period_end": end, "discounts": [], "metadata": {},
            "plan": prices::plan_of(&wish.price), "price": wish.price, "quantity": 1, "subscription": id, "tax_rates": [],
        }] },
        "livemode": false,
        "metadata": wish.metadata,
        "payment_settings": { "payment_method_options": null, "payment_method_types": null, "save_default_payment_method": "on_subscription" },
        "start_date": call.now,
        "status": if wish.trial_days.is_some() { "trialing" } else { "active" },
        "trial_settings": { "end_behavior": { "missing_payment_method": wish.missing_method.as_str().unwrap_or("create_invoice") } },
        "_coupon": wish.coupon,
        "_coupon_until": months.map(|months| (0..months).fold(call.now, |at, _| month_after(at))),
    });
    add_nulls(&mut subscription, NULL);
    if wish.trial_days.is_some() {
        subscription["trial_start"] = json!(call.now);
        subscription["trial_end"] = json!(end);
    }
    schedule(call, &mut subscription, end);
    call.put(&subscription);
    subscription
}

fn month_after(at: i64) -> i64 {
    let zoned = Timestamp::from_second(at).map(|at| at.to_zoned(TimeZone::UTC));
    let later = zoned.ok().and_then(|zoned| zoned.checked_add(1.month()).ok());
    later.map_or(at + 30 * DAY, |later| later.timestamp().as_second())
}

fn words(subscription: &Value) -> String {
    let price = &subscription["items"]["data"][0]["price"];
    let name = price["_name"].as_str().unwrap_or("Plan");
    if subscription["status"] == "trialing" {
        return format!("Trial period for {name}");
    }
    let monthly = super::money::shown(price["unit_amount"].as_i64().unwrap_or_default(), "usd");
    format!("1 × {name} (at {monthly} / month)")
}

/// What the current period costs, the coupon taken off while it is good.
fn due_amount(call: &Call<'_>, subscription: &Value) -> (i64, String) {
    let price = subscription["items"]["data"][0]["price"]["unit_amount"].as_i64().unwrap_or_default();
    let coupon = &subscription["_coupon"];
    let until = subscription["_coupon_until"].as_i64();
    let is_good = match coupon["duration"].as_str() {
        Some("forever") => true,
        Some("once") => subscription["_coupon_used"].is_null(),
        Some(_) => until.is_some_and(|until| call.now < until),
        None => false,
    };
    (if is_good { prices::reduced(coupon, price) } else { price }, words(subscription))
}

fn note_invoice(call: &mut Call<'_>, subscription: &mut Value, invoice: &Value) {
    subscription["latest_invoice"] = invoice["id"].clone();
    if invoice["total"] != 0 {
        subscription["_coupon_used"] = json!(true);
    }
    call.put(subscription);
}

fn schedule(call: &mut Call<'_>, subscription: &mut Value, at: i64) {
    unschedule(call, subscription);
    let id = subscription["id"].as_str().unwrap_or_default().to_owned();
    subscription["_due"] = json!(at);
    call.data().renewing.insert((at, id));
}

fn unschedule(call: &mut Call<'_>, subscription: &Value) {
    if let (Some(at), Some(id)) = (subscription["_due"].as_i64(), subscription["id"].as_str()) {
        call.data().renewing.remove(&(at, id.to_owned()));
    }
}

fn is_over(subscription: &Value) -> bool {
    matches!(subscription["status"].as_str(), Some("canceled" | "incomplete_expired"))
}

fn update(call: &mut Call<'_>, id: &str) -> Answer {
    call.params.only(&["cancel_at_period_end", "default_payment_method", "metadata"])?;
    let mut subscription = expect_running(call, id)?;
    if call.params.node("cancel_at_period_end").is_some() {
        let ends = call.params.flag("cancel_at_period_end")?;
        set_to_end(call.now, &mut subscription, ends);
    }
    if let Some(reference) = call.params.text("default_payment_method")?.map(str::to_owned) {
        subscription["default_payment_method"] = payment_methods::resolve(call, &reference)?["id"].clone();
    }
    subscription["metadata"] = call.params.metadata("metadata", &subscription["metadata"]);
    Ok(updated(call, subscription))
}

/// A subscription that is not over; one that is, Stripe says, is not there.
fn expect_running(call: &mut Call<'_>, id: &str) -> Answer {
    let subscription = call.load("subscription", id)?;
    if is_over(&subscription) { Err(ApiError::no_such("subscription", id)) } else { Ok(subscription) }
}

fn updated(call: &mut Call<'_>, subscription: Value) -> Value {
    call.put(&subscription);
    call.emit("customer.subscription.updated", &subscription);
    subscription
}

fn set_to_end(now: i64, subscription: &mut Value, ends: bool) {
    subscription["cancel_at_period_end"] = json!(ends);
    subscription["cancel_at"] =
        if ends { subscription["items"]["data"][0]["current_period_end"].clone() } else { Value::Null };
    subscription["canceled_at"] = if ends { json!(now) } else { Value::Null };
}

fn cancel(call: &mut Call<'_>, id: &str) -> Answer {
    call.params.only(&["prorate", "invoice_now", "cancellation_details"])?;
    let subscription = expect_running(call, id)?;
    Ok(end(call, subscription, call.now, "cancellation_requested"))
}

fn end(call: &mut Call<'_>, mut subscription: Value, at: i64, reason: &str) -> Value {
    unschedule(call, &subscription);
    subscription["status"] = json!("canceled");
    subscription["ended_at"] = json!(at);
    if subscription["canceled_at"].is_null() {
        subscription["canceled_at"] = json!(at);
    }
    subscription["cancellation_details"]["reason"] = json!(reason);
    call.put(&subscription);
    call.emit("customer.subscription.deleted", &subscription);
    subscription
}

/// Renews, retries and ends every subscription whose time has come.
pub fn renew_due(call: &mut Call<'_>) {
    while let Some((at, id)) = call.data().renewing.first().cloned() {
        if at > call.now {
            return;
        }
        call.data().renewing.remove(&(at, id.clone()));
        match call.load("subscription", &id) {
            Ok(subscription) if !is_over(&subscription) => step(call, subscription, at),
            _ => {}
        }
    }
}

fn step(call: &mut Call<'_>, mut subscription: Value, at: i64) {
    let method = method_of(call, &subscription);
    if subscription["status"] == "past_due" || subscription["status"] == "incomplete" {
        retry(call, subscription, at);
        return;
    }
    if subscription["cancel_at"].as_i64().is_some_and(|end| end <= at) {
        end(call, subscription, at, "cancellation_requested");
        return;
    }
    let without = &subscription["trial_settings"]["end_behavior"]["missing_payment_method"];
    if subscription["status"] == "trialing" && method.is_none() && without == "cancel" {
        end(call, subscription, at, "payment_failed");
        return;
    }
    subscription["status"] = json!("active");
    let next = month_after(at);
    let item = &mut subscription["items"]["data"][0];
    item["current_period_start"] = json!(at);
    item["current_period_end"] = json!(next);
    let (amount, words) = due_amount(call, &subscription);
    let invoice = invoices::write(call, &subscription, amount, "subscription_cycle", &words);
    note_invoice(call, &mut subscription, &invoice);
    if invoices::collect(call, invoice, method.as_deref()) {
        schedule(call, &mut subscription, next);
    } else {
        subscription["status"] = json!("past_due");
        subscription["_attempts"] = json!(1);
        schedule(call, &mut subscription, at + RETRY);
    }
    updated(call, subscription);
}

fn retry(call: &mut Call<'_>, mut subscription: Value, at: i64) {
    let method = method_of(call, &subscription);
    let invoice = call.load("invoice", subscription["latest_invoice"].as_str().unwrap_or_default());
    let Ok(invoice) = invoice else { return };
    if invoices::collect(call, invoice, method.as_deref()) {
        subscription["status"] = json!("active");
        let next = subscription["items"]["data"][0]["current_period_end"].as_i64().unwrap_or(at);
        schedule(call, &mut subscription, next);
        updated(call, subscription);
        return;
    }
    let attempts = subscription["_attempts"].as_i64().unwrap_or(1) + 1;
    subscription["_attempts"] = json!(attempts);
    if attempts >= ATTEMPTS {
        end(call, subscription, at, "payment_failed");
    } else {
        schedule(call, &mut subscription, at + RETRY);
        call.put(&subscription);
    }
}

/// The subscription's own payment method, or its customer's.
fn method_of(call: &mut Call<'_>, subscription: &Value) -> Option<String> {
    let own = subscription["default_payment_method"].as_str().map(str::to_owned);
    own.or_else(|| {
        let customer = call.load("customer", subscription["customer"].as_str().unwrap_or_default()).ok()?;
        customer["invoice_settings"]["default_payment_method"].as_str().map(str::to_owned)
    })
}

/// Gives a subscription a card, whatever that does when it is charged.
pub fn set_card(call: &mut Call<'_>, id: &str, number: &str) -> Answer {
    let mut subscription = expect_running(call, id)?;
    let card = Card::by_number(number)?;
    let mut method = payment_methods::attach(call, card, None, None);
    method["customer"] = subscription["customer"].clone();
    call.put(&method);
    subscription["default_payment_method"] = method["id"].clone();
    subscription["pending_setup_intent"] = Value::Null;
    let subscription = updated(call, subscription);
    if subscription["status"] == "past_due" && card.decline().is_none() {
        retry(call, subscription, call.now);
        return call.load("subscription", id);
    }
    Ok(subscription)
}

/// Cancels a subscription to the end of its period, or takes that back.
pub fn set_ending(call: &mut Call<'_>, id: &str, ends: bool) -> Answer {
    let mut subscription = expect_running(call, id)?;
    set_to_end(call.now, &mut subscription, ends);
    Ok(updated(call, subscription))
}

/// Ends the current period, or trial, now: what would be due then is done at once.
pub fn end_period(call: &mut Call<'_>, id: &str) -> Answer {
    let mut subscription = expect_running(call, id)?;
    let now = call.now;
    if subscription["status"] != "past_due" {
        subscription["items"]["data"][0]["current_period_end"] = json!(now);
    }
    for name in ["trial_end", "cancel_at"] {
        if subscription[name].as_i64().is_some_and(|at| at > now) {
            subscription[name] = json!(now);
        }
    }
    schedule(call, &mut subscription, now);
    call.put(&subscription);
    renew_due(call);
    call.load("subscription", id)
}
