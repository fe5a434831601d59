//! The outbox: each e-mail ends sent or failed, whoever dies.

use domain::{
    mail::{LEASE, MAX_ATTEMPTS, Mail, MailKey, MailKind, MailStatus},
    tickets::order::Order,
};
use jiff::SignedDuration;
use store::Claim;

use crate::world::*;

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
    let (_, key) = waiting(&world).await;
    assert_eq!(unsent(&world).await, [key]);
    let mail = claim(&world, key, 10).await.unwrap();
    assert_eq!((mail.status, mail.attempts, mail.lease_until), (MailStatus::Processing, 1, Some(later(10) + LEASE)));
    assert_eq!(unsent(&world).await, [key], "until it is final");
    assert!(claim(&world, key, 11).await.is_none(), "one worker has it");
    assert!(world.store.mark_mail_sent(&mail, later(12)).await.unwrap());
    let sent = load(&world, key).await;
    assert_eq!((sent.status, sent.sent_at, sent.lease_until), (MailStatus::Sent, Some(later(12)), None));
    let item = world.item(&format!("ORDER#{}", key.number), "MAIL#ticket").await.unwrap();
    assert_keys(
        &item,
        &[("pk", format!("ORDER#{}", key.number)), ("sk", "MAIL#ticket".into()), ("entity", "mail".into())],
    );
    assert!(unsent(&world).await.is_empty());
    assert!(claim(&world, key, 10_000).await.is_none(), "sent is sent");
    assert!(!world.store.mark_mail_failed(&mail, "late", false).await.unwrap());
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
    assert!(!world.store.mark_mail_failed(&first, "x", true).await.unwrap());
    assert_eq!(load(&world, key).await.status, MailStatus::Processing);
    assert!(world.store.mark_mail_sent(&second, later(over + 3)).await.unwrap());
}

#[tokio::test]
async fn after_five_tries_it_is_failed_for_good() {
    let world = World::new().await;
    let (_, key) = waiting(&world).await;
    for attempt in 1..=MAX_ATTEMPTS {
        let mail = claim(&world, key, i64::from(attempt)).await.unwrap();
        assert_eq!(mail.attempts, attempt);
        assert!(world.store.mark_mail_failed(&mail, "mailbox full", false).await.unwrap());
        assert_eq!(unsent(&world).await.len(), usize::from(attempt < MAX_ATTEMPTS));
    }
    let failed = load(&world, key).await;
    assert_eq!((failed.status, failed.error.as_deref()), (MailStatus::Failed, Some("mailbox full")));
    assert!(failed.is_final() && failed.lease_until.is_none());
    assert!(claim(&world, key, 100_000).await.is_none());
    assert_eq!(load(&world, key).await.attempts, MAX_ATTEMPTS);
}

/// What v4 left in `processing` for ever: the worker died, and there is no try left for another.
#[tokio::test]
async fn a_mail_whose_last_worker_died_ends_as_failed() {
    let world = World::new().await;
    let (_, key) = waiting(&world).await;
    let mut seconds = 0;
    for _ in 0..MAX_ATTEMPTS {
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

#[tokio::test]
async fn what_cannot_be_mended_is_failed_at_once() {
    let world = World::new().await;
    let (_, key) = waiting(&world).await;
    let mail = claim(&world, key, 1).await.unwrap();
    assert!(world.store.mark_mail_failed(&mail, &"x".repeat(1000), true).await.unwrap());
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
    for attempt in 1..=MAX_ATTEMPTS {
        let mail = claim(&world, key, i64::from(attempt)).await.unwrap();
        world.store.mark_mail_failed(&mail, "no", false).await.unwrap();
    }
    assert!(world.store.resend_mail(&order, MailKind::Ticket, later(50)).await.unwrap());
    let anew = load(&world, key).await;
    assert_eq!((anew.status, anew.attempts, anew.error.as_deref()), (MailStatus::Pending, 0, None));
    assert_eq!(unsent(&world).await, [key]);

    let before = claim(&world, key, 60).await.unwrap();
    assert!(world.store.resend_mail(&order, MailKind::Ticket, later(61)).await.unwrap());
    let after = claim(&world, key, 62).await.unwrap();
    assert_eq!((before.attempts, after.attempts), (1, 1));
    assert!(!world.store.mark_mail_sent(&before, later(63)).await.unwrap(), "that was the e-mail before");
    assert!(world.store.mark_mail_sent(&after, later(64)).await.unwrap());

    world.store.refund_order(&order, None).await.unwrap();
    assert!(!world.store.resend_mail(&order, MailKind::Ticket, later(70)).await.unwrap());
    assert_eq!(load(&world, key).await.status, MailStatus::Sent);
}

#[tokio::test]
async fn unsent_mails_are_listed_oldest_first_over_all_shards() {
    let world = World::new().await;
    let event = world.on_sale(&[100]).await;
    let mut keys = Vec::new();
    for i in 0..12 {
        let order = world.place(&event, 0, 1).await.unwrap();
        let policy = domain::mail::MailPolicy::Send;
        world.store.confirm_order(&order, &payment("pi"), policy, None, later(i * 10)).await.unwrap();
        keys.push(ticket_mail(&order));
    }
    assert_eq!(world.store.list_unsent_mails(later(60), 100).await.unwrap(), keys[..6]);
    assert_eq!(
        world.store.list_unsent_mails(later(60) + SignedDuration::from_millis(1), 100).await.unwrap(),
        keys[..7]
    );
    assert_eq!(world.store.list_unsent_mails(later(1000), 4).await.unwrap(), keys[..4]);

    let numbers: Vec<_> = keys.iter().map(|key| key.number).collect();
    assert_eq!(world.store.load_ticket_mails(&numbers).await.unwrap().len(), 12);
    assert!(world.store.load_ticket_mails(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_row_whose_key_is_corrupt_does_not_hold_up_the_others() {
    let world = World::new().await;
    let (_, key) = waiting(&world).await;
    let mut item = world.item(&format!("ORDER#{}", key.number), "MAIL#ticket").await.unwrap();
    for (pk, sk) in [("ORDER#nonsense", "MAIL#ticket"), ("ORDER#HP-1", "MAIL#nonsense"), ("X", "Y")] {
        item.extend([("pk".into(), s(pk)), ("sk".into(), s(sk)), ("gsi2sk".into(), s(format!("{:013}#", 0)))]);
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
