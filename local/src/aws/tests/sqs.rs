use std::time::{Duration, Instant};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName, SendMessageBatchRequestEntry};

use super::start;

async fn queue(client: &Client, name: &str) -> String {
    client.create_queue().queue_name(name).send().await.unwrap().queue_url.unwrap()
}

/// Bodies and receipts of what is received.
async fn receive(client: &Client, url: &str, wait: i32, hidden: i32) -> Vec<(String, String)> {
    let received = client.receive_message().queue_url(url).max_number_of_messages(10);
    let received = received.wait_time_seconds(wait).visibility_timeout(hidden).send().await.unwrap();
    let pair = |message: &aws_sdk_sqs::types::Message| {
        (message.body.clone().unwrap(), message.receipt_handle.clone().unwrap())
    };
    received.messages().iter().map(pair).collect()
}

#[tokio::test]
async fn a_long_poll_is_woken_by_a_message_and_by_the_end_of_a_delay() {
    let (endpoint, config) = start().await;
    let client = Client::new(&config);
    let url = queue(&client, "jobs").await;
    assert!(url.starts_with(endpoint.url()), "{url}");

    let (poller, polled) = (client.clone(), url.clone());
    let poll = tokio::spawn(async move { receive(&poller, &polled, 10, 30).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let started = Instant::now();
    client.send_message().queue_url(&url).message_body("now").send().await.unwrap();
    let received = poll.await.unwrap();
    assert_eq!(received[0].0, "now");
    assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
    client.delete_message().queue_url(&url).receipt_handle(&received[0].1).send().await.unwrap();

    let started = Instant::now();
    client.send_message().queue_url(&url).message_body("later").delay_seconds(1).send().await.unwrap();
    let stats = &endpoint.queues().stats()[0];
    assert_eq!((stats.depth, stats.delayed), (0, 1));
    assert_eq!(receive(&client, &url, 10, 30).await[0].0, "later");
    assert!((900..2000).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_message_that_fails_too_often_dies_and_can_be_moved_back() {
    let (endpoint, config) = start().await;
    let client = Client::new(&config);
    let dead = queue(&client, "jobs-dead").await;
    let url = queue(&client, "jobs").await;
    let policy = r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:123456789012:jobs-dead","maxReceiveCount":2}"#;
    let set = client.set_queue_attributes().queue_url(&url).attributes(QueueAttributeName::RedrivePolicy, policy);
    set.send().await.unwrap();
    client.send_message().queue_url(&url).message_body("poison").send().await.unwrap();

    for _ in 0..2 {
        assert_eq!(receive(&client, &url, 0, 0).await.len(), 1);
    }
    assert!(receive(&client, &url, 0, 0).await.is_empty());
    let stats = endpoint.queues().stats().into_iter().find(|stats| stats.name == "jobs").unwrap();
    assert_eq!((stats.depth, stats.dead, stats.dead_letter_queue.as_deref()), (0, 1, Some("jobs-dead")));
    assert_eq!(endpoint.queues().messages("jobs-dead")[0].body, "poison");

    let arn = client
        .get_queue_attributes()
        .queue_url(&dead)
        .attribute_names(QueueAttributeName::QueueArn)
        .send()
        .await
        .unwrap();
    let arn = arn.attributes().unwrap()[&QueueAttributeName::QueueArn].clone();
    client.start_message_move_task().source_arn(arn).send().await.unwrap();
    assert_eq!(receive(&client, &url, 0, 30).await.len(), 1);
}

#[tokio::test]
async fn visibility_hides_and_shows_and_an_old_receipt_deletes_nothing() {
    let (_endpoint, config) = start().await;
    let client = Client::new(&config);
    let url = queue(&client, "jobs").await;
    let entry = |id: &str| SendMessageBatchRequestEntry::builder().id(id).message_body(id).build().unwrap();
    let sent =
        client.send_message_batch().queue_url(&url).entries(entry("a")).entries(entry("b")).send().await.unwrap();
    assert_eq!(sent.successful().len(), 2);

    let first = receive(&client, &url, 0, 30).await;
    assert_eq!(first.len(), 2);
    assert!(receive(&client, &url, 0, 30).await.is_empty());
    let show = client.change_message_visibility().queue_url(&url).receipt_handle(&first[0].1).visibility_timeout(0);
    show.send().await.unwrap();
    let again = client
        .receive_message()
        .queue_url(&url)
        .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
    let again = again.send().await.unwrap();
    assert_eq!(again.messages()[0].attributes().unwrap()[&MessageSystemAttributeName::ApproximateReceiveCount], "2");

    client.delete_message().queue_url(&url).receipt_handle(&first[0].1).send().await.unwrap();
    let left =
        client.get_queue_attributes().queue_url(&url).attribute_names(QueueAttributeName::All).send().await.unwrap();
    assert_eq!(left.attributes().unwrap()[&QueueAttributeName::ApproximateNumberOfMessagesNotVisible], "2");

    let missing = client.receive_message().queue_url(format!("{url}-missing")).send().await.unwrap_err();
    assert!(missing.into_service_error().is_queue_does_not_exist());
}

#[tokio::test]
async fn a_message_is_of_xmls_characters() {
    let (_endpoint, config) = start().await;
    let client = Client::new(&config);
    let url = queue(&client, "jobs").await;
    for refused in ["\u{ffff}", "a\u{fffe}", "\u{0}", "\u{1f}"] {
        let sent = client.send_message().queue_url(&url).message_body(refused).send().await.unwrap_err();
        assert!(sent.into_service_error().is_invalid_message_contents(), "{refused:?}");
    }
    let entry =
        |id: &str, body: &str| SendMessageBatchRequestEntry::builder().id(id).message_body(body).build().unwrap();
    let batch = client.send_message_batch().queue_url(&url);
    let sent = batch.entries(entry("good", "\t\r\n \u{7f}\u{fffd}\u{10ffff}")).entries(entry("bad", "\u{ffff}"));
    let sent = sent.send().await.unwrap();
    assert_eq!((sent.successful().len(), sent.failed()[0].id()), (1, "bad"));
    assert_eq!(sent.failed()[0].code(), "InvalidMessageContents");
}
