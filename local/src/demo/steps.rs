//! The steps, in the order in which they are played.

use anyhow::{Context as _, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    http::{Api, must_be, text, wait_for},
    passed,
};

/// Tickets of the event, and the price of one.
const CAPACITY: i64 = 5;
const PRICE: f64 = 37.5;

/// What the steps learn on their way.
pub(super) struct Show {
    api: Api,
    /// What `GET /_local/demo` told.
    demo: Value,
    now: Timestamp,
    /// Makes this run's names its own.
    run: String,
    event: String,
    tier: String,
}

/// An order that was paid.
pub(super) struct Sale {
    number: String,
    id: String,
    secret: String,
    email: String,
    quantity: i64,
}

impl Show {
    /// Finds out what there is to play with.
    pub(super) async fn open(api: Api) -> anyhow::Result<Self> {
        let demo = api.get("/_local/demo").await.context("is a local cloud running there, with its demo data?")?;
        // The cloud's clock may have been set forward.
        let now = text(&api.get("/_local/health").await?, "/now")?.parse().context("the cloud's time")?;
        let run = format!("{:06x}", rand::random::<u32>() >> 8);
        Ok(Self { api, demo, now, run, event: String::new(), tier: String::new() })
    }

    /// An admin signs in, and is who they say.
    pub(super) async fn sign_in(&mut self) -> anyhow::Result<()> {
        let admin = self.demo["users"].as_array().into_iter().flatten().find(|user| {
            user["role"] == "admin" && user["surface"] == "tickets" && user["org_id"] == self.demo["org_id"]
        });
        let (email, password) = match admin {
            Some(admin) => (text(admin, "/email")?, text(admin, "/password")?),
            None => bail!("the demo data has no admin"),
        };
        let session = self.api.post("/tickets/api/auth/login", json!({ "email": email, "password": password })).await?;
        self.api.token = Some(text(&session, "/accessToken")?);
        text(&session, "/refreshToken")?;
        let me = self.api.get_as_staff("/tickets/api/auth/me").await?;
        must_be("who is signed in", &me, "/user/email", email.as_str())?;
        must_be("who is signed in", &me, "/user/role", "admin")?;
        passed(&format!("{email} signs in"))
    }

    /// The admin puts an event on sale, with one tier of [`CAPACITY`].
    pub(super) async fn create_event(&mut self) -> anyhow::Result<()> {
        let date = self.now.to_zoned(TimeZone::UTC).date().saturating_add(14.days());
        let name = format!("Demo Night {}", self.run);
        let event = json!({
            "name": name, "location": "Brooklyn, New York", "venue": "The Glasshouse", "date": date.to_string(),
            "time": "20:00", "status": "active",
            "tiers": [{ "name": "Floor", "price": PRICE, "quantity": CAPACITY, "max_per_order": 4 }],
        });
        let answer = self.api.send_as_staff(Method::POST, "/tickets/api/admin/events", event).await?;
        self.event = text(&answer, "/event/id")?;
        passed(&format!("puts “{name}” on sale, {CAPACITY} tickets at {PRICE:.2}"))
    }

    /// Anybody finds it in the shop.
    pub(super) async fn find_event(&mut self) -> anyhow::Result<()> {
        let list = self.api.get("/tickets/api/events").await?;
        let listed = list["events"].as_array().into_iter().flatten().find(|event| event["id"] == self.event.as_str());
        let listed = listed.context("the event is not in the public list")?;
        must_be("the public list", listed, "/tiers/0/available", CAPACITY)?;
        must_be("the public list", listed, "/tiers/0/price", PRICE)?;
        self.tier = text(listed, "/tiers/0/id")?;
        passed("the shop lists it")
    }

