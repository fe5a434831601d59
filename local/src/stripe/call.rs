//! What a resource's handlers work with: one request in one account, under the store's lock.

use serde_json::{Value, json};

use super::{
    error::ApiError,
    form::Params,
    store::{Account, PLATFORM, Store, new_id},
};

/// The version that answers and events say they are of: the one that the production client was generated from.
pub const API_VERSION: &str = "2026-09-30.endive";

/// What a handler answers.
pub type Answer = Result<Value, ApiError>;

/// GET, POST or DELETE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Reads.
    Get,
    /// Creates and changes.
    Post,
    /// Removes.
    Delete,
}

/// One request.
pub struct Call<'a> {
    store: &'a mut Store,
    /// The account it acts in.
    pub account: String,
    /// Its parameters.
    pub params: Params,
    /// Unix seconds.
    pub now: i64,
    /// Where the stand-in's pages are, without a slash at the end.
    pub base_url: &'a str,
    /// `req_…`; `None` for what happens by itself (expiry) or in the browser.
    pub request_id: Option<String>,
    /// The request's idempotency key.
    pub idempotency_key: Option<String>,
    /// The events that came of it, in order: whose, and its id.
    pub emitted: Vec<(String, String)>,
}

impl<'a> Call<'a> {
    /// A call in an account that exists.
    pub fn new(store: &'a mut Store, account: String, params: Params, now: i64, base_url: &'a str) -> Self {
        Self { store, account, params, now, base_url, request_id: None, idempotency_key: None, emitted: Vec::new() }
    }

    /// The account's objects.
    pub fn data(&mut self) -> &mut Account {
        let known = if self.store.account(&self.account).is_some() { &self.account } else { PLATFORM };
        match self.store.account(known) {
            Some(account) => account,
            None => unreachable!("the platform's account is always there"),
        }
    }

    /// A copy of an object, to be changed and [`Call::put`] back.
    pub fn load(&mut self, object: &str, id: &str) -> Answer {
        self.data().get(object, id).cloned().ok_or_else(|| ApiError::no_such(&object.replace('.', " "), id))
    }

    /// Stores an object.
    pub fn put(&mut self, value: &Value) {
        self.data().put(value.clone());
    }

    /// Does something in another account, if there is one of this name.
    pub fn within<T>(&mut self, account: &str, step: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.store.account(account)?;
        let own = std::mem::replace(&mut self.account, account.to_owned());
        let done = step(self);
        self.account = own;
        Some(done)
    }

    /// Opens an account beside the platform's.
    pub fn open_account(&mut self, account: &str) {
        self.store.open_account(account);
    }

    /// The connected accounts' own objects, newest first.
    pub fn connected_accounts(&self) -> Vec<Value> {
        let mut accounts: Vec<Value> = self.store.all("account").cloned().collect();
        accounts.sort_by_key(|account| std::cmp::Reverse(account["created"].as_i64()));
        accounts
    }

    /// Stores an event of `kind` about `object` as it is now; it is sent to the webhooks once the request is done.
    pub fn emit(&mut self, kind: &str, object: &Value) {
        let id = new_id("evt_1");
        let mut event = json!({
            "id": id,
            "object": "event",
            "api_version": API_VERSION,
            "created": self.now,
            "data": { "object": rendered(object.clone()) },
            "livemode": false,
            "pending_webhooks": 0,
            "request": { "id": self.request_id, "idempotency_key": self.idempotency_key },
            "type": kind,
        });
        if self.account != PLATFORM {
            event["account"] = json!(self.account);
        }
        self.data().put(event);
        self.emitted.push((self.account.clone(), id));
    }

