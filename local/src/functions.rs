//! Every function of the project by its name, and how an event reaches one: in this process, or through a running
//! `cargo lambda watch`. A function that crashes or hangs harms nobody but its caller.

use std::{collections::BTreeMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::{FutureExt as _, future::BoxFuture};
use lambda_runtime::{Config, Context};
use runtime::{Ctx, Function, Invoker, clock::Clock};
use serde_json::Value;
use tokio::sync::watch;
use uuid::Uuid;

use crate::{
    chaos::{Dice, die_after},
    lambda_watch::LambdaWatch,
    template::{ACCOUNT_ID, REGION, model::FunctionSpec},
};

/// Makes a function.
pub type MakeFunction = fn() -> Function;

/// Every function of the project: package, binary and folder are the same name.
pub fn registry() -> BTreeMap<&'static str, MakeFunction> {
    BTreeMap::from([
        ("tickets-auth", tickets_auth::function as MakeFunction),
        ("tickets-storefront", tickets_storefront::function),
        ("tickets-orders", tickets_orders::function),
        ("tickets-checkin", tickets_checkin::function),
        ("tickets-admin", tickets_admin::function),
        ("pos-auth", pos_auth::function),
        ("pos-catalogs", pos_catalogs::function),
        ("pos-orders", pos_orders::function),
        ("pos-payments", pos_payments::function),
        ("pos-billing", pos_billing::function),
        ("pos-staff", pos_staff::function),
        ("webhooks-stripe", webhooks_stripe::function),
        ("webhooks-stores", webhooks_stores::function),
        ("workers-outbox", workers_outbox::function),
        ("workers-email", workers_email::function),
        ("workers-expiry", workers_expiry::function),
        ("workers-payments", workers_payments::function),
        ("workers-payouts", workers_payouts::function),
        ("workers-reports", workers_reports::function),
        ("workers-webhooks", workers_webhooks::function),
        ("platform-authorizer", platform_authorizer::function),
        ("platform-meta", platform_meta::function),
    ])
}

/// Why an invocation has no answer.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// There is no such function.
    #[error("there is no function {0}")]
    Unknown(String),
    /// It took longer than the template allows.
    #[error("the function did not answer within {0:?}")]
    TimedOut(Duration),
    /// It panicked.
    #[error("the function panicked: {0}")]
    Panicked(String),
    /// It ended in an error.
    #[error("the function failed: {0}")]
    Failed(String),
    /// Chaos let it die halfway.
    #[error("the function died halfway, as chaos wanted it")]
    Died,
}

/// All functions, ready to be invoked.
pub struct Functions {
    entries: BTreeMap<String, Arc<Entry>>,
    watch: Option<LambdaWatch>,
    clock: Clock,
    dice: Arc<Dice>,
    activity: watch::Sender<()>,
}

struct Entry {
    spec: FunctionSpec,
    ctx: Ctx,
    invoker: Invoker,
    config: Arc<Config>,
}

impl std::fmt::Debug for Functions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.entries.keys()).finish()
    }
}

impl Functions {
    /// Binds the template's functions to their contexts.
    ///
    /// # Errors
    /// When the template names a function that the project does not have.
    pub fn new(functions: Vec<(FunctionSpec, Ctx)>, watch: Option<LambdaWatch>, clock: Clock) -> anyhow::Result<Self> {
        let registry = registry();
        let mut entries = BTreeMap::new();
        for (spec, ctx) in functions {
            let Some(make) = registry.get(spec.name.as_str()) else {
                anyhow::bail!("{} of the template has no package {}", spec.logical_id, spec.name);
            };
            let config = Arc::new(Config {
                function_name: spec.name.clone(),
                memory: spec.memory_mb,
                version: "$LATEST".to_owned(),
                log_group: format!("/fairground/local/{}", spec.name),
                log_stream: "local".to_owned(),
            });
            let invoker = make().into_invoker(ctx.clone());
            entries.insert(spec.name.clone(), Arc::new(Entry { spec, ctx, invoker, config }));
        }
        let (activity, _) = watch::channel(());
        Ok(Self { entries, watch, clock, dice: Arc::default(), activity })
    }

    /// The context that a function has.
    pub fn ctx(&self, name: &str) -> Option<&Ctx> {
        self.entries.get(name).map(|entry| &entry.ctx)
    }

    /// What the template says of a function.
    pub fn spec(&self, name: &str) -> Option<&FunctionSpec> {
        self.entries.get(name).map(|entry| &entry.spec)
    }

    /// What the template says of all functions.
    pub fn specs(&self) -> impl Iterator<Item = &FunctionSpec> {
        self.entries.values().map(|entry| &entry.spec)
    }

    /// The chaos that invocations go through.
    pub fn dice(&self) -> &Dice {
        &self.dice
    }

    /// Tells of each invocation that ended, since then there may be work for event sources.
    pub fn activity(&self) -> watch::Receiver<()> {
        self.activity.subscribe()
    }

    /// Sends a function an event. The invocation goes on when the caller stops waiting, as on Lambda.
    pub async fn invoke(&self, name: &str, event: Value) -> Result<Value, InvokeError> {
        let entry = self.entries.get(name).ok_or_else(|| InvokeError::Unknown(name.to_owned()))?;
        let work = self.work(entry, event);
        let (limit, activity, name) = (entry.spec.timeout, self.activity.clone(), name.to_owned());
        let task = tokio::spawn(async move {
            let outcome = match tokio::time::timeout(limit, AssertUnwindSafe(work).catch_unwind()).await {
                Err(_) => Err(InvokeError::TimedOut(limit)),
                Ok(Err(panic)) => Err(InvokeError::Panicked(panic_text(panic.as_ref()))),
                Ok(Ok(answer)) => answer,
            };
            activity.send_replace(());
            if let Err(error) = &outcome {
                tracing::error!(function = name, %error, "an invocation has no answer");
            }
            outcome
        });
        task.await.unwrap_or_else(|error| Err(InvokeError::Failed(error.to_string())))
    }

    fn work(&self, entry: &Entry, event: Value) -> BoxFuture<'static, Result<Value, InvokeError>> {
        let work = match &self.watch {
            Some(watch) => {
                let (watch, name) = (watch.clone(), entry.spec.name.clone());
                let failed = |error| InvokeError::Failed(format!("{error:#}"));
                async move { watch.invoke(&name, &event).await.map_err(failed) }.boxed()
            }
            None => {
                let (invoker, context) = (entry.invoker.clone(), self.context(entry));
                let failed = |error: runtime::BoxError| InvokeError::Failed(error.to_string());
                async move { invoker.invoke(event, context).await.map_err(failed) }.boxed()
            }
        };
        match self.dice.death() {
            Some(polls) => die_after(polls, work).map(|outcome| outcome.unwrap_or(Err(InvokeError::Died))).boxed(),
            None => work,
        }
    }

    fn context(&self, entry: &Entry) -> Context {
        let timeout = u64::try_from(entry.spec.timeout.as_millis()).unwrap_or(u64::MAX);
        let now = u64::try_from(self.clock.now().as_millisecond()).unwrap_or_default();
        let mut context = Context::default();
        context.request_id = Uuid::new_v4().to_string();
        context.deadline = now.saturating_add(timeout);
        context.invoked_function_arn = function_arn(&entry.spec.name);
        context.env_config = entry.config.clone();
        context
    }
}

/// The ARN of a function.
pub fn function_arn(name: &str) -> String {
    format!("arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:{name}")
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "of unknown kind".to_owned())
}
