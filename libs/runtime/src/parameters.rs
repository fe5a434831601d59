//! Secrets, as the parameter store keeps them. One signed request at init is all that functions need of it; its SDK, which
//! knows a thousand others, would take longer to compile than any other crate.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use jiff::Timestamp;
use net::Limits;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Aws,
    signature::{Service, add_signature},
};

const ATTEMPTS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// One attempt. An answer is ten parameters of 8 KB at most.
const ATTEMPT: Limits =
    Limits { connect: Duration::from_secs(1), total: Duration::from_secs(2), answer_bytes: 256 * 1024 };

/// A parameter, decrypted.
#[derive(Deserialize)]
pub(crate) struct Parameter {
    /// Its whole name, `/fairground/prod/QR_KEYS`.
    #[serde(rename = "Name")]
    pub(crate) name: String,
    /// Its value.
    #[serde(rename = "Value")]
    pub(crate) value: String,
}

#[derive(Deserialize)]
struct Page {
    #[serde(rename = "Parameters", default)]
    parameters: Vec<Parameter>,
    #[serde(rename = "NextToken", default)]
    next: Option<String>,
}

/// Why parameters were not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParametersError {
    /// The store refuses, and would again: a permission is missing, or the path is none.
    #[error("the parameter store refused with {status}, {code}")]
    Refused { status: u16, code: String },
    /// Nothing settled in all attempts.
    #[error("the parameter store is unavailable: {0}")]
    Unavailable(String),
}

/// All parameters right below `path`. Needs `ssm:GetParametersByPath`.
pub(crate) async fn read_parameters(aws: &Aws, path: &str, now: Timestamp) -> Result<Vec<Parameter>, ParametersError> {
    let (mut parameters, mut next) = (Vec::new(), None);
    loop {
        let mut wanted = json!({"Path": path, "WithDecryption": true});
        if let Some(next) = next {
            wanted["NextToken"] = Value::String(next);
        }
        let page = ask(aws, &wanted, now).await?;
        parameters.extend(page.parameters);
        next = page.next.filter(|next| !next.is_empty());
        if next.is_none() {
            return Ok(parameters);
        }
    }
}

async fn ask(aws: &Aws, wanted: &Value, now: Timestamp) -> Result<Page, ParametersError> {
    let request = request(aws, wanted, now)?;
    let mut pause = FIRST_PAUSE;
    for attempt in 1.. {
        let outcome = read(aws.net().send(request.clone(), ATTEMPT).await);
        let Err(ParametersError::Unavailable(reason)) = &outcome else { return outcome };
        if attempt == ATTEMPTS {
            return outcome;
        }
        tracing::warn!(attempt, reason, "the parameter store will be asked again");
        tokio::time::sleep(pause.mul_f64(1.0 + rand::random::<f64>() / 2.0)).await;
        pause *= 2;
    }
    Err(ParametersError::Unavailable("no attempt was made".into()))
}

fn request(aws: &Aws, wanted: &Value, now: Timestamp) -> Result<Request<Bytes>, ParametersError> {
    let url = match aws.endpoint(Service::Ssm.name()) {
        Some(endpoint) => format!("{}/", endpoint.trim_end_matches('/')),
        None => format!("https://ssm.{}.amazonaws.com/", aws.region()),
    };
    let request = Request::post(url)
        .header(header::CONTENT_TYPE, "application/x-amz-json-1.1")
        .header("x-amz-target", "AmazonSSM.GetParametersByPath")
        .body(wanted.to_string().into());
    let mut request = request.map_err(not_sent)?;
    add_signature(&mut request, Service::Ssm, aws.credentials(), aws.region(), now).map_err(not_sent)?;
    Ok(request)
}

fn not_sent(error: impl std::fmt::Display) -> ParametersError {
    ParametersError::Refused { status: 400, code: error.to_string() }
}

fn read(answer: Result<Response<Bytes>, net::Error>) -> Result<Page, ParametersError> {
    let answer = answer.map_err(|error| ParametersError::Unavailable(error.to_string()))?;
    let status = answer.status();
    if status.is_success() {
        return serde_json::from_slice(answer.body()).map_err(|error| {
            // Where, and not what: the text is secrets.
            ParametersError::Unavailable(format!("an answer that cannot be read ({:?})", error.classify()))
        });
    }
    let code = code_of(answer.body());
    let again = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS || code == "ThrottlingException";
    Err(match again {
        true => ParametersError::Unavailable(format!("{status} {code}")),
        false => ParametersError::Refused { status: status.as_u16(), code },
    })
}

