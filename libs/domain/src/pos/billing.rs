//! What Stripe and the app stores say of a subscription, and what that makes of an organization's own (contract §15, §16).

use jiff::Timestamp;

use super::{
    subscription::{Platform, StoreNotice, Subscription, SubscriptionStatus as Status},
    tier::Tier,
};
use crate::money::Cents;

/// Days that the paid tier may be tried on the web (contract §15).
pub const TRIAL_DAYS: u32 = 7;

/// A subscription as Stripe describes it at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StripeSubscription {
    /// `sub_…`.
    pub id: String,
    /// `cus_…`.
    pub customer: String,
    /// Where it stands.
    pub status: Status,
    /// To what.
    pub tier: Tier,
    /// Per month.
    pub price: Cents,
    /// Until when it is paid.
    pub period_end: Option<Timestamp>,
    /// When it will end, if it was cancelled to then.
    pub cancel_at: Option<Timestamp>,
    /// When it was cancelled.
    pub canceled_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// When its trial ends, or ended.
    pub trial_end: Option<Timestamp>,
}

impl StripeSubscription {
    /// Will never be paid again?
    pub fn is_over(&self) -> bool {
        matches!(self.status, Status::Canceled | Status::IncompleteExpired)
    }
}

/// What a subscription of Stripe's means to an organization.
#[derive(Clone, Debug, PartialEq)]
pub enum Followed {
    /// Nothing that was not known.
    Unchanged,
    /// The organization's subscription is this now.
    Changed(Box<Subscription>),
    /// The organization pays for another one: this one is one too many.
    OneTooMany,
}

/// A subscription bought in an app store, proven to be the caller's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purchase {
    /// Which store.
    pub platform: Platform,
    /// Apple's original transaction, or the SHA-256 of Google's purchase token.
    pub reference: String,
    /// `lumaproplan`.
    pub product: Option<String>,
    /// Until when it is paid, where the proof says so.
    pub expires_at: Option<Timestamp>,
    /// Is it a trial?
    pub is_trial: bool,
    /// Was its money given back?
    pub revoked: bool,
    /// When the store said all this.
    pub at: Timestamp,
}

/// Why a purchase does not become an organization's subscription. The text is for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// It pays on another platform.
    #[error("Your organization already has a subscription")]
    Subscribed,
    /// What was bought has ended, or its money was given back.
    #[error("This purchase has expired or was refunded")]
    Over,
}

impl Subscription {
    /// Does the organization have a paid tier, or owe for it? Then it cannot buy another.
    pub fn is_subscribed(&self) -> bool {
        let running = matches!(self.status, Status::Active | Status::Trialing | Status::PastDue | Status::Paused);
        running && self.tier != Tier::Starter
    }

    /// May it be tried for free, and its first month be cheaper? Who had one before has tried it.
    pub fn is_first(&self) -> bool {
        self.stripe_subscription.is_none() && self.store_reference.is_none()
    }

    /// The subscription after what Stripe says of one that is the organization's.
    ///
    /// What is over ends only what it was: a late word of an old subscription does not end its successor. And nobody pays
    /// twice: beside one that is paid, whoever takes its money, another is one too many.
    pub fn follow(&self, said: &StripeSubscription) -> Followed {
        let own = self.platform == Platform::Stripe && self.stripe_subscription.as_ref() == Some(&said.id);
        if !own && said.is_over() {
            return Followed::Unchanged;
        }
        if !own && self.is_subscribed() {
            return Followed::OneTooMany;
        }
        let over = said.is_over();
        let next = Subscription {
            tier: if over { Tier::Starter } else { said.tier },
            status: said.status,
            platform: Platform::Stripe,
            price: said.price,
            stripe_customer: Some(said.customer.clone()),
            stripe_subscription: Some(said.id.clone()),
            // What was paid for and taken back at once does not go on to the period's end.
            period_end: if over { said.ended_at.or(said.period_end) } else { said.period_end },
            cancel_at: said.cancel_at,
            canceled_at: said.canceled_at,
            trial_end: said.trial_end,
            ..self.clone()
        };
        if next == *self {
            return Followed::Unchanged;
        }
        Followed::Changed(Box::new(Subscription { version: self.version + 1, ..next }))
    }

