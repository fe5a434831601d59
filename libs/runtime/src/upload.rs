//! The picture that a request brings as the field `file` of a form.

use axum::{
    body::Bytes,
    extract::{
        FromRequest, Multipart, Request,
        multipart::{Field, MultipartError, MultipartRejection},
    },
};
use http::StatusCode;
use utoipa::ToSchema;

use crate::{
    ctx::Ctx,
    error::ApiError,
    picture::{Picture, too_large},
};

/// The largest picture that comes through the API: a Lambda request holds 6 MB of base64 (DECISIONS).
pub const MAX_BYTES: usize = 4 * 1024 * 1024;

/// The form, for descriptions: `request_body(content = PictureForm, content_type = "multipart/form-data")`.
#[derive(ToSchema)]
pub struct PictureForm {
    /// JPEG, PNG, WebP or GIF, known by its bytes; at most 4 MiB.
    #[schema(value_type = String, format = Binary)]
    pub file: Vec<u8>,
}

/// The picture of such a form. 400 `VALIDATION_ERROR` where there is none, 413 `PAYLOAD_TOO_LARGE` for one of more than
/// [`MAX_BYTES`]. Other fields are let go.
#[derive(Debug)]
pub struct Upload(pub Picture);

impl FromRequest<Ctx> for Upload {
    type Rejection = ApiError;

    async fn from_request(request: Request, ctx: &Ctx) -> Result<Self, ApiError> {
        let form = Multipart::from_request(request, ctx).await;
        let mut form =
            form.map_err(|_: MultipartRejection| ApiError::invalid("", "The body must be a multipart form"))?;
        while let Some(field) = form.next_field().await.map_err(unreadable)? {
            if field.name() == Some("file") {
                return Ok(Upload(Picture::read(read(field).await?, "file", MAX_BYTES)?));
            }
        }
        Err(ApiError::invalid("file", "is required"))
    }
}

async fn read(mut field: Field<'_>) -> Result<Vec<u8>, ApiError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(unreadable)? {
        let chunk: Bytes = chunk;
        if bytes.len() + chunk.len() > MAX_BYTES {
            return Err(too_large(MAX_BYTES));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn unreadable(error: MultipartError) -> ApiError {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return too_large(MAX_BYTES);
    }
    ApiError::invalid("", "The body is not readable as a multipart form")
}
