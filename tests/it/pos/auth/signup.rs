//! Signing up: an organization, its owner, its subscription, a welcome.

use serde_json::{Value, json};

use super::*;
use crate::app::assert_exact_members;

const PASSWORD: &str = "Lantern-new-1";

/// A body as the app sends it.
pub(super) fn body(email: &str) -> Value {
    json!({"email": email, "password": PASSWORD, "firstName": "Nora", "lastName": "New", "organizationName": "New Bar",
        "phone": "", "acceptTerms": true, "acceptPrivacy": true, "subscriptionTier": "starter",
        "signupPlatform": "ios"})
}

fn with(mut body: Value, changes: Value) -> Value {
    body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    body
}

async fn sign_up(app: &App, body: Value) -> Answer {
    post(app, "/auth/signup", body).await
}

async fn in_use(app: &App, email: &str) -> bool {
    post(app, "/auth/check-email", json!({"email": email})).await.expect(200)["inUse"].as_bool().unwrap()
}

#[tokio::test]
async fn the_apps_sign_up_from_end_to_end() {
    let app = App::start().await;
    let email = "nora@new.example";
    assert_eq!(post(&app, "/auth/check-email", json!({"email": email})).await.expect(200), json!({"inUse": false}));
    let checked = post(&app, "/auth/check-password", json!({"password": PASSWORD})).await.expect(200);
    assert_eq!(checked, json!({"valid": true, "errors": []}));

    let new = sign_up(&app, with(body("  Nora@NEW.example "), json!({"phone": "5551234567", "country": "dk"}))).await;
    let new = new.expect(201);
    assert_exact_members(&new, "user organization subscription tokens");
    assert_exact_members(&new["user"], "id email firstName lastName organizationId");
    assert_exact_members(&new["organization"], "id name");
    assert_exact_members(&new["subscription"], "id tier status trialEndsAt");
    assert_exact_members(&new["tokens"], "accessToken refreshToken expiresIn");
    assert_eq!((&new["user"]["email"], &new["organization"]["name"]), (&json!(email), &json!("New Bar")));
    assert_eq!((&new["subscription"]["tier"], &new["subscription"]["status"]), (&json!("starter"), &json!("active")));
    get_as(&app, &new, "/auth/me").send().await.expect(200);
    assert!(in_use(&app, email).await && in_use(&app, " NORA@new.example").await);

    let body = json!({"email": email, "password": PASSWORD, "source": "app"});
    let session = post(&app, "/auth/login", body).await.expect(200);
    assert_eq!((&session["sessionVersion"], &session["user"]["role"]), (&json!(1), &json!("owner")));
    assert_eq!(session["organization"], new["organization"]);
    assert_eq!(session["subscription"], json!({"tier": "starter", "status": "active"}));
    let me = get_as(&app, &session, "/auth/me").send().await.expect(200);
    assert_eq!((&me["phone"], &me["firstName"]), (&json!("5551234567"), &json!("Nora")));
    let organization = format!("/organizations/{}", me["organizationId"].as_str().unwrap());
    let organization = get_as(&app, &session, &organization).send().await.expect(200);
    assert_eq!((&organization["stripeAccountId"], &organization["settings"]), (&Value::Null, &json!({})));
    let org = me["organizationId"].as_str().unwrap().parse().unwrap();
    let org = app.cloud.ctx("pos-auth").store().load_org(org).await.unwrap().unwrap();
    assert_eq!(org.country.as_deref(), Some("DK"));

    let mails = items(&app, "mail").await;
    let welcome = mails.iter().find(|mail| text(mail, "user") == new["user"]["id"].as_str().unwrap()).unwrap();
    assert_eq!((text(welcome, "kind"), text(welcome, "sk")), ("welcome", "MAIL#welcome"));
    app.get("/tickets/api/admin/events").token(bearer(&session)).send().await.expect(200);
}

