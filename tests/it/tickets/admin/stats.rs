//! `/tickets/api/admin/stats`: contract §12, D9.

use serde_json::{Value, json};

use crate::app::{App, assert_exact_members, assert_members, number_of};

async fn stats(app: &App, token: &str, query: &str) -> Value {
    app.cloud.drain().await;
    app.get(&format!("/tickets/api/admin/stats?{query}")).token(token).send().await.expect(200)
}

#[tokio::test]
async fn the_root_and_stats_tell_the_same() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let before = stats(&app, &admin, "").await;
    let sale = app.open_sale(&admin, 50, 12.5).await;
    let free = app.open_sale(&admin, 50, 0.0).await;
    let draft = json!({"name": "Draft", "location": "Oslo", "date": "2031-01-01"});
    app.create_event(&admin, &draft).await;

    let (pending, paid) = (app.place_order(&sale, 1).await, app.place_order(&sale, 3).await);
    let (cancelled, refunded) = (app.place_order(&sale, 2).await, app.place_order(&sale, 4).await);
    let gift = app.place_order(&free, 2).await;
    for (placed, way) in [(&paid, &["paid"][..]), (&cancelled, &["cancelled"]), (&refunded, &["paid", "refunded"])] {
        for status in way {
            app.set_status(&admin, placed, &json!({"status": status})).send().await.expect(200);
        }
    }
    for placed in [&paid, &gift] {
        let scan = json!({"qr_code": placed["qrCode"]});
        app.post("/tickets/api/checkin").json(&scan).send().await.expect(200);
    }
    let after = stats(&app, &admin, "").await;
    let orders = json!({"pending": 1, "paid": 2, "cancelled": 1, "refunded": 1});
    assert_eq!((&after["stats"]["orders"], &after["ordersByStatus"]), (&orders, &orders));
    assert_eq!((&after["totalOrders"], &after["paidOrders"]), (&json!(5), &json!(2)));
    assert_eq!(
        (&after["stats"]["revenue"], &after["totalRevenue"]),
        (&json!(37.5), &json!(37.5)),
        "of paid orders only"
    );
    assert_eq!((&after["stats"]["ticketsSold"], &after["totalTickets"]), (&json!(5), &json!(5)));
    assert_eq!((&after["stats"]["checkedIn"], &after["checkedIn"]), (&json!(2), &json!(2)), "orders, not seats");
    let grown = |path: &[&str], by: i64| {
        let figure = |stats: &Value| path.iter().fold(stats, |value, name| &value[*name]).as_i64().unwrap();
        assert_eq!(figure(&after), figure(&before) + by, "{path:?}");
    };
    grown(&["stats", "events", "active"], 2);
    grown(&["stats", "events", "draft"], 1);
    grown(&["totalEvents"], 3);
    grown(&["activeEvents"], 2);

    let recent = after["stats"]["recentOrders"].as_array().unwrap();
    assert_eq!((recent.len(), &recent[0]["orderNumber"]), (5, &json!(number_of(&gift))), "newest first");
    recent.iter().for_each(|order| assert_exact_members(order, "orderNumber buyerName total status event createdAt"));
    let of_pending = recent.iter().find(|order| order["orderNumber"] == number_of(&pending)).unwrap();
    assert_eq!((&of_pending["total"], &of_pending["event"]), (&json!(12.5), &json!("Test Night")));

    let of_event = after["eventStats"].as_array().unwrap().iter().find(|event| event["id"] == sale.event.as_str());
    let figures = json!({"id": sale.event, "name": "Test Night", "date": "2027-05-01", "ticketsSold": 3, "capacity": 50,
        "revenue": 37.5, "checkIns": 1});
    assert_eq!(of_event, Some(&figures));
}

