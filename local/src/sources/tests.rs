//! Event sources of a whole cloud, with a function of the test's own at their other end: what a running `cargo lambda
//! watch` would be.

use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::types::AttributeValue;
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path},
    http::StatusCode,
    routing::post,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::reported_failures;
use crate::{Chaos, Cloud, Data, Options};

/// What functions were sent: name and event.
type Seen = Arc<Mutex<Vec<(String, Value)>>>;

/// Serves functions that answer as `answer` says; `None` is a function that fails.
async fn functions(answer: fn(&Value) -> Option<Value>) -> (String, Seen) {
    let seen = Seen::default();
    let record = seen.clone();
    let invoke = async move |Path(name): Path<String>, Json(event): Json<Value>| {
        record.lock().unwrap().push((name, event.clone()));
        answer(&event).map(Json).ok_or(StatusCode::BAD_GATEWAY)
    };
    let path = "/2015-03-31/functions/{name}/invocations";
    let router = Router::new().route(path, post(invoke)).layer(DefaultBodyLimit::disable());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, seen)
}

async fn cloud(functions: &str, data: Data) -> Cloud {
    cloud_of(Options { data, via_lambda: Some(functions.to_owned()), ..Options::default() }).await
}

async fn cloud_of(options: Options) -> Cloud {
    let cloud = Cloud::start(options).await.unwrap();
    cloud.sources().pause();
    cloud
}

async fn put(cloud: &Cloud, name: &str) {
    let ctx = cloud.ctx("workers-outbox");
    let key = || AttributeValue::S(name.to_owned());
    let put = ctx.aws().dynamodb().put_item().table_name(&ctx.settings().table_name);
    put.item("pk", key()).item("sk", key()).send().await.unwrap();
}

/// Keys of all records that were handed over, by batch.
fn batches(seen: &Seen) -> Vec<Vec<String>> {
    let key = |record: &Value| record["dynamodb"]["Keys"]["pk"]["S"].as_str().unwrap().to_owned();
    let seen = seen.lock().unwrap();
    seen.iter().map(|(_, event)| event["Records"].as_array().unwrap().iter().map(key).collect()).collect()
}

#[tokio::test]
async fn a_message_that_fails_is_tried_again_and_ends_among_the_dead() {
    let (url, seen) = functions(|event| {
        let bad = event["Records"].as_array()?.iter().filter(|record| record["body"] == "bad");
        let failures: Vec<_> = bad.map(|record| json!({"itemIdentifier": record["messageId"]})).collect();
        Some(json!({ "batchItemFailures": failures }))
    })
    .await;
    let cloud = cloud(&url, Data::Memory).await;
    cloud.sources().set_chaos(Some(Chaos { retry_at_once: true, ..Chaos::default() }));
    let ctx = cloud.ctx("workers-email");
    for body in ["good", "bad", "also good"] {
        let send = ctx.sqs().send_message().queue_url(&ctx.settings().email_queue_url);
        send.message_body(body).send().await.unwrap();
    }
    cloud.drain().await;
    let stats = cloud.endpoint().unwrap().queues().stats();
    let email = stats.iter().find(|queue| queue.name == "fairground-local-email").unwrap();
    assert_eq!((email.depth, email.in_flight, email.dead), (0, 0, 1), "{stats:?}");
    let seen = seen.lock().unwrap();
    let bodies: Vec<&str> = seen
        .iter()
        .filter(|(name, _)| name == "workers-email")
        .flat_map(|(_, event)| event["Records"].as_array().unwrap())
        .map(|record| record["body"].as_str().unwrap())
        .collect();
    let count = |body: &str| bodies.iter().filter(|one| **one == body).count();
    assert_eq!((count("good"), count("also good"), count("bad")), (1, 1, 5));
}

#[tokio::test]
async fn a_record_that_always_fails_is_singled_out_and_given_up() {
    let (url, seen) = functions(|event| {
        let is_poison = |record: &Value| record["dynamodb"]["Keys"]["pk"]["S"] == "poison";
        (!event["Records"].as_array()?.iter().any(is_poison)).then(|| json!({}))
    })
    .await;
    // The project's own source gives nothing up.
    let template = Options::default().template.replace("MaximumRetryAttempts: -1", "MaximumRetryAttempts: 10");
    let cloud = cloud_of(Options { via_lambda: Some(url), template, ..Options::default() }).await;
    for name in ["a", "b", "poison", "c", "d"] {
        put(&cloud, name).await;
    }
    cloud.drain().await;
    let batches = batches(&seen);
    let handled: Vec<_> = batches.iter().filter(|batch| !batch.contains(&"poison".to_owned())).flatten().collect();
    assert_eq!(handled, ["a", "b", "c", "d"]);
    assert_eq!(batches.iter().filter(|batch| *batch == &["poison"]).count(), 11, "once, and ten times again");
    let dead = cloud.endpoint().unwrap().queues().messages("fairground-local-outbox-dead");
    let account: Value = serde_json::from_str(&dead[0].body).unwrap();
    assert_eq!((dead.len(), &account["DDBStreamBatchInfo"]["batchSize"]), (1, &json!(1)));
}

#[tokio::test]
async fn a_restart_goes_on_where_it_was() {
    let dir = std::env::temp_dir().join(format!("fairground-{}", uuid::Uuid::new_v4()));
    let (url, seen) = functions(|_| Some(json!({}))).await;
    let first = cloud(&url, Data::Dir(dir.clone())).await;
    put(&first, "before").await;
    first.drain().await;
    put(&first, "unread").await;
    first.stop().await;
    let second = cloud(&url, Data::Dir(dir.clone())).await;
    put(&second, "after").await;
    second.drain().await;
    assert_eq!(batches(&seen).concat(), ["before", "unread", "after"]);
    second.stop().await;
    std::fs::remove_dir_all(dir).unwrap();
}

#[tokio::test]
async fn a_schedule_fires_at_once_when_told_to() {
    let (url, seen) = functions(|_| Some(json!({}))).await;
    let cloud = cloud(&url, Data::Memory).await;
    cloud.run_schedule("workers-expiry").await.unwrap().unwrap();
    assert!(cloud.run_schedule("tickets-orders").await.is_none());
    let (name, event) = seen.lock().unwrap()[0].clone();
    assert_eq!(
        (name.as_str(), &event["source"], &event["detail-type"]),
        ("workers-expiry", &json!("aws.events"), &json!("Scheduled Event"))
    );
}

#[test]
fn reported_failures_are_read_as_lambda_reads_them() {
    let failures = |ids: Value| reported_failures(&json!({"batchItemFailures": ids}));
    assert_eq!(reported_failures(&Value::Null), Some(vec![]));
    assert_eq!(reported_failures(&json!({})), Some(vec![]));
    assert_eq!(failures(Value::Null), Some(vec![]));
    assert_eq!(failures(json!([])), Some(vec![]));
    assert_eq!(failures(json!([{"itemIdentifier": "a"}])), Some(vec!["a".to_owned()]));
    assert_eq!(failures(json!([{"itemIdentifier": ""}])), None);
    assert_eq!(failures(json!([{"itemIdentifier": null}])), None);
    assert_eq!(failures(json!([{"id": "a"}])), None);
    assert_eq!(failures(json!("a")), None);
}
