//! Which route answers a request, by the rules of HTTP APIs: a path that matches to its end over a greedy one, then the more
//! specific, segment by segment (literal over `{param}` over `{proxy+}`), then the exact method over `ANY`, and `$default`
//! comes last.

use std::{collections::BTreeMap, sync::Arc};

use percent_encoding::percent_decode_str;

use crate::template::model::RouteSpec;

/// The route table.
#[derive(Debug, Default)]
pub struct Routes {
    routes: Vec<Route>,
    fallback: Option<Arc<RouteSpec>>,
}

#[derive(Debug)]
struct Route {
    spec: Arc<RouteSpec>,
    segments: Vec<Segment>,
}

/// Ordered by how specific it is: the least one wins.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Literal(String),
    Parameter(String),
    Rest(String),
}

/// A route and what its path's parameters matched.
#[derive(Debug, Clone)]
pub struct RouteMatch {
    /// The route.
    pub spec: Arc<RouteSpec>,
    /// Percent-decoded parameters of the path.
    pub parameters: BTreeMap<String, String>,
}

impl RouteMatch {
    /// `GET /events/{id}`, or `$default`.
    pub fn route_key(&self) -> String {
        match self.spec.path.as_str() {
            "$default" => "$default".to_owned(),
            path => format!("{} {path}", self.spec.method),
        }
    }
}

impl Routes {
    /// A table of these routes.
    pub fn new(specs: Vec<RouteSpec>) -> Self {
        let mut table = Self::default();
        for spec in specs.into_iter().map(Arc::new) {
            if spec.path == "$default" {
                table.fallback = Some(spec);
            } else {
                let segments = spec.path.trim_start_matches('/').split('/').map(segment).collect();
                table.routes.push(Route { spec, segments });
            }
        }
        // Sorted once, so that the first that matches is the most specific.
        table.routes.sort_by(|a, b| {
            let rank = |route: &Route| {
                let segments: Vec<_> = route.segments.iter().map(Segment::rank).collect();
                (matches!(route.segments.last(), Some(Segment::Rest(_))), segments, route.spec.method == "ANY")
            };
            rank(a).cmp(&rank(b))
        });
        table
    }

    /// The route for a method and a path as it stands in the request (still percent-encoded).
    pub fn find(&self, method: &str, path: &str) -> Option<RouteMatch> {
        let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        self.routes
            .iter()
            .filter(|route| route.spec.method == method || route.spec.method == "ANY")
            .find_map(|route| {
                let parameters = capture(&route.segments, &segments)?;
                Some(RouteMatch { spec: route.spec.clone(), parameters })
            })
            .or_else(|| {
                let spec = self.fallback.clone()?;
                Some(RouteMatch { spec, parameters: BTreeMap::new() })
            })
    }

    /// All routes.
    pub fn specs(&self) -> impl Iterator<Item = &RouteSpec> {
        self.routes.iter().map(|route| route.spec.as_ref()).chain(self.fallback.as_deref())
    }
}

impl Segment {
    fn rank(&self) -> u8 {
        match self {
            Self::Literal(_) => 0,
            Self::Parameter(_) => 1,
            Self::Rest(_) => 2,
        }
    }
}

fn segment(text: &str) -> Segment {
    match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
        Some(name) => match name.strip_suffix('+') {
            Some(name) => Segment::Rest(name.to_owned()),
            None => Segment::Parameter(name.to_owned()),
        },
        None => Segment::Literal(text.to_owned()),
    }
}

fn capture(pattern: &[Segment], path: &[&str]) -> Option<BTreeMap<String, String>> {
    let mut parameters = BTreeMap::new();
    for (index, segment) in pattern.iter().enumerate() {
        let part = *path.get(index)?;
        match segment {
            Segment::Literal(literal) if decode(part) == *literal => {}
            Segment::Parameter(name) if !part.is_empty() => {
                parameters.insert(name.clone(), decode(part));
            }
            Segment::Rest(name) if !part.is_empty() => {
                parameters.insert(name.clone(), decode(&path[index..].join("/")));
                return Some(parameters);
            }
            _ => return None,
        }
    }
    (pattern.len() == path.len()).then_some(parameters)
}

