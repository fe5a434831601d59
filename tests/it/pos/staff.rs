//! `/pos/staff` (contract `pos.md` §11): invited by e-mail, joined, changed, shut out.

use domain::pos::tier::Tier;
use futures_util::future::join_all;
use reqwest::multipart;
use serde_json::{Value, json};

use super::till::*;
use crate::app::{Answer, App, assert_exact_members};

const STAFF: &str =
    "id email firstName lastName phone role status invitedAt inviteAcceptedAt lastLogin avatarUrl catalogIds";
const PASSWORD: &str = "Lantern-ivy-1!";

fn ivy(more: Value) -> Value {
    let mut body = json!({"email": "ivy@home.example", "firstName": "Ivy", "lastName": "Marsh", "role": "admin"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

async fn log_in(app: &App, email: &str, password: &str) -> Answer {
    app.post("/pos/auth/login").json(&json!({"email": email, "password": password})).send().await
}

/// The secret in the newest invitation that was sent to an address.
async fn invitation(app: &App, email: &str, mails: usize) -> String {
    app.until("the invitation is there", async || app.mails(email).await.len() == mails).await;
    let mail = app.mails(email).await.remove(0).to_string();
    let (_, rest) = mail.split_once("/accept-invite?token=").unwrap_or_else(|| panic!("no link in {mail}"));
    rest.chars().take_while(char::is_ascii_alphanumeric).collect()
}

/// Invited, and joined: their id.
async fn join(owner: &Person<'_>, body: Value) -> String {
    let made = owner.post("/staff", body).await.expect(201);
    let email = made["email"].as_str().unwrap();
    let token = invitation(owner.app, email, 1).await;
    let path = format!("/pos/staff/{token}/accept");
    owner.app.post(&path).json(&json!({"password": PASSWORD})).send().await.expect(200);
    id(&made).to_owned()
}

/// The e-mail, the site that shows it, the password, and the login in the app.
#[tokio::test]
async fn an_invitation_leads_to_the_app() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let catalog = owner.post("/catalogs", json!({"name": "Bar"})).await.expect(201);
    let body = ivy(json!({"email": " Ivy@Home.example ", "role": "user", "catalogIds": [catalog["id"]]}));
    let made = owner.post("/staff", body).await.expect(201);
    assert_exact_members(&made, STAFF);
    assert_eq!(
        (&made["email"], &made["role"], &made["status"]),
        (&json!("ivy@home.example"), &json!("user"), &json!("pending"))
    );
    assert_eq!((&made["firstName"], &made["lastName"]), (&json!("Ivy"), &json!("Marsh")));
    for name in ["phone", "inviteAcceptedAt", "lastLogin", "avatarUrl"] {
        assert_eq!(made[name], Value::Null, "{name}");
    }
    assert_eq!(made["catalogIds"], json!([catalog["id"]]));
    assert_time(&made["invitedAt"]);

    let token = invitation(&app, "ivy@home.example", 1).await;
    assert_eq!(token.len(), 64, "32 bytes in hex");
    let shown = app.get(&format!("/pos/auth/validate-invite?token={token}")).send().await.expect(200);
    assert_eq!((&shown["valid"], &shown["email"]), (&json!(true), &json!("ivy@home.example")));
    let accept = format!("/pos/staff/{token}/accept");
    for bad in ["short", "alllowercase1!", "NODIGITS!aa"] {
        invalid(app.post(&accept).json(&json!({"password": bad})).send().await, "password");
    }
    let joined = app.post(&accept).json(&json!({"password": PASSWORD})).send().await.expect(200);
    assert_exact_members(&joined, "message email");
    refused(app.post(&accept).json(&json!({"password": PASSWORD})).send().await, 400, "INVALID_INVITATION");

    let staff =
        Person::log_in(&app, &json!({"email": "ivy@home.example", "password": PASSWORD, "source": "app"})).await;
    assert_eq!(staff.login["user"]["role"], "user");
    let shown = owner.get(&format!("/staff/{}", id(&made))).await.expect(200);
    assert_eq!(shown["status"], "active");
    assert_time(&shown["inviteAcceptedAt"]);
    assert_time(&shown["lastLogin"]);
    // They sell from their catalog, and do not manage.
    let order = staff.order("cash", 500, json!({"catalogId": catalog["id"]})).await;
    assert_eq!(order["userId"], made["id"]);
    refused(staff.get("/staff").await, 403, "FORBIDDEN");
    refused(owner.post(&format!("/staff/{}/resend-invite", id(&made)), json!({})).await, 400, "ALREADY_ACCEPTED");
    app.verify().await;
}

/// Another link, which kills the one before; a week, and it is dead.
#[tokio::test]
async fn an_invitation_is_sent_again() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let made = owner.post("/staff", ivy(json!({}))).await.expect(201);
    let first = invitation(&app, "ivy@home.example", 1).await;
    let resend = format!("/staff/{}/resend-invite", id(&made));
    assert_exact_members(&owner.post(&resend, json!({})).await.expect(200), "message");
    let second = invitation(&app, "ivy@home.example", 2).await;
    assert_ne!(first, second);
    let accept = async |token: &str| {
        app.post("/pos/auth/accept-invite").json(&json!({"token": token, "password": PASSWORD})).send().await
    };
    refused(accept(&first).await, 400, "INVALID_INVITATION");
    app.advance(7 * 24 * 3600 + 1).await;
    refused(accept(&second).await, 400, "INVALID_INVITATION");
    let owner = Person::new(&app, "superadmin").await;
    owner.post(&resend, json!({})).await.expect(200);
    let third = invitation(&app, "ivy@home.example", 3).await;
    accept(&third).await.expect(200);
    log_in(&app, "ivy@home.example", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn bad_invitations_are_refused() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    for (more, field) in [
        (json!({"email": "ivy"}), "email"),
        (json!({"email": null}), "email"),
        (json!({"firstName": " "}), "firstName"),
        (json!({"lastName": ""}), "lastName"),
        (json!({"firstName": "é".repeat(101)}), "firstName"),
        (json!({"role": null}), "role"),
        (json!({"role": "user"}), "catalogIds"),
        (json!({"role": "user", "catalogIds": []}), "catalogIds"),
        (json!({"role": "user", "catalogIds": [NOWHERE]}), "catalogIds[0]"),
    ] {
        invalid(owner.post("/staff", ivy(more)).await, field);
    }
    refused(owner.post("/staff", ivy(json!({"role": "owner"}))).await, 400, "VALIDATION_ERROR");
    for taken in [app.user("staff").0, app.user("other").0] {
        refused(owner.post("/staff", ivy(json!({"email": taken}))).await, 409, "EMAIL_EXISTS");
    }
    owner.post("/staff", ivy(json!({}))).await.expect(201);
    refused(owner.post("/staff", ivy(json!({}))).await, 409, "EMAIL_EXISTS");
    let answers = join_all((0..5).map(|_| owner.post("/staff", ivy(json!({"email": "kim@home.example"}))))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    answers
        .into_iter()
        .filter(|answer| answer.status != 201)
        .for_each(|answer| drop(refused(answer, 409, "EMAIL_EXISTS")));
}

/// Three on the free tier, whoever is invited at once; shutting somebody out frees the place (contract §11).
#[tokio::test]
async fn the_free_tier_has_three_places() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let list = owner.get("/staff").await.expect(200);
    assert_exact_members(&list, "staff limits");
    assert_exact_members(&list["limits"], "currentCount maxAllowed canCreateMore");
    assert_eq!((&list["limits"]["maxAllowed"], &list["limits"]["canCreateMore"]), (&json!(-1), &json!(true)));
    let known = list["staff"].as_array().unwrap().len();
    assert!(known >= 2, "the demo's admin and staff");
    let owner_id = owner.login["user"]["id"].as_str().unwrap();
    assert!(list["staff"].as_array().unwrap().iter().all(|one| one["id"] != owner_id), "the owner is not listed");
    for one in list["staff"].as_array().unwrap().iter().skip(2) {
        owner.delete(&format!("/staff/{}", id(one))).await;
    }
    subscribe(&app, Tier::Starter).await;
    let limits = owner.get("/staff").await.expect(200)["limits"].clone();
    assert_eq!(limits, json!({"currentCount": 2, "maxAllowed": 3, "canCreateMore": true}));
    let answers = join_all((0..6).map(|n| {
        let body = ivy(json!({"email": format!("guest{n}@home.example")}));
        async { owner.post("/staff", body).await }
    }))
    .await;
    let (done, refusals): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!((done.len(), refusals.len()), (1, 5));
    for answer in refusals {
        let code = answer.body["code"].as_str().unwrap_or_default().to_owned();
        assert!(answer.status == 400 && code == "STAFF_LIMIT_REACHED", "{} {}", answer.status, answer.body);
    }
    let limits = owner.get("/staff").await.expect(200)["limits"].clone();
    assert_eq!(limits, json!({"currentCount": 3, "maxAllowed": 3, "canCreateMore": false}));
    refused(owner.post("/staff", ivy(json!({}))).await, 400, "STAFF_LIMIT_REACHED");
    assert_eq!(owner.delete(&format!("/staff/{}", id(&done[0].body))).await.status, 204);
    let fourth = owner.post("/staff", ivy(json!({}))).await.expect(201);
    // And there is no way back in while it is full.
    let back = owner.patch(&format!("/staff/{}", id(&done[0].body)), json!({"isActive": true})).await;
    refused(back, 400, "STAFF_LIMIT_REACHED");
    assert_eq!(fourth["status"], "pending");
    app.verify().await;
}

/// Those who were invited do not sign in while the organization is on the free tier (contract §11).
#[tokio::test]
async fn staff_of_the_free_tier_wait_outside() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    join(&owner, ivy(json!({}))).await;
    subscribe(&app, Tier::Starter).await;
    refused(log_in(&app, "ivy@home.example", PASSWORD).await, 403, "TIER_STAFF_NOT_ALLOWED");
    Person::new(&app, "superadmin").await;
    subscribe(&app, Tier::Pro).await;
    log_in(&app, "ivy@home.example", PASSWORD).await.expect(200);
}

/// Shut out: at once, everywhere, and on the list still (register 13); let in again with the same password.
#[tokio::test]
async fn who_is_shut_out_is_out_at_once() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let member = join(&owner, ivy(json!({}))).await;
    let path = format!("/staff/{member}");
    let body = json!({"email": "ivy@home.example", "password": PASSWORD, "source": "app"});
    let phone = Person::log_in(&app, &body).await;
    let version = phone.login["sessionVersion"].as_i64().unwrap();
    let phone = Person { session: Some(version.to_string()), ..phone };
    phone.get("/orders").await.expect(200);
    let refresh = phone.login["tokens"]["refreshToken"].clone();

    let gone = owner.delete(&path).await;
    assert_eq!((gone.status.as_u16(), &gone.body), (204, &json!("")));
    assert_eq!(phone.get("/orders").await.status, 401);
    refused(log_in(&app, "ivy@home.example", PASSWORD).await, 401, "INVALID_CREDENTIALS");
    let again = app.post("/pos/auth/refresh").json(&json!({"refreshToken": refresh})).send().await;
    assert_eq!(again.status, 401, "{}", again.body);
    assert_eq!(owner.get(&path).await.expect(200)["status"], "disabled");
    assert_eq!(owner.delete(&path).await.status, 204, "again changes nothing");
    refused(owner.post(&format!("{path}/resend-invite"), json!({})).await, 400, "STAFF_DISABLED");

    let back = owner.patch(&path, json!({"isActive": true})).await.expect(200);
    assert_eq!(back["status"], "active");
    let login = log_in(&app, "ivy@home.example", PASSWORD).await.expect(200);
    assert!(login["sessionVersion"].as_i64().unwrap() > version, "the old phone stays out");
    refused(phone.get("/orders").await, 401, "SESSION_KICKED");
    let out = owner.patch(&path, json!({"isActive": false})).await.expect(200);
    assert_eq!(out["status"], "disabled");
    refused(log_in(&app, "ivy@home.example", PASSWORD).await, 401, "INVALID_CREDENTIALS");
    app.verify().await;
}

