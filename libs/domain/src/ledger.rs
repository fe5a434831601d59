//! The ledger (invariant 4): every movement of money is a transfer whose legs net to zero, and an account's balance is the
//! sum of its entries.
//!
//! A transfer's id says what it pays for, so that the same thing is paid once, however often it is asked for. What sales
//! bring in is not posted with each sale: the accounts that pay out ([`Owner::Tips`], [`Owner::Sales`]) may go negative, and
//! their balance is what they have given out. Whoever is paid never has less than nothing.

use std::{collections::HashSet, fmt, str::FromStr};

use jiff::{Timestamp, civil};
use serde::{Deserialize, Serialize};

use crate::{
    ids::{CatalogId, OrgId, PoolId, SplitId, UserId},
    money::Cents,
    time::millis,
};

/// Legs of a transfer at most: each is a balance and an entry, and all are one transaction of a hundred items.
pub const MAX_LEGS: usize = 50;

/// Whose account it is, within an organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Owner {
    /// The organization's tips.
    Tips,
    /// The sales of a catalog.
    Sales(CatalogId),
    /// A member of staff.
    Member(UserId),
    /// Who gets a revenue split.
    Recipient(SplitId),
}

impl Owner {
    /// May its balance be below zero?
    pub fn may_go_negative(self) -> bool {
        matches!(self, Self::Tips | Self::Sales(_))
    }
}

/// The spelling in keys: `TIPS`, `SALES#{catalog}`, `MEMBER#{user}`, `RECIPIENT#{split}`.
impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tips => f.write_str("TIPS"),
            Self::Sales(catalog) => write!(f, "SALES#{catalog}"),
            Self::Member(user) => write!(f, "MEMBER#{user}"),
            Self::Recipient(split) => write!(f, "RECIPIENT#{split}"),
        }
    }
}

/// Text that names no account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not the owner of an account")]
pub struct OwnerError;

impl FromStr for Owner {
    type Err = OwnerError;

    fn from_str(text: &str) -> Result<Self, OwnerError> {
        let owner = match text.split_once('#') {
            None => Some(Self::Tips),
            Some(("SALES", id)) => id.parse().map(Self::Sales).ok(),
            Some(("MEMBER", id)) => id.parse().map(Self::Member).ok(),
            Some(("RECIPIENT", id)) => id.parse().map(Self::Recipient).ok(),
            Some(_) => None,
        };
        // One account has one spelling.
        owner.filter(|owner| owner.to_string() == text).ok_or(OwnerError)
    }
}

impl TryFrom<String> for Owner {
    type Error = OwnerError;
    fn try_from(text: String) -> Result<Self, OwnerError> {
        text.parse()
    }
}

impl From<Owner> for String {
    fn from(owner: Owner) -> String {
        owner.to_string()
    }
}

/// What a transfer pays for, which is its identity: one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// A member's share of a tip pool.
    TipShare {
        /// The pool.
        pool: PoolId,
        /// The member.
        user: UserId,
    },
    /// A recipient's share of what a catalog sold on a day (UTC).
    SplitShare {
        /// The catalog.
        catalog: CatalogId,
        /// The day.
        day: civil::Date,
        /// The split.
        split: SplitId,
    },
}

/// The transfer's id in keys.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TipShare { pool, user } => write!(f, "POOL#{pool}#{user}"),
            Self::SplitShare { catalog, day, split } => write!(f, "SPLIT#{catalog}#{day}#{split}"),
        }
    }
}

/// What a transfer does to one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    /// The account.
    pub owner: Owner,
    /// What it gets; negative for what it gives. Never nothing.
    pub amount: Cents,
}

/// Why legs are not a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    /// They do not net to zero.
    #[error("its legs do not net to zero")]
    Unbalanced,
    /// A leg moves nothing.
    #[error("a leg moves nothing")]
    Empty,
    /// An account stands in it twice.
    #[error("an account stands in it twice")]
    Twice,
    /// Fewer than two legs, or more than [`MAX_LEGS`].
    #[error("it has too few legs or too many")]
    Count,
}

/// Money moved between accounts of one organization. There is none whose legs do not net to zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    org: OrgId,
    cause: Cause,
    legs: Vec<Leg>,
    at: Timestamp,
}

impl Transfer {
    /// A transfer of these legs, if they net to zero and each account stands in it once.
    pub fn new(org: OrgId, cause: Cause, legs: Vec<Leg>, at: Timestamp) -> Result<Self, TransferError> {
        if !(2..=MAX_LEGS).contains(&legs.len()) {
            return Err(TransferError::Count);
        }
        if legs.iter().any(|leg| leg.amount.is_zero()) {
            return Err(TransferError::Empty);
        }
        if legs.iter().map(|leg| leg.owner).collect::<HashSet<_>>().len() != legs.len() {
            return Err(TransferError::Twice);
        }
        let net: i128 = legs.iter().map(|leg| i128::from(leg.amount.0)).sum();
        if net == 0 { Ok(Self { org, cause, legs, at }) } else { Err(TransferError::Unbalanced) }
    }

