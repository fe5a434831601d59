//! The gateway over HTTP, with the project's own functions behind it.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use http::{Method, StatusCode};
use runtime::clock::Clock;
use tokio::net::TcpListener;

use super::{Gateway, MAX_BODY};
use crate::{
    functions::Functions,
    requests::Requests,
    template::model::{ApiSpec, AuthorizerSpec, CorsSpec, RouteSpec},
};

/// A gateway whose functions do not exist, so that whatever passes it is a 500.
async fn gateway() -> (String, Arc<Requests>) {
    let route = |method: &str, path: &str, authorizer: Option<&str>| RouteSpec {
        method: method.to_owned(),
        path: path.to_owned(),
        function: "nobody".to_owned(),
        authorizer: authorizer.map(str::to_owned),
        scopes: Vec::new(),
    };
    let tokens = AuthorizerSpec::Lambda {
        function: "nobody".to_owned(),
        identity_sources: vec!["$request.header.Authorization".to_owned()],
        ttl: std::time::Duration::from_secs(60),
        simple_responses: true,
    };
    let api = ApiSpec {
        routes: vec![route("POST", "/open", None), route("GET", "/closed", Some("Tokens"))],
        authorizers: BTreeMap::from([("Tokens".to_owned(), tokens)]),
        cors: Some(CorsSpec {
            allow_origins: vec!["https://*".to_owned()],
            allow_methods: vec!["GET".to_owned()],
            ..CorsSpec::default()
        }),
    };
    let functions = Arc::new(Functions::new(Vec::new(), None, Clock::default()).unwrap());
    let requests = Arc::new(Requests::default());
    let gateway = Arc::new(Gateway::new(api, functions, requests.clone(), Clock::default(), "http://127.0.0.1:1/"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let service = gateway.router().into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    (url, requests)
}

async fn call(method: Method, url: &str, origin: bool, body: Vec<u8>) -> (StatusCode, http::HeaderMap, String) {
    let mut request = reqwest::Client::new().request(method, url).body(body);
    if origin {
        request = request.header("origin", "https://a.example").header("access-control-request-method", "GET");
    }
    let answer = request.send().await.unwrap();
    (answer.status(), answer.headers().clone(), answer.text().await.unwrap())
}

#[tokio::test]
async fn the_gateways_own_answers_are_api_gateways() {
    let (url, requests) = gateway().await;
    let (status, headers, body) = call(Method::GET, &format!("{url}/nowhere"), true, vec![]).await;
    assert_eq!((status.as_u16(), body.as_str()), (404, "{\"message\":\"Not Found\"}"));
    assert_eq!(headers["access-control-allow-origin"], "https://a.example");
    assert!(headers.contains_key("apigw-requestid"));
    let (status, _, body) = call(Method::HEAD, &format!("{url}/closed"), false, vec![]).await;
    assert_eq!((status.as_u16(), body.as_str()), (404, ""));
    let (status, headers, body) = call(Method::GET, &format!("{url}/closed"), false, vec![]).await;
    assert_eq!((status.as_u16(), body.as_str()), (401, "{\"message\":\"Unauthorized\"}"));
    assert_eq!(headers["www-authenticate"], "Bearer");
    let (status, _, body) = call(Method::POST, &format!("{url}/open"), false, vec![]).await;
    assert_eq!((status.as_u16(), body.as_str()), (500, "{\"message\":\"Internal Server Error\"}"));
    let (status, _, body) = call(Method::GET, &format!("{url}/_lambda-url/NobodyFunction/x"), false, vec![]).await;
    assert_eq!((status.as_u16(), body.as_str()), (403, "{\"message\":\"Forbidden\"}"));
    assert_eq!(requests.recent().len(), 5);
}

#[tokio::test]
async fn preflights_and_options_are_answered_without_a_function() {
    let (url, _) = gateway().await;
    let (status, headers, _) = call(Method::OPTIONS, &format!("{url}/open"), true, vec![]).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(headers["access-control-allow-methods"], "GET");
    let (status, headers, _) = call(Method::OPTIONS, &format!("{url}/open"), false, vec![]).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert!(!headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn too_much_is_refused_and_the_client_hears_it() {
    let (url, _) = gateway().await;
    for size in [MAX_BODY + 1, MAX_BODY - 1] {
        // The second fits the gateway, but not, in base64, Lambda.
        let (status, _, body) = call(Method::POST, &format!("{url}/open"), false, vec![b'x'; size]).await;
        assert_eq!((status.as_u16(), body.as_str()), (413, "{\"message\":\"Request Entity Too Large\"}"));
    }
}
