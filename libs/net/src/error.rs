//! Why no answer came, and what that means to the AWS SDK's retries.

use aws_smithy_runtime_api::client::result::ConnectorError;
use http_body_util::LengthLimitError;
use hyper_util::client::legacy;

/// Why no answer came. Unless it is [`Error::Invalid`] or [`Error::Connect`], the request may have had its effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Too late; the text says with what.
    #[error("timed out {0}")]
    Timeout(&'static str),
    /// No connection: no such name, nobody there, a certificate that is not trusted.
    #[error("no connection: {0}")]
    Connect(String),
    /// The connection broke, or what came over it is not HTTP.
    #[error("the exchange broke off: {0}")]
    Broken(String),
    /// The request cannot be sent as it stands; no repetition mends it.
    #[error("the request cannot be sent: {0}")]
    Invalid(String),
    /// The answer is larger than the caller takes.
    #[error("the answer is too large")]
    TooLarge,
}

impl Error {
    pub(crate) fn of_request(error: legacy::Error) -> Self {
        let text = chain(&error);
        let hyper = find::<hyper::Error>(&error);
        if error.is_connect() {
            Self::Connect(text)
        } else if hyper.is_some_and(hyper::Error::is_user)
            || hyper.is_none() && find::<std::io::Error>(&error).is_none()
        {
            // Hyper's client itself refuses a request only for its URI or version.
            Self::Invalid(text)
        } else {
            Self::Broken(text)
        }
    }

    pub(crate) fn of_body(error: Box<dyn std::error::Error + Send + Sync>) -> Self {
        if error.is::<LengthLimitError>() { Self::TooLarge } else { Self::Broken(chain(error.as_ref())) }
    }
}

/// The SDK repeats what timed out and what broke.
impl From<Error> for ConnectorError {
    fn from(error: Error) -> Self {
        match error {
            Error::Timeout(_) => Self::timeout(error.into()),
            Error::Connect(_) | Error::Broken(_) => Self::io(error.into()),
            Error::Invalid(_) => Self::user(error.into()),
            Error::TooLarge => Self::other(error.into(), None),
        }
    }
}

fn sources<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

fn find<'a, E: std::error::Error + 'static>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a E> {
    sources(error).find_map(|error| error.downcast_ref())
}

/// An error with its reasons: hyper's own texts leave them out.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    sources(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
