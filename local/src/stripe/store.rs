//! What the stand-in remembers: accounts, each with tables of Stripe objects, all as JSON in one file.
//!
//! A table is named by its objects' `object` member, so that a new resource needs no change here. Members that begin
//! with an underscore are the stand-in's own notes and never leave it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
};

use rand::distr::{Alphanumeric, SampleString};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

/// The account that the secret key belongs to. Connected accounts stand beside it.
pub const PLATFORM: &str = "acct_1FairgroundLocal";

/// How long an idempotency key is remembered, seconds.
const KEY_LIFETIME: i64 = 24 * 3600;

/// Everything.
#[derive(Debug, Serialize, Deserialize)]
pub struct Store {
    accounts: BTreeMap<String, Account>,
    /// Webhooks still to be delivered: event id → target URLs.
    #[serde(default)]
    pub undelivered: BTreeMap<String, BTreeSet<String>>,
}

/// One account's objects and idempotency keys.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Account {
    tables: BTreeMap<String, Table>,
    keys: BTreeMap<String, SavedAnswer>,
    /// Open checkout sessions by their end.
    #[serde(default)]
    pub ending: BTreeSet<(i64, String)>,
    /// Subscriptions by when something is to be done about them.
    #[serde(default)]
    pub renewing: BTreeSet<(i64, String)>,
}

/// Objects of one type, oldest first. Nothing is ever removed: Stripe's own objects stay too.
#[derive(Debug, Default, Deserialize)]
#[serde(from = "Vec<Value>")]
struct Table {
    rows: Vec<Value>,
    index: HashMap<String, usize>,
}

/// The answer that a repeated idempotency key gets.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SavedAnswer {
    /// Method and path.
    pub endpoint: String,
    /// The parameters it was first used with.
    pub params: Value,
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Value,
    /// When, unix seconds.
    pub created: i64,
}

impl Default for Store {
    fn default() -> Self {
        Self { accounts: BTreeMap::from([(PLATFORM.to_owned(), Account::default())]), undelivered: BTreeMap::new() }
    }
}

impl Store {
    /// What an earlier run left in `file`, or nothing yet.
    pub fn load(file: &Path) -> anyhow::Result<Self> {
        match std::fs::read(file) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes a copy beside `file` and renames it, so that a crash leaves the old or the new state.
    pub fn save(bytes: &[u8], file: &Path) -> std::io::Result<()> {
        let beside = file.with_extension("json.new");
        std::fs::write(&beside, bytes)?;
        std::fs::rename(beside, file)
    }

    /// An account by its id.
    pub fn account(&mut self, id: &str) -> Option<&mut Account> {
        self.accounts.get_mut(id)
    }

    /// Opens a connected account, if it is not there yet.
    pub fn open_account(&mut self, id: &str) {
        self.accounts.entry(id.to_owned()).or_default();
    }

    /// All accounts' ids.
    pub fn account_ids(&self) -> Vec<String> {
        self.accounts.keys().cloned().collect()
    }

    /// All objects of a type, of all accounts, oldest first within each.
    pub fn all(&self, object: &str) -> impl Iterator<Item = &Value> {
        self.accounts.values().filter_map(move |account| account.tables.get(object)).flat_map(|table| &table.rows)
    }

    /// The account that has this object.
    pub fn owner(&self, object: &str, id: &str) -> Option<String> {
        let owner = self.accounts.iter().find(|(_, account)| account.get(object, id).is_some());
        owner.map(|(account, _)| account.clone())
    }
}

impl Account {
    /// An object.
    pub fn get(&self, object: &str, id: &str) -> Option<&Value> {
        let table = self.tables.get(object)?;
        table.rows.get(*table.index.get(id)?)
    }

    /// An object whose type is told by nothing but its id.
    pub fn find(&self, id: &str) -> Option<&Value> {
        self.tables.keys().find_map(|object| self.get(object, id))
    }

    /// Adds or replaces an object, in the table that its `object` member names.
    pub fn put(&mut self, value: Value) {
        let object = value["object"].as_str().unwrap_or_default();
        self.tables.entry(object.to_owned()).or_default().put(value);
    }

    /// Objects of a type, oldest first.
    pub fn rows(&self, object: &str) -> &[Value] {
        self.tables.get(object).map(|table| table.rows.as_slice()).unwrap_or_default()
    }

    /// True when an open session's time is over, or a subscription's has come.
    pub fn has_ended(&self, now: i64) -> bool {
        self.ending.first().into_iter().chain(self.renewing.first()).any(|(at, _)| *at <= now)
    }

    /// The answer saved for a key, unless it is too old.
    pub fn saved(&self, key: &str, now: i64) -> Option<&SavedAnswer> {
        self.keys.get(key).filter(|answer| answer.created + KEY_LIFETIME > now)
    }

    /// Keeps an answer for a key.
    pub fn save_answer(&mut self, key: String, answer: SavedAnswer) {
        self.keys.insert(key, answer);
    }
}

impl Table {
    fn put(&mut self, value: Value) {
        let id = value["id"].as_str().unwrap_or_default().to_owned();
        match self.index.get(&id) {
            Some(at) => self.rows[*at] = value,
            None => {
                self.index.insert(id, self.rows.len());
                self.rows.push(value);
            }
        }
    }
}

impl From<Vec<Value>> for Table {
    fn from(rows: Vec<Value>) -> Self {
        let mut table = Self::default();
        rows.into_iter().for_each(|row| table.put(row));
        table
    }
}

impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.rows.serialize(serializer)
    }
}

/// A new id: `pi_` and 24 letters and digits.
pub fn new_id(prefix: &str) -> String {
    random(prefix, 24)
}

/// A new text of random letters and digits behind a prefix.
pub fn random(prefix: &str, length: usize) -> String {
    format!("{prefix}{}", Alphanumeric.sample_string(&mut rand::rng(), length))
}
