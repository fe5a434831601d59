//! `cargo run`: the whole cloud in one process.

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    local::cli::run().await
}
