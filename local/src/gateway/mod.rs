//! What API Gateway's HTTP APIs do, on one port: routes, authorizers, CORS, limits, and the way from HTTP to Lambda events
//! and back. Function URLs are under `/_lambda-url/{Function}`.

pub mod authorize;
pub mod cors;
pub mod event;
pub mod jwt;
pub mod lambda_authorizer;
pub mod log;
pub mod response;
pub mod route;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Path, Request, State},
    response::Response,
    routing::any,
};
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Method, StatusCode};
use http_body_util::BodyExt as _;
use runtime::clock::Clock;
use serde_json::Value;

use self::{
    authorize::{Authorizer, Decision},
    cors::Cors,
    event::Incoming,
    log::AccessLog,
    response::Answer,
    route::{RouteMatch, Routes},
};
use crate::{
    functions::{Functions, InvokeError},
    requests::Requests,
    template::{function_name, model::ApiSpec},
};

/// What Lambda takes, and gives, in one invocation: 6 MB of JSON.
pub const MAX_PAYLOAD: usize = 6 * 1024 * 1024;

/// What an HTTP API takes in one request.
pub const MAX_BODY: usize = 10 * 1024 * 1024;

/// An HTTP API waits no longer for a function, whatever the function's own timeout.
const MAX_INTEGRATION_TIME: Duration = Duration::from_secs(30);

/// More of an oversized body is not read only to be thrown away.
const MOST_DISCARDED: usize = 64 * 1024 * 1024;

/// Where function URLs are.
const FUNCTION_URLS: &str = "/_lambda-url/";

/// The gateway's state.
#[derive(Debug)]
pub struct Gateway {
    routes: Routes,
    authorizers: BTreeMap<String, Authorizer>,
    cors: Option<Cors>,
    functions: Arc<Functions>,
    requests: Arc<Requests>,
    clock: Clock,
}

impl Gateway {
    /// A gateway for the template's API. `jwks_url` is where the JWT authorizers' keys are found locally.
    pub fn new(api: ApiSpec, functions: Arc<Functions>, requests: Arc<Requests>, clock: Clock, jwks_url: &str) -> Self {
        let authorizer = |(name, spec)| (name, Authorizer::new(spec, jwks_url, clock.clone()));
        Self {
            routes: Routes::new(api.routes),
            authorizers: api.authorizers.into_iter().map(authorizer).collect(),
            cors: api.cors.map(Cors::new),
            functions,
            requests,
            clock,
        }
    }

    /// Serves the API's routes, whatever their path, and function URLs. Wants `ConnectInfo<SocketAddr>`.
    pub fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/_lambda-url/{function}", any(serve_url))
            .route("/_lambda-url/{function}/", any(serve_url))
            .route("/_lambda-url/{function}/{*path}", any(serve_url))
            .fallback(serve_api)
            .with_state(self)
    }

    fn log(&self, request: &Incoming) -> AccessLog {
        AccessLog::start(self.requests.clone(), &request.request_id, &request.method, request.uri.path())
    }

    /// The API's answer, and which function gave it.
    async fn answer(&self, request: &Incoming, too_large: bool) -> (Answer, Option<String>) {
        let Some(route) = self.routes.find(request.method.as_str(), request.uri.path()) else {
            return (self.unrouted(&request.method), None);
        };
        if too_large {
            return (response::too_large(), None);
        }
        match self.authorize(request, &route).await {
            Err(answer) => (*answer, None),
            Ok(authorizer) => {
                let event = event::api_event(request, &route, authorizer);
                let function = route.spec.function.clone();
                (self.integrate(&function, event).await, Some(function))
            }
        }
    }

    /// With CORS configured, an API answers any OPTIONS that has no route of its own.
    fn unrouted(&self, method: &Method) -> Answer {
        if self.cors.is_some() && method == Method::OPTIONS {
            let mut answer = Answer::new(Bytes::new());
            *answer.status_mut() = StatusCode::NO_CONTENT;
            return answer;
        }
        response::not_found()
    }

    async fn authorize(&self, request: &Incoming, route: &RouteMatch) -> Decision {
        match route.spec.authorizer.as_ref().and_then(|name| self.authorizers.get(name)) {
            None => Ok(None),
            Some(authorizer) => authorizer.decide(request, route, &self.functions).await,
        }
    }

    async fn integrate(&self, function: &str, event: Value) -> Answer {
        if exceeds_lambda(&event) {
            return response::too_large();
        }
        match tokio::time::timeout(MAX_INTEGRATION_TIME, self.functions.invoke(function, event)).await {
            Ok(Ok(returned)) => response::from_function(&returned),
            Err(_) | Ok(Err(InvokeError::TimedOut(_))) => response::timed_out(),
            Ok(Err(_)) => response::internal_server_error(),
        }
    }
}

