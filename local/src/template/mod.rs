//! `infra/template.yaml`, read as the local cloud needs it.
//!
//! Only what exists in the template exists locally: tables, queues, buckets, the user pool, routes, authorizers, event
//! sources and schedules. Reading goes in two steps, because some attributes (the id of a user pool) are known only after
//! the resource was made: [`Template::tables`] and its like first, then [`Template::set_attribute`], then
//! [`Template::functions`] and [`Template::api`].

pub mod intrinsics;
pub mod model;

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};

use intrinsics::{Resolver, text, to_json};
use model::{
    ApiSpec, AuthorizerSpec, BucketSpec, FunctionSpec, QueueSource, QueueSpec, RouteSpec, ScheduleSource, SourceSpec,
    StreamSource, TableSpec, UserPoolSpec,
};

/// The template that this program was built with.
pub const TEMPLATE: &str = include_str!("../../../infra/template.yaml");

/// Region of the local cloud.
pub const REGION: &str = "eu-central-1";

/// Account of the local cloud.
pub const ACCOUNT_ID: &str = "000000000000";

/// Name of the local stack.
pub const STACK_NAME: &str = "fairground";

/// A parsed template and what its references stand for.
#[derive(Debug, Clone)]
pub struct Template {
    globals: Value,
    resources: BTreeMap<String, Value>,
    resolver: Resolver,
}

impl Template {
    /// Parses a SAM template. `parameters` win over the template's defaults; a parameter with neither is an error.
    pub fn parse(source: &str, parameters: &BTreeMap<String, String>) -> anyhow::Result<Self> {
        let root = to_json(yaml_serde::from_str(source).context("the template is not YAML")?)?;
        let conditions = object(&root["Conditions"]).clone().into_iter().collect();
        let mut resolver = Resolver::new(root["Mappings"].clone(), conditions);
        for (name, value) in [
            ("AWS::Region", REGION),
            ("AWS::AccountId", ACCOUNT_ID),
            ("AWS::StackName", STACK_NAME),
            ("AWS::Partition", "aws"),
            ("AWS::URLSuffix", "amazonaws.com"),
        ] {
            resolver.set(name, value);
        }
        for (name, definition) in object(&root["Parameters"]) {
            let value = match parameters.get(name) {
                Some(given) => given.clone(),
                None if definition["Default"].is_null() => bail!("parameter {name} of the template has no value"),
                None => text(&definition["Default"]),
            };
            let is_list = definition["Type"].as_str().is_some_and(|kind| kind.contains("List"));
            if is_list {
                resolver.set(name, value.split(',').map(|item| item.trim().into()).collect::<Vec<Value>>());
            } else {
                resolver.set(name, value);
            }
        }
        let mut template = Self { globals: root["Globals"].clone(), resources: BTreeMap::new(), resolver };
        for (logical_id, resource) in object(&root["Resources"]) {
            let exists = match resource["Condition"].as_str() {
                Some(condition) => template.resolver.condition(condition)?,
                None => true,
            };
            if exists {
                template.resources.insert(logical_id.clone(), resource.clone());
            }
        }
        template.name_resources()?;
        Ok(template)
    }

    /// Sets what follows from names alone: `Ref` and `GetAtt` of all resources that are not made by a service first.
    fn name_resources(&mut self) -> anyhow::Result<()> {
        for (logical_id, resource) in self.resources.clone() {
            let properties = &resource["Properties"];
            let named = |property: &str| -> anyhow::Result<String> {
                match &properties[property] {
                    Value::Null => Ok(format!("{STACK_NAME}-{logical_id}")),
                    name => Ok(self.resolver.resolve_text(name)?),
                }
            };
            let arn = |service: &str, rest: &str| format!("arn:aws:{service}:{REGION}:{ACCOUNT_ID}:{rest}");
            let (reference, attributes): (String, Vec<(&str, String)>) = match kind(&resource) {
                "AWS::DynamoDB::Table" => {
                    let name = named("TableName")?;
                    let table = arn("dynamodb", &format!("table/{name}"));
                    let stream = format!("{table}/stream/local");
                    (name, vec![("Arn", table), ("StreamArn", stream)])
                }
                "AWS::SQS::Queue" => {
                    let name = named("QueueName")?;
                    let url = format!("https://sqs.{REGION}.amazonaws.com/{ACCOUNT_ID}/{name}");
                    (url.clone(), vec![("Arn", arn("sqs", &name)), ("QueueName", name), ("QueueUrl", url)])
                }
                "AWS::S3::Bucket" => {
                    let name = named("BucketName")?;
                    let host = format!("{name}.s3.{REGION}.amazonaws.com");
                    let attributes = vec![
                        ("Arn", format!("arn:aws:s3:::{name}")),
                        ("DomainName", host.clone()),
                        ("RegionalDomainName", host),
                    ];
                    (name, attributes)
                }
                "AWS::Serverless::Function" => {
                    let name = function_name(&logical_id);
                    let function_arn = arn("lambda", &format!("function:{name}"));
                    (name, vec![("Arn", function_arn)])
                }
                _ => continue,
            };
            self.resolver.set(&logical_id, reference);
            for (attribute, value) in attributes {
                self.resolver.set_attribute(&logical_id, attribute, value);
            }
        }
        Ok(())
    }

