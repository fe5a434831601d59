//! Limits per client address and route class (contract §1): 10 in 15 minutes on the auth routes, 100 on the others. What
//! every phone at the counter asks for without a token has a limit of many times that.
//!
//! The count is in the table, but not every request writes it: a warm function counts in memory and brings its share to
//! the table in portions of a tenth of the limit. So an auth request writes each time, an ordinary one every tenth,
//! and the first requests of an address, an order among them, cost no write at all.

use std::{collections::HashMap, sync::Mutex};

use axum::extract::Request;
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;

use crate::{ctx::Ctx, error::ApiError, extract::Client};

/// Length of a window in seconds.
pub const WINDOW_SECONDS: i64 = 15 * 60;

/// Addresses that are counted in memory at once; beyond that the count starts anew, which only delays a refusal.
const TRACKED: usize = 10_000;

/// Portions of a limit in which requests are brought to the table.
const PORTIONS: u32 = 10;

/// Open routes of the counter where somebody could guess a password, a link, or whether an address is known; accepting an
/// invitation by `staff/{token}/accept` is another. Its routes that are in neither list are unlimited: they want a token or
/// a signature, and one address is a whole fairground of phones.
const POS_OPEN: &[&str] = &[
    "auth/login",
    "auth/signup",
    "auth/forgot-password",
    "auth/reset-password",
    "auth/validate-reset-token",
    "auth/check-email",
    "auth/accept-invite",
    "auth/validate-invite",
    "contact",
    "marketing/subscribe",
];

/// Open routes of the counter that give away nothing to guess, and that every phone of the fairground asks for.
const POS_OFTEN: &[&str] = &["auth/refresh", "auth/logout", "auth/check-password", "stripe/config"];

/// How many times as often these may be asked for.
const OFTEN: u32 = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Class {
    Auth,
    Api,
    Pos,
    PosOften,
}

