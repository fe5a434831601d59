//! What the local cloud takes from the template, as plain data: intrinsic functions are already resolved.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;

/// A Lambda function.
#[derive(Debug, Clone)]
pub struct FunctionSpec {
    /// The template's name of it, such as `TicketsOrdersFunction`.
    pub logical_id: String,
    /// Package, binary and folder: `tickets-orders`.
    pub name: String,
    /// What an invocation may take.
    pub timeout: Duration,
    /// Memory in MB, as the function's context tells it.
    pub memory_mb: i32,
    /// The environment: the template's globals and the function's own.
    pub environment: BTreeMap<String, String>,
    /// Whether it has a function URL.
    pub has_url: bool,
    /// What invokes it besides the API.
    pub sources: Vec<SourceSpec>,
}

/// A route of the HTTP API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RouteSpec {
    /// Upper-case HTTP method, or `ANY`.
    pub method: String,
    /// Path with `{param}` and `{proxy+}`, or `$default`.
    pub path: String,
    /// The function that serves it: `tickets-orders`.
    pub function: String,
    /// Name of its authorizer; `None` is an open route.
    pub authorizer: Option<String>,
    /// Scopes of which a JWT must carry at least one.
    pub scopes: Vec<String>,
}

/// The HTTP API.
#[derive(Debug, Clone, Default)]
pub struct ApiSpec {
    /// Every route of every function.
    pub routes: Vec<RouteSpec>,
    /// Authorizers by name.
    pub authorizers: BTreeMap<String, AuthorizerSpec>,
    /// CORS of the whole API, if any.
    pub cors: Option<CorsSpec>,
}

/// An authorizer of the HTTP API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthorizerSpec {
    /// Verifies a JWT against its issuer's keys.
    Jwt {
        /// Where the token stands, such as `$request.header.Authorization`.
        identity_source: String,
        /// Required `iss`.
        issuer: String,
        /// Accepted `aud`, or `client_id` where a token has no `aud`.
        audience: Vec<String>,
        /// Scopes for routes that name none of their own.
        scopes: Vec<String>,
    },
    /// Asks a function.
    Lambda {
        /// The function that decides: `platform-authorizer`.
        function: String,
        /// What the answer depends on and is cached by, such as `$request.header.Authorization`.
        identity_sources: Vec<String>,
        /// How long an answer is kept; zero keeps none.
        ttl: Duration,
        /// Whether it answers `{isAuthorized, context}` rather than an IAM policy.
        simple_responses: bool,
    },
}

/// CORS of the HTTP API.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CorsSpec {
    /// Origins; `*` stands for any run of characters.
    #[serde(deserialize_with = "one_or_many")]
    pub allow_origins: Vec<String>,
    /// Methods.
    #[serde(deserialize_with = "one_or_many")]
    pub allow_methods: Vec<String>,
    /// Request headers.
    #[serde(deserialize_with = "one_or_many")]
    pub allow_headers: Vec<String>,
    /// Response headers that a page may read.
    #[serde(deserialize_with = "one_or_many")]
    pub expose_headers: Vec<String>,
    /// Whether a page may send credentials.
    pub allow_credentials: bool,
    /// Seconds that a preflight's answer may be kept.
    pub max_age: Option<u64>,
}

/// What invokes a function besides the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceSpec {
    /// Messages of a queue.
    Queue(QueueSource),
    /// Changes of a table.
    Stream(StreamSource),
    /// Time.
    Schedule(ScheduleSource),
}

/// How a function takes messages of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct QueueSource {
    /// ARN of the queue.
    pub queue: String,
    /// Most messages of one invocation.
    #[serde(default = "ten")]
    pub batch_size: i32,
    /// Seconds to wait for a full batch.
    #[serde(default)]
    pub maximum_batching_window_in_seconds: u64,
    /// `ReportBatchItemFailures`, if the function says which messages failed.
    #[serde(default)]
    pub function_response_types: Vec<String>,
    /// What of the messages the function wants.
    #[serde(default)]
    pub filter_criteria: FilterCriteria,
    /// Most invocations at a time.
    #[serde(default)]
    pub scaling_config: ScalingConfig,
    /// Whether messages are taken at all.
    #[serde(default = "yes")]
    pub enabled: bool,
}

/// Bounds of an event source's concurrency.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ScalingConfig {
    /// Most invocations at a time.
    pub maximum_concurrency: Option<usize>,
}

/// How a function takes changes of a table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct StreamSource {
    /// ARN of the stream.
    pub stream: String,
    /// Most records of one invocation.
    #[serde(default = "hundred")]
    pub batch_size: i32,
    /// `TRIM_HORIZON` or `LATEST`: where to begin when nothing has been read yet.
    #[serde(default = "trim_horizon")]
    pub starting_position: String,
    /// Seconds to wait for a full batch.
    #[serde(default)]
    pub maximum_batching_window_in_seconds: u64,
    /// `ReportBatchItemFailures`, if the function says where it stopped.
    #[serde(default)]
    pub function_response_types: Vec<String>,
    /// Whether a failed batch is halved before it is tried again.
    #[serde(default)]
    pub bisect_batch_on_function_error: bool,
    /// Tries after the first; absent or -1 is without end.
    #[serde(default)]
    pub maximum_retry_attempts: Option<i64>,
    /// What of the records the function wants.
    #[serde(default)]
    pub filter_criteria: FilterCriteria,
    /// Where the account of an abandoned batch goes.
    #[serde(default)]
    pub destination_config: DestinationConfig,
    /// Whether records are taken at all.
    #[serde(default = "yes")]
    pub enabled: bool,
}

