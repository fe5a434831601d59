//! `/pos/reports`: asked for, drawn by the worker, fetched; and the weekly one, by e-mail to those who want it.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{
    ids::{OrgId, ReportId, UserId},
    mail::MailKey,
    member::{Org, Role},
    money::Currency,
    pos::{
        days::{Days, day_of},
        report::{Report, ReportStatus, ReportTask, Scope, WeeklyFigures, WeeklyReport, last_due_week},
    },
};
use futures_util::future::join_all;
use jiff::ToSpan;
use local::chaos::Chaos;
use runtime::Ctx;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    app::{Answer, App, assert_exact_members},
    pos::till::{CASH, NOWHERE, Person, assert_time, id, invalid, order, pay_by_card, pay_cash, refused, sell},
};

const REPORT: &str = "id status startDate endDate catalogId createdAt readyAt expiresAt url";

const WEEK: i64 = 7 * 24 * 3600;

/// The day that it is in the cloud.
fn today(app: &App) -> String {
    day_of(app.cloud.now()).to_string()
}

/// Asks for today's report.
async fn ask(manager: &Person<'_>, key: &str, more: Value) -> Answer {
    let mut body = json!({"startDate": today(manager.app), "endDate": today(manager.app)});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    manager.post_once("/reports", key, &body).await
}

async fn show(manager: &Person<'_>, report: &Value) -> Value {
    manager.get(&format!("/reports/{}", id(report))).await.expect(200)
}

async fn status(manager: &Person<'_>, report: &Value) -> String {
    show(manager, report).await["status"].as_str().unwrap().to_owned()
}

/// Waits until it is drawn; the report then.
async fn ready(manager: &Person<'_>, report: &Value) -> Value {
    manager.app.until("the report is ready", async || status(manager, report).await == "ready").await;
    show(manager, report).await
}

/// What a PDF shows, one text each: its streams are not compressed.
fn texts(pdf: &str) -> Vec<String> {
    assert!(pdf.starts_with("%PDF-") && pdf.trim_end().ends_with("%%EOF"), "not a PDF");
    let shown = pdf.lines().filter_map(|line| line.strip_prefix('(')?.strip_suffix(") Tj"));
    shown.map(|text| text.replace("\\(", "(").replace("\\)", ")")).collect()
}

/// The text that follows a label.
#[track_caller]
fn after(texts: &[String], label: &str) -> String {
    let place = texts.iter().position(|text| text == label);
    texts[place.unwrap_or_else(|| panic!("no {label} in {texts:#?}")) + 1].clone()
}

/// Two for cash, one of them given back in part; one by card with tax and tip.
async fn sell_some(app: &App, token: &str) {
    sell(app, token, CASH, 1000).await;
    let back = sell(app, token, CASH, 2500).await;
    let path = format!("/pos/orders/{}/refund", id(&back));
    let answer = app.post(&path).token(token).json(&json!({"amount": 700})).send().await;
    assert!(answer.status.is_success(), "{}", answer.body);
    let lines = json!([{"name": "Кофе (large)", "quantity": 2, "unitPrice": 1000},
        {"name": "Lemonade", "quantity": 3, "unitPrice": 500}]);
    let more = json!({"items": lines, "subtotal": 3500, "taxAmount": 280, "tipAmount": 350, "totalAmount": 4130});
    let card = order(app, token, "tap_to_pay", 4130, more).await;
    pay_by_card(app, token, &card).await;
}

