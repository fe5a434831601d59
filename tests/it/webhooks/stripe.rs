//! Payment webhooks: contract §8, and Stripe's own events.

use serde_json::{Value, json};

use crate::app::{App, assert_exact_members, number_of};

#[tokio::test]
async fn the_tickets_webhook_answers_as_the_contract_says() {
    let app = App::start().await;
    let sale = app.open_sale(&app.sign_in("admin").await, 10, 5.0).await;
    let placed = app.place_order(&sale, 1).await;
    let processed = json!({"received": true, "processed": true});
    let not = |reason: &str| json!({"received": true, "processed": false, "reason": reason});
    let unknown = json!({"status": "paid", "order_id": "HP260125-AAAAAAAA"});
    let failed = json!({"event": "payment.failed", "order_id": number_of(&placed)});
    let paid =
        json!({"event": "checkout.completed", "data": {"id": "p-1", "metadata": {"order_id": placed["order"]["id"]}}});
    assert_eq!(app.notify(&json!({"status": "paid"})).await.expect(200), not("no_order_id"));
    assert_eq!(app.notify(&unknown).await.expect(200), not("order_not_found"));
    assert_eq!(app.notify(&failed).await.expect(200), processed);
    assert_eq!(app.order_of(&placed).await["status"], "pending");
    for _ in 0..3 {
        assert_eq!(app.notify(&paid).await.expect(200), processed);
    }
    assert_eq!(app.order_of(&placed).await["status"], "paid");
    app.verify().await;
}

#[tokio::test]
async fn a_webhook_without_a_valid_signature_is_refused() {
    let app = App::start().await;
    let sale = app.open_sale(&app.sign_in("admin").await, 10, 5.0).await;
    let placed = app.place_order(&sale, 1).await;
    let body = json!({"status": "paid", "order_id": number_of(&placed)}).to_string();
    let now = app.cloud.now().as_second();
    let secret = app.demo["webhook_secrets"]["tickets"].as_str().unwrap().to_owned();
    let old = payments::signature::sign(&secret, body.as_bytes(), now - 301);
    let other = payments::signature::sign("whsec_other", body.as_bytes(), now);
    let another_body = payments::signature::sign(&secret, b"{}", now);
    let counter = ["/pos/stripe/webhook", "/pos/stripe/connect-webhooks", "/pos/stripe/webhook-connect"];
    for path in ["/tickets/api/webhook/payment"].iter().chain(&counter) {
        for signature in
            [None, Some(old.as_str()), Some(&other), Some(&another_body), Some(""), Some("t=x,v1=y"), Some("v1=00")]
        {
            let call = app.post(path).body(body.clone());
            let call = if let Some(signature) = signature { call.header("stripe-signature", signature) } else { call };
            let answer = call.send().await;
            if !counter.contains(path) {
                answer.refused(400, "INVALID_SIGNATURE");
                continue;
            }
            // The counter's errors have no `success` (contract `pos.md` §1.3).
            let told = answer.expect(400);
            assert_exact_members(&told, "error message code");
            assert_eq!(told["code"], "INVALID_SIGNATURE");
            assert!(told["error"].as_str().is_some_and(|text| !text.is_empty()), "{told}");
        }
    }
    assert_eq!(app.order_of(&placed).await["status"], "pending");
}

