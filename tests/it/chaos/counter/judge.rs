//! What was promised at the counter, held against the table and against Stripe's books.

use std::collections::{BTreeMap, HashMap};

use domain::{
    money::Cents,
    pos::{
        customer::Customer,
        order::{Order, Payment, Refund, RefundStatus, payment_id},
        subscription::Subscription,
        tip::Pool,
    },
};
use ops::verify::Item;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};
use store::pos::order::Intent;

use super::Told;
use crate::chaos::world::World;

/// The counter's items, rows by their order's partition.
struct Books {
    orders: BTreeMap<String, Order>,
    payments: Vec<(String, Payment)>,
    refunds: Vec<(String, Refund)>,
    intents: HashMap<String, Intent>,
}

fn text<'a>(item: &'a Item, name: &str) -> &'a str {
    item.get(name).and_then(|value| value.as_s().ok()).map_or("", String::as_str)
}

/// The items of an entity, with their partition.
fn read<T: DeserializeOwned>(items: &[Item], entity: &str) -> Vec<(String, T)> {
    let of_it = items.iter().filter(|item| text(item, "entity") == entity);
    of_it.map(|item| (text(item, "pk").to_owned(), serde_dynamo::from_item(item.clone()).unwrap())).collect()
}

impl World {
    /// Everything that is wrong at the counter.
    pub(in crate::chaos) fn judge_counter(&self, items: &[Item]) -> Vec<String> {
        let books = Books {
            orders: read(items, "pos_order").into_iter().collect(),
            payments: read(items, "pos_payment"),
            refunds: read(items, "pos_refund"),
            intents: read(items, "intent")
                .into_iter()
                .map(|(_, intent): (_, Intent)| (intent.intent.clone(), intent))
                .collect(),
        };
        let mut wrong = Vec::new();
        self.judge_cards(&books, &mut wrong);
        self.told(|told| {
            judge_sales(told, &books, &mut wrong);
            judge_cash(told, &books, &mut wrong);
            judge_refunds(told, &books, &mut wrong);
        });
        judge_customers(items, &books, &mut wrong);
        self.judge_receipts(items, &mut wrong);
        self.judge_pools(items, &mut wrong);
        self.judge_subscriptions(items, &mut wrong);
        wrong
    }

    /// Every card payment that Stripe took has paid one order exactly so much, or went back, or nobody has claimed it.
    fn judge_cards(&self, books: &Books, wrong: &mut Vec<String>) {
        let charges: HashMap<String, Value> = self
            .stripe
            .objects("charge")
            .into_iter()
            .map(|charge| (charge["id"].as_str().unwrap().to_owned(), charge))
            .collect();
        let bounced: Vec<Value> =
            self.stripe.objects("refund").into_iter().filter(|refund| refund["status"] == "failed").collect();
        for intent in self.stripe.objects("payment_intent") {
            let Some(org) = intent["metadata"]["organization_id"].as_str() else { continue };
            let name = intent["id"].as_str().unwrap();
            let mut say = |what: String| wrong.push(format!("invariant 3: {name} {what}"));
            let fee =
                fee_of(intent["metadata"]["subscription_tier"].as_str().unwrap(), intent["amount"].as_i64().unwrap());
            if intent["application_fee_amount"].as_i64() != fee {
                say(format!("has the fee {}, and should have {fee:?}", intent["application_fee_amount"]));
            }
            let paid: Vec<_> = books.payments.iter().filter(|(_, paid)| paid.intent.as_deref() == Some(name)).collect();
            if paid.len() > 1 || paid.iter().any(|(order, _)| !order.starts_with(&format!("ORG#{org}#"))) {
                say(format!("has paid {paid:?}"));
            }
            if intent["status"] != "succeeded" {
                if !paid.is_empty() {
                    say("has paid, and its money never came".into());
                }
                continue;
            }
            let charge = &charges[intent["latest_charge"].as_str().unwrap()];
            let (came, back) = (cents(&charge["amount_captured"]), cents(&charge["amount_refunded"]));
            let known = books.intents.get(name);
            match paid.first() {
                Some((_, payment)) => {
                    let of_it = books.refunds.iter().filter(|(_, row)| row.payment == payment.id);
                    let ours: Cents =
                        of_it.filter(|(_, row)| row.status != RefundStatus::Failed).map(|(_, row)| row.amount).sum();
                    if payment.amount != came || ours != back {
                        say(format!(
                            "brought {came} and gave back {back}, and we know of {} and {ours}",
                            payment.amount
                        ));
                    }
                }
                None if known.is_some_and(|known| known.returned) => {
                    if back != came && !bounced.iter().any(|refund| refund["payment_intent"] == name) {
                        say(format!("could not be honoured, and only {back} of {came} went back"));
                    }
                }
                None if known.is_none() && intent["metadata"]["orderId"].is_null() => {}
                None => say(format!("has succeeded, and nobody counted it: {known:?}")),
            }
        }
    }

    /// Invariant 5: one e-mail for each receipt that was promised, and sent if it says so.
    fn judge_receipts(&self, items: &[Item], wrong: &mut Vec<String>) {
        let accepted = self.wire.accepted.lock().unwrap();
        let mails: Vec<&Item> =
            items.iter().filter(|item| text(item, "entity") == "mail" && text(item, "kind") == "receipt").collect();
        self.told(|told| {
            for (email, promised) in &told.receipts {
                let rows = mails.iter().filter(|item| text(item, "to") == email).count();
                if rows > 1 || (*promised && rows == 0) {
                    wrong.push(format!("invariant 5: {rows} receipts to {email}, promised: {promised}"));
                }
            }
        });
        for mail in mails.iter().filter(|mail| text(mail, "status") == "sent") {
            if !accepted.iter().any(|address| address == text(mail, "to")) {
                wrong.push(format!("invariant 5: the receipt to {} is marked as sent, and was not", text(mail, "to")));
            }
        }
    }

