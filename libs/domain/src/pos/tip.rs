//! Tip pools: what was tipped in some days, shared by the hours that each member worked (contract §12, §19).
//!
//! A pool is written as versions, like an order. What its members get is decided when it is calculated, fixed when it is
//! finalized, and then paid out through the ledger.

use std::collections::{BTreeMap, HashMap};

use jiff::{Timestamp, civil};
use serde::{Deserialize, Serialize};

use super::{
    days::{Days, day_of},
    order::{Order, Status},
    payout::Payout,
};
use crate::{
    ids::{OrgId, PoolId, UserId},
    ledger::{Cause, Owner, Transfer, TransferError},
    money::Cents,
    time::millis,
};

/// Members of a pool at most: all of them are one item.
pub const MAX_MEMBERS: usize = 200;

/// Hours at most, of one member in one pool.
pub const MAX_HOURS: f64 = 10_000.0;

/// Hours worked, in thousandths: `7.25` is 7250.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hours(u32);

/// A number that is no number of hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be between 0 and 10000")]
pub struct HoursError;

impl Hours {
    /// From a decimal number, rounded half up to thousandths.
    pub fn from_number(hours: f64) -> Result<Self, HoursError> {
        // `contains` is false for what is not a number.
        if !(0.0..=MAX_HOURS).contains(&hours) {
            return Err(HoursError);
        }
        Ok(Self((hours * 1000.0 + 0.5).floor() as u32))
    }

    /// For JSON.
    pub fn to_number(self) -> f64 {
        f64::from(self.0) / 1000.0
    }
}

/// Shares `total` by hours: each member's part is rounded half up, and the last who worked takes what is left, so that the
/// shares sum to the total exactly (contract §19). Where rounding up would give away more than there is (a few cents among
/// many), a member gets what is left: no share is below zero. `None` when nobody worked.
pub fn share_by_hours(total: Cents, hours: &[Hours]) -> Option<Vec<Cents>> {
    let last = hours.iter().rposition(|hours| hours.0 > 0)?;
    let all: i128 = hours.iter().map(|hours| i128::from(hours.0)).sum();
    let mut left = total;
    let share = |(i, hours): (usize, &Hours)| {
        let exact = (2 * i128::from(total.0) * i128::from(hours.0) + all).div_euclid(2 * all);
        // A part is never more than the total, so that it fits.
        let share = if i == last { left } else { Cents(exact as i64).min(left) };
        left = left - share;
        share
    };
    Some(hours.iter().enumerate().map(share).collect())
}

/// What orders were tipped: how many, and how much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tipped {
    /// Orders.
    pub orders: u32,
    /// Of these, with a tip.
    pub tipped: u32,
    /// Their tips.
    pub tips: Cents,
}

impl Tipped {
    fn add(&mut self, order: &Order) {
        self.orders += 1;
        self.tipped += u32::from(order.tip > Cents::ZERO);
        self.tips = self.tips + order.tip;
    }
}

/// `sum / count`, rounded half up; nothing for none.
pub fn average(sum: Cents, count: u32) -> Cents {
    let count = i64::from(count);
    if count == 0 { Cents::ZERO } else { Cents((2 * sum.0 + count).div_euclid(2 * count)) }
}

/// The tips of completed orders, in all, by who sold, and by day (UTC).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TipSums {
    /// All.
    pub all: Tipped,
    /// What was sold, without tax and tip.
    pub subtotal: Cents,
    /// By who sold.
    pub by_user: HashMap<UserId, Tipped>,
    /// By day.
    pub by_day: BTreeMap<civil::Date, Tipped>,
}

impl TipSums {
    /// Counts an order, if it is completed.
    pub fn add(&mut self, order: &Order) {
        if order.status != Status::Completed {
            return;
        }
        self.all.add(order);
        self.subtotal = self.subtotal + order.subtotal;
        self.by_user.entry(order.user).or_default().add(order);
        self.by_day.entry(day_of(order.created_at)).or_default().add(order);
    }

