use super::*;
use crate::samples::{FOREIGN, line, now, org, refund, sale};
use uuid::Uuid;

fn written(order: &FullOrder) -> Letter {
    write(order, &org()).unwrap()
}

/// The text body, line by line.
fn lines(order: &FullOrder) -> Vec<String> {
    written(order).text.lines().map(str::to_owned).collect()
}

fn has(order: &FullOrder, wanted: &str) {
    let lines = lines(order);
    assert!(lines.iter().any(|line| line == wanted), "{wanted:?} in {lines:#?}");
}

#[test]
fn the_text_is_the_receipt() {
    let letter = written(&sale());
    assert_eq!(letter.subject, "Your receipt from Lemon & Lime: $37.51");
    let expected = "\
YOUR RECEIPT
Lemon & Lime
15 January 2027, 18:30 UTC
Order ORD-20270115-0042

Lemonade, large, 2 × $6.00: $12.00
Grilled cheese: $11.50
Oat cookie, 3 × $2.50: $7.50

Subtotal: $31.00
Tax: $2.51
Tip: $4.00
Total: $37.51

Visa ending in 4242: $37.51

Questions about this sale are for Lemon & Lime.";
    assert_eq!(letter.text, expected);
    assert!(letter.files.is_empty());
}

#[test]
fn both_bodies_state_all_facts() {
    let mut order = sale();
    order.refunds = vec![refund(1000, RefundStatus::Succeeded)];
    let letter = written(&order);
    for fact in [
        "15 January 2027, 18:30 UTC",
        "ORD-20270115-0042",
        "Lemonade, large",
        "2 × $6.00",
        "$12.00",
        "$31.00",
        "$2.51",
        "$4.00",
        "$37.51",
        "Visa ending in 4242",
        "Refunded, 16 January 2027, 09:05 UTC",
        "-$10.00",
        "$27.51",
    ] {
        assert!(letter.html.contains(fact), "html: {fact}");
        assert!(letter.text.contains(fact), "text: {fact}");
    }
    assert!(letter.html.contains("Lemon &#38; Lime"), "HTML is escaped");
    assert!(!letter.text.contains('<') && !letter.text.contains("&#"), "text is not");
}

#[test]
fn refunds_that_failed_did_not_happen() {
    let mut order = sale();
    order.refunds = vec![
        refund(500, RefundStatus::Succeeded),
        refund(300, RefundStatus::Failed),
        refund(251, RefundStatus::Pending),
    ];
    has(&order, "Refunded, 16 January 2027, 09:05 UTC: -$5.00");
    has(&order, "Refund on its way, 16 January 2027, 09:05 UTC: -$2.51");
    has(&order, "Left after refunds: $30.00");
    assert!(!written(&order).text.contains("$3.00"));
}

#[test]
fn every_payment_is_named_as_far_as_it_is_known() {
    let card = |brand: Option<&str>, last4: Option<&str>, method| Payment {
        brand: brand.map(str::to_owned),
        last4: last4.map(str::to_owned),
        ..Payment::card(method, "pi_1", Cents(100), now())
    };
    let cash = |tendered| Payment::cash(Uuid::nil(), Cents(100), Cents::ZERO, Cents(tendered), now());
    for (payment, how) in [
        (card(Some("visa"), Some("4242"), Method::Card), "Visa ending in 4242"),
        (card(Some("amex"), Some("0005"), Method::TapToPay), "American Express ending in 0005"),
        (card(Some("mastercard"), None, Method::Card), "Mastercard"),
        (card(None, Some("42424242"), Method::Card), "Card"),
        (card(None, None, Method::TapToPay), "Card, contactless"),
        (cash(100), "Cash"),
        (cash(500), "Cash ($5.00 given, $4.00 change)"),
    ] {
        assert_eq!(paid_by(&payment), (how.to_owned(), "$1.00".to_owned()));
    }
}

#[test]
fn a_part_payment_says_what_is_left() {
    let mut order = sale();
    (order.order.status, order.order.paid) = (Status::Pending, Cents(2000));
    order.payments[0].amount = Cents(2000);
    assert!(has_receipt(&order.order));
    has(&order, "Visa ending in 4242: $20.00");
    has(&order, "Left to pay: $17.51");
}

#[test]
fn what_nobody_has_paid_has_no_receipt() {
    let mut order = sale().order;
    assert!(has_receipt(&order));
    (order.status, order.paid) = (Status::Pending, Cents::ZERO);
    assert!(!has_receipt(&order));
    (order.status, order.total) = (Status::Completed, Cents::ZERO);
    assert!(has_receipt(&order), "a free one was completed");
}

#[test]
fn a_quick_charge_is_what_it_was_described_as() {
    let mut order = sale();
    order.lines = vec![];
    has(&order, "Sale: $31.00");
    order.order.description = Some("Private tasting".into());
    has(&order, "Private tasting: $31.00");
}

#[test]
fn nothing_from_outside_is_html_or_a_header() {
    let mut order = sale();
    order.lines = vec![line(FOREIGN, 1, 100)];
    order.order.description = Some(FOREIGN.into());
    order.payments[0].brand = Some(FOREIGN.into());
    let letter = write(&order, &Org { name: FOREIGN.into(), ..org() }).unwrap();
    assert!(!letter.html.contains("<script"));
    assert!(!letter.subject.contains('\n') && !letter.text.contains("\nBcc"));
}

/// Gmail cuts off what is longer.
#[test]
fn a_long_receipt_is_shown_whole() {
    let mut order = sale();
    order.lines = (0..domain::pos::order::MAX_LINES).map(|i| line(&format!("Product number {i}"), 2, 100)).collect();
    let letter = written(&order);
    assert!(letter.html.len() < 102_000, "{} bytes", letter.html.len());
    assert!(letter.html.contains("Product number 199"));
}
