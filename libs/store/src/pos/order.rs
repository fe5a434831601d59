//! Orders at the counter: the order, its lines, payments and refunds, each an item of one partition, read by one query.
//!
//! Every change is a pure step of `domain` from one version of the order to the next, and is written only over the version
//! that the step was decided on (`version = :read`). [`StoreError::Stale`] means: read again, decide again. What must
//! be counted once beyond that has an item of its own that is created once: an intent's, a payment's, a client key's.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    ids::OrgId,
    mail::Mail,
    money::Cents,
    pos::order::{FullOrder, Line, Order, OrderId, Payment, Refund, RefundStatus, Status},
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Pos, keys};
use crate::{
    error::StoreError,
    item::{Item, from_item, index, n, s, text, to_item},
    keys::{Key, SHARDS, moment, shard_of},
    list::Range,
    tx::{Change, Tx, TxError},
};

/// What is kept of an order that was deleted.
const GONE: &str = "gone_order";

/// How often another number is tried when one is taken.
const NUMBERS: u8 = 12;

/// A client's request that names an idempotency key.
#[derive(Clone, Debug)]
pub struct Request {
    /// SHA-256 of the key.
    pub key: String,
    /// Of the body, to tell a repeat from another request under the same key.
    pub fingerprint: String,
}

/// An order to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct NewOrder {
    /// As it will be.
    pub order: Order,
    /// The card payment that has paid (a part of) it already.
    pub payment: Option<Payment>,
}

impl From<Order> for NewOrder {
    fn from(order: Order) -> Self {
        NewOrder { order, payment: None }
    }
}

/// What became of a request to make an order.
#[derive(Clone, Debug, PartialEq)]
pub enum Created {
    /// It was made.
    New(Box<Order>),
    /// The same request made this one before.
    Before(OrderId),
    /// Another request came under the same key before.
    KeyReused,
    /// The card payment that it names is another order's, or its money has come meanwhile.
    IntentTaken,
}

/// Which order a card payment belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// `pi_…`.
    pub intent: String,
    /// Whose order.
    pub org: OrgId,
    /// The order.
    pub order: OrderId,
    /// True once it has paid (a part of) the order.
    #[serde(default)]
    pub paid: bool,
    /// True once it is to be given back, because the order could not take it; then it never pays.
    #[serde(default)]
    pub returned: bool,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Lines {
    pub(super) lines: Vec<Line>,
}

/// A card payment that is to be given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Return {
    /// Whose account it is on.
    pub org: OrgId,
    /// The order that cannot take it.
    pub order: OrderId,
    /// `pi_…`.
    pub intent: String,
    /// That account, `acct_…`.
    pub account: String,
    /// Has it a share of ours?
    pub has_fee: bool,
}

/// What a key has made is remembered for 30 days: a phone that was offline may come late.
const MEMORY: SignedDuration = SignedDuration::from_hours(30 * 24);

#[derive(Serialize, Deserialize)]
struct RequestItem {
    order: OrderId,
    fingerprint: String,
    /// Seconds since 1970.
    ttl: i64,
}

pub(super) fn order_item(order: &Order) -> Result<Item, StoreError> {
    let id = order.id.to_string();
    let mut item = to_item("pos_order", &Key::pos_order(order.org, order.id), order)?;
    let at = moment(order.created_at, &id);
    index(&mut item, "gsi1", keys::pos_orders_of(order.org, shard_of(&id)), at.clone());
    if let Some(catalog) = order.catalog {
        index(&mut item, "gsi2", keys::orders_of_catalog(order.org, catalog, shard_of(&id)), at);
    }
    Ok(item)
}

/// The key of an order in the list of those put aside, while it is one.
fn held_key(order: Option<&Order>) -> Option<Key> {
    order.and_then(|order| Some(Key::held(order.org, order.held_at?, order.id)))
}

fn held_item(key: &Key, order: &Order) -> Item {
    let mut item = key.item();
    item.insert("entity".into(), s("held"));
    item.insert("order".into(), s(order.id.to_string()));
    item.extend(order.device.as_ref().map(|device| ("device".to_owned(), s(device))));
    item
}

