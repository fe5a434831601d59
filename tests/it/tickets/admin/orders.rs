//! `/tickets/api/admin/orders`: contract §10, and what staff's steps do to stock, money and mail.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::app::{App, Sale, admin_path, assert_exact_members, assert_members, number_of};

const PATH: &str = "/tickets/api/admin/orders";

/// A list and its figures: `(orders, count, total, totalPages)`.
async fn list(app: &App, token: &str, query: &str) -> (Vec<Value>, u64, u64, u64) {
    let list = app.get(&format!("{PATH}?{query}")).token(token).send().await.expect(200);
    let figure = |name: &str| list[name].as_u64().unwrap();
    (list["orders"].as_array().unwrap().clone(), figure("count"), figure("total"), figure("totalPages"))
}

fn numbers(orders: &[Value]) -> Vec<&str> {
    orders.iter().map(|order| order["orderNumber"].as_str().unwrap()).collect()
}

async fn buy(app: &App, sale: &Sale, name: &str, email: &str) -> Value {
    let body = json!({"eventId": sale.event, "tierId": sale.tier, "buyerName": name, "buyerEmail": email,
        "buyerPhone": "+502 1234", "buyerCountry": "GT", "paymentMethod": "card"});
    let placed = app.post("/tickets/api/orders").json(&body).send().await.expect(201);
    // Newest first is by the millisecond.
    tokio::time::sleep(std::time::Duration::from_millis(3)).await;
    placed
}

