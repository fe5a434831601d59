//! Figures of an organization's sales over a period (contract §10): what the dashboard and the analytics page show.
//!
//! A sale is an order that is completed; it counts where it was made, with what it brought: what was paid less what was
//! given back. The parts of every figure add up to the whole of it, to the cent and to the percent.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::{Timestamp, ToSpan, Zoned, civil, tz::TimeZone};

use super::order::{Line, Method, Order};
use crate::{
    ids::{CatalogId, CategoryId, CustomerId, ProductId},
    money::Cents,
};

/// Products that are named at most.
pub const TOP_PRODUCTS: usize = 10;

/// How far back a client may look, in periods.
pub const FARTHEST: i32 = 520;

/// A period that figures are of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Span {
    /// A day, by its hours.
    Today,
    /// A week from its Monday, by its days.
    #[default]
    Week,
    /// A month, by its days.
    Month,
    /// Since the beginning, by its months.
    All,
}

/// From when to when, where an organization is, and the period before it.
#[derive(Clone, Debug)]
pub struct Period {
    /// What it is.
    pub span: Span,
    zone: TimeZone,
    /// Its first day.
    first: civil::Date,
    /// The day after its last.
    end: civil::Date,
    /// The first day of the one before; `first` when there is none.
    before: civil::Date,
}

impl Period {
    /// The period that `now` is in, or one that is `offset` (zero or less) of them away.
    pub fn new(span: Span, offset: i32, now: Timestamp, zone: TimeZone) -> Self {
        let today = now.to_zoned(zone.clone()).date();
        let away = i64::from(offset.clamp(-FARTHEST, 0));
        let (first, end, before) = match span {
            Span::Today => {
                let first = today.saturating_add(away.days());
                (first, first.saturating_add(1.day()), first.saturating_sub(1.day()))
            }
            Span::Week => {
                let monday = today.saturating_sub(i64::from(today.weekday().to_monday_zero_offset()).days());
                let first = monday.saturating_add((7 * away).days());
                (first, first.saturating_add(7.days()), first.saturating_sub(7.days()))
            }
            Span::Month => {
                let first = today.first_of_month().saturating_add(away.months());
                (first, first.saturating_add(1.month()), first.saturating_sub(1.month()))
            }
            Span::All => {
                let first = civil::date(2000, 1, 1);
                (first, today.saturating_add(1.day()), first)
            }
        };
        Period { span, zone, first, end, before }
    }

    /// When it begins.
    pub fn from(&self) -> Timestamp {
        self.midnight(self.first)
    }

    /// When it is over.
    pub fn to(&self) -> Timestamp {
        self.midnight(self.end)
    }

    /// When the one before it begins.
    pub fn since(&self) -> Timestamp {
        self.midnight(self.before)
    }

    fn midnight(&self, day: civil::Date) -> Timestamp {
        day.to_zoned(self.zone.clone()).map_or(Timestamp::MAX, |day| day.timestamp())
    }

    fn local(&self, at: Timestamp) -> Zoned {
        at.to_zoned(self.zone.clone())
    }
}

/// Orders and what they brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many.
    pub orders: i64,
    /// What they brought.
    pub revenue: Cents,
}

impl Sum {
    pub(crate) fn add(&mut self, revenue: Cents) {
        self.orders += 1;
        self.revenue = self.revenue + revenue;
    }

    /// What one brought on average, rounded half up; nothing when there was none.
    pub fn average(&self) -> Cents {
        match self.orders {
            0 => Cents::ZERO,
            orders => Cents((2 * self.revenue.0 + orders).div_euclid(2 * orders)),
        }
    }
}

/// What was sold of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sold<Id> {
    /// Which; absent where it has no name any more, or never had.
    pub id: Option<Id>,
    /// Its name as it was sold last; empty for categories, of which a line only has the id.
    pub name: String,
    /// Pieces.
    pub quantity: u64,
    /// Their price, without tax and tips.
    pub revenue: Cents,
}

/// Figures that grow by one order at a time.
#[derive(Clone, Debug)]
pub struct Figures {
    period: Period,
    /// Of the period.
    pub total: Sum,
    /// Of the one before.
    pub previous: Sum,
    /// Of those without lines.
    pub quick_charges: Sum,
    methods: BTreeMap<&'static str, i64>,
    hours: [i64; 24],
    days: BTreeMap<civil::Date, Cents>,
    day_hours: [Cents; 24],
    catalogs: HashMap<Option<CatalogId>, Sum>,
}

