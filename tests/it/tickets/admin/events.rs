//! `/tickets/api/admin/events`: contract §9.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::{Answer, App, Sale, assert_exact_members, assert_members};

const PATH: &str = "/tickets/api/admin/events";

async fn put(app: &App, token: &str, event: &str, change: Value) -> Answer {
    app.put(&format!("{PATH}/{event}")).token(token).json(&change).send().await
}

async fn list(app: &App, token: &str, query: &str) -> Vec<Value> {
    let list = app.get(&format!("{PATH}?{query}")).token(token).send().await.expect(200);
    let events = list["events"].as_array().unwrap();
    assert_eq!(list["count"], events.len());
    events.clone()
}

fn ids(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["id"].as_str().unwrap()).collect()
}

fn tier_names(event: &Value) -> Vec<&str> {
    event["tiers"].as_array().unwrap().iter().map(|tier| tier["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_new_event_needs_name_place_and_day() {
    let app = App::start().await;
    let staff = app.sign_in("staff").await;
    let good = json!({"name": "Night", "location": "Oslo", "date": "2031-01-01"});
    for field in ["name", "location", "date"] {
        for value in [Value::Null, json!("  ")] {
            let mut body = good.clone();
            body[field] = value;
            let refused = app.post(PATH).token(&staff).json(&body).send().await.refused(400, "VALIDATION_ERROR");
            assert_eq!(refused["details"][0]["field"], field, "{refused}");
        }
    }
    let created = app.post(PATH).token(&staff).json(&good).send().await.expect(201);
    assert_exact_members(&created, "success event message");
    assert_exact_members(&created["event"], "id name");
    assert_eq!((&created["success"], &created["event"]["name"]), (&json!(true), &json!("Night")));

    let event = app.admin_event(&staff, created["event"]["id"].as_str().unwrap()).await;
    assert_eq!(
        (&event["status"], &event["type"], &event["time"]),
        (&json!("draft"), &json!("party"), &json!("21:00:00"))
    );
    assert_eq!((&event["minAge"], &event["isFeatured"], &event["tiers"]), (&json!(18), &json!(false), &json!([])));
}

/// The backend was written in one spelling and its client in the other (D6): both write the same event.
#[tokio::test]
async fn both_spellings_write_the_same_and_both_are_read() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let camel = json!({"name": "Night", "location": "Oslo", "date": "2031-01-01", "time": "20:30", "venue": "Hall",
        "description": "Long", "type": "concert", "mainArtist": "Ana", "artists": ["Ana", "Bo"],
        "image": "https://img.example.com/a.jpg", "status": "active", "minAge": 21, "isFeatured": true,
        "tiers": [{"name": "VIP", "description": "Near", "price": 19.99, "currency": "EUR", "quantity": 7,
            "maxPerOrder": 3, "paymentLink": "https://pay.example.com/x", "isActive": false}]});
    let snake = json!({"name": "Night", "location": "Oslo", "date": "2031-01-01", "event_date": "2031-01-01",
        "event_time": "20:30", "venue": "Hall", "description": "Long", "event_type": "concert", "main_artist": "Ana",
        "artists": ["Ana", "Bo"], "image_url": "https://img.example.com/a.jpg", "status": "active", "min_age": 21,
        "is_featured": true,
        "tiers": [{"name": "VIP", "description": "Near", "price": 19.99, "currency": "EUR", "quantity": 7,
            "max_per_order": 3, "payment_link": "https://pay.example.com/x", "is_active": false}]});
    let only_event_date = {
        let mut body = snake.clone();
        body.as_object_mut().unwrap().remove("date");
        body["event_date"] = json!("2031-01-01T00:00:00.000Z");
        body
    };
    let mut read = Vec::new();
    for body in [camel, snake, only_event_date] {
        let mut event = app.admin_event(&admin, &app.create_event(&admin, &body).await).await;
        for name in ["id", "createdAt", "created_at"] {
            event.as_object_mut().unwrap().remove(name);
        }
        event["tiers"][0].as_object_mut().unwrap().remove("id");
        read.push(event);
    }
    assert_eq!((&read[0], &read[0]), (&read[1], &read[2]));
    let event = &read[0];
    assert_members(event, "name location venue date time description type mainArtist image status isFeatured tiers");
    let date = [&event["date"], &event["event_date"]];
    assert!(date.iter().all(|date| date.as_str().unwrap().starts_with("2031-01-01")), "{date:?}");
    for (camel, snake, value) in [
        ("time", "event_time", json!("20:30:00")),
        ("type", "event_type", json!("concert")),
        ("mainArtist", "main_artist", json!("Ana")),
        ("image", "image_url", json!("https://img.example.com/a.jpg")),
        ("minAge", "min_age", json!(21)),
        ("isFeatured", "is_featured", json!(true)),
    ] {
        assert_eq!((&event[camel], &event[snake]), (&value, &value), "{camel}");
    }
    let tier = &event["tiers"][0];
    for (name, value) in [
        ("name", json!("VIP")),
        ("description", json!("Near")),
        ("price", json!(19.99)),
        ("currency", json!("EUR")),
        ("quantity", json!(7)),
        ("sold", json!(0)),
        ("max_per_order", json!(3)),
        ("payment_link", json!("https://pay.example.com/x")),
        ("is_active", json!(false)),
    ] {
        assert_eq!(tier[name], value, "{name}");
    }
}

#[tokio::test]
async fn what_an_edit_leaves_out_keeps_its_value() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let body = json!({"name": "Night", "location": "Oslo", "date": "2031-01-01", "time": "20:30", "venue": "Hall",
        "description": "Long", "type": "concert", "mainArtist": "Ana", "artists": ["Ana"], "status": "active",
        "image": "https://img.example.com/a.jpg", "minAge": 21, "isFeatured": true,
        "tiers": [{"name": "VIP", "price": 19.99, "quantity": 7, "description": "Near", "max_per_order": 3,
            "payment_link": "https://pay.example.com/x", "is_active": false, "currency": "EUR"}]});
    let id = app.create_event(&admin, &body).await;
    let before = app.admin_event(&admin, &id).await;
    let nulls: Value = body.as_object().unwrap().keys().map(|name| (name.clone(), Value::Null)).collect();
    for change in [json!({}), nulls] {
        let done = put(&app, &admin, &id, change).await.expect(200);
        assert_exact_members(&done, "success message");
        assert_eq!(app.admin_event(&admin, &id).await, before);
    }
    put(&app, &admin, &id, json!({"venue": "Garden"})).await.expect(200);
    let tier = json!({"id": before["tiers"][0]["id"], "price": 25});
    put(&app, &admin, &id, json!({"tiers": [tier]})).await.expect(200);
    let mut wanted = before.clone();
    wanted["venue"] = json!("Garden");
    wanted["tiers"][0]["price"] = json!(25.0);
    assert_eq!(app.admin_event(&admin, &id).await, wanted);
}

