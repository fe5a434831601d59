//! Joining an organization by invitation (contract §2.2, §11); `POST /pos/staff/{token}/accept` is the same act.

use axum::extract::State;
use garde::Validate;
use runtime::{
    ApiError, Ctx, Json, Query,
    openapi::{PosError, PosErrors},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// An invitation's secret.
#[derive(Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct InviteQuery {
    #[garde(length(max = 1000))]
    token: String,
}

/// Whether an invitation is good, and if so, whose.
#[derive(Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InviteOut {
    valid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    first_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    last_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    organization_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    inviter_name: Option<String>,
}

/// An invitation's secret, and the password that shall be.
#[derive(Deserialize, Validate, ToSchema)]
pub(crate) struct AcceptInviteIn {
    #[garde(length(max = 1000))]
    token: String,
    #[garde(length(max = 2000))]
    password: String,
}

/// Who has joined.
#[derive(Serialize, ToSchema)]
pub(crate) struct AcceptedOut {
    message: &'static str,
    email: String,
}

/// Says whether an invitation is good, and whose it is.
#[utoipa::path(get, path = "/pos/auth/validate-invite", tag = "pos auth", params(InviteQuery),
    responses(
        (status = 200, description = "Whether it is", body = InviteOut),
        (status = 400, description = "`VALIDATION_ERROR`", body = PosError),
        PosErrors,
    )
)]
pub(crate) async fn validate_invite(
    State(ctx): State<Ctx>,
    Query(query): Query<InviteQuery>,
) -> Result<Json<InviteOut>, ApiError> {
    let Some((_, member)) = ctx.find_invitation(&query.token).await? else { return Ok(Json(InviteOut::default())) };
    let org = ctx.store().load_org(member.org).await?;
    let inviter = match &member.invitation {
        Some(invitation) => ctx.store().load_member(invitation.by).await?,
        None => None,
    };
    let known = |name: &str| (!name.is_empty()).then(|| name.to_owned());
    let (first, last) = member.first_and_last_name();
    Ok(Json(InviteOut {
        valid: true,
        first_name: known(first),
        last_name: known(last),
        organization_name: org.map(|org| org.name),
        inviter_name: inviter.map(|inviter| inviter.name),
        email: Some(member.email),
    }))
}

/// Accepts an invitation. Signing in follows in the app.
#[utoipa::path(post, path = "/pos/auth/accept-invite", tag = "pos auth", request_body = AcceptInviteIn,
    responses(
        (status = 200, description = "Accepted", body = AcceptedOut),
        (status = 400, description = "`INVALID_INVITATION`: bad, expired or used; `VALIDATION_ERROR`", body = PosError),
        (status = 413, description = "`PAYLOAD_TOO_LARGE`", body = PosError),
        PosErrors,
    )
)]
pub(crate) async fn accept_invite(
    State(ctx): State<Ctx>,
    Json(input): Json<AcceptInviteIn>,
) -> Result<Json<AcceptedOut>, ApiError> {
    let member = ctx.accept_invitation(&input.token, &input.password).await?;
    Ok(Json(AcceptedOut { message: "Invitation accepted successfully", email: member.email }))
}
