//! A table that is right, and every way to make it wrong.

use domain::{
    ids::{EventId, OrgId, TierId, UserId},
    link::{LinkPurpose, LinkSecret},
    mail::{MailPolicy, MailStatus},
    member::{Member, Role},
    money::{Cents, Currency},
    pos::order::OrderId,
    stock::{Draw, Movement, STRIPES, Stripe},
    tickets::{
        event::{Event, EventKind, EventStatus, Tier},
        number::OrderNumber,
        order::{Buyer, NewOrder, Order, OrderStatus, Origin},
        payment::Provider,
        secret::TicketSecret,
    },
};
use jiff::civil;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::*;

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn keys() -> KeyRing {
    KeyRing::parse(&format!("k1:{}", "ab".repeat(16))).unwrap()
}

fn options() -> Options {
    Options { stuck: Some((now() + SignedDuration::from_mins(5), SignedDuration::from_mins(10))), keys: Some(keys()) }
}

fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

fn n(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn item(entity: &str, pk: String, sk: &str, value: &impl Serialize) -> Item {
    let mut item: Item = serde_dynamo::to_item(value).unwrap();
    item.extend([("pk".into(), s(pk)), ("sk".into(), s(sk)), ("entity".into(), s(entity))]);
    item
}

fn event() -> Event {
    let tier = Tier {
        id: TierId::from_random([2; 16]),
        name: "General".into(),
        description: String::new(),
        price: Cents(2500),
        currency: Currency::USD,
        quantity: 40,
        max_per_order: 10,
        payment_link: None,
        is_active: true,
        sale_starts_at: None,
        sale_ends_at: None,
    };
    Event {
        id: EventId::from_random([1; 16]),
        org: OrgId::from_random([3; 16]),
        name: "Summer Night".into(),
        slug: "summer-night".into(),
        location: "Guatemala".into(),
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
        created_at: now(),
    }
}

const STATES: [OrderStatus; 6] = [
    OrderStatus::Pending,
    OrderStatus::Paid,
    OrderStatus::Paid,
    OrderStatus::Cancelled,
    OrderStatus::Expired,
    OrderStatus::Refunded,
];

fn number(i: usize) -> OrderNumber {
    OrderNumber::new(now(), i as u64)
}

/// One order of each state; the second paid one was let in. Their stock, their e-mails.
fn right() -> Vec<Item> {
    let event = event();
    let mut stripes = vec![Stripe { available: 5, ..Stripe::default() }; STRIPES.into()];
    let mut items = vec![item("event", format!("EVENT#{}", event.id), "EVENT", &event)];
    for (i, status) in STATES.into_iter().enumerate() {
        let mut order = Order::new(NewOrder {
            number: number(i),
            event: &event,
            tier: &event.tiers[0],
            quantity: 2,
            buyer: Buyer {
                name: "Ana".into(),
                email: "ana@example.com".into(),
                phone: None,
                country: None,
                nationality: None,
            },
            payment_method: None,
            origin: Origin::default(),
            fingerprint: None,
            key_id: "k1".into(),
            now: now(),
        });
        let mut apply = |movement: Movement| {
            for (at, quantity) in [(i, 1), (i + 1, 1)] {
                stripes[at].add(&movement.on(quantity, at == i, Cents(5000)));
            }
        };
        apply(Movement::Hold);
        order.status = status;
        if matches!(status, OrderStatus::Pending | OrderStatus::Paid) {
            order.draws = vec![Draw { stripe: i as u8, quantity: 1 }, Draw { stripe: i as u8 + 1, quantity: 1 }];
        }
        if matches!(status, OrderStatus::Cancelled | OrderStatus::Expired) {
            apply(Movement::Release);
        }
        if matches!(status, OrderStatus::Paid | OrderStatus::Refunded) {
            apply(Movement::Confirm);
            order.paid_at = Some(now());
            order.provider = Some(Provider::Stripe);
            order.payment_ref = Some(format!("pi_{i}"));
        }
        if status == OrderStatus::Refunded {
            apply(Movement::Refund { checked_in: false });
            order.refunded = Some(order.total);
        }
        if i == 2 {
            order.checked_in_at = Some(now());
            stripes[i].checked_in = 1;
        }
        if order.paid_at.is_some() {
            items.push(mail(&order));
        }
        let mut item = item("order", format!("ORDER#{}", order.number), "ORDER", &order);
        let hash = TicketSecret::derive(&keys(), "k1", order.number, 0).unwrap().hash().0;
        item.extend([("gsi2pk".into(), s(format!("QR#{hash}"))), ("gsi2sk".into(), s(order.number.to_string()))]);
        items.push(item);
    }
    for (i, stripe) in stripes.iter().enumerate() {
        items.push(item("stripe", format!("STOCK#{}#{i}", event.tiers[0].id), "STRIPE", stripe));
    }
    items
}

/// Waiting for its first try.
fn mail(order: &Order) -> Item {
    let mail = order.ticket_mail(MailPolicy::Send, now());
    let mut item = item("mail", format!("ORDER#{}", order.number), "MAIL#ticket", &mail);
    item.extend([("gsi2pk".into(), s("MAILS#0")), ("gsi2sk".into(), s(format!("1#{}", json!(mail.key))))]);
    item
}

/// The item of an order, or of its e-mail.
fn find<'a>(items: &'a mut [Item], entity: &str, i: usize) -> &'a mut Item {
    let pk = format!("ORDER#{}", number(i));
    items.iter_mut().find(|item| text(item, "entity") == entity && text(item, "pk") == pk).unwrap()
}

