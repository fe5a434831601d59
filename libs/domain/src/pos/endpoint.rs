//! An organization's own endpoints, which hear of its events as Standard Webhooks (standardwebhooks.com, version 1).
//!
//! All of an organization are one item: few, read together whenever an order changes, and changed now and then by people.
//! A secret is derived, never stored: it is known to whoever was shown it, and to those who have the keys.

use std::{collections::BTreeSet, fmt};

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::event::{Event, EventKind};
use crate::{
    ids::{EndpointId, OrgId},
    keyring::KeyRing,
    time::millis,
};

/// Endpoints of an organization at most.
pub const MAX_ENDPOINTS: usize = 10;

/// Characters of an endpoint's URL at most.
pub const MAX_URL: usize = 2048;

/// How long the secret before still signs after a rotation, so that a receiver can learn the new one at leisure.
pub const OVERLAP: SignedDuration = SignedDuration::from_hours(24);

/// By what a secret is derived again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretName {
    /// The key of the ring.
    pub key_id: String,
    /// Rises with every rotation.
    pub revision: u32,
}

/// A secret that has been replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaced {
    /// By what it is derived.
    #[serde(flatten)]
    pub secret: SecretName,
    /// Up to when it signs too.
    #[serde(with = "millis")]
    pub until: Timestamp,
}

/// Where an organization hears of its events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its id.
    pub id: EndpointId,
    /// Where events go.
    pub url: String,
    /// What it hears of; empty is everything.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub events: BTreeSet<EventKind>,
    /// False: it hears of nothing.
    pub enabled: bool,
    /// By what its secret is derived.
    pub secret: SecretName,
    /// The secret before, if there was a rotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<Replaced>,
    /// When it was made.
    #[serde(with = "millis")]
    pub created_at: Timestamp,
    /// When it last changed.
    #[serde(with = "millis")]
    pub updated_at: Timestamp,
}

impl Endpoint {
    /// A new endpoint, enabled.
    pub fn new(id: EndpointId, url: String, events: BTreeSet<EventKind>, key_id: &str, now: Timestamp) -> Self {
        let secret = SecretName { key_id: key_id.to_owned(), revision: 0 };
        Endpoint { id, url, events, enabled: true, secret, replaced: None, created_at: now, updated_at: now }
    }

    /// Does it hear of this? A ping goes to everyone who is asked for, that one may try before one enables.
    pub fn hears(&self, kind: EventKind) -> bool {
        kind == EventKind::Ping || self.enabled && (self.events.is_empty() || self.events.contains(&kind))
    }

    /// Its secret; nothing when its key is no longer known.
    pub fn secret(&self, keys: &KeyRing) -> Option<EndpointSecret> {
        EndpointSecret::derive(keys, self.id, &self.secret)
    }

    /// The secret before, while it still signs.
    pub fn replaced_at(&self, now: Timestamp) -> Option<&Replaced> {
        self.replaced.as_ref().filter(|replaced| now < replaced.until)
    }

    /// The `webhook-signature` of a message: by its secret, and by the one before while that still signs. Nothing when the
    /// secret's key is no longer known.
    pub fn sign(&self, keys: &KeyRing, id: &str, now: Timestamp, body: &str) -> Option<String> {
        let mut signatures = self.secret(keys)?.sign(id, now, body);
        let replaced = self.replaced_at(now).and_then(|old| EndpointSecret::derive(keys, self.id, &old.secret));
        if let Some(replaced) = replaced {
            signatures.push(' ');
            signatures.push_str(&replaced.sign(id, now, body));
        }
        Some(signatures)
    }
}

/// What an endpoint's messages are signed with, in clear. Its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct EndpointSecret(Vec<u8>);

impl EndpointSecret {
    fn derive(keys: &KeyRing, endpoint: EndpointId, name: &SecretName) -> Option<Self> {
        let parts = ["endpoint", &endpoint.to_string(), &name.revision.to_string()];
        keys.derive(&name.key_id, &parts).map(|bytes| Self(bytes.into()))
    }