    /// Invariant 4: who was told that a pool is final finds it so, and paid out.
    fn judge_pools(&self, items: &[Item], wrong: &mut Vec<String>) {
        let pools: Vec<(String, Pool)> = read(items, "tip_pool");
        self.told(|told| {
            for (id, _) in told.pools.iter().filter(|(_, (_, finalized))| *finalized) {
                let pool = pools.iter().map(|(_, pool)| pool).find(|pool| pool.id.to_string() == *id);
                if pool.is_none_or(|pool| pool.finalized_at.is_none() || pool.paid_at.is_none()) {
                    wrong.push(format!("invariant 4: a pool was finalized, and is {pool:?}"));
                }
            }
        });
    }

    /// Invariant 6: the newest notice has the last word, however they came.
    fn judge_subscriptions(&self, items: &[Item], wrong: &mut Vec<String>) {
        let subscriptions: Vec<(String, Subscription)> = read(items, "subscription");
        for (number, shop) in self.counter().shops.iter().enumerate() {
            let newest = self.told(|told| {
                told.notices.iter().filter(|notice| notice.shop == number).max_by_key(|notice| notice.at).cloned()
            });
            let now = &subscriptions.iter().find(|(_, one)| one.org == shop.org).unwrap().1;
            if newest.is_some_and(|newest| !newest.is_last_word(now)) {
                wrong.push(format!("invariant 6: the newest notice has not the last word: {now:?}"));
            }
        }
    }
}

fn cents(value: &Value) -> Cents {
    Cents(value.as_i64().unwrap())
}

/// Contract §19, written out once more: a share rounded half up, and a fixed part; nothing is left out.
fn fee_of(tier: &str, amount: i64) -> Option<i64> {
    let (share, fixed) = match tier {
        "starter" => (0.002, 3),
        "pro" => (0.001, 1),
        _ => return None,
    };
    Some((amount as f64 * share + 0.5 + 1e-9).floor() as i64 + fixed)
}

/// One sale is one order, however often it was asked for and whatever got lost.
fn judge_sales(told: &Told, books: &Books, wrong: &mut Vec<String>) {
    let mut made: HashMap<&str, Vec<&Order>> = HashMap::new();
    for order in books.orders.values() {
        made.entry(order.device.as_deref().unwrap_or_default()).or_default().push(order);
    }
    for (sale, orders) in made.iter().filter(|(_, orders)| orders.len() > 1) {
        wrong.push(format!("{sale} made {} orders", orders.len()));
    }
    for (sale, answers) in &told.sales {
        if answers.len() > 1 {
            wrong.push(format!("{sale} was answered with {} orders", answers.len()));
        }
        for order in answers.iter().filter(|order| !told.deleted.contains(*order)) {
            let kept = made.get(sale.as_str()).is_some_and(|made| made.iter().any(|one| one.id.to_string() == *order));
            if !kept {
                wrong.push(format!("{sale} made {order}, and it is gone"));
            }
        }
    }
}

/// Change that was given is in the books.
fn judge_cash(told: &Told, books: &Books, wrong: &mut Vec<String>) {
    for (key, (order, tendered, change)) in &told.change {
        let id = payment_id(&format!("key\0{}", hex::encode(&Sha256::digest(key)[..16])));
        let row = books.payments.iter().find(|(pk, row)| pk.ends_with(order) && row.id == id).map(|(_, row)| row);
        let says = row.map(|row| (row.cash_tendered, row.cash_change, row.amount + Cents(*change)));
        let (tendered, change) = (Cents(*tendered), Cents(*change));
        if says != Some((Some(tendered), Some(change), tendered)) {
            wrong.push(format!(
                "{order}: {change} of {tendered} went back over the counter, and the books say {says:?}"
            ));
        }
    }
}

/// What a key gave back is in the books, once. What a bank sent back later is there too, as failed.
fn judge_refunds(told: &Told, books: &Books, wrong: &mut Vec<String>) {
    let mut promised: BTreeMap<&str, i64> = BTreeMap::new();
    for (order, amount) in told.refunds.values() {
        *promised.entry(order).or_default() += amount;
    }
    for (order, promised) in promised {
        let rows: Cents = books.refunds.iter().filter(|(pk, _)| pk.ends_with(order)).map(|(_, row)| row.amount).sum();
        if rows < Cents(promised) {
            wrong.push(format!("{order}: {promised} were promised to go back, and there are rows for {rows}"));
        }
    }
}

/// A customer's figures are those of their orders.
fn judge_customers(items: &[Item], books: &Books, wrong: &mut Vec<String>) {
    for (_, customer) in read::<Customer>(items, "customer") {
        let theirs: Vec<&Order> = books.orders.values().filter(|order| order.customer == Some(customer.id)).collect();
        let spent: Cents = theirs.iter().map(|order| order.total).sum();
        if (customer.total_orders as usize, customer.total_spent) != (theirs.len(), spent) {
            wrong.push(format!("{customer:?} made {} orders for {spent}", theirs.len()));
        }
    }
}
