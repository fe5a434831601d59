//! Every request that the client can send, judged by Stripe's own `stripe-mock`, which checks each parameter against
//! Stripe's OpenAPI description and refuses what that does not know. `.ci/run stripe-mock` starts it.

use domain::money::{Cents, Currency};
use payments::{Checkout, PaymentRef, Stripe, StripeError};

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
