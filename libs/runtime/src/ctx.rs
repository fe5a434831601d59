//! The context of a handler: store, settings, clock, and clients that are made when they are first used.
//!
//! A client that a function never uses costs it nothing: not at init, and after link-time optimization not in size.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use appstores::{Apple, Play, Stores};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_runtime_api::client::{
    interceptors::SharedInterceptor, stalled_stream_protection::StalledStreamProtectionConfig,
};
use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};
use aws_types::{SdkConfig, region::Region, sdk_config::Builder as SdkBuilder};
use domain::{
    ids::UserId,
    link::{LinkPurpose, LinkSecret},
    tickets::{number::OrderNumber, secret::TicketSecret},
};
use identity::{Cognito, Jwks, PushVerifier, ServiceKeys, TokenVerifier};
use jiff::Timestamp;
use payments::{Register, Stripe, Till, billing::Billing};
use store::Store;
use uuid::Uuid;

use crate::{
    clock::Clock,
    files::Files,
    parameters::{Parameter, read_parameters},
    rate::RateLimiter,
    settings::{Settings, SettingsError},
};

/// How the AWS clients are made: region, credentials, endpoints.
#[derive(Clone, Debug)]
pub struct Aws {
    sdk: SdkConfig,
    region: String,
    credentials: Credentials,
    endpoints: HashMap<String, String>,
    interceptors: Vec<SharedInterceptor>,
    net: net::Client,
}

