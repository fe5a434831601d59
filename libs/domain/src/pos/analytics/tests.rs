use jiff::SignedDuration;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::pos::order::{Status, tests::order};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn sale(made: Timestamp, paid: i64) -> Order {
    let paid = Cents(paid);
    Order { created_at: made, status: Status::Completed, total: paid, paid, method: Some(Method::Cash), ..order(0) }
}

/// A Wednesday.
fn now() -> Timestamp {
    at("2026-03-11T15:30:00Z")
}

fn bounds(span: Span, offset: i32, zone: TimeZone) -> [String; 3] {
    let period = Period::new(span, offset, now(), zone);
    [period.since(), period.from(), period.to()].map(|at| at.to_string())
}

#[test]
fn periods_and_those_before_them() {
    let utc = |span, offset| bounds(span, offset, TimeZone::UTC);
    assert_eq!(utc(Span::Today, 0), ["2026-03-10T00:00:00Z", "2026-03-11T00:00:00Z", "2026-03-12T00:00:00Z"]);
    assert_eq!(utc(Span::Today, -11), ["2026-02-27T00:00:00Z", "2026-02-28T00:00:00Z", "2026-03-01T00:00:00Z"]);
    assert_eq!(utc(Span::Week, 0), ["2026-03-02T00:00:00Z", "2026-03-09T00:00:00Z", "2026-03-16T00:00:00Z"]);
    assert_eq!(utc(Span::Week, -1)[1..], ["2026-03-02T00:00:00Z", "2026-03-09T00:00:00Z"]);
    assert_eq!(utc(Span::Month, 0), ["2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z"]);
    assert_eq!(utc(Span::Month, -12)[1..], ["2025-03-01T00:00:00Z", "2025-04-01T00:00:00Z"]);
    let all = utc(Span::All, 0);
    assert_eq!((all[0] == all[1], all[2].as_str()), (true, "2026-03-12T00:00:00Z"));
    assert_eq!(utc(Span::Week, 7), utc(Span::Week, 0), "the future is not told");
    assert_eq!(utc(Span::Week, i32::MIN), utc(Span::Week, -FARTHEST));
}

/// In New York the clocks went forward on the 8th.
#[test]
fn a_day_is_the_organizations_own() {
    let new_york = TimeZone::get("America/New_York").unwrap();
    let today = bounds(Span::Today, 0, new_york.clone());
    assert_eq!(today, ["2026-03-10T04:00:00Z", "2026-03-11T04:00:00Z", "2026-03-12T04:00:00Z"]);
    let sunday = bounds(Span::Today, -3, new_york.clone());
    assert_eq!(sunday[1..], ["2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"], "a day of 23 hours");
    let mut figures = Figures::new(Period::new(Span::Today, 0, now(), new_york));
    assert!(figures.add(&sale(at("2026-03-12T03:59:00Z"), 100)), "11 in the evening");
    assert!(!figures.add(&sale(at("2026-03-12T04:00:00Z"), 100)));
    assert_eq!(figures.hours(), [(23, 1, 100)]);
    assert_eq!(figures.revenue()[23], ("11 PM".to_owned(), Cents(100)));
}

#[test]
fn labels() {
    let labels = |span| {
        let mut figures = Figures::new(Period::new(span, 0, now(), TimeZone::UTC));
        figures.add(&sale(at("2026-01-31T10:00:00Z"), 100));
        figures.revenue().into_iter().map(|(label, _)| label).collect::<Vec<_>>()
    };
    let day = labels(Span::Today);
    assert_eq!((day.len(), &day[0][..], &day[12][..], &day[13][..]), (24, "12 AM", "12 PM", "1 PM"));
    assert_eq!(labels(Span::Week), ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]);
    let month = labels(Span::Month);
    assert_eq!((month.len(), &month[0][..], &month[30][..]), (31, "1", "31"));
    assert_eq!(labels(Span::All), ["Jan 2026", "Feb 2026", "Mar 2026"]);
}

