//! CloudFormation's intrinsic functions, resolved with the local cloud's own values.
//!
//! YAML's short forms (`!Ref X`) and the long ones (`Ref: X`) become the same JSON tree first, so that one
//! resolver serves both.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Why a value of the template could not be resolved.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum IntrinsicError {
    /// A `Ref`, `GetAtt` or `${…}` that names nothing the local cloud knows.
    #[error("{0} is not known to the local cloud")]
    Unknown(String),
    /// A function whose arguments have another shape than CloudFormation's.
    #[error("{0} has arguments of another shape than expected")]
    Malformed(&'static str),
    /// A function that the local cloud does not evaluate.
    #[error("{0} is not supported by the local cloud")]
    Unsupported(String),
}

type Result<T> = std::result::Result<T, IntrinsicError>;

/// Turns YAML into JSON; a tagged value becomes the long form of its function.
pub fn to_json(value: yaml_serde::Value) -> anyhow::Result<Value> {
    use yaml_serde::Value as Yaml;
    Ok(match value {
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let name = tag.trim_start_matches('!');
            long_form(name, to_json(tagged.value)?)
        }
        Yaml::Sequence(items) => Value::Array(items.into_iter().map(to_json).collect::<anyhow::Result<_>>()?),
        Yaml::Mapping(entries) => {
            let mut map = Map::new();
            for (key, value) in entries {
                map.insert(text(&to_json(key)?), to_json(value)?);
            }
            Value::Object(map)
        }
        scalar => serde_json::to_value(scalar)?,
    })
}

fn long_form(name: &str, value: Value) -> Value {
    match (name, &value) {
        ("Ref" | "Condition", _) => json!({ name: value }),
        ("GetAtt", Value::String(path)) => {
            let (resource, attribute) = path.split_once('.').unwrap_or((path, ""));
            json!({ "Fn::GetAtt": [resource, attribute] })
        }
        _ => json!({ (format!("Fn::{name}")): value }),
    }
}

/// A scalar as the string CloudFormation makes of it.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Resolves values of the template: parameters, pseudo parameters, attributes of resources, mappings and conditions.
#[derive(Debug, Clone, Default)]
pub struct Resolver {
    values: BTreeMap<String, Value>,
    mappings: Value,
    conditions: BTreeMap<String, Value>,
}

impl Resolver {
    /// A resolver over the `Mappings` and `Conditions` of a template.
    pub fn new(mappings: Value, conditions: BTreeMap<String, Value>) -> Self {
        Self { values: BTreeMap::new(), mappings, conditions }
    }