#[tokio::test]
async fn staff_are_changed() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let catalog = owner.post("/catalogs", json!({"name": "Bar"})).await.expect(201);
    let made = owner.post("/staff", ivy(json!({"role": "user", "catalogIds": [catalog["id"]]}))).await.expect(201);
    let path = format!("/staff/{}", id(&made));
    let body = json!({"firstName": "Iva", "phone": " +45 1234 "});
    let changed = owner.patch(&path, body).await.expect(200);
    assert_exact_members(&changed, STAFF);
    assert_eq!(
        (&changed["firstName"], &changed["lastName"], &changed["phone"]),
        (&json!("Iva"), &json!("Marsh"), &json!("+45 1234"))
    );
    assert_eq!(owner.patch(&path, json!({"phone": null})).await.expect(200)["phone"], Value::Null);
    let admin = owner.patch(&path, json!({"role": "admin"})).await.expect(200);
    assert_eq!((&admin["role"], &admin["catalogIds"]), (&json!("admin"), &json!([])));
    invalid(owner.patch(&path, json!({"role": "user"})).await, "catalogIds");
    let user = owner.patch(&path, json!({"role": "user", "catalogIds": [catalog["id"]]})).await.expect(200);
    assert_eq!((&user["role"], &user["catalogIds"]), (&json!("user"), &json!([catalog["id"]])));
    for (body, field) in [
        (json!({"firstName": ""}), "firstName"),
        (json!({"phone": "1".repeat(33)}), "phone"),
        (json!({"catalogIds": []}), "catalogIds"),
        (json!({"catalogIds": [NOWHERE]}), "catalogIds[0]"),
    ] {
        invalid(owner.patch(&path, body).await, field);
    }
    // Nobody shuts themselves out; the owner is no staff; others' staff are not found.
    let admin = Person::new(&app, "admin").await;
    let own = format!("/staff/{}", admin.login["user"]["id"].as_str().unwrap());
    refused(admin.delete(&own).await, 400, "OWN_ACCOUNT");
    let owners = format!("/staff/{}", owner.login["user"]["id"].as_str().unwrap());
    refused(admin.delete(&owners).await, 404, "STAFF_NOT_FOUND");
    let stranger = Person::new(&app, "other").await;
    for (person, path) in [(&stranger, path.as_str()), (&owner, "/staff/x"), (&owner, &format!("/staff/{NOWHERE}"))] {
        refused(person.get(path).await, 404, "STAFF_NOT_FOUND");
        refused(person.patch(path, json!({"firstName": "x"})).await, 404, "STAFF_NOT_FOUND");
        refused(person.delete(path).await, 404, "STAFF_NOT_FOUND");
        refused(person.post(&format!("{path}/resend-invite"), json!({})).await, 404, "STAFF_NOT_FOUND");
        refused(person.delete(&format!("{path}/avatar")).await, 404, "STAFF_NOT_FOUND");
    }
    app.verify().await;
}

