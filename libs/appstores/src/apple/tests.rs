use jsonwebtoken::{Algorithm, EncodingKey};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256,
};
use serde_json::{Value, json};

use super::*;

const BUNDLE: &str = "co.lumapos.app";
const SIGNED: i64 = 1_790_000_000_000;

/// A chain like Apple's: a root, an intermediate and a leaf with Apple's marks on them.
struct Chain {
    x5c: Vec<String>,
    root: String,
    key: EncodingKey,
}

fn params(name: &str, mark: Option<&[u64]>, authority: bool) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2040, 1, 1);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    if authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    }
    // ASN.1 NULL.
    params.custom_extensions = mark.map(|oid| CustomExtension::from_oid_content(oid, vec![5, 0])).into_iter().collect();
    params
}

impl Chain {
    fn new(leaf_mark: Option<&[u64]>) -> Self {
        let [root_key, middle_key, leaf_key] =
            [(); 3].map(|()| KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap());
        let root_params = params("Root", None, true);
        let root = root_params.self_signed(&root_key).unwrap();
        let root_issuer = Issuer::new(root_params, root_key);
        let middle_params = params("Middle", Some(&[1, 2, 840, 113_635, 100, 6, 2, 1]), true);
        let middle = middle_params.signed_by(&middle_key, &root_issuer).unwrap();
        let middle_issuer = Issuer::new(middle_params, middle_key);
        let leaf = params("Leaf", leaf_mark, false).signed_by(&leaf_key, &middle_issuer).unwrap();
        Chain {
            x5c: [leaf.der(), middle.der(), root.der()].map(|der| STANDARD.encode(der)).to_vec(),
            root: hex::encode(Sha256::digest(root.der())),
            key: EncodingKey::from_ec_der(&leaf_key.serialize_der()),
        }
    }

    fn apples() -> Self {
        Self::new(Some(&[1, 2, 840, 113_635, 100, 6, 11, 1]))
    }

    fn apple(&self) -> Apple {
        Apple { bundle_id: BUNDLE.into(), app_id: Some(7), sandbox: false, roots: vec![self.root.clone()] }
    }

    fn sign(&self, payload: &Value) -> String {
        let mut header = jsonwebtoken::Header::new(Algorithm::ES256);
        header.x5c = Some(self.x5c.clone());
        jsonwebtoken::encode(&header, payload, &self.key).unwrap()
    }

    fn notice(&self, kind: &str, subtype: Option<&str>) -> Value {
        self.notice_of(kind, subtype, SIGNED + 1000)
    }

    fn notice_of(&self, kind: &str, subtype: Option<&str>, expires: i64) -> Value {
        let transaction = json!({"originalTransactionId": "1000", "transactionId": "1001", "bundleId": BUNDLE,
            "productId": "lumaproplan", "environment": "Production", "expiresDate": expires, "signedDate": SIGNED});
        let mut notice = json!({"notificationType": kind, "notificationUUID": "u", "version": "2.0", "signedDate": SIGNED,
            "data": {"environment": "Production", "bundleId": BUNDLE, "appAppleId": 7,
                "signedTransactionInfo": self.sign(&transaction)}});
        if let Some(subtype) = subtype {
            notice["subtype"] = subtype.into();
        }
        notice
    }
}

#[test]
fn notices_are_read_as_the_contract_reads_them() {
    let chain = Chain::apples();
    let end = Timestamp::from_millisecond(SIGNED + 1000).ok();
    let renewed = Some(Change::Renewed { until: end });
    let cases = [
        ("SUBSCRIBED", Some("INITIAL_BUY"), renewed),
        ("DID_RENEW", None, renewed),
        ("DID_FAIL_TO_RENEW", None, Some(Change::PastDue)),
        ("DID_FAIL_TO_RENEW", Some("GRACE_PERIOD"), Some(Change::PastDue)),
        ("DID_CHANGE_RENEWAL_STATUS", Some("AUTO_RENEW_DISABLED"), Some(Change::WillEnd { at: end })),
        ("DID_CHANGE_RENEWAL_STATUS", Some("AUTO_RENEW_ENABLED"), Some(Change::WillRenew)),
        ("EXPIRED", Some("VOLUNTARY"), Some(Change::Ended)),
        ("REFUND", None, Some(Change::Ended)),
        ("REFUND_REVERSED", None, renewed),
        ("REVOKE", None, Some(Change::Ended)),
        ("GRACE_PERIOD_EXPIRED", None, Some(Change::Ended)),
        ("PRICE_INCREASE", None, None),
        ("SOMETHING_NEW", None, None),
    ];
    for (kind, subtype, change) in cases {
        let notice = chain.apple().verify_notice(&chain.sign(&chain.notice(kind, subtype))).unwrap();
        assert_eq!(notice.as_ref().map(|notice| notice.change), change, "{kind} {subtype:?}");
        if let Some(notice) = notice {
            assert_eq!((notice.reference.as_str(), notice.at.as_millisecond()), ("1000", SIGNED));
        }
    }
    for kind in ["REFUND_REVERSED", "DID_RENEW"] {
        let over = chain.sign(&chain.notice_of(kind, None, SIGNED));
        assert_eq!(chain.apple().verify_notice(&over), Ok(None), "{kind} of a period that is over");
    }
    let test = json!({"notificationType": "TEST", "signedDate": SIGNED,
        "data": {"environment": "Production", "bundleId": BUNDLE, "appAppleId": 7}});
    assert_eq!(chain.apple().verify_notice(&chain.sign(&test)), Ok(None));
}

