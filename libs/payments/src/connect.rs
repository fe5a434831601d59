//! Connected accounts: an organization's own account at Stripe, what Stripe says of it, its balance and its payouts.
//!
//! An organization has one account for ever. Three things see to it: the account is opened under a key of the
//! organization, it is written only where none is, and an account that came too late for that is given up.

use std::collections::{BTreeMap, HashMap};

use domain::{
    ids::OrgId,
    money::{Cents, Currency},
    pos::connect::{AccountFacts, ConnectedAccount},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Store, StoreError};
use stripe_client_core::{RequestBuilder, StripeMethod};

use crate::{
    client::{Stripe, checked, null_is_default, null_is_empty},
    transport::StripeError,
};

/// A business that an account is opened for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAccount {
    /// Whose account it will be.
    pub org: OrgId,
    /// The organization's name.
    pub name: String,
    /// Its owner's address.
    pub email: String,
    /// Upper case, `US`.
    pub country: String,
    /// `individual` or `company`, where it is known.
    pub business_type: Option<&'static str>,
}

/// What Stripe says of an account.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "AccountWire")]
pub struct Account {
    /// `acct_…`.
    pub id: String,
    /// All of it that we keep.
    pub facts: AccountFacts,
}

#[derive(Deserialize)]
struct AccountWire {
    id: String,
    #[serde(default, deserialize_with = "null_is_default")]
    charges_enabled: bool,
    #[serde(default, deserialize_with = "null_is_default")]
    payouts_enabled: bool,
    #[serde(default, deserialize_with = "null_is_default")]
    details_submitted: bool,
    #[serde(default, deserialize_with = "null_is_default")]
    requirements: Requirements,
    #[serde(default, deserialize_with = "null_is_default")]
    business_profile: Profile,
    #[serde(default, deserialize_with = "null_is_default")]
    external_accounts: Page<ExternalAccount>,
    country: Option<String>,
    default_currency: Option<Currency>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Requirements {
    #[serde(deserialize_with = "null_is_default")]
    currently_due: Vec<String>,
    #[serde(deserialize_with = "null_is_default")]
    past_due: Vec<String>,
    disabled_reason: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Profile {
    name: Option<String>,
}

/// A bank account or a debit card.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ExternalAccount {
    /// `bank_account` or `card`.
    #[serde(default)]
    pub object: String,
    /// Its last digits.
    pub last4: Option<String>,
    /// The bank's name.
    pub bank_name: Option<String>,
    /// True for the one that payouts go to.
    #[serde(default, deserialize_with = "null_is_default")]
    pub default_for_currency: bool,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(bound = "T: Deserialize<'de>")]
pub struct Page<T> {
    /// The objects, newest first.
    #[serde(default = "Vec::new")]
    pub data: Vec<T>,
    /// True when more follow.
    #[serde(default)]
    pub has_more: bool,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Page { data: vec![], has_more: false }
    }
}

impl From<AccountWire> for Account {
    fn from(wire: AccountWire) -> Self {
        let banks = wire.external_accounts.data;
        let at = banks.iter().position(|bank| bank.default_for_currency).unwrap_or_default();
        let bank = banks.into_iter().nth(at).unwrap_or_default();
        let facts = AccountFacts {
            charges_enabled: wire.charges_enabled,
            payouts_enabled: wire.payouts_enabled,
            details_submitted: wire.details_submitted,
            currently_due: wire.requirements.currently_due,
            past_due: wire.requirements.past_due,
            disabled_reason: wire.requirements.disabled_reason,
            business_name: wire.business_profile.name,
            bank_last4: bank.last4,
            bank_name: bank.bank_name,
            country: wire.country.unwrap_or_else(|| "US".to_owned()),
            currency: wire.default_currency.unwrap_or(Currency::USD),
        };
        Account { id: wire.id, facts }
    }
}

/// An amount in one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Amount {
    /// How much; below zero when more was given back than was there.
    pub amount: Cents,
    /// Of what.
    pub currency: Currency,
}

/// The money of an account, by currency.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Balance {
    /// What can be paid out.
    #[serde(default)]
    pub available: Vec<Amount>,
    /// What comes later.
    #[serde(default)]
    pub pending: Vec<Amount>,
    /// What can be paid out within minutes.
    pub instant_available: Option<Vec<Amount>>,
}

