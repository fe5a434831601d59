//! The outbox: claimed by one worker at a time, taken over when it dies, ended as sent or failed (invariant 5).
//!
//! A try that failed is followed by a wait, which the claim's condition holds and the sweeper's list goes by. What could not
//! be delivered is dead until its dead letter is redriven.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    mail::{LEASE, Mail, MailKey, MailPolicy, MailStatus, THROTTLED},
    tickets::{number::OrderNumber, order::Order},
};
use jiff::Timestamp;

use crate::{
    Store,
    error::StoreError,
    item::{Item, from_item, index, n, s, text, to_item},
    keys::{Key, SHARDS, moment, shard_of, unsent_mails},
    list::Range,
    tx::{Change, Tx, TxError, random_token},
};

/// The longest error text that is kept.
const ERROR_LENGTH: usize = 300;

/// What a worker that asked for an e-mail is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Claim {
    /// It is yours until its lease runs out.
    Taken(Mail),
    /// Another worker has it, or it is sent, or its tries are used up: as it stands, if it exists.
    NotDue(Option<Mail>),
}

/// What a try failed of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Another may succeed: it is tried later, while it has tries left.
    Passing,
    /// There was no room for it: it is tried soon, and this was no try.
    Throttled,
    /// No other try would succeed.
    Hopeless,
    /// There is nothing to send any more.
    Moot,
}

/// While it is not final it stands in an index of keys only: there the sort key names it whole, for every kind.
fn mail_item(mail: &Mail) -> Result<Item, StoreError> {
    let mut item = to_item("mail", &Key::mail(mail.key), mail)?;
    if !mail.is_final() {
        let name = name(mail.key)?;
        index(&mut item, "gsi2", unsent_mails(shard_of(&name)), moment(mail.created_at, &name));
    }
    Ok(item)
}

fn yes() -> AttributeValue {
    AttributeValue::Bool(true)
}

fn name(key: MailKey) -> Result<String, StoreError> {
    serde_json::to_string(&key).map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// The key that the index of unsent e-mails names.
fn listed_key(item: &Item) -> Option<MailKey> {
    let (_, name) = text(item, "gsi2sk")?.split_once('#')?;
    serde_json::from_str(name).ok()
}

impl Tx<'_> {
    /// Queues an e-mail, once per key: a second one fails the transaction.
    pub(crate) fn queue_mail(self, mail: &Mail) -> Result<Self, StoreError> {
        self.create(mail_item(mail)?)
    }
}

impl Store {
    /// Queues an e-mail that no other change causes. False when it is there already.
    pub async fn queue_mail(&self, mail: &Mail) -> Result<bool, StoreError> {
        match self.tx().queue_mail(mail)?.commit().await {
            Ok(()) => Ok(true),
            Err(TxError::Refused(_)) => Ok(false),
            Err(TxError::Store(error)) => Err(error),
        }
    }

    /// Takes an e-mail for sending. The condition is [`Mail::is_due`]; of two workers one is refused.
    ///
    /// A claim whose answer got lost is recognized when it is repeated, by a name that only this call knows. An e-mail
    /// whose last worker died at its last try is due for nobody: who finds it marks it as failed, so that it ends.
    pub async fn claim_mail(&self, key: MailKey, now: Timestamp) -> Result<Claim, StoreError> {
        let claim = random_token();
        let is = |status: MailStatus| move |change: Change| change.when("status", "=", s(status.as_str()));
        let lease_over = |change: Change| change.when("lease_until", "<", n(now.as_millisecond()));
        let waited = |change: Change| change.when("not_before", "<=", n(now.as_millisecond()));
        let change = Change::default()
            .set("status", s(MailStatus::Processing.as_str()))
            .set("claim", s(&claim))
            .set("lease_until", n((now + LEASE).as_millisecond()))
            .set("last_attempt_at", n(now.as_millisecond()))
            .add("attempts", n(1))
            .when("attempts", "<", n(key.max_attempts()))
            .when_either(&[
                &is(MailStatus::Pending),
                &|change| is(MailStatus::Failed)(change).when_absent("not_before"),
                &|change| waited(is(MailStatus::Failed)(change)),
                &|change| lease_over(is(MailStatus::Processing)(change)),
            ]);
        let item = match self.change(&Key::mail(key), change).await? {
            Ok(item) => return Ok(Claim::Taken(from_item(item)?)),
            Err(None) => return Ok(Claim::NotDue(None)),
            Err(Some(item)) => item,
        };
        let mine = text(&item, "claim") == Some(&claim);
        let mail: Mail = from_item(item)?;
        if mine && mail.status == MailStatus::Processing {
            return Ok(Claim::Taken(mail));
        }
        if mail.is_stranded(now)
            && self.mark_mail_failed(&mail, "the last try did not end", Failure::Hopeless, now).await?
        {
            return Ok(Claim::NotDue(self.load_mail(key).await?));
        }
        Ok(Claim::NotDue(Some(mail)))
    }

