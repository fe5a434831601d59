//! Tiers of a subscription, and what each pays per payment (contract §15, §19).

use serde::{Deserialize, Serialize};

use crate::money::Cents;

/// What an organization has subscribed to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// Free.
    #[default]
    Starter,
    /// $29.99 a month.
    Pro,
    /// By agreement.
    Enterprise,
}

impl Tier {
    /// The wire spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starter => "starter",
            Self::Pro => "pro",
            Self::Enterprise => "enterprise",
        }
    }

    /// Its price per month, in US cents (contract §15); by agreement counts as nothing.
    pub fn price(self) -> Cents {
        match self {
            Self::Pro => Cents(2999),
            Self::Starter | Self::Enterprise => Cents::ZERO,
        }
    }

    /// Our fee on a payment of `amount`, tax and tip included: a share, rounded half up, and a fixed part.
    pub fn platform_fee(self, amount: Cents) -> Cents {
        // In thousandths: 0.2 % is 2.
        let (share, fixed) = match self {
            Self::Starter => (2, 3),
            Self::Pro => (1, 1),
            Self::Enterprise => (0, 0),
        };
        let share = (amount.0.max(0) * share + 500).div_euclid(1000);
        Cents(share + fixed)
    }

    /// Staff that may be invited; `None` is any number (contract §11).
    pub fn staff_limit(self) -> Option<usize> {
        match self {
            Self::Starter => Some(3),
            Self::Pro | Self::Enterprise => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_contracts_examples() {
        let fee = |tier: Tier, amount| tier.platform_fee(Cents(amount)).0;
        assert_eq!([3751, 250, 50].map(|amount| fee(Tier::Starter, amount)), [11, 4, 3]);
        assert_eq!([3751, 1500].map(|amount| fee(Tier::Pro, amount)), [5, 3]);
        assert_eq!(fee(Tier::Enterprise, 3751), 0);
    }

    proptest! {
        #[test]
        fn a_fee_is_never_negative_and_grows_with_the_amount(amount in 0..1_000_000_000i64, more in 0..100_000i64) {
            for tier in [Tier::Starter, Tier::Pro, Tier::Enterprise] {
                let fee = tier.platform_fee(Cents(amount));
                prop_assert!(fee.0 >= 0);
                prop_assert!(tier.platform_fee(Cents(amount + more)) >= fee);
                prop_assert!(tier.platform_fee(Cents(-amount)).0 <= 3);
            }
        }

        #[test]
        fn the_rate_is_the_seeds(amount in 0..1_000_000_000i64) {
            let exact = |rate: f64, fixed: f64| (amount as f64 * rate + 0.5).floor() + fixed;
            // Floating point is off by one at exact halves at most.
            prop_assert!((Tier::Starter.platform_fee(Cents(amount)).0 as f64 - exact(0.002, 3.0)).abs() <= 1.0);
            prop_assert!((Tier::Pro.platform_fee(Cents(amount)).0 as f64 - exact(0.001, 1.0)).abs() <= 1.0);
        }
    }
}