fn decode(part: &str) -> String {
    percent_decode_str(part).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(keys: &[&str]) -> Routes {
        let spec = |key: &&str| {
            let (method, path) = key.split_once(' ').unwrap_or(("ANY", key));
            RouteSpec {
                method: method.to_owned(),
                path: path.to_owned(),
                function: "f".to_owned(),
                authorizer: None,
                scopes: Vec::new(),
            }
        };
        Routes::new(keys.iter().map(spec).collect())
    }

    #[test]
    fn the_most_specific_route_wins() {
        let routes = table(&[
            "$default",
            "ANY /{proxy+}",
            "GET /pets/{proxy+}",
            "GET /pets/dog/{id}",
            "GET /pets/dog/1",
            "ANY /pets",
        ]);
        let key = |method: &str, path: &str| routes.find(method, path).unwrap().route_key();
        assert_eq!(key("GET", "/pets/dog/1"), "GET /pets/dog/1");
        assert_eq!(key("GET", "/pets/dog/2"), "GET /pets/dog/{id}");
        assert_eq!(key("GET", "/pets/cat/1"), "GET /pets/{proxy+}");
        assert_eq!(key("POST", "/pets/dog/1"), "ANY /{proxy+}");
        assert_eq!(key("DELETE", "/pets"), "ANY /pets");
        assert_eq!(key("GET", "/"), "$default");
    }

    /// As API Gateway does it: first any full match, whatever the order in the template, then the longest greedy one.
    #[test]
    fn a_greedy_route_takes_only_what_no_other_takes() {
        let keys = [
            "GET /pos/{proxy+}",
            "POST /pos/{proxy+}",
            "GET /pos/orders/{id}",
            "POST /pos/orders",
            "GET /pos/{a}/{b}/c",
            "GET /{any}/last",
        ];
        for routes in [table(&keys), table(&keys.into_iter().rev().collect::<Vec<_>>())] {
            let key = |method: &str, path: &str| routes.find(method, path).map(|found| found.route_key());
            assert_eq!(key("GET", "/pos/orders/1").unwrap(), "GET /pos/orders/{id}");
            assert_eq!(key("GET", "/pos/orders/1/c").unwrap(), "GET /pos/{a}/{b}/c");
            assert_eq!(key("GET", "/pos/orders").unwrap(), "GET /pos/{proxy+}", "a known path with another method");
            assert_eq!(key("POST", "/pos/orders").unwrap(), "POST /pos/orders");
            assert_eq!(key("POST", "/pos/orders/1").unwrap(), "POST /pos/{proxy+}");
            assert_eq!(key("GET", "/pos/a/b/d").unwrap(), "GET /pos/{proxy+}");
            assert_eq!(key("GET", "/pos/last").unwrap(), "GET /{any}/last", "less specific, but whole");
            assert_eq!(key("OPTIONS", "/pos/orders"), None);
            assert_eq!(key("GET", "/pos/"), None);
        }
        let routes = table(&["GET /pos/{proxy+}"]);
        assert_eq!(routes.find("GET", "/pos/a/b%20c").unwrap().parameters["proxy"], "a/b c");
    }

    #[test]
    fn an_exact_method_wins_over_any() {
        let routes = table(&["ANY /a", "GET /a"]);
        assert_eq!(routes.find("GET", "/a").unwrap().route_key(), "GET /a");
        assert_eq!(routes.find("PUT", "/a").unwrap().route_key(), "ANY /a");
    }

    #[test]
    fn another_methods_literal_does_not_hide_a_parameter() {
        let routes = table(&["POST /orders/test", "GET /orders/{id}"]);
        assert_eq!(routes.find("GET", "/orders/test").unwrap().route_key(), "GET /orders/{id}");
    }

    #[test]
    fn parameters_are_decoded_and_never_empty() {
        let routes = table(&["GET /events/{id}", "GET /files/{path+}"]);
        assert_eq!(routes.find("GET", "/events/a%20b").unwrap().parameters["id"], "a b");
        assert_eq!(routes.find("GET", "/files/a/b%2Fc").unwrap().parameters["path"], "a/b/c");
        assert!(routes.find("GET", "/events/").is_none());
        assert!(routes.find("GET", "/events/a/").is_none());
        assert!(routes.find("HEAD", "/events/a").is_none());
    }
}
