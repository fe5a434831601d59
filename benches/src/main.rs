//! Benchmarks, printed as the tables of the README: `cargo bench-table [counts|counter|pages|orders|cold]`.
#![allow(clippy::print_stdout)]

mod cold;
mod counter;
mod counts;
mod link;
mod meter;
mod orders;
mod shop;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|one| one == name);
    if wants("counts") {
        counts::run().await?;
    }
    if wants("counter") {
        counter::run().await?;
    }
    if wants("pages") {
        counter::pages().await?;
    }
    if wants("orders") {
        orders::run().await?;
    }
    if wants("cold") {
        cold::run().await?;
    }
    Ok(())
}
