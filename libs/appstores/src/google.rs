//! Google Play's real-time developer notifications, as Pub/Sub pushes them. The push's token is verified before
//! anything here is called (`identity::PushVerifier`).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::pos::subscription::{Change, StoreNotice};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de::Error};
use sha2::{Digest, Sha256};

/// A push of Pub/Sub: what is needed of it.
#[derive(Debug, Deserialize)]
pub struct Push {
    /// The message.
    pub message: Message,
}

/// A message of Pub/Sub.
#[derive(Debug, Deserialize)]
pub struct Message {
    /// Base64 of a developer notification.
    pub data: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeveloperNotification {
    package_name: String,
    #[serde(deserialize_with = "millis")]
    event_time_millis: i64,
    subscription_notification: Option<SubscriptionNotification>,
    voided_purchase_notification: Option<VoidedPurchase>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SubscriptionNotification {
    notification_type: i64,
    purchase_token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VoidedPurchase {
    purchase_token: String,
}

/// What a purchase token is stored as: its SHA-256. Whoever has the token could ask Google about the buyer.
pub fn reference(purchase_token: &str) -> String {
    hex::encode(Sha256::digest(format!("google purchase\0{purchase_token}")))
}

/// A notice of a subscription, and the purchase token that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoogleNotice {
    /// What has changed.
    pub notice: StoreNotice,
    /// By which Google can be asked how the subscription stands.
    pub token: String,
}

/// What a message says of a subscription of `package`. `None` for what cannot be read, is another app's, or changes nothing:
/// all of these are acknowledged, since they would come again for ever.
pub fn read_notice(message: &Message, package: &str) -> Option<GoogleNotice> {
    let data = STANDARD.decode(&message.data).ok()?;
    let notification: DeveloperNotification = serde_json::from_slice(&data).ok()?;
    if notification.package_name != package {
        tracing::warn!("a notice of Google Play for another app");
        return None;
    }
    let at = Timestamp::from_millisecond(notification.event_time_millis).ok()?;
    let (token, change) = match (notification.subscription_notification, notification.voided_purchase_notification) {
        (Some(notice), _) => (notice.purchase_token, change(notice.notification_type)?),
        (None, Some(voided)) => (voided.purchase_token, Change::Ended),
        (None, None) => return None,
    };
    Some(GoogleNotice { notice: StoreNotice { reference: reference(&token), change, at }, token })
}

/// Contract §16: Google's numbers.
fn change(notification_type: i64) -> Option<Change> {
    match notification_type {
        // Recovered, renewed, purchased, restarted.
        1 | 2 | 4 | 7 => Some(Change::Renewed { until: None }),
        3 => Some(Change::WillEnd { at: None }),
        // On hold, in its grace period.
        5 | 6 => Some(Change::PastDue),
        10 => Some(Change::Paused),
        // Revoked, expired.
        12 | 13 => Some(Change::Ended),
        other => {
            tracing::info!(other, "a notice of Google Play that changes nothing");
            None
        }
    }
}

/// Google writes milliseconds as text.
fn millis<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Millis {
        Text(String),
        Number(i64),
    }
    match Millis::deserialize(deserializer)? {
        Millis::Text(text) => text.parse().map_err(D::Error::custom),
        Millis::Number(number) => Ok(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const PACKAGE: &str = "co.lumapos.app";

    fn read(notification: &Value) -> Option<StoreNotice> {
        let read = read_notice(&Message { data: STANDARD.encode(notification.to_string()) }, PACKAGE);
        read.map(|read| read.notice)
    }

    fn notification(kind: i64) -> Value {
        json!({"version": "1.0", "packageName": PACKAGE, "eventTimeMillis": "1800000000123",
            "subscriptionNotification": {"version": "1.0", "notificationType": kind, "purchaseToken": "token",
                "subscriptionId": "lumaproplan"}})
    }

    #[test]
    fn googles_numbers() {
        let renewed = Change::Renewed { until: None };
        let cases = [
            (1, Some(renewed)),
            (2, Some(renewed)),
            (4, Some(renewed)),
            (7, Some(renewed)),
            (3, Some(Change::WillEnd { at: None })),
            (5, Some(Change::PastDue)),
            (6, Some(Change::PastDue)),
            (10, Some(Change::Paused)),
            (12, Some(Change::Ended)),
            (13, Some(Change::Ended)),
            (8, None),
            (9, None),
            (11, None),
            (20, None),
            (999, None),
        ];
        for (kind, change) in cases {
            let notice = read(&notification(kind));
            assert_eq!(notice.as_ref().map(|notice| notice.change), change, "{kind}");
            if let Some(notice) = notice {
                assert_eq!((notice.at.as_millisecond(), notice.reference), (1_800_000_000_123, reference("token")));
            }
        }
        assert!(!reference("token").contains("token"));
    }

    #[test]
    fn junk_and_strangers_change_nothing() {
        let mut stranger = notification(2);
        stranger["packageName"] = "com.example".into();
        assert_eq!(read(&stranger), None);
        let test = json!({"packageName": PACKAGE, "eventTimeMillis": 5, "testNotification": {"version": "1.0"}});
        assert_eq!(read(&test), None);
        for junk in [json!(null), json!([]), json!({"packageName": 5}), json!({"eventTimeMillis": "x"})] {
            assert_eq!(read(&junk), None, "{junk}");
        }
        assert_eq!(read_notice(&Message { data: "*".into() }, PACKAGE), None);
        let voided =
            json!({"packageName": PACKAGE, "eventTimeMillis": 5, "voidedPurchaseNotification": {"purchaseToken": "t"}});
        assert_eq!(read(&voided).map(|notice| notice.change), Some(Change::Ended));
    }
}
