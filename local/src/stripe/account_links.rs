//! Account links: addresses of the page on which a business introduces itself. Each is good once, and for five minutes.

use serde_json::{Value, json};

use super::{
    accounts,
    call::{Answer, Call, Verb},
    error::ApiError,
    store::random,
};

/// How long a link is good, seconds.
const LIFETIME: i64 = 300;

/// The stand-in's note of a link, in the account that it introduces.
pub const LINK: &str = "_account_link";

/// `/v1/account_links`
pub fn route(call: &mut Call<'_>, verb: Verb, path: &[&str]) -> Option<Answer> {
    match (verb, path) {
        (Verb::Post, []) => Some(create(call)),
        _ => None,
    }
}

fn create(call: &mut Call<'_>) -> Answer {
    call.params.only(&["account", "collect", "collection_options", "refresh_url", "return_url", "type"])?;
    let account = call.params.required("account")?.to_owned();
    call.params.required("type")?;
    call.params.choice("type", &["account_onboarding", "account_update"])?;
    for name in ["refresh_url", "return_url"] {
        let url = call.params.required(name)?;
        if !url.starts_with("https://") && !url.starts_with("http://") {
            return Err(ApiError::invalid("Not a valid URL").code("url_invalid").param(name));
        }
    }
    let id = random("", 24);
    let link = json!({
        "id": id,
        "object": LINK,
        "expires_at": call.now + LIFETIME,
        "refresh_url": call.params.stored("refresh_url"),
        "return_url": call.params.stored("return_url"),
        "used": false,
    });
    let noted = call.within(&account, |call| {
        accounts::own_object(call)?;
        call.put(&link);
        Ok(())
    });
    noted.unwrap_or_else(|| Err(ApiError::no_such("account", &account)))?;
    Ok(json!({
        "object": "account_link",
        "created": call.now,
        "expires_at": link["expires_at"],
        "url": format!("{}/setup/{account}/{id}", call.base_url),
    }))
}

/// Can the business still introduce itself by it?
pub fn is_good(link: &Value, now: i64) -> bool {
    link["used"] != true && link["expires_at"].as_i64().unwrap_or_default() > now
}
