use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use aws_sdk_sqs::{
    config::{BehaviorVersion, Credentials, Region, SharedHttpClient, retry::RetryConfig, timeout::TimeoutConfig},
    error::SdkError,
};
use axum::{Router, extract::Request as Incoming, routing};
use http::StatusCode;
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
};

use super::*;

const LIMITS: Limits =
    Limits { connect: Duration::from_millis(500), total: Duration::from_secs(2), answer_bytes: 1000 };

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

async fn serve(routes: Router) -> String {
    let (listener, url) = listen().await;
    tokio::spawn(async move { axum::serve(listener, routes).await });
    url
}

/// A server that does `with` each connection whatever it likes; the counter says how many there were.
async fn accept<F: Future<Output = ()> + Send>(
    with: impl Fn(TcpStream) -> F + Send + 'static,
) -> (String, Arc<AtomicUsize>) {
    let (listener, url) = listen().await;
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = accepted.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            with(stream).await;
        }
    });
    (url, accepted)
}

/// Reads the request's first bytes, then closes.
async fn break_off(mut stream: TcpStream) {
    let _ = stream.read(&mut [0; 4096]).await;
}

/// Reads the request and keeps the line open in silence.
async fn say_nothing(mut stream: TcpStream) {
    tokio::spawn(async move { while stream.read(&mut [0; 4096]).await.is_ok_and(|n| n > 0) {} });
}

fn get(url: &str) -> Request<Bytes> {
    Request::get(url).body(Bytes::new()).unwrap()
}

/// An AWS client over `http` with two attempts and these timeouts.
fn sqs(http: &Client, url: &str, timeouts: TimeoutConfig) -> aws_sdk_sqs::Client {
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .retry_config(RetryConfig::standard().with_max_attempts(2).with_initial_backoff(Duration::from_millis(2)))
        .timeout_config(timeouts)
        .http_client(SharedHttpClient::new(http.clone()))
        .endpoint_url(url);
    aws_sdk_sqs::Client::from_conf(config.build())
}

fn timeouts() -> aws_sdk_sqs::config::timeout::TimeoutConfigBuilder {
    TimeoutConfig::builder().connect_timeout(Duration::from_secs(1))
}

#[tokio::test]
async fn nothing_is_built_before_the_first_request() {
    let client = Client::default();
    let aws = sqs(&client, "http://127.0.0.1:1", timeouts().build());
    assert!(client.0.get().is_none());
    assert!(aws.list_queues().send().await.is_err());
    assert!(client.0.get().is_some(), "a clone shares the pool");
}

#[tokio::test]
async fn an_answer_is_given_whole_whatever_its_status() {
    let teapot = async |request: Incoming| {
        let path = request.uri().to_string();
        (StatusCode::IM_A_TEAPOT, [("x-host", request.headers()["host"].to_str().unwrap().to_owned())], path)
    };
    let url = serve(Router::new().fallback(teapot)).await;
    let answer = Client::default().send(get(&format!("{url}/tea?for=two")), LIMITS).await.unwrap();
    assert_eq!(answer.status(), StatusCode::IM_A_TEAPOT);
    assert_eq!(answer.headers()["x-host"], url["http://".len()..]);
    assert_eq!(answer.body(), "/tea?for=two");
}

#[tokio::test]
async fn aws_and_others_share_connections() {
    let (listener, url) = listen().await;
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    let listener = axum::serve::ListenerExt::tap_io(listener, move |_| {
        count.fetch_add(1, Ordering::SeqCst);
    });
    let routes = Router::new().fallback(routing::any(|| async { r#"{"QueueUrls":["one"]}"# }));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let client = Client::default();
    for read_timeout in [1, 2] {
        let timeouts = timeouts().read_timeout(Duration::from_secs(read_timeout)).build();
        let queues = sqs(&client, &url, timeouts).list_queues().send().await.unwrap();
        assert_eq!(queues.queue_urls(), ["one"]);
        client.send(get(&url), LIMITS).await.unwrap();
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn limits_hold() {
    let client = Client::default();
    let url = serve(Router::new().fallback(|| async { "x".repeat(1001) })).await;
    assert_eq!(client.send(get(&url), LIMITS).await.unwrap_err(), Error::TooLarge);

    let started = Instant::now();
    let (silent, _) = accept(say_nothing).await;
    let limits = Limits { total: Duration::from_millis(100), ..LIMITS };
    assert_eq!(client.send(get(&silent), limits).await.unwrap_err(), Error::Timeout("waiting for the answer"));
    // TLS belongs to connecting.
    let limits = Limits { connect: Duration::from_millis(100), ..LIMITS };
    let secret = silent.replace("http", "https");
    assert_eq!(client.send(get(&secret), limits).await.unwrap_err(), Error::Timeout("connecting"));
    assert!(started.elapsed() < LIMITS.total);
}

#[tokio::test]
async fn errors_say_what_happened() {
    let client = Client::default();
    let failure = async |url: &str| client.send(get(url), LIMITS).await.unwrap_err();
    assert!(matches!(failure("http://127.0.0.1:1").await, Error::Connect(_)));
    assert!(matches!(failure("/no-host").await, Error::Invalid(_)));
    assert!(matches!(failure("ftp://127.0.0.1/").await, Error::Invalid(_) | Error::Connect(_)));
    assert!(matches!(failure(&accept(break_off).await.0).await, Error::Broken(_)));
    let (plain, _) = accept(break_off).await;
    assert!(matches!(failure(&plain.replace("http", "https")).await, Error::Connect(_)));
}

#[tokio::test]
async fn the_sdk_repeats_what_broke_and_what_was_late_and_gives_up_in_time() {
    let client = Client::default();
    let (broken, asked) = accept(break_off).await;
    let error = sqs(&client, &broken, timeouts().build()).list_queues().send().await.unwrap_err();
    assert!(matches!(&error, SdkError::DispatchFailure(failure) if failure.is_io()), "{error:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 2);

    let (silent, asked) = accept(say_nothing).await;
    let patience = timeouts().read_timeout(Duration::from_millis(50)).build();
    let error = sqs(&client, &silent, patience).list_queues().send().await.unwrap_err();
    assert!(matches!(&error, SdkError::DispatchFailure(failure) if failure.is_timeout()), "{error:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 2, "on a new connection");

    let (mute, asked) = accept(say_nothing).await;
    let patience = timeouts().connect_timeout(Duration::from_millis(50)).build();
    let error = sqs(&client, &mute.replace("http", "https"), patience).list_queues().send().await.unwrap_err();
    assert!(matches!(&error, SdkError::DispatchFailure(failure) if failure.is_timeout()), "{error:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

/// A connection over which a 500 came is not used again: its server may be the one that is ill.
#[tokio::test]
async fn a_repetition_goes_over_another_connection() {
    let ports = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (listener, url) = listen().await;
    let seen = ports.clone();
    let ill = move |axum::extract::ConnectInfo(from): axum::extract::ConnectInfo<std::net::SocketAddr>| async move {
        seen.lock().unwrap().push(from.port());
        StatusCode::INTERNAL_SERVER_ERROR
    };
    let routes = Router::new().fallback(ill).into_make_service_with_connect_info::<std::net::SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    sqs(&Client::default(), &url, timeouts().build()).list_queues().send().await.unwrap_err();
    let ports = ports.lock().unwrap();
    assert!(ports.len() == 2 && ports[0] != ports[1], "{ports:?}");
}
