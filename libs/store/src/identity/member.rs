//! Organizations and their members.

use domain::{
    ids::{OrgId, UserId},
    member::{Member, Org},
};
use jiff::Timestamp;

use crate::{
    Store,
    error::StoreError,
    item::{from_item, index, n, to_item},
    keys::{Key, ORGS, members_of},
    list::Range,
    tx::Change,
};

impl Store {
    /// A member, as they are now: the one read of each signed-in request.
    pub async fn load_member(&self, user: UserId) -> Result<Option<Member>, StoreError> {
        self.get(&Key::member(user)).await?.map(from_item).transpose()
    }

    /// Writes a member, new or changed.
    pub async fn save_member(&self, member: &Member) -> Result<(), StoreError> {
        let mut item = to_item("member", &Key::member(member.user), member)?;
        index(&mut item, "gsi1", members_of(member.org), member.email.clone());
        self.client.put_item().table_name(&self.table).set_item(Some(item)).send().await?;
        Ok(())
    }

    /// Notes a sign-in.
    pub async fn touch_login(&self, user: UserId, now: Timestamp) -> Result<(), StoreError> {
        let change = Change::default().set("last_login_at", n(now.as_millisecond())).when_present("pk");
        self.change(&Key::member(user), change).await?.map(drop).or(Ok(()))
    }

    /// Members of an organization, by e-mail.
    pub async fn list_members(&self, org: OrgId) -> Result<Vec<Member>, StoreError> {
        let range = Range { index: Some("gsi1"), pk: members_of(org), limit: 1000, ..Range::default() };
        self.query(range).await?.into_iter().map(from_item).collect()
    }

    /// Writes an organization, new or changed.
    pub async fn save_org(&self, org: &Org) -> Result<(), StoreError> {
        let mut item = to_item("org", &Key::org(org.id), org)?;
        index(&mut item, "gsi1", ORGS.to_owned(), format!("{}#{}", org.name, org.id));
        self.client.put_item().table_name(&self.table).set_item(Some(item)).send().await?;
        Ok(())
    }

    /// An organization.
    pub async fn load_org(&self, org: OrgId) -> Result<Option<Org>, StoreError> {
        self.get(&Key::org(org)).await?.map(from_item).transpose()
    }

    /// All organizations, for the sweeper and the operator.
    pub async fn list_orgs(&self) -> Result<Vec<Org>, StoreError> {
        let range = Range { index: Some("gsi1"), pk: ORGS.to_owned(), limit: usize::MAX, ..Range::default() };
        self.query(range).await?.into_iter().map(from_item).collect()
    }
}
