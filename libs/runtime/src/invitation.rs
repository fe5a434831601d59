//! Invitations to join an organization (contract `pos.md` §11): made, renewed, shown and accepted. Who is invited is a
//! member who is pending, and a person of the user pool whose password nobody knows.

use domain::{
    ids::{OrgId, UserId},
    link::{LinkPurpose, LinkSecret},
    mail::{Mail, MailKey, MailPolicy},
    member::{Invitation, Member},
    pos::password,
};
use identity::IdentityError;
use store::{Link, Placed};
use uuid::Uuid;

use crate::{
    ctx::Ctx,
    error::{ApiError, FieldError},
};

impl Ctx {
    /// A new link for somebody, and its e-mail; both are yet to be written.
    pub fn new_link(&self, purpose: LinkPurpose, user: UserId, org: OrgId) -> Result<(Link, Mail), ApiError> {
        let (id, key_id, now) = (Uuid::new_v4(), self.new_link_key_id(), self.now());
        let no_key = || ApiError::internal("the current key of links is not configured");
        let secret = self.link_secret(key_id, purpose, id).ok_or_else(no_key)?;
        let key = match purpose {
            LinkPurpose::PasswordReset => MailKey::PasswordReset { user, id },
            LinkPurpose::Invitation => MailKey::Invitation { user, id },
        };
        let mail = Mail::new(key, org, MailPolicy::Send, now).with_link(key_id);
        Ok((Link::new(purpose, id, &secret, key_id, user, now), mail))
    }

    /// The id of somebody new with this e-mail (lower case), whose password nobody knows: what a member to invite is made with.
    /// 409 `EMAIL_EXISTS` when the address is a member's.
    ///
    /// Who is in the user pool and nobody's member is taken up as they are: left there by a call that died or was refused, or
    /// just put there by another that is about to make them a member. Which of those calls gets them is decided where the
    /// member is written; until then nobody's password is touched, and nobody is ever taken out of the pool. Accepting the
    /// invitation replaces the password.
    pub async fn new_person(&self, email: &str) -> Result<UserId, ApiError> {
        match self.identity().create_user(email, None, &[]).await {
            Err(IdentityError::EmailExists) => {}
            created => return created.map_err(identity_failed),
        }
        let user = self.identity().find_user(email).await.map_err(identity_failed)?;
        let user = user.ok_or_else(ApiError::unavailable)?.id;
        match self.store().load_member(user).await? {
            None => Ok(user),
            Some(_) => Err(email_exists()),
        }
    }

    /// Invites somebody as `member`, of whom the caller has decided all but the invitation, in the name of `by`; their e-mail
    /// follows. 409 `EMAIL_EXISTS` when the address is somebody's already, 400 `STAFF_LIMIT_REACHED` when there are `limit`
    /// members of staff.
    pub async fn invite_member(&self, member: Member, by: UserId, limit: Option<usize>) -> Result<Member, ApiError> {
        let (link, mail) = self.new_link(LinkPurpose::Invitation, member.user, member.org)?;
        let invitation = Invitation { by, at: self.now(), link_hash: Some(link.hash.clone()), accepted_at: None };
        let invited = Member { invitation: Some(invitation), ..member };
        match self.store().invite_member(&invited, &link, &mail, limit).await? {
            Placed::Yes => Ok(invited),
            Placed::Full => Err(staff_limit()),
            Placed::No => Err(email_exists()),
        }
    }

    /// Sends an invitation anew, good for its whole time from now; the link before it is dead. 400 when it was accepted.
    pub async fn renew_invitation(&self, member: &Member) -> Result<Member, ApiError> {
        let pending = member.invitation.clone().filter(|_| member.is_pending());
        let Some(invitation) = pending else {
            return Err(ApiError::bad_request("ALREADY_ACCEPTED", "The invitation has been accepted already"));
        };
        let (link, mail) = self.new_link(LinkPurpose::Invitation, member.user, member.org)?;
        let invitation = Invitation { at: self.now(), link_hash: Some(link.hash.clone()), ..invitation };
        let renewed = Member { invitation: Some(invitation), ..member.clone() };
        match self.store().renew_invitation(member, &renewed, &link, &mail).await {
            Err(store::StoreError::Stale) => Err(ApiError::unavailable()),
            done => Ok(done.map(|()| renewed)?),
        }
    }

