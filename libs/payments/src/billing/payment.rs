//! What a subscription was last paid by, so that it can be given back.

use serde::{Deserialize, Serialize};
use stripe_client_core::{RequestBuilder, StripeMethod};

use crate::{
    client::{PaymentRef, Stripe, checked, null_is_default},
    connect::Page,
    transport::StripeError,
};

#[derive(Serialize)]
struct PaidOf<'a> {
    subscription: &'a str,
    status: &'static str,
    limit: u8,
    expand: [&'static str; 1],
}

#[derive(Deserialize)]
struct PaidInvoice {
    #[serde(default, deserialize_with = "null_is_default")]
    payments: Page<InvoicePayment>,
}

#[derive(Deserialize)]
struct InvoicePayment {
    status: Option<String>,
    payment: Payment,
}

#[derive(Deserialize)]
struct Payment {
    payment_intent: Option<String>,
    charge: Option<String>,
}

impl PaidInvoice {
    fn payment(self) -> Option<PaymentRef> {
        let mut paid = self.payments.data.into_iter().filter(|payment| payment.status.as_deref() == Some("paid"));
        paid.find_map(|paid| {
            let charge = || paid.payment.charge.map(PaymentRef::Charge);
            paid.payment.payment_intent.map(PaymentRef::PaymentIntent).or_else(charge)
        })
    }
}

impl Stripe {
    /// What paid a subscription's latest paid invoice; `None` when nothing was to be paid, as on trial.
    pub async fn last_payment(&self, subscription: &str) -> Result<Option<PaymentRef>, StripeError> {
        let subscription = checked("sub_", subscription)?;
        let query = PaidOf { subscription, status: "paid", limit: 1, expand: ["data.payments"] };
        let request = RequestBuilder::new(StripeMethod::Get, "/invoices").query(&query);
        let page: Page<PaidInvoice> = self.transport.send(request, None).await?;
        Ok(page.data.into_iter().next().and_then(PaidInvoice::payment))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_paid_an_invoice_is_its_paid_payment() {
        let read = |invoice: Value| serde_json::from_value::<PaidInvoice>(invoice).unwrap().payment();
        let payments =
            |data: Value| json!({"id": "in_1", "payments": {"object": "list", "data": data, "has_more": false}});
        let by = |status: &str, payment: Value| json!({"id": "inpay_1", "status": status, "payment": payment});
        let intent = |id: &str| json!({"type": "payment_intent", "payment_intent": id});
        let tried = by("canceled", intent("pi_1"));
        let paid = by("paid", intent("pi_2"));
        assert_eq!(read(payments(json!([tried, paid]))), Some(PaymentRef::PaymentIntent("pi_2".into())));
        let charge = by("paid", json!({"type": "charge", "charge": "ch_1"}));
        assert_eq!(read(payments(json!([charge]))), Some(PaymentRef::Charge("ch_1".into())));
        for nothing in [json!({"id": "in_1"}), json!({"id": "in_1", "payments": null}), payments(json!([tried]))] {
            assert_eq!(read(nothing), None);
        }
    }
}
