//! The disagreement register (contract `pos.md` §20, decided in DECISIONS): one test for each of its rows.

use domain::pos::tier::Tier;
use reqwest::Method;
use serde_json::{Value, json};

use super::till::*;
use crate::app::{App, assert_exact_members};

/// Row 1: money is stored as whole cents; on the wire orders are cents, and the intent's request is dollars.
#[tokio::test]
async fn row_01_money_is_cents_and_an_intent_asks_in_dollars() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let order = owner.order("tap_to_pay", 1999, json!({})).await;
    let made = owner.post("/stripe/terminal/payment-intent", json!({"amount": 19.99})).await.expect(200);
    assert_eq!((&order["totalAmount"], &made["amount"]), (&json!(1999), &json!(1999)));
    refused(owner.post("/orders", json!({"subtotal": 19.99, "totalAmount": 19.99})).await, 400, "VALIDATION_ERROR");
    let ctx = app.cloud.ctx("pos-orders");
    let (org, order) = (app.demo["org_id"].as_str().unwrap().parse().unwrap(), id(&order).parse().unwrap());
    let stored = ctx.store().pos().load_order(org, order).await.unwrap().unwrap();
    assert_eq!(stored.order.total.0, 1999);
}

/// Row 2: any other version than the current one is kicked, older or newer.
#[tokio::test]
async fn row_02_another_session_version_is_kicked() {
    let app = App::start().await;
    let phone = Person::phone(&app, "superadmin").await;
    let version: i64 = phone.session.clone().unwrap().parse().unwrap();
    phone.get("/orders").await.expect(200);
    for other in [version - 1, version + 1, 4711] {
        let stale =
            Person { app: &app, token: phone.token.clone(), session: Some(other.to_string()), login: Value::Null };
        refused(stale.get("/orders").await, 401, "SESSION_KICKED");
    }
    Person { app: &app, token: phone.token.clone(), session: None, login: Value::Null }
        .get("/orders")
        .await
        .expect(200);
}

/// Row 3: a login with the app raises the version and kicks the older phone; one at the portal answers the current version.
#[tokio::test]
async fn row_03_the_app_kicks_and_the_portal_does_not() {
    let app = App::start().await;
    let phone = Person::phone(&app, "superadmin").await;
    let portal = Person::new(&app, "superadmin").await;
    assert_eq!(portal.login["sessionVersion"], phone.login["sessionVersion"]);
    let (email, password) = app.user("superadmin");
    let web = json!({"email": email, "password": password, "source": "web"});
    assert_eq!(Person::log_in(&app, &web).await.login["sessionVersion"], phone.login["sessionVersion"]);
    phone.get("/orders").await.expect(200);
    let second = Person::phone(&app, "superadmin").await;
    assert!(second.login["sessionVersion"].as_i64() > phone.login["sessionVersion"].as_i64());
    refused(phone.get("/orders").await, 401, "SESSION_KICKED");
    second.get("/orders").await.expect(200);
}

/// Row 4: whatever the first version is, it is an integer in the answer of every login.
#[tokio::test]
async fn row_04_a_login_tells_an_integer_version() {
    let app = App::start().await;
    for role in ["superadmin", "admin", "staff", "other"] {
        assert!(Person::new(&app, role).await.login["sessionVersion"].is_i64());
    }
}

/// Row 5: the intent's status under both names.
#[tokio::test]
async fn row_05_an_intents_status_has_two_names() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let made = owner.intent(500, json!({})).await;
    let path = format!("/stripe/terminal/payment-intent/{}", id(&made));
    let short = owner.get(&path).await.expect(200);
    assert_eq!(owner.get(&format!("{path}/status")).await.expect(200), short);
    assert_eq!(short["id"], made["id"]);
}

/// Row 6: both sets: PATCH of an order and its own refund, beside the intent's link and the transaction's refund.
#[tokio::test]
async fn row_06_orders_are_changed_and_refunded_under_both_names() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    for by_order in [true, false] {
        let order = owner.order("tap_to_pay", 500, json!({})).await;
        let intent = owner.intent(500, json!({})).await;
        let path = format!("/orders/{}{}", id(&order), if by_order { "" } else { "/payment-intent" });
        let linked = owner.patch(&path, json!({"stripePaymentIntentId": intent["id"]})).await.expect(200);
        assert_eq!(linked["status"], "processing");
        app.cloud.stripe().tap(id(&intent), VISA);
        app.until("it is paid", async || owner.status(&order).await == "completed").await;
        let done = match by_order {
            true => owner.post(&format!("/orders/{}/refund", id(&order)), json!({})).await,
            false => owner.refund(&order, json!({})).await,
        };
        assert_eq!(done.expect(200)["amount"], 500);
        assert_eq!(owner.status(&order).await, "refunded");
    }
}

