//! Bought in an app store: linked, looked at again, and nobody else's for ever (contract §2.2, §15).

use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use local::apple::{Apple, BUNDLE_ID};

use super::*;
use crate::app::assert_exact_members;

const ORIGINAL: &str = "2000000123456789";

pub(super) fn month() -> SignedDuration {
    SignedDuration::from_hours(24 * 30)
}

fn transaction(reference: &str, signed: Timestamp) -> String {
    transaction_to(reference, signed, signed + month())
}

fn transaction_to(reference: &str, signed: Timestamp, end: Timestamp) -> String {
    Apple::shared().unwrap().transaction(reference, signed, end).unwrap()
}

pub(super) async fn link(app: &App, owner: &Owner, platform: &str, token: &str) -> Answer {
    let body = json!({"platform": platform, "purchaseToken": token, "transactionId": "whatever", "productId": "free"});
    app.post("/pos/auth/link-iap-purchase").token(&owner.token).json(&body).send().await
}

pub(super) async fn validate(app: &App, owner: &Owner, platform: &str, receipt: &str, transaction: &str) -> Answer {
    let body =
        json!({"platform": platform, "productId": "lumaproplan", "receipt": receipt, "transactionId": transaction});
    owner.post(app, "validate-receipt", body).await
}

async fn tell_apple(app: &App, kind: &str, subtype: Option<&str>, at: Timestamp) {
    let payload = Apple::shared().unwrap().notice(kind, subtype, ORIGINAL, at, at + month()).unwrap();
    app.post("/pos/apple-webhooks").json(&json!({"signedPayload": payload})).send().await.expect(200);
    app.cloud.drain().await;
}

pub(super) async fn tell_google(app: &App, kind: i64, token: &str, at: Timestamp) {
    let notification = json!({"version": "1.0", "packageName": BUNDLE_ID, "eventTimeMillis": at.as_millisecond().to_string(),
        "subscriptionNotification": {"version": "1.0", "notificationType": kind, "purchaseToken": token,
            "subscriptionId": "lumaproplan"}});
    let body = json!({"message": {"data": STANDARD.encode(notification.to_string()), "messageId": "1"}});
    let call = app.post("/pos/google-webhooks").token(&app.cloud.google_push_token()).json(&body);
    call.send().await.expect(200);
    app.cloud.drain().await;
}