    /// A buyer orders, pays on the payment page, and the webhook confirms it.
    pub(super) async fn sell(&self, name: &str, mailbox: &str, quantity: i64) -> anyhow::Result<Sale> {
        let email = format!("{mailbox}.{}@buyer.example", self.run);
        let answer = self.api.post("/tickets/api/orders", self.order(name, &email, quantity)).await?;
        must_be("a new order", &answer, "/order/status", "pending")?;
        must_be("a new order", &answer, "/order/totalPrice", PRICE * quantity as f64)?;
        let secret = text(&answer, "/qrCode")?;
        if secret.len() != 32 || !secret.bytes().all(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte)) {
            bail!("qrCode must be 32 upper-case hex characters, and is {} characters", secret.len());
        }
        let number = text(&answer, "/order/orderNumber")?;
        self.pay(&text(&answer, "/paymentUrl")?).await?;
        let path = format!("/tickets/api/orders/{number}");
        let order = wait_for(&format!("the payment of {number}"), || async {
            let order = self.api.get(&path).await?;
            Ok((order["order"]["status"] == "paid").then_some(order))
        })
        .await?;
        if order.to_string().contains(&secret) {
            bail!("{path} tells the ticket's secret");
        }
        passed(&format!("{name} orders {quantity}, pays, and {number} is paid by the webhook"))?;
        Ok(Sale { number, id: text(&answer, "/order/id")?, secret, email, quantity })
    }

    fn order(&self, name: &str, email: &str, quantity: i64) -> Value {
        json!({ "eventId": self.event, "tierId": self.tier, "buyerName": name, "buyerEmail": email, "quantity": quantity })
    }

    async fn pay(&self, payment_url: &str) -> anyhow::Result<()> {
        let stripe = text(&self.demo, "/urls/stripe")?;
        let session = payment_url.rsplit('/').next().unwrap_or_default();
        if !payment_url.starts_with(&stripe) || !session.starts_with("cs_") {
            bail!("paymentUrl must be a checkout session at {stripe}, and is {payment_url}");
        }
        let answer = self.api.post(&format!("{stripe}/_local/pay/{session}"), json!({})).await?;
        must_be("the payment page", &answer, "/status", "succeeded")
    }

    /// The ticket's e-mail comes, with its QR code.
    pub(super) async fn read_ticket(&self, sale: &Sale) -> anyhow::Result<()> {
        let path = format!("/_local/mailbox?to={}", sale.email);
        let mail = wait_for(&format!("the e-mail to {}", sale.email), || async {
            Ok(self.api.get(&path).await?.get(0).cloned())
        })
        .await?;
        if !text(&mail, "/subject")?.starts_with("🎫 Your Ticket: ") {
            bail!("the subject is {}", mail["subject"]);
        }
        for body in ["/html", "/text"] {
            if !text(&mail, body)?.contains(&sale.number) {
                bail!("{body} of the e-mail does not tell the order number {}", sale.number);
            }
        }
        must_be("the e-mail", &mail, "/attachments/0/name", "ticket-qr.png")?;
        must_be("the e-mail", &mail, "/attachments/0/type", "image/png")?;
        let picture = STANDARD.decode(text(&mail, "/attachments/0/base64")?).context("the attachment is not base64")?;
        let (width, height) = png_size(&picture).context("the attachment is not a PNG picture")?;
        passed(&format!("the e-mail brings a QR code, {width} × {height}, of {} bytes", picture.len()))
    }

    /// One scan lets in, the next is refused.
    pub(super) async fn check_in(&self, sale: &Sale) -> anyhow::Result<()> {
        let scan = json!({ "qr_code": sale.secret });
        // The index that knows secrets may lag by milliseconds.
        let admission = wait_for("the ticket to be known at the door", || async {
            match self.api.post("/tickets/api/checkin", scan.clone()).await {
                Ok(admission) => Ok(Some(admission)),
                Err(error) if error.to_string().contains("ORDER_NOT_FOUND") => Ok(None),
                Err(error) => Err(error),
            }
        })
        .await?;
        must_be("the scan", &admission, "/ticket/id", sale.number.as_str())?;
        must_be("the scan", &admission, "/ticket/quantity", sale.quantity)?;
        passed("the door lets the ticket in")?;
        self.api.refused("/tickets/api/checkin", scan, "ALREADY_CHECKED_IN").await?;
        passed("and refuses it when it comes again")
    }

    /// Nothing is left, and nobody gets more.
    pub(super) async fn be_sold_out(&self) -> anyhow::Result<()> {
        self.must_have_left(0).await?;
        let order = self.order("Late Comer", &format!("late.{}@buyer.example", self.run), 1);
        self.api.refused("/tickets/api/orders", order, "SOLD_OUT").await?;
        passed(&format!("all {CAPACITY} are sold, and the next buyer is told SOLD_OUT"))
    }

    async fn must_have_left(&self, left: i64) -> anyhow::Result<()> {
        let event = self.api.get(&format!("/tickets/api/events/{}", self.event)).await?;
        must_be("the event", &event, "/event/tiers/0/available", left)?;
        must_be("the event", &event, "/event/tiers/0/sold", CAPACITY - left)
    }

    /// The admin refunds an order, and its tickets are for sale again.
    pub(super) async fn refund(&self, sale: &Sale) -> anyhow::Result<()> {
        let path = format!("/tickets/api/admin/orders/{}/status", sale.id);
        self.api.send_as_staff(Method::PUT, &path, json!({ "status": "refunded" })).await?;
        let order = self.api.get(&format!("/tickets/api/orders/{}", sale.number)).await?;
        must_be("the refunded order", &order, "/order/status", "refunded")?;
        self.must_have_left(sale.quantity).await?;
        self.api.refused("/tickets/api/checkin", json!({ "qr_code": sale.secret }), "NOT_PAID").await?;
        passed(&format!("{} is refunded: {} tickets are back, and it opens no door", sale.number, sale.quantity))
    }

    /// The admin's figures are what was done here.
    pub(super) async fn agree_on_figures(&self, paid: &[&Sale], refunded: &[&Sale]) -> anyhow::Result<()> {
        let tickets: i64 = paid.iter().map(|sale| sale.quantity).sum();
        let path = format!("/tickets/api/admin/stats?eventId={}", self.event);
        // The stream's consumer counts entries, a moment after the door let them in.
        let answer = wait_for("the count of the entry", || async {
            let answer = self.api.get_as_staff(&path).await?;
            Ok((answer["stats"]["checkedIn"] == 1).then_some(answer))
        })
        .await?;
        let stats = |pointer: &str, wanted: Value| must_be("the figures", &answer, pointer, wanted);
        stats("/stats/orders/paid", paid.len().into())?;
        stats("/stats/orders/refunded", refunded.len().into())?;
        stats("/stats/orders/pending", 0.into())?;
        stats("/stats/ticketsSold", tickets.into())?;
        stats("/stats/revenue", (PRICE * tickets as f64).into())?;
        passed(&format!("the figures agree: {tickets} tickets, {:.2}, one entry", PRICE * tickets as f64))
    }
}

/// Width and height, from the header of a PNG file that can be read to its end.
fn png_size(file: &[u8]) -> Option<(u32, u32)> {
    let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().ok()?;
    let mut pixels = vec![0; reader.output_buffer_size()?];
    let picture = reader.next_frame(&mut pixels).ok()?;
    Some((picture.width, picture.height))
}
