//! The ledger (invariant 4): a transfer is one transaction that writes its entries, each once for ever, and moves the
//! balances by them. So a balance is the sum of its entries, and a transfer that is posted again changes nothing.

use domain::{
    ids::OrgId,
    ledger::{Balance, Entry, Owner, Transfer},
    money::Cents,
};

use crate::{
    Store,
    error::StoreError,
    item::{Item, from_item, n, s, to_item},
    keys::Key,
    tx::{Change, TxError},
};

/// When a transfer was posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posted {
    /// By this call.
    Now,
    /// By an earlier one.
    Before,
}

/// Why a transfer was not posted.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// An account that may not go negative has less than it should give.
    #[error("the account {0} has too little")]
    Overdrawn(Owner),
    /// Another transfer stands under the same id.
    #[error("another transfer was posted as {0}")]
    Other(String),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Posts a transfer, once: its id is in the keys of its entries.
    pub async fn post(&self, transfer: &Transfer) -> Result<Posted, PostError> {
        let entries: Vec<Entry> = transfer.entries().collect();
        let mut tx = self.tx();
        for entry in &entries {
            let key = Key::ledger_entry(entry.org, entry.owner, &entry.transfer);
            tx = tx.create(to_item("ledger_entry", &key, entry)?)?;
            tx = tx.update(&Key::ledger_balance(entry.org, entry.owner), move_balance(entry))?;
        }
        match tx.commit().await {
            Ok(()) => Ok(Posted::Now),
            Err(TxError::Refused(refused)) => read_refusal(&entries, refused),
            Err(TxError::Store(error)) => Err(error.into()),
        }
    }

    /// What an account has.
    pub async fn load_balance(&self, org: OrgId, owner: Owner) -> Result<Cents, StoreError> {
        let balance: Option<Balance> = self.get(&Key::ledger_balance(org, owner)).await?.map(from_item).transpose()?;
        Ok(balance.map_or(Cents::ZERO, |balance| balance.amount))
    }
}

fn move_balance(entry: &Entry) -> Change {
    let change = Change::default()
        .set("entity", s("ledger_balance"))
        .set("org", s(entry.org.to_string()))
        .set("owner", s(entry.owner.to_string()))
        .add("amount", n(entry.amount.0));
    // Of an account that is not there yet this is false too.
    let guarded = entry.amount < Cents::ZERO && !entry.owner.may_go_negative();
    if guarded { change.when("amount", ">=", n(-entry.amount.0)) } else { change }
}

/// The actions of entry `i` are `2 i`, its creation, and `2 i + 1`, its balance.
fn read_refusal(entries: &[Entry], refused: Vec<(usize, Option<Item>)>) -> Result<Posted, PostError> {
    let mut overdrawn = None;
    for (action, item) in refused {
        let Some(entry) = entries.get(action / 2) else { continue };
        if action % 2 == 1 {
            overdrawn = Some(entry.owner);
            continue;
        }
        let posted: Option<Entry> = item.map(from_item).transpose()?;
        let same = posted.is_some_and(|posted| posted.amount == entry.amount);
        return if same { Ok(Posted::Before) } else { Err(PostError::Other(entry.transfer.clone())) };
    }
    Err(overdrawn.map_or(PostError::Store(StoreError::Stale), PostError::Overdrawn))
}
