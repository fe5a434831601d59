//! The steps of a start.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{File, TryLockError},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, bail};
use axum::{
    Json, Router,
    extract::{Query, State},
    response::{IntoResponse as _, Response},
    routing::get,
    serve::ListenerExt as _,
};
use futures_util::FutureExt as _;
use http::StatusCode;
use runtime::{Aws, Ctx, Settings, clock::Clock};
use serde::Deserialize;
use serde_json::json;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use super::{Environments, Options};
use crate::{
    apple,
    aws::{self, Data, Endpoint},
    page::FireSchedule,
    provision::Provisioned,
    seed::{self, Urls},
    sources::Sources,
    stripe::{self, Stripe, WebhookTarget},
    template::{ACCOUNT_ID, REGION, Template, model::FunctionSpec},
};

/// The file in the data directory that a running cloud holds.
const LOCK: &str = "lock";

/// The sender of e-mails, whose domain the template makes an SES identity.
const MAIL_SENDER: &str = "tickets@fairground.example";

/// Of the push subscription that the local functions believe. Its tokens are signed by the user pool's key.
pub(super) const GOOGLE_PUSH_AUDIENCE: &str = "fairground-local";
pub(super) const GOOGLE_PUSH_ACCOUNT: &str = "play@fairground-local.example";

/// Where data is kept, made and emptied as wanted.
pub(super) struct DataDir {
    /// The directory; `None` keeps nothing.
    pub(super) path: Option<PathBuf>,
    /// Held while the cloud runs: two of them on the same data would destroy it.
    _lock: Option<File>,
}

pub(super) fn prepare_data(options: &Options) -> anyhow::Result<DataDir> {
    let Data::Dir(dir) = &options.data else { return Ok(DataDir { path: None, _lock: None }) };
    std::fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
    let lock = dir.join(LOCK);
    let is_foreign = !lock.exists() && std::fs::read_dir(dir)?.next().is_some();
    if options.reset && is_foreign {
        bail!("{} holds other things than a local cloud's data, and is not emptied", dir.display());
    }
    let file = File::create(&lock).with_context(|| format!("creating {}", lock.display()))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => bail!("another Fairground runs on the data in {}", dir.display()),
        outcome => outcome.with_context(|| format!("locking {}", lock.display()))?,
    }
    if options.reset {
        empty(dir).with_context(|| format!("emptying {}", dir.display()))?;
    }
    Ok(DataDir { path: Some(dir.clone()), _lock: Some(file) })
}

fn empty(dir: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        match entry.file_type()? {
            kind if kind.is_dir() => std::fs::remove_dir_all(entry.path())?,
            _ if entry.file_name() == LOCK => {}
            _ => std::fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}

pub(super) async fn listen(port: u16, offset: u16) -> anyhow::Result<TcpListener> {
    let port = if port == 0 { 0 } else { port.checked_add(offset).context("the port is too high")? };
    match TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            bail!("port {port} is in use, perhaps by another Fairground: stop that, or choose another with --port")
        }
        Err(error) => Err(error).with_context(|| format!("listening on port {port}")),
    }
}

/// The endpoint of our own, unless the environment names another; and what its clients need.
pub(super) async fn start_aws(options: &Options) -> anyhow::Result<(HashMap<String, String>, Option<Endpoint>)> {
    let mut env: HashMap<String, String> =
        options.aws_env.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let endpoint = if env.contains_key("AWS_ENDPOINT_URL") {
        None
    } else {
        let config = aws::Config {
            data: options.data.clone(),
            region: REGION.to_owned(),
            account: ACCOUNT_ID.to_owned(),
            issuer_base: Some(format!("https://cognito-idp.{REGION}.amazonaws.com")),
        };
        let endpoint = Endpoint::start(listen(options.port, 1).await?, config).await?;
        env.insert("AWS_ENDPOINT_URL".to_owned(), endpoint.url().to_owned());
        // Nothing of a real account must reach the log of a local cloud.
        env.remove("AWS_SESSION_TOKEN");
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            env.insert(name.to_owned(), "local".to_owned());
        }
        Some(endpoint)
    };
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        env.entry(name.to_owned()).or_insert_with(|| "local".to_owned());
    }
    env.insert("AWS_REGION".to_owned(), REGION.to_owned());
    Ok((env, endpoint))
}