#[tokio::test]
async fn staff_have_pictures() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    let made = owner.post("/staff", ivy(json!({}))).await.expect(201);
    let path = format!("/staff/{}/avatar", id(&made));
    refused(owner.delete(&path).await, 404, "AVATAR_NOT_FOUND");
    let upload = async |bytes: &'static [u8]| {
        let part = multipart::Part::bytes(bytes).file_name("a.png").mime_str("image/png").unwrap();
        let call = owner.call(reqwest::Method::POST, &path);
        call.form(multipart::Form::new().part("file", part)).send().await
    };
    let first = upload(PNG).await.expect(200);
    assert_exact_members(&first, "avatarUrl avatarImageId");
    let second = upload(PNG).await.expect(200);
    assert_ne!(first["avatarUrl"], second["avatarUrl"], "another with each upload");
    app.get(second["avatarUrl"].as_str().unwrap()).send().await.expect(200);
    assert_eq!(owner.get(&format!("/staff/{}", id(&made))).await.expect(200)["avatarUrl"], second["avatarUrl"]);
    assert_eq!(upload(b"MZ, no picture").await.status, 400);
    owner.delete(&path).await.expect(200);
    assert_eq!(owner.get(&format!("/staff/{}", id(&made))).await.expect(200)["avatarUrl"], Value::Null);
}

