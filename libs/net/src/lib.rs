//! The one way out over HTTP: AWS's clients, Stripe's, the issuer's keys and files all go through a [`Client`].
//!
//! One TLS stack (rustls on aws-lc) with Mozilla's roots as static data: nothing is read or parsed at start, and nothing is
//! built before the first request. Plain `http` works too, for the local cloud.

mod error;
pub mod public;
mod smithy;

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        self,
        connect::{CaptureConnection, HttpConnector, capture_connection},
    },
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::{Instant, timeout, timeout_at};

use public::Resolver;

pub use error::Error;

/// A frozen Lambda wakes up with connections that the other side closed meanwhile, and a write on such a one ends in doubt
/// whether it happened. A new connection costs milliseconds.
const IDLE: Duration = Duration::from_secs(20);

type Hyper = legacy::Client<HttpsConnector<HttpConnector<Resolver>>, SdkBody>;

/// An HTTP/1.1 client with a pool of connections. A clone shares the pool; a process should have one. Redirections are
/// answers like others: none is followed.
#[derive(Clone, Default)]
pub struct Client(Arc<Inner>);

#[derive(Default)]
struct Inner {
    hyper: OnceLock<Hyper>,
    /// Whether it goes to public addresses only, and by TLS only.
    public_only: bool,
}

/// What a request of [`Client::send`] may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Until there is a connection: name, TCP and TLS.
    pub connect: Duration,
    /// The whole exchange, to the answer's last byte.
    pub total: Duration,
    /// The size of the answer's body.
    pub answer_bytes: usize,
}

impl Client {
    /// A client for addresses that somebody else has named: it goes to names only, whose address is public when the
    /// connection is made, and by TLS only. Anything else is [`Error::Invalid`] or [`Error::Connect`]. Its connections are
    /// its own.
    pub fn public() -> Self {
        Self(Arc::new(Inner { hyper: OnceLock::new(), public_only: true }))
    }

    /// Sends a request with an absolute URI and reads the whole answer, whatever its status. One attempt.
    pub async fn send(&self, request: Request<Bytes>, limits: Limits) -> Result<Response<Bytes>, Error> {
        let exchange = async {
            let answer = self.exchange(request.map(SdkBody::from), Some(limits.connect), |_| ()).await?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, limits.answer_bytes).collect().await.map_err(Error::of_body)?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        timeout(limits.total, exchange).await.unwrap_or(Err(Error::Timeout("waiting for the answer")))
    }

    /// The same for an answer of which only the beginning is of interest: a longer body is cut off, and one that breaks off
    /// or is late is taken as far as it came. The connection of a body that was not read to its end is not used again.
    pub async fn send_for_beginning(&self, request: Request<Bytes>, limits: Limits) -> Result<Response<Bytes>, Error> {
        let deadline = Instant::now() + limits.total;
        let exchange = self.exchange(request.map(SdkBody::from), Some(limits.connect), |_| ());
        let answer = timeout_at(deadline, exchange).await;
        let (head, mut body) = answer.unwrap_or(Err(Error::Timeout("waiting for the answer")))?.into_parts();
        let mut beginning = Vec::new();
        while beginning.len() < limits.answer_bytes {
            let Ok(Some(Ok(frame))) = timeout_at(deadline, body.frame()).await else { break };
            let room = limits.answer_bytes - beginning.len();
            let data = frame.into_data().unwrap_or_default();
            beginning.extend_from_slice(&data[..data.len().min(room)]);
        }
        Ok(Response::from_parts(head, beginning.into()))
    }

    /// Sends a request and gives the answer's head; `watch` is told where to learn the connection that it goes over.
    async fn exchange(
        &self,
        mut request: Request<SdkBody>,
        connect: Option<Duration>,
        watch: impl FnOnce(CaptureConnection),
    ) -> Result<Response<Incoming>, Error> {
        if self.0.public_only && public::is_literal(request.uri()) {
            return Err(Error::Invalid("the host must be a name".into()));
        }
        let mut connection = capture_connection(&mut request);
        watch(connection.clone());
        let mut answer = self.hyper().request(request);
        if let Some(limit) = connect {
            tokio::select! {
                biased;
                answer = &mut answer => return answer.map_err(Error::of_request),
                connected = timeout(limit, connection.wait_for_connection_metadata()) =>
                    if connected.is_err() { return Err(Error::Timeout("connecting")) },
            }
        }
        answer.await.map_err(Error::of_request)
    }

    fn hyper(&self) -> &Hyper {
        self.0.hyper.get_or_init(|| {
            let mut tcp = HttpConnector::new_with_resolver(Resolver::new(self.0.public_only));
            tcp.enforce_http(false);
            tcp.set_nodelay(true);
            let tls = HttpsConnectorBuilder::new().with_webpki_roots();
            let tls = if self.0.public_only { tls.https_only() } else { tls.https_or_http() };
            let tls = tls.enable_http1().wrap_connector(tcp);
            legacy::Client::builder(TokioExecutor::new())
                .pool_idle_timeout(IDLE)
                .pool_timer(TokioTimer::new())
                .build(tls)
        })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("used", &self.0.hyper.get().is_some()).finish()
    }
}

#[cfg(test)]
mod tests;
