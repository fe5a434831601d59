//! Cognito's input shapes that several actions share, proofs of the client's secret, and random texts.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::RngExt as _;
use serde_json::{Value, json};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::state::{AppClient, invalid_parameter, not_authorized};
use crate::aws::wire::{Fault, Input};

/// A list of `{Name, Value}` as a map.
pub(super) fn attributes(input: &Input, member: &str) -> BTreeMap<String, String> {
    let pairs = input.list(member).iter();
    pairs
        .filter_map(|pair| {
            Some((pair["Name"].as_str()?.to_owned(), pair["Value"].as_str().unwrap_or_default().to_owned()))
        })
        .collect()
}

/// A map as a list of `{Name, Value}`.
pub(super) fn attribute_list(attributes: &BTreeMap<String, String>) -> Value {
    attributes.iter().map(|(name, value)| json!({"Name": name, "Value": value})).collect()
}

/// Refuses a username that Cognito's model does not allow: one to 128 letters, marks, symbols, numbers and punctuation.
pub(super) fn check_username(input: &Input) -> Result<(), Fault> {
    let broken = match input.maybe("Username") {
        Some(name) if name.chars().count() > 128 => "Member must have length less than or equal to 128",
        Some(name) if name.is_empty() || name.contains(is_no_part_of_a_name) => {
            "Member must satisfy regular expression pattern: [\\p{L}\\p{M}\\p{S}\\p{N}\\p{P}]+"
        }
        _ => return Ok(()),
    };
    Err(invalid_parameter(format!(
        "1 validation error detected: Value at 'username' failed to satisfy constraint: {broken}"
    )))
}

/// White space, control and format characters, and those for private use: what is left of Unicode beside its unassigned ones.
fn is_no_part_of_a_name(c: char) -> bool {
    let format =
        ['\u{ad}', '\u{61c}', '\u{6dd}', '\u{70f}', '\u{8e2}', '\u{180e}', '\u{feff}', '\u{110bd}', '\u{110cd}'];
    let ranges = [
        '\u{600}'..='\u{605}',
        '\u{890}'..='\u{891}',
        '\u{200b}'..='\u{200f}',
        '\u{202a}'..='\u{202e}',
        '\u{2060}'..='\u{206f}',
        '\u{e000}'..='\u{f8ff}',
        '\u{fff9}'..='\u{fffb}',
        '\u{13430}'..='\u{1343f}',
        '\u{1bca0}'..='\u{1bca3}',
        '\u{1d173}'..='\u{1d17a}',
        '\u{e0000}'..='\u{e007f}',
        '\u{f0000}'..='\u{10ffff}',
    ];
    c.is_whitespace() || c.is_control() || format.contains(&c) || ranges.iter().any(|range| range.contains(&c))
}

/// Checks the proof that a caller knows the client's secret: HMAC-SHA256 over username and client id.
pub(super) fn check_secret_hash(client: &AppClient, username: &str, given: Option<&str>) -> Result<(), Fault> {
    let id = &client.id;
    match (&client.secret, given) {
        (None, None) => Ok(()),
        (None, Some(_)) => {
            Err(not_authorized(format!("Client {id} is not configured for secret but secret was received")))
        }
        (Some(_), None) => {
            Err(not_authorized(format!("Client {id} is configured with secret but SECRET_HASH was not received")))
        }
        (Some(secret), Some(given)) => {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_err(Fault::internal)?;
            mac.update(username.as_bytes());
            mac.update(id.as_bytes());
            let expected = STANDARD.encode(mac.finalize().into_bytes());
            let same: bool = expected.as_bytes().ct_eq(given.as_bytes()).into();
            if same { Ok(()) } else { Err(not_authorized(format!("Unable to verify secret hash for client {id}"))) }
        }
    }
}

/// Checks the client's secret itself, which the newer actions take in place of a hash.
pub(super) fn check_secret(client: &AppClient, given: Option<&str>) -> Result<(), Fault> {
    let id = &client.id;
    let same = match (&client.secret, given) {
        (None, None) => return Ok(()),
        (Some(secret), Some(given)) => secret.as_bytes().ct_eq(given.as_bytes()).into(),
        _ => false,
    };
    if same { Ok(()) } else { Err(not_authorized(format!("Unable to verify secret for client {id}"))) }
}

/// Random letters and digits, as ids and secrets consist of.
pub(super) fn random_text(length: usize, alphabet: &[u8]) -> String {
    let mut random = rand::rng();
    (0..length).map(|_| char::from(alphabet[random.random_range(0..alphabet.len())])).collect()
}

pub(super) const LOWER: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
pub(super) const MIXED: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
pub(super) const DIGITS: &[u8] = b"0123456789";
