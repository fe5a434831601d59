//! Why an e-mail was not sent.

use aws_sdk_sesv2::{
    error::{BuildError, ProvideErrorMetadata, SdkError},
    operation::send_email::SendEmailError,
};
use store::{Failure, StoreError};

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
    Ses { code: String, message: String, failure: Failure },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Undelivered {
    /// What that means for the next try.
    pub(crate) fn failure(&self) -> Failure {
        match self {
            Self::NotWanted(_) | Self::NotPaid | Self::NotFound(_) => Failure::Moot,
            Self::Write(_) => Failure::Hopeless,
            Self::Ses { failure, .. } => *failure,
            Self::NoKey | Self::NoFile | Self::Store(_) => Failure::Passing,
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
        use SendEmailError as Ses;
        // What timed out or was not reached is a try: else an SES that is gone for good would be heard of by nobody.
        let failure = match error.as_service_error() {
            Some(Ses::MessageRejected(_) | Ses::BadRequestException(_)) => Failure::Hopeless,
            Some(Ses::TooManyRequestsException(_) | Ses::LimitExceededException(_)) => Failure::Throttled,
            Some(error) if error.code().is_some_and(|code| code.starts_with("Throttling")) => Failure::Throttled,
            _ => Failure::Passing,
        };
        let code = error.code().unwrap_or(match &error {
            SdkError::TimeoutError(_) => "Timeout",
            SdkError::DispatchFailure(_) => "Unreachable",
            _ => "Unreadable",
        });
        Self::Ses { code: code.to_owned(), message: without_addresses(error.message().unwrap_or_default()), failure }
    }
}

impl From<BuildError> for Undelivered {
    fn from(error: BuildError) -> Self {
        Self::Ses { code: "Incomplete".into(), message: error.to_string(), failure: Failure::Hopeless }
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
    fn what_ses_refuses_is_final_what_it_has_no_room_for_is_no_try_and_the_rest_is_one() {
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
        assert_eq!(rejected.failure(), Failure::Hopeless);
        assert_eq!(rejected.code(), "MessageRejected");
        assert_eq!(rejected.to_string(), "MessageRejected: Address … is not verified: …");
        let bad = BadRequestException::builder().meta(meta("BadRequestException")).build();
        assert_eq!(failed(E::BadRequestException(bad)).failure(), Failure::Hopeless);
        let busy = TooManyRequestsException::builder().meta(meta("TooManyRequestsException")).build();
        assert_eq!(failed(E::TooManyRequestsException(busy)).failure(), Failure::Throttled);
        assert_eq!(failed(E::generic(meta("ThrottlingException"))).failure(), Failure::Throttled);
        assert_eq!(failed(E::generic(meta("InternalFailure"))).failure(), Failure::Passing);
        let timeout = Undelivered::from(SdkError::<E>::timeout_error("late"));
        assert_eq!(timeout.failure(), Failure::Passing);
        assert_eq!(timeout.code(), "Timeout");
    }
}