/// `{"__type": "com.amazonaws.ssm#ThrottlingException", …}`.
fn code_of(body: &[u8]) -> String {
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    let code = said["__type"].as_str().unwrap_or_default();
    code.rsplit('#').next().unwrap_or_default().chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::stand_in::{Asked, answering};

    /// A parameter store that answers so.
    async fn parameter_store(answers: Vec<(u16, Value)>) -> (Aws, Asked) {
        let text = |(status, answer): (u16, Value)| (status, answer.to_string());
        let (url, asked) = answering(answers.into_iter().map(text).collect()).await;
        let env = [
            ("AWS_ENDPOINT_URL_SSM", url.as_str()),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            ("AWS_SESSION_TOKEN", "of-the-role"),
        ];
        let env: HashMap<String, String> = env.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        (Aws::from_map(&env), asked)
    }

    async fn read_all(aws: &Aws) -> Result<Vec<(String, String)>, ParametersError> {
        let read = read_parameters(aws, "/fairground/test", "2026-11-21T00:00:00Z".parse().unwrap()).await?;
        Ok(read.into_iter().map(|parameter| (parameter.name, parameter.value)).collect())
    }

    #[tokio::test]
    async fn all_pages_are_read_decrypted_and_signed() {
        let parameter = |name: &str| json!({"Name": format!("/fairground/test/{name}"), "Value": name, "Version": 1});
        let first = json!({"Parameters": [parameter("A"), parameter("B")], "NextToken": "more"});
        let (aws, asked) = parameter_store(vec![(200, first), (200, json!({"Parameters": [parameter("C")]}))]).await;
        let read = read_all(&aws).await.unwrap();
        let named = |name: &str| (format!("/fairground/test/{name}"), name.to_owned());
        assert_eq!(read, [named("A"), named("B"), named("C")]);
        let asked = asked.lock().unwrap();
        let wanted = json!({"Path": "/fairground/test", "WithDecryption": true});
        let more = json!({"Path": "/fairground/test", "WithDecryption": true, "NextToken": "more"});
        let bodies = asked.iter().map(|request| serde_json::from_slice::<Value>(request.body()).unwrap());
        assert!(bodies.eq([wanted, more]));
        let headers = asked[0].headers();
        assert_eq!(headers["x-amz-target"], "AmazonSSM.GetParametersByPath");
        assert_eq!(headers["content-type"], "application/x-amz-json-1.1");
        assert_eq!(headers["x-amz-security-token"], "of-the-role");
        let signature = headers["authorization"].to_str().unwrap();
        assert!(signature.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261121/us-east-1/ssm/aws4_request, "));
        assert!(signature.contains("SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, "));
    }

    #[tokio::test]
    async fn a_bad_moment_is_got_over_and_a_refusal_is_final() {
        let throttled = json!({"__type": "com.amazonaws.ssm#ThrottlingException", "message": "Rate exceeded"});
        let (aws, asked) = parameter_store(vec![(400, throttled), (500, json!(null)), (200, json!({}))]).await;
        assert_eq!(read_all(&aws).await.unwrap(), []);
        assert_eq!(asked.lock().unwrap().len(), 3);

        let denied = json!({"__type": "AccessDeniedException", "Message": "no"});
        let (aws, asked) = parameter_store(vec![(400, denied)]).await;
        let refused = ParametersError::Refused { status: 400, code: "AccessDeniedException".into() };
        assert_eq!(read_all(&aws).await.unwrap_err(), refused);
        assert_eq!(asked.lock().unwrap().len(), 1);

        let (aws, asked) = parameter_store(vec![(503, json!(null))]).await;
        assert!(matches!(read_all(&aws).await.unwrap_err(), ParametersError::Unavailable(_)));
        assert_eq!(asked.lock().unwrap().len(), ATTEMPTS as usize);
    }

    /// A value that is no text is not in the error's text either.
    #[tokio::test]
    async fn an_answer_that_cannot_be_read_tells_no_secret() {
        let (aws, _) = parameter_store(vec![(200, json!({"Parameters": [{"Name": "n", "Value": ["hush"]}]}))]).await;
        let ParametersError::Unavailable(text) = read_all(&aws).await.unwrap_err() else { panic!("read") };
        assert!(!text.contains("hush"), "{text}");
    }
}
