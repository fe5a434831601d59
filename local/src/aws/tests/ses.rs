use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::error::ProvideErrorMetadata as _;
use aws_sdk_sesv2::primitives::Blob;
use aws_sdk_sesv2::types::{
    Attachment, AttachmentContentDisposition, Body, Content, Destination, EmailContent, Message, RawMessage,
};

use super::{Dir, start_with};

fn text(data: &str) -> Content {
    Content::builder().data(data).charset("UTF-8").build().unwrap()
}

fn ticket() -> EmailContent {
    let attachment = Attachment::builder()
        .raw_content(Blob::new(b"png".to_vec()))
        .content_disposition(AttachmentContentDisposition::Inline)
        .content_id("qrcode")
        .content_type("image/png")
        .file_name("ticket-qr.png");
    let body = Body::builder().text(text("Hello")).html(text("<b>Hello</b>")).build();
    let message =
        Message::builder().subject(text("🎫 Your Ticket")).body(body).attachments(attachment.build().unwrap());
    EmailContent::builder().simple(message.build()).build()
}

#[tokio::test]
async fn mails_lie_in_the_mailbox_newest_first_and_survive_a_restart() {
    let dir = Dir::new();
    let (endpoint, config) = start_with(dir.data()).await;
    let client = Client::new(&config);
    let send = |to: &str, content: EmailContent| {
        let destination = Destination::builder().to_addresses(to).build();
        client.send_email().from_email_address("tickets@example.com").destination(destination).content(content).send()
    };
    let sent = send("Buyer@example.com", ticket()).await.unwrap();
    let raw =
        RawMessage::builder().data(Blob::new("Subject: Raw one\r\n\r\nText".as_bytes().to_vec())).build().unwrap();
    send("other@example.com", EmailContent::builder().raw(raw).build()).await.unwrap();
    endpoint.mailbox().fail_next(1);
    let failed = send("buyer@example.com", ticket()).await.unwrap_err().into_service_error();
    assert!(failed.is_sending_paused_exception(), "{:?}", failed.code());
    endpoint.shutdown().await;

    let (endpoint, config) = start_with(dir.data()).await;
    let subjects: Vec<_> = endpoint.mailbox().list().into_iter().map(|mail| mail.subject).collect();
    assert_eq!(subjects, ["Raw one", "🎫 Your Ticket"]);
    let mail = &endpoint.mailbox().to("buyer@EXAMPLE.com")[0];
    assert_eq!(Some(mail.id.as_str()), sent.message_id());
    assert_eq!((mail.text.as_str(), mail.html.as_str()), ("Hello", "<b>Hello</b>"));
    let shown = serde_json::to_value(&mail.attachments[0]).unwrap();
    assert_eq!(
        shown,
        serde_json::json!({"name": "ticket-qr.png", "type": "image/png", "contentId": "qrcode", "base64": "cG5n"})
    );
    let account = Client::new(&config).get_account().send().await.unwrap();
    assert!(account.sending_enabled());
}
