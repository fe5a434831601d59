//! Edits of members and organizations: decided on what is read, written only over that, and decided again when somebody was
//! faster.

use domain::member::{Avatar, Member, Org};
use store::StoreError;
use uuid::Uuid;

use crate::{ctx::Ctx, error::ApiError, picture::Picture};

/// How often an edit is decided again before the client is asked to come back.
const ROUNDS: u8 = 6;

/// The name of a picture never comes again, so that nobody need ask whether it changed.
pub const FOR_EVER: &str = "public, max-age=31536000, immutable";

impl Ctx {
    /// Changes a member as read in this request; answers them before and after. Only what `change` touched is written.
    pub async fn edit_member(
        &self,
        mut member: Member,
        change: impl Fn(&mut Member) -> Result<(), ApiError>,
    ) -> Result<(Member, Member), ApiError> {
        for _ in 0..ROUNDS {
            let mut after = member.clone();
            change(&mut after)?;
            match self.store().edit_member(&member, &after).await {
                Err(StoreError::Stale) => {}
                done => return Ok(done.map(|()| (member, after))?),
            }
            let gone = || ApiError::not_found("USER_NOT_FOUND", "User not found");
            member = self.store().load_member(member.user).await?.ok_or_else(gone)?;
        }
        Err(ApiError::unavailable())
    }

    /// Changes an organization as read in this request, and notes when; answers it as it is then.
    pub async fn edit_org(
        &self,
        mut org: Org,
        change: impl Fn(&mut Org) -> Result<(), ApiError>,
    ) -> Result<Org, ApiError> {
        for _ in 0..ROUNDS {
            let mut after = org.clone();
            change(&mut after)?;
            if after == org {
                return Ok(org);
            }
            after.updated_at = Some(self.now());
            match self.store().edit_org(&org, &after).await {
                Err(StoreError::Stale) => {}
                done => return Ok(done.map(|()| after)?),
            }
            let gone = || ApiError::not_found("ORGANIZATION_NOT_FOUND", "Organization not found");
            org = self.store().load_org(org.id).await?.ok_or_else(gone)?;
        }
        Err(ApiError::unavailable())
    }

    /// Stores a member's picture under a name of its own and deletes the one before, as well as can be.
    pub async fn save_avatar(&self, member: Member, picture: Picture) -> Result<Member, ApiError> {
        let image_id = Uuid::new_v4().to_string();
        let key = format!("media/avatars/{}/{image_id}.{}", member.user, picture.format);
        self.files().put(&key, picture.bytes, picture.mime, Some(FOR_EVER)).await?;
        self.replace_avatar(member, Some(Avatar { image_id, key })).await
    }

    /// Takes a member's picture away. 404 when they have none.
    pub async fn delete_avatar(&self, member: Member) -> Result<Member, ApiError> {
        if member.avatar.is_none() {
            return Err(ApiError::not_found("AVATAR_NOT_FOUND", "No avatar to remove"));
        }
        self.replace_avatar(member, None).await
    }

    /// Deletes the file that the member named when this request first read them, and the one that this edit took from them,
    /// which is another's when somebody was faster. Never the new one: that is what the edit finds when it was written, its
    /// answer lost, and it is decided again.
    async fn replace_avatar(&self, member: Member, avatar: Option<Avatar>) -> Result<Member, ApiError> {
        let first = member.avatar.clone();
        let (before, after) = self
            .edit_member(member, |member| {
                member.avatar.clone_from(&avatar);
                Ok(())
            })
            .await?;
        let mut old = vec![first, before.avatar];
        old.dedup();
        for old in old.into_iter().flatten().filter(|old| Some(old) != avatar.as_ref()) {
            self.delete_avatar_file(&old).await;
        }
        Ok(after)
    }

    /// Where everybody may see a member's picture.
    pub fn avatar_url(&self, member: &Member) -> Option<String> {
        member.avatar.as_ref().map(|avatar| self.files().public_url(&avatar.key))
    }

    /// A file that nobody names any more does no harm: that it stays is logged, and not the client's concern.
    async fn delete_avatar_file(&self, avatar: &Avatar) {
        if let Err(error) = self.files().delete(&avatar.key).await {
            tracing::warn!(%error, key = avatar.key, "avatar not deleted");
        }
    }
}