#[tokio::test]
async fn an_address_is_one_persons() {
    let app = App::start().await;
    sign_up(&app, body("nora@new.example")).await.expect(201);
    let before = items(&app, "org").await.len();
    for (email, password) in
        [("nora@new.example", PASSWORD), ("NORA@new.example", "Another-one-1"), (&app.user("staff").0, PASSWORD)]
    {
        let taken = sign_up(&app, with(body(email), json!({"password": password}))).await;
        let taken = refused(taken, 409, "EMAIL_EXISTS");
        assert_eq!(taken["error"], "EMAIL_EXISTS", "one client shows `error`");
        assert_eq!(taken["message"], "An account with this email already exists", "another shows `message`");
    }
    assert_eq!(items(&app, "org").await.len(), before);
    log_in(&app, "nora@new.example", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn of_sign_ups_at_once_one_begins() {
    let app = App::start().await;
    let before = items(&app, "org").await.len();
    let answers = futures_util::future::join_all((0..5).map(|_| sign_up(&app, body("nora@new.example")))).await;
    let (begun, taken): (Vec<Answer>, Vec<Answer>) = answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!(begun.len(), 1);
    taken.into_iter().for_each(|answer| drop(refused(answer, 409, "EMAIL_EXISTS")));
    assert_eq!(items(&app, "org").await.len(), before + 1);
    log_in(&app, "nora@new.example", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn a_sign_up_that_died_is_mended_by_the_next() {
    let app = App::start().await;
    let identity = app.cloud.ctx("pos-auth").identity().clone();
    // It died before the transaction.
    identity.create_user("dead@new.example", Some(PASSWORD), &[]).await.unwrap();
    assert!(!in_use(&app, "dead@new.example").await, "nobody's member: the web's wizard goes on");
    refused(log_in(&app, "dead@new.example", PASSWORD).await, 401, "INVALID_CREDENTIALS");
    let other = with(body("dead@new.example"), json!({"password": "Another-one-1"}));
    refused(sign_up(&app, other).await, 409, "EMAIL_EXISTS");
    sign_up(&app, body("dead@new.example")).await.expect(201);
    assert!(in_use(&app, "dead@new.example").await);
    log_in(&app, "dead@new.example", PASSWORD).await.expect(200);
}

/// The address is not lost to who has forgotten what they tried; but while somebody may be signing up, it is theirs.
#[tokio::test]
async fn a_sign_up_that_died_is_replaced_when_it_is_old() {
    let app = App::start().await;
    let identity = app.cloud.ctx("pos-auth").identity().clone();
    identity.create_user("dead@new.example", Some(PASSWORD), &[]).await.unwrap();
    let left = identity.sign_in("dead@new.example", PASSWORD).await.unwrap();
    let other = || with(body("dead@new.example"), json!({"password": "Another-one-1"}));
    app.advance(4 * 60).await;
    refused(sign_up(&app, other()).await, 409, "EMAIL_EXISTS");
    app.advance(2 * 60).await;
    let new = sign_up(&app, other()).await.expect(201);
    get_as(&app, &new, "/auth/me").send().await.expect(200);
    refused(log_in(&app, "dead@new.example", PASSWORD).await, 401, "INVALID_CREDENTIALS");
    log_in(&app, "dead@new.example", "Another-one-1").await.expect(200);
    let body = json!({"refreshToken": left.refresh});
    refused(post(&app, "/auth/refresh", body).await, 401, "INVALID_REFRESH_TOKEN");
    post(&app, "/auth/refresh", json!({"refreshToken": new["tokens"]["refreshToken"]})).await.expect(200);
}

#[tokio::test]
async fn of_those_who_replace_one_the_one_who_begins_has_the_password() {
    let app = App::start().await;
    let identity = app.cloud.ctx("pos-auth").identity().clone();
    for round in 0..3 {
        let email = format!("dead{round}@new.example");
        identity.create_user(&email, Some(PASSWORD), &[]).await.unwrap();
        app.advance(6 * 60).await;
        let passwords: Vec<String> = (0..5).map(|i| format!("Another-one-{i}")).collect();
        let sign_up = |password: &String| sign_up(&app, with(body(&email), json!({"password": password})));
        let answers = futures_util::future::join_all(passwords.iter().map(sign_up)).await;
        for (answer, password) in answers.into_iter().zip(&passwords) {
            if answer.status == 201 {
                log_in(&app, &email, password).await.expect(200);
                get_as(&app, &answer.body, "/auth/me").send().await.expect(200);
            } else {
                refused(answer, 409, "EMAIL_EXISTS");
                refused(log_in(&app, &email, password).await, 401, "INVALID_CREDENTIALS");
            }
        }
        assert!(in_use(&app, &email).await);
    }
}

#[tokio::test]
async fn a_sign_up_that_died_before_its_password_was_for_good_is_mended_too() {
    let app = App::start().await;
    let ctx = app.cloud.ctx("pos-auth");
    let create = ctx.aws().cognito().admin_create_user().user_pool_id(&ctx.settings().user_pool_id);
    create.username("half@new.example").temporary_password(PASSWORD).send().await.unwrap();
    sign_up(&app, body("half@new.example")).await.expect(201);
    log_in(&app, "half@new.example", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn each_tier_begins_as_it_must() {
    let app = App::start().await;
    let begin = async |name: &str, changes: Value| {
        sign_up(&app, with(body(&format!("{name}@new.example")), changes)).await.expect(201)
    };
    let tier = |new: &Value| (new["subscription"]["tier"].clone(), new["subscription"]["status"].clone());
    let default = begin("default", json!({"subscriptionTier": null, "signupPlatform": null})).await;
    assert_eq!(tier(&default), (json!("starter"), json!("active")));

    // What is bought, on the web or in an app, is tried in `pos::billing`.
    let wishes = json!({"subscriptionTier": "enterprise", "phone": "+4512345678", "businessDescription": "Ten bars",
        "expectedVolume": "$1M", "useCase": "Festivals", "additionalRequirements": "None"});
    let enterprise = begin("enterprise", wishes).await;
    assert_eq!(tier(&enterprise), (json!("enterprise"), json!("pending_approval")));
    assert_eq!(enterprise["customPlanRequested"], true);
    let contacts = app.cloud.ctx("pos-auth").store().pos().list_contacts(10).await.unwrap();
    assert_eq!(contacts.len(), 1);
    assert_eq!(contacts[0].org, Some(enterprise["organization"]["id"].as_str().unwrap().parse().unwrap()));
    assert!(contacts[0].message.contains("Business: Ten bars\nExpected volume: $1M"), "{:?}", contacts[0]);
    log_in(&app, "enterprise@new.example", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn what_a_sign_up_must_say() {
    let app = App::start().await;
    let users = items(&app, "member").await.len();
    let attempt = async |changes: Value| sign_up(&app, with(body("nora@new.example"), changes)).await;
    for name in ["acceptTerms", "acceptPrivacy"] {
        for value in [json!(false), json!(null)] {
            let answer = attempt(json!({name: value})).await;
            if value.is_boolean() {
                assert_eq!(refused(answer, 400, "TERMS_NOT_ACCEPTED")["error"], "TERMS_NOT_ACCEPTED");
            } else {
                refused(answer, 400, "VALIDATION_ERROR");
            }
        }
    }
    for (name, value) in [
        ("email", json!("nora")),
        ("email", json!(format!("{}@new.example", "n".repeat(60)).replace("new", &"x".repeat(60)))),
        ("email", json!("a b@new.example")),
        ("email", json!("no\u{200b}ra@new.example")),
        ("email", json!("\u{feff}nora@new.example")),
        ("email", json!("nora@ne\u{ad}w.example")),
        ("email", json!("nora@new.example\u{200e}")),
        ("password", json!("Short-1")),
        ("password", json!(" Lantern-new-1")),
        ("password", json!("x".repeat(257))),
        ("firstName", json!("")),
        ("firstName", json!("  ")),
        ("lastName", json!("x".repeat(101))),
        ("organizationName", json!("N")),
        ("organizationName", json!(" N ")),
        ("country", json!("USA")),
        ("country", json!("é")),
        ("phone", json!("call me")),
    ] {
        invalid(attempt(json!({name: value})).await, name);
    }
    for changes in [json!({"subscriptionTier": "gold"}), json!({"signupPlatform": "fax"}), json!({"email": null})] {
        refused(attempt(changes).await, 400, "VALIDATION_ERROR");
    }
    assert_eq!(items(&app, "member").await.len(), users);
    assert!(app.cloud.ctx("pos-auth").identity().find_user("nora@new.example").await.unwrap().is_none());
    // Its length is all that signing up asks of a password.
    attempt(json!({"password": "lanternlantern"})).await.expect(201);
    for unseen in ["x", "no\u{200b}ra@new.example"] {
        refused(post(&app, "/auth/check-email", json!({"email": unseen})).await, 400, "VALIDATION_ERROR");
        refused(log_in(&app, unseen, PASSWORD).await, 401, "INVALID_CREDENTIALS");
        post(&app, "/auth/forgot-password", json!({"email": unseen})).await.expect(200);
    }
}
