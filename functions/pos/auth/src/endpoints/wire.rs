//! What goes over the wire of webhooks.

use std::collections::BTreeSet;

use domain::{
    pos::{
        endpoint::{Endpoint, EndpointSecret, Endpoints, MAX_ENDPOINTS},
        event::{Event, EventKind},
    },
    time::iso,
};
use garde::Validate;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What there is to hear of.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
pub(crate) enum EventName {
    #[serde(rename = "order.created")]
    Created,
    #[serde(rename = "order.updated")]
    Updated,
    #[serde(rename = "order.completed")]
    Completed,
    #[serde(rename = "order.failed")]
    Failed,
    #[serde(rename = "order.refunded")]
    Refunded,
    #[serde(rename = "order.deleted")]
    Deleted,
}

/// The kinds by these names, each once.
pub(super) fn kinds(names: Vec<EventName>) -> BTreeSet<EventKind> {
    let kind = |name| match name {
        EventName::Created => EventKind::Created,
        EventName::Updated => EventKind::Updated,
        EventName::Completed => EventKind::Completed,
        EventName::Failed => EventKind::Failed,
        EventName::Refunded => EventKind::Refunded,
        EventName::Deleted => EventKind::Deleted,
    };
    names.into_iter().map(kind).collect()
}

/// A new webhook.
#[derive(Deserialize, Validate, ToSchema)]
pub(crate) struct WebhookIn {
    /// Where events go: https, with a public host name.
    #[garde(length(chars, min = 1, max = 2048))]
    #[schema(min_length = 1, max_length = 2048)]
    pub(super) url: String,
    /// What it hears of; none named is everything.
    #[garde(inner(length(max = 6)))]
    #[schema(max_items = 6)]
    pub(super) events: Option<Vec<EventName>>,
}

/// What to change of a webhook; what is not named stays.
#[derive(Deserialize, Validate, ToSchema)]
pub(crate) struct EditIn {
    /// Where events go: https, with a public host name.
    #[garde(inner(length(chars, min = 1, max = 2048)))]
    #[schema(min_length = 1, max_length = 2048)]
    pub(super) url: Option<String>,
    /// What it hears of; an empty list is everything.
    #[garde(inner(length(max = 6)))]
    #[schema(max_items = 6)]
    pub(super) events: Option<Vec<EventName>>,
    /// Whether it hears at all.
    #[garde(skip)]
    pub(super) enabled: Option<bool>,
}

/// A webhook.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WebhookOut {
    id: String,
    url: String,
    /// What it hears of; empty is everything.
    events: Vec<&'static str>,
    /// False also when its receiver answered 410.
    enabled: bool,
    /// Up to when the secret before the last rotation signs too, ISO 8601, UTC.
    #[schema(required)]
    previous_secret_until: Option<String>,
    /// ISO 8601, UTC.
    created_at: String,
    /// ISO 8601, UTC.
    updated_at: String,
}

impl WebhookOut {
    pub(super) fn new(endpoint: &Endpoint, now: Timestamp) -> Self {
        WebhookOut {
            id: endpoint.id.to_string(),
            url: endpoint.url.clone(),
            events: endpoint.events.iter().map(|kind| kind.as_str()).collect(),
            enabled: endpoint.enabled,
            previous_secret_until: endpoint.replaced_at(now).map(|replaced| iso(replaced.until)),
            created_at: iso(endpoint.created_at),
            updated_at: iso(endpoint.updated_at),
        }
    }
}

/// A webhook with its secret.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewWebhookOut {
    #[serde(flatten)]
    webhook: WebhookOut,
    /// By which its receiver verifies what it is sent, `whsec_…` (Standard Webhooks). Shown only here.
    secret: String,
}

impl NewWebhookOut {
    pub(super) fn new(endpoint: &Endpoint, secret: &EndpointSecret, now: Timestamp) -> Self {
        NewWebhookOut { webhook: WebhookOut::new(endpoint, now), secret: secret.reveal() }
    }
}

/// All webhooks of an organization.
#[derive(Serialize, ToSchema)]
pub(crate) struct WebhooksOut {
    /// Oldest first.
    webhooks: Vec<WebhookOut>,
    /// How many there may be.
    limit: usize,
}

impl WebhooksOut {
    pub(super) fn new(endpoints: &Endpoints, now: Timestamp) -> Self {
        let webhooks = endpoints.endpoints.iter().map(|endpoint| WebhookOut::new(endpoint, now)).collect();
        WebhooksOut { webhooks, limit: MAX_ENDPOINTS }
    }
}

/// A ping that is on its way.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PingOut {
    /// Its `webhook-id`, by which the log names it.
    event_id: String,
}

impl PingOut {
    pub(super) fn new(event: &Event) -> Self {
        PingOut { event_id: event.id.clone() }
    }
}