async fn confirm(app: &App, token: &str, placed: &Value, more: Value) -> Value {
    let mut body = json!({"status": "paid"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    app.set_status(token, placed, &body).send().await.expect(200)
}

async fn mails(app: &App) -> usize {
    app.mails("ana@example.com").await.len()
}

/// The backend was written with one set of names and its client with another (D7).
#[tokio::test]
async fn the_list_pages_filters_and_searches_in_both_styles() {
    let app = App::start().await;
    let staff = app.sign_in("staff").await;
    let (sale, other) = (app.open_sale(&staff, 50, 5.0).await, app.open_sale(&staff, 50, 5.0).await);
    let mut placed = Vec::new();
    for i in 0..5 {
        placed.push(buy(&app, &sale, &format!("Buyer {i}"), &format!("buyer{i}@example.com")).await);
    }
    let elsewhere = buy(&app, &other, "Zoe Elsewhere", "zoe@example.com").await;
    let newest: Vec<&str> = placed.iter().rev().map(number_of).collect();

    let (orders, count, total, pages) = list(&app, &staff, "").await;
    assert_eq!((numbers(&orders)[0], count, total, pages), (number_of(&elsewhere), 6, 6, 1));
    assert_eq!(numbers(&orders)[1..], newest, "newest first");
    let fields = "id orderNumber eventName eventDate tierName buyerName buyerEmail buyerPhone quantity totalPrice \
        status paymentMethod emailStatus emailSentAt createdAt currency buyerCountry unitPrice paymentReference";
    orders.iter().for_each(|order| assert_members(order, fields));
    let order = &orders[1];
    assert_eq!((&order["buyerPhone"], &order["buyerCountry"]), (&json!("+502 1234"), &json!("GT")));
    assert_eq!((&order["paymentMethod"], &order["emailStatus"]), (&json!("card"), &Value::Null));
    assert_eq!((&order["eventDate"], &order["totalPrice"]), (&json!("2027-05-01"), &json!(5.0)));
    assert!(!json!(orders).to_string().contains(placed[4]["qrCode"].as_str().unwrap()), "no secrets in lists");

    for event in ["eventId", "event_id"] {
        let (orders, count, total, pages) = list(&app, &staff, &format!("{event}={}", sale.event)).await;
        assert_eq!((numbers(&orders), count, total, pages), (newest.clone(), 5, 5, 1));
        let (orders, count, total, pages) = list(&app, &staff, &format!("{event}={}&page=2&limit=2", sale.event)).await;
        assert_eq!((numbers(&orders), count, total, pages), (newest[2..4].to_vec(), 2, 5, 3));
        let (orders, _, total, _) = list(&app, &staff, &format!("{event}={}&offset=1&limit=2", sale.event)).await;
        assert_eq!((numbers(&orders), total), (newest[1..3].to_vec(), 5));
        let (orders, _, total, _) = list(&app, &staff, &format!("{event}={}&page=9&limit=2", sale.event)).await;
        assert_eq!((orders.len(), total), (0, 5));
    }
    let (orders, ..) = list(&app, &staff, "event_id=8f5f6f0e-6f43-4d4e-9a4e-0c6f4b1b7a01").await;
    assert!(orders.is_empty());

    confirm(&app, &staff, &placed[1], json!({})).await;
    app.set_status(&staff, &placed[2], &json!({"status": "cancelled"})).send().await.expect(200);
    for (status, wanted) in [("paid", &placed[1]), ("cancelled", &placed[2])] {
        let (orders, _, total, _) = list(&app, &staff, &format!("status={status}")).await;
        assert_eq!((numbers(&orders), total), (vec![number_of(wanted)], 1), "{status}");
        assert_eq!(orders[0]["status"], status);
    }
    assert_eq!(list(&app, &staff, "status=pending").await.2, 4);
    assert_eq!(list(&app, &staff, "status=all").await.2, 6);
    let query = format!("status=pending&event_id={}&limit=2", sale.event);
    assert_eq!(list(&app, &staff, &query).await.2, 3, "of that event and status");
    let number = number_of(&placed[3]).to_lowercase();
    for search in ["BUYER%203", "buyer3@EXAMPLE", number.as_str()] {
        let (orders, _, total, _) = list(&app, &staff, &format!("search={search}")).await;
        assert_eq!((numbers(&orders), total), (vec![number_of(&placed[3])], 1), "{search}");
    }
    assert!(list(&app, &staff, "search=nobody").await.0.is_empty());
    for bad in ["status=sold", "limit=0", "limit=x", "page=0", "offset=-1"] {
        app.get(&format!("{PATH}?{bad}")).token(&staff).send().await.refused(400, "VALIDATION_ERROR");
    }
    let other = app.sign_in("other").await;
    let (orders, _, total, _) = list(&app, &other, "").await;
    assert_eq!((orders.len(), total), (0, 0));
}

#[tokio::test]
async fn an_order_that_ran_out_is_listed_as_cancelled() {
    let app = App::start().await;
    let staff = app.sign_in("staff").await;
    let sale = app.open_sale(&staff, 5, 5.0).await;
    let placed = app.place_order(&sale, 1).await;
    app.advance(16 * 60).await;
    let staff = app.sign_in("staff").await;
    app.run_schedule("workers-expiry").await;
    app.until("it has expired", async || app.order_of(&placed).await["status"] == "cancelled").await;
    let (orders, _, total, _) = list(&app, &staff, "status=cancelled").await;
    assert_eq!((numbers(&orders), total, &orders[0]["status"]), (vec![number_of(&placed)], 1, &json!("cancelled")));
    app.set_status(&staff, &placed, &json!({"status": "cancelled"})).send().await.expect(200);
    let answer = app.set_status(&staff, &placed, &json!({"status": "paid"})).send().await;
    answer.refused(400, "ORDER_NOT_PENDING");
    assert_eq!(app.stock(&sale).await, (5, 0, 5));
    app.verify().await;
}

#[tokio::test]
async fn an_order_is_found_by_its_id_and_its_number() {
    let app = App::start().await;
    let staff = app.sign_in("staff").await;
    let sale = app.open_sale(&staff, 5, 5.0).await;
    let placed = app.place_order(&sale, 2).await;
    let by_id = app.get(&admin_path(&placed)).token(&staff).send().await.expect(200);
    assert_exact_members(&by_id, "success order");
    let by_number = app.get(&format!("{PATH}/{}", number_of(&placed).to_lowercase())).token(&staff).send().await;
    assert_eq!(by_number.expect(200), by_id);
    assert_eq!((&by_id["order"]["id"], &by_id["order"]["quantity"]), (&placed["order"]["id"], &json!(2)));
    for unknown in ["HP260125-AAAAAAAA", "8f5f6f0e-6f43-4d4e-9a4e-0c6f4b1b7a01", "nonsense"] {
        app.get(&format!("{PATH}/{unknown}")).token(&staff).send().await.refused(404, "ORDER_NOT_FOUND");
    }
}

#[tokio::test]
async fn a_confirmed_order_is_paid_once_and_its_ticket_sent_once() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let sale = app.open_sale(&admin, 5, 5.0).await;
    let placed = app.place_order(&sale, 2).await;
    let done = confirm(&app, &admin, &placed, json!({"paymentReference": "cash-17"})).await;
    assert_exact_members(&done, "success message emailSent");
    assert_eq!((&done["success"], &done["emailSent"]), (&json!(true), &json!(true)));
    assert_eq!(mails(&app).await, 1, "sent with the answer");
    let order = app.admin_order(&admin, &placed).await;
    assert_eq!((&order["status"], &order["paymentReference"]), (&json!("paid"), &json!("cash-17")));
    assert_eq!((&order["paymentProvider"], &order["emailStatus"]), (&json!("admin"), &json!("sent")));
    order["emailSentAt"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();

    confirm(&app, &admin, &placed, json!({})).await;
    app.cloud.drain().await;
    assert_eq!(mails(&app).await, 1, "confirming again is a success and does nothing");
    assert_eq!(app.stock(&sale).await, (5, 2, 3));
    app.verify().await;
}

#[tokio::test]
async fn staff_may_send_no_mail_and_send_it_later() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let sale = app.open_sale(&admin, 5, 5.0).await;
    for name in ["sendEmail", "send_email"] {
        let placed = app.place_order(&sale, 1).await;
        let before = mails(&app).await;
        assert_eq!(confirm(&app, &admin, &placed, json!({name: false})).await["emailSent"], false);
        app.cloud.drain().await;
        app.advance(5 * 60).await;
        app.run_schedule("workers-email").await;
        app.cloud.drain().await;
        assert_eq!(mails(&app).await, before, "no worker sends it either");
        let path = format!("{}/resend-email", admin_path(&placed));
        let sent = app.post(&path).token(&admin).send().await.expect(200);
        assert_eq!(sent, json!({"success": true, "emailSent": true, "message": "Email sent"}));
        assert_eq!(mails(&app).await, before + 1);
    }
    app.verify().await;
}

#[tokio::test]
async fn steps_that_the_lifecycle_has_not_are_refused_by_name() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let sale = app.open_sale(&admin, 20, 5.0).await;
    let (pending, paid) = (app.place_order(&sale, 1).await, app.place_order(&sale, 1).await);
    let (cancelled, refunded) = (app.place_order(&sale, 1).await, app.place_order(&sale, 1).await);
    let step =
        async |placed: &Value, status: &str| app.set_status(&admin, placed, &json!({"status": status})).send().await;
    for (placed, way) in [(&paid, &["paid"][..]), (&cancelled, &["cancelled"]), (&refunded, &["paid", "refunded"])] {
        for status in way {
            step(placed, status).await.expect(200);
        }
    }
    let stock = app.stock(&sale).await;
    assert_eq!(stock, (20, 2, 18), "cancel and refund give the tickets back");
    for (placed, status, code) in [
        (&pending, "refunded", "CANNOT_REFUND_NON_PAID"),
        (&paid, "cancelled", "CANNOT_CANCEL_NON_PENDING"),
        (&cancelled, "paid", "ORDER_NOT_PENDING"),
        (&cancelled, "refunded", "CANNOT_REFUND_NON_PAID"),
        (&refunded, "paid", "ORDER_NOT_PENDING"),
        (&refunded, "cancelled", "CANNOT_CANCEL_NON_PENDING"),
    ] {
        step(placed, status).await.refused(400, code);
    }
    for (placed, status) in [(&paid, "paid"), (&cancelled, "cancelled"), (&refunded, "refunded")] {
        assert_eq!(step(placed, status).await.expect(200)["emailSent"], false, "{status} again does nothing");
    }
    for (placed, status) in [(&pending, "pending"), (&paid, "paid"), (&cancelled, "cancelled"), (&refunded, "refunded")]
    {
        assert_eq!(app.order_of(placed).await["status"], status);
    }
    assert_eq!(app.stock(&sale).await, stock);
    app.verify().await;
}

