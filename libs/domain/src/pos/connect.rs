//! An organization's account at Stripe, as Stripe last described it (contract §10).

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    ids::OrgId,
    money::{Cents, Currency},
    time::millis,
};

/// How long what Stripe said is believed (contract §10).
pub const FRESH: SignedDuration = SignedDuration::from_mins(5);

/// How far an organization is on its way to taking cards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum OnboardingState {
    NotStarted,
    Incomplete,
    PendingVerification,
    Active,
    Restricted,
    Disabled,
}

impl OnboardingState {
    /// The wire spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotStarted => "not_started",
            Self::Incomplete => "incomplete",
            Self::PendingVerification => "pending_verification",
            Self::Active => "active",
            Self::Restricted => "restricted",
            Self::Disabled => "disabled",
        }
    }
}

/// What Stripe says of an account, as far as we keep it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountFacts {
    /// May it take payments?
    pub charges_enabled: bool,
    /// May it be paid out?
    pub payouts_enabled: bool,
    /// Has the owner said all that was asked?
    pub details_submitted: bool,
    /// What Stripe wants to know now.
    pub currently_due: Vec<String>,
    /// What Stripe wanted to know before.
    pub past_due: Vec<String>,
    /// Why it is disabled.
    pub disabled_reason: Option<String>,
    /// The business's name there.
    pub business_name: Option<String>,
    /// The bank account's last digits.
    pub bank_last4: Option<String>,
    /// The bank's name.
    pub bank_name: Option<String>,
    /// Upper case, `US`.
    pub country: String,
    /// What it is paid out in.
    pub currency: Currency,
}

/// A connected account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConnectedAccount {
    /// Whose.
    pub org: OrgId,
    /// `acct_…`.
    pub account: String,
    /// May it take payments?
    pub charges_enabled: bool,
    /// May it be paid out?
    pub payouts_enabled: bool,
    /// Has the owner said all that was asked?
    pub details_submitted: bool,
    /// What Stripe wants to know now.
    #[serde(default)]
    pub currently_due: Vec<String>,
    /// What Stripe wanted to know before.
    #[serde(default)]
    pub past_due: Vec<String>,
    /// Why it is disabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_reason: Option<String>,
    /// The business's name there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub business_name: Option<String>,
    /// The bank account's last digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bank_last4: Option<String>,
    /// The bank's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bank_name: Option<String>,
    /// Upper case, `US`.
    pub country: String,
    /// What it is paid out in.
    #[serde(default = "dollars")]
    pub currency: Currency,
    /// Its Terminal location, `tml_…`, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// True from the moment an onboarding link was given out until Stripe was asked again.
    #[serde(default)]
    pub link_given: bool,
    /// When Stripe was last asked, or told us.
    #[serde(with = "millis")]
    pub synced_at: Timestamp,
    /// When it was opened.
    #[serde(with = "millis")]
    pub created_at: Timestamp,
}

fn dollars() -> Currency {
    Currency::USD
}

impl ConnectedAccount {
    /// An account that was opened at Stripe just now.
    pub fn opened(org: OrgId, account: String, facts: AccountFacts, now: Timestamp) -> Self {
        ConnectedAccount {
            org,
            account,
            charges_enabled: facts.charges_enabled,
            payouts_enabled: facts.payouts_enabled,
            details_submitted: facts.details_submitted,
            currently_due: facts.currently_due,
            past_due: facts.past_due,
            disabled_reason: facts.disabled_reason,
            business_name: facts.business_name,
            bank_last4: facts.bank_last4,
            bank_name: facts.bank_name,
            country: facts.country,
            currency: facts.currency,
            location: None,
            link_given: false,
            synced_at: now,
            created_at: now,
        }
    }

    /// Must Stripe be asked before it is shown? Its owner may just come back from Stripe's page, or it was long ago.
    pub fn is_stale(&self, now: Timestamp) -> bool {
        self.link_given || now.duration_since(self.synced_at) > FRESH
    }

