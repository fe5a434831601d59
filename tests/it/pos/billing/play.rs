//! Bought in Google Play: Google is asked, and what it answers counts (contract §2.2, §15, §16).

use futures_util::future::join_all;
use jiff::SignedDuration;
use local::{chaos::Chaos, play::Play};

use super::{
    purchases::{link, month, race, tell_google, validate},
    *,
};

/// As long, and of the characters, as Google's are; and one that no path must break on.
const TOKEN: &str = "opaque.AO-J1Oz_x/../y?z#%41 +";

async fn started() -> (App, Owner) {
    let app = App::start().await;
    let owner = new_owner(&app, "nora").await;
    (app, owner)
}

/// What Google says from now on.
fn says(app: &App, state: &str, hours: i64) {
    app.cloud.play().plant(TOKEN, Play::subscription(state, app.cloud.now() + SignedDuration::from_hours(hours)));
}

#[tokio::test]
async fn googles_answer_makes_an_organization_pro_without_any_notice() {
    let (app, owner) = started().await;
    let end = app.cloud.now() + month();
    app.cloud.play().plant(TOKEN, Play::subscription("ACTIVE", end));
    let linked = link(&app, &owner, "android", &format!(" {TOKEN}\n")).await.expect(200);
    let info = owner.info(&app).await;
    assert_eq!((tier_and_status(&info), &info["platform"]), (("pro", "active"), &json!("google")));
    assert_eq!((&info["current_period_end"], &info["cancel_at"]), (&json!(domain::time::iso(end)), &Value::Null));
    assert!(info["manage_subscription_url"].as_str().unwrap().contains("sku=lumaproplan&package=co.lumapos.app"));
    assert_eq!(app.cloud.play().acknowledged(TOKEN), 1);
    let row = owner.row(&app).await;
    assert_eq!(linked["subscriptionId"], row.id.to_string());

    // As often as the app likes: one purchase, one acknowledgement, one version.
    assert_eq!(link(&app, &owner, "android", TOKEN).await.expect(200), linked);
    let valid = validate(&app, &owner, "android", TOKEN, "GPA.1").await.expect(200);
    assert_eq!(
        valid,
        json!({"valid": true, "isActive": true, "expiresAt": domain::time::iso(end), "isTrialPeriod": false,
            "autoRenewing": true})
    );
    assert_eq!(app.cloud.play().acknowledged(TOKEN), 1);
    assert_eq!(owner.row(&app).await, row);
    // The notice of all this comes late, and says nothing new.
    tell_google(&app, 4, TOKEN, row.notice_at.unwrap() - SignedDuration::from_secs(1)).await;
    assert_eq!(owner.row(&app).await, row);
    app.verify().await;
}

#[tokio::test]
async fn a_look_at_the_receipt_brings_good_news_and_bad() {
    let (app, owner) = started().await;
    says(&app, "ACTIVE", 1);
    link(&app, &owner, "android", TOKEN).await.expect(200);
    let first = owner.info(&app).await["current_period_end"].clone();
    let look = async || validate(&app, &owner, "android", TOKEN, "").await.expect(200);

    says(&app, "ACTIVE", 720);
    assert!(look().await["expiresAt"].as_str() > first.as_str());
    says(&app, "CANCELED", 500);
    let ending = look().await;
    assert_eq!((&ending["isActive"], &ending["autoRenewing"]), (&json!(true), &json!(false)));
    let info = owner.info(&app).await;
    assert_eq!((tier_and_status(&info), &info["cancel_at"]), (("pro", "active"), &ending["expiresAt"]));
    let row = owner.row(&app).await;
    look().await;
    assert_eq!(owner.row(&app).await, row, "it is not cancelled anew by each look");

    says(&app, "ON_HOLD", -1);
    assert_eq!((look().await["isActive"].clone(), owner.row(&app).await.status.as_str()), (json!(false), "past_due"));
    says(&app, "PAUSED", -1);
    assert_eq!((look().await["isActive"].clone(), owner.row(&app).await.status.as_str()), (json!(false), "paused"));
    says(&app, "ACTIVE", 720);
    assert_eq!(look().await["isActive"], true);
    // Revoked: its money was given back before the month was over.
    says(&app, "EXPIRED", 100);
    let over = look().await;
    assert_eq!((&over["valid"], &over["isActive"]), (&json!(true), &json!(false)));
    assert_eq!(tier_and_status(&owner.info(&app).await), ("starter", "canceled"));

    // Nobody's receipt but the own one is asked about.
    let asked = app.cloud.play().asked();
    assert_eq!(validate(&app, &owner, "android", "another", "").await.expect(200), json!({"valid": false}));
    assert_eq!(app.cloud.play().asked(), asked);
}

