//! Outgoing webhooks: an organization's own endpoints, what they are sent, and the log of it.

mod receiver;
mod routes;

use std::collections::BTreeSet;

use local::chaos::Chaos;
use ops::redrive::redrive;
use reqwest::Method;
use serde_json::{Value, json};

use self::receiver::Receiver;
use super::till::{CASH, Person, id};
use crate::app::{Answer, App};

const DEAD: &str = "fairground-local-webhooks-dead";

/// A cloud whose queues and streams stand still until they are drained, so that who is told what is no matter of luck.
async fn start() -> App {
    let app = App::start().await;
    app.cloud.sources().pause();
    app
}

/// `/organizations/{own}/webhooks` and what follows.
fn path(app: &App, rest: &str) -> String {
    format!("/organizations/{}/webhooks{rest}", app.demo["org_id"].as_str().unwrap())
}

/// Adds a webhook; the whole answer.
async fn add(person: &Person<'_>, receiver: &Receiver, events: Value) -> Value {
    let body = json!({"url": receiver.url, "events": events});
    person.post(&path(person.app, ""), body).await.expect(201)
}

/// The whole log of a webhook.
async fn log(person: &Person<'_>, webhook: &Value) -> Vec<Value> {
    let mut rows: Vec<Value> = vec![];
    loop {
        let after = rows.last().map_or("", |row| id(row));
        let page = format!("/{}/deliveries?limit=100&starting_after={after}", id(webhook));
        let page = person.get(&path(person.app, &page)).await.expect(200);
        rows.extend(page["data"].as_array().unwrap().iter().cloned());
        if page["hasMore"] == false {
            return rows;
        }
    }
}

/// Lets failed messages come again at once, so that no test waits for six minutes.
fn hurry(app: &App) {
    app.cloud.sources().set_chaos(Some(Chaos { retry_at_once: true, ..Chaos::default() }));
}

/// How many messages of the webhook queue are dead.
async fn dead(app: &App) -> u64 {
    let queues = app.get("/_local/queues").send().await.expect(200);
    let queue = queues.as_array().unwrap().iter().find(|queue| queue["name"] == "fairground-local-webhooks").unwrap();
    queue["dead"].as_u64().unwrap()
}

/// Sells for cash to the end of the sale.
async fn sell(person: &Person<'_>, total: i64) -> Value {
    let order = person.order(CASH, total, json!({"deviceId": "device-1"})).await;
    let paid = json!({"cashTendered": total});
    person.post(&format!("/orders/{}/complete-cash", id(&order)), paid).await.expect(200);
    order
}

