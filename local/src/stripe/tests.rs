//! The production client and Stripe's generated types against the stand-in.

use std::{sync::Mutex as StdMutex, time::Instant};

use axum::{Router, body::Bytes, http::HeaderMap, routing::post};
use domain::money::{Cents, Currency};
use payments::{
    Checkout, EventKind, Expiry, PaymentIntentStatus, PaymentRef, PaymentState, SessionStatus, StripeError,
    StripeEvent, signature,
};

use super::*;

mod connect;
mod subscriptions;
mod terminal;
mod typed;

const KEY: &str = "sk_test_local";
const SECRET: &str = "whsec_local";
const VISA: &str = "4242 4242 4242 4242";
const DECLINED: &str = "4000000000000002";
const SECOND_STEP: &str = "4000002760003184";

async fn start(config: Config) -> Stripe {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Stripe::start(listener, config).await.unwrap()
}

async fn stripe_and_client() -> (Stripe, payments::Stripe) {
    let stripe = start(Config::default()).await;
    let client = payments::Stripe::new(KEY, Some(stripe.url()));
    (stripe, client)
}

fn order(number: &str) -> Checkout {
    let now = clock().as_second();
    Checkout {
        order_number: number.into(),
        org: "org-1".into(),
        item: "Spring Fair: Weekend <VIP> & more".into(),
        description: Some("2 days".into()),
        unit_amount: Cents(2500),
        quantity: 2,
        currency: Currency::USD,
        customer_email: "ann@example.com".into(),
        success_url: "http://127.0.0.1:9/thanks?order=1&session={CHECKOUT_SESSION_ID}".into(),
        cancel_url: "http://127.0.0.1:9/cart".into(),
        placed_at: now,
        expires_at: now + 900,
    }
}

/// No redirect is followed, as `location` is what the tests look at.
fn browser() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

fn kinds(stripe: &Stripe) -> Vec<String> {
    stripe.events().iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
}

