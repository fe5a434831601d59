//! Reports: asked for once, drawn once, given up for good; what they are reckoned from; the week's.

use domain::{
    ids::{CatalogId, OrgId, ReportId, UserId},
    money::{Cents, Currency},
    pos::{
        days::Days,
        order::{Line, Method, Order, Payment, Status},
        report::{
            KEPT, Report, ReportStatus, ReportTask, Sale, SalesReport, Scope, WeeklyFigures, WeeklyReport, report_id,
        },
        tier::Tier,
    },
};
use futures_util::future::join_all;
use jiff::{SignedDuration, ToSpan, civil};
use uuid::Uuid;

use crate::{
    sales::{sale, save},
    world::*,
};

/// The day of `now()`, and the next.
fn days() -> Days {
    let first = domain::pos::days::day_of(now());
    Days::new(first, first.tomorrow().unwrap()).unwrap()
}

fn report(n: u8, at: i64) -> Report {
    let scope = Scope { days: days(), catalog: None };
    Report::new(ReportId::from_random([n; 16]), org(), scope, UserId::from_random([5; 16]), later(at))
}

#[tokio::test]
async fn a_report_is_a_row_that_waits_and_is_forgotten() {
    let world = World::new().await;
    let pos = world.store.pos();
    let first = report(1, 0);
    assert_eq!(pos.create_report(&first).await.unwrap(), first);
    let (pk, sk) = (format!("ORG#{}#REPORTS", org()), format!("REPORT#{}", first.id));
    let item = world.item(&pk, &sk).await.unwrap();
    let name = serde_json::to_string(&first.task()).unwrap();
    let millis = first.created_at.as_millisecond();
    assert_keys(
        &item,
        &[
            ("pk", pk.clone()),
            ("entity", "report".into()),
            ("sk", sk),
            ("gsi1pk", pk.clone()),
            ("gsi1sk", format!("{millis:013}#{}", first.id)),
            ("gsi2pk", format!("REPORTS#{}", shard(&name))),
            ("gsi2sk", format!("{millis:013}#{name}")),
        ],
    );
    assert_eq!(item["ttl"], n((first.created_at + KEPT).as_second()));
    assert_eq!(pos.load_report(org(), first.id).await.unwrap(), Some(first.clone()));
    assert_eq!(pos.load_report(other_org(), first.id).await.unwrap(), None, "another organization's");

    for (n, at) in [(2, 20), (3, 10)] {
        pos.create_report(&report(n, at)).await.unwrap();
    }
    let listed = |limit, offset| async move {
        let listed = pos.list_reports(org(), limit, offset).await.unwrap();
        listed.iter().map(|report| report.created_at.duration_since(now()).as_secs()).collect::<Vec<_>>()
    };
    assert_eq!((listed(10, 0).await, listed(1, 1).await), (vec![20, 10, 0], vec![10]));
    assert!(pos.list_reports(other_org(), 10, 0).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_repeat_meets_the_first() {
    let world = World::new().await;
    let pos = world.store.pos();
    let id = report_id(org(), "key");
    let with = |days| Report { id, scope: Scope { days, catalog: None }, ..report(1, 0) };
    let one_day = Days::one(civil::date(2027, 1, 1));
    let answers = join_all((0..6).map(|i| {
        let asked = if i % 2 == 0 { with(days()) } else { with(one_day) };
        async move { pos.create_report(&asked).await.unwrap() }
    }))
    .await;
    assert!(answers.iter().all(|answer| *answer == answers[0]), "all are told of the one that is there");
    assert_eq!(world.all("report").await.len(), 1);
}

#[tokio::test]
async fn a_report_that_is_ready_stays_ready() {
    let world = World::new().await;
    let pos = world.store.pos();
    let waiting = pos.create_report(&report(1, 0)).await.unwrap();
    assert_eq!(pos.list_waiting_reports(later(1), 10).await.unwrap(), [waiting.task()]);
    assert!(pos.list_waiting_reports(later(0), 10).await.unwrap().is_empty(), "younger");
    let begun = pos.begin_report(org(), waiting.id).await.unwrap().unwrap();
    assert_eq!((begun.attempts, begun.status), (1, ReportStatus::Pending));
    let marks = join_all((0..4).map(|_| pos.mark_report_ready(&begun, later(5)))).await;
    assert_eq!(marks.into_iter().filter(|mark| *mark.as_ref().unwrap()).count(), 1);
    assert!(pos.begin_report(org(), waiting.id).await.unwrap().is_none(), "drawn");
    assert!(!pos.mark_report_failed(&begun).await.unwrap(), "a slower worker");
    let ready = pos.load_report(org(), waiting.id).await.unwrap().unwrap();
    assert_eq!((ready.status, ready.ready_at, ready.attempts), (ReportStatus::Ready, Some(later(5)), 1));
    assert!(pos.list_waiting_reports(later(100), 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_report_that_was_given_up_may_still_be_drawn() {
    let world = World::new().await;
    let pos = world.store.pos();
    let waiting = pos.create_report(&report(1, 0)).await.unwrap();
    for attempt in 1..=3 {
        assert_eq!(pos.begin_report(org(), waiting.id).await.unwrap().unwrap().attempts, attempt);
    }
    assert!(pos.mark_report_failed(&waiting).await.unwrap());
    assert!(!pos.mark_report_failed(&waiting).await.unwrap());
    assert!(pos.list_waiting_reports(later(100), 10).await.unwrap().is_empty(), "the sweeper leaves it");
    assert!(pos.begin_report(org(), waiting.id).await.unwrap().is_some(), "an operator sends its message again");
    assert!(pos.mark_report_ready(&waiting, later(9)).await.unwrap());
}

#[tokio::test]
async fn what_is_gone_is_not_written_again() {
    let world = World::new().await;
    let pos = world.store.pos();
    let gone = report(1, 0);
    assert!(pos.begin_report(org(), gone.id).await.unwrap().is_none());
    assert!(!pos.mark_report_ready(&gone, now()).await.unwrap());
    assert!(!pos.mark_report_failed(&gone).await.unwrap());
    assert!(world.everything().await.is_empty());
}

#[tokio::test]
async fn a_corrupt_name_keeps_no_other_waiting() {
    let world = World::new().await;
    let pos = world.store.pos();
    world
        .put(Item::from([
            ("pk".into(), s("X")),
            ("sk".into(), s("X")),
            ("gsi2pk".into(), s("REPORTS#0")),
            ("gsi2sk".into(), s("0000000000001#{\"kind\":\"nonsense\"}")),
        ]))
        .await;
    let waiting = pos.create_report(&report(1, 0)).await.unwrap();
    assert_eq!(pos.list_waiting_reports(later(1), 10).await.unwrap(), [waiting.task()]);
}

fn line(name: &str, unit_price: i64) -> Line {
    Line {
        id: Uuid::from_u128(1),
        product: None,
        catalog_product: None,
        category: None,
        name: name.into(),
        quantity: 1,
        unit_price: Cents(unit_price),
        notes: None,
    }
}

#[tokio::test]
async fn sales_are_reckoned_with_their_lines_and_payments() {
    let world = World::new().await;
    let pos = world.store.pos();
    let catalog = CatalogId::from_random([6; 16]);
    let mut expected = SalesReport::new(days(), Currency::USD, Tier::Starter);
    let lines = [line("Lemonade", 1000)];
    // More than are loaded at once, every second from the catalog, every fifth given back.
    for i in 0..450i64 {
        let mut order = Order { item_count: 1, ..sale(org(), i as u64, later(i)) };
        order.catalog = (i % 2 == 0).then_some(catalog);
        if i % 5 == 0 {
            (order.refunded, order.status) = (order.paid, Status::Refunded);
        }
        save(&world, &order, &lines).await;
        expected.add(&Sale { order: &order, lines: &lines, payments: &[] });
    }
    save(&world, &Order { status: Status::Failed, ..sale(org(), 1000, now()) }, &lines).await;
    save(&world, &sale(other_org(), 1, now()), &lines).await;
    save(&world, &sale(org(), 1001, now() + SignedDuration::from_hours(48)), &lines).await;

    let scope = |catalog| Scope { days: days(), catalog };
    let reckon = async |org: OrgId, catalog| {
        let empty = SalesReport::new(days(), Currency::USD, Tier::Starter);
        pos.reckon_sales(org, &scope(catalog), empty).await.unwrap()
    };
    let all = reckon(org(), None).await;
    assert_eq!((all.total.orders, all.total.revenue), (450, Cents(450_000)));
    assert_eq!((all.refunds, all.refunded_orders), (Cents(90_000), 90));
    assert_eq!(all.products(10), expected.products(10));
    assert_eq!((all.hours, &all.by_day), (expected.hours, &expected.by_day));
    let of_catalog = reckon(org(), Some(catalog)).await;
    assert_eq!((of_catalog.total.orders, of_catalog.refunded_orders), (225, 45));
    assert_eq!(of_catalog.products(1).0[0].quantity, 225);
    assert_eq!(reckon(other_org(), Some(catalog)).await.total.orders, 0, "another organization's catalog");
}

#[tokio::test]
async fn a_split_order_is_reckoned_by_its_payments() {
    let world = World::new().await;
    let pos = world.store.pos();
    let open = Order { status: Status::Pending, paid: Cents::ZERO, payments: 0, method: None, ..sale(org(), 1, now()) };
    save(&world, &open, &[]).await;
    let card = Payment::card(Method::Card, "pi_1", Cents(400), now());
    let cash = Payment::cash(Uuid::from_u128(2), Cents(600), Cents::ZERO, Cents(600), now());
    let mut order = open;
    for payment in [&card, &cash] {
        let after = order.pay(payment, now()).unwrap();
        assert!(pos.add_payment(&order, &after, payment, None).await.unwrap());
        order = after;
    }
    let empty = SalesReport::new(days(), Currency::USD, Tier::Starter);
    let report = pos.reckon_sales(org(), &Scope { days: days(), catalog: None }, empty).await.unwrap();
    let methods: Vec<_> = report.methods().map(|(method, sum)| (method, sum.revenue)).collect();
    assert_eq!(methods, [(Method::Card, Cents(400)), (Method::Cash, Cents(600))]);
    assert_eq!(report.quick_charges.orders, 1);
}

#[tokio::test]
async fn a_week_is_reckoned_once_for_all() {
    let world = World::new().await;
    let pos = world.store.pos();
    let week = civil::date(2027, 1, 11);
    let weekly = |orders| {
        let figures = WeeklyFigures { orders, ..WeeklyFigures::empty(week, Currency::USD) };
        WeeklyReport { org: org(), figures, pdf: Some(WeeklyReport::file_key(org(), week)), created_at: now() }
    };
    assert!(pos.save_weekly_report(&weekly(3)).await.unwrap());
    assert!(!pos.save_weekly_report(&weekly(4)).await.unwrap(), "the first is what everybody is sent");
    assert_eq!(pos.load_weekly_report(org(), week).await.unwrap(), Some(weekly(3)));
    let item = world.item(&format!("ORG#{}", org()), "WEEK#2027-01-11").await.unwrap();
    assert_eq!(item["ttl"], n((now() + KEPT).as_second()));
}

#[tokio::test]
async fn the_week_that_was_asked_for_only_moves_forward() {
    let world = World::new().await;
    let pos = world.store.pos();
    assert_eq!(pos.load_weeks_asked().await.unwrap(), None);
    let week = civil::date(2027, 1, 11);
    for (ask, stands) in [(week, week), (week.saturating_sub(7.days()), week), (week, week)] {
        pos.save_weeks_asked(ask).await.unwrap();
        assert_eq!(pos.load_weeks_asked().await.unwrap(), Some(stands));
    }
    assert!(world.item("WEEKS", "WEEKS").await.is_some());
    let task = ReportTask::Week { org: org(), week };
    assert_eq!(serde_json::from_str::<ReportTask>(&serde_json::to_string(&task).unwrap()).unwrap(), task);
}