#[tokio::test]
async fn what_is_sold_is_told_signed() {
    let app = start().await;
    let person = Person::new(&app, "superadmin").await;
    let receiver = Receiver::start().await;
    let webhook = add(&person, &receiver, json!([])).await;
    let secret = webhook["secret"].as_str().unwrap();

    let cash = sell(&person, 1250).await;
    let path = format!("/stripe/connect/transactions/{}/refund", id(&cash));
    person.post(&path, json!({"amount": 250})).await.expect(200);
    let card = person.order("tap_to_pay", 1999, json!({})).await;
    let intent = person.begin_tap(&card).await;
    person.post(&format!("/stripe/terminal/payment-intent/{}/simulate", id(&intent)), json!({})).await.expect(200);
    let given_up = person.order(CASH, 300, json!({})).await;
    person.delete(&format!("/orders/{}", id(&given_up))).await.expect(200);
    app.cloud.drain().await;

    assert_eq!(receiver.kinds_of(&cash), ["order.completed", "order.created", "order.refunded"]);
    assert_eq!(receiver.kinds_of(&card), ["order.completed", "order.created", "order.updated"]);
    assert_eq!(receiver.kinds_of(&given_up), ["order.created", "order.deleted"]);
    let all = receiver.received();
    let ids: BTreeSet<&str> = all.iter().map(|received| received.id()).collect();
    assert_eq!(ids.len(), all.len(), "each is an event of its own");
    for received in &all {
        assert_eq!((received.signatures_by(secret), received.signatures()), (1, 1), "{received:?}");
        assert!(!received.id().contains('.'));
        let sent: i64 = received.header("webhook-timestamp").parse().unwrap();
        assert!((app.cloud.now().as_second() - sent).abs() < 60);
        assert_eq!(received.header("content-type"), "application/json");
        assert_eq!(received.body["data"]["organizationId"], app.demo["org_id"]);
    }
    let find = |order: &Value, kind: &str| {
        let of_it =
            |received: &&receiver::Received| Some(received.order()) == order["id"].as_str() && received.kind() == kind;
        all.iter().find(of_it).unwrap().body.clone()
    };
    let completed = find(&cash, "order.completed");
    let timestamp = &completed["timestamp"];
    super::till::assert_time(timestamp);
    assert_eq!(
        completed["data"],
        json!({"organizationId": app.demo["org_id"], "orderId": cash["id"], "orderNumber": cash["orderNumber"],
            "status": "completed", "paymentMethod": "cash", "totalAmount": 1250, "timestamp": timestamp})
    );
    let refunded = &find(&cash, "order.refunded")["data"];
    assert_eq!((&refunded["refundAmount"], &refunded["isFullRefund"]), (&json!(250), &json!(false)));
    let created = &find(&card, "order.created")["data"];
    assert_eq!((&created["totalAmount"], &created["deviceId"]), (&json!(1999), &Value::Null));

    let log = log(&person, &webhook).await;
    assert_eq!(log.iter().map(|row| row["eventId"].as_str().unwrap()).collect::<BTreeSet<_>>(), ids);
    let times: Vec<&str> = log.iter().map(|row| row["eventAt"].as_str().unwrap()).collect();
    assert!(times.is_sorted_by(|newer, older| newer >= older), "newest first: {times:?}");
    for row in &log {
        assert_eq!((&row["outcome"], &row["attempts"], &row["answer"]), (&json!("delivered"), &json!(1), &Value::Null));
        assert_eq!(row["tries"][0]["statusCode"], 204);
        assert_eq!(row["tries"][0]["error"], Value::Null);
    }
    app.verify().await;
}

/// A queue refuses what XML has no place for, and one change that cannot be told holds up all that come after it.
#[tokio::test]
async fn no_character_holds_up_what_is_told() {
    let app = start().await;
    let person = Person::new(&app, "superadmin").await;
    let receiver = Receiver::start().await;
    add(&person, &receiver, json!([])).await;
    let odd = "\u{ffff}\u{fffe} Zo\u{eb} \u{1f3aa}";
    let order = person.order(CASH, 500, json!({"deviceId": odd})).await;
    let after = sell(&person, 700).await;
    app.cloud.drain().await;
    assert_eq!(receiver.kinds_of(&order), ["order.created"]);
    assert_eq!(receiver.kinds_of(&after), ["order.completed", "order.created"]);
    let received = receiver.received();
    let told = received.iter().find(|received| Some(received.order()) == order["id"].as_str()).unwrap();
    assert_eq!(told.body["data"]["deviceId"], odd);
}

#[tokio::test]
async fn who_hears_of_nothing_is_sent_nothing() {
    let app = start().await;
    let person = Person::new(&app, "admin").await;
    let [all, some, off] = [Receiver::start().await, Receiver::start().await, Receiver::start().await];
    add(&person, &all, json!([])).await;
    add(&person, &some, json!(["order.completed", "order.deleted", "order.completed"])).await;
    let webhook = add(&person, &off, json!([])).await;
    let body = json!({"enabled": false});
    person.patch(&path(&app, &format!("/{}", id(&webhook))), body).await.expect(200);
    let order = sell(&person, 500).await;
    app.cloud.drain().await;
    assert_eq!(all.kinds_of(&order), ["order.completed", "order.created"]);
    assert_eq!(some.kinds_of(&order), ["order.completed"]);
    assert!(off.received().is_empty());
    // Nor is it told of what others sell.
    let other = Person::new(&app, "other").await;
    sell(&other, 700).await;
    app.cloud.drain().await;
    assert_eq!(all.received().len(), 2);
}

