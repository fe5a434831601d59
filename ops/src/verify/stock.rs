//! Invariant 1: stock adds up, stripe by stripe and tier by tier.

use std::collections::{HashMap, HashSet};

use domain::{
    ids::TierId,
    stock::{STRIPES, Stripe},
    tickets::order::{Order, OrderStatus},
};

use super::{Report, Table};

fn partition(tier: TierId, stripe: u8) -> String {
    format!("STOCK#{tier}#{stripe}")
}

pub(super) fn check(table: &Table<'_>, report: &mut Report) {
    let mut orders: HashMap<TierId, Vec<&Order>> = HashMap::new();
    for item in table.orders.values() {
        orders.entry(item.order.tier_id).or_default().push(&item.order);
    }
    let mut unknown: HashSet<&str> = table.stripes.keys().copied().collect();
    let on_sale = table.events.iter().flat_map(|event| &event.tiers).map(|tier| (tier.id, tier.quantity));
    let retired = table.events.iter().flat_map(|event| &event.retired).map(|tier| (*tier, 0));
    for (tier, capacity) in on_sale.chain(retired) {
        let orders = orders.remove(&tier).unwrap_or_default();
        let mut stripes = Vec::new();
        for stripe in 0..STRIPES {
            let pk = partition(tier, stripe);
            unknown.remove(pk.as_str());
            match table.stripes.get(pk.as_str()) {
                Some(figures) => {
                    check_stripe(&pk, stripe, figures, &orders, report);
                    stripes.push(figures);
                }
                None => report.violation(1, pk, "the stripe is missing"),
            }
        }
        let total = Stripe::total(stripes);
        let entity = format!("STOCK#{tier}");
        if total.capacity() != i64::from(capacity) {
            let detail = format!("{} pieces in the stripes, capacity {capacity}", total.capacity());
            report.violation(1, &entity, detail);
        }
        check_sums(&entity, &total, &expected(&orders, total.available), report);
    }
    for pk in unknown {
        report.violation(1, pk, "stock of a tier that does not exist");
    }
    for order in orders.values().flatten().filter(|order| !order.draws.is_empty()) {
        report.violation(1, format!("ORDER#{}", order.number), "holds stock of a tier that does not exist");
    }
}

fn check_stripe(pk: &str, stripe: u8, figures: &Stripe, orders: &[&Order], report: &mut Report) {
    for (name, figure) in [("available", figures.available), ("held", figures.held), ("sold", figures.sold)] {
        if figure < 0 {
            report.violation(1, pk, format!("{name} is {figure}"));
        }
    }
    let draws = orders.iter().flat_map(|order| &order.draws).filter(|draw| draw.stripe == stripe);
    let drawn: i64 = draws.map(|draw| i64::from(draw.quantity)).sum();
    if figures.held + figures.sold != drawn {
        let detail = format!("{} held and {} sold, drawn by orders {drawn}", figures.held, figures.sold);
        report.violation(1, pk, detail);
    }
}

/// The figures of a tier as its orders tell them.
fn expected(orders: &[&Order], available: i64) -> Stripe {
    let mut sum = Stripe { available, ..Stripe::default() };
    for order in orders {
        let quantity = i64::from(order.quantity);
        match order.status {
            OrderStatus::Pending => {
                sum.held += quantity;
                sum.pending += 1;
            }
            OrderStatus::Paid => {
                sum.sold += quantity;
                sum.paid += 1;
                sum.revenue += order.total.0;
                sum.checked_in += i64::from(order.checked_in_at.is_some());
            }
            OrderStatus::Cancelled | OrderStatus::Expired => sum.cancelled += 1,
            OrderStatus::Refunded => sum.refunded += 1,
        }
    }
    sum
}

fn check_sums(entity: &str, counted: &Stripe, expected: &Stripe, report: &mut Report) {
    let figures = [
        (1, "held", counted.held, expected.held),
        (1, "sold", counted.sold, expected.sold),
        (1, "pending", counted.pending, expected.pending),
        (1, "paid", counted.paid, expected.paid),
        (1, "cancelled", counted.cancelled, expected.cancelled),
        (1, "refunded", counted.refunded, expected.refunded),
        (3, "revenue", counted.revenue, expected.revenue),
        (2, "checked_in", counted.checked_in, expected.checked_in),
    ];
    for (invariant, name, counted, expected) in figures {
        if counted != expected {
            report.violation(invariant, entity, format!("{name} counts {counted}, the orders say {expected}"));
        }
    }
}
