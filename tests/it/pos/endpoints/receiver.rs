//! What stands at the other end of a webhook: it keeps what it is sent, and answers as it is told.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Received {
    pub headers: HeaderMap,
    pub text: String,
    pub body: Value,
}

impl Received {
    pub fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    /// `webhook-id`.
    pub fn id(&self) -> &str {
        self.header("webhook-id")
    }

    /// The type of the event.
    pub fn kind(&self) -> &str {
        self.body["type"].as_str().unwrap()
    }

    /// The order it tells of.
    pub fn order(&self) -> &str {
        self.body["data"]["orderId"].as_str().unwrap_or_default()
    }

    /// How many of the signatures are by this secret, reckoned as the specification says and not by our own code.
    pub fn signatures_by(&self, secret: &str) -> usize {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(format!("{}.{}.{}", self.id(), self.header("webhook-timestamp"), self.text).as_bytes());
        let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        self.header("webhook-signature").split(' ').filter(|signature| *signature == expected).count()
    }

    /// How many signatures there are.
    pub fn signatures(&self) -> usize {
        self.header("webhook-signature").split(' ').count()
    }
}

#[derive(Default)]
struct Inner {
    received: Vec<Received>,
    answers: VecDeque<u16>,
    always: Option<u16>,
}

/// A server on this machine.
#[derive(Clone)]
pub struct Receiver {
    pub url: String,
    inner: Arc<Mutex<Inner>>,
}

impl Receiver {
    pub async fn start() -> Receiver {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?shop=1", listener.local_addr().unwrap());
        let inner = Arc::new(Mutex::new(Inner::default()));
        let routes = Router::new().fallback(receive).with_state(inner.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Receiver { url, inner }
    }

    /// Answers with this from now on.
    pub fn answer(&self, status: u16) {
        self.inner.lock().unwrap().always = Some(status);
    }

    /// Answers the next requests with these, and others as before.
    pub fn answer_next(&self, statuses: &[u16]) {
        self.inner.lock().unwrap().answers.extend(statuses);
    }

    /// Everything that came, in order.
    pub fn received(&self) -> Vec<Received> {
        self.inner.lock().unwrap().received.clone()
    }

    /// The types of what came of an order, sorted: no queue keeps an order.
    pub fn kinds_of(&self, order: &Value) -> Vec<String> {
        let of_it = self.received().into_iter().filter(|received| Some(received.order()) == order["id"].as_str());
        let mut kinds: Vec<String> = of_it.map(|received| received.kind().to_owned()).collect();
        kinds.sort();
        kinds
    }
}

async fn receive(State(inner): State<Arc<Mutex<Inner>>>, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    let text = String::from_utf8(body.to_vec()).unwrap();
    let received = Received { headers, body: serde_json::from_str(&text).unwrap(), text };
    let mut inner = inner.lock().unwrap();
    inner.received.push(received);
    let status = inner.answers.pop_front().or(inner.always).unwrap_or(204);
    let text = if status == 204 { String::new() } else { format!("I say {status}") };
    (StatusCode::from_u16(status).unwrap(), text)
}