    /// Whom the secret of an invitation's link invites; `None` when it is not good (any more).
    pub async fn find_invitation(&self, token: &str) -> Result<Option<(Link, Member)>, ApiError> {
        let Some(secret) = LinkSecret::parse(token) else { return Ok(None) };
        Ok(self.store().load_invitation(&secret.hash(), self.now()).await?)
    }

    /// Accepts an invitation: its member is no longer pending, and signs in with this password from now on.
    ///
    /// The link is used up first, so that of two who present it one sets the password. If the user pool fails right then,
    /// the member asks for a new password as anybody who forgot theirs.
    pub async fn accept_invitation(&self, token: &str, password: &str) -> Result<Member, ApiError> {
        check_password("password", password)?;
        let invalid = || ApiError::bad_request("INVALID_INVITATION", "Invalid or expired invitation");
        let (link, invited) = self.find_invitation(token).await?.ok_or_else(invalid)?;
        let mut accepted = invited.clone();
        if let Some(invitation) = &mut accepted.invitation {
            (invitation.link_hash, invitation.accepted_at) = (None, Some(self.now()));
        }
        if !self.store().accept_invitation(&link, &invited, &accepted, self.now()).await? {
            return Err(invalid());
        }
        self.replace_password(&accepted, password).await?;
        Ok(accepted)
    }

    /// Gives a member a password for good. Whoever came in by the one before is signed out, as well as can be: the password
    /// stands either way.
    pub async fn replace_password(&self, member: &Member, password: &str) -> Result<(), ApiError> {
        self.identity().set_password(&member.email, password).await.map_err(|error| match error {
            IdentityError::WeakPassword { message } => ApiError::invalid("password", message),
            error => identity_failed(error),
        })?;
        if let Err(error) = self.identity().sign_out_user(&member.email).await {
            tracing::warn!(user = %member.user, %error, "not signed out after the password was replaced");
        }
        Ok(())
    }
}

/// 400 `VALIDATION_ERROR` that says everything a password in `field` lacks.
pub fn check_password(field: &str, password: &str) -> Result<(), ApiError> {
    refuse_faults(field, password::faults(password))
}

/// The same for sign-up, which asks for less.
pub fn check_password_shape(field: &str, password: &str) -> Result<(), ApiError> {
    refuse_faults(field, password::shape_faults(password))
}

fn refuse_faults(field: &str, faults: Vec<password::Fault>) -> Result<(), ApiError> {
    if faults.is_empty() {
        return Ok(());
    }
    let fault = |fault: &password::Fault| FieldError { field: field.to_owned(), reason: fault.text().to_owned() };
    let message = faults.iter().map(|fault| fault.text()).collect::<Vec<_>>().join(". ");
    let fields = faults.iter().map(fault).collect();
    Err(ApiError { fields, ..ApiError::bad_request("VALIDATION_ERROR", message) })
}

/// 409 `EMAIL_EXISTS`.
pub fn email_exists() -> ApiError {
    ApiError::new(http::StatusCode::CONFLICT, "EMAIL_EXISTS", "An account with this email already exists")
}

/// 400 `STAFF_LIMIT_REACHED` (contract §11).
pub fn staff_limit() -> ApiError {
    ApiError::bad_request("STAFF_LIMIT_REACHED", "Your plan includes no more staff. Upgrade to add more")
}

/// What the user pool says and no caller has an answer for.
pub fn identity_failed(error: IdentityError) -> ApiError {
    match error {
        IdentityError::InvalidAccessToken => ApiError::unauthorized("INVALID_TOKEN", "Invalid or expired token"),
        IdentityError::Throttled | IdentityError::Unavailable => ApiError::unavailable(),
        error => ApiError::internal(error),
    }
}
