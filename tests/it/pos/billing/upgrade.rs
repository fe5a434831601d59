//! Bought on the web: the page, its trial, its invoices, the portal.

use futures_util::future::join_all;
use local::stripe::Fault;
use reqwest::Method;

use super::*;
use crate::app::assert_exact_members;

#[tokio::test]
async fn without_a_subscription_all_is_null() {
    let app = App::start().await;
    let other = app.sign_in("other").await;
    let ask = async |name: &str| app.get(&format!("/pos/billing/{name}")).token(&other).send().await.expect(200);
    let info = ask("subscription-info").await;
    let expected = json!({"tier": "starter", "status": "none", "platform": "stripe", "current_plan": null,
        "current_period_end": null, "cancel_at": null, "canceled_at": null, "trial_end": null,
        "manage_subscription_url": null});
    assert_eq!(info, expected);
    let payment = ask("payment-info").await;
    let expected = json!({"payment_method": null, "manage_payment_url": null, "next_billing_date": null,
        "subscription_status": "none", "current_plan": null, "manage_subscription_url": null, "cancel_at": null,
        "canceled_at": null, "platform": "stripe"});
    assert_eq!(payment, expected);
    let history = ask("history").await;
    let none = json!({"page": 1, "per_page": 10, "total_pages": 0, "total_count": 0, "has_next": false,
        "has_previous": false});
    assert_eq!(history, json!({"data": [], "pagination": none}));
    let starter = new_owner(&app, "starter").await.info(&app).await;
    assert_eq!((tier_and_status(&starter), &starter["current_plan"]), (("starter", "active"), &Value::Null));
}

#[tokio::test]
async fn the_pro_tier_is_tried_then_paid() {
    let app = App::start().await;
    let owner = new_owner(&app, "nora").await;
    let session = owner.upgrade_page(&app).await;
    assert_eq!(owner.upgrade_page(&app).await, session, "the page that is open");
    let page = app.get(&format!("{}/c/pay/{session}", app.cloud.stripe_url())).send().await.expect(200);
    assert!(page.as_str().unwrap().contains("7 days free, then $29.99 a month"));
    pay(&app, &session, DECLINED).await.expect(402);
    assert_eq!(tier_and_status(&owner.info(&app).await), ("starter", "active"));

    pay(&app, &session, VISA).await.expect(200);
    settle(&app).await;
    let info = owner.info(&app).await;
    assert_exact_members(&info, INFO);
    assert_eq!((tier_and_status(&info), &info["platform"]), (("pro", "trialing"), &json!("stripe")));
    let plan = json!({"name": "Pro", "price": 2999, "currency": "usd", "interval": "month"});
    assert_eq!(info["current_plan"], plan);
    let end: jiff::Timestamp = info["trial_end"].as_str().unwrap().parse().unwrap();
    let days = end.duration_since(app.cloud.now()).as_secs_f64() / 86_400.0;
    assert!((6.9..=7.0).contains(&days), "{days}");
    assert_eq!(info["current_period_end"], info["trial_end"]);
    assert!(info["manage_subscription_url"].as_str().unwrap().ends_with("/billing"));
    refused(owner.post(&app, "create-upgrade-session", json!({})).await, 400, "ALREADY_SUBSCRIBED");
    let login = app.post("/pos/auth/login").json(&json!({"email": owner.email, "password": PASSWORD})).send().await;
    assert_eq!(login.expect(200)["subscription"], json!({"tier": "pro", "status": "trialing"}));

    let payment = owner.payment_info(&app).await;
    assert_exact_members(
        &payment,
        "payment_method manage_payment_url next_billing_date subscription_status \
        current_plan manage_subscription_url cancel_at canceled_at platform",
    );
    let card = json!({"type": "card", "last4": "4242", "brand": "visa", "exp_month": 12, "exp_year": 2034});
    assert_eq!((&payment["payment_method"], &payment["current_plan"]), (&card, &plan));
    assert_eq!(
        (&payment["subscription_status"], &payment["next_billing_date"]),
        (&json!("trialing"), &info["trial_end"])
    );

    owner.at_stripe(&app, json!({"endPeriod": true})).await;
    assert_eq!(tier_and_status(&owner.info(&app).await), ("pro", "active"));
    let history = owner.get(&app, "history").await.expect(200);
    let invoices = history["data"].as_array().unwrap();
    assert_eq!(invoices.len(), 2);
    assert_exact_members(&invoices[0], "id date amount currency status description invoice_url pdf_url");
    let amounts: Vec<&Value> = invoices.iter().map(|invoice| &invoice["amount"]).collect();
    assert_eq!(amounts, [1999, 0], "the first month is cheaper, the trial free; newest first");
    assert_eq!((&invoices[0]["status"], &invoices[0]["currency"]), (&json!("paid"), &json!("usd")));
    assert_eq!(invoices[0]["description"], "1 × Pro (at $29.99 / month)");
    assert_eq!(invoices[1]["description"], "Trial period for Pro");
    let page = app.get(invoices[0]["invoice_url"].as_str().unwrap()).send().await.expect(200);
    assert!(page.as_str().unwrap().contains("$19.99"));
}