#[tokio::test]
async fn what_is_no_status_is_refused_with_those_there_are() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let sale = app.open_sale(&admin, 5, 5.0).await;
    let placed = app.place_order(&sale, 1).await;
    for body in [json!({"status": "checked_in"}), json!({"status": "PAID"}), json!({}), json!({"status": null})] {
        let answer = app.set_status(&admin, &placed, &body).send().await.expect(400);
        assert_eq!((&answer["success"], &answer["error"]), (&json!(false), &json!("Invalid status")));
        for status in ["paid", "cancelled", "refunded"] {
            assert!(answer["validStatuses"].as_array().unwrap().contains(&json!(status)), "{answer}");
        }
    }
    let answer = app.set_status(&admin, &placed, &json!({"status": "pending"})).send().await.expect(400);
    assert_eq!(answer["error"], "Invalid status transition");
    for unknown in ["HP260125-AAAAAAAA", "8f5f6f0e-6f43-4d4e-9a4e-0c6f4b1b7a01", "nonsense"] {
        let path = format!("{PATH}/{unknown}/status");
        let answer = app.put(&path).token(&admin).json(&json!({"status": "paid"})).send().await;
        answer.refused(404, "ORDER_NOT_FOUND");
    }
}

#[tokio::test]
async fn a_refund_gives_the_money_back_where_it_was_paid() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let sale = app.open_sale(&admin, 5, 12.5).await;
    let placed = app.place_order(&sale, 2).await;
    app.pay(&placed).await;
    let refund = json!({"status": "refunded"});
    for _ in 0..2 {
        assert_eq!(app.set_status(&admin, &placed, &refund).send().await.expect(200)["emailSent"], false);
    }
    let refunds = app.cloud.stripe().objects("refund");
    assert_eq!(refunds.len(), 1, "{refunds:?}");
    let intents = app.cloud.stripe().objects("payment_intent");
    assert_eq!((&refunds[0]["amount"], &refunds[0]["payment_intent"]), (&json!(2500), &intents[0]["id"]));
    app.cloud.drain().await;
    assert_eq!(app.order_of(&placed).await["status"], "refunded");
    assert_eq!(app.stock(&sale).await, (5, 0, 5));
    let scan = app.post("/tickets/api/checkin").json(&json!({"qr_code": placed["qrCode"]})).send().await;
    scan.refused(400, "NOT_PAID");

    let cash = app.place_order(&sale, 1).await;
    confirm(&app, &admin, &cash, json!({"paymentReference": "cash-1"})).await;
    app.set_status(&admin, &cash, &refund).send().await.expect(200);
    assert_eq!(app.cloud.stripe().objects("refund").len(), 1, "cash is not Stripe's to give back");
    app.verify().await;
}

