//! Links that somebody was sent by e-mail: found by the SHA-256 of their secret, good once, dead by their time even before
//! TTL removes them.
//!
//! That a link is used and what it does in the table are one transaction. Of a user's resets one is used: the item
//! `RESETS` keeps when that was, and every link from before it is dead.

use domain::{
    ids::UserId,
    link::{LinkPurpose, LinkSecret},
    mail::Mail,
    member::Member,
    time::millis,
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::member::active;
use crate::{
    Store,
    error::StoreError,
    item::{from_item, n, s, text, to_item},
    keys::Key,
    tx::{Change, Tx, TxError},
};

/// How long a link is kept once its time is over.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// A link as stored: the hash of its secret, never itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// SHA-256 of its secret, 64 lower-case hex characters.
    pub hash: String,
    /// What it is for.
    pub purpose: LinkPurpose,
    /// Its id: the secret is derived from it.
    pub id: Uuid,
    /// The key that the secret is derived with.
    pub key_id: String,
    /// Who may do it.
    pub user: UserId,
    /// When its time is over.
    #[serde(with = "millis")]
    pub expires_at: Timestamp,
    /// When it was used.
    #[serde(with = "millis::option", default, skip_serializing_if = "Option::is_none")]
    pub used_at: Option<Timestamp>,
    /// When it was sent.
    #[serde(with = "millis")]
    pub created_at: Timestamp,
}

impl Link {
    /// A new link, good as long as its purpose says.
    pub fn new(
        purpose: LinkPurpose,
        id: Uuid,
        secret: &LinkSecret,
        key_id: &str,
        user: UserId,
        now: Timestamp,
    ) -> Self {
        Link {
            hash: secret.hash(),
            purpose,
            id,
            key_id: key_id.to_owned(),
            user,
            expires_at: now + purpose.lifetime(),
            used_at: None,
            created_at: now,
        }
    }

    /// Unused, and in time?
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.used_at.is_none() && now < self.expires_at
    }
}

impl Tx<'_> {
    pub(crate) fn create_link(self, link: &Link) -> Result<Self, StoreError> {
        let mut item = to_item("link", &Key::link(&link.hash), link)?;
        item.insert("ttl".into(), n((link.expires_at + KEPT).as_second()));
        self.create(item)
    }

    /// Uses a link up; it must be open.
    fn use_link(self, link: &Link, now: Timestamp) -> Result<Self, StoreError> {
        let change = Change::default()
            .set("used_at", n(now.as_millisecond()))
            .when_absent("used_at")
            .when("purpose", "=", s(link.purpose.as_str()))
            .when("expires_at", ">", n(now.as_millisecond()));
        self.update(&Key::link(&link.hash), change)
    }
}

impl Store {
    /// A new link to reset a password, and its e-mail.
    pub async fn create_reset(&self, link: &Link, mail: &Mail) -> Result<(), StoreError> {
        self.tx().create_link(link)?.queue_mail(mail)?.commit().await.map_err(TxError::stale)
    }

    /// A link that is open, by the hash of its secret.
    async fn load_link(&self, purpose: LinkPurpose, hash: &str, now: Timestamp) -> Result<Option<Link>, StoreError> {
        let link: Option<Link> = self.get(&Key::link(hash)).await?.map(from_item).transpose()?;
        Ok(link.filter(|link| link.purpose == purpose && link.is_open(now)))
    }

    /// Whose password the link with this hash resets; `None` when it does not (any more).
    pub async fn load_reset(&self, hash: &str, now: Timestamp) -> Result<Option<(Link, Member)>, StoreError> {
        let Some(link) = self.load_link(LinkPurpose::PasswordReset, hash, now).await? else { return Ok(None) };
        let keys = vec![Key::member(link.user).item(), Key::resets(link.user).item()];
        let (mut member, mut used_at) = (None, None);
        for item in self.batch_get(keys, true).await? {
            match text(&item, "entity") {
                Some("member") => member = Some(from_item::<Member>(item)?),
                _ => used_at = item.get("used_at").and_then(|at| at.as_n().ok()?.parse().ok()),
            }
        }
        let is_dead = used_at.is_some_and(|used_at: i64| used_at >= link.created_at.as_millisecond());
        Ok(member.filter(|member| !is_dead && member.may_sign_in()).map(|member| (link, member)))
    }

    /// Uses a link to reset a password, and with it all others that its user was sent. The session's version rises: whoever
    /// was signed in on a phone is kicked. False when the link was used meanwhile, its time is over, or its user is shut out.
    pub async fn use_reset(&self, link: &Link, now: Timestamp) -> Result<bool, StoreError> {
        let at = n(now.as_millisecond());
        let first = |change: Change| change.when_absent("used_at");
        let since = |change: Change| change.when("used_at", "<", n(link.created_at.as_millisecond()));
        let resets = Change::default().set("entity", s("resets")).set("used_at", at).when_either(&[&first, &since]);
        let tx = self.tx().use_link(link, now)?.update(&Key::resets(link.user), resets)?;
        let tx = tx.update(&Key::member(link.user), active(Change::default()).add("session_version", n(1)))?;
        committed(tx).await
    }

    /// Makes every link void by which this user's password could be reset: it was changed otherwise.
    pub async fn void_resets(&self, user: UserId, now: Timestamp) -> Result<(), StoreError> {
        let change = Change::default().set("entity", s("resets")).set("used_at", n(now.as_millisecond()));
        self.change(&Key::resets(user), change).await.map(drop)
    }

    /// Sends an invitation anew: the member names the new link's hash, so that the old link is dead. `Stale` when the
    /// member changed meanwhile.
    pub async fn renew_invitation(
        &self,
        before: &Member,
        after: &Member,
        link: &Link,
        mail: &Mail,
    ) -> Result<(), StoreError> {
        let tx = self.tx().edit_member(before, after)?.create_link(link)?.queue_mail(mail)?;
        tx.commit().await.map_err(TxError::stale)
    }

    /// Who is invited by the link with this hash; `None` when it is not (any more) the link that their invitation names.
    pub async fn load_invitation(&self, hash: &str, now: Timestamp) -> Result<Option<(Link, Member)>, StoreError> {
        let Some(link) = self.load_link(LinkPurpose::Invitation, hash, now).await? else { return Ok(None) };
        let member = self.load_member(link.user).await?;
        let is_invited = |member: &Member| {
            let named = member.invitation.as_ref().and_then(|invitation| invitation.link_hash.as_deref());
            member.is_active && member.is_pending() && named == Some(&link.hash)
        };
        Ok(member.filter(is_invited).map(|member| (link, member)))
    }

    /// Uses an invitation: the member as invited becomes the member as accepted. False when the link was used meanwhile or
    /// its time is over, or the invitation was renewed or withdrawn.
    pub async fn accept_invitation(
        &self,
        link: &Link,
        invited: &Member,
        accepted: &Member,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        committed(self.tx().use_link(link, now)?.edit_member(invited, accepted)?).await
    }
}

/// False when a condition refused it.
async fn committed(tx: Tx<'_>) -> Result<bool, StoreError> {
    match tx.commit().await {
        Ok(()) => Ok(true),
        Err(TxError::Refused(_)) => Ok(false),
        Err(TxError::Store(error)) => Err(error),
    }
}