    /// What each was tipped.
    pub fn earned(&self) -> HashMap<UserId, Cents> {
        self.by_user.iter().map(|(user, tipped)| (*user, tipped.tips)).collect()
    }

    /// Tips in percent of what was sold, rounded half up to two places.
    pub fn percent(&self) -> f64 {
        if self.subtotal <= Cents::ZERO {
            return 0.0;
        }
        let sold = i128::from(self.subtotal.0);
        let hundredths = (i128::from(self.all.tips.0) * 20_000 + sold).div_euclid(2 * sold);
        hundredths as f64 / 100.0
    }
}

/// How far a pool is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PoolStatus {
    /// Its members, or their hours, changed since its shares were calculated, if ever.
    Draft,
    /// Its shares are those of its members.
    Calculated,
    /// Its shares stay as they are, and are paid out.
    Finalized,
}

impl PoolStatus {
    /// The wire spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Calculated => "calculated",
            Self::Finalized => "finalized",
        }
    }
}

/// A member of a pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PoolMember {
    /// Who.
    pub user: UserId,
    /// How long they worked.
    pub hours: Hours,
    /// What they were tipped themselves; tells, and decides nothing.
    pub earned: Cents,
    /// What they get.
    pub share: Cents,
    /// When they were added.
    #[serde(with = "millis")]
    pub created_at: Timestamp,
    /// When their hours or share last changed.
    #[serde(with = "millis")]
    pub updated_at: Timestamp,
}

/// The tips of some days, and who gets them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pool {
    /// Its id.
    pub id: PoolId,
    /// Whose.
    pub org: OrgId,
    /// Rises with every change: what a step was decided on.
    pub version: u32,
    /// As its author called it.
    pub name: String,
    /// Whose tips.
    pub days: Days,
    /// What they sum to; nothing unless calculated.
    pub total: Cents,
    /// How far it is.
    pub status: PoolStatus,
    /// As its author wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// Who shares, in the order in which they were added.
    pub members: Vec<PoolMember>,
    /// By whom it was made.
    pub created_by: UserId,
    /// When.
    #[serde(with = "millis")]
    pub created_at: Timestamp,
    /// When it last changed.
    #[serde(with = "millis")]
    pub updated_at: Timestamp,
    /// When it was finalized.
    #[serde(with = "millis::option", default, skip_serializing_if = "Option::is_none")]
    pub finalized_at: Option<Timestamp>,
    /// When all shares were paid out.
    #[serde(with = "millis::option", default, skip_serializing_if = "Option::is_none")]
    pub paid_at: Option<Timestamp>,
}

/// Why a step is not possible. The text is for the person who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// It is finalized.
    #[error("The tip pool is finalized")]
    Finalized,
    /// Nobody worked.
    #[error("The total hours of the tip pool are 0")]
    NoHours,
    /// It has no shares yet.
    #[error("The tip pool must be calculated first")]
    NotCalculated,
    /// More than [`MAX_MEMBERS`].
    #[error("A tip pool has 200 members at most")]
    TooMany,
    /// There is no such member.
    #[error("The tip pool has no such member")]
    NoMember,
}

impl Pool {
    /// A pool without members.
    pub fn new(id: PoolId, org: OrgId, name: String, days: Days, by: UserId, now: Timestamp) -> Self {
        Pool {
            id,
            org,
            version: 0,
            name,
            days,
            total: Cents::ZERO,
            status: PoolStatus::Draft,
            notes: None,
            members: vec![],
            created_by: by,
            created_at: now,
            updated_at: now,
            finalized_at: None,
            paid_at: None,
        }
    }

    /// The next version, unless it is finalized.
    fn changed(&self, now: Timestamp) -> Result<Pool, PoolError> {
        match self.status {
            PoolStatus::Finalized => Err(PoolError::Finalized),
            _ => Ok(Pool { version: self.version + 1, updated_at: now, ..self.clone() }),
        }
    }

