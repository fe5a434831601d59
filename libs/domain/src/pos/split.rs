//! Revenue splits: who gets which part of what a catalog sells (contract §13, §19).

use jiff::{Timestamp, civil};
use serde::{Deserialize, Serialize};

use super::{days::day_of, payout::Payout};
use crate::{
    ids::{CatalogId, OrgId, SplitId},
    ledger::{Cause, Owner, Transfer, TransferError},
    money::Cents,
    time::millis,
};

/// Splits of a catalog at most.
pub const MAX_SPLITS: usize = 100;

/// A part in hundredths of a percent: `12.5` is 1250.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Percentage(u16);

/// A number that is no percentage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be between 0 and 100")]
pub struct PercentageError;

impl Percentage {
    /// From a decimal number, rounded half up to two places.
    pub fn from_number(percent: f64) -> Result<Self, PercentageError> {
        // `contains` is false for what is not a number.
        if !(0.0..=100.0).contains(&percent) {
            return Err(PercentageError);
        }
        Ok(Self((percent * 100.0 + 0.5).floor() as u16))
    }

    /// For JSON.
    pub fn to_number(self) -> f64 {
        f64::from(self.0) / 100.0
    }

    /// The part of an amount, rounded half up.
    pub fn of(self, amount: Cents) -> Cents {
        // At most the amount, so that it fits.
        Cents((i128::from(amount.0) * i128::from(self.0) + 5000).div_euclid(10_000) as i64)
    }

    /// What several sum to, for JSON; may be above 100.
    pub fn total(percentages: impl Iterator<Item = Percentage>) -> f64 {
        f64::from(percentages.map(|one| u32::from(one.0)).sum::<u32>()) / 100.0
    }
}

/// What kind of recipient it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum RecipientType {
    Venue,
    Promoter,
    Partner,
    Other,
}

impl RecipientType {
    /// The wire spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Venue => "venue",
            Self::Promoter => "promoter",
            Self::Partner => "partner",
            Self::Other => "other",
        }
    }
}

/// A part of a catalog's sales that somebody gets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Split {
    /// Its id.
    pub id: SplitId,
    /// Whose.
    pub org: OrgId,
    /// Of what.
    pub catalog: CatalogId,
    /// Rises with every change.
    pub version: u32,
    /// Who gets it.
    pub recipient_name: String,
    /// What they are.
    pub recipient_type: RecipientType,
    /// How much.
    pub percentage: Percentage,
    /// As its author wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// False for one that gets nothing now.
    pub is_active: bool,
    /// When it was made.
    #[serde(with = "millis")]
    pub created_at: Timestamp,
    /// When it last changed.
    #[serde(with = "millis")]
    pub updated_at: Timestamp,
}

impl Split {
    /// What it gets of these sales: nothing while it is not active.
    pub fn share(&self, gross: Cents) -> Option<Cents> {
        self.is_active.then(|| self.percentage.of(gross))
    }
}

/// One recipient's share of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitShare {
    /// The split.
    pub split: SplitId,
    /// Its percentage then.
    pub percentage: Percentage,
    /// What it gets.
    pub amount: Cents,
}

/// What the splits of a catalog get of one day: decided once the day is over, and then paid out. What changes later, a
/// percentage or a refund, does not change it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settlement {
    /// Whose.
    pub org: OrgId,
    /// The catalog.
    pub catalog: CatalogId,
    /// The day (UTC).
    pub day: civil::Date,
    /// What was sold, without tax and tip.
    pub gross: Cents,
    /// Who gets what.
    pub shares: Vec<SplitShare>,
    /// When it was decided.
    #[serde(with = "millis")]
    pub created_at: Timestamp,
    /// When all shares were paid out.
    #[serde(with = "millis::option", default, skip_serializing_if = "Option::is_none")]
    pub paid_at: Option<Timestamp>,
}

impl Settlement {
    /// What the splits of a catalog get of what it sold on a day; `None` when that is nothing. A split counts from the day on
    /// which it was made.
    pub fn new(
        (org, catalog, day): (OrgId, CatalogId, civil::Date),
        gross: Cents,
        splits: &[Split],
        now: Timestamp,
    ) -> Option<Self> {
        let of_catalog = splits.iter().filter(|split| split.catalog == catalog && day_of(split.created_at) <= day);
        let share = |split: &Split| {
            let amount = split.share(gross).filter(|amount| *amount > Cents::ZERO)?;
            Some(SplitShare { split: split.id, percentage: split.percentage, amount })
        };
        let shares: Vec<SplitShare> = of_catalog.filter_map(share).collect();
        let settlement = Settlement { org, catalog, day, gross, shares, created_at: now, paid_at: None };
        (!settlement.shares.is_empty()).then_some(settlement)
    }

