//! What becomes of a batch of stream records: which are done, which come again and in what batches, and which are given up.
//! Records of a shard are handled in order, so a batch that fails holds up all behind it.

use std::collections::VecDeque;

use serde_json::Value;

use super::{record::sequence_number, reported_failures};
use crate::template::model::StreamSource;

/// Records that are handed over together.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// In order.
    pub records: Vec<Value>,
    /// How often they were tried in vain.
    pub attempts: i64,
}

/// What the answer to a batch leads to.
#[derive(Debug, PartialEq)]
pub struct Verdict {
    /// Up to here (a sequence number) everything is done or given up.
    pub checkpoint: Option<String>,
    /// What comes next, before anything new.
    pub again: VecDeque<Batch>,
    /// A batch that was tried for the last time.
    pub given_up: Option<Batch>,
}

/// Judges the answer to a batch; `None` is a function that failed.
pub fn judge(batch: Batch, answer: Option<&Value>, spec: &StreamSource) -> Verdict {
    let done = |records: &[Value]| records.last().map(|record| sequence_number(record).to_owned());
    match first_failure(&batch, answer, spec) {
        None => Verdict { checkpoint: done(&batch.records), again: VecDeque::new(), given_up: None },
        // Some were handled: the rest starts afresh.
        Some(at) if at > 0 => {
            let rest = Batch { records: batch.records[at..].to_vec(), attempts: 0 };
            Verdict { checkpoint: done(&batch.records[..at]), again: VecDeque::from([rest]), given_up: None }
        }
        // Halving costs no attempt, as on AWS.
        Some(_) if spec.bisect_batch_on_function_error && batch.records.len() > 1 => {
            let mut first = batch;
            let second = Batch { records: first.records.split_off(first.records.len() / 2), attempts: first.attempts };
            Verdict { checkpoint: None, again: VecDeque::from([first, second]), given_up: None }
        }
        Some(_) => {
            let batch = Batch { attempts: batch.attempts + 1, ..batch };
            match spec.maximum_retry_attempts {
                Some(most) if most >= 0 && batch.attempts > most => {
                    Verdict { checkpoint: done(&batch.records), again: VecDeque::new(), given_up: Some(batch) }
                }
                _ => Verdict { checkpoint: None, again: VecDeque::from([batch]), given_up: None },
            }
        }
    }
}

/// Where the batch failed: at the earliest record that was reported, or at the first where the function failed, answered in
/// another shape, or named a record that it was not given.
fn first_failure(batch: &Batch, answer: Option<&Value>, spec: &StreamSource) -> Option<usize> {
    let reports = spec.function_response_types.iter().any(|kind| kind == "ReportBatchItemFailures");
    let answer = match answer {
        None => return Some(0),
        Some(_) if !reports => return None,
        Some(answer) => answer,
    };
    let Some(failures) = reported_failures(answer) else { return Some(0) };
    let position = |number: &String| batch.records.iter().position(|record| sequence_number(record) == number);
    failures.iter().map(|number| position(number).unwrap_or(0)).min()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(bisect: bool, retries: Option<i64>) -> StreamSource {
        serde_json::from_value(json!({
            "Stream": "arn",
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "BisectBatchOnFunctionError": bisect,
            "MaximumRetryAttempts": retries,
        }))
        .unwrap()
    }

    fn batch(numbers: std::ops::Range<u32>, attempts: i64) -> Batch {
        let records = numbers.map(|number| json!({"dynamodb": {"SequenceNumber": number.to_string()}})).collect();
        Batch { records, attempts }
    }

    fn failed(numbers: &[&str]) -> Value {
        let failures: Vec<_> = numbers.iter().map(|number| json!({"itemIdentifier": number})).collect();
        json!({ "batchItemFailures": failures })
    }

    #[test]
    fn success_moves_the_checkpoint_to_the_end() {
        let verdict = judge(batch(1..4, 2), Some(&failed(&[])), &spec(true, None));
        assert_eq!(verdict, Verdict { checkpoint: Some("3".to_owned()), again: VecDeque::new(), given_up: None });
    }

    #[test]
    fn the_earliest_failure_is_where_it_goes_on() {
        let verdict = judge(batch(1..6, 2), Some(&failed(&["4", "3"])), &spec(true, None));
        assert_eq!(verdict.checkpoint.as_deref(), Some("2"));
        assert_eq!(verdict.again, [batch(3..6, 0)]);
    }

    #[test]
    fn a_failed_batch_is_halved_and_then_counted() {
        let verdict = judge(batch(1..6, 1), None, &spec(true, Some(2)));
        assert_eq!(verdict.again, [batch(1..3, 1), batch(3..6, 1)]);
        let verdict = judge(batch(1..2, 1), None, &spec(true, Some(2)));
        assert_eq!(verdict.again, [batch(1..2, 2)]);
        let verdict = judge(batch(1..2, 2), Some(&failed(&["1"])), &spec(true, Some(2)));
        assert_eq!(verdict.checkpoint.as_deref(), Some("1"));
        assert_eq!(verdict.given_up, Some(batch(1..2, 3)));
    }

    #[test]
    fn without_a_bound_it_is_tried_for_ever() {
        for retries in [None, Some(-1)] {
            let verdict = judge(batch(1..3, 10_000), None, &spec(false, retries));
            assert_eq!((verdict.checkpoint, verdict.again), (None, VecDeque::from([batch(1..3, 10_001)])));
        }
    }

    #[test]
    fn nonsense_fails_the_batch() {
        for nonsense in [failed(&["unknown"]), failed(&[""]), json!({"batchItemFailures": 1})] {
            let verdict = judge(batch(1..2, 0), Some(&nonsense), &spec(false, None));
            assert_eq!(verdict.again, [batch(1..2, 1)]);
        }
        let silent = StreamSource { function_response_types: Vec::new(), ..spec(false, None) };
        assert_eq!(judge(batch(1..2, 0), Some(&failed(&["1"])), &silent).checkpoint.as_deref(), Some("1"));
    }
}
