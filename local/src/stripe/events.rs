//! Events: what happened, kept for reading, and sent to the webhooks by [`super::delivery`].

use super::call::{Answer, Call, Verb};

/// `/v1/events…`
pub fn route(call: &mut Call<'_>, verb: Verb, path: &[&str]) -> Option<Answer> {
    Some(match (verb, path) {
        (Verb::Get, [id]) => call.load("event", id),
        (Verb::Get, []) => list(call),
        _ => return None,
    })
}

fn list(call: &mut Call<'_>) -> Answer {
    let mut wanted = call.params.texts("types");
    wanted.extend(call.params.text("type")?.map(str::to_owned));
    call.list("event", "/v1/events", |row| {
        let kind = row["type"].as_str().unwrap_or_default();
        wanted.is_empty() || wanted.iter().any(|pattern| matches(pattern, kind))
    })
}

/// `checkout.session.*` matches `checkout.session.completed`; `*` matches all.
pub fn matches(pattern: &str, kind: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => kind.starts_with(prefix),
        None => pattern == kind,
    }
}