impl Figures {
    /// Nothing yet.
    pub fn new(period: Period) -> Self {
        Figures {
            period,
            total: Sum::default(),
            previous: Sum::default(),
            quick_charges: Sum::default(),
            methods: BTreeMap::new(),
            hours: [0; 24],
            days: BTreeMap::new(),
            day_hours: [Cents::ZERO; 24],
            catalogs: HashMap::new(),
        }
    }

    /// Counts a completed order of the period or the one before. True when it is of the period.
    pub fn add(&mut self, order: &Order) -> bool {
        let revenue = order.net_sales();
        if order.created_at < self.period.from() {
            if order.created_at >= self.period.since() {
                self.previous.add(revenue);
            }
            return false;
        }
        if order.created_at >= self.period.to() {
            return false;
        }
        let at = self.period.local(order.created_at);
        let hour = usize::from(at.hour().unsigned_abs()) % 24;
        self.total.add(revenue);
        self.hours[hour] += 1;
        self.day_hours[hour] = self.day_hours[hour] + revenue;
        let day = self.days.entry(at.date()).or_default();
        *day = *day + revenue;
        *self.methods.entry(order.method.map_or("other", Method::as_str)).or_default() += 1;
        self.catalogs.entry(order.catalog).or_default().add(revenue);
        if order.quick_charge {
            self.quick_charges.add(revenue);
        }
        true
    }

    /// What each hour, day or month of the period brought, the first one first: their labels, and amounts that add up to
    /// the total. Of a day also the hours to come, of a week and a month also the days.
    pub fn revenue(&self) -> Vec<(String, Cents)> {
        let period = &self.period;
        match period.span {
            Span::Today => (0..24).map(|hour| (hour_label(hour), self.day_hours[hour])).collect(),
            Span::Week | Span::Month => {
                let format = if period.span == Span::Week { "%a" } else { "%-d" };
                let days = period.first.series(1.day()).take_while(|day| *day < period.end);
                let amount = |day: &civil::Date| self.days.get(day).copied().unwrap_or_default();
                days.map(|day| (day.strftime(format).to_string(), amount(&day))).collect()
            }
            Span::All => self.months(),
        }
    }

    /// Each month from that of the first sale to the present one.
    fn months(&self) -> Vec<(String, Cents)> {
        let Some((first, _)) = self.days.first_key_value() else { return vec![] };
        let mut amounts: BTreeMap<civil::Date, Cents> = BTreeMap::new();
        for month in first.first_of_month().series(1.month()).take_while(|month| *month < self.period.end) {
            amounts.insert(month, Cents::ZERO);
        }
        for (day, amount) in &self.days {
            let month = amounts.entry(day.first_of_month()).or_default();
            *month = *month + *amount;
        }
        amounts.into_iter().map(|(month, amount)| (month.strftime("%b %Y").to_string(), amount)).collect()
    }

    /// How the orders were paid: the method, how many, and percent of all; the most frequent first.
    pub fn methods(&self) -> Vec<(&'static str, i64, u32)> {
        let counts: Vec<i64> = self.methods.values().copied().collect();
        let shares = percentages(&counts);
        let mut methods: Vec<_> =
            self.methods.iter().zip(shares).map(|((method, count), share)| (*method, *count, share)).collect();
        methods.sort_by_key(|(_, count, _)| std::cmp::Reverse(*count));
        methods
    }

    /// The hours of the day in which something was sold: the hour, how many orders, and percent of all; the busiest first.
    pub fn hours(&self) -> Vec<(u8, i64, u32)> {
        let shares = percentages(&self.hours);
        let hours = (0u8..).zip(self.hours).zip(shares).map(|((hour, count), share)| (hour, count, share));
        let mut hours: Vec<_> = hours.filter(|(_, count, _)| *count > 0).collect();
        hours.sort_by_key(|(_, count, _)| std::cmp::Reverse(*count));
        hours
    }

    /// What each catalog brought, and percent of all; the best first. `None` is what was sold without one.
    pub fn catalogs(&self) -> Vec<(Option<CatalogId>, Sum, u32)> {
        let mut catalogs: Vec<(Option<CatalogId>, Sum)> = self.catalogs.iter().map(|(id, sum)| (*id, *sum)).collect();
        catalogs.sort_by_key(|(id, sum)| (std::cmp::Reverse(sum.revenue), *id));
        let amounts: Vec<i64> = catalogs.iter().map(|(_, sum)| sum.revenue.0).collect();
        catalogs.into_iter().zip(percentages(&amounts)).map(|((id, sum), share)| (id, sum, share)).collect()
    }

