use serde_json::{Value, json};

use super::*;

const HOME: &str = "8f5f6f0e-6f43-4d4e-9a4e-0c6f4b1b7a01";

fn read(value: Value) -> BilledSubscription {
    serde_json::from_value(value).unwrap()
}

#[test]
fn a_subscription_is_read_in_this_years_shape_and_in_older_ones() {
    let mut wire = json!({"id": "sub_1", "customer": "cus_1", "status": "active", "metadata": {"organization_id": HOME},
        "items": {"object": "list", "data": [{"price": {"unit_amount": 2999, "x": 1}, "current_period_end": 1_800_000_000}]},
        "cancel_at": null, "cancel_at_period_end": true, "canceled_at": 1_790_000_000, "ended_at": null, "trial_end": null,
        "default_payment_method": "pm_1", "latest_invoice": "in_1", "pending_setup_intent": null});
    let read_now = read(wire.clone());
    assert_eq!((read_now.org, read_now.said.price), (HOME.parse().ok(), Cents(2999)));
    assert_eq!((read_now.said.status, read_now.said.tier), (Status::Active, Tier::Pro));
    assert_eq!(read_now.said.period_end, second(1_800_000_000));
    assert_eq!(read_now.said.cancel_at, second(1_800_000_000), "at the period's end");
    wire["items"]["data"][0].as_object_mut().unwrap().remove("current_period_end");
    wire["current_period_end"] = json!(1_800_000_000);
    assert_eq!(read(wire.clone()), read_now);
    wire["status"] = json!("word_of_next_year");
    assert_eq!(read(wire).said.status, Status::PastDue);
    let bare = read(json!({"id": "sub_1", "customer": {"id": "cus_1"}, "status": "canceled"}));
    assert_eq!((bare.org, bare.said.customer.as_str(), bare.card), (None, "cus_1", None));
}

#[test]
fn secrets_and_cards_are_read_where_they_were_expanded() {
    let secret = |id: &str| json!({"id": id, "client_secret": format!("{id}_secret")});
    let mut wire = json!({"id": "sub_1", "customer": "cus_1", "status": "trialing",
        "latest_invoice": {"id": "in_1", "confirmation_secret": secret("pi_1")}, "pending_setup_intent": secret("seti_1")});
    assert_eq!(read(wire.clone()).client_secret.as_deref(), Some("seti_1_secret"));
    wire["pending_setup_intent"] = Value::Null;
    assert_eq!(read(wire.clone()).client_secret.as_deref(), Some("pi_1_secret"));
    let card = |last4: &str| {
        json!({"id": "pm_1", "type": "card",
            "card": {"brand": "visa", "last4": last4, "exp_month": 12, "exp_year": 2034, "wallet": null}})
    };
    wire["customer"] = json!({"id": "cus_1", "invoice_settings": {"default_payment_method": card("1111")}});
    assert_eq!(read(wire.clone()).card.unwrap().last4, "1111");
    wire["default_payment_method"] = card("4242");
    assert_eq!(read(wire.clone()).card.unwrap().last4, "4242");
    wire["default_payment_method"] = json!({"id": "pm_2", "type": "us_bank_account"});
    assert_eq!(read(wire).card.unwrap().last4, "1111");
}

#[test]
fn an_event_names_its_subscription_in_whichever_shape() {
    let named = |object: Value| {
        let body = json!({"id": "evt_1", "type": "invoice.paid", "created": 1, "data": {"object": object}});
        Named::by(&StripeEvent::parse(body.to_string().as_bytes()).unwrap())
    };
    let expected =
        |org: Option<&str>| Some(Named { subscription: "sub_1".into(), org: org.and_then(|org| org.parse().ok()) });
    let metadata = json!({"organization_id": HOME});
    assert_eq!(named(json!({"object": "subscription", "id": "sub_1", "metadata": metadata})), expected(Some(HOME)));
    let details = json!({"subscription": "sub_1", "metadata": metadata});
    let parent = json!({"subscription_details": details, "type": "subscription_details"});
    assert_eq!(named(json!({"object": "invoice", "id": "in_1", "parent": parent})), expected(Some(HOME)));
    assert_eq!(named(json!({"object": "invoice", "id": "in_1", "subscription": {"id": "sub_1"}})), expected(None));
    let session = json!({"object": "checkout.session", "id": "cs_1", "subscription": "sub_1", "metadata": metadata});
    assert_eq!(named(session), expected(Some(HOME)));
    for nothing in [json!({}), json!({"object": "invoice", "parent": null, "subscription": null}), json!([]), json!(5)]
    {
        assert_eq!(named(nothing.clone()), None, "{nothing}");
    }
}
