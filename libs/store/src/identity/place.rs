//! Places of staff: how many members of an organization are not its owner and not shut out, as one figure that moves in the
//! transactions that take and free places. So a limit holds however many are invited at once.
//!
//! The figure begins when it is first needed, counted from the members that there are.

use domain::{
    ids::OrgId,
    mail::Mail,
    member::{Member, Role},
};

use super::link::Link;
use crate::{
    Store,
    error::StoreError,
    item::{Item, n, s},
    keys::Key,
    tx::{Change, Tx, TxError},
};

/// What became of somebody who was to have a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// Done.
    Yes,
    /// There is none left.
    Full,
    /// Something else forbids it: who is invited is a member already, or who is changed has changed meanwhile.
    No,
}

/// Does this member have a place?
pub fn has_place(member: &Member) -> bool {
    member.is_active && matches!(member.role, Some(Role::Staff | Role::Admin))
}

impl Tx<'_> {
    /// Takes a place, of which there are `limit` (`None`: any number).
    fn take_place(self, org: OrgId, limit: Option<usize>) -> Result<Self, StoreError> {
        let change = Change::default().add("taken", n(1)).when_present("taken");
        let change = match limit {
            Some(limit) => change.when("taken", "<", n(limit)),
            None => change,
        };
        self.update(&Key::places(org), change)
    }

    /// Gives a place back.
    fn free_place(self, org: OrgId) -> Result<Self, StoreError> {
        self.update(&Key::places(org), Change::default().add("taken", n(-1)).when("taken", ">", n(0)))
    }
}

impl Store {
    /// Invites somebody: a member who is pending and takes a place, their link, and its e-mail.
    pub async fn invite_member(
        &self,
        member: &Member,
        link: &Link,
        mail: &Mail,
        limit: Option<usize>,
    ) -> Result<Placed, StoreError> {
        let invite = || {
            let tx = self.tx().take_place(member.org, limit)?.create_member(member)?;
            tx.create_link(link)?.queue_mail(mail)
        };
        self.with_place(member.org, invite).await
    }

    /// Writes what changed between two versions of a member; one who is shut out gives their place back, and one who is let
    /// in again takes one.
    pub async fn edit_staff(
        &self,
        before: &Member,
        after: &Member,
        limit: Option<usize>,
    ) -> Result<Placed, StoreError> {
        let edit = || {
            let tx = match has_place(after) {
                true => self.tx().take_place(before.org, limit)?,
                false => self.tx().free_place(before.org)?,
            };
            tx.edit_member(before, after)
        };
        if has_place(before) != has_place(after) {
            return self.with_place(before.org, edit).await;
        }
        match self.edit_member(before, after).await {
            Ok(()) => Ok(Placed::Yes),
            Err(StoreError::Stale) => Ok(Placed::No),
            Err(error) => Err(error),
        }
    }

    /// Commits a transaction whose first action moves the figure, after counting it if it was never counted.
    async fn with_place<'a>(
        &'a self,
        org: OrgId,
        begin: impl Fn() -> Result<Tx<'a>, StoreError>,
    ) -> Result<Placed, StoreError> {
        for _ in 0..2 {
            let refused = match begin()?.commit().await {
                Ok(()) => return Ok(Placed::Yes),
                Err(TxError::Refused(refused)) => refused,
                Err(TxError::Store(error)) => return Err(error),
            };
            let figure: Option<Option<Item>> =
                refused.into_iter().find(|(action, _)| *action == 0).map(|(_, item)| item);
            match figure {
                None => return Ok(Placed::No),
                Some(Some(_)) => return Ok(Placed::Full),
                Some(None) => self.count_places(org).await?,
            }
        }
        Err(StoreError::Busy)
    }

    /// Counts the places that are taken, if that was never done.
    async fn count_places(&self, org: OrgId) -> Result<(), StoreError> {
        let taken = self.list_members(org).await?.iter().filter(|member| has_place(member)).count();
        let change = Change::default().set("entity", s("places")).set("taken", n(taken)).when_absent("pk");
        self.change(&Key::places(org), change).await.map(drop)
    }
}
