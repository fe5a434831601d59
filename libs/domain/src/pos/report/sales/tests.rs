use jiff::civil::date;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::pos::{order::FullOrder, order::tests::order, transaction};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn days() -> Days {
    Days::new(date(2027, 3, 1), date(2027, 3, 7)).unwrap()
}

fn line(product: Option<u128>, name: &str, quantity: u32, unit_price: i64) -> Line {
    Line {
        id: Uuid::nil(),
        product: product.map(|id| ProductId(Uuid::from_u128(id))),
        catalog_product: None,
        category: None,
        name: name.to_owned(),
        quantity,
        unit_price: Cents(unit_price),
        notes: None,
    }
}

/// An order of these lines, paid by one payment.
fn sale(made: &str, lines: Vec<Line>, (tax, tip): (i64, i64), method: Method) -> FullOrder {
    let subtotal: Cents = lines.iter().map(|line| line.unit_price.times(line.quantity)).sum();
    let paid = subtotal + Cents(tax) + Cents(tip);
    let order = Order {
        status: Status::Completed,
        method: Some(method),
        subtotal,
        tax: Cents(tax),
        tip: Cents(tip),
        paid,
        payments: 1,
        created_at: at(made),
        ..order(paid.0)
    };
    FullOrder { order, lines, payments: vec![], refunds: vec![] }
}

fn reckon<'a>(sales: impl IntoIterator<Item = &'a FullOrder>, tier: Tier) -> SalesReport {
    let mut report = SalesReport::new(days(), Currency::USD, tier);
    for sale in sales {
        report.add(&Sale { order: &sale.order, lines: &sale.lines, payments: &sale.payments });
    }
    report
}

#[test]
fn a_week_at_the_counter() {
    let lemonade = |quantity| line(Some(1), "Lemonade", quantity, 600);
    let first = sale("2027-03-01T12:10:00Z", vec![lemonade(2), line(None, "Cookie", 1, 250)], (120, 300), Method::Cash);
    let mut second = sale("2027-03-07T23:59:59.999Z", vec![lemonade(5)], (240, 0), Method::TapToPay);
    second.order.refunded = second.order.paid;
    second.order.status = Status::Refunded;
    let before = sale("2027-02-28T23:59:59.999Z", vec![lemonade(9)], (0, 0), Method::Cash);
    let after = sale("2027-03-08T00:00:00Z", vec![lemonade(9)], (0, 0), Method::Cash);
    let mut open = sale("2027-03-02T12:00:00Z", vec![lemonade(9)], (0, 0), Method::Cash);
    open.order.status = Status::Pending;
    let report = reckon([&first, &second, &before, &after, &open], Tier::Starter);

    assert_eq!(report.total, Sum { orders: 2, revenue: Cents(1870 + 3240) });
    assert_eq!((report.subtotal, report.tax, report.tips), (Cents(1450 + 3000), Cents(360), Cents(300)));
    assert_eq!((report.refunds, report.refunded_orders), (Cents(3240), 1));
    // 2.7 % + 15¢ and 0.2 % + 3¢ of the one card payment.
    assert_eq!((report.processing_fees, report.platform_fees), (Cents(87 + 15), Cents(6 + 3)));
    assert_eq!(report.net(), Cents(1870 - 111));
    assert_eq!(report.total.average(), Cents(2555));
    let (named, others) = report.products(10);
    let product = |name: &str, quantity, amount| ProductSales { name: name.into(), quantity, amount: Cents(amount) };
    assert_eq!(named, [product("Lemonade", 7, 4200), product("Cookie", 1, 250)]);
    assert_eq!(others, Others::default());
    assert_eq!(report.products(1).1, Others { products: 1, quantity: 1, amount: Cents(250) });
    assert_eq!((report.hours[12].orders, report.hours[23].orders), (1, 1));
    assert_eq!(report.by_day[&date(2027, 3, 7)], Sum { orders: 1, revenue: Cents(3240) });
    let methods: Vec<_> = report.methods().map(|(method, sum)| (method.as_str(), sum.revenue)).collect();
    assert_eq!(methods, [("tap_to_pay", Cents(3240)), ("cash", Cents(1870))]);
}