#[tokio::test]
async fn a_refund_that_stripe_does_not_take_changes_nothing() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let sale = app.open_sale(&admin, 5, 12.5).await;
    let placed = app.place_order(&sale, 1).await;
    app.pay(&placed).await;
    app.cloud.stripe().fail_next(20, local::stripe::Fault::Http500);
    let answer = app.set_status(&admin, &placed, &json!({"status": "refunded"})).send().await;
    assert_eq!(answer.status, 503, "{}", answer.body);
    app.cloud.stripe().clear_faults();
    assert_eq!(app.order_of(&placed).await["status"], "paid");
    app.set_status(&admin, &placed, &json!({"status": "refunded"})).send().await.expect(200);
    assert_eq!(app.cloud.stripe().objects("refund").len(), 1);
    app.verify().await;
}

/// Of a payment, a cancellation and a refund at once each order has one history, and its tickets are given back once.
#[tokio::test]
async fn steps_at_the_same_time_have_one_outcome() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let sale = app.open_sale(&admin, 50, 5.0).await;
    let mut left = 0;
    for _ in 0..6 {
        let placed = app.place_order(&sale, 1).await;
        let step = |status: &str| app.set_status(&admin, &placed, &json!({"status": status})).send();
        let all = ["paid", "cancelled", "paid", "cancelled", "refunded", "paid"].map(step);
        for answer in join_all(all).await {
            assert!(answer.status == 200 || answer.status == 400, "{}", answer.body);
        }
        let status = app.order_of(&placed).await["status"].as_str().unwrap().to_owned();
        left += i64::from(status == "paid");
        assert!(["paid", "cancelled", "refunded"].contains(&status.as_str()), "{status}");
    }
    assert_eq!(app.stock(&sale).await, (50, left, 50 - left));
    app.verify().await;
}

#[tokio::test]
async fn only_a_paid_order_has_a_ticket_to_send_again() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let sale = app.open_sale(&admin, 5, 5.0).await;
    let placed = app.place_order(&sale, 1).await;
    let resend = |placed: &Value| app.post(&format!("{}/resend-email", admin_path(placed))).token(&admin).send();
    assert_eq!(resend(&placed).await.expect(400)["success"], false);
    confirm(&app, &admin, &placed, json!({})).await;
    for sent in 2..4 {
        let answer = resend(&placed).await.expect(200);
        assert_eq!(answer, json!({"success": true, "emailSent": true, "message": "Email sent"}));
        app.cloud.drain().await;
        assert_eq!(mails(&app).await, sent, "one more, and no worker sends it besides");
    }
    app.set_status(&admin, &placed, &json!({"status": "refunded"})).send().await.expect(200);
    assert_eq!(resend(&placed).await.expect(400)["success"], false);
    let unknown = format!("{PATH}/HP260125-AAAAAAAA/resend-email");
    app.post(&unknown).token(&admin).send().await.refused(404, "ORDER_NOT_FOUND");
    app.verify().await;
}

