//! Making an order: one transaction, after the caller's own item and, when the function has not seen it lately, the catalog.

use axum::extract::State;
use domain::{
    ids::{CatalogId, OrgId},
    money::Cents,
    pos::order::{FullOrder, Line, Method, Order, OrderId, Status},
};
use http::StatusCode;
use payments::RegisterError;
use runtime::{
    ApiError, Ctx, IdempotencyKey, Json,
    extract::{Id, fingerprint},
    openapi::{PosError, PosSessionErrors},
    session::{self, User},
};
use store::pos::order::{Created, Request};

use crate::{
    card::{Card, check_intent},
    catalogs::check_catalog,
    load::{ROUNDS, busy, key_reused, load},
    wire::{OrderIn, OrderOut, email, filled, id},
};

/// Makes an order, pending and not paid. Totals are kept as they are sent; they must hold together.
///
/// An `Idempotency-Key` makes a repeat answer with the first order, as it is by then: a phone that was offline may send what
/// it sold as often as it likes. The customer of its address is known from then on, and counts the order.
#[utoipa::path(post, path = "/pos/orders", tag = "pos orders", request_body = OrderIn, security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable characters; remembered for 30 days")),
    responses(
        (status = 201, body = OrderOut),
        (status = 404, body = PosError, description = "`CATALOG_NOT_FOUND`, `PAYMENT_INTENT_NOT_FOUND`, `ORDER_NOT_FOUND` (made by \
            this key, and deleted since)"),
        (status = 422, body = PosError, description = "`IDEMPOTENCY_KEY_REUSED`"),
        PosSessionErrors,
    ),
    extensions(("x-role" = json!(session::USER))))]
pub(crate) async fn create_order(
    State(ctx): State<Ctx>,
    user: User,
    key: IdempotencyKey,
    Json(input): Json<OrderIn>,
) -> Result<(StatusCode, Json<OrderOut>), ApiError> {
    let request = key.hash().map(|key| Request { key, fingerprint: fingerprint(&input) });
    let lines = input.lines()?;
    let template = read(&ctx, &user, input, &lines)?;
    for _ in 0..ROUNDS {
        let card = match check(&ctx, &user, &template).await {
            Ok(card) => card,
            // What stands in the way of a new order does not stand in the way of one that was made.
            Err(error) => match ctx.store().pos().find_created_order(user.org, request.as_ref()).await? {
                Some(created) => return answer(&ctx, user.org, created, lines).await,
                None => return Err(error),
            },
        };
        let make = |attempt| card.pay(make(&card, &template, attempt), ctx.now());
        let created = ctx.store().pos().create_order(make, &lines, request.as_ref()).await?;
        if let Created::New(order) = &created {
            tracing::info!(order = %order.id, org = %order.org, total = %order.total, "order made");
        }
        match created {
            Created::IntentTaken => {
                let Some(intent) = &template.intent else { break };
                if ctx.store().pos().load_intent(user.org, intent).await?.is_some() {
                    return Err(RegisterError::Taken.into());
                }
                // Its money has come since Stripe was asked.
            }
            // What went back of the payment meanwhile shows on the order only once it is read again.
            Created::New(order) if card.notice.is_some() => {
                card.follow(&ctx, order.id).await;
                return answer(&ctx, user.org, Created::Before(order.id), lines).await;
            }
            created => return answer(&ctx, user.org, created, lines).await,
        }
    }
    Err(busy())
}

/// What an order names must be there, and be its own to use.
async fn check(ctx: &Ctx, user: &User, order: &Order) -> Result<Card, ApiError> {
    if let Some(catalog) = order.catalog {
        check_catalog(ctx, user, catalog).await?;
    }
    let Some(intent) = &order.intent else { return Ok(Card::default()) };
    let card = check_intent(ctx, user.org, None, intent).await?;
    card.check(order, intent, ctx.now())?;
    Ok(card)
}

/// The order under one of the numbers that it may have.
fn make(card: &Card, template: &Order, attempt: u8) -> Order {
    Order {
        id: OrderId::new(template.org, template.created_at, rand::random(), attempt),
        account: card.account.clone(),
        ..template.clone()
    }
}

/// 201 with the order that the request has made, now or before.
async fn answer(
    ctx: &Ctx,
    org: OrgId,
    created: Created,
    lines: Vec<Line>,
) -> Result<(StatusCode, Json<OrderOut>), ApiError> {
    let full = match created {
        Created::New(order) => FullOrder { order: *order, lines, payments: vec![], refunds: vec![] },
        Created::Before(order) => load(ctx, org, Id(Some(order))).await?,
        Created::KeyReused => return Err(key_reused()),
        Created::IntentTaken => return Err(RegisterError::Taken.into()),
    };
    Ok((StatusCode::CREATED, Json(OrderOut::from(&full))))
}

/// The order that is asked for, but for its id.
fn read(ctx: &Ctx, user: &User, input: OrderIn, lines: &[Line]) -> Result<Order, ApiError> {
    let now = ctx.now();
    let mut order = Order {
        id: OrderId(uuid::Uuid::nil()),
        org: user.org,
        version: 0,
        status: Status::Pending,
        method: Some(input.payment_method.map_or(Method::TapToPay, Method::from)),
        subtotal: Cents(input.subtotal),
        tax: Cents(input.tax_amount.unwrap_or_default()),
        tip: Cents(input.tip_amount.unwrap_or_default()),
        total: Cents(input.total_amount),
        paid: Cents::ZERO,
        refunded: Cents::ZERO,
        payments: 0,
        intent: filled(&input.stripe_payment_intent_id),
        account: None,
        customer_email: None,
        customer: None,
        catalog: id::<CatalogId>("catalogId", &input.catalog_id)?,
        user: user.user,
        device: filled(&input.device_id),
        notes: filled(&input.notes),
        hold_name: filled(&input.hold_name),
        held_at: None,
        held_by: None,
        quick_charge: input.is_quick_charge.unwrap_or_default(),
        description: filled(&input.description),
        item_count: lines.len() as u32,
        created_at: now,
        updated_at: now,
        completed_at: None,
    };
    order.set_customer(email("customerEmail", input.customer_email.as_deref().unwrap_or_default())?);
    order.check_total()?;
    Ok(order)
}