#[tokio::test]
async fn what_comes_twice_is_delivered_once() {
    let app = start().await;
    let person = Person::new(&app, "admin").await;
    let receiver = Receiver::start().await;
    let webhook = add(&person, &receiver, json!([])).await;
    // Batches of the stream's records and of the queue's messages come again, and again.
    app.cloud.sources().set_chaos(Some(Chaos {
        seed: 3,
        repeat: 0.7,
        shuffle: true,
        retry_at_once: true,
        ..Chaos::default()
    }));
    let orders = [sell(&person, 100).await, sell(&person, 200).await, sell(&person, 300).await];
    app.cloud.drain().await;
    for order in &orders {
        assert_eq!(receiver.kinds_of(order), ["order.completed", "order.created"]);
    }
    let log = log(&person, &webhook).await;
    assert_eq!(log.len(), 6);
    assert!(log.iter().all(|row| row["outcome"] == "delivered" && row["attempts"] == 1), "{log:?}");
    assert_eq!(dead(&app).await, 0);
}

#[tokio::test]
async fn workers_that_die_lose_nothing() {
    let app = start().await;
    let mut person = Person::new(&app, "admin").await;
    let receiver = Receiver::start().await;
    let webhook = add(&person, &receiver, json!([])).await;
    let died = |log: &[Value]| log.iter().any(|row| row["attempts"].as_u64() > Some(1));
    let mut sold = 0;
    for seed in 1..=20 {
        app.cloud.sources().set_chaos(None);
        for total in 1..=8 {
            sell(&person, total * 100).await;
            sold += 1;
        }
        let chaos = Chaos { seed, die: 0.5, repeat: 0.3, shuffle: true, retry_at_once: true };
        app.cloud.sources().set_chaos(Some(chaos));
        app.cloud.drain().await;
        // Who died over a message left a lease, and perhaps its last try.
        app.advance(100).await;
        app.cloud.sources().set_chaos(None);
        person = Person::new(&app, "admin").await;
        hurry(&app);
        redrive(app.cloud.ctx("workers-webhooks").sqs(), DEAD, None).await.unwrap();
        app.cloud.drain().await;
        if seed >= 3 && died(&log(&person, &webhook).await) {
            break;
        }
    }
    let log = log(&person, &webhook).await;
    assert!(died(&log), "not one worker died over a delivery");
    assert_eq!(log.len(), sold * 2);
    assert!(log.iter().all(|row| row["outcome"] == "delivered"), "{log:?}");
    let received = receiver.received();
    let ids: BTreeSet<&str> = received.iter().map(|received| received.id()).collect();
    assert_eq!(ids, log.iter().map(|row| row["eventId"].as_str().unwrap()).collect());
    assert_eq!(dead(&app).await, 0);
}

