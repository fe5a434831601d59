//! A stand-in for Stripe on the wire, so that the production client takes a payment without keys or a network.
//!
//! - `/v1/…` is Stripe's API: form-encoded requests, Stripe's objects, errors, idempotency and cursors. One file per resource.
//! - `/c/pay/{session}` is the page on which a buyer pays, `/c/authenticate/{payment}` the bank's second step.
//! - `/p/session/{session}` is the billing portal, `/invoices/{invoice}` an invoice.
//! - `/setup/{account}/{link}` is the page on which a business is introduced (Connect onboarding).
//! - `/_local/…` is for tests and scripts.
//!
//! Every request runs whole under one lock, so that its state changes, its saved answer and its events are one step.
//! To add a resource: a file with `route`, its line in `server::run`. Its objects need no table of their own.

mod account_links;
mod accounts;
mod balance;
mod browser;
mod call;
mod charges;
mod checkout_sessions;
mod customers;
mod delivery;
mod error;
mod events;
mod external_accounts;
mod form;
mod invoices;
mod money;
mod onboarding;
mod page;
mod payment_intents;
mod payment_methods;
mod payouts;
mod portal;
mod prices;
mod refunds;
mod server;
mod setup_intents;
mod store;
mod subscriptions;
mod terminal;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, VecDeque},
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Notify, task::JoinSet};

use self::{
    call::{Call, rendered},
    delivery::{Mailman, unpoisoned as lock},
    form::Params,
    store::{PLATFORM, Store},
};
pub use self::{
    delivery::{Delivery, WebhookTarget},
    prices::{FIRST_MONTH, PRO as PRO_PRICE},
};

/// The key that the local cloud's functions use.
pub const SECRET_KEY: &str = "sk_test_fairground_local";

/// The key that clients are told.
pub const PUBLISHABLE_KEY: &str = "pk_test_fairground_local";

/// How the stand-in is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where events go. Can be set later with [`Stripe::set_webhook_targets`].
    pub webhook_targets: Vec<WebhookTarget>,
    /// Keeps the state in `stripe.json` here, across restarts; `None` keeps it in memory.
    pub data_dir: Option<PathBuf>,
    /// The base of the pages' URLs, without a slash at the end; `None` is `http://` and the listener's address.
    pub public_url: Option<String>,
    /// The one key that is accepted; `None` accepts every `sk_test_…` and `rk_test_…`.
    pub secret_key: Option<String>,
    /// How often a webhook is tried.
    pub webhook_attempts: u32,
    /// The pause after the first failure; it doubles with each.
    pub webhook_pause: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            webhook_targets: Vec::new(),
            data_dir: None,
            public_url: None,
            secret_key: None,
            webhook_attempts: 8,
            webhook_pause: Duration::from_millis(250),
        }
    }
}

/// What goes wrong with the next API request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 500, and nothing happened.
    Http500,
    /// It happened, and the answer is lost: the connection closes.
    TimeoutAfterCommit,
    /// 429, and nothing happened.
    RateLimited,
}

/// A card presented for a session (`/_local/pay`, [`Stripe::pay`]), and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payment {
    /// Paid, by this payment (`pi_…`; empty where there was nothing to pay).
    Succeeded(String),
    /// The bank wants a second step for this payment.
    RequiresAction(String),
    /// Declined: Stripe's code.
    Declined(String),
    /// The session is complete or expired, or there is none.
    Closed,
}

/// A running stand-in. When the last clone goes, it stops.
#[derive(Clone)]
pub struct Stripe {
    running: Arc<Running>,
}

struct Running {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tasks.abort_all();
        lock(&self.shared.mailman.tasks).abort_all();
        if let Err(error) = self.shared.save() {
            tracing::error!(%error, "the Stripe stand-in's state was not saved");
        }
    }
}

/// What the requests, the deliveries and the hooks share.
struct Shared {
    store: Mutex<Store>,
    base_url: String,
    secret_key: Option<String>,
    /// Seconds that the stand-in's clock is ahead.
    ahead: AtomicI64,
    /// Each with a part of the path that it is for.
    faults: Mutex<VecDeque<(String, Fault)>>,
    mailman: Mailman,
    changed: Notify,
    file: Option<PathBuf>,
}

