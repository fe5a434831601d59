//! What stands where: heading, tiles, summary and payments side by side, charts, the table of products, small print.

use domain::{
    money::Cents,
    pos::{analytics::Sum, order::Method, report::SalesReport},
    words::{money, number, period},
};

use crate::{
    Heading,
    chart::{self, Bar, Place},
    look::{
        BODY, COLUMN, CREAM, FAINT, FIGURE, INK, KICKER, RULE, SECTION, SMALL, SOFT, STRONG, SUBTITLE, TINY, TITLE,
    },
    page::{Align, Document, HEIGHT, Style, WIDTH},
    series, table,
};

pub(crate) const MARGIN: f32 = 48.0;
/// The right edge of what is drawn.
pub(crate) const RIGHT: f32 = WIDTH - MARGIN;
/// The first line of a page that goes on.
pub(crate) const TOP: f32 = 62.0;
/// Below it is the footer.
pub(crate) const BOTTOM: f32 = HEIGHT - 60.0;

const BAND: f32 = 112.0;
const GAP: f32 = 12.0;
const ROW: f32 = 17.0;

/// The small print.
const NOTES: [&str; 3] = [
    "Days and hours are UTC. A sale counts on the day on which it was made, and so does what was given back of it.",
    "Platform fees are reckoned by the subscription as it is now. Card processing is an estimate: 2.7 % + 0.15 of a card",
    "that was present, 2.9 % + 0.30 of a card's number. What the payment provider really keeps differs by country and card.",
];

/// A report that is being drawn.
pub(crate) struct Layout<'a> {
    document: Document,
    heading: &'a Heading<'a>,
    report: &'a SalesReport,
    period: String,
}

impl<'a> Layout<'a> {
    pub(crate) fn new(heading: &'a Heading<'a>, report: &'a SalesReport) -> Self {
        let period = period(report.days.first, report.days.last);
        Layout { document: Document::new(), heading, report, period }
    }

    pub(crate) fn draw(mut self) -> Vec<u8> {
        self.draw_heading();
        self.draw_tiles(BAND + 20.0);
        if self.report.total.orders == 0 {
            self.draw_nothing();
        } else {
            self.draw_summary(218.0);
            self.draw_methods(218.0);
            let y = self.draw_charts(402.0);
            let end = table::draw(&mut self.document, y, self.report);
            table::note(&mut self.document, end, NOTES);
        }
        self.draw_footers();
        let title = format!("Sales of {}, {}", self.heading.organization, self.period);
        self.document.finish(&title)
    }

    fn money(&self, amount: Cents) -> String {
        money(amount, self.report.currency)
    }

    fn draw_heading(&mut self) {
        let (organization, catalog) = (self.heading.organization, self.heading.catalog);
        let period = match catalog {
            Some(catalog) => format!("{} · {catalog}", self.period),
            None => self.period.clone(),
        };
        let room = RIGHT - MARGIN;
        let mut page = self.document.page();
        page.rect(0.0, 0.0, WIDTH, BAND, INK);
        page.text(MARGIN, 36.0, room, Align::Left, KICKER, "SALES REPORT");
        page.text(MARGIN, 64.0, room, Align::Left, TITLE, organization);
        page.text(MARGIN, 88.0, room, Align::Left, SUBTITLE, &period);
    }

    fn draw_tiles(&mut self, y: f32) {
        let report = self.report;
        let tiles = [
            ("Gross sales", self.money(report.total.revenue)),
            ("Orders", number(report.total.orders.unsigned_abs())),
            ("Average order", self.money(report.total.average())),
            ("Net after refunds and fees", self.money(report.net())),
        ];
        let width = (RIGHT - MARGIN - 3.0 * GAP) / 4.0;
        for (i, (label, figure)) in tiles.iter().enumerate() {
            let x = MARGIN + (width + GAP) * i as f32;
            let mut page = self.document.page();
            page.rect(x, y, width, 56.0, CREAM);
            page.text(x + 10.0, y + 19.0, width - 14.0, Align::Left, SMALL, label);
            page.text_shrunk(x + 10.0, y + 42.0, width - 20.0, FIGURE, figure);
        }
    }

    fn draw_nothing(&mut self) {
        let style = Style { color: SOFT, ..SECTION };
        let mut page = self.document.page();
        page.text(WIDTH / 2.0, 270.0, 400.0, Align::Center, style, "Nothing was sold in this period.");
        page.text(WIDTH / 2.0, 288.0, 400.0, Align::Center, SMALL, "Days are UTC.");
    }