#[tokio::test]
async fn what_fails_is_tried_five_times_and_redriven() {
    let app = start().await;
    let person = Person::new(&app, "admin").await;
    let [bad, good] = [Receiver::start().await, Receiver::start().await];
    let webhook = add(&person, &bad, json!(["order.completed"])).await;
    add(&person, &good, json!(["order.completed"])).await;
    hurry(&app);
    bad.answer(500);
    let order = sell(&person, 800).await;
    app.cloud.drain().await;
    assert_eq!(bad.received().len(), 5);
    let ids: BTreeSet<String> = bad.received().iter().map(|received| received.id().to_owned()).collect();
    assert_eq!(ids.len(), 1, "by the same id each time");
    assert_eq!(good.received().len(), 1, "one bad endpoint repeats nothing for another");
    assert_eq!(dead(&app).await, 1);
    let row = &log(&person, &webhook).await[0];
    assert_eq!((&row["outcome"], &row["attempts"], &row["answer"]), (&json!("failed"), &json!(5), &json!("I say 500")));
    assert!(row["tries"].as_array().unwrap().iter().all(|tried| tried["statusCode"] == 500));

    bad.answer(200);
    let ctx = app.cloud.ctx("workers-webhooks");
    assert_eq!(redrive(ctx.sqs(), DEAD, None).await.unwrap(), 1);
    app.cloud.drain().await;
    assert_eq!((bad.received().len(), good.received().len(), dead(&app).await), (6, 1, 0));
    assert_eq!(bad.kinds_of(&order).len(), 6);
    let row = &log(&person, &webhook).await[0];
    assert_eq!(
        (&row["outcome"], &row["attempts"], &row["answer"]),
        (&json!("delivered"), &json!(6), &json!("I say 200"))
    );
    // Dead letters that come back after all find it delivered.
    let message = json!({"org": app.demo["org_id"], "endpoint": webhook["id"], "event": {"id": row["eventId"],
        "kind": "order.completed", "data": {}, "at": row["id"].as_str().unwrap().split('-').next().unwrap()
        .parse::<i64>().unwrap()}});
    let queue = &ctx.settings().webhooks_queue_url;
    ctx.sqs().send_message().queue_url(queue).message_body(message.to_string()).send().await.unwrap();
    app.cloud.drain().await;
    assert_eq!(bad.received().len(), 6);
}

#[tokio::test]
async fn a_redirection_is_not_followed_and_nobody_there_is_told() {
    let app = start().await;
    let person = Person::new(&app, "admin").await;
    let receiver = Receiver::start().await;
    let webhook = add(&person, &receiver, json!(["order.completed"])).await;
    hurry(&app);
    receiver.answer_next(&[302, 404]);
    sell(&person, 100).await;
    app.cloud.drain().await;
    let row = &log(&person, &webhook).await[0];
    let tries: Vec<&Value> = row["tries"].as_array().unwrap().iter().map(|tried| &tried["statusCode"]).collect();
    assert_eq!(tries, [&json!(302), &json!(404), &json!(204)]);

    // A port that nobody listens at.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    person.patch(&path(&app, &format!("/{}", id(&webhook))), json!({"url": url})).await.expect(200);
    person.post(&path(&app, &format!("/{}/test", id(&webhook))), json!({})).await.expect(202);
    app.cloud.drain().await;
    let row = &log(&person, &webhook).await[0];
    assert_eq!((&row["type"], &row["outcome"], &row["attempts"]), (&json!("ping"), &json!("failed"), &json!(1)));
    let error = row["tries"][0]["error"].as_str().unwrap();
    assert!(error.starts_with("no connection") && !error.contains("127.0.0.1"), "{error}");
    assert_eq!(dead(&app).await, 0, "a ping that fails is nobody's concern but theirs who sent it");
}

#[tokio::test]
async fn after_a_rotation_both_secrets_sign_for_a_day() {
    let app = start().await;
    let person = Person::new(&app, "admin").await;
    let receiver = Receiver::start().await;
    let webhook = add(&person, &receiver, json!(["order.created"])).await;
    let rotated = person.post(&path(&app, &format!("/{}/rotate", id(&webhook))), json!({})).await.expect(200);
    let [old, new] = [&webhook, &rotated].map(|webhook| webhook["secret"].as_str().unwrap());
    assert_ne!(old, new);
    super::till::assert_time(&rotated["previousSecretUntil"]);
    person.order(CASH, 100, json!({})).await;
    app.cloud.drain().await;
    let both = receiver.received().remove(0);
    assert_eq!((both.signatures(), both.signatures_by(old), both.signatures_by(new)), (2, 1, 1));

    app.advance(24 * 3600 + 1).await;
    let person = Person::new(&app, "admin").await;
    let shown = person.get(&path(&app, "")).await.expect(200)["webhooks"][0].clone();
    assert_eq!(shown["previousSecretUntil"], Value::Null);
    person.order(CASH, 100, json!({})).await;
    app.cloud.drain().await;
    let one = receiver.received().remove(1);
    assert_eq!((one.signatures(), one.signatures_by(old), one.signatures_by(new)), (1, 0, 1));
}

