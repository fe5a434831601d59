//! Money given back, by the owner and at Stripe's dashboard; and receipts of what was paid.

use domain::{money::Cents, pos::order::Status};
use payments::terminal::NewRefund;
use serde_json::{Value, json};

use super::{Asked, plan::any_in};
use crate::chaos::world::{World, is_gates};

impl World {
    /// The owner gives back a part or all. Under one key, however often it is asked, money goes back once.
    pub(super) async fn refund(&self) {
        let Some((shop, order)) = any_in(self, &[Status::Completed]) else { return };
        let body = match self.dice.below(3) {
            0 => json!({}),
            _ => json!({"amount": 1 + self.dice.below(700)}),
        };
        let (key, counter, owner) = (self.name("refund"), self.counter(), Some(self.shop(shop).owner));
        let (function, path) = match self.dice.below(2) {
            0 => (&counter.orders, format!("/pos/orders/{order}/refund")),
            _ => (&counter.payments, format!("/pos/stripe/connect/transactions/{order}/refund")),
        };
        let give_back = async |key: &str, body: &Value| {
            let reply = self.ask(function, owner, "POST", &path, Asked { key: Some(key), body: Some(body) }).await;
            if reply.is(200) {
                let given = (order.clone(), reply.body["amount"].as_i64().unwrap());
                self.told(|told| told.refunds.insert(key.to_owned(), given));
            }
        };
        let post = || give_back(&key, &body);
        if self.dice.happens(0.3) {
            let (other, little) = (self.name("refund"), json!({"amount": 1 + self.dice.below(90)}));
            tokio::join!(post(), post(), give_back(&other, &little));
        } else {
            for _ in 0..1 + self.dice.below(2) {
                post().await;
            }
        }
    }

    /// Somebody gives money back at Stripe's dashboard, a part or all of it.
    pub(super) async fn refund_at_counters_stripe(&self) {
        let is_paid = |intent: &Value| intent["status"] == "succeeded" && !is_gates(intent);
        let paid = self.stripe.objects_where("payment_intent", is_paid);
        let Some(intent) = self.dice.pick(&paid) else { return };
        let whose = |shop: &&super::Shop| intent["metadata"]["organization_id"] == shop.org.to_string();
        let account = &self.counter().shops.iter().find(whose).unwrap().account;
        let refund = NewRefund {
            payment_intent: intent["id"].as_str().unwrap().to_owned(),
            amount: self.dice.happens(0.6).then(|| Cents(1 + self.dice.below(400) as i64)),
            ..NewRefund::default()
        };
        let stripe = self.ctx.stripe().unwrap().on_account(account);
        drop(stripe.refund_intent(&refund, &self.name("dashboard")).await);
    }

    /// Somebody wants a receipt, to an address of its own.
    pub(super) async fn receipt(&self) {
        let Some((shop, order)) = any_in(self, &[Status::Completed, Status::Refunded]) else { return };
        let email = format!("{}@example.com", self.name("receipt"));
        self.told(|told| told.receipts.insert(email.clone(), false));
        let body = json!({"email": email});
        let path = format!("/pos/stripe/connect/transactions/{order}/send-receipt");
        let reply = self.ask_payments(shop, "POST", &path, Asked { body: Some(&body), ..Asked::default() }).await;
        if reply.is(200) {
            self.told(|told| told.receipts.insert(email, true));
        }
    }
}