pub(super) async fn start_stripe(
    options: &Options,
    url: &str,
    secrets: &BTreeMap<String, String>,
    data_dir: Option<PathBuf>,
) -> anyhow::Result<Stripe> {
    let secret = |name: &str| secrets.get(name).cloned().unwrap_or_default();
    let own = WebhookTarget::new(format!("{url}/pos/stripe/webhook"), secret("STRIPE_WEBHOOK_SECRETS"));
    let connect = WebhookTarget {
        connect: true,
        ..WebhookTarget::new(format!("{url}/pos/stripe/connect-webhooks"), secret("STRIPE_CONNECT_WEBHOOK_SECRETS"))
    };
    let config = stripe::Config {
        webhook_targets: vec![own, connect],
        data_dir,
        secret_key: Some(secret("STRIPE_SECRET_KEY")),
        ..stripe::Config::default()
    };
    Stripe::start(listen(options.port, 2).await?, config).await
}

pub(super) fn parameters(options: &Options, url: &str, aws: &Aws) -> anyhow::Result<BTreeMap<String, String>> {
    let mut parameters: BTreeMap<String, String> = [
        ("Stage", "local"),
        ("PublicUrl", url),
        ("StorefrontUrl", url),
        ("MailSender", if options.without_mail { "" } else { MAIL_SENDER }),
        ("RateLimit", if options.rate_limit { "on" } else { "off" }),
        ("LogLevel", &options.log),
        ("TicketsOrgId", &seed::ORG_ID.to_string()),
        ("StripePublishableKey", stripe::PUBLISHABLE_KEY),
        ("StripeProPrice", stripe::PRO_PRICE),
        ("StripeProCoupon", stripe::FIRST_MONTH),
        ("AppleBundleId", apple::BUNDLE_ID),
        ("AppleEnvironment", "Sandbox"),
        ("GooglePackage", apple::BUNDLE_ID),
        ("GooglePushAudience", GOOGLE_PUSH_AUDIENCE),
        ("GooglePushAccount", GOOGLE_PUSH_ACCOUNT),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    // Objects are read by path-style addresses, which need the bucket's name: a first reading of the template tells it.
    let template = Template::parse(&options.template, &parameters)?;
    if let (Some(endpoint), Some(bucket)) = (aws.endpoint("s3"), template.buckets()?.first()) {
        parameters.insert("MediaUrl".to_owned(), format!("{}/{}", endpoint.trim_end_matches('/'), bucket.name));
    }
    parameters.extend(options.parameters.clone());
    Ok(parameters)
}

pub(super) fn jwks_url(aws: &Aws, provisioned: &Provisioned) -> String {
    let base = aws.endpoint("cognito_identity_provider").map(str::to_owned);
    let base = base.unwrap_or_else(|| format!("https://cognito-idp.{REGION}.amazonaws.com"));
    format!("{}/{}/.well-known/jwks.json", base.trim_end_matches('/'), provisioned.user_pool_id)
}

/// What functions have over the template's environment.
pub(super) fn local_env(
    stripe: &Stripe,
    secrets: BTreeMap<String, String>,
    provisioned: &Provisioned,
    jwks_url: &str,
    apple_root: &str,
) -> BTreeMap<String, String> {
    let mut env = secrets;
    for (name, value) in [
        ("JWKS_URL", jwks_url),
        ("GOOGLE_JWKS_URL", jwks_url),
        ("APPLE_ROOTS", apple_root),
        ("STRIPE_API_BASE", stripe.url()),
        ("USER_POOL_CLIENT_SECRET", &provisioned.user_pool_client_secret),
        // Secrets are in the environment.
        ("SECRETS_PATH", ""),
        // An organization's endpoint is on this machine too.
        ("ALLOW_PRIVATE_ENDPOINTS", "true"),
    ] {
        env.insert(name.to_owned(), value.to_owned());
    }
    env
}

/// Functions of the same environment share a context, and so its connections.
pub(super) fn bind(
    specs: &[FunctionSpec],
    local: &BTreeMap<String, String>,
    aws: &Aws,
    clock: &Clock,
) -> anyhow::Result<Vec<(FunctionSpec, Ctx)>> {
    let mut contexts: BTreeMap<BTreeMap<String, String>, Ctx> = BTreeMap::new();
    let mut bound = Vec::new();
    for spec in specs {
        let mut env = spec.environment.clone();
        env.extend(local.clone());
        let ctx = match contexts.get(&env) {
            Some(ctx) => ctx.clone(),
            None => {
                let map = env.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
                let settings = Settings::from_map(&map).with_context(|| spec.logical_id.clone())?;
                let ctx = Ctx::new(settings, aws.clone(), clock.clone()).with_context(|| spec.logical_id.clone())?;
                contexts.insert(env, ctx.clone());
                ctx
            }
        };
        bound.push((spec.clone(), ctx));
    }
    Ok(bound)
}

/// What each function has in its environment, by the function's name: for its real binary.
pub(super) fn environments(
    specs: &[FunctionSpec],
    local: &BTreeMap<String, String>,
    aws: &HashMap<String, String>,
) -> Environments {
    let of = |spec: &FunctionSpec| {
        let mut env = spec.environment.clone();
        env.extend(local.clone());
        env.extend(aws.iter().map(|(name, value)| (name.clone(), value.clone())));
        (spec.name.clone(), env)
    };
    specs.iter().map(of).collect()
}

pub(super) fn urls(url: &str, aws: &Aws, stripe: &Stripe) -> Urls {
    Urls {
        api: url.to_owned(),
        control: format!("{url}/"),
        docs: format!("{url}/docs"),
        openapi: format!("{url}/openapi.json"),
        aws: aws.endpoint("dynamodb").unwrap_or_default().to_owned(),
        stripe: stripe.url().to_owned(),
        media: aws.endpoint("s3").unwrap_or_default().to_owned(),
    }
}

/// The page's router is owned by the server, so it must not keep the sources alive.
pub(super) fn fire_schedule(sources: &Arc<Sources>) -> FireSchedule {
    let sources = Arc::downgrade(sources);
    Arc::new(move |function: String| {
        let sources = sources.upgrade();
        async move { Some(sources?.run_schedule(&function).await?.map_err(anyhow::Error::from)) }.boxed()
    })
}

/// `GET /_local/env?function=`.
pub(super) fn show_environments(environments: Arc<Environments>) -> Router {
    Router::new().route("/_local/env", get(show_env)).with_state(environments)
}

#[derive(Deserialize)]
struct OfFunction {
    function: Option<String>,
}

/// The environment of a function as JSON, for scripts that run its real binary against this cloud.
async fn show_env(State(environments): State<Arc<Environments>>, Query(wanted): Query<OfFunction>) -> Response {
    let name = wanted.function.unwrap_or_default();
    match environments.get(&name) {
        Some(environment) => Json(environment).into_response(),
        None => {
            (StatusCode::NOT_FOUND, Json(json!({ "error": format!("there is no function {name:?}") }))).into_response()
        }
    }
}

pub(super) fn serve(listener: TcpListener, router: Router, mut stopping: watch::Receiver<bool>) -> JoinHandle<()> {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move {
        // The listener is wrapped, so that small answers go at once; the peer's address is still its own.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let stop = async move { drop(stopping.wait_for(|stop| *stop).await) };
        if let Err(error) = axum::serve(listener, service).with_graceful_shutdown(stop).await {
            tracing::error!(%error, "the gateway stopped");
        }
    })
}
