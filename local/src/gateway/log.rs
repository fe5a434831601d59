//! The gateway's access log: one line per request, and the ring that the control page shows.

use std::{sync::Arc, time::Instant};

use http::Method;

use crate::requests::{Entry, Requests};

/// Measures one request from arrival to answer.
#[derive(Debug)]
pub struct AccessLog {
    requests: Arc<Requests>,
    started: Instant,
    request_id: String,
    method: Method,
    path: String,
}

impl AccessLog {
    /// Starts the clock for a request.
    pub fn start(requests: Arc<Requests>, request_id: &str, method: &Method, path: &str) -> Self {
        Self {
            requests,
            started: Instant::now(),
            request_id: request_id.to_owned(),
            method: method.clone(),
            path: path.to_owned(),
        }
    }

    /// Writes the line. `function` is who answered, if it was not the gateway itself.
    pub fn finish(self, status: u16, function: Option<&str>) {
        let ms = self.started.elapsed().as_secs_f64() * 1000.0;
        let method = self.method.as_str();
        tracing::info!(
            target: "gateway",
            status,
            ms = (ms * 10.0).round() / 10.0,
            function = function.unwrap_or("-"),
            "{method} {}",
            self.path
        );
        self.requests.record(Entry::new(method, &self.path, Some(status), ms, function, &self.request_id));
    }
}