#[tokio::test]
async fn a_day_as_a_pdf() {
    let app = App::start().await;
    app.advance(2 * WEEK).await;
    let manager = Person::new(&app, "superadmin").await;
    sell_some(&app, &manager.token).await;
    order(&app, &manager.token, CASH, 9900, json!({})).await; // not paid
    app.cloud.drain().await;

    let asked = ask(&manager, "monday", json!({})).await.expect(202);
    assert_exact_members(&asked, REPORT);
    let day = today(&app);
    assert_eq!((&asked["status"], &asked["url"], &asked["readyAt"]), (&json!("pending"), &Value::Null, &Value::Null));
    assert_eq!((&asked["startDate"], &asked["endDate"], &asked["catalogId"]), (&json!(day), &json!(day), &Value::Null));
    assert_time(&asked["createdAt"]);
    assert_time(&asked["expiresAt"]);

    let ready = ready(&manager, &asked).await;
    assert_time(&ready["readyAt"]);
    let file = app.get(ready["url"].as_str().unwrap()).token(&manager.token).send().await;
    assert_eq!(file.headers["content-type"], "application/pdf");
    assert_eq!(file.headers["content-disposition"], format!("attachment; filename=\"sales-{day}-{day}.pdf\""));
    assert_eq!(file.headers["cache-control"], "private, no-store");
    let texts = texts(file.expect(200).as_str().unwrap());
    let shown = [
        ("SALES REPORT", "Home Productions"),
        ("Orders", "3"),
        ("Average order", "$25.43"),
        ("Sold, without tax and tips", "$70.00"),
        ("Tax", "$2.80"),
        ("Tips", "$3.50"),
        ("Refunds of 1 order", "-$7.00"),
        // 0.1 % + 1¢ and 2.7 % + 15¢ of $41.30.
        ("Platform fees", "-$0.05"),
        ("Card processing, estimated", "-$1.27"),
        ("Net", "$67.98"),
        ("Total, without tax and tips", "$70.00"),
    ];
    for (label, amount) in shown {
        assert_eq!(after(&texts, label), amount, "{label}");
    }
    assert_eq!(texts.iter().filter(|text| *text == "$76.30").count(), 2, "gross, above and in the summary");
    for text in ["$35.00", "$41.30", "Kofe (large)"] {
        assert!(texts.iter().any(|shown| shown == text), "{text}: {texts:#?}");
    }
    let lemonade = texts.iter().position(|text| text == "Lemonade").unwrap();
    assert_eq!(texts[lemonade + 1..lemonade + 3], ["5", "$50.00"], "two for cash, three by card");
    app.verify().await;
}

#[tokio::test]
async fn only_what_a_catalog_sold() {
    let app = App::start().await;
    app.advance(2 * WEEK).await;
    let manager = Person::new(&app, "superadmin").await;
    let catalog = manager.post("/catalogs", json!({"name": "Summer (bar)"})).await.expect(201);
    let of_catalog = order(&app, &manager.token, CASH, 1234, json!({"catalogId": id(&catalog)})).await;
    pay_cash(&app, &manager.token, &of_catalog, 1234).await;
    sell(&app, &manager.token, CASH, 5000).await;
    app.cloud.drain().await;
    let asked = ask(&manager, "catalog", json!({"catalogId": id(&catalog)})).await.expect(202);
    let ready = ready(&manager, &asked).await;
    let file = app.get(ready["url"].as_str().unwrap()).token(&manager.token).send().await.expect(200);
    let texts = texts(file.as_str().unwrap());
    assert_eq!((after(&texts, "Gross sales"), after(&texts, "Orders")), ("$12.34".into(), "1".into()));
    refused(ask(&manager, "nowhere", json!({"catalogId": NOWHERE})).await, 404, "CATALOG_NOT_FOUND");
}

#[tokio::test]
async fn a_key_asks_once() {
    let app = App::start().await;
    let manager = Person::new(&app, "admin").await;
    let answers = join_all((0..5).map(|_| ask(&manager, "key", json!({})))).await;
    let ids: BTreeSet<String> = answers.into_iter().map(|answer| id(&answer.expect(202)).to_owned()).collect();
    assert_eq!(ids.len(), 1);
    refused(ask(&manager, "key", json!({"startDate": "2026-01-01"})).await, 422, "IDEMPOTENCY_KEY_REUSED");
    let again = ask(&manager, "other", json!({})).await.expect(202);
    assert!(!ids.contains(id(&again)));
    ready(&manager, &again).await;
    let listed = manager.get("/reports?limit=1").await.expect(200);
    assert_eq!((id(&listed["reports"][0]), &listed["hasMore"]), (id(&again), &json!(true)), "newest first");
    let listed = manager.get("/reports?limit=1&offset=1").await.expect(200);
    assert_eq!((listed["reports"].as_array().unwrap().len(), &listed["hasMore"]), (1, &json!(false)));
    assert!(ids.contains(id(&listed["reports"][0])));
    assert_exact_members(&listed["reports"][0], REPORT);
}

