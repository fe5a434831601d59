//! What can go wrong below an access pattern.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

/// An error of the database. None of them is the client's fault.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Conflicts or throttles did not end within the retries.
    #[error("the database is busy")]
    Busy,
    /// The item changed since it was read; read again and decide again.
    #[error("the item has changed since it was read")]
    Stale,
    /// The database did not answer, or refused the request.
    #[error("the database failed: {0}")]
    Unavailable(String),
    /// An item that cannot be read as what it should be.
    #[error("an item is corrupt: {0}")]
    Corrupt(String),
}

impl<E, R> From<SdkError<E, R>> for StoreError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    fn from(error: SdkError<E, R>) -> Self {
        match error.code() {
            Some(
                "ProvisionedThroughputExceededException"
                | "ThrottlingException"
                | "RequestLimitExceeded"
                | "TransactionConflictException"
                | "TransactionInProgressException",
            ) => StoreError::Busy,
            Some(code) => StoreError::Unavailable(format!("{code}: {}", error.message().unwrap_or_default())),
            None => StoreError::Unavailable(match error {
                SdkError::TimeoutError(_) => "timeout".to_owned(),
                SdkError::DispatchFailure(failure) => format!("dispatch failure: {failure:?}"),
                other => format!("{other:?}"),
            }),
        }
    }
}

impl From<serde_dynamo::Error> for StoreError {
    fn from(error: serde_dynamo::Error) -> Self {
        StoreError::Corrupt(error.to_string())
    }
}

impl From<aws_sdk_dynamodb::error::BuildError> for StoreError {
    fn from(error: aws_sdk_dynamodb::error::BuildError) -> Self {
        StoreError::Corrupt(error.to_string())
    }
}
