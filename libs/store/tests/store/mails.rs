//! The outbox: each e-mail ends sent or failed, whoever dies.

use domain::{
    ids::{OrgId, UserId},
    mail::{LEASE, Mail, MailKey, MailPolicy, MailStatus},
    money::Currency,
    pos::{
        order::OrderId,
        report::{WeeklyFigures, WeeklyReport},
    },
    tickets::order::Order,
};
use jiff::{SignedDuration, civil};
use store::{Claim, Failure};
use uuid::Uuid;

use crate::world::*;

/// Tries of a ticket (contract §13).
const TRIES: u32 = 5;

/// A paid order, whose ticket waits.
async fn waiting(world: &World) -> (Order, MailKey) {
    let event = world.on_sale(&[10]).await;
    let order = world.paid(&event, 0, 1).await;
    let key = ticket_mail(&order);
    (order, key)
}

async fn claim(world: &World, key: MailKey, seconds: i64) -> Option<Mail> {
    match world.store.claim_mail(key, later(seconds)).await.unwrap() {
        Claim::Taken(mail) => Some(mail),
        Claim::NotDue(_) => None,
    }
}

async fn load(world: &World, key: MailKey) -> Mail {
    world.store.load_mail(key).await.unwrap().unwrap()
}

async fn unsent(world: &World) -> Vec<MailKey> {
    world.store.list_unsent_mails(later(100_000), 100).await.unwrap()
}

#[tokio::test]
async fn a_mail_is_sent_and_leaves_the_list_of_unsent() {
    let world = World::new().await;
    let (order, key) = waiting(&world).await;
    assert_eq!(unsent(&world).await, [key]);
    let mail = claim(&world, key, 10).await.unwrap();
    assert_eq!((mail.status, mail.attempts, mail.lease_until), (MailStatus::Processing, 1, Some(later(10) + LEASE)));
    assert_eq!(unsent(&world).await, [key], "until it is final");
    assert!(claim(&world, key, 11).await.is_none(), "one worker has it");
    assert!(world.store.mark_mail_sent(&mail, later(12)).await.unwrap());
    let sent = load(&world, key).await;
    assert_eq!((sent.status, sent.sent_at, sent.lease_until), (MailStatus::Sent, Some(later(12)), None));
    let item = world.item(&format!("ORDER#{}", order.number), "MAIL#ticket").await.unwrap();
    assert_keys(
        &item,
        &[("pk", format!("ORDER#{}", order.number)), ("sk", "MAIL#ticket".into()), ("entity", "mail".into())],
    );
    assert!(unsent(&world).await.is_empty());
    assert!(claim(&world, key, 10_000).await.is_none(), "sent is sent");
    assert!(!world.store.mark_mail_failed(&mail, "late", Failure::Passing, later(20_000)).await.unwrap());
    assert_eq!(load(&world, key).await, sent);
}

#[tokio::test]
async fn of_many_workers_one_is_given_a_mail() {
    let world = World::new().await;
    let (_, key) = waiting(&world).await;
    let claims: Vec<_> = (0..12)
        .map(|_| {
            let store = world.store.clone();
            tokio::spawn(async move { store.claim_mail(key, later(1)).await.unwrap() })
        })
        .collect();
    let mut taken = 0;
    for claim in claims {
        taken += u32::from(matches!(claim.await.unwrap(), Claim::Taken(_)));
    }
    assert_eq!(taken, 1);
    assert_eq!(load(&world, key).await.attempts, 1);
}

#[tokio::test]
async fn a_dead_workers_mail_is_taken_over() {
    let world = World::new().await;
    let (_, key) = waiting(&world).await;
    let first = claim(&world, key, 0).await.unwrap();
    let over = LEASE.as_secs();
    assert!(claim(&world, key, over).await.is_none(), "its lease is not over yet");
    let second = claim(&world, key, over + 1).await.unwrap();
    assert_eq!(second.attempts, 2);
    assert!(!world.store.mark_mail_sent(&first, later(over + 2)).await.unwrap(), "it is the other's now");
    assert!(!world.store.mark_mail_failed(&first, "x", Failure::Hopeless, later(over + 2)).await.unwrap());
    assert_eq!(load(&world, key).await.status, MailStatus::Processing);
    assert!(world.store.mark_mail_sent(&second, later(over + 3)).await.unwrap());
}

