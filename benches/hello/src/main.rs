//! The smallest Lambda of this kind: what the functions' cold starts and sizes are compared with.

use axum::{Router, body::Body as AxumBody, routing::get};
use lambda_http::{Body, Request, tower::ServiceExt};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let router = Router::new().route("/", get(|| async { "hello" }));
    let service = lambda_http::service_fn(move |request: Request| {
        let router = router.clone();
        async move {
            let Ok(response) = router.oneshot(request.map(|_| AxumBody::empty())).await;
            let (parts, body) = response.into_parts();
            let bytes = axum::body::to_bytes(body, 1024).await.unwrap_or_default();
            Ok::<_, std::convert::Infallible>(lambda_http::Response::from_parts(parts, Body::Binary(bytes.to_vec())))
        }
    });
    lambda_http::run(service).await
}