/// One black pixel.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0:~\x9bU\0\0\0\nIDATx\x9cc`\0\0\0\x02\0\x01H\xaf\xa4q\0\0\0\0IEND\xaeB`\x82";

/// Whom the operator makes a superadmin is staff no more, and has no place.
#[tokio::test]
async fn staff_whom_the_operator_promotes_give_their_place_back() {
    let app = App::start().await;
    let owner = Person::new(&app, "superadmin").await;
    // The figure of places begins with whoever needs it first.
    owner.post("/staff", ivy(json!({}))).await.expect(201);
    let before = owner.get("/staff").await.expect(200)["limits"]["currentCount"].as_i64().unwrap();
    app.verify().await;
    let ctx = app.cloud.ctx("pos-staff");
    let wanted = ops::admin::NewAdmin {
        email: app.user("staff").0,
        name: "Promoted".into(),
        org_name: String::new(),
        org: Some(app.demo["org_id"].as_str().unwrap().parse().unwrap()),
        password: None,
    };
    for _ in 0..2 {
        ops::admin::create_admin(ctx.store(), ctx.identity(), &wanted, ctx.now()).await.unwrap();
        let count = owner.get("/staff").await.expect(200)["limits"]["currentCount"].as_i64().unwrap();
        assert_eq!(count, before - 1);
        app.verify().await;
    }
}
