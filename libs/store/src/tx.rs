//! Transactions: built action by action, committed with one token, their refusals read reason by reason.

use std::time::Duration;

use aws_sdk_dynamodb::{
    operation::transact_write_items::TransactWriteItemsError,
    types::{
        AttributeValue, ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
    },
};

use crate::{Store, error::StoreError, item::Item, keys::Key};

/// How often conflicts and throttles are tried again: about two seconds in all.
const TRIES: u32 = 12;

/// An update expression with its values, built piece by piece.
#[derive(Default)]
pub(crate) struct Change {
    sets: Vec<String>,
    adds: Vec<String>,
    removes: Vec<String>,
    condition: Vec<String>,
    values: Item,
    names: Vec<String>,
}

impl Change {
    fn name(&mut self, attribute: &str) -> String {
        let name = format!("#{attribute}");
        if !self.names.contains(&name) {
            self.names.push(name.clone());
        }
        name
    }

    fn value(&mut self, value: AttributeValue) -> String {
        let name = format!(":v{}", self.values.len());
        self.values.insert(name.clone(), value);
        name
    }

    pub(crate) fn set(mut self, attribute: &str, value: AttributeValue) -> Self {
        let (name, value) = (self.name(attribute), self.value(value));
        self.sets.push(format!("{name} = {value}"));
        self
    }

    pub(crate) fn set_some(self, attribute: &str, value: Option<AttributeValue>) -> Self {
        match value {
            Some(value) => self.set(attribute, value),
            None => self,
        }
    }

    pub(crate) fn add(mut self, attribute: &str, value: AttributeValue) -> Self {
        let (name, value) = (self.name(attribute), self.value(value));
        self.adds.push(format!("{name} {value}"));
        self
    }

    pub(crate) fn remove(mut self, attribute: &str) -> Self {
        let name = self.name(attribute);
        self.removes.push(name);
        self
    }

    /// `attribute <op> value` must hold.
    pub(crate) fn when(mut self, attribute: &str, op: &str, value: AttributeValue) -> Self {
        let (name, value) = (self.name(attribute), self.value(value));
        self.condition.push(format!("{name} {op} {value}"));
        self
    }

    pub(crate) fn when_absent(mut self, attribute: &str) -> Self {
        let name = self.name(attribute);
        self.condition.push(format!("attribute_not_exists({name})"));
        self
    }

    pub(crate) fn when_present(mut self, attribute: &str) -> Self {
        let name = self.name(attribute);
        self.condition.push(format!("attribute_exists({name})"));
        self
    }

    /// `(a OR b)`, each side a condition built like the whole.
    pub(crate) fn when_either(mut self, sides: impl IntoIterator<Item = Change>) -> Self {
        let mut either = Vec::new();
        for side in sides {
            let mut text = side.condition.join(" AND ");
            // Highest first, so that `:v1` does not meet `:v10`.
            let mut values: Vec<_> = side.values.into_iter().collect();
            values.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
            for (old, value) in values {
                let new = self.value(value);
                text = text.replace(&old, &new.replace(":v", ":w"));
            }
            side.names.into_iter().for_each(|name| {
                if !self.names.contains(&name) {
                    self.names.push(name);
                }
            });
            either.push(format!("({})", text.replace(":w", ":v")));
        }
        self.condition.push(format!("({})", either.join(" OR ")));
        self
    }

    pub(crate) fn expression(&self) -> String {
        let clause = |verb: &str, parts: &[String]| {
            if parts.is_empty() { String::new() } else { format!("{verb} {} ", parts.join(", ")) }
        };
        let parts = [clause("SET", &self.sets), clause("ADD", &self.adds), clause("REMOVE", &self.removes)];
        parts.concat().trim_end().to_owned()
    }

    pub(crate) fn condition(&self) -> Option<String> {
        (!self.condition.is_empty()).then(|| self.condition.join(" AND "))
    }

    pub(crate) fn names(&self) -> std::collections::HashMap<String, String> {
        self.names.iter().map(|name| (name.clone(), name[1..].to_owned())).collect()
    }

    pub(crate) fn values(&self) -> Option<Item> {
        (!self.values.is_empty()).then(|| self.values.clone())
    }
}

/// Why a transaction was not committed.
#[derive(Debug)]
pub(crate) enum TxError {
    /// These actions' conditions failed: position, and the item as it stands.
    Refused(Vec<(usize, Option<Item>)>),
    /// Anything else.
    Store(StoreError),
}

impl From<StoreError> for TxError {
    fn from(error: StoreError) -> Self {
        TxError::Store(error)
    }
}

impl TxError {
    /// For callers whose conditions can only fail when what they read is stale.
    pub(crate) fn stale(self) -> StoreError {
        match self {
            TxError::Refused(_) => StoreError::Stale,
            TxError::Store(error) => error,
        }
    }
}

