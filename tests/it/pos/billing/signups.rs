//! Sign-ups for the pro tier (contract §2.1): a trial on the web, a purchase in an app.

use jiff::SignedDuration;
use local::{apple::Apple, stripe::Fault};

use super::*;

async fn api(app: &App, path: &str, form: &str) -> Answer {
    let call = app.post(&format!("{}/v1/{path}", app.cloud.stripe_url())).token(local::stripe::SECRET_KEY);
    call.header("content-type", "application/x-www-form-urlencoded").body(form.to_owned()).send().await
}

#[tokio::test]
async fn on_the_web_a_trial_begins_and_the_wizard_confirms_the_card() {
    let app = App::start().await;
    let new = sign_up(&app, "nora", json!({"subscriptionTier": "pro"})).await;
    let owner = owner_of(&new);
    let subscription = &new["subscription"];
    assert_eq!((&subscription["tier"], &subscription["status"]), (&json!("pro"), &json!("trialing")));
    let end: jiff::Timestamp = subscription["trialEndsAt"].as_str().unwrap().parse().unwrap();
    assert!(end.duration_since(app.cloud.now()) > SignedDuration::from_hours(24 * 7 - 1));
    assert!(new["stripeSubscriptionId"].as_str().unwrap().starts_with("sub_"));
    let secret = new["paymentIntentClientSecret"].as_str().unwrap();
    let (intent, _) = secret.split_once("_secret_").unwrap();

    settle(&app).await;
    assert_eq!(owner.row(&app).await.version, 1, "its notices say nothing new");
    assert_eq!(owner.payment_info(&app).await["payment_method"], Value::Null);
    api(&app, &format!("setup_intents/{intent}/confirm"), "payment_method=pm_card_chargeDeclined").await.expect(402);
    api(&app, &format!("setup_intents/{intent}/confirm"), "payment_method=pm_card_visa").await.expect(200);
    settle(&app).await;
    assert_eq!(owner.payment_info(&app).await["payment_method"]["last4"], "4242");
    refused(owner.post(&app, "create-upgrade-session", json!({})).await, 400, "ALREADY_SUBSCRIBED");
    owner.at_stripe(&app, json!({"endPeriod": true})).await;
    assert_eq!(tier_and_status(&owner.info(&app).await), ("pro", "active"));
    assert_eq!(owner.get(&app, "history").await.expect(200)["data"][0]["amount"], 1999);
}

#[tokio::test]
async fn a_trial_without_a_card_ends_by_itself() {
    let app = App::start().await;
    let owner = owner_of(&sign_up(&app, "nora", json!({"subscriptionTier": "pro"})).await);
    owner.at_stripe(&app, json!({"endPeriod": true})).await;
    assert_eq!(tier_and_status(&owner.info(&app).await), ("starter", "canceled"));
    let page = owner.upgrade_page(&app).await;
    pay(&app, &page, VISA).await.expect(200);
    settle(&app).await;
    assert_eq!(tier_and_status(&owner.info(&app).await), ("pro", "active"), "tried before, so paid at once");
}

#[tokio::test]
async fn a_failure_of_stripes_does_not_lose_the_sign_up() {
    let app = App::start().await;
    app.cloud.stripe().fail_next(3, Fault::Http500);
    let new = sign_up(&app, "nora", json!({"subscriptionTier": "pro"})).await;
    let subscription = &new["subscription"];
    assert_eq!((&subscription["tier"], &subscription["status"]), (&json!("pro"), &json!("pending_payment")));
    assert_eq!((new.get("stripeSubscriptionId"), new.get("paymentIntentClientSecret")), (None, None));
    let owner = owner_of(&new);
    assert_eq!(tier_and_status(&owner.info(&app).await), ("starter", "none"));
    owner.upgrade(&app).await;
    assert_eq!(tier_and_status(&owner.info(&app).await), ("pro", "trialing"));
}

/// Stripe has begun the trial, and its answer was lost: its notice tells.
#[tokio::test]
async fn a_trial_whose_answer_was_lost_is_told_by_its_notice() {
    let app = App::start().await;
    app.cloud.stripe().fail_next(3, Fault::Http500);
    let owner = owner_of(&sign_up(&app, "nora", json!({"subscriptionTier": "pro"})).await);
    let stripe = app.cloud.ctx("pos-auth").stripe().unwrap().clone();
    let customer = payments::billing::NewCustomer { org: owner.org, name: "Nora".into(), email: owner.email.clone() };
    let customer = stripe.create_customer(&customer, "again").await.unwrap().id;
    let new = payments::billing::NewSubscription {
        org: owner.org,
        customer,
        price: local::stripe::PRO_PRICE.into(),
        coupon: None,
        trial_days: Some(7),
    };
    app.cloud.stripe().pause_webhooks();
    app.cloud.stripe().fail_next(3, Fault::TimeoutAfterCommit);
    stripe.create_subscription(&new, &format!("trial:{}", owner.org)).await.unwrap_err();
    app.cloud.stripe().resume_webhooks();
    settle(&app).await;
    assert_eq!(tier_and_status(&owner.info(&app).await), ("pro", "trialing"));
}

#[tokio::test]
async fn in_an_app_the_stores_signature_counts_and_the_clients_word_does_not() {
    let app = App::start().await;
    let now = app.cloud.now();
    let receipt = Apple::shared().unwrap().transaction("2000000777", now, now + SignedDuration::from_hours(720));
    let receipt = receipt.unwrap();
    let bought = json!({"subscriptionTier": "pro", "signupPlatform": "ios", "iapPlatform": "ios", "iapReceipt": receipt,
        "iapTransactionId": "2000000777", "iapProductId": "lumaproplan"});
    let new = sign_up(&app, "nora", bought.clone()).await;
    assert_eq!((&new["subscription"]["tier"], &new["subscription"]["status"]), (&json!("pro"), &json!("active")));
    let info = owner_of(&new).info(&app).await;
    assert_eq!((tier_and_status(&info), &info["platform"]), (("pro", "active"), &json!("apple")));

    // The same purchase once more, and purchases that nobody signed.
    let android = json!({"subscriptionTier": "pro", "signupPlatform": "android", "iapReceipt": "token"});
    let claimed =
        json!({"subscriptionTier": "pro", "signupPlatform": "ios", "iapReceipt": "r", "iapTransactionId": "1"});
    let word = json!({"subscriptionTier": "pro", "signupPlatform": "ios"});
    for (name, platform, body) in [
        ("second", "apple", bought),
        ("android", "google", android),
        ("claimed", "apple", claimed),
        ("word", "apple", word),
    ] {
        let new = sign_up(&app, name, body).await;
        assert_eq!(new["subscription"]["status"], "pending_payment", "{name}");
        let info = owner_of(&new).info(&app).await;
        assert_eq!((tier_and_status(&info), &info["platform"]), (("starter", "none"), &json!(platform)), "{name}");
    }
}
