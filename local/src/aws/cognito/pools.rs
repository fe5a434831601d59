//! Pools, app clients and groups.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::UserPools;
use super::input::{LOWER, MIXED, random_text};
use super::password::Policy;
use super::state::{AppClient, Pool, invalid_parameter};
use crate::aws::clock::date;
use crate::aws::wire::{Fault, Input, page_size};

impl UserPools {
    pub(super) fn create_user_pool(&self, input: Input) -> Result<Value, Fault> {
        input.text("PoolName")?;
        let id = format!("{}_{}", self.0.region, random_text(9, MIXED));
        let definition = input.into_value();
        let has_email = |list: &Value| list.as_array().is_some_and(|list| list.contains(&json!("email")));
        let pool = Pool {
            id: id.clone(),
            policy: Policy::read(&definition["Policies"]["PasswordPolicy"]),
            email_is_username: has_email(&definition["UsernameAttributes"]),
            admin_only: definition["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"] == true,
            definition,
            created_at: date(),
            clients: BTreeMap::new(),
            groups: BTreeMap::new(),
            users: BTreeMap::new(),
        };
        let described = self.described_pool(&pool);
        self.lock().pools.insert(id, pool);
        Ok(json!({"UserPool": described}))
    }

    pub(super) fn describe_user_pool(&self, input: &Input) -> Result<Value, Fault> {
        let mut state = self.lock();
        let pool = state.pool(input.text("UserPoolId")?)?;
        Ok(json!({"UserPool": self.described_pool(pool)}))
    }

    pub(super) fn list_user_pools(&self, input: &Input) -> Value {
        let state = self.lock();
        let pools = state.pools.values().take(page_size(input.number("MaxResults"), 60));
        let pools = pools
            .map(|pool| json!({"Id": pool.id, "Name": pool.definition["PoolName"], "CreationDate": pool.created_at}));
        json!({"UserPools": pools.collect::<Vec<_>>()})
    }

    pub(super) fn delete_user_pool(&self, input: &Input) -> Result<Value, Fault> {
        let mut state = self.lock();
        let id = state.pool(input.text("UserPoolId")?)?.id.clone();
        state.pools.remove(&id);
        Ok(json!({}))
    }

    fn described_pool(&self, pool: &Pool) -> Value {
        let mut described = pool.definition.clone();
        let id = &pool.id;
        described["Id"] = json!(id);
        described["Name"] = described["PoolName"].take();
        described["Arn"] = json!(format!("arn:aws:cognito-idp:{}:{}:userpool/{id}", self.0.region, self.0.account));
        described["CreationDate"] = json!(pool.created_at);
        described["LastModifiedDate"] = json!(pool.created_at);
        described["EstimatedNumberOfUsers"] = json!(pool.users.len());
        described["Policies"] = json!({"PasswordPolicy": pool.policy.describe()});
        described
    }

    pub(super) fn create_user_pool_client(&self, input: Input) -> Result<Value, Fault> {
        input.text("ClientName")?;
        let pool_id = input.text("UserPoolId")?.to_owned();
        let secret = input.flag("GenerateSecret").then(|| random_text(51, LOWER));
        let client = app_client(random_text(26, LOWER), secret, input.into_value())?;
        let described = described_client(&pool_id, &client);
        self.lock().pool(&pool_id)?.clients.insert(client.id.clone(), client);
        Ok(json!({"UserPoolClient": described}))
    }

    /// Replaces a client's settings; what is not given falls back to its default, as on AWS. The secret stays.
    pub(super) fn update_user_pool_client(&self, input: Input) -> Result<Value, Fault> {
        let (pool_id, id) = (input.text("UserPoolId")?.to_owned(), input.text("ClientId")?.to_owned());
        let mut state = self.lock();
        let client = client_of(state.pool(&pool_id)?, &id)?;
        let mut definition = input.into_value();
        if definition["ClientName"].is_null() {
            definition["ClientName"] = client.definition["ClientName"].clone();
        }
        *client = app_client(id, client.secret.take(), definition)?;
        Ok(json!({"UserPoolClient": described_client(&pool_id, client)}))
    }

    pub(super) fn describe_user_pool_client(&self, input: &Input) -> Result<Value, Fault> {
        let (pool_id, id) = (input.text("UserPoolId")?, input.text("ClientId")?);
        let mut state = self.lock();
        let client = client_of(state.pool(pool_id)?, id)?;
        Ok(json!({"UserPoolClient": described_client(pool_id, client)}))
    }

