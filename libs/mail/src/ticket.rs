//! The ticket e-mail: what it says, in HTML and in text, with its QR code (contract §6, §13).

use askama::Template;
use domain::tickets::{event::Event, order::Order, secret::TicketSecret};

use crate::{File, Letter, WriteError, qr, words::line};

/// Name of the attached picture.
pub const QR_FILE: &str = "ticket-qr.png";

/// By this id the HTML refers to the picture, `cid:qrcode`.
pub const QR_CONTENT_ID: &str = "qrcode";

/// What both bodies say, each fact on one line.
struct Facts {
    event: String,
    date: String,
    time: String,
    place: String,
    tier: String,
    quantity: String,
    buyer: String,
    number: String,
    total: String,
    admits: String,
}

#[derive(Template)]
#[template(path = "ticket.html")]
struct Html<'a> {
    t: &'a Facts,
}

#[derive(Template)]
#[template(path = "ticket.txt")]
struct Text<'a> {
    t: &'a Facts,
}

/// Writes the e-mail of a paid order. Day, hour and place are the event's as it is now, also when it was moved after the
/// order; the tier is the order's, since the event may not sell it any more. The HTML shows the picture as `cid:qrcode`.
pub fn write(order: &Order, event: &Event, secret: &TicketSecret) -> Result<Letter, WriteError> {
    let facts = Facts::of(order, event);
    let picture = File {
        name: QR_FILE.to_owned(),
        content_type: "image/png",
        content_id: Some(QR_CONTENT_ID),
        bytes: qr::ticket_png(order.number, secret, &facts.event, &facts.tier)?,
    };
    Ok(Letter {
        subject: format!("🎫 Your Ticket: {}", facts.event),
        html: Html { t: &facts }.render()?,
        text: Text { t: &facts }.render()?,
        files: vec![picture],
    })
}

impl Facts {
    /// What both bodies list, by label.
    fn rows(&self) -> [(&'static str, &str); 5] {
        [
            ("Name", &self.buyer),
            ("Ticket", &self.tier),
            ("Quantity", &self.quantity),
            ("Total", &self.total),
            ("Order", &self.number),
        ]
    }

    fn of(order: &Order, event: &Event) -> Self {
        let place = match event.venue.as_deref().map(line).filter(|venue| !venue.is_empty()) {
            Some(venue) => format!("{venue}, {}", line(&event.location)),
            None => line(&event.location),
        };
        Facts {
            event: line(&event.name),
            date: event.date.strftime("%A, %-d %B %Y").to_string(),
            time: event.time.strftime("%H:%M").to_string(),
            place,
            tier: line(&order.tier_name),
            quantity: order.quantity.to_string(),
            buyer: line(&order.buyer.name),
            number: order.number.to_string(),
            total: format!("{} {}", order.currency, order.total),
            admits: match order.quantity {
                1 => "One scan admits one person.".to_owned(),
                n => format!("One scan admits all {n} people: please arrive together."),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{
        ids::{EventId, OrgId, TierId},
        money::{Cents, Currency},
        tickets::{
            event::{EventKind, EventStatus, Tier},
            number::OrderNumber,
            order::{Buyer, NewOrder, Origin},
        },
    };
    use jiff::{Timestamp, civil};

    fn event() -> Event {
        let tier = Tier {
            id: TierId::from_random([2; 16]),
            name: "General".into(),
            description: String::new(),
            price: Cents(2550),
            currency: Currency::USD,
            quantity: 50,
            max_per_order: 10,
            payment_link: None,
            is_active: true,
            sale_starts_at: None,
            sale_ends_at: None,
        };
        Event {
            id: EventId::from_random([1; 16]),
            org: OrgId::from_random([3; 16]),
            name: "Summer Night".into(),
            slug: "summer-night".into(),
            location: "Guatemala City".into(),
            venue: Some("Casa Verde".into()),
            date: civil::date(2026, 12, 24),
            time: civil::time(21, 5, 0, 0),
            description: None,
            kind: EventKind::Party,
            main_artist: None,
            artists: vec![],
            image: None,
            min_age: 18,
            status: EventStatus::Active,
            is_featured: false,
            hold_minutes: 15,
            tiers: vec![tier],
            retired: vec![],
            version: 1,
            created_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn write(event: &Event, name: &str, quantity: u32) -> Letter {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let buyer =
            Buyer { name: name.into(), email: "ana@example.com".into(), phone: None, country: None, nationality: None };
        let order = Order::new(NewOrder {
            number: OrderNumber::new(now, 7),
            event,
            tier: &event.tiers[0],
            quantity,
            buyer,
            payment_method: None,
            origin: Origin::default(),
            fingerprint: None,
            key_id: "k1".into(),
            now,
        });
        let secret = TicketSecret::parse("0123456789ABCDEF0123456789ABCDEF").unwrap();
        super::write(&order, event, &secret).unwrap()
    }

    #[test]
    fn both_bodies_state_all_facts() {
        let mail = write(&event(), "Ana López", 2);
        assert_eq!(mail.subject, "🎫 Your Ticket: Summer Night");
        for fact in [
            "Summer Night",
            "Thursday, 24 December 2026",
            "21:05",
            "Casa Verde, Guatemala City",
            "General",
            "2",
            "Ana López",
            "HP270115-00000007",
            "USD 51.00",
            "One scan admits all 2 people",
        ] {
            assert!(mail.html.contains(fact), "html: {fact}");
            assert!(mail.text.contains(fact), "text: {fact}");
        }
        assert!(mail.html.contains("src=\"cid:qrcode\""));
        assert!(!mail.text.contains('<'));
        assert!(mail.text.contains("\nTotal: USD 51.00\nOrder: HP270115-00000007\n\nShow the"));
        assert!(write(&event(), "Ana", 1).text.contains("One scan admits one person."));
    }

    #[test]
    fn the_secret_is_in_the_picture_only() {
        let mail = write(&event(), "Ana", 1);
        assert!(!mail.html.contains("0123456789ABCDEF") && !mail.text.contains("0123456789ABCDEF"));
    }

    #[test]
    fn nothing_from_outside_is_html_or_a_header() {
        let mut event = event();
        event.name = "<script>alert(1)</script>\r\nBcc: all@example.com\u{0}".into();
        event.venue = Some("\" onload=\"x".into());
        event.tiers[0].name = "A & B".into();
        let mail = write(&event, "<img src=x>", 1);
        assert_eq!(mail.subject, "🎫 Your Ticket: <script>alert(1)</script> Bcc: all@example.com");
        for foreign in ["<script", "<img src=x", "\" onload"] {
            assert!(!mail.html.contains(foreign), "{foreign}");
        }
        assert!(mail.text.contains("A & B"), "text is not escaped");
        assert!(!mail.text.contains("\nBcc"));
    }

    #[test]
    fn long_names_stay_below_what_mail_clients_cut_off() {
        let mut event = event();
        event.name = "&".repeat(5000);
        event.venue = None;
        event.location = "語".repeat(5000);
        event.tiers[0].name = "<".repeat(5000);
        let mail = write(&event, &"'".repeat(5000), 1);
        assert!(mail.html.len() < 100_000, "{} bytes", mail.html.len());
        assert!(mail.subject.chars().count() < 250 && mail.subject.ends_with('…'));
    }
}
