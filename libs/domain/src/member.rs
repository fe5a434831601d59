//! Members: people who sign in, with their organization, role and preferences. All surfaces share them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    ids::{CatalogId, OrgId, UserId},
    time::millis,
};

/// What a member may do. Each surface spells it its own way: tickets §3, POS §1.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Works for it.
    Staff,
    /// Manages it.
    Admin,
    /// Runs the organization.
    Superadmin,
}

impl Role {
    /// The tickets' spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Superadmin => "superadmin",
            Self::Admin => "admin",
            Self::Staff => "staff",
        }
    }

    /// The counter's spelling.
    pub fn pos_name(self) -> &'static str {
        match self {
            Self::Superadmin => "owner",
            Self::Admin => "admin",
            Self::Staff => "user",
        }
    }
}

/// What a member wants to be told (POS §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preferences {
    /// Of what happens to their account.
    pub email_alerts: bool,
    /// Of what we sell.
    pub marketing_emails: bool,
    /// Of their week, every Monday.
    pub weekly_reports: bool,
}

impl Default for Preferences {
    fn default() -> Self {
        Self { email_alerts: true, marketing_emails: true, weekly_reports: true }
    }
}

/// A member's picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Avatar {
    /// Its id; another with each upload.
    pub image_id: String,
    /// Key of the object, `media/…`.
    pub key: String,
}

/// How a member of staff was invited (POS §11).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// By whom.
    pub by: UserId,
    /// When.
    #[serde(with = "millis")]
    pub at: Timestamp,
    /// SHA-256 of the link's secret that is good now; gone once accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_hash: Option<String>,
    /// When it was accepted.
    #[serde(with = "millis::option", default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<Timestamp>,
}

/// A person of an organization.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// The Cognito `sub`.
    pub user: UserId,
    /// Whose member.
    pub org: OrgId,
    /// Lower case.
    pub email: String,
    /// Full name.
    pub name: String,
    /// First name, where it is known apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// Last name, where it is known apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// As the person wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// What they may do; absent for people without a place in any admin surface.
    pub role: Option<Role>,
    /// False shuts them out at once.
    pub is_active: bool,
    /// Rises when another phone signs in; a request that names another version is kicked (POS §1.4).
    #[serde(default)]
    pub session_version: u32,
    /// What they want to be told.
    #[serde(default)]
    pub preferences: Preferences,
    /// Their picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar: Option<Avatar>,
    /// True once they were shown around.
    #[serde(default)]
    pub onboarded: bool,
    /// How they came, if they did not found the organization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invitation: Option<Invitation>,
    /// Catalogs that a member of role `Staff` sells from.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub catalogs: BTreeSet<CatalogId>,
    /// When they last signed in.
    #[serde(with = "millis::option", default, skip_serializing_if = "Option::is_none")]
    pub last_login_at: Option<Timestamp>,
    /// When they joined.
    #[serde(with = "millis")]
    pub created_at: Timestamp,
}

impl Member {
    /// An active member without anything that can be absent.
    pub fn new(user: UserId, org: OrgId, email: String, name: String, role: Option<Role>, now: Timestamp) -> Self {
        Member {
            user,
            org,
            email,
            name,
            first_name: None,
            last_name: None,
            phone: None,
            role,
            is_active: true,
            session_version: 0,
            preferences: Preferences::default(),
            avatar: None,
            onboarded: false,
            invitation: None,
            catalogs: BTreeSet::new(),
            last_login_at: None,
            created_at: now,
        }
    }

    /// Have they been invited, and not accepted yet? Then nobody can sign in as them.
    pub fn is_pending(&self) -> bool {
        self.invitation.as_ref().is_some_and(|invitation| invitation.accepted_at.is_none())
    }

    /// May they sign in and have their password reset?
    pub fn may_sign_in(&self) -> bool {
        self.is_active && !self.is_pending()
    }

