//! What is told of an order when it changes (contract §17): one event per change, the same however often it is told.
//!
//! An event is read off the two versions of the order that the change lies between, so that nothing need be written to tell
//! it. Its id is derived from the order and the version that came to be: whoever hears of the same change twice knows it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::order::{Order, Status};
use crate::{
    ids::OrgId,
    time::{iso, millis},
};

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EventKind {
    /// An order was made.
    #[serde(rename = "order.created")]
    Created,
    /// It changed in a way that has no name of its own: held, resumed, edited, a card on its way, a refund undone.
    #[serde(rename = "order.updated")]
    Updated,
    /// It is paid in whole.
    #[serde(rename = "order.completed")]
    Completed,
    /// A card was declined, or the sale given up.
    #[serde(rename = "order.failed")]
    Failed,
    /// Money was given back, or is on its way back.
    #[serde(rename = "order.refunded")]
    Refunded,
    /// It is gone.
    #[serde(rename = "order.deleted")]
    Deleted,
    /// Nothing: somebody tries an endpoint.
    #[serde(rename = "ping")]
    Ping,
}

impl EventKind {
    /// What there is to hear of. A ping is only sent when it is asked for.
    pub const ALL: [EventKind; 6] =
        [Self::Created, Self::Updated, Self::Completed, Self::Failed, Self::Refunded, Self::Deleted];

    /// The wire spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "order.created",
            Self::Updated => "order.updated",
            Self::Completed => "order.completed",
            Self::Failed => "order.failed",
            Self::Refunded => "order.refunded",
            Self::Deleted => "order.deleted",
            Self::Ping => "ping",
        }
    }

    /// What two versions of an order differ by; nothing when they are the same one.
    fn between(before: Option<&Order>, after: Option<&Order>) -> Option<Self> {
        let (before, after) = match (before, after) {
            (Some(before), Some(after)) => (before, after),
            // Made with a card payment whose money had come: that it is paid says more.
            (None, Some(after)) if after.status == Status::Completed => return Some(Self::Completed),
            (None, Some(_)) => return Some(Self::Created),
            (Some(_), None) => return Some(Self::Deleted),
            (None, None) => return None,
        };
        let becomes = |status: Status| after.status == status && before.status != status;
        Some(if after.version == before.version {
            return None;
        } else if after.refunded > before.refunded {
            Self::Refunded
        } else if becomes(Status::Completed) && before.status != Status::Refunded {
            Self::Completed
        } else if becomes(Status::Failed) {
            Self::Failed
        } else {
            Self::Updated
        })
    }
}

/// Something that has happened to an organization.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// `evt_` and 32 hex characters; the same for the same change.
    pub id: String,
    /// What it is.
    pub kind: EventKind,
    /// When.
    #[serde(with = "millis")]
    pub at: Timestamp,
    /// The flat fields of contract §17, with `organizationId`. Money in cents.
    pub data: Map<String, Value>,
}

impl Event {
    /// What the change of an order from `before` to `after` tells (`None` is: there is no order). A deletion carries no time
    /// of its own: it is `deleted_at`.
    pub fn of_change(before: Option<&Order>, after: Option<&Order>, deleted_at: Timestamp) -> Option<Self> {
        let kind = EventKind::between(before, after)?;
        let order = after.or(before)?;
        let (version, at) = match after {
            Some(after) => (after.version, after.updated_at),
            None => (order.version + 1, deleted_at),
        };
        let mut data = json!({"organizationId": order.org, "orderId": order.id, "orderNumber": order.id.number()});
        let more = match kind {
            EventKind::Created => {
                json!({"status": order.status, "totalAmount": order.total, "deviceId": order.device})
            }
            EventKind::Updated => {
                json!({"status": order.status, "holdName": order.hold_name, "deviceId": order.device})
            }
            EventKind::Completed => {
                json!({"status": order.status, "paymentMethod": order.method, "totalAmount": order.total,
                    "timestamp": iso(at)})
            }
            EventKind::Failed => json!({"error": "The payment failed", "timestamp": iso(at)}),
            EventKind::Refunded => {
                let amount = before.map_or(order.refunded, |before| order.refunded - before.refunded);
                let whole = order.status == Status::Refunded;
                json!({"refundAmount": amount, "isFullRefund": whole, "timestamp": iso(at)})
            }
            EventKind::Deleted => json!({"deviceId": order.device}),
            EventKind::Ping => json!({}),
        };
        if let (Value::Object(data), Value::Object(more)) = (&mut data, more) {
            data.extend(more);
        }
        let name = format!("{}\0{}\0{}\0{version}", order.org, order.id, order.created_at.as_millisecond());
        Some(Self::new(&name, kind, at, data))
    }

    /// A try, which `id` names.
    pub fn ping(org: OrgId, id: Uuid, now: Timestamp) -> Self {
        Self::new(&format!("ping\0{id}"), EventKind::Ping, now, json!({"organizationId": org}))
    }

