//! A counter that is right, and every way to make it wrong.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    ids::UserId,
    pos::order::{Line, Method, Settlement},
};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use uuid::Uuid;

use super::*;

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn org() -> OrgId {
    OrgId::from_random([3; 16])
}

fn item(entity: &str, pk: &str, sk: &str, value: &impl Serialize) -> Item {
    let mut item: Item = serde_dynamo::to_item(value).unwrap();
    for (name, text) in [("pk", pk), ("sk", sk), ("entity", entity)] {
        item.insert(name.into(), AttributeValue::S(text.into()));
    }
    item
}

fn order() -> Order {
    Order {
        id: OrderId::new(org(), now(), 7, 0),
        org: org(),
        version: 0,
        status: Status::Pending,
        method: None,
        subtotal: Cents(1000),
        tax: Cents(80),
        tip: Cents(200),
        total: Cents(1280),
        paid: Cents(0),
        refunded: Cents(0),
        payments: 0,
        intent: None,
        account: None,
        customer_email: None,
        customer: None,
        catalog: None,
        user: UserId::from_random([2; 16]),
        device: None,
        notes: None,
        hold_name: None,
        held_at: None,
        held_by: None,
        quick_charge: false,
        description: None,
        item_count: 1,
        created_at: now(),
        updated_at: now(),
        completed_at: None,
    }
}

/// An order that a card paid, with a part given back.
struct Right {
    order: Order,
    payment: Payment,
    refund: Refund,
    intent: Intent,
    lines: Vec<Line>,
    completed: i64,
}

impl Right {
    fn new() -> Self {
        let payment = Payment::card(Method::TapToPay, "pi_1", Cents(1280), now());
        let Settlement::Pays(paid) = order().link("pi_1", None, None, now()).unwrap().settle(&payment, now()) else {
            panic!("a card that pays")
        };
        let refund = Refund {
            id: Uuid::from_u128(9),
            payment: payment.id,
            intent: Some("pi_1".into()),
            amount: Cents(280),
            reason: None,
            status: RefundStatus::Succeeded,
            reference: Some("re_1".into()),
            by: None,
            created_at: now(),
        };
        let line = Line {
            id: Uuid::from_u128(1),
            product: None,
            catalog_product: None,
            category: None,
            name: "Lemonade".into(),
            quantity: 2,
            unit_price: Cents(500),
            notes: None,
        };
        Right {
            order: paid.refund(Cents(280), now()).unwrap(),
            intent: Intent { intent: "pi_1".into(), org: org(), order: paid.id, paid: true, returned: false },
            lines: vec![line],
            completed: 1,
            payment,
            refund,
        }
    }

    fn items(&self) -> Vec<Item> {
        let pk = format!("ORG#{}#ORDER#{}", org(), self.order.id);
        let lines = HashMap::from([("lines", &self.lines)]);
        let figures = HashMap::from([("completed", self.completed), ("pending", 0)]);
        vec![
            item("pos_order", &pk, "ORDER", &self.order),
            item("pos_lines", &pk, "LINES", &lines),
            item("pos_payment", &pk, "PAYMENT#1", &self.payment),
            item("pos_refund", &pk, "REFUND#1", &self.refund),
            item("intent", "INTENT#pi_1", "INTENT", &self.intent),
            item("pos_figures", &format!("ORG#{}#FIGURES#2", org()), "FIGURES", &figures),
        ]
    }

    fn wrongs(&self) -> Vec<String> {
        wrongs(&self.items())
    }
}

fn wrongs(items: &[Item]) -> Vec<String> {
    let patience = SignedDuration::from_mins(10);
    let options = Options { stuck: Some((now() + patience + patience, patience)), keys: None };
    let mut report = Report::default();
    assert_eq!(check(items, &options, &mut report), items.iter().filter(|item| text(item, "sk") == "ORDER").count());
    report.violations.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn is_noticed(change: impl FnOnce(&mut Right), expected: &str) {
    let mut right = Right::new();
    change(&mut right);
    let wrong = right.wrongs();
    assert!(wrong.iter().any(|wrong| wrong.contains(expected)), "{expected:?} not in {wrong:#?}");
}

#[test]
fn what_is_right_is_not_reported() {
    assert_eq!(Right::new().wrongs(), Vec::<String>::new());
}

#[test]
fn every_wrong_is_noticed() {
    is_noticed(|right| right.payment.amount = Cents(1279), "its rows are 1 worth 12.79");
    is_noticed(|right| right.order.payments = 2, "by 2 payments");
    is_noticed(|right| right.order.status = Status::Processing, "is processing, paid 12.80 of 12.80");
    is_noticed(|right| right.order.total = Cents(1300), "is completed, paid 12.80 of 13.00");
    is_noticed(|right| right.order.refunded = Cents(281), "says 2.81 refunded");
    is_noticed(|right| right.order.status = Status::Refunded, "is refunded, refunded 2.80 of 12.80");
    is_noticed(|right| right.refund.amount = Cents(1281), "gave back 12.81");
    is_noticed(|right| right.refund.payment = Uuid::nil(), "is of no payment");
    is_noticed(|right| right.refund.status = RefundStatus::Pending, "has been pending since");
    is_noticed(|right| right.intent.returned = true, "is given back as if it had not");
    is_noticed(|right| right.intent.paid = false, "not known to belong to");
    is_noticed(|right| right.intent.order = OrderId(Uuid::nil()), "not known to belong to");
    is_noticed(|right| right.payment.intent = Some("pi_2".into()), "pi_1: has paid, and no order knows of it");
    is_noticed(|right| right.order.intent = Some("pi_3".into()), "waits for pi_3, which is not its own");
    is_noticed(|right| right.order.held_at = Some(now()), "0 times in the list of those put aside");
    is_noticed(|right| right.lines.clear(), "has 0");
    is_noticed(|right| right.completed = 2, "says 2 completed orders, and has 1");
    is_noticed(|right| right.order.org = OrgId::from_random([4; 16]), "a partition that is not its own");
}

#[test]
fn rows_without_an_order_are_noticed() {
    let items = Right::new().items();
    let wrong = wrongs(&items[1..]);
    assert!(wrong.iter().any(|wrong| wrong.contains("has rows, and no order")), "{wrong:#?}");
}

#[test]
fn an_order_that_is_listed_as_put_aside_and_is_not_is_noticed() {
    let mut items = Right::new().items();
    let listed = HashMap::from([("order", Right::new().order.id)]);
    items.push(item("held", &format!("ORG#{}#HELD", org()), "2027#x", &listed));
    let wrong = wrongs(&items);
    assert!(wrong.iter().any(|wrong| wrong.contains("1 times in the list of those put aside")), "{wrong:#?}");
}

#[test]
fn a_card_that_pays_two_orders_is_noticed() {
    let mut items = Right::new().items();
    let other = Order { id: OrderId::new(org(), now(), 8, 0), ..Right::new().order };
    let mut second = Right { order: other, completed: 1, ..Right::new() }.items();
    second.truncate(4);
    items.extend(second);
    let wrong = wrongs(&items);
    assert!(wrong.iter().any(|wrong| wrong.contains("pi_1: has paid 2 times")), "{wrong:#?}");
}