async fn serve_api(
    State(gateway): State<Arc<Gateway>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let (request, too_large) = read(request, peer, &gateway.clock, MAX_BODY).await;
    let log = gateway.log(&request);
    let (answer, function) = match &gateway.cors {
        Some(cors) if Cors::is_preflight(&request.method, &request.headers) => (cors.preflight(&request.headers), None),
        cors => {
            let (mut answer, function) = gateway.answer(&request, too_large).await;
            if let Some(cors) = cors {
                cors.apply(&request.headers, answer.headers_mut());
            }
            (answer, function)
        }
    };
    log.finish(answer.status().as_u16(), function.as_deref());
    identified(answer, &request)
}

/// A function URL: no authorizer, no routes, and a function's error is a 502.
async fn serve_url(
    State(gateway): State<Arc<Gateway>>,
    Path(parts): Path<BTreeMap<String, String>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let (request, too_large) = read(request, peer, &gateway.clock, MAX_PAYLOAD).await;
    let log = gateway.log(&request);
    let name = parts.get("function").map(|name| function_name(name)).unwrap_or_default();
    let answer = match gateway.functions.spec(&name).filter(|spec| spec.has_url) {
        None => response::forbidden(),
        Some(_) if too_large => response::too_large(),
        Some(_) => {
            let rest = request.uri.path().strip_prefix(FUNCTION_URLS).unwrap_or_default();
            let path = rest.find('/').map_or("/", |at| &rest[at..]);
            match gateway.functions.invoke(&name, event::url_event(&request, path, &name)).await {
                Ok(returned) => response::from_function(&returned),
                Err(_) => response::message(StatusCode::BAD_GATEWAY, "Internal Server Error"),
            }
        }
    };
    log.finish(answer.status().as_u16(), Some(&name));
    identified(answer, &request)
}

fn identified(mut answer: Answer, request: &Incoming) -> Response {
    if let Ok(id) = HeaderValue::from_str(&request.request_id) {
        answer.headers_mut().insert("apigw-requestid", id);
    }
    answer.map(Body::from)
}

/// Reads the body, up to a limit. A larger one is read on and dropped, so that the client hears the answer at all.
async fn read(request: Request, peer: SocketAddr, clock: &Clock, limit: usize) -> (Incoming, bool) {
    let (parts, mut body) = request.into_parts();
    let (mut bytes, mut read) = (BytesMut::new(), 0);
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        read += data.len();
        if read <= limit {
            bytes.extend_from_slice(&data);
        } else if read > MOST_DISCARDED {
            break;
        }
    }
    let incoming = Incoming::new(parts.method, parts.uri, parts.headers, bytes.freeze(), peer.ip(), clock.now());
    (incoming, read > limit)
}

/// Only a large body is worth serializing the event to measure it.
fn exceeds_lambda(event: &Value) -> bool {
    let body = event["body"].as_str().map_or(0, str::len);
    body > MAX_PAYLOAD / 8 && event.to_string().len() > MAX_PAYLOAD
}