impl Stripe {
    /// Serves on `listener` until the last clone is dropped.
    pub async fn start(listener: TcpListener, config: Config) -> anyhow::Result<Self> {
        let address = listener.local_addr()?;
        let file = config.data_dir.map(|dir| dir.join("stripe.json"));
        let store = match &file {
            Some(file) => Store::load(file).with_context(|| format!("reading {}", file.display()))?,
            None => Store::default(),
        };
        let shared = Arc::new(Shared {
            store: Mutex::new(store),
            base_url: config.public_url.unwrap_or_else(|| format!("http://{address}")),
            secret_key: config.secret_key,
            ahead: AtomicI64::new(0),
            faults: Mutex::default(),
            mailman: Mailman::new(config.webhook_targets, config.webhook_attempts, config.webhook_pause)?,
            changed: Notify::new(),
            file,
        });
        shared.call(PLATFORM.to_owned(), Params::default(), prices::plant);
        let mut tasks = JoinSet::new();
        let router = server::router(shared.clone());
        tasks.spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the Stripe stand-in stopped");
            }
        });
        tasks.spawn(shared.clone().watch_the_clock());
        tasks.spawn(shared.clone().save_changes());
        shared.dispatch(shared.left_over());
        Ok(Self { running: Arc::new(Running { shared, tasks }) })
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.running.shared
    }

    /// The base URL: for `STRIPE_API_BASE` and for the pages.
    pub fn url(&self) -> &str {
        &self.shared().base_url
    }

    /// Sends events here from now on.
    pub fn set_webhook_targets(&self, targets: Vec<WebhookTarget>) {
        self.shared().mailman.set_targets(targets);
    }

    /// Holds all webhooks back until [`Stripe::resume_webhooks`].
    pub fn pause_webhooks(&self) {
        self.shared().mailman.set_paused(true);
    }

    /// Sends what was held back, in no particular order.
    pub fn resume_webhooks(&self) {
        self.shared().mailman.set_paused(false);
    }

    /// Loses all webhooks that are not delivered yet, for good.
    pub fn discard_webhooks(&self) {
        lock(&self.shared().store).undelivered.clear();
    }

    /// Delivers an event now, `times` times, one after the other, to every target that wants it, also while webhooks
    /// are paused. Returns the targets' statuses (0 for no answer). An event held back is still sent on resume.
    pub async fn deliver(&self, event_id: &str, times: usize) -> anyhow::Result<Vec<u16>> {
        let events = self.events();
        let event = events.iter().find(|event| event["id"] == event_id).context("no such event")?;
        let mailman = &self.shared().mailman;
        let mut statuses = Vec::new();
        for _ in 0..times {
            for target in mailman.targets_of(event) {
                statuses.push(mailman.post(event, &target, self.shared().now()).await.unwrap_or_default());
            }
        }
        Ok(statuses)
    }

    /// All events so far, oldest first within each account.
    pub fn events(&self) -> Vec<Value> {
        self.objects("event")
    }

    /// All objects of a type (`checkout.session`, `payment_intent`, `refund`, …), oldest first.
    pub fn objects(&self, object: &str) -> Vec<Value> {
        self.objects_where(object, |_| true)
    }

    /// Those objects of a type that are wanted, oldest first.
    pub fn objects_where(&self, object: &str, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        let store = lock(&self.shared().store);
        store.all(object).filter(|object| wanted(object)).cloned().map(rendered).collect()
    }

    /// The latest attempts to deliver webhooks, oldest first.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.shared().mailman.journal()
    }

    /// Waits until every webhook is delivered or given up. False if some are still under way after `patience`.
    pub async fn webhooks_settled(&self, patience: Duration) -> bool {
        let settled = async {
            while !lock(&self.shared().store).undelivered.is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(patience, settled).await.is_ok()
    }

    /// Makes the next `n` API requests fail.
    pub fn fail_next(&self, n: usize, fault: Fault) {
        self.fail_next_on("", n, fault);
    }

    /// Makes the next `n` API requests fail whose `METHOD /path` has `part` in it.
    pub fn fail_next_on(&self, part: &str, n: usize, fault: Fault) {
        lock(&self.shared().faults).extend(std::iter::repeat_n((part.to_owned(), fault), n));
    }

    /// Forgets faults that no request has met yet.
    pub fn clear_faults(&self) {
        lock(&self.shared().faults).clear();
    }

    /// Moves the stand-in's clock forward: sessions end, subscriptions are renewed, idempotency keys are forgotten, webhooks are signed later.
    pub fn advance(&self, by: Duration) {
        self.shared().ahead.fetch_add(i64::try_from(by.as_secs()).unwrap_or(i64::MAX), Ordering::Relaxed);
        self.shared().expire_due();
    }

    /// Pays an open session as the page does, with a card number. A second step, if the bank wants one, is passed.
    pub fn pay(&self, session_id: &str, card: &str) -> Payment {
        browser::pay(self.shared(), session_id, card, Some(true))
    }

    /// Holds a card to a phone or a reader that takes it for this payment, as the app's SDK does; on whichever account it is.
    pub fn tap(&self, intent: &str, card: &str) -> Payment {
        let account = owner(self.shared(), "payment_intent", intent);
        let tapped = self.shared().call(account, Params::default(), |call| terminal::tap(call, intent, card));
        match tapped {
            Ok(intent) => Payment::Succeeded(intent["id"].as_str().unwrap_or_default().to_owned()),
            Err(error) if error.status == 402 => {
                Payment::Declined(error.details()["code"].as_str().unwrap_or_default().to_owned())
            }
            Err(_) => Payment::Closed,
        }
    }

    /// Makes sure of a connected account of this id that is fully onboarded, without events.
    pub fn plant_account(&self, id: &str, name: &str) {
        self.shared().call(PLATFORM.to_owned(), Params::default(), |call| accounts::plant(call, id, name));
    }

    /// Writes the state to its file now.
    pub fn flush(&self) -> anyhow::Result<()> {
        self.shared().save()
    }
}

