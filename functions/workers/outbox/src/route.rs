//! What a change of the table causes.

use aws_lambda_events::dynamodb::EventRecord;
use domain::{
    ids::OrgId,
    mail::{Mail, MailKey, MailStatus},
    pos::{
        event::Event,
        order::Order as PosOrder,
        payout::Payout,
        report::{Report, ReportStatus, ReportTask},
        split::Settlement,
        tip::{Pool, PoolStatus},
    },
    tickets::{
        number::OrderNumber,
        order::{Order, OrderStatus},
    },
};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_dynamo::{AttributeValue, Item};

/// What one change causes, if anything.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
    /// An e-mail waits to be sent.
    Mail(MailKey),
    /// An order holds stock until it is paid, or until this time.
    Expire {
        /// The order.
        number: OrderNumber,
        /// When its time runs out.
        at: Timestamp,
    },
    /// Somebody was let in.
    Count {
        /// Whose ticket, as it was then.
        order: Box<Order>,
        /// When.
        at: Timestamp,
    },
    /// Something is to be paid out through the ledger.
    Payout(Payout),
    /// A report is to be drawn.
    Draw(ReportTask),
    /// The organization's endpoints may hear of it.
    Tell {
        /// Whose event.
        org: OrgId,
        /// What has happened.
        event: Box<Event>,
    },
}

/// Reads a record of the stream. One that cannot be read causes nothing: it would never become readable, and a shard
/// must not stand still for it. The sweepers find what it stood for.
pub(crate) fn route(record: &EventRecord) -> Option<Effect> {
    let (new, old) = (&record.change.new_image, &record.change.old_image);
    let entity = text(new, "entity").or_else(|| text(old, "entity"))?;
    match (entity, record.event_name.as_str()) {
        // A row that becomes pending is a new one, or one that staff send again, whatever it was before.
        ("mail", "INSERT" | "MODIFY") if text(new, "status") == Some(MailStatus::Pending.as_str()) => {
            read::<Mail>(record, new).map(|mail| Effect::Mail(mail.key))
        }
        ("order", "INSERT") if text(new, "status") == Some(OrderStatus::Pending.as_str()) => {
            read::<Order>(record, new).map(|order| Effect::Expire { number: order.number, at: order.expires_at })
        }
        ("order", "MODIFY") if new.contains_key("checked_in_at") && !old.contains_key("checked_in_at") => {
            let order: Order = read(record, new)?;
            let at = order.checked_in_at?;
            Some(Effect::Count { order: Box::new(order), at })
        }
        ("tip_pool", "MODIFY") if is_final(new) && !is_final(old) => {
            read::<Pool>(record, new).map(|pool| Effect::Payout(pool.payout()))
        }
        ("settlement", "INSERT") => {
            read::<Settlement>(record, new).map(|settlement| Effect::Payout(settlement.payout()))
        }
        ("report", "INSERT") if text(new, "status") == Some(ReportStatus::Pending.as_str()) => {
            read::<Report>(record, new).map(|report| Effect::Draw(report.task()))
        }
        ("pos_order" | "gone_order", _) => tell(record),
        _ => None,
    }
}

/// What a change of an order at the counter tells. A deletion's time is the record's, or the order's own where the record
/// has none: the same each time.
fn tell(record: &EventRecord) -> Option<Effect> {
    let order = |image: &Item| match text(image, "entity") {
        Some("pos_order") => read::<PosOrder>(record, image).map(Some),
        _ => Some(None),
    };
    let (before, after) = (order(&record.change.old_image)?, order(&record.change.new_image)?);
    let written = record.change.approximate_creation_date_time.timestamp_millis();
    let written = Timestamp::from_millisecond(written).unwrap_or_default();
    let deleted_at = before.as_ref().map_or(written, |order| written.max(order.updated_at));
    let org = after.as_ref().or(before.as_ref())?.org;
    let event = Event::of_change(before.as_ref(), after.as_ref(), deleted_at)?;
    Some(Effect::Tell { org, event: Box::new(event) })
}

/// Are the shares of this pool fixed?
fn is_final(pool: &Item) -> bool {
    text(pool, "status") == Some(PoolStatus::Finalized.as_str())
}

fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    match item.get(name)? {
        AttributeValue::S(text) => Some(text),
        _ => None,
    }
}

