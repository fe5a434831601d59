//! The App Store's notices of the shops' subscriptions: signed, repeated, out of order, and sent again until they are heard.

use domain::pos::{
    subscription::{Subscription, SubscriptionStatus},
    tier::Tier,
};
use jiff::{SignedDuration, Timestamp};
use local::apple::Apple;
use serde_json::json;

use super::{Asked, Shop};
use crate::chaos::world::World;

/// A notice, and what it says.
#[derive(Clone)]
pub(super) struct Notice {
    pub(super) shop: usize,
    pub(super) at: Timestamp,
    kind: Kind,
    signed: String,
    heard: bool,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Renewed,
    PastDue,
    WillEnd,
    WillRenew,
    Ended,
}

impl Kind {
    fn words(self) -> (&'static str, Option<&'static str>) {
        match self {
            Kind::Renewed => ("DID_RENEW", None),
            Kind::PastDue => ("DID_FAIL_TO_RENEW", None),
            Kind::WillEnd => ("DID_CHANGE_RENEWAL_STATUS", Some("AUTO_RENEW_DISABLED")),
            Kind::WillRenew => ("DID_CHANGE_RENEWAL_STATUS", Some("AUTO_RENEW_ENABLED")),
            Kind::Ended => ("EXPIRED", Some("VOLUNTARY")),
        }
    }
}

impl Notice {
    /// Is this what the subscription says after it, whatever came before?
    pub(super) fn is_last_word(&self, subscription: &Subscription) -> bool {
        let says = |tier, status| subscription.tier == tier && subscription.status == status;
        let heard = match self.kind {
            Kind::WillEnd | Kind::WillRenew => subscription.renewal_at,
            Kind::Renewed | Kind::PastDue | Kind::Ended => subscription.notice_at,
        };
        heard == Some(self.at)
            && match self.kind {
                Kind::Renewed => says(Tier::Pro, SubscriptionStatus::Active) && subscription.cancel_at.is_none(),
                Kind::PastDue => subscription.status == SubscriptionStatus::PastDue,
                // One that had ended, or was to end, says so since then.
                Kind::WillEnd => subscription.canceled_at.is_some_and(|at| at <= self.at),
                Kind::WillRenew => subscription.cancel_at.is_none(),
                Kind::Ended => says(Tier::Starter, SubscriptionStatus::Canceled),
            }
    }
}

impl World {
    /// Something happens to a subscription; its notice is sent now or later, and perhaps an older one with it.
    pub(super) async fn tell_of_subscription(&self) {
        let kinds = [Kind::Renewed, Kind::Renewed, Kind::PastDue, Kind::WillEnd, Kind::WillRenew, Kind::Ended];
        let (shop, kind) = (self.dice.below(2), self.dice.pick(&kinds).unwrap());
        let count = self.told(|told| told.notices.len()) as i64;
        let at = self.ctx.now() + SignedDuration::from_secs(count);
        let (words, subtype) = kind.words();
        let reference = &self.shop(shop).purchase.reference;
        let signed =
            Apple::shared().unwrap().notice(words, subtype, reference, at, at + SignedDuration::from_hours(720));
        let notice = Notice { shop, at, kind, signed: signed.unwrap(), heard: false };
        self.told(|told| told.notices.push(notice));
        for _ in 0..self.dice.below(3) {
            self.send_notice(self.dice.below(count as usize + 1)).await;
        }
        if self.dice.happens(0.2) {
            // The app links what it bought whenever it starts.
            let Shop { org, owner, purchase, .. } = self.shop(shop);
            drop(self.ctx.store().pos().link_purchase(*org, *owner, purchase, self.ctx.now()).await);
        }
    }

    async fn send_notice(&self, which: usize) {
        let signed = self.told(|told| told.notices[which].signed.clone());
        let (stores, body) = (&self.counter().stores, json!({"signedPayload": signed}));
        let asked = Asked { body: Some(&body), ..Asked::default() };
        let reply = self.ask(stores, None, "POST", "/pos/apple-webhooks", asked).await;
        match reply.status {
            200 => self.told(|told| told.notices[which].heard = true),
            500.. => {}
            refused => self.breaks(format!("a notice was refused: {refused} {}", reply.body)),
        }
    }

    /// Sends what was not heard yet, newest first. True when there was any.
    pub(in crate::chaos) async fn send_late_notices(&self) -> bool {
        let late: Vec<usize> = self.told(|told| {
            let all = told.notices.iter().enumerate();
            all.filter(|(_, notice)| !notice.heard).map(|(which, _)| which).collect()
        });
        for which in late.iter().rev() {
            self.send_notice(*which).await;
        }
        !late.is_empty()
    }
}
