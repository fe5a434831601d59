//! Keys of every entity: the second column of the table in the crate's documentation.

use domain::{
    ids::{EventId, GalleryId, OrgId, TierId, UserId},
    mail::MailKey,
    tickets::number::OrderNumber,
};
use jiff::Timestamp;

use crate::{
    item::{Item, s},
    pos::keys::pos_order,
};

/// Shards of a key that takes writes with a sale.
pub const SHARDS: u8 = 8;

/// A primary key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) pk: String,
    pub(crate) sk: String,
}

impl Key {
    pub(crate) fn new(pk: String, sk: impl Into<String>) -> Self {
        Key { pk, sk: sk.into() }
    }

    pub(crate) fn org(org: OrgId) -> Self {
        Self::new(format!("ORG#{org}"), "ORG")
    }

    /// How many places of staff are taken.
    pub(crate) fn places(org: OrgId) -> Self {
        Self::new(format!("ORG#{org}"), "STAFF")
    }

    pub(crate) fn sweep(org: OrgId) -> Self {
        Self::new(format!("ORG#{org}"), "SWEEP")
    }

    pub(crate) fn member(user: UserId) -> Self {
        Self::new(format!("USER#{user}"), "MEMBER")
    }

    pub(crate) fn token(hash: &str) -> Self {
        Self::new(format!("TOKEN#{hash}"), "TOKEN")
    }

    pub(crate) fn event(event: EventId) -> Self {
        Self::new(format!("EVENT#{event}"), "EVENT")
    }

    pub(crate) fn stripe(tier: TierId, stripe: u8) -> Self {
        Self::new(format!("STOCK#{tier}#{stripe}"), "STRIPE")
    }

    pub(crate) fn order(number: OrderNumber) -> Self {
        Self::new(format!("ORDER#{number}"), "ORDER")
    }

    pub(crate) fn mail(mail: MailKey) -> Self {
        let pk = match mail {
            MailKey::Ticket { number } => format!("ORDER#{number}"),
            MailKey::Receipt { org, order, .. } => pos_order(org, order),
            MailKey::Welcome { user }
            | MailKey::PasswordReset { user, .. }
            | MailKey::Invitation { user, .. }
            | MailKey::WeeklyReport { user, .. } => format!("USER#{user}"),
        };
        let kind = mail.kind();
        let sk = match mail {
            MailKey::Ticket { .. } | MailKey::Welcome { .. } => format!("MAIL#{kind}"),
            MailKey::PasswordReset { id, .. } | MailKey::Invitation { id, .. } | MailKey::Receipt { id, .. } => {
                format!("MAIL#{kind}#{id}")
            }
            MailKey::WeeklyReport { week, .. } => format!("MAIL#{kind}#{week}"),
        };
        Self::new(pk, sk)
    }

    pub(crate) fn gallery(gallery: GalleryId) -> Self {
        Self::new(format!("GALLERY#{gallery}"), "GALLERY")
    }

    pub(crate) fn subscriber(org: OrgId, email: &str) -> Self {
        Self::new(format!("ORG#{org}#SUBSCRIBER#{email}"), "SUBSCRIBER")
    }

    pub(crate) fn audit(org: OrgId, at: Timestamp, id: &str) -> Self {
        Self::new(audit_partition(org, shard_of(id)), moment(at, id))
    }

    pub(crate) fn rate(class: &str, address: &str, window: i64) -> Self {
        Self::new(format!("RATE#{class}#{address}"), window.to_string())
    }

    /// As the SDK wants it.
    pub(crate) fn item(&self) -> Item {
        Item::from([("pk".into(), s(&self.pk)), ("sk".into(), s(&self.sk))])
    }
}

pub(crate) const ORGS: &str = "ORGS";

pub(crate) fn members_of(org: OrgId) -> String {
    format!("ORG#{org}#MEMBERS")
}

pub(crate) fn events_of(org: OrgId) -> String {
    format!("ORG#{org}#EVENTS")
}

pub(crate) fn orders_of(org: OrgId, shard: u8) -> String {
    format!("ORG#{org}#ORDERS#{shard}")
}

pub(crate) fn galleries_of(org: OrgId) -> String {
    format!("ORG#{org}#GALLERIES")
}

pub(crate) fn audit_partition(org: OrgId, shard: u8) -> String {
    format!("ORG#{org}#AUDIT#{shard}")
}

pub(crate) fn secret(hash: &str) -> String {
    format!("QR#{hash}")
}

pub(crate) fn unsent_mails(shard: u8) -> String {
    format!("MAILS#{shard}")
}

/// A sort key that orders by time, and by name within a millisecond.
pub(crate) fn moment(at: Timestamp, name: &str) -> String {
    format!("{:013}#{name}", at.as_millisecond())
}

/// Which shard a name falls into: always the same one, so that a repeated write meets its first.
pub(crate) fn shard_of(name: &str) -> u8 {
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    ((hash >> 32) % u64::from(SHARDS)) as u8
}