#[tokio::test]
async fn a_purchase_is_linked_as_google_says_it_stands() {
    for (state, hours, standing) in [
        ("CANCELED", 5, ("pro", "active")),
        ("IN_GRACE_PERIOD", 5, ("pro", "past_due")),
        ("ON_HOLD", -5, ("pro", "past_due")),
        ("PAUSED", -5, ("pro", "past_due")),
    ] {
        let (app, owner) = started().await;
        says(&app, state, hours);
        link(&app, &owner, "android", TOKEN).await.expect(200);
        assert_eq!(tier_and_status(&owner.info(&app).await), standing, "{state}");
        let effective = if state == "CANCELED" { "pro" } else { "starter" };
        assert_eq!(owner.row(&app).await.effective_tier().as_str(), effective, "{state}");
    }
    let (app, owner) = started().await;
    let mut trial = Play::subscription("ACTIVE", app.cloud.now() + SignedDuration::from_hours(72));
    trial["lineItems"][0]["offerPhase"] = json!({"freeTrial": {}});
    app.cloud.play().plant(TOKEN, trial);
    link(&app, &owner, "android", TOKEN).await.expect(200);
    assert_eq!(tier_and_status(&owner.info(&app).await), ("pro", "trialing"));
    let valid = validate(&app, &owner, "android", TOKEN, "").await.expect(200);
    assert_eq!((&valid["isTrialPeriod"], &valid["expiresAt"]), (&json!(true), &owner.info(&app).await["trial_end"]));
}

#[tokio::test]
async fn what_google_does_not_confirm_links_nothing() {
    let (app, owner) = started().await;
    let mut other = Play::subscription("ACTIVE", app.cloud.now() + month());
    other["lineItems"][0]["productId"] = "coins".into();
    app.cloud.play().plant("other product", other);
    refused(link(&app, &owner, "android", "other product").await, 400, "INVALID_RECEIPT");
    // Of nobody's, or of another app's, which Google does not tell apart.
    for token in ["unknown", "..", "a/../../b", "x".repeat(5000).as_str()] {
        refused(link(&app, &owner, "android", token).await, 400, "INVALID_RECEIPT");
    }
    assert_eq!(link(&app, &owner, "android", " ").await.expect(400)["code"], "INVALID_RECEIPT");
    for (state, hours, status, code) in [
        ("EXPIRED", -1, 400, "PURCHASE_EXPIRED"),
        ("EXPIRED", 5, 400, "PURCHASE_EXPIRED"),
        ("CANCELED", -1, 400, "PURCHASE_EXPIRED"),
        ("ACTIVE", -1, 400, "PURCHASE_EXPIRED"),
        ("PENDING_PURCHASE_CANCELED", 5, 400, "PURCHASE_EXPIRED"),
        ("PENDING", 5, 409, "PURCHASE_UNCONFIRMED"),
    ] {
        says(&app, state, hours);
        refused(link(&app, &owner, "android", TOKEN).await, status, code);
    }
    assert_eq!(tier_and_status(&owner.info(&app).await), ("starter", "active"));
    assert_eq!(app.cloud.play().acknowledged(TOKEN), 0);
    // It was nobody's: once it is paid, it is linked.
    says(&app, "ACTIVE", 5);
    link(&app, &owner, "android", TOKEN).await.expect(200);
}

#[tokio::test]
async fn while_google_is_down_nothing_is_written_and_it_is_made_up_for() {
    let (app, owner) = started().await;
    says(&app, "ACTIVE", 720);
    app.cloud.play().refuse_next(usize::MAX);
    refused(link(&app, &owner, "android", TOKEN).await, 503, "STORE_UNAVAILABLE");
    assert_eq!(tier_and_status(&owner.info(&app).await), ("starter", "active"));
    app.cloud.play().refuse_next(0);
    link(&app, &owner, "android", TOKEN).await.expect(200);
    // An access token that Google has withdrawn is followed by another.
    app.cloud.play().withdraw_tokens();
    assert_eq!(validate(&app, &owner, "android", TOKEN, "").await.expect(200)["valid"], true);
    // So is one that is too old.
    app.advance(2 * 3600).await;
    let mut owner = owner;
    owner.sign_in(&app).await;
    assert_eq!(validate(&app, &owner, "android", TOKEN, "").await.expect(200)["valid"], true);

    app.cloud.play().refuse_next(usize::MAX);
    let row = owner.row(&app).await;
    refused(validate(&app, &owner, "android", TOKEN, "").await, 503, "STORE_UNAVAILABLE");
    assert_eq!(owner.row(&app).await, row);
    app.cloud.play().refuse_next(0);
    // An acknowledgement that did not reach Google is made up for.
    says(&app, "ACTIVE", 720);
    assert_eq!(app.cloud.play().acknowledged(TOKEN), 1);
    validate(&app, &owner, "android", TOKEN, "").await.expect(200);
    assert_eq!(app.cloud.play().acknowledged(TOKEN), 2);
}

