//! The outbox's e-mails: written here, handed to SES, and marked (tickets contract §13; the POS seed's "E-mails").
//!
//! A mail is claimed before it is sent and marked after. A worker that dies in between leaves a lease that runs out, and
//! another takes over: nothing is lost. SES knows no idempotency keys, so a worker that dies, or loses SES's answer,
//! between SES's acceptance and the mark has its mail sent twice. That is the one window, and the right side to err on.
//!
//! Each kind has a module that says what it says, from loaded entities and nothing else; `load` reads those.

pub mod account;
mod letter;
mod load;
pub mod qr;
pub mod receipt;
#[cfg(test)]
mod samples;
pub mod ticket;
mod undelivered;
pub mod weekly;
mod words;

use domain::mail::{Mail, MailKey};
use runtime::Ctx;
use store::{Claim, StoreError};

pub use crate::letter::{File, Letter};
use crate::undelivered::Undelivered;

/// What became of one try to deliver an e-mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// SES has it.
    Sent,
    /// There is nothing to do: sent before, failed for good, on its way with another worker, or never queued.
    NotDue,
    /// There is no sender (`MAIL_FROM`): the row stays pending and loses no try (contract §13).
    NotConfigured,
    /// This try failed.
    Failed {
        /// True when another may succeed.
        again: bool,
    },
}

/// Why an e-mail could not be written. It never will be, unless the code or what it is about changes.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The template failed.
    #[error("template: {0}")]
    Template(#[from] askama::Error),
    /// The picture failed.
    #[error(transparent)]
    Picture(#[from] qr::PictureError),
}

/// Sends a queued e-mail, if it is due, and says what became of it.
///
/// # Errors
/// Only the database's. After the claim they leave the row to its lease, and count as a try.
pub async fn attempt(ctx: &Ctx, key: MailKey) -> Result<Delivery, StoreError> {
    let Some(from) = ctx.settings().mail_from.as_deref() else { return Ok(Delivery::NotConfigured) };
    let mail = match ctx.store().claim_mail(key, ctx.now()).await? {
        Claim::Taken(mail) => mail,
        Claim::NotDue(mail) => {
            bury(ctx, mail).await?;
            return Ok(Delivery::NotDue);
        }
    };
    match send(ctx, from, &mail).await {
        Ok(()) => {
            if !ctx.store().mark_mail_sent(&mail, ctx.now()).await? {
                tracing::warn!(mail = %key, "another worker had taken this e-mail over");
            }
            Ok(Delivery::Sent)
        }
        Err(Undelivered::Store(error)) => Err(error),
        Err(error) => fail(ctx, &mail, &error).await,
    }
}

async fn send(ctx: &Ctx, from: &str, mail: &Mail) -> Result<(), Undelivered> {
    load::write(ctx, mail).await?.send(ctx, from).await
}

/// Ends a row whose worker died on the last try: no claim takes it any more, and nothing else would end it.
async fn bury(ctx: &Ctx, mail: Option<Mail>) -> Result<(), StoreError> {
    if let Some(mail) = mail.filter(|mail| mail.is_stranded(ctx.now())) {
        tracing::error!(mail = %mail.key, "e-mail failed for good: its worker died on the last try");
        ctx.store().mark_mail_failed(&mail, "the worker died on the last try", true).await?;
    }
    Ok(())
}

async fn fail(ctx: &Ctx, mail: &Mail, error: &Undelivered) -> Result<Delivery, StoreError> {
    let again = !error.is_final() && !mail.is_last_try();
    let (key, attempt, why) = (mail.key, mail.attempts, error.code());
    match error {
        Undelivered::NotWanted(_) => tracing::info!(mail = %key, "e-mail not wanted"),
        _ if again => tracing::warn!(mail = %key, attempt, why, "e-mail not sent"),
        _ => tracing::error!(mail = %key, attempt, why, "e-mail failed for good"),
    }
    ctx.store().mark_mail_failed(mail, &error.to_string(), error.is_final()).await?;
    Ok(Delivery::Failed { again })
}