fn stripe(items: &mut [Item], i: usize) -> &mut Item {
    let end = format!("#{i}");
    items.iter_mut().find(|item| text(item, "entity") == "stripe" && text(item, "pk").ends_with(&end)).unwrap()
}

#[test]
fn what_is_right_is_left_alone() {
    let report = check(&right(), &options());
    assert_eq!(report.violations, []);
    assert_eq!((report.items, report.events, report.orders, report.mails), (18, 1, 6, 3));
    assert!(check(&[], &options()).violations.is_empty());
}

/// Plants one thing, and expects to be told of it under its invariant, in these words.
#[track_caller]
fn planted(invariant: u8, words: &str, plant: impl FnOnce(&mut Vec<Item>)) {
    let mut items = right();
    plant(&mut items);
    let violations = check(&items, &options()).violations;
    let told = violations.iter().any(|v| v.invariant == invariant && v.detail.contains(words));
    assert!(told, "{words}: {violations:#?}");
}

#[test]
fn stock_that_does_not_add_up() {
    planted(1, "pieces in the stripes, capacity 40", |items| {
        stripe(items, 7).insert("available".into(), n(6));
    });
    planted(1, "available is -1", |items| {
        stripe(items, 7).insert("available".into(), n(-1));
    });
    planted(1, "held is -1", |items| {
        stripe(items, 7).insert("held".into(), n(-1));
    });
    planted(1, "sold is -1", |items| {
        stripe(items, 7).insert("sold".into(), n(-1));
    });
    planted(1, "drawn by orders 0", |items| {
        let stripe = stripe(items, 7);
        stripe.extend([("available".into(), n(4)), ("sold".into(), n(1))]);
    });
    planted(1, "held counts 3, the orders say 2", |items| {
        stripe(items, 0).extend([("available".into(), n(3)), ("held".into(), n(2))]);
    });
    planted(1, "sold counts 5, the orders say 4", |items| {
        stripe(items, 1).extend([("available".into(), n(2)), ("sold".into(), n(2))]);
    });
    for (figure, orders) in [("pending", 1), ("paid", 2), ("cancelled", 2), ("refunded", 1)] {
        planted(1, &format!("{figure} counts {}, the orders say {orders}", orders + 5), |items| {
            let found = (0..8).find(|i| stripe(items, *i)[figure] != n(0)).unwrap();
            let before: i64 = stripe(items, found)[figure].as_n().unwrap().parse().unwrap();
            stripe(items, found).insert(figure.into(), n(before + 5));
        });
    }
    planted(3, "revenue counts 11000, the orders say 10000", |items| {
        stripe(items, 7).insert("revenue".into(), n(1000));
    });
    planted(1, "the stripe is missing", |items| items.retain(|item| !text(item, "pk").ends_with("#7")));
    planted(1, "stock of a tier that does not exist", |items| {
        let mut ghost = stripe(items, 7).clone();
        ghost.insert("pk".into(), s(format!("STOCK#{}#0", TierId::from_random([9; 16]))));
        items.push(ghost);
    });
    planted(1, "holds stock of a tier that does not exist", |items| {
        find(items, "order", 0).insert("tier_id".into(), s(TierId::from_random([9; 16]).to_string()));
    });
}

#[test]
fn orders_whose_stock_is_not_theirs() {
    planted(1, "pending order of 2 tickets draws 0", |items| {
        find(items, "order", 0).insert("draws".into(), AttributeValue::L(vec![]));
    });
    planted(1, "cancelled order of 2 tickets draws 2", |items| {
        let draws = find(items, "order", 0)["draws"].clone();
        find(items, "order", 3).insert("draws".into(), draws);
    });
    planted(1, "do not name stripes, each once", |items| {
        let AttributeValue::L(draws) = find(items, "order", 0)["draws"].clone() else { panic!() };
        find(items, "order", 0).insert("draws".into(), AttributeValue::L(vec![draws[0].clone(), draws[0].clone()]));
    });
}