#[tokio::test]
async fn the_apps_purchase_makes_its_organization_pro() {
    let app = App::start().await;
    let owner = new_owner(&app, "nora").await;
    let now = app.cloud.now();
    let signed = transaction(ORIGINAL, now);
    let linked = link(&app, &owner, "ios", &signed).await.expect(200);
    assert_exact_members(&linked, "message subscriptionId");
    let info = owner.info(&app).await;
    assert_eq!((tier_and_status(&info), &info["platform"]), (("pro", "active"), &json!("apple")));
    assert_eq!(info["current_plan"]["price"], 2999);
    assert_eq!(info["manage_subscription_url"], "https://apps.apple.com/account/subscriptions");
    let row = owner.row(&app).await;
    assert_eq!(linked["subscriptionId"], row.id.to_string());
    assert_eq!(link(&app, &owner, "ios", &signed).await.expect(200), linked, "as often as the app likes");
    assert_eq!(owner.row(&app).await, row);

    let payment = owner.payment_info(&app).await;
    assert_eq!((&payment["payment_method"], &payment["platform"]), (&Value::Null, &json!("apple")));
    assert_eq!(payment["manage_subscription_url"], info["manage_subscription_url"]);
    refused(owner.post(&app, "create-upgrade-session", json!({})).await, 400, "ALREADY_SUBSCRIBED");

    let valid = validate(&app, &owner, "ios", &signed, ORIGINAL).await.expect(200);
    assert_exact_members(&valid, "valid isActive expiresAt isTrialPeriod autoRenewing");
    assert_eq!(
        (&valid["isActive"], &valid["isTrialPeriod"], &valid["autoRenewing"]),
        (&json!(true), &json!(false), &json!(true))
    );
    assert_eq!(valid["expiresAt"], info["current_period_end"]);
    // A renewal that the phone knows of before we do.
    let renewed = transaction(ORIGINAL, now + SignedDuration::from_hours(1));
    let later = validate(&app, &owner, "ios", &renewed, ORIGINAL).await.expect(200);
    assert!(later["expiresAt"].as_str() > valid["expiresAt"].as_str());
    assert_eq!(owner.info(&app).await["current_period_end"], later["expiresAt"]);
    // A receipt of old apps, which only Apple can read: what is known of its purchase.
    assert_eq!(validate(&app, &owner, "ios", "MIIT", ORIGINAL).await.expect(200), later);

    tell_apple(&app, "DID_CHANGE_RENEWAL_STATUS", Some("AUTO_RENEW_DISABLED"), now + SignedDuration::from_hours(2))
        .await;
    // A transaction that the phone has just been given does not say that it was cancelled, and does not undo it.
    let fresh =
        transaction_to(ORIGINAL, now + SignedDuration::from_mins(150), now + SignedDuration::from_hours(2) + month());
    for receipt in [&signed, &fresh] {
        link(&app, &owner, "ios", receipt).await.expect(200);
        let ending = validate(&app, &owner, "ios", receipt, ORIGINAL).await.expect(200);
        assert_eq!((&ending["isActive"], &ending["autoRenewing"]), (&json!(true), &json!(false)));
    }
    let ending = validate(&app, &owner, "ios", &signed, ORIGINAL).await.expect(200);
    assert_eq!((&ending["isActive"], &ending["autoRenewing"]), (&json!(true), &json!(false)));
    assert!(owner.info(&app).await["cancel_at"].is_string());
    tell_apple(&app, "REFUND", None, now + SignedDuration::from_hours(3)).await;
    assert_eq!(tier_and_status(&owner.info(&app).await), ("starter", "canceled"));
    let over = validate(&app, &owner, "ios", &signed, ORIGINAL).await.expect(200);
    assert_eq!((&over["valid"], &over["isActive"]), (&json!(true), &json!(false)));
    refused(link(&app, &owner, "ios", &signed).await, 400, "PURCHASE_EXPIRED");
    // On the web then.
    owner.upgrade(&app).await;
    let info = owner.info(&app).await;
    assert_eq!((tier_and_status(&info), &info["platform"]), (("pro", "active"), &json!("stripe")));
    tell_apple(&app, "EXPIRED", Some("VOLUNTARY"), now + SignedDuration::from_hours(4)).await;
    assert_eq!(tier_and_status(&owner.info(&app).await), ("pro", "active"), "that one is the store's business now");
}

#[tokio::test]
async fn what_the_store_did_not_sign_links_nothing() {
    let app = App::start().await;
    let owner = new_owner(&app, "nora").await;
    let now = app.cloud.now();
    let good = transaction(ORIGINAL, now);
    let apple = Apple::shared().unwrap();
    let claims = |change: &dyn Fn(&mut Value)| {
        let mut claims = json!({"originalTransactionId": ORIGINAL, "transactionId": "1", "bundleId": BUNDLE_ID,
            "productId": "lumaproplan", "environment": "Sandbox", "type": "Auto-Renewable Subscription",
            "purchaseDate": now.as_millisecond(), "signedDate": now.as_millisecond(),
            "expiresDate": (now + month()).as_millisecond()});
        change(&mut claims);
        apple.sign(&claims).unwrap()
    };
    for (token, code) in [
        ("junk".to_owned(), "INVALID_RECEIPT"),
        ("a.b.c".to_owned(), "INVALID_RECEIPT"),
        (good[..good.len() - 8].to_owned(), "INVALID_RECEIPT"),
        (ORIGINAL.to_owned(), "INVALID_RECEIPT"),
        (claims(&|claims| claims["bundleId"] = json!("com.example")), "INVALID_RECEIPT"),
        (claims(&|claims| claims["environment"] = json!("Production")), "INVALID_RECEIPT"),
        (claims(&|claims| claims["productId"] = json!("coins")), "INVALID_RECEIPT"),
        (claims(&|claims| drop(claims.as_object_mut().unwrap().remove("expiresDate"))), "INVALID_RECEIPT"),
        (claims(&|claims| claims["expiresDate"] = json!(now.as_millisecond())), "PURCHASE_EXPIRED"),
        (claims(&|claims| claims["revocationDate"] = json!(now.as_millisecond())), "PURCHASE_EXPIRED"),
    ] {
        refused(link(&app, &owner, "ios", &token).await, 400, code);
    }
    for body in [
        json!({}),
        json!({"platform": "fax", "purchaseToken": "t"}),
        json!({"platform": "ios", "purchaseToken": ""}),
        json!({"platform": "ios", "purchaseToken": "x".repeat(20_001)}),
    ] {
        let answer = app.post("/pos/auth/link-iap-purchase").token(&owner.token).json(&body).send().await;
        assert_eq!(answer.expect(400)["error"], "VALIDATION_ERROR");
    }
    assert_eq!(tier_and_status(&owner.info(&app).await), ("starter", "active"));
    refused(validate(&app, &owner, "ios", &good, ORIGINAL).await, 400, "NOT_A_STORE_SUBSCRIPTION");

    link(&app, &owner, "ios", &claims(&|claims| claims["offerDiscountType"] = json!("FREE_TRIAL"))).await.expect(200);
    assert_eq!(tier_and_status(&owner.info(&app).await), ("pro", "trialing"));
    for (platform, receipt, transaction) in
        [("android", "token", "t"), ("ios", "junk", "2"), ("ios", &*transaction("2000000999", now), ORIGINAL)]
    {
        let answer = validate(&app, &owner, platform, receipt, transaction).await.expect(200);
        assert_eq!(answer, json!({"valid": false}), "{platform} {transaction}");
    }
    let trial = validate(&app, &owner, "ios", "MIIT", ORIGINAL).await.expect(200);
    assert_eq!((&trial["valid"], &trial["isTrialPeriod"]), (&json!(true), &json!(true)));
}

