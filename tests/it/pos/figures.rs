//! `/pos/stripe/connect/dashboard` and `analytics` (contract `pos.md` §10): every number reckoned by hand.

use reqwest::Method;
use serde_json::{Value, json};

use super::till::*;
use crate::app::{App, assert_exact_members};

const METRICS: &str = "revenue transactions averageTransaction previousRevenue previousTransactions";

/// Sells for cash, or by card, what `more` says.
async fn sold(owner: &Person<'_>, method: &str, total: i64, more: Value) -> Value {
    let order = owner.order(method, total, more).await;
    match method {
        "cash" => drop(pay_cash(owner.app, &owner.token, &order, total).await),
        _ => drop(pay_by_card(owner.app, &owner.token, &order).await),
    }
    order
}

async fn analytics(person: &Person<'_>, query: &str) -> Value {
    person.get(&format!("/stripe/connect/analytics{query}")).await.expect(200)
}

/// Sets the clocks to 10:00 (UTC) of a Wednesday, with the next one in the same month.
async fn wednesday(app: &App) -> jiff::Zoned {
    let now = app.cloud.now().to_zoned(jiff::tz::TimeZone::UTC);
    let mut day = now.date().saturating_add(jiff::Span::new().days(1));
    while day.weekday() != jiff::civil::Weekday::Wednesday || !(8..=14).contains(&day.day()) {
        day = day.tomorrow().unwrap();
    }
    let then = day.at(10, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).unwrap();
    app.advance(then.timestamp().as_second() - now.timestamp().as_second()).await;
    then
}

fn numbers(list: &Value, pointer: &str) -> Vec<f64> {
    list.as_array().unwrap().iter().map(|row| row.pointer(pointer).unwrap().as_f64().unwrap()).collect()
}

#[tokio::test]
async fn the_dashboard_of_a_day() {
    let app = App::start().await;
    wednesday(&app).await;
    let owner = Person::new(&app, "superadmin").await;
    sold(&owner, "cash", 4000, json!({"customerEmail": "kim@example.com"})).await;
    app.advance(24 * 3600).await;
    let owner = Person::new(&app, "superadmin").await;
    sold(&owner, "cash", 1001, json!({"customerEmail": "bo@example.com"})).await;
    sold(&owner, "cash", 2000, json!({"customerEmail": "BO@example.com"})).await;
    let card = sold(&owner, "tap_to_pay", 3000, json!({})).await;
    owner.refund(&card, json!({"amount": 500})).await.expect(200);
    let gone = sold(&owner, "cash", 9000, json!({})).await;
    owner.refund(&gone, json!({})).await.expect(200);
    owner.order("cash", 7777, json!({})).await;

    let told = Person::new(&app, "admin").await.get("/stripe/connect/dashboard").await.expect(200);
    assert_exact_members(&told, "today yesterday balance recentTransactions");
    // 10.01 + 20.00 + 30.00 - 5.00; what was given back whole is no sale. 55.01 / 3 = 18.3366…
    let today = json!({"sales": 55.01, "orders": 3, "averageOrderValue": 18.34, "customers": 1});
    assert_eq!(told["today"], today);
    assert_eq!(told["yesterday"], json!({"sales": 40.0, "orders": 1, "customers": 1}));
    // $30 less 2.7 % + 5¢ (86) and 0.1 % + 1¢ (4), less the $5 that went back.
    assert_eq!(told["balance"], json!({"available": 24.1, "pending": 0.0, "currency": "usd"}));
    let recent = told["recentTransactions"].as_array().unwrap();
    assert_eq!(recent.len(), 5);
    assert_exact_members(&recent[0], "id amount currency status customerName customerEmail created");
    assert_eq!(
        (&recent[0]["id"], &recent[0]["status"], &recent[0]["amount"]),
        (&gone["id"], &json!("refunded"), &json!(90.0))
    );
    assert_eq!((&recent[1]["status"], &recent[1]["customerEmail"]), (&json!("partially_refunded"), &Value::Null));
    assert_eq!((&recent[3]["customerEmail"], &recent[3]["amount"]), (&json!("bo@example.com"), &json!(10.01)));
    for n in 0..12 {
        sold(&owner, "cash", 100 + n, json!({})).await;
    }
    let told = owner.get("/stripe/connect/dashboard").await.expect(200);
    assert_eq!(told["recentTransactions"].as_array().unwrap().len(), 10);
    let none = Person::new(&app, "other").await.get("/stripe/connect/dashboard").await.expect(200);
    assert_eq!((&none["today"]["sales"], &none["recentTransactions"]), (&json!(0.0), &json!([])));
    app.verify().await;
}

