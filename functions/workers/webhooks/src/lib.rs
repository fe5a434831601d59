//! Delivers events to organizations' own endpoints, signed as Standard Webhooks.
//!
//! A message is one event for one endpoint. What fails comes again by the queue, later each time, five times in all, and then
//! lies among its dead letters. The delivery log's row makes an event × endpoint one delivery, however often its message comes; only a
//! worker that dies between the receiver's answer and its own mark delivers twice, under the same `webhook-id`.

mod wait;

use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use bytes::Bytes;
use domain::{
    ids::OrgId,
    pos::{
        delivery::{Delivery, MAX_ANSWER, Outcome, Try},
        endpoint::{Endpoint, Notice},
        event::EventKind,
    },
};
use http::{Request, Response, header};
use net::{Client, Limits};
use runtime::{BoxError, Ctx, Function, queue::consume};
use store::{StoreError, pos::endpoint::Claimed};
use tokio::time::Instant;

use crate::wait::Waits;

/// What a receiver may take.
const LIMITS: Limits =
    Limits { connect: Duration::from_secs(5), total: Duration::from_secs(10), answer_bytes: MAX_ANSWER };

/// How often the end of an endpoint is decided again when somebody edits at the same time.
const ROUNDS: u8 = 6;

/// Consumes the webhook queue; each message is a [`Notice`].
pub fn function() -> Function {
    let public = Client::public();
    Function::event(move |ctx, event| handle(ctx, public.clone(), event))
}

async fn handle(ctx: Ctx, public: Client, event: SqsEvent) -> Result<SqsBatchResponse, BoxError> {
    // Only the local cloud's receivers are on this machine.
    let client = if ctx.settings().allow_private_endpoints { ctx.aws().net().clone() } else { public };
    let waits = Waits::of(&event);
    let response = consume(event, |notice| deliver(&ctx, &client, notice)).await;
    waits.hide(&ctx, &response).await;
    Ok(response)
}

/// Fails when another try is due.
async fn deliver(ctx: &Ctx, client: &Client, notice: Notice) -> Result<(), BoxError> {
    let endpoints = ctx.store().pos().load_endpoints(notice.org).await?;
    let endpoint = match endpoints.get(notice.endpoint) {
        Ok(endpoint) if endpoint.hears(notice.event.kind) => endpoint,
        _ => {
            tracing::info!(org = %notice.org, endpoint = %notice.endpoint, "nobody hears of this event any more");
            return Ok(());
        }
    };
    let row = match ctx.store().pos().claim_delivery(&notice, ctx.now()).await? {
        Claimed::Taken(row) => row,
        Claimed::Final => return Ok(()),
        Claimed::Busy => return Err("another worker is at it".into()),
    };
    let (tried, answer) = attempt(ctx, client, endpoint, &notice).await?;
    let ended = row.ended(tried, answer.as_deref());
    if !ctx.store().pos().end_delivery(&ended).await? {
        tracing::warn!(event = ended.event, "taken over by another worker");
    }
    match ended.outcome {
        Outcome::Gone => disable(ctx, notice.org, endpoint).await,
        Outcome::Failed if notice.event.kind != EventKind::Ping => Err(failure(&ended).into()),
        // Whoever tries an endpoint looks at the log; no operator need hear of it.
        Outcome::Failed | Outcome::Delivered | Outcome::Sending => Ok(()),
    }
}

fn failure(ended: &Delivery) -> String {
    let Delivery { org, endpoint, event, attempts, tries, .. } = ended;
    let status = tries.last().and_then(|tried| tried.status);
    format!("try {attempts} of {event} at {endpoint} of {org} failed, status {status:?}")
}

/// One try, and what was answered. An error is ours: no secret, no such URL.
async fn attempt(
    ctx: &Ctx,
    client: &Client,
    endpoint: &Endpoint,
    notice: &Notice,
) -> Result<(Try, Option<Bytes>), BoxError> {
    let (at, started) = (ctx.now(), Instant::now());
    let (id, body) = (&notice.event.id, notice.event.body());
    let signature = endpoint.sign(&ctx.settings().qr_keys, id, at, &body).ok_or("the secret's key is not known")?;
    let request = Request::post(&endpoint.url)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, "Fairground-Webhooks/1")
        .header("webhook-id", id)
        .header("webhook-timestamp", at.as_second())
        .header("webhook-signature", signature)
        .body(Bytes::from(body))?;
    let answer = client.send_for_beginning(request, LIMITS).await;
    let duration = u32::try_from(started.elapsed().as_millis()).unwrap_or(u32::MAX);
    let status = answer.as_ref().ok().map(|answer| answer.status().as_u16());
    let error = answer.as_ref().err().map(told);
    Ok((Try { at, status, error, duration }, answer.ok().map(Response::into_body)))
}

/// What the organization is told of a failure: what happened, and nothing of what our network looks like from inside.
fn told(error: &net::Error) -> String {
    match error {
        net::Error::Timeout(with) => format!("timed out {with}"),
        net::Error::Connect(_) => "no connection: no such public name, nobody there, or no trusted certificate".into(),
        net::Error::Broken(_) | net::Error::TooLarge => "the connection broke off".into(),
        net::Error::Invalid(_) => "the URL cannot be called".into(),
    }
}

/// The receiver is gone: its endpoint hears no more, unless it has been changed meanwhile.
async fn disable(ctx: &Ctx, org: OrgId, gone: &Endpoint) -> Result<(), BoxError> {
    let pos = ctx.store().pos();
    for _ in 0..ROUNDS {
        let endpoints = pos.load_endpoints(org).await?;
        let Some(after) = endpoints.disable_gone(gone.id, &gone.url, ctx.now()) else { return Ok(()) };
        match pos.save_endpoints(&endpoints, &after).await {
            Err(StoreError::Stale) => {}
            done => {
                tracing::info!(%org, endpoint = %gone.id, "disabled: its receiver says that it is gone");
                return Ok(done?);
            }
        }
    }
    Err("the endpoints keep changing".into())
}