/// What the store said before anybody linked counts: a refunded purchase is worth nothing, however well it is signed.
#[tokio::test]
async fn notices_from_before_it_was_linked_count() {
    let app = App::start().await;
    let owner = new_owner(&app, "nora").await;
    let now = app.cloud.now();
    tell_apple(&app, "DID_CHANGE_RENEWAL_STATUS", Some("AUTO_RENEW_DISABLED"), now + SignedDuration::from_mins(1))
        .await;
    link(&app, &owner, "ios", &transaction(ORIGINAL, now)).await.expect(200);
    let info = owner.info(&app).await;
    assert_eq!((tier_and_status(&info), info["cancel_at"].is_string()), (("pro", "active"), true));

    let app = App::start().await;
    let owner = new_owner(&app, "nora").await;
    tell_apple(&app, "REFUND", None, now + SignedDuration::from_mins(1)).await;
    refused(link(&app, &owner, "ios", &transaction(ORIGINAL, now)).await, 400, "PURCHASE_EXPIRED");
    // What the store says after it of its renewal takes nothing back.
    tell_apple(&app, "DID_CHANGE_RENEWAL_STATUS", Some("AUTO_RENEW_DISABLED"), now + SignedDuration::from_mins(2))
        .await;
    refused(link(&app, &owner, "ios", &transaction(ORIGINAL, now)).await, 400, "PURCHASE_EXPIRED");
    tell_apple(&app, "DID_CHANGE_RENEWAL_STATUS", Some("AUTO_RENEW_ENABLED"), now + SignedDuration::from_mins(3)).await;
    refused(link(&app, &owner, "ios", &transaction(ORIGINAL, now)).await, 400, "PURCHASE_EXPIRED");
    assert_eq!(tier_and_status(&owner.info(&app).await), ("starter", "active"));
}

