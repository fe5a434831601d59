//! What was delivered to a webhook.

use axum::extract::State;
use domain::{
    pos::delivery::{Delivery, Try},
    time::iso,
};
use garde::Validate;
use jiff::Timestamp;
use runtime::{
    ApiError, Ctx, Json, Query,
    openapi::{PosError, PosSessionErrors},
    session::{self, Manager},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Named, refused};

/// Which part of the log.
#[derive(Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogQuery {
    /// 1 to 100; 25 where nothing is said.
    #[garde(inner(range(min = 1, max = 100)))]
    #[param(minimum = 1, maximum = 100)]
    limit: Option<usize>,
    /// The `id` of the last one that was seen.
    #[garde(inner(length(max = 100)))]
    #[param(max_length = 100)]
    starting_after: Option<String>,
}

/// One try to deliver.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TryOut {
    /// ISO 8601, UTC.
    at: String,
    /// Status of the answer; null where there was none.
    #[schema(required)]
    status_code: Option<u16>,
    /// Why there was no answer.
    #[schema(required)]
    error: Option<String>,
    duration_ms: u32,
}

impl From<Try> for TryOut {
    fn from(tried: Try) -> Self {
        TryOut { at: iso(tried.at), status_code: tried.status, error: tried.error, duration_ms: tried.duration }
    }
}

/// An event on its way to a webhook.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeliveryOut {
    /// For `starting_after`.
    id: String,
    /// Its `webhook-id`.
    event_id: String,
    /// `order.completed`, `ping`, …
    #[serde(rename = "type")]
    kind: &'static str,
    /// When it happened, ISO 8601, UTC.
    event_at: String,
    /// `sending`, `failed` (it may be tried again), `delivered`, or `gone` (the receiver answered 410).
    outcome: &'static str,
    /// How many tries were begun.
    attempts: u32,
    /// The tries that ended, oldest first; of many the last 20.
    tries: Vec<TryOut>,
    /// The last answer's body, its first KiB at most.
    #[schema(required)]
    answer: Option<String>,
}

impl From<Delivery> for DeliveryOut {
    fn from(row: Delivery) -> Self {
        DeliveryOut {
            id: format!("{}-{}", row.at.as_millisecond(), row.event),
            event_id: row.event,
            kind: row.kind.as_str(),
            event_at: iso(row.at),
            outcome: row.outcome.as_str(),
            attempts: row.attempts,
            tries: row.tries.into_iter().map(TryOut::from).collect(),
            answer: row.answer,
        }
    }
}

/// A page of the log.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogOut {
    data: Vec<DeliveryOut>,
    /// Are there older ones?
    has_more: bool,
}

/// Where a page begins: the time and the event of a row.
fn parse_id(id: &str) -> Option<(Timestamp, &str)> {
    let (millis, event) = id.split_once('-')?;
    let at = millis.parse().ok().filter(|millis| *millis >= 0)?;
    Some((Timestamp::from_millisecond(at).ok()?, event))
}

/// What was delivered to a webhook, newest event first; what is older than 30 days is forgotten.
#[utoipa::path(get, path = "/pos/organizations/{id}/webhooks/{webhookId}/deliveries", tag = "pos webhooks",
    security(("bearer" = [])), extensions(("x-role" = json!(session::MANAGER))),
    params(("id" = String, Path), ("webhookId" = String, Path), LogQuery),
    responses(
        (status = 200, description = "A page of the log", body = LogOut),
        (status = 404, description = "`WEBHOOK_NOT_FOUND`", body = PosError),
        PosSessionErrors,
    )
)]
pub(crate) async fn list_deliveries(
    State(ctx): State<Ctx>,
    Manager(user): Manager,
    named: Named,
    Query(query): Query<LogQuery>,
) -> Result<Json<LogOut>, ApiError> {
    let id = named.of(&user)?;
    let pos = ctx.store().pos();
    pos.load_endpoints(user.org).await?.get(id).map_err(refused)?;
    let seen = query.starting_after.as_deref().filter(|seen| !seen.is_empty());
    let before = seen.map(|seen| parse_id(seen).ok_or_else(|| ApiError::invalid("starting_after", "names nothing")));
    let page = pos.list_deliveries(user.org, id, before.transpose()?, query.limit.unwrap_or(25)).await?;
    let data = page.deliveries.into_iter().map(DeliveryOut::from).collect();
    Ok(Json(LogOut { data, has_more: page.has_more }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_begins_where_the_last_one_ended() {
        let (at, event) = parse_id("1800000000123-evt_0a").unwrap();
        assert_eq!((at.as_millisecond(), event), (1_800_000_000_123, "evt_0a"));
        for bad in ["", "evt_1", "-1-evt_1", "x-evt_1", "99999999999999999-evt_1"] {
            assert_eq!(parse_id(bad), None, "{bad}");
        }
    }
}
