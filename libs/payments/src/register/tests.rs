//! What an order's rows lack of what Stripe says, and whose a card payment is.

use std::collections::HashMap;

use domain::pos::order::{Edit, Line, Refund as Row, RefundStatus as RowStatus, Status};
use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use super::{
    refund::{Correction, correct},
    *,
};
use crate::{client::RefundStatus, terminal::CardRefund};

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn org() -> OrgId {
    OrgId::from_random([1; 16])
}

/// An order of 100 that a card has paid.
fn paid() -> FullOrder {
    let id = OrderId::new(org(), now(), 7, 0);
    let order: Order = serde_json::from_value(json!({
        "id": id, "org": org(), "version": 1, "status": "completed", "subtotal": 100, "tax": 0, "tip": 0, "total": 100,
        "paid": 100, "refunded": 0, "payments": 1, "user": Uuid::nil(), "item_count": 0,
        "created_at": now().as_millisecond(), "updated_at": now().as_millisecond(),
    }))
    .unwrap();
    let payment = Payment::card(Method::TapToPay, "pi_1", Cents(100), now());
    FullOrder { order, lines: Vec::<Line>::new(), payments: vec![payment], refunds: vec![] }
}

fn at_stripe(id: &str, amount: i64, status: RefundStatus, row: Option<Uuid>) -> CardRefund {
    let metadata = row.map(|row| ("refund_id".to_owned(), row.to_string())).into_iter().collect::<HashMap<_, _>>();
    CardRefund { id: id.into(), amount: Cents(amount), status, reason: None, metadata }
}

/// Does to an order in memory what the register does to it in the database.
fn apply(full: &mut FullOrder, correction: Correction) {
    match correction {
        Correction::Confirm(row, reference) => {
            let row = full.refunds.iter_mut().find(|known| known.id == row).unwrap();
            (row.status, row.reference) = (RowStatus::Succeeded, Some(reference));
        }
        Correction::Undo(row) => {
            let row = full.refunds.iter_mut().find(|known| known.id == row).unwrap();
            full.order = full.order.undo_refund(row.amount, now());
            row.status = RowStatus::Failed;
        }
        Correction::Add(after, row) => {
            full.order = *after;
            full.refunds.push(*row);
        }
    }
}

fn converge(full: &mut FullOrder, known: &[CardRefund]) -> usize {
    for round in 0.. {
        match correct(full, "pi_1", known, now()) {
            Some(correction) => apply(full, correction),
            None => return round,
        }
    }
    unreachable!()
}

fn pending(full: &mut FullOrder, amount: i64) -> Uuid {
    let id = Uuid::from_u128(full.refunds.len() as u128 + 9);
    full.order = full.order.refund(Cents(amount), now()).unwrap();
    full.refunds.push(Row {
        id,
        payment: full.payments[0].id,
        intent: Some("pi_1".into()),
        amount: Cents(amount),
        reason: None,
        status: RowStatus::Pending,
        reference: None,
        by: None,
        created_at: now(),
    });
    id
}

#[test]
fn our_own_refund_is_confirmed_and_one_by_hand_is_adopted() {
    let mut full = paid();
    let row = pending(&mut full, 30);
    let known =
        [at_stripe("re_2", 50, RefundStatus::Succeeded, None), at_stripe("re_1", 30, RefundStatus::Pending, Some(row))];
    assert_eq!(converge(&mut full, &known), 2);
    assert_eq!((full.order.refunded, full.order.status), (Cents(80), Status::Completed));
    assert_eq!(full.refunds[0].reference.as_deref(), Some("re_1"));
    assert_eq!(converge(&mut full, &known), 0, "a second notice changes nothing");
}

#[test]
fn a_refund_that_comes_back_is_undone_whoever_made_it() {
    let mut full = paid();
    let row = pending(&mut full, 40);
    converge(&mut full, &[at_stripe("re_1", 40, RefundStatus::Succeeded, Some(row))]);
    let dead =
        [at_stripe("re_1", 40, RefundStatus::Failed, Some(row)), at_stripe("re_2", 60, RefundStatus::Canceled, None)];
    assert_eq!(converge(&mut full, &dead), 1);
    assert_eq!((full.order.refunded, full.order.status), (Cents::ZERO, Status::Completed));
    let by_hand = [at_stripe("re_3", 100, RefundStatus::Succeeded, None)];
    converge(&mut full, &by_hand);
    assert_eq!(full.order.status, Status::Refunded);
    converge(&mut full, &[at_stripe("re_3", 100, RefundStatus::Failed, None)]);
    assert_eq!((full.order.refunded, full.order.status), (Cents::ZERO, Status::Completed));
}