#[tokio::test]
async fn what_is_refused() {
    let app = App::start().await;
    let manager = Person::new(&app, "admin").await;
    for (body, field) in [
        (json!({"startDate": "2026-1-1", "endDate": "2026-01-02"}), "startDate"),
        (json!({"startDate": "2026-01-01", "endDate": "2026-02-30"}), "endDate"),
        (json!({"startDate": "2026-01-02", "endDate": "2026-01-01"}), "endDate"),
        (json!({"startDate": "2025-01-01", "endDate": "2026-01-02"}), "endDate"),
        (json!({"startDate": "2026-01-01", "endDate": "2026-01-02", "catalogId": "x"}), "catalogId"),
        (json!({"endDate": "2026-01-02"}), "startDate"),
    ] {
        let answer = manager.post("/reports", body.clone()).await;
        let body = refused(answer, 400, "VALIDATION_ERROR");
        assert!(body["details"][0]["path"] == field || body.to_string().contains(field), "{field}: {body}");
    }
    for query in ["limit=0", "limit=101", "offset=1001"] {
        invalid(manager.get(&format!("/reports?{query}")).await, &query[..query.find('=').unwrap()]);
    }
    for path in [format!("/reports/{NOWHERE}"), "/reports/x".into(), format!("/reports/{NOWHERE}/file")] {
        refused(manager.get(&path).await, 404, "REPORT_NOT_FOUND");
    }
    let staff = Person::new(&app, "staff").await;
    refused(ask(&staff, "staff", json!({})).await, 403, "FORBIDDEN");
}

#[tokio::test]
async fn another_organizations_report_is_not_found() {
    let app = App::start().await;
    let manager = Person::new(&app, "admin").await;
    let asked = ask(&manager, "key", json!({})).await.expect(202);
    ready(&manager, &asked).await;
    app.change_member("other", |member| member.role = Some(Role::Superadmin)).await;
    let other = Person::new(&app, "other").await;
    for path in [format!("/reports/{}", id(&asked)), format!("/reports/{}/file", id(&asked))] {
        refused(other.get(&path).await, 404, "REPORT_NOT_FOUND");
    }
    assert_eq!(other.get("/reports").await.expect(200)["reports"], json!([]));
    let own = ask(&other, "key", json!({})).await.expect(202);
    assert_ne!(id(&own), id(&asked), "the same key of another organization");
}

#[tokio::test]
async fn a_report_is_forgotten_after_three_months() {
    let app = App::start().await;
    let manager = Person::new(&app, "admin").await;
    let asked = ask(&manager, "key", json!({})).await.expect(202);
    ready(&manager, &asked).await;
    app.advance(91 * 24 * 3600).await;
    let manager = Person::new(&app, "admin").await;
    refused(manager.get(&format!("/reports/{}/file", id(&asked))).await, 404, "REPORT_NOT_FOUND");
    assert_eq!(manager.get("/reports").await.expect(200)["reports"], json!([]));
}

/// A report that waits, of an organization that is not there: drawing it fails.
async fn hopeless(app: &App) -> Report {
    let org = OrgId::from_random([77; 16]);
    let scope = Scope { days: Days::one(day_of(app.cloud.now())), catalog: None };
    let report = Report::new(ReportId::from_random([78; 16]), org, scope, UserId(Uuid::nil()), app.cloud.now());
    app.cloud.ctx("pos-payments").store().pos().create_report(&report).await.unwrap()
}

async fn load(app: &App, report: &Report) -> Report {
    app.cloud.ctx("pos-payments").store().pos().load_report(report.org, report.id).await.unwrap().unwrap()
}

/// Gives the worker a message, as its queue does. Its answer names those that failed.
async fn work(app: &App, task: ReportTask) -> Value {
    let record = json!({"messageId": "m", "receiptHandle": "r", "body": serde_json::to_string(&task).unwrap(),
        "attributes": {}, "messageAttributes": {}, "eventSource": "aws:sqs"});
    app.cloud.invoke("workers-reports", json!({"Records": [record]})).await.unwrap()
}

#[tokio::test]
async fn three_tries_and_an_operators_fourth() {
    let app = App::start().await;
    app.cloud.sources().set_chaos(Some(Chaos { retry_at_once: true, ..Chaos::default() }));
    let report = hopeless(&app).await;
    app.until("it is given up", async || load(&app, &report).await.status == ReportStatus::Failed).await;
    assert_eq!(load(&app, &report).await.attempts, 3);
    // What was missing is there, and the message is sent again.
    let ctx = app.cloud.ctx("pos-payments");
    ctx.store().save_org(&Org::new(report.org, "Late".into(), app.cloud.now())).await.unwrap();
    assert_eq!(work(&app, report.task()).await["batchItemFailures"], json!([]));
    let drawn = load(&app, &report).await;
    assert_eq!(drawn.status, ReportStatus::Ready);
    assert!(ctx.files().get(&report.file_key()).await.unwrap().unwrap().starts_with(b"%PDF-"));
    assert_eq!(work(&app, report.task()).await["batchItemFailures"], json!([]), "a repeat");
    assert_eq!(load(&app, &report).await, drawn);
}