#[tokio::test]
async fn orders_keep_the_price_they_were_made_at() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let sale = app.open_sale(&admin, 10, 5.0).await;
    let placed = app.place_order(&sale, 2).await;
    let change = json!({"name": "Renamed", "tiers": [{"id": sale.tier, "price": 50}]});
    put(&app, &admin, &sale.event, change).await.expect(200);
    let order = app.order_of(&placed).await;
    assert_eq!((&order["unitPrice"], &order["totalPrice"]), (&json!(5.0), &json!(10.0)));
    assert_eq!(app.place_order(&sale, 1).await["order"]["totalPrice"], 50.0);
}

#[tokio::test]
async fn a_tier_that_is_left_out_goes_only_when_nothing_of_it_is_sold() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let tiers: Vec<Value> = ["Sold", "Held", "Freed", "Untouched"]
        .iter()
        .map(|name| json!({"name": name, "price": 5, "quantity": 10}))
        .collect();
    let body = json!({"name": "Night", "location": "Oslo", "date": "2031-01-01", "status": "active", "tiers": tiers});
    let id = app.create_event(&admin, &body).await;
    let event = app.admin_event(&admin, &id).await;
    let tier = |name: &str| {
        let tiers = event["tiers"].as_array().unwrap();
        let tier = tiers.iter().find(|tier| tier["name"] == name).unwrap();
        Sale { event: id.clone(), tier: tier["id"].as_str().unwrap().to_owned() }
    };
    let sold = app.place_order(&tier("Sold"), 1).await;
    app.set_status(&admin, &sold, &json!({"status": "paid"})).send().await.expect(200);
    app.place_order(&tier("Held"), 1).await;
    let freed = app.place_order(&tier("Freed"), 1).await;
    app.set_status(&admin, &freed, &json!({"status": "cancelled"})).send().await.expect(200);

    put(&app, &admin, &id, json!({"name": "Still Night"})).await.expect(200);
    assert_eq!(tier_names(&app.admin_event(&admin, &id).await).len(), 4, "`tiers` left out touches none");
    let new = json!({"tiers": [{"name": "New", "price": 1}]});
    put(&app, &admin, &id, new).await.expect(200);
    let mut names = app.admin_event(&admin, &id).await;
    let names: Vec<&str> = {
        names["tiers"].as_array_mut().unwrap().sort_by_key(|tier| tier["name"].to_string());
        tier_names(&names)
    };
    assert_eq!(names, ["Held", "New", "Sold"]);
    app.order(&tier("Untouched"), 1).send().await.refused(404, "TIER_NOT_FOUND");
    assert_eq!(app.order_of(&freed).await["status"], "cancelled", "its orders stay");
    app.verify().await;
}