    /// The subscription once a purchase is its own. `last` is the newest notice of that purchase, which may be newer than the
    /// proof: a purchase that was given back since does not come to life by an old proof of it.
    pub fn link(
        &self,
        purchase: &Purchase,
        last: Option<&StoreNotice>,
        now: Timestamp,
    ) -> Result<Subscription, LinkError> {
        if self.platform == Platform::Stripe && self.is_subscribed() {
            return Err(LinkError::Subscribed);
        }
        let known = self.platform == purchase.platform && self.store_reference.as_ref() == Some(&purchase.reference);
        let mut next = if known && self.notice_at.is_some_and(|last| last >= purchase.at) {
            self.clone()
        } else if purchase.revoked {
            Subscription { status: Status::Canceled, ..self.clone() }
        } else {
            Subscription {
                tier: Tier::Pro,
                status: if purchase.is_trial { Status::Trialing } else { Status::Active },
                platform: purchase.platform,
                price: Tier::Pro.price(),
                store_reference: Some(purchase.reference.clone()),
                store_product: purchase.product.clone().or_else(|| self.store_product.clone().filter(|_| known)),
                period_end: purchase.expires_at,
                cancel_at: None,
                canceled_at: None,
                trial_end: purchase.expires_at.filter(|_| purchase.is_trial),
                notice_at: Some(purchase.at),
                ..self.clone()
            }
        };
        if let Some(newer) = last.and_then(|last| next.apply(last)) {
            next = newer;
        }
        let ended = next.status == Status::Canceled || next.period_end.is_some_and(|end| end <= now);
        if ended {
            return Err(LinkError::Over);
        }
        next.version = self.version;
        Ok(if next == *self { next } else { Subscription { version: self.version + 1, ..next } })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::{
        ids::{OrgId, UserId},
        pos::subscription::Change,
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn starter() -> Subscription {
        Subscription::starter(Uuid::nil(), OrgId::from_random([1; 16]), UserId::from_random([2; 16]), at(0))
    }

    fn said(id: &str, status: Status) -> StripeSubscription {
        StripeSubscription {
            id: id.into(),
            customer: "cus_1".into(),
            status,
            tier: Tier::Pro,
            price: Cents(2999),
            period_end: Some(at(1000)),
            cancel_at: None,
            canceled_at: None,
            ended_at: (status == Status::Canceled).then(|| at(500)),
            trial_end: None,
        }
    }

    fn changed(followed: Followed) -> Subscription {
        match followed {
            Followed::Changed(next) => *next,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_stripe_says_is_taken_over_and_said_once() {
        let pro = changed(starter().follow(&said("sub_1", Status::Trialing)));
        assert_eq!((pro.tier, pro.effective_tier(), pro.version), (Tier::Pro, Tier::Pro, 1));
        assert_eq!(pro.follow(&said("sub_1", Status::Trialing)), Followed::Unchanged);
        let late = changed(pro.follow(&said("sub_1", Status::PastDue)));
        assert!(!late.is_valid(at(1)) && late.is_subscribed());
        let ended = changed(late.follow(&said("sub_1", Status::Canceled)));
        assert_eq!((ended.tier, ended.period_end), (Tier::Starter, Some(at(500))));
        assert!(ended.is_valid(at(499)) && !ended.is_valid(at(500)) && !ended.is_first());
    }

    #[test]
    fn an_old_one_does_not_end_its_successor_and_nobody_pays_twice() {
        let first = changed(starter().follow(&said("sub_1", Status::Active)));
        assert_eq!(first.follow(&said("sub_2", Status::Active)), Followed::OneTooMany);
        let ended = changed(first.follow(&said("sub_1", Status::Canceled)));
        let second = changed(ended.follow(&said("sub_2", Status::Active)));
        assert_eq!(second.follow(&said("sub_1", Status::Canceled)), Followed::Unchanged);
        assert_eq!(second.stripe_subscription.as_deref(), Some("sub_2"));
        let apple = Subscription { platform: Platform::Apple, tier: Tier::Pro, ..starter() };
        assert_eq!(apple.follow(&said("sub_1", Status::Active)), Followed::OneTooMany);
    }

    fn statuses() -> impl Strategy<Value = Status> {
        prop_oneof![
            Just(Status::Active),
            Just(Status::Trialing),
            Just(Status::PastDue),
            Just(Status::Canceled),
            Just(Status::Paused),
            Just(Status::Incomplete),
            Just(Status::IncompleteExpired),
        ]
    }

    proptest! {
        /// What is said last holds, whatever was said before and however often.
        #[test]
        fn the_last_word_holds(words in prop::collection::vec(statuses(), 1..8)) {
            let mut subscription = starter();
            for status in &words {
                if let Followed::Changed(next) = subscription.follow(&said("sub_1", *status)) {
                    prop_assert_eq!(next.version, subscription.version + 1);
                    subscription = *next;
                }
            }
            let last = words[words.len() - 1];
            let taken = words.iter().any(|status| !matches!(status, Status::Canceled | Status::IncompleteExpired));
            if taken {
                prop_assert_eq!(subscription.status, last);
            } else {
                prop_assert_eq!(subscription, starter());
            }
        }
    }

    fn purchase(second: i64) -> Purchase {
        Purchase {
            platform: Platform::Apple,
            reference: "r".into(),
            product: Some("lumaproplan".into()),
            expires_at: Some(at(5000)),
            is_trial: false,
            revoked: false,
            at: at(second),
        }
    }

    fn notice(second: i64, change: Change) -> StoreNotice {
        StoreNotice { reference: "r".into(), change, at: at(second) }
    }

    #[test]
    fn a_purchase_is_linked_as_it_stands_now() {
        let linked = starter().link(&purchase(10), None, at(20)).unwrap();
        assert_eq!((linked.tier, linked.status, linked.platform), (Tier::Pro, Status::Active, Platform::Apple));
        assert_eq!((linked.version, linked.price, linked.period_end), (1, Cents(2999), Some(at(5000))));
        assert_eq!(linked.link(&purchase(10), None, at(21)), Ok(linked.clone()), "the same again changes nothing");

        let ends = notice(15, Change::WillEnd { at: None });
        let ending = starter().link(&purchase(10), Some(&ends), at(20)).unwrap();
        assert_eq!((ending.cancel_at, ending.version), (Some(at(5000)), 1));
        let over = notice(15, Change::Ended);
        assert_eq!(starter().link(&purchase(10), Some(&over), at(20)), Err(LinkError::Over));
        assert_eq!(starter().link(&purchase(10), None, at(5000)), Err(LinkError::Over));
        let revoked = Purchase { revoked: true, ..purchase(10) };
        assert_eq!(starter().link(&revoked, None, at(20)), Err(LinkError::Over));
        let renewed = notice(6000, Change::Renewed { until: Some(at(9000)) });
        assert_eq!(starter().link(&purchase(10), Some(&renewed), at(6001)).unwrap().period_end, Some(at(9000)));
    }

    #[test]
    fn an_old_proof_does_not_undo_what_came_since() {
        let ended = starter().link(&purchase(10), None, at(20)).unwrap().apply(&notice(30, Change::Ended)).unwrap();
        assert_eq!(ended.link(&purchase(10), Some(&notice(30, Change::Ended)), at(40)), Err(LinkError::Over));
        assert_eq!(ended.link(&purchase(10), None, at(40)), Err(LinkError::Over));
        let stripe = changed(starter().follow(&said("sub_1", Status::Active)));
        assert_eq!(stripe.link(&purchase(10), None, at(20)), Err(LinkError::Subscribed));
    }
}
