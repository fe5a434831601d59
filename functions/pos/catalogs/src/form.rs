//! Products as clients send them: as JSON, or as a form with a picture.

use axum::{
    body::Bytes,
    extract::{FromRequest, Multipart, Request, multipart::MultipartError},
};
use garde::Validate;
use http::{StatusCode, header};
use runtime::{
    ApiError, Ctx, Json,
    picture::{self, Picture},
    validate,
};
use utoipa::ToSchema;

use crate::wire::ProductIn;

/// The largest picture (DECISIONS: a Lambda request holds 6 MB of base64).
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// The largest other field.
const MAX_FIELD: usize = 8000;

/// A product with its picture.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[allow(dead_code)]
pub(crate) struct ProductUpload {
    /// 1 to 100 characters. Required of a new product.
    name: Option<String>,
    /// At most 1000 characters, and 2000 bytes as in JSON; empty clears it.
    description: Option<String>,
    /// `true` takes the picture away.
    remove_image: Option<bool>,
    /// JPEG, PNG, WebP or GIF of at most 4 MiB.
    #[schema(value_type = Option<String>, format = Binary)]
    image: Option<Vec<u8>>,
}

/// A picture.
#[derive(ToSchema)]
#[allow(dead_code)]
pub(crate) struct ImageForm {
    /// JPEG, PNG, WebP or GIF of at most 4 MiB.
    #[schema(value_type = String, format = Binary)]
    image: Vec<u8>,
}

/// Either of both, read and validated.
#[derive(Default)]
pub(crate) struct ProductForm {
    pub(crate) input: ProductIn,
    pub(crate) picture: Option<Picture>,
}

impl FromRequest<Ctx> for ProductForm {
    type Rejection = ApiError;

    async fn from_request(request: Request, ctx: &Ctx) -> Result<Self, ApiError> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if !kind.is_some_and(|kind| kind.starts_with("multipart/form-data")) {
            let Json(input) = Json::<ProductIn>::from_request(request, ctx).await?;
            return Ok(ProductForm { input, picture: None });
        }
        let form = Multipart::from_request(request, ctx).await;
        let form = form.map_err(|_| ApiError::invalid("", "The body must be multipart/form-data"))?;
        Self::read(form).await
    }
}

impl ProductForm {
    async fn read(mut multipart: Multipart) -> Result<Self, ApiError> {
        let mut form = ProductForm::default();
        while let Some(mut field) = multipart.next_field().await.map_err(unreadable)? {
            let name = field.name().unwrap_or_default().to_owned();
            let mut value = Vec::new();
            while let Some(chunk) = field.chunk().await.map_err(unreadable)? {
                grow(&name, &mut value, &chunk)?;
            }
            form.set(&name, value)?;
        }
        form.input.validate().map_err(|report| validate::report(&report))?;
        Ok(form)
    }

    /// Keeps a field that matters; others are let go.
    fn set(&mut self, name: &str, value: Vec<u8>) -> Result<(), ApiError> {
        let text = |value: Vec<u8>| String::from_utf8(value).map_err(|_| ApiError::invalid(name, "must be text"));
        match name {
            "name" => self.input.name = Some(text(value)?),
            "description" => self.input.description = Some(Some(text(value)?)),
            "removeImage" => self.input.remove_image = Some(text(value)?.trim() == "true"),
            // A browser sends an empty file for one that was not chosen.
            "image" if !value.is_empty() => self.picture = Some(Picture::read(value, "image", MAX_BYTES)?),
            _ => {}
        }
        Ok(())
    }
}

fn grow(name: &str, value: &mut Vec<u8>, chunk: &Bytes) -> Result<(), ApiError> {
    let limit = if name == "image" { picture::longest_upload(MAX_BYTES) } else { MAX_FIELD };
    if value.len() + chunk.len() <= limit {
        value.extend_from_slice(chunk);
        return Ok(());
    }
    Err(if name == "image" { picture::too_large(MAX_BYTES) } else { ApiError::invalid(name, "is too long") })
}

fn unreadable(error: MultipartError) -> ApiError {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return picture::too_large(MAX_BYTES);
    }
    ApiError::invalid("", "The body is not readable as multipart/form-data")
}
