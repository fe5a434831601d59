//! The outbox: claimed by one worker at a time, taken over when it dies, ended as sent or failed (invariant 5).

use aws_sdk_dynamodb::{
    operation::update_item::UpdateItemError,
    types::{ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use domain::{
    mail::{LEASE, MAX_ATTEMPTS, Mail, MailKey, MailKind, MailPolicy, MailStatus},
    tickets::{number::OrderNumber, order::Order},
};
use jiff::Timestamp;

use crate::{
    Store,
    error::StoreError,
    item::{Item, from_item, index, n, s, text, to_item},
    keys::{Key, SHARDS, moment, shard_of, unsent_mails},
    list::Range,
    tx::{Change, Tx},
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

pub(crate) fn mail_item(mail: &Mail) -> Result<Item, StoreError> {
    let number = mail.number.to_string();
    let mut item = to_item("mail", &Key::mail(mail.key()), mail)?;
    if mail.is_final() {
        return Ok(item);
    }
    index(&mut item, "gsi2", unsent_mails(shard_of(&number)), moment(mail.created_at, &number));
    Ok(item)
}

impl Tx<'_> {
    /// Queues an order's e-mail, once per kind: a second one of a kind fails the transaction.
    pub(crate) fn queue_mail(
        self,
        order: &Order,
        kind: MailKind,
        policy: MailPolicy,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        self.create(mail_item(&Mail::new(order.number, kind, order.org, policy, now))?)
    }
}

impl Store {
    /// Takes an e-mail for sending. The condition is [`Mail::is_due`]; of two workers one is refused.
    pub async fn claim_mail(&self, key: MailKey, now: Timestamp) -> Result<Claim, StoreError> {
        let status = |status: MailStatus| Change::default().when("status", "=", s(status.as_str()));
        let change = Change::default()
            .set("status", s(MailStatus::Processing.as_str()))
            .set("lease_until", n((now + LEASE).as_millisecond()))
            .set("last_attempt_at", n(now.as_millisecond()))
            .add("attempts", n(1))
            .when("attempts", "<", n(MAX_ATTEMPTS))
            .when_either([
                status(MailStatus::Pending),
                status(MailStatus::Failed),
                status(MailStatus::Processing).when("lease_until", "<", n(now.as_millisecond())),
            ]);
        match self.change_mail(key, change).await? {
            Ok(item) => Ok(Claim::Taken(from_item(item)?)),
            Err(old) => Ok(Claim::NotDue(old.map(from_item).transpose()?)),
        }
    }

    /// Marks a claimed e-mail as sent. False when another worker has taken it over meanwhile.
    pub async fn mark_mail_sent(&self, mail: &Mail, now: Timestamp) -> Result<bool, StoreError> {
        let change = self
            .of_claim(mail)
            .set("status", s(MailStatus::Sent.as_str()))
            .set("sent_at", n(now.as_millisecond()))
            .remove("error")
            .remove("lease_until")
            .remove("gsi2pk")
            .remove("gsi2sk");
        Ok(self.change_mail(mail.key(), change).await?.is_ok())
    }

    /// Marks a claimed e-mail as failed, for good when nothing can mend it or its tries are used up.
    /// False when another worker has taken it over meanwhile.
    pub async fn mark_mail_failed(&self, mail: &Mail, error: &str, for_good: bool) -> Result<bool, StoreError> {
        let last = for_good || mail.attempts >= MAX_ATTEMPTS;
        let mut change = self
            .of_claim(mail)
            .set("status", s(MailStatus::Failed.as_str()))
            .set("error", s(error.chars().take(ERROR_LENGTH).collect::<String>()))
            .remove("lease_until");
        if last {
            change = change.set("attempts", n(MAX_ATTEMPTS)).remove("gsi2pk").remove("gsi2sk");
        }
        Ok(self.change_mail(mail.key(), change).await?.is_ok())
    }

    /// Queues a paid order's e-mail anew: pending, no tries, no error. False unless the order is paid (contract §13).
    pub async fn resend_mail(&self, order: &Order, kind: MailKind, now: Timestamp) -> Result<bool, StoreError> {
        let item = mail_item(&Mail::new(order.number, kind, order.org, MailPolicy::Send, now))?;
        let paid = Change::default().when("status", "=", s("paid"));
        let tx = self.tx().put(item, Change::default())?.check(&Key::order(order.number), paid)?;
        match tx.commit().await {
            Ok(()) => Ok(true),
            Err(crate::tx::TxError::Refused(_)) => Ok(false),
            Err(crate::tx::TxError::Store(error)) => Err(error),
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
        let key = |number: &OrderNumber| Key::mail(MailKey { number: *number, kind: MailKind::Ticket }).item();
        if numbers.is_empty() {
            return Ok(vec![]);
        }
        let items = self.batch_get(numbers.iter().map(key).collect(), false).await?;
        items.into_iter().map(from_item).collect()
    }

    /// E-mails that are not final, written before `before`, oldest first: what the sweeper sends on its way again.
    pub async fn list_unsent_mails(&self, before: Timestamp, limit: usize) -> Result<Vec<MailKey>, StoreError> {
        let range = Range { index: Some("gsi2"), to: Some(moment(before, "")), limit, ..Range::default() };
        let items = self.query_shards((0..SHARDS).map(unsent_mails), range, "gsi2sk").await?;
        let key = |item: &Item| {
            let number = text(item, "pk")?.strip_prefix("ORDER#")?.parse().ok()?;
            let kind = serde_json::from_value(text(item, "sk")?.strip_prefix("MAIL#")?.into()).ok()?;
            Some(MailKey { number, kind })
        };
        items.iter().map(|item| key(item).ok_or_else(|| StoreError::Corrupt("mail key".into()))).collect()
    }

    async fn change_mail(&self, key: MailKey, change: Change) -> Result<Result<Item, Option<Item>>, StoreError> {
        self.change(&Key::mail(key), change).await
    }

    /// One conditional update: the item after it, or, refused, the item as it stands.
    pub(crate) async fn change(&self, key: &Key, change: Change) -> Result<Result<Item, Option<Item>>, StoreError> {
        let answer = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key.item()))
            .update_expression(change.expression())
            .set_condition_expression(change.condition())
            .set_expression_attribute_names(Some(change.names()))
            .set_expression_attribute_values(change.values())
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match answer {
            Ok(answer) => Ok(Ok(answer.attributes.unwrap_or_default())),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                    Ok(Err(refused.item().filter(|item| !item.is_empty()).cloned()))
                }
                _ => Err(error.into()),
            },
        }
    }
}
