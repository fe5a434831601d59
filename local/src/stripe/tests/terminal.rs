//! Terminal, walked through by the production client in an account's name.

use std::collections::BTreeMap;

use payments::terminal::{Address, Capture, CardIntent, CardKind, NewIntent, NewRefund};

use super::*;

const ACCOUNT: &str = "acct_1Counter";
const REFUND_FAILS: &str = "4000000000005126";

async fn counter() -> (Stripe, payments::Stripe) {
    let (stripe, client) = stripe_and_client().await;
    stripe.plant_account(ACCOUNT, "Lantern Bar");
    (stripe, client.on_account(ACCOUNT))
}

fn payment(kind: CardKind, capture: Capture) -> NewIntent {
    NewIntent {
        amount: Cents(3751),
        currency: "usd".into(),
        payment_method_types: [kind],
        capture_method: capture,
        application_fee_amount: Some(Cents(11)),
        description: Some("Two lemonades".into()),
        receipt_email: Some("ann@example.com".into()),
        metadata: BTreeMap::from([("payment_method_type".into(), kind.as_str().into())]),
    }
}

async fn begun(client: &payments::Stripe, kind: CardKind) -> CardIntent {
    client.create_intent(&payment(kind, Capture::Automatic), None).await.unwrap()
}

fn refund_of(intent: &CardIntent, amount: i64) -> NewRefund {
    NewRefund { payment_intent: intent.id.clone(), amount: Some(Cents(amount)), ..NewRefund::default() }
}

fn address() -> Address {
    Address {
        line1: "1 Quay".into(),
        city: "San Francisco".into(),
        state: Some("CA".into()),
        postal_code: Some("94103".into()),
        country: "US".into(),
    }
}

#[tokio::test]
async fn a_phone_takes_a_card() {
    let (stripe, client) = counter().await;
    let new = payment(CardKind::CardPresent, Capture::Automatic);
    let intent = client.create_intent(&new, Some("intent:1")).await.unwrap();
    assert_eq!(client.create_intent(&new, Some("intent:1")).await.unwrap().id, intent.id, "one key, one payment");
    assert_eq!((intent.status, intent.amount), (PaymentIntentStatus::RequiresPaymentMethod, Cents(3751)));
    assert_eq!(intent.application_fee_amount, Some(Cents(11)));
    assert!(intent.client_secret.as_deref().unwrap().starts_with(&format!("{}_secret_", intent.id)));

    let typed_in = client.confirm_intent(&intent.id, "pm_card_visa").await;
    assert!(matches!(typed_in, Err(StripeError::Invalid { .. })), "a number cannot be held to a phone: {typed_in:?}");
    assert_eq!(stripe.tap(&intent.id, DECLINED), Payment::Declined("card_declined".into()));
    assert_eq!(client.retrieve_intent(&intent.id).await.unwrap().status, PaymentIntentStatus::RequiresPaymentMethod);
    assert_eq!(stripe.tap(&intent.id, VISA), Payment::Succeeded(intent.id.clone()));
    assert_eq!(stripe.tap(&intent.id, VISA), Payment::Closed);
    let paid = client.retrieve_intent(&intent.id).await.unwrap();
    let charge = paid.charge().unwrap();
    assert_eq!((paid.status, paid.amount_received), (PaymentIntentStatus::Succeeded, Cents(3751)));
    assert_eq!((charge.brand(), charge.last4()), (Some("visa"), Some("4242")));
    let receipt = browser().get(charge.receipt_url.as_ref().unwrap()).send().await.unwrap().text().await.unwrap();
    assert!(receipt.contains("$37.51"));
    let succeeded = stripe.events().into_iter().find(|event| event["type"] == "payment_intent.succeeded").unwrap();
    assert_eq!(succeeded["account"], ACCOUNT);
}

#[tokio::test]
async fn another_account_knows_nothing_of_it() {
    let (stripe, client) = counter().await;
    let intent = begun(&client, CardKind::Card).await;
    stripe.plant_account("acct_1Other", "Other");
    for stranger in [client.on_account("acct_1Other"), payments::Stripe::new(KEY, Some(stripe.url()))] {
        assert_eq!(stranger.retrieve_intent(&intent.id).await, Err(StripeError::NotFound));
        assert_eq!(stranger.cancel_intent(&intent.id).await, Err(StripeError::NotFound));
        assert_eq!(stranger.refund_intent(&refund_of(&intent, 1), "r").await, Err(StripeError::NotFound));
    }
}

#[tokio::test]
async fn authorized_captured_given_up() {
    let (_stripe, client) = counter().await;
    let manual = client.create_intent(&payment(CardKind::Card, Capture::Manual), None).await.unwrap();
    assert!(matches!(client.capture_intent(&manual.id).await, Err(StripeError::Invalid { .. })));
    let authorized = client.confirm_intent(&manual.id, "pm_card_visa").await.unwrap();
    assert_eq!(authorized.status, PaymentIntentStatus::RequiresCapture);
    let captured = client.capture_intent(&manual.id).await.unwrap();
    assert_eq!((captured.status, captured.amount_received), (PaymentIntentStatus::Succeeded, Cents(3751)));
    assert!(matches!(client.cancel_intent(&manual.id).await, Err(StripeError::Invalid { .. })));

    let given_up = begun(&client, CardKind::Card).await;
    assert_eq!(client.cancel_intent(&given_up.id).await.unwrap().status, PaymentIntentStatus::Canceled);
    let late = client.confirm_intent(&given_up.id, "pm_card_visa").await;
    assert!(
        matches!(late, Err(StripeError::Invalid { code: Some(code), .. }) if code == "payment_intent_unexpected_state")
    );
}

