//! An organization's account at Stripe, as Stripe last described it (contract §10).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{ids::OrgId, time::millis};

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

impl ConnectedAccount {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_holds() {
        let account =
            |submitted, reason: Option<&str>, past: &[&str], due: &[&str], charges, payouts| ConnectedAccount {
                org: OrgId::from_random([1; 16]),
                account: "acct_1".into(),
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
                location: None,
                link_given: false,
                synced_at: Timestamp::UNIX_EPOCH,
                created_at: Timestamp::UNIX_EPOCH,
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
    }
}
