//! The table of products, over as many pages as it needs, its heading on each.

use domain::{
    money::{Cents, Currency},
    pos::report::SalesReport,
    words::{money, number},
};

use crate::{
    MAX_PRODUCTS,
    layout::{BOTTOM, MARGIN, RIGHT, TOP, quantity},
    look::{BODY, COLUMN, FAINT, INK, RULE, SECTION, SMALL, SOFT, STRONG},
    page::{Align, Document, Style},
};

/// Height of a row.
const ROW: f32 = 16.0;

/// Height of the small print.
const NOTE: f32 = 46.0;

/// Right edges of the columns after the name.
const QUANTITY: f32 = RIGHT - 170.0;
const AMOUNT: f32 = RIGHT - 62.0;

/// The table, where it is being drawn.
pub(crate) struct Table<'a> {
    document: &'a mut Document,
    y: f32,
    currency: Currency,
    whole: Cents,
}

/// Draws the table below `y`; answers where it ends.
pub(crate) fn draw(document: &mut Document, y: f32, report: &SalesReport) -> f32 {
    let mut table = Table { document, y, currency: report.currency, whole: report.subtotal };
    // A heading alone at the foot of a page is of no use.
    if table.y + 6.0 * ROW > BOTTOM {
        table.turn();
    }
    table.head("Products");
    let (named, others) = report.products(MAX_PRODUCTS);
    for sold in &named {
        table.row(BODY, &sold.name, Some(sold.quantity), sold.amount);
    }
    if others.products > 0 {
        let name = quantity(others.products as u64, "other product");
        table.row(BODY, &name, Some(others.quantity), others.amount);
    }
    if report.quick_charges.orders > 0 {
        let charges = u64::try_from(report.quick_charges.orders).unwrap_or_default();
        table.row(BODY, "Quick charges, without products", Some(charges), report.quick_charges.revenue);
    }
    if !report.adjustments.is_zero() {
        table.row(BODY, "Discounts and adjustments", None, report.adjustments);
    }
    table.total(report.subtotal);
    table.y
}

impl Table<'_> {
    fn turn(&mut self) {
        self.document.add_page();
        self.y = TOP;
    }

    fn head(&mut self, title: &str) {
        let mut page = self.document.page();
        page.text(MARGIN, self.y, 300.0, Align::Left, SECTION, title);
        self.y += 20.0;
        page.text(MARGIN, self.y, 200.0, Align::Left, COLUMN, "Product");
        for (x, name) in [(QUANTITY, "Quantity"), (AMOUNT, "Amount"), (RIGHT, "Share")] {
            page.text(x, self.y, 90.0, Align::Right, COLUMN, name);
        }
        self.y += 6.0;
        page.line(MARGIN, self.y, RIGHT - MARGIN, FAINT);
    }

    /// Turns the page when less than this is left of it.
    fn make_room(&mut self, height: f32) {
        if self.y + height > BOTTOM {
            self.turn();
            self.head("Products, continued");
        }
    }

    fn row(&mut self, style: Style, name: &str, pieces: Option<u64>, amount: Cents) {
        self.make_room(ROW);
        let share = share(amount, self.whole);
        let amount = money(amount, self.currency);
        let base = self.y + 11.0;
        let mut page = self.document.page();
        page.text(MARGIN, base, QUANTITY - MARGIN - 60.0, Align::Left, style, name);
        if let Some(pieces) = pieces {
            page.text(QUANTITY, base, 90.0, Align::Right, style, &number(pieces));
        }
        page.text(AMOUNT, base, 100.0, Align::Right, style, &amount);
        page.text(RIGHT, base, 60.0, Align::Right, Style { color: SOFT, ..style }, &share);
        self.y += ROW;
        page.line(MARGIN, self.y, RIGHT - MARGIN, RULE);
    }

    /// The last row, on the page that the small print is on.
    fn total(&mut self, subtotal: Cents) {
        self.make_room(ROW + NOTE);
        self.row(STRONG, "Total, without tax and tips", None, subtotal);
        self.document.page().line(MARGIN, self.y - ROW, RIGHT - MARGIN, INK);
    }
}

/// Percent of the whole with one digit behind the point, rounded half up; nothing where there is no whole.
fn share(amount: Cents, whole: Cents) -> String {
    if whole <= Cents::ZERO {
        return String::new();
    }
    let (amount, whole) = (i128::from(amount.0), i128::from(whole.0));
    let tenths = (2000 * amount + whole).div_euclid(2 * whole);
    let sign = if tenths < 0 { "-" } else { "" };
    format!("{sign}{}.{} %", tenths.abs() / 10, tenths.abs() % 10)
}

/// Small print below the table, which leaves room for it.
pub(crate) fn note(document: &mut Document, y: f32, lines: [&str; 3]) {
    for (line, y) in lines.iter().zip([y + 20.0, y + 31.0, y + 42.0]) {
        document.page().text(MARGIN, y, RIGHT - MARGIN, Align::Left, SMALL, line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_rounded_half_up() {
        let share = |amount, whole| super::share(Cents(amount), Cents(whole));
        assert_eq!([share(1, 3), share(2, 3), share(1, 2000), share(-5, 100)], ["33.3 %", "66.7 %", "0.1 %", "-5.0 %"]);
        assert_eq!((share(7, 7).as_str(), share(0, 0).as_str()), ("100.0 %", ""));
    }
}
