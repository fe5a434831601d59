//! `/tickets/api/checkin`: contract §7.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::{App, Call, number_of};

async fn paid(app: &App, quantity: u32) -> Value {
    let sale = app.open_sale(&app.sign_in("admin").await, 20, 0.0).await;
    app.place_order(&sale, quantity).await
}

fn scan<'a>(app: &'a App, presented: &Value) -> Call<'a> {
    app.post("/tickets/api/checkin").json(&json!({"qr_code": presented}))
}

#[tokio::test]
async fn verdicts_in_the_contracts_order() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let sale = app.open_sale(&admin, 20, 5.0).await;
    let pending = app.place_order(&sale, 1).await;
    let check_in = "/tickets/api/checkin";
    app.post(check_in).json(&json!({})).send().await.refused(400, "MISSING_REQUIRED_FIELDS");
    let unknown = scan(&app, &json!("F".repeat(32))).send().await.refused(404, "ORDER_NOT_FOUND");
    assert_eq!(unknown["error"], "Ticket not found");
    let unpaid = scan(&app, &pending["qrCode"]).send().await.refused(400, "NOT_PAID");
    assert_eq!(unpaid["error"], "Payment not confirmed");

    let ticket = paid(&app, 3).await;
    let secret = ticket["qrCode"].as_str().unwrap().to_lowercase();
    let entered = scan(&app, &json!(secret)).send().await.expect(200);
    assert_eq!(entered["message"], "Check-in successful");
    assert_eq!(
        entered["ticket"],
        json!({"id": number_of(&ticket), "name": "Ana Buyer", "tier": "General", "event": "Test Night", "quantity": 3})
    );
    let second = scan(&app, &json!(secret)).send().await.refused(400, "ALREADY_CHECKED_IN");
    assert_eq!(second["checkedInAt"], entered["checkedInAt"], "the time of the first scan");
    app.verify().await;
}

#[tokio::test]
async fn a_ticket_is_presented_in_every_form() {
    let app = App::start().await;
    let staff = app.sign_in("staff").await;
    for form in ["secret", "json", "json in order_id"] {
        let ticket = paid(&app, 1).await;
        let payload = json!({"id": number_of(&ticket), "qr": ticket["qrCode"], "event": "x", "tier": "y"}).to_string();
        let body = match form {
            "secret" => json!({"qr_code": ticket["qrCode"]}),
            "json" => json!({"qr_code": payload}),
            _ => json!({"order_id": payload}),
        };
        app.post("/tickets/api/checkin").json(&body).send().await.expect(200);
    }
    for field in ["order_id", "order_number", "qr_code"] {
        let ticket = paid(&app, 1).await;
        let body = json!({field: number_of(&ticket).to_lowercase()});
        app.post("/tickets/api/checkin").json(&body).send().await.refused(401, "NO_TOKEN");
        app.post("/tickets/api/checkin").json(&body).token(&staff).send().await.expect(200);
    }
    let ticket = paid(&app, 1).await;
    let forged = json!({"id": number_of(&ticket), "qr": "0".repeat(32)}).to_string();
    scan(&app, &json!(forged)).send().await.refused(404, "ORDER_NOT_FOUND");
    let by_number = json!({"order_number": number_of(&ticket)});
    let other = app.sign_in("other").await;
    let foreign = app.post("/tickets/api/checkin").token(&other).json(&by_number).send().await;
    foreign.refused(404, "ORDER_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_scanners_and_one_ticket() {
    let app = Arc::new(App::start().await);
    let ticket = paid(&app, 1).await;
    let scans = (0..64).map(|_| {
        let (app, secret) = (app.clone(), ticket["qrCode"].clone());
        tokio::spawn(async move { scan(&app, &secret).send().await })
    });
    let mut entries = 0;
    for scan in scans.collect::<Vec<_>>() {
        let answer = scan.await.unwrap();
        if answer.status == 200 {
            entries += 1;
        } else {
            answer.refused(400, "ALREADY_CHECKED_IN");
        }
    }
    assert_eq!(entries, 1);
    app.verify().await;
}

#[tokio::test]
async fn the_same_scan_again_is_answered_as_the_first_time() {
    let app = App::start().await;
    let ticket = paid(&app, 1).await;
    let send = |key: &'static str| scan(&app, &ticket["qrCode"]).header("Idempotency-Key", key).send();
    let first = send("gate-1").await.expect(200);
    assert_eq!(send("gate-1").await.expect(200), first);
    send("gate-2").await.refused(400, "ALREADY_CHECKED_IN");
    scan(&app, &ticket["qrCode"]).send().await.refused(400, "ALREADY_CHECKED_IN");
}

#[tokio::test]
async fn the_client_looks_before_it_scans_and_lists_afterwards() {
    let app = App::start().await;
    let staff = app.sign_in("staff").await;
    let ticket = paid(&app, 2).await;
    let path = format!("/tickets/api/checkin/verify/{}", number_of(&ticket).to_lowercase());
    let before = app.get(&path).send().await.expect(200);
    assert_eq!(before["order"]["checked_in"], false);
    assert_eq!(before["order"]["order_number"], number_of(&ticket));
    assert_eq!(before["ticket"]["eventDate"], "2027-05-01");
    scan(&app, &ticket["qrCode"]).token(&staff).send().await.expect(200);
    let after = app.get(&path).send().await.expect(200);
    assert_eq!((&after["order"]["checked_in"], &after["ticket"]["checkedIn"]), (&json!(true), &json!(true)));
    app.get("/tickets/api/checkin/verify/HP260125-AAAAAAAA").send().await.refused(404, "ORDER_NOT_FOUND");

    app.cloud.drain().await;
    let list = app.get("/tickets/api/admin/checkins?limit=10").token(&staff).send().await.expect(200);
    assert_eq!(list["checkins"][0]["orderNumber"], number_of(&ticket));
    assert_eq!(list["checkins"].as_array().unwrap().len(), 1);
    let other = app.sign_in("other").await;
    let foreign = app.get("/tickets/api/admin/checkins").token(&other).send().await.expect(200);
    assert_eq!(foreign["checkins"], json!([]));
}
