//! Connected accounts: a business as Stripe knows it, from its opening to its first payment.
//!
//! An account's own object lies among the account's objects, so that a request in its name finds it, and its events are
//! its own. What it may do is decided by [`super::onboarding`].

use serde_json::{Value, json};

use super::{
    call::{Answer, Call, Verb, add_nulls},
    error::ApiError,
    external_accounts,
    store::{PLATFORM, random},
};

const CREATE: &[&str] = &[
    "business_profile",
    "business_type",
    "capabilities",
    "company",
    "controller",
    "country",
    "default_currency",
    "email",
    "external_account",
    "individual",
    "metadata",
    "settings",
    "tos_acceptance",
    "type",
];

/// What Stripe asks a new business.
const FIRST_QUESTIONS: &[&str] = &[
    "business_profile.mcc",
    "business_profile.url",
    "business_type",
    "external_account",
    "representative.dob.day",
    "representative.dob.month",
    "representative.dob.year",
    "representative.email",
    "representative.first_name",
    "representative.last_name",
    "tos_acceptance.date",
    "tos_acceptance.ip",
];

/// Countries that have accounts here, each with its currency.
const COUNTRIES: &[(&str, &str)] = &[
    ("AT", "eur"),
    ("AU", "aud"),
    ("BE", "eur"),
    ("CA", "cad"),
    ("CH", "chf"),
    ("DE", "eur"),
    ("DK", "dkk"),
    ("ES", "eur"),
    ("FI", "eur"),
    ("FR", "eur"),
    ("GB", "gbp"),
    ("IE", "eur"),
    ("IT", "eur"),
    ("JP", "jpy"),
    ("MX", "mxn"),
    ("NL", "eur"),
    ("NO", "nok"),
    ("NZ", "nzd"),
    ("PL", "pln"),
    ("PT", "eur"),
    ("SE", "sek"),
    ("SG", "sgd"),
    ("US", "usd"),
];

/// `/v1/accounts…`
pub fn route(call: &mut Call<'_>, verb: Verb, path: &[&str]) -> Option<Answer> {
    Some(match (verb, path) {
        (Verb::Post, []) => create(call),
        (Verb::Get, []) => Ok(list(call)),
        (Verb::Get, [id]) => within(call, id, own_object),
        (Verb::Post, [id]) => within(call, id, update),
        (Verb::Delete, [id]) => within(call, id, delete),
        (verb, [id, "external_accounts", rest @ ..]) => {
            let answered = call.within(id, |call| external_accounts::route(call, verb, rest));
            return answered.unwrap_or_else(|| Some(Err(ApiError::no_such("account", id))));
        }
        _ => return None,
    })
}

/// `/v1/account`: the account in whose name the request is made.
pub fn own(call: &mut Call<'_>, verb: Verb) -> Option<Answer> {
    (verb == Verb::Get).then(|| own_object(call))
}

/// The account's own object.
pub fn own_object(call: &mut Call<'_>) -> Answer {
    let id = call.account.clone();
    match call.load("account", &id) {
        Ok(account) if account["_deleted"] != true => Ok(account),
        Err(_) if id == PLATFORM => Ok(blank(PLATFORM, "US", "usd", call.now)),
        _ => Err(ApiError::account_invalid(&id)),
    }
}

/// Stores the account as it is now, and tells of it.
pub fn save(call: &mut Call<'_>, account: &Value) {
    call.put(account);
    call.emit("account.updated", account);
}

fn within(call: &mut Call<'_>, id: &str, step: fn(&mut Call<'_>) -> Answer) -> Answer {
    call.within(id, step).unwrap_or_else(|| Err(ApiError::account_invalid(id)))
}

fn create(call: &mut Call<'_>) -> Answer {
    call.params.only(CREATE)?;
    call.params.choice("type", &["custom", "express", "standard"])?;
    call.params.choice("business_type", &["company", "government_entity", "individual", "non_profit"])?;
    let country = call.params.text("country")?.unwrap_or("US").to_owned();
    let Some((_, currency)) = COUNTRIES.iter().find(|(code, _)| *code == country) else {
        return Err(ApiError::invalid(format!("Country '{country}' is unknown. Try using a 2-character alphanumeric country code instead, such as 'US', 'EG', or 'GB'."))
            .code("country_unsupported")
            .param("country"));
    };
    let id = random("acct_1", 15);
    let mut account = blank(&id, &country, currency, call.now);
    if let Some(kind) = call.params.text("type")? {
        account["type"] = json!(kind);
        account["controller"]["stripe_dashboard"]["type"] = json!(if kind == "standard" { "full" } else { kind });
    }
    for capability in ["card_payments", "transfers"] {
        if call.params.flag(&format!("capabilities.{capability}.requested"))? {
            account["capabilities"][capability] = json!("inactive");
        }
    }
    describe(call, &mut account)?;
    call.open_account(&id);
    call.within(&id, |call| call.put(&account));
    Ok(account)
}

