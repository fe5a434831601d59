//! An organization's own webhooks: where it hears of its orders, as Standard Webhooks, and what was delivered there.

mod log;
mod url;
mod wire;

use axum::extract::{FromRequestParts, Path, State};
use domain::{
    ids::{EndpointId, OrgId},
    pos::{
        endpoint::{Edit, Endpoint, EndpointError, Endpoints, Notice},
        event::Event,
    },
};
use http::{StatusCode, request::Parts};
use runtime::{
    ApiError, Ctx, Json,
    extract::Id,
    openapi::{PosError, PosSessionErrors},
    queue,
    session::{self, Manager, User},
};
use store::StoreError;
use uuid::Uuid;

use self::{
    url::valid_url,
    wire::{EditIn, NewWebhookOut, PingOut, WebhookIn, WebhookOut, WebhooksOut, kinds},
};
pub(crate) use log::{__path_list_deliveries, list_deliveries};

/// How often an edit is decided again when somebody was faster.
const ROUNDS: u8 = 6;

/// The organization and the webhook that a path names; what cannot be read names nothing.
pub(crate) struct Named {
    org: Option<OrgId>,
    endpoint: Option<EndpointId>,
}

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let texts = Path::<(String, String)>::from_request_parts(parts, state).await.ok();
        let (org, endpoint) = texts.map(|Path(texts)| texts).unwrap_or_default();
        Ok(Named { org: org.parse().ok(), endpoint: endpoint.parse().ok() })
    }
}

impl Named {
    /// The webhook, of the caller's own organization.
    fn of(&self, user: &User) -> Result<EndpointId, ApiError> {
        check_own(user, self.org)?;
        self.endpoint.ok_or_else(|| refused(EndpointError::NotFound))
    }
}

/// Any other organization is forbidden, whether or not it is there (contract §3).
fn check_own(user: &User, org: Option<OrgId>) -> Result<(), ApiError> {
    if org == Some(user.org) { Ok(()) } else { Err(ApiError::forbidden()) }
}

fn refused(error: EndpointError) -> ApiError {
    match error {
        EndpointError::NotFound => ApiError::not_found("WEBHOOK_NOT_FOUND", "Webhook not found"),
        EndpointError::TooMany => {
            ApiError::new(StatusCode::CONFLICT, "WEBHOOK_LIMIT_REACHED", "An organization may have 10 webhooks")
        }
    }
}

/// Decides on the endpoints as they are, and again when somebody was faster.
async fn edit(
    ctx: &Ctx,
    org: OrgId,
    step: impl Fn(&Endpoints) -> Result<Endpoints, EndpointError>,
) -> Result<Endpoints, ApiError> {
    let pos = ctx.store().pos();
    for _ in 0..ROUNDS {
        let before = pos.load_endpoints(org).await?;
        let after = step(&before).map_err(refused)?;
        match pos.save_endpoints(&before, &after).await {
            Err(StoreError::Stale) => {}
            done => return Ok(done.map(|()| after)?),
        }
    }
    Err(ApiError::unavailable())
}

/// An endpoint with its secret, which is shown now and never again.
fn with_secret(ctx: &Ctx, endpoint: &Endpoint) -> Result<Json<NewWebhookOut>, ApiError> {
    let secret = endpoint.secret(&ctx.settings().qr_keys);
    let secret = secret.ok_or_else(|| ApiError::internal("a new secret's key is not configured"))?;
    Ok(Json(NewWebhookOut::new(endpoint, &secret, ctx.now())))
}

/// One's organization's webhooks, oldest first.
#[utoipa::path(get, path = "/pos/organizations/{id}/webhooks", tag = "pos webhooks", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))), params(("id" = String, Path)),
    responses((status = 200, description = "The webhooks", body = WebhooksOut), PosSessionErrors)
)]
pub(crate) async fn list_webhooks(
    State(ctx): State<Ctx>,
    Manager(user): Manager,
    Id(org): Id<OrgId>,
) -> Result<Json<WebhooksOut>, ApiError> {
    check_own(&user, org)?;
    let endpoints = ctx.store().pos().load_endpoints(user.org).await?;
    Ok(Json(WebhooksOut::new(&endpoints, ctx.now())))
}

/// Adds a webhook. Its secret is in this answer, and in no other.
#[utoipa::path(post, path = "/pos/organizations/{id}/webhooks", tag = "pos webhooks", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))), params(("id" = String, Path)), request_body = WebhookIn,
    responses(
        (status = 201, description = "The webhook, with its secret", body = NewWebhookOut),
        (status = 409, description = "`WEBHOOK_LIMIT_REACHED`", body = PosError),
        PosSessionErrors,
    )
)]
pub(crate) async fn create_webhook(
    State(ctx): State<Ctx>,
    Manager(user): Manager,
    Id(org): Id<OrgId>,
    Json(input): Json<WebhookIn>,
) -> Result<(StatusCode, Json<NewWebhookOut>), ApiError> {
    check_own(&user, org)?;
    let url = valid_url(&input.url, ctx.settings().allow_private_endpoints)?;
    let events = kinds(input.events.unwrap_or_default());
    let endpoint = Endpoint::new(EndpointId(Uuid::new_v4()), url, events, ctx.settings().qr_keys.current(), ctx.now());
    edit(&ctx, user.org, |all| all.add(endpoint.clone())).await?;
    tracing::info!(org = %user.org, endpoint = %endpoint.id, "webhook added");
    Ok((StatusCode::CREATED, with_secret(&ctx, &endpoint)?))
}