#[test]
fn whatever_is_not_apples_is_refused() {
    let chain = Chain::apples();
    let good = chain.notice("DID_RENEW", None);
    let signed = chain.sign(&good);
    assert!(chain.apple().verify_notice(&signed).is_ok());
    let apple = chain.apple();

    // Another root, its own chain otherwise in order; and Apple's own root as the only one that is pinned.
    let stranger = Chain::apples();
    assert_eq!(apple.verify_notice(&stranger.sign(&stranger.notice("DID_RENEW", None))), Err(AppleError::WrongRoot));
    assert_eq!(Apple { roots: vec![], ..chain.apple() }.verify_notice(&signed), Err(AppleError::WrongRoot));

    // Our root at the end of a chain that it did not sign.
    let mut forged = Chain::apples();
    forged.x5c[2] = chain.x5c[2].clone();
    assert!(matches!(apple.verify_notice(&forged.sign(&good)), Err(AppleError::Refused(_))));
    // A certificate of Apple's that is not for this.
    let unmarked = Chain::new(None);
    let other = Apple { roots: vec![unmarked.root.clone()], ..chain.apple() };
    assert!(matches!(
        other.verify_notice(&unmarked.sign(&unmarked.notice("DID_RENEW", None))),
        Err(AppleError::Refused(_))
    ));

    // Another signature, app, environment, algorithm.
    let tampered = signed.replacen(&signed[signed.len() - 6..], "AAAAAA", 1);
    assert!(apple.verify_notice(&tampered).is_err());
    for wrong in [
        Apple { bundle_id: "com.example".into(), ..chain.apple() },
        Apple { app_id: Some(8), ..chain.apple() },
        Apple { sandbox: true, ..chain.apple() },
        Apple { app_id: None, ..chain.apple() },
    ] {
        assert!(wrong.verify_notice(&signed).is_err(), "{wrong:?}");
    }
    let header = URL_SAFE_NO_PAD.encode(json!({"alg": "none", "x5c": chain.x5c}).to_string());
    let unsigned = format!("{header}.{}.", signed.split('.').nth(1).unwrap());
    assert!(apple.verify_notice(&unsigned).is_err());
    // A good notice around a transaction that is not.
    let mut inner = good.clone();
    inner["data"]["signedTransactionInfo"] =
        stranger.sign(&json!({"originalTransactionId": "1", "bundleId": BUNDLE, "environment": "Production"})).into();
    assert_eq!(apple.verify_notice(&chain.sign(&inner)), Err(AppleError::WrongRoot));
    for junk in ["", "a", "a.b.c", &"x".repeat(LONGEST + 1)] {
        assert_eq!(apple.verify_notice(junk), Err(AppleError::Malformed));
    }
}

#[test]
fn a_purchase_is_what_its_transaction_says() {
    let chain = Chain::apples();
    let mut transaction = json!({"originalTransactionId": "1000", "transactionId": "1001", "bundleId": BUNDLE,
        "productId": "lumaproplan", "environment": "Production", "expiresDate": SIGNED + 1000, "signedDate": SIGNED,
        "offerType": 1, "offerDiscountType": "FREE_TRIAL"});
    let purchase = chain.apple().verify_purchase(&chain.sign(&transaction)).unwrap();
    assert_eq!((purchase.reference.as_str(), purchase.product.as_str()), ("1000", "lumaproplan"));
    assert!(purchase.is_trial && !purchase.revoked);
    assert_eq!(purchase.expires_at, Timestamp::from_millisecond(SIGNED + 1000).ok());
    // An introductory offer that is paid for is no trial.
    for paid in ["PAY_AS_YOU_GO", "PAY_UP_FRONT"] {
        transaction["offerDiscountType"] = paid.into();
        assert!(!chain.apple().verify_purchase(&chain.sign(&transaction)).unwrap().is_trial, "{paid}");
    }
    assert!(chain.apple().verify_purchase("receipt").is_err());
}
