//! Stock in stripes: how a keeper's pieces are spread, drawn, released, added and taken away.
//!
//! A stock keeper (here a ticket tier) has [`STRIPES`] stripe items, so that many orders can be written at once.
//! Everything in this file is a plan; `store` writes it under conditions that make a stale plan fail, never oversell.
//! Invariant 1 holds stripe by stripe: `available + held + sold` changes only when the capacity does.

use serde::{Deserialize, Serialize};

use crate::money::Cents;

/// Stripes of every keeper. One order reads them all in one call, which is why there are no more.
pub const STRIPES: u8 = 8;

/// The largest capacity of one keeper.
pub const MAX_CAPACITY: u32 = 1_000_000;

/// What one stripe item counts. Sums over a keeper's stripes are the keeper's figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stripe {
    /// Pieces for sale.
    pub available: i64,
    /// Pieces of orders that are not paid yet.
    pub held: i64,
    /// Pieces of paid orders.
    pub sold: i64,
    /// Orders waiting for payment.
    pub pending: i64,
    /// Paid orders.
    pub paid: i64,
    /// Orders cancelled by staff or expired.
    pub cancelled: i64,
    /// Refunded orders.
    pub refunded: i64,
    /// Σ total of paid orders, minor units.
    pub revenue: i64,
    /// Paid orders that were let in.
    pub checked_in: i64,
}

impl Stripe {
    /// Pieces that exist: what invariant 1 compares with the capacity.
    pub fn capacity(&self) -> i64 {
        self.available + self.held + self.sold
    }

    /// Adds another stripe's figures.
    pub fn add(&mut self, other: &Stripe) {
        self.available += other.available;
        self.held += other.held;
        self.sold += other.sold;
        self.pending += other.pending;
        self.paid += other.paid;
        self.cancelled += other.cancelled;
        self.refunded += other.refunded;
        self.revenue += other.revenue;
        self.checked_in += other.checked_in;
    }

    /// The figures of a whole keeper.
    pub fn total<'a>(stripes: impl IntoIterator<Item = &'a Stripe>) -> Stripe {
        let mut total = Stripe::default();
        stripes.into_iter().for_each(|stripe| total.add(stripe));
        total
    }
}

/// Pieces that an order holds of one stripe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draw {
    /// Which stripe, `0..STRIPES`.
    #[serde(rename = "s")]
    pub stripe: u8,
    /// How many pieces.
    #[serde(rename = "q")]
    pub quantity: u32,
}

/// What an order's step does to the figures. `quantity`-wise changes are applied to every draw,
/// order-wise ones to the first draw's stripe only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Movement {
    /// A new order takes stock and waits for payment.
    Hold,
    /// A new order that needs no payment.
    Sell,
    /// A held order is paid.
    Confirm,
    /// A held order is given up by staff or by time.
    Release,
    /// A paid order is refunded; `checked_in` tells whether it had been let in.
    Refund {
        /// The order had been let in, and is no longer counted so.
        checked_in: bool,
    },
    /// An expired order was paid after all, and draws its stock anew.
    Reclaim,
}

impl Movement {
    /// The change of one stripe: the first draw of an order (`home`) carries the order itself and its money.
    pub fn on(self, quantity: u32, home: bool, total: Cents) -> Stripe {
        let q = i64::from(quantity);
        let one = i64::from(home);
        let money = if home { total.0 } else { 0 };
        match self {
            Movement::Hold => Stripe { available: -q, held: q, pending: one, ..Stripe::default() },
            Movement::Sell => Stripe { available: -q, sold: q, paid: one, revenue: money, ..Stripe::default() },
            Movement::Confirm => {
                Stripe { held: -q, sold: q, pending: -one, paid: one, revenue: money, ..Stripe::default() }
            }
            Movement::Release => Stripe { available: q, held: -q, pending: -one, cancelled: one, ..Stripe::default() },
            Movement::Refund { checked_in } => Stripe {
                available: q,
                sold: -q,
                paid: -one,
                refunded: one,
                revenue: -money,
                checked_in: if checked_in { -one } else { 0 },
                ..Stripe::default()
            },
            Movement::Reclaim => {
                Stripe { available: -q, sold: q, paid: one, cancelled: -one, revenue: money, ..Stripe::default() }
            }
        }
    }

    /// True when the movement takes from `available`, and so must be refused when there is too little.
    pub fn takes(self) -> bool {
        matches!(self, Movement::Hold | Movement::Sell | Movement::Reclaim)
    }
}

/// There are not enough pieces left; `left` is what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("only {left} left")]
pub struct SoldOut {
    /// Pieces available over all stripes.
    pub left: u32,
}

/// Chooses the stripes an order draws from, given what each has.
///
/// Begins at stripe `start` (random), takes the first that has enough; when none has, draws from several,
/// fullest first, so that few items are in the transaction. Fails only when the keeper as a whole has too little.
pub fn draw(available: &[i64], quantity: u32, start: usize) -> Result<Vec<Draw>, SoldOut> {
    let left: i64 = available.iter().map(|pieces| (*pieces).max(0)).sum();
    if left < i64::from(quantity) {
        return Err(SoldOut { left: u32::try_from(left).unwrap_or(u32::MAX) });
    }
    let n = available.len();
    let whole = (0..n).map(|i| (start + i) % n).find(|&i| available[i] >= i64::from(quantity));
    if let Some(stripe) = whole {
        return Ok(vec![Draw { stripe: stripe as u8, quantity }]);
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(available[i]));
    let mut missing = quantity;
    let mut draws = Vec::new();
    for stripe in order {
        let take = missing.min(u32::try_from(available[stripe].max(0)).unwrap_or(u32::MAX));
        if take > 0 {
            draws.push(Draw { stripe: stripe as u8, quantity: take });
            missing -= take;
        }
    }
    Ok(draws)
}

