//! Stripe's generated types must understand every object of the stand-in: they demand each required member.

use std::fmt::Display;

use axum::body::Bytes;
use stripe_checkout::checkout_session::{ListCheckoutSession, RetrieveCheckoutSession};
use stripe_client_core::{CustomizedStripeRequest, StripeClient, StripeClientErr, StripeMethod};
use stripe_core::{
    event::{ListEvent, RetrieveEvent},
    payment_intent::{
        CancelPaymentIntent, CapturePaymentIntent, CreatePaymentIntent, ListPaymentIntent, RetrievePaymentIntent,
    },
    refund::{CreateRefund, ListRefund},
};
use stripe_shared::{PaymentIntentCaptureMethod, PaymentIntentStatus};
use stripe_types::{Currency, Expandable};

use super::*;

pub(super) struct Typed {
    pub(super) http: reqwest::Client,
    base: String,
}

#[derive(Debug)]
pub(super) struct TypedError(String);

impl StripeClientErr for TypedError {
    fn deserialize_err(message: impl Display) -> Self {
        Self(message.to_string())
    }
}

impl StripeClient for Typed {
    type Err = TypedError;

    async fn execute(&self, request: CustomizedStripeRequest) -> Result<Bytes, TypedError> {
        let (request, _) = request.into_pieces();
        let url = format!("{}/v1{}?{}", self.base, request.path, request.query.unwrap_or_default());
        let http = match request.method {
            StripeMethod::Get => self.http.get(url),
            StripeMethod::Post => self.http.post(url).body(request.body.unwrap_or_default()),
            StripeMethod::Delete => self.http.delete(url),
        };
        let answer = http.bearer_auth(KEY).send().await.map_err(|error| TypedError(error.to_string()))?;
        let (status, body) = (answer.status(), answer.bytes().await.map_err(|error| TypedError(error.to_string()))?);
        if status.is_success() { Ok(body) } else { Err(TypedError(String::from_utf8_lossy(&body).into_owned())) }
    }
}

pub(super) async fn typed() -> (Stripe, payments::Stripe, Typed) {
    let (stripe, client) = stripe_and_client().await;
    let typed = Typed { http: browser(), base: stripe.url().to_owned() };
    (stripe, client, typed)
}

#[tokio::test]
async fn payments_refunds_and_events() {
    let (stripe, _, typed) = typed().await;
    let created = CreatePaymentIntent::new(1500, Currency::USD)
        .payment_method("pm_card_visa")
        .confirm(true)
        .send(&typed)
        .await
        .unwrap();
    assert_eq!(created.status, PaymentIntentStatus::Succeeded);
    let expanded = RetrievePaymentIntent::new(created.id.clone())
        .expand(vec!["latest_charge.payment_intent".to_owned(), "payment_method".to_owned()])
        .send(&typed)
        .await
        .unwrap();
    let Some(Expandable::Object(charge)) = expanded.latest_charge else { panic!("not expanded") };
    assert!(charge.paid && matches!(charge.payment_intent, Some(Expandable::Object(_))));
    assert!(matches!(expanded.payment_method, Some(Expandable::Object(_))));
    let refund = CreateRefund::new().charge(charge.id.to_string()).amount(500).send(&typed).await.unwrap();
    assert_eq!((refund.amount, refund.status.as_deref()), (500, Some("succeeded")));
    assert_eq!(ListRefund::new().send(&typed).await.unwrap().data.len(), 1);

    let declined = CreatePaymentIntent::new(1500, Currency::USD)
        .payment_method("pm_card_chargeDeclined")
        .confirm(true)
        .send(&typed)
        .await;
    assert!(declined.unwrap_err().0.contains("generic_decline"));
    let waiting = CreatePaymentIntent::new(1500, Currency::USD)
        .payment_method("pm_card_authenticationRequired")
        .confirm(true)
        .return_url("http://127.0.0.1:9/back")
        .send(&typed)
        .await
        .unwrap();
    assert_eq!(waiting.status, PaymentIntentStatus::RequiresAction);
    let bank = waiting.next_action.unwrap().redirect_to_url.unwrap().url.unwrap();
    let passed = browser().post(bank).form(&[("outcome", "complete")]).send().await.unwrap();
    let back = passed.headers()["location"].to_str().unwrap();
    assert_eq!(back, format!("http://127.0.0.1:9/back?payment_intent={}&redirect_status=succeeded", waiting.id));

    let held = CreatePaymentIntent::new(900, Currency::EUR)
        .capture_method(PaymentIntentCaptureMethod::Manual)
        .payment_method("pm_card_mastercard")
        .confirm(true)
        .send(&typed)
        .await
        .unwrap();
    assert_eq!((held.status, held.amount_capturable), (PaymentIntentStatus::RequiresCapture, 900));
    let taken = CapturePaymentIntent::new(held.id).amount_to_capture(800).send(&typed).await.unwrap();
    assert_eq!(taken.amount_received, 800);
    let idle = CreatePaymentIntent::new(900, Currency::EUR).send(&typed).await.unwrap();
    assert_eq!(CancelPaymentIntent::new(idle.id).send(&typed).await.unwrap().status, PaymentIntentStatus::Canceled);
    assert_eq!(ListPaymentIntent::new().send(&typed).await.unwrap().data.len(), 5);

    let events = ListEvent::new().limit(100).send(&typed).await.unwrap();
    assert_eq!(events.data.len(), stripe.events().len());
    assert_eq!(RetrieveEvent::new(events.data[0].id.to_string()).send(&typed).await.unwrap().id, events.data[0].id);
    let some = ListEvent::new().type_("charge.refunded").send(&typed).await.unwrap();
    assert_eq!(some.data.len(), 1);
}

#[tokio::test]
async fn checkout_sessions() {
    let (stripe, client, typed) = typed().await;
    let session = client.open_checkout(&order("HP1")).await.unwrap();
    let open = RetrieveCheckoutSession::new(session.id.clone())
        .expand(vec!["line_items".to_owned()])
        .send(&typed)
        .await
        .unwrap();
    let lines = open.line_items.unwrap().data;
    assert_eq!((lines[0].amount_total, lines[0].quantity), (5000, Some(2)));
    stripe.pay(&session.id, VISA);
    let paid =
        RetrieveCheckoutSession::new(session.id).expand(vec!["payment_intent".to_owned()]).send(&typed).await.unwrap();
    assert!(matches!(paid.payment_intent, Some(Expandable::Object(intent)) if intent.amount_received == 5000));
    assert_eq!(ListCheckoutSession::new().send(&typed).await.unwrap().data.len(), 1);
}
