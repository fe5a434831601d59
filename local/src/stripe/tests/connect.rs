//! Connected accounts, walked through as an owner and the production client do it.

use domain::ids::OrgId;
use payments::connect::{Account, LinkUrls, NewAccount, NewPayout};
use stripe_client_core::{RequestBuilder, StripeMethod};

use super::{typed::typed, *};

fn business() -> NewAccount {
    NewAccount {
        org: OrgId::from_random([1; 16]),
        name: "Lantern <Bar>".into(),
        email: "owner@example.com".into(),
        country: "US".into(),
        business_type: Some("company"),
    }
}

fn urls() -> LinkUrls {
    LinkUrls::of("http://127.0.0.1:9")
}

async fn opened() -> (Stripe, payments::Stripe, Account) {
    let (stripe, client) = stripe_and_client().await;
    let account = client.create_account(&business(), "account:1").await.unwrap();
    (stripe, client, account)
}

/// Opened and introduced.
async fn introduced() -> (Stripe, payments::Stripe, String) {
    let (stripe, client, account) = opened().await;
    let hook = format!("{}/_local/onboard/{}", stripe.url(), account.id);
    assert_eq!(browser().post(hook).send().await.unwrap().status(), 200);
    (stripe, client, account.id)
}

/// Takes a card in the account's name, by Stripe's API.
async fn charge(stripe: &Stripe, account: &str, amount: i64, fee: i64) -> Value {
    let body = format!(
        "amount={amount}&currency=usd&application_fee_amount={fee}&payment_method=pm_card_visa&confirm=true&payment_method_types[]=card"
    );
    let request = browser().post(format!("{}/v1/payment_intents", stripe.url())).bearer_auth(KEY);
    let answer = request.header("stripe-account", account).body(body).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

#[tokio::test]
async fn an_owner_introduces_the_business_in_the_browser() {
    let (stripe, client, account) = opened().await;
    assert!(!account.facts.charges_enabled && !account.facts.details_submitted);
    assert!(account.facts.past_due.contains(&"external_account".to_owned()));
    assert_eq!(account.facts.business_name.as_deref(), Some("Lantern <Bar>"));
    assert_eq!(client.create_account(&business(), "account:1").await.unwrap(), account, "one key, one account");

    let link = client.create_account_link(&account.id, &urls()).await.unwrap();
    let page = browser().get(&link).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("Agree and submit") && page.contains("Lantern &lt;Bar&gt;"));
    let answers = [("businessName", "Lantern Bar"), ("bankLast4", "4321"), ("outcome", "complete")];
    let done = browser().post(&link).form(&answers).send().await.unwrap().text().await.unwrap();
    assert!(done.contains("http://127.0.0.1:9/connect/complete"));

    let facts = client.retrieve_account(&account.id).await.unwrap().facts;
    assert!(facts.charges_enabled && facts.payouts_enabled && facts.details_submitted);
    assert!(facts.currently_due.is_empty() && facts.disabled_reason.is_none());
    assert_eq!((facts.bank_last4.as_deref(), facts.business_name.as_deref()), (Some("4321"), Some("Lantern Bar")));
    let event = stripe.events().into_iter().find(|event| event["type"] == "account.updated").unwrap();
    assert_eq!((&event["account"], &event["data"]["object"]["charges_enabled"]), (&json!(account.id), &json!(true)));

    let again = browser().get(&link).send().await.unwrap();
    assert_eq!(again.headers()["location"], "http://127.0.0.1:9/connect/refresh", "a link is good once");
    let late = client.create_account_link(&account.id, &urls()).await.unwrap();
    stripe.advance(Duration::from_secs(301));
    assert_eq!(browser().post(&late).form(&answers).send().await.unwrap().status(), 303, "and for five minutes");
}

