//! Invariants 1, 2, 3, 6 and 7 as each order tells them.

use std::collections::{HashMap, HashSet};

use domain::{
    ids::EventId,
    stock::STRIPES,
    tickets::{
        event::Event,
        order::{Order, OrderStatus},
        payment::Provider,
    },
};

use super::{Report, Table};

pub(super) fn check(table: &Table<'_>, report: &mut Report) {
    let events: HashMap<EventId, &Event> = table.events.iter().map(|event| (event.id, event)).collect();
    for order in table.orders.values().map(|item| &item.order) {
        let mut wrong =
            |invariant, detail: String| report.violation(invariant, format!("ORDER#{}", order.number), detail);
        check_draws(order, &mut wrong);
        check_entry(order, &mut wrong);
        check_money(order, &mut wrong);
        match events.get(&order.event_id) {
            None => wrong(7, "its event does not exist".into()),
            Some(event) if event.org != order.org => wrong(7, "its event belongs to another organization".into()),
            Some(_) => {}
        }
    }
    check_references(table, report);
}

/// An order has its stock while it is pending or paid, and not a piece of it after that.
fn check_draws(order: &Order, wrong: &mut impl FnMut(u8, String)) {
    let holds = matches!(order.status, OrderStatus::Pending | OrderStatus::Paid);
    let drawn: u32 = order.draws.iter().map(|draw| draw.quantity).sum();
    let expected = if holds { order.quantity } else { 0 };
    if drawn != expected {
        wrong(1, format!("{} order of {} tickets draws {drawn}", order.status.as_str(), order.quantity));
    }
    let stripes: HashSet<u8> = order.draws.iter().map(|draw| draw.stripe).collect();
    if stripes.len() != order.draws.len() || stripes.iter().any(|stripe| *stripe >= STRIPES) {
        wrong(1, "its draws do not name stripes, each once".into());
    }
}

fn check_entry(order: &Order, wrong: &mut impl FnMut(u8, String)) {
    if order.checked_in_at.is_some() && !matches!(order.status, OrderStatus::Paid | OrderStatus::Refunded) {
        wrong(2, format!("was let in, and is {}", order.status.as_str()));
    }
    if order.checked_in_at.is_none() && (order.checkin_key.is_some() || order.checked_in_by.is_some()) {
        wrong(2, "has a scan's traces, and was not let in".into());
    }
}

fn check_money(order: &Order, wrong: &mut impl FnMut(u8, String)) {
    if order.total != order.unit_price.times(order.quantity) {
        wrong(3, format!("{} × {} is not {}", order.quantity, order.unit_price, order.total));
    }
    let was_paid = matches!(order.status, OrderStatus::Paid | OrderStatus::Refunded);
    if was_paid != (order.paid_at.is_some() && order.provider.is_some()) {
        wrong(3, format!("is {}, paid at {:?} by {:?}", order.status.as_str(), order.paid_at, order.provider));
    }
    if order.refunded.is_some_and(|refunded| refunded > order.total || refunded.0 < 0) {
        wrong(3, format!("{:?} refunded of {}", order.refunded, order.total));
    }
    if (order.status == OrderStatus::Refunded) != order.refunded.is_some() {
        wrong(3, format!("is {}, refunded {:?}", order.status.as_str(), order.refunded));
    }
    if order.payment_ref.as_ref().is_some_and(|reference| order.returned_refs.contains(reference)) {
        wrong(3, "is paid by a payment that was given back".into());
    }
}

/// A payment of our own checkout pays one order.
fn check_references(table: &Table<'_>, report: &mut Report) {
    let mut seen: HashMap<&str, &Order> = HashMap::new();
    for order in table.orders.values().map(|item| &item.order) {
        let Some(reference) = order.payment_ref.as_deref().filter(|_| order.provider == Some(Provider::Stripe)) else {
            continue;
        };
        if let Some(other) = seen.insert(reference, order) {
            let (first, second) = (other.number.min(order.number), other.number.max(order.number));
            report.violation(6, format!("ORDER#{first}"), format!("is paid by the same payment as {second}"));
        }
    }
}