    /// Says what `Ref name` is.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.values.insert(name.to_owned(), value.into());
    }

    /// Says what `GetAtt resource.attribute` is.
    pub fn set_attribute(&mut self, resource: &str, attribute: &str, value: impl Into<Value>) {
        self.values.insert(format!("{resource}.{attribute}"), value.into());
    }

    /// The value with every function evaluated. A property that is `AWS::NoValue` is left out.
    pub fn resolve(&self, value: &Value) -> Result<Value> {
        Ok(self.evaluate(value)?.unwrap_or(Value::Null))
    }

    /// The value as a string.
    pub fn resolve_text(&self, value: &Value) -> Result<String> {
        self.resolve(value).map(|value| text(&value))
    }

    /// Whether the named condition holds.
    pub fn condition(&self, name: &str) -> Result<bool> {
        let condition = self.conditions.get(name).ok_or_else(|| IntrinsicError::Unknown(name.to_owned()))?;
        self.holds(condition)
    }

    /// `None` is CloudFormation's `AWS::NoValue`.
    fn evaluate(&self, value: &Value) -> Result<Option<Value>> {
        match value {
            Value::Array(items) => self.evaluate_all(items).map(|items| Some(Value::Array(items))),
            Value::Object(map) => match map.iter().next() {
                Some((name, argument)) if map.len() == 1 && is_function(name) => self.call(name, argument),
                _ => {
                    let mut resolved = Map::new();
                    for (key, value) in map {
                        if let Some(value) = self.evaluate(value)? {
                            resolved.insert(key.clone(), value);
                        }
                    }
                    Ok(Some(Value::Object(resolved)))
                }
            },
            scalar => Ok(Some(scalar.clone())),
        }
    }

    fn evaluate_all(&self, items: &[Value]) -> Result<Vec<Value>> {
        items.iter().filter_map(|item| self.evaluate(item).transpose()).collect()
    }

    fn call(&self, name: &str, argument: &Value) -> Result<Option<Value>> {
        match name {
            "Ref" if argument == "AWS::NoValue" => Ok(None),
            "Ref" => self.lookup(&text(argument)).map(Some),
            "Fn::GetAtt" => self.get_attribute(argument).map(Some),
            "Fn::Sub" => self.substitute(argument).map(Some),
            "Fn::Join" => self.join(argument).map(Some),
            "Fn::Split" => self.split(argument).map(Some),
            "Fn::Select" => self.select(argument).map(Some),
            "Fn::FindInMap" => self.find_in_map(argument).map(Some),
            "Fn::If" => self.choose(argument),
            "Fn::Base64" => {
                use base64::Engine as _;
                let plain = self.resolve_text(argument)?;
                Ok(Some(base64::engine::general_purpose::STANDARD.encode(plain).into()))
            }
            "Condition" | "Fn::Equals" | "Fn::And" | "Fn::Or" | "Fn::Not" => {
                let holds = if name == "Condition" {
                    self.condition(&text(argument))?
                } else {
                    self.holds(&json!({ name: argument }))?
                };
                Ok(Some(holds.into()))
            }
            other => Err(IntrinsicError::Unsupported(other.to_owned())),
        }
    }

    fn lookup(&self, name: &str) -> Result<Value> {
        self.values.get(name).cloned().ok_or_else(|| IntrinsicError::Unknown(name.to_owned()))
    }

    fn get_attribute(&self, argument: &Value) -> Result<Value> {
        let path = match argument {
            Value::String(path) => path.clone(),
            Value::Array(parts) => {
                let parts = parts.iter().map(|part| self.resolve_text(part)).collect::<Result<Vec<_>>>()?;
                parts.join(".")
            }
            _ => return Err(IntrinsicError::Malformed("Fn::GetAtt")),
        };
        self.lookup(&path)
    }

    /// `${Name}`, `${Resource.Attribute}`, and `${!Literal}`, which stays `${Literal}`.
    fn substitute(&self, argument: &Value) -> Result<Value> {
        let (pattern, own) = match argument {
            Value::String(pattern) => (pattern.as_str(), None),
            Value::Array(parts) => match parts.as_slice() {
                [Value::String(pattern), Value::Object(own)] => (pattern.as_str(), Some(own)),
                _ => return Err(IntrinsicError::Malformed("Fn::Sub")),
            },
            _ => return Err(IntrinsicError::Malformed("Fn::Sub")),
        };
        let mut out = String::new();
        let mut rest = pattern;
        while let Some(start) = rest.find("${") {
            out.push_str(&rest[..start]);
            let end = rest[start..].find('}').ok_or(IntrinsicError::Malformed("Fn::Sub"))? + start;
            let name = &rest[start + 2..end];
            if let Some(literal) = name.strip_prefix('!') {
                out.push_str(&format!("${{{literal}}}"));
            } else if let Some(value) = own.and_then(|own| own.get(name)) {
                out.push_str(&self.resolve_text(value)?);
            } else {
                out.push_str(&text(&self.lookup(name.trim())?));
            }
            rest = &rest[end + 1..];
        }
        out.push_str(rest);
        Ok(out.into())
    }

    fn pair<'a>(argument: &'a Value, name: &'static str) -> Result<(&'a Value, &'a Value)> {
        match argument.as_array().map(Vec::as_slice) {
            Some([first, second]) => Ok((first, second)),
            _ => Err(IntrinsicError::Malformed(name)),
        }
    }

    fn join(&self, argument: &Value) -> Result<Value> {
        let (separator, items) = Self::pair(argument, "Fn::Join")?;
        let Value::Array(items) = self.resolve(items)? else { return Err(IntrinsicError::Malformed("Fn::Join")) };
        Ok(items.iter().map(text).collect::<Vec<_>>().join(&text(separator)).into())
    }

    fn split(&self, argument: &Value) -> Result<Value> {
        let (separator, whole) = Self::pair(argument, "Fn::Split")?;
        let whole = self.resolve_text(whole)?;
        Ok(whole.split(&text(separator)).map(Value::from).collect::<Vec<_>>().into())
    }

    fn select(&self, argument: &Value) -> Result<Value> {
        let (index, items) = Self::pair(argument, "Fn::Select")?;
        let index: usize = self.resolve_text(index)?.parse().map_err(|_| IntrinsicError::Malformed("Fn::Select"))?;
        self.resolve(items)?.get(index).cloned().ok_or(IntrinsicError::Malformed("Fn::Select"))
    }

    fn find_in_map(&self, argument: &Value) -> Result<Value> {
        let Some([map, first, second]) = argument.as_array().map(Vec::as_slice) else {
            return Err(IntrinsicError::Malformed("Fn::FindInMap"));
        };
        let path = [self.resolve_text(map)?, self.resolve_text(first)?, self.resolve_text(second)?];
        let found = path.iter().try_fold(&self.mappings, |at, key| at.get(key));
        found.cloned().ok_or_else(|| IntrinsicError::Unknown(path.join(".")))
    }

    fn choose(&self, argument: &Value) -> Result<Option<Value>> {
        match argument.as_array().map(Vec::as_slice) {
            Some([condition, then, otherwise]) => {
                let chosen = if self.condition(&text(condition))? { then } else { otherwise };
                self.evaluate(chosen)
            }
            _ => Err(IntrinsicError::Malformed("Fn::If")),
        }
    }

    fn holds(&self, condition: &Value) -> Result<bool> {
        let malformed = IntrinsicError::Malformed("a condition");
        if let Value::Bool(holds) = condition {
            return Ok(*holds);
        }
        let (name, argument) = condition.as_object().and_then(|map| map.iter().next()).ok_or(malformed)?;
        let operands = argument.as_array().map(Vec::as_slice).unwrap_or_default();
        match (name.as_str(), operands) {
            ("Condition", _) => self.condition(&text(argument)),
            ("Fn::Equals", [left, right]) => Ok(self.resolve_text(left)? == self.resolve_text(right)?),
            ("Fn::Not", [inner]) => Ok(!self.holds(inner)?),
            ("Fn::And", all) => all.iter().try_fold(true, |so_far, one| Ok(so_far && self.holds(one)?)),
            ("Fn::Or", any) => any.iter().try_fold(false, |so_far, one| Ok(so_far || self.holds(one)?)),
            (other, _) => Err(IntrinsicError::Unsupported(other.to_owned())),
        }
    }
}

