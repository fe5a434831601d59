//! The counter's e-mails: written from what is loaded, sent while they are wanted (POS contract §2, §9-§11).

use std::{
    io,
    sync::{Arc, Mutex},
};

use domain::{
    ids::{OrgId, UserId},
    link::LinkPurpose,
    mail::{Mail, MailKey, MailPolicy, MailStatus},
    member::{Invitation, Member, Org, Role},
    money::{Cents, Currency},
    pos::{
        order::{Line, Method, Order, OrderId, Payment, Status},
        report::{WeeklyFigures, WeeklyReport},
    },
};
use jiff::{SignedDuration, civil};
use mail::Delivery;
use serde_json::{Value, json};
use store::{Link, pos::order::Created};
use tracing::instrument::WithSubscriber;
use tracing_subscriber::{Layer, layer::SubscriberExt};
use uuid::Uuid;

use crate::world::World;

const WEEK: civil::Date = civil::date(2027, 1, 11);
const PDF: &str = "reports/week.pdf";

fn org_id() -> OrgId {
    OrgId::from_random([3; 16])
}

fn user() -> UserId {
    UserId::from_random([4; 16])
}

fn boss() -> UserId {
    UserId::from_random([5; 16])
}

/// An organization and somebody in it.
async fn world() -> World {
    let world = World::new("Fairground <mail@example.com>").await;
    let (store, now) = (world.ctx.store(), world.ctx.now());
    store.save_org(&Org::new(org_id(), "Lemon & Lime".into(), now)).await.unwrap();
    for (user, name, role) in [(user(), "Ana López", Role::Staff), (boss(), "Bo Chen", Role::Superadmin)] {
        let email = format!("{}@example.com", name.split(' ').next().unwrap().to_lowercase());
        store.save_member(&Member::new(user, org_id(), email, name.into(), Some(role), now)).await.unwrap();
    }
    world
}

async fn change_member(world: &World, change: impl FnOnce(&mut Member)) {
    let mut member = world.ctx.store().load_member(user()).await.unwrap().unwrap();
    change(&mut member);
    world.ctx.store().save_member(&member).await.unwrap();
}

fn new_mail(world: &World, key: MailKey) -> Mail {
    Mail::new(key, org_id(), MailPolicy::Send, world.ctx.now())
}

async fn queue(world: &World, key: MailKey) -> MailKey {
    assert!(world.ctx.store().queue_mail(&new_mail(world, key)).await.unwrap());
    key
}

fn new_link(world: &World, purpose: LinkPurpose, id: Uuid) -> Link {
    let key_id = world.ctx.new_link_key_id();
    let secret = world.ctx.link_secret(key_id, purpose, id).unwrap();
    Link::new(purpose, id, &secret, key_id, user(), world.ctx.now())
}

async fn ask_for_reset(world: &World, id: u128) -> (MailKey, Link) {
    let id = Uuid::from_u128(id);
    let (key, link) = (MailKey::PasswordReset { user: user(), id }, new_link(world, LinkPurpose::PasswordReset, id));
    let mail = new_mail(world, key).with_link(&link.key_id);
    world.ctx.store().create_reset(&link, &mail).await.unwrap();
    (key, link)
}

/// Ana is invited by Bo, by this link.
async fn invite(world: &World, id: u128) -> MailKey {
    let id = Uuid::from_u128(id);
    let (key, link) = (MailKey::Invitation { user: user(), id }, new_link(world, LinkPurpose::Invitation, id));
    let invitation =
        Invitation { by: boss(), at: world.ctx.now(), link_hash: Some(link.hash.clone()), accepted_at: None };
    let before = world.ctx.store().load_member(user()).await.unwrap().unwrap();
    let after = Member { invitation: Some(invitation), ..before.clone() };
    let mail = new_mail(world, key).with_link(&link.key_id);
    world.ctx.store().renew_invitation(&before, &after, &link, &mail).await.unwrap();
    key
}

