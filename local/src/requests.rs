//! The most recent requests and invocations, for the control page and for scripts.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use jiff::Timestamp;
use serde::Serialize;

/// How many are remembered.
const CAPACITY: usize = 500;

/// A request to the gateway, or an invocation by an event source.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    /// When it was finished.
    pub time: Timestamp,
    /// HTTP method, or `SQS`, `STREAM`, `SCHEDULE`.
    pub method: String,
    /// Path of the request (without its query), or the event source's name.
    pub path: String,
    /// HTTP status; an event source's invocation has 200, or 500 where it failed.
    pub status: Option<u16>,
    /// Milliseconds it took.
    pub ms: f64,
    /// The function that served it, if any did.
    pub function: Option<String>,
    /// Id of the request.
    pub request_id: String,
}

impl Entry {
    /// An entry that is finished now.
    #[expect(
        clippy::disallowed_methods,
        reason = "when something happened in this process, whatever clocks are set to"
    )]
    pub fn new(
        method: &str,
        path: &str,
        status: Option<u16>,
        ms: f64,
        function: Option<&str>,
        request_id: &str,
    ) -> Self {
        Self {
            time: Timestamp::now(),
            method: method.to_owned(),
            path: path.to_owned(),
            status,
            ms: (ms * 100.0).round() / 100.0,
            function: function.map(str::to_owned),
            request_id: request_id.to_owned(),
        }
    }
}

/// A ring of the most recent entries.
#[derive(Debug, Default)]
pub struct Requests(Mutex<VecDeque<Entry>>);

impl Requests {
    /// Adds an entry, and forgets the oldest when there are too many.
    pub fn record(&self, entry: Entry) {
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ring.len() == CAPACITY {
            ring.pop_front();
        }
        ring.push_back(entry);
    }

    /// All that is remembered, newest first.
    pub fn recent(&self) -> Vec<Entry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_come_first_and_the_oldest_go() {
        let requests = Requests::default();
        for number in 0..CAPACITY + 3 {
            requests.record(Entry::new("GET", &format!("/{number}"), Some(200), 1.0, None, "id"));
        }
        let recent = requests.recent();
        assert_eq!(recent.len(), CAPACITY);
        assert_eq!(recent[0].path, "/502");
        assert_eq!(recent[CAPACITY - 1].path, "/3");
    }
}
