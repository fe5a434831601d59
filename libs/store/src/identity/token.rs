//! Opaque tokens of guests, stores, employees: found by their SHA-256, dead by their time even before TTL removes them.

use domain::ids::OrgId;
use domain::time::millis;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Store,
    error::StoreError,
    item::{from_item, n, to_item},
    keys::Key,
};

/// Whose token it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenKind {
    /// A guest at a table.
    Guest,
    /// A store's device.
    Store,
    /// An employee at such a device.
    Employee,
}

/// An opaque token as stored: its hash, never itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// SHA-256 of the token, 64 lower-case hex characters.
    pub hash: String,
    /// Whose token it is.
    pub kind: TokenKind,
    /// The tenant it belongs to.
    pub org: OrgId,
    /// Whom it stands for, within its kind.
    pub subject: String,
    /// What it may be used for.
    pub scopes: Vec<String>,
    /// When it dies.
    #[serde(with = "millis")]
    pub expires_at: Timestamp,
}

impl Store {
    /// Writes a token.
    pub async fn save_token(&self, token: &Token) -> Result<(), StoreError> {
        let mut item = to_item("token", &Key::token(&token.hash), token)?;
        item.insert("ttl".into(), n(token.expires_at.as_second()));
        self.client.put_item().table_name(&self.table).set_item(Some(item)).send().await?;
        Ok(())
    }

    /// A token by its hash, unless its time is over.
    pub async fn load_token(&self, hash: &str, now: Timestamp) -> Result<Option<Token>, StoreError> {
        let token: Option<Token> = self.get(&Key::token(hash)).await?.map(from_item).transpose()?;
        Ok(token.filter(|token| now < token.expires_at))
    }

    /// Ends a token before its time.
    pub async fn delete_token(&self, hash: &str) -> Result<(), StoreError> {
        let key = Key::token(hash).item();
        self.client.delete_item().table_name(&self.table).set_key(Some(key)).send().await?;
        Ok(())
    }
}
