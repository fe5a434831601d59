//! Points in time: milliseconds since 1970 in the database, ISO-8601 on the wire.

use jiff::{Timestamp, Unit, tz::TimeZone};

/// The wire form, `2026-01-25T18:30:00.000Z`.
pub fn iso(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// The calendar date in UTC, `260125`, as order numbers carry it.
pub fn yymmdd(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%y%m%d").to_string()
}

/// Cut to whole milliseconds, which is what the database keeps.
pub fn to_millis(at: Timestamp) -> Timestamp {
    at.round(Unit::Millisecond).unwrap_or(at)
}

/// `#[serde(with = "domain::time::millis")]`: a timestamp as an integer of milliseconds.
pub mod millis {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes milliseconds since 1970.
    pub fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(at.as_millisecond())
    }

    /// Reads milliseconds since 1970.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        Timestamp::from_millisecond(i64::deserialize(deserializer)?).map_err(D::Error::custom)
    }

    /// The same for a time that may be absent.
    pub mod option {
        use super::*;

        /// Writes milliseconds since 1970, or nothing.
        pub fn serialize<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
            match at {
                Some(at) => serializer.serialize_some(&at.as_millisecond()),
                None => serializer.serialize_none(),
            }
        }

        /// Reads milliseconds since 1970, or nothing.
        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
            Option::<i64>::deserialize(deserializer)?
                .map(|ms| Timestamp::from_millisecond(ms).map_err(D::Error::custom))
                .transpose()
        }
    }
}
