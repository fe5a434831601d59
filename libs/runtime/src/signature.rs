//! Signatures (SigV4) of the few requests to AWS for which an SDK would be too much.

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningError, SigningSettings,
        UriPathNormalizationMode, sign,
    },
    sign::v4,
};
use bytes::Bytes;
use http::Request;
use jiff::Timestamp;

/// Whose request it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// S3, which takes paths as they are and compares the body's SHA-256 with what arrives.
    S3,
    /// The parameter store.
    Ssm,
}

impl Service {
    /// Its name in a signature and in a host.
    pub fn name(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Ssm => "ssm",
        }
    }

    fn settings(self) -> SigningSettings {
        let mut settings = SigningSettings::default();
        if self == Self::S3 {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        settings
    }
}

/// Why a request cannot be signed: its method, address or headers are none.
#[derive(Debug, thiserror::Error)]
#[error("not a request: {0}")]
pub struct Unsigned(String);

impl From<SigningError> for Unsigned {
    fn from(error: SigningError) -> Self {
        Self(error.to_string())
    }
}

/// Adds the signature to a request that is otherwise complete.
pub fn add_signature(
    request: &mut Request<Bytes>,
    service: Service,
    credentials: &Credentials,
    region: &str,
    now: Timestamp,
) -> Result<(), Unsigned> {
    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service.name())
        .time(now.into())
        .settings(service.settings())
        .build()
        .map_err(|error| Unsigned(error.to_string()))?
        .into();
    let headers = request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let (method, uri) = (request.method().as_str(), request.uri().to_string());
    let signable = SignableRequest::new(method, uri, headers, SignableBody::Bytes(request.body()))?;
    let (instructions, _) = sign(signable, &params)?.into_parts();
    instructions.apply_to_request_http1x(request);
    Ok(())
}
