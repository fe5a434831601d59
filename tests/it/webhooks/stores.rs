//! Notices of the App Store and of Google Play: verified, queued, applied once, the newest last.

use appstores::google;
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{
    ids::OrgId,
    pos::{
        billing::Purchase,
        subscription::{Platform, Subscription, SubscriptionStatus},
        tier::Tier,
    },
};
use jiff::{SignedDuration, Timestamp};
use local::apple::{Apple, BUNDLE_ID};
use serde_json::{Value, json};

use crate::app::{Answer, App};

const ORIGINAL: &str = "2000000123456789";

/// The home organization's subscription.
async fn subscription(app: &App) -> Subscription {
    let ctx = app.cloud.ctx("workers-payments");
    ctx.store().pos().load_terms(org(app)).await.unwrap().subscription.unwrap()
}

fn org(app: &App) -> OrgId {
    app.demo["org_id"].as_str().unwrap().parse().unwrap()
}

/// As if the app had bought it in that store, and linked it. The demo's plan, which is by agreement, is given up for it.
async fn bought(app: &App, platform: Platform, reference: String) {
    let ctx = app.cloud.ctx("workers-payments");
    let pos = ctx.store().pos();
    let before = subscription(app).await;
    let starter = Subscription { tier: Tier::Starter, version: before.version + 1, ..before.clone() };
    pos.save_subscription(Some(&before), &starter).await.unwrap();
    let now = app.cloud.now();
    let purchase = Purchase {
        platform,
        reference,
        product: None,
        expires_at: Some(now + SignedDuration::from_hours(24)),
        is_trial: false,
        revoked: false,
        standing: None,
        replaces: None,
        at: now - SignedDuration::from_hours(1),
    };
    pos.link_purchase(org(app), before.user, &purchase, now).await.unwrap();
}

async fn tell_apple(app: &App, path: &str, payload: &str) -> Answer {
    app.post(path).json(&json!({"signedPayload": payload})).send().await
}

fn notice(kind: &str, subtype: Option<&str>, at: Timestamp) -> String {
    let end = at + SignedDuration::from_hours(24 * 30);
    Apple::shared().unwrap().notice(kind, subtype, ORIGINAL, at, end).unwrap()
}

#[tokio::test]
async fn apples_notices_are_applied_once_and_the_newest_decides() {
    let app = App::start().await;
    bought(&app, Platform::Apple, ORIGINAL.to_owned()).await;
    let now = app.cloud.now();
    let later = |minutes| now + SignedDuration::from_mins(minutes);

    let failed = notice("DID_FAIL_TO_RENEW", None, later(1));
    assert_eq!(tell_apple(&app, "/pos/apple-webhooks", &failed).await.expect(200), json!({"received": true}));
    app.cloud.drain().await;
    let past_due = subscription(&app).await;
    assert_eq!((past_due.status, past_due.tier), (SubscriptionStatus::PastDue, Tier::Pro));

    // The alias; and the older notice once more after the newer one.
    let renewed = notice("DID_RENEW", None, later(5));
    for payload in [&renewed, &failed, &renewed] {
        tell_apple(&app, "/pos/apple/webhook", payload).await.expect(200);
    }
    app.cloud.drain().await;
    let active = subscription(&app).await;
    assert_eq!((active.status, active.version), (SubscriptionStatus::Active, past_due.version + 1));
    assert_eq!(active.period_end, Some(later(5) + SignedDuration::from_hours(24 * 30)));

    tell_apple(
        &app,
        "/pos/apple-webhooks",
        &notice("DID_CHANGE_RENEWAL_STATUS", Some("AUTO_RENEW_DISABLED"), later(6)),
    )
    .await
    .expect(200);
    tell_apple(&app, "/pos/apple-webhooks", &notice("EXPIRED", Some("VOLUNTARY"), later(7))).await.expect(200);
    app.cloud.drain().await;
    let ended = subscription(&app).await;
    assert_eq!((ended.status, ended.tier), (SubscriptionStatus::Canceled, Tier::Starter));
}

