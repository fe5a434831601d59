//! Stand-ins for the AWS services that Fairground uses, on one port, spoken to by the ordinary SDK clients.
//!
//! | Service | by | kept |
//! |---|---|---|
//! | DynamoDB and its streams | dynoxide, in process | `dynamodb.sqlite` |
//! | SQS | [`Queues`] | in memory |
//! | S3 | own, objects readable at `{url}/{bucket}/{key}` | `s3/` |
//! | SES v2 | [`Mailbox`] | `mailbox.jsonl` |
//! | Cognito user pools | [`UserPools`] | `cognito.json`, `cognito.key` |
//! | SSM Parameter Store | own | in memory |
//!
//! No signature is verified: there are no accounts here. What else differs from AWS stands in ARCHITECTURE.md.

mod clock;
mod cognito;
mod disk;
mod dynamodb;
mod mailbox;
mod s3;
mod ses;
mod sqs;
mod ssm;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use axum::serve::ListenerExt as _;
use axum::{Router, body};
use dynoxide::Database;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use self::cognito::UserPools;
pub use self::disk::Data;
pub use self::mailbox::{Attachment, Mail, Mailbox};
pub use self::sqs::{QueueStats, QueuedMessage, Queues};
use self::wire::{Call, Fault};

/// The largest request, in bytes. S3 takes more, but nobody here sends more at once.
const LARGEST_REQUEST: usize = 64 * 1024 * 1024;

/// How often changed users are written, and how often expired items are deleted.
const SAVE_EVERY: Duration = Duration::from_millis(200);
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// How to run an [`Endpoint`].
#[derive(Debug, Clone)]
pub struct Config {
    /// Where state is kept.
    pub data: Data,
    /// The region that ARNs and pool ids name.
    pub region: String,
    /// The account that ARNs and queue URLs name.
    pub account: String,
    /// What stands before the pool id in `iss` claims; the endpoint's own URL when None.
    pub issuer_base: Option<String>,
}

impl Default for Config {
    /// In memory, us-east-1, and an account number from AWS's documentation.
    fn default() -> Self {
        Self {
            data: Data::Memory,
            region: "us-east-1".to_owned(),
            account: "123456789012".to_owned(),
            issuer_base: None,
        }
    }
}

/// A running endpoint, as `AWS_ENDPOINT_URL` names it. Dropping it stops it.
pub struct Endpoint {
    url: String,
    services: Arc<Services>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

struct Services {
    database: Database,
    queues: Queues,
    s3: s3::S3,
    ses: ses::Ses,
    mailbox: Mailbox,
    parameters: ssm::Parameters,
    user_pools: UserPools,
}

impl Endpoint {
    /// Opens what was kept, and serves on the listener.
    ///
    /// # Errors
    /// When the data directory cannot be used, or holds what cannot be read.
    pub async fn start(listener: TcpListener, config: Config) -> anyhow::Result<Self> {
        if let Data::Dir(dir) = &config.data {
            std::fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
        }
        let url = format!("http://{}", listener.local_addr()?);
        let (stop, stopping) = watch::channel(false);
        let services = Arc::new(Services::open(&url, &config, stopping.clone())?);
        let router = Router::new().fallback(answer).with_state(services.clone());
        let serving = axum::serve(listener.tap_io(|stream| drop(stream.set_nodelay(true))), router);
        let serving = serving.with_graceful_shutdown(stopped(stopping.clone()));
        let server = tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(%error, "the AWS endpoint stopped");
            }
        });
        let tasks = vec![server, tokio::spawn(keep_house(services.clone(), stopping))];
        Ok(Self { url, services, stop, tasks })
    }

    /// The base URL, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The database behind the DynamoDB wire, to be looked at or prepared directly. Clones share it.
    pub fn database(&self) -> &Database {
        &self.services.database
    }

    /// The mails that were sent.
    pub fn mailbox(&self) -> &Mailbox {
        &self.services.mailbox
    }

    /// The queues, to be looked at without receiving.
    pub fn queues(&self) -> &Queues {
        &self.services.queues
    }

    /// The user pools, to sign what Cognito would not.
    pub fn cognito(&self) -> &UserPools {
        &self.services.user_pools
    }

    /// Stops taking requests, lets the running ones end, and writes what is not yet written.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        for task in self.tasks.drain(..) {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task of the AWS endpoint failed");
            }
        }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.services.user_pools.save();
    }
}