/// Spreads a new keeper's capacity over the stripes, as evenly as whole pieces allow.
pub fn spread(capacity: u32) -> [u32; STRIPES as usize] {
    let n = u32::from(STRIPES);
    std::array::from_fn(|i| capacity / n + u32::from((i as u32) < capacity % n))
}

/// How to change the capacity of a keeper: what to add to each stripe's `available` (negative takes away).
///
/// Never takes a piece that is held or sold: a wish below that is raised to it (contract §9, "silently raised").
/// Returns the capacity that results and the change of each stripe that changes.
pub fn resize(stripes: &[Stripe], wished: u32) -> (u32, Vec<(u8, i64)>) {
    let total = Stripe::total(stripes);
    let capacity = i64::from(wished).max(total.held + total.sold);
    let mut change = capacity - total.capacity();
    let mut available: Vec<i64> = stripes.iter().map(|stripe| stripe.available).collect();
    let mut changes = vec![0i64; stripes.len()];
    // Evens out: adds where there is least, takes where there is most, in shares rather than piece by piece.
    while change != 0 {
        let pick = |i: &usize| if change > 0 { available[*i] } else { -available[*i] };
        let Some(stripe) = (0..stripes.len()).min_by_key(pick) else { break };
        let share = (change.abs() / stripes.len() as i64).max(1) * change.signum();
        let step = if change > 0 { share } else { share.max(-available[stripe].max(0)) };
        if step == 0 {
            break;
        }
        available[stripe] += step;
        changes[stripe] += step;
        change -= step;
    }
    let changes = (0u8..).zip(changes).filter(|(_, delta)| *delta != 0).collect();
    (u32::try_from(capacity - change).unwrap_or(MAX_CAPACITY), changes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stripes() -> impl Strategy<Value = Vec<Stripe>> {
        let stripe = (0..40i64, 0..20i64, 0..20i64).prop_map(|(available, held, sold)| Stripe {
            available,
            held,
            sold,
            ..Stripe::default()
        });
        prop::collection::vec(stripe, STRIPES as usize)
    }

    proptest! {
        #[test]
        fn a_draw_is_whole_and_never_more_than_there_is(
            available in prop::collection::vec(0..9i64, STRIPES as usize), quantity in 1..30u32, start in 0..8usize
        ) {
            let left: i64 = available.iter().sum();
            match draw(&available, quantity, start) {
                Ok(draws) => {
                    prop_assert_eq!(draws.iter().map(|d| d.quantity).sum::<u32>(), quantity);
                    for d in &draws {
                        prop_assert!(d.quantity > 0 && i64::from(d.quantity) <= available[d.stripe as usize]);
                    }
                    let mut used: Vec<u8> = draws.iter().map(|d| d.stripe).collect();
                    used.sort_unstable();
                    used.dedup();
                    prop_assert_eq!(used.len(), draws.len(), "one action per item");
                }
                Err(SoldOut { left: told }) => {
                    prop_assert!(left < i64::from(quantity));
                    prop_assert_eq!(i64::from(told), left);
                }
            }
        }

        #[test]
        fn drained_in_any_portions_it_ends_at_zero(capacity in 0..200u32, portions in prop::collection::vec(1..4u32, 0..400)) {
            let mut available: Vec<i64> = spread(capacity).iter().map(|q| i64::from(*q)).collect();
            let mut sold = 0;
            for (i, portion) in portions.iter().chain(std::iter::repeat_n(&1, capacity as usize)).enumerate() {
                if let Ok(draws) = draw(&available, *portion, i % 8) {
                    for d in draws { available[d.stripe as usize] -= i64::from(d.quantity); }
                    sold += portion;
                }
            }
            prop_assert_eq!(sold, capacity);
            prop_assert!(available.iter().all(|left| *left == 0));
        }

        #[test]
        fn resizing_gives_the_wish_or_what_is_taken(before in stripes(), wished in 0..2000u32) {
            let (capacity, changes) = resize(&before, wished);
            let mut after = before.clone();
            for (i, delta) in changes { after[i as usize].available += delta; }
            let taken = Stripe::total(&before).held + Stripe::total(&before).sold;
            prop_assert_eq!(i64::from(capacity), i64::from(wished).max(taken));
            prop_assert_eq!(Stripe::total(&after).capacity(), i64::from(capacity));
            prop_assert!(after.iter().all(|s| s.available >= 0));
        }

        #[test]
        fn every_way_through_an_order_keeps_the_sum(quantity in 1..10u32, total in 0..100_000i64, way in 0..5usize) {
            let refund = Movement::Refund { checked_in: false };
            let ways: [&[Movement]; 5] = [
                &[Movement::Hold, Movement::Confirm, refund],
                &[Movement::Hold, Movement::Release],
                &[Movement::Hold, Movement::Release, Movement::Reclaim, refund],
                &[Movement::Sell, refund],
                &[Movement::Hold, Movement::Confirm],
            ];
            let mut stripe = Stripe { available: 100, ..Stripe::default() };
            for movement in ways[way] {
                stripe.add(&movement.on(quantity, true, Cents(total)));
                prop_assert_eq!(stripe.capacity(), 100);
                prop_assert_eq!(stripe.pending + stripe.paid + stripe.cancelled + stripe.refunded, 1);
                prop_assert_eq!(stripe.revenue, stripe.paid * total);
            }
        }
    }

    #[test]
    fn spread_is_even_and_whole() {
        assert_eq!(spread(50).iter().sum::<u32>(), 50);
        assert_eq!(spread(3), [1, 1, 1, 0, 0, 0, 0, 0]);
    }
}
