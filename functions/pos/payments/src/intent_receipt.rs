//! The receipt of a card payment (contract §9).

use axum::extract::State;
use garde::Validate;
use payments::{PaymentIntentStatus, register::order_on};
use runtime::{
    ApiError, Ctx, Json,
    extract::Id,
    openapi::{PosError, PosSessionErrors},
    session::{self, User},
    validate::is_email,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    intent::settle,
    intent_steps::{receipt_url, retrieve},
    terminal::Cards,
    transaction_detail::too_many_receipts,
};

/// Where a receipt goes.
#[derive(Deserialize, Validate, ToSchema)]
pub(crate) struct ReceiptIn {
    /// An e-mail address.
    #[garde(custom(is_address))]
    #[schema(format = "email", max_length = 254)]
    email: String,
}

fn is_address(email: &str, _: &()) -> garde::Result {
    if is_email(email.trim()) { Ok(()) } else { Err(garde::Error::new("must be an e-mail address")) }
}

/// A receipt that is on its way.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReceiptOut {
    /// Always true.
    success: bool,
    /// Stripe's page with the receipt.
    receipt_url: Option<String>,
}

/// Sends the receipt of the order that a card payment has paid.
#[utoipa::path(post, path = "/pos/stripe/terminal/payment-intent/{id}/send-receipt", tag = "pos terminal",
    security(("bearer" = [])), extensions(("x-role" = json!(session::USER))), request_body = ReceiptIn,
    params(("id" = String, Path, description = "`pi_…`")),
    responses(
        (status = 200, body = ReceiptOut),
        (status = 404, body = PosError, description = "NO_CONNECTED_ACCOUNT, PAYMENT_INTENT_NOT_FOUND, ORDER_NOT_FOUND"),
        (status = 429, body = PosError, description = "TOO_MANY_RECEIPTS: 20 were sent of the order"),
        PosSessionErrors,
    ))]
pub(crate) async fn send_intent_receipt(
    State(ctx): State<Ctx>,
    user: User,
    id: Id<String>,
    Json(input): Json<ReceiptIn>,
) -> Result<Json<ReceiptOut>, ApiError> {
    let cards = Cards::of(&ctx, &user).await?;
    let intent = retrieve(&cards, id).await?;
    if intent.status != PaymentIntentStatus::Succeeded {
        return Err(ApiError::bad_request("PAYMENT_NOT_SUCCEEDED", "The payment has not succeeded"));
    }
    // The app asks for the receipt as soon as the phone has paid, which may be before Stripe has told us.
    settle(&ctx, &cards, &intent).await?;
    let known = ctx.store().pos().load_intent(user.org, &intent.id).await?;
    let order = known.map(|known| known.order).or_else(|| order_on(user.org, &intent));
    let order = order.ok_or_else(|| ApiError::not_found("ORDER_NOT_FOUND", "Order not found"))?;
    let email = input.email.trim().to_lowercase();
    ctx.register().send_receipt(user.org, order, &email).await?.ok_or_else(too_many_receipts)?;
    Ok(Json(ReceiptOut { success: true, receipt_url: receipt_url(&intent) }))
}
