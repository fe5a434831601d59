//! What webhooks say, and its effect. Signatures are verified before anything here is called.

use domain::{
    ids::OrgId,
    mail::MailPolicy,
    pos::connect::ConnectedAccount,
    tickets::{
        number::{OrderNumber, parse_reference},
        payment::{Payment, Provider},
    },
};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    connect::{Connect, ConnectError},
    event::{EventKind, StripeEvent},
    register::{IntentNotice, Register, RegisterError, order_on},
    terminal::CardIntent,
    till::{Outcome, Till, TillError, payment_of},
    transport::StripeError,
};

/// What the generic payment webhook says of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// The money has come.
    Paid,
    /// An attempt failed.
    Failed,
    /// Neither.
    Other,
}

/// The generic payment webhook's body, read in either shape, "freely mixed" (contract §8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketNotice {
    /// What happened.
    pub report: Report,
    /// The order, as the provider names it.
    pub order: Option<String>,
    /// The payment, as the provider names it.
    pub payment: Option<String>,
}

impl TicketNotice {
    /// Reads a body. Anything that is not as expected is absent.
    pub fn read(body: &Value) -> Self {
        let text = |pointer: &str| match body.pointer(pointer)? {
            Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let first = |pointers: &[&str]| pointers.iter().find_map(|pointer| text(pointer));
        let report = match (text("/event").as_deref(), text("/status").as_deref()) {
            (Some("checkout.completed" | "payment.succeeded"), _) => Report::Paid,
            (Some("payment.failed"), _) => Report::Failed,
            (_, Some("paid" | "completed" | "success")) => Report::Paid,
            (_, Some("failed" | "error")) => Report::Failed,
            _ => Report::Other,
        };
        TicketNotice {
            report,
            order: first(&["/order_id", "/data/metadata/order_id", "/data/order_id"]),
            payment: first(&["/payment_id", "/reference", "/data/payment_id", "/data/id"]),
        }
    }

    /// The order's number, when the reference can be one.
    pub fn number(&self) -> Option<OrderNumber> {
        self.order.as_deref().and_then(|order| parse_reference(order).ok())
    }
}

/// What the generic webhook is answered: `Ok` is `processed: true`, a text is the `reason` of `processed: false`.
pub type Processed = Result<(), &'static str>;

/// Applies the generic payment webhook.
pub async fn apply_ticket_payment(till: &Till<'_>, body: &Value) -> Result<Processed, TillError> {
    let notice = TicketNotice::read(body);
    if notice.order.is_none() {
        return Ok(Err("no_order_id"));
    }
    let Some(number) = notice.number() else { return Ok(Err("order_not_found")) };
    if notice.report != Report::Paid {
        let known = till.store.load_order(number).await?.is_some();
        return Ok(match (known, notice.report) {
            (false, _) => Err("order_not_found"),
            (true, Report::Failed) => Ok(()),
            (true, _) => Err("ignored"),
        });
    }
    let payment =
        Payment { provider: Provider::Webhook, reference: notice.payment, amount: None, currency: None, by: None };
    match till.settle_payment(number, &payment, MailPolicy::Send, None).await {
        Ok(Outcome::Paid | Outcome::AlreadyPaid | Outcome::Returned) => Ok(Ok(())),
        Ok(Outcome::ReturnDue | Outcome::NotPending | Outcome::WrongAmount) => Ok(Err("order_not_pending")),
        Err(TillError::NotFound) => Ok(Err("order_not_found")),
        Err(error) => Err(error),
    }
}

/// Applies one of Stripe's own events. Events that are not about an order of ours are acknowledged and change nothing.
pub async fn apply_stripe_event(till: &Till<'_>, event: &StripeEvent) -> Result<(), TillError> {
    let Some(number) = event.order_number().and_then(|number| parse_reference(number).ok()) else {
        tracing::debug!(event = event.id, "event without an order");
        return Ok(());
    };
    let done = match event.kind {
        EventKind::CheckoutCompleted | EventKind::CheckoutAsyncSucceeded => {
            settle(till, number, event.checkout_session().as_ref().and_then(payment_of)).await
        }
        EventKind::PaymentSucceeded => settle(till, number, payment_of_intent(event)).await,
        EventKind::ChargeRefunded => follow_refund(till, number, event).await,
        _ => Ok(()),
    };
    match done {
        Err(TillError::NotFound) => {
            tracing::warn!(%number, event = event.id, "event for an order that does not exist");
            Ok(())
        }
        done => done,
    }
}

/// Applies one of Stripe's events of a connected account: card payments of the counter, their refunds, the account itself.
/// Whose an account is, is known from the account alone: what stands on an object its owner may have written.
pub async fn apply_connect_event(
    register: &Register<'_>,
    account: &str,
    event: &StripeEvent,
) -> Result<(), RegisterError> {
    let Register { store, stripe, now } = *register;
    if event.kind == EventKind::AccountUpdated {
        let followed = Connect { store, stripe, now }.follow_account(account).await;
        return followed.map(drop).map_err(|error| match error {
            ConnectError::Stripe(error) => error.into(),
            ConnectError::Store(error) => error.into(),
        });
    }
    let Some(intent) = event.payment_intent() else {
        tracing::debug!(event = event.id, "event of an account without a payment");
        return Ok(());
    };
    if event.kind == EventKind::PaymentSucceeded {
        return settle_card(register, account, event).await;
    }
    let Some(known) = store.pos().find_account(account).await? else {
        return nobodys(account, event);
    };
    match event.kind {
        EventKind::PaymentFailed | EventKind::PaymentCanceled => {
            register.decline_intent(known.org, intent).await.map(drop)
        }
        EventKind::ChargeRefunded | EventKind::Refund => register.follow_refund(known.org, account, intent).await,
        _ => Ok(()),
    }
}

/// Acknowledged: it would come again for days.
fn nobodys(account: &str, event: &StripeEvent) -> Result<(), RegisterError> {
    tracing::warn!(event = event.id, account, "event of an account that is nobody's");
    Ok(())
}

/// The event names the charge and does not hold it: Stripe is asked for the card's brand and digits, and the money does not
/// wait for them. Only where Stripe does not answer is the event believed as it is; a payment that Stripe does not know
/// under our key brought no money.
///
/// Meanwhile the database is asked whose the account is, and all else that there is to know if it is whose the payment
/// says: one round, before the one that writes.
async fn settle_card(register: &Register<'_>, account: &str, event: &StripeEvent) -> Result<(), RegisterError> {
    let Ok(told) = CardIntent::deserialize(&event.object) else {
        tracing::error!(event = event.id, "a card payment that cannot be read");
        return Ok(());
    };
    let said = told.metadata.get("organization_id").and_then(|org| org.parse::<OrgId>().ok());
    let read = async {
        match said {
            Some(org) => register.read_intent(org, &told.id, order_on(org, &told)).await.map(Some),
            None => Ok(None),
        }
    };
    let ask = async {
        match register.stripe {
            Some(stripe) => stripe.on_account(account).retrieve_intent(&told.id).await.map(Some),
            None => Ok(None),
        }
    };
    let pos = register.store.pos();
    let (asked, owner, known) = tokio::join!(ask, pos.find_account(account), read);
    let Some(ConnectedAccount { org, .. }) = owner? else { return nobodys(account, event) };
    let asked = match asked {
        Ok(asked) => asked,
        Err(StripeError::Unavailable { .. } | StripeError::Unexpected { .. } | StripeError::NotConfigured { .. }) => {
            None
        }
        Err(error @ (StripeError::NotFound | StripeError::AccountRefused)) => {
            tracing::warn!(event = event.id, account, intent = told.id, %error, "a card payment that Stripe denies");
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    let Some(notice) = IntentNotice::of(org, account, asked.as_ref().unwrap_or(&told)) else { return Ok(()) };
    // What was read counts only of the organization whose account it is, and of the order that Stripe names.
    let settled = match known?.filter(|_| said == Some(org) && notice.order == order_on(org, &told)) {
        Some(known) => register.settle_known_intent(&notice, known).await,
        None => register.settle_intent(&notice).await,
    };
    settled.map(drop)
}

async fn settle(till: &Till<'_>, number: OrderNumber, payment: Option<Payment>) -> Result<(), TillError> {
    match payment {
        Some(payment) => till.settle_payment(number, &payment, MailPolicy::Send, None).await.map(drop),
        None => Ok(()),
    }
}

fn payment_of_intent(event: &StripeEvent) -> Option<Payment> {
    let intent = event.payment()?;
    Some(Payment {
        provider: Provider::Stripe,
        reference: Some(intent.id),
        amount: Some(intent.amount_received),
        currency: Some(intent.currency),
        by: None,
    })
}

/// A part of a payment given back at Stripe's dashboard changes no order: only the whole does.
async fn follow_refund(till: &Till<'_>, number: OrderNumber, event: &StripeEvent) -> Result<(), TillError> {
    let whole = event.object.get("refunded").and_then(Value::as_bool).unwrap_or(false);
    match event.payment_intent() {
        Some(payment) if whole => till.follow_refund(number, payment).await.map(drop),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_shapes_freely_mixed() {
        let cases = [
            (json!({"event": "checkout.completed", "data": {"id": "p1", "metadata": {"order_id": "A"}}}), Report::Paid),
            (
                json!({"event": "payment.succeeded", "data": {"payment_id": "p1", "id": "x", "order_id": "A"}}),
                Report::Paid,
            ),
            (json!({"status": "success", "order_id": "A", "reference": "p1"}), Report::Paid),
            (json!({"status": "paid", "order_id": "A", "payment_id": "p1", "data": {"order_id": "B"}}), Report::Paid),
            (json!({"status": "error", "order_id": "A", "payment_id": "p1"}), Report::Failed),
            (json!({"event": "payment.failed", "order_id": "A", "payment_id": "p1"}), Report::Failed),
            (json!({"event": "x", "status": "completed", "order_id": "A", "payment_id": "p1"}), Report::Paid),
            (json!({"event": "refund.created", "order_id": "A", "payment_id": "p1"}), Report::Other),
        ];
        for (body, report) in cases {
            let expected = TicketNotice { report, order: Some("A".into()), payment: Some("p1".into()) };
            assert_eq!(TicketNotice::read(&body), expected, "{body}");
        }
        for junk in [json!(null), json!([]), json!("x"), json!({"order_id": {}, "data": 5})] {
            assert_eq!(TicketNotice::read(&junk), TicketNotice { report: Report::Other, order: None, payment: None });
        }
    }
}
