//! Lists: queries of an index or a partition, over shards in parallel where a key has them.

use aws_sdk_dynamodb::{operation::query::builders::QueryFluentBuilder, types::Select};
use futures_util::future::try_join_all;

use crate::{
    Store,
    error::StoreError,
    item::{Item, s},
    tx::Change,
};

/// What a query reads.
#[derive(Clone, Default)]
pub(crate) struct Range {
    /// `gsi1`, `gsi2`, or the table itself.
    pub(crate) index: Option<&'static str>,
    /// The partition.
    pub(crate) pk: String,
    /// Sort keys from (inclusive).
    pub(crate) from: Option<String>,
    /// Sort keys up to (inclusive).
    pub(crate) to: Option<String>,
    /// Newest, or highest, first.
    pub(crate) descending: bool,
    /// As the table is now; not for an index.
    pub(crate) consistent: bool,
    /// Equality filters, applied by the database.
    pub(crate) equal: Vec<(&'static str, String)>,
    /// Items wanted at most.
    pub(crate) limit: usize,
}

impl Store {
    /// Reads a range, page by page, until it has what is wanted or the range ends.
    pub(crate) async fn query(&self, range: Range) -> Result<Vec<Item>, StoreError> {
        let page = if range.equal.is_empty() { range.limit.min(1000) } else { 1000 };
        let mut items = Vec::new();
        let mut start = None;
        while items.len() < range.limit {
            let (read, next) = self.query_page(&range, page, start).await?;
            items.extend(read);
            start = next;
            if start.is_none() {
                break;
            }
        }
        items.truncate(range.limit);
        Ok(items)
    }

    /// One page of a range, of which the database looks at `page` items at most, and where the next begins.
    pub(crate) async fn query_page(
        &self,
        range: &Range,
        page: usize,
        start: Option<Item>,
    ) -> Result<(Vec<Item>, Option<Item>), StoreError> {
        let query = self.query_of(range).limit(page as i32).set_exclusive_start_key(start);
        let answer = query.send().await?;
        Ok((answer.items.unwrap_or_default(), answer.last_evaluated_key))
    }

    fn query_of(&self, range: &Range) -> QueryFluentBuilder {
        let prefix = range.index.unwrap_or_default();
        let (pk, sk) = (format!("{prefix}pk"), format!("{prefix}sk"));
        let keys = Change::default().when(&pk, "=", s(&range.pk));
        let mut all = match (&range.from, &range.to) {
            (Some(from), Some(to)) => keys.when_between(&sk, s(from), s(to)),
            (Some(from), None) => keys.when(&sk, ">=", s(from)),
            (None, Some(to)) => keys.when(&sk, "<=", s(to)),
            (None, None) => keys,
        };
        let key_condition = all.take_condition();
        let all = range.equal.iter().fold(all, |all, (name, value)| all.when(name, "=", s(value)));
        self.client
            .query()
            .table_name(&self.table)
            .set_index_name(range.index.map(str::to_owned))
            .set_key_condition_expression(key_condition)
            .set_filter_expression(all.condition())
            .set_expression_attribute_names(Some(all.names()))
            .set_expression_attribute_values(all.values())
            .scan_index_forward(!range.descending)
            .set_consistent_read(range.consistent.then_some(true))
    }

    /// How many items of a range there are; its limit says nothing. Reads all of it, and brings none of it.
    pub(crate) async fn count(&self, range: &Range) -> Result<u64, StoreError> {
        let (mut count, mut start) = (0, None);
        loop {
            let query = self.query_of(range).select(Select::Count).set_exclusive_start_key(start);
            let answer = query.send().await?;
            count += u64::try_from(answer.count).unwrap_or_default();
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(count);
            }
        }
    }

    /// Reads the same range of several partitions and merges by the sort key `order`.
    pub(crate) async fn query_shards(
        &self,
        partitions: impl Iterator<Item = String>,
        range: Range,
        order: &str,
    ) -> Result<Vec<Item>, StoreError> {
        let limit = range.limit;
        let descending = range.descending;
        let shards = partitions.map(|pk| self.query(Range { pk, ..range.clone() }));
        let mut items: Vec<Item> = try_join_all(shards).await?.into_iter().flatten().collect();
        items.sort_by(|a, b| {
            let (a, b) = (crate::item::text(a, order), crate::item::text(b, order));
            if descending { b.cmp(&a) } else { a.cmp(&b) }
        });
        items.truncate(limit);
        Ok(items)
    }

    /// Reads items by key, in calls of 100 that run at once; those that are not there are left out.
    pub(crate) async fn batch_get(&self, keys: Vec<Item>, consistent: bool) -> Result<Vec<Item>, StoreError> {
        let calls = keys.chunks(100).map(|chunk| self.batch_get_chunk(chunk.to_vec(), consistent));
        Ok(try_join_all(calls).await?.into_iter().flatten().collect())
    }

    async fn batch_get_chunk(&self, mut keys: Vec<Item>, consistent: bool) -> Result<Vec<Item>, StoreError> {
        use aws_sdk_dynamodb::types::KeysAndAttributes;
        let mut items = Vec::new();
        for attempt in 0..8 {
            let wanted = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(consistent).build()?;
            let answer = self.client.batch_get_item().request_items(&self.table, wanted).send().await?;
            items.extend(answer.responses.unwrap_or_default().remove(&self.table).unwrap_or_default());
            keys = match answer.unprocessed_keys.unwrap_or_default().remove(&self.table) {
                Some(rest) if !rest.keys.is_empty() => rest.keys,
                _ => return Ok(items),
            };
            self.pause(std::time::Duration::from_millis(10 << attempt)).await;
        }
        Err(StoreError::Busy)
    }

    /// Reads one item, as it is now.
    pub(crate) async fn get(&self, key: &crate::keys::Key) -> Result<Option<Item>, StoreError> {
        let request = self.client.get_item().table_name(&self.table).set_key(Some(key.item())).consistent_read(true);
        Ok(request.send().await?.item)
    }
}
