//! `cargo ops`: see [`ops`].

use std::{collections::HashMap, io::Write, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::{Parser, Subcommand};
use domain::{ids::OrgId, keyring::KeyRing};
use identity::Cognito;
use jiff::SignedDuration;
use ops::{admin, redrive, verify};
use runtime::{Aws, clock::Clock};
use store::Store;

/// Operates a Fairground.
///
/// Works on the account and region of the environment (AWS_REGION, AWS_ACCESS_KEY_ID and its companions;
/// `eval "$(aws configure export-credentials --format env)"` sets them), or at AWS_ENDPOINT_URL, and on the table
/// TABLE_NAME (default fairground-prod).
#[derive(Parser)]
#[command(name = "cargo ops", bin_name = "cargo ops")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Reads the whole table and checks every invariant; ends with 1 when one is broken.
    Verify {
        /// Prints the report as JSON.
        #[arg(long)]
        json: bool,
        /// Minutes after which an e-mail that is neither sent nor failed for good is stuck.
        #[arg(long, value_name = "MINUTES")]
        stuck_after: Option<u32>,
        /// Seconds between the looks at a table in use; what is found at one look only is not reported.
        #[arg(long, value_name = "SECONDS", default_value_t = 5)]
        pause: u64,
    },
    /// Creates a superadmin: the Cognito user in USER_POOL_ID, the organization, the member.
    CreateAdmin {
        /// Signs in with it.
        #[arg(long)]
        email: String,
        /// Full name.
        #[arg(long)]
        name: String,
        /// The organization's name.
        #[arg(long)]
        org_name: String,
        /// The organization's id, as in the template's TicketsOrgId (default: TICKETS_ORG_ID, else by name, else new).
        #[arg(long)]
        org_id: Option<OrgId>,
        /// A file with the first password (default: one is made up and printed).
        #[arg(long)]
        password_file: Option<PathBuf>,
    },
    /// Sends the messages of a dead letter queue on their way again.
    Redrive {
        /// The dead letter queue, by URL or name.
        #[arg(long)]
        queue: String,
        /// Where to send them (default: the queue whose dead letters these are).
        #[arg(long)]
        to: Option<String>,
    },
    /// Lists the organizations.
    Orgs,
}

struct Operator {
    environment: HashMap<String, String>,
    aws: Aws,
    store: Store,
}

impl Operator {
    fn from_environment() -> Self {
        let environment: HashMap<String, String> = std::env::vars().collect();
        let aws = Aws::from_map(&environment);
        let table = environment.get("TABLE_NAME").map_or("fairground-prod", String::as_str);
        let store = Store::new(aws.dynamodb(), table);
        Operator { environment, aws, store }
    }

    fn setting(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    async fn redrive(&self, queue: &str, to: Option<&str>) -> anyhow::Result<usize> {
        redrive::redrive_all(&self.aws.sqs(), &self.store, queue, to, Clock::default().now()).await
    }

    async fn verify(&self, json: bool, stuck_after: Option<u32>, pause: u64) -> anyhow::Result<ExitCode> {
        let stuck = stuck_after.map(|minutes| (Clock::default().now(), SignedDuration::from_mins(minutes.into())));
        let keys = self.setting("QR_KEYS").map(KeyRing::parse).transpose().context("QR_KEYS")?;
        let report = verify::settle(&self.store, &verify::Options { stuck, keys }, Duration::from_secs(pause)).await?;
        if json {
            print(&serde_json::to_string_pretty(&report)?)?;
        } else {
            for violation in &report.violations {
                print(&violation.to_string())?;
            }
            print(&format!(
                "{}: {} items, {} events, {} orders, {} e-mails, {} violations",
                self.store.table(),
                report.items,
                report.events,
                report.orders,
                report.mails,
                report.violations.len()
            ))?;
        }
        Ok(if report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    async fn create_admin(
        &self,
        mut wanted: admin::NewAdmin,
        password_file: Option<PathBuf>,
    ) -> anyhow::Result<ExitCode> {
        let pool = self.setting("USER_POOL_ID").context("USER_POOL_ID is not set (an output of the stack)")?;
        // The app client takes part in signing in only, which an operator does not do here.
        let cognito = Cognito::new(self.aws.cognito(), pool, "", "");
        if wanted.org.is_none()
            && let Some(id) = self.setting("TICKETS_ORG_ID")
        {
            wanted.org = Some(id.parse().context("TICKETS_ORG_ID must be a UUID")?);
        }
        let known = cognito.find_user(&wanted.email.trim().to_lowercase()).await.context("looking the person up")?;
        let mut made_up = None;
        wanted.password = match password_file {
            Some(file) => Some(tokio::fs::read_to_string(&file).await?.trim_end().to_owned()),
            None if known.is_none() => made_up.insert(make_password()).clone().into(),
            None => None,
        };
        let created = admin::create_admin(&self.store, &cognito, &wanted, Clock::default().now()).await?;
        print(&format!("organization {} {}", created.org.id, created.org.name))?;
        print(&format!("superadmin   {} {}", created.member.user, created.member.email))?;
        if let Some(password) = made_up {
            print(&format!("password     {password}   (shown only here)"))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn orgs(&self) -> anyhow::Result<ExitCode> {
        for org in self.store.list_orgs().await? {
            let members = self.store.list_members(org.id).await?.len();
            print(&format!("{}  {}  {members} members  since {}", org.id, org.name, org.created_at))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Random, and of every class that the pool's policy may ask for.
fn make_password() -> String {
    format!("Fg-{}", uuid::Uuid::new_v4().simple())
}

fn print(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{line}")
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let operator = Operator::from_environment();
    match arguments.command {
        Command::Verify { json, stuck_after, pause } => operator.verify(json, stuck_after, pause).await,
        Command::CreateAdmin { email, name, org_name, org_id, password_file } => {
            let wanted = admin::NewAdmin { email, name, org_name, org: org_id, password: None };
            operator.create_admin(wanted, password_file).await
        }
        Command::Redrive { queue, to } => {
            let moved = operator.redrive(&queue, to.as_deref()).await?;
            print(&format!("{moved} messages sent on their way again"))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Orgs => operator.orgs().await,
    }
}
