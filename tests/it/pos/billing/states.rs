//! What Stripe's notices do to a subscription, whatever comes twice, late, or of somebody else.

use domain::pos::{
    billing::TRIAL_DAYS,
    subscription::{Platform, SubscriptionStatus},
    tier::Tier,
};
use payments::billing::{NewCustomer, NewSubscription, NewUpgrade};

use super::*;

/// Stripe's events of subscriptions and what belongs to them, oldest first.
fn events(app: &App) -> Vec<String> {
    let ours = |kind: &str| {
        ["customer.subscription.", "invoice.", "checkout.session."].iter().any(|prefix| kind.starts_with(prefix))
    };
    let events = app.cloud.stripe().events();
    let kept = events.iter().filter(|event| ours(event["type"].as_str().unwrap()));
    kept.map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

async fn deliver(app: &App, event: &str, times: usize) {
    let statuses = app.cloud.stripe().deliver(event, times).await.unwrap();
    assert_eq!(statuses, vec![200; times]);
    app.cloud.drain().await;
}

#[tokio::test]
async fn a_renewal_that_fails_is_tried_again_and_a_new_card_mends_it() {
    let app = App::start().await;
    let mut owner = new_owner(&app, "nora").await;
    owner.upgrade(&app).await;
    owner.at_stripe(&app, json!({"card": "4000000000009995", "endPeriod": true})).await;
    let info = owner.info(&app).await;
    assert_eq!(tier_and_status(&info), ("pro", "past_due"));
    let history = owner.get(&app, "history").await.expect(200);
    assert_eq!((&history["data"][0]["status"], &history["data"][0]["amount"]), (&json!("open"), &json!(1999)));
    let row = owner.row(&app).await;
    assert_eq!((row.effective_tier(), row.is_valid(app.cloud.now())), (Tier::Starter, false));

    owner.at_stripe(&app, json!({"card": VISA})).await;
    assert_eq!(tier_and_status(&owner.info(&app).await), ("pro", "active"));
    let history = owner.get(&app, "history").await.expect(200);
    assert_eq!((&history["data"][0]["status"], history["data"].as_array().unwrap().len()), (&json!("paid"), 2));

    owner.at_stripe(&app, json!({"card": "4000000000009995", "endPeriod": true})).await;
    app.advance(10 * 86_400).await;
    settle(&app).await;
    owner.sign_in(&app).await;
    assert_eq!(tier_and_status(&owner.info(&app).await), ("starter", "canceled"), "after four tries");

    // Bought again: no second trial, no second cheaper month.
    let session = owner.upgrade_page(&app).await;
    let page = app.get(&format!("{}/c/pay/{session}", app.cloud.stripe_url())).send().await.expect(200);
    assert!(page.as_str().unwrap().contains("Pay $29.99"));
    pay(&app, &session, VISA).await.expect(200);
    settle(&app).await;
    let info = owner.info(&app).await;
    assert_eq!((tier_and_status(&info), &info["trial_end"]), (("pro", "active"), &Value::Null));
    assert_eq!(owner.get(&app, "history").await.expect(200)["data"][0]["amount"], 2999);
}

/// Duplicates and any order lead to the state that Stripe has (invariant 6).
#[tokio::test]
async fn whatever_the_order_the_newest_state_holds() {
    let app = App::start().await;
    let owner = new_owner(&app, "nora").await;
    let session = owner.upgrade_page(&app).await;
    let before = owner.row(&app).await;
    app.cloud.stripe().pause_webhooks();
    pay(&app, &session, VISA).await.expect(200);
    let id = app.cloud.stripe().objects("subscription")[0]["id"].as_str().unwrap().to_owned();
    let hook = format!("{}/_local/subscriptions/{id}", app.cloud.stripe_url());
    for change in [json!({"endPeriod": true}), json!({"card": DECLINED, "endPeriod": true})] {
        app.post(&hook).json(&change).send().await.expect(200);
    }
    let events = events(&app);
    assert!(events.len() > 12, "{events:?}");

    // The very first of them tells the last state, because Stripe is asked for it.
    deliver(&app, &events[0], 1).await;
    let known = owner.row(&app).await;
    assert_eq!((known.tier, known.status, known.version), (Tier::Pro, SubscriptionStatus::PastDue, before.version + 1));
    for event in events.iter().rev().chain(&events) {
        deliver(&app, event, 2).await;
    }
    assert_eq!(owner.row(&app).await, known, "nothing more is written");

    // All at once, in no particular order, while it changes.
    app.cloud.stripe().resume_webhooks();
    app.post(&hook).json(&json!({"card": VISA})).send().await.expect(200);
    settle(&app).await;
    let settled = owner.row(&app).await;
    assert_eq!((settled.status, settled.version), (SubscriptionStatus::Active, known.version + 1));
    app.verify().await;
}

#[tokio::test]
async fn a_late_word_of_an_old_subscription_does_not_end_its_successor() {
    let app = App::start().await;
    let owner = new_owner(&app, "nora").await;
    owner.upgrade(&app).await;
    let old = owner.stripe_id(&app).await;
    let stripe = app.cloud.ctx("pos-billing").stripe().unwrap().clone();
    stripe.cancel_subscription(&old).await.unwrap();
    settle(&app).await;
    assert_eq!(tier_and_status(&owner.info(&app).await), ("starter", "canceled"));
    owner.upgrade(&app).await;
    let new = owner.row(&app).await;
    assert_ne!(new.stripe_subscription.as_ref(), Some(&old));
    for event in events(&app) {
        deliver(&app, &event, 1).await;
    }
    assert_eq!(owner.row(&app).await, new);
    assert_eq!(tier_and_status(&owner.info(&app).await), ("pro", "active"));
}

fn subscription(owner: &Owner, customer: &str) -> NewSubscription {
    NewSubscription {
        org: owner.org,
        customer: customer.into(),
        price: local::stripe::PRO_PRICE.into(),
        coupon: None,
        trial_days: Some(TRIAL_DAYS),
    }
}

/// Two pages are paid at once, say: the second subscription is given up, so that nobody pays twice.
#[tokio::test]
async fn a_second_subscription_is_cancelled() {
    let app = App::start().await;
    let owner = new_owner(&app, "nora").await;
    owner.upgrade(&app).await;
    let first = owner.row(&app).await;
    let stripe = app.cloud.ctx("pos-billing").stripe().unwrap().clone();
    let customer = first.stripe_customer.clone().unwrap();
    let second = stripe.create_subscription(&subscription(&owner, &customer), "second").await.unwrap();
    settle(&app).await;
    assert_eq!(owner.row(&app).await, first);
    assert!(stripe.retrieve_subscription(&second.said.id).await.unwrap().said.is_over());
    assert!(!stripe.retrieve_subscription(first.stripe_subscription.as_ref().unwrap()).await.unwrap().said.is_over());

    // The first one has ended, and its notice is late: then the other is no second one.
    app.cloud.stripe().pause_webhooks();
    stripe.cancel_subscription(first.stripe_subscription.as_ref().unwrap()).await.unwrap();
    let third = stripe.create_subscription(&subscription(&owner, &customer), "third").await.unwrap();
    let created = app.cloud.stripe().events();
    let created = created.iter().rfind(|event| event["type"] == "customer.subscription.created").unwrap();
    deliver(&app, created["id"].as_str().unwrap(), 1).await;
    let row = owner.row(&app).await;
    assert_eq!((row.stripe_subscription.as_ref(), row.version), (Some(&third.said.id), first.version + 2));
    app.cloud.stripe().resume_webhooks();
    settle(&app).await;
    assert_eq!(owner.row(&app).await, row);
}

/// It was paid: the card has its money back, once, however many notices tell of it at once.
#[tokio::test]
async fn a_second_subscription_gives_back_what_it_took() {
    let app = App::start().await;
    let owner = new_owner(&app, "nora").await;
    owner.upgrade(&app).await;
    let first = owner.row(&app).await;
    let stripe = app.cloud.ctx("pos-billing").stripe().unwrap().clone();
    let paid_at_once =
        NewSubscription { trial_days: None, ..subscription(&owner, first.stripe_customer.as_ref().unwrap()) };
    let page = NewUpgrade {
        subscription: paid_at_once,
        success_url: "https://portal.example.com/".into(),
        cancel_url: "https://portal.example.com/".into(),
        expires_at: app.cloud.now().as_second() + 3600,
    };
    let page = stripe.open_upgrade(&page, "second").await.unwrap();
    app.cloud.stripe().pause_webhooks();
    let known = events(&app);
    pay(&app, &page.id, VISA).await.expect(200);
    let told: Vec<String> = events(&app).into_iter().filter(|event| !known.contains(event)).collect();
    assert!(told.len() > 3, "{told:?}");
    app.cloud.sources().pause();
    for event in &told {
        assert_eq!(app.cloud.stripe().deliver(event, 3).await.unwrap(), [200; 3]);
    }
    app.cloud.drain().await;
    app.cloud.sources().resume();
    app.cloud.stripe().resume_webhooks();
    settle(&app).await;

    assert_eq!(owner.row(&app).await, first);
    let subscriptions = app.cloud.stripe().objects("subscription");
    let second = subscriptions.iter().find(|one| one["id"].as_str() != first.stripe_subscription.as_deref()).unwrap();
    assert_eq!((subscriptions.len(), &second["status"]), (2, &json!("canceled")));
    let refunds = app.cloud.stripe().objects("refund");
    assert_eq!((refunds.len(), &refunds[0]["amount"], &refunds[0]["status"]), (1, &json!(2999), &json!("succeeded")));
    app.verify().await;
}

/// All notices of a renewal that failed are lost: who looks at the billing page finds it out.
#[tokio::test]
async fn a_silence_after_the_periods_end_is_asked_about() {
    let app = App::start().await;
    let mut owner = new_owner(&app, "nora").await;
    owner.upgrade(&app).await;
    app.cloud.stripe().pause_webhooks();
    let hook = format!("{}/_local/subscriptions/{}", app.cloud.stripe_url(), owner.stripe_id(&app).await);
    app.post(&hook).json(&json!({"card": DECLINED})).send().await.expect(200);
    app.advance(7 * 86_400 + 3 * 3600).await;
    app.cloud.stripe().discard_webhooks();
    owner.sign_in(&app).await;
    assert_eq!(tier_and_status(&owner.info(&app).await), ("pro", "trialing"), "as last heard");
    assert_eq!(owner.payment_info(&app).await["subscription_status"], "past_due");
    assert_eq!(tier_and_status(&owner.info(&app).await), ("pro", "past_due"));
}

#[tokio::test]
async fn strangers_are_acknowledged() {
    let app = App::start().await;
    let owner = new_owner(&app, "nora").await;
    let before = owner.row(&app).await;
    let stripe = app.cloud.ctx("pos-billing").stripe().unwrap().clone();
    let nobody: OrgId = "00fa14fa-0000-4000-8000-00000000ffff".parse().unwrap();
    let customer = NewCustomer { org: nobody, name: "Nobody".into(), email: "nobody@example.com".into() };
    let customer = stripe.create_customer(&customer, "nobody").await.unwrap().id;
    stripe
        .create_subscription(&NewSubscription { org: nobody, ..subscription(&owner, &customer) }, "nobody-1")
        .await
        .unwrap();
    settle(&app).await;
    // Of a subscription that is not there, and of none.
    let secret = app.cloud.ctx("webhooks-stripe").settings().stripe_webhook_secrets[0].clone();
    for object in [
        json!({"object": "subscription", "id": "sub_nowhere", "metadata": {"organization_id": owner.org.to_string()}}),
        json!({"object": "subscription", "id": "sub_../../x", "metadata": {"organization_id": owner.org.to_string()}}),
        json!({"object": "subscription", "id": "sub_nowhere", "metadata": {"organization_id": "junk"}}),
        json!({"object": "invoice", "id": "in_1"}),
        json!([]),
    ] {
        let body =
            json!({"id": "evt_1", "type": "customer.subscription.updated", "created": 1, "data": {"object": object}})
                .to_string();
        let signature = payments::signature::sign(&secret, body.as_bytes(), app.cloud.now().as_second());
        let call = app.post("/pos/stripe/webhook").header("stripe-signature", &signature);
        assert_eq!(call.body(body).send().await.expect(200), json!({"received": true}));
    }
    app.cloud.drain().await;
    assert_eq!(owner.row(&app).await, before);
    app.verify().await;
}

/// "Lapse disables all staff; reactivation re-enables those who had accepted" (contract §11).
#[tokio::test]
async fn staff_work_as_long_as_it_is_paid() {
    let app = App::start().await;
    let owner = new_owner(&app, "nora").await;
    owner.upgrade(&app).await;
    let (email, password) = ("gus@new.example", "Lantern-staff-1");
    let invite = json!({"email": email, "firstName": "Gus", "lastName": "Guard", "role": "admin"});
    app.post("/pos/staff").token(&owner.token).json(&invite).send().await.expect(201);
    app.cloud.drain().await;
    let mails = app.mails(email).await;
    let mail = mails[0].to_string();
    let token: String = mail.split("token=").nth(1).unwrap().chars().take_while(char::is_ascii_alphanumeric).collect();
    let accept = json!({"token": token, "password": password});
    app.post("/pos/auth/accept-invite").json(&accept).send().await.expect(200);
    let log_in = async || app.post("/pos/auth/login").json(&json!({"email": email, "password": password})).send().await;
    let refresh = async |session: &Value| {
        let token = session["tokens"]["refreshToken"].as_str().or(session["refreshToken"].as_str()).unwrap();
        app.post("/pos/auth/refresh").json(&json!({"refreshToken": token})).send().await
    };
    let session = log_in().await.expect(200);
    let session = refresh(&session).await.expect(200);

    owner.at_stripe(&app, json!({"card": DECLINED, "endPeriod": true})).await;
    refused(log_in().await, 403, "SUBSCRIPTION_INACTIVE");
    refused(refresh(&session).await, 401, "INVALID_REFRESH_TOKEN");
    // The owner comes in, and may pay.
    let body = json!({"email": owner.email, "password": PASSWORD});
    let own = app.post("/pos/auth/login").json(&body).send().await.expect(200);
    refresh(&own).await.expect(200);

    owner.at_stripe(&app, json!({"card": VISA})).await;
    let session = log_in().await.expect(200);
    refresh(&session).await.expect(200);
    assert_eq!(owner.row(&app).await.platform, Platform::Stripe);
}
