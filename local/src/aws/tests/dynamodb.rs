use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, Put, ScalarAttributeType,
    StreamSpecification, StreamViewType, TransactWriteItem,
};
use aws_sdk_dynamodbstreams::types::ShardIteratorType;

use super::{Dir, start, start_with};

async fn create_table(client: &Client) {
    let attribute = AttributeDefinition::builder().attribute_name("pk").attribute_type(ScalarAttributeType::S);
    let key = KeySchemaElement::builder().attribute_name("pk").key_type(KeyType::Hash);
    let stream = StreamSpecification::builder().stream_enabled(true).stream_view_type(StreamViewType::NewAndOldImages);
    client
        .create_table()
        .table_name("things")
        .attribute_definitions(attribute.build().unwrap())
        .key_schema(key.build().unwrap())
        .billing_mode(BillingMode::PayPerRequest)
        .stream_specification(stream.build().unwrap())
        .send()
        .await
        .unwrap();
}

fn put(pk: &str) -> Put {
    let put = Put::builder().table_name("things").item("pk", AttributeValue::S(pk.to_owned()));
    put.condition_expression("attribute_not_exists(pk)").build().unwrap()
}

#[tokio::test]
async fn a_cancelled_transaction_says_why_item_by_item() {
    let (_endpoint, config) = start().await;
    let client = Client::new(&config);
    create_table(&client).await;
    let write = |pk| client.transact_write_items().transact_items(TransactWriteItem::builder().put(put(pk)).build());
    write("one").send().await.unwrap();
    let both = write("one").transact_items(TransactWriteItem::builder().put(put("two")).build());
    let error = both.send().await.unwrap_err().into_service_error();
    assert!(error.is_transaction_canceled_exception(), "{error:?}");
    let aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(error) =
        error
    else {
        panic!("another error");
    };
    let codes: Vec<_> = error.cancellation_reasons().iter().map(|reason| reason.code().unwrap_or_default()).collect();
    assert_eq!(codes, ["ConditionalCheckFailed", "None"]);
}

#[tokio::test]
async fn the_stream_tells_what_was_written() {
    let (_endpoint, config) = start().await;
    let (client, streams) = (Client::new(&config), aws_sdk_dynamodbstreams::Client::new(&config));
    create_table(&client).await;
    client.put_item().table_name("things").item("pk", AttributeValue::S("one".into())).send().await.unwrap();

    let listed = streams.list_streams().table_name("things").send().await.unwrap();
    let arn = listed.streams()[0].stream_arn().unwrap();
    let described = streams.describe_stream().stream_arn(arn).send().await.unwrap();
    let shard = described.stream_description().unwrap().shards()[0].shard_id().unwrap().to_owned();
    let iterator = streams.get_shard_iterator().stream_arn(arn).shard_id(shard);
    let iterator = iterator.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.unwrap();
    let records = streams.get_records().set_shard_iterator(iterator.shard_iterator).send().await.unwrap();
    let image = records.records()[0].dynamodb().unwrap().new_image().unwrap();
    assert_eq!(image["pk"].as_s().unwrap(), "one");
}

#[tokio::test]
async fn items_survive_a_restart_and_refusals_are_worded_as_dynamodbs() {
    let dir = Dir::new();
    let (endpoint, config) = start_with(dir.data()).await;
    create_table(&Client::new(&config)).await;
    let kept = Client::new(&config).put_item().table_name("things").item("pk", AttributeValue::S("kept".into()));
    kept.send().await.unwrap();
    endpoint.shutdown().await;

    let (_endpoint, config) = start_with(dir.data()).await;
    let client = Client::new(&config);
    let found =
        client.get_item().table_name("things").key("pk", AttributeValue::S("kept".into())).send().await.unwrap();
    assert!(found.item().is_some());
    let error =
        client.put_item().table_name("things").item("pk", AttributeValue::N("1".into())).send().await.unwrap_err();
    let error = error.into_service_error();
    assert_eq!(error.code(), Some("ValidationException"));
    assert!(error.message().unwrap().contains("Type mismatch for key pk"), "{error:?}");
}
