//! Subscriptions: at Stripe, through its pages and its signed notices, and in the app stores (contract `pos.md` §15).

mod play;
mod purchases;
mod signups;
mod states;
mod upgrade;

use std::time::Duration;

use domain::{ids::OrgId, pos::subscription::Subscription};
use serde_json::{Value, json};

use crate::app::{Answer, App};

const INFO: &str = "tier status platform current_plan current_period_end cancel_at canceled_at trial_end \
    manage_subscription_url";
const PASSWORD: &str = "Lantern-new-1";
const VISA: &str = "4242424242424242";
const DECLINED: &str = "4000000000000002";

/// The owner of a new organization.
struct Owner {
    email: String,
    org: OrgId,
    token: String,
}

/// Signs up; fields of `more` replace or add to the body.
async fn sign_up(app: &App, name: &str, more: Value) -> Value {
    let mut body = json!({"email": format!("{name}@new.example"), "password": PASSWORD, "firstName": "Nora",
        "lastName": "New", "organizationName": format!("{name}'s Bar"), "phone": "", "acceptTerms": true,
        "acceptPrivacy": true, "subscriptionTier": "starter"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    app.post("/pos/auth/signup").json(&body).send().await.expect(201)
}

fn owner_of(new: &Value) -> Owner {
    Owner {
        email: new["user"]["email"].as_str().unwrap().to_owned(),
        org: new["organization"]["id"].as_str().unwrap().parse().unwrap(),
        token: new["tokens"]["accessToken"].as_str().unwrap().to_owned(),
    }
}

async fn new_owner(app: &App, name: &str) -> Owner {
    owner_of(&sign_up(app, name, json!({})).await)
}

impl Owner {
    /// A new token: clocks that are set forward end the old one.
    async fn sign_in(&mut self, app: &App) {
        let body = json!({"email": self.email, "password": PASSWORD});
        let session = app.post("/pos/auth/login").json(&body).send().await.expect(200);
        self.token = session["tokens"]["accessToken"].as_str().unwrap().to_owned();
    }

    async fn get(&self, app: &App, name: &str) -> Answer {
        app.get(&format!("/pos/billing/{name}")).token(&self.token).send().await
    }

    async fn post(&self, app: &App, name: &str, body: Value) -> Answer {
        app.post(&format!("/pos/billing/{name}")).token(&self.token).json(&body).send().await
    }

    async fn info(&self, app: &App) -> Value {
        self.get(app, "subscription-info").await.expect(200)
    }

    async fn payment_info(&self, app: &App) -> Value {
        self.get(app, "payment-info").await.expect(200)
    }

    async fn row(&self, app: &App) -> Subscription {
        let terms = app.cloud.ctx("pos-billing").store().pos().load_terms(self.org).await.unwrap();
        terms.subscription.unwrap()
    }

    /// The subscription at Stripe.
    async fn stripe_id(&self, app: &App) -> String {
        self.row(app).await.stripe_subscription.unwrap()
    }

    /// The page on which it is bought: its session.
    async fn upgrade_page(&self, app: &App) -> String {
        let answer = self.post(app, "create-upgrade-session", json!({})).await.expect(200);
        answer["url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
    }

    /// Buys the pro tier on the web.
    async fn upgrade(&self, app: &App) {
        let session = self.upgrade_page(app).await;
        pay(app, &session, VISA).await.expect(200);
        settle(app).await;
    }

    /// What Stripe does by itself, and what its notices do.
    async fn at_stripe(&self, app: &App, change: Value) -> Value {
        let hook = format!("{}/_local/subscriptions/{}", app.cloud.stripe_url(), self.stripe_id(app).await);
        let changed = app.post(&hook).json(&change).send().await.expect(200);
        settle(app).await;
        changed
    }
}

/// Presents a card on a page.
async fn pay(app: &App, session: &str, card: &str) -> Answer {
    let path = format!("{}/_local/pay/{session}", app.cloud.stripe_url());
    app.post(&path).json(&json!({"card": card})).send().await
}

/// Waits until all notices of Stripe's have had their effect.
async fn settle(app: &App) {
    assert!(app.cloud.stripe().webhooks_settled(Duration::from_secs(15)).await);
    app.cloud.drain().await;
}

/// An error of the counter: its status and code.
#[track_caller]
fn refused(answer: Answer, status: u16, code: &str) {
    let body = answer.expect(status);
    assert_eq!(body["code"], code, "{body}");
    assert!(body["error"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
}

fn tier_and_status(info: &Value) -> (&str, &str) {
    (info["tier"].as_str().unwrap(), info["status"].as_str().unwrap())
}
