//! Invariants 3, 6 and 7 as each order of the counter tells them, with its rows, and the figures of its organization.

use std::collections::HashMap;

use domain::{
    ids::OrgId,
    money::Cents,
    pos::order::{Order, OrderId, Payment, Refund, RefundStatus, Status},
};
use store::pos::order::Intent;

use super::{Item, Options, Report, read, text};

/// The counter's part of the table.
#[derive(Default)]
struct Counter {
    orders: HashMap<String, Order>,
    lines: HashMap<String, usize>,
    payments: HashMap<String, Vec<Payment>>,
    refunds: HashMap<String, Vec<Refund>>,
    intents: Vec<Intent>,
    /// Orders in the list of those put aside, and how often.
    held: HashMap<String, usize>,
    /// Per organization and status.
    figures: HashMap<(OrgId, Status), i64>,
}

/// Checks the counter's items; answers how many orders there are.
pub(super) fn check(items: &[Item], options: &Options, report: &mut Report) -> usize {
    let counter = sort(items, report);
    for (partition, order) in &counter.orders {
        let mut wrong = |invariant, detail: String| report.violation(invariant, partition.clone(), detail);
        let payments = counter.payments.get(partition).map_or(&[][..], Vec::as_slice);
        let refunds = counter.refunds.get(partition).map_or(&[][..], Vec::as_slice);
        check_money(order, payments, refunds, &mut wrong);
        check_refunds(payments, refunds, options, &mut wrong);
        if *partition != format!("ORG#{}#ORDER#{}", order.org, order.id) {
            wrong(7, "lies in a partition that is not its own".into());
        }
        let lines = counter.lines.get(partition).copied().unwrap_or_default();
        if lines != order.item_count as usize {
            wrong(3, format!("says that it has {} lines, and has {lines}", order.item_count));
        }
        let held = counter.held.get(&order.id.to_string()).copied().unwrap_or_default();
        if held != usize::from(order.held_at.is_some()) {
            wrong(3, format!("is {}, and {held} times in the list of those put aside", order.status.as_str()));
        }
    }
    check_orphans(&counter, report);
    check_intents(&counter, report);
    check_figures(&counter, report);
    counter.orders.len()
}

fn sort(items: &[Item], report: &mut Report) -> Counter {
    let mut counter = Counter::default();
    for item in items {
        let partition = || text(item, "pk").to_owned();
        match text(item, "entity") {
            "pos_order" => counter.orders.extend(read::<Order>(item, report).map(|order| (partition(), order))),
            "pos_lines" => {
                let lines = item.get("lines").and_then(|lines| lines.as_l().ok()).map_or(0, Vec::len);
                counter.lines.insert(partition(), lines);
            }
            "pos_payment" => {
                if let Some(payment) = read(item, report) {
                    counter.payments.entry(partition()).or_default().push(payment);
                }
            }
            "pos_refund" => {
                if let Some(refund) = read(item, report) {
                    counter.refunds.entry(partition()).or_default().push(refund);
                }
            }
            "intent" => counter.intents.extend(read::<Intent>(item, report)),
            "held" => *counter.held.entry(text(item, "order").to_owned()).or_default() += 1,
            "pos_figures" => count_figures(item, &mut counter),
            _ => {}
        }
    }
    counter
}

fn count_figures(item: &Item, counter: &mut Counter) {
    let org = text(item, "pk").strip_prefix("ORG#").and_then(|rest| rest.split('#').next()?.parse::<OrgId>().ok());
    let Some(org) = org else { return };
    for status in Status::ALL {
        let figure = item.get(status.as_str()).and_then(|figure| figure.as_n().ok()?.parse::<i64>().ok());
        *counter.figures.entry((org, status)).or_default() += figure.unwrap_or_default();
    }
}

/// An order is what its rows say: paid by exactly their sum, completed by exactly its total.
fn check_money(order: &Order, payments: &[Payment], refunds: &[Refund], wrong: &mut impl FnMut(u8, String)) {
    let paid: Cents = payments.iter().map(|payment| payment.amount).sum();
    if paid != order.paid || payments.len() != order.payments as usize {
        wrong(
            3,
            format!("says {} by {} payments; its rows are {} worth {paid}", order.paid, order.payments, payments.len()),
        );
    }
    let done = matches!(order.status, Status::Completed | Status::Refunded);
    if done != (order.paid == order.total && order.completed_at.is_some()) {
        wrong(3, format!("is {}, paid {} of {}", order.status.as_str(), order.paid, order.total));
    }
    let given_back: Cents =
        refunds.iter().filter(|refund| refund.status != RefundStatus::Failed).map(|refund| refund.amount).sum();
    if given_back != order.refunded || given_back > order.paid {
        wrong(3, format!("says {} refunded of {}; its rows say {given_back}", order.refunded, order.paid));
    }
    let whole = order.refunded == order.paid && !order.paid.is_zero() && done;
    if (order.status == Status::Refunded) != whole {
        wrong(3, format!("is {}, refunded {} of {}", order.status.as_str(), order.refunded, order.paid));
    }
}

