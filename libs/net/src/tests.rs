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
    io::{AsyncReadExt, AsyncWriteExt},
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
    assert!(client.0.hyper.get().is_none());
    assert!(aws.list_queues().send().await.is_err());
    assert!(client.0.hyper.get().is_some(), "a clone shares the pool");
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

/// Whoever names an address gets the beginning of what it answers, and nobody's else.
#[tokio::test]
async fn the_beginning_of_an_answer_is_enough() {
    let client = Client::default();
    let beginning = async |url: &str| client.send_for_beginning(get(url), LIMITS).await;
    let url = serve(Router::new().fallback(|| async { (StatusCode::ACCEPTED, "x".repeat(5000)) })).await;
    let answer = beginning(&url).await.unwrap();
    assert_eq!((answer.status(), answer.body().len()), (StatusCode::ACCEPTED, 1000));

    let endless = async |mut stream: TcpStream| {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello").await;
        tokio::spawn(async move { while stream.read(&mut [0; 64]).await.is_ok_and(|n| n > 0) {} });
    };
    let (url, _) = accept(endless).await;
    let limits = Limits { total: Duration::from_millis(300), ..LIMITS };
    let answer = client.send_for_beginning(get(&url), limits).await.unwrap();
    assert_eq!(answer.body(), "hello", "what came in time");

    let (silent, _) = accept(say_nothing).await;
    let error = client.send_for_beginning(get(&silent), limits).await.unwrap_err();
    assert_eq!(error, Error::Timeout("waiting for the answer"));
    let moved = async || (StatusCode::FOUND, [("location", "/elsewhere")]);
    let url = serve(Router::new().route("/", routing::get(moved))).await;
    assert_eq!(beginning(&url).await.unwrap().status(), StatusCode::FOUND, "not followed");
}

#[tokio::test]
async fn a_public_client_reaches_nothing_of_ours() {
    let client = Client::public();
    let (url, reached) = accept(break_off).await;
    let port = url.rsplit(':').next().unwrap();
    let failure = async |url: String| client.send(get(&url), LIMITS).await.unwrap_err();
    let error = failure(format!("https://localhost:{port}/")).await;
    assert!(matches!(&error, Error::Connect(text) if text.contains("no public address")), "{error:?}");
    // What the system's resolver reads as an address, in whatever spelling.
    for host in ["127.1", "2130706433", "0x7f000001", "017700000001"] {
        let error = failure(format!("https://{host}:{port}/")).await;
        assert!(matches!(error, Error::Connect(_)), "{host}: {error:?}");
    }
    for host in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "1.1.1.1"] {
        let error = failure(format!("https://{host}:{port}/")).await;
        assert_eq!(error, Error::Invalid("the host must be a name".into()), "{host}");
    }
    for plain in [format!("http://localhost:{port}/"), "http://example.com/".into()] {
        assert!(matches!(failure(plain).await, Error::Connect(_) | Error::Invalid(_)), "by TLS only");
    }
    assert_eq!(reached.load(Ordering::SeqCst), 0);
}
