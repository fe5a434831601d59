//! Purchases of the app stores: whose they are, for ever; and what the store said last, whatever comes when.

use domain::{
    ids::{OrgId, UserId},
    pos::{
        billing::{LinkError, Purchase},
        subscription::{Change, Platform, StoreNotice, Subscription, SubscriptionStatus},
        tier::Tier,
    },
};
use futures_util::future::join_all;
use store::{
    StoreError,
    pos::subscription::{LinkPurchaseError, Noticed},
};
use uuid::Uuid;

use crate::world::*;

const REFERENCE: &str = "2000000123456789";

fn user() -> UserId {
    UserId::from_random([9; 16])
}

fn purchase() -> Purchase {
    Purchase {
        platform: Platform::Apple,
        reference: REFERENCE.into(),
        product: Some("lumaproplan".into()),
        expires_at: Some(later(1000)),
        is_trial: false,
        revoked: false,
        standing: None,
        replaces: None,
        at: now(),
    }
}

fn google() -> Purchase {
    Purchase { platform: Platform::Google, expires_at: None, ..purchase() }
}

fn notice(seconds: i64, change: Change) -> StoreNotice {
    StoreNotice { reference: REFERENCE.into(), change, at: later(seconds) }
}

async fn link(world: &World, org: OrgId, purchase: &Purchase) -> Result<Subscription, LinkPurchaseError> {
    world.store.pos().link_purchase(org, user(), purchase, later(5)).await
}

async fn subscription(world: &World, org: OrgId) -> Option<Subscription> {
    world.store.pos().load_terms(org).await.unwrap().subscription
}

#[tokio::test]
async fn a_purchase_is_linked_with_its_subscription_in_one_transaction() {
    let world = World::new().await;
    world.wire.take_calls();
    let linked = link(&world, org(), &purchase()).await.unwrap();
    assert_eq!(world.wire.take_calls(), ["GetItem", "BatchGetItem", "TransactWriteItems"]);
    assert_eq!((linked.tier, linked.platform, linked.version), (Tier::Pro, Platform::Apple, 1));
    let item = world.item(&format!("PURCHASE#{REFERENCE}"), "PURCHASE").await.unwrap();
    assert_eq!((text(&item, "entity"), text(&item, "org")), ("purchase", org().to_string().as_str()));
    let item = world.item(&format!("ORG#{}", org()), "SUBSCRIPTION").await.unwrap();
    let keys = [("pk", format!("ORG#{}", org())), ("sk", "SUBSCRIPTION".into()), ("entity", "subscription".into())];
    assert_keys(&item, &keys);
    assert_eq!(subscription(&world, org()).await, Some(linked.clone()));

    world.wire.take_calls();
    assert_eq!(link(&world, org(), &purchase()).await.unwrap(), linked, "again is the same");
    assert_eq!(world.wire.take_calls(), ["GetItem", "BatchGetItem"], "and writes nothing");
}

/// Fails without the condition on the purchase's owner.
#[tokio::test]
async fn of_organizations_at_once_one_has_it_for_ever() {
    let world = World::new().await;
    let orgs: Vec<OrgId> = (1..7).map(|n| OrgId::from_random([n; 16])).collect();
    let purchase = purchase();
    let raced = join_all(orgs.iter().map(|org| link(&world, *org, &purchase))).await;
    let won: Vec<OrgId> = raced.iter().filter_map(|linked| linked.as_ref().ok().map(|linked| linked.org)).collect();
    assert_eq!(won.len(), 1, "{raced:?}");
    for lost in raced.iter().filter_map(|linked| linked.as_ref().err()) {
        assert!(matches!(lost, LinkPurchaseError::Taken), "{lost}");
    }
    for org in orgs {
        let has = subscription(&world, org).await.is_some();
        assert_eq!(has, won.contains(&org));
        assert_eq!(link(&world, org, &purchase).await.is_ok(), won.contains(&org));
    }
    // Also when it has ended, and its owner has gone elsewhere.
    world.store.pos().apply_notice(&notice(10, Change::Ended)).await.unwrap();
    let other = link(&world, other_org(), &purchase).await;
    assert!(matches!(other, Err(LinkPurchaseError::Taken)), "{other:?}");
}