    /// `amount` from one account to another.
    pub fn pay(
        org: OrgId,
        cause: Cause,
        (from, to): (Owner, Owner),
        amount: Cents,
        at: Timestamp,
    ) -> Result<Self, TransferError> {
        Self::new(org, cause, vec![Leg { owner: from, amount: -amount }, Leg { owner: to, amount }], at)
    }

    /// Whose accounts.
    pub fn org(&self) -> OrgId {
        self.org
    }

    /// What it pays for.
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// What it does to each account.
    pub fn legs(&self) -> &[Leg] {
        &self.legs
    }

    /// Its entries, one per leg.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        let transfer = self.cause.to_string();
        self.legs.iter().map(move |leg| Entry {
            org: self.org,
            owner: leg.owner,
            transfer: transfer.clone(),
            amount: leg.amount,
            at: self.at,
        })
    }
}

/// One leg as it lies in the ledger, for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Whose ledger.
    pub org: OrgId,
    /// The account.
    pub owner: Owner,
    /// The transfer's id: its [`Cause`].
    pub transfer: String,
    /// What the account got; negative for what it gave.
    pub amount: Cents,
    /// When that for which it was paid was decided.
    #[serde(with = "millis")]
    pub at: Timestamp,
}

/// What an account has: the sum of its entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// Whose ledger.
    pub org: OrgId,
    /// The account.
    pub owner: Owner,
    /// The sum.
    pub amount: Cents,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn owner(n: u8) -> Owner {
        match n {
            0 => Owner::Tips,
            n if n % 3 == 0 => Owner::Sales(CatalogId::from_random([n; 16])),
            n if n % 3 == 1 => Owner::Member(UserId::from_random([n; 16])),
            n => Owner::Recipient(SplitId::from_random([n; 16])),
        }
    }

    fn cause() -> Cause {
        Cause::TipShare { pool: PoolId::from_random([1; 16]), user: UserId::from_random([2; 16]) }
    }

    fn transfer(legs: &[(u8, i64)]) -> Result<Transfer, TransferError> {
        let legs = legs.iter().map(|(n, amount)| Leg { owner: owner(*n), amount: Cents(*amount) }).collect();
        Transfer::new(OrgId::from_random([9; 16]), cause(), legs, Timestamp::UNIX_EPOCH)
    }

    proptest! {
        #[test]
        fn there_is_no_transfer_that_does_not_net_to_zero(legs in proptest::collection::vec((0..60u8, any::<i64>()), 0..60)) {
            if let Ok(transfer) = transfer(&legs) {
                prop_assert_eq!(transfer.legs().iter().map(|leg| i128::from(leg.amount.0)).sum::<i128>(), 0);
            }
        }

        #[test]
        fn what_nets_to_zero_is_one(amounts in proptest::collection::vec(1..1_000_000_000i64, 1..MAX_LEGS)) {
            let mut legs: Vec<(u8, i64)> = (1..).zip(amounts.iter().copied()).collect();
            legs.push((0, -amounts.iter().sum::<i64>()));
            let whole = transfer(&legs).unwrap();
            prop_assert_eq!(whole.entries().map(|entry| entry.amount).sum::<Cents>(), Cents::ZERO);
            prop_assert!(whole.entries().all(|entry| entry.transfer == cause().to_string()));
            legs[0].1 += 1;
            prop_assert_eq!(transfer(&legs), Err(TransferError::Unbalanced));
        }

        #[test]
        fn an_owner_is_read_back(n: u8) {
            prop_assert_eq!(owner(n).to_string().parse(), Ok(owner(n)));
        }
    }

    #[test]
    fn what_is_no_transfer() {
        assert_eq!(transfer(&[]), Err(TransferError::Count));
        assert_eq!(transfer(&[(1, 0)]), Err(TransferError::Count));
        assert_eq!(transfer(&[(1, 0), (2, 0)]), Err(TransferError::Empty));
        assert_eq!(transfer(&[(1, 5), (1, -5)]), Err(TransferError::Twice));
        assert_eq!(transfer(&[(1, 5), (2, -4)]), Err(TransferError::Unbalanced));
        assert_eq!(transfer(&[(1, i64::MAX), (2, i64::MAX), (3, 2)]), Err(TransferError::Unbalanced), "no overflow");
        let many: Vec<_> = (0..=MAX_LEGS as u8).map(|n| (n, 1)).collect();
        assert_eq!(transfer(&many), Err(TransferError::Count));
        for bad in ["", "TIPS#", "tips", "MEMBER", "MEMBER#x", "RECIPIENT#", "BANK#1"] {
            assert_eq!(bad.parse::<Owner>(), Err(OwnerError), "{bad}");
        }
    }

    #[test]
    fn only_what_pays_out_may_go_negative() {
        assert!(owner(0).may_go_negative() && owner(3).may_go_negative());
        assert!(!owner(1).may_go_negative() && !owner(2).may_go_negative());
    }
}