#[tokio::test]
async fn tiers_are_updated_and_added_in_the_order_of_the_list() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let tiers = json!([{"name": "A", "price": 1, "quantity": 5}, {"name": "B", "price": 2, "quantity": 5}]);
    let body = json!({"name": "Night", "location": "Oslo", "date": "2031-01-01", "status": "active", "tiers": tiers});
    let id = app.create_event(&admin, &body).await;
    let before = app.admin_event(&admin, &id).await;
    let tiers = json!([{"name": "New", "price": 3}, {"id": before["tiers"][1]["id"], "name": "B2", "quantity": 8},
        {"id": before["tiers"][0]["id"]}]);
    put(&app, &admin, &id, json!({"tiers": tiers})).await.expect(200);
    let after = app.admin_event(&admin, &id).await;
    assert_eq!(tier_names(&after), ["New", "B2", "A"]);
    let figures: Vec<_> =
        after["tiers"].as_array().unwrap().iter().map(|tier| (&tier["price"], &tier["quantity"])).collect();
    assert_eq!(figures, [(&json!(3.0), &json!(100)), (&json!(2.0), &json!(8)), (&json!(1.0), &json!(5))]);
    assert_eq!(after["tiers"][1]["id"], before["tiers"][1]["id"]);
    app.verify().await;
}

#[tokio::test]
async fn a_quantity_below_what_is_sold_is_raised_to_it() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let sale = app.open_sale(&admin, 10, 5.0).await;
    let paid = app.place_order(&sale, 3).await;
    app.set_status(&admin, &paid, &json!({"status": "paid"})).send().await.expect(200);
    let held = app.place_order(&sale, 2).await;
    let wish = |quantity: u32| json!({"tiers": [{"id": sale.tier, "quantity": quantity}]});
    put(&app, &admin, &sale.event, wish(1)).await.expect(200);
    assert_eq!(app.stock(&sale).await, (5, 5, 0), "held counts as sold");
    app.order(&sale, 1).send().await.refused(400, "SOLD_OUT");
    put(&app, &admin, &sale.event, wish(6)).await.expect(200);
    assert_eq!(app.stock(&sale).await, (6, 5, 1));
    app.set_status(&admin, &held, &json!({"status": "cancelled"})).send().await.expect(200);
    put(&app, &admin, &sale.event, wish(0)).await.expect(200);
    assert_eq!(app.stock(&sale).await, (3, 3, 0));
    assert_eq!(app.admin_event(&admin, &sale.event).await["tiers"][0]["quantity"], 3);
    app.verify().await;
}