/// Where the account of an abandoned batch goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DestinationConfig {
    /// After the last try.
    pub on_failure: Option<Destination>,
}

/// The ARN of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Destination {
    /// ARN of the queue.
    pub destination: String,
}

/// Event patterns: a record passes if it matches any of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct FilterCriteria {
    /// The patterns.
    pub filters: Vec<FilterSpec>,
}

/// One event pattern.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct FilterSpec {
    /// The pattern, as JSON text.
    pub pattern: String,
}

/// When a function is called by time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleSource {
    /// Name of the rule or schedule.
    pub name: String,
    /// `rate(…)` or `cron(…)`.
    pub expression: String,
    /// IANA time zone of a `cron(…)`; UTC where none is named.
    pub time_zone: Option<String>,
    /// The event, where the template gives one.
    pub input: Option<Value>,
    /// Whether it is EventBridge Scheduler's (`ScheduleV2`) rather than a rule (`Schedule`).
    pub is_scheduler: bool,
    /// Whether it fires at all.
    pub enabled: bool,
}

/// A table, as `CreateTable` wants it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TableSpec {
    /// The template's name of it.
    #[serde(skip)]
    pub logical_id: String,
    /// Name.
    #[serde(skip)]
    pub name: String,
    /// Key of the table.
    pub key_schema: Vec<KeySpec>,
    /// Attributes of all keys.
    pub attribute_definitions: Vec<AttributeSpec>,
    /// Global secondary indexes.
    #[serde(default)]
    pub global_secondary_indexes: Vec<IndexSpec>,
    /// The stream, if any.
    pub stream_specification: Option<StreamSpec>,
    /// The attribute by which items expire, if any.
    pub time_to_live_specification: Option<TtlSpec>,
}

/// One part of a key.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct KeySpec {
    /// Name of the attribute.
    pub attribute_name: String,
    /// `HASH` or `RANGE`.
    pub key_type: String,
}

/// Type of a key attribute.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AttributeSpec {
    /// Name of the attribute.
    pub attribute_name: String,
    /// `S`, `N` or `B`.
    pub attribute_type: String,
}

/// A global secondary index.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct IndexSpec {
    /// Name.
    pub index_name: String,
    /// Key of the index.
    pub key_schema: Vec<KeySpec>,
    /// What of the item the index holds.
    pub projection: ProjectionSpec,
}

/// What of the item an index holds.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ProjectionSpec {
    /// `ALL`, `KEYS_ONLY` or `INCLUDE`.
    pub projection_type: String,
    /// For `INCLUDE`.
    #[serde(default)]
    pub non_key_attributes: Vec<String>,
}

/// The stream of a table.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct StreamSpec {
    /// Such as `NEW_AND_OLD_IMAGES`.
    pub stream_view_type: String,
}

/// The attribute by which items expire.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TtlSpec {
    /// Name of the attribute, which holds Unix seconds.
    pub attribute_name: String,
    /// Whether items expire.
    pub enabled: bool,
}

/// A queue.
#[derive(Debug, Clone)]
pub struct QueueSpec {
    /// The template's name of it.
    pub logical_id: String,
    /// Name.
    pub name: String,
    /// Attributes as `CreateQueue` wants them, the redrive policy included.
    pub attributes: BTreeMap<String, String>,
}

/// A bucket.
#[derive(Debug, Clone)]
pub struct BucketSpec {
    /// The template's name of it.
    pub logical_id: String,
    /// Name.
    pub name: String,
    /// CORS rules.
    pub cors: Vec<BucketCorsRule>,
}

/// A CORS rule of a bucket.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct BucketCorsRule {
    /// Origins.
    #[serde(deserialize_with = "one_or_many")]
    pub allowed_origins: Vec<String>,
    /// Methods.
    #[serde(deserialize_with = "one_or_many")]
    pub allowed_methods: Vec<String>,
    /// Request headers.
    #[serde(default, deserialize_with = "one_or_many")]
    pub allowed_headers: Vec<String>,
    /// Response headers that a page may read.
    #[serde(default, deserialize_with = "one_or_many")]
    pub exposed_headers: Vec<String>,
    /// Seconds that a preflight's answer may be kept.
    pub max_age: Option<i32>,
}

/// A Cognito user pool with its client and groups.
#[derive(Debug, Clone)]
pub struct UserPoolSpec {
    /// The template's name of it.
    pub logical_id: String,
    /// Name.
    pub name: String,
    /// Its properties as the template gives them, resolved.
    pub properties: Value,
    /// Clients: the template's name and the resolved properties.
    pub clients: Vec<(String, Value)>,
    /// Names of its groups.
    pub groups: Vec<String>,
}

fn one_or_many<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    match Value::deserialize(from)? {
        Value::Array(items) => Ok(items.iter().map(super::intrinsics::text).collect()),
        Value::String(one) => Ok(one.split(',').map(|item| item.trim().trim_matches('\'').to_owned()).collect()),
        Value::Null => Ok(Vec::new()),
        other => Err(de::Error::custom(format!("a list of strings was expected, not {other}"))),
    }
}

fn ten() -> i32 {
    10
}

fn hundred() -> i32 {
    100
}

fn yes() -> bool {
    true
}

fn trim_horizon() -> String {
    "TRIM_HORIZON".to_owned()
}
