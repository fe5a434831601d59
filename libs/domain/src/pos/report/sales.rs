//! What was sold, reckoned one sale at a time: the parts of every figure add up to the whole of it, to the cent, and the
//! order in which sales come does not matter.
//!
//! A sale is an order that was paid in whole, also one that was given back since. It counts on the day on which it was
//! made, and so do its refunds.

use std::collections::{BTreeMap, HashMap};

use jiff::{Timestamp, civil, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::{
    ids::ProductId,
    money::{Cents, Currency},
    pos::{
        analytics::Sum,
        days::Days,
        order::{Line, Method, Order, Payment, Status},
        tier::Tier,
        transaction::processing_fee,
    },
};

/// What one product brought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductSales {
    /// Its name, as it was sold last.
    pub name: String,
    /// Pieces.
    pub quantity: u64,
    /// Their price, without tax and tips.
    pub amount: Cents,
}

/// Products that are not named one by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Others {
    /// How many.
    pub products: usize,
    /// Pieces of them.
    pub quantity: u64,
    /// Their price, without tax and tips.
    pub amount: Cents,
}

/// An order with what a report needs to know of it.
#[derive(Clone, Copy, Debug)]
pub struct Sale<'a> {
    /// The order.
    pub order: &'a Order,
    /// Its lines; none for a quick charge.
    pub lines: &'a [Line],
    /// Its payments. None are needed of an order with one: it tells enough of it by itself.
    pub payments: &'a [Payment],
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum ProductKey {
    Known(ProductId),
    /// A line without a product is known by its name.
    Named(String),
}

#[derive(Clone, Debug)]
struct Sold {
    /// When it was last sold, and its name then.
    last: (Timestamp, String),
    quantity: u64,
    amount: Cents,
}

/// Figures of the sales of some days.
#[derive(Clone, Debug)]
pub struct SalesReport {
    /// Which days.
    pub days: Days,
    /// Currency of all amounts.
    pub currency: Currency,
    /// What its subscription is, by which fees are reckoned.
    pub tier: Tier,
    /// Sales, and what was paid: subtotal, tax and tips.
    pub total: Sum,
    /// Prices of what was sold, without tax and tips.
    pub subtotal: Cents,
    /// Tax.
    pub tax: Cents,
    /// Tips.
    pub tips: Cents,
    /// What was given back; refunds on their way count.
    pub refunds: Cents,
    /// Sales of which something was given back.
    pub refunded_orders: i64,
    /// Our fees on card payments, as the subscription is now.
    pub platform_fees: Cents,
    /// What Stripe is thought to keep of them (contract §19).
    pub processing_fees: Cents,
    /// Sales by the hour of the day (UTC) in which they were made, and what was paid.
    pub hours: [Sum; 24],
    /// Sales by day, those days that had any.
    pub by_day: BTreeMap<civil::Date, Sum>,
    /// Amounts without lines.
    pub quick_charges: Sum,
    /// What subtotals are above, or below, their lines: discounts, and what clients reckoned otherwise.
    pub adjustments: Cents,
    products: HashMap<ProductKey, Sold>,
    /// By tap, by card, in cash, and what cannot be told.
    methods: [Sum; 4],
}

/// In the order in which they are shown; `Split` stands for what cannot be told.
const METHODS: [Method; 4] = [Method::TapToPay, Method::Card, Method::Cash, Method::Split];

impl SalesReport {
    /// States of the orders that count.
    pub const STATUSES: [Status; 2] = [Status::Completed, Status::Refunded];

    /// Nothing sold yet.
    pub fn new(days: Days, currency: Currency, tier: Tier) -> Self {
        SalesReport {
            days,
            currency,
            tier,
            total: Sum::default(),
            subtotal: Cents::ZERO,
            tax: Cents::ZERO,
            tips: Cents::ZERO,
            refunds: Cents::ZERO,
            refunded_orders: 0,
            platform_fees: Cents::ZERO,
            processing_fees: Cents::ZERO,
            hours: [Sum::default(); 24],
            by_day: BTreeMap::new(),
            quick_charges: Sum::default(),
            adjustments: Cents::ZERO,
            products: HashMap::new(),
            methods: [Sum::default(); 4],
        }
    }

    /// Must the payments of this order be loaded, since it cannot tell how it was paid?
    pub fn wants_payments(order: &Order) -> bool {
        order.payments > 1
    }

