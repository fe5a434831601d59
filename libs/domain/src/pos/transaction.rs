//! Transactions: an order as its money is told of (contract §10, §19).

use super::{
    order::{Method, Order, Payment, Status},
    tier::Tier,
};
use crate::money::Cents;

/// Where the money of an order stands; clients know more words than an order has states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransactionStatus {
    /// Not paid, or not in whole.
    Pending,
    /// Paid.
    Succeeded,
    /// The last card was declined.
    Failed,
    /// Paid, and a part given back.
    PartiallyRefunded,
    /// Paid, and all given back.
    Refunded,
}

impl TransactionStatus {
    /// The wire spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::PartiallyRefunded => "partially_refunded",
            Self::Refunded => "refunded",
        }
    }
}

impl Order {
    /// Where its money stands.
    pub fn transaction_status(&self) -> TransactionStatus {
        match self.status {
            Status::Completed if self.refunded > Cents::ZERO => TransactionStatus::PartiallyRefunded,
            Status::Completed => TransactionStatus::Succeeded,
            Status::Refunded => TransactionStatus::Refunded,
            Status::Failed => TransactionStatus::Failed,
            Status::Pending | Status::Processing | Status::Held => TransactionStatus::Pending,
        }
    }

    /// What it brought: what was paid and not given back. Refunds on their way count as given back.
    pub fn net_sales(&self) -> Cents {
        self.paid - self.refunded
    }
}

/// What Stripe is thought to keep of a payment: 2.7 % + 15¢ of a card that was there, 2.9 % + 30¢ of a number; rounded
/// half up. An estimate, as the contract gives it (§19): Stripe's own reckoning differs by country and card.
pub fn processing_fee(method: Method, amount: Cents) -> Cents {
    let (share, fixed) = match method {
        Method::TapToPay => (27, 15),
        Method::Card => (29, 30),
        Method::Cash | Method::Split => return Cents::ZERO,
    };
    Cents((amount.0 * share + 500).div_euclid(1000) + fixed)
}

/// What a payment is thought to cost in all, our share included; nothing for cash.
pub fn payment_fee(method: Method, amount: Cents, tier: Tier) -> Cents {
    match method {
        Method::TapToPay | Method::Card => processing_fee(method, amount) + tier.platform_fee(amount),
        Method::Cash | Method::Split => Cents::ZERO,
    }
}

/// What an order's payments cost, and what is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fees {
    /// Stripe's share and ours.
    pub processing: Cents,
    /// What was paid, less the fees and what was given back; below zero once fees were paid for money that went back.
    pub net: Cents,
}

/// Fees of an order with these payments. A split pays for each of its cards.
pub fn fees(order: &Order, payments: &[Payment], tier: Tier) -> Fees {
    let processing = match payments {
        // The rows were not loaded: an order with one payment tells enough of it by itself.
        [] => order.method.map_or(Cents::ZERO, |method| payment_fee(method, order.paid, tier)),
        payments => payments.iter().map(|payment| payment_fee(payment.method, payment.amount, tier)).sum(),
    };
    let processing = if order.paid.is_zero() { Cents::ZERO } else { processing };
    Fees { processing, net: order.net_sales() - processing }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::pos::order::tests::order;

    #[test]
    fn the_contracts_rates() {
        assert_eq!(processing_fee(Method::TapToPay, Cents(10_000)), Cents(285));
        assert_eq!(processing_fee(Method::Card, Cents(10_000)), Cents(320));
        assert_eq!(payment_fee(Method::TapToPay, Cents(3751), Tier::Starter), Cents(101 + 15 + 11));
        for method in [Method::Cash, Method::Split] {
            assert_eq!(payment_fee(method, Cents(10_000), Tier::Starter), Cents::ZERO);
        }
    }

    #[test]
    fn a_status_of_its_own_for_a_part_given_back() {
        let whole = Order { paid: Cents(1000), status: Status::Completed, ..order(1000) };
        assert_eq!(whole.transaction_status().as_str(), "succeeded");
        let part = Order { refunded: Cents(1), ..whole.clone() };
        assert_eq!((part.transaction_status().as_str(), part.net_sales()), ("partially_refunded", Cents(999)));
        let whole = Order { refunded: Cents(1000), status: Status::Refunded, ..whole };
        assert_eq!((whole.transaction_status().as_str(), whole.net_sales()), ("refunded", Cents::ZERO));
        for (status, word) in [(Status::Failed, "failed"), (Status::Processing, "pending"), (Status::Held, "pending")] {
            assert_eq!(Order { status, ..order(1000) }.transaction_status().as_str(), word);
        }
    }

    fn methods() -> impl Strategy<Value = Vec<(Method, i64)>> {
        let method = prop::sample::select(vec![Method::Card, Method::Cash, Method::TapToPay]);
        prop::collection::vec((method, 1..1_000_000i64), 0..6)
    }

    proptest! {
        #[test]
        fn fees_and_net_and_refunds_are_what_was_paid(parts in methods(), refunded in 0..100u8, pro: bool) {
            let tier = if pro { Tier::Pro } else { Tier::Starter };
            let at = Timestamp::UNIX_EPOCH;
            let payment = |(i, (method, amount)): (usize, &(Method, i64))| Payment {
                method: *method,
                ..Payment::card(*method, &format!("pi_{i}"), Cents(*amount), at)
            };
            let payments: Vec<Payment> = parts.iter().enumerate().map(payment).collect();
            let paid: Cents = payments.iter().map(|payment| payment.amount).sum();
            let refunded = Cents(paid.0 * i64::from(refunded) / 100);
            let method = match payments.as_slice() {
                [one] => Some(one.method),
                _ => Some(Method::Split),
            };
            let order = Order { method, paid, refunded, ..order(1000) };
            let fees = super::fees(&order, &payments, tier);
            prop_assert_eq!(fees.processing + fees.net + refunded, paid);
            prop_assert!(fees.processing >= Cents::ZERO);
            let cash_only = parts.iter().all(|(method, _)| *method == Method::Cash);
            prop_assert_eq!(fees.processing.is_zero(), cash_only);
            if payments.len() == 1 {
                prop_assert_eq!(super::fees(&order, &[], tier), fees, "an order with one payment tells by itself");
            }
        }
    }
}