#[tokio::test]
async fn after_five_tries_it_is_failed_for_good() {
    let world = World::new().await;
    let (_, key) = waiting(&world).await;
    for attempt in 1..=TRIES {
        let at = i64::from(attempt) * 3000;
        let mail = claim(&world, key, at).await.unwrap();
        assert_eq!(mail.attempts, attempt);
        assert!(world.store.mark_mail_failed(&mail, "mailbox full", Failure::Passing, later(at)).await.unwrap());
        assert_eq!(unsent(&world).await.len(), usize::from(attempt < TRIES));
    }
    let failed = load(&world, key).await;
    assert_eq!((failed.status, failed.error.as_deref()), (MailStatus::Failed, Some("mailbox full")));
    assert!(failed.is_final() && failed.lease_until.is_none());
    assert!(claim(&world, key, 100_000).await.is_none());
    assert_eq!(load(&world, key).await.attempts, TRIES);
}

/// What v4 left in `processing` for ever: the worker died, and there is no try left for another.
#[tokio::test]
async fn a_mail_whose_last_worker_died_ends_as_failed() {
    let world = World::new().await;
    let (_, key) = waiting(&world).await;
    let mut seconds = 0;
    for _ in 0..TRIES {
        assert!(claim(&world, key, seconds).await.is_some());
        seconds += LEASE.as_secs() + 1;
    }
    assert!(claim(&world, key, seconds - 2).await.is_none());
    assert_eq!(load(&world, key).await.status, MailStatus::Processing, "the last one may still live");
    let Claim::NotDue(Some(ended)) = world.store.claim_mail(key, later(seconds)).await.unwrap() else { panic!() };
    assert!(ended.is_final() && ended.status == MailStatus::Failed, "{ended:?}");
    assert_eq!(load(&world, key).await, ended);
    assert!(unsent(&world).await.is_empty());
}

/// Neither a worker nor the sweeper is given it before its wait is over.
#[tokio::test]
async fn a_mail_waits_after_a_try_that_failed() {
    let world = World::new().await;
    let (_, key) = waiting(&world).await;
    let mail = claim(&world, key, 0).await.unwrap();
    assert!(world.store.mark_mail_failed(&mail, "down", Failure::Passing, later(0)).await.unwrap());
    assert!(claim(&world, key, 299).await.is_none());
    assert!(world.store.list_unsent_mails(later(300), 10).await.unwrap().is_empty());
    assert_eq!(world.store.list_unsent_mails(later(301), 10).await.unwrap(), [key]);
    let mail = claim(&world, key, 300).await.unwrap();
    assert_eq!(mail.attempts, 2);
    assert!(world.store.mark_mail_failed(&mail, "down", Failure::Passing, later(300)).await.unwrap());
    assert!(claim(&world, key, 899).await.is_none(), "longer each time");
    assert!(claim(&world, key, 900).await.is_some());
}

#[tokio::test]
async fn a_throttled_try_is_none() {
    let world = World::new().await;
    let (_, key) = waiting(&world).await;
    for minute in 0..20 {
        let mail = claim(&world, key, minute * 60).await.unwrap();
        assert_eq!(mail.attempts, 1);
        assert!(world.store.mark_mail_failed(&mail, "busy", Failure::Throttled, later(minute * 60)).await.unwrap());
        assert!(claim(&world, key, minute * 60 + 59).await.is_none(), "it waits all the same");
        assert_eq!((load(&world, key).await.attempts, unsent(&world).await), (0, vec![key]));
    }
}

#[tokio::test]
async fn what_is_dead_is_revived_and_nothing_else() {
    let world = World::new().await;
    let (_, key) = waiting(&world).await;
    assert!(!world.store.revive_mail(key, later(1)).await.unwrap(), "it waits");
    let mail = claim(&world, key, 1).await.unwrap();
    assert!(world.store.mark_mail_failed(&mail, "refused", Failure::Hopeless, later(1)).await.unwrap());
    assert!(load(&world, key).await.dead);
    let revived = [world.store.revive_mail(key, later(2)), world.store.revive_mail(key, later(2))];
    let revived = futures_util::future::join_all(revived).await;
    assert_eq!(revived.into_iter().filter(|revived| *revived.as_ref().unwrap()).count(), 1);
    let anew = load(&world, key).await;
    assert_eq!((anew.status, anew.attempts, anew.dead, anew.error), (MailStatus::Pending, 0, false, None));
    assert_eq!(unsent(&world).await, [key]);
    let mail = claim(&world, key, 3).await.unwrap();
    assert!(world.store.mark_mail_failed(&mail, "refunded", Failure::Moot, later(3)).await.unwrap());
    assert!(!world.store.revive_mail(key, later(4)).await.unwrap(), "there is nothing to send");
    assert!(load(&world, key).await.is_final());
}

