//! The time, for services that stand outside of Fairground and have a clock of their own.

use jiff::Timestamp;

/// Now. The stand-ins read the clock here and nowhere else.
#[expect(clippy::disallowed_methods, reason = "the stand-ins are not functions: no request's context has their time")]
pub(super) fn now() -> Timestamp {
    Timestamp::now()
}

/// Seconds since 1970.
pub(super) fn seconds() -> u64 {
    millis() / 1000
}

/// Milliseconds since 1970.
pub(super) fn millis() -> u64 {
    u64::try_from(now().as_millisecond()).unwrap_or_default()
}

/// Seconds since 1970 with milliseconds behind the point, as AWS writes dates in JSON.
pub(super) fn date() -> f64 {
    now().as_millisecond() as f64 / 1000.0
}
