//! `/pos/stripe/connect`: the account, its balance and its payouts (contract §10).

use domain::member::Role;
use futures_util::future::join_all;
use local::stripe::Fault;
use serde_json::{Value, json};

use crate::{
    app::{Answer, App, assert_exact_members},
    pos::till::{CASH, sell, sell_by_card},
};

const STATUS: &str = "hasConnectedAccount onboardingComplete onboardingState chargesEnabled payoutsEnabled \
    detailsSubmitted requirementsCurrentlyDue requirementsPastDue disabledReason businessName externalAccountLast4 \
    externalAccountBankName defaultCurrency country";

fn path(name: &str) -> String {
    format!("/pos/stripe/connect/{name}")
}

async fn get(app: &App, token: &str, name: &str) -> Answer {
    app.get(&path(name)).token(token).send().await
}

async fn post(app: &App, token: &str, name: &str, body: Value) -> Answer {
    app.post(&path(name)).token(token).json(&body).send().await
}

async fn status(app: &App, token: &str) -> Value {
    get(app, token, "status").await.expect(200)
}

async fn state(app: &App, token: &str) -> String {
    status(app, token).await["onboardingState"].as_str().unwrap().to_owned()
}

/// What Stripe decides on its own.
async fn at_stripe(app: &App, account: &str, changes: Value) {
    let hook = format!("{}/_local/accounts/{account}", app.cloud.stripe_url());
    app.post(&hook).json(&changes).send().await.expect(200);
}

/// The owner of an organization that has no account.
async fn new_owner(app: &App) -> String {
    app.change_member("other", |member| member.role = Some(Role::Superadmin)).await;
    app.sign_in("other").await
}

async fn pay_out(app: &App, token: &str, key: &str, body: Value) -> Answer {
    app.post(&path("payouts")).token(token).header("idempotency-key", key).json(&body).send().await
}