/// An order of $37.51, paid by card unless `paid` is false.
async fn sell(world: &World, paid: bool) -> OrderId {
    let now = world.ctx.now();
    let pending = Order {
        id: OrderId::new(org_id(), now, 42, 0),
        org: org_id(),
        version: 0,
        status: Status::Pending,
        method: None,
        subtotal: Cents(3500),
        tax: Cents(251),
        tip: Cents::ZERO,
        total: Cents(3751),
        paid: Cents::ZERO,
        refunded: Cents::ZERO,
        payments: 0,
        intent: None,
        account: None,
        customer_email: Some("buyer@example.com".into()),
        customer: None,
        catalog: None,
        user: user(),
        device: None,
        notes: None,
        hold_name: None,
        held_at: None,
        held_by: None,
        quick_charge: false,
        description: None,
        item_count: 1,
        created_at: now,
        updated_at: now,
        completed_at: None,
    };
    let line = Line {
        id: Uuid::nil(),
        product: None,
        catalog_product: None,
        category: None,
        name: "Lemonade".into(),
        quantity: 7,
        unit_price: Cents(500),
        notes: None,
    };
    let store = world.ctx.store().pos();
    let created = store.create_order(|_| pending.clone(), &[line], None).await.unwrap();
    let Created::New(order) = created else { panic!("{created:?}") };
    if paid {
        let payment = Payment::card(Method::Card, "pi_1", Cents(3751), now);
        let payment = Payment { brand: Some("visa".into()), last4: Some("4242".into()), ..payment };
        let after = order.pay(&payment, now).unwrap();
        assert!(store.add_payment(&order, &after, &payment, None).await.unwrap());
    }
    order.id
}

fn receipt_of(order: OrderId) -> MailKey {
    MailKey::Receipt { org: org_id(), order, id: Uuid::from_u128(9) }
}

async fn report(world: &World, pdf: Option<&str>) -> MailKey {
    let figures = WeeklyFigures { gross: Cents(482_675), orders: 213, ..WeeklyFigures::empty(WEEK, Currency::USD) };
    let report = WeeklyReport { org: org_id(), figures, pdf: pdf.map(str::to_owned), created_at: world.ctx.now() };
    world.ctx.store().pos().save_weekly_report(&report).await.unwrap();
    queue(world, MailKey::WeeklyReport { user: user(), week: WEEK }).await
}

/// Delivers, and answers the one request that SES got for it.
async fn sent(world: &World, key: MailKey) -> Value {
    let before = world.ses.sent().len();
    assert_eq!(world.attempt(key).await, Delivery::Sent, "{:?}", world.row(key).await.error);
    assert_eq!(world.row(key).await.status, MailStatus::Sent);
    let mut all = world.ses.sent();
    assert_eq!(all.len(), before + 1);
    let request = all.pop().unwrap();
    assert_eq!(request["FromEmailAddress"], "Fairground <mail@example.com>");
    request
}

fn to(request: &Value) -> &str {
    request["Destination"]["ToAddresses"][0].as_str().unwrap()
}

fn text(request: &Value) -> &str {
    request["Content"]["Simple"]["Body"]["Text"]["Data"].as_str().unwrap()
}

fn html(request: &Value) -> &str {
    request["Content"]["Simple"]["Body"]["Html"]["Data"].as_str().unwrap()
}

/// Longer than an e-mail of the counter waits after a try that failed.
const WAIT: SignedDuration = SignedDuration::from_mins(11);

/// Tries once, and finds that it ended, unsent, for this reason.
async fn not_wanted(world: &World, key: MailKey, why: &str) {
    let before = world.ses.sent().len();
    assert_eq!(world.attempt(key).await, Delivery::Moot);
    let row = world.row(key).await;
    assert!(row.is_final() && row.status == MailStatus::Failed);
    assert_eq!(row.error.as_deref(), Some(format!("not wanted: {why}").as_str()));
    assert_eq!(world.ses.sent().len(), before);
    assert_eq!(world.attempt(key).await, Delivery::NotDue, "for good");
}

const NO_LINK: &str = "its link was used, replaced or withdrawn, or has run out";

#[tokio::test]
async fn a_welcome_goes_to_who_signed_up() {
    let world = world().await;
    let request = sent(&world, queue(&world, MailKey::Welcome { user: user() }).await).await;
    assert_eq!(to(&request), "ana@example.com");
    assert_eq!(request["EmailTags"], json!([{"Name": "user", "Value": user().to_string()}]));
    assert!(text(&request).contains("Lemon & Lime") && text(&request).contains("https://portal.example.com"));
    assert_eq!(request["Content"]["Simple"].get("Attachments"), None);
}

#[tokio::test]
async fn a_reset_brings_the_link_whose_hash_is_stored() {
    let world = world().await;
    let (key, link) = ask_for_reset(&world, 1).await;
    let request = sent(&world, key).await;
    assert_eq!(to(&request), "ana@example.com");
    let url = "https://portal.example.com/reset-password?token=";
    let token = text(&request).split_once(url).unwrap().1.split_whitespace().next().unwrap();
    assert_eq!(domain::link::LinkSecret::parse(token).unwrap().hash(), link.hash);
    assert!(html(&request).contains(&format!("href=\"{url}{token}\"")));
    assert!(world.ctx.store().load_reset(&link.hash, world.ctx.now()).await.unwrap().is_some(), "it works");
}

