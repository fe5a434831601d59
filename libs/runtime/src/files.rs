//! Files: what the bucket holds. Three requests, signed here, are all that functions need of S3; its SDK would be a third
//! of a function's size.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use jiff::Timestamp;
use net::Limits;
use tokio::time::Instant;

use crate::{
    Aws,
    error::ApiError,
    signature::{Service, add_signature},
};

const ATTEMPTS: u32 = 4;
/// One attempt. Within a region a picture takes a fraction of a second.
const ATTEMPT: Limits =
    Limits { connect: Duration::from_secs(1), total: Duration::from_secs(5), answer_bytes: MAX_BYTES };
/// All attempts and pauses together: somebody waits behind this call.
const TOTAL: Duration = Duration::from_secs(12);
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The largest file that is read.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;

/// The bucket. Got by [`Ctx::files`](crate::Ctx::files).
///
/// A key is a path of `A-Z a-z 0-9 _ . -` with `/` between, neither empty nor of dots alone: so it is the same in S3, in a
/// signature and in a URL.
#[derive(Clone, Copy, Debug)]
pub struct Files<'a> {
    pub(crate) aws: &'a Aws,
    pub(crate) bucket: &'a str,
    pub(crate) media_url: &'a str,
    pub(crate) now: Timestamp,
}

/// Why a file was not stored, read or deleted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilesError {
    /// Not a key, see [`Files`].
    #[error("{0:?} is no key of a file")]
    Key(String),
    /// S3 refuses, and would again: a permission or the bucket is missing, or the request is not one.
    #[error("the bucket refused with {status}, {code}")]
    Refused {
        /// HTTP status, 3xx or 4xx.
        status: u16,
        /// S3's code, `AccessDenied`; empty when it gave none.
        code: String,
    },
    /// Nothing settled in all attempts. The request may have had its effect.
    #[error("the bucket is unavailable: {0}")]
    Unavailable(String),
    /// The file has more than [`MAX_BYTES`].
    #[error("the file is too large to be read")]
    TooLarge,
}

/// Never the client's fault.
impl From<FilesError> for ApiError {
    fn from(error: FilesError) -> Self {
        match error {
            FilesError::Unavailable(_) => {
                tracing::warn!(%error, "bucket unavailable");
                Self::unavailable()
            }
            error => Self::internal(error),
        }
    }
}

impl Files<'_> {
    /// Stores a file, in place of one of the same key. Needs `s3:PutObject`.
    pub async fn put(
        &self,
        key: &str,
        bytes: impl Into<Bytes>,
        content_type: &str,
        cache_control: Option<&str>,
    ) -> Result<(), FilesError> {
        let bytes = bytes.into();
        let length = HeaderValue::from(bytes.len());
        let mut request = self.request(Method::PUT, key, bytes)?;
        // Said even of an empty file: S3 refuses a PUT without it.
        request.headers_mut().insert(header::CONTENT_LENGTH, length);
        let headers = [(header::CONTENT_TYPE, Some(content_type)), (header::CACHE_CONTROL, cache_control)];
        for (name, value) in headers {
            if let Some(value) = value {
                request.headers_mut().insert(name, HeaderValue::from_str(value).map_err(not_sent)?);
            }
        }
        self.send(request).await.map(drop)
    }

    /// The file of that key, if there is one. Needs `s3:GetObject`; and without `s3:ListBucket` S3 does not tell that there
    /// is none, but refuses.
    pub async fn get(&self, key: &str) -> Result<Option<Bytes>, FilesError> {
        match self.send(self.request(Method::GET, key, Bytes::new())?).await {
            Ok(answer) => Ok(Some(answer.into_body())),
            Err(FilesError::Refused { status: 404, code }) if code != "NoSuchBucket" => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deletes a file. That there is none is no error. Needs `s3:DeleteObject`.
    pub async fn delete(&self, key: &str) -> Result<(), FilesError> {
        self.send(self.request(Method::DELETE, key, Bytes::new())?).await.map(drop)
    }

    /// Where everybody may read the file. True of keys that begin with `media/`: the others are private.
    pub fn public_url(&self, key: &str) -> String {
        format!("{}/{key}", self.media_url)
    }

    /// The key of the file at a public URL; none for an address elsewhere.
    pub fn key_of<'a>(&self, url: &'a str) -> Option<&'a str> {
        url.strip_prefix(self.media_url)?.strip_prefix('/').filter(|key| is_key(key))
    }

    fn request(&self, method: Method, key: &str, body: Bytes) -> Result<Request<Bytes>, FilesError> {
        if !is_key(key) {
            return Err(FilesError::Key(key.to_owned()));
        }
        let (bucket, region) = (self.bucket, self.aws.region());
        let url = match self.aws.endpoint("s3") {
            Some(endpoint) => format!("{}/{bucket}/{key}", endpoint.trim_end_matches('/')),
            None => format!("https://{bucket}.s3.{region}.amazonaws.com/{key}"),
        };
        Request::builder().method(method).uri(url).body(body).map_err(not_sent)
    }

    async fn send(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, FilesError> {
        let (credentials, region) = (self.aws.credentials(), self.aws.region());
        add_signature(&mut request, Service::S3, credentials, region, self.now).map_err(not_sent)?;
        let deadline = Instant::now() + TOTAL;
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            let total = ATTEMPT.total.min(deadline.saturating_duration_since(Instant::now()));
            let answer = self.aws.net().send(request.clone(), Limits { total, ..ATTEMPT }).await;
            let outcome = read(answer);
            let Err(FilesError::Unavailable(reason)) = &outcome else { return outcome };
            if attempt == ATTEMPTS || Instant::now() + pause >= deadline {
                return outcome;
            }
            tracing::warn!(method = %request.method(), attempt, reason, "the bucket will be asked again");
            tokio::time::sleep(pause.mul_f64(1.0 + rand::random::<f64>() / 2.0)).await;
            pause *= 2;
        }
        Err(FilesError::Unavailable("no attempt was made".into()))
    }
}

/// See [`Files`]. S3 takes 1024 bytes.
fn is_key(key: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let segment = |part: &str| !part.is_empty() && part.bytes().all(plain) && part.bytes().any(|byte| byte != b'.');
    key.len() <= 1024 && key.split('/').all(segment)
}

fn not_sent(error: impl std::fmt::Display) -> FilesError {
    FilesError::Refused { status: 400, code: error.to_string() }
}

fn read(answer: Result<Response<Bytes>, net::Error>) -> Result<Response<Bytes>, FilesError> {
    let answer = answer.map_err(|error| match error {
        net::Error::TooLarge => FilesError::TooLarge,
        net::Error::Invalid(reason) => not_sent(reason),
        error => FilesError::Unavailable(error.to_string()),
    })?;
    if answer.status().is_success() {
        return Ok(answer);
    }
    let (status, code) = (answer.status(), code_of(answer.body()));
    let again = status.is_server_error()
        || status == StatusCode::TOO_MANY_REQUESTS
        || ["RequestTimeout", "OperationAborted"].contains(&code.as_str());
    Err(match again {
        true => FilesError::Unavailable(format!("{status} {code}")),
        false => FilesError::Refused { status: status.as_u16(), code },
    })
}

/// `<Error><Code>NoSuchKey</Code>…`.
fn code_of(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    code.map_or_else(String::new, |(code, _)| code.chars().take(100).collect())
}

#[cfg(test)]
mod tests;