#[test]
fn entries_that_cannot_be() {
    for i in [0, 3, 4] {
        planted(2, "was let in, and is", |items| {
            find(items, "order", i).insert("checked_in_at".into(), n(1));
        });
    }
    planted(2, "checked_in counts 1, the orders say 2", |items| {
        find(items, "order", 1).insert("checked_in_at".into(), n(1));
    });
    planted(2, "has a scan's traces", |items| {
        find(items, "order", 1).insert("checkin_key".into(), s("k"));
    });
}

#[test]
fn money_that_is_not_right() {
    planted(3, "is not 49.99", |items| {
        find(items, "order", 1).insert("total".into(), n(4999));
    });
    for missing in ["paid_at", "provider"] {
        planted(3, "is paid, paid at", |items| {
            find(items, "order", 1).remove(missing);
        });
    }
    planted(3, "is pending, paid at", |items| {
        find(items, "order", 0).extend([("paid_at".into(), n(1)), ("provider".into(), s("stripe"))]);
    });
    planted(3, "refunded of 50.00", |items| {
        find(items, "order", 5).insert("refunded".into(), n(5001));
    });
    planted(3, "is refunded, refunded None", |items| {
        find(items, "order", 5).remove("refunded");
    });
    planted(3, "is paid, refunded", |items| {
        find(items, "order", 1).insert("refunded".into(), n(1));
    });
    planted(3, "given back", |items| {
        find(items, "order", 1).insert("returned_refs".into(), AttributeValue::Ss(vec!["pi_1".into()]));
    });
    planted(6, "is paid by the same payment as", |items| {
        find(items, "order", 1).insert("payment_ref".into(), s("pi_2"));
    });
}

#[test]
fn mails_that_are_lost_or_stuck() {
    planted(5, "is paid, and has no e-mail", |items| {
        items.retain(|item| text(item, "entity") != "mail" || text(item, "pk") != format!("ORDER#{}", number(1)));
    });
    planted(5, "is pending, and has a ticket's e-mail", |items| {
        let mut mail = find(items, "mail", 1).clone();
        mail.extend([("pk".into(), s(format!("ORDER#{}", number(0)))), ("number".into(), s(number(0).to_string()))]);
        items.push(mail);
    });
    planted(5, "its order does not exist", |items| {
        let mut mail = find(items, "mail", 1).clone();
        mail.extend([("pk".into(), s(format!("ORDER#{}", number(9)))), ("number".into(), s(number(9).to_string()))]);
        items.push(mail);
    });
    planted(5, "6 tries", |items| {
        find(items, "mail", 1).insert("attempts".into(), n(6));
    });
    planted(5, "no sweeper finds it", |items| {
        find(items, "mail", 1).remove("gsi2pk");
    });
    planted(5, "no sweeper finds it", |items| {
        find(items, "mail", 1).insert("gsi2sk".into(), s(format!("1#{}", number(1))));
    });
    planted(5, "is sent, and listed as unsent", |items| {
        find(items, "mail", 1).extend([("status".into(), s("sent")), ("sent_at".into(), n(1))]);
    });
    planted(5, "is sent, at no time", |items| {
        find(items, "mail", 1).insert("status".into(), s("sent"));
    });
    planted(5, "without a lease", |items| {
        find(items, "mail", 1).insert("status".into(), s("processing"));
    });
    planted(5, "is still pending after 0 tries", |items| {
        find(items, "mail", 1).insert("created_at".into(), n((now() - SignedDuration::from_mins(6)).as_millisecond()));
    });
    planted(5, "silent since its lease was over", |items| {
        let lease = now() - SignedDuration::from_mins(6);
        find(items, "mail", 1)
            .extend([("status".into(), s("processing")), ("lease_until".into(), n(lease.as_millisecond()))]);
    });
}

#[test]
fn mails_of_the_counter() {
    let (org, order) = (OrgId::from_random([3; 16]), OrderId::new(OrgId::from_random([3; 16]), now(), 1, 0));
    let key = MailKey::Receipt { org, order, id: Uuid::from_u128(5) };
    let receipt = |mail: &Mail| {
        let mut item = item("mail", format!("ORG#{org}#ORDER#{order}"), "MAIL#receipt", mail);
        item.extend([("gsi2pk".into(), s("MAILS#0")), ("gsi2sk".into(), s(format!("1#{}", json!(key))))]);
        item
    };
    let mut items = right();
    items.push(receipt(&Mail::new(key, org, MailPolicy::Send, now())));
    assert_eq!(check(&items, &options()).violations, []);
    planted(7, "the receipt of another organization's order", |items| {
        items.push(receipt(&Mail::new(key, OrgId::from_random([9; 16]), MailPolicy::Send, now())));
    });
    planted(5, "4 tries", |items| {
        let mail = Mail { attempts: 4, status: MailStatus::Failed, ..Mail::new(key, org, MailPolicy::Send, now()) };
        let mut item = receipt(&mail);
        item.retain(|name, _| !name.starts_with("gsi2"));
        items.push(item);
    });
}