#[tokio::test]
async fn without_a_service_account_googles_purchase_counts_once_google_has_told() {
    let options = local::Options { rate_limit: false, without_play: true, ..App::options() };
    let app = App::with(options).await;
    let owner = new_owner(&app, "nora").await;
    let now = app.cloud.now();
    refused(link(&app, &owner, "android", "token").await, 409, "PURCHASE_UNCONFIRMED");
    tell_google(&app, 4, "token", now).await;
    link(&app, &owner, "android", "token").await.expect(200);
    let info = owner.info(&app).await;
    assert_eq!((tier_and_status(&info), &info["platform"]), (("pro", "active"), &json!("google")));
    assert!(info["manage_subscription_url"].as_str().unwrap().contains("sku=lumaproplan&package=co.lumapos.app"));
    let valid = validate(&app, &owner, "android", "token", "GPA.1").await.expect(200);
    assert_eq!((&valid["valid"], &valid["isActive"], valid.get("expiresAt")), (&json!(true), &json!(true), None));
    assert_eq!(validate(&app, &owner, "android", "another", "GPA.1").await.expect(200), json!({"valid": false}));
    tell_google(&app, 10, "token", now + SignedDuration::from_mins(1)).await;
    assert_eq!(tier_and_status(&owner.info(&app).await), ("pro", "past_due"), "paused");
    tell_google(&app, 13, "token", now + SignedDuration::from_mins(2)).await;
    assert_eq!(tier_and_status(&owner.info(&app).await), ("starter", "canceled"));
    refused(link(&app, &owner, "android", "token").await, 400, "PURCHASE_EXPIRED");

    // Revoked, and that it will not be renewed, before anybody links it.
    tell_google(&app, 4, "revoked", now).await;
    tell_google(&app, 12, "revoked", now + SignedDuration::from_mins(1)).await;
    tell_google(&app, 3, "revoked", now + SignedDuration::from_mins(2)).await;
    refused(link(&app, &owner, "android", "revoked").await, 400, "PURCHASE_EXPIRED");
    // Cancelled, to an end that nobody has told us.
    tell_google(&app, 4, "cancelled", now).await;
    tell_google(&app, 3, "cancelled", now + SignedDuration::from_mins(1)).await;
    link(&app, &owner, "android", "cancelled").await.expect(200);
    let ending = validate(&app, &owner, "android", "cancelled", "").await.expect(200);
    assert_eq!((&ending["isActive"], &ending["autoRenewing"]), (&json!(true), &json!(false)));
    assert_eq!(app.cloud.play().asked(), 0);
}

/// All of them link it at the same moment, twice each; the one that gets it.
pub(super) async fn race(app: &App, owners: &[Owner], platform: &str, receipt: &str) -> OrgId {
    let tries = owners.iter().flat_map(|owner| [owner, owner]);
    let answers = join_all(tries.map(async |owner| (owner.org, link(app, owner, platform, receipt).await))).await;
    let mut won: Vec<OrgId> = Vec::new();
    for (org, answer) in answers {
        match answer.status.as_u16() {
            200 => won.push(org),
            _ => refused(answer, 409, "PURCHASE_TAKEN"),
        }
    }
    won.dedup();
    assert_eq!(won.len(), 1);
    won[0]
}

#[tokio::test]
async fn of_organizations_at_once_one_gets_the_purchase() {
    let app = App::start().await;
    let owners = join_all(["ann", "ben", "cleo", "dan"].map(|name| new_owner(&app, name))).await;
    let signed = transaction(ORIGINAL, app.cloud.now());
    let won = race(&app, &owners, "ios", &signed).await;
    for owner in &owners {
        let tier = if owner.org == won { "pro" } else { "starter" };
        assert_eq!(owner.info(&app).await["tier"], tier);
        if tier == "starter" {
            refused(link(&app, owner, "ios", &signed).await, 409, "PURCHASE_TAKEN");
        }
    }
    app.verify().await;
}

#[tokio::test]
async fn who_pays_on_the_web_links_nothing() {
    let app = App::start().await;
    let owner = new_owner(&app, "nora").await;
    owner.upgrade(&app).await;
    let signed = transaction(ORIGINAL, app.cloud.now());
    refused(link(&app, &owner, "ios", &signed).await, 400, "ALREADY_SUBSCRIBED");
    refused(validate(&app, &owner, "ios", &signed, ORIGINAL).await, 400, "NOT_A_STORE_SUBSCRIPTION");
    assert_eq!(owner.info(&app).await["platform"], "stripe");
    // It stays free for who may have it.
    let other = new_owner(&app, "other").await;
    link(&app, &other, "ios", &signed).await.expect(200);
}

#[tokio::test]
async fn without_apps_there_is_nothing_to_link() {
    let mut options = local::Options { rate_limit: false, ..App::options() };
    for name in ["AppleBundleId", "GooglePackage"] {
        options.parameters.insert(name.to_owned(), String::new());
    }
    let app = App::with(options).await;
    let owner = new_owner(&app, "nora").await;
    let signed = transaction(ORIGINAL, app.cloud.now());
    refused(link(&app, &owner, "ios", &signed).await, 503, "STORE_NOT_CONFIGURED");
    refused(link(&app, &owner, "android", "token").await, 503, "STORE_NOT_CONFIGURED");
}