    /// Marks a claimed e-mail as sent. False when another worker has taken it over meanwhile.
    pub async fn mark_mail_sent(&self, mail: &Mail, now: Timestamp) -> Result<bool, StoreError> {
        let change = self
            .of_claim(mail)
            .set("status", s(MailStatus::Sent.as_str()))
            .set("sent_at", n(now.as_millisecond()))
            .remove("error")
            .remove("lease_until")
            .remove("not_before")
            .remove("gsi2pk")
            .remove("gsi2sk");
        Ok(self.change(&Key::mail(mail.key), change).await?.is_ok())
    }

    /// Marks a claimed e-mail as failed, until its next try, or for good when nothing can mend it or its tries are used up.
    /// False when another worker has taken it over meanwhile.
    pub async fn mark_mail_failed(
        &self,
        mail: &Mail,
        error: &str,
        failure: Failure,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let change = self
            .of_claim(mail)
            .set("status", s(MailStatus::Failed.as_str()))
            .set("error", s(error.chars().take(ERROR_LENGTH).collect::<String>()))
            .remove("lease_until");
        let wait = |change: Change, until: Timestamp| {
            let change = change.set("not_before", n(until.as_millisecond()));
            Ok::<_, StoreError>(change.set("gsi2sk", s(moment(until, &name(mail.key)?))))
        };
        let end = |change: Change| {
            let change = change.set("attempts", n(mail.key.max_attempts()));
            change.remove("not_before").remove("gsi2pk").remove("gsi2sk")
        };
        let change = match failure {
            Failure::Throttled => wait(change.set("attempts", n(mail.attempts.saturating_sub(1))), now + THROTTLED)?,
            Failure::Passing if !mail.is_last_try() => wait(change, mail.next_try(now))?,
            Failure::Passing | Failure::Hopeless => end(change).set("dead", yes()),
            Failure::Moot => end(change),
        };
        Ok(self.change(&Key::mail(mail.key), change).await?.is_ok())
    }

    /// Queues an e-mail anew that could not be delivered: pending, no tries, no error. False when it is not dead.
    pub async fn revive_mail(&self, key: MailKey, now: Timestamp) -> Result<bool, StoreError> {
        let Some(mail) = self.load_mail(key).await?.filter(|mail| mail.dead) else { return Ok(false) };
        let anew = Mail { to: mail.to, link_key: mail.link_key, ..Mail::new(key, mail.org, MailPolicy::Send, now) };
        let still = Change::default().when("dead", "=", yes());
        match self.tx().put(mail_item(&anew)?, still)?.commit().await {
            Ok(()) => Ok(true),
            Err(TxError::Refused(_)) => Ok(false),
            Err(TxError::Store(error)) => Err(error),
        }
    }

    /// Queues a paid order's ticket anew: pending, no tries, no error. False unless the order is paid (contract §13).
    pub async fn resend_ticket(&self, order: &Order, now: Timestamp) -> Result<bool, StoreError> {
        let item = mail_item(&order.ticket_mail(MailPolicy::Send, now))?;
        let paid = Change::default().when("status", "=", s("paid"));
        let tx = self.tx().put(item, Change::default())?.check(&Key::order(order.number), paid)?;
        match tx.commit().await {
            Ok(()) => Ok(true),
            Err(TxError::Refused(_)) => Ok(false),
            Err(TxError::Store(error)) => Err(error),
        }
    }

    /// The condition that a worker still has its claim: nobody has tried since.
    fn of_claim(&self, mail: &Mail) -> Change {
        Change::default()
            .when("status", "=", s(MailStatus::Processing.as_str()))
            .when("attempts", "=", n(mail.attempts))
            .when("created_at", "=", n(mail.created_at.as_millisecond()))
    }

    /// The row of an e-mail.
    pub async fn load_mail(&self, key: MailKey) -> Result<Option<Mail>, StoreError> {
        self.get(&Key::mail(key)).await?.map(from_item).transpose()
    }

    /// The ticket e-mails of many orders.
    pub async fn load_ticket_mails(&self, numbers: &[OrderNumber]) -> Result<Vec<Mail>, StoreError> {
        let key = |number: &OrderNumber| Key::mail(MailKey::Ticket { number: *number }).item();
        if numbers.is_empty() {
            return Ok(vec![]);
        }
        let items = self.batch_get(numbers.iter().map(key).collect(), false).await?;
        items.into_iter().map(from_item).collect()
    }

    /// E-mails that are not final, due before `before` (when they were written, or their wait is over), in that order: what the
    /// sweeper sends on its way again.
    /// A row whose key cannot be read is logged and passed over: it must not keep the others from being sent.
    pub async fn list_unsent_mails(&self, before: Timestamp, limit: usize) -> Result<Vec<MailKey>, StoreError> {
        let range = Range { index: Some("gsi2"), to: Some(moment(before, "")), limit, ..Range::default() };
        let items = self.query_shards((0..SHARDS).map(unsent_mails), range, "gsi2sk").await?;
        let readable = |item: &Item| {
            let key = listed_key(item);
            if key.is_none() {
                tracing::error!(pk = text(item, "pk"), sk = text(item, "sk"), "an e-mail's key is corrupt");
            }
            key
        };
        Ok(items.iter().filter_map(readable).collect())
    }
}