async fn raw(stripe: &Stripe, path: &str, key: Option<&str>, body: &str) -> (u16, Value) {
    let mut request = browser().post(format!("{}{path}", stripe.url())).bearer_auth(KEY).body(body.to_owned());
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn open_pay_retrieve() {
    let (stripe, client) = stripe_and_client().await;
    let session = client.open_checkout(&order("HP1")).await.unwrap();
    assert_eq!((session.status, session.payment), (SessionStatus::Open, PaymentState::Unpaid));
    assert_eq!((session.amount_total, session.currency), (Cents(5000), Currency::USD));
    assert_eq!((session.order_number.as_deref(), session.org.as_deref()), (Some("HP1"), Some("org-1")));
    assert_eq!(session.payment_intent, None);
    assert!(session.id.starts_with("cs_test_"));

    let page = browser().get(session.url.as_ref().unwrap()).send().await.unwrap().text().await.unwrap();
    assert!(
        page.contains("Pay $50.00") && page.contains("4242 4242 4242 4242") && page.contains("&lt;VIP&gt; &amp; more")
    );
    let paid =
        browser().post(session.url.as_ref().unwrap()).form(&[("number", VISA), ("name", "Ann")]).send().await.unwrap();
    assert_eq!(paid.status(), 303);
    let back = paid.headers()["location"].to_str().unwrap();
    assert_eq!(back, format!("http://127.0.0.1:9/thanks?order=1&session={}", session.id));

    let session = client.retrieve_checkout(&session.id).await.unwrap();
    assert_eq!((session.status, session.payment, session.url), (SessionStatus::Complete, PaymentState::Paid, None));
    let intent = client.retrieve_payment_intent(&session.payment_intent.unwrap()).await.unwrap();
    assert_eq!((intent.status, intent.amount_received), (PaymentIntentStatus::Succeeded, Cents(5000)));
    assert_eq!((intent.order_number.as_deref(), intent.org.as_deref()), (Some("HP1"), Some("org-1")));
    assert_eq!(
        kinds(&stripe),
        ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded", "checkout.session.completed"]
    );
    assert_eq!(stripe.pay(&session.id, VISA), Payment::Closed);
    let page = format!("{}/c/pay/{}", stripe.url(), session.id);
    assert!(browser().get(page).send().await.unwrap().text().await.unwrap().contains("This order is paid"));
}

#[tokio::test]
async fn a_declined_card_may_be_followed_by_another() {
    let (stripe, client) = stripe_and_client().await;
    let session = client.open_checkout(&order("HP1")).await.unwrap();
    let url = session.url.unwrap();
    let refused = browser().post(&url).form(&[("number", "4000 0000 0000 9995")]).send().await.unwrap();
    assert_eq!(refused.status(), 402);
    assert!(refused.text().await.unwrap().contains("insufficient funds"));
    assert_eq!(stripe.pay(&session.id, DECLINED), Payment::Declined("card_declined".into()));
    assert_eq!(client.retrieve_checkout(&session.id).await.unwrap().status, SessionStatus::Open);
    let Payment::Succeeded(intent) = stripe.pay(&session.id, VISA) else { panic!("not paid") };
    assert_eq!(stripe.objects("payment_intent").len(), 1, "tries share one payment");
    assert_eq!(stripe.objects("charge").len(), 3);
    let intent = client.retrieve_payment_intent(&intent).await.unwrap();
    assert_eq!((intent.last_error, intent.amount_received), (None, Cents(5000)));
    assert_eq!(kinds(&stripe).iter().filter(|kind| *kind == "payment_intent.payment_failed").count(), 2);
}

#[tokio::test]
async fn the_second_step_is_taken_or_failed() {
    let (stripe, client) = stripe_and_client().await;
    let session = client.open_checkout(&order("HP1")).await.unwrap();
    let url = session.url.unwrap();
    let step = browser().post(&url).form(&[("number", SECOND_STEP)]).send().await.unwrap();
    assert_eq!(step.status(), 303);
    let bank = format!("{}{}", stripe.url(), step.headers()["location"].to_str().unwrap());
    let page = browser().get(&bank).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("Complete") && page.contains("Fail") && page.contains("$50.00"));
    let failed = browser().post(&bank).form(&[("outcome", "fail")]).send().await.unwrap();
    assert!(failed.headers()["location"].to_str().unwrap().starts_with(&format!("/c/pay/{}?error=", session.id)));
    assert_eq!(client.retrieve_checkout(&session.id).await.unwrap().status, SessionStatus::Open);

    browser().post(&url).form(&[("number", SECOND_STEP)]).send().await.unwrap();
    let passed = browser().post(&bank).form(&[("outcome", "complete")]).send().await.unwrap();
    assert!(passed.headers()["location"].to_str().unwrap().contains("/thanks"));
    assert!(client.retrieve_checkout(&session.id).await.unwrap().is_paid());
}

