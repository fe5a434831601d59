//! Subscriptions, walked through as the production client and Stripe's own pages do it, and read by Stripe's generated types.

use domain::{ids::OrgId, pos::subscription::SubscriptionStatus};
use payments::billing::{NewCustomer, NewSubscription, NewUpgrade};
use stripe_client_core::{RequestBuilder, StripeMethod};
use stripe_types::Expandable;

use super::{typed::typed, *};

fn org() -> OrgId {
    OrgId::from_random([1; 16])
}

async fn customer(client: &payments::Stripe) -> String {
    let new = NewCustomer { org: org(), name: "Lantern <Bar>".into(), email: "owner@example.com".into() };
    client.create_customer(&new, "customer:1").await.unwrap().id
}

fn pro(customer: &str) -> NewSubscription {
    NewSubscription {
        org: org(),
        customer: customer.into(),
        price: PRO_PRICE.into(),
        coupon: Some(FIRST_MONTH.into()),
        trial_days: Some(7),
    }
}

/// Reads an object by Stripe's own type.
macro_rules! read {
    ($typed:expr, $type:ty, $path:expr) => {
        RequestBuilder::new(StripeMethod::Get, $path)
            .query(&json!({"expand": ["latest_invoice", "pending_setup_intent"]}))
            .customize::<$type>()
            .send(&$typed)
            .await
            .unwrap()
    };
}

#[tokio::test]
async fn stripes_own_types_understand_them() {
    let (stripe, client, typed) = typed().await;
    let customer = customer(&client).await;
    let begun = client.create_subscription(&pro(&customer), "begin").await.unwrap();
    let path = format!("/subscriptions/{}", begun.said.id);
    let subscription = read!(typed, stripe_shared::Subscription, &path);
    assert_eq!(subscription.status.to_string(), "trialing");
    let Some(Expandable::Object(invoice)) = subscription.latest_invoice else { panic!("not expanded") };
    assert_eq!((invoice.total, invoice.amount_due), (0, 0));
    assert!(matches!(subscription.pending_setup_intent, Some(Expandable::Object(_))));
    read!(typed, stripe_shared::Price, format!("/prices/{PRO_PRICE}"));
    read!(typed, stripe_shared::Coupon, format!("/coupons/{FIRST_MONTH}"));
    read!(typed, stripe_shared::Customer, format!("/customers/{customer}"));
    stripe.advance(Duration::from_secs(8 * 24 * 3600));
    let ended = read!(typed, stripe_shared::Subscription, &path);
    assert_eq!(ended.status.to_string(), "canceled", "nobody gave it a card");
    for event in stripe.events() {
        read!(typed, stripe_core::Event, format!("/events/{}", event["id"].as_str().unwrap()));
    }
}

#[tokio::test]
async fn time_does_what_it_must() {
    let (stripe, client) = stripe_and_client().await;
    let customer = customer(&client).await;
    let now = clock().as_second();
    let upgrade = NewUpgrade {
        subscription: pro(&customer),
        success_url: "http://127.0.0.1:9/ok".into(),
        cancel_url: "http://127.0.0.1:9/no".into(),
        expires_at: now + 3600,
    };
    let page = client.open_upgrade(&upgrade, "upgrade").await.unwrap();
    assert_eq!(client.list_open_upgrades(&customer).await.unwrap(), std::slice::from_ref(&page));
    assert_eq!(stripe.pay(&page.id, DECLINED), Payment::Declined("card_declined".into()));
    assert_eq!(stripe.pay(&page.id, VISA), Payment::Succeeded(String::new()));
    assert!(client.list_open_upgrades(&customer).await.unwrap().is_empty());
    let [subscription] = &client.list_subscriptions(&customer).await.unwrap()[..] else { panic!("there is one") };
    assert_eq!((subscription.org, subscription.said.status), (Some(org()), SubscriptionStatus::Trialing));
    let id = subscription.said.id.clone();
    let totals = async || -> Vec<i64> {
        let invoices = client.list_invoices(&customer, None).await.unwrap().data;
        invoices.iter().map(|invoice| invoice.total.0).collect()
    };
    let status = async || client.retrieve_subscription(&id).await.unwrap().said.status;
    let days = |days: u64| stripe.advance(Duration::from_secs(days * 24 * 3600));
    days(6);
    assert_eq!((status().await, totals().await), (SubscriptionStatus::Trialing, vec![0]));
    days(2);
    assert_eq!((status().await, totals().await), (SubscriptionStatus::Active, vec![1999, 0]));
    days(31);
    assert_eq!(totals().await, [2999, 1999, 0]);
    assert_eq!(client.subscription_card(&id).await.unwrap().unwrap().last4, "4242");

    let hook = format!("{}/_local/subscriptions/{id}", stripe.url());
    let change = json!({"card": "4000000000009995"});
    assert_eq!(browser().post(&hook).json(&change).send().await.unwrap().status(), 200);
    days(31);
    assert_eq!(status().await, SubscriptionStatus::PastDue);
    days(10);
    assert_eq!(status().await, SubscriptionStatus::Canceled);
    assert!(client.list_subscriptions(&customer).await.unwrap().is_empty());
    assert_eq!(client.cancel_subscription(&id).await.unwrap_err(), StripeError::NotFound);
}
