use std::collections::HashMap;

use super::*;
use crate::stand_in::{Asked, answering};

/// A bucket that answers so.
async fn bucket(answers: Vec<(u16, String)>) -> (Aws, Asked) {
    let (url, asked) = answering(answers).await;
    (aws(&[("AWS_ENDPOINT_URL", &url)]), asked)
}

fn aws(more: &[(&str, &str)]) -> Aws {
    let own = [
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    ];
    let all: HashMap<String, String> =
        own.iter().chain(more).map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Aws::from_map(&all)
}

fn files(aws: &Aws) -> Files<'_> {
    Files {
        aws,
        bucket: "examplebucket",
        media_url: "https://media.test",
        now: "2013-05-24T00:00:00Z".parse().unwrap(),
    }
}

fn error(code: &str) -> String {
    format!("<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>m</Message></Error>")
}

/// The examples of Amazon's "Signature Calculations for the Authorization Header" (S3 API Reference), without the headers
/// that we do not send.
#[test]
fn signatures_are_amazons() {
    let aws = aws(&[]);
    let mut request = files(&aws).request(Method::GET, "test.txt", Bytes::new()).unwrap();
    assert_eq!(request.uri(), "https://examplebucket.s3.us-east-1.amazonaws.com/test.txt");
    // Their example spells the host without the region, and asks for a range.
    *request.uri_mut() = "https://examplebucket.s3.amazonaws.com/test.txt".parse().unwrap();
    request.headers_mut().insert("range", HeaderValue::from_static("bytes=0-9"));
    add_signature(&mut request, Service::S3, aws.credentials(), "us-east-1", files(&aws).now).unwrap();
    assert_eq!(
        request.headers()["authorization"],
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
         SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, \
         Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    );
    assert_eq!(request.headers()["x-amz-date"], "20130524T000000Z");
}

#[tokio::test]
async fn a_file_is_put_with_its_kind_got_and_deleted() {
    let (aws, asked) = bucket(vec![(200, "hello".into())]).await;
    files(&aws).put("media/org/a-1.png", vec![1, 2, 3], "image/png", Some("public, max-age=1")).await.unwrap();
    files(&aws).put("reports/r.pdf", "", "application/pdf", None).await.unwrap();
    assert_eq!(files(&aws).get("reports/r.pdf").await.unwrap().unwrap(), "hello");
    files(&aws).delete("reports/r.pdf").await.unwrap();
    let asked = asked.lock().unwrap();
    let lines: Vec<_> = asked.iter().map(|request| format!("{} {}", request.method(), request.uri())).collect();
    assert_eq!(
        lines,
        [
            "PUT /examplebucket/media/org/a-1.png",
            "PUT /examplebucket/reports/r.pdf",
            "GET /examplebucket/reports/r.pdf",
            "DELETE /examplebucket/reports/r.pdf"
        ]
    );
    let headers = asked[0].headers();
    assert_eq!(
        (&headers["content-type"], &headers["cache-control"]),
        (&"image/png".parse().unwrap(), &"public, max-age=1".parse().unwrap())
    );
    assert_eq!(headers["x-amz-content-sha256"], "039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81");
    assert!(
        headers["authorization"]
            .to_str()
            .unwrap()
            .contains("SignedHeaders=cache-control;content-length;content-type;host;")
    );
    assert_eq!(asked[0].body(), &Bytes::from_static(&[1, 2, 3]));
    assert_eq!(asked[1].headers()["content-length"], "0", "S3 refuses a PUT without it");
    assert!(!asked[1].headers().contains_key("cache-control"));
}

#[tokio::test]
async fn a_sessions_token_is_sent_and_signed() {
    let (mut aws, asked) = bucket(vec![(200, String::new())]).await;
    let endpoint = aws.endpoint("s3").unwrap().to_owned();
    aws = super::tests::aws(&[("AWS_ENDPOINT_URL_S3", &endpoint), ("AWS_SESSION_TOKEN", "of-the-role")]);
    files(&aws).delete("a").await.unwrap();
    let asked = asked.lock().unwrap();
    assert_eq!(asked[0].headers()["x-amz-security-token"], "of-the-role");
    assert!(asked[0].headers()["authorization"].to_str().unwrap().contains("x-amz-security-token"));
}

#[tokio::test]
async fn a_bad_moment_is_got_over_and_a_bad_day_is_given_up() {
    let (aws, asked) = bucket(vec![(503, error("SlowDown")), (500, error("InternalError")), (200, "x".into())]).await;
    assert_eq!(files(&aws).get("a").await.unwrap().unwrap(), "x");
    assert_eq!(asked.lock().unwrap().len(), 3);

    let (aws, asked) = bucket(vec![(503, error("SlowDown"))]).await;
    let failed = files(&aws).put("a", "x", "text/plain", None).await.unwrap_err();
    assert_eq!(failed, FilesError::Unavailable("503 Service Unavailable SlowDown".into()));
    assert_eq!(asked.lock().unwrap().len(), ATTEMPTS as usize);
    assert_eq!(ApiError::from(failed).status, 503);

    let nobody = super::tests::aws(&[("AWS_ENDPOINT_URL", "http://127.0.0.1:1")]);
    assert!(matches!(files(&nobody).delete("a").await.unwrap_err(), FilesError::Unavailable(_)));
}

#[tokio::test]
async fn what_is_not_there_is_none_and_what_is_refused_is_not_repeated() {
    let (aws, asked) = bucket(vec![(404, error("NoSuchKey"))]).await;
    assert_eq!(files(&aws).get("a").await.unwrap(), None);
    assert_eq!(asked.lock().unwrap().len(), 1);
    for (status, code) in
        [(404, "NoSuchBucket"), (403, "AccessDenied"), (400, "InvalidArgument"), (301, "PermanentRedirect")]
    {
        let (aws, asked) = bucket(vec![(status, error(code))]).await;
        let refused = files(&aws).get("a").await.unwrap_err();
        assert_eq!(refused, FilesError::Refused { status, code: code.into() });
        assert_eq!(asked.lock().unwrap().len(), 1);
        assert_eq!(ApiError::from(refused).status, 500);
    }
    let (aws, _) = bucket(vec![(200, "x".repeat(MAX_BYTES + 1))]).await;
    assert_eq!(files(&aws).get("a").await.unwrap_err(), FilesError::TooLarge);
}

#[tokio::test]
async fn a_key_is_a_plain_path() {
    let (aws, asked) = bucket(vec![(200, String::new())]).await;
    for bad in ["", "/a", "a/", "a//b", "../a", "a/./b", "a b", "ü", "a?b", "a%2fb", "a#b", &"x".repeat(1025)] {
        let refused = files(&aws).put(bad, "x", "text/plain", None).await.unwrap_err();
        assert_eq!(refused, FilesError::Key(bad.into()));
    }
    assert!(asked.lock().unwrap().is_empty());
    files(&aws).put("media/8f5f/Home-Productions_1.v2.webp", "x", "image/webp", None).await.unwrap();
}

#[test]
fn public_urls_lead_back_to_their_keys() {
    let aws = aws(&[]);
    let url = files(&aws).public_url("media/org/a.png");
    assert_eq!(url, "https://media.test/media/org/a.png");
    assert_eq!(files(&aws).key_of(&url), Some("media/org/a.png"));
    for elsewhere in ["https://media.test.evil/a.png", "https://media.test/", "https://media.test/a/../b", "a.png", ""]
    {
        assert_eq!(files(&aws).key_of(elsewhere), None, "{elsewhere}");
    }
}
