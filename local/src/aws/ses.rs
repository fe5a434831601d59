//! SES, API version 2: mails are put into the [`Mailbox`] instead of being sent.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use axum::body::Body;
use axum::http::{Method, Response, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::mailbox::{Attachment, Mail, Mailbox};
use super::wire::{Call, Fault, Input, json_response, percent_decode};

/// The mail service: its identities, and the mailbox behind it.
pub(super) struct Ses {
    mailbox: Mailbox,
    identities: Mutex<BTreeSet<String>>,
}

impl Ses {
    pub fn new(mailbox: Mailbox) -> Self {
        Self { mailbox, identities: Mutex::default() }
    }

    /// Answers a request below `/v2/email/`.
    pub fn handle(&self, call: &Call) -> Response<Body> {
        let answer = Input::parse(&call.body).and_then(|input| self.dispatch(call, &input));
        answer.map_or_else(Fault::into_rest_json, |value| json_response(StatusCode::OK, "application/json", &value))
    }

    fn dispatch(&self, call: &Call, input: &Input) -> Result<Value, Fault> {
        let path = call.path.trim_start_matches("/v2/email/").trim_end_matches('/');
        match (&call.method, path.split_once('/').unwrap_or((path, ""))) {
            (&Method::POST, ("outbound-emails", "")) => self.send_email(input),
            (&Method::GET, ("account", "")) => Ok(account()),
            (&Method::POST, ("identities", "")) => self.create_email_identity(input),
            (&Method::GET, ("identities", identity)) if !identity.is_empty() => {
                self.get_email_identity(&percent_decode(identity))
            }
            _ => Err(Fault::unknown_operation("SES", &format!("{} {path}", call.method))),
        }
    }

    fn send_email(&self, input: &Input) -> Result<Value, Fault> {
        if self.mailbox.fails() {
            return Err(Fault::new(
                "SendingPausedException",
                "Sending is paused for this account. (Asked for by a test.)",
            ));
        }
        let destination = input.get("Destination");
        let recipients =
            ["ToAddresses", "CcAddresses", "BccAddresses"].iter().flat_map(|kind| texts(&destination[*kind]));
        let to = recipients.collect::<Vec<_>>().join(", ");
        let content = input.get("Content");
        let mail = match (&content["Simple"], &content["Raw"]) {
            (simple @ Value::Object(_), _) => from_simple(simple)?,
            (_, raw @ Value::Object(_)) => from_raw(raw)?,
            _ => return Err(Fault::new("BadRequestException", "The stand-in sends Simple and Raw content only.")),
        };
        let from = input.maybe("FromEmailAddress").map_or(mail.from.clone(), str::to_owned);
        let to = if to.is_empty() { mail.to.clone() } else { to };
        if from.is_empty() || to.is_empty() {
            return Err(Fault::new("BadRequestException", "A sender and at least one recipient are required."));
        }
        let id = self.mailbox.deliver(Mail { from, to, ..mail }).map_err(Fault::internal)?;
        Ok(json!({"MessageId": id}))
    }

    fn create_email_identity(&self, input: &Input) -> Result<Value, Fault> {
        let identity = input.text("EmailIdentity")?;
        let fresh = self.identities.lock().unwrap_or_else(PoisonError::into_inner).insert(identity.to_owned());
        fresh
            .then(|| verified(identity))
            .ok_or_else(|| Fault::new("AlreadyExistsException", format!("Email identity {identity} already exist.")))
    }

    fn get_email_identity(&self, identity: &str) -> Result<Value, Fault> {
        let known = self.identities.lock().unwrap_or_else(PoisonError::into_inner).contains(identity);
        known.then(|| verified(identity)).ok_or_else(|| {
            let text = format!("Email identity {identity} does not exist.");
            Fault::with_status(StatusCode::NOT_FOUND, "NotFoundException", text)
        })
    }
}

/// An account out of the sandbox, with AWS's usual first quota.
fn account() -> Value {
    json!({
        "DedicatedIpAutoWarmupEnabled": false,
        "EnforcementStatus": "HEALTHY",
        "ProductionAccessEnabled": true,
        "SendingEnabled": true,
        "SendQuota": {"Max24HourSend": 50000.0, "MaxSendRate": 14.0, "SentLast24Hours": 0.0},
    })
}

/// Identities are verified at once: there is nobody to answer the verification mail.
fn verified(identity: &str) -> Value {
    let kind = if identity.contains('@') { "EMAIL_ADDRESS" } else { "DOMAIN" };
    json!({"IdentityType": kind, "VerifiedForSendingStatus": true, "VerificationStatus": "SUCCESS"})
}

fn from_simple(simple: &Value) -> Result<Mail, Fault> {
    let data = |part: &Value| part["Data"].as_str().unwrap_or_default().to_owned();
    let body = &simple["Body"];
    if body["Text"].is_null() && body["Html"].is_null() {
        return Err(Fault::new("BadRequestException", "A text or an HTML body is required."));
    }
    let attachments = simple["Attachments"].as_array().into_iter().flatten().map(attachment);
    Ok(Mail {
        subject: data(&simple["Subject"]),
        text: data(&body["Text"]),
        html: data(&body["Html"]),
        attachments: attachments.collect::<Result<_, _>>()?,
        ..Mail::default()
    })
}

fn attachment(sent: &Value) -> Result<Attachment, Fault> {
    let text = |name: &str| sent[name].as_str().map(str::to_owned);
    let base64 = text("RawContent").unwrap_or_default();
    if STANDARD.decode(&base64).is_err() {
        return Err(Fault::new("SerializationException", "RawContent is not base64."));
    }
    let name = text("FileName").filter(|name| !name.is_empty());
    Ok(Attachment {
        name: name.ok_or_else(|| Fault::new("BadRequestException", "An attachment needs a FileName."))?,
        media_type: text("ContentType").unwrap_or_else(|| "application/octet-stream".to_owned()),
        content_id: text("ContentId").map(|id| id.trim_matches(['<', '>']).to_owned()),
        base64,
    })
}

/// A raw mail is kept as it is; only the headers that name it are read.
fn from_raw(raw: &Value) -> Result<Mail, Fault> {
    let decoded = STANDARD.decode(raw["Data"].as_str().unwrap_or_default());
    let decoded = decoded.map_err(|_| Fault::new("SerializationException", "Raw.Data is not base64."))?;
    let text = String::from_utf8_lossy(&decoded).into_owned();
    let header = |name: &str| {
        let lines = text.lines().take_while(|line| !line.is_empty());
        let mut values =
            lines.filter_map(|line| line.split_once(':').filter(|(key, _)| key.eq_ignore_ascii_case(name)));
        values.next().map_or_else(String::new, |(_, value)| value.trim().to_owned())
    };
    Ok(Mail {
        subject: header("subject"),
        to: header("to"),
        from: header("from"),
        text: text.clone(),
        ..Mail::default()
    })
}

fn texts(list: &Value) -> impl Iterator<Item = String> + '_ {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned)
}
