//! Placing an order: two calls of the database one after the other, and Stripe's between them when there is money to take.

use axum::extract::State;
use domain::{
    ids::{EventId, TierId},
    mail::MailPolicy,
    stock::SoldOut,
    tickets::{
        event::{Event, Refusal, Tier},
        number::OrderNumber,
        order::{Buyer, NewOrder, Order, Origin},
    },
};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use runtime::{
    ApiError, Client, Ctx, IdempotencyKey, Json,
    openapi::{CommonErrors, ErrorBody},
};
use store::{Offer, PlaceError};

use crate::{
    checkout,
    wire::{OrderIn, OrderOut, PlacedOrder},
};

/// Takes the stock and writes the order; nothing is written when it is refused.
///
/// `Idempotency-Key` makes a repeat answer with the first order: the key decides the order's number, so that of any
/// number of repeats one is written.
#[utoipa::path(post, path = "/tickets/api/orders", tag = "tickets orders", request_body = OrderIn,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable characters")),
    responses(
        (status = 201, body = PlacedOrder),
        (status = 400, body = ErrorBody, description = "MISSING_REQUIRED_FIELDS, VALIDATION_ERROR, SOLD_OUT, EVENT_NOT_ACTIVE, \
            TIER_NOT_ACTIVE, SALE_NOT_STARTED, SALE_ENDED"),
        (status = 404, body = ErrorBody, description = "TIER_NOT_FOUND"),
        (status = 409, body = ErrorBody, description = "IDEMPOTENCY_IN_FLIGHT"),
        (status = 413, body = ErrorBody, description = "PAYLOAD_TOO_LARGE"),
        (status = 422, body = ErrorBody, description = "IDEMPOTENCY_KEY_REUSED"),
        CommonErrors,
    ))]
pub(crate) async fn place_order(
    State(ctx): State<Ctx>,
    client: Client,
    key: IdempotencyKey,
    Json(input): Json<OrderIn>,
) -> Result<(StatusCode, Json<PlacedOrder>), ApiError> {
    input.check()?;
    let request = Request::new(&ctx, input, client, &key)?;
    let Offer { event, stripes, orders } =
        ctx.store().load_offer(request.event, request.tier, &request.numbers).await?;
    if let Some(earlier) = orders.into_iter().next() {
        return answer_again(&ctx, earlier, &request.fingerprint).await;
    }
    let event = event.ok_or_else(|| refuse(Refusal::TierNotFound))?;
    let tier = event.offer(request.tier, request.quantity, request.now).map_err(refuse)?;
    let available: Vec<i64> = stripes.iter().map(|stripe| stripe.available).collect();
    domain::stock::draw(&available, request.quantity, 0).map_err(sold_out)?;

    let fingerprint = request.fingerprint.clone();
    let mut order = request.into_order(&ctx, &event, tier);
    let secret = checkout::secret_of(&ctx, &order)?;
    let session = checkout::open(&ctx, &order, &event, tier).await?;
    order.checkout = session.as_ref().map(|session| session.id.clone());
    let start = rand::random_range(0..stripes.len());
    match ctx.store().place_order(order, &secret.hash(), stripes, start, MailPolicy::Send).await {
        Ok(order) => {
            tracing::info!(number = %order.number, org = %order.org, quantity = order.quantity, "order placed");
            let url = session.and_then(|session| session.url).or_else(|| tier.payment_link.clone());
            Ok(answer(&order, secret.reveal(), url))
        }
        Err(error) => {
            if let PlaceError::Exists(earlier) = error {
                return answer_again(&ctx, *earlier, &fingerprint).await;
            }
            checkout::abandon(&ctx, session).await;
            Err(match error {
                PlaceError::SoldOut(error) => sold_out(error),
                PlaceError::Store(error) => error.into(),
                PlaceError::Exists(_) => in_flight(),
            })
        }
    }
}

/// The request, read.
struct Request {
    event: EventId,
    tier: TierId,
    quantity: u32,
    /// The number to use, and yesterday's when an idempotency key may have been used before midnight.
    numbers: Vec<OrderNumber>,
    number: OrderNumber,
    fingerprint: Option<String>,
    input: OrderIn,
    client: Client,
    now: Timestamp,
}

