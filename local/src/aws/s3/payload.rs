//! The bytes of an upload: taken out of their chunks, and compared with the checksums that came with them.
//!
//! SDKs send `aws-chunked` bodies by default: `<hex length>[;chunk-signature=…]\r\n<bytes>\r\n…0\r\n<trailers>\r\n\r\n`,
//! the checksum being a trailer.

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use sha2::{Digest as _, Sha256};

use crate::aws::wire::{Call, Fault};

/// An upload's bytes and its `x-amz-checksum-…` headers.
pub(super) struct Payload {
    pub body: Bytes,
    pub checksums: Vec<(String, String)>,
}

/// Reads and checks the body of a request.
pub(super) fn read(call: &Call) -> Result<Payload, Fault> {
    let headers = call
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
    let mut checksums: Vec<_> = headers.filter(is_checksum).collect();
    let announced = call.header("x-amz-content-sha256").unwrap_or("UNSIGNED-PAYLOAD");
    let body = if announced.starts_with("STREAMING-") {
        let (body, trailers) = unchunk(&call.body).ok_or_else(incomplete)?;
        checksums.extend(trailers.into_iter().filter(is_checksum));
        let length = call.header("x-amz-decoded-content-length").and_then(|length| length.parse().ok());
        if length.is_some_and(|length: usize| length != body.len()) {
            return Err(incomplete());
        }
        body
    } else {
        call.body.clone()
    };
    if announced.len() == 64 && announced != hex::encode(Sha256::digest(&body)) {
        let text = "The provided 'x-amz-content-sha256' header does not match what was computed.";
        return Err(Fault::new("XAmzContentSHA256Mismatch", text));
    }
    match checksums.iter().find(|(name, value)| !matches(name, value, &body)) {
        Some((name, _)) => {
            let algorithm = name.trim_start_matches(PREFIX).to_uppercase();
            Err(Fault::new(
                "BadDigest",
                format!("The {algorithm} you specified did not match the calculated checksum."),
            ))
        }
        None => Ok(Payload { body, checksums }),
    }
}

const PREFIX: &str = "x-amz-checksum-";

pub(super) fn is_checksum((name, _): &(String, String)) -> bool {
    let algorithms = ["crc32", "crc32c", "crc64nvme", "sha1", "sha256"];
    name.strip_prefix(PREFIX).is_some_and(|algorithm| algorithms.contains(&algorithm))
}

/// Compares a checksum. CRC32 is what the Rust SDK sends; those that no client of ours sends are kept unchecked.
fn matches(name: &str, value: &str, body: &[u8]) -> bool {
    match name.trim_start_matches(PREFIX) {
        "crc32" => value == STANDARD.encode(crc32fast::hash(body).to_be_bytes()),
        "sha256" => value == STANDARD.encode(Sha256::digest(body)),
        _ => true,
    }
}

type Trailers = Vec<(String, String)>;

/// Joins the chunks, and reads the trailers behind them. None when the body ends too early or is not chunked.
fn unchunk(mut rest: &[u8]) -> Option<(Bytes, Trailers)> {
    let mut body = BytesMut::new();
    loop {
        let (head, behind) = split_line(rest)?;
        let length = usize::from_str_radix(head.split(';').next()?.trim(), 16).ok()?;
        if length == 0 {
            return Some((body.freeze(), trailers(behind)));
        }
        body.extend_from_slice(behind.get(..length)?);
        rest = behind.get(length..)?.strip_prefix(b"\r\n")?;
    }
}

fn trailers(bytes: &[u8]) -> Trailers {
    let text = String::from_utf8_lossy(bytes);
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned())).collect()
}

fn split_line(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    Some((std::str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 2..]))
}

fn incomplete() -> Fault {
    let text = "You did not provide the number of bytes specified by the Content-Length HTTP header.";
    Fault::with_status(StatusCode::BAD_REQUEST, "IncompleteBody", text)
}