#[test]
fn places_that_do_not_add_up() {
    let org = OrgId::from_random([1; 16]);
    let member = |user: u8, role: Role, is_active: bool| {
        let user = UserId::from_random([user; 16]);
        let member = Member::new(user, org, "a@example.com".into(), "A".into(), Some(role), now());
        item("member", format!("USER#{user}"), "MEMBER", &Member { is_active, ..member })
    };
    let figure = |taken: i64| {
        let mut item = item("places", format!("ORG#{org}"), "STAFF", &json!({}));
        item.insert("taken".into(), n(taken));
        item
    };
    let members = [
        member(1, Role::Staff, true),
        member(2, Role::Admin, true),
        member(3, Role::Staff, false),
        member(4, Role::Superadmin, true),
    ];
    let found = |taken: i64| check(&[&members[..], &[figure(taken)]].concat(), &options()).violations;
    assert_eq!(found(2), []);
    for wrong in [1, 3] {
        let [violation] = &found(wrong)[..] else { panic!() };
        assert_eq!((violation.invariant, violation.entity.as_str()), (7, format!("ORG#{org} STAFF").as_str()));
    }
    assert_eq!(check(&members, &options()).violations, [], "it was never needed");
}

#[test]
fn what_is_final_may_be_old() {
    let mut items = right();
    for i in [1, 2, 5] {
        let mail = find(&mut items, "mail", i);
        let sent = Mail {
            status: MailStatus::Sent,
            sent_at: Some(now()),
            created_at: Timestamp::UNIX_EPOCH,
            ..serde_dynamo::from_item(mail.clone()).unwrap()
        };
        *mail = item("mail", text(mail, "pk").to_owned(), "MAIL#ticket", &sent);
    }
    assert_eq!(check(&items, &options()).violations, []);
}

#[test]
fn anothers_and_secrets() {
    let other = OrgId::from_random([9; 16]).to_string();
    planted(7, "its event belongs to another organization", |items| {
        find(items, "order", 1).insert("org".into(), s(other.clone()));
    });
    planted(7, "its order is another organization's", |items| {
        find(items, "mail", 1).insert("org".into(), s(other.clone()));
    });
    planted(7, "its event does not exist", |items| {
        find(items, "order", 1).insert("event_id".into(), s(EventId::from_random([9; 16]).to_string()));
    });
    planted(7, "is not found by its ticket's secret", |items| {
        find(items, "order", 1).insert("gsi2pk".into(), s(format!("QR#{}", "0".repeat(64))));
    });
    planted(7, "is not known", |items| {
        find(items, "order", 1).insert("key_id".into(), s("k9"));
    });
    planted(7, "has an attribute Password", |items| {
        items.push(Item::from([("pk".into(), s("X")), ("sk".into(), s("X")), ("Password".into(), s("x"))]));
    });
    let secret = TicketSecret::derive(&keys(), "k1", number(1), 0).unwrap().reveal().to_owned();
    for hidden in [
        s(&secret),
        s(format!("{{\"qr\":\"{}\"}}", secret.to_lowercase())),
        s(format!("ab{secret}")),
        AttributeValue::Ss(vec![secret.clone()]),
        AttributeValue::M([("deep".to_owned(), AttributeValue::L(vec![s(&secret)]))].into()),
    ] {
        planted(7, "a secret stands in note", |items| {
            find(items, "mail", 2).insert("note".into(), hidden);
        });
    }
    let (user, id) = (UserId::from_random([4; 16]), Uuid::from_u128(5));
    let link = LinkSecret::derive(&keys(), "k1", LinkPurpose::Invitation, id).unwrap();
    planted(7, "a secret stands in error", |items| {
        let key = MailKey::Invitation { user, id };
        let mail = Mail::new(key, OrgId::from_random([3; 16]), MailPolicy::Hold, now()).with_link("k1");
        let mail = Mail { error: Some(format!("https://example.com/?token={}", link.reveal())), ..mail };
        items.push(item("mail", format!("USER#{user}"), &format!("MAIL#invitation#{id}"), &mail));
    });
}

#[test]
fn items_that_cannot_be_read() {
    planted(0, "", |items| {
        find(items, "order", 1).insert("status".into(), s("lost"));
    });
}
