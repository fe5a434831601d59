//! The template, the function crates, the local registry, the API's description and the sample events say the same, and
//! the template gives nobody more than they need. Each test names what was forgotten.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use local::template::{TEMPLATE, function_name, intrinsics::to_json};
use runtime::Settings;
use serde_json::{Value, json};

/// Settings that the template leaves out: five point at stand-ins, two let in what a deployment must not.
const NOT_DEPLOYED: &[&str] = &[
    "ACCEPT_UNSIGNED_WEBHOOKS",
    "ALLOW_PRIVATE_ENDPOINTS",
    "APPLE_ROOTS",
    "GOOGLE_JWKS_URL",
    "GOOGLE_PLAY_BASE",
    "JWKS_URL",
    "STRIPE_API_BASE",
];

/// The only resources that a role may name by a wildcard, and the actions that have no other way.
const WILDCARDS: &[(&str, &[&str])] = &[
    ("*", &["xray:PutTelemetryRecords", "xray:PutTraceSegments"]),
    ("${MediaBucket.Arn}/media/*", &["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]),
    ("${MediaBucket.Arn}/reports/*", &["s3:GetObject", "s3:PutObject"]),
];

/// How the routes end that take what no other takes.
const CATCH_ALL: &str = "/{proxy+}";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn template() -> Value {
    to_json(yaml_serde::from_str(TEMPLATE).unwrap()).unwrap()
}

fn object(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// A list's items; a single value is a list of one, as in IAM.
fn items(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Null => vec![],
        one => vec![one],
    }
}

fn of_type<'a>(template: &'a Value, kind: &'a str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    object(&template["Resources"]).filter(move |(_, resource)| resource["Type"] == kind)
}

/// Functions of the template by package name.
fn functions(template: &Value) -> BTreeMap<String, &Value> {
    of_type(template, "AWS::Serverless::Function").map(|(id, function)| (function_name(id), function)).collect()
}

/// `(method, path, authorizer)` of each route of a function.
fn routes(function: &Value) -> Vec<(String, String, Value)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    object(&function["Properties"]["Events"])
        .filter(|(_, event)| event["Type"] == "HttpApi")
        .map(|(_, event)| &event["Properties"])
        .map(|route| (text(&route["Method"]), text(&route["Path"]), route["Auth"]["Authorizer"].clone()))
        .collect()
}

/// `FunctionName` → what a `Ref` or `GetAtt` names.
fn target(value: &Value) -> String {
    let text = match (&value["Ref"], &value["Fn::GetAtt"]) {
        (Value::String(id), _) => id.clone(),
        (_, Value::String(path)) => path.clone(),
        (_, Value::Array(path)) => path.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("."),
        _ => String::new(),
    };
    text.split('.').next().unwrap_or_default().to_owned()
}

fn folders(path: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    entries
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect()
}

fn pascal_case(kebab: &str) -> String {
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    kebab.split('-').map(capital).collect()
}

#[test]
fn one_name_everywhere() {
    let mut crates = BTreeSet::new();
    for surface in folders(&root().join("functions")) {
        for group in folders(&root().join("functions").join(&surface)) {
            let name = format!("{surface}-{group}");
            let manifest = fs::read_to_string(root().join("functions").join(&surface).join(&group).join("Cargo.toml"));
            let declared = format!("name = \"{name}\"");
            assert!(manifest.unwrap().contains(&declared), "functions/{surface}/{group} is not package {name}");
            crates.insert(name);
        }
    }
    let template = template();
    let functions = functions(&template);
    assert_eq!(functions.keys().cloned().collect::<BTreeSet<_>>(), crates, "template and functions/");
    let registry = local::functions::registry();
    assert_eq!(
        registry.keys().map(|name| name.to_string()).collect::<BTreeSet<_>>(),
        crates,
        "registry and functions/"
    );
    assert_eq!(folders(&root().join("events")), crates, "events/ and functions/");

    for (name, function) in functions {
        let (properties, id) = (&function["Properties"], pascal_case(&name));
        assert_eq!(properties["FunctionName"]["Fn::Sub"], format!("fairground-${{Stage}}-{name}"));
        assert_eq!(properties["CodeUri"], format!("../target/lambda/{name}/bootstrap.zip"));
        assert_eq!(target(&properties["Role"]), format!("{id}Role"));
        assert_eq!(target(&properties["LoggingConfig"]["LogGroup"]), format!("{id}LogGroup"));
        let log_name = &template["Resources"][format!("{id}LogGroup")]["Properties"]["LogGroupName"]["Fn::Sub"];
        assert_eq!(*log_name, format!("/fairground/${{Stage}}/{name}"));
    }
}