impl Balance {
    /// What can be paid out of one currency.
    pub fn available_in(&self, currency: Currency, instant: bool) -> Cents {
        let amounts =
            if instant { self.instant_available.as_ref().unwrap_or(&self.available) } else { &self.available };
        amounts.iter().filter(|amount| amount.currency == currency).map(|amount| amount.amount).sum()
    }
}

/// A payout to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPayout {
    /// How much, above zero.
    pub amount: Cents,
    /// Of what.
    pub currency: Currency,
    /// Within minutes, at a price.
    pub instant: bool,
    /// A note of the owner's.
    pub description: Option<String>,
    /// The client's request that it is made for: by this it is found when Stripe has forgotten the idempotency key.
    pub request: Option<String>,
}

/// On a payout at Stripe: the client's request that it was made for.
const REQUEST: &str = "request";

/// Money on its way to a bank.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Payout {
    /// `po_…`.
    pub id: String,
    /// How much.
    pub amount: Cents,
    /// Of what.
    pub currency: Currency,
    /// Stripe's word: `pending`, `in_transit`, `paid`, `failed`, `canceled`.
    pub status: String,
    /// `standard` or `instant`.
    pub method: String,
    /// When it arrives, unix seconds.
    pub arrival_date: i64,
    /// When it was made, unix seconds.
    pub created: i64,
    /// A note of the owner's.
    pub description: Option<String>,
    /// Why it failed: Stripe's code.
    pub failure_code: Option<String>,
    /// Why it failed, in words.
    pub failure_message: Option<String>,
    /// True when Stripe made it on its own.
    #[serde(default)]
    pub automatic: bool,
    /// Where it goes.
    #[serde(default, deserialize_with = "if_expanded")]
    pub destination: Option<ExternalAccount>,
    /// What we wrote on it.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub metadata: HashMap<String, String>,
}

/// An expanded object; an id alone tells nothing.
fn if_expanded<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<ExternalAccount>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        Whole(ExternalAccount),
        Other(serde::de::IgnoredAny),
    }
    Ok(match Option::<Given>::deserialize(deserializer)? {
        Some(Given::Whole(account)) => Some(account),
        _ => None,
    })
}

#[derive(Serialize)]
struct Requested {
    requested: bool,
}

#[derive(Serialize)]
struct CreateAccount<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    country: &'a str,
    email: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    business_type: Option<&'static str>,
    capabilities: Capabilities,
    business_profile: BusinessProfile<'a>,
    metadata: AccountMetadata,
}

#[derive(Serialize)]
struct Capabilities {
    card_payments: Requested,
    transfers: Requested,
}

#[derive(Serialize)]
struct BusinessProfile<'a> {
    name: &'a str,
}

#[derive(Serialize)]
struct AccountMetadata {
    organization_id: String,
}

#[derive(Serialize)]
struct CreateLink<'a> {
    account: &'a str,
    refresh_url: &'a str,
    return_url: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Deserialize)]
struct Link {
    url: String,
}

#[derive(Serialize)]
struct CreatePayout<'a> {
    amount: i64,
    currency: String,
    method: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<&'static str, &'a str>,
    expand: [&'static str; 1],
}

#[derive(Serialize)]
struct ListPayouts<'a> {
    limit: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    starting_after: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<Since>,
    expand: [&'static str; 1],
}

#[derive(Serialize)]
struct Since {
    gte: i64,
}

#[derive(Serialize)]
struct Expanded {
    expand: [&'static str; 1],
}

impl Stripe {
    /// Opens an account. `key` makes it one, however often it is asked for (within the 24 hours that Stripe remembers).
    pub async fn create_account(&self, new: &NewAccount, key: &str) -> Result<Account, StripeError> {
        let form = CreateAccount {
            kind: "express",
            country: &new.country,
            email: &new.email,
            business_type: new.business_type,
            capabilities: Capabilities {
                card_payments: Requested { requested: true },
                transfers: Requested { requested: true },
            },
            business_profile: BusinessProfile { name: &new.name },
            metadata: AccountMetadata { organization_id: new.org.to_string() },
        };
        let request = RequestBuilder::new(StripeMethod::Post, "/accounts").form(&form);
        self.transport.send(request, Some(key)).await
    }

