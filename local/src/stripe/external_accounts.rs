//! External accounts: the bank accounts that an account is paid out to. They come by onboarding, and are only read.

use serde_json::{Value, json};

use super::{
    accounts,
    call::{Answer, Call, Verb},
    error::ApiError,
    store::new_id,
};

/// `/v1/accounts/{account}/external_accounts…`, in the account.
pub fn route(call: &mut Call<'_>, verb: Verb, path: &[&str]) -> Option<Answer> {
    match (verb, path) {
        (Verb::Get, []) => Some(accounts::own_object(call).map(|account| account["external_accounts"].clone())),
        (Verb::Get, [id]) => Some(load(call, id)),
        _ => None,
    }
}

fn load(call: &mut Call<'_>, id: &str) -> Answer {
    let account = accounts::own_object(call)?;
    let banks = account["external_accounts"]["data"].as_array().cloned().unwrap_or_default();
    banks.into_iter().find(|bank| bank["id"] == id).ok_or_else(|| ApiError::no_such("external account", id))
}

/// Adds a bank account, which becomes the one that payouts go to.
pub fn attach(account: &mut Value, last4: &str) {
    let bank = json!({
        "id": new_id("ba_1"),
        "object": "bank_account",
        "account": account["id"],
        "account_holder_name": account["business_profile"]["name"],
        "account_holder_type": "company",
        "account_type": null,
        "available_payout_methods": ["standard", "instant"],
        "bank_name": "STRIPE TEST BANK",
        "country": account["country"],
        "currency": account["default_currency"],
        "default_for_currency": true,
        "fingerprint": format!("Fp{last4}"),
        "future_requirements": null,
        "last4": last4,
        "metadata": {},
        "requirements": null,
        "routing_number": "110000000",
        "status": "new",
    });
    account["external_accounts"]["data"] = json!([bank]);
    account["external_accounts"]["total_count"] = json!(1);
}

/// The bank account that payouts go to.
pub fn default_of(account: &Value) -> Option<&Value> {
    account["external_accounts"]["data"].as_array()?.first()
}