fn read<T: DeserializeOwned>(record: &EventRecord, image: &Item) -> Option<T> {
    let read = serde_dynamo::from_item(image.clone());
    let log = |_: &serde_dynamo::Error| {
        // The error's text may quote the item, which may name people.
        let (sequence, entity) = (record.change.sequence_number.as_deref(), text(image, "entity"));
        tracing::error!(sequence, entity, "change passed over: it cannot be read");
    };
    read.inspect_err(log).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{
        mail::MailPolicy,
        pos::{event::EventKind, order::OrderId},
    };
    use serde_json::{Value, json};

    const ID: &str = "8f5f6f0e-6f43-4d4e-9a4e-0c6f4b1b7a01";

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    fn number() -> OrderNumber {
        OrderNumber::new(now(), 7)
    }

    fn record(name: &str, old: Option<Value>, new: Option<Value>) -> EventRecord {
        let image = |value: Option<Value>| {
            let item: Item = value.map_or_else(Item::default, |value| serde_dynamo::to_item(value).unwrap());
            serde_json::to_value(item).unwrap()
        };
        let change = json!({"Keys": {}, "OldImage": image(old), "NewImage": image(new), "SequenceNumber": "1",
            "SizeBytes": 1, "StreamViewType": "NEW_AND_OLD_IMAGES", "ApproximateCreationDateTime": 1_800_000_000});
        serde_json::from_value(
            json!({"eventID": "1", "eventName": name, "awsRegion": "eu-central-1", "dynamodb": change}),
        )
        .unwrap()
    }

    fn mail(status: &str) -> Option<Value> {
        let org = OrgId::from_random([1; 16]);
        let mut item =
            serde_json::to_value(Mail::new(MailKey::Ticket { number: number() }, org, MailPolicy::Send, now()))
                .unwrap();
        item["status"] = status.into();
        item["entity"] = "mail".into();
        item["gsi2pk"] = "MAILS#1".into();
        Some(item)
    }

    fn order(status: &str, checked_in: bool) -> Option<Value> {
        let mut item = json!({
            "entity": "order", "pk": "ORDER#x", "number": number(), "org": ID, "event_id": ID, "event_name": "E",
            "tier_id": ID, "tier_name": "T", "buyer_name": "A", "buyer_email": "a@example.com", "quantity": 1,
            "unit_price": 5, "total": 5, "currency": "USD", "status": status, "draws": [{"s": 3, "q": 1}],
            "key_id": "k", "revision": 0, "created_at": now().as_millisecond(), "expires_at": 1_800_000_900_000_i64,
        });
        if checked_in {
            item["checked_in_at"] = 1_800_000_100_000_i64.into();
        }
        Some(item)
    }

    #[test]
    fn a_mail_that_waits_is_sent() {
        let key = MailKey::Ticket { number: number() };
        let sent = Some(Effect::Mail(key));
        assert_eq!(route(&record("INSERT", None, mail("pending"))), sent);
        for old in ["sent", "failed", "pending"] {
            assert_eq!(route(&record("MODIFY", mail(old), mail("pending"))), sent, "sent again after {old}");
        }
        for new in ["processing", "sent", "failed"] {
            assert_eq!(route(&record("MODIFY", mail("pending"), mail(new))), None, "{new}");
        }
        assert_eq!(route(&record("INSERT", None, mail("failed"))), None, "held back");
        assert_eq!(route(&record("REMOVE", mail("pending"), None)), None);
        assert_eq!(serde_json::to_value(key).unwrap(), json!({"number": number().to_string(), "kind": "ticket"}));
    }

    #[test]
    fn a_mail_of_the_counter_is_sent_by_its_own_name() {
        let (org, order) = (OrgId::from_random([2; 16]), OrderId::new(OrgId::from_random([2; 16]), now(), 7, 0));
        let key = MailKey::Receipt { org, order, id: ID.parse().unwrap() };
        let mail = Mail::new(key, org, MailPolicy::Send, now()).to("ana@example.com".into());
        let mut item = serde_json::to_value(mail).unwrap();
        item["entity"] = "mail".into();
        assert_eq!(route(&record("INSERT", None, Some(item))), Some(Effect::Mail(key)));
        let message = json!({"kind": "receipt", "seller": org, "order": order, "id": ID});
        assert_eq!(serde_json::to_value(key).unwrap(), message);
    }

    #[test]
    fn a_pending_order_expires() {
        let at = Timestamp::from_second(1_800_000_900).unwrap();
        let expires = Effect::Expire { number: number(), at };
        assert_eq!(route(&record("INSERT", None, order("pending", false))), Some(expires));
        assert_eq!(route(&record("INSERT", None, order("paid", false))), None);
        assert_eq!(route(&record("MODIFY", order("pending", false), order("pending", false))), None);
        assert_eq!(route(&record("MODIFY", order("pending", false), order("paid", false))), None);
    }

    #[test]
    fn an_entry_is_counted_once() {
        let entered = route(&record("MODIFY", order("paid", false), order("paid", true)));
        let Some(Effect::Count { order: counted, at }) = entered else { panic!("{entered:?}") };
        assert_eq!((at.as_second(), counted.draws[0].stripe), (1_800_000_100, 3));
        assert_eq!(route(&record("MODIFY", order("paid", true), order("refunded", true))), None);
    }

    fn pool(status: &str) -> Option<Value> {
        Some(json!({
            "entity": "tip_pool", "pk": "x", "id": ID, "org": ID, "version": 3, "name": "Week 9",
            "days": {"first": "2026-03-01", "last": "2026-03-07"}, "total": 1000, "status": status, "members": [],
            "created_by": ID, "created_at": 0, "updated_at": 0, "finalized_at": 0,
        }))
    }

    #[test]
    fn a_pool_is_paid_out_once_it_is_final() {
        let Some(Effect::Payout(payout)) = route(&record("MODIFY", pool("calculated"), pool("finalized"))) else {
            panic!("no payout")
        };
        assert_eq!(serde_json::to_value(payout).unwrap(), json!({"kind": "pool", "org": ID, "pool": ID}));
        assert_eq!(route(&record("MODIFY", pool("finalized"), pool("finalized"))), None, "noted as paid");
        assert_eq!(route(&record("MODIFY", pool("draft"), pool("calculated"))), None);
        assert_eq!(route(&record("INSERT", None, pool("draft"))), None);
        assert_eq!(route(&record("REMOVE", pool("draft"), None)), None);
    }

    #[test]
    fn a_settled_day_is_paid_out() {
        let settlement = |paid: bool| {
            let mut item = json!({"entity": "settlement", "org": ID, "catalog": ID, "day": "2026-03-01", "gross": 5,
                "shares": [], "created_at": 0});
            if paid {
                item["paid_at"] = 1.into();
            }
            Some(item)
        };
        let Some(Effect::Payout(payout)) = route(&record("INSERT", None, settlement(false))) else {
            panic!("no payout")
        };
        let expected = json!({"kind": "settlement", "org": ID, "catalog": ID, "day": "2026-03-01"});
        assert_eq!(serde_json::to_value(payout).unwrap(), expected);
        assert_eq!(route(&record("MODIFY", settlement(false), settlement(true))), None);
    }

    #[test]
    fn a_report_that_is_asked_for_is_drawn() {
        let report = |status: &str| {
            Some(json!({"entity": "report", "id": ID, "org": ID, "by": ID, "status": status, "created_at": 0,
                "scope": {"days": {"first": "2026-03-01", "last": "2026-03-31"}}}))
        };
        let Some(Effect::Draw(task)) = route(&record("INSERT", None, report("pending"))) else { panic!("not drawn") };
        assert_eq!(serde_json::to_value(task).unwrap(), json!({"kind": "sales", "org": ID, "report": ID}));
        assert_eq!(route(&record("MODIFY", report("pending"), report("pending"))), None, "a try was counted");
        assert_eq!(route(&record("MODIFY", report("pending"), report("ready"))), None);
    }

    fn pos_order(version: u32, status: &str) -> Option<Value> {
        Some(json!({
            "entity": "pos_order", "pk": "x", "id": ID, "org": ID, "version": version, "status": status, "subtotal": 5,
            "tax": 0, "tip": 0, "total": 5, "paid": 0, "refunded": 0, "payments": 0, "user": ID, "item_count": 0,
            "created_at": 1_700_000_000_000_i64, "updated_at": 1_800_000_000_500_i64,
        }))
    }

    fn told(record: &EventRecord) -> Event {
        let Some(Effect::Tell { org, event }) = route(record) else { panic!("nothing is told") };
        assert_eq!(org.to_string(), ID);
        *event
    }

    #[test]
    fn a_change_of_an_order_at_the_counter_is_told() {
        let (pending, done) = (pos_order(0, "pending"), pos_order(1, "completed"));
        let created = told(&record("INSERT", None, pending.clone()));
        assert_eq!((created.kind, created.at.as_millisecond()), (EventKind::Created, 1_800_000_000_500));
        assert_eq!(created.data["organizationId"], ID);
        let completed = record("MODIFY", pending.clone(), done);
        assert_eq!(told(&completed).kind, EventKind::Completed);
        assert_eq!(told(&completed), told(&completed), "a record that comes again tells the same");
        assert_eq!(route(&record("MODIFY", pending.clone(), pending.clone())), None);
    }

    #[test]
    fn a_deletion_is_told_as_of_when_it_was_written() {
        let mut gone = record("REMOVE", pos_order(4, "pending"), None);
        let deleted = told(&gone);
        assert_eq!((deleted.kind, deleted.at.as_millisecond()), (EventKind::Deleted, 1_800_000_000_500));
        gone.change.approximate_creation_date_time += std::time::Duration::from_secs(10);
        assert_eq!(told(&gone).at.as_second(), 1_800_000_010);
        gone.change.approximate_creation_date_time = Default::default();
        assert_eq!(told(&gone), deleted, "where the record has no time");
    }

    #[test]
    fn strangers_and_the_unreadable_are_passed_over() {
        assert_eq!(route(&record("INSERT", None, Some(json!({"entity": "stripe", "status": "pending"})))), None);
        assert_eq!(route(&record("INSERT", None, Some(json!({"pk": "x"})))), None);
        for entity in ["mail", "order", "settlement", "report", "pos_order"] {
            let broken = json!({"entity": entity, "status": "pending", "number": 5});
            assert_eq!(route(&record("INSERT", None, Some(broken))), None, "{entity}");
        }
    }
}
