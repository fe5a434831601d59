//! What an administrator does with users.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use uuid::Uuid;

use super::UserPools;
use super::input::{MIXED, attribute_list, attributes, random_text};
use super::password::Secret;
use super::state::{Pool, User, UserStatus, invalid_parameter};
use crate::aws::clock::date;
use crate::aws::wire::{Fault, Input, page_size};

/// The status names are Cognito's.
impl UserStatus {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Unconfirmed => "UNCONFIRMED",
            Self::Confirmed => "CONFIRMED",
            Self::ForceChangePassword => "FORCE_CHANGE_PASSWORD",
        }
    }
}

impl Pool {
    /// Adds a user. In a pool whose users sign in by e-mail, the username is a fresh id and the e-mail an attribute.
    pub(super) fn add(
        &mut self,
        name: &str,
        mut attributes: BTreeMap<String, String>,
        status: UserStatus,
        now: u64,
    ) -> Result<&mut User, Fault> {
        let sub = Uuid::new_v4().to_string();
        if self.email_is_username {
            if !name.contains('@') {
                return Err(invalid_parameter("Username should be an email."));
            }
            attributes.insert("email".to_owned(), name.to_owned());
        }
        normalize(&mut attributes);
        let username = if self.email_is_username { sub.clone() } else { name.to_lowercase() };
        if self.find(name).is_some() {
            let text = if self.email_is_username {
                "An account with the given email already exists."
            } else {
                "User account already exists"
            };
            return Err(Fault::new("UsernameExistsException", text));
        }
        attributes.insert("sub".to_owned(), sub);
        let user = User {
            username: username.clone(),
            attributes,
            status,
            enabled: true,
            password: None,
            groups: BTreeSet::new(),
            sessions: BTreeMap::new(),
            pending: None,
            failures: 0,
            locked_until: 0,
            created_at: now as f64,
            modified_at: now as f64,
        };
        Ok(self.users.entry(username).or_insert(user))
    }
}

impl UserPools {
    pub(super) fn admin_create_user(&self, input: &Input) -> Result<Value, Fault> {
        let (name, given) = (input.text("Username")?, input.maybe("TemporaryPassword"));
        let mut state = self.lock();
        let pool = state.pool(input.text("UserPoolId")?)?;
        if let Some(password) = given {
            pool.policy.check(password)?;
        }
        // All kinds of characters, so that it keeps any policy.
        let password = given.map_or_else(|| format!("{}aA1!", random_text(12, MIXED)), str::to_owned);
        let user = pool.add(name, attributes(input, "UserAttributes"), UserStatus::ForceChangePassword, self.now())?;
        user.password = Some(Secret::of(&password));
        let shown = shown(user, "Attributes");
        let address = user.attributes.get("email").cloned();
        drop(state);
        if input.maybe("MessageAction") != Some("SUPPRESS") {
            self.send(
                address,
                "Your temporary password",
                &format!("Your username is {name} and temporary password is {password}."),
            );
        }
        Ok(json!({"User": shown}))
    }

    pub(super) fn admin_get_user(&self, input: &Input) -> Result<Value, Fault> {
        self.with_user(input, |user| Ok(shown(user, "UserAttributes")))
    }

    pub(super) fn admin_set_user_password(&self, input: &Input) -> Result<Value, Fault> {
        let password = input.text("Password")?;
        self.lock().pool(input.text("UserPoolId")?)?.policy.check(password)?;
        self.with_user(input, |user| {
            user.status = if input.flag("Permanent") { UserStatus::Confirmed } else { UserStatus::ForceChangePassword };
            user.set_password(password);
            Ok(json!({}))
        })
    }

    pub(super) fn admin_update_user_attributes(&self, input: &Input) -> Result<Value, Fault> {
        let mut changes = attributes(input, "UserAttributes");
        if changes.contains_key("sub") {
            return Err(invalid_parameter("user.sub: Attribute cannot be updated."));
        }
        normalize(&mut changes);
        let mut state = self.lock();
        let pool = state.pool(input.text("UserPoolId")?)?;
        let username = pool.user(input.text("Username")?)?.username.clone();
        let holder = changes.get("email").and_then(|email| pool.find(email));
        if holder.is_some_and(|holder| holder.username != username) {
            return Err(Fault::new("AliasExistsException", "An account with the given email already exists."));
        }
        let user = pool.user(&username)?;
        user.attributes.extend(changes);
        user.modified_at = date();
        Ok(json!({}))
    }

    pub(super) fn admin_enable_user(&self, input: &Input) -> Result<Value, Fault> {
        self.with_user(input, |user| {
            user.enabled = true;
            Ok(json!({}))
        })
    }

    /// Signs the user out as well: AWS revokes their tokens.
    pub(super) fn admin_disable_user(&self, input: &Input) -> Result<Value, Fault> {
        self.with_user(input, |user| {
            user.enabled = false;
            user.sessions.clear();
            Ok(json!({}))
        })
    }

    pub(super) fn admin_delete_user(&self, input: &Input) -> Result<Value, Fault> {
        let mut state = self.lock();
        let pool = state.pool(input.text("UserPoolId")?)?;
        let username = pool.user(input.text("Username")?)?.username.clone();
        pool.users.remove(&username);
        Ok(json!({}))
    }

