//! The steps at the counter: a menu, cash, a card, a phone that was offline, a refund (contract `pos.md` §18).

use anyhow::{Context as _, bail};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    http::{Api, must_be, text, wait_for},
    menu::{create_menu, sign_in},
    passed,
};

/// What the steps learn on their way.
pub(super) struct Counter {
    api: Api,
    /// Makes this run's names its own.
    run: String,
    catalog: String,
    /// The first of the menu: `catalog_products` as the app reads them.
    product: Value,
}

impl Counter {
    /// The owner signs in and the app starts: it wants to take cards.
    pub(super) async fn open(mut api: Api) -> anyhow::Result<Self> {
        let demo = api.get("/_local/demo").await?;
        let session = sign_in(&mut api, &demo, "superadmin").await?;
        let me = api.get_as_staff("/pos/auth/me").await?;
        must_be("who is at the counter", &me, "/role", "owner")?;
        let org = text(&session, "/organization/id")?;
        let organization = api.get_as_staff(&format!("/pos/organizations/{org}")).await?;
        must_be("the organization", &organization, "/id", org)?;
        let status = api.get_as_staff("/pos/stripe/connect/status").await?;
        must_be("the account at Stripe", &status, "/chargesEnabled", true)?;
        passed(&format!("{} opens the counter of {}", text(&me, "/email")?, text(&organization, "/name")?))?;
        let run = format!("{:06x}", rand::random::<u32>() >> 8);
        Ok(Self { api, run, catalog: String::new(), product: Value::Null })
    }

    /// A catalog with things to sell.
    pub(super) async fn write_menu(&mut self) -> anyhow::Result<()> {
        let name = format!("Demo Stand {}", self.run);
        self.catalog = create_menu(&self.api, &name).await?;
        let menu = self.api.get_as_staff(&format!("/pos/catalogs/{}/products", self.catalog)).await?;
        self.product = menu.get(0).cloned().context("the menu is empty")?;
        passed(&format!("writes the menu of “{name}”, {} things", menu.as_array().map_or(0, Vec::len)))
    }

    /// An order of the first of the menu, twice, with 8.25 % of tax and a tip of a dollar.
    fn order(&self, method: &str) -> anyhow::Result<Value> {
        let price = self.product["price"].as_i64().context("the menu has no price")?;
        let subtotal = 2 * price;
        let tax = (subtotal * 825 + 5000) / 10_000;
        Ok(json!({
            "catalogId": self.catalog, "paymentMethod": method,
            "items": [{ "productId": self.product["productId"], "catalogProductId": self.product["id"],
                "name": self.product["product"]["name"], "quantity": 2, "unitPrice": price }],
            "subtotal": subtotal, "taxAmount": tax, "tipAmount": 100, "totalAmount": subtotal + tax + 100,
        }))
    }

    /// Twenty dollars for it, and the right change.
    pub(super) async fn sell_for_cash(&self) -> anyhow::Result<()> {
        let order = self.api.send_as_staff(Method::POST, "/pos/orders", self.order("cash")?).await?;
        must_be("a new order", &order, "/status", "pending")?;
        let total = order["totalAmount"].as_i64().context("the order has no total")?;
        let path = format!("/pos/orders/{}/complete-cash", text(&order, "/id")?);
        let sold = self.api.send_as_staff(Method::POST, &path, json!({ "cashTendered": 2000 })).await?;
        must_be("the cash order", &sold, "/order/status", "completed")?;
        must_be("the change", &sold, "/changeAmount", 2000 - total)?;
        passed(&format!("sells {} for cash: {} is the change of 20.00", dollars(total), dollars(2000 - total)))
    }