#[test]
fn a_small_week() {
    let mut figures = Figures::new(Period::new(Span::Week, 0, now(), TimeZone::UTC));
    let catalog = CatalogId::from_random([1; 16]);
    let monday = sale(at("2026-03-09T09:00:00Z"), 1000);
    let refunded_in_part = Order { refunded: Cents(400), method: Some(Method::TapToPay), ..monday.clone() };
    let quick = Order { quick_charge: true, catalog: Some(catalog), ..sale(at("2026-03-10T21:10:00Z"), 1400) };
    assert!(figures.add(&monday) && figures.add(&refunded_in_part) && figures.add(&quick));
    assert!(!figures.add(&sale(at("2026-03-08T23:59:59Z"), 700)), "last week's");
    assert!(!figures.add(&sale(at("2026-03-01T12:00:00Z"), 900)), "of the week before that");
    assert_eq!(figures.total, Sum { orders: 3, revenue: Cents(3000) });
    assert_eq!((figures.total.average(), figures.previous), (Cents(1000), Sum { orders: 1, revenue: Cents(700) }));
    let amounts: Vec<i64> = figures.revenue().iter().map(|(_, amount)| amount.0).collect();
    assert_eq!(amounts, [1600, 1400, 0, 0, 0, 0, 0]);
    assert_eq!(figures.methods(), [("cash", 2, 67), ("tap_to_pay", 1, 33)]);
    assert_eq!(figures.hours(), [(9, 2, 67), (21, 1, 33)]);
    assert_eq!(
        figures.catalogs(),
        [
            (None, Sum { orders: 2, revenue: Cents(1600) }, 53),
            (Some(catalog), Sum { orders: 1, revenue: Cents(1400) }, 47)
        ]
    );
    assert_eq!((figures.quick_charges, figures.quick_charge_share()), (Sum { orders: 1, revenue: Cents(1400) }, 47));
}

#[test]
fn a_period_without_sales_is_all_zeros() {
    let figures = Figures::new(Period::new(Span::All, 0, now(), TimeZone::UTC));
    assert_eq!((figures.total.average(), figures.revenue().len(), figures.methods().len()), (Cents::ZERO, 0, 0));
    assert_eq!((figures.hours().len(), figures.catalogs().len(), figures.quick_charge_share()), (0, 0, 0));
    assert!(top_products(std::iter::empty()).is_empty() && categories(std::iter::empty()).is_empty());
}

fn line(product: u8, category: u8, quantity: u32, price: i64) -> Line {
    Line {
        id: Uuid::nil(),
        product: (product > 0).then(|| ProductId::from_random([product; 16])),
        catalog_product: None,
        category: (category > 0).then(|| CategoryId::from_random([category; 16])),
        name: format!("Product {product}"),
        quantity,
        unit_price: Cents(price),
        notes: None,
    }
}

#[test]
fn products_and_categories_by_what_they_brought() {
    let mut renamed = line(1, 1, 1, 500);
    renamed.name = "New name".into();
    let lines = [line(1, 1, 2, 500), line(2, 1, 1, 2000), line(0, 0, 3, 100), renamed];
    let top = top_products(lines.iter());
    let shown: Vec<_> = top.iter().map(|sold| (sold.name.as_str(), sold.quantity, sold.revenue.0)).collect();
    assert_eq!(shown, [("Product 2", 1, 2000), ("Product 1", 3, 1500), ("Product 0", 3, 300)]);
    let categories = categories(lines.iter());
    let shown: Vec<_> = categories.iter().map(|(sold, share)| (sold.id.is_some(), sold.revenue.0, *share)).collect();
    assert_eq!(shown, [(true, 3500, 92), (false, 300, 8)]);
}

#[test]
fn a_buyer_who_comes_twice_is_one() {
    let mut day = Day::default();
    for email in [Some("ana@example.com"), Some("ana@example.com"), Some("bo@example.com"), None] {
        day.add(&Order { customer_email: email.map(str::to_owned), ..sale(now(), 500) });
    }
    assert_eq!((day.customers(), day.sum), (2, Sum { orders: 4, revenue: Cents(2000) }));
}

