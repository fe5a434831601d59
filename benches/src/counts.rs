//! Calls of the database and its units, per step of a ticket's life: counted, not timed.

use domain::{
    mail::{MailKey, MailPolicy},
    tickets::{
        number::OrderNumber,
        payment::{Payment, Provider},
    },
};
use serde_json::Value;

use crate::{
    meter::Cost,
    shop::{Purpose, Shop},
};

/// Prints the table.
pub async fn run() -> anyhow::Result<()> {
    let shop = Shop::open(Purpose::Count).await?;
    let (event, tier) = shop.open_sale(3, 2500).await?;
    println!("| step | database calls | write units | read units |\n|---|---|---|---|");

    let placed = shop.order(&event, &tier, 1).await?;
    row("order (one ticket)", shop.meter.take());
    let number: OrderNumber = text(&placed["order"]["orderNumber"]).parse()?;

    let payment = Payment {
        provider: Provider::Stripe,
        reference: Some("pi_3PqRsTuVwXyZ012345678901".into()),
        amount: None,
        currency: None,
        by: None,
    };
    shop.ctx.till().settle_payment(number, &payment, MailPolicy::Send, None).await?;
    let paid = shop.meter.take();
    row("payment", paid);

    mail::attempt(&shop.ctx, MailKey::Ticket { number }).await?;
    row("e-mail", shop.meter.take());

    shop.check_in(text(&placed["qrCode"])).await?;
    row("check-in by secret", shop.meter.take());
    shop.check_in(text(&placed["qrCode"])).await?;
    row("second scan, refused", shop.meter.take());

    shop.order(&event, &tier, 2).await?;
    shop.meter.take();
    shop.order(&event, &tier, 1).await?;
    row("order when sold out, refused", shop.meter.take());
    println!();
    Ok(())
}

fn row(step: &str, cost: Cost) {
    println!("| {step} | {} | {} | {} |", cost.calls, cost.writes, cost.reads);
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
