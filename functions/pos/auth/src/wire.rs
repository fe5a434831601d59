//! Shapes that several routes share (contract §2), and how fields are read.

use domain::{
    member::{Member, Org},
    pos::subscription::Subscription,
};
use identity::Tokens;
use runtime::{ApiError, Ctx, Json, validate};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// A person. Names and phone are left out when they are empty.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserOut {
    pub(crate) id: String,
    pub(crate) email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) first_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) last_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    phone: Option<String>,
    pub(crate) organization_id: String,
    /// `owner`, `admin` or `user`.
    #[schema(required)]
    role: Option<&'static str>,
    email_alerts: bool,
    marketing_emails: bool,
    weekly_reports: bool,
    #[schema(required)]
    avatar_url: Option<String>,
    onboarding_completed: bool,
}

impl UserOut {
    pub(crate) fn new(ctx: &Ctx, member: &Member) -> Self {
        let known = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        let (first, last) = member.first_and_last_name();
        UserOut {
            id: member.user.to_string(),
            email: member.email.clone(),
            first_name: known(first),
            last_name: known(last),
            phone: member.phone.clone().filter(|phone| !phone.is_empty()),
            organization_id: member.org.to_string(),
            role: member.role.map(|role| role.pos_name()),
            email_alerts: member.preferences.email_alerts,
            marketing_emails: member.preferences.marketing_emails,
            weekly_reports: member.preferences.weekly_reports,
            avatar_url: ctx.avatar_url(member),
            onboarding_completed: member.onboarded,
        }
    }
}

/// A session's tokens.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TokensOut {
    /// RS256 JWT.
    access_token: String,
    /// Seven days, one use.
    refresh_token: String,
    /// Life of the access token, in seconds.
    expires_in: i32,
}

impl From<Tokens> for TokensOut {
    fn from(tokens: Tokens) -> Self {
        TokensOut { access_token: tokens.access, refresh_token: tokens.refresh, expires_in: tokens.expires_in }
    }
}

/// An organization by name.
#[derive(Serialize, ToSchema)]
pub(crate) struct OrgNameOut {
    id: String,
    name: String,
}

impl From<&Org> for OrgNameOut {
    fn from(org: &Org) -> Self {
        OrgNameOut { id: org.id.to_string(), name: org.name.clone() }
    }
}

/// What an organization has subscribed to.
#[derive(Serialize, ToSchema)]
pub(crate) struct TierOut {
    /// `starter`, `pro` or `enterprise`.
    tier: &'static str,
    /// `none` where there is no subscription.
    status: &'static str,
}

impl From<Option<&Subscription>> for TierOut {
    fn from(subscription: Option<&Subscription>) -> Self {
        match subscription {
            Some(subscription) => TierOut { tier: subscription.tier.as_str(), status: subscription.status.as_str() },
            None => TierOut { tier: "starter", status: "none" },
        }
    }
}

/// Done.
#[derive(Serialize, ToSchema)]
pub(crate) struct MessageOut {
    /// Text for a person.
    message: &'static str,
}

pub(crate) fn message(message: &'static str) -> Json<MessageOut> {
    Json(MessageOut { message })
}

/// For a field that can be cleared: absent is `None`, null is `Some(None)`.
pub(crate) fn nullable<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// An address as it is stored and looked up: trimmed, lower case. At most 128 characters, which is what the user pool takes.
pub(crate) fn email(text: &str) -> Option<String> {
    let email = text.trim().to_lowercase();
    (validate::is_email(&email) && email.chars().count() <= 128).then_some(email)
}

/// The same, or 400 that names the field.
pub(crate) fn valid_email(text: &str) -> Result<String, ApiError> {
    email(text).ok_or_else(|| ApiError::invalid("email", "must be an email address"))
}

/// A text without space around it; `None` when nothing is left.
pub(crate) fn trimmed(text: Option<&String>) -> Option<String> {
    text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}
