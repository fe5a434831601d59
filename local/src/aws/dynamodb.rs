//! DynamoDB and its streams: dynoxide, called in process.
//!
//! dynoxide has an HTTP server of its own, but only on a socket of its own; a second hop would cost more than most
//! requests do. What its server does besides (wording of errors for malformed JSON types, checks of the signature's
//! form) an SDK client never sees.

use axum::body::Body;
use axum::http::{Response, StatusCode, header};
use bytes::Bytes;
use dynoxide::{Database, DynoxideError};
use rusqlite::Connection;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::disk::Data;
use super::wire::Fault;

/// dynoxide looks for a stream's newest record at each write, and for those after a position at each read. Without this it
/// reads all there ever were: a hundred thousand writes would take hours.
const STREAM_INDEX: &str = "CREATE INDEX IF NOT EXISTS _stream_records_by_number
    ON _stream_records (table_name, CAST(sequence_number AS INTEGER))";

/// Opens the database: one SQLite file, or memory.
pub(super) fn open(data: &Data) -> anyhow::Result<Database> {
    let url = match data.path("dynamodb.sqlite") {
        Some(path) => path.to_string_lossy().into_owned(),
        // Named and shared, so that a second connection sees it; gone with its last one.
        None => format!("file:{}?mode=memory&cache=shared", Uuid::new_v4()),
    };
    let database = Database::new(&url)?;
    Connection::open(&url)?.execute(STREAM_INDEX, [])?;
    Ok(database)
}

/// Answers one action of `DynamoDB_20120810` or `DynamoDBStreams_20120810`.
pub(super) fn handle(db: &Database, action: &str, body: &Bytes) -> Response<Body> {
    let (status, json) = match dispatch(db, action, body) {
        Some(Ok(json)) => (StatusCode::OK, json),
        Some(Err(error)) => {
            let error = in_envelope(action, error);
            let status = StatusCode::from_u16(error.status_code()).unwrap_or(StatusCode::BAD_REQUEST);
            (status, error.to_json())
        }
        None => return Fault::unknown_operation("DynamoDB", action).into_json(),
    };
    let mut response = Response::new(Body::from(json));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/x-amz-json-1.0"));
    response
}

fn dispatch(db: &Database, action: &str, body: &[u8]) -> Option<dynoxide::Result<String>> {
    Some(match action {
        "CreateTable" => call(body, |r| db.create_table(r)),
        "DeleteTable" => call(body, |r| db.delete_table(r)),
        "DescribeTable" => call(body, |r| db.describe_table(r)),
        "UpdateTable" => call(body, |r| db.update_table(r)),
        "ListTables" => call(body, |r| db.list_tables(r)),
        "TagResource" => call(body, |r| db.tag_resource(r)),
        "UntagResource" => call(body, |r| db.untag_resource(r)),
        "ListTagsOfResource" => call(body, |r| db.list_tags_of_resource(r)),
        "UpdateTimeToLive" => call(body, |r| db.update_time_to_live(r)),
        "DescribeTimeToLive" => call(body, |r| db.describe_time_to_live(r)),
        "PutItem" => call(body, |r| db.put_item(r)),
        "GetItem" => call(body, |r| db.get_item(r)),
        "UpdateItem" => call(body, |r| db.update_item(r)),
        "DeleteItem" => call(body, |r| db.delete_item(r)),
        "BatchGetItem" => call(body, |r| db.batch_get_item(r)),
        "BatchWriteItem" => call(body, |r| db.batch_write_item(r)),
        "TransactGetItems" => call(body, |r| db.transact_get_items(r)),
        "TransactWriteItems" => call(body, |r| db.transact_write_items(r)),
        "Query" => call(body, |r| db.query(r)),
        "Scan" => call(body, |r| db.scan(r)),
        "ExecuteStatement" => call(body, |r| db.execute_statement(r)),
        "ExecuteTransaction" => call(body, |r| db.execute_transaction(r)),
        "BatchExecuteStatement" => call(body, |r| db.batch_execute_statement(r)),
        "ListStreams" => call(body, |r| db.list_streams(r)),
        "DescribeStream" => call(body, |r| db.describe_stream(r)),
        "GetShardIterator" => call(body, |r| db.get_shard_iterator(r)),
        "GetRecords" => call(body, |r| db.get_records(r)),
        _ => return None,
    })
}

fn call<Q: DeserializeOwned, R: Serialize>(
    body: &[u8],
    operation: impl FnOnce(Q) -> dynoxide::Result<R>,
) -> dynoxide::Result<String> {
    let request = serde_json::from_slice(body).map_err(|error| refused(&error.to_string()))?;
    let answer = operation(request)?;
    serde_json::to_string(&answer).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

/// dynoxide's types refuse invalid values while they are read, and mark the message with the kind of error it is.
fn refused(message: &str) -> DynoxideError {
    let words = message.rsplit_once(" at line ").map_or(message, |(words, _)| words);
    match words.split_once(':') {
        Some(("SERIALIZATION" | "SERIALIZATION_AS_READ", rest)) => {
            DynoxideError::SerializationException(rest.to_owned())
        }
        Some(("VALIDATION" | "VALIDATION_AS_READ", rest)) => DynoxideError::ValidationException(rest.to_owned()),
        Some(("VALIDATION_REQUEST", rest)) => DynoxideError::EnvelopedValidation(rest.to_owned()),
        _ => DynoxideError::ValidationException(words.to_owned()),
    }
}

/// DynamoDB counts validation errors in the message of these three actions, and in no other.
fn in_envelope(action: &str, error: DynoxideError) -> DynoxideError {
    match (action, error) {
        ("PutItem" | "UpdateItem" | "DeleteItem", DynoxideError::EnvelopedValidation(message)) => {
            DynoxideError::ValidationException(format!("1 validation error detected: {message}"))
        }
        (_, error) => error,
    }
}