    /// What the receiver is told: `whsec_` and 32 bytes of base64.
    pub fn reveal(&self) -> String {
        format!("whsec_{}", STANDARD.encode(&self.0))
    }

    /// The signature of a message with this id, sent at this second: `v1,` and base64.
    fn sign(&self, id: &str, now: Timestamp, body: &str) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        mac.update(format!("{id}.{}.{body}", now.as_second()).as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for EndpointSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EndpointSecret(…)")
    }
}

/// What to change of an endpoint.
#[derive(Clone, Debug, Default)]
pub struct Edit {
    /// Where events go.
    pub url: Option<String>,
    /// What it hears of.
    pub events: Option<BTreeSet<EventKind>>,
    /// Whether it hears at all.
    pub enabled: Option<bool>,
}

/// What cannot be done to an organization's endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// There is no such endpoint.
    #[error("there is no such webhook")]
    NotFound,
    /// There are [`MAX_ENDPOINTS`] already.
    #[error("an organization may have 10 webhooks")]
    TooMany,
}

/// All endpoints of an organization, oldest first. Every step makes the next version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    /// Whose.
    pub org: OrgId,
    /// Rises with every change; 0 is: there never was any.
    pub version: u32,
    /// The endpoints.
    pub endpoints: Vec<Endpoint>,
}

impl Endpoints {
    /// Of an organization that never had any.
    pub fn none(org: OrgId) -> Self {
        Endpoints { org, version: 0, endpoints: vec![] }
    }

    /// One of them.
    pub fn get(&self, id: EndpointId) -> Result<&Endpoint, EndpointError> {
        self.endpoints.iter().find(|endpoint| endpoint.id == id).ok_or(EndpointError::NotFound)
    }

    /// Those that hear of this.
    pub fn hearing(&self, kind: EventKind) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.iter().filter(move |endpoint| endpoint.hears(kind))
    }

    fn next(&self) -> Self {
        Endpoints { version: self.version + 1, ..self.clone() }
    }

    fn change(
        &self,
        id: EndpointId,
        now: Timestamp,
        change: impl FnOnce(&mut Endpoint),
    ) -> Result<Self, EndpointError> {
        let mut next = self.next();
        let endpoint = next.endpoints.iter_mut().find(|endpoint| endpoint.id == id).ok_or(EndpointError::NotFound)?;
        change(endpoint);
        endpoint.updated_at = now;
        Ok(next)
    }

    /// Adds one.
    pub fn add(&self, endpoint: Endpoint) -> Result<Self, EndpointError> {
        if self.endpoints.len() >= MAX_ENDPOINTS {
            return Err(EndpointError::TooMany);
        }
        let mut next = self.next();
        next.endpoints.push(endpoint);
        Ok(next)
    }

    /// Changes one.
    pub fn edit(&self, id: EndpointId, edit: Edit, now: Timestamp) -> Result<Self, EndpointError> {
        self.change(id, now, |endpoint| {
            endpoint.url = edit.url.unwrap_or_else(|| endpoint.url.clone());
            endpoint.events = edit.events.unwrap_or_else(|| endpoint.events.clone());
            endpoint.enabled = edit.enabled.unwrap_or(endpoint.enabled);
        })
    }

    /// Gives one a new secret. The one before signs too for [`OVERLAP`]; the one before that ends at once, so that who
    /// rotates twice is rid of a secret that has leaked.
    pub fn rotate(&self, id: EndpointId, key_id: &str, now: Timestamp) -> Result<Self, EndpointError> {
        self.change(id, now, |endpoint| {
            let secret = SecretName { key_id: key_id.to_owned(), revision: endpoint.secret.revision + 1 };
            let secret = std::mem::replace(&mut endpoint.secret, secret);
            endpoint.replaced = Some(Replaced { secret, until: now + OVERLAP });
        })
    }

    /// Takes one away.
    pub fn remove(&self, id: EndpointId) -> Result<Self, EndpointError> {
        self.get(id)?;
        let mut next = self.next();
        next.endpoints.retain(|endpoint| endpoint.id != id);
        Ok(next)
    }

    /// Disables an endpoint whose receiver at `url` says that it is gone. Nothing when it is disabled, or elsewhere by now.
    pub fn disable_gone(&self, id: EndpointId, url: &str, now: Timestamp) -> Option<Self> {
        self.get(id).ok().filter(|endpoint| endpoint.enabled && endpoint.url == url)?;
        self.change(id, now, |endpoint| endpoint.enabled = false).ok()
    }
}

