//! A stand-in of a service of AWS, for the tests of what is asked without an SDK.

use std::sync::{Arc, Mutex};

use axum::{Router, body::to_bytes, extract::Request as Incoming};
use bytes::Bytes;
use http::{Request, StatusCode};

/// What it was asked.
pub(crate) type Asked = Arc<Mutex<Vec<Request<Bytes>>>>;

/// A service that answers with these, one after the other and the last one for ever, and keeps what it was asked. Its URL.
pub(crate) async fn answering(answers: Vec<(u16, String)>) -> (String, Asked) {
    let asked = Asked::default();
    let (keep, answers) = (asked.clone(), Arc::new(Mutex::new(answers)));
    let handler = move |request: Incoming| {
        let (keep, answers) = (keep.clone(), answers.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = to_bytes(body, usize::MAX).await.unwrap();
            keep.lock().unwrap().push(Request::from_parts(head, body));
            let mut answers = answers.lock().unwrap();
            let (status, body) = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
            (StatusCode::from_u16(status).unwrap(), body)
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(handler)).await });
    (url, asked)
}
