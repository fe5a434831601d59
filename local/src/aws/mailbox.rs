//! Where the mails end up: one can read them in the browser, and tests ask for them.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::clock;
use super::disk::{self, Data};

/// How many mails are kept. Older ones go.
const CAPACITY: usize = 500;

/// A mail as it was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Mail {
    /// The message id that the sender got.
    pub id: String,
    /// All recipients, separated by a comma and a space.
    pub to: String,
    /// The sender.
    pub from: String,
    /// The subject, decoded.
    pub subject: String,
    /// The text body, or the whole of a mail that was sent raw.
    pub text: String,
    /// The HTML body; empty when there is none.
    pub html: String,
    /// What is attached, inline pictures included.
    pub attachments: Vec<Attachment>,
    /// When it was sent (RFC 3339).
    pub sent_at: String,
}

/// One attachment of a mail.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Attachment {
    /// The file name.
    pub name: String,
    /// The media type.
    #[serde(rename = "type")]
    pub media_type: String,
    /// The id by which HTML refers to it (`cid:`), without brackets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_id: Option<String>,
    /// The content, base64.
    pub base64: String,
}

/// The mails of the endpoint, newest first. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct Mailbox(Arc<Shared>);

struct Shared {
    mails: Mutex<VecDeque<Mail>>,
    file: Option<PathBuf>,
    failures: AtomicUsize,
}

impl Mailbox {
    /// Opens the mailbox with what was kept: one JSON line per mail, oldest first.
    pub(super) fn open(data: &Data) -> anyhow::Result<Self> {
        let file = data.path("mailbox.jsonl");
        let mails = file.as_deref().map(read_lines).transpose()?.unwrap_or_default();
        Ok(Self(Arc::new(Shared { mails: Mutex::new(mails), file, failures: AtomicUsize::new(0) })))
    }

    /// All mails, newest first.
    pub fn list(&self) -> Vec<Mail> {
        self.lock().iter().cloned().collect()
    }

    /// The mails to an address (compared without regard to case), newest first.
    pub fn to(&self, address: &str) -> Vec<Mail> {
        let is_to = |mail: &&Mail| mail.to.split(", ").any(|to| to.eq_ignore_ascii_case(address));
        self.lock().iter().filter(is_to).cloned().collect()
    }

    /// One mail by its id.
    pub fn get(&self, id: &str) -> Option<Mail> {
        self.lock().iter().find(|mail| mail.id == id).cloned()
    }

    /// Removes all mails.
    ///
    /// # Errors
    /// When the file cannot be emptied.
    pub fn clear(&self) -> io::Result<()> {
        let mut mails = self.lock();
        mails.clear();
        self.0.file.as_deref().map_or(Ok(()), |file| disk::replace(file, b""))
    }

    /// Makes the next `count` calls of SES SendEmail fail with `SendingPausedException` (400, which SDKs do not retry
    /// by themselves).
    pub fn fail_next(&self, count: usize) {
        self.0.failures.store(count, Ordering::SeqCst);
    }

    /// Whether this sending is one of those that shall fail.
    pub(super) fn fails(&self) -> bool {
        let one_less = |left: usize| left.checked_sub(1);
        self.0.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok()
    }

    /// Keeps a mail, gives it an id and the time of sending, and returns the id.
    pub(super) fn deliver(&self, mail: Mail) -> io::Result<String> {
        let id = uuid::Uuid::new_v4().to_string();
        let mail = Mail { id: id.clone(), sent_at: clock::now().to_string(), ..mail };
        let mut mails = self.lock();
        if let Some(file) = &self.0.file {
            append(file, &mail)?;
        }
        mails.push_front(mail);
        mails.truncate(CAPACITY);
        Ok(id)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Mail>> {
        self.0.mails.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the kept mails, and shortens the file when it holds more than are kept.
fn read_lines(file: &Path) -> anyhow::Result<VecDeque<Mail>> {
    let content = match std::fs::read_to_string(file) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(VecDeque::new()),
        Err(error) => return Err(error).with_context(|| format!("reading {}", file.display())),
    };
    let lines: Vec<&str> = content.lines().collect();
    let kept = &lines[lines.len().saturating_sub(CAPACITY)..];
    if kept.len() < lines.len() {
        disk::replace(file, (kept.join("\n") + "\n").as_bytes())?;
    }
    // A last line cut short by a crash is left out.
    Ok(kept.iter().rev().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

fn append(file: &Path, mail: &Mail) -> io::Result<()> {
    let line = serde_json::to_string(mail)? + "\n";
    std::fs::OpenOptions::new().create(true).append(true).open(file)?.write_all(line.as_bytes())
}