    /// Names its payout.
    pub fn payout(&self) -> Payout {
        Payout::Settlement { org: self.org, catalog: self.catalog, day: self.day }
    }

    /// What pays it out: a transfer for each share, always the same.
    pub fn transfers(&self) -> Result<Vec<Transfer>, TransferError> {
        let Settlement { org, catalog, day, .. } = *self;
        let transfer = |share: &SplitShare| {
            let cause = Cause::SplitShare { catalog, day, split: share.split };
            let way = (Owner::Sales(catalog), Owner::Recipient(share.split));
            Transfer::pay(org, cause, way, share.amount, self.created_at)
        };
        self.shares.iter().map(transfer).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn percent(number: f64) -> Percentage {
        Percentage::from_number(number).unwrap()
    }

    fn split(n: u8, percentage: f64, is_active: bool) -> Split {
        Split {
            id: SplitId::from_random([n; 16]),
            org: OrgId::from_random([1; 16]),
            catalog: CatalogId::from_random([2; 16]),
            version: 0,
            recipient_name: "The Hall".into(),
            recipient_type: RecipientType::Venue,
            percentage: percent(percentage),
            notes: None,
            is_active,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn parts_are_rounded_half_up() {
        assert_eq!(percent(12.5).of(Cents(1000)), Cents(125));
        assert_eq!(percent(50.0).of(Cents(101)), Cents(51));
        assert_eq!(percent(33.33).of(Cents(10_000)), Cents(3333));
        assert_eq!(percent(0.0).of(Cents(10_000)), Cents::ZERO);
        assert_eq!(percent(33.335).to_number(), 33.34);
        assert_eq!(Percentage::total([percent(60.0), percent(55.55)].into_iter()), 115.55);
        for bad in [-0.01, 100.01, f64::NAN] {
            assert_eq!(Percentage::from_number(bad), Err(PercentageError), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_part_is_within_the_whole(hundredths in 0..=10_000u16, amount in 0..i64::MAX / 2) {
            let part = Percentage(hundredths).of(Cents(amount));
            prop_assert!((Cents::ZERO..=Cents(amount)).contains(&part));
            let exact = i128::from(amount) * i128::from(hundredths);
            prop_assert!((i128::from(part.0) * 10_000 - exact).abs() <= 5000);
        }

        #[test]
        fn a_percentage_survives_the_wire(hundredths in 0..=10_000u16) {
            prop_assert_eq!(Percentage::from_number(Percentage(hundredths).to_number()), Ok(Percentage(hundredths)));
        }
    }

    #[test]
    fn a_day_is_settled_among_those_who_get_something() {
        let splits = [split(1, 60.0, true), split(2, 55.0, true), split(3, 10.0, false), split(4, 0.0, true)];
        let of = (splits[0].org, splits[0].catalog, civil::date(2026, 3, 1));
        let settled = Settlement::new(of, Cents(1001), &splits, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(
            settled.shares.iter().map(|share| share.amount.0).collect::<Vec<_>>(),
            [601, 551],
            "more than there is"
        );
        let paid: Vec<_> = settled.transfers().unwrap().iter().map(|transfer| transfer.legs()[0]).collect();
        assert_eq!(paid.iter().map(|leg| leg.amount.0).collect::<Vec<_>>(), [-601, -551]);
        assert!(paid.iter().all(|leg| leg.owner == Owner::Sales(of.1)));
        assert_eq!(Settlement::new(of, Cents::ZERO, &splits, Timestamp::UNIX_EPOCH), None);
        assert_eq!(Settlement::new(of, Cents(1001), &splits[2..], Timestamp::UNIX_EPOCH), None);
        let before = (of.0, of.1, civil::date(1969, 12, 31));
        assert_eq!(Settlement::new(before, Cents(1001), &splits, Timestamp::UNIX_EPOCH), None, "there was none then");
        let elsewhere = (of.0, CatalogId::from_random([9; 16]), of.2);
        assert_eq!(Settlement::new(elsewhere, Cents(1001), &splits, Timestamp::UNIX_EPOCH), None);
    }
}
