//! SSM Parameter Store: secrets by path. Kept in memory; `local` writes them at each start.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::http::{Response, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use super::clock;
use super::wire::{Fault, Input, json_response, page_size};

/// The largest page of GetParametersByPath, as on AWS: who does not page misses the eleventh secret here, too.
const LARGEST_PAGE: usize = 10;

/// All parameters of the endpoint.
pub(super) struct Parameters {
    region: String,
    account: String,
    by_name: Mutex<BTreeMap<String, Parameter>>,
}

struct Parameter {
    kind: String,
    value: String,
    version: u64,
    modified_at: f64,
}

impl Parameters {
    pub fn new(region: &str, account: &str) -> Self {
        Self { region: region.to_owned(), account: account.to_owned(), by_name: Mutex::default() }
    }

    /// Answers one `AmazonSSM` action.
    pub fn handle(&self, action: &str, body: &Bytes) -> Response<Body> {
        let answer = Input::parse(body).and_then(|input| match action {
            "PutParameter" => self.put_parameter(&input),
            "GetParameter" => self.get_parameter(&input),
            "GetParameters" => Ok(self.get_parameters(&input)),
            "GetParametersByPath" => self.get_parameters_by_path(&input),
            "DeleteParameter" => self.delete_parameter(&input),
            _ => Err(Fault::unknown_operation("SSM", action)),
        });
        answer
            .map_or_else(Fault::into_json, |value| json_response(StatusCode::OK, "application/x-amz-json-1.1", &value))
    }

    fn put_parameter(&self, input: &Input) -> Result<Value, Fault> {
        let (name, value) = (input.text("Name")?, input.text("Value")?);
        let mut parameters = self.lock();
        let before = parameters.get(name);
        if before.is_some() && !input.flag("Overwrite") {
            let text = "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.";
            return Err(Fault::new("ParameterAlreadyExists", text));
        }
        let version = before.map_or(1, |parameter| parameter.version + 1);
        let kind = input.maybe("Type").or(before.map(|parameter| parameter.kind.as_str()));
        let kind = kind.ok_or_else(|| {
            Fault::new("ValidationException", "A parameter type is required when you create a parameter.")
        })?;
        let parameter =
            Parameter { kind: kind.to_owned(), value: value.to_owned(), version, modified_at: clock::date() };
        parameters.insert(name.to_owned(), parameter);
        Ok(json!({"Version": version, "Tier": "Standard"}))
    }

    fn get_parameter(&self, input: &Input) -> Result<Value, Fault> {
        let name = input.text("Name")?;
        let parameters = self.lock();
        let parameter = parameters.get(name).ok_or_else(|| not_found(name))?;
        Ok(json!({"Parameter": self.shown(name, parameter, input)}))
    }

    fn get_parameters(&self, input: &Input) -> Value {
        let parameters = self.lock();
        let (mut found, mut invalid) = (Vec::new(), Vec::new());
        for name in input.texts("Names") {
            match parameters.get(&name) {
                Some(parameter) => found.push(self.shown(&name, parameter, input)),
                None => invalid.push(name),
            }
        }
        json!({"Parameters": found, "InvalidParameters": invalid})
    }

    fn get_parameters_by_path(&self, input: &Input) -> Result<Value, Fault> {
        let path = input.text("Path")?.trim_end_matches('/');
        let start = input.maybe("NextToken").unwrap_or_default();
        let deep = input.flag("Recursive");
        let size = page_size(input.number("MaxResults"), LARGEST_PAGE);
        let below = |name: &str| {
            name.strip_prefix(path)
                .and_then(|rest| rest.strip_prefix('/'))
                .is_some_and(|rest| deep || !rest.contains('/'))
        };
        let parameters = self.lock();
        let mut matching = parameters.iter().filter(|(name, _)| below(name) && name.as_str() >= start);
        let page: Vec<Value> =
            matching.by_ref().take(size).map(|(name, parameter)| self.shown(name, parameter, input)).collect();
        Ok(match matching.next() {
            Some((next, _)) => json!({"Parameters": page, "NextToken": next}),
            None => json!({"Parameters": page}),
        })
    }

    fn delete_parameter(&self, input: &Input) -> Result<Value, Fault> {
        let name = input.text("Name")?;
        self.lock().remove(name).map(|_| json!({})).ok_or_else(|| not_found(name))
    }

    /// A parameter as answered. A secret that was asked for without decryption is not readable, as on AWS.
    fn shown(&self, name: &str, parameter: &Parameter, input: &Input) -> Value {
        let sealed = parameter.kind == "SecureString" && !input.flag("WithDecryption");
        let value = if sealed {
            STANDARD.encode(format!("sealed:{name}:{}", parameter.version))
        } else {
            parameter.value.clone()
        };
        json!({
            "Name": name,
            "Type": parameter.kind,
            "Value": value,
            "Version": parameter.version,
            "LastModifiedDate": parameter.modified_at,
            "ARN": format!("arn:aws:ssm:{}:{}:parameter{name}", self.region, self.account),
            "DataType": "text",
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Parameter>> {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn not_found(name: &str) -> Fault {
    Fault::new("ParameterNotFound", format!("Parameter {name} not found."))
}