    /// From prices to what is left.
    fn draw_summary(&mut self, y: f32) {
        let report = self.report;
        let refunds = match report.refunded_orders {
            0 => "Refunds".to_owned(),
            orders => format!("Refunds of {}", quantity(orders.unsigned_abs(), "order")),
        };
        let rows = [
            (BODY, "Sold, without tax and tips", self.money(report.subtotal)),
            (BODY, "Tax", self.money(report.tax)),
            (BODY, "Tips", self.money(report.tips)),
            (STRONG, "Gross sales", self.money(report.total.revenue)),
            (BODY, &refunds, self.money(-report.refunds)),
            (BODY, "Platform fees", self.money(-report.platform_fees)),
            (BODY, "Card processing, estimated", self.money(-report.processing_fees)),
            (STRONG, "Net", self.money(report.net())),
        ];
        let width = 240.0;
        let mut page = self.document.page();
        page.text(MARGIN, y, width, Align::Left, SECTION, "Summary");
        page.line(MARGIN, y + 8.0, width, FAINT);
        for (i, (style, label, amount)) in rows.iter().enumerate() {
            let base = y + 20.0 + ROW * i as f32;
            page.text(MARGIN, base, 150.0, Align::Left, *style, label);
            page.text(MARGIN + width, base, 95.0, Align::Right, *style, amount);
            page.line(MARGIN, base + 5.5, width, RULE);
        }
    }

    /// How it was paid, and when most.
    fn draw_methods(&mut self, y: f32) {
        let x = MARGIN + 264.0;
        let width = RIGHT - x;
        let rows: Vec<_> = self.report.methods().map(|(method, sum)| (name(method), sum)).collect();
        let rows: Vec<_> = rows.into_iter().map(|(name, sum)| (name, sum.orders, self.money(sum.revenue))).collect();
        let moments = [("Most orders", self.busiest_hour()), ("Best day", self.best_day())];
        let mut page = self.document.page();
        page.text(x, y, width, Align::Left, SECTION, "Payments");
        page.line(x, y + 8.0, width, FAINT);
        let mut base = y + 20.0;
        for (name, payments, amount) in rows {
            page.text(x, base, 100.0, Align::Left, BODY, name);
            page.text(x + 132.0, base, 40.0, Align::Right, SMALL, &format!("{payments} ×"));
            page.text(x + width, base, 95.0, Align::Right, BODY, &amount);
            page.line(x, base + 5.5, width, RULE);
            base += ROW;
        }
        for (label, moment) in moments {
            let Some(moment) = moment else { continue };
            page.text(x, base + 8.0, 80.0, Align::Left, COLUMN, label);
            page.text(x + width, base + 8.0, width - 80.0, Align::Right, BODY, &moment);
            base += ROW;
        }
    }

    /// `18:00–19:00 UTC, 98 orders`.
    fn busiest_hour(&self) -> Option<String> {
        let hours = self.report.hours.iter().enumerate();
        let (hour, sum) = hours.max_by_key(|(hour, sum)| (sum.orders, std::cmp::Reverse(*hour)))?;
        let orders = quantity(sum.orders.unsigned_abs(), "order");
        Some(format!("{hour:02}:00–{:02}:00 UTC, {orders}", (hour + 1) % 24))
    }

    /// `Sat 6 March, $1,234.00`; nothing where there is but one.
    fn best_day(&self) -> Option<String> {
        let best = |(day, sum): (&_, &Sum)| (sum.revenue, std::cmp::Reverse(*day));
        let (revenue, std::cmp::Reverse(day)) = self.report.by_day.iter().map(best).max()?;
        let several = self.report.days.first != self.report.days.last;
        several.then(|| format!("{}, {}", day.strftime("%a %-d %B"), self.money(revenue)))
    }

    /// By hour, and by day where there are several; answers where they end.
    fn draw_charts(&mut self, mut y: f32) -> f32 {
        let mut charts: Vec<(&str, Vec<Bar>)> = vec![("Sales by hour of the day, UTC", series::hours(self.report))];
        if self.report.days.first != self.report.days.last {
            charts.push(series::days(self.report));
        }
        for (title, bars) in charts {
            let place = Place { x: MARGIN, y: y + 18.0, width: RIGHT - MARGIN, height: 104.0 };
            let mut page = self.document.page();
            page.text(MARGIN, y, 300.0, Align::Left, SECTION, title);
            chart::draw(&mut page, place, &bars, self.report.currency);
            y += 174.0;
        }
        y
    }

    fn draw_footers(&mut self) {
        let count = self.document.page_count();
        let made = self.heading.made_at.strftime("%-d %B %Y, %H:%M UTC");
        let left = format!("{} · {}", self.heading.organization, self.period);
        for number in 0..count {
            let y = HEIGHT - 30.0;
            let mut page = self.document.page_at(number);
            page.line(MARGIN, y - 12.0, RIGHT - MARGIN, RULE);
            page.text(MARGIN, y, 240.0, Align::Left, TINY, &left);
            page.text(RIGHT - 70.0, y, 160.0, Align::Right, TINY, &format!("As of {made}"));
            page.text(RIGHT, y, 60.0, Align::Right, TINY, &format!("Page {} of {count}", number + 1));
        }
    }
}

/// How something was paid, as people say it.
fn name(method: Method) -> &'static str {
    match method {
        Method::TapToPay => "Tap to pay",
        Method::Card => "Card",
        Method::Cash => "Cash",
        Method::Split => "Other",
    }
}

/// `1 order`, `1,234 orders`.
pub(crate) fn quantity(n: u64, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{} {one}s", number(n)) }
}