#[test]
fn what_does_not_fit_waits_until_ours_is_decided() {
    let mut full = paid();
    let row = pending(&mut full, 60);
    let by_hand = [at_stripe("re_1", 100, RefundStatus::Succeeded, None)];
    assert_eq!(converge(&mut full, &by_hand), 0);
    apply(&mut full, Correction::Undo(row));
    assert_eq!(converge(&mut full, &by_hand), 1);
    assert_eq!((full.order.refunded, full.order.status), (Cents(100), Status::Refunded));
}

proptest! {
    /// However Stripe's refunds come to be known, one after the other and again, the order ends as they are.
    #[test]
    fn any_order_of_notices_ends_the_same(
        amounts in prop::collection::vec(1..40i64, 1..6),
        dead in prop::collection::vec(any::<bool>(), 6),
        seen in prop::collection::vec(0..6usize, 0..12),
    ) {
        let mut left = 100;
        let all: Vec<CardRefund> = amounts.iter().enumerate().filter_map(|(i, amount)| {
            let amount = (*amount).min(left);
            left -= if dead[i] { 0 } else { amount };
            let status = if dead[i] { RefundStatus::Failed } else { RefundStatus::Succeeded };
            (amount > 0).then(|| at_stripe(&format!("re_{i}"), amount, status, None))
        }).collect();
        let mut full = paid();
        for i in seen.iter().filter(|i| **i < all.len()) {
            // A notice seen before the bank's refusal told of a refund that was good.
            let told = CardRefund { status: RefundStatus::Succeeded, ..all[*i].clone() };
            converge(&mut full, std::slice::from_ref(&told));
        }
        converge(&mut full, &all);
        let live: i64 = full.refunds.iter().filter(|row| row.status != RowStatus::Failed).map(|row| row.amount.0).sum();
        prop_assert_eq!(live, full.order.refunded.0);
        prop_assert!(full.order.refunded <= full.order.paid);
        let good: i64 = all.iter().filter(|one| one.status == RefundStatus::Succeeded).map(|one| one.amount.0).sum();
        converge(&mut full, &all);
        prop_assert_eq!(full.order.refunded.0, good);
    }
}

#[test]
fn only_what_carries_our_own_mark_names_an_order() {
    let order = OrderId::new(org(), now(), 7, 0);
    let intent = |metadata: serde_json::Value| -> CardIntent {
        serde_json::from_value(json!({"id": "pi_1", "status": "succeeded", "amount": 10, "amount_received": 10,
            "currency": "usd", "application_fee_amount": 3, "latest_charge": "ch_1", "metadata": metadata}))
        .unwrap()
    };
    let ours = intent(json!({"organization_id": org(), "orderId": order, "payment_method_type": "card"}));
    let notice = IntentNotice::of(org(), "acct_1", &ours).unwrap();
    assert_eq!((notice.order, notice.method, notice.has_fee), (Some(order), Method::Card, true));
    assert_eq!(notice.charge.as_deref(), Some("ch_1"));
    let other = OrgId::from_random([2; 16]);
    for strange in [
        json!({"orderId": order}),
        json!({"organization_id": other, "orderId": order}),
        json!({"organization_id": org(), "orderId": ""}),
        json!(null),
    ] {
        assert_eq!(IntentNotice::of(org(), "acct_1", &intent(strange)).unwrap().order, None);
    }
    let mut unpaid = ours;
    unpaid.status = PaymentIntentStatus::RequiresCapture;
    assert_eq!(IntentNotice::of(org(), "acct_1", &unpaid), None);
}

#[test]
fn a_payments_tip_is_the_orders_when_it_pays_all_of_it() {
    let mut order = paid().order;
    (order.status, order.paid, order.payments) = (Status::Processing, Cents::ZERO, 0);
    let edit = Edit { subtotal: Some(Cents(80)), tip: Some(Cents(20)), ..Edit::default() };
    order.status = Status::Pending;
    let order = order.edit(edit, now()).unwrap();
    let notice = |amount, tip| IntentNotice {
        org: org(),
        account: "acct_1".into(),
        intent: "pi_1".into(),
        order: None,
        ours: true,
        amount: Cents(amount),
        tip,
        method: Method::Card,
        has_fee: false,
        charge: None,
        brand: None,
        last4: None,
        receipt_url: None,
    };
    assert_eq!(notice(100, None).payment(&order, now()).tip, Cents(20));
    assert_eq!(notice(50, None).payment(&order, now()).tip, Cents::ZERO);
    assert_eq!(notice(50, Some(Cents(7))).payment(&order, now()).tip, Cents(7));
}
