//! `/pos/catalogs/{id}/splits` (contract `pos.md` §13): who gets a part of what a catalog sells.

use std::time::Duration;

use domain::{
    ids::{CatalogId, OrgId, SplitId},
    ledger::Owner,
    pos::{split::MAX_SPLITS, tier::Tier},
};
use futures_util::future::join_all;
use serde_json::{Value, json};
use store::pos::split::SplitMade;

use super::till::*;
use crate::app::{App, assert_exact_members};

const SPLIT: &str = "id catalogId recipientName recipientType percentage notes isActive createdAt updatedAt";

/// An owner, and the path of a new catalog's splits.
async fn catalog(owner: &Person<'_>) -> (String, String) {
    let made = owner.post("/catalogs", json!({"name": "Bar"})).await.expect(201);
    (id(&made).to_owned(), format!("/catalogs/{}/splits", id(&made)))
}

fn split(name: &str, percentage: Value) -> Value {
    json!({"recipientName": name, "recipientType": "venue", "percentage": percentage})
}

#[tokio::test]
async fn splits_are_made_changed_and_deleted() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let (catalog, path) = catalog(&owner).await;
    assert_eq!(owner.get(&path).await.expect(200), json!({"splits": [], "totalPercentage": 0.0}));
    let venue = owner.post(&path, split("Hall", json!(12.5))).await.expect(201);
    assert_exact_members(&venue, SPLIT);
    assert_eq!((&venue["catalogId"], &venue["percentage"]), (&json!(catalog), &json!(12.5)));
    assert!(venue["percentage"].is_number());
    assert_eq!((&venue["notes"], &venue["isActive"]), (&Value::Null, &json!(true)));
    assert_time(&venue["createdAt"]);
    app.advance(1).await;
    let body = json!({"recipientName": "Ida", "recipientType": "promoter", "percentage": 100, "notes": "door"});
    let promoter = owner.post(&path, body).await.expect(201);
    app.advance(1).await;
    let third = owner.post(&path, split("P", json!(33.333))).await.expect(201);
    assert_eq!(third["percentage"], 33.33, "two decimals");
    let list = owner.get(&path).await.expect(200);
    assert_exact_members(&list, "splits totalPercentage");
    assert_eq!(list["splits"], json!([venue, promoter, third]), "oldest first");
    assert_eq!(list["totalPercentage"], 145.83, "may be above 100");

    let of = |one: &Value| format!("{path}/{}", id(one));
    let off =
        owner.patch(&of(&promoter), json!({"isActive": false, "notes": null, "percentage": 50.5})).await.expect(200);
    assert_eq!((&off["isActive"], &off["notes"], &off["percentage"]), (&json!(false), &Value::Null, &json!(50.5)));
    assert_eq!((&off["recipientName"], &off["recipientType"]), (&json!("Ida"), &json!("promoter")));
    let list = owner.get(&path).await.expect(200);
    assert_eq!(
        (list["splits"].as_array().unwrap().len(), &list["totalPercentage"]),
        (3, &json!(45.83)),
        "of the active"
    );
    let gone = owner.delete(&of(&third)).await;
    assert_eq!((gone.status.as_u16(), &gone.body), (204, &json!("")));
    refused(owner.delete(&of(&third)).await, 404, "SPLIT_NOT_FOUND");
    refused(owner.patch(&of(&third), json!({"notes": "x"})).await, 404, "SPLIT_NOT_FOUND");
    for (body, field) in [
        (split("Hall", json!(-0.01)), "percentage"),
        (split("Hall", json!(100.01)), "percentage"),
        (split("", json!(5)), "recipientName"),
        (split(&"é".repeat(256), json!(5)), "recipientName"),
        (json!({"recipientName": "a", "percentage": 5}), "recipientType"),
        (json!({"recipientName": "a", "recipientType": "venue"}), "percentage"),
        (json!({"recipientName": "a", "recipientType": "venue", "percentage": 5, "notes": "é".repeat(2001)}), "notes"),
    ] {
        invalid(owner.post(&path, body).await, field);
    }
    invalid(owner.patch(&of(&venue), json!({"percentage": 101})).await, "percentage");
    refused(
        owner.post(&path, json!({"recipientName": "a", "recipientType": "friend", "percentage": 5})).await,
        400,
        "VALIDATION_ERROR",
    );
    // Whose catalog it is.
    for nowhere in [NOWHERE, "x"] {
        let elsewhere = format!("/catalogs/{nowhere}/splits");
        refused(owner.get(&elsewhere).await, 404, "CATALOG_NOT_FOUND");
        refused(owner.post(&elsewhere, split("a", json!(1))).await, 404, "CATALOG_NOT_FOUND");
    }
    let (other, other_path) = self::catalog(&owner).await;
    assert_ne!(other, catalog);
    refused(owner.patch(&format!("{other_path}/{}", id(&venue)), json!({"notes": "x"})).await, 404, "SPLIT_NOT_FOUND");
    refused(Person::new(&app, "staff").await.get(&path).await, 403, "FORBIDDEN");
    app.verify().await;
}