    /// Counts a sale. One of other days, or that is none, is passed over.
    pub fn add(&mut self, sale: &Sale<'_>) {
        let order = sale.order;
        if !self.days.contains(order.created_at) || !Self::STATUSES.contains(&order.status) {
            return;
        }
        self.total.add(order.paid);
        self.tax = self.tax + order.tax;
        self.tips = self.tips + order.tip;
        // What is left of what was paid: the total holds together (contract §19).
        let subtotal = order.paid - order.tax - order.tip;
        self.subtotal = self.subtotal + subtotal;
        self.refunds = self.refunds + order.refunded;
        self.refunded_orders += i64::from(!order.refunded.is_zero());
        let at = order.created_at.to_zoned(TimeZone::UTC);
        self.hours[usize::from(at.hour().unsigned_abs()) % 24].add(order.paid);
        self.by_day.entry(at.date()).or_default().add(order.paid);
        self.add_lines(sale, subtotal);
        self.add_payments(sale);
    }

    fn add_lines(&mut self, sale: &Sale<'_>, subtotal: Cents) {
        if sale.lines.is_empty() {
            return self.quick_charges.add(subtotal);
        }
        let mut listed = Cents::ZERO;
        for line in sale.lines {
            let key = line.product.map_or_else(|| ProductKey::Named(line.name.clone()), ProductKey::Known);
            let named = (sale.order.created_at, line.name.clone());
            let sold = self.products.entry(key).or_insert_with(|| Sold {
                last: named.clone(),
                quantity: 0,
                amount: Cents::ZERO,
            });
            let amount = line.unit_price.times(line.quantity);
            sold.quantity += u64::from(line.quantity);
            sold.amount = sold.amount + amount;
            if named > sold.last {
                sold.last = named;
            }
            listed = listed + amount;
        }
        self.adjustments = self.adjustments + (subtotal - listed);
    }

    fn add_payments(&mut self, sale: &Sale<'_>) {
        let order = sale.order;
        let mut untold = order.paid;
        if sale.payments.is_empty() && order.payments <= 1 {
            self.add_payment(order.method.unwrap_or(Method::Split), order.paid);
            return;
        }
        for payment in sale.payments {
            self.add_payment(payment.method, payment.amount);
            untold = untold - payment.amount;
        }
        if !untold.is_zero() {
            self.add_payment(Method::Split, untold);
        }
    }

    fn add_payment(&mut self, method: Method, amount: Cents) {
        let place = METHODS.iter().position(|known| *known == method).unwrap_or(METHODS.len() - 1);
        self.methods[place].add(amount);
        if matches!(method, Method::Card | Method::TapToPay) && !amount.is_zero() {
            self.processing_fees = self.processing_fees + processing_fee(method, amount);
            self.platform_fees = self.platform_fees + self.tier.platform_fee(amount);
        }
    }

    /// What payments are thought to have cost in all.
    pub fn fees(&self) -> Cents {
        self.platform_fees + self.processing_fees
    }

    /// What is left of what was paid after refunds and fees.
    pub fn net(&self) -> Cents {
        self.total.revenue - self.refunds - self.fees()
    }

    /// How it was paid: payments and what they brought, those that there were. `Split` is what cannot be told.
    pub fn methods(&self) -> impl Iterator<Item = (Method, Sum)> {
        METHODS.into_iter().zip(self.methods).filter(|(_, sum)| sum.orders > 0)
    }

    /// The products that brought most, most first, `limit` at most; and all others in one.
    pub fn products(&self, limit: usize) -> (Vec<ProductSales>, Others) {
        let mut sold: Vec<&Sold> = self.products.values().collect();
        sold.sort_by(|a, b| (b.amount, b.quantity, &a.last).cmp(&(a.amount, a.quantity, &b.last)));
        let rest = sold.split_off(limit.min(sold.len()));
        let others = Others {
            products: rest.len(),
            quantity: rest.iter().map(|sold| sold.quantity).sum(),
            amount: rest.iter().map(|sold| sold.amount).sum(),
        };
        let product =
            |sold: &Sold| ProductSales { name: sold.last.1.clone(), quantity: sold.quantity, amount: sold.amount };
        (sold.into_iter().map(product).collect(), others)
    }
}

#[cfg(test)]
mod tests;
