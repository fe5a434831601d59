//! A stand-in for the App Store's signature: a chain of certificates like Apple's, whose root the local functions believe,
//! and notices and transactions signed under it. What verifies them is the production code.

use std::sync::OnceLock;

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The app that the local functions sell: the template's parameters.
pub const BUNDLE_ID: &str = "co.lumapos.app";

/// The product that it sells.
pub const PRODUCT: &str = "lumaproplan";

/// The marks by which Apple's certificates say what they are for.
const MIDDLE_MARK: &[u64] = &[1, 2, 840, 113_635, 100, 6, 2, 1];
const LEAF_MARK: &[u64] = &[1, 2, 840, 113_635, 100, 6, 11, 1];

/// Signs as the App Store does.
pub struct Apple {
    chain: Vec<String>,
    root: String,
    key: EncodingKey,
}

/// One for all clouds of a process.
static APPLE: OnceLock<Apple> = OnceLock::new();

impl Apple {
    /// The process's own. Its keys are made when they are first needed, and kept nowhere.
    ///
    /// # Errors
    /// When keys or certificates cannot be made, which has no cause but a broken machine.
    pub fn shared() -> anyhow::Result<&'static Self> {
        if let Some(apple) = APPLE.get() {
            return Ok(apple);
        }
        let made = Self::new().context("making Apple's certificates")?;
        Ok(APPLE.get_or_init(|| made))
    }

    fn new() -> anyhow::Result<Self> {
        let root_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let root_params = params("Local Root", None, true);
        let root = root_params.self_signed(&root_key)?;
        let root_issuer = Issuer::new(root_params, root_key);
        let middle_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let middle_params = params("Local Intermediate", Some(MIDDLE_MARK), true);
        let middle = middle_params.signed_by(&middle_key, &root_issuer)?;
        let middle_issuer = Issuer::new(middle_params, middle_key);
        let leaf_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let leaf = params("Local App Store", Some(LEAF_MARK), false).signed_by(&leaf_key, &middle_issuer)?;
        Ok(Self {
            chain: [leaf.der(), middle.der(), root.der()].map(|der| STANDARD.encode(der)).to_vec(),
            root: hex::encode(Sha256::digest(root.der())),
            key: EncodingKey::from_ec_der(&leaf_key.serialize_der()),
        })
    }

    /// SHA-256 of the root, for `APPLE_ROOTS`.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// A JWS over `payload`, with the chain in its header.
    pub fn sign(&self, payload: &Value) -> anyhow::Result<String> {
        let mut header = jsonwebtoken::Header::new(Algorithm::ES256);
        header.x5c = Some(self.chain.clone());
        Ok(jsonwebtoken::encode(&header, payload, &self.key)?)
    }

    /// A transaction of a subscription, as the app gets it from StoreKit.
    pub fn transaction(&self, reference: &str, now: Timestamp, expires: Timestamp) -> anyhow::Result<String> {
        self.sign(&json!({
            "originalTransactionId": reference, "transactionId": format!("{reference}-1"), "bundleId": BUNDLE_ID,
            "productId": PRODUCT, "environment": "Sandbox", "type": "Auto-Renewable Subscription",
            "purchaseDate": now.as_millisecond(), "expiresDate": expires.as_millisecond(),
            "signedDate": now.as_millisecond(),
        }))
    }

    /// A notice of that subscription: Apple's `notificationType` and `subtype`.
    pub fn notice(
        &self,
        kind: &str,
        subtype: Option<&str>,
        reference: &str,
        now: Timestamp,
        expires: Timestamp,
    ) -> anyhow::Result<String> {
        let mut notice = json!({
            "notificationType": kind, "version": "2.0", "signedDate": now.as_millisecond(),
            "notificationUUID": uuid::Uuid::new_v4(),
            "data": {"environment": "Sandbox", "bundleId": BUNDLE_ID, "bundleVersion": "1",
                "signedTransactionInfo": self.transaction(reference, now, expires)?},
        });
        if let Some(subtype) = subtype {
            notice["subtype"] = subtype.into();
        }
        self.sign(&notice)
    }
}

fn params(name: &str, mark: Option<&[u64]>, authority: bool) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2060, 1, 1);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    if authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    }
    // ASN.1 NULL: the mark says all by being there.
    params.custom_extensions = mark.map(|oid| CustomExtension::from_oid_content(oid, vec![5, 0])).into_iter().collect();
    params
}