impl Tx<'_> {
    /// Writes the next version of an order over the one it was decided on, and what follows from the change.
    pub(super) fn save_order(self, before: &Order, after: &Order) -> Result<Self, StoreError> {
        let unchanged = Change::default().when("version", "=", n(before.version));
        self.put(order_item(after)?, unchanged)?.follow_order(Some(before), Some(after))
    }

    /// What follows from `before` becoming `after` (`None` is: there is no order): the figures, the list of held orders, that
    /// of late sales, and the customers' totals. All of it in the order's own transaction, so that none of it is ever wrong.
    fn follow_order(self, before: Option<&Order>, after: Option<&Order>) -> Result<Self, StoreError> {
        let mut tx = self.move_figures(before, after)?.tally_customers(before, after)?.note_late_sale(before, after)?;
        let (was, is) = (held_key(before), held_key(after));
        if let Some(was) = was.as_ref().filter(|was| Some(*was) != is.as_ref()) {
            tx = tx.delete(was, Change::default())?;
        }
        if let (Some(order), Some(is)) = (after, is.filter(|is| Some(is) != was.as_ref())) {
            tx = tx.put(held_item(&is, order), Change::default())?;
        }
        Ok(tx)
    }

    /// Counts an order out of one status and into another.
    fn move_figures(self, before: Option<&Order>, after: Option<&Order>) -> Result<Self, StoreError> {
        let status = |order: Option<&Order>| order.map(|order| order.status);
        let Some(order) = after.or(before).filter(|_| status(before) != status(after)) else { return Ok(self) };
        let mut change = Change::default().set("entity", s("pos_figures"));
        for (status, by) in [(status(before), -1), (status(after), 1)] {
            if let Some(status) = status {
                change = change.add(status.as_str(), n(by));
            }
        }
        self.update(&Key::pos_figures(order.org, shard_of(&order.id.to_string())), change)
    }

    /// Says whose an intent is; it must be nobody's yet, or this order's, and must not have been given back. One that is only
    /// linked must not have been heard of either: its money would be waited for in vain.
    fn own_intent(self, intent: &Intent) -> Result<Self, StoreError> {
        let item = to_item("intent", &Key::intent(intent.org, &intent.intent), intent)?;
        let nobodys = |change: Change| change.when_absent(if intent.paid { "order" } else { "pk" });
        let ours = |change: Change| {
            let order = change.when("order", "=", s(intent.order.to_string()));
            order.when("paid", "=", false_value()).when("returned", "=", false_value())
        };
        self.put(item, Change::default().when_either(&[&nobodys, &ours]))
    }
}

fn false_value() -> AttributeValue {
    AttributeValue::Bool(false)
}

