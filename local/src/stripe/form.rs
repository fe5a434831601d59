//! Stripe's requests: form-encoded, nested by brackets (`line_items[0][price_data][currency]=usd`).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::error::ApiError;

/// The parameters of a request, as a tree: objects of objects of strings. Lists are objects with numbers for keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Params(Value);

impl Params {
    /// Reads a query string or a form body.
    pub fn parse(text: &str) -> Self {
        let mut root = Map::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            insert(&mut root, &path(&decode(name)), decode(value));
        }
        Self(Value::Object(root))
    }

    /// The whole tree; equal trees are equal requests.
    pub fn tree(&self) -> &Value {
        &self.0
    }

    /// Refuses every top-level parameter that is not in `known` (or `expand`).
    pub fn only(&self, known: &[&str]) -> Result<(), ApiError> {
        let unknown = self.0.as_object().into_iter().flat_map(Map::keys);
        match unknown.into_iter().find(|name| *name != "expand" && !known.contains(&name.as_str())) {
            Some(name) => Err(ApiError::unknown(name)),
            None => Ok(()),
        }
    }

    /// The node at a dotted path.
    pub fn node(&self, path: &str) -> Option<&Value> {
        path.split('.').try_fold(&self.0, |node, name| node.get(name))
    }

    /// A text. An empty one is refused, as Stripe does where nothing can be unset.
    pub fn text(&self, path: &str) -> Result<Option<&str>, ApiError> {
        match self.node(path) {
            None => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Err(ApiError::invalid(format!(
                "You passed an empty string for '{0}'. We assume empty values are an attempt to unset a parameter; \
                 however '{0}' cannot be unset.",
                bracketed(path)
            ))
            .code("parameter_invalid_empty")
            .param(&bracketed(path))),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(ApiError::invalid(format!("Invalid string: {}", bracketed(path)))
                .code("parameter_invalid_string")
                .param(&bracketed(path))),
        }
    }

    /// A text that must be there.
    pub fn required(&self, path: &str) -> Result<&str, ApiError> {
        self.text(path)?.ok_or_else(|| ApiError::missing(&bracketed(path)))
    }

    /// A whole number.
    pub fn integer(&self, path: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.text(path)? else { return Ok(None) };
        let number = text.parse().map_err(|_| {
            ApiError::invalid(format!("Invalid integer: {text}"))
                .code("parameter_invalid_integer")
                .param(&bracketed(path))
        })?;
        Ok(Some(number))
    }

    /// `true` or `false`; absent is false.
    pub fn flag(&self, path: &str) -> Result<bool, ApiError> {
        match self.text(path)? {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(text) => Err(ApiError::invalid(format!("Invalid boolean: {text}"))
                .param(&bracketed(path))
                .code("parameter_invalid_boolean")),
        }
    }

    /// One of several words.
    pub fn choice(&self, path: &str, words: &[&str]) -> Result<Option<&str>, ApiError> {
        match self.text(path)? {
            Some(word) if !words.contains(&word) => {
                Err(ApiError::invalid(format!("Invalid {}: must be one of {}", bracketed(path), words.join(", ")))
                    .param(&bracketed(path))
                    .code("parameter_invalid_value"))
            }
            word => Ok(word),
        }
    }

    /// The members of a list, in order, each as parameters of its own.
    pub fn list(&self, path: &str) -> Vec<Params> {
        let members = self.node(path).and_then(Value::as_object).into_iter().flatten();
        let ordered: BTreeMap<usize, &Value> =
            members.filter_map(|(index, value)| Some((index.parse().ok()?, value))).collect();
        ordered.into_values().cloned().map(Params).collect()
    }

    /// The texts of a list.
    pub fn texts(&self, path: &str) -> Vec<String> {
        self.list(path).into_iter().filter_map(|member| member.0.as_str().map(str::to_owned)).collect()
    }

    /// Metadata merged over what was there: an empty value unsets its key, an empty whole unsets all.
    pub fn metadata(&self, path: &str, earlier: &Value) -> Value {
        let mut merged = earlier.as_object().cloned().unwrap_or_default();
        match self.node(path) {
            Some(Value::Object(changes)) => {
                for (name, value) in changes {
                    match value.as_str() {
                        Some("") | None => merged.remove(name),
                        Some(text) => merged.insert(name.clone(), text.into()),
                    };
                }
            }
            Some(_) => merged.clear(),
            None => {}
        }
        Value::Object(merged)
    }

    /// A parameter as it is to be stored: its tree, or null.
    pub fn stored(&self, path: &str) -> Value {
        self.node(path).cloned().unwrap_or(Value::Null)
    }
}