/// Changes a webhook: what is not named stays.
#[utoipa::path(patch, path = "/pos/organizations/{id}/webhooks/{webhookId}", tag = "pos webhooks",
    security(("bearer" = [])), extensions(("x-role" = json!(session::MANAGER))),
    params(("id" = String, Path), ("webhookId" = String, Path)), request_body = EditIn,
    responses(
        (status = 200, description = "The webhook", body = WebhookOut),
        (status = 404, description = "`WEBHOOK_NOT_FOUND`", body = PosError),
        PosSessionErrors,
    )
)]
pub(crate) async fn update_webhook(
    State(ctx): State<Ctx>,
    Manager(user): Manager,
    named: Named,
    Json(input): Json<EditIn>,
) -> Result<Json<WebhookOut>, ApiError> {
    let id = named.of(&user)?;
    let private = ctx.settings().allow_private_endpoints;
    let url = input.url.map(|url| valid_url(&url, private)).transpose()?;
    let change = Edit { url, events: input.events.map(kinds), enabled: input.enabled };
    let now = ctx.now();
    let after = edit(&ctx, user.org, |all| all.edit(id, change.clone(), now)).await?;
    Ok(Json(WebhookOut::new(after.get(id).map_err(refused)?, now)))
}

/// Takes a webhook away. What is on its way there is not delivered any more.
#[utoipa::path(delete, path = "/pos/organizations/{id}/webhooks/{webhookId}", tag = "pos webhooks",
    security(("bearer" = [])), extensions(("x-role" = json!(session::MANAGER))),
    params(("id" = String, Path), ("webhookId" = String, Path)),
    responses(
        (status = 204, description = "Gone"),
        (status = 404, description = "`WEBHOOK_NOT_FOUND`", body = PosError),
        PosSessionErrors,
    )
)]
pub(crate) async fn delete_webhook(
    State(ctx): State<Ctx>,
    Manager(user): Manager,
    named: Named,
) -> Result<StatusCode, ApiError> {
    let id = named.of(&user)?;
    edit(&ctx, user.org, |all| all.remove(id)).await?;
    tracing::info!(org = %user.org, endpoint = %id, "webhook removed");
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a webhook a new secret, which is in this answer and in no other. For 24 hours the one before signs too.
#[utoipa::path(post, path = "/pos/organizations/{id}/webhooks/{webhookId}/rotate", tag = "pos webhooks",
    security(("bearer" = [])), extensions(("x-role" = json!(session::MANAGER))),
    params(("id" = String, Path), ("webhookId" = String, Path)),
    responses(
        (status = 200, description = "The webhook, with its new secret", body = NewWebhookOut),
        (status = 404, description = "`WEBHOOK_NOT_FOUND`", body = PosError),
        PosSessionErrors,
    )
)]
pub(crate) async fn rotate_webhook(
    State(ctx): State<Ctx>,
    Manager(user): Manager,
    named: Named,
) -> Result<Json<NewWebhookOut>, ApiError> {
    let id = named.of(&user)?;
    let now = ctx.now();
    let after = edit(&ctx, user.org, |all| all.rotate(id, ctx.settings().qr_keys.current(), now)).await?;
    tracing::info!(org = %user.org, endpoint = %id, "webhook's secret rotated");
    with_secret(&ctx, after.get(id).map_err(refused)?)
}

/// Sends a webhook a `ping`, signed as any event, and also when it is disabled. It is tried once; the log tells how it went.
#[utoipa::path(post, path = "/pos/organizations/{id}/webhooks/{webhookId}/test", tag = "pos webhooks",
    security(("bearer" = [])), extensions(("x-role" = json!(session::MANAGER))),
    params(("id" = String, Path), ("webhookId" = String, Path)),
    responses(
        (status = 202, description = "On its way", body = PingOut),
        (status = 404, description = "`WEBHOOK_NOT_FOUND`", body = PosError),
        PosSessionErrors,
    )
)]
pub(crate) async fn test_webhook(
    State(ctx): State<Ctx>,
    Manager(user): Manager,
    named: Named,
) -> Result<(StatusCode, Json<PingOut>), ApiError> {
    let id = named.of(&user)?;
    ctx.store().pos().load_endpoints(user.org).await?.get(id).map_err(refused)?;
    let event = Event::ping(user.org, Uuid::new_v4(), ctx.now());
    let ping = PingOut::new(&event);
    let message = queue::message(&Notice { org: user.org, endpoint: id, event });
    let message = message.map_err(ApiError::internal)?;
    let sent = ctx.sqs().send_message().queue_url(&ctx.settings().webhooks_queue_url).message_body(message).send();
    sent.await.map_err(|error| {
        tracing::warn!(?error, "ping not sent");
        ApiError::unavailable()
    })?;
    Ok((StatusCode::ACCEPTED, Json(ping)))
}
