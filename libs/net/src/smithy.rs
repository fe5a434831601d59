//! The client as the AWS SDK wants it.

use std::{borrow::Cow, time::Duration};

use aws_smithy_runtime_api::client::{
    connection::{CaptureSmithyConnection, ConnectionMetadata},
    connector_metadata::ConnectorMetadata,
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::body::SdkBody;
use hyper_util::client::legacy::connect::{CaptureConnection, HttpInfo};
use tokio::time::timeout;

use crate::{Client, Error};

/// Timeouts belong to a request, not to the pool: clients with different ones share it.
impl HttpClient for Client {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector {
            client: self.clone(),
            connect: settings.connect_timeout(),
            read: settings.read_timeout(),
        })
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        Some(ConnectorMetadata::new("hyper", Some(Cow::Borrowed("1.x"))))
    }
}

#[derive(Debug)]
struct Connector {
    client: Client,
    /// Until there is a connection.
    connect: Option<Duration>,
    /// From the start to the answer's first byte, as the SDK defines it.
    read: Option<Duration>,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (client, connect, read) = (self.client.clone(), self.connect, self.read);
        HttpConnectorFuture::new(async move {
            let call = call(&client, request, connect);
            match read {
                None => call.await,
                Some(read) => {
                    timeout(read, call).await.unwrap_or_else(|_| Err(Error::Timeout("waiting for the answer").into()))
                }
            }
        })
    }
}

async fn call(
    client: &Client,
    request: HttpRequest,
    connect: Option<Duration>,
) -> Result<HttpResponse, ConnectorError> {
    let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
    let wanted = request.extensions().get::<CaptureSmithyConnection>().cloned();
    let watch = |connection| {
        if let Some(wanted) = wanted {
            wanted.set_connection_retriever(move || metadata(&connection));
        }
    };
    let answer = client.exchange(request, connect, watch).await?;
    HttpResponse::try_from(answer.map(SdkBody::from_body_1_x))
        .map_err(|error| ConnectorError::other(error.into(), None))
}

/// By this the SDK takes a connection out of the pool over which a request failed, so that its repetition goes another way.
fn metadata(connection: &CaptureConnection) -> Option<ConnectionMetadata> {
    let captured = connection.clone();
    let connected = connection.connection_metadata();
    let mut extras = http::Extensions::new();
    connected.as_ref()?.get_extras(&mut extras);
    let info = extras.get::<HttpInfo>();
    let mut metadata = ConnectionMetadata::builder().proxied(false).poison_fn(move || {
        if let Some(connected) = captured.connection_metadata().as_ref() {
            connected.poison();
        }
    });
    metadata.set_local_addr(info.map(HttpInfo::local_addr)).set_remote_addr(info.map(HttpInfo::remote_addr));
    Some(metadata.build())
}