#[test]
fn a_product_has_the_name_it_was_last_sold_by() {
    let old = sale("2027-03-01T12:00:00Z", vec![line(Some(1), "Zitronade", 1, 500)], (0, 0), Method::Cash);
    let new = sale("2027-03-02T12:00:00Z", vec![line(Some(1), "Lemonade", 1, 600)], (0, 0), Method::Cash);
    let other = sale("2027-03-02T12:00:00Z", vec![line(None, "Lemonade", 1, 100)], (0, 0), Method::Cash);
    for sales in [[&old, &new, &other], [&other, &new, &old]] {
        let (named, _) = reckon(sales, Tier::Pro).products(10);
        let shown: Vec<_> = named.iter().map(|sold| (sold.name.as_str(), sold.quantity)).collect();
        assert_eq!(shown, [("Lemonade", 2), ("Lemonade", 1)], "one of the library, one without");
    }
}

#[test]
fn what_has_no_lines_and_what_lines_do_not_say() {
    let mut quick = sale("2027-03-01T12:00:00Z", vec![], (0, 0), Method::Card);
    (quick.order.subtotal, quick.order.paid) = (Cents(2000), Cents(2000));
    let mut cheaper = sale("2027-03-01T13:00:00Z", vec![line(None, "Hat", 1, 1500)], (0, 0), Method::Cash);
    (cheaper.order.subtotal, cheaper.order.paid) = (Cents(1350), Cents(1350));
    let report = reckon([&quick, &cheaper], Tier::Starter);
    assert_eq!(report.quick_charges, Sum { orders: 1, revenue: Cents(2000) });
    assert_eq!((report.adjustments, report.subtotal), (Cents(-150), Cents(3350)));
}

#[test]
fn a_split_payment_counts_by_its_parts() {
    let mut split = sale("2027-03-01T12:00:00Z", vec![line(None, "Dinner", 1, 10_000)], (0, 0), Method::Split);
    split.order.payments = 2;
    assert!(SalesReport::wants_payments(&split.order));
    let untold = reckon([&split], Tier::Starter);
    assert_eq!(untold.methods().map(|(method, _)| method).collect::<Vec<_>>(), [Method::Split]);
    let card = Payment::card(Method::Card, "pi_1", Cents(4000), split.order.created_at);
    split.payments = vec![card, Payment::cash(Uuid::nil(), Cents(6000), Cents(0), Cents(6000), split.order.created_at)];
    let report = reckon([&split], Tier::Starter);
    let methods: Vec<_> = report.methods().map(|(method, sum)| (method, sum.revenue)).collect();
    assert_eq!(methods, [(Method::Card, Cents(4000)), (Method::Cash, Cents(6000))]);
    assert_eq!(report.fees(), transaction::fees(&split.order, &split.payments, Tier::Starter).processing);
}

fn any_line() -> impl Strategy<Value = Line> {
    let name = prop::sample::select(vec!["Tea", "Coffee", "Hat", "Poster"]);
    (prop::option::of(0..4u128), name, 1..20u32, 0..5000i64)
        .prop_map(|(product, name, quantity, price)| line(product, name, quantity, price))
}

