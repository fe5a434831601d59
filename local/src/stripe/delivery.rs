//! Webhooks: each event goes to each target that wants it, signed, until the target answers 2xx or patience ends.
//!
//! Like Stripe's, deliveries promise neither order nor singleness; the hooks on [`super::Stripe`] let a test choose both.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use payments::signature;
use serde::Serialize;
use serde_json::Value;
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
};

use super::{Shared, call::rendered, clock, events, lock, store::PLATFORM};

/// Deliveries under way at once.
const AT_ONCE: usize = 32;
/// Stripe waits longer; here a slow target is a broken one.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
const JOURNAL: usize = 500;

/// Where webhooks go.
#[derive(Clone, Debug)]
pub struct WebhookTarget {
    /// The endpoint, `http://127.0.0.1:3300/pos/stripe/webhook`.
    pub url: String,
    /// What its deliveries are signed with (`whsec_…`).
    pub secret: String,
    /// Which events it wants: `checkout.session.completed`, `refund.*`, `*`. Empty means all.
    pub events: Vec<String>,
    /// True to be told of connected accounts' events, and only of those; false for the platform's own.
    pub connect: bool,
}

impl WebhookTarget {
    /// A target for all events of the platform's own account.
    pub fn new(url: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { url: url.into(), secret: secret.into(), events: Vec::new(), connect: false }
    }

    fn wants(&self, event: &Value) -> bool {
        let kind = event["type"].as_str().unwrap_or_default();
        let connected = event["account"].as_str().is_some_and(|account| account != PLATFORM);
        connected == self.connect
            && (self.events.is_empty() || self.events.iter().any(|pattern| events::matches(pattern, kind)))
    }
}

/// One attempt to deliver an event.
#[derive(Clone, Debug, Serialize)]
pub struct Delivery {
    /// `evt_…`.
    pub event: String,
    /// `checkout.session.completed`, …
    pub kind: String,
    /// The target's URL.
    pub url: String,
    /// What the target answered; `None` when it did not.
    pub status: Option<u16>,
    /// When, ISO-8601.
    pub at: String,
}

/// The deliveries' own state.
pub(super) struct Mailman {
    http: reqwest::Client,
    targets: Mutex<Vec<WebhookTarget>>,
    paused: watch::Sender<bool>,
    permits: Semaphore,
    pub(super) tasks: Mutex<JoinSet<()>>,
    journal: Mutex<VecDeque<Delivery>>,
    attempts: u32,
    first_pause: Duration,
}

impl Mailman {
    pub(super) fn new(targets: Vec<WebhookTarget>, attempts: u32, first_pause: Duration) -> anyhow::Result<Self> {
        Ok(Self {
            http: reqwest::Client::builder()
                .timeout(ANSWER_TIMEOUT)
                .redirect(reqwest::redirect::Policy::none())
                .build()?,
            targets: Mutex::new(targets),
            paused: watch::Sender::new(false),
            permits: Semaphore::new(AT_ONCE),
            tasks: Mutex::default(),
            journal: Mutex::default(),
            attempts,
            first_pause,
        })
    }

    pub(super) fn set_targets(&self, targets: Vec<WebhookTarget>) {
        *lock(&self.targets) = targets;
    }

    pub(super) fn set_paused(&self, paused: bool) {
        self.paused.send_replace(paused);
    }

    pub(super) fn journal(&self) -> Vec<Delivery> {
        lock(&self.journal).iter().cloned().collect()
    }

    /// The targets that want an event.
    pub(super) fn targets_of(&self, event: &Value) -> Vec<WebhookTarget> {
        lock(&self.targets).iter().filter(|target| target.wants(event)).cloned().collect()
    }

    fn target(&self, url: &str) -> Option<WebhookTarget> {
        lock(&self.targets).iter().find(|target| target.url == url).cloned()
    }

    /// Sends an event once, signed at `now` (unix seconds). `None` when the target did not answer.
    pub(super) async fn post(&self, event: &Value, target: &WebhookTarget, now: i64) -> Option<u16> {
        let body = rendered(event.clone()).to_string();
        let signature = signature::sign(&target.secret, body.as_bytes(), now);
        let request = self
            .http
            .post(&target.url)
            .header("content-type", "application/json; charset=utf-8")
            .header("user-agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)")
            .header(signature::HEADER, signature)
            .body(body);
        let _permit = self.permits.acquire().await;
        let status = request.send().await.ok().map(|answer| answer.status().as_u16());
        let mut journal = lock(&self.journal);
        journal.push_back(Delivery {
            event: event["id"].as_str().unwrap_or_default().to_owned(),
            kind: event["type"].as_str().unwrap_or_default().to_owned(),
            url: target.url.clone(),
            status,
            at: clock().to_string(),
        });
        if journal.len() > JOURNAL {
            journal.pop_front();
        }
        status
    }
}

impl Shared {
    /// Starts delivering events to the targets noted in the store's `undelivered`.
    pub(super) fn dispatch(self: &Arc<Self>, deliveries: Vec<(Value, String)>) {
        if deliveries.is_empty() {
            return;
        }
        let mut tasks = lock(&self.mailman.tasks);
        while tasks.try_join_next().is_some() {}
        for (event, url) in deliveries {
            tasks.spawn(self.clone().deliver(event, url));
        }
    }

    async fn deliver(self: Arc<Self>, event: Value, url: String) {
        let id = event["id"].as_str().unwrap_or_default();
        let mut paused = self.mailman.paused.subscribe();
        let mut pause = self.mailman.first_pause;
        for _ in 0..self.mailman.attempts {
            if paused.wait_for(|paused| !paused).await.is_err() || !self.is_undelivered(id, &url) {
                return;
            }
            let Some(target) = self.mailman.target(&url) else { break };
            let status = self.mailman.post(&event, &target, self.now()).await;
            if status.is_some_and(|status| (200..300).contains(&status)) {
                break;
            }
            tracing::warn!(event = id, kind = event["type"].as_str(), url, ?status, "webhook not taken");
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        self.forget(id, &url);
    }

    fn is_undelivered(&self, event: &str, url: &str) -> bool {
        lock(&self.store).undelivered.get(event).is_some_and(|urls| urls.contains(url))
    }

    fn forget(&self, event: &str, url: &str) {
        let mut store = lock(&self.store);
        let urls = store.undelivered.get_mut(event);
        if urls.is_some_and(|urls| urls.remove(url) && urls.is_empty()) {
            store.undelivered.remove(event);
        }
        drop(store);
        self.changed.notify_one();
    }
}

/// Locks, also after a panic elsewhere: one request's end is not the stand-in's.
pub(super) fn unpoisoned<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