#[tokio::test]
async fn time_renews_it_at_the_full_price() {
    let app = App::start().await;
    let mut owner = new_owner(&app, "nora").await;
    owner.upgrade(&app).await;
    app.advance(40 * 86_400).await;
    settle(&app).await;
    owner.sign_in(&app).await;
    let info = owner.info(&app).await;
    assert_eq!(tier_and_status(&info), ("pro", "active"));
    assert!(info["current_period_end"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap() > app.cloud.now());
    let history = owner.get(&app, "history").await.expect(200);
    assert_eq!(history["data"][0]["amount"], 2999, "{history}");
    assert_eq!(history["pagination"]["total_count"], 3);
}

/// However many phones and tabs of however many managers ask at once: there is one page, and so one subscription.
#[tokio::test]
async fn who_asks_at_once_gets_one_page() {
    let app = App::start().await;
    let owner = new_owner(&app, "nora").await;
    let mut pages = join_all((0..6).map(|_| owner.upgrade_page(&app))).await;
    pages.dedup();
    assert_eq!(pages.len(), 1, "{pages:?}");
    let customers = app.cloud.stripe().objects("customer");
    let own = customers.iter().filter(|customer| customer["metadata"]["organization_id"] == owner.org.to_string());
    assert_eq!(own.count(), 1);
    // The page has closed: there is another.
    app.advance(70 * 60).await;
    let mut owner = owner;
    owner.sign_in(&app).await;
    assert_ne!(owner.upgrade_page(&app).await, pages[0]);
}

/// Stripe's notice of a purchase is lost; who asks for a page again is told that they have bought, and has.
#[tokio::test]
async fn what_was_bought_is_found_without_its_notice() {
    let app = App::start().await;
    let owner = new_owner(&app, "nora").await;
    let session = owner.upgrade_page(&app).await;
    app.cloud.stripe().pause_webhooks();
    pay(&app, &session, VISA).await.expect(200);
    app.cloud.stripe().discard_webhooks();
    assert_eq!(tier_and_status(&owner.info(&app).await), ("starter", "active"));
    refused(owner.post(&app, "create-upgrade-session", json!({})).await, 400, "ALREADY_SUBSCRIBED");
    assert_eq!(tier_and_status(&owner.info(&app).await), ("pro", "trialing"));
}

#[tokio::test]
async fn when_stripe_is_away_nothing_is_lost() {
    let app = App::start().await;
    let owner = new_owner(&app, "nora").await;
    app.cloud.stripe().fail_next(3, Fault::Http500);
    refused(owner.post(&app, "create-upgrade-session", json!({})).await, 503, "SERVICE_UNAVAILABLE");
    app.cloud.stripe().fail_next(3, Fault::TimeoutAfterCommit);
    refused(owner.post(&app, "create-upgrade-session", json!({})).await, 503, "SERVICE_UNAVAILABLE");
    let session = owner.upgrade_page(&app).await;
    // What Stripe's notices ask fails too, and they are applied when it is back.
    app.cloud.stripe().pause_webhooks();
    pay(&app, &session, VISA).await.expect(200);
    app.cloud.stripe().fail_next(7, Fault::Http500);
    app.cloud.stripe().resume_webhooks();
    app.until("the notice is applied", async || owner.info(&app).await["tier"] == "pro").await;
    app.cloud.stripe().clear_faults();
    // The app's question at its start does not ask Stripe.
    app.cloud.stripe().fail_next(30, Fault::Http500);
    assert_eq!(owner.info(&app).await["tier"], "pro");
    refused(owner.get(&app, "payment-info").await, 503, "SERVICE_UNAVAILABLE");
    app.cloud.stripe().clear_faults();
}

async fn in_portal(app: &App, owner: &Owner, form: &str) -> String {
    let url = owner.payment_info(app).await["manage_subscription_url"].as_str().unwrap().to_owned();
    let submitted = app.post(&url).header("content-type", "application/x-www-form-urlencoded");
    let page = submitted.body(form.to_owned()).send().await.expect(200);
    settle(app).await;
    page.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn it_is_cancelled_and_resumed_in_the_portal() {
    let app = App::start().await;
    let owner = new_owner(&app, "nora").await;
    owner.upgrade(&app).await;
    let payment = owner.payment_info(&app).await;
    let page = app.get(payment["manage_payment_url"].as_str().unwrap()).send().await.expect(200);
    assert!(page.as_str().unwrap().contains("visa ending in 4242"));

    assert!(in_portal(&app, &owner, "action=cancel").await.contains("Resume the subscription"));
    let info = owner.info(&app).await;
    assert_eq!(tier_and_status(&info), ("pro", "trialing"), "until its end");
    assert_eq!(info["cancel_at"], info["current_period_end"]);
    assert!(info["canceled_at"].is_string());
    let payment = owner.payment_info(&app).await;
    assert_eq!((&payment["next_billing_date"], &payment["cancel_at"]), (&Value::Null, &info["cancel_at"]));

    in_portal(&app, &owner, "action=resume").await;
    let info = owner.info(&app).await;
    assert_eq!((&info["cancel_at"], &info["canceled_at"]), (&Value::Null, &Value::Null));

    in_portal(&app, &owner, "action=card&number=5555555555554444").await;
    assert_eq!(owner.payment_info(&app).await["payment_method"]["brand"], "mastercard");

    in_portal(&app, &owner, "action=cancel").await;
    owner.at_stripe(&app, json!({"endPeriod": true})).await;
    let info = owner.info(&app).await;
    assert_eq!((tier_and_status(&info), &info["current_plan"]), (("starter", "canceled"), &Value::Null));
    let payment = owner.payment_info(&app).await;
    assert_eq!((&payment["subscription_status"], &payment["payment_method"]), (&json!("canceled"), &Value::Null));
}

#[tokio::test]
async fn invoices_come_by_the_page() {
    let app = App::start().await;
    let owner = new_owner(&app, "nora").await;
    owner.upgrade(&app).await;
    for _ in 0..6 {
        owner.at_stripe(&app, json!({"endPeriod": true})).await;
    }
    let page = async |query: &str| owner.get(&app, &format!("history?{query}")).await.expect(200);
    let all = page("per_page=100").await;
    let ids = |page: &Value| -> Vec<String> {
        page["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&all).len(), 7);
    let mut seen = Vec::new();
    for (number, has_next) in [(1, true), (2, true), (3, false)] {
        let part = page(&format!("page={number}&per_page=3")).await;
        let expected = json!({"page": number, "per_page": 3, "total_pages": 3, "total_count": 7, "has_next": has_next,
            "has_previous": number > 1});
        assert_eq!(part["pagination"], expected);
        seen.extend(ids(&part));
    }
    assert_eq!(seen, ids(&all));
    assert_eq!(page("page=4&per_page=3").await["data"], json!([]));
    for (query, path) in
        [("page=0", "page"), ("page=1001", "page"), ("per_page=0", "per_page"), ("per_page=101", "per_page")]
    {
        let body = owner.get(&app, &format!("history?{query}")).await.expect(400);
        assert_eq!((&body["error"], &body["details"][0]["path"]), (&json!("VALIDATION_ERROR"), &json!(path)));
    }
    for query in ["page=x", "page=-1", "per_page=1.5"] {
        assert_eq!(owner.get(&app, &format!("history?{query}")).await.expect(400)["error"], "VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn staff_know_the_tier_and_touch_nothing() {
    let app = App::start().await;
    let staff = app.sign_in("staff").await;
    let call = async |method: Method, name: &str| {
        app.call(method, &format!("/pos/billing/{name}")).token(&staff).json(&json!({})).send().await
    };
    assert_eq!(call(Method::GET, "subscription-info").await.expect(200)["tier"], "pro");
    for name in ["history", "payment-info"] {
        refused(call(Method::GET, name).await, 403, "FORBIDDEN");
    }
    refused(call(Method::POST, "create-upgrade-session").await, 403, "FORBIDDEN");
    // Home's plan was agreed on, and is paid elsewhere.
    let admin = app.sign_in("admin").await;
    let answer = app.post("/pos/billing/create-upgrade-session").token(&admin).send().await;
    refused(answer, 400, "ALREADY_SUBSCRIBED");
}