#[tokio::test]
async fn another_tenants_order_is_not_found_and_not_touched() {
    let app = App::start().await;
    let (admin, other) = (app.sign_in("admin").await, app.sign_in("other").await);
    let sale = app.open_sale(&admin, 5, 5.0).await;
    let placed = app.place_order(&sale, 1).await;
    for status in ["paid", "cancelled", "refunded"] {
        let answer = app.set_status(&other, &placed, &json!({"status": status})).send().await;
        answer.refused(404, "ORDER_NOT_FOUND");
    }
    app.get(&admin_path(&placed)).token(&other).send().await.refused(404, "ORDER_NOT_FOUND");
    let resend = app.post(&format!("{}/resend-email", admin_path(&placed))).token(&other).send().await;
    resend.refused(404, "ORDER_NOT_FOUND");
    assert_eq!(app.order_of(&placed).await["status"], "pending");
}

#[tokio::test]
async fn a_test_order_is_a_ticket_like_any_other() {
    let app = App::start().await;
    let staff = app.sign_in("staff").await;
    let sale = app.open_sale(&staff, 5, 12.5).await;
    let path = format!("{PATH}/test");
    let body = json!({"event_id": sale.event, "tier_id": sale.tier, "buyer_name": "Tess Ter",
        "buyer_email": "ana@example.com", "buyer_phone": "+1", "quantity": 2, "send_email": true});
    let answer = app.post(&path).token(&staff).json(&body).send().await;
    assert!(answer.status.is_success(), "{}", answer.body);
    let placed = answer.body;
    assert_exact_members(&placed, "success message order emailSent");
    let order = &placed["order"];
    let fields = "id orderNumber eventName tierName buyerName buyerEmail quantity totalPrice status qrCode";
    assert_exact_members(order, fields);
    let number = order["orderNumber"].as_str().unwrap();
    assert!(number.starts_with("TEST-") && number.len() == "TEST-YYMMDD-XXXXXX".len(), "{number}");
    assert_eq!((&order["status"], &order["totalPrice"]), (&json!("paid"), &json!(25.0)));
    assert_eq!((&placed["success"], &placed["emailSent"]), (&json!(true), &json!(true)));
    assert_eq!(mails(&app).await, 1);
    assert_eq!(app.stock(&sale).await, (5, 2, 3));
    assert_eq!(app.admin_order(&staff, &placed).await["status"], "paid");
    let shown = app.get(&format!("/tickets/api/orders/{number}")).send().await.expect(200);
    assert_eq!(shown["order"]["buyerName"], "Tess Ter");
    let scan = app.post("/tickets/api/checkin").json(&json!({"qr_code": order["qrCode"]})).send().await.expect(200);
    assert_eq!((&scan["ticket"]["id"], &scan["ticket"]["quantity"]), (&json!(number), &json!(2)));
    app.verify().await;
}

#[tokio::test]
async fn a_test_order_needs_what_an_order_needs_and_may_stay_silent() {
    let app = App::start().await;
    let (staff, other) = (app.sign_in("staff").await, app.sign_in("other").await);
    let sale = app.open_sale(&staff, 3, 5.0).await;
    let path = format!("{PATH}/test");
    let good =
        json!({"event_id": sale.event, "tier_id": sale.tier, "buyer_name": "Tess", "buyer_email": "ana@example.com"});
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    let post = async |token: &str, body: Value| app.post(&path).token(token).json(&body).send().await;
    for name in ["event_id", "tier_id", "buyer_name", "buyer_email"] {
        post(&staff, with(name, Value::Null)).await.refused(400, "MISSING_REQUIRED_FIELDS");
    }
    post(&staff, with("buyer_email", json!("nobody"))).await.refused(400, "VALIDATION_ERROR");
    post(&staff, with("quantity", json!(-1))).await.refused(400, "VALIDATION_ERROR");
    post(&staff, with("tier_id", json!(sale.event))).await.refused(404, "TIER_NOT_FOUND");
    post(&staff, with("quantity", json!(4))).await.refused(400, "SOLD_OUT");
    assert_eq!(post(&other, good.clone()).await.status, 404, "another tenant's event");
    assert_eq!(app.stock(&sale).await, (3, 0, 3));

    let silent = post(&staff, with("send_email", json!(false))).await;
    assert!(silent.status.is_success(), "{}", silent.body);
    assert_eq!((&silent.body["emailSent"], &silent.body["order"]["quantity"]), (&json!(false), &json!(1)));
    app.cloud.drain().await;
    assert_eq!(mails(&app).await, 0);
    assert_eq!(app.stock(&sale).await, (3, 1, 2));
    app.verify().await;
}
