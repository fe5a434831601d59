//! Draws reports of sales: what somebody asked for when its message comes, and each organization's week once it is over.
//!
//! A report is drawn into one file, whoever draws it and however often; it is marked as ready once the file is there. Its
//! message is tried three times, then it is given up and the message waits among the dead ones.

mod draw;
mod week;

use aws_lambda_events::sqs::SqsBatchResponse;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use domain::pos::report::ReportTask;
use futures_util::{future::try_join_all, join};
use jiff::SignedDuration;
use runtime::{
    BoxError, Ctx, Function,
    queue::{self, Wake, consume},
};

/// How old a report is before it is asked for again: the tries of its first message are over by then.
const AGE: SignedDuration = SignedDuration::from_mins(20);

/// Waiting reports that one sweep asks for again.
const SWEPT: usize = 100;

/// Messages in one call of SQS, at most.
const BATCH: usize = 10;

/// Calls of SQS at once.
const AT_ONCE: usize = 8;

/// Consumes the reports queue (each message a [`ReportTask`]) and the schedule, which only sends messages: so one report's
/// trouble does not keep the others waiting.
pub fn function() -> Function {
    Function::event(handle)
}

async fn handle(ctx: Ctx, wake: Wake) -> Result<SqsBatchResponse, BoxError> {
    match wake {
        Wake::Messages(event) => Ok(consume(event, |task| work(&ctx, task)).await),
        Wake::Schedule { .. } => {
            let (asked, swept) = join!(week::ask_for_week(&ctx), sweep(&ctx));
            asked.and(swept).map(|()| SqsBatchResponse::default())
        }
    }
}

async fn work(ctx: &Ctx, task: ReportTask) -> Result<(), BoxError> {
    match task {
        ReportTask::Sales { org, report } => draw::draw_report(ctx, org, report).await,
        ReportTask::Week { org, week } => week::report_week(ctx, org, week).await,
    }
}

/// Asks again for reports that a lost message or a dead worker left behind.
async fn sweep(ctx: &Ctx) -> Result<(), BoxError> {
    send(ctx, &ctx.store().pos().list_waiting_reports(ctx.now() - AGE, SWEPT).await?).await
}

/// Sends messages to the reports queue. Fails when any was not taken; those that were are sent again then.
async fn send(ctx: &Ctx, tasks: &[ReportTask]) -> Result<(), BoxError> {
    for part in tasks.chunks(BATCH * AT_ONCE) {
        try_join_all(part.chunks(BATCH).map(|batch| send_batch(ctx, batch))).await?;
    }
    Ok(())
}

async fn send_batch(ctx: &Ctx, batch: &[ReportTask]) -> Result<(), BoxError> {
    let entry = |(i, task): (usize, &ReportTask)| -> Result<_, BoxError> {
        let body = queue::message(task)?;
        Ok(SendMessageBatchRequestEntry::builder().id(i.to_string()).message_body(body).build()?)
    };
    let entries = batch.iter().enumerate().map(entry).collect::<Result<Vec<_>, _>>()?;
    let queue = &ctx.settings().reports_queue_url;
    let answer = ctx.sqs().send_message_batch().queue_url(queue).set_entries(Some(entries)).send().await?;
    match answer.failed() {
        [] => Ok(()),
        [failed, ..] => Err(format!("the queue did not take a message: {}", failed.code()).into()),
    }
}