macro_rules! client {
    ($(#[$doc:meta])* $name:ident, $crate_name:ident, $service:literal) => {
        $(#[$doc])*
        pub fn $name(&self) -> $crate_name::Client {
            let mut config = $crate_name::config::Builder::from(&self.sdk);
            if let Some(url) = self.endpoints.get($service).or(self.endpoints.get("")) {
                config = config.endpoint_url(url);
            }
            for interceptor in &self.interceptors {
                config = config.interceptor(interceptor.clone());
            }
            $crate_name::Client::from_conf(config.build())
        }
    };
}

impl Aws {
    /// Reads what Lambda sets: `AWS_REGION`, `AWS_ACCESS_KEY_ID` and its companions, and the usual `AWS_ENDPOINT_URL` and
    /// `AWS_ENDPOINT_URL_<SERVICE>`. No profile files, no metadata services: they cost a cold start and are not there.
    pub fn from_map(map: &HashMap<String, String>) -> Self {
        let get = |name: &str| map.get(name).filter(|value| !value.is_empty()).cloned();
        let region = get("AWS_REGION").or(get("AWS_DEFAULT_REGION")).unwrap_or_else(|| "eu-central-1".into());
        let credentials = Credentials::new(
            get("AWS_ACCESS_KEY_ID").unwrap_or_default(),
            get("AWS_SECRET_ACCESS_KEY").unwrap_or_default(),
            get("AWS_SESSION_TOKEN"),
            None,
            "environment",
        );
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(1))
            .operation_attempt_timeout(Duration::from_secs(5))
            .operation_timeout(Duration::from_secs(15))
            .build();
        let net = net::Client::default();
        let sdk = SdkConfig::builder()
            .http_client(net.clone())
            .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
            .region(Region::new(region.clone()))
            .credentials_provider(SharedCredentialsProvider::new(credentials.clone()))
            .retry_config(RetryConfig::standard().with_max_attempts(4))
            .timeout_config(timeouts)
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        let endpoints = map
            .iter()
            .filter_map(|(name, url)| {
                let service = name.strip_prefix("AWS_ENDPOINT_URL")?.trim_start_matches('_').to_lowercase();
                (!url.is_empty()).then(|| (service, url.clone()))
            })
            .collect();
        Aws { sdk, region, credentials, endpoints, interceptors: vec![], net }
    }

    /// Lets `interceptor` see every call of every client; the chaos tests inject faults by it.
    pub fn with_interceptor(mut self, interceptor: SharedInterceptor) -> Self {
        self.interceptors.push(interceptor);
        self
    }

    /// Changes what all clients are made from; the chaos tests put their own wire and time below.
    pub fn with_sdk(mut self, change: impl FnOnce(SdkBuilder) -> SdkBuilder) -> Self {
        self.sdk = change(self.sdk.into_builder()).build();
        self
    }

    /// The region, `eu-central-1`.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// What requests are signed with: the function's role, as Lambda put it into the environment.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The connections of all clients.
    pub fn net(&self) -> &net::Client {
        &self.net
    }

    /// The endpoint that `service` (`dynamodb`, `sqs`, …) is reached at, when it is not AWS's own.
    pub fn endpoint(&self, service: &str) -> Option<&str> {
        self.endpoints.get(service).or(self.endpoints.get("")).map(String::as_str)
    }

    client!(
        /// A DynamoDB client.
        dynamodb, aws_sdk_dynamodb, "dynamodb"
    );
    client!(
        /// An SQS client.
        sqs, aws_sdk_sqs, "sqs"
    );
    client!(
        /// An SES client.
        ses, aws_sdk_sesv2, "sesv2"
    );
    client!(
        /// A Cognito client.
        cognito, aws_sdk_cognitoidentityprovider, "cognito_identity_provider"
    );
}

/// What every handler is given. Cheap to clone.
#[derive(Clone)]
pub struct Ctx(Arc<Inner>);

struct Inner {
    settings: Settings,
    aws: Aws,
    clock: Clock,
    store: OnceLock<Store>,
    limiter: RateLimiter,
    identity: OnceLock<Cognito>,
    verifier: OnceLock<TokenVerifier>,
    push_verifier: OnceLock<Option<PushVerifier>>,
    service_keys: Option<ServiceKeys>,
    stores: OnceLock<Stores>,
    stripe: OnceLock<Option<Stripe>>,
    sqs: OnceLock<aws_sdk_sqs::Client>,
    ses: OnceLock<aws_sdk_sesv2::Client>,
}

impl Ctx {
    /// A context from settings that are already whole (tests, the local cloud).
    pub fn new(settings: Settings, aws: Aws, clock: Clock) -> Result<Self, SettingsError> {
        let service_keys = settings
            .service_token_keys
            .as_deref()
            .map(ServiceKeys::parse)
            .transpose()
            .map_err(|e| SettingsError::Invalid("SERVICE_TOKEN_KEYS", e.to_string()))?;
        Ok(Ctx(Arc::new(Inner {
            settings,
            aws,
            clock,
            store: OnceLock::new(),
            limiter: RateLimiter::default(),
            identity: OnceLock::new(),
            verifier: OnceLock::new(),
            push_verifier: OnceLock::new(),
            service_keys,
            stores: OnceLock::new(),
            stripe: OnceLock::new(),
            sqs: OnceLock::new(),
            ses: OnceLock::new(),
        })))
    }

    /// A context from the process environment, as a Lambda starts; fetches the secrets when `SECRETS_PATH` is set.
    pub async fn from_env() -> Result<Self, SettingsError> {
        let mut map: HashMap<String, String> = std::env::vars().collect();
        let (aws, clock) = (Aws::from_map(&map), Clock::default());
        if let Some(path) = map.get("SECRETS_PATH").filter(|path| !path.is_empty()).cloned() {
            map.extend(read_secrets(&aws, &path, clock.now()).await?);
        }
        Ctx::new(Settings::from_map(&map)?, aws, clock)
    }

    /// The database.
    pub fn store(&self) -> &Store {
        self.0.store.get_or_init(|| Store::new(self.0.aws.dynamodb(), self.settings().table_name.clone()))
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// How AWS clients are made.
    pub fn aws(&self) -> &Aws {
        &self.0.aws
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Now, in whole milliseconds.
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Counts requests per address.
    pub(crate) fn limiter(&self) -> &RateLimiter {
        &self.0.limiter
    }

    /// Sign-in and its tokens.
    pub fn identity(&self) -> &Cognito {
        self.0.identity.get_or_init(|| {
            let s = self.settings();
            Cognito::new(
                self.0.aws.cognito(),
                s.user_pool_id.clone(),
                s.user_pool_client_id.clone(),
                s.user_pool_client_secret.clone(),
            )
        })
    }

    /// Verifies access tokens.
    pub fn verifier(&self) -> &TokenVerifier {
        self.0.verifier.get_or_init(|| {
            let s = self.settings();
            TokenVerifier::new(s.token_issuer.clone(), s.user_pool_client_id.clone(), s.jwks_url.clone())
                .over(self.0.aws.net.clone())
        })
    }

    /// Verifies Google's pushes; absent where no subscription is configured.
    pub fn push_verifier(&self) -> Option<&PushVerifier> {
        let make = || {
            let stores = &self.settings().stores;
            let (audience, account) = (stores.google_push_audience.as_ref()?, stores.google_push_account.as_ref()?);
            let keys = Jwks::new(stores.google_jwks_url.clone(), self.0.aws.net().clone());
            Some(PushVerifier::new(audience, account, keys))
        };
        self.0.push_verifier.get_or_init(make).as_ref()
    }

    /// Verifies service tokens; absent when none are configured.
    pub fn service_keys(&self) -> Option<&ServiceKeys> {
        self.0.service_keys.as_ref()
    }

    /// The app stores' purchases, proven.
    pub fn stores(&self) -> &Stores {
        self.0.stores.get_or_init(|| {
            let s = &self.settings().stores;
            let apple = s.apple_bundle_id.clone().map(|bundle_id| Apple {
                bundle_id,
                app_id: s.apple_app_id,
                sandbox: s.apple_sandbox,
                roots: s.apple_roots.clone(),
            });
            let play =
                s.google_package.as_deref().zip(s.google_service_account.as_deref()).map(|(package, account)| {
                    Play::new(account, package, s.google_play_base.as_deref(), self.0.aws.net().clone())
                });
            Stores { apple, google_package: s.google_package.clone(), play }
        })
    }

    /// Stripe; absent when payments are not configured.
    pub fn stripe(&self) -> Option<&Stripe> {
        let make = || {
            let s = self.settings();
            let client = |key| Stripe::new(key, s.stripe_api_base.as_deref()).over(self.0.aws.net.clone());
            s.stripe_secret_key.as_deref().map(client)
        };
        self.0.stripe.get_or_init(make).as_ref()
    }

    /// Where money is taken and given back, as of now.
    pub fn till(&self) -> Till<'_> {
        Till { store: self.store(), stripe: self.stripe(), now: self.now() }
    }

    /// Where the counter's card money is taken and given back, as of now.
    pub fn register(&self) -> Register<'_> {
        Register { store: self.store(), stripe: self.stripe(), now: self.now() }
    }

    /// Where subscriptions are sold and kept up with, as of now.
    pub fn billing(&self) -> Billing<'_> {
        Billing { store: self.store(), stripe: self.stripe(), plan: self.settings().plan.as_ref(), now: self.now() }
    }

    /// Queues.
    pub fn sqs(&self) -> &aws_sdk_sqs::Client {
        self.0.sqs.get_or_init(|| self.0.aws.sqs())
    }

    /// Files in the bucket, as of now.
    pub fn files(&self) -> Files<'_> {
        let Settings { bucket_name, media_url, .. } = self.settings();
        Files { aws: self.aws(), bucket: bucket_name, media_url, now: self.now() }
    }

    /// E-mail.
    pub fn ses(&self) -> &aws_sdk_sesv2::Client {
        self.0.ses.get_or_init(|| self.0.aws.ses())
    }

    /// The secret of an order's ticket; absent when its key is no longer configured.
    pub fn ticket_secret(&self, key_id: &str, number: OrderNumber, revision: u32) -> Option<TicketSecret> {
        TicketSecret::derive(&self.settings().qr_keys, key_id, number, revision)
    }

    /// The id of the key that the secret of a new link is derived with.
    pub fn new_link_key_id(&self) -> &str {
        self.settings().qr_keys.current()
    }

    /// The secret of a link; absent when its key is no longer configured.
    pub fn link_secret(&self, key_id: &str, purpose: LinkPurpose, id: Uuid) -> Option<LinkSecret> {
        LinkSecret::derive(&self.settings().qr_keys, key_id, purpose, id)
    }
}

/// A member's id as Cognito spells it.
pub fn parse_user(sub: &str) -> Option<UserId> {
    sub.parse().ok()
}

async fn read_secrets(aws: &Aws, path: &str, now: Timestamp) -> Result<HashMap<String, String>, SettingsError> {
    let parameters = read_parameters(aws, path.trim_end_matches('/'), now).await.map_err(|error| {
        tracing::error!(%error, path, "reading secrets failed");
        SettingsError::Secrets(path.to_owned())
    })?;
    let short = |Parameter { name, value }: Parameter| (name.rsplit('/').next().unwrap_or(&name).to_owned(), value);
    let secrets = parameters.into_iter().map(short);
    Ok(secrets.filter(|(name, _)| Settings::SECRET_NAMES.contains(&name.as_str())).collect())
}