#[tokio::test]
async fn scripts_pay_too() {
    let (stripe, client) = stripe_and_client().await;
    let session = client.open_checkout(&order("HP1")).await.unwrap();
    let url = format!("{}/_local/pay/{}", stripe.url(), session.id);
    let pay = async |body: Value| {
        let answer = browser().post(&url).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let (status, answer) = pay(json!({"card": DECLINED})).await;
    assert_eq!(
        (status, &answer["status"], &answer["error"]["decline_code"]),
        (402, &json!("declined"), &json!("generic_decline"))
    );
    let (status, answer) = pay(json!({"card": SECOND_STEP})).await;
    assert_eq!((status, &answer["status"]), (200, &json!("requires_action")));
    let (status, answer) = pay(json!({"card": SECOND_STEP, "authenticate": true})).await;
    assert_eq!((status, &answer["status"]), (200, &json!("succeeded")));
    assert!(answer["paymentIntent"].as_str().unwrap().starts_with("pi_"));
    assert_eq!(pay(json!({})).await.0, 409);
}

#[tokio::test]
async fn refunds_in_part_whole_and_over() {
    let (stripe, client) = stripe_and_client().await;
    let session = client.open_checkout(&order("HP1")).await.unwrap();
    let Payment::Succeeded(intent) = stripe.pay(&session.id, VISA) else { panic!("not paid") };
    let payment = PaymentRef::parse(&intent).unwrap();
    let part = client.refund_payment(&payment, Some(Cents(2000)), "r1").await.unwrap();
    assert_eq!((part.amount, part.status), (Cents(2000), payments::RefundStatus::Succeeded));
    assert_eq!(
        client.refund_payment(&payment, Some(Cents(2000)), "r1").await.unwrap(),
        part,
        "the same key refunds once"
    );
    assert_eq!(client.retrieve_payment_intent(&intent).await.unwrap().amount_refunded, Cents(2000));
    let reused = client.refund_payment(&payment, Some(Cents(1)), "r1").await;
    assert_eq!(reused, Err(StripeError::KeyReused));
    let over = client.refund_payment(&payment, Some(Cents(3001)), "r2").await.unwrap_err();
    assert!(
        matches!(&over, StripeError::Invalid { message, .. } if message.contains("$30.01") && message.contains("$30.00")),
        "{over}"
    );
    let rest = client.refund_payment(&payment, None, "r3").await.unwrap();
    assert_eq!(rest.amount, Cents(3000));
    assert_eq!(client.refund_payment(&payment, None, "r4").await, Err(StripeError::AlreadyRefunded));
    let charge = &stripe.objects("charge")[0];
    assert_eq!((&charge["amount_refunded"], &charge["refunded"]), (&json!(5000), &json!(true)));
    assert_eq!(kinds(&stripe).iter().filter(|kind| *kind == "charge.refunded").count(), 2);
    let unknown = PaymentRef::parse("pi_unknown").unwrap();
    assert_eq!(client.refund_payment(&unknown, None, "r5").await, Err(StripeError::NotFound));
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again() {
    let (stripe, client) = stripe_and_client().await;
    let checkout = order("HP1");
    stripe.fail_next(1, Fault::TimeoutAfterCommit);
    let session = client.open_checkout(&checkout).await.unwrap();
    assert_eq!(stripe.objects("checkout.session").len(), 1, "one order, one session");
    stripe.fail_next(2, Fault::TimeoutAfterCommit);
    assert_eq!(client.open_checkout(&checkout).await.unwrap().id, session.id);

    let Payment::Succeeded(intent) = stripe.pay(&session.id, VISA) else { panic!("not paid") };
    stripe.fail_next(1, Fault::TimeoutAfterCommit);
    client.refund_payment(&PaymentRef::parse(&intent).unwrap(), None, "refund").await.unwrap();
    assert_eq!(stripe.objects("refund").len(), 1);
}

#[tokio::test]
async fn a_bad_day_is_waited_out_or_reported() {
    let (stripe, client) = stripe_and_client().await;
    stripe.fail_next(1, Fault::Http500);
    stripe.fail_next(1, Fault::RateLimited);
    client.open_checkout(&order("HP1")).await.unwrap();
    stripe.fail_next(9, Fault::Http500);
    let started = Instant::now();
    let error = client.open_checkout(&order("HP2")).await.unwrap_err();
    assert!(error.is_retryable() && started.elapsed() < Duration::from_secs(8), "{error}");
    stripe.clear_faults();
    assert_eq!(stripe.objects("checkout.session").len(), 1, "a 500 left nothing behind");
}

#[tokio::test]
async fn a_key_is_one_request() {
    let (stripe, _) = stripe_and_client().await;
    let (status, first) = raw(&stripe, "/v1/payment_intents", Some("k"), "amount=1000&currency=usd").await;
    assert_eq!(status, 200);
    assert_eq!(raw(&stripe, "/v1/payment_intents", Some("k"), "currency=usd&amount=1000").await.1, first);
    let (status, reused) = raw(&stripe, "/v1/payment_intents", Some("k"), "amount=2000&currency=usd").await;
    assert_eq!((status, &reused["error"]["type"]), (400, &json!("idempotency_error")));
    assert_eq!(raw(&stripe, "/v1/payment_intents", Some("bad"), "amount=1000").await.0, 400);
    assert_eq!(
        raw(&stripe, "/v1/payment_intents", Some("bad"), "amount=1000&currency=usd").await.0,
        200,
        "a refused form keeps no key"
    );
    stripe.advance(Duration::from_secs(25 * 3600));
    assert_eq!(raw(&stripe, "/v1/payment_intents", Some("k"), "amount=2000&currency=usd").await.0, 200);
}

#[tokio::test]
async fn sessions_end() {
    let (stripe, client) = stripe_and_client().await;
    let open = async |number: &str| client.open_checkout(&order(number)).await.unwrap().id;
    let (by_us, by_time, paid) = (open("HP1").await, open("HP2").await, open("HP3").await);
    assert_eq!(client.expire_checkout(&by_us).await, Ok(Expiry::Expired));
    assert_eq!(client.expire_checkout(&by_us).await, Ok(Expiry::AlreadyExpired));
    assert!(matches!(stripe.pay(&paid, VISA), Payment::Succeeded(_)));
    assert_eq!(client.expire_checkout(&paid).await, Ok(Expiry::AlreadyComplete));
    assert_eq!(client.expire_checkout("cs_test_none").await, Err(StripeError::NotFound));
    stripe.advance(Duration::from_secs(36 * 60));
    let ended = client.retrieve_checkout(&by_time).await.unwrap();
    assert_eq!((ended.status, ended.payment, ended.url), (SessionStatus::Expired, PaymentState::Unpaid, None));
    assert_eq!(stripe.pay(&by_time, VISA), Payment::Closed);
    assert_eq!(kinds(&stripe).iter().filter(|kind| *kind == "checkout.session.expired").count(), 2);
    assert!(client.retrieve_checkout(&paid).await.unwrap().is_paid());
}

#[tokio::test]
async fn requests_are_refused_as_stripe_refuses_them() {
    let (stripe, _) = stripe_and_client().await;
    for key in ["", "sk_live_x", "nonsense"] {
        let client = payments::Stripe::new(key, Some(stripe.url()));
        let expected = if key.is_empty() { "not configured" } else { "API key" };
        assert!(client.retrieve_checkout("cs_1").await.unwrap_err().to_string().contains(expected));
    }
    let refused = async |path: &str, body: &str| {
        let (status, body) = raw(&stripe, path, None, body).await;
        (
            status,
            body["error"]["code"].as_str().unwrap_or_default().to_owned(),
            body["error"]["param"].as_str().unwrap_or_default().to_owned(),
        )
    };
    let is = |status: u16, code: &str, param: &str| (status, code.to_owned(), param.to_owned());
    assert_eq!(refused("/v1/payment_intents", "amount=1000").await, is(400, "parameter_missing", "currency"));
    assert_eq!(
        refused("/v1/payment_intents", "amount=x&currency=usd").await,
        is(400, "parameter_invalid_integer", "amount")
    );
    assert_eq!(refused("/v1/payment_intents", "amount=10&currency=usd").await, is(400, "amount_too_small", "amount"));
    assert_eq!(
        refused("/v1/payment_intents", "amount=1000&currency=usd&colour=red").await,
        is(400, "parameter_unknown", "colour")
    );
    assert_eq!(refused("/v1/refunds", "payment_intent=pi_none").await, is(404, "resource_missing", "id"));
    assert_eq!(refused("/v1/nothing", "").await.0, 404);
    let soon = clock().as_second() + 60;
    let session = format!(
        "mode=payment&success_url=http://x&line_items[0][quantity]=1&line_items[0][price_data][currency]=usd\
        &line_items[0][price_data][unit_amount]=500&line_items[0][price_data][product_data][name]=x&expires_at={soon}"
    );
    assert_eq!(refused("/v1/checkout/sessions", &session).await, is(400, "", "expires_at"));
    let basic = browser().get(format!("{}/v1/balance", stripe.url())).basic_auth(KEY, Some("")).send().await.unwrap();
    assert!(basic.headers()["request-id"].to_str().unwrap().starts_with("req_"));
    assert_eq!(basic.status(), 200);
    let other =
        browser().get(format!("{}/v1/balance", stripe.url())).bearer_auth(KEY).header("stripe-account", "acct_x");
    assert_eq!(other.send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn lists_have_cursors() {
    let (stripe, _) = stripe_and_client().await;
    for amount in 1..=5 {
        raw(&stripe, "/v1/payment_intents", None, &format!("amount={amount}00&currency=usd")).await;
    }
    let list = async |query: &str| {
        let url = format!("{}/v1/payment_intents?{query}", stripe.url());
        browser().get(url).bearer_auth(KEY).send().await.unwrap().json::<Value>().await.unwrap()
    };
    let amounts = |page: &Value| {
        page["data"].as_array().unwrap().iter().map(|row| row["amount"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    let first = list("limit=2").await;
    assert_eq!((amounts(&first), &first["has_more"]), (vec![500, 400], &json!(true)));
    let last = first["data"][1]["id"].as_str().unwrap();
    let next = list(&format!("limit=3&starting_after={last}")).await;
    assert_eq!((amounts(&next), &next["has_more"]), (vec![300, 200, 100], &json!(false)));
    let before = next["data"][2]["id"].as_str().unwrap();
    let back = list(&format!("limit=2&ending_before={before}")).await;
    assert_eq!((amounts(&back), &back["has_more"]), (vec![300, 200], &json!(true)));
    assert_eq!(list("created[gt]=99999999999").await["data"], json!([]));
    assert_eq!(list("limit=0").await["error"]["param"], "limit");
}

/// A webhook endpoint that verifies what it gets; it answers 500 as often as `failures` says.
async fn endpoint(failures: usize) -> (WebhookTarget, Arc<StdMutex<Vec<StripeEvent>>>) {
    let received: Arc<StdMutex<Vec<StripeEvent>>> = Arc::default();
    let left = Arc::new(StdMutex::new(failures));
    let seen = received.clone();
    let handler = move |headers: HeaderMap, body: Bytes| {
        let (seen, left) = (seen.clone(), left.clone());
        async move {
            let header = headers[signature::HEADER].to_str().unwrap();
            signature::verify(&[SECRET], header, &body, clock().as_second()).unwrap();
            let mut left = left.lock().unwrap();
            if *left > 0 {
                *left -= 1;
                return axum::http::StatusCode::INTERNAL_SERVER_ERROR;
            }
            seen.lock().unwrap().push(StripeEvent::parse(&body).unwrap());
            axum::http::StatusCode::OK
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/hook", post(handler))).await.unwrap() });
    let target = WebhookTarget { events: vec!["checkout.session.*".into()], ..WebhookTarget::new(url, SECRET) };
    (target, received)
}

fn quick(targets: Vec<WebhookTarget>) -> Config {
    Config { webhook_targets: targets, webhook_pause: Duration::from_millis(5), ..Config::default() }
}

#[tokio::test]
async fn webhooks_are_signed_and_repeated_until_taken() {
    let (target, received) = endpoint(2).await;
    let stripe = start(quick(vec![target])).await;
    let client = payments::Stripe::new(KEY, Some(stripe.url()));
    let session = client.open_checkout(&order("HP1")).await.unwrap();
    stripe.pay(&session.id, VISA);
    assert!(stripe.webhooks_settled(Duration::from_secs(5)).await);
    let events = received.lock().unwrap().clone();
    assert_eq!(events.len(), 1, "only what the target wants");
    assert_eq!((&events[0].kind, events[0].order_number()), (&EventKind::CheckoutCompleted, Some("HP1")));
    assert!(events[0].checkout_session().unwrap().is_paid());
    assert_eq!(
        stripe.deliveries().iter().map(|delivery| delivery.status).collect::<Vec<_>>(),
        [Some(500), Some(500), Some(200)]
    );
}

#[tokio::test]
async fn a_dead_target_is_given_up() {
    let target = WebhookTarget::new("http://127.0.0.1:1/", SECRET);
    let stripe = start(Config { webhook_attempts: 2, ..quick(vec![target]) }).await;
    raw(&stripe, "/v1/payment_intents", None, "amount=1000&currency=usd").await;
    assert!(stripe.webhooks_settled(Duration::from_secs(5)).await);
    assert_eq!(stripe.deliveries().len(), 2);
}

#[tokio::test]
async fn tests_choose_order_and_repetition() {
    let (target, received) = endpoint(0).await;
    let stripe = start(quick(vec![target])).await;
    let client = payments::Stripe::new(KEY, Some(stripe.url()));
    stripe.pause_webhooks();
    for number in ["HP1", "HP2"] {
        let session = client.open_checkout(&order(number)).await.unwrap();
        stripe.pay(&session.id, VISA);
    }
    let completed: Vec<Value> =
        stripe.events().into_iter().filter(|event| event["type"] == "checkout.session.completed").collect();
    let id = |at: usize| completed[at]["id"].as_str().unwrap();
    assert_eq!(stripe.deliver(id(1), 2).await.unwrap(), [200, 200]);
    assert_eq!(stripe.deliver(id(0), 1).await.unwrap(), [200]);
    let numbers =
        || received.lock().unwrap().iter().map(|event| event.order_number().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(numbers(), ["HP2", "HP2", "HP1"]);
    stripe.discard_webhooks();
    stripe.resume_webhooks();
    assert!(stripe.webhooks_settled(Duration::from_secs(1)).await);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(numbers().len(), 3, "what was discarded never comes");
}

#[tokio::test]
async fn a_restart_forgets_nothing() {
    let dir = std::env::temp_dir().join(store::random("stripe-", 12));
    std::fs::create_dir_all(&dir).unwrap();
    let (target, received) = endpoint(0).await;
    let config = Config { data_dir: Some(dir.clone()), ..quick(vec![target]) };
    let stripe = start(config.clone()).await;
    let client = payments::Stripe::new(KEY, Some(stripe.url()));
    stripe.pause_webhooks();
    let first = order("HP1");
    let (open, paid) =
        (client.open_checkout(&first).await.unwrap(), client.open_checkout(&order("HP2")).await.unwrap());
    stripe.pay(&paid.id, VISA);
    drop(stripe);

    let stripe = start(config).await;
    let client = payments::Stripe::new(KEY, Some(stripe.url()));
    assert_eq!(client.open_checkout(&first).await.map(|session| session.id), Ok(open.id.clone()), "keys too");
    assert!(matches!(stripe.pay(&open.id, VISA), Payment::Succeeded(_)));
    assert!(client.retrieve_checkout(&paid.id).await.unwrap().is_paid());
    assert!(stripe.webhooks_settled(Duration::from_secs(5)).await);
    assert_eq!(received.lock().unwrap().len(), 2, "the webhook held before the restart came after it");
    drop(stripe);
    std::fs::remove_dir_all(dir).unwrap();
}

#[tokio::test]
async fn a_hundred_buyers_at_once() {
    let (stripe, client) = stripe_and_client().await;
    let session = client.open_checkout(&order("HP1")).await.unwrap();
    let mut tries = JoinSet::new();
    for _ in 0..100 {
        let (stripe, id) = (stripe.clone(), session.id.clone());
        tries.spawn(async move { stripe.pay(&id, VISA) });
    }
    let paid = tries.join_all().await.into_iter().filter(|payment| matches!(payment, Payment::Succeeded(_))).count();
    assert_eq!(paid, 1, "a session is paid once");
}
