//! Purchases in the app stores: made an organization's subscription, and looked at again. What the store signed, answered or
//! told us counts; what a client says of it does not.

use appstores::{Proof, ProofError, google};
use axum::extract::State;
use domain::{
    pos::{
        billing::LinkError,
        subscription::{Platform, Subscription},
        tier::Tier,
    },
    time::iso,
};
use garde::Validate;
use http::StatusCode;
use runtime::{
    ApiError, Ctx, Json,
    openapi::{PosError, PosSessionErrors},
    session::{self, Manager},
};
use serde::{Deserialize, Serialize};
use store::pos::subscription::{LinkPurchaseError, Noticed};
use utoipa::ToSchema;

/// Where it was bought.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PhonePlatform {
    #[serde(alias = "apple")]
    Ios,
    #[serde(alias = "google")]
    Android,
}

impl From<PhonePlatform> for Platform {
    fn from(phone: PhonePlatform) -> Self {
        match phone {
            PhonePlatform::Ios => Platform::Apple,
            PhonePlatform::Android => Platform::Google,
        }
    }
}

/// A purchase to be made the organization's subscription. What else the app tells of it is let go: the store knows better.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LinkIn {
    #[garde(skip)]
    #[schema(inline)]
    platform: PhonePlatform,
    /// The transaction that the App Store signed (JWS), or Google Play's purchase token.
    #[garde(length(min = 1, max = 20_000))]
    #[schema(min_length = 1, max_length = 20_000)]
    purchase_token: String,
}

/// It is the organization's now.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LinkOut {
    message: &'static str,
    subscription_id: String,
}

/// A purchase to be looked at.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReceiptIn {
    #[garde(skip)]
    #[schema(inline)]
    platform: PhonePlatform,
    /// `lumaproplan`.
    #[garde(length(max = 200))]
    #[schema(max_length = 200)]
    product_id: String,
    /// The transaction that the App Store signed (JWS), or Google Play's purchase token.
    #[garde(length(min = 1, max = 200_000))]
    #[schema(min_length = 1, max_length = 200_000)]
    receipt: String,
    /// Apple's original transaction.
    #[garde(length(max = 200))]
    #[schema(max_length = 200)]
    transaction_id: String,
}

/// What became of a purchase.
#[derive(Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReceiptOut {
    /// Is it the one that the organization's subscription is?
    valid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    is_active: Option<bool>,
    /// ISO 8601, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    is_trial_period: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    auto_renewing: Option<bool>,
}

fn unproven(error: ProofError) -> ApiError {
    let text = error.to_string();
    match error {
        ProofError::NotConfigured => ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "STORE_NOT_CONFIGURED", text),
        ProofError::Refused(error) => {
            tracing::warn!(%error, "a receipt was refused");
            ApiError::bad_request("INVALID_RECEIPT", text)
        }
        ProofError::OtherProduct | ProofError::Unknown => ApiError::bad_request("INVALID_RECEIPT", text),
        ProofError::Pending => ApiError::new(StatusCode::CONFLICT, "PURCHASE_UNCONFIRMED", text),
        ProofError::Unanswered(error) => {
            tracing::error!(%error, "Google could not be asked about a purchase");
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "STORE_UNAVAILABLE", text)
        }
    }
}

fn not_linked(error: LinkPurchaseError) -> ApiError {
    let text = error.to_string();
    match error {
        LinkPurchaseError::Taken => ApiError::new(StatusCode::CONFLICT, "PURCHASE_TAKEN", text),
        LinkPurchaseError::Unconfirmed => ApiError::new(StatusCode::CONFLICT, "PURCHASE_UNCONFIRMED", text),
        LinkPurchaseError::Link(LinkError::Subscribed) => ApiError::bad_request("ALREADY_SUBSCRIBED", text),
        LinkPurchaseError::Link(LinkError::Over) => ApiError::bad_request("PURCHASE_EXPIRED", text),
        LinkPurchaseError::Store(error) => error.into(),
    }
}

/// Makes a purchase the organization's subscription, which becomes pro.
///
/// A purchase belongs to one organization for ever: another one's proof of it is 409 `PURCHASE_TAKEN`. Google is asked about
/// one of Google Play, and its purchase is acknowledged there once it is linked; one whose payment is still awaited is 409
/// `PURCHASE_UNCONFIRMED`. So is, where this deployment cannot ask Google, one that Google has not told us of yet.
#[utoipa::path(post, path = "/pos/auth/link-iap-purchase", tag = "pos billing", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))), request_body = LinkIn,
    responses(
        PosSessionErrors,
        (status = 200, body = LinkOut),
        (status = 400, body = PosError,
            description = "`VALIDATION_ERROR`, `INVALID_RECEIPT`, `PURCHASE_EXPIRED`, `ALREADY_SUBSCRIBED` on the web"),
        (status = 409, body = PosError, description = "`PURCHASE_TAKEN`, `PURCHASE_UNCONFIRMED`"),
        (status = 503, body = PosError,
            description = "`STORE_UNAVAILABLE`: Google does not answer, and nothing was written. `STORE_NOT_CONFIGURED`"),
    ))]
