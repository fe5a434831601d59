//! The events that a function receives for an HTTP request: payload format 2.0 of HTTP APIs, of function URLs, and of
//! Lambda authorizers.

use std::{collections::BTreeMap, net::IpAddr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, Method, Uri, header};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::route::RouteMatch;
use crate::template::{ACCOUNT_ID, REGION};

/// Id of the local HTTP API.
pub const API_ID: &str = "local";

/// A request as it came in, before it is an event.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Method.
    pub method: Method,
    /// Path and query as they stood in the request.
    pub uri: Uri,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
    /// Address of the client.
    pub source_ip: IpAddr,
    /// When it came.
    pub time: Timestamp,
    /// Id of the request, also in the answer's `apigw-requestid`.
    pub request_id: String,
}

impl Incoming {
    /// A request with a new id.
    pub fn new(method: Method, uri: Uri, headers: HeaderMap, body: Bytes, source_ip: IpAddr, time: Timestamp) -> Self {
        let request_id = Uuid::new_v4().to_string();
        Self { method, uri, headers, body, source_ip, time, request_id }
    }

    /// A header's values, joined as the event joins them.
    pub fn header(&self, name: &str) -> Option<String> {
        let values: Vec<_> = self.headers.get_all(name).iter().map(|value| lossy(value.as_bytes())).collect();
        (!values.is_empty()).then(|| values.join(","))
    }

    /// A parameter of the query, decoded; several of one name are joined by commas.
    pub fn query_parameter(&self, name: &str) -> Option<String> {
        query_parameters(self.uri.query().unwrap_or_default()).remove(name)
    }

    fn host(&self) -> String {
        self.header("host").unwrap_or_else(|| "localhost".to_owned())
    }
}

/// What an authorizer found out, as `requestContext.authorizer`.
pub type AuthorizerContext = Option<Value>;

/// The event of an HTTP API route.
pub fn api_event(request: &Incoming, route: &RouteMatch, authorizer: AuthorizerContext) -> Value {
    let mut event = common(request, &route.route_key(), Origin::Api);
    if let Some(authorizer) = authorizer {
        event["requestContext"]["authorizer"] = authorizer;
    }
    if !route.parameters.is_empty() {
        event["pathParameters"] = json!(route.parameters);
    }
    put_body(&mut event, request);
    event
}

/// The event of a function URL.
pub fn url_event(request: &Incoming, path: &str, url_id: &str) -> Value {
    let mut event = common(request, "$default", Origin::FunctionUrl { path, url_id });
    put_body(&mut event, request);
    event
}

/// The event that asks a Lambda authorizer: no body, but the identity it shall judge.
pub fn authorizer_event(request: &Incoming, route: &RouteMatch, identity: &[String]) -> Value {
    let mut event = common(request, &route.route_key(), Origin::Api);
    event["type"] = "REQUEST".into();
    event["routeArn"] = route_arn(request, route).into();
    event["identitySource"] = json!(identity);
    if !route.parameters.is_empty() {
        event["pathParameters"] = json!(route.parameters);
    }
    event
}

/// ARN of the route, which an authorizer's policy speaks of.
pub fn route_arn(request: &Incoming, route: &RouteMatch) -> String {
    let (method, path) = match route.spec.path.as_str() {
        "$default" => (request.method.as_str(), request.uri.path()),
        path => (route.spec.method.as_str(), path),
    };
    format!("arn:aws:execute-api:{REGION}:{ACCOUNT_ID}:{API_ID}/$default/{method}{path}")
}

enum Origin<'a> {
    Api,
    FunctionUrl { path: &'a str, url_id: &'a str },
}

fn common(request: &Incoming, route_key: &str, origin: Origin<'_>) -> Value {
    // An HTTP API hands over its path decoded, a function URL as it came.
    let (path, account, api_id, domain) = match origin {
        Origin::Api => {
            let path = percent_decode_str(request.uri.path()).decode_utf8_lossy().into_owned();
            (path, ACCOUNT_ID, API_ID, request.host())
        }
        Origin::FunctionUrl { path, url_id } => {
            let domain = format!("{url_id}.lambda-url.{REGION}.on.aws");
            (path.to_owned(), "anonymous", url_id, domain)
        }
    };
    let prefix = domain.split(['.', ':']).next().unwrap_or_default().to_owned();
    let query = request.uri.query().unwrap_or_default();
    let mut event = json!({
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers(request),
        "requestContext": {
            "accountId": account,
            "apiId": api_id,
            "domainName": domain,
            "domainPrefix": prefix,
            "http": {
                "method": request.method.as_str(),
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": request.source_ip.to_string(),
                "userAgent": request.header("user-agent").unwrap_or_default(),
            },
            "requestId": request.request_id,
            "routeKey": route_key,
            "stage": "$default",
            // As in access logs: `12/Mar/2020:19:03:58 +0000`.
            "time": request.time.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "timeEpoch": request.time.as_millisecond(),
        },
    });
    let cookies = cookies(&request.headers);
    if !cookies.is_empty() {
        event["cookies"] = json!(cookies);
    }
    let parameters = query_parameters(query);
    if !parameters.is_empty() {
        event["queryStringParameters"] = json!(parameters);
    }
    event
}

