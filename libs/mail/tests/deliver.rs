//! Delivery against an embedded database and a mail server that answers as it is told.
#![allow(clippy::unwrap_used)]

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
};
use domain::{
    audit::{Action, AuditEntry},
    ids::{EventId, OrgId, TierId},
    mail::{LEASE, Mail, MailKey, MailPolicy, MailStatus},
    money::{Cents, Currency},
    tickets::{
        event::{Event, EventKind, EventStatus, Tier},
        number::OrderNumber,
        order::{Buyer, NewOrder, Order, Origin},
    },
};
use jiff::{SignedDuration, civil};
use mail::Delivery;
use runtime::{Aws, Ctx, Settings, clock::Clock};
use serde_json::{Value, json};
use store::{Claim, schema};

/// Tries of a ticket (contract §13).
const TRIES: u32 = 5;

/// What the mail server was sent, and what it answers: success when nothing is left to answer.
#[derive(Clone, Default)]
struct Ses {
    sent: Arc<Mutex<Vec<Value>>>,
    answers: Arc<Mutex<VecDeque<(u16, &'static str)>>>,
}

impl Ses {
    fn fail(&self, status: u16, code: &'static str) {
        self.answers.lock().unwrap().push_back((status, code));
    }

    async fn answer(self, body: String) -> impl IntoResponse {
        if let Some((status, code)) = self.answers.lock().unwrap().pop_front() {
            let mut headers = HeaderMap::new();
            headers.insert("x-amzn-errortype", code.parse().unwrap());
            let text = json!({"message": "Address ana@example.com is refused"});
            return (StatusCode::from_u16(status).unwrap(), headers, text.to_string());
        }
        self.sent.lock().unwrap().push(serde_json::from_str(&body).unwrap());
        (StatusCode::OK, HeaderMap::new(), json!({"MessageId": "1"}).to_string())
    }

