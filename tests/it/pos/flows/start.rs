//! Opening the app, and the portal from it.

use super::*;

/// The app's calls from the login to the first screen, in its order, all of which must answer.
#[tokio::test]
async fn the_app_starts() {
    let app = App::start().await;
    let owner = Person::phone(&app, "superadmin").await;
    let menu = open_menu(&owner).await;
    let me = owner.get("/auth/me").await.expect(200);
    let org = me["organizationId"].as_str().unwrap();
    let organization = owner.get(&format!("/organizations/{org}")).await.expect(200);
    assert_eq!(organization["id"], org);
    let status = owner.get("/stripe/connect/status").await.expect(200);
    assert_eq!((&status["chargesEnabled"], &status["onboardingState"]), (&json!(true), &json!("active")));
    let catalogs = owner.get("/catalogs").await.expect(200);
    let usable = catalogs.as_array().unwrap().iter().find(|catalog| {
        catalog["isActive"] == true && catalog["isLocked"] != true && catalog["id"] == menu.catalog.as_str()
    });
    assert!(usable.is_some_and(|catalog| catalog["taxRate"] == 8.25 && catalog["taxRate"].is_number()), "{catalogs}");

    let transactions =
        format!("/stripe/connect/transactions?limit=25&catalog_id={}&device_id={DEVICE}&status=all", menu.catalog);
    let prefetched = [
        "/billing/subscription-info".to_owned(),
        format!("/catalogs/{}/products", menu.catalog),
        format!("/catalogs/{}/categories", menu.catalog),
        transactions,
        format!("/orders/held?deviceId={DEVICE}"),
    ];
    let answers = join_all(prefetched.iter().map(|path| owner.get(path))).await;
    let [subscription, products, categories, transactions, held] =
        <[_; 5]>::try_from(answers).unwrap().map(|answer| answer.expect(200));
    assert_eq!((&subscription["tier"], &subscription["status"]), (&json!("pro"), &json!("active")));
    // The menu screen flattens these; without `product` it crashes.
    assert_eq!((&products[0]["product"]["name"], &products[0]["category"]), (&json!("Lemonade"), &Value::Null));
    assert_eq!(categories, json!([]));
    assert_eq!((&transactions["data"], &transactions["hasMore"]), (&json!([]), &json!(false)));
    assert_eq!(held, json!({"orders": []}));

    let location = owner.get("/stripe/terminal/location").await.expect(200);
    assert_exact_members(&location, "locationId displayName");
    let token = owner.post("/stripe/terminal/connection-token", json!({})).await.expect(200);
    assert!(token["secret"].as_str().is_some_and(|secret| !secret.is_empty()));
    app.verify().await;
}

/// A counter that takes no cards yet starts as well: cash needs no Stripe.
#[tokio::test]
async fn the_app_starts_without_an_account_at_stripe() {
    let app = App::start().await;
    let admin = Person::phone(&app, "other").await;
    let me = admin.get("/auth/me").await.expect(200);
    admin.get(&format!("/organizations/{}", me["organizationId"].as_str().unwrap())).await.expect(200);
    let status = admin.get("/stripe/connect/status").await.expect(200);
    assert_eq!(status["chargesEnabled"], false);
    assert!(admin.get("/catalogs").await.expect(200).is_array());
    admin.get("/stripe/connect/transactions?limit=25&device_id=device-1&status=all").await.expect(200);
    admin.get("/orders/held?deviceId=device-1").await.expect(200);
    // The app shows "finish onboarding" for these words.
    let told = refused(admin.post("/stripe/terminal/connection-token", json!({})).await, 404, "NO_CONNECTED_ACCOUNT");
    assert_eq!(told["error"], "No connected account found");
}

#[tokio::test]
async fn a_menu_item_is_added_and_edited() {
    let app = App::start().await;
    let owner = Person::phone(&app, "superadmin").await;
    let menu = open_menu(&owner).await;
    owner.patch(&format!("/products/{}", menu.product), json!({"name": "Pink Lemonade"})).await.expect(200);
    let entry = format!("/catalogs/{}/products/{}", menu.catalog, menu.entry);
    owner.patch(&entry, json!({"price": 1750, "isActive": true})).await.expect(200);
    let products = owner.get(&format!("/catalogs/{}/products", menu.catalog)).await.expect(200);
    assert_eq!((&products[0]["price"], &products[0]["product"]["name"]), (&json!(1750), &json!("Pink Lemonade")));
    assert_eq!(products[0]["id"], menu.entry.as_str());
}

/// The portal gets the app's tokens in its address and calls without the session's header; the phone stays signed in. A
/// second phone kicks the first, which then signs out without a token.
#[tokio::test]
async fn the_portal_is_opened_from_the_app() {
    let app = App::start().await;
    let phone = Person::phone(&app, "superadmin").await;
    let portal = Person { app: &app, token: phone.token.clone(), session: None, login: Value::Null };
    let me = portal.get("/auth/me").await.expect(200);
    assert_eq!(me["email"], phone.login["user"]["email"]);
    Person::new(&app, "superadmin").await;
    phone.get("/auth/me").await.expect(200);

    let second = Person::phone(&app, "superadmin").await;
    let kicked = refused(phone.get("/orders/held").await, 401, "SESSION_KICKED");
    assert!(kicked["error"].is_string());
    portal.get("/auth/me").await.expect(200);
    let body = json!({"refreshToken": phone.login["tokens"]["refreshToken"]});
    app.post("/pos/auth/logout").json(&body).send().await.expect(200);
    second.get("/orders/held").await.expect(200);
}
