//! Events of connected accounts: which of them are believed.

use local::{
    Data, Options,
    stripe::{Fault, SECRET_KEY},
};
use serde_json::{Value, json};

use crate::{
    app::App,
    pos::till::{NOWHERE, Person, VISA, id, refused},
};

/// Sends a signed event of a connected account, and lets it have its effect.
async fn tell(app: &App, event: &Value) {
    let secret = app.demo["webhook_secrets"]["stripe_connect"].as_str().unwrap();
    let body = event.to_string();
    let signature = payments::signature::sign(secret, body.as_bytes(), app.cloud.now().as_second());
    let call = app.post("/pos/stripe/connect-webhooks").header("stripe-signature", &signature);
    call.body(body).send().await.expect(200);
    app.cloud.drain().await;
}

/// A card is held to the phone, and Stripe's own notice of it is lost: the event.
async fn tap_unheard(app: &App, intent: &Value) -> Value {
    let stripe = app.cloud.stripe();
    stripe.pause_webhooks();
    stripe.tap(id(intent), VISA);
    stripe.discard_webhooks();
    stripe.resume_webhooks();
    let about = |event: &Value| event["data"]["object"]["id"] == intent["id"];
    stripe.events().into_iter().rfind(|event| event["type"] == "payment_intent.succeeded" && about(event)).unwrap()
}

/// A test-mode payment of an account is told to a live endpoint too, and Stripe does not know it under the live key.
#[tokio::test]
async fn a_payment_that_stripe_does_not_know_brings_no_money() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let order = owner.order("tap_to_pay", 1000, json!({})).await;
    let intent = owner.begin_tap(&order).await;
    let mut event = tap_unheard(&app, &intent).await;
    event["data"]["object"]["id"] = json!("pi_1Elsewhere");
    tell(&app, &event).await;
    assert_eq!(owner.status(&order).await, "processing");
    // Where Stripe does not answer, its signed word is enough.
    event["data"]["object"]["id"] = intent["id"].clone();
    app.cloud.stripe().fail_next_on("GET /v1/payment_intents", 3, Fault::Http500);
    tell(&app, &event).await;
    app.cloud.stripe().clear_faults();
    assert_eq!(owner.status(&order).await, "completed");
    app.verify().await;
}

#[tokio::test]
async fn an_event_of_the_other_mode_changes_nothing() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let order = owner.order("tap_to_pay", 1000, json!({})).await;
    let intent = owner.begin_tap(&order).await;
    let mut event = tap_unheard(&app, &intent).await;
    event["livemode"] = json!(true);
    tell(&app, &event).await;
    assert_eq!(owner.status(&order).await, "processing", "the key is of test mode");
    event["livemode"] = json!(false);
    tell(&app, &event).await;
    assert_eq!(owner.status(&order).await, "completed");
    app.verify().await;
}

/// With a live key an order is not paid by test money, and nothing is simulated.
#[tokio::test]
async fn a_live_key_knows_no_test_money() {
    let dir = std::env::temp_dir().join(format!("fairground-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir_all(&dir).unwrap();
    let key = SECRET_KEY.replace("_test_", "_live_");
    std::fs::write(dir.join("secrets.json"), json!({"STRIPE_SECRET_KEY": key}).to_string()).unwrap();
    let app = App::with(Options { rate_limit: false, data: Data::Dir(dir.clone()), ..App::options() }).await;
    let owner = Person::new(&app, "superadmin").await;
    for intent in ["pi_1", NOWHERE] {
        let path = format!("/stripe/terminal/payment-intent/{intent}/simulate");
        refused(owner.post(&path, json!({})).await, 400, "TEST_MODE_ONLY");
    }
    let order = owner.order("tap_to_pay", 1000, json!({})).await;
    let intent = owner.begin_tap(&order).await;
    let mut event = tap_unheard(&app, &intent).await;
    tell(&app, &event).await;
    assert_eq!(owner.status(&order).await, "processing");
    event["livemode"] = json!(true);
    tell(&app, &event).await;
    assert_eq!(owner.status(&order).await, "completed");
    app.verify().await;
    drop(app);
    std::fs::remove_dir_all(dir).unwrap();
}