impl Services {
    fn open(url: &str, config: &Config, stopping: watch::Receiver<bool>) -> anyhow::Result<Self> {
        let Config { data, region, account, issuer_base } = config;
        let mailbox = Mailbox::open(data)?;
        let issuer_base = issuer_base.as_deref().unwrap_or(url);
        Ok(Self {
            database: dynamodb::open(data)?,
            queues: Queues::new(url, region, account, stopping),
            s3: s3::S3::open(data, region)?,
            ses: ses::Ses::new(mailbox.clone()),
            parameters: ssm::Parameters::new(region, account),
            user_pools: UserPools::open(data, region, account, issuer_base, mailbox.clone())?,
            mailbox,
        })
    }

    /// JSON services name themselves in `X-Amz-Target`, SES and Cognito's key sets by their path; the rest is S3's.
    async fn answer(&self, call: Call) -> Response<Body> {
        if let Some((service, action)) = call.header("x-amz-target").and_then(|target| target.split_once('.')) {
            return match service {
                "DynamoDB_20120810" | "DynamoDBStreams_20120810" => {
                    dynamodb::handle(&self.database, action, &call.body)
                }
                "AmazonSQS" => self.queues.handle(action, &call.body).await,
                "AWSCognitoIdentityProviderService" => self.user_pools.handle(action, &call.body),
                "AmazonSSM" => self.parameters.handle(action, &call.body),
                _ => Fault::unknown_operation(service, action).into_json(),
            };
        }
        if call.path.starts_with("/v2/email/") {
            return self.ses.handle(&call);
        }
        if let Some(document) = self.user_pools.well_known(&call) {
            return document;
        }
        match signed_service(&call) {
            None | Some("s3") => self.s3.handle(&call),
            Some(service) => Fault::unknown_operation(service, &call.path).into_json(),
        }
    }
}

/// The service in the credential scope: `Credential=AKID/20260101/us-east-1/s3/aws4_request`.
fn signed_service(call: &Call) -> Option<&str> {
    let scope = call.header("authorization")?.split_once("Credential=")?.1;
    scope.split(',').next()?.split('/').nth(3)
}

async fn answer(State(services): State<Arc<Services>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    match body::to_bytes(body, LARGEST_REQUEST).await {
        Ok(body) => {
            let (path, query) = (parts.uri.path().to_owned(), parts.uri.query().map(str::to_owned));
            services.answer(Call { method: parts.method, path, query, headers: parts.headers, body }).await
        }
        Err(error) => Fault::new("RequestEntityTooLarge", error.to_string()).into_json(),
    }
}

/// What AWS does in the background: saving, and deleting what has expired.
async fn keep_house(services: Arc<Services>, stopping: watch::Receiver<bool>) {
    let mut save = tokio::time::interval(SAVE_EVERY);
    let mut sweep = tokio::time::interval(SWEEP_EVERY);
    let mut stop = std::pin::pin!(stopped(stopping));
    loop {
        tokio::select! {
            _ = save.tick() => services.user_pools.save(),
            _ = sweep.tick() => delete_expired(services.database.clone()).await,
            () = &mut stop => break,
        }
    }
    services.user_pools.save();
}

async fn delete_expired(database: Database) {
    match tokio::task::spawn_blocking(move || database.sweep_ttl()).await {
        Ok(Ok(deleted)) => tracing::debug!(deleted, "expired items are deleted"),
        Ok(Err(error)) => tracing::error!(%error, "expired items could not be deleted"),
        Err(error) => tracing::error!(%error, "deleting expired items failed"),
    }
}

async fn stopped(mut stopping: watch::Receiver<bool>) {
    // An error means that the endpoint is gone, which is a stop as well.
    drop(stopping.wait_for(|stop| *stop).await);
}
