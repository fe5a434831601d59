//! Event sources, as the template maps them: queues, the table's stream, schedules. Each becomes real Lambda events.
//!
//! Sources wait for the ends of invocations, since those make their work, and look for themselves now and then. They can
//! be paused, and drained step by step, which is how tests decide what happens when.

pub mod batch;
pub mod filter;
pub mod queue;
pub mod record;
pub mod schedule;
pub mod stream;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::bail;
use serde_json::Value;
use tokio::{
    sync::{Mutex, watch},
    task::JoinSet,
};

use self::{queue::QueueSourceTask, schedule::ScheduleTask, stream::StreamSourceTask};
use crate::{
    chaos::Chaos,
    functions::{Functions, InvokeError},
    requests::{Entry, Requests},
};

/// Between looks at a source that had nothing: from this, doubling, to that.
const SHORTEST_REST: Duration = Duration::from_millis(10);
const LONGEST_REST: Duration = Duration::from_millis(200);

/// The longest pause after failures.
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);

/// What a look at a source came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There was nothing.
    Idle,
    /// So many records or messages were handed over.
    Handled(usize),
    /// There was something, and the function failed at it; the same comes again.
    Failed,
}

/// What sources share.
#[derive(Debug)]
pub struct Hub {
    /// The functions.
    pub functions: Arc<Functions>,
    /// Where invocations are noted.
    pub requests: Arc<Requests>,
}

impl Hub {
    /// Invokes a function for a source and notes it.
    pub async fn invoke(&self, kind: &str, name: &str, function: &str, event: Value) -> Result<Value, InvokeError> {
        let started = Instant::now();
        let outcome = self.functions.invoke(function, event).await;
        let (ms, status) = (started.elapsed().as_secs_f64() * 1000.0, if outcome.is_ok() { 200 } else { 500 });
        tracing::debug!(target: "sources", ms, status, function, "{kind} {name}");
        self.requests.record(Entry::new(kind, name, Some(status), ms, Some(function), ""));
        outcome
    }
}

/// A source that is polled.
pub enum Polled {
    /// A queue.
    Queue(QueueSourceTask),
    /// A stream.
    Stream(StreamSourceTask),
}

impl Polled {
    async fn step(&self, in_a_hurry: bool) -> anyhow::Result<Step> {
        match self {
            Self::Queue(source) => source.step(in_a_hurry).await,
            Self::Stream(source) => source.step(in_a_hurry).await,
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Queue(source) => source.name(),
            Self::Stream(source) => source.name(),
        }
    }
}

/// All event sources, running. Dropping it stops them.
pub struct Sources {
    shared: Arc<Shared>,
    schedules: Arc<Vec<ScheduleTask>>,
    _tasks: JoinSet<()>,
}

struct Shared {
    /// Looked at by one at a time, so that whoever looks finds the last look's work done.
    polled: Vec<Mutex<Polled>>,
    hub: Arc<Hub>,
    paused: watch::Sender<bool>,
    /// Counts looks that found something, so that a round of looks can tell whether anything happened meanwhile.
    progress: AtomicU64,
}

impl Sources {
    /// Starts them all. They begin paused; see [`Sources::resume`].
    pub fn start(polled: Vec<Polled>, schedules: Vec<ScheduleTask>, hub: Arc<Hub>) -> Self {
        let (paused, _) = watch::channel(true);
        let polled = polled.into_iter().map(Mutex::new).collect();
        let shared = Arc::new(Shared { polled, hub, paused, progress: AtomicU64::new(0) });
        let schedules = Arc::new(schedules);
        let mut tasks = JoinSet::new();
        for index in 0..shared.polled.len() {
            tasks.spawn(shared.clone().poll(index));
        }
        for index in 0..schedules.len() {
            let (schedules, paused) = (schedules.clone(), shared.paused.subscribe());
            tasks.spawn(async move { schedules[index].run(paused).await });
        }
        Self { shared, schedules, _tasks: tasks }
    }

    /// Begins no more invocations until [`Sources::resume`]. What is running, runs on; [`Sources::drain`] still works.
    pub fn pause(&self) {
        self.shared.paused.send_replace(true);
    }

