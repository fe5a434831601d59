//! Signing up: a person of the user pool, and one transaction that begins their organization (contract §2.1).
//!
//! The person comes first. If nothing follows, they are in the user pool and nobody's member: the address counts as free,
//! and signing up again goes on from there, with the same password at once and with another some minutes later.

mod plan;

use axum::extract::State;
use domain::{
    ids::{OrgId, UserId},
    mail::{Mail, MailKey, MailPolicy},
    member::{Member, Org, Role},
    pos::tier::Tier,
    time::iso,
};
use garde::Validate;
use http::StatusCode;
use identity::{IdentityError, Tokens, User};
use jiff::SignedDuration;
use runtime::{
    ApiError, Ctx, Json,
    invitation::{check_password_shape, email_exists, identity_failed},
    openapi::{PosError, PosErrors},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use self::plan::{SignupPlatform, Wish};
use crate::{
    session::holder,
    wire::{OrgNameOut, TokensOut, trimmed, valid_email},
};

/// How long ago somebody was put into the user pool whom no call can still be about to make a member: many times the life of
/// a function.
const LEFT: SignedDuration = SignedDuration::from_mins(5);

/// Somebody new, and their organization.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SignupIn {
    #[garde(length(max = 254))]
    email: String,
    /// 8 to 256 characters.
    #[garde(length(max = 2000))]
    #[schema(min_length = 8, max_length = 256)]
    password: String,
    #[garde(length(chars, min = 1, max = 100))]
    first_name: String,
    #[garde(length(chars, min = 1, max = 100))]
    last_name: String,
    #[garde(length(chars, min = 2, max = 200))]
    organization_name: String,
    /// Digits, or E.164; may be empty.
    #[garde(length(max = 32))]
    phone: Option<String>,
    /// Two letters; `US` when left out.
    #[garde(skip)]
    country: Option<String>,
    #[serde(default)]
    #[garde(skip)]
    accept_terms: bool,
    #[serde(default)]
    #[garde(skip)]
    accept_privacy: bool,
    /// `starter`, `pro` or `enterprise`; `starter` when left out.
    #[garde(skip)]
    #[schema(value_type = Option<String>)]
    subscription_tier: Option<Tier>,
    /// Where they sign up; `web` when left out.
    #[garde(skip)]
    signup_platform: Option<SignupPlatform>,
    /// The transaction that the App Store signed (JWS), or Google Play's purchase token. What else is told of a purchase is
    /// let go: the store knows better.
    #[garde(length(max = 20_000))]
    iap_receipt: Option<String>,
    #[garde(length(chars, max = 2000))]
    business_description: Option<String>,
    #[garde(length(chars, max = 200))]
    expected_volume: Option<String>,
    #[garde(length(chars, max = 2000))]
    use_case: Option<String>,
    #[garde(length(chars, max = 5000))]
    additional_requirements: Option<String>,
}

/// An organization that has begun. No session's version: signing in follows.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SignupOut {
    user: NewUserOut,
    organization: OrgNameOut,
    subscription: NewSubscriptionOut,
    tokens: TokensOut,
    /// By which the first payment is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    payment_intent_client_secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    stripe_subscription_id: Option<String>,
    /// True when a plan by agreement was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    custom_plan_requested: Option<bool>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct NewUserOut {
    id: String,
    email: String,
    first_name: String,
    last_name: String,
    organization_id: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct NewSubscriptionOut {
    id: String,
    /// `starter`, `pro` or `enterprise`.
    tier: &'static str,
    status: &'static str,
    /// ISO 8601, UTC.
    #[schema(required)]
    trial_ends_at: Option<String>,
}

/// An address to look up.
#[derive(Deserialize, Validate, ToSchema)]
pub(crate) struct CheckEmailIn {
    #[garde(length(max = 254))]
    email: String,
}

/// Whether somebody has that address.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CheckEmailOut {
    in_use: bool,
}