/// No payment gives back more than it brought, and no refund waits for ever.
fn check_refunds(payments: &[Payment], refunds: &[Refund], options: &Options, wrong: &mut impl FnMut(u8, String)) {
    for payment in payments {
        let of_it =
            refunds.iter().filter(|refund| refund.payment == payment.id && refund.status != RefundStatus::Failed);
        let given_back: Cents = of_it.map(|refund| refund.amount).sum();
        if given_back > payment.amount {
            wrong(3, format!("payment {} of {} gave back {given_back}", payment.id, payment.amount));
        }
    }
    for refund in refunds {
        if !payments.iter().any(|payment| payment.id == refund.payment) {
            wrong(3, format!("refund {} is of no payment", refund.id));
        }
        if let Some((now, patience)) = options.stuck
            && refund.status == RefundStatus::Pending
            && refund.created_at + patience < now
        {
            wrong(3, format!("refund {} has been pending since {}", refund.id, refund.created_at));
        }
    }
}

fn check_orphans(counter: &Counter, report: &mut Report) {
    let rows = counter.payments.keys().chain(counter.refunds.keys()).chain(counter.lines.keys());
    for partition in rows.filter(|partition| !counter.orders.contains_key(*partition)) {
        report.violation(3, partition.clone(), "has rows, and no order");
    }
}

/// A card payment belongs to one order, and has paid it once or not at all.
fn check_intents(counter: &Counter, report: &mut Report) {
    let mut counted: HashMap<&str, Vec<OrderId>> = HashMap::new();
    for (partition, payments) in &counter.payments {
        let Some(order) = counter.orders.get(partition) else { continue };
        for intent in payments.iter().filter_map(|payment| payment.intent.as_deref()) {
            counted.entry(intent).or_default().push(order.id);
        }
    }
    let known: HashMap<&str, &Intent> = counter.intents.iter().map(|intent| (intent.intent.as_str(), intent)).collect();
    for (name, orders) in &counted {
        let entity = format!("INTENT#{name}");
        if orders.len() > 1 {
            report.violation(6, entity.clone(), format!("has paid {} times", orders.len()));
        }
        match known.get(name) {
            Some(intent) if intent.paid && orders.contains(&intent.order) => {}
            _ => report.violation(6, entity, "has paid an order that it is not known to belong to"),
        }
    }
    for (partition, order) in &counter.orders {
        let Some(linked) = order.intent.as_deref() else { continue };
        if known.get(linked).is_none_or(|intent| intent.order != order.id) {
            report.violation(6, partition.clone(), format!("waits for {linked}, which is not its own"));
        }
    }
    for intent in &counter.intents {
        let entity = || format!("INTENT#{}", intent.intent);
        if intent.paid && intent.returned {
            report.violation(3, entity(), "has paid, and is given back as if it had not");
        }
        if intent.paid && !counted.contains_key(intent.intent.as_str()) {
            report.violation(3, entity(), "has paid, and no order knows of it");
        }
    }
}

/// The figures of an organization are what its orders are.
fn check_figures(counter: &Counter, report: &mut Report) {
    let mut counted: HashMap<(OrgId, Status), i64> = HashMap::new();
    for order in counter.orders.values() {
        *counted.entry((order.org, order.status)).or_default() += 1;
    }
    let keys = counted.keys().chain(counter.figures.keys()).copied().collect::<std::collections::HashSet<_>>();
    for (org, status) in keys {
        let figure = |figures: &HashMap<_, i64>| figures.get(&(org, status)).copied().unwrap_or_default();
        let (said, is) = (figure(&counter.figures), figure(&counted));
        if said != is {
            report.violation(3, format!("ORG#{org}"), format!("says {said} {} orders, and has {is}", status.as_str()));
        }
    }
}

#[cfg(test)]
mod tests;
