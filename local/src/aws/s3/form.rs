//! A browser's form upload (presigned POST): the form, and the policy that allows it.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;

use super::store::Upload;
use super::{KEPT_HEADERS, payload};
use crate::aws::wire::{Call, Fault};

/// A form read to its file, which is the last field.
pub(super) struct Form {
    /// By lower-case name.
    fields: BTreeMap<String, String>,
    file_name: String,
    file: Bytes,
}

impl Form {
    pub fn read(call: &Call) -> Result<Self, Fault> {
        let malformed = || {
            Fault::new("MalformedPOSTRequest", "The body of your POST request is not well-formed multipart/form-data.")
        };
        let boundary =
            call.header("content-type").and_then(|kind| kind.split_once("boundary=")).ok_or_else(malformed)?.1;
        let delimiter = format!("\r\n--{}", boundary.trim_matches('"'));
        // The first delimiter has no line end before it; giving it one makes all parts alike.
        let body = [b"\r\n", call.body.as_ref()].concat();
        let mut fields = BTreeMap::new();
        for part in split(&body, delimiter.as_bytes()).into_iter().skip(1) {
            let Some(at) = find(part, b"\r\n\r\n") else { break };
            let head = String::from_utf8_lossy(&part[..at]).into_owned();
            let content = &part[at + 4..];
            let name = attribute(&head, "name").ok_or_else(malformed)?.to_lowercase();
            if name == "file" {
                let file_name = attribute(&head, "filename").unwrap_or_default();
                return Ok(Self { fields, file_name, file: Bytes::copy_from_slice(content) });
            }
            fields.insert(name, String::from_utf8_lossy(content).into_owned());
        }
        Err(Fault::new("InvalidArgument", "POST requires exactly one file upload per request."))
    }

    /// The key, with the file's name in the place that the form left for it.
    pub fn key(&self) -> Result<String, Fault> {
        let key = self
            .fields
            .get("key")
            .ok_or_else(|| Fault::new("InvalidArgument", "Bucket POST must contain a field named 'key'."))?;
        Ok(key.replace("${filename}", &self.file_name))
    }

    /// The status that the form asked for, 204 by default.
    pub fn success_status(&self) -> StatusCode {
        match self.fields.get("success_action_status").map(String::as_str) {
            Some("200") => StatusCode::OK,
            Some("201") => StatusCode::CREATED,
            _ => StatusCode::NO_CONTENT,
        }
    }

    /// Checks expiry, every condition, and that every field has one. The signature is not verified.
    pub fn check_policy(&self, bucket: &str, now: Timestamp) -> Result<(), Fault> {
        let denied = |text: String| Fault::with_status(StatusCode::FORBIDDEN, "AccessDenied", text);
        let policy = self.fields.get("policy").and_then(|policy| STANDARD.decode(policy).ok());
        let policy: Value = policy
            .and_then(|policy| serde_json::from_slice(&policy).ok())
            .ok_or_else(|| denied("Access Denied".to_owned()))?;
        let expires: Option<Timestamp> = policy["expiration"].as_str().and_then(|at| at.parse().ok());
        if expires.is_none_or(|expires| expires <= now) {
            return Err(denied("Invalid according to Policy: Policy expired.".to_owned()));
        }
        let mut free: Vec<&str> = self.fields.keys().map(String::as_str).collect();
        free.retain(|name| !["policy", "x-amz-signature"].contains(name) && !name.starts_with("x-ignore-"));
        for condition in policy["conditions"].as_array().into_iter().flatten() {
            for (kind, name, value) in conditions(condition) {
                self.check(bucket, &kind, &name, &value, condition)?;
                free.retain(|field| *field != name);
            }
        }
        match free.first() {
            Some(field) => Err(denied(format!("Invalid according to Policy: Extra input fields: {field}"))),
            None => Ok(()),
        }
    }

    fn check(&self, bucket: &str, kind: &str, name: &str, value: &Value, condition: &Value) -> Result<(), Fault> {
        if kind == "content-length-range" {
            let size = self.file.len() as u64;
            return match (condition[1].as_u64(), condition[2].as_u64()) {
                (Some(least), _) if size < least => {
                    Err(Fault::new("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size"))
                }
                (_, Some(most)) if size > most => {
                    Err(Fault::new("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size"))
                }
                _ => Ok(()),
            };
        }
        let actual = if name == "bucket" { bucket } else { self.fields.get(name).map_or("", String::as_str) };
        let expected = value.as_str().unwrap_or_default();
        let holds = if kind == "starts-with" { actual.starts_with(expected) } else { actual == expected };
        if holds {
            return Ok(());
        }
        let text = format!("Invalid according to Policy: Policy Condition failed: {condition}");
        Err(Fault::with_status(StatusCode::FORBIDDEN, "AccessDenied", text))
    }

    /// The object that the form describes.
    pub fn into_upload(self) -> Upload {
        let kept = |name: &str| KEPT_HEADERS.contains(&name) || name.starts_with("x-amz-meta-");
        let (headers, rest): (Vec<_>, Vec<_>) = self.fields.into_iter().partition(|(name, _)| kept(name));
        Upload { body: self.file, headers, checksums: rest.into_iter().filter(payload::is_checksum).collect() }
    }
}

/// A condition as (kind, field, value): `{"field": value}` or `[kind, "$field", value]`.
fn conditions(condition: &Value) -> Vec<(String, String, Value)> {
    match condition {
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| ("eq".to_owned(), name.to_lowercase(), value.clone())).collect()
        }
        Value::Array(parts) => {
            let text = |at: usize| parts.get(at).and_then(Value::as_str).unwrap_or_default();
            vec![(text(0).to_lowercase(), text(1).trim_start_matches('$').to_lowercase(), condition[2].clone())]
        }
        _ => Vec::new(),
    }
}

/// An attribute of a part's `Content-Disposition`.
fn attribute(head: &str, name: &str) -> Option<String> {
    let head = head.split("\r\n").find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
    let mut attributes = head.split(';').filter_map(|part| part.trim().split_once('='));
    attributes.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim_matches('"').to_owned())
}

fn split<'a>(mut bytes: &'a [u8], delimiter: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    while let Some(at) = find(bytes, delimiter) {
        parts.push(&bytes[..at]);
        bytes = &bytes[at + delimiter.len()..];
    }
    parts.push(bytes);
    parts
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