#[tokio::test]
async fn an_event_has_figures_of_its_own() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let (sale, other) = (app.open_sale(&admin, 50, 0.0).await, app.open_sale(&admin, 50, 0.0).await);
    let (ours, theirs) = (app.place_order(&sale, 2).await, app.place_order(&other, 3).await);
    for placed in [&ours, &theirs] {
        let scan = json!({"qr_code": placed["qrCode"]});
        app.post("/tickets/api/checkin").json(&scan).send().await.expect(200);
    }
    let all = stats(&app, &admin, "").await;
    let one = stats(&app, &admin, &format!("eventId={}", sale.event)).await;
    assert_eq!((&one["totalOrders"], &one["totalTickets"], &one["checkedIn"]), (&json!(1), &json!(2), &json!(1)));
    assert_eq!(one["stats"]["orders"]["paid"], 1);
    assert_eq!(one["stats"]["events"], all["stats"]["events"], "events are counted all the same");
    let recent = one["stats"]["recentOrders"].as_array().unwrap();
    assert_eq!((recent.len(), &recent[0]["orderNumber"]), (1, &json!(number_of(&ours))));
    let none = stats(&app, &admin, "eventId=8f5f6f0e-6f43-4d4e-9a4e-0c6f4b1b7a01").await;
    assert_eq!((&none["totalOrders"], &none["totalRevenue"]), (&json!(0), &json!(0.0)));
}

#[tokio::test]
async fn recent_orders_are_ten() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let sale = app.open_sale(&admin, 50, 0.0).await;
    for _ in 0..12 {
        app.place_order(&sale, 1).await;
    }
    let stats = stats(&app, &admin, "").await;
    assert_eq!(stats["stats"]["recentOrders"].as_array().unwrap().len(), 10);
    assert_eq!(stats["totalOrders"], 12);
}

#[tokio::test]
async fn another_tenant_sees_its_own_figures() {
    let app = App::start().await;
    let (admin, other) = (app.sign_in("admin").await, app.sign_in("other").await);
    let before = stats(&app, &other, "").await;
    let sale = app.open_sale(&admin, 50, 0.0).await;
    app.place_order(&sale, 2).await;
    assert_eq!(stats(&app, &other, "").await, before);
    let foreign = stats(&app, &other, &format!("eventId={}", sale.event)).await;
    assert_eq!((&foreign["totalOrders"], &foreign["eventStats"]), (&json!(0), &json!([])));
    assert_members(&before, "totalRevenue totalOrders paidOrders totalTickets checkedIn totalEvents activeEvents");
}

#[tokio::test]
async fn a_refund_after_entry_takes_the_entry_from_the_figures() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let sale = app.open_sale(&admin, 50, 5.0).await;
    let placed = app.place_order(&sale, 2).await;
    app.set_status(&admin, &placed, &json!({"status": "paid"})).send().await.expect(200);
    app.post("/tickets/api/checkin").json(&json!({"qr_code": placed["qrCode"]})).send().await.expect(200);
    assert_eq!(stats(&app, &admin, "").await["checkedIn"], 1);
    app.set_status(&admin, &placed, &json!({"status": "refunded"})).send().await.expect(200);
    let after = stats(&app, &admin, "").await;
    assert_eq!(
        (&after["checkedIn"], &after["totalRevenue"], &after["totalTickets"]),
        (&json!(0), &json!(0.0), &json!(0))
    );
    app.verify().await;
}

/// A tier may go once nothing of it is sold; the orders that were made of it have been made all the same.
#[tokio::test]
async fn orders_of_a_tier_that_is_gone_are_counted_still() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let sale = app.open_sale(&admin, 50, 5.0).await;
    for status in ["cancelled", "cancelled", "refunded"] {
        let placed = app.place_order(&sale, 1).await;
        if status == "refunded" {
            app.set_status(&admin, &placed, &json!({"status": "paid"})).send().await.expect(200);
        }
        app.set_status(&admin, &placed, &json!({"status": status})).send().await.expect(200);
    }
    let before = stats(&app, &admin, "").await;
    let path = format!("/tickets/api/admin/events/{}", sale.event);
    app.put(&path).token(&admin).json(&json!({"tiers": [{"name": "New", "price": 1}]})).send().await.expect(200);
    let after = stats(&app, &admin, "").await;
    for name in ["ordersByStatus", "totalOrders", "recentOrders"] {
        assert_eq!(after[name], before[name], "{name}");
    }
    let orders = app.get("/tickets/api/admin/orders?limit=2").token(&admin).send().await.expect(200);
    assert_eq!((&orders["total"], &orders["totalPages"]), (&json!(3), &json!(2)));
    app.verify().await;
}