/// Capacity goes up and down while 120 orders are being placed: afterwards the sum is exact, and what is left can be sold.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn capacity_changes_while_orders_are_placed() {
    let app = Arc::new(App::start().await);
    let admin = app.sign_in("admin").await;
    let sale = app.open_sale(&admin, 40, 5.0).await;
    let buyers: Vec<_> = (0..120u32)
        .map(|i| {
            let (app, sale) = (app.clone(), sale.clone());
            tokio::spawn(async move { (1 + i % 3, app.order(&sale, 1 + i % 3).send().await) })
        })
        .collect();
    for quantity in [5, 200, 30, 90, 12, 150, 60] {
        let change = json!({"tiers": [{"id": sale.tier, "quantity": quantity}]});
        put(&app, &admin, &sale.event, change).await.expect(200);
    }
    let mut sold = 0;
    for buyer in buyers {
        let (quantity, answer) = buyer.await.unwrap();
        if answer.status == 201 {
            sold += i64::from(quantity);
        } else {
            answer.refused(400, "SOLD_OUT");
        }
    }
    let (quantity, taken, available) = app.stock(&sale).await;
    assert_eq!(taken, sold);
    assert!(quantity >= 60, "{quantity}");
    assert_eq!(quantity - taken, available);
    app.verify().await;

    put(&app, &admin, &sale.event, json!({"tiers": [{"id": sale.tier, "quantity": sold + 10}]})).await.expect(200);
    assert_eq!(app.stock(&sale).await, (sold + 10, sold, 10));
    app.place_order(&sale, 7).await;
    app.order(&sale, 4).send().await.refused(400, "SOLD_OUT");
    app.place_order(&sale, 3).await;
    assert_eq!(app.stock(&sale).await, (sold + 10, sold + 10, 0));
    app.verify().await;
}

#[tokio::test]
async fn edits_at_the_same_time_are_all_kept() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let sale = app.open_sale(&admin, 10, 5.0).await;
    let changes = [
        ("venue", json!("Garden")),
        ("mainArtist", json!("Ana")),
        ("description", json!("Long")),
        ("minAge", json!(21)),
    ];
    let edits = changes.iter().map(|(name, value)| put(&app, &admin, &sale.event, json!({*name: value})));
    for answer in futures_util::future::join_all(edits).await {
        answer.expect(200);
    }
    let event = app.admin_event(&admin, &sale.event).await;
    changes.iter().for_each(|(name, value)| assert_eq!(event[*name], *value, "{name}"));
}