/// Actions that happen together or not at all; one item at most once.
pub(crate) struct Tx<'a> {
    store: &'a Store,
    actions: Vec<TransactWriteItem>,
}

impl Store {
    /// Begins a transaction.
    pub(crate) fn tx(&self) -> Tx<'_> {
        Tx { store: self, actions: vec![] }
    }
}

impl Tx<'_> {
    /// Puts an item that must not exist yet.
    pub(crate) fn create(self, item: Item) -> Result<Self, StoreError> {
        self.put(item, Change::default().when_absent("pk"))
    }

    /// Puts an item under a condition.
    pub(crate) fn put(mut self, item: Item, condition: Change) -> Result<Self, StoreError> {
        let names = condition.names();
        let put = Put::builder()
            .table_name(&self.store.table)
            .set_item(Some(item))
            .set_condition_expression(condition.condition())
            .set_expression_attribute_names((!names.is_empty()).then_some(names))
            .set_expression_attribute_values(condition.values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()?;
        self.actions.push(TransactWriteItem::builder().put(put).build());
        Ok(self)
    }

    /// Changes an item under the change's condition.
    pub(crate) fn update(mut self, key: &Key, change: Change) -> Result<Self, StoreError> {
        let update = Update::builder()
            .table_name(&self.store.table)
            .set_key(Some(key.item()))
            .update_expression(change.expression())
            .set_condition_expression(change.condition())
            .set_expression_attribute_names(Some(change.names()))
            .set_expression_attribute_values(change.values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()?;
        self.actions.push(TransactWriteItem::builder().update(update).build());
        Ok(self)
    }

    /// Deletes an item under a condition.
    pub(crate) fn delete(mut self, key: &Key, condition: Change) -> Result<Self, StoreError> {
        let delete = Delete::builder()
            .table_name(&self.store.table)
            .set_key(Some(key.item()))
            .set_condition_expression(condition.condition())
            .set_expression_attribute_names(Some(condition.names()))
            .set_expression_attribute_values(condition.values())
            .build()?;
        self.actions.push(TransactWriteItem::builder().delete(delete).build());
        Ok(self)
    }

    /// Demands a condition of an item that is not written.
    pub(crate) fn check(mut self, key: &Key, condition: Change) -> Result<Self, StoreError> {
        let check = ConditionCheck::builder()
            .table_name(&self.store.table)
            .set_key(Some(key.item()))
            .set_condition_expression(condition.condition())
            .set_expression_attribute_names(Some(condition.names()))
            .set_expression_attribute_values(condition.values())
            .build()?;
        self.actions.push(TransactWriteItem::builder().condition_check(check).build());
        Ok(self)
    }

    /// Commits. Conflicts and throttles are tried again under the same token, with capped, jittered pauses;
    /// so is an answer that got lost, by the SDK, which makes the repeat a no-op.
    pub(crate) async fn commit(self) -> Result<(), TxError> {
        let token = hex_token();
        let mut pause = Duration::from_millis(5);
        for _ in 0..TRIES {
            let request = self.store.client.transact_write_items().set_transact_items(Some(self.actions.clone()));
            let Err(error) = request.client_request_token(&token).send().await else { return Ok(()) };
            match read_refusal(error.as_service_error()) {
                Some(refused) if !refused.is_empty() => return Err(TxError::Refused(refused)),
                Some(_) => {}
                None => match StoreError::from(error) {
                    StoreError::Busy => {}
                    other => return Err(other.into()),
                },
            }
            tokio::time::sleep(rand::random_range(Duration::ZERO..pause)).await;
            pause = (pause * 2).min(Duration::from_millis(400));
        }
        Err(StoreError::Busy.into())
    }
}

/// A client request token: unique, at most 36 characters.
fn hex_token() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// The failed conditions of a cancelled transaction; empty when it was cancelled for conflicts or throttles alone;
/// nothing when the error is another one.
fn read_refusal(error: Option<&TransactWriteItemsError>) -> Option<Vec<(usize, Option<Item>)>> {
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = error? else { return None };
    let reasons = cancelled.cancellation_reasons();
    let failed = |code: &str| reasons.iter().any(|reason| reason.code() == Some(code));
    if failed("ValidationError") || failed("ItemCollectionSizeLimitExceeded") {
        tracing::error!(message = cancelled.message(), ?reasons, "transaction is not valid");
        return None;
    }
    let refused = reasons.iter().enumerate().filter(|(_, reason)| reason.code() == Some("ConditionalCheckFailed"));
    Some(refused.map(|(i, reason)| (i, reason.item().filter(|item| !item.is_empty()).cloned())).collect())
}
