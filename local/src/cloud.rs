//! The whole cloud in one process: the AWS endpoint, what stands in for Stripe, the functions, the gateway before them and the
//! event sources behind them.
//!
//! Nothing here is global, and port 0 takes any free port, so that any number of clouds run side by side.

mod setup;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context as _;
use aws_smithy_runtime_api::client::interceptors::SharedInterceptor;
use jiff::Timestamp;
use runtime::{Aws, Ctx, clock::Clock};
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinHandle};

use self::setup::{
    DataDir, GOOGLE_PUSH_ACCOUNT, GOOGLE_PUSH_AUDIENCE, bind, environments, fire_schedule, jwks_url, listen, local_env,
    parameters, prepare_data, serve, show_environments, start_aws, start_stripe, urls,
};
use crate::{
    apple::Apple,
    aws::{Data, Endpoint},
    functions::{Functions, InvokeError},
    gateway::Gateway,
    lambda_watch::LambdaWatch,
    page::{self, PageState},
    play::Play,
    provision::provision,
    requests::Requests,
    secrets,
    seed::{self, Demo},
    sources::{Hub, Sources},
    stripe::Stripe,
    template::{TEMPLATE, Template},
    wiring,
};

/// The environment of each function, by its name.
pub type Environments = BTreeMap<String, BTreeMap<String, String>>;

/// How long [`Cloud::drain`] waits for event sources that never come to an end.
const DRAIN_PATIENCE: Duration = Duration::from_secs(60);

/// How to run a cloud.
#[derive(Debug, Clone)]
pub struct Options {
    /// Port of the gateway; AWS is on the next, Stripe on the one after. 0 takes any free ports.
    pub port: u16,
    /// Where data is kept.
    pub data: Data,
    /// Whether what is kept there is deleted first.
    pub reset: bool,
    /// Whether functions limit requests per address.
    pub rate_limit: bool,
    /// Whether there is demo data.
    pub demo: bool,
    /// Whether e-mail is left unconfigured, so that mails stay pending.
    pub without_mail: bool,
    /// Whether no service account asks Google Play about purchases, so that they are known by Google's notices alone.
    pub without_play: bool,
    /// A running `cargo lambda watch` that events are sent to, such as `http://127.0.0.1:9000`, instead of functions in this
    /// process.
    pub via_lambda: Option<String>,
    /// Level of the functions' logs.
    pub log: String,
    /// The template; the project's own unless a test wants another.
    pub template: String,
    /// Parameters of the template, over those that the cloud sets itself.
    pub parameters: BTreeMap<String, String>,
    /// The environment's `AWS_…` variables. Where they have an `AWS_ENDPOINT_URL`, that is used instead of an endpoint of our
    /// own; `AWS_ENDPOINT_URL_<SERVICE>` is another endpoint for one service.
    pub aws_env: BTreeMap<String, String>,
    /// See every call that functions make to AWS; tests inject faults by them.
    pub interceptors: Vec<SharedInterceptor>,
}

impl Default for Options {
    /// Any free ports, in memory, rate limits on, no demo data, AWS as the process's environment says.
    fn default() -> Self {
        Self {
            port: 0,
            data: Data::Memory,
            reset: false,
            rate_limit: true,
            demo: false,
            without_mail: false,
            without_play: false,
            via_lambda: None,
            log: "info".to_owned(),
            template: TEMPLATE.to_owned(),
            parameters: BTreeMap::new(),
            aws_env: std::env::vars().filter(|(name, value)| name.starts_with("AWS_") && !value.is_empty()).collect(),
            interceptors: Vec::new(),
        }
    }
}

/// A running cloud. Dropping it stops it; [`Cloud::stop`] lets what is running come to its end.
pub struct Cloud {
    url: String,
    aws_url: String,
    endpoint: Option<Endpoint>,
    stripe: Stripe,
    play: Play,
    functions: Arc<Functions>,
    requests: Arc<Requests>,
    sources: Arc<Sources>,
    demo: Option<Arc<Demo>>,
    clock: Clock,
    environments: Arc<Environments>,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
    _data: DataDir,
}

