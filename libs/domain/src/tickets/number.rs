//! Order numbers and order ids: two spellings of the same thing.
//!
//! A number is `HP` + `YYMMDD` + `-` + 8 base-36 characters (contract §5), an id is a UUID. The id is computed from the
//! number and back, so that an order has one key, and neither an index nor a pointer item is needed to find it by either.

use std::{fmt, str::FromStr};

use jiff::{Timestamp, civil};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::{Uuid, Variant, Version};

use crate::time::yymmdd;

const DIGITS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// How many different codes one day has: 36^8.
const CODES: u64 = 36u64.pow(8);
/// The same for test orders: 36^6.
const TEST_CODES: u64 = 36u64.pow(6);

/// The number of an order, `HP260125-7K2M9QXA`, or of a test order, `TEST-260125-7K2M9Q`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OrderNumber {
    /// Days since 2000-01-01.
    day: u16,
    code: u64,
    test: bool,
}

/// Text that is no order number, or a UUID that is no order id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an order number")]
pub struct NotANumber;

fn epoch() -> civil::Date {
    civil::date(2000, 1, 1)
}

fn day_of(yymmdd: &str) -> Result<u16, NotANumber> {
    let part = |range: std::ops::Range<usize>| yymmdd.get(range).and_then(|p| p.parse::<i16>().ok()).ok_or(NotANumber);
    let (year, month, day) = (part(0..2)?, part(2..4)?, part(4..6)?);
    let date = civil::Date::new(2000 + year, month as i8, day as i8).map_err(|_| NotANumber)?;
    let days = (date - epoch()).get_days();
    u16::try_from(days).map_err(|_| NotANumber)
}

impl OrderNumber {
    /// A number of the day of `now` (UTC), from 64 random bits.
    pub fn new(now: Timestamp, random: u64) -> Self {
        Self { day: day_of(&yymmdd(now)).unwrap_or_default(), code: random % CODES, test: false }
    }

    /// A test order's number.
    pub fn new_test(now: Timestamp, random: u64) -> Self {
        Self { code: random % TEST_CODES, test: true, ..Self::new(now, 0) }
    }

    /// The number that a client's idempotency key stands for on the day of `now`: the same key, the same order.
    /// `scope` keeps one event's keys from meeting another's.
    pub fn from_key(now: Timestamp, scope: &str, key: &str) -> Self {
        let hash = Sha256::digest(format!("order number\0{scope}\0{key}"));
        let random = hash.iter().take(8).fold(0u64, |n, byte| n << 8 | u64::from(*byte));
        Self::new(now, random)
    }

    /// True for orders made by staff to try things out.
    pub fn is_test(&self) -> bool {
        self.test
    }

    /// The id that goes with this number.
    pub fn id(&self) -> OrderId {
        let mut bytes = [0u8; 16];
        bytes[0..2].copy_from_slice(&self.day.to_be_bytes());
        bytes[2..6].copy_from_slice(&((self.code >> 10) as u32).to_be_bytes());
        bytes[6] = (self.code >> 6) as u8 & 0x0f;
        bytes[7] = (self.code & 0x3f) as u8 | u8::from(self.test) << 6;
        let check = Sha256::digest([b"fairground order".as_slice(), &bytes[0..8]].concat());
        bytes[8..16].copy_from_slice(&check[0..8]);
        let mut builder = uuid::Builder::from_bytes(bytes);
        builder.set_version(Version::Custom).set_variant(Variant::RFC4122);
        OrderId(builder.into_uuid())
    }
}

impl fmt::Display for OrderNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = epoch() + jiff::Span::new().days(self.day);
        let (prefix, len) = if self.test { ("TEST-", 6) } else { ("HP", 8) };
        write!(f, "{prefix}{}-", date.strftime("%y%m%d"))?;
        (0..len).rev().try_for_each(|i| write!(f, "{}", DIGITS[(self.code / 36u64.pow(i) % 36) as usize] as char))
    }
}

impl fmt::Debug for OrderNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for OrderNumber {
    type Err = NotANumber;

