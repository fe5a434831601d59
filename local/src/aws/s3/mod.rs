//! S3, path style: buckets, objects, listings, form uploads, and objects that a browser may read.
//!
//! Small and our own, so that objects are plain files that survive a restart, and so that what SDKs send by default
//! (chunked bodies with a checksum behind them) is really checked. Anyone may read an object, as the deployed bucket's policy
//! allows; writing and listing need credentials, whose signature is not verified.

mod form;
mod list;
mod payload;
mod store;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use bytes::Bytes;
use jiff::SignedDuration;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use self::store::{Object, Store, Upload};
use super::clock;
use super::disk::Data;
use super::wire::{Call, Fault, percent_decode};

/// Query parameters that name a bucket's settings rather than its objects. They are kept and echoed, without effect.
const SETTINGS: [&str; 10] = [
    "acl",
    "cors",
    "encryption",
    "lifecycle",
    "notification",
    "ownershipControls",
    "policy",
    "publicAccessBlock",
    "tagging",
    "versioning",
];

/// Headers of an upload that come back with the object.
const KEPT_HEADERS: [&str; 5] = ["content-type", "cache-control", "content-disposition", "content-language", "expires"];

/// The object store of the endpoint.
pub(super) struct S3 {
    store: Store,
    region: String,
}

impl S3 {
    pub fn open(data: &Data, region: &str) -> anyhow::Result<Self> {
        Ok(Self { store: Store::open(data)?, region: region.to_owned() })
    }

    /// Answers any request that is for no other service.
    pub fn handle(&self, call: &Call) -> Response<Body> {
        let mut response = self.dispatch(call).unwrap_or_else(|fault| xml_error(fault, call));
        if call.headers.contains_key(header::ORIGIN) {
            let headers = response.headers_mut();
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            headers.insert(
                header::ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static("ETag, Content-Length, Content-Type"),
            );
        }
        response
    }

    fn dispatch(&self, call: &Call) -> Result<Response<Body>, Fault> {
        let path = call.path.trim_start_matches('/');
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let (bucket, key) = (percent_decode(bucket), percent_decode(key));
        check_permission(call, &key)?;
        match (&call.method, bucket.is_empty(), key.is_empty()) {
            (&Method::OPTIONS, ..) => Ok(preflight(call)),
            (&Method::GET, true, _) => Ok(xml(list::buckets(&self.store.buckets()))),
            (_, false, true) => self.on_bucket(call, &bucket),
            (_, false, false) => self.on_object(call, &bucket, &key),
            _ => Err(not_implemented(call)),
        }
    }

    fn on_bucket(&self, call: &Call, bucket: &str) -> Result<Response<Body>, Fault> {
        let setting = SETTINGS.iter().find(|name| call.parameter(name).is_some());
        match (&call.method, setting) {
            (&Method::PUT, Some(name)) => {
                self.store.set(bucket, name, Some(String::from_utf8_lossy(&call.body).into_owned()))?;
                Ok(empty(StatusCode::OK))
            }
            (&Method::GET, Some(name)) => self.store.setting(bucket, name).map(xml),
            (&Method::DELETE, Some(name)) => self.store.set(bucket, name, None).map(|()| empty(StatusCode::NO_CONTENT)),
            (&Method::PUT, None) => self.create_bucket(bucket),
            (&Method::HEAD, None) => self.store.check(bucket).map(|()| empty(StatusCode::OK)),
            (&Method::DELETE, None) => self.store.delete_bucket(bucket).map(|()| empty(StatusCode::NO_CONTENT)),
            (&Method::GET, None) if call.parameter("location").is_some() => {
                self.store.check(bucket).map(|()| xml(list::location(&self.region)))
            }
            (&Method::GET, None) if call.parameter("uploads").is_none() => {
                list::Listing::asked_for(call).of(bucket, &self.store.keys(bucket)?).map(xml)
            }
            (&Method::POST, None) if call.parameter("delete").is_some() => self.delete_objects(call, bucket),
            (&Method::POST, None) if is_form(&call.headers) => self.post_object(call, bucket),
            _ => Err(not_implemented(call)),
        }
    }

