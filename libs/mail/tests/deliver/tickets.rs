//! Tickets (tickets contract §13).

use domain::{
    audit::{Action, AuditEntry},
    ids::{EventId, TierId},
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
use runtime::Ctx;
use serde_json::json;
use store::Claim;

use crate::world;

/// Tries of a ticket (contract §13).
const TRIES: u32 = 5;

/// A paid order whose ticket waits to be sent.
struct World {
    all: world::World,
    key: MailKey,
    order: Order,
}

impl std::ops::Deref for World {
    type Target = world::World;

    fn deref(&self) -> &world::World {
        &self.all
    }
}

impl World {
    async fn new(mail_from: &str) -> World {
        let all = world::World::new(mail_from).await;
        let order = place_order(&all.ctx).await;
        World { key: MailKey::Ticket { number: order.number }, all, order }
    }

    async fn attempt(&self) -> Delivery {
        self.all.attempt(self.key).await
    }

    async fn row(&self) -> Mail {
        self.all.row(self.key).await
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
    assert_eq!(mail::attempt(&world.ctx, world.key).await.unwrap(), mail::Delivery::Sent);
    assert_eq!(world.row().await.status, MailStatus::Sent);
    assert_eq!(mail::attempt(&world.ctx, world.key).await.unwrap(), mail::Delivery::NotDue);

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
        assert_eq!(world.attempt().await, if attempt < TRIES { Delivery::Failed } else { Delivery::Dead });
        let row = world.row().await;
        assert_eq!((row.status, row.attempts), (MailStatus::Failed, attempt));
        assert_eq!(row.error.as_deref(), Some("SendingPausedException: Address … is refused"));
        if attempt < TRIES {
            assert_eq!(world.attempt().await, Delivery::NotDue, "it waits");
            world.ctx.clock().advance(SignedDuration::from_mins(40));
        }
    }
    assert_eq!(world.attempt().await, Delivery::Dead, "and stays so");
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
        assert_eq!(world.attempt().await, Delivery::Dead);
        assert!(world.row().await.is_final());
    }
}

/// That SES has no room for it is no try.
#[tokio::test]
async fn a_throttled_mail_loses_no_try_and_is_sent_when_there_is_room() {
    let world = World::new("tickets@example.com").await;
    for _ in 0..2 {
        // The SDK asks several times by itself.
        (0..9).for_each(|_| world.ses.fail(429, "TooManyRequestsException"));
        assert_eq!(world.attempt().await, Delivery::Failed);
        world.ses.recover();
        assert_eq!((world.row().await.status, world.row().await.attempts), (MailStatus::Failed, 0));
        assert_eq!(world.attempt().await, Delivery::NotDue, "it waits");
        world.ctx.clock().advance(SignedDuration::from_mins(1));
    }
    assert_eq!(world.attempt().await, Delivery::Sent);
    assert_eq!((world.row().await.attempts, world.ses.sent().len()), (1, 1));
}

#[tokio::test]
async fn the_ticket_of_an_order_that_is_no_longer_paid_is_not_sent() {
    let world = World::new("tickets@example.com").await;
    world.ctx.store().refund_order(&world.order, None).await.unwrap();
    assert_eq!(world.attempt().await, Delivery::Moot);
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
    assert_eq!(world.attempt().await, Delivery::Dead);
    assert!(world.row().await.is_final(), "no row is stuck");
}
