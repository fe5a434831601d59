//! Order numbers and order ids of the counter: two spellings of the same thing.
//!
//! A number is `ORD-` + `YYYYMMDD` + `-` + four digits or more (contract §19), an id is a UUID. The id contains the number,
//! so the key by which an order is written once is also what makes its number unique: there is no counter to queue for,
//! and no item that only claims a number.

use std::{fmt, str::FromStr};

use jiff::{Timestamp, civil, tz::TimeZone};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::{Uuid, Variant, Version};

use crate::ids::OrgId;

/// Digits of a day's first numbers.
const DIGITS: u8 = 4;

/// Digits at most: by then a day would have a hundred million orders.
const MAX_DIGITS: u8 = 9;

/// The id of an order at the counter.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OrderId(pub Uuid);

impl OrderId {
    /// An id of the day of `now` (UTC), from 64 random bits. When its number is taken, try again with `attempt` + 1 and
    /// other bits: numbers grow longer by two digits with every second attempt, so that a busy day soon finds free ones.
    pub fn new(org: OrgId, now: Timestamp, random: u64, attempt: u8) -> Self {
        let digits = (DIGITS + attempt / 2 * 2).min(MAX_DIGITS);
        let code = (random % 10u64.pow(u32::from(digits))) as u32;
        let day = (now.to_zoned(TimeZone::UTC).date() - epoch()).get_days();
        let mut bytes = [0u8; 16];
        bytes[0..2].copy_from_slice(&u16::try_from(day).unwrap_or_default().to_be_bytes());
        bytes[2..6].copy_from_slice(&code.to_be_bytes());
        bytes[6] = digits & 0x0f;
        // Two organizations sell under the same number on the same day; their ids must differ all the same.
        let tail = Sha256::digest([b"fairground pos order".as_slice(), org.0.as_bytes(), &bytes[0..7]].concat());
        bytes[7..16].copy_from_slice(&tail[0..9]);
        let mut builder = uuid::Builder::from_bytes(bytes);
        builder.set_version(Version::Custom).set_variant(Variant::RFC4122);
        Self(builder.into_uuid())
    }

    /// The number on the receipt, `ORD-20260301-0042`.
    pub fn number(&self) -> String {
        let bytes = self.0.as_bytes();
        let day = u16::from_be_bytes([bytes[0], bytes[1]]);
        let code = u32::from_be_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]);
        let date = epoch() + jiff::Span::new().days(day);
        format!("ORD-{}-{code:0width$}", date.strftime("%Y%m%d"), width = usize::from(bytes[6] & 0x0f))
    }
}

fn epoch() -> civil::Date {
    civil::date(2000, 1, 1)
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for OrderId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn one_number_is_one_id(seconds in 946_684_800..4_000_000_000i64, random: u64, attempt in 0..20u8) {
            let now = Timestamp::from_second(seconds).unwrap();
            let (org, other) = (OrgId::from_random([1; 16]), OrgId::from_random([2; 16]));
            let id = OrderId::new(org, now, random, attempt);
            let number = id.number();
            let digits = number.rsplit('-').next().unwrap();
            prop_assert!(number.starts_with(&format!("ORD-{}-", now.strftime("%Y%m%d"))), "{}", number);
            prop_assert!(digits.len() >= 4 && number.len() <= 50);
            prop_assert_eq!(digits.parse::<u64>().unwrap(), random % 10u64.pow(digits.len() as u32));
            // The same number is the same key, whatever the rest of the random bits: that is what makes it unique.
            let again = random % 10u64.pow(digits.len() as u32);
            prop_assert_eq!(OrderId::new(org, now, again, attempt), id);
            prop_assert_ne!(OrderId::new(other, now, random, attempt), id);
            prop_assert_eq!(id.to_string().parse::<OrderId>(), Ok(id));
        }

        #[test]
        fn any_uuid_has_some_number(bytes: [u8; 16]) {
            let _ = OrderId(Uuid::from_bytes(bytes)).number();
        }
    }
}
