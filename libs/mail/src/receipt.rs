//! The receipt of a sale at the counter (POS contract §9, §10).

use askama::Template;
use domain::{
    member::Org,
    money::{Cents, Currency},
    pos::order::{FullOrder, Line, Method, Order, Payment, Refund, RefundStatus, Status},
};

use crate::{
    Letter, WriteError,
    words::{line, moment, money, short},
};

/// The counter sells in one currency (contract §2: clients fall back to it).
const CURRENCY: Currency = Currency::USD;

/// Is there anything to acknowledge? An order that nobody has paid anything of has no receipt.
pub fn has_receipt(order: &Order) -> bool {
    order.paid > Cents::ZERO || matches!(order.status, Status::Completed | Status::Refunded)
}

#[derive(Template)]
#[template(path = "receipt.html")]
struct Html<'a> {
    r: &'a Facts,
}

#[derive(Template)]
#[template(path = "receipt.txt")]
struct Text<'a> {
    r: &'a Facts,
}

/// What both bodies say, amounts as they are shown.
struct Facts {
    org: String,
    number: String,
    date: String,
    total: String,
    lines: Vec<Item>,
    /// Subtotal, tax and tip, as far as there are any.
    sums: Vec<(&'static str, String)>,
    payments: Vec<(String, String)>,
    refunds: Vec<(String, String)>,
    /// What is left after refunds, and what is left to pay, as far as there is any.
    rest: Vec<(&'static str, String)>,
}

struct Item {
    name: String,
    /// `2 × $5.00`; absent for a single piece.
    pieces: Option<String>,
    amount: String,
}

/// Writes the receipt of an order that has one.
pub fn write(order: &FullOrder, org: &Org) -> Result<Letter, WriteError> {
    let facts = Facts::of(order, org);
    Ok(Letter {
        subject: format!("Your receipt from {}: {}", short(&org.name), facts.total),
        html: Html { r: &facts }.render()?,
        text: Text { r: &facts }.render()?,
        files: vec![],
    })
}

fn amount(cents: Cents) -> String {
    money(cents, CURRENCY)
}

impl Facts {
    fn of(full: &FullOrder, org: &Org) -> Self {
        let order = &full.order;
        let some = |label, cents: Cents| (!cents.is_zero()).then(|| (label, amount(cents)));
        let given_back: Vec<&Refund> =
            full.refunds.iter().filter(|refund| refund.status != RefundStatus::Failed).collect();
        let refunded: Cents = given_back.iter().map(|refund| refund.amount).sum();
        let net = (!refunded.is_zero()).then(|| ("Left after refunds", amount(order.paid - refunded)));
        Facts {
            org: line(&org.name),
            number: order.id.number(),
            date: moment(order.completed_at.unwrap_or(order.created_at)),
            total: amount(order.total),
            lines: items(order, &full.lines),
            sums: [Some(("Subtotal", amount(order.subtotal))), some("Tax", order.tax), some("Tip", order.tip)]
                .into_iter()
                .flatten()
                .collect(),
            payments: full.payments.iter().map(paid_by).collect(),
            refunds: given_back.into_iter().map(refund).collect(),
            rest: [net, some("Left to pay", order.remaining())].into_iter().flatten().collect(),
        }
    }
}

/// What was sold. A quick charge has no lines: it is what it was described as.
fn items(order: &Order, lines: &[Line]) -> Vec<Item> {
    if lines.is_empty() {
        let name = order.description.as_deref().map(line).filter(|name| !name.is_empty());
        let name = name.unwrap_or_else(|| "Sale".to_owned());
        return vec![Item { name, pieces: None, amount: amount(order.subtotal) }];
    }
    let item = |sold: &Line| Item {
        name: line(&sold.name),
        pieces: (sold.quantity != 1).then(|| format!("{} × {}", sold.quantity, amount(sold.unit_price))),
        amount: amount(sold.unit_price.times(sold.quantity)),
    };
    lines.iter().map(item).collect()
}

/// How a payment was made, and what it paid.
fn paid_by(payment: &Payment) -> (String, String) {
    let how = match (payment.method, payment.cash_tendered, payment.cash_change) {
        (Method::Cash, Some(tendered), Some(change)) if !change.is_zero() => {
            format!("Cash ({} given, {} change)", amount(tendered), amount(change))
        }
        (Method::Cash, ..) => "Cash".to_owned(),
        _ => card(payment),
    };
    (how, amount(payment.amount))
}

/// `Visa ending in 4242`, as far as it is known.
fn card(payment: &Payment) -> String {
    let brand = match payment.brand.as_deref().unwrap_or_default() {
        "" | "unknown" => "Card".to_owned(),
        "amex" => "American Express".to_owned(),
        "diners" => "Diners Club".to_owned(),
        "jcb" => "JCB".to_owned(),
        "unionpay" => "UnionPay".to_owned(),
        "eftpos_au" => "Eftpos".to_owned(),
        other => capitalized(&line(other)),
    };
    let is_last4 = |digits: &&str| digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_digit());
    match payment.last4.as_deref().filter(is_last4) {
        Some(last4) => format!("{brand} ending in {last4}"),
        None if payment.method == Method::TapToPay => format!("{brand}, contactless"),
        None => brand,
    }
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn refund(refund: &Refund) -> (String, String) {
    let label = match refund.status {
        RefundStatus::Pending => format!("Refund on its way, {}", moment(refund.created_at)),
        _ => format!("Refunded, {}", moment(refund.created_at)),
    };
    (label, amount(-refund.amount))
}

#[cfg(test)]
mod tests;
