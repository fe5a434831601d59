//! `cargo run -- demo`: the main flows over HTTP, each step checked: tickets, as an organizer, a buyer and a doorman would
//! walk it, and the counter, as its app does.
//!
//! It knows nothing of the process it speaks to but what `GET /_local/demo` tells, so that it plays against a cloud that
//! runs already as well as against one that was started for it.

mod counter;
mod http;
mod menu;
mod steps;

use std::io::Write as _;

pub use self::menu::ensure_menu;
use self::{counter::Counter, http::Api, steps::Show};

/// Plays the flows against the cloud at `url` (no slash at the end), and prints a line per step. The first step whose
/// outcome is not as it must be is the error.
pub async fn run(url: &str) -> anyhow::Result<()> {
    let began = std::time::Instant::now();
    let mut show = Show::open(Api::new(url)?).await?;
    say(&format!("Playing against {url}"))?;
    show.sign_in().await?;
    show.create_event().await?;
    show.find_event().await?;
    let first = show.sell("Ada Lovelace", "ada", 1).await?;
    show.read_ticket(&first).await?;
    show.check_in(&first).await?;
    let second = show.sell("Grace Hopper", "grace", 2).await?;
    let third = show.sell("Mary Seacole", "mary", 2).await?;
    show.be_sold_out().await?;
    show.refund(&second).await?;
    show.agree_on_figures(&[&first, &third], &[&second]).await?;
    let mut counter = Counter::open(Api::new(url)?).await?;
    counter.write_menu().await?;
    counter.sell_for_cash().await?;
    let order = counter.sell_by_card().await?;
    counter.send_receipt(&order).await?;
    counter.send_twice().await?;
    counter.refund(&order).await?;
    counter.agree_on_sales(&order).await?;
    say(&format!("All of it holds, in {:.1} s.", began.elapsed().as_secs_f64()))
}

/// A line of progress.
fn say(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout().lock(), "{line}")?;
    Ok(())
}

/// A step that went as it must.
fn passed(step: &str) -> anyhow::Result<()> {
    say(&format!("  ✓ {step}"))
}