#[tokio::test]
async fn the_newest_notice_decides_whatever_comes_when() {
    let world = World::new().await;
    link(&world, org(), &purchase()).await.unwrap();
    let renewed = notice(20, Change::Renewed { until: Some(later(5000)) });
    let failed = notice(10, Change::PastDue);
    let applied = world.store.pos().apply_notice(&renewed).await.unwrap();
    let Noticed::Applied(active) = applied else { panic!("{applied:?}") };
    assert_eq!((active.status, active.period_end), (SubscriptionStatus::Active, Some(later(5000))));
    for known in [&failed, &renewed, &failed] {
        assert_eq!(world.store.pos().apply_notice(known).await.unwrap(), Noticed::Known);
    }
    assert_eq!(subscription(&world, org()).await.unwrap(), *active);
    // Many at once: the newest holds, and each counts once.
    let many: Vec<StoreNotice> =
        (30..42).map(|at| notice(at, if at == 41 { Change::Paused } else { Change::PastDue })).collect();
    let done = join_all(many.iter().rev().chain(&many).map(async |notice| {
        loop {
            match world.store.pos().apply_notice(notice).await {
                Err(StoreError::Busy) => {}
                done => return done.unwrap(),
            }
        }
    }))
    .await;
    assert!(done.iter().all(|done| *done != Noticed::Stranger));
    assert_eq!(subscription(&world, org()).await.unwrap().status, SubscriptionStatus::Paused);
}

/// Fails without the notice that is kept with the purchase.
#[tokio::test]
async fn what_was_said_before_it_was_linked_is_not_forgotten() {
    let world = World::new().await;
    let pos = world.store.pos();
    assert!(matches!(link(&world, org(), &google()).await, Err(LinkPurchaseError::Unconfirmed)));
    assert_eq!(subscription(&world, org()).await, None);
    for notice in [notice(2, Change::WillEnd { at: Some(later(900)) }), notice(1, Change::Renewed { until: None })] {
        assert_eq!(pos.apply_notice(&notice).await.unwrap(), Noticed::Stranger);
    }
    let linked = link(&world, org(), &google()).await.unwrap();
    assert_eq!((linked.platform, linked.cancel_at), (Platform::Google, Some(later(900))));

    let world = World::new().await;
    assert_eq!(world.store.pos().apply_notice(&notice(2, Change::Ended)).await.unwrap(), Noticed::Stranger);
    let over = link(&world, org(), &purchase()).await;
    assert!(matches!(over, Err(LinkPurchaseError::Link(LinkError::Over))), "{over:?}");
    assert_eq!(subscription(&world, org()).await, None, "nothing is written");
    assert_eq!(world.item(&format!("PURCHASE#{REFERENCE}"), "PURCHASE").await.unwrap().get("org"), None);
}

/// Fails where only the newest notice is kept, of whichever kind.
#[tokio::test]
async fn a_harmless_notice_hides_no_fatal_one() {
    let fatal = notice(2, Change::Ended);
    let harmless = notice(3, Change::WillEnd { at: Some(later(900)) });
    for order in [[&fatal, &harmless], [&harmless, &fatal]] {
        let world = World::new().await;
        for notice in order {
            assert_eq!(world.store.pos().apply_notice(notice).await.unwrap(), Noticed::Stranger);
        }
        let over = link(&world, org(), &purchase()).await;
        assert!(matches!(over, Err(LinkPurchaseError::Link(LinkError::Over))), "{over:?}");

        // The same of one that is somebody's.
        let world = World::new().await;
        link(&world, org(), &purchase()).await.unwrap();
        for notice in order {
            world.store.pos().apply_notice(notice).await.unwrap();
        }
        assert_eq!(subscription(&world, org()).await.unwrap().status, SubscriptionStatus::Canceled);
    }
}

/// A notice comes while its purchase is linked: it is applied to the subscription, or the linking has seen it. Fails without
/// the condition on the notice.
#[tokio::test]
async fn no_notice_falls_between() {
    for round in 0..20u8 {
        let world = World::new().await;
        let ends = notice(3, Change::WillEnd { at: Some(later(900)) });
        let purchase = purchase();
        let (linked, noticed) = tokio::join!(link(&world, org(), &purchase), async {
            for _ in 0..round % 4 {
                tokio::task::yield_now().await;
            }
            world.store.pos().apply_notice(&ends).await
        });
        noticed.unwrap();
        linked.unwrap();
        assert_eq!(subscription(&world, org()).await.unwrap().cancel_at, Some(later(900)), "round {round}");
    }
}

