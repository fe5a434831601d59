//! Pictures by their bytes.

use base64::{Engine, engine::general_purpose::STANDARD};
use runtime::ApiError;

use super::{MAX_BYTES, too_large};

/// A picture of a kind that browsers show and that runs nothing.
#[derive(Debug)]
pub(super) struct Picture {
    pub(super) bytes: Vec<u8>,
    /// As Cloudinary spells it, and the ending of its name.
    pub(super) format: &'static str,
    pub(super) mime: &'static str,
    /// Pixels.
    pub(super) width: usize,
    /// Pixels.
    pub(super) height: usize,
}

impl Picture {
    /// Reads a file, or a data URI as Cloudinary's clients send it too.
    pub(super) fn read(file: Vec<u8>) -> Result<Self, ApiError> {
        let bytes = if file.starts_with(b"data:") { decode(&file)? } else { file };
        if bytes.len() > MAX_BYTES {
            return Err(too_large());
        }
        let (format, mime) = match infer::get(&bytes).map(|kind| kind.mime_type()) {
            Some("image/jpeg") => ("jpg", "image/jpeg"),
            Some("image/png") => ("png", "image/png"),
            Some("image/webp") => ("webp", "image/webp"),
            Some("image/gif") => ("gif", "image/gif"),
            _ => return Err(ApiError::invalid("file", "must be a JPEG, PNG, WebP or GIF image")),
        };
        let size = imagesize::blob_size(&bytes).map_err(|_| ApiError::invalid("file", "is not a whole image"))?;
        Ok(Picture { bytes, format, mime, width: size.width, height: size.height })
    }
}

fn decode(uri: &[u8]) -> Result<Vec<u8>, ApiError> {
    let comma = uri.iter().position(|byte| *byte == b',').filter(|comma| uri[..*comma].ends_with(b";base64"));
    let data = comma.map(|comma| &uri[comma + 1..]);
    data.and_then(|data| STANDARD.decode(data).ok())
        .ok_or_else(|| ApiError::invalid("file", "is not a data URI of base64"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The head of a GIF of 3 × 2 pixels.
    const GIF: &[u8] = b"GIF89a\x03\x00\x02\x00\x00\x00\x00;";

    #[test]
    fn a_picture_is_known_by_its_bytes() {
        let picture = Picture::read(GIF.to_vec()).unwrap();
        assert_eq!((picture.format, picture.mime, picture.width, picture.height), ("gif", "image/gif", 3, 2));
        let uri = format!("data:image/png;base64,{}", STANDARD.encode(GIF));
        assert_eq!(Picture::read(uri.into_bytes()).unwrap().format, "gif");
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        let svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>".to_vec();
        let cut = b"\x89PNG\r\n\x1a\n\x00".to_vec();
        for bad in [vec![], b"hello".to_vec(), svg, cut, b"data:image/gif,GIF89a".to_vec(), b"data:;base64,%%".to_vec()]
        {
            assert_eq!(Picture::read(bad).unwrap_err().fields[0].field, "file");
        }
        let mut large = GIF.to_vec();
        large.resize(MAX_BYTES + 1, 0);
        assert_eq!(Picture::read(large).unwrap_err().status, 413);
    }
}