/// Begins an organization.
#[utoipa::path(post, path = "/pos/auth/signup", tag = "pos auth", request_body = SignupIn,
    responses(
        (status = 201, description = "Begun", body = SignupOut),
        (status = 400, description = "`TERMS_NOT_ACCEPTED`, `VALIDATION_ERROR`", body = PosError),
        (status = 409, description = "`EMAIL_EXISTS`", body = PosError),
        (status = 413, description = "`PAYLOAD_TOO_LARGE`", body = PosError),
        PosErrors,
    )
)]
pub(crate) async fn sign_up(
    State(ctx): State<Ctx>,
    Json(input): Json<SignupIn>,
) -> Result<(StatusCode, Json<SignupOut>), ApiError> {
    let new = input.check()?;
    let Claimed { user, tokens } = claim_person(&ctx, &new.email, &new.password).await?;
    let org = Org { country: Some(new.country), ..Org::new(OrgId(Uuid::new_v4()), new.organization, ctx.now()) };
    let owner = Role::Superadmin;
    let mut member = Member::new(user, org.id, new.email, String::new(), Some(owner), ctx.now());
    member.rename(&new.first_name, &new.last_name);
    member.phone = new.phone;
    let subscription = new.wish.subscription(&org, &member, ctx.now());
    let welcome = Mail::new(MailKey::Welcome { user: member.user }, org.id, MailPolicy::Send, ctx.now());
    let words = new.wish.words(&org, &member, ctx.now());
    if !ctx.store().found_org(&org, &member, &subscription, &welcome, words.as_ref()).await? {
        return Err(taken());
    }
    let tokens = match tokens {
        Some(tokens) => tokens,
        None => take_over(&ctx, &member, &new.password).await?,
    };
    let begun = new.wish.begin(&ctx, subscription, &org, &member).await;
    Ok((
        StatusCode::CREATED,
        Json(SignupOut {
            organization: OrgNameOut::from(&org),
            user: NewUserOut {
                id: member.user.to_string(),
                email: member.email,
                first_name: new.first_name,
                last_name: new.last_name,
                organization_id: org.id.to_string(),
            },
            subscription: NewSubscriptionOut {
                id: begun.subscription.id.to_string(),
                tier: begun.subscription.tier.as_str(),
                status: begun.subscription.status.as_str(),
                trial_ends_at: begun.subscription.trial_end.map(iso),
            },
            tokens: tokens.into(),
            stripe_subscription_id: begun.subscription.stripe_subscription,
            payment_intent_client_secret: begun.client_secret,
            custom_plan_requested: words.map(|_| true),
        }),
    ))
}

/// Somebody of the user pool who is nobody's member.
struct Claimed {
    user: UserId,
    /// None when they have another password, which nobody replaces before they are a member: of sign-ups at once only the
    /// one that the table lets through does.
    tokens: Option<Tokens>,
}

/// Finds or makes a person of the user pool who is nobody's member: new, or left there by a call that died or was refused.
/// 409 `EMAIL_EXISTS` when they are a member; and when they have another password and have not been there for long, since
/// whoever put them there may be about to make them one.
async fn claim_person(ctx: &Ctx, email: &str, password: &str) -> Result<Claimed, ApiError> {
    let left = match ctx.identity().create_user(email, Some(password), &[]).await {
        Ok(_) => None,
        Err(IdentityError::EmailExists) => Some(find_left(ctx, email).await?),
        Err(error) => return Err(failed(error)),
    };
    let left = left.filter(|left| ctx.now().duration_since(left.created_at) >= LEFT);
    let tokens = match (ctx.identity().sign_in(email, password).await, left) {
        (Err(IdentityError::InvalidCredentials | IdentityError::StepNeeded { .. }), Some(left)) => {
            return Ok(Claimed { user: left.id, tokens: None });
        }
        // The password is right: it died before the password was for good.
        (Err(IdentityError::StepNeeded { step }), None) if step == "NEW_PASSWORD_REQUIRED" => {
            ctx.identity().set_password(email, password).await.map_err(failed)?;
            ctx.identity().sign_in(email, password).await.map_err(failed)?
        }
        (signed_in, _) => signed_in.map_err(failed)?,
    };
    Ok(Claimed { user: holder(ctx, &tokens).await?, tokens: Some(tokens) })
}

