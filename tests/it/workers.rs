//! The outbox and its e-mails: contract §6, §13; what the stream and the queues bring that nobody expects.

use base64::{Engine, engine::general_purpose::STANDARD};
use domain::mail::{Mail, MailKey, MailPolicy, MailStatus};
use futures_util::future::join_all;
use local::chaos::Chaos;
use serde_json::{Value, json};
use store::Claim;

use crate::app::{App, Sale, admin_path, number_of};

const BUYER: &str = "ana@example.com";

async fn free_sale(app: &App) -> Sale {
    app.open_sale(&app.sign_in("admin").await, 50, 0.0).await
}

/// Places a free order, whose ticket is on its way at once.
async fn order(app: &App, sale: &Sale) -> Value {
    app.place_order(sale, 1).await
}

async fn mail_status(app: &App, placed: &Value) -> Value {
    // The clock may have gone beyond an earlier token.
    let token = app.sign_in("admin").await;
    app.admin_order(&token, placed).await["emailStatus"].clone()
}

async fn until_status(app: &App, placed: &Value, status: &str) {
    app.until(status, async || mail_status(app, placed).await == status).await;
}

async fn until_mailed(app: &App, count: usize) -> Vec<Value> {
    app.until("the ticket comes", async || app.mails(BUYER).await.len() >= count).await;
    app.cloud.drain().await;
    let mails = app.mails(BUYER).await;
    assert_eq!(mails.len(), count);
    mails
}

/// Lets a minute or more pass, the sweeper run, and what it puts on the queue be tried.
async fn sweep(app: &App, seconds: i64) {
    app.advance(seconds).await;
    app.run_schedule("workers-email").await;
    app.cloud.drain().await;
}

/// More than an e-mail waits after its last try but one.
const LONG: i64 = 42 * 60;

/// What is dead of the e-mail queue.
async fn dead(app: &App) -> u64 {
    let queues = app.get("/_local/queues").send().await.expect(200);
    let name = "fairground-local-email";
    queues.as_array().unwrap().iter().find(|queue| queue["name"] == name).unwrap()["dead"].as_u64().unwrap()
}

/// Lets failed messages come again at once, so that no test waits for three minutes until they are dead.
fn hurry(app: &App) {
    app.cloud.sources().set_chaos(Some(Chaos { retry_at_once: true, ..Chaos::default() }));
}

fn key_of(placed: &Value) -> MailKey {
    MailKey::Ticket { number: number_of(placed).parse().unwrap() }
}

fn ses(app: &App) -> &local::aws::Mailbox {
    app.cloud.endpoint().unwrap().mailbox()
}