    pub(super) fn list_user_pool_clients(&self, input: &Input) -> Result<Value, Fault> {
        let mut state = self.lock();
        let pool = state.pool(input.text("UserPoolId")?)?;
        let clients = pool.clients.values().take(page_size(input.number("MaxResults"), 60));
        let clients = clients.map(|client| json!({"ClientId": client.id, "UserPoolId": pool.id, "ClientName": client.definition["ClientName"]}));
        Ok(json!({"UserPoolClients": clients.collect::<Vec<_>>()}))
    }

    pub(super) fn create_group(&self, input: Input) -> Result<Value, Fault> {
        let (pool_id, name) = (input.text("UserPoolId")?.to_owned(), input.text("GroupName")?.to_owned());
        let mut state = self.lock();
        let pool = state.pool(&pool_id)?;
        if pool.groups.contains_key(&name) {
            return Err(Fault::new("GroupExistsException", "A group with the name already exists."));
        }
        let mut group = input.into_value();
        group["CreationDate"] = json!(date());
        group["LastModifiedDate"] = group["CreationDate"].clone();
        pool.groups.insert(name, group.clone());
        Ok(json!({"Group": group}))
    }

    pub(super) fn get_group(&self, input: &Input) -> Result<Value, Fault> {
        let mut state = self.lock();
        let pool = state.pool(input.text("UserPoolId")?)?;
        let name = input.text("GroupName")?;
        pool.check_group(name)?;
        Ok(json!({"Group": pool.groups[name]}))
    }

    pub(super) fn list_groups(&self, input: &Input) -> Result<Value, Fault> {
        let mut state = self.lock();
        let groups: Vec<_> = state.pool(input.text("UserPoolId")?)?.groups.values().cloned().collect();
        Ok(json!({"Groups": groups}))
    }
}

fn client_of<'a>(pool: &'a mut Pool, id: &str) -> Result<&'a mut AppClient, Fault> {
    let missing = || Fault::new("ResourceNotFoundException", format!("User pool client {id} does not exist."));
    pool.clients.get_mut(id).ok_or_else(missing)
}

/// Reads a client's settings, with AWS's defaults: an hour for access and ID tokens, thirty days for refresh tokens.
fn app_client(id: String, secret: Option<String>, definition: Value) -> Result<AppClient, Fault> {
    let seconds = |name: &str, unit_name: &str, unit: &str, default: u64| {
        let unit = definition["TokenValidityUnits"][unit_name].as_str().unwrap_or(unit);
        let size = match unit {
            "seconds" => 1,
            "minutes" => 60,
            "hours" => 3600,
            _ => 86_400,
        };
        definition[name].as_u64().filter(|count| *count > 0).unwrap_or(default) * size
    };
    let flows = match definition["ExplicitAuthFlows"].as_array() {
        Some(flows) => flows.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        None => vec![
            "ALLOW_REFRESH_TOKEN_AUTH".to_owned(),
            "ALLOW_USER_SRP_AUTH".to_owned(),
            "ALLOW_CUSTOM_AUTH".to_owned(),
        ],
    };
    let rotation = &definition["RefreshTokenRotation"];
    let rotation =
        (rotation["Feature"] == "ENABLED").then(|| rotation["RetryGracePeriodSeconds"].as_u64().unwrap_or(0));
    if rotation.is_some() && flows.iter().any(|flow| flow == "ALLOW_REFRESH_TOKEN_AUTH") {
        return Err(invalid_parameter(
            "Refresh token rotation cannot be enabled together with ALLOW_REFRESH_TOKEN_AUTH.",
        ));
    }
    Ok(AppClient {
        id,
        secret,
        flows,
        access_seconds: seconds("AccessTokenValidity", "AccessToken", "hours", 1),
        id_seconds: seconds("IdTokenValidity", "IdToken", "hours", 1),
        refresh_seconds: seconds("RefreshTokenValidity", "RefreshToken", "days", 30),
        rotation,
        hides_unknown_users: definition["PreventUserExistenceErrors"] == "ENABLED",
        definition,
    })
}

fn described_client(pool_id: &str, client: &AppClient) -> Value {
    let mut described = client.definition.clone();
    described["UserPoolId"] = json!(pool_id);
    described["ClientId"] = json!(client.id);
    described["ExplicitAuthFlows"] = json!(client.flows);
    if let Some(secret) = &client.secret {
        described["ClientSecret"] = json!(secret);
    }
    described
}
