//! A record of a table's stream, as Lambda's event has it.

use std::collections::HashMap;

use aws_sdk_dynamodbstreams::{
    primitives::Blob,
    types::{AttributeValue, Record, StreamRecord},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use crate::template::REGION;

/// The record in DynamoDB's own JSON.
pub fn to_json(record: &Record, stream_arn: &str) -> Value {
    let mut event = json!({
        "eventID": record.event_id,
        "eventName": record.event_name.as_ref().map(|name| name.as_str()),
        "eventVersion": record.event_version.as_deref().unwrap_or("1.1"),
        "eventSource": "aws:dynamodb",
        "awsRegion": REGION,
        "eventSourceARN": stream_arn,
        "dynamodb": record.dynamodb.as_ref().map(change),
    });
    if let Some(identity) = &record.user_identity {
        event["userIdentity"] = json!({ "principalId": identity.principal_id, "type": identity.r#type });
    }
    event
}

/// The sequence number of a record in Lambda's JSON.
pub fn sequence_number(record: &Value) -> &str {
    record["dynamodb"]["SequenceNumber"].as_str().unwrap_or_default()
}

fn change(change: &StreamRecord) -> Value {
    let mut json = json!({
        "ApproximateCreationDateTime": change.approximate_creation_date_time.map(|time| time.secs()),
        "Keys": change.keys.as_ref().map(item),
        "SequenceNumber": change.sequence_number,
        "SizeBytes": change.size_bytes,
        "StreamViewType": change.stream_view_type.as_ref().map(|kind| kind.as_str()),
    });
    for (name, image) in [("NewImage", &change.new_image), ("OldImage", &change.old_image)] {
        if let Some(image) = image {
            json[name] = item(image);
        }
    }
    json
}

fn item(item: &HashMap<String, AttributeValue>) -> Value {
    item.iter().map(|(name, value)| (name.clone(), attribute(value))).collect::<Map<_, _>>().into()
}

fn attribute(value: &AttributeValue) -> Value {
    let base64 = |bytes: &Blob| STANDARD.encode(bytes.as_ref());
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::B(bytes) => json!({ "B": base64(bytes) }),
        AttributeValue::Bool(value) => json!({ "BOOL": value }),
        AttributeValue::Null(value) => json!({ "NULL": value }),
        AttributeValue::L(items) => json!({ "L": items.iter().map(attribute).collect::<Vec<_>>() }),
        AttributeValue::M(fields) => json!({ "M": item(fields) }),
        AttributeValue::Ss(texts) => json!({ "SS": texts }),
        AttributeValue::Ns(numbers) => json!({ "NS": numbers }),
        AttributeValue::Bs(all) => json!({ "BS": all.iter().map(base64).collect::<Vec<_>>() }),
        // The SDK's own: a type that this version does not know.
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodbstreams::{
        primitives::DateTime,
        types::{OperationType, StreamViewType},
    };

    use super::*;

    #[test]
    fn a_record_is_as_lambda_sends_it() {
        let key = HashMap::from([("pk".to_owned(), AttributeValue::S("a".to_owned()))]);
        let mut image = key.clone();
        image.insert("n".to_owned(), AttributeValue::N("1".to_owned()));
        image
            .insert("list".to_owned(), AttributeValue::L(vec![AttributeValue::Bool(true), AttributeValue::Null(true)]));
        image.insert("map".to_owned(), AttributeValue::M(key.clone()));
        image.insert("bytes".to_owned(), AttributeValue::B(Blob::new(*b"\x01")));
        image.insert("set".to_owned(), AttributeValue::Ss(vec!["x".to_owned()]));
        let change = StreamRecord::builder()
            .approximate_creation_date_time(DateTime::from_secs(1_700_000_000))
            .set_keys(Some(key))
            .set_new_image(Some(image))
            .sequence_number("100000000000000000001")
            .size_bytes(42)
            .stream_view_type(StreamViewType::NewAndOldImages)
            .build();
        let record = Record::builder()
            .event_id("e1")
            .event_name(OperationType::Insert)
            .event_version("1.1")
            .aws_region("elsewhere")
            .dynamodb(change)
            .build();
        let event = to_json(&record, "arn:stream");
        assert_eq!(
            event,
            json!({
                "eventID": "e1",
                "eventName": "INSERT",
                "eventVersion": "1.1",
                "eventSource": "aws:dynamodb",
                "awsRegion": "eu-central-1",
                "eventSourceARN": "arn:stream",
                "dynamodb": {
                    "ApproximateCreationDateTime": 1_700_000_000,
                    "Keys": {"pk": {"S": "a"}},
                    "NewImage": {
                        "pk": {"S": "a"},
                        "n": {"N": "1"},
                        "list": {"L": [{"BOOL": true}, {"NULL": true}]},
                        "map": {"M": {"pk": {"S": "a"}}},
                        "bytes": {"B": "AQ=="},
                        "set": {"SS": ["x"]},
                    },
                    "SequenceNumber": "100000000000000000001",
                    "SizeBytes": 42,
                    "StreamViewType": "NEW_AND_OLD_IMAGES",
                },
            })
        );
        assert_eq!(sequence_number(&event), "100000000000000000001");
        let parsed: aws_lambda_events::dynamodb::Event = serde_json::from_value(json!({"Records": [event]})).unwrap();
        assert_eq!(parsed.records[0].event_name, "INSERT");
    }
}
