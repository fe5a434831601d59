//! What the gateway makes of a function's answer, and the answers of its own.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use super::MAX_PAYLOAD;

/// An answer with its whole body.
pub type Answer = Response<Bytes>;

/// `{"message": …}` with a status, as the gateway itself answers.
pub fn message(status: StatusCode, text: &str) -> Answer {
    let mut answer = Response::new(Bytes::from(json!({ "message": text }).to_string()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// 500: the function crashed, or its answer made no sense.
pub fn internal_server_error() -> Answer {
    message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
}

/// 413: more than the gateway or Lambda takes.
pub fn too_large() -> Answer {
    message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large")
}

/// 404: no such route.
pub fn not_found() -> Answer {
    message(StatusCode::NOT_FOUND, "Not Found")
}

/// 504: the function took longer than it may.
pub fn timed_out() -> Answer {
    message(StatusCode::GATEWAY_TIMEOUT, "Endpoint request timed out")
}

/// 403: an authorizer said no.
pub fn forbidden() -> Answer {
    message(StatusCode::FORBIDDEN, "Forbidden")
}

/// 401 with the challenge in `www-authenticate`.
pub fn unauthorized(challenge: &str) -> Answer {
    let mut answer = message(StatusCode::UNAUTHORIZED, "Unauthorized");
    if let Ok(value) = HeaderValue::from_str(challenge) {
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
    answer
}

/// The HTTP answer for what a function returned, in payload format 2.0.
pub fn from_function(returned: &Value) -> Answer {
    if is_larger_than_lambda_allows(returned) {
        return internal_server_error();
    }
    match returned.get("statusCode") {
        Some(status) => explicit(returned, status).unwrap_or_else(internal_server_error),
        None => inferred(returned),
    }
}

/// Without a status the whole value is the body of a 200.
fn inferred(returned: &Value) -> Answer {
    let body = match returned {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut answer = Response::new(Bytes::from(body));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// `None` where the gateway would not understand the answer.
fn explicit(returned: &Value, status: &Value) -> Option<Answer> {
    let status: u16 = match status {
        Value::Number(number) => number.as_u64()?.try_into().ok()?,
        Value::String(text) => text.parse().ok()?,
        _ => return None,
    };
    let mut answer = Response::new(body(returned)?);
    *answer.status_mut() = StatusCode::from_u16(status).ok()?;
    *answer.headers_mut() = headers(returned)?;
    for cookie in returned["cookies"].as_array().into_iter().flatten() {
        let value = HeaderValue::from_str(cookie.as_str()?).ok()?;
        answer.headers_mut().append(header::SET_COOKIE, value);
    }
    Some(answer)
}

fn body(returned: &Value) -> Option<Bytes> {
    let text = match &returned["body"] {
        Value::Null => "",
        Value::String(text) => text.as_str(),
        _ => return None,
    };
    if returned["isBase64Encoded"] == true {
        return STANDARD.decode(text).ok().map(Bytes::from);
    }
    Some(Bytes::copy_from_slice(text.as_bytes()))
}

fn headers(returned: &Value) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in returned["headers"].as_object().into_iter().flatten() {
        let value = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        insert(&mut headers, name, &value)?;
    }
    for (name, values) in returned["multiValueHeaders"].as_object().into_iter().flatten() {
        // `multiValueHeaders` wins over a single value of the same name, as it does where API Gateway knows both.
        if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
            headers.remove(name);
        }
        for value in values.as_array()? {
            insert(&mut headers, name, value.as_str()?)?;
        }
    }
    headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("text/plain;charset=UTF-8"));
    Some(headers)
}

/// The connection is the gateway's own, so what a function says about it is left out.
fn insert(headers: &mut HeaderMap, name: &str, value: &str) -> Option<()> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    let is_the_gateways =
        [header::CONNECTION, header::TRANSFER_ENCODING, header::CONTENT_LENGTH, header::TE].contains(&name);
    if !is_the_gateways {
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).ok()?);
    }
    Some(())
}

/// Lambda refuses an answer of more than 6 MB of JSON. Only a large body is worth serializing to find out.
fn is_larger_than_lambda_allows(returned: &Value) -> bool {
    let body = match returned {
        Value::String(text) => text.len(),
        other => other["body"].as_str().map_or(usize::MAX, str::len),
    };
    match body {
        usize::MAX => returned.to_string().len() > MAX_PAYLOAD,
        small if small < MAX_PAYLOAD / 8 => false,
        _ => returned.to_string().len() > MAX_PAYLOAD,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body_of(answer: &Answer) -> &str {
        std::str::from_utf8(answer.body()).unwrap()
    }

    #[test]
    fn without_a_status_the_value_is_the_body() {
        let answer = from_function(&json!({"a": 1}));
        assert_eq!((answer.status(), body_of(&answer)), (StatusCode::OK, "{\"a\":1}"));
        assert_eq!(answer.headers()["content-type"], "application/json");
        assert_eq!(body_of(&from_function(&json!("hello"))), "hello");
    }

    #[test]
    fn status_headers_cookies_and_body_are_taken() {
        let answer = from_function(&json!({
            "statusCode": 201,
            "headers": {"Content-Type": "application/json", "X-Count": 3, "connection": "close"},
            "multiValueHeaders": {"x-many": ["1", "2"]},
            "cookies": ["a=1; Path=/", "b=2"],
            "body": "{}",
        }));
        assert_eq!(answer.status(), StatusCode::CREATED);
        assert_eq!(answer.headers()["x-count"], "3");
        assert!(!answer.headers().contains_key("connection"));
        let all = |name: &str| answer.headers().get_all(name).iter().map(|v| v.to_str().unwrap()).collect::<Vec<_>>();
        assert_eq!(all("x-many"), ["1", "2"]);
        assert_eq!(all("set-cookie"), ["a=1; Path=/", "b=2"]);
        assert_eq!(body_of(&answer), "{}");
    }

    #[test]
    fn base64_bodies_are_decoded() {
        let answer = from_function(&json!({"statusCode": "200", "body": "iVBORw==", "isBase64Encoded": true}));
        assert_eq!(answer.body().as_ref(), b"\x89PNG");
        assert_eq!(answer.headers()["content-type"], "text/plain;charset=UTF-8");
    }

    #[test]
    fn nonsense_is_a_500() {
        for nonsense in [
            json!({"statusCode": "ok"}),
            json!({"statusCode": 99}),
            json!({"statusCode": 200, "body": {"an": "object"}}),
            json!({"statusCode": 200, "body": "%%", "isBase64Encoded": true}),
            json!({"statusCode": 200, "headers": {"bad name": "x"}}),
        ] {
            let answer = from_function(&nonsense);
            assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR, "{nonsense}");
            assert_eq!(body_of(&answer), "{\"message\":\"Internal Server Error\"}");
        }
    }

    #[test]
    fn an_answer_above_lambdas_limit_is_a_500() {
        let body = |bytes| json!({"statusCode": 200, "body": "x".repeat(bytes)});
        assert_eq!(from_function(&body(MAX_PAYLOAD - 100)).status(), StatusCode::OK);
        assert_eq!(from_function(&body(MAX_PAYLOAD)).status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
