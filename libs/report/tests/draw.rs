//! Reports as they are drawn. Each is also left in cargo's directory for tests' files (`target/tmp`), to be looked at.
// A test may panic.
#![allow(clippy::unwrap_used)]

use domain::{
    ids::{OrgId, ProductId, UserId},
    money::{Cents, Currency},
    pos::{
        days::Days,
        order::{Line, Method, Order, OrderId, Status},
        report::{Sale, SalesReport},
        tier::Tier,
    },
};
use jiff::{SignedDuration, Timestamp, civil::date};
use report::{Heading, MAX_PRODUCTS, draw};
use uuid::Uuid;

const ORG: OrgId = OrgId(Uuid::from_u128(7));

fn monday() -> Timestamp {
    "2027-03-01T00:00:00Z".parse().unwrap()
}

fn order(made: Timestamp, subtotal: i64, method: Method) -> Order {
    let (tax, tip) = (subtotal * 8 / 100, subtotal / 10);
    let paid = Cents(subtotal + tax + tip);
    Order {
        id: OrderId::new(ORG, made, 1, 0),
        org: ORG,
        version: 2,
        status: Status::Completed,
        method: Some(method),
        subtotal: Cents(subtotal),
        tax: Cents(tax),
        tip: Cents(tip),
        total: paid,
        paid,
        refunded: Cents::ZERO,
        payments: 1,
        intent: None,
        account: None,
        customer_email: None,
        customer: None,
        catalog: None,
        user: UserId(Uuid::nil()),
        device: None,
        notes: None,
        hold_name: None,
        held_at: None,
        held_by: None,
        quick_charge: false,
        description: None,
        item_count: 1,
        created_at: made,
        updated_at: made,
        completed_at: Some(made),
    }
}

fn line(product: u128, name: &str, quantity: u32, unit_price: i64) -> Line {
    Line {
        id: Uuid::nil(),
        product: Some(ProductId(Uuid::from_u128(product))),
        catalog_product: None,
        category: None,
        name: name.to_owned(),
        quantity,
        unit_price: Cents(unit_price),
        notes: None,
    }
}

/// A week in which each of these products was sold some times, most at noon and in the evening.
fn week(names: &[String], currency: Currency) -> SalesReport {
    let days = Days::new(date(2027, 3, 1), date(2027, 3, 7)).unwrap();
    let mut report = SalesReport::new(days, currency, Tier::Starter);
    let hours = [9, 11, 12, 12, 12, 13, 15, 17, 18, 18, 18, 18, 19, 19, 20, 22];
    for (i, name) in names.iter().enumerate() {
        for sold in 0..7 + (names.len() - i) % 13 {
            let hour = hours[(i * 7 + sold * 3) % hours.len()] + 24 * ((sold * sold + i) as i64 % 7);
            let made = monday() + SignedDuration::from_mins(hour * 60 + sold as i64);
            let methods = [Method::TapToPay, Method::TapToPay, Method::Cash, Method::Card];
            let lines = [line(i as u128, name, 1 + (sold % 3) as u32, 250 + 35 * (i as i64 % 40))];
            let subtotal = lines[0].unit_price.times(lines[0].quantity);
            let mut order = order(made, subtotal.0, methods[(i + sold) % methods.len()]);
            if (i + sold) % 19 == 0 {
                order.refunded = order.paid;
            }
            report.add(&Sale { order: &order, lines: &lines, payments: &[] });
        }
    }
    report
}

fn names(count: usize) -> Vec<String> {
    let known = [
        "Lemonade, large",
        "Grilled cheese (Gruyère)",
        "Oat cookie",
        "Café con leche",
        "Кофе",
        "🍋 Zitronentarte",
        "北京烤鸭",
    ];
    (0..count).map(|i| match known.get(i) {
        Some(name) => (*name).to_owned(),
        None => format!("Product \\{i} with (one) bracket) and a name that is long enough to be cut at the end of its column, surely"),
    }).collect()
}

fn drawn(name: &str, organization: &str, report: &SalesReport) -> Vec<u8> {
    let heading = Heading { organization, catalog: None, made_at: monday() + SignedDuration::from_hours(7 * 24 + 6) };
    let pdf = draw(&heading, report);
    std::fs::write(format!("{}/report-{name}.pdf", env!("CARGO_TARGET_TMPDIR")), &pdf).unwrap();
    pdf
}

/// Everything that is shown on all pages, one text each. Streams are not compressed; a text is in brackets, or, with
/// letters beyond ASCII, in hexadecimal.
fn shown(pdf: &[u8]) -> Vec<String> {
    let text: String = pdf.iter().map(|byte| char::from(*byte)).collect();
    let plain = |text: &str| text.replace("\\(", "(").replace("\\)", ")").replace("\\\\", "\\");
    let byte = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
    let hex = |text: &str| text.as_bytes().chunks(2).map(|digits| char::from(byte(digits))).collect::<String>();
    let read = |line: &str| {
        let text = line.strip_suffix(" Tj")?;
        let bracketed = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
        bracketed.map(plain).or_else(|| Some(hex(text.strip_prefix('<')?.strip_suffix('>')?)))
    };
    text.lines().filter_map(read).collect()
}

fn pages(pdf: &[u8]) -> usize {
    String::from_utf8_lossy(pdf).matches("/Type /Page\n").count()
}