    /// The next version with other members: what was calculated is not so any more.
    fn with_members(&self, members: Vec<PoolMember>, now: Timestamp) -> Result<Pool, PoolError> {
        let mut pool = Pool { members, status: PoolStatus::Draft, total: Cents::ZERO, ..self.changed(now)? };
        for member in &mut pool.members {
            (member.earned, member.share) = (Cents::ZERO, Cents::ZERO);
        }
        Ok(pool)
    }

    /// Another name, other notes.
    pub fn edit(&self, edit: impl FnOnce(&mut Pool), now: Timestamp) -> Result<Pool, PoolError> {
        let mut edited = self.changed(now)?;
        edit(&mut edited);
        Ok(edited)
    }

    /// Adds members, or changes their hours.
    pub fn save_members(&self, hours: &[(UserId, Hours)], now: Timestamp) -> Result<Pool, PoolError> {
        let mut members = self.members.clone();
        for (user, hours) in hours {
            match members.iter_mut().find(|member| member.user == *user) {
                Some(member) => (member.hours, member.updated_at) = (*hours, now),
                None => members.push(PoolMember {
                    user: *user,
                    hours: *hours,
                    earned: Cents::ZERO,
                    share: Cents::ZERO,
                    created_at: now,
                    updated_at: now,
                }),
            }
        }
        if members.len() > MAX_MEMBERS {
            return Err(PoolError::TooMany);
        }
        self.with_members(members, now)
    }

    /// Takes a member out.
    pub fn remove_member(&self, user: UserId, now: Timestamp) -> Result<Pool, PoolError> {
        let members: Vec<_> = self.members.iter().filter(|member| member.user != user).cloned().collect();
        if members.len() == self.members.len() {
            return Err(PoolError::NoMember);
        }
        self.with_members(members, now)
    }

    /// Shares what was tipped in its days, of which `earned` says whose tips they were.
    pub fn calculate(&self, total: Cents, earned: &HashMap<UserId, Cents>, now: Timestamp) -> Result<Pool, PoolError> {
        let mut pool = Pool { status: PoolStatus::Calculated, total, ..self.changed(now)? };
        let hours: Vec<Hours> = pool.members.iter().map(|member| member.hours).collect();
        let shares = share_by_hours(total, &hours).ok_or(PoolError::NoHours)?;
        for (member, share) in pool.members.iter_mut().zip(shares) {
            member.earned = earned.get(&member.user).copied().unwrap_or_default();
            (member.share, member.updated_at) = (share, now);
        }
        Ok(pool)
    }

    /// Fixes the shares: from here on they are paid out. `None` when that was done before.
    pub fn finalize(&self, now: Timestamp) -> Result<Option<Pool>, PoolError> {
        match self.status {
            PoolStatus::Draft => Err(PoolError::NotCalculated),
            PoolStatus::Calculated => {
                let pool = self.changed(now)?;
                Ok(Some(Pool { status: PoolStatus::Finalized, finalized_at: Some(now), ..pool }))
            }
            PoolStatus::Finalized => Ok(None),
        }
    }

    /// Names its payout.
    pub fn payout(&self) -> Payout {
        Payout::Pool { org: self.org, pool: self.id }
    }

