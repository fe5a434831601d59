//! Every request that the client can send, judged by Stripe's own `stripe-mock`, which checks each parameter against
//! Stripe's OpenAPI description and refuses what that does not know. `.ci/run stripe-mock` starts it.

use std::collections::BTreeMap;

use domain::money::{Cents, Currency};
use payments::{
    Checkout, PaymentRef, Stripe, StripeError,
    billing::{NewCustomer, NewSubscription, NewUpgrade},
    terminal::{Address, Capture, CardKind, NewIntent, NewRefund},
};

#[expect(clippy::disallowed_methods, reason = "not a function, a test: it has no settings")]
fn stripe() -> Stripe {
    match std::env::var("STRIPE_MOCK_URL") {
        Ok(url) => Stripe::new("sk_test_123", Some(&url)),
        Err(_) => panic!("STRIPE_MOCK_URL says where stripe-mock listens"),
    }
}

fn checkout() -> Checkout {
    let now = 1_795_256_130;
    Checkout {
        order_number: "HP261121-7K2M9QXA".into(),
        org: "8f5f6f0e-6f43-4d4e-9a4e-0c6f4b1b7a01".into(),
        item: "Harbour Nights: Standard".into(),
        description: Some("18 June 2027, Copenhagen".into()),
        unit_amount: Cents(2550),
        quantity: 2,
        currency: Currency::USD,
        customer_email: "zoe@example.com".into(),
        success_url: "https://tickets.example.com/ok?session={CHECKOUT_SESSION_ID}".into(),
        cancel_url: "https://tickets.example.com/back".into(),
        placed_at: now,
        expires_at: now + 900,
    }
}

/// Accepted is what stripe-mock answers from its fixtures, even where a fixture is not of our kind (its sessions have no
/// currency, which those of mode `payment` always have).
fn assert_accepted<T: std::fmt::Debug>(answer: Result<T, StripeError>) {
    assert!(matches!(answer, Ok(_) | Err(StripeError::Unexpected { .. })), "{answer:?}");
}

#[tokio::test]
#[ignore = "needs stripe-mock: .ci/run stripe-mock"]
async fn stripe_accepts_every_request() {
    let stripe = stripe();
    assert_accepted(stripe.open_checkout(&checkout()).await);
    assert_accepted(stripe.open_checkout(&Checkout { description: None, ..checkout() }).await);
    assert_accepted(stripe.retrieve_checkout("cs_test_1").await);
    assert_accepted(stripe.expire_checkout("cs_test_1").await);
    let intent = stripe.retrieve_payment_intent("pi_1").await.unwrap();
    assert!(intent.id.starts_with("pi_"), "{intent:?}");
    for (payment, amount) in [
        (PaymentRef::PaymentIntent("pi_1".into()), None),
        (PaymentRef::PaymentIntent("pi_1".into()), Some(Cents(100))),
        (PaymentRef::Charge("ch_1".into()), Some(Cents(100))),
    ] {
        let refund = stripe.refund_payment(&payment, amount, "refund:HP261121-7K2M9QXA").await.unwrap();
        assert!(refund.id.starts_with("re_"), "{refund:?}");
    }
}