    fn sent(&self) -> Vec<Value> {
        self.sent.lock().unwrap().clone()
    }
}

struct World {
    ctx: Ctx,
    ses: Ses,
    key: MailKey,
    order: Order,
}

async fn listen() -> (tokio::net::TcpListener, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

impl World {
    /// A paid order whose ticket waits to be sent.
    async fn new(mail_from: &str) -> World {
        let (database, database_url) = listen().await;
        tokio::spawn(dynoxide::server::serve_on(database, dynoxide::Database::memory().unwrap()));
        let ses = Ses::default();
        let (mails, mails_url) = listen().await;
        let server = ses.clone();
        let app = Router::new().fallback(move |body: String| server.clone().answer(body));
        tokio::spawn(async move { axum::serve(mails, app).await });

        let mut map: HashMap<String, String> = Settings::NAMES
            .iter()
            .chain(Settings::SECRET_NAMES)
            .filter(|name| !name.starts_with("RATE_LIMIT"))
            .map(|name| (name.to_string(), "fairground".to_owned()))
            .collect();
        map.extend([
            ("QR_KEYS".into(), format!("k1:{}", "ab".repeat(16))),
            ("SERVICE_TOKEN_KEYS".into(), String::new()),
            ("TICKETS_ORG_ID".into(), OrgId::from_random([7; 16]).to_string()),
            ("MAIL_FROM".into(), mail_from.into()),
            ("AWS_ENDPOINT_URL_DYNAMODB".into(), database_url),
            ("AWS_ENDPOINT_URL_SESV2".into(), mails_url),
            ("AWS_ACCESS_KEY_ID".into(), "test".into()),
            ("AWS_SECRET_ACCESS_KEY".into(), "test".into()),
        ]);
        let ctx = Ctx::new(Settings::from_map(&map).unwrap(), Aws::from_map(&map), Clock::default()).unwrap();
        schema::create_table(ctx.store().client(), ctx.store().table()).await.unwrap();
        let order = place_order(&ctx).await;
        World { ctx, ses, key: MailKey::Ticket { number: order.number }, order }
    }

    async fn attempt(&self) -> Delivery {
        mail::attempt(&self.ctx, self.key).await.unwrap()
    }

    async fn row(&self) -> Mail {
        self.ctx.store().load_mail(self.key).await.unwrap().unwrap()
    }
}

/// A free order is paid at once, with its e-mail.
async fn place_order(ctx: &Ctx) -> Order {
    let tier = Tier {
        id: TierId::from_random([2; 16]),
        name: "General".into(),
        description: String::new(),
        price: Cents(0),
        currency: Currency::USD,
        quantity: 50,
        max_per_order: 10,
        payment_link: None,
        is_active: true,
        sale_starts_at: None,
        sale_ends_at: None,
    };
    let event = Event {
        id: EventId::from_random([1; 16]),
        org: ctx.settings().tickets_org,
        name: "Summer Night".into(),
        slug: "summer-night".into(),
        location: "Guatemala City".into(),
        venue: None,
        date: civil::date(2027, 6, 1),
        time: civil::time(21, 0, 0, 0),
        description: None,
        kind: EventKind::Party,
        main_artist: None,
        artists: vec![],
        image: None,
        min_age: 18,
        status: EventStatus::Active,
        is_featured: false,
        hold_minutes: 15,
        tiers: vec![tier],
        retired: vec![],
        version: 1,
        created_at: ctx.now(),
    };
    let audit = AuditEntry {
        id: "1".into(),
        org: event.org,
        action: Action::Create,
        entity_type: "event".into(),
        entity_id: "e".into(),
        user: None,
        user_name: None,
        user_email: None,
        old: None,
        new: None,
        ip: None,
        user_agent: None,
        at: ctx.now(),
    };
    ctx.store().create_event(&event, &audit).await.unwrap();
    let number = OrderNumber::new(ctx.now(), 1 << 40);
    let order = Order::new(NewOrder {
        number,
        event: &event,
        tier: &event.tiers[0],
        quantity: 2,
        buyer: Buyer {
            name: "Ana López".into(),
            email: "ana@example.com".into(),
            phone: None,
            country: None,
            nationality: None,
        },
        payment_method: None,
        origin: Origin::default(),
        fingerprint: None,
        key_id: "k1".into(),
        now: ctx.now(),
    });
    let stripes = ctx.store().load_stripes(event.tiers[0].id).await.unwrap();
    let secret = ctx.ticket_secret("k1", number, 0).unwrap().hash();
    ctx.store().place_order(order, &secret, stripes, 0, MailPolicy::Send).await.unwrap()
}

#[tokio::test]
async fn a_ticket_is_sent_once() {
    let world = World::new("Fairground <tickets@example.com>").await;
    assert!(mail::deliver(&world.ctx, world.key).await.unwrap());
    assert_eq!(world.row().await.status, MailStatus::Sent);
    assert!(!mail::deliver(&world.ctx, world.key).await.unwrap());

    let [request] = &world.ses.sent()[..] else { panic!("sent more than once") };
    assert_eq!(request["FromEmailAddress"], "Fairground <tickets@example.com>");
    assert_eq!(request["Destination"], json!({"ToAddresses": ["ana@example.com"]}));
    assert_eq!(request["EmailTags"], json!([{"Name": "order", "Value": world.order.number.to_string()}]));
    let message = &request["Content"]["Simple"];
    assert_eq!(message["Subject"]["Data"], "🎫 Your Ticket: Summer Night");
    assert!(message["Body"]["Html"]["Data"].as_str().unwrap().contains("cid:qrcode"));
    assert!(message["Body"]["Text"]["Data"].as_str().unwrap().contains("Ana López"));
    let mut attachment = message["Attachments"][0].clone();
    assert!(attachment["RawContent"].take().as_str().unwrap().starts_with("iVBORw0KGgo"), "a PNG in base64");
    let expected = json!({"RawContent": null, "FileName": "ticket-qr.png", "ContentType": "image/png",
        "ContentId": "qrcode", "ContentDisposition": "INLINE", "ContentTransferEncoding": "BASE64"});
    assert_eq!(attachment, expected);
}

#[tokio::test]
async fn without_a_sender_the_row_waits_and_loses_no_try() {
    let world = World::new("").await;
    assert_eq!(world.attempt().await, Delivery::NotConfigured);
    assert_eq!((world.row().await.status, world.row().await.attempts), (MailStatus::Pending, 0));
}

#[tokio::test]
async fn five_failures_end_it_and_a_resend_begins_anew() {
    let world = World::new("tickets@example.com").await;
    for attempt in 1..=TRIES {
        world.ses.fail(400, "SendingPausedException");
        assert_eq!(world.attempt().await, Delivery::Failed { again: attempt < TRIES });
        let row = world.row().await;
        assert_eq!((row.status, row.attempts), (MailStatus::Failed, attempt));
        assert_eq!(row.error.as_deref(), Some("SendingPausedException: Address … is refused"));
    }
    assert_eq!(world.attempt().await, Delivery::NotDue);
    let later = world.ctx.now() + SignedDuration::from_hours(1);
    assert_eq!(world.ctx.store().list_unsent_mails(later, 10).await.unwrap(), []);

    assert!(world.ctx.store().resend_ticket(&world.order, world.ctx.now()).await.unwrap());
    assert_eq!(world.attempt().await, Delivery::Sent);
    assert_eq!(world.row().await.error, None);
}

#[tokio::test]
async fn what_ses_refuses_fails_at_once() {
    for code in ["MessageRejected", "BadRequestException"] {
        let world = World::new("tickets@example.com").await;
        world.ses.fail(400, code);
        assert_eq!(world.attempt().await, Delivery::Failed { again: false });
        assert_eq!(world.attempt().await, Delivery::NotDue);
        assert!(world.row().await.is_final());
    }
}

#[tokio::test]
async fn the_ticket_of_an_order_that_is_no_longer_paid_is_not_sent() {
    let world = World::new("tickets@example.com").await;
    world.ctx.store().refund_order(&world.order, None).await.unwrap();
    assert_eq!(world.attempt().await, Delivery::Failed { again: false });
    assert_eq!(world.row().await.error.as_deref(), Some("order is no longer paid"));
    assert!(world.ses.sent().is_empty());
}

#[tokio::test]
async fn a_dead_workers_mail_is_taken_over_or_ended() {
    let world = World::new("tickets@example.com").await;
    let over = LEASE + SignedDuration::from_secs(1);
    for _ in 0..TRIES - 1 {
        let claim = world.ctx.store().claim_mail(world.key, world.ctx.now()).await.unwrap();
        assert!(matches!(claim, Claim::Taken(_)), "a worker takes it, and dies");
        assert_eq!(world.attempt().await, Delivery::NotDue, "its lease still runs");
        world.ctx.clock().advance(over);
    }
    assert_eq!(world.attempt().await, Delivery::Sent);

    let world = World::new("tickets@example.com").await;
    for _ in 0..TRIES {
        world.ctx.store().claim_mail(world.key, world.ctx.now()).await.unwrap();
        assert_eq!(world.row().await.status, MailStatus::Processing);
        assert_eq!(world.attempt().await, Delivery::NotDue);
        assert_eq!(world.row().await.status, MailStatus::Processing, "its lease still runs");
        world.ctx.clock().advance(over);
    }
    assert_eq!(world.attempt().await, Delivery::NotDue);
    assert!(world.row().await.is_final(), "no row is stuck");
}