/// Makes a report wait of which the stream has sent no message.
async fn put_back(ctx: &Ctx, report: &Report) {
    let name = serde_json::to_string(&report.task()).unwrap();
    let sort_key = format!("{:013}#{name}", report.created_at.as_millisecond());
    let key = [("pk", format!("ORG#{}#REPORTS", report.org)), ("sk", format!("REPORT#{}", report.id))];
    let [pk, sk] = key.map(|(name, value)| (name, AttributeValue::S(value)));
    let change = ctx.store().client().update_item().table_name(ctx.store().table()).key(pk.0, pk.1).key(sk.0, sk.1);
    let change = change.update_expression("SET #s = :pending, gsi2pk = :shard, gsi2sk = :name");
    let change = change.expression_attribute_names("#s", "status");
    let change = change.expression_attribute_values(":pending", AttributeValue::S("pending".into()));
    let change = change.expression_attribute_values(":shard", AttributeValue::S("REPORTS#3".into()));
    change.expression_attribute_values(":name", AttributeValue::S(sort_key)).send().await.unwrap();
}

#[tokio::test]
async fn a_report_whose_workers_died_is_asked_for_again_and_then_given_up() {
    let app = App::start().await;
    let ctx = app.cloud.ctx("pos-payments");
    let org: OrgId = app.demo["org_id"].as_str().unwrap().parse().unwrap();
    let scope = Scope { days: Days::one(day_of(app.cloud.now())), catalog: None };
    let waiting = async |n: u8, attempts: u32| {
        let id = ReportId::from_random([n; 16]);
        let report = Report::new(id, org, scope, UserId(Uuid::nil()), app.cloud.now());
        let report = Report { status: ReportStatus::Failed, attempts, ..report };
        put_back(&ctx, &ctx.store().pos().create_report(&report).await.unwrap()).await;
        report
    };
    let (lost, dead) = (waiting(1, 0).await, waiting(2, 3).await);
    app.cloud.drain().await;
    app.run_schedule("workers-reports").await;
    app.cloud.drain().await;
    assert_eq!(load(&app, &lost).await.attempts, 0, "too young: its message may be on its way");
    app.advance(21 * 60).await;
    app.run_schedule("workers-reports").await;
    app.until("both have ended", async || {
        load(&app, &lost).await.status == ReportStatus::Ready && load(&app, &dead).await.status == ReportStatus::Failed
    })
    .await;
}

/// Weekly reports that somebody was sent.
async fn weekly(app: &App, role: &str) -> Vec<Value> {
    let mails = app.mails(&app.user(role).0).await;
    mails.into_iter().filter(|mail| mail["subject"].as_str().unwrap().starts_with("Your week at")).collect()
}

#[tokio::test]
async fn a_week_by_e_mail_to_those_who_want_it_once() {
    let app = App::start().await;
    let manager = Person::new(&app, "superadmin").await;
    sell_some(&app, &manager.token).await;
    let admin = Person::new(&app, "admin").await;
    admin.patch("/auth/notification-preferences", json!({"weeklyReports": false})).await.expect(200);
    app.run_schedule("workers-reports").await;
    app.cloud.drain().await;
    assert!(weekly(&app, "superadmin").await.is_empty(), "the week is not over");

    app.advance(WEEK + 6 * 3600).await;
    let week = last_due_week(app.cloud.now());
    for _ in 0..2 {
        app.run_schedule("workers-reports").await;
        app.cloud.drain().await;
    }
    app.until("the owner is told", async || !weekly(&app, "superadmin").await.is_empty()).await;
    let org: OrgId = app.demo["org_id"].as_str().unwrap().parse().unwrap();
    // The message comes twice more, at the same moment.
    join_all((0..2).map(|_| work(&app, ReportTask::Week { org, week }))).await;
    app.cloud.drain().await;

    let [mail] = &weekly(&app, "superadmin").await[..] else { panic!("one e-mail") };
    let text = mail["text"].as_str().unwrap();
    for fact in [
        "$76.30",
        "3 orders, $25.43 on average",
        "Including tips: $3.50",
        "Refunds: -$7.00",
        "Fees: -$1.32",
        "Net: $67.98",
    ] {
        assert!(text.contains(fact), "{fact}: {text}");
    }
    let file = &mail["attachments"][0];
    assert_eq!(file["name"], format!("weekly-report-{week}.pdf"));
    let pdf = STANDARD.decode(file["base64"].as_str().unwrap()).unwrap();
    let texts = texts(&String::from_utf8_lossy(&pdf));
    assert_eq!((after(&texts, "Tips"), after(&texts, "Net")), ("$3.50".into(), "$67.98".into()));
    assert!(texts.iter().any(|text| text == "Sales by day"));
    for role in ["admin", "staff", "other"] {
        assert!(weekly(&app, role).await.is_empty(), "{role}: does not want it, may not see it, never sold");
    }
    app.verify().await;
}