impl Pos<'_> {
    /// Makes an order with its lines. `make` is given an attempt's number, from 0, and answers an order with another random
    /// id each time, since an id's number may be taken. With a `request`, once per key. An intent it names becomes its own;
    /// with a card payment whose money has come, the order is one that is paid by it.
    pub async fn create_order<N: Into<NewOrder>>(
        &self,
        make: impl Fn(u8) -> N,
        lines: &[Line],
        request: Option<&Request>,
    ) -> Result<Created, StoreError> {
        for attempt in 0..NUMBERS {
            let NewOrder { order, payment } = make(attempt).into();
            let mut tx = self.0.tx().create(order_item(&order)?)?;
            if let Some(intent) = &order.intent {
                tx = tx.own_intent(&Intent { paid: payment.is_some(), ..Intent::of(&order, intent) })?;
            }
            if let Some(payment) = &payment {
                tx = tx.create(unheard_payment_item(&order, payment)?)?;
            }
            tx = tx.follow_order(None, Some(&order))?;
            if !lines.is_empty() {
                let lines = Lines { lines: lines.to_vec() };
                tx = tx.create(to_item("pos_lines", &Key::lines(order.org, order.id), &lines)?)?;
            }
            if let Some(request) = request {
                let ttl = (order.created_at + MEMORY).as_second();
                let item = RequestItem { order: order.id, fingerprint: request.fingerprint.clone(), ttl };
                tx = tx.create(to_item("request", &Key::request(order.org, "order", &request.key), &item)?)?;
            }
            match tx.commit().await {
                Ok(()) => return Ok(Created::New(Box::new(order))),
                Err(TxError::Refused(refused)) => {
                    if let Some(created) = self.find_created_order(order.org, request).await? {
                        return Ok(created);
                    }
                    // The intent is the second action. A number that is taken is tried again, another's intent is not.
                    if order.intent.is_some() && refused.iter().any(|(action, _)| *action == 1) {
                        return Ok(Created::IntentTaken);
                    }
                }
                Err(TxError::Store(error)) => return Err(error),
            }
        }
        Err(StoreError::Busy)
    }

    /// What a request under this key has made before.
    pub async fn find_created_order(
        &self,
        org: OrgId,
        request: Option<&Request>,
    ) -> Result<Option<Created>, StoreError> {
        let Some(request) = request else { return Ok(None) };
        let Some(item) = self.0.get(&Key::request(org, "order", &request.key)).await? else { return Ok(None) };
        let known: RequestItem = from_item(item)?;
        let same = known.fingerprint == request.fingerprint;
        Ok(Some(if same { Created::Before(known.order) } else { Created::KeyReused }))
    }

    /// An order with all its rows, by one query.
    pub async fn load_order(&self, org: OrgId, order: OrderId) -> Result<Option<FullOrder>, StoreError> {
        let range = Range { pk: keys::pos_order(org, order), consistent: true, limit: usize::MAX, ..Range::default() };
        let (mut found, mut lines, mut payments, mut refunds) = (None, vec![], vec![], vec![]);
        for item in self.0.query(range).await? {
            match text(&item, "entity") {
                Some("pos_order") => found = Some(from_item::<Order>(item)?),
                Some("pos_lines") => lines = from_item::<Lines>(item)?.lines,
                Some("pos_payment") => payments.push(from_item::<Payment>(item)?),
                Some("pos_refund") => refunds.push(from_item::<Refund>(item)?),
                _ => {}
            }
        }
        payments.sort_by_key(|payment| (payment.created_at, payment.id));
        refunds.sort_by_key(|refund| (refund.created_at, refund.id));
        Ok(found.map(|order| FullOrder { order, lines, payments, refunds }))
    }

    /// Writes a step that takes no money: linking's sibling for edits, holds, declines. `Stale` when the order changed.
    pub async fn save_order(&self, before: &Order, after: &Order) -> Result<(), StoreError> {
        self.0.tx().save_order(before, after)?.commit().await.map_err(TxError::stale)
    }

    /// Deletes an order and its lines. `Stale` when it changed. Only that there was one is kept: its number does not come
    /// again, so that whoever still knows it reaches no other sale.
    pub async fn delete_order(&self, order: &Order) -> Result<(), StoreError> {
        let unchanged = Change::default().when("version", "=", n(order.version));
        let mut gone = Key::pos_order(order.org, order.id).item();
        gone.insert("entity".into(), s(GONE));
        let mut tx = self.0.tx().put(gone, unchanged)?;
        if order.item_count > 0 {
            tx = tx.delete(&Key::lines(order.org, order.id), Change::default())?;
        }
        tx.follow_order(Some(order), None)?.commit().await.map_err(TxError::stale)
    }

    /// Was there an order that was deleted?
    pub async fn is_deleted_order(&self, org: OrgId, order: OrderId) -> Result<bool, StoreError> {
        let item = self.0.get(&Key::pos_order(org, order)).await?;
        Ok(item.is_some_and(|item| text(&item, "entity") == Some(GONE)))
    }

    /// Links a card payment to an order (the step is [`Order::link`]). False when the intent is another order's, has paid or
    /// been given back, or its money was heard of; `Stale` when the order changed.
    pub async fn link_intent(&self, before: &Order, after: &Order, intent: &str) -> Result<bool, StoreError> {
        let intent = Intent::of(after, intent);
        match self.0.tx().own_intent(&intent)?.save_order(before, after)?.commit().await {
            Ok(()) => Ok(true),
            Err(TxError::Refused(refused)) if refused.iter().any(|(action, _)| *action == 0) => Ok(false),
            Err(error) => Err(error.stale()),
        }
    }

    /// Whose a card payment is.
    pub async fn load_intent(&self, org: OrgId, intent: &str) -> Result<Option<Intent>, StoreError> {
        let item = self.0.get(&Key::intent(org, intent)).await?;
        item.filter(|item| item.contains_key("order")).map(from_item).transpose()
    }

    /// Notes that the money of a card payment has come that is no order's: whoever links it from now on counts it. False when
    /// it has become an order's.
    pub async fn hear_intent(&self, org: OrgId, intent: &str, now: Timestamp) -> Result<bool, StoreError> {
        let ttl = n((now + MEMORY).as_second());
        let change = Change::default().set("entity", s("heard_intent")).set("ttl", ttl).when_absent("order");
        Ok(self.0.change(&Key::intent(org, intent), change).await?.is_ok())
    }

    /// Adds a payment to its order, with the receipt's e-mail when one is to be sent: one transaction (invariants 3, 5, 6).
    /// False when this payment was added before, or its intent is another's or given back; `Stale` when the order changed.
    pub async fn add_payment(
        &self,
        before: &Order,
        after: &Order,
        payment: &Payment,
        receipt: Option<&Mail>,
    ) -> Result<bool, StoreError> {
        self.pay(before, after, payment, payment_item(after, payment)?, receipt).await
    }

    /// The same for a card payment that no order had before, so that money may have gone back of it unheard: the sweeper of
    /// refunds finds it until [`Pos::mark_mirrored`].
    pub async fn add_unheard_payment(
        &self,
        before: &Order,
        after: &Order,
        payment: &Payment,
    ) -> Result<bool, StoreError> {
        self.pay(before, after, payment, unheard_payment_item(after, payment)?, None).await
    }

    /// Notes that what went back of a card payment before it paid is known. Changes nothing of any other.
    pub async fn mark_mirrored(&self, org: OrgId, order: OrderId, payment: Uuid) -> Result<(), StoreError> {
        let change = Change::default().remove("gsi2pk").remove("gsi2sk").when_present("gsi2pk");
        self.0.change(&Key::payment(org, order, payment), change).await.map(drop)
    }

    async fn pay(
        &self,
        before: &Order,
        after: &Order,
        payment: &Payment,
        item: Item,
        receipt: Option<&Mail>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.0.tx().create(item)?;
        if let Some(intent) = &payment.intent {
            tx = tx.own_intent(&Intent { paid: true, ..Intent::of(after, intent) })?;
        }
        let once = if payment.intent.is_some() { 2 } else { 1 };
        tx = tx.save_order(before, after)?;
        if let Some(mail) = receipt {
            tx = tx.queue_mail(mail)?;
        }
        match tx.commit().await {
            Ok(()) => Ok(true),
            Err(TxError::Refused(refused)) if refused.iter().any(|(action, _)| *action < once) => Ok(false),
            Err(error) => Err(error.stale()),
        }
    }

    /// Notes that a card payment cannot be honoured and is to be given back: from now on it never pays, and the sweeper of
    /// refunds finds it until [`Pos::mark_returned`]. False when it has paid its order, or is another's; true also when this
    /// was noted before.
    pub async fn return_intent(&self, wanted: &Return, now: Timestamp) -> Result<bool, StoreError> {
        let Return { org, order, intent, account, has_fee } = wanted;
        let shard = shard_of(intent);
        let unpaid = |change: Change| change.when("paid", "=", false_value()).when("order", "=", s(order.to_string()));
        let change = Change::default()
            .set("entity", s("intent"))
            .set("intent", s(intent))
            .set("org", s(org.to_string()))
            .set("order", s(order.to_string()))
            .set("account", s(account))
            .set("has_fee", AttributeValue::Bool(*has_fee))
            .set("paid", false_value())
            .set("returned", AttributeValue::Bool(true))
            .set("gsi2pk", s(keys::pending_refunds(shard)))
            .set("gsi2sk", s(moment(now, intent)))
            .remove("ttl")
            .when_either(&[&|change| change.when_absent("order"), &unpaid]);
        Ok(self.0.change(&Key::intent(*org, intent), change).await?.is_ok())
    }

    /// Notes that a card payment was given back. Changes nothing of any other.
    pub async fn mark_returned(&self, org: OrgId, intent: &str) -> Result<(), StoreError> {
        let change = Change::default().remove("gsi2pk").remove("gsi2sk").when_present("gsi2pk");
        self.0.change(&Key::intent(org, intent), change).await.map(drop)
    }

    /// Reserves refunds on an order (the step is [`Order::refund`] with their sum): from then on they count as given back.
    /// `Stale` when the order changed, or one of them is there already.
    pub async fn reserve_refunds(&self, before: &Order, after: &Order, refunds: &[Refund]) -> Result<(), StoreError> {
        let mut tx = self.0.tx().save_order(before, after)?;
        for refund in refunds {
            tx = tx.create(refund_item(after, refund)?)?;
        }
        tx.commit().await.map_err(TxError::stale)
    }

    /// Marks a pending refund as given back, under Stripe's name for it. False when it is not pending any more.
    pub async fn confirm_refund(&self, order: &Order, refund: Uuid, reference: &str) -> Result<bool, StoreError> {
        let change = Change::default().set("status", s("succeeded")).set("reference", s(reference));
        let change = change.remove("gsi2pk").remove("gsi2sk").when("status", "=", s("pending"));
        Ok(self.0.change(&Key::refund(order.org, order.id, refund), change).await?.is_ok())
    }

    /// Marks a refund as failed and undoes its reservation (the step is [`Order::undo_refund`]): one transaction. `Stale` when
    /// order or refund are not what they were when read.
    pub async fn fail_refund(&self, before: &Order, after: &Order, refund: &Refund) -> Result<(), StoreError> {
        let failed = Refund { status: RefundStatus::Failed, ..refund.clone() };
        let status = if refund.status == RefundStatus::Pending { "pending" } else { "succeeded" };
        let unchanged = Change::default().when("status", "=", s(status));
        let tx = self.0.tx().save_order(before, after)?.put(refund_item(after, &failed)?, unchanged)?;
        tx.commit().await.map_err(TxError::stale)
    }

    /// How many orders an organization has in each status.
    pub async fn load_figures(&self, org: OrgId) -> Result<Vec<(Status, i64)>, StoreError> {
        let keys = (0..SHARDS).map(|shard| Key::pos_figures(org, shard).item()).collect();
        let items = self.0.batch_get(keys, false).await?;
        let sum = |status: Status| {
            let count = |item: &Item| item.get(status.as_str())?.as_n().ok()?.parse::<i64>().ok();
            items.iter().filter_map(count).sum()
        };
        Ok(Status::ALL.into_iter().map(|status| (status, sum(status))).collect())
    }
}