/// A demo account: open, introduced and paid, without a word of it in the events.
pub fn plant(call: &mut Call<'_>, id: &str, name: &str) {
    call.open_account(id);
    call.within(id, |call| {
        if call.load("account", id).is_err() {
            let mut account = blank(id, "US", "usd", call.now);
            account["business_profile"]["name"] = json!(name);
            super::onboarding::complete(&mut account, "6789", call.now);
            call.put(&account);
        }
    });
}

fn describe(call: &mut Call<'_>, account: &mut Value) -> Result<(), ApiError> {
    for name in ["email", "business_type"] {
        if let Some(text) = call.params.text(name)? {
            account[name] = json!(text);
        }
    }
    for name in ["mcc", "name", "product_description", "support_email", "support_phone", "url"] {
        if let Some(text) = call.params.text(&format!("business_profile.{name}"))? {
            account["business_profile"][name] = json!(text);
        }
    }
    account["metadata"] = call.params.metadata("metadata", &account["metadata"]);
    Ok(())
}

fn update(call: &mut Call<'_>) -> Answer {
    call.params.only(CREATE)?;
    let mut account = own_object(call)?;
    describe(call, &mut account)?;
    save(call, &account);
    Ok(account)
}

fn delete(call: &mut Call<'_>) -> Answer {
    let mut account = own_object(call)?;
    account["_deleted"] = json!(true);
    call.put(&account);
    Ok(json!({ "id": account["id"], "object": "account", "deleted": true }))
}

fn list(call: &mut Call<'_>) -> Value {
    let accounts = call.connected_accounts().into_iter().filter(|account| account["_deleted"] != true);
    let page: Vec<Value> = accounts.take(100).collect();
    json!({ "object": "list", "url": "/v1/accounts", "has_more": false, "data": page })
}

fn blank(id: &str, country: &str, currency: &str, now: i64) -> Value {
    let mut account = json!({
        "id": id,
        "object": "account",
        "business_profile": {},
        "business_type": null,
        "capabilities": {},
        "charges_enabled": false,
        "controller": {
            "fees": { "payer": "application_express" },
            "is_controller": true,
            "losses": { "payments": "application" },
            "requirement_collection": "stripe",
            "stripe_dashboard": { "type": "express" },
            "type": "application",
        },
        "country": country,
        "created": now,
        "default_currency": currency,
        "details_submitted": false,
        "email": null,
        "external_accounts": {
            "object": "list", "data": [], "has_more": false, "total_count": 0,
            "url": format!("/v1/accounts/{id}/external_accounts"),
        },
        "future_requirements": requirements(&[]),
        "metadata": {},
        "payouts_enabled": false,
        "requirements": requirements(FIRST_QUESTIONS),
        "settings": settings(),
        "tos_acceptance": { "date": null, "ip": null, "user_agent": null },
        "type": "express",
    });
    add_nulls(
        &mut account["business_profile"],
        &[
            "annual_revenue",
            "estimated_worker_count",
            "mcc",
            "minority_owned_business_designation",
            "name",
            "product_description",
            "support_address",
            "support_email",
            "support_phone",
            "support_url",
            "url",
        ],
    );
    account
}

/// The `requirements` of a business that these questions are put to.
pub fn requirements(due: &[&str]) -> Value {
    let reason = if due.is_empty() { Value::Null } else { json!("requirements.past_due") };
    json!({
        "alternatives": [],
        "current_deadline": null,
        "currently_due": due,
        "disabled_reason": reason,
        "errors": [],
        "eventually_due": due,
        "past_due": due,
        "pending_verification": [],
    })
}

fn settings() -> Value {
    json!({
        "bacs_debit_payments": { "display_name": null, "service_user_number": null },
        "branding": { "icon": null, "logo": null, "primary_color": null, "secondary_color": null },
        "card_issuing": { "tos_acceptance": { "date": null, "ip": null } },
        "card_payments": {
            "decline_on": { "avs_failure": false, "cvc_failure": false },
            "statement_descriptor_prefix": null,
            "statement_descriptor_prefix_kana": null,
            "statement_descriptor_prefix_kanji": null,
        },
        "dashboard": { "display_name": null, "timezone": "Etc/UTC" },
        "invoices": { "default_account_tax_ids": null, "hosted_payment_method_save": "never" },
        "payments": {
            "statement_descriptor": null, "statement_descriptor_kana": null, "statement_descriptor_kanji": null,
        },
        "payouts": {
            "debit_negative_balances": true,
            "schedule": { "delay_days": 2, "interval": "manual" },
            "statement_descriptor": null,
        },
        "sepa_debit_payments": {},
    })
}
