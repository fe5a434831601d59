//! Pictures: a signature for the client, and the endpoint that takes them (contract §11).
//!
//! The client speaks Cloudinary's upload protocol; we are its other end. An API key is an organization's id, and each has
//! its own secret, derived from ours: so a signature is good for its organization's pictures only.

mod signature;

use std::collections::BTreeSet;

use axum::{
    body::Bytes,
    extract::{
        Multipart, State,
        multipart::{MultipartError, MultipartRejection},
    },
};
use domain::{
    ids::{EventId, OrgId},
    time::iso,
};
use futures_util::future::join_all;
use http::StatusCode;
use runtime::{
    ApiError, Ctx, Json, Staff,
    openapi::{CommonErrors, ErrorBody},
    picture::{self, Picture},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use self::signature::{Signed, TRANSFORMATION, check_folder, secret_of};
use crate::wire::{Spelled, filled};

/// The largest picture (DECISIONS: a Lambda request holds 6 MB of base64).
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// A picture's name is random and never used again.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// The largest other field of the form.
const MAX_FIELD: usize = 2000;

/// Where the picture shall go.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SignIn {
    /// At most 200 of `A-Z a-z 0-9 / _ -`; `home-productions/uploads` when left out.
    #[schema(max_length = 200)]
    folder: Option<String>,
    /// UUID of an event: the folder is `home-productions/events/{eventId}`.
    event_id: Option<String>,
}

impl SignIn {
    fn folder(self) -> Result<String, ApiError> {
        let folder = match (filled(self.event_id), filled(self.folder)) {
            (Some(id), _) => {
                let id: EventId =
                    id.parse().map_err(|_| ApiError::invalid("eventId", "must be the UUID of an event"))?;
                format!("home-productions/events/{id}")
            }
            (None, Some(folder)) => folder,
            (None, None) => "home-productions/uploads".to_owned(),
        };
        check_folder(&folder)?;
        Ok(folder)
    }
}

/// What the client sends along with the picture.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UploadSignature {
    success: bool,
    /// Cloudinary's: SHA-1 of the signed parameters and the secret, in hex.
    signature: String,
    /// Unix seconds; good for an hour.
    timestamp: i64,
    folder: String,
    /// Signed too; need not be sent.
    transformation: &'static str,
    cloud_name: &'static str,
    api_key: String,
    /// Where to post the picture.
    upload_url: String,
}

/// Signs an upload. The body may be left out.
#[utoipa::path(post, path = "/tickets/api/admin/upload/sign", tag = "tickets admin", security(("bearer" = [])),
    request_body = Option<SignIn>,
    responses(
        (status = 200, description = "The signature", body = UploadSignature),
        (status = 400, description = "`VALIDATION_ERROR`, `CLOUDINARY_NOT_CONFIGURED`", body = ErrorBody),
        (status = 401, description = "`NO_TOKEN`, `INVALID_TOKEN`", body = ErrorBody),
        (status = 403, description = "`FORBIDDEN`", body = ErrorBody),
        (status = 413, description = "`PAYLOAD_TOO_LARGE`", body = ErrorBody),
        CommonErrors,
    ))]
pub(crate) async fn sign_upload(
    State(ctx): State<Ctx>,
    staff: Staff,
    body: OptionalJson<SignIn>,
) -> Result<Json<UploadSignature>, ApiError> {
    let folder = body.0.folder()?;
    let settings = ctx.settings();
    if settings.upload_secret.is_empty() {
        return Err(ApiError::bad_request("CLOUDINARY_NOT_CONFIGURED", "Image upload is not configured"));
    }
    let timestamp = ctx.now().as_second();
    let signed = Signed { folder: &folder, timestamp, transformation: TRANSFORMATION };
    Ok(Json(UploadSignature {
        success: true,
        signature: signed.signature(&secret_of(&settings.upload_secret, staff.org)?),
        timestamp,
        transformation: TRANSFORMATION,
        cloud_name: "fairground",
        api_key: staff.org.to_string(),
        upload_url: format!("{}/tickets/api/upload", settings.public_url),
        folder,
    }))
}

/// A JSON body that may be left out.
pub(crate) struct OptionalJson<T>(T);

impl<T> axum::extract::FromRequest<Ctx> for OptionalJson<T>
where
    T: Default + serde::de::DeserializeOwned,
{
    type Rejection = ApiError;

    async fn from_request(request: axum::extract::Request, ctx: &Ctx) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let too_large = |_| ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", "The body is too large");
        let body = axum::body::to_bytes(body, MAX_BYTES).await.map_err(too_large)?;
        if body.is_empty() {
            return Ok(OptionalJson(T::default()));
        }
        let request = axum::extract::Request::from_parts(parts, body.into());
        let Json(Spelled(read)) = Json::<Spelled<T>>::from_request(request, ctx).await?;
        Ok(OptionalJson(read))
    }
}

/// What the client posts: the signed parameters, and the picture.
#[derive(Default, ToSchema)]
pub(crate) struct UploadForm {
    /// JPEG, PNG, WebP or GIF of at most 4 MiB, as a file or as a data URI.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    api_key: String,
    timestamp: String,
    signature: String,
    folder: String,
    /// May be left out: it is the one that was signed.
    transformation: Option<String>,
}

/// A picture as Cloudinary describes it.
#[derive(Serialize, ToSchema)]
pub(crate) struct Uploaded {
    public_id: String,
    secure_url: String,
    url: String,
    /// `jpg`, `png`, `webp` or `gif`.
    format: &'static str,
    /// Pixels.
    width: usize,
    /// Pixels.
    height: usize,
    bytes: usize,
    resource_type: &'static str,
    /// ISO 8601.
    created_at: String,
}