#[tokio::test]
async fn the_list_is_filtered_and_searched_latest_day_first() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let create = async |name: &str, venue: &str, date: &str, status: &str| {
        let body = json!({"name": name, "venue": venue, "location": "Oslo", "date": date, "status": status});
        app.create_event(&admin, &body).await
    };
    let draft = create("Zebra Ball", "Hall", "2031-01-03", "draft").await;
    let active = create("Night", "The ZEBRA House", "2031-01-02", "active").await;
    let gone = create("Zebra Gone", "Hall", "2031-01-04", "active").await;
    app.delete(&format!("{PATH}/{gone}")).token(&admin).send().await.expect(200);

    for query in ["", "status=", "status=all", "status=all&search="] {
        let all = list(&app, &admin, query).await;
        let found = ids(&all);
        assert_eq!(found[..2], [&draft, &active], "latest day first");
        assert!(!found.contains(&gone.as_str()), "{query}");
        assert!(found.contains(&app.demo["completed_event_id"].as_str().unwrap()));
        assert!(!found.contains(&app.demo["other_event_id"].as_str().unwrap()));
    }
    assert_eq!(ids(&list(&app, &admin, "search=zebra").await), [&draft, &active], "name and venue, in any case");
    assert_eq!(ids(&list(&app, &admin, "search=zebra&status=active").await), [&active]);
    assert_eq!(ids(&list(&app, &admin, "status=draft&search=ZEBRA").await), [&draft]);
    assert_eq!(ids(&list(&app, &admin, "search=zebra&includeDeleted=true").await), [&gone, &draft, &active]);
    assert_eq!(ids(&list(&app, &admin, "status=deleted").await), [&gone]);
    assert!(list(&app, &admin, "search=nobody%20knows").await.is_empty());
    let event = &list(&app, &admin, "search=zebra&status=active").await[0];
    let fields = "id name location venue date time description type mainArtist image status isFeatured tiers createdAt";
    assert_members(event, fields);
}

#[tokio::test]
async fn a_deleted_event_is_kept_for_its_orders() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let sale = app.open_sale(&admin, 10, 5.0).await;
    let placed = app.place_order(&sale, 1).await;
    let path = format!("{PATH}/{}", sale.event);
    let done = app.delete(&path).token(&admin).send().await.expect(200);
    assert_exact_members(&done, "success message");
    app.delete(&path).token(&admin).send().await.refused(404, "EVENT_NOT_FOUND");
    app.get(&path).token(&admin).send().await.refused(404, "EVENT_NOT_FOUND");
    put(&app, &admin, &sale.event, json!({"status": "active"})).await.refused(404, "EVENT_NOT_FOUND");
    app.order(&sale, 1).send().await.refused(404, "TIER_NOT_FOUND");
    assert_eq!(app.order_of(&placed).await["status"], "pending");
    assert_eq!(app.admin_order(&admin, &placed).await["eventName"], "Test Night");
    app.set_status(&admin, &placed, &json!({"status": "paid"})).send().await.expect(200);
    app.verify().await;
}

#[tokio::test]
async fn bad_values_name_their_field_and_change_nothing() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let sale = app.open_sale(&admin, 10, 5.0).await;
    let other_tier = app.open_sale(&admin, 10, 5.0).await.tier;
    let before = app.admin_event(&admin, &sale.event).await;
    let tier = |name: &str, value: Value| json!({"tiers": [{"id": sale.tier, name: value}]});
    let cases = [
        (json!({"name": "x".repeat(201)}), "name"),
        (json!({"name": ""}), "name"),
        (json!({"date": "2031-02-30"}), "date"),
        (json!({"event_date": "soon"}), "eventDate"),
        (json!({"time": "25:00"}), "time"),
        (json!({"type": "rave"}), "type"),
        (json!({"status": "sold"}), "status"),
        (json!({"minAge": -1}), "minAge"),
        (json!({"image": "javascript:alert(1)"}), "image"),
        (json!({"tiers": [{"price": 5}]}), "tiers[0].name"),
        (json!({"tiers": [{"name": "New"}]}), "tiers[0].price"),
        (json!({"tiers": [{"id": other_tier, "name": "Not ours"}]}), "tiers[0].id"),
        (tier("price", json!(-0.01)), "tiers[0].price"),
        (tier("quantity", json!(-1)), "tiers[0].quantity"),
        (tier("quantity", json!(1.5)), "tiers[0].quantity"),
        (tier("currency", json!("dollars")), "tiers[0].currency"),
        (tier("max_per_order", json!(0)), "tiers[0].maxPerOrder"),
        (tier("payment_link", json!("ftp://x")), "tiers[0].paymentLink"),
    ];
    for (change, field) in cases {
        let refused = put(&app, &admin, &sale.event, change).await.refused(400, "VALIDATION_ERROR");
        assert_eq!(refused["details"][0]["field"], field, "{refused}");
    }
    app.put(&format!("{PATH}/{}", sale.event)).token(&admin).body("[").send().await.refused(400, "VALIDATION_ERROR");
    let answer = app.get(&format!("{PATH}?status=sold")).token(&admin).send().await;
    answer.refused(400, "VALIDATION_ERROR");
    assert_eq!(app.admin_event(&admin, &sale.event).await, before);
}

