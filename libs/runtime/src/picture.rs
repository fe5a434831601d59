//! Pictures that people upload, known by their bytes, whatever their names and headers say.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::StatusCode;

use crate::error::ApiError;

/// A picture of a kind that browsers show and that runs nothing.
#[derive(Debug)]
pub struct Picture {
    /// The file.
    pub bytes: Vec<u8>,
    /// `jpg`, `png`, `webp` or `gif`: the ending of its name.
    pub format: &'static str,
    /// Its `Content-Type`.
    pub mime: &'static str,
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
}

impl Picture {
    /// Reads a file, or a data URI of base64, of at most `limit` bytes, which came as `field` of a request.
    /// 400 `VALIDATION_ERROR` for what is no picture, 413 `PAYLOAD_TOO_LARGE` for one that is too large.
    pub fn read(file: Vec<u8>, field: &str, limit: usize) -> Result<Self, ApiError> {
        if file.len() > longest_upload(limit) {
            return Err(too_large(limit));
        }
        let bytes = if file.starts_with(b"data:") { decode(&file, field)? } else { file };
        if bytes.len() > limit {
            return Err(too_large(limit));
        }
        let (format, mime) = match infer::get(&bytes).map(|kind| kind.mime_type()) {
            Some("image/jpeg") => ("jpg", "image/jpeg"),
            Some("image/png") => ("png", "image/png"),
            Some("image/webp") => ("webp", "image/webp"),
            Some("image/gif") => ("gif", "image/gif"),
            _ => return Err(ApiError::invalid(field, "must be a JPEG, PNG, WebP or GIF image")),
        };
        match imagesize::blob_size(&bytes) {
            Ok(size) if size.width > 0 && size.height > 0 => {
                Ok(Picture { bytes, format, mime, width: size.width, height: size.height })
            }
            _ => Err(ApiError::invalid(field, "is not a whole image")),
        }
    }
}

/// The bytes that a picture of `limit` bytes may have on its way: it may come as a data URI.
pub fn longest_upload(limit: usize) -> usize {
    limit.div_ceil(3) * 4 + 200
}

/// 413 `PAYLOAD_TOO_LARGE`, for a picture of more than `limit` bytes.
pub fn too_large(limit: usize) -> ApiError {
    let text = format!("An image may have {} MiB ({limit} bytes) at most", limit / (1024 * 1024));
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", text)
}

fn decode(uri: &[u8], field: &str) -> Result<Vec<u8>, ApiError> {
    let comma = uri.iter().position(|byte| *byte == b',').filter(|comma| uri[..*comma].ends_with(b";base64"));
    let data = comma.map(|comma| &uri[comma + 1..]);
    data.and_then(|data| STANDARD.decode(data).ok())
        .ok_or_else(|| ApiError::invalid(field, "is not a data URI of base64"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 5 * 1024 * 1024;

    /// The head of a GIF of 3 × 2 pixels.
    const GIF: &[u8] = b"GIF89a\x03\x00\x02\x00\x00\x00\x00;";

    fn read(file: &[u8]) -> Result<Picture, ApiError> {
        Picture::read(file.to_vec(), "file", LIMIT)
    }

    fn data_uri(file: &[u8]) -> Vec<u8> {
        format!("data:image/png;base64,{}", STANDARD.encode(file)).into_bytes()
    }

    #[test]
    fn a_picture_is_known_by_its_bytes() {
        let png = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x05\x00\x00\x00\x04\x08\x06\x00\x00\x00";
        let webp = b"RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00\x2f\x06\x40\x01\x00\x00";
        let jpeg =
            b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x11\x08\x00\x09\x00\x0a\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01";
        for (file, format, mime, width, height) in [
            (GIF, "gif", "image/gif", 3, 2),
            (png, "png", "image/png", 5, 4),
            (webp, "webp", "image/webp", 7, 6),
            (jpeg, "jpg", "image/jpeg", 10, 9),
        ] {
            for sent in [file.to_vec(), data_uri(file)] {
                let picture = read(&sent).unwrap();
                assert_eq!(
                    (picture.format, picture.mime, picture.width, picture.height),
                    (format, mime, width, height)
                );
                assert_eq!(picture.bytes, file);
            }
        }
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        let svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>";
        let empty_gif = b"GIF89a\x00\x00\x02\x00\x00\x00\x00;";
        let cut = b"\x89PNG\r\n\x1a\n\x00";
        for bad in [&b""[..], b"hello", svg, cut, empty_gif, b"%PDF-1.7", b"data:image/gif,GIF89a", b"data:;base64,%%"]
        {
            let refused = read(bad).unwrap_err();
            assert_eq!((refused.status, refused.fields[0].field.as_str()), (StatusCode::BAD_REQUEST, "file"));
        }
    }

    #[test]
    fn the_limit_is_the_pictures_not_that_of_its_spelling() {
        let mut file = GIF.to_vec();
        file.resize(LIMIT, 0);
        assert_eq!(read(&file).unwrap().bytes.len(), LIMIT);
        assert_eq!(read(&data_uri(&file)).unwrap().bytes.len(), LIMIT);
        file.push(0);
        for sent in [data_uri(&file), file] {
            let refused = read(&sent).unwrap_err();
            assert_eq!((refused.status, &*refused.code), (StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE"));
            assert!(refused.message.contains("5 MiB (5242880 bytes)"), "{}", refused.message);
        }
    }
}
