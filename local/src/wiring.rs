//! From the template's event sources to running ones.

use std::{collections::HashMap, path::Path, sync::Arc};

use anyhow::Context as _;
use aws_credential_types::Credentials;
use aws_sdk_dynamodbstreams::config::{BehaviorVersion, Region};
use runtime::{Aws, clock::Clock};

use crate::{
    aws::Queues,
    sources::{
        Hub, Polled, Sources,
        queue::QueueSourceTask,
        schedule::ScheduleTask,
        stream::{FailureQueue, StreamSourceTask},
    },
    template::{REGION, Template, model::SourceSpec},
};

/// Starts the event sources of all functions, paused. `own_queues` are those of this process, where SQS is ours.
pub fn start_sources(
    template: &Template,
    hub: Arc<Hub>,
    aws: &Aws,
    aws_env: &HashMap<String, String>,
    clock: &Clock,
    own_queues: Option<Queues>,
    data_dir: Option<&Path>,
) -> anyhow::Result<Sources> {
    let queue_urls = template.queue_urls()?;
    let url_of = |arn: &str| queue_urls.get(arn).cloned().with_context(|| format!("the template has no queue {arn}"));
    let (sqs, streams) = (aws.sqs(), streams_client(aws, aws_env));
    let (mut polled, mut schedules) = (Vec::new(), Vec::new());
    for spec in hub.functions.specs() {
        for source in &spec.sources {
            let (hub, function) = (hub.clone(), spec.name.clone());
            match source.clone() {
                SourceSpec::Queue(queue) if queue.enabled => {
                    let url = url_of(&queue.queue)?;
                    let own = own_queues.clone();
                    polled.push(Polled::Queue(QueueSourceTask::new(hub, sqs.clone(), own, url, function, queue)?));
                }
                SourceSpec::Stream(stream) if stream.enabled => {
                    let failures = match &stream.destination_config.on_failure {
                        Some(queue) => Some(FailureQueue { client: sqs.clone(), url: url_of(&queue.destination)? }),
                        None => None,
                    };
                    let task = StreamSourceTask::new(hub, streams.clone(), function, stream, failures, data_dir)?;
                    polled.push(Polled::Stream(task));
                }
                SourceSpec::Schedule(schedule) => {
                    schedules.push(ScheduleTask::new(hub, clock.clone(), function, schedule)?);
                }
                SourceSpec::Queue(_) | SourceSpec::Stream(_) => {}
            }
        }
    }
    // Streams first: what they bring makes messages for queues.
    polled.sort_by_key(|source| matches!(source, Polled::Queue(_)));
    Ok(Sources::start(polled, schedules, hub))
}

/// Lambda's own poller: the functions' contexts have no client for streams.
fn streams_client(aws: &Aws, env: &HashMap<String, String>) -> aws_sdk_dynamodbstreams::Client {
    let get = |name: &str| env.get(name).filter(|value| !value.is_empty()).cloned();
    let key = |name: &str| get(name).unwrap_or_default();
    let credentials =
        Credentials::new(key("AWS_ACCESS_KEY_ID"), key("AWS_SECRET_ACCESS_KEY"), get("AWS_SESSION_TOKEN"), None, "env");
    // Emulators serve streams where they serve tables.
    let endpoint = get("AWS_ENDPOINT_URL_DYNAMODB_STREAMS")
        .or_else(|| get("AWS_ENDPOINT_URL_DYNAMODB"))
        .or_else(|| get("AWS_ENDPOINT_URL"));
    let mut config = aws_sdk_dynamodbstreams::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(credentials)
        .http_client(aws.net().clone());
    config.set_endpoint_url(endpoint);
    aws_sdk_dynamodbstreams::Client::from_conf(config.build())
}