/// A secret is replaced without a break: for a while the setting has both. Stripe's notices have routes with other names, too.
#[tokio::test]
async fn any_secret_of_the_setting_signs_on_each_route() {
    let dir = std::env::temp_dir().join(format!("fairground-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir_all(&dir).unwrap();
    let secrets = json!({"TICKETS_WEBHOOK_SECRETS": "whsec_t1,whsec_t2", "STRIPE_WEBHOOK_SECRETS": "whsec_s1, whsec_s2",
        "STRIPE_CONNECT_WEBHOOK_SECRETS": "whsec_c1,whsec_c2"});
    std::fs::write(dir.join("secrets.json"), secrets.to_string()).unwrap();
    let data = local::Data::Dir(dir.clone());
    let app = App::with(local::Options { rate_limit: false, data, ..App::options() }).await;
    let now = app.cloud.now().as_second();
    let event = json!({"id": "evt_1", "type": "account.updated", "created": now, "account": "acct_nobody",
        "data": {"object": {"id": "acct_nobody", "object": "account"}}});
    for (path, own) in [
        ("/tickets/api/webhook/payment", "t"),
        ("/pos/stripe/webhook", "s"),
        ("/pos/stripe/connect-webhooks", "c"),
        ("/pos/stripe/webhook-connect", "c"),
    ] {
        for secret in ["t1", "t2", "s1", "s2", "c1", "c2", "c3"] {
            let body = event.to_string();
            let signature = payments::signature::sign(format!("whsec_{secret}"), body.as_bytes(), now);
            let answer = app.post(path).header("stripe-signature", &signature).body(body).send().await;
            let is_own = secret.starts_with(own) && secret != "c3";
            assert_eq!(answer.status.as_u16(), if is_own { 200 } else { 400 }, "{path} {secret} {}", answer.body);
            assert_eq!(answer.body["received"], if is_own { json!(true) } else { Value::Null });
        }
    }
    app.cloud.drain().await;
    app.cloud.stop().await;
    std::fs::remove_dir_all(dir).unwrap();
}

fn permutations(items: &[usize]) -> Vec<Vec<usize>> {
    if items.is_empty() {
        return vec![vec![]];
    }
    let mut all = Vec::new();
    for i in 0..items.len() {
        let mut rest = items.to_vec();
        let head = rest.remove(i);
        for mut tail in permutations(&rest) {
            tail.insert(0, head);
            all.push(tail);
        }
    }
    all.sort();
    all.dedup();
    all
}

/// Stripe tells of one payment in several events; each comes twice, in every order there is, and the tickets' own
/// webhook among them.
#[tokio::test]
async fn every_permutation_of_duplicated_webhooks_has_one_final_state() {
    let app = App::start().await;
    let sale = app.open_sale(&app.sign_in("admin").await, 100, 5.0).await;
    for order in permutations(&[0, 0, 1, 1, 2]) {
        let placed = app.place_order(&sale, 1).await;
        app.cloud.stripe().pause_webhooks();
        app.pay_at_stripe(&placed, "4242424242424242").await.expect(200);
        app.cloud.stripe().discard_webhooks();
        let about = |event: &&Value| event.to_string().contains(number_of(&placed));
        let events = app.cloud.stripe().events();
        let id_of = |kind: &str| {
            let event = events.iter().filter(about).find(|event| event["type"] == kind).unwrap();
            (event["id"].as_str().unwrap().to_owned(), event["data"]["object"].clone())
        };
        let (completed, _) = id_of("checkout.session.completed");
        let (succeeded, intent) = id_of("payment_intent.succeeded");
        for step in &order {
            match step {
                0 => drop(app.cloud.stripe().deliver(&completed, 1).await.unwrap()),
                1 => drop(app.cloud.stripe().deliver(&succeeded, 1).await.unwrap()),
                _ => {
                    let notice = json!({"status": "paid", "order_id": number_of(&placed), "payment_id": intent["id"]});
                    assert_eq!(app.notify(&notice).await.expect(200)["processed"], true);
                }
            }
        }
        app.cloud.drain().await;
        assert_eq!(app.order_of(&placed).await["status"], "paid", "{order:?}");
    }
    assert_eq!(app.cloud.stripe().objects("refund").len(), 0, "nobody paid twice, so nothing goes back");
    let count = permutations(&[0, 0, 1, 1, 2]).len();
    assert_eq!(app.mails("ana@example.com").await.len(), count, "one ticket each");
    assert_eq!(app.stock(&sale).await.1, count as i64);
    app.verify().await;
}

#[tokio::test]
async fn a_refund_at_stripes_dashboard_refunds_the_order() {
    let app = App::start().await;
    let sale = app.open_sale(&app.sign_in("admin").await, 10, 5.0).await;
    let placed = app.place_order(&sale, 2).await;
    app.pay(&placed).await;
    let intents = app.cloud.stripe().objects("payment_intent");
    let intent = intents[0]["id"].as_str().unwrap();
    let answer = app
        .post(&format!("{}/v1/refunds", app.cloud.stripe_url()))
        .token(local::stripe::SECRET_KEY)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("payment_intent={intent}"))
        .send()
        .await;
    answer.expect(200);
    app.until("the order follows the money", async || app.order_of(&placed).await["status"] == "refunded").await;
    assert_eq!(app.stock(&sale).await, (10, 0, 10));
    app.verify().await;
}
