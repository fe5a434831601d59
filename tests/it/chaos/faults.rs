//! The wire between the SDK and a world's services, and everything that goes wrong on it.
//!
//! It is below the SDK, where its own retries send each attempt anew, and above an embedded database that is called in
//! process: no sockets, no waiting, so that a seed is soon played and plays again as it did.

use std::{
    borrow::Cow,
    fmt,
    future::poll_fn,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

use aws_sdk_dynamodb::config::{AsyncSleep, Sleep};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
};
use aws_smithy_types::body::SdkBody;
use dynoxide::{Database, DynoxideError};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{planted::Planted, queues::Queues};

/// All chance of one world.
pub(super) struct Dice(Mutex<StdRng>);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Dice(Mutex::new(StdRng::seed_from_u64(seed)))
    }

    pub(super) fn random(&self) -> u64 {
        self.0.lock().unwrap().random()
    }

    pub(super) fn happens(&self, likely: f64) -> bool {
        self.0.lock().unwrap().random::<f64>() < likely
    }

    /// From `0` to below `end`.
    pub(super) fn below(&self, end: usize) -> usize {
        self.0.lock().unwrap().random_range(0..end)
    }

    pub(super) fn pick<T: Clone>(&self, things: &[T]) -> Option<T> {
        (!things.is_empty()).then(|| things[self.below(things.len())].clone())
    }

    /// After how many polls a worker dies, if it does.
    pub(super) fn death(&self, likely: f64) -> Option<usize> {
        self.happens(likely).then(|| self.below(40))
    }
}

/// Runs `work`, or lets it die at one of its awaits: what it has done stays done, and nobody hears of it.
pub(super) async fn mortal<T>(work: impl Future<Output = T>, death: Option<usize>) -> Option<T> {
    let Some(mut polls) = death else { return Some(work.await) };
    let mut work = pin!(work);
    poll_fn(|context| {
        if polls == 0 {
            return Poll::Ready(None);
        }
        polls -= 1;
        work.as_mut().poll(context).map(Some)
    })
    .await
}

/// Lets others run, as waiting would, and takes no time. What is as long as a timeout never ends.
#[derive(Debug)]
pub(super) struct NoTime;

