//! What Stripe and the app stores say of a subscription, and what that makes of an organization's own (contract §15, §16).

use jiff::Timestamp;

use super::{
    subscription::{Change, Platform, StoreNotice, Subscription, SubscriptionStatus as Status},
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
    /// What the store says beyond that it was bought: that it will be renewed or end, is past due, paused or over. `None`: nothing,
    /// not even whether it will be renewed.
    pub standing: Option<Change>,
    /// The purchase that the store put this one in the place of: that one has ended.
    pub replaces: Option<String>,
    /// When the store said all this.
    pub at: Timestamp,
}

impl Purchase {
    fn change(&self) -> Option<Change> {
        if self.revoked { Some(Change::Ended) } else { self.standing }
    }

    /// Does the store say that it is over, or that its money was given back?
    pub fn is_over(&self) -> bool {
        self.change() == Some(Change::Ended)
    }
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

    /// The subscription once a purchase is its own. `heard` are the newest notices of that purchase, one of each kind, which may
    /// be newer than the proof: a purchase that was given back since does not come to life by an old proof of it.
    pub fn link(&self, purchase: &Purchase, heard: &[&StoreNotice], now: Timestamp) -> Result<Subscription, LinkError> {
        if self.platform == Platform::Stripe && self.is_subscribed() {
            return Err(LinkError::Subscribed);
        }
        let mut next = if self.has_heard(purchase) { self.clone() } else { self.bought(purchase) };
        for notice in heard {
            next = next.apply(notice).unwrap_or(next);
        }
        // The end of what was paid is not the end of what is past due or paused: the store may yet go on with it.
        let is_paid = matches!(next.status, Status::Active | Status::Trialing);
        if next.status == Status::Canceled || is_paid && next.period_end.is_some_and(|end| end <= now) {
            return Err(LinkError::Over);
        }
        // That the same was said once more is no change.
        let (version, notice_at, renewal_at) = (self.version, self.notice_at, self.renewal_at);
        let known = Subscription { version, notice_at, renewal_at, ..next.clone() } == *self;
        Ok(if known { self.clone() } else { Subscription { version: version + 1, ..next } })
    }

    /// The subscription by what its store says of its purchase now, good news or bad. `None` when that changes nothing: it is
    /// older than what was applied before, of another purchase than its own, or what is known.
    pub fn refresh(&self, purchase: &Purchase, now: Timestamp) -> Option<Subscription> {
        if !self.is_of(purchase) || self.has_heard(purchase) {
            return None;
        }
        match self.link(purchase, &[], now) {
            Ok(next) => (next != *self).then_some(next),
            Err(_) if purchase.is_over() && self.status != Status::Canceled => {
                Some(Subscription { version: self.version + 1, ..self.bought(purchase) })
            }
            Err(_) => None,
        }
    }

    /// Is this the purchase that it was bought by?
    fn is_of(&self, purchase: &Purchase) -> bool {
        self.platform == purchase.platform && self.store_reference.as_ref() == Some(&purchase.reference)
    }

    /// Was as much, or more, said of this purchase before?
    fn has_heard(&self, purchase: &Purchase) -> bool {
        self.is_of(purchase) && self.notice_at.is_some_and(|last| last >= purchase.at)
    }