#[tokio::test]
async fn what_apple_did_not_sign_is_refused() {
    let app = App::start().await;
    let good = notice("DID_RENEW", None, app.cloud.now());
    let cut = &good[..good.len() - 8];
    for payload in ["junk", "a.b.c", cut] {
        let refused = tell_apple(&app, "/pos/apple-webhooks", payload).await.expect(400);
        assert_eq!(refused["code"], "INVALID_SIGNATURE", "{refused}");
        assert!(refused["error"].is_string());
    }
    for body in [json!({}), json!({"signedPayload": 5}), json!({"signedPayload": ""})] {
        let refused = app.post("/pos/apple-webhooks").json(&body).send().await.expect(400);
        assert_eq!(refused["code"], "VALIDATION_ERROR", "{refused}");
    }
    // Apple's kind for trying an address out, and a subscription that nobody here has, are acknowledged.
    tell_apple(&app, "/pos/apple-webhooks", &good).await.expect(200);
    app.cloud.drain().await;
}

async fn push(app: &App, token: Option<&str>, data: &str) -> Answer {
    push_to(app, "/pos/google-webhooks", token, data).await
}

async fn push_to(app: &App, path: &str, token: Option<&str>, data: &str) -> Answer {
    let body = json!({"message": {"data": data, "messageId": "1"}, "subscription": "projects/p/subscriptions/s"});
    let call = app.post(path).json(&body);
    match token {
        Some(token) => call.token(token).send().await,
        None => call.send().await,
    }
}

fn developer_notification(kind: i64, token: &str, at: Timestamp) -> String {
    let notification = json!({"version": "1.0", "packageName": BUNDLE_ID, "eventTimeMillis": at.as_millisecond().to_string(),
        "subscriptionNotification": {"version": "1.0", "notificationType": kind, "purchaseToken": token,
            "subscriptionId": "lumaproplan"}});
    STANDARD.encode(notification.to_string())
}

#[tokio::test]
async fn googles_pushes_are_believed_with_the_right_token_only() {
    let app = App::start().await;
    bought(&app, Platform::Google, google::reference("purchase")).await;
    let now = app.cloud.now();
    let expired = developer_notification(13, "purchase", now);
    assert_eq!(push(&app, None, &expired).await.expect(401)["code"], "INVALID_TOKEN");
    let good = app.cloud.google_push_token();
    let claims = |change: &dyn Fn(&mut Value)| {
        let mut claims = json!({"iss": "https://accounts.google.com", "aud": "fairground-local",
            "email": "play@fairground-local.example", "email_verified": true, "exp": now.as_second() + 60});
        change(&mut claims);
        app.cloud.sign_token(&claims)
    };
    let wrong = [
        claims(&|claims| claims["aud"] = "other".into()),
        claims(&|claims| claims["email"] = "other@example.com".into()),
        claims(&|claims| claims["iss"] = "https://issuer.example".into()),
        claims(&|claims| claims["exp"] = (now.as_second() - 3600).into()),
        app.sign_in("superadmin").await,
    ];
    for token in wrong {
        push(&app, Some(&token), &expired).await.expect(401);
    }
    // Junk and strangers are acknowledged, or they would come for ever; none stands in the way of what follows.
    let stranger = developer_notification(12, "somebody else's", now);
    for data in ["%%%", &STANDARD.encode("[]"), &developer_notification(999, "purchase", now), &stranger] {
        assert_eq!(push(&app, Some(&good), data).await.expect(200), json!({"received": true}));
    }
    app.cloud.drain().await;
    assert_eq!(subscription(&app).await.status, SubscriptionStatus::Active);

    // By its other name; and once more, by its own.
    for path in ["/pos/google/webhook", "/pos/google-webhooks"] {
        assert_eq!(push_to(&app, path, Some(&good), &expired).await.expect(200), json!({"received": true}));
        app.cloud.drain().await;
        assert_eq!(subscription(&app).await.status, SubscriptionStatus::Canceled, "{path}");
    }
    let ended = subscription(&app).await;
    assert_eq!((ended.status, ended.tier), (SubscriptionStatus::Canceled, Tier::Starter));
    let body = json!({"message": {}});
    app.post("/pos/google/webhook").token(&good).json(&body).send().await.expect(400);
    // The token itself is nowhere in the table.
    assert!(ended.store_reference.unwrap() != "purchase");
}
