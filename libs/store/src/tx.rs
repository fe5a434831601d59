//! Transactions: built action by action, committed with one token, their refusals read reason by reason.

use std::time::Duration;

use aws_sdk_dynamodb::{
    config::AsyncSleep,
    operation::{transact_write_items::TransactWriteItemsError, update_item::UpdateItemError},
    types::{
        AttributeValue, ConditionCheck, Delete, Put, ReturnValue, ReturnValuesOnConditionCheckFailure,
        TransactWriteItem, Update,
    },
};

use crate::{Store, error::StoreError, item::Item, keys::Key};

/// How often conflicts and throttles are tried again: about two seconds in all.
const TRIES: u32 = 12;

/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_millis(400);

/// Counts tries, and pauses between them: longer each time, capped, jittered.
pub(crate) struct Tries<'a> {
    store: &'a Store,
    left: u32,
}

impl Tries<'_> {
    /// Waits before another try; false when there have been enough. The jitter need not be secret, but must come from a
    /// generator that can be seeded, so that a chaos run replays.
    pub(crate) async fn again(&mut self) -> bool {
        self.left -= 1;
        let pause = Duration::from_millis(5 << (TRIES - self.left).min(10)).min(LONGEST_PAUSE);
        if self.left > 0 {
            self.store.pause(pause.mul_f64(fastrand::f64())).await;
        }
        self.left > 0
    }
}

impl Store {
    /// Begins to count tries.
    pub(crate) fn tries(&self) -> Tries<'_> {
        Tries { store: self, left: TRIES }
    }

    /// Waits as the client waits between its own tries: whoever sets its time sets ours.
    pub(crate) async fn pause(&self, pause: Duration) {
        match self.client.config().sleep_impl() {
            Some(sleep) => sleep.sleep(pause).await,
            None => tokio::time::sleep(pause).await,
        }
    }
}

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

    /// Sets what is not there yet, and leaves what is.
    pub(crate) fn set_if_absent(mut self, attribute: &str, value: AttributeValue) -> Self {
        let (name, value) = (self.name(attribute), self.value(value));
        self.sets.push(format!("{name} = if_not_exists({name}, {value})"));
        self
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

    /// The list or set `attribute` must not have this member.
    pub(crate) fn when_not_containing(mut self, attribute: &str, member: AttributeValue) -> Self {
        let (name, member) = (self.name(attribute), self.value(member));
        self.condition.push(format!("NOT contains({name}, {member})"));
        self
    }

    /// `low <= attribute <= high` must hold.
    pub(crate) fn when_between(mut self, attribute: &str, low: AttributeValue, high: AttributeValue) -> Self {
        let (name, low, high) = (self.name(attribute), self.value(low), self.value(high));
        self.condition.push(format!("{name} BETWEEN {low} AND {high}"));
        self
    }

    /// `(a OR b)`: each side adds its conditions as the whole does.
    pub(crate) fn when_either(mut self, sides: &[&dyn Fn(Self) -> Self]) -> Self {
        let whole = std::mem::take(&mut self.condition);
        let mut either = Vec::new();
        for side in sides {
            self = side(self);
            either.extend(self.take_condition().map(|condition| format!("({condition})")));
        }
        self.condition = whole;
        self.condition.push(format!("({})", either.join(" OR ")));
        self
    }

    /// The conditions so far; those that follow begin another expression over the same names and values.
    pub(crate) fn take_condition(&mut self) -> Option<String> {
        let condition = self.condition();
        self.condition.clear();
        condition
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
        let names = condition.names();
        let delete = Delete::builder()
            .table_name(&self.store.table)
            .set_key(Some(key.item()))
            .set_condition_expression(condition.condition())
            .set_expression_attribute_names((!names.is_empty()).then_some(names))
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
        let token = random_token();
        let mut tries = self.store.tries();
        loop {
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
            if !tries.again().await {
                return Err(StoreError::Busy.into());
            }
        }
    }
}

impl Store {
    /// One conditional update: the item after it, or, refused, the item as it stands. Not idempotent by itself: repeated
    /// after a lost answer it finds its own effect, and its caller must know that from another's.
    pub(crate) async fn change(&self, key: &Key, change: Change) -> Result<Result<Item, Option<Item>>, StoreError> {
        let mut tries = self.tries();
        loop {
            let answer = self
                .client
                .update_item()
                .table_name(&self.table)
                .set_key(Some(key.item()))
                .update_expression(change.expression())
                .set_condition_expression(change.condition())
                .set_expression_attribute_names(Some(change.names()))
                .set_expression_attribute_values(change.values())
                .return_values(ReturnValue::AllNew)
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
                .send()
                .await;
            let error = match answer {
                Ok(answer) => return Ok(Ok(answer.attributes.unwrap_or_default())),
                Err(error) => error,
            };
            if let Some(UpdateItemError::ConditionalCheckFailedException(refused)) = error.as_service_error() {
                return Ok(Err(refused.item().filter(|item| !item.is_empty()).cloned()));
            }
            match StoreError::from(error) {
                StoreError::Busy if tries.again().await => {}
                error => return Err(error),
            }
        }
    }
}

/// A name that nothing else has; as a client request token it may have 36 characters.
pub(crate) fn random_token() -> String {
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