impl AsyncSleep for NoTime {
    fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::new(async move {
            if duration >= Duration::from_secs(5) {
                std::future::pending::<()>().await;
            }
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Refused before anything was done.
    Throttle,
    /// Another transaction was at work on the item; nothing was done.
    Conflict,
    /// Never arrived.
    Unsent,
    /// Done, and the answer is lost: the connection broke.
    Broken,
    /// Done, and the answer is an error of the server.
    Lost,
    /// A batch of which only a part was read.
    Partial,
}

/// Everything that a world's SDK clients talk to.
pub(super) struct Wire {
    database: Database,
    pub(super) queues: Queues,
    /// Addresses of the e-mails that were accepted.
    pub(super) accepted: Mutex<Vec<String>>,
    pub(super) stormy: AtomicBool,
    dice: Arc<Dice>,
    planted: Option<Planted>,
    /// A hash of all that went over the wire so far.
    trace: Mutex<u64>,
}

impl Wire {
    pub(super) fn new(dice: Arc<Dice>, planted: Option<Planted>) -> Arc<Self> {
        Arc::new(Wire {
            database: Database::memory().unwrap(),
            queues: Queues::default(),
            accepted: Mutex::default(),
            stormy: AtomicBool::new(false),
            dice,
            planted,
            trace: Mutex::new(0xcbf2_9ce4_8422_2325),
        })
    }

    pub(super) fn http_client(self: &Arc<Self>) -> SharedHttpClient {
        let connector = SharedHttpConnector::new(Connector(self.clone()));
        http_client_fn(move |_, _| connector.clone())
    }

    pub(super) fn trace(&self) -> u64 {
        *self.trace.lock().unwrap()
    }

    pub(super) fn is_stormy(&self) -> bool {
        self.stormy.load(Ordering::Relaxed)
    }

    async fn answer(&self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let target = request.headers().get("x-amz-target").unwrap_or("SES.SendEmail").to_owned();
        let (service, action) = target.split_once('.').unwrap();
        let body = request.body().bytes().unwrap_or_default();
        self.wait().await;
        let fault = self.fault(service, action);
        self.note(action, fault);
        let (status, answer) = match fault {
            Some(Fault::Throttle) => refusal("ThrottlingException"),
            Some(Fault::Conflict) if action == "TransactWriteItems" => conflict(&read(body)),
            Some(Fault::Conflict) => refusal("TransactionConflictException"),
            Some(Fault::Unsent) => return Err(ConnectorError::io("never arrived".into())),
            _ => self.perform(service, action, body, fault == Some(Fault::Partial)),
        };
        self.wait().await;
        match fault {
            Some(Fault::Broken) => Err(ConnectorError::io("broke off".into())),
            Some(Fault::Lost) => {
                Ok(response(500, json!({"__type": "InternalServerError", "message": "lost"}).to_string()))
            }
            _ => Ok(response(status, answer)),
        }
    }

    /// Others come in between, more or less of them.
    async fn wait(&self) {
        if self.is_stormy() {
            for _ in 0..self.dice.below(4) {
                tokio::task::yield_now().await;
            }
        }
    }

    fn fault(&self, service: &str, action: &str) -> Option<Fault> {
        if !self.is_stormy() {
            return None;
        }
        let writes = ["TransactWriteItems", "UpdateItem", "PutItem", "DeleteItem"].contains(&action);
        match self.dice.below(1000) {
            0..20 => Some(Fault::Throttle),
            20..30 => Some(Fault::Unsent),
            30..50 => Some(Fault::Broken),
            50..70 => Some(Fault::Lost),
            70..100 if writes => Some(Fault::Conflict),
            70..100 if action == "BatchGetItem" => Some(Fault::Partial),
            100..250 if service == "SES" => Some(Fault::Throttle),
            _ => None,
        }
    }

    fn note(&self, action: &str, fault: Option<Fault>) {
        let mut trace = self.trace.lock().unwrap();
        for byte in format!("{action}{fault:?}").bytes() {
            *trace = (*trace ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn perform(&self, service: &str, action: &str, body: &[u8], partial: bool) -> (u16, String) {
        match service {
            "DynamoDB_20120810" => self.database(action, body, partial),
            "AmazonSQS" => (200, self.queues.handle(action, &read(body)).to_string()),
            "SES" => self.accept(&read(body)),
            other => panic!("{other} has no part in this"),
        }
    }

    /// Calls the database, as the SDK does but with nothing in between.
    pub(super) fn database(&self, action: &str, body: &[u8], partial: bool) -> (u16, String) {
        let (mut body, mut rest) = (Cow::from(body), None);
        if let Some(planted) = self.planted {
            body = planted.doctor(action, read(&body)).to_string().into_bytes().into();
        }
        if partial {
            let mut half = read(&body);
            rest = take_half(&mut half);
            body = half.to_string().into_bytes().into();
        }
        let (db, body) = (&self.database, &*body);
        let answer = match action {
            "CreateTable" => call(body, |r| db.create_table(r)),
            "DescribeTable" => call(body, |r| db.describe_table(r)),
            "PutItem" => call(body, |r| db.put_item(r)),
            "GetItem" => call(body, |r| db.get_item(r)),
            "UpdateItem" => call(body, |r| db.update_item(r)),
            "DeleteItem" => call(body, |r| db.delete_item(r)),
            "BatchGetItem" => call(body, |r| db.batch_get_item(r)),
            "TransactWriteItems" => call(body, |r| db.transact_write_items(r)),
            "Query" => call(body, |r| db.query(r)),
            "Scan" => call(body, |r| db.scan(r)),
            "DescribeStream" => call(body, |r| db.describe_stream(r)),
            "GetShardIterator" => call(body, |r| db.get_shard_iterator(r)),
            "GetRecords" => call(body, |r| db.get_records(r)),
            other => panic!("{other} has no part in this"),
        };
        match answer {
            Ok(answer) => match rest {
                Some(rest) => {
                    let mut answer = read(answer.as_bytes());
                    answer["UnprocessedKeys"] = rest;
                    (200, answer.to_string())
                }
                None => (200, answer),
            },
            Err(error) => (error.status_code(), error.to_json()),
        }
    }

    /// Some addresses are refused for good.
    fn accept(&self, body: &Value) -> (u16, String) {
        if self.is_stormy() && self.dice.happens(0.03) {
            return refusal("MessageRejected");
        }
        let address = body["Destination"]["ToAddresses"][0].as_str().unwrap_or_default();
        self.accepted.lock().unwrap().push(address.to_owned());
        (200, json!({"MessageId": "m"}).to_string())
    }
}

struct Connector(Arc<Wire>);

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let wire = self.0.clone();
        HttpConnectorFuture::new(async move { wire.answer(request).await })
    }
}

fn call<Q: DeserializeOwned, R: Serialize>(
    body: &[u8],
    operation: impl FnOnce(Q) -> dynoxide::Result<R>,
) -> dynoxide::Result<String> {
    let invalid = |error: serde_json::Error| DynoxideError::ValidationException(error.to_string());
    serde_json::to_string(&operation(serde_json::from_slice(body).map_err(invalid)?)?).map_err(invalid)
}

fn read(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}

fn response(status: u16, body: String) -> HttpResponse {
    HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))
}

fn refusal(code: &str) -> (u16, String) {
    (400, json!({"__type": code, "message": "on purpose"}).to_string())
}

/// One of the transaction's items was in another's hands.
fn conflict(body: &Value) -> (u16, String) {
    let actions = body["TransactItems"].as_array().map_or(0, Vec::len);
    let reason = |i: usize| json!({"Code": if i + 1 == actions { "TransactionConflict" } else { "None" }});
    let reasons: Vec<Value> = (0..actions).map(reason).collect();
    let code = "TransactionCanceledException";
    (400, json!({"__type": code, "message": "on purpose", "CancellationReasons": reasons}).to_string())
}

/// Leaves the second half of a batch for another call.
fn take_half(body: &mut Value) -> Option<Value> {
    let mut rest = body["RequestItems"].clone();
    let (table, wanted) = body["RequestItems"].as_object_mut()?.iter_mut().next()?;
    let keys = wanted["Keys"].as_array_mut()?;
    if keys.len() < 2 {
        return None;
    }
    rest[table]["Keys"] = Value::Array(keys.split_off(keys.len() / 2));
    Some(rest)
}
