//! User pools with their clients and groups. Found again by name, since Cognito gives the ids.

use anyhow::Context as _;
use aws_sdk_cognitoidentityprovider::{
    Client,
    types::{
        AdminCreateUserConfigType, ExplicitAuthFlowsType, FeatureType, PasswordPolicyType,
        PreventUserExistenceErrorTypes, RefreshTokenRotationType, TimeUnitsType, TokenValidityUnitsType,
        UserPoolPolicyType, UsernameAttributeType, UsernameConfigurationType, VerifiedAttributeType,
    },
};
use serde_json::Value;

use crate::template::model::UserPoolSpec;

/// A user pool that exists.
#[derive(Debug)]
pub struct Pool {
    /// The template's name of it.
    pub logical_id: String,
    /// Its id.
    pub id: String,
    /// Its clients.
    pub clients: Vec<PoolClient>,
}

/// A client of a user pool.
#[derive(Debug)]
pub struct PoolClient {
    /// The template's name of it.
    pub logical_id: String,
    /// Its id.
    pub id: String,
    /// Its secret; empty where it has none.
    pub secret: String,
}

/// Makes sure of a pool, its clients and its groups.
pub async fn ensure(client: &Client, spec: &UserPoolSpec) -> anyhow::Result<Pool> {
    let id = match find_pool(client, &spec.name).await? {
        Some(id) => id,
        None => create_pool(client, spec).await.with_context(|| format!("creating user pool {}", spec.name))?,
    };
    let mut clients = Vec::new();
    for (logical_id, properties) in &spec.clients {
        let (client_id, secret) = ensure_client(client, &id, logical_id, properties).await?;
        clients.push(PoolClient { logical_id: logical_id.clone(), id: client_id, secret });
    }
    for group in &spec.groups {
        match client.create_group().user_pool_id(&id).group_name(group).send().await {
            Ok(_) => {}
            Err(error) if error.as_service_error().is_some_and(|error| error.is_group_exists_exception()) => {}
            Err(error) => return Err(error).with_context(|| format!("creating group {group}")),
        }
    }
    Ok(Pool { logical_id: spec.logical_id.clone(), id, clients })
}

async fn find_pool(client: &Client, name: &str) -> anyhow::Result<Option<String>> {
    let mut pages = client.list_user_pools().max_results(60).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.context("listing user pools")?;
        if let Some(pool) = page.user_pools().iter().find(|pool| pool.name() == Some(name)) {
            return Ok(pool.id.clone());
        }
    }
    Ok(None)
}

async fn create_pool(client: &Client, spec: &UserPoolSpec) -> anyhow::Result<String> {
    let properties = &spec.properties;
    let policy = &properties["Policies"]["PasswordPolicy"];
    let flag = |name: &str| policy[name].as_bool().unwrap_or(false);
    let password = PasswordPolicyType::builder()
        .set_minimum_length(number(&policy["MinimumLength"]))
        .require_lowercase(flag("RequireLowercase"))
        .require_uppercase(flag("RequireUppercase"))
        .require_numbers(flag("RequireNumbers"))
        .require_symbols(flag("RequireSymbols"))
        .build();
    let only_admins = properties["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"].as_bool().unwrap_or(false);
    let case_sensitive = properties["UsernameConfiguration"]["CaseSensitive"].as_bool().unwrap_or(false);
    let mut create = client
        .create_user_pool()
        .pool_name(&spec.name)
        .policies(UserPoolPolicyType::builder().password_policy(password).build())
        .admin_create_user_config(
            AdminCreateUserConfigType::builder().allow_admin_create_user_only(only_admins).build(),
        )
        .username_configuration(UsernameConfigurationType::builder().case_sensitive(case_sensitive).build()?);
    for name in texts(&properties["UsernameAttributes"]) {
        create = create.username_attributes(UsernameAttributeType::from(name));
    }
    for name in texts(&properties["AutoVerifiedAttributes"]) {
        create = create.auto_verified_attributes(VerifiedAttributeType::from(name));
    }
    let created = create.send().await?;
    created.user_pool.and_then(|pool| pool.id).context("the new user pool has no id")
}

/// Id and secret.
async fn ensure_client(
    client: &Client,
    pool: &str,
    logical_id: &str,
    properties: &Value,
) -> anyhow::Result<(String, String)> {
    let name = properties["ClientName"].as_str().unwrap_or(logical_id);
    let listed = client.list_user_pool_clients().user_pool_id(pool).max_results(60).send().await?;
    let found = listed.user_pool_clients().iter().find(|one| one.client_name() == Some(name));
    let id = match found.and_then(|one| one.client_id.clone()) {
        Some(id) => id,
        None => {
            create_client(client, pool, name, properties).await.with_context(|| format!("creating client {name}"))?
        }
    };
    let described = client.describe_user_pool_client().user_pool_id(pool).client_id(&id).send().await?;
    let secret = described.user_pool_client.and_then(|client| client.client_secret).unwrap_or_default();
    Ok((id, secret))
}

async fn create_client(client: &Client, pool: &str, name: &str, properties: &Value) -> anyhow::Result<String> {
    let unit = |name: &str| properties["TokenValidityUnits"][name].as_str().map(TimeUnitsType::from);
    let units = TokenValidityUnitsType::builder()
        .set_access_token(unit("AccessToken"))
        .set_id_token(unit("IdToken"))
        .set_refresh_token(unit("RefreshToken"))
        .build();
    let mut create = client
        .create_user_pool_client()
        .user_pool_id(pool)
        .client_name(name)
        .generate_secret(properties["GenerateSecret"].as_bool().unwrap_or(false))
        .set_access_token_validity(number(&properties["AccessTokenValidity"]))
        .set_id_token_validity(number(&properties["IdTokenValidity"]))
        .set_refresh_token_validity(number(&properties["RefreshTokenValidity"]))
        .token_validity_units(units)
        .set_enable_token_revocation(properties["EnableTokenRevocation"].as_bool())
        .set_prevent_user_existence_errors(
            properties["PreventUserExistenceErrors"].as_str().map(PreventUserExistenceErrorTypes::from),
        );
    for flow in texts(&properties["ExplicitAuthFlows"]) {
        create = create.explicit_auth_flows(ExplicitAuthFlowsType::from(flow));
    }
    for provider in texts(&properties["SupportedIdentityProviders"]) {
        create = create.supported_identity_providers(provider);
    }
    let rotation = &properties["RefreshTokenRotation"];
    if let Some(feature) = rotation["Feature"].as_str() {
        let rotation = RefreshTokenRotationType::builder()
            .feature(FeatureType::from(feature))
            .set_retry_grace_period_seconds(number(&rotation["RetryGracePeriodSeconds"]));
        create = create.refresh_token_rotation(rotation.build()?);
    }
    let created = create.send().await?;
    created.user_pool_client.and_then(|client| client.client_id).context("the new client has no id")
}

fn number(value: &Value) -> Option<i32> {
    value.as_i64().and_then(|number| number.try_into().ok())
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}
