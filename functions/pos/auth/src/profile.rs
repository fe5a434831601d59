//! Who is signed in, and what they say of themselves (contract §2).

use axum::extract::State;
use domain::{member::Preferences, time::iso};
use garde::Validate;
use runtime::{
    ApiError, Ctx, Json,
    openapi::{PosError, PosSessionErrors},
    session::{self, User},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::wire::{TierOut, UserOut, nullable};

/// A person, as they see themselves.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MeOut {
    #[serde(flatten)]
    user: UserOut,
    /// ISO 8601, UTC.
    created_at: String,
    subscription: TierOut,
    /// Phones of the organization that take payments by tap.
    tap_to_pay_device_ids: Vec<String>,
    /// `usd`.
    currency: &'static str,
}

/// What to change of a profile: one of these at least.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProfileIn {
    /// Empty clears it.
    #[garde(length(chars, max = 100))]
    #[schema(nullable = false, max_length = 100)]
    first_name: Option<String>,
    /// Empty clears it.
    #[garde(length(chars, max = 100))]
    #[schema(nullable = false, max_length = 100)]
    last_name: Option<String>,
    /// Ten digits; null clears it.
    #[serde(default, deserialize_with = "nullable")]
    #[garde(skip)]
    #[schema(value_type = Option<String>, pattern = "^[0-9]{10}$")]
    phone: Option<Option<String>>,
}

/// What to be told: one of these at least.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub(crate) struct PreferencesIn {
    #[schema(nullable = false)]
    email_alerts: Option<bool>,
    #[schema(nullable = false)]
    marketing_emails: Option<bool>,
    #[schema(nullable = false)]
    weekly_reports: Option<bool>,
}

/// What one is told.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PreferencesOut {
    email_alerts: bool,
    marketing_emails: bool,
    weekly_reports: bool,
}

/// Been shown around.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OnboardingOut {
    onboarding_completed: bool,
}

/// Who is signed in.
#[utoipa::path(get, path = "/pos/auth/me", tag = "pos auth", security(("bearer" = [])),
    extensions(("x-role" = json!(session::USER))),
    responses((status = 200, description = "The person", body = MeOut), PosSessionErrors)
)]
pub(crate) async fn me(State(ctx): State<Ctx>, user: User) -> Result<Json<MeOut>, ApiError> {
    let org = ctx.store().pos().load_org(user.org).await?;
    let (org, terms) = org.ok_or_else(|| ApiError::internal("a member's organization is not there"))?;
    Ok(Json(MeOut {
        user: UserOut::new(&ctx, &user.member),
        created_at: iso(user.member.created_at),
        subscription: TierOut::from(terms.subscription.as_ref()),
        tap_to_pay_device_ids: org.tap_to_pay_devices.into_iter().collect(),
        currency: "usd",
    }))
}

/// Changes names and phone.
#[utoipa::path(patch, path = "/pos/auth/profile", tag = "pos auth", security(("bearer" = [])),
    extensions(("x-role" = json!(session::USER))), request_body = ProfileIn,
    responses(
        (status = 200, description = "The person", body = UserOut),
        (status = 404, description = "`USER_NOT_FOUND`", body = PosError),
        PosSessionErrors,
    )
)]
pub(crate) async fn update_profile(
    State(ctx): State<Ctx>,
    user: User,
    Json(input): Json<ProfileIn>,
) -> Result<Json<UserOut>, ApiError> {
    let ProfileIn { first_name, last_name, phone } = input;
    if first_name.is_none() && last_name.is_none() && phone.is_none() {
        return Err(ApiError::invalid("", "Nothing to change"));
    }
    if phone.iter().flatten().any(|phone| !is_phone(phone)) {
        return Err(ApiError::invalid("phone", "must be exactly 10 digits"));
    }
    let (_, after) = ctx
        .edit_member(user.member, |member| {
            if first_name.is_some() || last_name.is_some() {
                let (first, last) = member.first_and_last_name();
                let first = first_name.as_deref().unwrap_or(first).trim().to_owned();
                let last = last_name.as_deref().unwrap_or(last).trim().to_owned();
                member.rename(&first, &last);
            }
            if let Some(phone) = &phone {
                member.phone.clone_from(phone);
            }
            Ok(())
        })
        .await?;
    Ok(Json(UserOut::new(&ctx, &after)))
}

fn is_phone(text: &str) -> bool {
    text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Changes what one is told; answers all of it.
#[utoipa::path(patch, path = "/pos/auth/notification-preferences", tag = "pos auth", security(("bearer" = [])),
    extensions(("x-role" = json!(session::USER))), request_body = PreferencesIn,
    responses(
        (status = 200, description = "What one is told now", body = PreferencesOut),
        (status = 404, description = "`USER_NOT_FOUND`", body = PosError),
        PosSessionErrors,
    )
)]
pub(crate) async fn update_preferences(
    State(ctx): State<Ctx>,
    user: User,
    Json(input): Json<PreferencesIn>,
) -> Result<Json<PreferencesOut>, ApiError> {
    let PreferencesIn { email_alerts, marketing_emails, weekly_reports } = input;
    if [email_alerts, marketing_emails, weekly_reports].iter().all(Option::is_none) {
        return Err(ApiError::invalid("", "Nothing to change"));
    }
    let (_, after) = ctx
        .edit_member(user.member, |member| {
            let before = member.preferences;
            member.preferences = Preferences {
                email_alerts: email_alerts.unwrap_or(before.email_alerts),
                marketing_emails: marketing_emails.unwrap_or(before.marketing_emails),
                weekly_reports: weekly_reports.unwrap_or(before.weekly_reports),
            };
            Ok(())
        })
        .await?;
    let Preferences { email_alerts, marketing_emails, weekly_reports } = after.preferences;
    Ok(Json(PreferencesOut { email_alerts, marketing_emails, weekly_reports }))
}

/// Notes that one was shown around.
#[utoipa::path(post, path = "/pos/auth/complete-onboarding", tag = "pos auth", security(("bearer" = [])),
    extensions(("x-role" = json!(session::USER))),
    responses(
        (status = 200, description = "Noted", body = OnboardingOut),
        (status = 404, description = "`USER_NOT_FOUND`", body = PosError),
        PosSessionErrors,
    )
)]
pub(crate) async fn complete_onboarding(State(ctx): State<Ctx>, user: User) -> Result<Json<OnboardingOut>, ApiError> {
    let (_, after) = ctx
        .edit_member(user.member, |member| {
            member.onboarded = true;
            Ok(())
        })
        .await?;
    Ok(Json(OnboardingOut { onboarding_completed: after.onboarded }))
}