#[tokio::test]
async fn what_cannot_be_mended_is_failed_at_once() {
    let world = World::new().await;
    let (_, key) = waiting(&world).await;
    let mail = claim(&world, key, 1).await.unwrap();
    assert!(world.store.mark_mail_failed(&mail, &"x".repeat(1000), Failure::Hopeless, later(2)).await.unwrap());
    let failed = load(&world, key).await;
    assert!(failed.is_final());
    assert_eq!(failed.error.map(|error| error.len()), Some(300));
    assert!(unsent(&world).await.is_empty());
}

/// The SDK repeats the claim, which then finds its own effect: it is still this worker's, and cost one try.
#[tokio::test]
async fn a_claim_whose_answer_was_lost_is_still_a_claim() {
    let world = World::new().await;
    let (_, key) = waiting(&world).await;
    world.wire.lose("UpdateItem", 2, "InternalServerError");
    let mail = claim(&world, key, 1).await.unwrap();
    assert_eq!(mail.attempts, 1);
    assert!(world.store.mark_mail_sent(&mail, later(2)).await.unwrap());
}

#[tokio::test]
async fn a_resend_begins_anew_and_only_for_paid_orders() {
    let world = World::new().await;
    let (order, key) = waiting(&world).await;
    for attempt in 1..=TRIES {
        let at = i64::from(attempt) * 3000;
        let mail = claim(&world, key, at).await.unwrap();
        world.store.mark_mail_failed(&mail, "no", Failure::Passing, later(at)).await.unwrap();
    }
    assert!(world.store.resend_ticket(&order, later(50)).await.unwrap());
    let anew = load(&world, key).await;
    assert_eq!((anew.status, anew.attempts, anew.error.as_deref()), (MailStatus::Pending, 0, None));
    assert_eq!(unsent(&world).await, [key]);

    let before = claim(&world, key, 60).await.unwrap();
    assert!(world.store.resend_ticket(&order, later(61)).await.unwrap());
    let after = claim(&world, key, 62).await.unwrap();
    assert_eq!((before.attempts, after.attempts), (1, 1));
    assert!(!world.store.mark_mail_sent(&before, later(63)).await.unwrap(), "that was the e-mail before");
    assert!(world.store.mark_mail_sent(&after, later(64)).await.unwrap());

    world.store.refund_order(&order, None).await.unwrap();
    assert!(!world.store.resend_ticket(&order, later(70)).await.unwrap());
    assert_eq!(load(&world, key).await.status, MailStatus::Sent);
}