#[test]
fn a_week_on_two_pages() {
    let report = week(&names(7), Currency::USD);
    let pdf = drawn("week", "Lemon & Lime (Bar)", &report);
    let shown = shown(&pdf);
    let has = |text: &str| assert!(shown.iter().any(|shown| shown == text), "{text}: {shown:#?}");
    let money = |cents| domain::words::money(cents, Currency::USD);
    for text in
        ["SALES REPORT", "Lemon & Lime (Bar)", "Lemonade, large", "Kofe", "lemon Zitronentarte", "Bei Jing Kao Ya"]
    {
        has(text);
    }
    for cents in [
        report.total.revenue,
        report.subtotal,
        report.tax,
        report.tips,
        -report.refunds,
        -report.platform_fees,
        -report.processing_fees,
        report.net(),
        report.total.average(),
    ] {
        has(&money(cents));
    }
    for (method, sum) in report.methods() {
        assert_ne!(method, Method::Split);
        has(&money(sum.revenue));
        has(&format!("{} ×", sum.orders));
    }
    for sold in report.products(7).0 {
        has(&money(sold.amount));
    }
    for hour in 0..24 {
        has(&format!("{hour:02}"));
    }
    for day in ["Mon 1", "Sun 7"] {
        has(day);
    }
    assert_eq!(pages(&pdf), 2);
    has("Page 1 of 2");
}

#[test]
fn three_hundred_products_on_pages_that_all_say_what_they_are() {
    let pdf = drawn("products", "Fairground", &week(&names(300), "GTQ".parse().unwrap()));
    let shown = shown(&pdf);
    let count = |text: &str| shown.iter().filter(|shown| *shown == text).count();
    let all = pages(&pdf);
    assert!((7..=9).contains(&all), "{all} pages");
    assert_eq!((count("Products"), count("Products, continued")), (1, all - 2));
    assert_eq!((count("Product"), count("Quantity")), (all - 1, all - 1), "repeated headings");
    assert_eq!((count(&format!("Page {all} of {all}")), count("Total, without tax and tips")), (1, 1));
    assert_eq!(shown.iter().filter(|text| text.starts_with("Product \\")).count(), 293);
}

#[test]
fn too_many_products_are_one_row() {
    let report = week(&names(MAX_PRODUCTS + 20), Currency::USD);
    let shown = shown(&drawn("others", "Fairground", &report));
    let (named, others) = report.products(MAX_PRODUCTS);
    assert_eq!((named.len(), others.products), (MAX_PRODUCTS, 20));
    let row = shown.iter().position(|text| text == "20 other products").unwrap();
    let expected = [domain::words::number(others.quantity), domain::words::money(others.amount, Currency::USD)];
    assert_eq!(shown[row + 1..row + 3], expected);
}

#[test]
fn a_day_without_sales_and_one_of_quick_charges() {
    let day = Days::one(date(2027, 3, 1));
    let mut report = SalesReport::new(day, Currency::USD, Tier::Pro);
    let pdf = drawn("nothing", "Lemon & Lime", &report);
    assert!(shown(&pdf).iter().any(|text| text == "Nothing was sold in this period."));
    assert_eq!(pages(&pdf), 1);
    report.add(&Sale { order: &order(monday(), 5000, Method::Card), lines: &[], payments: &[] });
    let pdf = drawn("quick", "Lemon & Lime", &report);
    let texts = shown(&pdf);
    assert!(texts.iter().any(|text| text == "Quick charges, without products"));
    assert!(!texts.iter().any(|text| text == "Sales by day"), "one day is no chart");
    assert_eq!(pages(&pdf), 1);
}

#[test]
fn a_year_in_months() {
    let days = Days::new(date(2026, 3, 2), date(2027, 3, 1)).unwrap();
    let mut report = SalesReport::new(days, Currency::USD, Tier::Pro);
    for week in 0..52 {
        let made = monday() - SignedDuration::from_hours(24 * 7 * week - 12);
        let lines = [line(1, "Lemonade", 3, 600_000 + 70_000 * (week % 11))];
        let order = order(made, lines[0].unit_price.times(3).0, Method::TapToPay);
        report.add(&Sale { order: &order, lines: &lines, payments: &[] });
    }
    let shown = shown(&drawn("year", "Lemon & Lime", &report));
    for text in ["Sales by month", "Mar 2026", "Mar 2027"] {
        assert!(shown.iter().any(|shown| shown == text), "{text}");
    }
}

#[test]
fn the_same_input_is_the_same_bytes() {
    let pdf = |names| drawn("same", "Lemon & Lime", &week(names, Currency::USD));
    let names = names(40);
    assert_eq!(pdf(&names), pdf(&names));
    assert_ne!(pdf(&names), pdf(&names[1..]));
}

#[test]
fn nothing_from_outside_ends_a_text() {
    let names =
        ["a) Tj ET BT (b".to_owned(), "\\".to_owned(), "((((".to_owned(), "\u{0}\r\n".to_owned(), "ÿþ€".to_owned()];
    let pdf = drawn("hostile", ") Tj (\\", &week(&names, Currency::USD));
    let texts = shown(&pdf);
    assert!(texts.iter().any(|text| text == "a) Tj ET BT (b") && texts.iter().any(|text| text == "(((("));
    let text = String::from_utf8_lossy(&pdf).into_owned();
    assert_eq!(text.matches("\nBT\n").count(), text.matches("\nET\n").count());
    assert_eq!(texts.len(), text.matches("\nBT\n").count(), "each text is one");
}
