//! Draws reports as PDF, and sends the weekly one.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use runtime::{BoxError, Ctx, Function};

/// The function.
pub fn function() -> Function {
    Function::event(handle)
}

async fn handle(_: Ctx, _: SqsEvent) -> Result<SqsBatchResponse, BoxError> {
    Ok(SqsBatchResponse::default())
}