#[tokio::test]
async fn a_receiver_that_is_gone_disables_its_webhook() {
    let app = start().await;
    let person = Person::new(&app, "admin").await;
    let receiver = Receiver::start().await;
    let webhook = add(&person, &receiver, json!(["order.created"])).await;
    hurry(&app);
    receiver.answer_next(&[410]);
    person.order(CASH, 100, json!({})).await;
    app.cloud.drain().await;
    let shown = person.get(&path(&app, "")).await.expect(200)["webhooks"][0].clone();
    assert_eq!(shown["enabled"], false);
    assert_eq!(log(&person, &webhook).await[0]["outcome"], "gone");
    person.order(CASH, 100, json!({})).await;
    app.cloud.drain().await;
    assert_eq!(receiver.received().len(), 1, "and it hears no more");
    assert_eq!(dead(&app).await, 0);

    // One may try it before one enables it again.
    let ping = person.post(&path(&app, &format!("/{}/test", id(&webhook))), json!({})).await.expect(202);
    app.cloud.drain().await;
    let received = receiver.received().remove(1);
    assert_eq!((received.kind(), received.id()), ("ping", ping["eventId"].as_str().unwrap()));
    assert_eq!(received.signatures_by(webhook["secret"].as_str().unwrap()), 1);
    person.patch(&path(&app, &format!("/{}", id(&webhook))), json!({"enabled": true})).await.expect(200);
    person.order(CASH, 100, json!({})).await;
    app.cloud.drain().await;
    assert_eq!(receiver.received().len(), 3);
}

/// Nobody waits hours for a test: how long a message is hidden is seen by what is received again.
#[tokio::test]
async fn a_failure_waits_and_the_last_one_does_not() {
    let app = start().await;
    let person = Person::new(&app, "admin").await;
    let receiver = Receiver::start().await;
    let webhook = add(&person, &receiver, json!(["order.created"])).await;
    receiver.answer(503);
    let ctx = app.cloud.ctx("workers-webhooks");
    let queue = &ctx.settings().webhooks_queue_url;
    for (receives, comes_again) in [(1, false), (5, true)] {
        let event = json!({"id": format!("evt_{receives}"), "kind": "order.created", "at": 1_800_000_000_000_i64,
            "data": {}});
        let notice = json!({"org": app.demo["org_id"], "endpoint": webhook["id"], "event": event}).to_string();
        ctx.sqs().send_message().queue_url(queue).message_body(notice).send().await.unwrap();
        let taken = ctx.sqs().receive_message().queue_url(queue).wait_time_seconds(0).send().await.unwrap();
        let message = &taken.messages()[0];
        let record = json!({"messageId": message.message_id(), "receiptHandle": message.receipt_handle(),
            "body": message.body(), "attributes": {"ApproximateReceiveCount": receives.to_string()},
            "messageAttributes": {}, "eventSource": "aws:sqs"});
        let answer = app.cloud.invoke("workers-webhooks", json!({"Records": [record]})).await.unwrap();
        assert_eq!(answer["batchItemFailures"][0]["itemIdentifier"], message.message_id().unwrap());
        let again = ctx.sqs().receive_message().queue_url(queue).wait_time_seconds(0).send().await.unwrap();
        assert_eq!(!again.messages().is_empty(), comes_again, "after try {receives}");
    }
}

