//! Prices by the month, and coupons that make the first ones cheaper.

use serde_json::{Value, json};

use super::{
    call::{Answer, Call, Verb},
    error::ApiError,
    store::new_id,
};

/// The price of the pro tier that the local functions sell.
pub const PRO: &str = "price_1FairgroundPro";

/// The coupon that makes its first month cheaper: by the month and not by the invoice, because the invoice over nothing that
/// begins a trial must not use it up.
pub const FIRST_MONTH: &str = "first-month";

/// `/v1/prices…`
pub fn route(call: &mut Call<'_>, verb: Verb, path: &[&str]) -> Option<Answer> {
    Some(match (verb, path) {
        (Verb::Post, []) => create(call),
        (Verb::Get, [id]) => call.load("price", id),
        (Verb::Get, []) => call.list("price", "/v1/prices", |_| true),
        _ => return None,
    })
}

/// `/v1/coupons…`
pub fn coupons(call: &mut Call<'_>, verb: Verb, path: &[&str]) -> Option<Answer> {
    Some(match (verb, path) {
        (Verb::Post, []) => create_coupon(call),
        (Verb::Get, [id]) => call.load("coupon", id),
        (Verb::Get, []) => call.list("coupon", "/v1/coupons", |_| true),
        _ => return None,
    })
}

/// Makes sure of what the local functions sell.
pub fn plant(call: &mut Call<'_>) {
    if call.load("price", PRO).is_err() {
        let pro = price(call.now, PRO, 2999, "usd", "Pro");
        call.put(&pro);
    }
    if call.load("coupon", FIRST_MONTH).is_err() {
        let coupon = coupon(call.now, FIRST_MONTH, json!(1000), Value::Null, "repeating", json!(1));
        call.put(&coupon);
    }
}

fn create(call: &mut Call<'_>) -> Answer {
    call.params.only(&["currency", "unit_amount", "recurring", "product", "product_data", "metadata", "nickname"])?;
    call.params.choice("recurring.interval", &["month"])?.ok_or_else(|| ApiError::missing("recurring[interval]"))?;
    let amount = call.params.integer("unit_amount")?.ok_or_else(|| ApiError::missing("unit_amount"))?;
    let currency = call.params.required("currency")?.to_ascii_lowercase();
    let name = call.params.text("product_data.name")?.or(call.params.text("product")?).unwrap_or("Plan").to_owned();
    let price = price(call.now, &new_id("price_1"), amount, &currency, &name);
    call.put(&price);
    call.emit("price.created", &price);
    Ok(price)
}

fn price(now: i64, id: &str, amount: i64, currency: &str, name: &str) -> Value {
    json!({
        "id": id,
        "object": "price",
        "active": true,
        "billing_scheme": "per_unit",
        "created": now,
        "currency": currency,
        "custom_unit_amount": null,
        "livemode": false,
        "lookup_key": null,
        "metadata": {},
        "nickname": null,
        "product": new_id("prod_"),
        "recurring": { "interval": "month", "interval_count": 1, "meter": null, "trial_period_days": null, "usage_type": "licensed" },
        "tax_behavior": "unspecified",
        "tiers_mode": null,
        "transform_quantity": null,
        "type": "recurring",
        "unit_amount": amount,
        "unit_amount_decimal": amount.to_string(),
        "_name": name,
    })
}

fn create_coupon(call: &mut Call<'_>) -> Answer {
    call.params.only(&["id", "amount_off", "percent_off", "currency", "duration", "duration_in_months", "name"])?;
    let duration = call.params.choice("duration", &["once", "repeating", "forever"])?.unwrap_or("once").to_owned();
    let (amount, percent) = (call.params.integer("amount_off")?, call.params.integer("percent_off")?);
    if amount.is_some() == percent.is_some() {
        return Err(ApiError::invalid("You must pass exactly one of amount_off, percent_off"));
    }
    let months = call.params.integer("duration_in_months")?;
    let id = call.params.text("id")?.map_or_else(|| new_id(""), str::to_owned);
    let coupon = coupon(call.now, &id, json!(amount), json!(percent), &duration, json!(months));
    call.put(&coupon);
    call.emit("coupon.created", &coupon);
    Ok(coupon)
}

fn coupon(now: i64, id: &str, amount: Value, percent: Value, duration: &str, months: Value) -> Value {
    json!({
        "id": id,
        "object": "coupon",
        "amount_off": amount,
        "created": now,
        "currency": "usd",
        "duration": duration,
        "duration_in_months": months,
        "livemode": false,
        "max_redemptions": null,
        "metadata": {},
        "name": null,
        "percent_off": percent,
        "redeem_by": null,
        "times_redeemed": 0,
        "valid": true,
    })
}

/// A price by its older name, which subscriptions still show.
pub fn plan_of(price: &Value) -> Value {
    json!({
        "id": price["id"],
        "object": "plan",
        "active": true,
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": "per_unit",
        "created": price["created"],
        "currency": price["currency"],
        "interval": "month",
        "interval_count": 1,
        "livemode": false,
        "metadata": {},
        "meter": null,
        "nickname": null,
        "product": price["product"],
        "tiers_mode": null,
        "transform_usage": null,
        "trial_period_days": null,
        "usage_type": "licensed",
    })
}

/// What an amount is with a coupon.
pub fn reduced(coupon: &Value, amount: i64) -> i64 {
    let off = coupon["amount_off"].as_i64();
    let off = off.or_else(|| coupon["percent_off"].as_i64().map(|percent| amount * percent / 100));
    (amount - off.unwrap_or_default()).max(0)
}
