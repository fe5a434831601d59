//! What people write to us, and who wants our news: not an organization's, the platform's own.

use domain::{ids::OrgId, time::millis};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Pos;
use crate::{
    error::StoreError,
    item::{from_item, index, n, s, to_item},
    keys::{Key, moment},
    list::Range,
    tx::{Change, Tx, TxError},
};

/// How long a message is kept.
const KEPT: SignedDuration = SignedDuration::from_hours(2 * 365 * 24);

/// Messages by time.
const CONTACTS: &str = "CONTACTS";

/// A message to us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Its id.
    pub id: Uuid,
    /// Who answers are sent to.
    pub email: String,
    /// As they call themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Their business.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company: Option<String>,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What they say.
    pub message: String,
    /// The organization, if it came with its beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org: Option<OrgId>,
    /// When.
    #[serde(with = "millis")]
    pub created_at: Timestamp,
}

impl Tx<'_> {
    /// Keeps a message.
    pub(crate) fn create_contact(self, contact: &Contact) -> Result<Self, StoreError> {
        let id = contact.id.to_string();
        let mut item = to_item("contact", &Key::contact(contact.id), contact)?;
        index(&mut item, "gsi2", CONTACTS.to_owned(), moment(contact.created_at, &id));
        item.insert("ttl".into(), n((contact.created_at + KEPT).as_second()));
        self.create(item)
    }
}

impl Pos<'_> {
    /// Keeps a message.
    pub async fn create_contact(&self, contact: &Contact) -> Result<(), StoreError> {
        self.0.tx().create_contact(contact)?.commit().await.map_err(TxError::stale)
    }

    /// Messages, newest first, for the operator.
    pub async fn list_contacts(&self, limit: usize) -> Result<Vec<Contact>, StoreError> {
        let range = Range { index: Some("gsi2"), pk: CONTACTS.to_owned(), descending: true, limit, ..Range::default() };
        let listed = self.0.query(range).await?;
        let keys = listed.into_iter().map(|item| item.into_iter().filter(|(name, _)| name == "pk" || name == "sk"));
        let items = self.0.batch_get(keys.map(Iterator::collect).collect(), false).await?;
        let mut contacts: Vec<Contact> = items.into_iter().map(from_item).collect::<Result<_, _>>()?;
        contacts.sort_by_key(|contact| std::cmp::Reverse((contact.created_at, contact.id)));
        Ok(contacts)
    }

    /// Notes who (lower case) wants our news, and where they said so first. Again changes nothing but the time.
    pub async fn subscribe_news(&self, email: &str, source: &str, now: Timestamp) -> Result<(), StoreError> {
        let key = Key::news_subscriber(email);
        let at = n(now.as_millisecond());
        let first = Change::default()
            .set("entity", s("news_subscriber"))
            .set("email", s(email))
            .set("source", s(source))
            .set("created_at", at.clone())
            .set("changed_at", at.clone())
            .when_absent("pk");
        if self.0.change(&key, first).await?.is_err() {
            let again = Change::default().set("changed_at", at).when_present("pk");
            drop(self.0.change(&key, again).await?);
        }
        Ok(())
    }
}
