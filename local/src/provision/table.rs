//! Tables with their indexes, streams and expiry.

use std::time::Duration;

use anyhow::{Context as _, bail};
use aws_sdk_dynamodb::{
    Client,
    types::{
        AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
        ScalarAttributeType, StreamSpecification, StreamViewType, TableDescription, TableStatus,
        TimeToLiveSpecification, TimeToLiveStatus,
    },
};

use crate::template::model::{IndexSpec, KeySpec, TableSpec};

/// Makes sure of a table, and returns the ARN of its stream.
pub async fn ensure(client: &Client, table: &TableSpec) -> anyhow::Result<Option<String>> {
    let description = match describe(client, &table.name).await? {
        Some(description) => description,
        None => {
            create(client, table).await.with_context(|| format!("creating table {}", table.name))?;
            wait_until_active(client, &table.name).await?
        }
    };
    let has = |index: &&IndexSpec| {
        let indexes = description.global_secondary_indexes();
        indexes.iter().any(|present| present.index_name() == Some(&index.index_name))
    };
    if let Some(missing) = table.global_secondary_indexes.iter().find(|index| !has(index)) {
        bail!("table {} of an earlier version lacks index {}; --reset starts over", table.name, missing.index_name);
    }
    ensure_expiry(client, table).await?;
    Ok(description.latest_stream_arn)
}

async fn describe(client: &Client, name: &str) -> anyhow::Result<Option<TableDescription>> {
    match client.describe_table().table_name(name).send().await {
        Ok(found) => Ok(found.table),
        Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()) => Ok(None),
        Err(error) => Err(error).with_context(|| format!("looking for table {name}")),
    }
}

async fn wait_until_active(client: &Client, name: &str) -> anyhow::Result<TableDescription> {
    for _ in 0..600 {
        if let Some(table) = describe(client, name).await?
            && table.table_status == Some(TableStatus::Active)
        {
            return Ok(table);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("table {name} did not become active within a minute")
}

async fn create(client: &Client, table: &TableSpec) -> anyhow::Result<()> {
    let mut request = client
        .create_table()
        .table_name(&table.name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_key_schema(Some(key_schema(&table.key_schema)?));
    for attribute in &table.attribute_definitions {
        let kind = ScalarAttributeType::from(attribute.attribute_type.as_str());
        let definition = AttributeDefinition::builder().attribute_name(&attribute.attribute_name).attribute_type(kind);
        request = request.attribute_definitions(definition.build()?);
    }
    for index in &table.global_secondary_indexes {
        let names = &index.projection.non_key_attributes;
        let projection = Projection::builder()
            .projection_type(ProjectionType::from(index.projection.projection_type.as_str()))
            .set_non_key_attributes((!names.is_empty()).then(|| names.clone()))
            .build();
        let definition = GlobalSecondaryIndex::builder()
            .index_name(&index.index_name)
            .set_key_schema(Some(key_schema(&index.key_schema)?))
            .projection(projection)
            .build()?;
        request = request.global_secondary_indexes(definition);
    }
    if let Some(stream) = &table.stream_specification {
        let kind = StreamViewType::from(stream.stream_view_type.as_str());
        let stream = StreamSpecification::builder().stream_enabled(true).stream_view_type(kind).build()?;
        request = request.stream_specification(stream);
    }
    request.send().await?;
    Ok(())
}

fn key_schema(keys: &[KeySpec]) -> anyhow::Result<Vec<KeySchemaElement>> {
    let element = |key: &KeySpec| {
        let kind = KeyType::from(key.key_type.as_str());
        KeySchemaElement::builder().attribute_name(&key.attribute_name).key_type(kind).build()
    };
    Ok(keys.iter().map(element).collect::<Result<_, _>>()?)
}

async fn ensure_expiry(client: &Client, table: &TableSpec) -> anyhow::Result<()> {
    let Some(expiry) = table.time_to_live_specification.as_ref().filter(|expiry| expiry.enabled) else { return Ok(()) };
    let present = client.describe_time_to_live().table_name(&table.name).send().await?;
    let status = present.time_to_live_description.and_then(|description| description.time_to_live_status);
    if matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)) {
        return Ok(());
    }
    let expiry = TimeToLiveSpecification::builder().enabled(true).attribute_name(&expiry.attribute_name).build()?;
    client
        .update_time_to_live()
        .table_name(&table.name)
        .time_to_live_specification(expiry)
        .send()
        .await
        .with_context(|| format!("setting the expiry of table {}", table.name))?;
    Ok(())
}