/// `a.b.c` as Stripe writes it: `a[b][c]`.
fn bracketed(path: &str) -> String {
    let mut parts = path.split('.');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |name, part| format!("{name}[{part}]"))
}

/// `a[b][]` as `["a", "b", ""]`.
fn path(name: &str) -> Vec<&str> {
    let (first, rest) = name.split_once('[').unwrap_or((name, ""));
    let inner = rest.strip_suffix(']').unwrap_or(rest);
    let mut path = vec![first];
    if name.contains('[') {
        path.extend(inner.split("]["));
    }
    path
}

fn insert(node: &mut Map<String, Value>, path: &[&str], value: String) {
    let Some((first, rest)) = path.split_first() else { return };
    let name = if first.is_empty() { node.len().to_string() } else { (*first).to_owned() };
    if rest.is_empty() {
        node.insert(name, Value::String(value));
        return;
    }
    let child = node.entry(name).or_insert_with(|| Value::Object(Map::new()));
    if !child.is_object() {
        *child = Value::Object(Map::new());
    }
    if let Value::Object(child) = child {
        insert(child, rest, value);
    }
}

fn decode(text: &str) -> String {
    let mut bytes = text.as_bytes().iter();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(&byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let rest = bytes.as_slice();
                let code = rest
                    .get(..2)
                    .and_then(|two| std::str::from_utf8(two).ok())
                    .and_then(|two| u8::from_str_radix(two, 16).ok());
                match code {
                    Some(code) => {
                        bytes.nth(1);
                        code
                    }
                    None => b'%',
                }
            }
            byte => byte,
        });
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn brackets_nest() {
        let params = Params::parse("a=1&b[c]=x+y&l[0][n]=p&l[1][n]=q&e[]=one&e[]=two&m%5Bk%5D=%C3%BC%26&bad=%zz");
        assert_eq!(
            params.tree(),
            &json!({"a": "1", "b": {"c": "x y"}, "l": {"0": {"n": "p"}, "1": {"n": "q"}}, "e": {"0": "one", "1": "two"},
                "m": {"k": "ü&"}, "bad": "%zz"})
        );
        assert_eq!(params.integer("a").unwrap(), Some(1));
        assert_eq!(params.text("b.c").unwrap(), Some("x y"));
        assert_eq!(params.texts("e"), ["one", "two"]);
        assert_eq!(params.list("l")[1].text("n").unwrap(), Some("q"));
    }

    #[test]
    fn refusals_name_the_parameter() {
        let params = Params::parse("amount=ten&line[0][x]=&flag=maybe");
        assert_eq!(params.integer("amount").unwrap_err().body()["error"]["param"], "amount");
        assert_eq!(params.text("line.0.x").unwrap_err().body()["error"]["param"], "line[0][x]");
        assert_eq!(params.required("currency").unwrap_err().body()["error"]["code"], "parameter_missing");
        assert_eq!(params.only(&["amount", "flag"]).unwrap_err().body()["error"]["param"], "line");
        assert!(params.flag("flag").is_err());
    }

    #[test]
    fn metadata_merges() {
        let earlier = json!({"a": "1", "b": "2"});
        assert_eq!(
            Params::parse("metadata[a]=&metadata[c]=3").metadata("metadata", &earlier),
            json!({"b": "2", "c": "3"})
        );
        assert_eq!(Params::parse("metadata=").metadata("metadata", &earlier), json!({}));
        assert_eq!(Params::parse("").metadata("metadata", &earlier), earlier);
    }
}
