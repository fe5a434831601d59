//! Structured logs: JSON lines on Lambda, with the request's id on each. No secrets, no personal data.

use std::future::Future;

use tracing::{Instrument, Level};
use tracing_subscriber::{Layer, filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

/// The level of our own crates, from a word such as `info`; libraries below speak only when they warn.
pub fn filter(level: &str) -> Targets {
    let level = level.parse().unwrap_or(Level::INFO);
    Targets::new().with_default(level).with_targets([
        ("aws_smithy_runtime", Level::WARN),
        ("aws_smithy_runtime_api", Level::WARN),
        ("aws_sdk_dynamodb", Level::WARN),
        ("hyper", Level::WARN),
        ("hyper_util", Level::WARN),
        ("rustls", Level::WARN),
    ])
}

/// Logs as JSON lines to standard output, where Lambda reads them. The level is the `LOG` setting.
#[expect(clippy::disallowed_methods, reason = "failing to read the settings is logged too")]
pub(crate) fn init_lambda() {
    let level = std::env::var("LOG").unwrap_or_default();
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .without_time()
        .with_filter(filter(&level));
    let _ = tracing_subscriber::registry().with(lines).try_init();
}

/// Runs `work` with the request's id on each line it logs.
pub(crate) async fn in_request<T>(request_id: &str, work: impl Future<Output = T>) -> T {
    work.instrument(tracing::info_span!("request", request_id)).await
}
