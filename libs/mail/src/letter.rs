//! An e-mail that is written, as SES takes it.

use aws_sdk_sesv2::{
    error::BuildError,
    primitives::Blob,
    types::{
        Attachment, AttachmentContentDisposition, AttachmentContentTransferEncoding, Body, Content, Destination,
        EmailContent, Message, MessageTag,
    },
};
use runtime::Ctx;

use crate::undelivered::Undelivered;

/// What an e-mail says, to nobody yet.
#[derive(Clone, Debug)]
pub struct Letter {
    /// One line.
    pub subject: String,
    /// Tables and inline styles.
    pub html: String,
    /// The same facts without HTML.
    pub text: String,
    /// What goes with it.
    pub files: Vec<File>,
}

/// A file that goes with a letter.
#[derive(Clone, Debug)]
pub struct File {
    /// Its name.
    pub name: String,
    /// `image/png`.
    pub content_type: &'static str,
    /// By this id the HTML shows it, `cid:…`; without one it is attached.
    pub content_id: Option<&'static str>,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// A letter, to whom it goes, and what it is about.
pub(crate) struct Addressed {
    pub(crate) letter: Letter,
    pub(crate) to: String,
    /// By this tag SES's bounce and delivery events name what an e-mail is about: an order, a user.
    pub(crate) about: (&'static str, String),
}

impl Addressed {
    pub(crate) async fn send(self, ctx: &Ctx, from: &str) -> Result<(), Undelivered> {
        let (name, value) = self.about;
        ctx.ses()
            .send_email()
            .from_email_address(from)
            .destination(Destination::builder().to_addresses(self.to).build())
            .content(self.letter.content()?)
            .email_tags(MessageTag::builder().name(name).value(value).build()?)
            .send()
            .await?;
        Ok(())
    }
}

impl Letter {
    fn content(self) -> Result<EmailContent, BuildError> {
        let utf8 = |text: String| Content::builder().data(text).charset("UTF-8").build();
        let files = self.files.into_iter().map(File::attachment).collect::<Result<Vec<_>, _>>()?;
        let message = Message::builder()
            .subject(utf8(self.subject)?)
            .body(Body::builder().html(utf8(self.html)?).text(utf8(self.text)?).build())
            .set_attachments((!files.is_empty()).then_some(files))
            .build();
        Ok(EmailContent::builder().simple(message).build())
    }
}

impl File {
    fn attachment(self) -> Result<Attachment, BuildError> {
        use AttachmentContentDisposition::{Attachment as Attached, Inline};
        Attachment::builder()
            .file_name(self.name)
            .content_type(self.content_type)
            .content_disposition(if self.content_id.is_some() { Inline } else { Attached })
            .set_content_id(self.content_id.map(str::to_owned))
            .content_transfer_encoding(AttachmentContentTransferEncoding::Base64)
            .raw_content(Blob::new(self.bytes))
            .build()
    }
}
