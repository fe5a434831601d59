//! S3's XML: listings and the few other documents, written and read by hand.

use crate::aws::wire::{Call, Fault, page_size, percent_encode};

use super::store::Object;

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
const NAMESPACE: &str = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";

/// What ListObjectsV2 was asked for.
pub(super) struct Listing {
    prefix: String,
    delimiter: Option<String>,
    /// The key or common prefix behind which the page begins.
    after: String,
    most: usize,
    encoded: bool,
}

impl Listing {
    pub fn asked_for(call: &Call) -> Self {
        let after = call.parameter("continuation-token").or_else(|| call.parameter("start-after"));
        Self {
            prefix: call.parameter("prefix").unwrap_or_default(),
            delimiter: call.parameter("delimiter").filter(|delimiter| !delimiter.is_empty()),
            after: after.unwrap_or_default(),
            most: page_size(call.parameter("max-keys").and_then(|most| most.parse().ok()), 1000),
            encoded: call.parameter("encoding-type").is_some_and(|kind| kind == "url"),
        }
    }

    /// One page of a bucket's objects. Keys that share what comes before the delimiter are one entry.
    pub fn of(&self, bucket: &str, objects: &[Object]) -> Result<String, Fault> {
        let (mut entries, mut last, mut count, mut truncated) = (String::new(), self.after.clone(), 0, false);
        for object in objects.iter().filter(|object| object.key.starts_with(&self.prefix)) {
            let group = self.group(&object.key);
            let name = group.unwrap_or(&object.key);
            if name <= last.as_str() {
                continue;
            }
            if count == self.most {
                truncated = true;
                break;
            }
            match group {
                Some(group) => {
                    entries += &format!("<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", self.shown(group))
                }
                None => entries += &self.contents(object),
            }
            name.clone_into(&mut last);
            count += 1;
        }
        let next = if truncated {
            format!("<NextContinuationToken>{}</NextContinuationToken>", escape(&last))
        } else {
            String::new()
        };
        let delimiter =
            self.delimiter.as_deref().map_or_else(String::new, |d| format!("<Delimiter>{}</Delimiter>", self.shown(d)));
        let encoding = if self.encoded { "<EncodingType>url</EncodingType>" } else { "" };
        Ok(format!(
            "{HEAD}<ListBucketResult {NAMESPACE}><Name>{bucket}</Name><Prefix>{}</Prefix>{delimiter}{encoding}<KeyCount>{count}</KeyCount>\
             <MaxKeys>{}</MaxKeys><IsTruncated>{truncated}</IsTruncated>{next}{entries}</ListBucketResult>",
            self.shown(&self.prefix),
            self.most,
        ))
    }

    fn group<'a>(&self, key: &'a str) -> Option<&'a str> {
        let delimiter = self.delimiter.as_deref()?;
        let at = key[self.prefix.len()..].find(delimiter)?;
        Some(&key[..self.prefix.len() + at + delimiter.len()])
    }

    fn contents(&self, object: &Object) -> String {
        format!(
            "<Contents><Key>{}</Key><LastModified>{}</LastModified><ETag>{}</ETag><Size>{}</Size><StorageClass>STANDARD</StorageClass></Contents>",
            self.shown(&object.key),
            object.modified_at().strftime("%Y-%m-%dT%H:%M:%S%.3fZ"),
            escape(&object.etag),
            object.size,
        )
    }

    fn shown(&self, text: &str) -> String {
        if self.encoded { percent_encode(text) } else { escape(text) }
    }
}

/// The answer of ListBuckets.
pub(super) fn buckets(names: &[String]) -> String {
    let entry = |name: &String| {
        format!("<Bucket><Name>{name}</Name><CreationDate>2026-01-01T00:00:00.000Z</CreationDate></Bucket>")
    };
    let entries: String = names.iter().map(entry).collect();
    format!("{HEAD}<ListAllMyBucketsResult {NAMESPACE}><Buckets>{entries}</Buckets></ListAllMyBucketsResult>")
}

/// The answer of GetBucketLocation: the first region has no name.
pub(super) fn location(region: &str) -> String {
    let region = if region == "us-east-1" { "" } else { region };
    format!("{HEAD}<LocationConstraint {NAMESPACE}>{region}</LocationConstraint>")
}

/// The answer of DeleteObjects.
pub(super) fn deleted(keys: &[String]) -> String {
    let entries: String = keys.iter().map(|key| format!("<Deleted><Key>{}</Key></Deleted>", escape(key))).collect();
    format!("{HEAD}<DeleteResult {NAMESPACE}>{entries}</DeleteResult>")
}

/// The answer to a form upload that asked for 201.
pub(super) fn posted(bucket: &str, key: &str, etag: &str) -> String {
    let (key, etag) = (escape(key), escape(etag));
    format!(
        "{HEAD}<PostResponse><Location>/{bucket}/{key}</Location><Bucket>{bucket}</Bucket><Key>{key}</Key><ETag>{etag}</ETag></PostResponse>"
    )
}

/// An error document.
pub(super) fn error(code: &str, message: &str, resource: &str) -> String {
    let (message, resource, id) = (escape(message), escape(resource), uuid::Uuid::new_v4());
    format!(
        "{HEAD}<Error><Code>{code}</Code><Message>{message}</Message><Resource>{resource}</Resource><RequestId>{id}</RequestId></Error>"
    )
}

/// The texts of all elements of a name, in order, wherever they are.
pub(super) fn elements(xml: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let found = xml.split(&open).skip(1).filter_map(|rest| rest.split_once(&close));
    found.map(|(text, _)| unescape(text)).collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn unescape(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
    text.replace("&#39;", "'").replace("&amp;", "&")
}