#[tokio::test]
async fn a_reset_that_is_used_or_too_late_is_not_sent() {
    let world = world().await;
    let (key, link) = ask_for_reset(&world, 1).await;
    assert!(world.ctx.store().use_reset(&link, world.ctx.now()).await.unwrap());
    not_wanted(&world, key, NO_LINK).await;
    world.ctx.clock().advance(SignedDuration::from_secs(1));
    let (late, _) = ask_for_reset(&world, 2).await;
    world.ctx.clock().advance(LinkPurpose::PasswordReset.lifetime());
    not_wanted(&world, late, NO_LINK).await;
}

#[tokio::test]
async fn an_invitation_brings_the_link_that_the_member_names() {
    let world = world().await;
    let (first, second) = (invite(&world, 1).await, invite(&world, 2).await);
    not_wanted(&world, first, NO_LINK).await;
    let request = sent(&world, second).await;
    assert_eq!(to(&request), "ana@example.com");
    assert!(text(&request).contains("Bo Chen invites you to sell with Lemon & Lime."));
    let url = "https://example.com/accept-invite?token=";
    let token = text(&request).split_once(url).unwrap().1.split_whitespace().next().unwrap();
    let hash = domain::link::LinkSecret::parse(token).unwrap().hash();
    assert!(world.ctx.store().load_invitation(&hash, world.ctx.now()).await.unwrap().is_some(), "it works");
}

#[tokio::test]
async fn a_receipt_goes_where_it_was_asked_for() {
    let world = world().await;
    let key = receipt_of(sell(&world, true).await);
    let mail = new_mail(&world, key).to("other@example.com".into());
    assert!(world.ctx.store().queue_mail(&mail).await.unwrap());
    let request = sent(&world, key).await;
    assert_eq!(to(&request), "other@example.com");
    for fact in ["Lemon & Lime", "7 × $5.00", "$35.00", "Tax: $2.51", "Total: $37.51", "Visa ending in 4242"] {
        assert!(text(&request).contains(fact), "{fact}: {}", text(&request));
    }
}

#[tokio::test]
async fn a_receipt_without_an_address_of_its_own_goes_to_the_orders() {
    let world = world().await;
    let key = queue(&world, receipt_of(sell(&world, true).await)).await;
    assert_eq!(to(&sent(&world, key).await), "buyer@example.com");
}

#[tokio::test]
async fn what_is_not_paid_or_not_there_has_no_receipt() {
    let world = world().await;
    let unpaid = queue(&world, receipt_of(sell(&world, false).await)).await;
    let lost = queue(&world, receipt_of(OrderId::new(org_id(), world.ctx.now(), 43, 0))).await;
    for (key, why) in [(unpaid, "order is no longer paid"), (lost, "order not found")] {
        assert_eq!(world.attempt(key).await, Delivery::Moot);
        assert_eq!(world.row(key).await.error.as_deref(), Some(why));
    }
    assert!(world.ses.sent().is_empty());
}

#[tokio::test]
async fn a_weekly_report_brings_what_was_drawn() {
    let world = world().await;
    world.bucket.set(PDF, 200, "%PDF-1.7");
    let request = sent(&world, report(&world, Some(PDF)).await).await;
    assert!(text(&request).contains("$4,826.75\n213 orders, $22.66 on average"));
    let expected = json!([{"RawContent": "JVBERi0xLjc=", "FileName": "weekly-report-2027-01-11.pdf",
        "ContentType": "application/pdf", "ContentDisposition": "ATTACHMENT", "ContentTransferEncoding": "BASE64"}]);
    assert_eq!(request["Content"]["Simple"]["Attachments"], expected);
}

#[tokio::test]
async fn figures_do_not_wait_for_a_file_that_never_comes() {
    for refused in [None, Some((403, "<Error><Code>AccessDenied</Code></Error>"))] {
        let world = world().await;
        if let Some((status, body)) = refused {
            world.bucket.set(PDF, status, body);
        }
        let request = sent(&world, report(&world, Some(PDF)).await).await;
        assert_eq!(request["Content"]["Simple"].get("Attachments"), None);
        assert!(!text(&request).contains("PDF"));
    }
}

