//! The audit log of an organization.

use domain::{
    audit::{Action, AuditEntry},
    ids::OrgId,
};

use crate::{
    Store,
    error::StoreError,
    item::{Item, from_item, to_item},
    keys::{Key, SHARDS, audit_partition},
    list::Range,
    tx::Tx,
};

/// Which entries of the log.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Only this action.
    pub action: Option<Action>,
    /// Only this type of entity.
    pub entity_type: Option<String>,
}

pub(crate) fn audit_item(entry: &AuditEntry) -> Result<Item, StoreError> {
    to_item("audit", &Key::audit(entry.org, entry.at, &entry.id), entry)
}

impl Tx<'_> {
    /// Adds an entry of the log to what it tells of.
    pub(crate) fn audit(self, entry: &AuditEntry) -> Result<Self, StoreError> {
        self.create(audit_item(entry)?)
    }
}

impl Store {
    /// Writes an entry that tells of something outside the table (a sign-in). The same entry twice is one.
    pub async fn write_audit(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        let item = audit_item(entry)?;
        self.client.put_item().table_name(&self.table).set_item(Some(item)).send().await?;
        Ok(())
    }

    /// Entries of an organization, newest first.
    pub async fn list_audit(
        &self,
        org: OrgId,
        filter: &AuditFilter,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let mut equal = Vec::new();
        if let Some(action) = filter.action {
            equal.push(("action", action.as_str().to_owned()));
        }
        if let Some(entity_type) = &filter.entity_type {
            equal.push(("entity_type", entity_type.clone()));
        }
        let range = Range { descending: true, equal, limit: offset + limit, ..Range::default() };
        let partitions = (0..SHARDS).map(|shard| audit_partition(org, shard));
        let items = self.query_shards(partitions, range, "sk").await?;
        items.into_iter().skip(offset).map(from_item).collect()
    }
}