/// Lower-cased names, several values joined by commas, cookies apart, and what the gateway adds.
fn headers(request: &Incoming) -> Map<String, Value> {
    let mut headers = Map::new();
    for name in request.headers.keys() {
        if name != header::COOKIE && name != header::CONNECTION {
            headers.insert(name.as_str().to_owned(), request.header(name.as_str()).into());
        }
    }
    let forwarded = match request.header("x-forwarded-for") {
        Some(before) => format!("{before}, {}", request.source_ip),
        None => request.source_ip.to_string(),
    };
    let host = request.host();
    let port = host.rsplit_once(':').map_or("80", |(_, port)| port);
    let seconds = request.time.as_second();
    let trace = format!("Root=1-{seconds:08x}-{}", &Uuid::new_v4().simple().to_string()[..24]);
    headers.insert("x-forwarded-for".to_owned(), forwarded.into());
    headers.insert("x-forwarded-port".to_owned(), port.into());
    headers.insert("x-forwarded-proto".to_owned(), "http".into());
    headers.insert("x-amzn-trace-id".to_owned(), trace.into());
    headers.entry("content-length").or_insert_with(|| request.body.len().to_string().into());
    headers
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    let all = headers.get_all(header::COOKIE);
    let all = all.iter().map(|value| lossy(value.as_bytes()));
    all.flat_map(|line| line.split(';').map(|cookie| cookie.trim().to_owned()).collect::<Vec<_>>())
        .filter(|cookie| !cookie.is_empty())
        .collect()
}

fn query_parameters(query: &str) -> BTreeMap<String, String> {
    let mut parameters: BTreeMap<String, String> = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        let value = decode(value);
        parameters
            .entry(decode(name))
            .and_modify(|before| {
                before.push(',');
                before.push_str(&value);
            })
            .or_insert(value);
    }
    parameters
}

/// HTTP APIs pass only a few content types as text; everything else, forms included, is base64.
fn put_body(event: &mut Value, request: &Incoming) {
    let text = if is_text(&request.headers) { std::str::from_utf8(&request.body).ok() } else { None };
    event["isBase64Encoded"] = (text.is_none() && !request.body.is_empty()).into();
    if !request.body.is_empty() {
        event["body"] = match text {
            Some(text) => text.into(),
            None => STANDARD.encode(&request.body).into(),
        };
    }
}