    /// What Stripe says of an account now.
    pub async fn retrieve_account(&self, account: &str) -> Result<Account, StripeError> {
        let path = format!("/accounts/{}", checked("acct_", account)?);
        self.transport.send(RequestBuilder::new(StripeMethod::Get, path), None).await
    }

    /// Gives up an account that nobody uses.
    pub async fn delete_account(&self, account: &str) -> Result<(), StripeError> {
        let path = format!("/accounts/{}", checked("acct_", account)?);
        let deleted =
            self.transport.send::<serde::de::IgnoredAny>(RequestBuilder::new(StripeMethod::Delete, path), None);
        deleted.await.map(drop)
    }

    /// The address of a page on which the owner introduces the business; good once, for some minutes.
    pub async fn create_account_link(&self, account: &str, urls: &LinkUrls) -> Result<String, StripeError> {
        let form = CreateLink {
            account: checked("acct_", account)?,
            refresh_url: &urls.refresh,
            return_url: &urls.back,
            kind: "account_onboarding",
        };
        let request = RequestBuilder::new(StripeMethod::Post, "/account_links").form(&form);
        Ok(self.transport.send::<Link>(request, None).await?.url)
    }

    /// The balance of the account that this client acts for.
    pub async fn retrieve_balance(&self) -> Result<Balance, StripeError> {
        self.transport.send(RequestBuilder::new(StripeMethod::Get, "/balance"), None).await
    }

    /// Pays out. `Invalid` when there is not enough.
    pub async fn create_payout(&self, payout: &NewPayout, key: &str) -> Result<Payout, StripeError> {
        let form = CreatePayout {
            amount: payout.amount.0,
            currency: payout.currency.code().to_ascii_lowercase(),
            method: if payout.instant { "instant" } else { "standard" },
            description: payout.description.as_deref(),
            metadata: payout.request.as_deref().map(|request| (REQUEST, request)).into_iter().collect(),
            expand: ["destination"],
        };
        self.transport.send(RequestBuilder::new(StripeMethod::Post, "/payouts").form(&form), Some(key)).await
    }

    /// A payout as it stands.
    pub async fn retrieve_payout(&self, id: &str) -> Result<Payout, StripeError> {
        let path = format!("/payouts/{}", checked("po_", id)?);
        let request = RequestBuilder::new(StripeMethod::Get, path).query(&Expanded { expand: ["destination"] });
        self.transport.send(request, None).await
    }

    /// Payouts, newest first, behind the one named. `NotFound` when there is no such one.
    pub async fn list_payouts(&self, limit: u8, starting_after: Option<&str>) -> Result<Page<Payout>, StripeError> {
        let starting_after = starting_after.map(|id| checked("po_", id)).transpose()?;
        self.read_payouts(limit, starting_after, None).await
    }

    /// The payout that was made for a client's request since then.
    pub async fn find_payout(&self, request: &str, since: Timestamp) -> Result<Option<Payout>, StripeError> {
        let mut last: Option<String> = None;
        loop {
            let page = self.read_payouts(100, last.as_deref(), Some(since)).await?;
            last = page.data.last().map(|payout| payout.id.clone());
            let of_it = |payout: &Payout| payout.metadata.get(REQUEST).is_some_and(|of| of == request);
            let found = page.data.into_iter().find(of_it);
            if found.is_some() || !page.has_more || last.is_none() {
                return Ok(found);
            }
        }
    }

    async fn read_payouts(
        &self,
        limit: u8,
        starting_after: Option<&str>,
        since: Option<Timestamp>,
    ) -> Result<Page<Payout>, StripeError> {
        let created = since.map(|since| Since { gte: since.as_second() });
        let query = ListPayouts { limit, starting_after, created, expand: ["data.destination"] };
        self.transport.send(RequestBuilder::new(StripeMethod::Get, "/payouts").query(&query), None).await
    }
}

/// Where Stripe's page leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkUrls {
    /// When the link is no longer good: the client asks for another.
    pub refresh: String,
    /// When the owner is done, or left.
    pub back: String,
}