#[tokio::test]
async fn a_reader_takes_a_card() {
    let (stripe, client) = counter().await;
    let location = client.create_location("Lantern Bar - Tap to Pay", &address(), "location:1").await.unwrap();
    let again = client.create_location("Lantern Bar - Tap to Pay", &address(), "location:1").await.unwrap();
    assert_eq!(location, again);
    let nowhere = Address { postal_code: None, ..address() };
    assert!(matches!(client.create_location("x", &nowhere, "l2").await, Err(StripeError::Invalid { .. })));
    assert!(client.create_connection_token(None).await.unwrap().secret.starts_with("pst_test_"));
    client.create_connection_token(Some(&location.id)).await.unwrap();
    assert!(matches!(client.create_connection_token(Some("tml_none")).await, Err(StripeError::NotFound)));

    let unknown = client.register_reader("three-odd-words", &location.id, None).await;
    assert!(matches!(unknown, Err(StripeError::Invalid { .. })));
    let reader = client.register_reader("simulated-wpe", &location.id, Some("Bar")).await.unwrap();
    assert_eq!((reader.label.as_deref(), reader.location.as_deref()), (Some("Bar"), Some(location.id.as_str())));
    assert_eq!(client.list_readers().await.unwrap(), std::slice::from_ref(&reader));

    let intent = begun(&client, CardKind::CardPresent).await;
    let busy = client.process_on_reader(&reader.id, &intent.id).await.unwrap();
    assert_eq!(busy.action.unwrap().status, "in_progress");
    let second = client.process_on_reader(&reader.id, &intent.id).await;
    assert!(matches!(second, Err(StripeError::Invalid { code: Some(code), .. }) if code == "terminal_reader_busy"));
    assert_eq!(client.cancel_reader_action(&reader.id).await.unwrap().action, None);
    assert!(matches!(client.present_test_card(&reader.id).await, Err(StripeError::Invalid { .. })));
    client.process_on_reader(&reader.id, &intent.id).await.unwrap();
    assert_eq!(client.present_test_card(&reader.id).await.unwrap().action.unwrap().status, "succeeded");
    assert_eq!(client.retrieve_reader(&reader.id).await.unwrap().action.unwrap().status, "succeeded");
    assert_eq!(client.retrieve_intent(&intent.id).await.unwrap().status, PaymentIntentStatus::Succeeded);
    assert!(kinds(&stripe).contains(&"terminal.reader.action_succeeded".to_owned()));

    client.delete_reader(&reader.id).await.unwrap();
    assert_eq!(client.list_readers().await.unwrap(), []);
    assert_eq!(client.delete_reader(&reader.id).await, Err(StripeError::NotFound));
}

#[tokio::test]
async fn money_goes_back_once_for_each_key() {
    let (stripe, client) = counter().await;
    let intent = begun(&client, CardKind::CardPresent).await;
    stripe.tap(&intent.id, VISA);
    let part = NewRefund {
        reason: Some("duplicate".into()),
        metadata: BTreeMap::from([("refund_id".into(), "row".into())]),
        ..refund_of(&intent, 1000)
    };
    let first = client.refund_intent(&part, "row").await.unwrap();
    assert_eq!(client.refund_intent(&part, "row").await.unwrap(), first);
    let too_much = client.refund_intent(&refund_of(&intent, 2752), "more").await;
    assert!(matches!(too_much, Err(StripeError::Invalid { .. })));
    let rest = NewRefund { amount: None, refund_application_fee: Some(true), ..refund_of(&intent, 0) };
    assert_eq!(client.refund_intent(&rest, "rest").await.unwrap().amount, Cents(2751));
    assert_eq!(client.refund_intent(&rest, "again").await, Err(StripeError::AlreadyRefunded));
    let refunds = client.list_refunds(&intent.id).await.unwrap();
    assert_eq!(refunds.iter().map(|refund| refund.amount.0).sum::<i64>(), 3751);
    assert_eq!(refunds[1].metadata["refund_id"], "row");
    assert_eq!(client.list_refunds("pi_none").await, Ok(vec![]));
}

#[tokio::test]
async fn a_bank_may_send_a_refund_back() {
    let (stripe, client) = counter().await;
    let intent = begun(&client, CardKind::CardPresent).await;
    stripe.tap(&intent.id, REFUND_FAILS);
    client.refund_intent(&refund_of(&intent, 3751), "row").await.unwrap();
    let refunds = client.list_refunds(&intent.id).await.unwrap();
    assert_eq!(refunds[0].status, payments::RefundStatus::Failed);
    let paid = client.retrieve_intent(&intent.id).await.unwrap();
    assert_eq!(paid.charge().unwrap().amount_refunded, Cents::ZERO);
    assert!(kinds(&stripe).contains(&"refund.failed".to_owned()));
}
