//! The endpoint, spoken to by the SDK clients that production uses.

mod cognito;
mod dynamodb;
mod s3;
mod ses;
mod sqs;
mod ssm;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::config::BehaviorVersion;
use aws_types::{SdkConfig, region::Region};

use super::{Config, Data, Endpoint};

async fn start() -> (Endpoint, SdkConfig) {
    start_with(Data::Memory).await
}

async fn start_with(data: Data) -> (Endpoint, SdkConfig) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::start(listener, Config { data, ..Config::default() }).await.unwrap();
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint.url())
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("id", "key", None, None, "test")))
        .http_client(net::Client::default())
        .build();
    (endpoint, config)
}

/// A directory of its own, removed at the end.
struct Dir(std::path::PathBuf);

impl Dir {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("fairground-{}", uuid::Uuid::new_v4())))
    }

    fn data(&self) -> Data {
        Data::Dir(self.0.clone())
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

#[tokio::test]
async fn an_unknown_operation_is_refused_as_aws_refuses_it() {
    let (endpoint, _) = start().await;
    let client = reqwest::Client::new();
    for service in ["AmazonSQS", "AWSCognitoIdentityProviderService", "AmazonSSM", "DynamoDB_20120810", "Nothing"] {
        let request = client.post(endpoint.url()).header("x-amz-target", format!("{service}.Invented")).body("{}");
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 400, "{service}");
        assert!(answer.text().await.unwrap().contains("UnknownOperationException"), "{service}");
    }
    endpoint.shutdown().await;
}
