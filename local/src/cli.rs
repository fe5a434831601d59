//! The command line: `cargo run`, `cargo run -- demo`, `cargo run -- openapi`.

use std::{
    collections::BTreeMap,
    io::{IsTerminal as _, Write as _},
    path::PathBuf,
};

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use tracing_subscriber::{Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::{
    aws::Data,
    cloud::{Cloud, Options},
    demo, secrets,
};

/// Fairground, the whole cloud in one process.
#[derive(Debug, Parser)]
#[command(name = "fairground", version)]
struct Cli {
    #[command(flatten)]
    run: Run,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Args)]
struct Run {
    /// Port of the API and of the control page; AWS is on the next, Stripe on the one after.
    #[arg(long, default_value_t = 3300)]
    port: u16,
    /// Keep nothing on disk.
    #[arg(long, conflicts_with_all = ["reset", "data"])]
    memory: bool,
    /// Delete what is kept, and start over.
    #[arg(long)]
    reset: bool,
    /// Where data is kept.
    #[arg(long, default_value = ".local")]
    data: PathBuf,
    /// No rate limits, for load.
    #[arg(long)]
    no_rate_limit: bool,
    /// No demo data.
    #[arg(long)]
    no_demo: bool,
    /// Send events to a running `cargo lambda watch` at this URL (http://127.0.0.1:9000) instead of functions in this process.
    #[arg(long, value_name = "URL")]
    via_lambda: Option<String>,
    /// Write the functions' environment to this file, for `cargo lambda watch --env-file`.
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Play the main flow over HTTP, each step checked: against --url, or a cloud of its own.
    Demo {
        /// A cloud that runs already.
        #[arg(long)]
        url: Option<String>,
    },
    /// Print the OpenAPI description of all functions.
    Openapi,
}

/// Does what the command line says.
pub async fn run() -> anyhow::Result<()> {
    let cli = Cli::parse();
    match cli.command {
        Some(Command::Openapi) => say(&crate::openapi().to_pretty_json()?),
        Some(Command::Demo { url }) => {
            log_to_stderr("warn");
            play(url).await
        }
        None => {
            let level = level();
            log_to_stderr(&level);
            serve(cli.run, level).await
        }
    }
}

async fn serve(run: Run, log: String) -> anyhow::Result<()> {
    let data = if run.memory { Data::Memory } else { Data::Dir(run.data) };
    let options = Options {
        port: run.port,
        data: data.clone(),
        reset: run.reset,
        rate_limit: !run.no_rate_limit,
        demo: !run.no_demo,
        via_lambda: run.via_lambda.clone(),
        log,
        ..Options::default()
    };
    let cloud = Cloud::start(options).await?;
    let env_file = match (&run.env_file, &data) {
        (Some(file), _) => Some(file.clone()),
        (None, Data::Dir(dir)) => Some(dir.join("lambda.env")),
        (None, Data::Memory) => None,
    };
    if let Some(file) = env_file {
        // `cargo lambda watch` gives all functions one environment.
        let all: BTreeMap<_, _> = cloud.environments().values().flatten().collect();
        let lines: String = all.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        secrets::write_private(&file, lines.as_bytes())?;
    }
    // Over the API, and so not before real binaries, if it is those, have been started with what was just written.
    if !run.no_demo && run.via_lambda.is_none() {
        demo::ensure_menu(cloud.url()).await.context("writing the counter's menu")?;
    }
    greet(&cloud)?;
    told_to_stop().await?;
    say("\nStopping.")?;
    cloud.stop().await;
    Ok(())
}

/// Ctrl-C, or what a script's `kill` sends.
async fn told_to_stop() -> anyhow::Result<()> {
    #[cfg(unix)]
    {
        let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            outcome = tokio::signal::ctrl_c() => outcome.context("waiting for Ctrl-C"),
            _ = terminated.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await.context("waiting for Ctrl-C")
}

/// A cloud of its own is in memory, on free ports, and so disturbs none that runs.
async fn play(url: Option<String>) -> anyhow::Result<()> {
    if let Some(url) = url {
        return demo::run(url.trim_end_matches('/')).await;
    }
    let cloud = Cloud::start(Options { demo: true, log: "warn".to_owned(), ..Options::default() }).await?;
    let outcome = demo::run(cloud.url()).await;
    cloud.stop().await;
    outcome
}

fn greet(cloud: &Cloud) -> anyhow::Result<()> {
    let url = cloud.url();
    say(&format!(
        "Fairground is open.\n\n  control page  {url}/\n  API docs      {url}/docs\n  AWS endpoint  {}\n  Stripe        {}",
        cloud.aws_url(),
        cloud.stripe_url()
    ))?;
    if let Some(demo) = cloud.demo() {
        say("\nSign in:")?;
        for user in &demo.users {
            say(&format!(
                "  {:<8} {:<26} {:<18} {}, {}",
                user.surface, user.email, user.password, user.role, user.org
            ))?;
        }
        say("\nSell a ticket:")?;
        for line in demo.curl_lines() {
            say(&format!("  {line}"))?;
        }
    }
    say("\nCtrl-C stops.\n")
}

fn say(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "{line}")?)
}

#[expect(clippy::disallowed_methods, reason = "the program's own setting, not a function's")]
fn level() -> String {
    std::env::var("LOG").unwrap_or_else(|_| "info".to_owned())
}

fn log_to_stderr(level: &str) {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .with_filter(runtime::telemetry::filter(level).with_target("dynoxide", tracing::Level::WARN));
    drop(tracing_subscriber::registry().with(lines).try_init());
}
