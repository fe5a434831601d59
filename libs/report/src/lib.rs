//! Draws a report of sales as a PDF: A4, vectors and the readers' own Helvetica, so that it is small and needs no font file.
//!
//! The same input is the same bytes. `layout` says what stands where, `page` and `chart` draw, `text` brings names from
//! anywhere into the one byte per character that the font knows.

mod chart;
mod layout;
mod look;
mod page;
mod series;
mod table;
mod text;
mod widths;

use domain::pos::report::SalesReport;
use jiff::Timestamp;

/// Products that are listed by name at most; all others are one row.
pub const MAX_PRODUCTS: usize = 500;

/// What a report says besides its figures.
#[derive(Clone, Copy, Debug)]
pub struct Heading<'a> {
    /// Who sells.
    pub organization: &'a str,
    /// The one catalog that it is of.
    pub catalog: Option<&'a str>,
    /// When it was reckoned.
    pub made_at: Timestamp,
}

/// Draws a report.
pub fn draw(heading: &Heading<'_>, report: &SalesReport) -> Vec<u8> {
    layout::Layout::new(heading, report).draw()
}