/// The free tier has none (contract §13, `[R0]`).
#[tokio::test]
async fn splits_want_the_pro_tier() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let (_, path) = catalog(&owner).await;
    let made = owner.post(&path, split("Hall", json!(10))).await.expect(201);
    subscribe(&app, Tier::Starter).await;
    let report = format!("{path}/report?startDate=2026-01-01&endDate=2026-01-02");
    let one = format!("{path}/{}", id(&made));
    for answer in [
        owner.get(&path).await,
        owner.post(&path, split("a", json!(1))).await,
        owner.get(&report).await,
        owner.patch(&one, json!({"notes": "x"})).await,
        owner.delete(&one).await,
    ] {
        assert_eq!(refused(answer, 403, "PRO_REQUIRED")["error"], "Pro subscription required");
    }
    subscribe(&app, Tier::Pro).await;
    assert_eq!(owner.get(&path).await.expect(200)["splits"], json!([made]), "they are kept");
}

/// Gross is the subtotal of completed orders of the catalog; each part is rounded half up; what is left may be less than
/// nothing (contract §19).
#[tokio::test]
async fn the_report_is_reckoned_from_subtotals() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let (catalog, path) = catalog(&owner).await;
    let day = app.cloud.now().strftime("%Y-%m-%d").to_string();
    let sold = async |subtotal: i64, more: Value| {
        let mut body = json!({"subtotal": subtotal, "taxAmount": 80, "tipAmount": 200, "catalogId": catalog});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let order = owner.order("cash", subtotal + 280, body).await;
        pay_cash(&app, &owner.token, &order, subtotal + 280).await;
        order
    };
    sold(1000, json!({})).await;
    sold(1005, json!({})).await;
    sold(5000, json!({"catalogId": null})).await;
    let back = sold(7000, json!({})).await;
    owner.refund(&back, json!({})).await.expect(200);
    owner.order("cash", 9000, json!({"catalogId": catalog})).await;
    let half = owner.post(&path, split("Hall", json!(50))).await.expect(201);
    let third = owner.post(&path, split("Ida", json!(33.33))).await.expect(201);
    let off = owner.post(&path, split("Off", json!(10))).await.expect(201);
    owner.patch(&format!("{path}/{}", id(&off)), json!({"isActive": false})).await.expect(200);
    let report = async |from: &str, to: &str| owner.get(&format!("{path}/report?startDate={from}&endDate={to}")).await;
    let told = report(&day, &day).await.expect(200);
    assert_exact_members(&told, "catalogId catalogName period summary splits");
    assert_eq!((&told["catalogId"], &told["catalogName"]), (&json!(catalog), &json!("Bar")));
    assert_eq!(told["period"], json!({"startDate": day, "endDate": day}));
    // 2005: a half is 1002.5, which is 1003; 33.33 % is 668.27, which is 668.
    let row = |split: &Value, percentage: f64, amount: i64| {
        json!({"id": split["id"], "recipientName": split["recipientName"],
        "recipientType": "venue", "percentage": percentage, "amount": amount})
    };
    assert_eq!(told["splits"], json!([row(&half, 50.0, 1003), row(&third, 33.33, 668)]));
    let summary = json!({"grossSales": 2005, "totalSplitAmount": 1671, "yourShare": 334, "orderCount": 2});
    assert_eq!(told["summary"], summary);
    owner.patch(&format!("{path}/{}", id(&off)), json!({"isActive": true, "percentage": 100})).await.expect(200);
    let told = report(&day, &day).await.expect(200);
    assert_eq!(told["summary"]["yourShare"], 2005 - 1671 - 2005);
    let none = report("2026-01-01", "2026-01-02").await.expect(200);
    assert_eq!(none["summary"], json!({"grossSales": 0, "totalSplitAmount": 0, "yourShare": 0, "orderCount": 0}));
    for (from, to, field) in [
        ("", &*day, "startDate"),
        ("x", &day, "startDate"),
        (&day, "2026-13-01", "endDate"),
        ("2026-02-02", "2026-02-01", "endDate"),
        ("2024-01-01", "2026-01-01", "endDate"),
    ] {
        invalid(report(from, to).await, field);
    }
    invalid(owner.get(&format!("{path}/report?endDate={day}")).await, "startDate");
    invalid(owner.get(&format!("{path}/report?startDate={day}")).await, "endDate");
}