#[tokio::test]
async fn a_notice_of_a_purchase_that_was_replaced_changes_nothing() {
    let world = World::new().await;
    let pos = world.store.pos();
    let linked = link(&world, org(), &purchase()).await.unwrap();
    let second = Purchase { reference: "2000000999".into(), ..purchase() };
    let replaced = link(&world, org(), &second).await.unwrap();
    assert_eq!(replaced.version, linked.version + 1);
    assert_eq!(pos.apply_notice(&notice(20, Change::Ended)).await.unwrap(), Noticed::Known);
    assert_eq!(subscription(&world, org()).await.unwrap(), replaced);
    let web = Subscription { platform: Platform::Stripe, version: replaced.version + 1, ..replaced.clone() };
    pos.save_subscription(Some(&replaced), &web).await.unwrap();
    let late = StoreNotice { reference: "2000000999".into(), ..notice(30, Change::Ended) };
    assert_eq!(pos.apply_notice(&late).await.unwrap(), Noticed::Known);
    assert_eq!(subscription(&world, org()).await.unwrap(), web);
}

/// Fails without the condition on the version.
#[tokio::test]
async fn of_two_changes_of_one_subscription_one_is_stale() {
    let world = World::new().await;
    let pos = world.store.pos();
    let starter = Subscription::starter(Uuid::nil(), org(), user(), now());
    pos.save_subscription(None, &starter).await.unwrap();
    assert!(matches!(pos.save_subscription(None, &starter).await, Err(StoreError::Stale)));
    let next = |tier| Subscription { tier, version: 1, ..starter.clone() };
    pos.save_subscription(Some(&starter), &next(Tier::Pro)).await.unwrap();
    let late = pos.save_subscription(Some(&starter), &next(Tier::Enterprise)).await;
    assert!(matches!(late, Err(StoreError::Stale)));
    assert_eq!(subscription(&world, org()).await.unwrap().tier, Tier::Pro);
}

#[tokio::test]
async fn what_a_store_says_anew_is_taken_in_where_it_is_somebodys() {
    let world = World::new().await;
    let pos = world.store.pos();
    assert_eq!(pos.refresh_purchase(&purchase(), later(5)).await.unwrap(), Noticed::Stranger);
    let linked = link(&world, org(), &purchase()).await.unwrap();
    world.wire.take_calls();
    let same = Purchase { at: later(10), ..purchase() };
    assert_eq!(pos.refresh_purchase(&same, later(10)).await.unwrap(), Noticed::Known);
    assert_eq!(world.wire.take_calls(), ["GetItem", "BatchGetItem"], "and writes nothing");

    let renewed = Purchase { expires_at: Some(later(9000)), at: later(20), ..purchase() };
    let over = Purchase { revoked: true, at: later(30), ..purchase() };
    for (said, tier) in [(&renewed, Tier::Pro), (&over, Tier::Starter)] {
        let applied = pos.refresh_purchase(said, later(40)).await.unwrap();
        let Noticed::Applied(after) = applied else { panic!("{applied:?}") };
        assert_eq!(after.effective_tier(), tier);
        assert_eq!(subscription(&world, org()).await, Some(*after));
    }
    assert_eq!(pos.refresh_purchase(&renewed, later(50)).await.unwrap(), Noticed::Known, "older");
    assert_eq!(subscription(&world, org()).await.unwrap().version, linked.version + 2);
}

#[tokio::test]
async fn a_purchase_ends_the_one_that_it_replaces_whoever_had_it() {
    let world = World::new().await;
    link(&world, org(), &purchase()).await.unwrap();
    let second = Purchase { reference: "second".into(), replaces: Some(REFERENCE.into()), at: later(10), ..purchase() };
    let own = link(&world, org(), &second).await.unwrap();
    assert_eq!((own.effective_tier(), own.version), (Tier::Pro, 2), "one's own is followed by one write");
    let third = Purchase { reference: "third".into(), replaces: Some("second".into()), at: later(20), ..purchase() };
    assert_eq!(link(&world, other_org(), &third).await.unwrap().effective_tier(), Tier::Pro);
    assert_eq!(subscription(&world, org()).await.unwrap().effective_tier(), Tier::Starter);
}