    /// A page of a list, newest first, with Stripe's cursors (`limit`, `starting_after`, `ending_before`, `created`).
    pub fn list(&mut self, object: &str, url: &str, keep: impl Fn(&Value) -> bool) -> Answer {
        let limit = self.params.integer("limit")?.unwrap_or(10);
        if !(1..=100).contains(&limit) {
            return Err(ApiError::invalid("Invalid limit: must be between 1 and 100")
                .code("parameter_invalid_integer")
                .param("limit"));
        }
        let after = self.params.text("starting_after")?.map(str::to_owned);
        let before = self.params.text("ending_before")?.map(str::to_owned);
        for cursor in after.iter().chain(&before) {
            self.load(object, cursor)?;
        }
        let created = CreatedFilter::read(&self.params)?;
        let kept = self.data().rows(object).iter().rev().filter(|row| keep(row) && created.keeps(row));
        let (page, has_more) = page(kept, limit as usize, after.as_deref(), before.as_deref());
        Ok(json!({ "object": "list", "url": url, "has_more": has_more, "data": page }))
    }
}

/// The rows behind or before a cursor, and whether there are more in that direction.
fn page<'r>(
    rows: impl Iterator<Item = &'r Value>,
    limit: usize,
    after: Option<&str>,
    before: Option<&str>,
) -> (Vec<Value>, bool) {
    let is = |row: &Value, id: Option<&str>| id.is_some_and(|id| row["id"] == id);
    if before.is_some() {
        let earlier: Vec<&Value> = rows.take_while(|row| !is(row, before)).collect();
        let from = earlier.len().saturating_sub(limit);
        return (earlier[from..].iter().map(|row| (*row).clone()).collect(), from > 0);
    }
    let mut rows = rows.skip_while(|row| after.is_some() && !is(row, after)).skip(usize::from(after.is_some()));
    let page = rows.by_ref().take(limit).cloned().collect();
    (page, rows.next().is_some())
}

/// `created=…` or `created[gte]=…`, for lists.
struct CreatedFilter {
    from: i64,
    to: i64,
}

impl CreatedFilter {
    fn read(params: &Params) -> Result<Self, ApiError> {
        if matches!(params.node("created"), Some(Value::String(_))) {
            let exact = params.integer("created")?.unwrap_or_default();
            return Ok(Self { from: exact, to: exact });
        }
        let mut filter = Self { from: i64::MIN, to: i64::MAX };
        filter.from = filter.from.max(params.integer("created.gte")?.unwrap_or(i64::MIN));
        filter.from = filter.from.max(params.integer("created.gt")?.map_or(i64::MIN, |at| at.saturating_add(1)));
        filter.to = filter.to.min(params.integer("created.lte")?.unwrap_or(i64::MAX));
        filter.to = filter.to.min(params.integer("created.lt")?.map_or(i64::MAX, |at| at.saturating_sub(1)));
        Ok(filter)
    }

    fn keeps(&self, row: &Value) -> bool {
        (self.from..=self.to).contains(&row["created"].as_i64().unwrap_or_default())
    }
}

/// Replaces ids by their objects where the request asked for it with `expand[]=a.b`.
pub fn expand(account: &Account, value: &mut Value, path: &[&str]) {
    let Some((first, rest)) = path.split_first() else { return };
    if let Value::Array(members) = value {
        members.iter_mut().for_each(|member| expand(account, member, path));
        return;
    }
    if let Some(included) = value["_expandable"].get(*first).cloned() {
        value[*first] = included;
    }
    let Some(field) = value.get_mut(*first) else { return };
    if let Some(object) = field.as_str().and_then(|id| account.find(id)) {
        *field = object.clone();
    }
    expand(account, field, rest);
}

/// An object as it goes over the wire: without the stand-in's own notes.
pub fn rendered(mut value: Value) -> Value {
    strip(&mut value);
    value
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !name.starts_with('_'));
            members.values_mut().for_each(strip);
        }
        Value::Array(members) => members.iter_mut().for_each(strip),
        _ => {}
    }
}

/// Gives an object the members that Stripe always shows, here without a value.
pub fn add_nulls(object: &mut Value, names: &[&str]) {
    for name in names {
        object[*name] = Value::Null;
    }
}