impl LinkUrls {
    /// Pages of the vendor portal at `dashboard`.
    pub fn of(dashboard: &str) -> Self {
        LinkUrls { refresh: format!("{dashboard}/connect/refresh"), back: format!("{dashboard}/connect/complete") }
    }
}

/// Why nothing became of it.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Stripe.
    #[error(transparent)]
    Stripe(#[from] StripeError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How often an account is asked about anew when somebody else wrote what Stripe said of it.
const ROUNDS: usize = 5;

/// What an account is that is closed to us: as it was, and nothing can be done with it.
fn refused(known: &ConnectedAccount) -> AccountFacts {
    AccountFacts {
        charges_enabled: false,
        payouts_enabled: false,
        details_submitted: known.details_submitted,
        currently_due: known.currently_due.clone(),
        past_due: known.past_due.clone(),
        disabled_reason: Some("account_invalid".to_owned()),
        business_name: known.business_name.clone(),
        bank_last4: known.bank_last4.clone(),
        bank_name: known.bank_name.clone(),
        country: known.country.clone(),
        currency: known.currency,
    }
}

/// Where accounts are opened and kept up with, as of now.
#[derive(Clone, Copy, Debug)]
pub struct Connect<'a> {
    /// The database.
    pub store: &'a Store,
    /// Stripe; absent when payments are not configured.
    pub stripe: Option<&'a Stripe>,
    /// Now.
    pub now: Timestamp,
}

