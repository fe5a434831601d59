//! One mail, as its reader's program would show it.

use axum::{
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{PageState, problem};
use crate::aws::Mail;

/// A mail may do nothing but look: no scripts, no forms, no fetching but of pictures.
const SANDBOX: &str = "sandbox allow-popups; default-src 'none'; style-src 'unsafe-inline'; img-src data: http: https:";

pub(super) async fn html(State(state): State<PageState>, Path(id): Path<String>) -> Response {
    let Some(mail) = find(&state, &id) else { return not_found() };
    let body = if mail.html.is_empty() {
        format!("<!doctype html><pre style=\"white-space:pre-wrap\">{}</pre>", escaped(&mail.text))
    } else {
        with_pictures(&mail)
    };
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, SANDBOX)];
    (headers, body).into_response()
}

pub(super) async fn text(State(state): State<PageState>, Path(id): Path<String>) -> Response {
    match find(&state, &id) {
        Some(mail) => ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], mail.text).into_response(),
        None => not_found(),
    }
}

pub(super) async fn attachment(State(state): State<PageState>, Path((id, n)): Path<(String, usize)>) -> Response {
    let attachment = find(&state, &id).and_then(|mail| mail.attachments.into_iter().nth(n));
    let Some(attachment) = attachment else { return not_found() };
    let content = STANDARD.decode(&attachment.base64).unwrap_or_default();
    let headers = [
        (header::CONTENT_TYPE, attachment.media_type),
        (header::CONTENT_SECURITY_POLICY, SANDBOX.to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    (headers, content).into_response()
}

/// The HTML body with attached pictures in place of their `cid:` references.
fn with_pictures(mail: &Mail) -> String {
    mail.attachments.iter().fold(mail.html.clone(), |html, one| match &one.content_id {
        Some(id) => {
            html.replace(&format!("cid:{id}"), &format!("data:{};base64,{}", escaped(&one.media_type), one.base64))
        }
        None => html,
    })
}

fn find(state: &PageState, id: &str) -> Option<Mail> {
    state.mailbox.as_ref()?.get(id)
}

fn not_found() -> Response {
    problem(StatusCode::NOT_FOUND, "no such mail")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Attachment;

    #[test]
    fn pictures_stand_in_the_mail_itself() {
        let attachment = Attachment {
            name: "ticket-qr.png".into(),
            media_type: "image/png".into(),
            content_id: Some("qrcode".into()),
            base64: "AAAA".into(),
        };
        let mail = Mail { html: "<img src=\"cid:qrcode\">".into(), attachments: vec![attachment], ..Mail::default() };
        assert_eq!(with_pictures(&mail), "<img src=\"data:image/png;base64,AAAA\">");
    }
}