impl Cloud {
    /// Starts everything. When it returns, requests are answered.
    ///
    /// # Errors
    /// When a port is taken, kept data cannot be read, or the template says something that the local cloud does not know.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let listener = listen(options.port, 0).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let data = prepare_data(&options)?;
        let data_dir = data.path.clone();
        let secrets = secrets::ensure(data_dir.as_deref())?;

        let (aws_env, endpoint) = start_aws(&options).await?;
        let aws = Aws::from_map(&aws_env);
        let stripe = start_stripe(&options, &url, &secrets, data_dir.clone()).await?;
        let clock = Clock::default();
        let play = Play::new(&url, clock.clone())?;

        let mut template = Template::parse(&options.template, &parameters(&options, &url, &aws)?)?;
        let provisioned = provision(&mut template, &aws).await?;
        let api = template.api()?;
        let specs = template.functions()?;
        let jwks_url = jwks_url(&aws, &provisioned);
        let mut env = local_env(&stripe, secrets, &provisioned, &jwks_url, Apple::shared()?.root());
        if !options.without_play {
            env.insert("GOOGLE_SERVICE_ACCOUNT".to_owned(), play.service_account());
            env.insert("GOOGLE_PLAY_BASE".to_owned(), play.base().to_owned());
        }
        let function_aws = options.interceptors.iter().fold(aws.clone(), |aws, one| aws.with_interceptor(one.clone()));
        let bound = bind(&specs, &env, &function_aws, &clock)?;
        let environments = Arc::new(environments(&specs, &env, &aws_env));

        let watch = options.via_lambda.as_deref().map(LambdaWatch::new);
        let functions = Arc::new(Functions::new(bound, watch, clock.clone())?);
        let requests = Arc::new(Requests::default());
        let hub = Arc::new(Hub { functions: functions.clone(), requests: requests.clone() });
        let own_queues = endpoint.as_ref().map(|endpoint| endpoint.queues().clone());
        let sources = wiring::start_sources(&template, hub, &aws, &aws_env, &clock, own_queues, data_dir.as_deref())?;
        let sources = Arc::new(sources);