#[tokio::test]
async fn a_week_without_sales_is_told_to_those_who_sold_before() {
    let app = App::start().await;
    let manager = Person::new(&app, "superadmin").await;
    sell(&app, &manager.token, CASH, 1000).await;
    app.advance(2 * WEEK + 6 * 3600).await;
    app.run_schedule("workers-reports").await;
    app.cloud.drain().await;
    app.until("the owner is told", async || !weekly(&app, "superadmin").await.is_empty()).await;
    let mails = weekly(&app, "superadmin").await;
    assert!(mails[0]["text"].as_str().unwrap().contains("No orders this week"));
    assert!(weekly(&app, "other").await.is_empty(), "never sold");
}

#[tokio::test]
async fn a_worker_that_died_before_the_e_mails_loses_none() {
    let app = App::start().await;
    let ctx = app.cloud.ctx("pos-payments");
    let org: OrgId = app.demo["org_id"].as_str().unwrap().parse().unwrap();
    let week = last_due_week(app.cloud.now());
    // Reckoned and saved, and the owner's e-mail not queued.
    let figures = WeeklyFigures { orders: 42, ..WeeklyFigures::empty(week, Currency::USD) };
    let report = WeeklyReport { org, figures, pdf: None, created_at: app.cloud.now() };
    assert!(ctx.store().pos().save_weekly_report(&report).await.unwrap());
    assert_eq!(work(&app, ReportTask::Week { org, week }).await["batchItemFailures"], json!([]));
    app.cloud.drain().await;
    for role in ["superadmin", "admin"] {
        app.until("they are told", async || !weekly(&app, role).await.is_empty()).await;
        let mails = weekly(&app, role).await;
        assert!(mails[0]["text"].as_str().unwrap().contains("42 orders"), "what was reckoned first");
    }
    let before = week.saturating_sub(7.days());
    assert!(ctx.store().pos().load_weekly_report(org, before).await.unwrap().is_none());
}

#[tokio::test]
async fn workers_that_die_and_messages_that_come_again() {
    for seed in 0..4 {
        let app = App::start().await;
        let manager = Person::new(&app, "superadmin").await;
        sell(&app, &manager.token, CASH, 1000).await;
        let asked = ask(&manager, "key", json!({})).await.expect(202);
        app.advance(WEEK + 6 * 3600).await;
        app.cloud.sources().pause();
        app.run_schedule("workers-reports").await;
        let chaos = Chaos { seed, die: 0.4, repeat: 0.4, shuffle: true, retry_at_once: true };
        app.cloud.sources().set_chaos(Some(chaos));
        app.cloud.drain().await;
        app.cloud.sources().set_chaos(None);
        // What three deaths brought to the dead letters, an operator sends again.
        let (org, week) = (app.demo["org_id"].as_str().unwrap().parse().unwrap(), last_due_week(app.cloud.now()));
        work(&app, ReportTask::Week { org, week }).await;
        work(&app, ReportTask::Sales { org, report: id(&asked).parse().unwrap() }).await;
        app.cloud.drain().await;
        let ctx = app.cloud.ctx("pos-payments");
        for user in app.demo["users"].as_array().unwrap().iter().filter(|user| user["surface"] == "pos") {
            let key = MailKey::WeeklyReport { user: user["user_id"].as_str().unwrap().parse().unwrap(), week };
            let manages = ["owner", "admin"].contains(&user["role"].as_str().unwrap());
            let is_told = manages && user["org_id"] == app.demo["org_id"];
            assert_eq!(ctx.store().load_mail(key).await.unwrap().is_some(), is_told, "seed {seed}: {user}");
        }
        let manager = Person::new(&app, "superadmin").await;
        assert_eq!(status(&manager, &asked).await, "ready", "seed {seed}");
        app.verify().await;
    }
}