impl Request {
    fn new(ctx: &Ctx, input: OrderIn, client: Client, key: &IdempotencyKey) -> Result<Self, ApiError> {
        let not_found = || refuse(Refusal::TierNotFound);
        let event: EventId = input.event_id.as_deref().unwrap_or_default().parse().map_err(|_| not_found())?;
        let tier: TierId = input.tier_id.as_deref().unwrap_or_default().parse().map_err(|_| not_found())?;
        let now = ctx.now();
        let (number, numbers, fingerprint) = match &key.0 {
            None => (OrderNumber::new(now, rand::random()), vec![], None),
            Some(key) => {
                let scope = event.to_string();
                let today = OrderNumber::from_key(now, &scope, key);
                let yesterday = OrderNumber::from_key(now - SignedDuration::from_hours(24), &scope, key);
                (today, vec![today, yesterday], Some(runtime::extract::fingerprint(&input)))
            }
        };
        let quantity = u32::try_from(input.quantity.unwrap_or(1)).unwrap_or(1).max(1);
        Ok(Request { event, tier, quantity, numbers, number, fingerprint, input, client, now })
    }

    fn into_order(self, ctx: &Ctx, event: &Event, tier: &Tier) -> Order {
        let clean = |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let OrderIn { buyer_name, buyer_email, buyer_phone, buyer_country, buyer_nationality, .. } = self.input;
        Order::new(NewOrder {
            number: self.number,
            event,
            tier,
            quantity: self.quantity,
            buyer: Buyer {
                name: clean(buyer_name).unwrap_or_default(),
                email: clean(buyer_email).unwrap_or_default(),
                phone: clean(buyer_phone),
                country: clean(buyer_country),
                nationality: clean(buyer_nationality),
            },
            payment_method: clean(self.input.payment_method),
            origin: Origin {
                ip: self.client.ip,
                user_agent: self.client.user_agent,
                referral: clean(self.input.referral_source).filter(|source| source != "direct"),
            },
            fingerprint: self.fingerprint,
            key_id: ctx.settings().qr_keys.current().to_owned(),
            now: self.now,
        })
    }
}

/// A repeat of a request: the same answer when it is the same request, 422 when it is another under the same key.
async fn answer_again(
    ctx: &Ctx,
    order: Order,
    fingerprint: &Option<String>,
) -> Result<(StatusCode, Json<PlacedOrder>), ApiError> {
    match fingerprint {
        // Two random numbers met: not a repeat, and so rare that the client may simply try again.
        None => Err(ApiError::unavailable()),
        Some(_) if order.fingerprint != *fingerprint => Err(ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "IDEMPOTENCY_KEY_REUSED",
            "This Idempotency-Key was used for another request",
        )),
        Some(_) => {
            let secret = checkout::secret_of(ctx, &order)?;
            let url = checkout::url_of(ctx, &order).await?;
            Ok(answer(&order, secret.reveal(), url))
        }
    }
}

fn answer(order: &Order, secret: &str, payment_url: Option<String>) -> (StatusCode, Json<PlacedOrder>) {
    let body = PlacedOrder {
        success: true,
        order: OrderOut::new(order, None),
        qr_code: secret.to_owned(),
        payment_url: payment_url.filter(|_| !order.total.is_zero()),
        message: "Order created successfully".to_owned(),
    };
    (StatusCode::CREATED, Json(body))
}

fn sold_out(_: SoldOut) -> ApiError {
    ApiError::bad_request("SOLD_OUT", "Not enough tickets available")
}

pub(crate) fn in_flight() -> ApiError {
    ApiError::new(StatusCode::CONFLICT, "IDEMPOTENCY_IN_FLIGHT", "This request is being handled already")
}

fn refuse(refusal: Refusal) -> ApiError {
    let text = refusal.to_string();
    match refusal {
        Refusal::TierNotFound => ApiError::not_found("TIER_NOT_FOUND", text),
        Refusal::EventNotActive => ApiError::bad_request("EVENT_NOT_ACTIVE", text),
        Refusal::TierNotActive => ApiError::bad_request("TIER_NOT_ACTIVE", text),
        Refusal::SaleNotStarted => ApiError::bad_request("SALE_NOT_STARTED", text),
        Refusal::SaleEnded => ApiError::bad_request("SALE_ENDED", text),
        Refusal::TooMany(max) => ApiError::invalid("quantity", format!("at most {max} tickets per order")),
    }
}