#[tokio::test]
async fn the_analytics_of_a_week() {
    let app = App::start().await;
    let then = wednesday(&app).await.saturating_add(jiff::Span::new().days(7));
    let owner = Person::new(&app, "superadmin").await;
    let catalog = owner.post("/catalogs", json!({"name": "Bar"})).await.expect(201);
    let path = format!("/catalogs/{}/categories", id(&catalog));
    let drinks = owner.post(&path, json!({"name": "Drinks"})).await.expect(201);
    let product = owner.post("/products", json!({"name": "Mule"})).await.expect(201);
    let item = |quantity: u32, price: i64| json!([{"productId": product["id"], "categoryId": drinks["id"], "name": "Mule", "quantity": quantity, "unitPrice": price}]);
    // A week before, for comparison.
    sold(&owner, "cash", 5000, json!({})).await;
    app.advance(5 * 24 * 3600).await;
    // Monday at 10, two drinks with tax and tip.
    let owner = Person::new(&app, "superadmin").await;
    let more = json!({"catalogId": catalog["id"], "items": item(2, 1000), "subtotal": 2000, "taxAmount": 165, "tipAmount": 400});
    sold(&owner, "cash", 2565, more).await;
    app.advance(2 * 24 * 3600).await;
    // Wednesday at 10: a card, a quick charge; at 11: a drink by card of which a part went back.
    let owner = Person::new(&app, "superadmin").await;
    sold(&owner, "tap_to_pay", 1500, json!({"items": [{"name": "Snack", "quantity": 3, "unitPrice": 500}]})).await;
    sold(&owner, "cash", 1000, json!({"items": [], "isQuickCharge": true, "description": "Corkage"})).await;
    app.advance(3600).await;
    let owner = Person::new(&app, "superadmin").await;
    let last = sold(&owner, "tap_to_pay", 1000, json!({"catalogId": catalog["id"], "items": item(1, 1000)})).await;
    owner.refund(&last, json!({"amount": 65})).await.expect(200);

    let told = analytics(&owner, "").await;
    assert_exact_members(
        &told,
        "metrics revenueData paymentMethods peakHours topProducts catalogBreakdown categoryBreakdown quickCharge",
    );
    assert_exact_members(&told["metrics"], METRICS);
    // 25.65 + 15 + 10 + 9.35 = 60.00 in four.
    let metrics = json!({"revenue": 60.0, "transactions": 4, "averageTransaction": 15.0, "previousRevenue": 50.0, "previousTransactions": 1});
    assert_eq!(told["metrics"], metrics);
    let labels: Vec<&str> =
        told["revenueData"].as_array().unwrap().iter().map(|row| row["label"].as_str().unwrap()).collect();
    assert_eq!(labels, ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]);
    assert_eq!(numbers(&told["revenueData"], "/revenue"), [25.65, 0.0, 34.35, 0.0, 0.0, 0.0, 0.0]);
    let methods = json!([{"method": "cash", "percentage": 50, "count": 2}, {"method": "tap_to_pay", "percentage": 50, "count": 2}]);
    assert_eq!(told["paymentMethods"], methods);
    let hours = json!([{"hour": 10, "count": 3, "percentage": 75}, {"hour": 11, "count": 1, "percentage": 25}]);
    assert_eq!(told["peakHours"], hours);
    let top = json!([{"productId": product["id"], "name": "Mule", "quantity": 3, "revenue": 30.0},
        {"productId": null, "name": "Snack", "quantity": 3, "revenue": 15.0}]);
    assert_eq!(told["topProducts"], top);
    // 25.65 + 9.35 of 60 are 58.3 %, the rest was sold without a catalog.
    let catalogs = json!([{"catalogId": catalog["id"], "catalogName": "Bar", "orders": 2, "revenue": 35.0, "percentage": 58},
        {"catalogId": null, "catalogName": null, "orders": 2, "revenue": 25.0, "percentage": 42}]);
    assert_eq!(told["catalogBreakdown"], catalogs);
    let categories = json!([{"categoryId": drinks["id"], "categoryName": "Drinks", "quantity": 3, "revenue": 30.0, "percentage": 67},
        {"categoryId": null, "categoryName": null, "quantity": 3, "revenue": 15.0, "percentage": 33}]);
    assert_eq!(told["categoryBreakdown"], categories);
    assert_eq!(told["quickCharge"], json!({"orders": 1, "revenue": 10.0, "percentage": 17}));

    let today = analytics(&owner, "?range=today").await;
    assert_eq!((&today["metrics"]["revenue"], &today["metrics"]["previousRevenue"]), (&json!(34.35), &json!(0.0)));
    assert_eq!(today["revenueData"].as_array().unwrap().len(), 24);
    assert_eq!(today["revenueData"][10], json!({"label": "10 AM", "revenue": 25.0}));
    let before = analytics(&owner, "?range=week&offset=-1").await;
    assert_eq!((&before["metrics"]["revenue"], &before["metrics"]["transactions"]), (&json!(50.0), &json!(1)));
    let month = analytics(&owner, "?range=month").await;
    assert_eq!(month["metrics"]["revenue"], 110.0);
    let days = usize::try_from(then.days_in_month()).unwrap();
    assert_eq!(month["revenueData"].as_array().unwrap().len(), days);
    let at = usize::try_from(then.day()).unwrap() - 1;
    assert_eq!(month["revenueData"][at], json!({"label": then.day().to_string(), "revenue": 34.35}));
    let all = analytics(&owner, "?range=all").await;
    assert_eq!((&all["metrics"]["revenue"], &all["metrics"]["previousRevenue"]), (&json!(110.0), &json!(0.0)));
    assert_eq!(numbers(&all["revenueData"], "/revenue"), [110.0]);
    let empty = analytics(&owner, "?range=week&offset=-5").await;
    assert_eq!((&empty["metrics"]["transactions"], &empty["topProducts"]), (&json!(0), &json!([])));
    for bad in ["offset=1", "offset=-521", "range=year"] {
        refused(owner.get(&format!("/stripe/connect/analytics?{bad}")).await, 400, "VALIDATION_ERROR");
    }
    refused(Person::new(&app, "staff").await.get("/stripe/connect/analytics").await, 403, "FORBIDDEN");
}

/// A day is the organization's own where its settings name a time zone.
#[tokio::test]
async fn a_day_is_where_the_organization_is() {
    let app = App::start().await;
    wednesday(&app).await;
    let owner = Person::new(&app, "superadmin").await;
    sold(&owner, "cash", 1000, json!({})).await;
    app.advance(15 * 3600).await;
    let owner = Person::new(&app, "superadmin").await;
    let today = analytics(&owner, "?range=today").await;
    assert_eq!((&today["metrics"]["revenue"], &today["metrics"]["previousRevenue"]), (&json!(0.0), &json!(10.0)));
    let org = format!("/organizations/{}", app.demo["org_id"].as_str().unwrap());
    let zone = json!({"settings": {"timezone": "America/Los_Angeles"}});
    owner.call(Method::PUT, &org).json(&zone).send().await.expect(200);
    // One at night in UTC is still the afternoon of the same day there.
    let today = analytics(&owner, "?range=today").await;
    assert_eq!(today["metrics"]["revenue"], 10.0);
    let dashboard = owner.get("/stripe/connect/dashboard").await.expect(200);
    assert_eq!(dashboard["today"]["sales"], 10.0);
}
