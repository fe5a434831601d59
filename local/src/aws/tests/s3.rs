use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Dir, start, start_with};

async fn client(config: &aws_types::SdkConfig) -> Client {
    let client = Client::from_conf(Builder::from(config).force_path_style(true).build());
    client.create_bucket().bucket("media").send().await.unwrap();
    client
}

async fn put(client: &Client, key: &str, body: &str) {
    let body = ByteStream::from(body.as_bytes().to_vec());
    client.put_object().bucket("media").key(key).content_type("text/plain").body(body).send().await.unwrap();
}

#[tokio::test]
async fn an_object_comes_back_as_it_was_sent_also_after_a_restart_and_to_a_browser() {
    let dir = Dir::new();
    let (endpoint, config) = start_with(dir.data()).await;
    put(&client(&config).await, "a folder/ünï.txt", "hello").await;
    endpoint.shutdown().await;

    let (endpoint, config) = start_with(dir.data()).await;
    let client = Client::from_conf(Builder::from(&config).force_path_style(true).build());
    // The SDK compares the CRC32 that it sent with the upload with the bytes of the download.
    let object = client.get_object().bucket("media").key("a folder/ünï.txt").send().await.unwrap();
    assert_eq!(object.content_type(), Some("text/plain"));
    assert_eq!(object.checksum_crc32(), Some("NhCmhg=="));
    assert_eq!(object.body.collect().await.unwrap().into_bytes(), "hello");
    let head = client.head_object().bucket("media").key("a folder/ünï.txt").send().await.unwrap();
    assert_eq!((head.content_length(), head.e_tag()), (Some(5), Some("\"5d41402abc4b2a76b9719d911017c592\"")));

    let browser = reqwest::Client::new();
    let url = format!("{}/media/a%20folder/%C3%BCn%C3%AF.txt", endpoint.url());
    let page = browser.get(&url).header("origin", "http://localhost").send().await.unwrap();
    assert_eq!(page.headers()["access-control-allow-origin"], "*");
    assert_eq!(page.headers()["content-type"], "text/plain");
    assert_eq!(page.text().await.unwrap(), "hello");
    let part = browser.get(&url).header("range", "bytes=1-2").send().await.unwrap();
    assert_eq!((part.status().as_u16(), part.text().await.unwrap()), (206, "el".to_owned()));
    let write = browser.put(&url).body("mine").send().await.unwrap();
    assert_eq!(write.status(), 403);
}