    /// Says what `Ref logical_id` is, once the resource exists.
    pub fn set_reference(&mut self, logical_id: &str, value: &str) {
        self.resolver.set(logical_id, value);
    }

    /// Says what `GetAtt logical_id.attribute` is, once the resource exists.
    pub fn set_attribute(&mut self, logical_id: &str, attribute: &str, value: &str) {
        self.resolver.set_attribute(logical_id, attribute, value);
    }

    /// What `Ref logical_id` is.
    pub fn reference(&self, logical_id: &str) -> anyhow::Result<String> {
        Ok(self.resolver.resolve_text(&json!({ "Ref": logical_id }))?)
    }

    fn of_kind(&self, wanted: &'static str) -> impl Iterator<Item = (&String, &Value)> {
        self.resources
            .iter()
            .filter(move |(_, resource)| kind(resource) == wanted)
            .map(|(logical_id, resource)| (logical_id, &resource["Properties"]))
    }

    /// All tables.
    pub fn tables(&self) -> anyhow::Result<Vec<TableSpec>> {
        self.of_kind("AWS::DynamoDB::Table")
            .map(|(logical_id, properties)| {
                let resolved = self.resolver.resolve(properties)?;
                let mut table: TableSpec = serde_json::from_value(resolved).with_context(|| logical_id.clone())?;
                table.logical_id.clone_from(logical_id);
                table.name = self.reference(logical_id)?;
                Ok(table)
            })
            .collect()
    }