#[tokio::test]
async fn another_tenants_event_is_not_found_and_not_touched() {
    let app = App::start().await;
    let (admin, other) = (app.sign_in("admin").await, app.sign_in("other").await);
    let sale = app.open_sale(&admin, 10, 5.0).await;
    for id in [sale.event.as_str(), "8f5f6f0e-6f43-4d4e-9a4e-0c6f4b1b7a01", "nonsense"] {
        let path = format!("{PATH}/{id}");
        app.get(&path).token(&other).send().await.refused(404, "EVENT_NOT_FOUND");
        put(&app, &other, id, json!({"name": "Taken"})).await.refused(404, "EVENT_NOT_FOUND");
        app.delete(&path).token(&other).send().await.refused(404, "EVENT_NOT_FOUND");
    }
    let event = app.admin_event(&admin, &sale.event).await;
    assert_eq!((&event["name"], &event["status"]), (&json!("Test Night"), &json!("active")));
}

#[tokio::test]
async fn a_tiers_own_payment_page_is_where_its_buyers_pay() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let sale = app.open_sale(&admin, 10, 5.0).await;
    let link = "https://pay.example.com/night";
    put(&app, &admin, &sale.event, json!({"tiers": [{"id": sale.tier, "payment_link": link}]})).await.expect(200);
    assert_eq!(app.place_order(&sale, 1).await["paymentUrl"], link);
    assert!(app.cloud.stripe().objects("checkout.session").is_empty());
}

#[tokio::test]
async fn what_was_read_can_be_written_back() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let event = app.demo["event_id"].as_str().unwrap();
    let sale = Sale { event: event.to_owned(), tier: app.demo["tier_id"].as_str().unwrap().to_owned() };
    app.place_order(&sale, 2).await;
    let before = app.admin_event(&admin, event).await;
    put(&app, &admin, event, before.clone()).await.expect(200);
    assert_eq!(app.admin_event(&admin, event).await, before);
    app.verify().await;
}

/// Either somebody bought first, and the tier stays, or nobody did, and it is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tier_that_is_deleted_while_it_sells_goes_unsold_or_stays() {
    let app = Arc::new(App::start().await);
    let admin = app.sign_in("admin").await;
    for round in 0..8 {
        let sale = app.open_sale(&admin, 20, 5.0).await;
        let buyers: Vec<_> = (0..4)
            .map(|_| {
                let (app, sale) = (app.clone(), sale.clone());
                tokio::spawn(async move { app.order(&sale, 1).send().await })
            })
            .collect();
        tokio::time::sleep(std::time::Duration::from_millis(4 * round)).await;
        put(&app, &admin, &sale.event, json!({"tiers": [{"name": "New", "price": 1}]})).await.expect(200);
        let mut sold = 0;
        for buyer in buyers {
            let answer = buyer.await.unwrap();
            match (answer.status.as_u16(), answer.body["code"].as_str()) {
                (201, _) => sold += 1,
                (400, Some("SOLD_OUT")) | (404, Some("TIER_NOT_FOUND")) => {}
                _ => panic!("{}", answer.body),
            }
        }
        let event = app.admin_event(&admin, &sale.event).await;
        assert_eq!(tier_names(&event), if sold > 0 { vec!["New", "General"] } else { vec!["New"] });
    }
    app.verify().await;
}