    /// What pays it out: a transfer for each share, always the same. Nothing before it is finalized.
    pub fn transfers(&self) -> Result<Vec<Transfer>, TransferError> {
        let Some(at) = self.finalized_at else { return Ok(vec![]) };
        let transfer = |member: &PoolMember| {
            let cause = Cause::TipShare { pool: self.id, user: member.user };
            Transfer::pay(self.org, cause, (Owner::Tips, Owner::Member(member.user)), member.share, at)
        };
        self.members.iter().filter(|member| !member.share.is_zero()).map(transfer).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use proptest::prelude::*;

    fn user(n: u8) -> UserId {
        UserId::from_random([n; 16])
    }

    fn hours(number: f64) -> Hours {
        Hours::from_number(number).unwrap()
    }

    fn pool() -> Pool {
        let days = Days::new(date(2026, 3, 1), date(2026, 3, 7)).unwrap();
        let (id, org) = (PoolId::from_random([1; 16]), OrgId::from_random([2; 16]));
        Pool::new(id, org, "Week 9".into(), days, user(9), Timestamp::UNIX_EPOCH)
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    fn shared(total: i64, hours: &[f64]) -> Option<Vec<i64>> {
        let hours: Vec<Hours> = hours.iter().map(|number| self::hours(*number)).collect();
        share_by_hours(Cents(total), &hours).map(|shares| shares.into_iter().map(|share| share.0).collect())
    }

    #[test]
    fn the_last_takes_the_remainder() {
        assert_eq!(shared(1000, &[1.0, 1.0, 1.0]), Some(vec![333, 333, 334]));
        assert_eq!(shared(1001, &[1.0, 1.0]), Some(vec![501, 500]), "half up");
        assert_eq!(shared(10_000, &[7.5, 2.25, 0.25]), Some(vec![7500, 2250, 250]));
        assert_eq!(shared(1, &[1.0, 1.0, 1.0, 0.0]), Some(vec![0, 0, 1, 0]), "nobody is paid for no hours");
        assert_eq!(shared(2, &[1.0; 4]), Some(vec![1, 1, 0, 0]), "not three times one, and then minus one");
        assert_eq!(shared(0, &[1.0, 2.0]), Some(vec![0, 0]));
        assert_eq!(shared(100, &[0.0, 0.0]), None);
        assert_eq!(shared(100, &[]), None);
    }

    proptest! {
        #[test]
        fn shares_sum_to_the_total(
            total in 0..10_000_000_000i64,
            thousandths in proptest::collection::vec(0..=10_000_000u32, 1..MAX_MEMBERS),
        ) {
            let hours: Vec<Hours> = thousandths.iter().map(|n| Hours(*n)).collect();
            let Some(shares) = share_by_hours(Cents(total), &hours) else {
                prop_assert!(thousandths.iter().all(|n| *n == 0));
                return Ok(());
            };
            prop_assert_eq!(shares.iter().copied().sum::<Cents>(), Cents(total));
            prop_assert!(shares.iter().all(|share| *share >= Cents::ZERO));
            prop_assert!(shares.iter().zip(&hours).all(|(share, hours)| hours.0 > 0 || share.is_zero()));
        }

        #[test]
        fn all_but_the_last_have_the_contracts_share(
            total in 1_000_000..10_000_000_000i64,
            thousandths in proptest::collection::vec(1_000..=100_000u32, 1..40),
        ) {
            let hours: Vec<Hours> = thousandths.iter().map(|n| Hours(*n)).collect();
            let all: i128 = thousandths.iter().map(|n| i128::from(*n)).sum();
            let shares = share_by_hours(Cents(total), &hours).unwrap();
            for (share, n) in shares.iter().zip(&thousandths).take(hours.len() - 1) {
                let (doubled, exact) = (2 * i128::from(share.0) * all, 2 * i128::from(total) * i128::from(*n));
                prop_assert!(doubled - exact <= all && exact - doubled < all, "half up: {} of {}", share, n);
            }
        }

        #[test]
        fn hours_survive_the_wire(thousandths in 0..=10_000_000u32) {
            prop_assert_eq!(Hours::from_number(Hours(thousandths).to_number()), Ok(Hours(thousandths)));
        }
    }

    #[test]
    fn hours_that_are_none() {
        for bad in [-0.001, 10_000.001, f64::NAN, f64::INFINITY] {
            assert_eq!(Hours::from_number(bad), Err(HoursError), "{bad}");
        }
        assert_eq!((hours(7.25).to_number(), hours(0.0005).to_number()), (7.25, 0.001));
    }

    #[test]
    fn a_pool_goes_its_way() {
        let draft = pool().save_members(&[(user(1), hours(3.0)), (user(2), hours(1.0))], now()).unwrap();
        assert_eq!(draft.finalize(now()), Err(PoolError::NotCalculated));
        let calculated = draft.calculate(Cents(1000), &HashMap::from([(user(2), Cents(700))]), now()).unwrap();
        let shares = |pool: &Pool| pool.members.iter().map(|m| (m.earned.0, m.share.0)).collect::<Vec<_>>();
        assert_eq!((calculated.status, calculated.version), (PoolStatus::Calculated, 2));
        assert_eq!(shares(&calculated), [(0, 750), (700, 250)]);
        assert_eq!(calculated.transfers(), Ok(vec![]), "nothing is paid before it is final");

        for changed in [
            calculated.save_members(&[(user(1), hours(4.0))], now()).unwrap(),
            calculated.remove_member(user(1), now()).unwrap(),
        ] {
            assert_eq!((changed.status, changed.total), (PoolStatus::Draft, Cents::ZERO));
            assert!(shares(&changed).iter().all(|shares| *shares == (0, 0)), "{changed:?}");
        }
        assert_eq!(calculated.remove_member(user(3), now()), Err(PoolError::NoMember));

        let finalized = calculated.finalize(now()).unwrap().unwrap();
        assert_eq!((finalized.status, finalized.finalized_at), (PoolStatus::Finalized, Some(now())));
        assert_eq!(finalized.finalize(now()), Ok(None));
        assert_eq!(finalized.save_members(&[], now()), Err(PoolError::Finalized));
        assert_eq!(finalized.remove_member(user(1), now()), Err(PoolError::Finalized));
        assert_eq!(finalized.calculate(Cents(1), &HashMap::new(), now()), Err(PoolError::Finalized));
        assert_eq!(finalized.edit(|_| {}, now()), Err(PoolError::Finalized));
        let paid: Vec<_> = finalized.transfers().unwrap().iter().map(|transfer| transfer.legs()[1].amount.0).collect();
        assert_eq!(paid, [750, 250]);
        assert_eq!(finalized.transfers(), finalized.transfers(), "however often it is asked");
    }

    #[test]
    fn completed_orders_are_summed() {
        let order = |n: u8, tip: i64, status: &str| -> Order {
            let json = serde_json::json!({
                "id": uuid::Uuid::nil(), "org": user(1), "version": 0, "status": status, "subtotal": 1000, "tax": 0,
                "tip": tip, "total": 1000 + tip, "paid": 0, "refunded": 0, "payments": 0, "user": user(n),
                "item_count": 0, "created_at": now().as_millisecond() + i64::from(n) * 86_400_000,
                "updated_at": 0,
            });
            serde_json::from_value(json).unwrap()
        };
        let mut sums = TipSums::default();
        for (n, tip, status) in [(1, 200, "completed"), (1, 0, "completed"), (2, 151, "completed")] {
            sums.add(&order(n, tip, status));
        }
        let before = sums.clone();
        for status in ["pending", "processing", "failed", "refunded", "held"] {
            sums.add(&order(1, 900, status));
        }
        assert_eq!(sums, before, "only completed ones");
        assert_eq!(sums.all, Tipped { orders: 3, tipped: 2, tips: Cents(351) });
        assert_eq!((sums.subtotal, sums.percent()), (Cents(3000), 11.7));
        assert_eq!(sums.earned(), HashMap::from([(user(1), Cents(200)), (user(2), Cents(151))]));
        let days: Vec<_> = sums.by_day.iter().map(|(day, tipped)| (day.to_string(), tipped.tips.0)).collect();
        assert_eq!(days, [("2027-01-16".to_owned(), 200), ("2027-01-17".to_owned(), 151)]);
        assert_eq!([(5, 2), (4, 3), (0, 0)].map(|(sum, count)| average(Cents(sum), count).0), [3, 1, 0]);
        assert_eq!(TipSums::default().percent(), 0.0);
    }

    #[test]
    fn what_cannot_be_shared() {
        assert_eq!(pool().calculate(Cents(1), &HashMap::new(), now()), Err(PoolError::NoHours));
        let idle = pool().save_members(&[(user(1), Hours::default())], now()).unwrap();
        assert_eq!(idle.calculate(Cents(1), &HashMap::new(), now()), Err(PoolError::NoHours));
        let many: Vec<_> = (0..=MAX_MEMBERS as u8).map(|n| (user(n), hours(1.0))).collect();
        assert_eq!(pool().save_members(&many, now()), Err(PoolError::TooMany));
    }
}