fn any_sale() -> impl Strategy<Value = FullOrder> {
    let lines = prop::collection::vec(any_line(), 0..5);
    let parts = prop::collection::vec((0..3usize, 1..9000i64), 1..4);
    (lines, parts, -500..9000i64, (0..500i64, 0..900i64), 0..8 * 24 * 60i64, 0..=100i64).prop_map(
        |(lines, parts, off, (tax, tip), minute, refunded)| {
            let listed: i64 = lines.iter().map(|line| line.unit_price.times(line.quantity).0).sum();
            let paid = (listed + off).max(0) + tax + tip;
            let made = at("2027-02-28T12:00:00Z") + jiff::SignedDuration::from_mins(minute);
            let refunded = Cents(paid * refunded / 100);
            // Parts of what was paid: the last one brings the rest.
            let mut left = paid;
            let payments: Vec<Payment> = parts
                .iter()
                .enumerate()
                .map(|(i, (method, amount))| {
                    let amount = if i + 1 == parts.len() { left } else { left.min(*amount) };
                    left -= amount;
                    Payment::card(METHODS[*method], &format!("pi_{i}"), Cents(amount), made)
                })
                .collect();
            let one = payments.len() == 1;
            let order = Order {
                status: if refunded.0 == paid && paid > 0 { Status::Refunded } else { Status::Completed },
                method: Some(if one { payments[0].method } else { Method::Split }),
                subtotal: Cents(paid - tax - tip),
                tax: Cents(tax),
                tip: Cents(tip),
                paid: Cents(paid),
                refunded,
                payments: payments.len() as u32,
                created_at: made,
                ..order(paid)
            };
            FullOrder { order, lines, payments: if one { vec![] } else { payments }, refunds: vec![] }
        },
    )
}

/// All that a report says.
fn said(report: &SalesReport) -> String {
    let (named, others) = report.products(3);
    let methods: Vec<_> = report.methods().collect();
    let figures = (report.total, report.subtotal, report.tax, report.tips, report.refunds, report.refunded_orders);
    let money = (report.fees(), report.net(), report.quick_charges, report.adjustments);
    format!("{figures:?} {money:?} {named:?} {others:?} {methods:?} {:?} {:?}", report.hours, report.by_day)
}

proptest! {
    #[test]
    fn parts_add_up_to_the_whole(sales in prop::collection::vec(any_sale(), 0..30), limit in 0..6usize) {
        let report = reckon(&sales, Tier::Starter);
        let counted: Vec<_> = sales.iter().filter(|sale| days().contains(sale.order.created_at)).collect();
        let paid: Cents = counted.iter().map(|sale| sale.order.paid).sum();
        let refunded: Cents = counted.iter().map(|sale| sale.order.refunded).sum();
        let orders = counted.len() as i64;
        prop_assert_eq!(report.total, Sum { orders, revenue: paid });
        prop_assert_eq!(report.refunds, refunded);
        prop_assert_eq!(report.subtotal + report.tax + report.tips, paid);
        let (named, others) = report.products(limit);
        prop_assert!(named.len() <= limit);
        let listed = named.iter().map(|sold| sold.amount).sum::<Cents>() + others.amount;
        prop_assert_eq!(listed + report.quick_charges.revenue + report.adjustments, report.subtotal);
        let pieces = named.iter().map(|sold| sold.quantity).sum::<u64>() + others.quantity;
        let sold = counted.iter().flat_map(|sale| &sale.lines).map(|line| u64::from(line.quantity)).sum::<u64>();
        prop_assert_eq!(pieces, sold);
        for parts in [report.hours.to_vec(), report.by_day.values().copied().collect()] {
            prop_assert_eq!(parts.iter().map(|sum| sum.revenue).sum::<Cents>(), paid);
            prop_assert_eq!(parts.iter().map(|sum| sum.orders).sum::<i64>(), orders);
        }
        prop_assert_eq!(report.methods().map(|(_, sum)| sum.revenue).sum::<Cents>(), paid);
        let fees: Cents = counted.iter().map(|sale| {
            let charged: Vec<_> = sale.payments.iter().filter(|payment| !payment.amount.is_zero()).cloned().collect();
            let whole = sale.payments.is_empty() || !charged.is_empty();
            if whole { transaction::fees(&sale.order, &charged, Tier::Starter).processing } else { Cents::ZERO }
        }).sum();
        prop_assert_eq!(report.fees(), fees, "as the transactions' page says");
        prop_assert_eq!(report.net() + report.fees() + report.refunds, paid);
    }

    #[test]
    fn the_order_of_sales_does_not_matter(
        (sales, shuffled) in prop::collection::vec(any_sale(), 0..20)
            .prop_flat_map(|sales| (Just(sales.clone()), Just(sales).prop_shuffle())),
    ) {
        prop_assert_eq!(said(&reckon(&sales, Tier::Pro)), said(&reckon(&shuffled, Tier::Pro)));
    }
}