#[tokio::test]
async fn unsent_mails_are_listed_oldest_first_over_all_shards() {
    let world = World::new().await;
    let event = world.on_sale(&[100]).await;
    let (mut keys, mut numbers) = (Vec::new(), Vec::new());
    for i in 0..12 {
        let order = world.place(&event, 0, 1).await.unwrap();
        let policy = MailPolicy::Send;
        world.store.confirm_order(&order, &payment("pi"), policy, None, later(i * 10)).await.unwrap();
        keys.push(ticket_mail(&order));
        numbers.push(order.number);
    }
    assert_eq!(world.store.list_unsent_mails(later(60), 100).await.unwrap(), keys[..6]);
    assert_eq!(
        world.store.list_unsent_mails(later(60) + SignedDuration::from_millis(1), 100).await.unwrap(),
        keys[..7]
    );
    assert_eq!(world.store.list_unsent_mails(later(1000), 4).await.unwrap(), keys[..4]);

    assert_eq!(world.store.load_ticket_mails(&numbers).await.unwrap().len(), 12);
    assert!(world.store.load_ticket_mails(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_row_whose_key_is_corrupt_does_not_hold_up_the_others() {
    let world = World::new().await;
    let (order, key) = waiting(&world).await;
    let mut item = world.item(&format!("ORDER#{}", order.number), "MAIL#ticket").await.unwrap();
    for (i, name) in
        ["", "null", "HP-1", r#"{"kind":"nonsense"}"#, r#"{"kind":"ticket","number":"HP-1"}"#].iter().enumerate()
    {
        item.extend([("pk".into(), s(format!("X{i}"))), ("gsi2sk".into(), s(format!("{:013}#{name}", 0)))]);
        world.put(item.clone()).await;
    }
    assert_eq!(unsent(&world).await, [key]);
}

#[tokio::test]
async fn a_mail_that_is_not_there() {
    let world = World::new().await;
    let event = event(&[1]);
    let key = ticket_mail(&order(&event, 0, 1));
    assert_eq!(world.store.claim_mail(key, now()).await.unwrap(), Claim::NotDue(None));
    assert_eq!(world.store.load_mail(key).await.unwrap(), None);
    assert!(world.everything().await.is_empty());
}

/// The keys of the table in the crate's documentation, for every kind but the ticket.
fn others() -> [(MailKey, String, &'static str); 5] {
    let (user, org, id) = (UserId::from_random([5; 16]), OrgId::from_random([6; 16]), Uuid::from_u128(7));
    let order = OrderId(Uuid::from_u128(8));
    let own = format!("USER#{user}");
    [
        (MailKey::Welcome { user }, own.clone(), "MAIL#welcome"),
        (MailKey::PasswordReset { user, id }, own.clone(), "MAIL#password_reset#00000000-0000-0000-0000-000000000007"),
        (MailKey::Invitation { user, id }, own.clone(), "MAIL#invitation#00000000-0000-0000-0000-000000000007"),
        (
            MailKey::Receipt { org, order, id },
            format!("ORG#{org}#ORDER#{order}"),
            "MAIL#receipt#00000000-0000-0000-0000-000000000007",
        ),
        (MailKey::WeeklyReport { user, week: civil::date(2027, 1, 11) }, own, "MAIL#weekly_report#2027-01-11"),
    ]
}

#[tokio::test]
async fn a_mail_of_any_kind_is_queued_once_listed_and_sent() {
    let world = World::new().await;
    let org = OrgId::from_random([9; 16]);
    for (i, (key, pk, sk)) in others().into_iter().enumerate() {
        let mail = Mail::new(key, org, MailPolicy::Send, later(i as i64)).to("ana@example.com".into()).with_link("k1");
        assert!(world.store.queue_mail(&mail).await.unwrap());
        let again = Mail::new(key, org, MailPolicy::Send, later(100));
        assert!(!world.store.queue_mail(&again).await.unwrap(), "{key}: there already");
        assert_eq!(load(&world, key).await, mail);
        assert!(world.item(&pk, sk).await.is_some(), "{key} is not at {pk} {sk}");
    }
    assert_eq!(unsent(&world).await, others().map(|(key, ..)| key));
    for (key, ..) in others() {
        let mail = claim(&world, key, 200).await.unwrap();
        assert_eq!((mail.key, mail.org, mail.to.as_deref()), (key, org, Some("ana@example.com")));
        assert!(world.store.mark_mail_sent(&mail, later(201)).await.unwrap());
    }
    assert!(unsent(&world).await.is_empty());
}

#[tokio::test]
async fn others_than_tickets_are_tried_three_times() {
    let world = World::new().await;
    let [(key, ..), ..] = others();
    world.store.queue_mail(&Mail::new(key, OrgId::from_random([9; 16]), MailPolicy::Send, now())).await.unwrap();
    for attempt in 1..=3 {
        let at = i64::from(attempt) * 3000;
        let mail = claim(&world, key, at).await.unwrap();
        assert!(world.store.mark_mail_failed(&mail, "no", Failure::Passing, later(at)).await.unwrap());
    }
    assert!(load(&world, key).await.is_final());
    assert!(claim(&world, key, 100).await.is_none());
}

#[tokio::test]
async fn a_weekly_report_is_kept_by_its_monday() {
    let world = World::new().await;
    let (org, week) = (OrgId::from_random([6; 16]), civil::date(2027, 1, 11));
    let figures = WeeklyFigures { orders: 3, ..WeeklyFigures::empty(week, Currency::USD) };
    let report = WeeklyReport { org, figures, pdf: Some("reports/a.pdf".into()), created_at: now() };
    world.store.pos().save_weekly_report(&report).await.unwrap();
    assert!(world.item(&format!("ORG#{org}"), "WEEK#2027-01-11").await.is_some());
    assert_eq!(world.store.pos().load_weekly_report(org, week).await.unwrap(), Some(report));
    for (org, week) in [(org, civil::date(2027, 1, 18)), (OrgId::from_random([7; 16]), week)] {
        assert_eq!(world.store.pos().load_weekly_report(org, week).await.unwrap(), None);
    }
}
