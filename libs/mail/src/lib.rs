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
use store::{Claim, Failure, StoreError};

pub use crate::letter::{File, Letter};
use crate::undelivered::Undelivered;

/// What became of one try to deliver an e-mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// SES has it.
    Sent,
    /// There is nothing to do: sent before, on its way with another worker, to be tried later, or never queued.
    NotDue,
    /// There is nothing to send any more: its order is not paid, or whom it is for does not want it.
    Moot,
    /// There is no sender (`MAIL_FROM`): the row stays pending and loses no try (contract §13).
    NotConfigured,
    /// This try failed, and another follows when its time has come.
    Failed,
    /// It could not be delivered, and is tried no more unless somebody sends it anew.
    Dead,
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
            let dead = mail.is_some_and(|mail| mail.dead);
            return Ok(if dead { Delivery::Dead } else { Delivery::NotDue });
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

async fn fail(ctx: &Ctx, mail: &Mail, error: &Undelivered) -> Result<Delivery, StoreError> {
    let (key, attempt, why, failure) = (mail.key, mail.attempts, error.code(), error.failure());
    let delivery = match failure {
        Failure::Moot => Delivery::Moot,
        Failure::Throttled => Delivery::Failed,
        Failure::Passing if !mail.is_last_try() => Delivery::Failed,
        Failure::Passing | Failure::Hopeless => Delivery::Dead,
    };
    match delivery {
        Delivery::Moot => tracing::info!(mail = %key, why, "there is nothing to send any more"),
        Delivery::Failed => tracing::warn!(mail = %key, attempt, why, "e-mail not sent"),
        _ => tracing::error!(mail = %key, attempt, why, "e-mail failed for good"),
    }
    ctx.store().mark_mail_failed(mail, &error.to_string(), failure, ctx.now()).await?;
    Ok(delivery)
}
