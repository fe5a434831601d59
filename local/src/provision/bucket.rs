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