/// A message of the webhook queue: an event on its way to one endpoint, so that a bad endpoint repeats nothing for others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// Whose event.
    pub org: OrgId,
    /// Where it goes.
    pub endpoint: EndpointId,
    /// What has happened.
    pub event: Event,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn keys() -> KeyRing {
        KeyRing::parse(&format!("k2:{},k1:{}", "ab".repeat(32), "cd".repeat(16))).unwrap()
    }

    fn id(n: u128) -> EndpointId {
        EndpointId(Uuid::from_u128(n))
    }

    fn endpoint(n: u128) -> Endpoint {
        Endpoint::new(id(n), "https://example.com/hook".into(), BTreeSet::new(), "k2", at(0))
    }

    fn endpoints(count: u128) -> Endpoints {
        let none = Endpoints::none(OrgId::from_random([1; 16]));
        (0..count).fold(none, |all, n| all.add(endpoint(n)).unwrap())
    }

    /// What a receiver does.
    fn verifies(secret: &str, header: &str, id: &str, second: i64, body: &str) -> bool {
        let secret = EndpointSecret(STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap());
        let expected = secret.sign(id, Timestamp::from_second(second).unwrap(), body);
        header.split(' ').any(|signature| signature == expected)
    }

    /// The vector that the specification's libraries are tested by.
    #[test]
    fn a_signature_is_as_published() {
        let header = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        let (secret, body) = ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", r#"{"test": 2432232314}"#);
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        assert!(verifies(secret, header, id, 1_614_265_330, body));
        assert!(!verifies(secret, header, id, 1_614_265_331, body));
        assert!(!verifies(secret, header, id, 1_614_265_330, r#"{"test":2432232314}"#));
        assert!(!verifies(secret, header, "msg_", 1_614_265_330, body));
    }

    #[test]
    fn a_secret_is_derived_again_and_is_no_other_endpoints() {
        let one = endpoint(1);
        let secret = one.secret(&keys()).unwrap();
        assert_eq!(one.secret(&keys()), Some(secret.clone()));
        let bytes = STANDARD.decode(secret.reveal().strip_prefix("whsec_").unwrap()).unwrap();
        assert!((24..=64).contains(&bytes.len()), "the specification's bounds");
        let named = |key_id: &str, revision| SecretName { key_id: key_id.into(), revision };
        for other in [
            endpoint(2),
            Endpoint { secret: named("k1", 0), ..one.clone() },
            Endpoint { secret: named("k2", 1), ..one.clone() },
        ] {
            assert_ne!(other.secret(&keys()), Some(secret.clone()));
        }
        assert_eq!(Endpoint { secret: named("k3", 0), ..one }.secret(&keys()), None);
        assert_eq!(format!("{secret:?}"), "EndpointSecret(…)");
    }

    #[test]
    fn both_secrets_sign_for_a_day_after_a_rotation() {
        let before = endpoints(1);
        let after = before.rotate(id(0), "k1", at(10)).unwrap();
        let [old, new] = [&before, &after].map(|all| all.get(id(0)).unwrap());
        let secrets = [old, new].map(|endpoint| endpoint.secret(&keys()).unwrap().reveal());
        assert_ne!(secrets[0], secrets[1]);
        let day = 24 * 3600;
        for (second, still) in [(10, true), (10 + day - 1, true), (10 + day, false), (10 + 2 * day, false)] {
            let header = new.sign(&keys(), "evt_1", at(second), "{}").unwrap();
            let verified = |secret: &str| verifies(secret, &header, "evt_1", at(second).as_second(), "{}");
            assert!(verified(&secrets[1]), "{second}");
            assert_eq!(verified(&secrets[0]), still, "{second}");
            assert_eq!(header.split(' ').count(), 1 + usize::from(still));
        }
        let again = after.rotate(id(0), "k1", at(20)).unwrap();
        let header = again.get(id(0)).unwrap().sign(&keys(), "evt_1", at(21), "{}").unwrap();
        assert!(!verifies(&secrets[0], &header, "evt_1", at(21).as_second(), "{}"), "who rotates twice is rid of it");
        assert!(verifies(&secrets[1], &header, "evt_1", at(21).as_second(), "{}"));
    }

    #[test]
    fn who_hears_of_what() {
        let all = endpoint(1);
        let some = Endpoint { events: BTreeSet::from([EventKind::Completed]), ..endpoint(2) };
        let off = Endpoint { enabled: false, ..endpoint(3) };
        for kind in EventKind::ALL {
            assert!(all.hears(kind));
            assert_eq!(some.hears(kind), kind == EventKind::Completed);
            assert!(!off.hears(kind));
        }
        assert!([&all, &some, &off].iter().all(|endpoint| endpoint.hears(EventKind::Ping)));
        let org = Endpoints { endpoints: vec![all, some, off], ..endpoints(0) };
        assert_eq!(org.hearing(EventKind::Created).map(|one| one.id).collect::<Vec<_>>(), [id(1)]);
    }

    #[test]
    fn no_more_than_ten() {
        let full = endpoints(10);
        assert_eq!(full.add(endpoint(10)), Err(EndpointError::TooMany));
        let room = full.remove(id(3)).unwrap();
        assert_eq!(room.get(id(3)), Err(EndpointError::NotFound));
        assert_eq!(room.add(endpoint(10)).unwrap().endpoints.len(), 10);
    }

    #[test]
    fn only_what_is_named_changes() {
        let all = endpoints(2);
        let events = BTreeSet::from([EventKind::Deleted]);
        let edit = Edit { events: Some(events.clone()), ..Edit::default() };
        let next = all.edit(id(1), edit, at(5)).unwrap();
        assert_eq!(next.endpoints[0], all.endpoints[0]);
        assert_eq!(next.endpoints[1], Endpoint { events, updated_at: at(5), ..all.endpoints[1].clone() });
        assert_eq!(next.version, all.version + 1);
        for missing in [all.edit(id(9), Edit::default(), at(5)), all.rotate(id(9), "k1", at(5)), all.remove(id(9))] {
            assert_eq!(missing, Err(EndpointError::NotFound));
        }
    }

    #[test]
    fn a_receiver_that_is_gone_is_asked_no_more() {
        let all = endpoints(1);
        let url = "https://example.com/hook";
        assert_eq!(all.disable_gone(id(0), "https://elsewhere.example/", at(5)), None, "it has moved meanwhile");
        let off = all.disable_gone(id(0), url, at(5)).unwrap();
        assert!(!off.endpoints[0].enabled);
        assert_eq!(off.disable_gone(id(0), url, at(6)), None);
        assert_eq!(off.disable_gone(id(9), url, at(6)), None);
    }

    proptest! {
        #[test]
        fn what_is_signed_verifies_and_nothing_else_does(
            body in ".{0,200}", other in ".{0,200}", second in 0..4_000_000_000i64, n: u128,
        ) {
            let endpoint = endpoint(n);
            let now = Timestamp::from_second(second).unwrap();
            let header = endpoint.sign(&keys(), "evt_1", now, &body).unwrap();
            let secret = endpoint.secret(&keys()).unwrap().reveal();
            prop_assert!(verifies(&secret, &header, "evt_1", second, &body));
            prop_assert_eq!(verifies(&secret, &header, "evt_1", second, &other), body == other);
            prop_assert!(!verifies(&secret, &header, "evt_1", second + 1, &body));
            prop_assert!(!verifies(&secret, &header, "evt_2", second, &body));
        }
    }
}