    /// Percent of the revenue that came without lines.
    pub fn quick_charge_share(&self) -> u32 {
        let quick = self.quick_charges.revenue.0;
        percentages(&[quick, self.total.revenue.0 - quick])[0]
    }
}

/// `12 AM`, `1 PM`.
fn hour_label(hour: usize) -> String {
    let half = if hour < 12 { "AM" } else { "PM" };
    let shown = if hour.is_multiple_of(12) { 12 } else { hour % 12 };
    format!("{shown} {half}")
}

/// Percent of the whole that each part is: whole numbers that add up to 100, or are all 0 when the parts are. Those that
/// lost most by rounding down get what is left.
pub fn percentages(parts: &[i64]) -> Vec<u32> {
    let parts: Vec<i128> = parts.iter().map(|part| i128::from((*part).max(0))).collect();
    let whole: i128 = parts.iter().sum();
    if whole == 0 {
        return vec![0; parts.len()];
    }
    let mut shares: Vec<u32> = parts.iter().map(|part| u32::try_from(part * 100 / whole).unwrap_or_default()).collect();
    let left = 100 - shares.iter().sum::<u32>();
    let mut by_loss: Vec<usize> = (0..parts.len()).collect();
    by_loss.sort_by_key(|i| (std::cmp::Reverse(parts[*i] * 100 % whole), *i));
    for i in by_loss.into_iter().take(left as usize) {
        shares[i] += 1;
    }
    shares
}

/// The products that brought most, most first. The lines come newest first.
pub fn top_products<'l>(lines: impl Iterator<Item = &'l Line>) -> Vec<Sold<ProductId>> {
    // A product that is gone, or an entry without one, is known by its name.
    let mut sold: HashMap<(Option<ProductId>, Option<&str>), Sold<ProductId>> = HashMap::new();
    for line in lines {
        let name = line.product.is_none().then_some(line.name.as_str());
        let entry = sold.entry((line.product, name)).or_insert_with(|| Sold {
            id: line.product,
            name: line.name.clone(),
            quantity: 0,
            revenue: Cents::ZERO,
        });
        entry.quantity += u64::from(line.quantity);
        entry.revenue = entry.revenue + line.unit_price.times(line.quantity);
    }
    let mut sold: Vec<_> = sold.into_values().collect();
    sold.sort_by(|a, b| (b.revenue, b.quantity, &a.name, a.id).cmp(&(a.revenue, a.quantity, &b.name, b.id)));
    sold.truncate(TOP_PRODUCTS);
    sold
}

/// What each category brought, and percent of all; the best first. `None` is what has no category.
pub fn categories<'l>(lines: impl Iterator<Item = &'l Line>) -> Vec<(Sold<CategoryId>, u32)> {
    let mut sold: HashMap<Option<CategoryId>, Sold<CategoryId>> = HashMap::new();
    for line in lines {
        let nothing = Sold { id: line.category, name: String::new(), quantity: 0, revenue: Cents::ZERO };
        let entry = sold.entry(line.category).or_insert(nothing);
        entry.quantity += u64::from(line.quantity);
        entry.revenue = entry.revenue + line.unit_price.times(line.quantity);
    }
    let mut sold: Vec<_> = sold.into_values().collect();
    sold.sort_by_key(|sold| (std::cmp::Reverse(sold.revenue), sold.id));
    let shares = percentages(&sold.iter().map(|sold| sold.revenue.0).collect::<Vec<_>>());
    sold.into_iter().zip(shares).collect()
}

/// A day at the counter.
#[derive(Clone, Debug, Default)]
pub struct Day {
    /// Its sales.
    pub sum: Sum,
    buyers: HashSet<Buyer>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Buyer {
    Known(CustomerId),
    Address(String),
}

impl Day {
    /// Counts a completed order.
    pub fn add(&mut self, order: &Order) {
        self.sum.add(order.net_sales());
        let address = order.customer_email.clone().map(Buyer::Address);
        self.buyers.extend(address.or(order.customer.map(Buyer::Known)));
    }

    /// How many different buyers are known by name or address.
    pub fn customers(&self) -> usize {
        self.buyers.len()
    }
}

#[cfg(test)]
mod tests;
