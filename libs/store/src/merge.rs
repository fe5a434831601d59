//! A list over shards, read in one order as far as somebody wants to read it: each item once, a page of each shard at a time.

use std::collections::VecDeque;

use futures_util::future::try_join_all;

use crate::{
    Store,
    error::StoreError,
    item::{Item, text},
    list::Range,
};

/// Items of a page at most, however far somebody reads.
const LARGEST_PAGE: usize = 500;

/// The same range of several partitions, merged by its sort key. Read by [`Merge::next`].
pub(crate) struct Merge<'a> {
    store: &'a Store,
    /// The attribute that the items are in order of.
    pub(crate) sort_key: &'static str,
    descending: bool,
    page: usize,
    shards: Vec<Shard>,
}

struct Shard {
    range: Range,
    /// What was read and not yet given out.
    read: VecDeque<Item>,
    /// Where the next page begins.
    next: Option<Item>,
    ended: bool,
}

impl Store {
    /// Begins to read `range` of each partition. Its limit is what is probably wanted of all of them together: the first
    /// pages are as small as that allows, later ones grow.
    pub(crate) fn merge(
        &self,
        partitions: impl ExactSizeIterator<Item = String>,
        range: Range,
        sort_key: &'static str,
    ) -> Merge<'_> {
        // A shard has its share of what is wanted, and by chance some more.
        let page = (range.limit * 3 / 2 / partitions.len().max(1) + 4).min(LARGEST_PAGE);
        let shard =
            |pk| Shard { range: Range { pk, ..range.clone() }, read: VecDeque::new(), next: None, ended: false };
        let descending = range.descending;
        Merge { store: self, sort_key, descending, page, shards: partitions.map(shard).collect() }
    }
}

impl Merge<'_> {
    /// The next item; nothing once all shards have ended.
    pub(crate) async fn next(&mut self) -> Result<Option<Item>, StoreError> {
        while self.shards.iter().any(|shard| shard.read.is_empty() && !shard.ended) {
            self.read_on().await?;
        }
        let waiting = self.shards.iter_mut().filter(|shard| !shard.read.is_empty());
        let key = |shard: &&mut Shard| text(&shard.read[0], self.sort_key).unwrap_or_default().to_owned();
        let first = if self.descending { waiting.max_by_key(key) } else { waiting.min_by_key(key) };
        Ok(first.and_then(|shard| shard.read.pop_front()))
    }

    /// Reads the next page of each shard that has, or soon will have, nothing left to give out; all at once.
    async fn read_on(&mut self) -> Result<(), StoreError> {
        let (store, page) = (self.store, self.page);
        let low = self.shards.iter_mut().filter(|shard| !shard.ended && shard.read.len() <= page / 4);
        let reading = low.map(|shard| async move {
            let (items, next) = store.query_page(&shard.range, page, shard.next.take()).await?;
            shard.read.extend(items);
            shard.ended = next.is_none();
            shard.next = next;
            Ok::<_, StoreError>(())
        });
        try_join_all(reading).await?;
        self.page = (page * 2).min(LARGEST_PAGE);
        Ok(())
    }
}