/// An error of the counter: its status and code.
#[track_caller]
fn refused(answer: Answer, status: u16, code: &str) {
    let body = answer.expect(status);
    assert_eq!(body["code"], code, "{body}");
    assert!(body["error"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
}

#[tokio::test]
async fn an_organization_without_an_account_is_told_so_and_sells_for_cash() {
    let app = App::start().await;
    let other = app.sign_in("other").await;
    let told = status(&app, &other).await;
    assert_exact_members(&told, STATUS);
    assert_eq!((&told["hasConnectedAccount"], &told["onboardingState"]), (&json!(false), &json!("not_started")));
    assert_eq!((&told["chargesEnabled"], &told["requirementsPastDue"]), (&json!(false), &json!([])));
    assert_eq!((&told["businessName"], &told["country"]), (&Value::Null, &Value::Null));
    for name in ["balance", "payouts"] {
        refused(get(&app, &other, name).await, 404, "NO_CONNECTED_ACCOUNT");
    }
    for (name, body) in
        [("payouts", json!({"amount": 1})), ("refresh-status", json!({})), ("onboarding-link", json!({}))]
    {
        refused(post(&app, &other, name, body).await, 404, "NO_CONNECTED_ACCOUNT");
    }
    refused(post(&app, &other, "create-account", json!({})).await, 403, "FORBIDDEN");

    sell(&app, &other, CASH, 1250).await;
    let listed = get(&app, &other, "transactions").await.expect(200);
    assert_eq!((&listed["data"][0]["amount"], &listed["data"][0]["currency"]), (&json!(1250), &json!("usd")));
    let dashboard = get(&app, &other, "dashboard").await.expect(200);
    assert_eq!(dashboard["balance"], json!({"available": 0.0, "pending": 0.0, "currency": "usd"}));
    assert_eq!(dashboard["today"]["sales"], 12.5);
}

#[tokio::test]
async fn an_owner_introduces_the_business_and_takes_cards() {
    let app = App::start().await;
    let owner = new_owner(&app).await;
    for (body, field) in [(json!({"country": "USA"}), "country"), (json!({"country": "ZZ"}), "country")] {
        let body = post(&app, &owner, "create-account", body).await.expect(400);
        assert_eq!((&body["error"], &body["details"][0]["path"]), (&json!("VALIDATION_ERROR"), &json!(field)));
    }
    let body = json!({"country": "dk", "businessType": "company"});
    let opened = post(&app, &owner, "create-account", body).await.expect(200);
    assert_exact_members(&opened, "accountId onboardingUrl");
    let told = status(&app, &owner).await;
    assert_eq!((&told["hasConnectedAccount"], &told["onboardingState"]), (&json!(true), &json!("not_started")));
    assert_eq!((&told["country"], &told["defaultCurrency"]), (&json!("DK"), &json!("dkk")));
    assert!(told["requirementsPastDue"].as_array().unwrap().contains(&json!("external_account")));

    let again = post(&app, &owner, "create-account", json!({})).await.expect(200);
    assert_eq!(again["accountId"], opened["accountId"], "one account for ever");
    assert_ne!(again["onboardingUrl"], opened["onboardingUrl"], "a new link each time");
    let link = post(&app, &owner, "onboarding-link", json!({})).await.expect(200);
    assert_exact_members(&link, "onboardingUrl");

    let url = link["onboardingUrl"].as_str().unwrap();
    let page = app.get(url).send().await.expect(200);
    assert!(page.as_str().unwrap().contains("Introduce your business"));
    let submitted = app.post(url).header("content-type", "application/x-www-form-urlencoded");
    let done = submitted.body("businessName=Other+Bar&bankLast4=4321&outcome=complete").send().await.expect(200);
    assert!(done.as_str().unwrap().contains("/connect/complete"));

    let told = status(&app, &owner).await;
    assert_eq!((&told["onboardingState"], &told["onboardingComplete"]), (&json!("active"), &json!(true)));
    assert_eq!((&told["chargesEnabled"], &told["payoutsEnabled"]), (&json!(true), &json!(true)));
    assert_eq!((&told["businessName"], &told["externalAccountLast4"]), (&json!("Other Bar"), &json!("4321")));
    assert_eq!(told["externalAccountBankName"], "STRIPE TEST BANK");
    let fresh = post(&app, &owner, "refresh-status", json!({})).await.expect(200);
    assert_eq!(fresh, json!({"onboardingState": "active", "chargesEnabled": true, "payoutsEnabled": true}));
    get(&app, &owner, "balance").await.expect(200);
}

/// An organization has one account, however many phones of its owner ask at once, and whatever they ask for.
#[tokio::test]
async fn who_asks_at_once_gets_the_same_account() {
    let app = App::start().await;
    let owner = new_owner(&app).await;
    let before = app.cloud.stripe().objects("account").len();
    let asked = (0..8).map(|i| {
        let body = if i % 2 == 0 { json!({"country": "US"}) } else { json!({"country": "GB"}) };
        post(&app, &owner, "create-account", body)
    });
    let mut ids = Vec::new();
    for answer in join_all(asked).await {
        ids.push(answer.expect(200)["accountId"].clone());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
    let accounts = app.cloud.stripe().objects("account");
    let used = accounts.iter().filter(|account| account["id"] == ids[0]).count();
    assert_eq!(used, 1);
    assert!(accounts.len() > before);
    assert_eq!(status(&app, &owner).await["hasConnectedAccount"], true);
}

/// The answer of Stripe to the first request is lost, as is everything after it: the next request finds the account.
#[tokio::test]
async fn an_account_whose_opening_broke_off_is_found_again() {
    let app = App::start().await;
    let owner = new_owner(&app).await;
    let before = app.cloud.stripe().objects("account").len();
    app.cloud.stripe().fail_next(3, Fault::TimeoutAfterCommit);
    refused(post(&app, &owner, "create-account", json!({})).await, 503, "SERVICE_UNAVAILABLE");
    assert_eq!(status(&app, &owner).await["hasConnectedAccount"], false);
    post(&app, &owner, "create-account", json!({})).await.expect(200);
    assert_eq!(app.cloud.stripe().objects("account").len(), before + 1, "the very account");
}

#[tokio::test]
async fn every_state_of_onboarding() {
    let app = App::start().await;
    let owner = app.sign_in("superadmin").await;
    let account = local::seed::counter::ACCOUNT_ID;
    let requirements = |due: &[&str], past: &[&str], reason: Value| json!({"currently_due": due, "past_due": past, "disabled_reason": reason});
    let none = || requirements(&[], &[], Value::Null);
    let cases = [
        ("active", json!({"requirements": none()})),
        ("pending_verification", json!({"requirements": requirements(&["a"], &[], Value::Null)})),
        ("incomplete", json!({"payouts_enabled": false})),
        ("pending_verification", json!({"requirements": none()})),
        ("restricted", json!({"requirements": requirements(&["a"], &["a"], Value::Null)})),
        ("disabled", json!({"requirements": requirements(&["a"], &["a"], json!("rejected.fraud"))})),
        ("not_started", json!({"details_submitted": false})),
    ];
    for (expected, changes) in cases {
        at_stripe(&app, account, changes.clone()).await;
        let fresh = post(&app, &owner, "refresh-status", json!({})).await.expect(200);
        assert_eq!(fresh["onboardingState"], expected, "{changes}");
        assert_eq!(state(&app, &owner).await, expected);
    }
    assert_eq!(status(&app, &owner).await["disabledReason"], "rejected.fraud");
    refused(get(&app, &owner, "balance").await, 403, "PAYOUTS_NOT_ENABLED");
    get(&app, &owner, "payouts").await.expect(200);
    refused(post(&app, &owner, "payouts", json!({})).await, 403, "PAYOUTS_NOT_ENABLED");
}

#[tokio::test]
async fn stripe_is_asked_after_five_minutes_or_after_a_link() {
    let app = App::start().await;
    let owner = app.sign_in("superadmin").await;
    let account = local::seed::counter::ACCOUNT_ID;
    app.cloud.stripe().pause_webhooks();
    at_stripe(&app, account, json!({"charges_enabled": false})).await;
    assert_eq!(state(&app, &owner).await, "active", "what was known a moment ago");
    app.advance(301).await;
    assert_eq!(state(&app, &owner).await, "pending_verification", "five minutes later");
    at_stripe(&app, account, json!({"charges_enabled": true})).await;
    assert_eq!(state(&app, &owner).await, "pending_verification");
    post(&app, &owner, "onboarding-link", json!({})).await.expect(200);
    assert_eq!(state(&app, &owner).await, "active", "a link was given out");

    post(&app, &owner, "onboarding-link", json!({})).await.expect(200);
    app.cloud.stripe().fail_next(3, Fault::Http500);
    assert_eq!(state(&app, &owner).await, "active", "as it was last known, when Stripe does not answer");
    at_stripe(&app, account, json!({"charges_enabled": false})).await;
    assert_eq!(state(&app, &owner).await, "pending_verification", "and it is asked again");
}

/// Stripe tells of each step on its page; the owner who comes back sees the last one all the same.
#[tokio::test]
async fn a_notice_does_not_use_up_a_link() {
    let app = App::start().await;
    let owner = app.sign_in("superadmin").await;
    let account = local::seed::counter::ACCOUNT_ID;
    post(&app, &owner, "onboarding-link", json!({})).await.expect(200);
    at_stripe(&app, account, json!({"charges_enabled": false})).await;
    assert!(app.cloud.stripe().webhooks_settled(std::time::Duration::from_secs(10)).await);
    app.cloud.drain().await;
    app.cloud.stripe().pause_webhooks();
    at_stripe(&app, account, json!({"charges_enabled": true})).await;
    assert_eq!(state(&app, &owner).await, "active");
}

/// Two ask Stripe; the one that asked first answers last.
#[tokio::test]
async fn an_older_answer_does_not_overwrite_a_newer_one() {
    let app = App::start().await;
    let ctx = app.cloud.ctx("pos-payments");
    let (pos, now) = (ctx.store().pos(), ctx.now());
    let org = app.demo["org_id"].as_str().unwrap().parse().unwrap();
    let account = async || pos.load_terms(org).await.unwrap().account.unwrap();
    let said = ctx.stripe().unwrap().retrieve_account(local::seed::counter::ACCOUNT_ID).await.unwrap().facts;
    let off = domain::pos::connect::AccountFacts { charges_enabled: false, ..said.clone() };
    let read = account().await;
    let newer = pos.sync_account(&read, &off, true, now).await.unwrap().unwrap();
    assert!(!newer.charges_enabled && newer.synced_at > read.synced_at);
    assert_eq!(pos.sync_account(&read, &said, true, now).await.unwrap(), None);
    assert_eq!(account().await, newer);

    // A link that was given out after the account was read is not used by what is written then.
    pos.note_link_given(org, &newer.account).await.unwrap();
    let synced = pos.sync_account(&newer, &said, true, now).await.unwrap().unwrap();
    assert!(synced.link_given && synced.synced_at > newer.synced_at);
    assert!(!pos.sync_account(&synced, &said, true, now).await.unwrap().unwrap().link_given);
}

/// The account was closed, or its owner has cut it off from us: that is its own trouble, not our key's.
#[tokio::test]
async fn an_account_that_is_closed_to_us_is_off() {
    let app = App::start().await;
    let owner = app.sign_in("superadmin").await;
    let gone = app.call(
        reqwest::Method::DELETE,
        &format!("{}/v1/accounts/{}", app.cloud.stripe_url(), local::seed::counter::ACCOUNT_ID),
    );
    gone.token(local::stripe::SECRET_KEY).send().await.expect(200);
    let intent =
        async || app.post("/pos/stripe/terminal/payment-intent").token(&owner).json(&json!({"amount": 5})).send().await;
    refused(intent().await, 403, "PAYMENTS_NOT_ENABLED");
    refused(get(&app, &owner, "balance").await, 403, "PAYMENTS_NOT_ENABLED");
    let fresh = post(&app, &owner, "refresh-status", json!({})).await.expect(200);
    assert_eq!(fresh, json!({"onboardingState": "disabled", "chargesEnabled": false, "payoutsEnabled": false}));
    let told = status(&app, &owner).await;
    assert_eq!((&told["disabledReason"], &told["country"]), (&json!("account_invalid"), &json!("US")));
    refused(intent().await, 403, "PAYMENTS_NOT_ENABLED");
    refused(get(&app, &owner, "balance").await, 403, "PAYOUTS_NOT_ENABLED");
    refused(post(&app, &owner, "payouts", json!({})).await, 403, "PAYOUTS_NOT_ENABLED");
}

#[tokio::test]
async fn a_notice_of_stripe_is_followed() {
    let app = App::start().await;
    let owner = app.sign_in("superadmin").await;
    at_stripe(&app, local::seed::counter::ACCOUNT_ID, json!({"payouts_enabled": false})).await;
    app.until("the notice is followed", async || state(&app, &owner).await == "pending_verification").await;
}

#[tokio::test]
async fn a_balance_is_paid_out() {
    let app = App::start().await;
    let (owner, admin) = (app.sign_in("superadmin").await, app.sign_in("admin").await);
    let empty = get(&app, &admin, "balance").await.expect(200);
    assert_exact_members(&empty, "available pending instantAvailable");
    assert_eq!(empty["available"], json!([{"amount": 0.0, "currency": "usd"}]));
    refused(post(&app, &admin, "payouts", json!({})).await, 400, "INSUFFICIENT_BALANCE");

    sell_by_card(&app, &owner, 10_000).await;
    // $100 less Stripe's 2.7 % + 5¢, and our 0.1 % + 1¢ of the demo organization, which is on the pro tier.
    let available = async || get(&app, &admin, "balance").await.expect(200)["available"][0]["amount"].clone();
    assert_eq!(available().await, 97.14);
    assert_eq!(get(&app, &admin, "dashboard").await.expect(200)["balance"]["available"], 97.14);

    let body = json!({"amount": 10.5, "description": "Friday"});
    let made = post(&app, &admin, "payouts", body).await.expect(200);
    assert_exact_members(&made, "id amount currency status method arrivalDate created");
    assert_eq!(
        (&made["amount"], &made["method"], &made["status"]),
        (&json!(10.5), &json!("standard"), &json!("pending"))
    );
    assert!(made["arrivalDate"].as_i64() > made["created"].as_i64());
    assert_eq!(available().await, 86.64);
    let instant = post(&app, &admin, "payouts", json!({"amount": 20, "method": "instant"})).await.expect(200);
    assert_eq!((&instant["fee"], &instant["amount"]), (&json!(0.2), &json!(20.0)));
    assert_eq!(available().await, 66.44);
    // 1 % of $65.78 is 66 cents; of a cent more it would be the same, and a cent too much.
    refused(
        post(&app, &admin, "payouts", json!({"amount": 66.44, "method": "instant"})).await,
        400,
        "INSUFFICIENT_BALANCE",
    );
    let rest = post(&app, &admin, "payouts", json!({"method": "instant"})).await.expect(200);
    assert_eq!((&rest["amount"], &rest["fee"]), (&json!(65.78), &json!(0.66)));
    assert_eq!(available().await, 0.0);

    let all = get(&app, &admin, "payouts").await.expect(200);
    let row = "id amount currency status method arrivalDate created description failureCode failureMessage automatic destination";
    let ids: Vec<&Value> = all["data"].as_array().unwrap().iter().map(|payout| &payout["id"]).collect();
    assert_eq!(ids, [&rest["id"], &instant["id"], &made["id"]], "newest first");
    assert_exact_members(&all["data"][2], row);
    let destination = json!({"last4": "6789", "bankName": "STRIPE TEST BANK", "type": "bank_account"});
    assert_eq!((&all["data"][2]["destination"], &all["data"][2]["description"]), (&destination, &json!("Friday")));
    let page = get(&app, &admin, "payouts?limit=1").await.expect(200);
    assert_eq!((page["data"].as_array().unwrap().len(), &page["hasMore"]), (1, &json!(true)));
    let after = format!("payouts?starting_after={}", instant["id"].as_str().unwrap());
    let page = get(&app, &admin, &after).await.expect(200);
    assert_eq!((&page["data"][0]["id"], &page["hasMore"]), (&made["id"], &json!(false)));
    for bad in ["payouts?starting_after=po_nobody", "payouts?limit=0", "payouts?limit=101"] {
        assert_eq!(get(&app, &admin, bad).await.expect(400)["error"], "VALIDATION_ERROR");
    }
    for bad in [json!({"amount": 0}), json!({"amount": -1}), json!({"amount": "x"}), json!({"method": "never"})] {
        assert_eq!(post(&app, &admin, "payouts", bad).await.expect(400)["error"], "VALIDATION_ERROR");
    }
}

/// The first try takes all there is, so that the second one finds an empty balance: it must not look.
#[tokio::test]
async fn a_payout_with_a_key_is_made_once() {
    let app = App::start().await;
    let owner = app.sign_in("superadmin").await;
    sell_by_card(&app, &owner, 10_000).await;
    let tries = join_all((0..4).map(|_| pay_out(&app, &owner, "monday", json!({})))).await;
    let first = pay_out(&app, &owner, "monday", json!({})).await.expect(200);
    assert_eq!(first["amount"], 97.14);
    for answer in tries {
        assert_eq!(answer.expect(200)["id"], first["id"]);
    }
    assert_eq!(app.cloud.stripe().objects("payout").len(), 1);
    refused(pay_out(&app, &owner, "monday", json!({"amount": 1})).await, 422, "IDEMPOTENCY_KEY_REUSED");
    refused(pay_out(&app, &owner, "tuesday", json!({})).await, 400, "INSUFFICIENT_BALANCE");

    sell_by_card(&app, &owner, 10_000).await;
    // The sale's own notice must not meet the faults.
    app.cloud.drain().await;
    app.cloud.stripe().fail_next(4, Fault::TimeoutAfterCommit);
    refused(pay_out(&app, &owner, "wednesday", json!({})).await, 503, "SERVICE_UNAVAILABLE");
    app.cloud.stripe().clear_faults();
    assert_eq!(pay_out(&app, &owner, "wednesday", json!({})).await.expect(200)["amount"], 97.14);
    assert_eq!(app.cloud.stripe().objects("payout").len(), 2);
}

/// Stripe forgets a key after a day; we do not.
#[tokio::test]
async fn a_payout_with_a_key_is_made_once_for_ever() {
    let app = App::start().await;
    let owner = app.sign_in("superadmin").await;
    sell_by_card(&app, &owner, 20_000).await;
    app.cloud.drain().await;
    let body = json!({"amount": 10});
    let monday = pay_out(&app, &owner, "monday", body.clone()).await.expect(200);
    // Whoever made this one died before they heard of it.
    app.cloud.stripe().fail_next_on("POST /v1/payouts", 3, Fault::TimeoutAfterCommit);
    refused(pay_out(&app, &owner, "tuesday", body.clone()).await, 503, "SERVICE_UNAVAILABLE");
    // And this one never came to Stripe.
    app.cloud.stripe().fail_next_on("POST /v1/payouts", 3, Fault::Http500);
    refused(pay_out(&app, &owner, "wednesday", body.clone()).await, 503, "SERVICE_UNAVAILABLE");
    let made = async || app.cloud.stripe().objects("payout").len();
    assert_eq!(made().await, 2);

    for _ in 0..2 {
        app.advance(25 * 3600).await;
        let owner = app.sign_in("superadmin").await;
        assert_eq!(pay_out(&app, &owner, "monday", body.clone()).await.expect(200)["id"], monday["id"]);
        let tuesday = pay_out(&app, &owner, "tuesday", body.clone()).await.expect(200);
        assert_ne!(tuesday["id"], monday["id"]);
        assert_eq!(made().await, 2);
        refused(pay_out(&app, &owner, "monday", json!({"amount": 11})).await, 422, "IDEMPOTENCY_KEY_REUSED");
    }
    let owner = app.sign_in("superadmin").await;
    for answer in join_all((0..3).map(|_| pay_out(&app, &owner, "wednesday", body.clone()))).await {
        assert_eq!(answer.expect(200)["amount"], 10.0);
    }
    app.advance(25 * 3600).await;
    let owner = app.sign_in("superadmin").await;
    pay_out(&app, &owner, "wednesday", body).await.expect(200);
    assert_eq!(made().await, 3);
}

/// The counter sells for dollars, whatever an account is paid out in.
#[tokio::test]
async fn sales_are_told_in_dollars() {
    let app = App::start().await;
    let owner = new_owner(&app).await;
    post(&app, &owner, "create-account", json!({"country": "dk"})).await.expect(200);
    sell(&app, &owner, CASH, 1250).await;
    let listed = get(&app, &owner, "transactions").await.expect(200);
    assert_eq!((&listed["data"][0]["amount"], &listed["data"][0]["currency"]), (&json!(1250), &json!("usd")));
    let dashboard = get(&app, &owner, "dashboard").await.expect(200);
    assert_eq!(dashboard["balance"]["currency"], "dkk");
    assert_eq!(dashboard["recentTransactions"][0]["currency"], "usd");
}

#[tokio::test]
async fn staff_sell_and_look_but_see_no_money_at_the_bank() {
    let app = App::start().await;
    let staff = app.sign_in("staff").await;
    for name in ["status", "transactions"] {
        get(&app, &staff, name).await.expect(200);
    }
    for name in ["balance", "payouts", "dashboard", "analytics"] {
        refused(get(&app, &staff, name).await, 403, "FORBIDDEN");
    }
    for name in ["payouts", "create-account", "onboarding-link", "refresh-status"] {
        refused(post(&app, &staff, name, json!({})).await, 403, "FORBIDDEN");
    }
    let admin = app.sign_in("admin").await;
    refused(post(&app, &admin, "create-account", json!({})).await, 403, "FORBIDDEN");
    post(&app, &admin, "onboarding-link", json!({})).await.expect(200);
}