fn is_function(name: &str) -> bool {
    name == "Ref" || name == "Condition" || name.starts_with("Fn::")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolver() -> Resolver {
        let conditions = BTreeMap::from([
            ("IsProd".to_owned(), json!({"Fn::Equals": [{"Ref": "Stage"}, "prod"]})),
            ("NotProd".to_owned(), json!({"Fn::Not": [{"Condition": "IsProd"}]})),
        ]);
        let mut resolver =
            Resolver::new(json!({"Size": {"prod": {"Memory": 256}, "dev": {"Memory": 128}}}), conditions);
        resolver.set("Stage", "dev");
        resolver.set("AWS::Region", "eu-central-1");
        resolver.set("Queue", "http://127.0.0.1/q");
        resolver.set_attribute("Queue", "Arn", "arn:aws:sqs:eu-central-1:0:q");
        resolver
    }

    fn eval(yaml: &str) -> Value {
        let value = to_json(yaml_serde::from_str(yaml).unwrap()).unwrap();
        resolver().resolve(&value).unwrap()
    }

    #[test]
    fn short_and_long_forms_are_the_same() {
        assert_eq!(eval("!Ref Queue"), eval("Ref: Queue"));
        assert_eq!(eval("!GetAtt Queue.Arn"), json!("arn:aws:sqs:eu-central-1:0:q"));
        assert_eq!(eval("Fn::GetAtt: [Queue, Arn]"), json!("arn:aws:sqs:eu-central-1:0:q"));
        assert_eq!(eval("!Sub '${Queue.Arn}/${Stage}/${!Kept}'"), json!("arn:aws:sqs:eu-central-1:0:q/dev/${Kept}"));
        assert_eq!(eval("!Sub ['${a}-${Stage}', {a: !Ref AWS::Region}]"), json!("eu-central-1-dev"));
    }

    #[test]
    fn lists_and_maps() {
        assert_eq!(eval("!Join ['/', ['', a, !Ref Stage]]"), json!("/a/dev"));
        assert_eq!(eval("!Select [1, !Split [',', 'a,b']]"), json!("b"));
        assert_eq!(eval("!FindInMap [Size, !Ref Stage, Memory]"), json!(128));
    }

    #[test]
    fn conditions_choose_and_leave_out() {
        assert_eq!(eval("!If [IsProd, 1, 2]"), json!(2));
        assert_eq!(eval("{a: !If [IsProd, 1, !Ref AWS::NoValue], b: 1}"), json!({"b": 1}));
        assert_eq!(eval("[!If [NotProd, x, !Ref AWS::NoValue], y]"), json!(["x", "y"]));
        assert!(resolver().condition("NotProd").unwrap());
    }

    #[test]
    fn what_is_unknown_is_named() {
        let error = resolver().resolve(&json!({"Ref": "Nothing"})).unwrap_err();
        assert_eq!(error, IntrinsicError::Unknown("Nothing".to_owned()));
        let error = resolver().resolve(&json!({"Fn::ImportValue": "x"})).unwrap_err();
        assert_eq!(error, IntrinsicError::Unsupported("Fn::ImportValue".to_owned()));
    }
}
