//! Members: people who sign in.

use domain::{
    ids::{OrgId, UserId},
    member::Member,
};
use jiff::Timestamp;

use super::edit::difference;
use crate::{
    Store,
    error::StoreError,
    item::{Item, from_item, index, n, to_item},
    keys::{Key, members_of},
    list::Range,
    tx::{Change, Tx},
};

/// Attributes that members of before the counter lack.
const DEFAULTED: &[&str] = &["session_version", "preferences", "onboarded"];

fn member_item(member: &Member) -> Result<Item, StoreError> {
    let mut item = to_item("member", &Key::member(member.user), member)?;
    index(&mut item, "gsi1", members_of(member.org), member.email.clone());
    Ok(item)
}

/// The condition that a member is not shut out.
pub(super) fn active(change: Change) -> Change {
    change.when("is_active", "=", aws_sdk_dynamodb::types::AttributeValue::Bool(true))
}

impl Tx<'_> {
    /// A member who must not be there yet.
    pub(crate) fn create_member(self, member: &Member) -> Result<Self, StoreError> {
        self.create(member_item(member)?)
    }

    /// See [`Store::edit_member`].
    pub(crate) fn edit_member(self, before: &Member, after: &Member) -> Result<Self, StoreError> {
        match difference(member_item(before)?, member_item(after)?, DEFAULTED) {
            Some(change) => self.update(&Key::member(before.user), change),
            None => Ok(self),
        }
    }
}

impl Store {
    /// A member, as they are now: the one read of each signed-in request.
    pub async fn load_member(&self, user: UserId) -> Result<Option<Member>, StoreError> {
        self.get(&Key::member(user)).await?.map(from_item).transpose()
    }

    /// Writes a member whole, whatever was there: for who makes them. Requests edit.
    pub async fn save_member(&self, member: &Member) -> Result<(), StoreError> {
        let item = member_item(member)?;
        self.client.put_item().table_name(&self.table).set_item(Some(item)).send().await?;
        Ok(())
    }

    /// Writes what changed between two versions of a member, if that is still as it was read; else
    /// [`StoreError::Stale`]: read again, decide again. Everything else is left as it is, a raised session version above all.
    pub async fn edit_member(&self, before: &Member, after: &Member) -> Result<(), StoreError> {
        let Some(change) = difference(member_item(before)?, member_item(after)?, DEFAULTED) else { return Ok(()) };
        self.change(&Key::member(before.user), change).await?.map(drop).map_err(|_| StoreError::Stale)
    }

    /// Notes a sign-in and answers the member as they are after it; `None` when they are gone or shut out.
    ///
    /// With `take_over` the session's version rises by one, in the same write: of sign-ins at the same moment each gets a
    /// version of its own, and the highest is the one that holds.
    pub async fn sign_in_member(
        &self,
        user: UserId,
        take_over: bool,
        now: Timestamp,
    ) -> Result<Option<Member>, StoreError> {
        let mut change = active(Change::default()).set("last_login_at", n(now.as_millisecond()));
        if take_over {
            change = change.add("session_version", n(1));
        }
        self.change(&Key::member(user), change).await?.ok().map(from_item).transpose()
    }

    /// Notes a sign-in at the tickets' back office.
    pub async fn touch_login(&self, user: UserId, now: Timestamp) -> Result<(), StoreError> {
        let change = Change::default().set("last_login_at", n(now.as_millisecond())).when_present("pk");
        self.change(&Key::member(user), change).await?.map(drop).or(Ok(()))
    }

    /// All members of an organization, by e-mail.
    pub async fn list_members(&self, org: OrgId) -> Result<Vec<Member>, StoreError> {
        let range = Range { index: Some("gsi1"), pk: members_of(org), limit: usize::MAX, ..Range::default() };
        self.query(range).await?.into_iter().map(from_item).collect()
    }
}