/// Row 7: an invitation is accepted under both names.
#[tokio::test]
async fn row_07_an_invitation_is_accepted_under_both_names() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    for (n, email) in ["ivy@home.example", "kim@home.example"].into_iter().enumerate() {
        let body = json!({"email": email, "firstName": "I", "lastName": "K", "role": "admin"});
        owner.post("/staff", body).await.expect(201);
        app.until("the invitation is there", async || app.mails(email).await.len() == 1).await;
        let mail = app.mails(email).await.remove(0).to_string();
        let (_, token) = mail.split_once("accept-invite?token=").unwrap();
        let token: String = token.chars().take_while(char::is_ascii_alphanumeric).collect();
        let (path, body) = match n {
            0 => (format!("/pos/staff/{token}/accept"), json!({"password": "Lantern-ivy-1!"})),
            _ => ("/pos/auth/accept-invite".to_owned(), json!({"token": token, "password": "Lantern-ivy-1!"})),
        };
        let joined = app.post(&path).json(&body).send().await.expect(200);
        assert_eq!((joined.as_object().unwrap().len(), &joined["email"]), (2, &json!(email)));
    }
}

/// Row 8: webhooks under the seed's paths and their aliases; each refuses what is not signed, in the counter's words.
#[tokio::test]
async fn row_08_webhooks_have_aliases() {
    let app = App::start().await;
    for path in ["/pos/stripe/webhook", "/pos/stripe/connect-webhooks", "/pos/stripe/webhook-connect"] {
        assert_exact_members(
            &refused(app.post(path).body("{}").send().await, 400, "INVALID_SIGNATURE"),
            "error message code",
        );
    }
    for path in ["/pos/apple-webhooks", "/pos/apple/webhook", "/pos/google-webhooks", "/pos/google/webhook"] {
        let answer = app.post(path).body("{}").send().await;
        assert!([400, 401].contains(&answer.status.as_u16()), "{path}: {} {}", answer.status, answer.body);
        assert!(answer.body["error"].is_string());
    }
}

/// Row 9: categories have their catalog's path, and no other.
#[tokio::test]
async fn row_09_categories_are_under_their_catalog() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let catalog = owner.post("/catalogs", json!({"name": "Bar"})).await.expect(201);
    let path = format!("/catalogs/{}/categories", id(&catalog));
    assert_eq!(owner.get(&path).await.expect(200), json!([]));
    let answer = owner.get("/categories").await;
    assert_eq!(answer.status, 404);
    assert!(answer.body["error"].is_string(), "{}", answer.body);
}

/// Row 10: the seed's fees, wherever the organization is.
#[tokio::test]
async fn row_10_the_seeds_fees() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    for (tier, fee) in [(Tier::Starter, json!(11)), (Tier::Pro, json!(5)), (Tier::Enterprise, Value::Null)] {
        subscribe(&app, tier).await;
        owner.intent(3751, json!({})).await;
        let made = app.cloud.stripe().objects("payment_intent").pop().unwrap();
        assert_eq!(made["application_fee_amount"], fee, "{tier:?}");
    }
}

/// Row 11: where a tier is missing something, it is a 403 with a code: a second catalog, splits; tips and analytics are open.
#[tokio::test]
async fn row_11_a_tiers_gate_is_a_403_with_a_code() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let catalog = owner.post("/catalogs", json!({"name": "Bar"})).await.expect(201);
    subscribe(&app, Tier::Starter).await;
    refused(owner.post("/catalogs", json!({"name": "Second"})).await, 403, "CATALOG_LIMIT_REACHED");
    refused(owner.get(&format!("/catalogs/{}/splits", id(&catalog))).await, 403, "PRO_REQUIRED");
    owner.get("/tips/pools").await.expect(200);
    owner.get("/stripe/connect/analytics").await.expect(200);
    owner.get("/staff").await.expect(200);
}

/// Row 12: tips are whole cents, in pools and in the report.
#[tokio::test]
async fn row_12_tips_are_cents() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let order = owner.order("cash", 1250, json!({"subtotal": 1000, "tipAmount": 250})).await;
    pay_cash(&app, &owner.token, &order, 1250).await;
    let day = app.cloud.now().strftime("%Y-%m-%d").to_string();
    let told = owner.get(&format!("/tips/report?startDate={day}&endDate={day}")).await.expect(200);
    assert_eq!(
        (int(&told, "/summary/totalTips"), int(&told, "/daily/0/totalTips"), int(&told, "/byStaff/0/avgTip")),
        (250, 250, 250)
    );
    let pool = owner.post("/tips/pools", json!({"name": "P", "startDate": day, "endDate": day})).await.expect(201);
    let path = format!("/tips/pools/{}", id(&pool));
    let members = json!({"members": [{"userId": owner.login["user"]["id"], "hoursWorked": 1}]});
    owner.post(&format!("{path}/members"), members).await.expect(200);
    let shared = owner.post(&format!("{path}/calculate"), json!({})).await.expect(200);
    assert_eq!((int(&shared, "/totalTips"), int(&shared, "/members/0/finalAmount")), (250, 250));
}