/// The function as it is deployed, not as the local cloud sets it: it goes to public addresses only.
#[tokio::test]
async fn a_deployed_function_reaches_nothing_of_ours() {
    let app = start().await;
    let person = Person::new(&app, "admin").await;
    let receiver = Receiver::start().await;
    let webhook = add(&person, &receiver, json!([])).await;
    let ctx = app.cloud.ctx("workers-webhooks");
    let settings = runtime::Settings { allow_private_endpoints: false, ..ctx.settings().clone() };
    let ctx = runtime::Ctx::new(settings, ctx.aws().clone(), ctx.clock().clone()).unwrap();
    let deployed = workers_webhooks::function().into_invoker(ctx.clone());
    let port = receiver.url.split(':').nth(2).unwrap().split('/').next().unwrap();
    for (n, url) in [
        receiver.url.clone(),
        format!("http://localhost:{port}/"),
        format!("https://localhost:{port}/"),
        format!("https://127.0.0.1:{port}/"),
        format!("https://2130706433:{port}/"),
        format!("https://127.1:{port}/"),
    ]
    .into_iter()
    .enumerate()
    {
        // Somebody wrote it down before it was forbidden, or the name was another's then.
        person.patch(&path(&app, &format!("/{}", id(&webhook))), json!({"url": url})).await.expect(200);
        let event = json!({"id": format!("evt_{n}"), "kind": "order.created", "at": 1_800_000_000_000_i64 + n as i64,
            "data": {}});
        let notice = json!({"org": app.demo["org_id"], "endpoint": webhook["id"], "event": event});
        let record = json!({"messageId": "m", "receiptHandle": "r", "body": notice.to_string(), "attributes": {},
            "messageAttributes": {}, "eventSource": "aws:sqs"});
        let answer = deployed.invoke(json!({"Records": [record]}), Default::default()).await.unwrap();
        assert_eq!(answer["batchItemFailures"][0]["itemIdentifier"], "m", "{url}");
        let row = &log(&person, &webhook).await[0];
        assert_eq!(row["eventId"], format!("evt_{n}"));
        assert_eq!((&row["outcome"], &row["tries"][0]["statusCode"]), (&json!("failed"), &Value::Null), "{url}");
    }
    assert!(receiver.received().is_empty());
}

/// Each queue of the template whose dead letters go to a queue of their own.
#[tokio::test]
async fn the_dead_letters_of_every_queue_are_sent_on_their_way_again() {
    let app = start().await;
    let queues = app.get("/_local/queues").send().await.expect(200);
    let names: Vec<&str> = queues.as_array().unwrap().iter().filter_map(|queue| queue["name"].as_str()).collect();
    let sqs = app.cloud.ctx("workers-webhooks").sqs().clone();
    let url = async |name: &str| sqs.get_queue_url().queue_name(name).send().await.unwrap().queue_url.unwrap();
    let mut redriven = 0;
    for name in names.iter().filter(|name| !name.ends_with("-dead")) {
        let dead = format!("{name}-dead");
        let (from, to) = (url(&dead).await, url(name).await);
        // More than one batch.
        for n in 0..12 {
            sqs.send_message().queue_url(&from).message_body(format!("letter {n}")).send().await.unwrap();
        }
        assert_eq!(redrive(&sqs, &dead, None).await.unwrap(), 12, "{name}");
        let mut found = BTreeSet::new();
        while found.len() < 12 {
            let answer = sqs.receive_message().queue_url(&to).max_number_of_messages(10).send().await.unwrap();
            assert!(!answer.messages().is_empty(), "{name}: {found:?}");
            found.extend(answer.messages().iter().filter_map(|message| message.body().map(str::to_owned)));
        }
        assert_eq!(redrive(&sqs, &from, None).await.unwrap(), 0, "none is left, and a URL names a queue as well");
        redriven += 1;
    }
    assert!(redriven >= 6, "{names:?}");
    assert!(redrive(&sqs, "fairground-local-unheard-of", None).await.is_err());
    let outbox = redrive(&sqs, "fairground-local-outbox-dead", None).await.unwrap_err();
    assert!(outbox.to_string().contains("--to"), "of no queue's dead letters: {outbox}");
}

/// A call with a body, whatever the method.
async fn send(person: &Person<'_>, method: Method, path: &str, body: Value) -> Answer {
    person.call(method, path).json(&body).send().await
}