/// What a scanner reads in the attached picture.
fn read_qr(mail: &Value) -> Value {
    let png = STANDARD.decode(mail["attachments"][0]["base64"].as_str().unwrap()).unwrap();
    let mut decoder = png::Decoder::new(std::io::Cursor::new(png));
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((frame.width, frame.height), (300, 300));
    let bytes = frame.color_type.samples();
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(300, 300, |x, y| pixels[(y * 300 + x) * bytes]);
    let (_, text) = image.detect_grids()[0].decode().unwrap();
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn the_mail_carries_the_ticket_whose_secret_the_buyer_got() {
    let app = App::start().await;
    let admin = app.sign_in("admin").await;
    let body = json!({"name": "Noche & Día", "location": "Guatemala", "venue": "Casa Verde", "date": "2027-05-01",
        "time": "20:30", "status": "active", "tiers": [{"name": "General", "price": 0}]});
    let event = app.create_event(&admin, &body).await;
    let tier = app.admin_event(&admin, &event).await["tiers"][0]["id"].as_str().unwrap().to_owned();
    let placed = app.place_order(&Sale { event, tier }, 2).await;
    let mail = until_mailed(&app, 1).await.remove(0);
    assert_eq!((&mail["to"], &mail["subject"]), (&json!(BUYER), &json!("🎫 Your Ticket: Noche & Día")));
    let (html, text) = (mail["html"].as_str().unwrap(), mail["text"].as_str().unwrap());
    for fact in [number_of(&placed), "Ana Buyer", "General", "Casa Verde", "1 May 2027", "20:30"] {
        assert!(html.contains(fact) && text.contains(fact), "{fact}");
    }
    assert!(text.contains("Noche & Día") && html.contains("cid:qrcode"));
    let attachments = mail["attachments"].as_array().unwrap();
    assert_eq!(attachments.len(), 1);
    let picture = &attachments[0];
    assert_eq!((&picture["name"], &picture["type"]), (&json!("ticket-qr.png"), &json!("image/png")));
    assert_eq!(picture["contentId"], "qrcode");

    let payload = json!({"id": number_of(&placed), "qr": placed["qrCode"], "event": "Noche & Día", "tier": "General"});
    assert_eq!(read_qr(&mail), payload);
    let scan = json!({"qr_code": payload.to_string()});
    app.post("/tickets/api/checkin").json(&scan).send().await.expect(200);

    let resend = format!("{}/resend-email", admin_path(&placed));
    app.post(&resend).token(&admin).send().await.expect(200);
    let again = until_mailed(&app, 2).await.remove(0);
    assert_eq!(read_qr(&again), payload, "the ticket does not change when it is sent again");
    app.verify().await;
}

#[tokio::test]
async fn the_fifth_try_may_succeed_and_no_sixth_is_made() {
    for (failures, sent) in [(4, true), (5, false)] {
        let app = App::start().await;
        let sale = free_sale(&app).await;
        ses(&app).fail_next(failures);
        let placed = order(&app, &sale).await;
        app.until("a first try", async || mail_status(&app, &placed).await == "failed").await;
        for _ in 0..8 {
            sweep(&app, LONG).await;
        }
        // A sixth try would succeed, and be seen.
        assert_eq!(app.mails(BUYER).await.len(), usize::from(sent));
        assert_eq!(mail_status(&app, &placed).await, if sent { "sent" } else { "failed" });
        app.verify().await;

        let admin = app.sign_in("admin").await;
        let resend = app.post(&format!("{}/resend-email", admin_path(&placed))).token(&admin).send().await.expect(200);
        assert_eq!(resend["emailSent"], true, "a resend begins anew");
        assert_eq!(mail_status(&app, &placed).await, "sent");
        app.verify().await;
    }
}

/// Of every kind: one with three tries outlasts it too.
#[tokio::test]
async fn ten_minutes_without_ses_lose_no_mail() {
    let app = App::start().await;
    hurry(&app);
    let sale = free_sale(&app).await;
    let ctx = app.cloud.ctx("workers-email");
    let down = async |minutes: usize| {
        for _ in 0..minutes {
            ses(&app).fail_next(1000);
            sweep(&app, 60).await;
        }
    };
    ses(&app).fail_next(1000);
    order(&app, &sale).await;
    let user = app.demo["users"][0]["user_id"].as_str().unwrap().parse().unwrap();
    let welcome = MailKey::Welcome { user };
    let org = app.demo["org_id"].as_str().unwrap().parse().unwrap();
    let mail = Mail::new(welcome, org, MailPolicy::Send, app.cloud.now());
    assert!(ctx.store().queue_mail(&mail).await.unwrap());
    app.cloud.drain().await;
    down(10).await;
    ses(&app).fail_next(0);
    for _ in 0..12 {
        sweep(&app, 60).await;
    }
    until_mailed(&app, 1).await;
    let row = ctx.store().load_mail(welcome).await.unwrap().unwrap();
    assert_eq!(row.status, MailStatus::Sent);
    assert_eq!(dead(&app).await, 0);
    app.verify().await;
}

#[tokio::test]
async fn what_cannot_be_delivered_is_a_dead_letter_and_redriven_it_is_sent() {
    let app = App::start().await;
    hurry(&app);
    let sale = free_sale(&app).await;
    ses(&app).fail_next(1000);
    let placed = order(&app, &sale).await;
    until_status(&app, &placed, "failed").await;
    for _ in 0..5 {
        sweep(&app, LONG).await;
    }
    assert_eq!((dead(&app).await, mail_status(&app, &placed).await), (1, json!("failed")));
    ses(&app).fail_next(0);
    let ctx = app.cloud.ctx("workers-email");
    let letters = "fairground-local-email-dead";
    let moved = ops::redrive::redrive_all(ctx.sqs(), ctx.store(), letters, None, ctx.now()).await.unwrap();
    assert_eq!(moved, 1);
    until_mailed(&app, 1).await;
    until_status(&app, &placed, "sent").await;
    assert_eq!((dead(&app).await, app.mails(BUYER).await.len()), (0, 1));
    app.verify().await;
}

#[tokio::test]
async fn a_resend_that_fails_is_queued_and_mended() {
    let app = App::start().await;
    let sale = free_sale(&app).await;
    let placed = order(&app, &sale).await;
    until_mailed(&app, 1).await;
    ses(&app).fail_next(2);
    let admin = app.sign_in("admin").await;
    let resend = app.post(&format!("{}/resend-email", admin_path(&placed))).token(&admin).send().await.expect(200);
    assert_eq!(resend, json!({"success": true, "emailSent": false, "message": "Email queued"}));
    app.until("a later try succeeds", async || {
        sweep(&app, LONG).await;
        app.mails(BUYER).await.len() == 2
    })
    .await;
    until_status(&app, &placed, "sent").await;
    app.verify().await;
}

/// The flaw of the old backend: a row whose worker died stayed `processing` for ever.
#[tokio::test]
async fn a_mail_whose_worker_died_is_taken_over_after_its_lease() {
    let app = App::start().await;
    let sale = free_sale(&app).await;
    ses(&app).fail_next(1);
    let placed = order(&app, &sale).await;
    until_status(&app, &placed, "failed").await;
    app.advance(LONG).await;
    let ctx = app.cloud.ctx("workers-email");
    let claim = ctx.store().claim_mail(key_of(&placed), ctx.now()).await.unwrap();
    assert!(matches!(claim, Claim::Taken(_)), "this worker dies here");
    sweep(&app, 61).await;
    assert_eq!(mail_status(&app, &placed).await, "processing", "its lease runs");
    assert!(app.mails(BUYER).await.is_empty());
    sweep(&app, 120).await;
    until_mailed(&app, 1).await;
    until_status(&app, &placed, "sent").await;
    app.verify().await;
}

#[tokio::test]
async fn a_mail_whose_worker_died_at_the_last_try_ends_as_failed() {
    let app = App::start().await;
    let sale = free_sale(&app).await;
    ses(&app).fail_next(4);
    let placed = order(&app, &sale).await;
    until_status(&app, &placed, "failed").await;
    for _ in 0..3 {
        sweep(&app, LONG).await;
    }
    app.advance(LONG).await;
    let ctx = app.cloud.ctx("workers-email");
    let claim = ctx.store().claim_mail(key_of(&placed), ctx.now()).await.unwrap();
    assert!(matches!(claim, Claim::Taken(ref mail) if mail.attempts == 5), "{claim:?}");
    sweep(&app, 200).await;
    assert_eq!(mail_status(&app, &placed).await, "failed", "and none is stuck");
    assert!(app.mails(BUYER).await.is_empty());
    app.verify().await;
}

#[tokio::test]
async fn without_a_sender_mails_wait_and_everything_else_works() {
    let app = App::with(local::Options { without_mail: true, ..App::options() }).await;
    let admin = app.sign_in("admin").await;
    let sale = app.open_sale(&admin, 10, 5.0).await;
    let placed = app.place_order(&sale, 1).await;
    let paid = app.set_status(&admin, &placed, &json!({"status": "paid"})).send().await.expect(200);
    assert_eq!((&paid["success"], &paid["emailSent"]), (&json!(true), &json!(false)));
    for _ in 0..7 {
        app.cloud.drain().await;
        sweep(&app, 61).await;
    }
    assert_eq!(mail_status(&app, &placed).await, "pending", "and has lost no try");
    let admin = app.sign_in("admin").await;
    let resend = app.post(&format!("{}/resend-email", admin_path(&placed))).token(&admin).send().await.expect(200);
    assert_eq!(resend, json!({"success": true, "emailSent": false, "message": "Email queued"}));
    assert_eq!(mail_status(&app, &placed).await, "pending");
    assert_eq!(app.get("/tickets/health").send().await.expect(200)["email"], "not_configured");
    let ctx = app.cloud.ctx("workers-email");
    assert_eq!(ctx.store().load_mail(key_of(&placed)).await.unwrap().unwrap().attempts, 0);
}

#[tokio::test]
async fn a_ticket_that_was_refunded_meanwhile_is_not_sent() {
    let app = App::start().await;
    hurry(&app);
    let admin = app.sign_in("admin").await;
    let sale = free_sale(&app).await;
    ses(&app).fail_next(1);
    let placed = order(&app, &sale).await;
    until_status(&app, &placed, "failed").await;
    app.set_status(&admin, &placed, &json!({"status": "refunded"})).send().await.expect(200);
    for _ in 0..3 {
        sweep(&app, LONG).await;
    }
    assert!(app.mails(BUYER).await.is_empty());
    assert_eq!(mail_status(&app, &placed).await, "failed");
    assert_eq!(dead(&app).await, 0, "nobody need hear of it");
    app.verify().await;
}

#[tokio::test]
async fn workers_at_the_same_time_and_messages_twice_send_one_mail() {
    let app = App::start().await;
    let sale = free_sale(&app).await;
    ses(&app).fail_next(1);
    let placed = order(&app, &sale).await;
    until_status(&app, &placed, "failed").await;
    app.advance(LONG).await;
    let ctx = app.cloud.ctx("workers-email");
    let message = serde_json::to_string(&key_of(&placed)).unwrap();
    let send = async || {
        let queue = &ctx.settings().email_queue_url;
        ctx.sqs().send_message().queue_url(queue).message_body(&message).send().await.unwrap();
    };
    join_all((0..6).map(|_| send())).await;
    join_all((0..6).map(|_| app.run_schedule("workers-email"))).await;
    until_mailed(&app, 1).await;
    app.verify().await;
}

#[tokio::test]
async fn junk_in_the_queue_is_dropped_and_blocks_nothing() {
    let app = App::start().await;
    let sale = free_sale(&app).await;
    let ctx = app.cloud.ctx("workers-email");
    let unknown = json!({"number": "HP260125-AAAAAAAA", "kind": "ticket"}).to_string();
    for queue in [&ctx.settings().email_queue_url, &ctx.settings().expiry_queue_url, &ctx.settings().payments_queue_url]
    {
        for body in ["junk", "{}", "{\"number\": 5}", unknown.as_str()] {
            ctx.sqs().send_message().queue_url(queue).message_body(body).send().await.unwrap();
        }
    }
    order(&app, &sale).await;
    until_mailed(&app, 1).await;
    for queue in app.get("/_local/queues").send().await.expect(200).as_array().unwrap() {
        for name in ["depth", "in_flight", "dead"] {
            assert_eq!(queue[name], 0, "{queue}");
        }
    }
}

#[tokio::test]
async fn a_record_that_nobody_can_read_does_not_hold_up_the_stream() {
    use aws_sdk_dynamodb::types::AttributeValue::{N, S};
    let app = App::start().await;
    let sale = free_sale(&app).await;
    let ctx = app.cloud.ctx("workers-outbox");
    let (client, table) = (ctx.store().client(), ctx.store().table());
    for (entity, number) in [("mail", N("5".into())), ("order", S("nonsense".into())), ("unheard-of", S("x".into()))] {
        let put =
            client.put_item().table_name(table).item("pk", S(format!("POISON#{entity}"))).item("sk", S("x".into()));
        let put = put.item("entity", S(entity.into())).item("status", S("pending".into())).item("number", number);
        put.send().await.unwrap();
    }
    order(&app, &sale).await;
    until_mailed(&app, 1).await;
}