    /// A card is tapped; Stripe's signed webhook or the app's look, whichever comes first, completes the order.
    pub(super) async fn sell_by_card(&self) -> anyhow::Result<String> {
        let order = self.api.send_as_staff(Method::POST, "/pos/orders", self.order("tap_to_pay")?).await?;
        let (id, total) = (text(&order, "/id")?, order["totalAmount"].as_i64().context("the order has no total")?);
        let intent = json!({ "amount": total as f64 / 100.0, "metadata": { "orderId": id } });
        let intent = self.api.send_as_staff(Method::POST, "/pos/stripe/terminal/payment-intent", intent).await?;
        must_be("the card payment", &intent, "/amount", total)?;
        let intent = text(&intent, "/id")?;
        let linked = json!({ "stripePaymentIntentId": intent });
        let path = format!("/pos/orders/{id}/payment-intent");
        let order = self.api.send_as_staff(Method::PATCH, &path, linked).await?;
        must_be("the order at the reader", &order, "/status", "processing")?;
        let path = format!("/pos/stripe/terminal/payment-intent/{intent}/simulate");
        let paid = self.api.send_as_staff(Method::POST, &path, json!({})).await?;
        must_be("the card", &paid, "/status", "succeeded")?;
        let path = format!("/pos/orders/{id}");
        wait_for(&format!("the payment of {id}"), || async {
            let order = self.api.get_as_staff(&path).await?;
            Ok((order["status"] == "completed").then_some(()))
        })
        .await?;
        passed(&format!("sells {} by card, and Stripe's word completes the order", dollars(total)))?;
        Ok(id)
    }

    /// The buyer of it wants a receipt.
    pub(super) async fn send_receipt(&self, order: &str) -> anyhow::Result<()> {
        let email = format!("receipt.{}@buyer.example", self.run);
        let path = format!("/pos/stripe/connect/transactions/{order}/send-receipt");
        self.api.send_as_staff(Method::POST, &path, json!({ "email": email })).await?;
        let mail = wait_for(&format!("the receipt to {email}"), || async {
            Ok(self.api.get(&format!("/_local/mailbox?to={email}")).await?.get(0).cloned())
        })
        .await?;
        passed(&format!("mails the receipt: “{}”", text(&mail, "/subject")?))
    }

    /// A phone that was offline sends one order twice: it is one order.
    pub(super) async fn send_twice(&self) -> anyhow::Result<()> {
        let (key, order) = (format!("demo-{}", self.run), self.order("cash")?);
        let first = self.api.send_once("/pos/orders", order.clone(), &key).await?;
        let second = self.api.send_once("/pos/orders", order, &key).await?;
        must_be("the order that was sent twice", &second, "/id", text(&first, "/id")?)?;
        let path = format!("/pos/orders/{}", text(&first, "/id")?);
        self.api.send_as_staff(Method::DELETE, &path, Value::Null).await?;
        passed(&format!("takes {} once, though it was sent twice", text(&first, "/orderNumber")?))
    }

    /// A dollar goes back, and then what is left; more is refused.
    pub(super) async fn refund(&self, order: &str) -> anyhow::Result<()> {
        let path = format!("/pos/stripe/connect/transactions/{order}");
        let (refund, some) = (format!("{path}/refund"), json!({ "amount": 100, "reason": "requested_by_customer" }));
        self.api.send_as_staff(Method::POST, &refund, some).await?;
        must_be("a refund in part", &self.api.get_as_staff(&path).await?, "/status", "partially_refunded")?;
        self.api.send_as_staff(Method::POST, &refund, json!({})).await?;
        let transaction = self.api.get_as_staff(&path).await?;
        must_be("the refund of the rest", &transaction, "/status", "refunded")?;
        must_be("what went back", &transaction, "/amountRefunded", transaction["amount"].clone())?;
        passed("gives back a dollar, and then the rest of it")
    }

    /// What the app lists is what was sold here.
    pub(super) async fn agree_on_sales(&self, refunded: &str) -> anyhow::Result<()> {
        let path = format!("/pos/stripe/connect/transactions?limit=25&status=all&catalog_id={}", self.catalog);
        let list = self.api.get_as_staff(&path).await?;
        let sales = list["data"].as_array().context("no list of transactions")?;
        let of = |status: &str| sales.iter().filter(|sale| sale["status"] == status).collect::<Vec<_>>();
        let (kept, given_back) = (of("succeeded"), of("refunded"));
        if (sales.len(), kept.len(), given_back.len()) != (2, 1, 1) || given_back[0]["id"] != refunded {
            bail!("the transactions must be one for cash, and the card's, refunded: {list}");
        }
        passed("the list has both sales, one of them refunded")
    }
}

/// Cents, for people.
fn dollars(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}