impl Class {
    /// The class of a path; webhooks and health checks have none.
    fn of(path: &str) -> Option<Class> {
        if let Some(rest) = path.strip_prefix("/pos/") {
            let accepts = || rest.strip_prefix("staff/").is_some_and(|rest| rest.ends_with("/accept"));
            return match rest {
                rest if POS_OPEN.contains(&rest) || accepts() => Some(Class::Pos),
                rest if POS_OFTEN.contains(&rest) => Some(Class::PosOften),
                _ => None,
            };
        }
        match path.strip_prefix("/tickets/api/")? {
            rest if rest.starts_with("auth/") => Some(Class::Auth),
            rest if rest.starts_with("webhook/") => None,
            _ => Some(Class::Api),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Class::Auth => "auth",
            Class::Api => "api",
            Class::Pos => "pos",
            Class::PosOften => "pos-often",
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Count {
    window: i64,
    /// Of everybody, as the table last said.
    known: u32,
    /// Of this function since.
    unsaved: u32,
}

/// Counts in memory.
#[derive(Default)]
pub(crate) struct RateLimiter {
    counts: Mutex<HashMap<(Class, String), Count>>,
}

/// What a request finds when it is counted.
struct Counted {
    /// Requests so far, as far as this function knows.
    used: u32,
    /// What this request is to bring to the table, itself included; 0 when it is another's turn.
    portion: u32,
}

impl RateLimiter {
    fn with<T>(&self, key: &(Class, String), window: i64, change: impl FnOnce(&mut Count) -> T) -> T {
        let mut counts = self.counts.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if counts.len() >= TRACKED && !counts.contains_key(key) {
            counts.clear();
        }
        let count = counts.entry(key.clone()).or_default();
        if count.window != window {
            *count = Count { window, ..Count::default() };
        }
        change(count)
    }

    /// Counts a request. A portion that is full is taken out at once, so that of requests at the same time each is
    /// brought to the table by one.
    fn add(&self, key: &(Class, String), window: i64, full: u32) -> Counted {
        self.with(key, window, |count| {
            count.unsaved += 1;
            let used = count.known + count.unsaved;
            let portion = if count.unsaved >= full { std::mem::take(&mut count.unsaved) } else { 0 };
            Counted { used, portion }
        })
    }

    fn saved(&self, key: &(Class, String), window: i64, known: u32) {
        self.with(key, window, |count| count.known = count.known.max(known));
    }

    fn not_saved(&self, key: &(Class, String), window: i64, portion: u32) {
        self.with(key, window, |count| count.unsaved += portion);
    }
}

/// How an address stands against its limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    limit: u32,
    used: u32,
    reset_seconds: i64,
}

pub(crate) enum Verdict {
    Unlimited,
    Allowed(Standing),
    Refused(Standing),
}

impl Verdict {
    /// The standard `RateLimit-*` headers.
    pub(crate) fn write_headers(&self, headers: &mut HeaderMap) {
        let (Verdict::Allowed(standing) | Verdict::Refused(standing)) = self else { return };
        headers.insert("ratelimit-limit", HeaderValue::from(standing.limit));
        headers.insert("ratelimit-remaining", HeaderValue::from(standing.limit.saturating_sub(standing.used)));
        headers.insert("ratelimit-reset", HeaderValue::from(standing.reset_seconds));
        if matches!(self, Verdict::Refused(_)) {
            headers.insert(http::header::RETRY_AFTER, HeaderValue::from(standing.reset_seconds));
        }
    }
}

impl From<Standing> for ApiError {
    fn from(_: Standing) -> Self {
        ApiError::new(http::StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", "Too many requests, please try again later")
    }
}

/// Whom a request counts for: nobody, where there is no limit.
pub(crate) struct Caller(Option<(Class, String)>);

impl Caller {
    /// Reads class and address from the request.
    pub(crate) fn of(request: &Request) -> Self {
        Caller(Class::of(request.uri().path()).zip(Client::of(request).ip))
    }
}

/// Counts the request. A table that does not answer lets it pass: a limit is no reason to stop a sale.
pub(crate) async fn check(ctx: &Ctx, Caller(caller): Caller) -> Verdict {
    let settings = ctx.settings();
    let Some((class, ip)) = caller.filter(|_| settings.rate_limit) else { return Verdict::Unlimited };
    let limit = match class {
        Class::Auth => settings.rate_limit_auth,
        Class::Api | Class::Pos => settings.rate_limit_api,
        Class::PosOften => settings.rate_limit_api.saturating_mul(OFTEN),
    };
    let now = ctx.now();
    let window = now.as_second() / WINDOW_SECONDS;
    let key = (class, ip);
    let Counted { mut used, portion } = ctx.limiter().add(&key, window, (limit / PORTIONS).max(1));
    if portion > 0 {
        used = save(ctx, &key, window, portion).await.unwrap_or(used);
    }
    let standing = Standing { limit, used, reset_seconds: seconds_left(now) };
    if standing.used > limit { Verdict::Refused(standing) } else { Verdict::Allowed(standing) }
}

fn seconds_left(now: Timestamp) -> i64 {
    WINDOW_SECONDS - now.as_second() % WINDOW_SECONDS
}

/// Brings a portion to the table; what all functions have counted then, if it answered.
async fn save(ctx: &Ctx, key: &(Class, String), window: i64, portion: u32) -> Option<u32> {
    match ctx.store().count_requests(key.0.name(), &key.1, window, WINDOW_SECONDS, portion).await {
        Ok(known) => {
            ctx.limiter().saved(key, window, known);
            Some(known)
        }
        Err(error) => {
            tracing::warn!(%error, "rate limit not counted");
            ctx.limiter().not_saved(key, window, portion);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_is_in_one_portion() {
        let (limiter, key) = (RateLimiter::default(), (Class::Api, "192.0.2.1".to_owned()));
        let mut saved = 0;
        for i in 1..=25 {
            let counted = limiter.add(&key, 7, 10);
            assert_eq!(counted.used, if i <= 20 { i } else { i - 10 }, "the second portion is on its way");
            saved += counted.portion;
            if i == 10 {
                limiter.saved(&key, 7, 10);
            }
        }
        assert_eq!(saved, 20);
        limiter.not_saved(&key, 7, 10);
        assert_eq!(limiter.add(&key, 7, 10).portion, 16, "what was not saved is saved with the next");
        assert_eq!(limiter.add(&key, 8, 10).used, 1, "another window");
    }

    #[test]
    fn each_path_has_its_class() {
        for (path, class) in [
            ("/tickets/api/auth/login", Some(Class::Auth)),
            ("/tickets/api/events", Some(Class::Api)),
            ("/tickets/api/webhook/payment", None),
            ("/pos/auth/login", Some(Class::Pos)),
            ("/pos/auth/accept-invite", Some(Class::Pos)),
            ("/pos/staff/0a1b/accept", Some(Class::Pos)),
            ("/pos/auth/refresh", Some(Class::PosOften)),
            ("/pos/staff/0a1b/resend-invite", None),
            ("/pos/orders", None),
            ("/pos/stripe/webhook", None),
        ] {
            assert_eq!(Class::of(path), class, "{path}");
        }
    }

    #[test]
    fn every_auth_request_is_brought_to_the_table() {
        let (limiter, key) = (RateLimiter::default(), (Class::Auth, "192.0.2.1".to_owned()));
        assert!((0..5).all(|_| limiter.add(&key, 7, 1).portion == 1));
    }
}
