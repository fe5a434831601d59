//! The outbox of e-mails (contract §13): one row per (order, kind), written with the change that causes it.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{ids::OrgId, tickets::number::OrderNumber, time::millis};

/// Tries before an e-mail stays failed.
pub const MAX_ATTEMPTS: u32 = 5;

/// How long a worker may be silent before its e-mail is taken over: this is what mends v4's stranded `processing` rows.
pub const LEASE: SignedDuration = SignedDuration::from_secs(120);

/// What an e-mail says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum MailKind {
    Ticket,
    Confirmation,
    Reminder,
    Refund,
}

impl MailKind {
    /// The spelling in keys.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ticket => "ticket",
            Self::Confirmation => "confirmation",
            Self::Reminder => "reminder",
            Self::Refund => "refund",
        }
    }
}

/// Where an e-mail is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailStatus {
    /// Waiting for a worker.
    Pending,
    /// A worker has it until its lease runs out.
    Processing,
    /// Handed to SES.
    Sent,
    /// The last try failed; final after [`MAX_ATTEMPTS`] or when there is nothing left to send.
    Failed,
}

impl MailStatus {
    /// The wire spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::Sent => "sent",
            Self::Failed => "failed",
        }
    }
}

/// What is to become of an e-mail that a change causes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MailPolicy {
    /// A worker sends it.
    #[default]
    Send,
    /// It is written and not sent, since staff asked for that; a resend still sends it.
    Hold,
}

/// Names an e-mail: by this a worker finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MailKey {
    /// The order it is about.
    pub number: OrderNumber,
    /// What it says.
    pub kind: MailKind,
}

/// A row of the outbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mail {
    /// The order it is about.
    pub number: OrderNumber,
    /// What it says.
    pub kind: MailKind,
    /// Whose order.
    pub org: OrgId,
    /// Where it is on its way.
    pub status: MailStatus,
    /// Tries so far, at most [`MAX_ATTEMPTS`].
    pub attempts: u32,
    /// Until when the worker that has it may be silent.
    #[serde(with = "millis::option", default, skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<Timestamp>,
    /// Why the last try failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it was handed to SES.
    #[serde(with = "millis::option", default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Timestamp>,
    /// When it was written.
    #[serde(with = "millis")]
    pub created_at: Timestamp,
}

impl Mail {
    /// A new row: waiting, or held back for good.
    pub fn new(number: OrderNumber, kind: MailKind, org: OrgId, policy: MailPolicy, now: Timestamp) -> Self {
        let waiting = Mail {
            number,
            kind,
            org,
            status: MailStatus::Pending,
            attempts: 0,
            lease_until: None,
            error: None,
            sent_at: None,
            created_at: now,
        };
        match policy {
            MailPolicy::Send => waiting,
            MailPolicy::Hold => Mail {
                status: MailStatus::Failed,
                attempts: MAX_ATTEMPTS,
                error: Some("held back by staff".to_owned()),
                ..waiting
            },
        }
    }

    /// Names this row.
    pub fn key(&self) -> MailKey {
        MailKey { number: self.number, kind: self.kind }
    }

    /// May a worker take it now? The store's claim has the same condition.
    pub fn is_due(&self, now: Timestamp) -> bool {
        let free = match self.status {
            MailStatus::Pending | MailStatus::Failed => true,
            MailStatus::Processing => self.lease_until.is_none_or(|until| until < now),
            MailStatus::Sent => false,
        };
        free && self.attempts < MAX_ATTEMPTS
    }

    /// Did its worker die at the last try? Nobody may take it any more, and it has not ended.
    pub fn is_stranded(&self, now: Timestamp) -> bool {
        self.status == MailStatus::Processing
            && self.attempts >= MAX_ATTEMPTS
            && self.lease_until.is_none_or(|until| until < now)
    }

    /// True when nothing will change it any more, but for a resend.
    pub fn is_final(&self) -> bool {
        self.status == MailStatus::Sent || (self.status == MailStatus::Failed && self.attempts >= MAX_ATTEMPTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_workers_mail_is_taken_over_and_a_sent_one_never() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let org = OrgId::from_random([1; 16]);
        let mut mail = Mail::new(OrderNumber::new(now, 1), MailKind::Ticket, org, MailPolicy::Send, now);
        assert!(mail.is_due(now));
        mail.status = MailStatus::Processing;
        mail.attempts = 1;
        mail.lease_until = Some(now + LEASE);
        assert!(!mail.is_due(now));
        assert!(mail.is_due(now + LEASE + SignedDuration::from_millis(1)));
        mail.status = MailStatus::Failed;
        assert!(mail.is_due(now) && !mail.is_final());
        mail.attempts = MAX_ATTEMPTS;
        assert!(!mail.is_due(now) && mail.is_final());
        mail.status = MailStatus::Processing;
        assert!(!mail.is_stranded(now) && mail.is_stranded(now + LEASE + SignedDuration::from_millis(1)));
        let held = Mail::new(mail.number, MailKind::Ticket, org, MailPolicy::Hold, now);
        assert!(!held.is_due(now) && held.is_final());
        mail.status = MailStatus::Sent;
        mail.attempts = 1;
        assert!(!mail.is_due(now) && mail.is_final());
    }
}