#[tokio::test]
async fn a_streamed_body_is_unchunked_and_a_wrong_checksum_refused() {
    let (endpoint, config) = start().await;
    let client = client(&config).await;
    let dir = Dir::new();
    std::fs::create_dir_all(&dir.0).unwrap();
    let file = dir.0.join("big");
    std::fs::write(&file, "0123456789".repeat(30_000)).unwrap();
    // A body from a file is not held in memory, so that the SDK sends it in chunks with the checksum behind them.
    let body = ByteStream::from_path(&file).await.unwrap();
    client.put_object().bucket("media").key("big").body(body).send().await.unwrap();
    let object = client.get_object().bucket("media").key("big").send().await.unwrap();
    assert_eq!(object.body.collect().await.unwrap().into_bytes().len(), 300_000);

    let wrong =
        client.put_object().bucket("media").key("wrong").checksum_crc32("AAAAAA==").body(ByteStream::from_static(b"x"));
    assert_eq!(wrong.send().await.unwrap_err().into_service_error().code(), Some("BadDigest"));
    let trailing = async |checksum: &str| {
        let request = reqwest::Client::new().put(format!("{}/media/trailing", endpoint.url()));
        let request =
            request.header("authorization", "AWS4-HMAC-SHA256 Credential=id/20260101/us-east-1/s3/aws4_request");
        let request = request.header("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
        let body = format!("3\r\nhel\r\n2\r\nlo\r\n0\r\nx-amz-checksum-crc32:{checksum}\r\n\r\n");
        request.body(body).send().await.unwrap().status().as_u16()
    };
    assert_eq!((trailing("NhCmhg==").await, trailing("AAAAAA==").await), (200, 400));
    let missing = client.get_object().bucket("media").key("wrong").send().await.unwrap_err();
    assert!(missing.into_service_error().is_no_such_key());
}

#[tokio::test]
async fn listings_are_paged_and_grouped_and_many_are_deleted_at_once() {
    let (_endpoint, config) = start().await;
    let client = client(&config).await;
    for key in ["a/1", "a/2", "b & c/1", "d"] {
        put(&client, key, key).await;
    }
    let grouped = client.list_objects_v2().bucket("media").delimiter("/").max_keys(2).send().await.unwrap();
    let groups: Vec<_> = grouped.common_prefixes().iter().map(|group| group.prefix().unwrap()).collect();
    assert_eq!((groups, grouped.is_truncated()), (vec!["a/", "b & c/"], Some(true)));
    let rest = client.list_objects_v2().bucket("media").delimiter("/");
    let rest = rest.set_continuation_token(grouped.next_continuation_token).send().await.unwrap();
    assert_eq!((rest.contents()[0].key(), rest.is_truncated()), (Some("d"), Some(false)));

    let ids = ["a/1", "b & c/1"].map(|key| ObjectIdentifier::builder().key(key).build().unwrap());
    let delete = Delete::builder().set_objects(Some(ids.to_vec())).build().unwrap();
    let deleted = client.delete_objects().bucket("media").delete(delete).send().await.unwrap();
    assert_eq!(deleted.deleted()[1].key(), Some("b & c/1"));
    client.delete_object().bucket("media").key("d").send().await.unwrap();
    let left = client.list_objects_v2().bucket("media").prefix("a/").send().await.unwrap();
    assert_eq!((left.key_count(), left.contents()[0].key()), (Some(1), Some("a/2")));
}

#[tokio::test]
async fn presigned_urls_work_until_they_expire() {
    let (_endpoint, config) = start().await;
    let client = client(&config).await;
    let signing = PresigningConfig::expires_in(Duration::from_secs(60)).unwrap();
    let put = client.put_object().bucket("media").key("direct").presigned(signing).await.unwrap();
    let browser = reqwest::Client::new();
    let sent = browser.put(put.uri()).body("direct").send().await.unwrap();
    assert_eq!(sent.status(), 200, "{}", sent.text().await.unwrap());
    let old = put.uri().replace("X-Amz-Expires=60", "X-Amz-Expires=0");
    assert_eq!(browser.put(old).body("late").send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn a_form_uploads_what_its_policy_allows() {
    let (endpoint, config) = start().await;
    client(&config).await;
    let policy = serde_json::json!({"expiration": "2999-01-01T00:00:00Z", "conditions": [
        {"bucket": "media"}, ["starts-with", "$key", "uploads/"], ["content-length-range", 1, 10], {"Content-Type": "image/png"},
    ]});
    let upload = async |key: &'static str, body: &'static str| {
        let form = reqwest::multipart::Form::new().text("key", key).text("Content-Type", "image/png");
        let form = form.text("policy", STANDARD.encode(policy.to_string())).text("X-Amz-Signature", "unchecked");
        let form = form.part("file", reqwest::multipart::Part::text(body).file_name("cat.png"));
        let url = format!("{}/media", endpoint.url());
        reqwest::Client::new().post(url).multipart(form).send().await.unwrap().status().as_u16()
    };
    assert_eq!(upload("uploads/${filename}", "picture").await, 204);
    assert_eq!(upload("elsewhere", "picture").await, 403);
    assert_eq!(upload("uploads/big", "far too many bytes").await, 400);
    let page = reqwest::get(format!("{}/media/uploads/cat.png", endpoint.url())).await.unwrap();
    assert_eq!(page.headers()["content-type"], "image/png");
    assert_eq!(page.text().await.unwrap(), "picture");
}