#[tokio::test]
async fn a_bucket_that_is_down_for_a_moment_is_asked_again() {
    let world = world().await;
    world.bucket.set(PDF, 503, "<Error><Code>SlowDown</Code></Error>");
    let key = report(&world, Some(PDF)).await;
    assert_eq!(world.attempt(key).await, Delivery::Failed);
    assert_eq!(world.row(key).await.error.as_deref(), Some("the bucket is unavailable"));
    world.ctx.clock().advance(WAIT);
    world.bucket.set(PDF, 200, "%PDF-1.7");
    assert_eq!(sent(&world, key).await["Content"]["Simple"]["Attachments"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn who_switched_reports_off_gets_none() {
    let world = world().await;
    let key = report(&world, None).await;
    change_member(&world, |member| member.preferences.weekly_reports = false).await;
    not_wanted(&world, key, "weekly reports are switched off").await;
}

#[tokio::test]
async fn who_is_disabled_gets_nothing() {
    let world = world().await;
    let keys = [
        (queue(&world, MailKey::Welcome { user: user() }).await, "the user is disabled"),
        (report(&world, None).await, "the user is disabled"),
        (ask_for_reset(&world, 1).await.0, NO_LINK),
    ];
    change_member(&world, |member| member.is_active = false).await;
    for (key, why) in keys {
        not_wanted(&world, key, why).await;
    }
    change_member(&world, |member| member.is_active = true).await;
    let invitation = invite(&world, 2).await;
    change_member(&world, |member| member.is_active = false).await;
    not_wanted(&world, invitation, NO_LINK).await;
}

#[tokio::test]
async fn who_is_gone_or_anothers_gets_nothing() {
    let world = world().await;
    let nobody = queue(&world, MailKey::Welcome { user: UserId::from_random([8; 16]) }).await;
    not_wanted(&world, nobody, "the user is gone").await;
    let key = report(&world, None).await;
    change_member(&world, |member| member.org = OrgId::from_random([9; 16])).await;
    not_wanted(&world, key, "the user is gone").await;
}

#[tokio::test]
async fn three_failures_end_it() {
    let world = world().await;
    let key = queue(&world, MailKey::Welcome { user: user() }).await;
    for attempt in 1..=3 {
        world.ses.fail(400, "SendingPausedException");
        assert_eq!(world.attempt(key).await, if attempt < 3 { Delivery::Failed } else { Delivery::Dead });
        world.ctx.clock().advance(WAIT);
    }
    assert!(world.row(key).await.is_final());
    assert_eq!(world.attempt(key).await, Delivery::Dead);
}

#[tokio::test]
async fn a_link_whose_key_is_not_configured_waits_for_it() {
    let world = world().await;
    let (_, link) = ask_for_reset(&world, 1).await;
    let key = MailKey::PasswordReset { user: user(), id: Uuid::from_u128(2) };
    assert_ne!(link.key_id, "k9");
    assert!(world.ctx.store().queue_mail(&new_mail(&world, key).with_link("k9")).await.unwrap());
    assert_eq!(world.attempt(key).await, Delivery::Failed);
    assert_eq!(world.row(key).await.error.as_deref(), Some("the key of its secret is not configured"));
}

/// Everything that is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn neither_the_log_nor_the_row_names_anybody_or_tells_a_secret() {
    let world = world().await;
    let log = Log::default();
    let writer = log.clone();
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || writer.clone());
    let subscriber = tracing_subscriber::registry().with(lines.with_filter(runtime::telemetry::filter("trace")));
    let twice = async |key| {
        world.ses.fail(400, "SendingPausedException");
        assert_eq!(world.attempt(key).await, Delivery::Failed);
        tracing::info!(row = ?world.row(key).await);
        world.ctx.clock().advance(SignedDuration::from_mins(6));
        sent(&world, key).await;
    };
    let deliver = async {
        twice(ask_for_reset(&world, 1).await.0).await;
        twice(invite(&world, 2).await).await;
        twice(queue(&world, receipt_of(sell(&world, true).await)).await).await;
    };
    deliver.with_subscriber(subscriber).await;
    let log = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(log.contains("e-mail not sent") && log.contains("SendingPausedException"), "it was listened to: {log}");
    for request in world.ses.sent() {
        let token = text(&request).split_once("?token=").map(|(_, rest)| rest.split_whitespace().next().unwrap());
        for secret in [token.unwrap_or("@"), "@", "López", "Bo Chen", "Lemonade", "ending in"] {
            assert!(
                !log.contains(secret),
                "{secret} stands in the log: {:?}",
                log.lines().find(|line| line.contains(secret))
            );
        }
    }
}