    /// First name and last name, each empty when there is none. Where they are not known apart, the full name is cut at
    /// its first space.
    pub fn first_and_last_name(&self) -> (&str, &str) {
        if self.first_name.is_none() && self.last_name.is_none() {
            return self.name.split_once(' ').unwrap_or((&self.name, ""));
        }
        (self.first_name.as_deref().unwrap_or_default(), self.last_name.as_deref().unwrap_or_default())
    }

    /// Names them anew, and in full; empty is none.
    pub fn rename(&mut self, first: &str, last: &str) {
        let known = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        (self.first_name, self.last_name) = (known(first), known(last));
        self.name = format!("{first} {last}").trim().to_owned();
    }

    /// May they see this catalog? Staff see those they are assigned to (POS §4).
    pub fn sees_catalog(&self, catalog: CatalogId) -> bool {
        self.role != Some(Role::Staff) || self.catalogs.contains(&catalog)
    }
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Org {
    /// Its id.
    pub id: OrgId,
    /// Its name.
    pub name: String,
    /// What its clients keep here; never read by us (POS §3).
    #[serde(with = "crate::json_text", default = "Map::new", skip_serializing_if = "Map::is_empty")]
    pub settings: Map<String, Value>,
    /// Where it is, `US`: what its account at Stripe is opened with, unless the request says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// Phones that take payments by tap (POS §2.2).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tap_to_pay_devices: BTreeSet<String>,
    /// When it joined.
    #[serde(with = "millis")]
    pub created_at: Timestamp,
    /// When it last changed; absent means never.
    #[serde(with = "millis::option", default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
}

impl Org {
    /// An organization without settings.
    pub fn new(id: OrgId, name: String, now: Timestamp) -> Self {
        Org {
            id,
            name,
            settings: Map::new(),
            country: None,
            tap_to_pay_devices: BTreeSet::new(),
            created_at: now,
            updated_at: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn member(name: &str) -> Member {
        let (user, org) = (UserId::from_random([1; 16]), OrgId::from_random([2; 16]));
        Member::new(user, org, "eva@example.com".into(), name.into(), Some(Role::Staff), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn names_apart_and_in_full() {
        for (name, apart) in [("Eva", ("Eva", "")), ("Eva Maria Holm", ("Eva", "Maria Holm")), ("", ("", ""))] {
            assert_eq!(member(name).first_and_last_name(), apart);
        }
        let mut eva = member("Eva Holm");
        for (first, last, name) in [("Eva Maria", "Holm", "Eva Maria Holm"), ("", "Holm", "Holm"), ("Eva", "", "Eva")] {
            eva.rename(first, last);
            assert_eq!((eva.first_and_last_name(), eva.name.as_str()), ((first, last), name));
        }
    }

    #[test]
    fn who_is_invited_signs_in_once_they_accepted() {
        let mut eva = member("Eva");
        assert!(eva.may_sign_in());
        let invitation =
            Invitation { by: eva.user, at: Timestamp::UNIX_EPOCH, link_hash: Some("ab".into()), accepted_at: None };
        eva.invitation = Some(invitation.clone());
        assert!(eva.is_pending() && !eva.may_sign_in());
        eva.invitation = Some(Invitation { accepted_at: Some(Timestamp::UNIX_EPOCH), ..invitation });
        assert!(eva.may_sign_in());
        eva.is_active = false;
        assert!(!eva.may_sign_in());
    }

    #[test]
    fn settings_come_back_as_they_came() {
        let mut org = Org::new(OrgId::from_random([2; 16]), "Home".into(), Timestamp::UNIX_EPOCH);
        assert_eq!(serde_json::to_value(&org).unwrap().get("settings"), None);
        assert_eq!(serde_json::from_value::<Org>(serde_json::to_value(&org).unwrap()).unwrap(), org);
        let settings = json!({"": 1e300, "deep": [[[{"a": null}]]], "text": "ä\u{0}"});
        org.settings = settings.as_object().unwrap().clone();
        let item = serde_json::to_value(&org).unwrap();
        assert!(item["settings"].is_string(), "{item}");
        assert_eq!(serde_json::from_value::<Org>(item).unwrap(), org);
    }
}
