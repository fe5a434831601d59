//! What an organization has subscribed to, on whichever platform it pays (contract §15).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::tier::Tier;
use crate::{
    ids::{OrgId, UserId},
    money::Cents,
    time::millis,
};

/// Who takes the subscription's money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    /// Stripe, on the web.
    #[default]
    Stripe,
    /// The App Store.
    Apple,
    /// Google Play.
    Google,
}

impl Platform {
    /// The wire spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stripe => "stripe",
            Self::Apple => "apple",
            Self::Google => "google",
        }
    }
}

/// Where a subscription stands; Stripe's words, and two of our own for what is not begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum SubscriptionStatus {
    #[default]
    Active,
    Trialing,
    PastDue,
    Canceled,
    Paused,
    Incomplete,
    IncompleteExpired,
    /// The first payment is awaited.
    PendingPayment,
    /// We must agree first (enterprise).
    PendingApproval,
}

impl SubscriptionStatus {
    /// The wire spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Trialing => "trialing",
            Self::PastDue => "past_due",
            Self::Canceled => "canceled",
            Self::Paused => "paused",
            Self::Incomplete => "incomplete",
            Self::IncompleteExpired => "incomplete_expired",
            Self::PendingPayment => "pending_payment",
            Self::PendingApproval => "pending_approval",
        }
    }
}

/// The one subscription of an organization.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subscription {
    /// Its id.
    pub id: Uuid,
    /// Whose.
    pub org: OrgId,
    /// Who took it.
    pub user: UserId,
    /// To what.
    pub tier: Tier,
    /// Where it stands.
    pub status: SubscriptionStatus,
    /// Who takes its money.
    pub platform: Platform,
    /// Per month.
    pub price: Cents,
    /// Stripe's customer, `cus_…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stripe_customer: Option<String>,
    /// Stripe's subscription, `sub_…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stripe_subscription: Option<String>,
    /// Apple's original transaction, or Google's purchase token's SHA-256: by which the stores' notices find it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_reference: Option<String>,
    /// The store's product, `lumaproplan`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_product: Option<String>,
    /// Until when it is paid.
    #[serde(with = "millis::option", default, skip_serializing_if = "Option::is_none")]
    pub period_end: Option<Timestamp>,
    /// When it will end, if it was cancelled to the end of its period.
    #[serde(with = "millis::option", default, skip_serializing_if = "Option::is_none")]
    pub cancel_at: Option<Timestamp>,
    /// When it was cancelled.
    #[serde(with = "millis::option", default, skip_serializing_if = "Option::is_none")]
    pub canceled_at: Option<Timestamp>,
    /// When its trial ends.
    #[serde(with = "millis::option", default, skip_serializing_if = "Option::is_none")]
    pub trial_end: Option<Timestamp>,
    /// Of the last word of where it stands, on the sender's clock: an older one changes nothing (invariant 6).
    #[serde(with = "millis::option", default, skip_serializing_if = "Option::is_none")]
    pub notice_at: Option<Timestamp>,
    /// Of the last word of whether it will be renewed: a proof of where it stands may be newer and not speak of it.
    #[serde(with = "millis::option", default, skip_serializing_if = "Option::is_none")]
    pub renewal_at: Option<Timestamp>,
    /// Rises with every change.
    pub version: u32,
    /// When it was taken.
    #[serde(with = "millis")]
    pub created_at: Timestamp,
}

impl Subscription {
    /// The free one, which each organization begins with.
    pub fn starter(id: Uuid, org: OrgId, user: UserId, now: Timestamp) -> Self {
        Subscription {
            id,
            org,
            user,
            tier: Tier::Starter,
            status: SubscriptionStatus::Active,
            platform: Platform::Stripe,
            price: Cents::ZERO,
            stripe_customer: None,
            stripe_subscription: None,
            store_reference: None,
            store_product: None,
            period_end: None,
            cancel_at: None,
            canceled_at: None,
            trial_end: None,
            notice_at: None,
            renewal_at: None,
            version: 0,
            created_at: now,
        }
    }

