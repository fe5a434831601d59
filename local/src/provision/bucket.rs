//! Buckets: two requests, signed as functions sign theirs (`runtime::files`); S3's SDK would take longer to compile than all
//! that is here.

use anyhow::ensure;
use askama::Template;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::Request;
use md5::{Digest as _, Md5};
use net::Limits;
use runtime::{
    Aws,
    clock::Clock,
    signature::{Service, add_signature},
};

use crate::template::{
    REGION,
    model::{BucketCorsRule, BucketSpec},
};

const LIMITS: Limits = Limits {
    connect: std::time::Duration::from_secs(2),
    total: std::time::Duration::from_secs(10),
    answer_bytes: 64 * 1024,
};

#[derive(Template)]
#[template(path = "bucket-cors.xml")]
struct Cors<'a> {
    rules: &'a [BucketCorsRule],
}

/// Makes a bucket unless it is there, and sets its CORS rules.
pub(super) async fn ensure(aws: &Aws, bucket: &BucketSpec) -> anyhow::Result<()> {
    let place = format!(
        "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
         <LocationConstraint>{REGION}</LocationConstraint></CreateBucketConfiguration>"
    );
    let (status, answer) = put(aws, &bucket.name, place).await?;
    let ours = status == http::StatusCode::CONFLICT && answer.contains("BucketAlreadyOwnedByYou");
    ensure!(status.is_success() || ours, "creating bucket {}: {status} {answer}", bucket.name);
    if !bucket.cors.is_empty() {
        let cors = Cors { rules: &bucket.cors }.render()?;
        let (status, answer) = put(aws, &format!("{}?cors=", bucket.name), cors).await?;
        ensure!(status.is_success(), "setting CORS of bucket {}: {status} {answer}", bucket.name);
    }
    Ok(())
}

/// Path-style, which every endpoint but AWS's own wants, and AWS still takes.
async fn put(aws: &Aws, path: &str, body: String) -> anyhow::Result<(http::StatusCode, String)> {
    let own = format!("https://s3.{}.amazonaws.com", aws.region());
    let endpoint = aws.endpoint("s3").unwrap_or(&own).trim_end_matches('/');
    let mut request = Request::put(format!("{endpoint}/{path}"))
        .header("content-md5", STANDARD.encode(Md5::digest(&body)))
        .body(Bytes::from(body))?;
    add_signature(&mut request, Service::S3, aws.credentials(), aws.region(), Clock::default().now())?;
    let answer = aws.net().send(request, LIMITS).await?;
    Ok((answer.status(), String::from_utf8_lossy(answer.body()).into_owned()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use aws_sdk_s3::Client;

    use super::*;
    use crate::aws::{Config, Endpoint};

    /// S3's own client reads what was set, and a second start changes nothing.
    #[tokio::test]
    async fn a_bucket_is_made_once_with_its_rules() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint::start(listener, Config::default()).await.unwrap();
        let env = [
            ("AWS_ENDPOINT_URL", endpoint.url()),
            ("AWS_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "key"),
        ];
        let env: HashMap<String, String> = env.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let aws = Aws::from_map(&env);
        let rule = BucketCorsRule {
            allowed_origins: vec!["https://a.example?x=1&y=<2>".into(), "*".into()],
            allowed_methods: vec!["GET".into(), "PUT".into()],
            allowed_headers: vec!["*".into()],
            exposed_headers: vec!["ETag".into()],
            max_age: Some(3600),
        };
        let media = BucketSpec { logical_id: "Media".into(), name: "media".into(), cors: vec![rule.clone()] };
        for _ in 0..2 {
            ensure(&aws, &media).await.unwrap();
        }
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(aws_sdk_s3::config::BehaviorVersion::latest())
            .region(aws_sdk_s3::config::Region::new(REGION))
            .endpoint_url(endpoint.url())
            .credentials_provider(aws.credentials().clone())
            .http_client(aws.net().clone())
            .force_path_style(true);
        let client = Client::from_conf(config.build());
        let rules = client.get_bucket_cors().bucket("media").send().await.unwrap().cors_rules.unwrap();
        assert_eq!(rules.len(), 1);
        assert_eq!(rules[0].allowed_origins, rule.allowed_origins);
        assert_eq!(rules[0].allowed_methods, rule.allowed_methods);
        assert_eq!(rules[0].allowed_headers.as_ref(), Some(&rule.allowed_headers));
        assert_eq!(rules[0].expose_headers.as_ref(), Some(&rule.exposed_headers));
        assert_eq!(rules[0].max_age_seconds, rule.max_age);
    }
}
