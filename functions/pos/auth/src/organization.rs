//! One's organization, and its phones (contract §2.2, §3).

use axum::extract::State;
use domain::{
    ids::OrgId,
    member::{Member, Org},
    pos::connect::ConnectedAccount,
    time::iso,
};
use garde::Validate;
use runtime::{
    ApiError, Ctx, Json,
    extract::Id,
    openapi::{PosError, PosSessionErrors},
    session::{self, Manager, User},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// What an organization's clients may keep here, in bytes of JSON.
const MAX_SETTINGS: usize = 32 * 1024;

/// Phones of an organization.
const MAX_DEVICES: usize = 200;

/// An organization.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrgOut {
    id: String,
    name: String,
    #[schema(required)]
    stripe_account_id: Option<String>,
    stripe_onboarding_completed: bool,
    /// What its clients keep here.
    settings: Map<String, Value>,
    /// `usd`.
    currency: &'static str,
    #[schema(required)]
    branding_logo_url: Option<String>,
    /// ISO 8601, UTC.
    created_at: String,
    /// ISO 8601, UTC.
    updated_at: String,
}

impl OrgOut {
    fn new(org: Org, account: Option<ConnectedAccount>) -> Self {
        let onboarded = |account: &ConnectedAccount| account.details_submitted && account.charges_enabled;
        OrgOut {
            id: org.id.to_string(),
            name: org.name,
            stripe_onboarding_completed: account.as_ref().is_some_and(onboarded),
            stripe_account_id: account.map(|account| account.account),
            settings: org.settings,
            currency: "usd",
            branding_logo_url: None,
            created_at: iso(org.created_at),
            updated_at: iso(org.updated_at.unwrap_or(org.created_at)),
        }
    }
}

/// What to change of an organization.
#[derive(Deserialize, Validate, ToSchema)]
pub(crate) struct OrgIn {
    #[garde(length(chars, min = 2, max = 200))]
    #[schema(nullable = false, min_length = 2, max_length = 200)]
    name: Option<String>,
    /// Merged into what is there, name by name; 32 KiB of JSON in all.
    #[garde(skip)]
    #[schema(nullable = false)]
    settings: Option<Map<String, Value>>,
}

/// A phone that takes payments by tap.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeviceIn {
    #[garde(length(chars, min = 1, max = 128))]
    #[schema(min_length = 1, max_length = 128)]
    device_id: String,
}

/// An organization's phones that take payments by tap.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DevicesOut {
    tap_to_pay_device_ids: Vec<String>,
}

/// One's organization. Any other is forbidden, whether or not it is there.
#[utoipa::path(get, path = "/pos/organizations/{id}", tag = "pos auth", security(("bearer" = [])),
    extensions(("x-role" = json!(session::USER))), params(("id" = String, Path)),
    responses((status = 200, description = "The organization", body = OrgOut), PosSessionErrors)
)]
pub(crate) async fn get_organization(
    State(ctx): State<Ctx>,
    user: User,
    Id(id): Id<OrgId>,
) -> Result<Json<OrgOut>, ApiError> {
    let (org, account) = load_own(&ctx, &user.member, id).await?;
    Ok(Json(OrgOut::new(org, account)))
}

/// Changes one's organization.
#[utoipa::path(patch, path = "/pos/organizations/{id}", tag = "pos auth", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))), params(("id" = String, Path)), request_body = OrgIn,
    responses(
        (status = 200, description = "The organization", body = OrgOut),
        (status = 404, description = "`ORGANIZATION_NOT_FOUND`", body = PosError),
        PosSessionErrors,
    )
)]
pub(crate) async fn update_organization(
    State(ctx): State<Ctx>,
    Manager(user): Manager,
    Id(id): Id<OrgId>,
    Json(input): Json<OrgIn>,
) -> Result<Json<OrgOut>, ApiError> {
    change(&ctx, &user, id, input).await
}

/// The same as `PATCH`: the portal's spelling (contract §3).
#[utoipa::path(put, path = "/pos/organizations/{id}", tag = "pos auth", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))), params(("id" = String, Path)), request_body = OrgIn,
    responses(
        (status = 200, description = "The organization", body = OrgOut),
        (status = 404, description = "`ORGANIZATION_NOT_FOUND`", body = PosError),
        PosSessionErrors,
    )
)]
pub(crate) async fn replace_organization(
    State(ctx): State<Ctx>,
    Manager(user): Manager,
    Id(id): Id<OrgId>,
    Json(input): Json<OrgIn>,
) -> Result<Json<OrgOut>, ApiError> {
    change(&ctx, &user, id, input).await
}

async fn change(ctx: &Ctx, user: &User, id: Option<OrgId>, input: OrgIn) -> Result<Json<OrgOut>, ApiError> {
    let (org, account) = load_own(ctx, &user.member, id).await?;
    let name = input.name.as_deref().map(str::trim);
    if name.is_some_and(|name| name.chars().count() < 2) {
        return Err(ApiError::invalid("name", "must have at least 2 characters"));
    }
    let after = ctx
        .edit_org(org, |org| {
            if let Some(name) = name {
                org.name = name.to_owned();
            }
            org.settings.extend(input.settings.clone().unwrap_or_default());
            check_settings(&org.settings)
        })
        .await?;
    Ok(Json(OrgOut::new(after, account)))
}

fn check_settings(settings: &Map<String, Value>) -> Result<(), ApiError> {
    let bytes = serde_json::to_vec(settings).map_or(usize::MAX, |json| json.len());
    if bytes > MAX_SETTINGS {
        return Err(ApiError::invalid("settings", format!("may have {MAX_SETTINGS} bytes of JSON in all")));
    }
    Ok(())
}

/// The organization that the request names, if it is the caller's.
async fn load_own(ctx: &Ctx, member: &Member, id: Option<OrgId>) -> Result<(Org, Option<ConnectedAccount>), ApiError> {
    if id != Some(member.org) {
        return Err(ApiError::forbidden());
    }
    let org = ctx.store().pos().load_org(member.org).await?;
    let (org, terms) = org.ok_or_else(|| ApiError::internal("a member's organization is not there"))?;
    Ok((org, terms.account))
}

/// Notes a phone that takes payments by tap, once.
#[utoipa::path(post, path = "/pos/auth/tap-to-pay-device", tag = "pos auth", security(("bearer" = [])),
    extensions(("x-role" = json!(session::USER))), request_body = DeviceIn,
    responses(
        (status = 200, description = "The organization's phones", body = DevicesOut),
        (status = 404, description = "`ORGANIZATION_NOT_FOUND`", body = PosError),
        PosSessionErrors,
    )
)]
pub(crate) async fn add_tap_to_pay_device(
    State(ctx): State<Ctx>,
    user: User,
    Json(input): Json<DeviceIn>,
) -> Result<Json<DevicesOut>, ApiError> {
    let (org, _) = load_own(&ctx, &user.member, Some(user.org)).await?;
    let after = ctx
        .edit_org(org, |org| {
            org.tap_to_pay_devices.insert(input.device_id.clone());
            if org.tap_to_pay_devices.len() > MAX_DEVICES {
                return Err(ApiError::bad_request("DEVICE_LIMIT_REACHED", "No more devices can be added"));
            }
            Ok(())
        })
        .await?;
    Ok(Json(DevicesOut { tap_to_pay_device_ids: after.tap_to_pay_devices.into_iter().collect() }))
}