#[test]
fn template_and_openapi_name_the_same_routes() {
    let template = template();
    let registry = local::functions::registry();
    for (name, function) in functions(&template) {
        let described: BTreeSet<(String, String)> = match registry[name.as_str()]().openapi() {
            Some(openapi) => {
                let openapi = serde_json::to_value(openapi).unwrap();
                object(&openapi["paths"])
                    .flat_map(|(path, item)| object(item).map(move |(method, _)| (method.to_uppercase(), path.clone())))
                    .filter(|(method, _)| ["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&method.as_str()))
                    .collect()
            }
            None => BTreeSet::new(),
        };
        let deployed: BTreeSet<_> = routes(function)
            .into_iter()
            .map(|(method, path, _)| (method, path))
            .filter(|(_, path)| !path.ends_with(CATCH_ALL)) // what leads nowhere is not described
            .collect();
        assert_eq!(deployed, described, "routes of {name}: template, and code");
    }
}

#[test]
fn every_surface_refuses_unknown_paths_itself() {
    let template = template();
    let all: Vec<_> = functions(&template).values().flat_map(|function| routes(function)).collect();
    let surfaces = folders(&root().join("functions"));
    let surfaces = surfaces.iter().filter(|name| all.iter().any(|(_, path, _)| path.starts_with(&format!("/{name}/"))));
    let methods = &template["Resources"]["FairgroundApi"]["Properties"]["CorsConfiguration"]["AllowMethods"];
    for surface in surfaces.filter(|name| *name != "platform") {
        let path = format!("/{surface}{CATCH_ALL}");
        let caught = all.iter().filter(|(_, caught, _)| *caught == path).map(|(method, ..)| json!(method));
        // An OPTIONS route would take the preflights away from API Gateway.
        let expected = items(methods).into_iter().filter(|method| **method != "OPTIONS").cloned();
        let sorted = |mut methods: Vec<Value>| {
            methods.sort_by_key(Value::to_string);
            methods
        };
        assert_eq!(sorted(caught.collect()), sorted(expected.collect()), "{path}");
    }
}

#[test]
fn every_route_says_who_may_call_it() {
    let template = template();
    let authorizers = &template["Resources"]["FairgroundApi"]["Properties"]["Auth"];
    assert_eq!(authorizers["DefaultAuthorizer"], "CognitoAuthorizer", "a route that forgot to say so is closed");
    let mut guarded = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for (name, function) in functions(&template) {
        for (method, path, authorizer) in routes(function) {
            let Some(authorizer) = authorizer.as_str() else { panic!("{name}: {method} {path} says nothing") };
            if authorizer != "NONE" {
                assert!(authorizers["Authorizers"][authorizer].is_object(), "{method} {path}: {authorizer}?");
                guarded.insert(format!("{method} {path}"), authorizer.to_owned());
            }
            assert!(seen.insert((method.clone(), path.clone())), "{method} {path} is there twice");
        }
        for (event, definition) in object(&function["Properties"]["Events"]) {
            if definition["Type"] == "HttpApi" {
                assert_eq!(target(&definition["Properties"]["ApiId"]), "FairgroundApi", "{name}.{event}");
            }
        }
    }
    // Staff routes of surfaces that shape their own 401 are checked by their functions (tests/it/auth.rs).
    assert_eq!(guarded["GET /platform/whoami"], "CognitoAuthorizer");
    assert_eq!(guarded["GET /platform/status"], "TokenAuthorizer");
}

#[test]
fn every_function_has_sample_events() {
    let template = template();
    for (name, function) in functions(&template) {
        let folder = root().join("events").join(&name);
        let mut events = vec![];
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            let event: Value = serde_json::from_slice(&fs::read(&path).unwrap())
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            events.push((path, event));
        }
        assert!(!events.is_empty(), "events/{name} is empty");
        let keys: BTreeSet<String> =
            routes(function).into_iter().map(|(method, path, _)| format!("{method} {path}")).collect();
        for (path, event) in &events {
            if let Some(key) = event["routeKey"].as_str().filter(|_| event["type"] != "REQUEST") {
                let is_url = key == "$default" && !function["Properties"]["FunctionUrlConfig"].is_null();
                assert!(is_url || keys.contains(key), "{}: {name} has no route {key}", path.display());
            }
        }
        let sources = object(&function["Properties"]["Events"]).map(|(_, source)| source["Type"].as_str().unwrap());
        for source in sources.collect::<BTreeSet<_>>() {
            let is_of_source = |event: &Value| match source {
                "HttpApi" => event["version"] == "2.0",
                "SQS" => event["Records"][0]["eventSource"] == "aws:sqs",
                "DynamoDB" => event["Records"][0]["eventSource"] == "aws:dynamodb",
                "Schedule" => event["detail-type"] == "Scheduled Event",
                other => panic!("{name}: no sample is known for {other}"),
            };
            assert!(events.iter().any(|(_, event)| is_of_source(event)), "events/{name} has none from {source}");
        }
    }
}

#[test]
fn the_template_sets_what_functions_read() {
    let template = template();
    let variables = &template["Globals"]["Function"]["Environment"]["Variables"];
    let set: BTreeSet<&str> = object(variables).map(|(name, _)| name.as_str()).collect();
    let read = Settings::NAMES.iter().copied().filter(|name| !NOT_DEPLOYED.contains(name)).collect::<BTreeSet<_>>();
    assert_eq!(set, read, "Globals.Function.Environment and Settings::NAMES");
    for (name, function) in functions(&template) {
        assert!(function["Properties"]["Environment"].is_null(), "{name} has settings of its own");
    }
    for secret in Settings::SECRET_NAMES {
        assert!(!set.contains(secret), "{secret} belongs into the parameter store");
    }
}

/// Every statement of every policy, with the resource that holds it.
fn statements(template: &Value) -> Vec<(&str, &Value)> {
    let mut statements = vec![];
    for (id, resource) in object(&template["Resources"]) {
        let properties = &resource["Properties"];
        let inline = items(&properties["Policies"]).into_iter().map(|policy| &policy["PolicyDocument"]);
        for document in inline.chain([&properties["PolicyDocument"]]) {
            statements.extend(items(&document["Statement"]).into_iter().map(|statement| (id.as_str(), statement)));
        }
    }
    statements
}

/// The texts in which a resource is named; `GetAtt` and `Ref` name exactly one.
fn resource_texts(resource: &Value, texts: &mut Vec<String>) {
    match resource {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(all) => all.iter().for_each(|one| resource_texts(one, texts)),
        Value::Object(function) => {
            for (name, argument) in function {
                match name.as_str() {
                    "Ref" | "Fn::GetAtt" => texts.push(target(resource)),
                    "Fn::Sub" => resource_texts(if argument.is_array() { &argument[0] } else { argument }, texts),
                    "Fn::If" => items(argument).iter().skip(1).for_each(|branch| resource_texts(branch, texts)),
                    other => panic!("{other} in a policy's Resource: the test cannot tell what it names"),
                }
            }
        }
        other => panic!("a policy's Resource is {other}"),
    }
}

/// What is wrong with a statement, if anything.
fn too_wide(statement: &Value) -> Option<String> {
    for negation in ["NotAction", "NotResource", "NotPrincipal"] {
        if !statement[negation].is_null() {
            return Some(format!("{negation} allows what nobody listed"));
        }
    }
    let actions: Vec<&str> = items(&statement["Action"]).into_iter().filter_map(Value::as_str).collect();
    let mut resources = vec![];
    resource_texts(&statement["Resource"], &mut resources);
    if actions.is_empty() || resources.is_empty() {
        return Some("names no action or no resource".to_owned());
    }
    if let Some(action) = actions.iter().find(|action| action.contains(['*', '?'])) {
        return Some(format!("action {action}"));
    }
    let wild = resources.iter().filter(|resource| resource.contains(['*', '?']));
    for resource in wild {
        let allowed = WILDCARDS.iter().find(|(exception, _)| exception == resource).map(|(_, actions)| *actions);
        if let Some(action) = actions.iter().find(|action| !allowed.unwrap_or_default().contains(action)) {
            return Some(format!("{action} on {resource}"));
        }
    }
    None
}

#[test]
fn no_policy_is_wider_than_it_needs() {
    let template = template();
    for (id, statement) in statements(&template) {
        if let Some(fault) = too_wide(statement) {
            panic!("{id}: {fault}");
        }
    }
    // Nothing but the listed statements: no managed policy of AWS's, no role that SAM makes up, no statement on the function.
    for (name, function) in functions(&template) {
        assert!(function["Properties"]["Policies"].is_null(), "{name}: policies belong to {name}'s role");
    }
    for (id, role) in of_type(&template, "AWS::IAM::Role") {
        for managed in items(&role["Properties"]["ManagedPolicyArns"]) {
            let policy = if managed["Fn::If"].is_array() { &managed["Fn::If"][1] } else { managed };
            assert_eq!(template["Resources"][target(policy)]["Type"], "AWS::IAM::ManagedPolicy", "{id}: {policy}");
        }
        let roles_of = functions(&template).values().filter(|f| target(&f["Properties"]["Role"]) == *id).count();
        assert_eq!(roles_of, 1, "{id} is the role of one function");
    }
    // And the test itself can fail.
    let statement = |action: Value, resource: Value| json!({ "Action": action, "Resource": resource });
    assert!(too_wide(&statement(json!("dynamodb:*"), json!({ "Ref": "X" }))).is_some());
    assert!(too_wide(&statement(json!(["sqs:SendMessage"]), json!("*"))).is_some());
    assert!(too_wide(&statement(json!("s3:PutObject"), json!({ "Fn::Sub": "${MediaBucket.Arn}/*" }))).is_some());
    assert!(too_wide(&json!({ "Action": "s3:GetObject", "NotResource": "x" })).is_some());
    assert!(too_wide(&statement(json!("sqs:SendMessage"), json!({ "Fn::GetAtt": "EmailQueue.Arn" }))).is_none());
}

#[test]
fn every_queue_has_dead_letters_and_they_an_alarm() {
    let template = template();
    let timeout = |function: &Value| {
        let own = &function["Properties"]["Timeout"];
        own.as_u64().or(template["Globals"]["Function"]["Timeout"].as_u64()).unwrap()
    };
    let mut dead_letters = BTreeSet::new();
    let mut consumed = BTreeSet::new();
    for (name, function) in functions(&template) {
        for (_, source) in object(&function["Properties"]["Events"]) {
            let properties = &source["Properties"];
            match source["Type"].as_str() {
                Some("SQS") => {
                    let queue = target(&properties["Queue"]);
                    let visibility = &template["Resources"][&queue]["Properties"]["VisibilityTimeout"];
                    assert!(
                        visibility.as_u64() >= Some(6 * timeout(function)),
                        "{queue}: visibility, and {name}'s timeout"
                    );
                    assert_eq!(properties["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]), "{name}");
                    consumed.insert(queue);
                }
                Some("DynamoDB") => {
                    let destination = &properties["DestinationConfig"]["OnFailure"]["Destination"];
                    dead_letters.insert(target(destination));
                    assert_eq!(properties["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]), "{name}");
                }
                _ => {}
            }
        }
    }
    for (id, queue) in of_type(&template, "AWS::SQS::Queue").filter(|(id, _)| !id.ends_with("DeadLetterQueue")) {
        let dead = target(&queue["Properties"]["RedrivePolicy"]["deadLetterTargetArn"]);
        assert_eq!(dead, id.replace("Queue", "DeadLetterQueue"), "{id}");
        dead_letters.insert(dead);
        assert!(consumed.contains(id), "nobody consumes {id}");
    }
    let alarmed: BTreeSet<String> = of_type(&template, "AWS::CloudWatch::Alarm")
        .map(|(_, alarm)| &alarm["Properties"])
        .filter(|alarm| alarm["MetricName"] == "ApproximateNumberOfMessagesVisible" && alarm["Threshold"] == 0)
        .map(|alarm| target(&alarm["Dimensions"][0]["Value"]))
        .collect();
    let all: BTreeSet<String> = of_type(&template, "AWS::SQS::Queue").map(|(id, _)| id.clone()).collect();
    assert_eq!(dead_letters, all.into_iter().filter(|id| id.ends_with("DeadLetterQueue")).collect());
    assert_eq!(alarmed, dead_letters, "alarms, and dead-letter queues");
}

#[test]
fn every_function_is_watched() {
    let template = template();
    let watched: BTreeSet<String> = of_type(&template, "AWS::CloudWatch::Alarm")
        .flat_map(|(_, alarm)| items(&alarm["Properties"]["Metrics"]))
        .map(|metric| &metric["MetricStat"]["Metric"])
        .filter(|metric| metric["Namespace"] == "AWS/Lambda" && metric["MetricName"] == "Errors")
        .map(|metric| function_name(&target(&metric["Dimensions"][0]["Value"])))
        .collect();
    assert_eq!(watched, functions(&template).into_keys().collect(), "error alarms, and functions");
    for (id, alarm) in of_type(&template, "AWS::CloudWatch::Alarm") {
        assert_eq!(target(&alarm["Properties"]["AlarmActions"][0]), "AlarmTopic", "{id} tells nobody");
    }
    for (id, group) in of_type(&template, "AWS::Logs::LogGroup") {
        assert!(!group["Properties"]["RetentionInDays"].is_null(), "{id} is kept forever");
    }
}

#[test]
fn data_outlives_the_stack() {
    let template = template();
    let data = ["AWS::DynamoDB::Table", "AWS::Cognito::UserPool", "AWS::S3::Bucket"];
    let stores = data.iter().flat_map(|kind| of_type(&template, kind)).collect::<Vec<_>>();
    assert_eq!(stores.len(), 3);
    for (id, resource) in stores {
        assert_eq!(resource["DeletionPolicy"], "Retain", "{id}");
        assert_eq!(resource["UpdateReplacePolicy"], "Retain", "{id}");
    }
    let table = &template["Resources"]["FairgroundTable"]["Properties"];
    assert_eq!(table["DeletionProtectionEnabled"], true);
    let attributes = items(&table["AttributeDefinitions"]);
    let attributes: BTreeSet<_> = attributes.iter().filter_map(|one| one["AttributeName"].as_str()).collect();
    assert_eq!(attributes, BTreeSet::from(store::schema::KEY_ATTRIBUTES), "keys of the template, and of the store");
    assert_eq!(table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], true);
    let bucket = &template["Resources"]["MediaBucket"]["Properties"];
    assert_eq!(bucket["OwnershipControls"]["Rules"][0]["ObjectOwnership"], "BucketOwnerEnforced");
    let to_anyone = statements(&template).into_iter().filter(|(_, statement)| statement["Principal"] == "*");
    let to_anyone: Vec<_> = to_anyone.map(|(_, statement)| &statement["Action"]).collect();
    assert_eq!(to_anyone, ["s3:GetObject"], "what anyone may do without signing in");
}
