//! Ends orders that nobody paid: each when its message comes, and every minute those that no message ended. Orders whose
//! webhook was lost are found here too, by asking Stripe.

use aws_lambda_events::sqs::SqsBatchResponse;
use domain::{
    ids::OrgId,
    tickets::{number::OrderNumber, order::Order},
};
use futures_util::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use payments::{Expired, TillError};
use runtime::{
    BoxError, Ctx, Function,
    queue::{self, Wake, consume, delay_seconds},
};
use serde::Deserialize;
use serde_json::json;

/// Pending orders of an organization that one sweep looks at.
const SWEPT: usize = 500;

/// Orders that a sweep settles at once.
const AT_ONCE: usize = 8;

/// How long a webhook may take before Stripe is asked.
const PATIENCE: SignedDuration = SignedDuration::from_mins(3);

/// An order younger than this may not be in the index yet: the sweep's mark stays behind it.
const INDEX_LAG: SignedDuration = SignedDuration::from_secs(60);

/// Consumes the expiry queue (`{"number"}`) and the sweeper's schedule.
pub fn function() -> Function {
    Function::event(handle)
}

/// A message of the queue.
#[derive(Deserialize)]
struct Due {
    number: OrderNumber,
}

async fn handle(ctx: Ctx, wake: Wake) -> Result<SqsBatchResponse, BoxError> {
    match wake {
        Wake::Messages(event) => Ok(consume(event, |due: Due| expire_order(&ctx, due.number)).await),
        Wake::Schedule { .. } => sweep(&ctx).await.map(|()| SqsBatchResponse::default()),
    }
}

/// Ends one order, or sends its message on its way again when its time has not come.
async fn expire_order(ctx: &Ctx, number: OrderNumber) -> Result<(), BoxError> {
    match ctx.till().expire_order(number).await {
        Ok(Expired::NotDue(until)) => remind(ctx, number, until).await,
        Ok(outcome) => {
            tracing::info!(%number, ?outcome, "order's time has run out");
            Ok(())
        }
        Err(TillError::NotFound) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// SQS delays by 15 minutes at most; an event may hold its orders for longer.
async fn remind(ctx: &Ctx, number: OrderNumber, until: Timestamp) -> Result<(), BoxError> {
    let message = ctx.sqs().send_message().queue_url(&ctx.settings().expiry_queue_url);
    let message = message.message_body(queue::message(&json!({"number": number}))?);
    message.delay_seconds(delay_seconds(ctx.now(), until)).send().await.map_err(Box::new)?;
    Ok(())
}

async fn sweep(ctx: &Ctx) -> Result<(), BoxError> {
    for org in ctx.store().list_orgs().await? {
        // One organization's trouble does not keep the others waiting; the mark it did not move brings it back.
        if let Err(error) = sweep_org(ctx, org.id).await {
            tracing::warn!(org = %org.id, %error, "sweep failed");
        }
    }
    Ok(())
}

async fn sweep_org(ctx: &Ctx, org: OrgId) -> Result<(), BoxError> {
    let now = ctx.now();
    let from = ctx.store().load_swept_until(org).await?;
    let pending = ctx.store().list_pending_orders(org, from, now, SWEPT).await?;
    let steps = pending.iter().map(|order| (order.number, step(order, now))).collect::<Vec<_>>();
    let done = stream::iter(steps).map(|(number, step)| take(ctx.clone(), number, step)).buffer_unordered(AT_ONCE);
    let failed = done.filter(|done| std::future::ready(!done)).count().await;
    match swept_until(&pending, now) {
        Some(until) if failed == 0 => Ok(ctx.store().save_swept_until(org, until).await?),
        _ => Ok(()),
    }
}

/// What a sweep does with a pending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Its time has run out.
    Expire,
    /// It could have been paid, and we not told.
    Reconcile,
    /// Nothing yet.
    Wait,
}

fn step(order: &Order, now: Timestamp) -> Step {
    if order.is_overdue(now) {
        Step::Expire
    } else if order.checkout.is_some() && order.created_at + PATIENCE <= now {
        Step::Reconcile
    } else {
        Step::Wait
    }
}

/// True when it is done.
async fn take(ctx: Ctx, number: OrderNumber, step: Step) -> bool {
    let done = match step {
        Step::Expire => ctx.till().expire_order(number).await.map(drop),
        Step::Reconcile => ctx.till().reconcile_order(number).await.map(drop),
        Step::Wait => Ok(()),
    };
    match done {
        Ok(()) | Err(TillError::NotFound) => true,
        Err(error) => {
            tracing::warn!(%number, ?step, %error, "order will be swept again");
            false
        }
    }
}

/// Up to when all orders are settled once each step is taken; absent when the list was cut off and more may be waiting.
fn swept_until(pending: &[Order], now: Timestamp) -> Option<Timestamp> {
    let waiting = pending.iter().filter(|order| !order.is_overdue(now)).map(|order| order.created_at);
    (pending.len() < SWEPT).then(|| waiting.fold(now - INDEX_LAG, Timestamp::min))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(now: Timestamp, age_minutes: i64, checkout: bool) -> Order {
        let created = now - SignedDuration::from_mins(age_minutes);
        let id = "8f5f6f0e-6f43-4d4e-9a4e-0c6f4b1b7a01";
        let mut json = json!({
            "number": OrderNumber::new(created, 7), "org": id, "event_id": id, "event_name": "E", "tier_id": id,
            "tier_name": "T", "buyer_name": "A", "buyer_email": "a@example.com", "quantity": 1, "unit_price": 5,
            "total": 5, "currency": "USD", "status": "pending", "draws": [], "key_id": "k", "revision": 0,
            "created_at": created.as_millisecond(), "expires_at": created.as_millisecond() + 15 * 60_000,
        });
        if checkout {
            json["checkout"] = "cs_1".into();
        }
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn stripe_is_asked_about_orders_that_should_have_been_settled() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        assert_eq!(step(&order(now, 2, true), now), Step::Wait);
        assert_eq!(step(&order(now, 3, true), now), Step::Reconcile);
        assert_eq!(step(&order(now, 3, false), now), Step::Wait, "nothing to ask about");
        assert_eq!(step(&order(now, 14, true), now), Step::Reconcile);
        assert_eq!(step(&order(now, 15, true), now), Step::Expire);
    }

    #[test]
    fn the_mark_stays_behind_what_still_waits() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        assert_eq!(swept_until(&[], now), Some(now - INDEX_LAG));
        assert_eq!(swept_until(&[order(now, 40, true), order(now, 20, true)], now), Some(now - INDEX_LAG));
        let waiting = order(now, 10, false);
        let pending = [order(now, 40, true), order(now, 5, true), waiting.clone(), order(now, 0, true)];
        assert_eq!(swept_until(&pending, now), Some(waiting.created_at));
        assert_eq!(swept_until(&vec![waiting; SWEPT], now), None);
    }
}
