//! Subscribers of an organization's newsletter.

use aws_sdk_dynamodb::types::ReturnValue;
use domain::ids::OrgId;
use jiff::Timestamp;

use crate::{
    Store,
    error::StoreError,
    item::{n, s},
    keys::Key,
    tx::Change,
};

/// What an address was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subscription {
    /// Not known.
    New,
    /// Subscribed.
    Active,
    /// Unsubscribed.
    Inactive,
}

impl Store {
    /// Subscribes an address (lower case) and tells what it was before.
    pub async fn subscribe(&self, org: OrgId, email: &str, now: Timestamp) -> Result<Subscription, StoreError> {
        self.set_subscription(org, email, true, now).await
    }

    /// Unsubscribes an address (lower case) and tells what it was before. An unknown one is noted as unsubscribed.
    pub async fn unsubscribe(&self, org: OrgId, email: &str, now: Timestamp) -> Result<Subscription, StoreError> {
        self.set_subscription(org, email, false, now).await
    }

    async fn set_subscription(
        &self,
        org: OrgId,
        email: &str,
        on: bool,
        now: Timestamp,
    ) -> Result<Subscription, StoreError> {
        let change = Change::default()
            .set("active", aws_sdk_dynamodb::types::AttributeValue::Bool(on))
            .set("email", s(email))
            .set("org", s(org.to_string()))
            .set("entity", s("subscriber"))
            .set("changed_at", n(now.as_millisecond()));
        let answer = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::subscriber(org, email).item()))
            .update_expression(change.expression())
            .set_expression_attribute_names(Some(change.names()))
            .set_expression_attribute_values(change.values())
            .return_values(ReturnValue::AllOld)
            .send()
            .await?;
        let before = answer.attributes.unwrap_or_default();
        Ok(match before.get("active").and_then(|active| active.as_bool().ok()) {
            None => Subscription::New,
            Some(true) => Subscription::Active,
            Some(false) => Subscription::Inactive,
        })
    }
}
