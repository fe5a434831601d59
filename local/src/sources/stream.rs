//! The stream of a table that invokes a function: shards in order, batches, retries, and checkpoints that survive a restart.

use std::{
    collections::{BTreeMap, VecDeque},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use aws_sdk_dynamodbstreams::{
    Client,
    types::{Shard, ShardIteratorType},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::{
    Hub, Step,
    batch::{Batch, judge},
    filter::Filter,
    record::{sequence_number, to_json},
};
use crate::{functions::function_arn, template::model::StreamSource};

/// New shards are looked for this often.
const LIST_SHARDS_EVERY: Duration = Duration::from_secs(10);

/// Where the account of a batch goes that was given up: a queue.
#[derive(Debug, Clone)]
pub struct FailureQueue {
    /// Client of the queue.
    pub client: aws_sdk_sqs::Client,
    /// URL of the queue.
    pub url: String,
}

/// One stream and the function that takes its records.
pub struct StreamSourceTask {
    hub: Arc<Hub>,
    client: Client,
    function: String,
    spec: StreamSource,
    filter: Filter,
    failure_queue: Option<FailureQueue>,
    state: Mutex<State>,
}

struct State {
    checkpoints: Checkpoints,
    shards: BTreeMap<String, ShardState>,
    listed: Option<Instant>,
}

#[derive(Default)]
struct ShardState {
    parent: Option<String>,
    iterator: Option<String>,
    pending: VecDeque<Batch>,
    /// The shard takes no more records, and all of it has been read.
    is_read: bool,
}

impl StreamSourceTask {
    /// The stream, whose records go to `function`. Checkpoints are kept in `data_dir`, if there is one.
    pub fn new(
        hub: Arc<Hub>,
        client: Client,
        function: String,
        spec: StreamSource,
        failure_queue: Option<FailureQueue>,
        data_dir: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let filter = Filter::new(&spec.filter_criteria)?;
        let file = data_dir.map(|dir| dir.join(format!("stream-{function}.json")));
        let checkpoints = Checkpoints::load(file, &spec.stream)?;
        let state = Mutex::new(State { checkpoints, shards: BTreeMap::new(), listed: None });
        Ok(Self { hub, client, function, spec, filter, failure_queue, state })
    }

    /// Name of the stream's table.
    pub fn name(&self) -> &str {
        self.spec.stream.split('/').nth(1).unwrap_or_default()
    }

    /// Takes the next batch of each shard and hands it over.
    pub async fn step(&self, in_a_hurry: bool) -> anyhow::Result<Step> {
        let mut state = self.state.lock().await;
        if state.listed.is_none_or(|at| at.elapsed() > LIST_SHARDS_EVERY) {
            self.list_shards(&mut state).await?;
        }
        let (mut handled, mut failed) = (0, false);
        for id in state.shards.keys().cloned().collect::<Vec<_>>() {
            match self.step_shard(&mut state, &id, in_a_hurry).await? {
                Step::Idle => {}
                Step::Handled(count) => handled += count,
                Step::Failed => failed = true,
            }
        }
        Ok(match handled {
            _ if failed => Step::Failed,
            0 => Step::Idle,
            count => Step::Handled(count),
        })
    }

    async fn list_shards(&self, state: &mut State) -> anyhow::Result<()> {
        let (mut start, mut shards) = (None, Vec::<Shard>::new());
        loop {
            let page = self
                .client
                .describe_stream()
                .stream_arn(&self.spec.stream)
                .set_exclusive_start_shard_id(start)
                .send()
                .await
                .with_context(|| format!("describing the stream of {}", self.name()))?;
            let Some(description) = page.stream_description else { break };
            shards.extend(description.shards.unwrap_or_default());
            start = description.last_evaluated_shard_id;
            if start.is_none() {
                break;
            }
        }
        state.listed = Some(Instant::now());
        for shard in shards {
            let Some(id) = shard.shard_id else { continue };
            state
                .shards
                .entry(id)
                .or_insert_with(|| ShardState { parent: shard.parent_shard_id, ..ShardState::default() });
        }
        Ok(())
    }

    async fn step_shard(&self, state: &mut State, id: &str, in_a_hurry: bool) -> anyhow::Result<Step> {
        let State { checkpoints, shards, listed } = state;
        // A shard's records come after all of its parent's.
        let parent = shards.get(id).and_then(|shard| shard.parent.clone());
        if parent.is_some_and(|parent| shards.get(&parent).is_some_and(|parent| !parent.is_finished())) {
            return Ok(Step::Idle);
        }
        let Some(shard) = shards.get_mut(id) else { return Ok(Step::Idle) };
        if shard.pending.is_empty() && !shard.is_read {
            self.read(shard, id, checkpoints.of(id), in_a_hurry).await?;
            if shard.is_read {
                *listed = None;
            }
        }
        let Some(batch) = shard.pending.pop_front() else { return Ok(Step::Idle) };
        let count = batch.records.len();
        let answer = self.hand_over(&batch).await;
        if answer.is_some() && self.hub.functions.dice().happens(|chaos| chaos.repeat) {
            // As after a crash before the checkpoint: the same batch once more.
            shard.pending.push_front(batch);
            return Ok(Step::Handled(count));
        }
        let verdict = judge(batch, answer.as_ref(), &self.spec);
        let made_progress = verdict.checkpoint.is_some();
        if let Some(batch) = &verdict.given_up {
            self.give_up(batch, id).await?;
        }
        for batch in verdict.again.into_iter().rev() {
            shard.pending.push_front(batch);
        }
        if let Some(checkpoint) = verdict.checkpoint {
            checkpoints.set(id, checkpoint)?;
        }
        Ok(if made_progress { Step::Handled(count) } else { Step::Failed })
    }

    /// Reads the next records. A failed read forgets the iterator, so that the next begins at the checkpoint.
    async fn read(
        &self,
        shard: &mut ShardState,
        id: &str,
        checkpoint: Option<&str>,
        in_a_hurry: bool,
    ) -> anyhow::Result<()> {
        let window = Duration::from_secs(self.spec.maximum_batching_window_in_seconds);
        let (size, began) = (usize::try_from(self.spec.batch_size).unwrap_or(1), Instant::now());
        let mut records = Vec::new();
        loop {
            let iterator = match shard.iterator.take() {
                Some(iterator) => iterator,
                None => self.iterator(id, checkpoint).await?,
            };
            let room = size - records.len();
            let request = self.client.get_records().shard_iterator(iterator).limit(i32::try_from(room)?);
            let page = request.send().await.with_context(|| format!("reading the stream of {}", self.name()))?;
            shard.iterator = page.next_shard_iterator;
            shard.is_read = shard.iterator.is_none();
            records.extend(page.records.unwrap_or_default());
            let may_wait = !in_a_hurry && !records.is_empty() && records.len() < size && began.elapsed() < window;
            if !may_wait || shard.is_read {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if !records.is_empty() {
            let records = records.iter().map(|record| to_json(record, &self.spec.stream)).collect();
            shard.pending.push_back(Batch { records, attempts: 0 });
        }
        Ok(())
    }

    async fn iterator(&self, id: &str, checkpoint: Option<&str>) -> anyhow::Result<String> {
        let request = self.client.get_shard_iterator().stream_arn(&self.spec.stream).shard_id(id);
        let fresh = ShardIteratorType::from(self.spec.starting_position.as_str());
        if let Some(checkpoint) = checkpoint {
            let after = request.clone().shard_iterator_type(ShardIteratorType::AfterSequenceNumber);
            match after.sequence_number(checkpoint).send().await {
                Ok(answer) => return answer.shard_iterator.context("no shard iterator"),
                Err(error)
                    if error.as_service_error().is_some_and(|error| error.is_trimmed_data_access_exception()) =>
                {
                    tracing::warn!(shard = id, "records behind the checkpoint are gone");
                }
                Err(error) => return Err(error).with_context(|| format!("beginning at {checkpoint}")),
            }
        }
        let answer = request.shard_iterator_type(fresh).send().await.with_context(|| format!("beginning at {id}"))?;
        answer.shard_iterator.context("no shard iterator")
    }

    /// `None` where the function failed.
    async fn hand_over(&self, batch: &Batch) -> Option<Value> {
        let wanted: Vec<&Value> = batch.records.iter().filter(|record| self.filter.passes(record)).collect();
        if wanted.is_empty() {
            return Some(Value::Null);
        }
        self.hub.invoke("STREAM", self.name(), &self.function, json!({ "Records": wanted })).await.ok()
    }

    /// Tells the failure queue where the batch was, as Lambda does; without one, only the log knows.
    async fn give_up(&self, batch: &Batch, shard: &str) -> anyhow::Result<()> {
        let end = |record: Option<&Value>| record.map(sequence_number).unwrap_or_default().to_owned();
        let (first, last) = (end(batch.records.first()), end(batch.records.last()));
        tracing::error!(function = self.function, first, last, "records of the stream are given up");
        let Some(queue) = &self.failure_queue else { return Ok(()) };
        let arrival =
            |record: Option<&Value>| record.map(|record| record["dynamodb"]["ApproximateCreationDateTime"].clone());
        let account = json!({
            "requestContext": {
                "requestId": Uuid::new_v4().to_string(),
                "functionArn": function_arn(&self.function),
                "condition": "RetryAttemptsExhausted",
                "approximateInvokeCount": batch.attempts,
            },
            "responseContext": { "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled" },
            "version": "1.0",
            "DDBStreamBatchInfo": {
                "shardId": shard,
                "startSequenceNumber": first,
                "endSequenceNumber": last,
                "approximateArrivalOfFirstRecord": arrival(batch.records.first()),
                "approximateArrivalOfLastRecord": arrival(batch.records.last()),
                "batchSize": batch.records.len(),
                "streamArn": self.spec.stream,
            },
        });
        let send = queue.client.send_message().queue_url(&queue.url).message_body(account.to_string());
        send.send().await.context("telling of records that are given up")?;
        Ok(())
    }
}

impl ShardState {
    fn is_finished(&self) -> bool {
        self.is_read && self.pending.is_empty()
    }
}

/// How far each shard has been handled, in a file where data is kept.
struct Checkpoints {
    file: Option<PathBuf>,
    kept: Kept,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    stream: String,
    shards: BTreeMap<String, String>,
}

impl Checkpoints {
    /// What an earlier run left, if it was of the same stream.
    fn load(file: Option<PathBuf>, stream: &str) -> anyhow::Result<Self> {
        let kept = match file.as_ref().map(std::fs::read) {
            Some(Ok(bytes)) => serde_json::from_slice(&bytes).unwrap_or_default(),
            _ => Kept::default(),
        };
        let kept =
            if kept.stream == stream { kept } else { Kept { stream: stream.to_owned(), shards: BTreeMap::new() } };
        Ok(Self { file, kept })
    }

    fn of(&self, shard: &str) -> Option<&str> {
        self.kept.shards.get(shard).map(String::as_str)
    }

    /// Writes beside the file first: a crash leaves the old one or the new one.
    fn set(&mut self, shard: &str, checkpoint: String) -> anyhow::Result<()> {
        self.kept.shards.insert(shard.to_owned(), checkpoint);
        if let Some(file) = &self.file {
            let fresh = file.with_extension("new");
            std::fs::write(&fresh, serde_json::to_vec(&self.kept)?)?;
            std::fs::rename(&fresh, file).with_context(|| format!("writing {}", file.display()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_survive_but_only_for_their_stream() {
        let dir = std::env::temp_dir().join(format!("fairground-{}", Uuid::new_v4()));
        std::fs::create_dir_all(&dir).unwrap();
        let file = Some(dir.join("stream-f.json"));
        let mut checkpoints = Checkpoints::load(file.clone(), "arn:1").unwrap();
        assert_eq!(checkpoints.of("shard"), None);
        checkpoints.set("shard", "42".to_owned()).unwrap();
        assert_eq!(Checkpoints::load(file.clone(), "arn:1").unwrap().of("shard"), Some("42"));
        assert_eq!(Checkpoints::load(file, "arn:2").unwrap().of("shard"), None);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
