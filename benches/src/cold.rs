//! Cold starts: from exec to the first question for work, against a stand-in of the Runtime API, beside a hello-world.
//!
//! Of the binaries as they are deployed, where `cargo zip` has left them (unzipped), or of `cargo build --release`: the newer.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use axum::{Router, routing::any};
use tokio::{net::TcpListener, process::Command, sync::Notify};

const RUNS: usize = 31;

/// Prints a line per function. Runs of all functions alternate, so that a slow minute of the machine hits them alike.
pub async fn run() -> anyhow::Result<()> {
    let names = std::iter::once("hello").chain(local::functions::registry().into_keys());
    let binaries: Vec<(&str, PathBuf)> = names.filter_map(|name| Some((name, binary_of(name)?))).collect();
    anyhow::ensure!(
        binaries.len() > 1 && binaries[0].0 == "hello",
        "build first: cargo build --release --workspace --bins"
    );

    let asked = Arc::new(Notify::new());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let api = listener.local_addr()?.to_string();
    let notify = asked.clone();
    // Every path of the Runtime API waits: asking for work is the end of a cold start.
    let silent = Router::new().fallback(any(move || {
        notify.notify_one();
        std::future::pending::<()>()
    }));
    tokio::spawn(async move { axum::serve(listener, silent).await });

    let mut runs: Vec<Vec<(f64, f64)>> = vec![vec![]; binaries.len()];
    for _ in 0..RUNS {
        for (i, (name, binary)) in binaries.iter().enumerate() {
            runs[i].push(start(binary, &api, &asked).await.context(*name)?);
        }
    }
    println!("| function | ready after | × hello-world | peak memory | binary |\n|---|---|---|---|---|");
    let hello = median(runs[0].iter().map(|run| run.0));
    for ((name, binary), runs) in binaries.iter().zip(&runs) {
        let ready = median(runs.iter().map(|run| run.0));
        let memory = median(runs.iter().map(|run| run.1));
        let size = std::fs::metadata(binary)?.len() as f64 / 1e6;
        println!("| {name} | {ready:.1} ms | {:.2} | {memory:.1} MB | {size:.1} MB |", ready / hello);
    }
    println!();
    Ok(())
}

fn binary_of(name: &str) -> Option<PathBuf> {
    let deployed = Path::new("target/lambda").join(name).join("bootstrap");
    let built = |binary: &PathBuf| std::fs::metadata(binary).and_then(|file| file.modified()).ok();
    let both = [deployed, Path::new("target/release").join(name)];
    both.into_iter().filter(|binary| built(binary).is_some()).max_by_key(built)
}

/// Milliseconds until it asks for work, and its peak memory in MB then.
async fn start(binary: &PathBuf, api: &str, asked: &Notify) -> anyhow::Result<(f64, f64)> {
    let mut command = Command::new(binary);
    command.env_clear().envs(environment(api)).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let begin = Instant::now();
    let mut child = command.spawn()?;
    tokio::time::timeout(Duration::from_secs(5), asked.notified()).await.context("never asked for work")?;
    let ready = begin.elapsed().as_secs_f64() * 1000.0;
    let id = child.id().context("ended at once")?;
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let peak =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.trim().parse().ok());
    child.kill().await?;
    Ok((ready, peak.unwrap_or(0.0) / 1000.0))
}

fn environment(api: &str) -> Vec<(String, String)> {
    let settings = [
        ("TABLE_NAME", "fairground"),
        ("EMAIL_QUEUE_URL", "http://127.0.0.1:9/0/email"),
        ("EXPIRY_QUEUE_URL", "http://127.0.0.1:9/0/expiry"),
        ("PAYMENTS_QUEUE_URL", "http://127.0.0.1:9/0/payments"),
        ("PAYOUTS_QUEUE_URL", "http://127.0.0.1:9/0/payouts"),
        ("REPORTS_QUEUE_URL", "http://127.0.0.1:9/0/reports"),
        ("WEBHOOKS_QUEUE_URL", "http://127.0.0.1:9/0/webhooks"),
        ("BUCKET_NAME", "media"),
        ("MEDIA_URL", "http://127.0.0.1:9/media"),
        ("PUBLIC_URL", "http://127.0.0.1:9"),
        ("USER_POOL_ID", "eu-central-1_x"),
        ("USER_POOL_CLIENT_ID", "client"),
        ("USER_POOL_CLIENT_SECRET", "secret"),
        ("TOKEN_ISSUER", "http://127.0.0.1:9/pool"),
        ("TICKETS_ORG_ID", "8f5f6f0e-6f43-4d4e-9a4e-0c6f4b1b7a01"),
        ("QR_KEYS", "k1:000102030405060708090a0b0c0d0e0f"),
        ("UPLOAD_SECRET", "secret"),
        ("STRIPE_SECRET_KEY", "sk_test_x"),
        ("SERVICE_TOKEN_KEYS", "k1:0123456789abcdef0123456789abcdef"),
        ("AWS_ACCESS_KEY_ID", "x"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_LAMBDA_RUNTIME_API", api),
        ("AWS_LAMBDA_FUNCTION_NAME", "bench"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "bench"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "bench"),
    ];
    settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