        let demo = match functions.ctx("tickets-admin") {
            Some(ctx) if options.demo => {
                let demo = seed::ensure(ctx, data_dir.as_deref()).await?;
                seed::counter::ensure_account(ctx, &stripe).await.context("opening the counter")?;
                Some(Arc::new(demo))
            }
            _ => None,
        };
        let urls = match &demo {
            Some(demo) => demo.urls.clone(),
            None => urls(&url, &aws, &stripe),
        };
        let user_pools = endpoint.as_ref().map(|endpoint| endpoint.cognito().clone());
        let page = page::routes(PageState {
            urls,
            demo: demo.clone(),
            mailbox: endpoint.as_ref().map(|endpoint| endpoint.mailbox().clone()),
            queues: endpoint.as_ref().map(|endpoint| endpoint.queues().clone()),
            requests: requests.clone(),
            functions: Arc::new(specs),
            api: Arc::new(api.clone()),
            clock: clock.clone(),
            stripe: Some(stripe.clone()),
            other_clocks: user_pools
                .into_iter()
                .map(|pools| Arc::new(move |by| pools.advance(by)) as page::Advance)
                .collect(),
            fire_schedule: fire_schedule(&sources),
        });
        let gateway = Gateway::new(api, functions.clone(), requests.clone(), clock.clone(), &jwks_url);
        let (stop, stopping) = watch::channel(false);
        let page = page.merge(show_environments(environments.clone())).merge(play.router());
        let router = page.merge(Arc::new(gateway).router());
        let server = serve(listener, router, stopping);
        sources.resume();
        let aws_url = aws.endpoint("dynamodb").unwrap_or_default().to_owned();
        Ok(Self {
            url,
            aws_url,
            endpoint,
            stripe,
            play,
            functions,
            requests,
            sources,
            demo,
            clock,
            environments,
            stop,
            server,
            _data: data,
        })
    }

    /// Base URL of the gateway, without a slash at the end. The control page is there too.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// URL of the AWS endpoint.
    pub fn aws_url(&self) -> &str {
        &self.aws_url
    }

    /// URL of what stands in for Stripe.
    pub fn stripe_url(&self) -> &str {
        self.stripe.url()
    }

    /// The AWS endpoint, where it is our own.
    pub fn endpoint(&self) -> Option<&Endpoint> {
        self.endpoint.as_ref()
    }

    /// What stands in for Stripe.
    pub fn stripe(&self) -> &Stripe {
        &self.stripe
    }

    /// What stands in for Google Play.
    pub fn play(&self) -> &Play {
        &self.play
    }

    /// The context that a function has.
    ///
    /// # Panics
    /// When there is no such function, which is a mistake in the program that asks.
    pub fn ctx(&self, function: &str) -> Ctx {
        match self.functions.ctx(function) {
            Some(ctx) => ctx.clone(),
            None => panic!("there is no function {function}"),
        }
    }

    /// The functions.
    pub fn functions(&self) -> &Arc<Functions> {
        &self.functions
    }

    /// Sends a function an event, and returns what it answers.
    pub async fn invoke(&self, function: &str, event: Value) -> Result<Value, InvokeError> {
        self.functions.invoke(function, event).await
    }

    /// Recent requests and invocations.
    pub fn requests(&self) -> &Requests {
        &self.requests
    }

    /// The event sources.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Works until streams and queues are dry. See [`Sources::drain`]; what never comes to an end is logged after a minute.
    /// Returns how many records and messages were handed over.
    pub async fn drain(&self) -> usize {
        match self.sources.drain(DRAIN_PATIENCE).await {
            Ok(handled) => handled,
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "draining failed");
                0
            }
        }
    }

    /// Invokes a function as its schedule does, now. `None` when it has no schedule.
    pub async fn run_schedule(&self, function: &str) -> Option<Result<Value, InvokeError>> {
        self.sources.run_schedule(function).await
    }

    /// The demo data, where there is any.
    pub fn demo(&self) -> Option<&Demo> {
        self.demo.as_deref()
    }

    /// The clock that all functions share.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Now, by that clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Signs claims with the user pool's key, for tests of tokens that Cognito would not make. Empty where the endpoint is not
    /// our own.
    pub fn sign_token(&self, claims: &Value) -> String {
        self.endpoint.as_ref().and_then(|endpoint| endpoint.cognito().sign(claims).ok()).unwrap_or_default()
    }

    /// The `Authorization` of a push of Google's Pub/Sub, good for an hour. Empty where the endpoint is not our own.
    pub fn google_push_token(&self) -> String {
        let claims = json!({
            "iss": "https://accounts.google.com", "aud": GOOGLE_PUSH_AUDIENCE, "email": GOOGLE_PUSH_ACCOUNT,
            "email_verified": true, "exp": self.now().as_second() + 3600,
        });
        self.sign_token(&claims)
    }

    /// The environment of each function, in which its real binary runs against this cloud.
    pub fn environments(&self) -> &Environments {
        &self.environments
    }

    /// Stops: requests and batches that are under way come to their end, and what must be kept is written.
    pub async fn stop(mut self) {
        self.sources.pause();
        self.stop.send_replace(true);
        // Keep-alive connections of browsers would hold it up for ever.
        drop(tokio::time::timeout(Duration::from_secs(2), &mut self.server).await);
        if let Some(endpoint) = self.endpoint.take() {
            endpoint.shutdown().await;
        }
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.server.abort();
    }
}