    fn new(name: &str, kind: EventKind, at: Timestamp, data: Value) -> Self {
        let id = format!("evt_{}", hex::encode(&Sha256::digest(format!("pos event\0{name}"))[..16]));
        let data = if let Value::Object(data) = data { data } else { Map::new() };
        Event { id, kind, at, data }
    }

    /// The body that an endpoint is sent: byte for byte the same each time.
    pub fn body(&self) -> String {
        json!({"type": self.kind, "timestamp": iso(self.at), "data": self.data}).to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        money::Cents,
        pos::order::{Method, Payment, tests::order},
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn told(before: Option<&Order>, after: Option<&Order>) -> Event {
        Event::of_change(before, after, at(99)).unwrap()
    }

    fn paid(order: &Order, by: &str) -> Order {
        let payment = Payment::card(Method::TapToPay, by, order.total, at(2));
        order.pay(&payment, at(2)).unwrap()
    }

    #[test]
    fn each_change_has_its_name_and_fields() {
        let made = Order { device: Some("phone".into()), ..order(1999) };
        let ids = json!({"organizationId": made.org, "orderId": made.id, "orderNumber": made.id.number()});
        let expect = |event: &Event, kind: &str, second: i64, fields: Value| {
            let mut data = ids.clone();
            data.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            let body: Value = serde_json::from_str(&event.body()).unwrap();
            assert_eq!(body, json!({"type": kind, "timestamp": iso(at(second)), "data": data}));
            assert_eq!(serde_json::from_value::<Event>(serde_json::to_value(event).unwrap()).unwrap(), *event);
        };
        let created = told(None, Some(&made));
        expect(&created, "order.created", 0, json!({"status": "pending", "totalAmount": 1999, "deviceId": "phone"}));

        let linked = made.link("pi_1", None, Some(Method::TapToPay), at(1)).unwrap();
        let updated = told(Some(&made), Some(&linked));
        expect(&updated, "order.updated", 1, json!({"status": "processing", "holdName": null, "deviceId": "phone"}));

        let failed = linked.decline("pi_1", at(1)).unwrap();
        let timestamp = iso(at(1));
        let fields = json!({"error": "The payment failed", "timestamp": timestamp});
        expect(&told(Some(&linked), Some(&failed)), "order.failed", 1, fields);

        let done = paid(&linked, "pi_1");
        let timestamp = iso(at(2));
        let fields = json!({"status": "completed", "paymentMethod": "tap_to_pay", "totalAmount": 1999,
            "timestamp": timestamp});
        expect(&told(Some(&linked), Some(&done)), "order.completed", 2, fields);

        let part = done.refund(Cents(500), at(3)).unwrap();
        let whole = part.refund(Cents(1499), at(4)).unwrap();
        let fields = |amount, whole, second| json!({"refundAmount": amount, "isFullRefund": whole, "timestamp": iso(at(second))});
        expect(&told(Some(&done), Some(&part)), "order.refunded", 3, fields(500, false, 3));
        expect(&told(Some(&part), Some(&whole)), "order.refunded", 4, fields(1499, true, 4));
        let undone = whole.undo_refund(Cents(1499), at(5));
        assert_eq!(told(Some(&whole), Some(&undone)).kind, EventKind::Updated, "it is not sold twice");

        expect(&told(Some(&made), None), "order.deleted", 99, json!({"deviceId": "phone"}));
        let ping = Event::ping(made.org, Uuid::from_u128(1), at(0));
        assert_eq!((ping.kind, ping.data.len()), (EventKind::Ping, 1));
    }

    #[test]
    fn what_is_no_change_is_not_told() {
        let order = order(100);
        assert_eq!(Event::of_change(Some(&order), Some(&order), at(0)), None);
        assert_eq!(Event::of_change(None, None, at(0)), None);
    }

    #[test]
    fn an_order_under_the_number_of_a_deleted_one_is_another() {
        let first = order(100);
        let second = Order { created_at: at(60), ..first.clone() };
        assert_ne!(told(None, Some(&first)).id, told(None, Some(&second)).id);
    }

    #[test]
    fn kinds_are_spelled_as_they_are_written() {
        for kind in EventKind::ALL.into_iter().chain([EventKind::Ping]) {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert!(!EventKind::ALL.contains(&EventKind::Ping));
    }

    proptest! {
        /// The versions of an order are as many events, whoever tells them and how often.
        #[test]
        fn one_change_is_one_event(steps in 1..20u32, total in 1..100_000i64) {
            let mut ids = std::collections::BTreeSet::new();
            let made = order(total);
            ids.insert(told(None, Some(&made)).id);
            let mut before = made;
            for step in 1..=steps {
                let after = Order { version: step, updated_at: at(step.into()), ..before.clone() };
                let event = told(Some(&before), Some(&after));
                prop_assert_eq!(&told(Some(&before), Some(&after)), &event);
                prop_assert_eq!(event.body(), told(Some(&before), Some(&after)).body());
                prop_assert!(event.id.len() == 36 && !event.id.contains('.'), "a dot would blur what is signed");
                ids.insert(event.id);
                before = after;
            }
            ids.insert(told(Some(&before), None).id);
            prop_assert_eq!(ids.len(), steps as usize + 2);
        }
    }
}
