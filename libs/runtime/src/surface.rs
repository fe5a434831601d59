//! Surfaces: how each renders errors, and what surrounds all of its routes.

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, OriginalUri, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use lambda_http::RequestExt;
use serde_json::{Map, Value, json};

use crate::{
    ctx::Ctx,
    error::{ApiError, FieldError},
    rate, telemetry,
};

/// A product surface: whose wire shape a function speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// Home Productions (contract `tickets.md`).
    Tickets,
    /// Luma (contract `pos.md`).
    Pos,
    /// Our own routes: health, documentation, status.
    Platform,
}

/// The code of a request that cannot be what it is.
const VALIDATION: &str = "VALIDATION_ERROR";

/// Largest body of a request: 10 MB (contract §1); API Gateway and Lambda set their own limits before.
const BODY_LIMIT: usize = 10 * 1024 * 1024;

impl Surface {
    /// The body of an error.
    pub fn error_body(self, error: &ApiError) -> Value {
        let mut body = Map::new();
        match self {
            Surface::Pos => {
                // Clients show `error`, the app's sign-up shows `message`, and both branch on `code` (contract §1.3).
                let validation = error.code == VALIDATION;
                body.insert("error".into(), if validation { json!(error.code) } else { json!(error.message) });
                body.insert("message".into(), json!(error.message));
                body.insert("code".into(), json!(error.code));
                if error.status == StatusCode::INTERNAL_SERVER_ERROR {
                    body.insert("error".into(), json!("Internal Server Error"));
                }
                let detail = |field: &FieldError| json!({"path": field.field, "message": field.reason});
                if !error.fields.is_empty() {
                    body.insert("details".into(), error.fields.iter().map(detail).collect());
                }
            }
            Surface::Tickets | Surface::Platform => {
                body.insert("success".into(), json!(false));
                body.insert("error".into(), json!(error.message));
                body.insert("code".into(), json!(error.code));
                if !error.fields.is_empty() {
                    body.insert("details".into(), json!(error.fields));
                }
            }
        }
        body.extend(error.extra.clone());
        Value::Object(body)
    }

    /// Surrounds routes with what all of them share: body limit, rate limit, errors, request id. A request that none of
    /// them takes is refused.
    pub(crate) fn wrap(self, routes: Router<Ctx>, ctx: &Ctx) -> Router<Ctx> {
        let around = Around { surface: self, ctx: ctx.clone() };
        routes
            .fallback(unknown_route)
            .method_not_allowed_fallback(unknown_method)
            .layer(DefaultBodyLimit::max(BODY_LIMIT))
            .layer(middleware::from_fn_with_state(around, around_request))
    }
}

#[derive(Clone)]
struct Around {
    surface: Surface,
    ctx: Ctx,
}

async fn unknown_route(OriginalUri(uri): OriginalUri) -> ApiError {
    ApiError::not_found("NOT_FOUND", format!("No route {}", uri.path()))
}

/// API Gateway sends only methods that the template routes. One that is not known here came by a path whose id, decoded,
/// reads as another route: a thing of that id is not there.
async fn unknown_method(uri: OriginalUri) -> ApiError {
    unknown_route(uri).await
}

async fn around_request(State(around): State<Around>, request: Request, next: Next) -> Response {
    let invocation = request.lambda_context_ref().map(|context| context.request_id.clone()).unwrap_or_default();
    let request_id = echoed(&request).unwrap_or(&invocation).to_owned();
    let caller = rate::Caller::of(&request);
    let id = request_id.clone();
    let work = async move {
        let verdict = rate::check(&around.ctx, caller).await;
        let mut response = match &verdict {
            rate::Verdict::Refused(refused) => ApiError::from(*refused).into_response(),
            _ => next.run(request).await,
        };
        verdict.write_headers(response.headers_mut());
        render(around.surface, response, &id)
    };
    let mut response = telemetry::in_request(&request_id, work).await;
    if let Ok(id) = request_id.parse() {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

const REQUEST_ID: &str = "x-request-id";

/// The client's own name for its request (contract `pos.md` §1), when it is one that may stand in a log.
fn echoed(request: &Request) -> Option<&str> {
    let id = request.headers().get(REQUEST_ID)?.to_str().ok()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    ((1..=128).contains(&id.len()) && id.bytes().all(plain)).then_some(id)
}

fn render(surface: Surface, mut response: Response, request_id: &str) -> Response {
    match response.extensions_mut().remove::<Arc<ApiError>>() {
        Some(error) => {
            let mut body = surface.error_body(&error);
            // The counter's clients are told which request it was when it is our fault (contract `pos.md` §1.3).
            if surface == Surface::Pos && error.status == StatusCode::INTERNAL_SERVER_ERROR {
                body["requestId"] = json!(request_id);
            }
            let body = axum::Json(body).into_response();
            let (mut parts, _) = response.into_parts();
            parts.headers.remove(header::CONTENT_LENGTH);
            parts.headers.extend(body.headers().clone());
            if error.status == StatusCode::SERVICE_UNAVAILABLE {
                parts.headers.insert(header::RETRY_AFTER, http::HeaderValue::from_static("1"));
            }
            Response::from_parts(parts, body.into_body())
        }
        None => response,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn our_own_fault_is_told_with_the_request_at_the_counter() {
        let body = async |surface| {
            let response = render(surface, ApiError::internal("the disk is full").into_response(), "abc");
            let bytes = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
            serde_json::from_slice::<Value>(&bytes).unwrap()
        };
        let counter = body(Surface::Pos).await;
        assert_eq!(counter["error"], "Internal Server Error");
        assert_eq!(counter["requestId"], "abc");
        let gate = body(Surface::Tickets).await;
        assert_eq!(gate, json!({"success": false, "error": "Something went wrong", "code": "SERVER_ERROR"}));
        assert!(!counter.to_string().contains("disk"));
    }
}