    /// The subscription as its purchase stands.
    fn bought(&self, purchase: &Purchase) -> Subscription {
        let (known, change) = (self.is_of(purchase), purchase.change());
        let goes_on =
            purchase.expires_at.zip(self.cancel_at.or(self.period_end)).is_some_and(|(end, before)| end > before);
        // What does not speak of its renewal leaves that as it was, unless it was renewed meanwhile.
        let keeps = known
            && match change {
                None => !goes_on,
                Some(change) => matches!(change, Change::WillEnd { .. } | Change::Ended),
            };
        let next = Subscription {
            tier: Tier::Pro,
            status: if purchase.is_trial { Status::Trialing } else { Status::Active },
            platform: purchase.platform,
            price: Tier::Pro.price(),
            store_reference: Some(purchase.reference.clone()),
            store_product: purchase.product.clone().or_else(|| self.store_product.clone().filter(|_| known)),
            period_end: purchase.expires_at,
            cancel_at: self.cancel_at.filter(|_| keeps),
            canceled_at: self.canceled_at.filter(|_| keeps),
            trial_end: purchase.expires_at.filter(|_| purchase.is_trial),
            notice_at: Some(purchase.at),
            renewal_at: self.renewal_at.filter(|_| known),
            ..self.clone()
        };
        match change {
            Some(change) => next.changed(change, purchase.at),
            None => next,
        }
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
            standing: None,
            replaces: None,
            at: at(second),
        }
    }

    fn notice(second: i64, change: Change) -> StoreNotice {
        StoreNotice { reference: "r".into(), change, at: at(second) }
    }

    #[test]
    fn a_purchase_is_linked_as_it_stands_now() {
        let linked = starter().link(&purchase(10), &[], at(20)).unwrap();
        assert_eq!((linked.tier, linked.status, linked.platform), (Tier::Pro, Status::Active, Platform::Apple));
        assert_eq!((linked.version, linked.price, linked.period_end), (1, Cents(2999), Some(at(5000))));
        assert_eq!(linked.link(&purchase(10), &[], at(21)), Ok(linked.clone()), "the same again changes nothing");

        let ends = notice(15, Change::WillEnd { at: None });
        let ending = starter().link(&purchase(10), &[&ends], at(20)).unwrap();
        assert_eq!((ending.cancel_at, ending.version), (Some(at(5000)), 1));
        let over = notice(15, Change::Ended);
        assert_eq!(starter().link(&purchase(10), &[&over], at(20)), Err(LinkError::Over));
        assert_eq!(starter().link(&purchase(10), &[], at(5000)), Err(LinkError::Over));
        let revoked = Purchase { revoked: true, ..purchase(10) };
        assert_eq!(starter().link(&revoked, &[], at(20)), Err(LinkError::Over));
        let renewed = notice(6000, Change::Renewed { until: Some(at(9000)) });
        assert_eq!(starter().link(&purchase(10), &[&renewed], at(6001)).unwrap().period_end, Some(at(9000)));
    }

    #[test]
    fn an_old_proof_does_not_undo_what_came_since() {
        let ended = starter().link(&purchase(10), &[], at(20)).unwrap().apply(&notice(30, Change::Ended)).unwrap();
        assert_eq!(ended.link(&purchase(10), &[&notice(30, Change::Ended)], at(40)), Err(LinkError::Over));
        assert_eq!(ended.link(&purchase(10), &[], at(40)), Err(LinkError::Over));
        let stripe = changed(starter().follow(&said("sub_1", Status::Active)));
        assert_eq!(stripe.link(&purchase(10), &[], at(20)), Err(LinkError::Subscribed));
    }

    /// What is past due or paused is somebody's all the same, although what was paid has ended; what ends is good until then.
    #[test]
    fn a_purchase_is_linked_as_its_store_says_it_stands() {
        let link = |change, now| starter().link(&Purchase { standing: Some(change), ..purchase(10) }, &[], at(now));
        let ending = link(Change::WillEnd { at: Some(at(5000)) }, 20).unwrap();
        assert_eq!(
            (ending.status, ending.cancel_at, ending.canceled_at),
            (Status::Active, Some(at(5000)), Some(at(10)))
        );
        assert_eq!(link(Change::WillEnd { at: Some(at(5000)) }, 5000), Err(LinkError::Over));
        assert_eq!(link(Change::Ended, 20), Err(LinkError::Over));
        for (change, status) in [(Change::PastDue, Status::PastDue), (Change::Paused, Status::Paused)] {
            let owed = link(change, 9000).unwrap();
            assert_eq!((owed.status, owed.tier, owed.effective_tier()), (status, Tier::Pro, Tier::Starter));
            let paid = Purchase { expires_at: Some(at(12_000)), ..purchase(9001) };
            assert_eq!(owed.refresh(&paid, at(9001)).unwrap().effective_tier(), Tier::Pro);
        }
        let trial = Purchase { is_trial: true, standing: Some(Change::WillEnd { at: None }), ..purchase(10) };
        let trial = starter().link(&trial, &[], at(20)).unwrap();
        assert_eq!(
            (trial.status, trial.trial_end, trial.cancel_at),
            (Status::Trialing, Some(at(5000)), Some(at(5000)))
        );
    }

    #[test]
    fn what_the_store_says_anew_counts_once_good_or_bad() {
        let linked = starter().link(&purchase(10), &[], at(20)).unwrap();
        assert_eq!(linked.refresh(&purchase(30), at(30)), None, "the same, said later");
        assert_eq!(linked.refresh(&Purchase { reference: "other".into(), ..purchase(30) }, at(30)), None);
        assert_eq!(linked.refresh(&Purchase { platform: Platform::Google, ..purchase(30) }, at(30)), None);

        let longer = Purchase { expires_at: Some(at(9000)), ..purchase(30) };
        let renewed = linked.refresh(&longer, at(30)).unwrap();
        assert_eq!((renewed.period_end, renewed.version), (Some(at(9000)), linked.version + 1));
        assert_eq!(renewed.refresh(&purchase(29), at(40)), None, "older");

        let ends = |second| Purchase { standing: Some(Change::WillEnd { at: None }), ..purchase(second) };
        let ending = linked.refresh(&ends(40), at(40)).unwrap();
        assert_eq!((ending.cancel_at, ending.canceled_at), (Some(at(5000)), Some(at(40))));
        assert_eq!(ending.refresh(&ends(50), at(50)), None, "it does not end anew each time that it is asked about");
        assert_eq!(ending.refresh(&purchase(60), at(60)), None, "which does not say that it will be renewed");
        let renews = Purchase { standing: Some(Change::WillRenew), ..purchase(60) };
        assert_eq!(ending.refresh(&renews, at(60)).unwrap().canceled_at, None);
        let longer = Purchase { expires_at: Some(at(9000)), ..purchase(60) };
        let renewed = ending.refresh(&longer, at(60)).unwrap();
        assert_eq!((renewed.cancel_at, renewed.canceled_at), (None, None), "it was renewed");

        for over in
            [Purchase { revoked: true, ..purchase(70) }, Purchase { standing: Some(Change::Ended), ..purchase(70) }]
        {
            let ended = ending.refresh(&over, at(70)).unwrap();
            assert_eq!((ended.tier, ended.status, ended.period_end), (Tier::Starter, Status::Canceled, Some(at(70))));
            assert_eq!(ended.refresh(&Purchase { at: at(80), ..over }, at(80)), None, "what is over is over");
        }
        assert_eq!(linked.refresh(&purchase(6000), at(6000)), None, "an old proof of what has run out is no news");
    }
    /// A phone's transaction is signed anew whenever it is asked for, and never says whether it will be renewed.
    #[test]
    fn a_fresh_proof_hides_no_word_of_its_renewal() {
        let linked = starter().link(&purchase(50), &[], at(50)).unwrap();
        let ending = linked.apply(&notice(40, Change::WillEnd { at: Some(at(5000)) })).unwrap();
        assert_eq!((ending.cancel_at, ending.canceled_at), (Some(at(5000)), Some(at(40))));
        assert_eq!(ending.link(&purchase(60), &[], at(60)), Ok(ending.clone()));
        let later = linked.apply(&notice(40, Change::WillEnd { at: Some(at(9000)) })).unwrap();
        let renewed = Purchase { expires_at: Some(at(9000)), ..purchase(60) };
        let known = later.refresh(&renewed, at(60)).unwrap();
        assert_eq!((known.period_end, known.cancel_at), (Some(at(9000)), Some(at(9000))), "the end that was told of");
        assert_eq!(linked.apply(&notice(40, Change::PastDue)), None, "of where it stands, the proof knows more");
        let resumed = ending.apply(&notice(45, Change::WillRenew)).unwrap();
        assert_eq!((resumed.cancel_at, resumed.canceled_at), (None, None));
        assert_eq!(resumed.apply(&notice(44, Change::WillEnd { at: None })), None, "older");
    }

    /// Fails where of two notices of different kinds only the newer counts.
    #[test]
    fn a_harmless_notice_does_not_hide_a_fatal_one() {
        let harmless = notice(16, Change::WillEnd { at: Some(at(5000)) });
        let over = notice(15, Change::Ended);
        assert_eq!(starter().link(&purchase(10), &[&over, &harmless], at(20)), Err(LinkError::Over));
        for (change, status) in [(Change::PastDue, Status::PastDue), (Change::Paused, Status::Paused)] {
            let linked = starter().link(&purchase(10), &[&notice(15, change), &harmless], at(20)).unwrap();
            assert_eq!((linked.status, linked.cancel_at), (status, Some(at(5000))));
        }
    }
}