#[tokio::test]
async fn what_no_page_leads_to_is_set_by_a_script() {
    let (stripe, client, account) = introduced().await;
    let hook = format!("{}/_local/accounts/{account}", stripe.url());
    let changes =
        json!({"requirements": {"past_due": ["individual.id_number"], "currently_due": ["individual.id_number"]}});
    assert_eq!(browser().post(hook).json(&changes).send().await.unwrap().status(), 200);
    let facts = client.retrieve_account(&account).await.unwrap().facts;
    assert_eq!((facts.past_due.len(), facts.charges_enabled, facts.disabled_reason), (1, true, None));
    for (answers, charges, payouts) in [("without_bank", true, false), ("in_review", false, false)] {
        let hook = format!("{}/_local/onboard/{account}", stripe.url());
        browser().post(hook).json(&json!({ "outcome": answers })).send().await.unwrap();
        let facts = client.retrieve_account(&account).await.unwrap().facts;
        assert_eq!((facts.charges_enabled, facts.payouts_enabled), (charges, payouts), "{answers}");
    }
    let nobody = format!("{}/_local/onboard/acct_nobody", stripe.url());
    assert_eq!(browser().post(nobody).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn an_account_that_is_given_up_is_gone() {
    let (_stripe, client, account) = opened().await;
    client.delete_account(&account.id).await.unwrap();
    assert_eq!(client.retrieve_account(&account.id).await, Err(StripeError::AccountRefused));
    assert_eq!(client.on_account(&account.id).retrieve_balance().await, Err(StripeError::AccountRefused));
    assert_eq!(client.retrieve_account("acct_nobody").await, Err(StripeError::AccountRefused));
    let unknown = NewAccount { country: "ZZ".into(), ..business() };
    assert!(matches!(client.create_account(&unknown, "account:2").await, Err(StripeError::Invalid { .. })));
}

/// $100 less 2.9 % + 30¢ and our 23¢ is $96.57; half of it given back gives no fees back.
#[tokio::test]
async fn a_balance_is_what_came_less_what_it_cost_and_what_went() {
    let (stripe, client, account) = introduced().await;
    let client = client.on_account(&account);
    let intent = charge(&stripe, &account, 10_000, 23).await;
    assert_eq!(client.retrieve_balance().await.unwrap().available_in(Currency::USD, false), Cents(9657));
    let payment = PaymentRef::PaymentIntent(intent["id"].as_str().unwrap().into());
    client.refund_payment(&payment, Some(Cents(5000)), "refund:1").await.unwrap();
    assert_eq!(client.retrieve_balance().await.unwrap().available_in(Currency::USD, true), Cents(4657));

    let payout = |amount, instant| NewPayout {
        amount: Cents(amount),
        currency: Currency::USD,
        instant,
        description: Some("Friday".into()),
        request: None,
    };
    let refused = client.create_payout(&payout(4658, false), "payout:1").await;
    assert!(matches!(refused, Err(StripeError::Invalid { code: Some(code), .. }) if code == "balance_insufficient"));
    let first = client.create_payout(&payout(1000, false), "payout:2").await.unwrap();
    assert_eq!(client.create_payout(&payout(1000, false), "payout:2").await.unwrap(), first, "one key, one payout");
    assert_eq!((first.status.as_str(), first.method.as_str()), ("pending", "standard"));
    assert_eq!(first.destination.as_ref().unwrap().last4.as_deref(), Some("6789"));
    let instant = client.create_payout(&payout(3000, true), "payout:3").await.unwrap();
    assert!(instant.arrival_date < first.arrival_date);
    // 1 % of $30 is 30 cents.
    assert_eq!(client.retrieve_balance().await.unwrap().available_in(Currency::USD, false), Cents(627));
    assert!(client.create_payout(&payout(627, true), "payout:4").await.is_err(), "its price is not there");

    let page = client.list_payouts(1, None).await.unwrap();
    assert_eq!((page.data.as_slice(), page.has_more), (std::slice::from_ref(&instant), true));
    let rest = client.list_payouts(10, Some(&instant.id)).await.unwrap();
    assert_eq!((rest.data, rest.has_more), (vec![first.clone()], false));
    assert_eq!(client.list_payouts(10, Some("po_nobody")).await, Err(StripeError::NotFound));
    stripe.advance(Duration::from_secs(2 * 24 * 3600));
    assert_eq!(client.retrieve_payout(&first.id).await.unwrap().status, "paid");
    let paid = stripe.events().into_iter().filter(|event| event["type"] == "payout.paid").count();
    assert_eq!(paid, 2);
}

#[tokio::test]
async fn accounts_do_not_see_each_other() {
    let (stripe, client, account) = introduced().await;
    charge(&stripe, &account, 10_000, 0).await;
    let other = client.create_account(&NewAccount { name: "Other".into(), ..business() }, "account:2").await.unwrap();
    let balance = |client: payments::Stripe| async move {
        client.retrieve_balance().await.unwrap().available_in(Currency::USD, false)
    };
    assert_eq!(balance(client.on_account(&other.id)).await, Cents::ZERO);
    assert_eq!(balance(client.clone()).await, Cents::ZERO, "nor does the platform have their money");
    let new = NewPayout { amount: Cents(1), currency: Currency::USD, instant: false, description: None, request: None };
    assert!(client.on_account(&other.id).create_payout(&new, "payout:1").await.is_err(), "payouts are not enabled");
}

#[tokio::test]
async fn events_of_accounts_go_to_connect_targets_only() {
    let (stripe, _, account) = introduced().await;
    let events: Vec<Value> = stripe.events().into_iter().filter(|event| event["account"] == account.as_str()).collect();
    assert!(!events.is_empty());
    let target = |connect| WebhookTarget { connect, ..WebhookTarget::new("http://127.0.0.1:1/", SECRET) };
    stripe.set_webhook_targets(vec![target(false)]);
    assert_eq!(stripe.deliver(events[0]["id"].as_str().unwrap(), 1).await.unwrap(), Vec::<u16>::new());
    stripe.set_webhook_targets(vec![target(true)]);
    assert_eq!(stripe.deliver(events[0]["id"].as_str().unwrap(), 1).await.unwrap(), [0]);
}

#[tokio::test]
async fn stripes_own_types_understand_the_objects() {
    let (stripe, _, mut typed) = typed().await;
    stripe.plant_account("acct_1Planted", "Lantern");
    stripe.plant_account("acct_1Planted", "Lantern");
    assert!(stripe.events().is_empty(), "a planted account is no news");
    let get = |path: &str| RequestBuilder::new(StripeMethod::Get, path.to_owned());
    let account = get("/accounts/acct_1Planted").customize::<stripe_shared::Account>().send(&typed).await.unwrap();
    assert_eq!((account.charges_enabled, account.payouts_enabled), (Some(true), Some(true)));
    assert_eq!(account.external_accounts.unwrap().data.len(), 1);
    let listed = get("/accounts").customize::<stripe_types::List<stripe_shared::Account>>().send(&typed).await.unwrap();
    assert_eq!(listed.data.len(), 1);

    let client = payments::Stripe::new(KEY, Some(stripe.url())).on_account("acct_1Planted");
    charge(&stripe, "acct_1Planted", 5000, 0).await;
    let new =
        NewPayout { amount: Cents(100), currency: Currency::USD, instant: true, description: None, request: None };
    let payout = client.create_payout(&new, "payout:1").await.unwrap();
    let in_its_name = reqwest::header::HeaderMap::from_iter([(
        reqwest::header::HeaderName::from_static("stripe-account"),
        reqwest::header::HeaderValue::from_static("acct_1Planted"),
    )]);
    typed.http = reqwest::Client::builder().default_headers(in_its_name).build().unwrap();
    let path = format!("/payouts/{}", payout.id);
    let read = get(&path).customize::<stripe_shared::Payout>().send(&typed).await.unwrap();
    assert_eq!((read.amount, read.status.as_str()), (100, "pending"));
    let read = get("/balance").customize::<stripe_core::Balance>().send(&typed).await.unwrap();
    assert_eq!(read.available[0].amount, 5000 - 175 - 100 - 1);
}
