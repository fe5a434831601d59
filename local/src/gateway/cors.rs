//! CORS as an HTTP API does it: preflights are answered without a function, and what a function says about CORS is
//! replaced by the configuration.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};

use super::response::Answer;
use crate::template::model::CorsSpec;

const HEADERS: [HeaderName; 6] = [
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_ALLOW_METHODS,
    header::ACCESS_CONTROL_ALLOW_HEADERS,
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ACCESS_CONTROL_EXPOSE_HEADERS,
    header::ACCESS_CONTROL_MAX_AGE,
];

/// The CORS configuration of an API.
#[derive(Debug)]
pub struct Cors(CorsSpec);

impl Cors {
    /// CORS as the template configures it.
    pub fn new(spec: CorsSpec) -> Self {
        Self(spec)
    }

    /// Whether this request asks what a page may do.
    pub fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
        method == Method::OPTIONS
            && headers.contains_key(header::ORIGIN)
            && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
    }

    /// The gateway's answer to a preflight: 204, with headers only where origin and method are allowed.
    pub fn preflight(&self, request: &HeaderMap) -> Answer {
        let mut answer = Response::new(Bytes::new());
        *answer.status_mut() = StatusCode::NO_CONTENT;
        let method = request.get(header::ACCESS_CONTROL_REQUEST_METHOD).and_then(|value| value.to_str().ok());
        let method_is_allowed = method.is_none_or(|method| contains(&self.0.allow_methods, method));
        let Some(origin) = self.allowed_origin(request).filter(|_| method_is_allowed) else { return answer };
        let headers = answer.headers_mut();
        self.put_origin(headers, origin);
        put_list(headers, header::ACCESS_CONTROL_ALLOW_METHODS, &self.0.allow_methods);
        put_list(headers, header::ACCESS_CONTROL_ALLOW_HEADERS, &self.0.allow_headers);
        if let Some(seconds) = self.0.max_age {
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from(seconds));
        }
        answer
    }

    /// Puts the API's CORS headers on an answer, and takes a function's own away.
    pub fn apply(&self, request: &HeaderMap, answer: &mut HeaderMap) {
        for name in HEADERS {
            answer.remove(name);
        }
        if let Some(origin) = self.allowed_origin(request) {
            self.put_origin(answer, origin);
            put_list(answer, header::ACCESS_CONTROL_EXPOSE_HEADERS, &self.0.expose_headers);
        }
    }

    fn allowed_origin(&self, request: &HeaderMap) -> Option<HeaderValue> {
        let origin = request.get(header::ORIGIN)?;
        let text = origin.to_str().ok()?;
        if self.0.allow_origins.iter().any(|allowed| allowed == "*") {
            return Some(HeaderValue::from_static("*"));
        }
        self.0.allow_origins.iter().any(|pattern| matches(pattern, text)).then(|| origin.clone())
    }

    fn put_origin(&self, headers: &mut HeaderMap, origin: HeaderValue) {
        if origin != "*" {
            headers.append(header::VARY, HeaderValue::from_static("origin"));
        }
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if self.0.allow_credentials {
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }
}

fn contains(list: &[String], wanted: &str) -> bool {
    list.iter().any(|item| item == "*" || item.eq_ignore_ascii_case(wanted))
}

fn put_list(headers: &mut HeaderMap, name: HeaderName, items: &[String]) {
    if let Ok(value) = HeaderValue::from_str(&items.join(","))
        && !items.is_empty()
    {
        headers.insert(name, value);
    }
}

/// `*` in an origin's pattern stands for any run of characters. Schemes and hosts are compared without case.
fn matches(pattern: &str, origin: &str) -> bool {
    let (pattern, origin) = (pattern.to_ascii_lowercase(), origin.to_ascii_lowercase());
    match pattern.split_once('*') {
        None => pattern == origin,
        Some((before, after)) => {
            origin.len() > before.len() + after.len() && origin.starts_with(before) && origin.ends_with(after)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origins: &[&str]) -> Cors {
        let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect();
        Cors::new(CorsSpec {
            allow_origins: list(origins),
            allow_methods: list(&["GET", "POST"]),
            allow_headers: list(&["content-type"]),
            expose_headers: list(&["ratelimit-limit"]),
            allow_credentials: true,
            max_age: Some(3600),
        })
    }

    fn request(origin: &str, method: &str) -> HeaderMap {
        HeaderMap::from_iter([
            (header::ORIGIN, origin.parse().unwrap()),
            (header::ACCESS_CONTROL_REQUEST_METHOD, method.parse().unwrap()),
        ])
    }

    #[test]
    fn a_preflight_is_answered_in_full() {
        let request = request("https://shop.example", "POST");
        assert!(Cors::is_preflight(&Method::OPTIONS, &request));
        let answer = cors(&["https://*", "http://*"]).preflight(&request);
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        let headers = answer.headers();
        assert_eq!(headers["access-control-allow-origin"], "https://shop.example");
        assert_eq!(headers["access-control-allow-methods"], "GET,POST");
        assert_eq!(headers["access-control-allow-headers"], "content-type");
        assert_eq!(headers["access-control-allow-credentials"], "true");
        assert_eq!(headers["access-control-max-age"], "3600");
    }

    #[test]
    fn a_foreign_origin_or_method_gets_no_headers() {
        let cors = cors(&["https://shop.example"]);
        for request in [request("https://other.example", "GET"), request("https://shop.example", "DELETE")] {
            let answer = cors.preflight(&request);
            assert_eq!(answer.status(), StatusCode::NO_CONTENT);
            assert!(answer.headers().is_empty());
        }
    }

    #[test]
    fn a_functions_own_headers_are_replaced() {
        let mut answer = HeaderMap::new();
        answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        cors(&["https://a.example"]).apply(&request("https://a.example", "GET"), &mut answer);
        assert_eq!(answer["access-control-allow-origin"], "https://a.example");
        assert_eq!(answer["access-control-expose-headers"], "ratelimit-limit");
        cors(&["https://a.example"]).apply(&HeaderMap::new(), &mut answer);
        assert!(!answer.contains_key("access-control-allow-origin"));
    }

    #[test]
    fn origins_may_have_wildcards() {
        assert!(matches("https://*", "https://a.example"));
        assert!(matches("https://*.example.com", "https://A.example.com"));
        assert!(!matches("https://*.example.com", "https://example.com"));
        assert!(!matches("https://*.example.com", "http://a.example.com"));
        assert!(!matches("https://*", "https://"));
        let answer = cors(&["*"]).preflight(&request("https://a.example", "GET"));
        assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    }
}