    fn on_object(&self, call: &Call, bucket: &str, key: &str) -> Result<Response<Body>, Fault> {
        let multipart = call.parameter("uploadId").or_else(|| call.parameter("uploads")).is_some();
        match call.method {
            Method::PUT if !multipart && call.header("x-amz-copy-source").is_none() => {
                self.put_object(call, bucket, key)
            }
            Method::GET | Method::HEAD if !multipart => self.get_object(call, bucket, key),
            Method::DELETE if !multipart => self.store.delete(bucket, key).map(|()| empty(StatusCode::NO_CONTENT)),
            _ => Err(not_implemented(call)),
        }
    }

    fn create_bucket(&self, bucket: &str) -> Result<Response<Body>, Fault> {
        self.store.create_bucket(bucket)?;
        let mut response = empty(StatusCode::OK);
        insert(response.headers_mut(), "location", &format!("/{bucket}"));
        Ok(response)
    }

    fn put_object(&self, call: &Call, bucket: &str, key: &str) -> Result<Response<Body>, Fault> {
        let payload = payload::read(call)?;
        let upload = Upload { body: payload.body, headers: kept_headers(&call.headers), checksums: payload.checksums };
        let object = self.store.put(bucket, key, upload, call.header("if-none-match") == Some("*"))?;
        let mut response = empty(StatusCode::OK);
        insert(response.headers_mut(), "etag", &object.etag);
        for (name, value) in &object.checksums {
            insert(response.headers_mut(), name, value);
        }
        Ok(response)
    }

    fn get_object(&self, call: &Call, bucket: &str, key: &str) -> Result<Response<Body>, Fault> {
        let object = self.store.object(bucket, key)?;
        let mut response = empty(StatusCode::OK);
        describe(response.headers_mut(), &object, call);
        if call.header("if-none-match").is_some_and(|asked| asked == object.etag) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return Ok(response);
        }
        let (from, to) = match call.header("range").map(|range| parse_range(range, object.size)).transpose()?.flatten()
        {
            Some((from, to)) => {
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                insert(response.headers_mut(), "content-range", &format!("bytes {from}-{}/{}", to - 1, object.size));
                (from, to)
            }
            None => (0, object.size),
        };
        insert(response.headers_mut(), "content-length", &(to - from).to_string());
        if call.method == Method::GET {
            *response.body_mut() = Body::from(self.store.read(bucket, &object)?.slice(from..to));
        }
        Ok(response)
    }

    fn delete_objects(&self, call: &Call, bucket: &str) -> Result<Response<Body>, Fault> {
        let body = payload::read(call)?.body;
        let asked = String::from_utf8_lossy(&body);
        let keys = list::elements(&asked, "Key");
        for key in &keys {
            self.store.delete(bucket, key)?;
        }
        let quiet = list::elements(&asked, "Quiet").first().is_some_and(|quiet| quiet == "true");
        Ok(xml(list::deleted(if quiet { &[] } else { &keys })))
    }

    /// A browser's form upload, allowed by the signed policy that came with the form.
    fn post_object(&self, call: &Call, bucket: &str) -> Result<Response<Body>, Fault> {
        let form = form::Form::read(call)?;
        form.check_policy(bucket, clock::now())?;
        let (key, status) = (form.key()?, form.success_status());
        let object = self.store.put(bucket, &key, form.into_upload(), false)?;
        let mut response = match status {
            StatusCode::CREATED => xml(list::posted(bucket, &key, &object.etag)),
            _ => empty(status),
        };
        *response.status_mut() = status;
        insert(response.headers_mut(), "etag", &object.etag);
        Ok(response)
    }
}

