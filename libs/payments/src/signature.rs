//! Webhook signatures, as Stripe makes them: `stripe-signature: t=<unix seconds>,v1=<hex>[,v1=<hex>…]`, each `v1` the
//! HMAC-SHA256 of `{t}.{raw body}`. The tickets' generic payment webhook is signed the same way (DECISIONS, "Everywhere").

use std::{fmt, num::ParseIntError};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

/// How far a signature's time may lie from ours, in seconds, either way. Older ones are replays, newer ones forgeries.
pub const TOLERANCE_SECONDS: i64 = 300;

/// The header that carries the signature.
pub const HEADER: &str = "stripe-signature";

/// A signing secret (`whsec_…`). Its text never reaches a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret's text, used whole, prefix included, as Stripe does.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secrets of a comma-separated setting: several while one is being rotated. Empty parts are dropped.
    pub fn list(setting: &str) -> Vec<Self> {
        setting.split(',').map(str::trim).filter(|text| !text.is_empty()).map(Self::new).collect()
    }
}

impl AsRef<str> for Secret {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why a signature is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No (non-empty) secret is configured, so nothing can be verified.
    #[error("no signing secret is configured")]
    NoSecret,
    /// A part of the header is not `name=value`.
    #[error("the signature header has a part that is not name=value")]
    Malformed,
    /// The header has no `t`.
    #[error("the signature header has no timestamp")]
    NoTimestamp,
    /// `t` is not a whole number of seconds.
    #[error("the signature's timestamp is not a number: {0}")]
    BadTimestamp(#[from] ParseIntError),
    /// The header has two different `t`.
    #[error("the signature header has several timestamps")]
    SeveralTimestamps,
    /// The header has no `v1`.
    #[error("the signature header has no v1 signature")]
    NoSignature,
    /// No `v1` was made by any of the secrets over this body.
    #[error("no signature matches")]
    Mismatch,
    /// Rightly signed, but too long ago or in the future.
    #[error("the signature's timestamp is {0} s away from now")]
    OutsideTolerance(i64),
}

/// Checks that one of `secrets` signed `body`, at a time within [`TOLERANCE_SECONDS`] of `now` (unix seconds).
///
/// Each signature is compared with each secret in constant time, without stopping at the first match. Schemes other
/// than `v1` are ignored, as Stripe asks, so that a downgrade is impossible.
pub fn verify<S: AsRef<str>>(secrets: &[S], header: &str, body: &[u8], now: i64) -> Result<(), SignatureError> {
    let (timestamp, signatures) = parse(header)?;
    let mut matched = Choice::from(0);
    let mut usable = false;
    for secret in secrets.iter().map(S::as_ref).filter(|secret| !secret.is_empty()) {
        usable = true;
        let expected = hex::encode(digest(secret, timestamp, body));
        for signature in &signatures {
            matched |= expected.as_bytes().ct_eq(signature.as_bytes());
        }
    }
    if !usable {
        return Err(SignatureError::NoSecret);
    }
    if !bool::from(matched) {
        return Err(SignatureError::Mismatch);
    }
    let seconds: i64 = timestamp.parse()?;
    let away = now.saturating_sub(seconds);
    if away.saturating_abs() > TOLERANCE_SECONDS {
        return Err(SignatureError::OutsideTolerance(away));
    }
    Ok(())
}

/// The header value for `body` signed at `now` (unix seconds).
pub fn sign(secret: impl AsRef<str>, body: &[u8], now: i64) -> String {
    let timestamp = now.to_string();
    let signature = hex::encode(digest(secret.as_ref(), &timestamp, body));
    format!("t={timestamp},v1={signature}")
}

/// The timestamp's own text (it is what was signed) and the `v1` values.
fn parse(header: &str) -> Result<(&str, Vec<&str>), SignatureError> {
    let mut timestamp = None;
    let mut signatures = Vec::new();
    for part in header.split(',') {
        let (name, value) = part.trim().split_once('=').ok_or(SignatureError::Malformed)?;
        match name {
            "t" if timestamp.is_some_and(|earlier| earlier != value) => return Err(SignatureError::SeveralTimestamps),
            "t" => timestamp = Some(value),
            "v1" => signatures.push(value),
            _ => {}
        }
    }
    let timestamp = timestamp.ok_or(SignatureError::NoTimestamp)?;
    timestamp.parse::<i64>()?;
    if signatures.is_empty() {
        return Err(SignatureError::NoSignature);
    }
    Ok((timestamp, signatures))
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn digest(secret: &str, timestamp: &str, body: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key length");
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: i64 = 1_700_000_000;

    #[test]
    fn a_known_answer() {
        // python: hmac.new(b"whsec_test", b'1700000000.{"id":"evt_1"}', "sha256").hexdigest()
        assert_eq!(
            sign("whsec_test", br#"{"id":"evt_1"}"#, NOW),
            "t=1700000000,v1=c89214b5b5da833daed6f0b8c5bb6bd58cea9022bd80ccc78230f3942d632925"
        );
    }

    #[test]
    fn any_of_several_secrets_and_signatures_will_do() {
        let body = b"{}";
        let new = sign("new", body, NOW);
        let old = sign("old", body, NOW);
        let both = format!("{new},v0=zz,{}", old.split_once(',').unwrap().1);
        assert_eq!(verify(&["old", "new"], &new, body, NOW), Ok(()));
        assert_eq!(verify(&["old"], &both, body, NOW), Ok(()));
        assert_eq!(verify(&["new"], &both, body, NOW), Ok(()));
        assert_eq!(verify(&["third"], &both, body, NOW), Err(SignatureError::Mismatch));
    }

    #[test]
    fn an_empty_secret_verifies_nothing() {
        let header = sign("", b"{}", NOW);
        assert_eq!(verify(&[""], &header, b"{}", NOW), Err(SignatureError::NoSecret));
        assert_eq!(verify::<Secret>(&[], &header, b"{}", NOW), Err(SignatureError::NoSecret));
        assert_eq!(Secret::list(" a ,,b,"), [Secret::new("a"), Secret::new("b")]);
    }

    #[test]
    fn malformed_headers_are_named() {
        let refused = |header: &str| verify(&["s"], header, b"{}", NOW).unwrap_err();
        assert_eq!(refused(""), SignatureError::Malformed);
        assert_eq!(refused("nonsense"), SignatureError::Malformed);
        assert_eq!(refused("v1=00"), SignatureError::NoTimestamp);
        assert_eq!(refused("t=1700000000"), SignatureError::NoSignature);
        assert_eq!(refused("t=1700000000,v0=00"), SignatureError::NoSignature);
        assert_eq!(refused("t=1,t=2,v1=00"), SignatureError::SeveralTimestamps);
        assert!(matches!(refused("t=soon,v1=00"), SignatureError::BadTimestamp(_)));
        assert_eq!(refused("t=1700000000,v1="), SignatureError::Mismatch);
    }

    #[test]
    fn five_minutes_either_way() {
        let header = sign("s", b"{}", NOW);
        assert_eq!(verify(&["s"], &header, b"{}", NOW + 300), Ok(()));
        assert_eq!(verify(&["s"], &header, b"{}", NOW - 300), Ok(()));
        assert_eq!(verify(&["s"], &header, b"{}", NOW + 301), Err(SignatureError::OutsideTolerance(301)));
        assert_eq!(verify(&["s"], &header, b"{}", NOW - 301), Err(SignatureError::OutsideTolerance(-301)));
        assert_eq!(verify(&["s"], &header, b"{}", i64::MIN), Err(SignatureError::OutsideTolerance(i64::MIN)));
    }

    proptest! {
        #[test]
        fn what_was_signed_verifies(secret in ".{1,40}", body: Vec<u8>, now in 0..4_000_000_000i64) {
            prop_assert_eq!(verify(&[&secret], &sign(&secret, &body, now), &body, now), Ok(()));
        }

        #[test]
        fn a_flipped_bit_of_the_body_is_refused(body in prop::collection::vec(any::<u8>(), 1..200), at: prop::sample::Index, bit in 0..8u8) {
            let header = sign("secret", &body, NOW);
            let mut other = body.clone();
            other[at.index(body.len())] ^= 1 << bit;
            prop_assert_eq!(verify(&["secret"], &header, &other, NOW), Err(SignatureError::Mismatch));
        }

        #[test]
        fn a_changed_byte_of_the_header_is_refused(body: Vec<u8>, at: prop::sample::Index, byte in 33..127u8) {
            let header = sign("secret", &body, NOW);
            let mut other = header.clone().into_bytes();
            let at = at.index(other.len());
            prop_assume!(other[at] != byte);
            other[at] = byte;
            let other = String::from_utf8(other).unwrap();
            prop_assert!(verify(&["secret"], &other, &body, NOW).is_err(), "{} accepted", other);
        }

        #[test]
        fn no_header_panics(header in ".*", body: Vec<u8>) {
            prop_assert!(verify(&["secret"], &header, &body, NOW).is_err());
        }
    }
}