fn is_text(headers: &HeaderMap) -> bool {
    if headers.contains_key(header::CONTENT_ENCODING) {
        return false;
    }
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.starts_with("text/")
        || matches!(essence.as_str(), "application/json" | "application/xml" | "application/javascript")
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::template::model::RouteSpec;

    fn request(method: Method, uri: &str, headers: &[(&'static str, &str)], body: &'static [u8]) -> Incoming {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        Incoming {
            method,
            uri: uri.parse().unwrap(),
            headers: map,
            body: Bytes::from_static(body),
            source_ip: "192.0.2.7".parse().unwrap(),
            time: Timestamp::from_millisecond(1_584_039_838_390).unwrap(),
            request_id: "request-1".to_owned(),
        }
    }

    fn route(method: &str, path: &str, parameters: &[(&str, &str)]) -> RouteMatch {
        let spec = RouteSpec {
            method: method.to_owned(),
            path: path.to_owned(),
            function: "f".to_owned(),
            authorizer: None,
            scopes: Vec::new(),
        };
        let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        RouteMatch { spec: Arc::new(spec), parameters }
    }

    fn without_trace(mut event: Value) -> Value {
        let trace = event["headers"].as_object_mut().unwrap().remove("x-amzn-trace-id").unwrap();
        assert!(trace.as_str().unwrap().starts_with("Root=1-5e6a879e-"), "{trace}");
        event
    }

    #[test]
    fn an_api_event_is_payload_format_2() {
        let request = request(
            Method::POST,
            "/events/a%20b?tag=x&tag=y&q=a%2Bb",
            &[
                ("host", "127.0.0.1:3300"),
                ("content-type", "application/json"),
                ("cookie", "a=1; b=2"),
                ("cookie", "c=3"),
                ("x-many", "1"),
                ("x-many", "2"),
                ("user-agent", "test"),
                ("content-length", "7"),
            ],
            b"{\"a\":1}",
        );
        let authorizer = Some(json!({"jwt": {"claims": {"sub": "u"}, "scopes": null}}));
        let event = api_event(&request, &route("POST", "/events/{id}", &[("id", "a b")]), authorizer);
        assert_eq!(
            without_trace(event),
            json!({
                "version": "2.0",
                "routeKey": "POST /events/{id}",
                "rawPath": "/events/a b",
                "rawQueryString": "tag=x&tag=y&q=a%2Bb",
                "cookies": ["a=1", "b=2", "c=3"],
                "headers": {
                    "host": "127.0.0.1:3300",
                    "content-type": "application/json",
                    "content-length": "7",
                    "x-many": "1,2",
                    "user-agent": "test",
                    "x-forwarded-for": "192.0.2.7",
                    "x-forwarded-port": "3300",
                    "x-forwarded-proto": "http",
                },
                "queryStringParameters": {"tag": "x,y", "q": "a+b"},
                "pathParameters": {"id": "a b"},
                "requestContext": {
                    "accountId": "000000000000",
                    "apiId": "local",
                    "authorizer": {"jwt": {"claims": {"sub": "u"}, "scopes": null}},
                    "domainName": "127.0.0.1:3300",
                    "domainPrefix": "127",
                    "http": {
                        "method": "POST",
                        "path": "/events/a b",
                        "protocol": "HTTP/1.1",
                        "sourceIp": "192.0.2.7",
                        "userAgent": "test",
                    },
                    "requestId": "request-1",
                    "routeKey": "POST /events/{id}",
                    "stage": "$default",
                    "time": "12/Mar/2020:19:03:58 +0000",
                    "timeEpoch": 1_584_039_838_390_u64,
                },
                "body": "{\"a\":1}",
                "isBase64Encoded": false,
            })
        );
    }

    #[test]
    fn lambda_http_reads_it() {
        let request = request(Method::GET, "/events/1?a=b", &[("host", "h"), ("cookie", "a=1")], b"");
        let event = api_event(&request, &route("GET", "/events/{id}", &[("id", "1")]), None);
        let parsed = lambda_http::request::from_str(&event.to_string()).unwrap();
        assert_eq!(parsed.uri().path(), "/events/1");
        assert_eq!(parsed.headers()["cookie"], "a=1");
    }

    #[test]
    fn only_text_types_go_as_text() {
        let body = |content_type: Option<&str>, bytes| {
            let headers: Vec<_> = content_type.map(|value| ("content-type", value)).into_iter().collect();
            let event = api_event(&request(Method::POST, "/", &headers, bytes), &route("POST", "/", &[]), None);
            (event["body"].clone(), event["isBase64Encoded"].clone())
        };
        assert_eq!(body(Some("application/json; charset=utf-8"), b"{}"), (json!("{}"), json!(false)));
        assert_eq!(body(Some("text/csv"), b"a,b"), (json!("a,b"), json!(false)));
        assert_eq!(body(Some("application/x-www-form-urlencoded"), b"a=b"), (json!("YT1i"), json!(true)));
        assert_eq!(body(Some("image/png"), b"\x89PNG"), (json!("iVBORw=="), json!(true)));
        assert_eq!(body(None, b"{}"), (json!("e30="), json!(true)));
        assert_eq!(body(Some("application/json"), b"\xff"), (json!("/w=="), json!(true)));
        assert_eq!(body(Some("application/json"), b""), (Value::Null, json!(false)));
    }

    #[test]
    fn a_function_urls_event_keeps_the_path_as_it_came() {
        let request = request(Method::POST, "/_lambda-url/F/hook/a%20b?x=1", &[("host", "h")], b"");
        let event = url_event(&request, "/hook/a%20b", "f");
        assert_eq!(event["rawPath"], "/hook/a%20b");
        assert_eq!(event["routeKey"], "$default");
        assert_eq!(event["requestContext"]["domainName"], "f.lambda-url.eu-central-1.on.aws");
        assert_eq!(event["requestContext"]["accountId"], "anonymous");
        assert_eq!(event["requestContext"]["authorizer"], Value::Null);
    }

    #[test]
    fn an_authorizers_event_names_route_and_identity() {
        let request = request(Method::GET, "/status", &[("host", "h"), ("authorization", "Bearer x")], b"");
        let event = authorizer_event(&request, &route("GET", "/status", &[]), &["Bearer x".to_owned()]);
        assert_eq!(event["type"], "REQUEST");
        assert_eq!(event["identitySource"], json!(["Bearer x"]));
        assert_eq!(event["routeArn"], "arn:aws:execute-api:eu-central-1:000000000000:local/$default/GET/status");
        assert_eq!(event["body"], Value::Null);
    }
}