    pub(super) fn admin_user_global_sign_out(&self, input: &Input) -> Result<Value, Fault> {
        self.with_user(input, |user| {
            user.sessions.clear();
            Ok(json!({}))
        })
    }

    pub(super) fn admin_add_user_to_group(&self, input: &Input) -> Result<Value, Fault> {
        let group = self.group(input)?;
        self.with_user(input, |user| {
            user.groups.insert(group);
            Ok(json!({}))
        })
    }

    pub(super) fn admin_remove_user_from_group(&self, input: &Input) -> Result<Value, Fault> {
        let group = self.group(input)?;
        self.with_user(input, |user| {
            user.groups.remove(&group);
            Ok(json!({}))
        })
    }

    pub(super) fn admin_list_groups_for_user(&self, input: &Input) -> Result<Value, Fault> {
        let mut state = self.lock();
        let pool = state.pool(input.text("UserPoolId")?)?;
        let names = pool.user(input.text("Username")?)?.groups.clone();
        let groups: Vec<_> = names.iter().filter_map(|name| pool.groups.get(name)).collect();
        Ok(json!({"Groups": groups}))
    }

    pub(super) fn list_users_in_group(&self, input: &Input) -> Result<Value, Fault> {
        let group = self.group(input)?;
        self.page(input, "NextToken", |user| user.groups.contains(&group))
    }

    /// One page of users, by one condition at most: `attribute = "value"` or `attribute ^= "beginning"`.
    pub(super) fn list_users(&self, input: &Input) -> Result<Value, Fault> {
        let filter = match input.maybe("Filter").filter(|filter| !filter.trim().is_empty()) {
            Some(filter) => Some(parse_filter(filter).ok_or_else(|| invalid_parameter("Error while parsing filter."))?),
            None => None,
        };
        self.page(input, "PaginationToken", |user| filter.as_ref().is_none_or(|filter| filter.holds_for(user)))
    }

    fn page(&self, input: &Input, token: &str, wanted: impl Fn(&User) -> bool) -> Result<Value, Fault> {
        let start = input.maybe(token).unwrap_or_default();
        let mut state = self.lock();
        let pool = state.pool(input.text("UserPoolId")?)?;
        let mut users = pool.users.values().filter(|user| user.username.as_str() >= start && wanted(user));
        let page: Vec<Value> =
            users.by_ref().take(page_size(input.number("Limit"), 60)).map(|user| shown(user, "Attributes")).collect();
        let mut answer = json!({"Users": page});
        if let Some(next) = users.next() {
            answer[token] = json!(next.username);
        }
        Ok(answer)
    }

    /// Works on the user that `UserPoolId` and `Username` name.
    pub(super) fn with_user<T>(
        &self,
        input: &Input,
        work: impl FnOnce(&mut User) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let mut state = self.lock();
        work(state.pool(input.text("UserPoolId")?)?.user(input.text("Username")?)?)
    }

    /// The group that the input names, which must exist.
    fn group(&self, input: &Input) -> Result<String, Fault> {
        let name = input.text("GroupName")?;
        self.lock().pool(input.text("UserPoolId")?)?.check_group(name)?;
        Ok(name.to_owned())
    }
}

impl User {
    /// Sets a password, and forgets the wrong ones.
    pub(super) fn set_password(&mut self, password: &str) {
        self.password = Some(Secret::of(password));
        (self.failures, self.locked_until) = (0, 0);
        self.modified_at = date();
    }
}

/// A user as answered; the attributes' member is named differently by different actions.
pub(super) fn shown(user: &User, member: &str) -> Value {
    let mut shown = json!({
        "Username": user.username,
        "Enabled": user.enabled,
        "UserStatus": user.status.name(),
        "UserCreateDate": user.created_at,
        "UserLastModifiedDate": user.modified_at,
    });
    shown[member] = attribute_list(&user.attributes);
    shown
}

/// E-mails are compared in lower case, and kept so.
fn normalize(attributes: &mut BTreeMap<String, String>) {
    if let Some(email) = attributes.get_mut("email") {
        *email = email.to_lowercase();
    }
}

struct Filter {
    attribute: String,
    value: String,
    is_prefix: bool,
}

fn parse_filter(filter: &str) -> Option<Filter> {
    let (left, right) = filter.split_once('=')?;
    let (attribute, is_prefix) = left.trim().strip_suffix('^').map_or((left.trim(), false), |name| (name.trim(), true));
    let value = right.trim().strip_prefix('"')?.strip_suffix('"')?.replace("\\\"", "\"");
    Some(Filter { attribute: attribute.trim_matches('"').to_owned(), value, is_prefix })
}

impl Filter {
    fn holds_for(&self, user: &User) -> bool {
        let actual = match self.attribute.as_str() {
            "username" => user.username.as_str(),
            "cognito:user_status" => user.status.name(),
            "status" if user.enabled => "Enabled",
            "status" => "Disabled",
            name => user.attributes.get(name).map_or("", String::as_str),
        };
        let (actual, value) = (actual.to_lowercase(), self.value.to_lowercase());
        if self.is_prefix { actual.starts_with(&value) } else { actual == value }
    }
}