/// Row 13: deleted staff are shut out: their login is refused, and the list shows them as `disabled`.
#[tokio::test]
async fn row_13_deleted_staff_are_disabled() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let staff = Person::new(&app, "staff").await;
    let path = format!("/staff/{}", staff.login["user"]["id"].as_str().unwrap());
    assert_eq!(owner.delete(&path).await.status, 204);
    let (email, password) = app.user("staff");
    let login = json!({"email": email, "password": password});
    refused(app.post("/pos/auth/login").json(&login).send().await, 401, "INVALID_CREDENTIALS");
    assert_eq!(staff.get("/orders").await.status, 401);
    let list = owner.get("/staff").await.expect(200);
    let shown = list["staff"].as_array().unwrap().iter().find(|one| one["email"] == email.as_str()).unwrap();
    assert_eq!(shown["status"], "disabled");
}

/// Row 14: camel case on the wire.
#[tokio::test]
async fn row_14_members_are_camel_case() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let body = json!({"name": "Bar", "layoutType": "list", "tipPercentages": [10], "layout_type": "grid"});
    let catalog = owner.post("/catalogs", body).await.expect(201);
    assert_eq!((&catalog["layoutType"], &catalog["tipPercentages"]), (&json!("list"), &json!([10])));
    let order = owner.order("cash", 100, json!({})).await;
    for object in [&catalog, &order, &order["items"][0], &owner.login, &owner.login["user"]] {
        let snake = object.as_object().unwrap().keys().find(|name| name.contains('_'));
        assert_eq!(snake, None);
    }
}

/// Row 15: products are added in bulk under both spellings.
#[tokio::test]
async fn row_15_bulk_has_two_spellings() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let catalog = owner.post("/catalogs", json!({"name": "Bar"})).await.expect(201);
    let path = format!("/catalogs/{}/products/bulk", id(&catalog));
    let mut products = Vec::new();
    for name in ["A", "B", "C"] {
        products.push(owner.post("/products", json!({"name": name})).await.expect(201)["id"].clone());
    }
    let one = json!({"productIds": products[..2], "defaultPrice": 300});
    assert_eq!(owner.post(&path, one).await.expect(200)["added"], 2);
    let other = json!({"products": [{"productId": products[2], "price": 400}]});
    assert_eq!(owner.post(&path, other).await.expect(200)["added"], 1);
    let menu = owner.get(&format!("/catalogs/{}/products", id(&catalog))).await.expect(200);
    assert_eq!(menu.as_array().unwrap().len(), 3);
}

/// Row 16: a card that fails is told by `error`, in the answers as (later) in the events.
#[tokio::test]
async fn row_16_a_failure_is_told_by_error() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let order = owner.order("split", 500, json!({})).await;
    let intent = owner.intent(500, json!({})).await;
    app.cloud.stripe().tap(id(&intent), DECLINED);
    let body = json!({"paymentMethod": "card", "amount": 500, "stripePaymentIntentId": intent["id"]});
    let told =
        refused(owner.post(&format!("/orders/{}/payments", id(&order)), body).await, 400, "PAYMENT_NOT_SUCCEEDED");
    assert_eq!(told["error"], "The card payment has not succeeded: it is requires_payment_method");
}

/// Row 17: an organization is changed by PATCH and by PUT alike: settings are merged.
#[tokio::test]
async fn row_17_an_organization_is_patched_and_put() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let path = format!("/organizations/{}", app.demo["org_id"].as_str().unwrap());
    owner.call(Method::PUT, &path).json(&json!({"settings": {"a": 1}})).send().await.expect(200);
    let told = owner.patch(&path, json!({"settings": {"b": 2}})).await.expect(200);
    assert_eq!((&told["settings"]["a"], &told["settings"]["b"]), (&json!(1), &json!(2)));
}

/// Row 18: an order is flat, not wrapped in `data`, and names its organization.
#[tokio::test]
async fn row_18_an_order_is_flat_and_names_its_organization() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let order = owner.order("cash", 100, json!({})).await;
    assert_eq!((&order["organizationId"], order.get("data")), (&app.demo["org_id"], None));
    let listed = owner.get("/orders").await.expect(200);
    assert_eq!(listed["orders"][0]["organizationId"], app.demo["org_id"]);
}

/// Row 19: what only the app of old calls is not there, and is refused as the counter refuses.
#[tokio::test]
async fn row_19_what_never_was_is_not_there() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    for path in [
        "/custom-plan-requests",
        "/stripe/subscription-success",
        "/auth/stripe/onboarding-link",
        "/auth/stripe/connect-link",
    ] {
        for answer in [owner.get(path).await, owner.post(path, json!({})).await] {
            assert_eq!(answer.status, 404, "{path}");
            assert!(answer.body["error"].is_string(), "{path}: {}", answer.body);
        }
    }
}
