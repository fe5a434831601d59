//! Scanning a ticket at the gate.

use axum::extract::State;
use domain::{
    tickets::{
        checkin::{Verdict, judge},
        number::OrderNumber,
        order::Order,
        secret::Scan,
    },
    time::iso,
};
use runtime::{
    ApiError, Ctx, IdempotencyKey, Json, MaybeStaff,
    openapi::{CommonErrors, ErrorBody},
    validate,
};
use store::{CheckIn, Entry};

use crate::{
    not_found,
    wire::{Admission, ScanIn, TicketOut},
};

/// Lets a ticket's holder in, once.
///
/// Open to scanners without a login when they present the secret; an order number is no secret and needs a staff token
/// (DECISIONS). One conditional write decides; the same scan sent again with its `Idempotency-Key` is answered as the
/// first time, any other second scan is refused.
#[utoipa::path(post, path = "/tickets/api/checkin", tag = "tickets check-in", request_body = ScanIn,
    security((), ("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable characters")),
    responses(
        (status = 200, body = Admission),
        (status = 400, body = ErrorBody, description = "MISSING_REQUIRED_FIELDS, NOT_PAID, ALREADY_CHECKED_IN, VALIDATION_ERROR"),
        (status = 401, body = ErrorBody, description = "NO_TOKEN, INVALID_TOKEN"),
        (status = 403, body = ErrorBody, description = "FORBIDDEN"),
        (status = 404, body = ErrorBody, description = "ORDER_NOT_FOUND"),
        (status = 413, body = ErrorBody, description = "PAYLOAD_TOO_LARGE"),
        CommonErrors,
    ))]
pub(crate) async fn check_in(
    State(ctx): State<Ctx>,
    MaybeStaff(staff): MaybeStaff,
    key: IdempotencyKey,
    Json(input): Json<ScanIn>,
) -> Result<Json<Admission>, ApiError> {
    let Some(presented) = input.presented() else {
        return Err(validate::require(&[("qr_code", false)]).err().unwrap_or_else(not_found));
    };
    let scan = Scan::parse(presented);
    let number = resolve(&ctx, &scan, staff.is_some()).await?;
    let secret = match &scan {
        Scan::Secret(secret, _) => Some(secret.hash()),
        _ => None,
    };
    let key = key.hash();
    let entry = Entry {
        number,
        secret: secret.as_ref(),
        org: staff.as_ref().map(|staff| staff.org),
        by: staff.as_ref().map(|staff| staff.user),
        key: key.as_deref(),
    };
    match ctx.store().check_in(&entry, ctx.now()).await? {
        CheckIn::Unknown => Err(not_found()),
        CheckIn::Admitted(order) => {
            tracing::info!(number = %order.number, org = %order.org, "checked in");
            Ok(admit(&order))
        }
        CheckIn::Refused(order) => match judge(&order, key.as_deref()) {
            Verdict::Admit | Verdict::Replay => Ok(admit(&order)),
            Verdict::NotPaid => Err(ApiError::bad_request("NOT_PAID", "Payment not confirmed")),
            Verdict::AlreadyCheckedIn(at) => {
                let refused = ApiError::bad_request("ALREADY_CHECKED_IN", "Ticket already used");
                Err(refused.with("checkedInAt", iso(at)))
            }
        },
    }
}

/// The order that was presented. A secret that comes with its order number needs no look-up.
async fn resolve(ctx: &Ctx, scan: &Scan, signed_in: bool) -> Result<OrderNumber, ApiError> {
    match scan {
        Scan::Secret(_, Some(number)) => Ok(*number),
        Scan::Secret(secret, None) => ctx.store().find_secret(&secret.hash()).await?.ok_or_else(not_found),
        Scan::Number(number) if signed_in => Ok(*number),
        Scan::Number(_) => Err(ApiError::unauthorized("NO_TOKEN", "Access token required to check in by order number")),
        Scan::Unknown => Err(not_found()),
    }
}

fn admit(order: &Order) -> Json<Admission> {
    Json(Admission {
        success: true,
        message: "Check-in successful".to_owned(),
        ticket: TicketOut {
            id: order.number.to_string(),
            name: order.buyer.name.clone(),
            tier: order.tier_name.clone(),
            event: order.event_name.clone(),
            quantity: order.quantity,
        },
        checked_in_at: order.checked_in_at.map(iso).unwrap_or_default(),
    })
}
