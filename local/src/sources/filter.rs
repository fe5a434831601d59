//! Filter criteria of event sources: EventBridge's event patterns.

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::template::model::FilterCriteria;

const OPERATORS: [&str; 6] = ["prefix", "suffix", "exists", "anything-but", "numeric", "equals-ignore-case"];

/// A record passes if it matches any of the patterns, or if there are none.
#[derive(Debug, Default)]
pub struct Filter(Vec<Value>);

impl Filter {
    /// The template's patterns.
    ///
    /// # Errors
    /// When a pattern is not JSON, or has an operator that is not known here.
    pub fn new(criteria: &FilterCriteria) -> anyhow::Result<Self> {
        let parse = |pattern: &str| -> anyhow::Result<Value> {
            let pattern = serde_json::from_str(pattern).with_context(|| format!("filter {pattern}"))?;
            check(&pattern)?;
            Ok(pattern)
        };
        Ok(Self(criteria.filters.iter().map(|filter| parse(&filter.pattern)).collect::<anyhow::Result<_>>()?))
    }

    /// Whether the function wants this record.
    pub fn passes(&self, record: &Value) -> bool {
        self.0.is_empty() || self.0.iter().any(|pattern| matches(pattern, Some(record)))
    }
}

fn check(pattern: &Value) -> anyhow::Result<()> {
    match pattern {
        Value::Object(fields) => fields.iter().try_for_each(|(name, pattern)| match pattern {
            Value::Array(choices) if name == "$or" => choices.iter().try_for_each(check),
            pattern => check(pattern),
        }),
        Value::Array(rules) => {
            rules.iter().filter_map(Value::as_object).flat_map(|rule| rule.keys()).try_for_each(|operator| {
                match OPERATORS.contains(&operator.as_str()) {
                    true => Ok(()),
                    false => bail!("filter operator {operator} is not supported by the local cloud"),
                }
            })
        }
        other => bail!("a filter's field is a list of rules, not {other}"),
    }
}

/// An object's fields must all match; a list of rules must have one that does. `$or` is a list of objects.
fn matches(pattern: &Value, value: Option<&Value>) -> bool {
    match pattern {
        Value::Object(fields) => fields.iter().all(|(name, pattern)| match pattern {
            Value::Array(choices) if name == "$or" => choices.iter().any(|choice| matches(choice, value)),
            pattern => matches(pattern, value.and_then(|value| value.get(name))),
        }),
        Value::Array(rules) => match value {
            // A list matches if one of its elements does.
            Some(Value::Array(items)) => items.iter().any(|item| rules.iter().any(|rule| obeys(rule, Some(item)))),
            value => rules.iter().any(|rule| obeys(rule, value)),
        },
        _ => false,
    }
}

fn obeys(rule: &Value, value: Option<&Value>) -> bool {
    let Some((operator, operand)) = rule.as_object().and_then(|rule| rule.iter().next()) else {
        return value == Some(rule);
    };
    let text = value.and_then(Value::as_str);
    let wanted = operand.as_str().unwrap_or_default();
    match operator.as_str() {
        "exists" => operand.as_bool() == Some(value.is_some()),
        "prefix" => text.is_some_and(|text| text.starts_with(wanted)),
        "suffix" => text.is_some_and(|text| text.ends_with(wanted)),
        "equals-ignore-case" => text.is_some_and(|text| text.eq_ignore_ascii_case(wanted)),
        "anything-but" => value.is_some_and(|value| match operand {
            Value::Array(excluded) => !excluded.contains(value),
            Value::Object(_) => !obeys(operand, Some(value)),
            one => one != value,
        }),
        "numeric" => value.and_then(Value::as_f64).is_some_and(|number| is_within(number, operand)),
        _ => false,
    }
}

fn is_within(number: f64, comparisons: &Value) -> bool {
    let comparisons = comparisons.as_array().map(Vec::as_slice).unwrap_or_default();
    comparisons.chunks(2).all(|pair| match pair {
        [Value::String(operator), bound] => {
            let Some(bound) = bound.as_f64() else { return false };
            match operator.as_str() {
                "=" => number == bound,
                "<" => number < bound,
                "<=" => number <= bound,
                ">" => number > bound,
                ">=" => number >= bound,
                _ => false,
            }
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::template::model::FilterSpec;

    fn filter(patterns: &[Value]) -> Filter {
        let filters = patterns.iter().map(|pattern| FilterSpec { pattern: pattern.to_string() }).collect();
        Filter::new(&FilterCriteria { filters }).unwrap()
    }

    #[test]
    fn patterns_match_as_event_bridges_do() {
        let record = json!({"eventName": "INSERT", "dynamodb": {"NewImage": {
            "entity": {"S": "mail"}, "attempts": {"N": 3}, "tags": ["a", "b"]}}});
        let passes = |pattern: Value| filter(&[pattern]).passes(&record);
        let image = |field: &str, rule: Value| json!({"dynamodb": {"NewImage": {field: rule}}});
        assert!(passes(json!({"eventName": ["INSERT", "MODIFY"]})));
        assert!(!passes(json!({"eventName": ["REMOVE"]})));
        assert!(passes(image("entity", json!({"S": ["mail"]}))));
        assert!(passes(image("entity", json!({"S": [{"prefix": "ma"}]}))));
        assert!(!passes(image("entity", json!({"S": [{"anything-but": ["mail"]}]}))));
        assert!(passes(image("other", json!({"S": [{"exists": false}]}))));
        assert!(passes(image("attempts", json!({"N": [{"numeric": [">", 2, "<=", 3]}]}))));
        assert!(passes(image("tags", json!(["b"]))));
        assert!(passes(json!({"$or": [{"eventName": ["REMOVE"]}, {"eventName": ["INSERT"]}]})));
        assert!(filter(&[json!({"eventName": ["X"]}), json!({"eventName": ["INSERT"]})]).passes(&record));
        assert!(filter(&[]).passes(&record));
    }

    #[test]
    fn what_is_not_supported_is_said() {
        let criteria = FilterCriteria { filters: vec![FilterSpec { pattern: r#"{"a":[{"cidr":"x"}]}"#.to_owned() }] };
        assert!(Filter::new(&criteria).unwrap_err().to_string().contains("cidr"));
    }
}