/// Takes a picture that `upload/sign` has signed for. Its type is read from its bytes, whatever its name says.
#[utoipa::path(post, path = "/tickets/api/upload", tag = "tickets admin",
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "Stored, and public", body = Uploaded),
        (status = 400, description = "`VALIDATION_ERROR`, `MISSING_REQUIRED_FIELDS`", body = ErrorBody),
        (status = 401, description = "`INVALID_SIGNATURE`: wrong, or older than an hour", body = ErrorBody),
        (status = 413, description = "`PAYLOAD_TOO_LARGE`: the picture has more than 4 MiB", body = ErrorBody),
        CommonErrors,
    ))]
pub(crate) async fn upload(
    State(ctx): State<Ctx>,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Json<Uploaded>, ApiError> {
    let form = form.map_err(|_| ApiError::invalid("", "The body must be multipart/form-data"))?;
    let form = UploadForm::read(form).await?;
    let org = form.signer(&ctx.settings().upload_secret, ctx.now().as_second())?;
    let picture = Picture::read(form.file, "file", MAX_BYTES)?;
    let public_id = format!("{}/{}", form.folder, Uuid::new_v4().simple());
    let key = format!("{}{public_id}.{}", prefix(org), picture.format);
    let url = ctx.files().public_url(&key);
    let (format, width, height, bytes) = (picture.format, picture.width, picture.height, picture.bytes.len());
    ctx.files().put(&key, picture.bytes, picture.mime, Some(FOR_EVER)).await?;
    Ok(Json(Uploaded {
        public_id,
        secure_url: url.clone(),
        url,
        format,
        width,
        height,
        bytes,
        resource_type: "image",
        created_at: iso(ctx.now()),
    }))
}

/// Where an organization's pictures are in the bucket.
fn prefix(org: OrgId) -> String {
    format!("media/{org}/")
}

/// Deletes those of `urls` that are the organization's own pictures. As well as can be: what stays is logged.
pub(crate) async fn delete_pictures(ctx: &Ctx, org: OrgId, urls: &[&str]) {
    let files = ctx.files();
    let keys: BTreeSet<&str> = urls.iter().filter_map(|url| files.key_of(url)).collect();
    let own = keys.into_iter().filter(|key| key.starts_with(&prefix(org)));
    let delete = async |key: &str| {
        if let Err(error) = files.delete(key).await {
            tracing::warn!(%error, key, "picture not deleted");
        }
    };
    join_all(own.map(delete)).await;
}

fn unreadable(error: MultipartError) -> ApiError {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return picture::too_large(MAX_BYTES);
    }
    ApiError::invalid("", "The body is not readable as multipart/form-data")
}

impl UploadForm {
    async fn read(mut multipart: Multipart) -> Result<Self, ApiError> {
        let mut form = UploadForm::default();
        while let Some(mut field) = multipart.next_field().await.map_err(unreadable)? {
            let name = field.name().unwrap_or_default().to_owned();
            let limit = if name == "file" { picture::longest_upload(MAX_BYTES) } else { MAX_FIELD };
            let mut value = Vec::new();
            while let Some(chunk) = field.chunk().await.map_err(unreadable)? {
                form.grow(&name, &mut value, &chunk, limit)?;
            }
            form.set(&name, value)?;
        }
        Ok(form)
    }

    fn grow(&self, name: &str, value: &mut Vec<u8>, chunk: &Bytes, limit: usize) -> Result<(), ApiError> {
        if value.len() + chunk.len() <= limit {
            value.extend_from_slice(chunk);
            return Ok(());
        }
        Err(if name == "file" { picture::too_large(MAX_BYTES) } else { ApiError::invalid(name, "is too long") })
    }

    /// Keeps a field that matters; Cloudinary's others are let go.
    fn set(&mut self, name: &str, value: Vec<u8>) -> Result<(), ApiError> {
        let text = |value: Vec<u8>| String::from_utf8(value).map_err(|_| ApiError::invalid(name, "must be text"));
        match name {
            "file" => self.file = value,
            "api_key" => self.api_key = text(value)?,
            "timestamp" => self.timestamp = text(value)?,
            "signature" => self.signature = text(value)?,
            "folder" => self.folder = text(value)?,
            "transformation" => self.transformation = Some(text(value)?),
            _ => {}
        }
        Ok(())
    }

    /// Whose upload it is: the organization that the signature was made for.
    fn signer(&self, secret: &str, now: i64) -> Result<OrgId, ApiError> {
        runtime::validate::require(&[
            ("file", !self.file.is_empty()),
            ("api_key", !self.api_key.is_empty()),
            ("timestamp", !self.timestamp.is_empty()),
            ("signature", !self.signature.is_empty()),
            ("folder", !self.folder.is_empty()),
        ])?;
        let invalid = || ApiError::unauthorized("INVALID_SIGNATURE", "Invalid or expired signature");
        let org: OrgId = self.api_key.parse().map_err(|_| invalid())?;
        let timestamp: i64 = self.timestamp.parse().map_err(|_| invalid())?;
        let transformation = self.transformation.as_deref().unwrap_or(TRANSFORMATION);
        let signed = Signed { folder: &self.folder, timestamp, transformation };
        if secret.is_empty() || !signed.is_by(&secret_of(secret, org)?, &self.signature, now) {
            return Err(invalid());
        }
        check_folder(&self.folder)?;
        Ok(org)
    }
}
