//! The flows that CI also runs on others' stand-ins for AWS (`AWS_ENDPOINT_URL` set): sign-in, order, payment, e-mail,
//! check-in, images. On the embedded cloud they run like any other test.

use serde_json::json;

use crate::app::{App, number_of};

#[tokio::test]
async fn sell_pay_mail_and_let_in() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let sale = app.open_sale(&admin, 4, 25.0).await;
    let placed = app.place_order(&sale, 2).await;
    app.pay(&placed).await;
    // Before the refund: a ticket that is no longer paid for is not sent.
    app.until("the e-mail is sent", async || {
        let order = app.get(&format!("/tickets/api/admin/orders/{}", number_of(&placed))).token(&admin).send().await;
        order.expect(200)["order"]["emailStatus"] == "sent"
    })
    .await;
    let secret = placed["qrCode"].clone();
    let scan = || app.post("/tickets/api/checkin").json(&json!({"qr_code": secret})).send();
    assert_eq!(scan().await.expect(200)["ticket"]["quantity"], 2);
    scan().await.refused(400, "ALREADY_CHECKED_IN");
    app.place_order(&sale, 2).await;
    app.order(&sale, 1).send().await.refused(400, "SOLD_OUT");
    let path = format!("/tickets/api/admin/orders/{}/status", number_of(&placed));
    app.put(&path).token(&admin).json(&json!({"status": "refunded"})).send().await.expect(200);
    assert_eq!(app.stock(&sale).await, (4, 2, 2));
    app.verify().await;
}

#[tokio::test]
async fn a_session_is_refreshed_once_and_ended_everywhere() {
    let app = App::start().await;
    let (email, password) = app.user("staff");
    let login = app.post("/tickets/api/auth/login").json(&json!({"email": email, "password": password})).send().await;
    let login = login.expect(200);
    let refresh =
        |token: &serde_json::Value| app.post("/tickets/api/auth/refresh").json(&json!({"refreshToken": token})).send();
    let second = refresh(&login["refreshToken"]).await.expect(200);
    refresh(&login["refreshToken"]).await.refused(401, "INVALID_REFRESH_TOKEN");
    let access = second["accessToken"].as_str().unwrap();
    assert_eq!(app.get("/tickets/api/auth/me").token(access).send().await.expect(200)["user"]["email"], email);
    app.post("/tickets/api/auth/logout").token(access).send().await.expect(200);
    refresh(&second["refreshToken"]).await.refused(401, "INVALID_REFRESH_TOKEN");
}