fn spans() -> impl Strategy<Value = Span> {
    prop::sample::select(vec![Span::Today, Span::Week, Span::Month, Span::All])
}

fn zones() -> impl Strategy<Value = TimeZone> {
    let named = ["UTC", "America/New_York", "Asia/Kolkata", "Pacific/Apia", "Australia/Lord_Howe", "America/Guatemala"];
    prop::sample::select(named.to_vec()).prop_map(|name| TimeZone::get(name).unwrap())
}

proptest! {
    #[test]
    fn percentages_add_up(parts in prop::collection::vec(0..1_000_000_000_000i64, 1..30)) {
        let shares = percentages(&parts);
        let whole: i64 = parts.iter().sum();
        prop_assert_eq!(shares.iter().sum::<u32>(), if whole == 0 { 0 } else { 100 });
        for (part, share) in parts.iter().zip(shares) {
            let exact = if whole == 0 { 0.0 } else { *part as f64 * 100.0 / whole as f64 };
            prop_assert!((f64::from(share) - exact).abs() < 1.0 + 1e-6);
        }
    }

    #[test]
    fn every_sale_is_in_one_place_and_the_parts_are_the_whole(
        span in spans(),
        offset in -3..=0i32,
        zone in zones(),
        sales in prop::collection::vec((-60 * 24 * 70..60 * 24i64, 0..100_000i64, 0..100u8, 0..4u8, any::<bool>()), 0..60),
    ) {
        let period = Period::new(span, offset, now(), zone);
        let mut figures = Figures::new(period.clone());
        let (mut inside, mut before) = (Sum::default(), Sum::default());
        let mut lines = vec![];
        for (minutes, paid, refunded, kind, quick) in sales {
            let method = [Some(Method::Cash), Some(Method::TapToPay), Some(Method::Split), None][usize::from(kind)];
            let order = Order {
                refunded: Cents(paid * i64::from(refunded) / 100),
                method,
                quick_charge: quick,
                catalog: (kind > 1).then(|| CatalogId::from_random([kind; 16])),
                ..sale(now() + SignedDuration::from_mins(minutes), paid)
            };
            let made = order.created_at;
            let is_inside = made >= period.from() && made < period.to();
            prop_assert_eq!(figures.add(&order), is_inside);
            if is_inside {
                inside.add(order.net_sales());
                lines.push(line(kind, kind / 2, u32::from(refunded) + 1, paid));
            } else if made >= period.since() && made < period.from() {
                before.add(order.net_sales());
            }
        }
        prop_assert_eq!((figures.total, figures.previous), (inside, before));
        prop_assert_eq!(figures.revenue().iter().map(|(_, amount)| *amount).sum::<Cents>(), inside.revenue);
        prop_assert_eq!(figures.catalogs().iter().map(|(_, sum, _)| sum.revenue).sum::<Cents>(), inside.revenue);
        prop_assert_eq!(figures.catalogs().iter().map(|(_, sum, _)| sum.orders).sum::<i64>(), inside.orders);
        prop_assert_eq!(figures.methods().iter().map(|(_, count, _)| count).sum::<i64>(), inside.orders);
        prop_assert_eq!(figures.hours().iter().map(|(_, count, _)| count).sum::<i64>(), inside.orders);
        let all = if inside.orders == 0 { 0 } else { 100 };
        prop_assert_eq!(figures.methods().iter().map(|(_, _, share)| share).sum::<u32>(), all);
        prop_assert_eq!(figures.hours().iter().map(|(_, _, share)| share).sum::<u32>(), all);
        prop_assert!((figures.total.average().0 * inside.orders - inside.revenue.0).abs() <= inside.orders / 2 + 1);

        let gross: Cents = lines.iter().map(|line| line.unit_price.times(line.quantity)).sum();
        prop_assert_eq!(categories(lines.iter()).iter().map(|(sold, _)| sold.revenue).sum::<Cents>(), gross);
        prop_assert_eq!(top_products(lines.iter()).iter().map(|sold| sold.revenue).sum::<Cents>(), gross);
    }
}