    /// Is it good now (contract §15)? Active, on trial, or cancelled and paid for longer.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        match self.status {
            SubscriptionStatus::Active | SubscriptionStatus::Trialing => true,
            SubscriptionStatus::Canceled => self.period_end.is_some_and(|end| now < end),
            _ => false,
        }
    }

    /// The tier that fees and limits go by: what is not active or on trial is starter (contract §15).
    pub fn effective_tier(&self) -> Tier {
        match self.status {
            SubscriptionStatus::Active | SubscriptionStatus::Trialing => self.tier,
            _ => Tier::Starter,
        }
    }

    /// The subscription after a store's notice; `None` when the notice changes nothing: it says nothing, or is older than one
    /// of its kind that was applied before, or that very one again (invariant 6).
    ///
    /// Where it stands and whether it will be renewed are heard apart: that it will not be renewed does not make up for its
    /// money having been given back, whichever is heard first.
    pub fn apply(&self, notice: &StoreNotice) -> Option<Subscription> {
        let is_newer = |last: Option<Timestamp>| last.is_none_or(|last| notice.at > last);
        let stands = notice.change.is_standing() && is_newer(self.notice_at);
        let renews = notice.change.is_of_renewal() && is_newer(self.renewal_at);
        if notice.says_nothing() || !stands && !renews {
            return None;
        }
        let mut next = Subscription { version: self.version + 1, ..self.clone() };
        if stands {
            next.stand(notice.change, notice.at);
        }
        if renews {
            next.plan(notice.change, notice.at);
        }
        Some(next)
    }

    /// The subscription after a change that its store tells of, as of `at`.
    pub(super) fn changed(mut self, change: Change, at: Timestamp) -> Self {
        if change.is_standing() {
            self.stand(change, at);
        }
        if change.is_of_renewal() {
            self.plan(change, at);
        }
        self
    }

    /// Where it stands after a change.
    fn stand(&mut self, change: Change, at: Timestamp) {
        self.notice_at = Some(at);
        match change {
            Change::Renewed { until } => {
                self.tier = Tier::Pro;
                self.status = SubscriptionStatus::Active;
                // An end that has passed is not the end of what is paid anew: until then it is unknown.
                self.period_end = until.or(self.period_end.filter(|end| *end > at));
            }
            Change::PastDue => self.status = SubscriptionStatus::PastDue,
            Change::Paused => self.status = SubscriptionStatus::Paused,
            Change::Ended => {
                self.tier = Tier::Starter;
                self.status = SubscriptionStatus::Canceled;
                self.period_end = Some(self.period_end.map_or(at, |end| end.min(at)));
                self.canceled_at = self.canceled_at.or(Some(at));
            }
            Change::WillEnd { .. } | Change::WillRenew => {}
        }
    }

    /// Whether it will be renewed after a change. What is paid anew is renewed.
    fn plan(&mut self, change: Change, at: Timestamp) {
        self.renewal_at = Some(at);
        match change {
            Change::WillEnd { at: end } => {
                self.cancel_at = end.or(self.period_end);
                self.canceled_at = self.canceled_at.or(Some(at));
            }
            _ => {
                self.cancel_at = None;
                self.canceled_at = self.canceled_at.filter(|_| self.status == SubscriptionStatus::Canceled);
            }
        }
    }
}

/// What a store says of a subscription, in our own words (contract §16).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Change {
    /// It is paid, until then where the store says so.
    Renewed {
        /// The period's end.
        #[serde(with = "millis::option", default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// The store could not take the money, and goes on trying.
    PastDue,
    /// The subscriber takes a break.
    Paused,
    /// It will not be renewed.
    WillEnd {
        /// When it ends, where the store says so.
        #[serde(with = "millis::option", default, skip_serializing_if = "Option::is_none")]
        at: Option<Timestamp>,
    },
    /// It will be renewed after all.
    WillRenew,
    /// It is over, or its money was given back.
    Ended,
}

impl Change {
    /// Does it say where the subscription stands?
    pub fn is_standing(self) -> bool {
        !matches!(self, Self::WillEnd { .. } | Self::WillRenew)
    }

    /// Does it say whether the subscription will be renewed?
    fn is_of_renewal(self) -> bool {
        matches!(self, Self::WillEnd { .. } | Self::WillRenew | Self::Renewed { .. })
    }
}

/// A verified notice of an app store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreNotice {
    /// What the subscription is known by: Apple's original transaction, the SHA-256 of Google's purchase token.
    pub reference: String,
    /// What has changed.
    pub change: Change,
    /// When, on the store's clock.
    #[serde(with = "millis")]
    pub at: Timestamp,
}

