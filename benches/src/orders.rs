//! Orders per second and processor time per order, everything in this process: function, SDK, wire, embedded database.

use std::{fs, time::Instant};

use futures_util::{StreamExt, stream};

use crate::shop::{Purpose, Shop};

const ORDERS: usize = 3000;
const CONCURRENCY: usize = 16;

/// Prints the figures.
pub async fn run() -> anyhow::Result<()> {
    let shop = Shop::open(Purpose::Time).await?;
    let (event, tier) = shop.open_sale(1_000_000, 2500).await?;
    for _ in 0..200 {
        shop.order(&event, &tier, 1).await?;
    }
    let (wall, cpu) = (Instant::now(), cpu_seconds()?);
    let placed = stream::iter(0..ORDERS)
        .map(|_| shop.order(&event, &tier, 1))
        .buffer_unordered(CONCURRENCY)
        .filter(|answer| std::future::ready(answer.as_ref().is_ok_and(|answer| answer["success"] == true)))
        .count()
        .await;
    let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu_seconds()? - cpu);
    anyhow::ensure!(placed == ORDERS, "only {placed} of {ORDERS} orders were placed");
    println!("| orders | per second | processor time per order |\n|---|---|---|");
    println!("| {ORDERS} | {:.0} | {:.2} ms |\n", ORDERS as f64 / wall, cpu * 1000.0 / ORDERS as f64);
    Ok(())
}

/// User and system time of this process so far.
fn cpu_seconds() -> anyhow::Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
    Ok((ticks(11) + ticks(12)) / 100.0)
}