fn payment_item(order: &Order, payment: &Payment) -> Result<Item, StoreError> {
    to_item("pos_payment", &Key::payment(order.org, order.id, payment.id), payment)
}

/// A card payment that no order had before: the sweeper of refunds finds it.
fn unheard_payment_item(order: &Order, payment: &Payment) -> Result<Item, StoreError> {
    let (mut item, name) = (payment_item(order, payment)?, payment.id.to_string());
    index(&mut item, "gsi2", keys::pending_refunds(shard_of(&name)), moment(payment.created_at, &name));
    Ok(item)
}

fn refund_item(order: &Order, refund: &Refund) -> Result<Item, StoreError> {
    let mut item = to_item("pos_refund", &Key::refund(order.org, order.id, refund.id), refund)?;
    if refund.status == RefundStatus::Pending {
        let name = refund.id.to_string();
        index(&mut item, "gsi2", keys::pending_refunds(shard_of(&name)), moment(refund.created_at, &name));
    }
    Ok(item)
}

impl Intent {
    fn of(order: &Order, intent: &str) -> Self {
        Intent { intent: intent.to_owned(), org: order.org, order: order.id, paid: false, returned: false }
    }
}

/// A sum that tells whether an order's rows agree with it; for the checker.
pub fn paid_by_rows(order: &FullOrder) -> Cents {
    order.payments.iter().map(|payment| payment.amount).sum()
}
