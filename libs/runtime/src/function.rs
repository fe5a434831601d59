//! A Lambda function as a value: its routes or its event handler, ready for the Lambda runtime or the local cloud.

use std::{convert::Infallible, future::Future, pin::Pin, sync::Arc};

use axum::{Router, body::Body as AxumBody, response::Response};
use http_body_util::BodyExt;
use lambda_http::{Adapter, Body, Request, Service, request::LambdaRequest};
use lambda_runtime::{Context, LambdaEvent};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tower::ServiceExt;
use utoipa::openapi::OpenApi;

use crate::{
    ctx::Ctx,
    routes::{Routes, Routing},
    surface::Surface,
    telemetry,
};

/// What an event handler may fail with; the platform logs it and delivers the event again.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Handler = Arc<dyn Fn(Ctx, Value) -> BoxFuture<Result<Value, BoxError>> + Send + Sync>;

/// A function before it has a context.
pub enum Function {
    /// Serves HTTP routes, each of its surface.
    Http(Vec<(Surface, Routes)>),
    /// Handles events of another kind: a queue, a stream, a schedule, an authorizer.
    Event(EventHandler),
}

/// An event handler with its types erased to JSON.
pub struct EventHandler(Handler);

impl Function {
    /// A function that serves `routes`, with errors in the shape of `surface`.
    pub fn http(surface: Surface, routes: Routes) -> Self {
        Function::Http(vec![(surface, routes)])
    }

    /// The same with routes of another surface, whose errors have its shape.
    pub fn and_http(mut self, surface: Surface, routes: Routes) -> Self {
        if let Function::Http(served) = &mut self {
            served.push((surface, routes));
        }
        self
    }

    /// A function that handles events of type `E`.
    pub fn event<E, R, F, Fut>(handler: F) -> Self
    where
        E: DeserializeOwned + Send + 'static,
        R: Serialize + Send + 'static,
        F: Fn(Ctx, E) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, BoxError>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        Function::Event(EventHandler(Arc::new(move |ctx, event| {
            let handler = handler.clone();
            Box::pin(async move {
                let event = serde_json::from_value(event)?;
                Ok(serde_json::to_value(handler(ctx, event).await?)?)
            })
        })))
    }

    /// The routes' description; absent for event handlers.
    pub fn openapi(&self) -> Option<OpenApi> {
        match self {
            Function::Http(served) => {
                let mut described = served.iter().map(|(_, routes)| routes.openapi());
                described.next().map(|first| described.fold(first, OpenApi::merge_from))
            }
            Function::Event(_) => None,
        }
    }

    /// Binds the function to its context.
    pub fn into_invoker(self, ctx: Ctx) -> Invoker {
        Invoker(Arc::new(match self {
            Function::Http(served) => Bound::Http(Routing { served, ctx }),
            Function::Event(handler) => Bound::Event(ctx, handler),
        }))
    }
}

enum Bound {
    Http(Routing),
    Event(Ctx, EventHandler),
}

/// A function that can be invoked with Lambda event JSON.
#[derive(Clone)]
pub struct Invoker(Arc<Bound>);

impl Invoker {
    /// Handles one event and returns what the function answers, both as Lambda's JSON.
    pub async fn invoke(&self, event: Value, context: Context) -> Result<Value, BoxError> {
        match &*self.0 {
            Bound::Http(routing) => invoke_http(routing, event, context).await,
            Bound::Event(ctx, handler) => {
                let request_id = context.request_id;
                telemetry::in_request(&request_id, handler.0(ctx.clone(), event)).await
            }
        }
    }
}

/// Through `lambda_http`, which reads API Gateway's events (and function URLs', which have the same shape).
async fn invoke_http(routing: &Routing, event: Value, context: Context) -> Result<Value, BoxError> {
    let event: LambdaRequest = serde_json::from_value(event)?;
    let service = tower::service_fn(|request: Request| call(routing.router(request.uri().path()), request));
    let answer = Adapter::from(service).call(LambdaEvent::new(event, context)).await?;
    Ok(serde_json::to_value(answer)?)
}

/// axum's body is not `Sync`, and `lambda_http` wants one that is: the answer is collected here.
async fn call(router: Router, request: Request) -> Result<lambda_http::Response<Body>, Infallible> {
    let request = request.map(|body| match body {
        Body::Empty => AxumBody::empty(),
        Body::Text(text) => AxumBody::from(text),
        Body::Binary(bytes) => AxumBody::from(bytes),
        _ => AxumBody::empty(),
    });
    let Ok(response) = router.oneshot(request).await;
    Ok(collect(response).await)
}

async fn collect(response: Response) -> lambda_http::Response<Body> {
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let body = match std::str::from_utf8(&bytes) {
        Ok("") => Body::Empty,
        Ok(text) => Body::Text(text.to_owned()),
        Err(_) => Body::Binary(bytes.to_vec()),
    };
    lambda_http::Response::from_parts(parts, body)
}

/// Runs `function` on AWS Lambda: what each binary's `main` is.
///
/// One thread is enough, since a Lambda instance handles one event at a time.
pub fn serve(function: Function) -> Result<(), BoxError> {
    telemetry::init_lambda();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let ctx = Ctx::from_env().await.inspect_err(|error| tracing::error!(%error, "init failed"))?;
        let invoker = function.into_invoker(ctx);
        let service = tower::service_fn(move |event: LambdaEvent<Value>| {
            let invoker = invoker.clone();
            async move { invoker.invoke(event.payload, event.context).await }
        });
        lambda_runtime::run(service).await
    })
}