/// Anyone may read an object and ask by CORS; a form brings its own permission; all else needs credentials. A presigned
/// URL has them in its query, for as long as it says.
fn check_permission(call: &Call, key: &str) -> Result<(), Fault> {
    let denied = |text: &str| Err(Fault::with_status(StatusCode::FORBIDDEN, "AccessDenied", text));
    if call.parameter("X-Amz-Signature").is_some() {
        let signed_at = call.parameter("X-Amz-Date").and_then(|date| DateTime::strptime("%Y%m%dT%H%M%SZ", date).ok());
        let signed_at = signed_at.and_then(|date| date.to_zoned(TimeZone::UTC).ok()).map(|zoned| zoned.timestamp());
        let seconds = call.parameter("X-Amz-Expires").and_then(|seconds| seconds.parse().ok());
        return match signed_at.zip(seconds) {
            Some((from, seconds)) if from + SignedDuration::from_secs(seconds) > clock::now() => Ok(()),
            Some(_) => denied("Request has expired"),
            None => denied("X-Amz-Date and X-Amz-Expires are required"),
        };
    }
    let reads_object = matches!(call.method, Method::GET | Method::HEAD) && !key.is_empty();
    let open =
        reads_object || call.method == Method::OPTIONS || (call.method == Method::POST && is_form(&call.headers));
    if open || call.headers.contains_key(header::AUTHORIZATION) { Ok(()) } else { denied("Access Denied") }
}

fn is_form(headers: &HeaderMap) -> bool {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    media_type.is_some_and(|media_type| media_type.starts_with("multipart/form-data"))
}

fn kept_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let named = headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let kept = named.filter(|(name, _)| KEPT_HEADERS.contains(name) || name.starts_with("x-amz-meta-"));
    let mut kept: Vec<_> = kept.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let encoding = headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // `aws-chunked` says how the upload was sent; only what is left of the list belongs to the object.
    let encodings: Vec<&str> =
        encoding.split(',').map(str::trim).filter(|name| !name.is_empty() && *name != "aws-chunked").collect();
    if !encodings.is_empty() {
        kept.push(("content-encoding".to_owned(), encodings.join(",")));
    }
    kept
}

/// The headers of GetObject and HeadObject.
fn describe(headers: &mut HeaderMap, object: &Object, call: &Call) {
    insert(headers, "content-type", "binary/octet-stream");
    for (name, value) in &object.headers {
        insert(headers, name, value);
    }
    for name in KEPT_HEADERS {
        if let Some(value) = call.parameter(&format!("response-{name}")) {
            insert(headers, name, &value);
        }
    }
    insert(headers, "etag", &object.etag);
    insert(headers, "accept-ranges", "bytes");
    insert(headers, "last-modified", &object.modified_at().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string());
    if call.header("x-amz-checksum-mode") == Some("ENABLED") && call.header("range").is_none() {
        for (name, value) in &object.checksums {
            insert(headers, name, value);
        }
    }
}

/// One range of bytes as (first, behind the last). None when the header is not understood, which means the whole object.
fn parse_range(range: &str, size: usize) -> Result<Option<(usize, usize)>, Fault> {
    let Some((from, to)) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Ok(None);
    };
    let (from, to) = match (from.parse::<usize>().ok(), to.parse::<usize>().ok()) {
        (Some(from), to) => (from, to.map_or(size, |to| to.saturating_add(1).min(size))),
        (None, Some(last)) => (size.saturating_sub(last), size),
        (None, None) => return Ok(None),
    };
    if from < to {
        return Ok(Some((from, to)));
    }
    Err(Fault::with_status(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange", "The requested range is not satisfiable"))
}

fn preflight(call: &Call) -> Response<Body> {
    let mut response = empty(StatusCode::OK);
    let headers = response.headers_mut();
    insert(headers, "access-control-allow-methods", "GET, HEAD, POST, PUT, DELETE");
    insert(headers, "access-control-allow-headers", call.header("access-control-request-headers").unwrap_or("*"));
    insert(headers, "access-control-max-age", "3000");
    response
}

fn not_implemented(call: &Call) -> Fault {
    tracing::warn!(method = %call.method, path = call.path, query = call.query, "the S3 stand-in does not know this operation");
    Fault::with_status(StatusCode::NOT_IMPLEMENTED, "NotImplemented", "The S3 stand-in does not know this operation.")
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn xml(body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::from(body)));
    insert(response.headers_mut(), "content-type", "application/xml");
    response
}

fn xml_error(fault: Fault, call: &Call) -> Response<Body> {
    let body = list::error(fault.code, &fault.message, &call.path);
    // The answer to HEAD has no body, so SDKs go by the status alone.
    let mut response = if call.method == Method::HEAD { empty(fault.status) } else { xml(body) };
    *response.status_mut() = fault.status;
    response
}

/// Sets a header, unless a client's text does not fit into one.
fn insert(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
        headers.insert(name, value);
    }
}
