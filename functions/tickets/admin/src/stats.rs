//! The figures of an organization, summed over the stripes of its events' stock (contract §12, DECISIONS D9).

use std::collections::HashMap;

use axum::extract::State;
use domain::{
    ids::{EventId, TierId},
    money::Cents,
    stock::Stripe,
    tickets::{
        event::{Event, EventStatus},
        order::Order,
    },
    time::iso,
};
use garde::Validate;
use runtime::{
    ApiError, Ctx, Json, Query, Staff,
    openapi::{CommonErrors, ErrorBody},
};
use serde::{Deserialize, Serialize};
use store::OrderFilter;
use utoipa::{IntoParams, ToSchema};

use crate::wire::filled;

/// Orders shown as recent.
const RECENT: usize = 10;

/// Whose figures.
#[derive(Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
#[garde(allow_unvalidated)]
pub(crate) struct StatsQuery {
    /// UUID of an event: orders and check-ins are its own; events are still counted all.
    #[serde(rename = "eventId")]
    camel_event_id: Option<String>,
    /// The same.
    event_id: Option<String>,
}

/// The figures, as v4 answered (`stats`) and as the client reads them (the rest).
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatsOut {
    success: bool,
    stats: Stats,
    /// Major units.
    total_revenue: f64,
    total_orders: i64,
    paid_orders: i64,
    /// Tickets of paid orders.
    total_tickets: i64,
    /// Paid orders that were let in.
    checked_in: i64,
    /// All but deleted ones.
    total_events: usize,
    active_events: usize,
    orders_by_status: OrderCounts,
    /// All but deleted ones, the latest date first.
    event_stats: Vec<EventFigures>,
    recent_orders: Vec<RecentOrder>,
}

/// The figures as v4 answered.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Stats {
    orders: OrderCounts,
    /// Of paid orders, in major units.
    revenue: f64,
    /// Of paid orders.
    tickets_sold: i64,
    /// Paid orders that were let in.
    checked_in: i64,
    events: EventCounts,
    recent_orders: Vec<RecentOrder>,
}

/// Orders by status; expired ones are cancelled ones.
#[derive(Clone, Copy, Serialize, ToSchema)]
struct OrderCounts {
    pending: i64,
    paid: i64,
    cancelled: i64,
    refunded: i64,
}

/// Events by status.
#[derive(Serialize, ToSchema)]
struct EventCounts {
    active: usize,
    draft: usize,
}

/// The figures of one event.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct EventFigures {
    id: String,
    name: String,
    /// `YYYY-MM-DD`.
    date: String,
    tickets_sold: i64,
    capacity: i64,
    /// Major units.
    revenue: f64,
    check_ins: i64,
}

/// An order in short.
#[derive(Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RecentOrder {
    order_number: String,
    buyer_name: String,
    /// Major units.
    total: f64,
    status: &'static str,
    /// Name of the event.
    event: String,
    /// ISO 8601.
    created_at: String,
}

impl From<Order> for RecentOrder {
    fn from(order: Order) -> Self {
        RecentOrder {
            order_number: order.number.to_string(),
            buyer_name: order.buyer.name,
            total: order.total.to_major(),
            status: order.status.wire(),
            event: order.event_name,
            created_at: iso(order.created_at),
        }
    }
}

/// The organization's figures, or one event's. Test orders count like others.
#[utoipa::path(get, path = "/tickets/api/admin/stats", tag = "tickets admin", security(("bearer" = [])),
    params(StatsQuery),
    responses(
        (status = 200, description = "The figures", body = StatsOut),
        (status = 401, description = "`NO_TOKEN`, `INVALID_TOKEN`", body = ErrorBody),
        (status = 403, description = "`FORBIDDEN`", body = ErrorBody),
        CommonErrors,
    ))]
pub(crate) async fn show_stats(
    State(ctx): State<Ctx>,
    staff: Staff,
    Query(query): Query<StatsQuery>,
) -> Result<Json<StatsOut>, ApiError> {
    // What is no UUID names no event, and an event without orders has all figures zero.
    let event = filled(query.camel_event_id).or(filled(query.event_id));
    let event = event.map(|id| id.parse().unwrap_or(EventId(uuid::Uuid::nil())));
    let filter = OrderFilter { event, ..OrderFilter::default() };
    let store = ctx.store();
    let (events, recent) =
        tokio::try_join!(store.list_events(staff.org), store.list_orders(staff.org, &filter, 0, RECENT))?;
    let counted: Vec<&Event> = events.iter().filter(|other| event.is_none_or(|id| id == other.id)).collect();
    let tiers: Vec<TierId> = counted.iter().flat_map(|event| event.counted_tiers()).collect();
    let stock = store.load_stock(&tiers).await?;
    let recent = recent.orders.into_iter().map(RecentOrder::from).collect();
    Ok(Json(StatsOut::new(&events, &counted, &stock, recent)))
}

fn figures(event: &Event, stock: &HashMap<TierId, Stripe>) -> Stripe {
    Stripe::total(event.counted_tiers().filter_map(|tier| stock.get(&tier)).collect::<Vec<_>>())
}

impl StatsOut {
    fn new(
        events: &[Event],
        counted: &[&Event],
        stock: &HashMap<TierId, Stripe>,
        recent_orders: Vec<RecentOrder>,
    ) -> Self {
        let total = Stripe::total(stock.values());
        let Stripe { pending, paid, cancelled, refunded, .. } = total;
        let orders = OrderCounts { pending, paid, cancelled, refunded };
        let revenue = Cents(total.revenue).to_major();
        let in_status = |status: EventStatus| events.iter().filter(|event| event.status == status).count();
        let (active, draft) = (in_status(EventStatus::Active), in_status(EventStatus::Draft));
        let mut shown: Vec<&Event> = counted.iter().filter(|e| e.status != EventStatus::Deleted).copied().collect();
        shown.sort_by_key(|event| std::cmp::Reverse((event.date, event.created_at)));
        StatsOut {
            success: true,
            stats: Stats {
                orders,
                revenue,
                tickets_sold: total.sold,
                checked_in: total.checked_in,
                events: EventCounts { active, draft },
                recent_orders: recent_orders.clone(),
            },
            total_revenue: revenue,
            total_orders: pending + paid + cancelled + refunded,
            paid_orders: paid,
            total_tickets: total.sold,
            checked_in: total.checked_in,
            total_events: events.len() - in_status(EventStatus::Deleted),
            active_events: active,
            orders_by_status: orders,
            event_stats: shown.into_iter().map(|event| EventFigures::new(event, &figures(event, stock))).collect(),
            recent_orders,
        }
    }
}

impl EventFigures {
    fn new(event: &Event, stock: &Stripe) -> Self {
        EventFigures {
            id: event.id.to_string(),
            name: event.name.clone(),
            date: event.date.to_string(),
            tickets_sold: stock.sold,
            capacity: stock.capacity(),
            revenue: Cents(stock.revenue).to_major(),
            check_ins: stock.checked_in,
        }
    }
}