/// The day's splits are paid out through the ledger, once, and its accounts sum to nothing.
#[tokio::test]
async fn a_day_is_settled_once() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let (catalog, path) = catalog(&owner).await;
    let hall = owner.post(&path, split("Hall", json!(10))).await.expect(201);
    let order = owner.order("cash", 1005, json!({"catalogId": catalog})).await;
    pay_cash(&app, &owner.token, &order, 1005).await;
    let ctx = app.cloud.ctx("workers-payouts");
    let org = app.demo["org_id"].as_str().unwrap().parse().unwrap();
    let (sales, recipient) = (Owner::Sales(catalog.parse().unwrap()), Owner::Recipient(id(&hall).parse().unwrap()));
    let balances = async || {
        let store = ctx.store();
        (store.load_balance(org, sales).await.unwrap().0, store.load_balance(org, recipient).await.unwrap().0)
    };
    assert_eq!(balances().await, (0, 0));
    app.advance(2 * 24 * 3600).await;
    for _ in 0..3 {
        app.run_schedule("workers-payouts").await;
        app.cloud.drain().await;
        // 10 % of 1005, rounded half up.
        assert_eq!(balances().await, (-101, 101));
        app.advance(120).await;
    }
    app.verify().await;
}

/// What the catalog's sales and its split's recipient have.
async fn balances(app: &App, catalog: &str, split: &Value) -> (i64, i64) {
    let ctx = app.cloud.ctx("workers-payouts");
    let org = app.demo["org_id"].as_str().unwrap().parse().unwrap();
    let balance = async |owner| ctx.store().load_balance(org, owner).await.unwrap().0;
    let (sales, recipient) = (Owner::Sales(catalog.parse().unwrap()), Owner::Recipient(id(split).parse().unwrap()));
    (balance(sales).await, balance(recipient).await)
}

/// Lets days pass, with each day's settlements.
async fn settle_days(app: &App, days: usize) {
    for _ in 0..days {
        app.advance(24 * 3600).await;
        app.run_schedule("workers-payouts").await;
        app.cloud.drain().await;
    }
}

/// A tab that is opened on one day and paid on another, when the first is settled, belongs to the second; once.
#[tokio::test]
async fn a_tab_that_is_paid_on_another_day_is_settled_once() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let (catalog, path) = catalog(&owner).await;
    let hall = owner.post(&path, split("Hall", json!(10))).await.expect(201);
    // To Friday, 23:00.
    let now = app.cloud.now().to_zoned(jiff::tz::TimeZone::UTC);
    let friday = now.date().nth_weekday(1, jiff::civil::Weekday::Friday).unwrap().at(23, 0, 0, 0);
    let evening = friday.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp();
    app.advance(evening.duration_since(app.cloud.now()).as_secs()).await;
    let owner = Person::new(&app, "superadmin").await;
    let same_day = owner.order("cash", 500, json!({"catalogId": catalog})).await;
    pay_cash(&app, &owner.token, &same_day, 500).await;
    let tab = owner.order("cash", 1005, json!({"catalogId": catalog})).await;
    owner.post(&format!("/orders/{}/hold", id(&tab)), json!({"holdName": "Table 4"})).await.expect(200);
    // Saturday, 07:00: Friday is settled.
    app.advance(8 * 3600).await;
    app.run_schedule("workers-payouts").await;
    app.cloud.drain().await;
    assert_eq!(balances(&app, &catalog, &hall).await, (-50, 50));
    // Saturday, 12:00.
    app.advance(5 * 3600).await;
    let owner = Person::new(&app, "superadmin").await;
    owner.post(&format!("/orders/{}/resume", id(&tab)), json!({})).await.expect(200);
    pay_cash(&app, &owner.token, &tab, 1005).await;
    assert_eq!(owner.status(&tab).await, "completed");
    settle_days(&app, 4).await;
    assert_eq!(balances(&app, &catalog, &hall).await, (-151, 151), "10 % of 500, and of 1005");
    app.verify().await;
}