pub(crate) async fn link_iap_purchase(
    State(ctx): State<Ctx>,
    manager: Manager,
    Json(input): Json<LinkIn>,
) -> Result<Json<LinkOut>, ApiError> {
    let (token, now) = (input.purchase_token.trim(), ctx.now());
    let proof = ctx.stores().prove(input.platform.into(), token, now).await.map_err(unproven)?;
    let linked = ctx.store().pos().link_purchase(manager.org, manager.user, &proof.purchase, now).await;
    let linked = linked.map_err(not_linked)?;
    ctx.stores().acknowledge(&proof, token, now).await;
    Ok(Json(LinkOut { message: "Purchase linked successfully", subscription_id: linked.id.to_string() }))
}

/// Says whether a purchase is the organization's subscription and still good. A newer proof of it is taken in, so that a
/// renewal counts before the store's notice of it comes; Google is asked about its own each time.
#[utoipa::path(post, path = "/pos/billing/validate-receipt", tag = "pos billing", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))), request_body = ReceiptIn,
    responses(
        PosSessionErrors,
        (status = 200, body = ReceiptOut),
        (status = 400, body = PosError, description = "`VALIDATION_ERROR`, `NOT_A_STORE_SUBSCRIPTION`"),
        (status = 503, body = PosError, description = "`STORE_UNAVAILABLE`: Google does not answer. `STORE_NOT_CONFIGURED`"),
    ))]
pub(crate) async fn validate_receipt(
    State(ctx): State<Ctx>,
    manager: Manager,
    Json(input): Json<ReceiptIn>,
) -> Result<Json<ReceiptOut>, ApiError> {
    tracing::debug!(product = input.product_id, "a receipt is looked at");
    let known = ctx.store().pos().load_terms(manager.org).await?.subscription;
    let known = known.filter(|known| known.platform != Platform::Stripe).ok_or_else(|| {
        ApiError::bad_request("NOT_A_STORE_SUBSCRIPTION", "Your subscription is not one of an app store")
    })?;
    let (platform, receipt) = (input.platform.into(), input.receipt.trim());
    if !may_be(&known, platform, receipt) {
        return Ok(Json(ReceiptOut::default()));
    }
    let proof = proof_of(&ctx, platform, receipt).await?;
    // Apps of before sent a receipt that only Apple can read. Which purchase is meant says the transaction then, and what is
    // known of it was signed: nothing of what is answered comes from the client.
    let reference = proof.as_ref().map_or(input.transaction_id.trim(), |proof| proof.purchase.reference.as_str());
    if known.store_reference.as_deref() != Some(reference) {
        return Ok(Json(ReceiptOut::default()));
    }
    let current = match &proof {
        Some(proof) => refreshed(&ctx, known, proof, receipt).await?,
        None => known,
    };
    Ok(Json(ReceiptOut {
        valid: true,
        is_active: Some(current.effective_tier() == Tier::Pro && current.period_end.is_none_or(|end| ctx.now() < end)),
        expires_at: current.period_end.map(iso),
        is_trial_period: Some(current.trial_end.is_some_and(|end| ctx.now() < end)),
        // That it was cancelled may be known without knowing when it ends.
        auto_renewing: Some(current.is_subscribed() && current.cancel_at.is_none() && current.canceled_at.is_none()),
    }))
}

/// Can this receipt be of the subscription's purchase? Google is asked about no other than that.
fn may_be(known: &Subscription, platform: Platform, receipt: &str) -> bool {
    known.platform == platform
        && match (&known.store_reference, platform) {
            (None, _) => false,
            (Some(reference), Platform::Google) => *reference == google::reference(receipt),
            (Some(_), _) => true,
        }
}

/// What a receipt proves, if anything.
async fn proof_of(ctx: &Ctx, platform: Platform, receipt: &str) -> Result<Option<Proof>, ApiError> {
    match ctx.stores().prove(platform, receipt, ctx.now()).await {
        Ok(proof) => Ok(Some(proof)),
        Err(error @ (ProofError::NotConfigured | ProofError::Unanswered(_))) => Err(unproven(error)),
        Err(error) => {
            tracing::info!(%error, "a receipt proves nothing");
            Ok(None)
        }
    }
}

/// The subscription with what a proof of its purchase says, good news or bad; and what its linking left undone at the store.
async fn refreshed(ctx: &Ctx, known: Subscription, proof: &Proof, receipt: &str) -> Result<Subscription, ApiError> {
    let now = ctx.now();
    let current = match ctx.store().pos().refresh_purchase(&proof.purchase, now).await? {
        Noticed::Applied(current) => *current,
        Noticed::Known | Noticed::Stranger => known,
    };
    ctx.stores().acknowledge(proof, receipt, now).await;
    Ok(current)
}