    /// The first that holds, in the contract's order.
    pub fn onboarding_state(&self) -> OnboardingState {
        if !self.details_submitted {
            OnboardingState::NotStarted
        } else if self.disabled_reason.is_some() {
            OnboardingState::Disabled
        } else if !self.past_due.is_empty() {
            OnboardingState::Restricted
        } else if self.charges_enabled && self.payouts_enabled {
            if self.currently_due.is_empty() { OnboardingState::Active } else { OnboardingState::PendingVerification }
        } else if !self.currently_due.is_empty() {
            OnboardingState::Incomplete
        } else {
            OnboardingState::PendingVerification
        }
    }
}

/// What an instant payout of `amount` costs: 1 %, rounded half up (contract §10). A standard one costs nothing.
pub fn payout_fee(amount: Cents, instant: bool) -> Cents {
    if instant { Cents((amount.0 + 50).div_euclid(100)) } else { Cents::ZERO }
}

/// The largest payout that a balance bears, its fee included.
pub fn largest_payout(available: Cents, instant: bool) -> Cents {
    let mut amount = available.max(Cents::ZERO);
    if instant {
        amount = Cents(amount.0 * 100 / 101);
        // Rounding may have left a cent.
        let more = amount + Cents(1);
        if more + payout_fee(more, true) <= available {
            amount = more;
        }
    }
    amount
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_largest_payout_is_the_largest(available in -1000..10_000_000_000i64, instant: bool) {
            let available = Cents(available);
            let amount = largest_payout(available, instant);
            prop_assert!(amount + payout_fee(amount, instant) <= available.max(Cents::ZERO));
            let more = amount + Cents(1);
            prop_assert!(more + payout_fee(more, instant) > available);
        }
    }

    #[test]
    fn an_instant_payout_costs_one_percent() {
        assert_eq!([10_000, 149, 150, 49].map(|amount| payout_fee(Cents(amount), true).0), [100, 1, 2, 0]);
        assert_eq!(payout_fee(Cents(10_000), false), Cents::ZERO);
        assert_eq!([10_100, 1, 0, -5].map(|available| largest_payout(Cents(available), true).0), [10_000, 1, 0, 0]);
    }

    #[test]
    fn the_first_that_holds() {
        let account = |submitted, reason: Option<&str>, past: &[&str], due: &[&str], charges, payouts| {
            let facts = AccountFacts {
                charges_enabled: charges,
                payouts_enabled: payouts,
                details_submitted: submitted,
                currently_due: due.iter().map(|due| (*due).to_owned()).collect(),
                past_due: past.iter().map(|due| (*due).to_owned()).collect(),
                disabled_reason: reason.map(str::to_owned),
                business_name: None,
                bank_last4: None,
                bank_name: None,
                country: "US".into(),
                currency: Currency::USD,
            };
            ConnectedAccount::opened(OrgId::from_random([1; 16]), "acct_1".into(), facts, Timestamp::UNIX_EPOCH)
        };
        use OnboardingState::*;
        let cases = [
            (account(false, Some("x"), &["a"], &["a"], true, true), NotStarted),
            (account(true, Some("x"), &["a"], &["a"], true, true), Disabled),
            (account(true, None, &["a"], &["a"], true, true), Restricted),
            (account(true, None, &[], &[], true, true), Active),
            (account(true, None, &[], &["a"], true, true), PendingVerification),
            (account(true, None, &[], &["a"], true, false), Incomplete),
            (account(true, None, &[], &[], false, false), PendingVerification),
        ];
        for (account, state) in cases {
            assert_eq!(account.onboarding_state(), state, "{account:?}");
        }
        let mut account = account(true, None, &[], &[], true, true);
        assert!(!account.is_stale(account.synced_at + FRESH));
        assert!(account.is_stale(account.synced_at + FRESH + SignedDuration::from_millis(1)));
        account.link_given = true;
        assert!(account.is_stale(account.synced_at));
    }
}