#[tokio::test]
async fn a_notice_of_a_renewal_is_the_reason_to_ask() {
    let (app, owner) = started().await;
    says(&app, "ACTIVE", 1);
    link(&app, &owner, "android", TOKEN).await.expect(200);
    says(&app, "ACTIVE", 720);
    let at = app.cloud.now();
    tell_google(&app, 2, TOKEN, at).await;
    let renewed = owner.row(&app).await;
    assert!(renewed.period_end.unwrap() > at + SignedDuration::from_hours(700));
    assert_eq!(app.cloud.play().acknowledged(TOKEN), 2, "which the second time stood out again");

    // While Google does not answer, the notice counts as it is; the message comes again, and then the answer does.
    tell_google(&app, 5, TOKEN, app.cloud.now()).await;
    assert_eq!(owner.row(&app).await.status.as_str(), "past_due");
    // Both attempts of the first time.
    app.cloud.sources().set_chaos(Some(Chaos { retry_at_once: true, ..Chaos::default() }));
    app.cloud.play().refuse_next(2);
    says(&app, "ACTIVE", 1440);
    tell_google(&app, 1, TOKEN, app.cloud.now()).await;
    let recovered = owner.row(&app).await;
    assert_eq!(recovered.status.as_str(), "active");
    assert!(recovered.period_end.unwrap() > at + SignedDuration::from_hours(1400));
    // Of a purchase that nobody has, too.
    tell_google(&app, 4, "somebody's", app.cloud.now()).await;
}

#[tokio::test]
async fn of_organizations_at_once_one_gets_googles_purchase() {
    let app = App::start().await;
    let owners = join_all(["ann", "ben", "cleo"].map(|name| new_owner(&app, name))).await;
    says(&app, "ACTIVE", 720);
    let won = race(&app, &owners, "android", TOKEN).await;
    assert!(app.cloud.play().acknowledged(TOKEN) >= 1);
    // Google puts another purchase in its place, which another organization links: nobody pays once for two.
    let other = owners.iter().find(|owner| owner.org != won).unwrap();
    let winner = owners.iter().find(|owner| owner.org == won).unwrap();
    let mut again = Play::subscription("ACTIVE", app.cloud.now() + month());
    again["linkedPurchaseToken"] = TOKEN.into();
    app.cloud.play().plant("again", again);
    link(&app, other, "android", "again").await.expect(200);
    assert_eq!(tier_and_status(&other.info(&app).await), ("pro", "active"));
    assert_eq!(tier_and_status(&winner.info(&app).await), ("starter", "canceled"));
    app.verify().await;
}

#[tokio::test]
async fn who_signs_up_in_the_android_app_begins_with_what_was_bought() {
    let app = App::start().await;
    says(&app, "ACTIVE", 720);
    let bought = json!({"subscriptionTier": "pro", "signupPlatform": "android", "iapReceipt": TOKEN});
    let new = sign_up(&app, "nora", bought.clone()).await;
    assert_eq!((&new["subscription"]["tier"], &new["subscription"]["status"]), (&json!("pro"), &json!("active")));
    assert_eq!(app.cloud.play().acknowledged(TOKEN), 1);
    let second = sign_up(&app, "second", bought).await;
    assert_eq!(second["subscription"]["status"], "pending_payment");
}

/// What asks is not believed without Google's own checks: the stand-in refuses as Google does.
#[tokio::test]
async fn the_stand_in_gives_tokens_to_its_service_account_only() {
    let app = App::start().await;
    let base = app.cloud.play().base().to_owned();
    says(&app, "ACTIVE", 720);
    let purchase = format!("{base}/androidpublisher/v3/applications/co.lumapos.app/purchases/subscriptionsv2/tokens/x");
    app.get(&purchase).send().await.expect(401);
    app.get(&purchase).token("ya29.made-up").send().await.expect(401);
    let claims = json!({"iss": "fairground@local-play.iam.gserviceaccount.example", "aud": format!("{base}/token"),
        "scope": "https://www.googleapis.com/auth/androidpublisher", "iat": app.cloud.now().as_second(),
        "exp": app.cloud.now().as_second() + 3600});
    // Signed, but by another key.
    for assertion in ["", "a.b.c", &app.cloud.sign_token(&claims)] {
        let form = format!("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}");
        let refused = app.post(&format!("{base}/token")).body(form).send().await.expect(400);
        assert_eq!(refused["error"], "invalid_grant");
    }
}