    /// Reads a number in any case; white space around it is ignored.
    fn from_str(text: &str) -> Result<Self, NotANumber> {
        let text = text.trim().to_ascii_uppercase();
        let (rest, test, len) = match (text.strip_prefix("HP"), text.strip_prefix("TEST-")) {
            (Some(rest), _) => (rest, false, 8),
            (_, Some(rest)) => (rest, true, 6),
            _ => return Err(NotANumber),
        };
        let (date, code) = rest.split_once('-').ok_or(NotANumber)?;
        if date.len() != 6 || !date.bytes().all(|b| b.is_ascii_digit()) || code.len() != len {
            return Err(NotANumber);
        }
        let code = code.bytes().try_fold(0u64, |code, byte| {
            let digit = DIGITS.iter().position(|digit| *digit == byte).ok_or(NotANumber)?;
            Ok(code * 36 + digit as u64)
        })?;
        Ok(Self { day: day_of(date)?, code, test })
    }
}

impl TryFrom<String> for OrderNumber {
    type Error = NotANumber;
    fn try_from(text: String) -> Result<Self, NotANumber> {
        text.parse()
    }
}

impl From<OrderNumber> for String {
    fn from(number: OrderNumber) -> String {
        number.to_string()
    }
}

/// The UUID of an order. Made only from a number, and only a UUID made so is read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OrderId(Uuid);

impl OrderId {
    /// The number that goes with this id.
    pub fn number(&self) -> OrderNumber {
        let b = self.0.as_bytes();
        let high = u64::from(u32::from_be_bytes([b[2], b[3], b[4], b[5]]));
        OrderNumber {
            day: u16::from_be_bytes([b[0], b[1]]),
            code: high << 10 | u64::from(b[6] & 0x0f) << 6 | u64::from(b[7] & 0x3f),
            test: b[7] & 0x40 != 0,
        }
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for OrderId {
    type Err = NotANumber;

    fn from_str(text: &str) -> Result<Self, NotANumber> {
        let id = OrderId(Uuid::parse_str(text).map_err(|_| NotANumber)?);
        if id.number().code < CODES && id.number().id() == id { Ok(id) } else { Err(NotANumber) }
    }
}

/// An order named in either way, as webhooks and the admin client do: a number first, an id second (contract §8).
pub fn parse_reference(text: &str) -> Result<OrderNumber, NotANumber> {
    text.parse::<OrderNumber>().or_else(|_| text.trim().parse::<OrderId>().map(|id| id.number()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn number_and_id_are_one(seconds in 946_684_800..4_000_000_000i64, random: u64, test: bool) {
            let now = Timestamp::from_second(seconds).unwrap();
            let number = if test { OrderNumber::new_test(now, random) } else { OrderNumber::new(now, random) };
            let text = number.to_string();
            prop_assert_eq!(text.parse::<OrderNumber>(), Ok(number));
            prop_assert_eq!(text.to_lowercase().parse::<OrderNumber>(), Ok(number));
            prop_assert_eq!(number.id().to_string().parse::<OrderId>().map(|id| id.number()), Ok(number));
            prop_assert_eq!(parse_reference(&text), Ok(number));
            prop_assert_eq!(parse_reference(&number.id().to_string()), Ok(number));
        }

        #[test]
        fn a_random_uuid_is_no_order(bytes: [u8; 16]) {
            let uuid = uuid::Builder::from_random_bytes(bytes).into_uuid();
            prop_assert!(uuid.to_string().parse::<OrderId>().is_err());
        }

        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,40}") {
            let _ = parse_reference(&text);
        }
    }

    #[test]
    fn the_shape_of_the_contract() {
        let now: Timestamp = "2026-01-25T23:59:59Z".parse().unwrap();
        let number = OrderNumber::new(now, 123_456_789);
        assert_eq!(number.to_string().len(), 17);
        assert!(number.to_string().starts_with("HP260125-"));
        assert!(OrderNumber::new_test(now, 5).to_string().starts_with("TEST-260125-"));
        assert_eq!(OrderNumber::from_key(now, "a", "k"), OrderNumber::from_key(now, "a", "k"));
        assert_ne!(OrderNumber::from_key(now, "a", "k"), OrderNumber::from_key(now, "b", "k"));
        for bad in
            ["", "HP", "HP260125", "HP261325-7K2M9QXA", "HP260125-7K2M9QX", "XX260125-7K2M9QXA", "HP260125-7K2M9QX!"]
        {
            assert!(bad.parse::<OrderNumber>().is_err(), "{bad}");
        }
    }
}
