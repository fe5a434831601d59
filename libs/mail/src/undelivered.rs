//! Why an e-mail was not sent.

use aws_sdk_sesv2::{
    error::{BuildError, ProvideErrorMetadata, SdkError},
    operation::send_email::SendEmailError,
};
use store::StoreError;

use crate::WriteError;

/// Why an e-mail was not sent. The text goes into the row, where staff may read it; the log gets the code only.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Undelivered {
    #[error("not wanted: {0}")]
    NotWanted(&'static str),
    #[error("order is no longer paid")]
    NotPaid,
    #[error("{0} not found")]
    NotFound(&'static str),
    #[error("the key of its secret is not configured")]
    NoKey,
    #[error("the bucket is unavailable")]
    NoFile,
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("{code}: {message}")]
    Ses { code: String, message: String, rejected: bool },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Undelivered {
    /// Will it fail the same way however often it is tried?
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::NotWanted(_) | Self::NotPaid | Self::NotFound(_) | Self::Write(_) => true,
            Self::Ses { rejected, .. } => *rejected,
            Self::NoKey | Self::NoFile | Self::Store(_) => false,
        }
    }

    /// A word for the log, which names nobody.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::NotWanted(_) => "NotWanted",
            Self::NotPaid => "NotPaid",
            Self::NotFound(_) => "NotFound",
            Self::NoKey => "NoKey",
            Self::NoFile => "NoFile",
            Self::Write(_) => "Write",
            Self::Ses { code, .. } => code,
            Self::Store(_) => "Store",
        }
    }
}

impl From<SdkError<SendEmailError>> for Undelivered {
    fn from(error: SdkError<SendEmailError>) -> Self {
        use SendEmailError::{BadRequestException, MessageRejected};
        let rejected = matches!(error.as_service_error(), Some(MessageRejected(_) | BadRequestException(_)));
        let code = error.code().unwrap_or(match &error {
            SdkError::TimeoutError(_) => "Timeout",
            SdkError::DispatchFailure(_) => "Unreachable",
            _ => "Unreadable",
        });
        Self::Ses { code: code.to_owned(), message: without_addresses(error.message().unwrap_or_default()), rejected }
    }
}

impl From<BuildError> for Undelivered {
    fn from(error: BuildError) -> Self {
        Self::Ses { code: "Incomplete".into(), message: error.to_string(), rejected: true }
    }
}

/// SES names addresses in its errors; they are nobody's business here.
fn without_addresses(text: &str) -> String {
    let word = |word| if str::contains(word, '@') { "…" } else { word };
    text.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ses_refuses_is_final_and_the_rest_is_tried_again() {
        use aws_sdk_sesv2::{
            error::ErrorMetadata,
            operation::send_email::SendEmailError as E,
            types::error::{BadRequestException, MessageRejected, TooManyRequestsException},
        };
        let meta = |code: &str| {
            ErrorMetadata::builder().code(code).message("Address ana@example.com is not verified: <b@x.org>").build()
        };
        let failed = |error: E| {
            let response = aws_smithy_runtime_api::http::Response::new(400.try_into().unwrap(), "".into());
            Undelivered::from(SdkError::service_error(error, response))
        };
        let rejected = failed(E::MessageRejected(MessageRejected::builder().meta(meta("MessageRejected")).build()));
        assert!(rejected.is_final());
        assert_eq!(rejected.code(), "MessageRejected");
        assert_eq!(rejected.to_string(), "MessageRejected: Address … is not verified: …");
        let bad = BadRequestException::builder().meta(meta("BadRequestException")).build();
        assert!(failed(E::BadRequestException(bad)).is_final());
        let busy = TooManyRequestsException::builder().meta(meta("TooManyRequestsException")).build();
        assert!(!failed(E::TooManyRequestsException(busy)).is_final());
        let timeout = Undelivered::from(SdkError::<E>::timeout_error("late"));
        assert!(!timeout.is_final());
        assert_eq!(timeout.code(), "Timeout");
    }
}
