//! Orders: placed with their stock, paid with their e-mail, released exactly once.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    audit::AuditEntry,
    ids::{EventId, OrgId, TierId},
    mail::MailPolicy,
    stock::{self, Movement, Stripe},
    tickets::{
        event::Event,
        number::OrderNumber,
        order::{Order, OrderStatus},
        payment::Payment,
        secret::SecretHash,
    },
};
use jiff::Timestamp;

use crate::{
    Store,
    error::StoreError,
    item::{Item, attr, from_item, index, n, s, text, to_item},
    keys::{self, Key, SHARDS, moment, orders_of, shard_of},
    list::Range,
    stock::{stripe_keys, stripes_of},
    tx::{Change, Tx, TxError},
};

/// How often an order looks for other stripes when those it chose were emptied meanwhile.
const DRAWS: usize = 40;

/// Orders that a search looks at, at most.
const SEARCHED: usize = 20_000;

/// What an order is decided on: all of it read by one call.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The event, if there is one.
    pub event: Option<Event>,
    /// The tier's stripes as they are now.
    pub stripes: Vec<Stripe>,
    /// Orders that already stand under the numbers asked for.
    pub orders: Vec<Order>,
}

/// Why an order was not placed. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// Not enough pieces left.
    #[error(transparent)]
    SoldOut(#[from] stock::SoldOut),
    /// An order already stands under this number: a repeat of the same request, or another's.
    #[error("order {} exists", .0.number)]
    Exists(Box<Order>),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Which orders of an organization.
#[derive(Clone, Debug, Default)]
pub struct OrderFilter {
    /// Only of this event.
    pub event: Option<EventId>,
    /// Only in these states.
    pub status: Vec<OrderStatus>,
    /// Only with this text in number, name or e-mail, in any case.
    pub search: Option<String>,
    /// Only made at this time or later.
    pub since: Option<Timestamp>,
}

/// A page of orders, newest first.
#[derive(Clone, Debug, Default)]
pub struct OrderPage {
    /// The page.
    pub orders: Vec<Order>,
    /// How many match in all, where it was counted on the way: only for a search.
    pub found: Option<usize>,
}

fn order_item(order: &Order, secret: &SecretHash) -> Result<Item, StoreError> {
    let number = order.number.to_string();
    let mut item = to_item("order", &Key::order(order.number), order)?;
    index(&mut item, "gsi1", orders_of(order.org, shard_of(&number)), moment(order.created_at, &number));
    index(&mut item, "gsi2", keys::secret(&secret.0), number);
    Ok(item)
}

fn in_status(status: OrderStatus) -> Change {
    Change::default().when("status", "=", s(status.as_str()))
}

impl Store {
    /// Reads event, stock and possible earlier orders in one call.
    pub async fn load_offer(&self, event: EventId, tier: TierId, numbers: &[OrderNumber]) -> Result<Offer, StoreError> {
        let mut wanted = vec![Key::event(event).item()];
        wanted.extend(stripe_keys(tier));
        wanted.extend(numbers.iter().map(|number| Key::order(*number).item()));
        let items = self.batch_get(wanted, true).await?;
        let of = |entity: &'static str| items.iter().filter(move |item| text(item, "entity") == Some(entity)).cloned();
        Ok(Offer {
            event: of("event").next().map(from_item).transpose()?,
            stripes: stripes_of(tier, &items)?,
            orders: of("order").map(from_item).collect::<Result<_, _>>()?,
        })
    }

    /// Places an order: draws its stock and writes it, with its e-mail when it is paid at once. All or nothing.
    ///
    /// `stripes` is what [`Store::load_offer`] read, `start` a random number. When a chosen stripe was emptied meanwhile,
    /// the stock is read again; the order is refused only when there is truly too little. Refusing writes nothing.
    pub async fn place_order(
        &self,
        mut order: Order,
        secret: &SecretHash,
        stripes: Vec<Stripe>,
        start: usize,
        mail: MailPolicy,
    ) -> Result<Order, PlaceError> {
        let mut stripes = stripes;
        let movement = order.first_movement();
        for _ in 0..DRAWS {
            let available: Vec<i64> = stripes.iter().map(|stripe| stripe.available).collect();
            order.draws = stock::draw(&available, order.quantity, start % available.len().max(1))?;
            let mut tx = self.tx().create(order_item(&order, secret)?)?.move_stock(&order, movement)?;
            if order.status == OrderStatus::Paid {
                tx = tx.queue_mail(&order.ticket_mail(mail, order.created_at))?;
            }
            match tx.commit().await {
                Ok(()) => return Ok(order),
                Err(TxError::Refused(refused)) => {
                    if let Some((_, Some(item))) = refused.into_iter().find(|(action, _)| *action == 0) {
                        return Err(PlaceError::Exists(Box::new(from_item(item)?)));
                    }
                    stripes = self.load_stripes(order.tier_id).await?;
                }
                Err(TxError::Store(error)) => return Err(error.into()),
            }
        }
        Err(StoreError::Busy.into())
    }

    /// An order as it is now.
    pub async fn load_order(&self, number: OrderNumber) -> Result<Option<Order>, StoreError> {
        self.get(&Key::order(number)).await?.map(from_item).transpose()
    }

    /// Orders by number, in no particular order.
    pub async fn load_orders(&self, numbers: &[OrderNumber]) -> Result<Vec<Order>, StoreError> {
        if numbers.is_empty() {
            return Ok(vec![]);
        }
        let items = self.batch_get(numbers.iter().map(|number| Key::order(*number).item()).collect(), false).await?;
        items.into_iter().map(from_item).collect()
    }

    /// Marks a pending order as paid and queues its ticket: one transaction (invariants 3, 5, 6).
    /// `Stale` when it is not pending any more, or the payment was given back.
    pub async fn confirm_order(
        &self,
        order: &Order,
        payment: &Payment,
        mail: MailPolicy,
        audit: Option<&AuditEntry>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let change = paid(in_status(OrderStatus::Pending), payment, now);
        let tx = self.tx().update(&Key::order(order.number), change)?.move_stock(order, Movement::Confirm)?;
        with_audit(tx.queue_mail(&order.ticket_mail(mail, now))?, audit)?.commit().await.map_err(TxError::stale)
    }

    /// Honours a late payment: an expired order draws its stock anew and is paid.
    /// `SoldOut` when there is too little left; `Stale` when it is not expired any more, or the payment was given back.
    pub async fn reclaim_order(&self, order: &Order, payment: &Payment, now: Timestamp) -> Result<(), PlaceError> {
        let mut order = order.clone();
        for attempt in 0..DRAWS {
            let stripes = self.load_stripes(order.tier_id).await?;
            let available: Vec<i64> = stripes.iter().map(|stripe| stripe.available).collect();
            order.draws = match stock::draw(&available, order.quantity, attempt) {
                Ok(draws) => draws,
                // It may be this very order, paid meanwhile, that took the last.
                Err(sold_out) => match self.load_order(order.number).await? {
                    Some(now) if now.status == OrderStatus::Expired => return Err(sold_out.into()),
                    _ => return Err(StoreError::Stale.into()),
                },
            };
            let change = paid(in_status(OrderStatus::Expired), payment, now).set("draws", attr(&order.draws)?);
            let tx = self.tx().update(&Key::order(order.number), change)?.move_stock(&order, Movement::Reclaim)?;
            match tx.queue_mail(&order.ticket_mail(MailPolicy::Send, now))?.commit().await {
                Ok(()) => return Ok(()),
                Err(TxError::Refused(refused)) if refused.iter().any(|(action, _)| *action == 0) => {
                    return Err(StoreError::Stale.into());
                }
                Err(TxError::Refused(_)) => {}
                Err(TxError::Store(error)) => return Err(error.into()),
            }
        }
        Err(StoreError::Busy.into())
    }

    /// Gives up a pending order (`to` is `Cancelled` or `Expired`) and its stock, exactly once.
    /// `Stale` when it is not pending any more.
    pub async fn release_order(
        &self,
        order: &Order,
        to: OrderStatus,
        audit: Option<&AuditEntry>,
    ) -> Result<(), StoreError> {
        let change = in_status(OrderStatus::Pending)
            .set("status", s(to.as_str()))
            .set("draws", attr(&Vec::<stock::Draw>::new())?);
        let tx = self.tx().update(&Key::order(order.number), change)?.move_stock(order, Movement::Release)?;
        with_audit(tx, audit)?.commit().await.map_err(TxError::stale)
    }

    /// Marks a paid order as refunded in whole and gives its stock back, exactly once.
    /// `Stale` when it is not paid any more, or was let in or took another payment since it was read.
    pub async fn refund_order(&self, order: &Order, audit: Option<&AuditEntry>) -> Result<(), StoreError> {
        let checked_in = order.checked_in_at.is_some();
        let paid = same_payment(in_status(OrderStatus::Paid), order);
        let change = if checked_in { paid.when_present("checked_in_at") } else { paid.when_absent("checked_in_at") }
            .set("status", s(OrderStatus::Refunded.as_str()))
            .set("refunded", n(order.total.0))
            .set("draws", attr(&Vec::<stock::Draw>::new())?);
        let tx = self.tx().update(&Key::order(order.number), change)?;
        let tx = tx.move_stock(order, Movement::Refund { checked_in })?;
        with_audit(tx, audit)?.commit().await.map_err(TxError::stale)
    }

    /// Takes a payment as the one that paid an order which staff had confirmed without naming one.
    /// `Stale` when the order is not paid any more, names a payment meanwhile, or this one was given back.
    pub async fn adopt_payment(&self, number: OrderNumber, reference: &str) -> Result<(), StoreError> {
        let free = in_status(OrderStatus::Paid).when_absent("payment_ref");
        let change = not_returned(free, reference).set("payment_ref", s(reference));
        self.change(&Key::order(number), change).await?.map(drop).or(Err(StoreError::Stale))
    }

    /// Notes that a payment is given back because `order`, as it was read, cannot be honoured. Written before the money
    /// goes back: from then on no repeated notice of this payment pays the order. `Stale` when the order has changed.
    pub async fn note_returned(&self, order: &Order, reference: &str) -> Result<(), StoreError> {
        let change = same_payment(in_status(order.status), order)
            .add("returned_refs", AttributeValue::Ss(vec![reference.to_owned()]));
        self.change(&Key::order(order.number), change).await?.map(drop).or(Err(StoreError::Stale))
    }

    /// Orders of an organization, newest first.
    pub async fn list_orders(
        &self,
        org: OrgId,
        filter: &OrderFilter,
        offset: usize,
        limit: usize,
    ) -> Result<OrderPage, StoreError> {
        let search = filter.search.as_deref().map(str::to_lowercase);
        // The database can filter by one status; several, and text in any case, are picked out here.
        let picks = search.is_some() || filter.status.len() > 1;
        let mut equal: Vec<_> = filter.event.iter().map(|event| ("event_id", event.to_string())).collect();
        if let [status] = filter.status[..] {
            equal.push(("status", status.as_str().to_owned()));
        }
        let wanted = if picks { SEARCHED } else { offset + limit };
        let from = filter.since.map(|since| moment(since, ""));
        let range = Range { index: Some("gsi1"), from, descending: true, equal, limit: wanted, ..Range::default() };
        let items = self.query_shards((0..SHARDS).map(|shard| orders_of(org, shard)), range, "gsi1sk").await?;
        let orders = items.into_iter().map(from_item).collect::<Result<Vec<Order>, _>>()?;
        let matches = |order: &Order| {
            let status = filter.status.is_empty() || filter.status.contains(&order.status);
            let found = |text: &str, needle: &str| text.to_lowercase().contains(needle);
            let text = search.as_deref().is_none_or(|needle| {
                found(&order.number.to_string(), needle)
                    || found(&order.buyer.name, needle)
                    || found(&order.buyer.email, needle)
            });
            status && text
        };
        let mut matching: Vec<Order> = orders.into_iter().filter(matches).collect();
        let found = picks.then_some(matching.len());
        let orders = matching.drain(offset.min(matching.len())..).take(limit).collect();
        Ok(OrderPage { orders, found })
    }
}

/// What being paid changes on an order; a payment that is given back pays nothing.
fn paid(change: Change, payment: &Payment, now: Timestamp) -> Change {
    let change = match &payment.reference {
        Some(reference) => not_returned(change, reference).set("payment_ref", s(reference)),
        None => change,
    };
    change
        .set("status", s(OrderStatus::Paid.as_str()))
        .set("paid_at", n(now.as_millisecond()))
        .set("provider", s(payment.provider.as_str()))
        .set_some("confirmed_by", payment.by.map(|user| s(user.to_string())))
}

fn not_returned(change: Change, reference: &str) -> Change {
    change.when_not_containing("returned_refs", s(reference))
}

/// Demands that the order names the payment that it named when it was read.
fn same_payment(change: Change, order: &Order) -> Change {
    match &order.payment_ref {
        Some(reference) => change.when("payment_ref", "=", s(reference)),
        None => change.when_absent("payment_ref"),
    }
}

fn with_audit<'a>(tx: Tx<'a>, audit: Option<&AuditEntry>) -> Result<Tx<'a>, StoreError> {
    match audit {
        Some(entry) => tx.audit(entry),
        None => Ok(tx),
    }
}
