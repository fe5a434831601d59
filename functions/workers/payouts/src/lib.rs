//! Pays out through the ledger what was decided before: the shares of finalized tip pools, and each day the splits of what
//! was sold on the last one. Each when its message comes, and on a schedule what no message did.
//!
//! A worker that dies halfway does no harm: each transfer is posted once, and whoever comes next goes on from there.

pub mod settle;

use std::time::Duration;

use aws_lambda_events::sqs::SqsBatchResponse;
use domain::pos::payout::Payout;
use jiff::SignedDuration;
use runtime::{
    BoxError, Ctx, Function,
    queue::{Wake, consume},
};
use tokio::time::Instant;

/// How old a payout is before the sweep takes it: younger ones have a message on its way.
const AGE: SignedDuration = SignedDuration::from_mins(1);

/// Payouts that one sweep looks at.
const SWEPT: usize = 100;

/// For so long a run begins another payout, and then for so long another organization's days, well within the function's 30
/// seconds: the next run goes on.
const TIME: Duration = Duration::from_secs(10);

/// Consumes the payouts queue (each message a [`Payout`]) and the schedule.
pub fn function() -> Function {
    Function::event(handle)
}

async fn handle(ctx: Ctx, wake: Wake) -> Result<SqsBatchResponse, BoxError> {
    match wake {
        Wake::Messages(event) => Ok(consume(event, |payout| pay_out(&ctx, payout)).await),
        Wake::Schedule { .. } => {
            sweep(&ctx).await?;
            settle::settle_days(&ctx, TIME).await.map(|()| SqsBatchResponse::default())
        }
    }
}

/// Posts every transfer of a payout, and then notes that it is paid. Those that were posted before change nothing.
async fn pay_out(ctx: &Ctx, payout: Payout) -> Result<(), BoxError> {
    let pos = ctx.store().pos();
    let Some(transfers) = pos.load_payout(payout).await? else { return Ok(()) };
    for transfer in &transfers {
        ctx.store().post(transfer).await?;
    }
    if pos.mark_paid(payout, ctx.now()).await? {
        tracing::info!(?payout, transfers = transfers.len(), "paid out");
    }
    Ok(())
}

/// Pays out what a lost message, a dead worker or a failure left behind.
async fn sweep(ctx: &Ctx) -> Result<(), BoxError> {
    let started = Instant::now();
    for payout in ctx.store().pos().list_unpaid(ctx.now() - AGE, SWEPT).await? {
        if started.elapsed() > TIME {
            break;
        }
        // One organization's trouble does not keep the others waiting; it is swept again.
        if let Err(error) = pay_out(ctx, payout).await {
            tracing::warn!(?payout, %error, "payout will be swept again");
        }
    }
    Ok(())
}