impl Shared {
    fn now(&self) -> i64 {
        clock().as_second().saturating_add(self.ahead.load(Ordering::Relaxed))
    }

    fn next_fault(&self, request: &str) -> Option<Fault> {
        let mut faults = lock(&self.faults);
        let at = faults.iter().position(|(part, _)| request.contains(part.as_str()))?;
        faults.remove(at).map(|(_, fault)| fault)
    }

    /// Runs one step in an account and sends the events that came of it.
    fn call<T>(self: &Arc<Self>, account: String, params: Params, step: impl FnOnce(&mut Call<'_>) -> T) -> T {
        self.expire_due();
        self.run(account, params, step)
    }

    fn run<T>(self: &Arc<Self>, account: String, params: Params, step: impl FnOnce(&mut Call<'_>) -> T) -> T {
        let mut store = lock(&self.store);
        let mut call = Call::new(&mut store, account, params, self.now(), &self.base_url);
        let answer = step(&mut call);
        let emitted = std::mem::take(&mut call.emitted);
        let deliveries = self.note_deliveries(&mut store, &emitted);
        drop(store);
        self.dispatch(deliveries);
        self.changed.notify_one();
        answer
    }

    /// Notes which targets each event still has to reach, together with the event itself.
    fn note_deliveries(&self, store: &mut Store, emitted: &[(String, String)]) -> Vec<(Value, String)> {
        let mut deliveries = Vec::new();
        for (account, id) in emitted {
            let Some(event) = store.account(account).and_then(|account| account.get("event", id)) else { continue };
            let mut event = event.clone();
            let urls: BTreeSet<String> = self.mailman.targets_of(&event).into_iter().map(|target| target.url).collect();
            event["pending_webhooks"] = json!(urls.len());
            if let Some(account) = store.account(account) {
                account.put(event.clone());
            }
            if !urls.is_empty() {
                deliveries.extend(urls.iter().map(|url| (event.clone(), url.clone())));
                store.undelivered.insert(id.clone(), urls);
            }
        }
        deliveries
    }

    /// Deliveries that an earlier run did not finish.
    fn left_over(&self) -> Vec<(Value, String)> {
        let store = lock(&self.store);
        let events =
            store.all("event").filter_map(|event| Some((event, store.undelivered.get(event["id"].as_str()?)?)));
        events.flat_map(|(event, urls)| urls.iter().map(|url| (event.clone(), url.clone()))).collect()
    }

    fn expire_due(self: &Arc<Self>) {
        let now = self.now();
        let due: Vec<String> = {
            let mut store = lock(&self.store);
            let ids = store.account_ids();
            ids.into_iter().filter(|id| store.account(id).is_some_and(|account| account.has_ended(now))).collect()
        };
        for account in due {
            self.run(account, Params::default(), |call| {
                checkout_sessions::expire_due(call);
                subscriptions::renew_due(call);
            });
        }
    }

    async fn watch_the_clock(self: Arc<Self>) {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            self.expire_due();
        }
    }

    /// Saves soon after a change; changes that come close together are saved once.
    async fn save_changes(self: Arc<Self>) {
        if self.file.is_none() {
            return;
        }
        loop {
            self.changed.notified().await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            if let Err(error) = self.save() {
                tracing::error!(%error, "the Stripe stand-in's state was not saved");
            }
        }
    }

    fn save(&self) -> anyhow::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let bytes = serde_json::to_vec(&*lock(&self.store))?;
        Store::save(&bytes, file).with_context(|| format!("writing {}", file.display()))
    }
}

/// The real time. Stripe is a service of its own, so the stand-in does not take the time from whom it serves.
#[expect(clippy::disallowed_methods, reason = "the one place where the stand-in reads a clock")]
fn clock() -> Timestamp {
    Timestamp::now()
}

/// The account that a page's session or payment belongs to.
fn owner(shared: &Shared, object: &str, id: &str) -> String {
    lock(&shared.store).owner(object, id).unwrap_or_else(|| PLATFORM.to_owned())
}