/// The person of this address, if they are nobody's member.
async fn find_left(ctx: &Ctx, email: &str) -> Result<User, ApiError> {
    let left = ctx.identity().find_user(email).await.map_err(identity_failed)?.ok_or_else(ApiError::unavailable)?;
    match ctx.store().load_member(left.id).await? {
        None => Ok(left),
        Some(_) => Err(taken()),
    }
}

/// Gives who was left behind the password that they have signed up with. If the user pool fails right then, they ask for
/// another as anybody who forgot theirs.
async fn take_over(ctx: &Ctx, member: &Member, password: &str) -> Result<Tokens, ApiError> {
    ctx.replace_password(member, password).await?;
    ctx.identity().sign_in(&member.email, password).await.map_err(identity_failed)
}

fn failed(error: IdentityError) -> ApiError {
    match error {
        IdentityError::WeakPassword { message } => ApiError::invalid("password", message),
        IdentityError::InvalidCredentials | IdentityError::StepNeeded { .. } => taken(),
        error => identity_failed(error),
    }
}

/// One client shows `error`, another `message`; both know the code by `error` (contract §1.3).
fn taken() -> ApiError {
    email_exists().with("error", "EMAIL_EXISTS")
}

async fn is_member(ctx: &Ctx, email: &str) -> Result<bool, ApiError> {
    match ctx.identity().find_user(email).await.map_err(identity_failed)? {
        Some(person) => Ok(ctx.store().load_member(person.id).await?.is_some()),
        None => Ok(false),
    }
}

/// Says whether somebody has an address.
#[utoipa::path(post, path = "/pos/auth/check-email", tag = "pos auth", request_body = CheckEmailIn,
    responses(
        (status = 200, description = "Whether somebody has", body = CheckEmailOut),
        (status = 400, description = "`VALIDATION_ERROR`", body = PosError),
        (status = 413, description = "`PAYLOAD_TOO_LARGE`", body = PosError),
        PosErrors,
    )
)]
pub(crate) async fn check_email(
    State(ctx): State<Ctx>,
    Json(input): Json<CheckEmailIn>,
) -> Result<Json<CheckEmailOut>, ApiError> {
    let in_use = is_member(&ctx, &valid_email(&input.email)?).await?;
    Ok(Json(CheckEmailOut { in_use }))
}

/// What somebody new has said, as it is kept.
struct NewOrg {
    email: String,
    password: String,
    first_name: String,
    last_name: String,
    organization: String,
    phone: Option<String>,
    country: String,
    wish: Wish,
}

impl SignupIn {
    fn check(self) -> Result<NewOrg, ApiError> {
        if !(self.accept_terms && self.accept_privacy) {
            let text = "You must accept the terms of service and the privacy policy";
            return Err(ApiError::bad_request("TERMS_NOT_ACCEPTED", text).with("error", "TERMS_NOT_ACCEPTED"));
        }
        check_password_shape("password", &self.password)?;
        let text = |field, value: &String, least: usize| {
            let text = trimmed(Some(value)).filter(|text| text.chars().count() >= least);
            text.ok_or_else(|| ApiError::invalid(field, format!("must have at least {least} characters")))
        };
        let country = trimmed(self.country.as_ref()).unwrap_or_else(|| "US".to_owned());
        if country.len() != 2 || !country.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return Err(ApiError::invalid("country", "must have two letters"));
        }
        let phone = trimmed(self.phone.as_ref());
        let dialled = |byte: u8| byte.is_ascii_digit() || b"+-(). ".contains(&byte);
        if phone.as_ref().is_some_and(|phone| !phone.bytes().all(dialled)) {
            return Err(ApiError::invalid("phone", "must be a phone number"));
        }
        let wish = self.wish();
        Ok(NewOrg {
            wish,
            email: valid_email(&self.email)?,
            first_name: text("firstName", &self.first_name, 1)?,
            last_name: text("lastName", &self.last_name, 1)?,
            organization: text("organizationName", &self.organization_name, 2)?,
            password: self.password,
            phone,
            country: country.to_ascii_uppercase(),
        })
    }
}
