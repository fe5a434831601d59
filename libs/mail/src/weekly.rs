//! The weekly report: the figures in the e-mail, the drawn report attached.

use askama::Template;
use domain::{
    member::{Member, Org},
    pos::report::{TOP_PRODUCTS, WeeklyFigures},
};

use crate::{
    File, Letter, WriteError,
    words::{count, first_name, line, money, period, short},
};

#[derive(Template)]
#[template(path = "weekly-report.html")]
struct Html<'a> {
    r: &'a Facts<'a>,
}

#[derive(Template)]
#[template(path = "weekly-report.txt")]
struct Text<'a> {
    r: &'a Facts<'a>,
}

/// What both bodies say, amounts as they are shown.
struct Facts<'a> {
    name: String,
    org: String,
    period: String,
    gross: String,
    /// `210 orders, $12.40 on average`.
    orders: String,
    rows: Vec<(&'static str, String)>,
    /// Name, pieces, amount.
    products: Vec<(String, u64, String)>,
    busiest: Option<String>,
    has_pdf: bool,
    dashboard: &'a str,
}

/// Writes the report of a week to a member, with the drawn one when there is one.
pub fn write(
    member: &Member,
    org: &Org,
    figures: &WeeklyFigures,
    pdf: Option<Vec<u8>>,
    dashboard_url: &str,
) -> Result<Letter, WriteError> {
    let facts = Facts::of(member, org, figures, pdf.is_some(), dashboard_url);
    let file = |bytes| File {
        name: format!("weekly-report-{}.pdf", figures.week),
        content_type: "application/pdf",
        content_id: None,
        bytes,
    };
    Ok(Letter {
        subject: format!("Your week at {}, {}", short(&org.name), facts.period),
        html: Html { r: &facts }.render()?,
        text: Text { r: &facts }.render()?,
        files: pdf.map(file).into_iter().collect(),
    })
}

impl<'a> Facts<'a> {
    fn of(member: &Member, org: &Org, figures: &WeeklyFigures, has_pdf: bool, dashboard: &'a str) -> Self {
        let amount = |cents| money(cents, figures.currency);
        let orders = count(figures.orders, "order");
        let products = figures.top_products.iter().take(TOP_PRODUCTS);
        Facts {
            name: first_name(member),
            org: line(&org.name),
            period: period(figures.week, figures.last_day()),
            gross: amount(figures.gross),
            orders: match figures.orders {
                0 => "No orders this week".to_owned(),
                _ => format!("{orders}, {} on average", amount(figures.average())),
            },
            rows: vec![
                ("Including tips", amount(figures.tips)),
                ("Including tax", amount(figures.tax)),
                ("Refunds", amount(-figures.refunds)),
                ("Fees", amount(-figures.fees)),
                ("Net", amount(figures.net())),
            ],
            products: products.map(|sold| (line(&sold.name), sold.quantity, amount(sold.amount))).collect(),
            busiest: figures.busiest_hour().map(|(hour, orders)| {
                format!("{hour:02}:00–{:02}:00 UTC, {}", (hour + 1) % 24, count(orders, "order"))
            }),
            has_pdf,
            dashboard,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{FOREIGN, figures, member, org};
    use domain::money::Currency;

    const DASHBOARD: &str = "https://portal.example.com";

    fn written(figures: &WeeklyFigures, pdf: Option<Vec<u8>>) -> Letter {
        write(&member(), &org(), figures, pdf, DASHBOARD).unwrap()
    }

    #[test]
    fn the_text_is_the_report() {
        let letter = written(&figures(), None);
        assert_eq!(letter.subject, "Your week at Lemon & Lime, 11–17 January 2027");
        let expected = "\
YOUR WEEK
Lemon & Lime
11–17 January 2027

Hello Ana, this is what you sold:

$4,826.75
213 orders, $22.66 on average

Including tips: $512.40
Including tax: $323.10
Refunds: -$45.00
Fees: -$12.65
Net: $4,769.10
Busiest hour: 18:00–19:00 UTC, 98 orders

SOLD BEST
121 × Grilled cheese: $1,391.50
204 × Lemonade, large: $1,224.00
168 × Oat cookie: $420.00

You get this e-mail because weekly reports are switched on.
Switch them off under https://portal.example.com";
        assert_eq!(letter.text, expected);
        assert!(letter.files.is_empty() && !letter.html.contains("PDF"));
    }

    #[test]
    fn the_html_states_the_same() {
        let letter = written(&figures(), None);
        for fact in ["$4,826.75", "$22.66", "$512.40", "$323.10", "-$45.00", "$4,769.10", "Oat cookie", "18:00–19:00"]
        {
            assert!(letter.html.contains(fact), "{fact}");
        }
    }

    #[test]
    fn what_was_drawn_is_attached() {
        let letter = written(&figures(), Some(b"%PDF-".to_vec()));
        let [file] = &letter.files[..] else { panic!("{} files", letter.files.len()) };
        assert_eq!((file.name.as_str(), file.content_type), ("weekly-report-2027-01-11.pdf", "application/pdf"));
        assert_eq!((file.content_id, file.bytes.as_slice()), (None, b"%PDF-".as_slice()));
        assert!(letter.text.contains("attached as a PDF") && letter.html.contains("attached as a PDF"));
    }

    #[test]
    fn a_week_without_orders() {
        let letter = written(&WeeklyFigures::empty(figures().week, Currency::USD), None);
        assert!(letter.text.contains("\n$0.00\nNo orders this week\n"));
        assert!(!letter.text.contains("Busiest") && !letter.text.contains("SOLD BEST"));
    }

    #[test]
    fn nothing_from_outside_is_html_or_a_header() {
        let mut figures = figures();
        figures.top_products[0].name = FOREIGN.into();
        let (member, org) =
            (Member { name: FOREIGN.into(), first_name: None, ..member() }, Org { name: FOREIGN.into(), ..org() });
        let letter = write(&member, &org, &figures, None, DASHBOARD).unwrap();
        assert!(!letter.html.contains("<script"));
        assert!(!letter.subject.contains('\n') && !letter.text.contains("\nBcc"));
    }
}