impl StoreNotice {
    /// Is it of a period that was over when it was sent? Money that a store takes back after all pays for no day to come.
    pub fn says_nothing(&self) -> bool {
        matches!(self.change, Change::Renewed { until: Some(until) } if until <= self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn pro() -> Subscription {
        let starter =
            Subscription::starter(Uuid::nil(), OrgId::from_random([1; 16]), UserId::from_random([2; 16]), at(0));
        Subscription { tier: Tier::Pro, platform: Platform::Apple, period_end: Some(at(1000)), ..starter }
    }

    fn notice(second: i64, change: Change) -> StoreNotice {
        StoreNotice { reference: "r".into(), change, at: at(second) }
    }

    fn changes() -> impl Strategy<Value = Change> {
        prop_oneof![
            Just(Change::Renewed { until: Some(at(5000)) }),
            Just(Change::Renewed { until: None }),
            Just(Change::PastDue),
            Just(Change::Paused),
            Just(Change::WillEnd { at: Some(at(4000)) }),
            Just(Change::WillRenew),
            Just(Change::Ended),
        ]
    }

    proptest! {
        /// However notices are repeated and reordered, the last one that was sent decides what the subscription is now.
        #[test]
        fn the_newest_notice_decides(sent in prop::collection::vec(changes(), 1..6), order in prop::collection::vec(0..6usize, 0..20)) {
            let notices: Vec<StoreNotice> = sent.iter().zip(1..).map(|(change, i)| notice(i, *change)).collect();
            let mut subscription = pro();
            for i in order.into_iter().filter(|i| *i < notices.len()).chain([notices.len() - 1]) {
                subscription = subscription.apply(&notices[i]).unwrap_or(subscription);
            }
            prop_assert_eq!(subscription.notice_at.max(subscription.renewal_at), Some(notices[notices.len() - 1].at));
            prop_assert_eq!(subscription.apply(&notices[notices.len() - 1]), None);
            match sent[sent.len() - 1] {
                Change::Renewed { .. } => prop_assert_eq!(subscription.effective_tier(), Tier::Pro),
                Change::Ended => {
                    prop_assert_eq!(subscription.effective_tier(), Tier::Starter);
                    prop_assert!(!subscription.is_valid(at(100)));
                }
                Change::PastDue | Change::Paused => prop_assert!(!subscription.is_valid(at(100))),
                Change::WillEnd { at } => prop_assert_eq!(subscription.cancel_at, at),
                Change::WillRenew => prop_assert_eq!(subscription.cancel_at, None),
            }
        }

        /// Once all are heard, in whatever order, neither kind of notice has hidden one of the other.
        #[test]
        fn the_newest_of_each_kind_decides(sent in prop::collection::vec(changes(), 1..6), order in Just([0, 1, 2, 3, 4usize]).prop_shuffle()) {
            let notices: Vec<StoreNotice> = sent.iter().zip(1..).map(|(change, i)| notice(i, *change)).collect();
            let mut subscription = pro();
            for i in order.into_iter().filter(|i| *i < notices.len()) {
                subscription = subscription.apply(&notices[i]).unwrap_or(subscription);
            }
            let status = match sent.iter().rfind(|change| change.is_standing()) {
                Some(Change::PastDue) => SubscriptionStatus::PastDue,
                Some(Change::Paused) => SubscriptionStatus::Paused,
                Some(Change::Ended) => SubscriptionStatus::Canceled,
                _ => SubscriptionStatus::Active,
            };
            prop_assert_eq!(subscription.status, status);
            let will_end = match sent.iter().rfind(|change| change.is_of_renewal()) {
                Some(Change::WillEnd { at }) => *at,
                _ => None,
            };
            prop_assert_eq!(subscription.cancel_at, will_end);
        }
    }

    /// A refund of a month long past is taken back.
    #[test]
    fn what_was_paid_for_a_time_that_has_passed_renews_nothing() {
        let ended = pro().apply(&notice(10, Change::Ended)).unwrap();
        let reversed = |second, until| ended.apply(&notice(second, Change::Renewed { until: Some(at(until)) }));
        assert_eq!(reversed(2000, 1000), None);
        assert_eq!(reversed(1000, 1000), None);
        assert_eq!(reversed(20, 1000).unwrap().effective_tier(), Tier::Pro);
    }

    #[test]
    fn a_cancelled_one_is_good_until_its_end() {
        let cancelled = pro().apply(&notice(1, Change::WillEnd { at: None })).unwrap();
        assert_eq!((cancelled.cancel_at, cancelled.status), (Some(at(1000)), SubscriptionStatus::Active));
        assert!(cancelled.is_valid(at(999)));
        let ended = cancelled.apply(&notice(1000, Change::Ended)).unwrap();
        assert!(!ended.is_valid(at(1001)));
    }
}
