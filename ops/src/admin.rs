//! The first person of an organization: a Cognito user, and its member with every right.

use anyhow::{Context, bail};
use domain::{
    ids::OrgId,
    member::{Member, Org, Role},
};
use identity::Cognito;
use jiff::Timestamp;
use store::{Placed, Store};

/// Whom to create, and where.
#[derive(Clone, Debug)]
pub struct NewAdmin {
    /// Signs in with it; compared in lower case.
    pub email: String,
    /// Full name.
    pub name: String,
    /// The organization's name.
    pub org_name: String,
    /// The organization's id, when it is given (the template's `TicketsOrgId`); else the one of that name, else a new one.
    pub org: Option<OrgId>,
    /// To sign in with at first; a person who exists already keeps theirs when it is absent.
    pub password: Option<String>,
}

/// What there is now.
#[derive(Clone, Debug)]
pub struct Created {
    /// The organization, found or made.
    pub org: Org,
    /// Its superadmin.
    pub member: Member,
}

/// Creates the person, the organization and the member. May be repeated: what is there already is kept.
pub async fn create_admin(
    store: &Store,
    cognito: &Cognito,
    wanted: &NewAdmin,
    now: Timestamp,
) -> anyhow::Result<Created> {
    let email = wanted.email.trim().to_lowercase();
    if !email.contains('@') {
        bail!("{:?} is not an e-mail address", wanted.email);
    }
    let org = find_or_make_org(store, wanted, now).await?;
    let user = match cognito.find_user(&email).await.context("looking the person up")? {
        Some(user) => {
            if let Some(password) = &wanted.password {
                cognito.set_password(&email, password).await.context("setting the password")?;
            }
            user.id
        }
        None => {
            let Some(password) = &wanted.password else { bail!("a new person needs a password: --password-file") };
            cognito.create_user(&email, Some(password), &[]).await.context("creating the person")?
        }
    };
    let before = store.load_member(user).await?;
    if let Some(before) = before.as_ref().filter(|before| before.org != org.id) {
        bail!("{email} is a member of another organization, {}", before.org);
    }
    let founded = Member::new(user, org.id, email.clone(), String::new(), None, now);
    let member = Member {
        email,
        name: wanted.name.trim().to_owned(),
        role: Some(Role::Superadmin),
        is_active: true,
        ..before.clone().unwrap_or(founded)
    };
    match before {
        None => store.save_member(&member).await?,
        // Who was staff gives their place back.
        Some(before) => match store.edit_staff(&before, &member, None).await? {
            Placed::Yes => {}
            Placed::No | Placed::Full => bail!("{} has changed meanwhile: try again", member.email),
        },
    }
    Ok(Created { org, member })
}

async fn find_or_make_org(store: &Store, wanted: &NewAdmin, now: Timestamp) -> anyhow::Result<Org> {
    let known = match wanted.org {
        Some(id) => store.load_org(id).await?,
        None => store.list_orgs().await?.into_iter().find(|org| org.name == wanted.org_name),
    };
    if let Some(org) = known {
        return Ok(org);
    }
    let id = wanted.org.unwrap_or_else(|| OrgId(uuid::Uuid::new_v4()));
    let org = Org::new(id, wanted.org_name.trim().to_owned(), now);
    store.save_org(&org).await?;
    Ok(org)
}
