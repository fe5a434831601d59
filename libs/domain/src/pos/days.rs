//! Whole days in UTC, the first and the last included, as reports and pools ask for them (contract §12, §13, §19).

use jiff::{Timestamp, civil, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// Days at most: all their sales are read.
pub const MAX_DAYS: i32 = 366;

/// The years that a day may be of.
const YEARS: std::ops::RangeInclusive<i16> = 2000..=2199;

/// From a day to a day, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Days {
    /// The first.
    pub first: civil::Date,
    /// The last.
    pub last: civil::Date,
}

/// Why two dates are no days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DaysError {
    /// The last is before the first.
    #[error("must not be before startDate")]
    Backwards,
    /// More than [`MAX_DAYS`].
    #[error("must be at most 366 days after startDate")]
    TooMany,
}

/// A date as clients write it, `2026-03-01`, of this age.
pub fn parse_day(text: &str) -> Option<civil::Date> {
    let date: civil::Date = text.parse().ok()?;
    (date.to_string() == text && YEARS.contains(&date.year())).then_some(date)
}

/// The day of a moment.
pub fn day_of(at: Timestamp) -> civil::Date {
    at.to_zoned(TimeZone::UTC).date()
}

fn midnight(day: civil::Date) -> Timestamp {
    // Cannot fail for a year that has a day after it.
    day.to_zoned(TimeZone::UTC).map_or(Timestamp::MAX, |midnight| midnight.timestamp())
}

impl Days {
    /// From `first` to `last`.
    pub fn new(first: civil::Date, last: civil::Date) -> Result<Self, DaysError> {
        match (last - first).get_days() {
            ..0 => Err(DaysError::Backwards),
            0..MAX_DAYS => Ok(Self { first, last }),
            _ => Err(DaysError::TooMany),
        }
    }

    /// One day.
    pub fn one(day: civil::Date) -> Self {
        Self { first: day, last: day }
    }

    /// When they begin.
    pub fn begin(&self) -> Timestamp {
        midnight(self.first)
    }

    /// When they are over: the first moment that is not of them.
    pub fn end(&self) -> Timestamp {
        self.last.tomorrow().map_or(Timestamp::MAX, midnight)
    }

    /// Is the moment one of theirs?
    pub fn contains(&self, at: Timestamp) -> bool {
        self.begin() <= at && at < self.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use proptest::prelude::*;

    #[test]
    fn both_ends_are_included() {
        let days = Days::new(date(2026, 2, 28), date(2026, 3, 1)).unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!((days.begin(), days.end()), (at("2026-02-28T00:00:00Z"), at("2026-03-02T00:00:00Z")));
        assert!(days.contains(at("2026-02-28T00:00:00Z")) && days.contains(at("2026-03-01T23:59:59.999Z")));
        assert!(!days.contains(at("2026-02-27T23:59:59.999Z")) && !days.contains(at("2026-03-02T00:00:00Z")));
        assert_eq!(Days::new(days.last, days.first), Err(DaysError::Backwards));
        assert!(Days::new(date(2024, 1, 1), date(2024, 12, 31)).is_ok(), "a leap year");
        assert_eq!(Days::new(date(2023, 1, 1), date(2024, 1, 2)), Err(DaysError::TooMany));
    }

    #[test]
    fn days_are_spelled_one_way() {
        assert_eq!(parse_day("2026-03-01"), Some(date(2026, 3, 1)));
        for bad in
            ["", "2026-3-1", "20260301", "2026-02-30", "1999-12-31", "2200-01-01", "2026-03-01T00:00", "+2026-03-01"]
        {
            assert_eq!(parse_day(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_moment_is_of_its_day(second in 946_684_800..4_000_000_000i64) {
            let at = Timestamp::from_second(second).unwrap();
            prop_assert!(Days::one(day_of(at)).contains(at));
        }
    }
}
