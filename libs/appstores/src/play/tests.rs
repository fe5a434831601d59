use serde_json::{Value, json};

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// As Google documents `SubscriptionPurchaseV2`, with what we do not read.
fn said(state: &str) -> Value {
    json!({
        "kind": "androidpublisher#subscriptionPurchaseV2",
        "regionCode": "DE",
        "startTime": "2027-01-15T07:00:00.123456789Z",
        "subscriptionState": format!("SUBSCRIPTION_STATE_{state}"),
        "latestOrderId": "GPA.3333-4444-5555-66666..1",
        "acknowledgementState": "ACKNOWLEDGEMENT_STATE_ACKNOWLEDGED",
        "externalAccountIdentifiers": {"obfuscatedExternalAccountId": "x"},
        "testPurchase": {},
        "lineItems": [{
            "productId": PRODUCT,
            // 5000 seconds from `at(0)`.
            "expiryTime": "2027-01-15T09:23:20.987654321Z",
            "latestSuccessfulOrderId": "GPA.3333-4444-5555-66666..1",
            "autoRenewingPlan": {"autoRenewEnabled": true, "recurringPrice": {"currencyCode": "EUR", "units": "29"}},
            "offerDetails": {"basePlanId": "monthly", "offerId": "first", "offerTags": ["tag"]},
            "offerPhase": {"basePrice": {}},
        }],
    })
}

fn read(said: &Value, now: Timestamp) -> Result<Proof, ProofError> {
    understood::<Subscription>(said.to_string().as_bytes()).unwrap().read("r".into(), now)
}

fn end() -> Timestamp {
    // Rounded, as all times are kept.
    Timestamp::from_millisecond(at(5000).as_millisecond() + 988).unwrap()
}

#[test]
fn what_is_paid_is_told_with_its_end() {
    let proof = read(&said("ACTIVE"), at(0)).unwrap();
    let purchase = Purchase {
        platform: Platform::Google,
        reference: "r".into(),
        product: Some(PRODUCT.into()),
        expires_at: Some(end()),
        is_trial: false,
        revoked: false,
        standing: Some(Change::WillRenew),
        replaces: None,
        at: at(0),
    };
    assert_eq!(proof, Proof { purchase, unacknowledged: false });

    let mut trial = said("ACTIVE");
    trial["lineItems"][0]["offerPhase"] = json!({"freeTrial": {}});
    trial["acknowledgementState"] = "ACKNOWLEDGEMENT_STATE_PENDING".into();
    trial["linkedPurchaseToken"] = "before".into();
    let proof = read(&trial, at(0)).unwrap();
    assert!(proof.purchase.is_trial && proof.unacknowledged);
    assert_eq!(proof.purchase.replaces, Some(google::reference("before")));
}

#[test]
fn googles_states() {
    let ends = Some(Change::WillEnd { at: Some(end()) });
    let cases = [
        ("ACTIVE", 0, Some(Change::WillRenew)),
        // Google is late with the renewal.
        ("ACTIVE", 5001, Some(Change::WillRenew)),
        ("CANCELED", 0, ends),
        ("CANCELED", 5001, Some(Change::Ended)),
        ("IN_GRACE_PERIOD", 0, Some(Change::PastDue)),
        ("ON_HOLD", 5001, Some(Change::PastDue)),
        ("PAUSED", 5001, Some(Change::Paused)),
        ("EXPIRED", 5001, Some(Change::Ended)),
        // Given back before its time.
        ("EXPIRED", 0, Some(Change::Ended)),
        ("PENDING_PURCHASE_CANCELED", 0, Some(Change::Ended)),
    ];
    for (state, second, standing) in cases {
        let proof = read(&said(state), at(second)).unwrap();
        assert_eq!(proof.purchase.standing, standing, "{state} {second}");
    }
    assert_eq!(read(&said("PENDING"), at(0)), Err(ProofError::Pending));
    for unknown in [said("UNSPECIFIED"), said("SOMETHING_NEW")] {
        assert!(matches!(read(&unknown, at(0)), Err(ProofError::Unanswered(PlayError::Unexpected(_)))));
    }
    // What is over is not acknowledged any more.
    let mut over = said("EXPIRED");
    over["acknowledgementState"] = "ACKNOWLEDGEMENT_STATE_PENDING".into();
    assert!(!read(&over, at(0)).unwrap().unacknowledged);
}

#[test]
fn what_will_not_be_renewed_ends() {
    // Google leaves out what is false.
    for plan in
        [("autoRenewingPlan", json!({})), ("prepaidPlan", json!({"allowExtendAfterTime": "2027-01-15T08:00:00Z"}))]
    {
        let mut said = said("ACTIVE");
        said["lineItems"][0].as_object_mut().unwrap().remove("autoRenewingPlan");
        said["lineItems"][0][plan.0] = plan.1;
        let purchase = read(&said, at(0)).unwrap().purchase;
        assert_eq!(purchase.standing, Some(Change::WillEnd { at: Some(end()) }), "{}", plan.0);
    }
}

#[test]
fn of_several_products_ours_counts_and_its_last_end() {
    let mut several = said("ACTIVE");
    let ours = several["lineItems"][0].clone();
    let item = |product: &str, end: &str| {
        let mut item = ours.clone();
        (item["productId"], item["expiryTime"]) = (product.into(), end.into());
        item
    };
    let sooner = item(PRODUCT, "2027-01-15T08:30:00Z");
    several["lineItems"] = json!([item("extra", "2028-01-01T00:00:00Z"), ours, sooner]);
    assert_eq!(read(&several, at(0)).unwrap().purchase.expires_at, Some(end()));
    for items in [json!([]), json!([item("extra", "2028-01-01T00:00:00Z")])] {
        several["lineItems"] = items;
        assert_eq!(read(&several, at(0)), Err(ProofError::OtherProduct));
    }
    assert_eq!(read(&json!({}), at(0)), Err(ProofError::OtherProduct));
}

#[tokio::test]
async fn a_key_that_cannot_be_read_asks_nothing_and_is_not_shown() {
    let net = net::Client::default();
    for key in ["", "{}", r#""hidden""#, r#"{"client_email":"a@b","private_key":"hidden"}"#] {
        let play = Play::new(key, "co.lumapos.app", Some("http://127.0.0.1:1"), net.clone());
        let error = play.prove("token", at(0)).await.unwrap_err();
        assert!(matches!(&error, ProofError::Unanswered(PlayError::BadKey(_))), "{error:?}");
        assert!(!format!("{play:?} {error:?}").contains("hidden"));
    }
    // What no token can be is not asked about.
    let play = Play::new("", "co.lumapos.app", None, net);
    for token in [String::new(), "x".repeat(LONGEST_TOKEN + 1)] {
        assert_eq!(play.prove(&token, at(0)).await, Err(ProofError::Unknown));
    }
}

#[test]
fn a_token_is_one_segment_whatever_is_in_it() {
    assert_eq!(encoded("a/../b?c#d e:acknowledge").to_string(), "a%2F%2E%2E%2Fb%3Fc%23d%20e%3Aacknowledge");
}