impl<'a> Connect<'a> {
    fn stripe(&self) -> Result<&'a Stripe, StripeError> {
        self.stripe.ok_or(StripeError::NotConfigured { message: "there is no key" })
    }

    /// The organization's account; opened, if there is none. However many ask at once, all get the same one.
    pub async fn open_account(&self, new: &NewAccount) -> Result<ConnectedAccount, ConnectError> {
        if let Some(account) = self.store.pos().load_terms(new.org).await?.account {
            return Ok(account);
        }
        let stripe = self.stripe()?;
        let key = format!("account:{}", new.org);
        let opened = match stripe.create_account(new, &key).await {
            // Somebody asked otherwise (another country) under this key, and its account was perhaps never written.
            Err(StripeError::KeyReused) => {
                if let Some(account) = self.store.pos().load_terms(new.org).await?.account {
                    return Ok(account);
                }
                let kind = new.business_type.unwrap_or("any");
                stripe.create_account(new, &format!("{key}:{}:{kind}:{}", new.country, self.now)).await?
            }
            opened => opened?,
        };
        let account = ConnectedAccount::opened(new.org, opened.id, opened.facts, self.now);
        let kept = self.store.pos().open_account(&account).await?;
        if kept.account != account.account {
            tracing::warn!(org = %new.org, account = account.account, kept = kept.account, "a second account is given up");
            // Nobody was told of it, so that it can do no harm if it stays.
            if let Err(error) = stripe.delete_account(&account.account).await {
                tracing::warn!(account = account.account, %error, "it could not be given up");
            }
        }
        Ok(kept)
    }

    /// An address at Stripe where the owner introduces the business. From now on Stripe is asked at the next look.
    pub async fn create_onboarding_link(
        &self,
        account: &ConnectedAccount,
        urls: &LinkUrls,
    ) -> Result<String, ConnectError> {
        let url = self.stripe()?.create_account_link(&account.account, urls).await?;
        self.store.pos().note_link_given(account.org, &account.account).await?;
        Ok(url)
    }

    /// What Stripe says of the account now, written down. Somebody looks who may just be back from Stripe's page: the link to
    /// it counts as used.
    pub async fn refresh_account(&self, account: &ConnectedAccount) -> Result<ConnectedAccount, ConnectError> {
        self.sync_account(account.clone(), true).await
    }

    /// Asks Stripe, and writes what it says over the very version that was read before it was asked: an answer never
    /// overwrites a newer one.
    async fn sync_account(
        &self,
        mut known: ConnectedAccount,
        link_used: bool,
    ) -> Result<ConnectedAccount, ConnectError> {
        let pos = self.store.pos();
        for _ in 0..ROUNDS {
            let facts = match self.stripe()?.retrieve_account(&known.account).await {
                Ok(said) => said.facts,
                Err(StripeError::AccountRefused) => refused(&known),
                Err(error) => return Err(error.into()),
            };
            if let Some(synced) = pos.sync_account(&known, &facts, link_used, self.now).await? {
                return Ok(synced);
            }
            let read = pos.load_terms(known.org).await?.account;
            known = read.filter(|read| read.account == known.account).ok_or(StoreError::Stale)?;
        }
        Err(StoreError::Busy.into())
    }

    /// The account, fresh enough to be shown; as it was last known when Stripe does not answer.
    pub async fn current_account(&self, account: ConnectedAccount) -> ConnectedAccount {
        if !account.is_stale(self.now) {
            return account;
        }
        match self.refresh_account(&account).await {
            Ok(fresh) => fresh,
            Err(error) => {
                tracing::warn!(org = %account.org, %error, "an account could not be brought up to date");
                account
            }
        }
    }

    /// A notice of Stripe's says that this account changed (`account.updated`): asks what it is now, so that the order of
    /// notices does not matter. Nothing when it is nobody's. A link that was given out is still out: Stripe tells of each step
    /// on its page.
    pub async fn follow_account(&self, account: &str) -> Result<Option<ConnectedAccount>, ConnectError> {
        match self.store.pos().find_account(account).await? {
            Some(known) => self.sync_account(known, false).await.map(Some),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_account_is_read_whatever_is_missing_or_null() {
        let bare: Account = serde_json::from_value(json!({"id": "acct_1"})).unwrap();
        assert!(!bare.facts.charges_enabled && bare.facts.currently_due.is_empty());
        let nulls = json!({"id": "acct_1", "charges_enabled": null, "requirements": null, "business_profile": null,
            "external_accounts": null, "country": null, "default_currency": null});
        assert_eq!(serde_json::from_value::<Account>(nulls).unwrap(), bare);
        let whole = json!({"id": "acct_1", "charges_enabled": true, "payouts_enabled": true, "details_submitted": true,
            "requirements": {"currently_due": ["a"], "past_due": null, "disabled_reason": "listed", "errors": []},
            "business_profile": {"name": "Fair", "mcc": null}, "country": "DK", "default_currency": "dkk",
            "external_accounts": {"object": "list", "has_more": false, "data": [
                {"object": "card", "last4": "1111"},
                {"object": "bank_account", "last4": "6789", "bank_name": "BANK", "default_for_currency": true}]}});
        let facts = serde_json::from_value::<Account>(whole).unwrap().facts;
        assert_eq!((facts.bank_last4.as_deref(), facts.bank_name.as_deref()), (Some("6789"), Some("BANK")));
        assert_eq!((facts.currently_due, facts.disabled_reason), (vec!["a".to_owned()], Some("listed".to_owned())));
        assert_eq!((facts.country.as_str(), facts.currency.code()), ("DK", "DKK"));
    }

    #[test]
    fn a_payouts_bank_is_known_when_it_is_expanded() {
        let mut payout = json!({"id": "po_1", "amount": 5, "currency": "usd", "status": "paid", "method": "standard",
            "arrival_date": 2, "created": 1, "description": null, "destination": "ba_1"});
        let read = |payout: &serde_json::Value| serde_json::from_value::<Payout>(payout.clone()).unwrap().destination;
        assert_eq!(read(&payout), None);
        payout["destination"] = json!({"object": "bank_account", "last4": "6789", "bank_name": "BANK", "new": {}});
        assert_eq!(read(&payout).unwrap().last4.as_deref(), Some("6789"));
        payout["destination"] = json!(null);
        assert_eq!(read(&payout), None);
    }

    #[test]
    fn a_balance_by_currency() {
        let balance: Balance = serde_json::from_value(json!({"object": "balance",
            "available": [{"amount": 500, "currency": "usd"}, {"amount": 7, "currency": "eur"}],
            "pending": [], "instant_available": [{"amount": 300, "currency": "usd"}]}))
        .unwrap();
        assert_eq!(balance.available_in(Currency::USD, false), Cents(500));
        assert_eq!(balance.available_in(Currency::USD, true), Cents(300));
        assert_eq!(Balance::default().available_in(Currency::USD, true), Cents::ZERO);
    }
}
