//! The outbox's e-mails: written here, handed to SES, and marked (contract §13).
//!
//! A mail is claimed before it is sent and marked after. A worker that dies in between leaves a lease that runs out, and
//! another takes over: nothing is lost. SES knows no idempotency keys, so a worker that dies, or loses SES's answer,
//! between SES's acceptance and the mark has its mail sent twice. That is the one window, and the right side to err on.

pub mod qr;
pub mod ticket;

use aws_sdk_sesv2::{
    error::{BuildError, ProvideErrorMetadata, SdkError},
    operation::send_email::SendEmailError,
    primitives::Blob,
    types::{
        Attachment, AttachmentContentDisposition, AttachmentContentTransferEncoding, Body, Content, Destination,
        EmailContent, Message, MessageTag,
    },
};
use domain::{
    mail::{Mail, MailKey},
    tickets::order::{Order, OrderStatus},
};
use runtime::Ctx;
use store::{Claim, StoreError};

use crate::ticket::{TicketMail, WriteError};

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

/// Sends a queued e-mail, if it is due. True when SES has it now.
///
/// # Errors
/// Only the database's. What SES says is written to the row.
pub async fn deliver(ctx: &Ctx, key: MailKey) -> Result<bool, StoreError> {
    Ok(attempt(ctx, key).await? == Delivery::Sent)
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
    if again {
        tracing::warn!(mail = %key, attempt, why, "e-mail not sent");
    } else {
        tracing::error!(mail = %key, attempt, why, "e-mail failed for good");
    }
    ctx.store().mark_mail_failed(mail, &error.to_string(), error.is_final()).await?;
    Ok(Delivery::Failed { again })
}

/// Why an e-mail was not sent. The text goes into the row, where staff may read it; the log gets the code only.
#[derive(Debug, thiserror::Error)]
enum Undelivered {
    #[error("order is no longer paid")]
    NotPaid,
    #[error("order or event not found")]
    NotFound,
    #[error("no e-mail of kind {} is written", .0.kind())]
    Unwritten(MailKey),
    #[error("the key of the ticket's secret is not configured")]
    NoKey,
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("{code}: {message}")]
    Ses { code: String, message: String, rejected: bool },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Undelivered {
    /// Will it fail the same way however often it is tried?
    fn is_final(&self) -> bool {
        match self {
            Self::NotPaid | Self::NotFound | Self::Unwritten(_) | Self::Write(_) => true,
            Self::Ses { rejected, .. } => *rejected,
            Self::NoKey | Self::Store(_) => false,
        }
    }

    /// A word for the log, which names nobody.
    fn code(&self) -> &str {
        match self {
            Self::NotPaid => "NotPaid",
            Self::NotFound => "NotFound",
            Self::Unwritten(_) => "Unwritten",
            Self::NoKey => "NoKey",
            Self::Write(_) => "Write",
            Self::Ses { code, .. } => code,
            Self::Store(_) => "Store",
        }
    }
}

impl From<SdkError<SendEmailError>> for Undelivered {
    fn from(error: SdkError<SendEmailError>) -> Self {
        use SendEmailError::{BadRequestException, MessageRejected};
        let rejected = matches!(error.as_service_error(), Some(MessageRejected(_) | BadRequestException(_)));
        let code = error.code().unwrap_or(match &error {
            SdkError::TimeoutError(_) => "Timeout",
            SdkError::DispatchFailure(_) => "Unreachable",
            _ => "Unreadable",
        });
        Self::Ses { code: code.to_owned(), message: without_addresses(error.message().unwrap_or_default()), rejected }
    }
}

impl From<BuildError> for Undelivered {
    fn from(error: BuildError) -> Self {
        Self::Ses { code: "Incomplete".into(), message: error.to_string(), rejected: true }
    }
}

/// SES names addresses in its errors; they are nobody's business here.
fn without_addresses(text: &str) -> String {
    let word = |word| if str::contains(word, '@') { "…" } else { word };
    text.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

async fn send(ctx: &Ctx, from: &str, mail: &Mail) -> Result<(), Undelivered> {
    let MailKey::Ticket { number } = mail.key else { return Err(Undelivered::Unwritten(mail.key)) };
    let order = ctx.store().load_order(number).await?.ok_or(Undelivered::NotFound)?;
    if order.status != OrderStatus::Paid {
        return Err(Undelivered::NotPaid);
    }
    let event = ctx.store().load_event(order.event_id).await?.ok_or(Undelivered::NotFound)?;
    let secret = ctx.ticket_secret(&order.key_id, order.number, order.revision).ok_or(Undelivered::NoKey)?;
    let content = content(TicketMail::write(&order, &event, &secret)?)?;
    ctx.ses()
        .send_email()
        .from_email_address(from)
        .destination(Destination::builder().to_addresses(&order.buyer.email).build())
        .content(content)
        .email_tags(tag("order", &order)?)
        .send()
        .await?;
    Ok(())
}

/// By this tag SES's bounce and delivery events name the order.
fn tag(name: &str, order: &Order) -> Result<MessageTag, BuildError> {
    MessageTag::builder().name(name).value(order.number.to_string()).build()
}

fn content(mail: TicketMail) -> Result<EmailContent, BuildError> {
    let utf8 = |text: String| Content::builder().data(text).charset("UTF-8").build();
    let qr = Attachment::builder()
        .file_name(ticket::QR_FILE)
        .content_type("image/png")
        .content_id(ticket::QR_CONTENT_ID)
        .content_disposition(AttachmentContentDisposition::Inline)
        .content_transfer_encoding(AttachmentContentTransferEncoding::Base64)
        .raw_content(Blob::new(mail.qr))
        .build()?;
    let message = Message::builder()
        .subject(utf8(mail.subject)?)
        .body(Body::builder().html(utf8(mail.html)?).text(utf8(mail.text)?).build())
        .attachments(qr)
        .build();
    Ok(EmailContent::builder().simple(message).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ses_refuses_is_final_and_the_rest_is_tried_again() {
        use aws_sdk_sesv2::{
            error::ErrorMetadata,
            operation::send_email::SendEmailError as E,
            types::error::{BadRequestException, MessageRejected, TooManyRequestsException},
        };
        let meta = |code: &str| {
            ErrorMetadata::builder().code(code).message("Address ana@example.com is not verified: <b@x.org>").build()
        };
        let failed = |error: E| {
            let response = aws_smithy_runtime_api::http::Response::new(400.try_into().unwrap(), "".into());
            Undelivered::from(SdkError::service_error(error, response))
        };
        let rejected = failed(E::MessageRejected(MessageRejected::builder().meta(meta("MessageRejected")).build()));
        assert!(rejected.is_final());
        assert_eq!(rejected.code(), "MessageRejected");
        assert_eq!(rejected.to_string(), "MessageRejected: Address … is not verified: …");
        let bad = BadRequestException::builder().meta(meta("BadRequestException")).build();
        assert!(failed(E::BadRequestException(bad)).is_final());
        let busy = TooManyRequestsException::builder().meta(meta("TooManyRequestsException")).build();
        assert!(!failed(E::TooManyRequestsException(busy)).is_final());
        let timeout = Undelivered::from(SdkError::<E>::timeout_error("late"));
        assert!(!timeout.is_final());
        assert_eq!(timeout.code(), "Timeout");
    }
}