#[tokio::test]
async fn a_catalog_has_a_hundred_splits_at_most() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let (catalog, path) = catalog(&owner).await;
    let first = owner.post(&path, split("Hall", json!(1))).await.expect(201);
    let store = app.cloud.ctx("pos-staff").store().clone();
    let org: OrgId = app.demo["org_id"].as_str().unwrap().parse().unwrap();
    let catalog: CatalogId = catalog.parse().unwrap();
    let known = store.pos().load_split(org, catalog, id(&first).parse().unwrap()).await.unwrap().unwrap();
    for n in 2..MAX_SPLITS as u8 {
        let another = domain::pos::split::Split { id: SplitId::from_random([n; 16]), ..known.clone() };
        assert_eq!(store.pos().create_split(&another, MAX_SPLITS).await.unwrap(), SplitMade::Yes);
    }
    // Of many at the same moment one takes the last place.
    let raced = join_all((0..6).map(|_| owner.post(&path, split("Ida", json!(1))))).await;
    let (made, not): (Vec<_>, Vec<_>) = raced.into_iter().partition(|answer| answer.status.as_u16() == 201);
    assert_eq!(made.len(), 1);
    for answer in not {
        refused(answer, 400, "TOO_MANY_SPLITS");
    }
    refused(owner.post(&path, split("Ida", json!(1))).await, 400, "TOO_MANY_SPLITS");
    owner.delete(&format!("{path}/{}", id(&first))).await;
    owner.post(&path, split("Ida", json!(1))).await.expect(201);
}

/// A run that has time for one organization is followed by one that goes on with the next.
#[tokio::test]
async fn no_organization_waits_behind_another_for_ever() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let (_, path) = catalog(&owner).await;
    owner.post(&path, split("Hall", json!(10))).await.expect(201);
    let ctx = app.cloud.ctx("workers-payouts");
    let pos = ctx.store().pos();
    let own: OrgId = app.demo["org_id"].as_str().unwrap().parse().unwrap();
    let known = pos.list_all_splits(own).await.unwrap().remove(0);
    let orgs: Vec<OrgId> = ctx.store().list_orgs().await.unwrap().into_iter().map(|org| org.id).collect();
    assert!(orgs.len() > 1);
    for org in orgs.iter().filter(|org| **org != own) {
        let catalog = CatalogId::from_random([9; 16]);
        let name = format!("ORG#{org}#CATALOGS");
        let put = ctx.store().client().put_item().table_name(ctx.store().table());
        let text = |text: String| aws_sdk_dynamodb::types::AttributeValue::S(text);
        put.item("pk", text(name)).item("sk", text(format!("CATALOG#{catalog}"))).send().await.unwrap();
        let theirs = domain::pos::split::Split { org: *org, catalog, ..known.clone() };
        assert_eq!(pos.create_split(&theirs, MAX_SPLITS).await.unwrap(), SplitMade::Yes);
    }
    app.advance(2 * 24 * 3600).await;
    let settled = async || {
        let marks = orgs.iter().map(|org| pos.load_settled_until(*org));
        join_all(marks).await.into_iter().filter(|mark| mark.as_ref().unwrap().is_some()).count()
    };
    for count in 1..=orgs.len() {
        workers_payouts::settle::settle_days(&ctx, Duration::ZERO).await.unwrap();
        assert_eq!(settled().await, count);
    }
}