    /// All queues, those that others name as their dead-letter queue first.
    pub fn queues(&self) -> anyhow::Result<Vec<QueueSpec>> {
        let mut queues = self
            .of_kind("AWS::SQS::Queue")
            .map(|(logical_id, properties)| {
                let mut attributes = BTreeMap::new();
                for (name, value) in object(&self.resolver.resolve(properties)?) {
                    match name.as_str() {
                        "RedrivePolicy" | "RedriveAllowPolicy" => attributes.insert(name.clone(), value.to_string()),
                        "QueueName" | "Tags" => None,
                        _ => attributes.insert(name.clone(), text(value)),
                    };
                }
                let name = text(&self.resolver.resolve(&json!({"Fn::GetAtt": [logical_id, "QueueName"]}))?);
                Ok(QueueSpec { logical_id: logical_id.clone(), name, attributes })
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        queues.sort_by_key(|queue| queue.attributes.contains_key("RedrivePolicy"));
        Ok(queues)
    }

    /// URLs of all queues, by ARN.
    pub fn queue_urls(&self) -> anyhow::Result<BTreeMap<String, String>> {
        self.of_kind("AWS::SQS::Queue")
            .map(|(logical_id, _)| {
                let arn = self.resolver.resolve_text(&json!({ "Fn::GetAtt": [logical_id, "Arn"] }))?;
                Ok((arn, self.reference(logical_id)?))
            })
            .collect()
    }

    /// All buckets.
    pub fn buckets(&self) -> anyhow::Result<Vec<BucketSpec>> {
        self.of_kind("AWS::S3::Bucket")
            .map(|(logical_id, properties)| {
                let rules = self.resolver.resolve(&properties["CorsConfiguration"]["CorsRules"])?;
                let cors = match rules {
                    Value::Null => Vec::new(),
                    rules => serde_json::from_value(rules).with_context(|| logical_id.clone())?,
                };
                Ok(BucketSpec { logical_id: logical_id.clone(), name: self.reference(logical_id)?, cors })
            })
            .collect()
    }

    /// All user pools, with their clients and groups.
    pub fn user_pools(&self) -> anyhow::Result<Vec<UserPoolSpec>> {
        let mut pools = Vec::new();
        for (logical_id, properties) in self.of_kind("AWS::Cognito::UserPool") {
            // Clients and groups name their pool by `Ref`, which no id stands for yet.
            let mine = |properties: &&Value| properties["UserPoolId"] == json!({ "Ref": logical_id });
            let without_pool = |properties: &Value| {
                let mut properties = properties.clone();
                if let Some(map) = properties.as_object_mut() {
                    map.remove("UserPoolId");
                }
                self.resolver.resolve(&properties)
            };
            let clients = self
                .of_kind("AWS::Cognito::UserPoolClient")
                .filter(|(_, properties)| mine(properties))
                .map(|(id, properties)| Ok((id.clone(), without_pool(properties)?)))
                .collect::<anyhow::Result<_>>()?;
            let groups = self
                .of_kind("AWS::Cognito::UserPoolGroup")
                .filter(|(_, properties)| mine(properties))
                .map(|(_, properties)| Ok(text(&without_pool(properties)?["GroupName"])))
                .collect::<anyhow::Result<_>>()?;
            let properties = self.resolver.resolve(properties)?;
            let name = match &properties["UserPoolName"] {
                Value::Null => format!("{STACK_NAME}-{logical_id}"),
                name => text(name),
            };
            pools.push(UserPoolSpec { logical_id: logical_id.clone(), name, properties, clients, groups });
        }
        Ok(pools)
    }

    /// SES identities: domains or addresses.
    pub fn email_identities(&self) -> anyhow::Result<Vec<String>> {
        self.of_kind("AWS::SES::EmailIdentity")
            .map(|(_, properties)| Ok(self.resolver.resolve_text(&properties["EmailIdentity"])?))
            .collect()
    }

    /// All functions. Every reference in their environments must be known by now.
    pub fn functions(&self) -> anyhow::Result<Vec<FunctionSpec>> {
        let globals = &self.globals["Function"];
        self.of_kind("AWS::Serverless::Function")
            .map(|(logical_id, properties)| {
                let mut environment = BTreeMap::new();
                for variables in [globals, properties].map(|level| &level["Environment"]["Variables"]) {
                    for (name, value) in object(variables) {
                        let value = self.resolver.resolve_text(value);
                        environment.insert(name.clone(), value.with_context(|| format!("{logical_id}: {name}"))?);
                    }
                }
                let number = |property: &str, default: u64| -> anyhow::Result<u64> {
                    let value = properties.get(property).unwrap_or(&globals[property]);
                    Ok(self.resolver.resolve(value)?.as_u64().unwrap_or(default))
                };
                Ok(FunctionSpec {
                    logical_id: logical_id.clone(),
                    name: function_name(logical_id),
                    timeout: Duration::from_secs(number("Timeout", 3)?),
                    memory_mb: i32::try_from(number("MemorySize", 128)?)?,
                    environment,
                    has_url: !properties["FunctionUrlConfig"].is_null(),
                    sources: self.sources(logical_id, properties).with_context(|| logical_id.clone())?,
                })
            })
            .collect()
    }

    fn sources(&self, logical_id: &str, properties: &Value) -> anyhow::Result<Vec<SourceSpec>> {
        let mut sources = Vec::new();
        for (event_name, event) in object(&properties["Events"]) {
            let kind = kind(event);
            if kind == "HttpApi" {
                continue;
            }
            let details = self.resolver.resolve(&event["Properties"])?;
            sources.push(match kind {
                "SQS" => SourceSpec::Queue(serde_json::from_value::<QueueSource>(details)?),
                "DynamoDB" => SourceSpec::Stream(serde_json::from_value::<StreamSource>(details)?),
                "Schedule" | "ScheduleV2" => SourceSpec::Schedule(ScheduleSource {
                    name: details["Name"].as_str().map_or_else(|| format!("{logical_id}{event_name}"), str::to_owned),
                    expression: details["Schedule"]
                        .as_str()
                        .or(details["ScheduleExpression"].as_str())
                        .with_context(|| format!("{event_name} has no schedule"))?
                        .to_owned(),
                    time_zone: details["ScheduleExpressionTimezone"].as_str().map(str::to_owned),
                    input: details["Input"].as_str().map(serde_json::from_str).transpose()?,
                    is_scheduler: kind == "ScheduleV2",
                    enabled: details["Enabled"].as_bool().unwrap_or(true) && details["State"] != "DISABLED",
                }),
                other => bail!("event source {other} of {event_name} is not supported by the local cloud"),
            });
        }
        Ok(sources)
    }

    /// The HTTP API, with the routes of all functions.
    pub fn api(&self) -> anyhow::Result<ApiSpec> {
        let Some((api_id, api)) = self.of_kind("AWS::Serverless::HttpApi").next() else {
            return Ok(ApiSpec::default());
        };
        let auth = &api["Auth"];
        let mut authorizers = BTreeMap::new();
        for (name, authorizer) in object(&auth["Authorizers"]) {
            let authorizer = self.authorizer(authorizer).with_context(|| name.clone())?;
            authorizers.insert(name.clone(), authorizer);
        }
        let default_authorizer = auth["DefaultAuthorizer"].as_str();
        let cors = match self.resolver.resolve(&api["CorsConfiguration"])? {
            Value::Null => None,
            cors => Some(serde_json::from_value(cors).context("CorsConfiguration")?),
        };
        let mut routes = Vec::new();
        for (logical_id, properties) in self.of_kind("AWS::Serverless::Function") {
            for (event_name, event) in object(&properties["Events"]) {
                if kind(event) == "HttpApi" {
                    let route = self.route(logical_id, event, default_authorizer);
                    routes.push(route.with_context(|| format!("{logical_id}, {event_name}"))?);
                }
            }
        }
        for route in &routes {
            if let Some(name) = &route.authorizer
                && !authorizers.contains_key(name)
            {
                bail!("{} {} names authorizer {name}, which {api_id} does not have", route.method, route.path);
            }
        }
        Ok(ApiSpec { routes, authorizers, cors })
    }

    fn route(&self, logical_id: &str, event: &Value, default_authorizer: Option<&str>) -> anyhow::Result<RouteSpec> {
        let details = &event["Properties"];
        let authorizer = details["Auth"]["Authorizer"].as_str().or(default_authorizer);
        let scopes = self.resolver.resolve(&details["Auth"]["AuthorizationScopes"])?;
        Ok(RouteSpec {
            // SAM: an event without path and method is the API's default route.
            method: details["Method"].as_str().unwrap_or("ANY").to_ascii_uppercase().replace('*', "ANY"),
            path: self.resolver.resolve(&details["Path"])?.as_str().unwrap_or("$default").to_owned(),
            function: function_name(logical_id),
            authorizer: authorizer.filter(|name| *name != "NONE").map(str::to_owned),
            scopes: strings(&scopes),
        })
    }

    fn authorizer(&self, authorizer: &Value) -> anyhow::Result<AuthorizerSpec> {
        // `FunctionArn` names a function that the local cloud knows by its template name.
        let authorizer = self.resolver.resolve(authorizer)?;
        if let Some(jwt) = authorizer.get("JwtConfiguration") {
            return Ok(AuthorizerSpec::Jwt {
                identity_source: authorizer["IdentitySource"]
                    .as_str()
                    .unwrap_or("$request.header.Authorization")
                    .to_owned(),
                issuer: text(&jwt["issuer"]),
                audience: strings(&jwt["audience"]),
                scopes: strings(&authorizer["AuthorizationScopes"]),
            });
        }
        let arn = authorizer["FunctionArn"].as_str().context("neither JwtConfiguration nor FunctionArn")?;
        if text(&authorizer["AuthorizerPayloadFormatVersion"]) == "1.0" {
            bail!("payload format 1.0 is not supported by the local cloud");
        }
        let identity = &authorizer["Identity"];
        let mut identity_sources = Vec::new();
        for (place, prefix) in [
            ("Headers", "$request.header."),
            ("QueryStrings", "$request.querystring."),
            ("StageVariables", "$stageVariables."),
            ("Context", "$context."),
        ] {
            identity_sources.extend(strings(&identity[place]).iter().map(|name| format!("{prefix}{name}")));
        }
        Ok(AuthorizerSpec::Lambda {
            function: arn.rsplit(':').next().unwrap_or(arn).to_owned(),
            identity_sources,
            ttl: Duration::from_secs(identity["ReauthorizeEvery"].as_u64().unwrap_or(300)),
            simple_responses: authorizer["EnableSimpleResponses"].as_bool().unwrap_or(false),
        })
    }
}

/// `TicketsOrdersFunction` is `tickets-orders`: package, binary and folder.
pub fn function_name(logical_id: &str) -> String {
    let stem = logical_id.strip_suffix("Function").unwrap_or(logical_id);
    let mut name = String::new();
    for character in stem.chars() {
        if character.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(character.to_ascii_lowercase());
    }
    name
}

fn kind(resource: &Value) -> &str {
    resource["Type"].as_str().unwrap_or_default()
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().map(|items| items.iter().map(text).collect()).unwrap_or_default()
}

fn object(value: &Value) -> &Map<String, Value> {
    static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    value.as_object().unwrap_or(&EMPTY)
}

#[cfg(test)]
mod tests;