#[tokio::test]
#[ignore = "needs stripe-mock: .ci/run stripe-mock"]
async fn stripe_accepts_every_request_of_the_counter() {
    let stripe = stripe().on_account("acct_1");
    let whole = NewIntent {
        amount: Cents(3751),
        currency: "usd".into(),
        payment_method_types: [CardKind::CardPresent],
        capture_method: Capture::Automatic,
        application_fee_amount: Some(Cents(11)),
        description: Some("Two lemonades".into()),
        receipt_email: Some("zoe@example.com".into()),
        metadata: BTreeMap::from([("orderId".into(), "1c9a0000-0010-8000-8000-000000000001".into())]),
    };
    let bare = NewIntent {
        payment_method_types: [CardKind::Card],
        capture_method: Capture::Manual,
        application_fee_amount: None,
        description: None,
        receipt_email: None,
        metadata: BTreeMap::new(),
        ..whole.clone()
    };
    for intent in [whole, bare] {
        let made = stripe.create_intent(&intent, Some("intent:1")).await.unwrap();
        assert!(made.id.starts_with("pi_"), "{made:?}");
    }
    assert!(stripe.retrieve_intent("pi_1").await.unwrap().id.starts_with("pi_"));
    for step in [
        stripe.cancel_intent("pi_1").await,
        stripe.capture_intent("pi_1").await,
        stripe.confirm_intent("pi_1", "pm_card_visa").await,
    ] {
        assert!(step.unwrap().id.starts_with("pi_"));
    }
    let refund = NewRefund { payment_intent: "pi_1".into(), ..NewRefund::default() };
    let told = NewRefund {
        amount: Some(Cents(100)),
        reason: Some("requested_by_customer".into()),
        refund_application_fee: Some(true),
        metadata: BTreeMap::from([("refund_id".into(), "1".into())]),
        ..refund.clone()
    };
    for refund in [refund, told] {
        assert!(stripe.refund_intent(&refund, "refund:1").await.unwrap().id.starts_with("re_"));
    }
    assert!(!stripe.list_refunds("pi_1").await.unwrap().is_empty());

    let address = Address {
        line1: "Fairground".into(),
        city: "Fairground".into(),
        state: Some("CA".into()),
        postal_code: Some("94103".into()),
        country: "US".into(),
    };
    assert!(stripe.create_location("Bar - Tap to Pay", &address, "location:1").await.unwrap().id.starts_with("tml_"));
    assert!(!stripe.create_connection_token(None).await.unwrap().secret.is_empty());
    assert!(!stripe.create_connection_token(Some("tml_1")).await.unwrap().secret.is_empty());
    assert!(!stripe.list_readers().await.unwrap().is_empty());
    for reader in [
        stripe.register_reader("simulated-wpe", "tml_1", Some("Bar")).await,
        stripe.register_reader("simulated-wpe", "tml_1", None).await,
        stripe.retrieve_reader("tmr_1").await,
        stripe.process_on_reader("tmr_1", "pi_1").await,
        stripe.cancel_reader_action("tmr_1").await,
        stripe.present_test_card("tmr_1").await,
    ] {
        assert!(reader.unwrap().id.starts_with("tmr_"));
    }
    stripe.delete_reader("tmr_1").await.unwrap();
}

#[tokio::test]
#[ignore = "needs stripe-mock: .ci/run stripe-mock"]
async fn stripe_accepts_every_request_about_subscriptions() {
    let stripe = stripe();
    let org = "8f5f6f0e-6f43-4d4e-9a4e-0c6f4b1b7a01".parse().unwrap();
    let customer = NewCustomer { org, name: "Lantern Bar".into(), email: "zoe@example.com".into() };
    assert!(stripe.create_customer(&customer, "customer:1").await.unwrap().id.starts_with("cus_"));
    let whole = NewSubscription {
        org,
        customer: "cus_1".into(),
        price: "price_1".into(),
        coupon: Some("first-month".into()),
        trial_days: Some(7),
    };
    let bare = NewSubscription { coupon: None, trial_days: None, ..whole.clone() };
    for subscription in [&whole, &bare] {
        let begun = stripe.create_subscription(subscription, "subscription:1").await.unwrap();
        assert!(begun.said.id.starts_with("sub_"), "{begun:?}");
    }
    for subscription in [whole, bare] {
        let upgrade = NewUpgrade {
            subscription,
            success_url: "https://portal.example.com/billing?session={CHECKOUT_SESSION_ID}".into(),
            cancel_url: "https://portal.example.com/billing".into(),
            expires_at: 1_795_258_230,
        };
        assert!(stripe.open_upgrade(&upgrade, "upgrade:1").await.unwrap().id.starts_with("cs_"));
    }
    assert!(stripe.retrieve_subscription("sub_1").await.unwrap().said.id.starts_with("sub_"));
    assert!(stripe.cancel_subscription("sub_1").await.unwrap().said.id.starts_with("sub_"));
    assert!(!stripe.list_subscriptions("cus_1").await.unwrap().is_empty());
    assert!(!stripe.list_open_upgrades("cus_1").await.unwrap().is_empty());
    assert!(stripe.open_portal("cus_1", "https://portal.example.com/billing").await.unwrap().starts_with("https://"));
    for after in [None, Some("in_1")] {
        assert!(!stripe.list_invoices("cus_1", after).await.unwrap().data.is_empty());
    }
    // Which fixtures have a card, and which do not, says nothing: that they can be read does.
    stripe.subscription_card("sub_1").await.unwrap();
    stripe.customer_card("cus_1").await.unwrap();
}
