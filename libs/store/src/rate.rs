//! Counters of requests per address and window.

use aws_sdk_dynamodb::types::ReturnValue;

use crate::{Store, error::StoreError, item::n, keys::Key, tx::Change};

impl Store {
    /// Adds `requests` to the count of an address in a window and returns the sum. One write; gone by TTL.
    pub async fn count_requests(
        &self,
        class: &str,
        address: &str,
        window: i64,
        window_seconds: i64,
        requests: u32,
    ) -> Result<u32, StoreError> {
        let expires = (window + 2) * window_seconds;
        let change =
            Change::default().add("requests", n(requests)).set("ttl", n(expires)).set("entity", crate::item::s("rate"));
        let answer = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::rate(class, address, window).item()))
            .update_expression(change.expression())
            .set_expression_attribute_names(Some(change.names()))
            .set_expression_attribute_values(change.values())
            .return_values(ReturnValue::UpdatedNew)
            .send()
            .await?;
        let sum = answer.attributes.as_ref().and_then(|a| a.get("requests")?.as_n().ok()?.parse().ok());
        Ok(sum.unwrap_or(requests))
    }
}