    /// Goes on.
    pub fn resume(&self) {
        self.shared.paused.send_replace(false);
    }

    /// What goes wrong on purpose from now on; `None` ends it. It meets every invocation, also those by HTTP.
    pub fn set_chaos(&self, chaos: Option<Chaos>) {
        self.shared.hub.functions.dice().set(chaos);
    }

    /// Looks at each source once, in order. Returns how many records and messages were handed over.
    pub async fn step(&self) -> anyhow::Result<usize> {
        Ok(self.shared.round().await?.0)
    }

    /// Works until the streams are at their ends and no queue has a message to receive. Messages that wait for a delay or
    /// for their visibility are left. Returns how many records and messages were handed over.
    ///
    /// # Errors
    /// When there is no end within `patience`, such as for a function that fails at a record again and again.
    pub async fn drain(&self, patience: Duration) -> anyhow::Result<usize> {
        let (began, mut total) = (Instant::now(), 0);
        loop {
            let before = self.shared.progress.load(Ordering::SeqCst);
            let (handled, failed) = self.shared.round().await?;
            total += handled;
            let still = self.shared.progress.load(Ordering::SeqCst) == before;
            if still && !failed {
                return Ok(total);
            }
            if began.elapsed() > patience {
                bail!("the event sources did not run dry within {patience:?}");
            }
            if failed {
                tokio::time::sleep(SHORTEST_REST).await;
            }
        }
    }

    /// Invokes a function as its schedule does, now. `None` when it has no schedule.
    pub async fn run_schedule(&self, function: &str) -> Option<Result<Value, InvokeError>> {
        let schedule = self.schedules.iter().find(|schedule| schedule.function() == function)?;
        Some(schedule.fire().await)
    }
}

impl Shared {
    async fn round(&self) -> anyhow::Result<(usize, bool)> {
        let (mut handled, mut failed) = (0, false);
        for source in &self.polled {
            match self.look(source, true).await? {
                Step::Idle => {}
                Step::Handled(count) => handled += count,
                Step::Failed => failed = true,
            }
        }
        Ok((handled, failed))
    }

    async fn look(&self, source: &Mutex<Polled>, in_a_hurry: bool) -> anyhow::Result<Step> {
        let source = source.lock().await;
        let step = source.step(in_a_hurry).await?;
        if step != Step::Idle {
            self.progress.fetch_add(1, Ordering::SeqCst);
        }
        Ok(step)
    }

    async fn poll(self: Arc<Self>, index: usize) {
        let source = &self.polled[index];
        let mut paused = self.paused.subscribe();
        let mut activity = self.hub.functions.activity();
        let (mut rest, mut backoff) = (SHORTEST_REST, SHORTEST_REST);
        loop {
            if paused.wait_for(|paused| !paused).await.is_err() {
                return;
            }
            activity.borrow_and_update();
            match self.look(source, false).await {
                Ok(Step::Handled(_)) => (rest, backoff) = (SHORTEST_REST, SHORTEST_REST),
                Ok(Step::Idle) => {
                    let woken = tokio::time::timeout(rest, activity.changed()).await.is_ok();
                    rest = if woken { SHORTEST_REST } else { (rest * 2).min(LONGEST_REST) };
                    if woken {
                        // Many invocations may end at once; one look serves them all.
                        tokio::time::sleep(Duration::from_millis(2)).await;
                    }
                }
                outcome => {
                    if let Err(error) = outcome {
                        let source = source.lock().await;
                        tracing::warn!(source = source.name(), error = format!("{error:#}"), "a source cannot be read");
                    }
                    tokio::time::sleep(backoff).await;
                    backoff = (backoff * 2).min(LONGEST_BACKOFF);
                }
            }
        }
    }
}

/// The names that a function reported as failed. `None` is an answer of another shape than Lambda's, which fails the whole
/// batch.
pub fn reported_failures(answer: &Value) -> Option<Vec<String>> {
    let Some(failures) = answer.get("batchItemFailures").filter(|failures| !failures.is_null()) else {
        return Some(Vec::new());
    };
    let name = |failure: &Value| failure["itemIdentifier"].as_str().filter(|name| !name.is_empty()).map(str::to_owned);
    failures.as_array()?.iter().map(name).collect()
}
